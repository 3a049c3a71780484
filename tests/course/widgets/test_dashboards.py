"""Claims about the dashboards of runs and of a stream: the choice is what is shown and compared."""

import pytest
from widget_views import CAREFUL, make_grid, make_monitor_dashboard, make_run, make_runs_dashboard, read_rows

from llmops_utils.course.widgets.base import style_html
from llmops_utils.course.widgets.dashboards import MAX_FLIPS
from llmops_utils.evaluation import compare
from llmops_utils.operations import AlertRule


@pytest.fixture
def runs():
    return make_grid()


@pytest.fixture
def dashboard(runs):
    return make_runs_dashboard(runs)


def list_names(dashboard):
    return [row[1] for row in read_rows(dashboard.view.value.partition("From “")[0])]


def test_two_runs_are_compared_in_parameters_prompt_and_flips(runs, dashboard):
    html = dashboard.static_html
    rows = read_rows(html)
    assert dashboard.summary == "Run dashboard: 3 runs; the highest score is that of “eight”, 83%."
    assert rows[2] == ["3", "eight", "8", "83% [55%, 95%]", "240", "2.00"]
    told = [
        "From “zero” to “eight”",
        "shots 0 → 8",
        ">intent carefully.</ins>",
        "What flipped: 10 gained, 1 lost of 12",
    ]
    told += ['alt="Score against price: 1 zero: 8% at 32 tokens;', f"{compare(runs[0].report, runs[2].report)}."]
    assert [one for one in told if one not in html] == []
    assert [[row[0] for row in rows].count(word) for word in ("gained", "lost")] == [MAX_FLIPS, 1]
    dashboard.before.value, dashboard.after.value = "four", "zero"
    told = ["From “four” to “zero”", "The prompt is the same.", "What flipped: 0 gained, 2 lost of 12"]
    assert [one for one in told if one not in dashboard.view.value] == []
    dashboard.after.value = "four"
    assert "All parameters are the same." in dashboard.view.value


def test_the_filter_keeps_the_runs_that_hold_all_words_and_any_column_sorts_them_in_both_directions(dashboard):
    everything = ["zero", "four", "eight"]
    expected = {"": everything, "shots=8": ["eight"], "shots=80": [], "four": ["four"], "unknown=1": []}
    expected |= {"TINY shots=4": ["four"], "tiny": everything}
    wrong = []
    for words, names in expected.items():
        dashboard.filter.value = words
        if list_names(dashboard) != names or ("No run passes" in dashboard.view.value) != (names == []):
            wrong.append(words)
    assert wrong == []
    dashboard.filter.value = ""
    for column in ("score", "shots"):
        dashboard.sort.value = column
        dashboard.descending.value = True
        assert list_names(dashboard) == everything[::-1]
        dashboard.descending.value = False
        assert list_names(dashboard) == everything


def test_runs_on_other_examples_are_not_compared_and_it_says_so(runs, dashboard):
    dashboard = make_runs_dashboard([*runs, make_run("short", 2, {0}, CAREFUL, num=5)], pair=("zero", "four"))
    dashboard.after.value = "short"
    assert "were not run on the same examples" in dashboard.view.value


def test_an_incident_shows_its_windows_and_alarms_under_the_rule_that_is_chosen_and_the_monitor_keeps_its_own():
    dashboard = make_monitor_dashboard()
    assert "<strong>quiet</strong>: no alarm. The first 5 windows are quiet; 0 of them raised" in dashboard.view.value
    dashboard.menu.value = "slow"
    assert "<strong>slow</strong>: alarm after 20 requests" in dashboard.view.value
    alarms = {row[0]: row[2] for row in read_rows(dashboard.view.value.partition(">incident<")[0])}
    assert {name for name, told in alarms.items() if told == "window 7"} == {"latency p50 (s)", "latency p95 (s)"}
    assert 'alt="10 windows, of which with an alarm: latency p50 (s) 4, latency p95 (s) 4, tokens 0' in (
        dashboard.view.value
    )
    assert [row[:2] for row in read_rows(dashboard.static_html)] == [
        ["quiet", "no alarm"],
        ["slow", "alarm after 20 requests (latency p50 (s), latency p95 (s))"],
    ]
    for num, delay in ((1, 10), (4, 40)):
        dashboard.in_a_row.value = num
        assert f"alarm after {delay} requests" in dashboard.view.value
    assert dashboard.quantile.label == "99.0%"
    dashboard.quantile.value = 0.9
    limit = dashboard._monitor.with_rule(AlertRule(0.9, 4)).limits["latency p95 (s)"]
    assert f"<td>{limit:.3g}</td>" in dashboard.view.value
    assert dashboard._monitor.rule == AlertRule(0.99, 2)
    assert dashboard.children[-1].value == style_html(dashboard.static_html)
