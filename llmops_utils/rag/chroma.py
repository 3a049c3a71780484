"""The Chroma client: in the learner's folder or on a server, and what it raises turned into clear errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch
from urllib.parse import urlsplit

from ..core import DataError, Settings, SettingsError, WorkbookError, read_environment
from ..models import import_jsonschema


class IndexMismatch(WorkbookError):
    """The collection was made with another embedding model or another chunking."""


class IndexChanged(WorkbookError):
    """Another process changed the collection since this index was built."""


class IndexUnreachable(WorkbookError):
    """The Chroma server or the folder does not answer, or another process does not finish."""


def open_client(settings: Settings):
    """Return the Chroma client of the server that CHROMA_HOST names, as `host`, `host:port` or an address.

    Without it, and in replay, which opens no connection, the collections lie in the folder `indexes` of LLMOPS_HOME.
    """
    chromadb = import_chroma()
    quiet = chromadb.Settings(anonymized_telemetry=False)
    host = "" if settings.mode == "replay" else read_environment().get("CHROMA_HOST", "").strip()
    if not host:
        folder = settings.home / "indexes"
        folder.mkdir(parents=True, exist_ok=True)
        # A client that is open sees only part of what another process added since; a new one reads everything.
        chromadb.api.client.SharedSystemClient.clear_system_cache()
        return chromadb.PersistentClient(str(folder), settings=quiet)
    address = urlsplit(host if "//" in host else f"http://{host}")
    try:
        port = address.port or (443 if address.scheme == "https" else 8000)
    except ValueError:
        port = None
    if address.scheme not in ("http", "https") or not address.hostname or port is None:
        raise SettingsError(f"CHROMA_HOST is “{host}”.", "Name a host, or host:port, such as 127.0.0.1:8000.")
    name = f"[{address.hostname}]" if ":" in address.hostname else address.hostname
    with _pass_proxy(address.hostname):
        return _connect(f"{address.scheme}://{name}:{port}", port, quiet)


@cache
def import_chroma():
    """Return chromadb, its settings not from a file `.env` or variables as common as MIGRATIONS, of another project."""
    import pydantic

    import_jsonschema()
    with patch("pydantic_settings.BaseSettings", pydantic.BaseModel):
        import chromadb
        import chromadb.api.client
        import chromadb.errors
    return chromadb


def _pass_proxy(host: str):
    """Let a client that is made now reach this machine itself where the variables name a proxy for everything."""
    is_here = host in ("localhost", "::1") or host.startswith("127.")
    names = ("NO_PROXY", "no_proxy") if is_here else ()
    return patch.dict(os.environ, {name: f"{host},{os.environ.get(name, '')}" for name in names})


def _connect(address: str, port: int, quiet):
    """Return the client of a server. Raises `IndexUnreachable` where what answers there is no Chroma."""
    import httpx

    chromadb = import_chroma()
    heartbeat = httpx.get(f"{address}/api/v2/heartbeat", timeout=30)  # the client itself would wait for ever
    try:
        heartbeat.json()["nanosecond heartbeat"]
        return chromadb.HttpClient(address, port, ssl=address.startswith("https"), settings=quiet)
    except (ValueError, TypeError, KeyError, chromadb.errors.ChromaError) as error:
        raise IndexUnreachable(
            f"What answers at CHROMA_HOST ({address}) is no Chroma server that this notebook may use: "
            f"status {heartbeat.status_code}, {str(error)[:120]}.",
            "Name the host and port of a server (chroma run) that asks for no sign-in, or unset CHROMA_HOST.",
        ) from error


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turn what Chroma raises where its server or its folder fails into a clear error."""
    import httpx

    errors = import_chroma().errors
    try:
        yield
    except (errors.InvalidArgumentError, errors.InvalidDimensionException) as error:
        raise DataError(
            f"The index does not take this ({str(error)[:180]}).", "Give the index another name, or delete it first."
        ) from error
    except errors.NotFoundError as error:
        raise IndexChanged("The index was deleted by another notebook or process.", "Build it again.") from error
    except (httpx.HTTPError, ValueError, OSError, errors.InternalError) as error:
        if isinstance(error, ValueError) and "Could not connect" not in str(error):  # what a broken folder gives too
            raise
        raise IndexUnreachable(
            f"Chroma does not answer ({type(error).__name__}: {str(error)[:120]}).",
            "Where CHROMA_HOST is set: start the server (chroma run), or unset it. "
            "Else check the disk and the folder LLMOPS_HOME.",
        ) from error
