"""The dashboard of runs and the timeline of a request, and that neither takes a logged text for markup."""

import re
from dataclasses import replace

import pytest

from llmops_utils.core import DataError
from llmops_utils.course.widgets.run_dashboard import MAX_FLIPS, RunDashboard, draw_score_price
from llmops_utils.course.widgets.timeline import Timeline
from llmops_utils.evaluation import Report, Row, compare
from llmops_utils.prompts import Prompt
from llmops_utils.tracking import Run, Span

EVIL = "<script>alert(1)</script>"
PLAIN = Prompt("plain", instruction="Name the intent.", input="{{ message }}")
DESCRIBED = Prompt("described", instruction="Name the intent carefully.", input="{{ message }}")


def make_run(name, shots, right, prompt=PLAIN, tokens=30.0, start=0, num=12):
    rows = tuple(
        Row(f"m{i}", f"message {i}", "repair", "repair" if i in right else "return", float(i in right))
        for i in range(num)
    )
    report = Report(name, rows, "tiny (a), replay", 1.0)
    metrics = {"score": report.score.value, "score_low": report.score.low, "score_high": report.score.high}
    metrics |= {"prompt_tokens": tokens, "completion_tokens": 2.0, "latency_s": 0.125}
    run = Run(name, name, "p", start, 1.0, (), False, {"model": "tiny", "shots": shots}, metrics, {}, (), {}, None)
    vars(run).update(report=report, prompt=prompt)
    return run


@pytest.fixture
def runs():
    return [
        make_run("zero", 0, {0}),
        make_run("four", 4, {0, 1, 2}, tokens=120.0),
        make_run("eight", 8, set(range(1, 11)), DESCRIBED, 240.0),
    ]


@pytest.fixture
def dashboard(runs):
    return RunDashboard(runs)


def list_rows(text):
    return re.findall(r"<tr><td>\d+</td><td style='text-align:left'>(\w+)", text)


def test_the_static_view_holds_table_picture_prompt_and_flips(dashboard):
    bundle = dashboard._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    text = data["text/html"]
    assert data["text/plain"] == "Run dashboard: 3 runs; the highest score is that of “eight”, 83%."
    assert list_rows(text) == ["zero", "four", "eight"]
    assert "<td>8</td><td>83% [55%, 95%]</td><td>240</td><td>2.00</td><td>0.12</td>" in text
    assert ">model</th>" not in text
    assert 'alt="Score against price: 1 zero: 8% at 32 tokens; 2 four: 25% at 122 tokens; 3 eight: 83%' in text
    assert "From “zero” to “eight”" in text
    assert "shots 0 → 8" in text
    assert ">intent carefully.</ins>" in text
    assert "What flipped: 10 gained, 1 lost of 12" in text


def test_parameters_that_are_texts_stand_left_and_numbers_right(runs):
    runs[0].parameters["model"] = "other"
    text = RunDashboard(runs).static_html
    assert "<th scope='col' style='text-align:left'>model</th><th scope='col'>shots</th>" in text
    assert "<td style='text-align:left'>other</td><td>0</td>" in text


def test_the_flips_are_those_of_the_comparison(runs, dashboard):
    comparison = compare(runs[0].report, runs[2].report)
    assert (len(comparison.gained), len(comparison.lost)) == (10, 1)
    assert str(comparison) in dashboard.static_html
    assert dashboard.static_html.count("<td style='text-align:left'>gained</td>") == MAX_FLIPS
    assert dashboard.static_html.count("<td style='text-align:left'>lost</td>") == 1


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("", ["zero", "four", "eight"]),
        ("shots=8", ["eight"]),
        ("shots=80", []),
        ("four", ["four"]),
        ("TINY shots=4", ["four"]),
        ("tiny", ["zero", "four", "eight"]),
        ("unknown=1", []),
    ],
)
def test_the_filter_keeps_the_runs_that_hold_all_words(words, kept, dashboard):
    dashboard.filter.value = words
    assert dashboard.shown == kept
    assert list_rows(dashboard._table.value) == kept
    assert ("No run passes" in dashboard._table.value) == (kept == [])


def test_runs_are_sorted_by_any_column_in_both_directions(dashboard):
    dashboard.sort.value = "score"
    assert list_rows(dashboard._table.value) == ["eight", "four", "zero"]
    dashboard.descending.value = False
    assert list_rows(dashboard._table.value) == ["zero", "four", "eight"]
    dashboard.sort.value = "shots"
    dashboard.descending.value = True
    assert list_rows(dashboard._table.value) == ["eight", "four", "zero"]


def test_a_run_without_the_value_comes_last_in_both_directions(runs):
    bare = replace(runs[0], name="bare", metrics={}, parameters={})
    dashboard = RunDashboard([bare, *runs])
    dashboard.sort.value = "score"
    assert dashboard.shown == ["eight", "four", "zero", "bare"]
    dashboard.descending.value = False
    assert dashboard.shown == ["zero", "four", "eight", "bare"]


def test_a_parameter_that_is_a_number_here_and_a_text_there_can_be_sorted(runs):
    runs[0].parameters["shots"] = "none"
    dashboard = RunDashboard(runs)
    dashboard.sort.value, dashboard.descending.value = "shots", False
    assert dashboard.shown == ["four", "eight", "zero"]


def test_choosing_two_runs_shows_what_lies_between_them(dashboard):
    dashboard.before.value, dashboard.after.value = "four", "zero"
    assert "From “four” to “zero”" in dashboard._pair.value
    assert "The prompt is the same." in dashboard._pair.value
    assert "What flipped: 0 gained, 2 lost of 12" in dashboard._pair.value


def test_the_pair_to_begin_with_can_be_given_and_a_wrong_name_is_told(runs):
    assert "From “four” to “eight”" in RunDashboard(runs, pair=("four", "eight")).static_html
    with pytest.raises(DataError, match="no run “nine”"):
        RunDashboard(runs, pair=("four", "nine"))


def test_runs_of_one_name_are_told_apart(runs):
    dashboard = RunDashboard([runs[0], replace(runs[1], name="zero")])
    assert dashboard.before.options == ("zero", "zero (2)")


def test_runs_on_other_examples_are_not_compared_and_it_says_so(runs):
    other = make_run("short", 2, {0}, num=5)
    assert "were not run on the same examples" in RunDashboard([runs[0], other], pair=("zero", "short")).static_html


def test_runs_without_prompt_or_report_are_shown_all_the_same():
    bare = Run("k", "bare", "p", 0, 1.0, (), False, {"a": 1}, {"loss": 0.5}, {}, (), {}, None)
    dashboard = RunDashboard([bare], metrics=["loss"])
    assert "<td>0.50</td>" in dashboard.static_html
    assert "Not both runs hold their prompt." in dashboard.static_html
    assert dashboard.summary == "Run dashboard: 1 runs; none has a score."


def test_no_run_is_a_clear_error():
    with pytest.raises(DataError, match="no run to show"):
        RunDashboard([])


def test_names_parameters_and_messages_are_no_markup():
    run = make_run(EVIL, EVIL, {0})
    rows = tuple(replace(row, input=EVIL, prediction=EVIL) for row in run.report.rows)
    vars(run)["report"] = replace(run.report, rows=rows)
    other = make_run("other", 0, {1})
    vars(other)["report"] = replace(other.report, rows=tuple(replace(row, input=EVIL) for row in other.report.rows))
    dashboard = RunDashboard([run, other], pair=(EVIL, "other"))
    assert "<script" not in dashboard.static_html + dashboard._table.value + dashboard._pair.value
    assert "&lt;script&gt;" in dashboard.static_html


def test_the_picture_tells_each_run_in_words(runs):
    picture = draw_score_price({"1 zero": runs[0]})
    assert picture.alt == "Score against price: 1 zero: 8% at 32 tokens."


# --- the timeline --------------------------------------------------------------------------------------------


@pytest.fixture
def root():
    model = Span("ask", "model", 0.25, 0.5, 30, 2, "question", "answer")
    broken = Span("look_up", "tool", 0.75, 0.0, output="ValueError: gone", is_error=True)
    chain = Span("answer", "chain", 0.0, 0.75, children=[model, broken])
    return Span("one request", "request", 0.0, 0.75, children=[chain])


def test_the_timeline_is_a_picture_with_a_text_and_a_table(root):
    timeline = Timeline(root)
    text = timeline._repr_html_()
    assert timeline.picture.alt == (
        "one request (request) 0.00 to 0.75 s; answer (chain) 0.00 to 0.75 s; ask (model) 0.25 to 0.75 s; "
        "look_up (tool) 0.75 to 0.75 s, failed."
    )
    assert re.match(r'<img alt="one request', text)
    assert text.count("<tr>") == 1 + 4
    assert "<td>0.25</td><td>0.50</td><td>30 + 2</td>" in text
    assert "⚠ ValueError: gone" in text
    assert repr(timeline).startswith("Timeline of “one request”: one request (request)")


def test_a_request_that_took_no_time_can_be_drawn():
    assert Timeline(Span("r", "request")).picture.alt == "r (request) 0.00 to 0.00 s."


def test_what_went_in_and_out_is_no_markup(root):
    root.children[0].children[0].input = EVIL
    root.name = EVIL
    assert "<script" not in Timeline(root)._repr_html_()
