"""Choosing among options by weighted factors, how firm the choice is, and where an own server pays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core import DataError

Scores = Mapping[str, Mapping[str, float]]
HOURS_PER_MONTH = 730  # 8,760 hours a year over twelve months
NUM_DRAWS = 2000  # sets of weights


def rank_options(scores: Scores, weights: Mapping[str, float]) -> dict[str, float]:
    """Return each option's weighted mean score, the best first; options that tie keep their order.

    Scores go from 0 to 1, weights from 0 up; only the ratios of the weights matter. Raises `DataError` where there is no
    option, a score is missing or outside 0 to 1, or no weight is above 0.
    """
    matrix, shares = _prepare(scores, weights)
    totals = dict(zip(scores, matrix @ shares, strict=True))
    return {name: float(total) for name, total in sorted(totals.items(), key=lambda pair: -pair[1])}


def measure_stability(scores: Scores, weights: Mapping[str, float], spread: float = 0.5) -> dict[str, float]:
    """Return how often each option wins when all weights move at random; the shares sum to 1 and are repeatable.

    Each weight is multiplied by a random factor from 1 - spread to 1 + spread, with a spread in [0, 1]. A tie goes to
    the option that stands first. Raises `DataError` as `rank_options`.
    """
    matrix, shares = _prepare(scores, weights)
    moved = shares * np.random.default_rng(0).uniform(1 - spread, 1 + spread, (NUM_DRAWS, len(shares)))
    winners = np.argmax(np.round(matrix @ moved.T, 12), axis=0)
    counts = np.bincount(winners, minlength=len(matrix))
    return {name: float(count) / NUM_DRAWS for name, count in zip(scores, counts, strict=True)}


def find_needed_score(scores: Scores, weights: Mapping[str, float], option: str, factor: str) -> float | None:
    """Return the least score on one factor with which an option would be no worse than all others.

    It is between 0 and 1; None where even 1 is not enough. The option's own score on the factor is ignored.
    Raises `DataError` as `rank_options`, or where there is no such option or factor.
    """
    if option not in scores or factor not in weights:
        raise DataError(f"There is no option “{option}” or no factor “{factor}”.", "Use the names of the table.")
    matrix, shares = _prepare({**scores, option: {**scores[option], factor: 0.0}}, weights)
    totals = matrix @ shares
    place, weight = list(scores).index(option), shares[list(weights).index(factor)]
    lack = np.delete(totals, place).max(initial=0.0) - totals[place]
    if lack <= 1e-12:
        return 0.0
    return float(min(lack / weight, 1.0)) if lack <= weight + 1e-12 else None


@dataclass(frozen=True)
class BreakEven:
    """Where an own server costs the same as an API, and the tokens, read and written, that it must then manage."""

    requests_per_month: float
    tokens_per_s: float


def compute_break_even(usd_per_request: float, tokens_per_request: float, usd_per_hour: float) -> BreakEven:
    """Return the traffic at which a server that always runs costs as much as an API that is paid by the token.

    A request's price is the API's, its tokens are those read and written. Raises `DataError` unless all are above 0.
    """
    if not all(math.isfinite(number) and number > 0 for number in (usd_per_request, tokens_per_request, usd_per_hour)):
        raise DataError("A break-even needs numbers above 0.", "Check the three numbers.")
    requests = usd_per_hour * HOURS_PER_MONTH / usd_per_request
    return BreakEven(requests, requests * tokens_per_request / (HOURS_PER_MONTH * 3600))


def _prepare(scores: Scores, weights: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores as a matrix (options, factors), and the weights so that they sum to 1."""
    factors = list(weights)
    if not scores or not factors:
        raise DataError("There is no option or no factor to choose by.", "Give at least one of each.")
    given = np.array([float(weights[factor]) for factor in factors])
    if not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise DataError("The weights are not usable.", "Give numbers of at least 0, one of them above 0.")
    try:
        matrix = np.array([[float(scores[name][factor]) for factor in factors] for name in scores])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"A score is missing ({error}).", "Give each option a number for each factor.") from error
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise DataError("A score is not between 0 and 1.", "Scale each factor to 0 (worst) to 1 (best).")
    return matrix, given / given.sum()
