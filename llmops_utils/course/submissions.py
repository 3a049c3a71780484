"""The evidence of a capstone in one file: what was logged, row by row, and no total that a grade would have to believe.

`grading` computes every line anew. What it cannot know is whether the stored replies are the model's; the choices stand
in the file, so whoever doubts them asks the model again.
"""

import functools
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..core import DATA, DataError, PromptError, clean_values, load_settings, read_json, redact_values, write_whole
from ..evaluation import Report
from ..operations import Release
from ..tracking import Runs
from .capstone import PARTS, Choices, Watch

EDITION = 3
LEARNER = r"^[\w-]{1,60}$"  # also the name of the file, and part of a line that a teacher reads
AGAIN = "Ask for the file again: the last step of the capstone writes it."


def make_plain(text: object, most: int = 1000) -> str:
    """Return what somebody else wrote as one line for terminals, tables and pages, in which nothing steers them."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:most])


@functools.cache
def compute_checksum() -> str:
    """Return a checksum of the messages and the handbook of this course."""
    paths = [DATA / "capstone_messages.csv", *sorted((DATA / "handbook").glob("*.md"))]
    return hashlib.sha256("".join(path.read_text(encoding="utf-8") for path in paths).encode()).hexdigest()[:12]


class TrackedRun(BaseModel):
    """A run as its archive told it: what was asked of which part, and each answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    part: Literal["dev", "held", "changed", "stale", "mended"]
    choices: Choices
    started_ms: int = Field(ge=0, le=10**14)
    report: Report

    @field_validator("report")
    @classmethod
    def _check_rows(cls, report: Report) -> Report:
        if not report.rows:
            raise ValueError("it has no rows")
        for row in report.rows:
            numbers = (row.score, row.latency_s, row.prompt_tokens, row.completion_tokens)
            if not all(0 <= number < 1e9 for number in numbers):
                raise ValueError(f"a number of the row {row.id} is out of range")
        return report


class Submission(BaseModel):
    """The evidence of one learner.

    `runs` are all tracked runs of the project in the order of their start, of equal ones the first; `unread` says what
    could not be read among the archives; `release` and `watch` are None where nothing was released or watched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["llmops capstone"] = "llmops capstone"
    edition: Literal[3] = EDITION
    data: str = Field(default_factory=compute_checksum)
    learner: str = Field(pattern=LEARNER)
    choices: Choices
    runs: tuple[TrackedRun, ...] = Field(max_length=1000)
    unread: tuple[str, ...] = Field((), max_length=1000)
    release: Release | None = None
    watch: Watch | None = None


def make_submission(
    learner: str, choices: Choices, runs: Runs, release: Release | None = None, watch: Watch | None = None
) -> Submission:
    """Return the evidence as far as it is there; of the runs, those without a report, a part or choices are left out.

    Raises `DataError` for a learner's name that cannot be that of the file.
    """
    if not isinstance(learner, str) or not re.fullmatch(LEARNER, learner):
        step = "Use letters, digits, - and _, such as ada_lovelace; no blanks."
        raise DataError(f"“{learner}” cannot name a submission.", step)
    kept: dict[tuple, TrackedRun] = {}
    for run in runs:
        part, told = run.parameters.get("part"), run.parameters.get("choices")
        if part not in PARTS or run.report is None or not isinstance(told, str):
            continue
        key = (part, told, tuple(row.id for row in run.report.rows))
        if key not in kept:
            # The words of an error may hold a path.
            rows = tuple(replace(row, error=row.error.partition(":")[0]) for row in run.report.rows)
            report, about = replace(run.report, rows=rows), Choices.model_validate_json(told)
            kept[key] = TrackedRun(
                name=make_plain(run.name), part=part, choices=about, started_ms=run.started_ms, report=report
            )
    problems = tuple(make_plain(f"{one.where}: {one.problem}") for one in runs.problems)
    return Submission(
        learner=learner, choices=choices, runs=tuple(kept.values()), unread=problems, release=release, watch=watch
    )


def save_submission(submission: Submission) -> Path:
    """Write a submission into the folder `capstone` of LLMOPS_HOME, without any secret; return its path."""
    path = load_settings().home / "capstone" / f"{submission.learner}.json"
    content = redact_values(clean_values(submission.model_dump()))
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def load_submission(path: Path | str) -> Submission:
    """Return the submission in a file. Raises `DataError` that names it: missing, cut, damaged, of another course."""
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != "llmops capstone":
        raise DataError(f"{path.name} is no submission of the capstone.", AGAIN)
    if (content.get("edition"), content.get("data")) != (EDITION, compute_checksum()):
        problem = f"{path.name} was made with another version of the course, or with other messages or handbook pages."
        raise DataError(problem, "Grade it with the version that made it, or let it be made again with this one.")
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = " → ".join(map(str, first["loc"]))
        raise DataError(f"{path.name} is damaged at {where}: {first['msg']}.", AGAIN) from None
    except PromptError as error:
        raise DataError(f"{path.name} is damaged: {error.problem}", AGAIN) from None
