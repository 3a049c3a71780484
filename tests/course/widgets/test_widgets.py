"""Claims about the widgets: what they show with and without a kernel, that nothing is taken for markup, and no key."""

import base64
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets import widget as widget_module
from matplotlib.colors import to_hex

from llmops_utils.core import NOTEBOOKS, load_settings, read_environment
from llmops_utils.core.errors import BudgetExceeded, KeyMalformed
from llmops_utils.course.exercises import list_exercises
from llmops_utils.course.progress import Progress
from llmops_utils.course.widgets.base import (
    BAR_COLOUR,
    INK,
    MUTED_COLOUR,
    Bars,
    Picture,
    TeachingWidget,
    draw_bars,
    make_figure,
)
from llmops_utils.course.widgets.course_map import CHAPTERS, CourseMap
from llmops_utils.course.widgets.next_token import NextTokenExplorer
from llmops_utils.course.widgets.provider_chooser import MODES, ProviderChooser
from llmops_utils.models import TokenChance, load_catalog

EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
VIEW = "application/vnd.jupyter.widget-view+json"
KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
PROVIDERS = load_catalog().providers


class Balance(HTMLParser):
    """Finds tags that are opened and not closed, or the other way round."""

    def __init__(self, html):
        super().__init__()
        self.open, self.faults = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def assert_balanced(html):
    balance = Balance(html)
    assert (balance.open, balance.faults) == ([], [])


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def walk(widget):
    return [widget, *(found for child in getattr(widget, "children", ()) for found in walk(child))]


def read_html(widget):
    """Return all HTML that a widget shows now."""
    return "".join(one.value for one in walk(widget) if isinstance(one, ipywidgets.HTML))


def read_bars(html):
    """Return (label, percentage, width) of each row that `draw_bars` made."""
    rows = re.findall(
        r"<code>(.*?)</code>.*?<td[^>]*>([\d.]+)%</td>.*?width:([\d.]+)%", html.partition("<tbody>")[2], re.DOTALL
    )
    return [(unescape(label), float(share), float(width)) for label, share, width in rows]


# --- bars ----------------------------------------------------------------------------------------------------


def test_bars_show_label_share_and_a_width_relative_to_the_widest():
    assert read_bars(draw_bars(["a", "b", "c"], [0.4, 0.1, 0.2])) == [
        ("a", 40.0, 100.0),
        ("b", 10.0, 25.0),
        ("c", 20.0, 50.0),
    ]


def test_shares_have_one_decimal():
    assert "<td>12.3%</td>" in draw_bars(["a"], [0.12345])


def test_bars_of_nothing_have_no_width_and_another_colour():
    html = draw_bars(["a", "b"], [0.0, 0.0])
    assert read_bars(html) == [("a", 0.0, 0.0), ("b", 0.0, 0.0)]
    assert html.count(MUTED_COLOUR) == 2
    assert BAR_COLOUR not in html


def test_a_marked_bar_is_told_by_a_sign_and_not_by_colour_alone():
    rows = draw_bars(["a", "b"], [0.5, 0.5], marked=1).split("<tr>")
    assert ["◀" in row for row in rows[-2:]] == [False, True]


def test_bars_escape_labels_and_caption():
    html = draw_bars([EVIL], [1.0], caption=EVIL)
    assert html.count(ESCAPED) == 2
    assert "<script" not in html
    assert_balanced(html)


def test_the_table_of_bars_has_a_head():
    heads = re.findall(r"<th scope='col'([^>]*)>(.*?)</th>", draw_bars(["a"], [1.0]))
    assert heads == [(" style='text-align:left'", "token"), ("", "probability"), ("", "")]


def test_bars_stand_in_a_column_of_the_same_width_in_all_rows():
    assert draw_bars(["a", "b"], [0.5, 0.1]).count("<td><div style='width:16em'>") == 2


def test_labels_and_values_must_be_as_many():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        draw_bars(["a", "b"], [1.0])


def test_no_bars_are_an_empty_table():
    assert draw_bars([], []).endswith("<tbody></tbody></table>")


def test_bars_as_an_object_are_the_same_figures_in_text_and_in_html():
    bars = Bars((" red", "\n"), (0.75, 0.25))
    assert repr(bars) == " 75.0%  ' red'\n 25.0%  '\\n'"
    assert read_bars(bars._repr_html_()) == [(" red", 75.0, 100.0), ("\\n", 25.0, 33.3)]


def test_bars_as_an_object_escape_their_labels():
    html = Bars([EVIL], [1.0])._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert_balanced(html)


# --- pictures ------------------------------------------------------------------------------------------------


@pytest.fixture
def figure():
    figure, axes = make_figure(2, 1)
    axes.plot([0, 1], [0, 1])
    return figure


def test_what_is_written_into_a_figure_later_is_not_black_either():
    figure, axes = make_figure(2, 1)
    axes.plot([0, 1], [0, 1], label="a line")
    note, chosen = axes.annotate("here", (0, 0)), axes.text(1, 1, "there", color="#c03030")
    legend = axes.legend()
    Picture(figure, "A line that rises.")
    assert note.get_color() == legend.get_texts()[0].get_color() == INK
    assert chosen.get_color() == "#c03030"


def test_a_legend_with_a_colour_of_its_own_keeps_it():
    figure, axes = make_figure(2, 1)
    axes.plot([0, 1], [0, 1], label="a line")
    legend = axes.legend(labelcolor="#c03030")
    Picture(figure, "A line that rises.")
    assert to_hex(legend.get_texts()[0].get_color()) == "#c03030"


def test_a_picture_is_its_alternative_text(figure):
    assert repr(Picture(figure, "A line that rises.")) == "Picture: A line that rises."


def test_a_picture_shows_png_data(figure):
    html = Picture(figure, "A line.")._repr_html_()
    assert html.startswith('<img alt="A line." src="data:image/png;base64,')
    data = base64.b64decode(re.search(r"base64,([^\"]+)\"", html)[1], validate=True)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")


def test_a_picture_escapes_its_alternative_text(figure):
    html = Picture(figure, EVIL)._repr_html_()
    assert f'alt="{ESCAPED}"' in html
    assert html.count('"') == 4


def test_a_picture_closes_its_figure(figure):
    import matplotlib.pyplot as plt

    assert plt.fignum_exists(figure.number)
    Picture(figure, "A line.")
    assert not plt.fignum_exists(figure.number)


def test_equal_figures_give_equal_pictures():
    def draw():
        figure, axes = make_figure(2, 1)
        axes.plot([0, 1], [1, 0])
        return Picture(figure, "A line that falls.")._repr_html_()

    assert draw() == draw()


def test_a_figure_leaves_the_readers_style_alone():
    import matplotlib.pyplot as plt

    before = dict(plt.rcParams)
    figure, _ = make_figure()
    Picture(figure, "Nothing.")
    assert dict(plt.rcParams) == before


# --- the base ------------------------------------------------------------------------------------------------


def test_a_widget_is_shown_live_as_html_and_as_text():
    label = ipywidgets.HTML("<p>live</p>")
    widget = TeachingWidget([label], "A label.", "<p>static</p>")
    data = read_bundle(widget)
    assert (data["text/plain"], data["text/html"]) == ("A label.", "<p>static</p>")
    assert widget_module._instances[data[VIEW]["model_id"]] is widget
    assert widget.children == (label,)


# --- the next token ------------------------------------------------------------------------------------------

TOKENS = {" red": 0.5, " blue": 0.3, " green": 0.2}


class FakeModel:
    """Gives the same distribution after every text, counts the questions, and fails where told to."""

    def __init__(self, tokens=None, failing=()):
        self.tokens = tokens or TOKENS
        self.failing = failing  # numbers of the questions that fail, from 1
        self.prompts = []

    def next_tokens(self, prompt, num):
        self.prompts.append(prompt)
        if self.failing is all or len(self.prompts) in self.failing:
            raise BudgetExceeded(f"Too dear: {EVIL}", "Set a larger budget.")
        return [TokenChance(text, probability) for text, probability in self.tokens.items()][:num]


def shape(probabilities, temperature, top_p):
    """Return what temperature, then top-p leave of a distribution."""
    heated = (probabilities / probabilities.sum()) ** (1 / temperature)
    heated /= heated.sum()
    kept = np.where(np.cumsum(heated) - heated < top_p - 1e-9, heated, 0)
    return kept / kept.sum()


def make_explorer(model=None, prompt="The kettle is", **options):
    return NextTokenExplorer(model or FakeModel(), prompt, shape, **options)


def read_message(explorer):
    return explorer.children[-1].value


def test_the_explorer_begins_with_the_prompt_and_its_distribution():
    explorer = make_explorer()
    assert explorer.text == "The kettle is"
    assert explorer.shaped == pytest.approx([0.5, 0.3, 0.2])
    assert read_bars(read_html(explorer)) == [(" red", 50.0, 100.0), (" blue", 30.0, 60.0), (" green", 20.0, 40.0)]


def test_the_explorer_asks_for_as_many_tokens_as_it_was_told_and_draws_fewer():
    model = FakeModel({f" w{number}": 2.0**-number for number in range(1, 30)})
    explorer = make_explorer(model, num_tokens=20, num_shown=4)
    assert explorer.shaped.shape == (20,)
    assert [label for label, _, _ in read_bars(read_html(explorer))] == [" w1", " w2", " w3", " w4"]


def test_sliders_reshape_without_asking_the_model_again():
    model = FakeModel()
    explorer = make_explorer(model)
    explorer.temperature.value = 0.5
    assert read_bars(read_html(explorer)) == [(" red", 65.8, 100.0), (" blue", 23.7, 36.0), (" green", 10.5, 16.0)]
    explorer.top_p.value = 0.6
    assert read_bars(read_html(explorer)) == [(" red", 100.0, 100.0), (" blue", 0.0, 0.0), (" green", 0.0, 0.0)]
    assert "temperature 0.5, top-p 0.60" in read_html(explorer)
    assert model.prompts == ["The kettle is"]


def test_take_adds_the_likeliest_token():
    model = FakeModel({" red": 0.2, " blue": 0.5, " green": 0.3})
    explorer = make_explorer(model)
    explorer.take()
    assert explorer.text == "The kettle is blue"
    explorer.take_button.click()
    assert explorer.text == "The kettle is blue blue"
    assert model.prompts == ["The kettle is", "The kettle is blue", "The kettle is blue blue"]


def draw_text(explorer, count=12):
    for _ in range(count):
        explorer.draw_button.click()
    return explorer.text


def test_draws_repeat_with_the_seed():
    assert draw_text(make_explorer(seed=3)) == draw_text(make_explorer(seed=3))


def test_draws_differ_with_another_seed():
    assert len({draw_text(make_explorer(seed=seed)) for seed in range(5)}) == 5


def test_draws_repeat_after_a_restart():
    explorer = make_explorer(seed=3)
    first = draw_text(explorer)
    explorer.reset_button.click()
    assert explorer.text == "The kettle is"
    assert draw_text(explorer) == first


def test_draws_follow_the_sliders():
    explorer = make_explorer()
    explorer.top_p.value = 0.5
    assert draw_text(explorer) == "The kettle is" + " red" * 12
    explorer.restart()
    explorer.top_p.value = 0.8
    assert set(draw_text(explorer, 40).removeprefix("The kettle is").split()) == {"red", "blue"}


def test_back_removes_the_last_token():
    explorer = make_explorer()
    explorer.take()
    explorer.take()
    explorer.back_button.click()
    assert explorer.text == "The kettle is red"
    assert "<u> red</u></strong>" in read_html(explorer)
    explorer.step_back()
    assert explorer.text == "The kettle is"


def test_back_at_the_beginning_asks_nothing():
    model = FakeModel()
    explorer = make_explorer(model)
    explorer.step_back()
    assert explorer.text == "The kettle is"
    assert model.prompts == ["The kettle is"]


def test_restart_keeps_the_sliders():
    explorer = make_explorer()
    explorer.temperature.value = 0.5
    explorer.take()
    explorer.restart()
    assert explorer.temperature.value == 0.5
    assert explorer.shaped[0] == pytest.approx(25 / 38)


def test_the_grown_text_is_marked():
    explorer = make_explorer()
    explorer.take()
    assert "The kettle is<strong><u> red</u></strong>" in read_html(explorer)


@pytest.mark.parametrize("step", ["take", "draw"])
def test_an_error_in_the_middle_is_told_and_leaves_the_text(step):
    model = FakeModel()
    explorer = make_explorer(model)
    explorer.take()
    explorer.take()
    model.failing = all
    getattr(explorer, step)()
    assert ESCAPED in read_message(explorer)
    assert "What to do: Set a larger budget." in read_message(explorer)
    assert "<script" not in read_html(explorer)
    assert explorer.text == "The kettle is red red"
    assert "<u> red</u><u> red</u></strong>" in read_html(explorer)


@pytest.mark.parametrize("step", ["take", "draw", "step_back", "restart"])
def test_where_the_model_fails_the_text_is_still_the_one_that_is_shown(step):
    model = FakeModel()
    explorer = make_explorer(model)
    explorer.take()
    explorer.take()
    model.failing = all
    getattr(explorer, step)()
    shown = re.search(r"<p style='font-size[^>]*>(.*?)▁</p>", read_html(explorer))[1]
    assert re.sub(r"<[^>]+>", "", shown) == explorer.text


def test_after_an_error_it_goes_on():
    explorer = make_explorer(FakeModel(failing=(2,)))
    explorer.take()
    assert explorer.text == "The kettle is"
    explorer.take()
    assert explorer.text == "The kettle is red"
    assert read_message(explorer) == ""


def test_an_error_at_the_first_question_is_raised():
    with pytest.raises(BudgetExceeded, match="Too dear"):
        make_explorer(FakeModel(failing=(1,)))


def test_markup_in_prompt_and_tokens_is_escaped():
    explorer = make_explorer(FakeModel({EVIL: 0.9, "<b>": 0.1}), prompt=EVIL)
    explorer.take()
    html = read_html(explorer)
    assert f"{ESCAPED}<strong><u>{ESCAPED}</u></strong>" in html
    assert "<code>&lt;b&gt;</code>" in html
    assert "<script" not in html + explorer.static_html
    assert "<b>" not in html + explorer.static_html
    assert_balanced(html)


def test_line_breaks_in_tokens_are_visible():
    explorer = make_explorer(FakeModel({"\n": 0.6, "\t": 0.4}))
    assert [label for label, _, _ in read_bars(read_html(explorer))] == ["\\n", "\\t"]


def test_the_static_view_of_the_explorer_is_its_beginning():
    explorer = make_explorer()
    explorer.take()
    data = read_bundle(explorer)
    assert [label for label, _, _ in read_bars(data["text/html"])] == [" red", " blue", " green"]
    assert "The kettle is<strong></strong>" in data["text/html"]
    assert data["text/plain"] == (
        "Next-token explorer: after “The kettle is” the likeliest token is “ red” (50.0% of the next tokens)."
    )
    assert VIEW in data
    assert_balanced(data["text/html"])


# --- the provider chooser ------------------------------------------------------------------------------------


@pytest.fixture
def keys(monkeypatch):
    """Keys of all providers in the environment."""
    for entry in PROVIDERS.values():
        if entry.key_variable:
            monkeypatch.setenv(entry.key_variable, KEY)
    monkeypatch.setenv("LLMOPS_API_KEY", KEY)


def choose(provider, mode):
    chooser = ProviderChooser()
    chooser.provider.value, chooser.mode.value = provider, mode
    return chooser


def test_the_chooser_begins_with_the_model_on_this_machine():
    assert ProviderChooser().make_lines() == ["LLMOPS_MODE=live", "LLMOPS_PROVIDER=embedded"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_lines_name_mode_provider_model_and_key(provider, mode, keys):
    entry = PROVIDERS[provider]
    chooser = choose(provider, mode)
    lines = chooser.make_lines()
    assert lines[:2] == [f"LLMOPS_MODE={mode}", f"LLMOPS_PROVIDER={provider}"]
    if provider == "embedded":
        assert lines[2:] == []
    elif provider == "custom":
        assert lines[2:] == ["LLMOPS_BASE_URL=http://127.0.0.1:8000/v1", "LLMOPS_MODEL=the name of the model there"]
    elif entry.key_variable and mode != "replay":
        assert lines[2:] == [f"LLMOPS_MODEL={entry.default_model}", f"{entry.key_variable}=(your key)"]
    else:
        assert lines[2:] == [f"LLMOPS_MODEL={entry.default_model}"]
    assert "\n".join(lines) in unescape(chooser.lines.value)
    assert KEY not in str(lines) + read_html(chooser) + str(read_bundle(chooser)) + repr(chooser)
    assert KEY[3:9] not in read_html(chooser) + str(read_bundle(chooser))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_lines_are_settings_that_load(provider, mode, monkeypatch):
    for line in choose(provider, mode).make_lines():
        name, _, value = line.partition("=")
        if name.startswith("LLMOPS_"):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.mode, settings.provider) == (mode, provider)


def test_a_place_holder_that_stayed_is_refused_as_a_key(monkeypatch):
    from llmops_utils.models import find_key

    name, _, value = choose("openai", "live").make_lines()[-1].partition("=")
    monkeypatch.setenv(name, value)
    assert read_environment()[name] == "(your key)"
    with pytest.raises(KeyMalformed, match="OPENAI_API_KEY"):
        find_key(PROVIDERS["openai"], load_settings())


def test_the_chooser_tells_what_a_provider_costs_and_lacks():
    assert "Costs nothing." in choose("embedded", "live").lines.value
    assert "Costs money by the token. Cannot: temperature, logprobs" in choose("openai", "live").lines.value
    assert "Cannot" not in choose("embedded", "live").lines.value
    assert "Costs" not in choose("custom", "live").lines.value


def test_choosing_in_the_menus_changes_the_lines_at_once():
    chooser = ProviderChooser()
    chooser.provider.value = "mistral"
    assert "LLMOPS_PROVIDER=mistral" in chooser.lines.value
    chooser.mode.value = "replay"
    assert "LLMOPS_MODE=replay" in chooser.lines.value
    assert "MISTRAL_API_KEY" not in chooser.lines.value


def test_the_static_table_lists_all_providers():
    html = read_bundle(ProviderChooser())["text/html"]
    assert re.findall(r"<tr><td [^>]*>[^<]*</td><td [^>]*><code>([^<]*)</code></td>", html) == list(PROVIDERS)
    for entry in PROVIDERS.values():
        assert f">{entry.title}</td>" in unescape(html)
        assert f"<code>{entry.default_model or '—'}</code>" in unescape(html)
        assert f"<code>{entry.key_variable or '—'}</code>" in html
    assert_balanced(html)


def test_the_chooser_is_one_sentence_as_text():
    assert read_bundle(ProviderChooser())["text/plain"] == (
        f"Provider chooser: {len(PROVIDERS)} providers, {len(MODES)} modes, and the lines for .env."
    )


# --- the map -------------------------------------------------------------------------------------------------


@pytest.fixture
def progress(tmp_path):
    return Progress(tmp_path / "progress.json")


def test_the_map_without_progress_shows_nothing_solved(progress):
    lines = repr(CourseMap(progress)).splitlines()
    assert lines[0] == "00 Start here: 0 of 4 solved"
    assert lines[1] == "01 LLM basics: 0 of 4 solved"
    assert len(lines) == len(CHAPTERS)
    assert "●" not in CourseMap(progress)._repr_html_()


def test_the_map_counts_what_is_solved(progress):
    for id in ("00.1", "00.quiz", "01.2", "77.1"):
        progress.mark_done(id)
    course_map = CourseMap(progress)
    assert repr(course_map).splitlines()[:2] == ["00 Start here: 2 of 4 solved", "01 LLM basics: 1 of 4 solved"]
    html = course_map._repr_html_()
    assert "<td>●●○○ 2 of 4</td>" in html
    assert "<td>●○○○ 1 of 4</td>" in html
    assert_balanced(html)


def test_the_map_follows_progress_when_it_is_shown_again(progress):
    course_map = CourseMap(progress)
    for id in list_exercises("00_start_here"):
        progress.mark_done(id)
    assert "<td>●●●● 4 of 4</td>" in course_map._repr_html_()
    progress.reset()
    assert "<td>○○○○ 0 of 4</td>" in course_map._repr_html_()


def test_the_links_of_the_map_lead_to_notebooks(progress):
    links = re.findall(r"<a href='([^']+)'>", CourseMap(progress)._repr_html_())
    assert links == [f"{name}.ipynb" for name, _, _ in CHAPTERS]
    assert [link for link in links if not (NOTEBOOKS / link).is_file()] == []


def test_every_notebook_stands_in_the_map():
    names = sorted(Path(path).stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
    assert names == [name for name, _, _ in CHAPTERS]


def test_the_map_shows_title_and_question_of_each_chapter(progress):
    html = unescape(CourseMap(progress)._repr_html_())
    for name, title, question in CHAPTERS:
        assert f"{name[:2]} {title}</a>" in html
        assert f">{question}</td>" in html


def test_the_bars_have_the_style_of_notebook_text():
    assert '<div class="jp-RenderedHTMLCommon">' + "<table>" in read_html(make_explorer())


def test_the_static_bars_stay_as_they_are_stored():
    assert "jp-RenderedHTMLCommon" not in make_explorer().static_html
