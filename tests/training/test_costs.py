"""Claims about costs and power laws: worked examples, published runs that they come near to, and fits by hand."""

import re

import numpy as np
import pytest
from scipy import stats

from llmops_utils.core import DataError
from llmops_utils.training.costs import estimate_cost, fit_power_law, load_published_runs, load_stages

RUNS = {run.id: run for run in load_published_runs()}
SIZES = [10, 20, 40, 80, 160]


def test_an_estimate_can_be_followed_by_hand_and_impossible_numbers_are_refused():
    cost = estimate_cost(1e9, 20e9, gpu="A100", utilisation=0.5, usd_per_gpu_hour=2)
    assert cost.flops == pytest.approx(1.2e20)
    assert cost.gpu_hours == pytest.approx(1.2e20 / (312e12 * 0.5) / 3600)
    assert cost.usd == pytest.approx(2 * cost.gpu_hours)
    assert cost.memory_gb == pytest.approx(16)
    assert cost.tokens_per_parameter == pytest.approx(20)
    assert cost.count_days(8) == pytest.approx(cost.gpu_hours / 192)
    for sizes in ((0, 1e9), (float("nan"), 1e9), (1e9, -1), (1e9, float("inf")), (1e9, 1e9, "H100", 0)):
        with pytest.raises(DataError, match="is "):
            estimate_cost(*sizes)
    with pytest.raises(DataError, match="num_gpus is 0"):
        cost.count_days(0)


def test_the_stages_go_from_pretraining_to_distillation_and_each_names_its_source():
    stages = load_stages()
    assert [one.id for one in stages] == ["pretraining", "continued", "instruction", "preference", "distillation"]
    assert {one.gpu for one in stages} == {"A100"}  # else their hours could not stand on one axis
    assert stages[0].gpu_hours == RUNS["llama-2-7b"].gpu_hours
    assert [one.id for one in stages if not (one.source and re.fullmatch(r"20\d\d-\d\d", one.date))] == []


def test_predictions_are_within_15_percent_of_what_was_reported():
    for run in RUNS.values():
        assert (run.gpu is None) == (run.gpu_hours is None), run.id
        assert run.flops or run.gpu_hours, run.id
        if run.flops:
            assert estimate_cost(run.parameters, run.tokens).flops / run.flops == pytest.approx(1, abs=0.15), run.id
    for id in ("llama-2-7b", "llama-2-13b", "llama-2-70b", "llama-3.1-405b"):  # at 40 % utilisation
        run = RUNS[id]
        hours = estimate_cost(run.parameters, run.tokens, run.gpu).gpu_hours
        assert hours / run.gpu_hours == pytest.approx(1, abs=0.15), run.id
    run = RUNS["smollm-135m"]  # hours of small models are predicted too low
    assert estimate_cost(run.parameters, run.tokens, run.gpu).gpu_hours < 0.5 * run.gpu_hours


def test_a_clean_power_law_is_found_and_the_interval_is_that_of_a_regression_by_hand():
    law = fit_power_law(SIZES, [5 * size**-0.25 for size in SIZES])
    assert (law.exponent.value, law.exponent.low) == pytest.approx((0.25, 0.25), abs=1e-6)
    assert law.predict(320) == pytest.approx(5 * 320**-0.25)
    losses = [3.0, 2.7, 2.2, 2.1, 1.8]
    x, y = np.log(SIZES), np.log(losses)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    rest = y - y.mean() - slope * (x - x.mean())
    error = np.sqrt((rest**2).sum() / 3 / ((x - x.mean()) ** 2).sum())
    law = fit_power_law(SIZES, losses)
    assert law.exponent.value == pytest.approx(-slope)
    assert law.exponent.high - law.exponent.value == pytest.approx(stats.t.ppf(0.975, 3) * error)
    assert str(law) == f"exponent {-slope:.3f} [{law.exponent.low:.3f}, {law.exponent.high:.3f}] (n = 5)"
