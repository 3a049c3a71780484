"""Graders by subject: one function for each exercise, under the exercise's id.

A grader takes the answer. It raises `Wrong` where that is not right; else it returns what to say, or nothing where
the data hold it.
"""

from . import (
    advanced_techniques,
    agents,
    basic_techniques,
    capstone,
    chains,
    comparing_models,
    deciding,
    evaluating,
    first_steps,
    lifecycle,
    programs,
    prompt_basics,
    protecting,
    rag,
    releasing,
    retrieval,
    serving,
    tracking,
    training,
)

SUBJECTS = (
    advanced_techniques,
    agents,
    basic_techniques,
    capstone,
    chains,
    comparing_models,
    deciding,
    evaluating,
    first_steps,
)
SUBJECTS += (lifecycle, programs, prompt_basics, protecting, rag, releasing, retrieval, serving, tracking, training)
GRADERS = {id: grade for subject in SUBJECTS for id, grade in subject.GRADERS.items()}
