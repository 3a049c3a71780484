"""A run needs no connection without a key; with one it is sent to a stand-in for Comet's service, whole or later."""

import builtins
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
import zipfile

import pytest
from fake_comet import GOOD_KEY, FakeComet

from llmops_utils.core import ROOT, DataError, KeyMissing, KeyRefused, SettingsError, Unreachable
from llmops_utils.core.errors import KeyMalformed
from llmops_utils.evaluation import Report, Row
from llmops_utils.prompts import load_prompt
from llmops_utils.tracking import get_folder, list_runs, log_report, start_run, upload_runs
from llmops_utils.tracking.experiment import find_comet_key

BAD_KEY = "refusedcometkey9876543"
REPORT = Report(
    "two", tuple(Row(f"m{i}", "Grüße", "repair", "repair", float(i)) for i in (0, 1)), "Tiny-1B (a), live", 1.0
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Two archives that were never sent, made once."""
    home = tmp_path_factory.mktemp("archives")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOPS_HOME", str(home))
        for name in ("one", "two"):
            run = start_run(name)
            log_report(run, REPORT)
            run.end()
    return home / "runs"


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


def test_tags_are_what_people_mean_and_hold_no_key_as_name_and_project_do(monkeypatch):
    key = "abc'def\"ghi\\jkl 0"
    monkeypatch.setenv("AZURE_OPENAI_KEY", f"  {key} ")
    for given, wanted in (("shots", ("shots",)), (["a", "", "  ", "b"], ("a", "b")), ((8, key), ("8", "[key]"))):
        run = start_run(f"with {key} and half \ud83d", project=f"p {key}", tags=given)
        run.end()
        (read,) = (one for one in list_runs() if one.key == run.get_key())
        assert sorted(read.tags) == sorted(wanted)
        assert (read.name, read.project) == ("with [key] and half \ufffd", "p [key]")
        with zipfile.ZipFile(read.path) as archive:
            assert key.encode() not in b"".join(map(archive.read, archive.namelist()))


def test_settings_of_comet_that_stop_it_are_named_without_what_they_hold(monkeypatch):
    monkeypatch.setenv("COMET_AUTO_LOG_DISABLE", "1")
    with pytest.raises(SettingsError, match="switched off by COMET_AUTO_LOG_DISABLE"):
        start_run("x")

    def fail(name, *rest, real=builtins.__import__):
        if name == "comet_ml":  # as it does at its import where a file .comet.config is malformed
            raise ValueError("[comet\napi_key=verysecretvalue123")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)
    with pytest.raises(SettingsError) as caught:
        start_run("x")
    assert caught.value.problem == "comet_ml does not start (ValueError)."
    assert (caught.value.__suppress_context__, "verysecret" in str(caught.value)) == (True, False)


def test_a_run_needs_a_name_and_a_folder_that_can_be_made_and_is_offline_in_replay_even_with_a_key(home, monkeypatch):
    monkeypatch.setenv("COMET_API_KEY", GOOD_KEY)
    run = start_run("replayed")
    run.end()
    assert type(run).__name__ == "OfflineExperiment"
    for name in ("", "   ", None):
        with pytest.raises(DataError, match="needs a name"):
            start_run(name)
    (home / "file").write_text("x")
    monkeypatch.setenv("LLMOPS_HOME", str(home / "file"))
    with pytest.raises(DataError, match="cannot be written"):
        start_run("x")


def test_a_key_that_is_missing_or_cannot_be_one_is_found_before_anything_is_sent(monkeypatch):
    with pytest.raises(KeyMissing, match="COMET_API_KEY"):
        upload_runs()
    for key in ("'goodcometkey0123456789'", "good comet key", "your-comet-key"):
        monkeypatch.setenv("COMET_API_KEY", key)
        with pytest.raises(KeyMalformed) as caught:
            find_comet_key()
        assert key.strip("'") not in str(caught.value)
    monkeypatch.setenv("COMET_API_KEY", f" {GOOD_KEY}\n")
    assert find_comet_key() == GOOD_KEY


WATCHED = """
import json, socket, sys
LEAVING = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname")
events = []
sys.addaudithook(lambda event, arguments: events.append(event) if event in LEAVING else None)
from llmops_utils.evaluation import Report, Row
from llmops_utils.tracking import log_report, start_run
run = start_run("watched")
rows = tuple(Row(f"m{i}", "text", "repair", "repair", 1.0, trace=[{}]) for i in range(30))
log_report(run, Report("r", rows, "tiny (a), replay", 1.0))
run.end()
offline = list(events)
socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(json.dumps([offline, events]))
"""


def test_an_offline_run_opens_no_connection_and_the_watch_would_notice_one():
    environment = {name: value for name, value in os.environ.items() if name != "WORKBOOK_GUARD"}
    with FakeComet() as fake:
        command = [sys.executable, "-c", WATCHED, fake.root.rpartition(":")[2]]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    offline, all_events = json.loads(done.stdout)
    assert offline == []
    assert "socket.connect" in all_events
    assert [run.name for run in list_runs()] == ["watched"]


def check_stored(stored, run):
    """Check that Comet got all that was logged in a run."""
    assert (stored.others["Name"], stored.parameters, stored.files) == (run.name, run.parameters, run.files)
    assert {name: values[-1][1] for name, values in stored.metrics.items() if name in run.metrics} == run.metrics
    assert set(stored.texts) == {text.text for text in run.texts}  # what was cut off may come twice


def test_an_online_run_sends_all_and_keeps_its_archive_among_the_sent(comet):
    run = start_run("online", tags=["intent"])
    assert type(run).__name__ == "Experiment"
    run.log_parameter("shots", 7)  # of a parameter only the last value has to arrive
    log_report(run, REPORT, prompt=load_prompt("classify_intent"), parameters={"shots": 8})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.end()
    (read,) = list_runs()
    (stored,) = comet.runs.values()
    assert read.is_sent
    assert (stored.project, stored.tags, read.report) == ("llmops-workbook", ["intent"], REPORT)
    check_stored(stored, read)
    assert comet.keys == {GOOD_KEY}
    num_requests = len(comet.paths)
    assert upload_runs() == []
    assert len(comet.paths) == num_requests


def test_a_refused_key_is_a_clear_error_and_is_printed_nowhere(comet, archives, monkeypatch, capfd, caplog, home):
    shutil.copytree(archives, get_folder())
    monkeypatch.setenv("COMET_API_KEY", BAD_KEY)
    for call in (lambda: start_run("refused"), upload_runs):
        with pytest.raises(KeyRefused, match="does not accept the key in COMET_API_KEY; nothing was sent") as caught:
            call()
        assert BAD_KEY not in str(caught.value) + "".join(capfd.readouterr()) + caplog.text
    assert BAD_KEY.encode() not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert comet.runs == {}
    assert [run.is_sent for run in list_runs()] == [False, False]


def test_no_way_to_comet_is_an_error_before_anything_is_logged(comet):
    comet.is_cut = True
    with pytest.raises(Unreachable, match="Unset COMET_API_KEY"):
        start_run("no network")
    assert len(list_runs()) == 0


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
    assert upload_runs() == []
    assert list(comet.runs) == [read.key]
    check_stored(stored, read)
    assert list_runs()[0].is_sent


def test_archives_are_sent_and_not_sent_twice_and_a_damaged_one_keeps_none_back(comet, archives):
    shutil.copytree(archives, get_folder())
    damaged = get_folder() / "0000.zip"
    damaged.write_bytes(b"PK\x03\x04 not a zip at all, but longer than an empty one")
    os.mkfifo(get_folder() / "pipe.zip")
    (get_folder() / "link.zip").symlink_to("nothing")
    with zipfile.ZipFile(get_folder() / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("experiment.json", "0" * 100_000_000)
    unsent = list_runs()
    told = {fault.where: fault.problem for fault in upload_runs()}
    assert (told["0000.zip"], "more than 40,000,000 bytes" in told["bomb.zip"]) == ("0000.zip is damaged.", True)
    assert list(told) == ["0000.zip", "bomb.zip", "link.zip", "pipe.zip"]
    for run in unsent:
        check_stored(comet.runs[run.key], run)
    assert [run.is_sent for run in list_runs()] == [True, True]
    num_requests = len(comet.paths)
    assert len(upload_runs()) == 4
    assert len(comet.paths) == num_requests


@pytest.mark.parametrize("failure", ["cut_at", "broken_at"])  # no connection, or Comet fails on a part
def test_what_fails_while_sending_is_told_and_the_same_call_goes_on_later(failure, comet, archives):
    shutil.copytree(archives, get_folder())
    setattr(comet, failure, "batch/logger/experiment/parameter")
    faults = upload_runs()
    assert [fault.problem != "" and GOOD_KEY not in fault.problem for fault in faults] == [True, True]
    assert [run.is_sent for run in list_runs()] == [False, False]
    setattr(comet, failure, "")
    comet.is_cut = False
    late = upload_runs()  # a thread of comet_ml may only now give up a file of the call before
    assert late == [] or upload_runs() == []
    assert [run.is_sent for run in list_runs()] == [True, True]
    for run in list_runs():
        check_stored(comet.runs[run.key], run)
