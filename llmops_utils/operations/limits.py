"""Limits on traffic: a rate in requests and tokens, a second model where the first fails, an alarm before a budget ends.

Trying again after 429, 5xx and dropped connections is the openai client's own work (`LLMOPS_RETRIES`); what is here
comes before the first try and after the last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core import DataError, ModelNotServed, ProviderDown, RateLimited, Unreachable, WorkbookError
from ..models import Budget

# Faults of a provider, which another one may not have. A refused key or a request that is itself wrong is no such fault.
OUTAGES = (ProviderDown, RateLimited, Unreachable, ModelNotServed)


class TokenBucket:
    """A rate with room for bursts: the bucket fills steadily and each request takes from it.

    Args:
        per_minute: how much flows in, above 0.
        capacity: how much fits in, that is the largest burst; default: what flows in within a minute.
        clock: gives seconds.

    Source: the token bucket of J. S. Turner, New directions in communications, IEEE Communications Magazine 24 (1986).
    """

    def __init__(
        self, per_minute: float, capacity: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if per_minute <= 0 or (capacity is not None and capacity <= 0):
            raise DataError("A rate of nothing lets nothing pass.", "Give per_minute and capacity above 0.")
        self.per_minute, self.capacity = per_minute, capacity or per_minute
        self._clock, self._level, self._filled_at = clock, self.capacity, clock()

    @property
    def level(self) -> float:
        """How much is in it now."""
        now = self._clock()
        self._level = min(self.capacity, self._level + (now - self._filled_at) * self.per_minute / 60)
        self._filled_at = now
        return self._level

    def get_wait_s(self, amount: float) -> float:
        """Return the seconds until so much is in it.

        Raises:
            DataError: it never will be.
        """
        if amount > self.capacity:
            raise DataError(
                f"{amount:g} at once is more than the limit of {self.capacity:g} ever allows.",
                "Shorten the request, or raise the limit.",
            )
        # A hair less than the amount is enough: waiting exactly long enough may fall short by a rounding error.
        missing = amount - self.level
        return 0.0 if missing <= 1e-9 else missing * 60 / self.per_minute

    def take(self, amount: float) -> None:
        """Take so much out; `get_wait_s` was asked before."""
        self._level = self.level - amount


class RateLimit:
    """Requests and tokens per minute, as providers limit both. Safe to share between threads.

    Args:
        requests_per_minute: above 0.
        tokens_per_minute: above 0, or None for no limit.
        clock: gives seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        requests_per_minute: float,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests = TokenBucket(requests_per_minute, clock=clock)
        self._tokens = TokenBucket(tokens_per_minute, clock=clock) if tokens_per_minute is not None else None
        self._sleep, self._lock = sleep, threading.Lock()
        self.waited_s = 0.0

    def try_take(self, tokens: float = 0) -> float:
        """Take one request with its tokens and return 0.0; or take nothing and return the seconds to wait."""
        with self._lock:
            waits = [self._requests.get_wait_s(1)]
            if self._tokens is not None:
                waits.append(self._tokens.get_wait_s(tokens))
            if max(waits) > 0:
                return max(waits)
            self._requests.take(1)
            if self._tokens is not None:
                self._tokens.take(tokens)
            return 0.0

    def wait(self, tokens: float = 0) -> float:
        """Wait until the request may be sent, take it, and return the seconds waited.

        Raises:
            DataError: the request has more tokens than the limit ever allows.
        """
        waited_s = 0.0
        while (wait_s := self.try_take(tokens)) > 0:
            self._sleep(wait_s)
            waited_s += wait_s
        with self._lock:
            self.waited_s += waited_s
        return waited_s


class Fallback:
    """Systems in order of preference: where one's provider fails, the next is asked.

    After a failure a system is left alone for a while, so that customers do not wait for its timeout each time. When
    all are resting, they are asked all the same.

    Args:
        systems: pairs of name and system, the preferred first; names differ.
        rest_s: how long a failed system is left alone.
        clock: gives seconds.

    Attributes:
        served: how many requests each system answered, by name.
        failures: the last error of each system that failed, by name.
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
        self.failures: dict[str, WorkbookError] = {}
        self._clock, self._resting_until = clock, dict.fromkeys(self.served, float("-inf"))
        self._lock = threading.Lock()

    def __call__(self, text: str) -> object:
        """Return the reply of the first system that answers.

        Raises:
            ProviderError: all failed; the error is that of the last one asked.
        """
        now = self._clock()
        order = sorted(self.systems, key=lambda pair: self._resting_until[pair[0]] > now)  # stable: the order stays
        last: WorkbookError | None = None
        for name, system in order:
            try:
                reply = system(text)
            except OUTAGES as error:
                last = error
                with self._lock:
                    self.failures[name] = error
                    self._resting_until[name] = self._clock() + self.rest_s
                continue
            with self._lock:
                self.served[name] += 1
                self._resting_until[name] = float("-inf")
            return reply
        raise last


@dataclass(frozen=True)
class BudgetAlarm:
    """A step of a budget that was passed: `share` of `limit` in `unit` (dollars or tokens), `spent` by then."""

    share: float
    unit: str
    spent: float
    limit: float

    def __str__(self) -> str:
        unit = "$" if self.unit == "dollars" else ""
        tail = "" if unit else " tokens"
        spent = f"{unit}{self.spent:.6f}" if unit else f"{self.spent:,.0f}{tail}"
        limit = f"{unit}{self.limit:.6f}" if unit else f"{self.limit:,.0f}{tail}"
        return f"{self.share:.0%} of the budget: {spent} of {limit} are spent."

    __repr__ = __str__


class BudgetWatch:
    """Tells once when each step of a budget is passed. The budget itself stops calls; this says so beforehand.

    Args:
        budget: with a limit.
        steps: shares of it, rising, in (0, 1].
    """

    def __init__(self, budget: Budget, steps: Sequence[float] = (0.5, 0.8, 1.0)) -> None:
        if budget.max_usd is None and budget.max_tokens is None:
            raise DataError("The budget has no limit.", "Give it one: Budget(max_tokens=10_000).")
        if not steps or not all(0 < step <= 1 for step in steps) or list(steps) != sorted(set(steps)):
            raise DataError(f"{steps} are no steps.", "Give rising shares, such as (0.5, 0.8).")
        self.budget, self.steps = budget, tuple(steps)
        self._told: set[tuple[str, float]] = set()

    def check(self) -> list[BudgetAlarm]:
        """Return the alarms of the steps that were passed since the last call."""
        budget, alarms = self.budget, []
        for unit, spent, limit in (
            ("dollars", budget.spent_usd, budget.max_usd),
            ("tokens", budget.spent_tokens, budget.max_tokens),
        ):
            for step in self.steps if limit is not None else ():
                if spent >= step * limit and (unit, step) not in self._told:
                    self._told.add((unit, step))
                    alarms.append(BudgetAlarm(step, unit, spent, limit))
        return alarms
