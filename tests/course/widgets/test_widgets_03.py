"""Claims about the scorecard and the table explorer: what they show follows the controls, and no text is markup."""

import numpy as np
import pandas as pd
import pytest

from llmops_utils.core import DataError
from llmops_utils.course.widgets.model_scorecard import ModelScorecard
from llmops_utils.course.widgets.pictures import draw_changes, draw_estimates
from llmops_utils.course.widgets.table_explorer import TableExplorer
from llmops_utils.evaluation import Estimate

EVIL = "<script>alert('x')</script> & \"more\""
SCORES = {"small": {"quality": 0.2, "price": 1.0}, "large": {"quality": 0.9, "price": 0.1}}


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


@pytest.fixture
def card():
    return ModelScorecard(SCORES, {"quality": 5, "price": 5})


def test_the_static_scorecard_is_a_table_of_all_options(card):
    data = read_bundle(card)
    assert data["text/html"].count("<tr>") == 1 + len(SCORES)
    assert (
        "<td>1</td><td style='text-align:left'>small</td><td>0.20</td><td>1.00</td><td>0.60</td>" in data["text/html"]
    )
    assert data["text/plain"].startswith("Model scorecard: “small” is first of 2 with 0.60 points")


def test_a_weight_changes_the_ranking(card):
    assert card._view.value.index("small") < card._view.value.index("large")
    card.sliders["price"].value = 0
    assert card._view.value.index("large") < card._view.value.index("small")
    assert card.weights == {"quality": 5, "price": 0}
    assert "price (weight 0)" in card._view.value


def test_weights_that_do_not_move_leave_no_doubt(card):
    card.spread_slider.value = 0
    assert "<td>100%</td></tr>" in card._view.value
    assert "moves by up to 0%" in card._view.value


def test_without_any_weight_nothing_is_ranked(card):
    for slider in card.sliders.values():
        slider.value = 0
    assert "nothing counts" in card._view.value
    card.sliders["quality"].value = 1
    assert "<table>" in card._view.value


def test_the_static_view_stays_when_sliders_move(card):
    before = card.static_html
    card.sliders["price"].value = 0
    assert card.static_html == before


def test_a_missing_score_is_refused():
    with pytest.raises(DataError):
        ModelScorecard({"small": {"quality": 1}}, {"quality": 1, "price": 1})


def test_names_in_a_scorecard_are_no_markup():
    card = ModelScorecard({EVIL: {EVIL: 1}}, {EVIL: 1})
    assert "<script" not in card.static_html + card._view.value
    assert "&lt;script&gt;" in card.static_html


TABLE = pd.DataFrame(
    {
        "model": ["Beta", "alpha", "gamma"],
        "maker": ["X", "Y", "X"],
        "size": [3.0, np.nan, 20.0],
        "source": ["https://host.example/a", "a page", EVIL],
    }
)


@pytest.fixture
def explorer():
    return TableExplorer(TABLE, "Models", filters=["maker"])


def list_models(explorer):
    return explorer.choose_rows()["model"].tolist()


def test_the_static_explorer_holds_every_row(explorer):
    data = read_bundle(explorer)
    assert data["text/html"].count("<tr>") == 4
    assert "Models: 3 of 3 rows" in data["text/html"]
    assert data["text/plain"] == "Table explorer: Models, 3 rows with model, maker, size, source."


def test_texts_sort_without_regard_to_capitals_and_numbers_by_value(explorer):
    assert list_models(explorer) == ["alpha", "Beta", "gamma"]
    explorer.sort_menu.value = "size"
    assert list_models(explorer) == ["Beta", "gamma", "alpha"]
    explorer.descending.value = True
    assert list_models(explorer) == ["gamma", "Beta", "alpha"]  # an empty cell comes last both ways


def test_a_menu_and_a_text_keep_rows(explorer):
    explorer.menus["maker"].value = "X"
    assert list_models(explorer) == ["Beta", "gamma"]
    explorer.search.value = "GAM"
    assert list_models(explorer) == ["gamma"]
    assert "Models: 1 of 3 rows" in explorer._view.value
    explorer.search.value = "nowhere"
    assert "No row fits" in explorer._view.value


def test_cells_are_no_markup_and_addresses_are_links(explorer):
    assert "<script" not in explorer.static_html
    assert "<a href='https://host.example/a'>host.example/a</a>" in explorer.static_html


def test_large_numbers_are_written_out_and_missing_ones_stay_empty():
    table = pd.DataFrame({"size": [31_273_088_876.0, 1.006, np.nan]})
    html = TableExplorer(table, "Sizes").static_html
    assert ">31,273,088,876<" in html
    assert ">1.006<" in html
    assert "<td></td>" in html


def test_numbers_stand_right_and_texts_left_below_their_heads():
    html = TableExplorer(pd.DataFrame({"name": ["a"], "size": [2], "share": [0.5]}), "Sizes").static_html
    left = "style='text-align:left'"
    assert f"<th scope='col' {left}>name</th><th scope='col'>size</th><th scope='col'>share</th>" in html
    assert f"<td {left}>a</td><td>2</td><td>0.5</td>" in html


def test_the_picture_of_changes_tells_each_of_them():
    picture = draw_changes(["free", "kettle"], [-0.25, 0.1], "change of the probability of yes")
    assert picture.alt == "change of the probability of yes: free -0.25; kettle +0.10."


def test_the_picture_of_estimates_tells_values_and_intervals():
    picture = draw_estimates(["age"], [Estimate(0.012, -0.01, 0.035)], "change of yes")
    assert picture.alt == "change of yes: age +0.012 [-0.010, +0.035]."


def test_the_scorecard_and_the_explorer_have_the_style_of_notebook_text(card, explorer):
    for shown in (card, explorer):
        assert shown._view.value.startswith('<div class="jp-RenderedHTMLCommon">')
    explorer.search.value = "no such row"
    card.sliders["quality"].value = card.sliders["price"].value = 0
    for shown in (card, explorer):
        assert shown._view.value.startswith('<div class="jp-RenderedHTMLCommon">')


def test_names_of_columns_and_factors_get_room_beside_their_controls(card, explorer):
    controls = [*card.sliders.values(), card.spread_slider, *explorer.menus.values(), explorer.sort_menu]
    assert {control.style.description_width for control in controls} == {"9em"}
