"""Claims about the inspectors of chains, traces, retrieval and texts to tag: step by step, and judged."""

import pytest
from widget_views import (
    ESCAPED,
    EVIL,
    GOLD,
    LOCKER,
    OWNER,
    CountingModel,
    make_chain,
    make_inspector,
    make_reply,
    make_retrieval,
    make_tagger,
    press,
    read_rows,
)

from llmops_utils.core import ProviderError, RecordingMissing
from llmops_utils.course.widgets.base import UNRECORDED
from llmops_utils.evaluation import Answer


def read_step(chain):
    """Return what the view says about one call, by name."""
    return dict(read_rows(chain.view.value))


def test_a_chain_is_read_call_by_call_from_the_first_one_and_its_result_stands_with_the_last():
    chain = make_chain()
    rows = read_rows(chain.static_html)
    results = [(row[0], row[1], row[-1]) for row in rows[:3]]
    expected = [("direct", "answer", "right"), ("two prompts", "expression", ""), ("two prompts", "result", "wrong")]
    assert results == expected
    assert chain.summary == "Chain explorer: 2 problems, 2 ways (direct, two prompts); 1 of 4 answers are right."
    assert "<b>A shop has 2 boxes of 7 lids.</b> Expected: 14" in chain.view.value
    assert (read_step(chain)["step"], read_step(chain)["result"]) == ("1 of 1: answer", "right")
    chain.way.value = "two prompts"
    assert read_step(chain)["step"] == "1 of 2: expression"
    assert read_step(chain)["result"] == "shown with the last step"
    chain.call.value = 9  # it ends where the chain ends
    last = ["two prompts", "2 of 2: result", "2 * 7", "13 … (cut off)", "13", "31 + 2", "wrong"]
    assert list(read_step(chain).values()) == last
    chain.problem.value = 1
    assert read_step(chain)["step"] == "1 of 2: expression"
    assert "9 cups cost" in chain.view.value


def test_long_replies_are_cut_in_the_static_view_and_whole_in_the_live_one():
    answer = Answer(1, (make_reply(300 * "x"),), [{"step": EVIL, "prompt": EVIL, "answer": EVIL}])
    chain = make_chain(long=lambda question: answer)
    assert chain.static_html.count("x" * 199) == 2
    assert "x" * 201 not in chain.static_html
    assert "x" * 300 in chain.view.value
    assert "<script" not in chain.static_html + chain.view.value


def test_each_step_of_a_trace_shows_one_more_and_then_the_answer_with_its_verdict():
    inspector, shown = make_inspector(), []
    for step in range(4):
        inspector.step.value = step
        view = inspector.view.value
        shown.append([text in view for text in ("PW-30287?", "It is an order.", "I add up.", "149.70", "✓ right")])
    assert shown == [[True, num >= 1, num >= 2, num >= 3, num >= 3] for num in range(4)]
    assert "<b>Tools:</b> ✓ as expected" in inspector.view.value
    inspector.step.value = 2
    inspector.menu.value = 1
    assert "step 0 of 3" in inspector.view.value
    inspector.step.value = 99
    assert "✗ wrong, expected Nuvia 1.5 · <b>Tools:</b> ✗ expected find_order</div>" in inspector.view.value
    assert [title[:4] for title, _ in inspector.menu.options] == ["1. ✓", "2. ✗"]
    assert inspector.summary == "Trace inspector: 2 questions, 1 answers right, 1 with the expected tools."


@pytest.fixture
def model():
    return CountingModel()


@pytest.fixture
def retrieval(model):
    return make_retrieval(model)


def test_ranks_and_prompt_are_shown_and_the_gold_passage_is_marked_and_nothing_else(retrieval):
    shown = retrieval.view.value
    # a search that finds fewer leaves its places empty
    found = [2 * ["lockers (1.000) ◀"], 2 * ["people (0.500)"], 2 * [""]]
    assert [row[1:] for row in read_rows(shown)[:3]] == found
    prompt = shown.partition("<details>")[2]
    assert [text for text in (GOLD, "The owner says", LOCKER) if text not in prompt] == []
    num_words = len(prompt.partition("user: ")[2].partition("</pre>")[0].split())
    assert f"The assembled prompt: {num_words} tokens" in prompt
    assert shown.count("<pre style='word-break:normal;") == 3  # two passages and the prompt
    assert f"Lockers are yellow. <mark>{GOLD}</mark> After that" in shown
    assert shown.count("<mark>") == 1
    retrieval.menu.value = OWNER
    assert f"<strong>{OWNER}</strong> (no gold passage is known)" in retrieval.view.value
    assert [sign for sign in ("<mark>", "◀") if sign in retrieval.view.value] == []


def test_an_own_question_goes_before_the_menu_and_what_cannot_be_asked_is_told(retrieval, model):
    retrieval.own.value = f"Is the owner {EVIL}?"
    assert f"<strong>Is the owner {ESCAPED}?</strong>" in retrieval.view.value
    assert "<strong>[1] people</strong>" in retrieval.view.value
    missing, failing = RecordingMissing("no such recording", "record it"), ProviderError(EVIL, "Try again.")
    for question, fault, told in (
        ("new", missing, UNRECORDED),
        ("other", failing, f"{ESCAPED}\nWhat to do: Try again."),
    ):
        model.fault = fault
        retrieval.own.value = question
        assert told in retrieval.view.value
        assert "<script" not in retrieval.view.value
    model.fault = None
    retrieval.own.value = ""
    assert LOCKER in retrieval.view.value


def test_a_tag_is_kept_with_its_trace_and_told_in_a_form_to_copy_and_next_leads_to_what_has_none():
    tagger = make_tagger()
    assert (tagger.tags, tagger.choice.value) == ({}, None)
    assert "0 of 3 have a tag." in tagger.told.value
    tagger.menu.value = "q2"
    assert read_rows(tagger.view.value)[-1] == ["answer", "2 euros"]
    tagger.choice.value = "wrong"
    tagger.menu.value = "q1"
    assert tagger.choice.value is None
    tagger.choice.value = "wrong"
    tagger.choice.value = "fine"
    assert list(tagger.tags.items()) == [("q1", "fine"), ("q2", "wrong")]
    assert "2 of 3 have a tag." in tagger.told.value
    assert "{&#x27;q1&#x27;: &#x27;fine&#x27;, &#x27;q2&#x27;: &#x27;wrong&#x27;}" in tagger.told.value
    tagger, seen = make_tagger(), []
    tagger.menu.value = "q2"
    for _ in range(4):
        tagger.choice.value = "fine"
        press(tagger, "Next")
        seen.append(tagger.menu.value)
    assert (seen, len(tagger.tags)) == (["q3", "q1", "q1", "q1"], 3)
