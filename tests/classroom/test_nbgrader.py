"""Claims about assignments in nbgrader: from the source to grades, feedback and a table, whatever is handed in."""

import copy
import csv
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from llmops_utils.core import ROOT
from llmops_utils.course import load_exercises
from llmops_utils.course.assignments import POINTS, make_assignment
from llmops_utils.course.notebooks import find_notebooks

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nbgrader") is None, reason="nbgrader is not installed; `make class-test` installs it"
)
LESSONS = os.environ.get("CLASS_LESSONS", "01_2 03_2 06_3").split()
TIMEOUT_S = 20


def is_answer(cell):
    return cell.metadata.get("nbgrader", {}).get("solution", False)


def fill(released, answers):
    """Return a copy with other texts in its answer cells, by their grade ids."""
    filled = copy.deepcopy(released)
    for cell in filter(is_answer, filled.cells):
        cell.source = answers.get(cell.metadata.nbgrader.grade_id, cell.source)
    return filled


def tamper(released):
    """Return a copy whose checks say yes, whose points are many and whose metadata tells of a grade."""
    changed = copy.deepcopy(released)
    for cell in changed.cells:
        told = cell.metadata.get("nbgrader", {})
        if told.get("grade"):
            cell.source = "100"
            told.update(points=100, locked=False)
    changed.metadata["nbgrader"] = {"score": 100}
    return changed


def make_submissions(source, released, exercises):
    """Return what six students hand in, with the points that each should get of all."""
    right = {}
    for cell in filter(is_answer, source.cells):
        right[cell.metadata.nbgrader.grade_id] = re.search(
            r"### BEGIN SOLUTION\n(.*)### END SOLUTION", cell.source, flags=re.DOTALL
        )[1]
    first = next(name for name in right if name != "answer-quiz")
    variable = exercises[0].variable
    quiz = sum(cell.metadata.get("nbgrader", {}).get("grade_id") == "graded-quiz" and cell.metadata.nbgrader.points
               for cell in source.cells)  # fmt: skip
    most = POINTS * len(exercises) + quiz
    wrong = {f"answer-{one.id.replace('.', '-')}": f"{one.variable} = ['wrong']" for one in exercises}
    return {
        "right": (fill(released, right), most),
        "wrong": (fill(released, wrong | {"answer-quiz": f"quiz_answers = {['z'] * quiz}"}), 0),
        "empty": (released, 0),
        "raising": (fill(released, right | {first: f"{variable} = 1 / 0"}), most - POINTS),
        "endless": (fill(released, right | {first: "while True:\n    pass"}), most - POINTS),
        "tampered": (tamper(released), 0),
    }


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_assignment_goes_out_comes_back_and_is_graded_to_the_point(lesson, tmp_path):
    [path] = find_notebooks(lesson)
    name, exercises = path.stem, load_exercises(path.stem)[0]
    shutil.copy(ROOT / "classroom" / "nbgrader_config.py", tmp_path)
    own = {"HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path), "LLMOPS_MODE": "replay"}
    path_of_programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | own | {"PATH": path_of_programs}  # on which nbgrader looks for alembic

    def run(*command):
        done = subprocess.run(
            [Path(sys.executable).with_name("nbgrader"), *command],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr[-3000:]
        return done

    write = tmp_path / "source" / name / path.name
    write.parent.mkdir(parents=True)
    source = make_assignment(path)
    nbformat.write(source, write)
    assert run("generate_assignment", name).returncode == 0
    released = nbformat.read(tmp_path / "release" / name / path.name, 4)
    text = "\n".join(cell.source for cell in released.cells)
    assert "SOLUTION" not in text
    assert "HIDDEN TESTS" not in text

    submissions = make_submissions(source, released, exercises)
    for student, (notebook, _) in submissions.items():
        target = tmp_path / "submitted" / student / name / path.name
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)
    run("autograde", name, f"--ExecutePreprocessor.timeout={TIMEOUT_S}")
    run("generate_feedback", name)
    run("export", "--to=grades.csv")
    with open(tmp_path / "grades.csv", newline="", encoding="utf-8") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file) if row["assignment"] == name}
    found = {student: float(row["score"]) for student, row in rows.items()}
    assert found == {student: points for student, (_, points) in submissions.items()}
    assert {float(row["max_score"]) for row in rows.values()} == {submissions["right"][1]}
    for student in submissions:
        assert (tmp_path / "feedback" / student / name / f"{name}.html").stat().st_size > 10_000
