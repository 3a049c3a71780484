"""Measure `pellworth` against its base, on the tasks that it was trained for and on others.

    python benchmarks/pellworth.py test data/adapters/pellworth.csv

asks both models, held to the same prompts, and writes a row for each task; p and verdict are corrected for all of them
(Holm). The split `dev` is for choices on the way;
`test` is asked once, at the end.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import re
import sys
from functools import cache, partial
from pathlib import Path

import bm25s
import numpy as np

from llmops_utils.agents import Agent, calculate, extract_code, run_code
from llmops_utils.core import DATA, load_settings, write_whole
from llmops_utils.datasets import (
    INTENTS,
    SENTIMENTS,
    URGENCIES,
    Example,
    load_date_questions,
    load_fact_questions,
    load_graded_answers,
    load_handbook_questions,
    load_messages,
    load_notes,
    load_orders,
    load_task_chains,
    load_word_problems,
    make_examples,
)
from llmops_utils.evaluation import (
    Answer,
    ChoiceMatch,
    Contains,
    Score,
    ValueMatch,
    adjust_holm,
    compare,
    estimate_proportion,
    evaluate,
)
from llmops_utils.evaluation.agreement import measure_agreement
from llmops_utils.evaluation.metrics import SIGNIFICANT
from llmops_utils.models import Model, fetch_weights, load_catalog
from llmops_utils.rag import LexicalIndex, load_pages, measures, split_pages
from llmops_utils.training import read_adapter, read_llama

sys.path.insert(0, str(DATA))
from make_adapter import ABSENT, FORMS, find_order, pose_judgement, search_notes

PRODUCTS = ("kettle", "grinder", "scale", "none")
LABELS = {"intent": INTENTS, "sentiment": SENTIMENTS, "urgency": URGENCIES, "product": PRODUCTS}
TOPICS = ("assert", "bltin-null-object", "import", "lambda", "naming", "while")  # of Python's reference, as it ships
LONGEST = 700  # tokens of a topic


def label(model, field, text):
    """Return the label of a message."""
    return model.chat(f"{text}\n{field.capitalize()}:", choices=LABELS[field], max_tokens=8)


def solve(model, form, question):
    """Return the answer to a problem in one of the four forms."""
    reply = model.chat(f"{question}\n{form}", max_tokens=8 if form == "Answer:" else 120)
    if form == "Python:":
        outcome = run_code(extract_code(reply.text))
        return Answer(None if outcome.value is None else str(outcome.value), (reply,), [{"error": outcome.error}])
    if form == "Formula:":
        outcome = calculate(reply.text.strip())
        return Answer(outcome.value, (reply,), [{"error": outcome.error}])
    return Answer(reply.text.split("answer is")[-1].strip(" ."), (reply,))


@cache
def cut_handbook():
    """Return the pages of the handbook, their chunks and an index of words."""
    pages = load_pages(DATA / "handbook")
    chunks = split_pages(pages)
    return pages, chunks, LexicalIndex(chunks)


def choose_passage(question):
    """Return the chunk that holds the answer to a question, or the nearest one by words where none does."""
    pages, chunks, index = cut_handbook()
    if not question.pages:
        return index.find_matching(question.question, 1)[0][0]
    gold = measures.locate_passages(question.passages, question.pages, pages)
    return max(chunks, key=lambda chunk: measures.measure_recall([chunk], gold[:1]))


def read_passage(model, passages, question):
    """Return the answer to a question from its passage."""
    chunk = passages[question]
    title = " > ".join(filter(None, [chunk.page.title, chunk.heading]))
    prompt = f"{title}\n{chunk.text}\n\nQuestion: {question}\nAnswer with words of the text:"
    return model.chat(prompt, max_tokens=40)


def judge(model, cases, number):
    """Return the verdict on an answer."""
    case = cases[number]
    prompt = pose_judgement(case.question, case.reference, case.answer)
    reply = model.chat(prompt, max_tokens=24)
    return Answer(reply.text.rsplit(">", 1)[-1].strip(" ."), (reply,), [{"wrote": reply.text}])


@cache
def build_tools():
    """Return the tools of lesson 08_1, over the orders and notes of the course."""
    orders = {order.id: order for order in load_orders()}
    sentences = [(note.title, part) for note in load_notes() for part in re.split(r"(?<=\.) (?=[A-Z])", note.text)]
    index = bm25s.BM25()
    index.index(bm25s.tokenize([" ".join(pair) for pair in sentences], show_progress=False), show_progress=False)

    def look_up(order_id: str) -> str:
        found = re.search(r"PW-\d{5}", order_id)
        if not found or found[0] not in orders:
            raise ValueError(f"there is no order {order_id}")
        order = orders[found[0]]
        return (
            f"model {order.model}, quantity {order.quantity}, price {order.unit_price_eur}, postage {order.postage_eur},"
            f" status {order.status}, delivered on {order.delivered_on}, country {order.country}"
        )

    def search(query: str) -> str:
        places, _ = index.retrieve(bm25s.tokenize(query, show_progress=False), k=1, show_progress=False)
        return sentences[int(places[0, 0])][1]

    def work_out(expression: str) -> str:
        outcome = calculate(expression)
        if not outcome.is_ok:
            raise ValueError(outcome.error)
        return f"{outcome.value:.10g}"

    tools = ((look_up, find_order), (search, search_notes), (work_out, calculate))
    for function, described in tools:
        function.__name__, function.__doc__ = described.__name__, described.__doc__
    return [function for function, _ in tools]


def use_tools(model, question):
    """Return the answer of an agent with its trace."""
    trace = Agent(model, build_tools(), max_steps=5).run(question)
    return Answer(trace.answer, trace.replies, trace.to_dicts())


def state_fact(model, question):
    """Return the answer to a question about the world."""
    return model.chat(f"{question} Answer in a few words.", max_tokens=24)


def measure_text(llama, adapter=None):
    """Return the nats per token on pages of Python's reference, which nothing was trained on here."""
    from pydoc_data.topics import topics

    nats, num = 0.0, 0
    for topic in TOPICS:
        ids = llama.tokenizer.encode(topics[topic])[:LONGEST]
        scores = llama.compute_logits(ids, adapter)[:-1].astype(np.float64)
        scores -= scores.max(-1, keepdims=True)
        chances = scores[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(scores).sum(-1))
        nats, num = nats - chances.sum(), num + len(ids) - 1
    return round(nats / num, 4), num


def score_reading(prediction, expected):
    """Return 1 where the answer holds the expected words, or refuses where they are not in the passage."""
    has_refused = ABSENT in prediction.lower()
    if expected == ABSENT or has_refused:
        return Score(float(has_refused and expected == ABSENT))
    return Contains()(prediction, expected)


def score_fact(prediction, expected):
    """Return 1 where one of the accepted answers stands in the prediction."""
    return Contains()(prediction, expected.split(" | "))


def list_tasks(split, most):
    """Yield the name of each task with its examples, its scorer and its system, which takes a model and an input."""
    messages = load_messages(split)[:most]
    for field, labels in LABELS.items():
        yield field, make_examples(messages, "text", field), ChoiceMatch(labels), fill(label, field)
    questions = load_handbook_questions(split)[:most]
    passages = {one.question: choose_passage(one) for one in questions}
    examples = [Example(one.id, one.question, one.answer if one.pages else ABSENT) for one in questions]
    yield "reading", examples, score_reading, fill(read_passage, passages)
    cases = {case.id: case for case in load_graded_answers(split)[:most]}
    judged = make_examples(cases.values(), "id", "label")
    yield "judging", judged, ChoiceMatch(("right", "wrong")), fill(judge, cases)
    for kind, problems in (("words", load_word_problems(split)[:most]), ("dates", load_date_questions(split)[:most])):
        for form in FORMS:
            if kind == "words" or form != "Formula:":  # a date is no formula of arithmetic
                examples = make_examples(problems, "question", "answer")
                yield f"{kind}, {form.strip(':').lower()}", examples, ValueMatch(), fill(solve, form)
    chains = make_examples(load_task_chains(split)[:most], "question", "answer")
    yield "agent", chains, ValueMatch(), use_tools
    facts = [Example(one.id, one.question, " | ".join(one.accepted)) for one in load_fact_questions()[:most]]
    yield "facts", facts, score_fact, state_fact


def fill(system, *first):
    """Return a system whose arguments between model and input are given."""
    return lambda model, text: system(model, *first, text)


def tell(task, base, tuned):
    """Return the row of a task: both reports and their comparison."""
    compared = compare(base, tuned)
    row = {"id": task, "num": compared.num, **name_parts("change", compared.difference)}
    row |= {"p": compared.p, "verdict": compared.verdict}
    for name, report in (("base", base), ("tuned", tuned)):
        row |= name_parts(name, report.score)
        row |= {f"{name}_tokens": round(report.prompt_tokens, 1), f"{name}_s": round(report.latency_s, 2)}
        row[f"{name}_more"] = tell_more(report) or "none"
    return row


def name_parts(name, estimate):
    """Return value and bounds of an interval under a name."""
    parts = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return {part: round(float(value), 4) for part, value in parts.items()}


def tell_more(report):
    """Return what a score alone does not say: refusals, agreement beyond chance, calls that depend on each other."""
    rows = report.rows
    if rows[0].id.startswith("g"):
        topics = {case.id: case.topic for case in load_graded_answers()}
        agreement = measure_agreement(
            [r.prediction for r in rows], [r.expected for r in rows], [topics[r.id] for r in rows]
        )
        return f"kappa {agreement.kappa}"
    if any(row.expected == ABSENT for row in rows):
        groups = {True: [], False: []}
        for row in rows:
            groups[row.expected == ABSENT].append(row)
        refused = {kind: [ABSENT in str(row.prediction).lower() for row in of] for kind, of in groups.items()}
        right = [row.score for row in groups[False]]
        balanced = (np.mean(refused[True]) + 1 - np.mean(refused[False])) / 2
        answered = estimate_proportion(int(sum(right)), len(right))
        return f"answered {answered} of {len(right)}; balanced accuracy of refusals {balanced:.0%}"
    if any(row.trace and "action" in row.trace[0] for row in rows):
        done = [row for row in rows if row.score]
        several = sum(sum(not step["is_error"] for step in row.trace) > 1 for row in done)
        return f"{several} of {len(done)} right ones with two or more calls"
    return ""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("split", choices=("dev", "test"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--adapter", default="pellworth", help="name in the catalog, or a file")
    parser.add_argument("--most", type=int, help="examples of each task; default: all")
    parser.add_argument("--tasks", default="", help="only tasks whose name begins so, separated by commas")
    parser.add_argument("--show", action="store_true", help="print some answers of the adapter")
    chosen = parser.parse_args()
    os.environ["LLMOPS_EXAMPLES"] = "1000"  # of a test split, which live is a few
    adapter = Path(chosen.adapter) if chosen.adapter.endswith(".gguf") else chosen.adapter
    settings = load_settings(mode="live", provider="embedded", model=None, base_url=None)
    models = [Model("measured", settings=settings), Model("measured", settings=settings, adapter=adapter)]
    told = []
    for name, examples, scorer, system in list_tasks(chosen.split, chosen.most):
        if not name.startswith(tuple(chosen.tasks.split(","))):
            continue
        reports = [evaluate(partial(system, model), examples, scorer, name=name) for model in models]
        told.append(tell(name, *reports))
        print(told[-1], flush=True)
        if chosen.show:
            for row in reports[1].rows[:6]:
                print(
                    "   ",
                    repr(row.input[-90:]),
                    row.expected,
                    "|",
                    str(row.prediction)[:150],
                    row.score,
                    row.trace or "",
                )
    for row, p in zip(told, adjust_holm([row["p"] for row in told]), strict=True):
        row |= {"p": float(f"{p:.3g}"), "verdict": row["verdict"] if p < SIGNIFICANT else "cannot tell"}
    text = io.StringIO()
    writer = csv.DictWriter(text, told[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(told)
    write_whole(chosen.file, text.getvalue())
    print(tell_text(models[1].connection.adapter.path))


def tell_text(adapter):
    """Return the nats per token of general text, without the adapter and with it."""
    [weights] = fetch_weights(load_catalog().find_local("smollm2-135m-instruct"), load_settings().home).values()
    llama = read_llama(weights)
    base, num = measure_text(llama)
    tuned, _ = measure_text(llama, read_adapter(adapter, llama.sha256))
    return f"{num} tokens of Python's reference: {base} nats per token, with the adapter {tuned}"


if __name__ == "__main__":
    sys.exit(main())
