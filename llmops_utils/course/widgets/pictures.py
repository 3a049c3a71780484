"""Charts that several chapters draw, each with its alternative text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ...core import draw_table
from ...evaluation import Bin, Comparison, Estimate, Report, Row, sum_tokens
from .base import BAR_COLOUR, Picture, make_figure

MARKERS = "os^Dv*"  # tell points apart for those who do not see their colours


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


def draw_scores(reports: Sequence[Report]) -> Picture:
    """Return the score of each report as a point with its interval, one line per report, in the given order."""
    scores = [report.score for report in reports]
    figure, axes = make_figure(6.4, 0.8 + 0.42 * len(reports))
    for place, score in enumerate(scores):
        axes.plot([score.low, score.high], [place, place], color=BAR_COLOUR, linewidth=2)
        axes.plot(score.value, place, marker="o", color=BAR_COLOUR)
    axes.set(yticks=range(len(reports)), xlim=(0, 1), xlabel="score, with 95 % interval")
    axes.set_yticklabels([report.name for report in reports])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return Picture(figure, "Scores: " + "; ".join(str(report) for report in reports) + ".")


def draw_cost(reports: Sequence[Report]) -> Picture:
    """Return the score of each report against its tokens per example: up is better, left is cheaper."""
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for place, report in enumerate(reports):
        tokens, score = sum_tokens(report), report.score
        below, above = score.value - score.low, score.high - score.value
        marker = MARKERS[place % len(MARKERS)]
        axes.errorbar(tokens, score.value, yerr=[[below], [above]], marker=marker, capsize=4, label=report.name)
        told.append(f"{report.name} {score.value:.0%} at {tokens:.0f} tokens")
    axes.set(ylim=(0, 1), xlabel="tokens per example", ylabel="score, with 95 % interval")
    axes.set_xlim(left=0, right=1.1 * max(sum_tokens(report) for report in reports))
    axes.grid(alpha=0.3)
    # Names beside the points would be printed over each other where two prompts are about as long.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, frameon=False)
    return Picture(figure, f"Score against cost: {'; '.join(told)}.")


def draw_curve(values: Sequence[float], reports: Sequence[Report], label: str) -> Picture:
    """Return the scores of reports against a number that was varied, with intervals.

    Args:
        values: the number, one per report.
        reports: in the order of the values.
        label: what the number is, with its unit.
    """
    scores = [report.score for report in reports]
    figure, axes = make_figure(5.4, 3.4)
    below = [score.value - score.low for score in scores]
    above = [score.high - score.value for score in scores]
    axes.errorbar(values, [score.value for score in scores], yerr=[below, above], marker="o", capsize=4)
    axes.set(ylim=(0, 1), xlabel=label, ylabel="score, with 95 % interval", xticks=list(values))
    axes.grid(alpha=0.3)
    told = "; ".join(f"{value:g}: {score.value:.0%}" for value, score in zip(values, scores, strict=True))
    return Picture(figure, f"Score against {label}: {told}.")


def draw_estimates(names: Sequence[str], estimates: Sequence[Estimate], label: str) -> Picture:
    """Return numbers with their intervals as points and lines around a mark at 0, in the given order.

    Args:
        names: what each number belongs to.
        estimates: one per name.
        label: what they are, with their unit.
    """
    figure, axes = make_figure(6.0, 0.8 + 0.42 * len(names))
    for place, one in enumerate(estimates):
        axes.plot([one.low, one.high], [place, place], color=BAR_COLOUR, linewidth=2)
        axes.plot(one.value, place, marker="o", color=BAR_COLOUR)
    axes.axvline(0, color="#808080", linewidth=1)
    axes.set(yticks=range(len(names)), xlabel=f"{label}, with 95 % interval")
    axes.set_yticklabels(names)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    pairs = zip(names, estimates, strict=True)
    told = "; ".join(f"{name} {one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for name, one in pairs)
    return Picture(figure, f"{label}: {told}.")


def draw_changes(labels: Sequence[str], changes: Sequence[float], label: str) -> Picture:
    """Return signed changes as bars to the left and right of 0, one line per label, in the given order.

    Args:
        labels: what each bar stands for.
        changes: one per label.
        label: what the change is, with its unit.
    """
    figure, axes = make_figure(5.4, 0.8 + 0.3 * len(labels))
    colours = [BAR_COLOUR if change >= 0 else "#c2571a" for change in changes]
    axes.barh(range(len(labels)), changes, color=colours)
    axes.axvline(0, color="#808080", linewidth=1)
    axes.set(yticks=range(len(labels)), xlabel=label)
    axes.set_yticklabels(labels)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    told = "; ".join(f"{name} {change:+.2f}" for name, change in zip(labels, changes, strict=True))
    return Picture(figure, f"{label}: {told}.")


class Flips:
    """The examples on which a candidate and its baseline differ, as a table.

    Args:
        comparison: of the two.
        num: most examples of each kind.
    """

    def __init__(self, comparison: Comparison, num: int = 5) -> None:
        self.comparison, self.num = comparison, num

    def _list_rows(self) -> list[tuple[str, str, str, str, str]]:
        before = {row.id: row for row in self.comparison.baseline.rows}
        after = {row.id: row for row in self.comparison.candidate.rows}
        return [
            (word, before[name].input, before[name].expected, _tell(before[name]), _tell(after[name]))
            for word, names in (("gained", self.comparison.gained), ("lost", self.comparison.lost))
            for name in names[: self.num]
        ]

    def __repr__(self) -> str:
        gained, lost = len(self.comparison.gained), len(self.comparison.lost)
        return f"What flipped: {gained} gained, {lost} lost of {self.comparison.num}"

    def _repr_html_(self) -> str:
        names = (self.comparison.baseline.name, self.comparison.candidate.name)
        told = f"<div>{html.escape(repr(self))}; at most {self.num} of each are shown.</div>"
        return told + draw_table(("", "input", "expected", *names), self._list_rows())


def _tell(row: Row) -> str:
    text = row.error or str(row.prediction)
    return text if len(text) <= 160 else text[:160] + " …"
