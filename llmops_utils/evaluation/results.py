"""What was measured, kept by model: one result per technique and task."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..core import DATA, DataError, change_json, load_settings, read_json
from .compare import Comparison, format_points
from .metrics import Estimate

SHIPPED = DATA / "results"
# The results' dollars are those of a cheap and widely used model, so that techniques can be compared in money even
# where they were measured on a model that costs nothing.
PRICED_AT = ("openai", "gpt-6-luna")
# Results of this session, by (own, model, task, technique); the map of techniques shows them at once.
_measured_now: dict[tuple, Result] = {}


@dataclass(frozen=True)
class Result:
    """A technique on a task, against the plain prompt on the same examples. Scores are shares between 0 and 1."""

    technique: str
    task: str
    chapter: int | str  # address of the lesson, such as “06_2”, or number of a whole chapter
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
    prompt_tokens: float  # read per example
    completion_tokens: float  # written per example
    latency_s: float  # of the model per example
    usd_per_1000: float  # for 1,000 examples at the list price of `PRICED_AT`
    price_ratio: float | None  # tokens over those of the baseline, None where the baseline takes none
    provenance: str
    constant: float | None = None  # the share right by always giving the most frequent right answer
    chance: float | None = None  # the share right by guessing; None where there is no list to guess from

    @property
    def address(self) -> str:
        """The number of the notebook that measured it, as in its name; it sorts as the notebooks do."""
        return f"{self.chapter:0>2}"

    @property
    def model(self) -> str:
        """The name of the model that was measured."""
        return self.provenance.split(" (")[0]

    def __str__(self) -> str:
        change = format_points(Estimate(self.difference, self.difference_low, self.difference_high))
        return (
            f"{self.technique} on {self.task}: {self.verdict}, {100 * self.baseline_score:.0f} % → "
            f"{100 * self.score:.0f} %, {change}, n = {self.num}"
        )

    __repr__ = __str__


def keep_result(
    comparison: Comparison, technique: str, task: str, chapter: int | str, chance: float | None = None
) -> Result:
    """Keep what a comparison amounts to in the learner's folder under the model's name, and return it.

    A later result for the same technique and task takes its place. In replay nothing is written: what was recorded is
    part of the course already.
    """
    baseline, candidate, difference = comparison.baseline, comparison.candidate, comparison.difference
    score, ratio = candidate.score, comparison.price_ratio
    [(_, most)] = Counter(row.expected for row in candidate.rows).most_common(1)
    result = Result(
        technique=technique,
        task=task,
        chapter=chapter,
        num=comparison.num,
        score=round(score.value, 6),
        low=round(score.low, 6),
        high=round(score.high, 6),
        baseline=baseline.name,
        baseline_score=round(baseline.score.value, 6),
        difference=round(difference.value, 6),
        difference_low=round(difference.low, 6),
        difference_high=round(difference.high, 6),
        p=round(comparison.p, 6),
        verdict=comparison.verdict,
        prompt_tokens=round(candidate.prompt_tokens, 2),
        completion_tokens=round(candidate.completion_tokens, 2),
        latency_s=round(candidate.latency_s, 3),
        usd_per_1000=round(candidate.price_at(*PRICED_AT), 6),
        price_ratio=None if ratio is None else round(ratio, 3),
        provenance=candidate.provenance,
        constant=round(most / comparison.num, 6),
        chance=chance,
    )
    settings = load_settings()
    _measured_now[settings.asks, result.model, task, technique] = result
    if settings.asks or settings.results is not None:
        _write([result], settings.results or settings.home / "results")
    return result


def _write(results: list[Result], folder: Path, dropped: str | None = None) -> None:
    for model in {result.model for result in results}:
        path = folder / _name_file(model, folder)
        new = {(one.technique, one.task): one for one in results if one.model == model}
        with change_json(path, {"model": model, "results": []}) as content:
            old = {(one.technique, one.task): one for one in _parse(content, path) if one.address != dropped}
            content["results"] = [asdict(one) for one in _sort((old | new).values())]


def _name_file(model: str, folder: Path) -> str:
    """Return a name that any disk takes, also one that does not tell Model-A from model-a."""
    name = quote(model, safe="")
    there = {path.stem for path in folder.glob("*.json")}
    if name not in there and name.casefold() in {stem.casefold() for stem in there}:
        name += f"~{hashlib.sha256(model.encode()).hexdigest()[:6]}"
    return f"{name}.json"


def _sort(results: Iterable[Result]) -> list[Result]:
    return sorted(results, key=lambda one: (one.address, one.task, one.technique))


def ship_results(folder: Path, address: str) -> None:
    """Take the results of one notebook's run into the course, in the place of what it had there."""
    results = [result for listed in _load_folder(folder).values() for result in listed]
    if results:
        _write(results, SHIPPED, dropped=address)


def _parse(content: Any, path: Path) -> list[Result]:
    try:
        return [Result(**row) for row in content["results"]]
    except (KeyError, TypeError) as error:
        told = f"The results in {path.name} cannot be read ({error})."
        raise DataError(told, "Move the file away; results come again with a run.") from error


def _load_folder(folder: Path) -> dict[str, list[Result]]:
    listed = [_parse(read_json(path), path) for path in sorted(folder.glob("*.json"))]
    return {results[0].model: results for results in listed if results}


def load_shipped(address: str) -> list[Result]:
    """Return the course's results of one notebook, of all models."""
    return [one for listed in _load_folder(SHIPPED).values() for one in listed if one.address == address]


def load_results() -> dict[str, list[Result]]:
    """Return all results by model: those of the course, and the learner's own under the name "MODEL, yours"."""
    shipped = _load_folder(SHIPPED)
    own = _load_folder(load_settings().home / "results")
    for (is_own, model, task, technique), result in _measured_now.items():
        results = (own if is_own else shipped).setdefault(model, [])
        results[:] = [one for one in results if (one.task, one.technique) != (task, technique)] + [result]
    found = shipped | {f"{model}, yours": results for model, results in own.items()}
    return {model: _sort(results) for model, results in found.items()}
