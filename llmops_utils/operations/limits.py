"""Limits on traffic: a rate in requests and tokens, a second model where the first fails, an alarm before a budget ends.

Trying again after 429, 5xx and dropped connections is the openai client's own work (`LLMOPS_RETRIES`); what is here
comes before the first try and after the last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from ..core import DataError, ModelNotServed, ProviderDown, RateLimited, Unreachable
from ..models import Budget

# Faults of a provider, which another one may not have. A refused key or a request that is itself wrong is no such fault.
OUTAGES = (ProviderDown, RateLimited, Unreachable, ModelNotServed)


class RateLimit:
    """Requests and tokens per minute, as providers limit both. Safe to share between threads.

    Each of the two is a bucket that fills steadily and holds one minute's flow, so that bursts pass.

    Source: the token bucket of J. S. Turner, New directions in communications, IEEE Communications Magazine 24 (1986).
    """

    def __init__(
        self,
        requests_per_minute: float,
        tokens_per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_minute = np.array([requests_per_minute, tokens_per_minute], dtype=float)
        if not ((self._per_minute > 0) & np.isfinite(self._per_minute)).all():
            raise DataError("A rate of nothing lets nothing pass.", "Give a finite number per minute above 0.")
        self._levels, self._filled_at = self._per_minute.copy(), clock()
        self._clock, self._sleep, self._lock = clock, sleep, threading.Lock()

    def wait(self, tokens: float) -> float:
        """Wait until a request of so many tokens may be sent, and return the seconds waited.

        Raises `DataError` for more tokens than the limit ever allows.
        """
        amounts, waited_s = np.array([1, tokens], dtype=float), 0.0
        for amount, most in zip(amounts, self._per_minute, strict=True):
            if not 0 <= amount <= most:
                problem = f"{amount:g} at once is more than the limit of {most:g} ever allows, or no number of tokens."
                raise DataError(problem, "Shorten the request, or raise the limit.")
        while (wait_s := self._take(amounts)) > 0:
            self._sleep(wait_s)
            waited_s += wait_s
        return waited_s

    def _take(self, amounts: np.ndarray) -> float:
        """Take one request with its tokens and return 0.0; or take nothing and return the seconds to wait."""
        with self._lock:
            now = self._clock()
            flown_in = (now - self._filled_at) * self._per_minute / 60
            self._levels, self._filled_at = np.minimum(self._per_minute, self._levels + flown_in), now
            missing = amounts - self._levels
            # A hair less than the amount is enough: waiting exactly long enough may fall short by a rounding error.
            if missing.max() <= 1e-9:
                self._levels -= amounts
                return 0.0
            return float((missing * 60 / self._per_minute).max())


class Fallback:
    """Pairs of name and system in order of preference: where one's provider fails, the next is asked.

    After a failure a system is left alone for `rest_s` seconds, so that customers do not wait for its timeout each
    time. When all are resting, they are asked all the same. `served` counts the requests that each answered, by name.
    """

    def __init__(
        self,
        systems: Sequence[tuple[str, Callable[[str], object]]],
        rest_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not systems or len(dict(systems)) != len(systems):
            raise DataError("There is no system, or two have one name.", "Give pairs of name and system.")
        self.systems, self.rest_s = list(systems), rest_s
        self.served = dict.fromkeys(dict(systems), 0)
        self._clock, self._resting_until = clock, dict.fromkeys(self.served, float("-inf"))
        self._lock = threading.Lock()

    def __call__(self, text: str) -> object:
        """Return the reply of the first system that answers. Where all fail, the error is that of the last one asked."""
        now = self._clock()
        order = sorted(self.systems, key=lambda pair: self._resting_until[pair[0]] > now)  # stable: the order stays
        for place, (name, system) in enumerate(order, start=1):
            try:
                reply = system(text)
            except OUTAGES:
                self._resting_until[name] = self._clock() + self.rest_s
                if place == len(order):
                    raise
                continue
            with self._lock:
                self.served[name] += 1
            self._resting_until[name] = float("-inf")
            return reply


class BudgetWatch:
    """Tells once when each step of a budget, a share of its limit, is passed: before the budget itself stops a call."""

    def __init__(self, budget: Budget, steps: Sequence[float]) -> None:
        if budget.max_usd is None and budget.max_tokens is None:
            raise DataError("The budget has no limit.", "Give it one: Budget(max_tokens=10_000).")
        self.budget, self.steps = budget, tuple(steps)
        self._told: set[tuple[str, float]] = set()

    def check(self) -> list[str]:
        """Return a sentence for each step that was passed since the last call."""
        budget, alarms = self.budget, []
        for spent, limit, form in (
            (budget.spent_usd, budget.max_usd, "${:.6f}"),
            (budget.spent_tokens, budget.max_tokens, "{:,.0f} tokens"),
        ):
            for step in self.steps if limit is not None else ():
                if spent >= step * limit and (form, step) not in self._told:
                    self._told.add((form, step))
                    alarms.append(f"{step:.0%} of the budget: {form.format(spent)} of {form.format(limit)} are spent.")
        return alarms
