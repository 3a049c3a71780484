"""A byte-pair tokenizer, trained on the texts that its model will read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError
from ..core.texts import REPLACED, SURROGATES

END = "<|end|>"  # stands before each text, so that a model knows where one begins and the last one ended
END_ID = 0


def train_tokenizer(texts: Sequence[str], vocabulary: int):
    """Return a `tokenizers.Tokenizer` that loses no byte: 256 bytes, the mark between texts, and learned merges.

    Raises `DataError` where the vocabulary is below 257 and has no room for the bytes.

    Source: P. Gage, A new algorithm for data compression, C Users Journal 12 (1994); R. Sennrich, B. Haddow and
    A. Birch, ACL 2016; on bytes: A. Radford et al., 2019.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    if vocabulary < 257:
        raise DataError(f"{vocabulary} tokens have no room for 256 bytes and a mark.", "Ask for 257 or more.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((SURROGATES.sub(REPLACED, text) for text in texts), trainer)
    return tokenizer


@dataclass(frozen=True)
class Encoded:
    """A text as token ids, shape (n,), the mark of its start first, and how many bytes the text has in UTF-8."""

    ids: np.ndarray
    num_bytes: int


def encode_texts(tokenizer, texts: Sequence[str]) -> list[Encoded]:
    """Return each text as ids behind the mark of its start. A mark inside a text is read as text.

    Raises `DataError` where a text is empty, so that there would be nothing to predict.
    """
    if not all(texts):
        raise DataError("An empty text has no tokens.", "Leave it out.")
    tokenizer.encode_special_tokens = True
    texts = [SURROGATES.sub(REPLACED, text) for text in texts]  # half an emoji; no byte else is changed
    return [Encoded(np.array([END_ID, *tokenizer.encode(text).ids]), len(text.encode("utf-8"))) for text in texts]


def join_ids(encoded: Sequence[Encoded]) -> np.ndarray:
    """Return the ids of all texts in a row, shape (n,): what a model is trained on."""
    return np.concatenate([one.ids for one in encoded])
