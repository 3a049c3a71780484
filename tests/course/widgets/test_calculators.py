"""Claims about the calculators and the chooser of ways: their figures are those of the library, as controls move."""

import itertools

import pytest
from widget_views import TONE, read_rows

from llmops_utils.core import DataError
from llmops_utils.course import AdaptationChooser, PowerCalculator, TrainingCalculator
from llmops_utils.course.widgets.base import style_html
from llmops_utils.course.widgets.calculators import EFFECTS, FACTS, NUMS, Situation, rank_ways
from llmops_utils.evaluation import compute_power, find_num_examples
from llmops_utils.training import estimate_cost


def set_power(calculator, gained, lost, num=100, power=0.8):
    calculator.gained.value, calculator.lost.value = gained, lost
    calculator.num.value, calculator.power.value = num, power
    return calculator.view.value


def test_moving_a_slider_shows_new_figures_beside_the_table_of_effects_and_bounds_are_answered_or_refused():
    power = PowerCalculator()
    rows = read_rows(power.static_html)
    assert len(rows) == len(EFFECTS)
    assert rows[2] == ["15%", "5%", "+10", *(f"{compute_power(num, 0.15, 0.05):.0%}" for num in NUMS), "168"]
    view = set_power(power, 30, 0, 12, 0.9)
    assert power.children[-1].value == style_html(power.static_html)
    assert f"<strong>{compute_power(12, 0.3, 0.0):.0%}</strong>" in view
    assert f"For 90% it needs <strong>{find_num_examples(0.3, 0.0, 0.9)}</strong>" in view
    assert "changes by +30 points; 30% of the examples flip" in view
    for gained, lost in ((10, 10), (5, 20), (60, 39)):
        assert ("no claim to test" in set_power(power, gained, lost)) == (gained <= lost)
    assert "do not give a power of 80%" in set_power(power, 41, 40)


def test_the_cost_of_training_follows_the_controls_and_impossible_numbers_are_told():
    training = TrainingCalculator(usd_per_gpu_hour=2.0, utilisation=0.4)
    rows = read_rows(training.static_html)
    # 6 · 135e6 · 2e12 operations at 40 % of 989.4e12 a second are 1137 hours; 16 bytes for each of 70e9 numbers
    assert (rows[0][4], rows[-1][6]) == ("1,137", "1,120")
    training.case.value = "7 B, balanced"
    assert (training.parameters.value, training.tokens.value) == (7e9, 140e9)
    training.gpu.value, training.utilisation.value, training.price.value = "A100", 0.5, 1.0
    training.num_gpus.value = 16
    cost = estimate_cost(7e9, 140e9, "A100", 0.5, 1.0)
    figures = {"operations": f"{cost.flops:.2e}", "card hours": f"{cost.gpu_hours:,.2f}"}
    figures |= {"days on 16 cards": f"{cost.count_days(16):,.2f}", "dollars": f"{cost.usd:,.0f}"}
    figures |= {"memory for weights and optimiser": f"{cost.memory_gb:,.2f} GB"}
    figures |= {"tokens per parameter": f"{cost.tokens_per_parameter:,.1f}"}
    assert dict(read_rows(training.view.value)) == figures
    for name, value in (("parameters", 0), ("tokens", -5), ("num_gpus", 0), ("price", -1)):
        control = getattr(training, name)
        before, control.value = control.value, value
        assert "What to do" in training.view.value
        control.value = before
        assert "card hours" in training.view.value


def test_plain_situations_get_the_plain_way_and_in_any_those_without_data_come_last():
    facts = {"num_examples": "thousands", "sources": "not needed", "requests": "millions a month"}
    tuned = Situation("form", "yearly", **facts)
    assert [rank_ways(one)[0].way for one in (Situation(), TONE, tuned)] == ["retrieve", "prompt", "fine-tune"]
    for chosen in itertools.product(*(options for _, options in FACTS.values())):
        ways = rank_ways(Situation(*chosen))
        assert sorted(one.way for one in ways) == ["fine-tune", "prompt", "retrieve", "train"]
        assert all(one.pros or one.cons for one in ways)
        possible = [one.is_possible for one in ways]
        assert possible == sorted(possible, reverse=True)
        assert ways[0].way != "train"  # training from nothing never comes first
    for name in FACTS:
        with pytest.raises(DataError, match=f"{name} is “perhaps”"):
            Situation(**{name: "perhaps"})
    chooser = AdaptationChooser({"prices": Situation(), "tone": TONE})
    for name, menu in chooser.menus.items():
        menu.value = getattr(tuned, name)
    rows, ways = read_rows(chooser.view.value), rank_ways(tuned)
    assert [row[0] for row in rows] == [one.way for one in ways]
    assert [reason for reason in ways[0].pros if reason not in rows[0][1]] == []
