"""Claims about the book, as far as they hold without Sphinx: what is gathered, and that a broken link is found."""

import os
import re
import subprocess
import sys

import nbformat
import pytest

from llmops_utils.core import ROOT
from llmops_utils.course.notebooks import list_notebooks


@pytest.fixture(scope="module", autouse=True)
def book_folder():
    """The programs of the book can be imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "book")
        yield
        for name in ("make_book", "make_demo", "make_slides"):
            sys.modules.pop(name, None)


def test_each_lesson_makes_a_deck_of_a_talks_length_without_tasks_and_the_same_each_time():
    import make_slides as slides

    lengths = {}
    for path in list_notebooks():
        decks = [slides.make_deck(nbformat.read(path, 4)) for _ in range(2)]
        told = [[cell.source for slide in deck for cell in slide] for deck in decks]
        assert told[0] == told[1]
        lengths[path.stem] = len(decks[0])
        text = "\n".join(told[0])
        assert text.startswith("# ")
        assert "**The question:**" in told[0][0]
        assert not [word for word in ("= ...", "## Set-up", "### Exercise") if word in text], path
        assert all(
            cell.source.count("## ") <= 1 for slide in decks[0] for cell in slide if cell.cell_type == "markdown"
        )
    assert {name: num for name, num in lengths.items() if not 6 <= num <= 15} == {}


def test_the_demo_takes_fifteen_minutes_and_each_slide_shows_an_output_that_is_stored():
    import make_demo as demo

    slides = demo.read_slides()
    assert sum(slide["minutes"] for slide in slides) == 15
    assert all(slide["say"] for slide in slides)
    shown = [demo.make_slide(slide)[1] for slide in slides if "cell" in slide]
    assert len(shown) >= 10
    assert [cell.id for cell in shown if not cell.outputs] == []


BOOK_PYTHON = ROOT / ".tools" / "book" / "bin" / "python"


@pytest.mark.live
@pytest.mark.skipif(not BOOK_PYTHON.exists(), reason="needs the book's environment: make bookbinder")
def test_the_deck_of_the_demo_comes_out_the_same_twice_and_names_no_address_that_it_needs(tmp_path):
    nowhere = os.environ | {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    decks = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        subprocess.run([BOOK_PYTHON, ROOT / "book" / "make_demo.py", folder], check=True, env=nowhere)
        html = folder / "html"
        decks.append({path.relative_to(html): path.read_bytes() for path in html.rglob("*") if path.is_file()})
    assert len(decks[0]) > 20
    assert [name for name in decks[0] | decks[1] if decks[0].get(name) != decks[1].get(name)] == []
    page = (tmp_path / "one" / "html" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"""<(?:script|link|img)[^>]*(?:src|href)=["']https?://[^>]*>""", page) == []


def test_tags_take_a_cell_in_or_leave_it_out():
    import make_slides as slides

    [path] = [path for path in list_notebooks() if path.stem.startswith("06_2")]
    notebook = nbformat.read(path, 4)
    by_id = {cell.id: cell for cell in notebook.cells}
    deck = slides.make_deck(notebook)
    shown = [cell.id for slide in deck for cell in slide if cell.cell_type == "code"]
    hidden = next(cell.id for cell in notebook.cells if slides.has_view(cell) and cell.id not in shown)
    by_id[hidden].metadata["tags"], by_id[shown[0]].metadata["tags"] = ["slide"], ["no-slide"]
    now = [cell.id for slide in slides.make_deck(notebook) for cell in slide]
    assert hidden in now
    assert shown[0] not in now


def test_each_notebook_stands_once_in_the_contents_under_a_chapter_that_has_a_name(tmp_path):
    import make_book as book

    book.gather(tmp_path / "pages")
    contents = (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")
    names = [path.stem for path in list_notebooks()]
    assert [line for line in contents.splitlines() if line in names] == names
    assert [name for name in names if name[:2] not in book.PARTS] == []
    assert all(
        (tmp_path / "pages" / f"{page}.md").stat().st_size > 500 for part in book.BESIDE.values() for page in part
    )
    assert "make lab" in contents
    notebook = nbformat.read(tmp_path / "pages" / f"{names[1]}.ipynb", 4)
    assert "Course map" not in str(notebook.cells)
    assert any(cell.get("outputs") for cell in notebook.cells)
    with pytest.raises(FileNotFoundError):
        nbformat.read(tmp_path / "pages" / "README.ipynb", 4)


def test_links_that_lead_nowhere_are_found_and_others_are_not(tmp_path):
    import make_book as book

    (tmp_path / "a.html").write_text(
        "<a href='b.html#place'>1</a><a href='b.html#none'>2</a><a href='c.html'>3</a><a href='#here'>4</a>"
        "<img src='picture.png'><a href='https://example.org/x'>5</a><h1 id='here'></h1><a href='mailto:x'>6</a>"
    )
    (tmp_path / "b.html").write_text("<h2 id='place'></h2><img src='data:image/png;base64,AA=='>")
    broken, outside = book.check_links(tmp_path)
    assert broken == ["a.html: b.html#none", "a.html: c.html", "a.html: picture.png"]
    assert outside == ["https://example.org/x"]
