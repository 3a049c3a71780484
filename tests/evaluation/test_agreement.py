"""Claims about agreement: kappa and its interval match published examples, and what has no kappa is refused."""

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.evaluation.agreement import compute_kappa, estimate_kappa, measure_agreement

# J. L. Fleiss, J. Cohen and B. S. Everitt (1969), table 1: shares of 200 cases.
FLEISS = 200 * np.array([[0.53, 0.05, 0.02], [0.11, 0.14, 0.05], [0.01, 0.06, 0.03]])


def test_kappa_and_its_interval_match_published_examples():
    # J. Cohen (1960), then Fleiss, Cohen and Everitt, then SAS/STAT PROC FREQ: 0.4842, limits 0.2137 and 0.7547.
    assert compute_kappa([[88, 14, 18], [10, 40, 10], [2, 6, 12]]) == pytest.approx(0.492, abs=5e-4)
    found = estimate_kappa(FLEISS)
    assert found.value == pytest.approx(0.429, abs=5e-4)
    assert ((found.high - found.low) / 2 / 1.959964) ** 2 == pytest.approx(0.002885, abs=1e-6)
    assert estimate_kappa(FLEISS.T).low == pytest.approx(found.low)  # whoever is the judge
    found = estimate_kappa([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    assert (found.value, found.low, found.high) == pytest.approx((0.4842, 0.2137, 0.7547), abs=5e-5)


def test_the_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(4)
    shares = np.array([[0.35, 0.15], [0.10, 0.40]])
    truth = compute_kappa(1000 * shares)
    tables = random.multinomial(150, shares.ravel(), 2000).reshape(-1, 2, 2)
    covered = np.mean([found.low <= truth <= found.high for found in map(estimate_kappa, tables)])
    assert 0.93 < covered < 0.97


def test_kappa_of_cases_worked_by_hand():
    complete, chance, always_the_other = [[10, 0], [0, 10]], [[5, 5], [5, 5]], [[0, 10], [10, 0]]
    assert [compute_kappa(counts) for counts in (complete, chance, always_the_other)] == pytest.approx([1, 0, -1])
    says_one_thing = estimate_kappa([[10, 0], [10, 0]])
    assert (says_one_thing.value, says_one_thing.low, says_one_thing.high) == pytest.approx((0, 0, 0))


def test_rows_of_the_table_are_labels_and_columns_grades():
    found = measure_agreement(["right", "right", "wrong", "right"], ["right", "wrong", "wrong", "wrong"])
    assert found.table.to_dict("index") == {"right": {"right": 1, "wrong": 0}, "wrong": {"right": 2, "wrong": 1}}
    assert (found.table.index.name, found.table.columns.name) == ("label", "judge")
    assert found.share.num == 2
    assert str(found).startswith("agreement 50% [15%, 85%] (n = 4), kappa 0.20 [")


def test_a_grade_outside_the_labels_never_agrees():
    for grade in ("maybe", None, 1):
        found = measure_agreement(["right", grade, "wrong"], ["right", "right", "wrong"])
        assert (found.share.num, list(found.table.columns)) == (2, ["right", "wrong", str(grade)])


def test_answers_that_repeat_each_other_widen_the_interval_of_groups():
    random = np.random.default_rng(1)
    labels = random.choice(["right", "wrong"], 30)
    grades = np.where(random.random(30) < 0.75, labels, np.where(labels == "right", "wrong", "right"))
    many = measure_agreement(np.repeat(grades, 4), np.repeat(labels, 4))
    grouped = measure_agreement(np.repeat(grades, 4), np.repeat(labels, 4), np.repeat(range(30), 4))
    assert grouped.kappa.value == pytest.approx(many.kappa.value)
    ratio = (grouped.kappa.high - grouped.kappa.low) / (many.kappa.high - many.kappa.low)
    assert 1.7 < ratio < 2.3  # four copies are no more than one: the interval is twice as wide


def test_the_bootstrap_over_groups_of_one_comes_near_the_large_sample_interval():
    grades, labels = ["a"] * 40 + ["b"] * 20 + ["b"] * 30 + ["a"] * 10, ["a"] * 60 + ["b"] * 40
    found, drawn = measure_agreement(grades, labels).kappa, measure_agreement(grades, labels, range(100)).kappa
    assert (drawn.low, drawn.high) == pytest.approx((found.low, found.high), abs=0.03)
    assert drawn == measure_agreement(grades, labels, range(100)).kappa


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
