"""Claims about the two maps: every chapter and stage is there, links lead to notebooks, the choice is what is shown."""

import json
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from fake_results import RESULT
from widget_views import read_rows

from llmops_utils.core import DATA
from llmops_utils.course import STAGES, CourseMap, LifecycleMap, Progress, TechniqueMap, load_tools
from llmops_utils.course import notebooks as course_notebooks
from llmops_utils.course.exercises import loading
from llmops_utils.course.notebooks import find_notebooks, list_notebooks
from llmops_utils.course.widgets.maps import draw_ring

SVG = "{http://www.w3.org/2000/svg}"
XHTML = "{http://www.w3.org/1999/xhtml}"


# --- the course ----------------------------------------------------------------------------------------------


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return Progress()


def test_what_is_solved_stands_in_the_map_of_the_course(progress):
    course_map = CourseMap(progress)
    for id in ("00.1", "00.quiz", "01_1.2", "77.1"):
        progress.mark_done(id)
    assert repr(course_map).splitlines()[:2] == ["0. Start here: 2 of 4 solved", "1.1 What an LLM is: 1 of 3 solved"]
    html = course_map._repr_html_()
    assert [row[2] for row in read_rows(html)][:2] == ["●●○○ 2 of 4", "●○○ 1 of 3"]
    assert re.findall(r"<a href='([^']+)'>", html) == [path.name for path in list_notebooks()]


def test_a_damaged_lesson_and_one_without_a_title_stand_there_by_their_names_and_the_learners_own_do_not(
    progress, tmp_path, monkeypatch
):
    monkeypatch.setattr(course_notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    text = (DATA / "exercises" / "00.toml").read_text(encoding="utf-8")
    prose = ["# Of a lesson\n", "\n", "**The question:** what\n", "for?"]
    for name, kind in (
        ("04_2_b", "markdown"),
        ("04_1_untitled", "raw"),
        ("03_1_damaged", ""),
        ("14_1_own", "markdown"),
    ):
        content = json.dumps({"cells": [{"cell_type": kind, "source": prose}]}) if kind else ""
        (tmp_path / f"{name}.ipynb").write_text(content, encoding="utf-8")
        address = course_notebooks.get_address(name)
        if address != "14_1":
            (tmp_path / f"{address}.toml").write_text(text.replace('"00.', f'"{address}.'), encoding="utf-8")
    assert read_rows(CourseMap(progress)._repr_html_()) == [
        ["03_1_damaged", "", "○○○○ 0 of 4"],
        ["04_1_untitled", "", "○○○○ 0 of 4"],
        ["Of a lesson", "What for?", "○○○○ 0 of 4"],
    ]


# --- the lifecycle -------------------------------------------------------------------------------------------


def test_the_links_of_the_ring_stand_outside_its_image_which_has_a_title_and_a_description():
    """Inside an image a screen reader finds no link, and JupyterLab fails at links that are elements of SVG."""
    picture = ElementTree.fromstring(draw_ring())
    [image] = [part for part in picture.iter() if part.get("role") == "img"]
    assert image.find(f"{SVG}title").text == "The lifecycle of an LLM application"
    assert f"A ring of {len(STAGES)} stages" in image.find(f"{SVG}desc").text
    assert list(image.iter(f"{XHTML}a")) == list(picture.iter(f"{SVG}a")) == []
    links = [link.get("href") for link in picture.iter(f"{XHTML}a")]
    mains = [find_notebooks(stage.chapters[0])[0].name for stage in STAGES]
    assert links == [*mains, "13_1_capstone.ipynb"]


def test_choosing_a_stage_shows_what_there_is_to_say_about_it_and_its_tools():
    shown = LifecycleMap()
    for stage in STAGES:
        shown.buttons.value = stage.id
        told = unescape(shown.view.value.partition("<p role='status'>")[2])
        tools = [tool for tool in load_tools() if tool.stage == stage.id]
        assert f"{stage.name} is marked." in shown.view.value
        assert shown.view.value.count('stroke-width="3"') == 1
        assert [text for text in (stage.name, stage.question, stage.artefact, stage.risk) if text not in told] == []
        assert [row[0] for row in read_rows(told)] == [tool.tool for tool in tools]
        assert [
            tool.tool for tool in tools if f"<a href='{tool.source}' target='_blank' rel='noopener'>" not in told
        ] == []
    shown.buttons.value = "data"
    pandas = next(row for row in read_rows(shown.view.value) if row[0] == "pandas")
    assert (pandas[1:4], pandas[5]) == (["library", "BSD-3-Clause", "not needed"], "chapter 00")


# --- the techniques ------------------------------------------------------------------------------------------


def test_the_map_shows_each_technique_with_what_was_measured_of_it_and_corrects_the_verdicts():
    """0.03 is below 0.05 alone, and not among two."""
    weak = replace(RESULT, chapter="08_3", technique="PAL", p=0.03)
    techniques = TechniqueMap({"fake": [replace(RESULT, chapter="06_2", p=0.03), weak], "fake, yours": [weak]})
    rows = read_rows(techniques.static_html)
    assert [row[-1] for row in rows][:2] == ["not measured yet", "1 cannot tell"]
    assert rows[-1][-1] == "1 cannot tell · 1 helps"
    assert "It is not measured yet." in techniques.view.value
    techniques.buttons.value = "m09"
    shown = read_rows(techniques.view.value)
    assert shown[0] == ["What it is", "The model writes a program, and an interpreter runs it."]
    assert shown[-2:] == [
        ["PAL", "intent", "fake", "40% → 52%", "160", "cannot tell"],
        ["PAL", "intent", "fake, yours", "40% → 52%", "160", "helps"],
    ]
