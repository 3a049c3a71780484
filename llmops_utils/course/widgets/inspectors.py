"""What led to an answer, looked at closely: chains of prompts, an agent's traces, retrieval, and traces to tag."""

import html
import itertools
from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from ...agents import Trace, draw_trace
from ...core import Html, draw_table
from ...datasets import Example, Task
from ...evaluation import Answer, Scorer, ValueMatch
from ...models import Model
from ...rag import Chunk, Hit, Passage, Retriever, describe_place
from .base import TeachingWidget, follow, label, make_button, say, shorten, style_html

COLUMNS = ("way", "step", "end of the prompt", "reply", "answer read", "tokens", "result")
MAX_LETTERS = 200  # of a prompt or reply in the static table
MARK = " ◀"
NUM_RANKS, NUM_PASSAGES = 5, 2  # rows of the table, and hits that go into the prompt


class ChainExplorer(TeachingWidget):
    """One problem at a time, one way of prompting at a time, one call of the model at a time.

    All examples are asked at once. A way takes a problem and returns an `Answer` whose trace has a dict per reply, with
    the texts "step" and "prompt" and the "answer" that was read from the reply.
    """

    def __init__(
        self, examples: Sequence[Example], ways: Mapping[str, Callable[[str], Answer]], scorer: Scorer
    ) -> None:
        self._examples, self._calls, static = examples, {}, ""
        for place, example in enumerate(examples):
            for way, solve in ways.items():
                self._calls[place, way] = _list_calls(way, solve(example.input), example.expected, scorer)
            rows = [row for way in ways for row in self._calls[place, way]]
            short = ([shorten(part, MAX_LETTERS) for part in row] for row in rows)
            static += _title(example) + draw_table(COLUMNS, short, has_long_texts=True)
        titles = [(f"{place + 1}. {shorten(one.input, 60)}", place) for place, one in enumerate(examples)]
        self.problem = ipywidgets.Dropdown(options=titles, **label("problem", "5em", width="auto"))
        self.way = ipywidgets.ToggleButtons(options=list(ways), **label("way", "5em"))
        self.call = ipywidgets.BoundedIntText(1, min=1, max=len(self._list_shown()), **label("call", "5em"))
        num_right = sum(rows[-1][-1] == "right" for rows in self._calls.values())
        summary = (
            f"Chain explorer: {len(examples)} problems, {len(ways)} ways "
            f"({', '.join(ways)}); {num_right} of {len(examples) * len(ways)} answers are right."
        )
        follow(self._begin, self.problem, self.way)
        super().__init__(summary, static, [self.problem, self.way, self.call])

    def _list_shown(self) -> list[tuple[str, ...]]:
        return self._calls[self.problem.value, self.way.value]

    def _begin(self) -> None:
        self.call.value, self.call.max = 1, len(self._list_shown())

    def _draw(self) -> str:
        rows = self._list_shown()
        row = dict(zip(COLUMNS, rows[self.call.value - 1], strict=True))
        row["step"] = f"{self.call.value} of {len(rows)}: {row['step']}"
        row["result"] = row["result"] or "shown with the last step"
        lines = [("tokens read + written" if name == "tokens" else name, text) for name, text in row.items()]
        return _title(self._examples[self.problem.value]) + draw_table(
            (), lines, has_row_heads=True, has_long_texts=True
        )


def _list_calls(way: str, answer: Answer, expected: str, scorer: Scorer) -> list[tuple[str, ...]]:
    """Return the calls behind an answer in the order of `COLUMNS`; the result stands in the last of them."""
    rows = []
    for step, reply in zip(answer.trace or [], answer.replies, strict=True):
        text = reply.text + (" … (cut off)" if reply.finish_reason == "length" else "")
        tokens = f"{reply.prompt_tokens} + {reply.completion_tokens}"
        rows.append((way, str(step["step"]), str(step["prompt"]), text, str(step["answer"]), tokens, ""))
    result = "right" if scorer(answer.prediction, expected).value == 1 else "wrong"
    return [*rows[:-1], (*rows[-1][:-1], result)]


def _title(example: Example) -> str:
    return f"<p><b>{html.escape(example.input)}</b>{html.escape(f' Expected: {example.expected}')}</p>"


class TraceInspector(TeachingWidget):
    """An agent's traces that are there already, replayed step by step beside their tasks; no model is asked."""

    def __init__(self, traces: Sequence[Trace], tasks: Sequence[Task]) -> None:
        self._pairs = list(zip(traces, tasks, strict=True))
        marks = [_mark(*pair) for pair in self._pairs]
        titles = [(f"{number + 1}. {marks[number]} {task.question[:80]}", number) for number, task in enumerate(tasks)]
        self.menu = ipywidgets.Dropdown(options=titles, **label("question", width="auto"))
        self.step = ipywidgets.BoundedIntText(0, min=0, max=len(traces[0].steps) + 1, **label("step"))
        num_tools = sum(trace.actions == task.tools for trace, task in self._pairs)
        summary = (
            f"Trace inspector: {len(traces)} questions, {marks.count('✓')} answers right, "
            f"{num_tools} with the expected tools."
        )
        follow(self._begin, self.menu)
        super().__init__(summary, self._tabulate(summary), [self.menu, self.step])

    def _begin(self) -> None:
        trace, _ = self._pairs[self.menu.value]
        self.step.value, self.step.max = 0, len(trace.steps) + 1

    def _draw(self) -> str:
        """Return so many steps of the chosen trace; past the last one, its answer and the verdict."""
        (trace, task), step = self._pairs[self.menu.value], self.step.value
        told = f"<div style='opacity:.7'>step {step} of {len(trace.steps)}</div>"
        if step > len(trace.steps):
            told = f"<div role='status'>{_judge(trace, task)}</div>"
        return draw_trace(trace, step) + told

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
    """See for a question the ranks of each search side by side, the passages, and the assembled prompt.

    `write_prompt` makes the messages of a question from what the last of the searches finds; the model counts their
    tokens. The ready questions come with their gold passages, which are marked and may be none. One that is typed goes
    before them.
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
        placeholder = "or type one of your own and press Enter"
        self.own = ipywidgets.Text(placeholder=placeholder, continuous_update=False, **label("own", width="95%"))
        summary = (
            f"Retrieval inspector: the first {NUM_RANKS} hits of {', '.join(retrievers)} for {len(questions)} "
            f"questions, and the prompts from the first {NUM_PASSAGES} hits of the last."
        )
        super().__init__(summary, "".join(map(self._tell, questions)), [self.menu, self.own])

    def _draw(self) -> str:
        # JupyterLab breaks preformatted text in the middle of a word.
        told = self._tell(self.own.value.strip() or self.menu.value)
        return told.replace("<pre style='", "<pre style='word-break:normal;")

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
        folded = f"<details><summary>The other {len(others)}</summary>{''.join(others)}</details>"
        legend = draw_table(("tag", "meaning"), meanings.items(), has_row_heads=True, has_long_texts=True)
        children = [self.menu, self.view, ipywidgets.HBox([self.choice, self.next_button]), self.told]
        super().__init__(summary, f"{legend}{first}{folded}", children=children)
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
