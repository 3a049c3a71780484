"""The monitor as a dashboard: choose an incident and the alert rule, and see the windows, the limits and the alarm."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import ipywidgets

from ...core import Html, draw_table
from ...operations import AlertRule, Monitor, Request, Window, find_first_alarm
from .base import BAR_COLOUR, MUTED_COLOUR, TeachingWidget, style_html

QUANTILES = (0.9, 0.95, 0.99, 0.995, 0.999)
ALARM_COLOUR = "#d9480f"
WIDTH, HEIGHT = 240, 44


class MonitorDashboard(TeachingWidget):
    """Watch a stream with an incident in it under a rule of your own.

    Args:
        monitor: that has learned from quiet traffic; its own rule is where the sliders begin.
        streams: requests by the name of what happens in them, “none” among them or not.
        start: the number of the request at which the incidents begin.
    """

    def __init__(self, monitor: Monitor, streams: Mapping[str, Sequence[Request]], start: int) -> None:
        self._monitor, self._streams, self._start = monitor, dict(streams), start
        rule = monitor.rule
        self.menu = ipywidgets.Dropdown(options=list(self._streams), description="incident")
        self.quantile = ipywidgets.SelectionSlider(
            options=[(f"{quantile:.1%}", quantile) for quantile in sorted({*QUANTILES, rule.quantile})],
            value=rule.quantile,
            description="limit at",
        )
        self.in_a_row = ipywidgets.IntSlider(value=rule.in_a_row, min=1, max=4, description="in a row")
        self.view = ipywidgets.HTML()
        for control in (self.menu, self.quantile, self.in_a_row):
            control.observe(lambda _: self.show(), names="value")
        rows = [(name, self.watch(name, rule)) for name in self._streams]
        told = "; ".join(f"{name}: {self._tell_alarm(windows)}" for name, windows in rows)
        summary = f"Monitor dashboard, windows of {monitor.size}: {told}."
        static = self._tell_all(rows, rule)
        # All streams stand below the controls too: the text of the notebook speaks of them.
        streams = ipywidgets.HTML(style_html(static))
        super().__init__([self.menu, self.quantile, self.in_a_row, self.view, streams], summary, static)
        self.show()

    def watch(self, name: str, rule: AlertRule) -> list[Window]:
        """Return the windows of a stream under a rule; the quiet windows of the monitor are not drawn anew."""
        monitor = self._monitor
        before = monitor.rule, monitor.limits
        monitor.rule, monitor.limits = rule, monitor.place_limits(rule)
        try:
            return list(monitor.watch(self._streams[name]))
        finally:
            monitor.rule, monitor.limits = before

    def show(self) -> None:
        """Show the chosen stream under the chosen rule."""
        rule = AlertRule(self.quantile.value, self.in_a_row.value)
        windows, limits = self.watch(self.menu.value, rule), self._monitor.place_limits(rule)
        rows = []
        for measure in self._monitor.measures:
            values = [window.values[measure.name] for window in windows]
            alarms = [measure.name in window.alarms for window in windows]
            first = next((window.number for window in windows if measure.name in window.alarms), None)
            told = f"window {first}" if first else "no alarm"
            limit = limits[measure.name]
            rows.append((measure.name, _draw_line(values, limit, alarms), f"{limit:.3g}", told))
        self.view.value = style_html(
            f"<p role='status'><strong>{html.escape(self.menu.value)}</strong>: {self._tell_alarm(windows)}. "
            f"{self._tell_false(windows)}</p>"
            + draw_table(("measure", "windows, with the limit", "limit", "alarm"), rows, align="llrl")
        )

    def _tell_alarm(self, windows: Sequence[Window]) -> str:
        found = find_first_alarm(windows, after=self._start)
        if found is None:
            return "no alarm"
        return f"alarm after {found.num_served - self._start} requests ({', '.join(found.alarms)})"

    def _tell_false(self, windows: Sequence[Window]) -> str:
        quiet = [window for window in windows if window.num_served <= self._start]
        num = sum(bool(window.alarms) for window in quiet)
        return f"The first {len(quiet)} windows are quiet; {num} of them raised an alarm."

    def _tell_all(self, rows: list[tuple[str, list[Window]]], rule: AlertRule) -> str:
        names = [measure.name for measure in self._monitor.measures]
        cells = []
        for name, windows in rows:
            nums = (sum(measure in window.alarms for window in windows) for measure in names)
            cells.append((name, self._tell_alarm(windows), *(f"{num} of {len(windows)}" for num in nums)))
        caption = (
            f"Monitor dashboard: windows of {self._monitor.size} requests with an alarm, by measure; limit at "
            f"{rule.quantile:.1%} of quiet windows, {rule.in_a_row} in a row"
        )
        return draw_table(("incident", "first alarm after its start", *names), cells, caption, align="llr")


def _draw_line(values: Sequence[float], limit: float, alarms: Sequence[bool]) -> str:
    """Return a line of values as SVG with the limit dotted and the alarms as dots, and the same in words."""
    known = [value for value in [*values, limit] if value == value]
    if not known:
        return "nothing graded"
    low, high = min(known), max(known)
    scale = (HEIGHT - 8) / (high - low) if high > low else 0.0

    def place(number: int, value: float) -> tuple[float, float]:
        return 4 + (WIDTH - 8) * number / max(1, len(values) - 1), HEIGHT - 4 - scale * (value - low)

    points = [place(number, value) for number, value in enumerate(values) if value == value]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{ALARM_COLOUR}"/>'
        for (x, y), is_alarm in zip(
            [place(number, value) if value == value else (0, 0) for number, value in enumerate(values)],
            alarms,
            strict=True,
        )
        if is_alarm
    )
    dotted = ""
    if limit == limit:
        y = place(0, limit)[1]
        dotted = f'<line x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{MUTED_COLOUR}" stroke-dasharray="4 3"/>'
    words = f"{len(values)} windows, {sum(alarms)} of them with an alarm"
    return Html(
        f'<svg role="img" aria-label="{words}" width="{WIDTH}" height="{HEIGHT}">{dotted}'
        f'<polyline points="{line}" fill="none" stroke="{BAR_COLOUR}" stroke-width="1.5"/>{dots}</svg>'
    )
