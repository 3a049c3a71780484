"""Archives are read as Comet wrote them; a bad one is told and hides no other; a run never ended is found."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from llmops_utils.core import ROOT, DataError
from llmops_utils.evaluation import Report, Row
from llmops_utils.tracking.archives import is_placeholder, mend_archive, rescue_runs, write_note
from llmops_utils.tracking.runs import (
    Run,
    Runs,
    Text,
    list_differing,
    list_runs,
    make_report_dict,
    read_run,
    restore_report,
    tabulate_runs,
)

KEY = "0123456789abcdef0123456789abcdef"
# An archive as comet_ml 3.58.8 writes it: what this course relies on, and nothing else, stands here in full.
ABOUT = {
    "offline_id": KEY,
    "project_name": "llmops-workbook",
    "start_time": 1795623485089,
    "stop_time": 1795623487976,
    "tags": ["intent"],
    "workspace": None,
    "resume_strategy": "get_or_create",
    "customer_error_reported": False,
    "customer_error_message": None,
    "user_provided_experiment_key": True,
    "comet_start_sourced": True,
}
MESSAGES = """\
{"payload":{"key":"offline_experiment","message_id":1,"value":true},"type":"log_other"}
{"payload":{"key":"Name","message_id":2,"value":"few shots"},"type":"log_other"}
{"payload":{"local_timestamp":1,"message_id":3,"param":{"paramName":"shots","paramValue":4,"source":"manual","step":null}},"type":"parameter_msg"}
{"payload":{"local_timestamp":1,"message_id":4,"param":{"paramName":"shots","paramValue":8,"source":"manual","step":null}},"type":"parameter_msg"}
{"payload":{"local_timestamp":1,"message_id":5,"param":{"paramName":"curr_step","paramValue":2,"source":"auto-logged","step":2}},"type":"parameter_msg"}
{"payload":{"local_timestamp":1,"message_id":6,"metric":{"epoch":null,"metricName":"score","metricValue":0.25,"step":null}},"type":"metric_msg"}
{"payload":{"local_timestamp":1,"message_id":7,"metric":{"epoch":null,"metricName":"score","metricValue":0.5,"step":2}},"type":"metric_msg"}
{"payload":{"local_timestamp":1,"message_id":8,"metric":{"epoch":null,"metricName":"odd","metricValue":"NaN","step":2}},"type":"metric_msg"}
{"payload":{"additional_params":{"assetId":"a","fileName":"auto-generated-in-the-backend","type":"text-sample"},"clean":true,"file_path":"tmpone","local_timestamp":1,"message_id":9,"metadata":{"kind":"prompt"},"upload_type":"text-sample"},"type":"file_upload"}
{"payload":{"additional_params":{"assetId":"b","extension":"csv","fileName":"rows.csv"},"clean":false,"file_path":"tmptwo","local_timestamp":1,"message_id":10,"metadata":{},"upload_type":"asset"},"type":"file_upload"}
{"payload":{"local_timestamp":1,"message_id":11,"metric":{"epoch":null,"metricName":"process duration","metricValue":2,"step":2}},"type":"metric_msg"}
"""
FILES = {"tmpone": "Grüße", "tmptwo": 'n,t\n1,"a,b"\n02,\n'}


def write(path, about=ABOUT, messages=MESSAGES, files=FILES):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("experiment.json", about if isinstance(about, str) else json.dumps(about))
        archive.writestr("messages.json", messages)
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "runs"


# --- the format ----------------------------------------------------------------------------------------------


def test_the_format_of_comets_archives_is_the_one_that_is_read(folder):
    run = read_run(write(folder / f"{KEY}-AbCdEf.zip"))
    assert (run.key, run.name, run.project, run.tags) == (KEY, "few shots", "llmops-workbook", ("intent",))
    assert (run.started_ms, run.duration_s, run.is_sent) == (1795623485089, 2.887, False)
    assert run.parameters == {"shots": 8}
    assert run.history["score"] == ((None, 0.25), (2, 0.5))
    assert run.metrics["score"] == 0.5
    assert sorted(run.metrics) == ["odd", "score"]
    assert run.metrics["odd"] != run.metrics["odd"]
    assert run.texts == (Text("Grüße", {"kind": "prompt"}),)
    assert run.files == {"rows.csv": FILES["tmptwo"].encode()}
    assert run.tables["rows.csv"].values.tolist() == [["1", "a,b"], ["02", ""]]


def test_an_archive_among_the_sent_is_a_run_that_comet_has(folder):
    write(folder / "sent" / f"{KEY}-AbCdEf.zip")
    assert [run.is_sent for run in list_runs(folder)] == [True]


def test_a_run_without_a_name_goes_by_its_key(folder):
    run = read_run(write(folder / "a.zip", messages="", files={}))
    assert (run.name, run.parameters, run.metrics, run.texts, run.files) == (KEY, {}, {}, (), {})


def test_messages_of_kinds_that_are_not_read_do_no_harm(folder):
    extra = '{"payload":{"message_id":12,"stdout":"hello"},"type":"stdout_msg"}\n'
    assert read_run(write(folder / "a.zip", messages=MESSAGES + extra)).parameters == {"shots": 8}


def test_runs_come_in_the_order_of_their_start_whatever_their_files_are_called(folder):
    for name, start in (("c", 100), ("a", 300), ("b", 200)):
        write(folder / f"{name}.zip", ABOUT | {"start_time": start, "stop_time": start + 1, "offline_id": name})
    assert [run.key for run in list_runs(folder)] == ["c", "b", "a"]


def test_runs_can_be_listed_by_project_and_the_latest_of_each_name_kept(folder, tmp_path):
    for key, project, start in (("a", "ours", 1), ("b", "theirs", 2), ("c", "ours", 3)):
        write(folder / f"{key}.zip", ABOUT | {"offline_id": key, "project_name": project, "start_time": start})
    write_note(folder, "d", "open elsewhere", "theirs", str(tmp_path))
    zipfile.ZipFile(folder / "d-AbCdEf.zip", "w").close()
    runs = list_runs(folder, project="ours")
    assert [run.key for run in runs] == ["a", "c"]
    assert [run.key for run in runs.keep_latest()] == ["c"]
    assert runs.problems == ()
    assert [problem.where for problem in list_runs(folder, project="theirs").problems] == ["open elsewhere"]


def test_a_folder_that_is_not_there_holds_no_runs(folder):
    assert len(list_runs(folder)) == 0
    assert list_runs(folder).problems == ()


# --- bad archives --------------------------------------------------------------------------------------------


def cut(path):
    path.write_bytes(path.read_bytes()[:-60])


def flip(path):
    content = bytearray(path.read_bytes())
    place = content.find(b"offline_experiment")
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))


DAMAGES = {
    "cut off": cut,
    "one byte changed": flip,
    "no zip": lambda path: path.write_text("hello, I am a text that is called zip"),
    "empty file": lambda path: path.write_bytes(b""),
    "foreign zip": lambda path: zipfile.ZipFile(path, "w").writestr("holiday.txt", "sun"),
    "about is no JSON": lambda path: write(path, about="{"),
    "about lacks the key": lambda path: write(path, about={"project_name": "x"}),
    "about is a list": lambda path: write(path, about="[1]"),
    "half a message": lambda path: write(path, messages=MESSAGES[:-30]),
    "a message of another shape": lambda path: write(path, messages='{"type":"metric_msg","payload":{}}\n'),
    "a message that is a list": lambda path: write(path, messages="[]\n"),
    "a file that is not there": lambda path: write(path, files={"tmpone": "x"}),
    "messages that are no UTF-8": lambda path: write(path, messages=b"\xff\xfe{"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_bad_archive_is_told_and_does_not_hide_the_others(damage, folder):
    write(folder / "good one.zip")
    damage(write(folder / "bad.zip"))
    write(
        folder / "later.zip", ABOUT | {"start_time": ABOUT["start_time"] + 5000, "stop_time": ABOUT["stop_time"] + 5000}
    )
    runs = list_runs(folder)
    assert [run.path.name for run in runs] == ["good one.zip", "later.zip"]
    (problem,) = runs.problems
    assert problem.where == "bad.zip"
    assert problem.problem.startswith("bad.zip ")
    assert problem.next_step != ""
    assert "bad.zip" in repr(runs)
    with pytest.raises(DataError, match=r"bad\.zip"):
        read_run(folder / "bad.zip")


def test_an_archive_that_is_not_there_is_a_clear_error(folder):
    with pytest.raises(DataError, match=r"There is no archive gone\.zip"):
        read_run(folder / "gone.zip")


def test_a_run_is_found_by_its_name_and_a_wrong_name_tells_the_right_ones(folder):
    write(folder / "a.zip")
    assert list_runs(folder).find("few shots").key == KEY
    with pytest.raises(DataError, match="There is: few shots"):
        list_runs(folder).find("few shot")


@pytest.mark.parametrize("content", ["{", '{"rows": []}', '{"rows": [{"no": 1}], "name": "x"}'])
def test_a_broken_report_in_a_good_archive_is_a_clear_error(content, folder):
    messages = MESSAGES.replace("rows.csv", "report.json")
    run = read_run(write(folder / "a.zip", messages=messages, files={"tmpone": "x", "tmptwo": content}))
    with pytest.raises(DataError, match="Log the run again"):
        _ = run.report


def test_a_report_survives_json_and_odd_predictions_become_text():
    row = Row("a", "in", "out", {"label": ["x", 1, None]}, 0.5, trace=[{"k": 1}], cost_usd=None)
    report = Report("r", (row, replace(row, id="b", prediction=object)), "m (x), live", 1.5, 1)
    read = restore_report(json.loads(json.dumps(make_report_dict(report))))
    assert read.rows[0] == row
    assert read.rows[1].prediction == "<class 'object'>"
    assert (read.name, read.provenance, read.duration_s, read.num_resumed) == ("r", "m (x), live", 1.5, 1)


def test_an_archive_of_an_online_run_is_marked_as_one_to_go_on_with_and_else_unchanged(folder):
    path = write(folder / "a.zip", ABOUT | {"resume_strategy": "create"}, MESSAGES.replace('"NaN"', "1.0"))
    before = read_run(path)
    mend_archive(path)
    assert read_run(path) == before
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("experiment.json")) == ABOUT
    (folder / "bad.zip").write_bytes(b"PK no zip")
    mend_archive(folder / "bad.zip")
    assert (folder / "bad.zip").read_bytes() == b"PK no zip"


# --- never ended ---------------------------------------------------------------------------------------------


FORGOTTEN = """
import os, sys, time
from pathlib import Path
from llmops_utils.tracking.experiment import start_run
run = start_run("forgotten")
run.log_parameter("shots", 8)
run.log_metric("score", 0.5)
run.log_text("hello")
messages = Path(run.tmpdir) / "messages.json"
for _ in range(200):
    if messages.is_file() and b"text-sample" in messages.read_bytes():
        break
    time.sleep(0.05)
with messages.open("a") as file:
    file.write('{"payload":{"half')
os._exit(1)
"""


def test_a_run_whose_process_died_is_found_and_rescued_with_what_it_had_logged(tmp_path, folder):
    environment = os.environ | {"LLMOPS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", FORGOTTEN], cwd=ROOT, env=environment, timeout=120, check=False)
    assert done.returncode == 1
    write(folder / "good.zip")
    runs = list_runs(folder)
    assert [run.name for run in runs] == ["few shots"]
    (problem,) = runs.problems
    assert problem.where == "forgotten"
    assert "never ended" in problem.problem
    assert "rescue_runs()" in problem.next_step
    (path,) = rescue_runs(folder)
    rescued = read_run(path)
    assert (rescued.name, rescued.tags) == ("forgotten", ("rescued",))
    assert (rescued.parameters, rescued.metrics) == ({"shots": 8}, {"score": 0.5})
    assert rescued.texts == (Text("hello"),)
    assert list_runs(folder).problems == ()
    assert sorted(run.name for run in list_runs(folder)) == ["few shots", "forgotten"]
    assert rescue_runs(folder) == []


def test_a_run_that_is_still_open_here_is_told_and_not_rescued(folder, tmp_path):
    write_note(folder, KEY, "open run", "p", str(tmp_path))
    (problem,) = list_runs(folder).problems
    assert (problem.where, "still open in this notebook" in problem.next_step) == ("open run", True)
    assert rescue_runs(folder) == []
    write(folder / f"{KEY}-AbCdEf.zip")
    assert list_runs(folder).problems == ()


def test_a_placeholder_without_a_note_is_a_run_that_was_never_ended(folder):
    folder.mkdir()
    path = folder / f"{KEY}-AbCdEf.zip"
    zipfile.ZipFile(path, "w").close()
    assert is_placeholder(path)
    assert "never ended" in list_runs(folder).problems[0].problem
    with pytest.raises(DataError, match="never ended"):
        read_run(path)


def test_half_a_note_does_no_harm(folder):
    write(folder / "a.zip")
    (folder / "open").mkdir()
    (folder / "open" / "x.json").write_text('{"key": "x", "na')
    assert list_runs(folder).problems == ()


# --- the table -----------------------------------------------------------------------------------------------


def make_run(name, parameters, metrics):
    return Run(name, name, "p", 0, 1.0, (), False, parameters, metrics, {}, (), {}, None)


def test_the_table_shows_the_parameters_in_which_runs_differ_and_all_metrics():
    runs = [
        make_run("a", {"model": "m", "shots": 0}, {"score": 0.5}),
        make_run("b", {"model": "m", "shots": 8, "note": "x"}, {"score": 0.75, "tokens": 9}),
    ]
    assert list_differing(runs) == ["shots", "note"]
    table = tabulate_runs(Runs(tuple(runs)))
    assert table.columns.tolist() == ["run", "shots", "note", "score", "tokens"]
    assert table.fillna(-1).values.tolist() == [["a", 0, "", 0.5, -1], ["b", 8, "x", 0.75, 9]]
    assert tabulate_runs(runs, ["model"], ["score"]).columns.tolist() == ["run", "model", "score"]


def test_one_and_the_same_value_of_two_types_counts_as_a_difference():
    runs = [make_run("a", {"shots": 8}, {}), make_run("b", {"shots": "8"}, {})]
    assert list_differing(runs) == ["shots"]
