"""Claims about the trace inspector: it replays what is there, judges by answer and by tools, and escapes markup."""

import ipywidgets
import pytest

from llmops_utils.agents import Step, Trace
from llmops_utils.core import DataError
from llmops_utils.course.widgets.trace_inspector import TraceInspector
from llmops_utils.datasets import Task

EVIL = "<script>alert('x')</script>"
ORDER = Step("It is an order.", "find_order", "PW-30287", "3 x Nuvia 1.5, 49.90 EUR each")
SUM = Step("I add up.", "calculate", "3 * 49.90", "149.7")


def make_task(question, answer, *tools):
    return Task(question, "dev", "order", question, answer, tools)


TASKS = [
    make_task("What is the value of PW-30287?", "149.7", "find_order", "calculate"),
    make_task("Which model is it?", "Nuvia 1.5", "find_order"),
]
TRACES = [
    Trace(TASKS[0].question, "149.70", (ORDER, SUM), "finished"),
    Trace(TASKS[1].question, None, (ORDER, ORDER, ORDER), "step limit"),
]


@pytest.fixture
def inspector():
    return TraceInspector(TRACES, TASKS)


def walk(widget):
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def find_button(inspector, name):
    return next(one for one in walk(inspector) if isinstance(one, ipywidgets.Button) and one.description == name)


def test_it_begins_with_the_question_alone(inspector):
    assert inspector.num_steps == 0
    assert TASKS[0].question in inspector.view.value
    assert "I add up." not in inspector.view.value
    assert "Answer" not in inspector.view.value


def test_each_step_forward_shows_one_more_and_then_the_answer(inspector):
    find_button(inspector, "Forward").click()
    assert "It is an order." in inspector.view.value
    assert "I add up." not in inspector.view.value
    find_button(inspector, "Forward").click()
    assert "I add up." in inspector.view.value
    assert "Answer" not in inspector.view.value
    find_button(inspector, "Forward").click()
    assert "149.70" in inspector.view.value
    assert "✓ right" in inspector.view.value
    assert "✓ as expected" in inspector.view.value


def test_a_step_back_hides_the_answer_and_its_verdict(inspector):
    find_button(inspector, "To the end").click()
    find_button(inspector, "Back").click()
    assert inspector.num_steps == 2
    assert "✓ right" not in inspector.view.value


def test_buttons_that_lead_nowhere_are_disabled(inspector):
    names = ("To the start", "Back", "Forward", "To the end")
    assert [find_button(inspector, name).disabled for name in names] == [True, True, False, False]
    inspector.go_to(99)
    assert inspector.num_steps == 3
    assert [find_button(inspector, name).disabled for name in names] == [False, False, True, True]


def test_another_question_begins_at_its_start(inspector):
    inspector.go_to(2)
    inspector.menu.value = 1
    assert inspector.num_steps == 0
    assert TASKS[1].question in inspector.view.value


def test_a_trace_without_an_answer_is_wrong_by_answer_and_by_tools(inspector):
    inspector.menu.value = 1
    inspector.go_to(4)
    assert "✗ wrong, expected Nuvia 1.5" in inspector.view.value
    assert "✗ expected find_order" in inspector.view.value
    assert inspector.is_right == [True, False]
    assert inspector.has_tools == [True, False]


def test_without_a_kernel_a_table_of_all_traces_is_shown(inspector):
    bundle = inspector._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == ("Trace inspector: 2 questions, 1 answers right, 1 with the expected tools.")
    for text in ("<table", TASKS[0].question, TASKS[1].question, "find_order → calculate", "149.70", "✗ Nuvia 1.5"):
        assert text in data["text/html"]


def test_a_trace_without_steps_goes_from_the_question_to_the_answer():
    task = make_task("Which?", "none")
    inspector = TraceInspector([Trace("Which?", "none", (), "finished")], [task])
    find_button(inspector, "Forward").click()
    assert "✓ as expected" in inspector.view.value


def test_markup_in_model_text_is_escaped_everywhere():
    task = make_task(EVIL, EVIL, "find_order")
    inspector = TraceInspector([Trace(EVIL, EVIL, (Step(EVIL, EVIL, EVIL, EVIL),), "finished")], [task])
    inspector.go_to(2)
    assert "<script" not in inspector.view.value + inspector.static_html
    assert "&lt;script&gt;" in inspector.view.value


@pytest.mark.parametrize(("traces", "tasks"), [([], []), (TRACES, TASKS[:1]), (TRACES, TASKS[::-1])])
def test_traces_and_tasks_that_do_not_belong_together_are_refused(traces, tasks):
    with pytest.raises(DataError, match="do not belong together"):
        TraceInspector(traces, tasks)
