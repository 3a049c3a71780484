"""The embedded sentence encoder: all-MiniLM-L6-v2 on onnxruntime, in this process."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .server import count_cores

# Most texts and tokens of one run, padding included. RAM grows with both: 32 texts of 256 tokens take 1.5 GB.
BATCH_SIZE, BATCH_TOKENS = 16, 512
MAX_TOKENS = 256  # what the model was trained for; longer texts are cut, as by its authors' own code


class SentenceEncoder:
    """Turns texts into vectors. Each batch is padded to its longest text only; `threads` run at once."""

    def __init__(self, model: Path, tokenizer: Path, threads: int | None) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One thread for each batch and several batches at once: threads that share a batch wait for each other, which
        # cost a fifth of the speed on questions and two fifths on long pages (two cores, nothing else at work).
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._pool = ThreadPoolExecutor(threads or count_cores(), thread_name_prefix="embedding")

    def encode(self, texts: list[str]) -> tuple[np.ndarray, int]:
        """Return vectors of length 1, shape (n, 384), float32, and how many tokens were read."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        batches = list(_list_batches([len(row) for row in rows]))
        runs = list(self._pool.map(lambda batch: self._run([rows[place] for place in batch]), batches))
        order = np.argsort(np.concatenate(batches))
        return np.concatenate(runs)[order], sum(map(len, rows))

    def _run(self, rows: list[list[int]]) -> np.ndarray:
        """Return the vectors of one batch, given the numbers of its tokens."""
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(["last_hidden_state"], inputs)[0]
        weights = mask[:, :, None].astype(np.float32)
        mean = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def _list_batches(lengths: list[int]) -> Iterator[list[int]]:
    """Yield the places of texts that run together, the longest first, so that short ones are padded little."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while order:
        num = min(BATCH_SIZE, max(1, BATCH_TOKENS // max(1, lengths[order[0]])))
        yield order[:num]
        order = order[num:]


@functools.cache
def share_encoder(model: Path, tokenizer: Path, threads: int | None) -> SentenceEncoder:
    """Return this process's encoder, loaded at the first call."""
    return SentenceEncoder(model, tokenizer, threads)
