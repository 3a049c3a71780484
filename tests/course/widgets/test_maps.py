"""Claims about the two maps: every chapter and stage is there, links lead to notebooks, the choice is what is shown."""

import json
import math
import re
from dataclasses import replace
from html import escape, unescape
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
from llmops_utils.course.widgets.maps import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, _name_number, draw_ring

SVG = "{http://www.w3.org/2000/svg}"
XHTML = "{http://www.w3.org/1999/xhtml}"


# --- the course ----------------------------------------------------------------------------------------------


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return Progress()


def test_every_notebook_stands_in_the_map_with_its_title_question_and_link(progress):
    html = CourseMap(progress)._repr_html_()
    assert re.findall(r"<a href='([^']+)'>", html) == [path.name for path in list_notebooks()]
    rows = [row[:2] for row in read_rows(html)]
    assert rows == [list(read_opening(path)) for path in list_notebooks()]
    assert rows[0] == ["0. Start here", "Does it run here, and how do I use this course?"]
    assert [title for title, asked in rows if not (re.match(r"\d+\.", title) and asked.endswith("?"))] == []
    assert find_open_tag(html) is None


def test_lessons_stand_in_the_map_in_order_and_notebooks_of_the_learners_own_do_not(progress, tmp_path, monkeypatch):
    """A damaged one, and one without a title, stand there by their names."""
    monkeypatch.setattr(course_notebooks, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(loading, "FOLDER", tmp_path)
    text = (DATA / "exercises" / "00.toml").read_text(encoding="utf-8")
    for name in ("05_b", "04_2_b", "04_1_a", "03_damaged", "02_untitled"):
        cell = {"cell_type": "markdown", "source": [f"# Of {name}\n", "\n", "**The question:** what\n", "for?"]}
        if name == "02_untitled":
            cell["cell_type"] = "raw"
        (tmp_path / f"{name}.ipynb").write_text(
            "" if name == "03_damaged" else json.dumps({"cells": [cell]}), encoding="utf-8"
        )
        address = course_notebooks.get_address(name)
        (tmp_path / f"{address}.toml").write_text(text.replace('"00.', f'"{address}.'), encoding="utf-8")
    for name in ("Untitled", "04_1_a-Copy1", "14_own", ".05_c"):
        (tmp_path / f"{name}.ipynb").write_text("{}", encoding="utf-8")
    progress.mark_done("04_2.1")
    assert read_rows(CourseMap(progress)._repr_html_()) == [
        ["02_untitled", "", "○○○○ 0 of 4"],
        ["03_damaged", "", "○○○○ 0 of 4"],
        ["Of 04_1_a", "What for?", "○○○○ 0 of 4"],
        ["Of 04_2_b", "What for?", "●○○○ 1 of 4"],
        ["Of 05_b", "What for?", "○○○○ 0 of 4"],
    ]


def test_the_map_counts_what_is_solved_and_follows_progress(progress):
    course_map = CourseMap(progress)
    assert repr(course_map).splitlines()[0] == "0. Start here: 0 of 4 solved"
    assert len(repr(course_map).splitlines()) == len(list_notebooks())
    for id in ("00.1", "00.quiz", "01_1.2", "77.1"):
        progress.mark_done(id)
    assert repr(course_map).splitlines()[:2] == ["0. Start here: 2 of 4 solved", "1.1 What an LLM is: 1 of 3 solved"]
    assert [row[2] for row in read_rows(course_map._repr_html_())][:2] == ["●●○○ 2 of 4", "●○○ 1 of 3"]


# --- the ring ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture():
    return ElementTree.fromstring(draw_ring())


def list_boxes(picture):
    names = ("x", "y", "width", "height")
    return [tuple(float(rect.get(name)) for name in names) for rect in picture.iter(f"{SVG}rect")]


def test_the_image_has_a_title_and_a_description_and_the_links_stand_outside_it(picture):
    """Inside an image a screen reader finds no link, and JupyterLab fails at links that are elements of SVG."""
    [image] = [part for part in picture.iter() if part.get("role") == "img"]
    assert image.find(f"{SVG}title").text == "The lifecycle of an LLM application"
    told = image.find(f"{SVG}desc").text
    places = [told.index(stage.name) for stage in STAGES]
    assert places == sorted(places)
    assert "ring of 11 stages" in told
    assert list(image.iter(f"{XHTML}a")) == list(picture.iter(f"{SVG}a")) == []


def test_every_stage_is_a_link_to_the_main_chapter_that_teaches_it(picture):
    links = [(link.get("href"), " ".join(link.itertext())) for link in picture.iter(f"{XHTML}a")]
    assert links[0] == ("11_1_error_analysis.ipynb", "Data lesson 11.1")
    assert [text.rpartition(" ")[2] for _, text in links[7:11]] == ["12.3", "12.1", "12.2", "12.4"]
    assert [link for link, _ in links[:-1]] == [find_notebooks(stage.chapters[0])[0].name for stage in STAGES]
    assert links[-1] == ("13_1_capstone.ipynb", "The whole loop lesson 13.1")
    assert _name_number("09_2") == "lesson 9.2"


def test_the_boxes_go_round_clockwise_from_the_top_inside_the_picture_and_do_not_touch(picture):
    boxes = list_boxes(picture)
    turned = []
    for x, y, width, height in boxes:
        assert 2 <= x <= WIDTH - 2 - width
        assert 2 <= y <= HEIGHT - 2 - height
        angle = math.atan2(y + height / 2 - HEIGHT / 2, x + width / 2 - WIDTH / 2) + math.pi / 2
        turned.append(angle % (2 * math.pi))
    assert len(boxes) == 11
    assert turned[0] == pytest.approx(0, abs=1e-3)
    assert turned == sorted(turned)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            assert abs(one[0] - other[0]) > BOX_WIDTH or abs(one[1] - other[1]) > BOX_HEIGHT


def test_an_arrow_leads_from_each_stage_to_the_next_and_ends_outside_the_boxes(picture):
    boxes = list_boxes(picture)
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in boxes]
    lines, heads = list(picture.iter(f"{SVG}line")), list(picture.iter(f"{SVG}polygon"))
    assert len(lines) == len(heads) == 11
    for number, (line, head) in enumerate(zip(lines, heads, strict=True)):
        start = float(line.get("x1")), float(line.get("y1"))
        points = [tuple(map(float, point.split(","))) for point in head.get("points").split()]
        nearest = [min(middles, key=lambda middle: math.dist(middle, end)) for end in (start, points[0])]
        assert nearest == [middles[number], middles[(number + 1) % 11]]
        for x, y, width, height in boxes:
            assert not any(x <= across <= x + width and y <= down <= y + height for across, down in points)


def test_texts_are_at_least_12_pixels_at_the_smallest_width_and_colours_are_mid_tones_or_that_of_the_text():
    svg = draw_ring(STAGES[0])
    smallest = min(float(size) for size in re.findall(r"font:([\d.]+)px", svg))
    least_width = float(re.search(r"min-width:(\d+)px", svg)[1])
    assert smallest * least_width / WIDTH >= 12
    assert set(re.findall(r'(?<!-)(?:fill|stroke)="([^"]+)"', svg)) <= {"#3b7dd8", "#9aa0a6"}
    assert set(re.findall(r"[;\"]color:(\w+)", svg)) == {"inherit"}


def test_the_chosen_box_is_marked_and_no_other_also_in_words():
    svg = draw_ring(STAGES[6])
    widths = [rect.get("stroke-width") for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")]
    assert [place for place, width in enumerate(widths) if width == "3"] == [6]
    assert "Track is marked." in svg
    assert "is marked" not in draw_ring()


# --- the lifecycle -------------------------------------------------------------------------------------------


def list_paths(stage):
    return [path for number in stage.chapters for path in find_notebooks(number)]


@pytest.fixture
def shown():
    return LifecycleMap()


def test_the_static_view_is_the_picture_and_a_table_of_all_stages_with_their_chapters_and_tools(shown):
    data = read_bundle(shown)
    assert data["text/html"].startswith(draw_ring())
    expected, links = [], []
    for stage in STAGES:
        tools = ", ".join(tool.tool for tool in load_tools() if tool.stage == stage.id)
        paths = list_paths(stage)
        chapters = ", ".join(read_opening(path)[0] for path in paths)
        expected.append([stage.name, stage.question, stage.artefact, stage.risk, chapters, tools])
        links += [path.name for path in paths]
    assert read_rows(data["text/html"]) == expected
    assert re.findall(r"<a href='([^']+)'", data["text/html"].partition("<table>")[2]) == links
    assert data["text/plain"].startswith(
        "Lifecycle map: 11 stages in a ring, Data, Choose, Prompt, Retrieve, Tune, Evaluate"
    )
    assert data["text/plain"].endswith(f"{len(load_tools())} tools.")


def test_choosing_a_stage_shows_what_there_is_to_say_about_it_and_its_tools(shown):
    assert list(shown.buttons.tooltips) == [stage.question for stage in STAGES]
    assert shown.buttons.value == "data"
    wrong = []
    for stage in STAGES:
        shown.buttons.value = stage.id
        told = shown.view.value.partition("<p role='status'>")[2]
        facts = [f"</strong> {escape(text)}<br>" for text in (stage.question, stage.artefact, stage.risk)]
        rows, sources = [], [path.name for path in list_paths(stage)]
        for tool in [tool for tool in load_tools() if tool.stage == stage.id]:
            account = "needed" if tool.needs_account else "not needed"
            here = _name_number(tool.used_here) if tool.used_here else "—"
            rows.append([tool.tool, tool.kind, tool.licence, account, tool.what, here, tool.looked_up.isoformat()])
            sources.append(tool.source)
        is_right = (
            told.startswith(f"<strong>{stage.name}</strong></p>")
            and all(fact in told for fact in facts)
            and re.findall(r"<a href='([^']+)' target='_blank' rel='noopener'>", unescape(told)) == sources
            and read_rows(told) == rows
            and f"{stage.name} is marked." in shown.view.value
        )
        wrong += [] if is_right else [stage.id]
    assert wrong == []


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
