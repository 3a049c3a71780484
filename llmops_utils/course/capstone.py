"""The capstone's assistant: what is asked for, what may be chosen, how a message becomes an answer, and its watch."""

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..core import DATA, load_settings
from ..datasets import CapstoneMessage, Example, load_capstone_messages
from ..evaluation import Answer, Contains, Proportion, Report, Row, Score, estimate_proportion, evaluate
from ..models import Model, Reply
from ..operations import AlertRule, Monitor, Served, find_first_alarm, redact_personal_data, simulate_traffic
from ..prompts import Prompt, load_prompt
from ..rag import Chunk, Chunking, LexicalIndex, Page, load_pages, split_pages, split_words
from ..rag.measures import normalise_answer
from ..tracking import span

# `changed`: the first of dev, after the provider's change; `stale` and `mended`: the plain ones of dev on policies.
PARTS = ("dev", "held", "changed", "stale", "mended")
REFUSAL = "I cannot find that in our handbook."
ABSENT = "not in the text"  # the words in which `pellworth` refuses
NUM_CHANGED = 40
MOST_WORDS = 12  # of an answer: who copies a passage has not answered


@functools.cache
def load_brief() -> SimpleNamespace:
    """Return what the capstone asks for, see `capstone.toml`.

    `wanted` holds of each line that is graded its points, what is asked for, and what to do where points are missing.
    """
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    brief, lines = table["brief"], table["criteria"].items()
    wanted = {name: (one["points"], one["wanted"].format(**brief), one["next"]) for name, one in lines}
    return SimpleNamespace(**brief, wanted=wanted, stale=table["stale"])


class Choices(BaseModel):
    """All that a learner chooses of the assistant; what is not given is as in production.

    Attributes:
        prompt: with the variables `passages` and `question`.
        model: "" for the model of the settings, the name of an adapter, or the file of your own (.gguf).
        num_passages: how many are read, `size` letters each at most.
        num_sentences: of each passage only those that share most words with the question; 0 for all.
        is_current: whether only pages are read whose metadata say that they hold today.
        without: pages that are taken out of the index.
        words: words of the handbook that are searched for where a customer's word stands in the question.
        refuses: never; at the model's word, “not in the text”; or where a check finds its answer in no passage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    prompt: Prompt = Field(default_factory=lambda: load_prompt(load_brief().prompt, 1))
    model: str = Field("", max_length=200)
    num_passages: int = Field(1, ge=1, le=5)
    num_sentences: int = Field(0, ge=0, le=10)
    size: int = Field(600, ge=100, le=2000)
    is_current: bool = False
    without: tuple[str, ...] = Field((), max_length=20)
    words: dict[str, str] = Field({}, max_length=100)
    refuses: Literal["never", "word", "check"] = "never"

    @field_validator("prompt")
    @classmethod
    def _strip_prompt(cls, prompt: Prompt) -> Prompt:
        return replace(prompt, description="", revision=None)


@functools.cache
def load_plain() -> Choices:
    """Return the choices of the plain assistant, which is in production."""
    return Choices()


@functools.cache
def _load_handbook() -> tuple[Page, ...]:
    return tuple(load_pages(DATA / "handbook"))


@functools.lru_cache(64)
def _make_index(size: int, without: tuple[str, ...], is_stale: bool) -> LexicalIndex:
    """Return an index of the handbook by words, with one page in an old version where `is_stale`."""
    pages = {page.name: page for page in _load_handbook() if page.name not in without}
    stale = load_brief().stale
    if is_stale and stale["page"] in pages:
        text = pages[stale["page"]].text
        for new, old in stale["replacements"]:
            text = text.replace(new, old)
        pages[stale["page"]] = replace(pages[stale["page"]], text=text)
    return LexicalIndex(split_pages(pages.values(), Chunking("heading", size)))


class Assistant:
    """Answers a message: finds passages, asks the model, answers or refuses, and names the page.

    All but the reply of the model follows from the choices, so a grade can repeat it. With `is_stale` a page has come back
    into the index in an old version.
    """

    def __init__(self, model: Model | None, choices: Choices, is_stale: bool = False) -> None:
        self.model, self.choices = model, choices
        self.index = _make_index(choices.size, choices.without, is_stale)
        # By which an interrupted evaluation goes on.
        self.key = {"choices": choices.model_dump(mode="json"), "is_stale": is_stale, "model": repr(model)}

    @span("retrieval")
    def find(self, question: str) -> list[Chunk]:
        """Return the passages for a question, the best first."""
        added = [more for word, more in self.choices.words.items() if word.casefold() in question.casefold()]
        where = {"status": "current"} if self.choices.is_current else None
        found = self.index.find_matching(" ".join([question, *added]), self.choices.num_passages, where)
        return [chunk for chunk, _ in found]

    def show(self, question: str, chunk: Chunk) -> str:
        """Return a passage as the model reads it: its title, and its text or the best sentences of it."""
        body = re.sub(r"(?m)^#+ .*\s+", "", chunk.text)
        body = re.sub(r"(?<!\n)\n(?!\n|[-|]|\d+\. ) *", " ", body)
        if self.choices.num_sentences:
            parts = re.split(r"(?<=[.!?;])\s+(?=[A-Z0-9])|\n+", body)
            asked = set(split_words(question))
            shared = [len(asked & set(split_words(part))) for part in parts]
            best = sorted(range(len(parts)), key=lambda place: -shared[place])[: self.choices.num_sentences]
            body = "\n".join(parts[place] for place in sorted(best))
        return f"{chunk.searched.splitlines()[0]}\n{body}"

    def write(self, question: str, chunks: Sequence[Chunk]) -> list[dict[str, str]]:
        """Return the messages for the model."""
        passages = "\n\n".join(self.show(question, chunk) for chunk in chunks)
        return self.choices.prompt.render(passages=passages or "(nothing found)", question=question)

    def ask(self, question: str, chunks: Sequence[Chunk]) -> Reply:
        """Return the model's reply."""
        assert self.model is not None
        return self.model.chat(self.write(question, chunks), max_tokens=24, stop=["\n"])

    @span("chain")
    def decide(self, reply: str, chunks: Sequence[Chunk]) -> tuple[str, str]:
        """Return the answer or a refusal, and the page whose words the answer has; no page for a refusal."""
        wanted, *texts = (
            f" {normalise_answer(re.sub('[“”‘’]', '', one))} " for one in (reply, *(c.text for c in chunks))
        )
        sources = [chunk.page.name for chunk, text in zip(chunks, texts, strict=True) if wanted in text]
        source = sources[0] if sources and wanted.strip() else ""
        refuses = {"never": False, "word": ABSENT in reply.casefold(), "check": not source}
        return (REFUSAL, "") if refuses[self.choices.refuses] else (reply.strip(), source)

    def __call__(self, text: str) -> Answer:
        """Return the answer with the steps on the way; the text is without personal data, see `load_part`."""
        chunks = self.find(text)
        reply = self.ask(text, chunks)
        answer, page = self.decide(reply.text, chunks)
        return Answer(answer, (reply,), [{"reply": reply.text, "read": [one.id for one in chunks], "page": page}])


def open_model(chapter: str, choices: Choices, is_logged: bool = False) -> Model:
    """Return the model of the choices; with `is_logged` its recorded answers are taken, also live, as from a log."""
    settings = load_settings()
    if is_logged and not settings.stores:
        settings = load_settings(mode="replay", provider=None, model=None, base_url=None)
    return Model(chapter, settings=settings, adapter=choices.model or None)


# --- messages ------------------------------------------------------------------------------------------------


@functools.cache
def list_messages(part: str) -> tuple[CapstoneMessage, ...]:
    """Return all messages of a part."""
    messages = load_capstone_messages("held" if part == "held" else "dev")
    if part in ("stale", "mended"):
        messages = [one for one in messages if one.kind == "plain" and one.pages[0].startswith("policies-")]
    return tuple(messages[:NUM_CHANGED] if part == "changed" else messages)


def load_part(part: str) -> list[Example]:
    """Return the messages of a part without personal data; of `held`, with LLMOPS_EXAMPLES, at most so many."""
    messages = list_messages(part)[: load_settings().examples if part == "held" else None]
    return [Example(one.id, redact_personal_data(one.text).text, one.answer or REFUSAL) for one in messages]


def score_answer(prediction: object, expected: object) -> Score:
    """Return 1 where a short answer holds the right words, or a refusal is right; 18 EUR is 18.00 EUR."""
    said, wanted = (re.sub(r"(\d)\.00\b", r"\1", str(one)) for one in (prediction, expected))
    if REFUSAL in (said, wanted):
        return Score(float(said == wanted))
    return Score(0.0, "too long") if len(said.split()) > MOST_WORDS else Contains()(said, wanted)


def answer_part(
    chapter: str,
    choices: Choices,
    part: str,
    name: str = "",
    is_logged: bool = False,
    kind: type[Assistant] = Assistant,
) -> Report:
    """Return the report of an assistant of these choices on a part."""
    assistant = kind(open_model(chapter, choices, is_logged), choices, part in ("stale", "mended"))
    return evaluate(assistant, load_part(part), score_answer, name=name or part)


def list_steps(choices: Choices) -> list[tuple[str, Choices]]:
    """Return each part of an attempt with the choices that answer it."""
    other = choices.model_copy(update={"model": "" if choices.model else "pellworth"})
    mended = choices.model_copy(update={"without": (load_brief().stale["page"],)})
    return list(zip(PARTS, (choices, choices, other, choices, mended), strict=True))


# --- the watch -----------------------------------------------------------------------------------------------


class Watch(BaseModel):
    """The rule of the alarm: requests per window, the share of quiet windows within a limit, and windows in a row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(50, ge=10, le=500)
    quantile: float = Field(0.995, gt=0.5, lt=1)
    in_a_row: int = Field(2, ge=1, le=20)


@dataclass(frozen=True)
class Sighting:
    """What a watch saw: requests from the incident to the alarm, None without one, and quiet windows without a false one."""

    delay: int | None
    measures: tuple[str, ...]
    quiet: Proportion


START, NUM_QUIET = 500, 5000  # requests before the incident; and those in which false alarms are counted


def _list_served(source: str, rows: Sequence[Row]) -> list[Served]:
    """Return rows as the monitor sees them: the part of the handbook that was read, and which part was cited."""
    served = []
    for row in rows:
        step = row.trace[0] if row.trace else {}
        read = [*step.get("read", ()), "nothing"][0].partition("-")[0]
        said = "none" if row.prediction == REFUSAL else step.get("page", "").partition("-")[0] or "no page"
        numbers = (row.score, row.latency_s, row.prompt_tokens, row.completion_tokens)
        served.append(Served(row.id, source, row.id, read, said, *numbers))
    return served


def run_watch(usual: Report, changed: Report, watch: Watch) -> Sighting:
    """Return what a monitor sees: it learns from quiet traffic, watches more of it, and then the incident."""
    ids = {row.id: row for row in usual.rows}
    rows = {"production": [ids[row.id] for row in changed.rows], "coarser model": changed.rows}
    traffic = {source: _list_served(source, found) for source, found in rows.items()}
    monitor = Monitor(simulate_traffic(traffic, 1000), watch.size, AlertRule(watch.quantile, watch.in_a_row))
    quiet = list(monitor.watch(simulate_traffic(traffic, NUM_QUIET, seed=1)))
    after = simulate_traffic(traffic, START + 2000, "coarser model", START, seed=2)
    found = find_first_alarm(monitor.watch(after), after=START)
    return Sighting(
        delay=None if found is None else found.num_served - START,
        measures=() if found is None else found.alarms,
        quiet=estimate_proportion(sum(not window.alarms for window in quiet), len(quiet)),
    )
