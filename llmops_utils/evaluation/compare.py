"""Two reports on the same examples: how far the candidate differs from the baseline, and whether that can be told."""

from __future__ import annotations

import html
from dataclasses import dataclass

from ..core import DataError, draw_table
from .metrics import SIGNIFICANT, Estimate, compute_mcnemar, compute_sign_flip_p, estimate_difference
from .report import Report, sum_tokens


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline on the same examples.

    p is how probable a difference at least as large would be if the two were equally good: exact McNemar for right and
    wrong, a sign-flip test for anything between.
    """

    baseline: Report
    candidate: Report
    difference: Estimate  # of the mean scores, candidate minus baseline, with its paired bootstrap interval
    p: float
    gained: tuple[str, ...]  # ids on which the candidate scores higher
    lost: tuple[str, ...]

    @property
    def num(self) -> int:
        """How many examples were compared."""
        return len(self.baseline)

    @property
    def verdict(self) -> str:
        """`helps`, `hurts` or `cannot tell`: a verdict needs p below 0.05 and an interval on one side of 0."""
        if self.p < SIGNIFICANT and self.difference.low > 0:
            return "helps"
        if self.p < SIGNIFICANT and self.difference.high < 0:
            return "hurts"
        return "cannot tell"

    @property
    def price_ratio(self) -> float | None:
        """Tokens per example of the candidate over those of the baseline, None where the baseline takes none."""
        tokens = sum_tokens(self.baseline)
        return sum_tokens(self.candidate) / tokens if tokens else None

    def __str__(self) -> str:
        return f"{self.candidate.name} against {self.baseline.name}: {self._told_verdict}; {self._figures}"

    __repr__ = __str__

    @property
    def _told_verdict(self) -> str:
        return "cannot tell at this n" if self.verdict == "cannot tell" else self.verdict

    @property
    def _figures(self) -> str:
        return f"{format_points(self.difference)}, {format_p(self.p)}, n = {self.num}"

    def _repr_html_(self) -> str:
        rows = []
        for report in (self.baseline, self.candidate):
            tokens = f"{report.prompt_tokens:.0f} + {report.completion_tokens:.0f}"
            rows.append((report.name, report.score, tokens, f"{report.latency_s:.2f}"))
        table = draw_table(("system", "score", "tokens per example", "seconds per example"), rows, align="lr")
        price = "" if self.price_ratio is None else f"; {self.price_ratio:.1f} times the tokens"
        return (
            f"{table}<div><b>{html.escape(self.candidate.name)}: {self._told_verdict}.</b> {self._figures}; "
            f"{len(self.gained)} examples gained, {len(self.lost)} lost{price}.</div>"
        )


def format_points(difference: Estimate) -> str:
    """Return a difference of scores in percentage points with its interval, such as `+12 points [+4, +20]`."""
    value, low, high = (f"{100 * part:+.0f}" for part in (difference.value, difference.low, difference.high))
    return f"{value} points [{low}, {high}]"


def format_p(p: float) -> str:
    """Return a probability as a sentence tells it: `p = 0.023`, and where it is tiny `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def compare(baseline: Report, candidate: Report) -> Comparison:
    """Return how the candidate differs from the baseline, paired by example.

    Both hold the same examples in the same order, at least two. Where a system failed with an error nothing is compared:
    an answer that never came says nothing about the system.
    """
    if _list_asked(baseline) != _list_asked(candidate):
        raise DataError(
            f"“{baseline.name}” and “{candidate.name}” were not run on the same examples.",
            "Evaluate both on the same list, then compare.",
        )
    for report in (baseline, candidate):
        if report.num_failed:
            error = next(row.error for row in report.rows if row.error)
            told = f"“{report.name}” failed with an error on {report.num_failed} of {len(report)} examples: {error}"
            raise DataError(told, "Mend the cause, evaluate it again, then compare.")
    before, after = baseline.scores, candidate.scores
    difference = estimate_difference(before, after)
    test = compute_mcnemar if baseline.is_binary and candidate.is_binary else compute_sign_flip_p
    changes = list(zip((row.id for row in baseline.rows), after - before, strict=True))
    gained = tuple(name for name, change in changes if change > 0)
    lost = tuple(name for name, change in changes if change < 0)
    return Comparison(baseline, candidate, difference, test(before, after), gained, lost)


def _list_asked(report: Report) -> list[tuple]:
    return [(row.id, row.input, row.expected) for row in report.rows]
