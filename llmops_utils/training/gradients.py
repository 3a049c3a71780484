"""Arrays that remember how they were computed, so that the gradient of a loss can be traced back to each of them.

This is reverse-mode differentiation: every operation returns its result together with a function that turns the
gradient of the loss by the result into the gradients by what went in. `Tensor.backward` calls these functions from
the loss back to the parameters. Source: S. Linnainmaa, BIT 16 (1976); D. E. Rumelhart, G. E. Hinton and
R. J. Williams, Nature 323 (1986).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

STEP = 1e-5  # how far a number is moved where gradients are checked
EPSILON = 1e-5  # keeps the root mean square of a zero vector away from 0


class Tensor:
    """An array, what it was computed from, and after `backward` the gradient of the loss by it.

    The `vjp` (vector-Jacobian product) takes the gradient by this tensor, and returns one gradient for each source.
    Data is float32 in training, float64 where gradients are checked.
    """

    def __init__(self, data: np.ndarray, sources: Sequence[Tensor] = (), vjp: Callable | None = None) -> None:
        self.data = data
        self.sources = sources
        self.vjp = vjp
        self.gradient: np.ndarray | None = None

    def backward(self) -> None:
        """Compute the gradients of this tensor, one number, by all parameters that it came from."""
        self.gradient = np.ones_like(self.data)
        for tensor in reversed(_sort_by_origin(self)):
            if tensor.vjp is None:
                continue
            for source, gradient in zip(tensor.sources, tensor.vjp(tensor.gradient), strict=True):
                source.gradient = gradient if source.gradient is None else source.gradient + gradient
            tensor.gradient = None  # only parameters keep theirs


def _sort_by_origin(last: Tensor) -> list[Tensor]:
    """Return all tensors that lead to `last`, each one after its sources."""
    found: list[Tensor] = []
    seen: set[int] = set()
    waiting = [(last, False)]
    while waiting:
        tensor, has_sources = waiting.pop()
        if has_sources:
            found.append(tensor)
        elif id(tensor) not in seen:
            seen.add(id(tensor))
            waiting.append((tensor, True))
            waiting += [(source, False) for source in tensor.sources]
    return found


def add(a: Tensor, b: Tensor) -> Tensor:
    """Return a + b, of the same shape."""
    return Tensor(a.data + b.data, (a, b), lambda g: (g, g))


def matmul(x: Tensor, w: Tensor) -> Tensor:
    """Return the matrix product of x, shape (…, n), and w, shape (n, m)."""

    def vjp(g):
        return _product(g, w.data.T), _flatten(x.data).T @ _flatten(g)

    return Tensor(_product(x.data, w.data), (x, w), vjp)


def matmul_transposed(x: Tensor, w: Tensor) -> Tensor:
    """Return the matrix product of x, shape (…, n), and the transpose of w, shape (m, n)."""

    def vjp(g):
        return _product(g, w.data), _flatten(g).T @ _flatten(x.data)

    return Tensor(_product(x.data, w.data.T), (x, w), vjp)


def _product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return x @ w for x of shape (…, n) as one product of two matrices, which is faster than one for each of a batch."""
    return (_flatten(x) @ w).reshape(*x.shape[:-1], w.shape[-1])


def _flatten(x: np.ndarray) -> np.ndarray:
    return x.reshape(-1, x.shape[-1])


def embedding(table: Tensor, ids: np.ndarray) -> Tensor:
    """Return the rows of a table, shape (…, width), for ids of shape (…)."""

    def vjp(g):
        total = np.zeros_like(table.data)
        np.add.at(total, ids, g)  # an id that stands there twice collects both
        return (total,)

    return Tensor(table.data[ids], (table,), vjp)


def normalise(x: Tensor, gain: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Return x with each vector divided by its root mean square, times a gain for each place of the vector.

    Source: B. Zhang and R. Sennrich, Root mean square layer normalization, NeurIPS 2019.
    """
    scale = 1 / np.sqrt((x.data**2).mean(-1, keepdims=True) + epsilon)
    unit = x.data * scale

    def vjp(g):
        inner = g * gain.data
        return scale * (inner - unit * (inner * unit).mean(-1, keepdims=True)), _flatten(g * unit).sum(0)

    return Tensor(unit * gain.data, (x, gain), vjp)


def square_relu(x: Tensor) -> Tensor:
    """Return the square of each positive value, and 0 for the others. Source: D. R. So et al., Primer, 2021."""
    positive = np.maximum(x.data, 0)
    return Tensor(positive * positive, (x,), lambda g: (2 * positive * g,))


def drop_out(x: Tensor, share: float, random: np.random.Generator | None) -> Tensor:
    """Return x with a random share of its values set to 0 and the others scaled up; x itself without a generator.

    Source: N. Srivastava et al., Journal of Machine Learning Research 15 (2014).
    """
    if random is None or share == 0:
        return x
    kept = (random.random(x.data.shape, dtype=np.float32) >= share).astype(x.data.dtype) / x.data.dtype.type(1 - share)
    return Tensor(x.data * kept, (x,), lambda g: (g * kept,))


def attend(projected: Tensor, num_heads: int) -> Tensor:
    """Return causal self-attention: each position takes a weighted mean of the values at and before it.

    Args:
        projected: queries, keys and values side by side, shape (batch, length, 3 × width).
        num_heads: divides the width; each head attends by itself.

    Source: A. Vaswani et al., Attention is all you need, NeurIPS 2017.
    """
    batch, length, width = projected.data.shape[0], projected.data.shape[1], projected.data.shape[2] // 3
    size = width // num_heads
    scale = projected.data.dtype.type(size**-0.5)
    split = projected.data.reshape(batch, length, 3, num_heads, size).transpose(2, 0, 3, 1, 4)
    query, key, value = np.ascontiguousarray(split)
    scores = query @ key.swapaxes(-1, -2) * scale
    scores += np.triu(np.full((length, length), -1e9, dtype=scores.dtype), 1)  # no look at what comes later
    weights = _softmax(scores)

    def vjp(g):
        g = g.reshape(batch, length, num_heads, size).transpose(0, 2, 1, 3)
        by_weights = g @ value.swapaxes(-1, -2)
        by_scores = weights * (by_weights - (by_weights * weights).sum(-1, keepdims=True)) * scale
        parts = [by_scores @ key, by_scores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ g]
        return (np.stack(parts).transpose(1, 3, 0, 2, 4).reshape(projected.data.shape),)

    mixed = (weights @ value).transpose(0, 2, 1, 3).reshape(batch, length, width)
    return Tensor(mixed, (projected,), vjp)


def compute_loss(logits: Tensor, targets: np.ndarray) -> Tensor:
    """Return the mean cross-entropy in nats of logits, shape (…, vocabulary), and of the ids that came next, shape (…)."""
    chances = _softmax(logits.data)
    place = targets[..., None]
    loss = -np.log(np.take_along_axis(chances, place, -1)).mean()

    def vjp(g):
        difference = chances.copy()
        np.put_along_axis(difference, place, np.take_along_axis(chances, place, -1) - 1, -1)
        return (difference * (g / targets.size),)

    return Tensor(loss, (logits,), vjp)


def _softmax(scores: np.ndarray) -> np.ndarray:
    raised = scores - scores.max(-1, keepdims=True)
    np.exp(raised, out=raised)
    raised /= raised.sum(-1, keepdims=True)
    return raised


def compare_gradients(compute: Callable[[], Tensor], parameters: Sequence[Tensor]) -> float:
    """Return the largest relative gap between traced gradients and finite differences, at up to 20 places of each.

    The difference quotient moves one number of a parameter by ± `STEP` and looks at how much the loss moves. It knows
    nothing of the rules in this module, so it finds an error in any of them. Use float64: in float32 the quotient
    itself is wrong in its third digit. A gap is |traced - quotient| divided by the larger of both sizes, or by the
    largest gradient / 1,000 where both are smaller than that. `compute` returns the loss, one number, from the
    current values of the parameters.
    """
    random = np.random.default_rng(0)
    for parameter in parameters:
        parameter.gradient = None
    compute().backward()
    gradients = [np.array(parameter.gradient) for parameter in parameters]
    floor = max(float(np.abs(gradient).max()) for gradient in gradients) / 1000
    widest = 0.0
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in random.choice(gradient.size, min(20, gradient.size), replace=False):
            index = np.unravel_index(place, gradient.shape)
            kept = parameter.data[index]
            parameter.data[index] = kept + STEP
            above = float(compute().data)
            parameter.data[index] = kept - STEP
            below = float(compute().data)
            parameter.data[index] = kept
            quotient = (above - below) / (2 * STEP)
            traced = float(gradient[index])
            widest = max(widest, abs(traced - quotient) / max(abs(traced), abs(quotient), floor))
    return widest
