"""Runs are logged without a connection, read back as they were logged, and sent to a stand-in for Comet's service."""

import csv
import json
import os
import subprocess
import sys
import time
import warnings

import pytest
from fake_comet import GOOD_KEY, FakeComet

from llmops_utils.core import ROOT
from llmops_utils.core.errors import DataError, KeyMalformed, KeyMissing, KeyRefused, Unreachable
from llmops_utils.evaluation import Report, Row, compare
from llmops_utils.prompts import load_prompt
from llmops_utils.tracking import uploads
from llmops_utils.tracking.archives import get_folder
from llmops_utils.tracking.experiment import find_comet_key, log_report, start_run
from llmops_utils.tracking.runs import list_runs
from llmops_utils.tracking.uploads import upload_runs

BAD_KEY = "refusedcometkey9876543"
ODD_TEXTS = ['a, "quoted"', "two\nlines", "NA", "007", "Füße – £5", "", "  spaces  ", "None"]


def make_report(name="few-shot", right=lambda i: i % 2, **fields):
    rows = tuple(
        Row(f"m{i}", text, "repair", "repair" if right(i) else "delivery", float(bool(right(i))), **fields)
        for i, text in enumerate(ODD_TEXTS)
    )
    return Report(name, rows, "Tiny-1B (abc123), replay of 2026-11-01", 2.5)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("COMET_API_KEY", raising=False)
    return tmp_path / "home"


@pytest.fixture
def comet(monkeypatch):
    """The stand-in, with its key set, in a mode that may go online; comet_ml tries lost requests once."""
    with FakeComet() as fake:
        monkeypatch.setenv("COMET_URL_OVERRIDE", fake.url)
        monkeypatch.setenv("COMET_API_KEY", GOOD_KEY)
        monkeypatch.setenv("LLMOPS_MODE", "live")
        monkeypatch.setenv("COMET_HTTP_SESSION_RETRY_TOTAL", "0")
        monkeypatch.setenv("COMET_GET_OR_ADD_EXPERIMENT_RETRY_TOTAL", "0")
        yield fake


def list_all_bytes(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# --- offline -------------------------------------------------------------------------------------------------


def test_everything_that_was_logged_is_read_back():
    report = make_report(latency_s=0.25, prompt_tokens=30, completion_tokens=2, trace=[{"step": 1}])
    baseline = make_report("zero-shot", right=lambda i: i == 0)
    prompt = load_prompt("classify_intent")
    comparison = compare(baseline, report)
    run = start_run("eight shots", tags=["intent"])
    log_report(
        run,
        report,
        prompt=prompt,
        data="customer_messages",
        split="dev",
        seed=7,
        parameters={"shots": 8, "described": True, "threshold": 0.5, "labels": ["a", "b"]},
        comparison=comparison,
    )
    run.end()
    (read,) = list_runs()
    assert (read.name, read.project, read.tags, read.is_sent) == ("eight shots", "llmops-workbook", ("intent",), False)
    assert read.parameters == {
        "report": "few-shot",
        "model": "Tiny-1B",
        "provenance": "Tiny-1B (abc123), replay of 2026-11-01",
        "num_examples": 8,
        "examples_checksum": read.parameters["examples_checksum"],
        "prompt": "classify_intent",
        "prompt_version": prompt.version,
        "prompt_revision": prompt.revision,
        "data": "customer_messages",
        "split": "dev",
        "seed": 7,
        "shots": 8,
        "described": True,
        "threshold": 0.5,
        "labels": "['a', 'b']",
        "baseline": "zero-shot",
    }
    assert read.metrics == {
        "score": 0.5,
        "score_low": report.score.low,
        "score_high": report.score.high,
        "num_failed": 0,
        "prompt_tokens": 30.0,
        "completion_tokens": 2.0,
        "latency_s": 0.25,
        "cost_usd": 0.0,
        "difference": comparison.difference.value,
        "difference_low": comparison.difference.low,
        "difference_high": comparison.difference.high,
        "p": comparison.p,
    }
    assert read.report == report
    assert read.report.duration_s == 2.5
    assert read.prompt == prompt
    assert read.tables["examples.csv"].to_dict("list") == report.table.astype(str).to_dict("list")
    assert read.tables["examples.csv"]["input"].tolist() == ODD_TEXTS
    assert read.tables["flips.csv"][["id", "change"]].values.tolist() == [
        ["m0", "lost"],
        *(["m" + i, "gained"] for i in "1357"),
    ]
    assert json.loads(read.files["trace.json"]) == {row.id: [{"step": 1}] for row in report.rows}
    assert read.comparison["verdict"] == comparison.verdict
    assert (read.comparison["gained"], read.comparison["lost"]) == (["m1", "m3", "m5", "m7"], ["m0"])
    assert compare(baseline, read.report) == comparison
    assert read.texts[0].text == str(prompt.show())
    assert read.texts[0].metadata == {"kind": "prompt", "prompt": prompt.name, "version": prompt.version}
    assert [text.metadata["example"] for text in read.texts[1:]] == [row.id for row in report.rows]
    assert read.texts[2].text == "two\nlines\n→ repair\nexpected: repair"


def test_metrics_of_several_steps_keep_their_steps_and_the_last_value_counts():
    run = start_run("steps")
    for step, value in enumerate([0.25, 0.5, 0.375]):
        run.log_metric("accuracy", value, step=step)
    run.log_metric("odd", float("nan"))
    run.end()
    (read,) = list_runs()
    assert read.history["accuracy"] == ((0, 0.25), (1, 0.5), (2, 0.375))
    assert read.metrics["accuracy"] == 0.375
    assert read.metrics["odd"] != read.metrics["odd"]
    assert read.parameters == {}  # comet_ml's own curr_step is none of ours


def test_what_is_logged_with_comets_own_calls_is_read_back_too():
    run = start_run("by hand")
    run.log_parameters({"temperature": 0.0, "model": "tiny"})
    run.log_text("Ärger", metadata={"kind": "note"})
    run.log_table("two.csv", [[1, "a,b"], [2, "c\nd"]], headers=["number", "text"])
    run.log_asset_data({"a": 1}, name="same.json")
    run.log_asset_data({"a": 2}, name="same.json")
    run.end()
    (read,) = list_runs()
    assert read.parameters == {"temperature": 0.0, "model": "tiny"}
    assert [(text.text, text.metadata) for text in read.texts] == [("Ärger", {"kind": "note"})]
    assert read.tables["two.csv"].values.tolist() == [["1", "a,b"], ["2", "c\nd"]]
    assert [json.loads(read.files[name])["a"] for name in ("same.json", "same.json (2)")] == [1, 2]
    assert (read.report, read.prompt, read.comparison, read.spans) == (None, None, None, None)


def test_two_runs_of_one_name_are_both_kept():
    for value in (1, 2):
        run = start_run("same name")
        run.log_metric("score", value)
        run.end()
    runs = list_runs()
    assert [run.metrics["score"] for run in runs] == [1, 2]
    assert runs.find("same name").metrics["score"] == 2
    assert runs[0].key != runs[1].key


def test_beginning_a_run_ends_the_one_that_is_open_and_loses_nothing_of_it():
    first = start_run("first")
    first.log_metric("score", 1)
    second = start_run("first")
    second.log_metric("score", 2)
    second.end()
    assert second is not first
    assert [run.metrics for run in list_runs()] == [{"score": 1}, {"score": 2}]


def test_a_failed_example_is_logged_with_its_error():
    rows = (Row("m0", "hello", "repair", None, 0.0, error="Timeout: too slow"), Row("m1", "x", "repair", "repair", 1.0))
    report = Report("flaky", rows, "tiny (a), live", 1.0)
    run = start_run("flaky")
    log_report(run, report)
    run.end()
    (read,) = list_runs()
    assert read.report == report
    assert read.metrics["num_failed"] == 1
    assert read.texts[0].text == "hello\n→ Timeout: too slow\nexpected: repair"


def test_an_unknown_price_is_left_out_and_no_zero():
    run = start_run("no price")
    log_report(run, make_report(cost_usd=None))
    run.end()
    assert "cost_usd" not in list_runs()[0].metrics


def test_as_many_examples_become_texts_as_asked_for():
    run = start_run("short")
    log_report(run, make_report(), num_texts=3)
    run.end()
    assert len(list_runs()[0].texts) == 3


def test_equal_examples_have_equal_checksums_and_others_do_not():
    checksums = []
    for report in (make_report("a"), make_report("b", right=lambda i: 0), Report("c", make_report().rows[:4], "", 1.0)):
        run = start_run(report.name)
        log_report(run, report)
        run.end()
        checksums.append(list_runs().find(report.name).parameters["examples_checksum"])
    assert checksums[0] == checksums[1] != checksums[2]


@pytest.mark.parametrize("name", ["", "   ", None])
def test_a_run_without_a_name_is_refused(name):
    with pytest.raises(DataError, match="needs a name"):
        start_run(name)


def test_logging_into_an_ended_run_is_an_error_and_no_silence():
    run = start_run("over")
    run.end()
    with pytest.raises(DataError, match="ended"):
        log_report(run, make_report())


def test_a_comparison_of_another_report_is_refused():
    run = start_run("mixed up")
    with pytest.raises(DataError, match="not this report"):
        log_report(run, make_report(), comparison=compare(make_report(), make_report("other", right=lambda i: 0)))
    run.end()


def test_in_replay_a_run_is_offline_even_with_a_key(monkeypatch):
    monkeypatch.setenv("COMET_API_KEY", GOOD_KEY)
    run = start_run("replayed")
    run.end()
    assert type(run).__name__ == "OfflineExperiment"


def test_online_without_a_key_is_an_error_that_says_where_the_key_goes():
    with pytest.raises(KeyMissing, match="COMET_API_KEY"):
        start_run("x", online=True)
    with pytest.raises(KeyMissing, match="COMET_API_KEY"):
        upload_runs()


@pytest.mark.parametrize("key", ["'goodcometkey0123456789'", "good comet key", "your-comet-key"])
def test_a_key_that_cannot_be_one_is_found_before_anything_is_sent(key, monkeypatch):
    monkeypatch.setenv("COMET_API_KEY", key)
    with pytest.raises(KeyMalformed) as caught:
        find_comet_key()
    assert key.strip("'") not in str(caught.value)


def test_a_key_of_the_environment_never_gets_into_an_archive(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-verysecret0123456789")
    monkeypatch.setenv("COMET_API_KEY", GOOD_KEY)
    said = f"Error: bad header {GOOD_KEY} sk-verysecret0123456789"
    rows = (
        Row("m0", said, "repair", said, 0.0, trace=[{"said": said}]),
        Row("m1", "x", "repair", None, 0.0, error=said),
    )
    baseline = Report(said, tuple(Row(row.id, row.input, "repair", "repair", 1.0) for row in rows), "", 1.0)
    report = Report("leaky", rows, "tiny (a), live", 1.0)
    prompt = load_prompt("classify_intent").replace(context=said)
    run = start_run("leaky")
    log_report(run, report, prompt=prompt, parameters={"note": said}, comparison=compare(baseline, report))
    run.end()
    (read,) = list_runs()
    everything = b"".join(read.files.values()) + repr((read.parameters, read.texts)).encode()
    assert b"verysecret" not in everything
    assert GOOD_KEY.encode() not in everything
    assert read.report.rows[0].input == "Error: bad header [key] [key]"


OFFLINE = """
import json, os, sys
events = []
# The one socket that is no connection: urllib3 binds one to ::1 to see whether the machine has IPv6.
ALLOWED = [("socket.__new__", ""), ("socket.bind", "('::1', 0)")]
def watch(event, arguments):
    if event.startswith("socket."):
        detail = str(arguments[1]) if event in ("socket.connect", "socket.bind", "socket.sendto") else ""
        events.append((event, detail))
sys.addaudithook(watch)
from llmops_utils.evaluation.run import Report, Row
from llmops_utils.tracking.experiment import log_report, start_run
run = start_run("watched")
rows = tuple(Row(f"m{i}", "text", "repair", "repair", 1.0, trace=[{}]) for i in range(30))
log_report(run, Report("r", rows, "tiny (a), replay", 1.0))
run.log_metric("extra", 1)
run.end()
if len(sys.argv) > 1:
    import socket
    socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(json.dumps([event for event in events if event not in ALLOWED]))
"""


def watch_offline(home, *arguments):
    environment = os.environ | {"LLMOPS_HOME": str(home)}
    environment.pop("WORKBOOK_GUARD", None)
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_an_offline_run_opens_no_connection(home):
    events, said = watch_offline(home)
    assert events == []
    assert said == ""
    assert [run.name for run in list_runs(home / "runs")] == ["watched"]


def test_the_watch_would_notice_a_connection(home, comet):
    events, _ = watch_offline(home, comet.url.rsplit(":", 1)[1].partition("/")[0])
    assert "socket.connect" in {name for name, _ in events}


def test_comets_own_tool_reads_the_archive():
    run = start_run("for the tool")
    log_report(run, make_report())
    run.end()
    (path,) = get_folder().glob("*.zip")
    command = [sys.executable, "-m", "comet_ml.scripts.comet_offline", str(path), "--csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rows = csv.reader(done.stdout.splitlines())
    told = {(row[4], row[5]): row[6] for row in rows if row[3] in ("detail", "minimum")}
    assert told["metric", "score"] == "0.5"
    assert told["param", "model"] == "Tiny-1B"


# --- online, against the stand-in ----------------------------------------------------------------------------


def test_an_online_run_sends_all_and_keeps_its_archive_among_the_sent(comet):
    report = make_report()
    run = start_run("online", tags=["intent"])
    assert type(run).__name__ == "Experiment"
    log_report(run, report, prompt=load_prompt("classify_intent"), parameters={"shots": 8})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.end()
    (read,) = list_runs()
    (stored,) = comet.runs.values()
    assert read.is_sent
    assert stored.project == "llmops-workbook"
    assert stored.tags == ["intent"]
    assert stored.others["Name"] == "online"
    assert stored.parameters == read.parameters
    assert {
        name: values[-1][1] for name, values in stored.metrics.items() if name != "process duration"
    } == read.metrics
    assert sorted(stored.texts) == sorted(text.text for text in read.texts)
    assert stored.files == read.files
    assert read.report == report
    assert comet.keys == {GOOD_KEY}
    assert upload_runs() == []


def test_a_refused_key_is_a_clear_error_and_is_printed_nowhere(comet, monkeypatch, capfd, caplog, home):
    monkeypatch.setenv("COMET_API_KEY", BAD_KEY)
    with pytest.raises(KeyRefused, match="does not accept the key") as caught:
        start_run("refused")
    out, err = capfd.readouterr()
    assert BAD_KEY not in str(caught.value) + out + err + caplog.text
    assert BAD_KEY.encode() not in list_all_bytes(home)
    assert comet.runs == {}
    assert len(list_runs()) == 0


def test_no_way_to_comet_is_an_error_before_anything_is_logged(comet):
    comet.is_cut = True
    with pytest.raises(Unreachable, match="online=False"):
        start_run("no network")
    run = start_run("no network", online=False)
    run.log_metric("score", 1)
    run.end()
    assert [run.metrics for run in list_runs()] == [{"score": 1}]


def test_a_connection_cut_half_way_loses_nothing_and_the_run_can_be_sent_later(comet):
    run = start_run("cut off")
    run.log_parameter("before", 1)
    deadline = time.monotonic() + 20
    while not next(iter(comet.runs.values())).parameters and time.monotonic() < deadline:
        time.sleep(0.05)
    comet.is_cut = True
    run.log_parameter("after", 2)
    run.log_metrics({"score": 0.75})
    with pytest.warns(UserWarning, match="did not get all of the run “cut off”"):
        run.end()
    (stored,) = comet.runs.values()
    assert (stored.parameters, stored.metrics) == ({"before": 1}, {})
    (read,) = list_runs()
    assert (read.is_sent, read.parameters, read.metrics) == (False, {"before": 1, "after": 2}, {"score": 0.75})
    comet.is_cut = False
    (upload,) = upload_runs()
    assert upload.problem == ""
    assert list(comet.runs) == [read.key]
    assert stored.parameters == {"before": 1, "after": 2}
    assert stored.metrics["score"] == [(None, 0.75)]
    assert list_runs()[0].is_sent


def test_a_part_that_comet_fails_on_is_noticed_though_the_connection_holds(comet):
    comet.broken_at = "batch/logger/experiment/parameter"
    run = start_run("half taken")
    run.log_parameter("shots", 8)
    run.log_metric("score", 0.5)
    with pytest.warns(UserWarning, match="did not get all of the run “half taken”"):
        run.end()
    (read,) = list_runs()
    assert (read.is_sent, read.parameters) == (False, {"shots": 8})


# --- comet upload --------------------------------------------------------------------------------------------


def make_archives(*names, size=8):
    for name in names:
        run = start_run(name, online=False)
        rows = make_report().rows[:size]
        log_report(run, Report(name, rows, "Tiny-1B (abc123), live", 1.0))
        run.end()


def test_comets_own_tool_sends_the_archives_and_they_are_not_sent_twice(comet):
    make_archives("one", "two")
    unsent = list_runs()
    assert [upload.problem for upload in upload_runs()] == ["", ""]
    for run in unsent:
        stored = comet.runs[run.key]
        assert stored.others["Name"] == run.name
        assert stored.parameters == run.parameters
        assert {name: values[-1][1] for name, values in stored.metrics.items() if name in run.metrics} == run.metrics
        assert stored.files == run.files
        assert sorted(stored.texts) == sorted(text.text for text in run.texts)
    assert [run.is_sent for run in list_runs()] == [True, True]
    num_requests = len(comet.paths)
    assert upload_runs() == []
    assert len(comet.paths) == num_requests


def test_a_key_refused_while_sending_leaves_all_archives_where_they_are(comet, monkeypatch):
    make_archives("kept")
    monkeypatch.setenv("COMET_API_KEY", BAD_KEY)
    with pytest.raises(KeyRefused, match="nothing was sent") as caught:
        upload_runs()
    assert BAD_KEY not in str(caught.value)
    assert [(run.name, run.is_sent) for run in list_runs()] == [("kept", False)]


def test_a_connection_cut_while_sending_is_told_and_the_same_call_goes_on_later(comet):
    make_archives("interrupted", size=2)
    comet.cut_at = "batch/logger/experiment/parameter"
    (upload,) = upload_runs()
    assert upload.problem != ""
    assert GOOD_KEY not in upload.problem
    assert not list_runs()[0].is_sent
    comet.cut_at, comet.is_cut = "", False
    (upload,) = upload_runs()
    assert upload.problem == ""
    (read,) = list_runs()
    stored = comet.runs[read.key]
    assert read.is_sent
    assert stored.num_starts == 2
    assert stored.parameters == read.parameters
    assert stored.files == read.files


def test_an_archive_of_which_comet_fails_on_a_part_does_not_count_as_sent(comet):
    make_archives("half taken", size=2)
    comet.broken_at = "batch/logger/experiment/parameter"
    (upload,) = upload_runs()
    assert upload.problem != ""
    assert not list_runs()[0].is_sent
    comet.broken_at = ""
    assert [upload.problem for upload in upload_runs()] == [""]
    (read,) = list_runs()
    assert comet.runs[read.key].parameters == read.parameters


def test_a_damaged_archive_does_not_keep_the_others_from_being_sent(comet):
    make_archives("good")
    (get_folder() / "0000.zip").write_bytes(b"PK\x03\x04 not a zip at all, but longer than an empty one")
    uploads = {upload.file: upload.problem for upload in upload_runs()}
    assert uploads.pop("0000.zip") != ""
    assert list(uploads.values()) == [""]
    assert [(run.name, run.is_sent) for run in list_runs()] == [("good", True)]


def test_what_the_tool_says_is_split_by_archive(tmp_path):
    paths = [tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "c.zip"]
    said = (
        f"Attempting to upload {str(paths[0])!r}...\n Done!\nAttempting to upload {str(paths[1])!r}...\nCOMET ERROR: no"
    )
    parts = uploads._split_by_archive(said, paths)
    assert ["Done!" in part for part in parts] == [True, False, False]
    assert uploads._find_error(parts[1]) == "no"
    assert parts[2] == ""
