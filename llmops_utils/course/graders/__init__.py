"""Graders by subject: one function for each exercise, under the exercise's id.

A grader takes the answer. It raises `Wrong` where that is not right; else it returns what to say, or nothing where
the data hold it.
"""

from . import (
    agents,
    choosing,
    evaluating,
    first_steps,
    prompt_basics,
    releasing,
    retrieval,
    serving,
    techniques,
    tracking,
    training,
)
from .checks import GRADERS
