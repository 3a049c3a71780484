"""From settings to a connection: names, sources, keys, and what replay leaves alone."""

import sys
from pathlib import Path

import httpx2
import openai
import pytest
from tiny_adapter import write_adapter

from llmops_utils.core import Settings, errors, load_settings
from llmops_utils.models import catalog, connection, weights
from llmops_utils.models.catalog import load_catalog
from llmops_utils.models.connection import EMBEDDED_URL, EmbeddedTransport, connect, find_key, name_source
from llmops_utils.models.model import Model
from llmops_utils.models.weights import _locate

KEY = "sk-for-tests-9f8e7d6c5b4a"
CATALOG = load_catalog()


def make_settings(tmp_path, **changes):
    return Settings(**({"mode": "replay", "home": tmp_path / "home", "recordings": tmp_path / "recordings"} | changes))


def test_a_chapter_names_the_file_of_its_recordings_and_no_other_folder(tmp_path):
    for chapter in ("", "../secrets", "a/b", "/etc/passwd", "a\\b", "C:x", "a*", 'a"b', "<a>", "a|b"):
        with pytest.raises(errors.DataError, match="no name for a chapter"):
            connect(chapter, make_settings(tmp_path))
    for chapter in ("01_1_what_an_llm_is", "Übung 2", "a.b"):
        recorder = connect(chapter, make_settings(tmp_path)).transport.recorder
        assert recorder.recordings.path == tmp_path / "recordings" / f"{chapter}.jsonl"


def test_an_address_without_a_model_or_a_local_model_of_the_wrong_kind_is_refused(tmp_path):
    with pytest.raises(errors.SettingsError, match="LLMOPS_MODEL"):
        connect("01_test", make_settings(tmp_path, base_url="http://127.0.0.1:9/v1"))
    for names in ({"model": "all-minilm-l6-v2"}, {"embedding_model": "smollm2-135m-instruct"}):
        with pytest.raises(errors.SettingsError, match="wants a chat model"):
            connect("01_test", make_settings(tmp_path, **names))


@pytest.fixture
def asked(monkeypatch):
    """Let the embedded model say by what it answers; the fixture lists the adapters that were asked."""
    paths = []

    def answer(self, request):
        paths.append(self.adapter and self.adapter.path)
        message = {"content": f"by {self.adapter.name if self.adapter else 'base'}"}
        return httpx2.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})

    monkeypatch.setattr(EmbeddedTransport, "_forward", answer)
    return paths


def test_a_model_with_an_adapter_has_a_name_a_source_a_server_and_recordings_of_its_own(tmp_path, asked):
    path = write_adapter(tmp_path / "mine.gguf")
    settings = make_settings(tmp_path, mode="fill")
    base, mine = Model("01_test", settings=settings), Model("01_test", settings=settings, adapter=path)
    assert (base.name, mine.name) == ("smollm2-135m-instruct", "smollm2-135m-instruct+mine")
    assert mine.connection.source.startswith(f"{base.connection.source}, adapter sha256:")
    for _ in range(2):  # the second time from recordings
        assert (base.chat("Hi").text, mine.chat("Hi").text) == ("by base", "by mine")
        assert "adapter" in str(mine.chat("Hi").provenance)
    assert asked == [None, path]
    write_adapter(path, extra="trained anew")
    assert Model("01_test", settings=settings, adapter=path).chat("Hi").text == "by mine"
    assert asked == [None, path, path]  # another file under the same name is asked again


def test_an_adapter_of_the_catalog_is_the_base_with_its_file_by_either_way_of_naming_it(tmp_path, monkeypatch):
    base = CATALOG.find_local("smollm2-135m-instruct")
    shipped = base.model_copy(update={"name": "shipped", "base": base.name, "adapter": "shipped.gguf"})
    monkeypatch.setattr(catalog, "ADAPTERS", tmp_path)
    monkeypatch.setitem(CATALOG.local, "shipped", shipped)
    write_adapter(tmp_path / "shipped.gguf", name="x")
    ways = [connect("01_test", make_settings(tmp_path, model="shipped"))]
    ways += [connect("01_test", make_settings(tmp_path, **names), "shipped") for names in ({}, {"provider": "mistral"})]
    assert {way.model for way in ways} == {"shipped"}
    [source] = {way.source for way in ways}
    assert source.startswith(f"weights sha256:{base.files[0].sha256[:12]}, adapter sha256:")
    home = make_settings(tmp_path).home
    assert connection.choose_local_models(make_settings(tmp_path, model="shipped"))[0] == shipped
    assert _locate(shipped, home) == _locate(base, home)  # fetched once
    own = write_adapter(tmp_path / "own.gguf", name="own")
    assert connect("01_test", make_settings(tmp_path, model="shipped"), own).model == f"{base.name}+own"


def test_a_class_shares_the_embedded_model_so_that_its_recordings_cost_nothing_where_the_server_is_down_too(
    tmp_path, asked
):
    settings = make_settings(tmp_path, provider="embedded", base_url="http://127.0.0.1:9/v1", mode="auto", retries=0)
    here = connect("01_test", make_settings(tmp_path))
    for name in (None, "pellworth"):
        shared = connect("01_test", settings, name)
        own = connect("01_test", make_settings(tmp_path), name)
        assert (shared.model, shared.source, shared.server) == (own.model, own.source, "127.0.0.1")
        recorded = Model("01_test", settings=make_settings(tmp_path, mode="fill"), adapter=name).chat("Hi")
        model = Model("01_test", settings=settings, adapter=name)
        assert model.chat("Hi").text == recorded.text
        with pytest.raises(errors.Unreachable, match=r"http://127\.0\.0\.1:9/v1 cannot be reached"):
            model.chat("What nobody asked yet")
    mine = connect("01_test", settings, write_adapter(tmp_path / "mine.gguf"))
    assert (mine.base_url, here.base_url) == (EMBEDDED_URL, EMBEDDED_URL)  # of a file that only this learner has


def test_an_adapter_of_another_base_or_that_is_none_is_refused(tmp_path):
    settings = make_settings(tmp_path)
    path = write_adapter(tmp_path / "foreign.gguf", base="0" * 64)
    with pytest.raises(errors.DataError, match="belongs to another base"):
        connect("01_test", settings, path)
    write_adapter(path, **{"adapter.type": "other"})
    for content in (path.read_bytes(), b"GGUF", b"", path.read_bytes()[:200]):
        path.write_bytes(content)
        with pytest.raises(errors.DataError, match=r"foreign\.gguf"):
            connect("01_test", settings, path)
    with pytest.raises(errors.DataError, match="cannot be read"):
        connect("01_test", settings, tmp_path / "missing.gguf")


def test_a_provider_brings_model_address_and_source_checksum_of_weights_place_on_the_hub_or_host(tmp_path):
    checksum = CATALOG.local["smollm2-135m-instruct"].files[0].sha256[:12]
    address = {"base_url": "http://user@127.0.0.1:8123/v1", "model": "m", "embedding_model": "e"}
    for changes, found in (
        ({}, ("smollm2-135m-instruct", "all-minilm-l6-v2", EMBEDDED_URL, f"weights sha256:{checksum}")),
        (
            {"provider": "mistral"},
            ("mistral-small-2603", "mistral-embed", "https://api.mistral.ai/v1", "api.mistral.ai"),
        ),
        (address, ("m", "e", address["base_url"], "127.0.0.1")),  # without user and port
    ):
        one = connect("01_test", make_settings(tmp_path, **changes))
        assert (one.model, one.embedding_model, one.base_url, one.source) == found
    model = next(model for model in CATALOG.local.values() if model.hub)
    assert name_source(model) == f"{model.hub.repo}/{model.hub.name}"


def test_the_key_is_llmops_api_key_or_the_variable_of_the_provider(monkeypatch):
    assert find_key(CATALOG.providers["openai"], load_settings()) == ""
    assert find_key(CATALOG.providers["ollama"], load_settings()) == ""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-provider-01")
    assert find_key(CATALOG.providers["openai"], load_settings()) == "sk-of-the-provider-01"
    monkeypatch.setenv("LLMOPS_API_KEY", "sk-of-the-course-0001")
    assert find_key(CATALOG.providers["openai"], load_settings()) == "sk-of-the-course-0001"
    monkeypatch.delenv("LLMOPS_API_KEY")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-proj-of-another-one")
    with pytest.raises(errors.KeyMalformed, match="ANTHROPIC_API_KEY") as caught:
        find_key(CATALOG.providers["anthropic"], load_settings())
    assert "another-one" not in str(caught.value)


def test_the_key_of_one_provider_goes_to_no_other_and_that_of_azure_to_its_addresses_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef0123456789abcdef")
    assert find_key(CATALOG.providers["mistral"], load_settings()) == ""
    for settings in (
        make_settings(tmp_path, base_url="http://127.0.0.1:9/v1", model="m"),
        make_settings(tmp_path, provider="ollama"),
        make_settings(tmp_path),
    ):
        assert Model("01_test", settings=settings).client.api_key != KEY
    for host, key in (("me.openai.azure.com", "0123456789abcdef0123456789abcdef"), ("azure.com.example", "")):
        settings = load_settings(base_url=f"https://{host}/openai/v1")
        assert find_key(CATALOG.providers["custom"], settings) == key


def test_connecting_and_replay_load_no_model_and_touch_no_folder_and_the_client_waits_as_the_settings_say(tmp_path):
    before = set(sys.modules)
    for mode in ("live", "record", "auto", "fill", "replay"):
        model = Model("01_test", settings=make_settings(tmp_path, mode=mode, timeout_s=7))
        assert (model.client.max_retries, model.client.timeout) == (4, httpx2.Timeout(7))
        assert model.connection.http_client.timeout == httpx2.Timeout(7)
    for ask in (model.chat, model.embed, model.tokenize):
        with pytest.raises(errors.RecordingMissing):
            ask("Something new")
    assert list(tmp_path.iterdir()) == []
    heavy = {"xllamacpp", "onnxruntime", "tokenizers", "llmops_utils.models.server", "llmops_utils.models.encoder"}
    assert not (set(sys.modules) - before) & heavy


def test_a_failure_to_fetch_or_load_reaches_the_reader_as_it_is_and_is_never_tried_again_or_recorded(
    monkeypatch, tmp_path
):
    fetches = []

    def fetch_nothing(model, home):
        fetches.append((model.name, home))
        raise errors.WeightsError("There is no room.", "Free some.")

    monkeypatch.setattr(weights, "fetch_weights", fetch_nothing)
    model = Model("01_test", settings=make_settings(tmp_path, mode="record", retries=3))
    for call in (lambda: model.chat("Hi"), lambda: model.embed("Hi")):
        with pytest.raises(errors.WeightsError, match="There is no room"):
            call()
    home = tmp_path / "home"
    assert fetches == [("smollm2-135m-instruct", home), ("all-minilm-l6-v2", home)]
    with pytest.raises(openai.APIStatusError, match=r"There is no room\."):  # plain openai code shows it too
        model.client.embeddings.create(model=model.name, input="Hi")
    monkeypatch.setattr(weights, "fetch_weights", lambda model, home: {"w": Path("w.gguf")})
    with pytest.raises(errors.ServerError, match="does not load"):
        model.chat("Hi")
    assert not (tmp_path / "recordings").exists()
