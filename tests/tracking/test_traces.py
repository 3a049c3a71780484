"""Marked calls become OpenTelemetry's spans, in replay the same each time; lesson 10.3 shows their tree and its times."""

import json
import time
from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

from llmops_utils.agents import Agent
from llmops_utils.core import DataError
from llmops_utils.models import Provenance, Reply
from llmops_utils.tracking import list_runs, log_trace, record_trace, span, start_run, trace_model
from llmops_utils.tracking.traces import KINDS, MAX_DETAIL


def make_reply(text="repair", latency_s=0.5, parsed=None):
    return Reply(text, 30, 2, latency_s, 0.0, Provenance("tiny", "abc", "replay"), parsed=parsed)


@span("retrieval")
def find_notes(question):
    return ["note 1", "note 2"]


@span("tool")
def look_up(order_id: str) -> str:
    """Look up an order."""
    return f"order {order_id} is on its way"


@span("model")
def ask(question, latency_s=0.5):
    return make_reply(f"answer to {question}", latency_s)


@span("chain")
def answer(question):
    notes = find_notes(question)
    first = ask(question)
    look_up("P-1001")
    return ask(f"{first.text} with {len(notes)} notes", latency_s=0.25)


def record():
    with record_trace("one request") as root:
        answer("Where is it?")
    return root


def test_in_replay_a_trace_is_the_same_each_time_and_holds_what_calls_took_and_gave():
    assert record() == record()
    spans = {one.name: one for _, one in record().walk()}
    assert (spans["ask"].prompt_tokens, spans["ask"].completion_tokens) == (30, 2)
    assert (spans["find_notes"].input, spans["find_notes"].output) == ("Where is it?", "['note 1', 'note 2']")
    assert spans["look_up"].output == "order P-1001 is on its way"
    assert spans["answer"].prompt_tokens == 0
    with record_trace("r") as root:
        span("model")(lambda question: ask(question))("q")
    assert [one.prompt_tokens for _, one in root.walk()] == [0, 0, 30]  # a reply that is passed on counts once


def test_live_the_clock_runs(monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    wait = span("tool")(lambda: time.sleep(0.02))
    with record_trace("live") as root:
        wait()
        wait()
    first, second = root.children
    assert first.duration_s >= 0.02
    assert second.start_s >= first.start_s + first.duration_s
    assert root.duration_s >= first.duration_s + second.duration_s


def test_a_marked_function_runs_as_it_is_outside_of_a_trace_and_a_trace_inside_another_or_a_foreign_span_is_its_own():
    assert look_up("P-1") == "order P-1 is on its way"
    assert look_up.__doc__ == "Look up an order."
    with pytest.raises(DataError, match="no kind of span “modell”"):
        span("modell")
    exporter, elsewhere = InMemorySpanExporter(), TracerProvider()
    elsewhere.add_span_processor(SimpleSpanProcessor(exporter))
    with elsewhere.get_tracer("theirs").start_as_current_span("theirs"), record_trace("outer") as outer:
        with record_trace("inner") as inner:
            look_up("P-1")
        look_up("P-2")
    assert [one.input for one in inner.children] == ["P-1"]
    assert [one.input for one in outer.children] == ["P-2"]
    assert (inner.recorded.parent, outer.recorded.parent) == (None, None)
    assert [one.name for one in exporter.get_finished_spans()] == ["theirs"]


def test_a_call_that_fails_is_in_the_tree_and_its_error_goes_on():
    @span("tool")
    def fail():
        raise ValueError("no such order")

    with suppress(ValueError), record_trace("r") as root:
        look_up("P-1")
        fail()
        pytest.fail("The error does not go on.")
    assert [(one.name, one.is_error) for one in root.children] == [("look_up", False), ("fail", True)]
    failed = root.children[1]
    assert failed.output == "ValueError: no such order"
    assert failed.recorded.attributes["error.type"] == "ValueError"
    assert (failed.recorded.status.is_ok, failed.recorded.events) == (False, ())  # no stack, which would hold paths
    assert root.is_error
    assert look_up("P-2").startswith("order")  # and the trace is over


def test_names_and_attributes_are_those_of_the_conventions_and_what_was_said_is_there_on_demand_only():
    model = FakeModel()
    model.steps = [("finish", "x"), ("finish", "y")]

    def record_all(**options):
        with record_trace("all kinds", **options) as root:
            answer("Where is it?")
            traced = trace_model(model)
            traced.chat([{"role": "user", "content": "Hi"}], system="Be kind.", temperature=0.5, seed=7)
            traced.embed(["a"])
            span("retrieval")(lambda question: [SimpleNamespace(id="n02", text="Return window")])("How long?")
        return [one.recorded for _, one in root.walk()]

    known = {name for key, name in vars(gen_ai_attributes).items() if key.startswith("GEN_AI_")}
    bare = record_all()
    used = {name for one in bare for name in one.attributes}
    assert used <= known
    assert {one.attributes["gen_ai.operation.name"] for one in bare[1:]} == set(KINDS.values())
    called = ["invoke_workflow answer", "retrieval", "chat tiny", "execute_tool look_up", "chat tiny"]
    assert [one.name for one in bare] == ["all kinds", *called, "chat tiny", "embeddings tiny-encoder", "retrieval"]
    chat = bare[6].attributes
    assert (chat["gen_ai.provider.name"], chat["gen_ai.request.seed"]) == ("mistral_ai", 7)

    model.steps = [("finish", "x")]
    kept = record_all(keeps_content=True)
    added = {name for one in kept for name in one.attributes} - used
    said = {"input.messages", "output.messages", "system_instructions", "tool.call.arguments", "tool.call.result"}
    assert added == {f"gen_ai.{name}" for name in said | {"retrieval.documents", "retrieval.query.text"}}
    assert added <= known
    asked = json.loads(kept[6].attributes["gen_ai.input.messages"])
    assert asked == [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    assert json.loads(kept[4].attributes["gen_ai.tool.call.arguments"]) == {"order_id": "P-1001"}
    assert json.loads(kept[8].attributes["gen_ai.retrieval.documents"]) == [{"id": "n02"}]


def test_whatever_a_call_takes_or_gives_a_trace_does_not_end_it_and_a_key_is_not_cut_in_half(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret0123456789")
    with record_trace("r") as root:
        find_notes("x" * (MAX_DETAIL - 10) + "sk-verysecret0123456789" + "y" * 50)
    assert (len(root.children[0].input), "sk-v" in root.children[0].input) == (MAX_DETAIL, False)
    deep, own = [], []
    own.append(own)
    for _ in range(2000):
        deep = [deep]
    told = []
    for value in (deep, own, {(1, 2): 3}, 10**5000, SimpleNamespace(shape=5)):
        with record_trace("odd", keeps_content=True) as root:
            assert span("tool")(lambda same: same)(value) is value
            for kind in ("model", "retrieval"):
                assert span(kind)(lambda same: same)(value) is value
        told.append((root.children[0].input, root.children[0].output))
    assert told == [(name, name) for name in ("list", "list", "dict", "int", "SimpleNamespace")]


def test_a_trace_is_logged_in_opentelemetrys_form(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    run = start_run("traced")
    log_trace(run, record())
    run.end()
    (read,) = list_runs()
    root, chain, _, model, *_ = json.loads(read.files["spans.json"])
    assert (root["parent_id"], chain["parent_id"]) == (None, root["context"]["span_id"])
    assert model["context"]["trace_id"] == root["context"]["trace_id"]
    assert (model["name"], model["attributes"]["gen_ai.usage.input_tokens"]) == ("chat tiny", 30)
    start, end = (datetime.fromisoformat(model[name]) for name in ("start_time", "end_time"))
    assert (end - start).total_seconds() == 0.5


class FakeModel:
    """Looks up an order, then finishes."""

    name, provider = "tiny", SimpleNamespace(id="mistral")
    connection = SimpleNamespace(embedding_model="tiny-encoder")

    def __init__(self):
        self.steps = [("look_up", "P-7"), ("finish", "on its way")]

    def chat(self, messages, **options):
        action, argument = self.steps.pop(0)
        return make_reply(parsed={"thought": "t", "action": action, "argument": argument})

    def embed(self, texts):
        return SimpleNamespace(shape=(len(texts), 3))


def test_the_steps_of_an_agent_are_spans_also_its_tools_that_run_in_threads():
    agent = Agent(trace_model(FakeModel()), [look_up])
    with record_trace("agent") as root:
        assert agent.run("Where is P-7?").answer == "on its way"
        trace_model(FakeModel()).embed(["a", "b"])
        FakeModel().embed(["a"])  # the model itself stays unmarked
    assert [one.name for one in root.children] == ["chat", "look_up", "chat", "embed"]
    assert root.duration_s == 1.0
    one = root.children[3]
    assert (one.kind, one.output) == ("embedding", "SimpleNamespace of shape (2, 3)")
    assert (one.recorded.name, one.recorded.kind.name) == ("embeddings tiny-encoder", "CLIENT")
