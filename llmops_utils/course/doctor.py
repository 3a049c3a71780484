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
from importlib.machinery import PathFinder
from pathlib import Path

from ..core import NOTEBOOKS, ROOT, DataError, Html, WorkbookError, draw_table, load_settings, read_environment, redact
from ..models import choose_local_models, connect, find_key, has_weights, load_catalog

LOCK = ROOT / "requirements.txt"
SIGNS = {"ok": "✓", "fault": "✗"}
# Without the deletion, a set-up that once finished would leave all as it is.
ANEW = "Delete the folder .venv and run `python start.py setup`; an environment of your own is to be made anew too."


@dataclass(frozen=True)
class Finding:
    """One check: `state` is ok or fault; `step` says what to do."""

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


# --- checks: each returns what it found, or raises with what to do ---------------------------------------------


def _check_python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        raise DataError(f"{version} is not supported", "Install Python 3.11, 3.12 or 3.13 and run start.py with it.")
    return version


def _check_packages() -> str:
    from packaging.requirements import Requirement

    if not LOCK.is_file():
        raise DataError(f"{LOCK.name} is missing", "Restore it: `git checkout requirements.txt`.")
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    named = [line.rstrip(" \\") for line in lines if line and not line.startswith((" ", "\t", "#", "-"))]
    wanted = [one for one in map(Requirement, named) if one.marker is None or one.marker.evaluate()]
    wrong = []
    for requirement in wanted:
        damage = list_damage(requirement.name)
        if not damage and (version := importlib.metadata.version(requirement.name)) not in requirement.specifier:
            damage = [f"{requirement.name} is {version}, not{requirement.specifier}".replace("not==", "not ")]
        wrong += damage
    if wrong:
        raise DataError(", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""), ANEW)
    return f"{len(wanted)} packages as in requirements.txt"


def list_damage(name: str) -> list[str]:
    """Return which files of an installed package are missing or cut, by the list (RECORD) that came with it.

    A set-up that was killed leaves such packages; their versions tell nothing.
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


def _check_imports() -> str:
    """Check that no file before the packages has the name of one of them or of a module of Python, as `openai.py`."""
    paths = sysconfig.get_paths()
    own = [Path(paths[name]).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    names = {entry.name.partition(".")[0] for folder in own[2:] for entry in folder.iterdir()} | sys.stdlib_module_names
    end = sys.path.index(paths["purelib"]) if paths["purelib"] in sys.path else len(sys.path)
    hiding = []
    for folder in {Path(place).resolve() for place in (*sys.path[:end], "", NOTEBOOKS)}:
        if not any(folder.is_relative_to(place) for place in own):
            found = [PathFinder.find_spec(name, [str(folder)]) for name in names]
            hiding += [spec.origin for spec in found if spec and spec.origin]
    if hiding:
        step = "Rename or move them, or leave their folder out of PYTHONPATH; then restart JupyterLab."
        raise DataError(f"imported in place of a package or of Python's own: {', '.join(hiding)}", step)
    return "no foreign file hides a package or a module of Python"


def _check_settings() -> str:
    settings, catalog = load_settings(), load_catalog()
    catalog.find_provider(settings.provider_name)
    for entry in catalog.providers.values():
        find_key(entry, settings)
    connect("doctor", settings)
    environment = read_environment()
    keys = [entry.key_variable for entry in catalog.providers.values() if environment.get(entry.key_variable or "-")]
    keys += ["LLMOPS_API_KEY"] if settings.api_key else []
    told = f"keys set: {', '.join(keys)}" if keys else "no key set"
    return f"mode {settings.mode}, provider {settings.provider_name}, {told}"


def _check_weights() -> str:
    settings = load_settings()
    if not settings.needs_weights:
        return "not needed, a provider answers"
    if not settings.asks:
        return "not needed, answers come from the recordings"
    models = choose_local_models(settings)
    missing = ", ".join(model.name for model in models if not has_weights(model, settings.home))
    if missing:
        raise DataError(f"missing or damaged: {missing}", "Run `python -m llmops_utils models fetch`.")
    return f"{' and '.join(model.name for model in models)} are there and whole"


def _check_disk() -> str:
    folder = load_settings().home
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        free = shutil.disk_usage(folder).free / 1e9
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        step = "Set LLMOPS_HOME to a folder on a disk that is there, in which you may write."
        raise DataError(f"{folder} cannot be used ({error.strerror})", step) from None
    if free < 0.5:
        raise DataError(f"{free:.1f} GB free", "Free half a gigabyte, or set LLMOPS_HOME to another disk.")
    return f"{free:.0f} GB free"


def _check_memory() -> str:
    """Check the free memory: the embedded model needs about 0.5 GB, JupyterLab and a kernel about as much."""
    import psutil

    free = psutil.virtual_memory().available / 1e9
    little = "is little: close other programs, or work with LLMOPS_MODE=replay"
    return f"{free:.0f} GB free" if free >= 1.0 else f"{free:.1f} GB free {little}"


def _check_port() -> str:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
    except OSError as error:
        step = "Allow Python to listen on 127.0.0.1 in your firewall or security software."
        raise DataError(f"no port can be opened ({error.strerror})", step) from None
    return "a port on 127.0.0.1 can be opened"


def _check_certificates() -> str:
    """Check the certificates that the environment names: where they cannot be read, no encrypted connection is made."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        value = os.environ.get(name, "")
        try:
            if value and (name == "SSL_CERT_FILE" or not all(map(os.path.isdir, value.split(os.pathsep)))):
                ssl.create_default_context(cafile=value)
        except OSError as error:
            problem = f"{name} names {value}, which cannot be read ({error.strerror or type(error).__name__})"
            raise DataError(problem, f"Correct it, or unset {name}.") from None
    return "those that the environment names can be read"


def _check_clock() -> str:
    """Check the clock: one that lies in the past makes every encrypted connection fail."""
    today = datetime.date.today()
    checked = max(provider.checked for provider in load_catalog().providers.values() if provider.checked)
    if today < checked - datetime.timedelta(days=1):
        raise DataError(f"it says {today}, which is past", "Set the date of this machine.")
    return f"{today}"


def _check_jupyter() -> str:
    try:
        version, *_ = map(importlib.metadata.version, ("jupyterlab", "jupyterlab_widgets", "llmops-workbook"))
    except importlib.metadata.PackageNotFoundError as error:
        step = ANEW + " The course's own package comes with `pip install --no-deps --no-build-isolation -e .`."
        raise DataError(f"{error.name} is not installed", step) from None
    if not (NOTEBOOKS / "00_start_here.ipynb").is_file():
        raise DataError("notebooks/00_start_here.ipynb is missing", "Restore it: `git checkout notebooks`.")
    return f"{version}, with widgets"


CHECKS = {
    "Python": _check_python,
    "Packages": _check_packages,
    "Imports": _check_imports,
    "Settings": _check_settings,
    "Model files": _check_weights,
    "Disk": _check_disk,
    "Memory": _check_memory,
    "Loopback": _check_port,
    "Certificates": _check_certificates,
    "Clock": _check_clock,
    "JupyterLab": _check_jupyter,
}


def diagnose() -> Diagnosis:
    """Return the findings of all checks. A fault in the settings leaves out what depends on them."""
    found: dict[str, Finding] = {}
    for name, check in CHECKS.items():
        if name not in ("Model files", "Disk") or found["Settings"].state != "fault":
            found[name] = run_check(name, check)
    return Diagnosis(tuple(found.values()))


def run_check(name: str, check: Callable[[], str]) -> Finding:
    """Return what a check finds, also that it breaks, as by a damaged package."""
    try:
        return Finding(name, "ok", check())
    except WorkbookError as error:
        return Finding(name, "fault", error.problem, error.next_step)
    except Exception as error:
        return Finding(name, "fault", redact(f"the check fails ({type(error).__name__}: {error})"), ANEW)
