"""A lesson's measured table: what is stored with the course, beside it what this run measured, and what both can decide."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..core import draw_table, load_settings
from .compare import Comparison, format_p, format_points
from .metrics import SIGNIFICANT, Estimate, adjust_holm
from .results import Result, keep_result, load_shipped

HEADS = ("technique", "task", "model", "n", "without → with", "change in points", "verdict", "chance", "constant")
LEAST_FLIPS = 6  # that McNemar's test needs, all in one direction, for a p below 0.05


@dataclass
class Measured:
    """The table of a lesson. Its sentences are made from its numbers, so that neither can contradict the other.

    In replay the stored rows are those that the recordings give. In a live run they come from the course's files, and
    the rows of this run stand below them as “yours”.
    """

    chapter: str  # address of the lesson, such as “06_2”
    chance: float | None = None  # the share right by guessing, for tasks that do not state their own; None for no guess
    _own: list[Result] = field(default_factory=list, repr=False)

    def add(self, technique: str, task: str, comparison: Comparison, chance: float | None = None) -> Result:
        """Keep a comparison as a row, in the place of an earlier one of the same name; return its result."""
        chance = self.chance if chance is None else chance
        found = keep_result(comparison, technique, task, self.chapter, chance)
        self._own = [one for one in self._own if _name(one) != _name(found)] + [found]
        return found

    @property
    def is_live(self) -> bool:
        """Whether what was added was measured in this run, and not recorded with the course."""
        settings = load_settings()
        return settings.asks and settings.results is None

    @property
    def stored(self) -> list[Result]:
        """The course's results for the techniques and tasks that were added, each with its verdict after correction."""
        if not self.is_live:
            return correct_verdicts(self._own)
        order = [_name(one) for one in self._own]
        tasks = [name[1:] for name in order]
        rows = [one for one in load_shipped(self.chapter) if _name(one)[1:] in tasks]
        rows.sort(key=lambda one: (tasks.index(_name(one)[1:]), _name(one) not in order))
        return correct_verdicts(rows)

    @property
    def yours(self) -> list[Result]:
        """What this run measured, where it asked a model; each with its verdict after correction."""
        return correct_verdicts(self._own) if self.is_live else []

    @property
    def sentences(self) -> list[str]:
        """What each row says, those of this run last."""
        stored, yours = self.stored, self.yours
        told = [tell_result(one, len(stored)) for one in stored]
        told += [f"Yours: {tell_result(one, len(yours))}" for one in yours]
        if any(one.num < 30 for one in yours):
            nums = sorted({one.num for one in yours})
            told.append(
                f"{' or '.join(map(str, nums))} examples decide little: a verdict needs at least {LEAST_FLIPS} answers "
                "that change, all of them in one direction."
            )
        return told

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        rows = [_list_cells(one) for one in self.stored]
        if not self.is_live:
            table = draw_table(HEADS, rows)
        else:
            rows = [["stored", *row] for row in rows] + [["yours", *_list_cells(one)] for one in self.yours]
            table = draw_table(("", *HEADS), rows)
        sentences = "".join(f"<li>{html.escape(one)}</li>" for one in self.sentences)
        return f"{table}<ul>{sentences}</ul>"


def correct_verdicts(results: Sequence[Result]) -> list[Result]:
    """Return results whose p is corrected for all of them, and their verdicts with it."""
    ps = adjust_holm([one.p for one in results])
    return [
        replace(one, p=p, verdict=one.verdict if p < SIGNIFICANT else "cannot tell")
        for one, p in zip(results, ps, strict=True)
    ]


def tell_result(one: Result, num: int = 1) -> str:
    """Return what a result says, as a sentence; `num` claims were corrected for."""
    change = format_points(Estimate(one.difference, one.difference_low, one.difference_high))
    among = f" among {num} verdicts" if num > 1 else ""
    scores = (
        f"{one.baseline_score:.0%} → {one.score:.0%}, {change}, {format_p(one.p)}{among}, n = {one.num} ({one.model})"
    )
    what = f"{one.technique} on {one.task}"
    if one.verdict == "cannot tell":
        return f"Whether {what} helps or hurts cannot be told: {scores}."
    rival = max(filter(None, (one.chance, one.constant)), default=0.0)
    beaten = "" if one.low > rival else f" It is not shown to beat {rival:.0%}, which takes no model."
    return f"{what[:1].upper()}{what[1:]} {one.verdict}: {scores}.{beaten}"


def _list_cells(one: Result) -> list[str]:
    change = format_points(Estimate(one.difference, one.difference_low, one.difference_high)).replace(" points", "")
    score = f"{one.baseline_score:.0%} → {one.score:.0%} [{one.low:.0%}, {one.high:.0%}]"
    rivals = ["–" if share is None else f"{share:.0%}" for share in (one.chance, one.constant)]
    score, change = (text.replace(", ", ",\N{NO-BREAK SPACE}") for text in (score, change))  # an interval in one line
    return [one.technique, one.task, one.model, str(one.num), score, change, one.verdict, *rivals]


def _name(one: Result) -> tuple[str, str, str]:
    return one.model, one.technique, one.task
