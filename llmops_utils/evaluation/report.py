"""The rows of a run over a data set: score with interval, tokens, seconds and dollars."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..models import price_tokens
from .metrics import Estimate, Proportion, estimate_mean, estimate_proportion

if TYPE_CHECKING:
    import pandas


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
    """A system's rows over a data set."""

    name: str
    rows: tuple[Row, ...]
    provenance: str  # model, source and mode of the replies
    duration_s: float = field(compare=False)  # of the whole run by the clock, calls in parallel
    num_resumed: int = 0  # rows taken over from an interrupted run

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
        costs = [row.cost_usd for row in self.rows if row.cost_usd is not None]
        return float(np.mean(costs)) if len(costs) == len(self.rows) else None

    def price_at(self, provider: str, model: str) -> float:
        """Return what 1,000 examples would cost at another model's list price, in dollars.

        The tokens are those counted here; another model counts a little differently and may write more or less.
        """
        return 1000 * price_tokens(provider, model, self.prompt_tokens, self.completion_tokens)

    @property
    def table(self) -> pandas.DataFrame:
        """The rows as a `pandas.DataFrame`, without traces."""
        import pandas

        return pandas.DataFrame([vars(row) for row in self.rows]).drop(columns="trace")

    def __str__(self) -> str:
        failed = f", {self.num_failed} failed with an error" if self.num_failed else ""
        resumed = f", {self.num_resumed} resumed" if self.num_resumed else ""
        has_interval = len(self.rows) > 1 or self.is_binary
        score = str(self.score) if has_interval else f"{self.scores[0]:.2f} (n = 1)"
        return f"{self.name}: {score}{failed}{resumed}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        spent = f"{self.prompt_tokens:.0f} + {self.completion_tokens:.0f} tokens and {self.latency_s:.2f} s per example"
        return (
            '<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">'
            f'{html.escape(str(self))}<div style="opacity:.7;font-size:85%">{spent}<br>'
            f"{html.escape(self.provenance)}</div></div>"
        )


def sum_tokens(report: Report) -> float:
    """Return the tokens per example, read and written together."""
    return report.prompt_tokens + report.completion_tokens
