"""The gate before production: is a candidate, a prompt, a model or both, shown to be no worse than what is there?

A test for a difference is the wrong question here: with few examples it finds none, and a bad prompt slips through
because nothing was shown. The gate asks for *non-inferiority*: the lower bound of the interval of the difference must
lie above minus the margin. A candidate that is worse by the margin or more then passes in at most about 5 % of cases,
at any number of examples; what few examples cost is that good candidates are held up, as "too few examples".

Source: S. Wellek, Testing Statistical Hypotheses of Equivalence and Noninferiority (2010), chapter 5.
"""

from __future__ import annotations

import functools
import html
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core import DataError, PromptError, load_settings
from ..datasets import INTENTS, SENTIMENTS, URGENCIES, Example, load_messages, make_examples
from ..evaluation import PRICED_AT, ChoiceMatch, Comparison, Estimate, Report, compare, evaluate, find_z, format_points
from ..models import Model, Reply
from ..prompts import PROMPTS, Prompt, load_prompt
from .releases import load_production, load_release

CONFIDENCE = 0.9  # of the two-sided interval, so that its lower bound alone is wrong in 5 % of cases
EXIT_CODES = {"pass": 0, "regression": 3, "price": 4, "too few": 5}  # of the command, by the outcome
MAX_TOKENS = 16


@dataclass(frozen=True)
class LabelTask:
    """A task of sorting messages: the field of a message that holds the label, and the labels."""

    field: str
    labels: tuple[str, ...]

    def load_examples(self, split: str, most: int | None = None) -> list[Example]:
        """Return the examples among the first `most` messages of a split; those that have none of the labels go."""
        messages = [one for one in load_messages() if one.split == split][:most]
        labelled = [one for one in messages if getattr(one, self.field) in self.labels]
        return make_examples(labelled, "text", self.field)

    def choose_shots(self, num: int) -> list[tuple[str, str]]:
        """Return `num` pairs of text and label from the split `shots`, going round the labels."""
        queues: dict[str, list[tuple[str, str]]] = {}
        for example in self.load_examples("shots"):
            queues.setdefault(example.expected, []).append((example.input, example.expected))
        rounds = itertools.zip_longest(*queues.values())
        return [shot for listed in rounds for shot in listed if shot is not None][:num]


TASKS = {
    "intent": LabelTask("intent", INTENTS),
    "product": LabelTask("product", ("kettle", "grinder", "scale")),
    "sentiment": LabelTask("sentiment", SENTIMENTS),
    "urgency": LabelTask("urgency", URGENCIES),
}


@functools.lru_cache(maxsize=4096)
def bound_flips(num_gained: int, num_lost: int, num: int) -> Estimate:
    """Return (gained - lost) / num with an interval that small samples do not fool.

    Where two prompts never differ, a bootstrap interval has no width and five examples would seem to prove equality.
    The score interval for paired right and wrong keeps its width: with no flip at all in n examples its lower bound is
    -z² / (n + z²).

    Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17 (1998).
    """
    from scipy.optimize import brentq

    z, value = find_z(CONFIDENCE), (num_gained - num_lost) / num

    def compute_excess(delta: float, side: int) -> float:
        """Return the score statistic at a supposed difference, less the limit of one side."""
        b = (2 * num - num_gained + num_lost) * delta - num_gained - num_lost
        c = -num_lost * delta * (1 - delta)
        share_lost = (math.sqrt(max(0.0, b * b - 8 * num * c)) - b) / (4 * num)
        variance = num * max(0.0, 2 * share_lost + delta * (1 - delta))
        return num * (value - delta) - side * z * math.sqrt(variance)

    tiny = 1e-9
    low = -1.0 if value == -1 else brentq(compute_excess, -1 + tiny, value - tiny, args=(1,))
    high = 1.0 if value == 1 else brentq(compute_excess, value + tiny, 1 - tiny, args=(-1,))
    return Estimate(value, float(low), float(high), CONFIDENCE)


def choose_outcome(change: Estimate, margin: float) -> str:
    """Return what an interval of the change means for a release: `pass`, `regression` or `too few`."""
    if change.high < 0:
        return "regression"
    return "pass" if change.low > -margin else "too few"


@dataclass(frozen=True)
class Decision:
    """What the gate says of a candidate.

    Attributes:
        outcome: `pass`; `regression`: worse beyond chance; `price`: too dear; `too few`: the examples do not show
            that it is no worse than the margin allows.
        usd_per_1000: list price of 1,000 requests, before and after.
        num_needed: about how many examples would let it pass if they went on like these; None where none would.
    """

    outcome: str
    comparison: Comparison
    change: Estimate
    margin: float
    usd_per_1000: tuple[float, float]
    max_usd_per_1000: float | None
    num_needed: int | None

    @property
    def passes(self) -> bool:
        """Whether the candidate may go into production."""
        return self.outcome == "pass"

    @property
    def reason(self) -> str:
        """The outcome in a sentence, with its figures."""
        points = f"{format_points(self.change)} (90 % interval, n = {self.comparison.num})"
        margin = f"the margin of {100 * self.margin:.0f} points"
        if self.outcome == "pass":
            return f"shown to lose less than {margin}: {points}."
        if self.outcome == "regression":
            return f"worse than production beyond chance: {points}."
        if self.outcome == "price":
            price = f"1,000 requests would cost ${self.usd_per_1000[1]:.3f}; ${self.max_usd_per_1000:.3f} are allowed"
            return f"no worse than {margin} allows, {points}, but {price}."
        more = "More examples like these would not let it pass."
        if self.num_needed:
            more = f"About {self.num_needed} examples would tell, if they went on like these."
        return f"a loss of more than {margin} is not excluded: {points}. {more}"

    def __str__(self) -> str:
        comparison = self.comparison
        return f"{self.outcome.upper()}. {comparison.candidate.name} against {comparison.baseline.name}: {self.reason}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        before, after = (f"${usd:.3f}" for usd in self.usd_per_1000)
        link = ": " if self.outcome == "too few" else " is "  # that reason is a sentence of its own
        told = html.escape(f"{self.comparison.candidate.name}{link}{self.reason}")
        reports = (self.comparison.baseline, self.comparison.candidate)
        lines = [*map(str, reports), f"1,000 requests at the list price of {PRICED_AT[1]}: {before} → {after}"]
        return (
            '<div style="border-left:3px solid #888;padding:.2em .8em;margin:.3em 0">'
            f"<b>{html.escape(self.outcome)}</b>: {told}<div style='opacity:.7;font-size:85%'>"
            f"{'<br>'.join(map(html.escape, lines))}</div></div>"
        ).replace("$", "<span>$</span>")  # between two bare ones JupyterLab would set mathematics


def decide(
    production: Report, candidate: Report, margin: float = 0.1, max_usd_per_1000: float | None = None
) -> Decision:
    """Return the gate's decision on two reports over the same examples.

    Raises `DataError` where the reports cannot be compared, a score is neither 0 nor 1, an example stands there twice, or
    a price is limited and tokens were not counted.
    """
    if not 0 < margin < 1:
        raise DataError(f"{margin} is no margin.", "Give a share between 0 and 1, such as 0.1 for 10 points.")
    if max_usd_per_1000 is not None and not 0 < max_usd_per_1000 < math.inf:
        raise DataError(f"{max_usd_per_1000} is no limit.", "Give dollars above 0, or None for any price.")
    comparison = compare(production, candidate)
    if max_usd_per_1000 and not all(row.prompt_tokens > 0 and row.completion_tokens >= 0 for row in candidate.rows):
        problem = f"Tokens of “{candidate.name}” were not counted, so what it costs is unknown."
        raise DataError(problem, "Ask a provider that tells its usage, or leave the limit of the price out.")
    for report in (production, candidate):
        if min(len({row.id for row in report.rows}), len({row.input for row in report.rows})) < len(report):
            raise DataError(f"“{report.name}” holds one example more than once.", "Leave each id and each input once.")
        if not report.is_binary:
            raise DataError(f"A score of “{report.name}” is neither 0 nor 1.", "Use a scorer of right and wrong.")
    change = bound_flips(len(comparison.gained), len(comparison.lost), comparison.num)
    prices = (production.price_at(*PRICED_AT), candidate.price_at(*PRICED_AT))
    outcome = choose_outcome(change, margin)
    if outcome == "pass" and max_usd_per_1000 and prices[1] > max_usd_per_1000:
        outcome = "price"
    needed = _count_needed(candidate.scores - production.scores, margin) if outcome == "too few" else None
    return Decision(outcome, comparison, change, margin, prices, max_usd_per_1000, needed)


def _count_needed(differences: np.ndarray, margin: float) -> int | None:
    """Return the n at which changes like these would clear the margin, None where they never do."""
    z_squared, variance = find_z(CONFIDENCE) ** 2, float(differences.var())
    room = float(differences.mean()) + margin
    if room <= 0:
        return None
    # Without a single flip the variance is unknown, not 0: then it is the score interval's own width at zero flips.
    needed = z_squared * variance / room**2 if variance else z_squared * (1 - margin) / margin
    return max(math.ceil(needed), len(differences) + 1)


def make_system(model: Model, prompt: Prompt, task: LabelTask, num_shots: int = 0) -> Callable:
    """Return a system that asks the model with a prompt, whose only variable is `message`, for one of the task's labels.

    Examples stand before the message as earlier turns, in the prompt's form.
    """
    if prompt.variables != {"message"}:
        found = ", ".join(sorted(prompt.variables)) or "none"
        problem = f"The gate gives {prompt.label} the variable message, and it has {found}."
        raise PromptError(problem, "Write {{ message }} where the customer's text goes.")
    turns = []
    for text, label in task.choose_shots(num_shots):
        turns += [prompt.render(message=text)[-1], {"role": "assistant", "content": label}]

    def ask(text: str) -> Reply:
        *beginning, message = prompt.render(message=text)
        return model.chat([*beginning, *turns, message], choices=list(task.labels), max_tokens=MAX_TOKENS)

    # What the answers depend on; the model's repr names its weights or host. An interrupted evaluation goes on by it.
    ask.key = {"prompt": prompt.version, "examples": turns, "labels": list(task.labels), "model": repr(model)}
    return ask


def run_gate(
    name: str,
    model: Model,
    candidate: int | str | None = None,
    folder: Path = PROMPTS,
    num: int | None = None,
    asks_all: bool = False,
    new_model: Model | None = None,
    against: int | None = None,
    skip: int = 0,
    new_shots: int | None = None,
) -> Decision:
    """Return whether a candidate may take the place of what is in production, measured on the prompt's own data.

    Args:
        model: that is in production, see `load_production_model`.
        candidate: a revision or a version; default: the highest revision, or, with a new model, the present one.
        num: at most so many examples; default: as many as `release.json` says.
        asks_all: also live, where a lesson takes a few (LLMOPS_EXAMPLES): a real release is decided on all.
        new_model: that shall answer in its place; default: the same one.
        against: a revision to measure it against, a fixed anchor; default: what is in production.
        skip: so many of the first examples, which earlier releases were decided on, are left out.
        new_shots: how many examples are shown with the candidate; default: as many as now.
    """
    release = load_release(name, folder)
    present = load_production(name, folder) if against is None else load_prompt(name, against, folder)
    new = present if candidate is None and new_model is not None else load_prompt(name, candidate, folder)
    if release.task not in TASKS:
        raise DataError(f"{name} has the task “{release.task}”.", f"There is: {', '.join(TASKS)}.")
    is_same_model = new_model is None or repr(new_model) == repr(model)
    shots = release.shots_in_production
    new_shots = shots if new_shots is None else new_shots
    if present.version == new.version and is_same_model and shots == new_shots:
        is_there = "in production already" if against is None else "the anchor itself"
        raise PromptError(f"{new.label} is {is_there}.", "Save a candidate first: save_prompt(prompt, …).")
    task, settings = TASKS[release.task], load_settings()
    most = settings.examples if asks_all else settings.most_examples
    examples = task.load_examples("test", most and skip + most)[skip:][: num or release.num_examples]
    reports = []
    for prompt, asked, num_shots in ((present, model, shots), (new, new_model or model, new_shots)):
        system = make_system(asked, prompt, task, num_shots)
        label = prompt.label if is_same_model else f"{prompt.label} on {asked.name}"
        label += f", {num_shots} shots" if shots != new_shots else ""
        reports.append(evaluate(system, examples, ChoiceMatch(task.labels), name=label))
    return decide(*reports, release.margin, release.max_usd_per_1000)
