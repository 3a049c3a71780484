"""Claims about the texts that a model may be trained on: their form, and that none of them meets a test."""

import csv
import re
from collections import Counter

from llmops_utils import datasets
from llmops_utils.core import DATA
from llmops_utils.datasets import INTENTS, SENTIMENTS, URGENCIES, find_leaks, find_near_duplicates

FOLDER = DATA / "training"
LABELS = "right", "wrong"


def read(name):
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_messages_go_round_the_intents_with_known_labels_and_their_order_in_the_text():
    rows = read("messages")
    assert len(rows) >= 800
    assert [row["intent"] for row in rows] == [INTENTS[number % 8] for number in range(len(rows))]
    assert {row["sentiment"] for row in rows} == set(SENTIMENTS)
    assert {row["urgency"] for row in rows} == set(URGENCIES)
    assert [row["id"] for row in rows if row["order_id"] != "none" and row["order_id"] not in row["text"]] == []
    assert len({row["id"] for row in rows}) == len(rows)


def test_replies_are_short_signed_spread_over_the_intents_and_name_only_orders_of_their_message():
    messages = {row["id"]: row for row in read("messages")}
    rows = read("replies")
    answered = [row["message"] for row in rows]
    assert len(set(answered)) == len({row["id"] for row in rows}) == len(rows) == 240
    intents = [messages[one]["intent"] for one in answered]
    assert {intent: intents.count(intent) for intent in INTENTS} == dict.fromkeys(INTENTS, 30)
    assert [row["id"] for row in rows if not 15 <= len(row["reply"].split()) <= 45] == []
    closing = re.compile(r" Kind regards, [A-Z][a-z]+, [a-z ]+, TH(\d{3})")
    bodies = [closing.split(row["reply"]) for row in rows]
    assert [row["id"] for row, body in zip(rows, bodies, strict=True) if body[1:] != [row["message"][1:], ""]] == []
    assert find_near_duplicates([body[0] for body in bodies]) == []
    for row in rows:
        named, known = (re.findall(r"PW-\d{5}", text) for text in (row["reply"], messages[row["message"]]["text"]))
        assert set(named) <= set(known), row["id"]
    avoided = re.compile(r"!|unfortunately|as already mentioned|policy|you should have|\b(?<!\.)\d+ EUR", re.I)
    assert [row["id"] for row in rows if avoided.search(row["reply"])] == []


def test_judged_answers_come_in_fours_and_no_right_one_shares_its_claim_with_a_wrong_one():
    rows = read("judged_answers")
    assert len(rows) >= 1000
    kinds = Counter((row["label"], row["length"]) for row in rows)
    assert sorted(kinds.values()) == [len({row["topic"] for row in rows})] * 4
    assert [row["id"] for row in rows if not 1 <= len(row["claim"].split()) <= 8] == []
    claims = {label: {(row["topic"], row["claim"]) for row in rows if row["label"] == label} for label in LABELS}
    assert claims["right"] & claims["wrong"] == set()
    assert [row["id"] for row in rows if row["claim"] == row["reference"] and row["label"] == "wrong"] == []


def test_no_training_text_is_nearly_one_of_dev_or_test():
    known = {"dev and test": [one.text for one in datasets.load_messages() if one.split != "shots"]}
    messages = [row["text"] for row in read("messages")]
    assert find_leaks(known | {"training": messages}) == []
    assert find_near_duplicates(messages) == []
    for field in ("question", "answer"):
        graded = sorted({getattr(one, field) for one in datasets.load_graded_answers()})
        judged = sorted({row[field] for row in read("judged_answers")})
        assert find_leaks({"graded": graded, "training": judged}) == []


def test_answers_stand_in_their_passage_or_there_is_none_and_no_passage_or_question_is_one_of_the_handbooks():
    passages = {row["id"]: row for row in read("passages")}
    rows = read("reading")
    assert len(rows) >= 1500
    assert [row["id"] for row in rows if row["answer"] not in passages[row["passage"]]["text"]] == []
    assert 0.4 < sum(not row["answer"] for row in rows) / len(rows) < 0.5
    others = sum(row["source"] == "other" for row in passages.values())
    assert 0.4 < others / len(passages) < 0.6

    def fold(text):
        return " ".join(text.split())

    gold = {fold(passage) for one in datasets.load_handbook_questions() for passage in one.passages}
    texts = [fold(row["text"]) for row in read("passages")]
    assert [text[:60] for text in texts if any(passage in text for passage in gold)] == []
    asked = [one.question for one in datasets.load_handbook_questions()]
    assert find_leaks({"handbook": asked, "training": [row["question"] for row in read("reading")]}) == []
