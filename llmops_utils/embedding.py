"""The embedded sentence encoder: all-MiniLM-L6-v2 on onnxruntime, in this process."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

# Tokens of one run, padding included. Memory grows with it: 32 texts of 256 tokens take 1.5 GB, 8 take half of a GB, in
# the same time.
BATCH_TOKENS = 2048
MAX_TOKENS = 256  # what the model was trained for; longer texts are cut, as by its authors' own code


class SentenceEncoder:
    """Turns texts into vectors. Each batch is padded to its longest text only, not to 256 tokens.

    Args:
        model: the ONNX file.
        tokenizer: its tokenizer.json.
    """

    dimension = 384

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that wait spin by default, and take a core from other programs and from each other: a third less speed.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def encode(self, texts: list[str], batch_size: int = 32) -> np.ndarray:
        """Return vectors of length 1, shape (n, 384), float32.

        Texts are sorted by length for the run, so that short ones are not padded to the longest of all; long ones go
        in smaller batches.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        while order:
            batch = order[:batch_size]
            while len(batch) > 1 and len(batch) * len(encodings[batch[-1]].ids) > BATCH_TOKENS:
                batch = batch[:-1]
            order = order[len(batch) :]
            length = len(encodings[batch[-1]].ids)
            ids = np.zeros((len(batch), length), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(batch):
                num_tokens = len(encodings[index].ids)
                ids[row, :num_tokens] = encodings[index].ids
                mask[row, :num_tokens] = 1
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            hidden = self._session.run(["last_hidden_state"], inputs)[0]
            weights = mask[:, :, None].astype(np.float32)
            mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
            vectors[batch] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text after truncation."""
        return len(self._tokenizer.encode(text).ids)


@functools.cache
def share_encoder(model: Path, tokenizer: Path) -> SentenceEncoder:
    """Return this process's encoder, loaded at the first call."""
    return SentenceEncoder(model, tokenizer)
