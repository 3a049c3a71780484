"""Claims about the questions to the handbook: passages and answers stand on the pages named; attacks on pages."""

import itertools
import re
from collections import Counter

import numpy as np

from llmops_utils.core import DATA
from llmops_utils.datasets import load_assistant_traces, load_handbook_questions, load_page_attacks
from llmops_utils.rag import LexicalIndex, load_pages, split_pages

KIND_NUMBERS = {"plain": 15, "paraphrase": 15, "code": 12, "two pages": 7, "outdated": 3, "unanswerable": 14}
# Answers of "two pages" that stand on no page: 4 working days and 2 more; 22 clicks of 0.03 mm.
COMPUTED = {"6", "0.66 mm"}
STOPWORD = re.compile(
    "a|after|an|and|are|at|be|before|by|can|do|does|for|from|has|have|how|i|if|in|is|it|long|many|may|me|my|no|not|of|on"
    "|or|our|should|so|that|the|there|this|to|up|was|we|what|when|which|with|you|your"
)
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in (DATA / "handbook").glob("*.md")}
OUTDATED = {"policies-price-list-2024", "policies-returns"}
QUESTIONS = load_handbook_questions()
ANSWERABLE = [question for question in QUESTIONS if question.kind != "unanswerable"]


def fold(text):
    return " ".join(text.split())


def normalize(text):
    return " " + " ".join(re.findall(r"\w+", text.casefold())) + " "


def get_words(text):
    """Return the words that carry the content, without endings such as -s and -ed."""
    words = {word for word in normalize(text).split() if not STOPWORD.fullmatch(word)}
    return {re.sub(r"(?<=\w{3})(s|ing|ed)$", "", word) for word in words}


def measure_overlap(question):
    """Return which share of the content words of a question its passages hold, 0 to 1."""
    words = get_words(question.question)
    return len(words & get_words(" ".join(question.passages))) / len(words)


def test_both_splits_have_the_same_mix_of_kinds_which_pages_and_answers_fit_and_every_current_page_answers_one():
    assert [question.id for question in QUESTIONS] == [f"q{number:03}" for number in range(1, 199)]
    for split, times in (("dev", 1), ("test", 2)):
        kinds = [question.kind for question in load_handbook_questions(split)]
        assert Counter(kinds) == {kind: times * num for kind, num in KIND_NUMBERS.items()}
        for num in (22, 44, 66):
            found = Counter(kinds[:num])
            assert all(abs(found[kind] - share * num / 66) <= 1 for kind, share in KIND_NUMBERS.items())
    sizes = {"unanswerable": (0,), "two pages": (2,)}
    for one in QUESTIONS:
        assert len(one.pages) in sizes.get(one.kind, (1, 2, 3)), one.id
        assert len(one.passages) == len(set(one.pages)), one.id
        assert bool(one.answer) == bool(one.pages), one.id
        assert len(one.answer.split()) <= 6, one.id
    named = {page for question in QUESTIONS for page in question.pages}
    assert {page for page, text in PAGES.items() if "\nstatus: outdated\n" in text} == set(PAGES) - named == OUTDATED


def test_every_passage_stands_once_on_its_page_alone_and_every_answer_in_a_passage_or_is_computed():
    pages = {page: fold(text) for page, text in PAGES.items()}
    for one in ANSWERABLE:
        for page, passage in zip(one.pages, one.passages, strict=True):
            assert {name: text.count(passage) for name, text in pages.items() if passage in text} == {page: 1}, one.id
    missing = set()
    for one in ANSWERABLE:
        if not any(normalize(one.answer) in normalize(passage) for passage in one.passages):
            missing.add(one.answer)
        assert normalize(one.answer) not in normalize(one.question), one.id
        if one.kind != "two pages" and len(one.pages) > 1:  # each of them answers alone
            number = re.search(r"\d+", one.answer).group()
            assert all(number in re.findall(r"\d+", passage) for passage in one.passages), one.id
    assert missing == COMPUTED


def test_what_an_unanswerable_question_asks_for_stands_on_no_page():
    absent = [
        *("IBAN", "wheelchair", "dogs", "park my car", "app store", "radio frequency", "23 June", "25 April"),
        *("21 July", "K7", "G8", "WS-7", "RC-05", "founded", "manufactured", "subscribed", "tap water at"),
        "months does the warranty",
    ]
    for term in absent:
        assert [q.kind for q in QUESTIONS if normalize(term) in normalize(q.question)] == ["unanswerable"], term
        assert [page for page, text in PAGES.items() if normalize(term) in normalize(text)] == [], term


def test_paraphrases_share_hardly_any_word_with_their_passage_and_plain_questions_half():
    overlaps = {kind: [measure_overlap(one) for one in ANSWERABLE if one.kind == kind] for kind in KIND_NUMBERS}
    assert max(overlaps["paraphrase"]) <= 0.3
    assert np.mean(overlaps["paraphrase"]) <= 0.1
    assert np.mean(overlaps["plain"]) >= 0.4
    assert measure_overlap(QUESTIONS[0]) == 0.25  # pack and too, of 8 words


def test_an_outdated_page_stands_against_each_outdated_question():
    # The figure or rule of the outdated page that a careless search would answer with.
    old = {
        **{"24": "18 characters", "250 EUR": "150 EUR", "14 days": "7 days", "free": "3.00 EUR", "2 EUR": "1.50 EUR"},
        **{"the price on the tag": "the higher one", "21 days": "5 days", "200 EUR": "100 EUR"},
        **{"Tuesday and Friday": "Thursday"},
    }
    assert sorted(one.answer for one in QUESTIONS if one.kind == "outdated") == sorted(old)
    outdated = fold(PAGES["policies-price-list-2024"] + PAGES["policies-returns"])
    assert [value for value in old.values() if value not in outdated] == []


def test_each_kind_of_page_attack_has_questions_of_its_own_in_both_splits_and_each_attack_a_marker():
    splits = {question.id: question.split for question in ANSWERABLE}
    attacks = load_page_attacks()
    assert len({attack.question_id for attack in attacks}) == len(attacks) == 24
    found = Counter((attack.kind, splits[attack.question_id]) for attack in attacks)
    kinds = {attack.kind for attack in attacks}
    assert found == {(kind, split): num for kind in kinds for split, num in (("dev", 1), ("test", 2))}
    assert len(kinds) == 8
    texts = [*PAGES.values(), *(f"{q.question} {q.answer}" for q in QUESTIONS)]
    assert [one.id for one in attacks if one.marker not in one.text] == []
    assert [a.id for a in attacks if any(a.marker.casefold() in text.casefold() for text in texts)] == []
    assert [(one.id, two.id) for one, two in itertools.permutations(attacks, 2) if one.marker in two.text] == []
    hosts = [host for one in attacks for host in re.findall(r"(?:://|@)([\w.-]+[a-z])", one.text)]
    assert [host for host in hosts if not host.endswith(".example.com")] == []


def test_the_traces_hold_the_first_questions_of_dev_and_the_passage_that_the_search_finds_for_each():
    traces, questions = load_assistant_traces(), load_handbook_questions("dev")
    index = LexicalIndex(split_pages(load_pages(DATA / "handbook")))
    found = [index.find_matching(one.question, 1)[0][0] for one in questions[: len(traces)]]
    for trace, one, chunk in zip(traces, questions, found, strict=False):
        place = " > ".join(filter(None, [chunk.page.title, chunk.heading]))
        wanted = (one.id, one.question, one.answer, place, chunk.text)
        assert (trace.id, trace.question, trace.reference, trace.place, trace.passage) == wanted
    assert len(traces) == 30
    assert [one.id for one in traces if one.label == "not found" and not one.reference] == []
    refuses = {"refused", "not found"}
    assert [one.id for one in traces if one.label in refuses and "not in the text" not in one.answer] == []
