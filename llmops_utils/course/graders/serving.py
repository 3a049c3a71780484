"""Graders of lessons 12_1 and 12_2: places, a cache's key and threshold, links in replies, a gate for attacks, controls."""

from numbers import Integral, Real

from ...evaluation import estimate_proportion
from ...operations import ThresholdRow
from .checks import Wrong, call_for_text, call_learner, check_cases, grades, show

PLACES = 11  # 90 calls in a minute, 5 seconds each, 70 % busy


@grades("12_1.1")
def _grade_places(places) -> None:
    if not isinstance(places, Integral) or isinstance(places, bool):
        raise Wrong(f"It is {show(places)}. Make a whole number of places.")
    told = {
        7: "So many are busy on average, and then nearly all of them; at most 70 % may be.",
        8: "So many are busy on average, and then nearly all of them; at most 70 % may be.",
        10: "With 10 places 75 % of them are busy.",
    }
    if places != PLACES:
        unit = "Are minutes and seconds in one unit?" if places > 100 else "Fewer do, or more are needed."
        raise Wrong(f"{places} is not right. {told.get(int(places), unit)}")


REQUEST = {
    "text": "And to Spain?",
    "user": "ana",
    "conversation": ["To Austria?", "6.90"],
    "model": "small",
    "settings": {"temperature": 0, "max_tokens": 16},
    "prompt": "v7",
    "shots": ["a: b", "c: d"],
    "index": "monday",
    "asked_at": "9:41",
    "trace": "t1",
}
OTHERS = {
    "another text": {"text": "And to Finland?"},
    "another user": {"user": "ben"},
    "another conversation": {"conversation": ["To Austria?", "7.40"]},
    "another model": {"model": "large"},
    "other settings": {"settings": {"temperature": 1, "max_tokens": 16}},
    "another prompt": {"prompt": "v8"},
    "other examples": {"shots": ["c: d", "a: b"]},
    "another index": {"index": "tuesday"},
    "examples that are the same when joined": {"shots": ["a: bc: d"]},
    "a user and a prompt that are the same when joined": {"user": "anav", "prompt": "7"},
    "a number in the settings that is a text": {"settings": {"temperature": "0", "max_tokens": 16}},
}
EQUALS = {
    "asked at another time": {"asked_at": "17:02"},
    "with another trace": {"trace": "t2"},
    "with more white space in the text": {"text": " And  to\nSpain? "},
    "with the settings in another order": {"settings": {"max_tokens": 16, "temperature": 0}},
}


@grades("12_1.2")
def _grade_key(function) -> None:
    key = call_for_text(function, dict(REQUEST))
    for changed, is_equal in [*((one, True) for one in EQUALS), *((one, False) for one in OTHERS)]:
        other = REQUEST | (EQUALS if is_equal else OTHERS)[changed]
        if (call_learner(function, other) == key) is not is_equal:
            fault = (
                "needs the same reply and has another key"
                if is_equal
                else "needs a reply of its own and has the same key"
            )
            what = f"The same request {changed}" if is_equal else f"A request with {changed}"
            raise Wrong(f"{what} {fault}.")


@grades("12_1.3")
def _grade_threshold(function) -> None:
    def make_row(threshold: float, num_right: int, num_wrong: int, total: int = 100) -> ThresholdRow:
        return ThresholdRow(threshold, estimate_proportion(num_right, total), estimate_proportion(num_wrong, total))

    def tell(rows, most_wrong) -> str:
        return f"{[(row.threshold, f'wrong {row.wrong_hits}') for row in rows]} and most_wrong = {most_wrong}"

    rows = [make_row(0.7, 95, 40), make_row(0.8, 80, 12), make_row(0.9, 60, 4), make_row(0.95, 30, 0)]
    few = [make_row(0.8, 9, 1, 10), make_row(0.9, 5, 0, 10)]
    cases = [
        ((rows, 0.5), 0.7, "the share itself lies under the limit, and there is a lower threshold"),
        ((rows, 0.2), 0.8, "12 of 100 have an upper end of 20 %"),
        ((rows, 0.1), 0.9),
        ((rows, 0.05), 0.95, "4 of 100 is below 5 %, but its interval goes far beyond"),
        ((rows[::-1], 0.1), 0.9, "the rows come in another order"),
        ((few, 0.1), None, "0 of 10 does not show that the share is below 10 %"),
        (([], 0.1), None, "there are no rows"),
    ]
    check_cases(function, cases, Real | None, "a threshold, or None", given=tell)


# Held back: a reply, what must be gone from it, what must be left.
REPLIES = [
    ("Write to orders@pellworth-desk.example.com, then pay.", ["pellworth-desk"], ["Write to ", ", then pay."]),
    ("Go to https://confirm.example.com/q?text=kettle now.", ["confirm", "kettle"], ["Go to", "now."]),
    ("![voucher](https://pixel.example.com/v.png?code=PV-12)", ["pixel", "PV-12"], ["voucher"]),
    ("We open at 9: https://pellworth.example/hours", [], ["https://pellworth.example/hours"]),
    ("See https://help.pellworth.example/a, ask desk@pellworth.example", [], ["help.pellworth.example/a", "desk@pell"]),
    ("https://pellworth.example.attacker.example/x", ["attacker"], []),
    ("https://attacker.example/?to=pellworth.example", ["attacker"], []),
    ("https://pellworth.example@attacker.example/x", ["attacker"], []),
    ("https://notpellworth.example/x", ["notpell"], []),
    ("HTTPS://ATTACKER.EXAMPLE/A", ["ATTACKER"], []),
    ("Ask mallory@pellworth.example.attacker.example", ["attacker"], ["Ask "]),
    ("Ours (http://www.Pellworth.example/b) and http://attacker.example/c", ["attacker"], ["www.Pellworth.example/b)"]),
]
PLAIN = "It takes 3 days (14 at most); the code is PW-50123, and 6.90 EUR."


@grades("12_2.1")
def _grade_links(function) -> None:
    check_cases(function, [(PLAIN, PLAIN, "there is no address in it")], str, "a text")
    for reply, gone, left in REPLIES:
        found = call_for_text(function, reply)
        if any(part.casefold() in found.casefold() for part in gone):
            raise Wrong(f"A foreign address is left in a reply held back: {show(found)}. Which host does it lead to?")
        if gone and "[removed]" not in found:
            raise Wrong(
                f"An address was taken out of a reply held back, and no [removed] stands in its place: {show(found)}."
            )
        if any(part not in found for part in left) or (not gone and found != reply):
            raise Wrong(
                f"Of the reply {show(reply)} this is left: {show(found)}. Ours and the words around have to stay."
            )


@grades("12_2.2")
def _grade_release(function) -> None:
    two = {"LLM01": 0.2, "LLM02": 0.05}
    cases = [
        (({"LLM01": (5, 60)}, {"LLM01": 0.2}), "pass", "even the upper end of 5 of 60 is below 20 %"),
        (({"LLM01": (12, 60)}, {"LLM01": 0.2}), "not shown", "20 % worked, and the true share may be higher"),
        (({"LLM01": (30, 60)}, {"LLM01": 0.2}), "stop", "even the lower end of 30 of 60 is above 20 %"),
        (({"LLM02": (0, 24)}, {"LLM02": 0.05}), "not shown", "none of 24 does not show that it is below 5 %"),
        (({"LLM02": (0, 100)}, {"LLM02": 0.05}), "pass", "none of 100 shows it"),
        (({"LLM01": (5, 60), "LLM02": (0, 100)}, two), "pass"),
        (({"LLM01": (5, 60), "LLM02": (0, 24)}, two), "not shown", "one of the two is not shown"),
        (({"LLM01": (30, 60), "LLM02": (0, 24)}, two), "stop", "one of the two is above its limit for sure"),
        (({"LLM02": (0, 24), "LLM01": (30, 60)}, dict(reversed(two.items()))), "stop", "the order does not matter"),
        (({"LLM01": (5, 60)}, two), "not shown", "LLM02 was not tried"),
        (({"LLM01": (5, 60), "LLM02": (0, 0)}, two), "not shown", "LLM02 was tried 0 times"),
        (({"LLM01": (5, 60), "LLM09": (9, 9)}, {"LLM01": 0.2}), "pass", "LLM09 has no limit"),
    ]
    check_cases(function, cases, str, "one of the three verdicts")
