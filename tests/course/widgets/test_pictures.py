"""Claims about bars, charts and what flipped: the same in words, readable on any page, no text taken for markup."""

import base64
import re

import matplotlib.pyplot as plt
from matplotlib.colors import to_hex
from widget_views import ESCAPED, EVIL, find_open_tag, make_report, read_bars, read_rows

from llmops_utils.course import Picture, Timeline, draw_cost, make_figure
from llmops_utils.course.widgets import pictures
from llmops_utils.course.widgets.pictures import BAR_COLOUR, INK, MUTED_COLOUR, draw_bars
from llmops_utils.tracking import Span

# --- bars ----------------------------------------------------------------------------------------------------


def test_bars_without_a_width_are_muted_and_their_texts_are_no_markup():
    nothing = draw_bars(["a", "b"], [0.0, 0.0])
    assert read_bars(nothing) == [("a", 0.0, 0.0), ("b", 0.0, 0.0)]
    assert (nothing.count(MUTED_COLOUR), nothing.count(BAR_COLOUR)) == (2, 0)
    html = draw_bars(["<b>\n"], [1.0], caption=EVIL)
    assert (html.count(ESCAPED), html.count("<code>&lt;b&gt;\\n</code>"), find_open_tag(html)) == (1, 1, None)


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


# --- the timeline --------------------------------------------------------------------------------------------


def test_a_timeline_tells_what_failed_and_holds_the_first_calls_and_no_markup():
    broken = Span("look_up", "tool", 0.75, 0.0, 0, 0, EVIL, "ValueError: gone", is_error=True)
    timeline = Timeline(Span("one request", "request", 0.0, 0.75, children=[broken]))
    assert timeline.picture.alt == "one request (request) 0.00 to 0.75 s; look_up (tool) 0.75 to 0.75 s, failed."
    html = timeline._repr_html_()
    assert read_rows(html)[1] == ["look_up", "tool", "0.75", "0.00", "", EVIL, "⚠ ValueError: gone"]
    assert "<script" not in html
    root = Span("r", "request", children=[Span("ask", "model") for _ in range(10_000)])
    timeline = Timeline(root)
    assert timeline.picture.alt.endswith("; 9,941 more calls are not drawn.")
    assert len(read_rows(timeline._repr_html_())) == 60
