"""The learner's own release, from a plain prompt to a watched one: what is asked for, on which messages, and the watch."""

import functools
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from ..core import DataError, load_settings
from ..datasets import Example, load_messages
from ..evaluation import PRICED_AT, Report
from ..operations import TASKS, AlertRule, Monitor, Request, Served, find_first_alarm, simulate_traffic
from ..prompts import Prompt, load_prompt

PARTS = ("dev", "gate", "held", "incident")


@dataclass(frozen=True)
class Brief:
    """What the capstone asks for.

    Attributes:
        prompt: its name in the registry; revision 1 is the plain prompt in production.
        task: what it does; a name in `gate.TASKS`.
        num_dev: messages for choosing: the first ones of `dev`.
        num_gate: messages of the gate: the first ones of `test`; `num_held` held-back ones come next.
        least_held: with fewer held-back messages than these nothing is claimed.
        min_score: the least share that must be right on them.
        margin: how much of the score the gate lets a release lose.
        max_usd_per_1000: the most that 1,000 requests may cost at list price.
        max_delay: the most requests between the beginning of the incident and the alarm.
    """

    prompt: str = "choose_desk"
    task: str = "desk"
    num_dev: int = 40
    num_gate: int = 40
    num_held: int = 48
    least_held: int = 40
    min_score: float = 0.55
    margin: float = 0.1
    max_usd_per_1000: float = 0.05
    max_delay: int = 200

    @property
    def table(self):
        """What is asked for as a `pandas.DataFrame`."""
        import pandas

        rows = [
            ("the labels", ", ".join(TASKS[self.task].labels)),
            ("score on held-back messages", f"at least {self.min_score:.0%}, on at least {self.least_held}"),
            ("gate against the plain prompt", f"passes with a margin of {100 * self.margin:.0f} points"),
            ("gain over the plain prompt", "the paired comparison says “helps”"),
            (f"1,000 requests at {PRICED_AT[1]}", f"at most ${self.max_usd_per_1000:.3f}"),
            ("order", "chosen on dev before test was seen"),
            ("alarm after an incident", f"within {self.max_delay} requests, then rolled back"),
        ]
        return pandas.DataFrame(rows, columns=["what", "wanted"])


BRIEF = Brief()


def load_part(part: str) -> list[Example]:
    """Return the messages of a part: `dev`, `gate` or `held`; an `incident` is asked on those of the gate.

    They are whole, also live: a claim needs them. Where LLMOPS_EXAMPLES is set and leaves too few for both parts of
    `test`, each gets a half; a grade then says so.
    """
    return _cut_part(part, load_settings().examples)


@functools.cache
def list_part_ids(part: str) -> frozenset[str]:
    """Return the ids of a part of the whole data set, whatever LLMOPS_EXAMPLES says."""
    return frozenset(example.id for example in _cut_part(part, None))


def _cut_part(part: str, most: int | None) -> list[Example]:
    """Return a part where only the first `most` messages of `test` are there."""
    if part not in PARTS:
        raise DataError(f"There is no part “{part}”.", f"Choose one of {', '.join(PARTS)}.")
    task = TASKS[BRIEF.task]
    if part == "dev":
        return task.load_examples("dev")[: BRIEF.num_dev]
    examples = task.load_examples("test", most)
    is_whole = len(examples) >= BRIEF.num_gate + BRIEF.num_held
    num_gate = BRIEF.num_gate if is_whole else len(examples) // 2
    return examples[num_gate : num_gate + BRIEF.num_held] if part == "held" else examples[:num_gate]


def load_plain() -> Prompt:
    """Return the plain prompt that everybody begins with."""
    return load_prompt(BRIEF.prompt, 1)


class Watch(BaseModel):
    """How the stream is drawn and watched: enough to repeat it from the reports.

    Attributes:
        size: requests per window.
        quantile: the share of quiet windows within a limit; `in_a_row` windows beyond it raise an alarm.
        share_graded: the share of answers that a person grades.
        num_reference: requests of the quiet time that the monitor learns from; in `num_quiet` further ones false
            alarms are counted.
        start: the number of the request at which the incident begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(50, ge=10, le=1000)
    quantile: float = Field(0.995, gt=0.5, lt=1)
    in_a_row: int = Field(2, ge=1, le=20)
    share_graded: float = Field(0.2, ge=0, le=1)
    num_reference: int = Field(1000, ge=40, le=100_000)
    num_quiet: int = Field(5000, ge=1000, le=100_000)
    start: int = Field(500, ge=0, le=10_000)
    seed: int = Field(0, ge=0, le=2**63)


@dataclass(frozen=True)
class Sighting:
    """What a watch saw: the requests from the incident to the alarm, None without one, and the false alarms."""

    delay: int | None
    measures: tuple[str, ...]
    num_false: int
    num_windows: int


def make_traffic(usual: Report, changed: Report) -> dict[str, list[Served]]:
    """Return two reports on the same messages as traffic for `simulate_traffic`, before and after a changed prompt.

    The kind of question is the product that the message is about, which is known without a model.
    """
    if not usual.rows or [row.id for row in usual.rows] != [row.id for row in changed.rows]:
        raise DataError(
            f"“{usual.name}” and “{changed.name}” were not asked the same messages.", "Evaluate both on one part."
        )
    products = {message.id: message.product for message in load_messages()}
    traffic = {}
    for source, report in (("production", usual), ("changed prompt", changed)):
        traffic[source] = [
            Served(
                id=f"{source} {row.id}",
                source=source,
                message=row.id,
                cluster=products[row.id],
                answer="none" if row.error else str(row.prediction),
                score=row.score,
                latency_s=row.latency_s,
                prompt_tokens=row.prompt_tokens,
                completion_tokens=row.completion_tokens,
            )
            for row in report.rows
        ]
    return traffic


def run_watch(usual: Report, changed: Report, watch: Watch) -> Sighting:
    """Return what a monitor sees: it learns from quiet traffic, watches more of it, and then the incident."""
    traffic, rule = make_traffic(usual, changed), AlertRule(watch.quantile, watch.in_a_row)

    def draw(num: int, step: int, incident: str = "none") -> list[Request]:
        return simulate_traffic(traffic, num, incident, watch.start, watch.share_graded, watch.seed + step)

    monitor = Monitor(draw(watch.num_reference, 0), watch.size, rule, watch.seed)
    quiet = list(monitor.watch(draw(watch.num_quiet, 1)))
    found = find_first_alarm(monitor.watch(draw(watch.start + 2000, 2, "prompt")), after=watch.start)
    return Sighting(
        delay=None if found is None else found.num_served - watch.start,
        measures=() if found is None else found.alarms,
        num_false=sum(bool(window.alarms) for window in quiet),
        num_windows=len(quiet),
    )
