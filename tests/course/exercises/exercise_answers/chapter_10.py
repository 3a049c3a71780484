"""Wrong and right answers to the exercises of chapter 10, and the names that their cells find in the notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {"re": re}

WRONG = {
    "10.1": [
        Slip(
            "only orders",
            "def mask_personal(text):\n    return re.sub(r'PW-\\d+', '[order]', text)",
            "asked for was 'Write to [email], please.'",
        ),
        Slip(
            "swallows the punctuation",
            "def mask_personal(text):\n    return re.sub(r'\\S+@\\S+', '[email]', re.sub(r'PW-\\d+', '[order]', text))",
            "asked for was 'Write to [email], please.'",
        ),
        Slip(
            "any sign before digits",
            "def mask_personal(text):\n"
            "    text = re.sub(r'[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+', '[email]', text)\n"
            "    return re.sub(r'(PW-)?\\d+', '[order]', text)",
            "asked for was 'My kettle holds 1.5 litres",
        ),
        Slip(
            "an at sign is enough",
            "def mask_personal(text):\n"
            "    return re.sub(r'[\\w.+-]*@[\\w.-]*\\w|@', '[email]', re.sub(r'PW-\\d+', '[order]', text))",
            "Call me @ home",
        ),
        Slip(
            "only the first",
            "def mask_personal(text):\n"
            "    text = re.sub(r'PW-\\d+', '[order]', text, count=1)\n"
            "    return re.sub(r'[\\w.+-]+@[\\w-]+(?:\\.[\\w-]+)+', '[email]', text, count=1)",
            "[order] and [order]",
        ),
        Slip("prints it", "def mask_personal(text):\n    print(text)", "return a text"),
    ],
    "10.2": [
        Slip(
            "only the names of the first",
            "def list_changes(first, second):\n"
            "    return {k: (v, second.get(k)) for k, v in first.items() if second.get(k) != v}",
            "it returned {}",
        ),
        Slip(
            "only the names in both",
            "def list_changes(first, second):\n"
            "    return {k: (first[k], second[k]) for k in first if k in second and first[k] != second[k]}",
            "it returned {}",
        ),
        Slip(
            "the wrong way round",
            "def list_changes(first, second):\n"
            "    return {k: (second.get(k), first.get(k)) for k in {*first, *second} if second.get(k) != first.get(k)}",
            "(8, 0)",
        ),
        Slip(
            "everything",
            "def list_changes(first, second):\n"
            "    return {k: (first.get(k), second.get(k)) for k in {*first, *second}}",
            "'model': ('m', 'm')",
        ),
        Slip(
            "only the new values",
            "def list_changes(first, second):\n"
            "    return [k for k in {*first, *second} if first.get(k) != second.get(k)]",
            "return a dict",
        ),
        Slip(
            "takes 0 for missing",
            "def list_changes(first, second):\n"
            "    names = [*first, *second]\n"
            "    found = {k: (first.get(k) or None, second.get(k) or None) for k in names}\n"
            "    return {k: pair for k, pair in found.items() if pair[0] != pair[1]}",
            "it returned",
        ),
        Slip(
            "empties the second",
            "def list_changes(first, second):\n"
            "    changes = {k: (v, second.pop(k, None)) for k, v in first.items()}\n"
            "    changes |= {k: (None, v) for k, v in second.items()}\n"
            "    return {k: pair for k, pair in changes.items() if pair[0] != pair[1]}",
            "leave them as they are",
        ),
    ],
    "10.3": [
        Slip(
            "the highest score",
            "def choose_affordable(runs, most_tokens):\n    return max(runs, key=lambda run: run.metrics['score'])",
            "it chose a, not b",
        ),
        Slip(
            "the cheapest",
            "def choose_affordable(runs, most_tokens):\n"
            "    return min(runs, key=lambda run: run.metrics['prompt_tokens'] + run.metrics['completion_tokens'])",
            "it chose c, not b",
        ),
        Slip(
            "forgets what is written",
            "def choose_affordable(runs, most_tokens):\n"
            "    near = [run for run in runs if run.metrics['prompt_tokens'] <= most_tokens]\n"
            "    return max(near, key=lambda run: run.metrics['score'], default=None)",
            "it chose d, not b",
        ),
        Slip(
            "below the limit only",
            "def choose_affordable(runs, most_tokens):\n"
            "    near = [run for run in runs if run.metrics['prompt_tokens'] + run.metrics['completion_tokens'] < most_tokens]\n"
            "    return max(near, key=lambda run: run.metrics['score'], default=None)",
            "it chose c, not b",
        ),
        Slip(
            "the first of equal ones",
            "def choose_affordable(runs, most_tokens):\n"
            "    near = [run for run in runs if run.metrics['prompt_tokens'] + run.metrics['completion_tokens'] <= most_tokens]\n"
            "    return max(near, key=lambda run: run.metrics['score'], default=None)",
            "it chose b, not e",
        ),
        Slip(
            "no answer where there is none",
            "def choose_affordable(runs, most_tokens):\n"
            "    near = [run for run in runs if run.metrics['prompt_tokens'] + run.metrics['completion_tokens'] <= most_tokens] or runs\n"
            "    return max(near, key=lambda run: (run.metrics['score'], -run.metrics['prompt_tokens']), default=None)",
            "it chose a, not None",
        ),
        Slip(
            "its name",
            "def choose_affordable(runs, most_tokens):\n"
            "    return max(runs, key=lambda run: run.metrics['score']).name",
            "return one of the runs",
        ),
    ],
    "10.4": [
        Slip(
            "the longest",
            "def find_slowest(root):\n    return max((one for _, one in root.walk()), key=lambda one: one.duration_s).name",
            "it returned “request”",
        ),
        Slip(
            "only leaves",
            "def find_slowest(root):\n"
            "    leaves = [one for _, one in root.walk() if not one.children]\n"
            "    return max(leaves, key=lambda one: one.duration_s).name",
            "it returned “ask again”",
        ),
        Slip(
            "only models",
            "def find_slowest(root):\n"
            "    models = [one for _, one in root.walk() if one.kind == 'model'] or [root]\n"
            "    return max(models, key=lambda one: one.duration_s).name",
            "it returned “ask again”",
        ),
        Slip(
            "the span",
            "def find_slowest(root):\n    return max((one for _, one in root.walk()), key=lambda one: one.own_s)",
            "return the name of a span",
        ),
    ],
}
ALSO_RIGHT = {
    "10.1": [
        "def mask_personal(text):\n"
        "    text = re.sub(r'[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+', '[email]', text)\n"
        "    return re.sub(r'PW-[0-9]+', '[order]', text)",
    ],
    "10.2": [
        "def list_changes(first, second):\n"
        "    return {k: [first.get(k), second.get(k)] for k in {*first, *second} if first.get(k) != second.get(k)}",
    ],
    "10.3": [
        "def choose_affordable(runs, most_tokens):\n"
        "    def price(run):\n"
        "        return run.metrics['prompt_tokens'] + run.metrics['completion_tokens']\n"
        "    kept = sorted((run for run in runs if price(run) <= most_tokens), key=price)\n"
        "    return max(kept, key=lambda run: run.metrics['score']) if kept else None",
    ],
    "10.4": [
        "def find_slowest(root):\n    return max((one for _, one in root.walk()), key=lambda one: one.own_s).name"
    ],
}

RAISING = {
    "10.3": [("def choose_affordable(runs, most_tokens):\n    return runs['score']", "TypeError", "(")],
}
