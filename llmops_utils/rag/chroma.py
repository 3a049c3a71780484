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

NO_SERVER = "Name the host and port of a Chroma server (chroma run) that asks for no sign-in, or unset CHROMA_HOST."


class IndexMismatch(WorkbookError):
    """The collection was made with another embedding model or another chunking."""


class IndexChanged(WorkbookError):
    """Another process changed the collection since this index was built."""


class IndexUnreachable(WorkbookError):
    """The Chroma server or the folder does not answer, or another process does not finish."""


def open_client(settings: Settings):
    """Return the Chroma client that the settings ask for, its telemetry switched off.

    CHROMA_HOST names a server as `host`, `host:port` or an address; in replay, which opens no connection, and without
    it, the collections lie in the folder `indexes` of LLMOPS_HOME.
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
    secure = address.scheme == "https"
    with _pass_proxy(address.hostname):
        _check_server(f"{address.scheme}://{name}:{port}")
        try:
            return chromadb.HttpClient(f"{address.scheme}://{name}:{port}", port, ssl=secure, settings=quiet)
        except ValueError as error:  # whatever the server said to the first question
            raise IndexUnreachable(f"The Chroma server refuses ({str(error)[:120]}).", NO_SERVER) from error


@cache
def import_chroma():
    """Return chromadb; its settings are those that this module gives.

    By itself it takes them from a file `.env` and from variables as common as MIGRATIONS, at its import already, and
    what another project set there breaks it.
    """
    import pydantic

    import_jsonschema()
    with patch("pydantic_settings.BaseSettings", pydantic.BaseModel):
        import chromadb
        import chromadb.api.client
        import chromadb.errors
    return chromadb


@contextmanager
def _pass_proxy(host: str) -> Iterator[None]:
    """Let a client that is made now reach this machine itself where the variables name a proxy for everything."""
    is_here = host in ("localhost", "::1") or host.startswith("127.")
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")} if is_here else {}
    try:
        os.environ.update({name: f"{value},{host}" if value else host for name, value in before.items()})
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _check_server(address: str) -> None:
    """Raise `IndexUnreachable` where something else than Chroma answers at CHROMA_HOST. Chroma's heartbeat is open."""
    import httpx

    answer = httpx.get(f"{address}/api/v2/heartbeat", timeout=30)
    try:
        is_chroma = answer.status_code == 200 and "nanosecond heartbeat" in answer.json()
    except (ValueError, TypeError):
        is_chroma = False
    if not is_chroma:
        raise IndexUnreachable(
            f"What answers at CHROMA_HOST ({address}) is no Chroma server that this notebook may use: "
            f"status {answer.status_code}, {answer.headers.get('content-type', 'of no type')}.",
            NO_SERVER,
        )


@contextmanager
def translate_faults() -> Iterator[None]:
    """Turn what Chroma raises where its server or its folder fails into a clear error."""
    import httpx

    errors = import_chroma().errors
    try:
        yield
    except (errors.InvalidArgumentError, errors.InvalidDimensionException) as error:
        raise DataError(
            f"The index does not take this ({str(error)[:120]}).", "Give the index another name, or delete it first."
        ) from error
    except errors.NotFoundError as error:
        raise IndexChanged("The index was deleted by another notebook or process.", "Build it again.") from error
    except (httpx.HTTPError, ValueError, OSError, errors.InternalError) as error:
        if isinstance(error, ValueError) and "Could not connect" not in str(error):
            raise
        raise IndexUnreachable(
            f"Chroma does not answer ({type(error).__name__}: {str(error)[:120]}).",
            "Where CHROMA_HOST is set: start the server (chroma run), or unset it. "
            "Else check the disk and the folder LLMOPS_HOME.",
        ) from error
