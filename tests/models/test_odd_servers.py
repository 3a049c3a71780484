"""Servers that answer oddly: what can be used is read, what is unknown stays unknown, all else is an error of ours."""

import base64
import contextlib
import json
import math
import ssl
import struct
from itertools import product

import httpx2
import pytest
from fake_provider import Fault
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_utils.core import errors
from llmops_utils.models import Budget, reply
from llmops_utils.models.reply import NoAnswer, find_error, read_chat, read_usage
from llmops_utils.models.schemas import split_thoughts

NAMES = ("choices", "message", "content", "logprobs", "top_logprobs", "token", "logprob", "usage", "error", "code")
NAMES += ("data", "index", "embedding", "tokens", "id", "piece", "text", "finish_reason", "prompt_tokens", "type")
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


def chat(content, **fields):
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"} | fields]}


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_whatever_a_server_sends_is_read_or_is_no_answer(data):
    readers = (reply.read_chat, reply.read_next, reply.read_tokens, lambda one: reply.read_vectors(one, 1))
    for read in readers:
        with contextlib.suppress(NoAnswer):
            read(data)
    find_error(data)
    for number in read_usage(data):
        assert number is None or (isinstance(number, int) and number >= 0)


def test_an_error_inside_an_answer_of_status_200_is_of_its_kind_and_tried_again(fake, make_model, meet):
    limit = {"message": "rate limit exceeded", "code": 429}
    answers = (
        ({"error": limit, "choices": None}, errors.RateLimited, "rate limit exceeded"),
        ({"error": "Too many requests, slow down"}, errors.RateLimited, "slow down"),
        ({"choices": [{"error": {"code": 502, "message": "upstream gone"}}]}, errors.ProviderDown, "upstream gone"),
        (chat("Hel", finish_reason="error"), errors.ProviderDown, "finish_reason"),
        ({"object": "error", "message": "still loading", "code": "503"}, errors.ProviderDown, "still loading"),
        ({"error": {"message": "too long", "code": "context_length_exceeded"}}, errors.ContextExceeded, "too long"),
        ({"error": {"message": "no such model", "code": 404}}, errors.ModelNotServed, "no such model"),
        ({"detail": "Not today", "choices": None}, errors.ProviderDown, "Not today"),
        ({"error": {"message": ["odd"], "code": {"a": 1}}}, errors.ProviderDown, "odd"),
        ([{"error": {"code": 429, "message": "exhausted"}}], errors.RateLimited, "exhausted"),
        ({"code": 1113, "msg": "Insufficient balance", "success": False}, errors.ProviderDown, "balance"),
        (
            {"error": {"message": "filtered", "code": "content_filter", "status": 400}},
            errors.RequestRefused,
            "filtered",
        ),
        (chat("Hel", finish_reason="insufficient_system_resource"), errors.ProviderDown, "insufficient"),
    )
    for body, kind, said in answers:
        meet(kind, Fault(200, body), said=said)
    missing = Fault(404, [{"error": {"code": 404, "message": "models/x is not found"}}])
    meet(errors.ModelNotServed, missing, said=r"\(404\)\. models/x is not found")
    meet(errors.ProviderError, Fault(400, {"error": {"message": "odd", "code": {"a": 1}, "type": []}}), said="odd")
    fake.faults.append(Fault(200, {"error": limit, "data": None}))
    with pytest.raises(errors.RateLimited, match="rate limit exceeded"):
        make_model().embed("Hi")
    fake.requests.clear()
    fake.faults.append(Fault(200, {"error": limit}, {"retry-after-ms": "1"}))
    assert (make_model(retries=1).chat("Hi").text, len(fake.requests)) == ("Hello there.", 2)
    fake.faults.append(Fault(200, chat("Hi") | {"error": {"message": "", "code": None}}))  # one-api sends it always
    assert make_model().chat("Hi").text == "Hi"


def test_what_cannot_be_used_is_an_error_of_ours_in_all_calls(fake, make_model):
    odd = [chat(5), chat("Hi", message=None), {"choices": {}}, {"choices": [None]}, {"choices": [{}]}, {"data": [None]}]
    odd += [{"tokens": [None]}, {"tokens": [{"id": 1}]}, {"tokens": [{"id": 1, "piece": [300]}]}, {"tokens": 5}]
    odd += [b"[" * 100_000, b'{"choices": ' + b"9" * 5000 + b"}", b"\xff", {"choices": [{"text": 5}]}]
    model = make_model()
    calls = (lambda: model.chat("Hi"), lambda: model.next_tokens("Hi"), lambda: model.tokenize("Hi"))
    for body, call in product(odd, (*calls, lambda: model.embed("Hi"))):
        fake.faults.append(Fault(200, body))
        with pytest.raises((errors.ProviderError, errors.CapabilityMissing)):
            call()


def test_text_comes_in_parts_and_thoughts_stand_apart():
    texts = {
        "<think>17 + 25</think>\n\n42": ("42", "17 + 25"),
        "<think>\n\n</think>\n\n42": ("42", ""),
        " <think>a</think><think>b</think> 42 ": ("42 ", "a\nb"),
        "so it is 17</think>42": ("42", "so it is 17"),
        "<think>was cut": ("", "was cut"),
        "\ufeff<THINKING>a</thinking>42": ("42", "a"),
        "[THINK]a[/THINK]42": ("42", "a"),
        "Write <think>x</think>.": ("Write <think>x</think>.", ""),
        " plain\n": (" plain\n", ""),
        "<seed:think>a</seed:think>42": ("42", "a"),
        "◁think▷a◁/think▷42": ("42", "a"),
        "<reasoning>a</reasoning>\n42": ("42", "a"),
        "a[/THINK]42": ("42", "a"),
        "[thinking] about it": ("[thinking] about it", ""),
        "The tag `</think>` ends it.": ("The tag `</think>` ends it.", ""),
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>42<|return|>": ("42", "a"),
        '<|channel|>final <|constrain|>json<|message|>{"a": 1}': ('{"a": 1}', ""),
        "<|channel|>analysis<|message|>was cut": ("", "was cut"),
        "Of <|channel|>final<|message|>.": ("Of <|channel|>final<|message|>.", ""),
        "<think>a</think>42<|im_end|>\n": ("42", "a"),
        "42<end_of_turn><｜end▁of▁sentence｜>": ("42", ""),
        "Write <|im_end|> at the end.": ("Write <|im_end|> at the end.", ""),
    }
    for endless in (f"<|channel|>a{'x' * 300_000}!", "<|start|>a" * 30_000, f"<|channel|>{' ' * 300_000}"):
        texts[endless] = endless, ""  # a pattern that tries each end anew would need minutes
    assert {text: split_thoughts(text) for text in texts} == texts
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "H"},
        "i",
        None,
    ]
    said = read_chat(chat(parts))
    assert (said.text, said.thoughts) == ("Hi", "Hm.")
    assert read_chat({"choices": [{"message": {"content": "4", "reasoning_content": "2 + 2"}}]}).thoughts == "2 + 2"
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "refusal", "refusal": "N"}, {"text": {"value": "o"}}]
    assert read_chat(chat(parts, finish_reason="MAX_TOKENS"))[:3] == ("No", "Hm.", "length")
    assert read_chat({"choices": [{"message": {"thinking_blocks": [{"thinking": "Hm."}]}}]}).thoughts == "Hm."
    assert read_chat(chat("half \ud83d\0")).text == "half \ufffd"
    for part in ({"type": "thought", "text": "a"}, {"thought": True, "text": "a"}):
        assert read_chat(chat([part, {"text": "42"}]))[:2] == ("42", "a"), part
    for thought in ({"content": "a"}, [{"type": "reasoning.summary", "summary": "a"}], [{"summary": [{"text": "a"}]}]):
        assert read_chat({"choices": [{"message": {"content": "42", "reasoning": thought}}]})[:2] == ("42", "a")


def test_a_choice_and_json_are_read_without_the_thoughts(fake, make_model):
    fake.answer = lambda body: '<think>no {"a": 2}</think>\ufeff```json\n{"a": 1}\n```'
    answer = make_model().chat("Hi", schema={"type": "object"})
    assert (answer.parsed, answer.thoughts) == ({"a": 1}, 'no {"a": 2}')
    fake.answer = lambda body: "<think>yes or no?</think>no"
    assert make_model().chat("Hi", choices=["yes", "no"]).parsed == "no"


def test_probabilities_that_are_missing_stay_unknown():
    others = [None, {"token": "b", "logprob": 1e9}]
    entries = [{"token": "a", "logprob": None, "top_logprobs": others}, None, {"token": 5}]
    [token] = read_chat(chat("a", logprobs={"content": entries})).tokens
    assert (token.text, math.isnan(token.probability)) == ("a", True)
    assert [(other.text, other.probability) for other in token.alternatives] == [("b", 1.0)]


def test_tokens_that_the_parts_leave_out_count_and_missing_ones_are_estimated(fake, make_model):
    for usage, counts in (
        ({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}, (20, 603)),
        ({"prompt_tokens": 20, "completion_tokens": None, "total_tokens": 25}, (20, 5)),
        ({"input_tokens": 20, "output_tokens": 5}, (20, 5)),
        ({"prompt_tokens": "12", "completion_tokens": 3.0}, (12, 3)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 1}, (9, 5)),
        ([], (None, None)),
    ):
        assert tuple(read_usage({"usage": usage})) == counts
    for usage in (None, {}, {"prompt_tokens": None, "completion_tokens": -1}):
        fake.usage, budget = usage, Budget(max_tokens=10_000)
        answer = make_model(budget).chat("How many are there?", max_tokens=50)
        assert 0 < answer.prompt_tokens < 30
        assert 0 < answer.completion_tokens <= 50
        assert "estimated" in answer.price
        assert budget.spent_tokens > answer.prompt_tokens + 50 - 1  # unknown counts as the worst case


def test_vectors_are_one_for_each_text_of_numbers_and_of_one_length(fake, make_model):
    def rows(*pairs):
        return {"data": [{"index": index, "embedding": vector} for index, vector in pairs]}

    one, bad = [1.0, 2.0], [[1.0, None], [[1.0], [2.0]], [1.0], [], [1.0, math.nan], "AAAA", [True, 1.0]]
    answers = [rows((0, one)), rows((0, one), (2, one)), rows((0, one), (0, one)), rows(*enumerate([one] * 3))]
    answers += [rows((0, one), (1, vector)) for vector in bad]
    for answer in answers:
        fake.faults.append(Fault(200, json.dumps(answer).encode()))
        with pytest.raises(errors.ProviderError, match="vector"):
            make_model().embed(["a", "b"])
    for places in ({}, {}), ({"index": None}, {"index": None}), ({"index": "0"}, {"index": 1.0}):
        rows = [place | {"embedding": [number]} for place, number in zip(places, (1.0, 2.0), strict=True)]
        fake.faults.append(Fault(200, {"data": rows}))  # unnamed, they are in their order
        assert make_model().embed(["a", "b"]).tolist() == [[1.0], [2.0]]
    assert make_model().embed(["a", "bb", "ccc"])[:, 0].tolist() == [1.0, 2.0, 3.0]  # which came the other way round
    assert make_model().embed("four").tolist() == [4.0, 1.0, 0.0]
    packed = [{"embedding": base64.b64encode(struct.pack("<2f", 1.0, number)).decode()} for number in (0.5, math.nan)]
    assert reply.read_vectors({"data": packed[:1]}, 1) == [[1.0, 0.5]]
    with pytest.raises(NoAnswer):
        reply.read_vectors({"data": packed[1:]}, 1)


def test_why_a_server_cannot_be_reached_is_named_without_a_key(fake, make_model, meet, monkeypatch):
    model = make_model(base_url=fake.base_url.replace("http://", "https://ann:secret-word@"))
    assert "secret-word" not in str(meet(errors.Unreachable, said="https", model=model)) + repr(model.connection)
    for host in ("a..b", "a" * 300):
        meet(errors.Unreachable, said="label", base_url=f"http://{host}/v1")

    def distrust(*_):
        raise httpx2.ConnectError("no") from ssl.SSLCertVerificationError(1, "self-signed certificate")

    model = make_model()
    with monkeypatch.context() as patch:
        patch.setattr(model.connection.transport.live, "handle_request", distrust)
        assert "SSL_CERT_FILE" in meet(errors.Unreachable, said="certificate", model=model).next_step
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        for value in ("org-1\nX-Evil: 1", "örg-secret"):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                assert "Evil" not in str(meet(errors.SettingsError, said="OPENAI_ORG_ID"))


def test_proxies_of_the_environment_are_obeyed(fake, make_model, meet, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, fake.base_url[:-3])
    make_model(base_url="http://far.example/v1").chat("Hi")
    assert fake.requests[0].headers["host"] == "far.example"
    num_connections = fake.num_connections
    meet(errors.Unreachable, base_url="https://far.example/v1")  # the fake hands no https on
    assert fake.num_connections > num_connections
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert make_model().chat("Hi").text == "Hello there."
    monkeypatch.delenv("NO_PROXY")
    for proxy in ("ftp://ann:secret-word@h", "socks9://h"):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        assert "secret-word" not in str(meet(errors.SettingsError, said="proxy"))


def test_what_a_provider_does_not_take_is_not_sent_and_said_with_the_reply(fake, make_model):
    openai = make_model(provider="openai").chat("Hi", temperature=0.7).provenance
    anthropic = make_model(provider="anthropic").chat("Hi", seed=7).provenance
    assert ("temperature" in fake.bodies[0], "seed" in fake.bodies[1]) == (False, False)
    assert (openai.dropped, "seed" in anthropic.dropped, anthropic.seed) == (("temperature",), True, None)
    assert str(openai).endswith("without temperature")
    assert make_model().chat("Hi", seed=7).provenance.dropped == ()


def test_what_no_request_can_hold_is_cleaned_or_a_data_error(fake, make_model):
    model = make_model(Budget(max_tokens=10_000))
    model.chat("half \ud83d\0")
    model.embed("x\ud800")
    assert fake.bodies[0]["messages"][0]["content"] == "half \ufffd"
    deep: dict = {}
    for _ in range(3000):
        deep = {"not": deep}
    options = [{"max_tokens": most} for most in (math.nan, 0, "9")] + [{"temperature": math.inf}, {"system": 5}]
    for one in (*options, *({"schema": schema} for schema in ({"const": math.nan}, {"const": {1}}, deep))):
        with pytest.raises(errors.DataError):
            model.chat("Hi", **one)
