"""Claims about assignments: the learner's copy holds no solution, right answers get all points and wrong ones none."""

import copy
import re

import nbformat
import pytest

from llmops_utils.course import load_exercises
from llmops_utils.course.assignments import POINTS, make_assignment
from llmops_utils.course.notebooks import find_notebooks, list_notebooks

LESSONS = list_notebooks()


@pytest.fixture(scope="module")
def assignments():
    return {path: make_assignment(path) for path in LESSONS}


def list_marked(notebook):
    return [cell for cell in notebook.cells if "nbgrader" in cell.metadata]


def test_each_lesson_becomes_an_assignment_with_a_grade_for_each_exercise_and_question(assignments):
    for path, assignment in assignments.items():
        nbformat.validate(assignment)
        exercises, quiz = load_exercises(path.stem)
        points = {
            cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.get("points") for cell in list_marked(assignment)
        }
        graded = {name: one for name, one in points.items() if one is not None}
        wanted = {f"graded-{one.id.replace('.', '-')}": POINTS for one in exercises}
        assert graded == wanted | {"graded-quiz": len(quiz.questions)}, path
        assert len(points) == 2 * len(graded) == len(list_marked(assignment)), path
        assert not any(cell.get("outputs") for cell in assignment.cells)


def strip(notebook):
    """Return the learner's copy, as nbgrader makes it: without what stands between its marks."""
    released = copy.deepcopy(notebook)
    for cell in list_marked(released):
        cell.source = re.sub(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n.*?### END \1", "", cell.source, flags=re.DOTALL)
    return released


def test_the_learners_copy_holds_no_solution_and_no_answer_of_the_quiz(assignments):
    for path, assignment in assignments.items():
        released = strip(assignment)
        text = "\n".join(cell.source for cell in released.cells)
        for exercise in load_exercises(path.stem)[0]:
            assert exercise.solution_code not in text, exercise.id
        assert "load_exercises" not in "\n".join(cell.source for cell in list_marked(released))


def grade(assignment, answer, place):
    """Return what the graded cell of an exercise makes of an answer: an error, or None where it gives the points."""
    [graded] = [cell for cell in assignment.cells if cell.get("id") == f"graded-03_2-{place}"]
    variable = re.search(r"\.check\((\w+)\)", graded.source)[1]
    try:
        exec(graded.source, {variable: answer})  # the text is the course's own
    except AssertionError as error:
        return str(error)


def test_a_right_answer_gets_the_points_and_an_empty_or_wrong_one_the_reason(assignments, monkeypatch):
    monkeypatch.setenv("LLMOPS_PROGRESS", "none")
    [path] = find_notebooks("03_2")
    assignment, names, exercise = assignments[path], {}, load_exercises(path.stem)[0][1]
    exec(exercise.solution_code, names)
    assert grade(assignment, names[exercise.variable], 2) is None
    assert grade(assignment, ..., 2).startswith("not attempted")
    assert grade(assignment, lambda *_: (0.0, 0.0), 2).startswith("wrong")
    assert grade(assignment, lambda *_: 1 / 0, 2).startswith("raised")


def test_the_quiz_gives_a_point_for_each_right_answer(assignments):
    [path] = find_notebooks("00")
    [graded] = [cell for cell in assignments[path].cells if cell.get("id") == "graded-quiz"]
    *lines, last = [line for line in graded.source.splitlines() if not line.startswith("#")]
    right = [question.answer for question in load_exercises(path.stem)[1].questions]
    names = {"quiz_answers": [right[0].upper(), "z", None, right[3]]}
    exec("\n".join(lines), names)
    assert eval(last, names) == 2
