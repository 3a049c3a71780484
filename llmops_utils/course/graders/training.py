"""Graders of chapter 04: tokens, bits per byte, hours of a graphics card, when to stop, gradients, text and scale."""

import math
from numbers import Integral, Real

from .checks import check_cases


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
    check_cases(function, cases, list, "a list of pieces", given="{!r} and the merges {}", explain=explain)


def _grade_bits(function) -> None:
    cases = [
        (([0.5, 0.5], "ab"), 1.0),
        (([0.25], "abcd"), 0.5),
        (([0.125, 0.5, 1.0], "é"), 2.0),
        (([0.1, 0.2, 0.3], "kettle"), -math.log2(0.1 * 0.2 * 0.3) / 6),
    ]
    check_cases(function, cases, Real, "one number", given="the probabilities {} of the tokens of {!r}")


def _grade_hours(function) -> None:
    runs = [(1e9, 20e9, 312e12, 0.4), (7e9, 2e12, 312e12, 0.5), (135e6, 2e12, 989.4e12, 0.1)]
    cases = [(run, 6 * run[0] * run[1] / (run[2] * run[3]) / 3600) for run in runs]
    given = "{:.3g} parameters, {:.3g} tokens, a peak of {:.3g} operations a second and a utilisation of {}, in hours,"
    check_cases(function, cases, Real, "one number, of hours", given=given, tolerance=1e-6)


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
    given = "the dev losses {} and a patience of {}"
    check_cases(function, cases, Integral, "the index of a look, counted from 0", given=given)


GRADERS = {"04.1": _grade_merges, "04.2": _grade_bits, "04.3": _grade_hours, "04.4": _grade_stop}


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


def _grade_doubles(function) -> None:
    cases = [
        ((["Tea time", "tea  time", "Coffee"],), ["Tea time", "Coffee"]),
        ((["The kettle\nboils.\n", "The kettle boils.", "THE KETTLE BOILS."],), ["The kettle\nboils.\n"]),
        ((["tea time", "teatime"],), ["tea time", "teatime"]),
        ((["b", "a", "B", "c", " a "],), ["b", "a", "c"]),
        (([],), []),
    ]
    check_cases(function, cases, list, "a list of texts", given="the texts {!r}", keeps=True)


def _grade_exponent(function) -> None:
    cases = [
        (([10, 1000], [4.0, 0.04]), 1.0),
        (([40, 320], [3.0, 1.5]), 1 / 3),
        (([100, 200], [2.5, 2.5]), 0.0),
        (([50, 100], [2.0, 4.0]), -1.0),
        (([200, 100], [1.0, 4.0]), 2.0),
    ]
    check_cases(function, cases, Real, "one number", given="the sizes {} and the losses {}")


GRADERS |= {
    "04_2.1": _grade_merges,
    "04_2.2": _grade_gradient,
    "04_3.1": _grade_doubles,
    "04_3.2": _grade_exponent,
    "04_3.3": _grade_stop,
}
