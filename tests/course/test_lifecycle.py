"""Claims about the stages of the lifecycle and the table of tools: complete, typed, sourced, and what the course uses."""

import re
import tomllib
from collections import Counter
from datetime import date
from urllib.parse import urlsplit

import pytest
from llmops_utils.course.widgets.course_map import CHAPTERS
from packaging.requirements import Requirement

from llmops_utils.core import DATA, ROOT, DataError
from llmops_utils.course.lifecycle import KINDS, PROPRIETARY, STAGE_IDS, STAGES, Tool, find_stage, load_tools
from llmops_utils.models import load_catalog

TOOLS = load_tools()
NOTEBOOKS = {name for name, _, _ in CHAPTERS} | {"02_what_is_llmops", "13_capstone"}
STAGES_WANTED = ("data", "choose", "prompt", "retrieve", "evaluate", "track", "release", "serve", "guard", "watch")
# Identifiers of the SPDX licence list, https://spdx.org/licenses/.
SPDX = {
    "AGPL-3.0-or-later",
    "Apache-2.0",
    "BSD-3-Clause",
    "CC-BY-SA-4.0",
    "Elastic-2.0",
    "GPL-2.0-only",
    "MIT",
}
REGISTRIES = ("pypi", "npmjs", "anaconda", "docker", "crates.io", "rubygems", "debian", "conda")
# Tools that carry another name than the package through which the course uses them.
PACKAGES = {"comet": "comet-ml", "llama.cpp": "xllamacpp", "monty": "pydantic-monty"}


# --- stages --------------------------------------------------------------------------------------------------


def test_the_ten_stages_stand_in_order():
    assert STAGE_IDS == STAGES_WANTED
    assert tuple(stage.id for stage in STAGES) == STAGES_WANTED


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_a_stage_asks_a_question_and_says_what_it_leaves_and_what_goes_wrong(stage):
    assert stage.question.endswith("?")
    assert stage.risk.endswith(".")
    assert not stage.artefact.endswith(".")
    assert len(stage.artefact) > 20
    assert stage.name == stage.id.capitalize()


@pytest.mark.parametrize("stage", STAGES, ids=STAGE_IDS)
def test_the_chapters_of_a_stage_are_chapters_of_the_course(stage):
    assert stage.chapters
    assert set(stage.chapters) <= NOTEBOOKS
    assert len(set(stage.chapters)) == len(stage.chapters)


def test_no_two_stages_say_the_same():
    for field in ("name", "question", "artefact", "risk"):
        assert len({getattr(stage, field) for stage in STAGES}) == len(STAGES)


def test_every_chapter_about_a_technique_belongs_to_a_stage():
    taught = {name for stage in STAGES for name in stage.chapters}
    assert {name for name in NOTEBOOKS if name[:2] not in ("00", "02", "13")} == taught


def test_a_stage_is_found_by_its_id():
    assert find_stage("guard").name == "Guard"


@pytest.mark.parametrize("id", ["deploy", "", "Data"])
def test_an_unknown_stage_is_refused_with_the_known_ones(id):
    with pytest.raises(DataError, match="is no stage") as caught:
        find_stage(id)
    assert "data, choose, prompt" in caught.value.next_step


# --- the table of tools --------------------------------------------------------------------------------------


def test_every_stage_has_three_to_six_tools():
    counted = Counter(tool.stage for tool in TOOLS)
    assert set(counted) == set(STAGES_WANTED)
    assert min(counted.values()) >= 3
    assert max(counted.values()) <= 6


def test_the_tools_come_in_the_order_of_the_stages():
    places = [STAGE_IDS.index(tool.stage) for tool in TOOLS]
    assert places == sorted(places)


def test_ids_names_sentences_and_sources_stand_once():
    for field in ("id", "tool", "what", "source"):
        texts = [getattr(tool, field).lower().rstrip("/") for tool in TOOLS]
        assert [text for text, num in Counter(texts).items() if num > 1] == []


def test_ids_are_numbered_without_a_gap():
    assert [tool.id for tool in TOOLS] == [f"t{number:02d}" for number in range(1, len(TOOLS) + 1)]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.tool)
def test_a_source_is_a_public_https_address_and_no_registry(tool):
    address = urlsplit(tool.source)
    assert address.scheme == "https"
    assert "." in address.hostname
    assert (address.query, address.fragment, address.username) == ("", "", None)
    assert [word for word in REGISTRIES if word in address.hostname] == []


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.tool)
def test_a_licence_is_of_the_spdx_list_or_proprietary(tool):
    assert tool.licence in SPDX | {PROPRIETARY}


def test_only_services_are_proprietary_and_only_those_need_an_account():
    assert {tool.kind for tool in TOOLS if tool.licence == PROPRIETARY} == {"service"}
    assert {tool.tool for tool in TOOLS if tool.needs_account} == {
        tool.tool for tool in TOOLS if tool.licence == PROPRIETARY
    }


def test_every_kind_is_in_use():
    assert {tool.kind for tool in TOOLS} == set(KINDS)


def test_the_day_of_the_look_up_is_a_date_that_is_not_before_the_project():
    assert all(type(tool.looked_up) is date and tool.looked_up >= date(2026, 11, 1) for tool in TOOLS)


def test_a_description_is_a_sentence_or_two():
    for tool in TOOLS:
        assert tool.what.endswith(".")
        assert 5 <= len(tool.what.split()) <= 40


def test_fields_are_typed():
    first = TOOLS[0]
    assert first == Tool(
        "t01",
        "data",
        "pandas",
        "library",
        "BSD-3-Clause",
        False,
        "Tables in Python: read, filter, join and count examples.",
        "https://pandas.pydata.org",
        date(2026, 11, 25),
        "01",
    )
    assert next(tool for tool in TOOLS if tool.tool == "DVC").used_here is None
    assert next(tool for tool in TOOLS if tool.tool == "LangSmith").needs_account is True


def test_the_readme_of_the_data_counts_the_rows():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert f"| `tools.csv` | {len(TOOLS)} |" in readme


# --- what the course uses ------------------------------------------------------------------------------------


def list_packages():
    """Return the packages of pyproject.toml, those of its extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [
        *project["dependencies"],
        *(line for lines in project["optional-dependencies"].values() for line in lines),
    ]
    return {Requirement(line).name.lower() for line in listed}


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.used_here], ids=lambda tool: tool.tool)
def test_what_the_course_uses_is_a_dependency_or_a_model_of_the_catalog(tool):
    name = PACKAGES.get(tool.tool.lower(), tool.tool.lower())
    if tool.kind == "model":
        assert name in load_catalog().local
    else:
        assert name in list_packages() or f"{name}db" in list_packages()


@pytest.mark.parametrize(
    "package",
    ["openai", "comet-ml", "chromadb", "bm25s", "jinja2", "pydantic", "pydantic-monty", "genai-prices", "xllamacpp"],
)
def test_the_libraries_that_the_chapters_stand_on_are_listed_with_a_chapter(package):
    used = {PACKAGES.get(tool.tool.lower(), tool.tool.lower()) for tool in TOOLS if tool.used_here}
    assert package.removesuffix("db") in used


def test_the_chapters_that_use_a_tool_are_chapters_of_the_course():
    assert {tool.used_here for tool in TOOLS if tool.used_here} <= {name[:2] for name in NOTEBOOKS}


# --- malformed rows ------------------------------------------------------------------------------------------

HEAD = "id,stage,tool,kind,licence,needs_account,what,source,looked_up,used_here"
GOOD = "t01,data,Tab,library,MIT,no,Keeps rows.,https://tab.example,2026-11-25,none"


def write(tmp_path, *rows):
    path = tmp_path / "tools.csv"
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_good_row_is_read(tmp_path):
    [tool] = load_tools(write(tmp_path, GOOD))
    assert (tool.needs_account, tool.looked_up, tool.used_here) == (False, date(2026, 11, 25), None)


def test_rows_out_of_order_are_put_into_the_order_of_the_stages(tmp_path):
    late = GOOD.replace("t01,data", "t00,watch")
    assert [tool.id for tool in load_tools(write(tmp_path, late, GOOD))] == ["t01", "t00"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",data,", ",deploy,", "stage is “deploy”"),
        (",library,", ",gadget,", "kind is “gadget”"),
        (",no,", ",maybe,", "needs_account is “maybe”"),
        (",MIT,", ",the MIT licence,", "licence is “the MIT licence”"),
        ("https://tab.example", "http://tab.example", "source is “http://tab.example”"),
        ("https://tab.example", "https://tab example", "source is “https://tab example”"),
        ("https://tab.example", "javascript:alert(1)", "source is “javascript"),
        ("2026-11-25", "25 November", "25 November"),
        ("2026-11-25", "2026-02-30", "day"),
        (",none", ",99", "used_here is “99”"),
        (",none", ",9", "used_here is “9”"),
        (",none", ",14", "used_here is “14”"),
        (",none", "", "too many, too few or empty fields"),
        (",none", ",none,more", "too many, too few or empty fields"),
        ("Keeps rows.", " ", "too many, too few or empty fields"),
    ],
)
def test_a_malformed_row_is_told_with_file_and_line(tmp_path, old, new, told):
    assert old in GOOD
    bad = GOOD.replace("t01", "t02").replace(old, new)
    with pytest.raises(DataError, match=r"tools\.csv, line 3: ") as caught:
        load_tools(write(tmp_path, GOOD, bad))
    assert told in caught.value.problem


def test_an_id_that_stands_twice_is_told(tmp_path):
    with pytest.raises(DataError, match="line 3: the id t01 stands twice"):
        load_tools(write(tmp_path, GOOD, GOOD))


def test_a_missing_column_is_told(tmp_path):
    path = tmp_path / "tools.csv"
    path.write_text(re.sub(",used_here|,none", "", f"{HEAD}\n{GOOD}\n"), encoding="utf-8")
    with pytest.raises(DataError, match=r"tools\.csv, line 2: 'used_here'"):
        load_tools(path)


def test_a_missing_or_empty_file_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_tools(tmp_path / "tools.csv")
    with pytest.raises(DataError, match="holds no rows"):
        load_tools(write(tmp_path))
