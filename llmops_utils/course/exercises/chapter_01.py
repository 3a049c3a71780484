"""Exercises of `01_llm_basics`."""

from __future__ import annotations

import math

import numpy as np

from ...models import TokenChance
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_cost(function) -> str:
    cases = [((1_000_000, 0, 2.0, 8.0), 2.0), ((0, 1_000_000, 2.0, 8.0), 8.0), ((1500, 200, 2.5, 10.0), 0.00575)]
    for arguments, expected in cases:
        found = call_learner(function, *arguments)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned a {type(found).__name__}; return a number of dollars.")
        if math.isclose(found, expected * 1e6, rel_tol=1e-9):
            raise Wrong("The result is a million times too large: prices are per million tokens.")
        if not math.isclose(found, expected, rel_tol=1e-9):
            raise Wrong(
                f"For {arguments} it returned {found}, and {expected} is right. Do both sides have their own price?"
            )
    return "Reading and writing have different prices, and writing is usually the dearer one."


def _grade_top_k(function) -> str:
    probabilities = np.array([0.1, 0.4, 0.2, 0.3])
    before = probabilities.copy()
    for k, expected in [(1, [0, 1, 0, 0]), (2, [0, 4 / 7, 0, 3 / 7]), (4, [0.1, 0.4, 0.2, 0.3])]:
        found = np.asarray(call_learner(function, probabilities, k), dtype=float)
        if not np.array_equal(probabilities, before):
            raise Wrong("It changed the array that it was given. Work on a copy.")
        if found.shape != (4,):
            raise Wrong(f"It returned the shape {found.shape}; return one probability per token, 0 for those left out.")
        if not np.isfinite(found).all():
            raise Wrong(f"For k = {k} the result holds {found[~np.isfinite(found)][0]}: something was divided by zero.")
        if np.count_nonzero(found) != k:
            raise Wrong(f"For k = {k} it kept {np.count_nonzero(found)} tokens.")
        if not math.isclose(found.sum(), 1.0, abs_tol=1e-9):
            raise Wrong(f"For k = {k} the result sums to {found.sum():.3f}; probabilities sum to 1.")
        if not np.allclose(found, expected):
            raise Wrong(f"For k = {k} and {before.tolist()} it returned {np.round(found, 3).tolist()}.")
    return "Top-k keeps a fixed number of tokens, top-p as many as it takes to reach a share."


def _grade_weakest(function) -> str:
    def make_tokens(*probabilities: float) -> tuple[TokenChance, ...]:
        return tuple(TokenChance("x", probability) for probability in probabilities)

    for tokens, expected in [((0.9, 0.2, 0.7), 0.2), ((0.5,), 0.5), ((0.3, 0.31), 0.3), ((1.0, 1.0), 1.0)]:
        found = call_learner(function, make_tokens(*tokens))
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned a {type(found).__name__}; return one probability.")
        if not math.isclose(found, expected, abs_tol=1e-12):
            raise Wrong(f"For tokens with the probabilities {list(tokens)} it returned {found:.3f}.")
    found = call_learner(function, ())
    if found != 0:
        raise Wrong("An empty reply has no token: return 0.0 for it, no confidence at all.")
    return "A chain is as strong as its weakest link. Run the next cell to see whether that holds here."


EXERCISES = (
    Exercise(
        "01.1",
        "The price of a call",
        "Write `compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out)`. The last two "
        "are the prices in dollars of a million tokens read and of a million tokens written. Return the dollars of one "
        "call.",
        "compute_price",
        _grade_cost,
        (
            "Each side has its own number of tokens and its own price.",
            "Prices are per million tokens, so divide by 1,000,000.",
        ),
        """
        def compute_price(prompt_tokens, completion_tokens, usd_per_million_in, usd_per_million_out):
            return (prompt_tokens * usd_per_million_in + completion_tokens * usd_per_million_out) / 1_000_000
        """,
    ),
    Exercise(
        "01.2",
        "Top-k",
        "Write `keep_top_k(probabilities, k)`: keep the k likeliest tokens, set the others to 0, and scale so that "
        "the result sums to 1. The argument is a NumPy array and must not change; the order of the tokens stays.",
        "keep_top_k",
        _grade_top_k,
        (
            "keep_top_p in section 1.4 is close: it also sorts, keeps some, and divides by the sum.",
            "np.argsort(probabilities)[::-1][:k] gives the positions of the k largest.",
        ),
        """
        def keep_top_k(probabilities, k):
            kept = np.zeros_like(probabilities)
            largest = np.argsort(probabilities)[::-1][:k]
            kept[largest] = probabilities[largest]
            return kept / kept.sum()
        """,
    ),
    Exercise(
        "01.3",
        "The weakest token",
        "Section Measured took the mean over a reply's tokens as its confidence. Write `find_weakest(tokens)`, which "
        "returns the probability of the least likely token instead, and 0.0 for an empty reply. Each token has the "
        "attribute `probability`.",
        "find_weakest",
        _grade_weakest,
        ("It is the minimum over the tokens.", "min() takes default=0.0 for the empty case."),
        """
        def find_weakest(tokens):
            return min((token.probability for token in tokens), default=0.0)
        """,
    ),
)

QUIZ = Quiz(
    "01.quiz",
    (
        Question(
            "What does a language model compute in one step?",
            (
                "the true answer",
                "a probability for each possible next token",
                "the next sentence",
                "a search in its texts",
            ),
            1,
            "One distribution over the next token; everything else is repetition of that step.",
        ),
        Question(
            "You lower the temperature towards 0. What happens to the distribution?",
            ("it moves to the likeliest token", "it becomes flatter", "nothing", "it is cut off at a share"),
            0,
            "Dividing the log-probabilities by a small number stretches their differences.",
        ),
        Question(
            "The same sentence in German takes more tokens than in English with this model. Why?",
            (
                "German words mean more",
                "the tokenizer was built from text that was mostly English",
                "German has more letters in its alphabet",
                "the model translates first",
            ),
            1,
            "Frequent pieces of the training text become single tokens; what was rare there is split into more pieces.",
        ),
        Question(
            "A reply sounds certain. What do you know?",
            (
                "that it is true",
                "that the model looked it up",
                "that its tokens were likely",
                "nothing yet: neither whether it is true nor how likely its tokens were",
            ),
            3,
            "The violin with twelve strings sounds certain, and the two digits had a probability of 35 % and 36 %.",
        ),
        Question(
            "A conversation has grown past the context window. What can an application do?",
            (
                "nothing",
                "raise the temperature",
                "leave out or summarise older messages",
                "send it twice",
            ),
            2,
            "The window is fixed, so something has to go: the oldest messages, or their wording.",
        ),
    ),
)
