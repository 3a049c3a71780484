"""Graders of chapter 09: a new version of a page, rights, split codes, gold questions, a screen, unsupported numbers."""

import itertools
import re
from contextlib import contextmanager
from functools import cache

from ...core import DATA, DataError
from ...datasets import load_handbook_questions, load_page_attacks
from ...rag import Chunking, LexicalIndex, load_pages, measures, split_pages, split_words
from ...rag.chroma import import_chroma
from .checks import Wrong, call_for_text, call_learner, check_cases, grades, show

_number = itertools.count()

# --- 09_1: Chroma --------------------------------------------------------------------------------------------


@contextmanager
def _make_collection(rows):
    """Give a collection of rows (id, vector, text, metadata) that is gone afterwards."""
    chromadb = import_chroma()
    client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
    name = f"exercise-{next(_number)}"
    collection = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
    try:
        ids, vectors, texts, metadatas = map(list, zip(*rows, strict=True))
        collection.add(ids=ids, embeddings=vectors, documents=texts, metadatas=metadatas)
        yield collection
    finally:
        client.delete_collection(name)


HELD = [
    ("tea#0", [1.0, 0.0], "Tea keeps for a year.", {"page": "tea"}),
    ("tea#1", [0.8, 0.6], "Green tea wants 80 degrees.", {"page": "tea"}),
    ("tea#2", [0.6, 0.8], "Tea is sold in bags, too.", {"page": "tea"}),
    ("milk#0", [0.0, 1.0], "Milk is kept cold.", {"page": "milk"}),
]
VERSIONS = (
    (["tea#0", "tea#1"], [[1.0, 0.1], [0.7, 0.7]], ["Tea keeps for two years.", "Green tea wants 70 degrees."]),
    (["tea#0", "tea#1", "tea#2", "tea#3"], [[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.5, 0.5]], list("abcd")),
    (["tea#9"], [[0.3, 0.4]], ["Tea is no longer sold."]),
)


@grades("09_1.1")
def _grade_replace(function) -> None:
    for ids, vectors, texts in VERSIONS:
        with _make_collection(HELD) as collection:
            call_learner(function, collection, "tea", list(ids), [list(one) for one in vectors], list(texts))
            held = collection.get(include=["documents", "metadatas", "embeddings"])
        found = {id: place for place, id in enumerate(held["ids"])}
        told = f"The page “tea” had the chunks tea#0, tea#1, tea#2 and now has {', '.join(ids)}. Afterwards"
        if "milk#0" not in found:
            raise Wrong(f"{told} the page “milk” is gone. Only one page has a new version.")
        if stale := [id for id in found if id != "milk#0" and id not in ids]:
            raise Wrong(f"{told} {stale[0]} of the old version is still found. Does your call ever remove anything?")
        for id, vector, text in zip(ids, vectors, texts, strict=True):
            if id not in found:
                raise Wrong(f"{told} {id} is not in the collection. Which of Chroma's calls passes over new ids?")
            place = found[id]
            if held["documents"][place] != text:
                raise Wrong(f"{told} {id} has the text {show(held['documents'][place])}, not {text!r}.")
            if abs(held["embeddings"][place] - vector).max() > 1e-6:
                raise Wrong(f"{told} {id} has another vector than the one for its new text.")
            if (held["metadatas"][place] or {}).get("page") != "tea":
                raise Wrong(f"{told} the metadata of {id} do not say “tea” under page, so its next version misses it.")


SHELF = [
    ("old", [1.0, 0.0], "a", {"status": "outdated", "readers": "everyone"}),
    ("secret", [0.99, 0.1], "b", {"status": "current", "readers": "staff"}),
    ("safe", [0.95, 0.3], "c", {"status": "current", "readers": "managers"}),
    ("open", [0.8, 0.6], "d", {"status": "current", "readers": "everyone"}),
    ("draft", [0.7, 0.7], "e", {"status": "draft", "readers": "everyone"}),
    ("far", [0.1, 1.0], "f", {"status": "current", "readers": "everyone"}),
    ("farther", [-0.5, 1.0], "g", {"status": "current", "readers": "everyone"}),
]


@grades("09_1.2")
def _grade_rights(function) -> None:
    cases = (
        (["everyone"], 2, ["open", "far"]),
        (["everyone", "staff"], 3, ["secret", "open", "far"]),
        (["managers"], 1, ["safe"]),
        (["everyone", "staff", "managers"], 9, ["secret", "safe", "open", "far", "farther"]),
    )
    with _make_collection(SHELF) as collection:
        for groups, k, right in cases:
            found = call_learner(function, collection, [1.0, 0.0], list(groups), k)
            told = f"For the groups {groups} and k = {k} it returned {show(found)}."
            if not isinstance(found, list | tuple) or not all(isinstance(id, str) for id in found):
                raise Wrong(f"{told} Return a list of ids, the nearest first.")
            if leaked := [id for id in found if id not in right]:
                raise Wrong(f"{told} {leaked[0]!r} is not current, not for these groups, or not of the {k} nearest.")
            if len(found) < len(right):
                raise Wrong(f"{told} {len(right)} allowed ones are there. When does your filter work?")
            if list(found) != right:
                raise Wrong(f"{told} These are the right ones; put the nearest first.")


# --- 09_2: questions and codes -------------------------------------------------------------------------------

NUM_QUESTIONS = 3
WORDS = range(4, 41)  # of a gold passage
MOST_SHARED = 0.5  # of a question's words may stand in its passage
CURRENT = {"status": "current"}
# Codes as customers type them: none of the questions of the course has them in this form.
SPLIT = ("bx 5", "c 3", "Code DP 20?", "err 4", "Err 7?", "F 2")
SPLIT += ("my kettle says g 6", "K 2", "nl 5", "NP 3", "TX 3", "w 6")
LEAST_FOUND = 10  # of the split codes among the first three
MOST_LOST = 1  # of the plain questions that were found before


@cache
def _index_handbook():
    """Return the pages of the handbook by name, and an index of words of their chunks."""
    pages = load_pages(DATA / "handbook")
    return {page.name: page for page in pages}, LexicalIndex(split_pages(pages, Chunking("recursive", 1200)))


def _find(query: str, k: int) -> list:
    _, index = _index_handbook()
    return [chunk for chunk, _ in index.find_matching(query, k, CURRENT)]


@grades("09_2.1")
def _grade_gold(questions) -> str:
    form = f"Make a list of {NUM_QUESTIONS} dicts, each with the texts “page”, “question” and “passage”."
    if not isinstance(questions, list | tuple) or len(questions) != NUM_QUESTIONS:
        raise Wrong(f"It is {show(questions)}. {form}")
    ranks = [_check_gold(number, one, form) for number, one in enumerate(questions, 1)]
    if len({one["page"] for one in questions}) < NUM_QUESTIONS:
        raise Wrong("Two questions are about one page. Take another page for each, or the set tests little.")
    told = [f"rank {rank}" if rank else "not among the first 10" for rank in ranks]
    return f"By words alone your passages are found so: {', '.join(told)}. Let somebody else answer the questions."


def _check_gold(number: int, one: object, form: str) -> int:
    """Return at which rank the search by words finds a passage, 0 for none of the first 10."""
    pages, _ = _index_handbook()
    told = f"Question {number}:"
    keys = ("page", "question", "passage")
    if not isinstance(one, dict) or not all(isinstance(one.get(key), str) and one[key].strip() for key in keys):
        raise Wrong(f"{told} {show(one)} has not all of the three texts. {form}")
    page, question, passage = (one[key].strip() for key in keys)
    if page not in pages or pages[page].metadata.get("status") != "current":
        raise Wrong(f"{told} {page!r} is no current page. `pages` has their names, such as {next(iter(pages))!r}.")
    try:
        gold = measures.locate_passages([passage], [page], pages.values())
    except DataError:
        raise Wrong(f"{told} the passage does not stand on that page word for word. Copy it from there.") from None
    if len(passage.split()) not in WORDS:
        raise Wrong(f"{told} the passage has {len(passage.split())} words; take {WORDS[0]} to {WORDS[-1]}.")
    if not question.endswith("?") or len(question.split()) < 5:
        raise Wrong(f"{told} {question!r} is no whole question. Write what a customer or a colleague would ask.")
    if any(question.casefold() == known.question.casefold() for known in load_handbook_questions()):
        raise Wrong(f"{told} it is one of the course's own. Write a new one.")
    asked = set(split_words(question))
    shared = asked & set(split_words(passage))
    if len(asked) < 2 or len(shared) > MOST_SHARED * len(asked):
        raise Wrong(
            f"{told} {len(shared)} of its {len(asked)} telling words stand in the passage ({', '.join(sorted(shared))}). "
            "Who asks has not read the page: use their words."
        )
    found = _find(question, 10)
    return next((rank for rank, chunk in enumerate(found, 1) if gold[0].overlaps(chunk)), 0)


@grades("09_2.2")
def _grade_codes(function) -> str:
    missed = []
    for query in SPLIT:
        [(letters, digits)] = re.findall(r"([A-Za-z]+) (\d+)", query)
        code = re.compile(rf"\b{letters}{digits}\b", re.IGNORECASE)
        if not any(code.search(chunk.searched) for chunk in _find(call_for_text(function, query), 3)):
            missed.append(query)
    pages, _ = _index_handbook()
    plain, lost = 0, []
    for one in load_handbook_questions("dev"):
        gold = measures.locate_passages(one.passages, one.pages, pages.values())
        before, after = (
            any(passage.overlaps(chunk) for passage in gold for chunk in _find(query, 3))
            for query in (one.question, call_for_text(function, one.question))
        )
        plain += before
        lost += [one.question] if before and not after else []
    num = len(SPLIT) - len(missed)
    if len(lost) > MOST_LOST:
        raise Wrong(f"It loses {len(lost)} of {plain} questions that were found before, such as {lost[0]!r}.")
    if num < LEAST_FOUND:
        raise Wrong(f"It finds {num} of {len(SPLIT)} split codes; {LEAST_FOUND} are asked for. Small letters? Words?")
    return f"It finds {num} of {len(SPLIT)} split codes and loses {len(lost)} of {plain} other questions."


LEAST_CAUGHT = 4  # of the 8 attacks held back, one of each kind
MOST_FALSE_ALARMS = 0.02  # of the handbook's paragraphs
HELD_BACK = slice(2, None, 3)


@grades("09_3.3")
def _grade_support(function) -> None:
    def read(found) -> list[str]:
        return [word.casefold() for word in found]

    passage = "Refunds: The loan lasts up to 14 days, at most 2 weights per customer; deposit 12.50 EUR, form WS-10."
    other = "Hours: The shop opens at 9:30 and closes at 120 minutes past 16."
    cases = [
        (("14 days", [passage, other]), []),
        (("up to 14 days.", [passage]), []),
        (("12.50 EUR", [passage, other]), []),
        (("12.5 EUR", [passage]), ["12.5"]),
        (("12 days", [passage, other]), ["12"]),
        (("form ws-10", [passage]), []),
        (("form WS-11, 30 days", [passage, other]), ["ws-11", "30"]),
        (("at 9:30.", [passage, other]), []),
        (("no more than two", [passage]), []),
        (("(2)", [passage]), []),
        (("14", []), ["14"]),
    ]
    form = "a list of words; an empty one where everything is supported"
    check_cases(function, cases, list | tuple, form, read=read)


@grades("09_3.2")
def _grade_screen(function) -> str:
    attacks = load_page_attacks()[HELD_BACK]
    paragraphs = list_paragraphs()
    num_caught = sum(bool(call_learner(function, attack.text)) for attack in attacks)
    num_false = sum(bool(call_learner(function, paragraph)) for paragraph in paragraphs)
    most = int(MOST_FALSE_ALARMS * len(paragraphs))
    if num_false > most:
        raise Wrong(
            f"It drops {num_false} of the handbook's {len(paragraphs)} own paragraphs; at most {most} are allowed. Which "
            "words do instructions to people and to a model have in common?"
        )
    if num_caught < LEAST_CAUGHT:
        raise Wrong(
            f"It catches {num_caught} of {len(attacks)} attacks that were held back; {LEAST_CAUGHT} are asked for. What "
            "do the attacks that you can see have in common, and the handbook does not?"
        )
    return (
        f"It catches {num_caught} of {len(attacks)} attacks held back and drops {num_false} of {len(paragraphs)} honest "
        "paragraphs. Whoever knows the rule writes around it."
    )


def list_paragraphs() -> list[str]:
    """Return the paragraphs of the handbook without front matter and headings."""
    found = []
    for path in sorted((DATA / "handbook").glob("*.md")):
        text = path.read_text(encoding="utf-8").split("\n---\n", 1)[-1]
        found += [" ".join(part.split()) for part in text.split("\n\n") if part.strip() and not part.startswith("#")]
    return found
