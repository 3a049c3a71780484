"""Claims about the calculators and the chooser of ways: their figures are those of the library, as controls move."""

import pytest
from widget_views import TONE, read_rows

from llmops_utils.course import AdaptationChooser, PowerCalculator, TrainingCalculator
from llmops_utils.course.adaptation import Situation, rank_ways
from llmops_utils.course.widgets.calculators import NUMS
from llmops_utils.evaluation import compute_power, find_num_examples
from llmops_utils.training import estimate_cost


def set_power(calculator, gained, lost, num=100, power=0.8):
    calculator.gained.value, calculator.lost.value = gained, lost
    calculator.num.value, calculator.power.value = num, power
    return calculator.view.value


def test_moving_a_slider_shows_the_power_of_another_difference_and_impossible_ones_are_refused():
    power = PowerCalculator()
    view = set_power(power, 30, 0, 12, 0.9)
    assert f"<strong>{compute_power(12, 0.3, 0.0):.0%}</strong>" in view
    assert f"For 90% it needs <strong>{find_num_examples(0.3, 0.0, 0.9)}</strong>" in view
    assert "changes by +30 points; 30% of the examples flip" in view
    assert read_rows(view) == [["power", *(f"{compute_power(num, 0.3, 0.0):.0%}" for num in NUMS)]]
    for gained, lost in ((10, 10), (5, 20), (60, 39)):
        assert ("no claim to test" in set_power(power, gained, lost)) == (gained <= lost)
    view = set_power(power, 41, 40)
    assert "do not give a power of 80%" in view
    assert "<table" in view


@pytest.fixture
def training():
    return TrainingCalculator(usd_per_gpu_hour=2.0, utilisation=0.09)


def read_figures(training):
    return dict(read_rows(training.view.value))


def test_the_controls_change_the_estimate_of_the_training(training):
    assert read_figures(training)["card hours"] == "5,053.57"  # 6 · 135e6 · 2e12 operations at 9 % of 989.4e12 a second
    training.case.value = "7 B, balanced"
    assert (training.parameters.value, training.tokens.value) == (7e9, 140e9)
    training.gpu.value, training.utilisation.value, training.price.value = "A100", 0.5, 1.0
    training.num_gpus.value = 16
    cost = estimate_cost(7e9, 140e9, "A100", 0.5, 1.0)
    assert read_figures(training) == {
        "operations": f"{cost.flops:.2e}",
        "card hours": f"{cost.gpu_hours:,.2f}",
        "days on 16 cards": f"{cost.count_days(16):,.2f}",
        "dollars": f"{cost.usd:,.0f}",
        "memory for weights and optimiser": f"{cost.memory_gb:,.2f} GB",
        "tokens per parameter": f"{cost.tokens_per_parameter:,.1f}",
    }


def test_impossible_numbers_are_told_and_do_not_stop_the_widget(training):
    for name, value in (("parameters", 0), ("tokens", -5), ("num_gpus", 0), ("price", -1)):
        control = getattr(training, name)
        before, control.value = control.value, value
        assert "<p role='status'>" in training.view.value
        assert "What to do" in training.view.value
        control.value = before
        assert "card hours" in training.view.value


def test_the_ways_follow_the_menus_with_their_reasons():
    chooser = AdaptationChooser({"tone": TONE})
    assert [row[0] for row in read_rows(chooser.view.value)] == [one.way for one in rank_ways(TONE)]
    situation = Situation("form", "yearly", "thousands", "not needed", "millions a month")
    for name, menu in chooser.menus.items():
        menu.value = getattr(situation, name)
    rows, ways = read_rows(chooser.view.value), rank_ways(situation)
    assert [row[0] for row in rows] == [one.way for one in ways]
    assert [reason for reason in ways[0].reasons_for if reason not in rows[0][1]] == []
