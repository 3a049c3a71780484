"""How a loss falls with data, parameters or steps: a power law, and how uncertain its exponent is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError
from ..evaluation import Estimate


@dataclass(frozen=True)
class PowerLaw:
    """loss = factor · size ** -exponent; the interval of the exponent is that of the line through the logarithms."""

    exponent: Estimate
    factor: float
    num: int

    def predict(self, size: float) -> float:
        """Return the loss at a size. Far from the sizes that were measured it is a guess."""
        return self.factor * size**-self.exponent.value

    def __str__(self) -> str:
        low, high = self.exponent.low, self.exponent.high
        return f"exponent {self.exponent.value:.3f} [{low:.3f}, {high:.3f}] (n = {self.num})"

    __repr__ = __str__


def fit_power_law(sizes: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Return the power law through the points, by least squares on the logarithms.

    The interval of 95 % is that of the slope under Student's t with n - 2 degrees of freedom. It takes the points to scatter
    round one straight line; where the loss approaches a floor the line bends, and the interval does not know that.

    Raises `DataError` for fewer than 3 different sizes, or a size or loss that is not above 0.

    Source: J. Kaplan et al., Scaling laws for neural language models, 2020, for the form of the law.
    """
    from scipy import stats

    x, y = np.asarray(sizes, dtype=float), np.asarray(losses, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(set(x.tolist())) < 3:
        raise DataError("A line needs at least three points at different sizes.", "Measure more sizes.")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all() and (y > 0).all()):
        raise DataError("A size or a loss is not above 0, so it has no logarithm.", "Leave that point out.")
    line = stats.linregress(np.log(x), np.log(y))
    reach = float(stats.t.ppf(0.975, len(x) - 2)) * float(line.stderr)
    exponent = -float(line.slope)
    interval = Estimate(exponent, exponent - reach, exponent + reach, 0.95)
    return PowerLaw(interval, float(np.exp(line.intercept)), len(x))
