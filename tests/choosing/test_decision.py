"""Claims about choosing: the ranking is the weighted mean, the shares of winners sum to 1, a break-even pays both sides."""

import pytest

from llmops_utils.choosing import compute_break_even, decision, find_needed_score, measure_stability, rank_options
from llmops_utils.core import DataError

SCORES = {"small": {"quality": 0.2, "price": 1.0}, "large": {"quality": 0.9, "price": 0.1}}
EQUAL = {"quality": 1, "price": 1}


def test_the_ranking_is_the_weighted_mean_of_which_only_the_ratios_of_weights_matter():
    ranked = rank_options(SCORES, {"quality": 3, "price": 1})
    assert ranked == pytest.approx({"large": 0.7, "small": 0.4})
    assert list(ranked) == ["large", "small"]  # the best stands first
    assert rank_options(SCORES, EQUAL) == pytest.approx({"small": 0.6, "large": 0.5})
    assert rank_options(SCORES, {"quality": 0.3, "price": 0.1}) == pytest.approx(ranked)
    more = {name: row | {"colour": 0.5} for name, row in SCORES.items()}
    assert rank_options(more, {"quality": 3, "price": 1, "colour": 0}) == pytest.approx(ranked)
    assert list(rank_options({"b": {"x": 0.5}, "a": {"x": 0.5}}, {"x": 1})) == ["b", "a"]  # a tie keeps its order


def test_shares_of_winners_sum_to_one_repeat_and_are_those_of_geometry(monkeypatch):
    shares = measure_stability(SCORES, EQUAL, spread=0.8)
    assert sum(shares.values()) == pytest.approx(1)
    assert measure_stability(SCORES, EQUAL, spread=0.8) == shares
    assert measure_stability(SCORES, EQUAL, spread=0) == {"small": 1.0, "large": 0.0}
    scores = {"bad": {"a": 0.1, "b": 0.2}, "good": {"a": 0.2, "b": 0.3}}
    assert measure_stability(scores, {"a": 1, "b": 5}, spread=1) == {"bad": 0.0, "good": 1.0}
    # small wins where 0.8 of the price's factor exceeds... 0.9 p > 0.7 q, with p and q uniform on [0, 2]: 1 - 7/18
    monkeypatch.setattr(decision, "NUM_DRAWS", 200_000)
    assert measure_stability(SCORES, EQUAL, spread=1.0)["small"] == pytest.approx(1 - 7 / 18, abs=0.005)


def test_the_needed_score_makes_a_tie():
    # large needs q + 0.1 = 0.2 + 1.0 at equal weights: impossible; with quality three times as heavy: q = (1.6 - 0.1) / 3
    assert find_needed_score(SCORES, EQUAL, "large", "quality") is None
    assert find_needed_score(SCORES, {"quality": 3, "price": 1}, "large", "quality") == pytest.approx(0.5, abs=1e-9)
    assert find_needed_score(SCORES, {"quality": 1, "price": 9}, "small", "quality") == 0.0
    for option, factor in (("medium", "quality"), ("large", "colour")):
        with pytest.raises(DataError, match=r"medium|colour"):
            find_needed_score(SCORES, EQUAL, option, factor)


def test_unusable_scores_and_weights_are_refused():
    cases = (
        ({}, EQUAL),
        (SCORES, {}),
        (SCORES, {"quality": 0, "price": 0}),
        (SCORES, {"quality": -1, "price": 2}),
        (SCORES, {"quality": float("nan"), "price": 2}),
        (SCORES, {"quality": 1, "colour": 1}),
        ({"a": {"quality": 1.2, "price": 0}}, EQUAL),
        ({"a": {"quality": float("nan"), "price": 0}}, EQUAL),
        ({"a": {"quality": "good", "price": 0}}, EQUAL),
    )
    for scores, weights in cases:
        with pytest.raises(DataError):
            rank_options(scores, weights)


def test_at_the_break_even_both_bills_are_equal():
    even = compute_break_even(usd_per_request=0.001, tokens_per_request=500, usd_per_hour=1.0)
    assert even.requests_per_month * 0.001 == pytest.approx(730 * 1.0)  # 8,760 hours a year over twelve months
    assert even.tokens_per_s == pytest.approx(730_000 * 500 / (730 * 3600))
    for numbers in ((0, 1, 1), (1, 0, 1), (1, 1, 0), (float("nan"), 1, 1)):
        with pytest.raises(DataError, match="break-even"):
            compute_break_even(*numbers)
