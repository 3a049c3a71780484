"""Graders of chapter 02: what LLMOps is, how it differs from MLOps, the loop."""

from functools import partial
from numbers import Integral, Real

from .checks import call_for_text, check_cases, check_version, grades


@grades("02_1.2")
def _grade_tools(function) -> None:
    rows = [
        ("Alder", "data", "MIT", False),
        ("Beech", "serving", "MIT", True),
        ("Cedar", "serving", "proprietary", False),
        ("Dogwood", None, "MIT", False),
        ("Elm", "serving", "Apache-2.0", False),
        ("Fir", "serving", "MIT", False),
    ]
    tools = [dict(zip(("tool", "group", "licence", "needs_account"), row, strict=True)) for row in rows]
    cases = [
        (
            (tools, "serving", ["MIT", "Apache-2.0"]),
            ["Elm", "Fir"],
            "Beech needs an account; Cedar's licence is another",
        ),
        ((tools, "serving", ["Apache-2.0"]), ["Elm"], "of four in the group one has this licence and needs no account"),
        ((tools, "data", ["MIT"]), ["Alder"], "other groups do not count"),
        ((tools, "clouds", ["MIT"]), [], "nobody stands in this group"),
    ]
    check_cases(
        function,
        cases,
        list,
        "a list of names",
        given=lambda tools, group, licences: f"the group {group!r} and the licences {licences}",
    )


@grades("02_2.1")
def _grade_version(function) -> None:
    system = ("Which product?", "small", {"temperature": 0.0, "seed": 1})
    others = {
        "the prompt": ("Which product!", *system[1:]),
        "the name of the model": (system[0], "large", system[2]),
        "the temperature": (*system[:2], {"temperature": 1.0, "seed": 1}),
        "the names of the settings": (*system[:2], {"top_p": 0.0, "seed": 1}),
        "where the prompt ends and the name begins": ("Which product?s", "mall", system[2]),
    }
    same = (*system[:2], {"seed": 1, "temperature": 0.0})
    check_version(partial(call_for_text, function), system, same, others)


@grades("02_2.2")
def _grade_lazy(function) -> None:
    kettles, scales = ["kettle"], ["scale"]
    cases = [
        ((kettles * 6 + scales * 4, kettles * 3 + scales * 7), 0.3, "the label is chosen where it is learned"),
        ((scales * 9 + kettles, scales * 9 + kettles), 0.9, "nine of ten are scales on both sides"),
        ((kettles + scales * 2, kettles * 5), 0.0, "its only answer never occurs among the others"),
        ((["grinder"], ["grinder", "kettle"]), 0.5),
        ((("kettle", "kettle", "grinder"), ("kettle", "grinder")), 0.5, "tuples are sequences too"),
    ]
    check_cases(function, cases, Real, "a share between 0 and 1")


@grades("02_3.1")
def _grade_alarm(function) -> None:
    cases = [
        (([5, 5, 9, 9, 9], 2, 8, 2), 4, "windows 3 and 4 are the first two in a row above 8"),
        (([5, 1, 5, 1, 1, 5], 2, 8, 2), 5, "a window inside begins the count anew"),
        (([5, 1, 1, 1], 2, 8, 3), 4, "what falls is outside as well"),
        (([5, 1, 9, 5], 2, 8, 2), 3, "below and above are both outside"),
        (([2, 8, 8, 2], 2, 8, 1), None, "a value on a limit is inside"),
        (([9], 2, 8, 1), 1, "one window is enough here"),
        (([9, 5, 9], 2, 8, 2), None, "never two in a row"),
        (([], 2, 8, 2), None, "there is no window"),
    ]
    check_cases(function, cases, Integral | None, "the number of a window, or None")
