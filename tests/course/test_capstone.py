"""Claims about the capstone: fresh messages, an assistant that can be repeated, and a watch that notices a change."""

import csv
import runpy

from capstone_evidence import CANDIDATE, PLAIN, STALE, guess, know, make_report
from scipy.stats import binom

from llmops_utils.core import DATA, ROOT
from llmops_utils.course.capstone import (
    REFUSAL,
    Assistant,
    Choices,
    Watch,
    list_messages,
    list_steps,
    load_part,
    run_watch,
    score_answer,
)
from llmops_utils.course.graders.releasing import HELD_BACK, THRESHOLD
from llmops_utils.datasets import find_leaks
from llmops_utils.rag import load_pages

PAGES = {page.name: page for page in load_pages(DATA / "handbook")}
BOTH = [*list_messages("dev"), *list_messages("held")]
COLUMNS = {"question", "near_question", "text", "text_a", "text_b"}  # of files with texts of customers


def say(text):
    """Return a text as it is compared: white space folded, 18.00 as 18."""
    return " ".join(text.split()).replace(".00 ", " ")


# --- the messages --------------------------------------------------------------------------------------------


def test_at_least_150_messages_share_no_text_with_any_other_split_not_even_nearly():
    splits = {split: [one.text for one in list_messages(split)] for split in ("dev", "held")}
    assert sum(map(len, splits.values())) >= 150
    others = {}
    for path in {*DATA.rglob("*.csv")} - {DATA / "capstone_messages.csv"}:
        with path.open(encoding="utf-8", newline="") as file:
            texts = {text for row in csv.DictReader(file) for name, text in row.items() if name in COLUMNS}
        others |= {str(path): sorted(texts)} if texts else {}
    assert len(others) > 20
    own = splits["dev"] + splits["held"]
    pairs = [splits, *({"own": own, name: texts} for name, texts in others.items())]
    assert [leak for pair in pairs for leak in find_leaks(pair)] == []


def test_both_halves_hold_the_same_kinds_and_each_answer_stands_on_its_pages():
    kinds = [sorted(one.kind for one in list_messages(part)) for part in ("dev", "held")]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) == 80
    wrong = [
        (one.id, page)
        for one in BOTH
        for page in one.pages
        if PAGES[page].metadata["status"] != "current" or say(one.answer) not in say(PAGES[page].text)
    ]
    assert wrong == []
    assert all(bool(one.answer) == bool(one.pages) == (one.kind != "unanswerable") for one in BOTH)


def test_no_page_answers_what_is_called_unanswerable_by_its_code():
    """A code that stands nowhere cannot be looked up; the others were read against the handbook by hand."""
    everything = " ".join(page.text for page in PAGES.values())
    codes = ("KR-15", "SR-31", "RC-12", "VC-9", "L-8", "P-77", "K9", "Err12", "stage 85", "A-599", "Vela", "Corda 0.8")
    asked = " ".join(one.text for one in BOTH if one.kind == "unanswerable")
    assert [code for code in codes if f" {code}" in everything or code not in asked] == []


def test_personal_data_is_gone_from_what_is_loaded_and_parts_follow_from_dev_and_held_is_cut_on_demand(monkeypatch):
    loaded = {one.id: one.input for part in ("dev", "held") for one in load_part(part)}
    assert [one.id for one in BOTH if any(data in loaded[one.id] for data in one.private)] == []
    assert [one.id for one in BOTH if (loaded[one.id] != one.text) != bool(one.private)] == []
    assert sum(len(one.private) for one in BOTH) >= 30
    everything = "".join(loaded.values())
    assert [mark for mark in ("[email]", "[phone]", "[iban]", "[card]") if mark not in everything] == []
    dev = list_messages("dev")
    assert list_messages("changed") == dev[:40]
    assert (
        list_messages("stale")
        == list_messages("mended")
        == tuple(one for one in dev if one.kind == "plain" and one.pages[0].startswith("policies-"))
    )
    monkeypatch.setenv("LLMOPS_EXAMPLES", "8")
    assert [len(load_part(part)) for part in ("dev", "held", "stale")] == [80, 8, len(list_messages("stale"))]


# --- the assistant -------------------------------------------------------------------------------------------


def test_an_answer_is_short_and_holds_the_words_and_a_refusal_is_right_only_where_nothing_is_known():
    right = [("30 days", "30 days"), ("within 30 days.", "30 days"), ("18 EUR", "18.00 EUR"), (REFUSAL, REFUSAL)]
    wrong = [("3 days", "30 days"), (REFUSAL, "30 days"), ("30 days", REFUSAL), (None, "30 days")]
    wrong.append((f"{'many words ' * 6}30 days", "30 days"))
    assert [pair for pair in right if score_answer(*pair).value != 1] == []
    assert [pair for pair in wrong if score_answer(*pair).value != 0] == []


def test_each_rule_refuses_what_it_says_and_the_page_is_the_one_whose_words_were_used():
    def decide(refuses, reply):
        assistant = Assistant(None, Choices(refuses=refuses, is_current=True))
        chunks = assistant.find("For how many days after delivery may I send goods back?")
        return assistant.decide(reply, chunks)

    assert decide("never", " 30 days ") == ("30 days", "policies-return-window")
    assert decide("never", "not in the text") == ("not in the text", "")
    assert decide("word", "Not in the text.") == (REFUSAL, "")
    assert decide("word", "a whole year") == ("a whole year", "")
    assert decide("check", "a whole year") == (REFUSAL, "")
    assert decide("check", "") == (REFUSAL, "")


def test_retrieval_follows_the_choices():
    question, old = "What do a spare lid, a hopper or a battery cover cost each?", "policies-price-list-2024"

    def find(question=question, **choices):
        return [one.page.name for one in Assistant(None, Choices(**choices)).find(question)]

    assert find() == [old] != find(is_current=True)
    assert old not in find(num_passages=5, is_current=True) + find(num_passages=5, without=(old,))
    assert find(words={"spare lid": "hardness strips A-575 tube violet bars"}) != find()
    whole, cut = (Assistant(None, Choices(num_sentences=num)) for num in (0, 1))
    [chunk] = whole.find(question)
    assert len(cut.show(question, chunk)) < len(whole.show(question, chunk))
    assert whole.show(question, chunk).splitlines()[0] == cut.show(question, chunk).splitlines()[0]


def test_the_stale_page_is_read_by_some_messages_of_its_part_in_a_version_that_says_something_else():
    usual, stale = (Assistant(None, CANDIDATE, is_stale) for is_stale in (False, True))
    changed = [one for one in load_part("stale") if usual.find(one.input) != stale.find(one.input)]
    read = [chunk for one in changed for chunk in stale.find(one.input) if chunk.page.name == STALE]
    assert len(changed) >= 2
    assert any("Thursday" in chunk.text for chunk in read)
    mended = Assistant(None, CANDIDATE.model_copy(update={"without": (STALE,)}), True)
    assert STALE not in {chunk.page.name for one in load_part("stale") for chunk in mended.find(one.input)}


def test_the_same_choices_are_equal_whatever_a_prompt_is_called_by_its_file():
    assert Choices(prompt=PLAIN.prompt.replace(description="x", revision=7)) == PLAIN
    assert Choices.model_validate_json(CANDIDATE.model_dump_json()) == CANDIDATE
    changed = [field for _, one in list_steps(PLAIN) for field in ("model", "without") if getattr(one, field)]
    assert changed == ["model", "without"]


def test_a_wrong_assistant_does_not_pass_the_exercise_by_luck():
    """Who always refuses gets 9 of 24; who also guesses as well as the base finds, 5 of 60, passes in 4 % of cases."""
    messages = list_messages("dev")[HELD_BACK]
    num_refusable = sum(not one.pages for one in messages)
    assert num_refusable == 9
    assert binom.sf(THRESHOLD - num_refusable - 1, len(messages) - num_refusable, 5 / 60) < 0.04


# --- the watch -----------------------------------------------------------------------------------------------


def test_another_model_raises_an_alarm_soon_and_no_change_none():
    usual, changed = make_report("a", "dev", CANDIDATE, know), make_report("b", "changed", CANDIDATE, guess)
    sighting = run_watch(usual, changed, Watch())
    assert sighting.delay == 100
    assert {"drift of the answers", "refusals"} & set(sighting.measures)
    assert sighting.quiet.num >= 98
    assert run_watch(usual, changed, Watch()) == sighting
    same = make_report("b", "changed", CANDIDATE, know)
    assert run_watch(usual, same, Watch()).delay is None
    assert run_watch(usual, changed, Watch(quantile=0.9, in_a_row=1)).quiet.value < 0.9


# --- what the course stores ----------------------------------------------------------------------------------


def test_the_stored_points_are_those_that_the_recordings_give():
    tabulate = runpy.run_path(str(ROOT / "benchmarks" / "capstone.py"))["tabulate_attempts"]
    assert tabulate() == (DATA / "capstone_attempts.csv").read_text(encoding="utf-8")


def test_weak_attempts_get_at_most_half_and_the_solution_more_than_the_first_attempt():
    with (DATA / "capstone_attempts.csv").open(encoding="utf-8", newline="") as file:
        points = {row["attempt"]: int(row["points"]) for row in csv.DictReader(file)}
    assert max(points[name] for name in ("constant", "plain", "copied")) <= 50
    assert points["solution"] >= points["first attempt"] + 20
    assert points["solution"] >= 90
