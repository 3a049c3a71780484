"""Claims about the monitor: limits come from quiet traffic, faults raise alarms, and an empty stream is an error.

Lesson 12.4 counts false alarms and delays on the traffic of the course.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.operations import AlertRule, Monitor, Request, compute_psi, find_first_alarm

QUIET = Request("tea", "delivery", 0.2, 100, 2, 0.0001, False, 1.0)


def make_requests(num, seed=0, **changes):
    """Return quiet requests: two clusters, three answers, latencies around 0.2 s, half of them graded, 70 % right."""
    random = np.random.default_rng(seed)
    requests = [
        Request(
            str(random.choice(["tea", "coffee"])),
            str(random.choice(["delivery", "return", "repair"])),
            float(random.gamma(20, 0.01)),
            int(random.integers(90, 110)),
            2,
            0.0001,
            bool(random.random() < 0.02),
            float(random.random() < 0.7) if random.random() < 0.5 else None,
        )
        for _ in range(num)
    ]
    return [replace(request, **changes) for request in requests]


@pytest.fixture(scope="module")
def monitor():
    return Monitor(make_requests(1000), size=50, rule=AlertRule(0.99, 2))


def test_the_stability_index_is_a_sum_over_categories_finite_and_of_two_like_samples_as_the_source_says():
    now, before = (0.5 * 1000 + 0.5) / 1001, (0.25 * 1000 + 0.5) / 1001
    expected = (now - before) * math.log(now / before) + (before - now) * math.log((1 - now) / (1 - before))
    found = compute_psi(np.array([0.5, 0.5]), np.array([0.25, 0.75]), 1000)
    assert found == pytest.approx(expected)
    assert compute_psi(np.array([0.2, 0.8]), np.array([0.2, 0.8]), 50) == 0
    assert np.isfinite(compute_psi(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 50))
    random = np.random.default_rng(0)
    shares = np.full(8, 1 / 8)
    found = [compute_psi(random.multinomial(50, shares) / 50, shares, 50) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(7 / 50, rel=0.15)


def test_the_limits_are_quantiles_of_quiet_windows_can_be_repeated_and_move_with_the_rule(monitor):
    for name, sign in (("latency p50 (s)", 1), ("score of the graded", -1)):
        beyond = sign * (monitor.quiet[name] - monitor.limits[name]) > 0
        assert np.mean(beyond) == pytest.approx(0.01, abs=0.005), name
    near, far = monitor.with_rule(AlertRule(0.95)), monitor.with_rule(AlertRule(0.999, 3))
    assert near.limits["tokens"] < far.limits["tokens"]
    assert near.limits["score of the graded"] > far.limits["score of the graded"]
    assert (near.quiet is monitor.quiet, far.rule.in_a_row) == (True, 3)
    again = Monitor(make_requests(1000), size=50, rule=AlertRule(0.99, 2))
    assert (again.rule, again.limits) == (monitor.rule, monitor.limits)  # which stay as they are


def test_without_graded_requests_the_score_has_no_limit_and_raises_no_alarm():
    monitor = Monitor(make_requests(400, score=None), size=50)
    assert math.isnan(monitor.limits["score of the graded"])
    windows = list(monitor.watch(make_requests(300, seed=1, score=0.0)))
    assert all("score of the graded" not in window.alarms for window in windows)


def test_a_window_holds_the_figures_of_its_requests():
    monitor = Monitor(make_requests(400), size=10)
    requests = [replace(QUIET, latency_s=0.1 * place, prompt_tokens=place, is_refused=place < 3) for place in range(10)]
    (window,) = monitor.watch(requests)
    wanted = {
        "latency p50 (s)": 0.45,
        "latency p95 (s)": 0.855,
        "tokens": 6.5,
        "dollars per 1,000": 0.1,
        "refusals": 0.3,
    }
    assert {name: window.values[name] for name in wanted} == pytest.approx(wanted)
    assert math.isnan(window.values["score of the graded"])  # it looks at four windows together
    assert (window.number, window.num_served) == (1, 10)


CHANGES = {
    "latency p50 (s)": {"latency_s": 0.5},
    "tokens": {"completion_tokens": 40},
    "dollars per 1,000": {"cost_usd": 0.001},
    "refusals": {"is_refused": True},
    "drift of the questions": {"cluster": "soup"},
    "drift of the answers": {"answer": "repair"},
    "score of the graded": {"score": 0.0},
}


def test_each_measure_raises_the_alarm_for_its_own_fault(monitor):
    for name, changes in CHANGES.items():
        stream = make_requests(250, seed=1) + make_requests(500, seed=2, **changes)
        found = find_first_alarm(monitor.watch(stream), after=250)
        assert name in found.alarms
        assert found.num_served <= 250 + 50 * (8 if name in ("score of the graded", "drift of the questions") else 2)


def test_neither_a_part_of_a_window_at_the_end_nor_one_window_beyond_the_limit_is_an_alarm(monitor):
    assert [window.number for window in monitor.watch(make_requests(149))] == [1, 2]
    endless = itertools.cycle([QUIET])
    assert [window.number for window in itertools.islice(monitor.watch(endless), 3)] == [1, 2, 3]
    stream = [*make_requests(100, seed=1), *make_requests(50, seed=2, latency_s=0.9), *make_requests(100, seed=3)]
    windows = list(monitor.watch(stream))
    assert windows[2].values["latency p50 (s)"] > monitor.limits["latency p50 (s)"]
    assert all(window.alarms == () for window in windows)


def test_too_little_to_learn_from_or_to_watch_and_a_rule_out_of_range_are_refused(monitor):
    for num in (0, 49):
        with pytest.raises(DataError, match=f"holds {num} requests") as caught:
            list(monitor.watch([QUIET] * num))
        assert "no traffic at all is an incident of its own" in caught.value.next_step
    for num, size in ((0, 50), (199, 50), (1000, 5)):
        with pytest.raises(DataError):
            Monitor(make_requests(num), size=size)
    for wrong in ((0.5, 1), (1.0, 1), (0.99, 0)):
        with pytest.raises(DataError):
            AlertRule(*wrong)
