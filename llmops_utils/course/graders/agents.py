"""Graders of chapter 08: a trace by hand, a measure of the way, rules, formulas, programs."""

import re
from datetime import date, timedelta

from ...agents import Step, calculate, run_code
from ...evaluation import Row, ValueMatch
from .checks import Wrong, call_learner, check_cases, find_variable, grades, is_right, show

ASKED = "All goods of PW-28421 come back with traces of use. What refund do we pay by our rules?"
REFUND = "67.83"
NUMBER = r"\d+(?:\.\d+)?"


@grades("08_1.1")
def _grade_steps(steps) -> None:
    tools = find_variable("tools") or {}
    is_list = isinstance(steps, list | tuple) and all(isinstance(one, list | tuple) for one in steps)
    if not is_list or not all(len(one) == 3 and all(isinstance(part, str) for part in one) for one in steps):
        raise Wrong('Make a list of steps, each of three texts, such as ("I need …", "find_order", "PW-28421").')
    told, seen = "", ""  # what was known before the last step, and what it brought
    for number, (thought, action, argument) in enumerate(steps, 1):
        if action not in tools:
            raise Wrong(f"Step {number} calls {show(action)}. The tools are {', '.join(tools)}; `finish` is left out.")
        new = set(re.findall(rf"{NUMBER}|\w+", seen)) - set(re.findall(rf"{NUMBER}|\w+", ASKED + told))
        if number > 1 and not new & set(re.findall(rf"{NUMBER}|\w+", thought)):
            raise Wrong(f"The thought of step {number} holds nothing new of the observation before, which was: {seen}")
        told += f" {seen}"
        known = {float(one) for one in re.findall(NUMBER, ASKED + told)} | {100}
        invented = [one for one in re.findall(NUMBER, argument) if float(one) not in known]
        if action == "calculate" and invented:
            raise Wrong(f"In step {number}, {invented[0]} stands neither in the question nor in an observation.")
        try:
            seen = call_learner(tools[action], argument)
        except Exception as error:
            raise Wrong(f"Step {number} fails: {error}.") from None
    if not ValueMatch()(seen, REFUND).value:
        raise Wrong(f"The last observation is {show(seen)}, which is not the refund by the rules of the shop.")


@grades("08_1.2")
def _grade_trace_grader(function) -> None:
    def make_row(answer: str | None = "5.5", is_error: bool = False, tools: tuple[str, ...] = ()) -> Row:
        steps = [vars(Step("a thought", tool, "an argument", "an observation", is_error)) for tool in tools]
        return Row("c000", "How much is it?", "5.5", answer, float(answer == "5.5"), trace=steps)

    def tell(row, tools) -> str:
        return f"a row whose steps called {tuple(step['action'] for step in row.trace)}, where {tools} were expected,"

    both = ("find_order", "calculate")
    cases = [
        ((make_row(tools=both), both), True, "the tools are the expected ones"),
        ((make_row("7", tools=both), both), True, "the way is right, and only the way is asked for"),
        ((make_row(), ()), True, "no tool was needed and none was called"),
        ((make_row(tools=("find_order",)), both), False, "a tool is left out"),
        ((make_row(tools=(*both, "calculate")), both), False, "a tool is called once too often"),
        ((make_row(tools=both[::-1]), both), False, "the tools come in another order"),
        ((make_row(None, tools=both), both), False, "there is no answer"),
        ((make_row(is_error=True, tools=both), both), False, "a tool failed on the way"),
    ]
    check_cases(function, cases, bool, "True or False", given=tell)


POSTAGE = {"Belgium": 4.5, "Netherlands": 4.5, "France": 6.9, "Germany": 6.9, "Italy": 9.8, "Spain": 9.8}
POSTAGE |= {"Norway": None, "Switzerland": None}  # where the shop does not ship


@grades("08_2.1")
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


@grades("08_2.2")
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
            raise Wrong(f"Number {number} does not hold {missing[0]}. Translate only; leave the sum to the rules.")
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


@grades("08_3.1")
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
