"""What fine-tuning buys: examples, rank and epochs, rivals without training, and what is forgotten.

    python benchmarks/fine_tuning.py data/tuning_measured.csv    # about 40 minutes on two quiet cores

Each row is a system on a task. *curve*: an adapter trained on so many messages of `data/training/messages.csv`, asked the
224 test messages. *rival*: the base without examples, with 16, and with the 8 nearest of 256 training messages. *grid*:
rank and epochs with 96 messages, asked the 160 dev messages. What is forgotten: *facts*, 120 questions about the world;
*sentiment* of the test messages, for which no adapter here was trained; *injections*, messages with an instruction in them
that was followed.
"""

import argparse
import csv
import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from llmops_utils.core import load_settings, write_whole
from llmops_utils.datasets import (
    INTENTS,
    SENTIMENTS,
    Example,
    load_fact_questions,
    load_injections,
    load_messages,
    load_training_messages,
    make_examples,
)
from llmops_utils.evaluation import PRICED_AT, ChoiceMatch, Contains, Report, compare, evaluate
from llmops_utils.models import Model, fetch_weights, load_catalog
from llmops_utils.training import AdapterRecipe, Demonstration, fine_tune, read_llama

RECIPE = AdapterRecipe()
SIZES = (32, 96, 256, 800)
GRID = [(rank, epochs) for rank in (2, 8, 32) for epochs in (2, 5)]
NUM_SHOTS, NUM_NEAREST, NUM_POOL = 16, 8, 256


def pose(text: str) -> str:
    """Return the prompt of the lesson."""
    return f"{text}\nIntent:"


def make_sorter(model: Model, find_shots=lambda text: ()):
    """Return a system that names the intent of a message, after examples that may depend on it."""

    def sort(text):
        turns = []
        for shot in find_shots(text):
            turns += [{"role": "user", "content": pose(shot.text)}, {"role": "assistant", "content": shot.intent}]
        return model.chat([*turns, {"role": "user", "content": pose(text)}], choices=INTENTS, max_tokens=8)

    return sort


def state_fact(model: Model):
    """Return a system that answers a question about the world."""
    return lambda question: model.chat(f"{question} Answer in a few words.", max_tokens=24)


def score_fact(prediction, expected):
    """Return 1 where one of the accepted answers stands in the prediction."""
    return Contains()(prediction, expected.split(" | "))


class Measuring:
    """Asks systems and collects the rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = load_settings(mode="live", provider="embedded", model=None, base_url=None)
        [weights] = fetch_weights(load_catalog().find_local("smollm2-135m-instruct"), self.settings.home).values()
        self.llama = read_llama(weights)
        self.base = Model("measured", settings=self.settings)
        self.train = load_training_messages()
        self.rows: list[dict] = []
        self.baselines: dict[str, Report] = {}  # the first report of each kind: the base without examples

    def tune(self, num: int, recipe: AdapterRecipe):
        """Return the tuned model and the run."""
        rows = [Demonstration(pose(message.text), [message.intent]) for message in self.train[:num]]
        name = f"n{num}r{recipe.rank}e{recipe.epochs}"
        run = fine_tune(self.llama, name, rows, recipe, test_texts=[message.text for message in load_messages("test")])
        path = self.folder / f"{name}.gguf"
        run.adapter.write(path)
        return Model("measured", settings=self.settings, adapter=path), run

    def ask(self, kind: str, name: str, system, asked, scorer, run=None, **told) -> None:
        """Measure a system and keep its row."""
        report = evaluate(system, asked, scorer, name=name)
        row = {
            "id": f"t{len(self.rows) + 1:02}",
            "kind": kind,
            "name": name,
            **told,
            "right": int(report.scores.sum()),
            "num": len(report),
        }
        row |= {"prompt_tokens": round(report.prompt_tokens, 1), "latency_s": round(report.latency_s, 3)}
        row["usd_per_1000"] = round(report.price_at(*PRICED_AT), 4)
        baseline = self.baselines.setdefault("rival" if kind == "curve" else kind, report)
        if baseline is not report and kind != "grid":
            compared = compare(baseline, report)
            row |= {"change": round(compared.difference.value, 4), "low": round(compared.difference.low, 4)}
            row |= {"high": round(compared.difference.high, 4), "p": float(f"{compared.p:.3g}")}
        if run is not None:
            row["train_s"] = round(run.seconds, 1)
        self.rows.append(row)
        print(row, flush=True)

    def measure(self) -> None:
        """Go through all systems."""
        asked = {split: make_examples(load_messages(split), "text", "intent") for split in ("dev", "test")}
        scorer = ChoiceMatch(INTENTS)
        shots = {"zero-shot": lambda text: (), f"{NUM_SHOTS} examples": lambda text: self.train[:NUM_SHOTS]}
        for name, find in shots.items():
            self.ask("rival", name, make_sorter(self.base, find), asked["test"], scorer)
        self.ask_others("base", self.base)
        for num in SIZES:
            model, run = self.tune(num, RECIPE)
            told = {"examples": num, "rank": RECIPE.rank, "epochs": RECIPE.epochs}
            self.ask("curve", f"{num} messages", make_sorter(model), asked["test"], scorer, run, **told)
            if num in (96, 800):
                self.ask_others(f"{num} messages", model)
        for rank, epochs in GRID:
            model, run = self.tune(96, AdapterRecipe(rank=rank, alpha=2.0 * rank, epochs=epochs))
            told = {"examples": 96, "rank": rank, "epochs": epochs}
            self.ask("grid", f"rank {rank}, {epochs} epochs", make_sorter(model), asked["dev"], scorer, run, **told)
        nearest = make_sorter(self.base, self.make_nearest())
        self.ask("rival", f"{NUM_NEAREST} nearest examples", nearest, asked["test"], scorer)

    def ask_others(self, name: str, model: Model) -> None:
        """Measure what a model does beside its task."""
        facts = [Example(one.id, one.question, " | ".join(one.accepted)) for one in load_fact_questions()]
        self.ask("facts", name, state_fact(model), facts, score_fact)
        moods = make_examples(load_messages("test"), "text", "sentiment")

        def feel(text):
            return model.chat(f"{text}\nSentiment:", choices=SENTIMENTS, max_tokens=8)

        self.ask("sentiment", name, feel, moods, ChoiceMatch(SENTIMENTS))
        wanted = make_examples([one for one in load_injections() if one.target in INTENTS], "text", "target")
        self.ask("injections", name, make_sorter(model), wanted, ChoiceMatch(INTENTS))

    def make_nearest(self):
        """Return what finds the training messages that are nearest to a text, the nearest last."""
        pool = self.train[:NUM_POOL]
        vectors = self.base.embed([message.text for message in pool])

        def find(text):
            near = np.argsort(vectors @ self.base.embed(text))[-NUM_NEAREST:]
            return [pool[place] for place in near]

        return find


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    file = parser.parse_args().file
    os.environ["LLMOPS_EXAMPLES"] = "1000"  # of a test split, which live is a few
    with tempfile.TemporaryDirectory() as folder:
        measuring = Measuring(Path(folder))
        measuring.measure()
    columns = list(dict.fromkeys(name for row in measuring.rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="none")
    writer.writeheader()
    writer.writerows(measuring.rows)
    write_whole(file, text.getvalue())


if __name__ == "__main__":
    sys.exit(main())
