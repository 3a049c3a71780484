"""Claims about the dashboards of runs and of a stream: the choice is what is shown and compared."""

import re
from dataclasses import replace

import pytest
from widget_views import (
    CAREFUL,
    make_grid,
    make_monitor_dashboard,
    make_requests,
    make_run,
    make_runs_dashboard,
    read_rows,
)

from llmops_utils.course import RunDashboard
from llmops_utils.course.widgets.dashboards import HEIGHT, MAX_FLIPS, WIDTH
from llmops_utils.operations import AlertRule, Monitor
from llmops_utils.tracking import Run

# --- runs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def runs():
    return make_grid()


@pytest.fixture
def dashboard(runs):
    return make_runs_dashboard(runs)


def list_names(dashboard):
    return [row[1] for row in read_rows(dashboard.view.value)]


def test_choosing_two_runs_shows_what_lies_between_them(dashboard):
    """At the beginning the pair that was asked for: other words in the prompt, more examples, and who gained."""
    told = dashboard.between.value
    assert [
        text for text in ("shots 0 → 8", ">intent carefully.</ins>", "10 gained, 1 lost of 12") if text not in told
    ] == []
    rows = [row[0] for row in read_rows(told)]
    assert [rows.count(word) for word in ("gained", "lost")] == [MAX_FLIPS, 1]
    dashboard.before.value, dashboard.after.value = "four", "zero"
    told = dashboard.between.value
    assert "From “four” to “zero”" in told
    assert "What flipped: 0 gained, 2 lost of 12" in told
    dashboard.after.value = "four"
    assert "All parameters are the same." in dashboard.between.value


def test_the_filter_keeps_the_runs_that_hold_all_words(dashboard):
    everything = ["zero", "four", "eight"]
    expected = {"": everything, "shots=8": ["eight"], "shots=80": [], "four": ["four"], "unknown=1": []}
    expected |= {"TINY shots=4": ["four"], "tiny": everything}
    wrong = []
    for words, names in expected.items():
        dashboard.filter.value = words
        if list_names(dashboard) != names or ("No run passes" in dashboard.view.value) != (names == []):
            wrong.append(words)
    assert wrong == []


def test_runs_are_sorted_by_any_column_in_both_directions_and_those_without_the_value_come_last(runs):
    bare = replace(runs[0], name="bare", metrics={}, parameters={})
    runs[0].parameters["shots"] = "none"
    dashboard = make_runs_dashboard([bare, *runs])
    for column, upwards in (("score", ["zero", "four", "eight"]), ("shots", ["four", "eight", "zero"])):
        dashboard.sort.value = column  # numbers before texts
        dashboard.descending.value = True
        assert list_names(dashboard) == [*upwards[::-1], "bare"]
        dashboard.descending.value = False
        assert list_names(dashboard) == [*upwards, "bare"]


def test_runs_on_other_examples_and_without_prompt_report_or_score_are_shown_and_not_compared(runs):
    short = make_run("short", 2, {0}, CAREFUL, num=5)
    assert "were not run on the same examples" in make_runs_dashboard([runs[0], short]).static_html
    bare = Run("k", "bare", "p", 0, 1.0, (), False, {"a": 1}, {"loss": 0.5}, {}, (), {}, None)
    dashboard = RunDashboard([bare], ["a"], ["loss", "score"], ("bare", "bare"))
    assert read_rows(dashboard.static_html) == [["1", "bare", "1", "0.50", ""]]
    assert "Not both runs hold their prompt." in dashboard.static_html
    assert "Not both runs hold their report." in dashboard.static_html
    assert dashboard.summary == "Run dashboard: 1 runs; none has a score."


# --- the stream ----------------------------------------------------------------------------------------------


def test_an_incident_and_a_rule_can_be_chosen_and_the_monitor_keeps_its_own():
    monitor = Monitor(make_requests(200), size=10, rule=AlertRule(0.99, 2))
    limits = dict(monitor.limits)
    watched = make_monitor_dashboard(monitor)
    assert "<strong>quiet</strong>: no alarm. The first 5 windows are quiet; 0 of them raised" in watched.view.value
    watched.menu.value = "slow"
    assert "<strong>slow</strong>: alarm after 20 requests" in watched.view.value
    assert 'aria-label="10 windows, 4 of them with an alarm"' in watched.view.value
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', watched.view.value)
    assert len(places) == 4 + 4  # windows 7 to 10, both latencies
    assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in places)
    for num, delay in ((1, 10), (4, 40)):
        watched.in_a_row.value = num
        assert f"alarm after {delay} requests" in watched.view.value
    assert watched.quantile.label == "99.0%"
    watched.quantile.value = 0.9
    assert f"<td>{monitor.with_rule(AlertRule(0.9, 4)).limits['latency p95 (s)']:.3g}</td>" in watched.view.value
    assert monitor.rule == AlertRule(0.99, 2)
    assert monitor.limits == pytest.approx(limits, nan_ok=True)
