"""Archives are read as Comet wrote them; a bad one is told and hides no other."""

import json
import os
import zipfile

import pytest

from llmops_utils.core import DataError
from llmops_utils.tracking import Run, Runs, get_folder, list_differing, list_runs, read_run, tabulate_runs
from llmops_utils.tracking import runs as archives
from llmops_utils.tracking.runs import Text

KEY = "0123456789abcdef0123456789abcdef"
# An archive as comet_ml 3.58.8 writes it: what this course relies on, and nothing else.
ABOUT = {
    "offline_id": KEY,
    "project_name": "llmops-workbook",
    "start_time": 1795623485089,
    "stop_time": 1795623487976,
    "tags": ["intent"],
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


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    return get_folder()


def test_the_format_of_comets_archives_is_the_one_that_is_read(folder):
    extra = '{"payload":{"message_id":12,"stdout":"hello"},"type":"stdout_msg"}\n'  # a kind that is not read
    run = read_run(write(folder / f"{KEY}-AbCdEf.zip", messages=MESSAGES + extra))
    assert (run.key, run.name, run.project, run.tags) == (KEY, "few shots", "llmops-workbook", ("intent",))
    assert (run.started_ms, run.duration_s, run.is_sent) == (1795623485089, 2.887, False)
    assert run.parameters == {"shots": 8}
    assert run.history["score"] == ((None, 0.25), (2, 0.5))
    assert run.metrics["score"] == 0.5
    assert sorted(run.metrics) == ["odd", "score"]
    assert run.metrics["odd"] != run.metrics["odd"]
    assert run.texts == (Text("Grüße", {"kind": "prompt"}),)
    assert run.files == {"rows.csv": FILES["tmptwo"].encode()}
    # Without a name it goes by its key, and among the sent it is sent.
    run = read_run(write(folder / "sent" / "a.zip", messages="", files={}))
    assert (run.name, run.is_sent) == (KEY, True)
    assert (run.parameters, run.metrics, run.texts, run.files) == ({}, {}, (), {})


def test_runs_come_in_the_order_of_their_start_and_can_be_listed_by_project(folder):
    assert len(list_runs()) == 0  # the folder is not there
    for name, project, start in (("c", "ours", 100), ("a", "ours", 300), ("b", "theirs", 200)):
        about = {"start_time": start, "stop_time": start + 1, "offline_id": name, "project_name": project}
        write(folder / f"{name}.zip", ABOUT | about)
    assert [run.key for run in list_runs()] == ["c", "b", "a"]
    assert [run.key for run in list_runs(project="ours")] == ["c", "a"]
    assert [run.key for run in list_runs(project="ours").keep_latest()] == ["a"]
    assert list_runs().find("few shots").key == "a"
    with pytest.raises(DataError, match="There is: few shots"):
        list_runs().find("few shot")


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
    "never ended": lambda path: zipfile.ZipFile(path, "w").close(),
    "no file": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("gone")),
    "a link without an end": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "deep about": lambda path: write(path, about="[" * 100_000),
    "deep message": lambda path: write(path, messages='{"a":' * 5000),
    "deep value": lambda path: write(path, messages=MESSAGES.replace('"few shots"', "[" * 900 + "]" * 900)),
    "long message": lambda path: write(path, messages=MESSAGES.replace("few shots", "x" * 2_000_000)),
    "long number": lambda path: write(path, messages=MESSAGES.replace("0.25", "9" * 5000)),
    "long time": lambda path: write(path, about=ABOUT | {"start_time": 10**30}),
    "huge when unpacked": lambda path: write(path, files=FILES | {"bomb": "0" * 3_000_001}),
    "many entries": lambda path: write(path, files=FILES | {f"f{number}": "" for number in range(101)}),
    "another packing": lambda path: zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA).writestr("x", "x" * 99),
}
DAMAGES |= {
    f"{field} = {value!r}": lambda path, field=field, value=value: write(path, about=ABOUT | {field: value})
    for field, values in {
        "offline_id": ({"a": 1}, ["a"], None, 5, "", "../../evil", "a/b", "x" * 65),
        "project_name": ({"a": 1}, 5),
        "start_time": (None, "soon", [1], float("nan"), 1e300, 10**400),
        "stop_time": ({}, None),
        "tags": (None, "intent", [["a"]], [1], {"a": 1}),
    }.items()
    for value in values
}
DAMAGES |= {
    f"{old} → {new}": lambda path, old=old, new=new: write(path, messages=MESSAGES.replace(old, new))
    for old, news in {
        '"paramName":"shots"': ('"paramName":{}', '"paramName":null'),
        '"metricName":"score"': ('"metricName":["a"]',),
        '"metricValue":0.25': ('"metricValue":null', '"metricValue":"high"', '"metricValue":[1]'),
        '"step":2': ('"step":"two"',),
        '"fileName":"rows.csv"': (
            '"fileName":"../../evil"', '"fileName":"/etc/evil"', r'"fileName":"a\\..\\evil"', '"fileName":"C:evil"',
            '"fileName":["a"]', r'"fileName":"a\u001bb"',
        ),
        '"metadata":{"kind":"prompt"}': ('"metadata":[1]',),
        '"file_path":"tmptwo"': ('"file_path":{}', '"file_path":"../../evil"'),
    }.items()
    for new in news
}  # fmt: skip


def test_a_bad_archive_is_told_and_does_not_hide_the_others(folder, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 3_000_000)
    monkeypatch.setattr(archives, "MOST_FILES", 100)
    write(folder / "good one.zip")
    wrong = {}
    for name, damage in DAMAGES.items():
        if (folder / "bad.zip").is_dir():
            (folder / "bad.zip").rmdir()
        (folder / "bad.zip").unlink(missing_ok=True)
        damage(write(folder / "bad.zip"))
        runs = list_runs(project="llmops-workbook")
        told = [(one.where, "bad.zip" in one.problem, one.next_step != "") for one in runs.problems]
        if [run.path.name for run in runs] != ["good one.zip"] or told != [("bad.zip", True, True)]:
            wrong[name] = runs
        with pytest.raises(DataError, match=r"bad\.zip"):
            read_run(folder / "bad.zip")
    assert wrong == {}
    with pytest.raises(DataError, match=r"There is no archive gone\.zip"):
        read_run(folder / "gone.zip")
    zipfile.ZipFile(folder / "bad.zip", "w").close()  # as comet_ml puts one down when a run begins
    assert "not readable: bad.zip: The run in bad.zip was never ended." in repr(list_runs())


def test_what_others_wrote_stays_on_its_line_and_can_be_written(folder):
    messages = MESSAGES.replace("few shots", r"good\n  another run\u001b[2J")
    messages = messages.replace('"paramValue":8', r'"paramValue":"\ud800"')
    messages += MESSAGES.splitlines(keepends=True)[8] * 2000  # of one text, which is held once in memory
    run = read_run(write(folder / "a.zip", about=ABOUT | {"tags": ["a\nb"]}, messages=messages))
    assert (len(run.texts), len({id(one.text) for one in run.texts})) == (2001, 1)
    assert (run.name, run.tags, run.parameters) == ("good   another run [2J", ("a b",), {"shots": "\ufffd"})


def test_a_broken_report_or_prompt_in_a_good_archive_is_a_clear_error(folder):
    row = '{"id": "a", "input": "b", "expected": "c", "prediction": 1, "score": 1}'
    report = f'{{"name": "x", "rows": [{row}], "provenance": "m", "duration_s": 1}}'
    bad = ["{", "[" * 100_000, "[]", "5", "null", '"x"', "9" * 5000, b"\xff"]
    changes = (('"b"', "5"), ('"score": 1', '"score": "high"'), (f"[{row}]", "{}"), (f"[{row}]", '[{"no": 1}]'))
    bad_reports = [*bad, '{"rows": []}', *(report.replace(old, new) for old, new in changes)]

    def read(name, content):
        messages = MESSAGES.replace("rows.csv", f"{name}.json")
        run = read_run(write(folder / "a.zip", messages=messages, files={"tmpone": "x", "tmptwo": content}))
        return getattr(run, name)

    assert read("report", report).rows[0].id == "a"
    for name, contents in {"report": bad_reports, "prompt": bad}.items():
        for content in contents:
            with pytest.raises(DataError) as caught:
                read(name, content)
            assert "Log the run again" in caught.value.next_step


def make_run(name, parameters, metrics):
    return Run(name, name, "p", 0, 1.0, (), False, parameters, metrics, {}, (), {}, None)


def test_the_table_leaves_empty_what_a_run_lacks_and_parameters_in_which_runs_differ_are_told():
    runs = [
        make_run("a", {"model": "m", "shots": 0}, {"score": 0.5}),
        make_run("b", {"model": "m", "shots": 8, "note": "x"}, {"score": 0.75, "tokens": 9}),
    ]
    assert list_differing(runs) == ["shots", "note"]
    table = tabulate_runs(Runs(tuple(runs)), ["shots", "note"], ["score", "tokens"])
    assert table.columns.tolist() == ["run", "shots", "note", "score", "tokens"]
    assert table.fillna(-1).values.tolist() == [["a", 0, "", 0.5, -1], ["b", 8, "x", 0.75, 9]]
    two_types = [make_run("a", {"shots": 8}, {}), make_run("b", {"shots": "8"}, {})]
    assert list_differing(two_types) == ["shots"]
