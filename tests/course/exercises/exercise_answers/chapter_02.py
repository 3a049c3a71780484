"""Wrong and right answers to the exercises of chapter 02, and the names that their cells find in the notebook."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {"Counter": Counter}
MONTH = "def price_month(requests_per_day, prompt_tokens, completion_tokens, usd_read, usd_written):\n"

WRONG = {
    "02.1": [
        Slip(
            "prices for one token",
            MONTH + "    return 30 * requests_per_day * (prompt_tokens * usd_read + completion_tokens * usd_written)",
            "9 million tokens",
        ),
        Slip(
            "one price for both",
            MONTH + "    return 30 * requests_per_day * (prompt_tokens + completion_tokens) * usd_read / 1e6",
            "9 million tokens",
        ),
        Slip(
            "one day",
            MONTH
            + "    return requests_per_day * (prompt_tokens * usd_read + completion_tokens * usd_written) / 1_000_000",
            "For (1000, 300, 3",
        ),
        Slip(
            "rounded to cents",
            MONTH
            + "    one = prompt_tokens * usd_read + completion_tokens * usd_written\n"
            + "    return round(30 * requests_per_day * one / 1_000_000, 2)",
            "it returned 0.94",
        ),
        Slip("a text", MONTH + "    return f'${30 * requests_per_day}'", "return a number"),
    ],
    "02.2": [
        Slip(
            "the last entry",
            "def find_production(history, when):\n    return history[-1][2] if history else None",
            "At 10",
        ),
        Slip(
            "strictly before",
            "def find_production(history, when):\n"
            "    happened = [revision for time, action, revision in history if time < when]\n"
            "    return happened[-1] if happened else None",
            "from its own moment on",
        ),
        Slip(
            "promotions only",
            "def find_production(history, when):\n"
            "    happened = [r for t, action, r in history if t <= when and action == 'promote']\n"
            "    return happened[-1] if happened else None",
            "after the roll back",
        ),
        Slip(
            "the highest revision",
            "def find_production(history, when):\n"
            "    return max((r for t, action, r in history if t <= when), default=None)",
            "after the roll back",
        ),
        Slip(
            "0 for none",
            "def find_production(history, when):\n"
            "    happened = [revision for time, action, revision in history if time <= when]\n"
            "    return happened[-1] if happened else 0",
            "nothing was in production yet",
        ),
    ],
    "02.3": [
        Slip(
            "the most frequent of the others",
            "def score_lazy(labels, others):\n    return Counter(others).most_common(1)[0][1] / len(others)",
            "chosen where it is learned",
        ),
        Slip(
            "the share where it is learned",
            "def score_lazy(labels, others):\n    return Counter(labels).most_common(1)[0][1] / len(labels)",
            "it returned 0.6",
        ),
        Slip(
            "a count",
            "def score_lazy(labels, others):\n"
            "    answer = Counter(labels).most_common(1)[0][0]\n"
            "    return sum(label == answer for label in others)",
            "it returned 3",
        ),
        Slip(
            "a percentage",
            "def score_lazy(labels, others):\n"
            "    answer = Counter(labels).most_common(1)[0][0]\n"
            "    return 100 * sum(label == answer for label in others) / len(others)",
            "it returned 30",
        ),
        Slip("guesses", "def score_lazy(labels, others):\n    return 1 / len(set(labels))", "it returned 0.5"),
    ],
}

ALSO_RIGHT = {
    "02.1": [
        MONTH
        + "    per_month = requests_per_day * 30\n"
        + "    return per_month * prompt_tokens / 1e6 * usd_read + per_month * completion_tokens / 1e6 * usd_written",
    ],
    "02.2": [
        "def find_production(history, when):\n"
        "    present = None\n"
        "    for time, _, revision in history:\n"
        "        if time > when:\n"
        "            break\n"
        "        present = revision\n"
        "    return present",
    ],
    "02.3": [
        "def score_lazy(labels, others):\n"
        "    answer = max(set(labels), key=list(labels).count)\n"
        "    return list(others).count(answer) / len(others)",
    ],
}

RAISING = {
    "02.2": [("def find_production(history, when):\n    return history[when]", "IndexError", "10")],
}
