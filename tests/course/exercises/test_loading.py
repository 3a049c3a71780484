"""Claims about the texts of exercises and quizzes: found by the notebook's name, complete, and checked when read."""

import pytest

from llmops_utils.core import DataError, ExerciseError
from llmops_utils.course.exercises import list_exercises, load_exercises, loading
from llmops_utils.course.graders import (
    GRADERS,
    agents,
    prompt_basics,
    releasing,
    retrieval,
    techniques,
)
from llmops_utils.course.notebooks import get_address, list_notebooks

LOADED = {get_address(path.stem): load_exercises(path.stem) for path in list_notebooks()}
EXERCISES = {exercise.id: exercise for exercises, _ in LOADED.values() for exercise in exercises}

EXERCISE = """
[[exercises]]
id = "06_2.1"
title = "The square"
variable = "square"
task = "Write square(number)."
hints = ["Something times itself.", "Use the star."]
solution = "square = lambda number: number * number"
"""
QUESTION = """
[[questions]]
text = "What boils water?"
options = ["a scale", "a kettle", "a grinder"]
answer = "b"
why = "It has a heater."
"""


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write the file of lesson 06_2."""
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    return lambda text: (tmp_path / "06_2.toml").write_text(text, encoding="utf-8")


def test_a_lesson_is_found_by_both_of_its_numbers_and_one_without_exercises_is_an_error_that_names_it():
    exercises, quiz = load_exercises("01_1_what_an_llm_is")
    ids = [exercise.id for exercise in exercises]
    assert [*ids, quiz.id] == list_exercises("01_1_what_an_llm_is") == ["01_1.1", "01_1.2", "01_1.quiz"]
    for name in ("99_nothing", "llm_basics", "", "..", "06_few_shot"):
        with pytest.raises(ExerciseError) as caught:
            load_exercises(name)
        assert f"“{name}”" in caught.value.problem
        assert "01_1_what_an_llm_is" in caught.value.next_step


def test_a_damaged_file_is_an_error_that_names_file_and_entry(write):
    good = EXERCISE + QUESTION * 4
    cases = [
        (good.replace('title = "The square"', ""), "06_2.toml, exercises 1 title: Field required."),
        (good.replace("06_2.1", "6.1"), "06_2.toml, exercises 1 id: String should match"),
        (good.replace("06_2.1", "06_2.2"), "06_2.toml has the ids 06_2.2, not 06_2.1."),
        (good.replace(', "Use the star."', ""), "06_2.toml, exercises 1 hints: Tuple should have at least 2 items"),
        (good + 'when = "now"\n', "06_2.toml, questions 4 when: Extra inputs are not permitted."),
        (good + QUESTION.replace('"b"', '"d"'), "questions 5: Value error, the answer “d” is none of a, b, c."),
        (EXERCISE + QUESTION * 3, "06_2.toml, questions: Tuple should have at least 4 items"),
        (good.replace("hints = [", "hints = "), "06_2.toml cannot be read: "),
    ]
    for text, problem in cases:
        write(text)
        with pytest.raises(DataError) as caught:
            load_exercises("06_2_few_shot")
        assert problem in caught.value.problem
        assert caught.value.next_step == "Mend this entry in data/exercises/06_2.toml."


def test_every_exercise_has_a_grader_a_task_that_names_its_variable_and_hints_without_the_solution():
    assert set(GRADERS) == {id for id, exercise in EXERCISES.items() if exercise.letters is None}
    assert {path.stem for path in loading.FOLDER.glob("*.toml")} == set(LOADED)
    assert [id for id, exercise in EXERCISES.items() if exercise.variable not in exercise.task] == []
    assert [id for id, exercise in EXERCISES.items() if len(set(exercise.hints)) < len(exercise.hints)] == []
    assert [id for id, one in EXERCISES.items() if any(one.solution_code in hint for hint in one.hints)] == []


def test_tasks_name_the_limits_that_their_graders_hold():
    limits = {
        "05_1.2": (f"on {prompt_basics.NUM_HELD_BACK} messages", f"At least {prompt_basics.NUM_NEEDED} must"),
        "05_2.2": (f"at most {prompt_basics.MOST_WORDS} words", "Eight questions"),
        "06_1.1": (f"At least {techniques.LEAST_AGREED} of the 12",),
        "06_2.2": (f"up to {techniques.MOST_SHOTS} examples", f"at least {techniques.THRESHOLD} of 40"),
        "07_2.2": (
            f"up to {techniques.MOST_WORKED} pairs",
            f"At least {techniques.LEAST_SOLVED} of 16",
        ),
        "09_3.2": (f"at least {retrieval.LEAST_CAUGHT} of 8", f"at most {retrieval.MOST_FALSE_ALARMS:.0%}"),
        "13_1.1": (f"at least {releasing.THRESHOLD} of the last {-releasing.HELD_BACK.start} messages",),
    }
    missing = [(id, limit) for id, told in limits.items() for limit in told if limit not in EXERCISES[id].task]
    assert missing == []
    assert len(prompt_basics.COUNTER) == 8
    given = "".join("".join(numbers) for _, numbers in agents.PROBLEMS)
    assert given == "46.504.5050159206"
    assert [n for _, told in agents.PROBLEMS for n in told if n not in EXERCISES["08_2.2"].task] == []
