"""Graders by subject: one function for each exercise, found by the exercise's id.

A grader takes the answer. It raises `Wrong` where that is not right; else it returns what to say, or nothing where
the data hold it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

MODULES = {
    "00": "first_steps",
    "01": "first_steps",
    "02": "first_steps",
    "03": "choosing",
    "04": "training",
    "05": "prompt_basics",
    "06": "basic_techniques",
    "07": "advanced_techniques",
    "08": "advanced_techniques",
    "09": "rag",
    "10": "tracking",
    "11": "evaluating",
    "12": "operating",
    "13": "capstone",
}


def find_grader(id: str) -> Callable[[object], str | None]:
    """Return the grader of an exercise, such as "06.1"; its module is imported here, since it may need heavy ones."""
    module = importlib.import_module(f"{__name__}.{MODULES[id[:2]]}")
    return module.GRADERS[id]
