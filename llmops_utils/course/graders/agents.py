"""Graders of lesson 08_1: a trace by hand, in which each step uses what was observed, and a measure of the way."""

import re

from ...agents import Step
from ...evaluation import Row, ValueMatch
from .checks import Wrong, call_learner, check_cases, find_variable, show

ASKED = "All goods of PW-28421 come back with traces of use. What refund do we pay by our rules?"
REFUND = "67.83"
NUMBER = r"\d+(?:\.\d+)?"


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
            raise Wrong(
                f"The thought of step {number} holds nothing that the observation before it brought, which was: {seen}"
            )
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


GRADERS = {"08_1.1": _grade_steps, "08_1.2": _grade_trace_grader}
