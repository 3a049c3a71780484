"""Comet's offline archives as files: where they lie, which runs were never ended, and what to do with those.

An archive is a zip file that `comet_ml` writes: `experiment.json` (key, project, times), `messages.json` (one JSON
object a line for each thing that was logged) and the logged files under random names. The format is Comet's own; it
was read from archives of comet_ml 3.58, and a test pins what is used of it.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from pathlib import Path

from ..core import load_settings


def get_folder() -> Path:
    """Return the folder of the archives: `runs` in LLMOPS_HOME. Below it, `sent` holds those that Comet has."""
    return load_settings().home / "runs"


def is_placeholder(path: Path) -> bool:
    """Return whether a file is the empty zip that comet_ml puts down when an offline run begins."""
    return path.stat().st_size == 22 and zipfile.is_zipfile(path)


def split_messages(content: bytes) -> list[dict]:
    """Return the messages of an archive's `messages.json`. Raises `ValueError` where a line is no JSON."""
    return [json.loads(line) for line in content.decode("utf-8").splitlines() if line.strip()]


# --- runs that were never ended ------------------------------------------------------------------------------


def write_note(folder: Path, key: str, name: str, project: str, data: str) -> None:
    """Note that a run has begun, so that it can be found where it is never ended.

    Args:
        folder: the folder of the archives.
        key: of the run.
        name: of the run.
        project: of the run.
        data: the folder into which comet_ml writes until the run ends.
    """
    import psutil

    notes = folder / "open"
    notes.mkdir(parents=True, exist_ok=True)
    ended = {path.stem.partition("-")[0] for path in list_archives(folder)}
    for path in notes.glob("*.json"):
        if path.stem in ended:
            path.unlink(missing_ok=True)
    about = {"key": key, "name": name, "project": project, "data": data, "started_ms": int(time.time() * 1000)}
    about |= {"pid": os.getpid(), "process_started": psutil.Process().create_time()}
    (notes / f"{key}.json").write_text(json.dumps(about), encoding="utf-8")


def list_archives(folder: Path) -> list[Path]:
    """Return the archives of ended runs in a folder and its `sent`."""
    return [path for path in sorted([*folder.glob("*.zip"), *folder.glob("sent/*.zip")]) if not is_placeholder(path)]


def read_notes(folder: Path) -> list[dict]:
    """Return the notes of runs that have begun and have no archive yet, each with its state: here, elsewhere, dead."""
    ended = {path.stem.partition("-")[0] for path in list_archives(folder)}
    notes = []
    for path in sorted(folder.glob("open/*.json")):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            if note["key"] not in ended:
                notes.append(note | {"state": _find_state(note)})
        except (ValueError, KeyError, TypeError, OSError):
            continue  # half a note, from a process that died while it wrote
    return notes


def _find_state(note: dict) -> str:
    import psutil

    try:
        is_alive = abs(psutil.Process(note["pid"]).create_time() - note["process_started"]) < 1
    except psutil.Error:
        is_alive = False
    if is_alive:
        return "here" if note["pid"] == os.getpid() else "elsewhere"
    return "dead" if (Path(note["data"]) / "messages.json").is_file() else "lost"


def rescue_runs(folder: Path | None = None) -> list[Path]:
    """Pack what runs of dead processes had logged into archives, and return those; they carry the tag “rescued”.

    Args:
        folder: default: `get_folder()`.
    """
    folder = get_folder() if folder is None else Path(folder)
    made = []
    for note in read_notes(folder):
        if note["state"] != "dead":
            continue
        data = Path(note["data"])
        content = (data / "messages.json").read_bytes()
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be half written
        about = {
            "offline_id": note["key"],
            "project_name": note["project"],
            "workspace": None,
            "tags": ["rescued"],
            "start_time": note["started_ms"],
            "stop_time": int((data / "messages.json").stat().st_mtime * 1000),
            "resume_strategy": "get_or_create",
            "customer_error_reported": False,
            "customer_error_message": None,
            "user_provided_experiment_key": True,
            "comet_start_sourced": True,
        }
        members = {path.name: path.read_bytes() for path in data.iterdir() if path.is_file()}
        made.append(write_archive(folder / f"{note['key']}-rescued.zip", members, about, whole))
        for path in [*folder.glob(f"{note['key']}*.zip"), folder / "open" / f"{note['key']}.json"]:
            if path.suffix == ".json" or is_placeholder(path):
                path.unlink()
    return made


def list_wanted(path: Path) -> set[int]:
    """Return the numbers of the messages in an archive that Comet has to have got; of a parameter only the last value.

    comet_ml sends parameters in batches with one value for each name.
    """
    with zipfile.ZipFile(path) as archive:
        payloads = [message["payload"] for message in split_messages(archive.read("messages.json"))]
    last = {one["param"]["paramName"] if "param" in one else one["message_id"]: one["message_id"] for one in payloads}
    return set(last.values())


def mend_archive(path: Path) -> None:
    """Mark an online run's archive as one to go on with, not as a new run.

    Comet has the beginning of such a run; `comet upload` refuses a new run with a key that is there already.
    An archive that cannot be read stays as it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(members["experiment.json"])
        if about["resume_strategy"] == "create":
            write_archive(path, members, about | {"resume_strategy": "get_or_create"})
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError):
        return


def write_archive(path: Path, members: dict[str, bytes], about: dict, messages: bytes | None = None) -> Path:
    """Write an archive as a whole or not at all, and return its path.

    Args:
        path: where to.
        members: the files in it by name.
        about: what `experiment.json` is to hold.
        messages: what `messages.json` is to hold; default: that of the members.
    """
    part = path.with_suffix(".part")
    contents = members | {"experiment.json": json.dumps(about).encode()}
    contents |= {} if messages is None else {"messages.json": messages}
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    os.replace(part, path)
    return path
