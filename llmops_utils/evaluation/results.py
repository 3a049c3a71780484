"""What was measured, kept by model: one result per technique and task, and the table over all of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from ..core import DATA, DataError, load_settings
from .run import Comparison

SHIPPED = DATA / "results"
# The results' dollars are those of a cheap and widely used model, so that techniques can be compared in money even
# where they were measured on a model that costs nothing.
PRICED_AT = ("openai", "gpt-6-luna")
# Results of this session, by (own, model, task, technique); a chapter's closing table shows them at once.
_measured_now: dict[tuple, Result] = {}


@dataclass(frozen=True)
class Result:
    """A technique on a task, against the plain prompt on the same examples. Scores are shares between 0 and 1.

    Attributes:
        prompt_tokens: tokens read per example; `completion_tokens` written.
        latency_s: seconds of model time per example.
        usd_per_1000: dollars for 1,000 examples at the list price of `PRICED_AT`.
        price_ratio: tokens per example over those of the baseline, None where the baseline takes none.
    """

    technique: str
    task: str
    chapter: int
    num: int
    score: float
    low: float
    high: float
    baseline: str
    baseline_score: float
    difference: float
    difference_low: float
    difference_high: float
    p: float
    verdict: str
    prompt_tokens: float
    completion_tokens: float
    latency_s: float
    usd_per_1000: float
    price_ratio: float | None
    provenance: str

    @property
    def model(self) -> str:
        """The name of the model that was measured."""
        return self.provenance.split(" (")[0]

    @property
    def claim(self) -> str:
        """The result in one line, as the prose of the chapters quotes it."""
        change = (
            f"{100 * self.difference:+.0f} points [{100 * self.difference_low:+.0f}, {100 * self.difference_high:+.0f}]"
        )
        return (
            f"{self.technique} on {self.task}: {self.verdict}, {100 * self.baseline_score:.0f} % → "
            f"{100 * self.score:.0f} %, {change}, n = {self.num}"
        )

    def __str__(self) -> str:
        return self.claim

    __repr__ = __str__


def make_result(comparison: Comparison, technique: str, task: str, chapter: int) -> Result:
    """Return the result that a comparison amounts to."""
    candidate, difference = comparison.candidate, comparison.difference
    score = candidate.score
    return Result(
        technique,
        task,
        chapter,
        comparison.num,
        *(round(value, 6) for value in (score.value, score.low, score.high)),
        comparison.baseline.name,
        round(comparison.baseline.score.value, 6),
        *(round(value, 6) for value in (difference.value, difference.low, difference.high, comparison.p)),
        comparison.verdict,
        round(candidate.prompt_tokens, 2),
        round(candidate.completion_tokens, 2),
        round(candidate.latency_s, 3),
        round(candidate.price_at(*PRICED_AT), 6),
        None if comparison.price_ratio is None else round(comparison.price_ratio, 3),
        candidate.provenance,
    )


def keep_result(comparison: Comparison, technique: str, task: str, chapter: int) -> Result:
    """Keep a result in the learner's folder under the model's name, and return it.

    A later result for the same technique and task takes the place of the earlier one. In replay nothing is written:
    what was recorded is part of the course already.
    """
    result = make_result(comparison, technique, task, chapter)
    settings = load_settings()
    own = settings.mode != "replay"
    _measured_now[own, result.model, task, technique] = result
    if own or settings.results is not None:
        _write([result], settings.results or settings.home / "results")
    return result


def _write(results: list[Result], folder: Path, dropped_chapter: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        for model in {result.model for result in results}:
            path = folder / f"{_name_file(model)}.json"
            new = {(one.technique, one.task): one for one in results if one.model == model}
            old = {(one.technique, one.task): one for one in _read(path) if one.chapter != dropped_chapter}
            kept = sorted((old | new).values(), key=lambda one: (one.chapter, one.task, one.technique))
            rows = [asdict(one) for one in kept]
            part = path.with_suffix(".part")
            text = json.dumps({"model": model, "results": rows}, indent=1, ensure_ascii=False) + "\n"
            part.write_text(text, encoding="utf-8", newline="\n")
            os.replace(part, path)


def _name_file(model: str) -> str:
    """Return a name that any disk takes; where it is not the model's own, a checksum keeps it apart from others."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", model)
    return name if name == model else f"{name}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"


def ship_results(folder: Path, chapter: int, target: Path = SHIPPED) -> None:
    """Take the results of one chapter's run into the course, in the place of what the chapter had there."""
    results = [result for listed in load_results(folder).values() for result in listed]
    if results:
        _write(results, target, dropped_chapter=chapter)


def _read(path: Path) -> list[Result]:
    if not path.exists():
        return []
    try:
        return [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))["results"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"The results in {path.name} cannot be read ({error}).",
            "Move the file away; results come again with a run.",
        ) from error


def load_results(folder: Path | None = None) -> dict[str, list[Result]]:
    """Return all results by model: those of the course, and the learner's own under the name "MODEL, yours".

    Args:
        folder: only the results of this folder.
    """
    if folder is not None:
        listed = [_read(path) for path in sorted(folder.glob("*.json"))]
        return {results[0].model: results for results in listed if results}
    shipped = load_results(SHIPPED)
    own = load_results(load_settings().home / "results")
    for (is_own, model, task, technique), result in _measured_now.items():
        results = (own if is_own else shipped).setdefault(model, [])
        results[:] = [one for one in results if (one.task, one.technique) != (task, technique)] + [result]
    found = shipped | {f"{model}, yours": results for model, results in own.items()}
    return {
        model: sorted(results, key=lambda one: (one.chapter, one.task, one.technique))
        for model, results in found.items()
    }


def tabulate_results(results: Sequence[Result]):
    """Return the table "technique × task" of one model as a `pandas.DataFrame`, one row per result.

    Tokens, seconds and dollars are those of the technique; "price" compares its tokens with those of the plain prompt.
    """
    import pandas

    rows = [
        {
            "technique": one.technique,
            "task": one.task,
            "chapter": one.chapter,
            "plain prompt": f"{one.baseline_score:.0%}",
            "score": f"{one.score:.0%} [{one.low:.0%}, {one.high:.0%}]",
            "verdict": one.verdict,
            "n": one.num,
            "tokens": f"{one.prompt_tokens:.0f} + {one.completion_tokens:.0f}",
            "seconds": f"{one.latency_s:.2f}",
            f"$ per 1,000 at {PRICED_AT[1]}": f"{one.usd_per_1000:.3f}",
            "price": "–" if one.price_ratio is None else f"{one.price_ratio:.1f} ×",
        }
        for one in results
    ]
    if not rows:
        raise DataError("There are no results yet.", "Run the chapters 05 to 08, or restore data/results.")
    return pandas.DataFrame(rows)


def tabulate_models(results: dict[str, list[Result]]):
    """Return a `pandas.DataFrame` with a row per technique, task by task, and a column per model: score and verdict."""
    import pandas

    if not any(results.values()):
        raise DataError("There are no results yet.", "Run the chapters 05 to 08, or restore data/results.")
    columns = {
        model: {(one.task, one.technique): f"{one.score:.0%}, {one.verdict}" for one in listed}
        for model, listed in results.items()
    }
    table = pandas.DataFrame(columns).fillna("not measured")
    tasks = list(dict.fromkeys(task for task, _ in table.index))
    table.index = pandas.MultiIndex.from_tuples(table.index, names=["task", "technique"])
    return table.reindex(tasks, level="task")
