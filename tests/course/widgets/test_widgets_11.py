"""Claims about the power calculator: its figures are those of the library, with and without a kernel."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.course.widgets.power_calculator import EFFECTS, NUMS, PowerCalculator
from llmops_utils.evaluation import compute_power, find_num_examples


@pytest.fixture
def calculator():
    return PowerCalculator()


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def test_the_static_view_is_a_table_with_a_row_for_each_effect(calculator):
    data = read_bundle(calculator)
    assert data["text/html"].count("<tr>") == 1 + len(EFFECTS)
    for num in NUMS:
        assert f"<td>{compute_power(num, 0.15, 0.05):.0%}</td>" in data["text/html"]
    assert "<td>15%</td><td>5%</td><td>+10</td>" in data["text/html"]
    assert "<td>168</td></tr>" in data["text/html"]
    assert data["text/plain"] == (
        "Power calculator: 5 effects. With 30% of the examples gained and 10% lost, 84 examples give a power of 80%."
    )


def test_the_sliders_start_at_an_effect_that_a_hundred_examples_hardly_find(calculator):
    assert f"probability of <strong>{compute_power(100, 0.2, 0.1):.0%}</strong>" in calculator._view.value
    assert "needs <strong>249</strong> examples" in calculator._view.value


def test_moving_a_slider_shows_the_new_figures(calculator):
    calculator.gained.value, calculator.lost.value, calculator.num.value = 30, 0, 12
    assert f"<strong>{compute_power(12, 0.3, 0.0):.0%}</strong>" in calculator._view.value
    calculator.power.value = 0.9
    assert f"For 90% it needs <strong>{find_num_examples(0.3, 0.0, 0.9)}</strong>" in calculator._view.value
    assert "changes by +30 points; 30% of the examples flip" in calculator._view.value


@pytest.mark.parametrize(("gained", "lost"), [(10, 10), (5, 20), (60, 40), (60, 39)])
def test_numbers_at_the_bounds_are_answered_or_refused(calculator, gained, lost):
    calculator.gained.value, calculator.lost.value = gained, lost
    assert ("no claim to test" in calculator._view.value) == (gained <= lost)
    calculator.gained.value, calculator.lost.value = 20, 10
    assert "<table" in calculator._view.value


def test_an_effect_that_no_number_of_examples_finds_is_said_so(calculator):
    calculator.gained.value, calculator.lost.value = 41, 40
    assert "do not give a power of 80%" in calculator._view.value
    assert "<table" in calculator._view.value


def test_effects_that_are_none_raise():
    with pytest.raises(DataError, match="no claim to test"):
        PowerCalculator([(0.1, 0.2)])


def test_the_calculator_has_the_style_of_notebook_text(calculator):
    assert calculator._view.value.startswith('<div class="jp-RenderedHTMLCommon">')
    calculator.gained.value, calculator.lost.value = 5, 10
    assert calculator._view.value.startswith('<div class="jp-RenderedHTMLCommon">')


def test_the_table_of_effects_stands_below_the_controls_too(calculator):
    calculator.gained.value = 40
    assert calculator.static_html in calculator.children[-1].value
