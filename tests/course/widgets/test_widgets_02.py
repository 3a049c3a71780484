"""Claims about the lifecycle map: the choice is what is shown, each stage links to a chapter, and no kernel is needed."""

import math
import re
from dataclasses import replace
from datetime import date
from html import escape, unescape
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from llmops_utils.core import DataError
from llmops_utils.course.lifecycle import STAGE_IDS, STAGES, Tool, load_tools
from llmops_utils.course.widgets.course_map import CHAPTERS
from llmops_utils.course.widgets.lifecycle_map import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, LifecycleMap, draw_lifecycle

EVIL = "<script>alert('x')</script>"
TITLES = {name: f"{name[:2]} {title}" for name, title, _ in CHAPTERS}
KNOWN = {f"{name}.ipynb" for name, _, _ in CHAPTERS} | {"02_what_is_llmops.ipynb", "13_capstone.ipynb"}
SVG = "{http://www.w3.org/2000/svg}"
XHTML = "{http://www.w3.org/1999/xhtml}"
TOOL = Tool("t1", "watch", "Spyglass", "server", "MIT", True, "Looks.", "https://spy.example", date(2026, 11, 2), "12")


@pytest.fixture(scope="module")
def picture():
    return ElementTree.fromstring(draw_lifecycle())


@pytest.fixture
def shown():
    return LifecycleMap()


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def list_rows(html):
    """Return the cells of the rows of the body, without tags."""
    body = html.partition("<tbody>")[2]
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [[unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]


class Balance(HTMLParser):
    """The tags that stay open, and those closed in a wrong place."""

    def __init__(self, html):
        super().__init__()
        self.open, self.faults = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


# --- the picture ---------------------------------------------------------------------------------------------


def list_boxes(picture):
    return [
        tuple(float(rect.get(name)) for name in ("x", "y", "width", "height")) for rect in picture.iter(f"{SVG}rect")
    ]


def test_the_picture_is_well_formed_xml_with_a_title_and_a_description(picture):
    [image] = [part for part in picture.iter() if part.get("role") == "img"]
    assert image.find(f"{SVG}title").text == "The lifecycle of an LLM application"
    told = image.find(f"{SVG}desc").text
    places = [told.index(stage.name) for stage in STAGES]
    assert places == sorted(places)
    assert "ring of 10 stages" in told


def test_every_stage_is_a_link_to_the_main_chapter_that_teaches_it(picture):
    links = [(link.get("href"), link.find(f"{XHTML}strong").text) for link in picture.iter(f"{XHTML}a")]
    assert links[:-1] == [(f"{stage.chapters[0]}.ipynb", stage.name) for stage in STAGES]
    assert links[-1] == ("13_capstone.ipynb", "The whole loop")
    assert {href for href, _ in links} <= KNOWN


def test_no_link_is_an_element_of_svg_since_jupyterlab_fails_at_those(picture):
    assert list(picture.iter(f"{SVG}a")) == []


def test_the_links_stand_outside_the_image_so_that_a_screen_reader_finds_them(picture):
    [image] = [part for part in picture.iter() if part.get("role") == "img"]
    assert list(image.iter(f"{XHTML}a")) == []


def test_the_boxes_go_round_clockwise_from_the_top(picture):
    boxes = list_boxes(picture)
    assert len(boxes) == 10
    angles = [
        math.atan2(y + height / 2 - HEIGHT / 2, x + width / 2 - WIDTH / 2) + math.pi / 2
        for x, y, width, height in boxes
    ]
    turned = [angle % (2 * math.pi) for angle in angles]
    assert turned[0] == pytest.approx(0, abs=1e-3)
    assert turned == sorted(turned)


def test_the_boxes_lie_in_the_picture_and_do_not_touch(picture):
    boxes = list_boxes(picture)
    for x, y, width, height in boxes:
        assert x >= 2
        assert y >= 2
        assert x + width <= WIDTH - 2
        assert y + height <= HEIGHT - 2
    for one, first in enumerate(boxes):
        for second in boxes[one + 1 :]:
            assert abs(first[0] - second[0]) > BOX_WIDTH or abs(first[1] - second[1]) > BOX_HEIGHT


def test_an_arrow_leads_from_each_stage_to_the_next_and_from_the_last_to_the_first(picture):
    middles = [(x + width / 2, y + height / 2) for x, y, width, height in list_boxes(picture)]
    lines = list(picture.iter(f"{SVG}line"))
    heads = list(picture.iter(f"{SVG}polygon"))
    assert len(lines) == len(heads) == 10
    for number, (line, head) in enumerate(zip(lines, heads, strict=True)):
        start = float(line.get("x1")), float(line.get("y1"))
        tip = tuple(map(float, head.get("points").split()[0].split(",")))
        assert min(middles, key=lambda middle: math.dist(middle, start)) == middles[number]
        assert min(middles, key=lambda middle: math.dist(middle, tip)) == middles[(number + 1) % 10]


def test_arrows_end_outside_the_boxes(picture):
    for head in picture.iter(f"{SVG}polygon"):
        points = [tuple(map(float, point.split(","))) for point in head.get("points").split()]
        for x, y, width, height in list_boxes(picture):
            assert not any(x <= across <= x + width and y <= down <= y + height for across, down in points)


def test_texts_are_at_least_12_pixels_at_the_smallest_width_that_the_picture_takes():
    svg = draw_lifecycle()
    smallest = min(float(size) for size in re.findall(r"font:([\d.]+)px", svg))
    least_width = float(re.search(r"min-width:(\d+)px", svg)[1])
    assert smallest * least_width / WIDTH >= 12


def test_colours_are_mid_tones_or_that_of_the_text(picture):
    svg = draw_lifecycle(chosen="data")
    assert set(re.findall(r'(?<!-)(?:fill|stroke)="([^"]+)"', svg)) <= {"#3b7dd8", "#9aa0a6"}
    assert set(re.findall(r"[;\"]color:(\w+)", svg)) == {"inherit"}


def test_the_chosen_box_is_marked_and_no_other_also_in_words():
    svg = draw_lifecycle(chosen="track")
    widths = [rect.get("stroke-width") for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect")]
    assert [place for place, width in enumerate(widths) if width == "3"] == [STAGE_IDS.index("track")]
    assert "Track is marked." in svg
    assert "is marked" not in draw_lifecycle()


def test_a_picture_holds_no_script_and_no_id_that_could_stand_twice_on_a_page():
    svg = draw_lifecycle(chosen="data")
    assert "<script" not in svg
    assert re.search(r"\s(id|on\w+)=", svg) is None


def test_names_in_the_picture_are_no_markup():
    stage = replace(STAGES[0], name=EVIL, chapters=('05_x" onclick="alert(1)',))
    svg = draw_lifecycle([stage, *STAGES[1:]], chosen="data")
    root = ElementTree.fromstring(svg)
    assert "script" not in {part.tag.rpartition("}")[2] for part in root.iter()}
    assert not any("onclick" in part.attrib for part in root.iter())


def test_fewer_stages_make_a_smaller_ring():
    assert draw_lifecycle(STAGES[:3]).count("<polygon") == 3
    assert "ring of 1 stages" in draw_lifecycle(STAGES[:1])


def test_an_unknown_stage_cannot_be_marked():
    with pytest.raises(DataError, match="“deploy” is no stage"):
        draw_lifecycle(chosen="deploy")


# --- the widget ----------------------------------------------------------------------------------------------


def test_the_static_view_is_the_picture_and_a_table_of_all_stages(shown):
    data = read_bundle(shown)
    assert data["text/html"].startswith(draw_lifecycle())
    rows = list_rows(data["text/html"])
    assert [row[:4] for row in rows] == [[one.name, one.question, one.artefact, one.risk] for one in STAGES]
    assert [row[4].split(", ") for row in rows] == [[TITLES[name] for name in one.chapters] for one in STAGES]


def test_the_static_table_links_every_chapter_and_names_every_tool(shown):
    table = shown.static_html.partition("<table>")[2]
    links = re.findall(r"<a href='([^']+)'", table)
    assert links == [f"{name}.ipynb" for stage in STAGES for name in stage.chapters]
    assert set(links) <= KNOWN
    named = [name for row in list_rows(shown.static_html) for name in row[5].split(", ")]
    assert named == [tool.tool for tool in load_tools()]


def test_a_chapter_that_is_not_in_the_map_of_the_course_is_linked_by_its_name():
    stage = replace(STAGES[-1], chapters=("12_operating_llms", "99_more"))
    shown = LifecycleMap([], start="watch", stages=[*STAGES[:-1], stage])
    assert "<a href='99_more.ipynb' target='_blank' rel='noopener'>99_more</a>" in shown.view.value
    assert ">12 Operating LLMs</a>, <a" in shown.view.value


def test_the_plain_text_tells_the_stages_in_order(shown):
    told = read_bundle(shown)["text/plain"]
    assert told.startswith("Lifecycle map: 10 stages in a ring, Data, Choose, Prompt, Retrieve, Evaluate, Track")
    assert f"{len(load_tools())} tools" in told


def test_there_is_a_button_for_each_stage_in_order(shown):
    assert [id for _, id in shown.buttons.options] == list(STAGE_IDS)
    assert list(shown.buttons.tooltips) == [stage.question for stage in STAGES]
    assert shown.buttons.value == "data"


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_choosing_a_stage_shows_what_there_is_to_say_about_it(shown, stage):
    shown.buttons.value = stage.id
    view = shown.view.value
    for text in (stage.question, stage.artefact, stage.risk):
        assert f"</strong> {escape(text)}<br>" in view
    assert f"<p role='status'><strong>{stage.name}</strong></p>" in view
    told = view.partition("<p role='status'>")[2]
    assert re.findall(r"<a href='([^']+\.ipynb)'", told) == [f"{name}.ipynb" for name in stage.chapters]
    assert f"{stage.name} is marked." in view


@pytest.mark.parametrize("id", STAGE_IDS)
def test_choosing_a_stage_shows_its_tools_and_no_others(shown, id):
    shown.choose(id)
    wanted = [tool for tool in load_tools() if tool.stage == id]
    rows = list_rows(shown.view.value)
    assert [row[0] for row in rows] == [tool.tool for tool in wanted]
    assert [row[2] for row in rows] == [tool.licence for tool in wanted]
    assert f"{len(wanted)} tools" in shown.view.value


def test_a_row_of_a_tool_tells_licence_kind_account_source_and_day():
    shown = LifecycleMap([TOOL], start="watch")
    assert list_rows(shown.view.value) == [
        ["Spyglass", "server", "MIT", "needed", "Looks.", "chapter 12", "2026-11-02"]
    ]
    assert "<a href='https://spy.example' target='_blank' rel='noopener'>Spyglass</a>" in shown.view.value
    unused = LifecycleMap([replace(TOOL, needs_account=False, used_here=None)], start="watch")
    assert list_rows(unused.view.value)[0][3:6] == ["not needed", "Looks.", "—"]


def test_a_stage_without_tools_shows_an_empty_table():
    shown = LifecycleMap([], start="data")
    assert "0 tools" in shown.view.value
    assert list_rows(shown.view.value) == []


def test_no_text_of_a_tool_or_a_stage_is_markup():
    tool = replace(TOOL, tool=EVIL, kind=EVIL, licence=EVIL, what=EVIL, used_here=EVIL, source=f"https://{EVIL}")
    stage = replace(STAGES[-1], name=EVIL, question=EVIL, artefact=EVIL, risk=EVIL, chapters=(EVIL,))
    shown = LifecycleMap([tool], start="watch", stages=[*STAGES[:-1], stage])
    both = shown.static_html + shown.view.value
    assert "<script" not in both
    assert both.count("&lt;script&gt;") >= 20
    assert "alert('x')" not in both


@pytest.mark.parametrize("source", ["javascript:alert(1)", "http://spy.example", "data:text/html,x"])
def test_only_an_https_address_becomes_a_link(source):
    shown = LifecycleMap([replace(TOOL, source=source)], start="watch")
    assert source not in shown.view.value
    assert list_rows(shown.view.value)[0][0] == "Spyglass"


def test_the_html_is_balanced(shown):
    for html in (shown.static_html, shown.view.value):
        balance = Balance(html)
        assert (balance.open, balance.faults) == ([], [])


def test_an_unknown_stage_is_an_error_with_the_known_ones_and_changes_nothing(shown):
    before = shown.view.value
    with pytest.raises(DataError, match="“deploy” is no stage") as caught:
        shown.choose("deploy")
    assert "release, serve, guard, watch" in caught.value.next_step
    assert shown.view.value == before
    with pytest.raises(DataError, match="is no stage"):
        LifecycleMap(start="deploy")


def test_a_tool_of_an_unknown_stage_is_an_error():
    with pytest.raises(DataError, match="“deploy” is no stage"):
        LifecycleMap([replace(TOOL, stage="deploy")])


def test_two_maps_show_the_same_so_that_a_stored_output_can_be_compared():
    assert read_bundle(LifecycleMap())["text/html"] == read_bundle(LifecycleMap())["text/html"]
