"""Claims about the handbook, the orders, the agent's tasks and the messages that try or trouble a classifier."""

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import product

import pytest

from llmops_utils.core import DATA

KINDS = ("order", "arithmetic", "note", "order+arithmetic", "note+arithmetic")
INTENTS = ("delivery", "return", "repair", "product", "payment", "change", "account", "feedback")
HEADERS = {
    "notes": "id title text",
    "orders": "order_id customer product model quantity unit_price_eur postage_eur status ordered_on delivered_on "
    "country",
    "agent_tasks": "id split kind question answer tools",
    "injections": "id kind text target",
    "odd_messages": "id kind text intent",
}
SIZES = {"notes": 24, "orders": 60, "agent_tasks": 168, "injections": 24, "odd_messages": 40}


def load(name):
    """Return the rows of a file as dicts."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ORDERS = {row["order_id"]: row for row in load("orders")}
NOTES = {row["id"]: row["text"] for row in load("notes")}
TASKS = load("agent_tasks")


def get_tasks(kind):
    return [task for task in TASKS if task["kind"] == kind]


def shorten(number):
    """Return a number as an answer states it; four decimals, so that a wrong one is not rounded to the right one."""
    return f"{Decimal(number):.4f}".rstrip("0").rstrip(".")


def get_numbers(question):
    """Return the numbers of a question, without those in order ids."""
    return [Decimal(number) for number in re.findall(r"\d+(?:\.\d+)?", re.sub(r"PW-\d+", "", question))]


def get_order(task):
    (name,) = re.findall(r"PW-\d{5}", task["question"])
    return ORDERS[name]


def derive(task, rules):
    """Return the answer by the only rule whose words stand in the question."""
    fitting = [rule for words, rule in rules.items() if words in task["question"]]
    assert len(fitting) == 1, (task["question"], len(fitting))
    return fitting[0]


# All files


@pytest.mark.parametrize("name", SIZES)
def test_a_file_has_its_columns_and_its_number_of_rows(name):
    rows = load(name)
    assert list(rows[0]) == HEADERS[name].split()
    assert len(rows) == SIZES[name]


@pytest.mark.parametrize("name", SIZES)
def test_ids_are_unique_and_rise(name):
    ids = [next(iter(row.values())) for row in load(name)]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("name", SIZES)
def test_no_field_is_missing_or_empty(name):
    assert [row for row in load(name) if None in row or not all((value or "").strip() for value in row.values())] == []


@pytest.mark.parametrize("name", SIZES)
def test_lines_end_the_same_way_on_every_system(name):
    raw = (DATA / f"{name}.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")


@pytest.mark.parametrize("name", SIZES)
def test_no_text_stands_twice(name):
    texts = [" ".join((row.get("text") or row.get("question") or row.get("customer")).split()) for row in load(name)]
    assert len(set(texts)) == len(texts)


# The script


@pytest.fixture
def folder(tmp_path):
    for name in ("make_tasks.py", "notes.csv"):
        shutil.copy(DATA / name, tmp_path)
    return tmp_path


def run(folder):
    return subprocess.run([sys.executable, "make_tasks.py"], cwd=folder, capture_output=True, text=True)


def test_regenerating_gives_the_stored_bytes(folder):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    for name in ("orders.csv", "agent_tasks.csv"):
        assert (folder / name).read_bytes() == (DATA / name).read_bytes()


def test_a_handbook_without_the_fact_stops_the_script(folder):
    notes = (folder / "notes.csv").read_text(encoding="utf-8")
    (folder / "notes.csv").write_text(notes.replace("scale 15 EUR", "scale 16 EUR"), encoding="utf-8")
    done = run(folder)
    assert done.returncode != 0
    assert "“scale 15 EUR” (repair scale) does not stand in n06" in done.stderr
    assert not (folder / "orders.csv").exists()


# The orders


def test_an_order_has_the_forms_it_promises():
    for order in ORDERS.values():
        assert re.fullmatch(r"PW-[123]\d{4}", order["order_id"])
        assert re.fullmatch(r"\d+\.\d\d", order["unit_price_eur"])
        assert order["product"] in ("kettle", "grinder", "scale")
        assert order["status"] in ("packed", "shipped", "delivered", "returned", "in repair")
        assert (order["delivered_on"] == "none") == (order["status"] in ("packed", "shipped"))
        assert int(order["quantity"]) in range(1, 5)


def test_a_model_has_one_price_and_one_product():
    assert len({(order["model"], order["unit_price_eur"], order["product"]) for order in ORDERS.values()}) == 8
    assert len({order["model"] for order in ORDERS.values()}) == 8


def test_numbers_rise_with_the_dates():
    dates = [order["ordered_on"] for order in ORDERS.values()]
    assert dates == sorted(dates)


def get_zone(country):
    """Return zone and postage as the handbook states them."""
    (zone,) = [
        (int(zone), postage)
        for zone, countries, postage in re.findall(r"zone (\d) \(([^)]+)\) (\S+) EUR", NOTES["n08"])
        if country in countries.split(", ")
    ]
    return zone


def test_postage_is_that_of_the_handbook():
    free_from = Decimal(re.search(r"From (\d+) EUR", NOTES["n09"])[1])
    for order in ORDERS.values():
        goods = int(order["quantity"]) * Decimal(order["unit_price_eur"])
        assert order["postage_eur"] == ("0.00" if goods >= free_from else get_zone(order["country"])[1])


def test_delivery_takes_as_long_as_the_handbook_says():
    days = {int(zone): int(num) for num, zone in re.findall(r"(\d+) working days in zone (\d)", NOTES["n10"])}
    closed = ("2025-12-25", "2025-12-26", "2026-01-01")
    for order in ORDERS.values():
        if order["delivered_on"] == "none":
            continue
        start, end = date.fromisoformat(order["ordered_on"]), date.fromisoformat(order["delivered_on"])
        between = [start + timedelta(days=num) for num in range((end - start).days + 1)]
        num_working = sum(day.weekday() < 5 and day.isoformat() not in closed for day in between)
        limit = days[get_zone(order["country"])[0]]
        assert num_working - 1 in (limit, limit + 1), order["order_id"]  # packed the same or the next working day


# The tasks


def test_each_split_is_balanced_over_the_kinds():
    found = Counter((task["split"], task["kind"]) for task in TASKS)
    assert {split: sum(found[split, kind] for kind in KINDS) for split in ("shots", "dev", "test")} == {
        "shots": 8,
        "dev": 40,
        "test": 120,
    }
    assert {found[pair] for pair in product(("dev",), KINDS)} == {8}
    assert {found[pair] for pair in product(("test",), KINDS)} == {24}
    assert {found[pair] for pair in product(("shots",), KINDS)} == {1, 2}


def test_the_first_tasks_of_a_split_are_balanced_as_well():
    for split in ("dev", "test"):
        tasks = [task["kind"] for task in TASKS if task["split"] == split]
        assert tasks == list(KINDS) * (len(tasks) // 5)


def test_splits_share_no_order():
    splits = {}
    for task in TASKS:
        for name in re.findall(r"PW-\d{5}", task["question"]):
            splits.setdefault(name, set()).add(task["split"])
    assert len(splits) > 40
    assert {len(members) for members in splits.values()} == {1}
    assert set(splits) <= set(ORDERS)


def test_a_question_has_8_to_25_words():
    assert [task["question"] for task in TASKS if not 8 <= len(task["question"].split()) <= 25] == []


def test_an_answer_is_a_number_a_date_or_one_or_two_words():
    for task in TASKS:
        answer = task["answer"]
        if re.fullmatch(r"[\d.]+", answer):
            assert answer == shorten(answer)
        elif re.match(r"\d{4}-", answer):
            assert date.fromisoformat(answer).isoformat() == answer
        else:
            assert 1 <= len(answer.split()) <= 2


def test_tools_follow_from_the_kind():
    patterns = {
        "order": "find_order",
        "arithmetic": "calculate",
        "note": "search_notes",
        "order+arithmetic": "find_order calculate",
        "note+arithmetic": "(search_notes ){1,2}calculate",
    }
    assert [task["id"] for task in TASKS if not re.fullmatch(patterns[task["kind"]], task["tools"])] == []


# The answers, derived once more from questions and tables alone


def test_answers_about_one_field_stand_in_the_order():
    asked = Counter()
    for task in get_tasks("order"):
        question, order = task["question"], get_order(task)
        if re.search(r"date\b|\bWhen\b", question):
            field = "delivered_on"
        elif re.search(r"[Hh]ow many|quantity", question):
            field = "quantity"
        elif re.search(r"country", question):
            field = "country"
        elif re.search(r"status|in repair", question):
            field = "status"
        else:
            assert "model" in question
            field = "model"
        asked[field] += 1
        assert task["answer"] == order[field]
    assert sorted(asked.values()) == [6, 6, 7, 7, 7]


def test_amounts_follow_from_the_order():
    sorts = Counter()
    for task in get_tasks("order+arithmetic"):
        question, order = task["question"], get_order(task)
        quantity, price = int(order["quantity"]), Decimal(order["unit_price_eur"])
        numbers = get_numbers(question)
        if "percent" in question:
            sort, share = "refund", next(number for number in numbers if number >= 10)
            amount = share / 100 * price * (quantity if "all the goods" in question else 1)
        elif "4.90 EUR return postage" in question:
            sort, amount = "refund", price * (quantity if re.search(r"\b[Aa]ll\b", question) else 1) - Decimal("4.90")
        elif "keeps" in question:
            sort, amount = "refund", (quantity - 1) * price
        elif re.search("added to|Suppose|pieces added", question):
            sort, amount = "more", (quantity + numbers[0]) * price
        elif numbers:
            sort, amount = "more", numbers[0] * price
        else:
            assert "postage" in question
            sort, amount = "total", quantity * price + Decimal(order["postage_eur"])
            assert amount != price, "nothing to calculate"
        if sort == "refund":
            assert order["status"] == "delivered"
            assert quantity > 1
        sorts[sort] += 1
        assert task["answer"] == shorten(amount)
    assert sorts == {"total": 12, "refund": 11, "more": 11}


ARITHMETIC = {
    "pallet": lambda boxes, each: boxes * each,
    "sold 47 scales": lambda num, price: num * price,
    "discount of": lambda percent, bill: bill * percent / 100,
    "watt hours": lambda watts, minutes: watts * minutes / 60,
    "kWh": lambda energy, num, price: num * energy * price,
    "The till": lambda morning, night: night - morning,
    "change is due": lambda bill, cash: cash - bill,
    "tips": lambda amount, people: amount / people,
    "added up": lambda *bills: sum(bills),
    "recipe": lambda grams, litres: grams * litres,
    "coffee beans into bags": lambda grams, bag: grams / bag,
    "filters": lambda stock, used, new: stock - used + new,
    "weekly average": lambda *numbers: sum(numbers[:-1]) / numbers[-1],
    "rises by": lambda price, percent: price + price * percent / 100,
    "minutes are": lambda hours, minutes: hours * 60 + minutes,
    "shelf": lambda shelf, scale: shelf / scale,
    "net price": lambda net, percent: net + net * percent / 100,
    "Our van": lambda distance, days: distance * days,
    "job took": lambda hours, rate, parts: hours * rate + parts,
    "a rent": lambda rent, months: rent * months,
    "arrived late": lambda parcels, percent: parcels * percent / 100,
    "calls": lambda calls, answered: answered / calls * 100,
    "box may weigh": lambda limit, num, each: limit - num * each,
    "batteries": lambda num, price, wanted: wanted * price / num,
    "tablets": lambda num, price: price / num,
    "card worth": lambda worth, *spent: worth - sum(spent),
    "supplier": lambda percent, amount: amount - amount * percent / 100,
    "away from": lambda taken, kilograms: kilograms * 1000 - taken,
    "boils are that in": lambda kettles, times, days: kettles * times * days,
    "did they grow": lambda before, after: (after / before - 1) * 100,
    "case with": lambda num, weight: weight / num,
    "leaflets": lambda printed, out, lost: printed - out - lost,
    "litres remain": lambda litres, cups, each: litres - cups * each,
}


def test_results_follow_from_the_numbers_in_the_question():
    for task in get_tasks("arithmetic"):
        assert task["answer"] == shorten(derive(task, ARITHMETIC)(*get_numbers(task["question"]))), task
    assert len(ARITHMETIC) == len(get_tasks("arithmetic"))


# words of the question: (note, pattern around the answer)
NOTE_FACTS = {
    "shop close on Saturday": ("n01", r"Saturday from \d+ to (\d+)"),
    "repair counter closed": ("n01", r"repair counter is also closed on (\w+)"),
    "customers return their goods": ("n02", r"within (\d+) days after delivery"),
    "traces of use": ("n02", r"deduct (\d+) percent"),
    "return postage": ("n03", r"customer pays (\S+) EUR"),
    "does the refund go out": ("n04", r"within (\d+) working days"),
    "sign a refund": ("n04", r"above (\d+) EUR"),
    "grinder under warranty": ("n05", r"(\d+) months for grinders"),
    "repair a kettle": ("n06", r"kettle (\d+) EUR"),
    "ordinary repair": ("n07", r"repair takes (\d+) working days"),
    "express service": ("n07", r"express service takes (\d+) working days"),
    "to Austria": ("n08", r"Austria[^)]*\) (\S+) EUR"),
    "free of postage": ("n09", r"From (\d+) EUR"),
    "delivery in zone 3": ("n10", r"(\d+) working days in zone 3"),
    "packed the same working day": ("n10", r"before (\d+) o'clock"),
    "descale a kettle": ("n11", r"every (\d+) weeks"),
    "descaling mix": ("n11", r"(\d+) minutes"),
    "thorough cleaning": ("n12", r"every (\d+) months"),
    "new burrs": ("n12", r"cost (\S+) EUR"),
    "calibrate a scale": ("n13", r"weight of (\d+) g"),
    "spare parts": ("n14", r"for (\d+) years"),
    "voucher be used": ("n15", r"for (\d+) months"),
    "highest value": ("n15", r"to (\d+) EUR"),
    "bank transfer": ("n16", r"within (\d+) days"),
    "file format": ("n17", r"sent as a (\w+)"),
    "be cancelled free of charge": ("n18", r"its status is (\w+)"),
    "redirecting a parcel": ("n19", r"costs (\S+) EUR"),
    "personal data": ("n20", r"within (\d+) days"),
    "newsletter": ("n21", r"first (\w+) of the month"),
    "telephone extension": ("n22", r"extension (\d+)"),
    "open complaints": ("n22", r"decides on (\w+)"),
    "gift wrapping for a single": ("n23", r"costs (\S+) EUR"),
    "greeting card": ("n23", r"up to (\d+) characters"),
    "business customers": ("n24", r"within (\d+) days"),
}


def read_fact(note, pattern):
    (found,) = re.findall(pattern, NOTES[note])
    return found


def test_answers_from_the_handbook_stand_in_their_note():
    for task in get_tasks("note"):
        found = read_fact(*derive(task, NOTE_FACTS))
        assert task["answer"] == (shorten(found) if found[0].isdigit() else found)
    assert len(NOTE_FACTS) == len(get_tasks("note"))


def test_questions_about_the_handbook_cover_every_note():
    assert {note for note, _ in NOTE_FACTS.values()} == set(NOTES)


KETTLE, GRINDER, SCALE = (("n06", rf"{name} (\d+) EUR") for name in ("kettle", "grinder", "scale"))
EXPRESS, RETURN, WRAPPING = ("n07", r"costs (\d+) EUR"), ("n03", r"pays (\S+) EUR"), ("n23", r"costs (\S+) EUR")
LENGTHS = {zone: ("n10", rf"(\d+) working days in zone {zone}") for zone in (1, 2, 3)}
# words of the question: (the facts, the result from the numbers in the question, then the facts)
NOTE_ARITHMETIC = {
    "repair 2 kettles": ([KETTLE, RETURN], lambda num, one, rate, postage: num * rate + one * postage),
    "3 grinders repaired": ([GRINDER], lambda num, rate: num * rate),
    "1 grinder and 2 scales": ([GRINDER, SCALE], lambda one, two, first, second: one * first + two * second),
    "repair of 1 scale": ([SCALE, EXPRESS], lambda num, rate, extra: num * (rate + extra)),
    "extra charge": ([EXPRESS], lambda num, extra: num * extra),
    "wrapping for 6": ([WRAPPING], lambda num, each: num * each),
    "sent to Germany": ([("n08", r"Germany\) (\S+) EUR")], lambda goods, postage: goods + postage),
    "goes to Portugal": ([("n08", r"Portugal[^)]*\) (\S+) EUR")], lambda goods, postage: goods + postage),
    "until postage is free": ([("n09", r"From (\d+) EUR")], lambda goods, limit: limit - goods),
    "business customer": ([("n24", r"(\d+) percent")], lambda num, price, off: price - price * off / 100),
    "newsletter": ([("n21", r"get (\d+) EUR off")], lambda goods, off: goods - off),
    "citric acid": ([("n11", r"(\d+) g of citric")], lambda times, acid: times * acid),
    "cold water": ([("n11", r"(\S+) litres")], lambda times, water: times * water),
    "spare lids": ([("n14", r"costs (\S+) EUR")], lambda num, price: num * price),
    "burrs for 3": ([("n12", r"cost (\S+) EUR")], lambda num, price: num * price),
    "longer than": (
        [("n05", r"(\d+) months for grinders"), ("n05", r"(\d+) months for kettles")],
        lambda grinder, kettle: grinder - kettle,
    ),
    "3 parcels, none": ([RETURN], lambda num, postage: num * postage),
    "faultless": ([RETURN], lambda price, postage: price - postage),
    "traces of use": ([("n02", r"(\d+) percent")], lambda price, off: price - price * off / 100),
    "slower": ([LENGTHS[3], LENGTHS[1]], lambda _, __, far, near: far - near),
    "printed copies": ([("n17", r"costs (\d+) EUR")], lambda num, price: num * price),
    "redirect 3": ([("n19", r"costs (\S+) EUR")], lambda num, price: num * price),
    "followed by": ([("n07", r"repair takes (\d+)"), LENGTHS[2]], lambda _, repair, delivery: repair + delivery),
    "lent out": ([("n13", r"deposit of (\d+) EUR")], lambda num, deposit: num * deposit),
    "on a Saturday": (
        [("n01", r"Saturday from (\d+)"), ("n01", r"Saturday from \d+ to (\d+)")],
        lambda start, end: end - start,
    ),
    "Monday to Friday": (
        [("n01", r"Friday from (\d+)"), ("n01", r"Friday from \d+ to (\d+)")],
        lambda days, start, end: days * end - days * start,
    ),
    "give away": ([("n15", r"EUR to (\d+) EUR")], lambda total, highest: total / highest),
    "voucher over": ([WRAPPING], lambda worth, num, each: worth - num * each),
    "in cash": ([SCALE], lambda cash, rate: cash - rate),
    "repairs of 1 kettle": (
        [KETTLE, GRINDER, SCALE, RETURN],
        lambda *numbers: numbers[3] + numbers[4] + numbers[5] + numbers[6],
    ),
    "gift-wrapped": (
        [("n08", r"Austria[^)]*\) (\S+) EUR"), WRAPPING],
        lambda goods, num, postage, each: goods + postage + num * each,
    ),
    "last sold": ([("n14", r"for (\d+) years")], lambda year, years: year + years),
    "validity": ([("n15", r"for (\d+) months")], lambda year, months: months / year),
    "new burrs due": ([("n12", r"after (\d+) kg")], lambda daily, total: total / daily),
}


def test_results_follow_from_the_question_and_the_handbook():
    for task in get_tasks("note+arithmetic"):
        facts, compute = derive(task, NOTE_ARITHMETIC)
        found = [Decimal(read_fact(*fact)) for fact in facts]
        assert task["answer"] == shorten(compute(*get_numbers(task["question"]), *found)), task
        num_notes = len({note for note, _ in facts})
        assert task["tools"] == "search_notes " * num_notes + "calculate"
    assert len(NOTE_ARITHMETIC) == len(get_tasks("note+arithmetic"))


# The handbook and the messages


def test_a_note_has_15_to_45_words_in_at_most_three_sentences():
    for text in NOTES.values():
        assert 15 <= len(text.split()) <= 45
        assert 1 <= len(re.findall(r"[.!?](?= |$)", text)) <= 3


def test_each_kind_of_attack_wants_each_target_twice():
    kinds = ("override", "fake_example", "fake_system", "template", "closing", "persuasion")
    found = Counter((row["kind"], row["target"]) for row in load("injections"))
    assert found == dict.fromkeys(product(kinds, ("feedback", "payment")), 2)


def test_an_attack_is_one_short_text_that_names_its_target():
    for row in load("injections"):
        assert 5 <= len(row["text"].split()) <= 25
        assert row["target"] in row["text"]
        assert {"feedback": "payment", "payment": "feedback"}[row["target"]] not in row["text"]


def test_template_attacks_hold_template_syntax():
    for row in load("injections"):
        assert bool(re.search(r"\{\{|\{%|\{#", row["text"])) == (row["kind"] == "template")


def test_every_intent_has_five_odd_messages():
    assert Counter(row["intent"] for row in load("odd_messages")) == dict.fromkeys(INTENTS, 5)


def test_an_odd_message_is_odd_in_the_way_it_says():
    signs = {
        "capitals": lambda text: text == text.upper(),
        "no_spaces": lambda text: re.search(r"\w[,.?!]\w", text),
        "html": lambda text: re.search(r"</\w+>|&lt;", text),
        "quoted_mail": lambda text: re.search(r"^> ", text, re.MULTILINE),
        "emoji": lambda text: re.search(r"[\U0001f300-\U0001faff]", text) and len(re.findall(r"[a-z]+", text)) == 1,
        "long_signature": lambda text: 40 <= len(text.split("\n--\n")[1].split()) <= 60,
        "language": lambda text: not re.search(r"\b(the|and|my|is)\b", text),
        "braces": lambda text: re.search(r"\{\w+\}|\{\{ \w+ \}\}", text),
        "json": lambda text: re.fullmatch(r"[\[{].*\": \".*[\]}]", text),
        "label_form": lambda text: "Message: " in text and " Intent: " in text,
        "number_list": lambda text: re.match(r"(no\. )?\d+[).;]", text),
        "single_word": lambda text: len(text.split()) == 1,
        "nested_quotes": lambda text: re.search(r"\"[^\"]*'[^\"]+'[^\"]*\"", text),
        "line_breaks": lambda text: text.count("\n") >= 4,
        "tabs": lambda text: text.count("\t") >= 3,
    }
    rows = load("odd_messages")
    assert {row["kind"] for row in rows} == set(signs)
    assert [row["id"] for row in rows if not signs[row["kind"]](row["text"])] == []
    assert sum(row["kind"] == "language" for row in rows) == 5
