"""Claims about search: words, fusion and filters."""

import math
from dataclasses import replace

import pytest
from fake_embedding import FakeEmbedding

from llmops_utils.core import DATA, DataError, load_settings
from llmops_utils.rag.chunks import split_pages
from llmops_utils.rag.index import build_index
from llmops_utils.rag.pages import load_pages, parse_page
from llmops_utils.rag.search import LexicalIndex, Retriever, fuse_ranks, split_words


def make_chunks(**texts):
    """A chunk per page, searched without its title."""
    pages = [parse_page(name, text) for name, text in texts.items()]
    return [replace(chunk, searched=chunk.text) for chunk in split_pages(pages)]


def test_words_are_split_for_codes_plurals_and_case():
    for text, words in [
        ("The kettles were boiling.", ["kettle", "boiling"]),
        ("order PW-82527", ["order", "pw-82527", "pw", "82527"]),
        ("firmware 3.4, Err2", ["firmware", "3.4", "3", "4", "err2"]),
        ("batteries lenses buses glass status ties", ["battery", "lense", "buse", "glass", "status", "tie"]),
        ("Größe GRÖSSE", ["grösse", "grösse"]),
        ("cafe\u0301 so\u00adft a\u200bb ＡＢＣ", ["café", "soft", "ab", "abc"]),
        ("हिन्दी में किताब-घर ภาษาไทยที่นี่", ["हिन्दी", "में", "किताब-घर", "किताब", "घर", "ภาษาไทยที่นี่"]),
        ("what is it?", []),
        ("", []),
    ]:
        assert split_words(text) == words


def test_what_reads_alike_is_found_and_shown_as_it_was_written():
    texts = {"a": "Our cafe\u0301 has sca\u00adles.", "b": "किताब यहाँ है", "c": "Other"}
    pages = [parse_page(name, text) for name, text in texts.items()]
    chunks = split_pages(pages)
    lexical = LexicalIndex(chunks)
    for question, name in [("café", "a"), ("ＳＣＡＬＥＳ", "a"), ("cafe\u0301", "a"), ("किताब", "b")]:
        assert [chunk.page.name for chunk, _ in lexical.find_matching(question, 5)] == [name], question
    assert chunks[0].text == pages[0].text  # what is shown stays as it was written


def test_bm25_by_hand_what_matches_nothing_is_not_found_and_equal_scores_keep_the_order_of_the_pages():
    """Lucene's BM25 (without its constant factor k1 + 1): idf = ln(1 + (N - n + 0.5) / (n + 0.5))."""
    chunks = make_chunks(a="boil kettle kettle", b="kettle grinder scale plug", c="scale plug")
    found = LexicalIndex(chunks).find_matching("kettle", 5)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    mean = (3 + 4 + 2) / 3
    wanted = {
        "a": idf * 2 / (2 + 1.5 * (1 - 0.75 + 0.75 * 3 / mean)),
        "b": idf * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 4 / mean)),
    }
    assert {chunk.page.name: score for chunk, score in found} == pytest.approx(wanted, rel=1e-5)
    for question in ("", "the of and", "zyzzyva", "?!", "🙈"):
        assert LexicalIndex(make_chunks(a="kettle")).find_matching(question, 5) == []
    assert LexicalIndex(make_chunks(a="the of and")).find_matching("the", 5) == []
    texts = {f"p{n}": f"---\nstatus: {'current' if n > 5 else 'outdated'}\n---\nkettle" for n in range(9)}
    lexical = LexicalIndex(make_chunks(**texts))
    for k, where, names in [(4, None, ["p0", "p1", "p2", "p3"]), (2, {"status": "current"}, ["p6", "p7"])]:
        assert [chunk.page.name for chunk, _ in lexical.find_matching("kettle", k, where)] == names


def test_reciprocal_rank_fusion_by_hand():
    fused = fuse_ranks(["a", "b", "c"], ["c", "a", "d"])
    assert fused == pytest.approx({"a": 1 / 61 + 1 / 62, "c": 1 / 63 + 1 / 61, "b": 1 / 62, "d": 1 / 63})
    assert list(fused) == ["a", "c", "b", "d"]
    assert list(fuse_ranks(["x", "y"], [], constant=1).items()) == [("x", 1 / 2), ("y", 1 / 3)]
    with pytest.raises(DataError):
        fuse_ranks(["a", "a"])


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    names = ("policies-vouchers", "policies-refunds", "policies-bank-transfers", "repairs-flat-rates")
    pages = [page for page in load_pages(DATA / "handbook") if page.name in names]
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    return build_index("handbook", pages, FakeEmbedding(dimension=256), settings=settings)


def test_hits_carry_rank_and_score_of_both_searches_or_of_the_one_that_was_asked(index):
    for constant in (60, 1):
        hits = Retriever(index, constant=constant).find_chunks("Which form is used for a voucher?", 6)
        assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 6]
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        for hit in hits:
            parts = [1 / (constant + rank) for rank in (hit.dense_rank, hit.lexical_rank) if rank]
            assert hit.score == pytest.approx(sum(parts))
            assert (hit.cosine is None) == (hit.dense_rank is None)
            assert (hit.bm25 is None) == (hit.lexical_rank is None)
    for method, own, other in [("dense", "dense_rank", "lexical_rank"), ("lexical", "lexical_rank", "dense_rank")]:
        hits = Retriever(index, method).find_chunks("order", 5)
        assert [getattr(hit, own) for hit in hits] == [1, 2, 3, 4, 5]
        assert {getattr(hit, other) for hit in hits} == {None}
    assert [hit.dense_rank for hit in Retriever(index).find_chunks("zyzzyva", 3)] == [1, 2, 3]  # by meaning alone


def test_in_every_method_a_filter_holds_and_an_empty_question_is_refused(index):
    names = ["policies-vouchers", "policies-refunds"]
    for method in ("dense", "lexical", "fused"):
        hits = Retriever(index, method, where={"page": names}).find_chunks("How long is a voucher valid?", 30)
        assert {hit.chunk.page.name for hit in hits} == set(names)
        for question, k in [("", 5), (" ", 5), ("voucher", 0)]:
            with pytest.raises(DataError):
                Retriever(index, method).find_chunks(question, k)
    with pytest.raises(DataError, match="dense, lexical, fused"):
        Retriever(index, "magic")
