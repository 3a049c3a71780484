"""The grade of a capstone submission: every line is computed from the stored answers, none is believed."""

from __future__ import annotations

import functools
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core import Html, WorkbookError, draw_table
from ..datasets import Message, load_messages
from ..evaluation import PRICED_AT, ChoiceMatch, Comparison, Report, Row, compare, format_points
from ..operations import TASKS, Decision, decide
from ..prompts import Prompt
from .capstone import BRIEF, Sighting, list_part_ids, load_plain, run_watch
from .submissions import Submission, TrackedRun, load_submission


@dataclass(frozen=True)
class Criterion:
    """One line of a grade.

    Attributes:
        name: what is looked at.
        wanted: what is asked for.
        found: what the evidence says.
        points: reached.
        of: reachable; 0 for a line that only informs.
        next_step: what to do where points are missing, else empty.
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
        told = f"{self.learner}: {self.total} of {self.total_of}"
        told += f"; missing: {missing}" if missing else "; complete"
        num = len(self.warnings)
        return told + (f"; {num} warning{'s' if num > 1 else ''}" if num else "")

    @property
    def table(self):
        """The criteria as a `pandas.DataFrame`."""
        import pandas

        rows = [[row.name, row.wanted, row.found, _tell_points(row)] for row in self.rows]
        return pandas.DataFrame(rows, columns=["criterion", "wanted", "found", "points"])

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


def grade_submission(path: Path | str) -> Grade:
    """Return the grade of the submission in a file. Raises `DataError` where it cannot be read."""
    return compute_grade(load_submission(path))


def compute_grade(submission: Submission) -> Grade:
    """Return the grade of a submission; what is missing in it costs points and is no error."""
    return Grade(submission.learner, tuple(_Examination(submission).examine()), tuple(_list_warnings(submission)))


# --- what the rows really say --------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _load_known() -> dict[str, Message]:
    return {message.id: message for message in load_messages()}


def rescore(report: Report) -> tuple[Report, list[str]]:
    """Return a report with the labels of the data set and scores computed anew, and the ids where it said otherwise.

    Rows on messages that the data set does not have, or has with another text, count as wrong.
    """
    task = TASKS[BRIEF.task]
    scorer = ChoiceMatch(task.labels)
    known = _load_known()
    rows: list[Row] = []
    altered, seen = [], set()
    for row in report.rows:
        message = known.get(row.id)
        label = getattr(message, task.field) if message is not None and message.text == row.input else None
        is_known = label in task.labels and row.id not in seen
        seen.add(row.id)
        score = float(scorer(row.prediction, label).value) if is_known and not row.error else 0.0
        if not is_known or (row.expected, row.score) != (label, score):
            altered.append(row.id)
        if is_known:
            rows.append(replace(row, expected=label, score=score))
    return replace(report, rows=tuple(rows)), altered


def _list_warnings(submission: Submission) -> Iterator[str]:
    seen = {(run.load_prompt().version, run.num_shots) for run in submission.runs if run.part in ("gate", "held")}
    tried = seen - {(load_plain().version, 0)}
    if len(tried) > 1:
        yield f"test was looked at with {len(tried)} candidates: the best of several is partly luck"
    sources = {run.load_report().provenance.partition(",")[0] for run in submission.runs}
    if len(sources) > 1:
        yield f"the runs come from several models: {'; '.join(sorted(sources))}"
    for problem in submission.unread:
        yield f"not in the evidence: {problem}"
    prompt = submission.load_prompt()
    held = submission.find_run("held", prompt.version, submission.num_shots)
    told = submission.claims.get("score")
    if held is not None and told is not None:
        report, _ = rescore(held.load_report())
        found = float(report.score.value) if report.rows else 0.0
        if not isinstance(told, int | float) or abs(told - found) > 1e-6:
            yield f"the file claims a score of {told} on the held-back messages; its answers score {found:.6g}"


class _Examination:
    """The criteria in the order of the steps."""

    def __init__(self, submission: Submission) -> None:
        self.submission = submission
        self.prompt, self.plain = submission.load_prompt(), load_plain()
        self.base_dev = self._find("dev", self.plain, 0)
        self.dev = self._find("dev", self.prompt, submission.num_shots)
        self.base_gate = self._find("gate", self.plain, 0)
        self.gate = self._find("gate", self.prompt, submission.num_shots)
        self.held = self._find("held", self.prompt, submission.num_shots)
        self.is_new = (self.prompt.version, submission.num_shots) != (self.plain.version, 0)

    def _find(self, part: str, prompt: Prompt, num_shots: int) -> TrackedRun | None:
        return self.submission.find_run(part, prompt.version, num_shots)

    def examine(self) -> Iterator[Criterion]:
        """Return the criteria one after the other."""
        yield self._check_evidence()
        yield self._check_baseline()
        yield self._check_candidate()
        yield self._check_order()
        yield self._check_gate()
        yield self._check_gain()
        yield self._check_held()
        yield self._check_price()
        yield self._check_release()
        yield self._check_watch()
        yield self._check_roll_back()
        yield self._tell_history()
        yield self._tell_latency()
        yield self._tell_model()

    def _check_evidence(self) -> Criterion:
        altered = [(run.name, one) for run in self.submission.runs for one in rescore(run.load_report())[1]]
        rows = sum(len(run.report["rows"]) for run in self.submission.runs)
        found = f"{rows} answers, {len(altered)} with another label, text or score than the data give"
        if altered:
            found += f"; the first: {altered[0][1]} in “{altered[0][0]}”"
        step = "Let the notebook write the file; nothing in it is changed by hand." if rows else "Track a run."
        return _score(
            "evidence", "labels and scores as the data give them", found, bool(rows) and not altered, 10, step
        )

    def _check_baseline(self) -> Criterion:
        is_met = self.base_dev is not None and bool(rescore(self.base_dev.load_report())[0].rows)
        step = "Track the plain prompt on dev (13.3)."
        return _score("baseline", "the plain prompt on dev, tracked", _tell(self.base_dev), is_met, 5, step)

    def _check_candidate(self) -> Criterion:
        is_there = bool(self.dev) and self.is_new
        found = _tell(self.dev) if self.is_new else "the candidate is the plain prompt"
        pair = _compare(self.base_dev, self.dev) if is_there else None
        if pair is not None:
            found += f"; {pair.verdict}, {format_points(pair.difference)}"
        return _score(
            "candidate",
            "another prompt on dev, tracked, compared in pairs",
            found,
            pair is not None,
            5,
            "Change the prompt and track it on dev (13.4).",
        )

    def _check_order(self) -> Criterion:
        seen = [run.started_ms for run in (self.gate, self.held) if run is not None]
        if self.dev is None or not seen or not self.is_new:
            found, is_met = "the candidate was not on dev, or not on test", False
        else:
            is_met = self.dev.started_ms < min(seen)
            found = "dev first" if is_met else "test was seen before dev"
        return _score(
            "order", "chosen on dev before test was seen", found, is_met, 10, "Choose on dev first, then run 13.6."
        )

    def _decide(self) -> Decision | str:
        """Return the gate's decision from the stored answers, or why there is none."""
        if self.base_gate is None or self.gate is None or not self.is_new:
            return "not both prompts were measured on the gate's messages"
        reports = [_keep_part(run, "gate") for run in (self.base_gate, self.gate)]
        try:
            return decide(*reports, BRIEF.margin, BRIEF.max_usd_per_1000)
        except WorkbookError as error:
            return error.problem

    def _check_gate(self) -> Criterion:
        decision = self._decide()
        is_met = isinstance(decision, Decision) and decision.passes
        found = decision if isinstance(decision, str) else f"{decision.outcome}: {format_points(decision.change)}"
        if isinstance(decision, Decision):
            found += f", n = {decision.comparison.num}"
        step = (
            "Run the gate (13.6)." if isinstance(decision, str) else "Go back to dev and improve the candidate (13.4)."
        )
        wanted = f"passes with a margin of {100 * BRIEF.margin:.0f} points"
        return _score("gate", wanted, found, is_met, 10, step)

    def _check_gain(self) -> Criterion:
        pair = _compare(self.base_gate, self.gate) if self.is_new else None
        found = "not measured" if pair is None else f"{pair.verdict}, p = {pair.p:.2g}, n = {pair.num}"
        is_met = pair is not None and pair.verdict == "helps"
        return _score(
            "gain", "“helps” against the plain prompt", found, is_met, 10, "Look for a larger effect on dev (13.4)."
        )

    def _check_held(self) -> Criterion:
        wanted = f"at least {BRIEF.min_score:.0%} on at least {BRIEF.least_held} held-back messages"
        if self.held is None:
            return _score(
                "held-back score", wanted, "not measured", False, 20, "Measure the held-back messages (13.6)."
            )
        report = _keep_part(self.held, "held")
        if len(report) < BRIEF.least_held:
            found = f"n is too small: {len(self.held.report['rows'])} messages, {len(report)} of them held back"
            step = "Unset LLMOPS_EXAMPLES and run the notebook again."
            return _score("held-back score", wanted, found, False, 20, step)
        is_met = float(report.score.value) >= BRIEF.min_score
        return _score("held-back score", wanted, str(report.score), is_met, 20, "Improve the prompt on dev (13.4).")

    def _check_price(self) -> Criterion:
        run = self.held or self.gate
        wanted = f"1,000 requests for at most ${BRIEF.max_usd_per_1000:.3f}"
        if run is None:
            return _score("price", wanted, "not measured", False, 10, "Measure the candidate on test (13.6).")
        usd = run.load_report().price_at(*PRICED_AT)
        step = "Use fewer or shorter examples, or say things once."
        return _score("price", wanted, f"${usd:.3f} at {PRICED_AT[1]}", 0 < usd <= BRIEF.max_usd_per_1000, 10, step)

    def _list_history(self) -> list[tuple[str, str]]:
        release = self.submission.release
        return [(entry.action, entry.version) for entry in release.history] if release is not None else []

    def _check_release(self) -> Criterion:
        decision, history = self._decide(), self._list_history()
        is_out = ("promote", self.prompt.version) in history and self.is_new
        passes = isinstance(decision, Decision) and decision.passes
        found = "promoted" if is_out else "not promoted"
        found += " after the gate passed" if is_out and passes else " although the gate does not pass" if is_out else ""
        return _score(
            "release", "promoted, with a gate that passes", found, is_out and passes, 5, "Promote what passes (13.6)."
        )

    def _check_watch(self) -> Criterion:
        wanted = f"an alarm within {BRIEF.max_delay} requests, and no more false ones than 1 window in 100"
        sighting = self._watch()
        if isinstance(sighting, str):
            return _score("watch", wanted, sighting, False, 10, "Watch the release and an incident (13.7).")
        delay = "no alarm" if sighting.delay is None else f"alarm after {sighting.delay} requests"
        found = f"{delay}; {sighting.num_false} of {sighting.num_windows} quiet windows with an alarm"
        is_quick = sighting.delay is not None and sighting.delay <= BRIEF.max_delay
        is_met = is_quick and 100 * sighting.num_false <= sighting.num_windows
        return _score("watch", wanted, found, is_met, 10, "Change the rule of the alarm (13.7).")

    def _watch(self) -> Sighting | str:
        usual, changed = self._find_incident()
        watch = self.submission.watch
        if usual is None or changed is None or watch is None:
            return "there is no watch, or no run of the incident"
        try:
            return run_watch(rescore(usual.load_report())[0], rescore(changed.load_report())[0], watch)
        except WorkbookError as error:
            return error.problem

    def _find_incident(self) -> tuple[TrackedRun | None, TrackedRun | None]:
        """Return the runs of what was in production before the incident and of what took its place.

        The history tells them where it ends with a roll back; an earlier attempt may have had an incident of its own.
        """
        history, shots = self._list_history(), self.submission.num_shots
        if len(history) < 2 or history[-1][0] != "roll back":
            return self.gate or self.base_gate, self.submission.find_run("incident")
        before, changed = history[-1][1], history[-2][1]
        find = self.submission.find_run
        return (
            find("gate", before, shots) or find("gate", before),
            find("incident", changed, shots) or find("incident", changed),
        )

    def _check_roll_back(self) -> Criterion:
        history = self._list_history()
        is_met = bool(history) and history[-1] == ("roll back", self.prompt.version) and self.is_new
        found = " → ".join(f"{action} {version}" for action, version in history) or "no history"
        return _score(
            "roll back",
            "after the incident the candidate is in production again",
            found,
            is_met,
            5,
            "Roll back (13.7).",
        )

    def _tell_history(self) -> Criterion:
        parts = [run.part for run in self.submission.runs]
        told = ", ".join(f"{parts.count(part)} on {part}" for part in dict.fromkeys(parts)) or "none"
        return Criterion("run history", "for information", f"{len(parts)} runs: {told}", 0, 0)

    def _tell_latency(self) -> Criterion:
        if self.held is None:
            return Criterion("latency", "for information", "not measured", 0, 0)
        latencies = [row.latency_s for row in self.held.load_report().rows]
        p50, p95 = np.quantile(latencies, [0.5, 0.95])
        return Criterion("latency", "for information", f"p50 {p50:.2f} s, p95 {p95:.2f} s", 0, 0)

    def _tell_model(self) -> Criterion:
        sources = dict.fromkeys(run.load_report().provenance for run in self.submission.runs)
        return Criterion("model", "for information", "; ".join(sources) or "none asked", 0, 0)


def _score(name: str, wanted: str, found: str, is_met: bool, of: int, next_step: str) -> Criterion:
    return Criterion(name, wanted, found, of if is_met else 0, of, "" if is_met else next_step)


def _tell(run: TrackedRun | None) -> str:
    if run is None:
        return "no such run"
    report, _ = rescore(run.load_report())
    return f"“{run.name}”: {report.score}" if report.rows else f"“{run.name}”: no message of the data"


def _keep_part(run: TrackedRun, part: str) -> Report:
    """Return the report, scored anew, without rows on messages that do not belong to the part."""
    report, _ = rescore(run.load_report())
    ids = list_part_ids(part)
    return replace(report, rows=tuple(row for row in report.rows if row.id in ids))


def _compare(baseline: TrackedRun | None, candidate: TrackedRun | None) -> Comparison | None:
    """Return the comparison of two runs, scored anew, or None where they do not pair."""
    if baseline is None or candidate is None:
        return None
    try:
        return compare(rescore(baseline.load_report())[0], rescore(candidate.load_report())[0])
    except WorkbookError:
        return None


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
