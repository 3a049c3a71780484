"""Run a system over a data set, and compare two runs on the same examples."""

from __future__ import annotations

import functools
import hashlib
import html
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from functools import cached_property
from types import CodeType, FunctionType, MethodType

import numpy as np

from ..core import (
    BudgetExceeded,
    CapabilityMissing,
    DataError,
    EvaluationInterrupted,
    KeyRefused,
    ModelNotServed,
    RecordingMissing,
    SettingsError,
    draw_table,
    load_settings,
)
from ..datasets import Example
from ..models import Reply, price_tokens
from .metrics import (
    Estimate,
    Proportion,
    compute_mcnemar,
    compute_sign_flip_p,
    estimate_difference,
    estimate_mean,
    estimate_proportion,
)
from .scorers import Score

# Errors that every further example would meet as well: the run ends at the first of them.
FATAL = (SettingsError, KeyRefused, BudgetExceeded, RecordingMissing, CapabilityMissing, ModelNotServed)
HOPELESS = 8  # so many failures without one success end the run, whatever the error
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Answer:
    """What a system made of one input, where that is more than one reply.

    Attributes:
        prediction: what the scorer sees.
        replies: all replies of the model that it took; their tokens, seconds and dollars are added up.
        trace: the steps on the way, as dicts that JSON can hold.
    """

    prediction: object
    replies: tuple[Reply, ...] = ()
    trace: list[dict] | None = None


@dataclass(frozen=True)
class Row:
    """One example of a report. `error` is empty unless the system failed; then the score is 0."""

    id: str
    input: str
    expected: str
    prediction: object
    score: float
    note: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    num_calls: int = 0
    latency_s: float = 0.0
    cost_usd: float | None = 0.0
    error: str = ""
    trace: list[dict] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Report:
    """A system's rows over a data set.

    Attributes:
        name: what was run.
        rows: one per example, in the examples' order.
        provenance: model, source and mode of the replies.
        duration_s: wall-clock seconds of the whole run, calls in parallel.
        num_resumed: rows taken over from an interrupted run.
    """

    name: str
    rows: tuple[Row, ...]
    provenance: str
    duration_s: float = field(compare=False)
    num_resumed: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def scores(self) -> np.ndarray:
        """The score of each example, shape (n,)."""
        return np.array([row.score for row in self.rows])

    @property
    def is_binary(self) -> bool:
        """Whether each example is right or wrong, with nothing between."""
        return bool(np.isin(self.scores, (0.0, 1.0)).all())

    @cached_property
    def score(self) -> Proportion | Estimate:
        """The mean score with its interval: Wilson's for right and wrong, bootstrap for anything between."""
        if self.is_binary:
            return estimate_proportion(int(self.scores.sum()), len(self.rows))
        return estimate_mean(self.scores)

    @property
    def num_failed(self) -> int:
        """How many examples the system failed on with an error."""
        return sum(bool(row.error) for row in self.rows)

    @property
    def prompt_tokens(self) -> float:
        """Tokens read per example."""
        return float(np.mean([row.prompt_tokens for row in self.rows]))

    @property
    def completion_tokens(self) -> float:
        """Tokens written per example."""
        return float(np.mean([row.completion_tokens for row in self.rows]))

    @property
    def latency_s(self) -> float:
        """Seconds of model time per example: its calls one after the other; in replay the recorded ones."""
        return float(np.mean([row.latency_s for row in self.rows]))

    @property
    def cost_usd(self) -> float | None:
        """Dollars per example at the model's own price, None where no price is known."""
        costs = [row.cost_usd for row in self.rows]
        return None if None in costs else float(np.mean(costs))

    def price_at(self, provider: str, model: str) -> float:
        """Return what 1,000 examples would cost at another model's list price, in dollars.

        The tokens are those counted here; another model counts a little differently and may write more or less.
        """
        return 1000 * price_tokens(provider, model, self.prompt_tokens, self.completion_tokens)

    @property
    def table(self):
        """The rows as a `pandas.DataFrame`, without traces."""
        import pandas

        columns = [name for name in Row.__dataclass_fields__ if name != "trace"]
        return pandas.DataFrame([{name: getattr(row, name) for name in columns} for row in self.rows])

    def __str__(self) -> str:
        failed = f", {self.num_failed} failed with an error" if self.num_failed else ""
        if len(self.rows) == 1 and not self.is_binary:  # no spread, no interval
            return f"{self.name}: {self.scores[0]:.2f} (n = 1){failed}"
        return f"{self.name}: {self.score}{failed}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        spent = f"{self.prompt_tokens:.0f} + {self.completion_tokens:.0f} tokens and {self.latency_s:.2f} s per example"
        return (
            '<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">'
            f'{html.escape(str(self))}<div style="opacity:.7;font-size:85%">{spent}<br>'
            f"{html.escape(self.provenance)}</div></div>"
        )


def evaluate(
    system: Callable[[str], Reply | Answer | object],
    examples: Sequence[Example],
    scorer: Callable[[object, str], Score],
    *,
    name: str = "",
    parallel: int | None = None,
) -> Report:
    """Return the report of a system over examples: asked in parallel, each scored.

    An example on which the system fails with an error is kept as failed, with score 0. An interrupt keeps the rows
    that are done; the same call then goes on where it stopped, as long as system, examples and model are unchanged.

    Args:
        system: takes an example's input; returns a `Reply`, an `Answer`, or any value as the prediction.
        examples: at least one, with different ids.
        scorer: takes prediction and expected value.
        name: what the report is called; default: the system's name.
        parallel: examples at once; default: one with the embedded model, else LLMOPS_PARALLEL.

    Raises:
        DataError: no examples, an id twice, an expected value that the scorer does not know, or `parallel` below 1.
        EvaluationInterrupted: the learner interrupted the run.
        WorkbookError: an error that every example would meet: a refused key, an empty budget, no recording.
    """
    from tqdm.auto import tqdm

    examples = list(examples)
    _check_examples(examples, scorer)
    if parallel is not None and parallel < 1:
        raise DataError(f"{parallel} examples at once are too few.", "Give at least 1, or leave parallel out.")
    settings = load_settings()
    name = name or getattr(system, "__name__", type(system).__name__)
    journal = _Journal(system, examples, scorer, settings)
    kept = journal.read()
    done = {row.id: row for row, _ in kept}
    num_resumed, started, num_failed = len(done), time.perf_counter(), 0
    sources = {source for _, source in kept}

    door = _Door()

    def run(example: Example) -> Row:
        with door:
            row, source = _run_one(system, example, scorer)
            if not row.error:
                journal.append(row, source)
                sources.add(source)
        return row

    pool = ThreadPoolExecutor(parallel or settings.calls_at_once, thread_name_prefix="evaluate")
    silent = settings.mode in ("replay", "fill", "record")
    try:
        futures = [pool.submit(run, example) for example in examples if example.id not in done]
        for future in tqdm(as_completed(futures), total=len(futures), desc=name, disable=silent):
            row = future.result()
            done[row.id] = row
            num_failed += bool(row.error)
            if num_failed == len(done) >= min(HOPELESS, len(examples)) and not sources:
                raise DataError(
                    f"“{name}” failed on each of the first {num_failed} examples. The last error: {row.error}",
                    "Run the system on one example by hand: system(examples[0].input).",
                )
    except (KeyboardInterrupt, RuntimeError) as error:
        # An interrupt inside the standard library's locks comes out as "RuntimeError: release unlocked lock".
        if isinstance(error, RuntimeError) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        # What is on its way is waited for and kept, so that no example is asked twice.
        pool.shutdown(wait=False, cancel_futures=True)
        door.close()
        raise EvaluationInterrupted(
            f"“{name}” was interrupted; {len(journal.read())} of {len(examples)} examples are kept.",
            "Run the same cell again: it goes on with the others.",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    journal.delete()
    provenance = "; ".join(sorted(sources - {""})) or "no model asked"
    rows = tuple(done[example.id] for example in examples)
    return Report(name, rows, provenance, time.perf_counter() - started, num_resumed)


def _check_examples(examples: list[Example], scorer) -> None:
    if not examples:
        raise DataError("There are no examples to evaluate.", "Check the split or the filter that chose them.")
    if not all(isinstance(example, Example) for example in examples):
        raise DataError(
            "What is to be evaluated are no examples.", "Make them: make_examples(records, input, expected)."
        )
    if len({example.id for example in examples}) != len(examples):
        raise DataError("Two examples share an id.", "Give each example its own id.")
    check = getattr(scorer, "check_expected", None)
    for example in examples if check else []:
        check(example.expected)


def _run_one(system, example: Example, scorer) -> tuple[Row, str]:
    """Return the row of one example, and where its replies came from."""
    try:
        result = system(example.input)
        if isinstance(result, Reply):
            parsed = result.parsed
            result = Answer(result.text if parsed is None else parsed, (result,))
        elif not isinstance(result, Answer):
            result = Answer(result)
        score = scorer(result.prediction, example.expected)
        if not isinstance(score, Score):
            raise DataError(
                f"The scorer returned {score!r:.60}, which is no Score.", "Return Score(1.0) or Score(0.0)."
            )
        replies = (*result.replies, *score.replies)
    except FATAL:
        raise
    except Exception as error:  # whatever goes wrong in a system is that example's result
        problem = getattr(error, "problem", "") or str(error)
        text = f"{type(error).__name__}: {problem}"[:500]
        return Row(example.id, example.input, example.expected, None, 0.0, error=text), ""
    costs = [reply.cost_usd for reply in replies]
    row = Row(
        example.id,
        example.input,
        example.expected,
        result.prediction,
        float(score.value),
        score.note,
        sum(reply.prompt_tokens for reply in replies),
        sum(reply.completion_tokens for reply in replies),
        len(replies),
        sum(reply.latency_s for reply in replies),
        None if None in costs else float(sum(costs)),
        trace=result.trace,
    )
    return row, str(replies[0].provenance.without_seed) if replies else ""


class _Door:
    """Counts the examples on their way; once it is closed, no other sets out.

    The pool cannot do this: it does not wait for a thread whose start was interrupted.
    """

    def __init__(self):
        self._changed = threading.Condition()
        self._num_inside, self._is_closed = 0, False

    def __enter__(self):
        with self._changed:
            if self._is_closed:
                raise CancelledError
            self._num_inside += 1

    def __exit__(self, *error):
        with self._changed:
            self._num_inside -= 1
            self._changed.notify()

    def close(self) -> None:
        """Let nobody in any more, and wait until all are out."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._num_inside)


class _Journal:
    """The finished rows of a run that may be interrupted, in the learner's folder until the run is complete."""

    def __init__(self, system, examples: list[Example], scorer, settings) -> None:
        about = [
            describe_code(system),
            [asdict(example) for example in examples],
            describe_code(scorer),
            [settings.mode, settings.provider, settings.model, settings.base_url],
        ]
        key = hashlib.sha256(json.dumps(about, default=str, sort_keys=True).encode()).hexdigest()[:16]
        self.path = settings.home / "evaluations" / f"{key}.jsonl"
        self._lock = threading.Lock()

    def read(self) -> list[tuple[Row, str]]:
        """Return the rows kept so far with their provenance. A half-written line, from a killed process, is left out."""
        kept = []
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            lines = []
        for line in lines:
            try:
                entry = json.loads(line)
                kept.append((Row(**entry["row"]), entry["source"]))
            except (ValueError, TypeError, KeyError):
                continue
        return kept

    def append(self, row: Row, source: str) -> None:
        """Keep a row. One that JSON cannot hold is not kept, and asked again after an interrupt."""
        try:
            line = json.dumps({"row": vars(row), "source": source}, default=str)
        except (TypeError, ValueError, RecursionError):
            return
        with self._lock:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                if file.tell() and not self._ends_a_line(file):
                    file.write(b"\n")
                file.write(line.encode() + b"\n")

    @staticmethod
    def _ends_a_line(file) -> bool:
        file.seek(-1, 2)
        return file.read(1) == b"\n"

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def describe_code(thing: object, depth: int = 4) -> object:
    """Return a description of a function or object that changes when its code or the values it uses change.

    It follows names that a function takes from its notebook, its defaults and its closure, the values of callable
    objects and of methods' owners, classes of the notebook and containers, a few functions deep. An object may name
    its parts itself (`list_parts`). What has no stable text (an open file, a connection) counts by its type. It is
    the same in every process.
    """
    if hasattr(thing, "list_parts") and not isinstance(thing, type):
        return [type(thing).__name__, *(describe_code(part, depth) for part in thing.list_parts())]
    if isinstance(thing, FunctionType):
        return _describe_function(thing, depth - 1) if depth else _describe_bytecode(thing.__code__)
    if isinstance(thing, MethodType):
        return [describe_code(thing.__func__, depth), _describe_values(thing.__self__, depth)]
    if isinstance(thing, functools.partial):
        return [describe_code(part, depth) for part in (thing.func, thing.args, thing.keywords)]
    if isinstance(thing, dict | list | tuple) and re.search(r"\[\.\.\.\]|\{\.\.\.\}", repr(thing)):
        return _describe_text(thing)  # it may hold itself
    if isinstance(thing, dict):
        return ["dict", [[repr(key), describe_code(value, depth)] for key, value in thing.items()]]
    if isinstance(thing, list | tuple):
        return [type(thing).__name__, [describe_code(part, depth) for part in thing]]
    if isinstance(thing, set | frozenset):
        return ["set", sorted(repr(part) for part in thing)]
    if isinstance(thing, type) and thing.__module__ == "__main__" and depth:
        return [thing.__name__, repr(thing.__mro__), _describe_class(thing, depth - 1)]
    return _describe_values(thing, depth) if callable(thing) and depth else _describe_text(thing)


def _describe_text(thing: object) -> str:
    text = repr(thing)
    return type(thing).__name__ if " at 0x" in text else text


def _describe_function(function: FunctionType, depth: int) -> list:
    names = _list_names(function.__code__)
    used = {name: function.__globals__[name] for name in names if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        used[name] = cell.cell_contents
    described = {name: describe_code(value, depth) for name, value in used.items()}
    defaults = [describe_code(part, depth) for part in (function.__defaults__, function.__kwdefaults__)]
    return [_describe_bytecode(function.__code__), defaults, described]


# Parts of a class that differ from place to place, or from process to process.
UNSTABLE = ("__dict__", "__weakref__", "__module__", "__firstlineno__", "__static_attributes__")


def _describe_class(thing: type, depth: int) -> list:
    """Return what a class of the notebook consists of: its methods and the values and types of its fields."""
    hidden = (f"__pydantic_{name}" for name in ("core_schema__", "decorators__", "validator__", "serializer__"))
    skipped = {*UNSTABLE, *hidden}
    parts = [(name, part) for name, part in sorted(vars(thing).items()) if name not in skipped]
    return [
        [name, describe_code(part, depth) if isinstance(part, FunctionType) else _describe_text(part)]
        for name, part in parts
        if isinstance(part, FunctionType | str | int | float | tuple | dict)
    ]


def _describe_values(thing: object, depth: int) -> object:
    """Return the text of an object, or where it has none of its own, its class with its values."""
    text = _describe_text(thing)
    if text != type(thing).__name__ or not depth:
        return text
    call = type(thing).__call__ if callable(thing) else None
    values = {name: describe_code(value, depth - 1) for name, value in sorted(getattr(thing, "__dict__", {}).items())}
    return [text, describe_code(call, depth - 1) if isinstance(call, FunctionType) else "", values]


def _list_names(code: CodeType) -> list[str]:
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in _list_names(part)]
    return sorted({*code.co_names, *inner})


def _describe_bytecode(code: CodeType) -> list:
    return [code.co_code.hex(), list(code.co_names), [_describe_constant(part) for part in code.co_consts]]


def _describe_constant(value: object) -> object:
    if isinstance(value, CodeType):
        return _describe_bytecode(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)  # a set has no order of its own


@dataclass(frozen=True)
class Comparison:
    """A candidate against a baseline on the same examples.

    Attributes:
        difference: mean score of the candidate minus that of the baseline, with its paired bootstrap interval.
        p: how probable a difference at least as large would be if the two were equally good (exact McNemar for
            right and wrong, a sign-flip test for anything between).
        gained: ids on which the candidate scores higher.
        lost: ids on which it scores lower.
    """

    baseline: Report
    candidate: Report
    difference: Estimate
    p: float
    gained: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def num(self) -> int:
        """How many examples were compared."""
        return len(self.baseline)

    @property
    def verdict(self) -> str:
        """`helps`, `hurts` or `cannot tell`: a verdict needs p below 0.05 and an interval on one side of 0."""
        if self.p < SIGNIFICANT and self.difference.low > 0:
            return "helps"
        if self.p < SIGNIFICANT and self.difference.high < 0:
            return "hurts"
        return "cannot tell"

    @property
    def price_ratio(self) -> float | None:
        """Tokens per example of the candidate over those of the baseline, None where the baseline takes none."""
        tokens = sum_tokens(self.baseline)
        return sum_tokens(self.candidate) / tokens if tokens else None

    def __str__(self) -> str:
        change = format_points(self.difference)
        at = " at this n" if self.verdict == "cannot tell" else ""
        return (
            f"{self.candidate.name} against {self.baseline.name}: {self.verdict}{at}; {change}, "
            f"p = {self.p:.2g}, n = {self.num}"
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [
            (
                report.name,
                str(report.score),
                f"{report.prompt_tokens:.0f} + {report.completion_tokens:.0f}",
                f"{report.latency_s:.2f}",
            )
            for report in (self.baseline, self.candidate)
        ]
        table = draw_table(("system", "score", "tokens per example", "seconds per example"), rows, align="lr")
        price = "" if self.price_ratio is None else f"; {self.price_ratio:.1f} times the tokens"
        at = " at this n" if self.verdict == "cannot tell" else ""
        return (
            f"{table}<div><b>{html.escape(self.candidate.name)}: {self.verdict}{at}.</b> {format_points(self.difference)}, "
            f"p = {self.p:.2g}, n = {self.num}; {len(self.gained)} examples gained, {len(self.lost)} lost"
            f"{price}.</div>"
        )


def sum_tokens(report: Report) -> float:
    """Return the tokens per example, read and written together."""
    return report.prompt_tokens + report.completion_tokens


def format_points(difference: Estimate) -> str:
    """Return a difference of scores in percentage points with its interval, such as `+12 points [+4, +20]`."""
    value, low, high = (f"{100 * part:+.0f}" for part in (difference.value, difference.low, difference.high))
    return f"{value} points [{low}, {high}]"


def compare(baseline: Report, candidate: Report) -> Comparison:
    """Return how the candidate differs from the baseline, paired by example.

    Raises:
        DataError: the reports hold other examples, other inputs or expected values, another order, or fewer than two.
    """
    if _list_asked(baseline) != _list_asked(candidate):
        raise DataError(
            f"“{baseline.name}” and “{candidate.name}” were not run on the same examples.",
            "Evaluate both on the same list, then compare.",
        )
    before, after = baseline.scores, candidate.scores
    difference = estimate_difference(before, after)
    if baseline.is_binary and candidate.is_binary:
        p = compute_mcnemar(before == 1, after == 1)
    else:
        p = compute_sign_flip_p(before, after)
    ids = [row.id for row in baseline.rows]
    gained = tuple(name for name, change in zip(ids, after - before, strict=True) if change > 0)
    lost = tuple(name for name, change in zip(ids, after - before, strict=True) if change < 0)
    return Comparison(baseline, candidate, difference, p, gained, lost)


def _list_asked(report: Report) -> list[tuple]:
    return [(row.id, row.input, row.expected) for row in report.rows]
