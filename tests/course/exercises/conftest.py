"""A progress of its own for each test, and what a notebook has defined when an answer is checked."""

import hashlib
import html
import json
import math
import random
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
from fake_receiver import FakeReceiver
from ipywidgets.widgets import widget as widget_module
from scipy.stats import binom
from widget_views import list_parts

from llmops_utils import course, datasets, evaluation, operations, tracking
from llmops_utils.agents import calculate
from llmops_utils.course.notebooks import find_notebooks, read_notebook
from llmops_utils.datasets import (
    INTENTS,
    URGENCIES,
    load_fact_questions,
    load_messages,
    load_page_attacks,
    load_training_messages,
    load_word_problems,
)
from llmops_utils.models import Provenance, Reply, TokenChance
from llmops_utils.operations import INCIDENTS, load_traffic, simulate_traffic
from llmops_utils.prompts import Prompt

REPLY = Reply("Berlin.", 31, 9, 0.5, 0.0, Provenance("smollm2", "weights sha256:0123456789ab", "live", 0))
MESSAGES = {message.text: message for message in load_messages()}
TOPICS = {one.question: one.topic for one in load_fact_questions()}
SOLUTIONS = {problem.question: problem.reasoning for problem in load_word_problems("dev")}
NUMBER = r"\d+(?:\.\d+)?"


class FakeModel:
    """Stands for the `model` of a notebook: what it answers depends on the examples that it is shown."""

    name, provider = "fake", SimpleNamespace(id="embedded")
    connection = SimpleNamespace(embedding_model="fake-encoder")

    def chat(self, messages, choices=None, **options):
        """Answer as a model that needs examples: the last shown, or the right one where each label is shown once."""
        if isinstance(messages, str):
            return REPLY
        if choices == ("negative", "positive"):
            return SimpleNamespace(text=self._tell_feeling(messages))
        if "geography" in (choices or ()):
            return SimpleNamespace(text=name_topic(messages))
        shown = [message["content"] for message in messages if message["role"] == "assistant"]
        if choices is None:  # a problem is planned rightly where the examples write equations
            solution = SOLUTIONS[messages[-1]["content"]]
            return SimpleNamespace(text=solution if any(" = " in text for text in shown) else "The answer is 1.")
        return SimpleNamespace(text=shown[-1] if shown else choices[0])

    def next_tokens(self, prompt, num=10):
        """Be sure after “forward”, open after “called”, and neither elsewhere."""
        return [TokenChance(" x", {"forward": 0.97, "called": 0.03}.get(prompt.split()[-1], 0.55))]

    def embed(self, texts):
        """Return vectors as `embed_texts` does; for one text, its vector."""
        return embed_texts([texts])[0] if isinstance(texts, str) else embed_texts(texts)

    def _tell_feeling(self, messages):
        """Answer right where the prompt shows both feelings with their right labels; else always negative."""
        everything = "\n".join(message["content"] for message in messages)
        asked = max(MESSAGES, key=lambda text: (everything.rfind(text), len(text)))
        shown = set()
        for line, following in pairwise(everything.splitlines()):
            feelings = {message.sentiment for text, message in MESSAGES.items() if text in line}
            shown |= {word for word in ("negative", "positive") if word in following and word in feelings}
        return MESSAGES[asked].sentiment if shown == {"negative", "positive"} else "negative"


class FakePellworth:
    """Stands for the `pellworth` of a notebook: right in the forms that it was trained on, else the first choice."""

    def chat(self, prompt, choices, **options):
        """Answer the question in the last line."""
        text, _, form = prompt.rpartition("\n")
        field = form.rstrip(":").lower()
        is_known = text in MESSAGES and hasattr(MESSAGES[text], field)
        return SimpleNamespace(text=getattr(MESSAGES[text], field) if is_known else choices[0])


def name_topic(turns):
    """Return the right topic where the turns show all topics with right questions, else the first."""
    texts = [turn["content"] for turn in turns[1:]]
    shown = dict(zip(texts[:-1:2], texts[1::2], strict=True))
    is_good = all(TOPICS[question] == topic for question, topic in shown.items())
    return TOPICS[texts[-1]] if is_good and set(shown.values()) == set(TOPICS.values()) else "arts"


def embed_texts(texts):
    """Return vectors of length 1, the same for all texts of one intent."""
    return np.eye(len(INTENTS))[[INTENTS.index(MESSAGES[text].intent) for text in texts]]


POOL = load_messages("shots")
SUSPECTS = load_training_messages()[600:612]
for place in random.Random(19).sample(range(12), 3):  # as the cell of lesson 06_2
    intent = INTENTS[(INTENTS.index(SUSPECTS[place].intent) + 3) % len(INTENTS)]
    SUSPECTS[place] = replace(SUSPECTS[place], intent=intent)


def find_sentence(query):
    """Return the sentence of the notes that shares most words with a query."""
    sentences = [part for note in datasets.load_notes() for part in note.text.split(". ")]
    return max(sentences, key=lambda one: len(set(query.split()) & set(re.findall(r"\w+", one))))


def work_out(expression):
    """Return the value of arithmetic as the tool of lesson 08_1 does."""
    outcome = calculate(expression)
    if not outcome.is_ok:
        raise ValueError(outcome.error)
    return f"{outcome.value:.10g}"


ORDERS = {"PW-28421": "model Tarka 12, quantity 2, price 39.90, postage 0.00, delivered on 2026-02-25"}


# Cells that define a function which an answer may use, by their lesson.
FUNCTIONS = {"05_4": "digits", "07_3": "fill", "10_2": "luck", "10_3": "tool", "11_2": "flips", "12_3": "gate-rule"}
LEAKY = """
on: push
jobs:
  release:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python start.py setup
      - run: .venv/bin/python -m llmops_utils promote route_message 3
      - run: .venv/bin/python -m llmops_utils gate route_message --candidate 3 || true
        continue-on-error: true
"""  # as lesson 12_3 shows it
FORM = course.load_plain().prompt.replace(
    instruction="", input="Question: {{ question }}\nAnswer with words of the text:"
)
SETS = ((0, 0), (4, 4), (8, 4), (8, 8), (16, 4), (16, 8))
GRID = [f"{version}, {num} shots, {labels} labels" for version in ("plain", "described") for num, labels in SETS]


class Shown:
    """An exercise or a quiz as a cell displays it."""

    def __init__(self, shown):
        bundle = shown._repr_mimebundle_()
        self.data = bundle[0] if isinstance(bundle, tuple) else bundle
        view = self.data["application/vnd.jupyter.widget-view+json"]
        self.widgets = list_parts(widget_module._instances[view["model_id"]])
        self.menus = [one for one in self.widgets if isinstance(one, ipywidgets.RadioButtons)]
        self.buttons = {one.description: one for one in self.widgets if isinstance(one, ipywidgets.Button)}

    def click(self, name="Check"):
        """Press a button and return what stands below it."""
        self.buttons[name].click()
        return self.widgets[-1].value

    def read(self):
        """Return all HTML that is shown now."""
        return "".join(one.value for one in self.widgets if isinstance(one, ipywidgets.HTML))


@pytest.fixture
def show():
    """Return a function that displays an exercise or a quiz."""
    return Shown


@pytest.fixture(autouse=True)
def progress_file(monkeypatch, tmp_path):
    """A progress of its own for each test."""
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture(scope="session")
def receiver():
    """A receiver of traces on loopback."""
    with FakeReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def cells(receiver):
    """What the cells of all notebooks have defined before the exercises."""
    functions = {
        "np": np,
        "math": math,
        "json": json,
        "hashlib": hashlib,
        "re": re,
        "binom": binom,
        "tracking": tracking,
    }
    for lesson, cell in FUNCTIONS.items():
        [source] = [one.source for one in read_notebook(find_notebooks(lesson)[0]).cells if one.id == cell]
        exec(source, functions)
    return {
        **functions,
        "RECEIVER": receiver.url,
        "Counter": Counter,
        "EQUATION": re.compile(rf"({NUMBER}(?: [-+*/] {NUMBER})+) = (-?{NUMBER})"),
        "LABELS": list(INTENTS),
        "LEAKY": LEAKY,
        "LOSSES": [2.31, 1.74, 1.52, 1.49],
        "PROJECT": "tests",
        "Prompt": Prompt,
        "SKELETON": "{task} {answers} {meaning}",
        "SLIP": {"intent": INTENTS, "product": ["kettle", "grinder", "scale", "none"], "urgency": URGENCIES},
        "calculate": calculate,
        "course": course,
        "datasets": datasets,
        "dev": load_messages("dev"),
        "evaluation": evaluation,
        "html": html,
        "kinds": random.Random(4).sample(list(INCIDENTS), 5),
        "known": load_fact_questions()[2::3],
        "load_messages": load_messages,
        "mend": str,  # what the fake model writes needs no mending
        "mine": course.Choices(prompt=FORM, model="pellworth", is_current=True),  # the first attempt of lesson 13_1
        "model": FakeModel(),
        "names": GRID,
        "operations": operations,
        "pellworth": FakePellworth(),
        "pool": POOL,
        "pool_vectors": embed_texts([shot.text for shot in POOL]),
        "replace": replace,
        "reply": REPLY,
        "seen_attacks": [one for place, one in enumerate(load_page_attacks()) if place % 3 != 2],
        "suspects": SUSPECTS,
        "traces": datasets.load_assistant_traces(),
        "tools": {"find_order": ORDERS.__getitem__, "search_notes": find_sentence, "calculate": work_out},
        "traced": tracking.trace_model(FakeModel()),
        "week": simulate_traffic(load_traffic(), 7 * 1200, seed=11, day=1200),  # as a cell of lesson 12_4
    }


@pytest.fixture(autouse=True)
def names(monkeypatch, cells):
    """The user namespace of a notebook in which all cells up to the exercises have run."""
    names = dict(cells)
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(user_ns=names))
    return names
