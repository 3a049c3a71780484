"""The embedded server and encoder: what holds without a model, and, under `make live`, with one."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import httpx2
import numpy as np
import psutil
import pytest

from llmops_utils.core import ROOT, ContextExceeded, ServerError, load_settings
from llmops_utils.models import server
from llmops_utils.models.budget import bound_tokens
from llmops_utils.models.model import Model
from llmops_utils.models.server import EmbeddedServer, count_cores, share_server, start_server
from llmops_utils.models.weights import AdapterFile


def test_cores_are_counted_without_their_second_hardware_threads(monkeypatch):
    for physical, logical, found in ((4, 8, 4), (None, 8, 8), (None, None, 1)):
        monkeypatch.setattr(psutil, "cpu_count", lambda logical, num=physical: num)
        monkeypatch.setattr("os.cpu_count", lambda num=logical: num)
        assert count_cores() == found


def test_an_answer_is_written_with_one_core_fewer_than_a_prompt_is_read_with(monkeypatch):
    starts = []

    def start(params):
        starts.append((params.cpuparams.n_threads, params.cpuparams_batch.n_threads, params.n_ctx))
        assert params.hostnames == ["127.0.0.1"]
        return SimpleNamespace(listening_address="http://127.0.0.1:5")

    library = SimpleNamespace(CommonParams=MagicMock, Server=start)
    monkeypatch.setitem(sys.modules, "xllamacpp", library)
    for num_cores, threads in ((4, None), (1, None), (4, 2)):
        monkeypatch.setattr(server, "count_cores", lambda num=num_cores: num)
        running = start_server(Path("w.gguf"), "m", context=512, parallel=3, threads=threads)
    assert starts == [(3, 4, 1536), (1, 1, 1536), (2, 2, 1536)]
    assert repr(running) == "EmbeddedServer(base_url='http://127.0.0.1:5/v1')"  # without the key
    library.Server = MagicMock(side_effect=RuntimeError("bad magic"))
    with pytest.raises(ServerError, match=r"did not start from w\.gguf \(bad magic\)(?s:.*)doctor"):
        start_server(Path("w.gguf"), "m")


@pytest.fixture
def started(monkeypatch):
    """Replace the start of a server; the fixture holds the arguments of each start."""
    starts = []

    def pretend(*arguments, adapter=None):
        time.sleep(0.05)  # long enough for other threads to arrive
        starts.append(arguments)
        return EmbeddedServer(f"http://127.0.0.1:{len(starts)}/v1", "key", None)

    monkeypatch.setattr(server, "start_server", pretend)
    monkeypatch.setattr(server, "_running", {})
    monkeypatch.setattr(server, "_last_used", {})
    return starts


def test_threads_share_one_server_and_other_settings_get_another(started):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: share_server(Path("w.gguf"), "m", 2048, 4, None), range(8)))
    assert started == [(Path("w.gguf"), "m", 2048, 4, None)]
    assert [one is found[0] for one in found] == [True] * 8
    assert share_server(Path("w.gguf"), "m", 1024, 4, None) is not found[0]
    assert share_server(Path("w.gguf"), "m", 2048, 4, None) is found[0]


def test_a_server_that_nobody_asked_for_minutes_ends_when_another_starts(started, monkeypatch):
    base = share_server(Path("w.gguf"), "m", 2048, 4, None)
    tuned = share_server(Path("w.gguf"), "m", 2048, 4, None, AdapterFile(Path("a.gguf"), "a", "0"))
    assert (len(server._running), base is tuned) == (2, False)
    monkeypatch.setattr(server, "IDLE_S", -1)
    share_server(Path("w.gguf"), "m", 2048, 4, None, AdapterFile(Path("a.gguf"), "a", "1"))  # trained anew
    assert len(server._running) == 1


@pytest.fixture(scope="module")
def model():
    return Model("01_test", settings=load_settings(parallel=2, context=1024))  # two at once


@pytest.fixture(scope="module")
def running(model):
    """The server of this process."""
    model.chat("Hi", max_tokens=1)
    [embedded] = server._running.values()
    return embedded


@pytest.mark.live
def test_the_server_listens_on_loopback_only_shows_no_key_and_answers_none_or_a_wrong_one_with_401(running, model):
    connections = psutil.Process().net_connections("tcp")
    listening = [tuple(entry.laddr) for entry in connections if entry.status == psutil.CONN_LISTEN]
    assert listening == [("127.0.0.1", urlsplit(running.base_url).port)]
    assert len(running.api_key) >= 32
    assert running.api_key not in repr(running) + repr(model) + repr(model.connection)
    body = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi", "content": "Hi", "max_tokens": 1}
    for path in ("/v1/chat/completions", "/v1/completions", "/tokenize", "/apply-template"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            url = running.base_url.removesuffix("/v1") + path
            assert httpx2.post(url, json=body, headers=headers, timeout=30).status_code == 401


@pytest.mark.live
def test_temperature_0_or_a_seed_repeats_a_text(model):
    first, second = (model.chat("Name three colours.", max_tokens=24) for _ in range(2))
    assert first.text == second.text != ""
    first, second = (model.chat("Tell a story.", temperature=1.0, seed=7, max_tokens=10).text for _ in range(2))
    assert first == second
    assert model.chat("Tell a story.", temperature=1.0, seed=8, max_tokens=10).text != first


@pytest.mark.live
def test_probabilities_of_next_tokens_fall_and_those_of_written_ones_are_there(model):
    chances = model.next_tokens("The capital of France is", num=10)
    probabilities = [chance.probability for chance in chances]
    assert len(chances) == 10
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1 + 1e-6
    assert chances[0].text == " Paris"
    reply = model.chat("Hi", max_tokens=5, logprobs=3)
    assert "".join(token.text for token in reply.tokens).startswith(reply.text)
    assert {(0 < token.probability <= 1, len(token.alternatives)) for token in reply.tokens} == {(True, 3)}


@pytest.mark.live
def test_choices_and_schemas_are_followed(model):
    assert model.chat("Is the sky blue?", choices=["yes", "no"]).parsed in ("yes", "no")
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    assert model.chat("A number?", schema=schema, max_tokens=32).parsed in ({"n": 1}, {"n": 2})


@pytest.mark.live
def test_tokens_of_a_text_or_conversation_are_within_the_bound(model):
    for text in ("", "Hello world", "Grüße aus 北京 🙂", " two  blanks\n"):
        tokens = model.tokenize(text)
        assert len(tokens) == model.count_tokens(text) <= bound_tokens(text)
        if text.isascii():
            assert "".join(token.text for token in tokens) == text
    messages = [{"role": "user", "content": "Grüße aus 北京 🙂"}]
    reply = model.chat(messages, max_tokens=1)
    assert model.count_tokens(messages) == reply.prompt_tokens <= bound_tokens(messages[0]["content"])


@pytest.mark.live
def test_each_request_has_the_whole_context_and_no_more(model):
    """Several at once, each near the limit: the context in the settings is for one request, not for all."""
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda text: model.chat(text, max_tokens=1), ["word " * 800] * 2))
    assert min(reply.prompt_tokens for reply in replies) > 800
    with pytest.raises(ContextExceeded) as caught:
        model.chat("word " * 1500, max_tokens=1)
    assert caught.value.status == 400


@pytest.mark.live
def test_embeddings_have_length_1_do_not_depend_on_their_batch_and_are_near_for_like_texts(model):
    texts = ["A cat.", "The stock market fell sharply on Monday after a long rally.", "Eine Katze schläft.", "x" * 900]
    together = model.embed(texts)
    alone = np.stack([model.embed(text) for text in texts])
    assert together.shape == (4, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (together * alone).sum(axis=1) == pytest.approx(1.0, abs=0.01)
    cat, kitten, market = model.embed(["A cat sleeps.", "A kitten is sleeping.", "The stock market fell."])
    assert cat @ kitten > cat @ market + 0.2


@pytest.mark.live
def test_a_child_with_damaged_weights_says_so(tmp_path):
    weights = tmp_path / "no.gguf"
    weights.write_bytes(b"GGUF" + os.urandom(64))
    code = f"import pathlib, llmops_utils.models as m; m.start_server(pathlib.Path({str(weights)!r}), 'm')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert re.search(r"ServerError: .*did not start from no\.gguf(?s:.*)doctor", done.stderr)
