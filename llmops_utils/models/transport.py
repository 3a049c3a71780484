"""A transport for the openai client that answers from recordings, asks the real server, or both.

A request for embeddings holds many texts, and which ones travel together changes: an index of which one page changed
asks for that page alone. So each text is recorded by itself. A vector is kept as 16-bit floats in base64, a tenth of
its size as decimal numbers; between -1 and 1 that moves a number by at most 0.00025, and a cosine by less than 0.001.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
import time
from collections.abc import Iterator
from typing import Any

import httpx2

from ..core import DataError, ProviderError, WorkbookError, parse_json_values, redact, redact_values
from .recording import Recorder, Recording
from .reply import MOST_SAID, find_error, may_be_kept, read_usage, read_vectors

LATENCY_HEADER = "x-llmops-latency-s"
DATE_HEADER = "x-llmops-recorded"
SOURCE_HEADER = "x-llmops-source"
MISSING = "recording_missing"
VOLATILE = ("id", "created", "timings", "system_fingerprint", "service_tier")  # differ between equal answers


class RecordingTransport(httpx2.BaseTransport):
    """A transport for HTTP clients that answers from recordings, asks the real server, or both, as the mode wants it.

    `live` is the transport to the real server, or None where there is no key for it.
    """

    def __init__(self, recorder: Recorder, live: httpx2.BaseTransport | None) -> None:
        self.recorder = recorder
        self.live = live

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response for `request`, recorded or live; the latency travels in a header."""
        try:
            return self._answer(request)
        except WorkbookError as error:
            # openai would try again and then hide the reason behind "Connection error"; a status of its own does not.
            body = {"error": {"type": type(error).__name__, "message": str(error)}}
            return httpx2.Response(424, json=body, extensions={"workbook_error": error})

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path, body = request.url.path, _read_body(request)
        asked = {"method": request.method, "path": path, "body": body}
        found = self.recorder.find(asked)
        if found is not None:
            return _respond(found)
        texts = list_texts(path, body)
        if texts and self.recorder.settings.mode != "live":
            return self._embed(request, asked, texts)
        key = self.recorder.settings.api_key
        secrets = [key.get_secret_value()] if key else []
        hidden = redact_values(asked, *secrets)  # under which a request that holds a key is stored
        found = self.recorder.find(hidden) if hidden != asked else None
        if found is not None:
            return _respond(found)
        if self.live is None or not self.recorder.settings.asks:
            return self._report_missing(path, body)
        started = time.perf_counter()
        response = self._ask(self.live, request, body)
        if not self.recorder.settings.stores:
            response.headers[SOURCE_HEADER] = self.recorder.source
            return response
        response.read()
        latency_s = time.perf_counter() - started
        answer = _read_answer(response)
        if answer is None or not may_be_kept(path, answer):
            return response
        return _respond(self.recorder.keep(hidden, redact_values(answer, *secrets), latency_s))

    def _ask(self, live: httpx2.BaseTransport, request: httpx2.Request, body: Any) -> httpx2.Response:
        """Return the server's answer; an error inside one of status 200 comes with a status of its own."""
        response = live.handle_request(request)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        wants_stream = isinstance(body, dict) and body.get("stream") is True
        wants_stream = wants_stream and request.url.path.endswith("/completions")
        if response.status_code != 200 or (is_stream and not wants_stream):
            return response
        if is_stream:
            headers = {"content-type": "text/event-stream"}
            return httpx2.Response(200, headers=headers, stream=CheckedStream(response, self.recorder.source))
        response.read()
        found = find_error(_parse(response.content))
        if found is None and wants_stream:
            found = 502, "It sent no stream."
        if found is None:
            return response
        headers = {name: value for name, value in response.headers.items() if name.startswith("retry-after")}
        return httpx2.Response(found[0], headers=headers, json={"error": found[1]})

    def _embed(self, request: httpx2.Request, asked: dict[str, Any], texts: list[str]) -> httpx2.Response:
        """Return the embeddings of texts, each from its recording, those without one from the server."""
        body = asked["body"]
        found, missing = {}, {}
        for text in texts:
            one = asked | {"body": make_text_body(body, text)}
            recording = self.recorder.find(one)
            if recording is None:
                missing[text] = one
            else:
                found[text] = recording
        if missing:
            if self.live is None or not self.recorder.settings.asks:
                return self._report_missing(asked["path"], body | {"input": next(iter(missing))})
            wanted = {name: value for name, value in body.items() if name != "encoding_format"}
            headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
            fewer = httpx2.Request(
                request.method,
                request.url,
                headers=headers,
                json=wanted | {"input": list(missing)},
                extensions=request.extensions,
            )
            started = time.perf_counter()
            response = self._ask(self.live, fewer, body)
            response.read()
            latency_s = (time.perf_counter() - started) / len(missing)
            try:
                parts = split_answer(_parse(response.content), list(missing))
            except ValueError:
                return response  # refused, or no embeddings: shown to the caller, never stored
            for (text, one), part in zip(missing.items(), parts, strict=True):
                found[text] = self.recorder.keep(one, {"status": 200, "body": part}, latency_s)
        recordings = [found[text] for text in texts]
        try:
            answer = join_answers(body, [one.response["body"] for one in recordings])
        except (ValueError, TypeError, KeyError, struct.error) as error:
            name = self.recorder.recordings.path.name
            raise DataError(f"A recording of a text in {name} holds no vector.", "Restore the file.") from error
        latency_s = round(sum(one.latency_s for one in found.values()), 3)
        last = max(one.recorded for one in recordings)
        return _respond(Recording(asked, {"status": 200, "body": answer}, latency_s, recordings[0].source, last))

    def _report_missing(self, path: str, body: object) -> httpx2.Response:
        """Return a 404 in the form of an API error, so that plain openai code shows a readable message."""
        name = self.recorder.recordings.path.stem
        message = (
            f"There is no recording in {name} for the request {summarize_request(path, body)}. "
            f"To record it: python -m llmops_utils record {name}. "
            "To ask a model instead: set LLMOPS_MODE=live and restart the kernel."
        )
        return httpx2.Response(404, json={"error": {"type": MISSING, "code": MISSING, "message": message}})

    def close(self) -> None:
        """Close the live connection."""
        if self.live is not None:
            self.live.close()


class CheckedStream(httpx2.SyncByteStream):
    """The events of a stream, which raise `ProviderError` where one is an error or the last one is missing."""

    def __init__(self, response: httpx2.Response, source: str) -> None:
        self.response = response
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes as they come, each after its lines were looked at."""
        is_complete, rest = False, b""
        for part in self.response.iter_bytes():
            *lines, rest = (rest + part.replace(b"\r", b"\n")).split(b"\n")
            for line in lines:
                is_complete = self._ends(line) or is_complete
            yield part
        if not (self._ends(rest) or is_complete):
            raise ProviderError(
                f"{self.source} ended its stream before the answer was complete.", "Ask again; it was not recorded."
            )

    def _ends(self, line: bytes) -> bool:
        """Return whether a line says that the answer is complete."""
        content = line.strip().removeprefix(b"data:").strip()
        event = _parse(content) if content.startswith(b"{") else None
        found = find_error(event)
        if found is not None:
            said = redact(str(found[1].get("message") if isinstance(found[1], dict) else found[1]))[:MOST_SAID]
            raise ProviderError(f"{self.source} broke off its stream: {said}", "Ask again later.", found[0])
        choices = event.get("choices") if isinstance(event, dict) else None
        listed = choices if isinstance(choices, list) else []
        return content == b"[DONE]" or any(isinstance(one, dict) and one.get("finish_reason") for one in listed)

    def close(self) -> None:
        """Close the connection."""
        self.response.close()


def _parse(content: str | bytes) -> Any:
    """Return what JSON spells, its texts cleaned, or None where it is none."""
    try:
        return parse_json_values(content)
    except ValueError:
        return None


def _read_body(request: httpx2.Request) -> Any:
    content = request.read()
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return content.decode("utf-8", "replace")


def summarize_request(path: str, body: object) -> str:
    """Return path, model and the beginning of the last message or prompt, for error messages."""
    if not isinstance(body, dict):
        return path
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages and isinstance(messages[-1], dict) else body
    text = next((last[name] for name in ("content", "prompt", "input") if last.get(name)), "")
    text = redact(" ".join(str(text).split()))
    shown = text if len(text) <= 80 else text[:77] + "…"
    return f"{path} ({body.get('model', 'no model')}): “{shown}”"


def _scrub(answer: Any) -> Any:
    """Drop what differs between two equal answers, and the bytes of tokens, which say again what their text says."""
    if not isinstance(answer, dict):
        return answer
    kept = {name: value for name, value in answer.items() if name not in VOLATILE}
    for choice in _list_dicts(kept.get("choices")):
        logprobs = choice.get("logprobs")
        for entry in _list_dicts(logprobs.get("content") if isinstance(logprobs, dict) else None):
            for token in (entry, *_list_dicts(entry.get("top_logprobs"))):
                token.pop("bytes", None)
    return kept


def _list_dicts(value: Any) -> list[dict]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _read_answer(response: httpx2.Response) -> dict[str, Any] | None:
    """Return what would be stored of a response, or None where it is not JSON, as a proxy's error page."""
    status = response.status_code
    try:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return {"status": status, "body": _scrub(parse_json_values(response.content))}
        data = [line[5:].strip() for line in re.split(r"\r\n|\r|\n", response.text) if line.startswith("data:")]
        return {
            "status": status,
            "events": [one if one == "[DONE]" else _scrub(parse_json_values(one)) for one in data],
        }
    except ValueError:
        return None


def _respond(recording: Recording) -> httpx2.Response:
    headers = {
        LATENCY_HEADER: str(recording.latency_s),
        DATE_HEADER: recording.recorded,
        SOURCE_HEADER: recording.source,
    }
    status = recording.response["status"]
    if "events" not in recording.response:
        content = json.dumps(recording.response["body"]).encode()
        return httpx2.Response(status, headers=headers | {"content-type": "application/json"}, content=content)
    events = [one if one == "[DONE]" else json.dumps(one, ensure_ascii=False) for one in recording.response["events"]]
    text = "".join(f"data: {one}\n\n" for one in events)
    return httpx2.Response(status, headers=headers | {"content-type": "text/event-stream"}, content=text.encode())


def list_texts(path: str, body: object) -> list[str] | None:
    """Return the texts that a request wants embedded, or None where it is no such request."""
    if not path.endswith("/embeddings") or not isinstance(body, dict):
        return None
    wanted = body.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted
    is_texts = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return texts if is_texts else None


def make_text_body(body: dict, text: str) -> dict:
    """Return the body under which one text of a request is recorded: its checksum stands for the text."""
    rest = {name: value for name, value in body.items() if name not in ("input", "encoding_format")}
    return rest | {"sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}


def split_answer(answer: dict, texts: list[str]) -> list[dict]:
    """Return what is recorded for each text of an answer: its packed vector, and its share of the tokens by length.

    Raises:
        ValueError: the answer does not hold one vector of finite numbers for each text.
    """
    try:
        vectors = [pack_vector(vector) for vector in read_vectors(answer, len(texts))]
    except (OverflowError, struct.error) as error:
        raise ValueError("a vector holds a number above 65,504") from error
    num_tokens = read_usage(answer).read or 0
    num_characters, num_before, taken, parts = sum(map(len, texts)), 0, 0, []
    for vector, text in zip(vectors, texts, strict=True):
        num_before += len(text)
        share = num_tokens * num_before // max(num_characters, 1) - taken  # the shares add up to the whole
        taken += share
        parts.append({"vector": vector, "num_tokens": share})
    return parts


def join_answers(body: dict, parts: list[dict]) -> dict:
    """Return the answer to a request from what is recorded for each of its texts."""
    vectors = [unpack_vector(part["vector"]) for part in parts]
    return make_embeddings(body, vectors, sum(part["num_tokens"] for part in parts))


def make_embeddings(body: dict, vectors: list[list[float]], num_tokens: int) -> dict:
    """Return vectors in the form in which a server answers a request for embeddings."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def pack_vector(vector: list[float]) -> str:
    """Return the numbers as 16-bit floats in base64. Raises OverflowError above 65,504."""
    return base64.b64encode(struct.pack(f"<{len(vector)}e", *vector)).decode()


def unpack_vector(packed: str) -> list[float]:
    """Return the numbers of a packed vector."""
    content = base64.b64decode(packed, validate=True)
    return list(struct.unpack(f"<{len(content) // 2}e", content))
