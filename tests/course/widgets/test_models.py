"""Claims about the choosers and explorers of models: what they show follows the controls, and no key is shown."""

import re
from html import unescape

import pandas as pd
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


def choose(provider, mode):
    chooser = ProviderChooser()
    chooser.provider.value, chooser.mode.value = provider, mode
    return chooser


def test_the_lines_are_settings_that_load_and_never_hold_a_key_and_costs_and_lacks_are_told(monkeypatch):
    monkeypatch.setenv("LLMOPS_API_KEY", KEY)
    for entry in PROVIDERS.values():
        if entry.key_variable:
            monkeypatch.setenv(entry.key_variable, KEY)
    wrong, shown = [], ""
    for entry in PROVIDERS.values():
        for mode in MODES:
            chooser = choose(entry.id, mode)
            shown += read_views(chooser) + str(read_bundle(chooser)) + repr(chooser)
            lines = dict(
                re.findall(r"^(\w+)=(.*)$", re.search("<pre>(.*)</pre>", chooser.view.value, re.DOTALL)[1], re.M)
            )
            with monkeypatch.context() as patch:
                for name, value in lines.items():
                    patch.setenv(name, KEY if name == entry.key_variable else value)
                settings = load_settings()
            wants_key = bool(entry.key_variable) and mode != "replay"
            has_model = lines.get("LLMOPS_MODEL", entry.default_model) or entry.id == "custom"
            if not has_model or (settings.mode, settings.provider) != (mode, entry.id):
                wrong.append((entry.id, mode))
            wrong += [] if (entry.key_variable in lines) == wants_key else [(entry.id, mode)]
    assert wrong == []
    assert [part for part in (KEY, KEY[3:9]) if part in shown] == []
    assert "Costs nothing. Save" in choose("embedded", "live").view.value
    assert "Costs money by the token. Cannot: temperature, logprobs" in choose("openai", "live").view.value
    assert "Costs" not in choose("custom", "live").view.value


def read_text(explorer):
    """Return the prompt and what was added to it."""
    return unescape(re.sub("<[^>]+>", "", explorer.children[0].value)).removesuffix("▁")


def draw_text(explorer):
    for _ in range(12):
        press(explorer, "Draw one")
    return read_text(explorer)


def test_the_likeliest_ten_tokens_are_drawn_and_sliders_reshape_them_without_asking_the_model_again():
    model = FakeTokens({f" w{number}": 2.0**-number for number in range(1, 60)})
    explorer = make_explorer(model)
    assert [label for label, _, _ in read_bars(explorer.view.value)] == [f" w{number}" for number in range(1, 11)]
    explorer.top_p.value = explorer.temperature.value = 0.1
    assert [share for _, share, _ in read_bars(explorer.view.value)] == [100.0] + 9 * [0.0]
    assert model.prompts == [PROMPT]
    explorer = make_explorer()
    explorer.temperature.value = 0.5
    assert read_bars(explorer.view.value) == [(" red", 65.8, 100.0), (" blue", 23.7, 36.0), (" green", 10.5, 16.0)]
    assert "temperature 0.5, top-p 1.00" in explorer.view.value


def test_the_text_grows_and_shrinks_and_draws_follow_the_sliders_and_repeat_after_a_restart():
    model = FakeTokens({" red": 0.5, " blue": 0.3, " green": 0.2})
    explorer = make_explorer(model)
    for _ in range(2):
        press(explorer, "Take the likeliest")
    assert read_text(explorer) == "The kettle is red red"
    assert "The kettle is<strong><u> red</u><u> red</u></strong>" in read_views(explorer)
    press(explorer, "Back")
    assert read_text(explorer) == model.prompts[-1] == "The kettle is red"
    for _ in range(2):
        press(explorer, "Back")
    assert read_text(explorer) == PROMPT
    first = draw_text(explorer)
    explorer.temperature.value = 0.5
    press(explorer, "Start again")
    assert (read_text(explorer), explorer.temperature.value) == (PROMPT, 0.5)
    explorer.temperature.value = 1.0
    assert draw_text(explorer) == first
    assert len(set(first.removeprefix(PROMPT).split())) > 1
    press(explorer, "Start again")
    explorer.top_p.value = 0.4
    assert draw_text(explorer) == PROMPT + " red" * 12


def test_where_the_model_fails_it_is_told_and_the_text_stays():
    model = FakeTokens({" red": 0.5, " blue": 0.3, " green": 0.2})
    explorer = make_explorer(model)
    press(explorer, "Take the likeliest")
    model.fault = BudgetExceeded(f"Too dear: {EVIL}", "Set a larger budget.")
    for name in ("Take the likeliest", "Draw one", "Back", "Start again"):
        press(explorer, name)
        assert f"{ESCAPED}\nWhat to do: Set a larger budget." in explorer.view.value
        assert read_text(explorer) == "The kettle is red"
    model.fault = None
    press(explorer, "Take the likeliest")
    assert read_text(explorer) == "The kettle is red red"


def test_the_scorecard_ranks_all_options_by_the_weights_and_without_any_nothing():
    card = make_scorecard()
    assert card.summary.startswith("Model scorecard: “small” is first of 2 with 0.60 points")
    card.sliders["price"].value = 0
    assert [row[1] for row in read_rows(card.view.value)] == ["large", "small"]
    assert "price (weight 0)" in card.view.value
    card.spread.value = 0
    assert [row[-1] for row in read_rows(card.view.value)] == ["100%", "0%"]
    card.sliders["quality"].value = 0
    assert "nothing counts" in card.view.value


def list_models(table):
    return [row[0] for row in read_rows(table.view.value)]


def test_a_table_sorts_texts_without_regard_to_capitals_and_numbers_by_value_and_keeps_rows_by_menu_and_text():
    table = make_table()
    assert [row[0] for row in read_rows(table.static_html)] == ["Beta", "alpha", "gamma"]  # as it is
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
    html = TableExplorer(pd.DataFrame({"size": [31_273_088_876.0, 1.006, float("nan")]}), "Sizes", []).static_html
    assert [row[0] for row in read_rows(html)] == ["31,273,088,876", "1.006", ""]
