"""Graders by subject: one function for each exercise, under the exercise's id.

A grader takes the answer. It raises `Wrong` where that is not right; else it returns what to say, or nothing where
the data hold it.
"""

from . import (
    advanced_techniques,
    basic_techniques,
    capstone,
    choosing,
    comparing_models,
    evaluating,
    first_steps,
    operating,
    prompt_basics,
    rag,
    tracking,
    training,
)

SUBJECTS = (first_steps, choosing, training, prompt_basics, basic_techniques, advanced_techniques, rag, tracking)
SUBJECTS += (evaluating, operating, capstone, comparing_models)
GRADERS = {id: grade for subject in SUBJECTS for id, grade in subject.GRADERS.items()}
