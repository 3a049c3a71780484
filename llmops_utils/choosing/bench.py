"""The bench of chapter 03: a model's scores on the assistant's own tasks, kept so that models can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core import DataError, change_json, load_settings, read_json
from ..evaluation import Report


@dataclass(frozen=True)
class BenchRow:
    """A model's mean score on a task, a share between 0 and 1 with its 95 % interval, over `num` examples.

    `model` is its name and source, as in “name (weights or host)”.
    """

    model: str
    task: str
    num: int
    score: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.score:.0%} [{self.low:.0%}, {self.high:.0%}], n = {self.num}"


def make_bench_row(report: Report, model: str, task: str) -> BenchRow:
    """Return what a report says of a model on a task."""
    return BenchRow(model, task, len(report), report.score.value, report.score.low, report.score.high)


def keep_bench(rows: Sequence[BenchRow]) -> None:
    """Keep the rows in the learner's folder, in the place of their models' earlier ones. In replay nothing is written."""
    if load_settings().asks:
        with change_json(_find_file(), {}) as kept:
            kept |= {model: [asdict(row) for row in listed] for model, listed in _group(rows).items()}


def load_bench(rows: Sequence[BenchRow] = ()) -> dict[str, list[BenchRow]]:
    """Return the bench of each model that was kept, in order of the names, with `rows` in place of the kept ones."""
    path = _find_file()
    stored = read_json(path) if path.exists() else {}
    try:
        kept = {model: [BenchRow(**row) for row in listed] for model, listed in stored.items()}
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read ({error}).", "Move the file away; a run writes it anew.") from error
    return dict(sorted((kept | _group(rows)).items()))


def tabulate_bench(benches: dict[str, list[BenchRow]]):
    """Return a `pandas.DataFrame` with a row per task and a column per model: score with interval, and n."""
    import pandas

    columns = {model: {row.task: str(row) for row in rows} for model, rows in benches.items()}
    tasks = list(dict.fromkeys(row.task for rows in benches.values() for row in rows))
    return pandas.DataFrame(columns).reindex(tasks).fillna("not measured").rename_axis("task")


def _group(rows: Sequence[BenchRow]) -> dict[str, list[BenchRow]]:
    return {model: [row for row in rows if row.model == model] for model in {row.model for row in rows}}


def _find_file() -> Path:
    return load_settings().home / "bench.json"
