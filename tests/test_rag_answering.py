"""Claims about prompts, answers and refusals, with a model behind a real HTTP server that answers on order."""

import json

import pytest
from fake_embedding import FakeEmbedding
from fake_provider import FakeProvider, refuse

from llmops_utils.datasets import Example
from llmops_utils.errors import DataError
from llmops_utils.evaluation import compare, evaluate
from llmops_utils.model import Model
from llmops_utils.rag.answering import (
    NOT_FOUND,
    Assistant,
    assemble_prompt,
    make_schema,
    read_reply,
    write_passages,
)
from llmops_utils.rag.index import build_index
from llmops_utils.rag.measures import TokenF1
from llmops_utils.rag.pages import parse_page
from llmops_utils.rag.search import Retriever
from llmops_utils.settings import load_settings

PAGES = [
    parse_page("returns", "# Returns\n\n## Window\n\nGoods may come back within 30 days."),
    parse_page("lockers", "# Lockers\n\nA parcel waits in a locker for 48 hours."),
    parse_page("grinders", "# Grinders\n\nThe small grinder weighs 2.1 kg."),
    parse_page("scales", "# Scales\n\nErr5 means that the load cell is broken."),
]


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def model(provider, tmp_path):
    settings = load_settings(
        mode="live", provider="custom", base_url=provider.base_url, model="tiny", home=tmp_path / "model"
    )
    return Model("09_rag", settings=settings)


@pytest.fixture(scope="module")
def retriever(tmp_path_factory):
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    return Retriever(build_index("pages", PAGES, FakeEmbedding(dimension=512), settings=settings))


@pytest.fixture
def say(provider):
    """Let the model answer with a source and a text."""

    def order(source, answer):
        provider.answer = lambda body: json.dumps({"source": source, "answer": answer})

    return order


def list_chats(provider):
    """The conversations that were sent, without the trial of schemas."""
    bodies = [request.body for request in provider.requests if request.path.endswith("/chat/completions")]
    return [body for body in bodies if body["messages"][-1]["content"] != "Say no."]


# --- answers -------------------------------------------------------------------------------------------------------


def test_an_answer_cites_the_passage_that_the_model_names(model, retriever, say, provider):
    say(1, "within  30 days")
    result = Assistant(model, retriever).answer("Within how many days may goods come back?")
    assert (result.text, result.answer) == ("within 30 days [1]", "within 30 days")
    assert [hit.chunk.page.name for hit in result.cited] == ["returns"]
    assert result.citations == ["[1] returns > Window"]
    assert str(result) == "within 30 days [1]\n[1] returns > Window"
    assert not result.is_refused
    (body,) = list_chats(provider)
    assert body["messages"][1]["content"].startswith("[1] Returns: Goods may come back within 30 days.\n\n[2] ")
    assert "Question: Within how many days may goods come back?" in body["messages"][1]["content"]
    assert body["response_format"]["json_schema"]["schema"] == make_schema(3)


def test_the_second_passage_is_cited_by_its_own_number(model, retriever, say):
    say(2, "48 hours")
    result = Assistant(model, retriever).answer("How long may goods wait in a locker within days?")
    assert result.text == "48 hours [2]"
    assert result.cited == (result.hits[1],)
    assert result.citations[0].startswith("[2] ")


def test_source_0_is_a_refusal_by_the_model(model, retriever, say):
    say(0, "I do not know")
    result = Assistant(model, retriever).answer("Who owns the shop?")
    assert (result.text, result.answer, result.refused_by, result.cited) == (NOT_FOUND, NOT_FOUND, "model", ())
    assert result.reply is not None


def test_below_the_threshold_the_model_is_not_asked(model, retriever, say, provider):
    say(1, "never said")
    result = Assistant(model, retriever, threshold=0.6).answer("zyzzyva quux")
    assert (result.answer, result.refused_by, result.reply, result.prompt) == (NOT_FOUND, "threshold", None, None)
    assert result.support < 0.6
    assert list_chats(provider) == []
    assert Assistant(model, retriever, threshold=0.0).answer("zyzzyva quux").answer == "never said"


def test_the_support_is_the_best_cosine_of_the_hits(model, retriever, say):
    say(1, "x")
    result = Assistant(model, retriever).answer("Err5 load cell")
    assert result.support == max(hit.cosine for hit in result.hits)


def test_without_any_hit_it_refuses(model, retriever, provider):
    lexical = Retriever(retriever.index, "lexical")
    result = Assistant(model, lexical).answer("zyzzyva")
    assert (result.answer, result.refused_by, result.hits) == (NOT_FOUND, "threshold", ())
    assert list_chats(provider) == []


def test_where_it_may_not_refuse_0_is_no_choice(model, retriever, say, provider):
    say(1, "x")
    Assistant(model, retriever, may_refuse=False, k=2).answer("grinder")
    schema = list_chats(provider)[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["source"]["enum"] == [1, 2]


@pytest.mark.parametrize(
    ("parsed", "expected"),
    [
        ({"source": 2, "answer": " a\n b "}, (2, "a b")),
        ({"source": 0, "answer": "a"}, (0, "a")),
        ({"source": 4, "answer": "a"}, (0, "")),
        ({"source": -1, "answer": "a"}, (0, "")),
        ({"source": True, "answer": "a"}, (0, "")),
        ({"source": "1", "answer": "a"}, (0, "")),
        ({"source": 1, "answer": None}, (0, "")),
        ({"answer": "a"}, (0, "")),
        ([1, "a"], (0, "")),
        (None, (0, "")),
    ],
)
def test_a_broken_reply_cites_nothing(parsed, expected):
    assert read_reply(parsed, 3) == expected


def test_a_reply_that_was_cut_off_is_a_refusal_and_no_crash(model, retriever, provider):
    provider.answer = lambda body: '{"source": 1, "answer": "within 30'
    assert Assistant(model, retriever).answer("days").refused_by == "model"
    provider.answer = lambda body: '{"source": 1, "answer": "  "}'
    assert Assistant(model, retriever).answer("days").answer == NOT_FOUND


# --- prompts -------------------------------------------------------------------------------------------------------


def test_passages_are_numbered_and_stripped_of_their_heading(retriever):
    hits = retriever.find_chunks("days", 2)
    assert write_passages(hits[:1]) == "[1] Returns: Goods may come back within 30 days."


def test_a_short_prompt_is_not_counted(model, retriever, provider):
    prompt = assemble_prompt("How long?", retriever.find_chunks("days", 3), model)
    assert (len(prompt.hits), prompt.num_left_out) == (3, 0)
    assert provider.paths == []


def test_what_does_not_fit_is_left_out_the_worst_hits_first(model, retriever, provider):
    """The fake tokenizer counts; the window holds about one passage and a half."""
    hits = retriever.find_chunks("How long may goods wait?", 4)
    whole = assemble_prompt("How long?", hits, model)
    one = model.count_tokens(assemble_prompt("How long?", hits[:1], model).messages)
    two = model.count_tokens(assemble_prompt("How long?", hits[:2], model).messages)
    assert one < two
    prompt = assemble_prompt("How long?", hits, model, max_tokens=10, context=10 + (one + two) // 2)
    assert prompt.hits == tuple(hits[:1])
    assert prompt.num_left_out == 3
    assert prompt.messages[0] == whole.messages[0]
    exact = assemble_prompt("How long?", hits, model, max_tokens=10, context=10 + two)
    assert exact.hits == tuple(hits[:2])


def test_a_model_that_cannot_count_gets_what_surely_fits(retriever, provider, tmp_path):
    provider.choose_fault = lambda request: refuse(404) if request.path.endswith("/tokenize") else None
    settings = load_settings(mode="live", provider="custom", base_url=provider.base_url, model="tiny", home=tmp_path)
    hits = retriever.find_chunks("How long may goods wait?", 4)
    prompt = assemble_prompt("How long?", hits, Model("09_rag", settings=settings), max_tokens=16, context=220)
    assert 0 < len(prompt.hits) < 4
    assert sum(len(message["content"]) for message in prompt.messages) / 2 + 40 <= 220 - 16


def test_a_question_of_5000_words_is_a_clear_error(model, retriever, provider):
    question = "May I return it? " * 1250
    with pytest.raises(DataError, match=r"The question \(5000 words\) and one passage do not fit into 1984 tokens"):
        Assistant(model, retriever).answer(question)
    assert list_chats(provider) == []


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(model, retriever, question):
    with pytest.raises(DataError):
        Assistant(model, retriever).answer(question)
    with pytest.raises(DataError):
        assemble_prompt(question, retriever.find_chunks("days", 1), model)


# --- evaluated -----------------------------------------------------------------------------------------------------


def test_evaluate_runs_the_assistant_and_keeps_what_it_found(model, retriever, say, monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    say(1, "30 days")
    examples = [
        Example("a", "Within how many days may goods come back?", "30 days"),
        Example("b", "zyzzyva quux", NOT_FOUND),
    ]
    asked = evaluate(Assistant(model, retriever), examples, TokenF1(), name="asks always")
    careful = evaluate(Assistant(model, retriever, threshold=0.3), examples, TokenF1(), name="with a threshold")
    assert asked.scores.tolist() == [1.0, 0.0]
    assert careful.scores.tolist() == [1.0, 1.0]
    assert [row.num_calls for row in careful.rows] == [1, 0]
    assert careful.rows[0].trace[0]["cited"][0].startswith("returns#0-")
    assert careful.rows[1].trace[0]["refused_by"] == "threshold"
    assert compare(asked, careful).gained == ("b",)
