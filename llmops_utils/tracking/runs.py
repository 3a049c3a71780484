"""Tracked runs read back from Comet's offline archives, so that they can be compared without an account."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..core import DataError
from ..evaluation import Report, Row
from ..prompts import Prompt
from .archives import get_folder, is_placeholder, read_notes, split_messages

# What comet_ml adds by itself, besides what was logged.
AUTOMATIC = ("process duration", "curr_step", "curr_epoch")
REPORT, PROMPT, COMPARISON, SPANS = "report.json", "prompt.json", "comparison.json", "spans.json"


@dataclass(frozen=True)
class Text:
    """A logged text and what was logged about it."""

    text: str
    metadata: dict = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Run:
    """One tracked run, as it was logged.

    Attributes:
        key: Comet's key of the run.
        started_ms: when it began, milliseconds since 1970.
        duration_s: seconds from start to end.
        is_sent: whether Comet has it already.
        parameters: the last value of each.
        metrics: the last value of each.
        history: all values of each metric, as (step, value); the step is None where none was given.
        texts: in the order in which they were logged.
        files: the content of the other logged files by name; a second one of a name is called “NAME (2)”.
        path: the archive.
    """

    key: str
    name: str
    project: str
    started_ms: int
    duration_s: float
    tags: tuple[str, ...]
    is_sent: bool
    parameters: dict[str, object]
    metrics: dict[str, float]
    history: dict[str, tuple[tuple[int | None, float], ...]]
    texts: tuple[Text, ...]
    files: dict[str, bytes]
    path: Path

    @cached_property
    def tables(self) -> dict:
        """The logged CSV files as `pandas.DataFrame`s; each cell is text, since CSV knows nothing else."""
        import pandas

        return {
            name: pandas.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
            for name, content in self.files.items()
            if name.endswith(".csv")
        }

    @cached_property
    def report(self) -> Report | None:
        """The evaluation report that was logged, or None."""
        content = self._load(REPORT)
        return None if content is None else restore_report(content)

    @cached_property
    def prompt(self) -> Prompt | None:
        """The prompt that was logged, or None."""
        content = self._load(PROMPT)
        return None if content is None else Prompt(**content)

    @property
    def comparison(self) -> dict | None:
        """What was logged of a comparison with a baseline, or None."""
        return self._load(COMPARISON)

    @property
    def spans(self) -> list[dict] | None:
        """The spans of a request that were logged, or None."""
        return self._load(SPANS)

    def _load(self, name: str):
        if name not in self.files:
            return None
        try:
            return json.loads(self.files[name])
        except ValueError as error:
            raise DataError(f"{name} of the run “{self.name}” is no JSON.", "Log the run again.") from error

    def __repr__(self) -> str:
        return (
            f"Run “{self.name}”: {len(self.parameters)} parameters, {len(self.metrics)} metrics, "
            f"{len(self.texts)} texts, {len(self.files)} files"
        )


def make_report_dict(report: Report) -> dict:
    """Return a report as a dict that JSON can hold; predictions that JSON has no form for become text."""
    rows = [json.loads(json.dumps(vars(row), default=str)) for row in report.rows]
    kept = {name: getattr(report, name) for name in ("name", "provenance", "duration_s", "num_resumed")}
    return kept | {"rows": rows}


def restore_report(content: dict) -> Report:
    """Return the report that `make_report_dict` wrote. Raises `DataError` where it did not."""
    try:
        return Report(**content | {"rows": tuple(Row(**row) for row in content["rows"])})
    except (TypeError, KeyError) as error:
        raise DataError(f"A logged report cannot be read ({error}).", "Log the run again.") from error


@dataclass(frozen=True)
class Problem:
    """A run that could not be read: its file or name, what is wrong, and what to do."""

    where: str
    problem: str
    next_step: str


@dataclass(frozen=True, repr=False)
class Runs(Sequence):
    """Runs in the order of their start, and beside them what could not be read."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...] = ()

    def __getitem__(self, index):
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def find(self, name: str) -> Run:
        """Return the latest run of that name. Raises `DataError` where there is none."""
        for run in reversed(self.runs):
            if run.name == name:
                return run
        there = ", ".join(dict.fromkeys(run.name for run in self.runs)) or "none"
        raise DataError(f"There is no run “{name}”.", f"There is: {there}.")

    def keep_latest(self) -> Runs:
        """Return one run for each name, the latest; what could not be read stays beside them."""
        latest = {run.name: run for run in self.runs}
        return Runs(tuple(run for run in self.runs if latest[run.name] is run), self.problems)

    def __repr__(self) -> str:
        lines = ["1 run" if len(self.runs) == 1 else f"{len(self.runs)} runs", *(f"  {run.name}" for run in self.runs)]
        lines += [f"not readable: {one.where}: {one.problem} {one.next_step}" for one in self.problems]
        return "\n".join(lines)


def tabulate_runs(runs: Sequence[Run], parameters: Sequence[str] = (), metrics: Sequence[str] = ()):
    """Return runs × parameters × metrics as a `pandas.DataFrame`, a run in each row; what a run lacks is empty.

    Args:
        runs: in the order of the rows.
        parameters: the columns wanted; default: those in which the runs differ.
        metrics: the columns wanted; default: all.
    """
    import pandas

    parameters = list(parameters) or list_differing(runs)
    metrics = list(metrics) or list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows = [
        {"run": run.name}
        | {name: run.parameters.get(name, "") for name in parameters}
        | {name: run.metrics.get(name, float("nan")) for name in metrics}
        for run in runs
    ]
    return pandas.DataFrame(rows, columns=["run", *parameters, *metrics])


def list_differing(runs: Sequence[Run]) -> list[str]:
    """Return the names of the parameters that do not have the same value in all runs."""
    names = dict.fromkeys(name for run in runs for name in run.parameters)
    return [name for name in names if len({repr(run.parameters.get(name)) for run in runs}) > 1]


# --- reading -------------------------------------------------------------------------------------------------


def list_runs(folder: Path | None = None, project: str | None = None) -> Runs:
    """Return all runs in a folder, those that were sent as well; what cannot be read is told and hides no other.

    Args:
        folder: default: `get_folder()`. One that is not there holds no runs.
        project: only those of this project, and what cannot be read.
    """
    folder = get_folder() if folder is None else Path(folder)
    runs: list[Run] = []
    problems: list[Problem] = []
    notes = read_notes(folder)
    open_runs = {note["key"]: note for note in notes if project in (None, note["project"])}
    elsewhere = {note["key"] for note in notes} - set(open_runs)
    for path in sorted([*folder.glob("*.zip"), *folder.glob("sent/*.zip")]):
        if is_placeholder(path):
            key = path.stem.partition("-")[0]
            if key not in elsewhere:
                open_runs.setdefault(key, {"name": path.name, "state": "lost"})
            continue
        try:
            run = read_run(path)
            if project in (None, run.project):
                runs.append(run)
        except DataError as error:
            problems.append(Problem(path.name, error.problem, error.next_step))
    problems += [_tell_open(note) for note in sorted(open_runs.values(), key=lambda note: note["name"])]
    return Runs(tuple(sorted(runs, key=lambda run: (run.started_ms, run.duration_s, run.key))), tuple(problems))


def _tell_open(note: dict) -> Problem:
    state = note["state"]
    problem = f"The run “{note['name']}” was never ended."
    if state == "here":
        return Problem(note["name"], problem, "It is still open in this notebook: call its end().")
    if state == "elsewhere":
        return Problem(note["name"], problem, "Its process still runs: call its end() there.")
    if state == "dead":
        return Problem(note["name"], problem, "Its process is gone. rescue_runs() packs what it had logged.")
    return Problem(note["name"], problem, "What it had logged is gone; delete the file.")


def read_run(path: Path | str) -> Run:
    """Return the run in an archive.

    Raises:
        DataError: there is no such file, it is damaged, no archive of Comet, or was never ended.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no archive {path.name}.", "list_runs() shows those that are there.")
    if is_placeholder(path):
        raise DataError(f"The run in {path.name} was never ended.", "Call its end(), or rescue_runs().")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError):
        raise DataError(f"{path.name} is damaged.", "Restore it from a copy, or delete it.") from None
    except Exception as error:  # zlib.error and the like, from whatever way of packing a foreign file has
        raise DataError(f"{path.name} is damaged ({type(error).__name__}).", "Restore it, or delete it.") from None
    if "experiment.json" not in members or "messages.json" not in members:
        raise DataError(f"{path.name} is no archive of a Comet run.", "Move it elsewhere; only runs belong here.")
    try:
        return _build_run(
            path, json.loads(members["experiment.json"]), split_messages(members["messages.json"]), members
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} does not hold what a Comet run holds ({type(error).__name__}: {error}).",
            "It may be damaged, or of another version of comet_ml. Restore it, or delete it.",
        ) from error


def _build_run(path: Path, about: dict, messages: list[dict], members: dict[str, bytes]) -> Run:
    parameters, others, history, texts, files = {}, {}, {}, [], {}
    for message in messages:
        payload, kind = message["payload"], message["type"]
        if kind == "parameter_msg" and payload["param"]["source"] != "auto-logged":
            parameters[payload["param"]["paramName"]] = payload["param"]["paramValue"]
        elif kind == "metric_msg" and payload["metric"]["metricName"] not in AUTOMATIC:
            one = payload["metric"]
            value = float(one["metricValue"]) if isinstance(one["metricValue"], str) else one["metricValue"]
            history.setdefault(one["metricName"], []).append((one["step"], value))
        elif kind == "log_other":
            others[payload["key"]] = payload["value"]
        elif kind == "file_upload":
            content, options = members[payload["file_path"]], payload["additional_params"]
            if payload["upload_type"] == "text-sample":
                texts.append(Text(content.decode("utf-8"), payload["metadata"] or {}))
            else:
                name = options["fileName"]
                number = 1 + sum(one == name or one.startswith(f"{name} (") for one in files)
                files[name if number == 1 else f"{name} ({number})"] = content
    return Run(
        about["offline_id"],
        str(others.get("Name", about["offline_id"])),
        about["project_name"] or "",
        about["start_time"],
        (about["stop_time"] - about["start_time"]) / 1000,
        tuple(about["tags"]),
        path.parent.name == "sent",
        parameters,
        {name: values[-1][1] for name, values in history.items()},
        {name: tuple(values) for name, values in history.items()},
        tuple(texts),
        files,
        path,
    )
