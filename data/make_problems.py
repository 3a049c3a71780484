"""Word problems and date questions from the world of Pellworth, drawn from templates with a fixed seed.

`python data/make_problems.py` writes `word_problems.csv` and `date_questions.csv` beside this file; running it
again gives the same bytes. A question is a scenario (what is computed), a wording of it, and drawn names, things
and numbers. No two questions have the same wording with the same names and things, and a wording that appears
among the shots appears nowhere else, so that no example gives a later question away.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

SEED = 20260314
WORD_HEADER = ("id", "split", "level", "question", "answer", "reasoning", "expression", "program")
DATE_HEADER = ("id", "split", "level", "question", "answer", "reasoning", "symbols", "program")
WORD_PER_LEVEL = {"shots": 4, "dev": 20, "test": 40}
DATE_PER_LEVEL = {"shots": 3, "dev": 12, "test": 32}
LEVELS = (1, 2, 3, 4)
MAX_SENTENCES = 4

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
    """What is computed: `steps` are (name, formula, sentence), the last named answer.

    Attributes:
        numbers: the choices for each number; a number that no formula uses is there to distract.
        where: what the drawn numbers must fulfil, in Python.
        wordings: questions with the numbers, and {name}, {other}, {item}, {items}, {part}, {parts}, {city}.
    """

    level: int
    name: str
    numbers: dict[str, Sequence]
    steps: tuple[tuple[str, str, str], ...]
    wordings: tuple[str, ...]
    where: str = "True"


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

WORD_SCENARIOS = (
    # Level 1: one operation, small whole numbers
    WordScenario(
        1,
        "boxes",
        {"boxes": range(2, 10), "items_per_box": range(3, 13)},
        (("answer", "boxes * items_per_box", "The boxes hold {eq} {items}."),),
        (
            "{name} unpacks {boxes} boxes. Each box holds {items_per_box} {items}. How many {items} are there in all?",
            "A delivery brings {boxes} boxes with {items_per_box} {items} in each box. How many {items} arrive?",
            "Every box holds {items_per_box} {items}. {name} counts {boxes} full boxes. How many {items} is that?",
            "The warehouse in {city} sends {boxes} boxes of {items}. One box holds {items_per_box}. How many {items} "
            "does it send?",
        ),
    ),
    WordScenario(
        1,
        "sold",
        {"stock": range(15, 60), "sold": range(3, 40)},
        (("answer", "stock - sold", "There are {eq} {items} left."),),
        (
            "The shop has {stock} {items} on Monday morning and sells {sold} of them. How many {items} are left?",
            "{name} sells {sold} of the {stock} {items} in the shop. How many {items} does the shop still have?",
            "There were {stock} {items} on the shelf. Customers bought {sold}. How many {items} remain on the shelf?",
            "Pellworth in {city} had {stock} {items} and sold {sold} this week. How many {items} are still there?",
        ),
        "stock - sold > 3",
    ),
    WordScenario(
        1,
        "restock",
        {"stock": range(5, 40), "delivered": range(6, 40)},
        (("answer", "stock + delivered", "Now there are {eq} {items}."),),
        (
            "The shop has {stock} {items}. A delivery brings {delivered} more. How many {items} does it have now?",
            "{name} puts {delivered} new {items} next to the {stock} old ones. How many {items} are there now?",
            "There are {stock} {items} in store and {delivered} more in the van. How many {items} is that together?",
            "Pellworth in {city} had {stock} {items} before {delivered} more were delivered. How many does it have "
            "now?",
        ),
    ),
    WordScenario(
        1,
        "packing",
        {"pieces": range(12, 81), "pieces_per_box": range(3, 11)},
        (("answer", "pieces / pieces_per_box", "That takes {eq} boxes."),),
        (
            "{name} packs {pieces} {items} into boxes, {pieces_per_box} in each. How many boxes does {name} fill?",
            "One box takes {pieces_per_box} {items}. How many boxes are needed for an order of {pieces} {items}?",
            "A hotel in {city} ordered {pieces} {items}. They travel {pieces_per_box} to a box. How many boxes go out?",
            "There are {pieces} {parts} to pack, always {pieces_per_box} in one box. How many boxes will that fill?",
        ),
        "pieces % pieces_per_box == 0",
    ),
    WordScenario(
        1,
        "refund",
        {"returned": range(2, 6), "price": range(11, 40)},
        (("answer", "returned * price", "The refund is {eq} euros."),),
        (
            "{name} returns {returned} {items}. Each one cost {price} euros. How many euros does {name} get back?",
            "A customer sends back {returned} {items} that cost {price} euros each. How many euros is the refund?",
            "Pellworth refunds {price} euros for every returned {item}. How many euros does it refund for {returned}?",
            "Each {item} cost {price} euros. {name} gave {returned} of them back. How many euros is the refund?",
        ),
    ),
    WordScenario(
        1,
        "voucher",
        {"price": range(22, 70), "voucher": (5, 8, 10, 12, 15, 20)},
        (("answer", "price - voucher", "{name} pays {eq} euros."),),
        (
            "A {item} costs {price} euros. {name} has a voucher for {voucher} euros. How many euros does {name} pay?",
            "{name} uses a voucher of {voucher} euros to buy a {item} for {price} euros. How many euros are left to "
            "pay?",
            "The price of a {item} is {price} euros. With a voucher it is {voucher} euros less. How many euros does "
            "{name} pay?",
            "With a {voucher} euro voucher {name} buys a {item}. Its price is {price} euros. How many euros does "
            "{name} still owe?",
        ),
    ),
    WordScenario(
        1,
        "postage",
        {"price": range(14, 70), "postage": range(3, 10)},
        (("answer", "price + postage", "Together that is {eq} euros."),),
        (
            "A {item} costs {price} euros. Postage is {postage} euros. How many euros does {name} pay in total?",
            "{name} orders a {item} for {price} euros and pays {postage} euros for postage. How many euros is that?",
            "Sending a parcel to {city} costs {postage} euros. The {item} in it costs {price} euros. How many euros "
            "is that together?",
            "The postage is {postage} euros and the {item} is {price} euros. How many euros must {name} pay?",
        ),
    ),
    WordScenario(
        1,
        "repairs",
        {"repairs_per_day": range(3, 13), "days": range(2, 8)},
        (("answer", "repairs_per_day * days", "That makes {eq} repairs."),),
        (
            "{name} repairs {repairs_per_day} {items} a day. How many {items} does {name} repair in {days} days?",
            "The workshop in {city} mends {repairs_per_day} {items} every day. How many does it mend in {days} days?",
            "For {days} days {name} repaired {repairs_per_day} {items} each day. How many {items} is that in all?",
            "{name} worked {days} days and fixed {repairs_per_day} {items} on each. How many {items} did {name} fix?",
        ),
    ),
    WordScenario(
        1,
        "change",
        {"paid": (20, 50, 60, 70, 80), "price": range(11, 75)},
        (("answer", "paid - price", "The change is {eq} euros."),),
        (
            "{name} pays for a {item} with {paid} euros. It costs {price} euros. How many euros of change are due?",
            "A {item} costs {price} euros. {name} hands over {paid} euros. How many euros does {name} get back?",
            "The repair of a {item} costs {price} euros. {name} gives {paid} euros. How many euros is the change?",
        ),
        "2 < paid - price < 30",
    ),
    WordScenario(
        1,
        "share",
        {"pieces": range(12, 73), "technicians": range(2, 9)},
        (("answer", "pieces / technicians", "Each gets {eq} {parts}."),),
        (
            "There are {technicians} technicians. They share {pieces} {parts} equally. How many {parts} does each "
            "technician get?",
            "{name} divides {pieces} {parts} evenly among {technicians} technicians. How many {parts} does each "
            "of them get?",
            "The workshop in {city} has {pieces} {parts} for {technicians} technicians, the same number each. How "
            "many {parts} are for one?",
        ),
        "pieces % technicians == 0",
    ),
    # Level 2: two operations
    WordScenario(
        2,
        "boxes sold",
        {"boxes": range(3, 10), "items_per_box": range(4, 13), "sold": range(5, 60)},
        (
            ("total", "boxes * items_per_box", "The boxes hold {eq} {items}."),
            ("answer", "total - sold", "After the sale {eq} are left."),
        ),
        (
            "A delivery brings {boxes} boxes with {items_per_box} {items} each. The shop sells {sold}. How many "
            "{items} are left?",
            "{name} unpacks {boxes} boxes of {items_per_box} {items} and sells {sold} {items}. How many {items} "
            "remain?",
            "Each box holds {items_per_box} {items}. There were {boxes} boxes and {sold} {items} were sold. How many "
            "{items} remain?",
            "From {boxes} boxes, each with {items_per_box} {items}, {name} sold {sold} {items}. How many are still "
            "there?",
        ),
        "total - sold > 3",
    ),
    WordScenario(
        2,
        "order with postage",
        {"count": range(2, 7), "price": range(12, 60), "postage": range(4, 13)},
        (
            ("goods", "count * price", "The {items} cost {eq} euros."),
            ("answer", "goods + postage", "With postage that is {eq} euros."),
        ),
        (
            "{name} orders {count} {items} for {price} euros each. Postage is {postage} euros. How many euros does "
            "{name} pay?",
            "A {item} costs {price} euros. {name} orders {count} and pays {postage} euros for postage. How many euros "
            "is that in total?",
            "Postage to {city} is {postage} euros per order. How many euros does an order of {count} {items} at "
            "{price} euros each cost?",
            "A cafe in {city} buys {count} {items} at {price} euros each, plus {postage} euros postage. How many euros "
            "does it pay?",
        ),
    ),
    WordScenario(
        2,
        "order with voucher",
        {"count": range(2, 7), "price": range(12, 50), "voucher": (5, 10, 15, 20, 25)},
        (
            ("goods", "count * price", "The {items} cost {eq} euros."),
            ("answer", "goods - voucher", "With the voucher {name} pays {eq} euros."),
        ),
        (
            "{name} buys {count} {items} at {price} euros each and uses a voucher of {voucher} euros. How many euros "
            "does {name} pay?",
            "With a voucher for {voucher} euros, {name} buys {count} {items}. Each costs {price} euros. How many euros "
            "are left to pay?",
            "One {item} costs {price} euros. {name} takes {count} and hands in a {voucher} euro voucher. How many "
            "euros must {name} pay?",
        ),
    ),
    WordScenario(
        2,
        "stock over two days",
        {"stock": range(20, 80), "sold": range(5, 60), "delivered": range(8, 50)},
        (
            ("left", "stock - sold", "After the sale {eq} {items} are left."),
            ("answer", "left + delivered", "With the delivery there are {eq}."),
        ),
        (
            "The shop has {stock} {items}. It sells {sold} on Monday and gets {delivered} on Tuesday. How many "
            "{items} does it have now?",
            "Of {stock} {items}, {name} sells {sold}. Then a van brings {delivered} more. How many {items} are there "
            "now?",
            "Pellworth in {city} had {stock} {items}, sold {sold} and received {delivered}. How many {items} does it "
            "have?",
            "{name} counts {stock} {items}. Later {sold} are sold and {delivered} delivered. How many {items} are in "
            "the shop?",
        ),
        "stock - sold > 2",
    ),
    WordScenario(
        2,
        "repairs waiting",
        {"waiting": range(25, 70), "fixed_monday": range(4, 25), "fixed_tuesday": range(4, 25)},
        (
            ("left", "waiting - fixed_monday", "After Monday {eq} are waiting."),
            ("answer", "left - fixed_tuesday", "After Tuesday {eq} are waiting."),
        ),
        (
            "{waiting} {items} wait for repair. {name} fixes {fixed_monday} on Monday and {fixed_tuesday} on Tuesday. "
            "How many still wait?",
            "The workshop in {city} has {waiting} broken {items}. It mends {fixed_monday} on Monday and "
            "{fixed_tuesday} on Tuesday. How many are still broken?",
            "On Monday {name} repairs {fixed_monday} of {waiting} broken {items}, on Tuesday {fixed_tuesday} more. "
            "How many {items} are left to repair?",
        ),
    ),
    WordScenario(
        2,
        "vans",
        {"vans": range(3, 9), "parcels_per_van": range(8, 25), "failed": range(3, 20)},
        (
            ("loaded", "vans * parcels_per_van", "The vans carry {eq} parcels."),
            ("answer", "loaded - failed", "Delivered are {eq} parcels."),
        ),
        (
            "{vans} vans carry {parcels_per_van} parcels each to {city}. {failed} parcels cannot be delivered. How "
            "many parcels are delivered?",
            "Each van takes {parcels_per_van} parcels of {items}. From {vans} full vans {failed} parcels come back. "
            "How many were delivered?",
            "{name} loads {vans} vans with {parcels_per_van} parcels each. Only {failed} parcels are not delivered. "
            "How many parcels are delivered?",
        ),
    ),
    WordScenario(
        2,
        "change for several",
        {"paid": (50, 100, 150, 200), "count": range(2, 6), "price": range(11, 60)},
        (
            ("cost", "count * price", "The {items} cost {eq} euros."),
            ("answer", "paid - cost", "The change is {eq} euros."),
        ),
        (
            "{name} buys {count} {items} at {price} euros each and pays with {paid} euros. How many euros of change "
            "does {name} get?",
            "A {item} costs {price} euros. {name} pays {paid} euros for {count} of them. How many euros does {name} "
            "get back?",
            "{name} has {paid} euros and buys {count} {items} for {price} euros each. How many euros are left?",
        ),
        "2 < paid - count * price < 60",
    ),
    WordScenario(
        2,
        "friends share",
        {"price": range(20, 90), "postage": range(4, 11), "friends": range(2, 7)},
        (
            ("total", "price + postage", "The total is {eq} euros."),
            ("answer", "total / friends", "Each pays {eq} euros."),
        ),
        (
            "{friends} friends buy a {item} for {price} euros plus {postage} euros postage. They share the cost "
            "equally. How many euros does each pay?",
            "A {item} costs {price} euros and postage to {city} {postage} euros. {friends} people split this evenly. "
            "How many euros does one pay?",
            "{name} is one of {friends} friends who share a {item} equally. It costs {price} euros, postage "
            "{postage} euros. How many euros does {name} pay?",
        ),
        "total % friends == 0 and answer > 4",
    ),
    WordScenario(
        2,
        "boxes sent away",
        {"boxes": range(7, 20), "sent": range(2, 15), "parts_per_box": range(4, 16)},
        (
            ("boxes_left", "boxes - sent", "There are {eq} boxes left."),
            ("answer", "boxes_left * parts_per_box", "They hold {eq} {parts}."),
        ),
        (
            "The store has {boxes} boxes of {parts_per_box} {parts}. It sends {sent} boxes to {city}. How many "
            "{parts} stay?",
            "{name} gives away {sent} of {boxes} boxes. Each box holds {parts_per_box} {parts}. How many {parts} are "
            "left?",
            "Each of {boxes} boxes holds {parts_per_box} {parts}. The workshop uses up {sent} boxes. How many {parts} "
            "remain?",
        ),
        "boxes - sent > 1",
    ),
    WordScenario(
        2,
        "repair bill",
        {"hours": range(2, 6), "hourly_rate": range(15, 40), "part_price": range(5, 30)},
        (
            ("labour", "hours * hourly_rate", "The work costs {eq} euros."),
            ("answer", "labour + part_price", "With the {part} that is {eq} euros."),
        ),
        (
            "A repair takes {hours} hours at {hourly_rate} euros an hour. The new {part} costs {part_price} euros. How "
            "many euros is the bill?",
            "{name} mends a {item} in {hours} hours. One hour costs {hourly_rate} euros, the {part} {part_price} "
            "euros. How many euros is that in total?",
            "A new {part} for {part_price} euros and {hours} hours of work at {hourly_rate} euros each: how many "
            "euros does {name} pay?",
        ),
    ),
    # Level 3: three operations, or two with euros and cents
    WordScenario(
        3,
        "parts by post",
        {"count": range(2, 9), "price": cents(2, 12), "postage": cents(2, 7)},
        (
            ("goods", "count * price", "The {parts} cost {eq} euros."),
            ("answer", "goods + postage", "With postage that is {eq} euros."),
        ),
        (
            "{name} orders {count} {parts} at {price} euros each. Postage is {postage} euros. How many euros does "
            "{name} pay in total?",
            "A {part} costs {price} euros. How many euros do {count} {parts} cost with {postage} euros postage to "
            "{city}?",
            "Postage for {name} is {postage} euros. The order has {count} {parts} for {price} euros each. How many "
            "euros is the whole bill?",
        ),
    ),
    WordScenario(
        3,
        "change in cents",
        {"paid": (20, 50, 100), "count": range(2, 7), "price": cents(3, 17)},
        (
            ("cost", "count * price", "The {parts} cost {eq} euros."),
            ("answer", "paid - cost", "The change is {eq} euros."),
        ),
        (
            "{name} buys {count} {parts} at {price} euros each and pays with a {paid} euro note. How many euros of "
            "change are due?",
            "One {part} costs {price} euros. {name} pays {paid} euros for {count} {parts}. How many euros does {name} "
            "get back?",
            "From {paid} euros {name} buys {count} {parts} for {price} euros each. How many euros does {name} have "
            "left?",
        ),
        "0 < paid - count * price < 20",
    ),
    WordScenario(
        3,
        "repair by post",
        {"hours": range(2, 5), "hourly_rate": range(16, 40), "part_price": cents(3, 20), "postage": range(4, 9)},
        (
            ("labour", "hours * hourly_rate", "The work costs {eq} euros."),
            ("repair", "labour + part_price", "With the {part} it is {eq} euros."),
            ("answer", "repair + postage", "With postage it is {eq} euros."),
        ),
        (
            "Repairing a {item} takes {hours} hours at {hourly_rate} euros an hour. A {part} costs {part_price} euros, "
            "postage {postage} euros. How many euros is the bill?",
            "{name} pays {hours} hours of work at {hourly_rate} euros each, {part_price} euros for a {part} and "
            "{postage} euros postage. How many euros is that?",
            "Postage is {postage} euros, the {part} {part_price} euros and each of {hours} hours of work {hourly_rate} "
            "euros. How many euros does {name} pay?",
        ),
    ),
    WordScenario(
        3,
        "boxes and loose ones",
        {"boxes": range(3, 10), "items_per_box": range(5, 13), "loose": range(3, 20), "sold": range(8, 80)},
        (
            ("boxed", "boxes * items_per_box", "The boxes hold {eq} {items}."),
            ("stock", "boxed + loose", "With the loose ones there are {eq}."),
            ("answer", "stock - sold", "After the sale {eq} are left."),
        ),
        (
            "The shop has {boxes} boxes of {items_per_box} {items} and {loose} loose ones. It sells {sold}. How many "
            "{items} are left?",
            "{name} finds {loose} {items} on the shelf and {boxes} boxes with {items_per_box} each. Then {sold} are "
            "sold. How many remain?",
            "Each of {boxes} boxes holds {items_per_box} {items}; {loose} more stand outside. {name} sells {sold}. How "
            "many {items} remain?",
        ),
        "stock - sold > 3",
    ),
    WordScenario(
        3,
        "repair week",
        {"days": range(3, 6), "repairs_per_day": range(5, 15), "saturday": range(3, 12), "failed": range(2, 9)},
        (
            ("weekdays", "days * repairs_per_day", "On weekdays there are {eq} repairs."),
            ("total", "weekdays + saturday", "With Saturday there are {eq}."),
            ("answer", "total - failed", "Without the failed ones there are {eq}."),
        ),
        (
            "{name} repairs {repairs_per_day} {items} a day for {days} days and {saturday} on Saturday. {failed} "
            "break again. How many still work?",
            "For {days} days a workshop mends {repairs_per_day} {items} daily, on Saturday {saturday}. Of all these, "
            "{failed} fail the test. How many pass?",
            "In {city} {repairs_per_day} {items} are fixed on each of {days} days, and {saturday} on Saturday. Only "
            "{failed} come back broken. How many do not?",
        ),
    ),
    WordScenario(
        3,
        "two kinds",
        {"count": range(2, 6), "price": range(15, 60), "part_count": range(2, 8), "part_price": range(3, 15)},
        (
            ("items_cost", "count * price", "The {items} cost {eq} euros."),
            ("parts_cost", "part_count * part_price", "The {parts} cost {eq} euros."),
            ("answer", "items_cost + parts_cost", "Together that is {eq} euros."),
        ),
        (
            "{name} buys {count} {items} at {price} euros each and {part_count} {parts} at {part_price} euros each. "
            "How many euros does {name} pay?",
            "A {item} costs {price} euros, a {part} {part_price} euros. How many euros do {count} {items} and "
            "{part_count} {parts} cost?",
            "An order from {city} lists {part_count} {parts} for {part_price} euros each and {count} {items} for "
            "{price} euros each. How many euros is it?",
        ),
    ),
    WordScenario(
        3,
        "refund less fee",
        {"returned": range(2, 6), "price": cents(14, 45), "fee": range(3, 9), "voucher": (5, 10, 15)},
        (
            ("paid", "returned * price", "The {items} cost {eq} euros."),
            ("after_fee", "paid - fee", "Taking off the {fee} euros, {eq} euros are left."),
            ("answer", "after_fee - voucher", "Taking off the {voucher} euros, {eq} euros are left."),
        ),
        (
            "{name} returns {returned} {items} at {price} euros each. Pellworth keeps a fee of {fee} euros and the "
            "voucher of {voucher} euros. How many euros are refunded?",
            "A customer returns {returned} {items} that cost {price} euros each. From the refund, {voucher} euros for "
            "a voucher and {fee} euros for postage are taken off. How many euros remain?",
            "The refund for {name} is {price} euros for each of {returned} {items}, less {fee} euros fee and less a "
            "{voucher} euro voucher. How many euros is it?",
        ),
        "fee != voucher",
    ),
    WordScenario(
        3,
        "couriers",
        {"parcels": range(50, 150), "vans": range(2, 6), "parcels_per_van": range(8, 30), "couriers": range(2, 7)},
        (
            ("by_van", "vans * parcels_per_van", "The vans take {eq} parcels."),
            ("rest", "parcels - by_van", "The couriers take {eq} parcels."),
            ("answer", "rest / couriers", "Each takes {eq} parcels."),
        ),
        (
            "Of {parcels} parcels, {vans} vans take {parcels_per_van} each. {couriers} couriers share the rest "
            "equally. How many parcels does each courier take?",
            "{name} has {parcels} parcels of {items}. {vans} vans carry {parcels_per_van} each; {couriers} couriers "
            "split the rest evenly. How many does one courier carry?",
            "{vans} vans with {parcels_per_van} parcels each leave for {city}. There were {parcels} parcels. "
            "{couriers} couriers share the others equally. How many does each get?",
        ),
        "rest > 0 and rest % couriers == 0 and 2 < answer < 30",
    ),
    WordScenario(
        3,
        "shelves",
        {"boxes": range(3, 10), "items_per_box": range(4, 13), "damaged": range(2, 13), "shelves": range(2, 8)},
        (
            ("total", "boxes * items_per_box", "The boxes hold {eq} {items}."),
            ("good", "total - damaged", "Without the damaged ones there are {eq}."),
            ("answer", "good / shelves", "Each shelf gets {eq}."),
        ),
        (
            "{boxes} boxes of {items_per_box} {items} arrive, but {damaged} are damaged. {name} spreads the good ones "
            "evenly over {shelves} shelves. How many are on each shelf?",
            "{name} unpacks {boxes} boxes with {items_per_box} {items} each, throws away {damaged} {items} and fills "
            "{shelves} shelves equally. How many are on one shelf?",
            "Each of {boxes} boxes holds {items_per_box} {items}. {damaged} of all {items} are broken, the others go "
            "equally on {shelves} shelves. How many per shelf?",
        ),
        "good % shelves == 0 and answer > 2",
    ),
    WordScenario(
        3,
        "shared order",
        {"price": cents(20, 70), "part_price": cents(3, 15), "voucher": (5, 10), "friends": (2, 3, 4)},
        (
            ("goods", "price + part_price", "The goods cost {eq} euros."),
            ("total", "goods - voucher", "With the voucher it is {eq} euros."),
            ("answer", "total / friends", "Each pays {eq} euros."),
        ),
        (
            "{friends} friends buy a {item} for {price} euros and a {part} for {part_price} euros. A voucher takes off "
            "{voucher} euros. They share equally. How many euros does each pay?",
            "{name} and others, {friends} people in all, split a bill evenly: a {item} for {price} euros, a {part} for "
            "{part_price} euros, less a {voucher} euro voucher. How many euros each?",
            "A {part} costs {part_price} euros and a {item} {price} euros. With {voucher} euros off, {friends} "
            "neighbours in {city} share the price equally. How many euros does one pay?",
        ),
    ),
    # Level 4: four operations or more, with percentages, and some numbers that do not matter. 50 percent is left
    # out: the part and the rest would be the same number, and a wrong solution would pass.
    WordScenario(
        4,
        "discount and postage",
        {"count": range(2, 7), "price": range(15, 60), "percent": (10, 20, 25, 30, 40), "postage": cents(3, 8)},
        (
            ("goods", "count * price", "The {items} cost {eq} euros."),
            ("reduced", "goods * (100 - percent) / 100", "After the discount it is {eq} euros."),
            ("answer", "reduced + postage", "With postage it is {eq} euros."),
        ),
        (
            "{name} orders {count} {items} at {price} euros each with {percent} percent off. Postage of {postage} "
            "euros is added. How many euros does {name} pay?",
            "A {item} costs {price} euros. {name} buys {count}, gets a discount of {percent} percent on them, and pays "
            "{postage} euros postage. How many euros is that?",
            "All {items} are {percent} percent off. The old price was {price} euros each. How many euros do {count} "
            "{items} cost with {postage} euros postage to {city}?",
        ),
    ),
    WordScenario(
        4,
        "discount and voucher",
        {"price": range(30, 121), "percent": (10, 15, 20, 25, 30, 40), "voucher": (5, 8, 10, 12), "age": range(3, 9)},
        (
            ("reduced", "price * (100 - percent) / 100", "After the discount it is {eq} euros."),
            ("answer", "reduced - voucher", "With the voucher it is {eq} euros."),
        ),
        (
            "A {item} costs {price} euros. The price falls by {percent} percent. {name} then uses a voucher of "
            "{voucher} euros. How many euros does {name} pay?",
            "{name}, a customer for {age} years, gets {percent} percent off a {item} that costs {price} euros, then "
            "{voucher} euros off for a voucher. How many euros are left to pay?",
            "First {percent} percent come off the price of {price} euros for a {item}, then {voucher} euros for a "
            "voucher. How many euros does {name} pay?",
        ),
    ),
    WordScenario(
        4,
        "two kinds with postage",
        {
            "count": range(2, 5),
            "price": cents(15, 45),
            "part_count": range(2, 7),
            "part_price": cents(2, 10),
            "postage": range(4, 9),
            "days": range(2, 10),
        },
        (
            ("items_cost", "count * price", "The {items} cost {eq} euros."),
            ("parts_cost", "part_count * part_price", "The {parts} cost {eq} euros."),
            ("answer", "items_cost + parts_cost + postage", "Together with postage it is {eq} euros."),
        ),
        (
            "{name} orders {count} {items} at {price} euros each and {part_count} {parts} at {part_price} euros each. "
            "Postage is {postage} euros. How many euros is the total?",
            "A {item} is {price} euros, a {part} {part_price} euros, postage {postage} euros. Delivery takes {days} "
            "days. How many euros do {count} {items} and {part_count} {parts} cost with postage?",
            "For {postage} euros postage, {name} gets {part_count} {parts} at {part_price} euros each and {count} "
            "{items} at {price} euros each. How many euros is that in all?",
        ),
    ),
    WordScenario(
        4,
        "stock of a week",
        {
            "stock": range(5, 40),
            "boxes": range(3, 10),
            "items_per_box": range(4, 13),
            "sold": range(10, 90),
            "broken": range(2, 8),
            "price": range(21, 60),
        },
        (
            ("delivered", "boxes * items_per_box", "The boxes bring {eq} {items}."),
            ("available", "stock + delivered", "Then there are {eq}."),
            ("answer", "available - sold - broken", "At the end {eq} are left."),
        ),
        (
            "The shop has {stock} {items}. {boxes} boxes of {items_per_box} arrive, {sold} are sold at {price} euros "
            "each and {broken} break. How many {items} are left?",
            "{name} starts with {stock} {items} and gets {boxes} boxes of {items_per_box}. {sold} are sold and "
            "{broken} are broken. How many good {items} remain?",
            "Pellworth in {city} sells {sold} {items} and loses {broken}. It had {stock} and received {boxes} boxes "
            "with {items_per_box} each. How many {items} does it have now?",
        ),
        "answer > 3",
    ),
    WordScenario(
        4,
        "warranty share",
        {
            "hours": range(2, 5),
            "hourly_rate": range(16, 40),
            "part_price": range(6, 30),
            "percent": (20, 25, 30, 40, 60, 75),
            "age": range(2, 10),
        },
        (
            ("labour", "hours * hourly_rate", "The work costs {eq} euros."),
            ("repair", "labour + part_price", "The repair costs {eq} euros."),
            ("answer", "repair * (100 - percent) / 100", "{name} pays {eq} euros."),
        ),
        (
            "Repairing a {item} takes {hours} hours at {hourly_rate} euros each and a {part} for {part_price} euros. "
            "The warranty covers {percent} percent of the bill. How many euros does {name} pay?",
            "The {item} of {name} is {age} years old. Its repair needs {hours} hours at {hourly_rate} euros each and a "
            "{part} for {part_price} euros. Pellworth takes {percent} percent off the bill. How many euros "
            "remain?",
            "Pellworth bears {percent} percent of the repair of {name}: a {part} for {part_price} euros and {hours} "
            "hours at {hourly_rate} euros each. How many euros does {name} bear?",
        ),
    ),
    WordScenario(
        4,
        "part of an order back",
        {
            "ordered": range(5, 15),
            "kept": range(2, 12),
            "price": cents(12, 40),
            "fee": cents(2, 7),
            "postage": range(4, 10),
        },
        (
            ("returned", "ordered - kept", "{name} returns {eq} {items}."),
            ("goods", "returned * price", "They cost {eq} euros."),
            ("answer", "goods - fee + postage", "The refund is {eq} euros."),
        ),
        (
            "{name} orders {ordered} {items} at {price} euros each, keeps {kept} and returns the rest. Pellworth "
            "refunds them, takes a fee of {fee} euros and adds {postage} euros for postage. How many euros is that?",
            "Of {ordered} {items} at {price} euros each, {name} keeps {kept}. The refund for the others is cut by "
            "{fee} euros and raised by {postage} euros for postage. How many euros is the refund?",
            "{name} keeps only {kept} of {ordered} {items}. Each cost {price} euros. The refund is cut by {fee} euros "
            "and raised by {postage} euros for postage. How many euros is it?",
        ),
        "ordered - kept > 1",
    ),
    WordScenario(
        4,
        "share of the stock sold",
        {"boxes": range(3, 13), "items_per_box": range(4, 21), "percent": (10, 20, 25, 40, 60, 75)},
        (
            ("stock", "boxes * items_per_box", "The boxes hold {eq} {items}."),
            ("sold", "stock * percent / 100", "Of these {eq} are sold."),
            ("answer", "stock - sold", "There are {eq} left."),
        ),
        (
            "The shop gets {boxes} boxes of {items_per_box} {items} and sells {percent} percent of them. How many "
            "{items} are left?",
            "{name} unpacks {boxes} boxes with {items_per_box} {items} each. In a week {percent} percent are sold. How "
            "many {items} remain?",
            "In {city}, {percent} percent of all {items} are sold. There were {boxes} boxes with {items_per_box} in "
            "each. How many {items} are not sold?",
        ),
    ),
    WordScenario(
        4,
        "vans and bikes",
        {
            "vans": range(2, 6),
            "parcels_per_van": range(12, 40),
            "bikes": range(2, 7),
            "parcels_per_bike": range(3, 10),
            "failed": range(3, 15),
            "kilometres": range(20, 95),
        },
        (
            ("by_van", "vans * parcels_per_van", "The vans carry {eq} parcels."),
            ("by_bike", "bikes * parcels_per_bike", "The bikes carry {eq} parcels."),
            ("answer", "by_van + by_bike - failed", "Delivered are {eq}."),
        ),
        (
            "{vans} vans carry {parcels_per_van} parcels each and {bikes} bikes {parcels_per_bike} each. {failed} "
            "parcels come back to {city}. How many parcels are delivered?",
            "{name} loads {bikes} bikes with {parcels_per_bike} parcels each and {vans} vans with {parcels_per_van} "
            "each. They drive {kilometres} kilometres. {failed} parcels are not delivered. How many are?",
            "Each van takes {parcels_per_van} parcels of {items}, each bike {parcels_per_bike}. With {vans} vans and "
            "{bikes} bikes, {failed} parcels fail. How many are delivered?",
        ),
    ),
    WordScenario(
        4,
        "change for two kinds",
        {
            "paid": (100, 150, 200, 250),
            "count": range(2, 5),
            "price": cents(15, 50),
            "part_count": range(2, 7),
            "part_price": cents(2, 10),
            "weight": range(3, 10),
        },
        (
            ("items_cost", "count * price", "The {items} cost {eq} euros."),
            ("parts_cost", "part_count * part_price", "The {parts} cost {eq} euros."),
            ("answer", "paid - items_cost - parts_cost", "The change is {eq} euros."),
        ),
        (
            "{name} pays {paid} euros for {count} {items} at {price} euros each and {part_count} {parts} at "
            "{part_price} euros each. How many euros of change does {name} get?",
            "A {item} costs {price} euros and a {part} {part_price} euros. {name} has {paid} euros and buys {count} "
            "{items} and {part_count} {parts}. How many euros are left?",
            "{name} buys {part_count} {parts} for {part_price} euros each and {count} {items} for {price} euros each, "
            "{weight} kilograms in all, and pays {paid} euros. How many euros come back?",
        ),
        "0 < answer < 70",
    ),
    WordScenario(
        4,
        "dearer order",
        {"count": range(2, 7), "price": range(20, 61), "percent": (5, 10, 20, 25), "voucher": (5, 10, 15)},
        (
            ("new_price", "price * (100 + percent) / 100", "One now costs {eq} euros."),
            ("total", "count * new_price", "The order costs {eq} euros."),
            ("answer", "total - voucher", "With the voucher it is {eq} euros."),
        ),
        (
            "The price of a {item} was {price} euros and rises by {percent} percent. {name} buys {count} with a "
            "voucher of {voucher} euros. How many euros does {name} pay?",
            "{name} buys {count} {items}. They cost {price} euros each last year and are {percent} percent dearer "
            "now. A voucher takes off {voucher} euros. How many euros does {name} pay?",
            "After a rise of {percent} percent from {price} euros each, {name} orders {count} {items} and uses a "
            "{voucher} euro voucher. How many euros is the order?",
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


def substitute(formula: str, replacements: dict[str, str]) -> str:
    """Return `formula` with names replaced by expressions, with no more parentheses than it needs."""

    class Replacer(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.parse(replacements[node.id], mode="eval").body if node.id in replacements else node

    return ast.unparse(Replacer().visit(ast.parse(formula, mode="eval")))


def find_names(formula: str) -> set[str]:
    """Return the names in a formula."""
    return {node.id for node in ast.walk(ast.parse(formula, mode="eval")) if isinstance(node, ast.Name)}


def find_fields(wording: str) -> set[str]:
    """Return what stands in braces in a wording."""
    return {field for _, field, _, _ in string.Formatter().parse(wording) if field}


def count_operations(expression: str) -> int:
    """Return how many operators an expression has."""
    return sum(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(expression, mode="eval")))


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


def make_word_row(scenario: WordScenario, wording: str, rng: random.Random) -> dict[str, str] | None:
    """Return one problem, without id and split, or None if the drawn numbers do not suit it."""
    numbers = {name: rng.choice(choices) for name, choices in scenario.numbers.items()}
    words = draw_words(rng)
    values = {name: Fraction(number) for name, number in numbers.items()}
    texts = {name: format_number(value) for name, value in values.items()}
    expressions = dict(texts)
    sentences = []
    for name, formula, sentence in scenario.steps:
        values[name] = evaluate(substitute(formula, texts))
        if values[name] <= 0 or (values[name] * 100).denominator != 1:
            return None
        equation = f"{substitute(formula, texts)} = {format_number(values[name])}"
        sentences.append(sentence.format(eq=equation, **texts, **words))
        texts[name] = format_number(values[name])
        expressions[name] = substitute(formula, expressions)
    answer, expression = texts["answer"], expressions["answer"]
    is_money = "euro" in wording
    used = set().union(*(find_names(formula) for _, formula, _ in scenario.steps))
    given = [text for name, text in texts.items() if name in numbers and name in used | find_fields(wording)]
    if (
        # Two quantities with the same number would hide which one a solution used.
        len(set(given)) < len(given)
        or not eval(scenario.where, {}, values)
        or (not is_money and any(values[name].denominator != 1 for name, _, _ in scenario.steps))
        # An answer that stands in the question could be had by copying.
        or answer in given
        or values["answer"] < 2
        # With floats, too, the result is exact, so that nobody needs to round.
        or eval(expression) != float(answer)
    ):
        return None
    shown = {name: f"{number:.2f}" if isinstance(number, Decimal) else str(number) for name, number in numbers.items()}
    lines = [f"{name} = {texts[name]}" for name in numbers if name in used]
    lines += [f"{name} = {formula}" for name, formula, _ in scenario.steps]
    program = "\n".join(lines)
    if "items" in " ".join(find_fields(wording)):
        program = re.sub(r"(?<![a-z])items(?![a-z])", words["items"].split()[-1], program)
    sentences.append(f"The answer is {answer}.")
    return {
        "level": str(scenario.level),
        "question": wording.format(**shown, **words),
        "answer": answer,
        "reasoning": " ".join(sentences),
        "expression": expression,
        "program": program,
    }


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


def check_row(row: dict[str, str]) -> None:
    """Raise AssertionError unless all forms of the solution give the answer and the question has its length."""
    assert row["reasoning"].endswith(f" The answer is {row['answer']}."), row
    assert len(re.split(r"(?<=\.) ", row["reasoning"])) <= MAX_SENTENCES, row
    assert row["program"].splitlines()[-1].startswith("answer = "), row
    assert row["question"].endswith("?"), row
    results = check_equations(row["reasoning"])
    if "expression" not in row:
        # Long enough for the convention of counting.
        assert 10 <= len(row["question"].split()) <= 45, row
        assert str(run_program(row["program"])) == row["answer"], row
        assert apply_symbols(row["symbols"]) == row["answer"], row
        return
    assert 15 <= len(row["question"].split()) <= 45, row
    assert re.fullmatch(r"[\d .()*/+-]+", row["expression"]), row
    assert results[-1] == row["answer"], row
    assert evaluate(row["expression"]) == Fraction(row["answer"]), row
    assert float(run_program(row["program"])) == float(row["answer"]), row
    count = count_operations(row["expression"])
    assert {
        "1": count == 1,
        "2": count == 2,
        "3": count == 3 or (count == 2 and "." in row["expression"]),
        "4": count >= 4,
    }[row["level"]], row


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


def draw_rows(
    prefix: str,
    per_level: dict[str, int],
    scenarios: Sequence[WordScenario] | Sequence[DateScenario],
    make_row: Callable[..., dict[str, str] | None],
    rng: random.Random,
) -> list[dict[str, str]]:
    """Return all rows of one file, split by split and level by level.

    The scenarios of a level take turns. The shots of a level come from scenarios of different kinds, and their
    wordings are then used up.

    Args:
        prefix: begins each id.
        per_level: how many rows each split has at each level, shots first.
        make_row: called with (scenario, level, wording, rng).
    """
    seen: set[str] = set()
    taken: set[str] = set()
    rows = []
    for split, count in per_level.items():
        width = max(2, len(str(count * len(LEVELS))))
        number = 0
        for level in LEVELS:
            pool = [scenario for scenario in scenarios if level in get_levels(scenario)]
            rng.shuffle(pool)
            if split == "shots":
                pool = pick_kinds(pool, count)
            for index in range(count):
                scenario = pool[index % len(pool)]
                row, wording = draw_row(scenario, level, taken, seen, make_row, rng)
                if split == "shots":
                    taken.add(wording)
                seen.add(strip_numbers(row["question"]))
                check_row(row)
                number += 1
                rows.append({"id": f"{prefix}-{split}-{number:0{width}}", "split": split} | row)
    return rows


def draw_row(
    scenario: WordScenario | DateScenario,
    level: int,
    taken: set[str],
    seen: set[str],
    make_row: Callable[..., dict[str, str] | None],
    rng: random.Random,
) -> tuple[dict[str, str], str]:
    """Return a row that suits and is new, and its wording.

    Raises:
        RuntimeError: none was found, so the scenario needs more wordings or looser conditions.
    """
    wordings = [wording for wording in scenario.wordings if wording not in taken]
    for _ in range(20_000):
        wording = rng.choice(wordings)
        row = make_row(scenario, level, wording, rng)
        if row is not None and strip_numbers(row["question"]) not in seen:
            return row, wording
    raise RuntimeError(f"No new question was found for {scenario}.")


def get_levels(scenario: WordScenario | DateScenario) -> tuple[int, ...]:
    """Return the levels at which a scenario is used."""
    return scenario.levels if isinstance(scenario, DateScenario) else (scenario.level,)


def pick_kinds(pool: list, count: int) -> list:
    """Return `count` scenarios of a shuffled pool, of different kinds as far as there are so many."""
    kinds: set[str] = set()
    first, later = [], []
    for scenario in pool:
        kind = scenario.kind.split("_")[-1] if isinstance(scenario, DateScenario) else scenario.name
        (later if kind in kinds else first).append(scenario)
        kinds.add(kind)
    return [*first, *later][:count]


def make_word_problems(seed: int = SEED) -> list[dict[str, str]]:
    """Return the rows of `word_problems.csv`."""
    rng = random.Random(seed)
    return draw_rows("w", WORD_PER_LEVEL, WORD_SCENARIOS, lambda s, _, w, r: make_word_row(s, w, r), rng)


def make_date_questions(seed: int = SEED + 1) -> list[dict[str, str]]:
    """Return the rows of `date_questions.csv`."""
    return draw_rows("d", DATE_PER_LEVEL, DATE_SCENARIOS, make_date_row, random.Random(seed))


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
