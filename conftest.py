"""Isolation of all tests: replay mode, an empty home, no keys, no network, no model.

`make live` sets WORKBOOK_LIVE=1: then notebooks and tests marked `live` talk to the embedded model.
"""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent
LIVE = os.environ.get("WORKBOOK_LIVE") == "1"
KEPT = ("HOME", "BASE_URL", "MODEL", "PROVIDER", "EXAMPLES", "THREADS")  # settings that a live run takes over

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
    if not config.option.markexpr and not (LIVE and runs_notebooks):
        config.option.markexpr = "live" if LIVE else "not live and not network"


def pytest_sessionfinish():
    """Remove the home folder of this run."""
    import shutil

    if not LIVE:
        shutil.rmtree(os.environ["LLMOPS_HOME"], ignore_errors=True)
