"""Claims about the dashboard: it shows the chosen incident under the chosen rule, and reads well without a kernel."""

import re

import pytest

from llmops_utils.course.widgets.monitor_dashboard import MonitorDashboard
from llmops_utils.operations import AlertRule, Monitor, Request

EVIL = "<script>alert('x')</script>"


def make_requests(num, **changes):
    """Return requests whose latency goes up and down, so that windows are all alike."""
    fields = {"cluster": "a", "answer": "b", "prompt_tokens": 10, "completion_tokens": 2, "cost_usd": 0.001}
    return [Request(**(fields | {"latency_s": 0.1 + 0.01 * (place % 10)} | changes)) for place in range(num)]


@pytest.fixture
def monitor():
    return Monitor(make_requests(200), size=10, rule=AlertRule(0.99, 2))


@pytest.fixture
def dashboard(monitor):
    slow = make_requests(50) + make_requests(50, latency_s=0.9)
    return MonitorDashboard(monitor, {"quiet": make_requests(100), "slow": slow}, start=50)


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def test_the_static_view_is_a_table_with_a_row_for_each_incident(dashboard):
    data = read_bundle(dashboard)
    assert data["text/html"].startswith("<table")
    assert data["text/html"].count("<tr>") == 3
    assert "quiet: no alarm; slow: alarm after 20 requests (latency p50 (s), latency p95 (s))" in data["text/plain"]


def test_choosing_an_incident_shows_it(dashboard):
    assert "<strong>quiet</strong>: no alarm" in dashboard.view.value
    dashboard.menu.value = "slow"
    assert "<strong>slow</strong>: alarm after 20 requests" in dashboard.view.value
    assert dashboard.view.value.count("<circle") == 4 + 4  # windows 7 to 10, both latencies
    assert 'aria-label="10 windows, 4 of them with an alarm"' in dashboard.view.value


def test_the_rule_can_be_changed_and_the_monitor_keeps_its_own(dashboard, monitor):
    dashboard.menu.value = "slow"
    dashboard.in_a_row.value = 1
    assert "alarm after 10 requests" in dashboard.view.value
    dashboard.in_a_row.value = 4
    assert "alarm after 40 requests" in dashboard.view.value
    dashboard.quantile.value = 0.9
    assert monitor.rule == AlertRule(0.99, 2)
    assert monitor.limits == pytest.approx(monitor.place_limits(AlertRule(0.99, 2)), nan_ok=True)


def test_the_false_alarms_before_the_start_are_counted(dashboard):
    assert "The first 5 windows are quiet; 0 of them raised an alarm." in dashboard.view.value


def test_the_dots_lie_inside_the_picture(dashboard):
    dashboard.menu.value = "slow"
    places = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', dashboard.view.value)
    assert all(0 <= float(x) <= 240 and 0 <= float(y) <= 44 for x, y in places)


def test_names_are_no_markup(monitor):
    dashboard = MonitorDashboard(monitor, {EVIL: make_requests(100)}, start=0)
    assert "<script" not in dashboard.static_html + dashboard.view.value
    assert "&lt;script&gt;" in dashboard.static_html


def test_the_table_of_all_streams_stands_below_the_controls_too(dashboard):
    dashboard.menu.value = "slow"
    assert dashboard.static_html in dashboard.children[-1].value


def test_the_limit_is_told_as_a_percentage_as_in_the_text(dashboard):
    assert dashboard.quantile.label == "99.0%"
    dashboard.quantile.value = 0.995
    assert dashboard.quantile.label == "99.5%"
