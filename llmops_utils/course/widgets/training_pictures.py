"""Pictures of training: loss curves beside baselines, and what more of something buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...training import PowerLaw, TrainingRun
from .base import Picture, make_figure


def draw_curves(
    curves: Mapping[str, TrainingRun], lines: Mapping[str, float] | None = None, with_train: bool = False
) -> Picture:
    """Return the dev loss of each run against its steps; `lines` are baselines, drawn across.

    Args:
        curves: runs by what the picture calls them.
        lines: bits per byte on the dev texts of something that is not trained in steps.
        with_train: whether the loss on the training text is drawn too, dashed.
    """
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for name, run in curves.items():
        steps = [look.step for look in run.looks]
        dev = [look.dev_bits for look in run.looks]
        (drawn,) = axes.plot(steps, dev, marker="o", markersize=3, label=f"{name}, dev")
        text = f"{name}, dev: " + ", ".join(f"{value:.2f} at {step}" for step, value in zip(steps, dev, strict=True))
        if with_train:
            train = [look.train_bits for look in run.looks]
            axes.plot(steps, train, linestyle="--", color=drawn.get_color(), label=f"{name}, training text")
            text += f"; on the training text from {train[0]:.2f} to {train[-1]:.2f}"
        told.append(text)
    styles = (":", "-.", "--")
    for number, (name, value) in enumerate((lines or {}).items()):
        axes.axhline(value, linestyle=styles[number % len(styles)], color="#808080")
        axes.annotate(name, (axes.get_xlim()[1], value), ha="right", va="bottom", color="#808080")
        told.append(f"{name}: {value:.2f}")
    axes.set(xlabel="steps", ylabel="bits per byte", xlim=(0, None))
    axes.legend(frameon=False, labelcolor="#808080")
    return Picture(figure, "Loss curves in bits per byte. " + ". ".join(told) + ".")


def draw_power_laws(measured: Mapping[str, tuple[Sequence[float], Sequence[float], PowerLaw]]) -> Picture:
    """Return one panel for each thing that was made larger: measured losses, and the fitted power law.

    Args:
        measured: sizes, bits per byte and the fit, by the name of what was made larger. Both axes are
            logarithmic, so that a power law is a straight line.
    """
    figure, panels = make_figure(9, 3.2, ncols=len(measured), sharey=True, squeeze=False)
    everything = [loss for _, losses, _ in measured.values() for loss in losses]
    heights = np.geomspace(min(everything), max(everything), 3)
    told = []
    for axes, (name, (sizes, losses, law)) in zip(panels[0], measured.items(), strict=True):
        grid = np.geomspace(min(sizes), max(sizes), 50)
        axes.plot(grid, [law.predict(size) for size in grid], linestyle=":", color="#808080")
        axes.plot(sizes, losses, marker="o", linestyle="none")
        axes.set(xscale="log", yscale="log", xlabel=name)
        axes.minorticks_off()
        ends = [min(sizes), max(sizes)]
        axes.set_xticks(ends, [f"{end:,.0f}" for end in ends])
        axes.set_yticks(heights, [f"{height:.2f}" for height in heights])
        low, high = law.exponent.low, law.exponent.high
        axes.set_title(f"exponent {law.exponent.value:.2f} [{low:.2f}, {high:.2f}]", fontsize=9, color="#808080")
        points = ", ".join(f"{loss:.2f} at {size:,.0f}" for size, loss in zip(sizes, losses, strict=True))
        told.append(f"{name}: {points}; {law}")
    panels[0][0].set_ylabel("bits per byte on test")
    return Picture(figure, "What more buys, in bits per byte. " + ". ".join(told) + ".")
