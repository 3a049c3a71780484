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
from typing import Any

import httpx2

from ..core import redact
from .recording import Recorder, Recording

LATENCY_HEADER = "x-llmops-latency-s"
DATE_HEADER = "x-llmops-recorded"
SOURCE_HEADER = "x-llmops-source"
MISSING = "recording_missing"
PASSING = (401, 403, 408, 409, 424, 429)  # the fault of a moment or of a key is no answer of the model
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
        asked = {"method": request.method, "path": request.url.path, "body": _read_body(request)}
        found = self.recorder.find(asked)
        if found is not None:
            return _respond(found)
        texts = list_texts(asked["path"], asked["body"])
        if texts and self.recorder.settings.mode != "live":
            return self._embed(request, asked, texts)
        if self.live is None or not self.recorder.settings.asks:
            return self._report_missing(asked["path"], asked["body"])
        started = time.perf_counter()
        response = self.live.handle_request(request)
        if not self.recorder.settings.stores:
            response.headers[SOURCE_HEADER] = self.recorder.source
            return response
        response.read()
        latency_s = time.perf_counter() - started
        answer = _read_answer(response)
        return response if answer is None else _respond(self.recorder.keep(asked, answer, latency_s))

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
            response = self.live.handle_request(fewer)
            response.read()
            latency_s = (time.perf_counter() - started) / len(missing)
            try:
                parts = split_answer(json.loads(response.content), list(missing))
            except ValueError:
                return response  # refused, or no embeddings: shown to the caller, never stored
            for (text, one), part in zip(missing.items(), parts, strict=True):
                found[text] = self.recorder.keep(one, {"status": 200, "body": part}, latency_s)
        recordings = [found[text] for text in texts]
        answer = join_answers(body, [one.response["body"] for one in recordings])
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


def _read_body(request: httpx2.Request) -> Any:
    content = request.read()
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode("utf-8", "replace")


def summarize_request(path: str, body: object) -> str:
    """Return path, model and the beginning of the last message or prompt, for error messages."""
    if not isinstance(body, dict):
        return path
    [*_, last] = body.get("messages") or [body]
    text = next((last[name] for name in ("content", "prompt", "input") if last.get(name)), "")
    text = redact(" ".join(str(text).split()))
    shown = text if len(text) <= 80 else text[:77] + "…"
    return f"{path} ({body.get('model', 'no model')}): “{shown}”"


def _scrub(answer: Any) -> Any:
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


def _read_answer(response: httpx2.Response) -> dict[str, Any] | None:
    """Return what is stored of a response, or None where it is no answer of the model."""
    status = response.status_code
    if status in PASSING or status >= 500:
        return None
    try:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            return {"status": status, "body": _scrub(json.loads(response.content))}
        data = [line[5:].strip() for line in re.split(r"\r\n|\r|\n", response.text) if line.startswith("data:")]
        return {"status": status, "events": [one if one == "[DONE]" else _scrub(json.loads(one)) for one in data]}
    except ValueError:
        return None  # not JSON, so a proxy's error page


def _respond(recording: Recording) -> httpx2.Response:
    headers = {
        LATENCY_HEADER: str(recording.latency_s),
        DATE_HEADER: recording.recorded,
        SOURCE_HEADER: recording.source,
    }
    status = recording.response["status"]
    if "events" not in recording.response:
        return httpx2.Response(status, headers=headers, json=recording.response["body"])
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
        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = [pack_vector(row["embedding"]) for row in rows]
        num_tokens = (answer.get("usage") or {}).get("prompt_tokens", 0)
    except (KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise ValueError("no vectors") from error
    if [row["index"] for row in rows] != list(range(len(texts))):
        raise ValueError("not one vector for each text")
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
