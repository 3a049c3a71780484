"""Watch a stream of requests window by window, and raise an alarm where a window does not look like quiet traffic.

What is usual is learned from a reference: requests of a quiet time. Windows are drawn from it at random, thousands of
them, each measure is computed for each, and the limit is put where hardly any of them reaches. So every measure,
whatever its unit or distribution, has the same and known rate of false alarms per window, as long as traffic is quiet.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError

NUM_RESAMPLES = 4000  # windows drawn to place the limits


@dataclass(frozen=True)
class Request:
    """One request as it was served.

    Attributes:
        cluster: the kind of question, known without a label: its nearest group of earlier questions, say.
        is_refused: it gave no usable answer.
        score: 0 to 1 where a person graded it, else None.
    """

    cluster: str
    answer: str
    latency_s: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    is_refused: bool = False
    score: float | None = None


@dataclass(frozen=True)
class Measure:
    """One number of a window, and which way it goes wrong.

    Attributes:
        compute: from values of a column, shape (…, n), and the usual share of each where they are codes, to numbers of
            shape (…); nan where there is nothing to measure.
        span: how many windows are looked at together: more where a single one holds too little.
    """

    name: str
    column: str
    compute: Callable[[np.ndarray, np.ndarray | None], np.ndarray]
    is_high_bad: bool = True
    span: int = 1


def compute_psi(shares: np.ndarray, reference: np.ndarray, num: int) -> np.ndarray:
    """Return the population stability index of shares, shape (…, k), against those of a reference, shape (k,).

    0 where they are equal. The thresholds 0.1 and 0.25 of the handbooks are for thousands of cases: two windows of n
    from the same traffic differ by about (categories - 1) × (1/n + 1/m) already, 0.14 for 8 categories and n = 50.
    Half a request is added to each category of the `num` that the window holds, so that none is empty.

    Source: N. Siddiqi, Credit Risk Scorecards (2006); the expectation: B. Yurdakul, Statistical properties of the
    population stability index (2018).
    """
    k = shares.shape[-1]
    now, before = ((part * num + 0.5) / (num + 0.5 * k) for part in (shares, reference))
    return ((now - before) * np.log(now / before)).sum(axis=-1)


def _compute_drift(codes: np.ndarray, usual: np.ndarray) -> np.ndarray:
    shares = (codes[..., None] == np.arange(len(usual))).mean(axis=-2)
    return compute_psi(shares, usual, codes.shape[-1])


def _compute_mean(values: np.ndarray, usual: None) -> np.ndarray:
    num = (~np.isnan(values)).sum(axis=-1)
    return np.where(num > 0, np.nansum(values, axis=-1) / np.maximum(num, 1), np.nan)


MEASURES = (
    Measure("latency p50 (s)", "latency_s", lambda values, usual: np.quantile(values, 0.5, axis=-1)),
    Measure("latency p95 (s)", "latency_s", lambda values, usual: np.quantile(values, 0.95, axis=-1)),
    Measure("tokens", "tokens", _compute_mean),
    Measure("dollars per 1,000", "usd_per_1000", _compute_mean),
    Measure("refusals", "is_refused", _compute_mean),
    Measure("drift of the questions", "cluster", _compute_drift, span=4),
    Measure("drift of the answers", "answer", _compute_drift),
    Measure("score of the graded", "score", _compute_mean, is_high_bad=False, span=4),
)


@dataclass(frozen=True)
class AlertRule:
    """When a measure raises an alarm.

    Attributes:
        quantile: the share of quiet windows that stay within the limit, in (0.5, 1).
        in_a_row: so many windows beyond it one after the other, which share no request.
    """

    quantile: float = 0.995
    in_a_row: int = 2

    def __post_init__(self) -> None:
        if not 0.5 < self.quantile < 1 or self.in_a_row < 1:
            raise DataError(f"{self} is no rule.", "Give a quantile between 0.5 and 1, and at least 1 window in a row.")


@dataclass(frozen=True)
class Window:
    """One window of the stream: its number from 1, and how many requests were served up to its end.

    The values of the measures by name, nan where there was nothing to measure, and those that raise an alarm.
    """

    number: int
    num_served: int
    values: dict[str, float]
    alarms: tuple[str, ...]


class Monitor:
    """Learns what is usual from a reference, then watches a stream in windows of `size` requests, at least 10.

    The reference is requests of a quiet time, at least four windows of them, graded ones among them. Windows are drawn
    from it request by request, as if each came by itself; `in_order` draws stretches of requests that came one after the
    other, so that what differs between night and day is quiet as well. Then give several days.

    Attributes:
        usual: the shares of the clusters and of the answers in the reference.
        quiet: each measure's values on random windows of the reference, by name.
        limits: the limit of each measure, by name; nan where the reference has no value.
    """

    measures = MEASURES

    def __init__(
        self, reference: Sequence[Request], size: int = 50, rule: AlertRule | None = None, in_order: bool = False
    ) -> None:
        if size < 10:
            raise DataError(f"A window of {size} requests is too small.", "Take at least 10; 50 is usual.")
        if len(reference) < 4 * size:
            problem = f"The reference holds {len(reference)} requests; windows of {size} need {4 * size} to learn from."
            raise DataError(problem, "Collect more quiet traffic, or make the windows smaller.")
        self.size, self.rule = size, rule or AlertRule()
        self.codes = {name: sorted({getattr(request, name) for request in reference}) for name in ("cluster", "answer")}
        columns = self._make_columns(reference)
        # One place more than there are codes: for all that the reference does not know.
        self.usual = {
            name: np.bincount(columns[name], minlength=len(codes) + 1) / len(reference)
            for name, codes in self.codes.items()
        }
        self.quiet = self._resample(columns, in_order)
        self.limits = self._place_limits()

    def with_rule(self, rule: AlertRule) -> Monitor:
        """Return a monitor that has learned the same and follows another rule; nothing is drawn anew."""
        other = copy.copy(self)
        other.rule = rule
        other.limits = other._place_limits()
        return other

    def _place_limits(self) -> dict[str, float]:
        limits = {}
        for measure in self.measures:
            values = self.quiet[measure.name]
            values = values[~np.isnan(values)]
            share = self.rule.quantile if measure.is_high_bad else 1 - self.rule.quantile
            limits[measure.name] = float(np.quantile(values, share)) if len(values) else float("nan")
        return limits

    def watch(self, stream: Iterable[Request]) -> Iterator[Window]:
        """Return one window after the other as the stream goes on; a part of a window at its end is not judged.

        Raises `DataError` where the stream ends before the first window is full.
        """
        stream, recent = iter(stream), deque(maxlen=max(measure.span for measure in self.measures))
        in_a_row: Counter[str] = Counter()
        number = 0
        while len(requests := list(itertools.islice(stream, self.size))) == self.size:
            number += 1
            recent.append(self._make_columns(requests))
            values, alarms = {}, []
            for measure in self.measures:
                name, value = measure.name, self._compute(measure, recent)
                values[name], limit = value, self.limits[name]
                is_beyond = value > limit if measure.is_high_bad else value < limit  # with nan it is False
                # Where others were graded and now nobody is, the labels do not come, and silence must not look like quiet.
                is_beyond = is_beyond or (len(recent) >= measure.span and np.isnan(value) and not np.isnan(limit))
                in_a_row[name] = in_a_row[name] + 1 if is_beyond else 0
                # After so many windows the first and the last of `rule.in_a_row` share no request.
                if in_a_row[name] > (self.rule.in_a_row - 1) * measure.span:
                    alarms.append(name)
            yield Window(number, number * self.size, values, tuple(alarms))
        if number == 0:
            problem = f"The stream holds {len(requests)} requests; the first window takes {self.size}."
            next_step = "Check where the requests come from; no traffic at all is an incident of its own."
            raise DataError(problem, next_step)

    def _compute(self, measure: Measure, recent: Sequence[dict[str, np.ndarray]]) -> float:
        """Return a measure's value on its last windows, nan where there are too few yet."""
        if len(recent) < measure.span:
            return float("nan")
        values = np.concatenate([columns[measure.column] for columns in list(recent)[-measure.span :]])
        return float(measure.compute(values, self.usual.get(measure.column)))

    def _resample(self, columns: dict[str, np.ndarray], in_order: bool) -> dict[str, np.ndarray]:
        """Return each measure's values on `NUM_RESAMPLES` random windows of the reference, in parts that fit memory."""
        random, quiet = np.random.default_rng(0), {measure.name: [] for measure in self.measures}
        for _ in range(NUM_RESAMPLES // 500):
            for measure in self.measures:
                values, usual = columns[measure.column], self.usual.get(measure.column)
                num = self.size * measure.span
                first = random.integers(0, len(values) - num + 1, (500, 1)) if in_order else 0
                chosen = first + (np.arange(num) if in_order else random.integers(0, len(values), (500, num)))
                quiet[measure.name].append(measure.compute(values[chosen], usual))
        return {name: np.concatenate(values) for name, values in quiet.items()}

    def _make_columns(self, requests: Sequence[Request]) -> dict[str, np.ndarray]:
        listed = {
            "latency_s": [request.latency_s for request in requests],
            "tokens": [request.prompt_tokens + request.completion_tokens for request in requests],
            "usd_per_1000": [1000 * request.cost_usd for request in requests],
            "is_refused": [request.is_refused for request in requests],
            "score": [request.score for request in requests],
        }
        columns = {name: np.array(values, dtype=float) for name, values in listed.items()}  # None becomes nan
        for name, codes in self.codes.items():
            numbers = {code: number for number, code in enumerate(codes)}
            columns[name] = np.array([numbers.get(getattr(request, name), len(codes)) for request in requests])
        return columns


def find_first_alarm(windows: Iterable[Window], after: int = 0) -> Window | None:
    """Return the first window with an alarm that ends after so many requests, None where there is none."""
    return next((window for window in windows if window.alarms and window.num_served > after), None)
