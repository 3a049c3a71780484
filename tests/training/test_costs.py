"""Claims about what training costs and what more of it buys; lesson 4.1 holds the formula against published runs."""

import re

import numpy as np
import pytest
from scipy import stats

from llmops_utils.core import DataError
from llmops_utils.training.costs import compute_flops, estimate_cost, load_stages
from llmops_utils.training.scaling import fit_power_law


def test_an_estimate_can_be_followed_by_hand():
    cost = estimate_cost(1e9, 20e9, gpu="A100", utilisation=0.5, usd_per_gpu_hour=2)
    assert cost.flops == compute_flops(1e9, 20e9) == pytest.approx(1.2e20)
    assert cost.gpu_hours == pytest.approx(1.2e20 / (312e12 * 0.5) / 3600)
    assert cost.usd == pytest.approx(2 * cost.gpu_hours)
    assert cost.memory_gb == pytest.approx(16)
    assert cost.tokens_per_parameter == pytest.approx(20)
    assert cost.count_days(8) == pytest.approx(cost.gpu_hours / 192)


def test_impossible_numbers_are_refused():
    for name, values in {
        "num_parameters": (0, float("nan")),
        "num_tokens": (-1, float("inf")),
        "gpu": ("RTX",),
        "utilisation": (0, 1.2),
        "usd_per_gpu_hour": (-1,),
    }.items():
        for value in values:
            with pytest.raises(DataError):
                estimate_cost(**{"num_parameters": 1e9, "num_tokens": 1e9, name: value})
    with pytest.raises(DataError, match="num_gpus is 0"):
        estimate_cost(1e9, 1e9).count_days(0)


def test_each_stage_says_when_it_was_reported_and_all_hours_are_of_one_card():
    stages = load_stages()
    assert {one.gpu for one in stages} == {"A100"}
    assert [one.id for one in stages if not re.fullmatch(r"20\d\d-\d\d", one.date)] == []


def test_the_exponent_of_a_power_law_is_that_of_a_regression_by_hand():
    losses = [3.0, 2.7, 2.2, 2.1, 1.8]
    sizes = [10, 20, 40, 80, 160]
    x, y = np.log(sizes), np.log(losses)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    rest = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt((rest**2).sum() / 3 / ((x - x.mean()) ** 2).sum())
    law = fit_power_law(sizes, losses)
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
