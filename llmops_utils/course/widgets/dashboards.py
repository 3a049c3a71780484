"""Dashboards: tracked runs side by side, and a stream of requests under watch."""

import html
from collections.abc import Mapping, Sequence

import ipywidgets

from ...core import draw_table
from ...evaluation import compare
from ...operations import AlertRule, Monitor, Request, Window, find_first_alarm
from ...prompts import diff_prompts
from ...tracking import Run, list_differing
from .base import TeachingWidget, label, say
from .pictures import BAR_COLOUR, MUTED_COLOUR, Flips, Picture, make_figure

MAX_FLIPS = 4  # of each kind
QUANTILES = (0.9, 0.95, 0.99, 0.995, 0.999)
ALARM_COLOUR = "#d9480f"


class RunDashboard(TeachingWidget):
    """Runs × parameters × metrics, and two runs compared: what changed in the prompt, and which examples flipped.

    The runs have different names, two of which are the pair to compare first; each holds its prompt and its report.
    """

    def __init__(
        self, runs: Sequence[Run], parameters: Sequence[str], metrics: Sequence[str], pair: tuple[str, str]
    ) -> None:
        self._runs = {run.name: run for run in runs}
        self._parameters, self._metrics = list(parameters), list(metrics)
        self.filter = ipywidgets.Text(placeholder="shots=8 few", continuous_update=False, **label("filter"))
        self.sort = ipywidgets.Dropdown(options=["start", *metrics, *parameters], **label("sort by"))
        self.descending = ipywidgets.Checkbox(value=True, **label("largest first"))
        self.before, self.after = (
            ipywidgets.Dropdown(options=list(self._runs), value=name, **label(role))
            for name, role in zip(pair, ("before", "after"), strict=True)
        )
        best = max(runs, key=lambda run: run.metrics["score"])
        told = f"the highest score is that of “{best.name}”, {best.metrics['score']:.0%}"
        first, second = [self.filter, self.sort, self.descending], [self.before, self.after]
        children = [ipywidgets.HBox(first), ipywidgets.HBox(second), self.view]
        static = self._tabulate(runs) + self._tell_pair()
        super().__init__(f"Run dashboard: {len(runs)} runs; {told}.", static, [*first, *second], children)

    def _draw(self) -> str:
        """Return the runs that pass the filter, in the order chosen, and what lies between the chosen two."""
        words = self.filter.value.lower().split()
        runs = [run for run in self._runs.values() if all(_has(run, word) for word in words)]
        if self.sort.value != "start":
            runs.sort(key=lambda run: (run.parameters | run.metrics)[self.sort.value], reverse=self.descending.value)
        return (self._tabulate(runs) if runs else say("No run passes the filter.")) + self._tell_pair()

    def _tabulate(self, runs: Sequence[Run]) -> str:
        numbers = {name: number for number, name in enumerate(self._runs, 1)}
        rows = []
        for run in runs:
            settings = (run.parameters[key] for key in self._parameters)
            rows.append((numbers[run.name], run.name, *settings, *(_format(run, key) for key in self._metrics)))
        caption = "Run dashboard: parameters in which the runs differ, and metrics; scores with their 95 % interval"
        first = next(iter(self._runs.values())).parameters
        align = "".join("l" if isinstance(first[key], str) else "r" for key in self._parameters)
        picture = draw_score_price({f"{numbers[run.name]} {run.name}": run for run in runs})
        heads = ("no", "run", *self._parameters, *self._metrics)
        return draw_table(heads, rows, caption, f"rl{align}r") + picture._repr_html_()

    def _tell_pair(self) -> str:
        before, after = self._runs[self.before.value], self._runs[self.after.value]
        changes = [
            f"{name} {before.parameters.get(name, '—')} → {after.parameters.get(name, '—')}"
            for name in list_differing([before, after])
            if name not in ("report", "provenance")
        ]
        told = f"Parameters: {'; '.join(changes)}." if changes else "All parameters are the same."
        prompts = "<p>The prompt is the same.</p>"
        if before.prompt.version != after.prompt.version:
            prompts = diff_prompts(before.prompt, after.prompt)._repr_html_()
        comparison = compare(before.report, after.report)
        return (
            f"<p><strong>From “{html.escape(before.name)}” to “{html.escape(after.name)}”</strong></p>"
            f"<p>{html.escape(told)}</p>{prompts}"
            f"<p>{html.escape(str(comparison))}.</p>{Flips(comparison, MAX_FLIPS)._repr_html_()}"
        )


def draw_score_price(runs: Mapping[str, Run]) -> Picture:
    """Return the score of each run against its tokens per example; a point carries the first word of its label."""
    figure, axes = make_figure(6.4, 3.6)
    told = []
    for name, run in runs.items():
        tokens, score = run.metrics["prompt_tokens"] + run.metrics["completion_tokens"], run.metrics["score"]
        ends = [run.metrics[end] for end in ("score_low", "score_high")]
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
    if "=" in word:
        return word in [f"{key}={found}".lower() for key, found in (run.parameters | run.metrics).items()]
    return any(word in str(text).lower() for text in (run.name, *run.parameters.values()))


def _format(run: Run, metric: str) -> str:
    value = run.metrics[metric]
    if metric == "score":
        return f"{value:.0%} [{run.metrics['score_low']:.0%}, {run.metrics['score_high']:.0%}]"
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


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
        super().__init__(summary, self._tabulate(windows), controls)

    def _draw(self) -> str:
        monitor = self._monitor.with_rule(AlertRule(self.quantile.value, self.in_a_row.value))
        windows = list(monitor.watch(self._streams[self.menu.value]))
        rows = []
        for name, limit in monitor.limits.items():
            alarms = [window.number for window in windows if name in window.alarms]
            rows.append((name, f"{limit:.3g}", f"window {alarms[0]}" if alarms else "no alarm"))
        quiet = [window for window in windows if window.num_served <= self._start]
        num_false = sum(bool(window.alarms) for window in quiet)
        told = (
            f"<p role='status'><strong>{html.escape(self.menu.value)}</strong>: {self._tell_alarm(windows)}. "
            f"The first {len(quiet)} windows are quiet; {num_false} of them raised an alarm.</p>"
        )
        picture = _draw_windows(windows, monitor.limits)
        return told + picture._repr_html_() + draw_table(("measure", "limit", "alarm"), rows, align="lrl")

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


def _draw_windows(windows: Sequence[Window], limits: Mapping[str, float]) -> Picture:
    """Return a line of windows for each measure, with its limit dotted and its alarms as dots."""
    figure, panels = make_figure(6.4, 0.7 * len(limits), nrows=len(limits), sharex=True)
    told = []
    for axes, (name, limit) in zip(panels, limits.items(), strict=True):
        axes.plot([window.number for window in windows], [window.values[name] for window in windows], color=BAR_COLOUR)
        axes.axhline(limit, color=MUTED_COLOUR, linestyle=":")
        alarms = [window for window in windows if name in window.alarms]
        axes.plot(
            [one.number for one in alarms], [one.values[name] for one in alarms], "o", color=ALARM_COLOUR, clip_on=False
        )
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set_yticks([])
        told.append(f"{name} {len(alarms)}")
    panels[-1].set_xlabel("window")
    return Picture(figure, f"{len(windows)} windows, of which with an alarm: {', '.join(told)}.")
