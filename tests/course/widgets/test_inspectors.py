"""Claims about the inspectors of chains, traces and retrieval: step by step, judged, and friendly without a recording."""

import pytest
from widget_views import (
    ESCAPED,
    EVIL,
    GOLD,
    OWNER,
    PROBLEMS,
    CountingModel,
    answer_directly,
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
from llmops_utils.course.widgets.inspectors import OWN
from llmops_utils.evaluation import Answer

# --- chains --------------------------------------------------------------------------------------------------


@pytest.fixture
def chain():
    return make_chain()


def read_step(chain):
    """Return what the view says about one step, by name."""
    return dict(read_rows(chain.view.value))


def test_the_buttons_go_through_the_calls_of_a_way_and_stop_at_the_ends(chain):
    assert "<b>A shop has 2 boxes of 7 lids.</b> Expected: 14" in chain.view.value
    assert (read_step(chain)["step"], read_step(chain)["result"]) == ("1 of 1: answer", "right")
    assert [press(chain, name).disabled for name in ("Back", "Next step")] == [True, True]
    chain.way.value = "two prompts"
    assert read_step(chain)["step"] == "1 of 2: expression"
    assert read_step(chain)["result"] == "shown with the last step"
    for _ in range(2):
        assert press(chain, "Next step").disabled
        assert list(read_step(chain).values()) == [
            *("two prompts", "2 of 2: result", "2 * 7", "13 … (cut off)", "13", "31 + 2", "wrong")
        ]
    for _ in range(2):
        press(chain, "Back")
        assert read_step(chain)["step"] == "1 of 2: expression"
    press(chain, "Next step")
    chain.problem.value = "p-2"
    assert read_step(chain)["step"] == "1 of 2: expression"
    assert "9 cups cost" in chain.view.value


def test_a_problem_of_ones_own_is_solved_and_not_judged(chain):
    assert chain.own.layout.display == "none"
    chain.problem.value = ""
    assert (OWN, "") in chain.problem.options
    assert (chain.own.layout.display, chain.problem.layout.display) == (None, None)
    assert "Write a problem above and press Enter." in chain.view.value
    chain.own.value = "3 lids and 4 lids?"
    assert read_step(chain)["end of the prompt"] == "3 lids and 4 lids?"
    assert read_step(chain)["result"] == "not known"
    assert "Expected" not in chain.view.value


def test_a_way_that_was_not_recorded_says_so_and_the_others_are_shown():
    def miss(question):
        raise RecordingMissing("There is no recording.", "Run it live.")

    chain = make_chain(direct=answer_directly, other=miss)
    assert read_rows(chain.static_html)[1][:4] == ["other", "", "", UNRECORDED]
    chain.way.value = "other"
    assert UNRECORDED in chain.view.value
    chain.way.value = "direct"
    assert read_step(chain)["result"] == "right"


def test_long_replies_are_cut_in_the_static_view_alone_and_each_problem_is_asked_once():
    asked = []

    def answer(question):
        asked.append(question)
        return Answer(1, (make_reply(300 * "x"),), [{"step": EVIL, "prompt": EVIL, "answer": EVIL}])

    chain = make_chain(long=answer)
    assert chain.static_html.count("x" * 199) == 2
    assert "x" * 201 not in chain.static_html
    assert "x" * 300 in chain.view.value
    assert "<script" not in chain.static_html + chain.view.value
    for name in ("p-2", "p-1"):
        chain.problem.value = name
    assert asked == [problem.input for problem in PROBLEMS]


# --- traces --------------------------------------------------------------------------------------------------


def test_each_step_forward_shows_one_more_and_then_the_answer_with_its_verdict():
    inspector = make_inspector()
    shown = []
    for _ in range(4):
        view = inspector.view.value
        shown.append([text in view for text in ("PW-30287?", "It is an order.", "I add up.", "149.70", "✓ right")])
        press(inspector, "Forward")
    assert shown == [[True, num >= 1, num >= 2, num >= 3, num >= 3] for num in range(4)]
    assert "<b>Tools:</b> ✓ as expected" in inspector.view.value
    press(inspector, "Back")
    assert "step 2 of 2" in inspector.view.value
    assert "✓ right" not in inspector.view.value
    for name, expected in (("To the end", [False, False, True, True]), ("To the start", [True, True, False, False])):
        press(inspector, name)
        assert [button.disabled for button in inspector.children[1].children] == expected
    inspector.go_to(2)
    inspector.menu.value = 1
    assert "step 0 of 3" in inspector.view.value
    inspector.go_to(99)
    assert "✗ wrong, expected Nuvia 1.5 · <b>Tools:</b> ✗ expected find_order</div>" in inspector.view.value


# --- retrieval -----------------------------------------------------------------------------------------------


def search(retrieval, question):
    retrieval.field.value = question
    press(retrieval, "Search")


def test_an_own_question_is_searched_and_what_cannot_be_searched_is_told():
    model = CountingModel()
    retrieval = make_retrieval(model)
    assert retrieval.view.value.count("<pre style='word-break:normal;") == 3  # two passages and the prompt
    assert f"Lockers are yellow. <mark>{GOLD}</mark> After that" in retrieval.view.value
    search(retrieval, f"Is the owner {EVIL}?")
    assert f"<strong>Is the owner {ESCAPED}?</strong>" in retrieval.view.value
    assert "<strong>[1] people</strong>" in retrieval.view.value
    for question, fault, told in (
        ("   ", None, "nothing to look for"),
        ("Something new?", RecordingMissing("no such recording", "record it"), UNRECORDED),
        ("Something new?", ProviderError(EVIL, "Try again."), ESCAPED),
    ):
        model.fault = fault
        search(retrieval, question)
        assert told in retrieval.view.value
        assert "<script" not in retrieval.view.value
    model.fault = None
    retrieval.menu.value = OWNER
    assert f"<strong>{OWNER}</strong> (no gold passage is known)" in retrieval.view.value
    assert [sign for sign in ("<mark>", "◀") if sign in retrieval.view.value] == []


# --- tags ----------------------------------------------------------------------------------------------------


def test_a_tag_is_kept_with_its_trace_and_told_in_a_form_to_copy():
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
    tagger.menu.value = "q2"
    assert tagger.choice.value == "wrong"


def test_next_leads_to_what_has_no_tag_yet():
    tagger, seen = make_tagger(), []
    tagger.menu.value = "q2"
    for _ in range(4):
        tagger.choice.value = "fine"
        press(tagger, "Next")
        seen.append(tagger.menu.value)
    assert seen == ["q3", "q1", "q1", "q1"]
    assert len(tagger.tags) == 3
