"""Isolation of all tests: replay mode, an empty home, no keys, no network, no model; and how notebooks are run.

`make live` sets WORKBOOK_LIVE=1: then notebooks and tests marked `live` talk to the embedded model.
"""

import functools
import gc
import hashlib
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
LIVE = os.environ.get("WORKBOOK_LIVE") == "1"
KEPT = ("HOME", "BASE_URL", "MODEL", "PROVIDER", "EXAMPLES", "THREADS")  # settings that a live run takes over
LONGEST = ("test_grading", "test_graders", "test_experiment", "test_gateway", "test_notebooks", "test_index")
LONGEST += ("test_otlp", "test_capstone", "test_sandbox")
NEEDS_NOTHING = "not live and not network"
PASSED = "workbook/passed"  # where pytest's cache keeps the fingerprints of files that passed

gc.set_threshold(50_000)  # a tenth of the time went into looking for garbage, of which there is little

for name in list(os.environ):
    keeps = LIVE and name.removeprefix("LLMOPS_") in KEPT
    if (name.startswith("LLMOPS_") and not keeps) or name.endswith("_API_KEY"):
        del os.environ[name]
os.environ["LLMOPS_NO_DOTENV"] = "1"
os.environ["LLMOPS_MODE"] = "live" if LIVE else "replay"
os.environ["JUPYTER_PLATFORM_DIRS"] = "1"
os.environ["PYTHONHASHSEED"] = "0"
if not LIVE:
    os.environ["LLMOPS_HOME"] = tempfile.mkdtemp(prefix="workbook-home-")
    os.environ["WORKBOOK_GUARD"] = "1"
    guard_folder = str(ROOT / "tests" / "guard")
    os.environ["PYTHONPATH"] = os.pathsep.join([guard_folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    sys.path.insert(0, guard_folder)
    import sitecustomize

    if Path(sitecustomize.__file__).parent != ROOT / "tests" / "guard":
        del sys.modules["sitecustomize"]  # the one of the system came first
        import sitecustomize


def pytest_configure(config):
    """Skip what needs the model or the package index unless it was asked for."""
    runs_notebooks = config.getoption("nbval", False) or config.getoption("nbval_lax", False)
    if not LIVE:
        import warm_kernels

        if runs_notebooks and not hasattr(config, "workerinput"):
            SERVERS.extend(warm_kernels.start_server())
        warm_kernels.pytest_configure()
    if not config.option.markexpr and not (LIVE and runs_notebooks):
        config.option.markexpr = "live" if LIVE else NEEDS_NOTHING
    if config.option.markexpr == NEEDS_NOTHING:
        # No certificates: to load those of all authorities takes each client long, and none is reached.
        os.environ.pop("SSL_CERT_FILE", None)
        os.environ["SSL_CERT_DIR"] = os.environ["LLMOPS_HOME"]


@functools.cache
def make_fingerprint(path):
    """Return a checksum of all that decides what a file's tests say; an empty one where that cannot be told.

    Of a notebook: itself, its recordings, package, data and lock. Of any other test: the whole project.
    """
    if path.suffix == ".ipynb":
        return hash_files(
            [path, ROOT / "data" / "recordings" / f"{path.stem}.jsonl.gz"], hash_common_files()
        ).hexdigest()
    return hash_project()


@functools.cache
def hash_project():
    """Return a checksum of all files of the project, but for those that git leaves out; an empty text without git."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return hash_files([ROOT / name for name in set(listed) if name], hashlib.sha256(sys.version.encode())).hexdigest()


@functools.cache
def hash_common_files():
    """Return a digest of what all notebooks share."""
    data = ROOT / "data"
    files = [path for path in data.rglob("*") if path.is_file() and path.relative_to(data).parts[0] != "recordings"]
    files += [path for path in (ROOT / "llmops_utils").rglob("*") if path.suffix in (".py", ".toml")]
    files += [ROOT / "requirements.txt", Path(__file__), *(ROOT / "tests" / "guard").glob("*.py")]
    return hash_files(files, hashlib.sha256(sys.version.encode()))


def hash_files(files, digest):
    """Return a digest to which the files are added that exist: a lesson may ask no model."""
    digest = digest.copy()
    for path in sorted(path for path in files if path.is_file()):
        digest.update(f"{path}:{path.stat().st_size}:".encode() + path.read_bytes())
    return digest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Let a course notebook's solutions be checked in its kernel after its last cell; leave out what passed before.

    What takes long comes first, so that two workers end together.
    """
    notebooks = {}
    for item in items:
        if item.path.suffix == ".ipynb" and item.path.parent == ROOT / "notebooks":
            notebooks.setdefault(item.path, item.parent)
    if LIVE or not notebooks:
        return
    num = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.stem not in LONGEST, -num[item.path], item.path))
    for path, collector in notebooks.items():
        end = 1 + max(number for number, item in enumerate(items) if item.path == path)
        items[end:end] = list_solutions(collector)
    unchanged = find_unchanged(config)
    left_out = [item for item in items if item.path in unchanged]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.path not in unchanged]


def find_unchanged(config):
    """Return the files whose tests have all passed and since when nothing changed that they see; in CI none."""
    cache = getattr(config, "cache", None)
    if LIVE or os.environ.get("CI") or not cache or not config.getoption("nbval", False):
        return set()
    passed = cache.get(PASSED, {})
    return {ROOT / name for name, found in passed.items() if found and found == make_fingerprint(ROOT / name)}


def pytest_sessionstart(session):
    """Take the checksums before anybody changes a file while the tests run."""
    if not LIVE and not hasattr(session.config, "workerinput"):
        for path in [ROOT / "conftest.py", *(ROOT / "notebooks").glob("*.ipynb")]:
            make_fingerprint(path)


def pytest_report_header(config):
    """Say how much is left out."""
    num = len(find_unchanged(config))
    left_out = f"{num} files passed before, and nothing that they test has changed: left out. All: CI=1 make test"
    return left_out if num else None


def list_solutions(collector):
    """Return a test for each exercise of a notebook: its solution, run in the notebook's kernel, passes its check."""
    import nbformat
    from nbval.plugin import IPyNbCell

    from llmops_utils.course.notebooks import list_solution_cells

    # What is solved here must not be seen as progress by the notebooks that follow.
    apart = 'import os\nos.environ["LLMOPS_PROGRESS"] = os.path.join(os.environ["LLMOPS_HOME"], "solutions.json")\n'
    for number, (name, source) in enumerate(list_solution_cells(collector.path.stem)):
        cell = nbformat.v4.new_code_cell(apart + source)
        options = defaultdict(bool, check=False)
        yield IPyNbCell.from_parent(
            collector, name=f"Solution {name}", cell_num=1000 + number, cell=cell, options=options
        )


def pytest_runtest_logreport(report):
    """Note which files passed."""
    RESULTS[report.nodeid.partition("::")[0]].add(report.outcome)


RESULTS = defaultdict(set)
SERVERS = []  # which fork kernels


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    """Keep the fingerprints of the files that passed as a whole, and remove the home folder of this run."""
    import shutil

    config = session.config
    option, cache = config.option, getattr(config, "cache", None)
    runs_all = config.args_source is config.ArgsSource.TESTPATHS and option.markexpr == NEEDS_NOTHING
    runs_all = runs_all and not (option.keyword or option.deselect or option.ignore or getattr(option, "lf", False))
    is_over = exitstatus in (0, 1, 5) and not session.shouldfail and not session.shouldstop
    if cache and not hasattr(config, "workerinput") and runs_all and is_over:
        if exitstatus == 5 and find_unchanged(config):  # no test was run, since none had to
            session.exitstatus = 0
        passed = {name: found for name, found in cache.get(PASSED, {}).items() if name not in RESULTS}
        passed |= {name: make_fingerprint(ROOT / name) for name, found in RESULTS.items() if found == {"passed"}}
        cache.set(PASSED, passed)
    for server in SERVERS:
        server.terminate()
        server.wait()
    if not LIVE:
        shutil.rmtree(os.environ["LLMOPS_HOME"], ignore_errors=True)
