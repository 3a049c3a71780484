"""Claims about the scores: the intervals are the published ones, the bins and the ranking are worked out by hand."""

from itertools import product

import numpy as np
import pandas
import pytest
from scipy.stats import binomtest, bootstrap, mannwhitneyu, permutation_test

from llmops_utils import evaluation
from llmops_utils.core import DataError


def test_wilson_interval_matches_the_published_values():
    # R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998),
    # Table I, method 3: Wilson score without continuity correction, 95 %.
    published = {(81, 263): [0.2553, 0.3662], (15, 148): [0.0624, 0.1605], (0, 20): [0, 0.1611]}
    published[1, 29] = [0.0061, 0.1718]
    for (num, total), bounds in published.items():
        found = evaluation.estimate_proportion(num, total)
        assert (found.num, found.total, found.value) == (num, total, num / total)
        assert [round(found.low, 4), round(found.high, 4)] == bounds


def test_counts_are_whole_numbers_of_any_type_scores_are_numbers_and_results_right_or_wrong():
    assert evaluation.estimate_proportion(np.uint8(200), np.uint8(250)) == evaluation.estimate_proportion(200, 250)
    wrong = [(0, 0), (1, 0), (5, 4), (-1, 4), (0, -3), (np.nan, 5), ("2", 5), (1.5, 3), (None, 4), (2, np.inf)]
    for num, total in wrong:
        with pytest.raises(DataError, match=f"{num} of {total} is not a share"):
            evaluation.estimate_proportion(num, total)
    wrong = [
        *(([np.nan, np.nan], [True, False]), ([0.5, np.inf], [1, 0]), ([0.5, None], [1, 0]), (["a", "b"], [1, 0])),
        *(([0.5, 0.7], ["False", "True"]), ([0.5, 0.7], [0, np.nan]), ([0.5, 0.7], [0, 2]), ([0.5, 0.7], [None, True])),
        *(([10**400, 1], [1, 0]), (np.array([1, 2], "M8[D]"), [1, 0]), (np.ma.array([1, 0], mask=[0, 1]), [1, 0])),
        *(([0.1] * 2, [True, True]), ([0.1] * 2, [False, False]), ([0.1] * 2, [True]), ([], [])),  # no pair to compare
    ]
    for scores, right in wrong:
        with pytest.raises(DataError):
            evaluation.estimate_auc(scores, right)


def test_a_filtered_series_is_measured_like_its_list():
    frame = pandas.DataFrame({"score": [0.1, 0.9, 0.4, 0.8, 0.3], "right": [False, True, True, True, False]})
    kept = frame[frame.index != 1]
    scores, right = kept.score.tolist(), kept.right.tolist()
    assert evaluation.estimate_auc(kept.score, kept.right) == evaluation.estimate_auc(scores, right)
    assert evaluation.estimate_difference(kept.score, kept.right) == evaluation.estimate_difference(scores, right)
    found = evaluation.measure_agreement(kept.right, kept.right, groups=kept.score)
    assert str(found) == str(evaluation.measure_agreement(right, right, groups=scores))


def test_auc_matches_the_mann_whitney_statistic_of_scipy_narrows_with_more_examples_and_has_no_width_if_complete():
    random = np.random.default_rng(7)
    scores = random.integers(0, 12, 400) / 10  # with ties
    is_right = random.random(400) < 0.3 + 0.4 * (scores > 0.5)
    few, many = evaluation.estimate_auc(scores[:40], is_right[:40]), evaluation.estimate_auc(scores, is_right)
    right, wrong = scores[is_right], scores[~is_right]
    expected = mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong))
    assert many.value == pytest.approx(expected, abs=1e-12)
    assert many.low < many.value < many.high
    assert 2 < (few.high - few.low) / (many.high - many.low) < 5  # the square root of ten, about 3.2
    for scores, auc in [([0.9, 0.8, 0.1, 0.2], 1.0), ([0.1, 0.2, 0.8, 0.9], 0.0)]:
        assert evaluation.estimate_auc(scores, [True, True, False, False]) == evaluation.Estimate(auc, auc, auc)


def draw_pairs(num, seed=3):
    """Scores of two systems on the same examples; an example is hard for both or for none."""
    random = np.random.default_rng(seed)
    hardness = random.normal(size=num)
    return hardness + 0.3 * random.normal(size=num), hardness + 0.1 + 0.3 * random.normal(size=num)


def test_means_and_differences_match_the_percentile_bootstrap_of_scipy(monkeypatch):
    monkeypatch.setattr(
        evaluation.metrics, "NUM_RESAMPLES", 20_000
    )  # the difference of the means is the mean difference

    def compute_difference(before, after, axis=-1):
        return np.mean(after, axis=axis) - np.mean(before, axis=axis)

    options = {"n_resamples": 20_000, "method": "percentile", "rng": 11}
    for num in (5, 40):
        values = np.random.default_rng(num).exponential(size=num)
        baseline, candidate = draw_pairs(num)
        for found, value, expected, spread in [
            (
                evaluation.estimate_mean(list(values)),
                values.mean(),
                bootstrap((values,), np.mean, **options),
                values.std(),
            ),
            (
                evaluation.estimate_difference(baseline, candidate),
                candidate.mean() - baseline.mean(),
                bootstrap((baseline, candidate), compute_difference, paired=True, vectorized=True, **options),
                (candidate - baseline).std(),
            ),
        ]:
            bounds = [expected.confidence_interval.low, expected.confidence_interval.high]
            assert found.value == pytest.approx(value, abs=1e-12)
            assert [found.low, found.high] == pytest.approx(bounds, abs=0.03 * spread)  # Monte Carlo error


def test_intervals_that_are_known_and_repeat_from_many_blocks_of_resamples():
    # Of 0 and 1, a resample has the mean 0, 1/2 or 1 with chances 1/4, 1/2 and 1/4.
    assert evaluation.estimate_mean([0, 1]) == evaluation.Estimate(0.5, 0.0, 1.0)
    assert evaluation.estimate_mean([0.25] * 8) == evaluation.Estimate(0.25, 0.25, 0.25)
    values = np.random.default_rng(2).random(1000)  # 10 000 resamples take 10 blocks
    assert evaluation.estimate_mean(values) == evaluation.estimate_mean(values)


def test_values_without_a_mean_or_a_spread_and_scores_that_do_not_pair_raise():
    for values, said in [([], "nothing to measure"), ([0.5], "no spread")]:
        with pytest.raises(DataError, match=said):
            evaluation.estimate_mean(values)
    others = [[0.5, other] for other in (float("nan"), float("inf"), None, "right")]
    for values in (*others, [[0.5, 1.0], [0.1, 0.2]], [[0.5, 1.0], [0.1]], 0.5):
        with pytest.raises(DataError, match="not one finite number"):
            evaluation.estimate_mean(values)
    for function in (evaluation.estimate_difference, evaluation.compute_mcnemar, evaluation.compute_sign_flip_p):
        with pytest.raises(DataError, match="2 and 3 scores do not pair"):
            function([0, 1], [0, 1, 1])


def make_flips(num_worse, num_better, both_right=2, both_wrong=3):
    baseline = [1] * num_worse + [0] * num_better + [1] * both_right + [0] * both_wrong
    candidate = [0] * num_worse + [1] * num_better + [1] * both_right + [0] * both_wrong
    return baseline, candidate


def test_mcnemar_is_the_published_one_and_a_two_sided_binomial_test_that_looks_only_at_flips():
    # M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical Research Methodology 13:91 (2013): airway
    # hyper-responsiveness of 21 children before and after stem cell transplantation, exact conditional test.
    assert round(evaluation.compute_mcnemar(*make_flips(1, 7, both_right=1, both_wrong=12)), 4) == 0.0703
    for worse, better in [(0, 1), (0, 6), (3, 3), (6, 16), (40, 25), (31, 6), (400, 350)]:
        expected = pytest.approx(binomtest(better, better + worse).pvalue, rel=1e-12)
        assert evaluation.compute_mcnemar(*make_flips(worse, better)) == expected
        assert evaluation.compute_mcnemar(*make_flips(better, worse)) == expected
    few, many = make_flips(2, 9, both_right=0, both_wrong=0), make_flips(2, 9, both_right=500, both_wrong=300)
    assert evaluation.compute_mcnemar(*few) == evaluation.compute_mcnemar(*many)
    assert evaluation.compute_mcnemar([True, False, True], [True, False, True]) == 1.0
    with pytest.raises(DataError, match="neither 0 nor 1"):
        evaluation.compute_mcnemar([0, 0.5], [1, 0.5])


def test_sign_flip_p_matches_a_full_enumeration_and_scipy():
    for num in (2, 5, 9):
        random = np.random.default_rng(num)
        baseline = random.integers(0, 11, num) / 10  # tenths, whose sums tie but for rounding
        candidate = np.round(baseline + random.choice([-0.2, 0.1, 0.3], num), 1)
        steps = np.rint(10 * (candidate - baseline)).astype(int)
        sums = [abs(int(np.dot(signs, steps))) for signs in product([-1, 1], repeat=num)]
        expected = np.mean([total >= abs(steps.sum()) for total in sums])
        assert evaluation.compute_sign_flip_p(baseline, candidate) == expected
        options = {"permutation_type": "samples", "n_resamples": np.inf, "alternative": "two-sided"}
        assert permutation_test((steps,), np.sum, **options).pvalue == pytest.approx(expected)
    # Differences 3, -1, 1: of eight sums 5, 3, 3 and their mirrors are as far from 0 as 3; those without one count not.
    assert evaluation.compute_sign_flip_p([0, 1, 0] + [0.5] * 60, [3, 0, 1] + [0.5] * 60) == 0.75
    assert evaluation.compute_sign_flip_p([0.5] * 40, [0.5] * 40) == 1.0


def test_drawn_sign_flips_come_near_the_exact_p_and_are_never_0(monkeypatch):
    monkeypatch.setattr(evaluation.metrics, "NUM_RESAMPLES", 40_000)
    baseline, candidate = make_flips(6, 16)
    exact = evaluation.compute_mcnemar(baseline, candidate)
    assert exact == pytest.approx(0.0525, abs=5e-5)
    assert evaluation.compute_sign_flip_p(baseline, candidate) == pytest.approx(exact, abs=0.004)
    monkeypatch.setattr(evaluation.metrics, "NUM_RESAMPLES", 999)
    assert evaluation.compute_sign_flip_p([0.0] * 60, [1.0] * 60) == 1 / 1000  # never 0
