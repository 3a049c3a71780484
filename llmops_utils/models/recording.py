"""Record and replay: answers are stored, one a line, and given back by what was asked.

No headers are kept, so no key can be. Recordings of several models live in one file per chapter; the request body
names the model.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import json
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from ..core import DataError, Settings, append_line, clean_values, hold_lock, parse_json_values, read_bytes, write_whole

MOST_BYTES = 60_000_000  # of a file, unpacked; the largest of the course has 2.9 MB
RESTORE = "Restore the file from the repository (git checkout), or record the chapter again."


@dataclass(frozen=True, config=ConfigDict(strict=True))
class Recording:
    """One stored answer.

    `request` holds method, path and body, `response` status and body, or status and stream. `source` is the weights'
    checksum or a host, `recorded` the day.
    """

    request: dict[str, Any]
    response: dict[str, Any]
    latency_s: float
    source: str
    recorded: str

    @property
    def key(self) -> str:
        """The text by which the answer is found: method, path and canonical body."""
        return make_key(**self.request)

    @property
    def model(self) -> str:
        """The model that the request names, or an empty text."""
        body = self.request["body"]
        return str(body.get("model", "")) if isinstance(body, dict) else ""

    def to_line(self) -> str:
        """Return the recording as one JSON line without its line end."""
        return json.dumps(vars(self), ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> Recording:
        """Return the recording of one line. Raises KeyError, TypeError or ValueError where it is none."""
        recording = cls(**parse_json_values(line))
        names = set(recording.response)
        if names not in ({"status", "body"}, {"status", "stream"}) or type(recording.response["status"]) is not int:
            raise ValueError("no response")
        return recording


def make_key(method: str, path: str, body: object) -> str:
    """Return the key of a request: the same for the same meaning, whatever the order of fields, and 0 is 0.0."""
    return f"{method} {path} " + json.dumps(_unify(body), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _unify(value: object) -> object:
    if isinstance(value, dict):
        return {name: _unify(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_unify(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hash_key(key: str) -> str:
    """Return a short text that stands for a key in a log."""
    return hashlib.sha256(key.encode()).hexdigest()


class Recordings:
    """The recordings of one chapter: JSON lines, of which the tidy ones are packed. Looking one up is a dictionary access.

    A new answer is appended at once to the file `path`, so an interrupted session loses nothing; `tidy` puts all into a
    stable order and packs them into a file beside it, with gzip. Several processes may record: each waits while another
    writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed = path.with_name(f"{path.name}.gz")
        self._by_key: dict[str, Recording] | None = None
        self._lock = threading.Lock()

    def _load(self) -> dict[str, Recording]:
        if self._by_key is None:
            found: dict[str, Recording] = {}
            fresh = _read(self.path)  # first: another process may tidy meanwhile, which packs these lines
            for path, content in ((self.packed, self._unpack()), (self.path, fresh)):
                for number, line in enumerate(content.split(b"\n"), start=1):
                    found |= _read_line(line.strip(b"\0\r "), f"{path.name}, line {number}, is")
            self._by_key = found
        return self._by_key

    def _unpack(self) -> bytes:
        """Return the lines of the packed file; no more are unpacked than one may hold."""
        try:
            with gzip.open(io.BytesIO(_read(self.packed))) as file:
                content = file.read(MOST_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self.packed.name} is damaged ({type(error).__name__}).", RESTORE) from error
        if len(content) > MOST_BYTES:
            raise DataError(f"{self.packed.name} holds more than {MOST_BYTES:,} bytes.", RESTORE)
        return content

    def __len__(self) -> int:
        return len(self._load())

    def __iter__(self) -> Iterator[Recording]:
        return iter(self._load().values())

    def find(self, key: str) -> Recording | None:
        """Return the recording of a request, or None."""
        with self._lock:
            return self._load().get(key)

    def add(self, recording: Recording) -> None:
        """Append an answer to the file and keep it."""
        with self._lock, hold_lock(self.path):
            before = self._load()
            append_line(self.path, recording.to_line())
            before[recording.key] = recording

    def tidy(self, keep: Callable[[Recording], bool]) -> int:
        """Pack all recordings sorted, without what `keep` refuses; return how many were dropped."""
        with self._lock, hold_lock(self.path):
            self._by_key = None  # another process may have recorded meanwhile
            before = self._load()
            kept = {key: recording for key, recording in before.items() if keep(recording)}
            ordered = sorted(kept.values(), key=lambda recording: (recording.model, recording.key))
            content = "".join(f"{recording.to_line()}\n" for recording in ordered).encode()
            if content != self._unpack():  # what is the same stays to the byte, whatever packed it
                write_whole(self.packed, gzip.compress(content, mtime=0))
            self.path.unlink(missing_ok=True)
            self._by_key = kept
            return len(before) - len(kept)


def _read(path: Path) -> bytes:
    return read_bytes(path, MOST_BYTES) if path.is_file() else b""


def _read_line(line: bytes, where: str) -> dict[str, Recording]:
    """Return the recording of a line by its key, or nothing for an empty line and half a one, left by a crash."""
    if not line:
        return {}
    try:
        recording = Recording.from_line(line.decode("utf-8"))
        return {recording.key: recording}
    except (ValueError, KeyError, TypeError) as error:
        is_cut = isinstance(error, json.JSONDecodeError) or "unexpected end of data" in str(error)
        if line.startswith(b"{") and is_cut:
            warnings.warn(f"{where} half a recording, left by a crash; it is passed over.", stacklevel=3)
            return {}
        raise DataError(f"{where} not a recording ({type(error).__name__}).", RESTORE) from error


class Recorder:
    """Says which calls are answered from recordings and which are asked, and stores answers, as the mode wants it.

    | mode | recording there | none there |
    |---|---|---|
    | replay | give it back | nobody is asked: the caller says how to record |
    | auto | give it back, if it is of the same source | ask |
    | fill | give it back, if it is of the same source | ask and store |
    | record | ask and store (once per session) | ask and store |
    | live | ask | ask |
    """

    def __init__(self, recordings: Recordings, settings: Settings, source: str) -> None:
        self.recordings = recordings
        self.settings = settings
        self.source = source
        self._fresh: set[str] = set()

    def find(self, request: dict[str, Any], in_live_too: bool = False) -> Recording | None:
        """Return the recording that answers a call, or None where there is none to be given back in this mode.

        `in_live_too` lets `live` take a recording as well, for what takes too long to repeat.
        """
        key, mode = make_key(**request), self.settings.mode
        if (mode == "live" and not in_live_too) or (mode == "record" and key not in self._fresh):
            return None
        found = self.recordings.find(key)
        if found is not None and mode in ("auto", "fill") and not in_live_too and found.source != self.source:
            return None  # another provider or other weights answered the same request
        if found is not None:
            self._note_use(key)
        return found

    def keep(self, request: dict[str, Any], response: dict[str, Any], latency_s: float) -> Recording:
        """Return a fresh answer as a recording, stored where the mode stores.

        Where the same answer is there already, the old line stays, so that the file shows what changed.
        """
        request, response = clean_values(request), clean_values(response)
        fresh = Recording(request, response, round(latency_s, 4), self.source, datetime.date.today().isoformat())
        if not self.settings.stores:
            return fresh
        self._note_use(fresh.key)
        self._fresh.add(fresh.key)
        before = self.recordings.find(fresh.key)
        if before is not None and (before.response, before.source) == (response, self.source):
            return before
        self.recordings.add(fresh)
        return fresh

    def _note_use(self, key: str) -> None:
        if self.settings.used_log is not None:
            append_line(self.settings.used_log, hash_key(key))
