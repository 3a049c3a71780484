"""What importing the package costs and touches, and that no module imports one above it."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import llmops_utils
from llmops_utils.settings import ROOT

PACKAGE = Path(llmops_utils.__file__).parent

# A module may import those of its own level and of lower ones. Packages stand for all of their modules.
LEVELS = {
    "": 0,  # the package itself
    "errors": 0,
    "markup": 0,
    "settings": 1,
    "metrics": 1,
    "schemas": 1,
    "prompts": 1,
    "releases": 2,
    "answers": 1,
    "catalog": 2,
    "tables": 2,
    "datasets": 2,
    "lifecycle": 2,
    "memory": 2.5,
    "decision": 1,
    "weights": 3,
    "vectors": 3,
    "recording": 3,
    "budget": 3,
    "reply": 3,
    "fluency": 3,
    "server": 4,
    "embedding": 4,
    "connection": 4,
    "faults": 4.5,
    "model": 5,
    "sandbox": 6,
    "agent": 6,
    "scorers": 6,
    "results": 6,
    "rag": 6,
    "evaluation": 6,
    "archives": 5,
    "runs": 6,
    "spans": 6,
    "agreement": 6,
    "judges": 6,
    "power": 6,
    "quality": 6,
    "bench": 6,
    "tracking": 6,
    "uploads": 6,
    "training": 6,
    "gate": 6,
    "caching": 6,
    "limits": 6,
    "guardrails": 6,
    "monitoring": 6,
    "incidents": 6,
    "capstone": 6,
    "submissions": 6,
    "grading": 6,
    "exercises": 7,
    "widgets": 7,
    "doctor": 7,
    "notebooks": 7,
    "progress": 7,
    "__main__": 7,
}


def run_python(code):
    """Return what a fresh interpreter prints as JSON; it writes no byte code."""
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- imports -------------------------------------------------------------------------------------------------


def test_importing_the_package_takes_under_300_ms():
    code = (
        "import json, time\n"
        "started = time.perf_counter()\n"
        "import llmops_utils\n"
        "print(json.dumps(time.perf_counter() - started))\n"
    )
    assert min(run_python(code) for _ in range(3)) < 0.3


def test_importing_the_package_loads_none_of_the_large_libraries():
    large = {"openai", "chromadb", "comet_ml", "matplotlib", "numpy", "pandas"}
    code = f"import json, sys, llmops_utils; print(json.dumps(sorted({large!r} & set(sys.modules))))"
    assert run_python(code) == []


def test_scores_and_comparisons_load_no_statistics_of_scipy():
    """They take seconds to load, and each chapter would pay for them."""
    large = {"scipy.stats", "scipy.optimize"}
    code = f"""
import json, sys
from llmops_utils.metrics import compute_mcnemar, estimate_proportion
estimate_proportion(3, 4), compute_mcnemar([0, 1], [1, 1])
print(json.dumps(sorted({large!r} & set(sys.modules))))
"""
    assert run_python(code) == []


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


@pytest.fixture(scope="module")
def imported():
    """What happened while a fresh interpreter imported all modules."""
    return run_python(WATCH)


def test_all_modules_can_be_imported(imported):
    assert set(imported["names"]) >= {f"llmops_utils.{name}" for name in ("errors", "model", "server", "weights")}


def test_importing_all_modules_writes_no_file_and_opens_no_socket(imported):
    assert imported["events"] == []


def test_importing_all_modules_configures_no_logging(imported):
    assert (imported["handlers"], imported["level"]) == (0, 30)  # 30 is WARNING, where Python starts


def test_the_watch_itself_notices_a_file_a_folder_and_a_socket(tmp_path):
    deeds = f"import socket; socket.socket().close(); os.mkdir({str(tmp_path / 'd')!r})\n"
    deeds += f"open({str(tmp_path / 'f')!r}, 'w').close(); logging.basicConfig()\n"
    seen = run_python(WATCH.replace("names = []\n", "names = []\n" + deeds))
    assert {event.split()[0] for event in seen["events"]} == {"socket.__new__", "os.mkdir", "open"}
    assert seen["handlers"] == 1


# --- levels --------------------------------------------------------------------------------------------------


def get_level(module):
    """Return the level of a module of the package, such as `model` or `widgets.quiz`."""
    top = module.partition(".")[0]
    assert top in LEVELS, f"The module {module} has no level: add “{top}” to LEVELS in {Path(__file__).name}."
    return LEVELS[top]


def list_imports(source, module, is_package=False):
    """Return the modules of the package that a source imports, at its top or in functions, without its name."""
    package = module if is_package else module.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = ["llmops_utils", *filter(None, package.split("."))]
            start = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            if base == "llmops_utils":  # its names are modules, or belong to the package itself
                found += [f"{base}.{alias.name}" if alias.name in LEVELS else base for alias in node.names]
            else:
                found.append(base)
    inside = [name for name in found if name.partition(".")[0] == "llmops_utils"]
    return [name.partition(".")[2] for name in inside]


def list_upward_imports(source, module, is_package=False):
    level = get_level(module)
    return [f"{module} imports {name}" for name in list_imports(source, module, is_package) if get_level(name) > level]


def list_sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        yield path, ".".join(parts[:-1] if is_package else parts), is_package


@pytest.mark.parametrize(
    ("path", "module", "is_package"), [pytest.param(*entry, id=entry[1] or "llmops_utils") for entry in list_sources()]
)
def test_no_module_imports_one_above_it(path, module, is_package):
    assert list_upward_imports(path.read_text(encoding="utf-8"), module, is_package) == []


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        ("from .model import Model", "errors", ["model"]),
        ("from . import model, server", "catalog", ["model", "server"]),
        ("import llmops_utils.model", "catalog", ["model"]),
        ("from llmops_utils.widgets.quiz import Quiz", "model", ["widgets.quiz"]),
        ("from llmops_utils import rag", "budget", ["rag"]),
        ("def f():\n    from .server import start_server", "weights", ["server"]),
        ("from ..model import Model", "exercises.chapter_1", []),
        ("from ..doctor import check", "exercises.chapter_1", []),
        ("from .errors import DataError\nimport os, json\nfrom pathlib import Path", "settings", []),
        ("from . import __version__", "errors", []),
        ("from .server import start_server", "connection", []),
    ],
)
def test_an_upward_import_is_found_in_every_form(source, module, expected):
    assert list_upward_imports(source, module) == [f"{module} imports {name}" for name in expected]


def test_an_upward_import_of_a_package_is_found():
    assert list_upward_imports("from .quiz import Quiz", "widgets", is_package=True) == []
    assert list_imports("from .quiz import Quiz", "widgets", is_package=True) == ["widgets.quiz"]
    assert list_upward_imports("from .widgets import quiz", "", is_package=True) == [" imports widgets"]


def test_a_module_without_a_level_is_reported_with_what_to_do():
    with pytest.raises(AssertionError, match=r"add “telepathy” to LEVELS in test_package\.py"):
        list_upward_imports("", "telepathy")
    with pytest.raises(AssertionError, match="add “telepathy” to LEVELS"):
        list_upward_imports("from .telepathy import read", "model")


def test_the_package_is_imported_from_this_tree():
    assert PACKAGE == ROOT / "llmops_utils"
    assert os.path.samefile(ROOT, Path(__file__).parents[1])
