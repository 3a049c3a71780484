"""Graders of chapter 12: alarms, a threshold for a cache, card numbers, the gate."""

from numbers import Integral, Real

from ...evaluation import estimate_proportion
from ...operations import ThresholdRow
from .checks import check_cases, tell_expected


def _grade_alarm(function) -> None:
    cases = [
        (([False, True, True, False], 2), 2),
        (([True, False, True, False, True, True, True], 3), 6),
        (([True, False, True, False, True], 2), None),
        (([False, False, True], 1), 2),
        (([True, True, True, True], 2), 1),
        (([], 1), None),
        (([True], 2), None),
    ]
    form = "a position in the list, or nothing at all"
    check_cases(function, cases, Integral | None, form, given="{} and in_a_row = {}")


def _grade_threshold(function) -> None:
    def make_row(threshold: float, num_right: int, num_wrong: int, total: int = 100) -> ThresholdRow:
        return ThresholdRow(threshold, estimate_proportion(num_right, total), estimate_proportion(num_wrong, total))

    def tell(rows, most_wrong) -> str:
        return f"{[(row.threshold, f'wrong {row.wrong_hits}') for row in rows]} and most_wrong = {most_wrong}"

    rows = [make_row(0.7, 95, 40), make_row(0.8, 80, 12), make_row(0.9, 60, 4), make_row(0.95, 30, 0)]
    few = [make_row(0.8, 9, 1, 10), make_row(0.9, 5, 0, 10)]
    cases = [
        ((rows, 0.5), 0.7, "the share itself lies under the limit, and there is a lower threshold"),
        ((rows, 0.2), 0.8, "12 of 100 have an upper bound of 20 %"),
        ((rows, 0.1), 0.9),
        ((rows, 0.05), 0.95, "4 of 100 is below 5 %, but its interval goes far beyond"),
        ((rows[::-1], 0.1), 0.9, "the rows come in another order"),
        ((few, 0.1), None, "0 of 10 does not show that the share is below 10 %"),
        (([], 0.1), None, "there are no rows"),
    ]
    check_cases(function, cases, Real | None, "a threshold, or None", given=tell)


def _grade_mask(function) -> None:
    cases = [
        ("Card 4111 1111 1111 1111 please", "Card [card ending in 1111] please"),
        ("5555-5555-5555-4444", "[card ending in 4444]"),
        ("Two: 4111111111111111, 378282246310005.", "Two: [card ending in 1111], [card ending in 0005]."),
        ("Not one: 4111 1111 1111 1112", "Not one: 4111 1111 1111 1112"),
        ("PW-12345, article 4006381333931", "PW-12345, article 4006381333931"),
        ("nothing here", "nothing here"),
    ]
    check_cases(function, cases, str, "a text", explain=tell_expected)


def _grade_release(function) -> None:
    shown, held = "a loss as large as the margin is excluded here", "a loss as large as the margin is not excluded here"
    worse = "the whole interval lies below 0, also where the loss is within the margin"
    cases = [
        ((-0.04, 0.06, 0.1, 0.05, 0.1), "pass", shown),
        ((-0.12, 0.06, 0.1, 0.05, 0.1), "too few", held),
        ((-0.20, -0.02, 0.1, 0.05, 0.1), "regression", worse),
        ((-0.04, -0.01, 0.1, 0.05, 0.1), "regression", worse),
        ((-0.04, 0.06, 0.1, 0.20, 0.1), "price", "it is good enough, and too dear"),
        ((0.05, 0.20, 0.1, 0.20, 0.1), "price", "also a better candidate can be too dear"),
        ((-0.20, -0.02, 0.1, 0.20, 0.1), "regression", "of several reasons the score comes first"),
        ((-0.12, 0.20, 0.1, 0.20, 0.1), "too few", "of several reasons the score comes first"),
        ((-0.04, 0.06, 0.03, 0.05, 0.1), "too few", held),
        ((0.01, 0.06, 0.1, 0.10, 0.1), "pass", "the limit of the price itself is allowed"),
    ]
    given = "an interval from {:+.0%} to {:+.0%}, a margin of {:.0%} and ${:.2f} where ${:.2f} are allowed"
    check_cases(function, cases, str, "one of the four decisions", given=given)


GRADERS = {"12.1": _grade_alarm, "12.2": _grade_threshold, "12.3": _grade_mask, "12.4": _grade_release}
