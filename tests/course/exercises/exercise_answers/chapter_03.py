"""Wrong and right answers to the exercises of chapter 03, and the names that their cells find in the notebook."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {}

CACHE = "def compute_cache_mb(layers, kv_heads, head_size, tokens, slots):\n    return "
BILLS = "import math\ndef compute_bills(requests, usd_per_request, usd_per_hour, requests_per_hour):\n    "
PAIRS = "def describe_pairs(pairs):\n    n = len(pairs)\n    "
CHOICE = "def choose_option(scores, weights, musts):\n    "
POINTS = "{name: sum(weights[f] * row[f] for f in weights) for name, row in scores.items()"

WRONG = {
    "03.1": [
        Slip("keys only", CACHE + "layers * kv_heads * head_size * tokens * slots * 2 / 1e6", "a key and a value"),
        Slip("one slot", CACHE + "2 * layers * kv_heads * head_size * tokens * 2 / 1e6", "a cache of its own"),
        Slip("mebibytes", CACHE + "2 * layers * kv_heads * head_size * tokens * slots * 2 / 2**20", "mebibytes"),
        Slip("bits", CACHE + "2 * layers * kv_heads * head_size * tokens * slots * 16 / 1e6", "These are bits"),
        Slip("bytes", CACHE + "2 * layers * kv_heads * head_size * tokens * slots * 2", "it returned"),
        Slip("a text", CACHE + "f'{layers} MB'", "It returned a str"),
        Slip("zero", CACHE + "0", "it returned 0"),
    ],
    "03.2": [
        Slip(
            "parts of servers",
            BILLS + "return requests * usd_per_request, requests / (requests_per_hour * 730) * usd_per_hour * 730",
            "one always runs",
        ),
        Slip("one server", BILLS + "return requests * usd_per_request, usd_per_hour * 730", "servers come whole"),
        Slip(
            "none at night",
            BILLS + "n = math.ceil(requests / (requests_per_hour * 730))\n"
            "    return requests * usd_per_request, n * usd_per_hour * 730",
            "one always runs",
        ),
        Slip(
            "720 hours",
            BILLS + "n = max(1, math.ceil(requests / (requests_per_hour * 720)))\n"
            "    return requests * usd_per_request, n * usd_per_hour * 720",
            "servers come whole",
        ),
        Slip(
            "rounded",
            BILLS + "n = max(1, round(requests / (requests_per_hour * 730)))\n"
            "    return requests * usd_per_request, n * usd_per_hour * 730",
            "servers come whole",
        ),
        Slip("the API only", BILLS + "return requests * usd_per_request", "Return two numbers"),
        Slip(
            "price per thousand",
            BILLS + "return requests * usd_per_request / 1000, usd_per_hour * 730",
            "the API, is not right",
        ),
    ],
    "03.3": [
        Slip(
            "any change is a flip",
            PAIRS + "d = [b - a for a, b in pairs]\n"
            "    return sum(x != 0 for x in d), sum(d) / n, sum(map(abs, d)) / n",
            "number of flips",
        ),
        Slip(
            "first minus second",
            PAIRS + "d = [a - b for a, b in pairs]\n"
            "    return sum((a >= .5) != (b >= .5) for a, b in pairs), sum(d) / n, sum(map(abs, d)) / n",
            "mean change",
        ),
        Slip(
            "size of the mean",
            PAIRS + "d = [b - a for a, b in pairs]\n"
            "    return sum((a >= .5) != (b >= .5) for a, b in pairs), sum(d) / n, abs(sum(d)) / n",
            "mean size of the change",
        ),
        Slip(
            "above 0.5 only",
            PAIRS + "d = [b - a for a, b in pairs]\n"
            "    return sum((a > .5) != (b > .5) for a, b in pairs), sum(d) / n, sum(map(abs, d)) / n",
            "number of flips",
        ),
        Slip("sums", PAIRS + "return 0, sum(b - a for a, b in pairs), 0", "number of flips"),
        Slip("two numbers", PAIRS + "return 0, 0", "Return three numbers"),
    ],
    "03.4": [
        Slip(
            "no minimums",
            CHOICE + f"points = {POINTS}}}\n    return max(points, key=points.get)",
            "is out, however many",
        ),
        Slip(
            "strictly above",
            CHOICE + f"left = {POINTS} if all(row[f] > m for f, m in musts.items())}}\n"
            "    return max(left, key=left.get) if left else None",
            "is out, however many",
        ),
        Slip(
            "any minimum is enough",
            CHOICE + f"left = {POINTS} if not musts or any(row[f] >= m for f, m in musts.items())}}\n"
            "    return max(left, key=left.get) if left else None",
            "is out, however many",
        ),
        Slip(
            "best first, then checked",
            CHOICE + f"points = {POINTS}}}\n    best = max(points, key=points.get)\n"
            "    return best if all(scores[best][f] >= m for f, m in musts.items()) else None",
            "is out, however many",
        ),
        Slip("without weights", CHOICE + "return max(scores, key=lambda n: sum(scores[n].values()))", "it chose"),
        Slip("a position", CHOICE + "return 0", "return the name of an option"),
    ],
}

ALSO_RIGHT = {
    "03.1": [CACHE + "4 * layers * kv_heads * head_size * (tokens * slots) / 10**6"],
    "03.2": [
        BILLS + "n = -(-requests // (requests_per_hour * 730)) or 1\n"
        "    return [usd_per_request * requests, 730 * usd_per_hour * n]"
    ],
    "03.3": [
        PAIRS + "d = [b - a for a, b in pairs]\n"
        "    return len([1 for a, b in pairs if (a < .5) != (b < .5)]), sum(d) / n, sum(map(abs, d)) / n"
    ],
    "03.4": [
        CHOICE + "kept = [n for n, r in scores.items() if not any(r[f] < m for f, m in musts.items())]\n"
        "    return max(kept, key=lambda n: sum(weights[f] * scores[n][f] for f in weights), default=None)"
    ],
}

RAISING = {
    "03.3": [("def describe_pairs(pairs):\n    return pairs.mean()", "AttributeError", "(")],
}
