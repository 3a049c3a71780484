"""Exercises and quizzes read from `data/exercises/`, a file for each chapter or lesson."""

import tomllib

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core import DATA, DataError, ExerciseError
from ..notebooks import get_address
from .exercise import Exercise
from .quiz import Question, Quiz

FOLDER = DATA / "exercises"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    exercises: tuple[Exercise, ...] = Field(min_length=1)
    questions: tuple[Question, ...] = Field(min_length=4)


def load_exercises(chapter: str) -> tuple[list[Exercise], Quiz]:
    """Return the exercises and the quiz of a lesson, by its address or the name of its notebook, as 06_2_few_shot.

    Raises `ExerciseError` where there are none, `DataError` with file and entry where the file is damaged.
    """
    path = FOLDER / f"{get_address(chapter)}.toml"
    if not path.exists():
        raise ExerciseError(
            f"There are no exercises for “{chapter}”.", "Use the name of the notebook, such as 01_1_what_an_llm_is."
        )
    advice = f"Mend this entry in data/exercises/{path.name}."
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        place = " ".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
        raise DataError(f"{path.name}, {place}: {first['msg']}.", advice) from None
    except ValueError as error:  # of the form, or of the letters' encoding
        raise DataError(f"{path.name} cannot be read: {error}.", advice) from None
    expected = [f"{path.stem}.{place}" for place in range(1, len(file.exercises) + 1)]
    found = [exercise.id for exercise in file.exercises]
    if found != expected:
        raise DataError(f"{path.name} has the ids {', '.join(found)}, not {', '.join(expected)}.", advice)
    return list(file.exercises), Quiz(id=f"{path.stem}.quiz", questions=file.questions)


def list_exercises(chapter: str) -> list[str]:
    """Return the ids of a chapter's exercises, the quiz last."""
    exercises, quiz = load_exercises(chapter)
    return [exercise.id for exercise in exercises] + [quiz.id]
