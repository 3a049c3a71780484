"""Threads that work side by side for one caller, who can be interrupted at any moment."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, SimpleQueue


class Crew:
    """Threads that run a function over items; iterated, it gives what comes out, in the order in which it does.

    Unlike a `ThreadPoolExecutor` it can be interrupted at any moment: an interrupt inside of a lock in Python leaves the
    lock held, and who waits for it waits for ever. The queues here are in C, where no interrupt falls.
    """

    def __init__(self, run: Callable, items: Sequence, num_threads: int) -> None:
        self.num = len(items)
        self._run = run
        self._waiting: SimpleQueue = SimpleQueue()
        self._finished: SimpleQueue = SimpleQueue()
        for item in items:
            self._waiting.put(item)
        num_threads = min(num_threads, self.num)
        self._threads = [threading.Thread(target=self._work, name="evaluate", daemon=True) for _ in range(num_threads)]

    def __iter__(self) -> Iterator:
        with _hold_interrupts():  # starting a thread takes locks in Python
            for thread in self._threads:
                thread.start()
        for _ in range(self.num):
            result, error = self._finished.get()
            if error is not None:
                raise error
            yield result

    def _work(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                item = self._waiting.get_nowait()
                try:
                    self._finished.put((self._run(item), None))
                except BaseException as error:  # raised where the results are awaited
                    self._finished.put((None, error))

    def stop(self) -> None:
        """Begin no further item, and wait for those that are under way."""
        with contextlib.suppress(Empty):
            while True:
                self._waiting.get_nowait()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()


@contextlib.contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Let an interrupt that comes meanwhile wait until the end; only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
