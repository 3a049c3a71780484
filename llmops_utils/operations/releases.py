"""Which revision of a prompt is in production, and what was before: one small file beside the revisions.

`NAME/release.json` holds the task on which candidates are measured, what a release may lose and cost, and the history.
The last entry of the history is what is in production, so the file cannot contradict itself.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core import PromptError, load_settings
from ..prompts import PROMPTS, Prompt, load_prompt

FILE = "release.json"


class Entry(BaseModel):
    """One line of the history: after it, this revision was in production."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["promote", "roll back"]
    revision: int = Field(ge=1)
    version: str = Field(pattern="^[0-9a-f]{8}$")
    when: str
    note: str = ""


class Release(BaseModel):
    """The state of a prompt.

    Attributes:
        task: what candidates are measured on; a name in `gate.TASKS`.
        split: the part of its data set.
        num_examples: only its first ones; None for all.
        num_shots: how many examples of the split `shots` stand before each message as earlier turns.
        margin: how much of the score a release may lose at most, as a share; 0.1 are 10 points.
        max_usd_per_1000: the most that 1,000 requests may cost at list price; None for any price.
        history: what was in production, the present last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    split: Literal["dev", "test"] = "test"
    num_examples: int | None = Field(None, ge=2)
    num_shots: int = Field(0, ge=0, le=64)
    margin: float = Field(0.1, gt=0, lt=1)
    max_usd_per_1000: float | None = Field(None, gt=0)
    history: tuple[Entry, ...] = ()

    @property
    def production(self) -> Entry | None:
        """What is in production, None where nothing was promoted yet."""
        return self.history[-1] if self.history else None

    @property
    def earlier(self) -> Entry | None:
        """What `roll_back` goes to: the revision that the present one took the place of."""
        places: list[Entry] = []
        for entry in self.history:
            if entry.action == "promote":
                places.append(entry)
            else:
                places.pop()
        return places[-2] if len(places) > 1 else None

    @property
    def table(self):
        """The history as a `pandas.DataFrame`, without the times."""
        import pandas

        columns = ["action", "revision", "version", "note"]
        return pandas.DataFrame([entry.model_dump(include=set(columns)) for entry in self.history], columns=columns)


def choose_folder(name: str) -> Path:
    """Return the registry that holds the prompt: the learner's own, in LLMOPS_HOME, before that of the course."""
    own = load_settings().home / "prompts"
    return own if (own / name).is_dir() else PROMPTS


def load_release(name: str, folder: Path = PROMPTS) -> Release:
    """Return the state of a prompt. A file that cannot be read stays as it is.

    Raises:
        PromptError: there is no file, or it is malformed; the message names file and place.
    """
    path = folder / name / FILE
    place = f"{name}/{FILE}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        load_prompt(name, folder=folder)  # an unknown name is the clearer error
        raise PromptError(
            f"The prompt {name} has no {FILE}, so nothing of it is in production.",
            f'Begin one: open_release("{name}", task="intent"), then promote a revision.',
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"{place} cannot be read ({error}).", "Save it again as UTF-8, or restore it.") from error
    mend = "Mend that place, or restore the file from your version control; it was left as it is."
    try:
        release = Release.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise PromptError(f"{place}, line {error.lineno}: {error.msg}.", mend) from error
    except (ValidationError, RecursionError) as error:
        raise PromptError(f"{place}, {_tell_first(error)}.", mend) from error
    _check_history(release, place, mend)
    return release


def _tell_first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{' → '.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def _check_history(release: Release, place: str, mend: str) -> None:
    places: list[Entry] = []
    for number, entry in enumerate(release.history, start=1):
        if entry.action == "promote":
            places.append(entry)
            continue
        places = places[:-1]
        if not places or places[-1].revision != entry.revision:
            raise PromptError(f"{place}, entry {number} of the history goes back to what was not before it.", mend)


def load_production(name: str, folder: Path = PROMPTS) -> Prompt:
    """Return the prompt that is in production.

    Raises:
        PromptError: nothing is in production, or its file is not what was promoted.
    """
    entry = load_release(name, folder).production
    if entry is None:
        raise PromptError(
            f"Nothing of the prompt {name} is in production.", f'Promote a revision: promote("{name}", 1).'
        )
    prompt = load_prompt(name, entry.revision, folder)
    if prompt.version != entry.version:
        raise PromptError(
            f"{name}/{entry.revision}.toml was changed after it was promoted: its version is {prompt.version}, "
            f"and {entry.version} is in production.",
            "Restore the file, and save the change as the next revision with save_prompt.",
        )
    return prompt


def open_release(
    name: str,
    task: str,
    folder: Path = PROMPTS,
    *,
    split: str = "test",
    num_examples: int | None = None,
    num_shots: int = 0,
    margin: float = 0.1,
    max_usd_per_1000: float | None = None,
) -> Release:
    """Begin the file of a prompt, with nothing in production, and return it; or change its task and limits.

    Raises:
        PromptError: there is no such prompt, a value is out of range, or a file that is there is malformed.
    """
    limits = {"margin": margin, "max_usd_per_1000": max_usd_per_1000}
    fields = {"task": task, "split": split, "num_examples": num_examples, "num_shots": num_shots} | limits
    try:
        new = Release(**fields)
    except ValidationError as error:
        raise PromptError(f"This is no release: {_tell_first(error)}.", "Correct that value.") from error
    load_prompt(name, folder=folder)
    return _change(name, folder, lambda release: release.model_copy(update=fields), new)


def promote(name: str, revision: int, folder: Path = PROMPTS, note: str = "") -> Release:
    """Put a revision into production, and return the new state.

    It does not ask the gate: `gate.run_gate` measures, a person or a script decides.

    Raises:
        PromptError: there is no such revision, it is in production already, or the file is malformed.
    """
    prompt = load_prompt(name, revision, folder)

    def change(release: Release) -> Release:
        present = release.production
        if present is not None and present.version == prompt.version:
            raise PromptError(
                f"{prompt.label} is in production already, as revision {present.revision}.", "Promote another one."
            )
        return _append(release, "promote", prompt.revision, prompt.version, note)

    return _change(name, folder, change)


def roll_back(name: str, folder: Path = PROMPTS, note: str = "") -> Release:
    """Put the revision back into production that was there before the present one, and return the new state.

    Raises:
        PromptError: there was none before, or the file is malformed.
    """

    def change(release: Release) -> Release:
        if release.earlier is None:
            raise PromptError(f"Before the present revision of {name} there was none.", "Promote a revision instead.")
        return _append(release, "roll back", release.earlier.revision, release.earlier.version, note)

    return _change(name, folder, change)


def _append(release: Release, action: str, revision: int, version: str, note: str) -> Release:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    entry = Entry(action=action, revision=revision, version=version, when=now, note=note)
    return release.model_copy(update={"history": (*release.history, entry)})


def _change(name: str, folder: Path, change: Callable[[Release], Release], new: Release | None = None) -> Release:
    """Read, change and replace the file under a lock, so that of two writers none undoes the other.

    Where there is no file yet, `new` is what is written.
    """
    home = folder / name
    path, part = home / FILE, home / "release.part"
    try:
        with FileLock(home / ".release.lock"):
            release = new if new is not None and not path.exists() else change(load_release(name, folder))
            text = json.dumps(release.model_dump(), indent=1, ensure_ascii=False) + "\n"
            part.write_text(text, encoding="utf-8", newline="\n")
            os.replace(part, path)
    except OSError as error:
        raise PromptError(
            f"{name}/{FILE} cannot be written ({error.strerror or error}).",
            "Use a registry in a folder that you may write to: save_prompt(prompt, folder).",
        ) from error
    return release
