"""The registry of prompts: a folder for each name, a TOML file for each revision."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from ..core import DATA, PromptError, hold_lock, read_bytes, write_whole
from .prompt import ELEMENTS, Prompt, suggest

PROMPTS = DATA / "prompts"
NAME = "[a-z][a-z0-9_]*"
MOST_BYTES = 1_000_000  # of a file


def load_prompt(name: str, version: int | str | None = None, folder: Path = PROMPTS) -> Prompt:
    """Return the prompt of that name: its highest revision, that of a number, or that whose version has such digits.

    The first 4 to 8 digits are enough. Where a version stands in several files, it is the highest revision of them.
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
    digits = version.lower() if isinstance(version, str) else ""
    fits = [one for one in prompts if re.fullmatch("[0-9a-f]{4,8}", digits) and one.version.startswith(digits)]
    if not fits:
        raise PromptError(f"The prompt {name} has no version {version!r}.", f"Give a number, or 4 to 8 digits. {there}")
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
    """
    if not re.fullmatch(NAME, prompt.name):
        raise PromptError(
            f"“{prompt.name}” cannot name a prompt.", "Use a-z, 0-9 and _, beginning with a letter: classify_intent."
        )
    home = folder / prompt.name
    with hold_lock(home / "revisions"):  # two processes would take the same number
        revisions = _list_revisions(home)
        for revision in reversed(revisions):
            if _load_revision(folder, prompt.name, revision).version == prompt.version:
                return home / f"{revision}.toml"
        path = home / f"{max(revisions, default=0) + 1}.toml"
        write_whole(path, _write_toml(prompt))
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
    try:
        content = tomllib.loads(read_bytes(folder / place, MOST_BYTES).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no UTF-8, or no TOML
        raise PromptError(f"{place} cannot be read: {error}.", "Mend it there, or restore the file.") from error
    known = {*ELEMENTS, "system", "description"}
    for key in content:
        if key not in known:
            raise PromptError(f"{place} has an unknown key “{key}”.", suggest(key, known))
    try:
        return Prompt(name=name, revision=revision, **content)
    except PromptError as error:
        raise PromptError(f"{place}: {error.problem}", error.next_step) from error


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
