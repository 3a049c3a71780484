"""Tracked runs read back from Comet's offline archives, so that they can be compared without an account.

An archive is a zip file that `comet_ml` writes: `experiment.json` (key, project, times), `messages.json` (one JSON
object a line for each thing that was logged) and the logged files under random names. The format is Comet's own; it
was read from archives of comet_ml 3.58, and a test pins what is used of it.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter

from ..core import DataError, load_settings, parse_json_values
from ..evaluation import Report
from ..prompts import Prompt
from .reports import PROMPT, REPORT, restore_report

# What comet_ml adds by itself, besides what was logged.
AUTOMATIC = ("process duration", "curr_step", "curr_epoch")
# Of an archive, which may come from somebody else: bytes of all files as its list declares them, files, and bytes of a
# line of `messages.json`.
MOST_BYTES, MOST_FILES, MOST_LINE = 40_000_000, 10_000, 1_000_000


def _check_name(name: str) -> str:
    """Return a file's name; `ValueError` where it leads out of the folder into which it would be written."""
    path = PureWindowsPath(name)  # which also reads / and, unlike the other, \\ and drives
    if not name or path.anchor or ".." in path.parts or not name.isprintable():
        raise ValueError(f"the name {name!r} is none for a file")
    return name


Line = Annotated[str, AfterValidator(lambda text: "".join(one if one.isprintable() else " " for one in text))]
Number = Annotated[int, Field(ge=-(2**63), lt=2**63)] | float


@dataclass(frozen=True)
class Text:
    """A logged text and what was logged about it."""

    text: str
    metadata: dict


@dataclass(frozen=True, repr=False)
class Run:
    """One tracked run, as it was logged; an archive that does not fit these types is not read.

    Of parameters, metrics and files it has the last value of each, in `history` all values of each metric as (step,
    value), the step None where none was given.
    """

    key: Annotated[str, Field(pattern="^[0-9A-Za-z_-]{1,64}$")]
    name: Line
    project: Line
    started_ms: Annotated[int, Field(ge=0, le=10**14)]  # since 1970
    duration_s: Annotated[float, Field(ge=-1e11, le=1e11)]
    tags: tuple[Line, ...]
    is_sent: bool  # whether Comet has it already
    parameters: dict[str, object]
    metrics: dict[str, Number]
    history: dict[str, tuple[tuple[int | None, Number], ...]]
    texts: tuple[Text, ...]
    files: dict[Annotated[str, AfterValidator(_check_name)], bytes]
    path: Path

    @cached_property
    def report(self) -> Report | None:
        """The evaluation report that was logged, or None."""
        return self._restore(REPORT, restore_report)

    @cached_property
    def prompt(self) -> Prompt | None:
        """The prompt that was logged, or None."""
        return self._restore(PROMPT, lambda content: Prompt(**parse_json_values(content)))

    def _restore(self, name: str, build: Callable):
        if name not in self.files:
            return None
        try:
            return build(self.files[name])
        except (ValueError, TypeError, AttributeError) as error:
            raise DataError(f"{name} of the run “{self.name}” cannot be read.", "Log the run again.") from error

    def __repr__(self) -> str:
        return f"Run “{self.name}”: {len(self.parameters)} parameters, {len(self.metrics)} metrics, {len(self.files)} files"


ADAPTER = TypeAdapter(Run)  # made once: to make it takes longer than to read an archive


@dataclass(frozen=True)
class Fault:
    """A run that could not be read or sent: its file or name, what is wrong, and what to do."""

    where: str
    problem: str
    next_step: str


@dataclass(frozen=True, repr=False)
class Runs(Sequence):
    """Runs in the order of their start, and beside them what could not be read."""

    runs: tuple[Run, ...]
    problems: tuple[Fault, ...] = ()

    def __getitem__(self, index):
        return self.runs[index]

    def __len__(self) -> int:
        return len(self.runs)

    def find(self, name: str) -> Run:
        """Return the latest run of that name. Raises `DataError` where there is none."""
        latest = {run.name: run for run in self.runs}
        if name not in latest:
            raise DataError(f"There is no run “{name}”.", f"There is: {', '.join(latest) or 'none'}.")
        return latest[name]

    def keep_latest(self) -> Runs:
        """Return one run for each name, the latest; what could not be read stays beside them."""
        latest = {run.name: run for run in self.runs}
        return Runs(tuple(run for run in self.runs if latest[run.name] is run), self.problems)

    def __repr__(self) -> str:
        lines = [f"Runs: {len(self.runs)}", *(f"  {run.name}" for run in self.runs)]
        lines += [f"not readable: {one.where}: {one.problem} {one.next_step}" for one in self.problems]
        return "\n".join(lines)


def tabulate_runs(runs: Sequence[Run], parameters: Sequence[str], metrics: Sequence[str]):
    """Return runs × parameters × metrics as a `pandas.DataFrame`, a run in each row; what a run lacks is empty."""
    import pandas

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


def get_folder() -> Path:
    """Return the folder of the archives: `runs` in LLMOPS_HOME. Below it, `sent` holds those that Comet has."""
    return load_settings().home / "runs"


def is_placeholder(path: Path) -> bool:
    """Return whether a file is the empty zip that comet_ml puts down when an offline run begins."""
    return path.is_file() and path.stat().st_size == 22 and zipfile.is_zipfile(path)


def list_archives() -> list[Path]:
    """Return the archives of runs, ended or begun, that were sent or not."""
    return sorted([*get_folder().glob("*.zip"), *get_folder().glob("sent/*.zip")])


def list_runs(project: str | None = None) -> Runs:
    """Return all runs, or those of one project, sent ones as well; what cannot be read is told and hides no other."""
    # comet_ml is only asked where something else has loaded it: no run is open else.
    running = sys.modules["comet_ml"].get_running_experiment() if "comet_ml" in sys.modules else None
    runs, problems, open_key = [], [], None
    if running is not None and not running.ended:
        open_key, name = running.get_key(), running.get_name()
        problem, next_step = f"The run “{name}” was never ended.", "It is still open in this notebook: call its end()."
        problems.append(Fault(name, problem, next_step))
    for path in list_archives():
        if open_key and is_placeholder(path) and path.name.startswith(open_key):
            continue
        try:
            run = read_run(path)
            if project in (None, run.project):
                runs.append(run)
        except DataError as error:
            problems.append(Fault(path.name, error.problem, error.next_step))
    return Runs(tuple(sorted(runs, key=lambda run: (run.started_ms, run.duration_s, run.key))), tuple(problems))


def read_members(path: Path) -> dict[str, bytes]:
    """Return the content of each file in an archive. Raises `DataError` where it is damaged, too large or no run's.

    Sizes are checked before anything is unpacked, as the list of the archive tells them: no more than that is read.
    """
    problem = f"{path.name} holds more than {MOST_BYTES:,} bytes or {MOST_FILES:,} files."
    too_large = DataError(problem, "`comet upload` sends one that is yours.")
    try:
        # Counted before the list is read, which takes much memory for each file: an entry of it begins with these bytes.
        if path.stat().st_size > MOST_BYTES or path.read_bytes().count(b"PK\x01\x02") > MOST_FILES:
            raise too_large
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > MOST_BYTES:
                raise too_large
            # Other ways of packing, which Comet does not use, may take much more memory than they give bytes.
            if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in archive.infolist()):
                raise ValueError
            members = {name: archive.read(name) for name in set(archive.namelist())}
    except DataError:
        raise
    except Exception:  # zlib.error and the like, from whatever way of packing a foreign file has
        raise DataError(f"{path.name} is damaged.", "Restore it from a copy, or delete it.") from None
    if "experiment.json" not in members or "messages.json" not in members:
        raise DataError(f"{path.name} is no archive of a Comet run.", "Move it elsewhere; only runs belong here.")
    return members


def _parse(line: bytes) -> dict:
    if len(line) > MOST_LINE:
        raise ValueError("a line is too long")
    return parse_json_values(line)


def split_messages(members: dict[str, bytes]) -> Iterator[dict]:
    """Give the messages of an archive one by one. Raises `ValueError` where a line is no JSON or too long."""
    return (_parse(line) for line in members["messages.json"].split(b"\n") if line.strip())


def read_run(path: Path) -> Run:
    """Return the run in an archive. Raises `DataError` where it is none, damaged, or was never ended."""
    if not path.is_file():
        raise DataError(f"There is no archive {path.name}.", "list_runs() shows those that are there.")
    if is_placeholder(path):
        raise DataError(f"The run in {path.name} was never ended.", "Call its end(), or delete the file.")
    members = read_members(path)
    try:
        return _build_run(path, _parse(members["experiment.json"]), split_messages(members), members)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{path.name} does not hold what a Comet run holds ({type(error).__name__})."
        next_step = "It may be damaged, or of another version of comet_ml. Restore it, or delete it."
        raise DataError(problem, next_step) from error


def _build_run(path: Path, about: dict, messages: Iterator[dict], members: dict[str, bytes]) -> Run:
    parameters, others, history, texts, files = {}, {}, {}, [], {}
    decode = cache(lambda content: content.decode("utf-8"))  # thousands of messages may name one file
    for message in messages:
        payload, kind = message["payload"], message["type"]
        if kind == "parameter_msg":
            one = payload.get("param") or payload["params"]  # the second where the value is a list
            value = one["paramValue"]
            if one["source"] != "auto-logged":
                parameters[one["paramName"]] = str(value) if isinstance(value, list | dict) else value
        elif kind == "metric_msg" and payload["metric"]["metricName"] not in AUTOMATIC:
            one = payload["metric"]
            history.setdefault(one["metricName"], []).append((one["step"], one["metricValue"]))
        elif kind == "log_other":
            others[payload["key"]] = payload["value"]
        elif kind == "file_upload":
            content = members[payload["file_path"]]
            if payload["upload_type"] == "text-sample":
                texts.append(Text(decode(content), dict(payload["metadata"] or {})))
            else:
                files[payload["additional_params"]["fileName"]] = content
    found = {
        "key": about["offline_id"],
        "name": str(others.get("Name", about["offline_id"])),
        "project": about["project_name"] or "",
        "started_ms": about["start_time"],
        "duration_s": (about["stop_time"] - about["start_time"]) / 1000,
        "tags": about["tags"],
        "is_sent": path.parent.name == "sent",
        "parameters": parameters,
        "metrics": {name: values[-1][1] for name, values in history.items()},
        "history": history,
        "texts": texts,
        "files": files,
        "path": path,
    }
    return ADAPTER.validate_python(found)
