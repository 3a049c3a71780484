"""Exercises of `12_operating_llms`."""

from __future__ import annotations

from ...evaluation import estimate_proportion
from ...operations import ThresholdRow
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_alarm(function) -> str:
    cases = [
        ([False, True, True, False], 2, 2),
        ([True, False, True, False, True, True, True], 3, 6),
        ([True, False, True, False, True], 2, None),
        ([False, False, True], 1, 2),
        ([True, True, True, True], 2, 1),
        ([], 1, None),
        ([True], 2, None),
    ]
    for is_beyond, in_a_row, expected in cases:
        found = call_learner(function, list(is_beyond), in_a_row)
        if isinstance(found, bool) or not (found is None or isinstance(found, int)):
            raise Wrong(f"It returned {found!r}; return a position in the list, or nothing at all.")
        if found != expected:
            raise Wrong(f"For {is_beyond} and in_a_row = {in_a_row} it returned {found}.")
    return "A single odd window is noise; a row of them seldom is. The price is a later alarm."


def _grade_threshold(function) -> str:
    def make_row(threshold: float, num_right: int, num_wrong: int, total: int = 100) -> ThresholdRow:
        return ThresholdRow(threshold, estimate_proportion(num_right, total), estimate_proportion(num_wrong, total))

    rows = [make_row(0.7, 95, 40), make_row(0.8, 80, 12), make_row(0.9, 60, 4), make_row(0.95, 30, 0)]
    few = [make_row(0.8, 9, 1, 10), make_row(0.9, 5, 0, 10)]
    cases = [
        (rows, 0.5, 0.7, "the share itself lies under the limit, and there is a lower threshold"),
        (rows, 0.2, 0.8, "12 of 100 have an upper bound of 20 %"),
        (rows, 0.1, 0.9, ""),
        (rows, 0.05, 0.95, "4 of 100 is below 5 %, but its interval goes far beyond"),
        (rows[::-1], 0.1, 0.9, "the rows come in another order"),
        (few, 0.1, None, "0 of 10 does not show that the share is below 10 %"),
        ([], 0.1, None, "there are no rows"),
    ]
    for listed, most_wrong, expected, why in cases:
        found = call_learner(function, list(listed), most_wrong)
        if found != expected:
            told = [(row.threshold, f"wrong {row.wrong_hits}") for row in listed]
            raise Wrong(f"For {told} and most_wrong = {most_wrong} it returned {found}" + (f": {why}." if why else "."))
    return "The upper bound is what you may promise. With few labelled pairs no threshold can be promised anything."


def _grade_mask(function) -> str:
    cases = [
        ("Card 4111 1111 1111 1111 please", "Card [card ending in 1111] please"),
        ("5555-5555-5555-4444", "[card ending in 4444]"),
        ("Two: 4111111111111111, 378282246310005.", "Two: [card ending in 1111], [card ending in 0005]."),
        ("Not one: 4111 1111 1111 1112", "Not one: 4111 1111 1111 1112"),
        ("PW-12345, article 4006381333931", "PW-12345, article 4006381333931"),
        ("nothing here", "nothing here"),
    ]
    for text, expected in cases:
        found = call_learner(function, text)
        if not isinstance(found, str):
            raise Wrong(f"It returned a {type(found).__name__}; return a text.")
        if found != expected:
            raise Wrong(f"For {text!r} it returned {found!r}, not {expected!r}.")
    return "The desk can still tell two cards of a customer apart, and nobody can pay with four digits."


def _grade_release(function) -> str:
    shown, held = "a loss as large as the margin is excluded here", "a loss as large as the margin is not excluded here"
    worse = "the whole interval lies below 0, also where the loss is within the margin"
    cases = [
        ((-0.04, 0.06, 0.1, 0.05, 0.1), "pass", shown),
        ((-0.12, 0.06, 0.1, 0.05, 0.1), "too few", held),
        ((-0.20, -0.02, 0.1, 0.05, 0.1), "regression", worse),
        ((-0.04, -0.01, 0.1, 0.05, 0.1), "regression", worse),
        ((-0.04, 0.06, 0.1, 0.20, 0.1), "price", "it is good enough, and too dear"),
        ((0.05, 0.20, 0.1, 0.20, 0.1), "price", "also a better candidate can be too dear"),
        ((-0.20, -0.02, 0.1, 0.20, 0.1), "regression", "of several reasons the score comes first"),
        ((-0.12, 0.20, 0.1, 0.20, 0.1), "too few", "of several reasons the score comes first"),
        ((-0.04, 0.06, 0.03, 0.05, 0.1), "too few", held),
        ((0.01, 0.06, 0.1, 0.10, 0.1), "pass", "the limit of the price itself is allowed"),
    ]
    for values, expected, why in cases:
        if call_learner(function, *values) != expected:
            low, high, margin, usd, max_usd = values
            raise Wrong(
                f"For an interval from {low:+.0%} to {high:+.0%}, a margin of {margin:.0%} and ${usd:.2f} where "
                f"${max_usd:.2f} are allowed, the answer is another one: {why}."
            )
    return "Only what was shown passes; what was not shown is held up, and told apart from what was shown to be bad."


EXERCISES = (
    Exercise(
        "12.1",
        "Two in a row",
        "Write `find_alarm(is_beyond, in_a_row)`. `is_beyond` is a list of booleans, one per window: was the measure beyond "
        "its limit? Return the position (from 0) of the first window that is the last of `in_a_row` windows in a row beyond "
        "the limit, or None where there is none.",
        "find_alarm",
        _grade_alarm,
        (
            "Keep a count that grows with each window beyond the limit, and begins anew with each window within it.",
            "Return the position as soon as the count reaches in_a_row.",
        ),
        """
        def find_alarm(is_beyond, in_a_row):
            num = 0
            for place, beyond in enumerate(is_beyond):
                num = num + 1 if beyond else 0
                if num >= in_a_row:
                    return place
            return None
        """,
    ),
    Exercise(
        "12.2",
        "A threshold that one may promise",
        "Write `choose_threshold(rows, most_wrong)`. Each row has a `threshold` and `wrong_hits`, the share of different "
        "questions that were taken for the same, with its interval (`value`, `low`, `high`). Return the lowest threshold "
        "whose wrong hits are shown to be at most `most_wrong`, that is, even the upper end of the interval is no higher. "
        "Return None if there is no such row.",
        "choose_threshold",
        _grade_threshold,
        (
            "row.wrong_hits.high is the upper bound.",
            "min(…, default=None) returns None where there is nothing to choose from.",
        ),
        """
        def choose_threshold(rows, most_wrong):
            return min((row.threshold for row in rows if row.wrong_hits.high <= most_wrong), default=None)
        """,
    ),
    Exercise(
        "12.3",
        "Tell which card it was",
        "The desk wants to know which card a customer means. Write `mask_cards(text)`: each card number becomes "
        "`[card ending in 1111]` with its last four digits; all else stays. `is_card_number` is at hand; a card number has 13 "
        "to 19 digits with at most one space or hyphen between two of them.",
        "mask_cards",
        _grade_mask,
        (
            "re.sub takes a function: it is given the match and returns what stands in its place.",
            r"The pattern \d(?:[ -]?\d){12,18} finds the candidates; is_card_number tells which of them to replace.",
            "Take the spaces and hyphens out before you take the last four characters.",
        ),
        r"""
        import re
        def mask_cards(text):
            def mask(match):
                digits = re.sub(r"\D", "", match[0])
                return f"[card ending in {digits[-4:]}]" if is_card_number(match[0]) else match[0]
            return re.sub(r"\d(?:[ -]?\d){12,18}", mask, text)
        """,
    ),
    Exercise(
        "12.4",
        "Be the gate",
        "Write `decide_release(low, high, margin, usd, max_usd)`: `low` and `high` are the interval of the change of the "
        "score (shares: -0.04 are 4 points lost), `usd` is what 1,000 requests would cost. Return `regression` where the "
        "candidate is shown to be worse (the whole interval lies below 0), `too few` where a loss of `margin` or more is "
        "not excluded, `price` where only the price stands against it, else `pass`.",
        "decide_release",
        _grade_release,
        (
            "Ask in this order: regression, too few, price. What is left passes.",
            "A loss of margin or more is excluded where low > -margin.",
        ),
        """
        def decide_release(low, high, margin, usd, max_usd):
            if high < 0:
                return "regression"
            if low <= -margin:
                return "too few"
            return "price" if usd > max_usd else "pass"
        """,
    ),
)

QUIZ = Quiz(
    "12.quiz",
    (
        Question(
            "A candidate prompt was tried on 20 examples. “No significant loss” (p = 0.3). What follows?",
            (
                "it is as good as production",
                "it is worse than production",
                "little: 20 examples show a loss only where it is huge",
                "the test set is wrong",
            ),
            2,
            "Not having shown a loss is not the same as having shown that there is none. The gate asks for the second.",
        ),
        Question(
            "Why does a cache have to know the version of the prompt?",
            (
                "or customers go on getting the answers of the old prompt after a release",
                "because versions make it faster",
                "because the model asks for it",
                "it need not",
            ),
            0,
            "A reply depends on the prompt and the model as well as on the text. Change one of them, and the memory is stale.",
        ),
        Question(
            "A cache by meaning answers “postage to Finland?” with the reply to “postage to Spain?”. How do you find out?",
            (
                "the provider reports an error",
                "the hit rate falls",
                "from the latency",
                "only by comparing with the right answers: a wrong hit looks like a fast success",
            ),
            3,
            "Its hit rate even looks good. Only labelled pairs, or graded samples, show what it costs.",
        ),
        Question(
            "A monitor watches 8 measures with limits that 95 % of quiet windows keep, and one window suffices. What "
            "happens in a quiet week with 100 windows?",
            (
                "no alarm",
                "about 5 alarms",
                "alarms in a large share of the windows, all of them false",
                "one alarm",
            ),
            2,
            "Each measure has its own 5 %. If they were independent, 1 - 0.95 ** 8 = 34 % of the windows would cry wolf.",
        ),
        Question(
            "The questions drift, and the score of the graded sample stays. Is that an incident?",
            (
                "no: only scores count",
                "it is a warning: what was measured before is no longer what the system is asked",
                "yes: the model must be changed at once",
                "that cannot happen",
            ),
            1,
            "The test set stands for the old questions. Look at the new ones, label some, and measure again.",
        ),
    ),
)
