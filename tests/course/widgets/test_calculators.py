"""Claims about the calculators and the chooser of ways: their figures are those of the library, as controls move."""

import pytest
from widget_views import TONE, read_bundle, read_rows

from llmops_utils.course import AdaptationChooser, PowerCalculator, TrainingCalculator
from llmops_utils.course.adaptation import Situation, rank_ways
from llmops_utils.course.widgets.base import style_html
from llmops_utils.course.widgets.calculators import CASES, EFFECTS, NUMS
from llmops_utils.evaluation import compute_power, find_num_examples
from llmops_utils.training import estimate_cost

# --- power ---------------------------------------------------------------------------------------------------


def set_power(calculator, gained, lost, num=100, power=0.8):
    calculator.gained.value, calculator.lost.value = gained, lost
    calculator.num.value, calculator.power.value = num, power
    return calculator.view.value


def test_moving_a_slider_shows_new_figures_beside_the_table_of_effects_and_bounds_are_answered_or_refused():
    power = PowerCalculator()
    data = read_bundle(power)
    rows = read_rows(data["text/html"])
    assert len(rows) == len(EFFECTS)
    assert rows[2] == ["15%", "5%", "+10", *(f"{compute_power(num, 0.15, 0.05):.0%}" for num in NUMS), "168"]
    assert data["text/plain"] == (
        "Power calculator: 5 effects. With 30% of the examples gained and 10% lost, 84 examples give a power of 80%."
    )
    set_power(power, 40, 10)
    assert power.children[-1].value == style_html(power.static_html)
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


# --- training ------------------------------------------------------------------------------------------------


@pytest.fixture
def training():
    return TrainingCalculator(usd_per_gpu_hour=2.0, utilisation=0.4)


def read_figures(training):
    return dict(read_rows(training.view.value))


def test_the_static_table_has_a_row_for_each_case_with_its_cost_and_stands_below_the_controls_too(training):
    rows = read_rows(training.static_html)
    assert [row[0] for row in rows] == [*CASES]
    # 6 · 135e6 · 2e12 operations at 40 % of 989.4e12 a second are 1137 hours; 16 bytes for each of 70e9 numbers
    assert (rows[0][4], rows[-1][6]) == ("1,137", "1,120")
    cost = estimate_cost(70e9, 15e12, usd_per_gpu_hour=2.0)
    assert rows[-1][3:6] == [f"{cost.flops:.2e}", f"{cost.gpu_hours:,.0f}", f"{cost.usd:,.0f}"]
    assert "H100 at 40% of its peak, 2 dollars an hour" in training.static_html
    training.price.value = 9.0
    assert training.children[-1].value == style_html(training.static_html)
    slow = TrainingCalculator(2.5, utilisation=0.09)
    assert (read_rows(slow.static_html)[0][4], read_figures(slow)["card hours"]) == ("5,054", "5,053.57")


def test_the_controls_change_the_estimate(training):
    training.case.value = "7 B, balanced"
    assert (training.parameters.value, training.tokens.value) == (7e9, 140e9)
    assert read_figures(training)["dollars"] == f"{estimate_cost(7e9, 140e9, usd_per_gpu_hour=2.0).usd:,.0f}"
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


# --- ways to adapt -------------------------------------------------------------------------------------------

READY = {"prices": Situation(), "tone": TONE}


def test_the_ways_follow_the_menus_with_their_reasons():
    chooser = AdaptationChooser(READY)
    first = [(row[0], row[2].split()[0]) for row in read_rows(chooser.static_html)]
    assert first == [("prices", "retrieve"), ("tone", "prompt")]
    assert [row[0] for row in read_rows(chooser.view.value)] == [one.way for one in rank_ways(Situation())]
    situation = Situation("form", "yearly", "thousands", "not needed", "millions a month")
    for name, menu in chooser.menus.items():
        menu.value = getattr(situation, name)
    rows, ways = read_rows(chooser.view.value), rank_ways(situation)
    assert [row[0] for row in rows] == [one.way for one in ways]
    assert rows[0][0] == "fine-tune"
    assert [reason for reason in ways[0].reasons_for if reason not in rows[0][1]] == []
