"""The grade of a capstone submission: every line is computed from the stored answers, none is believed."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core import DataError, Html, WorkbookError, draw_table, write_whole
from ..evaluation import PRICED_AT, Comparison, compare, format_p, format_points
from ..operations import Decision, decide
from .capstone import BRIEF, load_plain, run_watch
from .scoring import ScoredRun
from .submissions import Submission, load_submission, make_plain

# Of each line that is graded: its points, and what is asked for.
WANTED = {
    "evidence": (10, "labels and scores as the data give them"),
    "baseline": (5, "the plain prompt on dev, tracked"),
    "candidate": (5, "another prompt on dev, tracked, compared in pairs"),
    "order": (10, "chosen on dev before test was seen"),
    "gate": (10, f"passes with a margin of {100 * BRIEF.margin:.0f} points"),
    "gain": (10, "“helps” against the plain prompt"),
    "held-back score": (20, f"at least {BRIEF.min_score:.0%} on at least {BRIEF.least_held} held-back messages"),
    "price": (10, f"1,000 requests for at most ${BRIEF.max_usd_per_1000:.3f}"),
    "release": (5, "promoted, with a gate that passes"),
    "watch": (10, f"an alarm within {BRIEF.max_delay} requests, and no more false ones than 1 window in 100"),
    "roll back": (5, "after the incident the candidate is in production again"),
}


@dataclass(frozen=True)
class Criterion:
    """One line of a grade: `points` of `of`, which is 0 for a line that only informs.

    `next_step` says what to do where points are missing, and else is empty.
    """

    name: str
    wanted: str
    found: str
    points: int
    of: int
    next_step: str = ""

    @property
    def is_met(self) -> bool:
        """Whether all its points are reached."""
        return self.points == self.of


@dataclass(frozen=True, repr=False)
class Grade:
    """The grade of one submission: a line for each criterion, the sum, and what a teacher should look at."""

    learner: str
    rows: tuple[Criterion, ...]
    warnings: tuple[str, ...] = ()

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
        lines += [f"{_tell_points(row):>8}  {row.name}: {row.found} (wanted: {row.wanted})" for row in self.rows]
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(_tell_points(row), row.name, row.wanted, row.found) for row in self.rows]
        title = Html(f"<b>Capstone of {html.escape(self.learner)}: {self.total} of {self.total_of} points</b>")
        told = "".join(f"<li>{html.escape(warning)}</li>" for warning in self.warnings)
        table = draw_table(("points", "criterion", "wanted", "found"), rows, title)
        return table + (f"<p><b>Warnings</b></p><ul>{told}</ul>" if told else "")


def _tell_points(row: Criterion) -> str:
    return f"{row.points} of {row.of}" if row.of else "–"


def compute_grade(submission: Submission) -> Grade:
    """Return the grade of a submission. What is missing in it costs points and is no error."""
    examination = _Examination(submission)
    rows = [replace(row, found=make_plain(row.found)) for row in examination.examine()]
    return Grade(submission.learner, tuple(rows), tuple(map(make_plain, examination.list_warnings())))


def grade_submission(path: Path | str) -> Grade:
    """Return the grade of the submission in a file. Raises `DataError` where it cannot be read, whatever is in it."""
    try:
        return compute_grade(load_submission(path))
    except WorkbookError as error:
        raise DataError(make_plain(error.problem), make_plain(error.next_step)) from None
    except Exception as error:  # one file of many: the others are graded all the same
        problem = f"{make_plain(Path(path).name)} cannot be graded ({type(error).__name__})."
        raise DataError(problem, "Ask for the file again: the last step of chapter 13 writes it.") from error


def _compare(baseline: ScoredRun | None, candidate: ScoredRun | None) -> Comparison | None:
    """Return the comparison of two runs, None where they do not pair."""
    if baseline is None or candidate is None:
        return None
    try:
        return compare(baseline.report, candidate.report)
    except WorkbookError:
        return None


class _Examination:
    """The criteria in the order of the steps. Each answer is scored once."""

    def __init__(self, submission: Submission) -> None:
        self.submission, self.shots = submission, submission.num_shots
        self.version, self.plain = submission.prompt.version, load_plain().version
        self.is_new = (self.version, self.shots) != (self.plain, 0)
        self.runs = [ScoredRun(run) for run in submission.runs]
        self.base_dev = self._find("dev", self.plain, 0)
        self.base_gate = self._find("gate", self.plain, 0)
        self.dev = self._find("dev", self.version, self.shots)
        self.gate = self._find("gate", self.version, self.shots)
        self.held = self._find("held", self.version, self.shots)
        history = submission.release.history if submission.release is not None else []
        self.history = [(entry.action, entry.version) for entry in history]
        self.decision = self._decide()
        self.passes = isinstance(self.decision, Decision) and self.decision.passes

    def _find(self, part: str, version: str | None = None, num_shots: int | None = None) -> ScoredRun | None:
        """Return the run on a whole part: of several one with the candidate's shots, then the first."""
        on_part = [run for run in self.runs if run.part == part and not run.gap]
        fitting = [run for run in on_part if version in (None, run.version) and num_shots in (None, run.num_shots)]
        return max(fitting, key=lambda run: (run.num_shots == self.shots, -run.started_ms), default=None)

    def _decide(self) -> Decision | str:
        """Return the gate's decision from the stored answers, or why there is none."""
        if self.base_gate is None or self.gate is None or not self.is_new:
            return "not both prompts were measured on the gate's messages"
        try:
            return decide(self.base_gate.report, self.gate.report, BRIEF.margin, BRIEF.max_usd_per_1000)
        except WorkbookError as error:
            return error.problem

    def list_warnings(self) -> Iterator[str]:
        """Return what a teacher should look at."""
        seen = {(run.version, run.num_shots) for run in self.runs if run.part in ("gate", "held")}
        tried = seen - {(self.plain, 0)}
        if len(tried) > 1:
            yield f"test was looked at with {len(tried)} candidates: the best of several is partly luck"
        sources = {run.told.provenance.partition(",")[0] for run in self.runs}
        if len(sources) > 1:
            yield f"the runs come from several models: {'; '.join(sorted(sources))}"
        for run in self.runs:
            if run.gap:
                yield f"“{run.name}” decides nothing: {run.gap}; unset LLMOPS_EXAMPLES and run the notebook again"
            if run.is_short:
                yield f"“{run.name}” tells fewer tokens than its prompt has words: the words were counted"
        for problem in self.submission.unread:
            yield f"not in the evidence: {problem}"

    def examine(self) -> Iterator[Criterion]:
        """Return the criteria one after the other."""
        yield self._check_evidence()
        told = str(self.base_dev or "no such run")
        yield _rate("baseline", told, self.base_dev is not None, "Track the plain prompt on dev (13.3).")
        yield self._check_candidate()
        yield self._check_order()
        yield self._check_gate()
        pair = _compare(self.base_gate, self.gate) if self.is_new else None
        told = "not measured" if pair is None else f"{pair.verdict}, {format_p(pair.p)}, n = {pair.num}"
        has_gained = pair is not None and pair.verdict == "helps"
        yield _rate("gain", told, has_gained, "Look for a larger effect on dev (13.4).")
        yield self._check_held()
        yield self._check_price()
        yield self._check_release()
        yield self._check_watch()
        told = " → ".join(f"{action} {version}" for action, version in self.history) or "no history"
        is_back = self.history[-1:] == [("roll back", self.version)] and self.is_new
        yield _rate("roll back", told, is_back, "Roll back (13.7).")
        yield from self._inform()

    def _check_evidence(self) -> Criterion:
        altered = [(run.name, name) for run in self.runs for name in run.altered]
        num_rows = sum(len(run.told) for run in self.runs)
        found = f"{num_rows} answers, {len(altered)} with another label, text or score than the data give"
        if altered:
            found += f"; the first: {altered[0][1]} in “{altered[0][0]}”"
        step = "Let the notebook write the file; nothing in it is changed by hand." if num_rows else "Track a run."
        return _rate("evidence", found, bool(num_rows) and not altered, step)

    def _check_candidate(self) -> Criterion:
        pair = _compare(self.base_dev, self.dev) if self.is_new else None
        found = str(self.dev or "no such run") if self.is_new else "the candidate is the plain prompt"
        if pair is not None:
            found += f"; {pair.verdict}, {format_points(pair.difference)}"
        return _rate("candidate", found, pair is not None, "Change the prompt and track it on dev (13.4).")

    def _check_order(self) -> Criterion:
        tried = [run for run in self.runs if (run.version, run.num_shots) == (self.version, self.shots)]
        seen = [run.started_ms for run in tried if run.part in ("gate", "held")]
        found, is_met = "the candidate was not on dev, or not on test", False
        if self.dev is not None and seen and self.is_new:
            is_met = self.dev.started_ms < min(seen)
            found = "dev first" if is_met else "test was seen before dev"
        return _rate("order", found, is_met, "Choose on dev first, then run 13.6.")

    def _check_gate(self) -> Criterion:
        decision, step = self.decision, "Go back to dev and improve the candidate (13.4)."
        if isinstance(decision, str):
            return _rate("gate", decision, False, "Run the gate (13.6).")
        found = f"{decision.outcome}: {format_points(decision.change)}, n = {decision.comparison.num}"
        return _rate("gate", found, decision.passes, step)

    def _check_held(self) -> Criterion:
        if self.held is None:
            return _rate("held-back score", "not measured", False, "Measure the held-back messages (13.6).")
        score = self.held.report.score
        is_met = float(score.value) >= BRIEF.min_score
        return _rate("held-back score", str(score), is_met, "Improve the prompt on dev (13.4).")

    def _check_price(self) -> Criterion:
        run = self.held or self.gate
        if run is None:
            return _rate("price", "not measured", False, "Measure the candidate on test (13.6).")
        usd = run.report.price_at(*PRICED_AT)
        found, step = f"${usd:.3f} at {PRICED_AT[1]}", "Use fewer or shorter examples, or say things once."
        return _rate("price", found, run.told.price_at(*PRICED_AT) > 0 and usd <= BRIEF.max_usd_per_1000, step)

    def _check_release(self) -> Criterion:
        is_out = ("promote", self.version) in self.history and self.is_new
        how = "after the gate passed" if self.passes else "although the gate does not pass"
        found = f"promoted {how}" if is_out else "not promoted"
        return _rate("release", found, is_out and self.passes, "Promote what passes (13.6).")

    def _check_watch(self) -> Criterion:
        usual, changed = self._find_incident()
        watch, step = self.submission.watch, "Watch the release and an incident (13.7)."
        if usual is None or changed is None or watch is None:
            return _rate("watch", "there is no watch, or no run of the incident", False, step)
        try:
            sighting = run_watch(usual.report, changed.report, watch)
        except WorkbookError as error:
            return _rate("watch", error.problem, False, step)
        delay = "no alarm" if sighting.delay is None else f"alarm after {sighting.delay} requests"
        found = f"{delay}; {sighting.num_false} of {sighting.num_windows} quiet windows with an alarm"
        is_quick = sighting.delay is not None and sighting.delay <= BRIEF.max_delay
        is_met = is_quick and 100 * sighting.num_false <= sighting.num_windows
        return _rate("watch", found, is_met, "Change the rule of the alarm (13.7).")

    def _find_incident(self) -> tuple[ScoredRun | None, ScoredRun | None]:
        """Return the runs of what was in production before the incident and of what took its place.

        The history tells them where it ends with a roll back; an earlier attempt may have had an incident of its own.
        """
        if len(self.history) < 2 or self.history[-1][0] != "roll back":
            return self.gate or self.base_gate, self._find("incident")
        return self._find("gate", self.history[-1][1]), self._find("incident", self.history[-2][1])

    def _inform(self) -> Iterator[Criterion]:
        """Return the lines without points."""
        parts = [run.part for run in self.runs]
        counts = ", ".join(f"{parts.count(part)} on {part}" for part in dict.fromkeys(parts)) or "none"
        latency = "not measured"
        if self.held is not None:
            p50, p95 = np.quantile([row.latency_s for row in self.held.told.rows], [0.5, 0.95])
            latency = f"p50 {p50:.2f} s, p95 {p95:.2f} s"
        models = "; ".join(dict.fromkeys(run.told.provenance for run in self.runs)) or "none asked"
        for name, found in (("run history", f"{len(parts)} runs: {counts}"), ("latency", latency), ("model", models)):
            yield Criterion(name, "for information", found, 0, 0)


def _rate(name: str, found: str, is_met: bool, next_step: str) -> Criterion:
    """Return a criterion with all its points, or with none and what to do next."""
    of, wanted = WANTED[name]
    return Criterion(name, wanted, found, of if is_met else 0, of, "" if is_met else next_step)


def tabulate_grades(grades: Sequence[Grade]):
    """Return a `pandas.DataFrame` for a class: a row for each learner, a column for each criterion, and the sum."""
    import pandas

    rows = [
        {"learner": grade.learner, "total": grade.total}
        | {row.name: row.points for row in grade.rows if row.of}
        | {"warnings": "; ".join(grade.warnings)}
        for grade in grades
    ]
    return pandas.DataFrame(rows)


def write_table(grades: Sequence[Grade], path: Path) -> None:
    """Write the table of a class as CSV, whole or not at all; no cell of it is a formula to a spreadsheet."""
    starts = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # also in full width

    def disarm(value: object) -> object:
        text = make_plain(value, 30_000).strip()  # a spreadsheet holds 32,767 characters in a cell
        return value if not isinstance(value, str) else f"'{text}" if text.startswith(starts) else text

    write_whole(path, tabulate_grades(grades).map(disarm).to_csv(index=False, lineterminator="\n"))
