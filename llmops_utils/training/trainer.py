"""Training: the optimiser, the loop, what a run leaves behind, and runs that are recorded and given back like replies."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ..core import DataError, RecordingMissing, load_settings
from ..models import Provenance, Recorder, Recordings
from ..models.recording import Recording
from .gradients import Tensor, compute_loss
from .ngrams import average_bits
from .tokenizer import END_ID, Encoded, join_ids
from .transformer import Architecture, Transformer

NAME = "small transformer"  # what the recordings call its maker
SAMPLE_TOKENS = 60
MOMENTUM = 0.95
FIRST, SECOND = 0.9, 0.98  # decay of Adam's two averages
LONGEST = 1.0  # gradients that are longer than this, all taken together, are shortened to it
MUON_RATE, ADAM_RATE = 0.02, 0.01
DECAY = 0.1  # share of a matrix that is taken off it per unit of rate, against growing weights


@dataclass(frozen=True)
class Recipe:
    """How a model is trained."""

    num_steps: int
    batch: int = 4  # windows of text in each step; each is as long as the context
    drop: float = 0.0  # share of values that are dropped at random, against overfitting
    rate: float = 1.0  # multiplies the rates of the optimiser
    num_looks: int = 5  # how often the dev texts are measured on the way, evenly spread
    keeps_best: bool = True  # whether the parameters of the best look are kept (early stopping), or the last ones
    seed: int = 0  # draws the first parameters, the windows and what is dropped


@dataclass(frozen=True)
class Look:
    """How a model stands after some steps: bits per byte on what it trains on and on dev, and ids that it wrote."""

    step: int
    train_bits: float
    dev_bits: float
    sample: list[int]


@dataclass(frozen=True)
class TrainingRun:
    """What a training leaves behind."""

    name: str
    architecture: Architecture
    recipe: Recipe
    looks: list[Look]
    best_step: int  # the look whose parameters were kept
    bits: dict[str, list[float]]  # per byte of each text, for each set of texts that was measured at the end
    average: dict[str, float]  # the same over the bytes of each set
    duration_s: float  # of training, measuring on the way included
    provenance: Provenance
    packed: str | None  # the parameters, where they were to be kept

    @property
    def num_tokens(self) -> int:
        """Tokens that were read in training, each as often as it was read."""
        return self.recipe.num_steps * self.recipe.batch * self.architecture.context

    @property
    def model(self) -> Transformer:
        """The trained model of a run with `keeps_model`, a new copy each time."""
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


def make_orthogonal(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix with all its singular values moved near 1, between about 0.7 and 1.2.

    Source: K. Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024, with its coefficients of
    the Newton-Schulz iteration.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if is_tall else x


class Optimiser:
    """Moves parameters against their gradients; the gradients are used up.

    Muon is for the matrices inside the blocks, Adam for everything else. Adam divides each number's step by how large its
    gradients were of late. Muon looks at a matrix as a whole: the step is its averaged gradient, made orthogonal, so that
    directions that are rarely used move as far as the others. Measured on the handbook with 2 blocks of width 96: Muon
    after 300 steps 2.29 bits per byte on held-out pages, Adam alone after 600 steps 2.48.

    Source: D. P. Kingma and J. Ba, Adam, ICLR 2015; I. Loshchilov and F. Hutter, Decoupled weight decay, ICLR 2019.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = parameters
        self.num_steps = 0
        self._first = {name: np.zeros_like(one.data) for name, one in parameters.items()}
        self._second = {name: np.zeros_like(one.data) for name, one in parameters.items()}

    def step(self, scale: float) -> None:
        """Move all parameters once; `scale` multiplies the rates and follows a schedule between 0 and 1."""
        self.num_steps += 1
        length = float(np.sqrt(sum(float((one.gradient**2).sum()) for one in self.parameters.values())))
        shorten = np.float32(min(1.0, LONGEST / (length + 1e-12)))
        for name, one in self.parameters.items():
            gradient = one.gradient * shorten
            if one.data.ndim == 2 and name.startswith("block"):
                move, rate = self._ask_muon(name, gradient), MUON_RATE * scale
            else:
                move, rate = self._ask_adam(name, gradient), ADAM_RATE * scale
            if one.data.ndim == 2:
                one.data *= np.float32(1 - rate * DECAY)
            one.data -= np.float32(rate) * move
            one.gradient = None

    def _ask_muon(self, name: str, gradient: np.ndarray) -> np.ndarray:
        self._first[name] = MOMENTUM * self._first[name] + gradient
        rows, columns = gradient.shape
        ahead = MOMENTUM * self._first[name] + gradient
        return make_orthogonal(ahead) * np.float32(max(1.0, rows / columns) ** 0.5)

    def _ask_adam(self, name: str, gradient: np.ndarray) -> np.ndarray:
        first, second = self._first[name], self._second[name]
        first += (1 - FIRST) * (gradient - first)
        second += (1 - SECOND) * (gradient * gradient - second)
        mean, size = first / (1 - FIRST**self.num_steps), second / (1 - SECOND**self.num_steps)
        return mean / (np.sqrt(size) + 1e-8)


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


class RunRecorder:
    """Gives the recorded runs of a chapter back or makes them anew, as the settings say; the modes are those of replies.

    A run is recorded beside the replies: what it was trained on (by checksum), how, and what came out. In replay nothing
    is trained. So the same figures stand on every machine, and `live` trains anew.
    """

    def __init__(self, chapter: str) -> None:
        self.chapter, self.settings = chapter, load_settings()
        recordings = Recordings(self.settings.recordings / f"{chapter}.jsonl")
        self._recorder = Recorder(recordings, self.settings, f"numpy {np.__version__} on {os.cpu_count()} cores")

    def find_or_make(
        self,
        name: str,
        path: str,
        body: dict,
        make: Callable[[], dict],
        in_live_too: bool = False,
        is_usable: Callable[[dict], bool] = bool,
    ) -> tuple[Recording, str]:
        """Return a run and its mode: the recording of this path and body, if what it holds is usable, or a new one.

        Raises `RecordingMissing` where replay was asked for a run that was never recorded, and what `make` raises.
        """
        request = {"method": "TRAIN", "path": path, "body": body}
        found = self._recorder.find(request, in_live_too)
        if found is not None and is_usable(found.response["body"]):
            return found, "replay"
        if not self.settings.asks:
            raise RecordingMissing(
                f"There is no recording in {self.chapter} for the training run “{name}”.",
                "Set LLMOPS_MODE=live and restart the kernel: then it is trained on this machine.",
            )
        started = time.perf_counter()
        response = {"status": 200, "body": make()}
        return self._recorder.keep(request, response, time.perf_counter() - started), self.settings.mode


class Trainer(RunRecorder):
    """Trains transformers for a chapter, or gives its recorded runs back."""

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
        """Return a run: recorded, or trained now. Raises what `find_or_make` and `train_model` raise.

        Args:
            dev: what is measured on the way, to stop in time.
            measured: sets of held-out texts by name, measured once at the end.
            keeps_model: whether the parameters are kept with the run, about 2 bytes each.
            is_sweep: one of many runs that are made to be compared. Live, too, its recording is taken where there is
                one, so that nobody waits minutes for a row of points; `record` trains it anew.
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

        def make() -> dict:
            model = Transformer(architecture, recipe.seed)
            looks, best = train_model(model, recipe, texts, dev, self.settings.stores)
            return {
                "looks": [list(astuple(one)) for one in looks],
                "best_step": best,
                "bits": {label: measure_bits(model, one) for label, one in measured.items()},
                "weights": model.pack_weights() if keeps_model else None,
            }

        found, mode = self.find_or_make(name, "/transformer", body, make, is_sweep)
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
            Provenance(NAME, found.source, mode, recipe.seed, found.recorded if mode == "replay" else ""),
            answer["weights"],
        )


def _hash_texts(encoded: Sequence[Encoded]) -> str:
    """Return a checksum of token ids and lengths in bytes, the same on every machine."""
    digest = hashlib.sha256()
    for one in encoded:
        digest.update(f"{one.num_bytes}:".encode() + one.ids.astype("<i4").tobytes() + b";")
    return digest.hexdigest()[:16]
