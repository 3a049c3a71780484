"""Claims about batches of the sentence encoder, with a session and a tokenizer written by hand."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from llmops_utils.models.encoder import BATCH_TOKENS, SentenceEncoder


class FakeTokenizer:
    """One token per character."""

    def encode_batch(self, texts):
        return [SimpleNamespace(ids=[ord(char) for char in text][:256]) for text in texts]


class FakeSession:
    """The hidden state of a token is (its number, 1); keeps the shapes that it was given."""

    def __init__(self):
        self.shapes = []

    def run(self, names, inputs):
        self.shapes.append(inputs["input_ids"].shape)
        ids = inputs["input_ids"].astype(np.float32)
        return [np.stack([ids, np.ones_like(ids)], axis=-1)]


@pytest.fixture
def encoder():
    made = object.__new__(SentenceEncoder)
    made._session, made._tokenizer = FakeSession(), FakeTokenizer()
    with ThreadPoolExecutor(2) as made._pool:
        yield made


def test_short_texts_go_together_long_ones_in_smaller_batches_and_the_vectors_come_in_the_order_of_the_texts(encoder):
    texts = (
        ["x" * 256] * 20 + [chr(97 + number % 26) * (1 + 37 * number % 256) for number in range(90)] + ["sssss"] * 40
    )
    vectors, num_tokens = encoder.encode(texts)
    shapes = encoder._session.shapes
    assert all(rows * length <= BATCH_TOKENS for rows, length in shapes)
    assert sum(rows for rows, _ in shapes) == len(texts)
    assert max(rows for rows, _ in shapes) == 16
    assert num_tokens == sum(map(len, texts))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[:, 0] / vectors[:, 1], [ord(text[0]) for text in texts])


def test_two_batches_run_at_once(encoder):
    both = threading.Barrier(2, timeout=30)

    class WaitingSession(FakeSession):
        """Answers once a second run has begun."""

        def run(self, names, inputs):
            both.wait()
            return super().run(names, inputs)

    encoder._session = WaitingSession()
    texts = ["a" * 200] * (2 * (BATCH_TOKENS // 200))
    assert encoder.encode(texts)[0].shape == (len(texts), 2)
    assert len(encoder._session.shapes) == 2
