"""Exercises of `02_what_is_llmops`."""

from __future__ import annotations

import math

from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_month(function) -> str:
    cases = [
        ((1000, 300, 3, 0.10, 0.40), 0.936, "30 days of 1,000 requests read 9 million tokens and write 90,000"),
        ((1000, 300, 300, 0.10, 0.40), 4.5, "what is written has its own price"),
        ((1, 1_000_000, 0, 2.0, 8.0), 60.0, "one request of a million tokens a day"),
        ((500, 0, 200, 0.10, 0.40), 1.2, "nothing is read here"),
        ((0, 300, 3, 0.10, 0.40), 0.0, "no request costs nothing"),
    ]
    for values, expected, why in cases:
        found = call_learner(function, *values)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned {found!r}; return a number of dollars.")
        if not math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9):
            raise Wrong(f"For {values} it returned {found:.6g}: {why}.")
    return (
        "Most of such a bill pays for what is read again with each request. That is why short prompts are worth work."
    )


def _grade_production(function) -> str:
    history = [(9, "promote", 1), (14, "promote", 2), (20, "roll back", 1), (31, "promote", 3), (40, "promote", 4)]
    again = [*history, (41, "roll back", 3), (42, "roll back", 1)]
    cases = [
        (history, 10, 1, "revision 1 was promoted before"),
        (history, 14, 2, "a change counts from its own moment on"),
        (history, 25, 1, "after the roll back the earlier revision is in production again"),
        (history, 100, 4, "the last change stays"),
        (history, 3, None, "nothing was in production yet"),
        (again, 45, 1, "two roll backs went back two steps"),
        ([], 5, None, "there is no history"),
    ]
    for listed, when, expected, why in cases:
        found = call_learner(function, list(listed), when)
        if found != expected or isinstance(found, bool):
            raise Wrong(f"At {when} of {listed} it returned {found!r}: {why}.")
    return "An alarm has a time; with this function it has a prompt. That is what the history is kept for."


def _grade_lazy(function) -> str:
    cases = [
        (
            ["kettle"] * 6 + ["scale"] * 4,
            ["kettle"] * 3 + ["scale"] * 7,
            0.3,
            "the label is chosen where it is learned",
        ),
        (["scale"] * 9 + ["kettle"], ["scale"] * 9 + ["kettle"], 0.9, "nine of ten are scales on both sides"),
        (["kettle", "scale", "scale"], ["kettle"] * 5, 0.0, "its only answer never occurs among the others"),
        (["grinder"], ["grinder", "kettle"], 0.5, ""),
        (("kettle", "kettle", "grinder"), ("kettle", "grinder"), 0.5, "tuples are sequences too"),
    ]
    for labels, others, expected, why in cases:
        found = call_learner(function, labels, others)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned {found!r}; return a share between 0 and 1.")
        if not math.isclose(found, expected, abs_tol=1e-9):
            raise Wrong(f"For {labels} and {others} it returned {found:.3g}" + (f": {why}." if why else "."))
    return "Each system has to beat this one. On a lopsided data set it looks splendid, and it has not read a word."


EXERCISES = (
    Exercise(
        "02.1",
        "The bill of a month",
        "Exercise 01.1 priced one call; now price a month. Write `price_month(requests_per_day, prompt_tokens, "
        "completion_tokens, usd_read, usd_written)`. Each request reads `prompt_tokens` and writes `completion_tokens`; the "
        "prices are dollars for a million tokens read, and for a million written. Return the dollars of a month of 30 days.",
        "price_month",
        _grade_month,
        (
            "First the price of one request: tokens read times their price, plus tokens written times theirs.",
            "The prices are for a million tokens: divide by 1,000,000. Then multiply by the requests of 30 days.",
        ),
        """
        def price_month(requests_per_day, prompt_tokens, completion_tokens, usd_read, usd_written):
            one = prompt_tokens * usd_read + completion_tokens * usd_written
            return 30 * requests_per_day * one / 1_000_000
        """,
    ),
    Exercise(
        "02.2",
        "The revision in production",
        "Write `find_production(history, when)`. `history` is a list of `(time, action, revision)` in the order of time; "
        "each entry says which revision is in production from its time on. Return the revision that was in production at "
        "the time `when`, or None where there was none yet.",
        "find_production",
        _grade_production,
        (
            "Only the entries whose time is at most `when` have happened.",
            "Whether an entry is a promotion or a roll back does not matter: each names the revision that counts from then on.",
        ),
        """
        def find_production(history, when):
            happened = [revision for time, action, revision in history if time <= when]
            return happened[-1] if happened else None
        """,
    ),
    Exercise(
        "02.3",
        "The laziest system",
        "Write `score_lazy(labels, others)`. The laziest system reads no message: it always answers the label that is most "
        "frequent in `labels`. Return the share of `others` on which it is right.",
        "score_lazy",
        _grade_lazy,
        (
            "Counter(labels).most_common(1) holds the most frequent label with its count.",
            "Then count how often that label stands in `others`, and divide by how many there are.",
        ),
        """
        def score_lazy(labels, others):
            answer = Counter(labels).most_common(1)[0][0]
            return sum(label == answer for label in others) / len(others)
        """,
    ),
)

QUIZ = Quiz(
    "02.quiz",
    (
        Question(
            "A provider serves another model under the same name. Which stage notices it?",
            (
                "the gate, since it compares each candidate with production",
                "the watch over the stream of requests",
                "the registry, since the version of the prompt changes",
                "none",
            ),
            1,
            "Nothing of yours has changed, so no gate is asked and no version moves. Only what comes out moves.",
        ),
        Question(
            "What is in a version of an LLM system, so that a result can be repeated?",
            (
                "the prompt",
                "the name of the model",
                "the code",
                "prompt, model with its weights or provider, settings, and the code around them",
            ),
            3,
            "Change one of them, and the answers change.",
        ),
        Question(
            "A demo answers one message right. What do you know about the system?",
            (
                "that it can happen; of one message the interval reaches from about 20 % to 100 %",
                "that it works",
                "that it is right in most cases",
                "that the model is large enough",
            ),
            0,
            "Wilson's interval for 1 of 1 goes from 21 % to 100 %. A demo shows that something is possible.",
        ),
        Question(
            "Two calls follow one another, each right in 80 % of cases, independently. The first must be right for the "
            "second to be of use. How often is the chain right?",
            ("80 %", "about 64 %", "90 %", "40 %"),
            1,
            "0.8 · 0.8 = 0.64. A chain is worse than each of its calls, so measure each call by itself.",
        ),
        Question(
            "When is a model that you train yourself the better choice than a prompt?",
            (
                "never: language models are newer",
                "always: it costs nothing to run",
                "where the labels are fixed and labelled examples are there, as for the product in this chapter",
                "where the answer is a text",
            ),
            2,
            "It needs labelled examples for each question anew, and answers nothing but that question. There it is hard to beat.",
        ),
    ),
)
