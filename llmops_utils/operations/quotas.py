"""Quotas that hold, and fair turns, for the callers of a gateway."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ..core import DataError, change_json, read_json
from .request_checks import Refused

HOUR_S = 3600
MOST_WAITING = 40  # calls of one caller that wait for a turn


class Quota:
    """Requests and tokens of each caller in each hour of the clock, kept in a file so that a restart forgets none.

    A call reserves the most that it can take and gives back what it did not, so the limit is never passed.

    Both limits are of a caller in an hour, tokens read and written together. `clock` gives seconds since 1970.
    """

    def __init__(
        self, file: Path, most_requests: int, most_tokens: int, clock: Callable[[], float] = time.time
    ) -> None:
        if min(most_requests, most_tokens) < 1:
            raise DataError("A quota of nothing lets nobody ask.", "Give numbers from 1 on.")
        self.most_requests, self.most_tokens = most_requests, most_tokens
        self._file, self._clock, self._lock = file, clock, threading.Lock()
        self._reserved: dict[str, int] = {}
        found = read_json(file) if file.exists() else {}
        is_known = isinstance(found, dict) and isinstance(found.get("used"), dict)
        self._hour, self._used = (found["hour"], found["used"]) if is_known else (0, {})

    @property
    def used(self) -> dict[str, list[int]]:
        """Requests and tokens of each caller in this hour."""
        with self._lock:
            self._turn_hour()
            return {caller: list(counts) for caller, counts in self._used.items()}

    def reserve(self, caller: str, tokens: int) -> None:
        """Set aside the most that a call can take. Raises `Refused` where it does not fit into this hour."""
        with self._lock:
            self._turn_hour()
            requests, spent = self._used.get(caller, (0, 0))
            left = int(HOUR_S - self._clock() % HOUR_S) + 1
            if requests >= self.most_requests:
                raise Refused(429, f"{self.most_requests:,} requests an hour are used up; wait {left} s.", left)
            room = self.most_tokens - spent - self._reserved.get(caller, 0)
            if room < tokens <= self.most_tokens - spent:  # what other calls have set aside, most give back
                raise Refused(429, "Your other calls have set aside what is left of this hour; ask again.", 1)
            if tokens > room:
                problem = f"The call may take {tokens:,} tokens, and {max(0, room):,} of {self.most_tokens:,} are left"
                raise Refused(429, f"{problem} in this hour; shorten it, or wait {left} s.", left)
            self._reserved[caller] = self._reserved.get(caller, 0) + tokens
            self._used[caller] = [requests + 1, spent]

    def settle(self, caller: str, reserved: int, spent: int) -> None:
        """Count what a call took in place of what was set aside for it."""
        with self._lock:
            self._turn_hour()
            self._reserved[caller] = self._reserved.get(caller, 0) - reserved
            requests, before = self._used.get(caller, (0, 0))
            self._used[caller] = [requests, before + spent]
            # On a full disk the counts go on in memory: no answer is lost for them.
            with contextlib.suppress(DataError), change_json(self._file, {}) as content:
                content.update(hour=self._hour, used=self._used)

    def _turn_hour(self) -> None:
        hour = int(self._clock() // HOUR_S)
        if hour != self._hour:
            self._hour, self._used = hour, {}


class Turns:
    """Gives so many calls at once a turn; where more want one, the callers take turns, whatever each has waiting.

    No caller has more than half of them at once, so that another finds one free.
    """

    def __init__(self, num: int) -> None:
        self._free, self._most_each = num, max(1, num // 2)
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future]] = OrderedDict()

    @property
    def num_waiting(self) -> dict[str, int]:
        """Calls of each caller that wait."""
        return {caller: sum(not turn.done() for turn in queue) for caller, queue in self._waiting.items()}

    @contextlib.asynccontextmanager
    async def take(self, caller: str) -> AsyncIterator[None]:
        """Wait for a turn, and give it back at the end. Raises `Refused` where too many of the caller's calls wait."""
        if self._free and self._taken[caller] < self._most_each:
            self._take(caller)
        else:
            queue = self._waiting.setdefault(caller, deque())
            if self.num_waiting[caller] >= MOST_WAITING:
                raise Refused(429, f"{MOST_WAITING} of your calls wait already; ask fewer at once.", 2)
            turn = asyncio.get_running_loop().create_future()
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(caller)  # it came as the caller left
                raise
        try:
            yield
        finally:
            self._give_back(caller)

    def _take(self, caller: str) -> None:
        self._free -= 1
        self._taken[caller] += 1

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._taken[caller] -= 1
        for next_one in list(self._waiting):
            queue = self._waiting[next_one]
            while queue and queue[0].done():  # its caller has left
                queue.popleft()
            if queue and self._free and self._taken[next_one] < self._most_each:
                self._take(next_one)
                queue.popleft().set_result(None)
                self._waiting.move_to_end(next_one)  # to the end of the round
            if not queue:
                del self._waiting[next_one]
