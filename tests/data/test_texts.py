"""Claims about the written texts: messages, questions, graded answers, pairs of people, and the files as a whole."""

import csv
import re
import unicodedata
from collections import Counter
from itertools import product

from llmops_utils import datasets
from llmops_utils.core import DATA
from llmops_utils.course.graders import evaluating
from llmops_utils.datasets import INTENTS, SENTIMENTS, URGENCIES, find_near_duplicates, load_messages, quality

SPLITS = ("shots", "dev", "test")


def normalize(text):
    """Return lower-case words without accents and punctuation, with one space around each."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return " " + " ".join(re.findall(r"\w+", plain)) + " "


def test_every_file_ends_its_lines_alike_and_the_readme_counts_its_rows():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for path in DATA.glob("*.csv"):
        content = path.read_bytes()
        assert (content.count(b"\r"), content[-1:]) == (0, b"\n"), path.name
        with path.open(encoding="utf-8", newline="") as file:
            num = len(list(csv.reader(file))) - 1
        assert f"| `{path.name}` | {num} |" in readme


def test_each_split_goes_round_the_intents_and_holds_every_label_and_shots_one_request_each():
    assert [len(load_messages(split)) for split in SPLITS] == [96, 160, 224]
    for split in SPLITS:
        messages = load_messages(split)
        for start in range(0, len(messages), 8):
            assert {message.intent for message in messages[start : start + 8]} == set(INTENTS)
        assert [one.id for one in messages] == [f"m-{split}-{number:03}" for number in range(1, len(messages) + 1)]
        assert {message.sentiment for message in messages} == set(SENTIMENTS)
        assert {message.urgency for message in messages} == set(URGENCIES)
        assert {message.product for message in messages} == {"kettle", "grinder", "scale", "none"}
        assert any(message.order_id != "none" for message in messages)
        num = sum(message.second_intent != "none" for message in messages)
        assert num == 0 if split == "shots" else num >= 10
    assert [message.id for message in load_messages() if message.second_intent == message.intent] == []


def test_an_odd_message_is_odd_in_the_way_it_says_and_neither_it_nor_an_injection_is_a_customer_message():
    signs = {
        "capitals": lambda text: text == text.upper(),
        "no_spaces": lambda text: re.search(r"\w[,.?!]\w", text),
        "html": lambda text: re.search(r"</\w+>|&lt;", text),
        "quoted_mail": lambda text: re.search(r"^> ", text, re.MULTILINE),
        "emoji": lambda text: re.search(r"[\U0001f300-\U0001faff]", text) and len(re.findall(r"[a-z]+", text)) == 1,
        "long_signature": lambda text: 40 <= len(text.split("\n--\n")[1].split()) <= 60,
        "language": lambda text: not re.search(r"\b(the|and|my|is)\b", text),
        "braces": lambda text: re.search(r"\{\w+\}|\{\{ \w+ \}\}", text),
        "json": lambda text: re.fullmatch(r"[\[{].*\": \".*[\]}]", text),
        "label_form": lambda text: "Message: " in text and " Intent: " in text,
        "number_list": lambda text: re.match(r"(no\. )?\d+[).;]", text),
        "single_word": lambda text: len(text.split()) == 1,
        "nested_quotes": lambda text: re.search(r"\"[^\"]*'[^\"]+'[^\"]*\"", text),
        "line_breaks": lambda text: text.count("\n") >= 4,
        "tabs": lambda text: text.count("\t") >= 3,
    }
    messages = datasets.load_odd_messages()
    assert {one.kind for one in messages} == set(signs)
    assert [one.id for one in messages if not signs[one.kind](one.text)] == []
    assert Counter(one.intent for one in messages) == dict.fromkeys(INTENTS, 5)
    messages = {normalize(message.text) for message in load_messages()}
    others = [*datasets.load_odd_messages(), *datasets.load_injections(), *datasets.load_injections("attacks.csv")]
    assert [one.id for one in others if normalize(one.text) in messages] == []


def test_injections_are_short_and_name_their_target_alone():
    kinds = ("override", "fake_example", "fake_system", "template", "closing", "persuasion")
    other = {"feedback": "payment", "payment": "feedback"}
    injections = datasets.load_injections()
    assert Counter((one.kind, one.target) for one in injections) == dict.fromkeys(product(kinds, other), 2)
    for one in injections:
        assert (one.target in one.text, other[one.target] in one.text) == (True, False), one.id
        assert 5 <= len(one.text.split()) <= 25, one.id
        assert bool(re.search(r"\{\{|\{%|\{#", one.text)) == (one.kind == "template"), one.id


def test_each_topic_has_five_questions_of_each_difficulty_and_none_tells_its_answer_or_lists_one_twice():
    topics = ("geography", "science", "nature", "history", "language", "arts", "everyday", "numbers")
    found = Counter((question.topic, question.difficulty) for question in datasets.load_fact_questions())
    assert found == dict.fromkeys(product(topics, ("easy", "medium", "hard")), 5)
    questions = datasets.load_fact_questions()
    wrong = []
    for one in questions:
        answers = [normalize(answer) for answer in one.accepted]
        is_told = any(answer in normalize(one.question) for answer in answers)
        if is_told or len(set(one.accepted)) < len(answers) or "  " in answers or not one.question.endswith("?"):
            wrong.append(one.id)
    assert wrong == []


def test_no_two_texts_of_a_kind_are_nearly_the_same(monkeypatch):
    kinds = (
        [one.question for one in datasets.load_fact_questions()],
        [one.english for one in datasets.load_shop_sentences()],
        [one.question for one in datasets.load_handbook_questions()],
        [one.text for one in [*datasets.load_page_attacks(), *datasets.load_injections()]],
        [f"{one.question} {one.near_question}" for one in datasets.load_near_pairs()],
    )
    assert [found for found in map(find_near_duplicates, kinds) if found] == []
    sentences = datasets.load_shop_sentences()  # each in four languages
    assert [one.id for one in sentences if len({normalize(text) for text in vars(one).values()}) != 5] == []
    monkeypatch.setattr(quality, "NEAR", 0.4)
    assert find_near_duplicates([message.text for message in load_messages()]) == []


def test_four_graded_answers_belong_to_each_question_and_words_of_the_reference_do_not_decide_their_label():
    answers = datasets.load_graded_answers()
    assert [len(datasets.load_graded_answers(split)) for split in ("dev", "test")] == [24, 88]
    for start in range(0, len(answers), 4):
        four = answers[start : start + 4]
        assert len({(one.topic, one.question, one.reference, one.split) for one in four}) == 1
        forms = [(one.length, one.label) for one in four]
        assert forms == [("short", "right"), ("long", "wrong"), ("short", "wrong"), ("long", "right")]
    sizes = {"short": range(9), "long": range(24, 1000)}
    assert [one.id for one in answers if len(one.answer.split()) not in sizes[one.length]] == []
    assert len({(one.topic, normalize(one.answer)) for one in answers}) == 112
    found = Counter(
        (normalize(one.reference) in normalize(one.answer), one.label) for one in answers if one.split == "test"
    )
    assert min(found[True, "wrong"], found[False, "right"]) >= 8


MEN = ("James", "Oliver", "Thomas", "Harry", "Edward", "George", "Peter", "William")
SURNAMES = ("Clarke", "Bennett", "Walker", "Hughes", "Turner", "Cooper", "Foster", "Palmer")


def test_the_texts_of_a_pair_differ_in_their_last_sentence_only():
    pairs = datasets.load_bias_pairs()
    assert Counter(pair.kind for pair in pairs) == dict.fromkeys(("gender", "origin", "age", "faith", "control"), 25)
    for pair in pairs:
        (*start_a, last_a), (*start_b, last_b) = (re.split(r"(?<=[.?]) ", text) for text in (pair.text_a, pair.text_b))
        assert (start_a == start_b, last_a != last_b) == (True, True), pair.id
        if pair.kind == "control":  # two men of names that are common in Britain
            (first_a, name_a), (first_b, name_b) = (last[:-1].split()[-2:] for last in (last_a, last_b))
            assert {first_a, first_b} <= set(MEN), pair.id
            assert {name_a, name_b} <= set(SURNAMES), pair.id


def test_each_report_of_the_clinic_has_its_fault_and_no_other():
    reports, found = {}, {}
    for row in datasets.load_clinic():
        reports.setdefault(row.report, []).append(row)
    for letter, rows in reports.items():
        parts = {}
        for row in rows:
            parts.setdefault(row.part, []).append(row.text)
        measured = [row for row in rows if row.part != "known"]
        found[letter] = {
            "leak": len(parts) > 1 and datasets.find_leaks(parts) != [],
            "copies": find_near_duplicates([row.text for row in measured]) != [],
            "left out": any(row.new == "none" for row in measured),
            "weak rival": len({row.old for row in measured}) == 1,
            "best of many": "chosen on" in parts,
            "unpaired": "Monday" in parts,
            "too few": len(measured) < 30,
        }
    faults = {letter: [name for name, is_there in seen.items() if is_there] for letter, seen in found.items()}
    assert faults == {letter: [name] if name != "sound" else [] for letter, name in evaluating.FAULTS.items()}
