"""The scorecard: weights on the factors, the ranking of the options, and how firm the winner is."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets

from ...choosing import measure_stability, rank_options
from ...core import draw_table
from .base import TeachingWidget, draw_bar, style_html

MOST_WEIGHT = 10
STYLE = {"description_width": "9em"}  # names of factors are often longer than the usual width of a label


class ModelScorecard(TeachingWidget):
    """Weigh the factors of a choice and see who wins, and how often when the weights move.

    Args:
        scores: for each option its score from 0 (worst) to 1 (best) on each factor.
        weights: for each factor a whole number from 0 to 10.
        spread: how far all weights move at random, from 0 to 1.

    Raises:
        DataError: a score or weight is missing or out of range.
    """

    def __init__(
        self, scores: Mapping[str, Mapping[str, float]], weights: Mapping[str, int], spread: float = 0.5
    ) -> None:
        self._scores = {name: dict(row) for name, row in scores.items()}
        self.sliders = {
            factor: ipywidgets.IntSlider(value=weight, min=0, max=MOST_WEIGHT, description=factor, style=STYLE)
            for factor, weight in weights.items()
        }
        self.spread_slider = ipywidgets.FloatSlider(
            value=spread, min=0, max=1, step=0.1, description="moved by ±", style=STYLE
        )
        self._view = ipywidgets.HTML()
        for slider in (*self.sliders.values(), self.spread_slider):
            slider.observe(lambda _: self._update(), names="value")
        ranking, shares = rank_options(scores, weights), measure_stability(scores, weights, spread)
        winner = next(iter(ranking))
        summary = (
            f"Model scorecard: “{winner}” is first of {len(ranking)} with {ranking[winner]:.2f} points; it stays first in "
            f"{shares[winner]:.0%} of the draws when each weight moves by up to {spread:.0%}."
        )
        super().__init__([*self.sliders.values(), self.spread_slider, self._view], summary, self._tell())
        self._update()

    @property
    def weights(self) -> dict[str, int]:
        """The weights as the sliders stand."""
        return {factor: slider.value for factor, slider in self.sliders.items()}

    def _update(self) -> None:
        if not any(self.weights.values()):
            self._view.value = style_html("<p role='status'>All weights are 0: nothing counts. Raise one.</p>")
            return
        self._view.value = style_html(self._tell())

    def _tell(self) -> str:
        weights, spread = self.weights, self.spread_slider.value
        ranking = rank_options(self._scores, weights)
        shares = measure_stability(self._scores, weights, spread)
        rows = []
        for place, (name, total) in enumerate(ranking.items(), 1):
            cells = (f"{self._scores[name][factor]:.2f}" for factor in weights)
            bar = draw_bar(total, width_em=8)
            rows.append((place, name, *cells, f"{total:.2f}", bar, f"{shares[name]:.0%}"))
        heads = ["place", "option", *(f"{factor} (weight {weight})" for factor, weight in weights.items())]
        heads += ["points", "", "first when weights move"]
        caption = f"Model scorecard: 0 is worst, 1 best; in the last column each weight moves by up to {spread:.0%}"
        return draw_table(heads, rows, caption, align="rlr")
