"""Claims about the canary: it stops what is worse, ships what is not, and neither night nor silence fools it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.operations import Canary, CanaryPlan, compare_steps


def release(right, seed, swing=0.0, plan=None):
    """Return a canary after a release; production is right on 80 of 100."""
    random, canary = np.random.default_rng(seed), Canary(plan)
    for place in range(20_000):
        is_new = random.random() < canary.share
        share = (right if is_new else 0.8) + swing * np.sin(place / 600)
        if canary.add(bool(is_new), float(random.random() < share)) != "running":
            break
    return canary


def count_shipped(right, **options):
    return sum(release(right, seed, **options).state == "shipped" for seed in range(20))


def test_a_bad_candidate_is_stopped_and_an_equal_one_goes_out_also_where_the_day_swings():
    assert max(count_shipped(right) for right in (0.6, 0.7)) <= 1
    assert min(count_shipped(0.8), count_shipped(0.85), count_shipped(0.8, swing=0.1)) >= 18
    early = [release(0.5, seed).num_requests for seed in range(9)]
    assert np.median(early) < 1000  # of about 3,000 that a whole release takes


def test_the_interval_of_one_step_is_the_published_one():
    # Newcombe (1998), table II: 56 of 70 against 48 of 80 gives 0.0524 to 0.3339 by method 10; here the signs are turned.
    change = compare_steps([(56, 70, 48, 80)], 0.95)
    assert change.value == pytest.approx(-0.2)
    assert (change.low, change.high) == pytest.approx((-0.3339, -0.0524), abs=1e-4)


def test_users_keep_what_they_have_while_the_share_rises_and_all_or_none_get_it_at_the_end():
    canary, users = Canary(CanaryPlan(num_scores=4, num_between=4)), [f"user {number}" for number in range(2000)]
    had: set[str] = set()
    for share in (0.05, 0.2, 0.5):
        assert canary.share == share
        has = {user for user in users if canary.takes(user)}
        assert had <= has
        assert abs(len(has) / len(users) - share) < 0.03
        had = has
        for is_candidate in (False, True) * 4:
            canary.add(is_candidate, 1.0)
    assert (canary.state, canary.share) == ("rolled back", 0.0)  # 12 scores show nothing
    assert "not shown to lose less than 10 points: +0 points" in canary.reason
    assert not any(map(canary.takes, users))
    shipped = release(0.9, 0)
    assert shipped.state == "shipped"
    assert all(map(shipped.takes, users))


def test_with_too_little_traffic_it_goes_back_and_says_so_and_decides_nothing_while_production_has_no_score():
    canary = Canary(CanaryPlan(most_hours=10))
    canary.add(True, 1.0)
    assert [canary.wait(9), canary.wait(2)] == ["running", "rolled back"]
    assert canary.reason == "1 scores of it in 11 hours are too few"
    assert canary.add(True, 0.0) == "rolled back"  # an answer that was on its way
    assert canary.num_requests == 1
    canary = Canary(CanaryPlan(num_scores=10, num_between=5))
    for _ in range(50):
        assert canary.add(True, 0.0) == "running"
    canary.add(False, 1.0)
    assert canary.add(True, 0.0) == "rolled back"


def test_scores_of_many_threads_are_all_counted():
    canary = Canary(CanaryPlan(num_scores=10**6, num_between=10**6))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: canary.add(True, 1.0), range(4000)))
    assert canary.num_requests == 4000


def test_plans_and_scores_that_make_no_sense_are_refused():
    for wrong in (
        {"shares": ()},
        {"shares": (0.5, 0.2)},
        {"shares": (0.5, 1.0)},
        {"num_between": 200},
        {"margin": 0.0},
    ):
        with pytest.raises(DataError, match="is no plan"):
            CanaryPlan(**wrong)
    for score in (0.5, 2, float("nan"), None):
        with pytest.raises(DataError, match="neither 0 nor 1"):
            Canary().add(True, score)
