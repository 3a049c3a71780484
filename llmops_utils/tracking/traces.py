"""Spans: the model, retrieval and tool calls of one request as a timed tree, recorded with OpenTelemetry.

A function is marked once with `span`; inside `record_trace` each call of it becomes a span, under the span in which it
was called. Outside of it a marked function runs as it is. Each trace has a provider of its own that keeps the spans in
memory: nothing is sent, and what a program has set up for OpenTelemetry elsewhere is left alone.
"""

from __future__ import annotations

import copy
import functools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

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
        prompt_tokens: tokens read, where the call gave a `Reply`; `completion_tokens` written.
        input: the beginning of the arguments as text.
        output: the beginning of what came back, or of the error.
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
    recorded: object = field(default=None, repr=False, compare=False)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Give this span and all below it in the order of their start, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


class _Recorder:
    """A tracer for one trace, the spans that have ended, and a clock.

    In replay an answer takes no time, so there the clock stands still but for the recorded seconds of the replies:
    the same trace comes out each time.
    """

    def __init__(self) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        service = Resource({"service.name": "llmops-workbook"})
        provider = TracerProvider(ALWAYS_ON, service, shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = provider.get_tracer("llmops_utils")
        self.is_still = load_settings().repeats
        self.recorded_s = 0.0
        self.passing_on: set[int] = set()  # the spans inside which a model was called
        self._begun_ns, self._begun_s = time.time_ns(), time.perf_counter()

    def read_ns(self) -> int:
        """Return the time as nanoseconds since 1970."""
        passed_s = self.recorded_s if self.is_still else time.perf_counter() - self._begun_s
        return self._begun_ns + round(passed_s * 1e9)


_recorder: ContextVar[_Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def record_trace(name: str) -> Iterator[Span]:
    """Record the calls of marked functions inside the `with` as a tree, and give its root.

    The root is complete when the `with` ends, also where it ends with an error. A thread that is started inside is not
    followed, unless it runs in a copy of the context (`contextvars.copy_context().run`).
    """
    name = clean(name)
    root, recorder = Span(name, "request"), _Recorder()
    token = _recorder.set(recorder)
    try:
        with _open_span(name, "request"):
            yield root
    finally:
        _recorder.reset(token)
        ended = sorted(recorder.exporter.get_finished_spans(), key=lambda one: one.start_time)
        (first,) = (one for one in ended if one.parent is None)
        vars(root).update(vars(_read_span(first, ended, first.start_time)))


@contextmanager
def _open_span(name: str, kind: str, told: str = "") -> Iterator:
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode, use_span

    recorder = _recorder.get()
    attributes = {"gen_ai.operation.name": KINDS.get(kind, "invoke_agent"), "llmops.kind": kind, "llmops.input": told}
    context = Context() if kind == "request" else None  # empty: a trace inside another is its own
    one = recorder.tracer.start_span(name, context, attributes=attributes, start_time=recorder.read_ns())
    if kind == "model":
        recorder.passing_on.add(one.parent.span_id)
    try:
        # Left alone, OpenTelemetry records the whole stack of an error, paths of this machine among it.
        with use_span(one, record_exception=False, set_status_on_exception=False):
            yield one
    except BaseException as error:
        one.set_attribute("error.type", type(error).__name__)
        one.set_attribute("llmops.output", _cut(f"{type(error).__name__}: {error}"))
        one.set_status(StatusCode.ERROR)
        raise
    finally:
        one.end(recorder.read_ns())


def _read_span(one, ended: Sequence, begun_ns: int) -> Span:
    """Return an ended span of OpenTelemetry, and all below it, as it is shown."""
    told = one.attributes
    inside = [part for part in ended if part.parent is not None and part.parent.span_id == one.context.span_id]
    return Span(
        one.name,
        told["llmops.kind"],
        (one.start_time - begun_ns) / 1e9,
        (one.end_time - one.start_time) / 1e9,
        told.get("gen_ai.usage.input_tokens", 0),
        told.get("gen_ai.usage.output_tokens", 0),
        told["llmops.input"],
        told.get("llmops.output", ""),
        "error.type" in told,
        [_read_span(part, ended, begun_ns) for part in inside],
        one,
    )


def span(kind: str) -> Callable[[Callable], Callable]:
    """Return a decorator that makes each call of a function a span of one of `KINDS`, under the function's name.

    Raises:
        DataError: there is no such kind.
    """
    if kind not in KINDS:
        raise DataError(f"There is no kind of span “{kind}”.", f"There is: {', '.join(KINDS)}.")

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*arguments, **options):
            if _recorder.get() is None:
                return function(*arguments, **options)
            told = ", ".join([*map(_tell, arguments), *(f"{key}={_tell(value)}" for key, value in options.items())])
            with _open_span(function.__name__, kind, _cut(told)) as one:
                result = function(*arguments, **options)
                one.set_attribute("llmops.output", _cut(_tell(result)))
                # A function that passes a reply on is no second model call: only the innermost span counts its tokens.
                recorder = _recorder.get()
                if kind == "model" and isinstance(result, Reply) and one.context.span_id not in recorder.passing_on:
                    one.set_attribute("gen_ai.request.model", result.provenance.model)
                    one.set_attribute("gen_ai.usage.input_tokens", result.prompt_tokens)
                    one.set_attribute("gen_ai.usage.output_tokens", result.completion_tokens)
                    recorder.recorded_s += result.latency_s
                return result

        return wrapped

    return decorate


def trace_model(model: Model) -> Model:
    """Return the model with its `chat` and `embed` marked as spans; budget and connection are those of the original."""
    traced = copy.copy(model)
    traced.chat = span("model")(model.chat)
    traced.embed = span("model")(model.embed)
    return traced


def _tell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Reply):
        return value.text
    if isinstance(value, list | tuple | dict | int | float | bool) or value is None:
        safe = clean(value)  # before it is written out: there a key with a quote in it looks different
        return repr(tuple(safe) if isinstance(value, tuple) else safe)
    shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
    return type(value).__name__ + shape


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
