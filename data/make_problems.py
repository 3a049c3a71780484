"""New word problems and date questions from the world of Pellworth, each solved in four forms.

    python data/make_problems.py 500 7 FOLDER

writes 500 of each, drawn with the seed 7, as `train_word_problems.csv` and `train_date_questions.csv` into the folder;
`load_records(Problem, path)` reads them. A problem has its answer, the way there in words, the same in symbols (an
expression, or an operation on a date as JSON) and in Python. No question comes twice or stands in the files of the
course, and no wording does: all are those of `training/templates.toml`.
"""

from __future__ import annotations

import argparse
import calendar
import itertools
import json
import random
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import pandas

from llmops_utils.core import DATA, write_whole
from llmops_utils.datasets import Problem, load_date_questions, load_word_problems

LEVELS = (1, 2, 3, 4)
MOST_SENTENCES = 4  # of the reasoning about a date
NAMES = (
    *("Ana", "Ben", "Carla", "David", "Emma", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Maya"),
    *("Noah", "Olga", "Priya", "Quinn", "Rosa", "Samir", "Tara", "Umar", "Vera", "Wanda", "Yusuf", "Zoe"),
)
CITIES = ("Lyon", "Graz", "Turin", "Ghent", "Porto", "Basel", "Leeds", "Bergen")
# All things begin with a consonant and take an s, so that "a" and the plural need no rules.
COUNTED = (
    *("kettle", "grinder", "scale", "filter", "lid", "handle", "cup", "jug", "tin", "mug", "tray", "funnel", "carafe"),
    *("teapot", "timer", "whisk", "milk jug", "tea strainer", "coffee pot", "pocket scale", "sugar bowl", "coaster"),
)
DEVICES = (
    *("kettle", "coffee grinder", "kitchen scale", "steel kettle", "glass kettle", "travel kettle"),
    *("hand grinder", "burr grinder", "pocket scale", "digital scale"),
)
PARTS = ("filter", "lid", "cable", "knob", "gasket", "handle", "switch plate", "base plate")
MONTHS, WEEKDAYS = tuple(calendar.month_name)[1:], tuple(calendar.day_name)
SMALL, MEDIUM, LARGE = range(2, 10), range(11, 31), range(11, 61)
CHOICES = {  # for the numbers of a word problem
    "small": SMALL,
    "medium": MEDIUM,
    "large": LARGE,
    "small or medium": (*SMALL, *MEDIUM),
    "cents": [Decimal(f"{euros}.{cents}") for euros in range(2, 10) for cents in (20, 50, 80)],
    "voucher": (5, 8, 15, 20, 25),
    # Without 50: the part and the rest would be the same number, and a wrong solution would pass.
    "percent": (5, 10, 15, 20, 25, 30, 40, 60, 75),
    "hundreds": range(120, 500, 10),
    "banknote": (50, 70, 80, 200),
    "limit": (40, 60, 75, 80, 90, 120, 150),
    "bag": (125, 200, 250, 500),
    # For questions to the assistant.
    "few": (2, 3, 4),
    "dozens": range(12, 73, 12),
    "year": range(2019, 2027),
    "coming year": range(2027, 2034),
    "late day": range(22, 29),
    "large hundreds": range(500, 1000, 10),
    "round": (200, 250, 400, 500),
    "tens": range(20, 200, 10),
    "money": [Decimal(f"{euros}.{cents}") for euros in range(11, 60) for cents in (20, 40, 50, 60, 80)],
    "small money": [Decimal(f"{euros}.{cents}") for euros in range(2, 8) for cents in (10, 40, 50, 90)],
    "minutes": range(5, 60, 5),
    "watts": range(60, 1500, 20),
    "litres": [Decimal(f"{tenths}") / 10 for tenths in range(11, 40)],
    "portion": [Decimal(f"0.{digits}") for digits in (12, 15, 2, 25, 3)],
    "tariff": [Decimal(f"0.{digits}") for digits in (25, 3, 32, 36, 4)],
    "halves": [Decimal(f"{hours}.5") for hours in range(1, 8)],
    # What does not change, where a wording tells it.
    "hour": (60,),
    "week": (7,),
    "kilogram": (1000,),
}


@cache
def load_templates(kind: str) -> list[dict]:
    """Return the tables of one kind in `training/templates.toml`."""
    return tomllib.loads((DATA / "training" / "templates.toml").read_text(encoding="utf-8"))[kind]


def draw_problems(
    num: int, pools: dict[int, list[dict]], draw: Callable[[dict, int], dict | None], known_ones: list[Problem]
) -> Iterator[Problem]:
    """Yield new problems, the levels in turn, without those whose question is known or whose numbers do not suit.

    `pools` are the templates of each level, in turn as well; `draw` returns a problem from a template and a level, or None.
    """
    turns = {level: itertools.cycle(pool) for level, pool in pools.items()}
    known = {problem.question for problem in known_ones}
    for number, level in zip(range(num), itertools.cycle(LEVELS)):
        template = next(turns[level])
        problem = None
        while problem is None or problem["question"] in known:
            problem = draw(template, level)
        known.add(problem["question"])
        yield Problem(id=f"{number + 1:05}", split="train", level=level, **problem)


# --- word problems -----------------------------------------------------------------------------------------------


def make_word_problems(num: int, seed: int) -> list[Problem]:
    """Return new word problems; the same seed gives the same ones."""
    rng = random.Random(seed)
    pools = {level: [one for one in load_templates("word") if one["level"] == level] for level in LEVELS}
    return [*draw_problems(num, pools, lambda template, level: draw_word_problem(template, rng), load_word_problems())]


def draw_word_problem(template: dict, rng: random.Random) -> dict | None:
    """Return the question and its solutions, or None where the numbers do not suit."""
    formula, wording = template["formula"], rng.choice(template["wordings"])
    texts = {name: str(rng.choice(CHOICES[kind])) for name, kind in template["numbers"].items()}
    given = {Fraction(text) for text in texts.values()}
    expression, program = fill_in(formula, texts), write_program(formula, texts)
    reasoning = write_reasoning(template["reasoning"], texts, has_cents="euros" in wording)
    answer = format_number(evaluate(formula, texts))
    # Equal numbers would hide which one a solution used, and an answer in the question could be had by copying. With
    # floats, too, the result is exact, so that nobody needs to round.
    is_plain = len(given) == len(texts) and Fraction(answer) not in given and eval(expression) == float(answer)
    if reasoning is None or not is_plain or not evaluate(template.get("when", "True"), texts):
        return None
    item = rng.choice(COUNTED)
    words = texts | {"name": rng.choice(NAMES), "city": rng.choice(CITIES), "item": item}
    return {
        "question": wording.format(**words),
        "answer": answer,
        "reasoning": f"{reasoning.format(**words)} The answer is {answer}.",
        "symbols": expression,
        "program": program,
    }


def fill_in(formula: str, texts: dict[str, str]) -> str:
    """Return the formula with each name replaced by its text."""
    return re.sub(r"[A-Za-z_]+", lambda name: texts[name[0]], formula)


def evaluate(formula: str, texts: dict[str, str]) -> Fraction:
    """Return the exact value of a formula of the templates."""
    return eval(formula, {name: Fraction(text) for name, text in texts.items()})


def format_number(value: Fraction) -> str:
    """Return a number without trailing zeros, such as 36 or 12.5, rounded to four decimals."""
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def write_program(formula: str, texts: dict[str, str]) -> str:
    """Return Python with a line for each number that the formula uses and one for the answer."""
    used = [name for name in texts if re.search(rf"\b{name}\b", formula)]
    return "\n".join([*(f"{name} = {texts[name]}" for name in used), f"answer = {formula}"])


def write_reasoning(template: str, texts: dict[str, str], has_cents: bool) -> str | None:
    """Return the reasoning with its formulas worked out, or None where a result is below 2 or no plain number."""
    texts, reasoning = dict(texts), template
    for letter, formula in zip("ABCD", re.findall(r"{([^{}]* [^{}]*)}", template), strict=False):
        value = evaluate(formula, texts)
        if value < 2 or (value * (100 if has_cents else 1)).denominator != 1:  # only money has decimals
            return None
        texts[letter] = format_number(value)
        reasoning = reasoning.replace(f"{{{formula}}}", f"{fill_in(formula, texts)} = {texts[letter]}")
    return reasoning


# --- date questions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Solution:
    """How a date question is solved, in sentences and in lines of Python without imports.

    `operation` is one that `apply_operation` knows, with its `value`: a number, or for days_between the other day. `shown`
    is what the wording shows besides start and amount; dates are not written out yet.
    """

    start: date
    operation: str
    value: str
    sentences: list[str]
    lines: list[str]
    shown: dict[str, date | str] = field(default_factory=dict)


def make_date_questions(num: int, seed: int) -> list[Problem]:
    """Return new date questions; the same seed gives the same ones."""
    rng = random.Random(seed)
    pools = {level: [one for one in load_templates("date") if level in one["levels"]] for level in LEVELS}
    return [*draw_problems(num, pools, partial(draw_date_question, rng=rng), load_date_questions())]


def draw_date_question(template: dict, level: int, rng: random.Random) -> dict | None:
    """Return the question and its solutions, or None where the drawn dates do not suit."""
    start, amounts = draw_date(rng), template["amounts"]
    is_range = isinstance(amounts, dict)
    amount = rng.randint(amounts["from"], amounts["to"]) if is_range else rng.choice(amounts)
    wording = rng.choice(template["wordings"])
    solution = SOLVERS[template["kind"]](template["event"], start, amount)
    if solution is None:
        return None
    answer = apply_operation(solution.start, solution.operation, solution.value)
    stays_in_month = answer[:7] == str(solution.start)[:7]
    reasoning = " ".join([*solution.sentences, f"The answer is {answer}."])
    if (level <= 2 and stays_in_month != (level == 1)) or len(re.findall(r"\.(?= |$)", reasoning)) > MOST_SENTENCES:
        return None
    symbols = {"start": str(solution.start), "operation": solution.operation, "value": solution.value}
    imports = "date, timedelta" if any("timedelta" in line for line in solution.lines) else "date"
    return {
        "question": wording.format(amount=amount, **draw_words(rng), **write_dates(solution, rng)),
        "answer": answer,
        "reasoning": reasoning,
        "symbols": json.dumps(symbols),
        "program": "\n".join([f"from datetime import {imports}", *solution.lines]),
    }


def draw_date(rng: random.Random) -> date:
    """Return a day of 2024 to 2028, often near a leap day or the end of a year."""
    kind = rng.random()
    if kind < 0.25:
        first = date(rng.choice((2024, 2028)), rng.choice((1, 2)), 1)
    elif kind < 0.45:
        first = date(rng.randint(2024, 2027), rng.choice((11, 12)), 1)
    else:
        first = date(rng.randint(2024, 2028), rng.randint(1, 12), 1)
    return first.replace(day=rng.randint(1, find_month_end(first).day))


def draw_words(rng: random.Random) -> dict[str, str]:
    """Return names and things for a wording."""
    item, part = rng.choice(DEVICES), rng.choice(PARTS)
    words = {"name": rng.choice(NAMES), "city": rng.choice(CITIES), "item": item, "part": part}
    return words | {"items": f"{item}s", "parts": f"{part}s"}


def write_dates(solution: Solution, rng: random.Random) -> dict[str, str]:
    """Return what the wording shows, with all dates in one form."""
    shown = {"start": solution.start} | solution.shown
    form = 3 if "weekday" in shown else rng.randrange(4)
    if form == 2 and any(isinstance(day, date) and day.day <= 12 for day in shown.values()):
        form = 0  # 03.04. is April here and March elsewhere
    return {name: write_date(day, form) if isinstance(day, date) else day for name, day in shown.items()}


def write_date(day: date, form: int = 0) -> str:
    """Return a date in one of four forms."""
    month = MONTHS[day.month - 1]
    return (
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day:%d.%m.%Y}",
        f"{WEEKDAYS[day.weekday()][:3]} {day.day} {month} {day.year}",
    )[form]


def write_code(day: date) -> str:
    """Return the call that makes a day."""
    return f"date({day.year}, {day.month}, {day.day})"


def find_month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1) - timedelta(days=1)


def add_months(day: date, months: int) -> date:
    """Return the same day of the month, `months` later. Raises ValueError where that month has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, day.day)


def add_working_days(day: date, num_days: int) -> date:
    """Return the working day, Monday to Friday, that is `num_days` after `day`."""
    while num_days > 0:
        day += timedelta(days=1)
        num_days -= day.weekday() < 5
    return day


def apply_operation(start: date, operation: str, value: str) -> str:
    """Return the answer: a date, or a number of days."""
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


# --- the way in words --------------------------------------------------------------------------------------------


def explain_rest(start: date) -> tuple[int, str]:
    """Return the days of a month that come after `start`, and the sentence about them."""
    last = find_month_end(start).day
    left = last - start.day
    return left, f"{MONTHS[start.month - 1]} has {last} - {start.day} = {left} days left."


def list_months_between(start: date, end: date) -> list[date]:
    """Return the last days of the months between those of two days."""
    months, last = [], find_month_end(find_month_end(start) + timedelta(days=1))
    while last < end.replace(day=1):
        months.append(last)
        last = find_month_end(last + timedelta(days=1))
    return months


def explain_addition(start: date, num_days: int) -> list[str]:
    """Return sentences that add days month by month."""
    end = start + timedelta(days=num_days)
    closing = f"{end.day}, so the date is {write_date(end)}."
    if start.replace(day=1) == end.replace(day=1):
        return [f"{start.day} + {num_days} = {closing}"]
    left, sentence = explain_rest(start)
    months = list_months_between(start, end)
    told = [f"{MONTHS[last.month - 1]} {last.year} has {last.day} days." for last in months]
    terms = [num_days, left, *(last.day for last in months)]
    return [sentence, *told, f"{' - '.join(map(str, terms))} = {closing}"]


def explain_subtraction(start: date, num_days: int) -> list[str]:
    """Return sentences that take days away, at most into the month before."""
    end = start - timedelta(days=num_days)
    closing = f"so the date is {write_date(end)}."
    if start.replace(day=1) == end.replace(day=1):
        return [f"{start.day} - {num_days} = {end.day}, {closing}"]
    month_end = find_month_end(end)
    return [
        f"{MONTHS[end.month - 1]} {end.year} has {month_end.day} days.",
        f"{month_end.day} + {start.day} - {num_days} = {end.day}, {closing}",
    ]


def explain_difference(start: date, end: date) -> list[str]:
    """Return sentences that count the days from `start` to `end` month by month."""
    left, sentence = explain_rest(start)
    months = list_months_between(start, end)
    names = [f"{last.day} days of {MONTHS[last.month - 1]}" for last in months]
    terms = [left, *(last.day for last in months), end.day]
    return [
        sentence,
        f"Then come {' and '.join([*names, f'{end.day} of {MONTHS[end.month - 1]}'])}.",
        f"{' + '.join(map(str, terms))} = {(end - start).days} days.",
    ]


def explain_months(start: date, months: int, in_years: bool) -> list[str]:
    """Return sentences that add the years and then the months."""
    years, rest = divmod(months, 12)
    end = add_months(start, months)
    sentences = []
    if years and not in_years:
        year_text = "1 year" if years == 1 else f"{years} years"
        sentences.append(f"{months} months are {year_text}{f' and {rest} months' if rest else ''}.")
    if years:
        after_years = write_date(add_months(start, 12 * years))
        sentences.append(f"{start.year} + {years} = {start.year + years}, which gives {after_years}.")
    if rest:
        sentences.append(f"{rest} months later it is {write_date(end)}.")
    return sentences


def explain_working_days(start: date, num_days: int) -> list[str]:
    """Return sentences that add whole weeks of five working days and then the rest."""
    day = start - timedelta(days=max(0, start.weekday() - 4))
    opening = "The start is" if day == start else "The count is the same as from"
    sentences = [f"{opening} {write_date(day, 3)}."]
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


# --- what each kind of date question computes --------------------------------------------------------------------


def solve_add_days(event: str, start: date, amount: int) -> Solution:
    """Solve: which day is so many days after the start?"""
    lines = [f"{event} = {write_code(start)}", f"days = {amount}", f"answer = str({event} + timedelta(days=days))"]
    return Solution(start, "add_days", str(amount), explain_addition(start, amount), lines)


def solve_subtract_days(event: str, start: date, amount: int) -> Solution | None:
    """Solve: which day is so many days before the start, at most in the month before?"""
    month_before = start.replace(day=1) - timedelta(days=1)
    if start - timedelta(days=amount) < month_before.replace(day=1):
        return None
    lines = [f"{event} = {write_code(start)}", f"days = {amount}", f"answer = str({event} - timedelta(days=days))"]
    return Solution(start, "subtract_days", str(amount), explain_subtraction(start, amount), lines)


def solve_days_between(event: str, start: date, amount: int) -> Solution | None:
    """Solve: how many days lie between two days of different months?"""
    end = start + timedelta(days=amount)
    if start.replace(day=1) == end.replace(day=1):
        return None
    lines = [f"{event} = {write_code(start)}", f"end = {write_code(end)}", f"answer = (end - {event}).days"]
    return Solution(start, "days_between", str(end), explain_difference(start, end), lines, {"end": end})


def solve_add_weeks(event: str, start: date, amount: int) -> Solution:
    """Solve: which day is so many weeks after the start?"""
    answer = f"answer = str({event} + timedelta(days=7 * weeks))"
    lines = [f"{event} = {write_code(start)}", f"weeks = {amount}", answer]
    sentences = [f"{amount} weeks are {amount} * 7 = {7 * amount} days.", *explain_addition(start, 7 * amount)]
    return Solution(start, "add_weeks", str(amount), sentences, lines)


def solve_add_months(event: str, start: date, amount: int, in_years: bool = False) -> Solution | None:
    """Solve: which day is so many months after the start? None where there is no such day, also after whole years."""
    months, formula = (12 * amount, f"12 * {amount}") if in_years else (amount, str(amount))
    try:
        add_months(start, months)
        add_months(start, months // 12 * 12)
    except ValueError:
        return None
    lines = [
        f"months = {formula}",
        f"month = {start.month} + months",
        f"year = {start.year} + (month - 1) // 12",
        "month = (month - 1) % 12 + 1",
        f"answer = str(date(year, month, {start.day}))",
    ]
    return Solution(start, "add_months", str(months), explain_months(start, months, in_years), lines)


def solve_add_working_days(event: str, start: date, amount: int) -> Solution:
    """Solve: which day is so many working days after the start?"""
    lines = [
        f"day = {write_code(start)}",
        f"working_days = {amount}",
        "while working_days > 0:",
        "    day = day + timedelta(days=1)",
        "    if day.weekday() < 5:",
        "        working_days = working_days - 1",
        "answer = str(day)",
    ]
    return Solution(start, "add_working_days", str(amount), explain_working_days(start, amount), lines)


def solve_before_month_end(event: str, start: date, amount: int) -> Solution:
    """Solve: which day is so many days before the last of the month?"""
    return build_month_end_solution(start, -amount, explain_subtraction(find_month_end(start), amount))


def solve_after_month_end(event: str, start: date, amount: int) -> Solution:
    """Solve: which day is so many days after the last of the month?"""
    end = find_month_end(start) + timedelta(days=amount)
    return build_month_end_solution(start, amount, [f"{amount} days after its last day it is {write_date(end)}."])


def build_month_end_solution(day: date, days: int, sentences: list[str]) -> Solution:
    """Return how the last day of the month of `day` is found, and from there a day before or after it."""
    last = find_month_end(day)
    month = f"{MONTHS[last.month - 1]} {last.year}"
    leap = f"{last.year} is a leap year, so " if (last.month, last.day) == (2, 29) else ""
    lines = [
        f"next_month = {write_code(last + timedelta(days=1))}",
        "last_day = next_month - timedelta(days=1)",
        f"answer = str(last_day {'-' if days < 0 else '+'} timedelta(days={abs(days)}))",
    ]
    operation = "subtract_days" if days < 0 else "add_days"
    sentences = [f"{leap}{month} has {last.day} days.", *sentences]
    return Solution(last, operation, str(abs(days)), sentences, lines, {"month": month})


def solve_next_weekday(event: str, start: date, amount: int) -> Solution | None:
    """Solve: which day is the first such weekday after the start (1 to 6 days), or the second (8 to 13 days)?"""
    end = start + timedelta(days=amount)
    weeks, days = divmod(amount, 7)
    if end.weekday() == 6:  # no van comes on a Sunday
        return None
    weekday, variable = WEEKDAYS[end.weekday()], WEEKDAYS[end.weekday()].lower()
    second = f" The second is 7 days later, so {days} + 7 = {amount} days." if weeks else ""
    sentences = [
        f"From {WEEKDAYS[start.weekday()]} to {weekday} {'is 1 day' if days == 1 else f'are {days} days'}.{second}",
        f"{write_date(start)} plus {amount} {'day' if amount == 1 else 'days'} is {write_date(end)}.",
    ]
    lines = [
        f"{variable} = {end.weekday()}",
        f"day = {write_code(start)} + timedelta(days=1)",
        f"while day.weekday() != {variable}:",
        "    day = day + timedelta(days=1)",
        f"answer = str(day{' + timedelta(days=7)' if weeks else ''})",
    ]
    return Solution(start, "add_days", str(amount), sentences, lines, {"weekday": weekday})


SOLVERS: dict[str, Callable[[str, date, int], Solution | None]] = {
    "add_days": solve_add_days,
    "subtract_days": solve_subtract_days,
    "days_between": solve_days_between,
    "add_weeks": solve_add_weeks,
    "add_months": solve_add_months,
    "add_years": partial(solve_add_months, in_years=True),
    "add_working_days": solve_add_working_days,
    "before_month_end": solve_before_month_end,
    "after_month_end": solve_after_month_end,
    "next_weekday": solve_next_weekday,
}


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    wanted = parser.parse_args()
    for kind, make in (("word_problems", make_word_problems), ("date_questions", make_date_questions)):
        table = pandas.DataFrame(map(vars, make(wanted.num, wanted.seed)))
        write_whole(wanted.folder / f"train_{kind}.csv", table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    main()
