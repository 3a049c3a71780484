"""New traces of an agent that answers questions about orders: question, calls of tools, observations, answer.

    python data/make_traces.py 200 7 traces.jsonl

writes 200 of them, drawn with the seed 7, as lines of JSON. The tools are `find_order` and `calculate`, as chapter 08
defines them. Half of the questions ask for a field of the order, half need a calculation as well. No order stands in
`orders.csv`, so no question stands in `agent_tasks.csv`; its wordings do: they are those of `templates.toml`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from make_problems import fill_in, load_templates

from llmops_utils.agents import Step, Trace, calculate
from llmops_utils.core import write_whole
from llmops_utils.datasets import Order, load_notes, load_orders

FREE_FROM = Decimal(60)  # EUR of goods from which postage is free, as in the note n09
STATUSES = ("packed", "shipped", "delivered", "returned", "in repair")


def make_traces(num: int, seed: int) -> list[Trace]:
    """Return new traces, in turn one with a look-up and one with a calculation; the same seed gives the same ones."""
    rng = random.Random(seed)
    fields, sums = load_templates("field"), load_templates("sum")
    postage, orders = load_postage(), load_orders()
    numbers = rng.sample(sorted(set(range(10_000, 100_000)) - {int(order.id[3:]) for order in orders}), num)
    traces = []
    for turn, number in enumerate(numbers):
        template = rng.choice(sums if turn % 2 else fields)
        is_kept = "formula" in template or template["field"] == "delivered_on"
        order = draw_order(f"PW-{number}", orders, postage, is_kept, rng)
        traces.append(build_trace(order, template, rng))
    return traces


def load_postage() -> dict[str, str]:
    """Return the postage to each country, from the note n08."""
    (note,) = [note for note in load_notes() if note.id == "n08"]
    zones = re.findall(r"\(([^)]+)\) (\d+\.\d\d) EUR", note.text)
    return {country: postage for countries, postage in zones for country in countries.split(", ")}


def draw_order(id: str, orders: list[Order], postage: dict[str, str], is_kept: bool, rng: random.Random) -> Order:
    """Return a new order of one of the customers; one that `is_kept` was delivered and has two pieces or more."""
    order, sold = rng.choice(orders), rng.choice(orders)
    quantity = rng.randint(2 if is_kept else 1, 4)
    status = "delivered" if is_kept else rng.choice(STATUSES)
    ordered_on = date(2025, 6, 2) + timedelta(days=rng.randrange(270))
    delivered_on = ordered_on + timedelta(days=rng.randint(3, 12))
    return replace(
        order,
        id=id,
        product=sold.product,
        model=sold.model,
        quantity=quantity,
        unit_price_eur=sold.unit_price_eur,
        postage_eur="0.00" if quantity * Decimal(sold.unit_price_eur) >= FREE_FROM else postage[order.country],
        status=status,
        ordered_on=str(ordered_on),
        delivered_on="none" if status in ("packed", "shipped") else str(delivered_on),
    )


def find_order(order: Order) -> str:
    """Return what the agent's tool of that name shows of an order."""
    return (
        f"model {order.model}, quantity {order.quantity}, price {order.unit_price_eur}, postage {order.postage_eur}, "
        f"status {order.status}, delivered on {order.delivered_on}, country {order.country}"
    )


def build_trace(order: Order, template: dict, rng: random.Random) -> Trace:
    """Return the trace that answers a question about an order."""
    texts = {
        "quantity": str(order.quantity),
        "price": order.unit_price_eur,
        "postage": order.postage_eur,
        "percent": str(rng.choice((5, 10, 20, 30))),
        "more": str(rng.randint(2, 9)),
    }
    question = rng.choice(template["wordings"]).format(id=order.id, **texts)
    steps = [Step(f"{order.id}: the order", "find_order", order.id, find_order(order))]
    if "field" in template:
        return Trace(question, str(getattr(order, template["field"])), tuple(steps), "finished")
    expression = fill_in(template["formula"], texts)
    answer = f"{calculate(expression).value:.10g}"
    thought = " and ".join(re.findall(r"\d[\d.]*", expression)) + ": calculate"
    steps.append(Step(thought, "calculate", expression, answer))
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
