"""The evidence of a capstone in one file: what was logged, row by row, and no total that a grade would have to believe.

`grading` computes every line anew. What it cannot know is whether the stored answers are the model's; the prompt stands
in the file, so whoever doubts them asks the model again.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core import DataError, load_settings, read_json, write_whole
from ..evaluation import Report
from ..operations import Release
from ..prompts import ELEMENTS, Prompt
from ..tracking import Runs, hide_secrets, make_report_dict, restore_report
from .capstone import PARTS, Watch

EDITION = 2


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
        prompt: the four elements of the candidate; `num_shots` examples stand before each message as earlier turns.
        runs: all tracked runs of the project in the order of their start; of equal ones the first.
        unread: what could not be read among the archives, in words.
        release: the history of production; None where nothing was released.
        watch: how the stream was watched, None where it was not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["llmops capstone"] = "llmops capstone"
    edition: Literal[2] = EDITION
    learner: str
    prompt: dict
    num_shots: int = Field(ge=0, le=64)
    runs: tuple[TrackedRun, ...]
    unread: tuple[str, ...] = ()
    release: Release | None = None
    watch: Watch | None = None

    def load_prompt(self) -> Prompt:
        """Return the candidate. Raises `PromptError` where it is none."""
        return _restore_prompt(self.prompt)


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
    runs: Runs,
    release: Release | None = None,
    watch: Watch | None = None,
) -> Submission:
    """Return the evidence as far as it is there: a part that is missing is missing, and a grade says which.

    Args:
        learner: letters, digits, hyphens and underscores; it becomes the name of the file.
        prompt: the candidate, before whose messages `num_shots` examples stand.
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
        if key not in kept:
            kept[key] = TrackedRun(
                name=run.name,
                part=part,
                prompt=_store_prompt(run.prompt),
                num_shots=shots,
                started_ms=run.started_ms,
                report=_shorten_report(run.report),
            )
    return Submission(
        learner=learner,
        prompt=_store_prompt(prompt),
        num_shots=num_shots,
        runs=tuple(kept.values()),
        unread=tuple(f"{one.where}: {one.problem}" for one in runs.problems),
        release=release,
        watch=watch,
    )


def _shorten_report(report: Report) -> dict:
    """Return a report without traces, and without the words of an error, which may hold a path."""
    content = make_report_dict(report)
    for row in content["rows"]:
        row["trace"] = None
        row["error"] = row["error"].partition(":")[0]
    return content


def save_submission(submission: Submission) -> Path:
    """Write a submission into the folder `capstone` of LLMOPS_HOME, without any key that is set here; return its path."""
    path = load_settings().home / "capstone" / f"{submission.learner}.json"
    text = json.dumps(submission.model_dump(mode="json"), indent=1, ensure_ascii=False)
    write_whole(path, hide_secrets(text) + "\n")
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
    content = read_json(path)
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
