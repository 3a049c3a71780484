"""Claims about the graders: they accept right answers of any form, tell wrong ones in what, and give nothing away.

The reference answers are checked where each notebook runs, in its own kernel.
`answers/` holds for each exercise wrong answers with a part of what they are told, other right ones, and some that raise.
"""

import asyncio
import json
import re
import tomllib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from llmops_utils.course.exercises import load_exercises
from llmops_utils.course.notebooks import get_address, list_notebooks

FILES = sorted(Path(__file__).with_name("answers").glob("*.toml"))
EXERCISES = {exercise.id: exercise for path in FILES for exercise in load_exercises(f"{path.stem}_")[0]}
FUNCTIONS = [id for id, one in EXERCISES.items() if re.search(r"^def ", one.solution_code, re.MULTILINE)]
ANSWERS = [tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES]
WRONG, RIGHT, RAISING = (
    [answer for chapter in ANSWERS for answer in chapter.get(kind, [])] for kind in ("wrong", "right", "raising")
)


def check(code, id, names):
    """Return what an answer is told, when a cell with this code has run in the notebook."""
    space = dict(names)
    exec(code, space)
    return EXERCISES[id].check(space[EXERCISES[id].variable])


def find_solution(exercise, message, written=""):
    """Return the parts of the solution that a message tells, but for what the learner has written."""
    parts = set()
    for line in exercise.solution_code.splitlines():
        if not line.startswith(("def ", "import ", "from ")):
            value = re.split(r"return |(?<![=<>!])=(?!=)", line, maxsplit=1)[-1]
            parts |= {line.strip(), value.strip(), value.strip().strip("'\"")}
    return sorted(part for part in parts - {"None"} if part in message and part not in written)


def test_every_exercise_has_at_least_two_wrong_answers():
    ids = [answer["id"] for answer in WRONG]
    assert {id: ids.count(id) for id in EXERCISES if ids.count(id) < 2} == {}
    assert {answer["id"] for answer in WRONG + RIGHT + RAISING} <= set(EXERCISES)
    assert {path.stem for path in FILES} == {get_address(path.stem) for path in list_notebooks()}


def test_another_form_of_a_right_answer_is_right(names):
    outcomes = [(answer["id"], check(answer["code"], answer["id"], names)) for answer in RIGHT]
    assert [(id, outcome) for id, outcome in outcomes if outcome.state != "right"] == []


def test_an_empty_answer_and_the_cell_of_the_notebook_are_not_attempted(names):
    cells = {}
    for path in list_notebooks():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for tag in cell["metadata"].get("tags", []):
                cells[tag.removeprefix("exercise:")] = "".join(cell["source"])
    for id, exercise in EXERCISES.items():
        for outcome in (exercise.check(...), exercise.check(None), check(cells[id], id, names)):
            assert outcome.state == "not attempted", (id, outcome)
            assert f"`{exercise.variable}`" in outcome.message


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_wrong_answer_is_wrong_and_told_why_without_the_solution(names, progress_file):
    offenders = []
    for answer in WRONG:
        outcome = check(answer["code"], answer["id"], names)
        told = find_solution(EXERCISES[answer["id"]], outcome.message, answer["code"])
        if outcome.state != "wrong" or answer["said"] not in outcome.message or "hint" not in outcome.message or told:
            offenders.append((answer["id"], answer["name"], outcome, told))
    assert offenders == []
    assert not progress_file.exists()


def test_a_function_that_raises_is_told_what_and_with_which_arguments(progress_file):
    def fail(*arguments):
        raise ZeroDivisionError("on purpose")

    for id in FUNCTIONS:
        outcome = EXERCISES[id].check(fail)
        assert outcome.state == "raised", (id, outcome)
        assert "ZeroDivisionError: on purpose" in outcome.message
        assert re.search(r"called with \(.+\)", outcome.message), (id, outcome)
        assert find_solution(EXERCISES[id], outcome.message) == []
    assert not progress_file.exists()


def test_an_answer_that_raises_in_part_is_told_where(names):
    for answer in RAISING:
        outcome = check(answer["code"], answer["id"], names)
        assert outcome.state == "raised", (answer["id"], outcome)
        assert outcome.message.startswith(f"{answer['error']}: ")
        assert answer["called"] in outcome.message


def test_whatever_an_answer_returns_is_an_outcome_and_never_right_nor_an_exception():
    """Nan among them, which is neither near nor far from anything."""

    class Odd:
        def __repr__(self):
            raise ZeroDivisionError

        __eq__ = __len__ = __iter__ = __getitem__ = __float__ = __str__ = __repr__
        __hash__ = None

    endless = []
    endless.append(endless)
    numbers = (np.nan, np.float32("nan"), complex("nan"), Decimal("nan"), np.inf, 10**400, 10**5000, 1e308)
    values = [
        Odd(),
        endless,
        {"a": endless},
        np.array([[np.nan]]),
        np.datetime64("NaT", "D"),
        Fraction(10**400, 3),
        "\ud800",
    ]
    values += [form for number in numbers for form in (number, [number] * 3, (number, number), {"tea": number})]
    offenders = []
    for id in FUNCTIONS:
        outcomes = [EXERCISES[id].check(lambda *_, value=value: value) for value in values]
        offenders += [(id, outcome) for outcome in outcomes if outcome.state not in ("wrong", "raised")]
    assert offenders == []


def test_an_answer_that_ends_python_is_told_so_and_the_notebook_goes_on(progress_file):
    def stop(kind):
        raise kind("bye")

    for id in FUNCTIONS:
        for kind in (SystemExit, asyncio.CancelledError, GeneratorExit):
            outcome = EXERCISES[id].check(lambda *_, kind=kind: stop(kind))
            assert outcome.state == "raised", (id, outcome)
            assert f"Your code ended: {kind.__name__}: bye\nIt was called with (" in outcome.message
        with pytest.raises(KeyboardInterrupt):  # the learner wants an endless loop to stop
            EXERCISES[id].check(lambda *_: stop(KeyboardInterrupt))
    assert not progress_file.exists()
