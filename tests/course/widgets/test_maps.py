"""Claims about the two maps: every chapter and stage is there, links lead to notebooks, the choice is what is shown."""

import json
import math
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from fake_results import RESULT
from widget_views import find_open_tag, read_bundle, read_rows

from llmops_utils.core import DATA
from llmops_utils.course import (
    STAGES,
    CourseMap,
    LifecycleMap,
    Progress,
    TechniqueMap,
    load_techniques,
    load_tools,
)
from llmops_utils.course import notebooks as course_notebooks
from llmops_utils.course.exercises import loading
from llmops_utils.course.notebooks import find_notebooks, list_notebooks, read_opening
from llmops_utils.course.widgets.maps import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, draw_ring

SVG = "{http://www.w3.org/2000/svg}"
XHTML = "{http://www.w3.org/1999/xhtml}"


# --- the course ----------------------------------------------------------------------------------------------


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return Progress()


def test_every_notebook_stands_in_the_map_with_title_question_link_and_what_is_solved(progress):
    html = CourseMap(progress)._repr_html_()
    assert re.findall(r"<a href='([^']+)'>", html) == [path.name for path in list_notebooks()]
    rows = [row[:2] for row in read_rows(html)]
    assert rows == [list(read_opening(path)) for path in list_notebooks()]
    assert rows[0] == ["0. Start here", "Does it run here, and how do I use this course?"]
    assert [title for title, asked in rows if not (re.match(r"\d+\.", title) and asked.endswith("?"))] == []
    assert find_open_tag(html) is None
    course_map = CourseMap(progress)
    assert repr(course_map).splitlines()[0] == "0. Start here: 0 of 4 solved"
    assert len(repr(course_map).splitlines()) == len(list_notebooks())
    for id in ("00.1", "00.quiz", "01_1.2", "77.1"):
        progress.mark_done(id)
    assert repr(course_map).splitlines()[:2] == ["0. Start here: 2 of 4 solved", "1.1 What an LLM is: 1 of 3 solved"]
    assert [row[2] for row in read_rows(course_map._repr_html_())][:2] == ["●●○○ 2 of 4", "●○○ 1 of 3"]


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


# --- the ring ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture():
    return ElementTree.fromstring(draw_ring())


def test_the_links_to_the_main_chapters_stand_outside_the_image_which_has_a_title_and_a_description(picture):
    """Inside an image a screen reader finds no link, and JupyterLab fails at links that are elements of SVG."""
    [image] = [part for part in picture.iter() if part.get("role") == "img"]
    assert image.find(f"{SVG}title").text == "The lifecycle of an LLM application"
    told = image.find(f"{SVG}desc").text
    places = [told.index(stage.name) for stage in STAGES]
    assert places == sorted(places)
    assert "ring of 11 stages" in told
    assert list(image.iter(f"{XHTML}a")) == list(picture.iter(f"{SVG}a")) == []
    links = [(link.get("href"), " ".join(link.itertext())) for link in picture.iter(f"{XHTML}a")]
    assert links[0] == ("11_1_error_analysis.ipynb", "Data lesson 11.1")
    assert [text.rpartition(" ")[2] for _, text in links[7:11]] == ["12.3", "12.1", "12.2", "12.4"]
    assert [link for link, _ in links[:-1]] == [find_notebooks(stage.chapters[0])[0].name for stage in STAGES]
    assert links[-1] == ("13_1_capstone.ipynb", "The whole loop lesson 13.1")


def test_boxes_go_round_clockwise_inside_the_picture_without_touching_and_arrows_lead_from_each_to_the_next(picture):
    names = ("x", "y", "width", "height")
    boxes = [tuple(float(rect.get(name)) for name in names) for rect in picture.iter(f"{SVG}rect")]
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in boxes]
    angles = [math.atan2(y - HEIGHT / 2, x - WIDTH / 2) + math.pi / 2 for x, y in middles]
    turned = [angle % (2 * math.pi) for angle in angles]
    assert len(boxes) == 11
    assert turned[0] == pytest.approx(0, abs=1e-3)
    assert turned == sorted(turned)
    for place, (x, y, width, height) in enumerate(boxes):
        assert 2 <= x <= WIDTH - 2 - width
        assert 2 <= y <= HEIGHT - 2 - height
        assert all(abs(x - one[0]) > BOX_WIDTH or abs(y - one[1]) > BOX_HEIGHT for one in boxes[place + 1 :])
    lines, heads = list(picture.iter(f"{SVG}line")), list(picture.iter(f"{SVG}polygon"))
    for number, (line, head) in enumerate(zip(lines, heads, strict=True)):
        start = float(line.get("x1")), float(line.get("y1"))
        points = [tuple(map(float, point.split(","))) for point in head.get("points").split()]
        nearest = [min(middles, key=lambda middle: math.dist(middle, end)) for end in (start, points[0])]
        assert nearest == [middles[number], middles[(number + 1) % 11]]
        for x, y, width, height in boxes:
            assert not any(x <= across <= x + width and y <= down <= y + height for across, down in points)


def test_texts_are_large_enough_colours_are_mid_tones_and_the_chosen_box_is_marked_also_in_words():
    svg = draw_ring(STAGES[0])
    smallest = min(float(size) for size in re.findall(r"font:([\d.]+)px", svg))
    least_width = float(re.search(r"min-width:(\d+)px", svg)[1])
    assert smallest * least_width / WIDTH >= 12
    assert set(re.findall(r'(?<!-)(?:fill|stroke)="([^"]+)"', svg)) <= {"#3b7dd8", "#9aa0a6"}
    assert set(re.findall(r"[;\"]color:(\w+)", svg)) == {"inherit"}
    svg = draw_ring(STAGES[6])
    widths = [rect.get("stroke-width") for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")]
    assert [place for place, width in enumerate(widths) if width == "3"] == [6]
    assert "Track is marked." in svg
    assert "is marked" not in draw_ring()


# --- the lifecycle -------------------------------------------------------------------------------------------


def test_the_static_view_is_the_picture_and_a_table_of_all_stages_with_their_chapters_and_tools():
    shown = LifecycleMap()
    data = read_bundle(shown)
    rows = read_rows(data["text/html"])
    assert data["text/html"].startswith(draw_ring())
    assert [row[:4] for row in rows] == [[one.name, one.question, one.artefact, one.risk] for one in STAGES]
    paths = [path for stage in STAGES for number in stage.chapters for path in find_notebooks(number)]
    assert ", ".join(row[4] for row in rows) == ", ".join(read_opening(path)[0] for path in paths)
    assert ", ".join(row[5] for row in rows) == ", ".join(tool.tool for tool in load_tools())
    links = re.findall(r"<a href='([^']+)'", data["text/html"].partition("<table>")[2])
    assert links == [path.name for path in paths]
    assert data["text/plain"].startswith("Lifecycle map: 11 stages in a ring, Data, Choose, Prompt, Retrieve, Tune")
    assert data["text/plain"].endswith(f"{len(load_tools())} tools.")


def test_choosing_a_stage_shows_what_there_is_to_say_about_it_and_its_tools():
    shown = LifecycleMap()
    for stage in STAGES:
        shown.buttons.value = stage.id
        told = unescape(shown.view.value.partition("<p role='status'>")[2])
        tools = [tool for tool in load_tools() if tool.stage == stage.id]
        assert f"{stage.name} is marked." in shown.view.value
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
    assert len(rows) == len(load_techniques())
    assert [row[-1] for row in rows] == [
        *("not measured yet", "1 cannot tell", "not measured yet", "not measured yet", "not measured yet"),
        *("not measured yet", "not measured yet", "not measured yet", "1 cannot tell · 1 helps"),
    ]
    assert "It is not measured yet." in techniques.view.value
    techniques.buttons.value = "m09"
    shown = read_rows(techniques.view.value)
    assert shown[0] == ["What it is", "The model writes a program, and an interpreter runs it."]
    assert shown[-2:] == [
        ["PAL", "intent", "fake", "40% → 52%", "160", "cannot tell"],
        ["PAL", "intent", "fake, yours", "40% → 52%", "160", "helps"],
    ]
    links = re.findall(r"href='([^']+)'", techniques.static_html)
    assert [link for link in links if link not in {path.name for path in list_notebooks()}] == []
    assert techniques.summary.startswith("Map of techniques. zero-shot: not measured yet, few-shot: 1 cannot tell,")
