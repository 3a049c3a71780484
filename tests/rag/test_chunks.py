"""Claims about cutting pages: nothing is lost, nothing is doubled, and borders fall where they should."""

import itertools
import random
import re

import pytest

from llmops_utils.core import DATA, DataError
from llmops_utils.rag.chunks import BLOCK, METHODS, Chunking, split_page, split_pages
from llmops_utils.rag.pages import Page, load_pages, parse_page

HANDBOOK = load_pages(DATA / "handbook")
TEXT = """\
# Kettles

Kettles boil water. They need a plug.

## Care

### Descaling

Use citric acid. Rinse twice.

```
# no heading
```

## Price

19 EUR.
"""


def list_uncovered(page, chunks):
    """The characters of a page, white space left out, that no chunk holds."""
    covered = bytearray(len(page.text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    return [char for char, is_in in zip(page.text, covered, strict=True) if not is_in and not char.isspace()]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("size", "overlap"), [(120, 0), (400, 0), (400, 80), (800, 100), (5000, 0)])
def test_every_character_of_the_handbook_is_in_a_chunk(method, size, overlap):
    chunking = Chunking(method, size, overlap)
    for page in HANDBOOK[::6]:
        chunks = split_page(page, chunking)
        assert list_uncovered(page, chunks) == []
        assert all(chunk.text == chunk.text.strip() for chunk in chunks)


@pytest.mark.parametrize("method", METHODS)
def test_without_overlap_no_character_is_in_two_chunks(method):
    for page in HANDBOOK[::6]:
        chunks = split_page(page, Chunking(method, 400))
        assert all(before.end <= after.start for before, after in itertools.pairwise(chunks))


@pytest.mark.parametrize("method", METHODS)
def test_a_chunk_is_no_longer_than_its_size_but_for_a_heading_before_it(method):
    for page in HANDBOOK[::6]:
        for chunk in split_page(page, Chunking(method, 300, 50)):
            body = re.sub(r"\A(#{1,6} .*\n+)+", "", chunk.text)
            assert len(body) <= 300


def test_overlap_repeats_whole_sentences_up_to_its_length():
    text = " ".join(f"Sentence number {number:03d} stands here." for number in range(40))
    chunks = split_page(parse_page("p", text), Chunking("sentence", 200, 80))
    shared = [before.end - after.start for before, after in itertools.pairwise(chunks)]
    assert len(shared) > 5
    assert all(0 < length <= 80 for length in shared)
    assert all(re.fullmatch(r"(Sentence number \d{3} stands here\. ?)+", chunk.text) for chunk in chunks)


def test_by_heading_each_section_is_a_chunk_and_knows_its_headings():
    chunks = split_page(parse_page("kettles", TEXT), Chunking("heading", 800))
    assert [chunk.heading for chunk in chunks] == ["", "Care > Descaling", "Price"]
    assert [chunk.text.splitlines()[0] for chunk in chunks] == ["# Kettles", "## Care", "## Price"]
    assert "# no heading" in chunks[1].text


def test_a_heading_without_a_text_of_its_own_stays_with_the_next():
    chunks = split_page(parse_page("kettles", TEXT), Chunking("heading", 800))
    assert chunks[1].text.startswith("## Care\n\n### Descaling\n\nUse citric acid.")


def test_no_chunk_is_a_heading_alone():
    for method in ("heading", "recursive"):
        for chunk in split_pages(HANDBOOK, Chunking(method, 150)):
            assert not re.fullmatch(r"#{1,6} .*", chunk.text), chunk


def test_a_heading_at_the_very_end_is_kept():
    page = parse_page("p", "text " * 50 + "\n\n## The end")
    assert list_uncovered(page, split_page(page, Chunking("recursive", 60))) == []


def test_title_and_headings_are_searched_with_the_text_where_wished():
    page = parse_page("kettles", TEXT)
    assert split_page(page, Chunking("heading"))[2].searched == "Kettles > Price\n## Price\n\n19 EUR."
    assert split_page(page, Chunking("heading", adds_title=False))[2].searched == "## Price\n\n19 EUR."


def test_an_id_changes_with_page_and_chunking_and_is_the_same_in_every_run():
    page = parse_page("kettles", TEXT)
    ids = {chunk.id for chunk in split_page(page, Chunking("heading"))}
    assert ids == {chunk.id for chunk in split_page(parse_page("kettles", TEXT), Chunking("heading"))}
    assert sorted(ids)[0].startswith("kettles#0-")
    for other, chunking in [
        (parse_page("kettles", TEXT + "."), Chunking("heading")),
        (parse_page("pots", TEXT), Chunking("heading")),
        (page, Chunking("heading", 801)),
        (page, Chunking("heading", adds_title=False)),
        (Page("kettles", page.title, page.text, {"status": "outdated"}), Chunking("heading")),
    ]:
        assert ids.isdisjoint(chunk.id for chunk in split_page(other, chunking))


@pytest.mark.parametrize("method", METHODS)
def test_a_long_text_is_cut_in_blocks_without_loss(method):
    rng = random.Random(4)
    words = ["kettle", "água", "👩‍🔬", "water.", "Boil", "it\n", "\n\n", "## Head\n", "x" * 50]
    text = " ".join(rng.choice(words) for _ in range(60_000))
    page = parse_page("long", text)
    assert len(page.text) > 3 * BLOCK
    chunks = split_page(page, Chunking(method, 500))
    assert list_uncovered(page, chunks) == []
    assert all(before.end <= after.start for before, after in itertools.pairwise(chunks))


def test_a_text_without_any_border_is_cut_all_the_same():
    page = parse_page("x", "x" * (2 * BLOCK + 7))
    for method in METHODS:
        chunks = split_page(page, Chunking(method, 1000))
        assert sum(len(chunk.text) for chunk in chunks) == 2 * BLOCK + 7


@pytest.mark.parametrize(
    "arguments", [("words",), ("heading", 10), ("heading", 100, 100), ("heading", 100, -1), ("", 800)]
)
def test_an_impossible_chunking_is_refused(arguments):
    with pytest.raises(DataError):
        Chunking(*arguments)


def test_a_chunk_shows_its_id_and_length_and_its_pages_metadata():
    chunk = split_page(HANDBOOK[0])[0]
    assert repr(chunk) == f"Chunk('{chunk.id}', {len(chunk.text)} characters)"
    assert chunk.metadata["page"] == HANDBOOK[0].name
    assert chunk.metadata["status"] == "current"
