"""Exercises of `08_prompting_specialized`."""

from __future__ import annotations

import math
import re

from ...agents import Step, Trace, calculate, make_tool
from ...core import DataError
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz

DAYS = {"2026-03-21": 1, "2026-03-20": 0, "2026-03-19": -1, "2026-04-03": 14, "2027-03-20": 365, "2028-03-20": 731}


def _grade_days(function) -> str:
    for day, expected in DAYS.items():
        found = call_learner(function, day)
        if isinstance(found, bool) or not isinstance(found, int):
            raise Wrong(f"For {day} it gave a {type(found).__name__}; give a whole number of days.")
        if found == -expected and expected:
            raise Wrong(f"For {day} the sign is wrong: days to come are positive, days gone by negative.")
        if abs(found - expected) == 1 and expected:
            raise Wrong(f"For {day} it gave {found}, one day off: from today to tomorrow is 1 day.")
        if found != expected:
            raise Wrong(f"For {day} it gave {found}. Today is 20 March 2026.")
    try:
        tool = make_tool(function)
    except DataError as error:
        raise Wrong(f"It computes rightly, but make_tool refuses it. {error.problem} {error.next_step}") from None
    kinds = [part["type"] for part in tool.parameters["properties"].values()]
    if len(kinds) != 1:
        raise Wrong(f"As a tool it has {len(kinds)} parameters; the agent fills exactly one.")
    if kinds != ["string"]:
        raise Wrong(f"The type hint of the parameter makes it a value of type {kinds[0]}; a date comes as a text.")
    return "The model never has to count days: it copies a date, and the calendar of Python does the rest."


def _make_trace(outcome: str = "finished", is_error: bool = False, tools: tuple[str, ...] = ()) -> Trace:
    steps = tuple(Step("a thought", tool, "an argument", "an observation", is_error) for tool in tools)
    return Trace("How much is it?", "5.5" if outcome == "finished" else None, steps, outcome)


def _grade_grader(function) -> str:
    both = ("find_order", "calculate")
    cases = [
        (_make_trace(tools=both), both, True, "the tools are the expected ones"),
        (_make_trace(), (), True, "no tool was needed and none was called"),
        (_make_trace(tools=("find_order",)), both, False, "a tool is left out"),
        (_make_trace(tools=(*both, "calculate")), both, False, "a tool is called once too often"),
        (_make_trace(tools=both[::-1]), both, False, "the tools come in another order"),
        (_make_trace("step limit", tools=both), both, False, "the trace has no answer: its outcome is step limit"),
        (_make_trace("broken step", tools=both), both, False, "the trace has no answer: its outcome is broken step"),
        (_make_trace(is_error=True, tools=both), both, False, "a tool failed on the way"),
    ]
    for trace, tools, expected, reason in cases:
        found = call_learner(function, trace, tools)
        if not isinstance(found, bool):
            raise Wrong(f"It gave a {type(found).__name__}; give True or False.")
        if found != expected:
            raise Wrong(f"It said {found} where {reason}: called {trace.actions}, expected {tools}.")
    return "An answer can be right by luck. This function looks at the way there."


def _grade_run(function) -> str:
    fenced = "```python\nanswer = 6 * 7\n```"
    cases = [
        ("answer = 6 * 7", 42, "a plain program"),
        ("price = 4.5\nanswer = 3 * price", 13.5, "a program whose result is no whole number"),
        (fenced, 42, "a program between fences"),
        (f"Here is the program:\n{fenced}\nIt works.", 42, "a program with words around the fences"),
        ("answer = 5 - 5", 0, "a program whose result is zero"),
    ]
    for text, expected, what in cases:
        found = call_learner(function, text)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"For {what} it gave a {type(found).__name__}; the result is a number.")
        if not math.isclose(found, expected):
            raise Wrong(f"For {what} it gave {found}.")
    for text, what in [
        ("answer = 1 / 0", "a program that divides by zero"),
        ("The answer is forty-two.", "a text that is no program"),
        ("answer = 'forty-two'", "a program whose answer is a text"),
        ("answer = True", "a program whose answer is a truth value"),
        ("answer = open('orders.csv').read()", "a program that opens a file"),
        ("x = 3", "a program that sets no answer"),
    ]:
        found = call_learner(function, text)
        if found is not None:
            raise Wrong(f"For {what} it gave {found!r}; there is no number to give.")
    return "A number or nothing: what calls your function never sees an error, and no model text as a result."


PROBLEMS = (
    ("4 lids at 6.50 euros each, plus 4.50 euros of postage.", 30.5, ("4", "6.50", "4.50")),
    ("A kettle for 50 euros with a discount of 15 percent: how much is left to pay?", 42.5, ("50", "15")),
    ("9 boxes with 20 scales each are shared equally among 6 shelves. How many are on each?", 30, ("9", "20", "6")),
)


def _grade_symbols(answer) -> str:
    if isinstance(answer, str) or not isinstance(answer, list | tuple) or len(answer) != len(PROBLEMS):
        raise Wrong("Give three texts in a list or a tuple, one per question.")
    for number, (expression, (_, expected, given)) in enumerate(zip(answer, PROBLEMS, strict=True), 1):
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
        if not math.isclose(outcome.value, expected):
            raise Wrong(f"Number {number} comes to {outcome.value:g}, which does not answer the question.")
    return "You did the model's part: the translation. No result had to be known for it."


EXERCISES = (
    Exercise(
        "08.1",
        "A tool for deadlines",
        "Write `days_until(day)`, a tool that takes a date as a text such as “2026-04-03” and returns how many days "
        "from today it is, as a whole number; negative where the date has passed. For Pellworth today is "
        "20 March 2026. `make_tool` must accept it.",
        "days_until",
        _grade_days,
        (
            "date.fromisoformat reads such a text, and the difference of two dates has the attribute days.",
            "make_tool needs a type hint for the parameter and one line of docstring; section 8.1 has three examples.",
        ),
        '''
        from datetime import date
        def days_until(day: str) -> int:
            """Return how many days it is from today until a date such as 2026-04-03."""
            return (date.fromisoformat(day) - date(2026, 3, 20)).days
        ''',
    ),
    Exercise(
        "08.2",
        "Grade the way, not only the answer",
        "Write `grade_trace(trace, tools)`, which returns True where the trace finished, no tool failed in it, and its "
        "tools are the expected ones in the expected order, and else False. `tools` is a tuple of names. A trace has "
        "`outcome`, `actions` and `steps`, and a step has `is_error`.",
        "grade_trace",
        _grade_grader,
        (
            "There are three conditions, and all of them must hold.",
            "any(step.is_error for step in trace.steps) tells whether a tool failed.",
        ),
        """
        def grade_trace(trace, tools):
            has_failed = any(step.is_error for step in trace.steps)
            return trace.outcome == "finished" and trace.actions == tools and not has_failed
        """,
    ),
    Exercise(
        "08.3",
        "Run what a model wrote",
        "Write `run_program(text)`: take the program out of a model's reply, run it in the sandbox, and return its "
        "`answer` if that is a number. Return None in all other cases. True and False do not count as numbers.",
        "run_program",
        _grade_run,
        (
            "extract_code takes the program out of its fences, and run_code returns an outcome with the attribute value.",
            "After an error the value is None already. type(value) in (int, float) leaves truth values out.",
        ),
        """
        from llmops_utils.agents import extract_code, run_code
        def run_program(text):
            outcome = run_code(extract_code(text))
            return outcome.value if type(outcome.value) in (int, float) else None
        """,
    ),
    Exercise(
        "08.4",
        "Be the model",
        "Translate three questions into arithmetic, as a list of three texts called `my_symbols`. Use the numbers that "
        "stand in each question, and do not work anything out. "
        + " ".join(f"({number}) {question}" for number, (question, _, _) in enumerate(PROBLEMS, 1)),
        "my_symbols",
        _grade_symbols,
        (
            "Each text is what you would type into a calculator, such as “9 * 13 + 8”.",
            "A discount of 15 percent leaves the other 85: write 100 - 15 in brackets and divide by 100.",
        ),
        """
        my_symbols = ["4 * 6.50 + 4.50", "50 * (100 - 15) / 100", "9 * 20 / 6"]
        """,
    ),
)

QUIZ = Quiz(
    "08.quiz",
    (
        Question(
            "In ReAct, who carries out an action?",
            (
                "the model, inside its weights",
                "the provider of the model",
                "the program around the model, which then writes the observation into the next prompt",
                "the sandbox, always",
            ),
            2,
            "The model only writes which tool it wants; our code runs it and reports what came back.",
        ),
        Question(
            "What does a JSON schema for each step guarantee?",
            (
                "that the thought is true",
                "that a step can be read: known fields and a tool that exists",
                "that the right tool is chosen",
                "that the argument is right",
            ),
            1,
            "A schema fixes the form. What stands in the form is still the model's guess.",
        ),
        Question(
            "A model-written program ran without an error. What do you know?",
            (
                "its result is right",
                "the question was understood",
                "the program is safe to run anywhere",
                "it kept the rules of the language and the limits, nothing about its meaning",
            ),
            3,
            "Programs that run and answer another question are the usual failure of PAL, as section When it fails shows.",
        ),
        Question(
            "Why does the sandbox not simply call Python's `exec` with an empty dictionary of names?",
            (
                "code can reach files and processes from any object of the host's Python",
                "exec is too slow",
                "exec cannot compute with dates",
                "exec needs a network",
            ),
            0,
            "In the host's Python every object leads to its class, and from there to everything that is loaded.",
        ),
        Question(
            "An agent gives the right answer, but its trace holds none of the tools that the question needs. What now?",
            (
                "nothing, right is right",
                "raise the step limit",
                "count it as right by answer and as wrong by trace, and look at it",
                "remove the tools",
            ),
            2,
            "It may have guessed, or read the answer off an example. Only the trace shows that.",
        ),
        Question(
            "A tool of the agent never returns. What should happen?",
            (
                "the notebook waits",
                "after a time limit the agent gets an observation that says so, and goes on",
                "the tool is called again without end",
                "the model is trained again",
            ),
            1,
            "To the model a failed tool is one more observation; the loop around it must not hang.",
        ),
    ),
)
