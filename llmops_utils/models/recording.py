"""Record and replay: a transport for the openai client that stores answers and gives them back.

A recording is one JSON line: the request (method, path, body), the response (status, body), the latency that
was measured, the model, where its weights came from, and the date. No headers are kept, so no key can be.
Recordings of several models live in one file per chapter; the request body names the model.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from ..core import DataError, Mode, redact
from .vectors import join_answers, list_texts, make_text_body, split_answer

LATENCY_HEADER = "x-llmops-latency-s"
DATE_HEADER = "x-llmops-recorded"
SOURCE_HEADER = "x-llmops-source"
MISSING = "recording_missing"
VOLATILE = ("id", "created", "timings", "system_fingerprint", "service_tier")  # differ between equal answers


@dataclass(frozen=True)
class Recording:
    """One stored answer. `response` is the JSON body, or for a stream the list of its events."""

    method: str
    path: str
    body: object
    status: int
    response: object
    is_stream: bool
    latency_s: float
    source: str
    recorded: str

    @property
    def key(self) -> str:
        """The text by which the answer is found: method, path and canonical body."""
        return make_key(self.method, self.path, self.body)

    @property
    def model(self) -> str:
        """The model that the request names, or an empty text."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    def to_line(self) -> str:
        """Return the recording as one JSON line without its line end."""
        response = {"status": self.status, "events" if self.is_stream else "body": self.response}
        record = {
            "request": {"method": self.method, "path": self.path, "body": self.body},
            "response": response,
            "latency_s": self.latency_s,
            "source": self.source,
            "recorded": self.recorded,
        }
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_line(cls, line: str) -> Recording:
        """Return the recording of one line. Raises KeyError, TypeError or ValueError where it is none."""
        record = json.loads(line)
        request, response = record["request"], record["response"]
        is_stream = "events" in response
        return cls(
            request["method"],
            request["path"],
            request["body"],
            int(response["status"]),
            response["events"] if is_stream else response["body"],
            is_stream,
            float(record["latency_s"]),
            record["source"],
            record["recorded"],
        )


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
    """The recordings of one chapter, from one JSON-lines file. Looking one up is a dictionary access.

    A new answer is appended to the file at once, so an interrupted session loses nothing; `tidy` puts the
    file into its stable order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._by_key: dict[str, Recording] | None = None
        self._lock = threading.Lock()

    def _load(self) -> dict[str, Recording]:
        if self._by_key is None:
            found = {}
            if self.path.is_file():
                with self.path.open("rb") as lines:
                    for number, line in enumerate(lines, start=1):
                        try:
                            recording = Recording.from_line(line.decode("utf-8"))
                        except (ValueError, KeyError, TypeError) as error:
                            raise DataError(
                                f"{self.path.name}, line {number}, is not a recording ({type(error).__name__}).",
                                "Restore the file from the repository (git checkout), or record the chapter again.",
                            ) from error
                        found[recording.key] = recording
            self._by_key = found
        return self._by_key

    def __len__(self) -> int:
        return len(self._load())

    def __iter__(self) -> Iterator[Recording]:
        return iter(self._load().values())

    def find(self, key: str) -> Recording | None:
        """Return the recording of a request, or None."""
        with self._lock:
            return self._load().get(key)

    def add(self, recording: Recording) -> None:
        """Keep an answer and append it to the file."""
        with self._lock:
            self._load()[recording.key] = recording
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", newline="\n") as lines:
                lines.write(recording.to_line() + "\n")

    def tidy(self, keep: Callable[[Recording], bool] = lambda recording: True) -> int:
        """Rewrite the file sorted, without what `keep` refuses; return how many were dropped.

        The new file replaces the old in one step, so a crash leaves the old one whole.
        """
        with self._lock:
            before = self._load()
            kept = {key: recording for key, recording in before.items() if keep(recording)}
            lines = sorted(kept.values(), key=lambda recording: (recording.model, recording.key))
            part = self.path.with_suffix(".part")
            part.write_text("".join(line.to_line() + "\n" for line in lines), encoding="utf-8", newline="\n")
            os.replace(part, self.path)
            self._by_key = kept
            return len(before) - len(kept)


class RecordingTransport(httpx2.BaseTransport):
    """A transport that answers from recordings, asks the real server, or both, by mode.

    | mode | recording there | none there |
    |---|---|---|
    | replay | give it back | an error response that says how to record |
    | auto | give it back | ask |
    | fill | give it back | ask and store |
    | record | ask and store (once per session) | ask and store |
    | live | ask | ask |

    In a request for embeddings each text counts by itself: only those that are not recorded are asked for.

    Args:
        mode: one of the table.
        recordings: where to look and store.
        live: the transport to the real server, or None where there is no key for it.
        source: what answers, for the recordings: weights by checksum, or a host.
        used_log: a file that notes the recordings that were asked for, to find those that are no longer used.
    """

    def __init__(
        self,
        mode: Mode,
        recordings: Recordings | None,
        live: httpx2.BaseTransport | None,
        source: str,
        used_log: Path | None = None,
    ) -> None:
        self.mode = mode
        self.recordings = recordings
        self.live = live
        self.source = source
        self.used_log = used_log
        self._fresh: set[str] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response for `request`, recorded or live; the latency travels in a header."""
        content = request.read()
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = content.decode("utf-8", "replace")
        key = make_key(request.method, request.url.path, body)
        found = self.recordings.find(key) if self.recordings is not None and self.mode != "live" else None
        texts = list_texts(request.url.path, body)
        if texts and self.recordings is not None and self.mode != "live" and (found is None or self.mode == "record"):
            return self._answer_texts(request, body, texts)
        self._note_use(key)
        if found is not None and (self.mode != "record" or key in self._fresh):
            return _respond(found)
        if self.mode == "replay" or self.live is None:
            return self._report_missing(request, body)
        started = time.perf_counter()
        response = self.live.handle_request(request)
        if self.mode not in ("record", "fill") or self.recordings is None:
            response.headers[SOURCE_HEADER] = self.source
            return response
        response.read()
        latency_s = round(time.perf_counter() - started, 3)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        try:
            answer = _read_events(response.text) if is_stream else _scrub(json.loads(response.content))
        except ValueError:
            return response  # not JSON, so a proxy's error page: shown to the caller, never stored
        if response.status_code in (401, 403, 408, 409, 424, 429) or response.status_code >= 500:
            return response  # the fault of a moment or of a key is no answer of the model
        recording = Recording(
            request.method,
            request.url.path,
            body,
            response.status_code,
            answer,
            is_stream,
            latency_s,
            self.source,
            datetime.date.today().isoformat(),
        )
        self._fresh.add(key)
        if found is not None and (found.status, found.response) == (recording.status, recording.response):
            return _respond(found)  # the same answer again: the old line stays, so the file shows what changed
        self.recordings.add(recording)
        return _respond(recording)

    def _answer_texts(self, request: httpx2.Request, body: dict, texts: list[str]) -> httpx2.Response:
        """Return the embeddings of texts, each from its recording, those without one from the server."""
        bodies = {text: make_text_body(body, text) for text in texts}
        keys = {text: make_key(request.method, request.url.path, bodies[text]) for text in bodies}
        found = {}
        for text, key in keys.items():
            self._note_use(key)
            recording = self.recordings.find(key)
            if recording is not None and (self.mode != "record" or key in self._fresh):
                found[text] = recording
        missing = [text for text in keys if text not in found]
        if missing and (self.mode == "replay" or self.live is None):
            return self._report_missing(request, body | {"input": missing[0]})
        if missing:
            asked = {name: value for name, value in body.items() if name != "encoding_format"} | {"input": missing}
            headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
            started = time.perf_counter()
            response = self.live.handle_request(
                httpx2.Request(request.method, request.url, headers=headers, json=asked, extensions=request.extensions)
            )
            response.read()
            latency_s = round((time.perf_counter() - started) / len(missing), 4)
            try:
                parts = split_answer(json.loads(response.content), missing) if response.status_code == 200 else None
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, struct.error):
                parts = None
            if parts is None:
                return response  # refused, or no embeddings: shown to the caller, never stored
            today = datetime.date.today().isoformat()
            for text, part in zip(missing, parts, strict=True):
                one = (request.method, request.url.path, bodies[text], 200, part, False, latency_s, self.source, today)
                found[text] = Recording(*one)
                if self.mode in ("record", "fill"):
                    self._keep(found[text])
        answer = join_answers(body, [found[text].response for text in texts])
        headers = {
            LATENCY_HEADER: str(round(sum(recording.latency_s for recording in found.values()), 3)),
            DATE_HEADER: max(recording.recorded for recording in found.values()),
            SOURCE_HEADER: found[texts[0]].source,
        }
        return httpx2.Response(200, headers=headers, json=answer)

    def _keep(self, recording: Recording) -> None:
        """Store a fresh answer; where the same one is there already, the old line stays: the file shows what changed."""
        self._fresh.add(recording.key)
        before = self.recordings.find(recording.key)
        if before is None or (before.status, before.response) != (recording.status, recording.response):
            self.recordings.add(recording)

    def _note_use(self, key: str) -> None:
        if self.used_log is not None:
            with self.used_log.open("a", encoding="utf-8") as log:
                log.write(hash_key(key) + "\n")

    def _report_missing(self, request: httpx2.Request, body: object) -> httpx2.Response:
        """Return a 404 in the form of an API error, so that plain openai code shows a readable message."""
        name = self.recordings.path.stem if self.recordings is not None else "this notebook"
        message = (
            f"There is no recording in {name} for the request {summarize_request(request.url.path, body)}. "
            f"To record it: python -m llmops_utils record {name}. "
            "To ask a model instead: set LLMOPS_MODE=live and restart the kernel."
        )
        return httpx2.Response(404, json={"error": {"type": MISSING, "code": MISSING, "message": message}})

    def close(self) -> None:
        """Close the live connection."""
        if self.live is not None:
            self.live.close()


def summarize_request(path: str, body: object) -> str:
    """Return path, model and the beginning of the last message or prompt, for error messages."""
    if not isinstance(body, dict):
        return path
    messages = body.get("messages")
    text = (
        messages[-1].get("content", "") if messages else body.get("prompt") or body.get("input") or body.get("content")
    )
    text = redact(" ".join(str(text).split()))
    shown = text if len(text) <= 80 else text[:77] + "…"
    return f"{path} ({body.get('model', 'no model')}): “{shown}”"


def _scrub(answer: object) -> object:
    """Drop what differs between two equal answers, and the bytes of tokens, which say again what their text says."""
    if not isinstance(answer, dict):
        return answer
    kept = {name: value for name, value in answer.items() if name not in VOLATILE}
    for choice in kept.get("choices") or []:
        logprobs = choice.get("logprobs") if isinstance(choice, dict) else None
        for entry in (logprobs or {}).get("content") or []:
            for token in (entry, *(entry.get("top_logprobs") or [])):
                token.pop("bytes", None)
    return kept


def _read_events(text: str) -> list:
    data = [line[5:].strip() for line in re.split(r"\r\n|\r|\n", text) if line.startswith("data:")]
    return [entry if entry == "[DONE]" else _scrub(json.loads(entry)) for entry in data]


def _respond(recording: Recording) -> httpx2.Response:
    headers = {
        LATENCY_HEADER: str(recording.latency_s),
        DATE_HEADER: recording.recorded,
        SOURCE_HEADER: recording.source,
    }
    if recording.is_stream:
        events = [entry if entry == "[DONE]" else json.dumps(entry, ensure_ascii=False) for entry in recording.response]
        text = "".join(f"data: {entry}\n\n" for entry in events)
        return httpx2.Response(
            recording.status, headers=headers | {"content-type": "text/event-stream"}, content=text.encode()
        )
    return httpx2.Response(recording.status, headers=headers, json=recording.response)
