"""Claims about the teacher's pages: each lesson has its plan, a course has lessons that are there, words are explained."""

import re
import sys

import pytest

from llmops_utils.core import ROOT


@pytest.fixture
def plans(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book")
    import make_plans

    yield make_plans
    del sys.modules["make_plans"]


def test_each_lesson_has_its_plan_with_questions_misconceptions_and_failures_that_are_in_the_lesson(plans):
    lessons, written = plans.read_lessons(), plans.read_toml("plans.toml")
    assert list(written) == sorted(lessons)
    for address, plan in written.items():
        assert set(plan) == {"aim", "board", "misread", "fails"}, address
        assert (len(plan["board"]) >= 2, len(plan["misread"]) >= 2) == (True, True), address
        assert all(ask.endswith(("?", ".")) and len(likely) > 40 for ask, likely in plan["board"]), address
        prose = "\n".join(plans.read_prose(ROOT / "notebooks" / f"{lessons[address].stem}.ipynb"))
        named = re.findall(r"\*([^*]+)\*", plan["fails"])
        missing = [one for one in named if not re.search(rf"^##+ .*{re.escape(one)}", prose, re.M | re.I)]
        assert missing == [], address


def test_a_page_says_what_the_lesson_says_of_itself(plans):
    pages = plans.make_pages()
    page = pages["plan_06_2"]
    assert page.startswith("# Plan of 6.2 Few-shot prompting\n")
    assert "| **minutes** | 30 for board and lesson, 15 for the exercises, 5 for the quiz |" in page
    assert "[6.1 Zero-shot prompting](06_1_zero_shot.ipynb)" in page
    assert (
        "- Which is worse, examples of only four of the eight intents, or eight examples that all have a wrong label?"
        in page
    )
    assert "- Examples that mislead\n- Examples that earn their place\n- Quiz" in page
    for lesson in plans.read_lessons().values():
        facts = (lesson.title, lesson.question, lesson.goals, lesson.takes, lesson.exercises)
        assert all(facts), lesson.stem
        assert 25 <= lesson.minutes <= 60, lesson.stem
        assert lesson.predictions, lesson.stem


def test_a_course_has_lessons_with_plans_each_once_the_term_all_of_them_and_each_word_leads_to_a_lesson(plans):
    written = plans.read_toml("plans.toml")
    courses = {
        one["name"]: [a for _, part in one["parts"] for a in part] for one in plans.read_toml("courses.toml")["courses"]
    }
    for name, addresses in courses.items():
        assert len(addresses) == len(set(addresses)), name
        assert set(addresses) <= written.keys(), name
    assert set(courses["In a term"]) == written.keys()
    rows = [line.split(" | ") for line in plans.make_glossary().splitlines()[4:]]
    explained = {row[0].strip("|* "): row[2] for row in rows}
    told = plans.read_toml("glossary.toml")
    assert explained.keys() == told.keys()
    assert [word for word, link in explained.items() if "](" not in link] == []
