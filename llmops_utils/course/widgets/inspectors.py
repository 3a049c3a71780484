"""What led to an answer, looked at closely: chains of prompts, an agent's traces, retrieval, and traces to tag."""

import functools
import html
import itertools
from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from ...agents import Trace, draw_trace
from ...core import Html, WorkbookError, draw_table
from ...datasets import Example, Task
from ...evaluation import Answer, Scorer, ValueMatch
from ...models import Model
from ...rag import Chunk, Hit, Passage, Retriever, describe_place
from .base import TeachingWidget, follow, label, make_button, say, shorten, style_html

COLUMNS = ("way", "step", "end of the prompt", "reply", "answer read", "tokens", "result")
MAX_LETTERS = 200  # of a prompt or reply in the static table
OWN = "a problem of your own"
MARK = " ◀"
NUM_RANKS, NUM_PASSAGES = 5, 2  # rows of the table, and hits that go into the prompt


class ChainExplorer(TeachingWidget):
    """One problem at a time, one way of prompting at a time, one call of the model at a time.

    All examples are asked at once, for the static table. A way takes a problem and returns an `Answer` whose trace has
    a dict per reply, with the texts "step" and "prompt" and the "answer" that was read from the reply.
    """

    def __init__(
        self, examples: Sequence[Example], ways: Mapping[str, Callable[[str], Answer]], scorer: Scorer
    ) -> None:
        self._examples = {example.id: example for example in examples}
        self._ways = {name: functools.cache(solve) for name, solve in ways.items()}
        self._scorer = scorer
        titles = [(f"{number}. {shorten(one.input, 60)}", one.id) for number, one in enumerate(examples, start=1)]
        self.problem = ipywidgets.Dropdown(options=[*titles, (OWN, "")], **label("problem", "5em", width="auto"))
        placeholder = "Write a problem and press Enter"
        self.own = ipywidgets.Text(placeholder=placeholder, continuous_update=False, **label("", width="auto"))
        self.way = ipywidgets.ToggleButtons(options=list(ways), **label("way", "5em"))
        self.back_button = make_button("Back", "The step before", lambda: self.go_to(self._step - 1))
        self.next_button = make_button("Next step", "The next call of the model", lambda: self.go_to(self._step + 1))
        rows = {example.id: self._list_all(example) for example in examples}
        num_right = sum(row[-1] == "right" for found in rows.values() for row in found)
        summary = (
            f"Chain explorer: {len(examples)} problems, {len(ways)} ways "
            f"({', '.join(ways)}); {num_right} of {len(examples) * len(ways)} answers are right."
        )
        static = ""
        for example in examples:
            short = ([shorten(part, MAX_LETTERS) for part in row] for row in rows[example.id])
            static += _title(example) + draw_table(COLUMNS, short, has_long_texts=True)
        buttons = ipywidgets.HBox([self.back_button, self.next_button])
        super().__init__([self.problem, self.own, self.way, self.view, buttons], summary, static)
        follow(lambda: self.go_to(0), self.problem, self.own, self.way)
        self.go_to(0)

    def go_to(self, step: int) -> None:
        """Show a step of what is chosen, from 0; at the ends it stays."""
        self._step = step
        self.own.layout.display = None if self.problem.value == "" else "none"
        self.show()

    def _draw(self) -> str:
        example = self._examples.get(self.problem.value) or Example("", self.own.value.strip(), "")
        if not example.input:
            return say("Write a problem above and press Enter.")
        rows = self._list_steps(example, self.way.value)
        self._step = max(0, min(self._step, len(rows) - 1))
        self.back_button.disabled = self._step == 0
        self.next_button.disabled = self._step == len(rows) - 1
        row = dict(zip(COLUMNS, rows[self._step], strict=True))
        row["step"] = f"{self._step + 1} of {len(rows)}: {row['step']}"
        row["result"] = row["result"] or "shown with the last step"
        lines = [("tokens read + written" if name == "tokens" else name, text) for name, text in row.items()]
        return _title(example) + draw_table((), lines, has_row_heads=True, has_long_texts=True)

    def _list_steps(self, example: Example, way: str) -> list[tuple[str, ...]]:
        """Return the rows of one way in the order of `COLUMNS`; the result stands in the last of them."""
        answer = self._ways[way](example.input)
        result = "not known"
        if example.expected:
            result = "right" if self._scorer(answer.prediction, example.expected).value == 1 else "wrong"
        rows = []
        for step, reply in zip(answer.trace or [], answer.replies, strict=True):
            text = reply.text + (" … (cut off)" if reply.finish_reason == "length" else "")
            tokens = f"{reply.prompt_tokens} + {reply.completion_tokens}"
            rows.append((way, str(step["step"]), str(step["prompt"]), text, str(step["answer"]), tokens, ""))
        return [*rows[:-1], (*rows[-1][:-1], result)]

    def _list_all(self, example: Example) -> list[tuple[str, ...]]:
        """Return the rows of all ways; a way that the model cannot be asked for has one row that says why."""
        rows: list[tuple[str, ...]] = []
        for way in self._ways:
            try:
                rows += self._list_steps(example, way)
            except WorkbookError as error:
                rows.append((way, "", "", self.explain(error), "", "", ""))
        return rows


def _title(example: Example) -> str:
    expected = f" Expected: {example.expected}" if example.expected else ""
    return f"<p><b>{html.escape(example.input)}</b>{html.escape(expected)}</p>"


class TraceInspector(TeachingWidget):
    """An agent's traces that are there already, replayed step by step beside their tasks; no model is asked."""

    def __init__(self, traces: Sequence[Trace], tasks: Sequence[Task]) -> None:
        self._pairs = list(zip(traces, tasks, strict=True))
        marks = [_mark(*pair) for pair in self._pairs]
        titles = [(f"{number + 1}. {marks[number]} {task.question[:80]}", number) for number, task in enumerate(tasks)]
        self.menu = ipywidgets.Dropdown(options=titles, **label("question", width="auto"))
        self.back_buttons = [
            make_button("To the start", "Only the question", lambda: self.go_to(0)),
            make_button("Back", "One step back", lambda: self.go_to(self._step - 1)),
        ]
        self.forward_buttons = [
            make_button("Forward", "The next step, then the answer", lambda: self.go_to(self._step + 1)),
            make_button("To the end", "All steps and the answer", lambda: self.go_to(self._count_places())),
        ]
        buttons = ipywidgets.HBox([*self.back_buttons, *self.forward_buttons])
        num_tools = sum(trace.actions == task.tools for trace, task in self._pairs)
        summary = (
            f"Trace inspector: {len(traces)} questions, {marks.count('✓')} answers right, "
            f"{num_tools} with the expected tools."
        )
        super().__init__([self.menu, buttons, self.view], summary, self._tabulate(summary))
        follow(lambda: self.go_to(0), self.menu)
        self.go_to(0)

    def _count_places(self) -> int:
        """Return the number of the steps and one more, where the answer stands."""
        trace, _ = self._pairs[self.menu.value]
        return len(trace.steps) + 1

    def go_to(self, place: int) -> None:
        """Show so many steps of the chosen trace; past the last one, its answer and the verdict."""
        last = self._count_places()
        self._step = min(max(place, 0), last)
        for button in self.back_buttons:
            button.disabled = self._step == 0
        for button in self.forward_buttons:
            button.disabled = self._step == last
        self.show()

    def _draw(self) -> str:
        trace, task = self._pairs[self.menu.value]
        verdict, place = "", f"step {self._step} of {len(trace.steps)}"
        if self._step > len(trace.steps):
            verdict, place = f"<div role='status'>{_judge(trace, task)}</div>", "answer"
        return f"{draw_trace(trace, self._step)}{verdict}<div style='opacity:.7'>{place}</div>"

    def _tabulate(self, summary: str) -> str:
        rows = []
        for trace, task in self._pairs:
            used, expected = " → ".join(trace.actions) or "none", " → ".join(task.tools)
            rows.append((task.question, used, expected, trace.answer, f"{_mark(trace, task)} {task.answer}"))
        first = self._pairs[0]
        told = f"<div>{html.escape(summary)}</div>{draw_trace(first[0])}<div>{_judge(*first)}</div>"
        return told + draw_table(("question", "tools used", "tools expected", "answer", "expected answer"), rows)


def _mark(trace: Trace, task: Task) -> str:
    return "✓" if ValueMatch()(trace.answer, task.answer).value == 1 else "✗"


def _judge(trace: Trace, task: Task) -> str:
    is_right, has_tools = _mark(trace, task) == "✓", trace.actions == task.tools
    answer = "✓ right" if is_right else f"✗ wrong, expected {html.escape(task.answer)}"
    tools = "✓ as expected" if has_tools else f"✗ expected {html.escape(' → '.join(task.tools))}"
    return f"<b>Answer:</b> {answer} · <b>Tools:</b> {tools}"


class RetrievalInspector(TeachingWidget):
    """Type a question and see the ranks of each search side by side, the passages, and the assembled prompt.

    `write_prompt` makes the messages of a question from what the last of the searches finds; the model counts their
    tokens. The ready questions come with their gold passages, which are marked and may be none.
    """

    def __init__(
        self,
        retrievers: Mapping[str, Retriever],
        write_prompt: Callable[[str, Sequence[Hit]], list[dict]],
        model: Model,
        questions: Mapping[str, Sequence[Passage]],
    ) -> None:
        self._retrievers, self._write_prompt, self._model = retrievers, write_prompt, model
        self._questions = questions
        self.menu = ipywidgets.Dropdown(options=list(questions), **label("question", width="95%"))
        self.field = ipywidgets.Text(placeholder="or type one of your own", **label("own", width="80%"))
        summary = (
            f"Retrieval inspector: the first {NUM_RANKS} hits of {', '.join(retrievers)} for {len(questions)} "
            f"questions, and the prompts from the first {NUM_PASSAGES} hits of the last."
        )
        search = make_button("Search", "Search for the question that you typed", lambda: self.search(self.field.value))
        children = [self.menu, ipywidgets.HBox([self.field, search]), self.view]
        super().__init__(children, summary, "".join(map(self._tell, questions)))
        follow(lambda: self.search(self.menu.value), self.menu)
        self.search(self.menu.value)

    def search(self, question: str) -> None:
        """Show what is found for a question, or why it cannot be searched."""
        self._question = question
        self.show()

    def _draw(self) -> str:
        # JupyterLab breaks preformatted text in the middle of a word.
        return self._tell(self._question).replace("<pre style='", "<pre style='word-break:normal;")

    def _tell(self, question: str) -> str:
        found = {name: retriever.find_chunks(question, NUM_RANKS) for name, retriever in self._retrievers.items()}
        gold = self._questions.get(question, ())
        chosen = list(found.values())[-1][:NUM_PASSAGES]
        passages = [_mark_gold(number, hit.chunk, gold) for number, hit in enumerate(chosen, start=1)]
        messages = self._write_prompt(question, chosen)
        prompt = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
        return (
            f"{_tabulate_ranks(question, found, gold)}{''.join(passages)}"
            f"<details><summary>The assembled prompt: {self._model.count_tokens(messages)} tokens</summary>"
            f"<pre style='white-space:pre-wrap'>{html.escape(prompt)}</pre></details>"
        )


def _tabulate_ranks(question: str, found: Mapping[str, Sequence[Hit]], gold: Sequence[Passage]) -> str:
    columns = []
    for hits in found.values():
        column = [""] * NUM_RANKS  # a search may find fewer
        for place, hit in enumerate(hits):
            mark = MARK if any(passage.overlaps(hit.chunk) for passage in gold) else ""
            column[place] = f"{describe_place(hit.chunk)} ({hit.score:.3f}){mark}"
        columns.append(column)
    note = f"{MARK} holds the gold passage" if gold else "no gold passage is known"
    caption = Html(f"<strong>{html.escape(question)}</strong> ({note})")
    ranks = range(1, NUM_RANKS + 1)
    return draw_table(("rank", *found), zip(ranks, *columns, strict=True), caption, align="rl")


def _mark_gold(number: int, chunk: Chunk, gold: Sequence[Passage]) -> str:
    """Return a chunk with the parts that belong to a gold passage marked."""
    inside = [passage for passage in gold if passage.page.name == chunk.page.name]
    borders = {border for passage in inside for border in (passage.start, passage.end)}
    edges = sorted({chunk.start, chunk.end, *(border for border in borders if chunk.start < border < chunk.end)})
    parts = []
    for start, end in itertools.pairwise(edges):
        text = html.escape(chunk.page.text[start:end])
        is_gold = any(passage.start <= start and end <= passage.end for passage in inside)
        parts.append(f"<mark>{text}</mark>" if is_gold else text)
    title = f"<p><strong>[{number}] {html.escape(describe_place(chunk))}</strong></p>"
    return f"{title}<pre style='white-space:pre-wrap'>{''.join(parts)}</pre>"


class Tagger(TeachingWidget):
    """Texts that are read one after the other, each of which is given one of a few tags.

    `texts` are by id the parts of each text with their names, `meanings` what each tag says. The attribute `tags` holds
    by id the tags that were given, in the order in which the texts stand.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, str]], meanings: Mapping[str, str]) -> None:
        self._texts, self.tags = texts, dict[str, str]()
        self.menu = ipywidgets.Dropdown(options=list(texts), **label("trace", "4em"))
        self.choice = ipywidgets.ToggleButtons(
            options=list(meanings), value=None, tooltips=list(meanings.values()), **label("tag", "4em")
        )
        self.choice.style.button_width = "7em"  # so that a few stand in one line, with the button beside them
        self.next_button = make_button("Next", "The next trace that has no tag", self.go_on)
        self.told = ipywidgets.HTML()
        summary = f"Tagger: {len(texts)} traces to read, {len(meanings)} tags to choose from: {', '.join(meanings)}."
        first, *others = (_tabulate_text(id, text) for id, text in texts.items())
        folded = f"<details><summary>The other {len(others)}</summary>{''.join(others)}</details>" if others else ""
        legend = draw_table(("tag", "meaning"), meanings.items(), has_row_heads=True, has_long_texts=True)
        children = [self.menu, self.view, ipywidgets.HBox([self.choice, self.next_button]), self.told]
        super().__init__(children, summary, f"{legend}{first}{folded}")
        follow(self.open_text, self.menu)
        follow(self.keep, self.choice)
        self.open_text()

    def open_text(self) -> None:
        """Show the chosen text with the tag that it has."""
        self.choice.value = self.tags.get(self.menu.value)
        self.show()
        self.keep()

    def keep(self) -> None:
        """Keep the chosen tag, and show all of them as they can be copied into a cell."""
        if self.choice.value is not None:
            given = self.tags | {self.menu.value: self.choice.value}
            self.tags = {id: given[id] for id in self._texts if id in given}
        copied = f"<pre style='white-space:pre-wrap'>{html.escape(repr(self.tags))}</pre>"
        self.told.value = style_html(f"{say(f'{len(self.tags)} of {len(self._texts)} have a tag.')}{copied}")

    def go_on(self) -> None:
        """Open the next text without a tag, after the last one from the first on; where all have one, stay."""
        ids = list(self._texts)
        place = ids.index(self.menu.value) + 1
        self.menu.value = next((id for id in ids[place:] + ids[:place] if id not in self.tags), self.menu.value)

    def _draw(self) -> str:
        return _tabulate_text(self.menu.value, self._texts[self.menu.value])


def _tabulate_text(id: str, text: Mapping[str, str]) -> str:
    return draw_table((id, ""), text.items(), has_row_heads=True, has_long_texts=True)
