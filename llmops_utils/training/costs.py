"""What training costs: tokens, operations, hours of graphics cards, memory and money, and what published runs took."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from ..core import DataError
from ..datasets import OR_NONE, Record, load_records

# Operations per second at 16 bits, without sparsity, from NVIDIA's data sheets: V100 (2017, tensor cores), A100 (2020),
# H100 SXM (2022), B200 as in the HGX B200 (2024).
PEAK_FLOPS = {"V100": 125e12, "A100": 312e12, "H100": 989.4e12, "B200": 2250e12}
UTILISATION = 0.4  # a share of the peak that well-run large trainings reach; Llama 3 reports 38 to 43 %
TOKENS_PER_PARAMETER = 20  # where data and size are balanced: J. Hoffmann et al., 2022
BYTES_PER_PARAMETER = 16  # weights, gradients and Adam's state in mixed precision: S. Rajbhandari et al., ZeRO, 2020


def compute_flops(num_parameters: float, num_tokens: float) -> float:
    """Return the operations of a training run: 6 per parameter and token.

    Two in the forward pass, a multiplication and an addition, and twice as many in the backward pass. Attention over
    long contexts and what is computed twice to save memory come on top. The first source counts parameters without
    the table of token vectors, which makes a difference for small models; here all are counted.

    Source: J. Kaplan et al., Scaling laws for neural language models, arXiv 2001.08361 (2020), section 2.1;
    J. Hoffmann et al., Training compute-optimal large language models, arXiv 2203.15556 (2022), appendix F.
    """
    _check_positive(num_parameters=num_parameters, num_tokens=num_tokens)
    return 6 * num_parameters * num_tokens


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0 or value == float("inf"):
            raise DataError(f"{name} is {value}.", "Give a finite number above 0.")


@dataclass(frozen=True)
class TrainingCost:
    """An estimate.

    Attributes:
        gpu_hours: hours of one card; more cards make it quicker, not less.
        memory_gb: gigabytes for weights, gradients and the optimiser; what is computed on the way comes on top.
        tokens_per_parameter: about 20 is balanced; models that will be asked often are trained on far more.
    """

    flops: float
    gpu_hours: float
    usd: float
    memory_gb: float
    tokens_per_parameter: float

    def count_days(self, num_gpus: int) -> float:
        """Return how many days it takes on so many cards, if none of them waits for the others."""
        _check_positive(num_gpus=num_gpus)
        return self.gpu_hours / num_gpus / 24


def estimate_cost(
    num_parameters: float,
    num_tokens: float,
    gpu: str = "H100",
    utilisation: float = UTILISATION,
    usd_per_gpu_hour: float = 2.5,
) -> TrainingCost:
    """Return what a training run would take.

    Args:
        num_parameters: of the model; for a mixture of experts those that work on a token.
        num_tokens: read in training, each as often as it is read.
        utilisation: share of the card's peak that is reached, above 0, at most 1.
        usd_per_gpu_hour: the default is an assumption, no quotation.
    """
    if gpu not in PEAK_FLOPS:
        raise DataError(f"“{gpu}” is no card of the table.", f"Choose one of {', '.join(PEAK_FLOPS)}.")
    if not 0 < utilisation <= 1:
        raise DataError(f"A utilisation of {utilisation} is impossible.", "Give a share above 0, at most 1.")
    if not 0 <= usd_per_gpu_hour < float("inf"):
        raise DataError(f"{usd_per_gpu_hour} dollars an hour is no price.", "Give 0 or more.")
    flops = compute_flops(num_parameters, num_tokens)
    gpu_hours = flops / (PEAK_FLOPS[gpu] * utilisation * 3600)
    memory_gb = BYTES_PER_PARAMETER * num_parameters / 1e9
    return TrainingCost(flops, gpu_hours, gpu_hours * usd_per_gpu_hour, memory_gb, num_tokens / num_parameters)


@dataclass(frozen=True)
class PublishedRun(Record):
    """A training run as its makers reported it, operations or hours of a named card or both; None: they did not say.

    `source` says where the figures stand, with `date` as year and month; `note` what to know before comparing.
    """

    name: str
    parameters: float
    tokens: float
    flops: Annotated[float | None, OR_NONE]
    gpu: Annotated[str | None, OR_NONE]
    gpu_hours: Annotated[float | None, OR_NONE]
    source: str
    date: str
    note: str


load_published_runs = partial(load_records, PublishedRun, "training_runs.csv")


@dataclass(frozen=True)
class TrainingStage(Record):
    """A stage of training with one published example of it.

    `data` says in words what the example was trained on, `when` in what situation one goes as far as this stage; the hours
    of the card `gpu` are those that its makers reported in `source`, and `note` says how they come about.
    """

    stage: str
    model: str
    parameters: float
    data: str
    gpu: str
    gpu_hours: float
    when: str
    source: str
    date: str
    note: str


load_stages = partial(load_records, TrainingStage, "training_stages.csv")


def tabulate_check(runs: list[PublishedRun]):
    """Return a `pandas.DataFrame`: predicted over reported operations and card hours for each run.

    The column "utilisation" is the share of the card's peak at which the reported hours would have been met.
    """
    import pandas

    rows = []
    for run in runs:
        flops = compute_flops(run.parameters, run.tokens)
        row = {"run": run.name, "parameters": _shorten(run.parameters), "tokens": _shorten(run.tokens)}
        row["predicted FLOPs"] = f"{flops:.2e}"
        row["predicted/reported FLOPs"] = f"{flops / run.flops:.2f}" if run.flops else "not reported"
        if run.gpu_hours:
            hours = estimate_cost(run.parameters, run.tokens, run.gpu).gpu_hours
            row["card"] = run.gpu
            row["reported hours"] = f"{run.gpu_hours:,.0f}"
            row["predicted/reported hours"] = f"{hours / run.gpu_hours:.2f}"
            row["utilisation"] = f"{flops / (PEAK_FLOPS[run.gpu] * run.gpu_hours * 3600):.0%}"
        rows.append(row)
    return pandas.DataFrame(rows).fillna("not reported").set_index("run")


def _shorten(number: float) -> str:
    for size, sign in ((1e12, " T"), (1e9, " B"), (1e6, " M")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return f"{number:,.0f}"
