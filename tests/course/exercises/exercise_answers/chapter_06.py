"""Wrong and right answers to the exercises of chapter 06, and the names that their cells find in the notebook."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from llmops_utils.datasets import INTENTS, load_messages

POOL = load_messages("shots")
DEV = load_messages("dev")


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


class LastLabelModel:
    """A model that answers with the label of the example shown last, or “delivery” where there is none."""

    def chat(self, messages, **options):
        shown = [message["content"] for message in messages if message["role"] == "assistant"]
        return SimpleNamespace(text=shown[-1] if shown else INTENTS[0])


KNOWN = {message.text: message.intent for message in [*POOL, *DEV]}


def embed_texts(texts):
    """Return vectors of length 1 that put texts of one intent close together, as good embeddings would."""
    rows = []
    for text in texts:
        row = np.zeros(len(INTENTS) + 16)
        row[INTENTS.index(KNOWN[text])] = 2.0
        for word in re.findall(r"\w+", text.lower()):
            row[len(INTENTS) + sum(map(ord, word)) % 16] += 0.1
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


def choose_nearest(vectors, vector, k):
    """Return the positions of the k nearest vectors, the nearest last, as the chapter defines it."""
    return np.argsort(vectors @ vector)[-k:]


NAMES = {
    "Counter": Counter,
    "np": np,
    "replace": replace,
    "LABELS": list(INTENTS),
    "pool": POOL,
    "dev": DEV,
    "pool_vectors": embed_texts([shot.text for shot in POOL]),
    "embed_texts": embed_texts,
    "choose_nearest": choose_nearest,
    "model": LastLabelModel(),
}

WRONG = {
    "06.1": [
        Slip(
            "only the answers",
            "def count_label_bias(rows, labels):\n"
            "    answered = Counter(row.prediction for row in rows)\n"
            "    return {label: answered[label] for label in labels}",
            "it returned {'tea': 3, 'coffee': 0, 'water': 0}",
        ),
        Slip(
            "the wrong way round",
            "def count_label_bias(rows, labels):\n"
            "    answered = Counter(row.prediction for row in rows)\n"
            "    right = Counter(row.expected for row in rows)\n"
            "    return {label: right[label] - answered[label] for label in labels}",
            "it returned {'tea': -2, 'coffee': 1, 'water': 1}",
        ),
        Slip(
            "the right answers instead of the right labels",
            "def count_label_bias(rows, labels):\n"
            "    answered = Counter(row.prediction for row in rows)\n"
            "    hits = Counter(row.prediction for row in rows if row.prediction == row.expected)\n"
            "    return {label: answered[label] - hits[label] for label in labels}",
            "it returned {'tea': 2, 'coffee': 0, 'water': 0}",
        ),
        Slip(
            "leaves out labels that were never answered",
            "def count_label_bias(rows, labels):\n"
            "    answered = Counter(row.prediction for row in rows)\n"
            "    right = Counter(row.expected for row in rows)\n"
            "    return {label: number - right[label] for label, number in answered.items()}",
            "also those that were never answered",
        ),
        Slip(
            "subtracts counters",
            "def count_label_bias(rows, labels):\n"
            "    return dict(Counter(row.prediction for row in rows) - Counter(row.expected for row in rows))",
            "also those that were never answered",
        ),
        Slip(
            "a list",
            "def count_label_bias(rows, labels):\n"
            "    return [sum(r.prediction == l for r in rows) - sum(r.expected == l for r in rows) for l in labels]",
            "It returned a list",
        ),
    ],
    "06.2": [
        Slip(
            "the k nearest",
            "def choose_diverse(similarities, intents, k):\n    return np.argsort(similarities)[-k:]",
            "stands there twice",
        ),
        Slip(
            "the nearest first",
            "def choose_diverse(similarities, intents, k):\n"
            "    chosen = []\n"
            "    for place in np.argsort(similarities)[::-1]:\n"
            "        if intents[place] not in [intents[other] for other in chosen] and len(chosen) < k:\n"
            "            chosen.append(place)\n"
            "    return chosen",
            "another order",
        ),
        Slip(
            "begins with the farthest",
            "def choose_diverse(similarities, intents, k):\n"
            "    chosen = []\n"
            "    for place in np.argsort(similarities):\n"
            "        if intents[place] not in [intents[other] for other in chosen] and len(chosen) < k:\n"
            "            chosen.append(place)\n"
            "    return chosen",
            "the nearest of its intent",
        ),
        Slip(
            "drops repeated intents of the k nearest",
            "def choose_diverse(similarities, intents, k):\n"
            "    kept = {intents[place]: int(place) for place in np.argsort(similarities)[-k:]}\n"
            "    return list(kept.values())",
            "For k = 2 it returned 1 positions",
        ),
        Slip(
            "ignores k",
            "def choose_diverse(similarities, intents, k):\n"
            "    kept = {intents[place]: int(place) for place in np.argsort(similarities)}\n"
            "    return sorted(kept.values(), key=lambda place: similarities[place])",
            "For k = 1 it returned 3 positions",
        ),
        Slip(
            "the first of each intent",
            "def choose_diverse(similarities, intents, k):\n"
            "    first = {}\n"
            "    for place, intent in enumerate(intents):\n"
            "        first.setdefault(intent, place)\n"
            "    return sorted(first.values(), key=lambda place: similarities[place])[-k:]",
            "the nearest of its intent",
        ),
        Slip(
            "the intents",
            "def choose_diverse(similarities, intents, k):\n"
            "    return [intents[place] for place in np.argsort(similarities)[-k:]]",
            "not the form that was asked for",
        ),
    ],
    "06.3": [
        Slip("no care", "def wrap_message(text):\n    return f'<message>{text}</message>'", "still a mark inside"),
        Slip(
            "one pass of replace",
            "def wrap_message(text):\n"
            "    return '<message>' + text.replace('<message>', '').replace('</message>', '') + '</message>'",
            "still a mark inside",
        ),
        Slip(
            "ignores capitals",
            "def wrap_message(text):\n"
            "    while '<message>' in text or '</message>' in text:\n"
            "        text = text.replace('<message>', '').replace('</message>', '')\n"
            "    return '<message>' + text + '</message>'",
            "still a mark inside",
        ),
        Slip(
            "only the closing mark",
            "import re\ndef wrap_message(text):\n"
            "    return '<message>' + re.sub('(?i)<(?=/message>)', '(', text) + '</message>'",
            "still a mark inside",
        ),
        Slip(
            "takes out all markup",
            "import re\ndef wrap_message(text):\n    return '<message>' + re.sub('<[^>]*>', '', text) + '</message>'",
            "did not arrive whole",
        ),
        Slip(
            "escapes everything",
            "import html\ndef wrap_message(text):\n    return '<message>' + html.escape(text) + '</message>'",
            "did not arrive whole",
        ),
        Slip(
            "strips the message",
            "import re\ndef wrap_message(text):\n"
            "    return '<message>' + re.sub('(?i)<(?=/?message>)', '(', text.strip()) + '</message>'",
            "did not arrive whole",
        ),
        Slip(
            "cuts the message at a mark",
            "import re\ndef wrap_message(text):\n"
            "    return '<message>' + re.split('(?i)</?message>', text)[0] + '</message>'",
            "more was lost than the marks",
        ),
        Slip("without marks", "def wrap_message(text):\n    return text", "not with the two marks"),
    ],
    "06.4": [
        Slip("nothing", "def pick_shots(text):\n    return []", "4 of 32 messages were right"),
        Slip("the same for all", "def pick_shots(text):\n    return pool[:4]", "4 of 32 messages were right"),
        Slip(
            "the farthest",
            "def pick_shots(text):\n"
            "    return [pool[place] for place in choose_nearest(-pool_vectors, embed_texts([text])[0], 4)]",
            "messages were right",
        ),
        Slip(
            "wrong labels",
            "def pick_shots(text):\n"
            "    near = choose_nearest(pool_vectors, embed_texts([text])[0], 4)\n"
            "    return [replace(pool[i], intent=LABELS[(LABELS.index(pool[i].intent) + 1) % 8]) for i in near]",
            "0 of 32 messages were right",
        ),
        Slip(
            "more than allowed",
            "def pick_shots(text):\n"
            "    return [pool[place] for place in choose_nearest(pool_vectors, embed_texts([text])[0], 8)]",
            "4 are allowed",
        ),
        Slip(
            "the message with its answer",
            "def pick_shots(text):\n    return [message for message in dev if message.text == text]",
            "the message itself",
        ),
        Slip(
            "positions",
            "def pick_shots(text):\n    return list(choose_nearest(pool_vectors, embed_texts([text])[0], 4))",
            "take messages from `pool`",
        ),
        Slip(
            "texts", "def pick_shots(text):\n    return [shot.text for shot in pool[:4]]", "take messages from `pool`"
        ),
    ],
}

ALSO_RIGHT = {
    "06.1": [
        "def count_label_bias(rows, labels):\n"
        "    return {l: sum(r.prediction == l for r in rows) - sum(r.expected == l for r in rows) for l in labels}",
    ],
    "06.2": [
        "def choose_diverse(similarities, intents, k):\n"
        "    kept = {}\n"
        "    for place in np.argsort(similarities)[::-1]:\n"
        "        kept.setdefault(intents[place], place)\n"
        "    return np.array(list(kept.values())[:k][::-1])",
    ],
    "06.3": [
        "import re\ndef wrap_message(text):\n"
        "    while re.search('(?i)</?message>', text):\n"
        "        text = re.sub('(?i)</?message>', '', text)\n"
        "    return '<message>' + text + '</message>'",
        "import re\ndef wrap_message(text):\n"
        "    return '<message>\\n' + re.sub('(?i)<(/?message>)', r'[\\1', text) + '\\n</message>'",
    ],
    "06.4": [
        "def pick_shots(text):\n"
        "    return tuple(pool[place] for place in choose_nearest(pool_vectors, embed_texts([text])[0], 2))",
    ],
}

RAISING = {
    "06.2": [
        (
            "def choose_diverse(similarities, intents, k):\n    return similarities.nearest(k)",
            "AttributeError",
            "array(",
        )
    ],
    "06.4": [("def pick_shots(text):\n    return pool[text]", "TypeError", "(")],
}
