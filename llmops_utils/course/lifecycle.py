"""The lifecycle of an LLM application: its stages in order, the tools of the field for each, techniques of prompting."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from ..datasets import OR_NONE, Record, load_records
from ..evaluation.results import Result

StageId = Literal[
    "data", "choose", "prompt", "retrieve", "tune", "evaluate", "track", "release", "serve", "guard", "watch"
]
Group = Literal[
    "data",
    "models",
    "orchestration and agents",
    "vector stores",
    "evaluation",
    "observability",
    "serving",
    "clouds",
]


@dataclass(frozen=True)
class Stage:
    """A stage of the lifecycle: what it asks, what it leaves behind, and what goes wrong without it.

    Attributes:
        id: a short word, as in `data/tools.csv`.
        chapters: numbers of the chapters or lessons that teach it, the main one first.
    """

    id: StageId
    question: str
    artefact: str
    chapters: tuple[str, ...]
    risk: str

    @property
    def name(self) -> str:
        """What the stage is called."""
        return self.id.capitalize()


STAGES = (
    Stage(
        "data",
        "What should come out, and on which examples do I check it?",
        "a data set with labels and splits, and rules for the labels",
        ("11", "04"),
        "Nobody can say what a right answer is, so no later number means anything.",
    ),
    Stage(
        "choose",
        "Which model is good enough for my tasks, and what does it need?",
        "a choice with its reasons: scores on one's own tasks, memory, price, licence",
        ("03", "01"),
        "The model is chosen for its name, and is too dear, too slow or not allowed for the purpose.",
    ),
    Stage(
        "prompt",
        "What do I tell the model so that it does the task?",
        "a prompt as a file with a version",
        ("05", "06", "07", "08"),
        "The wording is spread over code and chats, and nobody knows which one gave the good answers.",
    ),
    Stage(
        "retrieve",
        "How does it know what stands in my documents?",
        "an index of chunks, and answers that name their page",
        ("09",),
        "The model makes up what it cannot know, and the reader has no page to check it against.",
    ),
    Stage(
        "tune",
        "Would training a part of its weights do what no prompt does?",
        "an adapter with its data, its recipe and what it forgot",
        ("04",),
        "A prompt grows from month to month, and each request pays for what a model could have learned once.",
    ),
    Stage(
        "evaluate",
        "How good is it, and how sure am I?",
        "a report: a score for each example, and the mean with its interval",
        ("11", "06"),
        "A change is judged by the few answers that somebody happened to read.",
    ),
    Stage(
        "track",
        "What did I try, and which was better?",
        "a run for each attempt, with parameters, metrics and prompt",
        ("10",),
        "A good result cannot be found or repeated a week later.",
    ),
    Stage(
        "release",
        "May this take the place of what runs now?",
        "a release: which revision is in production, and the history",
        ("12_3", "05"),
        "A change for the worse reaches the customers, and there is no way back.",
    ),
    Stage(
        "serve",
        "How fast does an answer come, and what does it cost?",
        "an address that answers, with a cache, limits and a budget",
        ("12_1", "03"),
        "Customers wait, and one endless loop spends the budget of the month.",
    ),
    Stage(
        "guard",
        "What may go in, and what may come out?",
        "checks before and after the model, and a sandbox for code that it writes",
        ("12_2", "08"),
        "The text of a stranger steers the assistant, and private data leave the house.",
    ),
    Stage(
        "watch",
        "Is it still as good as on the first day?",
        "measures over windows of requests with limits and alarms, and odd cases as new examples",
        ("12_4",),
        "Answers get worse for weeks, and the customers are the first to notice.",
    ),
)


@dataclass(frozen=True)
class LandscapeTool(Record):
    """A tool of the field; what a project is allowed to change, such as its licence, holds for the day of the look-up.

    Attributes:
        group: where it stands in the picture of the landscape; None for one that only the ring shows.
        stage: the id of the stage that it is listed under; many tools serve more than one.
        kind: a server runs on your machine, a service on that of its maker.
        licence: an SPDX identifier, or "proprietary" where none is given to the public.
        needs_account: whether it cannot be used at all without an account with its maker.
        source: the address of its own site or repository, where these facts were read on the day `looked_up`.
        used_here: the number of the first chapter or lesson that names it and has it at work, such as “09”, or None.
    """

    group: Annotated[Group | None, OR_NONE]
    stage: StageId
    tool: str
    kind: Literal["library", "command", "server", "service", "model", "standard"]
    licence: str
    needs_account: bool
    what: str
    source: str
    looked_up: date
    used_here: Annotated[str | None, OR_NONE]


def load_tools() -> list[LandscapeTool]:
    """Return the tools in the order of the stages. Raises `DataError` with file and line."""
    return load_records(LandscapeTool, "tools.csv")


@dataclass(frozen=True)
class Technique(Record):
    """A technique of prompting: what it is, what it changes, when to use it, and what it takes.

    Attributes:
        lesson: address of the lesson that measures it, such as “06_2”; its first two digits are the chapter.
        words: a pattern of the names under which a whole chapter keeps its results.
        paper: where it was described, at the address `source`.
    """

    technique: str
    family: Literal["basic", "advanced", "specialised"]
    lesson: str
    words: str
    what: str
    changes: str
    use_when: str
    price: str
    paper: str
    source: str

    def covers(self, result: Result) -> bool:
        """Return whether a result is one of this technique."""
        is_named = result.address == self.lesson[:2] and re.search(self.words, result.technique)
        return result.address == self.lesson or bool(is_named)


def load_techniques() -> list[Technique]:
    """Return the techniques of the chapters 6 to 8 in their order. Raises `DataError` with file and line."""
    return load_records(Technique, "techniques.csv")
