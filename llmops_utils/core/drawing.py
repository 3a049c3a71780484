"""Tables in HTML, for all that is shown as one in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

# JupyterLab sets heads and cells right, which suits numbers.
SIDES = {"l": "text-align:left", "r": ""}


class Html(str):
    """A text that is HTML already, with everything in it escaped that has to be."""


def draw_table(
    heads: Sequence[object],
    rows: Iterable[Iterable[object]],
    caption: str = "",
    align: str = "l",
    has_row_heads: bool = False,
    has_long_texts: bool = False,
) -> str:
    """Return a table as HTML; all but `Html` in heads, cells and caption is escaped.

    Args:
        heads: one per column, or none at all.
        rows: the cells of each row.
        caption: stands above the table.
        align: a letter per column, l for texts and r for numbers; the last one holds for all further columns.
        has_row_heads: whether the first cell of a row is its head.
        has_long_texts: whether cells begin at the top and keep their line breaks.
    """
    long = "vertical-align:top;white-space:pre-wrap" if has_long_texts else ""

    def draw_row(cells: Iterable[object], is_head: bool = False) -> str:
        drawn = []
        for place, cell in enumerate(cells):
            side = SIDES[align[min(place, len(align) - 1)]]
            style = ";".join(filter(None, (side, "" if is_head else long)))
            style = f" style='{style}'" if style else ""
            scope = "col" if is_head else "row" if has_row_heads and place == 0 else ""
            tag, scope = ("th", f" scope='{scope}'") if scope else ("td", "")
            drawn.append(f"<{tag}{scope}{style}>{_escape(cell)}</{tag}>")
        return f"<tr>{''.join(drawn)}</tr>"

    top = f"<caption style='text-align:left'>{_escape(caption)}</caption>" if caption else ""
    head = f"<thead>{draw_row(heads, is_head=True)}</thead>" if heads else ""
    return f"<table>{top}{head}<tbody>{''.join(map(draw_row, rows))}</tbody></table>"


def _escape(content: object) -> str:
    return content if isinstance(content, Html) else html.escape(str(content))
