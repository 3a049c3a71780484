"""Charts that several chapters draw, each with its alternative text."""

from __future__ import annotations

from collections.abc import Sequence

from ..metrics import Bin
from .base import Picture, make_figure


def draw_reliability(bins: Sequence[Bin]) -> Picture:
    """Return a reliability chart: the share that is right against the stated confidence, with intervals."""
    x = [one.confidence for one in bins]
    y = [one.accuracy.value for one in bins]
    below = [one.accuracy.value - one.accuracy.low for one in bins]
    above = [one.accuracy.high - one.accuracy.value for one in bins]
    figure, axes = make_figure(4.6, 3.6)
    axes.plot([0, 1], [0, 1], linestyle=":", color="#808080")
    axes.errorbar(x, y, yerr=[below, above], marker="o", capsize=4)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence of the model", ylabel="share that is right")
    told = "; ".join(f"confidence {c:.0%}, right {a:.0%}" for c, a in zip(x, y, strict=True))
    return Picture(figure, f"Reliability chart: {told}. The dotted line is perfect calibration.")
