"""What a trained model has to beat: counts of neighbouring tokens, and the compressors of the standard library."""

from __future__ import annotations

import lzma
from collections import Counter
from collections.abc import Sequence

import numpy as np

from .tokenizer import Encoded

STRENGTH = 20  # how many observations the shorter context counts as


class Ngrams:
    """A model that looks at the last `order` - 1 tokens and counts what followed them in training.

    The order 1 counts tokens, 2 pairs (a bigram model), 3 triples. Where a context was rarely seen, the model with one
    token less has more to say: its probability counts as `STRENGTH` further observations. Source: D. J. C. MacKay and
    L. C. B. Peto, A hierarchical Dirichlet language model, Natural Language Engineering 1 (1995).
    """

    def __init__(self, ids: np.ndarray, order: int, vocabulary: int) -> None:
        self.order, self.vocabulary = order, vocabulary
        listed = ids.tolist()
        self._counts: Counter = Counter()
        self._contexts: Counter = Counter()
        for size in range(order):
            for last in range(size, len(listed)):
                self._counts[tuple(listed[last - size : last + 1])] += 1
                self._contexts[tuple(listed[last - size : last])] += 1

    def compute_chance(self, before: Sequence[int], token: int) -> float:
        """Return the probability of a token after the tokens `before`; over all tokens it sums to 1."""
        chance = 1 / self.vocabulary
        for size in range(min(self.order, len(before) + 1)):
            context = tuple(int(one) for one in before[len(before) - size :])
            seen = self._counts[(*context, int(token))] + STRENGTH * chance
            chance = seen / (self._contexts[context] + STRENGTH)
        return chance

    def measure_bits(self, encoded: Sequence[Encoded]) -> list[float]:
        """Return the bits per byte of each text, its mark of the start given."""
        measured = []
        for one in encoded:
            chances = [
                self.compute_chance(one.ids[max(0, place - self.order + 1) : place], one.ids[place])
                for place in range(1, len(one.ids))
            ]
            measured.append(float(-np.log2(chances).sum()) / one.num_bytes)
        return measured


def average_bits(bits: Sequence[float], encoded: Sequence[Encoded]) -> float:
    """Return the bits per byte of all texts together, from those of each: longer texts weigh more."""
    return float(np.average(bits, weights=[one.num_bytes for one in encoded]))


def compress_after(known: Sequence[str], texts: Sequence[str]) -> float:
    """Return the bits per byte that xz adds for the texts once it has read `known`: a compressor that was trained too."""
    before, content = "".join(known).encode("utf-8"), "".join(texts).encode("utf-8")
    return 8 * (len(lzma.compress(before + content, preset=9)) - len(lzma.compress(before, preset=9))) / len(content)
