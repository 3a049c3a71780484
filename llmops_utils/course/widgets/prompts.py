"""Prompts tried out: their elements switched on and off, and few-shot examples chosen by hand."""

import functools
import html
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import ipywidgets

from ...core import WorkbookError, draw_table
from ...datasets import Example, Message
from ...evaluation import PRICED_AT, Report, Scorer, sum_tokens
from ...models import Model, Reply, price_tokens
from ...prompts import Prompt
from .base import TeachingWidget, label, make_button, say, shorten

PARTS = ("instruction", "context", "examples", "output")
COMBINATIONS = [parts for num in range(len(PARTS) + 1) for parts in itertools.combinations(PARTS, num)]
MAX_TOKENS = 6  # of a reply
OWN = "your own choice"


class PromptWorkbench(TeachingWidget):
    """Checkboxes for the elements of a prompt, a message, and what the model makes of them.

    The static view holds all 16 combinations for the first of the examples, which are asked when the workbench is
    built; that raises `WorkbookError` where it cannot be. `build` makes the messages from a prompt, of which the input
    always stays, a text, and the shots, which are what the box "examples" adds.
    """

    def __init__(
        self,
        model: Model,
        prompt: Prompt,
        examples: Sequence[Example],
        shots: Sequence[Message],
        build: Callable[[Prompt, str, Sequence[Message]], list[dict]],
        scorer: Scorer,
    ) -> None:
        self._model, self._prompt, self._examples, self._shots = model, prompt, examples, shots
        self._build, self._scorer = build, scorer
        self._ask = functools.cache(self._ask_model)
        titles = [(shorten(example.input, 70), number) for number, example in enumerate(examples)]
        self.menu = ipywidgets.Dropdown(options=titles, **label("message", "6em", width="95%"))
        self.boxes = {part: ipywidgets.Checkbox(value=True, description=part, indent=False) for part in PARTS}
        boxes = list(self.boxes.values())
        num_right = sum(is_right for _, is_right in (self._ask(0, parts) for parts in COMBINATIONS))
        summary = (
            f"Prompt workbench: 16 combinations of {', '.join(PARTS[:-1])} and {PARTS[-1]} for “{titles[0][0]}”; "
            f"{num_right} of them get the right answer."
        )
        children = [self.menu, ipywidgets.HBox(boxes), self.view]
        super().__init__(children, summary, self._tabulate(), [self.menu, *boxes])

    def _list_parts(self) -> tuple[str, ...]:
        return tuple(part for part in PARTS if self.boxes[part].value)

    def _build_messages(self, number: int, parts: Sequence[str]) -> list[dict]:
        prompt = self._prompt.without(*(part for part in PARTS if part != "examples" and part not in parts))
        return self._build(prompt, self._examples[number].input, self._shots if "examples" in parts else [])

    def _ask_model(self, number: int, parts: tuple[str, ...]) -> tuple[Reply, bool]:
        """Return the reply to one combination, and whether it is right."""
        reply = self._model.chat(self._build_messages(number, parts), max_tokens=MAX_TOKENS)
        return reply, self._scorer(reply.text, self._examples[number].expected).value == 1

    def _draw(self) -> str:
        number, parts = self.menu.value, self._list_parts()
        rows = [(message["role"], message["content"]) for message in self._build_messages(number, parts)]
        try:
            reply, is_right = self._ask(number, parts)
        except WorkbookError as error:
            told = say(self.explain(error))
        else:
            text = html.escape(reply.text) or "(empty)"
            verdict = "right" if is_right else f"wrong, expected: {html.escape(self._examples[number].expected)}"
            told = (
                f"<p role='status'><strong>Reply:</strong> <code>{text}</code> ({verdict})"
                f"<br>{html.escape(reply.price)}; at {PRICED_AT[1]} {_price(reply)}</p>"
            )
        return draw_table(("role", "text"), rows, has_long_texts=True) + told

    def _tabulate(self) -> str:
        rows = []
        for parts in COMBINATIONS:
            reply, is_right = self._ask(0, parts)
            marks = ("●" if part in parts else "○" for part in PARTS)
            tokens, text = f"{reply.prompt_tokens} + {reply.completion_tokens}", " ".join(reply.text.split())
            rows.append((*marks, tokens, _price(reply), text or "(empty)", "right" if is_right else "wrong"))
        names = (*PARTS, "tokens", f"at {PRICED_AT[1]}", "reply", "")
        first = self._examples[0]
        caption = f"Message: {first.input} Expected: {first.expected}. ● in the prompt, ○ left out."
        told = f"<div style='opacity:.8'>{html.escape(caption)}</div>"
        return told + draw_table(names, rows, align="r" * (len(PARTS) + 2) + "l")


def _price(reply: Reply) -> str:
    """Return what 1,000 such calls would cost at the list price of the model that the course compares with."""
    return f"${1000 * price_tokens(*PRICED_AT, reply.prompt_tokens, reply.completion_tokens):.3f} per 1,000"


class ShotPicker(TeachingWidget):
    """Pick examples from a pool for a few-shot prompt, or a ready set, and measure them.

    The ready sets and their reports come by name; they may hold messages that are not in the pool, such as wrongly
    labelled ones. `measure` runs a few-shot prompt with some examples and returns its report under a name.
    """

    def __init__(
        self,
        pool: Sequence[Message],
        ready: Mapping[str, Sequence[Message]],
        measure: Callable[[Sequence[Message], str], Report],
        reports: Mapping[str, Report],
    ) -> None:
        self._pool, self._measure = pool, measure
        self.reports = {name: reports[name] for name in ready}
        self._labels = list(dict.fromkeys(row.expected for row in next(iter(self.reports.values())).rows))
        self.menu = ipywidgets.Dropdown(options=[*ready, OWN], **label("set"))
        titles: dict[str, list] = {}
        for number, shot in enumerate(pool):
            titles.setdefault(shot.intent, []).append((shorten(" ".join(shot.text.split()), 60), number))
        self.lists = {
            intent: ipywidgets.SelectMultiple(options=found, rows=3, **label(intent, width="95%"))
            for intent, found in titles.items()
        }
        self.grid = ipywidgets.VBox(list(self.lists.values()))
        button = make_button("Measure", "Measure the chosen examples", self.measure)
        best = max(self.reports.values(), key=lambda report: report.score.value)
        summary = (
            f"Shot picker: {len(ready)} ready sets of examples, measured on {len(best)} messages; "
            f"the best of them is “{best.name}” with {best.score}."
        )
        super().__init__([self.menu, self.grid, button, self.view], summary, self._tabulate(ready), [self.menu])

    def measure(self) -> None:
        """Measure what is chosen, in the order of the pool; say so where that is not possible."""
        if self.menu.value == OWN:
            picked = {number for menu in self.lists.values() for number in menu.value}
            shots = [shot for number, shot in enumerate(self._pool) if number in picked]
            self.tell(f"Measuring {len(shots)} examples …")
            try:
                self.reports[OWN] = self._measure(shots, f"{OWN}: {len(shots)} examples")
            except WorkbookError as error:
                self.tell(self.explain(error))
                return
        self.show()

    def show(self) -> None:
        """Show the chosen set; for your own choice also the lists."""
        self.grid.layout.display = None if self.menu.value == OWN else "none"
        super().show()

    def _draw(self) -> str:
        report = self.reports.get(self.menu.value)
        if report is None:
            return say("Choose examples and press Measure.")
        rows = []
        for name, num_right, num in self._count_right(report):
            num_answered = sum(row.prediction == name for row in report.rows)
            rows.append((name, f"{num_right} of {num}", f"{num_answered} of {len(report)}"))
        told = f"{html.escape(str(report.score))}; {sum_tokens(report):.0f} tokens per message."
        table = draw_table(("label", "right", "answered"), rows, align="lr")
        return f"<p><strong>{html.escape(report.name)}</strong>: {told}</p>{table}"

    def _count_right(self, report: Report) -> Iterator[tuple[str, int, int]]:
        """Return each label, how many of its messages were answered right, and how many there are."""
        for name in self._labels:
            scores = [row.score for row in report.rows if row.expected == name]
            yield name, sum(score == 1 for score in scores), len(scores)

    def _tabulate(self, ready: Mapping[str, Sequence[Message]]) -> str:
        rows = []
        for name, report in self.reports.items():
            cells = (f"{num_right}/{num}" for _, num_right, num in self._count_right(report))
            rows.append((name, len(ready[name]), report.score, f"{sum_tokens(report):.0f}", *cells))
        heads = ["set", "examples", "score, with 95 % interval", "tokens per message", *self._labels]
        return draw_table(heads, rows, "Shot picker: each ready set, and the right answers for each label", align="lr")
