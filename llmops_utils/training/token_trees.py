"""Rows of tokens for a forward pass: a beginning with its branches, and many of them packed end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HIDDEN = -1e9  # added to the score of what a token may not see


@dataclass(frozen=True)
class TokenTree:
    """A beginning and the branches that go on from it, as one row of tokens; the beginning is computed once for all.

    Attributes:
        ids: the tokens, shape (n,): the beginning, then each branch without its last token, from which nothing follows.
        positions: where each token stands in its own text, shape (n,).
        branches: the number of each token's branch, -1 in the beginning, shape (n,).
        places: tokens in the row whose next token is to be predicted, shape (m,).
        targets: what came next at these places, shape (m,).
    """

    ids: np.ndarray
    positions: np.ndarray
    branches: np.ndarray
    places: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def make_mask(self, dtype: np.dtype) -> np.ndarray:
        """Return 0 where a token (row) may see another (column), `HIDDEN` elsewhere, shape (n, n).

        It sees the beginning, its own branch and itself, and nothing that comes later.
        """
        is_beginning, is_same = self.branches[None] == -1, self.branches[None] == self.branches[:, None]
        return np.where(np.tri(len(self), dtype=bool) & (is_beginning | is_same), 0, HIDDEN).astype(dtype)


def make_tree(texts: Sequence[Sequence[int]], starts: Sequence[int]) -> TokenTree:
    """Return a tree of texts in ids; what is alike in all of them, up to the first reply, is their beginning.

    Each text is predicted from its `start` on, which is 1 or more.
    """
    length = min(starts)
    while any(list(text[:length]) != list(texts[0][:length]) for text in texts):
        length -= 1
    ids, positions, branches = list(texts[0][:length]), list(range(length)), [-1] * length
    places: list[int] = []
    targets: list[int] = []
    for number, (text, start) in enumerate(zip(texts, starts, strict=True)):
        offset = len(ids) - length  # of this branch in the row
        ids += text[length:-1]
        positions += range(length, len(text) - 1)
        branches += [number] * (len(text) - 1 - length)
        places += [place if place < length else place + offset for place in range(start - 1, len(text) - 1)]
        targets += text[start:]
    return TokenTree(*(np.array(values, dtype=np.int64) for values in (ids, positions, branches, places, targets)))


def make_plain_tree(ids: Sequence[int]) -> TokenTree:
    """Return a tree of one text that is read to its end, with nothing to predict."""
    row = np.array(ids, dtype=np.int64)
    return TokenTree(row, np.arange(len(row)), np.full(len(row), -1), row[:0], row[:0])


@dataclass(frozen=True)
class Packing:
    """Trees end to end in one array of N tokens: large products instead of many small ones, and no padding.

    Attributes:
        slices: where each tree stands.
        masks: the mask of each tree.
        turns: for each token the angles of its position as complex numbers of length 1, shape (N, head size / 2).
    """

    slices: list[slice]
    masks: list[np.ndarray]
    turns: np.ndarray


def pack_trees(trees: Sequence[TokenTree], head_size: int, base: float, dtype: np.dtype) -> Packing:
    """Return the packing of trees for heads of a size, with the `base` of the rotary positions and a real dtype."""
    ends = np.cumsum([len(tree) for tree in trees]).tolist()
    slices = [slice(end - len(tree), end) for tree, end in zip(trees, ends, strict=True)]
    frequencies = base ** (-np.arange(0, head_size, 2) / head_size)
    angles = np.concatenate([tree.positions for tree in trees])[:, None] * frequencies
    turns = np.exp(1j * angles).astype(np.result_type(dtype, np.complex64))
    return Packing(slices, [tree.make_mask(dtype) for tree in trees], turns)
