"""Graders of lesson 12_1: places, the key of a cache, a threshold for a cache by meaning."""

from numbers import Integral, Real

from ...evaluation import estimate_proportion
from ...operations import ThresholdRow
from .checks import Wrong, call_learner, check_cases, show

PLACES = 11  # 90 calls in a minute, 5 seconds each, 70 % busy


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


def _grade_key(function) -> None:
    key = call_learner(function, dict(REQUEST))
    if not isinstance(key, str):
        raise Wrong(f"It returned {show(key)}. Return a text.")
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


GRADERS = {"12_1.1": _grade_places, "12_1.2": _grade_key, "12_1.3": _grade_threshold}
