"""New traces of an agent that answers questions to the assistant: question, calls of tools, observations, answer.

    python data/make_traces.py 200 7 traces.jsonl

writes 200 of them, drawn with the seed 7, as lines of JSON, in turn with one, two and three calls. The tools are
`find_order`, `search_notes` and `calculate`, as lesson 08_1 defines them, over orders and notes of their own: no order
stands in `orders.csv`, and the notes are those of `training/notes.csv`, whose numbers are drawn anew again and again, so
that an answer has to be read in the observation. The wordings are those of `training/templates.toml`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import bm25s
from make_problems import CHOICES, WEEKDAYS, load_templates

from llmops_utils.agents import Step, Trace, calculate
from llmops_utils.core import write_whole
from llmops_utils.datasets import Note, Order, load_orders, load_records

NOTES_EVERY = 20  # traces after which the numbers of the notes are drawn anew
STATUSES = ("packed", "shipped", "delivered", "returned", "in repair")
MODELS = {
    "kettle": ("Brisa 1.0", "Brisa 1.7", "Nuvia 1.5"),
    "grinder": ("Mola 40", "Mola 64", "Tarka 12"),
    "scale": ("Libra 2", "Libra 5"),
}
COUNTRIES = (
    *("Austria", "Belgium", "Croatia", "Denmark", "Finland", "France", "Germany", "Greece"),
    *("Ireland", "Italy", "Luxembourg", "Netherlands", "Poland", "Portugal", "Slovenia", "Spain", "Sweden"),
)
COLOURS = ("red", "green", "blue", "black", "yellow", "orange", "grey", "white", "brown")
FREE_FROM = 150  # EUR of goods from which the new orders have no postage
CALL = re.compile(r"(.+) > (\w+)\((.*)\)")  # thought, tool, argument


def make_traces(num: int, seed: int) -> list[Trace]:
    """Return new traces, in turn with one, two and three calls; the same seed gives the same ones and none twice."""
    rng = random.Random(seed)
    kinds: dict[int, dict[str, list[dict]]] = {1: {}, 2: {}, 3: {}}
    for template in load_templates("agent"):
        tools = " ".join(CALL.fullmatch(call)[2] for call in template["calls"])
        kinds[len(template["calls"])].setdefault(tools, []).append(template)
    notes = load_records(Note, "training/notes.csv")
    known = {order.id for order in load_orders()}
    traces: dict[Trace, None] = {}
    while len(traces) < num:
        if len(traces) % NOTES_EVERY == 0:
            search = build_search([replace(note, text=redraw(note.text, rng)) for note in notes])
        groups = [*kinds[len(traces) % 3 + 1].values()]
        [templates] = rng.choices(groups, [len(group) ** 0.5 for group in groups])
        trace = draw_trace(rng.choice(templates), search, known, rng)
        if trace is not None:
            traces[trace] = None
    return [*traces]


def redraw(text: str, rng: random.Random) -> str:
    """Return the text of a note with other numbers of about the same size, another weekday and another colour."""

    def draw(found: re.Match) -> str:
        number = Decimal(found[1])
        if found[2] and number % 12 == 0:
            return f"{12 * rng.randint(1, 6)} months"  # whole years stay whole
        if "." in found[1]:
            return f"{rng.randint(int(number * 6), int(number * 16)) / 10:.2f}{found[2] or ''}"
        least, most = max(2, math.ceil(number * Decimal("0.6"))), int(number * Decimal("1.6")) + 1
        return f"{rng.randint(least, most)}{found[2] or ''}"

    text = re.sub(r"(\d+(?:\.\d+)?)( months)?", draw, text)
    for words in (WEEKDAYS, COLOURS):
        text = re.sub(rf"\b({'|'.join(words)})\b", lambda _, words=words: rng.choice(words), text)
    return text


def build_search(notes: list[Note]) -> Callable[[str], str]:
    """Return the agent's tool `search_notes` over some notes: the sentence that fits a query best, by BM25."""
    sentences = [(note.title, sentence) for note in notes for sentence in re.split(r"(?<=\.) (?=[A-Z])", note.text)]
    index = bm25s.BM25()
    index.index(bm25s.tokenize([" ".join(pair) for pair in sentences], show_progress=False), show_progress=False)

    def search_notes(query: str) -> str:
        places, _ = index.retrieve(bm25s.tokenize(query, show_progress=False), k=1, show_progress=False)
        return sentences[int(places[0, 0])][1]

    return search_notes


def find_order(order: Order) -> str:
    """Return what the agent's tool of that name shows of an order."""
    return (
        f"model {order.model}, quantity {order.quantity}, price {order.unit_price_eur}, postage {order.postage_eur}, "
        f"status {order.status}, delivered on {order.delivered_on}, country {order.country}"
    )


def draw_order(template: dict, known: set[str], rng: random.Random) -> Order:
    """Return a new order that fits the template; its id is not known and is added to those that are."""
    product = rng.choice([*MODELS])
    quantity = rng.randint(template.get("pieces", 1), 4)
    price = f"{rng.randint(12, 139)}.{rng.choice(('00', '40', '50', '90'))}"
    status = rng.choice(template.get("status", STATUSES))
    ordered_on = date(2025, 6, 2) + timedelta(days=rng.randrange(270))
    delivered_on = ordered_on + timedelta(days=rng.randint(3, 12))
    id = next(id for _ in range(99) if (id := f"PW-{rng.randrange(10_000, 100_000)}") not in known)
    known.add(id)
    return Order(
        id=id,
        customer="none",
        product=product,
        model=rng.choice(MODELS[product]),
        quantity=quantity,
        unit_price_eur=price,
        postage_eur="0.00" if quantity * Decimal(price) >= FREE_FROM else rng.choice(("3.70", "5.60", "8.40")),
        status=status,
        ordered_on=str(ordered_on),
        delivered_on="none" if status in ("packed", "shipped") else str(delivered_on),
        country=rng.choice(COUNTRIES),
    )


def draw_trace(template: dict, search: Callable[[str], str], known: set[str], rng: random.Random) -> Trace | None:
    """Return a trace from a template, or None where its result is not above 0 or has more than two decimals."""
    texts, shown = {}, {}
    for mark in ("", "2"):
        order = draw_order(template, known, rng)
        fields = vars(order) | {"price": order.unit_price_eur, "postage": order.postage_eur}
        fields |= {"year": order.delivered_on[:4], "day": order.delivered_on[8:]}
        texts |= {f"{name}{mark}": str(value) for name, value in fields.items()}
        shown[order.id] = find_order(order)
    texts |= {name: str(rng.choice(CHOICES[kind])) for name, kind in template.get("numbers", {}).items()}
    wording = rng.choice(template["wordings"]).format(**texts)
    keys = re.findall(r"\[(.+?)\]", wording)
    question, texts["key"] = re.sub(r"[\[\]]", "", wording), ", ".join(keys)
    texts |= {f"key{place}": key for place, key in enumerate(keys, 1)}
    letters, facts, steps = iter("abcd"), iter(template.get("facts", ())), []
    for call in template["calls"]:
        thought, tool, argument = CALL.fullmatch(call.format(**texts)).groups()
        if tool == "find_order":
            observation = shown[argument]
        elif tool == "search_notes":
            observation = search(argument)
            found = re.search(next(facts).format(**texts), observation)
            if found is None:
                raise ValueError(f"{argument!r} finds {observation!r}, which does not answer {question!r}")
            texts |= {letter: fact for fact, letter in zip(found.groups(), letters, strict=False)}
        else:
            value = 0 if re.search(r"(?<![\d.])0\d", argument) else calculate(argument).value  # day 05 is no number
            if value <= 0 or round(value, 2) != round(value, 8):
                return None
            observation = f"{value:.10g}"
        steps.append(Step(thought, tool, argument, observation))
    answer = observation if tool == "calculate" else template.get("answer", "{a}").format(**texts)
    return Trace(question, answer, tuple(steps), "finished")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("path", type=Path)
    wanted = parser.parse_args()
    traces = make_traces(wanted.num, wanted.seed)
    lines = [{"question": trace.question, "steps": trace.to_dicts(), "answer": trace.answer} for trace in traces]
    write_whole(wanted.path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


if __name__ == "__main__":
    main()
