"""What a model call returns: text, price and provenance; and one checked reading of what a server sends.

Servers that speak the same API differ, and some answer oddly. What can be used is read, what is unknown is left
unknown, and where there is nothing to use the readers raise `NoAnswer`, whatever they are given.
"""

from __future__ import annotations

import base64
import html
import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any, NamedTuple

from ..core import clean_text
from .schemas import split_thoughts

LASTING = (400, 404, 405, 413, 415, 422)  # a refusal of the request itself, not the fault of a moment or of a key
SAID = ("message", "detail", "msg")  # where a server says what is wrong
MOST_SAID = 400  # characters of a server's own message that are passed on
MOST_NUMBER = 65_504  # in a vector: what 16 bits can hold, as recordings keep it
TOO_LONG = re.compile(r"(?i)context.?(?:length|size|window)|(prompt|input) (is too long|length)|token count.*exceed")
TOO_MANY = re.compile(r"(?i)rate.?limit|too many requests|quota")
# A refusal for a key, an account or a model that is not there yet: the next day it may be none.
PASSING = re.compile(TOO_MANY.pattern + r"|credit|billing|api.?key|(model|deployment).{0,99}(load|not found|not exist)")
BROKEN = ("error", "abort", "aborted", "cancelled", "timeout", "network_error", "insufficient_system_resource")
FINISHES = dict.fromkeys(("max_tokens", "max_output_tokens", "model_length"), "length")
THINKING = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks", "reasoning_text")


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

    def fill(self, read: int, written: int) -> tuple[int, int]:
        """Return both, with these numbers where one is unknown."""
        return read if self.read is None else self.read, written if self.written is None else self.written


def estimate_tokens(*texts: str) -> int:
    """Return about how many tokens texts have: in English, four bytes are one."""
    return sum(len(clean_text(text).encode()) for text in texts) // 4 + 1


def get_field(data: Any, name: str) -> Any:
    """Return a field of what may be no dict, or None."""
    return data.get(name) if isinstance(data, dict) else None


def list_dicts(value: Any) -> list[dict]:
    """Return the dicts of what may be no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def find_error(data: Any) -> tuple[int, Any] | None:
    """Return the HTTP status and the words of an error that stands in an answer of status 200, or None.

    Where nothing tells which one it is, 502 stands for it: somebody behind the server failed, which may pass.
    """
    data = next(iter(list_dicts(data)), data)  # Gemini puts it into a list
    if not isinstance(data, dict):
        return None
    first = next(iter(list_dicts(data.get("choices"))), {})
    errors = (data.get("error"), first.get("error"), data.get("errors"))  # gateways send one of empty fields, too
    error = next((one for one in errors if (any(one.values()) if isinstance(one, dict) else one)), None)
    is_bare = not any(data.get(name) for name in ("choices", "data", "tokens", "prompt", "count"))
    if not error and is_bare and any(data.get(name) for name in SAID):
        error = data
    if not error and first.get("finish_reason") in BROKEN:
        error = f"The answer ended with the finish_reason {first['finish_reason']}."
    if not error:
        return None
    codes = [str(get_field(error, name)) for name in ("code", "status", "statusCode")]
    if found := [int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code)]:
        return found[0], error
    said = json.dumps(error)
    return 400 if TOO_LONG.search(said) else 429 if TOO_MANY.search(said) else 502, error


def read_first(data: Any) -> dict:
    """Return the first choice of a completion."""
    choices = list_dicts(get_field(data, "choices"))
    if not choices:
        raise NoAnswer("it holds no choice")
    return choices[0]


def read_chat(data: Any) -> Said:
    """Return what a chat completion says, the thoughts apart."""
    choice = read_first(data)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise NoAnswer("it holds no message")
    content = message.get("content") or message.get("refusal") or ""
    if not isinstance(content, str | list):
        raise NoAnswer("its message holds no text")
    parts: list = content if isinstance(content, list) else [content]
    kinds = ("thinking", "reasoning", "thought")
    thinking = [one for one in parts if str(get_field(one, "type")).startswith(kinds) or get_field(one, "thought")]
    text, thought = split_thoughts(_join_texts([part for part in parts if part not in thinking]))
    thinking += [next((message[name] for name in THINKING if message.get(name)), None), thought]
    finish_reason = choice.get("finish_reason")
    finish_reason = finish_reason.lower() if isinstance(finish_reason, str) and finish_reason else "stop"
    return Said(
        text,
        "\n".join(filter(None, map(_join_texts, thinking))),
        FINISHES.get(finish_reason, finish_reason),
        tuple(_read_chances(choice.get("logprobs"))),
    )


def _join_texts(content: Any) -> str:
    """Return the texts of a message: it is one, or a list of parts, of which some may hold none."""
    if isinstance(content, list):
        return "".join(map(_join_texts, content))
    if isinstance(content, dict):
        names = ("text", "value", "thinking", "reasoning", "refusal", "content", "summary")
        return _join_texts(next((content[name] for name in names if content.get(name)), None))
    return clean_text(content) if isinstance(content, str) else ""


def read_usage(data: Any) -> Usage:
    """Return the tokens that an answer states. What the total has beyond the parts was written too, as thoughts."""
    usage = get_field(data, "usage")
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens")
    read, written, total, taken, given = (_count(get_field(usage, name)) for name in names)
    read, written = taken if read is None else read, given if written is None else written
    if read is not None and total is not None and total >= read + (written or 0):
        written = total - read
    return Usage(read, written)


def _count(value: Any) -> int | None:
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
    return int(text) if re.fullmatch("[0-9]{1,12}", text) else None


def read_vectors(data: Any, num: int) -> list[list[float]]:
    """Return one vector for each of so many texts, in their order: finite numbers, of one length."""
    rows = get_field(data, "data")
    if len(list_dicts(rows)) != num or len(rows) != num:
        raise NoAnswer(f"it does not hold {num} vectors")
    places = [place if row.get("index") is None else _count(row["index"]) for place, row in enumerate(rows)]
    if sorted(place for place in places if place is not None) != list(range(num)):
        raise NoAnswer("its vectors do not say whose they are")
    ordered = sorted(zip(places, rows, strict=True), key=itemgetter(0))
    vectors: list[Any] = [_unpack(row.get("embedding")) for _, row in ordered]
    for vector in vectors:
        if not isinstance(vector, list) or not vector or len(vector) != len(vectors[0]):
            raise NoAnswer("its vectors are none or differ in length")
        if not all(type(number) in (int, float) and abs(number) <= MOST_NUMBER for number in vector):
            raise NoAnswer(f"a vector holds what is no number up to {MOST_NUMBER:,}")
    return vectors


def _unpack(vector: Any) -> Any:
    """Return the numbers of a vector that came as 32-bit floats in base64, any other as it is."""
    try:
        content = base64.b64decode(vector, validate=True) if isinstance(vector, str) else b""
        return list(struct.unpack(f"<{len(content) // 4}f", content)) if content else vector
    except (ValueError, struct.error):
        return None


def read_next(data: Any) -> list[TokenChance]:
    """Return the likeliest next tokens of a completion, the likeliest first, or none where it holds none."""
    logprobs = read_first(data).get("logprobs")
    for chance in _read_chances(logprobs):  # llama.cpp answers in the form of chat completions
        return list(chance.alternatives)
    first = next(iter(list_dicts(get_field(logprobs, "top_logprobs"))), {})
    found = [TokenChance(clean_text(token), _read_probability(value)) for token, value in first.items()]
    return sorted((one for one in found if one.probability >= 0), key=lambda one: -one.probability)


def _read_chances(logprobs: Any, field_name: str = "content") -> Iterator[TokenChance]:
    for entry in list_dicts(get_field(logprobs, field_name)):
        if isinstance(entry.get("token"), str):
            others = () if field_name == "top_logprobs" else _read_chances(entry, "top_logprobs")
            known = tuple(one for one in others if one.probability >= 0)
            yield TokenChance(clean_text(entry["token"]), _read_probability(entry.get("logprob")), known)


def _read_probability(logprob: Any) -> float:
    return math.exp(max(-800, min(logprob, 0))) if type(logprob) in (int, float) and logprob == logprob else math.nan


def read_tokens(data: Any) -> list[Token]:
    """Return the tokens of a text, as llama.cpp and vLLM state them."""
    tokens, strings = get_field(data, "tokens"), get_field(data, "token_strs")
    if not isinstance(tokens, list) or not tokens:
        raise NoAnswer("it holds no tokens")
    if isinstance(strings, list) and len(strings) == len(tokens):
        tokens = [{"id": number, "piece": piece} for number, piece in zip(tokens, strings, strict=True)]
    if not all(type(get_field(token, "id")) is int for token in tokens):
        raise NoAnswer("it does not show its tokens")
    return [Token(token["id"], _read_piece(token.get("piece"))) for token in tokens]


def read_prompt(data: Any) -> str:
    """Return a conversation in the form of the model's chat template."""
    prompt = get_field(data, "prompt")
    if not isinstance(prompt, str) or not prompt:
        raise NoAnswer("it holds no prompt")
    return prompt


def _read_piece(piece: Any) -> str:
    if isinstance(piece, str):
        return clean_text(piece)
    try:  # llama.cpp gives bytes where a token is a part of a character
        return bytes([*piece]).decode("utf-8", "replace")
    except (TypeError, ValueError):
        raise NoAnswer("it shows a token that is none") from None


def may_be_kept(path: str, answer: dict[str, Any]) -> bool:
    """Return whether an answer may be recorded: one that a reader can use, or a refusal that a repetition would meet."""
    body, status = answer.get("body"), answer["status"]
    if "stream" in answer:  # one that was cut has another status
        return status == 200
    if not isinstance(body, dict) or status in LASTING:
        return isinstance(body, dict) and not PASSING.search(json.dumps(body))
    if status != 200 or find_error(body) is not None:
        return False
    try:
        if path.endswith("/chat/completions"):
            read_chat(body)
        elif path.endswith("/completions"):
            return isinstance(read_first(body).get("text"), str)
        elif path.endswith("/tokenize"):
            read_tokens(body)
    except NoAnswer:
        return False
    return True
