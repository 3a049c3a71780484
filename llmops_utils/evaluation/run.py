"""Run a system over a data set: examples in parallel, each scored; what is done outlives an interrupt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path

from ..core import (
    BudgetExceeded,
    CapabilityMissing,
    Crew,
    DataError,
    EvaluationInterrupted,
    KeyRefused,
    ModelNotServed,
    RecordingMissing,
    Settings,
    SettingsError,
    append_line,
    explain_os_errors,
    load_settings,
    redact,
    redact_values,
)
from ..datasets import Example
from ..models import Reply
from .report import Report, Row
from .scorers import Score, Scorer

# Errors that every further example would meet as well: the run ends at the first of them.
FATAL = (SettingsError, KeyRefused, BudgetExceeded, RecordingMissing, CapabilityMissing, ModelNotServed)
HOPELESS = 8  # so many failures without one success end the run, whatever the error


@dataclass(frozen=True)
class Answer:
    """What a system made of one input, where that is more than one reply."""

    prediction: object  # what the scorer sees
    replies: tuple[Reply, ...] = ()  # all that it took; their tokens, seconds and dollars are added up
    trace: list[dict] | None = None  # the steps on the way, as dicts that JSON can hold


def evaluate(
    system: Callable[[str], object],
    examples: Sequence[Example],
    scorer: Scorer,
    *,
    name: str = "",
    parallel: int | None = None,
    key: str | list | dict | None = None,
) -> Report:
    """Return the report of a system over examples: asked in parallel, each scored; one that fails scores 0.

    With a key, an interrupt keeps the rows that are done, and the same call goes on where it stopped.

    Args:
        system: takes an example's input; returns a `Reply`, an `Answer`, or any value as the prediction.
        name: default: the system's name.
        parallel: examples at once; default: one with the embedded model, else LLMOPS_PARALLEL.
        key: what the answers depend on besides name, examples, scorer and the model in the settings, as JSON values:
            the prompt's version, the examples in it, decoding. Default: the system's own `key`, where it has one.

    Raises:
        EvaluationInterrupted: the learner interrupted the run.
        WorkbookError: an error that every example would meet: a refused key, an empty budget, no recording.
    """
    from tqdm.auto import tqdm

    examples = list(examples)
    _check_examples(examples, scorer)
    settings = load_settings()
    name = name or getattr(system, "__name__", type(system).__name__)
    key = getattr(system, "key", None) if key is None else key
    journal = None if key is None else _find_journal(name, examples, scorer, key, settings)
    kept = _read_rows(journal)
    done = {row.id: row for row, _ in kept}
    num_resumed, started, num_failed = len(done), time.perf_counter(), 0
    sources = {source for _, source in kept}
    lock = threading.Lock()

    def run(example: Example) -> Row:
        row, source = _run_one(system, example, scorer)
        if not row.error:
            if journal is not None:
                with lock:
                    _keep_row(journal, row, source)
            sources.add(source)
        return row

    todo = [example for example in examples if example.id not in done]
    answered = Crew(run, todo, parallel or settings.calls_at_once)
    try:
        for row in tqdm(answered, total=len(todo), desc=redact(name), disable=settings.repeats):
            done[row.id] = row
            num_failed += bool(row.error)
            if num_failed == len(done) >= min(HOPELESS, len(examples)) and not sources:
                raise DataError(
                    f"“{name}” failed on each of the first {num_failed} examples. The last error: {row.error}",
                    "Run the system on one example by hand: system(examples[0].input). An async one needs a plain "
                    "function around it: lambda text: asyncio.run(system(text)).",
                )
    except KeyboardInterrupt:
        answered.stop()  # what is on its way is waited for and kept, so that no example is asked twice
        if journal is None:
            raise EvaluationInterrupted(
                f"“{name}” was interrupted; none of its {len(examples)} examples is kept.",
                "Run the same cell again: it asks all anew. A run with a stated key goes on where it stopped: "
                "evaluate(…, key={'prompt': prompt.version}), with all that the answers depend on.",
            ) from None
        raise EvaluationInterrupted(
            f"“{name}” was interrupted; {len(_read_rows(journal))} of {len(examples)} examples are kept.",
            "Run the same cell again: it goes on with the others.",
        ) from None
    finally:
        answered.stop()
    if journal is not None:
        with explain_os_errors(journal, "removed"):
            journal.unlink(missing_ok=True)
    provenance = "; ".join(sorted(sources - {""})) or "no model asked"
    rows = tuple(done[example.id] for example in examples)
    return Report(name, rows, provenance, time.perf_counter() - started, num_resumed)


def _check_examples(examples: list[Example], scorer: Scorer) -> None:
    if not examples:
        raise DataError("There are no examples to evaluate.", "Check the split or the filter that chose them.")
    if not all(isinstance(example, Example) for example in examples):
        raise DataError("These are no examples.", "Make them: make_examples(records, input, expected).")
    if len({example.id for example in examples}) != len(examples):
        raise DataError("Two examples share an id.", "Give each example its own id.")
    check = getattr(scorer, "check_expected", lambda expected: None)
    for example in examples:
        check(example.expected)


def _run_one(system: Callable[[str], object], example: Example, scorer: Scorer) -> tuple[Row, str]:
    """Return the row of one example, and where its replies came from."""
    try:
        result = system(example.input)
        if isinstance(result, Awaitable | AsyncIterator):
            if hasattr(result, "close"):
                result.close()  # else Python warns of it
            given = type(result).__name__
            raise DataError(f"it gives a {given}, not an answer", "Wait for it in a plain function.")
        if isinstance(result, Reply):
            result = Answer(result.text if result.parsed is None else result.parsed, (result,))
        answer = result if isinstance(result, Answer) else Answer(result)
        score = scorer(answer.prediction, example.expected)
        if not isinstance(score, Score):
            raise DataError(f"The scorer returned {score!r:.60}, no Score.", "Return Score(1.0) or Score(0.0).")
        replies = (*answer.replies, *score.replies)
    except FATAL:
        raise
    except Exception as error:  # whatever goes wrong in a system is that example's result
        problem = getattr(error, "problem", "") or str(error)
        text = f"{type(error).__name__}: {problem}"[:500]
        return Row(example.id, example.input, example.expected, None, 0.0, error=text), ""
    costs = [reply.cost_usd for reply in replies if reply.cost_usd is not None]
    row = Row(
        id=example.id,
        input=example.input,
        expected=example.expected,
        prediction=answer.prediction,
        score=float(score.value),
        note=score.note,
        prompt_tokens=sum(reply.prompt_tokens for reply in replies),
        completion_tokens=sum(reply.completion_tokens for reply in replies),
        num_calls=len(replies),
        latency_s=sum(reply.latency_s for reply in replies),
        cost_usd=float(sum(costs)) if len(costs) == len(replies) else None,
        trace=answer.trace,
    )
    return row, str(replies[0].provenance.without_seed) if replies else ""


def _find_journal(name: str, examples: list[Example], scorer: Scorer, key: object, settings: Settings) -> Path:
    """Return the file of a run: another one where name, examples, scorer with its settings, key or model differ."""
    about = {
        "name": name,
        "examples": [list(vars(example).values()) for example in examples],
        "scorer": repr(scorer) if is_dataclass(scorer) else getattr(scorer, "__name__", type(scorer).__name__),
        "model": [settings.mode, settings.provider, settings.model, settings.base_url],
    }
    try:
        stated = json.dumps(key, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"The key {key!r:.60} cannot be kept as JSON.",
            "State it in texts, numbers, lists and dicts, such as {'prompt': prompt.version, 'shots': 8}.",
        ) from error
    content = json.dumps(about, sort_keys=True, default=str) + stated
    return settings.home / "evaluations" / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.jsonl"


def _read_rows(journal: Path | None) -> list[tuple[Row, str]]:
    """Return the rows kept so far with their provenance. A half-written line, from a killed process, is left out."""
    if journal is None:
        return []
    with explain_os_errors(journal, "read"):
        text = journal.read_text(encoding="utf-8", errors="replace") if journal.exists() else ""
    kept = []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            kept.append((Row(**entry["row"]), entry["source"]))
        except (ValueError, TypeError, KeyError):
            continue
    return kept


def _keep_row(journal: Path, row: Row, source: str) -> None:
    """Append a row. One that JSON cannot hold is not kept, and asked again after an interrupt."""
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        entry = json.loads(json.dumps({"row": vars(row), "source": source}, default=str))
        append_line(journal, json.dumps(redact_values(entry)), is_private=True)
