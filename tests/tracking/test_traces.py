"""Marked calls become a timed tree; in replay the same one each time."""

import json
import time
from datetime import datetime
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from llmops_utils.agents import Agent
from llmops_utils.core import DataError
from llmops_utils.models import Provenance, Reply
from llmops_utils.tracking import list_runs, log_trace, record_trace, span, start_run, trace_model
from llmops_utils.tracking.traces import MAX_DETAIL

FROM = Provenance("tiny", "abc", "replay")


def make_reply(text="repair", latency_s=0.5, parsed=None):
    return Reply(text, 30, 2, latency_s, 0.0, FROM, parsed=parsed)


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


def test_calls_become_a_tree_in_the_order_in_which_they_were_made():
    assert [(depth, one.name, one.kind) for depth, one in record().walk()] == [
        (0, "one request", "request"),
        (1, "answer", "chain"),
        (2, "find_notes", "retrieval"),
        (2, "ask", "model"),
        (2, "look_up", "tool"),
        (2, "ask", "model"),
    ]


def test_in_replay_only_recorded_seconds_count_and_each_time_the_same():
    spans = [one for _, one in record().walk()]
    assert [(one.start_s, one.duration_s) for one in spans] == [
        (0.0, 0.75),
        (0.0, 0.75),
        (0.0, 0.0),
        (0.0, 0.5),
        (0.5, 0.0),
        (0.5, 0.25),
    ]
    assert record() == record()


def test_live_the_clock_runs(monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")

    @span("tool")
    def wait():
        time.sleep(0.02)

    with record_trace("live") as root:
        wait()
        wait()
    first, second = root.children
    assert first.duration_s >= 0.02
    assert second.start_s >= first.start_s + first.duration_s
    assert root.duration_s >= first.duration_s + second.duration_s


def test_tokens_inputs_and_outputs_are_kept():
    spans = {one.name: one for _, one in record().walk()}
    assert (spans["ask"].prompt_tokens, spans["ask"].completion_tokens) == (30, 2)
    assert spans["find_notes"].input == "Where is it?"
    assert spans["find_notes"].output == "['note 1', 'note 2']"
    assert spans["look_up"].output == "order P-1001 is on its way"
    assert spans["answer"].prompt_tokens == 0


def test_a_reply_that_is_passed_on_counts_once():
    @span("model")
    def outer(question):
        return ask(question)

    with record_trace("r") as root:
        outer("q")
    assert [one.prompt_tokens for _, one in root.walk()] == [0, 0, 30]
    assert root.duration_s == 0.5


def test_outside_of_a_trace_a_marked_function_runs_as_it_is():
    assert look_up("P-1") == "order P-1 is on its way"
    assert look_up.__doc__ == "Look up an order."


def test_a_call_that_fails_is_in_the_tree_and_its_error_goes_on():
    @span("tool", "broken")
    def fail():
        raise ValueError("no such order")

    roots = []

    def request():
        with record_trace("r") as root:
            roots.append(root)
            look_up("P-1")
            fail()

    with pytest.raises(ValueError, match="no such order"):
        request()
    (root,) = roots
    assert [(one.name, one.is_error) for one in root.children] == [("look_up", False), ("broken", True)]
    failed = root.children[1]
    assert failed.output == "ValueError: no such order"
    assert failed.recorded.attributes["error.type"] == "ValueError"
    assert (failed.recorded.status.is_ok, failed.recorded.events) == (False, ())  # no stack, which would hold paths
    assert root.is_error
    assert look_up("P-2").startswith("order")  # and the trace is over


def test_one_trace_inside_another_is_its_own():
    with record_trace("outer") as outer:
        with record_trace("inner") as inner:
            look_up("P-1")
        look_up("P-2")
    assert [one.input for one in inner.children] == ["P-1"]
    assert [one.input for one in outer.children] == ["P-2"]


def test_long_texts_are_cut_and_a_key_is_not_cut_into_half_a_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret0123456789")
    with record_trace("r") as root:
        find_notes("x" * (MAX_DETAIL - 10) + "sk-verysecret0123456789" + "y" * 50)
    told = root.children[0].input
    assert len(told) == MAX_DETAIL
    assert "sk-v" not in told


def test_an_unknown_kind_is_refused():
    with pytest.raises(DataError, match="no kind of span “modell”"):
        span("modell")


def test_a_trace_is_logged_in_opentelemetrys_form_and_as_a_text(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    run = start_run("traced")
    log_trace(run, record())
    run.end()
    (read,) = list_runs()
    assert read.texts[0].text.splitlines()[3] == "    ask (model): 0.50 s, 30 + 2 tokens"
    spans = json.loads(read.files["spans.json"])
    assert len({one["context"]["trace_id"] for one in spans}) == 1
    assert [one["parent_id"] for one in spans[:3]] == [
        None,
        spans[0]["context"]["span_id"],
        spans[1]["context"]["span_id"],
    ]
    assert spans[3]["attributes"] == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "tiny",
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 2,
        "llmops.kind": "model",
        "llmops.input": "Where is it?",
        "llmops.output": "answer to Where is it?",
    }
    start, end = (datetime.fromisoformat(spans[3][name].replace("Z", "+00:00")) for name in ("start_time", "end_time"))
    assert (end - start).total_seconds() == 0.5


def test_a_trace_leaves_opentelemetry_elsewhere_alone():
    from opentelemetry import trace

    outside = TracerProvider()
    exporter = InMemorySpanExporter()
    outside.add_span_processor(SimpleSpanProcessor(exporter))
    with outside.get_tracer("other").start_as_current_span("other"):
        root = record()
        assert trace.get_current_span().name == "other"
    assert [one.name for one in exporter.get_finished_spans()] == ["other"]
    assert root.recorded.parent is None


class FakeModel:
    """Looks up an order, then finishes."""

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
        trace = agent.run("Where is P-7?")
    assert trace.answer == "on its way"
    assert [(one.name, one.kind) for one in root.children] == [
        ("chat", "model"),
        ("look_up", "tool"),
        ("chat", "model"),
    ]
    assert root.duration_s == 1.0


def test_an_embedding_is_told_by_its_shape_and_the_model_itself_stays_unmarked():
    model = FakeModel()
    traced = trace_model(model)
    with record_trace("r") as root:
        traced.embed(["a", "b"])
        model.embed(["a"])
    (one,) = root.children
    assert (one.name, one.output) == ("embed", "SimpleNamespace of shape (2, 3)")
