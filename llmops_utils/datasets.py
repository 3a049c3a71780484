"""Typed records from `data/`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .errors import DataError
from .settings import DATA

Record = TypeVar("Record")


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
SPLITS = ("shots", "dev", "test")


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
        _check_labels(row, split=SPLITS, intent=INTENTS, sentiment=SENTIMENTS, urgency=URGENCIES)
        _check_labels(row, second_intent=(*INTENTS, "none"), product=("kettle", "grinder", "scale", "none"))
        order_id = row["order_id"]
        if order_id != "none" and not re.search(rf"(?<!\w){re.escape(order_id)}(?!\w)", row["text"]):
            raise ValueError(f"order {row['order_id']} does not stand in the text")
        return Message(**row)

    return _choose_split(read_csv(path, build), split, path)


def load_word_problems(split: str | None = None, path: Path = DATA / "word_problems.csv") -> list[Problem]:
    """Return the word problems of a split (shots, dev or test), or all. Raises `DataError` with file and line."""
    return _choose_split(read_csv(path, lambda row: _build_problem(row, "expression")), split, path)


def load_date_questions(split: str | None = None, path: Path = DATA / "date_questions.csv") -> list[Problem]:
    """Return the date questions of a split (shots, dev or test), or all. Raises `DataError` with file and line."""
    return _choose_split(read_csv(path, lambda row: _build_problem(row, "symbols")), split, path)


def load_tasks(split: str | None = None, path: Path = DATA / "agent_tasks.csv") -> list[Task]:
    """Return the questions that need tools, of a split (shots, dev or test), or all."""

    def build(row: dict) -> Task:
        _check_labels(row, split=SPLITS)
        return Task(**(row | {"tools": tuple(row["tools"].split())}))

    return _choose_split(read_csv(path, build), split, path)


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
        _check_labels(row, intent=INTENTS)
        return OddMessage(**row)

    return read_csv(path, build)


def load_injections(path: Path = DATA / "injections.csv") -> list[Injection]:
    """Return texts that attack a classifier. Raises `DataError` with file and line."""

    def build(row: dict) -> Injection:
        _check_labels(row, target=INTENTS)
        return Injection(**row)

    return read_csv(path, build)


def load_private_texts(path: Path = DATA / "private_texts.csv") -> list[PrivateText]:
    """Return texts with and without personal data. Raises `DataError` with file and line."""

    def build(row: dict) -> PrivateText:
        _check_labels(row, kind=("email", "phone", "iban", "card", "none"))
        return PrivateText(**row)

    return read_csv(path, build)


def load_near_pairs(path: Path = DATA / "near_questions.csv") -> list[NearPair]:
    """Return pairs of near questions, with the same answer or not. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: NearPair(**row))


def _build_problem(row: dict, symbols: str) -> Problem:
    _check_labels(row, split=SPLITS, level=("1", "2", "3", "4"))
    row = dict(row)
    return Problem(symbols=row.pop(symbols), level=int(row.pop("level")), **row)


def _check_labels(row: dict, **allowed: tuple[str, ...]) -> None:
    for column, labels in allowed.items():
        if row[column] not in labels:
            raise ValueError(f"{column} is “{row[column]}”, not one of {', '.join(labels)}")


def _choose_split(records: list[Record], split: str | None, path: Path) -> list[Record]:
    if split is None:
        return records
    if split not in SPLITS:
        raise DataError(f"“{split}” is no split of {path.name}.", f"Choose one of {', '.join(SPLITS)}.")
    return [record for record in records if record.split == split]


def load_fact_questions(path: Path = DATA / "fact_questions.csv") -> list[FactQuestion]:
    """Return the 120 questions. Raises `DataError` with file and line."""

    def build(row: dict) -> FactQuestion:
        if row["difficulty"] not in ("easy", "medium", "hard"):
            raise ValueError(f"difficulty is “{row['difficulty']}”")
        accepted = tuple(part.strip() for part in row["accepted"].split("|") if part.strip())
        if not accepted:
            raise ValueError("no accepted answer")
        return FactQuestion(row["id"], row["topic"], row["difficulty"], row["question"], accepted)

    return read_csv(path, build)


def load_shop_sentences(path: Path = DATA / "shop_sentences.csv") -> list[ShopSentence]:
    """Return the 12 sentences. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: ShopSentence(**row))


def read_csv(path: Path, build: Callable[[dict], Record]) -> list[Record]:
    """Return one record per row of a CSV file in UTF-8 with a header.

    Raises:
        DataError: the file is missing, empty or not UTF-8, a row has too many, too few or empty fields, `build`
            refuses it, or two records share an `id`. The message names file and line.
    """
    records: list[Record] = []
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                try:
                    if None in row or not all((value or "").strip() for value in row.values()):
                        raise ValueError("too many, too few or empty fields")
                    record = build(row)
                    if record.id in seen:
                        raise ValueError(f"the id {record.id} stands twice")
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(
                        f"{path.name}, line {rows.line_num}: {error}.", "Mend the row, or restore the file."
                    ) from error
                seen.add(record.id)
                records.append(record)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read ({error}).", "Restore it: `git checkout data`.") from error
    if not records:
        raise DataError(f"{path.name} holds no rows.", "Restore it: `git checkout data`.")
    return records
