"""Bars and charts, each with the same in words."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from ...core import Html, draw_table
from ...evaluation import Comparison, Estimate, Report, Row, sum_tokens
from ...tracking import Span
from ...training import PowerLaw, TrainingRun
from .base import shorten

BAR_COLOUR = "#3b7dd8"
MUTED_COLOUR = "#9aa0a6"
INK = "#808080"  # can be read on a light and on a dark page
MOST_CALLS = 60  # of a trace that are drawn
MARKERS = "os^Dv*"  # tell points apart for those who do not see their colours
SPAN_COLOURS = {
    "request": MUTED_COLOUR,
    "chain": "#7a6fb0",
    "model": BAR_COLOUR,
    "embedding": "#4f9bb5",
    "retrieval": "#2e9e6b",
    "tool": "#d08a2e",
}


def draw_bars(tokens: Sequence[str], values: Sequence[float], caption: str = "") -> str:
    """Return a table of tokens and their probabilities with bars as HTML; line breaks in a token are visible."""
    widest = max([*values, 1e-9])
    rows = []
    for token, value in zip(tokens, values, strict=True):
        code = Html(f"<code>{html.escape(repr(token)[1:-1])}</code>")
        rows.append((code, f"{value:.1%}", draw_bar(value / widest, width_em=16)))
    top = Html(f"<span style='white-space:nowrap'>{html.escape(caption)}</span>") if caption else ""
    return draw_table(("token", "probability", ""), rows, top, align="lr")


def draw_bar(share: float, width_em: float) -> Html:
    """Return a bar for a share between 0 and 1 of the width."""
    colour = BAR_COLOUR if share > 0 else MUTED_COLOUR
    bar = f"<div style='background:{colour};height:1em;width:{share:.1%};min-width:1px'></div>"
    return Html(f"<div style='width:{width_em}em'>{bar}</div>")


class Bars:
    """Tokens and their probabilities to look at: as bars in HTML, as figures in plain text."""

    def __init__(self, labels: Sequence[str], values: Sequence[float]) -> None:
        self.labels, self.values = list(labels), list(values)

    def __repr__(self) -> str:
        return "\n".join(f"{value:6.1%}  {label!r}" for label, value in zip(self.labels, self.values, strict=True))

    def _repr_html_(self) -> str:
        return draw_bars(self.labels, self.values)


class Picture:
    """A matplotlib figure, closed here, as an image; `alt` says for who cannot see it, and for tests, what it shows."""

    def __init__(self, figure, alt: str) -> None:
        import matplotlib.pyplot as plt
        from matplotlib.colors import same_color
        from matplotlib.text import Text

        self.alt = alt
        # What is written into the axes after `make_figure` is black by default, which a dark page swallows.
        for text in figure.findobj(Text):
            if same_color(text.get_color(), "black"):
                text.set_color(INK)
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
        self._png = file.getvalue()

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._png).decode()
        return f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}">'


def make_figure(width: float = 6.4, height: float = 3.2, **options):
    """Return `(figure, axes)` of a size in inches, in colours that can be read on a light and on a dark page.

    Further options are those of `matplotlib.pyplot.subplots`.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    clear = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    style = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 10}
    style |= dict.fromkeys(coloured, INK) | dict.fromkeys(clear, "none")
    with plt.rc_context(style):
        return plt.subplots(figsize=(width, height), **options)


def draw_cost(reports: Sequence[Report]) -> Picture:
    """Return the score of each report against its tokens per example: up is better, left is cheaper."""
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for place, report in enumerate(reports):
        tokens, score, marker = sum_tokens(report), report.score, MARKERS[place % len(MARKERS)]
        axes.errorbar(tokens, score.value, yerr=_measure_arms([score]), marker=marker, capsize=4, label=report.name)
        told.append(f"{report.name} {score.value:.0%} at {tokens:.0f} tokens")
    right = 1.1 * max(sum_tokens(report) for report in reports)
    axes.set(xlim=(0, right), ylim=(0, 1), xlabel="tokens per example", ylabel="score, with 95 % interval")
    axes.grid(alpha=0.3)
    # Names beside the points would be printed over each other where two prompts are about as long.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)
    return Picture(figure, f"Score against cost: {'; '.join(told)}.")


def draw_estimates(names: Sequence[str], estimates: Sequence[Estimate], label: str) -> Picture:
    """Return estimates with their intervals around a mark at 0, one line per name; `label` says what they are."""
    figure, axes = _make_lines(names, f"{label}, with 95 % interval")
    values = [one.value for one in estimates]
    axes.errorbar(values, range(len(names)), xerr=_measure_arms(estimates), fmt="o", color=BAR_COLOUR, linewidth=2)
    axes.axvline(0, color=INK, linewidth=1)
    pairs = zip(names, estimates, strict=True)
    told = "; ".join(f"{name} {one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for name, one in pairs)
    return Picture(figure, f"{label}: {told}.")


def draw_changes(names: Sequence[str], changes: Sequence[float], label: str) -> Picture:
    """Return signed changes as bars to the left and right of 0, one line per name; `label` says what they are."""
    figure, axes = _make_lines(names, label)
    colours = [BAR_COLOUR if change >= 0 else "#c2571a" for change in changes]
    axes.barh(range(len(names)), changes, color=colours)
    axes.axvline(0, color=INK, linewidth=1)
    told = "; ".join(f"{name} {change:+.2f}" for name, change in zip(names, changes, strict=True))
    return Picture(figure, f"{label}: {told}.")


def draw_curves(
    curves: Mapping[str, TrainingRun], lines: Mapping[str, float] | None = None, with_train: bool = False
) -> Picture:
    """Return the dev loss of each run, and on demand that on the training text, against its steps.

    `lines` are baselines, drawn across: bits per byte on the dev texts of something that is not trained in steps.
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
        axes.axhline(value, linestyle=styles[number % len(styles)], color=INK)
        axes.annotate(name, (axes.get_xlim()[1], value), ha="right", va="bottom")
        told.append(f"{name}: {value:.2f}")
    axes.set(xlabel="steps", ylabel="bits per byte", xlim=(0, None))
    axes.legend(frameon=False)
    return Picture(figure, "Loss curves in bits per byte. " + ". ".join(told) + ".")


def draw_power_laws(measured: Mapping[str, tuple[Sequence[float], Sequence[float], PowerLaw]]) -> Picture:
    """Return one panel for each thing that was made larger: sizes against bits per byte, and the fitted power law.

    Both axes are logarithmic, so that a power law is a straight line.
    """
    figure, panels = make_figure(9, 3.2, ncols=len(measured), sharey=True, squeeze=False)
    everything = [loss for _, losses, _ in measured.values() for loss in losses]
    heights = np.geomspace(min(everything), max(everything), 3)
    told = []
    for axes, (name, (sizes, losses, law)) in zip(panels[0], measured.items(), strict=True):
        grid = np.geomspace(min(sizes), max(sizes), 50)
        axes.plot(grid, [law.predict(size) for size in grid], linestyle=":", color=INK)
        axes.plot(sizes, losses, marker="o", linestyle="none")
        axes.set(xscale="log", yscale="log", xlabel=name)
        axes.minorticks_off()
        ends = [min(sizes), max(sizes)]
        axes.set_xticks(ends, [f"{end:,.0f}" for end in ends])
        axes.set_yticks(heights, [f"{height:.2f}" for height in heights])
        low, high = law.exponent.low, law.exponent.high
        axes.set_title(f"exponent {law.exponent.value:.2f} [{low:.2f}, {high:.2f}]", fontsize=9)
        points = ", ".join(f"{loss:.2f} at {size:,.0f}" for size, loss in zip(sizes, losses, strict=True))
        told.append(f"{name}: {points}; {law}")
    panels[0][0].set_ylabel("bits per byte on test")
    return Picture(figure, "What more buys, in bits per byte. " + ". ".join(told) + ".")


def _make_lines(names: Sequence[str], label: str):
    """Return a figure and axes with a line for each name, the first one on top, and what is measured below."""
    figure, axes = make_figure(6.4, 0.8 + 0.36 * len(names))
    axes.set(yticks=range(len(names)), yticklabels=names, xlabel=label)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return figure, axes


def _measure_arms(estimates: Sequence[Estimate]) -> list[list[float]]:
    """Return how far the intervals reach below and above their values, shape (2, n)."""
    return [[one.value - one.low for one in estimates], [one.high - one.value for one in estimates]]


class Flips:
    """The examples on which a candidate and its baseline differ, as a table of at most `num` of each kind."""

    def __init__(self, comparison: Comparison, num: int) -> None:
        self.comparison, self.num = comparison, num

    def __repr__(self) -> str:
        gained, lost = len(self.comparison.gained), len(self.comparison.lost)
        return f"What flipped: {gained} gained, {lost} lost of {self.comparison.num}"

    def _repr_html_(self) -> str:
        first, second = self.comparison.baseline, self.comparison.candidate
        before, after = ({row.id: row for row in report.rows} for report in (first, second))
        rows = []
        for word, names in (("gained", self.comparison.gained), ("lost", self.comparison.lost)):
            for name in names[: self.num]:
                row = before[name]
                rows.append((word, row.input, row.expected, _tell(row), _tell(after[name])))
        told = f"<div>{html.escape(repr(self))}; at most {self.num} of each are shown.</div>"
        return told + draw_table(("", "input", "expected", first.name, second.name), rows)


def _tell(row: Row) -> str:
    text = row.error or str(row.prediction)
    return text if len(text) <= 160 else text[:160] + " …"


class Timeline:
    """A request's calls over time as a picture and a table, one row a call, indented by depth; the first `MOST_CALLS`."""

    def __init__(self, root: Span) -> None:
        self.root = root
        self.picture = _draw_spans(root)

    def __repr__(self) -> str:
        return f"Timeline of “{self.root.name}”: {self.picture.alt}"

    def _repr_html_(self) -> str:
        rows = []
        for depth, one in islice(self.root.walk(), MOST_CALLS):
            tokens = f"{one.prompt_tokens} + {one.completion_tokens}" if one.prompt_tokens else ""
            name = Html(f"<div style='padding-left:{1.2 * depth:.1f}em'>{html.escape(one.name)}</div>")
            times = (f"{one.start_s:.2f}", f"{one.duration_s:.2f}")
            given, made = (shorten(" ".join(text.split()), 60) for text in (one.input, one.output))
            rows.append((name, one.kind, *times, tokens, given, f"⚠ {made}" if one.is_error else made))
        heads = ("call", "kind", "start, s", "seconds", "tokens", "input", "output")
        return self.picture._repr_html_() + draw_table(heads, rows, f"Timeline of “{self.root.name}”", align="llrrrl")


def _draw_spans(root: Span) -> Picture:
    spans = list(islice(root.walk(), MOST_CALLS))
    names = ["   " * depth + f"{one.name} · {one.kind}" for depth, one in spans]
    figure, axes = _make_lines(names, "seconds since the request began")
    told = []
    for place, (_, one) in enumerate(spans):
        # A call that took no time still shows as a thin line.
        width = max(one.duration_s, 0.004 * max(root.duration_s, 1e-9))
        edge, failed = ("#c03030", ", failed") if one.is_error else ("none", "")
        colour = SPAN_COLOURS[one.kind]
        axes.barh(place, width, left=one.start_s, height=0.6, color=colour, edgecolor=edge, linewidth=2)
        told.append(f"{one.name} ({one.kind}) {one.start_s:.2f} to {one.start_s + one.duration_s:.2f} s{failed}")
    axes.set_xlim(0, max(1.02 * root.duration_s, 0.01))
    left_out = sum(1 for _ in root.walk()) - len(spans)
    if left_out:
        told.append(f"{left_out:,} more calls are not drawn")
    return Picture(figure, "; ".join(told) + ".")
