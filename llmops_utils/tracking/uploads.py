"""Send archives to Comet with Comet's own tool."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import KeyMissing, KeyRefused, redact
from .archives import get_folder, is_placeholder, mend_archive
from .experiment import KEY, SWITCHES, find_comet_key


@dataclass(frozen=True)
class Upload:
    """How sending one archive went; `problem` is empty where Comet has it now."""

    file: str
    problem: str = ""


def upload_runs(folder: Path | None = None, *, timeout_s: float = 600) -> list[Upload]:
    """Send all archives that Comet does not have yet with Comet's own tool, `comet upload`, and say how each went.

    An archive that was sent moves to `sent`; every other one stays where it is, so that the same call tries again.

    Args:
        folder: default: `get_folder()`.
        timeout_s: most seconds for all of them.

    Raises:
        KeyMissing: there is no key.
        KeyRefused: Comet does not accept it; nothing was sent.
    """
    folder = get_folder() if folder is None else Path(folder)
    key = find_comet_key()
    if key is None:
        raise KeyMissing(f"There is no Comet key in {KEY}.", f"Set {KEY} in .env, then call upload_runs() again.")
    paths = [path for path in sorted(folder.glob("*.zip")) if not is_placeholder(path)]
    if not paths:
        return []
    for path in paths:
        mend_archive(path)
    environment = os.environ | SWITCHES | {KEY: key, "COMET_LOGGING_CONSOLE": "INFO"}
    command = [sys.executable, "-m", "comet_ml.scripts.comet_upload", *map(str, paths)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, encoding="utf-8", errors="replace",
            timeout=timeout_s, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        said = "".join(part.decode("utf-8", "replace") for part in (error.stdout, error.stderr) if part)
    if "invalid Comet API key" in said:
        raise KeyRefused(
            f"Comet does not accept the key in {KEY}; nothing was sent.", "Copy the key again from your Comet account."
        )
    uploads = []
    for path, part in zip(paths, _split_by_archive(said, paths), strict=True):
        # The tool says so as well where a part was refused on the way; then it told an error before.
        before, done, _ = part.partition("Done!")
        is_done = bool(done) and "COMET ERROR" not in before
        if is_done:
            (folder / "sent").mkdir(exist_ok=True)
            os.replace(path, folder / "sent" / path.name)
        uploads.append(Upload(path.name, "" if is_done else redact(_find_error(before), key)))
    return uploads


def _split_by_archive(said: str, paths: Sequence[Path]) -> list[str]:
    """Return what the tool said about each archive; it names one when it begins with it, and works in order."""
    places = [said.find(f"Attempting to upload {str(path)!r}") for path in paths] + [len(said)]
    parts = []
    for index, place in enumerate(places[:-1]):
        later = [other for other in places[index + 1 :] if other >= 0]
        parts.append(said[place : min(later)] if place >= 0 else "")
    return parts


def _find_error(part: str) -> str:
    errors = re.findall(r"COMET ERROR: (.+)", part)
    return errors[-1].strip() if errors else "The tool ended before this archive was sent."
