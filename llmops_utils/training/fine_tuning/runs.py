"""Fine-tuning: an adapter learned beside a frozen Llama, in a run that can be stopped and goes on, or is recorded."""

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

from ...core import write_whole
from ...models import AdapterFile, fetch_weights, find_adapter, load_catalog
from ..trainer import RunRecorder
from .adapter_training import WORKERS, AdapterRecipe, AdapterTraining, State
from .adapters import Adapter, make_adapter
from .demonstrations import Demonstration, check_demonstrations, encode_demonstrations, hash_demonstrations
from .llama import Llama, read_llama

SECONDS_BETWEEN = 30  # checkpoints on the way


@dataclass(frozen=True)
class RunFigures:
    """How a fine-tuning went."""

    losses: list[float]  # nats for each token, averaged over each reply and then over all of them, at each step
    dev_losses: list[float]  # the same on dev, before the first epoch and after each; empty without dev
    best_epoch: int  # whose numbers the adapter has, from 1 on
    seconds: float  # what lies below the adapted layers included
    examples_per_second: float  # demonstrations or groups, each as often as it was seen
    peak_mb: float  # most memory of this process that was seen


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
        start: an adapter of this model to go on from, with the layers, rank and alpha of the recipe.

    Raises `DataError` where there is nothing to learn, a row cannot be used, or the loss is no number any more.
    """
    from tqdm.auto import tqdm

    longest = min(recipe.max_tokens, llama.context)
    trees, dev_trees = (encode_demonstrations(rows, llama.tokenizer, longest) for rows in (demonstrations, dev))
    check_demonstrations([*demonstrations, *dev], test_texts)
    data = hash_demonstrations(demonstrations)
    adapter = make_adapter(llama, name, recipe.num_layers, recipe.rank, recipe.alpha, recipe.seed, data)
    if start:
        data = hashlib.sha256((start.data_sha256 + data).encode()).hexdigest()
        adapter = replace(adapter, matrices=start.matrices, data_sha256=data)
    key = json.dumps([llama.sha256, data, hash_demonstrations(dev), asdict(recipe)])
    # Two threads of Python that each ask one thread of the BLAS gain more than one that asks two.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(WORKERS) as pool:
        training = AdapterTraining(llama, adapter, recipe, trees, dev_trees, pool)
        state = _find_state(checkpoint, key) or training.make_state()
        started = written = time.perf_counter() - state.seconds
        if not training.is_done(state):
            training.read()
        num_steps, done = recipe.epochs * training.steps_per_epoch, len(state.losses)
        try:
            with tqdm(desc="steps", total=num_steps, initial=done, disable=is_silent) as bar:
                while not training.is_done(state):
                    state = replace(training.advance(state), seconds=time.perf_counter() - started)
                    bar.update()
                    if checkpoint and time.perf_counter() - written > SECONDS_BETWEEN:
                        _write_state(checkpoint, key, state)
                        written = time.perf_counter()
        finally:  # also after an interrupt, this is the state after the last whole step
            if checkpoint:
                _write_state(checkpoint, key, state)
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


def _write_state(path: Path, key: str, state: State) -> None:
    file = io.BytesIO()
    np.savez(file, key=key, **asdict(state))
    write_whole(path, file.getvalue())


def _find_state(path: Path | None, key: str) -> State | None:
    """Return the state in a checkpoint of the same key; None where there is none, or it cannot be read."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path) as file:
            stored = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    if str(stored.pop("key")) != key:
        return None
    told = {name: stored[name].tolist() for name in ("losses", "dev_losses", "seconds")}
    return State(**stored | told | {name: tuple(told[name]) for name in ("losses", "dev_losses")})


@dataclass(frozen=True)
class TunedModel(RunFigures):
    """What a fine-tuning left behind; `Model(chapter, adapter=tuned.file)` asks the model.

    `source` says what it was trained by, and where.
    """

    file: AdapterFile
    source: str

    def __str__(self) -> str:
        return (
            f"{self.file.name}: {self.seconds:.0f} s, {self.examples_per_second:.1f} examples per second, "
            f"{self.peak_mb:,.0f} MB, loss {self.losses[0]:.2f} → {self.losses[-1]:.2f} ({self.source})"
        )

    __repr__ = __str__


class FineTuner(RunRecorder):
    """Tunes the embedded model for a chapter, or gives its recorded runs back."""

    def tune(
        self,
        name: str,
        demonstrations: Sequence[Demonstration],
        recipe: AdapterRecipe,
        test_texts: Sequence[str] = (),
    ) -> TunedModel:
        """Return a model tuned as `fine_tune` does it; its adapter lies in LLMOPS_HOME. An interrupted run goes on.

        Raises what `find_or_make` and `fine_tune` raise.
        """
        check_demonstrations(demonstrations, test_texts)
        catalog = load_catalog()
        base = catalog.find_local(catalog.find_provider("embedded").default_model)
        body = {"model": base.name, "name": name, "recipe": asdict(recipe), "base": base.files[0].sha256}
        body |= {"data": hash_demonstrations(demonstrations), "dev": hash_demonstrations(())}
        path = self.settings.home / "adapters" / f"{self.chapter}-{name}.gguf"

        def make() -> dict:
            [weights, *_] = fetch_weights(base, self.settings.home).values()
            checkpoint = path.with_suffix(".npz")
            options = {"checkpoint": checkpoint, "is_silent": self.settings.stores}
            run = fine_tune(read_llama(weights), name, demonstrations, recipe, test_texts=test_texts, **options)
            run.adapter.write(path)
            checkpoint.unlink()
            told = {**vars(run), "seconds": round(run.seconds, 1), "peak_mb": round(run.peak_mb)}
            told["examples_per_second"] = round(run.examples_per_second, 2)
            del told["adapter"]
            return told | {"sha256": find_adapter(path, body["base"]).sha256}

        def is_usable(told: dict) -> bool:  # to be asked, the model needs its file as well
            return not self.settings.asks or (
                path.exists() and find_adapter(path, body["base"]).sha256 == told["sha256"]
            )

        found, _ = self.find_or_make(name, "/adapter", body, make, is_usable=is_usable)
        told = dict(found.response["body"])
        return TunedModel(file=AdapterFile(path, name, told.pop("sha256")), **told, source=found.source)
