"""Choosing among options by weighted factors, how firm the choice is, and where an own server pays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core import DataError

Scores = Mapping[str, Mapping[str, float]]
HOURS_PER_MONTH = 730  # 8,760 hours a year over twelve months


def rank_options(scores: Scores, weights: Mapping[str, float]) -> dict[str, float]:
    """Return each option's weighted mean score, the best first; options that tie keep their order.

    Args:
        scores: for each option its score from 0 to 1 on each factor.
        weights: for each factor how much it counts, at least 0; only their ratios matter.

    Raises:
        DataError: there is no option, a score is missing or outside 0 to 1, or no weight is above 0.
    """
    factors, matrix, shares = _prepare(scores, weights)
    totals = dict(zip(scores, matrix @ shares, strict=True)) if factors else {}
    return {name: float(total) for name, total in sorted(totals.items(), key=lambda pair: -pair[1])}


def measure_stability(
    scores: Scores, weights: Mapping[str, float], spread: float = 0.5, num_draws: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Return how often each option wins when all weights move at random; the shares sum to 1.

    Each weight is multiplied by a random factor from 1 - spread to 1 + spread. A tie goes to the option that stands
    first, as in `rank_options`.

    Args:
        scores: as for `rank_options`.
        weights: the weights around which they move.
        spread: how far, in [0, 1].
        num_draws: sets of weights, at least 1.
        seed: makes the shares repeatable.

    Raises:
        DataError: as `rank_options`, or spread or num_draws is out of range.
    """
    if not 0 <= spread <= 1 or num_draws < 1:
        raise DataError("The weights cannot move like this.", "Give a spread between 0 and 1, and at least one draw.")
    _, matrix, shares = _prepare(scores, weights)
    moved = shares * np.random.default_rng(seed).uniform(1 - spread, 1 + spread, (num_draws, len(shares)))
    winners = np.argmax(np.round(matrix @ moved.T, 12), axis=0)
    counts = np.bincount(winners, minlength=len(matrix))
    return {name: float(count) / num_draws for name, count in zip(scores, counts, strict=True)}


def find_needed_score(scores: Scores, weights: Mapping[str, float], option: str, factor: str) -> float | None:
    """Return the least score on one factor with which an option would be no worse than all others, or None.

    Args:
        scores: as for `rank_options`; the option's own score on the factor is ignored.
        weights: as for `rank_options`.
        option: the option in question.
        factor: the factor in question.

    Returns:
        A score from 0 to 1; None where even 1 is not enough.

    Raises:
        DataError: as `rank_options`, or there is no such option or factor.
    """
    if option not in scores or factor not in weights:
        raise DataError(f"There is no option “{option}” or no factor “{factor}”.", "Use the names of the table.")

    def is_first(score: float) -> bool:
        changed = {**scores, option: {**scores[option], factor: score}}
        totals = rank_options(changed, weights)
        return totals[option] >= max(totals.values()) - 1e-12

    if not is_first(1.0):
        return None
    low, high = 0.0, 1.0
    if is_first(low):
        return low
    for _ in range(40):  # the total grows with the score, so halving finds the border
        middle = (low + high) / 2
        low, high = (low, middle) if is_first(middle) else (middle, high)
    return high


@dataclass(frozen=True)
class BreakEven:
    """From how many requests a month an own server is cheaper, and what it must then do.

    Attributes:
        requests_per_month: where both cost the same.
        tokens_per_s: written and read tokens that the server must manage on average at that load.
    """

    requests_per_month: float
    tokens_per_s: float


def compute_break_even(
    usd_per_request: float, tokens_per_request: float, usd_per_hour: float, share_busy: float = 1.0
) -> BreakEven:
    """Return the traffic at which a server that always runs costs as much as an API that is paid by the token.

    Args:
        usd_per_request: the API's price of one request, above 0.
        tokens_per_request: tokens read and written, above 0.
        usd_per_hour: what the server costs, whether it works or not, above 0.
        share_busy: the share of all hours into which the requests fall, in (0, 1]; shops sleep at night.

    Raises:
        DataError: a number is out of its range.
    """
    numbers = (usd_per_request, tokens_per_request, usd_per_hour, share_busy)
    if not all(math.isfinite(number) and number > 0 for number in numbers) or share_busy > 1:
        raise DataError("A break-even needs numbers above 0, and a share of at most 1.", "Check the four numbers.")
    requests = usd_per_hour * HOURS_PER_MONTH / usd_per_request
    return BreakEven(requests, requests * tokens_per_request / (HOURS_PER_MONTH * share_busy * 3600))


def _prepare(scores: Scores, weights: Mapping[str, float]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return factors, scores as a matrix (options, factors), and weights that sum to 1."""
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
    return factors, matrix, given / given.sum()
