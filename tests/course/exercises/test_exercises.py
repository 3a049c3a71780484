"""Claims about exercises: four outcomes with a next step each, and graders that learners cannot fool by accident."""

import datetime
import importlib.util
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets import widget as widget_module

import llmops_utils.course.exercises
from llmops_utils.core import NOTEBOOKS, ExerciseError
from llmops_utils.course.exercises import Exercise, Outcome, Wrong, call_learner, list_exercises, load_exercises
from llmops_utils.course.exercises.exercise import is_blank
from llmops_utils.course.progress import Progress
from llmops_utils.models import Provenance, Reply

FOLDER = Path(llmops_utils.course.exercises.__file__).parent
CHAPTERS = sorted(path.stem.removeprefix("chapter_") for path in FOLDER.glob("chapter_[0-9][0-9].py"))
EXERCISES = {exercise.id: exercise for chapter in CHAPTERS for exercise in load_exercises(f"{chapter}_")[0]}


def load_answers(chapter):
    """Return the module with a chapter's answers, or None where they stand in this file."""
    if not (ANSWERS / f"chapter_{chapter}.py").exists():
        return None
    specification = importlib.util.spec_from_file_location(f"answers_{chapter}", ANSWERS / f"chapter_{chapter}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[module.__name__] = module
    specification.loader.exec_module(module)
    return module


ANSWERS = Path(__file__).with_name("exercise_answers")
NAMES = {chapter: getattr(load_answers(chapter), "NAMES", {}) for chapter in CHAPTERS}

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
VIEW = "application/vnd.jupyter.widget-view+json"

REPLY = Reply("Berlin.", 31, 9, 0.5, 0.0, Provenance("smollm2", "weights sha256:0123456789ab", "live", 0))


class FakeModel:
    """Stands for the `model` of a notebook."""

    def chat(self, prompt, **options):
        return REPLY


@pytest.fixture(autouse=True)
def progress_file(monkeypatch, tmp_path):
    """A progress of its own for each test."""
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture(autouse=True)
def names(monkeypatch, request):
    """The user namespace of a notebook in which all cells up to the exercises have run."""
    names = {"np": np, "reply": REPLY, "model": FakeModel()}
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    names |= NAMES.get(str(parameters.get("id", ""))[:2], {})
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(user_ns=names))
    return names


def run(code, names, variable):
    """Return what a cell assigns to a variable."""
    space = dict(names)
    exec(code, space)
    return space[variable]


# --- the framework -------------------------------------------------------------------------------------------


def grade_square(function):
    for number, expected in [(2, 4), (-3, 9)]:
        found = call_learner(function, number)
        if found != expected:
            raise Wrong(f"For {number} it returned {found}.")
    return "Squares are never negative."


def make_exercise(**changes):
    defaults = {
        "id": "07.2",
        "title": "The square",
        "task": "Write square(number).",
        "variable": "square",
        "grade": grade_square,
        "hints": ("Something times itself.", "Use the star.", "number * number"),
        "solution": """
        def square(number):
            return number * number
        """,
    }
    return Exercise(**(defaults | changes))


def square(number):
    return number * number


def double(number):
    return number + number


def divide(number):
    return number / 0


OUTCOMES = [
    (square, "right", "alert-success", "Right."),
    (double, "wrong", "alert-warning", "Not yet."),
    (divide, "raised", "alert-danger", "Your code ended in an error."),
    (..., "not attempted", "alert-info", "Not attempted."),
]


@pytest.mark.parametrize(("answer", "state", "style", "title"), OUTCOMES)
def test_each_outcome_has_its_own_state_title_and_colour(answer, state, style, title):
    outcome = make_exercise().check(answer)
    assert outcome.state == state
    assert outcome.is_right is (state == "right")
    html = outcome._repr_html_()
    assert f"<strong>{title}</strong>" in html
    assert style in html
    assert repr(outcome) == f"{state}: {outcome.message}"


def test_a_right_answer_is_told_what_the_grader_says():
    assert make_exercise().check(square).message == "Squares are never negative."


def test_a_wrong_answer_is_told_in_what_and_where_to_get_a_hint():
    message = make_exercise().check(double).message
    assert message.startswith("For -3 it returned -6.")
    assert "q2.hint()" in message


def test_raising_code_is_told_the_exception_the_arguments_and_how_to_go_on():
    message = make_exercise().check(divide).message
    assert message.startswith("ZeroDivisionError: division by zero\n")
    assert "(2)" in message
    assert "in a cell of its own" in message


def test_long_arguments_of_raising_code_are_cut():
    def fail(text):
        raise ValueError("no")

    exercise = make_exercise(grade=lambda function: call_learner(function, "x" * 5000))
    assert len(exercise.check(fail).message) < 400


def test_an_unattempted_answer_is_told_the_variable_and_to_check_again():
    message = make_exercise().check(...).message
    assert "`square`" in message
    assert "check again" in message


def test_a_function_with_too_few_parameters_raises_and_is_told_so():
    outcome = make_exercise().check(lambda: 4)
    assert outcome.state == "raised"
    assert "positional argument" in outcome.message


@pytest.mark.parametrize("answer", [4, "number * number", [1, 2], {"a": 1}, np.arange(3)], ids=repr)
def test_an_answer_of_another_kind_is_told_and_does_not_stop_the_notebook(answer):
    outcome = make_exercise().check(answer)
    assert outcome.state in ("wrong", "raised")
    assert "not callable" in outcome.message


def test_a_grader_that_stumbles_over_the_form_of_an_answer_says_wrong():
    outcome = make_exercise(grade=lambda answer: answer["total"] + 1).check("text")
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


@pytest.mark.parametrize(
    "answer",
    [..., None, blank, blank_with_docstring, only_docstring, blank_with_annotations, lambda: ..., lambda number: ...],
)
def test_a_placeholder_is_not_attempted(answer, progress_file):
    assert is_blank(answer)
    assert make_exercise().check(answer).state == "not attempted"
    assert not progress_file.exists()


@pytest.mark.parametrize("answer", [passes, returns_none, lambda number: None])
def test_a_function_that_does_nothing_is_not_attempted_or_wrong(answer):
    assert make_exercise().check(answer).state in ("not attempted", "wrong")


def forgets_to_return(number):
    number * number


@pytest.mark.parametrize(
    "answer",
    [lambda number: 0, lambda number: False, lambda number: "", lambda number: number, forgets_to_return],
)
def test_a_function_that_does_something_is_attempted(answer):
    assert not is_blank(answer)
    assert make_exercise().check(answer).state == "wrong"


@pytest.mark.parametrize("answer", [0, False, "", [], np.zeros(2), len])
def test_an_empty_value_is_an_answer(answer):
    assert not is_blank(answer)


# Hints, solution, reset


def test_hints_go_from_first_to_last_and_stay_there():
    exercise = make_exercise()
    messages = [exercise.hint().message for _ in range(5)]
    assert messages[0] == "Hint 1 of 3: Something times itself. (There is another one.)"
    assert messages[1] == "Hint 2 of 3: Use the star. (There is another one.)"
    assert messages[2:] == ["Hint 3 of 3: number * number"] * 3


def test_the_solution_shows_code_that_is_right(names):
    exercise = make_exercise()
    assert exercise.solution_code == "def square(number):\n    return number * number"
    assert exercise.solution().message.endswith(exercise.solution_code)
    assert exercise.check(run(exercise.solution_code, names, "square")).is_right


def test_looking_at_hints_and_solution_solves_nothing(progress_file):
    exercise = make_exercise()
    exercise.hint()
    exercise.solution()
    assert not progress_file.exists()


def test_a_right_answer_marks_progress():
    make_exercise().check(square)
    assert Progress().read() == {"07.2": datetime.date.today().isoformat()}


@pytest.mark.parametrize("answer", [double, divide, blank, ..., 7])
def test_no_other_answer_marks_progress(answer, progress_file):
    make_exercise().check(answer)
    assert not progress_file.exists()


def test_a_wrong_answer_after_a_right_one_keeps_the_progress():
    exercise = make_exercise()
    exercise.check(square)
    exercise.check(double)
    assert list(Progress().read()) == ["07.2"]


def test_reset_opens_the_exercise_and_begins_with_the_first_hint():
    exercise = make_exercise()
    exercise.hint()
    exercise.hint()
    exercise.check(square)
    Progress().mark_done("07.3")
    assert exercise.reset().message == "Exercise 07.2 is open again."
    assert list(Progress().read()) == ["07.3"]
    assert exercise.hint().message.startswith("Hint 1 of 3")


def test_progress_can_be_given(tmp_path, progress_file):
    exercise = make_exercise()
    exercise.progress = Progress(tmp_path / "other.json")
    exercise.check(square)
    assert list(exercise.progress.read()) == ["07.2"]
    assert not progress_file.exists()


# The variable of the notebook


def test_check_finds_the_variable_in_the_notebook(names):
    exercise = make_exercise()
    assert exercise.check().state == "not attempted"
    names["square"] = double
    assert exercise.check().state == "wrong"
    names["square"] = square
    assert exercise.check().state == "right"


def test_an_argument_wins_over_the_variable(names):
    names["square"] = double
    assert make_exercise().check(square).is_right


def test_without_a_notebook_check_says_not_attempted(monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    assert make_exercise().check().state == "not attempted"


# Views


def test_html_escapes_markup_in_outcomes():
    html = Outcome("wrong", EVIL)._repr_html_()
    assert ESCAPED in html
    assert "<script" not in html


def test_html_escapes_what_learner_code_raises():
    def fail(number):
        raise ValueError(EVIL)

    html = make_exercise().check(fail)._repr_html_()
    assert ESCAPED in html
    assert "<script" not in html


def test_what_stands_in_back_ticks_is_shown_as_code():
    html = make_exercise().check(...)._repr_html_()
    assert "<code>square</code>" in html
    assert "`" not in html


def test_markup_in_back_ticks_is_escaped_too():
    html = Outcome("wrong", "Use `<b>`, not `a & b`.")._repr_html_()
    assert "Use <code>&lt;b&gt;</code>, not <code>a &amp; b</code>." in html


def show(shown):
    """Return the data that a notebook gets when a cell ends in this value, and the widget that it displays."""
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    return data, widget_module._instances[data[VIEW]["model_id"]]


def walk(widget):
    """Return the widget and all below it, in the order in which they are shown."""
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def test_an_exercise_is_shown_as_text_html_and_widget():
    data, _ = show(make_exercise())
    assert data["text/plain"] == "Exercise 07.2: The square. Write square(number)."
    assert "<strong>Exercise 07.2: The square.</strong> Write square(number)." in data["text/html"]
    assert data[VIEW]["version_major"] == 2


def test_the_view_of_an_exercise_tells_neither_hint_nor_solution():
    data, _ = show(make_exercise())
    assert "star" not in str(data)
    assert "number * number" not in str(data)


def test_the_view_of_an_exercise_escapes_markup():
    data, widget = show(make_exercise(title=EVIL, task=EVIL))
    assert data["text/html"].count(ESCAPED) == 2
    values = "".join(one.value for one in walk(widget) if isinstance(one, ipywidgets.HTML))
    assert values.count(ESCAPED) == 2
    assert "<script" not in data["text/html"] + values


def find_buttons(widget):
    return {one.description: one for one in walk(widget) if isinstance(one, ipywidgets.Button)}


def test_the_four_calls_are_buttons():
    _, widget = show(make_exercise())
    assert list(find_buttons(widget)) == ["Check", "Hint", "Solution", "Reset"]


def test_a_click_shows_the_outcome_below(names):
    names["square"] = double
    _, widget = show(make_exercise())
    buttons = find_buttons(widget)
    shown = []
    for name in ("Check", "Hint", "Hint", "Solution", "Reset"):
        buttons[name].click()
        shown.append("".join(one.value for one in walk(widget) if isinstance(one, ipywidgets.HTML)))
    assert "Not yet." in shown[0]
    assert "For -3 it returned -6." in shown[0]
    assert "Hint 1 of 3: Something times itself." in shown[1]
    assert "Hint 2 of 3: Use the star." in shown[2]
    assert "return number * number" in shown[3]
    assert "Exercise 07.2 is open again." in shown[4]
    assert "Hint 2" not in shown[4]


def test_a_click_on_check_marks_progress(names):
    names["square"] = square
    _, widget = show(make_exercise())
    find_buttons(widget)["Check"].click()
    assert list(Progress().read()) == ["07.2"]


@pytest.mark.parametrize("call", ["hint", "solution", "reset"])
def test_a_hint_a_solution_and_a_reset_are_not_called_not_attempted(call):
    html = getattr(make_exercise(), call)()._repr_html_()
    assert "Not attempted" not in html
    assert "Right." not in html


# --- the chapters --------------------------------------------------------------------------------------------


def test_a_chapter_is_found_by_the_name_of_its_notebook():
    exercises, quiz = load_exercises("01_llm_basics")
    assert [exercise.id for exercise in exercises] == ["01.1", "01.2", "01.3"]
    assert quiz.id == "01.quiz"
    assert list_exercises("01_llm_basics") == ["01.1", "01.2", "01.3", "01.quiz"]


@pytest.mark.parametrize("name", ["99_nothing", "llm_basics", "", "1", "..", "0x"])
def test_a_chapter_without_exercises_is_an_error_that_names_it(name):
    with pytest.raises(ExerciseError) as caught:
        load_exercises(name)
    assert f"“{name}”" in caught.value.problem
    assert "01_llm_basics" in caught.value.next_step


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_ids_number_the_exercises_of_a_chapter(chapter):
    exercises, quiz = load_exercises(f"{chapter}_")
    assert [exercise.id for exercise in exercises] == [f"{chapter}.{n}" for n in range(1, len(exercises) + 1)]
    assert quiz.id == f"{chapter}.quiz"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_every_exercise_has_a_title_a_task_and_two_hints(exercise):
    assert exercise.title.strip()
    assert exercise.variable in exercise.task
    assert len(exercise.hints) >= 2
    assert len(set(exercise.hints)) == len(exercise.hints)


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


# Code is run where `np`, `reply` and `model` are known. An exercise whose answer is a function needs no entry for
# code that raises: that is tried for each.
WRONG = {
    "00.1": [
        Slip("only the text", "my_reply = model.chat('Hello').text", "whole reply"),
        Slip("the question", "my_reply = 'What is the capital of Germany?'", "whole reply"),
        Slip("the function", "my_reply = model.chat", "returns a Reply"),
        Slip("the response of openai", "my_reply = {'choices': []}", "This is a dict"),
        Slip(
            "an empty reply",
            "import dataclasses\nmy_reply = dataclasses.replace(reply, text=' \\n')",
            "The reply is empty",
        ),
    ],
    "00.2": [
        Slip("another mode", "my_line = 'LLMOPS_MODE=live'", "not the value"),
        Slip("a mode that may ask", "my_line = 'LLMOPS_MODE=auto'", "not the value"),
        Slip("only the name", "my_line = 'LLMOPS_MODE'", "not the value"),
        Slip("only the mode", "my_line = 'replay'", "NAME=value"),
        Slip("another setting", "my_line = 'LLMOPS_PROVIDER=replay'", "NAME=value"),
        Slip("more lines", "my_line = 'LLMOPS_PROVIDER=embedded\\nLLMOPS_MODE=replay'", "more than is needed"),
        Slip("a dictionary", "my_line = {'LLMOPS_MODE': 'live'}", "is a text"),
    ],
    "00.3": [
        Slip("only what was read", "my_total = reply.prompt_tokens", "one side"),
        Slip("only what was written", "my_total = reply.completion_tokens", "one side"),
        Slip("words instead of tokens", "my_total = len(reply.text.split())", "not what this reply took"),
        Slip("a text", "my_total = f'{reply.prompt_tokens} + {reply.completion_tokens}'", "whole number"),
        Slip("a pair", "my_total = reply.prompt_tokens, reply.completion_tokens", "whole number"),
        Slip("a truth value", "my_total = True", "whole number"),
    ],
    "01.1": [
        Slip(
            "ignores the output",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return prompt_tokens * usd_per_million_in / 1e6",
            "(0, 1000000, 2.0, 8.0)",
        ),
        Slip(
            "ignores the input",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return completion_tokens * usd_per_million_out / 1e6",
            "(1000000, 0, 2.0, 8.0)",
        ),
        Slip(
            "confuses the prices",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return (prompt_tokens * usd_per_million_out + completion_tokens * usd_per_million_in) / 1e6",
            "own price",
        ),
        Slip(
            "a million too large",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out",
            "a million times too large",
        ),
        Slip(
            "a mean of the prices",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return (prompt_tokens + completion_tokens) * (usd_per_million_in + usd_per_million_out) / 2e6",
            "own price",
        ),
        Slip(
            "divides only one side",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out / 1e6",
            "million",
        ),
        Slip(
            "per thousand",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return (prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) / 1000",
            "it returned 2000.0, and 2.0 is right",
        ),
        Slip(
            "rounds to cents",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return round((prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) / 1e6, 2)",
            "0.00575 is right",
        ),
        Slip(
            "divides whole numbers",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return (prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) // 1_000_000",
            "0.00575 is right",
        ),
        Slip(
            "returns a text",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    return f'${(prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) / 1e6}'",
            "It returned a str",
        ),
        Slip(
            "prints",
            "def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):\n"
            "    price = (prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) / 1e6",
            "It returned a NoneType",
        ),
    ],
    "01.2": [
        Slip(
            "does not scale",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    largest = np.argsort(probabilities)[::-1][:k]\n"
            "    kept[largest] = probabilities[largest]\n"
            "    return kept",
            "probabilities sum to 1",
        ),
        Slip(
            "keeps one too few",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    largest = np.argsort(probabilities)[::-1][: k - 1]\n"
            "    kept[largest] = probabilities[largest]\n"
            "    return kept / max(kept.sum(), 1e-9)",
            "For k = 1 it kept 0 tokens",
        ),
        Slip(
            "keeps one too many",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    largest = np.argsort(probabilities)[::-1][: k + 1]\n"
            "    kept[largest] = probabilities[largest]\n"
            "    return kept / kept.sum()",
            "For k = 1 it kept 2 tokens",
        ),
        Slip(
            "keeps the smallest",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    largest = np.argsort(probabilities)[:k]\n"
            "    kept[largest] = probabilities[largest]\n"
            "    return kept / kept.sum()",
            "For k = 1 and [0.1, 0.4, 0.2, 0.3] it returned [1.0, 0.0, 0.0, 0.0]",
        ),
        Slip(
            "keeps the first",
            "def keep_top_k(probabilities, k):\n"
            "    kept = probabilities.copy()\n"
            "    kept[k:] = 0\n"
            "    return kept / kept.sum()",
            "For k = 1 and",
        ),
        Slip(
            "sorts the result",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.sort(probabilities)[::-1].copy()\n"
            "    kept[k:] = 0\n"
            "    return kept / kept.sum()",
            "For k = 1 and",
        ),
        Slip(
            "drops the others",
            "def keep_top_k(probabilities, k):\n"
            "    largest = np.sort(probabilities)[::-1][:k]\n"
            "    return largest / largest.sum()",
            "0 for those left out",
        ),
        Slip(
            "changes its argument",
            "def keep_top_k(probabilities, k):\n"
            "    probabilities[np.argsort(probabilities)[::-1][k:]] = 0\n"
            "    return probabilities / probabilities.sum()",
            "Work on a copy",
        ),
        Slip(
            "scales in place",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.where(probabilities >= np.sort(probabilities)[-k], probabilities, 0)\n"
            "    kept /= kept.sum()\n"
            "    probabilities[:] = kept\n"
            "    return kept",
            "Work on a copy",
        ),
        Slip(
            "shares evenly",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    kept[np.argsort(probabilities)[::-1][:k]] = 1 / k\n"
            "    return kept",
            "For k = 2 and",
        ),
        Slip(
            "scales with softmax",
            "def keep_top_k(probabilities, k):\n"
            "    kept = np.zeros_like(probabilities)\n"
            "    largest = np.argsort(probabilities)[::-1][:k]\n"
            "    kept[largest] = np.exp(probabilities[largest])\n"
            "    return kept / kept.sum()",
            "For k = 2 and",
        ),
        Slip(
            "returns positions",
            "def keep_top_k(probabilities, k):\n    return np.argsort(probabilities)[::-1][:k]",
            "one probability per token",
        ),
        Slip(
            "returns texts",
            "def keep_top_k(probabilities, k):\n    return [f'token {number}' for number in range(k)]",
            "not the form that was asked for",
        ),
    ],
    "01.3": [
        Slip(
            "the mean",
            "def find_weakest(tokens):\n"
            "    return sum(token.probability for token in tokens) / len(tokens) if tokens else 0.0",
            "[0.9, 0.2, 0.7] it returned 0.600",
        ),
        Slip("the first", "def find_weakest(tokens):\n    return tokens[0].probability if tokens else 0.0", "0.900"),
        Slip("the last", "def find_weakest(tokens):\n    return tokens[-1].probability if tokens else 0.0", "0.700"),
        Slip(
            "the largest",
            "def find_weakest(tokens):\n    return max((token.probability for token in tokens), default=0.0)",
            "0.900",
        ),
        Slip(
            "the product",
            "import math\ndef find_weakest(tokens):\n"
            "    return math.prod(token.probability for token in tokens) if tokens else 0.0",
            "0.126",
        ),
        Slip(
            "starts from nothing",
            "def find_weakest(tokens):\n"
            "    weakest = 0.0\n"
            "    for token in tokens:\n"
            "        weakest = min(weakest, token.probability)\n"
            "    return weakest",
            "0.000",
        ),
        Slip(
            "starts from one",
            "def find_weakest(tokens):\n"
            "    weakest = 1.0\n"
            "    for token in tokens:\n"
            "        weakest = min(weakest, token.probability)\n"
            "    return weakest",
            "An empty reply",
        ),
        Slip(
            "None for an empty reply",
            "def find_weakest(tokens):\n    return min((token.probability for token in tokens), default=None)",
            "An empty reply",
        ),
        Slip(
            "the token",
            "def find_weakest(tokens):\n    return min(tokens, key=lambda token: token.probability) if tokens else 0.0",
            "It returned a TokenChance",
        ),
        Slip(
            "the position",
            "def find_weakest(tokens):\n"
            "    return int(np.argmin([token.probability for token in tokens])) if tokens else 0.0",
            "[0.9, 0.2, 0.7] it returned 1.000",
        ),
    ],
}

# Answers of another form that are right all the same.
ALSO_RIGHT = {
    "00.1": ["my_reply = reply"],
    "00.2": [
        "my_line = ' LLMOPS_MODE = replay\\n'",
        "my_line = 'LLMOPS_MODE=\"replay\"'",
        "my_line = \"LLMOPS_MODE='replay'\"",
    ],
    "00.3": ["my_total = sum([reply.prompt_tokens, reply.completion_tokens])"],
    "01.1": [
        "def compute_price(p, c, i, o):\n    return p / 1e6 * i + c / 1e6 * o",
        "compute_price = lambda p, c, i, o: np.float64(p * i + c * o) / 1e6",
    ],
    "01.2": [
        "def keep_top_k(probabilities, k):\n"
        "    kept = [p if p in sorted(probabilities)[-k:] else 0 for p in probabilities]\n"
        "    return [p / sum(kept) for p in kept]",
        "def keep_top_k(probabilities, k):\n"
        "    kept = np.where(probabilities >= np.sort(probabilities)[-k], probabilities, 0)\n"
        "    return kept / kept.sum()",
    ],
    "01.3": [
        "def find_weakest(tokens):\n    return min([token.probability for token in tokens] or [0])",
        "def find_weakest(tokens):\n    return np.min([t.probability for t in tokens]) if len(tokens) else 0.0",
    ],
}

# Answers that work in part and raise in part.
RAISING = {
    "01.2": [("def keep_top_k(probabilities, k):\n    return probabilities.top(k)", "AttributeError", "array([0.1")],
    "01.3": [
        ("def find_weakest(tokens):\n    return min(token.probability for token in tokens)", "ValueError", "(())"),
        ("def find_weakest(tokens):\n    return sorted(t.probability for t in tokens)[0]", "IndexError", "(())"),
        ("def find_weakest(tokens):\n    return min(tokens)", "TypeError", "TokenChance(text='x'"),
    ],
}

# The answers of the later chapters stand in files of their own, with what their notebooks have defined by then.
for chapter in CHAPTERS:
    if (answers := load_answers(chapter)) is not None:
        WRONG |= answers.WRONG
        ALSO_RIGHT |= answers.ALSO_RIGHT
        RAISING |= answers.RAISING

# The reference answer of an exercise is the solution that it shows.
REFERENCES = {id: exercise.solution_code for id, exercise in EXERCISES.items()}
SLIPS = [pytest.param(id, slip, id=f"{id} {slip.name}") for id, slips in WRONG.items() for slip in slips]


def find_solution(exercise, message):
    """Return the parts of the solution that a message tells."""
    parts = set()
    for line in exercise.solution_code.splitlines():
        if not line.startswith(("def ", "import ", "from ")):
            value = re.split(r"return |(?<![=<>!])=(?!=)", line, maxsplit=1)[-1]
            parts |= {line.strip(), value.strip(), value.strip().strip("'\"")}
    return sorted(part for part in parts if part in message)


def test_every_exercise_has_at_least_two_wrong_answers_in_the_table():
    assert {id: len(WRONG.get(id, ())) for id in EXERCISES if len(WRONG.get(id, ())) < 2} == {}
    assert sorted(WRONG) == sorted(EXERCISES)


@pytest.mark.parametrize("id", EXERCISES)
def test_the_reference_is_right(id, names):
    exercise = EXERCISES[id]
    outcome = exercise.check(run(REFERENCES[id], names, exercise.variable))
    assert outcome.state == "right", outcome
    assert len(outcome.message) > 10
    assert list(Progress().read()) == [id]


@pytest.mark.parametrize("id", EXERCISES)
def test_the_reference_is_found_in_the_notebook(id, names):
    exercise = EXERCISES[id]
    exec(exercise.solution_code, names)
    assert exercise.check().is_right


@pytest.mark.parametrize(
    ("id", "code"),
    [pytest.param(id, code, id=f"{id}-{n}") for id, codes in ALSO_RIGHT.items() for n, code in enumerate(codes)],
)
def test_another_form_of_a_right_answer_is_right(id, code, names):
    exercise = EXERCISES[id]
    outcome = exercise.check(run(code, names, exercise.variable))
    assert outcome.state == "right", outcome


@pytest.mark.parametrize("id", EXERCISES)
@pytest.mark.parametrize("answer", [..., None], ids=repr)
def test_an_empty_answer_is_not_attempted(id, answer):
    exercise = EXERCISES[id]
    outcome = exercise.check(answer)
    assert outcome.state == "not attempted"
    assert f"`{exercise.variable}`" in outcome.message


def read_answer_cells():
    """Return the cells for answers of all notebooks, by exercise."""
    cells = {}
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for tag in cell["metadata"].get("tags", []):
                if tag.startswith("exercise:"):
                    cells[tag.removeprefix("exercise:")] = "".join(cell["source"])
    return cells


@pytest.mark.parametrize("id", EXERCISES)
def test_the_answer_cell_of_the_notebook_is_not_attempted(id, names):
    exercise = EXERCISES[id]
    outcome = exercise.check(run(read_answer_cells()[id], names, exercise.variable))
    assert outcome.state == "not attempted"


@pytest.mark.parametrize(("id", "slip"), SLIPS)
def test_a_wrong_answer_is_wrong_and_told_why_without_the_solution(id, slip, names, progress_file):
    exercise = EXERCISES[id]
    outcome = exercise.check(run(slip.code, names, exercise.variable))
    assert outcome.state == "wrong", outcome
    assert slip.said in outcome.message
    assert "hint" in outcome.message
    assert find_solution(exercise, outcome.message) == []
    assert not progress_file.exists()


@pytest.mark.parametrize(
    "id", [id for id, exercise in EXERCISES.items() if re.search(r"^def ", exercise.solution_code, re.MULTILINE)]
)
def test_a_function_that_raises_is_told_what_and_with_which_arguments(id, progress_file):
    def fail(*arguments):
        raise ZeroDivisionError("on purpose")

    exercise = EXERCISES[id]
    outcome = exercise.check(fail)
    assert outcome.state == "raised"
    assert "ZeroDivisionError: on purpose" in outcome.message
    assert re.search(r"called with \(.+\)", outcome.message)
    assert find_solution(exercise, outcome.message) == []
    assert not progress_file.exists()


@pytest.mark.parametrize(
    ("id", "code", "error", "arguments"),
    [pytest.param(id, *case, id=f"{id}-{n}") for id, cases in RAISING.items() for n, case in enumerate(cases)],
)
def test_an_answer_that_raises_in_part_is_told_where(id, code, error, arguments, names):
    exercise = EXERCISES[id]
    outcome = exercise.check(run(code, names, exercise.variable))
    assert outcome.state == "raised", outcome
    assert outcome.message.startswith(f"{error}: ")
    assert arguments in outcome.message


@pytest.mark.parametrize("id", EXERCISES)
def test_hints_do_not_hold_the_whole_solution(id):
    exercise = EXERCISES[id]
    assert [hint for hint in exercise.hints if exercise.solution_code in hint] == []


# Single graders


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_01_2_a_division_by_zero_is_not_told_as_four_kept_tokens(names):
    code = """
def keep_top_k(probabilities, k):
    kept = np.zeros_like(probabilities)
    largest = np.argsort(probabilities)[::-1][: k - 1]
    kept[largest] = probabilities[largest]
    return kept / kept.sum()
"""
    outcome = EXERCISES["01.2"].check(run(code, names, "keep_top_k"))
    assert outcome.state == "wrong"
    assert "it kept 4 tokens" not in outcome.message


@pytest.mark.parametrize("shell", [None, SimpleNamespace(user_ns={}), SimpleNamespace(user_ns={"reply": "Berlin."})])
def test_00_3_without_a_reply_says_to_run_the_cells(shell, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    outcome = EXERCISES["00.3"].check(40)
    assert outcome.state == "wrong"
    assert "Run the cells of section 0.2 first" in outcome.message


def test_00_3_compares_with_the_reply_of_the_notebook(names):
    assert EXERCISES["00.3"].check(40).is_right
    names["reply"] = Reply("Bonn.", 7, 3, 0.1, 0.0, REPLY.provenance)
    assert EXERCISES["00.3"].check(40).state == "wrong"
    assert EXERCISES["00.3"].check(10).is_right
