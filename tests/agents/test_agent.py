"""Claims about tools and the agent, with a fake model that replies by a script."""

import copy
import html
import json
import re
import threading
import time

import pytest
from fake_provider import FakeProvider

from llmops_utils.agents.agent import MAX_OBSERVATION, Agent, Step, Tool, Trace, draw_trace, make_tool
from llmops_utils.core import BudgetExceeded, DataError
from llmops_utils.datasets import Example
from llmops_utils.evaluation import ExactMatch
from llmops_utils.evaluation.run import Answer, describe_code, evaluate
from llmops_utils.models import Model, Provenance, Reply


class FakeModel:
    """Replies by a script: dicts are parsed replies, errors are raised, anything else is what was not parsed.

    Attributes:
        asked: the messages of each call, as they were then.
        options: the other arguments of each call.
    """

    def __init__(self, *script):
        self.script = list(script)
        self.asked = []
        self.options = []

    def __repr__(self):
        return "FakeModel()"

    def chat(self, messages, **options):
        self.asked.append(copy.deepcopy(messages))
        self.options.append(options)
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


def double(number: int) -> int:
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


# --- tools ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name", "kind", "description"),
    [
        (find_order, "order_id", "string", "Return the status of an order."),
        (double, "number", "integer", "Double a whole number."),
        (halve, "number", "number", "Halve a number."),
        (say, "loud", "boolean", "Say hello, loud or not."),
    ],
)
def test_a_tool_takes_its_schema_from_hints_and_its_description_from_the_docstring(function, name, kind, description):
    tool = make_tool(function)
    assert tool.name == function.__name__
    assert tool.description == description
    assert tool.function is function
    assert tool.parameters == {
        "type": "object",
        "properties": {name: {"type": kind}},
        "required": [name],
        "additionalProperties": False,
    }


def test_a_tool_may_take_several_arguments_in_their_order():
    def book(day: str, *, seats: int, quiet: bool = True) -> str:
        """Book a table."""

    assert make_tool(book).parameters == {
        "type": "object",
        "properties": {"day": {"type": "string"}, "seats": {"type": "integer"}, "quiet": {"type": "boolean"}},
        "required": ["day", "seats", "quiet"],
        "additionalProperties": False,
    }


def test_a_hint_may_be_written_as_text():
    def later(number: "int") -> str:
        """Take a number."""

    assert make_tool(later).parameters["properties"] == {"number": {"type": "integer"}}


def no_hint(text) -> str:
    """Have no hint."""


def list_hint(texts: list[str]) -> str:
    """Take a list."""


def optional_hint(text: str | None) -> str:
    """Take a text or nothing."""


def any_hint(thing: object) -> str:
    """Take anything."""


def many(*texts: str) -> str:
    """Take many."""


def named(**texts: str) -> str:
    """Take many by name."""


def by_place(text: str, /) -> str:
    """Take one by its place."""


def no_docstring(text: str) -> str:
    return text


def empty_docstring(text: str) -> str:
    """ """


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_hint, "The parameter text of no_hint has no type that a tool can take."),
        (list_hint, "The parameter texts of list_hint has no type"),
        (optional_hint, "The parameter text of optional_hint has no type"),
        (any_hint, "The parameter thing of any_hint has no type"),
        (many, "The parameter texts of many has no type"),
        (named, "The parameter texts of named has no type"),
        (by_place, "The parameter text of by_place has no type"),
        (len, "The parameter obj of len has no type"),
        (no_docstring, "no_docstring has no docstring."),
        (empty_docstring, "empty_docstring has no docstring."),
        (lambda: "hello", "<lambda> has no docstring."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_that_is_no_tool_is_refused_with_the_reason(function, said):
    with pytest.raises(DataError) as caught:
        make_tool(function)
    assert caught.value.problem.startswith(said)
    assert caught.value.next_step in (
        "Give it one of the hints str, int, float or bool.",
        "Write one line that tells the model what it does.",
    )


# --- the agent is built --------------------------------------------------------------------------------------


def finish_tool(text: str) -> str:
    """End."""


def nothing() -> str:
    """Take nothing."""


def two(one: str, other: str) -> str:
    """Take two."""


finish_tool.__name__ = "finish"


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        ([], "There is no tool, two share a name, or one is called finish."),
        ([find_order, find_order], "There is no tool, two share a name, or one is called finish."),
        ([find_order, make_tool(find_order)], "There is no tool, two share a name, or one is called finish."),
        ([finish_tool], "There is no tool, two share a name, or one is called finish."),
        ([find_order, nothing], "The tool nothing does not take exactly one argument."),
        ([two], "The tool two does not take exactly one argument."),
        ([no_hint], "The parameter text of no_hint has no type"),
    ],
    ids=["none", "twice", "twice in two forms", "finish", "no argument", "two arguments", "no hint"],
)
def test_an_agent_with_unusable_tools_is_refused(tools, said):
    with pytest.raises(DataError) as caught:
        Agent(FakeModel(), tools)
    assert caught.value.problem.startswith(said)


@pytest.mark.parametrize("max_steps", [0, -1])
def test_an_agent_without_steps_is_refused(max_steps):
    with pytest.raises(DataError, match=f"{max_steps} steps are too few"):
        Agent(FakeModel(), [double], max_steps=max_steps)


def test_an_agent_names_its_tools():
    assert repr(Agent(FakeModel(), [find_order, double])).startswith(
        "Agent(FakeModel(), ['find_order', 'double'], 4 steps"
    )


def test_building_an_agent_asks_nothing():
    model = FakeModel()
    Agent(model, [double])
    assert model.asked == []


def test_a_step_is_held_to_the_tools_and_thought_stands_before_action():
    agent = Agent(FakeModel(), [find_order, double], max_thought=50)
    assert list(agent.schema["properties"]) == ["thought", "action", "argument"]
    assert agent.schema == {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "maxLength": 50},
            "action": {"type": "string", "enum": ["find_order", "double", "finish"]},
            "argument": {"type": "string", "maxLength": 50},
        },
        "required": ["thought", "action", "argument"],
        "additionalProperties": False,
    }


# --- a run ---------------------------------------------------------------------------------------------------


def test_an_agent_acts_and_finishes():
    trace, model = run([find_order, double], act("find_order", "PW-1", "I look."), act("double", "21"), finish("42"))
    assert (trace.question, trace.answer, trace.outcome) == ("Where is it?", "42", "finished")
    assert trace.steps == (
        Step("I look.", "find_order", "PW-1", "PW-1 is on its way"),
        Step("Hm.", "double", "21", "42"),
    )
    assert trace.actions == ("find_order", "double")
    assert len(trace.replies) == len(model.asked) == 3


def test_an_agent_may_finish_at_once():
    trace, _ = run([double], finish("Hello."))
    assert (trace.answer, trace.steps, trace.outcome) == ("Hello.", (), "finished")


@pytest.mark.parametrize("max_steps", [1, 3])
def test_an_agent_that_does_not_finish_stops_at_the_limit(max_steps):
    trace, model = run([double], *[act("double", "1")] * 9, max_steps=max_steps)
    assert (trace.answer, trace.outcome, len(trace.steps)) == (None, "step limit", max_steps)
    assert len(model.asked) == len(trace.replies) == max_steps


def test_finishing_counts_as_a_step():
    assert run([double], act("double", "1"), finish("2"), max_steps=2)[0].outcome == "finished"
    assert run([double], act("double", "1"), finish("2"), max_steps=1)[0].outcome == "step limit"


@pytest.mark.parametrize("broken", ['{"thought": "I', ["a list"]], ids=["cut off", "list"])
def test_a_reply_that_is_no_step_ends_the_run_as_broken(broken):
    trace, _ = run([double], act("double", "4"), broken, finish("8"))
    assert (trace.answer, trace.outcome, trace.actions, len(trace.replies)) == (None, "broken step", ("double",), 2)


def test_what_the_model_raises_comes_through():
    with pytest.raises(BudgetExceeded):
        run([double], act("double", "4"), BudgetExceeded("It is spent.", "Raise it."))


@pytest.mark.parametrize("step", [act("fly", "home"), {"thought": "Hm."}, {}], ids=["unknown", "no action", "empty"])
def test_an_action_that_is_no_tool_yields_an_observation_and_the_run_goes_on(step):
    trace, _ = run([find_order, double], step, finish("1"))
    assert trace.steps[0].observation == f"There is no tool {step.get('action', '')}. Tools: find_order, double."
    assert trace.steps[0].is_error
    assert trace.outcome == "finished"


def test_two_runs_of_an_agent_know_nothing_of_each_other():
    model = FakeModel(act("double", "4"), finish("8"), finish("9"))
    agent = Agent(model, [double])
    agent.run("One?")
    second = agent.run("Two?")
    assert second.steps == ()
    assert model.asked[2] == [model.asked[0][0], {"role": "user", "content": "Two?"}]


# --- arguments -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "argument", "observation"),
    [
        (double, "21", "42"),
        (double, " -3 ", "-6"),
        (halve, "3", "1.5"),
        (halve, "1e2", "50.0"),
        (say, "true", "HELLO"),
        (say, " False", "hello"),
        (find_order, "", " is on its way"),
        (find_order, "7", "7 is on its way"),
    ],
)
def test_an_argument_is_read_as_the_type_of_the_hint(tool, argument, observation):
    step = run([tool], act(tool.__name__, argument), finish("1"))[0].steps[0]
    assert (step.observation, step.is_error) == (observation, False)


@pytest.mark.parametrize(
    ("tool", "argument", "kind"),
    [
        (double, "many", "integer"),
        (double, "2.5", "integer"),
        (double, "", "integer"),
        (halve, "1,5", "number"),
        (say, "yes", "boolean"),
        (say, "1", "boolean"),
        (say, "", "boolean"),
    ],
)
def test_an_argument_of_another_type_yields_an_observation(tool, argument, kind):
    trace, _ = run([tool], act(tool.__name__, argument), finish("1"))
    assert trace.steps[0].observation == f"{tool.__name__} takes a value of type {kind}, not “{argument}”."
    assert trace.steps[0].is_error
    assert trace.outcome == "finished"


def test_an_argument_that_is_no_text_is_read_as_one():
    assert run([double], act("double", 21), finish("1"))[0].steps[0].observation == "42"
    assert run([say], act("say", True), finish("1"))[0].steps[0].observation == "HELLO"


# --- tools that fail -----------------------------------------------------------------------------------------


def make_failing(error):
    def fail(text: str) -> str:
        """Fail."""
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such order"), "fail failed: ValueError: no such order"),
        (KeyError("PW-1"), "fail failed: KeyError: 'PW-1'"),
        (SystemExit(3), "fail failed: SystemExit: 3"),
        (KeyboardInterrupt(), "fail failed: KeyboardInterrupt: "),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_tool_that_raises_yields_an_observation_and_the_run_goes_on(error, said):
    trace, model = run([make_failing(error)], act("fail"), finish("1"))
    assert (trace.steps[0].observation, trace.steps[0].is_error) == (said, True)
    assert trace.outcome == "finished"
    assert model.asked[1][-1] == {"role": "user", "content": f"Observation: {said}"}


def test_a_tool_that_never_returns_is_left_behind():
    end = threading.Event()

    def wait(text: str) -> str:
        """Wait for ever."""
        end.wait(60)
        return "too late"

    started = time.perf_counter()
    trace, _ = run([wait], act("wait"), finish("1"), tool_timeout_s=0.2)
    took_s = time.perf_counter() - started
    left = [thread for thread in threading.enumerate() if thread.name == "tool wait"]
    end.set()
    assert 0.2 <= took_s < 2
    assert (trace.steps[0].observation, trace.steps[0].is_error) == ("wait gave no result within 0.2 s.", True)
    assert (trace.outcome, trace.answer) == ("finished", "1")
    assert [thread.daemon for thread in left] == [True]  # it does not hold the process


def test_a_tool_that_is_late_in_one_step_does_not_answer_the_next():
    end = threading.Event()

    def wait(text: str) -> str:
        """Wait where it is told so."""
        if text == "long":
            end.wait(60)
        return f"after {text}"

    trace, _ = run([wait], act("wait", "long"), act("wait", "short"), finish("1"), tool_timeout_s=0.1)
    end.set()
    assert [step.observation for step in trace.steps] == ["wait gave no result within 0.1 s.", "after short"]


@pytest.mark.parametrize(("num", "cut"), [(MAX_OBSERVATION, ""), (MAX_OBSERVATION + 1, " …"), (9000, " …")])
def test_a_long_observation_is_cut(num, cut):
    def read(text: str) -> str:
        """Read much."""
        return "x" * num

    trace, model = run([read], act("read"), finish("1"))
    assert trace.steps[0].observation == "x" * MAX_OBSERVATION + cut
    assert model.asked[1][-1]["content"] == f"Observation: {'x' * MAX_OBSERVATION}{cut}"


def test_a_long_error_is_cut_as_well():
    trace, _ = run([make_failing(ValueError("x" * 9000))], act("fail"), finish("1"))
    assert len(trace.steps[0].observation) == MAX_OBSERVATION + 2


@pytest.mark.parametrize(("value", "text"), [(None, "None"), (1.5, "1.5"), ([1, "a"], "[1, 'a']"), ("", "")])
def test_what_a_tool_returns_is_observed_as_text(value, text):
    def give(text: str) -> object:
        """Give something."""
        return value

    assert run([give], act("give"), finish("1"))[0].steps[0] == Step("Hm.", "give", "", text)


def test_a_tool_may_be_made_by_hand():
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = Tool("weather", "Tell the weather.", parameters, lambda city: f"rain in {city}")
    assert run([tool], act("weather", "Gent"), finish("1"))[0].steps[0].observation == "rain in Gent"


# --- what the model sees -------------------------------------------------------------------------------------

EXAMPLE = Trace(
    "Where is PW-7?", "on its way", (Step("I look it up.", "find_order", "PW-7", "“on its way”"),), "finished"
)
INSTRUCTION = (
    "Answer the question with the tools.\n"
    "- find_order: Return the status of an order.\n"
    "- double: Double a whole number.\n"
    "- finish: gives the answer\n"
    "Reply in JSON, one step at a time."
)


def test_the_model_sees_instruction_examples_and_question_and_then_each_step():
    trace, model = run([find_order, double], act("double", "2", "Où?"), finish("4"), examples=[EXAMPLE])
    first = [
        {"role": "system", "content": INSTRUCTION},
        {"role": "user", "content": "Where is PW-7?"},
        {
            "role": "assistant",
            "content": '{"thought": "I look it up.", "action": "find_order", "argument": "PW-7"}',
        },
        {"role": "user", "content": "Observation: “on its way”"},
        {
            "role": "assistant",
            "content": '{"thought": "I know the answer.", "action": "finish", "argument": "on its way"}',
        },
        {"role": "user", "content": "Where is it?"},
    ]
    assert model.asked[0] == first
    assert model.asked[1] == [
        *first,
        {"role": "assistant", "content": '{"thought": "Où?", "action": "double", "argument": "2"}'},
        {"role": "user", "content": "Observation: 4"},
    ]
    assert trace.answer == "4"


def test_each_reply_is_held_to_the_schema():
    agent = Agent(FakeModel(act("double", "2"), finish("4")), [double])
    agent.run("Two?")
    assert agent.model.options == [{"schema": agent.schema, "max_tokens": 160}] * 2


def test_the_turns_of_an_example_are_steps_that_the_schema_allows():
    agent = Agent(FakeModel(), [find_order], [EXAMPLE])
    for message in agent.prefix:
        if message["role"] == "assistant":
            step = json.loads(message["content"])
            assert list(step) == list(agent.schema["properties"])
            assert step["action"] in agent.schema["properties"]["action"]["enum"]


def test_an_example_without_an_answer_is_refused():
    with pytest.raises(DataError):
        Agent(FakeModel(), [find_order], [Trace("Where is it?", None, (), "step limit")])


def test_over_a_server_the_schema_is_sent_and_the_steps_are_read(monkeypatch):
    steps = [act("double", "21"), finish("42")]
    with FakeProvider() as fake:
        settings = {"MODE": "live", "PROVIDER": "vllm", "BASE_URL": fake.base_url, "MODEL": "fake", "RETRIES": "0"}
        for name, value in settings.items():
            monkeypatch.setenv(f"LLMOPS_{name}", value)
        fake.answer = lambda body: json.dumps(steps[len(fake.bodies) - 1])
        agent = Agent(Model("01_test"), [double])
        trace = agent.run("Twice 21?")
        assert (trace.answer, trace.actions, trace.steps[0].observation) == ("42", ("double",), "42")
        assert [reply.prompt_tokens for reply in trace.replies] == [12, 12]
        for body in fake.bodies:
            assert body["response_format"]["json_schema"]["schema"] == agent.schema
            assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == [
                *("thought", "action", "argument"),
            ]
        assert [message["role"] for message in fake.bodies[1]["messages"]] == ["system", "user", "assistant", "user"]


# --- traces --------------------------------------------------------------------------------------------------

TRACE = Trace(
    "Is 1 < 2?",
    "<b>yes</b>",
    (
        Step("I <i>look</i>.", "find_order", "<script>alert(1)</script>", "a & b", False),
        Step("Again.", "double", "x", "double takes a value of type integer, not “x”.", True),
        Step("Once more.", "double", "2", "4", False),
    ),
    "finished",
)


def test_a_trace_becomes_dicts_that_json_can_hold():
    found = TRACE.to_dicts()
    assert json.loads(json.dumps(found)) == found
    assert found[1] == {
        **{"thought": "Again.", "action": "double", "argument": "x", "is_error": True},
        "observation": "double takes a value of type integer, not “x”.",
    }


def test_a_trace_reads_as_thought_action_and_observation():
    assert str(TRACE).splitlines()[:4] == [
        "Question: Is 1 < 2?",
        "1. Thought: I <i>look</i>.",
        "   Action: find_order(<script>alert(1)</script>)",
        "   Observation: a & b",
    ]
    assert str(TRACE).splitlines()[-1] == "Answer: <b>yes</b> (finished)"


def test_html_of_a_trace_is_escaped():
    shown = TRACE._repr_html_()
    assert not re.search(r"<(script|i)\b|<b>yes", shown)
    for text in ("Is 1 < 2?", "<b>yes</b>", "I <i>look</i>.", "<script>alert(1)</script>", "a & b"):
        assert html.escape(text) in shown


def test_html_marks_the_steps_that_failed():
    rows = draw_trace(TRACE).split("<tr>")[2:]
    assert ["⚠" in row for row in rows] == [False, True, False]


@pytest.mark.parametrize(
    ("num_steps", "num_rows", "has_answer"),
    [(0, 0, False), (1, 1, False), (3, 3, False), (4, 3, True), (99, 3, True), (None, 3, True)],
)
def test_a_trace_is_drawn_step_by_step_and_its_answer_last(num_steps, num_rows, has_answer):
    shown = draw_trace(TRACE, num_steps)
    assert shown.count("<tr>") == 1 + num_rows
    assert ("<b>Answer:</b>" in shown) == has_answer
    assert html.escape(TRACE.question) in shown


# --- in an evaluation ----------------------------------------------------------------------------------------


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))


def make_system(agent):
    def answer(text):
        trace = agent.run(text)
        return Answer(trace.answer, trace.replies, trace.to_dicts())

    return answer


def test_an_agent_can_be_evaluated(home):
    model = FakeModel(act("double", "2"), finish("4"), finish("8"))
    examples = [Example("a", "Twice 2?", "4"), Example("b", "Twice 3?", "6")]
    report = evaluate(make_system(Agent(model, [double])), examples, ExactMatch(), parallel=1)
    assert list(report.scores) == [1, 0]
    assert [(row.prompt_tokens, row.num_calls, row.latency_s) for row in report.rows] == [(20, 2, 1.0), (10, 1, 0.5)]
    assert report.rows[0].trace == [
        {"thought": "Hm.", "action": "double", "argument": "2", "observation": "4", "is_error": False}
    ]


def test_an_agent_that_gives_up_scores_0(home):
    model = FakeModel(act("double", "2"), '{"thought": "I', finish("4"))
    examples = [Example("a", "Twice 2?", "4"), Example("b", "And?", "4")]
    report = evaluate(make_system(Agent(model, [double])), examples, ExactMatch(), parallel=1)
    assert [(row.score, row.error) for row in report.rows] == [(0.0, ""), (1.0, "")]


def shout(text: str) -> str:
    """Return the status of an order."""
    return text.upper()


shout.__name__ = "find_order"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Agent(FakeModel(), [find_order], [EXAMPLE]), id="example"),
        pytest.param(Agent(FakeModel(), [find_order], max_thought=60), id="longest thought"),
        pytest.param(Agent(FakeModel(), [find_order], max_steps=3), id="steps"),
        pytest.param(Agent(FakeModel(), [double]), id="tool"),
        pytest.param(Agent(FakeModel(), [shout]), id="code of a tool"),
        pytest.param(Agent(FakeModel(), [find_order], tool_timeout_s=1.0), id="timeout"),
    ],
)
def test_a_changed_agent_is_another_system(other):
    assert describe_code(make_system(Agent(FakeModel(), [find_order]))) != describe_code(make_system(other))


def test_the_same_agent_is_the_same_system():
    one, other = (make_system(Agent(FakeModel(), [find_order], [EXAMPLE])) for _ in range(2))
    assert describe_code(one) == describe_code(other)
