"""The operations of a Llama beside those of `gradients`: its own matrices are frozen, and get no gradient.

A packing holds many texts in one array of shape (N, width), so there is no axis for a batch.
"""

from __future__ import annotations

import numpy as np

from ..gradients import Tensor
from .token_trees import Packing

PLACES_AT_ONCE = 64  # whose scores over a large vocabulary are held in memory


def project(x: Tensor, matrix: np.ndarray) -> Tensor:
    """Return the product of x, shape (N, n), and the transpose of a frozen matrix, shape (m, n)."""
    return Tensor(x.data @ matrix.T, (x,), lambda g: (g @ matrix,))


def project_adapted(x: Tensor, matrix: np.ndarray, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Return x Wᵀ + scale · (x Aᵀ) Bᵀ: a frozen matrix W, shape (m, n), with what was learned beside it.

    A, shape (r, n), and B, shape (m, r), are small: their product is a matrix as large as W and of rank r.
    Source: E. Hu et al., LoRA: low-rank adaptation of large language models, ICLR 2022.
    """
    low = x.data @ a.data.T

    def vjp(g):
        by_low = scale * (g @ b.data)
        return g @ matrix + by_low @ a.data, by_low.T @ x.data, scale * (g.T @ low)

    return Tensor(x.data @ matrix.T + scale * (low @ b.data.T), (x, a, b), vjp)


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """Return gate · σ(gate) · up. Source: N. Shazeer, GLU variants improve transformer, 2020."""
    sigmoid = 0.5 + 0.5 * np.tanh(0.5 * gate.data)  # as 1 / (1 + exp(-x)), and never too large a number
    swish = gate.data * sigmoid

    def vjp(g):
        return g * up.data * (sigmoid + swish * (1 - sigmoid)), g * swish

    return Tensor(swish * up.data, (gate, up), vjp)


def rotate(x: Tensor, turns: np.ndarray) -> Tensor:
    """Return queries or keys, shape (N, heads × size), each pair of neighbours turned by the angles of its position.

    A pair is one complex number here, and a turn a product. The score of a query and a key then depends on how far
    apart they stand. GGUF holds pairs as neighbours; other formats hold the two halves of a head apart.
    Source: J. Su et al., RoFormer: enhanced transformer with rotary position embedding, 2021.
    """
    turns = turns.astype(np.result_type(x.data, np.complex64))[:, None]

    def turn(values, by):
        pairs = np.ascontiguousarray(values).view(by.dtype).reshape(len(by), -1, by.shape[-1])
        return (pairs * by).view(values.dtype).reshape(values.shape)

    return Tensor(turn(x.data, turns), (x,), lambda g: (turn(g, turns.conj()),))


def attend_grouped(
    query: Tensor, key: Tensor, value: Tensor, packing: Packing, num_heads: int, num_groups: int
) -> Tensor:
    """Return what each token takes from those that its mask lets it see; several heads of queries share one of keys.

    Args:
        query: shape (N, heads × size).
        key: shape (N, groups × size), as `value` is.
        packing: its slices and masks keep the trees apart.
        num_groups: heads of keys and values; divides `num_heads`, those of queries.

    Source: J. Ainslie et al., GQA: training generalized multi-query transformer models, EMNLP 2023.
    """
    size = query.data.shape[1] // num_heads
    scale = size**-0.5

    def split(rows):  # the queries of a group one below the other, so that they meet their keys in one product
        return rows.reshape(len(rows), num_groups, -1, size).transpose(1, 2, 0, 3).reshape(num_groups, -1, size)

    def join(heads, length):
        return heads.reshape(num_groups, -1, length, size).transpose(2, 0, 1, 3).reshape(length, -1)

    mixed, kept = np.empty_like(query.data), []
    for part, mask in zip(packing.slices, packing.masks, strict=True):
        q, k, v = split(query.data[part]), split(key.data[part]), split(value.data[part])
        scores = (q @ k.swapaxes(-1, -2) * scale).reshape(num_groups, -1, *mask.shape) + mask
        scores -= scores.max(-1, keepdims=True)
        weights = np.exp(scores, out=scores)
        weights /= weights.sum(-1, keepdims=True)
        weights = weights.reshape(num_groups, -1, len(mask))
        mixed[part] = join(weights @ v, len(mask))
        kept.append((part, q, k, v, weights))

    def vjp(g):
        by_query, by_key, by_value = (np.empty_like(tensor.data) for tensor in (query, key, value))
        for part, q, k, v, weights in kept:
            length, by_mixed = k.shape[1], split(g[part])
            by_weights = by_mixed @ v.swapaxes(-1, -2)
            by_scores = weights * (by_weights - (by_weights * weights).sum(-1, keepdims=True)) * scale
            by_query[part] = join(by_scores @ k, length)
            by_key[part] = join(by_scores.swapaxes(-1, -2) @ q, length)
            by_value[part] = join(weights.swapaxes(-1, -2) @ by_mixed, length)
        return by_query, by_key, by_value

    return Tensor(mixed, (query, key, value), vjp)


def compute_reply_loss(
    x: Tensor, table: np.ndarray, places: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> Tensor:
    """Return the cross-entropy in nats at some places only, summed with a weight for each.

    The gradient is made along with the loss, a few places at a time: the scores of all of them, 49,152 for each, would
    take more memory than everything else.

    Args:
        x: vectors that the model puts out, shape (N, width).
        table: a frozen vector for each token of the vocabulary, shape (vocabulary, width).
        places: rows of x, shape (m,); one may stand there several times.
        targets: ids that came next, shape (m,).
        weights: shape (m,); 1 / m each gives the mean.
    """
    total, by_x = 0.0, np.zeros_like(x.data)
    for start in range(0, len(places), PLACES_AT_ONCE):
        part, weight = places[start : start + PLACES_AT_ONCE], weights[start : start + PLACES_AT_ONCE]
        chosen = np.arange(len(part)), targets[start : start + PLACES_AT_ONCE]
        scores = x.data[part] @ table.T
        scores -= scores.max(-1, keepdims=True)
        reached = scores[chosen]
        chances = np.exp(scores, out=scores)
        sums = chances.sum(-1, keepdims=True)
        total += float((np.log(sums[:, 0]) - reached) @ weight)
        chances /= sums
        chances[chosen] -= 1
        np.add.at(by_x, part, (chances @ table) * weight[:, None])
    return Tensor(np.asarray(total, x.data.dtype), (x,), lambda g: (by_x * g,))
