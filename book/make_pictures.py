"""Make the pictures of README.md: a lesson in JupyterLab, the map, a measured table. `make pictures` calls it.

Everything is shown from recordings. Takes the path of a Chromium.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))
from lab import ARGUMENTS, find_cell, open_and_run, start_lab  # noqa: E402

PICTURES = ROOT / "book" / "pictures"


def shoot_lab(page, address):
    """Take JupyterLab with a lesson, at a question before a run."""
    notebook = open_and_run(page, address, "06_2_few_shot")
    page.keyboard.press("Control+b")  # the file browser away
    find_cell(notebook, "ShotPicker(").locator("select").first.select_option("one per intent")
    question = notebook.locator(".jp-MarkdownCell", has_text="which is worse, examples of only four").first
    question.evaluate("cell => cell.scrollIntoView()")
    page.wait_for_timeout(1000)
    page.screenshot(path=PICTURES / "lesson.png")


def shoot_book(page):
    """Take a measured table and the ring of stages as they stand in the book."""
    for lesson, output, name in (
        ("06_2_few_shot", ".cell_output:has-text('among 7 verdicts')", "measured"),
        ("02_1_what_llmops_is", "svg:has(a[href])", "map"),
    ):
        page.goto((ROOT / "build" / "book" / "html" / f"{lesson}.html").as_uri())
        page.locator(f"article {output}").first.screenshot(path=PICTURES / f"{name}.png")


def main():
    """Take all pictures, and say how large they are."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        process, address = start_lab(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=sys.argv[1], args=ARGUMENTS)
            shoot_book(browser.new_page(viewport={"width": 1300, "height": 1600}))
            shoot_lab(browser.new_page(viewport={"width": 1000, "height": 780}), address)
            browser.close()
        finally:
            process.terminate()
            process.wait()
    for path in sorted(PICTURES.glob("*.png")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
