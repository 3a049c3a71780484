"""Claims about the scorers: right answers score 1 in any form, plausible wrong ones 0, and wrong data raise."""

from datetime import date, datetime
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from llmops_utils.core import CapabilityMissing, DataError
from llmops_utils.evaluation import ChoiceMatch, Contains, ExactMatch, NumberMatch, Score, ValueMatch, measure_shares
from llmops_utils.evaluation.scorers import NEGATION, DateMatch
from llmops_utils.models import Provenance, Reply, TokenChance

SCORERS = [
    (ExactMatch(), "Berlin"),
    (ChoiceMatch(["refund", "delivery"]), "refund"),
    (NumberMatch(), 40),
    (DateMatch(), "2026-03-14"),
    (ValueMatch(), "2026-03-14"),
    (Contains(), "30 days"),
]


def list_wrong(scorer, cases, value):
    """Return those of the pairs of prediction and expected value that do not score `value`."""
    return [(prediction, expected) for prediction, expected in cases if scorer(prediction, expected).value != value]


@pytest.mark.parametrize(("scorer", "expected"), SCORERS, ids=[repr(scorer) for scorer, _ in SCORERS])
def test_empty_predictions_and_wrong_types_score_0_with_a_note_and_faulty_expected_values_raise(scorer, expected):
    for prediction in ["", "  \n", None, 7, -1.5, float("nan"), True, [], ["Berlin"], {}, object()]:
        score = scorer(prediction, expected)
        assert (score.value, score.note != "") == (0.0, True)
    scorer.check_expected(expected)
    gaps = [float("nan"), pandas.NA, pandas.NaT, np.array(["a", "b"])]
    for faulty in ["", "  ", None, [], {"a": 1}, [""], object(), *gaps]:
        for ask in (scorer.check_expected, lambda faulty: scorer("Berlin", faulty)):
            with pytest.raises(DataError, match=r"The expected value .* is not"):
                ask(faulty)


def test_exact_match_ignores_form():
    cases = [
        *(("Berlin", "Berlin"), (" berlin.\n", "Berlin"), ("BERLIN!", "berlin"), ("New \u00a0 York", "new york")),
        *(("Sao Paulo", "São Paulo"), ("cafe\u0301", "Café"), ("STRASSE", "Straße"), ("?", "?")),
        *((4711, "4711"), ("4711", 4711), (7.0, "7"), (True, "true")),
        *(("It’s non‑toxic", "it's non-toxic"), ("−5", "-5"), (np.int64(5), "5"), (np.float32(0.5), "0.5")),
        *((np.bool_(True), "true"), (np.str_("Berlin"), "Berlin"), ("5", np.int64(5))),
        *(("Ber\u00adlin\u200e", "Berlin"), ("“a”", '"a"')),
    ]
    assert list_wrong(ExactMatch(), cases, 1) == []
    reply = Reply("Berlin", 30, 2, 0.1, 0.0, Provenance("fake", "nowhere", "live"))
    assert ExactMatch()(reply, "Berlin") == Score(1.0)  # by its text


def test_exact_match_fails_other_answers():
    for prediction in ["The capital is Berlin.", "Berlin, Germany", "Bonn", "Berl in", "Berlin Berlin", ".", "erlin"]:
        assert ExactMatch()(prediction, "Berlin") == Score(0.0, f"found: {prediction}")
    assert ExactMatch()("が", "か").value == ExactMatch()("x²", "x2").value == 0  # only the marks of Latin letters go
    assert ExactMatch()("word " * 100, "Berlin").note == "found: " + ("word " * 12)[:59] + "…"


LABELS = ("refund", "delivery", "late delivery", "other")


def test_choice_match_finds_the_named_label_as_the_model_does():
    named = {
        "refund": ["refund", "Refund.", "**refund**", '"refund"', '{"choice": "refund"}', "refund, I am sure: refund"],
        "late delivery": ["late delivery", "Late delivery."],
        "delivery": ["delivery"],
        "other": ["The category is: other"],
    }
    cases = [(prediction, label) for label, predictions in named.items() for prediction in predictions]
    assert list_wrong(ChoiceMatch(LABELS), cases, 1) == []
    for prediction, choices in (("C++", ["C", "C++"]), ("Not spam", ["spam", "not spam"]), ("−1", ["1", "-1"])):
        assert ChoiceMatch(choices)(prediction, choices[1]) == Score(1.0)
    scorer = ChoiceMatch(["toxic", "non-toxic"])
    assert scorer("non\u2011toxic", "toxic") == Score(0.0, "non-toxic instead of toxic")


def test_contains_finds_whole_words_and_numbers_and_falls_into_its_traps():
    found = ["You have 30 days.", "30 DAYS", "It is\n30\u00a0days, no more", "**30 days**", "a 30 days' limit"]
    unseen = ["It is not 30 days.", "30 days would be wrong, it is 14.", "10, 20 or 30 days"]  # negation is not seen
    assert [text for text in found + unseen if Contains()(text, "30 days") != Score(1.0, NEGATION)] == []
    others = ["130 days", "1,30 days", "2.30 days", "30 daysies", "30", "days 30", "14 days"]
    assert [text for text in others if Contains()(text, "30 days").value] == []
    right = [("It is H2O.", ("water", "H2O")), ("There are 12.", 12), ("It costs €40.", "€40")]
    assert list_wrong(Contains(), right, 1) == []
    assert list_wrong(Contains(), [("There are 12.50 euros", 50), ("incorrect", "correct")], 0) == []
    assert Contains()("It is wine", ["water", "H2O"]) == Score(0.0, "none of the texts is in: It is wine")


def test_number_match_takes_every_form():
    predictions = ["The answer is 1,234.50 EUR.", "1.234,50", 1234.5, Decimal("1234.50"), 1234.504]
    wanted = [1234.5, "1234.50", "1,234.50", "€1,234.50", Decimal("1234.5"), np.float64(1234.5)]
    cases = [(prediction, expected) for prediction in predictions for expected in wanted]
    assert list_wrong(NumberMatch(), cases, 1) == []


def test_each_scorer_says_why_it_fails():
    day = date(2026, 3, 14)
    by_label = [
        ("delivery", "delivery instead of refund"),
        ("refund or other", "more than one label: refund, other"),
        ("refunds", "label outside the set: refunds"),
        ("nonrefund", "label outside the set: nonrefund"),
        ("[" * 100_000, "label outside the set: " + "[" * 59 + "…"),
        ("", "the reply is empty"),
        (3, "found: 3"),
        (("refund",), "cannot be read here: tuple"),
    ]
    by_number = [
        ("1,234.51", "1234.51 instead of 1234.5"),
        ("-1,234.50", "-1234.5 instead of 1234.5"),
        ("1,234.50 plus 19 %", "19 instead of 1234.5"),
        ("123450", "123450 instead of 1234.5"),
        ("about twelve hundred", "no number in the reply"),
        (1234, "1234 instead of 1234.5"),
        (float("inf"), "found: inf"),
        (10**5000, "cannot be read here: int"),  # Python does not spell it
        ([1234.5], "cannot be read here: list"),
        (True, "found: true"),  # not the number 1
    ]
    by_date = [
        ("2026-03-15", "2026-03-15 instead of 2026-03-14"),
        ("14 March 2025", "2025-03-14 instead of 2026-03-14"),
        (date(2026, 4, 14), "2026-04-14 instead of 2026-03-14"),
        ("2026-02-30", "no possible date in the reply"),
        (14, "found: 14"),
        (("2026-03-14",), "cannot be read here: tuple"),
    ]
    scorers = (
        (ChoiceMatch(LABELS), "refund", by_label),
        (NumberMatch(), 1234.5, by_number),
        (DateMatch(), day, by_date),
    )
    for scorer, expected, cases in scorers:
        for prediction, note in [*cases, (None, "there is no reply")]:
            assert scorer(prediction, expected) == Score(0.0, note)
    assert ExactMatch()(10**5000, 40) == Score(0.0, "cannot be read here: int")


def test_dates_are_taken_in_any_form_and_numbers_to_half_a_cent():
    day = date(2026, 3, 14)
    for prediction in ("on 14 March 2026", "2026-03-14", day, datetime(2026, 3, 14, 23, 59)):
        assert DateMatch()(prediction, "2026-03-14") == DateMatch()(prediction, day) == Score(1.0)
    near, far = [12.505, 12.495, "12.5"], [12.506, "12.51", 12.494]
    assert [NumberMatch()(prediction, 12.5).value for prediction in near + far] == [1, 1, 1, 0, 0, 0]
    assert [NumberMatch()(prediction, 10**15).value for prediction in (10**15, 10**15 + 1)] == [1, 0]


def test_scores_choices_and_expected_values_that_cannot_be_right_raise():
    for value in (-0.1, 1.1, float("nan"), "1", None):
        with pytest.raises(DataError, match="is no score"):
            Score(value)
    for expected in ["refunds", "Refund", None, 1, ["refund"]]:
        with pytest.raises(DataError, match="is not one of refund, delivery"):
            ChoiceMatch(["refund", "delivery"])("refund", expected)
    for choices in [[], "refund", ["a", "A"], ["a", ""], ["a", 1], None]:
        with pytest.raises(DataError, match=r"are not a list of texts|hold one twice"):
            ChoiceMatch(choices)
    for expected in ["3 or 4", "about 40", "007", "1/2", "forty", True, float("nan"), "2026-03-14", [40]]:
        with pytest.raises(DataError, match="is not a number"):
            NumberMatch()("40", expected)
    for expected in ["14 March 2026", "2026-02-30", "20260314", 14, None]:
        with pytest.raises(DataError, match="is not a date"):
            DateMatch()("2026-03-14", expected)


def test_value_match_goes_by_what_is_expected():
    right = [
        *(("It arrives on 14 March 2026.", "2026-03-14"), (date(2026, 3, 14), date(2026, 3, 14))),
        *(("That is 30 days, until 14 March 2026.", "30"), ("30", 30), (30, "30"), ("12,50 EUR", "12.50")),
        *(("berlin.", "Berlin"), ("0042", "0042"), (True, True)),
    ]
    assert list_wrong(ValueMatch(), right, 1) == []
    wrong = [
        *(("14", "2026-03-14"), ("2026-03-30", "30"), ("31 days", 30), ("42", "0042")),
        *(("Bonn", "Berlin"), ("It is Berlin", "Berlin"), (1, True)),
    ]
    assert list_wrong(ValueMatch(), wrong, 0) == []
    with pytest.raises(DataError, match="is not a date"):
        ValueMatch()("2026-02-30", "2026-02-30")


def test_a_server_that_wraps_a_choice_is_told_that_it_has_no_shares():
    reply = SimpleNamespace(tokens=(TokenChance('{"ket', 0.02),))
    model = SimpleNamespace(name="fake", chat=lambda messages, **options: reply)
    with pytest.raises(CapabilityMissing, match="does not begin its reply with the label"):
        measure_shares(model, "It leaks.", ["kettle"])
