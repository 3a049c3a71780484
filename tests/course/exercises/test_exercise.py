"""Claims about one exercise: four outcomes with a next step each, hints, a solution, a view with buttons."""

import datetime

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets import widget as widget_module

from llmops_utils.course.exercises.exercise import Exercise, Outcome, is_blank
from llmops_utils.course.graders import GRADERS
from llmops_utils.course.graders.checks import Wrong, call_learner
from llmops_utils.course.progress import Progress

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
VIEW = "application/vnd.jupyter.widget-view+json"
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


def test_what_the_grader_says_goes_before_the_text_for_right_answers(make_exercise):
    assert make_exercise(lambda answer: "Said by the grader.").check(4).message == "Said by the grader."


def test_long_arguments_of_raising_code_are_cut(make_exercise):
    def fail(text):
        raise ValueError("no")

    exercise = make_exercise(lambda function: call_learner(function, "x" * 5000))
    assert len(exercise.check(fail).message) < 400


def test_a_function_with_too_few_parameters_raises_and_is_told_so(make_exercise):
    outcome = make_exercise().check(lambda: 4)
    assert outcome.state == "raised"
    assert "positional argument" in outcome.message


def test_an_answer_of_another_kind_is_told_and_does_not_stop_the_notebook(make_exercise):
    for answer in (4, "number * number", [1, 2], {"a": 1}, np.arange(3)):
        outcome = make_exercise().check(answer)
        assert outcome.state in ("wrong", "raised")
        assert "not callable" in outcome.message


def test_a_grader_that_stumbles_over_the_form_of_an_answer_says_wrong(make_exercise):
    outcome = make_exercise(lambda answer: answer["total"] + 1).check("text")
    assert outcome.state == "wrong"
    assert "TypeError" in outcome.message
    assert "hint" in outcome.message


# What counts as not attempted


def blank(number): ...


def blank_with_docstring(number):
    """Return the square."""
    ...


def only_docstring(number):
    """Return the square."""


def blank_with_annotations(number: int = 3, *rest: int, **options: str) -> int: ...


def passes(number):
    pass


def returns_none(number):
    return None


def forgets_to_return(number):
    number * number


def test_a_placeholder_is_not_attempted(make_exercise, progress_file):
    functions = [blank, blank_with_docstring, only_docstring, blank_with_annotations, lambda: ..., lambda number: ...]
    for answer in [..., None, *functions]:
        assert is_blank(answer)
        assert make_exercise().check(answer).state == "not attempted"
    assert not progress_file.exists()


def test_a_function_that_does_nothing_is_not_attempted_or_wrong(make_exercise):
    for answer in (passes, returns_none, lambda number: None):
        assert make_exercise().check(answer).state in ("not attempted", "wrong")


def test_a_function_that_does_something_is_attempted(make_exercise):
    for answer in (
        lambda number: 0,
        lambda number: False,
        lambda number: "",
        lambda number: number,
        forgets_to_return,
    ):
        assert not is_blank(answer)
        assert make_exercise().check(answer).state == "wrong"


def test_an_empty_value_is_an_answer():
    assert [answer for answer in (0, False, "", [], np.zeros(2), len) if is_blank(answer)] == []


# Hints, solution, progress


def test_hints_go_from_first_to_last_and_stay_there(make_exercise):
    exercise = make_exercise()
    messages = [exercise.hint().message for _ in range(5)]
    assert messages[0] == "Hint 1 of 3: Something times itself. (There is another one.)"
    assert messages[1] == "Hint 2 of 3: Use the star. (There is another one.)"
    assert messages[2:] == ["Hint 3 of 3: number * number"] * 3


def test_the_solution_is_shown_as_code(make_exercise):
    exercise = make_exercise()
    assert exercise.solution_code == "def square(number):\n    return number * number"
    assert exercise.solution().message == f"One solution:\n{exercise.solution_code}"


def test_a_right_answer_marks_progress(make_exercise):
    exercise = make_exercise()
    exercise.check(square)
    exercise.check(double)
    assert Progress().read() == {"07.2": datetime.date.today().isoformat()}


def test_nothing_else_marks_progress(make_exercise, progress_file):
    exercise = make_exercise()
    for answer in (double, divide, blank, ..., 7):
        exercise.check(answer)
    exercise.hint()
    exercise.solution()
    assert not progress_file.exists()


def test_reset_opens_the_exercise_and_begins_with_the_first_hint(make_exercise):
    exercise = make_exercise()
    exercise.hint()
    exercise.hint()
    exercise.check(square)
    Progress().mark_done("07.3")
    assert exercise.reset().message == "Exercise 07.2 is open again."
    assert list(Progress().read()) == ["07.3"]
    assert exercise.hint().message.startswith("Hint 1 of 3")


def test_check_finds_the_variable_in_the_notebook_unless_an_answer_is_given(make_exercise, names):
    exercise = make_exercise()
    assert exercise.check().state == "not attempted"
    names["square"] = double
    assert exercise.check().state == "wrong"
    assert exercise.check(square).state == "right"
    names["square"] = square
    assert exercise.check().state == "right"


def test_without_a_notebook_check_says_not_attempted(make_exercise, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert make_exercise().check().state == "not attempted"


# Views


def show(shown):
    """Return the data that a notebook gets when a cell ends in this value, and the widget that it displays."""
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return data, widget_module._instances[data[VIEW]["model_id"]]


def walk(widget):
    """Return the widget and all below it, in the order in which they are shown."""
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def join_html(widget):
    return "".join(one.value for one in walk(widget) if isinstance(one, ipywidgets.HTML))


def test_an_exercise_is_shown_as_text_html_and_widget_without_hint_and_solution(make_exercise):
    data, _ = show(make_exercise())
    assert data["text/plain"] == "Exercise 07.2: The square. Write square(number)."
    assert "<strong>Exercise 07.2: The square.</strong> Write square(number)." in data["text/html"]
    assert data[VIEW]["version_major"] == 2
    assert "star" not in str(data)
    assert "number * number" not in str(data)


def test_markup_is_escaped_everywhere(make_exercise):
    def fail(number):
        raise ValueError(EVIL)

    data, widget = show(make_exercise(title=EVIL, task=EVIL))
    outcomes = Outcome("wrong", EVIL)._repr_html_(), make_exercise().check(fail)._repr_html_()
    assert data["text/html"].count(ESCAPED) == 2
    assert join_html(widget).count(ESCAPED) == 2
    assert [outcome.count(ESCAPED) for outcome in outcomes] == [1, 1]
    assert "<script" not in data["text/html"] + join_html(widget) + "".join(outcomes)


def test_what_stands_in_back_ticks_is_shown_as_code():
    html = Outcome("wrong", "Use `<b>`, not `a & b`.")._repr_html_()
    assert "Use <code>&lt;b&gt;</code>, not <code>a &amp; b</code>." in html


def test_a_click_shows_the_outcome_below(make_exercise, names):
    names["square"] = square
    _, widget = show(make_exercise())
    buttons = {one.description: one for one in walk(widget) if isinstance(one, ipywidgets.Button)}
    assert list(buttons) == ["Check", "Hint", "Solution", "Reset"]
    shown = []
    for name in ("Check", "Hint", "Hint", "Solution"):
        buttons[name].click()
        shown.append(join_html(widget))
    assert list(Progress().read()) == ["07.2"]
    buttons["Reset"].click()
    shown.append(join_html(widget))
    assert "<strong>Right.</strong>" in shown[0]
    assert "Hint 1 of 3: Something times itself." in shown[1]
    assert "Hint 2 of 3: Use the star." in shown[2]
    assert "return number * number" in shown[3]
    assert "Exercise 07.2 is open again." in shown[4]
    assert "Hint 2" not in shown[4]


def test_a_hint_a_solution_and_a_reset_have_titles_of_their_own(make_exercise):
    exercise = make_exercise()
    html = [call()._repr_html_() for call in (exercise.hint, exercise.solution, exercise.reset)]
    assert ["<strong>Hint.</strong>" in html[0], "<strong>Solution.</strong>" in html[1]] == [True, True]
    assert "<strong>Open again.</strong>" in html[2]
