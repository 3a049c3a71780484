"""An nbgrader assignment made from a lesson: answers to fill in, tests that are hidden, partial credit for the quiz.

nbgrader reads the metadata of the cells (its schema 3) and the marks in them; nothing here imports it.
Source: nbgrader's documentation, "Creating and grading assignments".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .exercises import load_exercises
from .exercises.exercise import Exercise
from .exercises.quiz import Quiz
from .notebooks import SEAL, read_notebook

POINTS = 2  # of an exercise; a question of the quiz gives one
# The grade goes by an exercise loaded anew, since a notebook can change its own; what a check writes stays out of the
# learner's progress, and progress bars out of the errors, for which nbgrader takes all points.
GRADED = """# Exercise {id} is graded here.
### BEGIN HIDDEN TESTS
import contextlib as _contextlib, io as _io, os as _os, tempfile as _tempfile
import llmops_utils.course as _course
_os.environ["LLMOPS_PROGRESS"] = _os.path.join(_tempfile.mkdtemp(), "progress.json")
with _contextlib.redirect_stderr(_io.StringIO()):
    _outcome = _course.load_exercises({lesson!r})[0][{place}].check({variable})
assert _outcome.is_right, str(_outcome)
### END HIDDEN TESTS"""
GRADED_QUIZ = """# The quiz is graded here, a point for each right answer.
### BEGIN HIDDEN TESTS
import llmops_utils.course as _course
_questions = _course.load_exercises({lesson!r})[1].questions
sum(str(_letter).lower() == _one.answer for _letter, _one in zip(quiz_answers, _questions))
### END HIDDEN TESTS"""


def make_assignment(path: Path):
    """Return the notebook of a lesson as nbgrader's source notebook, without outputs.

    Raises `DataError` where the file is no notebook, `ExerciseError` where it has no exercises.
    """
    notebook = read_notebook(path)
    exercises, quiz = load_exercises(path.stem)
    answers = {f"exercise:{one.id}": (place, one) for place, one in enumerate(exercises)}
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        [tag] = [tag for tag in cell.metadata.get("tags", []) if tag.startswith("exercise:")] or [""]
        if tag in answers:
            cells += _make_answer(cell, path.stem, *answers[tag])
        elif tag == f"exercise:{quiz.id}":
            cells += _make_quiz(cell, path.stem, quiz)
        else:
            cells.append(cell)
    notebook.cells = cells
    notebook.metadata.pop(SEAL, None)
    return notebook


def _make_answer(cell, lesson: str, place: int, exercise: Exercise) -> Iterator:
    number = exercise.id.replace(".", "-")
    cell.source += f"\n### BEGIN SOLUTION\n{exercise.solution_code}\n### END SOLUTION"
    yield _mark(cell, f"answer-{number}", solution=True)
    text = GRADED.format(id=exercise.id, lesson=lesson, place=place, variable=exercise.variable)
    yield _mark(_make_cell(text, f"graded-{number}"), f"graded-{number}", points=POINTS)


def _make_quiz(cell, lesson: str, quiz: Quiz) -> Iterator:
    letters = [question.answer for question in quiz.questions]
    text = f'quiz_answers = {[None] * len(letters)}  # a letter for each question, such as "a"'
    text += f"\n### BEGIN SOLUTION\nquiz_answers = {letters}\n### END SOLUTION"
    yield _mark(_make_cell(text, "answer-quiz"), "answer-quiz", solution=True)
    cell.source = "quiz.check(*quiz_answers)"
    yield cell
    yield _mark(_make_cell(GRADED_QUIZ.format(lesson=lesson), "graded-quiz"), "graded-quiz", points=len(letters))


def _make_cell(text: str, id: str):
    from nbformat.v4 import new_code_cell

    return new_code_cell(text, id=id)


def _mark(cell, grade_id: str, solution: bool = False, points: int | None = None):
    cell.metadata["nbgrader"] = {
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
        "grade_id": grade_id,
        "schema_version": 3,
        "cell_type": cell.cell_type,
    } | ({} if points is None else {"points": points})
    if not solution:
        cell.metadata |= {"editable": False, "deletable": False}
    return cell
