"""Claims about the tasks with two and three dependent calls: each answer is worked out once more by the agent's tools."""

import csv
import re
from collections import Counter
from pathlib import Path

from llmops_utils.agents import calculate
from llmops_utils.datasets import load_notes, load_orders, load_task_chains, load_tasks

TOOLS = {
    "order+note": "find_order search_notes",
    "order+arithmetic": "find_order calculate",
    "order+note+arithmetic": "find_order search_notes calculate",
    "order+order+arithmetic": "find_order find_order calculate",
}
ORDERS = {order.id: order for order in load_orders()}
PRODUCTS = {order.model: order.product for order in ORDERS.values()}
CHAINS = load_task_chains()
SHOWN = re.compile(
    r"model (?P<model>.+), quantity (?P<quantity>\d), price (?P<price>\S+), postage (?P<postage>\S+), "
    r"status (?P<status>.+), delivered on (?P<year>\w+)\S*, country (?P<country>.+)"
)
with Path(__file__).with_name("chain_rules.csv").open(encoding="utf-8", newline="") as file:
    # A worked way for each task: what to search for, where the fact stands in the sentence, what is computed from both.
    RULES = {rule["id"]: rule for rule in csv.DictReader(file)}


def find_ids(question):
    return list(dict.fromkeys(re.findall(r"PW-\d{5}", question)))


def work_out(task, rule, tracer, search):
    """Return the answer to a task and the tools used, from what the tools show and nothing else."""
    used, known = [], {}
    for mark, name in zip(("", "2"), find_ids(task.question), strict=False):
        fields = SHOWN.fullmatch(tracer.find_order(ORDERS[name])).groupdict()
        known |= {f"{field}{mark}": value for field, value in fields.items()}
        used.append("find_order")
    known["product"] = PRODUCTS[known["model"]]
    if rule["query"]:
        known["a"] = re.search(rule["fact"].format(**known), search(rule["query"].format(**known)))[1]
        used.append("search_notes")
    if rule["compute"] == "yes or no":
        return "yes" if known["status"] == known["a"] else "no", used
    if re.search("[-+*/]", rule["compute"]):
        result = calculate(rule["compute"].format(**known)).value
        return f"{result:.10g}", [*used, "calculate"]
    fact = rule["compute"] or known["a"]
    return f"{float(fact):g}", used


def test_tools_find_the_answer_of_every_task(tracer):
    search = tracer.build_search(load_notes())
    for task in CHAINS:
        answer, used = work_out(task, RULES[task.id], tracer, search)
        assert (answer, tuple(used)) == (task.answer, task.tools), task.id
    assert list(RULES) == [task.id for task in CHAINS]


def test_kinds_take_turns_and_need_two_or_three_calls():
    for split, num in (("dev", 6), ("test", 26)):
        assert [task.kind for task in load_task_chains(split)] == [*TOOLS] * num
    assert [task.id for task in CHAINS if " ".join(task.tools) != TOOLS[task.kind]] == []
    assert Counter(len(task.tools) for task in CHAINS) == {2: 64, 3: 64}


def test_orders_belong_to_one_split_and_questions_to_one_task():
    splits = {}
    for task in [*load_tasks(), *CHAINS]:
        for name in find_ids(task.question):
            splits.setdefault(name, set()).add(task.split)
    assert [name for name, found in splits.items() if len(found) > 1 or name not in ORDERS] == []
    texts = [re.sub(r"\d", "", task.question.casefold()) for task in CHAINS]
    assert len(set(texts)) == len(texts) == 128
    for task in CHAINS:
        assert 8 <= len(task.question.split()) <= 25, task.id
        # No answer can be copied from the question.
        assert task.answer not in re.findall(r"\d+(?:\.\d+)?", re.sub(r"PW-\d+", "", task.question)), task.id
