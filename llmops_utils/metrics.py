"""Scores and their uncertainty, on scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import DataError


@dataclass(frozen=True)
class Proportion:
    """A share with its interval: `value` in [0, 1], `low` and `high` its bounds, `num` of `total` counted."""

    num: int
    total: int
    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.0%} [{self.low:.0%}, {self.high:.0%}] (n = {self.total})"


def estimate_proportion(num: int, total: int, confidence: float = 0.95) -> Proportion:
    """Return `num / total` with its Wilson score interval.

    The Wilson interval keeps its promise for small samples and for shares near 0 and 1, where the textbook
    interval "p plus or minus 1.96 standard errors" leaves [0, 1] or has no width at all.

    Args:
        num: successes, 0 ≤ num ≤ total.
        total: trials, at least 1.
        confidence: coverage, in (0, 1).

    Raises:
        DataError: there is nothing to measure, or the counts do not fit.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    from scipy.stats import binomtest

    if not 0 < confidence < 1:
        raise DataError(f"{confidence} is no confidence.", "Give a number between 0 and 1, such as 0.95.")
    if total < 1 or not 0 <= num <= total:
        raise DataError(
            f"{num} of {total} is not a share.", "Count at least one example, and no more hits than examples."
        )
    interval = binomtest(num, total).proportion_ci(confidence, method="wilson")
    return Proportion(num, total, num / total, float(interval.low), float(interval.high), confidence)


@dataclass(frozen=True)
class Bin:
    """One group of a reliability chart: mean stated `confidence`, and the share that was right."""

    confidence: float
    accuracy: Proportion


def bin_by_confidence(confidences: Sequence[float], is_right: Sequence[bool], num_bins: int = 4) -> list[Bin]:
    """Return groups of equal size by rising confidence, each with its mean confidence and its accuracy.

    Groups of equal size, not of equal width, so that no group is nearly empty. Ties keep their order.

    Args:
        confidences: shape (n,), in [0, 1].
        is_right: shape (n,).
        num_bins: at least 1 and at most n.

    Raises:
        DataError: lengths differ, or there are fewer examples than bins.
    """
    if len(confidences) != len(is_right) or len(confidences) < num_bins or num_bins < 1:
        raise DataError(
            f"{len(confidences)} confidences and {len(is_right)} results do not make {num_bins} bins.",
            "Give one confidence per result, and at least one example per bin.",
        )
    order = np.argsort(np.asarray(confidences, dtype=float), kind="stable")
    bins = []
    for members in np.array_split(order, num_bins):
        num_right = sum(bool(is_right[index]) for index in members)
        mean = float(np.mean([confidences[index] for index in members]))
        bins.append(Bin(mean, estimate_proportion(num_right, len(members))))
    return bins


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def estimate_auc(
    scores: Sequence[float], is_right: Sequence[bool], num_resamples: int = 2000, seed: int = 0
) -> Estimate:
    """Return how often a right example scores above a wrong one, with a bootstrap interval.

    0.5 means the score says nothing, 1.0 that it separates right from wrong completely; this is the area under
    the ROC curve, computed as the Mann-Whitney statistic. The interval is the percentile bootstrap over examples.

    Args:
        scores: shape (n,).
        is_right: shape (n,), with at least one True and one False.

    Raises:
        DataError: there is no pair to compare.

    Source: J. A. Hanley and B. J. McNeil, Radiology 143 (1982); B. Efron, Annals of Statistics 7 (1979).
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(is_right, dtype=bool)
    if len(values) != len(truth) or truth.all() or not truth.any():
        raise DataError("There is no right example to compare with a wrong one.", "Measure more examples.")

    def compute_auc(chosen: np.ndarray) -> float:
        right, wrong = values[chosen][truth[chosen]], values[chosen][~truth[chosen]]
        if len(right) == 0 or len(wrong) == 0:
            return np.nan
        difference = right[:, None] - wrong[None, :]
        return float(np.mean((difference > 0) + 0.5 * (difference == 0)))

    random = np.random.default_rng(seed)
    resamples = [compute_auc(random.integers(0, len(values), len(values))) for _ in range(num_resamples)]
    low, high = np.nanquantile(resamples, [0.025, 0.975])
    return Estimate(compute_auc(np.arange(len(values))), float(low), float(high))
