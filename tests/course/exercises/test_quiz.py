"""Claims about quizzes: what is told for right, wrong and open answers, and that every chapter's quiz is a fair one."""

import datetime
import re
from pathlib import Path

import ipywidgets
import pytest
from ipywidgets.widgets import widget as widget_module

import llmops_utils.course.exercises
from llmops_utils.core import ExerciseError
from llmops_utils.course.exercises import Question, Quiz, load_exercises
from llmops_utils.course.progress import Progress

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
VIEW = "application/vnd.jupyter.widget-view+json"

QUESTIONS = (
    Question("What boils water?", ("a scale", "a kettle", "a grinder"), 1, "It has a heater."),
    Question("What weighs flour?", ("a scale", "a kettle", "a grinder"), 0, "It has a sensor."),
    Question("What grinds beans?", ("a scale", "a kettle", "a grinder", "a tap"), 2, "It has burrs."),
    Question("What is not sold?", ("a scale", "a kettle", "a grinder", "a tap"), 3, "Taps are plumbing."),
)
RIGHT = ("b", "a", "c", "d")
CHAPTERS = sorted(
    path.stem[-2:] for path in Path(llmops_utils.course.exercises.__file__).parent.glob("chapter_[0-9][0-9].py")
)
QUIZZES = {chapter: load_exercises(f"{chapter}_")[1] for chapter in CHAPTERS}


@pytest.fixture(autouse=True)
def progress_file(monkeypatch, tmp_path):
    """A progress of its own for each test."""
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture
def quiz():
    return Quiz("07.quiz", QUESTIONS)


def choose(quiz, letters):
    """Choose options as with the mouse; None leaves a question open."""
    for menu, letter in zip(quiz.menus, letters, strict=True):
        menu.value = letter


def walk(widget):
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


# Letters


def test_all_right_is_right_and_tells_why(quiz):
    outcome = quiz.check(*RIGHT)
    assert outcome.state == "right"
    assert outcome.message.splitlines() == [
        "4 of 4 right.",
        "1. Right. It has a heater.",
        "2. Right. It has a sensor.",
        "3. Right. It has burrs.",
        "4. Right. Taps are plumbing.",
    ]


def test_some_right_is_wrong_and_tells_which(quiz):
    outcome = quiz.check("b", "c", "c", "a")
    assert outcome.state == "wrong"
    assert outcome.message.splitlines() == [
        "2 of 4 right.",
        "1. Right. It has a heater.",
        "2. Not right. Read the question once more.",
        "3. Right. It has burrs.",
        "4. Not right. Read the question once more.",
    ]


def test_none_right_tells_no_reason(quiz):
    outcome = quiz.check("a", "b", "a", "a")
    assert outcome.state == "wrong"
    assert outcome.message.startswith("0 of 4 right.")
    assert [question.why for question in QUESTIONS if question.why in outcome.message] == []


def test_capital_letters_are_letters(quiz):
    assert quiz.check("B", "A", "C", "D").state == "right"
    assert quiz.check("B", "a", "c", "A").message.startswith("3 of 4 right.")


@pytest.mark.parametrize("letters", [("b",), RIGHT[:3], (*RIGHT, "a"), ("bacd",)])
def test_another_number_of_letters_is_an_error_that_counts(quiz, letters):
    with pytest.raises(ExerciseError) as caught:
        quiz.check(*letters)
    assert caught.value.problem == f"The quiz has 4 questions, and there are {len(letters)} answers."
    assert "one letter per question" in caught.value.next_step


@pytest.mark.parametrize("letter", ["d", "e", "z", "", "ab", "1", " ", 1, 0, True, ["a"]])
def test_an_unknown_letter_is_an_error_that_names_the_options(quiz, letter):
    with pytest.raises(ExerciseError) as caught:
        quiz.check("b", letter, "c", "d")
    assert caught.value.problem == "Question 2 has the options a, b, c."


def test_the_options_of_one_question_are_not_those_of_another(quiz):
    assert quiz.check("b", "a", "d", "d").message.startswith("3 of 4 right.")
    with pytest.raises(ExerciseError, match="Question 1 has the options a, b, c"):
        quiz.check("d", "a", "c", "d")


# Radio buttons


def test_nothing_is_chosen_at_first(quiz, progress_file):
    assert [menu.value for menu in quiz.menus] == [None] * 4
    outcome = quiz.check()
    assert outcome.state == "not attempted"
    assert outcome.message == "Choose an option for each question, then check."
    assert not progress_file.exists()


@pytest.mark.parametrize("letters", [RIGHT, ("b", "c", "c", "a"), ("a", "b", "a", "a"), ("c", "c", "d", "d")])
def test_radio_buttons_and_letters_agree(quiz, letters):
    choose(quiz, letters)
    assert quiz.check() == Quiz("07.quiz", QUESTIONS).check(*letters)


def test_an_open_question_is_told_as_open(quiz, progress_file):
    choose(quiz, ("b", None, "a", None))
    outcome = quiz.check()
    assert outcome.state == "wrong"
    assert outcome.message.splitlines() == [
        "1 of 4 right.",
        "1. Right. It has a heater.",
        "2. Open.",
        "3. Not right. Read the question once more.",
        "4. Open.",
    ]
    assert not progress_file.exists()


def test_letters_win_over_what_is_chosen(quiz):
    choose(quiz, ("a", "b", "a", "a"))
    assert quiz.check(*RIGHT).is_right


def test_radio_buttons_show_the_letter_and_the_option(quiz):
    assert quiz.menus[0].options == (("a) a scale", "a"), ("b) a kettle", "b"), ("c) a grinder", "c"))
    assert [len(menu.options) for menu in quiz.menus] == [3, 3, 4, 4]


def test_a_click_shows_the_outcome(quiz):
    (button,) = [one for one in walk(quiz) if isinstance(one, ipywidgets.Button)]
    assert button.description == "Check"
    button.click()
    assert "Not attempted." in quiz.view.value
    choose(quiz, ("b", "a", "c", "a"))
    button.click()
    assert "Not yet." in quiz.view.value
    assert "3 of 4 right." in quiz.view.value
    choose(quiz, RIGHT)
    button.click()
    assert "4 of 4 right." in quiz.view.value
    assert list(Progress().read()) == ["07.quiz"]


# Progress


def test_all_right_marks_progress(quiz):
    quiz.check(*RIGHT)
    assert Progress().read() == {"07.quiz": datetime.date.today().isoformat()}


def test_anything_less_marks_nothing(quiz, progress_file):
    quiz.check("b", "a", "c", "a")
    with pytest.raises(ExerciseError):
        quiz.check("b", "a", "c", "x")
    assert not progress_file.exists()


# Views


def test_a_quiz_is_shown_as_text_html_and_widget(quiz):
    bundle = quiz._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == "Quiz 07.quiz: 4 questions."
    assert widget_module._instances[data[VIEW]["model_id"]] is quiz
    assert len([one for one in walk(quiz) if isinstance(one, ipywidgets.RadioButtons)]) == 4


def test_static_html_lists_all_questions_and_options_in_order(quiz):
    text = re.sub(r"<[^>]+>", "\n", quiz._repr_mimebundle_()["text/html"])
    lines = [line for line in text.splitlines() if line]
    expected = []
    for number, question in enumerate(QUESTIONS, start=1):
        expected.append(f"{number}. {question.text}")
        expected += [f"{letter}) {option}" for letter, option in zip("abcd", question.options, strict=False)]
    assert lines == expected


def test_static_html_does_not_tell_the_answers(quiz):
    assert [question.why for question in QUESTIONS if question.why in quiz.static_html] == []
    moved = Quiz("07.quiz", tuple(Question(q.text, q.options, (q.answer + 1) % 3, q.why) for q in QUESTIONS))
    assert moved.static_html == quiz.static_html


def test_markup_is_escaped_everywhere():
    quiz = Quiz("07.quiz", tuple(Question(EVIL, (EVIL, EVIL + "2", EVIL + "3"), 0, EVIL) for _ in range(4)))
    values = "".join(one.value for one in walk(quiz) if isinstance(one, ipywidgets.HTML))
    told = quiz.check("a", "a", "a", "a")._repr_html_()
    assert quiz.static_html.count(ESCAPED) == 16
    assert values.count(ESCAPED) == 4
    assert told.count(ESCAPED) == 4
    assert "<script" not in quiz.static_html + values + told


# The quizzes of the chapters


@pytest.mark.parametrize("quiz", QUIZZES.values(), ids=QUIZZES)
def test_a_quiz_has_at_least_four_questions_and_none_twice(quiz):
    assert len(quiz.questions) >= 4
    assert len({question.text for question in quiz.questions}) == len(quiz.questions)


QUESTIONS_OF_ALL = [
    pytest.param(question, id=f"{quiz.id} {number}")
    for quiz in QUIZZES.values()
    for number, question in enumerate(quiz.questions, start=1)
]


@pytest.mark.parametrize("question", QUESTIONS_OF_ALL)
def test_a_question_has_three_to_six_different_options(question):
    assert 3 <= len(question.options) <= 6
    assert len({option.strip().casefold() for option in question.options}) == len(question.options)
    assert all(option.strip() for option in question.options)


@pytest.mark.parametrize("question", QUESTIONS_OF_ALL)
def test_the_answer_of_a_question_is_one_of_its_options(question):
    assert type(question.answer) is int
    assert 0 <= question.answer < len(question.options)


@pytest.mark.parametrize("question", QUESTIONS_OF_ALL)
def test_a_question_says_why(question):
    assert len(question.why.strip()) >= 20
    assert question.why.strip().endswith(".")


@pytest.mark.parametrize("quiz", QUIZZES.values(), ids=QUIZZES)
def test_the_right_letters_are_not_all_the_same(quiz):
    assert len({question.answer for question in quiz.questions}) > 1


@pytest.mark.parametrize("quiz", QUIZZES.values(), ids=QUIZZES)
def test_no_single_letter_solves_most_of_a_quiz(quiz):
    answers = [question.answer for question in quiz.questions]
    assert max(answers.count(answer) for answer in answers) <= len(answers) / 2


@pytest.mark.parametrize("quiz", QUIZZES.values(), ids=QUIZZES)
def test_the_right_letters_solve_the_quiz_of_a_chapter(quiz):
    letters = ["abcdef"[question.answer] for question in quiz.questions]
    assert quiz.check(*letters).state == "right"
    assert list(Progress().read()) == [quiz.id]
