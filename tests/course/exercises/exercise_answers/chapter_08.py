"""Answers to the exercises of chapter 08, as `test_exercises.py` holds them for the chapters 00 and 01."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


DOC = '    """Return the days until a date."""\n'
DATE = "from datetime import date\n"
SAND = "from llmops_utils.agents.sandbox import extract_code, run_code\n"

WRONG = {
    "08.1": [
        Slip(
            "no docstring",
            DATE + "def days_until(day: str) -> int:\n    return (date.fromisoformat(day) - date(2026, 3, 20)).days",
            "has no docstring",
        ),
        Slip(
            "no type hint",
            DATE + "def days_until(day):\n" + DOC + "    return (date.fromisoformat(day) - date(2026, 3, 20)).days",
            "no type that a tool can take",
        ),
        Slip(
            "the hint date",
            DATE
            + "def days_until(day: date) -> int:\n"
            + DOC
            + "    return (date.fromisoformat(day) - date(2026, 3, 20)).days",
            "no type that a tool can take",
        ),
        Slip(
            "two parameters",
            DATE
            + "def days_until(day: str, today: str = '2026-03-20') -> int:\n"
            + DOC
            + "    return (date.fromisoformat(day) - date.fromisoformat(today)).days",
            "2 parameters",
        ),
        Slip(
            "the wrong sign",
            DATE
            + "def days_until(day: str) -> int:\n"
            + DOC
            + "    return (date(2026, 3, 20) - date.fromisoformat(day)).days",
            "the sign is wrong",
        ),
        Slip(
            "a time span",
            DATE
            + "def days_until(day: str) -> int:\n"
            + DOC
            + "    return date.fromisoformat(day) - date(2026, 3, 20)",
            "gave a timedelta",
        ),
        Slip(
            "counts both ends",
            DATE
            + "def days_until(day: str) -> int:\n"
            + DOC
            + "    return (date.fromisoformat(day) - date(2026, 3, 20)).days + 1",
            "one day off",
        ),
        Slip(
            "months of 30 days",
            "def days_until(day: str) -> int:\n"
            + DOC
            + "    y, m, d = map(int, day.split('-'))\n    return (y - 2026) * 360 + (m - 3) * 30 + d - 20",
            "For 2026-04-03 it gave 13, one day off",
        ),
        Slip(
            "a text",
            DATE
            + "def days_until(day: str) -> str:\n"
            + DOC
            + "    return f'{(date.fromisoformat(day) - date(2026, 3, 20)).days} days'",
            "gave a str",
        ),
    ],
    "08.2": [
        Slip(
            "the tools only",
            "def grade_trace(trace, tools):\n    return trace.actions == tools",
            "its outcome is step limit",
        ),
        Slip(
            "in any order",
            "def grade_trace(trace, tools):\n    return trace.outcome == 'finished' and set(trace.actions) == set(tools)",
            "called once too often",
        ),
        Slip(
            "sorted",
            "def grade_trace(trace, tools):\n"
            "    return trace.outcome == 'finished' and sorted(trace.actions) == sorted(tools)",
            "another order",
        ),
        Slip(
            "overlooks failed tools",
            "def grade_trace(trace, tools):\n    return trace.outcome == 'finished' and trace.actions == tools",
            "a tool failed on the way",
        ),
        Slip(
            "the answer only",
            "def grade_trace(trace, tools):\n    return trace.answer is not None",
            "a tool is left out",
        ),
        Slip(
            "compares with a list",
            "def grade_trace(trace, tools):\n    return [step.action for step in trace.steps] == tools",
            "the tools are the expected ones",
        ),
        Slip(
            "a number",
            "def grade_trace(trace, tools):\n    return int(trace.actions == tools)",
            "gave a int",
        ),
    ],
    "08.3": [
        Slip(
            "the outcome",
            SAND + "def run_program(text):\n    return run_code(extract_code(text))",
            "gave a Outcome",
        ),
        Slip(
            "with the fences",
            SAND
            + "def run_program(text):\n    value = run_code(text).value\n"
            + "    return value if type(value) in (int, float) else None",
            "a program between fences it gave a NoneType",
        ),
        Slip(
            "any value",
            SAND + "def run_program(text):\n    return run_code(extract_code(text)).value",
            "whose answer is a text",
        ),
        Slip(
            "takes truth values",
            SAND
            + "def run_program(text):\n    value = run_code(extract_code(text)).value\n"
            + "    return value if isinstance(value, (int, float)) else None",
            "a truth value",
        ),
        Slip(
            "the error as text",
            SAND
            + "def run_program(text):\n    outcome = run_code(extract_code(text))\n    return outcome.error or outcome.value",
            "divides by zero",
        ),
        Slip(
            "zero is nothing",
            SAND + "def run_program(text):\n    return run_code(extract_code(text)).value or None",
            "zero",
        ),
    ],
    "08.4": [
        Slip("the results", 'my_symbols = ["30.5", "42.5", "30"]', "Number 1 does not hold 4"),
        Slip(
            "numbers",
            "my_symbols = [4 * 6.50 + 4.50, 50 * (100 - 15) / 100, 9 * 20 / 6]",
            "Number 1 is a float",
        ),
        Slip(
            "the discount itself",
            'my_symbols = ["4 * 6.50 + 4.50", "50 * 15 / 100", "9 * 20 / 6"]',
            "Number 2 comes to 7.5",
        ),
        Slip(
            "a percent sign",
            'my_symbols = ["4 * 6.50 + 4.50", "50 - 15%", "9 * 20 / 6"]',
            "Number 2 cannot be calculated",
        ),
        Slip(
            "brackets forgotten",
            'my_symbols = ["4 * (6.50 + 4.50)", "50 * (100 - 15) / 100", "9 * 20 / 6"]',
            "Number 1 comes to 44",
        ),
        Slip("one text", 'my_symbols = "4 * 6.50 + 4.50"', "three texts"),
        Slip("two only", 'my_symbols = ["4 * 6.50 + 4.50", "50 * (100 - 15) / 100"]', "three texts"),
        Slip(
            "worked out in part",
            'my_symbols = ["4 * 6.50 + 4.50", "50 * (100 - 15) / 100", "180 / 6"]',
            "Number 3 does not hold 9",
        ),
    ],
}

ALSO_RIGHT = {
    "08.1": [
        "import datetime\ndef days_until(deadline: str):\n    'Days from today to a deadline.'\n"
        "    return (datetime.datetime.strptime(deadline, '%Y-%m-%d') - datetime.datetime(2026, 3, 20)).days",
    ],
    "08.2": [
        "def grade_trace(trace, tools):\n"
        "    if trace.answer is None or any(s.is_error for s in trace.steps):\n        return False\n"
        "    return tuple(s.action for s in trace.steps) == tools",
    ],
    "08.3": [
        SAND
        + "def run_program(text):\n    outcome = run_code(extract_code(text))\n"
        + "    if not outcome.is_ok or isinstance(outcome.value, bool):\n        return None\n"
        + "    return outcome.value if isinstance(outcome.value, (int, float)) else None",
    ],
    "08.4": ['my_symbols = ("6.5 * 4 + 4.5", "50 - 50 * 15 / 100", "(20 * 9) / 6")'],
}

RAISING = {
    "08.1": [
        (
            "import datetime\ndef days_until(day: str) -> int:\n" + DOC + "    return day - datetime.date(2026, 3, 20)",
            "TypeError",
            "2026-03-21",
        ),
    ],
    "08.2": [("def grade_trace(trace, tools):\n    return trace.tools == tools", "AttributeError", "Trace(question=")],
    "08.3": [("def run_program(text):\n    return eval(text)", "SyntaxError", "answer = 6 * 7")],
}
