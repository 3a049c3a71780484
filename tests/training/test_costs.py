"""Claims about costs: the formula of the papers, worked by hand; lesson 4.1 holds it against published runs."""

import re

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.costs import compute_flops, estimate_cost, load_stages


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
