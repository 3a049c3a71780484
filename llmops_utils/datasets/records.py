"""The records of the files in `data/`, and a loader for each file; `data/README.md` tells what the files hold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AliasChoices, BeforeValidator, Field

from .tables import OR_NONE, Record, load_records

Split = Literal["shots", "dev", "test"]
Intent = Literal["delivery", "return", "repair", "product", "payment", "change", "account", "feedback"]
Sentiment = Literal["negative", "neutral", "positive"]
Urgency = Literal["normal", "high"]
Tag = Literal["fine", "not found", "made up", "refused", "misread"]
INTENTS: tuple[str, ...] = get_args(Intent)
SENTIMENTS: tuple[str, ...] = get_args(Sentiment)
URGENCIES: tuple[str, ...] = get_args(Urgency)


def split_at(mark: str | None) -> BeforeValidator:
    """Return what splits the text of a field at a mark, or at blanks for None."""
    return BeforeValidator(lambda text: tuple(part.strip() for part in text.split(mark) if part.strip()))


@dataclass(frozen=True)
class Message(Record):
    """A customer's message to Pellworth, with its labels; "none" stands where there is no such thing in it.

    Each split goes round the intents, so that its first 8, 16, 24 … messages hold each intent equally often.
    """

    split: Literal[Split, "train"]
    text: str
    intent: Intent
    second_intent: Literal[Intent, "none"]
    sentiment: Sentiment
    urgency: Urgency
    product: Literal["kettle", "grinder", "scale", "none"]
    order_id: str


@dataclass(frozen=True)
class OddMessage(Record):
    """An honest message in an odd form (markup, capitals, another language), with its intent."""

    kind: str
    text: str
    intent: Intent


@dataclass(frozen=True)
class Injection(Record):
    """A text that tries to change the answer of a classifier to `target`."""

    kind: str
    text: str
    target: Intent


@dataclass(frozen=True)
class PrivateText(Record):
    """A text, and how it should read without personal data."""

    kind: Literal["email", "phone", "iban", "card", "none"]
    text: str
    redacted: str


@dataclass(frozen=True)
class BiasPair(Record):
    """The same request from two people who differ in one thing: the `kind`; for "control" nothing that should count."""

    request: str
    kind: Literal["gender", "origin", "age", "faith", "control"]
    group_a: str
    group_b: str
    text_a: str
    text_b: str


@dataclass(frozen=True)
class FactQuestion(Record):
    """A question of general knowledge with all accepted answers."""

    topic: str
    difficulty: Literal["easy", "medium", "hard"]
    question: str
    accepted: Annotated[tuple[str, ...], split_at("|"), Field(min_length=1)]


@dataclass(frozen=True)
class ShopSentence(Record):
    """A sentence from the shop in four languages."""

    english: str
    french: str
    german: str
    spanish: str


@dataclass(frozen=True)
class Problem(Record):
    """A question whose answer was computed: a number without separators, or a date as YYYY-MM-DD.

    The way there stands in words, in symbols (an arithmetic expression; for dates an operation, for rules the facts, as
    JSON) and as a program that assigns `answer`. Level 4 is the hardest.
    """

    split: Literal[Split, "train"]
    level: Annotated[int, Field(ge=1, le=4)]
    question: str
    answer: str
    reasoning: str
    symbols: Annotated[str, Field(validation_alias=AliasChoices("symbols", "expression"))]
    program: str


@dataclass(frozen=True)
class Task(Record):
    """A question to the assistant that needs tools: `tools` names those that a sensible way uses, in order."""

    split: Split
    kind: str
    question: str
    answer: str
    tools: Annotated[tuple[str, ...], split_at(None)]


@dataclass(frozen=True)
class Order(Record):
    """A row of Pellworth's order table; dates as YYYY-MM-DD, `delivered_on` may be "none"."""

    id: Annotated[str, Field(validation_alias="order_id")]
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
class Note(Record):
    """A note of the counter staff: the company's handbook in short."""

    title: str
    text: str


@dataclass(frozen=True)
class NearPair(Record):
    """Two questions that are near each other, with their answers."""

    question: str
    near_question: str
    answer: str
    near_answer: str

    @property
    def is_same(self) -> bool:
        """Whether both questions have the same answer."""
        return self.answer == self.near_answer


@dataclass(frozen=True)
class HandbookQuestion(Record):
    """A question about Pellworth's handbook, with the pages that answer it (stems of files) and a passage of each.

    The kind "two pages" needs both; otherwise each one answers alone. All three are empty when it is unanswerable.
    """

    split: Literal["dev", "test"]
    kind: Literal["plain", "paraphrase", "code", "two pages", "outdated", "unanswerable"]
    question: str
    answer: str = ""
    pages: Annotated[tuple[str, ...], split_at(" || ")] = ()
    passages: Annotated[tuple[str, ...], split_at(" || ")] = ()


@dataclass(frozen=True)
class CapstoneMessage(Record):
    """A message to the assistant of the capstone, with the pages that answer it, each alone; none where no page does.

    `private` is the personal data in the text, as it stands there.
    """

    split: Literal["dev", "held"]
    kind: Literal["plain", "own words", "code", "outdated", "unanswerable"]
    text: str
    answer: str = ""
    pages: Annotated[tuple[str, ...], split_at(" || ")] = ()
    private: Annotated[tuple[str, ...], split_at(" || ")] = ()


@dataclass(frozen=True)
class AssistantTrace(Record):
    """What the assistant made of a question of the handbook's split `dev`: the passage that it found, and its answer.

    `reference` is the right answer, empty where the handbook has none. `label` is the course's own, set by reading, and
    `note` the remark of the first reading, empty where there is none.
    """

    question: str
    place: str
    passage: str
    answer: str
    label: Tag
    reference: str = ""
    note: str = ""


@dataclass(frozen=True)
class PageAttack(Record):
    """A paragraph for the page of a question that instructs the model; `marker` in an answer shows that it worked."""

    kind: str
    text: str
    question_id: str
    marker: str


@dataclass(frozen=True)
class GradedAnswer(Record):
    """An answer to a question about the shop with the course's own label: is it right?

    The four answers to a question share a topic and follow each other: short (at most 8 words) and right, long (at least
    24) and wrong, short and wrong, long and right; both of a label say the same.
    """

    split: Literal["dev", "test"]
    topic: str
    question: str
    reference: str
    answer: str
    length: Literal["short", "long"]
    label: Literal["right", "wrong"]

    @property
    def case(self) -> str:
        """What a judge is shown: question, reference and answer, a line each."""
        return f"Question: {self.question}\nReference: {self.reference}\nAnswer: {self.answer}"


@dataclass(frozen=True)
class ClinicRow(Record):
    """A message of a report of lesson 11.4: its label, and what the old and the new system answered; `none` is nothing."""

    report: str
    part: str
    text: str
    label: Literal[Intent, Urgency]
    old: Literal[Intent, Urgency, "none"]
    new: Literal[Intent, Urgency, "none"]


@dataclass(frozen=True)
class TunedSystem(Record):
    """What a model with an adapter of lesson 04.4, or a rival without, made of a task; `right` of `num`.

    `examples`, `rank` and `epochs` tell how it was trained, in `train_s` seconds;
    `change` with its interval and `p` compare it, on the same examples, with the base without examples.
    """

    kind: Literal["curve", "rival", "grid", "facts", "sentiment", "injections"]
    name: str
    right: int
    num: int
    prompt_tokens: float
    latency_s: float
    usd_per_1000: float
    examples: Annotated[int | None, OR_NONE]
    rank: Annotated[int | None, OR_NONE]
    epochs: Annotated[int | None, OR_NONE]
    train_s: Annotated[float | None, OR_NONE]
    change: Annotated[float | None, OR_NONE]
    low: Annotated[float | None, OR_NONE]
    high: Annotated[float | None, OR_NONE]
    p: Annotated[float | None, OR_NONE]


@dataclass(frozen=True)
class AdaptedTask(Record):
    """What the base and `pellworth` made of the test of a task, whose name is the id: shares right, with intervals.

    `p` and `verdict` are corrected for all tasks; `tokens` are those of a prompt, `s` seconds; `more` is what a share
    does not say.
    """

    num: int
    change: float
    change_low: float
    change_high: float
    p: float
    verdict: str
    base: float
    base_low: float
    base_high: float
    base_tokens: float
    base_s: float
    base_more: str
    tuned: float
    tuned_low: float
    tuned_high: float
    tuned_tokens: float
    tuned_s: float
    tuned_more: str


# Each takes the name of a split, or nothing for all rows.
load_messages = partial(load_records, Message, "customer_messages.csv")
load_training_messages = partial(load_records, Message, "training/messages.csv")
load_tuned_systems = partial(load_records, TunedSystem, "tuning_measured.csv")
load_adapted_tasks = partial(load_records, AdaptedTask, "adapters/pellworth.csv")
load_odd_messages = partial(load_records, OddMessage, "odd_messages.csv")
load_private_texts = partial(load_records, PrivateText, "private_texts.csv")
load_bias_pairs = partial(load_records, BiasPair, "bias_pairs.csv")
load_fact_questions = partial(load_records, FactQuestion, "fact_questions.csv")
load_shop_sentences = partial(load_records, ShopSentence, "shop_sentences.csv")
load_word_problems = partial(load_records, Problem, "word_problems.csv")
load_date_questions = partial(load_records, Problem, "date_questions.csv")
load_rule_questions = partial(load_records, Problem, "rule_questions.csv")
load_tasks = partial(load_records, Task, "agent_tasks.csv")
load_task_chains = partial(load_records, Task, "agent_chains.csv")
load_orders = partial(load_records, Order, "orders.csv")
load_notes = partial(load_records, Note, "notes.csv")
load_near_pairs = partial(load_records, NearPair, "near_questions.csv")
load_handbook_questions = partial(load_records, HandbookQuestion, "handbook_questions.csv")
load_capstone_messages = partial(load_records, CapstoneMessage, "capstone_messages.csv")
load_assistant_traces = partial(load_records, AssistantTrace, "assistant_traces.csv")
load_page_attacks = partial(load_records, PageAttack, "page_attacks.csv")
load_graded_answers = partial(load_records, GradedAnswer, "graded_answers.csv")
load_clinic = partial(load_records, ClinicRow, "clinic.csv")


def load_injections(file: str | Path = "injections.csv") -> list[Injection]:
    """Return texts that attack a classifier; `attacks.csv` holds more. Raises `DataError` with file and line."""
    return load_records(Injection, file)
