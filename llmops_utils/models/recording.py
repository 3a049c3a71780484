"""Record and replay: answers are stored, one a line, and given back by what was asked.

No headers are kept, so no key can be. Recordings of several models live in one file per chapter; the request body
names the model. What several requests hold, a long text or the turns before the last one, stands once at the beginning
of a tidy file, under a name made from its content, and requests refer to it. So does what many recordings of one form
have in common, such as model, settings and day: of each its line holds what is its own.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from ..core import DataError, Settings, append_line, clean_values, hold_lock, parse_json_values, read_bytes, write_whole

MOST_BYTES = 60_000_000  # of a file; the largest of the course has 5.5 MB
SHORTEST = 40  # letters of a text that is worth a reference
REFERENCE = "@"  # the only field of what stands for a shared value; no request has such a field
SMALLEST_GROUP = 8  # recordings of one form for which a line of their own pays


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
    def from_line(cls, line: str, shared: Mapping[str, Any]) -> Recording:
        """Return the recording of one line. Raises KeyError, TypeError or ValueError where it is none."""
        values = parse_json_values(line)
        if REFERENCE in values:
            form = shared[values.pop(REFERENCE)]
            values = restore_form(form, values) if values else form
        recording = cls(**values | {"request": restore_values(values["request"], shared)})
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


def share_values(requests: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what several requests hold, by names made from it, and the requests with references to it.

    Shared are long texts, and all messages but the last one. `restore_values` gives the requests back.
    """
    requests = list(requests)
    counts = Counter(text for one in requests for text in _list_texts(one["body"]))
    counts.update(json.dumps(turns) for one in requests if len(turns := _find_turns(one["body"])) > 1)
    shared: dict[str, Any] = {}

    def refer(content: str, value: Any) -> dict[str, str]:
        name = hash_key(content)[:12]
        shared[name] = value
        return {REFERENCE: name}

    def replace(value: Any) -> Any:
        if isinstance(value, str):
            return refer(value, value) if counts[value] > 1 and len(value) >= SHORTEST else value
        if isinstance(value, list):
            return [replace(part) for part in value]
        if isinstance(value, dict):
            return {name: replace(part) for name, part in value.items()}
        return value

    replaced = []
    for one in requests:
        body = replace(one["body"])
        turns = _find_turns(one["body"])
        if len(turns) > 1 and counts[json.dumps(turns)] > 1:
            body["messages"] = [refer(json.dumps(turns), body["messages"][:-1]), body["messages"][-1]]
        replaced.append(one | {"body": body})
    return shared, replaced


def share_forms(records: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the forms of which there are many records, by name, and the records, of these what differs from their form.

    Records of one form have the same fields and model; the form holds the most frequent value of each field.
    `restore_form` gives a record back.
    """
    groups: dict[str, list[int]] = {}
    leaves = [dict(_list_leaves(record)) for record in records]
    for number, found in enumerate(leaves):
        model = found.get(("request", "body", "model"))
        groups.setdefault(hash_key(json.dumps([model, *found]))[:12], []).append(number)
    forms, shortened = {}, list(records)
    for name, numbers in groups.items():
        if len(numbers) >= SMALLEST_GROUP:
            counts = {path: Counter(json.dumps(leaves[one][path]) for one in numbers) for path in leaves[numbers[0]]}
            ranked = {path: found.most_common(1)[0] for path, found in counts.items()}
            form = {path: json.loads(text) if count > 1 else None for path, (text, count) in ranked.items()}
            forms[name] = _build_value(form)
            for one in numbers:
                own = {path: leaf for path, leaf in leaves[one].items() if json.dumps(leaf) != json.dumps(form[path])}
                shortened[one] = {REFERENCE: name} | _build_value(own)
    return forms, shortened


def restore_form(form: Any, own: Any) -> Any:
    """Return a record from its form and what is its own, with the fields in the order of the form."""
    if isinstance(form, dict) and isinstance(own, dict) and form and own:
        return {name: restore_form(part, own[name]) if name in own else part for name, part in form.items()}
    if isinstance(form, list) and isinstance(own, list) and len(form) == len(own) == 1:
        return [restore_form(form[0], own[0])]
    return own


def _list_leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield what stands at the ends of fields and of lists of one, by the way to it."""
    if (isinstance(value, dict) and value) or (isinstance(value, list) and len(value) == 1):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _list_leaves(part, (*path, name))
    else:
        yield path, value


def _build_value(leaves: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Return the value that has these leaves, at least one."""
    if () in leaves:
        return leaves[()]
    parts: dict[str | int, dict[tuple[str | int, ...], Any]] = {}
    for (name, *rest), leaf in leaves.items():
        parts.setdefault(name, {})[tuple(rest)] = leaf
    built = {name: _build_value(part) for name, part in parts.items()}
    return [built[0]] if 0 in built else built


def restore_values(value: Any, shared: Mapping[str, Any]) -> Any:
    """Return a value with what its references stand for; raises KeyError for one that stands for nothing."""
    if isinstance(value, dict):
        if value.keys() == {REFERENCE}:
            return shared[value[REFERENCE]]
        return {name: restore_values(part, shared) for name, part in value.items()}
    if isinstance(value, list):
        restored: list[Any] = []
        for part in value:
            found = restore_values(part, shared)
            is_turns = isinstance(part, dict) and isinstance(found, list)
            restored += found if is_turns else [found]
        return restored
    return value


def _find_turns(body: Any) -> list:
    messages = body.get("messages") if isinstance(body, dict) else None
    return messages[:-1] if isinstance(messages, list) else []


def _list_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _list_texts(part)


def hash_key(key: str) -> str:
    """Return a short text that stands for a key in a log."""
    return hashlib.sha256(key.encode()).hexdigest()


class Recordings:
    """The recordings of one chapter, from one JSON-lines file. Looking one up is a dictionary access.

    A new answer is appended to the file at once, so an interrupted session loses nothing; `tidy` puts the
    file into its stable order. Several processes may record into one file: each waits while another writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, Recording] | None = None
        self._shared: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _load(self) -> dict[str, Recording]:
        if self._by_key is None:
            found: dict[str, Recording] = {}
            content = read_bytes(self.path, MOST_BYTES) if self.path.is_file() else b""
            for number, line in enumerate(content.split(b"\n"), start=1):
                found |= self._read(line.strip(b"\0\r "), number)
            self._by_key = found
        return self._by_key

    def _read(self, line: bytes, number: int) -> dict[str, Recording]:
        """Return the recording of a line by its key, or nothing for an empty line and half a one, left by a crash."""
        if not line:
            return {}
        try:
            text = line.decode("utf-8")
            if text.startswith(('{"shared": ', '{"form": ')):
                name, value = parse_json_values(text).values()
                self._shared[name] = value if text.startswith('{"form": ') else restore_values(value, self._shared)
                return {}
            recording = Recording.from_line(text, self._shared)
            return {recording.key: recording}
        except (ValueError, KeyError, TypeError) as error:
            where = f"{self.path.name}, line {number}, is"
            is_cut = isinstance(error, json.JSONDecodeError) or "unexpected end of data" in str(error)
            if line.startswith(b"{") and is_cut:
                warnings.warn(f"{where} half a recording, left by a crash; it is passed over.", stacklevel=3)
                return {}
            raise DataError(
                f"{where} not a recording ({type(error).__name__}).",
                "Restore the file from the repository (git checkout), or record the chapter again.",
            ) from error

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
        """Rewrite the file sorted, without what `keep` refuses; return how many were dropped."""
        with self._lock, hold_lock(self.path):
            self._by_key = None  # another process may have recorded meanwhile
            before = self._load()
            kept = {key: recording for key, recording in before.items() if keep(recording)}
            ordered = sorted(kept.values(), key=lambda recording: (recording.model, recording.key))
            shared, requests = share_values(one.request for one in ordered)
            # Texts first, since turns refer to them; in the order of their names, so that a new one moves no other.
            names = sorted(shared, key=lambda name: (not isinstance(shared[name], str), name))
            lines = [json.dumps({"shared": name, "value": shared[name]}, ensure_ascii=False) for name in names]
            records = [vars(one) | {"request": request} for one, request in zip(ordered, requests, strict=True)]
            forms, records = share_forms(records)
            lines += [json.dumps({"form": name, "value": forms[name]}, ensure_ascii=False) for name in sorted(forms)]
            lines += [json.dumps(record, ensure_ascii=False) for record in records]
            write_whole(self.path, "".join(f"{line}\n" for line in lines))
            self._by_key = kept
            return len(before) - len(kept)


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
