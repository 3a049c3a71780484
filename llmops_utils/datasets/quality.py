"""What is wrong with a data set before any model sees it: near-duplicates, leakage, imbalance."""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError

NUM_LETTERS = 4  # letters of one shingle
NEAR = 0.6


@dataclass(frozen=True)
class Near:
    """Two texts that are nearly the same: their places, and the share of shingles that they have in common."""

    first: int
    second: int
    resemblance: float


def find_near_duplicates(texts: Sequence[str]) -> list[Near]:
    """Return the pairs of texts whose resemblance is at least `NEAR`, the most alike first.

    The resemblance is the share of shingles (four letters in a row) that both have among those that either has; case,
    accents, digits and punctuation do not count. So another order number makes no other text.

    Source: A. Z. Broder, On the resemblance and containment of documents, SEQUENCES 1997.
    """
    if not len(texts):
        raise DataError("There is nothing to compare.", "Give at least one text.")
    from scipy.sparse import csr_matrix, triu

    shingles = [_list_shingles(text) for text in texts]
    places = {part: place for place, part in enumerate(dict.fromkeys(itertools.chain(*shingles)))}
    ends = np.cumsum([0, *map(len, shingles)])
    columns = [places[part] for parts in shingles for part in parts]
    matrix = csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(texts), len(places)))
    shared = triu(matrix @ matrix.T, k=1).tocoo()
    sizes = np.diff(ends)
    resemblance = shared.data / (sizes[shared.row] + sizes[shared.col] - shared.data)
    rows = zip(shared.row, shared.col, resemblance, strict=True)
    found = [Near(int(one), int(other), float(share)) for one, other, share in rows if share >= NEAR]
    return sorted(found, key=lambda near: (-near.resemblance, near.first, near.second))


def _list_shingles(text: str) -> list[str]:
    """Return the different shingles of a text in their order; a very short text is one shingle."""
    plain = [sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign)]
    words = "".join(sign if sign.isalpha() else " " for sign in plain).split()
    line = " ".join(words) or text.strip()  # only digits and signs: then they are the text
    starts = range(max(len(line) - NUM_LETTERS, 0) + 1)
    return list(dict.fromkeys(line[start : start + NUM_LETTERS] for start in starts))


@dataclass(frozen=True)
class Leak:
    """A text of one split that stands, or nearly stands, in another."""

    split: str
    text: str
    other_split: str
    other_text: str
    resemblance: float


def find_leaks(splits: Mapping[str, Sequence[str]]) -> list[Leak]:
    """Return the pairs of nearly equal texts that stand in two different splits, the most alike first."""
    if len(splits) < 2:
        raise DataError("One split cannot leak into another.", "Give at least two, as {name: texts}.")
    named = [(name, text) for name, texts in splits.items() for text in texts]
    return [
        Leak(*named[near.first], *named[near.second], near.resemblance)
        for near in find_near_duplicates([text for _, text in named])
        if named[near.first][0] != named[near.second][0]
    ]


@dataclass(frozen=True)
class Balance:
    """How evenly labels occur.

    Attributes:
        counts: the most frequent label first.
        majority: the share of the most frequent one: what a system scores that always says it.
        evenness: entropy over its largest possible value: 1 where all are equally frequent, 0 where there is one.
    """

    counts: dict[str, int]
    majority: float
    evenness: float

    def __str__(self) -> str:
        listed = ", ".join(f"{label} {num}" for label, num in self.counts.items())
        return f"{len(self.counts)} labels, majority {self.majority:.0%}, evenness {self.evenness:.2f} ({listed})"

    __repr__ = __str__


def measure_balance(labels: Sequence[str]) -> Balance:
    """Return how evenly the labels occur."""
    if not len(labels):
        raise DataError("There are no labels.", "Give one label per example.")
    counts = dict(sorted(Counter(labels).items(), key=lambda pair: (-pair[1], pair[0])))
    shares = [num / len(labels) for num in counts.values()]
    entropy = -sum(share * math.log(share) for share in shares)
    evenness = entropy / math.log(len(counts)) if len(counts) > 1 else 0.0
    return Balance(counts, max(shares), evenness)
