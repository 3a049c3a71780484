"""Claims about the check of cases: what counts as right, and what a wrong result is told."""

from fractions import Fraction
from numbers import Real

import numpy as np

from llmops_utils.course.graders.checks import (
    Wrong,
    check_cases,
    find_model,
    is_right,
    tell_expected,
)
from llmops_utils.models import Model

NAN = float("nan")


def tell(function, cases, kind=Real, form="a number", **options):
    """Return what a function is told for its first wrong case, or None where all are right."""
    try:
        check_cases(function, cases, kind, form, **options)
    except Wrong as wrong:
        return str(wrong)
    return None


def test_numbers_are_right_within_the_tolerance_sequences_and_dicts_part_by_part():
    right = [(0.1 + 0.2, 0.3), (1e9 + 0.5, 1e9), (np.float32(0.5), 0.5), (np.int64(3), 3), (Fraction(1, 2), 0.5)]
    right += [([1, 2.0], (1, 2)), ({"a": (0.1 + 0.2, None)}, {"a": (0.3, None)}), ([], []), ("a", "a"), (None, None)]
    wrong = [(1.1, 1), (0.3001, 0.3), (NAN, 1), (1, NAN), (float("inf"), 1), (True, 1), (1, True), ("1", 1), (None, 0)]
    wrong += [([1], [1, 2]), ([1, NAN], [1, 2]), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 2}), (0, None), (1, [1])]
    assert [pair for pair in right if not is_right(*pair)] == []
    assert [pair for pair in wrong if is_right(*pair)] == []
    assert is_right(0.31, 0.3, 0.015)
    assert not is_right(0.32, 0.3, 0.015)


def test_a_wrong_result_is_told_with_arguments_result_reason_and_remark_and_long_ones_are_cut():
    cases = [((1, 2), 3), ((2, 3), 5, "two and three are five")]
    told = tell(lambda a, b: 3, cases, explain=tell_expected)
    assert told == "For a = 2, b = 3 it returned 3: two and three are five. Asked for was 5."
    assert tell(lambda a, b: a + b, cases) is None
    cases = [(("text", 0.5), 1)]
    assert tell(lambda *_: 2, cases) == "For 'text', 0.5 it returned 2."
    assert tell(lambda *_: 2, cases, given=lambda text, share: text.upper()) == "For TEXT it returned 2."
    assert len(tell(lambda _: "x" * 5000, [("x", "y")], str)) < 400


def test_a_function_gets_copies():
    def empty(numbers):
        total = sum(numbers)
        numbers.clear()
        return total

    numbers = [1, 2]
    assert tell(empty, [(numbers, 3), (numbers, 3)]) is None
    assert numbers == [1, 2]


def test_a_model_of_the_chapter_stands_in_where_the_notebook_has_none(names):
    assert find_model("06_2_few_shot") is names["model"]
    del names["model"]
    assert isinstance(find_model("06_2_few_shot"), Model)
