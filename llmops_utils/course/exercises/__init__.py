"""Exercises and quizzes: checked at once, with hints, and graded without looking at exact words.

A chapter's exercises live in a module of this package, `chapter_01` for `01_llm_basics`, that defines
`EXERCISES` and `QUIZ`. The notebook loads them with `load_exercises`.
"""

from __future__ import annotations

import importlib
import importlib.util

from ...core import ExerciseError
from .exercise import Exercise, Outcome, Wrong, call_learner
from .quiz import Question, Quiz

__all__ = ["Exercise", "Outcome", "Question", "Quiz", "Wrong", "call_learner", "list_exercises", "load_exercises"]


def load_exercises(chapter: str) -> tuple[list[Exercise], Quiz]:
    """Return the exercises and the quiz of a chapter, by the name of its notebook.

    Raises:
        ExerciseError: the chapter has none.
    """
    name = f"{__name__}.chapter_{chapter[:2]}"
    if not chapter[:2].isdigit() or importlib.util.find_spec(name) is None:
        raise ExerciseError(
            f"There are no exercises for “{chapter}”.", "Use the name of the notebook, such as 01_llm_basics."
        )
    module = importlib.import_module(name)
    return list(module.EXERCISES), module.QUIZ


def list_exercises(chapter: str) -> list[str]:
    """Return the ids of a chapter's exercises, the quiz last."""
    exercises, quiz = load_exercises(chapter)
    return [exercise.id for exercise in exercises] + [quiz.id]
