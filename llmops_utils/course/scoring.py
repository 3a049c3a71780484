"""What the rows of a submission really say: labels and scores anew, whole parts, and as many tokens as there are words."""

import functools
import re
from dataclasses import replace

from ..datasets import Message, load_messages
from ..evaluation import ChoiceMatch, Report, Row
from ..operations import TASKS
from ..prompts import ELEMENTS
from .capstone import BRIEF, list_part_ids
from .submissions import TrackedRun


@functools.cache
def _load_known() -> dict[str, Message]:
    return {message.id: message for message in load_messages()}


def count_words(run: TrackedRun) -> int:
    """Return how many words of the prompt and its examples surely stand in each request; it has no fewer tokens.

    A template of somebody else is not rendered: where it computes, nothing is sure.
    """
    template = " ".join(getattr(run.prompt, element) for element in ELEMENTS)
    if "{%" in template or not re.search(r"\{\{ ?message ?\}\}", template):
        return 0
    fixed = re.sub(r"\{\{.*?\}\}|\{#.*?#\}", " ", template, flags=re.DOTALL)
    shots = [text for pair in TASKS[BRIEF.task].choose_shots(run.num_shots) for text in pair]
    return len(" ".join([fixed, *shots]).split())


def rescore(report: Report, least_tokens: int = 0) -> tuple[Report, list[str]]:
    """Return a report with the labels of the data set and scores computed anew, and the ids where it said otherwise.

    No answer keeps fewer tokens than `least_tokens`, unless the call failed. Rows on messages that the data set does not have, or has with another text, are left out, and so are repeated ones.
    """
    task = TASKS[BRIEF.task]
    scorer = ChoiceMatch(task.labels)
    left = dict(_load_known())
    rows: list[Row] = []
    altered: list[str] = []
    for row in report.rows:
        message = left.pop(row.id, None)
        label = getattr(message, task.field, None)
        if label not in task.labels or message.text != row.input:
            altered.append(row.id)
            continue
        score = 0.0 if row.error else float(scorer(row.prediction, label).value)
        if (row.expected, row.score) != (label, score):
            altered.append(row.id)
        tokens = row.prompt_tokens if row.error else max(row.prompt_tokens, least_tokens)
        rows.append(replace(row, expected=label, score=score, prompt_tokens=tokens))
    return replace(report, rows=tuple(rows)), altered


class ScoredRun:
    """A run, its report as it was told, its part scored anew, and the ids of the rows that said otherwise.

    `gap` tells what is missing of the part: such a run decides nothing, since who leaves out wrong answers scores better.
    """

    def __init__(self, run: TrackedRun) -> None:
        self.name, self.part, self.num_shots, self.started_ms = run.name, run.part, run.num_shots, run.started_ms
        self.version, self.told, least = run.prompt.version, run.report, count_words(run)
        self.is_short = any(row.prompt_tokens < least and not row.error for row in run.report.rows)
        report, self.altered = rescore(run.report, least)
        ids = list_part_ids(run.part)
        self.report = replace(report, rows=tuple(row for row in report.rows if row.id in ids))
        num_missing = len(ids) - len(self.report)
        self.gap = f"{num_missing} of the {len(ids)} messages of {run.part} are missing" if num_missing else ""

    def __str__(self) -> str:
        return f"“{self.name}”: {self.report.score}"
