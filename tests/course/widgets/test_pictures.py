"""Claims about bars, charts and what flipped: the same in words, readable on any page, no text taken for markup."""

import base64
import re

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex
from widget_views import ESCAPED, EVIL, find_open_tag, make_report, read_bars, read_rows

from llmops_utils.course import (
    Bars,
    Flips,
    Picture,
    Timeline,
    draw_changes,
    draw_cost,
    draw_curves,
    draw_estimates,
    draw_power_laws,
    make_figure,
)
from llmops_utils.course.widgets import pictures
from llmops_utils.course.widgets.pictures import BAR_COLOUR, INK, MUTED_COLOUR, draw_bars
from llmops_utils.evaluation import Estimate, compare
from llmops_utils.models import Provenance
from llmops_utils.tracking import Span
from llmops_utils.training import Architecture
from llmops_utils.training.scaling import PowerLaw
from llmops_utils.training.trainer import Look, Recipe, TrainingRun

# --- bars ----------------------------------------------------------------------------------------------------


def test_bars_are_relative_to_the_widest_figures_in_text_and_markup_nowhere():
    html = draw_bars(["a", "b", "c"], [0.4, 0.12345, 0.2])
    assert read_bars(html) == [("a", 40.0, 100.0), ("b", 12.3, 30.9), ("c", 20.0, 50.0)]
    nothing = draw_bars(["a", "b"], [0.0, 0.0])
    assert read_bars(nothing) == [("a", 0.0, 0.0), ("b", 0.0, 0.0)]
    assert (nothing.count(MUTED_COLOUR), nothing.count(BAR_COLOUR)) == (2, 0)
    bars = Bars((" red", "\n"), (0.75, 0.25))
    assert repr(bars) == " 75.0%  ' red'\n 25.0%  '\\n'"
    assert read_bars(bars._repr_html_()) == [(" red", 75.0, 100.0), ("\\n", 25.0, 33.3)]
    html = draw_bars(["<b>"], [1.0], caption=EVIL)
    assert (html.count(ESCAPED), html.count("<code>&lt;b&gt;"), find_open_tag(html)) == (1, 1, None)


# --- pictures ------------------------------------------------------------------------------------------------


def test_a_picture_shows_png_data_with_its_alternative_text_and_closes_its_figure():
    figure, _ = make_figure(2, 1)
    picture = Picture(figure, EVIL)
    html = picture._repr_html_()
    assert repr(picture) == f"Picture: {EVIL}"
    assert html.startswith(f'<img alt="{ESCAPED}" src="data:image/png;base64,')
    assert html.count('"') == 4
    data = base64.b64decode(re.search(r"base64,([^\"]+)\"", html)[1], validate=True)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    assert not plt.fignum_exists(figure.number)


def test_what_is_written_into_a_figure_is_not_black_unless_it_was_given_a_colour():
    figure, axes = make_figure(2, 1)
    axes.plot([0, 1], [0, 1], label="a line")
    note, chosen = axes.annotate("here", (0, 0)), axes.text(1, 1, "there", color="#c03030")
    legend = axes.legend()
    Picture(figure, "A line that rises.")
    assert note.get_color() == legend.get_texts()[0].get_color() == INK
    legend = axes.legend(labelcolor="#c03030")
    Picture(figure, "A line that rises.")
    assert {chosen.get_color(), to_hex(legend.get_texts()[0].get_color())} == {"#c03030"}


# --- charts --------------------------------------------------------------------------------------------------


def report(name, num_right, tokens=0):
    return make_report(name, ["yes"] * 4, ["yes"] * num_right + ["no"] * (4 - num_right), tokens)


NEAR = [report("full", 2, 300), report("no context", 2, 298), report("no examples", 1, 90)]


def make_run(*dev_bits):
    looks = tuple(Look(10 * (place + 1), bits - 0.5, bits, ()) for place, bits in enumerate(dev_bits))
    size, provenance = Architecture(8, 16, 1, 2, 8), Provenance("t", "numpy 2", "replay", 0, "2026-11-25")
    return TrainingRun("a run", size, Recipe(100), looks, 10, {}, {"held": 2.0}, 1.5, provenance, None)


LAW = PowerLaw(Estimate(0.30103, 0.30103, 0.30103), 32.0, 3)
SIZES = ([1000, 10_000, 100_000], [4, 2, 1], LAW)


def test_each_chart_tells_its_numbers_in_words():
    interval = Estimate(0.012, -0.01, 0.035)
    told = {
        draw_cost(NEAR): (
            "Score against cost: full 50% at 300 tokens; no context 50% at 298 tokens; no examples 25% at 90 tokens."
        ),
        draw_estimates(["age"], [interval], "change of yes"): "change of yes: age +0.012 [-0.010, +0.035].",
        draw_changes(["free", "kettle"], [-0.25, 0.1], "change of yes"): "change of yes: free -0.25; kettle +0.10.",
        draw_curves({"ours": make_run(3.0, 2.5)}, {"bigram": 2.25}, with_train=True): (
            "Loss curves in bits per byte. ours, dev: 3.00 at 10, 2.50 at 20; on the training text from 2.50 to 2.00. "
            "bigram: 2.25."
        ),
        draw_power_laws({"tokens": SIZES}): (
            "What more buys, in bits per byte. tokens: 4.00 at 1,000, 2.00 at 10,000, 1.00 at 100,000; exponent 0.301 "
            "[0.301, 0.301] (n = 3)."
        ),
    }
    assert [(picture.alt, text) for picture, text in told.items() if picture.alt != text] == []


def test_near_points_differ_in_colour_and_form_and_their_names_stand_apart_below_the_chart(monkeypatch):
    kept = []
    monkeypatch.setattr(pictures, "Picture", lambda figure, alt: kept.append(figure))
    draw_cost(NEAR)
    (axes,) = kept[0].axes
    kept[0].canvas.draw()
    points = [container.lines[0] for container in axes.containers]
    assert len({point.get_color() for point in points}) == len({point.get_marker() for point in points}) == len(NEAR)
    texts = axes.get_legend().get_texts()
    assert [text.get_text() for text in texts] == [report.name for report in NEAR]
    boxes = [text.get_window_extent() for text in texts]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)
    assert axes.get_legend().get_window_extent().y1 < axes.xaxis.label.get_window_extent().y0
    plt.close(kept[0])


def test_what_flipped_is_listed_up_to_a_number_of_each_kind():
    before = make_report("before", ["yes"] * 5, ["yes", EVIL, "no", "no", "no"])
    after = make_report("after", ["yes"] * 5, ["no", "yes", "yes", "yes", "no"])
    flips = Flips(compare(before, after), 2)
    assert repr(flips) == "What flipped: 3 gained, 1 lost of 5"
    html = flips._repr_html_()
    assert read_rows(html) == [
        ["gained", "message 1", "yes", EVIL, "yes"],
        ["gained", "message 2", "yes", "no", "yes"],
        ["lost", "message 0", "yes", "yes", "no"],
    ]
    assert "<script" not in html


# --- the timeline --------------------------------------------------------------------------------------------


def test_the_timeline_is_a_picture_with_a_text_and_a_table_of_the_first_calls():
    model = Span("ask", "model", 0.25, 0.5, 30, 2, EVIL, "answer")
    broken = Span("look_up", "tool", 0.75, 0.0, output="ValueError: gone", is_error=True)
    chain = Span("answer", "chain", 0.0, 0.75, children=[model, broken])
    root = Span("one request", "request", 0.0, 0.75, children=[chain])
    timeline = Timeline(root)
    html = timeline._repr_html_()
    assert timeline.picture.alt == (
        "one request (request) 0.00 to 0.75 s; answer (chain) 0.00 to 0.75 s; ask (model) 0.25 to 0.75 s; "
        "look_up (tool) 0.75 to 0.75 s, failed."
    )
    assert html.startswith('<img alt="one request')
    assert read_rows(html)[2:] == [
        ["ask", "model", "0.25", "0.50", "30 + 2", EVIL, "answer"],
        ["look_up", "tool", "0.75", "0.00", "", "", "⚠ ValueError: gone"],
    ]
    assert "<script" not in html
    assert repr(timeline).startswith("Timeline of “one request”: one request (request)")
    assert Timeline(Span("r", "request")).picture.alt == "r (request) 0.00 to 0.00 s."
    root = Span("r", "request", children=[Span("ask", "model") for _ in range(10_000)])
    timeline = Timeline(root)
    assert timeline.picture.alt.endswith("; 9,941 more calls are not drawn.")
    assert len(read_rows(timeline._repr_html_())) == 60
