"""Claims about fitted power laws: the exponent and its interval are those of a regression."""

import numpy as np
import pytest
from scipy import stats

from llmops_utils.core import DataError
from llmops_utils.training.scaling import fit_power_law

SIZES = [10, 20, 40, 80, 160]


def test_the_slope_is_that_of_a_regression_by_hand():
    losses = [3.0, 2.7, 2.2, 2.1, 1.8]
    x, y = np.log(SIZES), np.log(losses)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    rest = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt((rest**2).sum() / 3 / ((x - x.mean()) ** 2).sum())
    law = fit_power_law(SIZES, losses)
    assert law.exponent.value == pytest.approx(-slope)
    assert law.exponent.high - law.exponent.value == pytest.approx(stats.t.ppf(0.975, 3) * error)


def test_too_few_points_and_what_has_no_logarithm_are_refused():
    for sizes, losses in (([1, 2], [2, 1]), ([1, 2, 3], [1, 2]), ([], []), ([1, 1, 2], [3, 2, 1])):
        with pytest.raises(DataError, match="at least three points"):
            fit_power_law(sizes, losses)
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="no logarithm"):
            fit_power_law([1, 2, 3], [3, 2, bad])
        with pytest.raises(DataError, match="no logarithm"):
            fit_power_law([1, 2, bad], [3, 2, 1])
