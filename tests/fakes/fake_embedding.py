"""A small deterministic embedding: hashed words, so that texts with the same words are near each other."""

import re
import zlib

import numpy as np


class FakeEmbedding:
    """Vectors of `dimension` numbers; keeps what it was asked to embed.

    Args:
        model: what its description says.
        bias: what every number has at least; NaN makes vectors that are none.
        fails_after: texts after which it raises, to stand for a failing provider.
    """

    def __init__(self, model="fake-1", dimension=64, fails_after=None, bias=1e-3):
        self.model = model
        self.dimension = dimension
        self.bias = bias
        self.fails_after = fails_after
        self.texts = []

    def __call__(self, texts):
        vectors = []
        for text in texts:
            if self.fails_after is not None and len(self.texts) >= self.fails_after:
                raise RuntimeError("the embedding failed")
            self.texts.append(text)
            vector = np.full(self.dimension, self.bias, dtype=np.float32)
            for word in re.findall(r"\w+", text.lower()):
                vector[zlib.crc32(word.encode()) % self.dimension] += 1
            vectors.append(vector / np.linalg.norm(vector))
        return vectors

    def describe(self):
        return f"fake, model {self.model}"
