"""Claims about simulated traffic: it is drawn from what was really answered, and begins to go wrong when it should."""

from collections import Counter

import pytest

from llmops_utils.core import DataError
from llmops_utils.datasets import load_messages
from llmops_utils.operations import INCIDENTS, load_traffic, simulate_traffic


@pytest.fixture(scope="module")
def traffic():
    return load_traffic()


def test_every_set_up_answered_the_same_messages_and_is_scored_by_their_labels(traffic):
    intents = {message.id: message.intent for message in load_messages("test")}
    for served in traffic.values():
        assert [one.message for one in served] == [one.message for one in traffic["production"]]
        assert Counter(intents[one.message] for one in served) == Counter(dict.fromkeys(set(intents.values()), 14))
        assert all(one.score == (one.answer == intents[one.message]) for one in served)


def test_a_stream_is_repeatable_graded_as_asked_and_before_its_start_an_incident_changes_nothing(traffic):
    quiet = simulate_traffic(traffic, 300, seed=3)
    assert quiet != simulate_traffic(traffic, 300, seed=2)
    for incident in INCIDENTS:
        stream = simulate_traffic(traffic, 300, incident, start=200, seed=3)
        assert [request.latency_s for request in stream[:200]] == [request.latency_s for request in quiet[:200]]
        assert (stream == quiet) == (incident == "none")
    for share in (0.0, 0.2, 1.0):
        stream = simulate_traffic(traffic, 1000, share_graded=share)
        assert sum(request.score is not None for request in stream) == pytest.approx(1000 * share, abs=50)
    with pytest.raises(DataError, match="no incident “flood”"):
        simulate_traffic(traffic, 10, "flood")


def test_in_the_course_of_a_day_each_kind_of_question_has_its_hours_and_over_the_day_all_come_as_often(traffic):
    stream = simulate_traffic(traffic, 24_000, seed=6, day=2400)
    usual = Counter(one.cluster for one in traffic["production"])
    hours = [
        Counter(one.cluster for place in range(hour * 100, 24_000, 2400) for one in stream[place : place + 100])
        for hour in range(24)
    ]
    for cluster, num in usual.items():
        shares = [hour[cluster] / 1000 for hour in hours]
        assert sum(shares) / 24 == pytest.approx(num / 112, abs=0.01)
        assert min(shares) < 0.7 * num / 112 < 1.3 * num / 112 < max(shares)
