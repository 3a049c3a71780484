"""Which revision of a prompt is in production, and what was before: one small file beside the revisions.

`NAME/release.json` holds the task on which candidates are measured, what a release may lose and cost, and the history.
The last entry of the history is what is in production, so the file cannot contradict itself.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..core import PromptError, change_json, clean_text, load_settings, read_json, redact
from ..prompts import PROMPTS, Prompt, load_prompt

FILE = "release.json"


class Entry(BaseModel):
    """One line of the history: after it, this revision was in production."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["promote", "roll back"]
    revision: int = Field(ge=1, le=10**6)
    version: str = Field(pattern="^[0-9a-f]{8}$")
    when: str
    note: str = ""


class Release(BaseModel):
    """The state of a prompt.

    Attributes:
        task: what candidates are measured on; a name in `gate.TASKS`.
        num_examples: only the first ones of the split `test`; None for all.
        num_shots: how many examples of the split `shots` stand before each message as earlier turns.
        margin: how much of the score a release may lose at most, as a share; 0.1 are 10 points.
        max_usd_per_1000: the most that 1,000 requests may cost at list price; None for any price.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    task: str
    num_examples: int | None = Field(None, ge=2)
    num_shots: int = Field(0, ge=0, le=64)
    margin: float = Field(0.1, gt=0, lt=1)
    max_usd_per_1000: float | None = Field(None, gt=0)
    history: list[Entry] = []
    split: object = Field(None, exclude=True, repr=False)  # stands in older files; any other field is an error

    @field_validator("history")
    @classmethod
    def _check_history(cls, history: list[Entry]) -> list[Entry]:
        _list_places(history)
        return history

    @property
    def production(self) -> Entry | None:
        """What is in production, None where nothing was promoted yet."""
        return self.history[-1] if self.history else None

    @property
    def table(self):
        """The history as a `pandas.DataFrame`, without the times."""
        import pandas

        columns = ["action", "revision", "version", "note"]
        return pandas.DataFrame([entry.model_dump(include=set(columns)) for entry in self.history], columns=columns)


def _list_places(history: list[Entry]) -> list[Entry]:
    """Return what was promoted and not rolled back since; raises `ValueError` where an entry contradicts that."""
    places: list[Entry] = []
    for number, entry in enumerate(history, start=1):
        if entry.action == "promote":
            places.append(entry)
            continue
        del places[-1:]
        if not places or places[-1].revision != entry.revision:
            raise ValueError(f"entry {number} of the history goes back to what was not before it")
    return places


def choose_folder(name: str) -> Path:
    """Return the registry that holds the prompt: the learner's own, in LLMOPS_HOME, before that of the course."""
    own = load_settings().home / "prompts"
    return own if (own / name).is_dir() else PROMPTS


def load_release(name: str, folder: Path = PROMPTS) -> Release:
    """Return the state of a prompt. A file that cannot be read stays as it is, and an error names it."""
    path = folder / name / FILE
    if not path.exists():
        load_prompt(name, folder=folder)  # an unknown name is the clearer error
        raise PromptError(
            f"The prompt {name} has no {FILE}, so nothing of it is in production.",
            f'Begin one: open_release("{name}", task="intent"), then promote a revision.',
        )
    return _check(read_json(path), f"{name}/{FILE}")


def _check(content: object, where: str) -> Release:
    """Return the release that a content is. Raises `PromptError` with the place where it is none."""
    try:
        return Release.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = " → ".join(map(str, first["loc"])) or "the whole"
        next_step = "Mend that place, or restore the file from your version control; it was left as it is."
        raise PromptError(f"{where}, {place}: {first['msg']}.", next_step) from error


def load_production(name: str, folder: Path = PROMPTS) -> Prompt:
    """Return the prompt that is in production. Raises `PromptError` where its file is not what was promoted."""
    entry = load_release(name, folder).production
    if entry is None:
        problem = f"Nothing of the prompt {name} is in production."
        raise PromptError(problem, f'Promote a revision: promote("{name}", 1).')
    prompt = load_prompt(name, entry.revision, folder)
    if prompt.version != entry.version:
        raise PromptError(
            f"{name}/{entry.revision}.toml was changed after it was promoted: its version is {prompt.version}, "
            f"and {entry.version} is in production.",
            "Restore the file, and save the change as the next revision with save_prompt.",
        )
    return prompt


def open_release(name: str, task: str, folder: Path = PROMPTS, **limits: float | None) -> Release:
    """Begin the file of a prompt, with nothing in production, and return it; or change its task and limits.

    Limits are `num_examples`, `num_shots`, `margin` and `max_usd_per_1000`, as in `Release`. Raises `PromptError`.
    """
    new = _check({"task": task, **limits}, "This is no release")
    load_prompt(name, folder=folder)
    with change_json(folder / name / FILE, {}) as content:
        if content:
            new.history = _check(content, f"{name}/{FILE}").history
        content.update(new.model_dump())
    return new


def promote(name: str, revision: int, folder: Path = PROMPTS, note: str = "") -> Release:
    """Put a revision into production, and return the new state. Raises `PromptError` where it is there already.

    It does not ask the gate: `gate.run_gate` measures, a person or a script decides.
    """
    prompt = load_prompt(name, revision, folder)
    with _change(name, folder) as release:
        present = release.production
        if present is not None and present.version == prompt.version:
            problem = f"{prompt.label} is in production already, as revision {present.revision}."
            raise PromptError(problem, "Promote another one.")
        _append(release, "promote", prompt, note)
    return release


def roll_back(name: str, folder: Path = PROMPTS, note: str = "") -> Release:
    """Put the revision back into production that was there before, and return the new state. Raises `PromptError`."""
    with _change(name, folder) as release:
        places = _list_places(release.history)
        if len(places) < 2:
            raise PromptError(f"Before the present revision of {name} there was none.", "Promote a revision instead.")
        _append(release, "roll back", places[-2], note)
    return release


def _append(release: Release, action: str, what: Prompt | Entry, note: str) -> None:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    told = {"when": now, "note": redact(clean_text(note))}
    release.history.append(Entry(action=action, revision=what.revision, version=what.version, **told))


@contextlib.contextmanager
def _change(name: str, folder: Path) -> Iterator[Release]:
    """Give the state of a prompt to be changed in place, and write it."""
    load_release(name, folder)  # where there is no file, it says so and none is made
    with change_json(folder / name / FILE, {}) as content:
        release = _check(content, f"{name}/{FILE}")
        yield release
        content.update(release.model_dump())
