"""Word problems and date questions from the world of Pellworth, drawn from templates with a fixed seed.

`python data/make_problems.py` writes `word_problems.csv` and `date_questions.csv` beside this file; running it
again gives the same bytes. A question is a scenario (what is computed), a wording of it, and drawn names, things
and numbers. No question comes twice, and a wording that appears among the shots appears nowhere else, so that no
example gives a later question away. Word problems are worded plainly, for a tiny model.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

SEED = 20260314
WORD_HEADER = ("id", "split", "level", "question", "answer", "reasoning", "expression", "program")
DATE_HEADER = ("id", "split", "level", "question", "answer", "reasoning", "symbols", "program")
WORD_PER_LEVEL = {"shots": 6, "dev": 20, "test": 40}
DATE_PER_LEVEL = {"shots": 3, "dev": 12, "test": 32}
LEVELS = (1, 2, 3, 4)
MAX_SENTENCES = 4

# For word problems; each item begins with a consonant and takes an s.
WORD_NAMES = (
    *("Ana", "Ben", "Tom", "Ines", "Emma", "Paul", "Sara"),
    *("Max", "Lena", "Lucas", "Maria", "Peter", "Laura", "Jack"),
)
WORD_ITEMS = ("kettle", "grinder", "scale", "filter", "lid", "handle", "cup")
SMALL, MEDIUM, LARGE = range(2, 10), range(11, 31), range(11, 61)

# For date questions
NAMES = (
    *("Ana", "Ben", "Carla", "David", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Maya"),
    *("Noah", "Olga", "Priya", "Quinn", "Rosa", "Samir", "Tara", "Umar", "Vera", "Wanda", "Yusuf", "Zoe"),
)
# Each begins with a consonant and takes an s, so that "a" and the plural need no rules.
ITEMS = (
    *("kettle", "coffee grinder", "kitchen scale", "steel kettle", "glass kettle", "travel kettle"),
    *("hand grinder", "burr grinder", "pocket scale", "digital scale"),
)
PARTS = ("filter", "lid", "cable", "knob", "gasket", "handle", "switch plate", "base plate")
CITIES = ("Lyon", "Graz", "Turin", "Ghent", "Porto", "Basel", "Leeds", "Bergen")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBER_WORDS = re.compile(rf"\d+(?:\.\d+)*|\b(?:{'|'.join((*MONTHS, *WEEKDAYS, *(day[:3] for day in WEEKDAYS)))})\b")


@dataclass(frozen=True)
class WordScenario:
    """What is computed: `formula` over the names in `numbers`, which stand in the order of the question.

    Attributes:
        numbers: the choices for each number; one that the formula does not use is there to distract.
        reasoning: sentences with {formulas}; A, B, C, D are the results of the first, second, ... of these.
        wordings: questions with the numbers, and {name}, {item} and {other} (another item); the last is for the shots.
    """

    level: int
    numbers: dict[str, Sequence]
    formula: str
    reasoning: str
    wordings: tuple[str, ...]


@dataclass(frozen=True)
class DateScenario:
    """What is asked about a date: `kind` says how the answer is found, `event` names the start in the program."""

    levels: tuple[int, ...]
    kind: str
    event: str
    amounts: Sequence[int]
    wordings: tuple[str, ...]


def cents(low: int, high: int, endings: Sequence[int] = (20, 40, 50, 75, 80, 90)) -> list[Decimal]:
    """Return amounts with cents, from `low` euros up to but without `high` euros."""
    return [Decimal(f"{euros}.{ending}") for euros in range(low, high) for ending in endings]


# The word problems

CENTS = cents(2, 10, (20, 50, 80))
PERCENT = (10, 20, 25, 30, 40, 60, 75)

WORD_SCENARIOS = (
    # Level 1: one operation
    WordScenario(
        1,
        {"boxes": SMALL, "per_box": MEDIUM},
        "boxes * per_box",
        "The boxes hold {boxes * per_box} {item}s.",
        (
            "A store has {boxes} boxes with {per_box} {item}s in each one. How many {item}s does it have?",
            "There are {boxes} boxes with {per_box} {item}s in each box. How many {item}s are there in total?",
            "{name} has {boxes} boxes with {per_box} {item}s in each box. How many {item}s does {name} have?",
            "A shop has {boxes} boxes with {per_box} {item}s in each box. How many {item}s does the shop have?",
        ),
    ),
    WordScenario(
        1,
        {"stock": LARGE, "sold": SMALL},
        "stock - sold",
        "After the sale {stock - sold} {item}s are left.",
        (
            "A store has {stock} {item}s and sells {sold} of them. How many {item}s are left?",
            "There are {stock} {item}s in a shop. It sells {sold} {item}s. How many {item}s are left?",
            "{name} has {stock} {item}s and sells {sold} of them. How many {item}s does {name} have left?",
            "A shop has {stock} {item}s. It sells {sold} of them. How many {item}s are left?",
        ),
    ),
    WordScenario(
        1,
        {"stock": LARGE, "new": SMALL},
        "stock + new",
        "Now there are {stock + new} {item}s.",
        (
            "A store has {stock} {item}s and gets {new} new ones. How many {item}s does it have now?",
            "There are {stock} {item}s in a shop. It gets {new} more {item}s. How many {item}s are there now?",
            "{name} has {stock} {item}s and buys {new} more. How many {item}s does {name} have now?",
            "A shop has {stock} {item}s. It gets {new} more. How many {item}s does it have now?",
        ),
    ),
    WordScenario(
        1,
        {"items": LARGE, "boxes": SMALL},
        "items / boxes",
        "Each box holds {items / boxes} {item}s.",
        (
            "{name} divides {items} {item}s equally among {boxes} boxes. How many {item}s are in each box?",
            "A shop packs {items} {item}s equally into {boxes} boxes. How many {item}s are in one box?",
            "{name} puts {items} {item}s into {boxes} boxes, the same number in each. How many {item}s are in each box?",
            "{name} packs {items} {item}s equally into {boxes} boxes. How many {item}s are in each box?",
        ),
    ),
    WordScenario(
        1,
        {"per_day": (*SMALL, *MEDIUM), "days": SMALL},
        "per_day * days",
        "In {days} days that is {per_day * days} {item}s.",
        (
            "{name} repairs {per_day} {item}s each day for {days} days. How many {item}s does {name} repair in total?",
            "A shop repairs {per_day} {item}s a day for {days} days. How many {item}s does the shop repair?",
            "{name} repairs {per_day} {item}s every day. How many {item}s does {name} repair in {days} days?",
            "{name} repairs {per_day} {item}s a day for {days} days. How many {item}s does {name} repair?",
        ),
    ),
    WordScenario(
        1,
        {"price": LARGE, "postage": SMALL},
        "price + postage",
        "With postage that is {price + postage} euros.",
        (
            "{name} buys a {item} for {price} euros and pays {postage} euros for postage. How much does {name} pay?",
            "{name} orders a {item} for {price} euros. Postage costs {postage} euros. How much does {name} pay in total?",
            "A {item} costs {price} euros. The postage is {postage} euros. How much does {name} pay?",
            "A {item} costs {price} euros and the postage is {postage} euros. How much does {name} pay in total?",
        ),
    ),
    # Level 2: two operations
    WordScenario(
        2,
        {"items": SMALL, "price": MEDIUM, "postage": SMALL},
        "items * price + postage",
        "{items} {item}s cost {items * price} euros. With postage {A + postage}.",
        (
            "{name} orders {items} {item}s at {price} euros each. Postage is {postage} euros. How much does {name} pay?",
            "A shop buys {items} {item}s for {price} euros each and pays {postage} euros for postage. How much does the shop pay?",
            "{name} buys {items} {item}s. Each one costs {price} euros and postage is {postage} euros. How much does {name} pay?",
            "{name} buys {items} {item}s for {price} euros each and pays {postage} euros for postage. How much does {name} pay?",
        ),
    ),
    WordScenario(
        2,
        {"items": SMALL, "price": MEDIUM, "voucher": (5, 15, 20, 25)},
        "items * price - voucher",
        "{items} {item}s cost {items * price} euros. With the voucher {A - voucher}.",
        (
            "{name} buys {items} {item}s for {price} euros each and uses a voucher of {voucher} euros. How much does {name} pay?",
            "{name} orders {items} {item}s. Each one costs {price} euros. A voucher takes off {voucher} euros. How much does {name} pay?",
            "A shop orders {items} {item}s at {price} euros each and has a voucher of {voucher} euros. How much does the shop pay?",
            "{name} orders {items} {item}s at {price} euros each and has a voucher of {voucher} euros. How much does {name} pay?",
        ),
    ),
    WordScenario(
        2,
        {"stock": LARGE, "new": SMALL, "sold": SMALL},
        "stock + new - sold",
        "With the new ones {stock + new} {item}s. After the sale {A - sold}.",
        (
            "A store has {stock} {item}s. It gets {new} more and then sells {sold}. How many {item}s are left?",
            "{name} has {stock} {item}s and buys {new} more. Then {name} sells {sold}. How many {item}s does {name} have now?",
            "There are {stock} {item}s in a shop. It gets {new} more. Then it sells {sold}. How many {item}s are left?",
            "A shop has {stock} {item}s and gets {new} more. Then it sells {sold}. How many {item}s does it have now?",
        ),
    ),
    WordScenario(
        2,
        {"stock": LARGE, "sold": SMALL, "new": SMALL},
        "stock - sold + new",
        "After the sale {stock - sold} {item}s. With the new ones {A + new}.",
        (
            "A store has {stock} {item}s. It sells {sold} and then gets {new} more. How many {item}s does it have now?",
            "{name} has {stock} {item}s and sells {sold}. Then {name} buys {new} more. How many {item}s does {name} have now?",
            "There are {stock} {item}s in a shop. It sells {sold}. Then it gets {new} more. How many {item}s are there now?",
            "A shop has {stock} {item}s and sells {sold}. Then it gets {new} more. How many {item}s does it have now?",
        ),
    ),
    WordScenario(
        2,
        {"boxes": SMALL, "per_box": MEDIUM, "sold": (*SMALL, *MEDIUM)},
        "boxes * per_box - sold",
        "The boxes hold {boxes * per_box} {item}s. After the sale {A - sold}.",
        (
            "A store has {boxes} boxes with {per_box} {item}s in each one and sells {sold} {item}s. How many {item}s are left?",
            "{name} has {boxes} boxes with {per_box} {item}s in each box. {name} sells {sold} {item}s. How many {item}s are left?",
            "There are {boxes} boxes with {per_box} {item}s in each box. A shop sells {sold} {item}s. How many {item}s are left?",
            "A shop has {boxes} boxes with {per_box} {item}s in each box. It sells {sold} {item}s. How many {item}s are left?",
        ),
    ),
    WordScenario(
        2,
        {"boxes": SMALL, "per_box": MEDIUM, "shelves": SMALL},
        "boxes * per_box / shelves",
        "The boxes hold {boxes * per_box} {item}s. Each shelf gets {A / shelves}.",
        (
            "A store has {boxes} boxes with {per_box} {item}s in each. It puts all {item}s equally on {shelves} shelves. How many {item}s are on one shelf?",
            "{name} has {boxes} boxes with {per_box} {item}s in each box and divides the {item}s equally among {shelves} shelves. How many {item}s are on each shelf?",
            "There are {boxes} boxes with {per_box} {item}s in each box. The {item}s go equally on {shelves} shelves. How many {item}s are on each shelf?",
            "A shop has {boxes} boxes with {per_box} {item}s in each box. It puts the {item}s equally on {shelves} shelves. How many {item}s are on each shelf?",
        ),
    ),
    # Level 3: three operations, or two with cents
    WordScenario(
        3,
        {"items": SMALL, "price": MEDIUM, "extras": SMALL, "extra_price": SMALL},
        "items * price + extras * extra_price",
        "{items} {item}s cost {items * price} euros. {extras} {other}s cost {extras * extra_price} euros. Together {A + B}.",
        (
            "{name} orders {items} {item}s at {price} euros each and {extras} {other}s at {extra_price} euros each. How much does {name} pay in total?",
            "{name} buys {items} {item}s. Each one costs {price} euros. {name} also buys {extras} {other}s for {extra_price} euros each. How much does {name} pay?",
            "A shop buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each. How much does the shop pay?",
            "{name} buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each. How much does {name} pay?",
        ),
    ),
    WordScenario(
        3,
        {"items": SMALL, "price": MEDIUM, "postage": SMALL, "voucher": (5, 15, 20, 25)},
        "items * price + postage - voucher",
        "{items} {item}s cost {items * price} euros. With postage {A + postage}. With the voucher {B - voucher}.",
        (
            "{name} orders {items} {item}s at {price} euros each. Postage is {postage} euros and a voucher takes off {voucher} euros. How much does {name} pay?",
            "{name} buys {items} {item}s. Each one costs {price} euros and postage is {postage} euros. {name} uses a voucher of {voucher} euros. How much does {name} pay?",
            "A shop buys {items} {item}s for {price} euros each. Postage is {postage} euros. The shop has a voucher of {voucher} euros. How much does the shop pay?",
            "{name} buys {items} {item}s for {price} euros each and pays {postage} euros for postage. {name} has a voucher of {voucher} euros. How much does {name} pay?",
        ),
    ),
    WordScenario(
        3,
        {"items": SMALL, "price": CENTS, "postage": SMALL},
        "items * price + postage",
        "{items} {item}s cost {items * price} euros. With postage {A + postage}.",
        (
            "{name} orders {items} {item}s at {price} euros each. Postage is {postage} euros. How much does {name} pay in total?",
            "{name} buys {items} {item}s. Each one costs {price} euros. The postage is {postage} euros. How much does {name} pay?",
            "A shop orders {items} {item}s for {price} euros each and pays {postage} euros for postage. How much does the shop pay?",
            "{name} buys {items} {item}s for {price} euros each and pays {postage} euros for the postage. How much does {name} pay in total?",
        ),
    ),
    WordScenario(
        3,
        {"price": LARGE, "postage": CENTS, "voucher": (5, 8, 15)},
        "price + postage - voucher",
        "With postage {price + postage} euros. With the voucher {A - voucher}.",
        (
            "{name} buys a {item} for {price} euros and pays {postage} euros for postage. A voucher takes off {voucher} euros. How much does {name} pay?",
            "A {item} costs {price} euros. Postage is {postage} euros. {name} uses a voucher of {voucher} euros. How much does {name} pay?",
            "{name} orders a {item} for {price} euros. The postage is {postage} euros. {name} has a voucher of {voucher} euros. How much does {name} pay?",
            "A {item} costs {price} euros and postage is {postage} euros. {name} has a voucher of {voucher} euros. How much does {name} pay?",
        ),
    ),
    WordScenario(
        3,
        {"stock": LARGE, "boxes": SMALL, "per_box": MEDIUM, "sold": SMALL},
        "stock + boxes * per_box - sold",
        "The boxes hold {boxes * per_box} {item}s. With the stock {stock + A}. After the sale {B - sold}.",
        (
            "A store has {stock} {item}s and gets {boxes} boxes with {per_box} {item}s in each. Then it sells {sold} {item}s. How many {item}s are left?",
            "{name} has {stock} {item}s. {name} buys {boxes} boxes with {per_box} {item}s in each box and sells {sold} {item}s. How many {item}s does {name} have now?",
            "There are {stock} {item}s in a shop. It gets {boxes} boxes with {per_box} {item}s in each box. It sells {sold} {item}s. How many {item}s are there now?",
            "A shop has {stock} {item}s. It gets {boxes} boxes with {per_box} {item}s in each box. Then it sells {sold} {item}s. How many {item}s does it have now?",
        ),
    ),
    WordScenario(
        3,
        {"boxes": SMALL, "per_box": MEDIUM, "sold": (*SMALL, *MEDIUM), "new": SMALL},
        "boxes * per_box - sold + new",
        "The boxes hold {boxes * per_box} {item}s. After the sale {A - sold}. With the new ones {B + new}.",
        (
            "A store has {boxes} boxes with {per_box} {item}s in each one. It sells {sold} {item}s and then gets {new} more. How many {item}s are there now?",
            "{name} has {boxes} boxes with {per_box} {item}s in each box. {name} sells {sold} {item}s and buys {new} more. How many {item}s does {name} have now?",
            "There are {boxes} boxes with {per_box} {item}s in each box. A shop sells {sold} {item}s. Then it gets {new} more. How many {item}s does it have now?",
            "A shop has {boxes} boxes with {per_box} {item}s in each box. It sells {sold} {item}s. Then it gets {new} more. How many {item}s does it have now?",
        ),
    ),
    # Level 4: four operations, percentages, or a number that does not matter. 50 percent is left out: the part and
    # the rest would be the same number, and a wrong solution would pass.
    WordScenario(
        4,
        {"items": SMALL, "price": MEDIUM, "extras": SMALL, "extra_price": SMALL, "voucher": (5, 15, 20, 25)},
        "items * price + extras * extra_price - voucher",
        "{items} {item}s cost {items * price} euros. {extras} {other}s cost {extras * extra_price} euros. Together {A + B}. With the voucher {C - voucher}.",
        (
            "{name} orders {items} {item}s at {price} euros each and {extras} {other}s at {extra_price} euros each. A voucher takes off {voucher} euros. How much does {name} pay?",
            "A shop buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each. It uses a voucher of {voucher} euros. How much does the shop pay?",
            "{name} buys {items} {item}s. Each one costs {price} euros. {name} also buys {extras} {other}s for {extra_price} euros each and has a voucher of {voucher} euros. How much does {name} pay?",
            "{name} buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each. {name} has a voucher of {voucher} euros. How much does {name} pay?",
        ),
    ),
    WordScenario(
        4,
        {"items": SMALL, "price": MEDIUM, "extras": SMALL, "extra_price": CENTS, "postage": SMALL},
        "items * price + extras * extra_price + postage",
        "{items} {item}s cost {items * price} euros. {extras} {other}s cost {extras * extra_price} euros. Together {A + B}. With postage {C + postage}.",
        (
            "{name} orders {items} {item}s at {price} euros each and {extras} {other}s at {extra_price} euros each. Postage is {postage} euros. How much does {name} pay in total?",
            "A shop buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each. It pays {postage} euros for postage. How much does the shop pay?",
            "{name} buys {items} {item}s. Each one costs {price} euros. {name} also buys {extras} {other}s for {extra_price} euros each. Postage is {postage} euros. How much does {name} pay?",
            "{name} buys {items} {item}s for {price} euros each and {extras} {other}s for {extra_price} euros each and pays {postage} euros for postage. How much does {name} pay?",
        ),
    ),
    WordScenario(
        4,
        {"items": SMALL, "price": LARGE, "percent": PERCENT},
        "items * price * (100 - percent) / 100",
        "{items} {item}s cost {items * price} euros. The discount is {A * percent / 100} euros. The rest is {A - B} euros.",
        (
            "{name} orders {items} {item}s at {price} euros each with a discount of {percent} percent. How much does {name} pay?",
            "{items} {item}s cost {price} euros each. {name} buys all of them and gets {percent} percent off. How much does {name} pay?",
            "A shop buys {items} {item}s for {price} euros each and gets a discount of {percent} percent. How much does the shop pay?",
            "{name} buys {items} {item}s for {price} euros each and gets a discount of {percent} percent. How much does {name} pay?",
        ),
    ),
    WordScenario(
        4,
        {"boxes": SMALL, "per_box": LARGE, "percent": PERCENT},
        "boxes * per_box * percent / 100",
        "The boxes hold {boxes * per_box} {item}s. Sold are {A * percent / 100}.",
        (
            "A store has {boxes} boxes with {per_box} {item}s in each one and sells {percent} percent of the {item}s. How many {item}s does it sell?",
            "{name} has {boxes} boxes with {per_box} {item}s in each box. {name} sells {percent} percent of the {item}s. How many {item}s does {name} sell?",
            "There are {boxes} boxes with {per_box} {item}s in each box. A shop sells {percent} percent of the {item}s. How many {item}s does the shop sell?",
            "A shop has {boxes} boxes with {per_box} {item}s in each box. It sells {percent} percent of the {item}s. How many {item}s does it sell?",
        ),
    ),
    WordScenario(
        4,
        {"age": LARGE, "items": SMALL, "price": MEDIUM, "postage": SMALL, "voucher": (5, 15, 20, 25)},
        "items * price + postage - voucher",
        "{items} {item}s cost {items * price} euros. With postage {A + postage}. With the voucher {B - voucher}.",
        (
            "{name} is {age} years old and orders {items} {item}s at {price} euros each. Postage is {postage} euros and a voucher takes off {voucher} euros. How much does {name} pay?",
            "A shop is {age} years old. It buys {items} {item}s for {price} euros each, pays {postage} euros for postage and has a voucher of {voucher} euros. How much does it pay?",
            "{name} is {age} years old. {name} buys {items} {item}s for {price} euros each. Postage is {postage} euros. {name} uses a voucher of {voucher} euros. How much does {name} pay?",
            "{name} is {age} years old. {name} buys {items} {item}s for {price} euros each, pays {postage} euros for postage and has a voucher of {voucher} euros. How much does {name} pay?",
        ),
    ),
    WordScenario(
        4,
        {"stock": LARGE, "unused": LARGE, "boxes": SMALL, "per_box": MEDIUM, "sold": SMALL},
        "stock + boxes * per_box - sold",
        "The boxes hold {boxes * per_box} {item}s. With the stock {stock + A}. After the sale {B - sold}.",
        (
            "A store has {stock} {item}s and {unused} {other}s. It gets {boxes} boxes with {per_box} {item}s in each and sells {sold} {item}s. How many {item}s are left?",
            "{name} has {stock} {item}s and {unused} {other}s. {name} buys {boxes} boxes with {per_box} {item}s in each box and sells {sold} {item}s. How many {item}s does {name} have now?",
            "There are {stock} {item}s and {unused} {other}s in a shop. It gets {boxes} boxes with {per_box} {item}s in each box. Then it sells {sold} {item}s. How many {item}s are there now?",
            "A shop has {stock} {item}s and {unused} {other}s. It gets {boxes} boxes with {per_box} {item}s in each box. Then it sells {sold} {item}s. How many {item}s does it have now?",
        ),
    ),
)


# The date questions; every wording says from where it counts

DATE_SCENARIOS = (
    # Levels 1 and 2: days, within a month and across its end
    DateScenario(
        (1, 2),
        "add_days",
        "delivery",
        (7, 10, 14, 21, 28, 30, 45),
        (
            "A {item} was delivered on {start}. It can be returned for {amount} days, counting the day after delivery "
            "as day 1. What is the last day for a return?",
            "{name} received {items} on {start}. Returns are open for {amount} days; the day after delivery is day 1. "
            "What is the last return date?",
            "The last day to return a {item} is {amount} days after delivery. {name} got it on {start}. Which date is "
            "the last day?",
            "Pellworth takes {items} back until {amount} days after delivery. The delivery was on {start}. Until which "
            "date, inclusive, can {name} return them?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "received",
        range(3, 26),
        (
            "{name} brings in a {item} on {start}. The repair is ready {amount} days later. On which date is it ready?",
            "A {item} came in for repair on {start}. {name} can pick it up {amount} days later. Which date is that?",
            "Repairing a {item} takes {amount} days, counting the day after arrival as day 1. It arrived on {start}. "
            "On which date is it done?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "order",
        range(2, 22),
        (
            "{name} orders a {item} on {start}. It arrives {amount} days later. On which date does it arrive?",
            "An order of {items} was placed on {start}. Delivery to {city} is {amount} days after the order. What is "
            "the delivery date?",
            "Delivery takes {amount} days, counting the day after the order as day 1. {name} ordered {parts} on "
            "{start}. When do they arrive?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "invoice",
        (7, 8, 10, 14, 15, 20, 21, 30),
        (
            "The invoice for a {item} is dated {start}. {name} must pay within {amount} days, the day after being day "
            "1. What is the last day to pay?",
            "{name} gets an invoice for {parts} dated {start}. Payment is due {amount} days after that date. On which "
            "date is it due?",
            "Payment for {items} is due {amount} days after the invoice date, {start}. What is the due date for "
            "{name}?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "issued",
        (9, 12, 14, 18, 20, 25, 28, 30, 40),
        (
            "A voucher for a {item} was issued on {start}. Its last day is {amount} days later. What is its last day?",
            "{name} got a voucher on {start}. It ends {amount} days after that day. On which date does it end?",
            "Vouchers from the shop in {city} end {amount} days after issue. {name} has one issued on {start}. When "
            "does it end?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "stored",
        range(5, 19),
        (
            "A parcel with {items} is stored from {start} and goes back {amount} days later. On which date does it go "
            "back?",
            "The depot in {city} keeps a {item} for {name} since {start}. It goes back {amount} days after that date. "
            "Which date is that?",
            "{name} missed a parcel on {start}. It stays at the depot for {amount} days; the next day is day 1. What "
            "is its last day there?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "request",
        range(6, 29),
        (
            "New {parts} were requested on {start} and come in {amount} days later. On which date do they come in?",
            "{name} asks for a new {part} on {start}. The maker in {city} sends it {amount} days later. On which date "
            "is it sent?",
            "A {part} for a {item} was out of stock on {start}. It is back {amount} days after that. Which date is "
            "that?",
        ),
    ),
    DateScenario(
        (1, 2),
        "add_days",
        "sale_start",
        (4, 6, 9, 11, 13, 16, 19, 23),
        (
            "A sale of {items} opens on {start} and closes {amount} days later. On which date does it close?",
            "In {city} the price of a {item} falls on {start} and rises again {amount} days later. On which date does "
            "it rise?",
            "{name} tests a {item} from {start}. The test ends {amount} days after that day. On which date does it "
            "end?",
        ),
    ),
    DateScenario(
        (2,),
        "subtract_days",
        "expiry",
        (7, 10, 14, 20, 21, 28, 30),
        (
            "The voucher of {name} ends on {start}. A reminder goes out {amount} days before that. On which date does "
            "it go out?",
            "Pellworth reminds {name} {amount} days before a warranty ends. The warranty of a {item} ends on {start}. "
            "On which date is the reminder?",
            "{name} wants a letter {amount} days before the offer on {items} ends on {start}. Which date is that?",
        ),
    ),
    DateScenario(
        (2,),
        "subtract_days",
        "appointment",
        range(5, 25),
        (
            "A {item} will be repaired on {start}. The {part} must be ordered {amount} days before. On which date is "
            "that?",
            "{name} needs {items} in {city} on {start}. They must leave {amount} days earlier. On which date must they "
            "leave?",
            "The {parts} arrived on {start}. {name} had ordered them {amount} days earlier. On which date was the "
            "order?",
        ),
    ),
    # Level 3: days between two dates, weeks, months
    DateScenario(
        (3,),
        "days_between",
        "delivery",
        range(8, 75),
        (
            "A {item} was delivered on {start} and returned on {end}. How many days after delivery was it returned?",
            "{name} got a {item} on {start} and sent it back on {end}. How many days later was that?",
            "Delivery was on {start}, the return on {end}. How many days after receiving the {items} did {name} return "
            "them?",
        ),
    ),
    DateScenario(
        (3,),
        "days_between",
        "received",
        range(8, 75),
        (
            "{name} brought in a {item} on {start} and picked it up on {end}. How many days later was the pick-up?",
            "A {item} came in for repair on {start}. The repair was done on {end}. How many days after arrival was "
            "that?",
            "The {items} were repaired by {end}. {name} had sent them in on {start}. How many days earlier was that?",
        ),
    ),
    DateScenario(
        (3,),
        "days_between",
        "order",
        range(6, 65),
        (
            "{name} ordered {items} on {start}. They arrived on {end}. How many days after the order was that?",
            "New {parts} arrive on {end}. They were ordered on {start}. How many days before arrival was the order?",
            "From an order on {start} to its delivery in {city} on {end}: how many days after the order did the {item} "
            "arrive?",
        ),
    ),
    DateScenario(
        (3,),
        "days_between",
        "today",
        range(10, 80),
        (
            "Today is {start}. The warranty of a {item} ends on {end}. In how many days does it end, with tomorrow as "
            "day 1?",
            "{name} has a voucher that ends on {end}. Today is {start}. In how many days does it end, if tomorrow is "
            "day 1?",
            "A sale of {items} starts on {end}. Today is {start}. In how many days does it start, with tomorrow as "
            "day 1?",
        ),
    ),
    DateScenario(
        (3,),
        "add_weeks",
        "order",
        range(2, 9),
        (
            "{name} orders a {item} on {start}. It comes exactly {amount} weeks later. On which date does it come?",
            "New {parts} were ordered on {start}. The maker delivers {amount} weeks later to the day. On which date is "
            "that?",
            "An order of {items} from {city} arrives exactly {amount} weeks after {start}. On which date does it "
            "arrive?",
        ),
    ),
    DateScenario(
        (3,),
        "add_weeks",
        "repair",
        (2, 3, 4, 5, 6, 8),
        (
            "A {item} was repaired on {start}. {name} checks it exactly {amount} weeks later. On which date is the "
            "check?",
            "{name} starts a course on repairing {items} on {start}. The exam is exactly {amount} weeks later. On "
            "which date is it?",
            "The workshop in {city} closes on {start} and opens exactly {amount} weeks later. On which date does it "
            "open?",
        ),
    ),
    DateScenario(
        (3,),
        "add_weeks",
        "delivery",
        (2, 3, 4, 5, 6),
        (
            "A {item} was delivered on {start}. The last day to return it is exactly {amount} weeks later. Which date "
            "is that?",
            "{name} got {items} on {start} and must pay exactly {amount} weeks later. On which date must {name} pay?",
            "{amount} weeks to the day after delivery, {name} may still return {items}. Delivery was on {start}. "
            "Which date is that?",
        ),
    ),
    DateScenario(
        (3,),
        "add_months",
        "purchase",
        (6, 12, 18, 24, 30, 36),
        (
            "{name} bought a {item} on {start}. The warranty ends on the same day of the month, {amount} months later. "
            "On which date does it end?",
            "The warranty of a {item} lasts {amount} months and ends on the same day of the month as its start, "
            "{start}. On which date does it end?",
            "A {item} sold in {city} on {start} has a warranty of {amount} months, ending on the same day of the "
            "month. When does it end?",
        ),
    ),
    DateScenario(
        (3,),
        "add_years",
        "purchase",
        (24, 36, 48, 60),
        (
            "{name} bought {items} on {start}. The warranty ends on the same day and month, {years} years later. On "
            "which date does it end?",
            "A {item} has a warranty of {years} years from {start}, ending on the same day and month. On which date "
            "does it end?",
            "The warranty of {name} for a {item} began on {start}. It ends on that day and month {years} years later. "
            "Which date is that?",
        ),
    ),
    DateScenario(
        (3,),
        "add_months",
        "service",
        (2, 3, 4, 5, 7, 8, 9),
        (
            "{name} cleaned a {item} on {start}. The next cleaning is {amount} months later on the same day of the "
            "month. Which date is that?",
            "A repair of a {item} on {start} is covered for {amount} months, up to the same day of the month. What is "
            "the last covered date?",
            "A gift card from {city} was sold on {start}. It ends {amount} months later, on the same day of the month. "
            "When does it end?",
        ),
    ),
    # Level 4: working days, ends of months, weekdays
    DateScenario(
        (4,),
        "add_working_days",
        "order",
        range(3, 13),
        (
            "{name} orders a {item} on {start}. It arrives on working day {amount} after the order. Working days are "
            "Monday to Friday. On which date does it arrive?",
            "Delivery of {items} takes {amount} working days (Monday to Friday), counted from the day after the order "
            "on {start}. On which date do they arrive?",
            "An order from {city} was placed on {start}. It is delivered {amount} working days later, with Monday to "
            "Friday as working days. Which date is that?",
        ),
    ),
    DateScenario(
        (4,),
        "add_working_days",
        "received",
        range(4, 15),
        (
            "A {item} came in on {start}. The repair takes {amount} working days, Monday to Friday, starting the day "
            "after. On which date is it done?",
            "{name} works Monday to Friday and repairs {items} within {amount} working days after arrival. They "
            "arrived on {start}. What is the last day for the repair?",
            "Repairs are ready {amount} working days (Monday to Friday) after arrival. The {item} of {name} arrived on "
            "{start}. When is it ready?",
        ),
    ),
    DateScenario(
        (4,),
        "add_working_days",
        "refund_request",
        range(3, 11),
        (
            "{name} asked for a refund on {start}. It is paid {amount} working days later, Monday to Friday. On which "
            "date is it paid?",
            "A refund for {items} was asked for on {start}. It comes on working day {amount} after that, Monday to "
            "Friday. On which date does it come?",
            "The bank needs {amount} working days (Monday to Friday), counted from the day after {start}, to refund a "
            "{item}. On which date is it done?",
        ),
    ),
    DateScenario(
        (4,),
        "add_working_days",
        "letter",
        range(3, 10),
        (
            "{name} wrote on {start} about a broken {item}. The answer comes {amount} working days later, Monday to "
            "Friday. Which date is that?",
            "The shop in {city} answers letters about {items} {amount} working days (Monday to Friday) after they "
            "come. One came on {start}. When is the answer?",
        ),
    ),
    DateScenario(
        (4,),
        "before_month_end",
        "stocktaking",
        range(3, 21),
        (
            "All {items} are counted {amount} days before the last day of {month}. On which date are they counted?",
            "{name} must order {parts} {amount} days before the last day of {month}. On which date is that?",
            "The offer on a {item} ends {amount} days before the last day of {month}. On which date does it end?",
        ),
    ),
    DateScenario(
        (4,),
        "before_month_end",
        "closing",
        range(4, 16),
        (
            "A sale in {city} ends on the last day of {month}. {name} buys a {item} {amount} days before that. On "
            "which date?",
            "The voucher of {name} is valid up to the last day of {month}. A reminder comes {amount} days before. On "
            "which date does it come?",
            "Repairs of {items} end on the last day of {month}. The last one is accepted {amount} days before. Which "
            "date is that?",
        ),
    ),
    DateScenario(
        (4,),
        "after_month_end",
        "due",
        range(5, 26),
        (
            "Bills for {items} are due {amount} days after the last day of {month}. On which date are they due?",
            "{name} pays for a {item} {amount} days after the last day of {month}. On which date does {name} pay?",
            "The shop in {city} closes on the last day of {month} and opens {amount} days later. On which date does it "
            "open?",
        ),
    ),
    DateScenario(
        (4,),
        "next_weekday",
        "repaired",
        (0,),
        (
            "A {item} is repaired on {start}. {name} picks it up on the first {weekday} after that. On which date?",
            "Repaired {items} are handed out only on a {weekday}. They were ready on {start}. What is the first "
            "hand-out date after that?",
            "The shop in {city} hands out repairs every {weekday}. A {item} was ready on {start}. Which date is the "
            "next {weekday} after that?",
        ),
    ),
    DateScenario(
        (4,),
        "next_weekday",
        "order",
        (0,),
        (
            "{name} orders {parts} on {start}. The van comes every {weekday}. On which date is the first {weekday} "
            "after the order?",
            "An order of {items} came in on {start}. It leaves for {city} on the first {weekday} after that. On which "
            "date does it leave?",
            "Orders go out every {weekday}. {name} ordered a {item} on {start}. On which date is the next {weekday} "
            "after that?",
        ),
    ),
    DateScenario(
        (4,),
        "next_weekday",
        "delivery",
        (7,),
        (
            "A {item} was delivered on {start}. {name} returns it on the second {weekday} after that. On which date is "
            "it returned?",
            "The van to {city} was full on {start}. The {items} go on the second {weekday} after that day. Which date "
            "is that?",
        ),
    ),
)


# Numbers and formulas


def evaluate(expression: str) -> Fraction:
    """Return the exact value of an expression of numbers, + - * / and parentheses.

    Raises:
        ValueError: the expression holds anything else.
    """

    def walk(node: ast.expr) -> Fraction:
        match node:
            case ast.Constant(value=int() | float() as value):
                return Fraction(str(value))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return walk(left) + walk(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return walk(left) - walk(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return walk(left) * walk(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return walk(left) / walk(right)
        raise ValueError(f"{expression!r} is not plain arithmetic.")

    return walk(ast.parse(expression, mode="eval").body)


def format_number(value: Fraction) -> str:
    """Return a number without trailing zeros, such as 36 or 12.5.

    Raises:
        ValueError: it has more than two decimals.
    """
    if (value * 100).denominator != 1:
        raise ValueError(f"{value} has more than two decimals.")
    text = f"{Decimal((value * 100).numerator) / 100:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def strip_numbers(question: str) -> str:
    """Return a question without digits, months and weekdays; two questions that only differ in these are alike."""
    return NUMBER_WORDS.sub("#", question)


def draw_words(rng: random.Random) -> dict[str, str]:
    """Return drawn names and things for a wording."""
    item, part = rng.choice(ITEMS), rng.choice(PARTS)
    return {
        "name": rng.choice(NAMES),
        "city": rng.choice(CITIES),
        "item": item,
        "items": f"{item}s",
        "part": part,
        "parts": f"{part}s",
    }


# Rows of word problems


def substitute(formula: str, texts: dict[str, str]) -> str:
    """Return `formula` with each name replaced by its text."""
    return re.sub(r"[A-Za-z_]+", lambda name: texts[name[0]], formula)


def make_word_row(scenario: WordScenario, wording: str, rng: random.Random) -> dict[str, str] | None:
    """Return one problem, without id and split, or None if the drawn numbers do not suit it."""
    numbers = {name: rng.choice(choices) for name, choices in scenario.numbers.items()}
    texts = {name: str(number) for name, number in numbers.items()}
    item, other = rng.sample(WORD_ITEMS, 2)
    words = {"name": rng.choice(WORD_NAMES), "item": item, "other": other}
    reasoning = scenario.reasoning
    for letter, formula in zip("ABCD", re.findall(r"{([^{}]* [^{}]*)}", reasoning), strict=False):
        left = substitute(formula, texts)
        value = evaluate(left)
        # Only money has decimals.
        if value < 2 or (value * (100 if "euros" in wording else 1)).denominator != 1:
            return None
        texts[letter] = format_number(value)
        reasoning = reasoning.replace(f"{{{formula}}}", f"{left} = {texts[letter]}")
    expression = substitute(scenario.formula, texts)
    answer = format_number(evaluate(expression))
    # Equal numbers would hide which one a solution used, and an answer in the question could be had by copying.
    # With floats, too, the result is exact, so that nobody needs to round.
    given = {Fraction(number) for number in numbers.values()}
    if len(given) < len(numbers) or Fraction(answer) in given or eval(expression) != float(answer):
        return None
    lines = [f"{name} = {texts[name]}" for name in numbers if re.search(rf"\b{name}\b", scenario.formula)]
    return {
        "level": str(scenario.level),
        "question": wording.format(**texts, **words),
        "answer": answer,
        "reasoning": f"{reasoning.format(**texts, **words)} The answer is {answer}.",
        "expression": expression,
        "program": "\n".join([*lines, f"answer = {scenario.formula}"]),
    }


def make_word_problems(seed: int = SEED) -> list[dict[str, str]]:
    """Return the rows of `word_problems.csv`: in each split levels, scenarios and wordings take turns.

    Raises:
        RuntimeError: a scenario gives no new question.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    rows = []
    for split, count in WORD_PER_LEVEL.items():
        width = max(2, len(str(count * len(LEVELS))))
        pools = {level: [scenario for scenario in WORD_SCENARIOS if scenario.level == level] for level in LEVELS}
        wordings = {}
        for pool in pools.values():
            rng.shuffle(pool)
            for scenario in pool:
                *others, shot = scenario.wordings
                wordings[scenario.formula, scenario.level] = [shot] if split == "shots" else rng.sample(others, 3)
        for index in range(count):
            for level in LEVELS:
                turn, place = divmod(index, len(pools[level]))
                scenario = pools[level][place]
                choices = wordings[scenario.formula, level]
                for _ in range(20_000):
                    row = make_word_row(scenario, choices[turn % len(choices)], rng)
                    if row is not None and row["question"] not in seen:
                        break
                else:
                    raise RuntimeError(f"No new question was found for {scenario}.")
                seen.add(row["question"])
                check_word_row(row)
                rows.append({"id": f"w-{split}-{index * len(LEVELS) + level:0{width}}", "split": split} | row)
    return rows


def run_program(program: str) -> object:
    """Return what a program assigns to `answer`."""
    names: dict[str, object] = {}
    exec(program, names)
    return names["answer"]


def check_equations(reasoning: str) -> list[str]:
    """Return the results of all equations in `reasoning`, each checked."""
    number = r"\d+(?:\.\d+)?"
    found = re.findall(rf"(\(?{number}\)?(?: [-+*/] \(?{number}\)?)+) = ({number})", reasoning)
    assert len(found) == reasoning.count(" = "), reasoning
    for left, right in found:
        assert evaluate(left) == Fraction(right), f"{left} is not {right}"
    return [right for _, right in found]


def check_word_row(row: dict[str, str]) -> None:
    """Raise AssertionError unless all forms of the solution give the answer and the question has its length."""
    words = len(row["question"].split())
    assert 12 <= words <= (28 if row["level"] in "12" else 45), row
    assert re.fullmatch(r"[\d .()*/+-]+", row["expression"]), row
    assert check_equations(row["reasoning"])[-1] == row["answer"], row
    assert evaluate(row["expression"]) == Fraction(row["answer"]), row
    assert float(run_program(row["program"])) == float(row["answer"]), row


def check_date_row(row: dict[str, str]) -> None:
    """Raise AssertionError unless all forms of the solution give the answer and the question has its length."""
    assert row["reasoning"].endswith(f" The answer is {row['answer']}."), row
    assert len(re.split(r"(?<=\.) ", row["reasoning"])) <= MAX_SENTENCES, row
    assert row["program"].splitlines()[-1].startswith("answer = "), row
    assert row["question"].endswith("?"), row
    check_equations(row["reasoning"])
    # Long enough for the convention of counting.
    assert 10 <= len(row["question"].split()) <= 45, row
    assert str(run_program(row["program"])) == row["answer"], row
    assert apply_symbols(row["symbols"]) == row["answer"], row


# Rows of date questions


def write_date(day: date, form: int) -> str:
    """Return a date in words, in one of four forms."""
    month = MONTHS[day.month - 1]
    return (
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day:%d.%m.%Y}",
        f"{WEEKDAYS[day.weekday()][:3]} {day.day} {month} {day.year}",
    )[form]


def find_month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1) - timedelta(days=1)


def add_months(day: date, months: int) -> date:
    """Return the same day of the month, `months` later.

    Raises:
        ValueError: that month has no such day.
    """
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, day.day)


def add_working_days(day: date, num_days: int) -> date:
    """Return the working day, Monday to Friday, that is `num_days` after `day`."""
    while num_days > 0:
        day += timedelta(days=1)
        num_days -= day.weekday() < 5
    return day


def apply_symbols(symbols: str) -> str:
    """Return the answer that a JSON object of start, operation and value stands for."""
    call = json.loads(symbols)
    start, operation, value = date.fromisoformat(call["start"]), call["operation"], call["value"]
    if operation == "days_between":
        return str((date.fromisoformat(value) - start).days)
    operations: dict[str, Callable[[date, int], date]] = {
        "add_days": lambda day, number: day + timedelta(days=number),
        "subtract_days": lambda day, number: day - timedelta(days=number),
        "add_weeks": lambda day, number: day + timedelta(weeks=number),
        "add_months": add_months,
        "add_working_days": add_working_days,
    }
    return str(operations[operation](start, int(value)))


def explain_addition(start: date, num_days: int) -> list[str]:
    """Return sentences that add days month by month."""
    end = start + timedelta(days=num_days)
    if (start.year, start.month) == (end.year, end.month):
        return [f"{start.day} + {num_days} = {end.day}, so the date is {write_date(end, 0)}."]
    month_end = find_month_end(start)
    left = (month_end - start).days
    sentences = [f"{MONTHS[start.month - 1]} has {month_end.day} - {start.day} = {left} days left."]
    terms = [num_days, left]
    month_end = find_month_end(month_end + timedelta(days=1))
    while month_end < end and (month_end.year, month_end.month) != (end.year, end.month):
        sentences.append(f"{MONTHS[month_end.month - 1]} {month_end.year} has {month_end.day} days.")
        terms.append(month_end.day)
        month_end = find_month_end(month_end + timedelta(days=1))
    sentences.append(f"{' - '.join(map(str, terms))} = {end.day}, so the date is {write_date(end, 0)}.")
    return sentences


def explain_subtraction(start: date, num_days: int) -> list[str]:
    """Return sentences that take days away, at most into the month before."""
    end = start - timedelta(days=num_days)
    closing = f"so the date is {write_date(end, 0)}."
    if (start.year, start.month) == (end.year, end.month):
        return [f"{start.day} - {num_days} = {end.day}, {closing}"]
    month_end = find_month_end(end)
    return [
        f"{MONTHS[end.month - 1]} {end.year} has {month_end.day} days.",
        f"{month_end.day} + {start.day} - {num_days} = {end.day}, {closing}",
    ]


def explain_difference(start: date, end: date) -> list[str]:
    """Return sentences that count the days from `start` to `end` month by month."""
    month_end = find_month_end(start)
    left = (month_end - start).days
    terms, names = [left], []
    sentences = [f"{MONTHS[start.month - 1]} has {month_end.day} - {start.day} = {left} days left."]
    month_end = find_month_end(month_end + timedelta(days=1))
    while month_end < end:
        names.append(f"{month_end.day} days of {MONTHS[month_end.month - 1]}")
        terms.append(month_end.day)
        month_end = find_month_end(month_end + timedelta(days=1))
    if (month_end.year, month_end.month) == (end.year, end.month):
        names.append(f"{end.day} of {MONTHS[end.month - 1]}")
        terms.append(end.day)
    sentences.append(f"Then come {' and '.join(names)}.")
    sentences.append(f"{' + '.join(map(str, terms))} = {(end - start).days} days.")
    return sentences


def explain_months(start: date, months: int, in_years: bool) -> list[str]:
    """Return sentences that add the years and then the months."""
    years, rest = divmod(months, 12)
    end = add_months(start, months)
    sentences = []
    if years and not in_years:
        year_text = "1 year" if years == 1 else f"{years} years"
        sentences.append(f"{months} months are {year_text}{f' and {rest} months' if rest else ''}.")
    if years:
        after_years = write_date(add_months(start, 12 * years), 0)
        sentences.append(f"{start.year} + {years} = {start.year + years}, which gives {after_years}.")
    if rest:
        sentences.append(f"{rest} months later it is {write_date(end, 0)}.")
    return sentences


def explain_working_days(start: date, num_days: int) -> list[str]:
    """Return sentences that add whole weeks of five working days and then the rest."""
    sentences = []
    day = start
    if start.weekday() > 4:
        day = start - timedelta(days=start.weekday() - 4)
        sentences.append(f"The count is the same as from {write_date(day, 3)}.")
    else:
        sentences.append(f"The start is {write_date(day, 3)}.")
    weeks, rest = divmod(num_days, 5)
    if weeks:
        day += timedelta(weeks=weeks)
        week_text = "1 week" if weeks == 1 else f"{weeks} weeks"
        sentences.append(f"{5 * weeks} working days are {week_text}, up to {write_date(day, 3)}.")
    if rest:
        end = add_working_days(day, rest)
        day_text = f"{rest} working day{'s' if rest > 1 else ''}{' more' if weeks else ''}"
        sentences.append(f"{day_text} {'leads' if rest == 1 else 'lead'} to {write_date(end, 3)}.")
    return sentences


def draw_date(rng: random.Random) -> date:
    """Return a day of 2024 to 2028, often near a leap day or the end of a year."""
    kind = rng.random()
    if kind < 0.25:
        start = date(rng.choice((2024, 2028)), rng.choice((1, 2)), 1)
    elif kind < 0.45:
        start = date(rng.randint(2024, 2027), rng.choice((11, 12)), 1)
    else:
        start = date(rng.randint(2024, 2028), rng.randint(1, 12), 1)
    return start.replace(day=rng.randint(1, find_month_end(start).day))


def write_code(day: date) -> str:
    """Return the call that makes a day."""
    return f"date({day.year}, {day.month}, {day.day})"


def make_date_row(scenario: DateScenario, level: int, wording: str, rng: random.Random) -> dict[str, str] | None:
    """Return one date question, without id and split, or None if the drawn dates do not suit it."""
    start, amount, words = draw_date(rng), rng.choice(scenario.amounts), draw_words(rng)
    forms = [rng.choice((0, 1, 2, 3)), rng.choice((0, 1, 2, 3))]
    kind, event = scenario.kind, scenario.event
    operation, value = kind, str(amount)
    imports = "from datetime import date, timedelta"
    shown = [start]
    lines = [f"{event} = {write_code(start)}"]
    fields = {"amount": str(amount)}
    match kind:
        case "add_days" | "subtract_days":
            sign = 1 if kind == "add_days" else -1
            end = start + timedelta(days=sign * amount)
            # Within the month is level 1, across its end level 2.
            if ((start.year, start.month) == (end.year, end.month)) != (level == 1):
                return None
            if sign < 0 and (find_month_end(end) + timedelta(days=1)).month != start.month:
                return None
            sentences = explain_addition(start, amount) if sign > 0 else explain_subtraction(start, amount)
            lines += [f"days = {amount}", f"answer = str({event} {'+' if sign > 0 else '-'} timedelta(days=days))"]
        case "days_between":
            end = start + timedelta(days=amount)
            if (start.year, start.month) == (end.year, end.month):
                return None
            value = str(end)
            shown.append(end)
            imports = "from datetime import date"
            sentences = explain_difference(start, end)
            lines += [f"end = {write_code(end)}", f"answer = (end - {event}).days"]
        case "add_weeks":
            days = 7 * amount
            explained = explain_addition(start, days)
            sentences = [f"{amount} weeks are {amount} * 7 = {days} days.", *explained]
            lines += [f"weeks = {amount}", f"answer = str({event} + timedelta(days=7 * weeks))"]
        case "add_months" | "add_years":
            try:
                add_months(start, amount)
                # The days between must exist as well, since the reasoning names the day after whole years.
                add_months(start, amount // 12 * 12)
            except ValueError:
                return None
            operation, imports = "add_months", "from datetime import date"
            fields["years"] = str(amount // 12)
            sentences = explain_months(start, amount, kind == "add_years")
            lines = [
                f"months = {12 if kind == 'add_years' else amount}{f' * {amount // 12}' * (kind == 'add_years')}",
                f"month = {start.month} + months",
                f"year = {start.year} + (month - 1) // 12",
                "month = (month - 1) % 12 + 1",
                f"answer = str(date(year, month, {start.day}))",
            ]
        case "add_working_days":
            sentences = explain_working_days(start, amount)
            lines = [
                f"day = {write_code(start)}",
                f"working_days = {amount}",
                "while working_days > 0:",
                "    day = day + timedelta(days=1)",
                "    if day.weekday() < 5:",
                "        working_days = working_days - 1",
                "answer = str(day)",
            ]
        case "before_month_end" | "after_month_end":
            fields["month"] = f"{MONTHS[start.month - 1]} {start.year}"
            start = find_month_end(start)
            is_before = kind == "before_month_end"
            operation = "subtract_days" if is_before else "add_days"
            leap = f"{start.year} is a leap year, so " if (start.month, start.day) == (2, 29) else ""
            sentences = [f"{leap}{fields['month']} has {start.day} days."]
            if is_before:
                sentences += explain_subtraction(start, amount)
            else:
                end = start + timedelta(days=amount)
                sentences.append(f"{amount} days after its last day it is {write_date(end, 0)}.")
            lines = [
                f"next_month = {write_code(start + timedelta(days=1))}",
                "last_day = next_month - timedelta(days=1)",
                f"answer = str(last_day {'-' if is_before else '+'} timedelta(days={amount}))",
            ]
        case "next_weekday":
            weekday = rng.randrange(6)
            days = (weekday - start.weekday()) % 7
            # On the weekday itself, "the first after" would invite a dispute.
            if days == 0:
                return None
            fields["weekday"] = WEEKDAYS[weekday]
            forms = [3, 3]
            operation, value = "add_days", str(days + amount)
            second = f" The second is 7 days later, so {days} + 7 = {days + 7} days." if amount else ""
            plural = f"{days} days" if days > 1 else "1 day"
            verb = "are" if days > 1 else "is"
            end = start + timedelta(days=days + amount)
            sentences = [f"From {WEEKDAYS[start.weekday()]} to {fields['weekday']} {verb} {plural}.{second}"]
            sentences.append(f"{write_date(start, 0)} plus {days + amount} {'day' if days + amount == 1 else 'days'}")
            sentences[-1] += f" is {write_date(end, 0)}."
            lines = [
                f"{fields['weekday'].lower()} = {weekday}",
                f"day = {write_code(start)} + timedelta(days=1)",
                f"while day.weekday() != {fields['weekday'].lower()}:",
                "    day = day + timedelta(days=1)",
                f"answer = str(day{' + timedelta(days=7)' if amount else ''})",
            ]
        case _:
            raise ValueError(f"There is no kind {kind!r}.")
    # 03.04. is April here and March elsewhere; two dates in one question have one form.
    form = forms[0] if forms[0] != 2 or all(day.day > 12 for day in shown) else 0
    symbols = json.dumps({"start": str(start), "operation": operation, "value": value})
    answer = apply_symbols(symbols)
    reasoning = " ".join([*sentences, f"The answer is {answer}."])
    if len(re.split(r"(?<=\.) ", reasoning)) > MAX_SENTENCES:
        return None
    fields["start"] = write_date(start, form)
    if kind == "days_between":
        fields["end"] = write_date(end, form)
    return {
        "level": str(level),
        "question": wording.format(**fields, **words),
        "answer": answer,
        "reasoning": reasoning,
        "symbols": symbols,
        "program": "\n".join([imports, *lines]),
    }


# Sets of rows


def make_date_questions(seed: int = SEED + 1) -> list[dict[str, str]]:
    """Return the rows of `date_questions.csv`, level by level.

    The scenarios of a level take turns. The shots of a level come from scenarios of different kinds, and their
    wordings are then used up.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    taken: set[str] = set()
    rows = []
    for split, count in DATE_PER_LEVEL.items():
        width = max(2, len(str(count * len(LEVELS))))
        number = 0
        for level in LEVELS:
            pool = [scenario for scenario in DATE_SCENARIOS if level in scenario.levels]
            rng.shuffle(pool)
            if split == "shots":
                pool = pick_kinds(pool, count)
            for index in range(count):
                row, wording = draw_date_row(pool[index % len(pool)], level, taken, seen, rng)
                if split == "shots":
                    taken.add(wording)
                seen.add(strip_numbers(row["question"]))
                check_date_row(row)
                number += 1
                rows.append({"id": f"d-{split}-{number:0{width}}", "split": split} | row)
    return rows


def draw_date_row(
    scenario: DateScenario, level: int, taken: set[str], seen: set[str], rng: random.Random
) -> tuple[dict[str, str], str]:
    """Return a row that suits and is new, and its wording.

    Raises:
        RuntimeError: none was found, so the scenario needs more wordings or looser conditions.
    """
    wordings = [wording for wording in scenario.wordings if wording not in taken]
    for _ in range(20_000):
        wording = rng.choice(wordings)
        row = make_date_row(scenario, level, wording, rng)
        if row is not None and strip_numbers(row["question"]) not in seen:
            return row, wording
    raise RuntimeError(f"No new question was found for {scenario}.")


def pick_kinds(pool: list[DateScenario], count: int) -> list[DateScenario]:
    """Return `count` scenarios of a shuffled pool, of different kinds as far as there are so many."""
    kinds: set[str] = set()
    first, later = [], []
    for scenario in pool:
        kind = scenario.kind.split("_")[-1]
        (later if kind in kinds else first).append(scenario)
        kinds.add(kind)
    return [*first, *later][:count]


def format_csv(rows: list[dict[str, str]], header: Sequence[str]) -> str:
    """Return rows as CSV with one header line; programs keep their line breaks."""
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def make_files() -> dict[str, bytes]:
    """Return the content of each file by its name."""
    return {
        "word_problems.csv": format_csv(make_word_problems(), WORD_HEADER).encode(),
        "date_questions.csv": format_csv(make_date_questions(), DATE_HEADER).encode(),
    }


def main() -> None:
    """Write both files beside this one."""
    for name, content in make_files().items():
        Path(__file__).with_name(name).write_bytes(content)
        print(f"{name}: {len(content)} bytes")


if __name__ == "__main__":
    main()
