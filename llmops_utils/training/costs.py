"""What training costs, what published runs took, and how a loss falls with data, parameters or steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np

from ..core import DataError
from ..datasets import OR_NONE, Record, load_records
from ..evaluation import Estimate

# Operations per second at 16 bits, without sparsity, from NVIDIA's data sheets: V100 (2017, tensor cores), A100 (2020),
# H100 SXM (2022), B200 as in the HGX B200 (2024).
PEAK_FLOPS = {"V100": 125e12, "A100": 312e12, "H100": 989.4e12, "B200": 2250e12}
UTILISATION = 0.4  # a share of the peak that well-run large trainings reach; Llama 3 reports 38 to 43 %
TOKENS_PER_PARAMETER = 20  # where data and size are balanced: J. Hoffmann et al., 2022
BYTES_PER_PARAMETER = 16  # weights, gradients and Adam's state in mixed precision: S. Rajbhandari et al., ZeRO, 2020


@dataclass(frozen=True)
class TrainingCost:
    """An estimate: operations, hours of one card, dollars, and gigabytes for weights, gradients and the optimiser.

    More cards make it quicker, not less. What is computed on the way takes memory on top. About 20 tokens per parameter
    are balanced; models that will be asked often are trained on far more.
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
    """Return what a training run would take, at 6 operations per parameter and token.

    Two in the forward pass, a multiplication and an addition, and twice as many in the backward pass. Attention over
    long contexts and what is computed twice to save memory come on top. The first source counts parameters without
    the table of token vectors, which makes a difference for small models; here all are counted.

    Args:
        num_parameters: of the model; for a mixture of experts those that work on a token.
        num_tokens: read in training, each as often as it is read.
        utilisation: share of the card's peak that is reached.
        usd_per_gpu_hour: the default is an assumption, no quotation.

    Source: J. Kaplan et al., Scaling laws for neural language models, arXiv 2001.08361 (2020), section 2.1;
    J. Hoffmann et al., Training compute-optimal large language models, arXiv 2203.15556 (2022), appendix F.
    """
    _check_positive(parameters=num_parameters, tokens=num_tokens, utilisation=utilisation, price=usd_per_gpu_hour)
    flops = 6 * num_parameters * num_tokens
    gpu_hours = flops / (PEAK_FLOPS[gpu] * utilisation * 3600)
    memory_gb = BYTES_PER_PARAMETER * num_parameters / 1e9
    return TrainingCost(flops, gpu_hours, gpu_hours * usd_per_gpu_hour, memory_gb, num_tokens / num_parameters)


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise DataError(f"{name} is {value}.", "Give a finite number above 0.")


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
    """A stage of training with one published example: what it was trained on, and when one goes as far as this stage.

    The hours of the card are those that its makers reported in `source`; `note` says how they come about.
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
    """Return a `pandas.DataFrame`: predicted over reported operations and card hours for each run."""
    import pandas

    rows = []
    for run in runs:
        cost = estimate_cost(run.parameters, run.tokens, run.gpu or "H100")
        row = {"run": run.name, "parameters": _shorten(run.parameters), "tokens": _shorten(run.tokens), "card": run.gpu}
        row["predicted FLOPs"] = f"{cost.flops:.2e}"
        if run.flops:
            row["predicted/reported FLOPs"] = f"{cost.flops / run.flops:.2f}"
        if run.gpu_hours:
            row["reported hours"] = f"{run.gpu_hours:,.0f}"
            row["predicted/reported hours"] = f"{cost.gpu_hours / run.gpu_hours:.2f}"
        rows.append(row)
    return pandas.DataFrame(rows).fillna("not reported").set_index("run")


def _shorten(number: float) -> str:
    for size, sign in ((1e12, " T"), (1e9, " B"), (1e6, " M")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return f"{number:,.0f}"


@dataclass(frozen=True)
class PowerLaw:
    """loss = factor · size ** -exponent; the interval of the exponent is that of the line through the logarithms."""

    exponent: Estimate
    factor: float
    num: int

    def predict(self, size: float) -> float:
        """Return the loss at a size. Far from the sizes that were measured it is a guess."""
        return self.factor * size**-self.exponent.value

    def __str__(self) -> str:
        low, high = self.exponent.low, self.exponent.high
        return f"exponent {self.exponent.value:.3f} [{low:.3f}, {high:.3f}] (n = {self.num})"

    __repr__ = __str__


def fit_power_law(sizes: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """Return the power law through at least 3 points, by least squares on the logarithms.

    The interval of 95 % is that of the slope under Student's t with n - 2 degrees of freedom. It takes the points to scatter
    round one straight line; where the loss approaches a floor the line bends, and the interval does not know that.

    Source: J. Kaplan et al., Scaling laws for neural language models, 2020, for the form of the law.
    """
    from scipy import stats

    line = stats.linregress(np.log(sizes), np.log(losses))
    reach = float(stats.t.ppf(0.975, len(sizes) - 2)) * float(line.stderr)
    exponent = -float(line.slope)
    interval = Estimate(exponent, exponent - reach, exponent + reach, 0.95)
    return PowerLaw(interval, float(np.exp(line.intercept)), len(sizes))
