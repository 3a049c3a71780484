"""Retrieval looked at closely: what each search finds for a question, and the prompt that comes of it."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Mapping, Sequence

import ipywidgets

from ...core import Html, RecordingMissing, WorkbookError, draw_table
from ...models import Model
from ...rag import Chunk, Hit, Passage, Retriever, describe_place
from .base import TeachingWidget, style_html

WritePrompt = Callable[[str, Sequence[Hit]], list[dict]]
MARK = " ◀"


class RetrievalInspector(TeachingWidget):
    """Type a question and see the ranks of each search side by side, the passages, and the assembled prompt.

    Args:
        retrievers: the searches by name; the prompt is made from what the last one finds.
        write_prompt: makes the messages of a question and its hits.
        model: counts the tokens of the prompt.
        questions: ready questions, each with its gold passages, which are marked; they may be none.
        k: rows of the table.
        num_passages: hits that go into the prompt.

    Raises:
        WorkbookError: a ready question cannot be searched, or its prompt not be counted.
    """

    def __init__(
        self,
        retrievers: Mapping[str, Retriever],
        write_prompt: WritePrompt,
        model: Model,
        questions: Mapping[str, Sequence[Passage]],
        k: int = 5,
        num_passages: int = 2,
    ) -> None:
        self._retrievers, self._write_prompt, self._model = dict(retrievers), write_prompt, model
        self._questions, self._k, self._num_passages = dict(questions), k, num_passages
        first = next(iter(self._questions))
        self.menu = ipywidgets.Dropdown(
            options=list(self._questions), description="question", layout=ipywidgets.Layout(width="95%")
        )
        self.field = ipywidgets.Text(
            placeholder="or type one of your own", description="own", layout=ipywidgets.Layout(width="80%")
        )
        self.search_button = ipywidgets.Button(description="Search", tooltip="Search for the question that you typed")
        self._message, self._view = ipywidgets.HTML(), ipywidgets.HTML()
        self.menu.observe(lambda change: self.show(change["new"]), names="value")
        self.search_button.on_click(lambda _: self.show(self.field.value))
        self._views = {question: self._tell(question) for question in self._questions}
        summary = (
            f"Retrieval inspector: the first {k} hits of {', '.join(self._retrievers)} for {len(self._questions)} "
            f"questions, and the prompts from the first {num_passages} hits of the last."
        )
        own = ipywidgets.HBox([self.field, self.search_button])
        super().__init__([self.menu, own, self._message, self._view], summary, "".join(self._views.values()))
        self.show(first)

    def show(self, question: str) -> None:
        """Show what is found for a question; say so where that is not possible."""
        self._message.value = ""
        try:
            content = self._views.get(question) or self._tell(question)
        except RecordingMissing:
            self._message.value = (
                "<p role='status'>This question is not among the recordings. Those of the menu are; to search for your "
                "own, run the notebook with a model (LLMOPS_MODE=live).</p>"
            )
            return
        except WorkbookError as error:
            self._message.value = f"<p role='status'>{html.escape(str(error))}</p>"
            return
        # JupyterLab breaks preformatted text in the middle of a word.
        self._view.value = style_html(content.replace("<pre style='", "<pre style='word-break:normal;"))

    def _tell(self, question: str) -> str:
        found = {name: retriever.find_chunks(question, self._k) for name, retriever in self._retrievers.items()}
        spans = self._questions.get(question, ())
        chosen = list(found.values())[-1][: self._num_passages]
        messages = self._write_prompt(question, chosen)
        return (
            self._tell_ranks(question, found, spans)
            + "".join(_tell_passage(number, hit.chunk, spans) for number, hit in enumerate(chosen, start=1))
            + _tell_prompt(messages, self._model.count_tokens(messages))
        )

    def _tell_ranks(self, question: str, found: Mapping[str, Sequence[Hit]], spans: Sequence[Passage]) -> str:
        rows = []
        for place in range(self._k):
            cells = [_tell_hit(hits[place], spans) if place < len(hits) else "" for hits in found.values()]
            rows.append((place + 1, *cells))
        note = f"{MARK} holds the gold passage" if spans else "no gold passage is known"
        caption = Html(f"<strong>{html.escape(question)}</strong> ({note})")
        return draw_table(("rank", *found), rows, caption, align="rl")


def _tell_hit(hit: Hit, spans: Sequence[Passage]) -> str:
    is_gold = any(span.overlaps(hit.chunk) for span in spans)
    return f"{describe_place(hit.chunk)} ({hit.score:.3f}){MARK if is_gold else ''}"


def _tell_passage(number: int, chunk: Chunk, spans: Sequence[Passage]) -> str:
    """Return a passage with the parts that belong to a gold passage marked."""
    borders = {chunk.start, chunk.end}
    inside = [span for span in spans if span.page.name == chunk.page.name]
    for span in inside:
        borders |= {border for border in (span.start, span.end) if chunk.start < border < chunk.end}
    parts, edges = [], sorted(borders)
    for start, end in itertools.pairwise(edges):
        text = html.escape(chunk.page.text[start:end])
        is_gold = any(span.start <= start and end <= span.end for span in inside)
        parts.append(f"<mark>{text}</mark>" if is_gold else text)
    return (
        f"<p><strong>[{number}] {html.escape(describe_place(chunk))}</strong></p>"
        f"<pre style='white-space:pre-wrap'>{''.join(parts)}</pre>"
    )


def _tell_prompt(messages: Sequence[dict], num_tokens: int) -> str:
    told = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
    return (
        f"<details><summary>The assembled prompt: {num_tokens} tokens</summary>"
        f"<pre style='white-space:pre-wrap'>{html.escape(told)}</pre></details>"
    )
