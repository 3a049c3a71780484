"""From the openai client's errors to this package's, which say what to do. What a server says is kept, keys are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

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
from .recording import MISSING

MOST_SAID = 400  # characters of a server's own message that are passed on
CONTEXT_KINDS = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = r"(?i)context.(length|size|window)|(prompt|input) is too long|token count.*exceed"


@contextmanager
def translate_errors(connection: Connection) -> Iterator[None]:
    """Turn the errors of the openai client into those of this package."""
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        raise explain_status(error, connection) from None
    except openai.APIConnectionError as error:
        cause = error.__cause__
        if isinstance(cause, WorkbookError):
            raise cause from None
        waited = isinstance(error, openai.APITimeoutError)
        raise Unreachable(
            f"{connection.base_url} " + ("did not answer in time." if waited else "cannot be reached."),
            "Raise LLMOPS_TIMEOUT_S, or shorten the request."
            if waited
            else "Check LLMOPS_BASE_URL and your network, and that the server runs; or set LLMOPS_MODE=replay.",
        ) from None
    except openai.APIError as error:  # an error that comes inside a stream
        said = redact(str(error), connection.api_key)[:MOST_SAID]
        raise ProviderError(
            f"{connection.source} broke off. {said}", "Ask again; see the provider's status page."
        ) from None


def explain_status(error, connection: Connection) -> WorkbookError:
    """Return our error for an HTTP status; what the server said is kept, without keys."""
    own = error.response.extensions.get("workbook_error")
    if own is not None:
        return own
    body = error.body if isinstance(error.body, dict) else {"message": error.body or ""}
    kinds = {body.get("type"), body.get("code")}
    said = body.get("message") or body.get("detail") or ""
    said = redact(" ".join(str(said).split()), connection.api_key)[:MOST_SAID]
    status, where = error.status_code, connection.source
    if MISSING in kinds:
        problem, _, step = said.partition(" To record it: ")
        return RecordingMissing(problem, "To record it: " + step)
    if status in (401, 403):
        variable = connection.provider.key_variable or "LLMOPS_API_KEY"
        return KeyRefused(f"{where} does not accept the key ({status}).", f"Check {variable} and your account.", status)
    if status == 404:
        return ModelNotServed(
            f"{where} does not serve {connection.model} (404). {said}",
            "Check LLMOPS_MODEL and LLMOPS_BASE_URL (it usually ends in /v1).",
            status,
        )
    if status in (400, 413, 422) and (kinds & CONTEXT_KINDS or re.search(CONTEXT_WORDS, said)):
        return ContextExceeded(
            f"The prompt does not fit the model's context window. {said}",
            "Shorten the prompt, or choose a model with a longer context.",
            status,
        )
    if status in (400, 413, 422):
        return RequestRefused(
            f"{where} refused the request ({status}). {said}",
            "Change what it names: a parameter, the schema or the messages.",
            status,
        )
    if status == 429:
        return RateLimited(
            f"{where} says: too many requests, also after several tries. {said}",
            "Wait a minute, lower LLMOPS_PARALLEL, or check the limits of your account.",
            status,
        )
    if status >= 500:
        return ProviderDown(
            f"{where} fails ({status}), also after several tries. {said}",
            "Try again later, or set LLMOPS_MODE=replay.",
            status,
        )
    return ProviderError(
        f"{where} answered with status {status}. {said}", "Look the status up with the provider.", status
    )
