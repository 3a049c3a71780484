"""Check this machine, and say for each fault the one thing to do."""

import csv
import datetime
import html
import importlib.metadata
import os
import shutil
import socket
import ssl
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core import NOTEBOOKS, ROOT, Html, Settings, WorkbookError, draw_table, load_settings, read_environment, redact
from ..models import choose_local_models, connect, find_key, has_weights, load_catalog

LOCK = ROOT / "requirements.txt"
SIGNS = {"ok": "✓", "note": "·", "fault": "✗"}
# Without the deletion, a set-up that once finished would leave all as it is.
ANEW = "Delete the folder .venv and run `python start.py setup`; an environment of your own is to be made anew too."


@dataclass(frozen=True)
class Finding:
    """One check: `state` is ok, note (works, but worth knowing) or fault; `step` says what to do."""

    name: str
    state: str
    message: str
    step: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings, readable in a terminal and in a notebook."""

    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether there is no fault."""
        return all(finding.state != "fault" for finding in self.findings)

    def __str__(self) -> str:
        lines = []
        for finding in self.findings:
            lines.append(f"{SIGNS[finding.state]} {finding.name}: {finding.message}")
            if finding.step:
                lines.append(f"    what to do: {finding.step}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for finding in self.findings:
            step = f"<br><strong>What to do:</strong> {html.escape(finding.step)}" if finding.step else ""
            told = Html(html.escape(finding.message) + step)
            rows.append((f"{SIGNS[finding.state]} {finding.state}", finding.name, told))
        return draw_table(("state", "check", "finding"), rows)


def check_python() -> Finding:
    """Check the version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("Python", "ok", version)
    step = "Install Python 3.11, 3.12 or 3.13 and run start.py with it."
    return Finding("Python", "fault", f"{version} is not supported", step)


def check_packages() -> Finding:
    """Compare the installed packages with the lock."""
    from packaging.requirements import Requirement

    if not LOCK.is_file():
        return Finding("Packages", "fault", f"{LOCK.name} is missing", "Restore it: `git checkout requirements.txt`.")
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    named = [line.rstrip(" \\") for line in lines if line and not line.startswith((" ", "\t", "#", "-"))]
    wanted = [one for one in map(Requirement, named) if one.marker is None or one.marker.evaluate()]
    wrong = []
    for requirement in wanted:
        damage = list_damage(requirement.name)
        version = "" if damage else importlib.metadata.version(requirement.name)
        if version and version not in requirement.specifier:
            damage = [f"{requirement.name} is {version}, not{requirement.specifier}".replace("not==", "not ")]
        wrong += damage
    if not wrong:
        return Finding("Packages", "ok", f"{len(wanted)} packages as in requirements.txt")
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Finding("Packages", "fault", shown, ANEW)


def list_damage(name: str) -> list[str]:
    """Return which files of an installed package are missing or cut, by the list (RECORD) that came with it.

    A set-up that was killed leaves such packages; their versions tell nothing. Contents of the right size are not read.
    """
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return [f"{name} is missing"]
    rows = list(csv.reader((found.read_text("RECORD") or "").splitlines()))
    if not any(row[0].endswith("dist-info/RECORD") for row in rows):
        return [f"{name} has no list of its files"]
    damage = []
    for path, _, size in rows:
        file = os.path.join(found.locate_file(""), path)
        if size and not (os.path.isfile(file) and os.path.getsize(file) == int(size)):  # what is made here has no size
            damage.append(f"{path} is missing or cut")
    return damage


def check_imports() -> Finding:
    """Check that no file before the packages has the name of one of them or of a module of Python, as `openai.py`."""
    paths = sysconfig.get_paths()
    own = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    names = {entry.name.partition(".")[0] for folder in own[2:] for entry in folder.iterdir()} | sys.stdlib_module_names
    end = sys.path.index(paths["purelib"]) if paths["purelib"] in sys.path else len(sys.path)
    hiding = []
    for folder in {Path(place).resolve(): None for place in (*sys.path[:end], "", NOTEBOOKS)}:
        if not any(folder.is_relative_to(place) for place in own):
            for pattern in ("*.py", "*.pyc", "*.so", "*.pyd", "*/__init__.py"):
                places = [file.relative_to(folder) for file in folder.glob(pattern)]
                hiding += [str(folder / place) for place in places if place.parts[0].partition(".")[0] in names]
    if not hiding:
        return Finding("Imports", "ok", "no foreign file hides a package or a module of Python")
    step = "Rename or move them, or leave their folder out of PYTHONPATH; then restart JupyterLab."
    return Finding("Imports", "fault", f"imported in place of a package or of Python's own: {', '.join(hiding)}", step)


def check_settings() -> Finding:
    """Check the settings and the form of every key that is set."""
    try:
        settings, catalog = load_settings(), load_catalog()
        catalog.find_provider(settings.provider_name)
        for entry in catalog.providers.values():
            find_key(entry, settings)
        connect("doctor", settings)
    except WorkbookError as error:
        return Finding("Settings", "fault", error.problem, error.next_step)
    environment = read_environment()
    keys = [entry.key_variable for entry in catalog.providers.values() if environment.get(entry.key_variable or "-")]
    keys += ["LLMOPS_API_KEY"] if settings.api_key else []
    told = f"keys set: {', '.join(keys)}" if keys else "no key set"
    return Finding("Settings", "ok", f"mode {settings.mode}, provider {settings.provider_name}, {told}")


def check_weights(settings: Settings) -> Finding:
    """Check that the embedded model's files are there and whole."""
    if not settings.needs_weights:
        return Finding("Model files", "ok", "not needed, a provider answers")
    if not settings.asks:
        return Finding("Model files", "ok", "not needed, answers come from the recordings")
    models = choose_local_models(settings)
    missing = ", ".join(model.name for model in models if not has_weights(model, settings.home))
    if missing:
        step = "Run `python -m llmops_utils models fetch`."
        return Finding("Model files", "fault", f"missing or damaged: {missing}", step)
    return Finding("Model files", "ok", f"{' and '.join(model.name for model in models)} are there and whole")


def check_port() -> Finding:
    """Check that a server can listen on loopback."""
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
    except OSError as error:
        step = "Allow Python to listen on 127.0.0.1 in your firewall or security software."
        return Finding("Loopback", "fault", f"no port can be opened ({error.strerror})", step)
    return Finding("Loopback", "ok", "a port on 127.0.0.1 can be opened")


def check_disk(settings: Settings) -> Finding:
    """Check the room on the disk of the learner's folder, and that it can be written."""
    folder = settings.home
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        free = shutil.disk_usage(folder).free / 1e9
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        step = "Set LLMOPS_HOME to a folder on a disk that is there, in which you may write."
        return Finding("Disk", "fault", f"{folder} cannot be used ({error.strerror})", step)
    if free < 0.5:
        step = "Free half a gigabyte, or set LLMOPS_HOME to another disk."
        return Finding("Disk", "fault", f"{free:.1f} GB free", step)
    return Finding("Disk", "ok", f"{free:.0f} GB free")


def check_memory() -> Finding:
    """Check the free memory: the embedded model needs about 0.5 GB, JupyterLab and a kernel about as much."""
    import psutil

    free = psutil.virtual_memory().available / 1e9
    if free < 1.0:
        step = "Close other programs, or work with LLMOPS_MODE=replay."
        return Finding("Memory", "note", f"{free:.1f} GB free is little", step)
    return Finding("Memory", "ok", f"{free:.0f} GB free")


def check_certificates() -> Finding:
    """Check the certificates that the environment names: where they cannot be read, no encrypted connection is made."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        value = os.environ.get(name, "")
        try:
            if value and (name == "SSL_CERT_FILE" or not all(map(os.path.isdir, value.split(os.pathsep)))):
                ssl.create_default_context(cafile=value)
        except OSError as error:
            message = f"{name} names {value}, which cannot be read ({error.strerror or type(error).__name__})"
            return Finding("Certificates", "fault", message, f"Correct it, or unset {name}.")
    return Finding("Certificates", "ok", "those that the environment names can be read")


def check_clock() -> Finding:
    """Check the clock: one that lies in the past makes every encrypted connection fail."""
    today = datetime.date.today()
    checked = max(provider.checked for provider in load_catalog().providers.values() if provider.checked)
    if today < checked - datetime.timedelta(days=1):
        return Finding("Clock", "fault", f"it says {today}, which is past", "Set the date of this machine.")
    return Finding("Clock", "ok", f"{today}")


def check_jupyter() -> Finding:
    """Check JupyterLab, its widgets, and that notebooks find the helper package."""
    try:
        version, *_ = map(importlib.metadata.version, ("jupyterlab", "jupyterlab_widgets", "llmops-workbook"))
    except importlib.metadata.PackageNotFoundError as error:
        step = ANEW + " The course's own package comes with `pip install --no-deps --no-build-isolation -e .`."
        return Finding("JupyterLab", "fault", f"{error.name} is not installed", step)
    if not (NOTEBOOKS / "00_start_here.ipynb").is_file():
        message = "notebooks/00_start_here.ipynb is missing"
        return Finding("JupyterLab", "fault", message, "Restore it: `git checkout notebooks`.")
    return Finding("JupyterLab", "ok", f"{version}, with widgets")


def diagnose() -> Diagnosis:
    """Return the findings of all checks. A fault in the settings leaves out what depends on them."""
    findings = list(map(_try_check, (check_python, check_packages, check_imports, check_settings)))
    if findings[-1].state != "fault":
        settings = load_settings()
        findings += [_try_check(check_weights, settings), _try_check(check_disk, settings)]
    checks = (check_memory, check_port, check_certificates, check_clock, check_jupyter)
    return Diagnosis((*findings, *map(_try_check, checks)))


def _try_check(check: Callable[..., Finding], *arguments: Settings) -> Finding:
    """Return what a check finds; where a damaged package breaks the check itself, that is what it finds."""
    try:
        return check(*arguments)
    except Exception as error:
        name = check.__name__.removeprefix("check_").capitalize()
        return Finding(name, "fault", redact(f"the check fails ({type(error).__name__}: {error})"), ANEW)
