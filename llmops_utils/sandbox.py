"""Model-written Python, run in the interpreter of pydantic-monty with limits; never by exec or eval in this process.

Monty is a Python interpreter written in Rust that has no access to files, network, processes or the environment
unless the host grants it, and this module grants nothing. It runs in worker processes with an empty environment:
one pool per process, made at the first run and closed at exit. A run takes 1–2 ms, and threads may share the pool.

What this does not promise:

- Right results. The limits say how long code runs, never whether it computes what was asked.
- Python. It is a subset: a dozen modules of the standard library, no inheritance, no `yield`, no packages; source
  nested deeper than 200 levels is refused, which a sum of more than 200 terms already is.
- Exact limits. Time is checked between operations, so one operation on huge integers may pass `duration_s` by some
  tenths of a second; a worker that does not answer is killed one second after it. Memory is the heap of the
  interpreter; the worker process itself needs more. A worker that meets the hard ceiling ends with one line on
  the stderr of this process.
- A barrier below the interpreter. No seccomp, container or other user stands behind Monty: a worker runs with the
  rights of this process, so a bug in the native code of the interpreter could be used to leave it. Workers serve
  several runs after each other. For code of attackers, add a container or a virtual machine.
- Secrecy of what it must show: the clock is the host's, and timing and CPU load can be observed.
- A harmless value. What comes back is plain data of bounded size, but its text is still model output: an instruction
  in it can reach the next prompt, and markup in it must be escaped.
"""

from __future__ import annotations

import ast
import atexit
import datetime
import decimal
import html
import keyword
import os
import re
import textwrap
import threading
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    from pydantic_monty import Monty

MAX_WORKERS = 4
MAX_DURATION_S = 60.0
MAX_DEPTH = 50  # Monty itself cuts values at 200 levels and puts a text in their place
MAX_ERROR_CHARS = 300
SCALARS = (bool, int, float, str, type(None), decimal.Decimal)
SCALARS += (datetime.date, datetime.datetime, datetime.time, datetime.timedelta)
FUNCTIONS = ("abs", "max", "min", "round", "sum")
ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Call, ast.Name, ast.Load, ast.List, ast.Tuple)
ARITHMETIC += (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.UAdd, ast.USub)
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1|\Z)", re.DOTALL | re.MULTILINE)

_lock = threading.Lock()
_pools: dict[int, Monty] = {}  # by process id: the workers of a parent must not be used after a fork


@dataclass(frozen=True)
class Limits:
    """What one run may use.

    Args:
        duration_s: time in which the interpreter executes, at most 60 s; the code may not sleep at all.
        memory_bytes: heap of the interpreter, where an empty program takes about 43 kB.
        recursion: depth of calls.
        host_calls: names that are not defined and refused calls of the system, such as `open`, that code may catch.
        max_code_chars: length of the source.
        max_output_chars: length of what is printed; the rest is dropped.
        max_value_size: items plus characters of the value, counted as often as they would be written out.
    """

    duration_s: float = 1.0
    memory_bytes: int = 20_000_000
    recursion: int = 1000
    host_calls: int = 100
    max_code_chars: int = 10_000
    max_output_chars: int = 10_000
    max_value_size: int = 100_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kinds = getattr(self, field.name), (int, float) if field.name == "duration_s" else (int,)
            if type(value) not in kinds or not 0 < value < 2**62:
                raise DataError(f"{field.name} = {value!r} is no limit.", "Give a positive number; counts are whole.")
        if self.duration_s > MAX_DURATION_S:
            raise DataError(f"{self.duration_s} s is too long for a run.", f"Give at most {MAX_DURATION_S:.0f} s.")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """What a run gave: `value` (None after an error), the printed `output`, `error` as one line or None."""

    value: object
    output: str
    error: str | None
    duration_s: float

    @property
    def is_ok(self) -> bool:
        """Whether the code ran to its end and its value is plain."""
        return self.error is None

    def _repr_html_(self) -> str:
        shown = f"value: {_cut(repr(self.value), MAX_ERROR_CHARS)}" if self.error is None else f"error: {self.error}"
        printed = f'<pre style="margin:.2em 0">{html.escape(self.output)}</pre>' if self.output else ""
        return (
            f'<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">{html.escape(shown)}{printed}'
            f'<div style="opacity:.7;font-size:85%">sandbox, {self.duration_s * 1000:.0f} ms</div></div>'
        )


def run_code(
    code: str, inputs: dict | None = None, limits: Limits = DEFAULT_LIMITS, result: str | None = "answer"
) -> Outcome:
    """Return the outcome of `code`; whatever the code does becomes its `error`, and nothing of it is raised.

    The value is that of the variable `result` or, where the code sets none, of the last expression. Plain values
    come back: None, bool, int, float, str, Decimal, dates and times, and lists and dicts of them; tuples and sets
    become lists. Anything else, and what is too large, is refused as an error. Random numbers start from seed 0.

    Args:
        code: the source, without fences (see `extract_code`). Code that is too long is an outcome with an error.
        inputs: plain values by the name under which the code finds them.
        limits: what the run may use.
        result: the variable that holds the value; None takes the last expression.

    Raises:
        DataError: an argument of the caller is wrong: `code` no str, a name no identifier, an input not plain.
    """
    if not isinstance(code, str):
        raise DataError(f"The code is a {type(code).__name__}, not a str.", "Give the source text.")
    for name in [*(inputs or {}), *([] if result is None else [result])]:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise DataError(f"{name!r} is no name of a variable.", "Give an identifier, such as 'answer'.")
    try:
        bound = {name: _copy_plain(value, [limits.memory_bytes]) for name, value in (inputs or {}).items()}
    except ValueError as problem:
        raise DataError(f"An input cannot enter the sandbox: {problem}.", "Give plain values, not objects.") from None
    if len(code) > limits.max_code_chars:
        error = f"Refused: the code has {len(code)} characters, at most {limits.max_code_chars} are run"
        return Outcome(None, "", error, 0.0)
    pool, printed, room = _get_pool(), [], limits.max_output_chars + 1

    def keep_output(stream: str, text: str) -> None:
        nonlocal room
        printed.append(text[:room])
        room -= len(printed[-1])

    value, error, started = None, None, time.perf_counter()
    try:
        with _check_out(pool, limits) as session:
            started = time.perf_counter()
            value = session.feed_run(code, inputs=bound, print_callback=keep_output)
            value = value if result is None else _read_variable(session, result, value)
        value = _copy_plain(value, [limits.max_value_size])
    except Exception as problem:  # from the code, the limits, the worker or the conversion: all are its outcome
        value, error = None, _describe(problem)
    duration_s = time.perf_counter() - started
    return Outcome(value, _cut("".join(printed), limits.max_output_chars), error, duration_s)


def calculate(expression: str) -> Outcome:
    """Return the outcome of an arithmetic expression: numbers, + - * / // % **, parentheses, and `FUNCTIONS`.

    Any other syntax is an error before anything runs; huge powers meet the limits of the sandbox.

    Raises:
        DataError: `expression` is no str.
    """
    if not isinstance(expression, str):
        raise DataError(f"The expression is a {type(expression).__name__}, not a str.", "Give a text, such as '2 + 3'.")
    limits, source = Limits(max_code_chars=1000), expression.strip()
    if len(source) <= limits.max_code_chars:  # the parser of the host sees short texts only
        try:
            refused = next(
                (node for node in ast.walk(ast.parse(source, mode="eval")) if not _is_arithmetic(node)), None
            )
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            return Outcome(None, "", _cut(f"SyntaxError: {getattr(problem, 'msg', None) or problem}", 300), 0.0)
        if refused is not None:
            return Outcome(None, "", f"Refused: {type(refused).__name__} is no arithmetic", 0.0)
    outcome = run_code(source, limits=limits, result=None)
    if outcome.is_ok and type(outcome.value) not in (int, float):
        return Outcome(None, outcome.output, "Refused: the result is no number", outcome.duration_s)
    return outcome


def extract_code(text: str) -> str:
    """Return the first fenced block of a reply, closed or not, or the text itself where there is none."""
    found = FENCE.search(text)
    return textwrap.dedent(found[2] if found else text).strip("\n")


def close_pool() -> None:
    """End the workers of this process; the next run starts new ones."""
    with _lock:
        pool = _pools.pop(os.getpid(), None)
    if pool is not None:
        pool.__exit__(None, None, None)


def _get_pool() -> Monty:
    with _lock:
        if os.getpid() not in _pools:
            from pydantic_monty import Monty

            pool = Monty(min_processes=1, max_processes=MAX_WORKERS)
            pool.__enter__()
            _pools[os.getpid()] = pool
            atexit.register(close_pool)
        return _pools[os.getpid()]


def _check_out(pool: Monty, limits: Limits):
    return pool.checkout(
        limits={
            "max_feed_duration_secs": float(limits.duration_s),
            "max_turn_duration_secs": float(limits.duration_s),
            "max_memory": limits.memory_bytes,
            "max_recursion_depth": limits.recursion,
            "max_suspensions": limits.host_calls,
            "max_total_sleep_secs": 0.0,
        },
        os_policy={"random_start": {"seed": 0}},
    )


def _read_variable(session, name: str, otherwise: object) -> object:
    from pydantic_monty import MontyRuntimeError

    try:
        return session.feed_run(name)
    except MontyRuntimeError as problem:
        if isinstance(problem.exception(), NameError):
            return otherwise
        raise


def _copy_plain(value: object, room: list[int], depth: int = 0) -> object:
    """Return a copy without shared parts.

    Values share parts, so a few bytes can stand for 10**12 items that only `repr` or JSON writes out: what is
    counted is the tree. Exact types, since objects with methods of their own must not cross.
    """
    kind = type(value)
    room[0] -= 1 + (len(value) if kind is str else value.bit_length() // 3 if kind is int else 0)
    if room[0] < 0 or depth > MAX_DEPTH:
        raise ValueError("the value is too large or too deeply nested")
    if kind in SCALARS:
        return value
    if kind in (list, tuple, set, frozenset):
        return [_copy_plain(item, room, depth + 1) for item in value]
    if kind is dict and all(type(key) in SCALARS for key in value):
        return {_copy_plain(key, room, depth): _copy_plain(item, room, depth + 1) for key, item in value.items()}
    raise ValueError(f"the value is or holds a {kind.__name__}, which is no plain value")


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Name):
        return node.id in FUNCTIONS
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.keywords
    return isinstance(node, ARITHMETIC)


def _describe(problem: Exception) -> str:
    """Return `line 3: ValueError: message`, on one line and cut, with the line of the code where it is known."""
    if not hasattr(problem, "display"):
        kind = "Refused" if type(problem) is ValueError else type(problem).__name__
        return _cut(f"{kind}: {' '.join(str(problem).split())}", MAX_ERROR_CHARS)
    lines = [frame.line for frame in problem.traceback() if frame.filename != "<string>"]
    where = f"line {lines[-1]}: " if lines else ""
    return where + _cut(" ".join(problem.display("type-msg").split()), MAX_ERROR_CHARS)


def _cut(text: str, num_chars: int) -> str:
    return text if len(text) <= num_chars else f"{text[:num_chars]}… (cut at {num_chars} characters)"
