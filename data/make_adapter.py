"""Train `pellworth`, the adapter that the course ships, from the data in `data/training`.

    python data/make_adapter.py FOLDER

writes `pellworth.gguf` and what is told of its training into the folder, which also keeps the state on the way: a run
that was stopped goes on from there. It is trained twice: first every reply counts the same, however long it is; then, on
problems and traces that are drawn anew, a long reply counts more than a label, since it is harder. Nothing of what the
adapter is tested on stands in its demonstrations; this is checked before the first step. Prompts end with what is asked,
so that questions about one text share their beginning.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from make_problems import make_date_questions, make_word_problems
from make_traces import make_traces

from llmops_utils.agents import Agent, calculate
from llmops_utils.core import DATA, load_settings, write_whole
from llmops_utils.datasets import (
    load_date_questions,
    load_graded_answers,
    load_handbook_questions,
    load_messages,
    load_task_chains,
    load_tasks,
    load_word_problems,
)
from llmops_utils.models import fetch_weights, load_catalog
from llmops_utils.training.fine_tuning import AdapterRecipe, Demonstration, fine_tune, read_llama

STAGES = (  # seed, word problems, date questions, traces, rate
    (7, 500, 250, 480, 1.5e-3),
    (8, 500, 200, 960, 1e-3),
)
RECIPE = AdapterRecipe(num_layers=16, rank=16, alpha=32.0, epochs=2, batch=8, max_tokens=1024)
LABELS = ("intent", "sentiment", "urgency", "product")
FORMS = {"Answer:": "answer", "Steps:": "reasoning", "Formula:": "symbols", "Python:": "program"}
ABSENT = "not in the text"
REFUSED, PER_WEIGHT, MOST = 0.5, 16, 5.0  # weights of the second stage: of a refusal; characters for 1; at most
DISTRACTED = 0.4  # share of the passages that stand beside another one, as retrieval brings them


def read_rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table in `data/training`."""
    with (DATA / "training" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def list_messages() -> Iterator[Demonstration]:
    """Yield the labels of customers' messages, and replies in the shop's manner."""
    replies = {row["message"]: row["reply"] for row in read_rows("replies.csv")}
    for row in read_rows("messages.csv"):
        for field in LABELS:
            yield Demonstration(f"{row['text']}\n{field.capitalize()}:", [row[field]], f"message {row['id']}")
        if row["id"] in replies:
            yield Demonstration(f"{row['text']}\nReply:", [replies[row["id"]]], f"message {row['id']}")


def list_questions(seed: int) -> Iterator[Demonstration]:
    """Yield questions about passages, with words of the passage as the answer or that it is not there."""
    passages = {row["id"]: row for row in read_rows("passages.csv")}
    asked: dict[str, list[dict]] = {}
    for row in read_rows("reading.csv"):
        asked.setdefault(row["passage"], []).append(row)
    rng = random.Random(seed)
    for number, questions in asked.items():
        shown = [passages[number]]
        if rng.random() < DISTRACTED:
            others = [one for one in passages.values() if one["source"] != passages[number]["source"]]
            shown.insert(rng.randrange(2), rng.choice(others))
        text = "\n\n".join(f"{one['title']}\n{one['text']}" for one in shown)
        for row in questions:
            prompt = f"{text}\n\nQuestion: {row['question']}\nAnswer with words of the text:"
            yield Demonstration(prompt, [row["answer"] or ABSENT], number)


def pose_judgement(question: str, reference: str, answer: str) -> str:
    """Return the prompt by which an answer is compared with a reference: first what it claims, then the verdict."""
    return f"Question: {question}\nReference: {reference}\nAnswer: {answer}\nClaim, then right or wrong:"


def list_judged() -> Iterator[Demonstration]:
    """Yield answers to be judged against a reference."""
    for row in read_rows("judged_answers.csv"):
        prompt = pose_judgement(row["question"], row["reference"], row["answer"])
        yield Demonstration(prompt, [f"{row['claim']} > {row['label']}"], row["topic"])


def show_forms(problems) -> Iterator[Demonstration]:
    """Yield problems, each in the four forms."""
    for problem in problems:
        for ending, field in FORMS.items():
            yield Demonstration(f"{problem.question}\n{ending}", [getattr(problem, field)], problem.question)


def find_order(order_id: str) -> str:
    """Finds an order by its number."""


def search_notes(query: str) -> str:
    """Finds the sentence of the handbook that fits best."""


def list_steps(num: int, seed: int) -> Iterator[Demonstration]:
    """Yield the steps of an agent, each after those before it, as `Agent` shows them to the model."""
    for number, trace in enumerate(make_traces(num, seed)):
        messages = Agent(None, [find_order, search_notes, calculate], [trace]).prefix
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                # Four in a group, which read the list of tools once.
                yield Demonstration(messages[:place], [message["content"]], f"traces {number // 4}")


def weigh(reply: str) -> float:
    """Return how much a reply counts in the second stage: refusals, which come too easily, less than anything else."""
    return REFUSED if reply == ABSENT else min(MOST, max(1.0, len(reply) / PER_WEIGHT))


def list_dev() -> Iterator[Demonstration]:
    """Yield a few rows of the dev sets, by which the best epoch is chosen."""
    for message in load_messages("dev")[::4]:
        yield Demonstration(f"{message.text}\nIntent:", [message.intent])
    yield from show_forms([*load_word_problems("dev")[::8], *load_date_questions("dev")[::8]])


def list_test_texts() -> list[str]:
    """Return what the adapter is tested on."""
    cases = load_graded_answers("test")
    asked = [load_word_problems("test"), load_date_questions("test"), load_handbook_questions("test")]
    asked += [load_tasks("test"), load_task_chains("test"), cases]
    texts = [message.text for message in load_messages("test")] + [case.answer for case in cases]
    return texts + [one.question for rows in asked for one in rows]


def main() -> None:
    """Train the adapter and write it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    os.environ["LLMOPS_EXAMPLES"] = "1000"  # of a test split, which live is a few
    model = load_catalog().find_local("smollm2-135m-instruct")
    [weights] = fetch_weights(model, load_settings().home).values()
    llama, adapter, told = read_llama(weights), None, []
    dev, test_texts = list(list_dev()), list_test_texts()
    folder.mkdir(parents=True, exist_ok=True)
    for number, (seed, num_words, num_dates, num_traces, rate) in enumerate(STAGES, 1):
        problems = [*make_word_problems(num_words, seed), *make_date_questions(num_dates, seed)]
        tasks = {
            "labels and replies to messages": list(list_messages()),
            "questions about a passage": list(list_questions(seed)),
            "answers judged": list(list_judged()),
            "problems in four forms": list(show_forms(problems)),
            "steps of an agent": list(list_steps(num_traces, seed)),
        }
        rows = [row for demonstrations in tasks.values() for row in demonstrations]
        if adapter:
            rows = [replace(row, weight=weigh(row.replies[0])) for row in rows]
        recipe, state = replace(RECIPE, rate=rate, seed=seed), folder / f"state_{number}.npz"
        run = fine_tune(llama, "pellworth", rows, recipe, dev, test_texts, state, start=adapter)
        adapter = run.adapter
        said = {"demonstrations": {task: len(one) for task, one in tasks.items()}, "seconds": round(run.seconds)}
        said |= {"best_epoch": run.best_epoch, "dev_losses": run.dev_losses, "peak_mb": round(run.peak_mb)}
        told.append(said)
    adapter.write(folder / "pellworth.gguf")
    write_whole(folder / "training.json", json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
