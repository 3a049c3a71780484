"""Claims about the wordings to train arithmetic, dates and tools on: none of them meets a question that measures."""

import re
import string

import pytest

from llmops_utils import datasets
from llmops_utils.datasets import Note, find_leaks, find_near_duplicates, load_records

SAMPLES = {"name": "Ana", "city": "Graz", "item": "kettle", "items": "kettles", "part": "filter", "parts": "filters"}
SAMPLES |= {"start": "4 May 2026", "end": "9 June 2026", "month": "May 2026", "weekday": "Monday"}
SAMPLES |= {"id": "PW-12345", "id2": "PW-67890"}
PLACES = r"\b(Austria|Belgium|Germany|Portugal|Lyon|Graz|Turin|Ghent|Porto|Basel|Leeds|Bergen|zone \d)\b"
DATES = r"\b(\d{4}-\d\d-\d\d|(\w{3} )?\d+ [A-Z]\w+ \d{4}|[A-Z]\w+ \d+, \d{4}|\d\d\.\d\d\.\d{4}|[A-Z][a-z]+day|[A-Z]\w+ \d{4})\b"
KNOWN_NAMES = ("Tom", "Paul", "Sara", "Max", "Lena", "Lucas", "Maria", "Peter", "Laura", "Jack")


@pytest.fixture(scope="module")
def wordings(generator):
    """Return all wordings of each sort, filled in."""
    return {
        kind: [fill(wording) for one in generator.load_templates(kind) for wording in one["wordings"]]
        for kind in ("word", "date", "agent")
    }


def fill(wording):
    wording = re.sub(r"[\[\]]", "", wording)  # marks of what is looked for
    fields = {name for _, name, _, _ in string.Formatter().parse(wording) if name}
    return wording.format(**{name: SAMPLES.get(name, "5") for name in fields})


def load_known():
    """Return the questions that measure, with those shown in prompts."""
    loaders = (
        *(datasets.load_word_problems, datasets.load_date_questions, datasets.load_tasks),
        *(datasets.load_task_chains, datasets.load_handbook_questions),
    )
    return [record.question for load in loaders for record in load()]


def strip_text(text, generator):
    """Return a question with placeholders for dates, places, orders, numbers, names and things."""
    for pattern, mark in ((DATES, "<date>"), (PLACES, "<place>"), (r"PW-\d+", "<order>"), (r"\d+(\.\d+)?", "<number>")):
        text = re.sub(pattern, mark, text)
    things = sorted({*generator.COUNTED, *generator.DEVICES, *generator.PARTS}, key=len, reverse=True)
    text = re.sub(rf"\b({'|'.join([*generator.NAMES, *KNOWN_NAMES])})\b", "<name>", text)
    return re.sub(rf"\b({'|'.join(things)})s?\b", "<thing>", text).casefold()


def test_there_are_enough_scenarios_with_wordings_of_their_own_whose_marks_are_searched_for(generator, wordings):
    words, dates, agent = (generator.load_templates(kind) for kind in ("word", "date", "agent"))
    assert min(sum(one["level"] == level for one in words) for level in (1, 2, 3, 4)) >= 10
    assert (len(words) >= 40, len(dates) >= 20, len(agent) >= 30) == (True, True, True)
    assert [one["wordings"][0] for one in [*words, *dates] if len(one["wordings"]) < 3] == []
    for kind in ("date", "agent"):
        doubled = {text for text in wordings[kind] if wordings[kind].count(text) > 1}
        assert len(doubled) <= (10 if kind == "agent" else 0)  # what an order's status decides is asked alike
    agent = generator.load_templates("agent")
    marked = [one for one in agent if "{key" in "".join(one["calls"])]
    assert [text for one in marked for text in one["wordings"] if not re.search(r"\[.+\]", text)] == []
    searches = [call.split(" > ")[1] for one in agent for call in one["calls"] if "search_notes" in call]
    assert [call for call in searches if "{key" not in call and "sales region {country}" not in call] == []


def test_scenarios_cover_the_formulas_and_operations_that_are_measured(generator):
    def strip_formula(text):
        return re.sub(r"[A-Za-z_]+|\d+\.\d+|(?<!\d)(?!100\b)\d+", "n", text)

    trained = {strip_formula(one["formula"]) for one in generator.load_templates("word")}
    measured = {strip_formula(one.symbols) for one in datasets.load_word_problems()}
    assert measured - trained == set()
    kinds = {one["kind"] for one in generator.load_templates("date")}
    assert kinds == set(generator.SOLVERS)


def test_no_wording_is_nearly_a_known_question_or_its_template(generator, wordings):
    known = {strip_text(question, generator): question for question in load_known()}  # one of each template
    assert len(known) > 500
    new = [text for texts in wordings.values() for text in texts]
    assert [text for text in new if strip_text(text, generator) in known] == []
    assert find_leaks({"known": [*known.values()], "training": new}) == []


def test_training_notes_are_short_and_share_none_with_the_handbook_in_short():
    notes = load_records(Note, "training/notes.csv")
    assert len(notes) >= 60
    assert [note.id for note in notes if not 15 <= len(note.text.split()) <= 45] == []
    assert find_near_duplicates([note.text for note in notes]) == []
    assert find_leaks({"known": [note.text for note in datasets.load_notes()], "new": [n.text for n in notes]}) == []
    assert {note.title for note in notes} & {note.title for note in datasets.load_notes()} == set()
