"""What a shared model may be asked: paths and fields that are known, each within a limit.

A model server trusts its caller. One grammar with a hundred thousand brackets ends llama.cpp, a schema of twenty thousand
levels or a long penalty window takes all memory, and an answer without an end keeps everybody else waiting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..core import clean_values

MOST_BYTES = 1_000_000  # of a request
MOST_WRITTEN = 1024  # tokens of an answer
MOST_TEXTS, MOST_SCHEMA_BYTES, MOST_SCHEMA_LEVELS, MOST_OPTIONS = 256, 20_000, 12, 400
# The grammar by which the course holds a reply to given words; any other can be built to last for ever.
GRAMMAR = re.compile(r'root ::= "(?:[^"\\]|\\.){1,200}"(?: \| "(?:[^"\\]|\\.){1,200}"){0,199}')


class Refused(Exception):
    """A request that is not passed on: the status of HTTP, and a sentence that says what to do."""

    def __init__(self, status: int, message: str, retry_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_s = status, retry_s


@dataclass(frozen=True)
class Field:
    """One field of a request: what it has to be, as a test and in words."""

    fits: Callable[[object], bool]
    wanted: str


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(low: float, high: float) -> Field:
    def fits(value: object) -> bool:
        return value is None or (isinstance(value, int | float) and type(value) is not bool and low <= value <= high)

    return Field(fits, f"a number from {low:g} to {high:g}")


def _is_whole(low: int, high: int) -> Field:
    return Field(lambda value: value is None or (type(value) is int and low <= value <= high), f"{low} to {high}")


def _are_messages(value: object) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= MOST_TEXTS
        and all(isinstance(one, dict) and {*map(type, one)} <= {str} for one in value)
        and all(isinstance(one.get("role"), str) and len(json.dumps(one)) <= MOST_BYTES for one in value)
    )


def _are_texts(value: object) -> bool:
    many = [value] if isinstance(value, str) else value
    return isinstance(many, list) and 1 <= len(many) <= MOST_TEXTS and all(map(_is_text, many))


def _is_small_schema(value: object) -> bool:
    """Whether a schema is small and flat, without what grows into a huge grammar: counts and regular expressions."""
    if value is None:
        return True
    text = json.dumps(value)
    if len(text) > MOST_SCHEMA_BYTES or re.search(r'"(pattern|minLength|maxLength|minItems|maxItems)": ?', text):
        return False
    level = deepest = num_options = 0
    for sign in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        level += (sign in "[{") - (sign in "]}")
        deepest, num_options = max(deepest, level), num_options + (sign == ",")
    return deepest <= MOST_SCHEMA_LEVELS and num_options <= MOST_OPTIONS


TEXT = Field(_is_text, "a text")
FLAG = Field(lambda value: value is None or type(value) is bool, "true or false")
STOP = Field(lambda value: value is None or (_are_texts(value) and len(value) <= 4) or _is_text(value), "up to 4 texts")
SCHEMA = Field(
    _is_small_schema,
    f"a schema of at most {MOST_SCHEMA_BYTES:,} bytes and {MOST_SCHEMA_LEVELS} levels, without pattern and counts",
)
WRITTEN = _is_whole(1, MOST_WRITTEN)
SAMPLING = {
    "model": TEXT,
    "temperature": _is_number(0, 2),
    "top_p": _is_number(0, 1),
    "seed": _is_whole(0, 2**32 - 1),
    "stop": STOP,
    "stream": FLAG,
    "stream_options": Field(lambda value: value in (None, {"include_usage": True}), '{"include_usage": true}'),
    "max_tokens": WRITTEN,
    "n": _is_whole(1, 1),
}
FIELDS: dict[str, dict[str, Field]] = {
    "/v1/chat/completions": SAMPLING
    | {
        "messages": Field(_are_messages, f"1 to {MOST_TEXTS} messages with a role"),
        "max_completion_tokens": WRITTEN,
        "logprobs": FLAG,
        "top_logprobs": _is_whole(0, 100),
        "response_format": SCHEMA,
        "tools": SCHEMA,
        "tool_choice": SCHEMA,
        "grammar": Field(
            lambda value: value is None or bool(GRAMMAR.fullmatch(value)), 'of the form root ::= "one" | "other"'
        ),
    },
    "/v1/completions": SAMPLING | {"prompt": TEXT, "logprobs": _is_whole(0, 100)},
    "/v1/embeddings": {
        "model": TEXT,
        "input": Field(_are_texts, f"a text, or 1 to {MOST_TEXTS} of them"),
        "encoding_format": Field(lambda value: value in (None, "float", "base64"), "float or base64"),
    },
    "/tokenize": dict.fromkeys(("model", "content", "prompt"), TEXT)
    | dict.fromkeys(("with_pieces", "return_token_strs", "add_special", "parse_special"), FLAG),
    "/apply-template": {"model": TEXT, "messages": Field(_are_messages, f"1 to {MOST_TEXTS} messages with a role")},
}
NEEDED = {"/v1/chat/completions": "messages", "/v1/completions": "prompt", "/v1/embeddings": "input"}
NEEDED |= {"/tokenize": "content", "/apply-template": "messages"}


def check_request(path: str, content: bytes) -> dict:
    """Return the body of a request that may be passed on, with a limit on what is written. Raises `Refused`."""
    if path not in FIELDS:
        raise Refused(404, f"{path} is not offered here; there is {', '.join(FIELDS)}.")
    if len(content) > MOST_BYTES:
        raise Refused(413, f"The request has {len(content):,} bytes; {MOST_BYTES:,} are allowed.")
    try:
        body = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The request is no JSON ({type(error).__name__}).") from None
    if not isinstance(body, dict):
        raise Refused(400, "The request is no object of JSON.")
    for name, value in body.items():
        field = FIELDS[path].get(name)
        if field is None:
            raise Refused(400, f"The field “{name[:40]}” is not taken here; leave it out.")
        try:
            is_fine = field.fits(value)
        except (TypeError, ValueError, RecursionError):
            is_fine = False
        if not is_fine:
            raise Refused(400, f"The field “{name}” has to be {field.wanted}.")
    if NEEDED[path] not in body:
        raise Refused(400, f"The field “{NEEDED[path]}” is missing.")
    if path.endswith("completions"):
        named = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        body[named] = body.get(named) or MOST_WRITTEN
    return clean_values(body)  # half a character would stop the model's server


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
