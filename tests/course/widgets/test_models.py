"""Claims about the choosers and explorers of models: what they show follows the controls, and no key is shown."""

import re
from html import unescape

import pandas as pd
import pytest
from widget_views import (
    ESCAPED,
    EVIL,
    FakeTokens,
    make_explorer,
    make_scorecard,
    make_table,
    press,
    read_bars,
    read_bundle,
    read_rows,
    read_views,
)

from llmops_utils.core import load_settings
from llmops_utils.core.errors import BudgetExceeded
from llmops_utils.course import ProviderChooser, TableExplorer
from llmops_utils.course.widgets.models import MODES
from llmops_utils.models import load_catalog

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
PROVIDERS = load_catalog().providers
PROMPT = "The kettle is"


# --- the provider chooser ------------------------------------------------------------------------------------


def choose(provider, mode):
    chooser = ProviderChooser()
    chooser.provider.value, chooser.mode.value = provider, mode
    return chooser


def test_the_lines_are_settings_that_load_and_never_hold_a_key(monkeypatch):
    monkeypatch.setenv("LLMOPS_API_KEY", KEY)
    for entry in PROVIDERS.values():
        if entry.key_variable:
            monkeypatch.setenv(entry.key_variable, KEY)
    wrong, shown = [], ""
    for entry in PROVIDERS.values():
        for mode in MODES:
            chooser = choose(entry.id, mode)
            shown += read_views(chooser) + str(read_bundle(chooser)) + repr(chooser)
            lines = dict(line.split("=", 1) for line in chooser.make_lines())
            with monkeypatch.context() as patch:
                for name, value in lines.items():
                    patch.setenv(name, KEY if name == entry.key_variable else value)
                settings = load_settings()
            wants_key = bool(entry.key_variable) and mode != "replay"
            has_model = lines.get("LLMOPS_MODEL", entry.default_model) or entry.id == "custom"
            is_shown = "\n".join(chooser.make_lines()) in unescape(chooser.view.value)
            if (settings.mode, settings.provider, entry.key_variable in lines) != (mode, entry.id, wants_key):
                wrong.append((entry.id, mode))
            wrong += [] if has_model and is_shown else [(entry.id, mode)]
    assert wrong == []
    assert [part for part in (KEY, KEY[3:9]) if part in shown] == []


def test_the_chooser_tells_what_a_provider_costs_and_lacks():
    assert "Costs nothing. Save" in choose("embedded", "live").view.value
    assert "Costs money by the token. Cannot: temperature, logprobs" in choose("openai", "live").view.value
    assert "Costs" not in choose("custom", "live").view.value


# --- the next token ------------------------------------------------------------------------------------------


@pytest.fixture
def model():
    return FakeTokens({" red": 0.5, " blue": 0.3, " green": 0.2})


@pytest.fixture
def explorer(model):
    return make_explorer(model)


def read_text(explorer):
    """Return the prompt and what was added to it."""
    return unescape(re.sub("<[^>]+>", "", explorer.children[0].value)).removesuffix("▁")


def draw_text(explorer, count=12):
    for _ in range(count):
        press(explorer, "Draw one")
    return read_text(explorer)


def test_sliders_reshape_without_asking_the_model_again(explorer, model):
    explorer.temperature.value = 0.5
    assert read_bars(explorer.view.value) == [(" red", 65.8, 100.0), (" blue", 23.7, 36.0), (" green", 10.5, 16.0)]
    explorer.top_p.value = 0.6
    assert read_bars(explorer.view.value) == [(" red", 100.0, 100.0), (" blue", 0.0, 0.0), (" green", 0.0, 0.0)]
    assert "temperature 0.5, top-p 0.60" in explorer.view.value
    assert model.prompts == [PROMPT]


def test_draws_follow_the_sliders_and_repeat_after_a_restart(explorer):
    first = draw_text(explorer)
    explorer.temperature.value = 0.5
    press(explorer, "Start again")
    assert (read_text(explorer), explorer.temperature.value) == (PROMPT, 0.5)
    explorer.temperature.value = 1.0
    assert draw_text(explorer) == first
    assert len(set(first.removeprefix(PROMPT).split())) > 1
    explorer.restart()
    explorer.top_p.value = 0.5
    assert draw_text(explorer) == PROMPT + " red" * 12


def test_the_likeliest_is_added_and_removed_and_where_the_model_fails_the_text_stays(explorer, model):
    model.tokens = {" red": 0.2, " blue": 0.8}
    explorer.restart()
    press(explorer, "Take the likeliest")
    assert "The kettle is<strong><u> blue</u></strong>" in read_views(explorer)
    for _ in range(2):
        press(explorer, "Back")
    assert read_text(explorer) == PROMPT
    assert model.prompts == [PROMPT, PROMPT, "The kettle is blue", PROMPT]  # at the beginning nothing more is asked
    model.tokens = {" red": 1.0}
    explorer.restart()
    explorer.take()
    explorer.take()
    for name in ("Take the likeliest", "Draw one", "Back", "Start again"):
        model.fault = BudgetExceeded(f"Too dear: {EVIL}", "Set a larger budget.")
        press(explorer, name)
        assert ESCAPED in explorer.view.value
        assert "What to do: Set a larger budget." in explorer.view.value
        assert read_text(explorer) == "The kettle is red red"
    model.fault = None
    press(explorer, "Take the likeliest")
    assert read_text(explorer) == "The kettle is red red red"
    assert read_bars(explorer.view.value)[0][0] == " red"


# --- the scorecard -------------------------------------------------------------------------------------------


def test_the_scorecard_ranks_all_options_by_the_weights_and_without_any_nothing():
    card = make_scorecard()
    assert [row[:5] for row in read_rows(card.view.value)] == [
        ["1", "small", "0.20", "1.00", "0.60"],
        ["2", "large", "0.90", "0.10", "0.50"],
    ]
    card.sliders["price"].value = 0
    assert [row[1] for row in read_rows(card.view.value)] == ["large", "small"]
    card.spread.value = 0
    assert [row[-1] for row in read_rows(card.view.value)] == ["100%", "0%"]
    card.sliders["quality"].value = 0
    assert "nothing counts" in card.view.value
    card.sliders["quality"].value = 1
    assert "<table " in card.view.value


# --- the table explorer --------------------------------------------------------------------------------------


def list_models(table):
    return [row[0] for row in read_rows(table.view.value)]


def test_rows_are_sorted_by_any_column_and_kept_by_a_menu_and_a_text():
    table = make_table()
    assert list_models(table) == ["alpha", "Beta", "gamma"]
    table.sort_menu.value = "size"
    assert list_models(table) == ["Beta", "gamma", "alpha"]
    table.descending.value = True
    assert list_models(table) == ["gamma", "Beta", "alpha"]  # an empty cell comes last both ways
    table.menus["maker"].value = "X"
    assert list_models(table) == ["gamma", "Beta"]
    table.search.value = "GAM"
    assert list_models(table) == ["gamma"]
    assert "Models: 1 of 3 rows" in table.view.value
    table.search.value = "nowhere"
    assert "No row fits" in table.view.value


def test_cells_are_written_by_their_kind():
    html = TableExplorer(pd.DataFrame({"size": [31_273_088_876.0, 1.006, float("nan")]}), "Sizes", []).static_html
    assert [row[0] for row in read_rows(html)] == ["31,273,088,876", "1.006", ""]
