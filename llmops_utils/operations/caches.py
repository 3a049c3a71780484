"""Caches in front of a model: by the exact text, and by meaning, with its danger measured."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError
from ..evaluation import Proportion, estimate_proportion


class ExactCache:
    """A system with a memory: the same text again gets the reply of the first time, and no call is made.

    Two texts are the same when they differ in whitespace only. Of several threads that ask the same at once, one asks.
    A failure is not kept.

    Args:
        ask: the system; takes a text.
        version: what a reply depends on besides the text: prompt and model. `renew` it with a release, or customers
            keep getting the answers of the old prompt.
        max_entries: the entry that was not used for the longest time goes first; at least 1.
        max_age_s: replies older than this are asked anew; None keeps them.
        clock: gives seconds.

    Attributes:
        num_hits: questions answered from memory; `num_misses` those that were asked.
    """

    def __init__(
        self,
        ask: Callable[[str], object],
        version: str = "",
        max_entries: int = 1000,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_entries < 1 or (max_age_s is not None and max_age_s <= 0):
            raise DataError("The cache could hold nothing.", "Give max_entries of at least 1 and max_age_s above 0.")
        self.ask, self.version, self.max_entries, self.max_age_s = ask, version, max_entries, max_age_s
        self.num_hits = self.num_misses = 0
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], tuple[float, object]] = OrderedDict()
        self._asking: dict[tuple[str, str], threading.Lock] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __call__(self, text: str) -> object:
        """Return the reply to a text, from memory where there is one."""
        key = (self.version, " ".join(text.split()))
        with self._lock:
            gate = self._asking.setdefault(key, threading.Lock())
        with gate:
            try:
                found = self._look_up(key)
                if found is not None:
                    return found[0]
                reply = self.ask(text)
                self._keep(key, reply)
                return reply
            finally:
                with self._lock:
                    self._asking.pop(key, None)

    def renew(self, version: str) -> None:
        """Begin with an empty memory under a new version."""
        with self._lock:
            self.version = version
            self._entries.clear()

    @property
    def hit_rate(self) -> Proportion:
        """The share of questions answered from memory. Raises `DataError` before the first question."""
        return estimate_proportion(self.num_hits, self.num_hits + self.num_misses)

    def _look_up(self, key: tuple[str, str]) -> tuple[object] | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self.max_age_s is not None and self._clock() - entry[0] > self.max_age_s:
                del self._entries[key]
                entry = None
            if entry is None:
                self.num_misses += 1
                return None
            self.num_hits += 1
            self._entries.move_to_end(key)
            return (entry[1],)

    def _keep(self, key: tuple[str, str], reply: object) -> None:
        with self._lock:
            self._entries[key] = (self._clock(), reply)
            while len(self._entries) > self.max_entries:
                self._entries.popitem(last=False)


class MeaningCache:
    """A system whose memory also answers a question that is near an earlier one. It gives wrong answers by design.

    Two questions can be near and have different answers: postage to Spain, postage to Finland. `measure_threshold`
    counts how often, before one dares to use it.

    Args:
        ask: the system; takes a text.
        embed: takes a text, returns its vector, shape (d,).
        threshold: the least cosine at which an earlier reply is given again, in (0, 1].
        max_entries: the oldest entry goes first; at least 1.

    Attributes:
        nearest: of the last question: the text whose reply was given, or None, and the largest cosine.
    """

    def __init__(
        self,
        ask: Callable[[str], object],
        embed: Callable[[str], np.ndarray],
        threshold: float = 0.95,
        max_entries: int = 1000,
    ) -> None:
        if not 0 < threshold <= 1 or max_entries < 1:
            raise DataError(f"A threshold of {threshold} is no cosine.", "Give a number above 0, at most 1.")
        self.ask, self.embed, self.threshold, self.max_entries = ask, embed, threshold, max_entries
        self.num_hits = self.num_misses = 0
        self.nearest: tuple[str | None, float] = (None, 0.0)
        self._texts: list[str] = []
        self._vectors: list[np.ndarray] = []
        self._replies: list[object] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._texts)

    def __call__(self, text: str) -> object:
        """Return the reply to a text, or to an earlier one that is near enough."""
        vector = _scale(self.embed(text))
        with self._lock:
            cosines = np.array(self._vectors) @ vector if self._vectors else np.zeros(1)
            place = int(cosines.argmax())
            is_hit = bool(self._vectors) and cosines[place] >= self.threshold
            self.nearest = (self._texts[place] if is_hit else None, float(cosines[place]))
            if is_hit:
                self.num_hits += 1
                return self._replies[place]
            self.num_misses += 1
        reply = self.ask(text)
        with self._lock:
            for part, new in ((self._texts, text), (self._vectors, vector), (self._replies, reply)):
                part.append(new)
                del part[: -self.max_entries]
        return reply

    @property
    def hit_rate(self) -> Proportion:
        """The share of questions answered from memory. Raises `DataError` before the first question."""
        return estimate_proportion(self.num_hits, self.num_hits + self.num_misses)


def _scale(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length 1. Raises `DataError` where one has no direction."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (lengths > 0).all():
        raise DataError("A vector is zero, so it has no direction.", "Leave empty texts out.")
    return np.asarray(vectors) / lengths


@dataclass(frozen=True)
class ThresholdRow:
    """What a threshold does: the share of pairs with the same answer that are found, and of others taken for it."""

    threshold: float
    right_hits: Proportion
    wrong_hits: Proportion


def measure_threshold(
    vectors: np.ndarray, near_vectors: np.ndarray, is_same: Sequence[bool], thresholds: Sequence[float]
) -> list[ThresholdRow]:
    """Return for each threshold how often a cache by meaning would hit, rightly and wrongly, on labelled pairs.

    Args:
        vectors: of the first questions, shape (n, d).
        near_vectors: of the second questions, shape (n, d).
        is_same: whether both have the same answer, shape (n,), with at least one of each kind.
        thresholds: cosines.

    Raises:
        DataError: the shapes do not fit, or one kind of pair is missing.
    """
    first, second, same = np.asarray(vectors), np.asarray(near_vectors), np.asarray(is_same, dtype=bool)
    if first.shape != second.shape or first.ndim != 2 or same.shape != first.shape[:1]:
        raise DataError("The vectors and labels do not pair.", "Give two arrays of shape (n, d) and n labels.")
    cosines = (_scale(first) * _scale(second)).sum(axis=1)
    return [
        ThresholdRow(
            threshold,
            estimate_proportion(int((cosines[same] >= threshold).sum()), int(same.sum())),
            estimate_proportion(int((cosines[~same] >= threshold).sum()), int((~same).sum())),
        )
        for threshold in thresholds
    ]
