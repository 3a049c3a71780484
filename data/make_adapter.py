"""Train `pellworth`, the adapter that the course ships, from the data in `data/training`.

    python data/make_adapter.py FOLDER

writes `pellworth.gguf` and what is told of its training into the folder, which also keeps the state on the way: a run
that was stopped goes on from there. Nothing of what the adapter is tested on stands in its demonstrations; this is
checked before the first step. Prompts end with what is asked, so that questions about one text share their beginning.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
from collections.abc import Iterator
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

SEED = 7
NUM_WORDS, NUM_DATES, NUM_TRACES = 500, 250, 480
RECIPE = AdapterRecipe(num_layers=16, rank=16, alpha=32.0, epochs=2, batch=8, rate=1.5e-3, max_tokens=1024, seed=SEED)
LABELS = ("intent", "sentiment", "urgency", "product")
FORMS = {"Answer:": "answer", "Steps:": "reasoning", "Formula:": "symbols", "Python:": "program"}
ABSENT = "not in the text"
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


def list_questions() -> Iterator[Demonstration]:
    """Yield questions about passages, with words of the passage as the answer or that it is not there."""
    passages = {row["id"]: row for row in read_rows("passages.csv")}
    asked: dict[str, list[dict]] = {}
    for row in read_rows("reading.csv"):
        asked.setdefault(row["passage"], []).append(row)
    rng = random.Random(SEED)
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


def list_steps() -> Iterator[Demonstration]:
    """Yield the steps of an agent, each after those before it, as `Agent` shows them to the model."""
    for number, trace in enumerate(make_traces(NUM_TRACES, SEED)):
        messages = Agent(None, [find_order, search_notes, calculate], [trace]).prefix
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                # Four in a group, which read the list of tools once.
                yield Demonstration(messages[:place], [message["content"]], f"traces {number // 4}")


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
    problems = [*make_word_problems(NUM_WORDS, SEED), *make_date_questions(NUM_DATES, SEED)]
    tasks = {
        "labels and replies to messages": list(list_messages()),
        "questions about a passage": list(list_questions()),
        "answers judged": list(list_judged()),
        "problems in four forms": list(show_forms(problems)),
        "steps of an agent": list(list_steps()),
    }
    rows = [row for demonstrations in tasks.values() for row in demonstrations]
    folder.mkdir(parents=True, exist_ok=True)
    run = fine_tune(
        read_llama(weights), "pellworth", rows, RECIPE, list(list_dev()), list_test_texts(), folder / "state.npz"
    )
    run.adapter.write(folder / "pellworth.gguf")
    said = {"demonstrations": {task: len(one) for task, one in tasks.items()}, "seconds": round(run.seconds)}
    said |= {"best_epoch": run.best_epoch, "dev_losses": run.dev_losses, "peak_mb": round(run.peak_mb)}
    write_whole(folder / "training.json", json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
