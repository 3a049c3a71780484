"""The registry of prompts: a folder for each name, a TOML file for each revision."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from ..core import DATA, PromptError, write_whole
from .prompt import ELEMENTS, Prompt, suggest

PROMPTS = DATA / "prompts"
NAME = "[a-z][a-z0-9_]*"


def load_prompt(name: str, version: int | str | None = None, folder: Path = PROMPTS) -> Prompt:
    """Return the prompt of that name.

    Args:
        name: the folder in the registry.
        version: None for the highest revision, a number for that revision, or the first 4 to 8 digits of a version.
            Where a version stands in several files, the highest revision of them is returned.
        folder: the registry.

    Raises:
        PromptError: there is no such name or version, the digits fit several versions, or the file is malformed.
    """
    names = _list_names(folder)
    if name not in names:
        raise PromptError(f"There is no prompt “{name}” in {folder}.", suggest(name, names))
    revisions = _list_revisions(folder / name)
    if version is None:
        return _load_revision(folder, name, revisions[-1])
    if type(version) is int and version in revisions:
        return _load_revision(folder, name, version)
    prompts = [_load_revision(folder, name, revision) for revision in revisions]
    there = "There is: " + ", ".join(f"{prompt.revision} ({prompt.version})" for prompt in prompts) + "."
    if isinstance(version, str) and not re.fullmatch("[0-9a-fA-F]{4,8}", version):
        raise PromptError(f"“{version}” is no version: it has 4 to 8 of the digits 0-9 and a-f.", there)
    fits = [prompt for prompt in prompts if isinstance(version, str) and prompt.version.startswith(version.lower())]
    if not fits:
        raise PromptError(f"The prompt {name} has no version {version!r}.", there)
    if len({prompt.version for prompt in fits}) > 1:
        raise PromptError(f"Several versions of the prompt {name} begin with {version}.", f"Give more digits. {there}")
    return fits[-1]


def list_prompts(folder: Path = PROMPTS) -> list[Prompt]:
    """Return all revisions of all prompts, by name and revision; none where the folder is not there yet."""
    return [_load_revision(folder, name, num) for name in _list_names(folder) for num in _list_revisions(folder / name)]


def save_prompt(prompt: Prompt, folder: Path) -> Path:
    """Write the prompt as the next revision of its name and return the path.

    A content (version) that is already there is not written again, also where the description differs: the path of
    its latest file is returned.

    Raises:
        PromptError: the name cannot be a folder, the prompt is empty, or a file that is already there is malformed.
        DataError: the file cannot be written.
    """
    if not re.fullmatch(NAME, prompt.name):
        raise PromptError(
            f"“{prompt.name}” cannot name a prompt.", "Use a-z, 0-9 and _, beginning with a letter: classify_intent."
        )
    _check_not_empty(prompt, f"The prompt {prompt.name}")
    home = folder / prompt.name
    revisions = _list_revisions(home)
    for revision in reversed(revisions):
        if _load_revision(folder, prompt.name, revision).version == prompt.version:
            return home / f"{revision}.toml"
    path = home / f"{max(revisions, default=0) + 1}.toml"
    try:
        write_whole(path, _write_toml(prompt))
    except UnicodeEncodeError as error:
        raise PromptError(f"The prompt {prompt.name} holds half a character.", "Remove the lone surrogate.") from error
    return path


def _list_names(folder: Path) -> list[str]:
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted(path.name for path in paths if re.fullmatch(NAME, path.name) and any(path.glob("*.toml")))


def _list_revisions(folder: Path) -> list[int]:
    revisions = []
    for path in folder.glob("*.toml"):
        if not re.fullmatch(r"[1-9]\d*", path.stem, re.ASCII):
            raise PromptError(f"{folder.name}/{path.name} is no revision.", "Name the files 1.toml, 2.toml and so on.")
        revisions.append(int(path.stem))
    return sorted(revisions)


def _load_revision(folder: Path, name: str, revision: int) -> Prompt:
    place = f"{name}/{revision}.toml"
    content = _read_toml(folder / name / f"{revision}.toml", place)
    known = {*ELEMENTS, "system", "description"}
    for key in content:
        if key not in known:
            raise PromptError(f"{place} has an unknown key “{key}”.", suggest(key, known))
    try:
        prompt = Prompt(name=name, revision=revision, **content)
    except PromptError as error:
        raise PromptError(f"{place}: {error.problem}", error.next_step) from error
    _check_not_empty(prompt, place)
    return prompt


def _check_not_empty(prompt: Prompt, place: str) -> None:
    if not any(getattr(prompt, element).strip() for element in ELEMENTS):
        raise PromptError(f"{place} is empty.", f"Give it at least one of {', '.join(ELEMENTS)}.")


def _read_toml(path: Path, place: str) -> dict:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PromptError(f"{place} is not UTF-8 text.", "Save it again as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        fault, _, spot = str(error).rstrip(")").partition(" (at ")
        found = re.match(r"line (\d+)", spot)  # or "end of document"
        line = found[1] if found else len(text.splitlines())
        raise PromptError(f"{place}, line {line}: {fault}.", "Mend the line, or restore the file.") from error


def _write_toml(prompt: Prompt) -> str:
    lines = [f"description = {_quote(prompt.description)}"] if prompt.description else []
    lines += [f"system = {json.dumps(prompt.system)}"] if prompt.system else []
    lines += [f"{name} = {_quote(getattr(prompt, name))}" for name in ELEMENTS if getattr(prompt, name)]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Return a TOML string: word for word over several lines where that can be, else one line as in JSON."""
    has_controls = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)  # all but tab and line feed
    if "\n" in text and not has_controls and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")
