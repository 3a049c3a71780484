"""Answers: the prompt within the context window, the model's answer with citations, and "not in the handbook"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core import DataError
from ..evaluation import Answer
from ..models import Model, Reply
from .chunks import LEADING, Chunk
from .search import Hit, Retriever, split_words

NOT_FOUND = "not in the handbook"
STYLES = ("short", "schema")
INSTRUCTION = "You answer questions about Pellworth from passages of its handbook."
# What stands after the question. A model as small as the course's answers best where it is asked for nothing but a
# short answer; to a schema with a source it gives numbers without sense.
TASKS = {
    "short": "Short answer:",
    "schema": "Give the number of the passage that answers the question, and a short answer. If none answers it, give 0.",
}
# A token of English text has about four characters. With fewer than this many per token, a prompt surely fits.
FEWEST_CHARACTERS = 2
TEMPLATE_TOKENS = 40  # what a chat template adds


@dataclass(frozen=True)
class Prompt:
    """What the model is asked, and what of the hits went in.

    Attributes:
        messages: the conversation.
        hits: those whose passages stand in it, as [1], [2] and so on.
        num_left_out: how many hits did not fit.
    """

    messages: list[dict]
    hits: tuple[Hit, ...]
    num_left_out: int = 0


@dataclass(frozen=True)
class GroundedAnswer:
    """An answer from documents.

    Attributes:
        question: what was asked.
        text: the answer, with its citation such as [1], or "not in the handbook".
        answer: the same without citation.
        cited: the hits that it cites; empty where it is refused.
        hits: what was found.
        support: the best cosine among the hits, None where none has one.
        refused_by: `threshold`, `model`, `check`, or an empty text where it is not refused.
        prompt: what the model was asked, None where the threshold refused before.
        reply: what it answered.
    """

    question: str
    text: str
    answer: str
    cited: tuple[Hit, ...]
    hits: tuple[Hit, ...]
    support: float | None
    refused_by: str = ""
    prompt: Prompt | None = field(default=None, repr=False)
    reply: Reply | None = field(default=None, repr=False)

    @property
    def is_refused(self) -> bool:
        """Whether it says that the documents do not answer the question."""
        return bool(self.refused_by)

    @property
    def citations(self) -> list[str]:
        """Each cited passage as `[1] page > heading`."""
        return [
            f"[{number}] {describe_place(hit.chunk)}" for number, hit in enumerate(self.hits, 1) if hit in self.cited
        ]

    def __str__(self) -> str:
        return "\n".join([self.text, *self.citations])


def describe_place(chunk: Chunk) -> str:
    """Return where a chunk stands: page and headings."""
    return f"{chunk.page.name} > {chunk.heading}" if chunk.heading else chunk.page.name


def write_passages(hits: Sequence[Hit]) -> str:
    """Return the passages with their numbers, as the model reads them."""
    return "\n\n".join(
        f"[{number}] {hit.chunk.page.title}: {_strip_heading(hit.chunk.text)}"
        for number, hit in enumerate(hits, start=1)
    )


def _strip_heading(text: str) -> str:
    return text[LEADING.match(text).end() :] or text


def assemble_prompt(
    question: str,
    hits: Sequence[Hit],
    model: Model,
    *,
    task: str = TASKS["short"],
    instruction: str = INSTRUCTION,
    max_tokens: int = 64,
    context: int | None = None,
) -> Prompt:
    """Return the prompt with as many of the hits, the best first, as fit into the context window.

    The model counts the tokens only where it could be too many: below two characters per token nothing needs counting.

    Args:
        question: what is asked.
        hits: the best first.
        model: counts tokens; one that cannot is given at most half of the window.
        task: what to do, after the question.
        instruction: the system message.
        max_tokens: what is kept free for the reply.
        context: tokens of the window; default: LLMOPS_CONTEXT.

    Raises:
        DataError: the question is empty, or so long that not even one passage fits beside it.
    """
    if not question.strip():
        raise DataError("The question is empty.", "Ask something.")
    room = (context or model.connection.settings.context) - max_tokens
    for num in range(len(hits), 0, -1):
        chosen = tuple(hits[:num])
        messages = [
            {"role": "system", "content": instruction},
            {"role": "user", "content": f"{write_passages(chosen)}\n\nQuestion: {question}\n{task}"},
        ]
        if _fits(messages, room, model):
            return Prompt(messages, chosen, len(hits) - num)
    num_words = len(question.split())
    raise DataError(
        f"The question ({num_words} words) and one passage do not fit into {room} tokens.",
        "Shorten the question, take smaller chunks, or raise LLMOPS_CONTEXT.",
    )


def _fits(messages: list[dict], room: int, model: Model) -> bool:
    num_characters = sum(len(message["content"]) for message in messages)
    if num_characters / FEWEST_CHARACTERS + TEMPLATE_TOKENS <= room:
        return True
    if num_characters > 12 * room or not model.can("tokenize"):  # no tokenizer packs so much into a token
        return False
    return model.count_tokens(messages) <= room


@dataclass(frozen=True)
class Assistant:
    """Answers questions from documents; a system for `evaluate`.

    It says "not in the handbook" in up to three places: before the model is asked, where no hit is as near to the
    question as `threshold`; where the model says so itself; and after, where no passage holds the words of the answer.

    Attributes:
        model: writes the answers.
        retriever: finds the passages.
        k: passages in the prompt.
        style: `short`: the model writes a short answer, and the passage that holds most of its words is cited;
            `schema`: the model names its source in JSON, or 0, which small models cannot.
        threshold: the least cosine of the best hit; None asks the model always. Choose it on a development set.
        least_share: in the style `short`, the share of the answer's words that the cited passage must hold, with all
            its numbers; 0 leaves the check out.
        max_tokens: most tokens of the reply.
    """

    model: Model
    retriever: Retriever
    k: int = 2
    style: str = "short"
    threshold: float | None = None
    least_share: float = 0.5
    max_tokens: int = 48
    instruction: str = INSTRUCTION

    def __post_init__(self) -> None:
        if self.style not in STYLES or not 0 <= self.least_share <= 1:
            raise DataError(
                f"There is no style “{self.style}” with a least share of {self.least_share}.",
                f"Choose one of {', '.join(STYLES)}, and a share from 0 to 1.",
            )

    def list_parts(self) -> list:
        """Return what the answers depend on; `evaluate` goes on with an interrupted run only where it is unchanged."""
        options = [self.k, self.style, self.threshold, self.least_share, self.max_tokens, self.instruction]
        return [repr(self.model), self.retriever, options]

    def answer(self, question: str) -> GroundedAnswer:
        """Return the answer to a question. Raises what search and model raise."""
        hits = tuple(self.retriever.find_chunks(question, self.k))
        support = max((hit.cosine for hit in hits if hit.cosine is not None), default=None)
        if not hits or (self.threshold is not None and (support is None or support < self.threshold)):
            return GroundedAnswer(question, NOT_FOUND, NOT_FOUND, (), hits, support, "threshold")
        prompt = assemble_prompt(
            question,
            hits,
            self.model,
            task=TASKS[self.style],
            instruction=self.instruction,
            max_tokens=self.max_tokens,
        )
        if self.style == "schema":
            reply = self.model.chat(prompt.messages, schema=make_schema(len(prompt.hits)), max_tokens=self.max_tokens)
            source, text = read_reply(reply.parsed, len(prompt.hits))
            refused_by = "" if source and text else "model"
        else:
            reply = self.model.chat(prompt.messages, max_tokens=self.max_tokens, stop=["\n"])
            text = " ".join(reply.text.split())
            source, share = find_source(text, prompt.hits)
            is_said = not text or NOT_FOUND in text.casefold()
            refused_by = "model" if is_said else "check" if not source or share < self.least_share else ""
        if refused_by:
            return GroundedAnswer(question, NOT_FOUND, NOT_FOUND, (), hits, support, refused_by, prompt, reply)
        cited = (prompt.hits[source - 1],)
        return GroundedAnswer(question, f"{text} [{source}]", text, cited, hits, support, "", prompt, reply)

    def __call__(self, question: str) -> Answer:
        """Return the answer as `evaluate` wants it: the text without citation, the reply, and the trace."""
        result = self.answer(question)
        trace = [
            {
                "hits": [hit.chunk.id for hit in result.hits],
                "cited": [hit.chunk.id for hit in result.cited],
                "support": result.support,
                "refused_by": result.refused_by,
            }
        ]
        return Answer(result.answer, (result.reply,) if result.reply else (), trace)


def find_source(answer: str, hits: Sequence[Hit]) -> tuple[int, float]:
    """Return the number of the passage that holds most of an answer's words, and the share that it holds.

    Of equals the first. A passage that lacks a number of the answer is no source of it. Stop words do not count; where
    the answer has no other words, as in "no", the first passage is taken, with a share of 0.

    Args:
        answer: the text without citation.
        hits: the passages as they are numbered, from 1.

    Returns:
        The number, 0 where each passage lacks a number of the answer; and the share, in [0, 1].
    """
    words = set(split_words(answer))
    numbers = {word for word in words if word[0].isdigit()}
    best, best_share = 0, -1.0
    for number, hit in enumerate(hits, start=1):
        held = set(split_words(hit.chunk.searched))
        share = len(words & held) / len(words) if words else 0.0
        if numbers <= held and share > best_share:
            best, best_share = number, share
    return best, max(best_share, 0.0)


def make_schema(num_passages: int) -> dict:
    """Return the schema of a reply: the number of its source, 0 for none, then the answer."""
    return {
        "type": "object",
        "properties": {
            "source": {"type": "integer", "enum": list(range(num_passages + 1))},
            "answer": {"type": "string", "maxLength": 120},
        },
        "required": ["source", "answer"],
        "additionalProperties": False,
    }


def read_reply(parsed: object, num_passages: int) -> tuple[int, str]:
    """Return source and answer of a parsed reply; (0, "") where it is broken or names no passage that was given."""
    if not isinstance(parsed, dict):
        return 0, ""
    source, answer = parsed.get("source"), parsed.get("answer")
    if isinstance(source, bool) or not isinstance(source, int) or not isinstance(answer, str):
        return 0, ""
    return (source, " ".join(answer.split())) if 0 <= source <= num_passages else (0, "")
