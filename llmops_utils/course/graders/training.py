"""Graders of chapter 04: training from nothing, data and scale, costs and ways."""

from numbers import Integral, Real

from ...datasets import INTENTS, load_training_messages
from ...training import TOKENS_PER_PARAMETER
from .checks import Wrong, check_cases, check_letters, check_names, grades, is_right, show


@grades("04_2.1")
def _grade_merges(function) -> None:
    def explain(found, expected, word, merges) -> str:
        return "" if "".join(map(str, found)) == word else "These pieces do not spell the word."

    merges = [("l", "o"), ("lo", "w"), ("e", "r"), ("e", "s"), ("es", "t"), ("low", "est")]
    cases = [
        (("lower", merges), ["low", "er"]),
        (("lowest", merges), ["lowest"]),
        (("slow", merges), ["s", "low"]),
        (("xyz", merges), ["x", "y", "z"]),
        (("lolo", merges), ["lo", "lo"]),
        (("aaa", [("a", "a")]), ["aa", "a"]),
        (("abc", [("b", "c"), ("a", "b")]), ["a", "bc"]),
        (("", merges), []),
    ]
    check_cases(function, cases, list, "a list of pieces", explain=explain)


@grades("04_3.3")
def _grade_stop(function) -> None:
    losses = [3.0, 2.5, 2.2, 2.3, 2.4, 2.1]
    cases = [
        ((losses, 2), 2),
        ((losses, 3), 5),
        (([3.0, 2.0, 1.0], 2), 2),
        (([1.0, 2.0, 3.0], 1), 0),
        (([2.0], 1), 0),
        (([3.0, 2.5, 2.5, 2.4], 2), 3),
        (([2.0, 2.4, 2.3, 2.2, 1.9], 3), 0),
    ]
    check_cases(function, cases, Integral, "the index of a look, counted from 0")


@grades("04_1.1")
def _grade_size(function) -> None:
    def explain(found, expected, usd, usd_per_hour, peak, utilisation) -> str:
        ratio = (found / expected) ** 2 if found > 0 else 0
        remarks = {
            3.0: "These are the operations of the forward pass only.",
            1 / 3600: "An hour has 3,600 seconds.",
            1 / utilisation: "This card would reach its whole peak.",
            20.0: "This is the number of tokens.",
            20.0**2: "This is the number of tokens.",
            expected**2: "This is the square of the size: 20 tokens for each parameter make it grow with the square.",
            20.0 * expected**2: "The tokens grow with the parameters: 20 for each.",
        }
        return "".join(dict.fromkeys(text for factor, text in remarks.items() if is_right(ratio / factor, 1.0, 1e-6)))

    budgets = [
        (2000, 2.5, 989.4e12, 0.4),
        (2000, 2.5, 989.4e12, 0.09),
        (50_000, 1.0, 312e12, 0.35),
        (10, 2.0, 125e12, 0.2),
    ]
    cases = [
        (budget, (budget[0] / budget[1] * 3600 * budget[2] * budget[3] / (6 * TOKENS_PER_PARAMETER)) ** 0.5)
        for budget in budgets
    ]
    check_cases(function, cases, Real, "a number of parameters", explain=explain, tolerance=1e-6)


@grades("04_1.2")
def _grade_break_even(function) -> None:
    def explain(found, expected, usd_once, long_tokens, short_tokens, usd_per_million) -> str:
        if found is None:
            return "Each request saves something here, so it pays at some time."
        if expected is None:
            return "The new prompt is no shorter, so the training never pays."
        remarks = {
            1e-6: "The price is that of a million tokens.",
            (long_tokens - short_tokens) / long_tokens: "What a request saves is the difference of the two prompts.",
            (short_tokens - long_tokens) / short_tokens: "What a request saves is the difference of the two prompts.",
        }
        return "".join(text for factor, text in remarks.items() if is_right(found / expected / factor, 1.0, 1e-6))

    cases = [
        ((60, 326, 69, 0.1), 60 / (257 * 0.1 / 1e6)),
        ((60, 326, 69, 5.0), 60 / (257 * 5.0 / 1e6)),
        ((1000, 1200, 200, 0.25), 1000 / (1000 * 0.25 / 1e6)),
        ((60, 69, 69, 0.1), None),
        ((60, 69, 326, 0.1), None),
    ]
    form = "the number of requests, or None where it never pays"
    check_cases(function, cases, Real | None, form, explain=explain, tolerance=1e-6)


WAYS = ("prompt", "retrieve", "fine-tune", "train")
CHOSEN = {"a": "retrieve", "b": "prompt", "c": "fine-tune", "d": "train", "e": "retrieve", "f": "prompt"}


@grades("04_1.3")
def _grade_ways(ways) -> None:
    def advise(missed: list[str]) -> str:
        dear = sum(WAYS.index(ways[letter]) > WAYS.index(CHOSEN[letter]) for letter in missed)
        return f"Of the others, {dear} ways cost more than is needed, and {len(missed) - dear} cannot do it."

    check_letters(ways, CHOSEN, WAYS, advise, "the ways")


@grades("04_2.2")
def _grade_gradient(function) -> None:
    def take_square(scores):
        """score 0 squared"""
        return scores[0] ** 2

    def take_slope(scores):
        """3 · score 0 - 2 · score 1"""
        return 3 * scores[0] - 2 * scores[1]

    def take_product(scores):
        """score 0 · score 1"""
        return scores[0] * scores[1]

    cases = [
        ((take_square, [3.0]), [6.0]),
        ((take_slope, [1.0, 2.0, 0.5]), [3.0, -2.0, 0.0]),
        ((take_product, [2.0, 5.0]), [5.0, 2.0]),
        ((take_square, [-4.0, 1.0]), [-8.0, 0.0]),
    ]

    def tell(loss, scores) -> str:
        return f"the loss “{loss.__doc__}” and the scores {scores}"

    check_cases(function, cases, list, "a list of numbers", given=tell, tolerance=1e-5, keeps=True)


@grades("04_3.1")
def _grade_doubles(function) -> None:
    cases = [
        ((["Tea time", "tea  time", "Coffee"],), ["Tea time", "Coffee"]),
        ((["The kettle\nboils.\n", "The kettle boils.", "THE KETTLE BOILS."],), ["The kettle\nboils.\n"]),
        ((["tea time", "teatime"],), ["tea time", "teatime"]),
        ((["b", "a", "B", "c", " a "],), ["b", "a", "c"]),
        (([],), []),
    ]
    check_cases(function, cases, list, "a list of texts", keeps=True)


@grades("04_3.2")
def _grade_exponent(function) -> None:
    cases = [
        (([10, 1000], [4.0, 0.04]), 1.0),
        (([40, 320], [3.0, 1.5]), 1 / 3),
        (([100, 200], [2.5, 2.5]), 0.0),
        (([50, 100], [2.0, 4.0]), -1.0),
        (([200, 100], [1.0, 4.0]), 2.0),
    ]
    check_cases(function, cases, Real, "one number")


def check_intents(labels, records, least: int) -> str:
    """Return how many intents, a dict by the records' ids, agree with theirs, or raise `Wrong` where that is too few."""
    asked = {record.id: record.intent for record in records}
    check_names(labels, asked, f"Make a dict with one intent for each of {', '.join(asked)}.")
    if unknown := [label for label in labels.values() if label not in INTENTS]:
        raise Wrong(f"{show(unknown[0])} is no intent. There are: {', '.join(INTENTS)}.")
    other = {id: label for id, label in asked.items() if labels[id] != label}
    told = f"{len(asked) - len(other)} of {len(asked)} agree with the course"
    told += "".join(f"; it has {label} for {id}" for id, label in other.items()) + "."
    if len(asked) - len(other) < least:
        raise Wrong(told)
    return told


@grades("04_4.2")
def _grade_recipe(function) -> None:

    trials = [
        {"name": name, "right": right, "num": num, "train_s": train_s}
        for name, right, num, train_s in (("a", 60, 100, 20), ("b", 64, 100, 90), ("c", 58, 100, 5), ("d", 64, 100, 95))
    ]
    cases = [
        ((trials,), "a", "4.8 points are one standard error of the best, so c is too low"),
        ((trials[1:2],), "b"),
        ((trials[1:],), "b", "the best one, and nothing within a standard error of it is faster"),
        ((trials[:1] + trials[2:3],), "c", "2 points are less than one standard error"),
        (([trials[2] | {"num": 58}, *trials],), "c", "58 of 58 is right in all"),
    ]
    check_cases(function, cases, str, "the name of a trial", keeps=True)


@grades("04_4.3")
def _grade_flips(function) -> None:
    before = {"a": True, "b": True, "c": False, "d": False, "e": True}
    cases = [
        ((before, {"a": True, "b": False, "c": True, "d": False, "e": False}), {"forgotten": 2, "learned": 1}),
        ((before, before), {"forgotten": 0, "learned": 0}),
        (({"a": True}, {"b": True}), {"forgotten": 0, "learned": 0}, "no question stands in both"),
        ((before, {"c": True, "d": True, "z": False}), {"forgotten": 0, "learned": 2}),
    ]
    check_cases(function, cases, dict, "a dict of forgotten and learned")


@grades("04_4.1")
def _grade_tickets(labels) -> str:
    return check_intents(labels, load_training_messages()[796:816], 15)
