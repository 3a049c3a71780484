"""Training runs: the loop, what a run leaves behind, and runs that are recorded and given back like replies."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ..core import DataError, RecordingMissing, load_settings
from ..models import Provenance, Recorder, Recordings
from .gradients import Tensor, compute_loss
from .ngrams import average_bits
from .optimiser import Optimiser
from .tokenizer import END_ID, Encoded, join_ids
from .transformer import Architecture, Transformer

NAME = "small transformer"  # what the recordings call its maker
SAMPLE_TOKENS = 60


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes:
        batch: windows of text in each step; each is as long as the context.
        drop: share of values that are dropped at random, against overfitting.
        rate: multiplies the rates of the optimiser.
        num_looks: how often the dev texts are measured on the way, evenly spread.
        keeps_best: whether the parameters of the best look are kept (early stopping), or those of the last step.
        seed: draws the first parameters, the windows and what is dropped.
    """

    num_steps: int
    batch: int = 4
    drop: float = 0.0
    rate: float = 1.0
    num_looks: int = 5
    keeps_best: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.num_looks <= self.num_steps and self.batch >= 1 and 0 <= self.drop < 1 and self.rate > 0):
            raise DataError(
                f"{self} cannot be followed.",
                "Give at least one step and one look, no more looks than steps, and a drop below 1.",
            )


@dataclass(frozen=True)
class Look:
    """How a model stands after some steps: bits per byte on what it trains on and on dev, and ids that it wrote."""

    step: int
    train_bits: float
    dev_bits: float
    sample: list[int]


@dataclass(frozen=True)
class TrainingRun:
    """What a training leaves behind.

    Attributes:
        best_step: the look whose parameters were kept.
        bits: for each set of texts that was measured at the end, the bits per byte of each text.
        average: the same over the bytes of each set.
        duration_s: seconds of training, measuring on the way included.
        packed: the parameters, or None where they were not to be kept.
    """

    name: str
    architecture: Architecture
    recipe: Recipe
    looks: list[Look]
    best_step: int
    bits: dict[str, list[float]]
    average: dict[str, float]
    duration_s: float
    provenance: Provenance
    packed: str | None

    @property
    def num_tokens(self) -> int:
        """Tokens that were read in training, each as often as it was read."""
        return self.recipe.num_steps * self.recipe.batch * self.architecture.context

    @property
    def model(self) -> Transformer:
        """The trained model, a new copy each time. Raises `DataError` where the run did not keep it."""
        if self.packed is None:
            raise DataError(f"The run “{self.name}” did not keep its parameters.", "Train with keeps_model=True.")
        model = Transformer(self.architecture)
        model.unpack_weights(self.packed)
        return model

    def __str__(self) -> str:
        measured = ", ".join(f"{value:.3f} bits per byte on {name}" for name, value in self.average.items())
        return (
            f"{self.name}: {measured} (step {self.best_step} of {self.recipe.num_steps}, "
            f"{self.architecture.num_parameters:,} parameters, {self.duration_s:.0f} s, {self.provenance})"
        )

    __repr__ = __str__


# The matrices are small. Two threads gain little, and where another program holds one of two cores, each of the many
# products waits for it: 17 times as slow was seen with OpenBLAS.
use_one_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@use_one_thread
def measure_bits(model: Transformer, encoded: Sequence[Encoded]) -> list[float]:
    """Return the bits per byte of each text, its mark of the start given.

    A text that is longer than the context is read in windows that overlap by half, so that all but the first tokens
    are predicted from at least half a context.
    """
    context = model.architecture.context
    measured = []
    for one in encoded:
        total, first = 0.0, 1
        while first < len(one.ids):
            last = min(first + (context if first == 1 else max(1, context // 2)), len(one.ids))
            read = one.ids[None, max(0, last - 1 - context) : last - 1]
            scores = Tensor(model.compute_logits(read).data[0, first - last :].astype(np.float64))
            total += float(compute_loss(scores, one.ids[first:last]).data) * (last - first)
            first = last
        measured.append(total / np.log(2) / one.num_bytes)
    return measured


def _schedule(step: int, num_steps: int) -> float:
    """Return the scale of the rates: rising over the first steps, level, and falling to 0 over the last 60 %."""
    warm, falling = min(20, num_steps), 0.6 * num_steps
    return min(1.0, step / warm, (num_steps - step + 1) / falling)


@use_one_thread
def train_model(
    model: Transformer, recipe: Recipe, texts: Sequence[Encoded], dev: Sequence[Encoded], is_silent: bool = True
) -> tuple[list[Look], int]:
    """Train a model in place, from what it is; return its looks and the step whose parameters it has now.

    Windows are drawn at random from the texts, joined to one row of tokens; `dev` is measured on the way. Raises
    `DataError` where the texts are shorter than the context.
    """
    from tqdm.auto import tqdm

    ids, context = join_ids(texts), model.architecture.context
    if len(ids) <= context + 1:
        raise DataError(f"{len(ids)} tokens do not fill a context of {context}.", "Give more text.")
    bits_per_nat = len(ids) / sum(one.num_bytes for one in texts) / np.log(2)
    random = np.random.default_rng(recipe.seed)
    optimiser = Optimiser(model.parameters)
    look_steps = {round(recipe.num_steps * (number + 1) / recipe.num_looks) for number in range(recipe.num_looks)}
    looks: list[Look] = []
    losses: list[float] = []
    best, kept = recipe.num_steps, model.parameters
    for step in tqdm(range(1, recipe.num_steps + 1), desc="steps", disable=is_silent):
        starts = random.integers(0, len(ids) - context, recipe.batch)
        windows = ids[starts[:, None] + np.arange(context + 1)]
        loss = compute_loss(model.compute_logits(windows[:, :-1], recipe.drop, random), windows[:, 1:])
        loss.backward()
        optimiser.step(recipe.rate * _schedule(step, recipe.num_steps))
        losses.append(float(loss.data))
        if step in look_steps:
            dev_bits = average_bits(measure_bits(model, dev), dev)
            sample = model.continue_ids([END_ID], SAMPLE_TOKENS, seed=recipe.seed, stop=END_ID)
            looks.append(Look(step, float(np.mean(losses)) * bits_per_nat, dev_bits, sample))
            losses = []
            if recipe.keeps_best and dev_bits <= min(look.dev_bits for look in looks):
                best, kept = step, model.copy_parameters()
    model.parameters = kept
    return looks, best


class Trainer:
    """Trains models, or gives recorded runs back, as the settings say; the modes are those of replies.

    A run is recorded in the file of the chapter beside the replies: what it was trained on (by checksum), how, and what
    came out. In replay nothing is trained. So the same figures stand on every machine, and `live` trains anew.
    """

    def __init__(self, chapter: str) -> None:
        self.chapter = chapter
        self.settings = load_settings()
        recordings = Recordings(self.settings.recordings / f"{chapter}.jsonl")
        self.recorder = Recorder(recordings, self.settings, f"numpy {np.__version__} on {os.cpu_count()} cores")

    def train(
        self,
        name: str,
        architecture: Architecture,
        recipe: Recipe,
        texts: Sequence[Encoded],
        dev: Sequence[Encoded],
        measured: Mapping[str, Sequence[Encoded]],
        keeps_model: bool = False,
        is_sweep: bool = False,
    ) -> TrainingRun:
        """Return a run: recorded, or trained now.

        Args:
            dev: what is measured on the way, to stop in time.
            measured: sets of held-out texts by name, measured once at the end.
            keeps_model: whether the parameters are kept with the run, about 2 bytes each.
            is_sweep: one of many runs that are made to be compared. Live, too, its recording is taken where there is
                one, so that nobody waits minutes for a row of points; `record` trains it anew.

        Raises `RecordingMissing` where replay was asked for a run that was never recorded, and what `train_model` raises.
        """
        body = {
            "model": NAME,
            "architecture": asdict(architecture),
            "recipe": asdict(recipe),
            "texts": _hash_texts(texts),
            "dev": _hash_texts(dev),
            "measured": {label: _hash_texts(one) for label, one in measured.items()},
            "keeps_model": keeps_model,
        }
        request = {"method": "TRAIN", "path": "/transformer", "body": body}
        found = self.recorder.find(request, in_live_too=is_sweep)
        mode, recorded = self.settings.mode, ""
        if found is not None:
            mode, recorded = "replay", found.recorded
        elif self.settings.asks:
            started = time.perf_counter()
            model = Transformer(architecture, recipe.seed)
            looks, best = train_model(model, recipe, texts, dev, self.settings.stores)
            duration_s = round(time.perf_counter() - started, 1)
            trained = {
                "looks": [list(astuple(one)) for one in looks],
                "best_step": best,
                "bits": {label: measure_bits(model, one) for label, one in measured.items()},
                "weights": model.pack_weights() if keeps_model else None,
            }
            found = self.recorder.keep(request, {"status": 200, "body": trained}, duration_s)
        else:
            raise RecordingMissing(
                f"There is no recording in {self.chapter} for the training run “{name}”.",
                "Set LLMOPS_MODE=live and restart the kernel: then it is trained on this machine.",
            )
        answer = found.response["body"]
        return TrainingRun(
            name,
            architecture,
            recipe,
            [Look(*one) for one in answer["looks"]],
            answer["best_step"],
            answer["bits"],
            {label: average_bits(values, measured[label]) for label, values in answer["bits"].items()},
            found.latency_s,
            Provenance(NAME, found.source, mode, recipe.seed, recorded),
            answer["weights"],
        )


def _hash_texts(encoded: Sequence[Encoded]) -> str:
    """Return a checksum of token ids and lengths in bytes, the same on every machine."""
    digest = hashlib.sha256()
    for one in encoded:
        digest.update(f"{one.num_bytes}:".encode() + one.ids.astype("<i4").tobytes() + b";")
    return digest.hexdigest()[:16]
