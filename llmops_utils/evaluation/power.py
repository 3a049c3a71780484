"""How many examples a claim needs: the power of the exact McNemar test for two systems on the same examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..core import DataError
from .metrics import SIGNIFICANT

MOST_EXAMPLES = 20_000


def compute_power(num_examples: int, gained: float, lost: float) -> float:
    """Return how probable it is that the exact McNemar test finds the better of two systems.

    The finding counts only in the true direction: p at most 0.05, and more examples gained than lost. The number of
    examples that flip is itself random; the power is the mean over it, weighted by the binomial distribution. The two-
    sided test at level 0.05 in one direction is the one-sided test at 0.025.

    Args:
        num_examples: how many are measured, at least 1.
        gained: the share of examples that the better system has right and the other wrong, in (0, 1].
        lost: the share the other way round, in [0, gained); together at most 1.

    Source: J. M. Lachin, Power and sample size evaluation for the McNemar test, Statistics in Medicine 11 (1992), the
    exact unconditional power of the conditional test.
    """
    from scipy.stats import binom

    _check_shares(gained, lost)
    if num_examples < 1:
        raise DataError(f"{num_examples} examples are none.", "Give at least 1.")
    flips = gained + lost
    low, high = binom.ppf([1e-12, 1 - 1e-12], num_examples, flips)  # outside, the weights are negligible
    nums = np.arange(int(low), int(high) + 1)
    needed = find_critical_gains(nums)
    found = binom.sf(needed - 1, nums, gained / flips)
    return float(binom.pmf(nums, num_examples, flips) @ found)


def find_critical_gains(num_flips: ArrayLike) -> np.ndarray:
    """Return for each number of flips how many of them must be gains so that the exact p is at most 0.05.

    Where even all of them are too few (fewer than 6), the answer is one more than there are.
    """
    from scipy.stats import binom

    nums = np.asarray(num_flips)
    critical = binom.isf(SIGNIFICANT / 2, nums, 0.5).astype(
        int
    )  # the largest whose tail above it may still be too heavy
    for _ in range(3):
        critical = np.where(binom.sf(critical - 1, nums, 0.5) > SIGNIFICANT / 2 * (1 + 1e-9), critical + 1, critical)
    return critical


def find_num_examples(gained: float, lost: float, power: float = 0.8) -> int:
    """Return the smallest number of examples from which on the power stays at or above what is asked for.

    Raises:
        DataError: the shares do not fit, the power is not in (0, 1), or 20,000 examples are not enough.
    """
    _check_shares(gained, lost)
    if not 0 < power < 1:
        raise DataError(f"{power} is no power to reach.", "Give a number between 0 and 1, such as 0.8.")
    low, high = 1, 6
    while compute_power(high, gained, lost) < power:
        if high >= MOST_EXAMPLES:
            raise DataError(
                f"{MOST_EXAMPLES} examples do not give a power of {power:.0%} for {gained:.1%} gained and {lost:.1%} lost.",
                "Look for a larger effect, or accept “cannot tell”.",
            )
        low, high = high, min(2 * high, MOST_EXAMPLES)
    while low < high:
        middle = (low + high) // 2
        if compute_power(middle, gained, lost) >= power:
            high = middle
        else:
            low = middle + 1
    # The unconditional power hardly saws, but it may: go on to where it stays.
    while low < MOST_EXAMPLES and any(compute_power(low + step, gained, lost) < power for step in (1, 2, 3)):
        low += 1
    return low


def _check_shares(gained: float, lost: float) -> None:
    if not (0 <= lost < gained <= 1 and gained + lost <= 1 + 1e-12):
        raise DataError(
            f"{gained} gained and {lost} lost are no claim to test.",
            "Give two shares of the examples that sum to 1 at most, more gained than lost.",
        )
