"""Claims about cutting pages: nothing is lost, nothing is doubled; lessons 9.1 to 9.3 show chunks, ids and headings."""

import itertools
import random
import re

import pytest

from llmops_utils.core import DATA, DataError
from llmops_utils.rag import chunks as module
from llmops_utils.rag.chunks import METHODS, Chunking, split_pages
from llmops_utils.rag.pages import Page, load_pages, parse_page

HANDBOOK = load_pages(DATA / "handbook")[::6]


def list_uncovered(page, chunks):
    """The characters of a page, white space left out, that no chunk holds."""
    covered = bytearray(len(page.text))
    for chunk in chunks:
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
    return [char for char, is_in in zip(page.text, covered, strict=True) if not is_in and not char.isspace()]


def test_every_character_is_in_a_chunk_no_longer_than_its_size_and_in_two_only_by_overlap():
    for method, (size, overlap) in itertools.product(METHODS, [(120, 0), (400, 0), (300, 50), (800, 100), (5000, 0)]):
        for page in [*HANDBOOK, Page("gap", "gap", "a" + " \n" * 5000 + "b")]:
            chunks = split_pages([page], Chunking(method, size, overlap))
            assert list_uncovered(page, chunks) == []
            for chunk in chunks:
                assert chunk.text == chunk.text.strip()
                assert len(re.sub(r"\A(#{1,6} .*\n+)+", "", chunk.text)) <= size  # but for a heading before it
            if not overlap:
                assert all(before.end <= after.start for before, after in itertools.pairwise(chunks))


def test_overlap_repeats_whole_sentences_up_to_its_length():
    text = " ".join(f"Sentence number {number:03d} stands here." for number in range(40))
    chunks = split_pages([parse_page("p", text)], Chunking("recursive", 200, 80))
    shared = [before.end - after.start for before, after in itertools.pairwise(chunks)]
    assert len(shared) > 5
    assert all(0 < length <= 80 for length in shared)
    assert all(re.fullmatch(r"(Sentence number \d{3} stands here\. ?)+", chunk.text) for chunk in chunks)


def test_no_chunk_is_a_heading_alone():
    for method in ("heading", "recursive"):
        for chunk in split_pages(HANDBOOK, Chunking(method, 150)):
            assert not re.fullmatch(r"#{1,6} .*", chunk.text), chunk
    page = parse_page("p", "text " * 50 + "\n\n## The end")  # but for one at the very end, which is kept
    assert list_uncovered(page, split_pages([page], Chunking("recursive", 60))) == []


def test_a_long_text_is_cut_in_blocks_without_loss_also_where_it_has_no_border(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5000)
    rng = random.Random(4)
    words = ["kettle", "água", "👩‍🔬", "water.", "Boil", "it\n", "\n\n", "## Head\n", "x" * 50]
    page = parse_page("long", " ".join(rng.choice(words) for _ in range(3000)))
    for method in METHODS:
        chunks = split_pages([page], Chunking(method, 500))
        assert list_uncovered(page, chunks) == []
        assert all(before.end <= after.start for before, after in itertools.pairwise(chunks))
        chunks = split_pages([parse_page("x", "x" * 5007)], Chunking(method, 1000))
        assert sum(len(chunk.text) for chunk in chunks) == 5007


def test_an_impossible_chunking_is_refused():
    sizes = [(10,), (100, 100), (100, -1), (99.5,), ("99",), (2**64,), (99, 1.5)]
    for arguments in [("words",), ("", 800), *(("heading", *size) for size in sizes)]:
        with pytest.raises(DataError):
            Chunking(*arguments)
