"""Claims about the transport that records and replays, through real HTTP to a server of this process on loopback."""

import itertools
import json

import httpx2
import numpy as np
import openai
import pytest
from fake_provider import CUT, HTML, Fault, refuse

from llmops_utils.core import ProviderError, Settings
from llmops_utils.models.recording import Recorder, Recordings
from llmops_utils.models.transport import (
    VOLATILE,
    RecordingTransport,
    pack_vector,
    unpack_vector,
)

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
PATH = "/v1/chat/completions"
EMBEDDINGS = "/v1/embeddings"
MESSAGES = [{"role": "user", "content": "Say hello."}]
BODY = {"model": "fake", "messages": MESSAGES, "temperature": 0}
STREAM = BODY | {"stream": True}
WORLDLY = "Grüße 👩‍🔬 日本 \u202eabc\u202c “quoted” \\n \t\n tab and line"
SEPARATORS = "one\u2028two\u2029three\x85four\x1cfive\x0bsix"  # line ends to str.splitlines, but not to JSON or SSE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recordings" / "01_basics.jsonl"


@pytest.fixture
def ask(fake, path):
    """Send one request in a session of its own."""

    def send(mode, body=BODY, where=PATH):
        with httpx2.HTTPTransport() as live:
            recorder = Recorder(Recordings(path), Settings(mode=mode), "weights sha256:00")
            with httpx2.Client(transport=RecordingTransport(recorder, live), base_url=fake.base_url[:-3]) as client:
                return client.post(where, json=body)

    return send


@pytest.fixture
def embed(ask):
    """Ask for embeddings in a session of its own."""

    def send(mode, texts, **fields):
        return ask(mode, {"model": "m", "input": texts, **fields}, EMBEDDINGS)

    return send


@pytest.fixture
def open_client(fake, path):
    """Open an openai client on a transport of the given mode."""
    clients = []

    def make(mode, live=True):
        inner = httpx2.HTTPTransport() if live else None
        recorder = Recorder(Recordings(path), Settings(mode=mode), "weights sha256:00")
        http_client = openai.DefaultHttpxClient(transport=RecordingTransport(recorder, inner))
        clients.append(http_client)
        return openai.OpenAI(base_url=fake.base_url, api_key=KEY, http_client=http_client, max_retries=0)

    yield make
    for client in clients:
        client.close()


def count_lines(path):
    return len(path.read_text(encoding="utf-8").split("\n")) - 1 if path.exists() else 0


def get_text(response):
    return response.json()["choices"][0]["message"]["content"]


def test_openai_reads_a_replayed_reply_or_stream_as_the_live_one_with_every_character(fake, open_client):
    for number, text in enumerate((WORLDLY, SEPARATORS)):
        fake.answer, fake.pieces, asked = lambda body, text=text: text, list(text), BODY | {"seed": number}
        live = open_client("record").chat.completions.create(**asked)
        replayed = open_client("replay", live=False).chat.completions.create(**asked)
        assert replayed == live
        assert (replayed.choices[0].message.content, replayed.usage.total_tokens) == (text, 15)
        asked["stream"] = True
        streamed, recorded = (list(open_client(mode).chat.completions.create(**asked)) for mode in ("live", "record"))
        replayed = list(open_client("replay", live=False).chat.completions.create(**asked))
        assert replayed == recorded
        for chunks in (streamed, replayed):
            assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == text


def test_what_differs_between_equal_answers_and_the_bytes_of_tokens_are_left_out(fake, path, ask):
    ask("record")
    before = path.read_bytes()
    ask("record")
    assert path.read_bytes() == before
    [stored] = [one.response["body"] for one in Recordings(path)]
    assert set(stored) & set(VOLATILE) == set()
    token = {"token": "a", "bytes": [97], "logprob": -0.5}
    logprobs = {"content": [token | {"top_logprobs": [token]}]}
    fake.faults.append(Fault(200, {"choices": [{"index": 0, "message": {"content": "a"}, "logprobs": logprobs}]}))
    ask("record", BODY | {"seed": 1})
    assert "bytes" not in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").count('"logprob": -0.5') == 2


def test_what_is_no_answer_of_the_model_is_passed_on_and_never_stored(fake, path, ask, embed):
    """The fault of a moment or of a key, a page that is not JSON, and an answer that no reader could use."""
    ask("record")
    before = path.read_bytes()
    faults = [refuse(status) for status in (401, 402, 408, 425, 429, 503)]
    faults += [refuse(404, "model 'x' not found, try pulling it first"), refuse(400, "Your credit balance is too low")]
    faults += [HTML, Fault(200, ""), Fault(404, "<html>"), Fault(502, "<html>"), Fault(200, [])]
    for mode, fault in itertools.product(("fill", "record", "auto"), (refuse(500), refuse(400), HTML)):
        fake.faults.append(fault)
        assert embed(mode, ["a"]).status_code == fault.status
    faults += [Fault(200, {"choices": [{"message": None}]}), Fault(200, {"object": "something"})]
    for fault, (mode, body) in itertools.product(faults, (("record", BODY), ("fill", BODY | {"seed": 1}))):
        fake.faults.append(fault)
        response = ask(mode, body)
        assert response.status_code == fault.status
        assert response.text == fault.body if isinstance(fault.body, str) else response.json() == fault.body
    ended = [{"choices": [{"message": {"content": "Hel"}, "finish_reason": end}]} for end in ("error", "abort")]
    for answer in ({"error": {"message": "no credit"}}, *ended):
        fake.faults.append(Fault(200, answer))
        assert ask("record").status_code == 502
    assert path.read_bytes() == before
    assert get_text(ask("replay")) == "Hello there."


def test_a_reply_or_stream_that_breaks_off_is_never_stored(fake, path, ask):
    fake.faults.append(CUT)
    fake.stream_ending = "drop"
    for body in (BODY, STREAM):
        with pytest.raises(httpx2.RemoteProtocolError):
            ask("record", body)
    fake.faults.append(Fault(200, {"error": "no stream here"}))
    assert ask("record", STREAM).status_code == 502
    garbled = "data: Bad Gateway\n\ndata: [DONE]\n\n"
    for ending in ("", 'data: {"error": {"message": "gone"}}\n\n', 'data: {"choi', garbled):
        fake.stream_ending = ending
        assert ask("record", STREAM).status_code == 502
    fake.stream_ending, fake.finish_reason = "done", "error"
    assert ask("record", STREAM).status_code == 502
    assert count_lines(path) == 0
    fake.stream_ending = ": keep-alive\n\n\n\ndata: [DONE]\n\n"
    assert ask("record", STREAM).status_code == 200
    assert count_lines(path) == 1


def test_a_refused_request_is_an_answer_and_replays_as_one(fake, open_client):
    fake.faults.append(refuse(400, "temperature is too high", code="bad_value"))
    for mode in ("record", "replay"):
        with pytest.raises(openai.BadRequestError, match="temperature is too high") as caught:
            open_client(mode).chat.completions.create(**BODY)
        assert [caught.value.status_code, caught.value.code] == [400, "bad_value"]
    assert len(fake.requests) == 1


def test_a_live_stream_comes_piece_by_piece_and_raises_where_it_breaks_off_or_brings_an_error(fake, open_client):
    errors = ['data: {"error": {"message": "gone"}}\n\n', 'data: {"error": "gone"}\n\n', 'data: {"error": "gone"}']
    for ending, said in (("", "before the answer was complete"), *((error, "stream: gone") for error in errors)):
        fake.stream_ending = ending
        pieces: list[str] = []
        with pytest.raises(ProviderError, match=said):  # noqa: PT012
            for chunk in open_client("live").chat.completions.create(**STREAM):
                pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        assert pieces == fake.pieces  # they were there before the end
    fake.faults.append(Fault(200, {"error": {"message": "slow down", "code": 429}}))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        list(open_client("live").chat.completions.create(**STREAM))


def test_no_key_header_or_secret_of_prompt_answer_or_error_reaches_the_file_and_the_request_is_found_again(
    fake, path, ask, open_client, monkeypatch
):
    monkeypatch.setenv("DB_PASSWORD", "hunter-two-words")
    body = BODY | {"messages": [{"role": "user", "content": f"{KEY} hunter-two-words"}]}
    fake.answer = lambda body: f"You said {KEY} \ud83d"
    assert get_text(ask("record", body)) == get_text(ask("replay", body)) == "You said [key] \ufffd"
    fake.faults.append(refuse(400, f"not with {KEY}"))
    ask("record", body | {"seed": 1})
    list(open_client("record").chat.completions.create(**STREAM))
    assert fake.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    text = path.read_text(encoding="utf-8").lower()
    assert count_lines(path) == 3
    words = (KEY[3:].lower(), "hunter", "authorization", "bearer", "user-agent", "host", "127.0.0.1")
    assert [word for word in words if word in text] == []


def test_a_missing_recording_names_request_and_command_in_the_words_of_openai_too(open_client, ask):
    for mode in ("replay", "auto"):  # in auto, where nobody can be asked
        with pytest.raises(openai.APIStatusError) as caught:
            open_client(mode, live=False).chat.completions.create(**BODY)
        for words in ("01_basics for the request", "“Say hello.”", "llmops_utils record 01_basics", "LLMOPS_MODE=live"):
            assert words in caught.value.body["message"]
    for prompt, shown in (("a" * 81, "a" * 77 + "…"), (f"{'a' * 70} \n {KEY}", f"{'a' * 70} [key]")):
        said = ask("replay", {"model": "m", "prompt": prompt}, "/v1/completions").json()["error"]["message"]
        assert f"/v1/completions (m): “{shown}”" in said


def test_packing_moves_numbers_and_cosines_by_no_more_than_is_said():
    vectors = np.random.default_rng(3).normal(size=(200, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    packed = np.array([unpack_vector(pack_vector(vector.tolist())) for vector in vectors])
    assert np.abs(packed - vectors).max() <= 0.00025
    assert np.abs(packed @ packed.T - vectors @ vectors.T).max() < 0.001
    exact = [0.0, 1.0, -0.5, 0.333251953125, 2.0**-24]
    assert unpack_vector(pack_vector(exact)) == exact
    assert len(pack_vector(vectors[0].tolist())) == 1024 < len(json.dumps(vectors[0].tolist())) / 7


def read_vectors(response):
    return [row["embedding"] for row in response.json()["data"]]


def test_each_text_is_recorded_once_with_its_share_of_tokens_and_replays_in_any_company(fake, path, embed):
    first = read_vectors(embed("fill", ["a", "bb", "secret"]))
    assert [one.response["body"]["num_tokens"] for one in Recordings(path)] == [1, 1, 4]  # of 6, by length
    assert "secret" not in path.read_text(encoding="utf-8")
    assert read_vectors(embed("replay", ["secret", "a", "a"])) == [first[2], first[0], first[0]]
    assert read_vectors(embed("replay", "bb")) == [first[1]]
    assert len(fake.requests) == 1
    company = ["bb", "c", "a", "d"]
    assert read_vectors(embed("fill", company)) == read_vectors(embed("replay", company))
    assert fake.bodies[1]["input"] == ["c", "d"]  # the missing ones alone
    assert count_lines(path) == 5


def test_the_modes_hold_for_texts_too(fake, path, embed):
    recorded = read_vectors(embed("record", ["a", "b"]))
    assert recorded == read_vectors(embed("replay", ["a", "b"]))
    before = path.read_text()
    for mode, texts, asked in (("record", ["a"], ["a"]), ("auto", ["a", "c"], ["c"]), ("live", ["a"], ["a"])):
        assert len(read_vectors(embed(mode, texts))) == len(texts)
        assert fake.bodies[-1]["input"] == asked
        assert path.read_text() == before
    missing = embed("replay", ["a", "which one is missing"])
    assert "“which one is missing”" in missing.json()["error"]["message"]
    embed("fill", ["a"], dimensions=4)  # another field makes it another request
    assert fake.bodies[-1] == {"model": "m", "input": ["a"], "dimensions": 4}


def test_openai_reads_recorded_embeddings_though_it_asks_for_base64(fake, embed, open_client):
    plain = read_vectors(embed("fill", ["a"]))[0]
    for mode in ("fill", "replay"):
        answer = open_client(mode).embeddings.create(model="m", input=["a"])
        assert answer.data[0].embedding == plain
    assert len(fake.requests) == 1
