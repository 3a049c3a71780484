"""A release in steps: a small share of the traffic first, more where nothing speaks against it, all or none at the end.

The gate asks examples of yesterday; a canary asks the traffic of today, of which each customer sees one of the two. It is
looked at many times, so each single look has to be strict: the chance of a false alarm is divided among all of them.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from ..core import DataError
from ..evaluation import Estimate, estimate_proportion, format_points

FALSE_ALARMS = 0.05  # chance that an equally good candidate is rolled back as worse, over all looks together
CONFIDENCE = 0.9  # of the interval at the end, whose lower bound alone is wrong in 5 % of cases


@dataclass(frozen=True)
class CanaryPlan:
    """How a candidate goes out.

    Attributes:
        shares: of the traffic that it gets, step by step, rising; after the last it gets all or nothing.
        num_scores: scores of its answers that each step waits for.
        num_between: scores between two looks.
        margin: what it may lose at most, as a share.
        most_hours: that a step may take; with too little traffic the candidate goes back.
    """

    shares: tuple[float, ...] = (0.05, 0.2, 0.5)
    num_scores: int = 120
    num_between: int = 30
    margin: float = 0.1
    most_hours: float = 48.0

    def __post_init__(self) -> None:
        is_rising = self.shares and all(a < b for a, b in zip((0.0, *self.shares), (*self.shares, 1.0), strict=True))
        if not is_rising or not 1 <= self.num_between <= self.num_scores or not 0 < self.margin < 1:
            raise DataError(
                f"{self} is no plan.",
                "Give rising shares between 0 and 1, a look at least once a step, and a margin between 0 and 1.",
            )

    @property
    def num_looks(self) -> int:
        """How often the scores are looked at, over all steps."""
        return len(self.shares) * math.ceil(self.num_scores / self.num_between)


def compare_steps(steps: Sequence[tuple[int, int, int, int]], confidence: float) -> Estimate:
    """Return the candidate's share right minus production's, of different requests, with its interval.

    Each step is compared with itself and then weighs by the candidate's scores in it. Put together first, a harder hour in
    which the candidate had a larger share would count against it though both were as good.

    Args:
        steps: of each its right ones and all scores of production, then of the candidate; no number of scores is 0.
        confidence: of the two-sided interval.

    Source: R. G. Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 17 (1998), method 10: from the Wilson intervals of both; summed over strata as variances are.
    """
    total, value, below, above = sum(step[3] for step in steps), 0.0, 0.0, 0.0
    for step in steps:
        old, new = (estimate_proportion(*counts, confidence) for counts in (step[:2], step[2:]))
        weight = step[3] / total
        value += weight * (new.value - old.value)
        below += weight**2 * ((new.value - new.low) ** 2 + (old.high - old.value) ** 2)
        above += weight**2 * ((new.high - new.value) ** 2 + (old.value - old.low) ** 2)
    return Estimate(value, value - math.sqrt(below), value + math.sqrt(above), confidence)


class Canary:
    """A candidate beside what is in production. Ask `takes` who answers, and `add` how it went; safe between threads.

    Attributes:
        state: `running`; `shipped`: it may have all the traffic; `rolled back`: it gets none any more.
        reason: of the last change, as a sentence.
        step: the number of the step, from 0 on.
        num_requests: that were scored, of both.
    """

    def __init__(self, plan: CanaryPlan | None = None) -> None:
        self.plan, self.state, self.reason = plan or CanaryPlan(), "running", "just begun"
        self.step = self.num_requests = 0
        self._counts = [[0, 0, 0, 0] for _ in self.plan.shares]  # as `compare_steps` takes them
        self._hours = 0.0  # in this step
        self._lock = threading.Lock()

    @property
    def share(self) -> float:
        """The share of the traffic that the candidate gets now."""
        if self.state == "running":
            return self.plan.shares[self.step]
        return float(self.state == "shipped")

    def takes(self, user: str) -> bool:
        """Return whether the candidate answers a user; who has got it once keeps it while the share rises."""
        number = int.from_bytes(hashlib.sha256(user.encode(errors="replace")).digest()[:8], "big")
        return number < self.share * 2**64

    def add(self, is_candidate: bool, score: float) -> str:
        """Count the score of an answer, and return the state after it. `DataError` where it is neither 0 nor 1."""
        if score not in (0, 1):
            raise DataError(f"A score of {score} is neither 0 nor 1.", "Grade an answer as right or wrong.")
        with self._lock:
            if self.state != "running":
                return self.state  # an answer that was on its way when it was decided
            self.num_requests += 1
            counts = self._counts[self.step]
            counts[2 * is_candidate] += int(score)
            counts[2 * is_candidate + 1] += 1
            if is_candidate:
                self._look()
            return self.state

    def wait(self, hours: float) -> str:
        """Say that time has passed, and return the state after it."""
        with self._lock:
            self._hours += hours
            if self.state == "running" and self._hours > self.plan.most_hours:
                num = self._counts[self.step][3]
                self.state, self.reason = "rolled back", f"{num} scores of it in {self._hours:.0f} hours are too few"
            return self.state

    def _look(self) -> None:
        plan, (*_, num_old, _, num) = self.plan, self._counts[self.step]
        is_full = num >= plan.num_scores
        if not num_old or (num % plan.num_between and not is_full):
            return
        steps = [tuple(counts) for counts in self._counts[: self.step + 1]]
        change = compare_steps(steps, 1 - 2 * FALSE_ALARMS / plan.num_looks)
        if change.high < 0:
            self.state, self.reason = "rolled back", f"worse beyond chance: {format_points(change)}"
        elif is_full and self.step + 1 < len(plan.shares):
            self.step, self._hours = self.step + 1, 0.0
            self.reason = f"nothing speaks against it after {self.num_requests} scores: {format_points(change)}"
        elif is_full:
            last = compare_steps(steps, CONFIDENCE)
            is_shown = last.low > -plan.margin
            told = f"shown to lose less than {100 * plan.margin:.0f} points: {format_points(last)}"
            self.state, self.reason = ("shipped", told) if is_shown else ("rolled back", f"not {told}")
