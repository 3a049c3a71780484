"""Claims about quizzes: what is told for right, wrong and open answers, and that every chapter's quiz is a fair one."""

import datetime
import re

import ipywidgets
import pytest
from ipywidgets.widgets import widget as widget_module

from llmops_utils.core import NOTEBOOKS, ExerciseError
from llmops_utils.course.exercises import load_exercises
from llmops_utils.course.exercises.quiz import Question, Quiz
from llmops_utils.course.progress import Progress

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
VIEW = "application/vnd.jupyter.widget-view+json"
THREE, FOUR = ("a scale", "a kettle", "a grinder"), ("a scale", "a kettle", "a grinder", "a tap")
QUESTIONS = (
    Question(text="What boils water?", options=THREE, answer="b", why="It has a heater."),
    Question(text="What weighs flour?", options=THREE, answer="a", why="It has a sensor."),
    Question(text="What grinds beans?", options=FOUR, answer="c", why="It has burrs."),
    Question(text="What is not sold?", options=FOUR, answer="d", why="Taps are plumbing."),
)
RIGHT = ("b", "a", "c", "d")
QUIZZES = [load_exercises(path.stem)[1] for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))]


@pytest.fixture
def quiz():
    return Quiz(id="07.quiz", questions=QUESTIONS)


class Shown:
    """A quiz as a cell displays it."""

    def __init__(self, quiz):
        bundle = quiz._repr_mimebundle_()
        self.data = bundle[0] if isinstance(bundle, tuple) else bundle
        self.widgets = list_widgets(widget_module._instances[self.data[VIEW]["model_id"]])
        self.menus = [one for one in self.widgets if isinstance(one, ipywidgets.RadioButtons)]

    def choose(self, letters):
        """Choose options as with the mouse; None leaves a question open."""
        for menu, letter in zip(self.menus, letters, strict=True):
            menu.value = letter

    def click(self):
        """Press the button and return what stands below it."""
        (button,) = [one for one in self.widgets if isinstance(one, ipywidgets.Button)]
        button.click()
        return self.widgets[-1].value


def list_widgets(widget):
    return [widget, *(found for child in getattr(widget, "children", ()) for found in list_widgets(child))]


# Letters


def test_all_right_is_right_tells_why_and_marks_progress(quiz):
    outcome = quiz.check(*RIGHT)
    assert outcome.state == "right"
    assert outcome.message.splitlines() == [
        "4 of 4 right.",
        "1. Right. It has a heater.",
        "2. Right. It has a sensor.",
        "3. Right. It has burrs.",
        "4. Right. Taps are plumbing.",
    ]
    assert Progress().read() == {"07.quiz": datetime.date.today().isoformat()}


def test_some_right_is_wrong_tells_which_and_marks_nothing(quiz, progress_file):
    outcome = quiz.check("b", "c", "c", "a")
    assert outcome.state == "wrong"
    assert outcome.message.splitlines() == [
        "2 of 4 right.",
        "1. Right. It has a heater.",
        "2. Not right. Read the question once more.",
        "3. Right. It has burrs.",
        "4. Not right. Read the question once more.",
    ]
    assert not progress_file.exists()


def test_none_right_tells_no_reason(quiz):
    outcome = quiz.check("a", "b", "a", "a")
    assert outcome.state == "wrong"
    assert outcome.message.startswith("0 of 4 right.")
    assert [question.why for question in QUESTIONS if question.why in outcome.message] == []


def test_capital_letters_are_letters(quiz):
    assert quiz.check("B", "A", "C", "D").state == "right"
    assert quiz.check("B", "a", "c", "A").message.startswith("3 of 4 right.")


def test_another_number_of_letters_is_an_error_that_counts(quiz):
    for letters in (("b",), RIGHT[:3], (*RIGHT, "a"), ("bacd",)):
        with pytest.raises(ExerciseError) as caught:
            quiz.check(*letters)
        assert caught.value.problem == f"The quiz has 4 questions, and there are {len(letters)} answers."
        assert "one letter per question" in caught.value.next_step


def test_an_unknown_letter_is_an_error_that_names_the_options(quiz, progress_file):
    for letter in ("d", "e", "z", "", "ab", "1", " ", 1, 0, True, ["a"]):
        with pytest.raises(ExerciseError) as caught:
            quiz.check("b", letter, "c", "d")
        assert caught.value.problem == "Question 2 has the options a, b, c."
    assert not progress_file.exists()


def test_the_options_of_one_question_are_not_those_of_another(quiz):
    assert quiz.check("b", "a", "d", "d").message.startswith("3 of 4 right.")
    with pytest.raises(ExerciseError, match="Question 1 has the options a, b, c"):
        quiz.check("d", "a", "c", "d")


# Radio buttons


def test_nothing_is_chosen_at_first(quiz, progress_file):
    assert [menu.value for menu in Shown(quiz).menus] == [None] * 4
    outcome = quiz.check()
    assert outcome.state == "not attempted"
    assert outcome.message == "Choose an option for each question, then check."
    assert not progress_file.exists()


def test_radio_buttons_and_letters_agree_and_letters_win(quiz):
    shown = Shown(quiz)
    for letters in (RIGHT, ("b", "c", "c", "a"), ("a", "b", "a", "a"), ("c", "c", "d", "d")):
        shown.choose(letters)
        assert quiz.check() == quiz.check(*letters)
    assert quiz.check(*RIGHT).state == "right"


def test_an_open_question_is_told_as_open(quiz, progress_file):
    Shown(quiz).choose(("b", None, "a", None))
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


def test_what_was_chosen_is_still_chosen_where_the_quiz_is_shown_again(quiz):
    Shown(quiz).choose(("b", None, "a", None))
    assert [menu.value for menu in Shown(quiz).menus] == ["b", None, "a", None]


def test_radio_buttons_show_the_letter_and_the_option(quiz):
    menus = Shown(quiz).menus
    assert menus[0].options == (("a) a scale", "a"), ("b) a kettle", "b"), ("c) a grinder", "c"))
    assert [len(menu.options) for menu in menus] == [3, 3, 4, 4]


def test_a_click_shows_the_outcome(quiz):
    shown = Shown(quiz)
    assert "Not attempted." in shown.click()
    shown.choose(("b", "a", "c", "a"))
    told = shown.click()
    assert "Not yet." in told
    assert "3 of 4 right." in told
    shown.choose(RIGHT)
    assert "4 of 4 right." in shown.click()
    assert list(Progress().read()) == ["07.quiz"]


# Views


def test_static_html_lists_all_questions_and_options_in_order(quiz):
    data = Shown(quiz).data
    lines = [line for line in re.sub(r"<[^>]+>", "\n", data["text/html"]).splitlines() if line]
    expected = []
    for number, question in enumerate(QUESTIONS, start=1):
        expected.append(f"{number}. {question.text}")
        expected += [f"{letter}) {option}" for letter, option in zip("abcd", question.options, strict=False)]
    assert lines == expected
    assert data["text/plain"] == repr(quiz) == "Quiz 07.quiz: 4 questions."


def test_static_html_does_not_tell_the_answers(quiz):
    html = Shown(quiz).data["text/html"]
    assert [question.why for question in QUESTIONS if question.why in html] == []
    moved = tuple(question.model_copy(update={"answer": "c"}) for question in QUESTIONS)
    assert Shown(Quiz(id="07.quiz", questions=moved)).data["text/html"] == html


def test_markup_is_escaped_everywhere():
    question = Question(text=EVIL, options=(EVIL, EVIL + "2", EVIL + "3"), answer="a", why=EVIL)
    quiz = Quiz(id="07.quiz", questions=(question,) * 4)
    shown = Shown(quiz)
    values = "".join(one.value for one in shown.widgets if isinstance(one, ipywidgets.HTML))
    told = quiz.check("a", "a", "a", "a")._repr_html_()
    assert shown.data["text/html"].count(ESCAPED) == 16
    assert values.count(ESCAPED) == 4
    assert told.count(ESCAPED) == 4
    assert "<script" not in shown.data["text/html"] + values + told


# The quizzes of the chapters


def test_every_question_is_asked_once_has_different_options_and_says_why():
    offenders = []
    for quiz in QUIZZES:
        texts = [question.text for question in quiz.questions]
        offenders += [(quiz.id, text) for text in set(texts) if texts.count(text) > 1]
        for question in quiz.questions:
            different = {option.strip().casefold() for option in question.options} - {""}
            says_why = len(question.why) >= 20 and question.why.endswith(".")
            if len(different) < len(question.options) or not says_why:
                offenders.append((quiz.id, question.text))
    assert offenders == []


def test_no_single_letter_solves_most_of_a_quiz():
    letters = {quiz.id: [question.answer for question in quiz.questions] for quiz in QUIZZES}
    most = {id: max(map(answers.count, answers)) / len(answers) for id, answers in letters.items()}
    assert {id: share for id, share in most.items() if share > 0.5} == {}


def test_the_right_letters_solve_the_quiz_of_a_chapter():
    states = [quiz.check(*(question.answer for question in quiz.questions)).state for quiz in QUIZZES]
    assert states == ["right"] * 14
    assert sorted(Progress().read()) == [quiz.id for quiz in QUIZZES]
