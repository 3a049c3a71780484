"""Tables in HTML: how heads and cells stand, what is escaped, and what a table leaves out."""

import re
from pathlib import Path

from llmops_utils.core.drawing import Html, draw_table
from llmops_utils.course.widgets import base

EVIL = "<script>alert('x')</script> & \"y\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;y&quot;"
LEFT = "style='text-align:left'"
LONG = "vertical-align:top;white-space:pre-wrap"


def read_cells(table):
    """Return (tag, attributes, content) of the heads and cells in each row."""
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<(t[hd])([^>]*)>(.*?)</\1>", row, re.DOTALL) for row in rows]


def test_columns_are_texts_where_nothing_else_is_said_and_the_last_letter_holds_for_all_further_ones():
    for table, sides in (
        (draw_table("abc", ["def"]), "lll"),
        (draw_table("abcde", ["fghij"], align="rlr"), "rlrrr"),
        (draw_table("ab", ["cd"], align="rlr"), "rl"),
    ):
        for row in read_cells(table):
            assert "".join("l" if "text-align:left" in style else "r" for _, style, _ in row) == sides


def test_texts_are_escaped_in_head_cell_and_caption_and_html_is_left_as_it_is():
    table, bold = draw_table([EVIL], [[EVIL]], EVIL), Html("<b>a &amp; b</b>")
    assert table.count(ESCAPED) == 3
    assert "<script" not in table
    assert draw_table([bold], [[bold]], bold).count(">" + bold + "<") == 3
    # Joining drops the mark, so that what is added unescaped cannot slip through.
    assert "&lt;b&gt;a&lt;/b&gt; &lt;i&gt;" in draw_table((), [[Html("<b>a</b>") + " <i>"]])


def test_a_head_of_a_row_is_marked_and_long_texts_begin_at_the_top_and_keep_their_line_breaks():
    head, row = read_cells(draw_table("ab", ["cd"], align="lr", has_row_heads=True))
    assert head == [("th", f" scope='col' {LEFT}", "a"), ("th", " scope='col'", "b")]
    assert row == [("th", f" scope='row' {LEFT}", "c"), ("td", "", "d")]
    head, row = read_cells(draw_table("ab", [("c\nd", None)], align="lr", has_long_texts=True))
    assert row == [("td", f" style='text-align:left;{LONG}'", "c\nd"), ("td", f" style='{LONG}'", "None")]
    assert not any(LONG in style for _, style, _ in head)


def test_no_widget_writes_its_table_by_hand():
    modules = list(Path(base.__file__).parent.glob("*.py"))
    assert len(modules) > 5
    assert [module.name for module in modules if "<td" in module.read_text("utf-8")] == []
