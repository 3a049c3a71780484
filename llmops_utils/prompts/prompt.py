"""Prompts as named, versioned templates of four elements."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import html
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ..core import Html, PromptError, clean_text, draw_table
from .templates import list_template_variables, render_template

ELEMENTS = ("instruction", "context", "input", "output")


def suggest(wrong: object, known: Collection[str]) -> str:
    """Return “Did you mean …?” where a known name is near, then all known names."""
    known = sorted(known)
    near = difflib.get_close_matches(str(wrong), known, n=1)
    return (f"Did you mean {near[0]}? " if near else "") + f"There is: {', '.join(known) or 'none'}."


def _check_names(names: Iterable[object], known: Collection[str], kind: str) -> None:
    for name in names:
        if name not in known:
            raise PromptError(f"A prompt has no {kind} “{name}”.", suggest(name, known))


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
            inside = f'<pre style="white-space:pre-wrap;margin:0;background:none">{html.escape(text) or "<em>(empty)</em>"}</pre>'
            rows.append((Html(f'<b>{element}</b><br><span style="opacity:.7">{role}</span>'), Html(inside)))
        return draw_prompt(self.title, rows)


def draw_prompt(title: str, rows: list[tuple[Html, Html]]) -> str:
    """Return a table of the elements of a prompt as HTML."""
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
        from jinja2 import TemplateSyntaxError

        for field in ("name", *ELEMENTS, "description"):
            value = getattr(self, field)
            if not isinstance(value, str):
                raise PromptError(f"{field} of a prompt is {value!r}, not text.", f"Give {field} as text in quotes.")
            object.__setattr__(self, field, clean_text(value))
        if not isinstance(self.system, tuple | list):
            raise PromptError(
                f"system of the prompt {self.name} is {self.system!r}.", 'Give a list, such as ["instruction"].'
            )
        _check_names(self.system, ELEMENTS, "element")
        object.__setattr__(self, "system", tuple(element for element in ELEMENTS if element in self.system))
        for element in ELEMENTS:
            try:
                list_template_variables(getattr(self, element))
            except Exception as error:  # besides jinja's own: too deep for Python's compiler, RecursionError
                line, fault = 1, str(error)
                if isinstance(error, TemplateSyntaxError):
                    line, fault = error.lineno, str(error.message)
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
        return {name for element in ELEMENTS for name in self._list_variables(element)}

    def _list_variables(self, element: str) -> list[str]:
        return sorted(list_template_variables(getattr(self, element)))

    def render(self, /, **variables: object) -> list[dict[str, str]]:
        """Return the messages for a chat API: a system message, where there is one, then a user message.

        The elements of a message are joined by blank lines; those with nothing but whitespace are left out.
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

    def _render_elements(self, variables: dict[str, object]) -> dict[str, str]:
        unknown, missing = sorted(set(variables) - self.variables), sorted(self.variables - set(variables))
        if unknown:
            problem = f"The prompt {self.name} has no variable {', '.join(unknown)}."
            raise PromptError(problem, suggest(unknown[0], self.variables))
        if missing:
            places = []
            for name in missing:
                elements = [element for element in ELEMENTS if name in self._list_variables(element)]
                places.append(f"{name} (in {' and '.join(elements)})")
            raise PromptError(
                f"The prompt {self.name} lacks a value for {', '.join(places)}.",
                f"Give it: render({', '.join(f'{name}=…' for name in missing)}).",
            )
        texts = {}
        for element in ELEMENTS:
            try:
                texts[element] = render_template(getattr(self, element), variables)
            except Exception as error:  # whatever an expression of the template raises
                own = " or ".join(self._list_variables(element))
                raise PromptError(
                    f"The {element} of the prompt {self.name} cannot be rendered: {str(error).rstrip('.')}.",
                    f"Mend the {element}" + (f", or the value of {own}." if own else "."),
                ) from error
        return texts

    def show(self, /, **variables: object) -> PromptTable:
        """Return a table of the elements: their templates, or with variables their rendered texts."""
        texts = self._render_elements(variables) if variables else {name: getattr(self, name) for name in ELEMENTS}
        rows = ((name, "system" if name in self.system else "user", text) for name, text in texts.items())
        return PromptTable(self.label, tuple(rows))

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def replace(self, /, **changes: Any) -> Prompt:
        """Return a prompt with the given fields changed and no revision."""
        _check_names(changes, vars(self), "field")
        return dataclasses.replace(self, **{"revision": None} | changes)

    def without(self, *elements: str) -> Prompt:
        """Return the prompt with the named elements emptied, as for an ablation."""
        _check_names(elements, ELEMENTS, "element")
        return self.replace(**dict.fromkeys(elements, ""))
