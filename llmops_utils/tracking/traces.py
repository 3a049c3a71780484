"""Spans: the model, retrieval and tool calls of one request as a timed tree, recorded with OpenTelemetry.

A function is marked once with `span`; inside `record_trace` each call of it becomes a span, under the span in which it
was called. Outside of it a marked function runs as it is. Each trace has a provider of its own: nothing is sent, and
what a program has set up for OpenTelemetry elsewhere is left alone.
"""

from __future__ import annotations

import copy
import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..core import DataError, load_settings
from ..models import Model, Reply
from .reports import clean, write_json

# Each kind of call with its name in OpenTelemetry's conventions for generative AI. The root's is “request”.
KINDS = {"chain": "invoke_workflow", "model": "chat", "retrieval": "retrieval", "tool": "execute_tool"}
MAX_DETAIL = 200  # characters of an input or output that a span keeps


@dataclass
class Span:
    """One call, as it is shown.

    Attributes:
        kind: request for the root, else one of `KINDS`.
        start_s: seconds since the request began.
        duration_s: seconds, those of its children among them.
        input: the beginning of the arguments as text; `output` that of what came back, or of the error.
        recorded: OpenTelemetry's own span.
    """

    name: str
    kind: str
    start_s: float = 0.0
    duration_s: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    input: str = ""
    output: str = ""
    is_error: bool = False
    children: list[Span] = field(default_factory=list)
    recorded: Any = field(default=None, repr=False, compare=False)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Give this span and all below it in the order of their start, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class _Recorder:
    """A tracer for one trace, and a clock.

    In replay an answer takes no time, so there the clock stands still but for the recorded seconds of the replies:
    the same trace comes out each time.
    """

    def __init__(self) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        service = Resource({"service.name": "llmops-workbook"})
        self.tracer = TracerProvider(ALWAYS_ON, service, shutdown_on_exit=False).get_tracer("llmops_utils")
        self.is_still = load_settings().repeats
        self.recorded_s = 0.0
        self.begun_ns, self._begun_s = time.time_ns(), time.perf_counter()

    def read_s(self) -> float:
        """Return the seconds since the request began."""
        return self.recorded_s if self.is_still else time.perf_counter() - self._begun_s


_open: ContextVar[tuple[_Recorder, Span] | None] = ContextVar("open", default=None)


@contextmanager
def record_trace(name: str) -> Iterator[Span]:
    """Record the calls of marked functions inside the `with` as a tree, and give its root.

    The root is complete when the `with` ends, also where it ends with an error. A thread that is started inside is not
    followed, unless it runs in a copy of the context (`contextvars.copy_context().run`).
    """
    root = Span(clean(name), "request")
    with _open_span(root, _Recorder(), None):
        yield root


@contextmanager
def _open_span(one: Span, recorder: _Recorder, parent: Span | None) -> Iterator[None]:
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode, set_span_in_context

    operation = KINDS.get(one.kind, "invoke_agent")
    attributes = {"gen_ai.operation.name": operation, "llmops.kind": one.kind, "llmops.input": one.input}
    context = Context() if parent is None else set_span_in_context(parent.recorded, Context())
    one.start_s = recorder.read_s()
    started_ns = recorder.begun_ns + round(one.start_s * 1e9)
    one.recorded = recorder.tracer.start_span(one.name, context, attributes=attributes, start_time=started_ns)
    if parent is not None:
        parent.children.append(one)
    token = _open.set((recorder, one))
    try:
        yield
    except BaseException as error:  # recorded by its name: its stack would hold paths of this machine
        one.is_error, one.output = True, _cut(f"{type(error).__name__}: {error}")
        one.recorded.set_attribute("error.type", type(error).__name__)
        one.recorded.set_status(StatusCode.ERROR)
        raise
    finally:
        _open.reset(token)
        one.duration_s = recorder.read_s() - one.start_s
        one.recorded.set_attribute("llmops.output", one.output)
        one.recorded.end(started_ns + round(one.duration_s * 1e9))


def span(kind: str) -> Callable[[Callable], Callable]:
    """Return a decorator that makes each call of a function a span of one of `KINDS`, under the function's name.

    Raises `DataError` for other kinds.
    """
    if kind not in KINDS:
        raise DataError(f"There is no kind of span “{kind}”.", f"There is: {', '.join(KINDS)}.")

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*arguments, **options):
            is_open = _open.get()
            if is_open is None:
                return function(*arguments, **options)
            told = ", ".join([*map(_tell, arguments), *(f"{key}={_tell(value)}" for key, value in options.items())])
            one = Span(function.__name__, kind, input=_cut(told))
            with _open_span(one, *is_open):
                result = function(*arguments, **options)
                one.output = _cut(_tell(result))
                if kind == "model" and isinstance(result, Reply):
                    _count(result, one, is_open[0])
                return result

        return wrapped

    return decorate


def _count(reply: Reply, one: Span, recorder: _Recorder) -> None:
    """Count tokens and seconds of a reply, unless a call inside of this one did: to pass it on is no second call."""
    if any(below.kind == "model" for depth, below in one.walk() if depth):
        return
    one.prompt_tokens, one.completion_tokens = reply.prompt_tokens, reply.completion_tokens
    recorder.recorded_s += reply.latency_s
    one.recorded.set_attribute("gen_ai.request.model", reply.provenance.model)
    one.recorded.set_attribute("gen_ai.usage.input_tokens", reply.prompt_tokens)
    one.recorded.set_attribute("gen_ai.usage.output_tokens", reply.completion_tokens)


def trace_model(model: Model) -> Model:
    """Return the model with its `chat` and `embed` marked as spans; budget and connection are those of the original."""
    traced = copy.copy(model)
    traced.chat = span("model")(model.chat)
    traced.embed = span("model")(model.embed)
    return traced


def _tell(value: object) -> str:
    if isinstance(value, str | Reply):
        return str(value)
    with suppress(TypeError, ValueError):  # nested too deep, odd keys, thousands of digits: told by its type alone
        if isinstance(value, list | tuple | dict | int | float | bool) or value is None:
            safe = clean(value)  # before it is written out: there a key with a quote in it looks different
            return repr(tuple(safe) if isinstance(value, tuple) else safe)
        if hasattr(value, "shape"):
            return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return type(value).__name__


def _cut(text: str) -> str:
    text = clean(text)  # before it is cut: half a key would not be known as one
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


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
