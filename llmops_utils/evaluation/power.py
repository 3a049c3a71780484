"""How many examples a claim needs: the power of the exact McNemar test for two systems on the same examples."""

from __future__ import annotations

import math

import numpy as np

from ..core import DataError

SIGNIFICANT = 0.05
MOST_EXAMPLES = 20_000


def compute_power(num_examples: int, gained: float, lost: float, alpha: float = SIGNIFICANT) -> float:
    """Return how probable it is that the exact McNemar test finds the better of two systems.

    The finding counts only in the true direction: p at most alpha, and more examples gained than lost. The number of
    examples that flip is itself random; the power is the mean over it, weighted by the binomial distribution. The two-
    sided test at level alpha in one direction is the one-sided test at alpha / 2.

    Args:
        num_examples: how many are measured, at least 1.
        gained: the share of examples that the better system has right and the other wrong, in (0, 1].
        lost: the share the other way round, in [0, gained].
        alpha: the level of the test, in (0, 1).

    Raises:
        DataError: the shares do not fit: each from 0 to 1, together at most 1, and more gained than lost.

    Source: J. M. Lachin, Power and sample size evaluation for the McNemar test, Statistics in Medicine 11 (1992), the
    exact unconditional power of the conditional test.
    """
    from scipy.stats import binom

    _check_shares(gained, lost, alpha)
    if num_examples < 1:
        raise DataError(f"{num_examples} examples are none.", "Give at least 1.")
    flips = gained + lost
    low, high = binom.ppf([1e-12, 1 - 1e-12], num_examples, flips)  # outside, the weights are negligible
    nums = np.arange(int(low), int(high) + 1)
    needed = find_critical_gains(nums, alpha)
    found = binom.sf(needed - 1, nums, gained / flips)
    return float(binom.pmf(nums, num_examples, flips) @ found)


def find_critical_gains(num_flips: np.ndarray | int, alpha: float = SIGNIFICANT) -> np.ndarray:
    """Return for each number of flips how many of them must be gains so that the exact p is at most alpha.

    Where even all of them are too few (fewer than 6 at 0.05), the answer is one more than there are.
    """
    from scipy.stats import binom

    nums = np.asarray(num_flips)
    critical = binom.isf(alpha / 2, nums, 0.5).astype(int)  # the largest whose tail above it may still be too heavy
    for _ in range(3):
        critical = np.where(binom.sf(critical - 1, nums, 0.5) > alpha / 2 * (1 + 1e-9), critical + 1, critical)
    return critical


def find_num_examples(
    gained: float, lost: float, power: float = 0.8, alpha: float = SIGNIFICANT, most: int = MOST_EXAMPLES
) -> int:
    """Return the smallest number of examples from which on the power stays at or above what is asked for.

    Raises:
        DataError: the shares do not fit, the power is not in (0, 1), or `most` examples are not enough.
    """
    _check_shares(gained, lost, alpha)
    if not 0 < power < 1:
        raise DataError(f"{power} is no power to reach.", "Give a number between 0 and 1, such as 0.8.")
    guess = min(max(approximate_num_examples(gained, lost, power, alpha), 6), most)
    low, high = 1, guess
    while compute_power(high, gained, lost, alpha) < power:
        if high >= most:
            raise DataError(
                f"{most} examples do not give a power of {power:.0%} for {gained:.1%} gained and {lost:.1%} lost.",
                "Look for a larger effect, or accept “cannot tell”.",
            )
        low, high = high, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if compute_power(middle, gained, lost, alpha) >= power else (middle + 1, high)
    # The unconditional power hardly saws, but it may: go on to where it stays.
    while low < most and any(compute_power(low + step, gained, lost, alpha) < power for step in (1, 2, 3)):
        low += 1
    return low


def approximate_num_examples(gained: float, lost: float, power: float = 0.8, alpha: float = SIGNIFICANT) -> int:
    """Return Connor's formula for the number of examples: quick, and somewhat too low for the exact test.

    Source: R. J. Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics
    43 (1987).
    """
    from scipy.stats import norm

    _check_shares(gained, lost, alpha)
    flips, difference = gained + lost, gained - lost
    reach = norm.isf(alpha / 2) * math.sqrt(flips) + norm.ppf(power) * math.sqrt(max(flips - difference**2, 0.0))
    return math.ceil((reach / difference) ** 2)


def _check_shares(gained: float, lost: float, alpha: float) -> None:
    if not (0 <= lost < gained <= 1 and gained + lost <= 1 + 1e-12):
        raise DataError(
            f"{gained} gained and {lost} lost are no claim to test.",
            "Give two shares of the examples that sum to 1 at most, more gained than lost.",
        )
    if not 0 < alpha < 1:
        raise DataError(f"{alpha} is no level.", "Give a number between 0 and 1, such as 0.05.")
