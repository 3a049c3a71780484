"""The points of the capstone's five attempts: the course's solution, the notebook's first attempt, and three weak ones.

    LLMOPS_MODE=replay python benchmarks/capstone.py            # from the recordings, seconds
    python benchmarks/capstone.py --store                       # writes data/capstone_attempts.csv

Without replay the configured model is asked, some 700 short calls. Two of the weak ones ask no model: `constant` always
refuses, `copied` answers with the first words of what was found. `plain` is production with a word of its own that no
customer uses.
"""

import argparse
import csv
import functools
import io
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

from llmops_utils.core import DATA, write_whole
from llmops_utils.course import (
    Assistant,
    Choices,
    Watch,
    answer_part,
    compute_grade,
    list_steps,
    load_brief,
    load_plain,
    make_submission,
    open_model,
)
from llmops_utils.course.capstone import ABSENT, MOST_WORDS
from llmops_utils.models import Provenance, Reply
from llmops_utils.operations import decide, load_release, open_release, promote, roll_back
from llmops_utils.prompts import save_prompt
from llmops_utils.tracking import Runs

CHAPTER = "13_1_capstone"
BRIEF, PLAIN = load_brief(), load_plain()
FORM = PLAIN.prompt.replace(instruction="", input="Question: {{ question }}\nAnswer with words of the text:")
FIRST = Choices(prompt=FORM, model="pellworth", is_current=True)
SOLUTION = FIRST.model_copy(update={"num_passages": 2, "refuses": "word"})


class Remembering(Assistant):
    """An assistant that asks its model each question once, however many attempts ask the same."""

    replies: ClassVar = {}

    def ask(self, question, chunks):
        """Return the model's reply."""
        asked = self.model.name, str(self.write(question, chunks))
        if asked not in self.replies:
            self.replies[asked] = super().ask(question, chunks)
        return self.replies[asked]


class Scripted(Assistant):
    """An assistant that asks no model: it refuses, or copies the beginning of its first passage."""

    copies = False

    def ask(self, question, chunks):
        """Return the words, as a reply of no model."""
        words = self.show(question, chunks[0]).split("\n", 1)[1].split() if self.copies and chunks else []
        said, asked = " ".join(words[:MOST_WORDS]) or ABSENT, str(self.write(question, chunks)).split()
        return Reply(said, len(asked), 4, 0.01, 0.0, Provenance("no model", "script", "live", 0))


class Copying(Scripted):
    """One that copies."""

    copies = True


ATTEMPTS = {
    "solution": (SOLUTION, Remembering),
    "first attempt": (FIRST, Remembering),
    "constant": (SOLUTION.model_copy(update={"words": {"constant": "constant"}}), Scripted),
    "plain": (PLAIN.model_copy(update={"words": {"xyz": "xyz"}}), Remembering),
    "copied": (FIRST.model_copy(update={"words": {"copied": "copied"}}), Copying),
}


@functools.cache
def measure_plain(part):
    """Return the report of production, against which each attempt is held, as it was logged."""
    return answer_part(CHAPTER, PLAIN, part, is_logged=True, kind=Remembering)


def grade_attempt(choices, kind, folder):
    """Return the grade of an attempt with which every step of the capstone was taken."""
    runs, reports = [], {}

    def measure(part, choices, kind):
        is_plain = choices == PLAIN
        report = measure_plain(part) if is_plain else answer_part(CHAPTER, choices, part, kind=kind)
        about = {"part": part, "choices": choices.model_dump_json()}
        runs.append(SimpleNamespace(name=part, parameters=about, started_ms=len(runs), report=report))
        return report

    for part, asked in list_steps(choices):
        before = measure(part, PLAIN, Remembering) if part in ("dev", "held") else None
        reports[part] = before, measure(part, asked, Remembering if part == "changed" else kind)
    other = dict(list_steps(choices))["changed"]

    for prompt in dict.fromkeys((PLAIN.prompt, choices.prompt)):
        save_prompt(prompt, folder)
    open_release(BRIEF.prompt, "answer", folder)
    promote(BRIEF.prompt, 1, folder, model=open_model(CHAPTER, PLAIN))
    is_other = (choices.prompt, choices.model) != (PLAIN.prompt, PLAIN.model)
    if is_other and decide(*reports["held"], BRIEF.margin, BRIEF.max_usd_per_1000).passes:
        promote(BRIEF.prompt, 2, folder, model=open_model(CHAPTER, choices))
    if load_release(BRIEF.prompt, folder).production.model != open_model(CHAPTER, other).name:
        promote(BRIEF.prompt, None, folder, model=open_model(CHAPTER, other))
        roll_back(BRIEF.prompt, folder)
    return compute_grade(
        make_submission("attempt", choices, Runs(tuple(runs), ()), load_release(BRIEF.prompt, folder), Watch())
    )


def tabulate_attempts(show=lambda grade: None):
    """Return the points of each attempt, line by line, as CSV."""
    text = io.StringIO()
    for name, (choices, kind) in ATTEMPTS.items():
        with tempfile.TemporaryDirectory() as folder:
            grade = grade_attempt(choices, kind, Path(folder))
        show(f"{name}: {grade}\n")
        row = {"attempt": name} | {row.name: row.points for row in grade.rows if row.of} | {"points": grade.total}
        table = csv.DictWriter(text, row, lineterminator="\n")
        if not text.tell():
            table.writeheader()
        table.writerow(row)
    return text.getvalue()


def main() -> None:
    """Print the grades, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", action="store_true", help="write data/capstone_attempts.csv")
    store = parser.parse_args().store
    found = tabulate_attempts(print)
    print(found)
    if store:
        write_whole(DATA / "capstone_attempts.csv", found)


if __name__ == "__main__":
    main()
