"""Dashboards: tracked runs side by side, and a stream of requests under watch."""

import html
from collections.abc import Mapping, Sequence

import ipywidgets

from ...core import DataError, Html, draw_table
from ...evaluation import compare
from ...operations import AlertRule, Monitor, Request, Window, find_first_alarm
from ...prompts import diff_prompts
from ...tracking import Run, list_differing
from .base import TeachingWidget, label, say, style_html
from .pictures import BAR_COLOUR, MUTED_COLOUR, Flips, Picture, make_figure

MAX_FLIPS = 4  # of each kind
QUANTILES = (0.9, 0.95, 0.99, 0.995, 0.999)
ALARM_COLOUR = "#d9480f"
WIDTH, HEIGHT = 240, 44  # of a line of windows, in pixels


class RunDashboard(TeachingWidget):
    """Runs × parameters × metrics, and two runs compared: what changed in the prompt, and which examples flipped.

    The runs have different names, two of which are the pair to compare first. What a run lacks is left empty.
    """

    def __init__(
        self, runs: Sequence[Run], parameters: Sequence[str], metrics: Sequence[str], pair: tuple[str, str]
    ) -> None:
        self._runs = {run.name: run for run in runs}
        self._parameters, self._metrics = list(parameters), list(metrics)
        names = list(self._runs)
        self.filter = ipywidgets.Text(placeholder="shots=8 few", continuous_update=False, **label("filter"))
        self.sort = ipywidgets.Dropdown(options=["start", *metrics, *parameters], **label("sort by"))
        self.descending = ipywidgets.Checkbox(value=True, **label("largest first"))
        self.before = ipywidgets.Dropdown(options=names, value=pair[0], **label("before"))
        self.after = ipywidgets.Dropdown(options=names, value=pair[1], **label("after"))
        self.between = ipywidgets.HTML()
        scores = {name: run.metrics["score"] for name, run in self._runs.items() if "score" in run.metrics}
        best = max(scores, key=lambda name: scores[name], default=None)
        told = f"the highest score is that of “{best}”, {scores[best]:.0%}" if best else "none has a score"
        first, second = [self.filter, self.sort, self.descending], [self.before, self.after]
        children = [ipywidgets.HBox(first), self.view, ipywidgets.HBox(second), self.between]
        static = self._tabulate(names) + self._tell_pair()
        super().__init__(children, f"Run dashboard: {len(runs)} runs; {told}.", static, [*first, *second])

    def _list_shown(self) -> list[str]:
        """Return the names of the runs that pass the filter, in the order chosen; those without the value come last."""
        words = self.filter.value.lower().split()
        runs = [run for run in self._runs.values() if all(_has(run, word) for word in words)]
        if self.sort.value == "start":
            return [run.name for run in runs]
        values = {run.name: (run.parameters | run.metrics).get(self.sort.value) for run in runs}
        known = [name for name, value in values.items() if value is not None]
        known.sort(key=lambda name: (isinstance(values[name], str), values[name]), reverse=self.descending.value)
        return known + [name for name, value in values.items() if value is None]

    def _draw(self) -> str:
        names = self._list_shown()
        return self._tabulate(names) if names else say("No run passes the filter.")

    def _tabulate(self, names: Sequence[str]) -> str:
        numbers = {name: number for number, name in enumerate(self._runs, 1)}
        runs = [self._runs[name] for name in names]
        rows = []
        for run in runs:
            settings = (run.parameters.get(key, "") for key in self._parameters)
            rows.append((numbers[run.name], run.name, *settings, *(_format(run, key) for key in self._metrics)))
        caption = "Run dashboard: parameters in which the runs differ, and metrics; scores with their 95 % interval"
        first = next(iter(self._runs.values())).parameters
        align = "".join("l" if isinstance(first.get(key), str) else "r" for key in self._parameters)
        needed = {"score", "prompt_tokens", "completion_tokens"}
        scored = {f"{numbers[run.name]} {run.name}": run for run in runs if needed <= set(run.metrics)}
        picture = draw_score_price(scored)._repr_html_() if scored else ""
        return draw_table(("no", "run", *self._parameters, *self._metrics), rows, caption, f"rl{align}r") + picture

    def show(self) -> None:
        """Show the runs that pass the filter, and what lies between the two that are chosen."""
        super().show()
        self.between.value = style_html(self._tell_pair())

    def _tell_pair(self) -> str:
        before, after = self._runs[self.before.value], self._runs[self.after.value]
        changes = [
            f"{name} {before.parameters.get(name, '—')} → {after.parameters.get(name, '—')}"
            for name in list_differing([before, after])
            if name not in ("report", "provenance")
        ]
        told = f"Parameters: {'; '.join(changes)}." if changes else "All parameters are the same."
        return (
            f"<p><strong>From “{html.escape(before.name)}” to “{html.escape(after.name)}”</strong></p>"
            f"<p>{html.escape(told)}</p>{_tell_prompt(before, after)}{_tell_flips(before, after)}"
        )


def draw_score_price(runs: Mapping[str, Run]) -> Picture:
    """Return the score of each run against its tokens per example; a point carries the first word of its label."""
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for name, run in runs.items():
        tokens, score = run.metrics["prompt_tokens"] + run.metrics["completion_tokens"], run.metrics["score"]
        ends = [run.metrics.get(end, score) for end in ("score_low", "score_high")]
        axes.plot([tokens, tokens], ends, color=BAR_COLOUR, alpha=0.5)
        axes.plot(tokens, score, marker="o", color=BAR_COLOUR)
        axes.annotate(name.split()[0], (tokens, score), textcoords="offset points", xytext=(6, 3))
        told.append(f"{name}: {score:.0%} at {tokens:.0f} tokens")
    axes.set(ylim=(0, 1), xlabel="tokens per example", ylabel="score, with 95 % interval")
    axes.set_xlim(left=0)
    axes.grid(axis="y", alpha=0.3)
    return Picture(figure, "Score against price: " + "; ".join(told) + ".")


def _has(run: Run, word: str) -> bool:
    """Return whether a run has a parameter or metric of a value (`shots=8`), or a word in its name or parameters."""
    column, equals, value = word.partition("=")
    if equals:
        columns = {key.lower(): str(found).lower() for key, found in (run.parameters | run.metrics).items()}
        return columns.get(column) == value
    return any(word in str(text).lower() for text in (run.name, *run.parameters.values()))


def _format(run: Run, metric: str) -> str:
    value = run.metrics.get(metric)
    if value is None:
        return ""
    if metric == "score" and {"score_low", "score_high"} <= set(run.metrics):
        return f"{value:.0%} [{run.metrics['score_low']:.0%}, {run.metrics['score_high']:.0%}]"
    return f"{value:.2f}" if isinstance(value, float) and abs(value) < 10 else f"{value:.0f}"


def _tell_prompt(before: Run, after: Run) -> str:
    if before.prompt is None or after.prompt is None:
        return "<p>Not both runs hold their prompt.</p>"
    if before.prompt.version == after.prompt.version:
        return "<p>The prompt is the same.</p>"
    return diff_prompts(before.prompt, after.prompt)._repr_html_()


def _tell_flips(before: Run, after: Run) -> str:
    if before.report is None or after.report is None:
        return "<p>Not both runs hold their report.</p>"
    try:
        comparison = compare(before.report, after.report)
    except DataError as error:
        return say(error.problem)
    return f"<p>{html.escape(str(comparison))}.</p>{Flips(comparison, MAX_FLIPS)._repr_html_()}"


class MonitorDashboard(TeachingWidget):
    """Watch a stream with an incident in it under a rule of your own, and see windows, limits and the alarm.

    The sliders begin at the monitor's own rule. In the streams, named by what happens in them, it begins at the request
    with the number `start`.
    """

    repeats_static = True

    def __init__(self, monitor: Monitor, streams: Mapping[str, Sequence[Request]], start: int) -> None:
        self._monitor, self._streams, self._start = monitor, dict(streams), start
        rule = monitor.rule
        quantiles = [(f"{quantile:.1%}", quantile) for quantile in sorted({*QUANTILES, rule.quantile})]
        self.menu = ipywidgets.Dropdown(options=list(streams), **label("incident"))
        self.quantile = ipywidgets.SelectionSlider(options=quantiles, value=rule.quantile, **label("limit at"))
        self.in_a_row = ipywidgets.IntSlider(rule.in_a_row, min=1, max=4, **label("in a row"))
        windows = {name: list(monitor.watch(stream)) for name, stream in streams.items()}
        told = "; ".join(f"{name}: {self._tell_alarm(windows[name])}" for name in windows)
        summary = f"Monitor dashboard, windows of {monitor.size}: {told}."
        controls = [self.menu, self.quantile, self.in_a_row]
        super().__init__([*controls, self.view], summary, self._tabulate(windows), controls)

    def _draw(self) -> str:
        monitor = self._monitor.with_rule(AlertRule(self.quantile.value, self.in_a_row.value))
        windows = list(monitor.watch(self._streams[self.menu.value]))
        rows = []
        for measure in monitor.measures:
            values = [window.values[measure.name] for window in windows]
            alarms = [measure.name in window.alarms for window in windows]
            limit = monitor.limits[measure.name]
            told = f"window {windows[alarms.index(True)].number}" if any(alarms) else "no alarm"
            rows.append((measure.name, _draw_line(values, limit, alarms), f"{limit:.3g}", told))
        quiet = [window for window in windows if window.num_served <= self._start]
        num_false = sum(bool(window.alarms) for window in quiet)
        return (
            f"<p role='status'><strong>{html.escape(self.menu.value)}</strong>: {self._tell_alarm(windows)}. "
            f"The first {len(quiet)} windows are quiet; {num_false} of them raised an alarm.</p>"
        ) + draw_table(("measure", "windows, with the limit", "limit", "alarm"), rows, align="llrl")

    def _tell_alarm(self, windows: Sequence[Window]) -> str:
        found = find_first_alarm(windows, after=self._start)
        if found is None:
            return "no alarm"
        return f"alarm after {found.num_served - self._start} requests ({', '.join(found.alarms)})"

    def _tabulate(self, streams: Mapping[str, list[Window]]) -> str:
        names = [measure.name for measure in self._monitor.measures]
        rows = []
        for name, windows in streams.items():
            nums = (sum(measure in window.alarms for window in windows) for measure in names)
            rows.append((name, self._tell_alarm(windows), *(f"{num} of {len(windows)}" for num in nums)))
        rule = self._monitor.rule
        caption = (
            f"Monitor dashboard: windows of {self._monitor.size} requests with an alarm, by measure; limit at "
            f"{rule.quantile:.1%} of quiet windows, {rule.in_a_row} in a row"
        )
        return draw_table(("incident", "first alarm after its start", *names), rows, caption, align="llr")


def _draw_line(values: Sequence[float], limit: float, alarms: Sequence[bool]) -> str:
    """Return a line of values as SVG with the limit dotted and the alarms as dots, and the same in words."""
    known = [value for value in [*values, limit] if value == value]
    if not known:
        return "nothing graded"
    low, high = min(known), max(known)
    scale = (HEIGHT - 8) / (high - low) if high > low else 0.0
    step = (WIDTH - 8) / max(1, len(values) - 1)
    points, dots, dotted = [], [], ""
    for number, (value, is_alarm) in enumerate(zip(values, alarms, strict=True)):
        if value == value:
            x, y = 4 + step * number, HEIGHT - 4 - scale * (value - low)
            points.append(f"{x:.1f},{y:.1f}")
            if is_alarm:
                dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ALARM_COLOUR}"/>')
    if limit == limit:
        y = HEIGHT - 4 - scale * (limit - low)
        dotted = f'<line x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{MUTED_COLOUR}" stroke-dasharray="4 3"/>'
    words = f"{len(values)} windows, {sum(alarms)} of them with an alarm"
    return Html(
        f'<svg role="img" aria-label="{words}" width="{WIDTH}" height="{HEIGHT}">{dotted}<polyline points='
        f'"{" ".join(points)}" fill="none" stroke="{BAR_COLOUR}" stroke-width="1.5"/>{"".join(dots)}</svg>'
    )
