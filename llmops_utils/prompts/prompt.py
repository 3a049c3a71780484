"""Prompts as named, versioned templates of four elements; a registry of files; what changed between two.

The templates are Jinja2 in its sandbox. The limits stop accidents (a huge range, a huge text, an attribute with
underscores); they do not make the template of an author who means harm safe. Values are inserted as text and never
read as templates, but a template may call the public methods of an object that you pass: pass plain data.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import html
import json
import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..core import DATA, Html, PromptError, draw_table

PROMPTS = DATA / "prompts"
NAME = "[a-z][a-z0-9_]*"
ELEMENTS = ("instruction", "context", "input", "output")
MAX_CHARACTERS = 1_000_000
MAX_LOOPS = 100_000


def _suggest(wrong: object, known) -> str:
    """Return “Did you mean …?” where a known name is near, then all known names."""
    known = sorted(known)
    near = difflib.get_close_matches(str(wrong), known, n=1)
    return (f"Did you mean {near[0]}? " if near else "") + f"There is: {', '.join(known) or 'none'}."


def _check_elements(names) -> None:
    for name in names:
        if name not in ELEMENTS:
            raise PromptError(f"A prompt has no element “{name}”.", _suggest(name, ELEMENTS))


def _check_output(value: object) -> object:
    """Refuse what would silently print as `None` or, different in each run, as `<function … at 0x7f…>`."""
    from jinja2 import Undefined

    if value is None:
        raise TypeError("an expression gives None, not text")
    if not isinstance(value, Undefined) and (callable(value) or isinstance(value, Iterator)):
        raise TypeError(f"an expression gives a {type(value).__name__}, not text (call it with (), or add | join)")
    return value


@lru_cache(maxsize=1)
def _build_sandbox():
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Sandbox(ImmutableSandboxedEnvironment):
        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context, operator, left, right):
            are_whole = isinstance(left, int) and isinstance(right, int)
            if operator == "**" and are_whole and left.bit_length() * right > 10_000:
                raise OverflowError("the sandbox blocks powers of more than 10000 bits")
            for sequence, times in ((left, right), (right, left)):
                if hasattr(sequence, "__len__") and isinstance(times, int) and len(sequence) * times > MAX_CHARACTERS:
                    raise OverflowError(f"the sandbox blocks texts longer than {MAX_CHARACTERS} characters")
            return super().call_binop(context, operator, left, right)

    sandbox = Sandbox(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, finalize=_check_output
    )
    # Without `dict`, `lipsum` and the rest a variable of that name is missed like any other; without `random` the
    # same values give the same text.
    sandbox.globals = {name: sandbox.globals[name] for name in ("range", "namespace")}
    del sandbox.filters["random"]
    return sandbox


@lru_cache(maxsize=512)
def _compile_template(text: str):
    """Return the compiled template and the names of its variables."""
    from jinja2.meta import find_undeclared_variables

    sandbox = _build_sandbox()
    return sandbox.from_string(text), frozenset(find_undeclared_variables(sandbox.parse(text)))


def _render_template(text: str, variables: dict) -> str:
    loops = length = 0

    def count_range(*bounds: int) -> range:
        nonlocal loops
        loops += len(range(*bounds))
        if loops > MAX_LOOPS:
            raise OverflowError(f"the sandbox blocks ranges of more than {MAX_LOOPS} steps in total")
        return range(*bounds)

    pieces = []
    for piece in _compile_template(text)[0].generate(variables | {"range": count_range}):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_CHARACTERS:
            raise OverflowError(f"the text is longer than {MAX_CHARACTERS} characters")
    return "".join(pieces)


@dataclass(frozen=True, repr=False)
class PromptTable:
    """A prompt for the eye: (element, role, text) in each row."""

    title: str
    rows: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"[{element} → {role}]\n{text}" for element, role, text in self.rows)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for element, role, text in self.rows:
            inside = f'<pre style="white-space:pre-wrap;margin:0">{html.escape(text) or "<em>(empty)</em>"}</pre>'
            rows.append((Html(f'<b>{element}</b><br><span style="opacity:.7">{role}</span>'), Html(inside)))
        return _build_table(self.title, rows)


def _build_table(title: str, rows: list[tuple[Html, Html]]) -> str:
    return f'<div style="opacity:.8">{html.escape(title)}</div>' + draw_table((), rows, has_long_texts=True)


@dataclass(frozen=True)
class Prompt:
    """A named template with the four elements of a prompt, each a Jinja2 template.

    The templates are checked when the prompt is built; `replace` and `without` return new prompts.

    Attributes:
        instruction: what the model is to do.
        context: what it needs to know for that; may hold examples.
        input: the data of this one request.
        output: the output indicator: how the answer is to look, or its beginning.
        system: the elements that go into the system message; all others go into one user message.
        description: for people; not part of the version.
        revision: number of the file that it was loaded from; not part of the version.
    """

    name: str
    instruction: str = ""
    context: str = ""
    input: str = ""
    output: str = ""
    system: tuple[str, ...] = ()
    description: str = ""
    revision: int | None = None

    def __post_init__(self) -> None:
        for field in ("name", *ELEMENTS, "description"):
            value = getattr(self, field)
            if not isinstance(value, str):
                raise PromptError(f"{field} of a prompt is {value!r}, not text.", f"Give {field} as text in quotes.")
        if not isinstance(self.system, tuple | list):
            raise PromptError(
                f"system of the prompt {self.name} is {self.system!r}.", 'Give a list, such as ["instruction"].'
            )
        _check_elements(self.system)
        object.__setattr__(self, "system", tuple(element for element in ELEMENTS if element in self.system))
        for element in ELEMENTS:
            try:
                _compile_template(getattr(self, element))
            except Exception as error:  # besides jinja's own: too deep for Python's compiler, RecursionError
                is_syntax = hasattr(error, "message")  # only then the line is one of the template
                line, fault = (error.lineno, error.message) if is_syntax else (1, getattr(error, "msg", str(error)))
                raise PromptError(
                    f"The {element} of the prompt {self.name} is no template, line {line}: {fault.rstrip('.')}.",
                    "Mend that line; {{ … }} holds a variable, {% … %} a command, {# … #} a comment.",
                ) from error

    @property
    def version(self) -> str:
        """8 hex digits that identify the content: the elements and `system`, so that renaming keeps it."""
        content = {"elements": {name: getattr(self, name) for name in ELEMENTS}, "system": list(self.system)}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:8]

    @property
    def label(self) -> str:
        """Name, version and, where it comes from a file, revision."""
        return f"{self.name} {self.version}" + ("" if self.revision is None else f" (revision {self.revision})")

    @property
    def variables(self) -> set[str]:
        """The names that `render` needs a value for; one with a default in the template counts too."""
        return {name for element in ELEMENTS for name in _compile_template(getattr(self, element))[1]}

    def render(self, /, **variables: object) -> list[dict[str, str]]:
        """Return the messages for a chat API: a system message, where there is one, then a user message.

        The elements of a message are joined by blank lines; those with nothing but whitespace are left out.

        Raises:
            PromptError: a variable is missing or unknown, a template fails, or nothing is left to send.
        """
        texts = self._render_elements(variables)
        messages = []
        for role, is_system in (("system", True), ("user", False)):
            kept = [text for name, text in texts.items() if (name in self.system) == is_system and text.strip()]
            if kept:
                messages.append({"role": role, "content": "\n\n".join(kept)})
        if not messages:
            raise PromptError(f"The prompt {self.name} renders to nothing.", "Give it an instruction or an input.")
        return messages

    def _render_elements(self, variables: dict) -> dict[str, str]:
        unknown, missing = sorted(set(variables) - self.variables), sorted(self.variables - set(variables))
        if unknown:
            raise PromptError(
                f"The prompt {self.name} has no variable {', '.join(unknown)}.", _suggest(unknown[0], self.variables)
            )
        if missing:
            wanted = {
                name: [element for element in ELEMENTS if name in _compile_template(getattr(self, element))[1]]
                for name in missing
            }
            raise PromptError(
                f"The prompt {self.name} lacks a value for "
                + ", ".join(f"{name} (in {' and '.join(elements)})" for name, elements in wanted.items())
                + ".",
                f"Give it: render({', '.join(f'{name}=…' for name in missing)}).",
            )
        texts = {}
        for element in ELEMENTS:
            try:
                texts[element] = _render_template(getattr(self, element), variables)
            except Exception as error:  # whatever an expression of the template raises
                own = sorted(_compile_template(getattr(self, element))[1])
                raise PromptError(
                    f"The {element} of the prompt {self.name} cannot be rendered: {str(error).rstrip('.')}.",
                    f"Mend the {element}" + (f", or the value of {' or '.join(own)}." if own else "."),
                ) from error
        return texts

    def show(self, /, **variables: object) -> PromptTable:
        """Return a table of the elements: their templates, or with variables their rendered texts."""
        texts = self._render_elements(variables) if variables else {name: getattr(self, name) for name in ELEMENTS}
        rows = ((name, "system" if name in self.system else "user", text) for name, text in texts.items())
        return PromptTable(self.label, tuple(rows))

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def replace(self, /, **changes: object) -> Prompt:
        """Return a prompt with the given fields changed and no revision."""
        fields = {field.name for field in dataclasses.fields(self)}
        for name in changes:
            if name not in fields:
                raise PromptError(f"A prompt has no field “{name}”.", _suggest(name, fields))
        return dataclasses.replace(self, **{"revision": None} | changes)

    def without(self, *elements: str) -> Prompt:
        """Return the prompt with the named elements emptied, as for an ablation."""
        _check_elements(elements)
        return self.replace(**dict.fromkeys(elements, ""))


# --- the registry: data/prompts/NAME/REVISION.toml -----------------------------------------------------------


def _list_revisions(folder: Path) -> list[int]:
    revisions = []
    for path in folder.glob("*.toml"):
        if not re.fullmatch(r"[1-9]\d*", path.stem, re.ASCII):
            raise PromptError(f"{folder.name}/{path.name} is no revision.", "Name the files 1.toml, 2.toml and so on.")
        revisions.append(int(path.stem))
    return sorted(revisions)


def _list_names(folder: Path) -> list[str]:
    paths = folder.iterdir() if folder.is_dir() else []
    return sorted(path.name for path in paths if re.fullmatch(NAME, path.name) and any(path.glob("*.toml")))


def _load_revision(folder: Path, name: str, revision: int) -> Prompt:
    path = folder / name / f"{revision}.toml"
    place = f"{name}/{path.name}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise PromptError(f"{place} is not UTF-8 text.", "Save it again as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        line = found[1] if found and found[1] else max(1, len(text.splitlines()))
        fault = str(error)[: found.start()] if found else str(error)
        raise PromptError(f"{place}, line {line}: {fault}.", "Mend the line, or restore the file.") from error
    known = {*ELEMENTS, "system", "description"}
    for key in content:
        if key not in known:
            raise PromptError(f"{place} has an unknown key “{key}”.", _suggest(key, known))
    try:
        prompt = Prompt(name=name, revision=revision, **content)
    except PromptError as error:
        raise PromptError(f"{place}: {error.problem}", error.next_step) from error
    _check_not_empty(prompt, place)
    return prompt


def _check_not_empty(prompt: Prompt, place: str) -> None:
    if not any(getattr(prompt, element).strip() for element in ELEMENTS):
        raise PromptError(f"{place} is empty.", f"Give it at least one of {', '.join(ELEMENTS)}.")


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
        raise PromptError(f"There is no prompt “{name}” in {folder}.", _suggest(name, names))
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
    try:
        content = _write_toml(prompt).encode("utf-8")
    except UnicodeEncodeError as error:
        raise PromptError(f"The prompt {prompt.name} holds half a character.", "Remove the lone surrogate.") from error
    path = home / f"{max(revisions, default=0) + 1}.toml"
    part = path.with_suffix(".part")
    home.mkdir(parents=True, exist_ok=True)
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _write_toml(prompt: Prompt) -> str:
    lines = [f"description = {_quote(prompt.description)}"] if prompt.description else []
    lines += [f"system = {json.dumps(prompt.system)}"] if prompt.system else []
    lines += [f"{name} = {_quote(getattr(prompt, name))}" for name in ELEMENTS if getattr(prompt, name)]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """Return a TOML string: plain where nothing needs care, else literal, else with escapes."""
    is_plain = not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)  # all control characters but tab and line feed
    if is_plain and not re.search(r'["\\\n]', text):
        return f'"{text}"'
    if is_plain and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    escapes = {"\\": r"\\", '"': r"\"", "\r": r"\r"}
    escaped = re.sub(
        r'[\x00-\x08\x0b-\x1f\x7f"\\]', lambda found: escapes.get(found[0], f"\\u{ord(found[0]):04x}"), text
    )
    return f'"""\n{escaped}"""'


# --- what changed --------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class PromptDiff:
    """What changed between two prompts, element by element; a notebook shows it word by word."""

    old: Prompt
    new: Prompt

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the elements that differ, and `system` where that does."""
        return tuple(name for name, old, new in self._pair() if old != new)

    def _pair(self) -> list[tuple[str, str, str]]:
        pairs = [(name, getattr(self.old, name), getattr(self.new, name)) for name in ELEMENTS]
        return [*pairs, ("system", " ".join(self.old.system), " ".join(self.new.system))]

    def __str__(self) -> str:
        lines = [f"--- {self.old.label}", f"+++ {self.new.label}"]
        for name, old, new in self._pair():
            lines.append(f"@@ {name}{': unchanged' if old == new else ''} @@")
            if old != new:  # an empty text has no line; a line break at the end shows as an empty line
                before, after = (text.replace("\r", "␍").split("\n") if text else [] for text in (old, new))
                lines += list(difflib.unified_diff(before, after, n=len(before), lineterm=""))[3:]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for name, old, new in self._pair():
            inside = '<span style="opacity:.6">unchanged</span>' if old == new else _mark_words(old, new)
            rows.append((Html(f"<b>{name}</b>"), Html(inside)))
        return _build_table(f"{self.old.label} → {self.new.label}", rows)


def diff_prompts(old: Prompt, new: Prompt) -> PromptDiff:
    """Return what changed from `old` to `new`."""
    return PromptDiff(old, new)


def _mark_words(old: str, new: str) -> str:
    """Return HTML of both texts in one: removed words in <del>, added ones in <ins>."""
    before, after = (re.findall(r"\s+|\S+", text) for text in (old, new))
    steps: list[list[str]] = []  # [same, removed, added]; a space between two changed words joins their changes
    for kind, low, high, start, end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        removed, added = "".join(before[low:high]), "".join(after[start:end])
        if kind == "equal" and (removed.strip() or not steps or high == len(before)):
            steps.append([removed, "", ""])
        elif steps and not steps[-1][0]:
            steps[-1][1:] = steps[-1][1] + removed, steps[-1][2] + added
        else:
            steps.append(["", removed, added])
    return "".join(html.escape(same) + _mark("del", removed) + _mark("ins", added) for same, removed, added in steps)


def _mark(tag: str, text: str) -> str:
    style = {
        "del": "rgba(220,50,50,.25);text-decoration:line-through",
        "ins": "rgba(40,160,80,.25);text-decoration:underline",
    }[tag]
    seen = html.escape(text if text.strip() else text.replace("\n", "↵\n"))
    return f'<{tag} style="color:inherit;background:{style}">{seen}</{tag}>' if text else ""
