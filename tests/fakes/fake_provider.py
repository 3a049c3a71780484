"""A small HTTP server that speaks the OpenAI API, stores what it is asked and misbehaves on order."""

from __future__ import annotations

import itertools
import json
import math
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loopback import Handler, Loopback

QUICK = {"retry-after-ms": "1"}  # openai waits this long before it tries again, instead of half a second


@dataclass(frozen=True)
class Request:
    """What the server was sent; header names are in lower case."""

    path: str
    headers: dict
    body: object


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong. Without a status, the usual answer comes after `delay_s`.

    A text as body is sent as HTML, bytes as they are. `is_cut`: the connection ends before the body does.
    """

    status: int | None = None
    body: object = None
    headers: dict = field(default_factory=dict)
    delay_s: float = 0.0
    is_drop: bool = False
    is_cut: bool = False


DROP = Fault(is_drop=True)
CUT = Fault(200, {"choices": []}, is_cut=True)
HTML = Fault(200, "<html><body>Welcome to the hotel network</body></html>")


def refuse(status: int, message: str = "It did not work.", **fields) -> Fault:
    """Return an answer with an error in the usual form; a client that tries again does so at once."""
    return Fault(status, {"error": {"message": message, "type": "some_error"} | fields}, QUICK)


def slow(delay_s: float) -> Fault:
    """Return an answer that is right but late."""
    return Fault(delay_s=delay_s)


class FakeProvider(Loopback):
    """The server.

    Attributes:
        faults: taken from the left, one per request; where it is empty, `choose_fault` is asked.
        answer: makes the text of a reply from the body of the request.
        stream_ending: done, drop (the line breaks after the pieces), or the text that follows the pieces.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: deque[Fault] = deque()
        self.choose_fault: Callable[[Request], Fault | None] = lambda request: None
        self.answer: Callable[[dict], str] = lambda body: "Hello there."
        self.pieces = ["Hel", "lo ", "there."]
        self.stream_ending = "done"
        self.finish_reason = "stop"
        self.usage: dict | None = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
        self.follows_schemas = True
        self.returns_logprobs = True
        self.logprobs_form = "llama.cpp"
        self.tokenizer_form = "llama.cpp"
        self._taking = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"{self.root}/v1"

    @property
    def bodies(self) -> list:
        return [request.body for request in self.requests]

    def receive(self, request: Request) -> Fault:
        with self._taking:
            self.requests.append(request)
            fault = (self.faults.popleft() if self.faults else self.choose_fault(request)) or Fault()
        time.sleep(fault.delay_s)
        return fault

    def make_answer(self, path: str, body: dict) -> dict | None:
        """Return what a working server gives, or None for a path that it does not serve."""
        make = {
            "/v1/chat/completions": self._chat,
            "/v1/completions": self._complete,
            "/v1/embeddings": self._embed,
            "/tokenize": self._tokenize,
            "/v1/models": lambda body: {"object": "list", "data": [{"id": "fake", "object": "model"}]},
            "/apply-template": self._apply_template if self.tokenizer_form == "llama.cpp" else None,
        }.get(path)
        return make(body) if make else None

    def make_events(self) -> list:
        """Return the events of a stream, as JSON texts."""
        events = [self._make_chunk([{"index": 0, "delta": {"content": piece}}]) for piece in self.pieces]
        if self.stream_ending == "done":
            events.append(self._make_chunk([{"index": 0, "delta": {}, "finish_reason": self.finish_reason}]))
        lines = [json.dumps(event, ensure_ascii=False) for event in events]
        return lines + (["[DONE]"] if self.stream_ending == "done" else [])

    def _make_chunk(self, choices: list) -> dict:
        return self._make_passing() | {"object": "chat.completion.chunk", "model": "fake", "choices": choices}

    def _chat(self, body: dict) -> dict:
        text = self.answer(body)
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema", {})
        if self.follows_schemas and schema.get("properties", {}).get("a") == {"enum": ["yes"]}:
            text = '{"a": "yes"}'
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": self.finish_reason}
        if body.get("logprobs") and self.returns_logprobs:
            choice["logprobs"] = {"content": _make_chances(body.get("top_logprobs", 0))}
        return self._make_passing() | {"model": body["model"], "choices": [choice]} | self._tell_usage()

    def _make_passing(self) -> dict:
        """Return fields that differ from answer to answer."""
        number = len(self.requests)
        timings = {"timings": {"predicted_ms": number / 7}, "service_tier": f"tier-{number}"}
        return {"id": f"chat-{number}", "created": number, "system_fingerprint": f"fp-{number}"} | timings

    def _tell_usage(self) -> dict:
        return {} if self.usage is None else {"usage": self.usage}

    def _complete(self, body: dict) -> dict:
        choice = {"index": 0, "text": self.answer(body), "finish_reason": self.finish_reason}
        num = body.get("logprobs")
        if num and self.returns_logprobs:
            [chance] = _make_chances(num)
            # the least likely first, since the form promises no order
            others = {other["token"]: other["logprob"] for other in reversed(chance["top_logprobs"])}
            legacy = {"tokens": ["Hello"], "token_logprobs": [chance["logprob"]], "top_logprobs": [others]}
            choice["logprobs"] = {"content": [chance]} if self.logprobs_form == "llama.cpp" else legacy
        return {"id": "c-1", "model": body["model"], "choices": [choice]} | self._tell_usage()

    def _embed(self, body: dict) -> dict:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        rows = [{"index": index, "embedding": [float(len(text)), 1.0, 0.0]} for index, text in enumerate(texts)]
        usage = {"prompt_tokens": 2 * len(texts), "total_tokens": 2 * len(texts)}
        return {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}

    def _tokenize(self, body: dict) -> dict:
        """Split at blanks, each word a token; llama.cpp gives bytes for a word that is not ASCII."""
        if self.tokenizer_form == "llama.cpp":
            words = body.get("content", "").split()
            pieces = [word if word.isascii() else list(word.encode()) for word in words]
            return {"tokens": [{"id": 100 + index, "piece": piece} for index, piece in enumerate(pieces)]}
        messages = body.get("messages")
        words = (self._apply_template(body)["prompt"] if messages else body["prompt"]).split()
        strings = words if body.get("return_token_strs") else None
        ids = [100 + index for index in range(len(words))]
        return {"count": len(words), "max_model_len": 2048, "tokens": ids, "token_strs": strings}

    def _apply_template(self, body: dict) -> dict:
        """Two tokens around each message, one at the end."""
        turns = [f"<{message['role']}> {message['content']} <end>" for message in body["messages"]]
        return {"prompt": " ".join([*turns, "<assistant>"])}


def _make_chances(num: int) -> list[dict]:
    """Return one token, of probability 0.75, with up to three alternatives."""
    likeliest = [("Hello", 0.75), ("Hi", 0.125), ("Hey", 0.0625)]
    others = [{"token": token, "logprob": math.log(probability)} for token, probability in likeliest[:num]]
    return [{"token": "Hello", "logprob": math.log(0.75), "top_logprobs": others}]


class _Handler(Handler):
    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(content) if content else None
        path = urlsplit(self.path).path
        fake = self.server.fake
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = fake.receive(Request(path, headers, body))
        if fault.is_drop:
            self._drop()
        elif fault.status is None and path == "/v1/chat/completions" and body.get("stream"):
            self._send_stream()
        elif fault.status is None:
            answer = fake.make_answer(path, body)
            self._send(Fault(200, answer) if answer else refuse(404, f"There is no {path}."))
        else:
            self._send(fault)

    def _send(self, fault: Fault) -> None:
        body = fault.body
        text = body if isinstance(body, str) else json.dumps(body, default=repr)
        content = body if isinstance(body, bytes) else text.encode()
        kind = {"Content-Type": "text/html" if isinstance(body, str) else "application/json"}
        length = {"Content-Length": str(len(content) + 100 * fault.is_cut)}
        self.respond(fault.status, content, kind | length | fault.headers)
        if fault.is_cut:
            self._drop()

    def _send_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        ending = self.server.fake.stream_ending
        texts = (f"data: {event}\n\n" for event in self.server.fake.make_events())  # each as it is made
        for text in itertools.chain(texts, [ending] if ending not in ("done", "drop", "") else []):
            content = text.encode()
            self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
            self.wfile.flush()
        if ending == "drop":
            self._drop()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


FakeProvider.handler = _Handler
