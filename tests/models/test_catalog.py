"""Claims about the catalog: the shipped data is complete and consistent, and a broken file is a clear error."""

import datetime
import re
import tomllib
from dataclasses import fields
from urllib.parse import urlsplit

import pytest

from llmops_utils.core import DataError, UnknownModel
from llmops_utils.models.catalog import CAPABILITIES, CATALOG_FILE, HubFile, PackagedFile, Provider, load_catalog

CATALOG = load_catalog()
RAW = tomllib.loads(CATALOG_FILE.read_text(encoding="utf-8"))
MODELS = [*CATALOG.local.values(), *CATALOG.published.values()]
PROVIDERS = list(CATALOG.providers.values())

LOCAL_ENTRY = """
[[local]]
name = "tiny"
title = "Tiny"
maker = "Nobody"
kind = "chat"
parameters = 1
licence = "MIT"
source = "made up"
checked = 2026-01-02
"""
FILES_ENTRY = """
[[local.files]]
package = "tiny"
version = "1.0"
wheel_sha256 = "00"
wheel_bytes = 1
member = "tiny/model.bin"
name = "model.bin"
sha256 = "11"
bytes = 1
"""
PROVIDER_ENTRY = """
[[provider]]
id = "somewhere"
title = "Somewhere"
base_url = "https://host.example/v1"
seed = false
"""
PUBLISHED_ENTRY = """
[[published]]
name = "famous"
title = "Famous"
maker = "Somebody"
openness = "closed"
licence = "proprietary"
source = "made up"
checked = 2026-01-02
"""


def name_of(entry):
    return getattr(entry, "name", None) or entry.id


def write_catalog(tmp_path, text):
    path = tmp_path / "catalog.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# The shipped data


def test_the_shipped_catalog_holds_every_entry_once():
    assert len(CATALOG.local) == len(RAW["local"]) >= 2
    assert len(CATALOG.providers) == len(RAW["provider"]) >= 2
    assert len(CATALOG.published) == len(RAW["published"]) >= 1


@pytest.mark.parametrize("entry", MODELS + PROVIDERS, ids=name_of)
def test_every_entry_has_a_source_and_the_day_it_was_checked(entry):
    if isinstance(entry, Provider) and not (entry.base_url or entry.default_model or entry.capabilities):
        return  # “custom” says nothing about anyone's service
    assert entry.source.strip()
    assert type(entry.checked) is datetime.date
    assert entry.checked >= datetime.date(2026, 1, 1)


@pytest.mark.parametrize("entry", MODELS, ids=name_of)
def test_every_model_names_title_maker_and_licence(entry):
    assert [text.strip() != "" for text in (entry.title, entry.maker, entry.licence)] == [True, True, True]


@pytest.mark.parametrize("model", CATALOG.local.values(), ids=name_of)
def test_every_local_model_has_one_kind_of_source_and_a_size(model):
    assert model.kind in ("chat", "embedding")
    assert bool(model.files) != bool(model.hub)
    assert model.parameters > 1_000_000
    assert model.context is None or model.context >= 256
    assert model.files or model.megabytes > 0
    names = [packaged.name for packaged in model.files]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("model", CATALOG.local.values(), ids=name_of)
def test_every_checksum_is_64_hexadecimal_digits(model):
    checksums = [sha256 for packaged in model.files for sha256 in (packaged.wheel_sha256, packaged.sha256)]
    checksums += [model.hub.sha256] if model.hub and model.hub.sha256 else []
    assert [sha256 for sha256 in checksums if not re.fullmatch("[0-9a-f]{64}", sha256)] == []
    assert len(checksums) == len(set(checksums))


@pytest.mark.parametrize("model", CATALOG.local.values(), ids=name_of)
def test_no_file_name_leaves_its_folder(model):
    for packaged in model.files:
        assert "/" not in packaged.name
        assert "\\" not in packaged.name
        assert packaged.wheel_bytes > 0
        assert packaged.bytes > 0


def test_every_capability_is_known_and_true_or_false():
    others = {field.name for field in fields(Provider)}
    for entry in RAW["provider"]:
        flags = {name: value for name, value in entry.items() if name not in others}
        assert set(flags) <= set(CAPABILITIES)
        assert {type(value) for value in flags.values()} <= {bool}
    for provider in PROVIDERS:
        assert set(provider.capabilities) <= set(CAPABILITIES)


@pytest.mark.parametrize("provider", PROVIDERS, ids=name_of)
def test_every_address_is_a_url_and_encrypted_beyond_this_machine(provider):
    if provider.id in ("embedded", "custom"):
        assert provider.base_url == ""
        return
    parts = urlsplit(provider.base_url)
    assert parts.hostname
    assert parts.scheme == ("http" if parts.hostname in ("localhost", "127.0.0.1") else "https")
    assert not provider.base_url.endswith("/")
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)


@pytest.mark.parametrize("provider", PROVIDERS, ids=name_of)
def test_a_provider_beyond_this_machine_names_the_variable_of_its_key(provider):
    if urlsplit(provider.base_url).scheme == "https":
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*_API_KEY", provider.key_variable)
        assert provider.default_model
    re.compile(provider.key_pattern)


def test_the_embedded_provider_serves_local_models_with_files_from_the_package_index():
    provider = CATALOG.find_provider("embedded")
    model, encoder = CATALOG.find_local(provider.default_model), CATALOG.find_local(provider.embedding_model)
    assert [model.kind, encoder.kind] == ["chat", "embedding"]
    assert model.files
    assert {packaged.name for packaged in encoder.files} == {"model.onnx", "tokenizer.json"}


@pytest.mark.parametrize("model", CATALOG.published.values(), ids=name_of)
def test_every_published_model_names_a_provider_of_the_catalog(model):
    assert model.provider == "" or model.provider in CATALOG.providers
    assert model.openness in {"closed", "weights", "open"}


@pytest.mark.parametrize("model", CATALOG.published.values(), ids=name_of)
def test_dates_of_published_models_are_iso_dates_in_order(model):
    assert model.released <= model.checked.isoformat()
    for date in (model.released, model.retires):
        assert date == "" or re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", date)
    assert not (model.released and model.retires) or model.released < model.retires


@pytest.mark.parametrize("provider", PROVIDERS, ids=name_of)
def test_no_default_model_was_retired_when_it_was_checked(provider):
    for name in (provider.default_model, provider.embedding_model):
        model = CATALOG.published.get(name)
        retires = model.retires if model else ""
        assert retires == "" or retires >= max(provider.checked, model.checked).isoformat()


def test_no_address_of_a_package_index_stands_in_the_catalog():
    text = CATALOG_FILE.read_text(encoding="utf-8").lower()
    assert re.findall(r"(?i)pypi\b|pythonhosted|package-index", text) == []


# Names


@pytest.mark.parametrize(
    ("find", "name", "near"),
    [
        (CATALOG.find_local, "smollm2-135m-instuct", "smollm2-135m-instruct"),
        (CATALOG.find_local, "all-minilm-l6", "all-minilm-l6-v2"),
        (CATALOG.find_provider, "opena", "openai"),
        (CATALOG.find_provider, "embeded", "embedded"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(find, name, near):
    with pytest.raises(UnknownModel) as caught:
        find(name)
    assert f"“{name}”" in caught.value.problem
    assert caught.value.next_step.startswith(f"Did you mean {near}? Known: ")


def test_a_name_like_no_other_is_answered_with_all():
    with pytest.raises(UnknownModel) as caught:
        CATALOG.find_provider("zzzzzzzz")
    assert caught.value.next_step == f"Known: {', '.join(sorted(CATALOG.providers))}."


def test_a_known_name_is_found():
    assert CATALOG.find_local("all-minilm-l6-v2").name == "all-minilm-l6-v2"
    assert CATALOG.find_provider("custom").id == "custom"


# Other files


def test_every_licence_of_a_model_is_explained():
    assert {model.licence for model in MODELS} <= set(CATALOG.licences)


def test_every_benchmark_stands_once_with_source_and_date():
    keys = [(one.model, one.benchmark) for one in CATALOG.benchmarks]
    assert len(keys) == len(set(keys)) == len(RAW["benchmark"])
    for one in CATALOG.benchmarks:
        assert 0 <= one.points <= 100
        assert one.source.startswith("https://")
        assert one.setting
        assert one.checked <= datetime.date.today()


def test_a_shape_is_whole_and_has_a_source():
    for model in CATALOG.local.values():
        shape = (model.layers, model.kv_heads, model.head_size, model.shape_source)
        assert all(shape) or not any(shape), model.name


def test_hosts_have_a_price_by_the_hour_and_a_source():
    assert CATALOG.hosts["g5.xlarge"].usd_per_hour == 1.006
    assert all(host.usd_per_hour > 0 and host.source.startswith("https://") for host in CATALOG.hosts.values())


def test_a_small_catalog_is_read_whole(tmp_path):
    hub = LOCAL_ENTRY.replace('"tiny"', '"from-hub"') + 'hub = { repo = "a/b", name = "c.gguf" }\n'
    text = LOCAL_ENTRY + FILES_ENTRY + hub + PROVIDER_ENTRY + PUBLISHED_ENTRY
    catalog = load_catalog(write_catalog(tmp_path, text))
    assert list(catalog.local) == ["tiny", "from-hub"]
    files = (PackagedFile("tiny", "1.0", "00", 1, "tiny/model.bin", "model.bin", "11", 1),)
    assert catalog.local["tiny"].files == files
    assert catalog.local["from-hub"].hub == HubFile("a/b", "c.gguf", "main", "")
    assert catalog.local["from-hub"].checked == datetime.date(2026, 1, 2)
    assert catalog.providers["somewhere"].capabilities == {"seed": False}
    assert catalog.published["famous"].licence == "proprietary"


def test_an_empty_file_is_an_empty_catalog(tmp_path):
    catalog = load_catalog(write_catalog(tmp_path, ""))
    assert [catalog.local, catalog.providers, catalog.published] == [{}, {}, {}]


BENCHMARK_ENTRY = """
[[benchmark]]
model = "Tiny"
benchmark = "QUIZ"
points = 12.5
source = "https://host.example/card"
checked = 2026-01-02
"""
LICENCE_ENTRY = """
[[licence]]
name = "MIT"
commercial_use = "yes"
changes = "yes"
conditions = "keep the text"
source = "https://host.example/mit"
checked = 2026-01-02
"""
HOST_ENTRY = """
[[host]]
name = "box"
title = "A box"
usd_per_hour = 1.5
memory_gb = 24.0
source = "https://host.example/prices"
checked = 2026-01-02
"""


def test_benchmarks_licences_and_hosts_are_read(tmp_path):
    catalog = load_catalog(write_catalog(tmp_path, BENCHMARK_ENTRY + LICENCE_ENTRY + HOST_ENTRY))
    assert [(one.model, one.points, one.setting) for one in catalog.benchmarks] == [("Tiny", 12.5, "")]
    assert catalog.licences["MIT"].conditions == "keep the text"
    assert catalog.hosts["box"].usd_per_hour == 1.5


BROKEN = {
    "no points of a benchmark": BENCHMARK_ENTRY.replace("points = 12.5\n", ""),
    "unknown field of a licence": LICENCE_ENTRY + "weight = 3\n",
    "no price of a host": HOST_ENTRY.replace("usd_per_hour = 1.5\n", ""),
    "not TOML": LOCAL_ENTRY + "name = ",
    "same field twice": LOCAL_ENTRY + 'name = "again"\n',
    "unknown field of a local model": LOCAL_ENTRY + "weight = 3\n",
    "unknown field of a file": LOCAL_ENTRY + FILES_ENTRY + "weight = 3\n",
    "unknown field of a hub file": LOCAL_ENTRY + 'hub = { repo = "a/b", name = "c", branch = "d" }\n',
    "unknown field of a provider": PROVIDER_ENTRY + "telepathy = true\n",
    "unknown field of a published model": PUBLISHED_ENTRY + "weight = 3\n",
    "no licence": LOCAL_ENTRY.replace('licence = "MIT"\n', ""),
    "no name of a local model": LOCAL_ENTRY.replace('name = "tiny"\n', ""),
    "no checksum of a file": LOCAL_ENTRY + FILES_ENTRY.replace('sha256 = "11"\n', "", 1),
    "no repository of a hub file": LOCAL_ENTRY + 'hub = { name = "c" }\n',
    "no id of a provider": PROVIDER_ENTRY.replace('id = "somewhere"\n', ""),
    "no address of a provider": PROVIDER_ENTRY.replace('base_url = "https://host.example/v1"\n', ""),
    "no name of a published model": PUBLISHED_ENTRY.replace('name = "famous"\n', ""),
    "no source of a published model": PUBLISHED_ENTRY.replace('source = "made up"\n', ""),
    "single brackets around local": LOCAL_ENTRY.replace("[[local]]", "[local]"),
    "single brackets around provider": PROVIDER_ENTRY.replace("[[provider]]", "[provider]"),
    "single brackets around published": PUBLISHED_ENTRY.replace("[[published]]", "[published]"),
    "not UTF-8": LOCAL_ENTRY.replace("Nobody", "Ébène").encode("latin-1"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_catalog_is_a_data_error_that_names_the_file(tmp_path, text):
    with pytest.raises(DataError) as caught:
        load_catalog(write_catalog(tmp_path, text))
    assert caught.value.problem.startswith("catalog.toml cannot be read: ")
    assert caught.value.next_step == "Restore it from the repository."


def test_a_missing_catalog_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"absent\.toml cannot be read"):
        load_catalog(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("text", "field"),
    [(BROKEN["no licence"], "licence"), (BROKEN["unknown field of a local model"], "weight")],
)
def test_the_faulty_field_is_named(tmp_path, text, field):
    with pytest.raises(DataError, match=field):
        load_catalog(write_catalog(tmp_path, text))
