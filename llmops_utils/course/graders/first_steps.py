"""Graders of the chapters 00 and 01: first reply, what a model is."""

import re
from numbers import Integral, Real

import numpy as np

from ...models import Reply, TokenChance
from .checks import Wrong, check_cases, is_right


def _grade_first_reply(answer) -> str:
    if isinstance(answer, str):
        raise Wrong("This is a text. Keep the whole reply that model.chat returns, not only its text.")
    if not isinstance(answer, Reply):
        raise Wrong(f"This is a {type(answer).__name__}; model.chat returns a Reply.")
    if not answer.text.strip():
        raise Wrong("The reply is empty. Ask something.")
    return f"A Reply, {answer.price}."


def _grade_mode(answer) -> None:
    if not isinstance(answer, str):
        raise Wrong("The answer is a text.")
    lines = [re.sub(r"[\s'\"]", "", line) for line in answer.splitlines() if line.strip()]
    if lines == ["LLMOPS_MODE=replay"]:
        return
    if len(lines) == 1 and lines[0].startswith("LLMOPS_MODE"):
        raise Wrong("The right setting, but not the value that works without model and network.")
    if "LLMOPS_MODE=replay" in lines:
        raise Wrong("The line is there, with more than is needed. One line is enough.")
    raise Wrong("It is a line of the form NAME=value; the table of modes in this chapter has the name.")


def _grade_worst(function) -> None:
    def explain(found, expected, prompt, max_tokens) -> str:
        if found == expected - 48:
            return "The marks around the message are missing."
        return "A letter such as ü takes more than one byte." if not prompt.isascii() else ""

    cases = [
        (("What is the capital of Germany?", 40), 119),
        (("Hi", 10), 60),
        (("Küche", 0), 54),
        (("Preis in €?", 100), 161),
        (("", 1), 49, "an empty prompt still has marks around it"),
    ]
    check_cases(function, cases, Integral, "a whole number of tokens", explain=explain)


def _grade_price(function) -> None:
    def explain(found, expected, *arguments) -> str:
        if is_right(found, expected * 1e6):
            return "The result is a million times too large: prices are per million tokens."
        return f"Asked for was {expected}. Do both sides have their own price?"

    cases = [((1_000_000, 0, 2.0, 8.0), 2.0), ((0, 1_000_000, 2.0, 8.0), 8.0), ((1500, 200, 2.5, 10.0), 0.00575)]
    check_cases(function, cases, Real, "a number of dollars", explain=explain)


def _grade_top_k(function) -> None:
    def read(found) -> list[float]:
        found = np.asarray(found, dtype=float)
        if found.shape != (4,):
            raise Wrong(f"It returned the shape {found.shape}; return one probability per token, 0 for those left out.")
        return found.round(12).tolist()

    def explain(found, expected, probabilities, k) -> str:
        if not np.isfinite(found).all():
            return "Something was divided by zero."
        if np.count_nonzero(found) != k:
            return f"For k = {k} it kept {np.count_nonzero(found)} tokens."
        if not is_right(sum(found), 1):
            return f"This sums to {sum(found):.3f}; probabilities sum to 1."
        return ""

    given = np.array([0.1, 0.4, 0.2, 0.3])
    cases = [
        ((given, 1), [0, 1, 0, 0]),
        ((given, 2), [0, 4 / 7, 0, 3 / 7]),
        ((given, 4), [0.1, 0.4, 0.2, 0.3]),
    ]
    told = "k = {1} and the probabilities {0}"
    check_cases(function, cases, object, "an array", given=told, read=read, explain=explain, tolerance=1e-5, keeps=True)


def _grade_weakest(function) -> None:
    def make_tokens(*probabilities: float) -> tuple[tuple[TokenChance, ...]]:
        return (tuple(TokenChance("x", probability) for probability in probabilities),)

    def tell(tokens) -> str:
        return f"tokens with the probabilities {[token.probability for token in tokens]}"

    cases = [
        (make_tokens(0.9, 0.2, 0.7), 0.2),
        (make_tokens(0.5), 0.5),
        (make_tokens(0.3, 0.31), 0.3),
        (make_tokens(1.0, 1.0), 1.0),
        (make_tokens(), 0, "an empty reply has no token, and so no confidence at all: 0.0"),
    ]
    check_cases(function, cases, Real, "one probability, and 0.0 for an empty reply", given=tell)


GRADERS = {
    "00.1": _grade_first_reply,
    "00.2": _grade_mode,
    "00.3": _grade_worst,
    "01.1": _grade_price,
    "01.2": _grade_top_k,
    "01.3": _grade_weakest,
}
