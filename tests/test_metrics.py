"""Claims about the scores: the intervals are the published ones, the bins and the ranking are worked out by hand."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from llmops_utils.errors import DataError
from llmops_utils.metrics import Estimate, bin_by_confidence, estimate_auc, estimate_proportion


# R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998),
# Table I, method 3: Wilson score without continuity correction, 95 %.
@pytest.mark.parametrize(
    ("num", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_matches_the_published_values(num, total, low, high):
    found = estimate_proportion(num, total)
    assert found.value == num / total
    assert [round(found.low, 4), round(found.high, 4)] == [low, high]
    assert [found.num, found.total, found.confidence] == [num, total, 0.95]


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("num", "total"), [(0, 1), (1, 1), (3, 7), (50, 50), (499, 1000)])
def test_wilson_interval_solves_its_defining_equation(num, total, confidence):
    from scipy.stats import norm

    found = estimate_proportion(num, total, confidence)
    z = norm.ppf((1 + confidence) / 2)
    for bound in (found.low, found.high):  # |p - bound| = z * sqrt(bound * (1 - bound) / n)
        assert abs(num / total - bound) == pytest.approx(z * np.sqrt(bound * (1 - bound) / total), abs=1e-9)
    assert found.low <= found.value <= found.high


def test_wilson_interval_has_width_where_all_are_right_and_mirrors_where_none_is():
    all_right, none_right = estimate_proportion(20, 20), estimate_proportion(0, 20)
    assert all_right.high == pytest.approx(1.0)
    assert all_right.low == pytest.approx(1 - none_right.high)
    assert none_right.low == 0.0


def test_proportion_reads_as_percent_interval_and_count():
    assert str(estimate_proportion(81, 263)) == "31% [26%, 37%] (n = 263)"


@pytest.mark.parametrize(("num", "total"), [(0, 0), (1, 0), (5, 4), (-1, 4), (0, -3), (-5, -3)])
def test_counts_that_are_no_share_raise(num, total):
    with pytest.raises(DataError, match=f"{num} of {total} is not a share"):
        estimate_proportion(num, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95, -0.5, float("nan")])
def test_a_confidence_outside_zero_to_one_raises(confidence):
    with pytest.raises((DataError, ValueError)):
        estimate_proportion(3, 10, confidence)


def test_bins_of_a_worked_example():
    # Sorted: .10 wrong, .20 right | .40 wrong, .60 right | .80 right, .90 right
    bins = bin_by_confidence([0.9, 0.1, 0.6, 0.2, 0.8, 0.4], [True, False, True, True, True, False], num_bins=3)
    assert [found.confidence for found in bins] == pytest.approx([0.15, 0.5, 0.85])
    assert [(found.accuracy.num, found.accuracy.total) for found in bins] == [(1, 2), (1, 2), (2, 2)]
    assert bins[0].accuracy == estimate_proportion(1, 2)


def test_bins_are_of_equal_size_up_to_one():
    bins = bin_by_confidence(list(np.linspace(0, 1, 10)), [True] * 10, num_bins=4)
    assert [found.accuracy.total for found in bins] == [3, 3, 2, 2]


def test_four_bins_are_the_default():
    assert len(bin_by_confidence([0.1, 0.2, 0.3, 0.4], [1, 0, 1, 0])) == 4


def test_ties_keep_their_order():
    bins = bin_by_confidence([0.5] * 6, [True, True, True, False, False, False], num_bins=2)
    assert [(found.confidence, found.accuracy.num) for found in bins] == [(0.5, 3), (0.5, 0)]


def test_one_bin_holds_everything():
    (only,) = bin_by_confidence(np.array([0.2, 0.4]), np.array([True, False]), num_bins=1)
    assert [only.confidence, only.accuracy.num, only.accuracy.total] == [pytest.approx(0.3), 1, 2]


@pytest.mark.parametrize(
    ("confidences", "is_right", "num_bins"),
    [
        ([0.1, 0.2], [True], 1),
        ([0.1], [True, False], 1),
        ([0.1, 0.2], [True, False], 3),
        ([0.1], [True], 0),
        ([], [], 1),
    ],
)
def test_bins_that_cannot_be_made_raise(confidences, is_right, num_bins):
    said = f"{len(confidences)} confidences and {len(is_right)} results do not make {num_bins} bins"
    with pytest.raises(DataError, match=said):
        bin_by_confidence(confidences, is_right, num_bins)


# Right scores against wrong scores, pair by pair; a tie counts one half.
@pytest.mark.parametrize(
    ("right", "wrong", "auc"),
    [
        ([0.9, 0.8], [0.1, 0.2, 0.3], 1.0),
        ([0.1], [0.2, 0.3], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.9, 0.3], [0.5, 0.1], 0.75),
        ([0.7, 0.4], [0.4], 0.75),
        ([3.0, 1.0, 2.0], [2.0], 0.5),
    ],
)
def test_auc_of_cases_worked_by_hand(right, wrong, auc):
    found = estimate_auc(right + wrong, [True] * len(right) + [False] * len(wrong), num_resamples=50)
    assert found.value == auc
    assert 0 <= found.low <= found.high <= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_auc_matches_the_mann_whitney_statistic_of_scipy(seed):
    random = np.random.default_rng(seed)
    scores = random.integers(0, 12, 80) / 10  # with ties
    is_right = random.random(80) < 0.3 + 0.4 * (scores > 0.5)
    right, wrong = scores[is_right], scores[~is_right]
    expected = mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong))
    found = estimate_auc(list(scores), list(is_right), num_resamples=300)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.low < found.value < found.high


def test_the_interval_of_complete_separation_has_no_width():
    assert estimate_auc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], num_resamples=200) == Estimate(1.0, 1.0, 1.0)


def test_the_interval_narrows_with_more_examples():
    random = np.random.default_rng(7)
    is_right = random.random(400) < 0.5
    scores = random.normal(size=400) + is_right
    few = estimate_auc(scores[:40], is_right[:40], num_resamples=400)
    many = estimate_auc(scores, is_right, num_resamples=400)
    assert 2 < (few.high - few.low) / (many.high - many.low) < 5  # the square root of ten, about 3.2


def test_auc_is_reproducible_by_seed():
    random = np.random.default_rng(0)
    scores, is_right = random.random(40), random.random(40) < 0.5
    first = estimate_auc(scores, is_right, num_resamples=200, seed=5)
    assert estimate_auc(scores, is_right, num_resamples=200, seed=5) == first
    other = estimate_auc(scores, is_right, num_resamples=200, seed=6)
    assert other.value == first.value
    assert (other.low, other.high) != (first.low, first.high)


@pytest.mark.parametrize(
    ("scores", "is_right"),
    [([0.1, 0.2], [True, True]), ([0.1, 0.2], [False, False]), ([0.1, 0.2], [True]), ([0.1], [True, False]), ([], [])],
)
def test_auc_without_a_pair_to_compare_raises(scores, is_right):
    with pytest.raises(DataError, match="no right example to compare with a wrong one"):
        estimate_auc(scores, is_right)


def test_estimate_reads_as_value_and_interval():
    assert str(Estimate(0.756, 0.6, 0.904)) == "0.76 [0.60, 0.90]"
