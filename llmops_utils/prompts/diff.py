"""What changed between two prompts."""

from __future__ import annotations

import difflib
import html
import re
from dataclasses import dataclass

from ..core import Html
from .prompt import ELEMENTS, Prompt, draw_prompt

MARKS = {
    "del": "rgba(220,50,50,.25);text-decoration:line-through",
    "ins": "rgba(40,160,80,.25);text-decoration:underline",
}


@dataclass(frozen=True, repr=False)
class PromptDiff:
    """What changed between two prompts, element by element; a notebook shows it word by word."""

    old: Prompt
    new: Prompt

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
        return draw_prompt(f"{self.old.label} → {self.new.label}", rows)


def diff_prompts(old: Prompt, new: Prompt) -> PromptDiff:
    """Return what changed from `old` to `new`."""
    return PromptDiff(old, new)


def _mark_words(old: str, new: str) -> str:
    """Return HTML of both texts in one: removed words in <del>, added ones in <ins>."""
    # Time grows with the product of the lengths: long texts are compared by lines, and where many words are, the
    # commonest, of which blanks are most, are no places to begin at.
    pieces = r"\s+|\S+" if len(old) * len(new) < 10**9 else r"[^\n]*\n|[^\n]+"
    before, after = (re.findall(pieces, text) for text in (old, new))
    is_much = len(before) * len(after) > 250_000
    steps: list[list[str]] = []  # [same, removed, added]; a space between two changed words joins their changes
    for kind, low, high, start, end in difflib.SequenceMatcher(None, before, after, is_much).get_opcodes():
        removed, added = "".join(before[low:high]), "".join(after[start:end])
        if kind == "equal" and (removed.strip() or not steps or high == len(before)):
            steps.append([removed, "", ""])
        elif steps and not steps[-1][0]:
            steps[-1][1:] = steps[-1][1] + removed, steps[-1][2] + added
        else:
            steps.append(["", removed, added])
    return "".join(html.escape(same) + _mark("del", removed) + _mark("ins", added) for same, removed, added in steps)


def _mark(tag: str, text: str) -> str:
    seen = html.escape(text if text.strip() else text.replace("\n", "↵\n"))
    return f'<{tag} style="color:inherit;background:{MARKS[tag]}">{seen}</{tag}>' if text else ""
