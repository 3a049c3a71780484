"""Claims about the grade: each line is computed from the answers, and nothing that was altered is believed."""

import copy
import csv
import json
import math
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from capstone_evidence import CANDIDATE, SHOTS, WORSE, make_evidence, make_release, make_report, make_run, make_runs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llmops_utils.course.scoring import rescore

import llmops_utils.course.cli as command_line
from llmops_utils.core import WorkbookError
from llmops_utils.course import grading, scoring
from llmops_utils.course.capstone import BRIEF, Watch, load_plain
from llmops_utils.course.grading import compute_grade, grade_submission, tabulate_grades
from llmops_utils.course.submissions import save_submission
from llmops_utils.operations import monitor

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


GATED = ["gate", "gain", "release"]  # the lines that need both runs on the gate


def list_missing(grade):
    """Return the lines that are not met, but for the watch, which takes long to compute and has tests of its own."""
    return [row.name for row in grade.rows if not row.is_met and row.name != "watch"]


def get_row(grade, name):
    return next(row for row in grade.rows if row.name == name)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("registry"))


@pytest.fixture(autouse=True)
def quick_monitor(monkeypatch):
    monkeypatch.setattr(monitor, "NUM_RESAMPLES", 500)


@pytest.fixture
def runs():
    return make_runs()


@pytest.fixture
def grade(release):
    """Return a function that grades a submission: complete, but for the watch and for what is given."""

    def compute(runs=None, release=release, watch=None, **changes):
        return compute_grade(make_evidence(None, runs=runs, release=release, watch=watch, **changes))

    return compute


def test_a_complete_release_gets_all_points_and_each_answer_is_scored_once(grade, monkeypatch):
    scored = []
    monkeypatch.setattr(scoring, "rescore", lambda *told: scored.append(told[0].name) or rescore(*told))
    found = grade(watch=Watch())
    assert {row.name: row.points for row in found.rows if row.of} == ALL
    assert (found.total, found.total_of, found.warnings) == (100, 100, ())
    assert found.line == "ada: 100 of 100; complete"
    assert len(scored) == 6


def test_no_evidence_at_all_is_graded_with_nothing(grade):
    found = grade(runs=[], release=None)
    assert found.total == 0
    assert all(row.next_step for row in found.rows if row.of)


def test_a_missing_run_costs_the_lines_that_need_it(grade):
    needed_by = (["baseline", "candidate"], ["candidate", "order"], GATED, GATED, ["held-back score"])
    for left_out, missing in enumerate(needed_by):
        runs = make_runs()
        del runs[left_out]
        assert list_missing(grade(runs)) == missing


def test_scores_and_labels_that_were_altered_are_seen_and_do_not_count(grade, runs):
    report = runs[4].report
    runs[4].report = replace(report, rows=tuple(replace(row, score=1.0) for row in report.rows))
    found = grade(runs)
    assert get_row(found, "held-back score").found.startswith("88%")
    assert get_row(found, "evidence").points == 0
    assert "6 with another label" in get_row(found, "evidence").found
    report = make_report("mine, held", "held", 16)
    rows = tuple(replace(row, expected=row.prediction, score=1.0) for row in report.rows)
    runs[4].report = replace(report, rows=rows)
    found = grade(runs)
    assert get_row(found, "held-back score").found.startswith("33%")
    assert list_missing(found) == ["evidence", "held-back score"]


def test_a_message_that_the_data_do_not_hold_or_that_stands_twice_is_left_out_and_told():
    report = make_report("mine", "held", 42)
    for change in ({"id": "m-test-999"}, {"input": "an easier text"}):
        changed = replace(report, rows=(replace(report.rows[0], **change), *report.rows[1:]))
        found, altered = rescore(changed)
        assert (len(found), altered) == (47, [changed.rows[0].id])
    found, altered = rescore(replace(report, rows=(report.rows[0],) * 48))
    assert (len(found), len(altered)) == (1, 47)


def test_the_held_back_score_needs_enough_messages_of_its_part(grade, runs, monkeypatch):
    num = math.ceil(BRIEF.min_score * BRIEF.num_held)
    for right, points in ((num - 1, 0), (num, 20)):
        runs[4].report = make_report("mine, held", "held", right)
        assert get_row(grade(runs), "held-back score").points == points
    part = replace(runs[4].report, rows=runs[4].report.rows[:4])
    smaller = make_run("a try", "held", part, CANDIDATE, SHOTS, 4)
    assert get_row(grade([*runs, smaller]), "held-back score").points == 20  # of several runs a whole one counts
    runs[4].report = make_report("mine, held", "dev", 40)
    found = grade(runs)
    assert (get_row(found, "held-back score").points, get_row(found, "held-back score").found) == (0, "not measured")
    assert "“mine, held” decides nothing: 48 of the 48 messages of held are missing" in found.warnings[0]
    monkeypatch.setenv("LLMOPS_EXAMPLES", "16")
    found = grade(make_runs())
    assert get_row(found, "held-back score").points == 0
    assert "messages of held are missing" in found.warnings[2]
    assert "unset LLMOPS_EXAMPLES" in found.warnings[0]


def test_who_leaves_out_wrong_answers_gains_nothing(grade, runs):
    """Of 48 held-back messages 24 are right, 50 %; without eight of the wrong ones it would be 60 %."""
    runs[4].report = make_report("mine, held", "held", 24)
    runs[4].report = replace(runs[4].report, rows=runs[4].report.rows[:40])
    found = grade(runs)
    assert get_row(found, "held-back score").points == 0
    assert found.warnings[0].startswith("“mine, held” decides nothing: 8 of the 48 messages of held are missing")
    for left_out, missing in (((0,), ["baseline", "candidate"]), ((1,), ["candidate", "order"]), ((2, 3), GATED)):
        runs = make_runs()
        for place in left_out:
            runs[place].report = replace(runs[place].report, rows=runs[place].report.rows[:36])
        found = grade(runs)
        assert (list_missing(found), len(found.warnings)) == (missing, len(left_out)), left_out
    # Rows of another part add nothing, and whoever looked at test with a few messages has looked.
    runs = make_runs()
    runs[4].report = replace(runs[4].report, rows=(*runs[4].report.rows, *make_report("x", "dev", 40).rows))
    assert get_row(grade(runs), "held-back score").found.endswith("(n = 48)")
    glimpse = replace(make_report("a look", "gate", 36), rows=make_report("a look", "gate", 36).rows[:4])
    assert "order" in list_missing(grade([*make_runs(), make_run("a look", "gate", glimpse, CANDIDATE, SHOTS, 0)]))


def test_no_prompt_takes_fewer_tokens_than_it_has_words(grade, runs):
    """The words alone make the candidate too dear here, whatever the rows say."""
    long = CANDIDATE.replace(instruction="Name the desk. " * 400)
    for place, part in ((1, "dev"), (3, "gate"), (4, "held")):
        runs[place].prompt = long
        runs[place].report = make_report("mine", part, 36, tokens=3)
    found = grade(runs, prompt=long)
    row = get_row(found, "price")
    assert (row.points, row.found.partition(" at ")[0]) == (0, "$0.133")
    assert "“mine, held” tells fewer tokens than its prompt has words: the words were counted" in found.warnings
    assert get_row(found, "gate").found.startswith("price")
    # What a template leaves out or repeats is not counted, nor a call that failed before it took any.
    many = "word " * 900
    asks = CANDIDATE.replace(instruction=f"{{% if false %}}{many}{{% endif %}}{{# {many} #}}Name.")
    runs = make_runs()
    for place in (1, 3, 4):
        runs[place].prompt = asks
    report = runs[4].report
    failed = replace(report.rows[0], error="RateLimited", prediction=None, score=0.0, prompt_tokens=0)
    runs[4].report = replace(report, rows=(failed, *report.rows[1:]))
    assert get_row(grade(runs, prompt=asks), "price").found.startswith("$0.03")


def test_test_before_dev_costs_the_order(grade, runs):
    runs.append(make_run("mine", "dev", runs.pop(1).report, CANDIDATE, SHOTS, 50))
    found = grade(runs)
    assert list_missing(found) == ["order"]
    assert get_row(found, "order").found == "test was seen before dev"


def test_a_regression_that_was_promoted_all_the_same_is_seen(grade, runs):
    runs[2].report = make_report("plain, gate", "gate", 38, 70)
    runs[3].report = make_report("mine, gate", "gate", 10)
    found = grade(runs)
    assert get_row(found, "gate").found.startswith("regression")
    assert get_row(found, "release").found == "promoted although the gate does not pass"
    assert get_row(found, "gain").found.startswith("hurts")


def test_a_dear_candidate_fails_gate_and_price_without_tokens_nothing_is_cheap_and_a_failed_call_decides_nothing(
    grade, runs
):
    runs[3].report = make_report("mine, gate", "gate", 36, tokens=5000)
    runs[4].report = make_report("mine, held", "held", 42, tokens=5000)
    found = grade(runs)
    assert {"gate", "price", "release"} <= set(list_missing(found))
    assert get_row(found, "gate").found.startswith("price")
    report = make_report("mine, held", "held", 42, tokens=0)
    runs[4].report = replace(report, rows=tuple(replace(row, completion_tokens=0) for row in report.rows))
    failed = replace(runs[3].report.rows[0], error="RateLimited", prediction=None, score=0.0)
    runs[3].report = replace(runs[3].report, rows=(failed, *runs[3].report.rows[1:]))
    found = grade(runs)
    assert get_row(found, "price").points == 0
    assert "failed with an error on 1 of 40 examples" in get_row(found, "gate").found


def test_the_plain_prompt_is_no_candidate(grade):
    found = grade(prompt=load_plain(), num_shots=0)
    missing = {"candidate", "order", "gate", "gain", "release", "roll back", "held-back score"}
    assert missing <= set(list_missing(found))
    assert get_row(found, "candidate").found == "the candidate is the plain prompt"


def test_the_history_of_the_release_is_read(grade, tmp_path):
    for number, (steps, missing) in enumerate(
        (
            (("plain",), ["release", "roll back"]),
            (("plain", "candidate"), ["roll back"]),
            (("plain", "candidate", "worse"), ["roll back"]),
            (("plain", "worse", "back"), ["release", "roll back"]),
        )
    ):
        assert list_missing(grade(release=make_release(tmp_path / str(number), steps))) == missing


def test_an_alarm_that_does_not_come_or_cries_wolf_costs_the_watch(grade, runs):
    row = get_row(grade(watch=Watch(quantile=0.9, in_a_row=1)), "watch")
    assert (row.points, row.found.partition(";")[0]) == (0, "alarm after 50 requests")
    runs[5].report = replace(runs[3].report, name="worse")
    row = get_row(grade(runs, watch=Watch()), "watch")
    assert (row.points, row.found.partition(";")[0]) == (0, "no alarm")
    row = get_row(grade(runs[:5], watch=Watch()), "watch")
    assert (row.points, row.found) == (0, "there is no watch, or no run of the incident")


def test_the_watch_is_that_of_what_was_in_production(grade, runs, tmp_path):
    earlier = make_run("earlier", "incident", runs[3].report, CANDIDATE.replace(instruction="Old."), SHOTS, 0)
    found = grade([earlier, *runs], watch=Watch())
    assert get_row(found, "watch").found.startswith("alarm after 100 requests")
    del runs[3]  # the candidate was held up: the plain prompt stayed
    release = make_release(tmp_path, ("plain", "worse", "back"))
    assert get_row(grade(runs, release=release, watch=Watch()), "watch").points == 10


def test_what_a_teacher_should_look_at_is_a_warning_and_costs_nothing(grade, runs):
    runs[0].report = replace(runs[0].report, provenance="huge (weights b), live")
    other = CANDIDATE.replace(instruction="Another one.")
    runs.append(make_run("other, gate", "gate", make_report("other", "gate", 30), other, SHOTS, 7))
    problem = SimpleNamespace(where="mine, held", problem="The run “mine, held” was never ended.")
    found = grade(runs, problems=(problem,))
    assert list_missing(found) == []
    assert found.warnings == (
        "test was looked at with 2 candidates: the best of several is partly luck",
        "the runs come from several models: huge (weights b); tiny (weights a)",
        "not in the evidence: mine, held: The run “mine, held” was never ended.",
    )
    assert found.line == "ada: 90 of 100; missing: watch; 3 warnings"


def test_the_html_holds_every_line_those_without_points_too_and_no_markup_of_others(grade, runs):
    runs[0].name = "<script>alert(1)</script>"
    found = grade(runs)
    assert [(row.name, row.found) for row in found.rows if not row.of] == [
        ("run history", "6 runs: 2 on dev, 2 on gate, 1 on held, 1 on incident"),
        ("latency", "p50 0.12 s, p95 0.14 s"),
        ("model", "tiny (weights a), replay of 2026-11-25"),
    ]
    html = found._repr_html_()
    assert html.count("<tr>") == 1 + 14
    assert "<script" not in html
    assert "90 of 100 points" in html


def test_runs_on_messages_of_another_data_set_are_graded_with_nothing(grade, runs):
    for run in runs:
        run.report = replace(run.report, rows=tuple(replace(row, id=f"x-{row.id}") for row in run.report.rows))
    found = grade(runs)
    assert set(list_missing(found)) == set(ALL) - {"roll back", "watch"}
    assert found.warnings[0].startswith("“plain” decides nothing: 40 of the 40 messages of dev are missing")


# --- the command line ----------------------------------------------------------------------------------------


def run_command(monkeypatch, *arguments):
    """Return the exit code of `grade`; an error of the package becomes its text."""
    monkeypatch.setattr(sys, "argv", ["llmops_utils", "grade", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


@pytest.fixture
def files(tmp_path, monkeypatch, release):
    """A complete submission, one with next to nothing, and a damaged one."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    good = save_submission(make_evidence(None, release=release))
    poor = save_submission(make_evidence(None, learner="bob", runs=make_runs()[:1], release=None, watch=None))
    damaged = tmp_path / "cut.json"
    damaged.write_bytes(good.read_bytes()[:5000])
    return good, poor, damaged


def test_one_file_is_a_table_several_are_a_line_each_and_a_damaged_one_stops_none(files, monkeypatch, capsys):
    assert run_command(monkeypatch, files[1]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bob: 15 of 100 points\n")
    assert "  5 of 5  baseline" in out
    assert " 0 of 10  order" in out
    assert run_command(monkeypatch, files[2], *files[:2]) == 2
    told = capsys.readouterr()
    assert [line.partition(";")[0] for line in told.out.splitlines()] == ["ada: 100 of 100", "bob: 15 of 100"]
    assert "cut.json is not JSON" in told.err


def test_a_class_becomes_a_table_that_is_written_whole_or_not_at_all(files, monkeypatch, tmp_path):
    table = tmp_path / "class.csv"
    assert run_command(monkeypatch, *files[:2], "--csv", table) == 0
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(row["learner"], row["total"], row["held-back score"]) for row in rows]
    assert told == [("ada", "100", "20"), ("bob", "15", "0")]
    assert list(rows[0]) == ["learner", "total", *ALL, "warnings"]
    assert "x.csv cannot be written" in run_command(monkeypatch, files[0], "--csv", files[0] / "x.csv")

    def interrupt(*_):
        raise KeyboardInterrupt

    before = table.read_bytes()
    monkeypatch.setattr("os.replace", interrupt)
    assert run_command(monkeypatch, files[1], "--csv", table) in (1, 130)
    assert (table.read_bytes(), [path.name for path in tmp_path.glob("*.csv*")]) == (before, ["class.csv"])


def test_no_cell_of_a_table_is_a_formula_and_no_text_steers_a_terminal(files, monkeypatch, tmp_path, capsys):
    content = json.loads(files[0].read_text(encoding="utf-8"))
    content["learner"] = "-eve"
    starts = ("=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-1", "\t=1", "\r=1", "＝1", " =1")
    content["unread"] = ["\x1b[2Jm\u202eine\nmallory: 100 of 100"]
    files[0].write_text(json.dumps(content), encoding="utf-8")
    assert run_command(monkeypatch, *files[:2], "--csv", tmp_path / "class.csv") == 0
    told = capsys.readouterr().out
    assert [line.partition(":")[0] for line in told.splitlines()] == ["-eve", "bob"]
    rows = list(csv.DictReader((tmp_path / "class.csv").open(encoding="utf-8", newline="")))
    assert [row["learner"] for row in rows] == ["'-eve", "bob"]
    assert rows[0]["warnings"] == "not in the evidence:  [2Jm ine mallory: 100 of 100"
    for start in starts:
        grading.write_table([grading.Grade(start, (), (start,))], tmp_path / "class.csv")
        (row,) = csv.DictReader((tmp_path / "class.csv").open(encoding="utf-8", newline=""))
        assert (row["learner"][0], row["warnings"][0]) == ("'", "'"), start


ODD = (
    *(10**4000, 10**300, -(10**300), 1e308, 2**63, float("nan"), float("inf"), -1, 0, 0.5),
    *("x\ud800", "\x1b[2J\x1b]0;owned\x07", "a\nb: 100 of 100", "\u202eevil", "\0", "\x85", "x" * 50_000, "{{ 1/0 }}"),
    *(None, True, [], {}, {"a": {"b": [None]}}, {"\ud800": 1}, {"\x1b[2J": 1}, [None] * 50),
    *([json.loads("[" * depth + "0" + "]" * depth) for depth in (50, 150, 900)]),
)


def list_places(value, place=()):
    """Return the place of each part of a JSON value: the names and positions that lead there."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(found for name, part in parts for found in list_places(part, (*place, name)))]


@pytest.fixture(scope="module")
def sound(release):
    """A short submission as JSON, and the places of all its parts."""
    content = make_evidence(None, runs=make_runs()[3:], release=release, watch=None).model_dump(mode="json")
    for run in content["runs"]:
        del run["report"]["rows"][2:]
    return content, list_places(content)[1:]


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_stands_in_a_submission_is_one_grade_or_one_error_in_plain_text(sound, tmp_path, data):
    content, places = copy.deepcopy(sound[0]), sound[1]
    *way, last = data.draw(st.sampled_from(places))
    part = content
    for name in way:
        part = part[name]
    part[last] = data.draw(st.sampled_from(ODD) | st.text(max_size=20))
    path = tmp_path / "ada.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    try:
        grade = grade_submission(path)
    except WorkbookError as error:
        told = error.problem
        grade = None
    if grade is None:
        assert told.isprintable()
        return
    assert grade.line.isprintable()
    assert str(grade).replace("\n", "").isprintable()
    assert len(str(grade).splitlines()) == 1 + len(grade.rows) + len(grade.warnings)
    assert all(len(str(value)) < 3000 for value in tabulate_grades([grade]).to_dict("records")[0].values())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a name")
def test_a_bad_file_costs_its_own_line_only(files, monkeypatch, tmp_path, capsys):
    content = json.loads(files[1].read_text(encoding="utf-8"))
    bad = {
        "number.json": files[1].read_text(encoding="utf-8").replace('"score": 1.0', f'"score": {"1" * 5000}', 1),
        "deep.json": '{"format": "llmops capstone", "edition": 2, "runs": ' + "[" * 90_000,
        "surrogate.json": json.dumps(content | {"learner": "x\ud800"}),
        "name.json": json.dumps(content | {"learner": "eve: 100 of 100\nmallory"}),
        "large.json": " " * 21_000_000,
        "esc\x1b[2J.json": "{",
    }
    for name, text in bad.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "gone")
    (tmp_path / "folder.json").mkdir()
    odd = [tmp_path / name for name in (*bad, "pipe.json", "endless.json", "nowhere.json", "folder.json")]
    table = tmp_path / "class.csv"
    assert run_command(monkeypatch, files[0], *odd, files[1], "--csv", table) == 2
    told = capsys.readouterr()
    assert [line.partition(";")[0] for line in told.out.splitlines()] == ["ada: 100 of 100", "bob: 15 of 100"]
    assert len(told.err.splitlines()) == 2 * len(odd)
    assert told.err.replace("\n", "").isprintable()
    assert len(table.read_text(encoding="utf-8").splitlines()) == 3
    # Also what nobody has thought of: it is told with its kind.
    monkeypatch.setattr(grading, "load_submission", lambda path: 1 // 0)
    assert run_command(monkeypatch, files[0], files[1]) == 2
    assert capsys.readouterr().err.count("cannot be graded (ZeroDivisionError)") == 2


def test_the_version_of_a_prompt_is_computed_from_its_text_and_a_grade_can_be_repeated(files):
    assert grading.grade_submission(files[0]) == grading.grade_submission(files[0])
    content = json.loads(files[0].read_text(encoding="utf-8"))
    content["prompt"]["instruction"] = WORSE.instruction
    files[0].write_text(json.dumps(content), encoding="utf-8")
    found = grading.grade_submission(files[0])
    assert {"candidate", "gate", "held-back score", "release", "roll back"} <= set(list_missing(found))
