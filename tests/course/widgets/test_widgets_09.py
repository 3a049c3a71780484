"""Claims about the retrieval inspector: ranks side by side, gold marked, own questions, and no text taken for markup."""

import re

import pytest
from fake_embedding import FakeEmbedding

from llmops_utils.core import ProviderError, RecordingMissing, load_settings
from llmops_utils.course.widgets.retrieval_inspector import RetrievalInspector
from llmops_utils.rag import Retriever, build_index, parse_page
from llmops_utils.rag.measures import locate_passages

EVIL = "<script>alert('x')</script> & \"more\""
GOLD = "A parcel waits in a locker for 48 hours."
LOCKER = "How long does a parcel wait in a locker?"
STAFF = "Who is the owner?"
PAGES = [
    parse_page("returns", "# Returns\n\n## Window\n\nGoods may come back within 30 days."),
    parse_page("lockers", f"# Lockers\n\nLockers are yellow. {GOLD} After that it travels back."),
    parse_page("scales", "# Scales\n\nErr5 means that the load cell is broken."),
    parse_page("evil", f"# Evil page\n\nThe owner of the shop wrote {EVIL} here."),
]


class CountingModel:
    """Counts words as tokens, or fails on order."""

    def __init__(self):
        self.fault = None
        self.counted = []

    def count_tokens(self, messages):
        if self.fault:
            raise self.fault
        self.counted.append(messages)
        return sum(len(message["content"].split()) for message in messages)


def write_prompt(question, hits):
    return [{"role": "user", "content": "\n".join([*(hit.chunk.text for hit in hits), question])}]


@pytest.fixture(scope="module")
def retrievers(tmp_path_factory):
    index = build_index(
        "pages", PAGES, FakeEmbedding(dimension=512), settings=load_settings(home=tmp_path_factory.mktemp("home"))
    )
    return {name: Retriever(index, name) for name in ("dense", "lexical", "fused")}


@pytest.fixture
def model():
    return CountingModel()


@pytest.fixture
def inspector(retrievers, model):
    spans = locate_passages([GOLD], ["lockers"], PAGES)
    return RetrievalInspector(retrievers, write_prompt, model, {LOCKER: spans, STAFF: ()}, k=3)


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def test_the_static_view_has_a_table_and_a_prompt_for_each_ready_question(inspector):
    data = read_bundle(inspector)
    assert data["text/html"].count("<table") == 2
    assert data["text/html"].count("The assembled prompt: ") == 2
    heads = re.findall(r"<th [^>]*>(\w+)</th>", data["text/html"])
    assert heads == 2 * ["rank", "dense", "lexical", "fused"]
    assert data["text/plain"].startswith(
        "Retrieval inspector: the first 3 hits of dense, lexical, fused for 2 questions"
    )


def test_the_hit_with_the_gold_passage_is_pointed_out_in_each_column(inspector):
    first_row = inspector._view.value.partition("<td>1</td>")[2].partition("</tr>")[0]
    assert first_row.count("lockers (") == 3
    assert first_row.count(" ◀") == 3


def test_the_gold_passage_is_marked_and_nothing_else(inspector):
    view = inspector._view.value
    assert f"Lockers are yellow. <mark>{GOLD}</mark> After that" in view
    assert view.count("<mark>") == 1


def test_where_no_gold_passage_is_known_nothing_is_marked(inspector):
    inspector.menu.value = STAFF
    assert STAFF in inspector._view.value
    assert "no gold passage is known" in inspector._view.value
    assert "<mark>" not in inspector._view.value
    assert "◀" not in inspector._view.value


def test_a_search_that_finds_fewer_leaves_its_places_empty(inspector):
    """Only the evil page shares the word owner with the question."""
    inspector.menu.value = STAFF
    second_row = inspector._view.value.partition("<td>2</td>")[2].partition("</tr>")[0]
    assert second_row.count("'></td>") == 1


def test_the_prompt_holds_the_first_hits_of_the_last_search_and_its_tokens(inspector, model, retrievers):
    hits = retrievers["fused"].find_chunks(LOCKER, 3)[:2]
    assert model.counted[0] == write_prompt(LOCKER, hits)
    num_words = len(write_prompt(LOCKER, hits)[0]["content"].split())
    assert f"The assembled prompt: {num_words} tokens" in inspector._view.value


def test_an_own_question_is_searched(inspector):
    inspector.field.value = "What does Err5 mean?"
    inspector.search_button.click()
    assert "What does Err5 mean?" in inspector._view.value
    assert "<strong>[1] scales</strong>" in inspector._view.value
    assert inspector._message.value == ""


@pytest.mark.parametrize("question", ["", "   "])
def test_an_empty_question_is_told_and_the_view_stays(inspector, question):
    before = inspector._view.value
    inspector.field.value = question
    inspector.search_button.click()
    assert "nothing to look for" in inspector._message.value
    assert inspector._view.value == before


def test_in_replay_an_unrecorded_question_gets_a_friendly_line(inspector, model):
    model.fault = RecordingMissing("no such recording", "record it")
    inspector.show("Something new?")
    assert "not among the recordings" in inspector._message.value
    inspector.menu.value = STAFF
    assert inspector._message.value == ""
    assert STAFF in inspector._view.value


def test_another_error_is_told_and_its_text_is_no_markup(inspector, model):
    model.fault = ProviderError(EVIL, "Try again.")
    inspector.show("Something new?")
    assert "<script" not in inspector._message.value
    assert "&lt;script&gt;" in inspector._message.value


def test_questions_and_pages_are_no_markup(inspector):
    inspector.show(f"owner {EVIL}")
    for told in (inspector._view.value, inspector.static_html):
        assert "<script" not in told
        assert "&lt;script&gt;" in told


def test_the_view_keeps_the_words_of_passages_and_prompt_whole(inspector):
    view = inspector._view.value
    assert view.count("<pre style='word-break:normal;") == view.count("<pre") == 3  # two passages and the prompt
    assert "word-break" not in inspector.static_html
