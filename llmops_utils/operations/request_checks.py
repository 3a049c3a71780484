"""What a shared model may be asked: paths and fields that are known, each within a limit.

A model server trusts its caller. One grammar with a hundred thousand brackets ends llama.cpp, a schema of twenty thousand
levels or a long penalty window takes all memory, and an answer without an end keeps everybody else waiting.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..core import parse_json_values

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


def _check_schema(value: Any) -> Any:
    """Return a small and flat schema, without what grows into a huge grammar: counts and regular expressions."""
    text = json.dumps(value, allow_nan=False)
    if re.search(r'"(pattern|minLength|maxLength|minItems|maxItems)": ?', text):
        raise ValueError("pattern and counts are not taken")
    level = deepest = num_options = 0
    for sign in re.sub(r'"(?:[^"\\]|\\.)*"', "", text):
        level += (sign in "[{") - (sign in "]}")
        deepest, num_options = max(deepest, level), num_options + (sign == ",")
    if len(text) > MOST_SCHEMA_BYTES or deepest > MOST_SCHEMA_LEVELS or num_options > MOST_OPTIONS:
        raise ValueError(f"at most {MOST_SCHEMA_BYTES:,} bytes and {MOST_SCHEMA_LEVELS} levels are taken")
    return value


def _check_grammar(value: str) -> str:
    if not GRAMMAR.fullmatch(value):
        raise ValueError('only the form root ::= "one" | "other" is taken')
    return value


def _check_role(message: dict[str, str]) -> dict[str, str]:
    if "role" not in message:
        raise ValueError("each message needs a role")
    return message


Schema = Annotated[Any, AfterValidator(_check_schema)]
Written = Annotated[int, Field(ge=1, le=MOST_WRITTEN)] | None
Probabilities = Annotated[int, Field(ge=0, le=100)] | None
Texts = Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
Message = Annotated[dict[str, str], AfterValidator(_check_role)]
Messages = Annotated[list[Message], Field(min_length=1, max_length=MOST_TEXTS)]


class Request(BaseModel):
    """What every request may name; what a path does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: str = ""


class Sampled(Request):
    """What a request for an answer may name."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    stop: str | Annotated[Texts, Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: dict[Literal["include_usage"], Literal[True]] | None = None
    max_tokens: Written = None
    n: Literal[1] | None = None


class Chat(Sampled):
    """A request for a chat completion."""

    messages: Messages
    max_completion_tokens: Written = None
    logprobs: bool | None = None
    top_logprobs: Probabilities = None
    response_format: Schema = None
    tools: Schema = None
    tool_choice: Schema = None
    grammar: Annotated[str, AfterValidator(_check_grammar)] | None = None


class Completion(Sampled):
    """A request to continue a bare text."""

    prompt: str
    logprobs: Probabilities = None


class Embedding(Request):
    """A request for vectors."""

    input: str | Texts
    encoding_format: Literal["float", "base64"] | None = None


class Tokenize(Request):
    """A request for the tokens of a text."""

    content: str
    prompt: str = ""
    with_pieces: bool | None = None
    return_token_strs: bool | None = None
    add_special: bool | None = None
    parse_special: bool | None = None


class Template(Request):
    """A request for a conversation in the form of the chat template."""

    messages: Messages


REQUESTS: dict[str, type[Request]] = {
    "/v1/chat/completions": Chat,
    "/v1/completions": Completion,
    "/v1/embeddings": Embedding,
    "/tokenize": Tokenize,
    "/apply-template": Template,
}


def check_request(path: str, content: bytes) -> dict:
    """Return the body of a request that may be passed on, with a limit on what is written. Raises `Refused`."""
    if path not in REQUESTS:
        raise Refused(404, f"{path} is not offered here; there is {', '.join(REQUESTS)}.")
    if len(content) > MOST_BYTES:
        raise Refused(413, f"The request has {len(content):,} bytes; {MOST_BYTES:,} are allowed.")
    try:
        body = parse_json_values(content)  # half a character would stop the model's server
        REQUESTS[path].model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = f"The field “{str(first['loc'][0])[:40]}”" if first["loc"] else "The request"
        raise Refused(400, f"{place} is not taken so: {first['msg'].removeprefix('Value error, ')}.") from None
    except ValueError as error:
        raise Refused(400, f"The request is no JSON ({str(error)[:80]}).") from None
    if path.endswith("completions"):
        named = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        body[named] = body.get(named) or MOST_WRITTEN
    return body
