"""From the openai client's errors to this package's, which say what to do. What a server says is kept, keys are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .connection import Connection
from .errors import (
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
)
from .recording import MISSING
from .settings import redact


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


def explain_status(error, connection: Connection) -> WorkbookError:
    """Return our error for an HTTP status; what the server said is kept, without keys."""
    own = error.response.extensions.get("workbook_error")
    if own is not None:
        return own
    said = error.body.get("message", "") if isinstance(error.body, dict) else str(error.body or "")
    kind = error.body.get("type", "") if isinstance(error.body, dict) else ""
    said = redact(" ".join(str(said).split())[:400], connection.api_key)
    status, where = error.status_code, connection.source
    if kind == MISSING:
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
    if status in (400, 413, 422) and re.search(r"(?i)context|too long|maximum.*tokens|exceed", said):
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
