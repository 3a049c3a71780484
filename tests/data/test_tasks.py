"""Claims about the orders, the agent's tasks of one and of several calls, whose answers are derived again, and new traces."""

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from llmops_utils.agents import calculate
from llmops_utils.core import DATA
from llmops_utils.datasets import Note, load_notes, load_orders, load_records, load_task_chains, load_tasks

KINDS = ("order", "arithmetic", "note", "order+arithmetic", "note+arithmetic")
TOOLS = {
    "order+note": "find_order search_notes",
    "order+arithmetic": "find_order calculate",
    "order+note+arithmetic": "find_order search_notes calculate",
    "order+order+arithmetic": "find_order find_order calculate",
}
ORDERS = {order.id: order for order in load_orders()}
PRODUCTS = {order.model: order.product for order in ORDERS.values()}
CHAINS = load_task_chains()
NOTES = {note.id: note.text for note in load_notes()}
SHOWN = re.compile(
    r"model (?P<model>.+), quantity (?P<quantity>\d), price (?P<price>\S+), postage (?P<postage>\S+), "
    r"status (?P<status>.+), delivered on (?P<year>\w+)\S*, country (?P<country>.+)"
)


def read_rules(name):
    with Path(__file__).with_name(f"{name}_rules.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# What stands in a question; where the facts stand in the notes (a note and a pattern each); what is computed from the
# numbers of the question and then those of the facts.
RULES = read_rules("task")
# A worked way for each chain: what to search for, where the fact stands in the sentence, what is computed from both.
WAYS = {rule["id"]: rule for rule in read_rules("chain")}


def find_ids(question):
    return list(dict.fromkeys(re.findall(r"PW-\d{5}", question)))


def shorten(number):
    """Return a number as an answer states it; four decimals, so that a wrong one is not rounded to the right one."""
    return f"{Decimal(number):.4f}".rstrip("0").rstrip(".")


def get_numbers(question):
    """Return the numbers of a question, without those in order ids."""
    return [Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"PW-\d+", "", question))]


def get_order(task):
    (name,) = find_ids(task.question)
    return ORDERS[name]


def get_zone(country):
    """Return zone and postage as the handbook states them."""
    zones = re.findall(r"zone (\d) \(([^)]+)\) (\S+) EUR", NOTES["n08"])
    (found,) = [(int(zone), postage) for zone, countries, postage in zones if country in countries.split(", ")]
    return found


def test_an_order_has_the_forms_it_promises_and_its_postage_and_days_are_those_of_the_handbook():
    free_from = Decimal(re.search(r"From (\d+) EUR", NOTES["n09"])[1])
    days = {int(zone): int(num) for num, zone in re.findall(r"(\d+) working days in zone (\d)", NOTES["n10"])}
    closed = ("2025-12-25", "2025-12-26", "2026-01-01")
    for order in ORDERS.values():
        assert re.fullmatch(r"PW-[123]\d{4}", order.id)
        assert re.fullmatch(r"\d+\.\d\d", order.unit_price_eur), order.id
        assert order.product in ("kettle", "grinder", "scale"), order.id
        assert order.status in ("packed", "shipped", "delivered", "returned", "in repair"), order.id
        assert (order.delivered_on == "none") == (order.status in ("packed", "shipped")), order.id
        assert order.quantity in range(1, 5), order.id
        zone, postage = get_zone(order.country)
        goods = order.quantity * Decimal(order.unit_price_eur)
        assert order.postage_eur == ("0.00" if goods >= free_from else postage), order.id
        if order.delivered_on != "none":
            start, end = date.fromisoformat(order.ordered_on), date.fromisoformat(order.delivered_on)
            between = [start + timedelta(days=num) for num in range((end - start).days + 1)]
            num_working = sum(day.weekday() < 5 and day.isoformat() not in closed for day in between)
            assert num_working - 1 in (days[zone], days[zone] + 1), order.id  # packed the same or the next working day
    dates = [order.ordered_on for order in ORDERS.values()]
    assert dates == sorted(dates)
    assert len({(order.model, order.unit_price_eur, order.product) for order in ORDERS.values()}) == 8
    assert (len({order.model for order in ORDERS.values()}), len(ORDERS)) == (8, 60)


def test_splits_are_balanced_over_the_kinds_and_share_no_order_and_no_question_comes_twice():
    for split, num in (("dev", 8), ("test", 24)):
        assert [task.kind for task in load_tasks(split)] == list(KINDS) * num
    assert sorted(Counter(task.kind for task in load_tasks("shots")).values()) == [1, 1, 2, 2, 2]
    tasks, splits = load_tasks(), {}
    assert len({task.question.casefold() for task in tasks}) == 168
    texts = [re.sub(r"\d", "", task.question.casefold()) for task in CHAINS]
    assert len(set(texts)) == len(texts) == 128
    for task in [*tasks, *CHAINS]:
        for name in find_ids(task.question):
            splits.setdefault(name, set()).add(task.split)
    assert len(splits) > 40
    assert [name for name, found in splits.items() if len(found) > 1 or name not in ORDERS] == []


def test_questions_and_answers_are_short_and_tools_follow_from_the_kind():
    patterns = {
        "order": "find_order",
        "arithmetic": "calculate",
        "note": "search_notes",
        "order+arithmetic": "find_order calculate",
        "note+arithmetic": "(search_notes ){1,2}calculate",
    }
    for task in load_tasks():
        assert 8 <= len(task.question.split()) <= 25, task.id
        assert re.fullmatch(patterns[task.kind], " ".join(task.tools)), task.id
        if re.fullmatch(r"[\d.]+", task.answer):
            assert task.answer == shorten(task.answer), task.id
        assert len(task.answer.split()) <= 2, task.id


def test_answers_about_one_field_stand_in_the_order():
    patterns = {
        "delivered_on": r"date\b|\bWhen\b",
        "quantity": "[Hh]ow many|quantity",
        "country": "country",
        "status": "status|in repair",
        "model": "model",
    }
    asked = Counter()
    for task in load_tasks():
        if task.kind == "order":
            field = next(name for name, pattern in patterns.items() if re.search(pattern, task.question))
            asked[field] += 1
            assert task.answer == str(getattr(get_order(task), field)), task.id
    assert sorted(asked.values()) == [6, 6, 7, 7, 7]


def derive_amount(question, order):
    """Return what kind of question about amounts it is, and the answer."""
    price, numbers = Decimal(order.unit_price_eur), get_numbers(question)
    if "percent" in question:
        share = Decimal(re.search(r"(\d+) percent", question)[1])
        return "refund", share / 100 * price * (order.quantity if "all the goods" in question else 1)
    if "4.90 EUR return postage" in question:
        return "refund", price * (order.quantity if re.search(r"\b[Aa]ll\b", question) else 1) - Decimal("4.90")
    if "keeps" in question:
        return "refund", (order.quantity - 1) * price
    if re.search("added to|Suppose|pieces added", question):
        return "more", (order.quantity + numbers[0]) * price
    if numbers:
        return "more", numbers[0] * price
    return "total", order.quantity * price + Decimal(order.postage_eur)


def test_amounts_follow_from_the_order():
    sorts = Counter()
    for task in load_tasks():
        if task.kind == "order+arithmetic":
            order = get_order(task)
            sort, amount = derive_amount(task.question, order)
            sorts[sort] += 1
            assert task.answer == shorten(amount), task.id
            assert sort != "total" or amount != Decimal(order.unit_price_eur), "nothing to calculate"
            assert sort != "refund" or (order.status, order.quantity > 1) == ("delivered", True), task.id
    assert sorts == {"total": 12, "refund": 11, "more": 11}


def test_all_other_answers_follow_from_the_numbers_in_the_question_and_the_notes():
    used = set()
    for task in load_tasks():
        if "order" in task.kind:
            continue
        fitting = [rule for rule in RULES if rule["kind"] == task.kind and rule["words"] in task.question]
        assert len(fitting) == 1, task.id
        rule = fitting[0]
        used.add((rule["kind"], rule["words"]))
        places = [fact.split(" ", 1) for fact in rule["facts"].split(" || ") if fact]
        facts = [re.search(pattern, NOTES[note])[1] for note, pattern in places]
        assert task.tools.count("search_notes") == len({note for note, _ in places}), task.id
        if rule["compute"]:
            compute = eval(f"lambda {rule['compute']}")
            answer = shorten(compute(*get_numbers(task.question), *map(Decimal, facts)))
        else:
            answer = shorten(facts[0]) if facts[0][0].isdigit() else facts[0]
        assert task.answer == answer, task.id
    assert len(used) == len(RULES) == 101
    assert {rule["facts"][:3] for rule in RULES if rule["kind"] == "note"} == set(NOTES)


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


def test_tools_find_the_answer_of_every_chain(tracer):
    search = tracer.build_search(load_notes())
    for task in CHAINS:
        answer, used = work_out(task, WAYS[task.id], tracer, search)
        assert (answer, tuple(used)) == (task.answer, task.tools), task.id
    assert list(WAYS) == [task.id for task in CHAINS]


def test_kinds_of_chains_take_turns_and_no_answer_can_be_copied_from_the_question():
    for split, num in (("dev", 6), ("test", 26)):
        assert [task.kind for task in load_task_chains(split)] == [*TOOLS] * num
    for task in CHAINS:
        assert " ".join(task.tools) == TOOLS[task.kind], task.id
        assert 8 <= len(task.question.split()) <= 25, task.id
        assert task.answer not in map(str, get_numbers(task.question)), task.id


@pytest.fixture(scope="module")
def traces(tracer):
    return tracer.make_traces(90, 3)


def test_new_traces_repeat_with_their_seed_and_name_no_order_of_the_course(tracer, traces):
    assert traces[:9] == tracer.make_traces(9, 3) != tracer.make_traces(9, 2)
    assert len(set(traces)) == 90
    assert [len(trace.steps) for trace in traces] == [1, 2, 3] * 30
    assert {trace.actions[0] for trace in traces} == {"find_order", "search_notes", "calculate"}
    assert [trace.question for trace in traces if set(find_ids(trace.question)) & set(ORDERS)] == []


def test_another_process_whose_sets_have_another_order_draws_the_same_traces(traces, tmp_path):
    path = tmp_path / "traces.jsonl"
    environment = os.environ | {"PYTHONHASHSEED": "4321"}
    subprocess.run([sys.executable, DATA / "make_traces.py", "40", "3", path], env=environment, check=True)
    questions = [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert questions == [trace.question for trace in traces[:40]]


def list_words(text):
    return set(re.findall(r"[A-Za-z]+|\d+(?:\.\d+)?", re.sub(r"PW-\d{5}", "", text)))


def test_the_answer_of_a_new_trace_follows_from_its_question_and_observations(traces):
    for trace in traces:
        seen = list_words(trace.question)
        for step in trace.steps:
            if step.action == "calculate":  # beside these, numbers are parts of 100, units, twice or "all but 1"
                numbers = set(re.findall(r"\d+(?:\.\d+)?", step.argument))
                assert numbers <= seen | {"1", "2", "4", "12", "60", "100", "1000"}, trace.question
                assert shorten(eval(step.argument)) == step.observation == trace.answer, trace.question
            elif step.action == "find_order":
                assert step.argument in find_ids(trace.question), trace.question
            seen |= list_words(step.observation)
        is_concluded = "without a fee" in step.observation if trace.answer == "0" else trace.answer in ("yes", "no")
        assert is_concluded or trace.answer in step.observation, trace.question


def test_the_last_call_of_a_longer_trace_needs_an_observation(traces):
    products = {"kettle", "grinder", "scale"}  # what a model is stands nowhere: the assistant has to know it
    for trace in traces:
        *steps, last = trace.steps
        observed = set().union(products, *(list_words(step.observation) for step in steps))
        assert not steps or (list_words(last.argument) - list_words(trace.question)) & observed, trace.question


def test_observations_are_those_of_the_tools(traces):
    notes = {fold(note.text) for note in load_records(Note, "training/notes.csv")}
    for step in [step for trace in traces for step in trace.steps]:
        assert re.fullmatch(r"[^.]+(\.\d[^.]*)*\.", step.thought), step.thought  # one sentence
        assert (len(step.thought) <= 90, len(step.argument) <= 60) == (True, True), step.thought
        if step.action == "find_order":
            shown = SHOWN.fullmatch(step.observation)
            assert (shown["year"] == "none") == (shown["status"] in ("packed", "shipped"))
        elif step.action == "search_notes":
            assert any(fold(step.observation) in note for note in notes), step.observation
            assert find_ids(step.argument) == [], step.argument


def fold(text):
    """Return a text without what is drawn anew: numbers, weekdays and colours."""
    drawn = r"\d+(\.\d+)?|\w+day\b|\b(red|green|blue|black|yellow|orange|grey|white|brown)\b"
    return re.sub(drawn, "_", text)
