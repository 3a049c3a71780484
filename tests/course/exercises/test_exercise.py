"""Claims about one exercise: four outcomes with a next step each, hints, a solution, a view with buttons."""

import datetime

import numpy as np
import pytest
from widget_views import ESCAPED, EVIL

from llmops_utils.core import RecordingMissing
from llmops_utils.course.exercises.exercise import Exercise, Outcome, is_blank
from llmops_utils.course.graders import GRADERS
from llmops_utils.course.graders.checks import Wrong, call_learner
from llmops_utils.course.progress import Progress

TEXTS = {
    "id": "07.2",
    "title": "The square",
    "variable": "square",
    "task": "Write square(number).",
    "hints": ("Something times itself.", "Use the star.", "number * number"),
    "solution": "def square(number):\n    return number * number\n",
    "right": "Squares are never negative.",
}


def grade_square(function):
    for number, expected in [(2, 4), (-3, 9)]:
        found = call_learner(function, number)
        if found != expected:
            raise Wrong(f"For {number} it returned {found}.")


def square(number):
    return number * number


def double(number):
    return number + number


def divide(number):
    return number / 0


@pytest.fixture
def make_exercise(monkeypatch):
    """A maker of exercises; the grader takes the place of the one that the id would find."""

    def make(grade=grade_square, **changes):
        monkeypatch.setitem(GRADERS, "07.2", grade)
        return Exercise(**(TEXTS | changes))

    return make


def test_each_outcome_has_its_own_state_title_colour_and_next_step(make_exercise):
    assert make_exercise(lambda answer: "Said by the grader.").check(4).message == "Said by the grader."
    expected = [
        (square, "right", "success", "Right.", "Squares are never negative."),
        (double, "wrong", "warning", "Not yet.", "For -3 it returned -6. A hint: q2.hint()."),
        (divide, "raised", "danger", "Your code ended in an error.", "called with (2). Run it with these arguments"),
        (..., "not attempted", "info", "Not attempted.", "Put your answer into `square`, run that cell, then check"),
    ]
    for answer, state, style, title, message in expected:
        outcome = make_exercise().check(answer)
        html = outcome._repr_html_()
        assert outcome.state == state
        assert outcome.is_right is (state == "right")
        assert message in outcome.message
        assert repr(outcome) == f"{state}: {outcome.message}"
        assert f"<strong>{title}</strong>" in html
        assert f"alert-{style}" in html


def test_what_stumbles_over_the_form_of_an_answer_says_so_and_does_not_stop_the_notebook(make_exercise):
    for answer in (4, "number * number", [1, 2], {"a": 1}, np.arange(3), lambda: 4):
        outcome = make_exercise().check(answer)
        assert outcome.state == "raised"
        assert "not callable" in outcome.message or "positional argument" in outcome.message
    outcome = make_exercise(lambda answer: answer["total"] + 1).check("text")
    assert (outcome.state, "TypeError" in outcome.message, "hint" in outcome.message) == ("wrong", True, True)
    told = make_exercise(lambda function: call_learner(function, "x" * 5000)).check(divide)
    assert len(told.message) < 400


def test_what_was_not_recorded_is_told_whether_the_grader_or_the_answer_asks(make_exercise):
    def ask(*_):
        raise RecordingMissing("There is no recording.", "Run it live.")

    for outcome in (make_exercise(ask).check(square), make_exercise().check(ask)):
        assert (outcome.state, "LLMOPS_MODE=auto" in outcome.message) == ("wrong", True)


def blank(number): ...


def blank_with_docstring(number):
    """Return the square."""
    ...


def only_docstring(number):
    """Return the square."""


def forgets_to_return(number):
    number * number


def test_a_placeholder_is_not_attempted_and_a_function_that_does_something_is(make_exercise, progress_file):
    functions = [blank, blank_with_docstring, only_docstring, lambda number: ...]
    for answer in [..., None, *functions]:
        assert is_blank(answer)
        assert make_exercise().check(answer).state == "not attempted"
    assert not progress_file.exists()
    for answer in (lambda number: 0, lambda number: False, lambda number: "", lambda number: number, forgets_to_return):
        assert not is_blank(answer)
        assert make_exercise().check(answer).state == "wrong"
    assert [answer for answer in (0, False, "", [], np.zeros(2), len) if is_blank(answer)] == []


def test_a_right_answer_marks_progress_and_nothing_else(make_exercise, progress_file):
    exercise = make_exercise()
    for answer in (double, divide, blank, ..., 7):
        exercise.check(answer)
    exercise.hint()
    exercise.solution()
    assert not progress_file.exists()
    exercise.check(square)
    exercise.check(double)
    assert Progress().read() == {"07.2": datetime.date.today().isoformat()}


def test_hints_go_from_first_to_last_and_a_reset_opens_the_exercise_and_begins_anew(make_exercise):
    exercise = make_exercise()
    messages = [exercise.hint().message for _ in range(5)]
    assert messages[0] == "Hint 1 of 3: Something times itself. (There is another one.)"
    assert messages[1] == "Hint 2 of 3: Use the star. (There is another one.)"
    assert messages[2:] == ["Hint 3 of 3: number * number"] * 3
    exercise.check(square)
    Progress().mark_done("07.3")
    assert exercise.reset().message == "Exercise 07.2 is open again."
    assert list(Progress().read()) == ["07.3"]
    assert exercise.hint().message.startswith("Hint 1 of 3")


def test_check_finds_the_variable_in_the_notebook_unless_an_answer_is_given(make_exercise, names, monkeypatch):
    exercise = make_exercise()
    assert exercise.check().state == "not attempted"
    names["square"] = double
    assert [exercise.check().state, exercise.check(square).state] == ["wrong", "right"]
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert exercise.check().state == "not attempted"


def test_markup_is_escaped_everywhere_and_what_stands_in_back_ticks_is_code(make_exercise, show):
    def fail(number):
        raise ValueError(EVIL)

    shown = show(make_exercise(title=EVIL, task=EVIL))
    outcomes = Outcome("wrong", EVIL)._repr_html_(), make_exercise().check(fail)._repr_html_()
    assert shown.data["text/html"].count(ESCAPED) == shown.read().count(ESCAPED) == 2
    assert [outcome.count(ESCAPED) for outcome in outcomes] == [1, 1]
    assert "<script" not in shown.data["text/html"] + shown.read() + "".join(outcomes)
    assert "Use <code>&lt;b&gt;</code>." in Outcome("wrong", "Use `<b>`.")._repr_html_()


def test_a_click_shows_the_outcome_below(make_exercise, names, show):
    names["square"] = square
    shown = show(make_exercise())
    assert list(shown.buttons) == ["Check", "Hint", "Solution", "Reset"]
    told = (
        ("Check", "<strong>Right.</strong> "),
        ("Hint", "<strong>Hint.</strong> "),
        ("Hint", "Hint 2 of 3: Use the star."),
        ("Solution", "<strong>Solution.</strong> "),
        ("Solution", "One solution:\ndef square(number):\n    return number * number"),
        ("Reset", "<strong>Open again.</strong> "),
    )
    assert [(name, text) for name, text in told if text not in shown.click(name)] == []
    assert Progress().read() == {}
