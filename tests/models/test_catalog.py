"""Claims about the catalog: the shipped data is complete and consistent, and a broken file is a clear error."""

import datetime
import re
from urllib.parse import urlsplit

import pytest

from llmops_utils.core import DataError, UnknownModel
from llmops_utils.models import catalog as catalog_module
from llmops_utils.models.catalog import CATALOG_FILE, load_catalog

CATALOG = load_catalog()
TEXT = CATALOG_FILE.read_text(encoding="utf-8")
MODELS = [*CATALOG.local.values(), *CATALOG.published.values()]
PROVIDERS = list(CATALOG.providers.values())


def test_the_shipped_catalog_holds_every_entry_once_with_its_source_and_the_day_it_was_checked():
    for table, entries in (
        ("local", CATALOG.local),
        ("provider", CATALOG.providers),
        ("published", CATALOG.published),
        ("benchmark", {(one.model, one.benchmark) for one in CATALOG.benchmarks}),
        ("licence", CATALOG.licences),
        ("host", CATALOG.hosts),
    ):
        assert len(entries) == len(re.findall(rf"(?m)^\[\[{table}\]\]", TEXT)) >= 1, table
    others = [*CATALOG.benchmarks, *CATALOG.licences.values(), *CATALOG.hosts.values()]
    for entry in [*MODELS, *PROVIDERS, *others]:
        if entry != CATALOG.providers["custom"]:  # which says nothing about anyone's service
            assert entry.source.strip(), entry
            assert datetime.date(2026, 1, 1) <= entry.checked <= datetime.date.today(), entry
    assert all(one.source.startswith("https://") for one in [*CATALOG.benchmarks, *CATALOG.hosts.values()])
    assert all(one.setting and 0 <= one.points <= 100 for one in CATALOG.benchmarks)
    for model in MODELS:
        assert all((model.title.strip(), model.maker.strip(), model.licence in CATALOG.licences)), model.name


def test_every_local_model_has_one_kind_of_source_a_size_a_whole_shape_and_files_that_stay_in_their_folder():
    for model in CATALOG.local.values():
        assert model.kind in ("chat", "embedding")
        assert bool(model.files) != bool(model.hub)
        assert model.parameters > 1_000_000
        assert model.context is None or model.context >= 256
        assert model.files or model.megabytes > 0
        shape = (model.layers, model.kv_heads, model.head_size, model.shape_source)
        assert all(shape) or not any(shape), model.name
        checksums = [sha256 for packaged in model.files for sha256 in (packaged.wheel_sha256, packaged.sha256)]
        assert [sha256 for sha256 in checksums if not re.fullmatch("[0-9a-f]{64}", sha256)] == []
        assert len(checksums) == len(set(checksums))
        if model.kind == "embedding" and model.files:
            assert {packaged.name for packaged in model.files} == {"model.onnx", "tokenizer.json"}
        for packaged in model.files:
            assert re.fullmatch(r"[^/\\]+", packaged.name)
            assert min(packaged.wheel_bytes, packaged.bytes) > 0


def test_every_address_is_a_url_encrypted_beyond_this_machine_and_none_that_of_a_package_index():
    assert re.findall(r"(?i)pypi\b|pythonhosted|package-index", TEXT) == []
    for provider in PROVIDERS:
        re.compile(provider.key_pattern)
        if provider.id in ("embedded", "custom"):
            assert provider.base_url == ""
            continue
        parts = urlsplit(provider.base_url)
        is_here = parts.hostname in ("localhost", "127.0.0.1")
        assert parts.hostname
        assert parts.scheme == ("http" if is_here else "https")
        assert not provider.base_url.endswith("/")
        assert (parts.query, parts.fragment, parts.username) == ("", "", None)
        if not is_here:
            assert re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", provider.key_variable)
            assert provider.default_model


def test_published_models_have_a_provider_of_the_catalog_and_dates_in_order():
    for model in CATALOG.published.values():
        assert model.provider == "" or model.provider in CATALOG.providers
        assert model.openness in {"closed", "weights", "open"}
        assert model.released <= model.checked.isoformat()
        for date in (model.released, model.retires):
            assert date == "" or re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", date)
        assert not (model.released and model.retires) or model.released < model.retires
    for provider in PROVIDERS:  # whose default models were not retired when they were checked
        for model in map(CATALOG.published.get, (provider.default_model, provider.embedding_model)):
            assert not (model and model.retires) or model.retires >= max(provider.checked, model.checked).isoformat()


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all():
    for find, name, near in (
        (CATALOG.find_local, "smollm2-135m-instuct", "smollm2-135m-instruct"),
        (CATALOG.find_local, "all-minilm-l6", "all-minilm-l6-v2"),
        (CATALOG.find_provider, "opena", "openai"),
    ):
        with pytest.raises(UnknownModel, match=f"“{name}”") as caught:
            find(name)
        assert caught.value.next_step.startswith(f"Did you mean {near}? Known: ")
    with pytest.raises(UnknownModel) as caught:
        CATALOG.find_provider("zzzzzzzz")
    assert caught.value.next_step == f"Known: {', '.join(sorted(CATALOG.providers))}."


def test_a_broken_catalog_is_a_data_error_that_names_file_and_field(tmp_path, monkeypatch):
    path = tmp_path / "catalog.toml"
    monkeypatch.setattr(catalog_module, "CATALOG_FILE", path)
    broken = {
        "Invalid": TEXT + "name = ",
        "weight": TEXT.replace('kind = "chat"', 'kind = "chat"\nweight = 3', 1),
        "sha256": re.sub(r'\nsha256 = "[^"]*"', "", TEXT, count=1),
        "name": re.sub(r'name = "[^"]*"\n', "", TEXT, count=1),
        "capabilities.seed": re.sub(r"\nseed = \w+", '\nseed = "perhaps"', TEXT, count=1),
        "utf-8": TEXT.encode() + b"# \xe9",
    }
    for field, text in broken.items():
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=r"catalog\.toml cannot be read: ") as caught:
            load_catalog.__wrapped__()
        assert field in caught.value.problem
        assert caught.value.next_step == "Restore it from the repository."
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        load_catalog.__wrapped__()
