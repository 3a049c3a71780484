"""The grade of a capstone submission: every line is computed from the stored replies, none is believed."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core import DataError, Html, WorkbookError, draw_table, write_whole
from ..evaluation import (
    PRICED_AT,
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
from .capstone import REFUSAL, Assistant, list_messages, load_brief, load_plain, run_watch, score_answer
from .submissions import AGAIN, Submission, TrackedRun, load_submission, make_plain

# Of the points of a line, by its state; in between, the interval holds the threshold.
SHARES = {"shown": 1.0, "likely, not shown": 0.5, "not shown": 0.0, "missed": 0.0}
Finding = tuple[str, str | bool]  # what was found, and its state, or whether it is what is asked for


@dataclass(frozen=True)
class Criterion:
    """One line of a grade: `points` of `of`, which is 0 for a line that only informs.

    `state` is one of `SHARES`; `next_step` says what to do where points are missing, and else is empty.
    """

    name: str
    found: str
    wanted: str = ""
    points: int = 0
    of: int = 0
    state: str = ""
    next_step: str = ""

    @property
    def told_points(self) -> str:
        """The points in words."""
        return f"{self.points} of {self.of}" if self.of else "–"


@dataclass(frozen=True, repr=False)
class Grade:
    """The grade of one submission: a line for each criterion, the sum, and what a teacher should look at.

    `runs` are the learner's own by their times, which no two learners share.
    """

    learner: str
    rows: tuple[Criterion, ...]
    warnings: tuple[str, ...] = ()
    runs: frozenset[tuple] = frozenset()

    @property
    def total(self) -> int:
        """The points reached."""
        return sum(row.points for row in self.rows)

    @property
    def told_total(self) -> str:
        """The points reached, of those that can be."""
        return f"{self.total} of {sum(row.of for row in self.rows)}"

    @property
    def line(self) -> str:
        """The grade in one line."""
        missing = ", ".join(row.name for row in self.rows if row.points < row.of)
        told = f"{self.learner}: {self.told_total}; {f'missing: {missing}' if missing else 'complete'}"
        return told + (f"; warnings: {len(self.warnings)}" if self.warnings else "")

    def __str__(self) -> str:
        lines = [f"{self.learner}: {self.told_total} points"]
        for row in self.rows:
            told = f"{row.state}: {row.found} (wanted: {row.wanted})" if row.of else row.found
            lines.append(f"{row.told_points:>8}  {row.name}: {told}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        graded = [row for row in self.rows if row.of]
        rows = [(row.told_points, row.name, row.state, row.found, row.wanted, row.next_step) for row in graded]
        title = Html(f"<b>Capstone of {html.escape(self.learner)}: {self.told_total} points</b>")
        told = [f"{row.name}: {row.found}" for row in self.rows if not row.of]
        told += [f"warning: {warning}" for warning in self.warnings]
        listed = "".join(f"<li>{html.escape(one)}</li>" for one in told)
        heads = ("points", "criterion", "state", "found", "wanted", "next")
        return draw_table(heads, rows, title) + f"<ul>{listed}</ul>"


def mark_copies(grades: Sequence[Grade]) -> list[Grade]:
    """Return the grades of a class, with a warning in those that share a run with another one."""
    marked = []
    for grade in grades:
        twins = ", ".join(one.learner for one in grades if one is not grade and one.runs & grade.runs)
        told = (f"a run of this file stands in that of {twins}, with the same times",) if twins else ()
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

    rows = []
    for grade in grades:
        points = {row.name: row.points for row in grade.rows if row.of}
        about = {"learner": grade.learner, "total": grade.total}
        rows.append(about | points | {"warnings": "; ".join(grade.warnings)})
    write_whole(path, pandas.DataFrame(rows).map(disarm).to_csv(index=False, lineterminator="\n"))


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
        raise DataError(problem, AGAIN) from error


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
    """The criteria of a submission: a method for each says what it found. Each reply is scored once.

    What cannot be computed, for want of a run, say, raises, and costs the points of its line.
    """

    def __init__(self, submission: Submission) -> None:
        self.submission, self.choices = submission, submission.choices
        self.runs = [_ScoredRun(run) for run in submission.runs]

    def find(self, part: str, is_plain: bool = False, but: str = "") -> _ScoredRun:
        """Return the first run on a whole part with the learner's choices, or with such as differ in the field `but`.

        Production's are no choices of the learner's: they are found with `is_plain`.
        """
        found = []
        for run in self.runs if is_plain or self.choices != load_plain() else ():
            asked = load_plain() if is_plain else self.choices
            wanted = asked.model_copy(update={but: getattr(run.choices, but)}) if but else asked
            if run.part == part and not run.gap and run.choices == wanted and (run.choices != asked or not but):
                found.append(run)
        if not found:
            raise DataError(
                f"{'the plain one' if is_plain else 'the candidate'} was not measured on {part}",
                "Run the notebook again.",
            )
        return min(found, key=lambda run: run.started_ms)

    def list_warnings(self) -> Iterator[str]:
        """Return what a teacher should look at."""
        for run in self.runs:
            if run.gap:
                yield f"“{run.name}” decides nothing: {run.gap}; unset LLMOPS_EXAMPLES and run the notebook again"
        for problem in self.submission.unread:
            yield f"not in the evidence: {problem}"

    def examine(self) -> Iterator[Criterion]:
        """Return the criteria one after the other, then which runs and models there were."""
        for name, (of, wanted, next_step) in load_brief().wanted.items():
            try:
                found, state = getattr(self, f"_check_{name.replace(' ', '_')}")()
            except WorkbookError as error:
                found, state = error.problem, False
            state = state if isinstance(state, str) else "shown" if state else "missed"
            points = math.floor(of * SHARES[state])
            yield Criterion(name, found, wanted, points, of, state, "" if points == of else next_step)
        parts = [run.part for run in self.runs]
        yield Criterion("runs", ", ".join(f"{parts.count(part)} on {part}" for part in dict.fromkeys(parts)) or "none")
        yield Criterion("models", "; ".join(dict.fromkeys(run.told.provenance for run in self.runs)) or "none asked")

    def _check_evidence(self) -> Finding:
        altered = [f"{name} in “{run.name}”" for run in self.runs for name in run.altered]
        num_rows = sum(len(run.told) for run in self.runs)
        found = f"{num_rows} answers, {len(altered)} with another label, text or score than the data give"
        return found + (f"; the first: {altered[0]}" if altered else ""), bool(num_rows) and not altered

    def _check_baseline(self) -> Finding:
        plain, dev = self.find("dev", is_plain=True), self.find("dev")
        pair = compare(plain.report, dev.report)
        return f"{plain}; {dev}; {pair.verdict}, {format_points(pair.difference)}", True

    def _check_order(self) -> Finding:
        dev, _ = self.find("dev"), self.find("held")
        opened = [run for run in self.runs if run.part == "held" and run.choices != load_plain()]
        if any(run.choices != self.choices for run in opened):
            return "held was opened for several candidates: the best of several is partly luck", False
        is_first = dev.started_ms < min(run.started_ms for run in opened)
        return "dev first" if is_first else "held was opened before dev", is_first

    def _check_gain(self) -> Finding:
        runs = (self.find("held", is_plain=True), self.find("held"))
        pair = compare(*(run.select(lambda row, one: one.pages) for run in runs))
        found = f"{pair.verdict}: {format_points(pair.difference)}, {format_p(pair.p)}, n = {pair.num}"
        return found, _judge(pair.difference, load_brief().min_gain)

    def _check_score(self) -> Finding:
        score = self.find("held").report.score
        return str(score), _judge(score, load_brief().min_score)

    def _check_trust(self) -> Finding:
        held = self.find("held")
        said = held.select(lambda row, one: row.prediction != REFUSAL).rows
        if not said:
            return "it answers nothing", False
        right = [row for row in said if row.score and held.pages[row.id] in held.messages[row.id].pages]
        share = estimate_proportion(len(right), len(said))
        return str(share), _judge(share, load_brief().min_trust)

    def _check_refusals(self) -> Finding:
        """Return by how much unanswerable messages are refused more often than others.

        Source of the interval: R. G. Newcombe, Interval estimation for the difference between independent proportions,
        Statistics in Medicine 17 (1998), method 10.
        """
        held = self.find("held")
        kinds = (held.select(lambda row, one: not one.pages).rows, held.select(lambda row, one: one.pages).rows)
        caught, lost = (
            estimate_proportion(sum(row.prediction == REFUSAL for row in rows), len(rows)) for rows in kinds
        )
        value = caught.value - lost.value
        low = value - math.hypot(caught.value - caught.low, lost.high - lost.value)
        high = value + math.hypot(caught.high - caught.value, lost.value - lost.low)
        skill = Estimate(value, low, high, 0.95)
        found = f"{caught.value:.0%} against {lost.value:.0%}: {format_points(skill)}"
        return found, _judge(skill, load_brief().min_skill)

    def _check_privacy(self) -> Finding:
        held = self.find("held")
        private = [(one, data) for one in held.messages.values() for data in one.private]
        texts = {row.id: f"{row.input} {row.prediction} {row.trace}" for row in held.told.rows}
        gone = estimate_proportion(sum(data not in texts[one.id] for one, data in private), len(private))
        return str(gone), _judge(gone, load_brief().min_private)

    def _check_price(self) -> Finding:
        held = self.find("held")
        usd, is_counted = held.report.price_at(*PRICED_AT), held.told.price_at(*PRICED_AT) > 0
        return f"${usd:.3f} at {PRICED_AT[1]}", is_counted and usd <= load_brief().max_usd_per_1000

    def _check_watch(self) -> Finding:
        dev, changed = self.find("dev"), self.find("changed", but="model")
        if self.submission.watch is None:
            return "no watch", False
        sighting = run_watch(dev.report, changed.report, self.submission.watch)
        delay = "no alarm" if sighting.delay is None else f"alarm after {sighting.delay} requests"
        is_quick = sighting.delay is not None and sighting.delay <= load_brief().max_delay
        found = f"{delay}; quiet windows without an alarm: {sighting.quiet}"
        return found, is_quick and _judge(sighting.quiet, load_brief().min_quiet)

    def _check_stale_page(self) -> Finding:
        runs = (self.find("stale"), self.find("mended", but="without"))
        named = set(runs[1].choices.without) - set(self.choices.without)
        counts = " → ".join(f"{run.report.scores.sum():.0f}" for run in runs)
        found = f"taken out: {', '.join(sorted(named))}; right {counts} of {len(runs[1].report)}"
        return found, named == {load_brief().stale["page"]}

    def _check_release(self) -> Finding:
        reports = (self.find("held", is_plain=True).report, self.find("held").report)
        gate = decide(*reports, load_brief().margin, load_brief().max_usd_per_1000)
        history = self.submission.release.history if self.submission.release is not None else []
        steps = " → ".join(f"{one.action} {one.version} {one.model}".strip() for one in history) or "no history"
        adapter = Path(self.choices.model).stem
        is_back = bool(history) and (history[-1].action, history[-1].version) == (
            "roll back",
            self.choices.prompt.version,
        )
        is_back = is_back and (adapter in history[-1].model if adapter else "+" not in history[-1].model)
        return f"gate: {gate.outcome}: {format_points(gate.change)}; {steps}", gate.passes and is_back


def _judge(found: Proportion | Estimate, threshold: float) -> str:
    """Return whether something is shown to reach a threshold: its interval lies above, around or below it."""
    if found.low >= threshold or found.high < threshold:
        return "shown" if found.low >= threshold else "missed"
    return "likely, not shown" if found.value >= threshold else "not shown"
