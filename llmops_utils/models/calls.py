"""One call to a server: its answer, or an error that says what to do. What a server says is kept, keys are not."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from ..core import (
    ContextExceeded,
    KeyRefused,
    ModelNotServed,
    ProviderDown,
    ProviderError,
    RateLimited,
    RecordingMissing,
    RequestRefused,
    Unreachable,
    WorkbookError,
    redact,
)
from .connection import Connection
from .transport import DATE_HEADER, LATENCY_HEADER, MISSING, SOURCE_HEADER

if TYPE_CHECKING:
    import openai

MOST_SAID = 400  # characters of a server's own message that are passed on
CONTEXT_KINDS = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = r"(?i)context.(length|size|window)|(prompt|input) is too long|token count.*exceed"


@dataclass(frozen=True)
class Answer:
    """The JSON that a server sent, who sent it, how long it took and, where it is a recording, of which day."""

    data: dict[str, Any]
    source: str
    latency_s: float
    recorded: str


def send(client: openai.OpenAI, connection: Connection, path: str, body: dict, needed: str) -> Answer:
    """Return the server's answer to a request; `needed` is the field without which an answer is none.

    Raises:
        ProviderError: the server refused, failed or sent something else; its kinds are in `errors`.
        RecordingMissing: in replay, there is no recording.
    """
    import openai

    started = time.perf_counter()
    try:
        response = client.post(path, cast_to=httpx2.Response, body=body)
    except openai.APIStatusError as error:
        raise explain_status(error, connection) from None
    except openai.APIConnectionError as error:
        if isinstance(error.__cause__, WorkbookError):
            raise error.__cause__ from None
        if isinstance(error, openai.APITimeoutError):
            raise Unreachable(
                f"{connection.base_url} did not answer in time.", "Raise LLMOPS_TIMEOUT_S, or shorten the request."
            ) from None
        raise Unreachable(
            f"{connection.base_url} cannot be reached.",
            "Check LLMOPS_BASE_URL and your network, and that the server runs; or set LLMOPS_MODE=replay.",
        ) from None
    try:
        data = response.json()
    except ValueError:
        data = None  # a web page, say
    if not isinstance(data, dict) or not data.get(needed):
        raise ProviderError(
            f"{connection.source} gave no usable answer to {path}.", "Check LLMOPS_BASE_URL; it usually ends in /v1."
        )
    headers = response.headers
    latency_s = float(headers.get(LATENCY_HEADER) or time.perf_counter() - started)
    return Answer(data, headers.get(SOURCE_HEADER) or connection.source, latency_s, headers.get(DATE_HEADER, ""))


def explain_status(error: openai.APIStatusError, connection: Connection) -> WorkbookError:
    """Return our error for an HTTP status; what the server said is kept, without keys."""
    own = error.response.extensions.get("workbook_error")
    if own is not None:
        return own
    body = error.body if isinstance(error.body, dict) else {"message": error.body or ""}
    kinds = {body.get("type"), body.get("code")}
    said = redact(" ".join(str(body.get("message") or body.get("detail") or "").split()), connection.api_key)[
        :MOST_SAID
    ]
    status, where = error.status_code, connection.source
    if MISSING in kinds:
        problem, _, step = said.partition(" To record it: ")
        return RecordingMissing(problem, "To record it: " + step)
    kind: type[ProviderError] = ProviderError
    problem, step = f"{where} answered with status {status}.", "Look the status up with the provider."
    if status in (401, 403):
        variable = connection.provider.key_variable or "LLMOPS_API_KEY"
        return KeyRefused(f"{where} does not accept the key ({status}).", f"Check {variable} and your account.", status)
    if status == 404:
        kind, problem = ModelNotServed, f"{where} does not serve {connection.model} (404)."
        step = "Check LLMOPS_MODEL and LLMOPS_BASE_URL (it usually ends in /v1)."
    elif status in (400, 413, 422) and (kinds & CONTEXT_KINDS or re.search(CONTEXT_WORDS, said)):
        kind, problem = ContextExceeded, "The prompt does not fit the model's context window."
        step = "Shorten the prompt, or choose a model with a longer context."
    elif status in (400, 413, 422):
        kind, problem = RequestRefused, f"{where} refused the request ({status})."
        step = "Change what it names: a parameter, the schema or the messages."
    elif status == 429:
        kind, problem = RateLimited, f"{where} says: too many requests, also after several tries."
        step = "Wait a minute, lower LLMOPS_PARALLEL, or check the limits of your account."
    elif status >= 500:
        kind, problem = ProviderDown, f"{where} fails ({status}), also after several tries."
        step = "Try again later, or set LLMOPS_MODE=replay."
    return kind(f"{problem} {said}", step, status)
