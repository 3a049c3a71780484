"""Claims about the training calculator, the adaptation chooser and the pictures of training."""

import dataclasses

import pytest

from llmops_utils.course.widgets import training_pictures
from llmops_utils.course.widgets.adaptation_chooser import AdaptationChooser
from llmops_utils.course.widgets.training_calculator import CASES, TrainingCalculator
from llmops_utils.course.widgets.training_pictures import draw_curves, draw_power_laws
from llmops_utils.models import Provenance
from llmops_utils.training import Architecture, Situation, estimate_cost, fit_power_law, rank_ways
from llmops_utils.training.trainer import Look, Recipe, TrainingRun

EVIL = "<script>alert('x')</script> & \"more\""


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


# --- calculator ----------------------------------------------------------------------------------------------


def test_the_static_table_has_a_row_for_each_case_with_its_cost():
    html = read_bundle(TrainingCalculator(usd_per_gpu_hour=2.0))["text/html"]
    assert html.count("<tr>") == 1 + len(CASES)
    cost = estimate_cost(70e9, 15e12, usd_per_gpu_hour=2.0)
    assert f"<td>{cost.flops:.2e}</td>" in html
    assert f"<td>{cost.usd:,.0f}</td>" in html
    assert "2 dollars an hour" in html


def test_the_controls_change_the_estimate():
    calculator = TrainingCalculator()
    calculator.case.value = "7 B, balanced"
    assert calculator.estimate() == estimate_cost(7e9, 140e9)
    calculator.gpu.value, calculator.utilisation.value, calculator.price.value = "A100", 0.5, 1.0
    assert calculator.estimate() == estimate_cost(7e9, 140e9, "A100", 0.5, 1.0)
    calculator.num_gpus.value = 16
    days = calculator.estimate().count_days(16)
    assert f"days on 16 cards</td><td>{days:,.2f}" in calculator._view.value


@pytest.mark.parametrize(("name", "value"), [("parameters", 0), ("tokens", -5), ("num_gpus", 0), ("price", -1)])
def test_impossible_numbers_are_told_and_do_not_stop_the_widget(name, value):
    calculator = TrainingCalculator()
    getattr(calculator, name).value = value
    assert "role='status'" in calculator._view.value
    assert "What to do" in calculator._view.value
    calculator.case.value = "70 B, 15 T tokens"
    getattr(calculator, name).value = 8
    assert "card hours" in calculator._view.value


def test_the_own_case_takes_the_place_of_the_first():
    calculator = TrainingCalculator(own_case=(1234.0, 5678.0))
    assert calculator.cases["this chapter's model"] == (1234.0, 5678.0)
    assert "<td>1.23e+03</td><td>5.68e+03</td>" in calculator.static_html
    assert CASES["this chapter's model"] != (1234.0, 5678.0)


def test_large_numbers_of_the_table_are_written_out():
    # 6 · 135e6 · 2e12 operations at 40 % of 989.4e12 a second are 1137 hours; 16 bytes for each of 70e9 numbers
    html = TrainingCalculator().static_html
    assert "<td>1,137</td>" in html
    assert "<td>1,120</td></tr>" in html
    assert "e+03</td></tr>" not in html


# --- chooser -------------------------------------------------------------------------------------------------

READY = {"prices": Situation(), "tone": Situation("form", "yearly", "dozens", "not needed")}


def test_the_static_table_names_the_first_way_of_each_situation():
    data = read_bundle(AdaptationChooser(READY))
    assert data["text/html"].count("<tr>") == 1 + len(READY)
    assert data["text/plain"] == (
        "Adaptation chooser, what comes first in 2 situations: prices: retrieve; tone: prompt."
    )


def test_the_view_follows_the_menus():
    chooser = AdaptationChooser(READY)
    assert chooser.situation == Situation()
    chooser.menus["lacks"].value = "form"
    chooser.menus["changes"].value = "yearly"
    chooser.menus["num_examples"].value = "thousands"
    chooser.menus["sources"].value = "not needed"
    chooser.menus["requests"].value = "millions a month"
    view = chooser._view.value
    ways = [one.way for one in rank_ways(chooser.situation)]
    places = [view.index(f"<td style='text-align:left'>{way}</td>") for way in ways]
    assert ways[0] == "fine-tune"
    assert places == sorted(places)


def test_names_of_situations_are_no_markup():
    html = AdaptationChooser({EVIL: Situation()}).static_html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


# --- pictures ------------------------------------------------------------------------------------------------


def make_run(*dev_bits):
    looks = tuple(Look(10 * (place + 1), bits - 0.5, bits, ()) for place, bits in enumerate(dev_bits))
    size = Architecture(8, 16, 1, 2, 8)
    return TrainingRun(
        "a run", size, Recipe(100), looks, 10, {}, {"held": 2.0}, 1.5, Provenance("t", "s", "replay", 0), None, "key"
    )


def test_a_loss_curve_says_its_values_and_baselines():
    picture = draw_curves({"ours": make_run(3.0, 2.5)}, {"bigram": 2.25}, with_train=True)
    assert picture.alt == (
        "Loss curves in bits per byte. ours, dev: 3.00 at 10, 2.50 at 20; on the training text from 2.50 to 2.00. "
        "bigram: 2.25."
    )
    assert picture._repr_html_().startswith("<img alt=")


def test_power_laws_say_their_points_and_exponents():
    law = fit_power_law([1, 10, 100], [4, 2, 1])
    picture = draw_power_laws({"tokens": ([1, 10, 100], [4, 2, 1], law), "steps": ([1, 10, 100], [4, 2, 1], law)})
    assert "tokens: 4.00 at 1, 2.00 at 10, 1.00 at 100; exponent 0.301 [0.301, 0.301] (n = 3)" in picture.alt


def test_power_laws_are_straight_lines_on_axes_with_few_whole_labels(monkeypatch):
    monkeypatch.setattr(training_pictures, "Picture", lambda figure, alt: figure)
    law = fit_power_law([1000, 10_000, 100_000], [4, 2, 1])
    (axes,) = draw_power_laws({"tokens": ([1000, 10_000, 100_000], [4, 2, 1], law)}).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1,000", "100,000"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["1.00", "2.00", "4.00"]
    assert [*axes.get_xticks(minor=True), *axes.get_yticks(minor=True)] == []


def test_a_run_says_what_was_measured_and_where_it_comes_from():
    run = dataclasses.replace(make_run(3.0), provenance=Provenance("t", "numpy 2", "replay", 0, "2026-11-25"))
    assert str(run) == (
        f"a run: 2.000 bits per byte on held (step 10 of 100, {run.architecture.num_parameters:,} parameters, 2 s, "
        "t (numpy 2, seed 0), replay of 2026-11-25)"
    )


# --- both ----------------------------------------------------------------------------------------------------


def test_calculator_and_chooser_have_the_style_of_notebook_text():
    calculator, chooser = TrainingCalculator(), AdaptationChooser({"prices": Situation()})
    for shown in (calculator, chooser):
        assert shown._view.value.startswith('<div class="jp-RenderedHTMLCommon">')
    calculator.tokens.value = -1
    assert calculator._view.value.startswith('<div class="jp-RenderedHTMLCommon">')


def test_the_ready_cases_stand_below_the_controls_too():
    calculator = TrainingCalculator()
    calculator.price.value = 9.0
    assert calculator.static_html in calculator.children[-1].value
