"""Claims about prompts, answers and refusals, with a model behind a real HTTP server that answers on order."""

import json

import pytest
from fake_embedding import FakeEmbedding
from fake_provider import FakeProvider, refuse

from llmops_utils.core import DataError, load_settings
from llmops_utils.datasets import Example
from llmops_utils.evaluation import compare, evaluate
from llmops_utils.models import Model
from llmops_utils.rag.answering import (
    NOT_FOUND,
    Assistant,
    assemble_prompt,
    find_source,
    make_schema,
    read_reply,
    write_passages,
)
from llmops_utils.rag.index import build_index
from llmops_utils.rag.measures import TokenF1
from llmops_utils.rag.pages import parse_page
from llmops_utils.rag.search import Retriever

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
    """Let the model answer with a text."""

    def order(text):
        provider.answer = lambda body: text

    return order


def list_chats(provider):
    """The conversations that were sent, without the trial of schemas."""
    bodies = [request.body for request in provider.requests if request.path.endswith("/chat/completions")]
    return [body for body in bodies if body["messages"][-1]["content"] != "Say no."]


# --- short answers -------------------------------------------------------------------------------------------------


def test_an_answer_cites_the_passage_that_holds_its_words(model, retriever, say, provider):
    say("within  30 days")
    result = Assistant(model, retriever).answer("Within how many days may goods come back?")
    assert (result.text, result.answer) == ("within 30 days [1]", "within 30 days")
    assert [hit.chunk.page.name for hit in result.cited] == ["returns"]
    assert result.citations == ["[1] returns > Window"]
    assert str(result) == "within 30 days [1]\n[1] returns > Window"
    assert not result.is_refused
    (body,) = list_chats(provider)
    assert body["messages"][1]["content"].startswith("[1] Returns: Goods may come back within 30 days.\n\n[2] ")
    assert body["messages"][1]["content"].endswith("Question: Within how many days may goods come back?\nShort answer:")
    assert body["stop"] == ["\n"]


def test_the_second_passage_is_cited_by_its_own_number(model, retriever, say):
    say("It waits 48 hours.")
    result = Assistant(model, retriever).answer("Within how many days must goods leave a locker?")
    number = [hit.chunk.page.name for hit in result.hits].index("lockers") + 1
    assert result.text == f"It waits 48 hours. [{number}]"
    assert result.cited == (result.hits[number - 1],)
    assert result.citations == [f"[{number}] lockers"]


def test_the_source_is_the_passage_with_most_of_the_words_of_equals_the_first(retriever):
    hits = retriever.find_chunks("parcel grinder goods Err5", 4)
    names = [hit.chunk.page.name for hit in hits]
    for answer, name, share in [
        ("2.1 kg", "grinders", 1.0),
        ("The load cell is broken", "scales", 1.0),
        ("The load cell explodes", "scales", 2 / 3),
        ("48 hours in a drawer", "lockers", 2 / 3),
    ]:
        assert find_source(answer, hits) == (names.index(name) + 1, pytest.approx(share))
    assert find_source("unheard", hits) == (1, 0.0)
    assert find_source("no", hits) == (1, 0.0)
    assert find_source("31 days", hits) == (0, 0.0)
    assert find_source("x", []) == (0, 0.0)


@pytest.mark.parametrize("answer", ["within 31 days", "three lovely zebras", "no"])
def test_an_answer_whose_words_stand_nowhere_is_refused_by_the_check(model, retriever, say, answer):
    say(answer)
    result = Assistant(model, retriever).answer("Within how many days may goods come back?")
    assert (result.text, result.answer, result.refused_by, result.cited) == (NOT_FOUND, NOT_FOUND, "check", ())
    assert result.reply.text == answer


def test_without_the_check_only_a_wrong_number_is_refused(model, retriever, say):
    assistant = Assistant(model, retriever, least_share=0)
    say("three lovely zebras")
    assert assistant.answer("days").answer == "three lovely zebras"
    say("within 31 days")
    assert assistant.answer("days").refused_by == "check"


@pytest.mark.parametrize("answer", ["Not in the handbook.", "", "  "])
def test_the_model_may_say_itself_that_there_is_no_answer(model, retriever, say, answer):
    say(answer)
    result = Assistant(model, retriever).answer("Who owns the shop?")
    assert (result.answer, result.refused_by) == (NOT_FOUND, "model")


# --- refusals before the model -------------------------------------------------------------------------------------


def test_below_the_threshold_the_model_is_not_asked(model, retriever, say, provider):
    say("30 days")
    result = Assistant(model, retriever, threshold=0.6).answer("zyzzyva quux")
    assert (result.answer, result.refused_by, result.reply, result.prompt) == (NOT_FOUND, "threshold", None, None)
    assert result.support < 0.6
    assert list_chats(provider) == []
    assert Assistant(model, retriever, k=4, threshold=0.0).answer("zyzzyva quux").answer == "30 days"


def test_the_support_is_the_best_cosine_of_the_hits(model, retriever, say):
    say("the load cell")
    result = Assistant(model, retriever).answer("Err5 load cell")
    assert result.support == max(hit.cosine for hit in result.hits)


def test_without_any_hit_it_refuses(model, retriever, provider):
    lexical = Retriever(retriever.index, "lexical")
    result = Assistant(model, lexical).answer("zyzzyva")
    assert (result.answer, result.refused_by, result.hits) == (NOT_FOUND, "threshold", ())
    assert list_chats(provider) == []


# --- answers by schema ---------------------------------------------------------------------------------------------


def test_by_schema_the_model_names_its_source(model, retriever, say, provider):
    say(json.dumps({"source": 2, "answer": "48  hours"}))
    result = Assistant(model, retriever, style="schema", k=3).answer("How long may goods wait in a locker?")
    assert (result.text, result.cited) == ("48 hours [2]", (result.hits[1],))
    (body,) = list_chats(provider)
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema == make_schema(3)
    assert schema["properties"]["source"]["enum"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "reply",
    ['{"source": 0, "answer": "x"}', '{"source": 1, "answer": "within', '{"source": 1, "answer": "  "}', "30 days"],
)
def test_by_schema_source_0_and_broken_replies_are_refusals(model, retriever, say, reply):
    say(reply)
    assert Assistant(model, retriever, style="schema").answer("days").refused_by == "model"


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


@pytest.mark.parametrize("options", [{"style": "long"}, {"least_share": 1.5}, {"least_share": -0.1}])
def test_an_impossible_assistant_is_refused(model, retriever, options):
    with pytest.raises(DataError):
        Assistant(model, retriever, **options)


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
    prompt = assemble_prompt("How long?", hits, Model("09_rag", settings=settings), max_tokens=16, context=190)
    assert 0 < len(prompt.hits) < 4
    assert sum(len(message["content"]) for message in prompt.messages) / 2 + 40 <= 190 - 16


def test_a_question_of_5000_words_is_a_clear_error(model, retriever, provider):
    question = "May I return it? " * 1250
    with pytest.raises(DataError, match=r"The question \(5000 words\) and one passage do not fit into 2000 tokens"):
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
    say("30 days")
    examples = [
        Example("a", "Within how many days may goods come back?", "30 days"),
        Example("b", "zyzzyva quux", NOT_FOUND),
    ]
    asked = evaluate(Assistant(model, retriever, k=4), examples, TokenF1(), name="asks always")
    careful = evaluate(Assistant(model, retriever, k=4, threshold=0.3), examples, TokenF1(), name="with a threshold")
    assert asked.scores.tolist() == [1.0, 0.0]
    assert careful.scores.tolist() == [1.0, 1.0]
    assert [row.num_calls for row in careful.rows] == [1, 0]
    assert careful.rows[0].trace[0]["cited"][0].startswith("returns#0-")
    assert careful.rows[1].trace[0]["refused_by"] == "threshold"
    assert compare(asked, careful).gained == ("b",)
