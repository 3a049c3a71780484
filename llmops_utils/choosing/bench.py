"""The bench of chapter 03: a model's scores on the assistant's own tasks, kept so that models can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core import DataError, change_json, load_settings, read_json
from ..evaluation import Report


@dataclass(frozen=True)
class BenchRow:
    """A model's result on one task. `model` is its name and source, as in “name (weights or host)”.

    Attributes:
        score: mean score, a share between 0 and 1; `low` and `high` bound its 95 % interval.
        prompt_tokens: tokens read per example; `completion_tokens` written.
        latency_s: seconds of model time per example.
        cost_usd: dollars per example at the model's own price, None where no price is known.
    """

    model: str
    task: str
    num: int
    score: float
    low: float
    high: float
    prompt_tokens: float
    completion_tokens: float
    latency_s: float
    cost_usd: float | None
    provenance: str


def make_bench_row(report: Report, model: str, task: str) -> BenchRow:
    """Return what a report says of a model on a task."""
    score = report.score
    return BenchRow(
        model,
        task,
        len(report),
        *(round(value, 6) for value in (score.value, score.low, score.high)),
        *(round(value, 3) for value in (report.prompt_tokens, report.completion_tokens, report.latency_s)),
        report.cost_usd,
        report.provenance,
    )


def keep_bench(rows: Sequence[BenchRow]) -> None:
    """Keep the rows of one model in the learner's folder, in the place of its earlier ones. In replay nothing is written.

    Raises `DataError` where there are no rows, they are of several models, or the kept file cannot be read.
    """
    if len({row.model for row in rows}) != 1:
        raise DataError("The rows are not those of one model.", "Keep one model's bench at a time.")
    if load_settings().asks:
        with change_json(_find_file(), {}) as kept:
            kept[rows[0].model] = [asdict(row) for row in rows]


def load_bench(rows: Sequence[BenchRow] = ()) -> dict[str, list[BenchRow]]:
    """Return the bench of each model that was kept, in order of the names, with `rows` in place of the kept ones."""
    path = _find_file()
    stored = read_json(path) if path.exists() else {}
    try:
        kept = {model: [BenchRow(**row) for row in listed] for model, listed in stored.items()}
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read ({error}).", "Move the file away; a run writes it anew.") from error
    for model in {row.model for row in rows}:
        kept[model] = [row for row in rows if row.model == model]
    return dict(sorted(kept.items()))


def tabulate_bench(benches: dict[str, list[BenchRow]]):
    """Return a `pandas.DataFrame` with a row per task and a column per model: score with interval, and n."""
    import pandas

    if not any(benches.values()):
        raise DataError("There is no bench yet.", "Run the bench of chapter 03.")
    columns = {model: {row.task: _tell(row) for row in rows} for model, rows in benches.items()}
    tasks = list(dict.fromkeys(row.task for rows in benches.values() for row in rows))
    return pandas.DataFrame(columns).reindex(tasks).fillna("not measured").rename_axis("task")


def _tell(row: BenchRow) -> str:
    return f"{row.score:.0%} [{row.low:.0%}, {row.high:.0%}], n = {row.num}"


def _find_file() -> Path:
    return load_settings().home / "bench.json"
