"""Check this machine, and say for each fault the one thing to do."""

from __future__ import annotations

import datetime
import html
import importlib.metadata
import shutil
import socket
import sys
from dataclasses import dataclass

from ..core import NOTEBOOKS, ROOT, Html, Settings, WorkbookError, draw_table, load_settings, read_environment
from ..models import choose_local_models, connect, find_key, has_weights, load_catalog

LOCK = ROOT / "requirements.txt"
SIGNS = {"ok": "✓", "note": "·", "fault": "✗"}


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
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if version not in requirement.specifier:
            wrong.append(f"{requirement.name} is {version}, not{requirement.specifier}".replace("not==", "not "))
    if not wrong:
        return Finding("Packages", "ok", f"{len(wanted)} packages as in requirements.txt")
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return Finding("Packages", "fault", shown, "Run `python start.py setup`, or `pip install -r requirements.txt`.")


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
    if not settings.is_embedded:
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
    """Check the room on the disk of the learner's folder."""
    folder = settings.home
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        step = "Set LLMOPS_HOME to a folder on a disk that is there."
        return Finding("Disk", "fault", f"{folder} cannot be read ({error.strerror})", step)
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
        step = "Run `python start.py setup`, or `pip install --no-deps --no-build-isolation -e .`."
        return Finding("JupyterLab", "fault", f"{error.name} is not installed", step)
    if not (NOTEBOOKS / "00_start_here.ipynb").is_file():
        message = "notebooks/00_start_here.ipynb is missing"
        return Finding("JupyterLab", "fault", message, "Restore it: `git checkout notebooks`.")
    return Finding("JupyterLab", "ok", f"{version}, with widgets")


def diagnose() -> Diagnosis:
    """Return the findings of all checks. A fault in the settings leaves out what depends on them."""
    findings = [check_python(), check_packages(), check_settings()]
    if findings[-1].state != "fault":
        settings = load_settings()
        findings += [check_weights(settings), check_disk(settings)]
    findings += [check_memory(), check_port(), check_clock(), check_jupyter()]
    return Diagnosis(tuple(findings))
