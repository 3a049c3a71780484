"""Tracked runs side by side: filter, sort, score against price, and what lies between any two of them."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

import ipywidgets

from ...core import DataError, draw_table
from ...evaluation import compare
from ...prompts import diff_prompts
from ...tracking import Run, list_differing
from .base import BAR_COLOUR, Picture, TeachingWidget, make_figure, style_html
from .pictures import Flips

METRICS = ("score", "prompt_tokens", "completion_tokens", "latency_s")
MAX_FLIPS = 4  # of each kind


class RunDashboard(TeachingWidget):
    """Runs × parameters × metrics, and two runs compared: what changed in the prompt, and which examples flipped.

    Args:
        runs: at least one.
        parameters: the columns wanted; default: those in which the runs differ.
        metrics: the columns wanted; what a run lacks is left empty.
        pair: the names of the two runs to compare first; default: the first one and the one with the highest score.

    Raises:
        DataError: there is no run, or no run of a name in `pair`.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        parameters: Sequence[str] = (),
        metrics: Sequence[str] = METRICS,
        pair: tuple[str, str] | None = None,
    ) -> None:
        self._runs = dict(zip(_name_apart(runs), runs, strict=True))
        if not self._runs:
            raise DataError("There is no run to show.", "Log one first: start_run, log_report, end.")
        self._parameters = list(parameters) or [name for name in list_differing(list(runs)) if name not in ("report",)]
        self._metrics = list(metrics)
        names = list(self._runs)
        best = max(names, key=lambda name: self._runs[name].metrics.get("score", float("-inf")))
        for name in pair or ():
            if name not in self._runs:
                raise DataError(f"There is no run “{name}”.", f"There is: {', '.join(names)}.")
        before, after = pair or (names[0], best)
        self.filter = ipywidgets.Text(description="filter", placeholder="shots=8 few", continuous_update=False)
        self.sort = ipywidgets.Dropdown(options=["start", *self._metrics, *self._parameters], description="sort by")
        self.descending = ipywidgets.Checkbox(value=True, description="largest first")
        self.before = ipywidgets.Dropdown(options=names, value=before, description="before")
        self.after = ipywidgets.Dropdown(options=names, value=after, description="after")
        self._table, self._pair, self._picture = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        for control in (self.filter, self.sort, self.descending):
            control.observe(lambda _: self._show_table(), names="value")
        for control in (self.before, self.after):
            control.observe(lambda _: self._show_pair(), names="value")
        self._show_table()
        self._show_pair()
        score = self._runs[best].metrics.get("score")
        told = f"the highest score is that of “{best}”, {score:.0%}" if score is not None else "none has a score"
        summary = f"Run dashboard: {len(names)} runs; {told}."
        static = self._write_table(names) + self._draw_prices(names) + self._tell_pair(before, after)
        super().__init__(
            [
                ipywidgets.HBox([self.filter, self.sort, self.descending]),
                self._table,
                self._picture,
                ipywidgets.HBox([self.before, self.after]),
                self._pair,
            ],
            summary,
            static,
        )

    @property
    def shown(self) -> list[str]:
        """The names of the runs that pass the filter, in the order chosen."""
        words = self.filter.value.lower().split()
        names = [name for name in self._runs if all(self._has(name, word) for word in words)]
        if self.sort.value == "start":
            return names
        kept = {name: self._find(name, self.sort.value) for name in names}
        known = [name for name in names if kept[name] is not None]
        known.sort(key=lambda name: _make_key(kept[name]), reverse=self.descending.value)
        return known + [name for name in names if kept[name] is None]

    def _has(self, name: str, word: str) -> bool:
        run = self._runs[name]
        column, equals, value = word.partition("=")
        if equals:
            found = {key.lower(): str(value).lower() for key, value in (run.parameters | run.metrics).items()}
            return found.get(column) == value
        return word in name.lower() or any(word in str(value).lower() for value in run.parameters.values())

    def _find(self, name: str, column: str) -> object:
        run = self._runs[name]
        return run.metrics.get(column, run.parameters.get(column))

    def _show_table(self) -> None:
        names = self.shown
        self._table.value = style_html(
            self._write_table(names) if names else "<p role='status'>No run passes the filter.</p>"
        )
        self._picture.value = style_html(self._draw_prices(names))

    def _show_pair(self) -> None:
        self._pair.value = style_html(self._tell_pair(self.before.value, self.after.value))

    def _write_table(self, names: Sequence[str]) -> str:
        numbers = {name: number for number, name in enumerate(self._runs, 1)}
        rows = []
        for name in names:
            run = self._runs[name]
            settings = (run.parameters.get(key, "") for key in self._parameters)
            rows.append((numbers[name], name, *settings, *(_format_metric(run, key) for key in self._metrics)))
        caption = "Run dashboard: parameters in which the runs differ, and metrics; scores with their 95 % interval"
        align = "".join("l" if self._has_texts(key) else "r" for key in self._parameters)
        return draw_table(("no", "run", *self._parameters, *self._metrics), rows, caption, f"rl{align}r")

    def _has_texts(self, parameter: str) -> bool:
        return any(isinstance(run.parameters.get(parameter), str) for run in self._runs.values())

    def _draw_prices(self, names: Sequence[str]) -> str:
        numbers = {name: number for number, name in enumerate(self._runs, 1)}
        scored = [
            name for name in names if {"score", "prompt_tokens", "completion_tokens"} <= set(self._runs[name].metrics)
        ]
        if not scored:
            return ""
        return draw_score_price({f"{numbers[name]} {name}": self._runs[name] for name in scored})._repr_html_()

    def _tell_pair(self, before: str, after: str) -> str:
        first, second = self._runs[before], self._runs[after]
        title = f"<p><strong>From “{html.escape(before)}” to “{html.escape(after)}”</strong></p>"
        return title + _tell_parameters(first, second) + _tell_prompt(first, second) + _tell_flips(first, second)


def draw_score_price(runs: dict[str, Run]) -> Picture:
    """Return the score of each run against its tokens per example; a point carries the first word of its label."""
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for label, run in runs.items():
        metrics = run.metrics
        tokens = metrics["prompt_tokens"] + metrics["completion_tokens"]
        low, high = (metrics.get(name, metrics["score"]) for name in ("score_low", "score_high"))
        axes.plot([tokens, tokens], [low, high], color=BAR_COLOUR, alpha=0.5)
        axes.plot(tokens, metrics["score"], marker="o", color=BAR_COLOUR)
        axes.annotate(label.split()[0], (tokens, metrics["score"]), textcoords="offset points", xytext=(6, 3))
        told.append(f"{label}: {metrics['score']:.0%} at {tokens:.0f} tokens")
    axes.set(ylim=(0, 1), xlabel="tokens per example", ylabel="score, with 95 % interval")
    axes.set_xlim(left=0)
    axes.grid(axis="y", alpha=0.3)
    return Picture(figure, "Score against price: " + "; ".join(told) + ".")


def _name_apart(runs: Sequence[Run]) -> list[str]:
    """Return the names of the runs; a second one of a name gets a number."""
    seen: Counter = Counter()
    names = []
    for run in runs:
        seen[run.name] += 1
        names.append(run.name if seen[run.name] == 1 else f"{run.name} ({seen[run.name]})")
    return names


def _make_key(value: object) -> tuple:
    """Return a key by which numbers come before texts."""
    return (0, value, "") if isinstance(value, int | float) else (1, 0, str(value))


def _format_metric(run: Run, name: str) -> str:
    value = run.metrics.get(name)
    if value is None:
        return ""
    if name == "score" and {"score_low", "score_high"} <= set(run.metrics):
        return f"{value:.0%} [{run.metrics['score_low']:.0%}, {run.metrics['score_high']:.0%}]"
    return f"{value:.2f}" if isinstance(value, float) and abs(value) < 10 else f"{value:.0f}"


def _tell_parameters(first: Run, second: Run) -> str:
    names = [name for name in list_differing([first, second]) if name not in ("report", "provenance")]
    if not names:
        return "<p>All parameters are the same.</p>"
    changes = (
        f"{html.escape(name)} {html.escape(str(first.parameters.get(name, '—')))} → "
        f"{html.escape(str(second.parameters.get(name, '—')))}"
        for name in names
    )
    return f"<p>Parameters: {'; '.join(changes)}.</p>"


def _tell_prompt(first: Run, second: Run) -> str:
    if first.prompt is None or second.prompt is None:
        return "<p>Not both runs hold their prompt.</p>"
    if first.prompt.version == second.prompt.version:
        return "<p>The prompt is the same.</p>"
    return diff_prompts(first.prompt, second.prompt)._repr_html_()


def _tell_flips(first: Run, second: Run) -> str:
    if first.report is None or second.report is None:
        return "<p>Not both runs hold their report.</p>"
    try:
        comparison = compare(first.report, second.report)
    except DataError as error:
        return f"<p role='status'>{html.escape(error.problem)}</p>"
    return f"<p>{html.escape(str(comparison))}.</p>{Flips(comparison, MAX_FLIPS)._repr_html_()}"
