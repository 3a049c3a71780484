"""Claims about choosing: the ranking is the weighted mean, the shares of winners sum to 1, a break-even pays both sides."""

import pytest

from llmops_utils.choosing.decision import (
    HOURS_PER_MONTH,
    compute_break_even,
    find_needed_score,
    measure_stability,
    rank_options,
)
from llmops_utils.core import DataError

SCORES = {"small": {"quality": 0.2, "price": 1.0}, "large": {"quality": 0.9, "price": 0.1}}
EQUAL = {"quality": 1, "price": 1}


def test_the_ranking_is_the_weighted_mean():
    assert rank_options(SCORES, EQUAL) == pytest.approx({"small": 0.6, "large": 0.5})
    assert rank_options(SCORES, {"quality": 3, "price": 1}) == pytest.approx({"large": 0.7, "small": 0.4})


def test_the_best_stands_first():
    assert list(rank_options(SCORES, {"quality": 1, "price": 0})) == ["large", "small"]
    assert list(rank_options(SCORES, {"quality": 0, "price": 1})) == ["small", "large"]


def test_only_the_ratios_of_weights_matter():
    assert rank_options(SCORES, {"quality": 2, "price": 6}) == pytest.approx(
        rank_options(SCORES, {"quality": 0.1, "price": 0.3})
    )


def test_a_factor_without_weight_counts_for_nothing_though_it_is_there():
    more = {name: row | {"colour": 0.5} for name, row in SCORES.items()}
    assert rank_options(more, EQUAL | {"colour": 0}) == pytest.approx(rank_options(SCORES, EQUAL))


def test_ties_keep_their_order():
    assert list(rank_options({"b": {"x": 0.5}, "a": {"x": 0.5}}, {"x": 1})) == ["b", "a"]


def test_shares_of_winners_sum_to_one_and_repeat():
    shares = measure_stability(SCORES, EQUAL, spread=0.8)
    assert sum(shares.values()) == pytest.approx(1)
    assert 0 < shares["large"] < shares["small"] < 1
    assert measure_stability(SCORES, EQUAL, spread=0.8) == shares


def test_the_share_of_a_winner_is_the_one_of_geometry():
    # small wins where 0.8 of the price's factor exceeds... 0.9 p > 0.7 q, with p and q uniform on [0, 2]: 1 - 7/18
    shares = measure_stability(SCORES, EQUAL, spread=1.0, num_draws=200_000)
    assert shares["small"] == pytest.approx(1 - 7 / 18, abs=0.005)


def test_weights_that_stand_still_leave_one_winner():
    assert measure_stability(SCORES, EQUAL, spread=0) == {"small": 1.0, "large": 0.0}


def test_an_option_that_is_better_everywhere_always_wins():
    scores = {"bad": {"a": 0.1, "b": 0.2}, "good": {"a": 0.2, "b": 0.3}}
    assert measure_stability(scores, {"a": 1, "b": 5}, spread=1) == {"bad": 0.0, "good": 1.0}


@pytest.mark.parametrize(("spread", "num_draws"), [(-0.1, 10), (1.1, 10), (0.5, 0)])
def test_a_spread_out_of_range_is_refused(spread, num_draws):
    with pytest.raises(DataError, match="spread"):
        measure_stability(SCORES, EQUAL, spread, num_draws)


def test_the_needed_score_makes_a_tie():
    # large needs q + 0.1 = 0.2 + 1.0 at equal weights: impossible; with quality three times as heavy: q = (1.6 - 0.1) / 3
    assert find_needed_score(SCORES, EQUAL, "large", "quality") is None
    assert find_needed_score(SCORES, {"quality": 3, "price": 1}, "large", "quality") == pytest.approx(0.5, abs=1e-9)


def test_an_option_that_wins_with_nothing_needs_nothing():
    assert find_needed_score(SCORES, {"quality": 1, "price": 9}, "small", "quality") == 0.0


@pytest.mark.parametrize(("option", "factor"), [("medium", "quality"), ("large", "colour")])
def test_the_needed_score_wants_known_names(option, factor):
    with pytest.raises(DataError, match=r"medium|colour"):
        find_needed_score(SCORES, EQUAL, option, factor)


@pytest.mark.parametrize(
    ("scores", "weights"),
    [
        ({}, EQUAL),
        (SCORES, {}),
        (SCORES, {"quality": 0, "price": 0}),
        (SCORES, {"quality": -1, "price": 2}),
        (SCORES, {"quality": float("nan"), "price": 2}),
        (SCORES, {"quality": 1, "colour": 1}),
        ({"a": {"quality": 1.2, "price": 0}}, EQUAL),
        ({"a": {"quality": float("nan"), "price": 0}}, EQUAL),
        ({"a": {"quality": "good", "price": 0}}, EQUAL),
    ],
)
def test_unusable_scores_and_weights_are_refused(scores, weights):
    with pytest.raises(DataError):
        rank_options(scores, weights)


def test_at_the_break_even_both_bills_are_equal():
    even = compute_break_even(usd_per_request=0.001, tokens_per_request=500, usd_per_hour=1.0)
    assert even.requests_per_month * 0.001 == pytest.approx(HOURS_PER_MONTH * 1.0)
    assert even.requests_per_month == pytest.approx(730_000)
    assert even.tokens_per_s == pytest.approx(730_000 * 500 / (730 * 3600))


def test_requests_in_half_of_the_hours_need_twice_the_speed():
    whole = compute_break_even(0.001, 500, 1.0)
    half = compute_break_even(0.001, 500, 1.0, share_busy=0.5)
    assert half.requests_per_month == whole.requests_per_month
    assert half.tokens_per_s == pytest.approx(2 * whole.tokens_per_s)


@pytest.mark.parametrize(
    "numbers", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0), (1, 1, 1, 1.5), (float("nan"), 1, 1, 1)]
)
def test_a_break_even_of_impossible_numbers_is_refused(numbers):
    with pytest.raises(DataError, match="break-even"):
        compute_break_even(*numbers)
