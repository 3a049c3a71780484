"""The steps of fine-tuning: the gradient of the adapter alone, computed in two threads, and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ...core import DataError
from ..gradients import Tensor
from .adapters import Adapter
from .llama import Llama, check_memory
from .llama_operations import compute_reply_loss
from .token_trees import TokenTree

WORKERS = 2  # threads, each with a micro-batch of its own
TOKENS = 512  # of a micro-batch, at most about: enough for fast products, few enough for the memory
WARM_UP = 5  # steps until the full rate is reached
LEAST = 0.1  # share of the rate that is left at the end
FIRST, SECOND, DECAY = 0.9, 0.99, 0.01  # of AdamW: the decay of its two averages, and that of the numbers
LONGEST = 1.0  # a gradient that is longer than this is shortened to it
FLOATS_KEPT = 28  # for the gradient of a token in a layer, times the width of the model


@dataclass(frozen=True)
class AdapterRecipe:
    """How an adapter is trained.

    Attributes:
        num_layers: layers that are adapted, counted from the last; what lies below them is computed once.
        alpha: alpha / rank multiplies what the learned matrices compute.
        epochs: how often each demonstration is seen, at most.
        batch: demonstrations, or groups of them, in each step.
        rate: of AdamW, reached in a few steps and then falling as a cosine.
        patience: where there is a dev set, epochs without a new best after which training stops.
        max_tokens: of a demonstration, prompt and reply together.
        seed: draws the first numbers and the order.
    """

    num_layers: int = 4
    rank: int = 8
    alpha: float = 16.0
    epochs: int = 5
    batch: int = 8
    rate: float = 2e-3
    patience: int = 2
    max_tokens: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        counts = (self.num_layers, self.rank, self.epochs, self.batch, self.patience, self.max_tokens)
        if min(counts) < 1 or not 0 < self.rate < 1 or not 0 < self.alpha < math.inf:
            raise DataError(f"{self} cannot be followed.", "Counts are at least 1, and the rate lies between 0 and 1.")


@dataclass(frozen=True)
class State:
    """Where a training stands. Each step makes a new one, so that an interrupt at any time finds a whole one.

    Attributes:
        numbers: all of the adapter, in one row; `best` are those of the epoch that was best on dev.
        first: the average of their gradients; `second` is that of the squares.
        losses: of each step.
        dev_losses: before the first epoch and after each.
    """

    numbers: np.ndarray
    best: np.ndarray
    first: np.ndarray
    second: np.ndarray
    losses: tuple[float, ...] = ()
    dev_losses: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch that was best on dev; 0 before there is one."""
        return 1 + int(np.argmin(self.dev_losses[1:])) if len(self.dev_losses) > 1 else 0


class AdapterTraining:
    """A training from state to state, on trees to learn from and trees of the dev set.

    `steps_per_epoch` are batches, the last of which may be smaller; `peak_mb` is the most memory of the process that was
    seen. Raises `DataError` where less memory is free than it will take.
    """

    def __init__(
        self,
        llama: Llama,
        adapter: Adapter,
        recipe: AdapterRecipe,
        trees: Sequence[TokenTree],
        dev_trees: Sequence[TokenTree],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._llama, self._adapter, self._recipe, self._pool = llama, adapter, recipe, pool
        self._trees, self._num_train = [*trees, *dev_trees], len(trees)
        self._below: dict[int, np.ndarray] = {}
        self._first_layer = llama.num_layers - recipe.num_layers
        self.steps_per_epoch = math.ceil(len(trees) / recipe.batch)
        self.peak_mb = 0.0
        lengths = [len(tree) for tree in self._trees]
        in_work = 4 * WORKERS * max(TOKENS, *lengths) * FLOATS_KEPT * (recipe.num_layers + 1)
        in_state = 40 * sum(matrix.size for matrix in adapter.matrices.values())
        check_memory((in_work + 2 * sum(lengths)) * llama.width + in_state, "train this adapter")

    def read(self) -> Iterator[int]:
        """Compute what lies below the adapted layers, and keep it in float16; give how many trees were read each time.

        Float16 halves the memory and moves a gradient by 0.0001 of its length.
        """
        parts = _split_evenly(range(len(self._trees)), self._trees)
        jobs = self._pool.map(self._read_part, parts)
        for part, vectors in zip(parts, jobs, strict=True):
            self._below |= zip(part, vectors, strict=True)
            yield len(part)

    def _read_part(self, part: Sequence[int]) -> list[np.ndarray]:
        trees = [self._trees[one] for one in part]
        vectors = self._llama.run_below(trees, self._first_layer)
        if np.abs(vectors).max() < np.finfo(np.float16).max:  # about 25,000 in SmolLM2
            vectors = vectors.astype(np.float16)
        return np.split(vectors, np.cumsum([len(tree) for tree in trees])[:-1])

    def make_state(self) -> State:
        """Return the state before the first step."""
        numbers = np.concatenate([matrix.ravel() for matrix in self._adapter.matrices.values()])
        return State(numbers, numbers, np.zeros_like(numbers), np.zeros_like(numbers))

    def name_matrices(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the numbers of a state as the matrices of the adapter."""
        matrices = self._adapter.matrices
        parts = np.split(numbers, np.cumsum([matrix.size for matrix in matrices.values()])[:-1])
        return {name: part.reshape(matrices[name].shape) for name, part in zip(matrices, parts, strict=True)}

    def is_done(self, state: State) -> bool:
        """Return whether all epochs are over, or the last ones brought nothing new on dev."""
        has_stopped = len(state.dev_losses) - 1 - state.best_epoch >= self._recipe.patience
        has_ended = len(state.losses) == self._recipe.epochs * self.steps_per_epoch
        return (has_stopped or has_ended) and not self._is_dev_due(state)

    def advance(self, state: State) -> State:
        """Return the state after one more step, or, where an epoch is over, with the loss on dev.

        Raises `DataError` where the loss is no number any more.
        """
        if not self._is_dev_due(state):
            return self._step(state)
        loss, _ = self._compute(state, range(self._num_train, len(self._trees)), is_dev=True)
        new = replace(state, dev_losses=(*state.dev_losses, loss))
        return replace(new, best=new.numbers) if new.best_epoch == len(new.dev_losses) - 1 else new

    def _is_dev_due(self, state: State) -> bool:
        has_dev = len(self._trees) > self._num_train
        return has_dev and len(state.losses) == len(state.dev_losses) * self.steps_per_epoch

    def _step(self, state: State) -> State:
        epoch, number = divmod(len(state.losses), self.steps_per_epoch)
        order = np.random.default_rng([self._recipe.seed, epoch]).permutation(self._num_train)
        loss, gradient = self._compute(state, order[number * self._recipe.batch :][: self._recipe.batch].tolist())
        gradient *= min(1.0, LONGEST / (float(np.linalg.norm(gradient)) + 1e-12))
        step, num_steps = len(state.losses) + 1, self._recipe.epochs * self.steps_per_epoch
        falling = LEAST + (1 - LEAST) * (1 + math.cos(math.pi * step / num_steps)) / 2
        rate = self._recipe.rate * min(1.0, step / WARM_UP) * falling
        first = state.first + (1 - FIRST) * (gradient - state.first)
        second = state.second + (1 - SECOND) * (gradient * gradient - state.second)
        move = first / (1 - FIRST**step) / (np.sqrt(second / (1 - SECOND**step)) + 1e-8)
        numbers = state.numbers * (1 - rate * DECAY) - rate * move
        return replace(state, numbers=numbers, first=first, second=second, losses=(*state.losses, loss))

    def _compute(self, state: State, rows: Sequence[int], is_dev: bool = False) -> tuple[float, np.ndarray]:
        """Return the mean loss of the replies in some rows, each the mean over its tokens, and the gradient.

        How rows are divided and in which order parts are summed depends on the rows alone, not on which thread is ready
        first: so a training repeats to the last bit.
        """
        weight = np.float32(1 / sum(self._trees[one].weights.sum() for one in rows))
        parts = _split_evenly(rows, self._trees)
        results = list(self._pool.map(lambda part: self._compute_part(state.numbers, part, weight, is_dev), parts))
        loss = sum(part_loss for part_loss, _ in results)
        if not math.isfinite(loss):
            raise DataError(
                f"The loss became {loss} after {len(state.losses)} steps.",
                f"Lower the rate: it is {self._recipe.rate:g}; try a third of it.",
            )
        return loss, np.sum([gradient for _, gradient in results], axis=0)

    def _compute_part(self, numbers: np.ndarray, part: Sequence[int], weight: np.float32, is_dev: bool):
        import psutil

        trees = [self._trees[one] for one in part]
        packing = self._llama.pack(trees)
        places = np.concatenate([tree.places + at.start for tree, at in zip(trees, packing.slices, strict=True)])
        targets = np.concatenate([tree.targets for tree in trees])
        weights = np.concatenate([tree.weights for tree in trees]) * weight
        lora = {name: Tensor(matrix) for name, matrix in self.name_matrices(numbers).items()}
        x = Tensor(np.concatenate([self._below[one] for one in part]).astype(numbers.dtype))
        for layer in range(self._first_layer, self._llama.num_layers):
            x = self._llama.run_layer(x, layer, packing, lora, self._adapter.scale)
        x = self._llama.normalise_output(x)
        loss = compute_reply_loss(x, self._llama.output_table, places, targets, weights)
        self.peak_mb = max(self.peak_mb, psutil.Process().memory_info().rss / 1e6)
        if is_dev:
            return float(loss.data), numbers[:0]
        loss.backward()
        return float(loss.data), np.concatenate([tensor.gradient.ravel() for tensor in lora.values()])


def _split_evenly(rows: Sequence[int], trees: Sequence[TokenTree]) -> list[list[int]]:
    """Return rows in parts of about as many tokens: one for each worker, or more where they would be too long."""
    num_tokens = sum(len(trees[one]) for one in rows)
    parts: list[list[int]] = [[] for _ in range(min(len(rows), max(WORKERS, math.ceil(num_tokens / TOKENS))))]
    sizes = [0] * len(parts)
    for one in sorted(rows, key=lambda row: -len(trees[row])):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(one)
        sizes[smallest] += len(trees[one])
    return parts
