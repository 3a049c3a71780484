"""Claims about lessons, the notebooks `NN_M_name`: found by their number, linked, of the agreed anatomy, and short.

What was executed, sealed and stored is tried in test_notebooks.py. A test here lists lesson, cell and broken rule.
"""

import ast
import itertools
import re
import statistics
from collections import defaultdict

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from llmops_utils.core import DataError
from llmops_utils.course import notebooks
from llmops_utils.course.notebooks import (
    FOLDED,
    MAP_LINK,
    find_notebooks,
    get_address,
    link_lessons,
    list_notebooks,
    read_notebook,
    read_opening,
)

LESSONS = {path: read_notebook(path) for path in list_notebooks()}
# Broken rules that are meant: (lesson, cell, rule), and why.
EXCEPTIONS: dict[tuple[str, str, str], str] = {
    ("00_start_here", "course-map", "tables of at most 12 rows, longer ones in <details>"): (
        "the map shows the whole course, which has more lessons, and what is folded is no map"
    ),
    ("05_1_elements_of_a_prompt", "workbench", "tables of at most 12 rows, longer ones in <details>"): (
        "each of the four elements in or out makes sixteen prompts, and the table is what the widget can show"
    ),
}

# --- what is counted -----------------------------------------------------------------------------------------


def list_core(cells):
    """Return the cells outside “In depth”, which reaches to the next heading of its level."""
    core, is_deep = [], False
    for cell in cells:
        if cell.cell_type == "markdown" and (heading := re.match("##? (.+)", cell.source)):
            is_deep = heading[1].strip() == "In depth"
        if not is_deep:
            core.append(cell)
    return core


def list_lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()] if cell.cell_type == "code" else []


def list_nodes(cell, *kinds):
    """Return the nodes of these kinds in the code of a cell, all where none is named; none where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(cell.source))) if cell.cell_type == "code" else []
    except SyntaxError:
        nodes = []
    return [node for node in nodes if isinstance(node, kinds or ast.AST)]


def count_words(cell):
    """Return the words of prose, without tags and the line of links."""
    if cell.cell_type != "markdown":
        return 0
    lines = [line for line in cell.source.splitlines() if MAP_LINK not in line]
    words = re.sub("<[^>]+>", " ", " ".join(lines)).split()
    return sum(any(map(str.isalnum, word)) for word in words)


def count_names(cell):
    """Return how many names of the course's package a cell imports."""
    nodes = list_nodes(cell, ast.ImportFrom, ast.Import)
    sources = [(getattr(node, "module", None) or name.name) for node in nodes for name in node.names]
    return sum(source.split(".")[0] == "llmops_utils" for source in sources)


def count_rows(cell):
    """Return the rows of the longest table in the outputs, without heads and what opens at a click."""
    htmls = ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]
    shown = re.sub("<details.*?</details>", "", "".join(htmls), flags=re.DOTALL)
    tables = re.findall("<table.*?</table>", shown, flags=re.DOTALL)
    rows = [re.findall("<tr.*?</tr>", table, flags=re.DOTALL) for table in tables]
    return max((sum("<td" in row for row in found) for found in rows), default=0)


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def has_nested(cell):
    nodes = list_nodes(cell, *COMPREHENSIONS)
    return any(isinstance(inner, COMPREHENSIONS) for node in nodes for inner in list(ast.walk(node))[1:])


def has_unzip(cell):
    calls = [node for node in list_nodes(cell, ast.Call) if getattr(node.func, "id", "") == "zip"]
    return any(isinstance(argument, ast.Starred) for call in calls for argument in call.args)


def has_defaults(cell):
    return any(node.args.defaults or any(node.args.kw_defaults) for node in list_nodes(cell, ast.Lambda))


def has_typed_result(paragraph):
    return re.search(r"\d ?(%|percent\b)", paragraph) and "](" not in paragraph.replace(MAP_LINK, "")


# --- the rules -----------------------------------------------------------------------------------------------

# Of sums over the cells outside “In depth”; the cell that is told is the one that passes the limit.
SUMS = {
    "at most 45 cells": (45, lambda cell: 1),
    "at most 140 lines of code": (140, lambda cell: len(list_lines(cell))),
    "at most 1,200 words": (1200, count_words),
    "at most 6 functions": (6, lambda cell: len(list_nodes(cell, ast.FunctionDef, ast.AsyncFunctionDef))),
    "at most 10 names from llmops_utils": (10, count_names),
}
# Of each cell outside “In depth”: whether it breaks the rule.
EACH = {
    "code cells of at most 15 lines": lambda cell: len(list_lines(cell)) > 15,
    "lines of code of at most 85 characters": lambda cell: any(len(line) > 85 for line in list_lines(cell)),
    "tables of at most 12 rows, longer ones in <details>": lambda cell: count_rows(cell) > 12,
    "code is Python": lambda cell: list_lines(cell) and not list_nodes(cell),
    "no comprehension inside another": has_nested,
    "no walrus": lambda cell: list_nodes(cell, ast.NamedExpr),
    "no zip(*…)": has_unzip,
    "no lambda with defaults": has_defaults,
}
# What stands in the first cell.
OPENING = {
    "the opening asks **The question:** …?": r"\*\*The question:\*\* [^?]+\?",
    "the opening says what you can do after this lesson": r"(?s)After this lesson\b.*\byou can\b",
    "the opening says how many minutes it takes": r"\d minutes",
    "the opening says how many calls it makes": r"\bcalls?\b",
    "the opening says what it costs": r"\bcosts?\b",
    "the opening links to what it builds on": r"(?s)[Bb]uilds on\b.*\]\(",
}
PARTS = ("Set-up", "When it fails", "Measured", "Summary")


def find_offences(name, cells):
    """Return each broken rule of a lesson as (lesson, id of the cell, rule)."""
    core, title = list_core(cells), cells[0]
    found = [(cell, rule) for rule, is_broken in EACH.items() for cell in core if is_broken(cell)]
    for rule, (limit, count) in SUMS.items():
        totals = itertools.accumulate(map(count, core))
        found += [(cell, rule) for cell, total in zip(core, totals, strict=True) if total > limit][:1]
    if statistics.median([len(list_lines(cell)) for cell in core if list_lines(cell)] or [0]) > 4:
        found.append((title, "half of the code cells have at most 4 lines"))

    number = get_address(name).lstrip("0").replace("_", ".") or "0."
    if not re.match(rf"# {re.escape(number)} \w", title.source):
        found.append((title, "the title is its number and its name, such as `# 6.2 Few-shot`"))
    opening = "\n".join(line for line in title.source.splitlines() if MAP_LINK not in line)
    found += [(title, rule) for rule, pattern in OPENING.items() if not re.search(pattern, opening)]

    headings = [(place, re.match("## (.+)", cell.source)) for place, cell in enumerate(core)]
    places = {heading[1].split(":")[0].strip(): place for place, heading in reversed(headings) if heading}
    order = [places.get(part, -1) for part in PARTS]
    if -1 in order or order != sorted(order):
        found.append((title, "the parts Set-up, When it fails, Measured, Summary, in this order"))
    asks = [re.search(r"(?s)\*\*Predict\b.*\?", cell.source) and cell.cell_type == "markdown" for cell in core]
    if not any(asked and cell.cell_type == "code" for asked, cell in zip(asks, core[1:], strict=False)):
        found.append((title, "a question that begins with **Predict**, directly before a run"))

    # What a live run measures may differ, so no figure of a result is typed beside it; those of papers carry a link.
    for cell in core[places.get("Measured", len(core)) :]:
        if cell.cell_type == "markdown" and any(has_typed_result(part) for part in cell.source.split("\n\n")):
            found.append((cell, "from Measured on, a figure in percent has its source"))

    tags = [(tag, place) for place, cell in enumerate(core) for tag in cell.metadata.get("tags", [])]
    exercises = [place for tag, place in tags if re.fullmatch(rf"exercise:{get_address(name)}\.\d+", tag)]
    if not exercises or exercises[0] > places.get("When it fails", len(core)):
        found.append((title, "an exercise directly after its concept, before `## When it fails`"))
    if f"exercise:{get_address(name)}.quiz" not in dict(tags):
        found.append((title, "a quiz outside “In depth”"))
    deep = [cell for cell in cells if cell not in core and cell.source.startswith("## In depth")]
    found += [(cell, "“In depth” is folded") for cell in deep if not cell.metadata.get(FOLDED)]
    return [(name, cell.id, rule) for cell, rule in found]


def test_lessons_keep_the_limits_and_the_anatomy():
    found = [offence for path, lesson in LESSONS.items() for offence in find_offences(path.stem, lesson.cells)]
    broken = [", ".join(offence) for offence in found if offence not in EXCEPTIONS]
    assert not broken, "\n".join(broken)
    assert [offence for offence in EXCEPTIONS if offence not in found] == [], "no longer an exception"


def test_names_are_numbers_that_sort_and_small_words():
    names = [path.stem for path in list_notebooks()]
    assert [name for name in names if not re.fullmatch(r"\d\d(_[1-9])?_[a-z]+(_[a-z]+)*", name)] == []


# --- the rules themselves ------------------------------------------------------------------------------------

TABLE = "<table><tr><th>head</th></tr>" + "<tr><td>row</td></tr>" * 13 + "</table>"


def text(id, source, **more):
    return new_markdown_cell(source, id=id, **more)


def code(id, source, **more):
    return new_code_cell(source, id=id, **more)


def make_bad_lesson():
    """Return the cells of a lesson that breaks every rule."""
    return [
        text("title", "# Small\n\n**The question:** it counts."),
        text("measured", "## Measured\n\nIt gains 26 %." + " word" * 1200),
        text("deep", "## In depth"),
        text("fails", "## When it fails"),
        *(code(f"long-{number}", "1\n" * 16) for number in range(45)),
        code("wide", f"x = '{'a' * 81}'"),
        code("table", "table", outputs=[new_output("display_data", data={"text/html": TABLE})]),
        code("magic", "%time 1"),
        code("inside", "[sum(x for x in row) for row in rows]"),
        code("walrus", "if (x := 1): print(x)"),
        code("unzip", "left, right = zip(*rows)"),
        code("default", "f = lambda *, y=1: y"),
        code("functions", "def f(): ...\n" * 7),
        code("names", "from llmops_utils.core import a, b, c, d, e, f, g, h, i, j, k"),
    ]


def test_each_rule_finds_what_breaks_it():
    told = defaultdict(set)
    for _, cell, rule in find_offences("04_2_small", make_bad_lesson()):
        told[rule].add(cell)
    places = {"at most 1,200 words": "measured", "at most 6 functions": "functions", "code is Python": "magic"}
    places |= {"lines of code of at most 85 characters": "wide", "no zip(*…)": "unzip", "no walrus": "walrus"}
    places |= {"no comprehension inside another": "inside", "no lambda with defaults": "default"}
    places |= {"tables of at most 12 rows, longer ones in <details>": "table", "“In depth” is folded": "deep"}
    places |= {"from Measured on, a figure in percent has its source": "measured"}
    places |= {"at most 10 names from llmops_utils": "names"}
    assert {rule: cells for rule, cells in told.items() if rule in places} == {
        rule: {cell} for rule, cell in places.items()
    }
    by_title = {rule for rule, cells in told.items() if cells == {"title"}}
    assert len(by_title - {*OPENING}) == 6  # median, number, parts, prediction, exercise, quiz
    assert told.keys() == {*SUMS, *EACH, *OPENING, *places, *by_title}


# --- numbers and links ---------------------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of four lessons, whose titles are their names."""
    monkeypatch.setattr(notebooks, "NOTEBOOKS", tmp_path)
    for name, title in (
        ("03_1_choosing", "3.1 Choosing"),
        ("04_2_nothing", "4.2 Nothing"),
        ("04_1_ways", "4.1 Ways"),
        ("05_1_prompts", "5.1 Prompts"),
    ):
        cells = [new_markdown_cell(f"# {title}\n\nText.", id="top"), new_code_cell("1", id="run")]
        cells += [new_markdown_cell("## Summary", id="end")]
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    return tmp_path


def read_sources(path):
    return [cell.source for cell in read_notebook(path).cells]


def test_a_number_finds_a_lesson_or_all_lessons_of_a_chapter(course):
    for name in ("04_1_ways-Copy1.ipynb", ".03_hidden.ipynb", "Untitled.ipynb", "4_1_ways.ipynb"):
        (course / name).touch()
    names = ["03_1_choosing", "04_1_ways", "04_2_nothing", "05_1_prompts"]
    assert [path.stem for path in list_notebooks()] == names
    assert [get_address(name) for name in [*names, "00_start_here", "x"]] == ["03_1", "04_1", "04_2", "05_1", "00", ""]
    for asked, found in (("04_2", names[2:3]), ("04", names[1:3]), ("a/05_1_prompts.ipynb", names[3:])):
        assert [path.stem for path in find_notebooks(asked)] == found
    for asked in ("04_3", "4", "0", "", "06", "04_1_ways-Copy1", "prompts"):
        with pytest.raises(DataError, match="There is no notebook") as caught:
            find_notebooks(asked)
        assert ", ".join(names) in caught.value.next_step


def test_storing_a_lesson_keeps_its_results_by_its_number_and_links_all_lessons(course, monkeypatch):
    """Also when a neighbour gets another title."""
    shipped = []
    monkeypatch.setattr(notebooks, "record_notebook", lambda *_: None)
    monkeypatch.setattr(notebooks, "run_notebook", lambda notebook, *_, **__: notebook)
    monkeypatch.setattr(notebooks, "ship_results", lambda folder, address: shipped.append(address))
    notebooks.store_outputs(course / "04_2_nothing.ipynb")
    assert shipped == ["04_2"]
    links = f"[← 3.1 Choosing](03_1_choosing.ipynb) · {MAP_LINK} · [4.2 Nothing →](04_2_nothing.ipynb)"
    path = course / "04_1_ways.ipynb"
    assert read_sources(path) == [f"# 4.1 Ways\n\nText.\n\n{links}", "1", f"## Summary\n\n{links}"]
    ends = [read_sources(one)[-1].splitlines()[-1] for one in list_notebooks()]
    assert (ends[0][: len(MAP_LINK)], ends[-1][-len(MAP_LINK) :]) == (MAP_LINK, MAP_LINK)
    nothing = read_notebook(course / "04_2_nothing.ipynb")
    nothing.cells[0].source = nothing.cells[0].source.replace("4.2 Nothing", "4.2 Something")
    nbformat.write(nothing, course / "04_2_nothing.ipynb")
    read_opening.cache_clear()
    link_lessons()
    assert [source.count("4.2 Something →") for source in read_sources(path)] == [1, 0, 1]
    assert [source.count(MAP_LINK) for source in read_sources(path)] == [1, 0, 1]


def test_the_links_of_all_lessons_are_current(monkeypatch):
    stale = []
    monkeypatch.setattr(notebooks, "write_whole", lambda path, content: stale.append(path.name))
    link_lessons()
    assert stale == [], "run `python -m llmops_utils notebooks` with the number of one lesson"
