"""Graders of the lessons 08_2 and 08_3: rules, formulas, programs."""

import re
from datetime import date, timedelta

from ...agents import calculate, run_code
from .checks import Wrong, check_letters, is_right, show

POSTAGE = {"Belgium": 4.5, "Netherlands": 4.5, "France": 6.9, "Germany": 6.9, "Italy": 9.8, "Spain": 9.8}
POSTAGE |= {"Norway": None, "Switzerland": None}  # where the shop does not ship


def _grade_rules(text) -> None:
    if not isinstance(text, str):
        raise Wrong(f"It is a {type(text).__name__}; give one text with a rule on each line.")
    rules = []
    for line in filter(str.strip, text.splitlines()):
        conclusion, mark, conditions = line.partition(" if ")
        if not mark:
            raise Wrong(f"The line “{line.strip()}” has no “ if ”: first the conclusion, then what it needs.")
        rules.append(({part.strip() for part in conditions.split(",")}, conclusion.strip()))
    for country, rate in POSTAGE.items():
        for goods in ("below 60", "from 60"):
            known = {country, goods}
            while new := {conclusion for conditions, conclusion in rules if conditions <= known} - known:
                known |= new
            _check_postage(country, goods, rate, sorted(one for one in known if one.startswith("answer")))


def _check_postage(country: str, goods: str, rate: float | None, found: list[str]) -> None:
    told = f"From “{country}” and “{goods}” follows {' and '.join(found) or 'no answer'}."
    if rate is None:
        if found:
            raise Wrong(f"{told} That is a country to which we do not ship.")
        return
    try:
        amounts = [float(one.removeprefix("answer")) for one in found]
    except ValueError:
        raise Wrong(f"{told} What stands after “answer” is no amount.") from None
    if not is_right(amounts, [rate if goods == "below 60" else 0.0]):
        more = "" if goods == "below 60" else " From 60 EUR on nothing is left to pay."
        raise Wrong(f"{told} Exactly one amount has to follow, the right one.{more}")


PROBLEMS = (  # the result of each question in the task, and the numbers that stand in it
    (30.5, ("4", "6.50", "4.50")),
    (42.5, ("50", "15")),
    (30, ("9", "20", "6")),
)


def _grade_symbols(answer) -> None:
    if isinstance(answer, str) or not isinstance(answer, list | tuple) or len(answer) != len(PROBLEMS):
        raise Wrong("Give three texts in a list or a tuple, one per question.")
    for number, (expression, (expected, given)) in enumerate(zip(answer, PROBLEMS, strict=True), 1):
        if not isinstance(expression, str):
            raise Wrong(f"Number {number} is a {type(expression).__name__}; put the expression in quotes.")
        outcome = calculate(expression)
        if not outcome.is_ok:
            raise Wrong(f"Number {number} cannot be calculated. {outcome.error}.")
        found = {float(part) for part in re.findall(r"\d+(?:\.\d+)?", expression)}
        missing = [part for part in given if float(part) not in found]
        if missing:
            raise Wrong(
                f"Number {number} does not hold {missing[0]}. Translate the question; leave the sum to the rules."
            )
        if not is_right(outcome.value, expected):
            raise Wrong(f"Number {number} comes to {outcome.value:g}, which does not answer the question.")


# The repair of the task first; then others, over a weekend, a leap day, the turn of the year.
REPAIRS = ((date(2026, 1, 27), 6), (date(2026, 1, 30), 1), (date(2026, 1, 31), 1), (date(2024, 2, 27), 5))
REPAIRS += ((date(2026, 12, 24), 10),)


def _add_working_days(day: date, num: int) -> date:
    while num > 0:
        day += timedelta(days=1)
        num -= day.weekday() < 5
    return day


def _grade_program(text) -> None:
    if not isinstance(text, str):
        raise Wrong(f"It is a {type(text).__name__}; put the program into a text.")
    for day, num in REPAIRS:
        code = text
        for name, value in (("start", f"date({day.year}, {day.month}, {day.day})"), ("working_days", num)):
            code, times = re.subn(rf"^{name} *=.*$", f"{name} = {value}", code, count=1, flags=re.MULTILINE)
            if not times:
                raise Wrong(f"No line of it begins with `{name} =`. Give what the question tells its name first.")
        outcome = run_code(code)
        told = f"With {day} and {num} working days"
        if not outcome.is_ok:
            raise Wrong(f"{told} it fails: {outcome.error}.")
        if str(outcome.value) != str(_add_working_days(day, num)):
            raise Wrong(
                f"{told} it gives {show(outcome.value)}. Saturday and Sunday are no working days, and the day after the "
                "arrival is the first that can count."
            )


FAULTS = {"a": "none", "b": "sign", "c": "left out", "d": "question", "e": "none", "f": "number"}
KINDS = ("none", "number", "sign", "left out", "question")


def _grade_faults(answer) -> None:
    advice = "Read the question first and say what has to be computed; only then read the program, line by line."
    check_letters(answer, FAULTS, KINDS, advice)


GRADERS = {"08_2.1": _grade_rules, "08_2.2": _grade_symbols, "08_3.1": _grade_program, "08_3.2": _grade_faults}
