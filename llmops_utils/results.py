"""What was measured, kept by model: one result per technique and task, and the table over all of them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from .errors import DataError
from .evaluation import Comparison
from .settings import DATA, load_settings

SHIPPED = DATA / "results"
# The results' dollars are those of a cheap and widely used model, so that techniques can be compared in money even
# where they were measured on a model that costs nothing.
PRICED_AT = ("openai", "gpt-5-mini")


@dataclass(frozen=True)
class Result:
    """A technique on a task, against the plain prompt on the same examples. Scores are shares between 0 and 1.

    Attributes:
        prompt_tokens: tokens read per example; `completion_tokens` written.
        latency_s: seconds of model time per example.
        usd_per_1000: dollars for 1,000 examples at the list price of `PRICED_AT`.
        price_ratio: tokens per example over those of the baseline.
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
    price_ratio: float
    provenance: str

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
        round(comparison.price_ratio, 3),
        candidate.provenance,
    )


def keep_result(comparison: Comparison, technique: str, task: str, chapter: int) -> Result:
    """Keep a result in the learner's folder under the model's name, and return it.

    A later result for the same technique and task takes the place of the earlier one. In replay nothing is kept:
    what was recorded is part of the course already.
    """
    result = make_result(comparison, technique, task, chapter)
    settings = load_settings()
    folder = Path(os.environ["LLMOPS_RESULTS"]) if "LLMOPS_RESULTS" in os.environ else settings.home / "results"
    if settings.mode != "replay" or "LLMOPS_RESULTS" in os.environ:
        _write(result, folder)
    return result


def _write(result: Result, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model = result.provenance.split(" (")[0]
    path = folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', model)}.json"
    with FileLock(folder / ".lock"):
        kept = [one for one in _read(path) if (one.technique, one.task) != (result.technique, result.task)]
        kept = sorted([*kept, result], key=lambda one: (one.chapter, one.task, one.technique))
        part = path.with_suffix(".part")
        rows = [asdict(one) for one in kept]
        part.write_text(json.dumps({"model": model, "results": rows}, indent=1, ensure_ascii=False) + "\n", "utf-8")
        os.replace(part, path)


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
        return {path.stem: _read(path) for path in sorted(folder.glob("*.json"))}
    own = load_results(load_settings().home / "results")
    return load_results(SHIPPED) | {f"{model}, yours": results for model, results in own.items()}


def tabulate_results(results: dict[str, list[Result]] | None = None):
    """Return the table "technique × task" as a `pandas.DataFrame`: a row per result, a column group per model."""
    import pandas

    results = load_results() if results is None else results
    columns = {}
    for model, listed in results.items():
        columns[model] = {
            (one.task, one.technique): f"{one.score:.0%} [{one.low:.0%}, {one.high:.0%}] {one.verdict}"
            for one in listed
        }
    table = pandas.DataFrame(columns).fillna("not measured")
    table.index = pandas.MultiIndex.from_tuples(table.index, names=["task", "technique"])
    return table.sort_index(sort_remaining=False)
