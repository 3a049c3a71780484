"""Claims about the scores: the intervals are the published ones, the bins and the ranking are worked out by hand."""

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap, mannwhitneyu, permutation_test

from llmops_utils.core import DataError
from llmops_utils.evaluation.metrics import (
    Estimate,
    bin_by_confidence,
    compute_mcnemar,
    compute_sign_flip_p,
    estimate_auc,
    estimate_difference,
    estimate_mean,
    estimate_proportion,
)


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


def draw_pairs(num, seed=3):
    """Scores of two systems on the same examples; an example is hard for both or for none."""
    random = np.random.default_rng(seed)
    hardness = random.normal(size=num)
    return hardness + 0.3 * random.normal(size=num), hardness + 0.1 + 0.3 * random.normal(size=num)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("num", [5, 40, 200])
def test_mean_and_interval_match_the_percentile_bootstrap_of_scipy(num, confidence):
    values = np.random.default_rng(num).exponential(size=num)
    options = {"n_resamples": 20_000, "confidence_level": confidence, "method": "percentile", "rng": 11}
    expected = bootstrap((values,), np.mean, **options).confidence_interval
    found = estimate_mean(list(values), num_resamples=20_000, confidence=confidence)
    near = 0.03 * values.std()  # Monte Carlo error
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=near)
    assert found.confidence == confidence


@pytest.mark.parametrize("num", [6, 50, 200])
def test_difference_matches_the_paired_bootstrap_of_scipy(num):
    baseline, candidate = draw_pairs(num)

    def compute_difference(before, after, axis=-1):
        return np.mean(after, axis=axis) - np.mean(before, axis=axis)

    options = {"n_resamples": 20_000, "method": "percentile", "paired": True, "vectorized": True, "rng": 11}
    expected = bootstrap((baseline, candidate), compute_difference, **options).confidence_interval
    found = estimate_difference(baseline, candidate, num_resamples=20_000)
    assert found.value == pytest.approx(candidate.mean() - baseline.mean(), abs=1e-12)
    near = 0.03 * (candidate - baseline).std()
    assert [found.low, found.high] == pytest.approx([expected.low, expected.high], abs=near)


def test_interval_of_two_values_is_the_one_counted_by_hand():
    # Of 0 and 1, a resample has the mean 0, 1/2 or 1 with chances 1/4, 1/2 and 1/4.
    assert estimate_mean([0, 1]) == Estimate(0.5, 0.0, 1.0)
    assert estimate_mean([0, 1], confidence=0.4) == Estimate(0.5, 0.5, 0.5, 0.4)


def test_equal_values_have_an_interval_without_width():
    assert estimate_mean([0.25] * 8) == Estimate(0.25, 0.25, 0.25)


def test_the_interval_of_the_mean_covers_as_often_as_it_says():
    random = np.random.default_rng(5)
    found = [estimate_mean(random.normal(size=40), num_resamples=500, seed=seed) for seed in range(400)]
    assert 0.90 <= np.mean([estimate.low <= 0 <= estimate.high for estimate in found]) <= 0.98


def test_pairing_narrows_the_interval_where_examples_are_hard_for_both():
    baseline, candidate = draw_pairs(200)
    paired = estimate_difference(baseline, candidate)
    shuffled = estimate_difference(baseline, np.random.default_rng(1).permutation(candidate))
    assert shuffled.value == pytest.approx(paired.value)
    assert shuffled.high - shuffled.low > 2.5 * (paired.high - paired.low)


def test_difference_is_candidate_minus_baseline_and_mirrors():
    better = estimate_difference([0, 0, 1, 0], [1, 1, 1, 0])
    worse = estimate_difference([1, 1, 1, 0], [0, 0, 1, 0])
    assert [better.value, worse.value] == [0.5, -0.5]
    assert [better.low, better.high] == [-worse.high, -worse.low]
    assert estimate_difference([True, False], [True, True]).value == 0.5


def test_intervals_do_not_depend_on_how_the_resamples_are_split_and_repeat_by_seed():
    values = np.random.default_rng(2).random(3000)  # 10 000 resamples take 31 blocks
    first = estimate_mean(values, seed=1)
    assert estimate_mean(values, seed=1) == first
    assert estimate_mean(values, seed=2) != first
    half_width = 1.96 * values.std() / np.sqrt(3000)
    assert [first.low, first.high] == pytest.approx([first.value - half_width, first.value + half_width], abs=1e-3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "nothing to measure"),
        ([0.5], "no spread"),
        ([0.5, float("nan")], "not one finite number"),
        ([0.5, float("inf")], "not one finite number"),
        ([0.5, None], "not one finite number"),
        ([0.5, "right"], "not one finite number"),
        ([[0.5, 1.0], [0.1, 0.2]], "not one finite number"),
        ([[0.5, 1.0], [0.1]], "not one finite number"),
        (0.5, "not one finite number"),
    ],
)
def test_values_without_a_mean_or_a_spread_raise(values, said):
    with pytest.raises(DataError, match=said):
        estimate_mean(values)


@pytest.mark.parametrize("options", [{"confidence": 1.0}, {"confidence": 95}, {"num_resamples": 0}])
def test_a_bootstrap_that_cannot_be_made_raises(options):
    with pytest.raises(DataError, match=r"is no confidence|are none"):
        estimate_mean([0.1, 0.2], **options)


@pytest.mark.parametrize("function", [estimate_difference, compute_mcnemar, compute_sign_flip_p])
def test_scores_that_do_not_pair_raise(function):
    with pytest.raises(DataError, match="2 and 3 scores do not pair"):
        function([0, 1], [0, 1, 1])
    with pytest.raises(DataError, match="nothing to measure"):
        function([], [])
    with pytest.raises(DataError, match="not one finite number"):
        function([0, None], [0, 1])


def make_flips(num_worse, num_better, both_right=2, both_wrong=3):
    baseline = [1] * num_worse + [0] * num_better + [1] * both_right + [0] * both_wrong
    candidate = [0] * num_worse + [1] * num_better + [1] * both_right + [0] * both_wrong
    return baseline, candidate


def test_mcnemar_matches_the_published_example():
    # M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13:91 (2013): airway
    # hyper-responsiveness of 21 children before and after stem cell transplantation, exact conditional test.
    assert round(compute_mcnemar(*make_flips(1, 7, both_right=1, both_wrong=12)), 4) == 0.0703


@pytest.mark.parametrize(("num_worse", "num_better"), [(0, 1), (0, 6), (1, 7), (3, 3), (6, 16), (40, 25), (4, 5)])
def test_mcnemar_is_twice_the_smaller_binomial_tail(num_worse, num_better):
    num = num_worse + num_better
    tail = sum(comb(num, k) for k in range(min(num_worse, num_better) + 1))
    expected = min(1.0, 2 * tail / 2**num)
    assert compute_mcnemar(*make_flips(num_worse, num_better)) == pytest.approx(expected, rel=1e-12)
    assert compute_mcnemar(*make_flips(num_better, num_worse)) == pytest.approx(expected, rel=1e-12)


def test_mcnemar_looks_only_at_flips():
    few, many = make_flips(2, 9, both_right=0, both_wrong=0), make_flips(2, 9, both_right=500, both_wrong=300)
    assert compute_mcnemar(*few) == compute_mcnemar(*many)
    assert compute_mcnemar([True, False, True], [True, False, True]) == 1.0
    assert compute_mcnemar(*make_flips(0, 5)) == 0.0625  # five flips are never enough for 0.05
    assert compute_mcnemar(*make_flips(0, 6)) == 0.03125


def test_mcnemar_of_scores_between_0_and_1_raises():
    with pytest.raises(DataError, match="neither 0 nor 1"):
        compute_mcnemar([0, 0.5], [1, 0.5])


def test_sign_flip_p_of_a_case_worked_by_hand():
    # Differences 1, 2, 3: of the eight sums of signs, only 6 and -6 are as far from 0 as 6.
    assert compute_sign_flip_p([0, 0, 0], [1, 2, 3]) == 0.25
    # Differences 1, 2, -3: the sum is 0, and every pattern is at least as far.
    assert compute_sign_flip_p([0, 0, 3], [1, 2, 0]) == 1.0
    # Differences 3, -1, 1: the sum 3; of eight, 5, 3, 3 and their mirrors, and not 1 and -1.
    assert compute_sign_flip_p([0, 1, 0], [3, 0, 1]) == 0.75
    assert compute_sign_flip_p([0.5] * 40, [0.5] * 40) == 1.0


@pytest.mark.parametrize("num", [1, 4, 9, 12])
def test_sign_flip_p_matches_a_full_enumeration_and_scipy(num):
    random = np.random.default_rng(num)
    baseline = random.integers(0, 11, num) / 10  # tenths, whose sums tie but for rounding
    candidate = np.round(baseline + random.choice([-0.2, 0.1, 0.3], num), 1)
    steps = np.rint(10 * (candidate - baseline)).astype(int)
    sums = [abs(int(np.dot(signs, steps))) for signs in product([-1, 1], repeat=num)]
    expected = np.mean([total >= abs(steps.sum()) for total in sums])
    assert compute_sign_flip_p(baseline, candidate) == expected
    if num > 1:
        options = {"permutation_type": "samples", "n_resamples": np.inf, "alternative": "two-sided"}
        assert permutation_test((steps,), np.sum, **options).pvalue == pytest.approx(expected)


def test_examples_without_a_difference_do_not_change_the_sign_flip_p():
    exact = compute_sign_flip_p([0, 0, 0, 0], [0.1, 0.2, 0.3, -0.1])
    assert compute_sign_flip_p([0] * 4 + [0.5] * 60, [0.1, 0.2, 0.3, -0.1] + [0.5] * 60) == exact


def test_drawn_sign_flips_come_near_the_exact_p():
    baseline, candidate = make_flips(6, 16)
    exact = compute_mcnemar(baseline, candidate)
    assert exact == pytest.approx(0.0525, abs=5e-5)
    found = compute_sign_flip_p(baseline, candidate, num_resamples=40_000)
    assert found == pytest.approx(exact, abs=0.004)
    assert compute_sign_flip_p(baseline, candidate, num_resamples=40_000) == found
    assert compute_sign_flip_p(baseline, candidate, num_resamples=40_000, seed=1) != found


def test_sign_flip_p_is_never_0():
    assert compute_sign_flip_p([0.0] * 60, [1.0] * 60, num_resamples=999) == 1 / 1000
    assert compute_sign_flip_p([0.0] * 12, [1.0] * 12) == 2 / 2**12
    with pytest.raises(DataError, match="0 resamples are none"):
        compute_sign_flip_p([0, 0], [1, 1], num_resamples=0)


def test_p_values_are_uniform_where_nothing_differs():
    random = np.random.default_rng(8)
    found = [compute_sign_flip_p(random.random(30), random.random(30), num_resamples=400) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09
    assert 0.42 <= np.mean(np.array(found) <= 0.5) <= 0.58


@pytest.mark.parametrize(("better", "worse"), [(0, 1), (3, 3), (6, 0), (31, 6), (2, 19), (400, 350)])
def test_mcnemar_p_is_that_of_a_two_sided_binomial_test(better, worse):
    p = compute_mcnemar([0] * better + [1] * worse, [1] * better + [0] * worse)
    assert p == pytest.approx(binomtest(better, better + worse).pvalue, rel=1e-12)
