"""Open the notebooks in JupyterLab in headless Chromium, run them, and use their widgets as a reader would.

    tests/browser/run                  all checks; screenshots go to .tools/browser/screenshots
    tests/browser/run prompt_basics    the checks whose names hold this

The notebooks are copies in replay mode, so no model is loaded and nothing in the repository changes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Error, expect, sync_playwright

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


def start_lab(folder):
    """Start JupyterLab on copies of the notebooks; return the process and the address with its token."""
    copies = folder / "notebooks"
    shutil.copytree(ROOT / "notebooks", copies, ignore=shutil.ignore_patterns(".*"))
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # All cells stay in the page, also those that are not in view.
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMOPS_")}
    environment |= {
        "LLMOPS_MODE": "replay",
        "LLMOPS_NO_DOTENV": "1",
        "LLMOPS_HOME": str(folder / "home"),
        "JUPYTER_CONFIG_PATH": str(ROOT / "llmops_utils" / "lab_config"),
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


def open_and_run(page, address, name):
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
    expect(last).to_have_text(f"[{num_cells}]:", timeout=WAIT_MS)
    print(f"  {name}: {num_cells} cells ran in {time.monotonic() - started:.1f} s")
    return notebook


def find_cell(notebook, text):
    """Return the code cell whose source holds a text."""
    return notebook.locator(".jp-CodeCell").filter(has=notebook.page.locator(".jp-InputArea", has_text=text)).first


def shoot(cell, name):
    """Scroll to a part of the page and keep a screenshot of the page."""
    cell.scroll_into_view_if_needed()
    cell.page.wait_for_timeout(300)
    cell.page.screenshot(path=SCREENSHOTS / f"{name}.png")


def check_start_here(page, address):
    """Chapter 00: the chooser writes lines for .env, an exercise gives a hint, the quiz counts."""
    notebook = open_and_run(page, address, "00_start_here")
    chooser = find_cell(notebook, "ProviderChooser()")
    expect(chooser.locator("pre")).to_contain_text("LLMOPS_PROVIDER=embedded")
    chooser.locator("select").first.select_option("OpenAI")
    expect(chooser.locator("pre")).to_contain_text("LLMOPS_PROVIDER=openai")
    expect(chooser.locator("pre")).to_contain_text("OPENAI_API_KEY=(your key)")
    shoot(chooser, "00_chooser")

    exercise = notebook.locator(".jp-CodeCell", has_text="Exercise 00.1").first
    exercise.get_by_role("button", name="Hint").click()
    expect(exercise.locator("[role=status]")).to_contain_text("Hint 1 of 2")
    exercise.get_by_role("button", name="Check").click()
    expect(exercise.locator("[role=status]")).to_contain_text("Not attempted")
    shoot(exercise, "00_exercise")

    quiz = notebook.locator(".jp-CodeCell", has_text="You work on a train").first
    quiz.get_by_text("c) replay").click()
    quiz.get_by_role("button", name="Check").click()
    expect(quiz.locator("[role=status]")).to_contain_text("1 of 4 right")
    shoot(quiz, "00_quiz")


def check_llm_basics(page, address):
    """Chapter 01: the explorer grows a text and its bars follow the sliders; pictures are drawn."""
    notebook = open_and_run(page, address, "01_llm_basics")
    explorer = find_cell(notebook, "explorer = NextTokenExplorer")
    text = explorer.locator("strong").first
    expect(explorer.locator("table")).to_contain_text("temperature 1.0")
    explorer.get_by_role("button", name="Start again").click()
    expect(text).to_have_text("")
    before = explorer.locator("tbody tr").first.inner_text()
    explorer.get_by_role("button", name="Take the likeliest").click()
    expect(text).to_have_text(" a", use_inner_text=False)
    explorer.get_by_role("button", name="Take the likeliest").click()
    expect(text).to_have_text(" a classic", use_inner_text=False)
    explorer.get_by_role("button", name="Back").click()
    explorer.get_by_role("button", name="Back").click()
    expect(explorer.locator("tbody tr").first).to_have_text(before, use_inner_text=True)
    handle = explorer.locator(".noUi-handle").first
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    expect(explorer.locator("caption")).to_contain_text("temperature 0.5")
    assert explorer.locator("tbody tr").first.inner_text() != before, "the bars did not follow the slider"
    shoot(explorer, "01_explorer")

    for told in ("Reliability chart", "Heat map of attention", "Bar chart of the next token"):
        picture = notebook.locator(f"img[alt^='{told}']").first
        expect(picture).to_be_visible()
        shoot(picture, "01_" + told.lower().replace(" ", "_"))


def check_prompt_basics(page, address):
    """Chapter 05: the workbench follows its boxes; a message that is not recorded says so."""
    notebook = open_and_run(page, address, "05_prompt_basics")
    workbench = find_cell(notebook, "workbench = PromptWorkbench(")
    status = workbench.locator("[role=status]")
    workbench.locator("select").select_option(index=0)  # all combinations of the first message are recorded
    expect(status).to_contain_text("Reply:")
    rows = workbench.locator("tbody")
    before = rows.inner_text()
    workbench.get_by_label("examples").click()
    expect(rows).not_to_have_text(before, use_inner_text=True)
    expect(status).to_contain_text("Reply:")
    shoot(workbench, "05_workbench")
    workbench.locator("select").select_option(index=2)
    expect(status).to_be_visible()


def check_prompting_basic(page, address):
    """Chapter 06: the picker shows a ready set at once, and measures a choice of one's own where it is recorded."""
    notebook = open_and_run(page, address, "06_prompting_basic")
    picker = find_cell(notebook, "picker = ShotPicker(")
    shown = picker.locator("strong").first
    expect(shown).to_have_text("none")
    picker.locator("select").first.select_option("two per intent")
    expect(shown).to_have_text("two per intent")
    shoot(picker, "06_picker")
    picker.locator("select").first.select_option("your own choice")
    expect(picker.locator("[role=status]")).to_contain_text("Choose examples")
    picker.get_by_role("button", name="Measure").click()
    expect(shown).to_have_text("your own choice: 0 examples")


def check_prompting_advanced(page, address):
    """Chapter 07: the explorer steps through a chain."""
    notebook = open_and_run(page, address, "07_prompting_advanced")
    explorer = find_cell(notebook, "ChainExplorer(")
    explorer.locator("select").first.select_option(index=1)
    expect(explorer.locator("strong, b").first).to_contain_text("7 boxes")
    explorer.get_by_role("button", name="prompt chaining").click()
    next_step = explorer.get_by_role("button", name="Next step")
    shown = explorer.locator("table").first
    expect(shown).to_contain_text("1 of ")
    before = shown.inner_text()
    if next_step.is_enabled():
        next_step.click()
        expect(shown).not_to_have_text(before, use_inner_text=True)
    shoot(explorer, "07_explorer")


def check_prompting_specialized(page, address):
    """Chapter 08: the inspector goes forward to the answer."""
    notebook = open_and_run(page, address, "08_prompting_specialized")
    inspector = find_cell(notebook, "TraceInspector(")
    rows = inspector.locator("tbody tr")
    expect(rows).to_have_count(0)
    inspector.get_by_role("button", name="Forward").click()
    expect(rows).to_have_count(1)
    shoot(inspector, "08_inspector")
    inspector.get_by_role("button", name="To the end").click()
    expect(inspector.locator("[role=status]")).to_contain_text("Answer:")


CHECKS = (
    check_start_here,
    check_llm_basics,
    check_prompt_basics,
    check_prompting_basic,
    check_prompting_advanced,
    check_prompting_specialized,
)


def main():
    """Run all checks in light and dark; print how many passed, and exit with 1 where one failed."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    num_passed, num_failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="workbook-browser-") as name, sync_playwright() as playwright:
        lab, address = start_lab(Path(name))
        browser = playwright.chromium.launch(executable_path=sys.argv[1], headless=True, args=ARGUMENTS)
        try:
            wanted = sys.argv[2:]
            for check in [one for one in CHECKS if not wanted or any(part in one.__name__ for part in wanted)]:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                try:
                    check(page, address)
                    num_passed += 1
                except (AssertionError, Error) as error:
                    num_failed += 1
                    page.screenshot(path=SCREENSHOTS / f"failed_{check.__name__}.png")
                    print(f"FAILED {check.__name__}: {error}", file=sys.stderr)
                finally:
                    page.close()
        finally:
            browser.close()
            lab.terminate()
            lab.wait(20)
    print(f"{num_passed} passed, {num_failed} failed")
    sys.exit(1 if num_failed else 0)


if __name__ == "__main__":
    main()
