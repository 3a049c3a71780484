"""How many examples a claim needs: the power of the exact McNemar test for two systems on the same examples."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from ..core import DataError
from .metrics import SIGNIFICANT

MOST_EXAMPLES = 20_000


def compute_power(num_examples: int, gained: float, lost: float) -> float:
    """Return how probable it is that the exact McNemar test finds the better of two systems.

    The finding counts only in the true direction: p at most 0.05, and more examples gained than lost. The number of
    examples that flip is itself random; the power is the mean over it, weighted by the binomial distribution.

    Args:
        num_examples: how many are measured.
        gained: the share of examples that the better system has right and the other wrong, in (0, 1].
        lost: the share the other way round, in [0, gained); together at most 1.

    Source: J. M. Lachin, Power and sample size evaluation for the McNemar test, Statistics in Medicine 11 (1992), the
    exact unconditional power of the conditional test.
    """
    from scipy.stats import binom

    if num_examples < 1 or not (0 <= lost < gained <= 1 and gained + lost <= 1 + 1e-12):
        raise DataError(
            f"{gained} gained and {lost} lost of {num_examples} examples are no claim to test.",
            "Give at least 1 example, and two shares that sum to 1 at most, more gained than lost.",
        )
    flips = gained + lost
    low, high = binom.ppf([1e-12, 1 - 1e-12], num_examples, flips)  # outside, the weights are negligible
    nums = np.arange(int(low), int(high) + 1)
    # Of so many flips more than these must be gains: the two-sided test at 0.05 in one direction is one-sided at 0.025.
    too_few = binom.isf(SIGNIFICANT / 2, nums, 0.5)
    found = binom.sf(too_few, nums, gained / flips)
    return float(binom.pmf(nums, num_examples, flips) @ found)


def find_num_examples(gained: float, lost: float, power: float = 0.8) -> int:
    """Return the smallest number of examples, 20,000 at most, from which on the power stays at or above `power`."""
    if not 0 < power < 1:
        raise DataError(f"{power} is no power to reach.", "Give a number between 0 and 1, such as 0.8.")

    def reach(num: int) -> float:
        return compute_power(num, gained, lost)

    found = 1 + bisect_left(range(1, MOST_EXAMPLES + 1), power, key=reach)
    if found > MOST_EXAMPLES:
        raise DataError(
            f"{MOST_EXAMPLES} examples do not give a power of {power:.0%} for {gained:.1%} gained and {lost:.1%} lost.",
            "Look for a larger effect, or accept “cannot tell”.",
        )
    # The unconditional power hardly saws, but it may: go on to where it stays.
    while any(reach(found + step) < power for step in range(4)):
        found += 1
    return found
