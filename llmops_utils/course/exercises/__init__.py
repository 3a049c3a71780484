"""Exercises and quizzes: checked at once, with hints, and graded without looking at exact words.

The texts of a chapter stand in `data/exercises/`, in the file of its number; the graders in `course/graders/`.
"""

from .loading import list_exercises, load_exercises
