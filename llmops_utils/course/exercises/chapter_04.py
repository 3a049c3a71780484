"""Exercises of `04_training_an_llm`."""

from __future__ import annotations

import math

from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_merges(function) -> str:
    merges = [("l", "o"), ("lo", "w"), ("e", "r"), ("e", "s"), ("es", "t"), ("low", "est")]
    cases = [
        ("lower", merges, ["low", "er"]),
        ("lowest", merges, ["lowest"]),
        ("slow", merges, ["s", "low"]),
        ("xyz", merges, ["x", "y", "z"]),
        ("lolo", merges, ["lo", "lo"]),
        ("aaa", [("a", "a")], ["aa", "a"]),
        ("abc", [("b", "c"), ("a", "b")], ["a", "bc"]),
        ("", merges, []),
    ]
    for word, learned, expected in cases:
        found = call_learner(function, word, list(learned))
        if not isinstance(found, list):
            raise Wrong(f"It returned a {type(found).__name__}; return a list of pieces.")
        if "".join(map(str, found)) != word:
            raise Wrong(f"For {word!r} it returned {found}, and these pieces do not spell the word.")
        if found != expected:
            raise Wrong(f"For {word!r} and the merges {learned} it returned {found}.")
    return (
        "This is all that a byte-pair tokenizer does with a word: the merges in the order in which they were learned."
    )


def _grade_bits(function) -> str:
    cases = [
        ([0.5, 0.5], "ab", 1.0),
        ([0.25], "abcd", 0.5),
        ([0.125, 0.5, 1.0], "é", 2.0),
        ([0.1, 0.2, 0.3], "kettle", -math.log2(0.1 * 0.2 * 0.3) / 6),
    ]
    for chances, text, expected in cases:
        found = call_learner(function, list(chances), text)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise Wrong(f"It returned {found!r}; return one number.")
        if not math.isclose(found, expected, rel_tol=1e-9):
            raise Wrong(f"For the probabilities {chances} of the tokens of {text!r} it returned {found:.4g}.")
    return "Bits per byte do not depend on the tokenizer, so models with different ones can be compared."


def _grade_hours(function) -> str:
    cases = [(1e9, 20e9, 312e12, 0.4), (7e9, 2e12, 312e12, 0.5), (135e6, 2e12, 989.4e12, 0.1)]
    for parameters, tokens, peak, utilisation in cases:
        found = call_learner(function, parameters, tokens, peak, utilisation)
        expected = 6 * parameters * tokens / (peak * utilisation) / 3600
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise Wrong(f"It returned {found!r}; return one number.")
        if not math.isclose(found, expected, rel_tol=1e-6):
            raise Wrong(
                f"For {parameters:.3g} parameters, {tokens:.3g} tokens, a peak of {peak:.3g} operations a second and a "
                f"utilisation of {utilisation} it returned {found:.4g} hours."
            )
    return "One line. With 40 % for all, it comes within a factor of three of seven of the eight reported hours in 4.7."


def _grade_stop(function) -> str:
    cases = [
        ([3.0, 2.5, 2.2, 2.3, 2.4, 2.1], 2, 2),
        ([3.0, 2.5, 2.2, 2.3, 2.4, 2.1], 3, 5),
        ([3.0, 2.0, 1.0], 2, 2),
        ([1.0, 2.0, 3.0], 1, 0),
        ([2.0], 1, 0),
        ([3.0, 2.5, 2.5, 2.4], 2, 3),
        ([2.0, 2.4, 2.3, 2.2, 1.9], 3, 0),
    ]
    for losses, patience, expected in cases:
        found = call_learner(function, list(losses), patience)
        if not isinstance(found, int) or isinstance(found, bool):
            raise Wrong(f"It returned {found!r}; return the index of a look, counted from 0.")
        if found != expected:
            raise Wrong(f"For the dev losses {losses} and a patience of {patience} it returned {found}.")
    return (
        "Patience buys a second chance for a loss that rises and falls again, and costs that many looks of computing."
    )


EXERCISES = (
    Exercise(
        "04.1",
        "From merges to tokens",
        "Write `apply_merges(word, merges)`: begin with the list of the word's letters, take the merges in their order, and "
        "for each one join every neighbouring pair that is equal to it, from left to right. Return the list of pieces.",
        "apply_merges",
        _grade_merges,
        (
            "Two loops: over the merges, and inside it along the pieces.",
            "Walk with an index: where pieces[i] and pieces[i + 1] are the pair, put them together and stay at i + 1.",
        ),
        """
        def apply_merges(word, merges):
            parts = list(word)
            for left, right in merges:
                joined = []
                for part in parts:
                    is_pair = joined[-1:] == [left] and part == right
                    joined = [*joined[:-1], left + right] if is_pair else [*joined, part]
                parts = joined
            return parts
        """,
    ),
    Exercise(
        "04.2",
        "Bits per byte",
        "Write `count_bits_per_byte(chances, text)`. `chances` holds the probability that a model gave to each token of the "
        "text. Return how many bits the model needs for the text, divided by the bytes that the text has in UTF-8.",
        "count_bits_per_byte",
        _grade_bits,
        (
            "A token with probability p costs -log2(p) bits.",
            'len(text.encode("utf-8")) counts bytes; len(text) counts characters, which is another number for é.',
        ),
        """
        import math
        def count_bits_per_byte(chances, text):
            return -sum(math.log2(chance) for chance in chances) / len(text.encode("utf-8"))
        """,
    ),
    Exercise(
        "04.3",
        "Hours of a graphics card",
        "Write `estimate_hours(parameters, tokens, peak, utilisation)`: the hours that one card needs to train a model. "
        "`peak` is its operations per second, `utilisation` the share of them that is reached.",
        "estimate_hours",
        _grade_hours,
        (
            "First the operations of the run, then the operations that the card really does in a second.",
            "6 · parameters · tokens operations; peak · utilisation of them a second; 3,600 seconds an hour.",
        ),
        """
        def estimate_hours(parameters, tokens, peak, utilisation):
            return 6 * parameters * tokens / (peak * utilisation) / 3600
        """,
    ),
    Exercise(
        "04.4",
        "When to stop",
        "Write `find_stop(losses, patience)`. `losses` are the dev losses at each look, in order. Go through "
        "them and remember the lowest so far. Stop as soon as `patience` looks in a row have brought no lower one, or at "
        "the end of the list. Return the index of the lowest loss seen up to there, counted from 0; of equal ones the first.",
        "find_stop",
        _grade_stop,
        (
            "Remember the index of the best look so far, and compare the distance from it with the patience.",
            "What comes after the stop must not count, even where it would have been better.",
        ),
        """
        def find_stop(losses, patience):
            bests = [losses.index(min(losses[: place + 1])) for place in range(len(losses))]
            stops = [best for place, best in enumerate(bests) if place - best >= patience]
            return [*stops, bests[-1]][0]
        """,
    ),
)

QUIZ = Quiz(
    "04.quiz",
    (
        Question(
            "Why is the loss given in bits per byte and not per token?",
            (
                "bytes are smaller than tokens, so the number looks better",
                "models with different tokenizers, and compressors, can be compared on the same text",
                "the training needs it",
                "a token is always two bytes",
            ),
            1,
            "A larger vocabulary makes fewer and harder predictions. The bytes of the text stay the same.",
        ),
        Question(
            "A model's loss falls on its training text and rises on dev. What is happening, and what helps first?",
            (
                "the learning rate is too small: raise it",
                "the dev text is faulty: remove it",
                "it learns its text by heart: stop at the best look, and get more text",
                "nothing: the training loss counts",
            ),
            2,
            "The gap between the two is overfitting. Early stopping costs nothing.",
        ),
        Question(
            "You have 7 billion parameters and 2 trillion tokens. About how many operations does the training take?",
            ("8.4 · 10^22", "1.4 · 10^22", "2.8 · 10^22", "8.4 · 10^19"),
            0,
            "6 · 7e9 · 2e12 = 8.4e22.",
        ),
        Question(
            "After fine-tuning on customer messages the model is worse on the handbook. What is a cheap remedy?",
            (
                "a larger vocabulary",
                "a higher temperature",
                "fine-tune for longer",
                "mix some of the old text into the new",
            ),
            3,
            "What is rehearsed is not forgotten; the stored run shows how much of it.",
        ),
        Question(
            "The company's prices change each week, and answers must name their source. What comes first?",
            (
                "train a model each week",
                "retrieval: put the current page into the prompt",
                "fine-tune each week",
                "a higher rank in LoRA",
            ),
            1,
            "A changed page is in the next answer, and the page can be shown.",
        ),
        Question(
            "A line through four points gives an exponent of 0.2 with an interval from -0.1 to 0.5. What do you know?",
            (
                "ten times the size lowers the loss by 37 %",
                "the law is refuted",
                "the loss may fall with size or not: four points do not tell how fast",
                "the exponent is exactly 0.2",
            ),
            2,
            "The interval holds 0. Extrapolating it by a factor of a thousand would be guessing.",
        ),
    ),
)
