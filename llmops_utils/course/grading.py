"""The grade of a capstone submission: every line is computed from the stored replies, none is believed."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..core import DataError, WorkbookError
from ..evaluation import (
    PRICED_AT,
    Comparison,
    Estimate,
    Proportion,
    Report,
    Row,
    compare,
    estimate_proportion,
    format_p,
    format_points,
)
from ..operations import decide, redact_personal_data
from .capstone import REFUSAL, Assistant, Choices, list_messages, load_brief, load_plain, run_watch, score_answer
from .grades import Criterion, Grade
from .submissions import Submission, TrackedRun, load_submission, make_plain

# Of the points of a line, by its state; in between, the interval holds the threshold.
SHARES = {"shown": 1.0, "likely, not shown": 0.5, "not shown": 0.0, "missed": 0.0}


def compute_grade(submission: Submission) -> Grade:
    """Return the grade of a submission. What is missing in it costs points and is no error."""
    examination = _Examination(submission)
    rows = [replace(row, found=make_plain(row.found)) for row in examination.examine()]
    own = [run for run in submission.runs if run.choices != load_plain()]
    runs = frozenset((run.started_ms, *(row.latency_s for row in run.report.rows)) for run in own)
    return Grade(submission.learner, tuple(rows), tuple(map(make_plain, examination.list_warnings())), runs)


def grade_submission(path: Path | str) -> Grade:
    """Return the grade of the submission in a file. Raises `DataError` where it cannot be read, whatever is in it."""
    try:
        return compute_grade(load_submission(path))
    except WorkbookError as error:
        raise DataError(make_plain(error.problem), make_plain(error.next_step)) from None
    except Exception as error:  # one file of many: the others are graded all the same
        problem = f"{make_plain(Path(path).name)} cannot be graded ({type(error).__name__})."
        raise DataError(problem, "Ask for the file again: the last step of the capstone writes it.") from error


class _ScoredRun:
    """A run scored anew: `report` holds the rows of its part, `altered` the ids of rows that said something else.

    `gap` tells what is missing of the part: such a run decides nothing, since who leaves out wrong answers scores better.
    """

    def __init__(self, run: TrackedRun) -> None:
        self.name, self.part, self.choices, self.started_ms = run.name, run.part, run.choices, run.started_ms
        self.told, self.messages = run.report, {one.id: one for one in list_messages(run.part)}
        self.pages: dict[str, str] = {}  # that was cited, by the id of a message
        self.altered: list[str] = []
        assistant = Assistant(None, run.choices, run.part in ("stale", "mended"))
        rows = [self._rescore(row, assistant) for row in run.report.rows]
        self.report = replace(run.report, rows=tuple(row for row in rows if row is not None))
        num_missing = len(self.messages) - len(self.report)
        self.gap = f"{num_missing} of {len(self.messages)} messages of {run.part} are missing" if num_missing else ""

    def _rescore(self, row: Row, assistant: Assistant) -> Row | None:
        """Return a row as its reply makes it; none for a message that is not of the part, or that stood there before."""
        message = self.messages.get(row.id)
        if message is None or row.id in self.pages:
            self.altered.append(row.id)
            return None
        asked, expected = redact_personal_data(message.text).text, message.answer or REFUSAL
        chunks = assistant.find(asked)
        reply = (row.trace or [{}])[0].get("reply", "")
        answer, self.pages[row.id] = assistant.decide(str(reply), chunks)
        score = 0.0 if row.error else float(score_answer(answer, expected).value)
        told = (row.input, row.expected, row.score, answer if row.error else row.prediction)
        if told != (asked, expected, score, answer):
            self.altered.append(row.id)
        # A call takes no fewer tokens than question and passages have words.
        shown = " ".join([asked, *(assistant.show(asked, chunk) for chunk in chunks)])
        tokens = row.prompt_tokens if row.error else max(row.prompt_tokens, len(shown.split()))
        return replace(row, input=asked, expected=expected, prediction=answer, score=score, prompt_tokens=tokens)

    def select(self, is_kept) -> Report:
        """Return the report on the messages for which `is_kept(row, message)` holds."""
        rows = tuple(row for row in self.report.rows if is_kept(row, self.messages[row.id]))
        return replace(self.report, rows=rows)

    def __str__(self) -> str:
        return f"“{self.name}”: {self.report.score}"


class _Examination:
    """The criteria in the order of the steps. Each reply is scored once."""

    def __init__(self, submission: Submission) -> None:
        self.submission, self.choices = submission, submission.choices
        self.is_new = self.choices != load_plain()
        self.runs = [_ScoredRun(run) for run in submission.runs]
        self.plain_dev, self.plain_held = self._find("dev", load_plain()), self._find("held", load_plain())
        self.dev, self.held, self.stale = (
            self._find(part, self.choices, self.is_new) for part in ("dev", "held", "stale")
        )

    def _find(self, part: str, choices: Choices, is_wanted: bool = True, but: str = "") -> _ScoredRun | None:
        """Return the first run on a whole part with these choices, or with such as differ in the field `but`."""
        found = []
        for run in self.runs if is_wanted else ():
            asked = choices.model_copy(update={but: getattr(run.choices, but)}) if but else choices
            if run.part == part and not run.gap and run.choices == asked and (asked != choices or not but):
                found.append(run)
        return min(found, key=lambda run: run.started_ms, default=None)

    def list_warnings(self) -> Iterator[str]:
        """Return what a teacher should look at."""
        for run in self.runs:
            if run.gap:
                yield f"“{run.name}” decides nothing: {run.gap}; unset LLMOPS_EXAMPLES and run the notebook again"
        for problem in self.submission.unread:
            yield f"not in the evidence: {problem}"

    def examine(self) -> Iterator[Criterion]:
        """Return the criteria one after the other."""
        altered = [f"{name} in “{run.name}”" for run in self.runs for name in run.altered]
        num_rows = sum(len(run.told) for run in self.runs)
        found = f"{num_rows} answers, {len(altered)} with another label, text or score than the data give"
        found += f"; the first: {altered[0]}" if altered else ""
        yield _rate("evidence", found, bool(num_rows) and not altered)
        pair = _compare(self.plain_dev and self.plain_dev.report, self.dev and self.dev.report)
        found = "; ".join(str(run) for run in (self.plain_dev, self.dev) if run) or "no run on dev"
        found += f"; {pair.verdict}, {format_points(pair.difference)}" if pair else ""
        yield _rate("baseline", found, pair is not None)
        yield self._check_order()
        if self.held is None:
            yield from (
                _rate(name, "not measured", False)
                for name in ("gain", "score", "trust", "refusals", "privacy", "price")
            )
        else:
            yield from self._check_held(self.held)
        yield self._check_watch()
        mended = self._find("mended", self.choices, self.is_new, "without")
        found, named = "not mended", set()
        if self.stale and mended:
            named = set(mended.choices.without) - set(self.choices.without)
            counts = " → ".join(f"{run.report.scores.sum():.0f}" for run in (self.stale, mended))
            found = f"taken out: {', '.join(sorted(named))}; right {counts} of {len(mended.report)}"
        yield _rate("stale page", found, named == {load_brief().stale["page"]})
        yield self._check_release()
        counts = [run.part for run in self.runs]
        found = ", ".join(f"{counts.count(part)} on {part}" for part in dict.fromkeys(counts)) or "none"
        yield Criterion("runs", "", found, 0, 0)
        models = "; ".join(dict.fromkeys(run.told.provenance for run in self.runs)) or "none asked"
        yield Criterion("models", "", models, 0, 0)

    def _check_order(self) -> Criterion:
        opened = [run for run in self.runs if run.part == "held" and run.choices != load_plain()]
        found = "the candidate was not on dev, or not on held"
        if any(run.choices != self.choices for run in opened):
            found = "held was opened for several candidates: the best of several is partly luck"
        elif self.dev and opened:
            is_first = self.dev.started_ms < min(run.started_ms for run in opened)
            found = "dev first" if is_first else "held was opened before dev"
        return _rate("order", found, found == "dev first")

    def _check_held(self, held: _ScoredRun) -> Iterator[Criterion]:
        """Return the lines that are computed from the candidate on held."""
        pair = _compare(*(run and run.select(lambda row, one: one.pages) for run in (self.plain_held, held)))
        found, state = "the plain assistant was not measured", "missed"
        if pair is not None:
            found = f"{pair.verdict}: {format_points(pair.difference)}, {format_p(pair.p)}, n = {pair.num}"
            state = _judge(pair.difference, load_brief().min_gain)
        yield _rate("gain", found, state)
        yield _rate("score", str(held.report.score), _judge(held.report.score, load_brief().min_score))
        said = held.select(lambda row, one: row.prediction != REFUSAL).rows
        right = [row for row in said if row.score and held.pages[row.id] in held.messages[row.id].pages]
        share = estimate_proportion(len(right), len(said)) if said else None
        yield _rate(
            "trust", str(share or "it answers nothing"), _judge(share, load_brief().min_trust) if share else False
        )
        skill, found = _measure_refusals(held)
        yield _rate("refusals", found, _judge(skill, load_brief().min_skill))
        private = [(one, data) for one in held.messages.values() for data in one.private]
        texts = {row.id: f"{row.input} {row.prediction} {row.trace}" for row in held.told.rows}
        gone = estimate_proportion(sum(data not in texts[one.id] for one, data in private), len(private))
        yield _rate("privacy", str(gone), _judge(gone, load_brief().min_private))
        usd, is_counted = held.report.price_at(*PRICED_AT), held.told.price_at(*PRICED_AT) > 0
        yield _rate("price", f"${usd:.3f} at {PRICED_AT[1]}", is_counted and usd <= load_brief().max_usd_per_1000)

    def _check_watch(self) -> Criterion:
        changed = self._find("changed", self.choices, self.is_new, "model")
        if self.dev is None or changed is None or self.submission.watch is None:
            return _rate("watch", "no watch, or no run after the provider's change", False)
        try:
            sighting = run_watch(self.dev.report, changed.report, self.submission.watch)
        except WorkbookError as error:
            return _rate("watch", error.problem, False)
        delay = "no alarm" if sighting.delay is None else f"alarm after {sighting.delay} requests"
        is_quick = sighting.delay is not None and sighting.delay <= load_brief().max_delay
        found = f"{delay}; quiet windows without an alarm: {sighting.quiet}"
        return _rate("watch", found, _judge(sighting.quiet, load_brief().min_quiet) if is_quick else False)

    def _check_release(self) -> Criterion:
        passes, found = False, "not both assistants were measured on held"
        if self.plain_held and self.held:
            try:
                told = decide(
                    self.plain_held.report, self.held.report, load_brief().margin, load_brief().max_usd_per_1000
                )
                passes, found = told.passes, f"{told.outcome}: {format_points(told.change)}"
            except WorkbookError as error:
                found = error.problem
        history = self.submission.release.history if self.submission.release is not None else []
        last, adapter = history[-1:], Path(self.choices.model).stem
        is_back = [(one.action, one.version) for one in last] == [("roll back", self.choices.prompt.version)]
        is_back = is_back and self.is_new and (adapter in last[0].model if adapter else "+" not in last[0].model)
        steps = " → ".join(f"{one.action} {one.version} {one.model}".strip() for one in history) or "no history"
        return _rate("release", f"gate: {found}; {steps}", passes and is_back)


def _measure_refusals(held: _ScoredRun) -> tuple[Estimate, str]:
    """Return by how much unanswerable messages are refused more often than others, and both shares in words.

    Source of the interval: R. G. Newcombe, Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17 (1998), method 10.
    """
    answerable = held.select(lambda row, one: one.pages).rows
    others = held.select(lambda row, one: not one.pages).rows
    caught, lost = (
        estimate_proportion(sum(row.prediction == REFUSAL for row in rows), len(rows)) for rows in (others, answerable)
    )
    value = caught.value - lost.value
    low = value - math.hypot(caught.value - caught.low, lost.high - lost.value)
    high = value + math.hypot(caught.high - caught.value, lost.value - lost.low)
    skill = Estimate(value, low, high, 0.95)
    return skill, f"{caught.value:.0%} against {lost.value:.0%}: {format_points(skill)}"


def _compare(baseline: Report | None, candidate: Report | None) -> Comparison | None:
    """Return the comparison of two reports, None where they do not pair."""
    if baseline is None or candidate is None:
        return None
    try:
        return compare(baseline, candidate)
    except WorkbookError:
        return None


def _judge(found: Proportion | Estimate, threshold: float) -> str:
    """Return whether something is shown to reach a threshold: its interval lies above, around or below it."""
    if found.low >= threshold or found.high < threshold:
        return "shown" if found.low >= threshold else "missed"
    return "likely, not shown" if found.value >= threshold else "not shown"


def _rate(name: str, found: str, state: str | bool) -> Criterion:
    """Return a criterion with its points: all, half where it is likely and not shown, or none."""
    of, wanted, next_step = load_brief().wanted[name]
    state = state if isinstance(state, str) else "shown" if state else "missed"
    points = math.floor(of * SHARES[state])
    return Criterion(name, wanted, found, points, of, state, "" if points == of else next_step)
