"""JupyterLab on copies of the notebooks, for the checks: start it, open and run a notebook, find a cell, keep a picture."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / ".tools" / "browser" / "screenshots"
PYTHON = ROOT / ".venv" / "bin" / "python"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 60_000


def start_lab(folder, is_dark=False):
    """Start JupyterLab on copies of the notebooks; return the process and the address with its token."""
    copies = folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", copies, ignore=shutil.ignore_patterns(".*"))
    # All cells stay in the page, also those that are not in view.
    write_settings(folder, "notebook-extension", "tracker", {"windowingMode": "none"})
    if is_dark:
        write_settings(folder, "apputils-extension", "themes", {"theme": "JupyterLab Dark"})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMOPS_")}
    environment |= {
        "LLMOPS_MODE": "replay",
        "LLMOPS_NO_DOTENV": "1",
        "LLMOPS_HOME": str(folder / "home"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "llmops_utils" / "course" / "lab_config"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [str(PYTHON), "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"]
    command.append(f"--ServerApp.root_dir={folder}")
    log = (folder / "lab.log").open("w", encoding="utf-8")
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", (folder / "lab.log").read_text(encoding="utf-8"))
        if found:
            return process, found[0]
        if process.poll() is not None:
            break
        time.sleep(0.2)
    process.terminate()
    sys.exit("JupyterLab did not start:\n" + (folder / "lab.log").read_text(encoding="utf-8")[-2000:])


def write_settings(folder, extension, plugin, values):
    """Set what a reader would set under Settings."""
    place = folder / "settings" / "@jupyterlab" / extension
    place.mkdir(parents=True)
    (place / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values), encoding="utf-8")


def open_and_run(page, address, name, wait_ms=WAIT_MS):
    """Open a notebook, run all its cells, and wait until the last one has its number."""
    base, token = address.split("/lab?")
    page.goto(f"{base}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?{token}")
    notebook = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    expect(notebook.locator(".jp-CodeCell").first).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("(ipykernel) | Idle", timeout=WAIT_MS)
    started = time.monotonic()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    num_cells = notebook.locator(".jp-CodeCell").count()
    last = notebook.locator(".jp-CodeCell").nth(num_cells - 1).locator(".jp-InputPrompt")
    num_quiet = 0
    while last.inner_text() != f"[{num_cells}]:":
        # After an error no cell waits any more; between two cells that may be so for a moment.
        num_quiet = 0 if notebook.locator(".jp-InputPrompt", has_text="[*]").count() else num_quiet + 1
        assert num_quiet < 50, f"{name} stopped: {notebook.locator('.jp-OutputArea-output').last.inner_text()}"
        assert time.monotonic() - started < wait_ms / 1000, f"{name} still runs"
        page.wait_for_timeout(100)
    print(f"  {name}: {num_cells} cells ran in {time.monotonic() - started:.1f} s")
    return notebook


def find_cell(notebook, text):
    """Return the code cell whose source holds a text."""
    return notebook.locator(".jp-CodeCell").filter(has=notebook.page.locator(".jp-InputArea", has_text=text)).first


def shoot(part, name):
    """Keep a screenshot of a part of the page, in a window high enough for all of it."""
    page, usual = part.page, part.page.viewport_size
    page.set_viewport_size({"width": usual["width"], "height": usual["height"] + int(part.bounding_box()["height"])})
    page.wait_for_timeout(500)
    dark = "" if page.locator("body").get_attribute("data-jp-theme-light") == "true" else "_dark"
    part.screenshot(path=SCREENSHOTS / f"{name}{dark}.png")
    page.set_viewport_size(usual)
