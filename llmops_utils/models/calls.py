"""One call to a server: its answer, or an error that says what to do. What a server says is kept, keys are not."""

from __future__ import annotations

import contextlib
import json
import math
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import httpx2

from ..core import DataError, WorkbookError, clean_values, errors, parse_json_values, redact
from .connection import Connection
from .reply import MOST_SAID, SAID, TOO_LONG, Usage, get_field, list_dicts, read_usage

if TYPE_CHECKING:
    import openai

Content = TypeVar("Content")
LONGEST_WAIT_S = 120  # that the openai client waits where a server names a time
Messages = str | Sequence[dict]


def check_numbers(temperature: float, max_tokens: int) -> None:
    """Raise `DataError` where they are no numbers that a request can hold: a limit of nan would stop nothing."""
    if type(max_tokens) is not int or max_tokens < 1:
        raise DataError(f"max_tokens is {max_tokens!r}, not a number from 1 on.", "Give a whole number.")
    if not isinstance(temperature, int | float) or not 0 <= temperature < math.inf:
        raise DataError(f"The temperature is {temperature!r}, not a number from 0 on.", "Give 0 to 2.")


def check_messages(messages: Messages, system: str | None = None) -> list[dict]:
    """Return messages as a list, the system message first. Raises `DataError` where they are none."""
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    is_list = isinstance(listed, list | tuple) and all(isinstance(message, dict) for message in listed)
    if not is_list or not all(isinstance(message.get(key), str) for message in listed for key in ("role", "content")):
        raise DataError(
            "The messages are not a text or a list of dicts with the texts `role` and `content`.",
            "Write [{'role': 'user', 'content': '…'}].",
        )
    if not isinstance(system, str | None):
        raise DataError("The system message is no text.", "Write system='…'.")
    if not listed or not listed[-1]["content"].strip():
        raise DataError("The prompt is empty.", "Write what the model shall do.")
    return ([{"role": "system", "content": system}] if system else []) + [dict(message) for message in listed]


def check_body(body: dict) -> dict:
    """Return a request's body with its texts cleaned. Raises `DataError` where it holds what JSON cannot hold."""
    try:
        body = clean_values(body)
        json.dumps(body, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"The request is none in JSON ({error}).", "Give plain texts, numbers and lists.") from error
    return body


@dataclass(frozen=True)
class Answer(Generic[Content]):
    """What was read from a server's answer, what it took, who sent it, how long it took, and of which day it is."""

    content: Content
    usage: Usage
    source: str
    latency_s: float
    recorded: str


def send(
    client: openai.OpenAI, connection: Connection, path: str, body: dict, read: Callable[[object], Content]
) -> Answer[Content]:
    """Return the server's answer to a request, as `read` understands it, or raise what explains why there is none."""
    import openai

    started = time.perf_counter()
    try:
        response = client.post(path, cast_to=httpx2.Response, body=check_body(body))
    except openai.APIStatusError as error:
        raise explain_status(error, connection) from None
    except (openai.APIConnectionError, UnicodeEncodeError) as error:
        raise explain_connection(error, connection) from None
    latency_s = time.perf_counter() - started
    data = None  # of a web page, say
    with contextlib.suppress(ValueError):
        data = parse_json_values(response.content)
    try:
        content = read(data)
    except ValueError as error:
        raise errors.ProviderError(
            f"{connection.source} gave no usable answer to {path}: {error}.",
            "Check LLMOPS_BASE_URL; it usually ends in /v1.",
            may_have_cost=True,
        ) from None
    recording = response.extensions.get("recording")
    if recording is None:
        return Answer(content, read_usage(data), connection.source, latency_s, "")
    return Answer(content, read_usage(data), recording.source, recording.latency_s, recording.recorded)


def explain_connection(error: Exception, connection: Connection) -> WorkbookError:
    """Return our error for a connection that failed, with its cause, but without a password in the address."""
    import openai

    where = redact(connection.base_url)
    causes: list[BaseException] = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if isinstance(error, openai.APITimeoutError):
        is_sent = not isinstance(error.__cause__, httpx2.ConnectTimeout)
        step = "Raise LLMOPS_TIMEOUT_S, or shorten the request."
        return errors.Unreachable(f"{where} did not answer in time.", step, may_have_cost=is_sent)
    has_connected = not any(isinstance(one, httpx2.ConnectError) for one in causes)
    for one in causes:
        if has_connected and isinstance(
            one, httpx2.LocalProtocolError | UnicodeEncodeError
        ):  # else it is the host's name
            return errors.SettingsError(
                "A header of the request cannot be sent: it holds a line break or a letter that no header can.",
                "Check the key, OPENAI_ORG_ID and OPENAI_PROJECT_ID.",
            )
        if isinstance(one, ssl.SSLCertVerificationError):
            step = "Where your network or server has a certificate of its own, name its file in SSL_CERT_FILE."
            return errors.Unreachable(f"The certificate of {where} is not trusted.", step)
        if isinstance(one, ssl.SSLError):
            step = "Write http:// in LLMOPS_BASE_URL where the server speaks no https."
            return errors.Unreachable(f"{where} cannot be reached: what answers there does not speak https.", step)
    return errors.Unreachable(
        f"{where} cannot be reached ({redact(str(causes[-1]))[:MOST_SAID]}).",
        "Check LLMOPS_BASE_URL, a proxy and your network, and that the server runs; or set LLMOPS_MODE=replay.",
        may_have_cost=has_connected,
    )


def explain_status(error: openai.APIStatusError, connection: Connection) -> WorkbookError:
    """Return our error for an HTTP status; what the server said is kept, without keys."""
    own = error.response.extensions.get("workbook_error")
    if own is not None:
        return own
    body = next(iter(list_dicts(error.body)), error.body)  # Gemini puts its errors into a list
    body = get_field(body, "error") or body
    body = body if isinstance(body, dict) else {"message": body}
    kinds = {kind for kind in (body.get("type"), body.get("code")) if isinstance(kind, str)}
    said = " ".join(str(next((body[name] for name in SAID if body.get(name)), "")).split())
    said = redact(said, connection.api_key)[:MOST_SAID]
    status, where = error.status_code, connection.server
    if status in (401, 403):
        variable = connection.provider.key_variable or "LLMOPS_API_KEY"
        return errors.KeyRefused(
            f"{where} does not accept the key ({status}). {said}", f"Check {variable} and your account.", status
        )
    kind: type[errors.ProviderError] = errors.ProviderError
    problem, step = f"{where} answered with status {status}.", "Look the status up with the provider."
    if status == 404:
        kind, problem = errors.ModelNotServed, f"{where} does not serve {connection.model} (404)."
        step = "Check LLMOPS_MODEL and LLMOPS_BASE_URL (it usually ends in /v1)."
    elif status in (400, 413, 422) and TOO_LONG.search(" ".join([said, *kinds])):
        kind, problem = errors.ContextExceeded, "The prompt does not fit the model's context window."
        step = "Shorten the prompt, or choose a model with a longer context."
    elif status in (400, 413, 422):
        kind, problem = errors.RequestRefused, f"{where} refused the request ({status})."
        step = "Change what it names: a parameter, the schema or the messages."
    elif status == 429:
        kind, problem = errors.RateLimited, f"{where} says: too many requests, also after several tries."
        step = "Wait a minute, lower LLMOPS_PARALLEL, or check the limits of your account."
        wait = error.response.headers.get("retry-after", "")
        if wait.isdecimal() and int(wait) > LONGEST_WAIT_S:  # openai did not try again, and nobody waits for that
            problem = f"{where} says: too many requests."
            step = f"Ask again in {-(-int(wait) // 60)} minutes, or set LLMOPS_MODE=replay; what is recorded costs nothing."
    elif status >= 500:
        kind, problem = errors.ProviderDown, f"{where} fails ({status}), also after several tries."
        step = "Try again later, or set LLMOPS_MODE=replay."
    return kind(f"{problem} {said}", step, status)
