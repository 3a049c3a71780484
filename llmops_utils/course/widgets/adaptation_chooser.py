"""Prompt, retrieve, fine-tune or train: describe a situation and see the ways in order, with their reasons."""

from __future__ import annotations

import html
from collections.abc import Mapping

import ipywidgets

from ...core import Html, draw_table
from ...training import CHOICES, Advice, Situation, rank_ways
from .base import TeachingWidget, style_html

LABELS = {
    "lacks": "answers lack",
    "changes": "facts change",
    "num_examples": "fitting text",
    "sources": "sources are",
    "requests": "requests",
}


class AdaptationChooser(TeachingWidget):
    """A decision aid: five menus, and the four ways in order.

    Args:
        ready: situations by name, for the static table; the first one is shown at the start.
    """

    def __init__(self, ready: Mapping[str, Situation]) -> None:
        self.ready = dict(ready)
        first = next(iter(self.ready.values()))
        self.menus = {
            name: ipywidgets.Dropdown(
                options=list(options),
                value=getattr(first, name),
                description=LABELS[name],
                style={"description_width": "8em"},
            )
            for name, options in CHOICES.items()
        }
        self._view = ipywidgets.HTML()
        for menu in self.menus.values():
            menu.observe(lambda _: self.show(), names="value")
        told = "; ".join(f"{name}: {rank_ways(situation)[0].way}" for name, situation in self.ready.items())
        summary = f"Adaptation chooser, what comes first in {len(self.ready)} situations: {told}."
        super().__init__([*self.menus.values(), self._view], summary, self._tell_all())
        self.show()

    @property
    def situation(self) -> Situation:
        """What the menus say."""
        return Situation(**{name: menu.value for name, menu in self.menus.items()})

    def show(self) -> None:
        """Show the ways in order for what the menus say."""
        rows = [(one.way, _tell_reasons(one)) for one in rank_ways(self.situation)]
        self._view.value = style_html(draw_table(("way", "reasons"), rows))

    def _tell_all(self) -> str:
        rows = []
        for name, situation in self.ready.items():
            ways = rank_ways(situation)
            order = ", ".join(f"{one.way} ({one.points:+d})" for one in ways if one.is_possible)
            facts = "; ".join(f"{LABELS[field]} {getattr(situation, field)}" for field in CHOICES)
            rows.append((name, facts, order, "; ".join(ways[0].reasons_for)))
        heads = ("situation", "facts", "possible ways, best first", "why the first")
        return draw_table(heads, rows, "Adaptation chooser: ready situations, with reasons for less reasons against")


def _tell_reasons(one: Advice) -> Html:
    parts = [f"needs {html.escape(one.needs)}"]
    parts += [f"<strong>+</strong> {html.escape(reason)}" for reason in one.reasons_for]
    parts += [f"<strong>−</strong> {html.escape(reason)}" for reason in one.reasons_against]
    return Html("<br>".join(parts))
