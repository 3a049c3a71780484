"""A cache in front of a model, by an exact and complete key; and what a cache by meaning would get wrong, measured."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import DataError
from ..evaluation import Proportion, check_right, estimate_proportion

MAX_ENTRIES = 1000  # of a cache, so that it cannot fill the memory


def name_version(*, model: str, settings: Any, prompt: str, shots: Any, index: str) -> str:
    """Return a short text that stands for all that a reply depends on besides its call, another where any of it differs.

    Each part is a text, or values that JSON can hold: the model's name, how it decodes, the versions of the prompt and
    of the index, the examples in the prompt. Write down an empty one where there is none, so that none is forgotten.
    """
    return _spell([model, settings, prompt, shots, index])[:16]


def _spell(values: object) -> str:
    """Return a hash of values. Raises `DataError` for what JSON cannot hold, whose own text may hide a difference."""
    try:
        text = json.dumps(values, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"A part of a cache's key is no value of JSON ({error}).", "Give texts and numbers.") from None
    return hashlib.sha256(text.encode()).hexdigest()


class ExactCache:
    """A system with a memory: the same question again gets the reply of the first time, and no call is made.

    The system is asked with the text and with what the call names besides, such as `user` and `conversation`, and all of
    that stands in the key: what is left out of the key cannot reach the system, and one customer never reads what was
    answered to another. `version` is what a reply depends on besides the call, as `name_version` makes it; set another
    with each release, or customers keep getting the answers of the old one.

    Two texts are the same when they differ in whitespace only. A failure is not kept. When the cache is full, the entry
    that was not used for the longest time goes. Each call gets a copy of its own, so nobody changes another's reply.
    `num_hits` counts answers from memory, `num_misses` the others.
    """

    def __init__(self, ask: Callable[..., object], version: str) -> None:
        self.ask, self.version = ask, version
        self.num_hits = self.num_misses = 0
        self._entries: OrderedDict[str, object] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, text: str, **call: Any) -> object:
        """Return the reply to a text, from memory where there is one for the same text, call and version."""
        key = _spell([self.version, " ".join(text.split()), call])
        with self._lock:
            if key in self._entries:
                self.num_hits += 1
                self._entries.move_to_end(key)
                return copy.deepcopy(self._entries[key])
            self.num_misses += 1
        reply = self.ask(text, **call)
        with self._lock:
            self._entries[key] = reply
            if len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
        return copy.deepcopy(reply)

    @property
    def hit_rate(self) -> Proportion:
        """The share of questions answered from memory. Raises `DataError` before the first question."""
        return estimate_proportion(self.num_hits, self.num_hits + self.num_misses)


def _scale(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not ((lengths > 0) & np.isfinite(lengths)).all():
        raise DataError("A vector is zero or not finite, so it has no direction.", "Leave empty texts out.")
    return vectors / lengths


@dataclass(frozen=True)
class ThresholdRow:
    """What a threshold does: the share of pairs with the same answer that are found, and of others taken for it."""

    threshold: float
    right_hits: Proportion
    wrong_hits: Proportion


def measure_threshold(
    vectors: np.ndarray, near_vectors: np.ndarray, is_same: Sequence[bool], thresholds: Sequence[float]
) -> list[ThresholdRow]:
    """Return for each threshold how often a cache by meaning would hit, rightly and wrongly, on n labelled pairs.

    The vectors of the first questions and those of the second ones have the shape (n, d); `is_same` says of each pair
    whether both have the same answer. Raises `DataError` where one kind of pair is missing, or their numbers differ.
    """
    same, first, second = check_right(is_same), _scale(vectors), _scale(near_vectors)
    if first.shape != second.shape or len(first) != len(same):
        raise DataError("The vectors and the labels are not one for each pair.", "Embed both questions of each pair.")
    cosines = (first * second).sum(axis=1)
    rows = []
    for threshold in thresholds:
        right, wrong = cosines[same] >= threshold, cosines[~same] >= threshold
        found = [estimate_proportion(int(hits.sum()), len(hits)) for hits in (right, wrong)]
        rows.append(ThresholdRow(threshold, *found))
    return rows
