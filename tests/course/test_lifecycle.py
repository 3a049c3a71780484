"""Claims about the stages of the lifecycle and the table of tools: complete, typed, sourced, and what the course uses."""

import re
import tomllib
from collections import Counter
from datetime import date
from typing import get_args

from packaging.requirements import Requirement

from llmops_utils.core import ROOT
from llmops_utils.course import STAGES, load_techniques, load_tools
from llmops_utils.course.lifecycle import Group
from llmops_utils.course.notebooks import find_notebooks, list_notebooks
from llmops_utils.models import load_catalog

TOOLS = load_tools()
WANTED = ["data", "choose", "prompt", "retrieve", "tune", "evaluate", "track", "release", "serve", "guard", "watch"]
# Identifiers of the SPDX licence list, https://spdx.org/licenses/, and what stands where no licence is given.
LICENCES = {"AGPL-3.0-or-later", "Apache-2.0", "BSD-3-Clause", "CC-BY-SA-4.0", "Elastic-2.0", "GPL-2.0-only", "MIT"}
LICENCES |= {"PostgreSQL", "proprietary"}
REGISTRIES = ("pypi", "npmjs", "anaconda", "docker", "crates.io", "rubygems", "debian", "conda")
# Tools that carry another name than the package through which the course uses them.
PACKAGES = {
    "chroma": "chromadb",
    "comet": "comet-ml",
    "llama.cpp": "xllamacpp",
    "monty": "pydantic-monty",
    "opentelemetry": "opentelemetry-sdk",
}


def test_the_eleven_stages_stand_in_order_each_with_a_question_an_artefact_and_a_risk_of_its_own():
    assert [stage.id for stage in STAGES] == WANTED
    assert [stage.id for stage in STAGES if not (stage.question.endswith("?") and stage.risk.endswith("."))] == []
    assert [stage.id for stage in STAGES if stage.artefact.endswith(".") or len(stage.artefact) <= 20] == []
    for field in ("name", "question", "artefact", "risk"):
        assert len({getattr(stage, field) for stage in STAGES}) == len(STAGES)


def test_the_chapters_of_the_stages_are_all_chapters_about_a_technique_and_no_others():
    taught = {path for stage in STAGES for number in stage.chapters for path in find_notebooks(number)}
    assert taught == {path for path in list_notebooks() if path.stem[:2] not in ("00", "02", "13")}


def test_every_stage_has_three_to_eight_tools_and_every_group_of_the_picture_four_to_eight():
    counted = Counter(tool.stage for tool in TOOLS)
    assert list(counted) == WANTED
    assert 3 <= min(counted.values()) <= max(counted.values()) <= 8
    grouped = Counter(tool.group for tool in TOOLS if tool.group)
    assert set(grouped) == set(get_args(Group))
    assert 4 <= min(grouped.values()) <= max(grouped.values()) <= 8


def test_facts_of_a_tool_are_its_own_of_their_kind_and_from_a_public_address_that_is_no_registry():
    for field in ("tool", "what", "source"):
        texts = [getattr(tool, field).lower().rstrip("/") for tool in TOOLS]
        assert [text for text, num in Counter(texts).items() if num > 1] == []
    assert [tool.id for tool in TOOLS] == [f"t{number:02d}" for number in range(1, len(TOOLS) + 1)]
    assert [
        tool.tool for tool in TOOLS if not re.fullmatch(r"https://[a-z0-9.-]+\.[a-z]+(/[^?#]*)?", tool.source)
    ] == []
    assert [tool.tool for tool in TOOLS if any(word in tool.source.split("/")[2] for word in REGISTRIES)] == []
    assert [tool.tool for tool in TOOLS if tool.licence not in LICENCES] == []
    days = [tool.looked_up for tool in TOOLS]
    assert min(days) >= date(2026, 11, 1)
    assert (max(days) - min(days)).days <= 31
    assert [tool.tool for tool in TOOLS if not tool.what.endswith(".") or not 5 <= len(tool.what.split()) <= 40] == []
    proprietary = [tool for tool in TOOLS if tool.licence == "proprietary"]
    assert {tool.kind for tool in proprietary} == {"service"}
    assert [tool for tool in TOOLS if tool.needs_account] == proprietary  # all others work without one


def test_a_tool_that_is_used_here_is_named_where_the_table_says():
    wrong = []
    for tool in TOOLS:
        texts = [path.read_text(encoding="utf-8").lower() for path in find_notebooks(tool.used_here or "00")]
        called = tool.tool.lower().removesuffix("2")
        names = {called, PACKAGES.get(called, called), max(called.split("-"), key=len)}
        if tool.used_here and not any(name in text for name in names for text in texts):
            wrong.append((tool.tool, tool.used_here))
    assert wrong == []


def test_what_the_course_uses_is_a_dependency_or_a_model_of_the_catalog_and_its_libraries_are_listed():
    names = {PACKAGES.get(tool.tool.lower(), tool.tool.lower()): tool for tool in TOOLS if tool.used_here}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    known = {Requirement(line).name.lower() for line in [*project["dependencies"], *extras]}
    known |= set(load_catalog().local)
    assert [name for name in names if name not in known] == []
    stood_on = {"openai", "comet-ml", "chromadb", "bm25s", "jinja2", "pydantic", "pydantic-monty", "genai-prices"}
    assert (stood_on | {"xllamacpp", "scipy", "opentelemetry-sdk"}) - set(names) == set()


def test_the_techniques_are_three_of_each_family_with_a_chapter_and_a_paper():
    techniques = load_techniques()
    assert [one.family for one in techniques] == ["basic"] * 3 + ["advanced"] * 3 + ["specialised"] * 3
    assert [one.lesson for one in techniques] == [f"0{chapter}_{place}" for chapter in (6, 7, 8) for place in (1, 2, 3)]
    assert all(find_notebooks(one.lesson[:2]) for one in techniques)
    assert [one.id for one in techniques if not one.source.startswith("https://arxiv.org/abs/")] == []
    assert [one.id for one in techniques if not one.what.endswith(".") or one.use_when.endswith(".")] == []
