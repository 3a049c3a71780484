"""Which revision of a prompt, and which model, is in production, and what was before: a small file beside the revisions.

`NAME/release.json` holds the task on which candidates are measured, what a release may lose and cost, and the history.
The last entry of the history is what is in production, so the file cannot contradict itself.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..core import PromptError, change_json, clean_text, load_settings, read_bytes, read_json, redact, write_whole
from ..models import AdapterFile, Model, load_catalog
from ..prompts import PROMPTS, Prompt, load_prompt

FILE = "release.json"
ADAPTER_END = ".gguf"
MOST_ADAPTER_BYTES = 100_000_000


class Entry(BaseModel):
    """One line of the history: after it, this revision was in production.

    `model` is its name, or a file of an adapter beside the revisions; "" for whatever model the settings name. `source`
    names its weights by their checksum, or its host. `num_shots` are the examples shown with it; None: as many as the
    release says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["promote", "roll back"]
    revision: int = Field(ge=1, le=10**6)
    version: str = Field(pattern="^[0-9a-f]{8}$")
    when: str
    note: str = ""
    model: str = ""
    source: str = ""
    num_shots: int | None = Field(None, ge=0, le=64)

    @property
    def _released(self) -> tuple[int, str, str, int | None]:
        return self.revision, self.model, self.source, self.num_shots


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
    def shots_in_production(self) -> int:
        """How many examples are shown with what is in production."""
        entry = self.production
        return self.num_shots if entry is None or entry.num_shots is None else entry.num_shots

    @property
    def table(self):
        """The history as a `pandas.DataFrame`, without the times."""
        import pandas

        columns = ["action", "revision", "version", "note"]
        if any(entry.model for entry in self.history):
            columns.insert(3, "model")
        return pandas.DataFrame([entry.model_dump(include=set(columns)) for entry in self.history], columns=columns)


def _list_places(history: list[Entry]) -> list[Entry]:
    """Return what was promoted and not rolled back since; raises `ValueError` where an entry contradicts that."""
    places: list[Entry] = []
    for number, entry in enumerate(history, start=1):
        if entry.action == "promote":
            places.append(entry)
            continue
        del places[-1:]
        if not places or places[-1]._released != entry._released:
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


def load_production_model(name: str, chapter: str, folder: Path = PROMPTS) -> Model:
    """Return the model that is in production with a prompt, for a chapter; where none was named, that of the settings.

    Raises `PromptError` where its weights, adapter or host are not those that were promoted.
    """
    load_production(name, folder)
    entry = load_release(name, folder).production
    if not entry.model:
        return Model(chapter)
    kept = folder / name / entry.model
    if not entry.model.endswith(ADAPTER_END):
        model = open_model(entry.model, chapter)
    elif kept.exists() or load_settings().asks:
        model = Model(chapter, adapter=kept)
    else:  # in replay, where nothing was trained and no file copied: it is known by what its name tells
        adapter, _, sha256 = kept.stem.rpartition("-")
        model = Model(chapter, adapter=AdapterFile(kept, adapter, sha256))
    if model.connection.source != entry.source:
        problem = f"{entry.model} was promoted with {entry.source}, and it is {model.connection.source} now."
        raise PromptError(problem, "Restore it, or bring the new one to the gate and promote it.")
    return model


def open_model(named: str, chapter: str) -> Model:
    """Return the model of a name, in the catalog or at the provider of the settings, or of an adapter's file (.gguf)."""
    if named.endswith(ADAPTER_END):
        return Model(chapter, adapter=Path(named))
    if named in load_catalog().local or load_settings().is_embedded:
        return Model(chapter, adapter=named)
    return Model(chapter, settings=load_settings(model=named))


def promote(
    name: str,
    revision: int | None = None,
    folder: Path = PROMPTS,
    note: str = "",
    model: Model | None = None,
    replaces: str = "",
    num_shots: int | None = None,
) -> Release:
    """Put a revision, a model, a number of shots or all into production, and return the new state; the rest stays.

    A copy of an adapter of one's own is kept beside the revisions, so that training anew takes nothing away. It does not
    ask the gate: `gate.run_gate` measures, a person or a script decides. `replaces` is the version that it was measured
    against. Raises `PromptError` where another one is in production by now, or the same is there already.
    """
    prompt = load_production(name, folder) if revision is None else load_prompt(name, revision, folder)
    with _change(name, folder) as release:
        present = release.production
        version = present.version if present else "nothing"
        if replaces and version != replaces:
            raise PromptError(
                f"{prompt.label} was measured against {replaces}, and {version} is in production now.",
                "Somebody released in between. Measure it against that one, then promote it.",
            )
        told = present.model_dump(include={"model", "source", "num_shots"}) if present else {}
        if model is not None:
            told |= {"model": _keep_model(model, folder / name), "source": model.connection.source}
        if num_shots is not None:
            told["num_shots"] = num_shots
        entry = Entry(action="promote", revision=prompt.revision, version=prompt.version, **told, **_sign(note))
        if present is not None and (present.version, *present._released[1:]) == (entry.version, *entry._released[1:]):
            with_model = f" with {entry.model}" if entry.model else ""
            problem = f"{prompt.label} is in production already, as revision {present.revision}{with_model}."
            raise PromptError(problem, "Promote another one.")
        release.history.append(entry)
    return release


def _keep_model(model: Model, folder: Path) -> str:
    """Return the name by which a model is found again; an adapter that the catalog does not know is copied."""
    adapter = model.connection.adapter
    if adapter is None or model.name in load_catalog().local:
        return model.name
    kept = folder / f"{re.sub(r'[^A-Za-z0-9_]', '_', adapter.name)}-{adapter.sha256[:12]}{ADAPTER_END}"
    if not kept.exists() and model.connection.settings.asks:
        write_whole(kept, read_bytes(adapter.path, MOST_ADAPTER_BYTES))
    return kept.name


def roll_back(name: str, folder: Path = PROMPTS, note: str = "") -> Release:
    """Put back into production what was there before, prompt and model, and return the new state.

    Raises `PromptError` where nothing was, or its adapter's file is gone; then what is in production stays there.
    """
    with _change(name, folder) as release:
        places = _list_places(release.history)
        if len(places) < 2:
            raise PromptError(f"Before the present revision of {name} there was none.", "Promote a revision instead.")
        kept = folder / name / places[-2].model
        if kept.suffix == ADAPTER_END and not kept.exists() and load_settings().asks:
            problem = f"{kept.name}, the adapter that was in production before, is gone from {kept.parent.name}/."
            next_step = "Bring the file back from your version control or backup, or promote something else."
            raise PromptError(problem, next_step)
        release.history.append(places[-2].model_copy(update={"action": "roll back"} | _sign(note)))
    return release


def _sign(note: str) -> dict[str, str]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"when": now, "note": redact(clean_text(note))}


@contextlib.contextmanager
def _change(name: str, folder: Path) -> Iterator[Release]:
    """Give the state of a prompt to be changed in place, and write it."""
    load_release(name, folder)  # where there is no file, it says so and none is made
    with change_json(folder / name / FILE, {}) as content:
        release = _check(content, f"{name}/{FILE}")
        yield release
        content.update(release.model_dump())
