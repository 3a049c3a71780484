"""A prompt taken apart: switch its elements on and off, and see the text, the reply and the price."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Sequence

import ipywidgets

from ...core import RecordingMissing, WorkbookError, draw_table
from ...datasets import Example, Message
from ...evaluation import PRICED_AT, Scorer
from ...models import Model, Reply, price_tokens
from ...prompts import Prompt
from .base import TeachingWidget, style_html

PARTS = ("instruction", "context", "examples", "output")
NUM_LETTERS = 70
Build = Callable[[Prompt, str, Sequence[Message]], list[dict]]


class PromptWorkbench(TeachingWidget):
    """Checkboxes for the elements of a prompt, a message, and what the model makes of them.

    The static view holds all 16 combinations for the first message, which are asked when the workbench is built.

    Args:
        model: the model that is asked.
        prompt: the full prompt; its input stays in every combination.
        examples: messages to choose from, with the expected answers.
        shots: what the box "examples" adds.
        build: makes the messages from a prompt, a text and the shots.
        scorer: says whether a reply is right.
        max_tokens: most tokens of a reply.

    Raises:
        WorkbookError: the combinations of the first message cannot be asked.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        examples: Sequence[Example],
        shots: Sequence[Message],
        build: Build,
        scorer: Scorer,
        max_tokens: int = 6,
    ) -> None:
        self._model, self._prompt, self._examples, self._shots = model, prompt, list(examples), list(shots)
        self._build, self._scorer, self._max_tokens = build, scorer, max_tokens
        self._replies: dict[tuple[int, tuple[str, ...]], Reply] = {}
        style = {"description_width": "6em"}
        options = [(_cut(example.input), index) for index, example in enumerate(self._examples)]
        self.menu = ipywidgets.Dropdown(
            options=options, value=0, description="message", style=style, layout=ipywidgets.Layout(width="95%")
        )
        self.boxes = {part: ipywidgets.Checkbox(value=True, description=part, indent=False) for part in PARTS}
        self._view = ipywidgets.HTML()
        for control in (self.menu, *self.boxes.values()):
            control.observe(lambda _: self._show(), names="value")
        super().__init__([self.menu, ipywidgets.HBox(list(self.boxes.values())), self._view], "", "")
        self.static_html = self._tabulate()
        num_right = sum(self._is_right(0, parts) for parts in list_combinations())
        self.summary = (
            f"Prompt workbench: 16 combinations of {', '.join(PARTS[:-1])} and {PARTS[-1]} for “{options[0][0]}”; "
            f"{num_right} of them get the right answer."
        )
        self._show()

    @property
    def parts(self) -> tuple[str, ...]:
        """The elements that are switched on, beside the input."""
        return tuple(part for part in PARTS if self.boxes[part].value)

    def choose(self, number: int, *parts: str) -> str:
        """Choose a message, from 0, and the elements, as with the mouse; return the reply or why there is none."""
        self.menu.value = number
        for part, box in self.boxes.items():
            box.value = part in parts
        return self._read_reply()

    def build_messages(self, number: int, parts: Sequence[str]) -> list[dict]:
        """Return the messages of one combination."""
        prompt = self._prompt.without(*(part for part in PARTS if part != "examples" and part not in parts))
        return self._build(prompt, self._examples[number].input, self._shots if "examples" in parts else [])

    def ask(self, number: int, parts: Sequence[str]) -> Reply:
        """Return the reply to one combination; each is asked once."""
        key = (number, tuple(parts))
        if key not in self._replies:
            self._replies[key] = self._model.chat(self.build_messages(number, parts), max_tokens=self._max_tokens)
        return self._replies[key]

    def _is_right(self, number: int, parts: Sequence[str]) -> bool:
        return self._scorer(self.ask(number, parts).text, self._examples[number].expected).value == 1

    def _read_reply(self) -> str:
        try:
            return self.ask(self.menu.value, self.parts).text
        except RecordingMissing:
            return (
                "This combination is not among the recordings. Those of the first message are; for the others run "
                "the notebook with a model (LLMOPS_MODE=live)."
            )
        except WorkbookError as error:
            return str(error)

    def _show(self) -> None:
        number, parts = self.menu.value, self.parts
        text = self._read_reply()
        rows = [(message["role"], message["content"]) for message in self.build_messages(number, parts)]
        told = f"<p role='status'>{html.escape(text)}</p>"
        if (number, parts) in self._replies:
            reply = self._replies[number, parts]
            expected = html.escape(self._examples[number].expected)
            verdict = "right" if self._is_right(number, parts) else f"wrong, expected: {expected}"
            told = (
                f"<p role='status'><strong>Reply:</strong> <code>{html.escape(text) or '(empty)'}</code> ({verdict})"
                f"<br>{html.escape(reply.price)}; at {PRICED_AT[1]} {_price(reply)}</p>"
            )
        self._view.value = style_html(draw_table(("role", "text"), rows, has_long_texts=True) + told)

    def _tabulate(self) -> str:
        rows = []
        for parts in list_combinations():
            reply = self.ask(0, parts)
            marks = ("●" if part in parts else "○" for part in PARTS)
            tokens, text = f"{reply.prompt_tokens} + {reply.completion_tokens}", " ".join(reply.text.split())
            verdict = "right" if self._is_right(0, parts) else "wrong"
            rows.append((*marks, tokens, _price(reply), text or "(empty)", verdict))
        names = (*PARTS, "tokens", f"at {PRICED_AT[1]}", "reply", "")
        first = self._examples[0]
        caption = f"Message: {first.input} Expected: {first.expected}. ● in the prompt, ○ left out."
        told = f"<div style='opacity:.8'>{html.escape(caption)}</div>"
        return told + draw_table(names, rows, align="r" * (len(PARTS) + 2) + "l")


def list_combinations() -> list[tuple[str, ...]]:
    """Return the 16 combinations of parts, from none to all."""
    return [parts for num in range(len(PARTS) + 1) for parts in itertools.combinations(PARTS, num)]


def _price(reply: Reply) -> str:
    """Return what 1,000 such calls would cost at the list price of the model that the course compares with."""
    usd = 1000 * price_tokens(*PRICED_AT, reply.prompt_tokens, reply.completion_tokens)
    return f"${usd:.3f} per 1,000"


def _cut(text: str) -> str:
    return text if len(text) <= NUM_LETTERS else text[: NUM_LETTERS - 1] + "…"
