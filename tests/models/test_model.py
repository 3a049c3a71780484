"""`Model` against a server that answers, refuses, stumbles and falls silent."""

import re
import socket
import sys
import time
import traceback

import numpy as np
import pytest
from fake_provider import DROP, HTML, Fault, refuse, slow
from pydantic import BaseModel, SecretStr

from llmops_utils.core import (
    CapabilityMissing,
    ContextExceeded,
    DataError,
    KeyMissing,
    KeyRefused,
    ModelNotServed,
    ProviderDown,
    ProviderError,
    RateLimited,
    RecordingMissing,
    RequestRefused,
    Unreachable,
    WorkbookError,
    load_settings,
)
from llmops_utils.core.errors import KeyMalformed
from llmops_utils.models import Budget
from llmops_utils.models.catalog import CAPABILITIES
from llmops_utils.models.reply import Token

PROBED = ["json_schema", "logprobs", "completions", "embeddings", "tokenize"]

_socket_events: list[str] | None = None


def _watch_sockets(event, _arguments):
    if _socket_events is not None and event.startswith("socket."):
        _socket_events.append(event)


sys.addaudithook(_watch_sockets)


@pytest.fixture
def custom(make_model):
    """A model of which the catalog knows nothing."""
    return make_model(provider=None)


def ask_in_all_ways(model):
    """The calls that a model offers, by name."""
    return {
        "chat": lambda: model.chat("Hi"),
        "choices": lambda: model.chat("Hi", choices=["a", "b"]),
        "logprobs": lambda: model.chat("Hi", logprobs=2),
        "schema": lambda: model.chat("Hi", schema=CITY_SCHEMA),
        "next_tokens": lambda: model.next_tokens("Hi"),
        "tokenize": lambda: model.tokenize("Hi"),
        "count_tokens": lambda: model.count_tokens([{"role": "user", "content": "Hi"}]),
        "embed": lambda: model.embed("Hi"),
    }


# --- chat: what comes back -----------------------------------------------------------------------------------


def test_chat_returns_text_tokens_latency_cost_and_provenance(fake, custom, make_model):
    fake.choose_fault = lambda request: slow(0.05)
    reply = custom.chat("Say hello.", seed=7)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("Hello there.", 12, 3)
    assert 0.05 <= reply.latency_s < 5
    assert (reply.provenance.model, reply.provenance.source, reply.provenance.mode) == ("fake", "127.0.0.1", "live")
    assert (reply.provenance.seed, reply.provenance.recorded) == (7, "")
    assert (reply.finish_reason, reply.parsed, reply.tokens) == ("stop", None, ())
    assert repr(custom) == "Model('fake' from 127.0.0.1, mode live)"
    priced = make_model(provider="openai", model="gpt-4o-mini").chat("Hi")
    assert priced.cost_usd == pytest.approx(12 * 0.15e-6 + 3 * 0.60e-6)
    assert (make_model().chat("Hi").cost_usd, reply.cost_usd) == (0.0, None)


def test_a_reply_that_was_cut_off_or_has_no_content_is_one_too(fake, make_model):
    fake.finish_reason, fake.answer = "length", lambda body: None
    reply = make_model().chat("Hi")
    assert (reply.finish_reason, reply.text) == ("length", "")


# --- chat: what is sent --------------------------------------------------------------------------------------


def test_the_client_is_that_of_openai_and_sends_the_key_as_bearer(fake, key, make_model):
    answer = make_model().client.chat.completions.create(model="fake", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hello there."
    assert fake.bodies == [{"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}]
    assert fake.requests[0].headers["authorization"] == f"Bearer {key}"


def test_messages_are_sent_as_given_and_the_system_message_first(fake, make_model):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Zwei – 二?"},
    ]
    make_model().chat(messages)
    make_model().chat("Hi", system="Be brief.")
    assert fake.paths == ["/v1/chat/completions"] * 2
    assert fake.bodies[0]["messages"] == messages
    assert fake.bodies[1]["messages"] == [messages[0], {"role": "user", "content": "Hi"}]


def test_options_reach_the_body_and_those_that_are_not_given_do_not(fake, make_model):
    model = make_model(provider="ollama")
    model.chat("Hi", temperature=0.5, seed=7, stop=["\n", "END"], max_tokens=11)
    model.chat("Hi")
    plain = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
    assert fake.bodies == [
        plain | {"temperature": 0.5, "seed": 7, "stop": ["\n", "END"], "max_tokens": 11},
        plain | {"temperature": 0.0, "max_tokens": 256},
    ]


def test_fields_are_those_that_the_provider_wants(fake, make_model):
    for provider in ("openai", "mistral"):
        make_model(provider=provider).chat("Hi", max_tokens=5, seed=7)
    names = ("max_tokens", "max_completion_tokens", "seed", "random_seed")
    assert [[body.get(name) for name in names] for body in fake.bodies] == [[None, 5, 7, None], [5, None, None, 7]]
    for model in (None, "gpt-4o-mini"):  # the default model, which takes a field more, and another
        make_model(provider="openai", model=model).chat("Hi")
    assert [body.get("reasoning_effort") for body in fake.bodies[2:]] == ["none", None]


def test_empty_or_malformed_messages_choices_and_texts_are_a_data_error_before_any_request(fake, make_model):
    turn = {"role": "user", "content": "Hi"}
    odd_turns = [turn | {"content": " "}, turn | {"content": 5}, turn | {"role": 5}, {"role": "user"}, {}, "Hi", None]
    for messages in ("", "  \n", [], turn, 5, *([turn, one] for one in odd_turns)):
        with pytest.raises(DataError):
            make_model().chat(messages)
    for choices in ([], ["yes", "yes"]):
        with pytest.raises(DataError):
            make_model().chat("Is it?", choices=choices)
    for texts in ("", " ", [], ["a", " \n"], [None]):
        with pytest.raises(DataError):
            make_model().embed(texts)
    assert fake.requests == []


# --- schema, choices, logprobs -------------------------------------------------------------------------------


class City(BaseModel):
    name: str
    people: int


CITY_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_a_schema_is_sent_and_what_comes_back_is_parsed(fake, make_model):
    fake.answer = lambda body: '{"name": "Bonn", "people": 340000}'
    assert make_model().chat("A city?", schema=CITY_SCHEMA).parsed == {"name": "Bonn", "people": 340000}
    assert fake.bodies[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": CITY_SCHEMA, "strict": True},
    }
    assert make_model().chat("A city?", schema=City).parsed == City(name="Bonn", people=340000)
    sent = fake.bodies[1]["response_format"]["json_schema"]["schema"]
    assert (sent["required"], sent["additionalProperties"]) == (["name", "people"], False)


def test_choices_go_as_a_schema_where_the_provider_follows_one(fake, make_model):
    """The object around a choice has tokens of its own."""
    fake.answer = lambda body: '{"choice": "no"}'
    reply = make_model(provider="ollama").chat("Is it?", choices=["yes", "no"], max_tokens=16)
    assert (reply.text, reply.parsed, fake.bodies[0]["max_tokens"]) == ("no", "no", 64)
    assert fake.bodies[0]["messages"] == [{"role": "user", "content": "Is it?"}]
    assert fake.bodies[0]["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": ["yes", "no"]}},
        "required": ["choice"],
        "additionalProperties": False,
    }


def test_choices_go_as_an_instruction_where_the_provider_follows_no_schema(fake, make_model):
    fake.answer = lambda body: "Yes."
    reply = make_model(provider="anthropic").chat("Is it?", choices=["yes", "no"], max_tokens=16)
    assert (reply.parsed, fake.bodies[0]["max_tokens"]) == ("yes", 16)
    assert "response_format" not in fake.bodies[0]
    assert re.fullmatch(r"Is it\?\n.*: yes, no", fake.bodies[0]["messages"][-1]["content"])
    fake.answer = lambda body: "Yes and no."
    for provider in ("anthropic", "vllm"):
        reply = make_model(provider=provider).chat("Is it?", choices=["yes", "no"])
        assert (reply.parsed, reply.text) == (None, "Yes and no.")


def test_logprobs_become_tokens_with_probabilities(fake, make_model):
    reply = make_model().chat("Hi", logprobs=2)
    assert (fake.bodies[0]["logprobs"], fake.bodies[0]["top_logprobs"]) == (True, 2)
    [token] = reply.tokens
    assert token.text == "Hello"
    assert token.probability == pytest.approx(0.75)
    assert [other.text for other in token.alternatives] == ["Hello", "Hi"]
    assert [other.probability for other in token.alternatives] == pytest.approx([0.75, 0.125])


# --- many at once --------------------------------------------------------------------------------------------


def test_chat_each_keeps_order_and_asks_as_many_at_once_as_the_settings_say(fake, make_model):
    fake.answer = lambda body: body["messages"][-1]["content"].upper()
    fake.hold_until = 3
    fake.choose_fault = lambda request: slow(0.05) if request.body["messages"][-1]["content"] == "p0" else None
    model = make_model(parallel=3)
    replies = model.chat_each((f"p{number}" for number in range(8)), max_tokens=9)
    assert [reply.text for reply in replies] == [f"P{number}" for number in range(8)]
    assert fake.most_at_once == 3
    assert {body["max_completion_tokens"] for body in fake.bodies} == {9}
    assert model.chat_each([]) == []


def test_one_failure_of_chat_each_raises_and_cancels_what_waits(fake, make_model):
    fake.choose_fault = lambda request: refuse(401) if request.body["messages"][-1]["content"] == "p0" else slow(0.02)
    with pytest.raises(KeyRefused):
        make_model(parallel=2).chat_each([f"p{number}" for number in range(200)])
    assert len(fake.requests) < 100


# --- tokens, embeddings --------------------------------------------------------------------------------------


def test_next_tokens_come_with_probabilities_likeliest_first_or_are_missing(fake, make_model):
    for form in ("llama.cpp", "legacy"):
        fake.logprobs_form = form
        chances = make_model().next_tokens("Say", num=3)
        assert [chance.text for chance in chances] == ["Hello", "Hi", "Hey"]
        assert [chance.probability for chance in chances] == pytest.approx([0.75, 0.125, 0.0625])
        assert (fake.bodies[-1]["logprobs"], fake.bodies[-1]["max_tokens"]) == (3, 1)
    fake.returns_logprobs = False
    with pytest.raises(CapabilityMissing):
        make_model().next_tokens("Say")


def test_tokenize_gives_numbers_and_texts(fake, make_model):
    for form in ("llama.cpp", "vllm"):
        fake.tokenizer_form = form
        model = make_model()
        assert model.tokenize("one zwölf") == [Token(100, "one"), Token(101, "zwölf")]
        assert model.tokenize("") == []
        assert model.count_tokens("one two three") == 3
    assert set(fake.paths) == {"/tokenize"}


def test_count_tokens_of_messages_is_with_template(fake, make_model):
    """llama.cpp has /apply-template; vLLM has none and takes the messages at /tokenize."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
    for provider, form in ((None, "llama.cpp"), (None, "vllm"), ("vllm", "vllm")):
        fake.tokenizer_form = form
        assert make_model(provider=provider).count_tokens(messages) == 10


def test_embeddings_are_ordered_by_index(fake, make_model):
    model = make_model()
    vectors = model.embed(["a", "bb", "ccc"])
    assert (vectors.shape, vectors.dtype) == ((3, 3), np.float32)
    assert vectors[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert fake.bodies[0]["model"] == "fake-embedding"
    assert model.embed("four").tolist() == [4.0, 1.0, 0.0]


# --- capabilities --------------------------------------------------------------------------------------------


def test_what_the_catalog_knows_is_not_tried(fake, make_model):
    known = {"vllm": set(CAPABILITIES), "anthropic": set()}
    known["mistral"] = {"temperature", "seed", "json_schema", "embeddings"}
    for provider, capabilities in known.items():
        model = make_model(provider=provider)
        assert {capability for capability in CAPABILITIES if model.can(capability)} == capabilities
    assert fake.requests == []


def test_what_the_catalog_does_not_know_is_tried_once(fake, custom):
    for number, capability in enumerate(PROBED, start=1):
        assert [custom.can(capability) for _ in range(3)] == [True, True, True]
        assert len(fake.requests) == number
    assert [custom.can("temperature"), custom.can("seed")] == [True, True]  # believed without a trial
    assert len(fake.requests) == len(PROBED)
    with pytest.raises(DataError, match="telepathy"):
        custom.can("telepathy")


def test_a_refused_or_ignored_trial_means_no_and_is_kept_but_a_refused_key_means_nothing(fake, make_model):
    for status in (400, 501):
        custom = make_model(provider=None)
        for capability in PROBED:
            fake.requests.clear()
            fake.faults.append(refuse(status))
            assert [custom.can(capability) for _ in range(3)] == [False, False, False]
            assert len(fake.requests) == 1
    custom = make_model(provider=None)
    fake.faults.append(refuse(401))
    with pytest.raises(KeyRefused):
        custom.can("completions")
    fake.follows_schemas = fake.returns_logprobs = False
    assert [custom.can(name) for name in ("completions", "json_schema", "logprobs")] == [True, False, False]


def test_parallel_calls_try_a_capability_once(fake, custom):
    fake.choose_fault = lambda request: slow(0.05) if request.body["max_tokens"] == 1 else None
    assert len(custom.chat_each(["a", "b", "c", "d"], logprobs=1)) == 4
    assert len(fake.requests) == 5


def test_a_missing_capability_is_reported_before_a_request(fake, make_model):
    calls = ask_in_all_ways(make_model(provider="anthropic"))
    for name in set(calls) - {"chat", "choices"}:
        with pytest.raises(CapabilityMissing, match=r"127\.0\.0\.1"):
            calls[name]()
    with pytest.raises(CapabilityMissing, match="LLMOPS_EMBEDDING_MODEL"):
        make_model(embedding_model=None).embed("Hi")
    assert fake.requests == []


# --- trying again --------------------------------------------------------------------------------------------


def test_a_failure_that_passes_is_tried_again(fake, make_model):
    for faults in ([refuse(429), refuse(503)], [DROP]):
        fake.requests.clear()
        fake.faults.extend(faults)
        assert make_model(retries=2).chat("Hi").text == "Hello there."
        assert len(fake.requests) == len(faults) + 1


def test_exhausted_tries_raise_what_the_last_one_met(fake, make_model):
    for status, kind in ((429, RateLimited), (500, ProviderDown)):
        fake.requests.clear()
        fake.choose_fault = lambda request, status=status: refuse(status, "Come back tomorrow.")
        with pytest.raises(kind, match="Come back tomorrow") as caught:
            make_model(retries=1).chat("Hi")
        assert (caught.value.status, len(fake.requests)) == (status, 2)


# --- errors --------------------------------------------------------------------------------------------------


def test_a_server_that_does_not_answer_is_unreachable(fake, make_model):
    fake.faults.extend([slow(0.2), DROP, DROP])
    with pytest.raises(Unreachable, match="LLMOPS_TIMEOUT_S"):
        make_model(timeout_s=0.1).chat("Hi")
    with pytest.raises(Unreachable) as caught:
        make_model(retries=1).chat("Hi")
    assert (len(fake.requests), caught.value.status) == (3, None)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(Unreachable, match=base_url) as caught:
            make_model(base_url=base_url).chat("Hi")
    assert "LLMOPS_BASE_URL" in caught.value.next_step


def test_a_refusal_is_of_its_kind_says_what_to_do_and_is_not_tried_again(fake, make_model):
    kinds = {
        400: (RequestRefused, "refused the request"),
        401: (KeyRefused, "OPENAI_API_KEY"),
        403: (KeyRefused, "OPENAI_API_KEY"),
        404: (ModelNotServed, "does not serve fake .*\n.*LLMOPS_MODEL"),
        418: (ProviderError, "I am a teapot"),
        422: (RequestRefused, "refused the request"),
    }
    for status, (kind, said) in kinds.items():
        fake.requests.clear()
        fake.faults.append(refuse(status, "I am a teapot."))
        with pytest.raises(kind, match=said) as caught:
            make_model(provider="openai", retries=4).chat("Hi")
        assert (type(caught.value), caught.value.status, len(fake.requests)) == (kind, status, 1)
        assert f"What to do: {caught.value.next_step}" in str(caught.value)


def test_where_a_server_names_a_long_wait_it_is_told_and_nobody_waits(fake, make_model):
    said = "1,000 tokens an hour are used up; wait 1801 s."
    fake.faults.append(Fault(429, {"error": {"message": said}}, {"retry-after": "1801"}))
    with pytest.raises(RateLimited, match=f"says: too many requests. {said}") as caught:
        make_model(retries=4).chat("Hi")
    assert "Ask again in 31 minutes" in caught.value.next_step
    assert len(fake.requests) == 1
    started = time.perf_counter()
    fake.faults.append(Fault(429, {"error": {"message": "Ask fewer at once."}}, {"retry-after": "1"}))
    assert make_model(retries=1).chat("Hi").text == "Hello there."
    assert time.perf_counter() - started >= 1


def test_a_prompt_over_the_context_is_recognized(fake, make_model):
    for message, fields in (  # of openai, llama.cpp, anthropic, gemini and mistral
        ("Your messages resulted in 130000 tokens.", {"code": "context_length_exceeded"}),
        ("the request is too large, try increasing it", {"type": "exceed_context_size_error"}),
        ("prompt is too long: 208310 tokens > 200000 maximum", {}),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", {}),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", {}),
    ):
        fake.faults.append(refuse(400, message, **fields))
        with pytest.raises(ContextExceeded) as caught:
            make_model().chat("Hi")
        assert caught.value.status == 400
        assert message in caught.value.problem


def test_another_refusal_is_no_matter_of_the_context(fake, make_model):
    for message in (
        "Invalid schema for response_format 'reply': In context=(), 'additionalProperties' is required to be supplied "
        "and to be false.",
        "Requested sample logprobs of 30, which exceeds the maximum of 20.",
    ):
        fake.faults.append(refuse(400, message))
        with pytest.raises(RequestRefused) as caught:
            make_model().chat("Hi")
        assert message in caught.value.problem


def test_what_the_server_says_is_kept_whatever_its_form(fake, make_model):
    said = "The field stop is unknown."
    for body in ({"error": said}, {"object": "error", "message": said}, {"detail": said}, {"detail": [{"msg": said}]}):
        fake.faults.append(Fault(422, body))
        with pytest.raises(RequestRefused, match="The field stop is unknown"):
            make_model().chat("Hi")


def test_an_answer_that_is_none_is_an_error_that_hints_at_the_address(fake, make_model):
    answers = {
        "html": HTML,
        "empty": Fault(200, ""),
        "list": Fault(200, []),
        "no choices": Fault(200, {"object": "something"}),
    }
    for name, call in ask_in_all_ways(make_model()).items():
        for form, answer in answers.items():
            fake.faults.append(answer)
            with pytest.raises(ProviderError) as caught:
                call()
            assert "LLMOPS_BASE_URL" in caught.value.next_step, (name, form)


# --- the key stays secret ------------------------------------------------------------------------------------


def _render(error: BaseException) -> str:
    """All texts of an error that a reader may see."""
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    if isinstance(error, WorkbookError):
        shown += error._render_traceback_()
    return "\n".join(shown)


def test_a_key_that_the_server_echoes_is_in_no_error(fake, key, make_model):
    for secret in (key, "sk-proj-abcdefgh12345678"):
        model = make_model(api_key=SecretStr(secret))
        assert secret not in repr(model) + repr(model.connection) + repr(model.connection.settings) + repr(model.client)
        for status in (400, 401, 404, 418, 429, 500):
            fake.faults.append(refuse(status, f"Incorrect API key provided: {secret}. Authorization: Bearer {secret}"))
            with pytest.raises(ProviderError) as caught:
                model.chat("Hi")
            assert secret not in _render(caught.value), status
        fake.faults.append(Fault(500, f"<html>Bad gateway for {secret}</html>"))
        with pytest.raises(ProviderDown) as caught:
            model.chat("Hi")
        assert secret not in _render(caught.value)


def test_no_part_of_an_echoed_key_is_left_where_a_long_message_is_cut(fake, key, make_model):
    model = make_model()
    for padding in range(400 - len(key), 400, 5):
        fake.faults.append(refuse(400, "x" * (padding - 1) + " " + key))
        with pytest.raises(ProviderError) as caught:
            model.chat("Hi")
        assert key[:5] not in _render(caught.value), f"after {padding} characters"


def test_a_malformed_key_is_refused_without_showing_it(make_model):
    for key in ("two words of it", "line\nbreak-of-it", "dash–in–between"):
        for make in (load_settings, make_model):  # settings that are built by hand have not been checked
            with pytest.raises(KeyMalformed, match="LLMOPS_API_KEY") as caught:
                make(api_key=SecretStr(key))
            assert key not in _render(caught.value)


# --- recordings ----------------------------------------------------------------------------------------------


@pytest.fixture
def socket_events():
    """The audit events of sockets from here on."""
    global _socket_events
    _socket_events = []
    yield _socket_events
    _socket_events = None


def test_replay_without_a_recording_names_request_and_command_and_opens_no_socket(fake, make_model, socket_events):
    model = make_model(mode="replay")
    with pytest.raises(RecordingMissing) as caught:
        model.chat("What is the capital of France?")
    assert "/v1/chat/completions (fake): “What is the capital of France?”" in caught.value.problem
    assert "python -m llmops_utils record 01_test" in caught.value.next_step
    for call in ask_in_all_ways(model).values():
        with pytest.raises(RecordingMissing):
            call()
    with pytest.raises(RecordingMissing):  # nothing is said about what the model can do
        make_model(mode="replay", provider=None).can("logprobs")
    assert socket_events == []
    assert (fake.requests, fake.num_connections) == ([], 0)


def _summarize(reply):
    provenance = reply.provenance
    measured = (reply.prompt_tokens, reply.completion_tokens, reply.latency_s, reply.cost_usd, reply.finish_reason)
    return reply.text, *measured, reply.parsed, reply.tokens, provenance.model, provenance.source, provenance.seed


def test_replay_gives_the_recorded_reply_without_a_request(fake, make_model, socket_events):
    for options in ({"seed": 7}, {"logprobs": 2}, {"choices": ["hello there", "no"]}):
        fake.requests.clear()
        fake.faults.append(slow(0.05))
        recorded = make_model(mode="record").chat("Hi", **options)
        assert len(fake.requests) == 1
        fake.faults.append(refuse(500))
        socket_events.clear()
        replayed = make_model(mode="replay").chat("Hi", **options)
        assert _summarize(replayed) == _summarize(recorded)
        assert replayed.latency_s >= 0.05
        assert (recorded.provenance.mode, replayed.provenance.mode) == ("record", "replay")
        assert replayed.provenance.recorded == recorded.provenance.recorded != ""
        assert (len(fake.requests), socket_events) == (1, [])
        fake.faults.clear()


def test_mode_auto_answers_from_recordings_and_asks_for_the_rest_where_it_has_a_key(fake, make_model):
    recorded = make_model(mode="record", provider="openai").chat("Hi")
    without_key = make_model(mode="auto", provider="openai", api_key=None)
    assert _summarize(without_key.chat("Hi")) == _summarize(recorded)
    with pytest.raises(RecordingMissing):
        without_key.chat("Something new")
    with_key = make_model(mode="auto", provider="openai")
    assert [with_key.chat(text).text for text in ("Hi", "Something new")] == ["Hello there."] * 2
    assert len(fake.requests) == 2


# --- settings that name no model -----------------------------------------------------------------------------


def test_a_missing_key_is_reported_at_once_where_it_is_needed(make_model):
    for mode in ("live", "record", "fill"):
        with pytest.raises(KeyMissing, match="OPENAI_API_KEY"):
            make_model(mode=mode, provider="openai", api_key=None)
    assert make_model(mode="replay", provider="openai", api_key=None, model=None).name == "gpt-6-luna"


# --- shared --------------------------------------------------------------------------------------------------


def test_calls_are_counted_in_the_budget_which_may_come_from_the_settings(make_model):
    model = make_model(Budget(), provider="openai", model="gpt-4o-mini")
    model.chat("Hi")
    model.chat_each(["a", "b"])
    assert (model.budget.num_calls, model.budget.spent_tokens) == (3, 45)
    assert model.budget.spent_usd == pytest.approx(3 * (12 * 0.15e-6 + 3 * 0.60e-6))
    budget = make_model(budget_tokens=10, budget_usd=0.5).budget
    assert (budget.max_tokens, budget.max_usd) == (10, 0.5)
