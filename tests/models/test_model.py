"""`Model` against a server that answers, refuses, stumbles and falls silent."""

import socket
import ssl
import sys
import threading
import time
import traceback

import httpx2
import numpy as np
import openai
import pytest
from fake_provider import DROP, HTML, FakeProvider, Fault, refuse, slow
from pydantic import BaseModel, SecretStr

from llmops_utils.core import Settings, errors, load_settings
from llmops_utils.core.errors import (
    CapabilityMissing,
    ContextExceeded,
    DataError,
    KeyMalformed,
    KeyMissing,
    KeyRefused,
    ModelNotServed,
    ProviderDown,
    ProviderError,
    RateLimited,
    RecordingMissing,
    RequestRefused,
    UnknownModel,
    Unreachable,
    WorkbookError,
)
from llmops_utils.models.budget import Budget
from llmops_utils.models.catalog import CAPABILITIES
from llmops_utils.models.model import Model
from llmops_utils.models.reply import Token

KEY = "topsecret-9f8e7d6c5b4a39281706"  # of no known shape, so that only its own text gives it away

_socket_events: list[str] | None = None


def _watch_sockets(event, _arguments):
    if _socket_events is not None and event.startswith("socket."):
        _socket_events.append(event)


sys.addaudithook(_watch_sockets)


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch):
    """Load no certificates: nothing here speaks TLS, and each model would read them anew."""
    make_transport, context = httpx2.HTTPTransport, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(httpx2, "HTTPTransport", lambda: make_transport(verify=context))


@pytest.fixture
def make_model(fake, tmp_path):
    """A function that makes a model of the fake server; the catalog knows all of its abilities (vllm)."""

    def make(budget=None, **changes):
        defaults = {
            "mode": "live",
            "provider": "vllm",
            "base_url": fake.base_url,
            "model": "fake",
            "api_key": SecretStr(KEY),
            "retries": 0,
            "timeout_s": 5,
            "recordings": tmp_path / "recordings",
            "home": tmp_path / "home",
        }
        return Model("01_test", budget, Settings(**(defaults | changes)))

    return make


@pytest.fixture
def custom(make_model):
    """A model of which the catalog knows nothing."""
    return make_model(provider=None, embedding_model="fake-embedding")


# --- chat: what comes back -----------------------------------------------------------------------------------


def test_chat_returns_text_tokens_latency_cost_and_provenance(fake, custom):
    fake.choose_fault = lambda request: slow(0.05)
    reply = custom.chat("Say hello.", seed=7)
    assert reply.text == "Hello there."
    assert (reply.prompt_tokens, reply.completion_tokens) == (12, 3)
    assert 0.05 <= reply.latency_s < 5
    assert reply.cost_usd is None
    assert (reply.provenance.model, reply.provenance.source, reply.provenance.mode) == ("fake", "127.0.0.1", "live")
    assert (reply.provenance.seed, reply.provenance.recorded) == (7, "")
    assert (reply.finish_reason, reply.parsed, reply.tokens) == ("stop", None, ())


def test_settings_with_an_address_alone_mean_the_custom_provider(custom):
    assert custom.provider.id == "custom"
    assert custom.name == "fake"
    assert repr(custom) == "Model('fake' from 127.0.0.1, mode live)"


def test_model_of_a_priced_provider_reports_list_price(make_model):
    reply = make_model(provider="openai", model="gpt-4o-mini").chat("Hi")
    assert reply.cost_usd == pytest.approx(12 * 0.15e-6 + 3 * 0.60e-6)


def test_model_on_the_own_machine_costs_nothing(make_model):
    assert make_model().chat("Hi").cost_usd == 0.0


def test_reply_that_max_tokens_cut_off_says_so(fake, make_model):
    fake.finish_reason = "length"
    assert make_model().chat("Hi").finish_reason == "length"


def test_reply_without_content_is_an_empty_text(fake, make_model):
    fake.answer = lambda body: None
    assert make_model().chat("Hi").text == ""


def test_plain_client_works(fake, make_model):
    answer = make_model().client.chat.completions.create(model="fake", messages=[{"role": "user", "content": "Hi"}])
    assert answer.choices[0].message.content == "Hello there."
    assert fake.bodies == [{"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}]


def test_client_sends_the_key_as_bearer(fake, make_model):
    make_model().chat("Hi")
    assert fake.requests[0].headers["authorization"] == f"Bearer {KEY}"


# --- chat: what is sent --------------------------------------------------------------------------------------


def test_text_is_sent_as_one_user_message(fake, make_model):
    make_model().chat("Hi")
    assert fake.paths == ["/v1/chat/completions"]
    assert fake.bodies[0]["messages"] == [{"role": "user", "content": "Hi"}]


def test_system_message_stands_first(fake, make_model):
    make_model().chat("Hi", system="Be brief.")
    assert fake.bodies[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_messages_are_sent_as_given(fake, make_model):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "Zwei – 二?"},
    ]
    make_model().chat(messages)
    assert fake.bodies[0]["messages"] == messages


def test_options_reach_the_body(fake, make_model):
    make_model(provider="ollama").chat("Hi", temperature=0.5, seed=7, top_p=0.9, stop=["\n", "END"], max_tokens=11)
    assert fake.bodies[0] == {
        "model": "fake",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "seed": 7,
        "top_p": 0.9,
        "stop": ["\n", "END"],
        "max_tokens": 11,
    }


def test_options_that_are_not_given_are_not_sent(fake, make_model):
    make_model(provider="ollama").chat("Hi")
    assert set(fake.bodies[0]) == {"model", "messages", "temperature", "max_tokens"}
    assert (fake.bodies[0]["temperature"], fake.bodies[0]["max_tokens"]) == (0.0, 256)


@pytest.mark.parametrize(
    ("provider", "name", "other"),
    [("openai", "max_completion_tokens", "max_tokens"), ("mistral", "max_tokens", "max_completion_tokens")],
)
def test_limit_of_tokens_has_the_name_that_the_provider_wants(fake, make_model, provider, name, other):
    make_model(provider=provider).chat("Hi", max_tokens=5)
    assert fake.bodies[0][name] == 5
    assert other not in fake.bodies[0]


@pytest.mark.parametrize(("provider", "name", "other"), [("mistral", "random_seed", "seed"), ("openai", "seed", "")])
def test_seed_has_the_name_that_the_provider_wants(fake, make_model, provider, name, other):
    make_model(provider=provider).chat("Hi", seed=7)
    assert fake.bodies[0][name] == 7
    assert other not in fake.bodies[0]


def test_stream_sends_the_seed_by_the_name_that_the_provider_wants(fake, make_model):
    assert "".join(make_model(provider="mistral").chat("Hi", seed=7, stream=True)) == "Hello there."
    assert fake.bodies[0]["random_seed"] == 7
    assert "seed" not in fake.bodies[0]


def test_extra_fields_go_to_the_default_model_only(fake, make_model):
    make_model(provider="openai", model=None).chat("Hi")
    make_model(provider="openai", model="gpt-4o-mini").chat("Hi")
    assert fake.bodies[0]["model"] == "gpt-6-luna"
    assert fake.bodies[0]["reasoning_effort"] == "none"
    assert "reasoning_effort" not in fake.bodies[1]


def test_temperature_is_left_out_where_the_provider_refuses_it(fake, make_model):
    make_model(provider="openai").chat("Hi", temperature=0.7)
    make_model(provider="mistral").chat("Hi", temperature=0.7)
    assert "temperature" not in fake.bodies[0]
    assert fake.bodies[1]["temperature"] == 0.7


def test_seed_is_left_out_where_the_provider_has_none(fake, make_model):
    make_model(provider="anthropic").chat("Hi", seed=7)
    assert "seed" not in fake.bodies[0]


def test_provenance_claims_no_seed_that_was_not_sent(make_model):
    assert make_model(provider="anthropic").chat("Hi", seed=7).provenance.seed is None


@pytest.mark.parametrize(
    "messages",
    [
        "",
        "  \n",
        [],
        [{"role": "user", "content": " "}],
        [{"role": "user"}],
        [{"content": "Hi"}],
        [{"content": "Hi", "name": "Ada"}],
        [{"role": "user", "content": 5}],
        [{"role": 5, "content": "Hi"}],
        [{"role": "user", "content": "Hi"}, {}],
        {"role": "user", "content": "Hi"},
        ["Hi"],
        [None],
        None,
        5,
    ],
    ids=repr,
)
def test_empty_or_malformed_messages_are_a_data_error_before_any_request(fake, make_model, messages):
    with pytest.raises(DataError):
        make_model().chat(messages)
    assert fake.requests == []


# --- schema, choices, logprobs -------------------------------------------------------------------------------


class City(BaseModel):
    name: str
    people: int


CITY_SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_schema_as_dict_is_sent_and_parsed(fake, make_model):
    fake.answer = lambda body: '{"name": "Bonn"}'
    reply = make_model().chat("A city?", schema=CITY_SCHEMA)
    assert reply.parsed == {"name": "Bonn"}
    assert fake.bodies[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": CITY_SCHEMA, "strict": True},
    }


def test_schema_as_pydantic_model_gives_an_instance(fake, make_model):
    fake.answer = lambda body: '{"name": "Bonn", "people": 340000}'
    assert make_model().chat("A city?", schema=City).parsed == City(name="Bonn", people=340000)
    sent = fake.bodies[0]["response_format"]["json_schema"]["schema"]
    assert (sent["required"], sent["additionalProperties"]) == (["name", "people"], False)


@pytest.mark.parametrize("schema", [CITY_SCHEMA, City])
def test_json_that_was_cut_off_parses_to_none_and_keeps_its_text(fake, make_model, schema):
    fake.answer = lambda body: '{"name": "Bo'
    fake.finish_reason = "length"
    reply = make_model().chat("A city?", schema=schema)
    assert (reply.parsed, reply.text, reply.finish_reason) == (None, '{"name": "Bo', "length")


def test_json_that_does_not_fit_the_pydantic_model_parses_to_none(fake, make_model):
    fake.answer = lambda body: '{"name": "Bonn"}'
    assert make_model().chat("A city?", schema=City).parsed is None


def test_choices_go_as_a_schema_where_the_provider_follows_one(fake, make_model):
    fake.answer = lambda body: '{"choice": "no"}'
    reply = make_model().chat("Is it?", choices=["yes", "no"])
    assert (reply.text, reply.parsed) == ("no", "no")
    assert fake.bodies[0]["messages"] == [{"role": "user", "content": "Is it?"}]
    assert fake.bodies[0]["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": ["yes", "no"]}},
        "required": ["choice"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(("provider", "sent"), [("ollama", 64), ("anthropic", 16)], ids=["object", "bare"])
def test_the_object_around_a_choice_has_tokens_of_its_own(fake, make_model, provider, sent):
    fake.answer = lambda body: '{"choice": "no"}'
    make_model(provider=provider).chat("Is it?", choices=["yes", "no"], max_tokens=16)
    assert fake.bodies[0]["max_tokens"] == sent


def test_choices_go_as_an_instruction_where_the_provider_follows_no_schema(fake, make_model):
    fake.answer = lambda body: "Yes."
    reply = make_model(provider="anthropic").chat("Is it?", choices=["yes", "no"])
    assert reply.parsed == "yes"
    assert "response_format" not in fake.bodies[0]
    assert fake.bodies[0]["messages"][-1]["content"].startswith("Is it?\n")
    assert fake.bodies[0]["messages"][-1]["content"].endswith(": yes, no")


@pytest.mark.parametrize("text", ["Perhaps.", "Yes and no.", "", "yesterday"])
@pytest.mark.parametrize("provider", ["anthropic", "vllm"])
def test_reply_that_names_no_choice_or_two_parses_to_none(fake, make_model, text, provider):
    fake.answer = lambda body: text
    reply = make_model(provider=provider).chat("Is it?", choices=["yes", "no"])
    assert (reply.parsed, reply.text) == (None, text)


def test_reply_that_is_one_choice_names_it_even_where_it_holds_another(fake, make_model):
    fake.answer = lambda body: "partly correct"
    assert make_model(provider="anthropic").chat("?", choices=["correct", "partly correct"]).parsed == "partly correct"


@pytest.mark.parametrize("choices", [[], ["yes", "yes"]])
def test_choices_that_are_none_or_doubled_are_a_data_error(fake, make_model, choices):
    with pytest.raises(DataError):
        make_model().chat("Is it?", choices=choices)
    assert fake.requests == []


def test_logprobs_become_tokens_with_probabilities(fake, make_model):
    reply = make_model().chat("Hi", logprobs=2)
    assert (fake.bodies[0]["logprobs"], fake.bodies[0]["top_logprobs"]) == (True, 2)
    [token] = reply.tokens
    assert token.text == "Hello"
    assert token.probability == pytest.approx(0.75)
    assert [other.text for other in token.alternatives] == ["Hello", "Hi"]
    assert [other.probability for other in token.alternatives] == pytest.approx([0.75, 0.125])


# --- streams -------------------------------------------------------------------------------------------------


def test_stream_yields_pieces_and_then_a_reply_with_usage(fake, make_model):
    stream = make_model(provider="openai", model="gpt-4o-mini").chat("Hi", seed=7, stream=True)
    assert fake.requests == []
    assert stream.reply is None
    assert list(stream) == ["Hel", "lo ", "there."]
    assert stream.reply.text == "Hello there."
    assert (stream.reply.prompt_tokens, stream.reply.completion_tokens) == (12, 3)
    assert stream.reply.cost_usd == pytest.approx(12 * 0.15e-6 + 3 * 0.60e-6)
    assert (stream.reply.provenance.mode, stream.reply.provenance.seed) == ("live", 7)
    assert (fake.bodies[0]["stream"], fake.bodies[0]["stream_options"]) == (True, {"include_usage": True})


def test_stream_that_max_tokens_cut_off_says_so(fake, make_model):
    fake.finish_reason = "length"
    stream = make_model().chat("Hi", stream=True)
    list(stream)
    assert stream.reply.finish_reason == "length"


@pytest.mark.parametrize("options", [{"schema": CITY_SCHEMA}, {"choices": ["a", "b"]}, {"logprobs": 2}])
def test_stream_with_a_schema_or_probabilities_is_a_data_error(fake, make_model, options):
    with pytest.raises(DataError):
        make_model().chat("Hi", stream=True, **options)
    assert fake.requests == []


def test_stream_that_is_refused_raises_our_error(fake, make_model):
    fake.faults.append(refuse(401))
    with pytest.raises(KeyRefused):
        list(make_model().chat("Hi", stream=True))


def test_stream_that_breaks_raises_unreachable(fake, make_model):
    fake.stream_ending = "drop"
    pieces = []
    with pytest.raises(Unreachable):
        pieces.extend(make_model().chat("Hi", stream=True))
    assert len(fake.requests) == 1


def test_stream_that_ends_in_an_error_raises_our_error_without_the_key(fake, make_model):
    fake.stream_ending = "error"
    fake.answer = lambda body: f"The key was {KEY}."
    with pytest.raises(ProviderError) as caught:
        list(make_model().chat("Hi", stream=True))
    assert "The server fell over." in str(caught.value)
    assert KEY not in _render(caught.value)


def test_stream_that_is_a_web_page_raises_provider_error(fake, make_model):
    fake.faults.append(HTML)
    with pytest.raises(ProviderError):
        list(make_model().chat("Hi", stream=True))


# --- many at once --------------------------------------------------------------------------------------------


def test_chat_each_keeps_order_and_asks_in_parallel(fake, make_model):
    fake.answer = lambda body: body["messages"][-1]["content"].upper()
    fake.hold_until = 3
    fake.choose_fault = lambda request: slow(0.1) if request.body["messages"][-1]["content"] == "p0" else None
    replies = make_model().chat_each((f"p{number}" for number in range(8)), parallel=3, max_tokens=9)
    assert [reply.text for reply in replies] == [f"P{number}" for number in range(8)]
    assert fake.most_at_once == 3
    assert {body["max_completion_tokens"] for body in fake.bodies} == {9}


def test_chat_each_takes_the_number_at_once_from_the_settings(fake, make_model):
    fake.hold_until = 2
    assert len(make_model(parallel=2).chat_each(["a", "b", "c", "d"])) == 4
    assert fake.most_at_once == 2


def test_chat_each_of_nothing_is_nothing(fake, make_model):
    assert make_model().chat_each([]) == []
    assert fake.requests == []


def test_one_failure_of_chat_each_raises_and_cancels_what_waits(fake, make_model):
    fake.choose_fault = lambda request: refuse(401) if request.body["messages"][-1]["content"] == "p0" else slow(0.02)
    started = time.perf_counter()
    with pytest.raises(KeyRefused):
        make_model().chat_each([f"p{number}" for number in range(200)], parallel=2)
    assert time.perf_counter() - started < 5
    assert len(fake.requests) < 100


# --- completions, tokens, embeddings -------------------------------------------------------------------------


def test_complete_continues_a_bare_text(fake, make_model):
    fake.answer = lambda body: body["prompt"] + " and on"
    reply = make_model().complete("On", max_tokens=8, temperature=0.5, seed=3)
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("On and on", 12, 3)
    assert (reply.cost_usd, reply.provenance.seed) == (0.0, 3)
    assert fake.paths == ["/v1/completions"]
    assert fake.bodies[0] == {"model": "fake", "prompt": "On", "max_tokens": 8, "temperature": 0.5, "seed": 3}


@pytest.mark.parametrize("form", ["llama.cpp", "legacy"])
def test_next_tokens_come_with_probabilities_likeliest_first(fake, make_model, form):
    fake.logprobs_form = form
    chances = make_model().next_tokens("Say", num=3)
    assert [chance.text for chance in chances] == ["Hello", "Hi", "Hey"]
    assert [chance.probability for chance in chances] == pytest.approx([0.75, 0.125, 0.0625])
    assert (fake.bodies[0]["logprobs"], fake.bodies[0]["max_tokens"]) == (3, 1)


def test_next_tokens_without_probabilities_says_that_they_are_missing(fake, make_model):
    fake.returns_logprobs = False
    with pytest.raises(CapabilityMissing):
        make_model().next_tokens("Say")


@pytest.mark.parametrize("form", ["llama.cpp", "vllm"])
def test_tokenize_gives_numbers_and_texts(fake, make_model, form):
    fake.tokenizer_form = form
    assert make_model().tokenize("one zwölf") == [Token(100, "one"), Token(101, "zwölf")]
    assert fake.paths == ["/tokenize"]


@pytest.mark.parametrize("form", ["llama.cpp", "vllm"])
def test_tokens_of_an_empty_text_are_none(fake, make_model, form):
    fake.tokenizer_form = form
    assert make_model().tokenize("") == []


@pytest.mark.parametrize("form", ["llama.cpp", "vllm"])
def test_count_tokens_of_a_text_is_without_template(fake, make_model, form):
    fake.tokenizer_form = form
    assert make_model().count_tokens("one two three") == 3


@pytest.mark.parametrize(("provider", "form"), [(None, "llama.cpp"), (None, "vllm"), ("vllm", "vllm")])
def test_count_tokens_of_messages_is_with_template(fake, make_model, provider, form):
    """llama.cpp has /apply-template; vLLM has none and takes the messages at /tokenize."""
    fake.tokenizer_form = form
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one two three"}]
    assert make_model(provider=provider).count_tokens(messages) == 10


def test_embeddings_are_ordered_by_index(fake, make_model):
    vectors = make_model(embedding_model="fake-embedding").embed(["a", "bb", "ccc"])
    assert vectors.shape == (3, 3)
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert fake.bodies[0]["model"] == "fake-embedding"


def test_one_text_gives_one_vector(make_model):
    vector = make_model(embedding_model="fake-embedding").embed("four")
    assert vector.tolist() == [4.0, 1.0, 0.0]


@pytest.mark.parametrize("texts", ["", " ", [], ["a", ""], ["a", " \n"], [None]], ids=repr)
def test_an_empty_text_to_embed_is_a_data_error(fake, make_model, texts):
    with pytest.raises(DataError):
        make_model(embedding_model="fake-embedding").embed(texts)
    assert fake.requests == []


# --- capabilities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("vllm", dict.fromkeys(CAPABILITIES, True)),
        ("anthropic", dict.fromkeys(CAPABILITIES, False)),
        (
            "mistral",
            {
                capability: capability in ("temperature", "seed", "json_schema", "embeddings")
                for capability in CAPABILITIES
            },
        ),
    ],
)
def test_what_the_catalog_knows_is_not_tried(fake, make_model, provider, expected):
    model = make_model(provider=provider)
    assert {capability: model.can(capability) for capability in CAPABILITIES} == expected
    assert fake.requests == []


@pytest.mark.parametrize("capability", ["json_schema", "logprobs", "completions", "embeddings", "tokenize"])
def test_what_the_catalog_does_not_know_is_tried_once(fake, custom, capability):
    assert [custom.can(capability) for _ in range(3)] == [True, True, True]
    assert len(fake.requests) == 1


def test_temperature_and_seed_are_believed_without_a_trial(fake, custom):
    assert custom.can("temperature") is True
    assert custom.can("seed") is True
    assert fake.requests == []


@pytest.mark.parametrize("status", [400, 404, 422, 500])
@pytest.mark.parametrize("capability", ["json_schema", "logprobs", "completions", "embeddings", "tokenize"])
def test_a_refused_trial_means_no_and_is_kept(fake, custom, capability, status):
    fake.faults.append(refuse(status))
    assert [custom.can(capability) for _ in range(3)] == [False, False, False]
    assert len(fake.requests) == 1


def test_a_server_that_ignores_the_request_is_found_out(fake, custom):
    fake.follows_schemas = False
    fake.returns_logprobs = False
    assert custom.can("json_schema") is False
    assert custom.can("logprobs") is False


def test_a_refused_key_is_no_answer_about_a_capability(fake, custom):
    fake.faults.append(refuse(401))
    with pytest.raises(KeyRefused):
        custom.can("logprobs")
    assert custom.can("logprobs") is True


def test_parallel_calls_try_a_capability_once(fake, custom):
    fake.choose_fault = lambda request: slow(0.05) if request.body["max_tokens"] == 1 else None
    assert len(custom.chat_each(["a", "b", "c", "d"], parallel=4, logprobs=1)) == 4
    assert len(fake.requests) == 5


def test_an_unknown_capability_is_a_data_error(custom):
    with pytest.raises(DataError, match="telepathy"):
        custom.can("telepathy")


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.chat("Hi", logprobs=2),
        lambda model: model.chat("Hi", schema=CITY_SCHEMA),
        lambda model: model.complete("Hi"),
        lambda model: model.next_tokens("Hi"),
        lambda model: model.tokenize("Hi"),
        lambda model: model.count_tokens("Hi"),
        lambda model: model.count_tokens([{"role": "user", "content": "Hi"}]),
        lambda model: model.embed("Hi"),
    ],
)
def test_a_missing_capability_is_reported_before_a_request(fake, make_model, call):
    with pytest.raises(CapabilityMissing, match=r"127\.0\.0\.1"):
        call(make_model(provider="anthropic"))
    assert fake.requests == []


def test_no_embedding_model_is_a_missing_capability(fake, make_model):
    with pytest.raises(CapabilityMissing, match="LLMOPS_EMBEDDING_MODEL"):
        make_model(provider="vllm").embed("Hi")
    assert fake.requests == []


# --- trying again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_passes_is_tried_again(fake, make_model, status):
    fake.faults.extend([refuse(status), refuse(status)])
    assert make_model(retries=2).chat("Hi").text == "Hello there."
    assert len(fake.requests) == 3


def test_a_dropped_connection_is_tried_again(fake, make_model):
    fake.faults.append(DROP)
    assert make_model(retries=1).chat("Hi").text == "Hello there."
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (500, ProviderDown), (502, ProviderDown), (503, ProviderDown)]
)
def test_exhausted_tries_raise_what_the_last_one_met(fake, make_model, status, kind):
    fake.choose_fault = lambda request: refuse(status, "Come back tomorrow.")
    with pytest.raises(kind, match="Come back tomorrow") as caught:
        make_model(retries=2).chat("Hi")
    assert caught.value.status == status
    assert len(fake.requests) == 3


def test_connections_that_keep_dropping_are_unreachable(fake, make_model):
    fake.choose_fault = lambda request: DROP
    with pytest.raises(Unreachable) as caught:
        make_model(retries=1).chat("Hi")
    assert len(fake.requests) == 2
    assert caught.value.status is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(fake, make_model, status):
    fake.faults.append(refuse(status))
    with pytest.raises(ProviderError):
        make_model(retries=4).chat("Hi")
    assert len(fake.requests) == 1


# --- errors --------------------------------------------------------------------------------------------------


def test_a_late_answer_is_unreachable_and_names_the_setting(fake, make_model):
    fake.faults.append(slow(0.3))
    with pytest.raises(Unreachable, match="LLMOPS_TIMEOUT_S"):
        make_model(timeout_s=0.1).chat("Hi")


def test_nobody_listening_is_unreachable_and_names_the_address(make_model):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(Unreachable) as caught:
            make_model(base_url=base_url).chat("Hi")
    assert base_url in caught.value.problem
    assert "LLMOPS_BASE_URL" in caught.value.next_step


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_names_its_variable(fake, make_model, status):
    fake.faults.append(refuse(status))
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY") as caught:
        make_model(provider="openai").chat("Hi")
    assert caught.value.status == status


def test_a_model_that_is_not_served_is_named(fake, make_model):
    fake.faults.append(refuse(404, "The model fake does not exist."))
    with pytest.raises(ModelNotServed, match="does not serve fake") as caught:
        make_model().chat("Hi")
    assert (caught.value.status, "LLMOPS_MODEL" in caught.value.next_step) == (404, True)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
            {"code": "context_length_exceeded"},
        ),
        ("the request exceeds the available context size, try increasing it", {"type": "exceed_context_size_error"}),
        ("prompt is too long: 208310 tokens > 200000 maximum", {}),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", {}),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", {}),
    ],
    ids=["openai", "llama.cpp", "anthropic", "gemini", "mistral"],
)
def test_a_prompt_over_the_context_is_recognized(fake, make_model, message, fields):
    fake.faults.append(refuse(400, message, **fields))
    with pytest.raises(ContextExceeded) as caught:
        make_model().chat("Hi")
    assert caught.value.status == 400
    assert message in caught.value.problem


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "message",
    [
        "Unknown parameter: 'stop'.",
        "Invalid schema for response_format 'reply': In context=(), 'additionalProperties' is required to be supplied "
        "and to be false.",
        "Requested sample logprobs of 30, which exceeds the maximum of 20.",
    ],
    ids=["parameter", "schema", "logprobs"],
)
def test_another_refusal_is_no_matter_of_the_context(fake, make_model, status, message):
    fake.faults.append(refuse(status, message))
    with pytest.raises(RequestRefused) as caught:
        make_model().chat("Hi")
    assert caught.value.status == status
    assert message in caught.value.problem


@pytest.mark.parametrize(
    "body",
    [
        {"error": "The field stop is unknown."},
        {"object": "error", "message": "The field stop is unknown.", "code": 400},
        {"detail": "The field stop is unknown."},
        {"detail": [{"loc": ["body", "stop"], "msg": "The field stop is unknown.", "type": "extra_forbidden"}]},
    ],
    ids=["ollama", "vllm", "fastapi", "mistral"],
)
def test_what_the_server_says_is_kept_whatever_its_form(fake, make_model, body):
    fake.faults.append(Fault(422, body))
    with pytest.raises(RequestRefused, match="The field stop is unknown"):
        make_model().chat("Hi")


def test_a_status_of_no_known_kind_is_a_provider_error(fake, make_model):
    fake.faults.append(refuse(418, "I am a teapot."))
    with pytest.raises(ProviderError, match="teapot") as caught:
        make_model().chat("Hi")
    assert (type(caught.value), caught.value.status) == (ProviderError, 418)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.chat("Hi"),
        lambda model: model.chat("Hi", choices=["a", "b"]),
        lambda model: model.complete("Hi"),
        lambda model: model.next_tokens("Hi"),
        lambda model: model.tokenize("Hi"),
        lambda model: model.count_tokens([{"role": "user", "content": "Hi"}]),
        lambda model: model.embed("Hi"),
    ],
    ids=["chat", "choices", "complete", "next_tokens", "tokenize", "count_tokens", "embed"],
)
@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        Fault(200, ""),
        Fault(200, []),
        Fault(200, {"object": "something"}),
        Fault(200, {"choices": [], "data": [], "tokens": None}),
        Fault(200, {"error": {"message": "It did not work."}}),
    ],
    ids=["html", "empty", "list", "no choices", "empty choices", "error with status 200"],
)
def test_an_answer_that_is_none_is_a_workbook_error(fake, make_model, call, answer):
    fake.faults.append(answer)
    with pytest.raises((ProviderError, CapabilityMissing)):
        call(make_model(embedding_model="fake-embedding"))


def test_a_web_page_hints_at_the_address(fake, make_model):
    fake.faults.append(HTML)
    with pytest.raises(ProviderError, match="not JSON") as caught:
        make_model().chat("Hi")
    assert "LLMOPS_BASE_URL" in caught.value.next_step


def test_all_errors_say_what_to_do(fake, make_model):
    for status in (400, 401, 403, 404, 418, 422, 429, 500):
        fake.faults.append(refuse(status))
        with pytest.raises(WorkbookError) as caught:
            make_model().chat("Hi")
        assert caught.value.next_step.endswith(".")
        assert f"What to do: {caught.value.next_step}" in str(caught.value)


def test_the_tests_know_all_provider_errors():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ProviderError)}
    assert kinds == {
        ProviderError,
        KeyRefused,
        ModelNotServed,
        ContextExceeded,
        RequestRefused,
        RateLimited,
        ProviderDown,
        Unreachable,
    }


# --- the key stays secret ------------------------------------------------------------------------------------


def _render(error: BaseException) -> str:
    """All texts of an error that a reader may see."""
    shown = [str(error), repr(error), *traceback.format_exception(error)]
    if isinstance(error, WorkbookError):
        shown += error._render_traceback_()
    return "\n".join(shown)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 422, 429, 500, 503])
@pytest.mark.parametrize("key", [KEY, "sk-proj-abcdefgh12345678"])
def test_a_key_that_the_server_echoes_is_in_no_error(fake, make_model, status, key):
    fake.faults.append(refuse(status, f"Incorrect API key provided: {key}. Authorization: Bearer {key}"))
    model = make_model(api_key=SecretStr(key))
    with pytest.raises(ProviderError) as caught:
        model.chat("Hi")
    assert key not in _render(caught.value)
    assert key not in repr(model) + repr(model.connection) + repr(model.connection.settings) + repr(model.client)


def test_no_part_of_an_echoed_key_is_left_where_a_long_message_is_cut(fake, make_model):
    for padding in range(400 - len(KEY), 400, 5):
        fake.faults.append(refuse(400, "x" * (padding - 1) + " " + KEY))
        with pytest.raises(ProviderError) as caught:
            make_model().chat("Hi")
        assert KEY[:5] not in _render(caught.value), f"after {padding} characters"


def test_a_key_in_an_error_that_is_a_plain_text_is_removed(fake, make_model):
    fake.faults.append(Fault(500, f"<html>Bad gateway for {KEY}</html>", {"retry-after-ms": "1"}))
    with pytest.raises(ProviderDown) as caught:
        make_model().chat("Hi")
    assert KEY not in _render(caught.value)


def test_reply_and_recordings_hold_no_key(make_model, tmp_path):
    reply = make_model(mode="record").chat("Hi")
    assert KEY not in repr(reply) + reply._repr_html_() + str(reply)
    assert KEY not in (tmp_path / "recordings" / "01_test.jsonl").read_text(encoding="utf-8")


def test_a_malformed_key_is_refused_without_showing_it(monkeypatch):
    for key in ("two words of it", '"quoted-key-1234"', "your-key-goes-here", "dash–in–between"):
        with pytest.raises(KeyMalformed, match="LLMOPS_API_KEY") as caught:
            load_settings(api_key=SecretStr(key))
        assert key not in _render(caught.value)
    monkeypatch.setenv("OPENAI_API_KEY", "pk-something-else-1234")
    with pytest.raises(KeyMalformed, match="OPENAI_API_KEY") as caught:
        Model("01_test", settings=Settings(mode="live", provider="openai"))
    assert "something-else" not in _render(caught.value)


@pytest.mark.parametrize("key", ["two words of it", "line\nbreak-of-it", "dash–in–between"], ids=repr)
def test_a_malformed_key_in_settings_built_by_hand_is_refused_too(make_model, key):
    with pytest.raises(KeyMalformed) as caught:
        make_model(provider="openai", api_key=SecretStr(key)).chat("Hi")
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
    with pytest.raises(RecordingMissing) as caught:
        make_model(mode="replay").chat("What is the capital of France?")
    assert "/v1/chat/completions (fake): “What is the capital of France?”" in caught.value.problem
    assert "python -m llmops_utils record 01_test" in caught.value.next_step
    assert socket_events == []
    assert (fake.requests, fake.num_connections) == ([], 0)


def test_replay_without_a_recording_of_an_embedding_or_stream_says_so(fake, make_model):
    model = make_model(mode="replay", embedding_model="fake-embedding")
    with pytest.raises(RecordingMissing):
        model.embed("Hi")
    with pytest.raises(RecordingMissing):
        list(model.chat("Hi", stream=True))
    with pytest.raises(RecordingMissing):
        model.tokenize("Hi")
    assert fake.num_connections == 0


def test_replay_without_a_recording_makes_no_claim_about_a_capability(make_model):
    with pytest.raises(RecordingMissing):
        make_model(mode="replay", provider=None).can("logprobs")


def _summarize(reply):
    return (
        reply.text,
        reply.prompt_tokens,
        reply.completion_tokens,
        reply.latency_s,
        reply.cost_usd,
        reply.finish_reason,
        reply.parsed,
        reply.tokens,
        reply.provenance.model,
        reply.provenance.source,
        reply.provenance.seed,
        reply.provenance.recorded,
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.chat("Hi", seed=7),
        lambda model: model.chat("Hi", logprobs=2),
        lambda model: model.chat("Hi", choices=["hello there", "no"]),
        lambda model: model.complete("Hi"),
    ],
    ids=["chat", "logprobs", "choices", "complete"],
)
def test_replay_gives_the_recorded_reply_without_a_request(fake, make_model, socket_events, call):
    fake.faults.append(slow(0.05))
    recorded = call(make_model(mode="record"))
    assert len(fake.requests) == 1
    fake.answer = lambda body: "Something else."
    socket_events.clear()
    replayed = call(make_model(mode="replay"))
    assert _summarize(replayed) == _summarize(recorded)
    assert replayed.latency_s >= 0.05
    assert (recorded.provenance.mode, replayed.provenance.mode) == ("record", "replay")
    assert replayed.provenance.recorded != ""
    assert (len(fake.requests), socket_events) == (1, [])


def test_replay_of_a_stream_gives_the_same_pieces(fake, make_model):
    recorded = make_model(mode="record").chat("Hi", stream=True)
    assert list(recorded) == ["Hel", "lo ", "there."]
    replayed = make_model(mode="replay").chat("Hi", stream=True)
    assert list(replayed) == ["Hel", "lo ", "there."]
    assert _summarize(replayed.reply) == _summarize(recorded.reply)
    assert len(fake.requests) == 1


def test_replay_of_tokens_and_embeddings_gives_the_same(fake, make_model):
    live, replay = (make_model(mode=mode, embedding_model="fake-embedding") for mode in ("record", "replay"))
    recorded = live.tokenize("one two"), live.embed(["a", "bb"]).tolist()
    assert recorded == ([Token(100, "one"), Token(101, "two")], [[1.0, 1.0, 0.0], [2.0, 1.0, 0.0]])
    assert (replay.tokenize("one two"), replay.embed(["a", "bb"]).tolist()) == recorded
    assert len(fake.requests) == 2


def test_replay_of_a_refusal_raises_the_same_error(fake, make_model):
    fake.faults.append(refuse(400, "The field stop is unknown."))
    for mode in ("record", "replay"):
        with pytest.raises(RequestRefused, match="The field stop is unknown"):
            make_model(mode=mode).chat("Hi")
    assert len(fake.requests) == 1


@pytest.mark.parametrize("fault", [refuse(401), refuse(429), refuse(500), HTML], ids=["401", "429", "500", "html"])
def test_a_passing_failure_is_never_recorded(fake, make_model, fault, tmp_path):
    fake.faults.append(fault)
    with pytest.raises(ProviderError):
        make_model(mode="record").chat("Hi")
    assert not (tmp_path / "recordings" / "01_test.jsonl").exists()


def test_a_replayed_reply_names_the_source_that_was_recorded(fake, make_model):
    make_model(mode="record").chat("Hi")
    replayed = make_model(mode="replay", base_url=f"http://localhost:{fake.port}/v1").chat("Hi")
    assert replayed.provenance.source == "127.0.0.1"


def test_mode_auto_without_a_key_answers_from_recordings_and_asks_for_the_rest(fake, make_model):
    recorded = make_model(mode="record", provider="openai").chat("Hi")
    model = make_model(mode="auto", provider="openai", api_key=None)
    assert _summarize(model.chat("Hi")) == _summarize(recorded)
    with pytest.raises(RecordingMissing):
        model.chat("Something new")
    assert len(fake.requests) == 1


def test_mode_auto_with_a_key_asks_where_there_is_no_recording(fake, make_model, tmp_path):
    make_model(mode="record").chat("Hi")
    model = make_model(mode="auto")
    model.chat("Hi")
    assert len(fake.requests) == 1
    assert model.chat("Something new").text == "Hello there."
    assert len(fake.requests) == 2
    assert len((tmp_path / "recordings" / "01_test.jsonl").read_text(encoding="utf-8").splitlines()) == 1


# --- settings that name no model -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["live", "record", "fill"])
def test_a_missing_key_is_reported_at_once_where_it_is_needed(mode):
    with pytest.raises(KeyMissing, match="OPENAI_API_KEY"):
        Model("01_test", settings=Settings(mode=mode, provider="openai"))


def test_a_missing_key_does_not_matter_in_replay(tmp_path):
    model = Model("01_test", settings=Settings(mode="replay", provider="openai", recordings=tmp_path))
    assert model.name == "gpt-6-luna"
    with pytest.raises(RecordingMissing):
        model.chat("Hi")


def test_an_unknown_provider_is_named_with_a_suggestion():
    with pytest.raises(UnknownModel, match=r"no provider “opnai”.*\n.*Did you mean openai"):
        Model("01_test", settings=Settings(provider="opnai"))


def test_an_unknown_local_model_is_named_with_a_suggestion():
    with pytest.raises(UnknownModel, match=r"“smollm2-135m”.*\n.*Did you mean smollm2-135m-instruct"):
        Model("01_test", settings=Settings(model="smollm2-135m"))


# --- budget --------------------------------------------------------------------------------------------------


def test_calls_are_counted_in_the_budget(fake, make_model):
    budget = Budget()
    model = make_model(budget, provider="openai", model="gpt-4o-mini")
    model.chat("Hi")
    list(model.chat("Hi", stream=True))
    model.chat_each(["a", "b"])
    assert (budget.num_calls, budget.spent_tokens) == (4, 60)
    assert budget.spent_usd == pytest.approx(4 * (12 * 0.15e-6 + 3 * 0.60e-6))


def test_settings_set_the_budget(fake, make_model):
    model = make_model(budget_tokens=10, budget_usd=0.5)
    assert (model.budget.max_tokens, model.budget.max_usd) == (10, 0.5)


def test_client_refuses_with_its_own_errors(fake, make_model):
    """The plain client is taught as it is, so its errors are those of openai."""
    fake.faults.append(refuse(404))
    with pytest.raises(openai.NotFoundError):
        make_model().client.chat.completions.create(model="fake", messages=[{"role": "user", "content": "Hi"}])


def test_many_threads_may_share_a_model(fake, make_model):
    fake.answer = lambda body: body["messages"][-1]["content"]
    model, texts = make_model(), []
    threads = [
        threading.Thread(target=lambda n=number: texts.append((n, model.chat(f"text {n}").text))) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert sorted(texts) == [(number, f"text {number}") for number in range(8)]
