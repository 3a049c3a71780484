"""The learner's own release, from a plain prompt to a watched one: what is asked for, and the evidence in one file.

A submission holds what was logged, row by row, and no total that a grade would have to believe: `grading` computes
every line anew. What it cannot know is whether the stored answers are the model's; the prompt stands in the file, so
whoever doubts them asks the model again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .datasets import Example, load_messages, make_examples
from .errors import DataError
from .evaluation import Report
from .gate import TASKS
from .incidents import Served, simulate_traffic
from .monitoring import AlertRule, Monitor, find_first_alarm
from .prompts import ELEMENTS, Prompt, load_prompt
from .releases import Release
from .results import PRICED_AT
from .runs import Run, Runs, make_report_dict, restore_report
from .settings import load_settings
from .tracking import hide_secrets

EDITION = 1
PARTS = ("dev", "gate", "held", "incident")


@dataclass(frozen=True)
class Brief:
    """What the capstone asks for.

    Attributes:
        prompt: its name in the registry; revision 1 is the plain prompt in production.
        task: what it does; a name in `gate.TASKS`.
        num_dev: messages for choosing: the first ones of `dev`.
        num_gate: messages of the gate: the first ones of `test`.
        num_held: the held-back ones: those that come next in `test`.
        least_held: with fewer of these nothing is claimed.
        min_score: the least share that must be right on the held-back messages.
        margin: how much of the score the gate lets a release lose.
        max_usd_per_1000: the most that 1,000 requests may cost at list price.
        max_delay: the most requests between the beginning of the incident and the alarm.
    """

    prompt: str = "choose_desk"
    task: str = "desk"
    num_dev: int = 40
    num_gate: int = 40
    num_held: int = 48
    least_held: int = 40
    min_score: float = 0.8
    margin: float = 0.1
    max_usd_per_1000: float = 0.05
    max_delay: int = 200

    @property
    def table(self):
        """What is asked for as a `pandas.DataFrame`."""
        import pandas

        rows = [
            ("the labels", ", ".join(TASKS[self.task].labels)),
            ("score on held-back messages", f"at least {self.min_score:.0%}, on at least {self.least_held}"),
            ("gate against the plain prompt", f"passes with a margin of {100 * self.margin:.0f} points"),
            ("gain over the plain prompt", "the paired comparison says “helps”"),
            (f"1,000 requests at {PRICED_AT[1]}", f"at most ${self.max_usd_per_1000:.3f}"),
            ("order", "chosen on dev before test was seen"),
            ("alarm after an incident", f"within {self.max_delay} requests, then rolled back"),
        ]
        return pandas.DataFrame(rows, columns=["what", "wanted"])


BRIEF = Brief()


def load_part(part: str) -> list[Example]:
    """Return the messages of a part: `dev`, `gate` or `held`.

    Where LLMOPS_EXAMPLES leaves too few for both parts of `test`, each gets a half; a grade then says so.
    """
    task = TASKS[BRIEF.task]
    if part == "dev":
        return task.load_examples("dev", BRIEF.num_dev)
    if part not in PARTS:
        raise DataError(f"There is no part “{part}”.", f"Choose one of {', '.join(PARTS)}.")
    examples = task.load_examples("test")
    is_whole = len(examples) >= BRIEF.num_gate + BRIEF.num_held
    num_gate = BRIEF.num_gate if is_whole else len(examples) // 2
    if part == "held":
        return examples[num_gate : num_gate + BRIEF.num_held]
    return examples[:num_gate]


def list_part_ids(part: str) -> set[str]:
    """Return the ids of a part of the whole data set, whatever LLMOPS_EXAMPLES says."""
    task = TASKS[BRIEF.task]
    split = "dev" if part == "dev" else "test"
    messages = [one for one in load_messages() if one.split == split and getattr(one, task.field) in task.labels]
    ids = [example.id for example in make_examples(messages, "text", task.field)]
    if part == "held":
        return set(ids[BRIEF.num_gate : BRIEF.num_gate + BRIEF.num_held])
    return set(ids[: BRIEF.num_dev if part == "dev" else BRIEF.num_gate])


def load_plain() -> Prompt:
    """Return the plain prompt that everybody begins with."""
    return load_prompt(BRIEF.prompt, 1)


# --- the watch -----------------------------------------------------------------------------------------------


class Watch(BaseModel):
    """How the stream is drawn and watched: enough to repeat it from the reports.

    Attributes:
        size: requests per window.
        quantile: the share of quiet windows within a limit; `in_a_row` windows beyond it raise an alarm.
        share_graded: the share of answers that a person grades.
        num_reference: requests of the quiet time that the monitor learns from.
        num_quiet: further quiet requests, in which false alarms are counted.
        start: the number of the request at which the incident begins.
        seed: of the drawing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(50, ge=10, le=1000)
    quantile: float = Field(0.995, gt=0.5, lt=1)
    in_a_row: int = Field(2, ge=1, le=20)
    share_graded: float = Field(0.2, ge=0, le=1)
    num_reference: int = Field(1000, ge=40, le=100_000)
    num_quiet: int = Field(5000, ge=1000, le=100_000)
    start: int = Field(500, ge=0, le=10_000)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class Sighting:
    """What a watch saw: the requests from the incident to the alarm, None without one, and the false alarms."""

    delay: int | None
    measures: tuple[str, ...]
    num_false: int
    num_windows: int


def make_traffic(usual: Report, changed: Report) -> dict[str, list[Served]]:
    """Return two reports on the same messages as traffic for `simulate_traffic`, before and after a changed prompt.

    The kind of question is the product that the message is about, which is known without a model.
    """
    products = {message.id: message.product for message in load_messages()}
    if [row.id for row in usual.rows] != [row.id for row in changed.rows]:
        raise DataError(
            f"“{usual.name}” and “{changed.name}” were not asked the same messages.", "Evaluate both on one part."
        )

    def list_served(report: Report, source: str) -> list[Served]:
        return [
            Served(
                f"{source} {row.id}",
                source,
                row.id,
                products[row.id],
                "none" if row.error else str(row.prediction),
                row.score,
                row.latency_s,
                row.prompt_tokens,
                row.completion_tokens,
            )
            for row in report.rows
        ]

    return {"production": list_served(usual, "production"), "changed prompt": list_served(changed, "changed prompt")}


def run_watch(usual: Report, changed: Report, watch: Watch) -> Sighting:
    """Return what a monitor sees: it learns from quiet traffic, watches more of it, and then the incident."""
    traffic, rule = make_traffic(usual, changed), AlertRule(watch.quantile, watch.in_a_row)

    def draw(num: int, step: int, incident: str = "none"):
        return simulate_traffic(traffic, num, incident, watch.start, watch.share_graded, watch.seed + step)

    monitor = Monitor(draw(watch.num_reference, 0), watch.size, rule, seed=watch.seed)
    quiet = list(monitor.watch(draw(watch.num_quiet, 1)))
    stream = draw(watch.start + 2000, 2, "prompt")
    found = find_first_alarm(monitor.watch(stream), after=watch.start)
    num_false = sum(bool(window.alarms) for window in quiet)
    if found is None:
        return Sighting(None, (), num_false, len(quiet))
    return Sighting(found.num_served - watch.start, found.alarms, num_false, len(quiet))


# --- the submission ------------------------------------------------------------------------------------------


class TrackedRun(BaseModel):
    """A run as its archive told it: what was asked of which part, and each answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    part: Literal["dev", "gate", "held", "incident"]
    prompt: dict
    num_shots: int = Field(ge=0, le=64)
    started_ms: int
    report: dict

    def load_prompt(self) -> Prompt:
        """Return the prompt. Raises `PromptError` where it is none."""
        return _restore_prompt(self.prompt)

    def load_report(self) -> Report:
        """Return the report. Raises `DataError` where it is none."""
        return restore_report(self.report)


class Submission(BaseModel):
    """The evidence of one learner.

    Attributes:
        learner: whose it is; also the name of the file.
        prompt: the four elements of the candidate.
        num_shots: how many examples stand before each message as earlier turns.
        runs: all tracked runs of the project in the order of their start; of equal ones the first.
        unread: what could not be read among the archives, in words.
        release: the history of production; None where nothing was released.
        watch: how the stream was watched, None where it was not.
        claims: what the learner's notebook showed, for a reader; a grade does not believe it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["llmops capstone"] = "llmops capstone"
    edition: Literal[1] = EDITION
    learner: str
    prompt: dict
    num_shots: int = Field(ge=0, le=64)
    runs: tuple[TrackedRun, ...]
    unread: tuple[str, ...] = ()
    release: Release | None = None
    watch: Watch | None = None
    claims: dict[str, float | str | None] = {}

    def load_prompt(self) -> Prompt:
        """Return the candidate. Raises `PromptError` where it is none."""
        return _restore_prompt(self.prompt)

    def find_run(self, part: str, version: str | None = None, num_shots: int | None = None) -> TrackedRun | None:
        """Return the run on a part with a prompt of this version: the one with most rows, of these the first."""
        fitting = [
            run
            for run in self.runs
            if run.part == part and version in (None, run.load_prompt().version) and num_shots in (None, run.num_shots)
        ]
        return max(fitting, key=lambda run: (len(run.report["rows"]), -run.started_ms), default=None)


def _restore_prompt(content: dict) -> Prompt:
    wrong = sorted(set(content) - {"name", "system", *ELEMENTS})
    if wrong or "name" not in content:
        raise DataError(f"A prompt holds {', '.join(wrong) or 'no name'}.", "Make the submission again.")
    return Prompt(**content)


def _store_prompt(prompt: Prompt) -> dict:
    kept = {name: value for name, value in asdict(prompt).items() if name in ("name", *ELEMENTS)}
    return kept | {"system": list(prompt.system)}


def make_submission(
    learner: str,
    prompt: Prompt,
    num_shots: int,
    runs: Runs | Sequence[Run],
    release: Release | None = None,
    watch: Watch | None = None,
) -> Submission:
    """Return the evidence as far as it is there: a part that is missing is missing, and a grade says which.

    Args:
        learner: letters, digits, hyphens and underscores; it becomes the name of the file.
        prompt: the candidate.
        num_shots: of the candidate.
        runs: from `list_runs(project=…)`; those without a report, a prompt or a part are left out.
        release: from `load_release`.
        watch: how the stream was watched.

    Raises:
        DataError: the name cannot be that of a file.
    """
    if not isinstance(learner, str) or not re.fullmatch(r"[\w-]{1,60}", learner):
        raise DataError(
            f"“{learner}” cannot name a submission.", "Use letters, digits, - and _, such as ada_lovelace; no blanks."
        )
    kept: dict[tuple, TrackedRun] = {}
    for run in runs:
        part, shots = run.parameters.get("part"), run.parameters.get("shots")
        if part not in PARTS or run.report is None or run.prompt is None or not isinstance(shots, int):
            continue
        key = (part, run.prompt.version, shots, tuple(row.id for row in run.report.rows))
        tracked = TrackedRun(
            name=run.name,
            part=part,
            prompt=_store_prompt(run.prompt),
            num_shots=shots,
            started_ms=run.started_ms,
            report=_shorten_report(run.report),
        )
        kept.setdefault(key, tracked)
    unread = tuple(f"{one.where}: {one.problem}" for one in getattr(runs, "problems", ()))
    made = Submission(
        learner=learner,
        prompt=_store_prompt(prompt),
        num_shots=num_shots,
        runs=tuple(kept.values()),
        unread=unread,
        release=release,
        watch=watch,
    )
    return made.model_copy(update={"claims": _sum_up(made, prompt)})


def _shorten_report(report: Report) -> dict:
    """Return a report without traces, and without the words of an error, which may hold a path."""
    content = make_report_dict(report)
    for row in content["rows"]:
        row["trace"] = None
        row["error"] = row["error"].partition(":")[0]
    return content


def _sum_up(submission: Submission, prompt: Prompt) -> dict[str, float | str | None]:
    held = submission.find_run("held", prompt.version, submission.num_shots)
    if held is None:
        return {}
    report = held.load_report()
    latencies = [row.latency_s for row in report.rows]
    return {
        "version": prompt.version,
        "score": round(float(report.score.value), 6),
        "usd_per_1000": round(report.price_at(*PRICED_AT), 6),
        "latency_p50_s": round(float(np.quantile(latencies, 0.5)), 3),
        "latency_p95_s": round(float(np.quantile(latencies, 0.95)), 3),
        "provenance": report.provenance,
    }


def save_submission(submission: Submission, folder: Path | None = None) -> Path:
    """Write a submission as a whole or not at all, without any key that is set here, and return its path.

    Args:
        submission: what to write.
        folder: default: `capstone` in LLMOPS_HOME.
    """
    folder = load_settings().home / "capstone" if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{submission.learner}.json"
    part = path.with_suffix(".part")
    text = json.dumps(submission.model_dump(mode="json"), indent=1, ensure_ascii=False)
    part.write_text(hide_secrets(text) + "\n", encoding="utf-8", newline="\n")
    os.replace(part, path)
    return path


def _check_rows(report: Report) -> None:
    """Raise `DataError` unless a report has rows, and each of them texts and numbers where they belong."""
    if not report.rows:
        raise DataError(f"the run “{report.name}” has no rows", "")
    for row in report.rows:
        numbers = (row.score, row.latency_s, row.prompt_tokens, row.completion_tokens)
        are_numbers = all(type(one) in (int, float) and 0 <= one < 1e9 for one in numbers)
        if not are_numbers or not all(isinstance(one, str) for one in (row.id, row.input, row.expected, row.error)):
            raise DataError(f"a row of the run “{report.name}” is none", "")


def load_submission(path: Path | str) -> Submission:
    """Return the submission in a file.

    Raises:
        DataError: there is no such file, it is cut off, something else, or of another edition; the message names it.
    """
    path = Path(path)
    again = "Ask for the file again: the last step of chapter 13 writes it."
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"There is no file {path.name}.", "Check the name and the folder.") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{path.name} is no JSON, or cut off (line {error.lineno}: {error.msg}).", again) from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path.name} cannot be read ({type(error).__name__}).", again) from None
    if not isinstance(content, dict) or content.get("format") != "llmops capstone":
        raise DataError(f"{path.name} is no submission of the capstone.", again)
    if content.get("edition") != EDITION:
        raise DataError(
            f"{path.name} is of edition {content.get('edition')!r:.20}, and this course reads edition {EDITION}.",
            "Grade it with the course that made it.",
        )
    try:
        submission = Submission.model_validate(content)
        submission.load_prompt()
        for run in submission.runs:
            run.load_prompt()
            _check_rows(run.load_report())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = " → ".join(map(str, first["loc"]))
        raise DataError(f"{path.name} is damaged at {where}: {first['msg']}.", again) from None
    except Exception as error:  # a prompt or a report that is none, in whatever way
        raise DataError(f"{path.name} is damaged: {getattr(error, 'problem', error)}", again) from None
    return submission
