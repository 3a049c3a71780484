"""Typed records from `data/`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core import DATA, DataError
from .tables import SPLITS, check_labels, choose_split, read_csv


@dataclass(frozen=True)
class FactQuestion:
    """A question of general knowledge with all accepted answers; `difficulty` is easy, medium or hard."""

    id: str
    topic: str
    difficulty: str
    question: str
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class ShopSentence:
    """A sentence from the shop in four languages."""

    id: str
    english: str
    french: str
    german: str
    spanish: str


@dataclass(frozen=True)
class Example:
    """What `evaluate` runs a system on: an input, and the value that a scorer expects."""

    id: str
    input: str
    expected: str


INTENTS = ("delivery", "return", "repair", "product", "payment", "change", "account", "feedback")
SENTIMENTS = ("negative", "neutral", "positive")
URGENCIES = ("normal", "high")
QUESTION_KINDS = ("plain", "paraphrase", "code", "two pages", "outdated", "unanswerable")
ATTACK_KINDS = (
    *("override", "fake policy", "exfiltration link", "persona"),
    *("hidden comment", "delimiter break", "authority", "other language"),
)


@dataclass(frozen=True)
class Message:
    """A customer's message to Pellworth, with its labels; "none" stands where there is no such thing in it."""

    id: str
    split: str
    text: str
    intent: str
    second_intent: str
    sentiment: str
    urgency: str
    product: str
    order_id: str


@dataclass(frozen=True)
class Problem:
    """A question whose answer was computed: `level` 1 to 4, and worked solutions in several forms.

    Attributes:
        answer: a number without separators, or a date as YYYY-MM-DD.
        reasoning: the way there in words, ending with "The answer is …".
        symbols: an arithmetic expression, or for dates an operation as JSON.
        program: Python that assigns `answer`.
    """

    id: str
    split: str
    level: int
    question: str
    answer: str
    reasoning: str
    symbols: str
    program: str


@dataclass(frozen=True)
class Task:
    """A question to the assistant that needs tools: `tools` names those that a sensible way uses, in order."""

    id: str
    split: str
    kind: str
    question: str
    answer: str
    tools: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """A row of Pellworth's order table; dates as YYYY-MM-DD, `delivered_on` may be "none"."""

    id: str
    customer: str
    product: str
    model: str
    quantity: int
    unit_price_eur: str
    postage_eur: str
    status: str
    ordered_on: str
    delivered_on: str
    country: str


@dataclass(frozen=True)
class Note:
    """A note of the counter staff: the company's handbook in short."""

    id: str
    title: str
    text: str


@dataclass(frozen=True)
class OddMessage:
    """An honest message in an odd form (markup, capitals, another language), with its intent."""

    id: str
    kind: str
    text: str
    intent: str


@dataclass(frozen=True)
class Injection:
    """A text that tries to change the answer of a classifier to `target`."""

    id: str
    kind: str
    text: str
    target: str


@dataclass(frozen=True)
class HandbookQuestion:
    """A question about Pellworth's handbook, with the pages that answer it.

    Attributes:
        answer: a few words, as they stand in the passages where possible; empty when unanswerable.
        pages: stems of files in `data/handbook`. The kind "two pages" needs both; otherwise each one answers alone.
        passages: one for each page, word for word but for white space; both are empty when unanswerable.
    """

    id: str
    split: str
    kind: str
    question: str
    answer: str
    pages: tuple[str, ...]
    passages: tuple[str, ...]


@dataclass(frozen=True)
class PageAttack:
    """A paragraph for the page of a question that instructs the model; `marker` in an answer shows that it worked."""

    id: str
    kind: str
    text: str
    question_id: str
    marker: str


@dataclass(frozen=True)
class PrivateText:
    """A text and how it should read without personal data; `kind` is email, phone, iban, card or none."""

    id: str
    kind: str
    text: str
    redacted: str


@dataclass(frozen=True)
class NearPair:
    """Two questions that are near each other, with their answers."""

    id: str
    question: str
    near_question: str
    answer: str
    near_answer: str

    @property
    def is_same(self) -> bool:
        """Whether both questions have the same answer."""
        return self.answer == self.near_answer


@dataclass(frozen=True)
class GradedAnswer:
    """An answer to a question about the shop with the course's own label: is it right?

    Attributes:
        topic: the same for the four answers to one question: short and long, right and wrong.
        reference: the right answer in a few words.
        length: short (at most 8 words) or long (at least 24); both of a label say the same.
        label: right or wrong.
    """

    id: str
    split: str
    topic: str
    question: str
    reference: str
    answer: str
    length: str
    label: str

    @property
    def case(self) -> str:
        """What a judge is shown: question, reference and answer, a line each."""
        return f"Question: {self.question}\nReference: {self.reference}\nAnswer: {self.answer}"


BIAS_KINDS = ("gender", "origin", "age", "faith", "control")


@dataclass(frozen=True)
class BiasPair:
    """The same request from two people who differ in one thing: the `kind`; for "control" nothing that should count."""

    id: str
    request: str
    kind: str
    group_a: str
    group_b: str
    text_a: str
    text_b: str


def make_examples(records: Iterable[object], input: str, expected: str) -> list[Example]:
    """Return examples for `evaluate`: two fields of each record, named by `input` and `expected`, under its id.

    Raises:
        DataError: the records have no such field.
    """
    try:
        return [Example(r.id, str(getattr(r, input)), str(getattr(r, expected))) for r in records]
    except AttributeError as error:
        raise DataError(f"A record has no such field ({error}).", "Name two fields of the record.") from error


def load_messages(split: str | None = None, path: Path = DATA / "customer_messages.csv") -> list[Message]:
    """Return the customer messages of a split (shots, dev or test), or all. Raises `DataError` with file and line.

    Each split goes round the intents, so that its first 8, 16, 24 … messages hold each intent equally often.
    """

    def build(row: dict) -> Message:
        check_labels(row, split=SPLITS, intent=INTENTS, sentiment=SENTIMENTS, urgency=URGENCIES)
        check_labels(row, second_intent=(*INTENTS, "none"), product=("kettle", "grinder", "scale", "none"))
        order_id = row["order_id"]
        if order_id != "none" and not re.search(rf"(?<!\w){re.escape(order_id)}(?!\w)", row["text"]):
            raise ValueError(f"order {row['order_id']} does not stand in the text")
        return Message(**row)

    return choose_split(read_csv(path, build), split, path)


def load_word_problems(split: str | None = None, path: Path = DATA / "word_problems.csv") -> list[Problem]:
    """Return the word problems of a split (shots, dev or test), or all. Raises `DataError` with file and line."""
    return choose_split(read_csv(path, lambda row: _build_problem(row, "expression")), split, path)


def load_date_questions(split: str | None = None, path: Path = DATA / "date_questions.csv") -> list[Problem]:
    """Return the date questions of a split (shots, dev or test), or all. Raises `DataError` with file and line."""
    return choose_split(read_csv(path, lambda row: _build_problem(row, "symbols")), split, path)


def load_tasks(split: str | None = None, path: Path = DATA / "agent_tasks.csv") -> list[Task]:
    """Return the questions that need tools, of a split (shots, dev or test), or all."""

    def build(row: dict) -> Task:
        check_labels(row, split=SPLITS)
        return Task(**(row | {"tools": tuple(row["tools"].split())}))

    return choose_split(read_csv(path, build), split, path)


def load_orders(path: Path = DATA / "orders.csv") -> list[Order]:
    """Return Pellworth's order table. Raises `DataError` with file and line."""

    def build(row: dict) -> Order:
        row = row | {"id": row["order_id"], "quantity": int(row["quantity"])}
        del row["order_id"]
        return Order(**row)

    return read_csv(path, build)


def load_notes(path: Path = DATA / "notes.csv") -> list[Note]:
    """Return the notes of the counter staff. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: Note(**row))


def load_odd_messages(path: Path = DATA / "odd_messages.csv") -> list[OddMessage]:
    """Return honest messages in odd forms. Raises `DataError` with file and line."""

    def build(row: dict) -> OddMessage:
        check_labels(row, intent=INTENTS)
        return OddMessage(**row)

    return read_csv(path, build)


def load_injections(path: Path = DATA / "injections.csv") -> list[Injection]:
    """Return texts that attack a classifier. Raises `DataError` with file and line."""

    def build(row: dict) -> Injection:
        check_labels(row, target=INTENTS)
        return Injection(**row)

    return read_csv(path, build)


def load_private_texts(path: Path = DATA / "private_texts.csv") -> list[PrivateText]:
    """Return texts with and without personal data. Raises `DataError` with file and line."""

    def build(row: dict) -> PrivateText:
        check_labels(row, kind=("email", "phone", "iban", "card", "none"))
        return PrivateText(**row)

    return read_csv(path, build)


def load_near_pairs(path: Path = DATA / "near_questions.csv") -> list[NearPair]:
    """Return pairs of near questions, with the same answer or not. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: NearPair(**row))


def load_graded_answers(split: str | None = None, path: Path = DATA / "graded_answers.csv") -> list[GradedAnswer]:
    """Return the graded answers of a split (dev or test), or all. Raises `DataError` with file and line.

    The four answers to a question follow each other: short right, long wrong, short wrong, long right.
    """

    def build(row: dict) -> GradedAnswer:
        check_labels(row, split=("dev", "test"), length=("short", "long"), label=("right", "wrong"))
        return GradedAnswer(**row)

    return choose_split(read_csv(path, build), split, path, ("dev", "test"))


def load_handbook_questions(
    split: str | None = None, path: Path = DATA / "handbook_questions.csv"
) -> list[HandbookQuestion]:
    """Return the questions about the handbook of a split (dev or test), or all. Raises `DataError` with file and line.

    Both splits spread the kinds evenly, so that the first questions have nearly the mix of all.
    """

    def build(row: dict) -> HandbookQuestion:
        check_labels(row, split=("dev", "test"), kind=QUESTION_KINDS)
        pages, passages = (_split_parts(row[column], " || ") for column in ("pages", "passages"))
        num_pages = {"unanswerable": (0,), "two pages": (2,)}.get(row["kind"], (1, 2, 3))
        if len(pages) not in num_pages or len(passages) != len(pages):
            raise ValueError(f"{len(pages)} pages and {len(passages)} passages do not fit the kind “{row['kind']}”")
        if bool(row["answer"].strip()) != bool(pages):
            raise ValueError("an answer needs a page, and a page an answer")
        return HandbookQuestion(**(row | {"pages": pages, "passages": passages}))

    questions = read_csv(path, build, optional=("answer", "pages", "passages"))
    return choose_split(questions, split, path, ("dev", "test"))


def load_page_attacks(path: Path = DATA / "page_attacks.csv") -> list[PageAttack]:
    """Return paragraphs that instruct the model from a page. Raises `DataError` with file and line."""

    def build(row: dict) -> PageAttack:
        check_labels(row, kind=ATTACK_KINDS)
        if row["marker"] not in row["text"]:
            raise ValueError(f"the marker “{row['marker']}” does not stand in the text")
        return PageAttack(**row)

    return read_csv(path, build)


def load_bias_pairs(path: Path = DATA / "bias_pairs.csv") -> list[BiasPair]:
    """Return the pairs that `data/make_bias_pairs.py` writes. Raises `DataError` with file and line."""

    def build(row: dict) -> BiasPair:
        check_labels(row, kind=BIAS_KINDS)
        if row["text_a"] == row["text_b"]:
            raise ValueError("both texts are the same")
        return BiasPair(**row)

    return read_csv(path, build)


def _split_parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator) if part.strip())


def _build_problem(row: dict, symbols: str) -> Problem:
    check_labels(row, split=SPLITS, level=("1", "2", "3", "4"))
    row = dict(row)
    return Problem(symbols=row.pop(symbols), level=int(row.pop("level")), **row)


def load_fact_questions(path: Path = DATA / "fact_questions.csv") -> list[FactQuestion]:
    """Return the 120 questions. Raises `DataError` with file and line."""

    def build(row: dict) -> FactQuestion:
        if row["difficulty"] not in ("easy", "medium", "hard"):
            raise ValueError(f"difficulty is “{row['difficulty']}”")
        accepted = _split_parts(row["accepted"], "|")
        if not accepted:
            raise ValueError("no accepted answer")
        return FactQuestion(row["id"], row["topic"], row["difficulty"], row["question"], accepted)

    return read_csv(path, build)


def load_shop_sentences(path: Path = DATA / "shop_sentences.csv") -> list[ShopSentence]:
    """Return the 12 sentences. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: ShopSentence(**row))
