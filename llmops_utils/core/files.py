"""Files that are written whole or not at all, lines that outlive a crash, and JSON that several processes change."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from .errors import DataError
from .texts import clean_text, parse_json_values

MOST_BYTES = 20_000_000  # of a file that may come from somebody else
Content = TypeVar("Content", dict, list)


@contextlib.contextmanager
def explain_os_errors(path: Path, doing: str = "written") -> Iterator[None]:
    """Turn the errors of the operating system into a `DataError` that names the path and says what to do."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path} cannot be {doing} ({error.strerror or error}).",
            "Make room on the disk, or name a place that you may use: LLMOPS_HOME sets the course's own.",
        ) from error


def write_whole(path: Path, content: str | bytes, is_private: bool = False) -> None:
    """Write a file in one step: a crash, a full disk or an interrupt leaves the old one whole, and no half file.

    The folder is made where it is missing. A text is written as UTF-8, its lines ending in a bare line feed; half a
    character, which its owner has to clean, raises `UnicodeEncodeError`.
    """
    encoded = content.encode("utf-8") if isinstance(content, str) else content
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666)
            with open(descriptor, "wb") as file:
                file.write(encoded)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def append_line(path: Path, line: str, is_private: bool = False) -> None:
    """Append one line to a file. Where a crash left half a line at its end, the new one begins on a line of its own.

    It is handed to the system in one piece, so that lines of several processes do not run into each other. Two that
    meet half a line at once leave an empty one.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600 if is_private else 0o666)
        with open(descriptor, "rb+", buffering=0) as file:
            start = b""
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                start = b"" if file.read(1) == b"\n" else b"\n"
            left = start + clean_text(line).encode("utf-8") + b"\n"
            while left:  # a disk that fills up takes a part, and says so at the next try
                left = left[file.write(left) :]


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Let one process at a time, and one thread, change a file; the lock is a hidden file beside it."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def read_bytes(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return what a file holds, whoever put it there: a pipe, a device or one that is too large is not read.

    Raises:
        DataError: it is missing, cannot be read, is no regular file, or holds more than `most_bytes`.
    """
    where = clean_text(str(path))
    with explain_os_errors(Path(where), "read"):
        num_bytes = check_regular(path)
        if num_bytes > most_bytes:
            problem = f"{where} has {num_bytes / 1e6:,.1f} MB; the most is {most_bytes / 1e6:,.1f} MB."
            raise DataError(problem, "Split it into several files, if it is the right one.")
        return path.read_bytes()


def check_regular(path: Path) -> int:
    """Return the bytes of a file. Raises `DataError` where it is a pipe or a device, which would never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{clean_text(str(path))} is no regular file.", "Remove it, or name another file.")
    return status.st_size


def read_json(path: Path) -> Any:
    """Return what a JSON file holds, whoever wrote it, with its texts cleaned; what is none raises `DataError`."""
    content = read_bytes(path)
    try:
        return parse_json_values(content.decode("utf-8-sig"))
    except ValueError as error:
        why = "not in UTF-8" if isinstance(error, UnicodeDecodeError) else error  # json names line and column
        raise DataError(f"{path} is not JSON ({why}).", "Restore it, or make it anew.") from error


@contextlib.contextmanager
def change_json(path: Path, default: Content) -> Iterator[Content]:
    """Give what a JSON file holds to be changed in place, and write it back; others wait until it is written.

    Where the block raises, nothing is written. Where there is no file yet, `default` is given and changed; one that
    holds another kind of value than `default` raises `DataError`.
    """
    with hold_lock(path):
        with explain_os_errors(path):
            is_there = path.exists()
        content = read_json(path) if is_there else default
        if not isinstance(content, type(default)):
            raise DataError(f"{path} does not hold what belongs there.", "Move it away; then it is made anew.")
        yield content
        write_whole(path, clean_text(json.dumps(content, indent=1, ensure_ascii=False)) + "\n")
