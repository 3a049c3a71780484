"""Claims about quizzes: what is told for right, wrong and open answers, and that every chapter's quiz is a fair one."""

import datetime

import pytest
from widget_views import ESCAPED, EVIL

from llmops_utils.core import ExerciseError
from llmops_utils.course.exercises import load_exercises
from llmops_utils.course.exercises.quiz import Question, Quiz
from llmops_utils.course.notebooks import list_notebooks
from llmops_utils.course.progress import Progress

THREE, FOUR = ("a scale", "a kettle", "a grinder"), ("a scale", "a kettle", "a grinder", "a tap")
QUESTIONS = (
    Question(text="What boils water?", options=THREE, answer="b", why="It has a heater."),
    Question(text="What weighs flour?", options=THREE, answer="a", why="It has a sensor."),
    Question(text="What grinds beans?", options=FOUR, answer="c", why="It has burrs."),
    Question(text="What is not sold?", options=FOUR, answer="d", why="Taps are plumbing."),
)
RIGHT = ("b", "a", "c", "d")
QUIZZES = [load_exercises(path.stem)[1] for path in list_notebooks()]


@pytest.fixture
def quiz():
    return Quiz(id="07.quiz", questions=QUESTIONS)


WRONG = "Not right. Read the question once more."


def test_right_answers_are_told_why_wrong_ones_not_and_only_a_right_quiz_marks_progress(quiz, progress_file):
    outcome = quiz.check("B", "c", "c", "a")
    assert outcome.state == "wrong"
    told = ["2 of 4 right.", "1. Right. It has a heater.", f"2. {WRONG}", "3. Right. It has burrs.", f"4. {WRONG}"]
    assert outcome.message.splitlines() == told
    assert not progress_file.exists()
    outcome = quiz.check(*RIGHT)
    assert outcome.state == "right"
    told = ["4 of 4 right.", *(f"{number}. Right. {one.why}" for number, one in enumerate(QUESTIONS, 1))]
    assert outcome.message.splitlines() == told
    assert Progress().read() == {"07.quiz": datetime.date.today().isoformat()}


def test_another_number_of_letters_or_an_unknown_one_is_an_error_that_counts_or_names_the_options(quiz, progress_file):
    for letters in (RIGHT[:3], (*RIGHT, "a"), ("bacd",)):
        with pytest.raises(ExerciseError) as caught:
            quiz.check(*letters)
        assert caught.value.problem == f"The quiz has 4 questions, and there are {len(letters)} answers."
        assert "one letter per question" in caught.value.next_step
    for letter in ("d", "", "ab", 1, True, ["a"]):
        with pytest.raises(ExerciseError) as caught:
            quiz.check("b", letter, "d", "d")
        assert caught.value.problem == "Question 2 has the options a, b, c."
    assert not progress_file.exists()


def choose(shown, letters):
    """Choose options as with the mouse; None leaves a question open."""
    for menu, letter in zip(shown.menus, letters, strict=True):
        menu.value = letter


def test_radio_buttons_stay_chosen_agree_with_letters_which_win_and_may_be_left_open(quiz, show):
    shown = show(quiz)
    assert [menu.value for menu in shown.menus] == [None] * 4
    assert shown.menus[0].options == (("a) a scale", "a"), ("b) a kettle", "b"), ("c) a grinder", "c"))
    assert quiz.check().message == "Choose an option for each question, then check."
    assert "Not attempted." in shown.click()
    choose(shown, ("b", None, "a", None))
    assert (quiz.check().state, quiz.check().message.splitlines()[2]) == ("wrong", "2. Open.")
    assert [menu.value for menu in show(quiz).menus] == ["b", None, "a", None]
    for letters in (("b", "a", "c", "a"), ("a", "b", "a", "a"), ("c", "c", "d", "d")):
        choose(shown, letters)
        assert quiz.check() == quiz.check(*letters)
        assert quiz.check().message.splitlines()[0] in shown.click()
    assert quiz.check(*RIGHT).state == "right"


def test_markup_is_escaped_everywhere(show):
    question = Question(text=EVIL, options=(EVIL, EVIL + "2", EVIL + "3"), answer="a", why=EVIL)
    quiz = Quiz(id="07.quiz", questions=(question,) * 4)
    shown = show(quiz)
    told = quiz.check("a", "a", "a", "a")._repr_html_()
    assert [html.count(ESCAPED) for html in (shown.data["text/html"], shown.read(), told)] == [16, 4, 4]
    assert "<script" not in shown.data["text/html"] + shown.read() + told


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
