"""Claims about the standard library as a knowledge base: parsed, never imported."""

import json
import subprocess
import sys

import pytest

from llmops_utils.core import ROOT, DataError
from llmops_utils.rag.stdlib import gather_stdlib_pages


def write(folder, **sources):
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")


def test_known_modules_have_pages_with_their_docstrings_and_parameters():
    pages = {page.name: page for page in gather_stdlib_pages()}
    assert len(pages) > 200
    assert list(pages) == sorted(pages)
    assert "## dumps(obj, *, skipkeys=False" in pages["json"].text
    assert "Serialize ``obj`` to a JSON formatted ``str``" in pages["json"].text
    assert "## class Fraction" in pages["fractions"].text
    assert pages["email.message"].metadata["section"] == "email"
    assert {"antigravity", "this", "turtle", "test", "idlelib"}.isdisjoint(pages)
    assert not any(part.startswith("_") for name in pages for part in name.split("."))


def test_gathering_runs_nothing_and_touches_nothing(tmp_path):
    write(tmp_path, harmful='"""Harm."""\nopen("harm.txt", "w").close()\nraise SystemExit')
    assert [page.name for page in gather_stdlib_pages(tmp_path)] == ["harmful"]
    code = """
import json, sys
from llmops_utils.rag.stdlib import gather_stdlib_pages
from pathlib import Path
events = []
before = set(sys.modules)
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+") or event.startswith("socket."):
        events.append(str(arguments[0]))
sys.addaudithook(watch)
gather_stdlib_pages(Path(json.__file__).parent)
print(json.dumps([events, sorted(set(sys.modules) - before)]))
"""
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []]


def test_a_page_holds_public_classes_methods_and_functions_in_order(tmp_path):
    source = '''
"""About."""
def first(a, b=1, *, c: int) -> str:
    """Does one
    thing.
    """
async def second(): "Waits."
def _hidden(): "No."
def silent(): pass
class Thing:
    """A thing."""
    def act(self): "Acts."
    def _own(self): "No."
class Plain:
    def run(self): "Runs."
'''
    write(tmp_path, sample=source)
    (page,) = gather_stdlib_pages(tmp_path)
    assert page.text == (
        "# sample\\n\\nAbout.\\n\\n## first(a, b=1, *, c: int)\\n\\nDoes one\\nthing.\\n\\n## second()\\n\\nWaits.\\n\\n"
        "## class Thing\\n\\nA thing.\\n\\n## Thing.act(self)\\n\\nActs.\\n\\n## Plain.run(self)\\n\\nRuns."
    ).replace("\\n", "\n")


def test_what_cannot_be_parsed_or_documents_nothing_has_no_page(tmp_path):
    write(tmp_path, good='"""Good."""', broken="def (", empty="x = 1", _private='"""No."""', this='"""No."""')
    (tmp_path / "latin.py").write_bytes(b'# -*- coding: latin-1 -*-\n"""\xe9t\xe9"""')
    (tmp_path / "nulls.py").write_bytes(b'"""a"""\x00')
    (tmp_path / "wrong.py").write_bytes(b'"""\xff\xfe"""')
    package = tmp_path / "pack"
    package.mkdir()
    write(package, __init__='"""Package."""', inner='"""Inner."""')
    (tmp_path / "no_package").mkdir()
    write(tmp_path / "no_package", inner='"""No."""')
    (tmp_path / "lib-dynload").mkdir()
    assert [page.name for page in gather_stdlib_pages(tmp_path)] == ["good", "latin", "pack", "pack.inner"]


def test_a_python_without_sources_is_a_clear_error(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError, match="holds no source with a docstring"):
            gather_stdlib_pages(folder)
