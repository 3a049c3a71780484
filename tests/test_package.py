"""What importing the package costs and touches, and that no folder imports one above it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import llmops_utils
from llmops_utils.core import ROOT

PACKAGE = Path(llmops_utils.__file__).parent


def run_python(code):
    """Return what a fresh interpreter prints as JSON; it writes no byte code."""
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_takes_under_300_ms_and_large_libraries_wait_until_they_are_needed():
    """Also scipy's statistics, which take seconds, and which scores and comparisons do without."""
    code = """
import json, sys, time
started = time.perf_counter()
import llmops_utils
found = [time.perf_counter() - started, list(sys.modules)]
from llmops_utils.evaluation.metrics import compute_mcnemar, estimate_proportion
estimate_proportion(3, 4), compute_mcnemar([0, 1], [1, 1])
print(json.dumps([*found, list(sys.modules)]))
"""
    (first_s, *loaded), (second_s, *_) = (run_python(code) for _ in range(2))
    assert min(first_s, second_s) < 0.3
    assert {"openai", "chromadb", "comet_ml", "matplotlib", "numpy", "pandas"} & set(loaded[0]) == set()
    assert {"scipy.stats", "scipy.optimize"} & set(loaded[1]) == set()


WATCH = """
import importlib, json, logging, os, pkgutil, sys

events = []

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        writes = any(sign in mode for sign in "wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
        if writes and path != os.devnull:
            events.append(f"open {path} {mode}")
    elif event in ("os.mkdir", "os.remove", "os.rename", "sqlite3.connect"):
        events.append(f"{event} {arguments[0]}")
    elif event.startswith("socket.") and event != "socket.gethostname":
        events.append(event)

sys.addaudithook(watch)
import llmops_utils

names = []
for found in pkgutil.walk_packages(llmops_utils.__path__, "llmops_utils."):
    importlib.import_module(found.name)
    names.append(found.name)
root = logging.getLogger()
print(json.dumps({"names": names, "events": events, "handlers": len(root.handlers), "level": root.level}))
"""


def test_importing_all_modules_writes_no_file_opens_no_socket_and_configures_no_logging(tmp_path):
    imported = run_python(WATCH)
    expected = {f"llmops_utils.{name}" for name in ("core.errors", "models.server", "rag.index", "course.cli")}
    assert set(imported["names"]) >= expected
    assert imported["events"] == []
    assert (imported["handlers"], imported["level"]) == (0, 30)  # 30 is WARNING, where Python starts
    # And the watch would notice it.
    deeds = f"import socket; socket.socket().close(); os.mkdir({str(tmp_path / 'd')!r})\n"
    deeds += f"open({str(tmp_path / 'f')!r}, 'w').close(); logging.basicConfig()\n"
    seen = run_python(WATCH.replace("names = []\n", deeds + "names = []\n").replace("llmops_utils.__path__", "[]"))
    assert {event.split()[0] for event in seen["events"]} == {"socket.__new__", "os.mkdir", "open"}
    assert seen["handlers"] == 1


def lint_imports(folder):
    """Return exit code and report of the contracts in pyproject.toml, held against the package in a folder."""
    environment = os.environ | {"PYTHONPATH": str(folder)}
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_no_folder_imports_one_above_it_and_an_import_upwards_or_a_folder_without_a_layer_is_found(tmp_path):
    assert Path(__file__).parents[1] / "llmops_utils" == PACKAGE  # what is imported is this tree
    code, report = lint_imports(ROOT)
    assert code == 0, report
    shutil.copytree(PACKAGE, tmp_path / "llmops_utils", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "llmops_utils" / "core" / "errors.py").open("a", encoding="utf-8") as lowest:
        lowest.write("\n\ndef look():\n    from ..models import Model\n")
    (tmp_path / "llmops_utils" / "attic").mkdir()
    (tmp_path / "llmops_utils" / "attic" / "__init__.py").touch()
    code, report = lint_imports(tmp_path)
    assert code == 1
    assert "llmops_utils.core is not allowed to import llmops_utils.models" in " ".join(report.split())
    assert "llmops_utils.attic" in report
