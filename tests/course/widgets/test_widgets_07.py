"""Claims about the chain explorer: what it shows with and without a kernel, and that nothing is taken for markup."""

import pytest

from llmops_utils.core import DataError, RecordingMissing
from llmops_utils.course.widgets.chain_explorer import COLUMNS, OWN, ChainExplorer
from llmops_utils.datasets import Example
from llmops_utils.evaluation import Answer, NumberMatch
from llmops_utils.models import Provenance, Reply

EVIL = "<script>alert('x')</script> & \"more\""
PROBLEMS = [Example("p-1", "A shop has 2 boxes of 7 lids.", "14"), Example("p-2", "9 cups cost 13 euros each.", "117")]


def make_reply(text, finish_reason="stop"):
    return Reply(text, 31, 9, 0.5, 0.0, Provenance("small", "weights", "replay"), finish_reason)


def answer_directly(question):
    reply = make_reply('{"answer": 14}')
    return Answer(14, (reply,), [{"step": "answer", "prompt": question, "answer": 14}])


def answer_in_two(question):
    first, second = make_reply("2 * 7"), make_reply("13", "length")
    trace = [
        {"step": "expression", "prompt": question, "answer": "2 * 7"},
        {"step": "result", "prompt": "2 * 7", "answer": 13},
    ]
    return Answer(13, (first, second), trace)


def miss(question):
    raise RecordingMissing("There is no recording.", "Run it live.")


@pytest.fixture
def explorer():
    return ChainExplorer(PROBLEMS, {"direct": answer_directly, "two prompts": answer_in_two}, NumberMatch())


def test_the_static_view_has_a_table_per_problem_with_a_row_per_call(explorer):
    html = explorer.static_html
    assert html.count("<table>") == 2
    assert html.count("<tr>") == 2 * (1 + 1 + 2)
    assert all(f">{name}</th>" in html for name in COLUMNS)
    assert html.count(">right</td>") == 1
    assert html.count(">wrong</td>") == 3
    assert "31 + 9" in html


def test_the_summary_counts_what_is_right(explorer):
    assert explorer.summary == "Chain explorer: 2 problems, 2 ways (direct, two prompts); 1 of 4 answers are right."


def test_it_begins_with_the_first_problem_and_way(explorer):
    assert "A shop has 2 boxes" in explorer.text
    assert "1 of 1: answer" in explorer.text
    assert ">right</td>" in explorer.text
    assert explorer.back_button.disabled
    assert explorer.next_button.disabled


def test_the_buttons_go_through_the_calls_and_stop_at_the_ends(explorer):
    explorer.way.value = "two prompts"
    assert "1 of 2: expression" in explorer.text
    assert "shown with the last step" in explorer.text
    explorer.next_button.click()
    assert "2 of 2: result" in explorer.text
    assert ">wrong</td>" in explorer.text
    assert explorer.next_button.disabled
    explorer.next_button.click()
    assert "2 of 2: result" in explorer.text
    explorer.back_button.click()
    explorer.back_button.click()
    assert "1 of 2: expression" in explorer.text


def test_another_problem_begins_at_its_first_step(explorer):
    explorer.way.value = "two prompts"
    explorer.move(1)
    explorer.problem.value = "p-2"
    assert "9 cups cost" in explorer.text
    assert "1 of 2" in explorer.text


def test_a_reply_that_was_cut_off_says_so(explorer):
    explorer.way.value = "two prompts"
    explorer.move(1)
    assert "13 … (cut off)" in explorer.text


def test_a_problem_of_ones_own_is_solved_and_not_judged(explorer):
    assert explorer.own.layout.display == "none"
    assert explorer.problem.layout.display is None  # hiding the one must not hide the other
    explorer.problem.value = ""
    assert explorer.own.layout.display is None
    assert "Write a problem" in explorer.text
    explorer.own.value = "3 lids and 4 lids?"
    assert "3 lids and 4 lids?" in explorer.text
    assert "not known" in explorer.text
    assert "Expected" not in explorer.text
    assert (OWN, "") in explorer.problem.options


def test_what_was_not_recorded_is_said_in_a_friendly_line():
    explorer = ChainExplorer(PROBLEMS[:1], {"direct": answer_directly, "other": miss}, NumberMatch())
    assert "This was not recorded" in explorer.static_html
    explorer.way.value = "other"
    assert explorer.text.startswith("<p role='status'>This was not recorded")
    explorer.way.value = "direct"
    assert ">right</td>" in explorer.text


def test_markup_of_problems_replies_and_ways_is_escaped():
    def answer(question):
        return Answer(EVIL, (make_reply(EVIL),), [{"step": EVIL, "prompt": EVIL, "answer": EVIL}])

    explorer = ChainExplorer([Example("p", EVIL, EVIL)], {EVIL: answer}, lambda *_: NumberMatch()("1", "1"))
    assert "<script" not in explorer.static_html + explorer.text
    assert "&lt;script&gt;" in explorer.static_html


def test_long_texts_are_cut_in_the_static_view_and_whole_in_the_live_one():
    def answer(question):
        return Answer(1, (make_reply("x" * 300),), [{"step": "s", "prompt": "p", "answer": 1}])

    explorer = ChainExplorer(PROBLEMS[:1], {"long": answer}, NumberMatch(), max_chars=50)
    assert "x" * 50 not in explorer.static_html
    assert "x" * 300 in explorer.text


def test_each_combination_is_asked_once():
    asked = []

    def count(question):
        asked.append(question)
        return answer_directly(question)

    explorer = ChainExplorer(PROBLEMS, {"direct": count}, NumberMatch())
    explorer.problem.value = "p-2"
    explorer.problem.value = "p-1"
    assert len(asked) == 2


@pytest.mark.parametrize(("examples", "ways"), [([], {"direct": answer_directly}), (PROBLEMS, {})])
def test_nothing_to_explore_is_an_error(examples, ways):
    with pytest.raises(DataError):
        ChainExplorer(examples, ways, NumberMatch())


def test_a_way_without_a_trace_is_told_in_the_table():
    def answer(question):
        return Answer(14, (make_reply("14"),))

    assert "not one dict of its trace per reply" in ChainExplorer(PROBLEMS, {"bare": answer}, NumberMatch()).static_html


def test_the_explorer_has_the_style_of_notebook_text(explorer):
    assert explorer.text.startswith('<div class="jp-RenderedHTMLCommon">')
