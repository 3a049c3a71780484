"""An agent's traces to step through: thought, action, observation, and whether answer and tools were right."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets

from ...agents import Trace, draw_trace
from ...core import DataError, draw_table
from ...datasets import Task
from ...evaluation import Score, ValueMatch
from .base import TeachingWidget, style_html


class TraceInspector(TeachingWidget):
    """Traces that are there already, replayed step by step; no model is asked.

    Args:
        traces: at least one, of different questions.
        tasks: in the order of the traces, with the expected answer and the expected tools.
        scorer: decides whether an answer is right.
    """

    def __init__(
        self,
        traces: Sequence[Trace],
        tasks: Sequence[Task],
        scorer: Callable[[object, str], Score] | None = None,
    ) -> None:
        if not traces or [trace.question for trace in traces] != [task.question for task in tasks]:
            raise DataError("Traces and tasks do not belong together.", "Give one task per trace, in the same order.")
        self.traces, self.tasks = list(traces), list(tasks)
        scorer = scorer or ValueMatch()
        self.is_right = [
            bool(scorer(trace.answer, task.answer).value == 1) for trace, task in zip(traces, tasks, strict=True)
        ]
        self.has_tools = [trace.actions == task.tools for trace, task in zip(traces, tasks, strict=True)]
        self._num_steps = 0
        options = [
            (f"{number}. {'✓' if is_right else '✗'} {task.question[:80]}", number - 1)
            for number, (task, is_right) in enumerate(zip(tasks, self.is_right, strict=True), 1)
        ]
        self.menu = ipywidgets.Dropdown(
            options=options, value=0, description="question", layout=ipywidgets.Layout(width="auto")
        )
        self.back_button = ipywidgets.Button(description="Back", tooltip="One step back")
        self.forward_button = ipywidgets.Button(description="Forward", tooltip="The next step, then the answer")
        self.start_button = ipywidgets.Button(description="To the start", tooltip="Only the question")
        self.end_button = ipywidgets.Button(description="To the end", tooltip="All steps and the answer")
        self.view = ipywidgets.HTML()
        self.back_button.on_click(lambda _: self.go_to(self._num_steps - 1))
        self.forward_button.on_click(lambda _: self.go_to(self._num_steps + 1))
        self.start_button.on_click(lambda _: self.go_to(0))
        self.end_button.on_click(lambda _: self.go_to(self.last))
        self.menu.observe(lambda _: self.go_to(0), names="value")
        buttons = ipywidgets.HBox([self.start_button, self.back_button, self.forward_button, self.end_button])
        num_right, num_tools = sum(self.is_right), sum(self.has_tools)
        summary = (
            f"Trace inspector: {len(self.traces)} questions, {num_right} answers right, "
            f"{num_tools} with the expected tools."
        )
        super().__init__([self.menu, buttons, self.view], summary, self._draw_all(summary))
        self.go_to(0)

    @property
    def last(self) -> int:
        """The place after the last step, where the answer stands."""
        return len(self.traces[self.menu.value].steps) + 1

    @property
    def num_steps(self) -> int:
        """How many steps are shown; one more than there are shows the answer as well."""
        return self._num_steps

    def go_to(self, num_steps: int) -> None:
        """Show the first steps of the chosen trace; past the last one, its answer and the verdict."""
        self._num_steps = min(max(num_steps, 0), self.last)
        self.back_button.disabled = self.start_button.disabled = self._num_steps == 0
        self.forward_button.disabled = self.end_button.disabled = self._num_steps == self.last
        shown = draw_trace(self.traces[self.menu.value], self._num_steps)
        is_end = self._num_steps == self.last
        place = "answer" if is_end else f"step {self._num_steps} of {self.last - 1}"
        verdict = f"<div role='status'>{self._judge(self.menu.value)}</div>" if is_end else ""
        self.view.value = style_html(f"{shown}{verdict}<div style='opacity:.7'>{place}</div>")

    def _judge(self, index: int) -> str:
        """Return the verdict on a trace as HTML."""
        task = self.tasks[index]
        answer = "✓ right" if self.is_right[index] else f"✗ wrong, expected {html.escape(task.answer)}"
        tools = "✓ as expected" if self.has_tools[index] else f"✗ expected {html.escape(' → '.join(task.tools))}"
        return f"<b>Answer:</b> {answer} · <b>Tools:</b> {tools}"

    def _draw_all(self, summary: str) -> str:
        """Return all traces as one table, and the first one step by step."""
        rows = []
        for trace, task, is_right in zip(self.traces, self.tasks, self.is_right, strict=True):
            used, expected = " → ".join(trace.actions) or "none", " → ".join(task.tools)
            rows.append((task.question, used, expected, trace.answer, f"{'✓' if is_right else '✗'} {task.answer}"))
        heads = ("question", "tools used", "tools expected", "answer", "expected answer")
        first = f"<div>{html.escape(summary)}</div>{draw_trace(self.traces[0])}<div>{self._judge(0)}</div>"
        return first + draw_table(heads, rows)
