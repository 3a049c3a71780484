"""A table to sort and to filter, with the whole table as its static view."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets

from ...core import Html, draw_table
from .base import TeachingWidget, style_html

ANY = "any"
STYLE = {"description_width": "9em"}  # names of columns are often longer than the usual width of a label


class TableExplorer(TeachingWidget):
    """Sort a table by a column, and keep the rows with a value or a text.

    Args:
        table: a `pandas.DataFrame`.
        name: what the table holds, for the caption.
        filters: columns with few values, each of which becomes a menu.
    """

    def __init__(self, table, name: str, filters: Sequence[str] = ()) -> None:
        self._table, self._name = table, name
        self.menus = {
            column: ipywidgets.Dropdown(
                options=[ANY, *sorted({str(value) for value in table[column]})], description=column, style=STYLE
            )
            for column in filters
        }
        self.sort_menu = ipywidgets.Dropdown(
            options=[str(column) for column in table.columns], description="sort by", style=STYLE
        )
        self.descending = ipywidgets.Checkbox(value=False, description="largest first", style=STYLE)
        self.search = ipywidgets.Text(description="text", placeholder="keep rows with this text", style=STYLE)
        self._view = ipywidgets.HTML()
        controls = [*self.menus.values(), self.search, self.sort_menu, self.descending]
        for control in controls:
            control.observe(lambda _: self._update(), names="value")
        summary = f"Table explorer: {name}, {len(table)} rows with {', '.join(map(str, table.columns))}."
        super().__init__([*controls, self._view], summary, self._tell(table))
        self._update()

    def choose_rows(self):
        """Return the rows that the controls keep, in the order that they ask for; empty cells come last."""
        kept = self._table
        for column, menu in self.menus.items():
            if menu.value != ANY:
                kept = kept[kept[column].astype(str) == menu.value]
        wanted = self.search.value.strip().casefold()
        if wanted:
            found = [wanted in " ".join(map(str, row)).casefold() for row in kept.itertuples(index=False)]
            kept = kept[found]
        column = self.sort_menu.value
        key = None if kept[column].dtype.kind in "if" else (lambda cells: cells.astype(str).str.casefold())
        return kept.sort_values(column, ascending=not self.descending.value, key=key, kind="stable")

    def _update(self) -> None:
        rows = self.choose_rows()
        told = self._tell(rows) if len(rows) else "<p role='status'>No row fits. Choose less.</p>"
        self._view.value = style_html(told)

    def _tell(self, rows) -> str:
        cells = (map(_spell, row) for row in rows.itertuples(index=False))
        align = "".join("r" if kind.kind in "if" else "l" for kind in self._table.dtypes)
        return draw_table(list(rows.columns), cells, f"{self._name}: {len(rows)} of {len(self._table)} rows", align)


def _spell(cell: object) -> str:
    if isinstance(cell, float):
        return "" if cell != cell else f"{int(cell):,}" if cell.is_integer() else f"{cell:,.6g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    text = str(cell)
    if text.startswith("https://"):
        shown = text.removeprefix("https://")
        shown = shown if len(shown) <= 44 else shown[:43] + "…"
        return Html(f"<a href='{html.escape(text, quote=True)}'>{html.escape(shown)}</a>")
    return text
