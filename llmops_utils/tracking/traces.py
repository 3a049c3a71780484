"""Spans: the model, retrieval and tool calls of one request as a timed tree, recorded with OpenTelemetry.

A function is marked once with `span`; inside `record_trace` each call of it becomes a span, under the span in which it
was called. Outside of it a marked function runs as it is. Each trace has a provider of its own: nothing is sent, and
what a program has set up for OpenTelemetry elsewhere is left alone.
"""

from __future__ import annotations

import copy
import functools
import inspect
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..core import DataError, clean_values, load_settings, make_redactor
from ..models import Model, Reply
from .reports import clean, write_json

# Each kind of call with its operation in OpenTelemetry's conventions for generative AI, version 0.1.0. The root, of the
# kind “request”, is a plain span: what a web server would have opened.
KINDS = {
    "chain": "invoke_workflow",
    "model": "chat",
    "embedding": "embeddings",
    "retrieval": "retrieval",
    "tool": "execute_tool",
}
PROVIDERS = {"gemini": "gcp.gemini", "mistral": "mistral_ai"}  # whose name in the conventions is not the catalog's
NAMED_AFTER = ("gen_ai.request.model", "gen_ai.tool.name", "gen_ai.agent.name")
MAX_DETAIL = 200  # characters of an input or output that the tree keeps


@dataclass
class Span:
    """One call, as it is shown."""

    name: str
    kind: str  # request for the root, else one of `KINDS`
    start_s: float = 0.0  # since the request began
    duration_s: float = 0.0  # with its children
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input: str = ""  # the beginning of the arguments as text
    output: str = ""  # the beginning of what came back, or of the error
    is_error: bool = False
    children: list[Span] = field(default_factory=list)
    recorded: Any = field(default=None, repr=False, compare=False)  # OpenTelemetry's own span

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Give this span and all below it in the order of their start, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class _Recorder:
    """A tracer for one trace, a clock, how values are told without secrets, and whether the spans keep what was said.

    In replay the clock stands still but for the recorded seconds of the replies: the same trace comes out each time.
    """

    def __init__(self, keeps_content: bool) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        service = Resource({"service.name": "llmops-workbook"})
        self.tracer = TracerProvider(ALWAYS_ON, service, shutdown_on_exit=False).get_tracer("llmops_utils")
        self.is_still = load_settings().repeats
        self.keeps_content = keeps_content
        self._redact = make_redactor()
        self.recorded_s = 0.0
        self.begun_ns, self._begun_s = time.time_ns(), time.perf_counter()

    def read_s(self) -> float:
        """Return the seconds since the request began."""
        return self.recorded_s if self.is_still else time.perf_counter() - self._begun_s

    def clean(self, value: Any) -> Any:
        """Return a text, or a value that JSON can hold, as `reports.clean` does, with the secrets listed once."""
        return self._redact(clean_values(value))

    def tell(self, value: object) -> str:
        """Return a value as text; one that is nested too deep, has odd keys or thousands of digits, as its type."""
        if isinstance(value, str | Reply):
            return self.clean(str(value))
        with suppress(TypeError, ValueError):
            if isinstance(value, list | tuple | dict | int | float | bool) or value is None:
                safe = self.clean(value)  # before it is written out: there a key with a quote in it looks different
                return repr(tuple(safe) if isinstance(value, tuple) else safe)
            if hasattr(value, "shape"):
                return f"{type(value).__name__} of shape {tuple(value.shape)}"
        return type(value).__name__

    def cut(self, text: str) -> str:
        """Return the beginning of a text, cleaned before it is cut: half a key would not be known as one."""
        text = self.clean(text)
        return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


_open: ContextVar[tuple[_Recorder, Span] | None] = ContextVar("open", default=None)


@contextmanager
def record_trace(name: str, *, keeps_content: bool = False) -> Iterator[Span]:
    """Record the calls of marked functions inside the `with` as a tree, and give its root.

    What was asked and answered stays in the tree; only with `keeps_content` is it in OpenTelemetry's spans, too, which
    are written to files and sent. The root is complete when the `with` ends, also with an error. A thread that is
    started inside is not followed, unless it runs in a copy of the context (`contextvars.copy_context().run`).
    """
    root = Span(clean(name), "request")
    with _open_span(root, _Recorder(keeps_content), None):
        yield root


@contextmanager
def _open_span(one: Span, recorder: _Recorder, parent: Span | None) -> Iterator[None]:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

    context = Context() if parent is None else set_span_in_context(parent.recorded, Context())
    one.start_s = recorder.read_s()
    started_ns = recorder.begun_ns + round(one.start_s * 1e9)
    kind = SpanKind.CLIENT if one.kind in ("model", "embedding") else SpanKind.INTERNAL
    one.recorded = recorder.tracer.start_span(one.name, context, kind, start_time=started_ns)
    if parent is not None:
        parent.children.append(one)
    token = _open.set((recorder, one))
    try:
        yield
    except BaseException as error:  # recorded by its name: its stack would hold paths of this machine
        one.is_error, one.output = True, recorder.cut(f"{type(error).__name__}: {error}")
        one.recorded.set_attribute("error.type", type(error).__name__)
        one.recorded.set_status(StatusCode.ERROR)
        raise
    finally:
        _open.reset(token)
        one.duration_s = recorder.read_s() - one.start_s
        one.recorded.end(started_ns + round(one.duration_s * 1e9))


def span(kind: str) -> Callable[[Callable], Callable]:
    """Return a decorator that makes each call of a function a span of one of `KINDS`, under the function's name."""
    if kind not in KINDS:
        raise DataError(f"There is no kind of span “{kind}”.", f"There is: {', '.join(KINDS)}.")
    return functools.partial(_mark, kind, {})


def trace_model(model: Model) -> Model:
    """Return the model with its `chat` and `embed` marked as spans; budget and connection are those of the original."""
    traced = copy.copy(model)
    provider = {"gen_ai.provider.name": PROVIDERS.get(model.provider.id, model.provider.id)}
    traced.chat = _mark("model", provider | {"gen_ai.request.model": model.name}, model.chat)
    encoder = {"gen_ai.request.model": model.connection.embedding_model}
    traced.embed = _mark("embedding", provider | encoder, model.embed)
    return traced


def _mark(kind: str, known: dict[str, str], function: Callable) -> Callable:
    """Return the function with each call a span, whose attributes begin with those that are known."""

    @functools.wraps(function)
    def wrapped(*arguments, **options):
        if (is_open := _open.get()) is None:
            return function(*arguments, **options)
        recorder = is_open[0]
        tell = recorder.tell
        told = ", ".join([*map(tell, arguments), *(f"{key}={tell(value)}" for key, value in options.items())])
        one = Span(function.__name__, kind, input=recorder.cut(told))
        with _open_span(one, *is_open):
            given = _name_arguments(function, arguments, options)
            _describe(one, known | _name_request(one, given))
            result = function(*arguments, **options)
            one.output = recorder.cut(tell(result))
            if kind == "model" and isinstance(result, Reply):
                _count(result, one, recorder, given)
            if recorder.keeps_content:
                _keep_content(one, given, result, tell)
            return result

    return wrapped


def _name_arguments(function: Callable, arguments: tuple, options: dict) -> dict[str, Any]:
    """Return the arguments of a call by their names, with the defaults; of one that does not fit, the options."""
    try:
        signature = inspect.signature(function)
        bound = signature.bind(*arguments, **options)
    except (TypeError, ValueError):
        return options
    bound.apply_defaults()
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    return {
        name: value for name, value in bound.arguments.items() if kinds[name] != inspect.Parameter.VAR_KEYWORD
    } | options


def _name_request(one: Span, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the conventions call the parts of a request."""
    named: dict[str, Any] = {"gen_ai.operation.name": KINDS[one.kind]}
    if one.kind == "chain":
        named["gen_ai.agent.name"] = one.name
    elif one.kind == "tool":
        named |= {"gen_ai.tool.name": one.name, "gen_ai.tool.type": "function"}
    elif one.kind == "model":
        named["gen_ai.output.type"] = "text" if given.get("schema") is None else "json"
    return named


def _describe(one: Span, attributes: Mapping[str, Any]) -> None:
    """Set attributes, and the name that the conventions give a span: its operation, and of what."""
    one.recorded.set_attributes(attributes)
    found = one.recorded.attributes
    whom = next((found[name] for name in NAMED_AFTER if name in found), "")
    one.recorded.update_name(f"{KINDS[one.kind]} {whom}".rstrip())


def _count(reply: Reply, one: Span, recorder: _Recorder, given: Mapping[str, Any]) -> None:
    """Count tokens and seconds of a reply, unless a call inside of this one did: to pass it on is no second call."""
    if any(below.kind == "model" for depth, below in one.walk() if depth):
        return
    one.prompt_tokens, one.completion_tokens = reply.prompt_tokens, reply.completion_tokens
    recorder.recorded_s += reply.latency_s
    attributes = {
        f"gen_ai.request.{option}": given[option]
        for option in ("temperature", "max_tokens", "seed")
        if isinstance(given.get(option), int | float) and option not in reply.provenance.dropped
    }
    attributes |= {
        "gen_ai.request.model": reply.provenance.model,
        "gen_ai.response.model": reply.provenance.model,
        "gen_ai.response.finish_reasons": [reply.finish_reason],
        "gen_ai.usage.input_tokens": reply.prompt_tokens,
        "gen_ai.usage.output_tokens": reply.completion_tokens,
    }
    _describe(one, attributes)


def _keep_content(one: Span, given: Mapping[str, Any], result: object, tell: Callable[[object], str]) -> None:
    """Set the attributes that hold what was said, in the form of the conventions."""

    def write_message(role: object, content: object) -> dict:
        return {"role": tell(role), "parts": [{"type": "text", "content": tell(content)}]}

    first = next(iter(given.values()), "")
    kept: dict[str, Any] = {}
    if one.kind == "model":
        told = first if isinstance(first, list) else [{"role": "user", "content": first}]
        messages = [part for part in told if isinstance(part, dict)]
        kept["input.messages"] = [write_message(part.get("role"), part.get("content")) for part in messages]
        if given.get("system"):
            kept["system_instructions"] = write_message("system", given["system"])["parts"]
        ended = {"finish_reason": getattr(result, "finish_reason", "stop")}
        kept["output.messages"] = [write_message("assistant", result) | ended]
    elif one.kind == "retrieval":
        found = result if isinstance(result, Sequence) and not isinstance(result, str) else [result]
        one.recorded.set_attribute("gen_ai.retrieval.query.text", tell(first))
        kept["retrieval.documents"] = [{"id": tell(getattr(part, "id", part))} for part in found]
    elif one.kind == "tool":
        kept["tool.call.arguments"] = {name: tell(value) for name, value in given.items()}
        kept["tool.call.result"] = {"result": tell(result)}
    texts = {f"gen_ai.{name}": json.dumps(value, ensure_ascii=False) for name, value in kept.items()}
    one.recorded.set_attributes(texts)


def log_trace(run, root: Span) -> None:
    """Log the spans of a request into a Comet run: in OpenTelemetry's form as a file, and as a text to read."""
    recorded, lines = [], []
    for depth, one in root.walk():
        recorded.append(json.loads(one.recorded.to_json()))
        tokens = f", {one.prompt_tokens} + {one.completion_tokens} tokens" if one.prompt_tokens else ""
        failed = ", failed" if one.is_error else ""
        lines.append(f"{'  ' * depth}{one.name} ({one.kind}): {one.duration_s:.2f} s{tokens}{failed}")
    run.log_asset_data(write_json(recorded), name="spans.json")
    run.log_text(clean("\n".join(lines)), metadata={"kind": "trace", "request": clean(root.name)})
