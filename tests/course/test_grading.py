"""Claims about the grade: each line is computed from the replies, and nothing that was altered is believed."""

import copy
import csv
import json
import os
import pickle
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from capstone_evidence import (
    CANDIDATE,
    PLAIN,
    STALE,
    copy_passage,
    guess,
    know,
    make_evidence,
    make_release,
    make_run,
    make_runs,
    refuse,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llmops_utils.course.cli as command_line
from llmops_utils.core import WorkbookError
from llmops_utils.course import grading
from llmops_utils.course.capstone import Watch, list_messages, load_brief
from llmops_utils.course.grading import Grade, compute_grade, grade_submission, mark_copies, write_table
from llmops_utils.course.submissions import save_submission
from llmops_utils.operations import monitor

ALL = {name: points for name, (points, *_) in load_brief().wanted.items()}
HELD = ["gain", "score", "trust", "refusals", "privacy", "price", "release"]  # the lines that need the candidate there


def list_missing(grade):
    """Return the lines that are not met, but for the watch, which takes long to compute and has tests of its own."""
    return [row.name for row in grade.rows if row.points < row.of and row.name != "watch"]


def get_row(grade, name):
    return next(row for row in grade.rows if row.name == name)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module", autouse=True)
def quickly():
    """A run is scored once, however many grades it stands in, and the monitor draws fewer samples."""
    scored, score = {}, grading._ScoredRun

    def score_once(run):
        key = pickle.dumps(run)
        if key not in scored:
            scored[key] = score(run)
        return scored[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_ScoredRun", score_once)
        patch.setattr(monitor, "NUM_RESAMPLES", 500)
        yield


@pytest.fixture
def runs():
    return make_runs()


@pytest.fixture
def grade(release):
    """Return a function that grades a submission: complete, but for the watch and for what is given."""

    def compute(runs=None, release=release, watch=None, **changes):
        return compute_grade(make_evidence(None, runs=runs, release=release, watch=watch, **changes))

    return compute


def test_a_complete_attempt_gets_all_100_points_and_no_evidence_none(grade):
    found = grade(watch=Watch())
    assert {row.name: row.points for row in found.rows if row.of} == ALL
    assert (found.line, found.warnings) == ("ada: 100 of 100; complete", ())
    found = grade(runs=[], release=None)
    assert found.total == 0
    assert all(row.next_step for row in found.rows if row.of)


def test_a_missing_run_costs_the_lines_that_need_it(grade):
    needed_by = (
        ["baseline"],
        ["baseline", "order"],
        ["gain", "release"],
        ["order", *HELD],
        [],
        ["stale page"],
        ["stale page"],
    )
    for left_out, missing in enumerate(needed_by):
        runs = make_runs()
        del runs[left_out]
        assert list_missing(grade(runs)) == missing, left_out


def test_weak_replies_get_at_most_half_whatever_else_was_done(grade, tmp_path):
    """Constant, copied, and production under another name; with the watch, and every step taken."""
    renamed = PLAIN.model_copy(update={"words": {"xyz": "xyz"}})
    attempts = {"refuse": (CANDIDATE, refuse), "copy": (CANDIDATE, copy_passage), "plain": (renamed, guess)}
    attempts["constant"] = (CANDIDATE, lambda message, chunks: "30 days")
    totals = {}
    for name, (choices, reply) in attempts.items():
        made = make_evidence(tmp_path / name, runs=make_runs(choices, reply), choices=choices)
        totals[name] = compute_grade(made).total
    assert max(totals.values()) <= 50, totals
    found = grade(choices=PLAIN, runs=make_runs(PLAIN, guess))  # production itself is no candidate
    assert set(ALL) - {"evidence", "watch"} <= set(list_missing(found))


def test_an_interval_that_holds_the_threshold_is_not_shown_and_gives_half_where_it_is_likely(grade, runs):
    """Of 80 messages 36 are 45 %: with 46 right the interval lies above, with 26 below, and around it in between."""
    rows = runs[3].report.rows
    num_right = int(runs[3].report.scores.sum())
    states = []
    for num in (46, 40, 33, 26):
        wrong = [row.id for row in rows if row.score and row.prediction != grading.REFUSAL][: num_right - num]
        told = [make_wrong(row) if row.id in wrong else row for row in rows]
        runs[3].report = replace(runs[3].report, rows=tuple(told))
        row = get_row(grade(runs), "score")
        states.append((row.state, row.points, bool(row.next_step)))
    assert states == [
        ("shown", 20, False),
        ("likely, not shown", 10, True),
        ("not shown", 0, True),
        ("missed", 0, True),
    ]


def make_wrong(row):
    """Return a row of a right answer whose reply stands in no passage, so that it is refused."""
    return replace(row, prediction=grading.REFUSAL, score=0.0, trace=[row.trace[0] | {"reply": "zebra"}])


def test_what_was_altered_is_seen_and_does_not_count(grade, runs):
    report = runs[3].report
    for change in ({"score": 1.0}, {"expected": "zebra"}, {"prediction": "zebra"}, {"input": "an easier text"}):
        place = next(at for at, row in enumerate(report.rows) if not row.score)
        rows = (*report.rows[:place], replace(report.rows[place], **change), *report.rows[place + 1 :])
        runs[3].report = replace(report, rows=rows)
        found = grade(runs)
        assert list_missing(found) == ["evidence"], change
        assert (
            f"1 with another label, text or score than the data give; the first: {rows[place].id}"
            in get_row(found, "evidence").found
        )
        assert get_row(found, "score").found == str(report.score)


def test_a_message_of_another_part_or_a_repeated_one_is_left_out_and_who_leaves_out_wrong_ones_gains_nothing(
    grade, runs
):
    report = runs[3].report
    for rows, missing in (
        (report.rows[:70], 10),
        ((report.rows[0],) * 80, 79),
        (tuple(replace(row, id=f"x-{row.id}") for row in report.rows), 80),
        (runs[1].report.rows, 80),
    ):
        runs[3].report = replace(report, rows=rows)
        found = grade(runs)
        assert set(HELD) <= set(list_missing(found))
        assert f"“mine, held” decides nothing: {missing} of 80 messages of held are missing" in found.warnings[0]
    runs[3].report = replace(report, rows=(*report.rows, *runs[1].report.rows))
    assert list_missing(grade(runs)) == ["evidence"]


def test_no_call_takes_fewer_tokens_than_question_and_passages_have_words_and_a_dear_one_fails(grade, runs):
    for tokens, points in ((3, 5), (5000, 0), (0, 5)):
        runs[3] = make_run("mine, held", "held", CANDIDATE, know, 4, tokens=tokens)
        row = get_row(grade(runs), "price")
        assert row.points == points
        assert float(row.found.partition(" at ")[0][1:]) > 0.009
    failed = replace(runs[3].report.rows[0], error="RateLimited", prediction=None, score=0.0, trace=None)
    runs[3].report = replace(runs[3].report, rows=(failed, *runs[3].report.rows[1:]))
    assert "failed with an error on 1 of 80 examples" in get_row(grade(runs), "release").found


def test_personal_data_that_was_kept_costs_the_line(grade, runs):
    data = {one.id: one.text for one in list_messages("held") if one.private}
    rows = tuple(replace(row, input=data.get(row.id, row.input)) for row in runs[3].report.rows)
    runs[3].report = replace(runs[3].report, rows=rows)
    found = grade(runs)
    assert get_row(found, "privacy").found.startswith("0%")
    assert list_missing(found) == ["evidence", "privacy"]


def test_held_before_dev_or_a_second_candidate_costs_the_order(grade, runs):
    runs[1].started_ms = 50
    assert get_row(grade(runs), "order").found == "held was opened before dev"
    other = CANDIDATE.model_copy(update={"num_passages": 1})
    runs = [*make_runs(), make_run("a look", "held", other, know, 9)]
    found = grade(runs)
    assert list_missing(found) == ["order"]
    assert "several candidates" in get_row(found, "order").found


def test_a_release_needs_a_gate_that_passes_and_the_candidate_in_production_again_at_the_end(grade, runs, tmp_path):
    steps = ("plain", "candidate", "changed", "back")
    for number, some in enumerate((*(steps[:end] for end in range(1, 4)), ("plain", "changed", "back"), steps)):
        row = get_row(grade(release=make_release(tmp_path / str(number), steps=some)), "release")
        assert (row.points == row.of) == (some == steps)
    runs[2] = make_run("plain, held", "held", PLAIN, know, 3)
    runs[3] = make_run("mine, held", "held", CANDIDATE, guess, 4)
    found = grade(runs)
    assert get_row(found, "release").found.startswith("gate: regression")
    assert (get_row(found, "gain").state, get_row(found, "release").points) == ("missed", 0)


def test_an_alarm_that_does_not_come_or_cries_wolf_costs_the_watch(grade, runs):
    row = get_row(grade(watch=Watch(quantile=0.9, in_a_row=1)), "watch")
    assert (row.points, row.found.partition(";")[0]) == (0, "alarm after 50 requests")
    runs[4] = make_run("same", "changed", CANDIDATE.model_copy(update={"model": "other"}), know, 5)
    row = get_row(grade(runs, watch=Watch()), "watch")
    assert (row.points, row.found.partition(";")[0]) == (0, "no alarm")
    row = get_row(grade(runs[:4], watch=Watch()), "watch")
    assert (row.points, row.found) == (0, "the candidate was not measured on changed")


def test_only_the_stale_page_is_taken_out(grade, runs):
    pages = ("policies-refunds", STALE)
    for without in (pages[:1], pages):
        runs[6] = make_run("mended", "mended", CANDIDATE.model_copy(update={"without": without}), know, 7)
        assert list_missing(grade(runs)) == ["stale page"]


def test_what_a_teacher_should_look_at_costs_nothing_and_the_html_holds_every_line_and_no_markup_of_others(grade, runs):
    runs[0].name = "<script>alert(1)</script>"
    problem = SimpleNamespace(where="mine, held", problem="The run “mine, held” was never ended.")
    found = grade(runs, problems=(problem,))
    assert found.warnings == ("not in the evidence: mine, held: The run “mine, held” was never ended.",)
    assert found.line == "ada: 95 of 100; missing: watch; warnings: 1"
    assert [(row.name, row.found) for row in found.rows if not row.of] == [
        ("runs", "2 on dev, 2 on held, 1 on changed, 1 on stale, 1 on mended"),
        ("models", "tiny (weights a), replay of 2026-12-02"),
    ]
    html = found._repr_html_()
    assert (html.count("<tr>"), html.count("<li>")) == (1 + 12, 3)
    assert "<script" not in html
    assert "95 of 100 points" in html


# --- the command line ----------------------------------------------------------------------------------------


def run_command(monkeypatch, *arguments):
    """Return the exit code of `grade`; an error of the package becomes its text."""
    monkeypatch.setattr(sys, "argv", ["llmops_utils", "grade", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


@pytest.fixture
def files(tmp_path, monkeypatch, release):
    """A complete submission, and one with next to nothing."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    good = save_submission(make_evidence(None, release=release))
    poor = save_submission(make_evidence(None, learner="bob", runs=make_runs()[:1], release=None, watch=None))
    return good, poor


def test_one_file_is_a_text_and_a_class_a_table_that_is_written_or_told(files, monkeypatch, tmp_path, capsys):
    assert run_command(monkeypatch, files[1]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bob: 5 of 100 points\n")
    assert "  0 of 5  baseline" in out
    table = tmp_path / "class.csv"
    assert run_command(monkeypatch, *files, "--csv", table) == 0
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = [(row["learner"], row["total"], row["score"]) for row in rows]
    assert told == [("ada", "100", "20"), ("bob", "5", "0")]
    assert list(rows[0]) == ["learner", "total", *ALL, "warnings"]
    assert "x.csv cannot be written" in run_command(monkeypatch, files[0], "--csv", files[0] / "x.csv")


def test_no_cell_of_a_table_is_a_formula_and_no_text_steers_a_terminal(files, monkeypatch, tmp_path, capsys):
    content = json.loads(files[0].read_text(encoding="utf-8"))
    content["learner"] = "-eve"
    starts = ("=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-1", "\t=1", "\r=1", "＝1", " =1")
    content["unread"] = ["\x1b[2Jm\u202eine\nmallory: 100 of 100"]
    files[0].write_text(json.dumps(content), encoding="utf-8")
    assert run_command(monkeypatch, *files, "--csv", tmp_path / "class.csv") == 0
    told = capsys.readouterr().out
    assert [line.partition(":")[0] for line in told.splitlines()] == ["-eve", "bob"]
    rows = list(csv.DictReader((tmp_path / "class.csv").open(encoding="utf-8", newline="")))
    assert [row["learner"] for row in rows] == ["'-eve", "bob"]
    assert rows[0]["warnings"] == "not in the evidence:  [2Jm ine mallory: 100 of 100"
    for start in starts:
        write_table([Grade(start, (), (start,))], tmp_path / "class.csv")
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


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
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
    write_table([grade], path)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a name")
def test_a_bad_file_costs_its_own_line_only(files, monkeypatch, tmp_path, capsys):
    content = json.loads(files[1].read_text(encoding="utf-8"))
    bad = {
        "number.json": files[1].read_text(encoding="utf-8").replace('"score": 1.0', f'"score": {"1" * 5000}', 1),
        "deep.json": '{"format": "llmops capstone", "edition": 3, "runs": ' + "[" * 90_000,
        "surrogate.json": json.dumps(content | {"learner": "x\ud800"}),
        "name.json": json.dumps(content | {"learner": "eve: 100 of 100\nmallory"}),
        "large.json": " " * 21_000_000,
        "esc\x1b[2J.json": "{",
        "cut.json": files[0].read_text(encoding="utf-8")[:5000],
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
    assert [line.partition(";")[0] for line in told.out.splitlines()] == ["ada: 100 of 100", "bob: 5 of 100"]
    assert len(told.err.splitlines()) == 2 * len(odd)
    assert told.err.replace("\n", "").isprintable()
    assert len(table.read_text(encoding="utf-8").splitlines()) == 3
    # Also what nobody has thought of: it is told with its kind.
    monkeypatch.setattr(grading, "load_submission", lambda path: 1 // 0)
    assert run_command(monkeypatch, files[0], files[1]) == 2
    assert capsys.readouterr().err.count("cannot be graded (ZeroDivisionError)") == 2


def test_a_grade_can_be_repeated_and_choices_that_were_altered_fit_no_run(files):
    assert grade_submission(files[0]) == grade_submission(files[0])
    content = json.loads(files[0].read_text(encoding="utf-8"))
    content["choices"]["prompt"]["instruction"] = "Always say yes."
    files[0].write_text(json.dumps(content), encoding="utf-8")
    found = grade_submission(files[0])
    assert {"order", "score", "gain", "release", "stale page"} <= set(list_missing(found))


def test_who_hands_in_the_runs_of_another_is_told_in_a_class(files, monkeypatch, capsys, release):
    copied = files[0].with_name("carl.json")
    copied.write_text(files[0].read_text(encoding="utf-8").replace('"learner": "ada"', '"learner": "carl"'), "utf-8")
    assert run_command(monkeypatch, files[0], copied) == 0
    assert [line.endswith("; warnings: 1") for line in capsys.readouterr().out.splitlines()] == [True, True]
    marked = mark_copies([grade_submission(files[0]), grade_submission(copied)])
    assert "stands in that of carl" in marked[0].warnings[0]
    other = make_evidence(None, runs=make_runs(), release=release)
    others = tuple(run.model_copy(update={"started_ms": run.started_ms + 100}) for run in other.runs)
    alone = compute_grade(other.model_copy(update={"runs": others, "learner": "dora"}))
    assert mark_copies([marked[0], alone])[1].warnings == ()
