"""The lifecycle of an LLM application: its stages in order, the tools of the field for each, techniques of prompting."""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from ..datasets import OR_NONE, Record, load_records

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
    """A stage of the lifecycle, as `lifecycle.toml` describes it."""

    id: StageId
    question: str
    artefact: str
    risk: str
    chapters: list[str]

    @property
    def name(self) -> str:
        """What the stage is called."""
        return self.id.capitalize()


_FILE = Path(__file__).with_suffix(".toml")
STAGES = tuple(Stage(id, **facts) for id, facts in tomllib.loads(_FILE.read_text(encoding="utf-8")).items())


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
        lesson: address of the lesson that measures it, such as “06_2”.
        paper: where it was described, at the address `source`.
    """

    technique: str
    family: Literal["basic", "advanced", "specialised"]
    lesson: str
    what: str
    changes: str
    use_when: str
    price: str
    paper: str
    source: str


def load_techniques() -> list[Technique]:
    """Return the techniques of the chapters 6 to 8 in their order. Raises `DataError` with file and line."""
    return load_records(Technique, "techniques.csv")
