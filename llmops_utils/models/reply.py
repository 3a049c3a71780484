"""What a model call returns: text, price and provenance; and one checked reading of what a server sends.

Servers that speak the same API differ, and some answer oddly. What can be used is read, what is unknown is left
unknown, and where there is nothing to use the readers raise `NoAnswer`, whatever they are given.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from ..core import clean_text

LASTING = (400, 404, 405, 413, 415, 422)  # a refusal of the request itself, not the fault of a moment or of a key
Value = TypeVar("Value")
MOST_SAID = 400  # characters of a server's own message that are passed on
TOO_LONG = re.compile(r"(?i)context.?(?:length|size|window)|(?:prompt|input) is too long|token count.*exceed")
TOO_MANY = re.compile(r"(?i)rate.?limit|too many requests|quota")


@dataclass(frozen=True)
class Provenance:
    """Where an answer comes from: `source` is the weights' checksum or the provider's host.

    `dropped` names what was asked for and not sent, since the provider does not take it.
    """

    model: str
    source: str
    mode: str
    seed: int | None = None
    recorded: str = ""
    dropped: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        recorded = f" of {self.recorded}" if self.recorded else ""
        seed = f", seed {self.seed}" if self.seed is not None else ""
        without = f", without {' and '.join(self.dropped)}" if self.dropped else ""
        return f"{self.model} ({self.source}{seed}), {self.mode}{recorded}{without}"

    @property
    def without_seed(self) -> Provenance:
        """The same without the seed: what the replies of a whole run have in common."""
        return replace(self, seed=None)


@dataclass(frozen=True)
class Token:
    """A piece of text as the model reads it, and its number in the vocabulary."""

    id: int
    text: str


@dataclass(frozen=True)
class TokenChance:
    """A token, the probability that the model gave it, and the likeliest tokens at that place."""

    text: str
    probability: float
    alternatives: tuple[TokenChance, ...] = ()


@dataclass(frozen=True)
class Reply:
    """One answer of a model.

    Attributes:
        latency_s: seconds from request to complete answer; in replay the recorded ones.
        cost_usd: dollars at list price, 0.0 on your own machine, None where no price is known.
        finish_reason: "stop" where the model ended by itself, "length" where max_tokens cut it off.
        parsed: the value that a schema or choices asked for, else None.
        tokens: each written token with its probability (nan where unknown), where logprobs were asked for.
        thoughts: what a thinking model wrote before its answer.
        is_estimated: whether tokens and price are estimates, since the server did not state what it took.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    cost_usd: float | None
    provenance: Provenance
    finish_reason: str = "stop"
    parsed: object = None
    tokens: tuple[TokenChance, ...] = field(default=(), repr=False)
    thoughts: str = field(default="", repr=False)
    is_estimated: bool = field(default=False, repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def price(self) -> str:
        """Tokens, seconds and dollars in one line."""
        cost = "price unknown" if self.cost_usd is None else "$0" if self.cost_usd == 0 else f"${self.cost_usd:.6f}"
        cut = " (cut off at max_tokens)" if self.finish_reason == "length" else ""
        guess = " (estimated)" if self.is_estimated else ""
        return f"{self.prompt_tokens} + {self.completion_tokens} tokens{guess}{cut} · {self.latency_s:.2f} s · {cost}"

    def _repr_html_(self) -> str:
        return (
            '<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">'
            f'<div style="white-space:pre-wrap">{html.escape(self.text) or "<em>(empty reply)</em>"}</div>'
            f'<div style="opacity:.7;font-size:85%;margin-top:.4em">{html.escape(self.price)}<br>'
            f"{html.escape(str(self.provenance))}</div></div>"
        )


# --- what a server sends ----------------------------------------------------------------------------------------


class NoAnswer(ValueError):
    """What a server sent is no answer to what it was asked; the text says why."""


class Said(NamedTuple):
    """What a chat completion says."""

    text: str
    thoughts: str
    finish_reason: str
    tokens: tuple[TokenChance, ...]


class Usage(NamedTuple):
    """The tokens that were read and written; None where the server does not say."""

    read: int | None
    written: int | None

    def complete(self, asked: list[str], said: list[str]) -> tuple[int, int]:
        """Return both, with an estimate for what is unknown: in English, about four bytes are a token."""
        num_asked, num_said = (
            sum(len(clean_text(text).encode()) for text in texts) // 4 + 1 for texts in (asked, said)
        )
        return num_asked if self.read is None else self.read, num_said if self.written is None else self.written


def find_error(data: Any) -> tuple[int, Any] | None:
    """Return the HTTP status and the words of an error that stands in an answer of status 200, or None.

    Where nothing tells which one it is, 502 stands for it: somebody behind the server failed, which may pass.
    """
    if not isinstance(data, dict):
        return None
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    error = data.get("error") or first.get("error") or data.get("errors")
    is_bare = not any(data.get(name) for name in ("choices", "data", "tokens", "prompt", "count"))
    if not error and is_bare and (data.get("message") or data.get("detail")):
        error = data
    if not error and first.get("finish_reason") == "error":
        error = "The answer ended with the finish_reason error."
    if not error:
        return None
    code = str(error.get("code") or error.get("status") or "") if isinstance(error, dict) else ""
    if re.fullmatch("[45][0-9][0-9]", code):
        return int(code), error
    said = json.dumps(error)
    return 400 if TOO_LONG.search(said) else 429 if TOO_MANY.search(said) else 502, error


def read_first(data: Any) -> dict:
    """Return the first choice of a completion."""
    choices = data.get("choices") if isinstance(data, dict) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise NoAnswer("it holds no choice")
    return choices[0]


def read_chat(data: Any) -> Said:
    """Return what a chat completion says, the thoughts apart."""
    choice = read_first(data)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise NoAnswer("it holds no message")
    content = message.get("content")
    parts = content if isinstance(content, list) else [content or message.get("refusal") or ""]
    texts, thoughts = [], []
    for part in parts:
        if isinstance(part, dict) and part.get("thinking"):
            inner = part["thinking"] if isinstance(part["thinking"], list) else [part["thinking"]]
            thoughts += [one.get("text") if isinstance(one, dict) else one for one in inner]
        else:
            texts.append(part.get("text") if isinstance(part, dict) else part)
    if not isinstance(content, list) and texts and not isinstance(texts[0], str):
        raise NoAnswer("its message holds no text")
    text, thought = split_thoughts(clean_text("".join(one for one in texts if isinstance(one, str))))
    thoughts += [message.get("reasoning_content") or message.get("reasoning"), thought]
    all_thoughts = "\n".join(one for one in thoughts if isinstance(one, str) and one)
    finish_reason = choice.get("finish_reason")
    return Said(
        text,
        clean_text(all_thoughts),
        finish_reason if isinstance(finish_reason, str) and finish_reason else "stop",
        tuple(_read_chances(choice.get("logprobs"))),
    )


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the answer and the thoughts that stand before it between `<think>` and `</think>`.

    Where the chat template has written `<think>` itself, all before `</think>` are thoughts; where the reply was cut
    off while the model thought, there is no answer. Text without such a beginning is returned as it is.
    """
    thoughts, rest = [], text
    while rest.lstrip().startswith("<think>"):
        thought, _, rest = rest.lstrip().removeprefix("<think>").partition("</think>")
        thoughts.append(thought.strip())
    if not thoughts and "<think>" not in text and "</think>" in text:
        thought, _, rest = text.partition("</think>")
        thoughts.append(thought.strip())
    return (rest.lstrip(), "\n".join(thoughts)) if thoughts else (text, "")


def read_usage(data: Any) -> Usage:
    """Return the tokens that an answer states. What the total has beyond the parts was written too, as thoughts."""
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return Usage(None, None)
    read, written, total = (_count(usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    if read is not None and total is not None and total >= read + (written or 0):
        written = total - read
    return Usage(read, written)


def _count(value: Any) -> int | None:
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def read_vectors(data: Any, num: int) -> list[list[float]]:
    """Return one vector for each of so many texts, in their order: finite numbers, of one length."""
    rows = data.get("data") if isinstance(data, dict) else None
    if not isinstance(rows, list) or len(rows) != num or not all(isinstance(row, dict) for row in rows):
        raise NoAnswer(f"it does not hold {num} vectors")
    places = [row.get("index", place) for place, row in enumerate(rows)]  # who leaves them out keeps the order
    if any(type(place) is not int for place in places) or sorted(places) != list(range(num)):
        raise NoAnswer("its vectors do not say whose they are")
    vectors: list[Any] = [row.get("embedding") for _, row in sorted(zip(places, rows, strict=True), key=itemgetter(0))]
    for vector in vectors:
        if not isinstance(vector, list) or not vector or len(vector) != len(vectors[0]):
            raise NoAnswer("its vectors are none or differ in length")
        if not all(type(number) in (int, float) and abs(number) < 1e38 for number in vector):
            raise NoAnswer("a vector holds what is no number")
    return vectors


def read_next(data: Any) -> list[TokenChance]:
    """Return the likeliest next tokens of a completion, the likeliest first, or none where it holds none."""
    logprobs = read_first(data).get("logprobs")
    for chance in _read_chances(logprobs):  # llama.cpp answers in the form of chat completions
        return list(chance.alternatives)
    listed = logprobs.get("top_logprobs") if isinstance(logprobs, dict) else None
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    found = [TokenChance(clean_text(token), _read_probability(value)) for token, value in first.items()]
    return sorted((one for one in found if one.probability >= 0), key=lambda one: -one.probability)


def _read_chances(logprobs: Any, field_name: str = "content") -> Iterator[TokenChance]:
    entries = logprobs.get(field_name) if isinstance(logprobs, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("token"), str):
            others = () if field_name == "top_logprobs" else _read_chances(entry, "top_logprobs")
            known = tuple(one for one in others if one.probability >= 0)
            yield TokenChance(clean_text(entry["token"]), _read_probability(entry.get("logprob")), known)


def _read_probability(logprob: Any) -> float:
    return math.exp(max(-800, min(logprob, 0))) if type(logprob) in (int, float) and logprob == logprob else math.nan


def read_tokens(data: Any) -> list[Token]:
    """Return the tokens of a text, as llama.cpp and vLLM state them. Raises `NoAnswer` where they are not shown."""
    tokens = data.get("tokens") if isinstance(data, dict) else None
    strings = data.get("token_strs") if isinstance(data, dict) else None
    if not isinstance(tokens, list) or not tokens:
        raise NoAnswer("it holds no tokens")
    if isinstance(strings, list) and len(strings) == len(tokens):
        tokens = [{"id": number, "piece": piece} for number, piece in zip(tokens, strings, strict=True)]
    if not all(isinstance(token, dict) and type(token.get("id")) is int for token in tokens):
        raise NoAnswer("it does not show its tokens")
    return [Token(token["id"], read_piece(token.get("piece"))) for token in tokens]


def read_field(name: str, kind: type[Value]) -> Callable[[Any], Value]:
    """Return a reader of one field of an answer."""

    def read(data: Any) -> Value:
        value = data.get(name) if isinstance(data, dict) else None
        if type(value) is not kind or not value:
            raise NoAnswer(f"it holds no {name}")
        return value

    return read


def read_piece(piece: Any) -> str:
    """Return a token's text; llama.cpp gives bytes where a token is a part of a character."""
    if isinstance(piece, str):
        return clean_text(piece)
    try:
        return bytes([*piece]).decode("utf-8", "replace")
    except (TypeError, ValueError):
        raise NoAnswer("it shows a token that is none") from None


def may_be_kept(path: str, answer: dict[str, Any]) -> bool:
    """Return whether an answer may be recorded: one that a reader can use, or a refusal that a repetition would meet.

    An error, whatever its status, a failure that passes, and an answer that is cut or of another form are none.
    """
    body, kind = answer.get("body"), path.rpartition("/v1")[2]
    if answer["status"] in LASTING:
        return isinstance(body, dict)
    if answer["status"] != 200 or find_error(body) is not None:
        return False
    if "events" in answer:  # a stream that was cut has raised before
        return True
    try:
        if kind == "/chat/completions":
            read_chat(body)
        elif kind == "/completions":
            return isinstance(read_first(body).get("text"), str)
        elif kind == "/tokenize":
            read_tokens(body)
        return isinstance(body, dict)
    except ValueError:
        return False
