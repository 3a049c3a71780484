"""Wrong and right answers to the exercises of chapter 12, and the names that their cells find in the notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmops_utils.operations import is_card_number


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {"re": re, "is_card_number": is_card_number}

WRONG = {
    "12.1": [
        Slip(
            "counts without a row",
            "def find_alarm(is_beyond, in_a_row):\n"
            "    num = 0\n"
            "    for place, beyond in enumerate(is_beyond):\n"
            "        num += beyond\n"
            "        if beyond and num >= in_a_row:\n"
            "            return place\n",
            "it returned 4",
        ),
        Slip(
            "the first of the row",
            "def find_alarm(is_beyond, in_a_row):\n"
            "    for place in range(len(is_beyond) - in_a_row + 1):\n"
            "        if all(is_beyond[place : place + in_a_row]):\n"
            "            return place\n",
            "it returned 1.",
        ),
        Slip("a boolean", "def find_alarm(is_beyond, in_a_row):\n    return any(is_beyond)", "return a position"),
        Slip(
            "the first beyond",
            "def find_alarm(is_beyond, in_a_row):\n    return is_beyond.index(True) if True in is_beyond else None",
            "it returned 1.",
        ),
        Slip(
            "-1 for none",
            "def find_alarm(is_beyond, in_a_row):\n"
            "    num = 0\n"
            "    for place, beyond in enumerate(is_beyond):\n"
            "        num = num + 1 if beyond else 0\n"
            "        if num == in_a_row:\n"
            "            return place\n"
            "    return -1",
            "it returned -1.",
        ),
    ],
    "12.2": [
        Slip(
            "the share instead of its bound",
            "def choose_threshold(rows, most_wrong):\n"
            "    return min((r.threshold for r in rows if r.wrong_hits.value <= most_wrong), default=None)",
            "its interval goes far beyond",
        ),
        Slip(
            "the highest",
            "def choose_threshold(rows, most_wrong):\n"
            "    return max((r.threshold for r in rows if r.wrong_hits.high <= most_wrong), default=None)",
            "there is a lower threshold",
        ),
        Slip(
            "the first in the list",
            "def choose_threshold(rows, most_wrong):\n"
            "    return next((r.threshold for r in rows if r.wrong_hits.high <= most_wrong), None)",
            "another order",
        ),
        Slip(
            "the right hits",
            "def choose_threshold(rows, most_wrong):\n"
            "    return min((r.threshold for r in rows if r.right_hits.high <= most_wrong), default=None)",
            "it returned 0.95",
        ),
    ],
    "12.3": [
        Slip(
            "without the check",
            "def mask_cards(text):\n"
            "    return re.sub(r'\\d(?:[ -]?\\d){12,18}',\n"
            '        lambda m: f\'[card ending in {re.sub(chr(92) + "D", "", m[0])[-4:]}]\', text)',
            "Not one",
        ),
        Slip(
            "digits in a row only",
            "def mask_cards(text):\n"
            "    return re.sub(r'\\d{13,19}', lambda m: f'[card ending in {m[0][-4:]}]' if is_card_number(m[0]) else m[0], text)",
            "For 'Card 4111",
        ),
        Slip(
            "all of it",
            "def mask_cards(text):\n"
            "    return re.sub(r'\\d(?:[ -]?\\d){12,18}', lambda m: '[card]' if is_card_number(m[0]) else m[0], text)",
            "it returned 'Card [card] please'",
        ),
        Slip("nothing", "def mask_cards(text):\n    return text", "For 'Card 4111"),
        Slip("a list", "def mask_cards(text):\n    return re.findall(r'\\d+', text)", "return a text"),
    ],
    "12.4": [
        Slip(
            "no significant loss is enough",
            "def decide_release(low, high, margin, usd, max_usd):\n"
            "    if high < 0:\n"
            "        return 'regression'\n"
            "    return 'price' if usd > max_usd else 'pass'",
            "is not excluded here",
        ),
        Slip(
            "the price first",
            "def decide_release(low, high, margin, usd, max_usd):\n"
            "    if usd > max_usd:\n"
            "        return 'price'\n"
            "    if high < 0:\n"
            "        return 'regression'\n"
            "    return 'pass' if low > -margin else 'too few'",
            "of several reasons the score comes first",
        ),
        Slip(
            "asks for an improvement",
            "def decide_release(low, high, margin, usd, max_usd):\n"
            "    if high < 0:\n"
            "        return 'regression'\n"
            "    if low <= 0:\n"
            "        return 'too few'\n"
            "    return 'price' if usd > max_usd else 'pass'",
            "is excluded here",
        ),
        Slip(
            "a loss within the margin passes",
            "def decide_release(low, high, margin, usd, max_usd):\n"
            "    if low > -margin:\n"
            "        return 'price' if usd > max_usd else 'pass'\n"
            "    return 'regression' if high < 0 else 'too few'",
            "the whole interval lies below 0",
        ),
    ],
}

ALSO_RIGHT = {
    "12.1": [
        "def find_alarm(is_beyond, in_a_row):\n"
        "    for end in range(in_a_row, len(is_beyond) + 1):\n"
        "        if all(is_beyond[end - in_a_row : end]):\n"
        "            return end - 1\n",
    ],
    "12.2": [
        "def choose_threshold(rows, most_wrong):\n"
        "    for row in sorted(rows, key=lambda row: row.threshold):\n"
        "        if row.wrong_hits.high <= most_wrong:\n"
        "            return row.threshold\n",
    ],
    "12.3": [
        "def mask_cards(text):\n"
        "    for found in re.findall(r'\\d(?:[ -]?\\d){12,18}', text):\n"
        "        if is_card_number(found):\n"
        "            digits = ''.join(c for c in found if c.isdigit())\n"
        "            text = text.replace(found, f'[card ending in {digits[-4:]}]')\n"
        "    return text",
    ],
    "12.4": [
        "def decide_release(low, high, margin, usd, max_usd):\n"
        "    if high < 0: return 'regression'\n"
        "    if not low > -margin: return 'too few'\n"
        "    return 'pass' if usd <= max_usd else 'price'",
    ],
}

RAISING = {
    "12.1": [
        (
            "def find_alarm(is_beyond, in_a_row):\n    return is_beyond[in_a_row].place",
            "AttributeError",
            "([False, True, True, False], 2)",
        )
    ],
}
