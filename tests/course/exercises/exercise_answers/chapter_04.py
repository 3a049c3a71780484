"""Wrong and right answers to the exercises of chapter 04."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES: dict = {}

WRONG = {
    "04.1": [
        Slip("letters only", "def apply_merges(word, merges):\n    return list(word)", "For 'lower'"),
        Slip(
            "only the first place of each pair",
            "def apply_merges(word, merges):\n"
            "    pieces = list(word)\n"
            "    for left, right in merges:\n"
            "        for place in range(len(pieces) - 1):\n"
            "            if (pieces[place], pieces[place + 1]) == (left, right):\n"
            "                pieces[place : place + 2] = [left + right]\n"
            "                break\n"
            "    return pieces",
            "For 'lolo'",
        ),
        Slip(
            "the longest piece first, not in the order of the merges",
            "def apply_merges(word, merges):\n"
            "    known = {left + right for left, right in merges}\n"
            "    pieces, rest = [], word\n"
            "    while rest:\n"
            "        size = max((n for n in range(1, len(rest) + 1) if rest[:n] in known), default=1)\n"
            "        pieces.append(rest[:size])\n"
            "        rest = rest[size:]\n"
            "    return pieces",
            "For 'abc'",
        ),
        Slip(
            "a text with spaces",
            "def apply_merges(word, merges):\n"
            "    text = ' '.join(word)\n"
            "    for left, right in merges:\n"
            "        text = text.replace(f'{left} {right}', left + right)\n"
            "    return text",
            "It returned a str",
        ),
        Slip(
            "loses the last letter",
            "def apply_merges(word, merges):\n    return list(word[:-1])",
            "do not spell the word",
        ),
    ],
    "04.2": [
        Slip(
            "per token",
            "import math\ndef count_bits_per_byte(chances, text):\n"
            "    return -sum(math.log2(c) for c in chances) / len(chances)",
            "of the tokens of",
        ),
        Slip(
            "natural logarithm",
            "import math\ndef count_bits_per_byte(chances, text):\n"
            "    return -sum(math.log(c) for c in chances) / len(text.encode())",
            "of the tokens of 'ab'",
        ),
        Slip(
            "per character",
            "import math\ndef count_bits_per_byte(chances, text):\n"
            "    return -sum(math.log2(c) for c in chances) / len(text)",
            "of the tokens of 'é'",
        ),
        Slip(
            "without the sign",
            "import math\ndef count_bits_per_byte(chances, text):\n"
            "    return sum(math.log2(c) for c in chances) / len(text.encode())",
            "it returned -1",
        ),
        Slip(
            "logarithm of the mean",
            "import math\ndef count_bits_per_byte(chances, text):\n"
            "    return -len(chances) * math.log2(sum(chances) / len(chances)) / len(text.encode())",
            "of the tokens of 'é'",
        ),
        Slip("a text", "def count_bits_per_byte(chances, text):\n    return '1 bit'", "return one number"),
    ],
    "04.3": [
        Slip(
            "the forward pass only",
            "def estimate_hours(n, d, peak, u):\n    return 2 * n * d / (peak * u) / 3600",
            "hours",
        ),
        Slip("seconds", "def estimate_hours(n, d, peak, u):\n    return 6 * n * d / (peak * u)", "hours"),
        Slip("minutes", "def estimate_hours(n, d, peak, u):\n    return 6 * n * d / (peak * u) / 60", "hours"),
        Slip(
            "multiplies by the utilisation",
            "def estimate_hours(n, d, peak, u):\n    return 6 * n * d / peak * u / 3600",
            "hours",
        ),
        Slip(
            "forgets the utilisation", "def estimate_hours(n, d, peak, u):\n    return 6 * n * d / peak / 3600", "hours"
        ),
        Slip(
            "a text",
            "def estimate_hours(n, d, peak, u):\n    return f'{6 * n * d / peak / u / 3600:.0f} h'",
            "return one number",
        ),
    ],
    "04.4": [
        Slip(
            "the best of all",
            "def find_stop(losses, patience):\n    return losses.index(min(losses))",
            "a patience of 2 it returned 5",
        ),
        Slip(
            "where it stops, not the best",
            "def find_stop(losses, patience):\n"
            "    best = 0\n"
            "    for place, loss in enumerate(losses):\n"
            "        if loss < losses[best]:\n"
            "            best = place\n"
            "        elif place - best >= patience:\n"
            "            return place\n"
            "    return best",
            "it returned 4",
        ),
        Slip(
            "at the first rise",
            "def find_stop(losses, patience):\n"
            "    for place in range(1, len(losses)):\n"
            "        if losses[place] > losses[place - 1]:\n"
            "            return place - 1\n"
            "    return len(losses) - 1",
            "a patience of 3 it returned 2",
        ),
        Slip(
            "compares with the look before",
            "def find_stop(losses, patience):\n"
            "    num_bad = 0\n"
            "    for place in range(1, len(losses)):\n"
            "        num_bad = num_bad + 1 if losses[place] >= losses[place - 1] else 0\n"
            "        if num_bad >= patience:\n"
            "            return place - patience\n"
            "    return len(losses) - 1",
            "it returned",
        ),
        Slip(
            "one look too patient",
            "def find_stop(losses, patience):\n"
            "    best = 0\n"
            "    for place, loss in enumerate(losses):\n"
            "        if loss < losses[best]:\n"
            "            best = place\n"
            "        elif place - best > patience:\n"
            "            break\n"
            "    return best",
            "a patience of 2 it returned 5",
        ),
        Slip("the loss", "def find_stop(losses, patience):\n    return min(losses)", "return the index"),
    ],
}

ALSO_RIGHT = {
    "04.1": [
        "def apply_merges(word, merges):\n"
        "    pieces = list(word)\n"
        "    for left, right in merges:\n"
        "        new = []\n"
        "        for piece in pieces:\n"
        "            if new and new[-1] == left and piece == right:\n"
        "                new[-1] = left + right\n"
        "            else:\n"
        "                new.append(piece)\n"
        "        pieces = new\n"
        "    return pieces",
    ],
    "04.2": [
        "import numpy as np\ndef count_bits_per_byte(chances, text):\n"
        "    return float(np.log(chances).sum() / -np.log(2) / len(text.encode()))",
    ],
    "04.3": [
        "def estimate_hours(n, d, peak, u):\n    seconds = n * d * 6 / peak / u\n    return seconds / 60 / 60",
    ],
    "04.4": [
        "def find_stop(losses, patience):\n"
        "    best, waited = 0, 0\n"
        "    for place in range(1, len(losses)):\n"
        "        if losses[place] < losses[best]:\n"
        "            best, waited = place, 0\n"
        "        else:\n"
        "            waited += 1\n"
        "            if waited == patience:\n"
        "                break\n"
        "    return best",
    ],
}

RAISING = {
    "04.1": [("def apply_merges(word, merges):\n    return word.merge(merges)", "AttributeError", "'lower'")],
    "04.2": [("def count_bits_per_byte(chances, text):\n    return chances / 0", "TypeError", "[0.5, 0.5]")],
}
