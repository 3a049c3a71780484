"""Traces in OpenTelemetry's exchange form, OTLP: as a file on this machine, and sent from there to a receiver over HTTP.

A trace is written first and sent then, so that a receiver that is gone, slow or talks nonsense loses nothing. The file
has the form of OpenTelemetry's file exporter: a line of JSON for each batch of spans, which other tools read as well.
"""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from urllib.parse import unquote

import httpx2

from ..core import (
    DataError,
    KeyRefused,
    ProviderError,
    SettingsError,
    Unreachable,
    explain_os_errors,
    load_settings,
    parse_json_values,
    read_environment,
    redact,
    write_whole,
)
from .traces import Span

BATCH = 500  # spans in one request; receivers limit its size
TIMEOUT_S = 10.0  # for one request, its answer included
MOST_ANSWERED = 100_000  # bytes that are read of an answer
PATH = "/v1/traces"
OPIK = "https://www.comet.com/opik/api"
IDS = ("traceId", "spanId", "parentSpanId")


def write_trace(root: Span) -> Path:
    """Write the spans of a trace, free of keys as they are, into the folder `traces` in LLMOPS_HOME; return the file."""
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    recorded = [one.recorded for _, one in root.walk()]
    lines = []
    for start in range(0, len(recorded), BATCH):
        content = MessageToDict(encode_spans(recorded[start : start + BATCH]), use_integers_for_enums=True)
        _change_ids(content, lambda text: base64.b64decode(text).hex())
        lines.append(json.dumps(content, ensure_ascii=False) + "\n")
    name = format(recorded[0].get_span_context().trace_id, "032x")
    path = load_settings().home / "traces" / f"{name}.jsonl"
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(lines))
    return path


def send_trace(path: Path, receiver: str = "") -> Path:
    """Send a trace that `write_trace` wrote, and return the file in the folder `sent`, to which it moves.

    The receiver is an address such as http://localhost:4318/v1/traces; left out, the one that the environment names,
    with its key (see `find_receiver`). Where it did not take all, the file stays, and the same call sends it again;
    spans have numbers of their own, by which a receiver knows those that it has already.

    Raises:
        SettingsError: no receiver is named, or this is replay, in which nothing leaves the machine unasked.
        KeyRefused: the receiver does not accept the key.
        Unreachable: there is no receiver, or it did not answer in time.
        ProviderError: it refused the trace or a part of it, or what it answered is no OTLP.
    """
    url, headers = (receiver, {}) if receiver else find_receiver()
    for request in _read_requests(path):
        _post(url, headers, request)
    with explain_os_errors(path):
        sent = path.parent / "sent" / path.name
        sent.parent.mkdir(exist_ok=True)
        os.replace(path, sent)
    return sent


def find_receiver() -> tuple[str, dict[str, str]]:
    """Return address and headers of the receiver that the environment or `.env` names.

    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_HEADERS, as other programs
    read them; else OPIK_API_KEY, or OPIK_URL_OVERRIDE for an Opik of one's own, with OPIK_WORKSPACE and
    OPIK_PROJECT_NAME. Raises `SettingsError` where none is named, and in replay.
    """
    if load_settings().repeats:
        raise SettingsError("In replay nothing is sent.", "Name the receiver in the call, or unset LLMOPS_MODE.")
    found = read_environment()
    url = found.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    if not url and (base := found.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
        url = base.rstrip("/") + PATH
    if url:
        pairs = [part.partition("=") for part in found.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",") if "=" in part]
        return url, {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    if "OPIK_API_KEY" not in found and "OPIK_URL_OVERRIDE" not in found:
        raise SettingsError(
            "No receiver of traces is named.",
            "Set OTEL_EXPORTER_OTLP_ENDPOINT, or OPIK_API_KEY, in .env; the trace stays in its file meanwhile.",
        )
    named = {"Comet-Workspace": "OPIK_WORKSPACE", "projectName": "OPIK_PROJECT_NAME", "Authorization": "OPIK_API_KEY"}
    headers = {"Comet-Workspace": "default", "projectName": "llmops-workbook"}
    headers |= {header: found[name] for header, name in named.items() if name in found}
    return found.get("OPIK_URL_OVERRIDE", OPIK).rstrip("/") + "/v1/private/otel" + PATH, headers


def _change_ids(content: dict, change) -> None:
    """Write the numbers of traces and spans anew: JSON has them in base 16 by OTLP's rule, protobuf's own in base 64."""
    for resource in content.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for one in scope.get("spans", []):
                one.update({name: change(one[name]) for name in IDS if name in one})


def _read_requests(path: Path) -> list:
    from google.protobuf.json_format import ParseDict, ParseError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    if not path.is_file():
        raise DataError(f"There is no trace {path.name}.", "write_trace returns the file of a trace.")
    requests = []
    try:
        for line in path.read_bytes().splitlines():
            content = parse_json_values(line)
            _change_ids(content, lambda text: base64.b64encode(bytes.fromhex(text)).decode())
            requests.append(ParseDict(content, ExportTraceServiceRequest()))
    except (ValueError, TypeError, AttributeError, ParseError) as error:
        raise DataError(f"{path.name} holds no trace ({type(error).__name__}).", "Record it again.") from error
    return requests


def _post(url: str, headers: dict[str, str], request) -> None:
    """Send one request. Raises as `send_trace` does unless all of it was taken."""
    where = redact(url, *headers.values())
    again = "The trace stays in its file: call send_trace again."
    try:
        status, body, kind = _ask(url, {**headers, "Content-Type": "application/x-protobuf"}, request)
    except httpx2.TimeoutException:
        raise Unreachable(f"{where} did not answer within {TIMEOUT_S:g} s.", again) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        told = redact(f"{type(error).__name__}: {error}", *headers.values())[:200]
        raise Unreachable(
            f"{where} cannot be reached ({told}).", f"Start it, or correct its address. {again}"
        ) from None
    if status in (401, 403):
        raise KeyRefused(f"{where} does not accept the key ({status}).", f"Correct the key. {again}", status)
    if status != 200:
        step = f"Its address usually ends in {PATH}. {again}" if status in (404, 405) else again
        raise ProviderError(f"{where} answered with status {status}; nothing is known to be kept.", step, status)
    rejected, said = _read_answer(body, kind, where)
    if rejected:
        raise ProviderError(f"{where} refused {rejected:,} spans: {redact(said)[:200]}", f"Mend what it names. {again}")


def _ask(url: str, headers: dict[str, str], request) -> tuple[int, bytes, str]:
    """Return status, body and kind of an answer that comes in time and is no larger than one may be."""
    body, end = b"", time.monotonic() + TIMEOUT_S
    with (
        httpx2.Client(timeout=TIMEOUT_S) as client,
        client.stream("POST", url, headers=headers, content=request.SerializeToString()) as answer,
    ):
        for part in answer.iter_bytes():
            body += part
            if time.monotonic() > end:
                raise httpx2.ReadTimeout("the answer did not end")
            if len(body) > MOST_ANSWERED:
                break
    return answer.status_code, body, answer.headers.get("Content-Type", "")


def _read_answer(body: bytes, kind: str, where: str) -> tuple[int, str]:
    """Return how many spans the receiver refused, and why."""
    from google.protobuf.json_format import Parse, ParseError
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    try:
        if len(body) > MOST_ANSWERED or kind.startswith("text/"):
            raise ValueError
        is_json = kind.startswith("application/json") and body.strip()
        answer = ExportTraceServiceResponse()
        answer = Parse(body, answer, ignore_unknown_fields=True) if is_json else answer.FromString(body)
    except (ValueError, DecodeError, ParseError):
        step = f"Its address usually ends in {PATH}. The trace stays in its file: call send_trace again."
        raise ProviderError(f"What answers at {where} is no receiver of traces.", step, 200) from None
    return answer.partial_success.rejected_spans, answer.partial_success.error_message
