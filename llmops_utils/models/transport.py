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

from ..core import DataError, ProviderError, RecordingMissing, WorkbookError, parse_json_values, redact, redact_values
from .recording import Recorder, Recording
from .reply import find_error, get_field, list_dicts, may_be_kept, read_usage, read_vectors

CUT_SHORT = 502, "It ended its stream before the answer was complete."
VOLATILE = ("id", "created", "timings", "system_fingerprint", "service_tier")  # differ between equal answers


class RecordingTransport(httpx2.BaseTransport):
    """A transport for HTTP clients that answers from recordings, asks the real server, or both, as the mode wants it.

    `live` is the transport to the real server, or None where there is no key for it. What stands in a recording is
    with the response as its extension `recording`.
    """

    def __init__(self, recorder: Recorder, live: httpx2.BaseTransport | None) -> None:
        self.recorder = recorder
        self.live = live

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the response for `request`, recorded or live."""
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
            raise self._explain_missing(path, body)
        started = time.perf_counter()
        response = self._ask(self.live, request, body)
        if not self.recorder.settings.stores:
            return response
        latency_s = time.perf_counter() - started
        answer = _read_answer(response)
        if answer is None or not may_be_kept(path, answer):
            return response
        return _respond(self.recorder.keep(hidden, redact_values(answer, *secrets), latency_s))

    def _ask(self, live: httpx2.BaseTransport, request: httpx2.Request, body: Any) -> httpx2.Response:
        """Return the server's answer; an error inside one of status 200 has a status of its own.

        It is read to its end, but for a stream that nobody stores: that is shown as it comes.
        """
        response = live.handle_request(request)
        wants_stream = get_field(body, "stream") is True and request.url.path.endswith("/completions")
        if response.status_code == 200 and wants_stream and _is_stream(response) and not self.recorder.settings.stores:
            return httpx2.Response(200, headers=response.headers, stream=CheckedStream(response, self.recorder.source))
        response.read()
        if response.status_code != 200:
            return response
        found = find_stream_error(response.text) if _is_stream(response) else find_error(_parse(response.content))
        if found is None and wants_stream and not _is_stream(response):
            found = 502, "It sent no stream."
        if found is None:
            return response
        status, said = found
        headers = {name: value for name, value in response.headers.items() if name.startswith("retry-after")}
        return httpx2.Response(
            status, headers=headers, json={"error": {"message": said} if isinstance(said, str) else said}
        )

    def _embed(self, request: httpx2.Request, asked: dict[str, Any], texts: list[str]) -> httpx2.Response:
        """Return the embeddings of texts, each from its recording, those without one from the server."""
        body = asked["body"]
        requests = {text: asked | {"body": make_text_body(body, text)} for text in texts}
        recorded = {text: self.recorder.find(one) for text, one in requests.items()}
        found = {text: one for text, one in recorded.items() if one is not None}
        missing = [text for text in requests if text not in found]
        if missing:
            if self.live is None or not self.recorder.settings.asks:
                raise self._explain_missing(asked["path"], body | {"input": missing[0]})
            fewer = {name: value for name, value in body.items() if name != "encoding_format"} | {"input": missing}
            headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
            smaller = httpx2.Request(
                request.method, request.url, headers=headers, json=fewer, extensions=request.extensions
            )
            started = time.perf_counter()
            response = self._ask(self.live, smaller, body)
            latency_s = (time.perf_counter() - started) / len(missing)
            try:
                parts = split_answer(_parse(response.content), missing)
            except ValueError:
                return response  # refused, or no embeddings: shown to the caller, never stored
            for text, part in zip(missing, parts, strict=True):
                found[text] = self.recorder.keep(requests[text], {"status": 200, "body": part}, latency_s)
        recordings = [found[text] for text in texts]
        try:
            vectors = [unpack_vector(one.response["body"]["vector"]) for one in recordings]
            answer = make_embeddings(body, vectors, sum(one.response["body"]["num_tokens"] for one in recordings))
        except (ValueError, TypeError, KeyError, struct.error) as error:
            name = self.recorder.recordings.path.name
            raise DataError(f"A recording of a text in {name} holds no vector.", "Restore the file.") from error
        latency_s = round(sum(one.latency_s for one in found.values()), 3)
        last = max(one.recorded for one in recordings)
        return _respond(Recording(asked, {"status": 200, "body": answer}, latency_s, recordings[0].source, last))

    def _explain_missing(self, path: str, body: object) -> RecordingMissing:
        name = self.recorder.recordings.path.stem
        return RecordingMissing(
            f"There is no recording in {name} for the request {summarize_request(path, body)}.",
            "Set LLMOPS_MODE=auto and restart the kernel: then a model is asked for what is not recorded "
            f"(LLMOPS_MODE=live: for everything). To record it: python -m llmops_utils record {name}.",
        )


class CheckedStream(httpx2.SyncByteStream):
    """The bytes of a stream as they come; it raises `ProviderError` at an error among them, or at an early end.

    An error is not handed on: of one that is a plain text, openai would not show the words.
    """

    def __init__(self, response: httpx2.Response, source: str) -> None:
        self.response = response
        self.source = source

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes."""
        text = line = b""
        for part in self.response.iter_bytes():
            text += part
            *lines, line = re.split(rb"[\r\n]+", line + part)
            self._check(b"\n".join(lines), may_go_on=True)
            yield part
        self._check(text, may_go_on=False)

    def _check(self, text: bytes, may_go_on: bool) -> None:
        found = find_stream_error(text.decode(errors="replace"))
        if found is None or (may_go_on and found is CUT_SHORT):
            return
        said = redact(str(get_field(found[1], "message") or found[1]))
        raise ProviderError(f"{self.source} broke off its stream: {said}", "Ask again.", found[0])

    def close(self) -> None:
        """Close the connection."""
        self.response.close()


def _is_stream(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").lower().startswith("text/event-stream")


def find_stream_error(text: str) -> tuple[int, Any] | None:
    """Return status and words of an error among the events of a stream, or of their end before the answer's."""
    is_complete = is_unreadable = False
    choices: list[dict] = []
    for line in re.split(r"[\r\n]+", text):
        said = line.removeprefix("data:").strip()
        event = _parse(said)
        found = find_error(event)
        if found is not None:
            return found
        choices += list_dicts(get_field(event, "choices"))
        is_unreadable |= event is None and line.startswith("data:") and said not in ("", "[DONE]")
        is_complete |= said == "[DONE]" and bool(choices) and not is_unreadable
    is_complete |= any(one.get("finish_reason") for one in choices)
    return None if is_complete else CUT_SHORT


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
    last = [body, *list_dicts(body.get("messages"))][-1]
    text = next((last[name] for name in ("content", "prompt", "input") if last.get(name)), "")
    text = redact(" ".join(str(text).split()))
    shown = text if len(text) <= 80 else text[:77] + "…"
    return f"{path} ({body.get('model', 'no model')}): “{shown}”"


def _read_answer(response: httpx2.Response) -> dict[str, Any] | None:
    """Return what would be stored of a response, or None where it is not JSON, as a proxy's error page.

    What differs between two equal answers is left out, and the bytes of tokens, which say again what their text says.
    """
    if _is_stream(response):
        return {"status": response.status_code, "stream": response.text}
    try:
        body = parse_json_values(response.content)
    except ValueError:
        return None
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in VOLATILE}
    for choice in list_dicts(get_field(body, "choices")):
        for entry in list_dicts(get_field(choice.get("logprobs"), "content")):
            for token in (entry, *list_dicts(entry.get("top_logprobs"))):
                token.pop("bytes", None)
    return {"status": response.status_code, "body": body}


def _respond(recording: Recording) -> httpx2.Response:
    stored, kind = recording.response, "application/json"
    if "stream" in stored:
        text, kind = stored["stream"], "text/event-stream"
    else:
        text = json.dumps(stored["body"])
    extensions = {"recording": recording}
    return httpx2.Response(stored["status"], headers={"content-type": kind}, text=text, extensions=extensions)


def list_texts(path: str, body: object) -> list[str] | None:
    """Return the texts that a request wants embedded, or None where it is no such request."""
    wanted = get_field(body, "input") if path.endswith("/embeddings") else None
    texts = [wanted] if isinstance(wanted, str) else wanted
    is_texts = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
    return texts if is_texts else None


def make_text_body(body: dict, text: str) -> dict:
    """Return the body under which one text of a request is recorded: its checksum stands for the text."""
    rest = {name: value for name, value in body.items() if name not in ("input", "encoding_format")}
    return rest | {"sha256": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}


def split_answer(answer: object, texts: list[str]) -> list[dict]:
    """Return what is recorded for each text of an answer: its packed vector, and its share of the tokens by length.

    Raises:
        NoAnswer: the answer does not hold one vector for each text.
    """
    vectors = read_vectors(answer, len(texts))
    tokens_per_letter = (read_usage(answer).read or 0) / max(1, sum(map(len, texts)))
    return [
        {"vector": pack_vector(vector), "num_tokens": round(tokens_per_letter * len(text))}
        for vector, text in zip(vectors, texts, strict=True)
    ]


def make_embeddings(body: dict, vectors: list[list[float]], num_tokens: int) -> dict:
    """Return vectors in the form in which a server answers a request for embeddings."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": num_tokens, "total_tokens": num_tokens}
    return {"object": "list", "model": body.get("model"), "data": data, "usage": usage}


def pack_vector(vector: list[float]) -> str:
    """Return the numbers as 16-bit floats in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}e", *vector)).decode()


def unpack_vector(packed: str) -> list[float]:
    """Return the numbers of a packed vector."""
    content = base64.b64decode(packed, validate=True)
    return list(struct.unpack(f"<{len(content) // 2}e", content))
