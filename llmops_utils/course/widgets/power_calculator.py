"""How many examples a claim needs: choose the effect and the number of examples, see how often it would be found."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets

from ...core import WorkbookError, draw_table
from ...evaluation import compute_power, find_num_examples
from .base import TeachingWidget, style_html

NUMS = (12, 25, 50, 100, 200, 400)
EFFECTS = ((0.30, 0.10), (0.20, 0.10), (0.15, 0.05), (0.10, 0.05), (0.06, 0.02))
BOUNDS = {"gained": (1, 60), "lost": (0, 40), "num": (5, 1000)}


class PowerCalculator(TeachingWidget):
    """The power of a comparison of two systems on the same examples, with the exact McNemar test at 5 %.

    Args:
        effects: pairs of the shares gained and lost for the static table, at least one; as in `compute_power`.
        nums: numbers of examples that the tables show, at least one.

    Raises:
        DataError: an effect is none.
    """

    def __init__(self, effects: Sequence[tuple[float, float]] = EFFECTS, nums: Sequence[int] = NUMS) -> None:
        self._nums = list(nums)
        style, layout = {"description_width": "12em"}, ipywidgets.Layout(width="30em")
        self.gained = self._build_slider("gained", 20, "gained, % of examples", style, layout)
        self.lost = self._build_slider("lost", 10, "lost, % of examples", style, layout)
        self.num = self._build_slider("num", 100, "examples", style, layout)
        self.power = ipywidgets.Dropdown(
            options=[(f"{power:.0%}", power) for power in (0.5, 0.8, 0.9)],
            value=0.8,
            description="power that you want",
            style=style,
        )
        self._view = ipywidgets.HTML()
        for control in (self.gained, self.lost, self.num, self.power):
            control.observe(lambda _: self.show(), names="value")
        first = effects[0]
        summary = (
            f"Power calculator: {len(effects)} effects. With {first[0]:.0%} of the examples gained and {first[1]:.0%} "
            f"lost, {find_num_examples(*first)} examples give a power of 80%."
        )
        static = self._tell_effects(effects)
        # The effects stand below the controls too: the text of the notebook speaks of them.
        children = [self.gained, self.lost, self.num, self.power, self._view, ipywidgets.HTML(style_html(static))]
        super().__init__(children, summary, static)
        self.show()

    def show(self) -> None:
        """Show what the chosen numbers amount to, or why they are no claim."""
        gained, lost, num = self.gained.value / 100, self.lost.value / 100, self.num.value
        try:
            found = compute_power(num, gained, lost)
            told = f"<p role='status'>With {num} examples a measurement finds this difference with a probability of <strong>{found:.0%}</strong>."
        except WorkbookError as error:
            self._view.value = style_html(f"<p role='status'>{html.escape(str(error))}</p>")
            return
        try:
            needed = find_num_examples(gained, lost, self.power.value)
            told += f" For {self.power.value:.0%} it needs <strong>{needed}</strong> examples.</p>"
        except WorkbookError as error:
            told += f" {html.escape(str(error))}</p>"
        change = f"<p>The score changes by {100 * (gained - lost):+.0f} points; {gained + lost:.0%} of the examples flip.</p>"
        row = ("power", *(f"{compute_power(one, gained, lost):.0%}" for one in self._nums))
        table = draw_table(("examples", *self._nums), [row], align="lr", has_row_heads=True)
        self._view.value = style_html(told + change + table)

    def _build_slider(self, name: str, value: int, label: str, style: dict, layout) -> ipywidgets.IntSlider:
        low, high = BOUNDS[name]
        return ipywidgets.IntSlider(
            value, low, high, description=label, style=style, layout=layout, continuous_update=False
        )

    def _tell_effects(self, effects: Sequence[tuple[float, float]]) -> str:
        rows = []
        for gained, lost in effects:
            powers = (f"{compute_power(num, gained, lost):.0%}" for num in self._nums)
            points = f"{100 * (gained - lost):+.0f}"
            rows.append((f"{gained:.0%}", f"{lost:.0%}", points, *powers, find_num_examples(gained, lost)))
        heads = ["gained", "lost", "points", *(f"n = {num}" for num in self._nums), "examples for 80 %"]
        caption = "Power calculator: how often a true difference is found, by the number of examples"
        return draw_table(heads, rows, caption, align="r")
