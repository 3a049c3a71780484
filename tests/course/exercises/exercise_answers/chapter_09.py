"""Wrong and right answers to the exercises of chapter 09, and the names that their cells find in the notebook."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmops_utils.datasets import load_page_attacks


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {"re": re, "seen_attacks": [one for place, one in enumerate(load_page_attacks()) if place % 3 != 2]}

WRONG = {
    "09.1": [
        Slip(
            "no overlap",
            "def cut_words(words, size, overlap):\n"
            "    return [words[start : start + size] for start in range(0, len(words), size)]",
            "begin with the last 1 words",
        ),
        Slip(
            "a chunk of repeated words at the end",
            "def cut_words(words, size, overlap):\n"
            "    return [words[start : start + size] for start in range(0, len(words), size - overlap)]",
            "holds nothing that the one before it does not hold",
        ),
        Slip(
            "only full chunks",
            "def cut_words(words, size, overlap):\n"
            "    return [words[s : s + size] for s in range(0, len(words) - size + 1, size - overlap)]",
            "'g' is lost",
        ),
        Slip(
            "chunks that are too long",
            "def cut_words(words, size, overlap):\n"
            "    return [words[max(0, s - overlap) : s + size] for s in range(0, len(words), size)]",
            "more than 3 words",
        ),
        Slip(
            "texts",
            "def cut_words(words, size, overlap):\n"
            "    starts = range(0, max(1, len(words) - overlap), size - overlap)\n"
            "    return [' '.join(words[start : start + size]) for start in starts]",
            "a list of words",
        ),
    ],
    "09.2": [
        Slip(
            "forgets the weights",
            "def fuse_weighted(rankings, weights):\n"
            "    sums = {}\n"
            "    for ranking in rankings:\n"
            "        for rank, id in enumerate(ranking, start=1):\n"
            "            sums[id] = sums.get(id, 0) + 1 / (60 + rank)\n"
            "    return sorted(sums, key=lambda id: -sums[id])",
            "by weight and rank",
        ),
        Slip(
            "the worst first",
            "def fuse_weighted(rankings, weights):\n"
            "    sums = {}\n"
            "    for ranking, weight in zip(rankings, weights):\n"
            "        for rank, id in enumerate(ranking, start=1):\n"
            "            sums[id] = sums.get(id, 0) + weight / (60 + rank)\n"
            "    return sorted(sums, key=sums.get)",
            "by weight and rank",
        ),
        Slip(
            "keeps the last sum instead of adding",
            "def fuse_weighted(rankings, weights):\n"
            "    sums = {}\n"
            "    for ranking, weight in zip(rankings, weights):\n"
            "        for rank, id in enumerate(ranking, start=1):\n"
            "            sums[id] = weight / (60 + rank)\n"
            "    return sorted(sums, key=lambda id: -sums[id])",
            "by weight and rank",
        ),
        Slip(
            "only what all rankings hold",
            "def fuse_weighted(rankings, weights):\n"
            "    common = set(rankings[0]).intersection(*rankings[1:])\n"
            "    return [id for id in rankings[0] if id in common]",
            "each id of any ranking",
        ),
        Slip(
            "one ranking after the other",
            "def fuse_weighted(rankings, weights):\n    return [id for ranking in rankings for id in ranking]",
            "stands there twice",
        ),
        Slip(
            "the sums",
            "def fuse_weighted(rankings, weights):\n    return {id: 1.0 for ranking in rankings for id in ranking}",
            "a list of ids",
        ),
    ],
    "09.3": [
        Slip(
            "letters instead of words",
            "def find_unsupported(answer, passages):\n"
            "    text = ' '.join(passages).casefold()\n"
            "    words = [word.strip('.,;:!?()[]') for word in answer.split()]\n"
            "    return [w for w in words if any(c.isdigit() for c in w) and w.casefold() not in text]",
            "'12.5 EUR'",
        ),
        Slip(
            "leaves the punctuation",
            "def find_unsupported(answer, passages):\n"
            "    known = {word.casefold() for passage in passages for word in passage.split()}\n"
            "    return [w for w in answer.split() if any(c.isdigit() for c in w) and w.casefold() not in known]",
            "it returned ['ws-10']",
        ),
        Slip(
            "minds capitals",
            "def find_unsupported(answer, passages):\n"
            "    known = {word.strip('.,;:!?()[]') for passage in passages for word in passage.split()}\n"
            "    words = [word.strip('.,;:!?()[]') for word in answer.split()]\n"
            "    return [w for w in words if any(c.isdigit() for c in w) and w not in known]",
            "'form ws-10'",
        ),
        Slip(
            "all words",
            "def find_unsupported(answer, passages):\n"
            "    known = {w.strip('.,;:!?()[]').casefold() for p in passages for w in p.split()}\n"
            "    words = [word.strip('.,;:!?()[]') for word in answer.split()]\n"
            "    return [w for w in words if w.casefold() not in known]",
            "'no more than two'",
        ),
        Slip(
            "the first passage only",
            "def find_unsupported(answer, passages):\n"
            "    known = {w.strip('.,;:!?()[]').casefold() for w in (passages or [''])[0].split()}\n"
            "    words = [word.strip('.,;:!?()[]') for word in answer.split()]\n"
            "    return [w for w in words if any(c.isdigit() for c in w) and w.casefold() not in known]",
            "'at 9:30.'",
        ),
        Slip("yes or no", "def find_unsupported(answer, passages):\n    return False", "a list of words"),
    ],
    "09.4": [
        Slip("everything", "def is_suspicious(text):\n    return True", "own paragraphs"),
        Slip("nothing", "def is_suspicious(text):\n    return False", "It catches 0 of 8"),
        Slip(
            "the seen attacks by heart",
            "def is_suspicious(text):\n    return text in [attack.text for attack in seen_attacks]",
            "It catches 0 of 8",
        ),
        Slip(
            "every order to somebody",
            "def is_suspicious(text):\n    return bool(re.search(r'(?i)please|write|customer|must|page', text))",
            "own paragraphs",
        ),
        Slip(
            "one word",
            "def is_suspicious(text):\n    return 'ignore' in text.lower()",
            "attacks that were held back",
        ),
    ],
}

ALSO_RIGHT = {
    "09.1": [
        "def cut_words(words, size, overlap):\n"
        "    chunks, start = [], 0\n"
        "    while True:\n"
        "        chunks.append(tuple(words[start : start + size]))\n"
        "        if start + size >= len(words):\n"
        "            return chunks\n"
        "        start += size - overlap",
    ],
    "09.2": [
        "from collections import defaultdict\n"
        "def fuse_weighted(rankings, weights):\n"
        "    ids = list(dict.fromkeys(id for ranking in rankings for id in ranking))\n"
        "    def add(id):\n"
        "        return sum(w / (61 + r.index(id)) for r, w in zip(rankings, weights) if id in r)\n"
        "    return tuple(sorted(ids, key=add, reverse=True))",
    ],
    "09.3": [
        "def find_unsupported(answer, passages):\n"
        "    def cut(text):\n"
        "        return [word.strip('.,;:!?()[]').lower() for word in text.split()]\n"
        "    return [w for w in cut(answer) if re.search(r'\\d', w) and not any(w in cut(p) for p in passages)]",
    ],
    "09.4": [
        "def is_suspicious(text):\n"
        "    return bool(re.search(r'(?i)assistant|example\\.com|ignore|disregard|your answer|you are', text))",
    ],
}

RAISING = {
    "09.1": [("def cut_words(words, size, overlap):\n    return words.split(size)", "AttributeError", "(")],
    "09.4": [("def is_suspicious(text):\n    return text.find(1)", "TypeError", "(")],
}
