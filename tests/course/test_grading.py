"""Claims about the grade: each line is computed from the answers, and nothing that was altered is believed."""

import csv
import json
import math
import sys
from dataclasses import replace

import pytest
from capstone_evidence import CANDIDATE, SHOTS, WORSE, make_evidence, make_release, make_report, make_run, make_runs

import llmops_utils.course.cli as command_line
from llmops_utils.course.capstone import BRIEF, Watch, load_plain
from llmops_utils.course.grading import compute_grade, grade_submission, rescore, tabulate_grades
from llmops_utils.course.submissions import save_submission
from llmops_utils.tracking.runs import Fault

ALL = {
    "evidence": 10,
    "baseline": 5,
    "candidate": 5,
    "order": 10,
    "gate": 10,
    "gain": 10,
    "held-back score": 20,
    "price": 10,
    "release": 5,
    "watch": 10,
    "roll back": 5,
}


def get_points(grade):
    return {row.name: row.points for row in grade.rows if row.of}


def list_missing(grade):
    return [row.name for row in grade.rows if not row.is_met]


def get_row(grade, name):
    return next(row for row in grade.rows if row.name == name)


def test_a_complete_release_gets_all_points(tmp_path):
    grade = compute_grade(make_evidence(tmp_path))
    assert get_points(grade) == ALL
    assert (grade.total, grade.total_of) == (100, 100)
    assert grade.warnings == ()
    assert grade.line == "ada: 100 of 100; complete"


def test_no_evidence_at_all_is_graded_with_nothing(tmp_path):
    grade = compute_grade(make_evidence(tmp_path, runs=[], release=None, watch=None))
    assert grade.total == 0
    assert all(row.next_step for row in grade.rows if row.of)


@pytest.mark.parametrize(
    ("left_out", "missing"),
    [
        (0, ["baseline", "candidate"]),
        (1, ["candidate", "order"]),
        (2, ["gate", "gain", "release"]),
        (3, ["gate", "gain", "release"]),
        (4, ["held-back score"]),
        (5, ["watch"]),
    ],
)
def test_a_missing_run_costs_the_lines_that_need_it(left_out, missing, tmp_path):
    runs = make_runs()
    del runs[left_out]
    found = list_missing(compute_grade(make_evidence(tmp_path, runs=runs)))
    assert set(missing) <= set(found) <= {*missing, "watch"}


def test_the_score_is_computed_anew_from_the_answers(tmp_path):
    runs = make_runs()
    report = runs[4].report
    praised = replace(report, rows=tuple(replace(row, score=1.0) for row in report.rows))
    vars(runs[4])["report"] = praised
    made = make_evidence(tmp_path, runs=runs)
    grade = compute_grade(made)
    assert made.claims["score"] == 1.0
    assert get_row(grade, "held-back score").found.startswith("88%")
    assert get_row(grade, "evidence").points == 0
    assert "6 with another label" in get_row(grade, "evidence").found
    assert grade.warnings == ("the file claims a score of 1.0 on the held-back messages; its answers score 0.875",)


def test_an_altered_label_does_not_make_an_answer_right(tmp_path):
    runs = make_runs()
    report = make_report("mine, held", "held", 16)
    bent = replace(report, rows=tuple(replace(row, expected=row.prediction, score=1.0) for row in report.rows))
    vars(runs[4])["report"] = bent
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    assert get_row(grade, "held-back score").found.startswith("33%")
    assert list_missing(grade) == ["evidence", "held-back score"]


@pytest.mark.parametrize("change", [{"id": "m-test-999"}, {"input": "an easier text"}])
def test_a_message_that_the_data_do_not_hold_is_left_out_and_told(change):
    report = make_report("mine", "held", 42)
    changed = replace(report, rows=(replace(report.rows[0], **change), *report.rows[1:]))
    found, altered = rescore(changed)
    assert (len(found), altered) == (47, [changed.rows[0].id])


def test_a_row_that_stands_twice_counts_once():
    report = make_report("mine", "held", 1)
    doubled = replace(report, rows=(report.rows[0],) * 48)
    found, altered = rescore(doubled)
    assert (len(found), len(altered)) == (1, 47)


def test_messages_of_dev_do_not_pass_as_held_back_ones(tmp_path):
    runs = make_runs()
    vars(runs[4])["report"] = make_report("mine, held", "dev", 40)
    row = get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "held-back score")
    assert (row.points, row.found) == (0, "n is too small: 40 messages, 0 of them held back")


def test_too_few_held_back_messages_are_told_and_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_EXAMPLES", "16")
    runs = make_runs()
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    row = get_row(grade, "held-back score")
    assert row.points == 0
    assert row.found.startswith("n is too small: 4 messages")
    assert "LLMOPS_EXAMPLES" in row.next_step
    assert get_row(grade, "watch").found.startswith("alarm") or "no alarm" in get_row(grade, "watch").found


def test_a_score_below_the_threshold_gets_no_points_for_it(tmp_path):
    runs = make_runs()
    num = math.ceil(BRIEF.min_score * BRIEF.num_held)
    for right, points in ((num - 1, 0), (num, 20)):
        vars(runs[4])["report"] = make_report("mine, held", "held", right)
        assert get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "held-back score").points == points


def test_test_before_dev_costs_the_order(tmp_path):
    runs = make_runs()
    late = make_run("mine", "dev", make_report("mine", "dev", 34), CANDIDATE, SHOTS, 50)
    grade = compute_grade(make_evidence(tmp_path, runs=[runs[0], *runs[2:], late]))
    assert list_missing(grade) == ["order"]
    assert get_row(grade, "order").found == "test was seen before dev"


def test_a_regression_that_was_promoted_all_the_same_is_seen(tmp_path):
    runs = make_runs()
    vars(runs[2])["report"] = make_report("plain, gate", "gate", 38, 70)
    vars(runs[3])["report"] = make_report("mine, gate", "gate", 10)
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    assert get_row(grade, "gate").found.startswith("regression")
    assert get_row(grade, "release").found == "promoted although the gate does not pass"
    assert get_row(grade, "gain").found.startswith("hurts")


def test_a_dear_candidate_fails_gate_and_price(tmp_path):
    runs = make_runs()
    vars(runs[3])["report"] = make_report("mine, gate", "gate", 36, tokens=5000)
    vars(runs[4])["report"] = make_report("mine, held", "held", 42, tokens=5000)
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    assert {"gate", "price", "release"} <= set(list_missing(grade))
    assert get_row(grade, "gate").found.startswith("price")


def test_without_tokens_nothing_is_cheap(tmp_path):
    runs = make_runs()
    report = make_report("mine, held", "held", 42, tokens=0)
    vars(runs[4])["report"] = replace(report, rows=tuple(replace(row, completion_tokens=0) for row in report.rows))
    assert get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "price").points == 0


def test_the_plain_prompt_is_no_candidate(tmp_path):
    grade = compute_grade(make_evidence(tmp_path, prompt=load_plain(), num_shots=0))
    missing = {"candidate", "order", "gate", "gain", "release", "roll back", "held-back score"}
    assert missing <= set(list_missing(grade))
    assert get_row(grade, "candidate").found == "the candidate is the plain prompt"


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        (("plain",), ["release", "roll back"]),
        (("plain", "candidate"), ["roll back"]),
        (("plain", "candidate", "worse"), ["roll back"]),
        (("plain", "worse", "back"), ["release", "roll back"]),
    ],
)
def test_the_history_of_the_release_is_read(steps, missing, tmp_path):
    release = make_release(tmp_path, steps)
    assert list_missing(compute_grade(make_evidence(tmp_path, release=release))) == missing


def test_an_alarm_that_does_not_come_costs_the_watch(tmp_path):
    runs = make_runs()
    vars(runs[5])["report"] = replace(runs[3].report, name="worse")
    row = get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "watch")
    assert row.points == 0
    assert row.found.startswith("no alarm")


def test_the_incident_of_an_earlier_attempt_is_not_taken_for_this_one(tmp_path):
    runs = make_runs()
    earlier = make_run("earlier", "incident", runs[3].report, CANDIDATE.replace(instruction="Old."), SHOTS, 0)
    grade = compute_grade(make_evidence(tmp_path, runs=[earlier, *runs]))
    assert get_row(grade, "watch").found.startswith("alarm after 100 requests")


def test_where_the_candidate_was_held_up_the_watch_is_that_of_the_plain_prompt(tmp_path):
    runs = make_runs()
    vars(runs[5])["report"] = make_report("worse", "gate", 0, always="delivery")
    release = make_release(tmp_path, ("plain", "worse", "back"))
    del runs[3]
    assert get_row(compute_grade(make_evidence(tmp_path, runs=runs, release=release)), "watch").points == 10


def test_a_rule_that_cries_wolf_costs_the_watch(tmp_path):
    row = get_row(compute_grade(make_evidence(tmp_path, watch=Watch(quantile=0.9, in_a_row=1))), "watch")
    assert row.points == 0
    assert row.found.startswith("alarm after 50 requests")


def test_several_looks_at_test_are_a_warning(tmp_path):
    other = CANDIDATE.replace(instruction="Another one.")
    runs = [*make_runs(), make_run("other, gate", "gate", make_report("other", "gate", 30), other, SHOTS, 7)]
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    assert grade.total == 100
    assert grade.warnings == ("test was looked at with 2 candidates: the best of several is partly luck",)
    assert grade.line.endswith("complete; 1 warning")


def test_runs_of_several_models_are_a_warning(tmp_path):
    runs = make_runs()
    vars(runs[0])["report"] = replace(runs[0].report, provenance="huge (weights b), live")
    warnings = compute_grade(make_evidence(tmp_path, runs=runs)).warnings
    assert warnings == ("the runs come from several models: huge (weights b); tiny (weights a)",)


def test_an_unended_run_is_a_warning(tmp_path):
    problem = Fault("mine, held", "The run “mine, held” was never ended.", "Call its end().")
    grade = compute_grade(make_evidence(tmp_path, runs=make_runs()[:4], problems=(problem,)))
    assert "not in the evidence: mine, held: The run “mine, held” was never ended." in grade.warnings


def test_history_and_latency_are_told_without_points(tmp_path):
    grade = compute_grade(make_evidence(tmp_path))
    assert get_row(grade, "run history").found == "6 runs: 2 on dev, 2 on gate, 1 on held, 1 on incident"
    assert get_row(grade, "latency").found == "p50 0.12 s, p95 0.14 s"
    assert get_row(grade, "model").found == "tiny (weights a), replay of 2026-11-25"
    assert get_row(grade, "latency").of == 0


def test_the_table_and_the_html_hold_every_line_and_no_markup_of_others(tmp_path):
    runs = make_runs()
    vars(runs[0])["name"] = "<script>alert(1)</script>"
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    html = grade._repr_html_()
    assert html.count("<tr>") == 1 + 14
    assert "<script" not in html
    assert "100 of 100 points" in html
    assert list(grade.table["points"])[:3] == ["10 of 10", "5 of 5", "5 of 5"]
    assert str(grade).splitlines()[0] == "ada: 100 of 100 points"


@pytest.mark.parametrize("prediction", [None, 7, ["repair"], {"desk": "repair"}, "REPAIR, or delivery"])
def test_an_answer_of_any_form_is_scored_and_breaks_nothing(prediction, tmp_path):
    runs = make_runs()
    for place in (3, 4):
        report = runs[place].report
        row = replace(report.rows[0], prediction=prediction, score=0.0)
        vars(runs[place])["report"] = replace(report, rows=(row, *report.rows[1:]))
    assert get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "evidence").points == 10


def test_runs_on_messages_of_another_data_set_are_graded_with_nothing(tmp_path):
    runs = make_runs()
    for run in runs:
        report = run.report
        vars(run)["report"] = replace(report, rows=tuple(replace(row, id=f"x-{row.id}") for row in report.rows))
    grade = compute_grade(make_evidence(tmp_path, runs=runs))
    missing = {"evidence", "baseline", "candidate", "gate", "gain", "held-back score", "release", "watch"}
    assert missing <= set(list_missing(grade))
    assert get_row(grade, "baseline").found == "“plain”: no message of the data"


def test_a_failed_call_is_told_and_decides_nothing(tmp_path):
    runs = make_runs()
    report = runs[3].report
    failed = replace(report.rows[0], error="RateLimited", prediction=None, score=0.0)
    vars(runs[3])["report"] = replace(report, rows=(failed, *report.rows[1:]))
    row = get_row(compute_grade(make_evidence(tmp_path, runs=runs)), "gate")
    assert row.points == 0
    assert "failed with an error on 1 of 40 examples" in row.found


# --- the command line ----------------------------------------------------------------------------------------


def run_command(monkeypatch, *arguments):
    """Return the exit code of `grade`; an error of the package becomes its text."""
    monkeypatch.setattr(sys, "argv", ["llmops_utils", "grade", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


@pytest.fixture
def files(tmp_path):
    """A complete submission, one with next to nothing, and a damaged one."""
    good = save_submission(make_evidence(tmp_path / "registry"), tmp_path)
    poor = make_evidence(tmp_path, learner="bob", runs=make_runs()[:1], release=None, watch=None)
    damaged = tmp_path / "cut.json"
    damaged.write_bytes(good.read_bytes()[:5000])
    return good, save_submission(poor, tmp_path), damaged


def test_one_file_is_a_table_and_few_points_are_no_error(files, monkeypatch, capsys):
    assert run_command(monkeypatch, files[1]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bob: 15 of 100 points\n")
    assert "  5 of 5  baseline" in out
    assert " 0 of 10  order" in out


def test_several_files_are_a_line_each_and_a_damaged_one_stops_none(files, monkeypatch, capsys):
    assert run_command(monkeypatch, files[2], *files[:2]) == 2
    told = capsys.readouterr()
    assert [line.partition(";")[0] for line in told.out.splitlines()] == ["ada: 100 of 100", "bob: 15 of 100"]
    assert "cut.json is no JSON, or cut off" in told.err


def test_a_class_becomes_a_table(files, monkeypatch, tmp_path):
    assert run_command(monkeypatch, *files[:2], "--csv", tmp_path / "class.csv") == 0
    with (tmp_path / "class.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["learner"], row["total"], row["held-back score"]) for row in rows] == [
        ("ada", "100", "20"),
        ("bob", "15", "0"),
    ]
    assert list(rows[0]) == ["learner", "total", *ALL, "warnings"]


def test_a_table_that_cannot_be_written_is_told(files, monkeypatch, tmp_path):
    assert "class.csv cannot be written" in run_command(monkeypatch, files[0], "--csv", tmp_path / "no" / "class.csv")


def test_a_file_graded_twice_gets_the_same_grade(files):
    assert grade_submission(files[0]) == grade_submission(files[0])
    assert tabulate_grades([]).empty


def test_the_version_of_a_prompt_is_computed_from_its_text(files):
    content = json.loads(files[0].read_text(encoding="utf-8"))
    content["prompt"]["instruction"] = WORSE.instruction
    files[0].write_text(json.dumps(content), encoding="utf-8")
    grade = grade_submission(files[0])
    assert {"candidate", "gate", "held-back score", "release", "roll back"} <= set(list_missing(grade))
