"""Claims about `Report`: its score with the interval, its means per example, its table and what it shows."""

import html

import pytest
from fake_results import make_report

from llmops_utils.evaluation import Report, Row, estimate_mean, estimate_proportion, sum_tokens


def test_a_report_reads_as_its_score_and_what_was_special():
    report, between = make_report([1, 0, 1, 1]), make_report([1, 0, 0.5, 1])
    assert (report.is_binary, report.score) == (True, estimate_proportion(3, 4))
    assert (between.is_binary, between.score) == (False, estimate_mean([1, 0, 0.5, 1]))
    assert str(report) == repr(report) == "system: 75% [30%, 95%] (n = 4)"
    assert str(make_report([0.5])) == "system: 0.50 (n = 1)"
    shown = make_report([1, 0], "<b>bold</b>", "<script>alert(1)</script>")._repr_html_()
    assert ("<b>bold" in shown, "<script>" in shown) == (False, False)
    assert html.escape("<b>bold</b>: 50%") in shown
    assert "100 + 20 tokens and 0.50 s per example" in shown
    failed = Row("x", "input", "yes", None, 0.0, error="ValueError: no")
    resumed = Report("system", (*report.rows, failed), "fake", 1.0, num_resumed=2)
    assert str(resumed) == "system: 60% [23%, 88%] (n = 5), 1 failed with an error, 2 resumed"


def test_the_means_are_per_example_the_table_has_a_row_for_each_and_no_traces_and_the_price_is_that_of_the_list():
    rows = (
        Row("a", "x", "y", "y", 1.0, "fine", 10, 2, 1, 0.5, 0.01, "", [{"thought": "hm"}]),
        Row("b", "x", "y", None, 0.0, "", 30, 6, 3, 1.5, 0.03, "ValueError: no"),
    )
    report = Report("system", rows, "fake", 1.0)
    assert (report.prompt_tokens, report.completion_tokens, report.latency_s) == (20, 4, 1.0)
    assert report.cost_usd == pytest.approx(0.02)
    assert (sum_tokens(report), len(report)) == (24, 2)
    table = report.table
    assert list(table["error"]) == ["", "ValueError: no"]
    assert list(table.loc[0].items()) == [
        *(("id", "a"), ("input", "x"), ("expected", "y"), ("prediction", "y"), ("score", 1.0), ("note", "fine")),
        *(("prompt_tokens", 10), ("completion_tokens", 2), ("num_calls", 1), ("latency_s", 0.5), ("cost_usd", 0.01)),
        ("error", ""),
    ]
    with pytest.raises(LookupError):
        report.price_at("openai", "no-such-model")
    price = make_report([1, 0]).price_at("openai", "gpt-4o-mini")  # of a thousand examples
    assert price == pytest.approx(1000 * (100 * 0.15e-6 + 20 * 0.60e-6))
