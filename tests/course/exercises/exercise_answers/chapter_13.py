"""Wrong and right answers to the exercises of chapter 13, and the names that their cells find in the notebook."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

from llmops_utils.course.capstone import BRIEF
from llmops_utils.operations import TASKS

TASK = TASKS[BRIEF.task]
RIGHT = {example.input: example.expected for example in TASK.load_examples("dev")}


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


class FourShotModel:
    """A model that is right where it was shown each label once, and else names the first label."""

    def chat(self, messages, choices, max_tokens):
        shown = [message["content"] for message in messages if message["role"] == "assistant"]
        text = next((text for text in RIGHT if text in messages[-1]["content"]), "")
        is_good = sorted(shown) == sorted(choices)
        return SimpleNamespace(text=RIGHT[text] if is_good and text else choices[0])


NAMES = {"model": FourShotModel()}

WRONG = {
    "13.1": [
        Slip("the plain prompt", "def choose_candidate(plain):\n    return plain, 0", "6 of 24 held-back messages"),
        Slip("more is better", "def choose_candidate(plain):\n    return plain, 16", "6 of 24 held-back messages"),
        Slip(
            "described labels",
            "def choose_candidate(plain):\n"
            "    return plain.replace(context='- delivery: where a parcel is\\n- repair: a fault'), 0",
            "Which desk is named too often?",
        ),
        Slip(
            "cuts the message",
            "def choose_candidate(plain):\n    return plain.replace(input='{{ message[:10] }}'), 4",
            "held-back messages were right",
        ),
        Slip(
            "without the message",
            "def choose_candidate(plain):\n    return plain.replace(input='the message'), 4",
            "Write {{ message }}",
        ),
        Slip("the prompt alone", "def choose_candidate(plain):\n    return plain", "Return two things"),
        Slip("a text", "def choose_candidate(plain):\n    return 'Name the desk.', 4", "The first of the two is a str"),
        Slip("too many", "def choose_candidate(plain):\n    return plain, 48", "from 0 to 16"),
        Slip("no number", "def choose_candidate(plain):\n    return plain, 'four'", "from 0 to 16"),
    ],
    "13.2": [
        Slip(
            "by the order of the list",
            "def find_hasty(runs):\n"
            "    seen, hasty = set(), set()\n"
            "    for run in runs:\n"
            "        if run.part == 'dev':\n"
            "            seen.add(run.prompt)\n"
            "        elif run.prompt not in seen:\n"
            "            hasty.add(run.prompt)\n"
            "    return sorted(hasty)",
            "not in the order of time",
        ),
        Slip(
            "forgets those that were never on dev",
            "def find_hasty(runs):\n"
            "    dev = {r.prompt: r.started for r in sorted(runs, key=lambda r: -r.started) if r.part == 'dev'}\n"
            "    return sorted({r.prompt for r in runs if r.part != 'dev' and r.prompt in dev and r.started < dev[r.prompt]})",
            "never on dev",
        ),
        Slip(
            "the last run on dev",
            "def find_hasty(runs):\n"
            "    dev = {r.prompt: r.started for r in sorted(runs, key=lambda r: r.started) if r.part == 'dev'}\n"
            "    return sorted({r.prompt for r in runs if r.part != 'dev' and r.started < dev.get(r.prompt, 1e9)})",
            "the first run on dev counts",
        ),
        Slip(
            "any dev will do",
            "def find_hasty(runs):\n"
            "    first = min((r.started for r in runs if r.part == 'dev'), default=1e9)\n"
            "    return sorted({r.prompt for r in runs if r.part != 'dev' and r.started < first})",
            "only its own run on dev counts",
        ),
        Slip(
            "each run instead of each prompt",
            "def find_hasty(runs):\n"
            "    def first(p):\n"
            "        return min((r.started for r in runs if r.prompt == p and r.part == 'dev'), default=1e9)\n"
            "    return sorted(r.prompt for r in runs if r.part != 'dev' and r.started < first(r.prompt))",
            "each once",
        ),
        Slip("a set", "def find_hasty(runs):\n    return {run.prompt for run in runs}", "It returned a set"),
    ],
    "13.3": [
        Slip(
            "believes the scores",
            "def rescore_rows(rows, labels):\n    return sum(row.score for row in rows) / len(rows), []",
            "the score of m2 was altered",
        ),
        Slip(
            "leaves unknown ones out of the count",
            "def rescore_rows(rows, labels):\n"
            "    known = [r for r in rows if r.id in labels]\n"
            "    real = [float(r.prediction == labels[r.id]) for r in known]\n"
            "    altered = [r.id for r in rows if r.id not in labels or r.score != float(r.prediction == labels[r.id])]\n"
            "    return sum(real) / len(real), altered",
            "x9 is no message of the data",
        ),
        Slip(
            "only scores that are too high",
            "def rescore_rows(rows, labels):\n"
            "    real = [float(r.prediction == labels.get(r.id, 0)) for r in rows]\n"
            "    return sum(real) / len(real), [r.id for r, s in zip(rows, real) if r.score > s]",
            "too low shows as well",
        ),
        Slip(
            "unknown ones with score 0 pass",
            "def rescore_rows(rows, labels):\n"
            "    real = [float(r.prediction == labels.get(r.id, 0)) for r in rows]\n"
            "    return sum(real) / len(real), [r.id for r, s in zip(rows, real) if r.score != s]",
            "told at any score",
        ),
        Slip(
            "is lenient with the answer",
            "def rescore_rows(rows, labels):\n"
            "    real = [float(str(r.prediction).strip().lower() == labels.get(r.id)) for r in rows]\n"
            "    return sum(real) / len(real), [r.id for r, s in zip(rows, real) if r.id not in labels or r.score != s]",
            "counts as it stands",
        ),
        Slip("the score alone", "def rescore_rows(rows, labels):\n    return 0.5", "Return two things"),
    ],
}

ALSO_RIGHT = {
    "13.1": ["def choose_candidate(plain):\n    return [plain.replace(instruction='Which desk?'), 4]"],
    "13.2": [
        "def find_hasty(runs):\n"
        "    hasty, seen = set(), set()\n"
        "    for run in sorted(runs, key=lambda run: run.started):\n"
        "        if run.part == 'dev':\n"
        "            seen.add(run.prompt)\n"
        "        elif run.prompt not in seen:\n"
        "            hasty.add(run.prompt)\n"
        "    return sorted(hasty)",
    ],
    "13.3": [
        "def rescore_rows(rows, labels):\n"
        "    right, altered = 0, []\n"
        "    for row in rows:\n"
        "        is_right = labels.get(row.id) is not None and row.prediction == labels.get(row.id)\n"
        "        right += is_right\n"
        "        if row.id not in labels or row.score != is_right:\n"
        "            altered.append(row.id)\n"
        "    return right / len(rows), altered",
    ],
}

RAISING = {
    "13.3": [
        ("def rescore_rows(rows, labels):\n    return labels[rows[1].id].label, []", "AttributeError", "namespace"),
    ],
}
