"""The steps of fine-tuning: gradients of the adapter alone, in two threads, and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ..core import DataError
from .adapters import Adapter
from .gradients import Tensor
from .llama import Llama, check_memory
from .llama_operations import compute_reply_loss
from .token_trees import TokenTree

WORKERS = 2  # threads, each with a micro-batch of its own and one thread of the BLAS
TOKENS = 512  # of a micro-batch, at most about: enough for fast products, few enough for the memory
WARM_UP = 5  # steps until the full rate is reached
LEAST = 0.1  # share of the rate that is left at the end
FIRST, SECOND, DECAY = 0.9, 0.99, 0.01  # of AdamW: the decay of its two averages, and that of the numbers
LONGEST = 1.0  # gradients that are longer than this, all taken together, are shortened to it
FLOATS_KEPT = 24  # for the gradients of a token in a layer, times the width of the model


@dataclass(frozen=True)
class AdapterRecipe:
    """How an adapter is trained.

    Attributes:
        num_layers: layers that are adapted, counted from the last; what lies below them is computed once.
        rank: of the learned matrices.
        alpha: alpha / rank multiplies what they compute.
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
        numbers: all of the adapter, in one row.
        first: the average of their gradients.
        second: the average of the squares of these.
        best: the numbers of the epoch that was best on dev.
        losses: of each step.
        dev_losses: before the first epoch and after each.
        seconds: that it took so far.
    """

    numbers: np.ndarray
    first: np.ndarray
    second: np.ndarray
    best: np.ndarray
    losses: tuple[float, ...] = ()
    dev_losses: tuple[float, ...] = ()
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch that was best on dev; 0 before there is one."""
        return 1 + int(np.argmin(self.dev_losses[1:])) if len(self.dev_losses) > 1 else 0


class AdapterTraining:
    """A training from state to state. `peak_mb` is the most memory of the process that was seen.

    Raises:
        DataError: less memory is free than it will take.
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
        self.llama, self.adapter, self.recipe, self.pool = llama, adapter, recipe, pool
        self.trees = [*trees, *dev_trees]
        self.num_train, self.num_dev = len(trees), len(dev_trees)
        self.steps_per_epoch = math.ceil(len(trees) / recipe.batch)
        self.num_steps = self.steps_per_epoch * recipe.epochs
        self.peak_mb = 0.0
        self._below: list[np.ndarray] = [np.empty(0)] * len(self.trees)
        longest = max(TOKENS, *(len(tree) for tree in self.trees))
        in_work = 4 * WORKERS * longest * FLOATS_KEPT * (recipe.num_layers + 1)
        kept = 2 * sum(len(tree) for tree in self.trees)
        check_memory((in_work + kept) * llama.width + 40 * adapter.num_parameters, "train this adapter")

    def read(self) -> Iterable[int]:
        """Compute what lies below the adapted layers, once, and keep it in float16; give the number of trees read.

        Float16 halves the memory; the gradients differ in their fourth digit.
        """
        groups = _split_evenly(range(len(self.trees)), self.trees)
        jobs = self.pool.map(
            lambda group: self.llama.compute_below([self.trees[one] for one in group], self.adapter.first_layer), groups
        )
        for group, vectors in zip(groups, jobs, strict=True):
            ends = np.cumsum([len(self.trees[one]) for one in group])[:-1]
            for one, part in zip(group, np.split(vectors.astype(np.float16), ends), strict=True):
                self._below[one] = part
            yield len(group)

    def make_state(self) -> State:
        """Return the state before the first step."""
        numbers = np.concatenate([matrix.ravel() for matrix in self.adapter.matrices.values()])
        return State(numbers, np.zeros_like(numbers), np.zeros_like(numbers), numbers)

    def is_done(self, state: State) -> bool:
        """Return whether all epochs are over, or the last ones brought nothing new on dev."""
        if self._is_dev_due(state):
            return False
        if self.num_dev and len(state.dev_losses) - 1 - state.best_epoch >= self.recipe.patience:
            return len(state.losses) % self.steps_per_epoch == 0
        return len(state.losses) == self.num_steps

    def advance(self, state: State) -> State:
        """Return the state after one more step, or after dev was measured where an epoch is over.

        Raises:
            DataError: the loss is no number any more.
        """
        if not self._is_dev_due(state):
            return self._step(state)
        dev = range(self.num_train, len(self.trees))
        loss, _ = self._compute(state.numbers, dev, needs_gradient=False)
        new = replace(state, dev_losses=(*state.dev_losses, loss))
        return replace(new, best=state.numbers) if new.best_epoch == len(new.dev_losses) - 1 else new

    def _is_dev_due(self, state: State) -> bool:
        return self.num_dev > 0 and len(state.losses) == len(state.dev_losses) * self.steps_per_epoch

    def _step(self, state: State) -> State:
        epoch, number = divmod(len(state.losses), self.steps_per_epoch)
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(self.num_train)
        batch = order[number * self.recipe.batch : (number + 1) * self.recipe.batch]
        loss, gradient = self._compute(state.numbers, batch.tolist())
        gradient *= min(1.0, LONGEST / (float(np.linalg.norm(gradient)) + 1e-12))
        step = len(state.losses) + 1
        falling = LEAST + (1 - LEAST) * (1 + math.cos(math.pi * step / self.num_steps)) / 2
        rate = self.recipe.rate * min(1.0, step / WARM_UP) * falling
        first = state.first + (1 - FIRST) * (gradient - state.first)
        second = state.second + (1 - SECOND) * (gradient * gradient - state.second)
        move = first / (1 - FIRST**step) / (np.sqrt(second / (1 - SECOND**step)) + 1e-8)
        numbers = state.numbers * (1 - rate * DECAY) - rate * move
        return replace(state, numbers=numbers, first=first, second=second, losses=(*state.losses, loss))

    def _compute(
        self, numbers: np.ndarray, rows: Sequence[int], needs_gradient: bool = True
    ) -> tuple[float, np.ndarray]:
        """Return the mean loss of the replies in some rows, and its gradient, summed in the order of the parts.

        The parts depend on the rows alone and not on which thread is ready first, so the sums repeat to the last bit.
        """
        weight = 1 / sum(len(self.trees[one].places) for one in rows)
        parts = _split_evenly(rows, self.trees)
        results = list(self.pool.map(lambda part: self._compute_part(numbers, part, weight, needs_gradient), parts))
        loss = sum(result[0] for result in results)
        if not math.isfinite(loss):
            raise DataError(
                f"The loss is {loss} after so many steps.", f"Lower the rate: it is {self.recipe.rate:g}; try a third."
            )
        return loss, sum(result[1] for result in results[1:]) + results[0][1]

    def _compute_part(self, numbers: np.ndarray, part: Sequence[int], weight: float, needs_gradient: bool):
        import psutil

        trees = [self.trees[one] for one in part]
        packing = self.llama.pack(trees)
        starts = np.cumsum([0, *(len(tree) for tree in trees[:-1])])
        places = np.concatenate([tree.places + start for tree, start in zip(trees, starts, strict=True)])
        x = Tensor(np.concatenate([self._below[one] for one in part]).astype(numbers.dtype))
        lora = {name: Tensor(matrix) for name, matrix in self.name_matrices(numbers).items()}
        for layer in range(self.adapter.first_layer, self.llama.num_layers):
            x = self.llama.run_layer(x, layer, packing, lora, self.adapter.scale)
        targets = np.concatenate([tree.targets for tree in trees])
        vectors = self.llama.normalise_output(x)
        loss = compute_reply_loss(vectors, self.llama.output_table, places, targets, weight)
        self.peak_mb = max(self.peak_mb, psutil.Process().memory_info().rss / 1e6)
        if not needs_gradient:
            return float(loss.data), numbers[:0]
        loss.backward()
        return float(loss.data), np.concatenate([tensor.gradient.ravel() for tensor in lora.values()])

    def name_matrices(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the numbers of a state as the matrices of the adapter."""
        ends = np.cumsum([matrix.size for matrix in self.adapter.matrices.values()])[:-1]
        pairs = zip(self.adapter.matrices.items(), np.split(numbers, ends), strict=True)
        return {name: part.reshape(matrix.shape) for (name, matrix), part in pairs}


def _split_evenly(rows: Sequence[int], trees: Sequence[TokenTree]) -> list[list[int]]:
    """Return rows in parts of about as many tokens: one for each worker, or more where they would be too long."""
    total = sum(len(trees[one]) for one in rows)
    parts: list[list[int]] = [[] for _ in range(min(len(rows), max(WORKERS, math.ceil(total / TOKENS))))]
    sizes = [0] * len(parts)
    for one in sorted(rows, key=lambda row: -len(trees[row])):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(one)
        sizes[smallest] += len(trees[one])
    return parts
