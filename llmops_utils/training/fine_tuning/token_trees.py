"""Rows of tokens for a forward pass: a beginning with its branches, and many of them packed end to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HIDDEN = -1e9  # added to the score of what a token may not see


@dataclass(frozen=True)
class TokenTree:
    """A beginning and the branches that go on from it, in one row of n tokens: what they share is computed once.

    Attributes:
        ids: the tokens: the beginning, then each branch without its last one, from which nothing follows.
        positions: where each token stands in its own text.
        branches: the number of each token's branch; -1 in the beginning.
        places: tokens in the row whose next one is to be predicted, shape (m,); it may stand there for two branches.
        targets: what came next at these places, shape (m,).
        weights: w / n for each token of a reply of n that counts w; shape (m,).
    """

    ids: np.ndarray
    positions: np.ndarray
    branches: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def make_mask(self) -> np.ndarray:
        """Return 0 where a token (row) sees another (column): the beginning, its own branch, nothing that comes later.

        Elsewhere it is `HIDDEN`; shape (n, n).
        """
        is_seen = (self.branches == -1) | (self.branches == self.branches[:, None])
        return np.where(np.tri(len(self), dtype=bool) & is_seen, np.float32(0), np.float32(HIDDEN))


def make_tree(texts: Sequence[list[int]], starts: Sequence[int], counts: Sequence[float] = ()) -> TokenTree:
    """Return a tree of texts in ids, each predicted from its `start` on, which is at least 1.

    Their beginning is what they have in common, up to the first start. A text that goes on from another one, as the later
    turns of a conversation do, stands for both. `counts` says how much each one counts; without it, all count 1.
    """
    branches: list[tuple[list[int], dict[int, float]]] = []  # ids, and which of them are predicted with what weight
    rows = zip(texts, starts, counts or [1.0] * len(texts), strict=True)
    for text, start, count in sorted(rows, key=lambda one: -len(one[0])):
        predicted = dict.fromkeys(range(start, len(text)), count / (len(text) - start))
        same = (known for ids, known in branches if ids[: len(text)] == text and not known.keys() & predicted)
        longer = next(same, None)
        if longer is None:
            branches.append((text, predicted))
        else:
            longer |= predicted
    common, first = min(starts), branches[0][0]
    while any(ids[:common] != first[:common] for ids, _ in branches):
        common -= 1
    row, positions, owners = first[:common], list(range(common)), [-1] * common
    places, targets, weights = [], [], []
    for number, (ids, predicted) in enumerate(branches):
        moved = len(row) - common  # how much further on this branch stands in the row than in its text
        for place in sorted(predicted):
            places.append(place - 1 if place - 1 < common else place - 1 + moved)
            targets.append(ids[place])
            weights.append(predicted[place])
        row = row + ids[common:-1]
        positions += range(common, len(ids) - 1)
        owners += [number] * (len(ids) - 1 - common)
    numbers = (np.array(values, dtype=np.int64) for values in (row, positions, owners, places, targets))
    return TokenTree(*numbers, np.array(weights, dtype=np.float32))


@dataclass(frozen=True)
class Packing:
    """Trees end to end in one array of N tokens: a few large products, and no padding.

    Each tree has a slice and a mask; `turns`, shape (N, head size / 2), are the angles of positions as complex numbers.
    """

    slices: list[slice]
    masks: list[np.ndarray]
    turns: np.ndarray


def pack_trees(trees: Sequence[TokenTree], head_size: int, base: float) -> Packing:
    """Return the packing of trees for heads of a size, whose angles fall from 1 per position towards 1 / `base`."""
    ends = np.cumsum([len(tree) for tree in trees]).tolist()
    slices = [slice(end - len(tree), end) for tree, end in zip(trees, ends, strict=True)]
    angles = np.concatenate([tree.positions for tree in trees])[:, None] * base ** (
        -np.arange(0, head_size, 2) / head_size
    )
    return Packing(slices, [tree.make_mask() for tree in trees], np.exp(1j * angles))
