"""Scores and their uncertainty.

The formulas stand here and not in calls of scipy.stats, whose import takes longer than all that a chapter computes with
them; the tests compare with scipy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from ..core import DataError

CONFIDENCE = 0.95  # how often an interval is to contain the true value
SIGNIFICANT = 0.05  # a p below it counts
NUM_RESAMPLES = 10_000  # data sets or sign patterns drawn; always the same ones
MOST_ENUMERATED = 12  # 2 ** 12 = 4096 sign patterns


@dataclass(frozen=True)
class Proportion:
    """A share with its interval: `value` in [0, 1], `low` and `high` its bounds, `num` of `total` counted."""

    num: int
    total: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.0%} [{self.low:.0%}, {self.high:.0%}] (n = {self.total})"


def estimate_proportion(num: int, total: int, confidence: float = CONFIDENCE) -> Proportion:
    """Return `num / total` with its Wilson score interval.

    It holds for small samples too, and for shares near 0 and 1.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    z = find_z(confidence)
    try:
        whole = int(num), int(total)  # a numpy.uint8 would overflow
        is_share = whole == (num, total) and 0 <= num <= total >= 1
    except (TypeError, ValueError, OverflowError):
        is_share = False
    if not is_share:
        raise DataError(f"{num} of {total} is not a share.", "Count at least one, and no more hits than examples.")
    num, total = whole
    share = num / total
    scale = 2 * (total + z**2)
    centre = (2 * num + z**2) / scale
    reach = z / scale * math.sqrt(4 * num * (1 - share) + z**2)
    # Where none or all are right, a bound is 0 or 1, which rounding would miss.
    low, high = centre - reach if num else 0.0, centre + reach if num < total else 1.0
    return Proportion(num, total, share, float(low), float(high))


def find_z(confidence: float) -> float:
    """Return how many standard errors a two-sided interval reaches to each side, 1.96 for 0.95."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, which is to contain the true value as often as `confidence` says."""

    value: float
    low: float
    high: float
    confidence: float = CONFIDENCE

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def estimate_auc(scores: Sequence[float], is_right: Sequence[bool]) -> Estimate:
    """Return how often a right example scores above a wrong one, with a bootstrap interval.

    0.5 means the score says nothing, 1.0 that it separates right from wrong completely: the area under the ROC curve.

    Source: J. A. Hanley and B. J. McNeil, Radiology 143 (1982); B. Efron, Annals of Statistics 7 (1979).
    """
    values, truth = check_numbers(scores), check_right(is_right)
    if len(values) != len(truth) or truth.all() or not truth.any():
        raise DataError("There is no right example to compare with a wrong one.", "Measure more examples.")

    def compute_auc(chosen: np.ndarray) -> float:
        right, wrong = values[chosen][truth[chosen]], values[chosen][~truth[chosen]]
        if len(right) == 0 or len(wrong) == 0:
            return np.nan
        difference = right[:, None] - wrong[None, :]
        return float(np.mean((difference > 0) + 0.5 * (difference == 0)))

    random = np.random.default_rng(0)
    resamples = [compute_auc(random.integers(0, len(values), len(values))) for _ in range(2000)]
    low, high = np.nanquantile(resamples, [0.025, 0.975])
    return Estimate(compute_auc(np.arange(len(values))), float(low), float(high))


def estimate_mean(values: ArrayLike) -> Estimate:
    """Return the mean of the values with its percentile bootstrap interval over examples.

    Below about n = 20 it is too narrow; where all values are equal it has no width.

    Source: B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979).
    """
    measured = check_numbers(values)
    if len(measured) < 2:
        raise DataError("One example has no spread to measure.", "Measure at least 2 examples.")
    random = np.random.default_rng(0)
    means = [
        measured[random.integers(0, len(measured), (num, len(measured)), dtype=np.int32)].mean(axis=1)
        for num in _split_resamples(len(measured))
    ]
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(float(measured.mean()), float(low), float(high))


def estimate_difference(baseline: ArrayLike, candidate: ArrayLike) -> Estimate:
    """Return the mean of candidate minus baseline with its paired bootstrap interval.

    Each resample draws examples, and an example brings both of its scores, so that what makes it hard for both cancels.
    Both have shape (n,), in the same order.
    """
    before, after = _check_pairs(baseline, candidate)
    return estimate_mean(after - before)


def compute_mcnemar(baseline_right: ArrayLike, candidate_right: ArrayLike) -> float:
    """Return the two-sided p of McNemar's exact test: do as many examples flip to right as to wrong?

    If neither system were better, each example on which exactly one of them is right would be a fair coin; the others
    do not count. With fewer than six flips p never falls below 0.05. Both results are 0 or 1, shape (n,).

    Source: Q. McNemar, Psychometrika 12 (1947), in the exact conditional form with the binomial distribution.
    """
    before, after = _check_pairs(baseline_right, candidate_right)
    if not np.isin([before, after], [0, 1]).all():
        raise DataError("A score is neither 0 nor 1.", "Use compute_sign_flip_p for scores between 0 and 1.")
    num_better, num_worse = int((after > before).sum()), int((after < before).sum())
    num_flips = num_better + num_worse
    tail = sum(math.comb(num_flips, num) for num in range(min(num_better, num_worse) + 1))
    return min(1.0, 2 * tail / 2**num_flips)


def compute_sign_flip_p(baseline: ArrayLike, candidate: ArrayLike) -> float:
    """Return the two-sided p of the paired randomisation test: would swapping the two systems be noticed?

    p is the share of sign patterns whose mean is at least as far from 0 as the measured one: of all patterns up to 12
    differences that are not 0, else of random ones, with 1 added to both counts so that p is never 0.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; the 1 added: B. Phipson and G. K. Smyth,
    Statistical Applications in Genetics and Molecular Biology 9 (2010).
    """
    before, after = _check_pairs(baseline, candidate)
    differences = after - before
    sizes = np.abs(differences[differences != 0])  # a difference of 0 is the same with either sign
    if len(sizes) == 0:
        return 1.0
    # Sums of the same numbers in another order differ by rounding; they are ties all the same.
    limit = abs(differences.sum()) - 1e-12 * sizes.sum()
    if len(sizes) <= MOST_ENUMERATED:
        patterns = (np.arange(2 ** len(sizes))[:, None] >> np.arange(len(sizes))) & 1
        return float(np.mean(np.abs((2 * patterns - 1) @ sizes) >= limit))
    random = np.random.default_rng(0)
    num_as_far = 0
    for num in _split_resamples(len(sizes)):
        patterns = random.integers(0, 2, (num, len(sizes)), dtype=np.int8)
        num_as_far += int((np.abs((2 * patterns - 1) @ sizes) >= limit).sum())
    return (num_as_far + 1) / (NUM_RESAMPLES + 1)


def adjust_holm(ps: Sequence[float]) -> list[float]:
    """Return each p corrected for all of them, in their order: below 0.05, it counts among so many claims.

    The smallest is multiplied by the number of claims, the next by one less, and so on; none falls below the one before.
    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, largest = [1.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda one: ps[one])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def check_numbers(values: ArrayLike) -> np.ndarray:
    """Return the values as an array of shape (n,), n at least 1, all finite."""
    try:
        is_time = np.asarray(values).dtype.kind in "mM"
        numbers = np.array([np.nan]) if is_time or np.ma.is_masked(values) else np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        numbers = np.array([np.nan])
    if numbers.size == 0:
        raise DataError("There is nothing to measure.", "Give at least one score per system.")
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise DataError("The scores are not one finite number per example.", "Give numbers, without None and nan.")
    return numbers


def check_right(values: ArrayLike) -> np.ndarray:
    """Return results as booleans of shape (n,); a text such as "False" is none."""
    numbers = check_numbers(values)
    if not np.isin(numbers, [0, 1]).all():
        raise DataError("A result is neither right nor wrong.", "Give True or False, or 1 or 0, for each example.")
    return numbers.astype(bool)


def _check_pairs(baseline: ArrayLike, candidate: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of both, each of shape (n,)."""
    before, after = check_numbers(baseline), check_numbers(candidate)
    if len(before) != len(after):
        raise DataError(f"{len(before)} and {len(after)} scores do not pair.", "Score both on the same examples.")
    return before, after


def _split_resamples(num_examples: int) -> list[int]:
    """Return numbers of resamples that sum to `NUM_RESAMPLES`, each small enough for a matrix of 8 MB."""
    block = max(1, 1_000_000 // num_examples)
    full, rest = divmod(NUM_RESAMPLES, block)
    return [block] * full + ([rest] if rest else [])
