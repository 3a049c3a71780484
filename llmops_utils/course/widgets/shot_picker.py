"""Few-shot examples chosen by hand: see what a set of them does to the score, the labels and the price."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from ...core import RecordingMissing, WorkbookError, draw_table
from ...datasets import Message
from ...evaluation import Report, sum_tokens
from .base import TeachingWidget, style_html

Measure = Callable[[Sequence[Message], str], Report]
OWN = "your own choice"
NUM_LETTERS = 60


class ShotPicker(TeachingWidget):
    """Pick examples for a few-shot prompt, or a ready set, and measure them.

    Args:
        pool: the messages that may be shown to the model, with their intents.
        ready: sets of examples by name; they may hold messages that are not in the pool, such as wrongly labelled ones.
        measure: runs a few-shot prompt with these examples and returns its report under this name.
        reports: what is measured already, by the names of the ready sets; the others are measured now.

    Raises:
        WorkbookError: a ready set cannot be measured.
    """

    def __init__(
        self,
        pool: Sequence[Message],
        ready: Mapping[str, Sequence[Message]],
        measure: Measure,
        reports: Mapping[str, Report] | None = None,
    ) -> None:
        self._pool, self._ready, self._measure = list(pool), dict(ready), measure
        known = dict(reports or {})
        self.reports = {name: known.get(name) or measure(shots, name) for name, shots in self._ready.items()}
        self.labels = list(dict.fromkeys(shot.intent for shot in self._pool))
        self._labels_shown = list(dict.fromkeys(row.expected for row in next(iter(self.reports.values())).rows))
        self.menu = ipywidgets.Dropdown(options=[*self._ready, OWN], description="set")
        self.lists = {label: self._build_list(label) for label in self.labels}
        self.measure_button = ipywidgets.Button(description="Measure", tooltip="Measure the chosen examples")
        self._view = ipywidgets.HTML()
        self._message = ipywidgets.HTML()
        self.menu.observe(lambda _: self._follow_menu(), names="value")
        self.measure_button.on_click(lambda _: self.measure())
        grid = ipywidgets.VBox(list(self.lists.values()), layout=ipywidgets.Layout(display="none"))
        self._grid = grid
        best = max(self.reports.values(), key=lambda report: report.score.value)
        summary = (
            f"Shot picker: {len(self.reports)} ready sets of examples, measured on {len(best)} messages; "
            f"the best of them is “{best.name}” with {best.score}."
        )
        children = [self.menu, grid, self.measure_button, self._message, self._view]
        super().__init__(children, summary, self._tell_all())
        self.show(self.menu.value)

    @property
    def chosen(self) -> list[Message]:
        """The examples of the chosen set; for a choice of your own in the order of the pool."""
        if self.menu.value != OWN:
            return list(self._ready[self.menu.value])
        picked = {index for menu in self.lists.values() for index in menu.value}
        return [shot for index, shot in enumerate(self._pool) if index in picked]

    def pick(self, *ids: str) -> None:
        """Choose examples of the pool by their ids, as with the mouse."""
        for label, menu in self.lists.items():
            menu.value = tuple(i for i, shot in enumerate(self._pool) if shot.id in ids and shot.intent == label)
        self.menu.value = OWN

    def measure(self) -> None:
        """Measure what is chosen; say so where that is not possible."""
        if self.menu.value != OWN:
            self.show(self.menu.value)
            return
        shots = self.chosen
        self._message.value = f"<p role='status'>Measuring {len(shots)} examples …</p>"
        try:
            report = self._measure(shots, f"{OWN}: {len(shots)} examples")
        except RecordingMissing:
            self._message.value = (
                "<p role='status'>This choice is not among the recordings. The ready sets are; to measure your own "
                "choice, run the notebook with a model (LLMOPS_MODE=live).</p>"
            )
            return
        except WorkbookError as error:
            self._message.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        self.reports[OWN] = report
        self.show(OWN)

    def show(self, name: str) -> None:
        """Show a measured set in full: score, tokens, and each label."""
        report = self.reports[name]
        self._message.value = ""
        self._view.value = style_html(
            f"<p><strong>{html.escape(report.name)}</strong>: {html.escape(str(report.score))}; "
            f"{sum_tokens(report):.0f} tokens per message.</p>" + self._tell_labels(report)
        )

    def _follow_menu(self) -> None:
        is_own = self.menu.value == OWN
        self._grid.layout.display = None if is_own else "none"
        if not is_own:
            self.show(self.menu.value)
        elif OWN in self.reports:
            self.show(OWN)
        else:
            self._view.value, self._message.value = "", "<p role='status'>Choose examples and press Measure.</p>"

    def _build_list(self, label: str) -> ipywidgets.SelectMultiple:
        rows = [(_cut(shot.text), index) for index, shot in enumerate(self._pool) if shot.intent == label]
        return ipywidgets.SelectMultiple(
            options=rows, value=(), rows=3, description=label, layout=ipywidgets.Layout(width="95%")
        )

    def _tell_labels(self, report: Report) -> str:
        rows = []
        for label in self._labels_shown:
            of_label = [row for row in report.rows if row.expected == label]
            num_right = sum(row.score == 1 for row in of_label)
            num_named = sum(row.prediction == label for row in report.rows)
            rows.append((label, f"{num_right} of {len(of_label)}", f"{num_named} of {len(report)}"))
        return draw_table(("label", "right", "answered"), rows, align="lr")

    def _tell_all(self) -> str:
        rows = []
        for name, report in self.reports.items():
            cells = []
            for label in self._labels_shown:
                of_label = [row for row in report.rows if row.expected == label]
                cells.append(f"{sum(row.score == 1 for row in of_label)}/{len(of_label)}")
            rows.append((name, len(self._ready[name]), report.score, f"{sum_tokens(report):.0f}", *cells))
        heads = ["set", "examples", "score, with 95 % interval", "tokens per message", *self._labels_shown]
        caption = "Shot picker: each ready set, and the right answers for each label"
        return draw_table(heads, rows, caption, align="lr")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= NUM_LETTERS else line[: NUM_LETTERS - 1] + "…"
