"""The state of the capstone as a dashboard: what is done, what is missing, and what comes next."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets

from ...core import draw_table
from ..grading import Criterion, Grade, compute_grade
from ..submissions import Submission
from .base import TeachingWidget, style_html

MARKS = {True: "done", False: "open"}


class CapstoneBoard(TeachingWidget):
    """A check-list of the capstone, read from the evidence.

    Args:
        read: returns the evidence as it is now; called again by the button, so that the board follows the work.
    """

    def __init__(self, read: Callable[[], Submission]) -> None:
        self._read = read
        grade = compute_grade(read())
        self.refresh = ipywidgets.Button(description="Read again", tooltip="Read the evidence again")
        self.menu = ipywidgets.Dropdown(description="criterion", options=[row.name for row in _list_graded(grade)])
        self.view, self.detail = ipywidgets.HTML(), ipywidgets.HTML()
        self.refresh.on_click(lambda _: self.show())
        self.menu.observe(lambda _: self._show_detail(), names="value")
        super().__init__([self.refresh, self.view, self.menu, self.detail], _summarise(grade), _draw(grade))
        self._show(grade)

    def show(self) -> None:
        """Read the evidence again and show it."""
        self._show(compute_grade(self._read()))

    def _show(self, grade: Grade) -> None:
        self.grade = grade
        self.summary, self.static_html = _summarise(grade), _draw(grade)
        self.view.value = style_html(self.static_html)
        self._show_detail()

    def _show_detail(self) -> None:
        row = next(row for row in self.grade.rows if row.name == self.menu.value)
        step = row.next_step or "Nothing: all its points are reached."
        parts = {"Wanted": row.wanted, "Found": row.found, "Next": step}
        body = "".join(f"<li><strong>{name}:</strong> {html.escape(text)}</li>" for name, text in parts.items())
        self.detail.value = style_html(f"<div role='status'><ul>{body}</ul></div>")


def _list_graded(grade: Grade) -> list[Criterion]:
    return [row for row in grade.rows if row.of]


def _find_next(grade: Grade) -> Criterion | None:
    return next((row for row in _list_graded(grade) if not row.is_met), None)


def _summarise(grade: Grade) -> str:
    graded = _list_graded(grade)
    missing = _find_next(grade)
    then = "nothing is missing" if missing is None else f"next, {missing.name}: {missing.next_step}"
    return (
        f"Capstone dashboard: {sum(row.is_met for row in graded)} of {len(graded)} criteria done, {grade.total} of "
        f"{grade.total_of} points; {then}"
    )


def _draw(grade: Grade) -> str:
    missing = _find_next(grade)
    rows = []
    for row in _list_graded(grade):
        sign = "● " if row.is_met else "○ "
        pointer = " ◀ next" if row is missing else ""
        rows.append((f"{sign}{MARKS[row.is_met]}{pointer}", row.name, row.found, row.next_step))
    return draw_table(("state", "criterion", "found", "to do"), rows, _summarise(grade))
