"""A small transformer language model, from token ids to the logits of the next token. All of it is here.

It is the architecture of GPT-2 (A. Radford et al., 2019) with three later simplifications: root-mean-square
normalisation, no biases, and squared ReLU. The table of token vectors is also the output layer.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core import DataError
from .gradients import Tensor, add, attend, drop_out, embedding, matmul, matmul_transposed, normalise, square_relu


@dataclass(frozen=True)
class Architecture:
    """The sizes of a transformer: `depth` blocks on vectors of `width` numbers, which `heads` divides.

    `context` is the most tokens that it reads at once.
    """

    vocabulary: int
    width: int = 96
    depth: int = 3
    heads: int = 4
    context: int = 128

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.depth, self.heads, self.context) < 1 or self.width % self.heads:
            raise DataError(f"{self} cannot be built.", "All sizes are at least 1, and heads must divide width.")

    @property
    def num_parameters(self) -> int:
        """Numbers that training sets."""
        in_block = 12 * self.width**2 + 2 * self.width
        return self.depth * in_block + (self.vocabulary + self.context + 1) * self.width


class Transformer:
    """A transformer with its parameters, tensors by name, which are random at first."""

    def __init__(self, architecture: Architecture, seed: int = 0) -> None:
        self.architecture = architecture
        random = np.random.default_rng(seed)
        width, depth = architecture.width, architecture.depth

        def draw(rows: int, columns: int, scale: float) -> Tensor:
            return Tensor((random.standard_normal((rows, columns)) * scale).astype(np.float32))

        def ones() -> Tensor:
            return Tensor(np.ones(width, dtype=np.float32))

        self.parameters = {
            "token": draw(architecture.vocabulary, width, 0.02),
            "position": draw(architecture.context, width, 0.02),
        }
        shrunk = width**-0.5 / (2 * depth) ** 0.5  # so that the sum over all blocks stays of one size
        for block in range(depth):
            self.parameters |= {
                f"block {block} attention gain": ones(),
                f"block {block} query, key, value": draw(width, 3 * width, width**-0.5),
                f"block {block} attention out": draw(width, width, shrunk),
                f"block {block} feed-forward gain": ones(),
                f"block {block} feed-forward in": draw(width, 4 * width, width**-0.5),
                f"block {block} feed-forward out": draw(4 * width, width, shrunk / 2),
            }
        self.parameters["last gain"] = ones()

    def compute_logits(self, ids: np.ndarray, drop: float = 0.0, random: np.random.Generator | None = None) -> Tensor:
        """Return the score of every token as the next one at every position, shape (batch, length, vocabulary).

        Args:
            ids: token ids, shape (batch, length), length at most the context.
            drop: share of values that are dropped while training.
            random: draws what is dropped; None drops nothing.
        """
        p, heads = self.parameters, self.architecture.heads
        places = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        x = drop_out(add(embedding(p["token"], ids), embedding(p["position"], places)), drop, random)
        for block in range(self.architecture.depth):
            name = f"block {block}"
            seen = normalise(x, p[f"{name} attention gain"])
            mixed = attend(matmul(seen, p[f"{name} query, key, value"]), heads)
            x = add(x, drop_out(matmul(mixed, p[f"{name} attention out"]), drop, random))
            seen = normalise(x, p[f"{name} feed-forward gain"])
            inner = square_relu(matmul(seen, p[f"{name} feed-forward in"]))
            x = add(x, drop_out(matmul(inner, p[f"{name} feed-forward out"]), drop, random))
        return matmul_transposed(normalise(x, p["last gain"]), p["token"])

    def continue_ids(
        self, ids: Sequence[int], num_tokens: int, temperature: float = 0.7, seed: int = 0, stop: int | None = None
    ) -> list[int]:
        """Return up to `num_tokens` tokens that the model writes after `ids`, at least one, drawn one by one.

        A temperature of 0 takes the likeliest token each time; 1 draws by the model's own probabilities. The token
        `stop` ends the text and is left out.
        """
        random = np.random.default_rng(seed)
        written = list(ids)
        for _ in range(num_tokens):
            window = np.array([written[-self.architecture.context :]])
            logits = self.compute_logits(window).data[0, -1].astype(np.float64)
            if temperature == 0:
                chosen = int(logits.argmax())
            else:
                chances = np.exp((logits - logits.max()) / temperature)
                drawn = np.searchsorted(np.cumsum(chances), random.random() * chances.sum(), side="right")
                chosen = min(int(drawn), len(chances) - 1)
            if chosen == stop:
                break
            written.append(chosen)
        return written[len(ids) :]

    def pack_weights(self) -> str:
        """Return the parameters as text: half-precision numbers in a compressed file, in base 64."""
        file = io.BytesIO()
        np.savez_compressed(file, **{name: one.data.astype(np.float16) for name, one in self.parameters.items()})
        return base64.b64encode(file.getvalue()).decode("ascii")

    def unpack_weights(self, packed: str) -> None:
        """Set the parameters from `pack_weights`. Raises `DataError` where they are those of another architecture."""
        with np.load(io.BytesIO(base64.b64decode(packed)), allow_pickle=False) as stored:
            found = {name: stored[name].astype(np.float32) for name in stored.files}
        shapes = {name: one.data.shape for name, one in self.parameters.items()}
        if {name: values.shape for name, values in found.items()} != shapes:
            raise DataError("The weights are those of another architecture.", "Build the model as it was trained.")
        self.parameters = {name: Tensor(values) for name, values in found.items()}

    def copy_parameters(self) -> dict[str, Tensor]:
        """Return all parameters as they are now."""
        return {name: Tensor(one.data.copy()) for name, one in self.parameters.items()}
