"""What a grade is: its lines and their points, how one is shown, and a class of them in a table."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import Html, draw_table, write_whole
from .submissions import make_plain


@dataclass(frozen=True)
class Criterion:
    """One line of a grade: `points` of `of`, which is 0 for a line that only informs.

    `state` is `shown`, `missed`, or `not shown` where the interval holds the threshold: more messages might show it, and
    where the estimate reaches it, it is likely and gives half of the points.
    `next_step` says what to do where points are missing, and else is empty.
    """

    name: str
    wanted: str
    found: str
    points: int
    of: int
    state: str = ""
    next_step: str = ""

    @property
    def is_met(self) -> bool:
        """Whether all its points are reached."""
        return self.points == self.of

    @property
    def told_points(self) -> str:
        """The points in words."""
        return f"{self.points} of {self.of}" if self.of else "–"


@dataclass(frozen=True, repr=False)
class Grade:
    """The grade of one submission: a line for each criterion, the sum, and what a teacher should look at."""

    learner: str
    rows: tuple[Criterion, ...]
    warnings: tuple[str, ...] = ()
    runs: frozenset[tuple] = frozenset()  # starts and seconds, by which a copy is known

    @property
    def total(self) -> int:
        """The points reached."""
        return sum(row.points for row in self.rows)

    @property
    def total_of(self) -> int:
        """The points that can be reached."""
        return sum(row.of for row in self.rows)

    @property
    def line(self) -> str:
        """The grade in one line."""
        missing = ", ".join(row.name for row in self.rows if not row.is_met)
        told = f"{self.learner}: {self.total} of {self.total_of}; {f'missing: {missing}' if missing else 'complete'}"
        num = len(self.warnings)
        return told + (f"; {num} warning{'s' if num > 1 else ''}" if num else "")

    def __str__(self) -> str:
        lines = [f"{self.learner}: {self.total} of {self.total_of} points"]
        for row in self.rows:
            told = f"{row.state}: {row.found} (wanted: {row.wanted})" if row.of else row.found
            lines.append(f"{row.told_points:>8}  {row.name}: {told}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        graded = [row for row in self.rows if row.of]
        rows = [(row.told_points, row.name, row.state, row.found, row.wanted, row.next_step) for row in graded]
        title = Html(f"<b>Capstone of {html.escape(self.learner)}: {self.total} of {self.total_of} points</b>")
        told = [f"{row.name}: {row.found}" for row in self.rows if not row.of]
        told += [f"warning: {warning}" for warning in self.warnings]
        listed = "".join(f"<li>{html.escape(one)}</li>" for one in told)
        return (
            draw_table(("points", "criterion", "state", "found", "wanted", "next"), rows, title) + f"<ul>{listed}</ul>"
        )


def mark_copies(grades: Sequence[Grade]) -> list[Grade]:
    """Return the grades of a class, with a warning in those that share a run with another one."""
    marked = []
    for place, grade in enumerate(grades):
        twins = [one.learner for at, one in enumerate(grades) if at != place and one.runs & grade.runs]
        told = (f"a run of this file stands in that of {', '.join(twins)}, with the same times",) if twins else ()
        marked.append(replace(grade, warnings=grade.warnings + told))
    return marked


def write_table(grades: Sequence[Grade], path: Path) -> None:
    """Write a class as CSV, whole or not at all: a row for each learner, a column for each criterion, and the sum.

    No cell of it is a formula to a spreadsheet.
    """
    import pandas

    starts = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # also in full width

    def disarm(value: object) -> object:
        text = make_plain(value, 30_000).strip()  # a spreadsheet holds 32,767 characters in a cell
        return value if not isinstance(value, str) else f"'{text}" if text.startswith(starts) else text

    rows = [
        {"learner": grade.learner, "total": grade.total}
        | {row.name: row.points for row in grade.rows if row.of}
        | {"warnings": "; ".join(grade.warnings)}
        for grade in grades
    ]
    write_whole(path, pandas.DataFrame(rows).map(disarm).to_csv(index=False, lineterminator="\n"))
