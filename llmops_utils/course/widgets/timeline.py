"""The spans of one request as a timeline: a picture with its alternative text, and the same as a table."""

from __future__ import annotations

import html

from ...core import Html, draw_table
from ...tracking import Span
from .base import Picture, make_figure

COLOURS = {
    "request": "#9aa0a6",
    "chain": "#7a6fb0",
    "model": "#3b7dd8",
    "retrieval": "#2e9e6b",
    "tool": "#d08a2e",
}


class Timeline:
    """A request's calls over time, one row a call, indented by depth.

    Args:
        root: the tree, from `record_trace`.
    """

    def __init__(self, root: Span) -> None:
        self.root = root
        self.picture = _draw(root)

    def __repr__(self) -> str:
        return f"Timeline of “{self.root.name}”: {self.picture.alt}"

    def _repr_html_(self) -> str:
        rows = []
        for depth, one in self.root.walk():
            tokens = f"{one.prompt_tokens} + {one.completion_tokens}" if one.prompt_tokens else ""
            mark = "⚠ " if one.is_error else ""
            name = Html(f"<div style='padding-left:{1.2 * depth:.1f}em'>{html.escape(one.name)}</div>")
            times = (f"{one.start_s:.2f}", f"{one.duration_s:.2f}")
            rows.append((name, one.kind, *times, tokens, _shorten(one.input), mark + _shorten(one.output)))
        heads = ("call", "kind", "start, s", "seconds", "tokens", "input", "output")
        return self.picture._repr_html_() + draw_table(heads, rows, f"Timeline of “{self.root.name}”", align="llrrrl")


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _draw(root: Span) -> Picture:
    spans = list(root.walk())
    figure, axes = make_figure(6.4, 0.9 + 0.36 * len(spans))
    told = []
    for place, (_, one) in enumerate(spans):
        # A call that took no time still shows as a thin line.
        width = max(one.duration_s, 0.004 * max(root.duration_s, 1e-9))
        edge = "#c03030" if one.is_error else "none"
        axes.barh(place, width, left=one.start_s, height=0.6, color=COLOURS[one.kind], edgecolor=edge, linewidth=2)
        failed = ", failed" if one.is_error else ""
        told.append(f"{one.name} ({one.kind}) {one.start_s:.2f} to {one.start_s + one.duration_s:.2f} s{failed}")
    axes.set(yticks=range(len(spans)), xlabel="seconds since the request began")
    axes.set_yticklabels(["   " * depth + f"{one.name} · {one.kind}" for depth, one in spans])
    axes.invert_yaxis()
    axes.set_xlim(0, max(1.02 * root.duration_s, 0.01))
    axes.grid(axis="x", alpha=0.3)
    return Picture(figure, "; ".join(told) + ".")
