"""Open the notebooks in JupyterLab in headless Chromium, run them, and use their widgets as a reader would.

    tests/browser/run                  all checks; screenshots go to .tools/browser/screenshots
    tests/browser/run prompt_basics    the checks whose names hold this
    tests/browser/run --dark           under JupyterLab's dark theme; the screenshots end in _dark

The notebooks are copies in replay mode, so no model is loaded and nothing in the repository changes.
"""

import re
import sys
import tempfile
from pathlib import Path

from lab import ARGUMENTS, SCREENSHOTS, find_cell, open_and_run, shoot, start_lab
from playwright.sync_api import Error, expect, sync_playwright


def press(cell, label, key, times):
    """Press a key on the handle of the slider with this label."""
    slider = cell.locator(".widget-slider", has=cell.page.get_by_text(label, exact=True))
    slider.locator(".noUi-handle").focus()
    for _ in range(times):
        cell.page.keyboard.press(key)


def check_start_here(page, address):
    """Lesson 00: the chooser writes lines for .env, an exercise is checked, the quiz counts."""
    notebook = open_and_run(page, address, "00_start_here")
    chooser = find_cell(notebook, "ProviderChooser()")
    chooser.locator("select").first.select_option("OpenAI")
    expect(chooser.locator("pre")).to_contain_text("LLMOPS_PROVIDER=openai")
    shoot(chooser, "00_chooser")

    exercise = notebook.locator(".jp-CodeCell", has_text="Exercise 00.1").first
    exercise.get_by_role("button", name="Check").click()
    expect(exercise.locator("[role=status]")).to_contain_text("Not attempted")
    shoot(exercise, "00_exercise")

    quiz = notebook.locator(".jp-CodeCell", has_text="the train has no network").first
    quiz.get_by_text("c) replay").click()
    quiz.get_by_role("button", name="Check").click()
    expect(quiz.locator("[role=status]")).to_contain_text("1 of 4 right")
    shoot(quiz, "00_quiz")


def check_llm_basics(page, address):
    """Lesson 01_1: the explorer grows a text and its bars follow the sliders; the picture is drawn."""
    notebook = open_and_run(page, address, "01_1_what_an_llm_is")
    explorer = find_cell(notebook, "NextTokenExplorer(model")
    text = explorer.locator("strong").first
    before = explorer.locator("tbody tr").first.inner_text()
    explorer.get_by_role("button", name="Take the likeliest").click()
    expect(text).to_have_text(" a", use_inner_text=False)
    explorer.get_by_role("button", name="Back").click()
    expect(explorer.locator("tbody tr").first).to_have_text(before, use_inner_text=True)
    press(explorer, "temperature", "ArrowLeft", 5)
    expect(explorer.locator("caption")).to_contain_text("temperature 0.5")
    assert explorer.locator("tbody tr").first.inner_text() != before, "the bars did not follow the slider"
    shoot(explorer, "01_explorer")

    picture = notebook.locator("img[alt^='Parameters on a scale of powers of ten']").first
    expect(picture).to_be_visible()
    shoot(picture, "01_parameters")


def check_what_is_llmops(page, address):
    """Chapter 02: a chosen stage is shown, and pictures are drawn."""
    notebook = open_and_run(page, address, "02_1_what_llmops_is", wait_ms=120_000)
    ring = find_cell(notebook, "LifecycleMap()")
    expect(ring.locator("[role=status]")).to_have_text("Data")
    ring.get_by_role("button", name="Watch", exact=True).click()
    expect(ring.locator("[role=status]")).to_have_text("Watch")
    shoot(ring, "02_ring")
    shoot(notebook.locator("img[alt^='The landscape']").first, "02_landscape")


def check_choosing_an_llm(page, address):
    """Lesson 03_1: the table is filtered and sorted. 03_6: other weights move the points, as they say."""
    notebook = open_and_run(page, address, "03_1_capability_and_focus", wait_ms=120_000)
    explorer = find_cell(notebook, 'course.TableExplorer(table, "Language models"')
    table = explorer.locator("table")
    explorer.get_by_label("kind", exact=True).select_option("embedding")
    expect(table.locator("tbody tr").first).to_contain_text("embedding")
    explorer.get_by_label("kind", exact=True).select_option("any")
    explorer.get_by_label("text", exact=True).fill("Qwen3")
    explorer.get_by_label("sort by", exact=True).select_option("parameters")
    explorer.get_by_label("largest first", exact=True).click()
    expect(table.locator("tbody tr").first).to_contain_text("Qwen3.8 27B")
    shoot(explorer, "03_explorer")
    notebook = open_and_run(page, address, "03_6_the_decision")
    card = find_cell(notebook, "course.ModelScorecard(scores, WEIGHTS)")
    table = card.locator("table")
    press(card, "quality", "ArrowLeft", 8)
    expect(table).to_contain_text("quality (weight 0)")
    shoot(card, "03_scorecard")


def check_strategies(page, address):
    """Lesson 4.1: the calculator follows the case and the price; other answers bring another way to the top."""
    notebook = open_and_run(page, address, "04_1_strategies")
    calculator = find_cell(notebook, "TrainingCalculator(")
    rows = calculator.locator("tbody tr")
    calculator.get_by_label("case", exact=True).select_option("7 B, balanced")
    expect(rows.filter(has_text="dollars")).to_contain_text("45,856")
    calculator.get_by_label("$ per hour", exact=True).fill("5")
    calculator.get_by_label("cards", exact=True).fill("128")
    calculator.get_by_label("cards", exact=True).press("Tab")
    expect(rows.filter(has_text="days on 128 cards")).to_contain_text("5.97")
    shoot(calculator, "04_calculator")

    chooser = find_cell(notebook, "AdaptationChooser(")
    first = chooser.locator("tbody tr").first
    expect(first).to_contain_text("retrieve")
    for label, answer in (("answers lack", "form"), ("facts change", "yearly"), ("sources are", "not needed")):
        chooser.get_by_label(label, exact=True).select_option(answer)
    expect(first).to_contain_text("it is the baseline for all others")  # as in the static table: tone of voice
    shoot(chooser, "04_chooser")


def check_prompt_basics(page, address):
    """Lesson 05_1: the workbench follows its boxes. 05_4: the map of techniques."""
    notebook = open_and_run(page, address, "05_1_elements_of_a_prompt")
    workbench = find_cell(notebook, "course.PromptWorkbench(")
    status = workbench.locator("[role=status]")
    workbench.locator("select").select_option(index=0)  # all combinations of the first message are recorded
    expect(status).to_contain_text("Reply:")
    rows = workbench.locator("tbody")
    before = rows.inner_text()
    workbench.get_by_label("examples").click()
    expect(rows).not_to_have_text(before, use_inner_text=True)
    expect(status).to_contain_text("Reply:")
    shoot(workbench, "05_workbench")

    notebook = open_and_run(page, address, "05_4_versions_and_the_map")
    techniques = find_cell(notebook, "course.TechniqueMap(")
    status = techniques.locator("[role=status]").first
    expect(status).to_contain_text("zero-shot")
    techniques.get_by_role("button", name="PAL").click()
    expect(status).to_contain_text("PAL")
    expect(techniques.locator("tbody").first).to_contain_text("an interpreter runs it")
    shoot(techniques, "05_techniques")


def check_prompting_basic(page, address):
    """Lesson 06_2: the picker shows a ready set at once, and measures a choice of one's own where it is recorded."""
    notebook = open_and_run(page, address, "06_2_few_shot")
    picker = find_cell(notebook, "picker = course.ShotPicker(")
    shown = picker.locator("strong").first
    picker.locator("select").first.select_option("two per intent")
    expect(shown).to_have_text("two per intent")
    shoot(picker, "06_picker")
    picker.locator("select").first.select_option("your own choice")
    expect(picker.locator("[role=status]")).to_contain_text("Choose examples")
    picker.get_by_role("button", name="Measure").click()
    expect(shown).to_have_text("your own choice: 0 examples")


def check_prompting_advanced(page, address):
    """Lesson 07_2: the explorer steps through the chains of a vote."""
    notebook = open_and_run(page, address, "07_2_chain_of_thought")
    explorer = find_cell(notebook, "ChainExplorer(")
    explorer.locator("select").first.select_option(index=1)
    expect(explorer.locator("strong, b").first).to_contain_text("5 boxes with 30 kettles")
    explorer.get_by_role("button", name="five chains").click()
    shown = explorer.locator("table").first
    expect(shown).to_contain_text("1 of 5")
    explorer.get_by_role("button", name="Next step").click()
    expect(shown).to_contain_text("2 of 5")
    shoot(explorer, "07_explorer")


def check_react(page, address):
    """Lesson 08_1: the inspector goes forward to the answer."""
    notebook = open_and_run(page, address, "08_1_react")
    inspector = find_cell(notebook, "TraceInspector(")
    rows = inspector.locator("tbody tr")
    expect(rows).to_have_count(0)
    inspector.get_by_role("button", name="Forward").click()
    expect(rows).to_have_count(1)
    shoot(inspector, "08_1_inspector")
    inspector.get_by_role("button", name="To the end").click()
    expect(inspector.locator("[role=status]")).to_contain_text("Answer:")


def check_rag(page, address):
    """Lesson 09_2: the inspector shows another question with its prompt."""
    notebook = open_and_run(page, address, "09_2_retrieval", wait_ms=120_000)
    inspector = find_cell(notebook, "RetrievalInspector(")
    menu = inspector.get_by_label("question", exact=True)
    question = menu.locator("option").nth(2).inner_text()
    menu.select_option(question)
    question = " ".join(question.split())  # the menu's spaces do not break lines
    expect(inspector.locator("caption")).to_contain_text(question)
    inspector.get_by_text("The assembled prompt").click()
    expect(inspector.locator("details pre")).to_be_visible()
    shoot(inspector, "09_inspector")


def check_experiment_tracking(page, address):
    """Lesson 10_2: the dashboard filters and sorts, and shows what two other runs differ in."""
    notebook = open_and_run(page, address, "10_2_comparing_and_choosing", wait_ms=120_000)
    dashboard = find_cell(notebook, "RunDashboard(grid")
    table = dashboard.locator("table").first
    shoot(dashboard, "10_dashboard_start")
    dashboard.get_by_label("filter", exact=True).fill("shots=16")
    dashboard.get_by_label("filter", exact=True).press("Tab")
    expect(table.locator("tbody tr")).to_have_count(4)
    dashboard.get_by_label("sort by", exact=True).select_option("prompt_tokens")
    expect(table.locator("tbody tr").first).to_contain_text("described, 16 shots")
    expect(dashboard.locator("img")).to_have_attribute("alt", re.compile("12 described, 16 shots, 8 labels: "))
    dashboard.get_by_label("before", exact=True).select_option("plain, 0 shots, 0 labels")
    dashboard.get_by_label("after", exact=True).select_option("described, 16 shots, 8 labels")
    told = dashboard.get_by_text("described, 16 shots, 8 labels against plain, 0 shots, 0 labels")
    expect(told).to_be_visible()
    shoot(dashboard, "10_dashboard")  # with the prompts word by word


def check_error_analysis(page, address):
    """Lesson 11.1: a tag is kept and told, and the next trace is one without."""
    notebook = open_and_run(page, address, "11_1_error_analysis", wait_ms=120_000)
    tagger = find_cell(notebook, "tagger = course.Tagger")
    tagger.get_by_role("button", name="not found", exact=True).click()
    expect(tagger.locator("[role=status]")).to_have_text("1 of 30 have a tag.")
    expect(tagger.locator("pre")).to_have_text("{'q001': 'not found'}")
    shoot(tagger, "11_tagger")
    tagger.get_by_role("button", name="Next", exact=True).click()
    expect(tagger.locator("thead")).to_contain_text("q002")


def check_numbers_you_can_trust(page, address):
    """Lesson 11.2: the calculator follows its sliders."""
    notebook = open_and_run(page, address, "11_2_numbers_you_can_trust", wait_ms=120_000)
    calculator = find_cell(notebook, "calculator = course.PowerCalculator()")
    told = calculator.locator("[role=status]")
    press(calculator, "lost, % of examples", "ArrowLeft", 5)
    expect(told).to_have_text(re.compile("With 100 examples .* 84%. For 80% it needs 92 examples"))
    shoot(calculator, "11_calculator")


def check_watch(page, address):
    """Lesson 12.4: another incident raises other alarms; a looser rule raises them also while all is quiet."""
    notebook = open_and_run(page, address, "12_4_watch", wait_ms=120_000)
    dashboard = find_cell(notebook, "MonitorDashboard(calm, streams, START)")
    told = dashboard.locator("[role=status]")
    dashboard.get_by_label("incident", exact=True).select_option("questions")
    expect(told).to_contain_text("questions: alarm after 600 requests (drift of the answers)")
    shoot(dashboard, "12_dashboard")
    press(dashboard, "limit at", "ArrowLeft", 3)
    press(dashboard, "in a row", "ArrowLeft", 1)
    expect(dashboard.get_by_text("90.0%", exact=True)).to_be_visible()
    expect(told).to_contain_text("questions: alarm after 50 requests")
    shoot(dashboard, "12_dashboard_loose")


CHECKS = [check for name, check in [*globals().items()] if name.startswith("check_")]


def main():
    """Run the checks that are asked for; print how many passed, and exit with 1 where one failed."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    num_passed, num_failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="workbook-browser-") as name, sync_playwright() as playwright:
        lab, address = start_lab(Path(name), is_dark="--dark" in sys.argv)
        browser = playwright.chromium.launch(executable_path=sys.argv[1], headless=True, args=ARGUMENTS)
        try:
            wanted = [word for word in sys.argv[2:] if word != "--dark"]
            for check in [one for one in CHECKS if not wanted or any(part in one.__name__ for part in wanted)]:
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                try:
                    check(page, address)
                    num_passed += 1
                except (AssertionError, Error) as error:
                    num_failed += 1
                    page.screenshot(path=SCREENSHOTS / f"failed_{check.__name__}.png")
                    told = str(error).partition("\nAria snapshot")[0]  # what follows is the whole page in words
                    print(f"FAILED {check.__name__}: {told}", file=sys.stderr)
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
