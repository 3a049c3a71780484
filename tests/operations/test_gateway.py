"""Claims about the gateway of a class: no key no answer, no request that breaks the model, quotas that hold, fair turns."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from fake_provider import FakeProvider, slow

from llmops_utils.core import DataError, ServerError
from llmops_utils.models.server import EmbeddedServer
from llmops_utils.operations import gateway
from llmops_utils.operations.gateway import Gateway
from llmops_utils.operations.quotas import MOST_WAITING, Quota, Turns
from llmops_utils.operations.request_checks import MOST_BYTES, Refused, check_request

CHAT = {"model": "small", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
PATH = "/v1/chat/completions"


async def know(key, address):
    return {"key-ana": "ana", "key-ben": "ben", "key-teacher": "teacher"}.get(key)


def embed(body):
    many = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [{"object": "embedding", "index": place, "embedding": [1.0]} for place, _ in enumerate(many)]
    return {"object": "list", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}


class Class:
    """A gateway before a fake model, and its callers."""

    def __init__(self, tmp_path, fake, turns=2, **limits):
        self.fake = fake
        limits = {"most_requests": 1000, "most_tokens": 1_000_000} | limits
        self.now = 7200.0
        self.quota = Quota(tmp_path / "quota.json", clock=lambda: self.now, **limits)
        self.gateway = Gateway(
            ("small", "small-tuned"),
            lambda name: EmbeddedServer(fake.base_url, f"upstream-key-{name}", None),
            know,
            self.quota,
            Turns(turns),
            embed=embed,
            is_teacher="teacher".__eq__,
        )

    def ask(self, caller="ana", body=CHAT, path=PATH, method="POST", **more):
        headers = {"Authorization": f"Bearer key-{caller}"} if caller else {}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        options = {"content": content} if method == "POST" else {}
        return httpx2.request(
            method, f"http://127.0.0.1:{self.port}{path}", headers=headers, **options, timeout=30, **more
        )


@pytest.fixture
def make_class(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway, "SLOWED_S", 0.01)
    with contextlib.ExitStack() as stack:
        fake = stack.enter_context(FakeProvider())

        def make(**options):
            made = Class(tmp_path, fake, **options)
            made.port = stack.enter_context(made.gateway.listen("127.0.0.1", 0))
            return made

        yield make


def test_all_that_the_course_asks_for_comes_through_and_the_models_own_key_stays_inside(make_class):
    room = make_class()
    told = room.ask()
    assert told.json()["choices"][0]["message"]["content"] == "Hello there."
    assert room.fake.requests[-1].headers["authorization"] == "Bearer upstream-key-small"
    assert room.ask(path="/v1/completions", body={"prompt": "Hi", "max_tokens": 1}).status_code != 404
    assert room.ask(path="/tokenize", body={"content": "a b", "with_pieces": True}).json()["tokens"][1]["piece"] == "b"
    assert "prompt" in room.ask(path="/apply-template", body={"messages": CHAT["messages"]}).json()
    assert len(room.ask(path="/v1/embeddings", body={"input": ["a", "b"], "model": "m"}).json()["data"]) == 2
    served = room.ask(path="/v1/models", method="GET").json()["data"]
    assert [one["id"] for one in served] == ["small", "small-tuned"]
    room.ask(body=CHAT | {"model": "small-tuned"})
    assert room.fake.requests[-1].headers["authorization"] == "Bearer upstream-key-small-tuned"
    refused = room.ask(body=CHAT | {"model": "large"})
    assert (refused.status_code, "there is small, small-tuned" in refused.text) == (404, True)
    health = room.ask(path="/health", method="GET").json()
    assert (health["status"], health["waiting"], health["seconds"] < 5) == ("ok", 0, True)


def test_a_stream_comes_piece_by_piece_and_its_usage_only_to_who_wants_it(make_class):
    room = make_class()
    events = [json.dumps({"choices": [{"index": 0, "delta": {"content": one}}]}) for one in ("Hel", "lo")]
    usage = json.dumps({"choices": [], "usage": {"total_tokens": 15}})
    room.fake.make_events = lambda: [*events, usage, "[DONE]"]
    shown = room.ask(body=CHAT | {"stream": True}).text
    assert (shown.count("data: {"), shown.rstrip().endswith("data: [DONE]")) == (2, True)
    assert room.fake.bodies[-1]["stream_options"] == {"include_usage": True}
    assert room.quota.used == {"ana": [1, 15]}
    assert "usage" in room.ask(body=CHAT | {"stream": True, "stream_options": {"include_usage": True}}).text


def test_who_hangs_up_after_the_last_event_of_a_stream_is_charged_what_it_took(make_class):
    def make_events():
        yield json.dumps({"choices": [], "usage": {"total_tokens": 15}})
        yield "[DONE]"
        hung_up.wait(5)  # the model keeps the line open

    room, hung_up = make_class(), threading.Event()
    room.fake.make_events = make_events
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{room.port}/v1", api_key="key-ana", max_retries=0)
    list(client.chat.completions.create(**CHAT, stream=True))
    deadline = time.monotonic() + 3
    while room.quota.used.get("ana", [1, 0])[1] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert room.quota.used == {"ana": [1, 15]}
    hung_up.set()


def test_without_a_key_nothing_is_read_other_paths_are_not_there_and_the_page_of_usage_is_the_teachers(make_class):
    room = make_class()
    for caller in ("", "nobody"):
        answer = room.ask(caller=caller)
        assert answer.status_code == 401
        assert "save the settings" in answer.json()["error"]["message"].lower()
    for path in ("/slots", "/props", "/metrics", "/lora-adapters", "/v1/chat/completions/../slots"):
        assert room.ask(path=path, method="GET").status_code == 404
        assert room.ask(path=path).status_code == 404
    assert room.fake.requests == []
    room.ask()
    assert room.ask(path="/usage", method="GET").status_code == 403
    used = {"callers": {"ana": {"requests": 1, "tokens": 15, "waiting": 0}}}
    assert room.ask("teacher", path="/usage", method="GET").json() == used


TOO_DEEP = b'{"messages":[{"role":"user","content":"x"}],"response_format":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001
REFUSED = (
    (CHAT | {"grammar": "root ::= " + "(" * 100_000}, "grammar"),
    (CHAT | {"grammar": 'root ::= "a" | root'}, "grammar"),
    (TOO_DEEP, "no JSON"),
    (CHAT | {"response_format": {"a": {"b": [[[[[[[[[[[1]]]]]]]]]]]}}}, "response_format"),
    (CHAT | {"response_format": {"schema": {"type": "string", "pattern": "(a|b)*c"}}}, "response_format"),
    (CHAT | {"response_format": {"schema": {"type": "array", "minItems": 10**9}}}, "response_format"),
    (CHAT | {"response_format": {"enum": ["x"] * 5000}}, "response_format"),
    (CHAT | {"repeat_last_n": 2**31 - 1}, "repeat_last_n"),
    (CHAT | {"n_predict": -1}, "n_predict"),
    (CHAT | {"max_tokens": 10**9}, "max_tokens"),
    (CHAT | {"max_tokens": -1}, "max_tokens"),
    (CHAT | {"n": 50}, "n”"),
    (CHAT | {"stop": ["a"] * 10_000}, "stop"),
    (b'{"messages": [], "temperature": NaN}', "no JSON"),
    (b"[" * 50_000, "no JSON"),
    (b"[]", "no object"),
    ({"model": "small"}, "messages”"),
    (CHAT | {"messages": [CHAT["messages"][0]] * 1000}, "messages"),
    ({"prompt": ["x"] * 10_000}, "prompt"),
    ({"input": ["x"] * 10_000}, "input"),
)
PATHS = {"prompt": "/v1/completions", "input": "/v1/embeddings"}


def test_a_request_that_would_end_or_block_the_model_is_refused_in_no_time(make_class):
    room = make_class()
    for body, problem in REFUSED:
        started = time.perf_counter()
        answer = room.ask(body=body, path=PATHS.get(problem, PATH))
        assert (answer.status_code, problem in answer.json()["error"]["message"]) == (400, True), answer.text
        assert time.perf_counter() - started < 5, problem
    with contextlib.suppress(httpx2.HTTPError):  # the server may close before all of it was sent
        assert room.ask(body=b" " * (MOST_BYTES + 100_000)).status_code in (400, 413)
    assert (room.fake.requests, room.quota.used) == ([], {})
    assert room.ask().status_code == 200


def test_a_grammar_of_words_and_a_usual_schema_pass_and_half_a_character_is_mended(make_class):
    room = make_class()
    schema = {"type": "object", "properties": {"choice": {"enum": ["delivery", 'a "quoted" one']}}}
    for more in (
        {"grammar": 'root ::= "delivery" | "a \\"b\\""'},
        {"response_format": {"json_schema": {"schema": schema}}},
    ):
        assert room.ask(body=CHAT | more).status_code == 200
    room.ask(body=CHAT | {"messages": [{"role": "user", "content": "a\ud800b"}]})
    assert "\ud800" not in room.fake.bodies[-1]["messages"][0]["content"]
    body = check_request(PATH, json.dumps({"messages": CHAT["messages"]}).encode())
    assert body["max_tokens"] == 1024  # nobody writes without an end
    with pytest.raises(Refused):
        check_request("/slots", b"{}")


def test_quotas_are_exact_to_the_token_when_calls_come_side_by_side_and_a_restart_forgets_none(make_class, tmp_path):
    room = make_class(most_tokens=1200, turns=8)
    room.fake.usage = {"total_tokens": 60}
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: room.ask().status_code, range(40)))
    done = statuses.count(200)
    assert set(statuses) == {200, 429}
    assert room.quota.used["ana"][1] == 60 * done <= 1200
    again = Quota(tmp_path / "quota.json", 1000, 1200, clock=lambda: room.now)
    assert again.used == room.quota.used
    assert room.ask("ben").status_code == 200
    refused = room.ask(body=CHAT | {"max_tokens": 1024, "messages": [{"role": "user", "content": "x" * 2000}]})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3601")
    assert "of 1,200 are left in this hour" in refused.json()["error"]["message"]
    room.now += 3600
    assert room.ask().status_code == 200
    room.quota.reserve("eva", 700)
    with pytest.raises(Refused, match="ask again") as caught:  # which only waits for what was set aside
        room.quota.reserve("eva", 700)
    assert (caught.value.status, caught.value.retry_s) == (429, 1)
    room.quota.settle("eva", 700, 50)
    room.quota.reserve("eva", 700)


def test_requests_are_counted_also_on_a_disk_that_is_full(make_class, tmp_path):
    room = make_class(most_requests=3)
    room.fake.usage = {"total_tokens": 9}
    room.quota._file = tmp_path / "file" / "quota.json"
    (tmp_path / "file").touch()  # so that nothing can be written there
    assert [room.ask().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert room.quota.used == {"ana": [3, 27]}
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(DataError, match="quota of nothing"):
            Quota(room.quota._file, *wrong)


def test_a_flood_by_one_leaves_the_others_their_turns(make_class):
    room = make_class(turns=1)
    room.fake.choose_fault = lambda request: slow(0.03)
    with ThreadPoolExecutor(20) as pool:
        flood = [pool.submit(room.ask, "ana") for _ in range(16)]
        while len(room.fake.requests) < 3:
            time.sleep(0.005)
        assert room.ask("ben").status_code == 200
        num_after = sum(not one.done() for one in flood)
    assert num_after > 8  # ben was served while most of the flood still waited
    assert {one.result().status_code for one in flood} == {200}


async def take(turns, caller, taken, ended):
    """Take a turn, note who has it, and give it back at the end."""
    async with turns.take(caller):
        taken.append(caller)
        await ended.wait()


def test_a_caller_with_many_calls_has_half_of_the_turns_and_another_finds_one_free():
    async def run():
        turns, now, ended = Turns(4), [], asyncio.Event()
        tasks = [asyncio.create_task(take(turns, "ana", now, ended)) for _ in range(9)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(take(turns, one, now, ended)) for one in ("ben", "eva")]
        await asyncio.sleep(0)
        assert now == ["ana", "ana", "ben", "eva"]
        ended.set()
        await asyncio.gather(*tasks)
        assert now.count("ana") == 9
        assert (turns.num_waiting, turns._free) == ({}, 4)

    asyncio.run(run())


def test_too_many_waiting_calls_of_one_caller_are_refused_and_no_turn_is_lost():
    async def run():
        turns, order, ended = Turns(1), [], asyncio.Event()
        ended.set()
        async with turns.take("first"):
            tasks = [asyncio.create_task(take(turns, "ana", order, ended)) for _ in range(MOST_WAITING)]
            await asyncio.sleep(0)
            with pytest.raises(Refused, match="wait already"):
                await take(turns, "ana", order, ended)
            tasks += [asyncio.create_task(take(turns, "ben", order, ended)) for _ in range(3)]
            await asyncio.sleep(0)
            assert turns.num_waiting == {"ana": MOST_WAITING, "ben": 3}
            for one in tasks[5:MOST_WAITING]:  # most of them leave
                one.cancel()
            await asyncio.sleep(0)
            assert turns.num_waiting == {"ana": 5, "ben": 3}
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == ["ana", "ben", "ana", "ben", "ana", "ben", "ana", "ana"]
        async with turns.take("last"):
            assert turns.num_waiting == {}

    asyncio.run(run())


def test_a_caller_who_leaves_gives_the_turn_back_and_half_sent_requests_hold_nobody_up(make_class):
    room = make_class(turns=1)
    room.fake.choose_fault = lambda request: slow(0.4)
    with pytest.raises(httpx2.TimeoutException):
        httpx2.post(
            f"http://127.0.0.1:{room.port}{PATH}", json=CHAT, headers={"Authorization": "Bearer key-ben"}, timeout=0.05
        )
    halves = [socket.create_connection(("127.0.0.1", room.port)) for _ in range(16)]
    for one in halves[:8]:
        one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
    for one in halves[8:]:
        one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{")
    started = time.perf_counter()
    assert room.ask(path="/v1/models", method="GET").status_code == 200
    assert room.ask().status_code == 200
    assert time.perf_counter() - started < 3
    for one in halves:
        one.close()


def test_a_model_that_is_gone_or_does_not_start_and_keys_that_nobody_can_check_are_told_with_a_time_and_cost_nothing(
    make_class,
):
    def fail(name):
        raise ServerError("There is no memory for it.", "Close other programs.")

    async def ask_in_vain(key, address):
        raise Refused(503, "The Hub does not answer.", 5)

    room = make_class()
    room.fake.__exit__()
    told = [room.ask()]
    health = room.ask(path="/health", method="GET")
    assert (health.status_code, health.json()["status"]) == (503, "down")
    room.gateway.find_server = fail
    told.append(room.ask())
    room.gateway.authenticate = ask_in_vain
    told.append(room.ask())
    assert [(one.status_code, one.headers["retry-after"]) for one in told] == [(502, "5"), (503, "30"), (503, "5")]
    said = ("The model does not answer", "no memory", "The Hub does not answer")
    assert [words in one.json()["error"]["message"] for words, one in zip(said, told, strict=True)] == [True] * 3
    assert room.quota.used == {"ana": [2, 0]}


def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        closed = Gateway(("small",), lambda name: None, know, None, Turns(1))
        with pytest.raises(ServerError, match="cannot be opened"), closed.listen("127.0.0.1", taken.getsockname()[1]):
            pass
