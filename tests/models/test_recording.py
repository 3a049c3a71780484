"""Claims about recording and replay, through real HTTP to a server of this process on loopback."""

import dataclasses
import gzip
import json
import os
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import openai
import pytest

from llmops_utils.core import DataError
from llmops_utils.models.recording import (
    DATE_HEADER,
    LATENCY_HEADER,
    MISSING,
    SOURCE_HEADER,
    VOLATILE,
    Recording,
    Recordings,
    RecordingTransport,
    hash_key,
    make_key,
    summarize_request,
)

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
TLS = ssl.create_default_context()  # made once, since that takes longer than a test
PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Say hello."}]
BODY = {"model": "tiny", "messages": MESSAGES, "temperature": 0}
WORLDLY = "Grüße 👩‍🔬 日本 \u202eabc\u202c “quoted” \\n \t\n tab and line"
SEPARATORS = "one\u2028two\u2029three\x85four\x1cfive\x0bsix"  # line ends to str.splitlines, but not to JSON or SSE


def make_completion(text, number=1):
    """A chat completion whose volatile fields change from answer to answer."""
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000 + number,
        "model": "tiny",
        "system_fingerprint": f"fp-{number}",
        "service_tier": f"tier-{number}",
        "timings": {"predicted_ms": number / 7},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


def make_chunks(text, number=1):
    """The same answer as the chunks of a stream, one character each."""
    for character in text:
        chunk = make_completion("", number) | {"object": "chat.completion.chunk"}
        del chunk["usage"]
        chunk["choices"] = [{"index": 0, "finish_reason": None, "delta": {"content": character}}]
        yield chunk


def encode_events(chunks):
    lines = [json.dumps(chunk, ensure_ascii=False) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


class ModelServer:
    """Answers chat requests with `text`, streamed where asked; `reply` takes the place of that where it is set."""

    def __init__(self):
        self.text = "Hello."
        self.reply = None  # status, headers, content
        self.cuts_off = False
        self.hits = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                content = json.dumps({"object": "list", "data": [{"id": "tiny"}]}).encode()
                self.send(None, 200, {"Content-Type": "application/json"}, content)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send(body, *(outer.reply or outer.answer(body)))

            def send(self, body, status, headers, content):
                outer.hits.append((self.path, self.headers, body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + (100 if outer.cuts_off else 0)))
                if outer.cuts_off:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answer(self, body):
        number = len(self.hits) + 1
        if body.get("stream"):
            return 200, {"Content-Type": "text/event-stream"}, encode_events(make_chunks(self.text, number))
        content = json.dumps(make_completion(self.text, number), ensure_ascii=False).encode()
        return 200, {"Content-Type": "application/json"}, content

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    with closing(ModelServer()) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recordings" / "01_basics.jsonl"


@pytest.fixture
def ask(server, path):
    """Send one request in a session of its own, through a client as the course makes it."""

    def send(mode, body=BODY, **options):
        with httpx2.HTTPTransport(verify=TLS) as live:
            transport = RecordingTransport(mode, Recordings(path), live, "weights sha256:00")
            with httpx2.Client(transport=transport, base_url=server.url) as client:
                return client.post(PATH, json=body, **options)

    return send


@pytest.fixture
def open_client(server, path):
    """Open an openai client on a transport of the given mode."""
    clients = []

    def make(mode, live=True):
        inner = httpx2.HTTPTransport(verify=TLS) if live else None
        transport = RecordingTransport(mode, Recordings(path), inner, "weights sha256:00")
        http_client = openai.DefaultHttpxClient(transport=transport)
        clients.append(http_client)
        return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, http_client=http_client, max_retries=0)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def no_sockets(monkeypatch):
    """Refuse to connect anywhere; the list holds what was tried."""
    tried = []

    def refuse(self, address):
        tried.append(address)
        raise ConnectionRefusedError("no socket may be opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def make_recording(text="Hello.", body=BODY, latency_s=0.25, recorded="2026-01-02", number=None, **changes):
    """A recording as the transport makes it, or with the volatile fields where a number is given."""
    response = make_completion(text, number or 1)
    if number is None:
        response = {name: value for name, value in response.items() if name not in VOLATILE}
    recording = Recording("POST", PATH, body, 200, response, False, latency_s, "weights sha256:00", recorded)
    return dataclasses.replace(recording, **changes)


def read_lines(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def get_text(response):
    return response.json()["choices"][0]["message"]["content"]


# Plain and streamed, recorded and given back


def test_a_recorded_reply_is_given_back_without_the_server(server, ask):
    recorded = ask("record")
    server.close()
    replayed = ask("replay")
    assert [recorded.status_code, replayed.status_code] == [200, 200]
    assert replayed.json() == recorded.json()
    assert get_text(replayed) == "Hello."
    assert len(server.hits) == 1


def test_a_replayed_reply_carries_latency_day_and_source_of_the_recording(path, ask):
    Recordings(path).add(make_recording())
    headers = ask("replay").headers
    assert [headers[LATENCY_HEADER], headers[DATE_HEADER], headers[SOURCE_HEADER]] == [
        "0.25",
        "2026-01-02",
        "weights sha256:00",
    ]


def test_a_live_reply_names_its_source_and_no_recording(ask):
    headers = ask("live").headers
    assert headers[SOURCE_HEADER] == "weights sha256:00"
    assert LATENCY_HEADER not in headers
    assert DATE_HEADER not in headers


def test_openai_reads_a_replayed_reply_as_the_live_one(open_client):
    live = open_client("record").chat.completions.create(**BODY)
    replayed = open_client("replay", live=False).chat.completions.create(**BODY)
    assert replayed == live
    assert replayed.choices[0].message.content == "Hello."
    assert replayed.usage.total_tokens == 5


def test_openai_reads_a_replayed_stream_as_the_live_one(server, open_client):
    server.text = "Hello, wörld 👋"
    live = list(open_client("live").chat.completions.create(**BODY, stream=True))
    recorded = list(open_client("record").chat.completions.create(**BODY, stream=True))
    replayed = list(open_client("replay", live=False).chat.completions.create(**BODY, stream=True))
    assert [chunk.choices[0].delta.content for chunk in replayed] == list("Hello, wörld 👋")
    assert replayed == recorded
    assert [chunk.choices for chunk in live] == [chunk.choices for chunk in replayed]
    assert len(server.hits) == 2


def test_a_stream_is_stored_as_its_events(path, server, ask):
    server.text = "Hi"
    response = ask("record", BODY | {"stream": True})
    assert response.headers["content-type"] == "text/event-stream"
    (recording,) = Recordings(path)
    assert recording.is_stream
    assert [event if event == "[DONE]" else event["choices"][0]["delta"] for event in recording.response] == [
        {"content": "H"},
        {"content": "i"},
        "[DONE]",
    ]
    assert ask("replay", BODY | {"stream": True}).content == response.content


def test_streamed_and_plain_replies_to_one_prompt_are_kept_apart(path, ask):
    ask("record")
    ask("record", BODY | {"stream": True})
    assert sorted(recording.is_stream for recording in Recordings(path)) == [False, True]


def test_a_request_without_a_body_is_recorded_too(server, path, open_client):
    assert [model.id for model in open_client("record").models.list()] == ["tiny"]
    assert [model.id for model in open_client("replay", live=False).models.list()] == ["tiny"]
    assert len(server.hits) == 1
    assert Recordings(path).find(make_key("GET", "/v1/models", None)).body is None


def test_replay_opens_no_socket(path, server, open_client, no_sockets):
    Recordings(path).add(make_recording())
    client = open_client("replay", live=False)
    assert client.chat.completions.create(**BODY).choices[0].message.content == "Hello."
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(**BODY, seed=1)
    assert [no_sockets, server.hits] == [[], []]


def test_replay_asks_nobody_even_where_a_live_transport_is_there(path, server, ask, no_sockets):
    Recordings(path).add(make_recording())
    assert get_text(ask("replay")) == "Hello."
    assert ask("replay", BODY | {"seed": 1}).status_code == 404
    assert [no_sockets, server.hits] == [[], []]


def test_what_is_recorded_is_the_text_before_compression(server, path, ask):
    content = gzip.compress(json.dumps(make_completion("Hello.")).encode())
    server.reply = 200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, content
    assert [get_text(ask("live")), get_text(ask("record")), get_text(ask("replay"))] == ["Hello."] * 3
    assert len(server.hits) == 2


@pytest.mark.parametrize("text", [WORLDLY, SEPARATORS], ids=["worldly", "separators"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_every_character_of_a_reply_comes_back(server, path, open_client, text, is_stream):
    server.text = text
    messages = [{"role": "user", "content": text}]

    def read(client):
        answer = client.chat.completions.create(model="tiny", messages=messages, stream=is_stream)
        if is_stream:
            return "".join(chunk.choices[0].delta.content for chunk in answer)
        return answer.choices[0].message.content

    assert read(open_client("live")) == text
    assert read(open_client("record")) == text
    assert read(open_client("replay", live=False)) == text
    (recording,) = Recordings(path)
    assert recording.body["messages"] == messages


def test_a_recording_is_readable_text_not_escapes(server, path, ask):
    server.text = WORLDLY
    ask("record")
    assert "Grüße 👩‍🔬 日本" in path.read_text(encoding="utf-8")
    assert b"\r" not in path.read_bytes()


# The key


def reverse_fields(value):
    if isinstance(value, dict):
        return {name: reverse_fields(value[name]) for name in reversed(value)}
    return [reverse_fields(entry) for entry in value] if isinstance(value, list) else value


def test_the_key_is_independent_of_the_order_of_fields(path, ask):
    body = BODY | {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    }
    turned = reverse_fields(body)
    assert json.dumps(turned) != json.dumps(body)
    assert make_key("POST", PATH, turned) == make_key("POST", PATH, body)
    ask("record", body)
    assert get_text(ask("replay", turned)) == "Hello."


@pytest.mark.parametrize(
    ("method", "where", "body"),
    [
        ("GET", PATH, BODY),
        ("POST", "/v1/completions", BODY),
        ("POST", PATH, BODY | {"model": "other"}),
        ("POST", PATH, BODY | {"temperature": 1}),
        ("POST", PATH, BODY | {"messages": MESSAGES * 2}),
        ("POST", PATH, BODY | {"seed": None}),
        ("POST", PATH, None),
    ],
)
def test_another_request_has_another_key(method, where, body):
    assert make_key(method, where, body) != make_key("POST", PATH, BODY)


def test_the_order_of_messages_is_part_of_the_key():
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert make_key("POST", PATH, {"messages": turns}) != make_key("POST", PATH, {"messages": turns[::-1]})


# What is not stored


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_no_key_and_no_header_reaches_the_file(server, path, open_client, is_stream):
    answer = open_client("record").chat.completions.create(**BODY, stream=is_stream)
    if is_stream:
        list(answer)
    ((_, sent, _),) = server.hits
    assert sent["Authorization"] == f"Bearer {KEY}"
    text = path.read_text(encoding="utf-8").lower()
    assert [
        word for word in (KEY.lower(), "authorization", "bearer", "user-agent", "host", "127.0.0.1") if word in text
    ] == []
    (line,) = read_lines(path)
    assert set(json.loads(line)) == {"request", "response", "latency_s", "source", "recorded"}
    assert set(json.loads(line)["request"]) == {"method", "path", "body"}


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_volatile_fields_are_dropped_and_the_others_kept(path, ask, is_stream):
    ask("record", BODY | {"stream": is_stream})
    (recording,) = Recordings(path)
    for answer in recording.response[:-1] if is_stream else [recording.response]:
        assert set(answer) & set(VOLATILE) == set()
        assert answer["model"] == "tiny"
        assert "choices" in answer


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_the_same_answer_recorded_anew_gives_the_same_line_but_for_latency_and_day(path, ask, is_stream):
    records = []
    for _ in range(2):
        ask("record", BODY | {"stream": is_stream})
        (line,) = read_lines(path)
        path.unlink()
        records.append(json.loads(line))
    for record in records:
        assert record.pop("latency_s") >= 0
        assert len(record.pop("recorded")) == len("2026-01-02")
    assert json.dumps(records[0]) == json.dumps(records[1])


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_the_same_answer_again_leaves_the_file_as_it_is(server, path, ask, is_stream):
    ask("record", BODY | {"stream": is_stream})
    before = path.read_bytes()
    assert ask("record", BODY | {"stream": is_stream}).status_code == 200
    assert [path.read_bytes(), len(server.hits)] == [before, 2]


@pytest.mark.parametrize("mode", ["record", "fill"])
@pytest.mark.parametrize("status", [401, 403, 408, 409, 429, 500, 502, 503, 504, 529])
def test_the_fault_of_a_moment_is_passed_on_and_never_stored(server, path, ask, mode, status):
    server.reply = status, {"Content-Type": "application/json"}, b'{"error": {"message": "not now"}}'
    response = ask(mode)
    assert [response.status_code, response.json()] == [status, {"error": {"message": "not now"}}]
    assert read_lines(path) == []
    server.reply = None
    assert get_text(ask(mode)) == "Hello."
    assert len(read_lines(path)) == 1


@pytest.mark.parametrize("status", [401, 429, 500])
def test_a_fault_while_recording_again_leaves_the_old_recording(server, path, ask, status):
    ask("record")
    before = path.read_bytes()
    server.reply = status, {"Content-Type": "application/json"}, b'{"error": {"message": "not now"}}'
    assert ask("record").status_code == status
    assert path.read_bytes() == before
    assert get_text(ask("replay")) == "Hello."


@pytest.mark.parametrize("mode", ["record", "fill"])
@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize("content", [b"<html><h1>Sign in to this network</h1></html>", b""], ids=["page", "empty"])
def test_a_page_that_is_not_json_is_passed_on_and_never_stored(server, path, ask, mode, status, content):
    server.reply = status, {"Content-Type": "text/html"}, content
    response = ask(mode)
    assert [response.status_code, response.content] == [status, content]
    assert read_lines(path) == []


def test_a_reply_that_breaks_off_is_never_stored(server, path, ask):
    server.cuts_off = True
    for body in (BODY, BODY | {"stream": True}):
        with pytest.raises(httpx2.RemoteProtocolError):
            ask("record", body)
    assert read_lines(path) == []


def test_a_refused_request_is_an_answer_and_replays_as_one(server, path, open_client):
    error = {"error": {"message": "temperature is too high", "code": "bad_value"}}
    server.reply = 400, {"Content-Type": "application/json"}, json.dumps(error).encode()
    for mode in ("record", "replay"):
        with pytest.raises(openai.BadRequestError, match="temperature is too high") as caught:
            open_client(mode).chat.completions.create(**BODY)
        assert [caught.value.status_code, caught.value.code] == [400, "bad_value"]
    assert len(server.hits) == 1


# The table of modes: recording there or not, what comes back, how often the server is asked, what is in the file then


@pytest.mark.parametrize(
    ("mode", "is_there", "answer", "num_hits", "stored"),
    [
        ("replay", True, "old", 0, ["old"]),
        ("replay", False, None, 0, []),
        ("auto", True, "old", 0, ["old"]),
        ("auto", False, "new", 1, []),
        ("fill", True, "old", 0, ["old"]),
        ("fill", False, "new", 1, ["new"]),
        ("record", True, "new", 1, ["old", "new"]),
        ("record", False, "new", 1, ["new"]),
        ("live", True, "new", 1, ["old"]),
        ("live", False, "new", 1, []),
    ],
)
def test_the_table_of_modes(server, path, ask, mode, is_there, answer, num_hits, stored):
    server.text = "new"
    if is_there:
        Recordings(path).add(make_recording("old"))
    response = ask(mode)
    assert response.status_code == (404 if answer is None else 200)
    assert answer is None or get_text(response) == answer
    assert len(server.hits) == num_hits
    texts = [json.loads(line)["response"]["body"]["choices"][0]["message"]["content"] for line in read_lines(path)]
    assert texts == stored
    found = Recordings(path).find(make_key("POST", PATH, BODY))
    assert (found and found.response["choices"][0]["message"]["content"]) == (stored[-1] if stored else None)


def test_every_row_of_the_table_is_tested():
    rows = [line.split("|")[1].strip() for line in RecordingTransport.__doc__.splitlines() if "|" in line]
    assert rows[2:] == ["replay", "auto", "fill", "record", "live"]


@pytest.mark.parametrize(
    ("mode", "num_hits", "num_lines"), [("record", 1, 2), ("live", 3, 1), ("fill", 0, 1), ("auto", 0, 1)]
)
def test_record_asks_once_per_session_and_live_each_time(server, path, open_client, mode, num_hits, num_lines):
    Recordings(path).add(make_recording("old"))
    client = open_client(mode)
    for _ in range(3):
        client.chat.completions.create(**BODY)
    assert [len(server.hits), len(read_lines(path))] == [num_hits, num_lines]


def test_live_looks_into_no_file(server, path, ask):
    path.parent.mkdir()
    path.write_text("this is no recording\n", encoding="utf-8")
    assert get_text(ask("live")) == "Hello."
    assert path.read_text(encoding="utf-8") == "this is no recording\n"


def test_without_a_file_of_recordings_the_server_is_asked(server):
    with httpx2.HTTPTransport(verify=TLS) as live:
        for mode in ("live", "auto", "fill", "record"):
            with httpx2.Client(transport=RecordingTransport(mode, None, live, "here")) as client:
                assert get_text(client.post(server.url + PATH, json=BODY)) == "Hello."
    assert len(server.hits) == 4


def test_the_used_log_notes_each_request_without_its_text(server, path, tmp_path):
    log = tmp_path / "used.log"
    Recordings(path).add(make_recording())
    transport = RecordingTransport("replay", Recordings(path), None, "here", used_log=log)
    with httpx2.Client(transport=transport, base_url=server.url) as client:
        assert client.post(PATH, json=BODY).status_code == 200
        assert client.post(PATH, json=BODY | {"seed": 1}).status_code == 404
    keys = [make_key("POST", PATH, body) for body in (BODY, BODY | {"seed": 1})]
    assert log.read_text(encoding="utf-8").split() == [hash_key(key) for key in keys]


def test_closing_the_client_closes_the_live_transport():
    closed = []

    class Inner(httpx2.BaseTransport):
        def close(self):
            closed.append(self)

    inner = Inner()
    httpx2.Client(transport=RecordingTransport("live", None, inner, "here")).close()
    assert closed == [inner]


# A request without a recording


def test_a_missing_recording_names_request_and_command(open_client):
    with pytest.raises(openai.NotFoundError) as caught:
        open_client("replay", live=False).chat.completions.create(**BODY)
    message = caught.value.body["message"]
    assert [caught.value.status_code, caught.value.code, caught.value.type] == [404, MISSING, MISSING]
    assert f"no recording in 01_basics for the request {PATH} (tiny): “Say hello.”" in message
    assert "python -m llmops_utils record 01_basics" in message
    assert "LLMOPS_MODE=live" in message


def test_where_nobody_can_be_asked_a_missing_recording_is_reported_in_auto_too(open_client):
    with pytest.raises(openai.NotFoundError, match="python -m llmops_utils record 01_basics"):
        open_client("auto", live=False).chat.completions.create(**BODY)


def test_a_missing_recording_shows_no_key_and_no_long_prompt(ask):
    body = {"model": "tiny", "messages": [{"role": "user", "content": f"My key is {KEY}. " + "word " * 200}]}
    message = ask("replay", body).json()["error"]["message"]
    assert KEY[3:] not in message
    assert "“My key is [key]. word word" in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"model": "m", "messages": [*MESSAGES, {"role": "user", "content": "Last  \n one"}]}, "/x (m): “Last one”"),
        ({"model": "m", "prompt": "Once upon"}, "/x (m): “Once upon”"),
        ({"model": "m", "input": ["a", "b"]}, "/x (m): “['a', 'b']”"),
        ({"content": "to tokenize"}, "/x (no model): “to tokenize”"),
        ({"model": "m", "prompt": "a" * 80}, f"/x (m): “{'a' * 80}”"),
        ({"model": "m", "prompt": "a" * 81}, f"/x (m): “{'a' * 77}…”"),
        (None, "/x"),
        ("no json", "/x"),
    ],
)
def test_a_request_is_summarized_by_path_model_and_last_text(body, shown):
    assert summarize_request("/x", body) == shown


# The file

GOOD = make_recording().to_line()
BAD_LINES = {
    "cut off": GOOD[: len(GOOD) // 2].encode(),
    "blank": b"",
    "merge conflict": b"<<<<<<< HEAD",
    "list": b"[]",
    "number": b"5",
    "text": b'"request"',
    "null": b"null",
    "no request": b'{"response": {"status": 200, "body": 1}, "latency_s": 1, "source": "", "recorded": ""}',
    "no body": GOOD.replace('"body": {"object"', '"text": {"object"').encode(),
    "status is no number": GOOD.replace('"status": 200', '"status": "fine"').encode(),
    "latency is null": GOOD.replace('"latency_s": 0.25', '"latency_s": null').encode(),
    "not UTF-8": GOOD.replace("Hello", "Grüße").encode("latin-1"),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_broken_line_is_a_data_error_that_names_file_and_line(path, line):
    path.parent.mkdir()
    path.write_bytes(GOOD.encode() + b"\n" + line + b"\n" + GOOD.encode() + b"\n")
    with pytest.raises(DataError) as caught:
        Recordings(path).find("any")
    assert caught.value.problem.startswith("01_basics.jsonl, line 2, is not a recording")
    assert "git checkout" in caught.value.next_step


def test_a_broken_file_is_never_added_to(path):
    path.parent.mkdir()
    path.write_text("broken", encoding="utf-8")
    with pytest.raises(DataError):
        Recordings(path).add(make_recording())
    assert path.read_text(encoding="utf-8") == "broken"


def test_a_missing_file_is_an_empty_collection(path):
    recordings = Recordings(path)
    assert [len(recordings), list(recordings), recordings.find("any")] == [0, [], None]
    assert not path.exists()


@pytest.mark.parametrize(
    "recording",
    [
        make_recording(WORLDLY),
        make_recording(SEPARATORS),
        make_recording(response=[{"a": 1}, "[DONE]"], is_stream=True),
        make_recording(method="GET", path="/v1/models", body=None, response=None, status=404),
        make_recording(body={"input": [0.1, 1e-300, -0.0, 12345678901234567890]}),
    ],
    ids=["worldly", "separators", "stream", "no body", "numbers"],
)
def test_a_recording_survives_its_line(path, recording):
    line = recording.to_line()
    assert "\n" not in line
    assert Recording.from_line(line) == recording
    Recordings(path).add(recording)
    assert list(Recordings(path)) == [recording]


def test_an_answer_is_in_the_file_at_once(path, ask):
    first = Recordings(path)
    first.add(make_recording("one"))
    assert list(Recordings(path)) == [make_recording("one")]
    first.add(make_recording("two", BODY | {"seed": 2}))
    assert [len(first), len(Recordings(path))] == [2, 2]


def test_the_last_answer_to_a_request_counts(path):
    recordings = Recordings(path)
    recordings.add(make_recording("one"))
    recordings.add(make_recording("two"))
    for found in (recordings, Recordings(path)):
        assert list(found) == [make_recording("two")]


def test_concurrent_adds_lose_nothing(path):
    recordings = Recordings(path)
    bodies = [BODY | {"seed": number} for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda body: recordings.add(make_recording(f"{body['seed']} " + "x" * 5000, body)), bodies))
    read = {recording.body["seed"]: recording.response for recording in Recordings(path)}
    assert len(read_lines(path)) == 200
    assert sorted(read) == list(range(200))
    assert [answer["choices"][0]["message"]["content"].split()[0] for answer in read.values()] == [*map(str, read)]


def test_concurrent_requests_are_all_recorded(server, path, open_client):
    client = open_client("fill")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: client.chat.completions.create(**BODY, seed=seed), range(40)))
    assert sorted(recording.body["seed"] for recording in Recordings(path)) == list(range(40))
    assert len(server.hits) == 40


# Tidying

BODIES = [{"model": model, "prompt": prompt} for model in ("b", "a") for prompt in ("2", "1", "3")]


@pytest.mark.parametrize("bodies", [BODIES, BODIES[::-1], BODIES[3:] + BODIES[:3]])
def test_tidy_sorts_by_model_and_request_whatever_the_order_before(path, bodies):
    for body in bodies:
        Recordings(path).add(make_recording(body=body))
    assert Recordings(path).tidy() == 0
    order = [(recording.model, recording.body["prompt"]) for recording in Recordings(path)]
    assert order == [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("b", "3")]
    tidied = path.read_bytes()
    assert Recordings(path).tidy() == 0
    assert path.read_bytes() == tidied
    assert tidied == b"".join(
        make_recording(body={"model": model, "prompt": prompt}).to_line().encode() + b"\n"
        for model in "ab"
        for prompt in "123"
    )


def test_tidy_drops_what_keep_refuses_and_says_how_many(path):
    recordings = Recordings(path)
    for body in BODIES:
        recordings.add(make_recording(body=body))
    assert recordings.tidy(keep=lambda recording: recording.body["prompt"] != "2") == 2
    for found in (recordings, Recordings(path)):
        assert len(found) == 4
        assert {recording.body["prompt"] for recording in found} == {"1", "3"}


def test_tidy_leaves_one_line_per_request(path):
    recordings = Recordings(path)
    for text in ("one", "two", "three"):
        recordings.add(make_recording(text))
    assert recordings.tidy() == 0
    assert read_lines(path) == [make_recording("three").to_line()]


def test_tidy_leaves_nothing_but_the_file(path):
    recordings = Recordings(path)
    recordings.add(make_recording())
    recordings.tidy()
    assert [found.name for found in path.parent.iterdir()] == ["01_basics.jsonl"]
    recordings.add(make_recording(body=BODY | {"seed": 1}))
    assert len(Recordings(path)) == 2


def test_a_crash_while_tidying_leaves_the_old_file_whole(path, monkeypatch):
    recordings = Recordings(path)
    for body in BODIES:
        recordings.add(make_recording(body=body))
    before = path.read_bytes()

    def fail(source, target):
        raise OSError("power failure")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="power failure"):
            recordings.tidy(keep=lambda recording: False)
    assert path.read_bytes() == before
    assert [len(recordings), len(Recordings(path))] == [6, 6]
    assert recordings.tidy() == 0
    assert len(Recordings(path)) == 6


def test_the_model_of_a_recording_is_the_one_its_request_names():
    found = [make_recording(body=body).model for body in (BODY, {"prompt": "x"}, None, "text")]
    assert found == ["tiny", "", "", ""]
