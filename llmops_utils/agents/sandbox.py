"""Model-written Python, run in the interpreter of pydantic-monty with limits; never by exec or eval in this process.

Monty is a Python interpreter in Rust without files, network, processes and environment, unless the host grants them;
this module grants nothing. Each run has a worker process of its own with an empty environment; a pool, made at the
first run and shared by threads, holds how many there are at once. A run takes about 10 ms. What this does not promise:

- Python. It is a subset: some modules of the standard library, no inheritance, no `yield`, no packages. Source nested
  deeper than about 200 levels is refused, which a sum of 200 terms already is. The clock is the host's, in UTC.
- Exact limits. Time is checked between operations, so one on huge integers may pass `duration_s` by tenths of a
  second; a worker that does not answer is killed one second after it. To pack the value may take as long again.
  Where this process is killed, so is the worker on Linux; elsewhere it ends after `MAX_CPU_S` of the processor.
  Memory is the heap of the interpreter; a process that meets the hard ceiling ends with a line on stderr here.
- A barrier below the interpreter: no container, no other user. A bug in Monty's native code would act with the rights
  of this process. For code of attackers, add a virtual machine.
- A harmless value. It is plain data of bounded size, but its text is model output: an instruction in it can reach the
  next prompt, and markup in it must be escaped.
"""

from __future__ import annotations

import ast
import atexit
import html
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..core import CapabilityMissing, clean_values

MAX_WORKERS = 4
MAX_CPU_S = 130  # of a worker: a minute to run, one to pack the value, and the seconds until it is killed
MAX_DEPTH = 50  # of values
MAX_EXPRESSION_CHARS = 1000
MAX_KNOWN = 1000  # results of arithmetic
FUNCTIONS = ("abs", "max", "min", "round", "sum")
ARITHMETIC = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.operator, ast.UAdd, ast.USub, ast.List, ast.Tuple, ast.Load)
BITWISE = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift, ast.MatMult)
# Starts a worker with a limit of processor time: code that never looks at the clock does not see that its host is gone.
STARTER = """#!/bin/sh
ulimit -t {0}
exec {1} "$@"
"""
END_WITH_HOST = ("setpriv", "--pdeathsig", "KILL")  # of util-linux; elsewhere there is none, or one that cannot do it
FENCE = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n`]*+\n(.*?)(?:^[ \t]*+\1|\Z)", re.DOTALL | re.MULTILINE)

# Runs in the sandbox and makes text of the value there, where time and memory are limited. Monty would build the
# objects in this process instead, and 60 nested pairs as the key of a dict then take years to hash, or shared lists
# a terabyte to print. Code that replaces `__pack` only changes its own value: an f-string is text whatever it calls.
PACK = """
import datetime as __datetime, decimal as __decimal, json as __json
def __pack(value, size, depth, dates=(__datetime.date, __datetime.datetime, __datetime.time),
           decimal=__decimal.Decimal, dumps=__json.dumps, type=type, isinstance=isinstance, len=len, str=str,
           kinds=(bool, int, float, str, type(None)), list=(list, tuple, set, frozenset), dict=dict, float=float,
           all=all, error=ValueError):
    room = [size]
    def pack(value, depth):
        kind = type(value)
        room[0] -= len(str(value)) if kind in kinds else 1
        if room[0] < 0 or depth < 0:
            raise error('the value is too large or too deeply nested')
        if kind is decimal:
            return float(value)
        if kind in dates:
            return str(value)
        if kind in kinds:
            return value
        if isinstance(value, list):
            return [pack(item, depth - 1) for item in value]
        if isinstance(value, dict) and all([type(key) is str for key in value]):
            return {pack(key, depth - 1): pack(item, depth - 1) for key, item in value.items()}
        raise error(f'{kind.__name__} is no plain type, or its keys are no text')
    return dumps(pack(value, depth))
answer = None
"""

_known: dict[str, Outcome] = {}  # of arithmetic, which comes out the same each time
_lock = threading.Lock()
_pools: dict[int, tuple[object, Path]] = {}  # at most one and its starter, by the process that made it


@dataclass(frozen=True)
class Limits:
    """What one run may use."""

    duration_s: float = 1.0  # of the interpreter, at most 60; the code may not sleep at all
    memory_bytes: int = 20_000_000  # heap of the interpreter, where an empty program takes about 70 kB
    recursion: int = 1000  # depth of calls
    host_calls: int = 100  # undefined names and refused calls of the system, such as `open`, that the code may catch
    max_code_chars: int = 10_000
    max_output_chars: int = 10_000  # the rest of what is printed is dropped
    max_value_size: int = 100_000  # items plus characters of the value, counted as often as they would be written out


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
        shown = f"value: {_cut(repr(self.value), 300)}" if self.error is None else f"error: {self.error}"
        printed = f'<pre style="margin:.2em 0">{html.escape(self.output)}</pre>' if self.output else ""
        return (
            f'<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">{html.escape(shown)}{printed}'
            f'<div style="opacity:.7;font-size:85%">sandbox, {self.duration_s * 1000:.0f} ms</div></div>'
        )


def run_code(code: str, limits: Limits = DEFAULT_LIMITS) -> Outcome:
    """Return the outcome of `code`; what the code does, or its being too long, becomes `error` and is never raised.

    The code stands without fences (see `extract_code`). The value is that of its variable `answer`, None where it sets
    none. It is what JSON can hold: None, bool, int, float, str, lists, and dicts by text. Tuples and sets become lists,
    a Decimal a float, dates and times text; anything else, and what is too large, is refused as an error. Random
    numbers start from seed 0.

    Raises:
        CapabilityMissing: this process is a fork of one that used the sandbox.
    """
    if len(code) > limits.max_code_chars:
        return _refuse(f"the code has {len(code)} characters, at most {limits.max_code_chars} are run")
    from pydantic_monty import MontyComplete

    pool, printed, room = _get_pool(), [], limits.max_output_chars + 1  # one more, to see that something was dropped

    def keep_output(stream: str, text: str) -> None:
        nonlocal room
        if room:
            printed.append(text[:room])
            room -= len(printed[-1])

    value, error, started = None, None, time.perf_counter()
    bounds = {
        "max_feed_duration_secs": float(limits.duration_s),
        "max_turn_duration_secs": float(limits.duration_s),
        "max_memory": limits.memory_bytes,
        "max_recursion_depth": limits.recursion,
        "max_suspensions": limits.host_calls,
        "max_total_sleep_secs": 0.0,
    }
    try:
        with pool.checkout(limits=bounds, os_policy={"random_start": {"seed": 0}}) as session:
            session.feed_run(PACK)
            started = time.perf_counter()  # without the wait for a free worker
            step = session.feed_start(code, print_callback=keep_output)
            while not isinstance(step, MontyComplete):  # as `feed_run`, but the value stays where it is (see `PACK`)
                step = step.resume_auto()
            value = _read_value(session, limits.max_value_size, keep_output)
    except Exception as problem:  # of the code, a limit, the worker or the conversion: each is the outcome of this code
        error = _describe(problem)
    duration_s = time.perf_counter() - started
    return Outcome(value, _cut("".join(printed), limits.max_output_chars), error, duration_s)


def calculate(expression: str) -> Outcome:
    """Return the outcome of arithmetic: numbers, + - * / // % **, parentheses, and `FUNCTIONS` (also of a list).

    Other syntax is an error before anything runs; huge powers meet the limits of the sandbox.
    """
    source = expression.strip()
    if len(source) > MAX_EXPRESSION_CHARS:  # the parser of the host sees short texts only
        return _refuse(f"the expression has {len(source)} characters, at most {MAX_EXPRESSION_CHARS} are run")
    try:
        refused = [type(node).__name__ for node in ast.walk(ast.parse(source, mode="eval")) if not _is_arithmetic(node)]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        return _refuse(f"this is no expression ({getattr(problem, 'msg', problem)})")
    if refused:
        return _refuse(f"{refused[0]} is no arithmetic")
    outcome = _known.get(source) or run_code(f"answer = {source}")
    if outcome.is_ok and len(_known) < MAX_KNOWN:
        _known[source] = outcome
    return outcome if not outcome.is_ok or type(outcome.value) in (int, float) else _refuse("the result is no number")


def extract_code(text: str) -> str:
    """Return the first fenced block of a reply, closed or not, or the text itself where there is none."""
    found = FENCE.search(text)
    return textwrap.dedent(found[2]).strip("\n") if found else text


def close_pool() -> None:
    """End the workers of this process; the next run starts new ones."""
    with _lock:
        pool, starter = _pools.pop(os.getpid(), (None, None))
    if pool is not None:
        pool.__exit__(None, None, None)
        shutil.rmtree(starter.parent, ignore_errors=True)


def _find_prefix() -> tuple[str, ...]:
    """Return the words of a command that ends what it starts together with its host, where there is one."""
    try:
        is_there = subprocess.run([*END_WITH_HOST, "true"], capture_output=True).returncode == 0
    except OSError:
        is_there = False
    return END_WITH_HOST if is_there else ()


def _get_pool():
    with _lock:
        if not _pools:
            from pydantic_monty import Monty
            from pydantic_monty._binary import find_monty_binary

            starter = Path(tempfile.mkdtemp(prefix="sandbox-")) / "start"
            starter.write_text(STARTER.format(MAX_CPU_S, shlex.join([*_find_prefix(), find_monty_binary()])))
            starter.chmod(0o700)
            can_run = os.name == "posix" and os.access(starter, os.X_OK)  # not on Windows, nor on a disk with noexec
            # None waits idle: each is started by the thread that uses it, since it ends with that thread.
            options = {"min_processes": 0, "max_processes": MAX_WORKERS, "max_checkouts_per_worker": 1}
            pool = Monty(binary_path=starter if can_run else None, **options).__enter__()
            _pools[os.getpid()] = pool, starter
            atexit.register(close_pool)
        if os.getpid() not in _pools:  # Monty does not return there
            raise CapabilityMissing(
                "The sandbox does not work in a fork of a process that used it.", "Use threads, or start by “spawn”."
            )
        return _pools[os.getpid()][0]


def _read_value(session, size: int, keep_output: Callable[[str, str], None]) -> object:
    """Return the value of `answer` as it was packed in the sandbox."""
    from pydantic_monty import MontyRuntimeError

    source = f'f"{{__pack(answer, {size}, {MAX_DEPTH})}}"'
    try:
        text = session.feed_run(source, print_callback=keep_output)  # else a print goes to this process' stdout
    except MontyRuntimeError as problem:
        raise ValueError(problem.display("type-msg").removeprefix("ValueError: ")) from None
    if len(text) > 16 * size:  # six characters of JSON per character, and the brackets
        raise ValueError("the value is too large")
    return clean_values(json.loads(text), MAX_DEPTH + 1)  # code that replaced `__pack` may have written any JSON


def _is_arithmetic(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Name):
        return node.id in FUNCTIONS
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.keywords
    return isinstance(node, ARITHMETIC) and not isinstance(node, BITWISE)


def _refuse(reason: str) -> Outcome:
    return Outcome(None, "", _cut(f"Refused: {reason}", 300), 0.0)


def _describe(problem: Exception) -> str:
    """Return `line 3: ValueError: message`, on one line and cut, with the line of the code where it is known."""
    if not hasattr(problem, "display"):
        kind = "Refused" if type(problem) is ValueError else type(problem).__name__
        return _cut(f"{kind}: {' '.join(str(problem).split())}", 300)
    lines = [frame.line for frame in problem.traceback() if frame.filename != "<string>"]
    where = f"line {lines[-1]}: " if lines else ""
    return _cut(where + " ".join(problem.display("type-msg").split()), 300)


def _cut(text: str, num_chars: int) -> str:
    return text if len(text) <= num_chars else f"{text[:num_chars]}… (cut at {num_chars} characters)"
