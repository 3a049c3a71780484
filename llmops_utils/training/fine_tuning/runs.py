"""Fine-tuning: an adapter learned beside a frozen Llama from demonstrations, in a run that can be stopped and goes on."""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ...core import DataError, TrainingInterrupted, write_whole
from .adapter_training import WORKERS, AdapterRecipe, AdapterTraining, State
from .adapters import Adapter, make_adapter
from .demonstrations import Demonstration, check_demonstrations, encode_demonstrations, hash_demonstrations
from .llama import Llama

SECONDS_BETWEEN = 30  # checkpoints on the way


@dataclass(frozen=True)
class RunFigures:
    """How a fine-tuning went.

    Attributes:
        losses: nats for each token, averaged over each reply and then over all of them, at each step.
        dev_losses: the same on dev, before the first epoch and after each; empty without dev.
        best_epoch: whose numbers the adapter has, from 1 on.
        seconds: what lies below the adapted layers included.
        examples_per_second: demonstrations or groups, each as often as it was seen.
        peak_mb: most memory of this process that was seen.
    """

    losses: list[float]
    dev_losses: list[float]
    best_epoch: int
    seconds: float
    examples_per_second: float
    peak_mb: float


@dataclass(frozen=True)
class FineTuningRun(RunFigures):
    """What a fine-tuning leaves behind: its adapter has the numbers that were best on dev; without dev, the last."""

    adapter: Adapter


def fine_tune(
    llama: Llama,
    name: str,
    demonstrations: Sequence[Demonstration],
    recipe: AdapterRecipe,
    dev: Sequence[Demonstration] = (),
    test_texts: Sequence[str] = (),
    checkpoint: Path | None = None,
    is_silent: bool = False,
    start: Adapter | None = None,
) -> FineTuningRun:
    """Return a trained adapter and how its training went; the same arguments give the same numbers on one machine.

    Args:
        dev: demonstrations by whose loss training stops in time.
        test_texts: what the adapter will be tested on; none may stand in the demonstrations or in dev.
        checkpoint: a file for the state on the way. A run that was stopped goes on from there where model,
            demonstrations, dev and recipe are the same, and ends as if it had not been stopped.
        is_silent: no progress bar, and no word of the checkpoint.
        start: an adapter of this model to go on from, with the layers, rank and alpha of the recipe.

    Raises `DataError` where there is nothing to learn, a row cannot be used, memory is short, or the loss is no number any
    more; `TrainingInterrupted` where the learner interrupted it.
    """
    from tqdm.auto import tqdm

    demonstrations, dev = list(demonstrations), list(dev)
    longest = min(recipe.max_tokens, llama.context)
    trees, dev_trees = (encode_demonstrations(rows, llama.tokenizer, longest) for rows in (demonstrations, dev))
    check_demonstrations([*demonstrations, *dev], test_texts)
    data = hash_demonstrations(demonstrations)
    adapter = make_adapter(llama, name, recipe.num_layers, recipe.rank, recipe.alpha, recipe.seed, data)
    key = json.dumps([llama.sha256, data, hash_demonstrations(dev), asdict(recipe)])
    if start:
        adapter = _go_on(adapter, start)
        key = json.dumps([key, adapter.data_sha256])
    try:
        # Two threads of Python that each ask one thread of the BLAS gain more than one that asks two.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(WORKERS) as pool:
            training = AdapterTraining(llama, adapter, recipe, trees, dev_trees, pool)
            state = _find_state(checkpoint, key, is_silent) or training.make_state()
            started = written = time.perf_counter() - state.seconds
            try:
                with tqdm(desc="layers below", total=len(trees) + len(dev_trees), disable=is_silent) as bar:
                    for num_read in () if training.is_done(state) else training.read():
                        bar.update(num_read)
                num_steps, done = recipe.epochs * training.steps_per_epoch, len(state.losses)
                with tqdm(desc="steps", total=num_steps, initial=done, disable=is_silent) as bar:
                    while not training.is_done(state):
                        new = training.advance(state)
                        state = replace(new, seconds=time.perf_counter() - started)
                        bar.update(len(state.losses) - bar.n)
                        if checkpoint and time.perf_counter() - written > SECONDS_BETWEEN:
                            _write_state(checkpoint, key, state)
                            written = time.perf_counter()
            finally:  # whatever happened, this is the state after the last whole step
                if checkpoint:
                    _write_state(checkpoint, key, state)
    except (KeyboardInterrupt, RuntimeError) as error:
        # An interrupt inside the standard library's locks comes out as "RuntimeError: release unlocked lock".
        if isinstance(error, RuntimeError) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        way = f"it goes on from {checkpoint}." if checkpoint else "with checkpoint=Path('…') it could go on."
        raise TrainingInterrupted(f"The training of “{name}” was interrupted.", f"Run the cell again; {way}") from None
    num_epochs = len(state.losses) / training.steps_per_epoch
    notes = {"recipe": asdict(recipe), "num_demonstrations": len(demonstrations), "dev_losses": state.dev_losses}
    return FineTuningRun(
        list(state.losses),
        list(state.dev_losses),
        state.best_epoch or round(num_epochs),
        state.seconds,
        num_epochs * len(trees) / state.seconds,
        training.peak_mb,
        replace(adapter, matrices=training.name_matrices(state.best if dev else state.numbers), notes=notes),
    )


def _go_on(fresh: Adapter, start: Adapter) -> Adapter:
    """Return a fresh adapter with the numbers of another one; its data are what both were trained on."""
    shapes = [{key: matrix.shape for key, matrix in one.matrices.items()} for one in (fresh, start)]
    if (fresh.base_sha256, fresh.alpha, shapes[0]) != (start.base_sha256, start.alpha, shapes[1]):
        raise DataError(
            f"The training cannot go on from “{start.name}”: it has another base, rank, alpha or other layers.",
            f"Its recipe has rank {start.rank} and alpha {start.alpha:g}; begin without `start`, or take the same.",
        )
    data = hashlib.sha256((start.data_sha256 + fresh.data_sha256).encode()).hexdigest()
    return replace(fresh, matrices=start.matrices, data_sha256=data)


def _write_state(path: Path, key: str, state: State) -> None:
    file = io.BytesIO()
    np.savez(file, key=key, **asdict(state))
    write_whole(path, file.getvalue())


def _find_state(path: Path | None, key: str, is_silent: bool) -> State | None:
    """Return the state in a checkpoint of the same key; None where there is none."""
    if path is None or not path.exists():
        return None
    state, why = None, "other data, another model or another recipe"
    try:
        with np.load(path) as file:
            if str(file["key"]) == key:
                losses = {name: tuple(file[name].tolist()) for name in ("losses", "dev_losses")}
                arrays = {name: file[name] for name in ("numbers", "best", "first", "second")}
                state = State(**arrays, **losses, seconds=float(file["seconds"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        why = f"it cannot be read ({error})"
    if not is_silent:
        print(f"{path.name}: on from step {len(state.losses)}" if state else f"{path.name}: begun anew; {why}")
    return state
