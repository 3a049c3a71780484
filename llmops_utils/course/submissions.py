"""The evidence of a capstone in one file: what was logged, row by row, and no total that a grade would have to believe.

`grading` computes every line anew. What it cannot know is whether the stored answers are the model's; the prompt stands
in the file, so whoever doubts them asks the model again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core import DataError, load_settings
from ..evaluation import PRICED_AT, Report
from ..operations import Release
from ..prompts import ELEMENTS, Prompt
from ..tracking import Run, Runs, hide_secrets, make_report_dict, restore_report
from .capstone import PARTS, Watch

EDITION = 1


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
    if not report.rows or not isinstance(report.provenance, str):
        raise DataError(f"the run “{report.name}” has no rows, or no provenance", "")
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
