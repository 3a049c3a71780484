"""Claims about agreement: kappa and its interval match published examples, and what has no kappa is refused."""

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.evaluation.agreement import compute_kappa, measure_agreement


def test_kappa_matches_published_examples_and_cases_worked_by_hand():
    # J. Cohen (1960); J. L. Fleiss, J. Cohen and B. S. Everitt (1969), table 1; SAS/STAT PROC FREQ.
    assert compute_kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]) == pytest.approx(0.492, abs=5e-4)
    assert compute_kappa([[53, 5, 2], [11, 14, 5], [1, 6, 3]]) == pytest.approx(0.429, abs=5e-4)
    assert compute_kappa([[0, 4, 1], [0, 8, 0], [0, 1, 5]]) == pytest.approx(0.4842, abs=5e-5)
    complete, chance, always_the_other = [[10, 0], [0, 10]], [[5, 5], [5, 5]], [[0, 10], [10, 0]]
    assert [compute_kappa(counts) for counts in (complete, chance, always_the_other)] == pytest.approx([1, 0, -1])


def test_the_interval_comes_near_the_published_one_for_large_samples():
    # Fleiss, Cohen and Everitt: a standard error of the square root of 0.002885 for 200 cases.
    cells = {"aa": 106, "ab": 10, "ac": 4, "ba": 22, "bb": 28, "bc": 10, "ca": 2, "cb": 12, "cc": 6}
    pairs = [pair for pair, num in cells.items() for _ in range(num)]
    found = measure_agreement([pair[1] for pair in pairs], [pair[0] for pair in pairs]).kappa
    reach = 1.96 * 0.002885**0.5
    assert (found.low, found.high) == pytest.approx((0.429 - reach, 0.429 + reach), abs=0.02)


def test_rows_of_the_table_are_labels_and_columns_grades_also_unknown_ones_and_a_gap_is_no_label():
    found = measure_agreement(["right", "right", "wrong", "right"], ["right", "wrong", "wrong", "wrong"])
    assert found.table.to_dict("index") == {"right": {"right": 1, "wrong": 0}, "wrong": {"right": 2, "wrong": 1}}
    assert (found.table.index.name, found.table.columns.name) == ("label", "judge")
    assert found.share.num == 2
    assert str(found).startswith("agreement 50% [15%, 85%] (n = 4), kappa 0.20 [")
    for grade in ("maybe", None, 1):
        found = measure_agreement(["right", grade, "wrong"], ["right", "right", "wrong"])
        assert (found.share.num, list(found.table.columns)) == (2, ["right", "wrong", str(grade)])
    assert measure_agreement([1, 2, 2], [1.0, 2.0, 2.0]).share.num == 3
    for gap in (None, float("nan")):
        with pytest.raises(DataError, match="missing"):
            measure_agreement([1, 2], [1, gap])


def test_answers_that_repeat_each_other_widen_the_interval_of_groups():
    random = np.random.default_rng(1)
    labels = random.choice(["right", "wrong"], 30)
    grades = np.where(random.random(30) < 0.75, labels, np.where(labels == "right", "wrong", "right"))
    many = measure_agreement(np.repeat(grades, 4), np.repeat(labels, 4))
    grouped = measure_agreement(np.repeat(grades, 4), np.repeat(labels, 4), np.repeat(range(30), 4))
    assert grouped.kappa.value == pytest.approx(many.kappa.value)
    ratio = (grouped.kappa.high - grouped.kappa.low) / (many.kappa.high - many.kappa.low)
    assert 1.7 < ratio < 2.3  # four copies are no more than one: the interval is twice as wide


def test_what_has_no_agreement_to_measure_raises():
    for grades, labels, groups, said in [
        (["a"], ["a", "b"], None, "1 grades and 2 labels do not pair"),
        ([], [], None, "0 grades and 0 labels"),
        (["a"], ["a"], None, "do not pair"),
        (["a", "a"], ["a", "a"], None, "kappa is not defined"),
        (["a", "b"], ["a", "b"], ["x", "x"], "groups do not fit"),
        (["a", "b"], ["a", "b"], ["x"], "groups do not fit"),
    ]:
        with pytest.raises(DataError, match=said):
            measure_agreement(grades, labels, groups)
    for counts in ([], [[1, 2]], [[0, 0], [0, 0]], [[-1, 2], [2, 2]], [1, 2]):
        with pytest.raises(DataError, match="no square table"):
            compute_kappa(counts)
