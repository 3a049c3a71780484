"""Step through how several ways of prompting solve one problem: prompt, reply, answer, tokens, right or wrong."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from ...core import DataError, RecordingMissing, WorkbookError, draw_table
from ...datasets import Example
from ...evaluation import Answer, Scorer
from .base import TeachingWidget, style_html

COLUMNS = ("way", "step", "end of the prompt", "reply", "answer read", "tokens", "result")
OWN = "a problem of your own"


class ChainExplorer(TeachingWidget):
    """One problem at a time, one way at a time, one call of the model at a time.

    Args:
        examples: the problems, at least one; those of the static table, so they are asked at once.
        ways: by name, what takes a problem and returns an `Answer` whose trace has a dict per reply, with the texts
            "step" and "prompt" and the "answer" that was read from the reply.
        scorer: decides whether an answer is right.
        max_chars: where long prompts and replies are cut.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        ways: Mapping[str, Callable[[str], Answer]],
        scorer: Scorer,
        max_chars: int = 200,
    ) -> None:
        if not examples or not ways:
            raise DataError("There is no problem or no way to explore.", "Give at least one of each.")
        self._examples, self._ways, self._scorer, self._max_chars = list(examples), dict(ways), scorer, max_chars
        self._answers: dict[tuple[str, str], Answer] = {}
        self._step = 0
        titles = [(f"{number}. {_cut(one.input, 60)}", one.id) for number, one in enumerate(self._examples, start=1)]
        style = {"description_width": "5em"}
        self.problem = ipywidgets.Dropdown(
            options=[*titles, (OWN, "")],
            value=self._examples[0].id,
            description="problem",
            style=style,
            layout=_stretch(),
        )
        self.own = ipywidgets.Text(
            placeholder="Write a problem and press Enter", continuous_update=False, layout=_stretch()
        )
        self.way = ipywidgets.ToggleButtons(options=list(self._ways), description="way", style=style)
        self.back_button = ipywidgets.Button(description="Back", tooltip="The step before")
        self.next_button = ipywidgets.Button(description="Next step", tooltip="The next call of the model")
        self._view = ipywidgets.HTML()
        self.own.layout.display = "none"
        for control in (self.problem, self.own, self.way):
            control.observe(lambda _: self._restart(), names="value")
        self.back_button.on_click(lambda _: self.move(-1))
        self.next_button.on_click(lambda _: self.move(1))
        buttons = ipywidgets.HBox([self.back_button, self.next_button])
        super().__init__([self.problem, self.own, self.way, self._view, buttons], "", "")
        rows = [row for one in self._examples for row in self._list_rows(one)]
        self.static_html = "".join(self._draw_table(one) for one in self._examples)
        num_right = sum(row[-1] == "right" for row in rows)
        self.summary = (
            f"Chain explorer: {len(self._examples)} problems, {len(self._ways)} ways "
            f"({', '.join(self._ways)}); {num_right} of {len(self._examples) * len(self._ways)} answers are right."
        )
        self._restart()

    @property
    def text(self) -> str:
        """What is shown, as HTML."""
        return self._view.value

    def move(self, num_steps: int) -> None:
        """Go on or back by some steps; at the ends it stays."""
        self._step += num_steps
        self._show()

    def _restart(self) -> None:
        self._step = 0
        self.own.layout.display = None if self.problem.value == "" else "none"
        self._show()

    def _get_example(self) -> Example:
        """Return the chosen problem; one of the learner's own has no expected answer."""
        chosen = [one for one in self._examples if one.id == self.problem.value]
        return chosen[0] if chosen else Example("", self.own.value.strip(), "")

    def _ask(self, example: Example, way: str) -> Answer:
        key = (example.input, way)
        if key not in self._answers:
            answer = self._ways[way](example.input)
            if answer.trace is None or len(answer.trace) != len(answer.replies):
                raise DataError(f"The way “{way}” has not one dict of its trace per reply.", "Mend its trace.")
            self._answers[key] = answer
        return self._answers[key]

    def _judge(self, example: Example, answer: Answer) -> str:
        if not example.expected:
            return "not known"
        return "right" if self._scorer(answer.prediction, example.expected).value == 1 else "wrong"

    def _describe_steps(self, example: Example, way: str) -> list[tuple[str, ...]]:
        """Return the rows of one way in the order of `COLUMNS`; the result stands in the last of them."""
        answer = self._ask(example, way)
        rows = []
        for number, (step, reply) in enumerate(zip(answer.trace or [], answer.replies, strict=True)):
            is_last = number == len(answer.replies) - 1
            text = reply.text + (" … (cut off)" if reply.finish_reason == "length" else "")
            tokens = f"{reply.prompt_tokens} + {reply.completion_tokens}"
            result = self._judge(example, answer) if is_last else ""
            rows.append((way, str(step["step"]), str(step["prompt"]), text, str(step["answer"]), tokens, result))
        return rows

    def _list_rows(self, example: Example) -> list[tuple[str, ...]]:
        """Return the rows of all ways; a way that the model cannot be asked for has one row that says why."""
        rows: list[tuple[str, ...]] = []
        for way in self._ways:
            try:
                rows += self._describe_steps(example, way)
            except WorkbookError as error:
                rows.append((way, "", "", _say_missing(error), "", "", ""))
        return rows

    def _draw_table(self, example: Example) -> str:
        title = f"<p><b>{html.escape(example.input)}</b> Expected: {html.escape(example.expected)}</p>"
        rows = ([_cut(part, self._max_chars) for part in row] for row in self._list_rows(example))
        return title + draw_table(COLUMNS, rows, has_long_texts=True)

    def _show(self) -> None:
        example, way = self._get_example(), self.way.value
        if not example.input:
            self._view.value = "<p role='status'>Write a problem above and press Enter.</p>"
            return
        try:
            rows = self._describe_steps(example, way)
        except WorkbookError as error:
            self._view.value = f"<p role='status'>{html.escape(_say_missing(error))}</p>"
            return
        self._step = max(0, min(self._step, len(rows) - 1))
        self.back_button.disabled = self._step == 0
        self.next_button.disabled = self._step == len(rows) - 1
        names = ("way", "step", "end of the prompt", "reply", "answer read", "tokens read + written", "result")
        parts = [*rows[self._step]]
        parts[1] = f"{self._step + 1} of {len(rows)}: {parts[1]}"
        if not parts[-1]:
            parts[-1] = "shown with the last step"
        expected = f" Expected: {example.expected}" if example.expected else ""
        title = f"<p><b>{html.escape(example.input)}</b>{html.escape(expected)}</p>"
        lines = zip(names, parts, strict=True)
        self._view.value = style_html(title + draw_table((), lines, has_row_heads=True, has_long_texts=True))


def _stretch() -> ipywidgets.Layout:
    """Return a layout of its own for one control: a shared one would hide both when one is hidden."""
    return ipywidgets.Layout(width="auto")


def _say_missing(error: WorkbookError) -> str:
    """Return why there is no answer, in one line for the learner."""
    if isinstance(error, RecordingMissing):
        return "This was not recorded, and in replay no model is asked. Choose another combination, or run it live."
    return str(error)


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
