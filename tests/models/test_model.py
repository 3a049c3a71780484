"""`Model` against a server that answers, refuses, stumbles and falls silent."""

import re
import socket
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_provider import DROP, HTML, Fault, refuse, slow
from pydantic import BaseModel, SecretStr

from llmops_utils.core import errors
from llmops_utils.models.catalog import CAPABILITIES
from llmops_utils.models.reply import Token

PROBED = ["json_schema", "logprobs", "completions", "embeddings", "tokenize"]


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
        "schema": lambda: model.chat("Hi", schema=City),
        "next_tokens": lambda: model.next_tokens("Hi"),
        "tokenize": lambda: model.tokenize("Hi"),
        "count_tokens": lambda: model.count_tokens([{"role": "user", "content": "Hi"}]),
        "embed": lambda: model.embed("Hi"),
    }


def test_chat_returns_text_tokens_latency_cost_and_provenance(fake, key, custom, make_model):
    fake.choose_fault = lambda request: slow(0.05)
    reply = custom.chat("Say hello.", seed=7)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("Hello there.", 12, 3)
    assert 0.05 <= reply.latency_s < 5
    assert (reply.provenance.model, reply.provenance.source, reply.provenance.mode) == ("fake", "127.0.0.1", "live")
    assert (reply.provenance.seed, reply.provenance.recorded) == (7, "")
    assert (reply.finish_reason, reply.parsed, reply.tokens) == ("stop", None, ())
    assert repr(custom) == "Model('fake' from 127.0.0.1, mode live)"
    assert fake.requests[0].headers["authorization"] == f"Bearer {key}"
    priced = make_model(provider="openai", model="gpt-4o-mini").chat("Hi")
    assert priced.cost_usd == pytest.approx(12 * 0.15e-6 + 3 * 0.60e-6)
    assert (make_model().chat("Hi").cost_usd, reply.cost_usd) == (0.0, None)
    fake.finish_reason, fake.answer = "length", lambda body: None
    cut = custom.chat("Hi")
    assert (cut.finish_reason, cut.text) == ("length", "")


def test_options_reach_the_body_in_the_fields_that_the_provider_wants(fake, make_model):
    model = make_model(provider="ollama")
    model.chat("Hi", temperature=0.5, seed=7, stop=["\n", "END"], max_tokens=11)
    model.chat("Hi")
    make_model(provider="openai").chat("Hi", max_tokens=5, seed=7)
    make_model(provider="mistral").chat("Hi", max_tokens=5, seed=7)
    make_model(provider="openai", model=None).chat("Hi")  # the default model takes a field more
    plain = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
    assert fake.bodies[:4] == [
        plain | {"temperature": 0.5, "seed": 7, "stop": ["\n", "END"], "max_tokens": 11},
        plain | {"temperature": 0.0, "max_tokens": 256},
        plain | {"seed": 7, "max_completion_tokens": 5},
        plain | {"temperature": 0.0, "random_seed": 7, "max_tokens": 5},
    ]
    assert fake.bodies[4]["reasoning_effort"] == "none"


def test_empty_or_malformed_messages_choices_and_texts_are_a_data_error_before_any_request(fake, make_model):
    turn = {"role": "user", "content": "Hi"}
    odd_turns = [turn | {"content": " "}, turn | {"content": 5}, turn | {"role": 5}, {"role": "user"}, {}, "Hi", None]
    for messages in ("", "  \n", [], turn, 5, *([turn, one] for one in odd_turns)):
        with pytest.raises(errors.DataError):
            make_model().chat(messages)
    for choices in ([], ["yes", "yes"]):
        with pytest.raises(errors.DataError):
            make_model().chat("Is it?", choices=choices)
    for texts in ("", " ", [], ["a", " \n"], [None]):
        with pytest.raises(errors.DataError):
            make_model().embed(texts)
    assert fake.requests == []


class City(BaseModel):
    name: str
    people: int


def test_a_schema_may_be_a_class_and_what_comes_back_is_of_it(fake, make_model):
    fake.answer = lambda body: '{"name": "Bonn", "people": 340000}'
    assert make_model().chat("A city?", schema=City).parsed == City(name="Bonn", people=340000)
    sent = fake.bodies[0]["response_format"]["json_schema"]["schema"]
    assert (sent["required"], sent["additionalProperties"]) == (["name", "people"], False)


def test_choices_go_as_a_schema_where_the_provider_follows_one_else_as_an_instruction(fake, make_model):
    fake.answer = lambda body: '{"choice": "no"}'
    reply = make_model(provider="ollama").chat("Is it?", choices=["yes", "no"], max_tokens=16)
    assert (reply.text, reply.parsed) == ("no", "no")
    assert fake.bodies[0]["max_tokens"] == 64  # the object around a choice has tokens of its own
    assert "response_format" in fake.bodies[0]
    fake.answer = lambda body: "Yes."
    reply = make_model(provider="anthropic").chat("Is it?", choices=["yes", "no"], max_tokens=16)
    assert (reply.parsed, fake.bodies[1]["max_tokens"]) == ("yes", 16)
    assert "response_format" not in fake.bodies[1]
    assert re.fullmatch(r"Is it\?\n.*: yes, no", fake.bodies[1]["messages"][-1]["content"])
    fake.answer = lambda body: "Yes and no."
    for provider in ("anthropic", "vllm"):
        reply = make_model(provider=provider).chat("Is it?", choices=["yes", "no"])
        assert (reply.parsed, reply.text) == (None, "Yes and no.")


def test_next_tokens_come_with_probabilities_likeliest_first_or_are_missing(fake, make_model):
    for form in ("llama.cpp", "legacy"):
        fake.logprobs_form = form
        chances = make_model().next_tokens("Say", num=3)
        assert [chance.text for chance in chances] == ["Hello", "Hi", "Hey"]
        assert [chance.probability for chance in chances] == pytest.approx([0.75, 0.125, 0.0625])
        assert (fake.bodies[-1]["logprobs"], fake.bodies[-1]["max_tokens"]) == (3, 1)
    fake.returns_logprobs = False
    with pytest.raises(errors.CapabilityMissing):
        make_model().next_tokens("Say")


def test_tokens_have_numbers_and_texts_and_those_of_messages_are_counted_with_their_template(fake, make_model):
    """llama.cpp has /apply-template; vLLM has none and takes the messages at /tokenize."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
    for provider, form in ((None, "llama.cpp"), (None, "vllm"), ("vllm", "vllm")):
        fake.tokenizer_form = form
        model = make_model(provider=provider)
        assert model.tokenize("one zwölf") == [Token(100, "one"), Token(101, "zwölf")]
        assert model.tokenize("") == []
        assert (model.count_tokens("one two three"), model.count_tokens(messages)) == (3, 10)


def test_what_the_catalog_does_not_know_is_tried_once_by_parallel_calls_too(fake, custom, make_model):
    for number, capability in enumerate(PROBED, start=1):
        assert [custom.can(capability) for _ in range(3)] == [True, True, True]
        assert len(fake.requests) == number
    assert [custom.can("temperature"), custom.can("seed")] == [True, True]  # believed without a trial
    assert len(fake.requests) == len(PROBED)
    with pytest.raises(errors.DataError, match="telepathy"):
        custom.can("telepathy")
    fake.choose_fault = lambda request: slow(0.05) if request.body["max_tokens"] == 1 else None
    model = make_model(provider=None)
    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda text: model.chat(text, logprobs=1), "abcd"))) == 4
    assert len(fake.requests) == len(PROBED) + 5


def test_a_refused_or_ignored_trial_means_no_and_is_kept_but_a_refused_key_or_a_failure_that_passes_means_nothing(
    fake, make_model
):
    for status in (400, 501):
        custom = make_model(provider=None)
        for capability in PROBED:
            fake.requests.clear()
            fake.faults.append(refuse(status))
            assert [custom.can(capability) for _ in range(3)] == [False, False, False]
            assert len(fake.requests) == 1
    custom = make_model(provider=None)
    fake.faults.append(refuse(401))
    with pytest.raises(errors.KeyRefused):
        custom.can("completions")
    fake.follows_schemas = fake.returns_logprobs = False
    assert [custom.can(name) for name in ("completions", "json_schema", "logprobs")] == [True, False, False]
    fake.follows_schemas = fake.returns_logprobs = True
    for status in (402, 408, 425, 429, 503, 529):
        custom = make_model(provider=None)
        for capability in PROBED:
            fake.faults.append(refuse(status))
            with pytest.raises(errors.ProviderError):
                custom.can(capability)
            assert custom.can(capability), (status, capability)


def test_a_trial_has_room_for_thoughts_and_one_that_was_cut_short_is_no_word(fake, make_model):
    custom = make_model(provider=None)
    fake.follows_schemas, fake.finish_reason, fake.answer = False, "length", lambda body: "<think>Let me see"
    assert not custom.can("json_schema")
    fake.follows_schemas, fake.finish_reason = True, "stop"
    assert custom.can("json_schema")
    assert fake.bodies[-1]["max_tokens"] >= 256


def test_what_the_catalog_knows_is_not_tried_and_what_is_missing_is_reported_before_a_request(fake, make_model):
    known = {"vllm": set(CAPABILITIES), "anthropic": set()}
    known["mistral"] = {"temperature", "seed", "json_schema", "embeddings"}
    for provider, capabilities in known.items():
        model = make_model(provider=provider)
        assert {capability for capability in CAPABILITIES if model.can(capability)} == capabilities
    calls = ask_in_all_ways(make_model(provider="anthropic"))
    for name in set(calls) - {"chat", "choices"}:
        with pytest.raises(errors.CapabilityMissing, match=r"127\.0\.0\.1"):
            calls[name]()
    with pytest.raises(errors.CapabilityMissing, match="LLMOPS_EMBEDDING_MODEL"):
        make_model(embedding_model=None).embed("Hi")
    assert fake.requests == []


def test_a_failure_that_passes_is_tried_again_until_the_last_try(fake, make_model, meet):
    for faults in ([refuse(429), refuse(503)], [DROP]):
        fake.requests.clear()
        fake.faults.extend(faults)
        assert make_model(retries=2).chat("Hi").text == "Hello there."
        assert len(fake.requests) == len(faults) + 1
    for status, kind in ((429, errors.RateLimited), (500, errors.ProviderDown)):
        fake.requests.clear()
        error = meet(kind, *[refuse(status, "Come back tomorrow.")] * 2, said="Come back tomorrow", retries=1)
        assert (error.status, len(fake.requests)) == (status, 2)


def test_a_server_that_does_not_answer_is_unreachable(fake, meet):
    meet(errors.Unreachable, slow(0.2), said="LLMOPS_TIMEOUT_S", timeout_s=0.1)
    assert meet(errors.Unreachable, DROP, DROP, retries=1).status is None
    assert len(fake.requests) == 3
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        assert "LLMOPS_BASE_URL" in meet(errors.Unreachable, said=base_url, base_url=base_url).next_step


def test_a_refusal_is_of_its_kind_says_what_to_do_and_is_not_tried_again(fake, meet):
    said = "I am a teapot."
    kinds = [
        (400, errors.RequestRefused, "refused the request"),
        (401, errors.KeyRefused, "OPENAI_API_KEY"),
        (403, errors.KeyRefused, "OPENAI_API_KEY"),
        (404, errors.ModelNotServed, "does not serve fake .*\n.*LLMOPS_MODEL"),
        (418, errors.ProviderError, said),
        (422, errors.RequestRefused, "refused the request"),
    ]
    faults = [(refuse(status, said), kind, words) for status, kind, words in kinds]
    bodies = ({"error": said}, {"object": "error", "message": said}, {"detail": said}, {"detail": [{"msg": said}]})
    faults += [(Fault(422, body), errors.RequestRefused, said) for body in bodies]
    for fault, kind, words in faults:
        fake.requests.clear()
        error = meet(kind, fault, said=words, provider="openai", retries=4)
        assert (type(error), error.status, len(fake.requests)) == (kind, fault.status, 1)
        assert f"What to do: {error.next_step}" in str(error)


def test_where_a_server_names_a_long_wait_it_is_told_and_nobody_waits(fake, make_model, meet):
    said = "1,000 tokens an hour are used up; wait 1801 s."
    fault = Fault(429, {"error": {"message": said}}, {"retry-after": "1801"})
    error = meet(errors.RateLimited, fault, said=f"says: too many requests. {said}", retries=4)
    assert "Ask again in 31 minutes" in error.next_step
    assert len(fake.requests) == 1
    started = time.perf_counter()
    fake.faults.append(Fault(429, {"error": {"message": "Ask fewer at once."}}, {"retry-after": "0.1"}))
    assert make_model(retries=1).chat("Hi").text == "Hello there."
    assert 0.1 <= time.perf_counter() - started < 0.5  # the half second that openai waits where nothing is said


def test_a_prompt_over_the_context_is_told_from_another_refusal(meet):
    over = (  # of openai, llama.cpp, anthropic, gemini and mistral
        ("Your messages resulted in 130000 tokens.", {"code": "context_length_exceeded"}),
        ("the request is too large, try increasing it", {"type": "exceed_context_size_error"}),
        ("prompt is too long: 208310 tokens > 200000 maximum", {}),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", {}),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", {}),
    )
    for message, fields in over:
        error = meet(errors.ContextExceeded, refuse(400, message, **fields))
        assert (error.status, message in error.problem) == (400, True)
    for message in (
        "Invalid schema for response_format 'reply': In context=(), 'additionalProperties' is required to be supplied "
        "and to be false.",
        "Requested sample logprobs of 30, which exceeds the maximum of 20.",
    ):
        assert message in meet(errors.RequestRefused, refuse(400, message)).problem


def test_an_answer_that_is_none_is_an_error_that_hints_at_the_address(fake, make_model):
    for name, call in ask_in_all_ways(make_model()).items():
        for answer in (HTML, Fault(200, ""), Fault(200, []), Fault(200, {"object": "something"})):
            fake.faults.append(answer)
            with pytest.raises(errors.ProviderError) as caught:
                call()
            assert "LLMOPS_BASE_URL" in caught.value.next_step, (name, answer)


def _render(error: BaseException) -> str:
    """All texts of an error that a reader may see."""
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    if isinstance(error, errors.WorkbookError):
        shown += error._render_traceback_()
    return "\n".join(shown)


def test_a_key_that_the_server_echoes_is_in_no_error_nor_a_part_of_it_where_a_long_message_is_cut(
    key, make_model, meet
):
    for secret in (key, "sk-proj-abcdefgh12345678"):
        model = make_model(api_key=SecretStr(secret))
        assert secret not in repr(model) + repr(model.connection) + repr(model.connection.settings) + repr(model.client)
        echo = f"Incorrect API key provided: {secret}. Authorization: Bearer {secret}"
        faults = [refuse(status, echo) for status in (400, 401, 404, 418, 429, 500)]
        for fault in (*faults, Fault(500, f"<html>Bad gateway for {secret}</html>")):
            assert secret not in _render(meet(errors.ProviderError, fault, model=model)), fault
    model = make_model()
    for padding in range(400 - len(key), 400, 5):
        error = meet(errors.ProviderError, refuse(400, "x" * (padding - 1) + " " + key), model=model)
        assert key[:5] not in _render(error), f"after {padding} characters"


def test_a_malformed_key_is_refused_without_showing_it(make_model):
    for key in ("two words of it", "line\nbreak-of-it", "dash–in–between"):
        with pytest.raises(errors.KeyMalformed, match="LLMOPS_API_KEY") as caught:
            make_model(api_key=SecretStr(key))  # settings that are built by hand have not been checked
        assert key not in _render(caught.value)


def test_replay_without_a_recording_names_request_and_command_and_connects_to_nobody(fake, make_model):
    model = make_model(mode="replay")
    with pytest.raises(errors.RecordingMissing) as caught:
        model.chat("What is the capital of France?")
    assert "/v1/chat/completions (fake): “What is the capital of France?”" in caught.value.problem
    assert "python -m llmops_utils record 01_test" in caught.value.next_step
    for call in ask_in_all_ways(model).values():
        with pytest.raises(errors.RecordingMissing):
            call()
    with pytest.raises(errors.RecordingMissing):  # nothing is said about what the model can do
        make_model(mode="replay", provider=None).can("logprobs")
    assert (fake.requests, fake.num_connections) == ([], 0)


def test_mode_auto_answers_from_recordings_and_asks_for_the_rest_where_it_has_a_key(fake, make_model):
    recorded = make_model(mode="record", provider="openai").chat("Hi")
    without_key = make_model(mode="auto", provider="openai", api_key=None)
    replayed = without_key.chat("Hi")
    told = {"tokens", "latency_s", "cost_usd", "prompt_tokens", "completion_tokens", "text", "finish_reason"}
    assert {name: getattr(replayed, name) for name in told} == {name: getattr(recorded, name) for name in told}
    assert (recorded.provenance.mode, replayed.provenance.recorded) == ("record", recorded.provenance.recorded)
    with pytest.raises(errors.RecordingMissing):
        without_key.chat("Something new")
    with_key = make_model(mode="auto", provider="openai")
    assert [with_key.chat(text).text for text in ("Hi", "Something new")] == ["Hello there."] * 2
    assert len(fake.requests) == 2
    for mode in ("live", "record", "fill"):
        with pytest.raises(errors.KeyMissing, match="OPENAI_API_KEY"):
            make_model(mode=mode, provider="openai", api_key=None)
    assert make_model(mode="replay", provider="openai", api_key=None, model=None).name == "gpt-6-luna"
