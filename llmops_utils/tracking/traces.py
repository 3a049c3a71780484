"""Spans: the model, retrieval and tool calls of one request as a timed tree.

A function is marked once with `span`; inside `record_trace` each call of it becomes a span, under the span in which it
was called. Outside of it a marked function runs as it is.
"""

from __future__ import annotations

import copy
import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..core import DataError, load_settings
from ..models import Model, Reply
from .experiment import hide_secrets

KINDS = ("request", "chain", "model", "retrieval", "tool")
MAX_DETAIL = 200  # characters of an input or output that a span keeps


@dataclass
class Span:
    """One call.

    Attributes:
        name: of the function.
        kind: one of `KINDS`.
        start_s: seconds since the request began.
        duration_s: seconds, those of its children among them.
        prompt_tokens: tokens read, where the call gave a `Reply`; `completion_tokens` written.
        input: the beginning of the arguments as text.
        output: the beginning of what came back, or of the error.
        is_error: whether the call raised.
        children: the calls made inside, in order.
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

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Give this span and all below it in the order of their start, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    @property
    def own_s(self) -> float:
        """Seconds that are not spent in a child."""
        return self.duration_s - sum(child.duration_s for child in self.children)

    def to_dicts(self) -> list[dict]:
        """Return all spans as dicts that JSON can hold, each with its depth in the place of its children."""
        return [
            {"depth": depth} | {name: value for name, value in vars(span).items() if name != "children"}
            for depth, span in self.walk()
        ]


def build_tree(dicts: list[dict]) -> Span:
    """Return the tree that `Span.to_dicts` wrote. Raises `DataError` where it did not."""
    path: list[Span] = []
    try:
        for entry in dicts:
            values = dict(entry)
            depth = values.pop("depth")
            span = Span(**values)
            if (depth != 0 and (depth < 1 or depth > len(path))) or (depth == 0 and path):
                raise DataError("These spans form no tree.", "Write them with to_dicts().")
            del path[depth:]
            if path:
                path[-1].children.append(span)
            path.append(span)
        return path[0]
    except (TypeError, KeyError, IndexError) as error:
        raise DataError(f"These are no spans ({error}).", "Write them with to_dicts().") from error


class _Clock:
    """Seconds since the request began.

    In replay an answer takes no time, so there the clock stands still but for the recorded seconds of the replies:
    the same trace comes out each time.
    """

    def __init__(self, is_replay: bool) -> None:
        self.is_replay = is_replay
        self.recorded_s = 0.0
        self._started = time.perf_counter()

    def read(self) -> float:
        return self.recorded_s if self.is_replay else time.perf_counter() - self._started


_clock: ContextVar[_Clock] = ContextVar("clock")
_current: ContextVar[Span | None] = ContextVar("current", default=None)


@contextmanager
def record_trace(name: str) -> Iterator[Span]:
    """Record the calls of marked functions inside the `with` as a tree, and give its root.

    The root is complete when the `with` ends, also where it ends with an error. A thread that is started inside is not
    followed, unless it runs in a copy of the context (`contextvars.copy_context().run`).

    Args:
        name: what the request is called.
    """
    is_replay = load_settings().mode in ("replay", "fill")
    tokens = _clock.set(_Clock(is_replay)), _current.set(None)
    try:
        with _open_span(name, "request") as root:
            yield root
    finally:
        _clock.reset(tokens[0])
        _current.reset(tokens[1])


@contextmanager
def _open_span(name: str, kind: str, told: str = "") -> Iterator[Span]:
    clock, parent = _clock.get(), _current.get()
    span = Span(name, kind, clock.read(), input=told)
    if parent is not None:
        parent.children.append(span)
    token = _current.set(span)
    try:
        yield span
    except BaseException as error:
        span.is_error, span.output = True, _cut(f"{type(error).__name__}: {error}")
        raise
    finally:
        span.duration_s = clock.read() - span.start_s
        _current.reset(token)


def span(kind: str, name: str = "") -> Callable[[Callable], Callable]:
    """Return a decorator that makes each call of a function a span.

    Args:
        kind: chain, model, retrieval or tool.
        name: default: the function's own.

    Raises:
        DataError: there is no such kind.
    """
    if kind not in KINDS[1:]:
        raise DataError(f"There is no kind of span “{kind}”.", f"There is: {', '.join(KINDS[1:])}.")

    def decorate(function: Callable) -> Callable:
        called = name or getattr(function, "__name__", type(function).__name__)

        @functools.wraps(function)
        def wrapped(*arguments, **options):
            if _current.get() is None:
                return function(*arguments, **options)
            told = ", ".join([*map(_tell, arguments), *(f"{key}={_tell(value)}" for key, value in options.items())])
            with _open_span(called, kind, _cut(told)) as one:
                result = function(*arguments, **options)
                one.output = _cut(_tell(result))
                # A function that passes a reply on is no second model call: only the inmost span counts its tokens.
                if (
                    isinstance(result, Reply)
                    and kind == "model"
                    and not any(part.kind == "model" for part in one.children)
                ):
                    one.prompt_tokens, one.completion_tokens = result.prompt_tokens, result.completion_tokens
                    _clock.get().recorded_s += result.latency_s
                return result

        return wrapped

    return decorate


def trace_model(model: Model) -> Model:
    """Return the model with its `chat` and `embed` marked as spans; budget and connection are those of the original."""
    traced = copy.copy(model)
    traced.chat = span("model", "chat")(model.chat)
    traced.embed = span("model", "embed")(model.embed)
    return traced


def _tell(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Reply):
        return value.text
    if isinstance(value, list | tuple | dict | int | float | bool) or value is None:
        return repr(value)
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + (f" of shape {tuple(shape)}" if shape is not None else "")


def _cut(text: str) -> str:
    if len(text) <= MAX_DETAIL:
        return text
    return hide_secrets(text)[: MAX_DETAIL - 1] + "…"  # hidden first: half a key would not be known as one


def log_trace(run, root: Span) -> None:
    """Log the spans of a request into a Comet run, as a file and as a text to read."""
    run.log_asset_data(hide_secrets(json.dumps(root.to_dicts(), ensure_ascii=False)), name="spans.json")
    run.log_text(hide_secrets(write_tree(root)), metadata={"kind": "trace", "request": root.name})


def write_tree(root: Span) -> str:
    """Return the tree as lines of text: name, kind, seconds and tokens."""
    lines = []
    for depth, one in root.walk():
        tokens = f", {one.prompt_tokens} + {one.completion_tokens} tokens" if one.prompt_tokens else ""
        failed = ", failed" if one.is_error else ""
        lines.append(f"{'  ' * depth}{one.name} ({one.kind}): {one.duration_s:.2f} s{tokens}{failed}")
    return "\n".join(lines)
