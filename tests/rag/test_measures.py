"""Claims about the measures, against published worked examples and values computed by hand."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.rag.chunks import Chunk
from llmops_utils.rag.measures import (
    Passage,
    is_supported,
    locate_passages,
    measure_recall,
    normalise_answer,
    score_refusals,
)
from llmops_utils.rag.pages import parse_page

PAGE = parse_page("p", "one two three four five\nsix seven eight nine ten")
OTHER = parse_page("q", "alpha beta gamma delta")


def cut(page, first, last):
    """A chunk from the first to the last of the named words."""
    start = page.text.index(first)
    end = page.text.index(last) + len(last)
    return Chunk(f"{page.name}#{start}", page, "", start, end, page.text[start:end])


def test_a_passage_is_located_whatever_its_line_ends_each_in_its_own_page_and_nowhere_is_an_error():
    passages = locate_passages(["four  five six", "beta gamma"], ["p", "q"], [OTHER, PAGE])
    assert [one.page.name for one in passages] == ["p", "q"]
    assert PAGE.text[passages[0].start : passages[0].end] == "four five\nsix"
    for passage, names in [("eleven", ["p"]), ("beta", ["p"]), ("one", ["r"]), (" ", ["p"])]:
        with pytest.raises(DataError):
            locate_passages([passage], names, [PAGE, OTHER])


def test_recall_by_hand():
    """The passage has 4 tokens, the chunks hold 3 of them."""
    (passage,) = locate_passages(["three four five six"], ["p"], [PAGE])
    chunks = [cut(PAGE, "one", "four"), cut(PAGE, "four", "five"), cut(OTHER, "alpha", "delta")]
    assert measure_recall(chunks, [passage]) == 3 / 4
    assert measure_recall([], [passage]) == 0.0
    with pytest.raises(DataError):
        measure_recall([], [])
    passage = Passage(PAGE, PAGE.text.index("one"), PAGE.text.index("four") + 4)
    wanted = {"three": True, "four": False}  # half of its four tokens, or one
    assert {first: passage.overlaps(cut(PAGE, first, "ten")) for first in wanted} == wanted
    assert not passage.overlaps(cut(OTHER, "alpha", "delta"))


def test_a_passage_or_chunk_that_begins_or_ends_inside_a_token_counts_by_its_characters():
    for text, passage, chunk, recall in [
        ("(Yes)", "Yes", "(Yes)", 1),
        ("Within **30 days** or so", "30 days", "**30 days**", 1),
        ("Within **30 days** or so", "**30 days**", "30 days", 1),
        ("abcdefgh", "abcd", "efgh", 0),
        ("退货须在三十天内办理。运费由客户承担。", "运费由客户承担", "退货须在三十天内办理。", 0),
        ("退货须在三十天内办理。运费由客户承担。", "运费由客户承担", "运费由客户承担。", 1),
    ]:
        page = parse_page("p", text)
        start = page.text.index(chunk)
        found = Chunk("p#0", page, "", start, start + len(chunk), chunk)
        passages = locate_passages([passage], ["p"], [page])
        assert measure_recall([found], passages) == recall, (passage, chunk)
        assert is_supported([found], passages) == bool(recall), (passage, chunk)


def test_what_reads_alike_is_the_same_answer_and_the_same_passage():
    assert normalise_answer("The theatre, an  Anchor-a") == "theatre anchora"
    assert normalise_answer("12.50 EUR") == "1250 eur"  # the known weakness: punctuation goes, also inside numbers
    for one, other in [("cafe\u0301", "café"), ("so\u00adft", "soft"), ("a\u200bb", "ab"), ("ＡＢＣ　１", "abc 1")]:
        assert normalise_answer(one) == normalise_answer(other), one
        for written, wanted in [(one, other.upper()), (other.upper(), one)]:
            text = f"An \u00ad½ {written.upper()}  end, cafe\u0301."
            passage = locate_passages([f"{wanted.upper()} end"], ["p"], [parse_page("p", text)])[0]
            assert passage.page.text[passage.start : passage.end] == f"{written.upper()}  end"


def test_a_citation_is_correct_where_every_cited_chunk_holds_a_gold_passage():
    passages = locate_passages(["three four", "alpha beta"], ["p", "q"], [PAGE, OTHER])
    right, also, wrong = cut(PAGE, "one", "five"), cut(OTHER, "alpha", "beta"), cut(PAGE, "eight", "ten")
    assert is_supported([right], passages)
    assert is_supported([right, also], passages)
    assert not is_supported([right, wrong], passages)
    assert not is_supported([], passages)
    assert not is_supported([right], [])


def test_where_nothing_was_refused_there_is_no_precision_and_what_does_not_pair_is_refused():
    score = score_refusals([False] * 3, [True, True, False])
    assert (score.precision, score.recall.value, score.refused_wrongly.value) == (None, 0.0, 0.0)
    for refused, answerable in [([True], [True]), ([True], [False]), ([True, False], [True]), ([], [])]:
        with pytest.raises(DataError):
            score_refusals(refused, answerable)
