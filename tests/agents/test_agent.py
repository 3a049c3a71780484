"""Claims about tools and the agent, with a fake model that replies by a script."""

import copy
import html
import json
import re
import threading
import time

import pytest

from llmops_utils.agents import Agent, Step, Trace, agent, make_tool
from llmops_utils.agents.agent import MAX_OBSERVATION
from llmops_utils.core import BudgetExceeded, DataError
from llmops_utils.models import Provenance, Reply, close_schema


class FakeModel:
    """Replies by a script (dicts are parsed, errors raised, all else is not parsed); notes messages and schemas."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.schemas = []

    def chat(self, messages, **options):
        self.asked.append(copy.deepcopy(messages))
        self.schemas.append(options["schema"])
        entry = self.script.pop(0)
        if isinstance(entry, Exception):
            raise entry
        parsed = entry if isinstance(entry, dict | list) else None
        provenance = Provenance("fake", "127.0.0.1", "live")
        return Reply(json.dumps(entry), 10, 2, 0.5, 0.001, provenance, parsed=parsed)


def act(action, argument="", thought="Hm."):
    return {"thought": thought, "action": action, "argument": argument}


def finish(answer):
    return act("finish", answer, "Done.")


def find_order(order_id: str) -> str:
    """Return the status of an order.

    More that the model does not read.
    """
    return f"{order_id} is on its way"


def double(number: "int") -> int:
    """Double a whole number."""
    return 2 * number


def halve(number: float) -> float:
    """Halve a number."""
    return number / 2


def say(loud: bool) -> str:
    """Say hello, loud or not."""
    return "HELLO" if loud is True else "hello" if loud is False else "?"


def run(tools, *script, **options):
    """Return the trace of an agent whose model follows the script, and the model."""
    model = FakeModel(*script)
    return Agent(model, tools, **options).run("Where is it?"), model


def observe(tool, argument):
    """Return what came back from a tool, and whether it is an error; the run goes on afterwards."""
    trace, _ = run([tool], act(tool.__name__, argument), finish("1"))
    assert trace.outcome == "finished"
    return trace.steps[0].observation, trace.steps[0].is_error


def test_a_tool_takes_its_schema_from_hints_and_its_description_from_the_docstring():
    def book(day: str, *, seats: int, price: float, quiet: bool = True) -> str:
        """Book a table."""

    tool = make_tool(book)
    assert (tool.name, tool.description, tool.function) == ("book", "Book a table.", book)
    kinds = {"day": "string", "seats": "integer", "price": "number", "quiet": "boolean"}
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    assert tool.parameters == close_schema({"type": "object", "properties": properties})
    assert make_tool(find_order).description == "Return the status of an order."
    assert make_tool(double).parameters["properties"] == {"number": {"type": "integer"}}  # a hint written as text


def make_function(parameters, doc="Do it."):
    """Return a function with these parameters and this docstring."""
    names: dict = {}
    exec(f"def odd({parameters}): {doc!r}", names)
    return names["odd"]


def test_a_function_that_is_no_tool_is_refused_with_the_reason():
    for parameters in ("text", "text: list[str]", "*text: str"):
        with pytest.raises(DataError, match="The parameter text of odd has no type that a tool can take"):
            make_tool(make_function(parameters))
    for function in (make_function("text: str", ""), lambda: "hello"):
        with pytest.raises(DataError, match=f"{function.__name__} has no docstring."):
            make_tool(function)


def test_an_agent_with_unusable_tools_or_examples_is_refused():
    def finish(text: str) -> str:
        """End."""

    for tools in ([], [find_order, make_tool(find_order)], [finish]):
        with pytest.raises(DataError, match="There is no tool, two share a name, or one is called finish"):
            Agent(FakeModel(), tools)
    for parameters in ("", "one: str, other: str"):
        with pytest.raises(DataError, match="The tool odd does not take exactly one argument"):
            Agent(FakeModel(), [find_order, make_function(parameters)])
    with pytest.raises(DataError, match="An example of the agent has no answer"):
        Agent(FakeModel(), [find_order], [Trace("Where is it?", None, (), "step limit")])


def test_an_agent_acts_and_finishes_each_step_held_to_a_schema_in_which_the_thought_stands_first():
    trace, model = run([find_order, double], act("find_order", "PW-1", "I look."), act("double", "21"), finish("42"))
    assert (trace.question, trace.answer, trace.outcome) == ("Where is it?", "42", "finished")
    assert trace.steps == (
        Step("I look.", "find_order", "PW-1", "PW-1 is on its way"),
        Step("Hm.", "double", "21", "42"),
    )
    assert trace.actions == ("find_order", "double")
    assert len(trace.replies) == len(model.asked) == 3
    assert list(model.schemas[0]["properties"]) == ["thought", "action", "argument"]
    _, model = run([find_order, double], finish("1"), examples=[trace])
    roles = "system user assistant user assistant user assistant user"
    assert " ".join(turn["role"] for turn in model.asked[0]) == roles
    assert json.loads(model.asked[0][6]["content"]) == act("finish", "42", "I know the answer.")


def test_a_run_ends_at_the_limit_at_a_reply_that_is_no_step_and_not_at_an_action_that_is_no_tool():
    for max_steps in (1, 3):
        trace, model = run([double], *[act("double", "1")] * 9, max_steps=max_steps)
        assert (trace.answer, trace.outcome, len(trace.steps)) == (None, "step limit", max_steps)
        assert len(model.asked) == len(trace.replies) == max_steps
    trace, _ = run([double], finish("Hello."), max_steps=1)  # to finish counts as a step
    assert (trace.answer, trace.steps, trace.outcome) == ("Hello.", (), "finished")
    for broken in ('{"thought": "I', ["a list"]):
        trace, _ = run([double], act("double", "4"), broken, finish("8"))
        assert (trace.answer, trace.outcome, trace.actions) == (None, "broken step", ("double",))
        assert len(trace.replies) == 2
    for step in (act("fly", "home"), {}):
        trace, _ = run([find_order, double], step, finish("1"))
        assert trace.steps[0].observation == f"There is no tool {step.get('action', '')}. Tools: find_order, double."
        assert (trace.steps[0].is_error, trace.outcome) == (True, "finished")
    with pytest.raises(BudgetExceeded):  # what the model raises comes through
        run([double], act("double", "4"), BudgetExceeded("It is spent.", "Raise it."))


def test_an_argument_is_read_as_the_type_of_the_hint_and_one_of_another_type_yields_an_observation():
    wanted = [
        (double, "21", "42"),
        (double, " -3 ", "-6"),
        (halve, "1e2", "50.0"),
        (say, "true", "HELLO"),
        (say, " False", "hello"),
        (find_order, "7", "7 is on its way"),
    ]
    for tool, argument, said in wanted:
        assert observe(tool, argument) == (said, False)
    for tool, kind, argument in [(double, "integer", "2.5"), (halve, "number", "1,5"), (say, "boolean", "1")]:
        assert observe(tool, argument) == (f"{tool.__name__} takes a value of type {kind}, not “{argument}”.", True)


def make_giving(value):
    """Return a tool that gives a value, or raises it."""

    def give(text: str) -> object:
        """Give something."""
        if isinstance(value, BaseException):
            raise value
        return value

    return give


def test_what_a_tool_returns_or_raises_is_observed_as_text_and_cut_where_it_is_long():
    for error, said in (
        (ValueError("no such order"), "give failed: ValueError: no such order"),
        (SystemExit(3), "give failed: SystemExit: 3"),
        (KeyboardInterrupt(), "give failed: KeyboardInterrupt: "),
    ):
        assert observe(make_giving(error), "") == (said, True)
    for value, text in ((None, "None"), (1.5, "1.5"), ([1, "a"], "[1, 'a']"), ("", "")):
        assert observe(make_giving(value), "") == (text, False)
    whole = "x" * MAX_OBSERVATION
    assert observe(make_giving(whole), "") == (whole, False)
    assert observe(make_giving(whole + "x"), "") == (f"{whole} …", False)
    assert len(observe(make_giving(ValueError("x" * 9000)), "")[0]) == MAX_OBSERVATION + 2


def test_a_tool_that_never_returns_is_left_behind_and_does_not_answer_the_next_step(monkeypatch):
    monkeypatch.setattr(agent, "TOOL_TIMEOUT_S", 0.2)
    end = threading.Event()

    def wait(text: str) -> str:
        """Wait where it is told so."""
        if text == "long":
            end.wait(60)
        return f"after {text}"

    started = time.perf_counter()
    trace, _ = run([wait], act("wait", "long"), act("wait", "short"), finish("1"))
    took_s = time.perf_counter() - started
    left = [thread for thread in threading.enumerate() if thread.name == "tool wait"]
    end.set()
    assert 0.2 <= took_s < 2
    assert [step.observation for step in trace.steps] == ["wait gave no result within 0.2 s.", "after short"]
    assert [step.is_error for step in trace.steps] == [True, False]
    assert [thread.daemon for thread in left] == [True]  # it does not hold the process


STEPS = (
    Step("I <i>look</i>.", "find_order", "<script>alert(1)</script>", "a & b"),
    Step("Again.", "double", "x", "double takes a value of type integer, not “x”.", is_error=True),
    Step("Once more.", "double", "2", "4"),
)


def test_a_trace_is_drawn_escaped_with_marks_at_what_failed():
    shown = Trace("Is 1 < 2?", "<b>yes</b>", STEPS, "finished")._repr_html_()
    assert not re.search(r"<(script|i)\b|<b>yes", shown)
    for text in ("Is 1 < 2?", "<b>yes</b>", "I <i>look</i>.", "<script>alert(1)</script>", "a & b"):
        assert html.escape(text) in shown
    assert ["⚠" in row for row in shown.split("<tr>")[2:]] == [False, True, False]
