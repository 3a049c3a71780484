"""Claims about recordings: how an answer is found again, what the modes do, and what the file is worth."""

import dataclasses
import gzip
import json
import subprocess
import sys

import pytest

from llmops_utils.core import DataError, Settings
from llmops_utils.models.recording import Recorder, Recording, Recordings, hash_key, make_key

PATH = "/v1/chat/completions"
SOURCE = "weights sha256:00"
MESSAGES = [{"role": "user", "content": "Say hello."}]
BODY = {"model": "tiny", "messages": MESSAGES, "temperature": 0}
REQUEST = {"method": "POST", "path": PATH, "body": BODY}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "recordings" / "01_basics.jsonl"


def make_recording(text="Hello.", body=BODY, **changes):
    response = {"status": 200, "body": {"text": text}}
    recording = Recording(REQUEST | {"body": body}, response, 0.25, SOURCE, "2026-01-02")
    return dataclasses.replace(recording, **changes)


def read_lines(path):
    """The lines of what is packed, or of what is not packed yet."""
    packed = path.with_name(f"{path.name}.gz")
    content = gzip.decompress(packed.read_bytes()) if packed.exists() else b""
    content += path.read_bytes() if path.exists() else b""
    return content.decode().split("\n")[:-1]


def read_text(recording):
    return recording.response["body"]["text"]


def test_the_key_is_the_same_for_the_same_meaning_and_another_for_another_request():
    turned = {"temperature": 0.0, "messages": [{"content": "Say hello.", "role": "user"}], "model": "tiny"}
    assert make_key("POST", PATH, turned) == make_key("POST", PATH, BODY)
    changes = ({}, {"model": "other"}, {"temperature": 1}, {"messages": MESSAGES * 2}, {"seed": None})
    keys = [make_key("POST", PATH, BODY | change) for change in changes]
    keys += [make_key("GET", PATH, BODY), make_key("POST", "/v1/completions", BODY), make_key("POST", PATH, None)]
    assert len(set(keys)) == len(keys)


# The modes: recording there or not, what is given back, whether the model is asked, what is in the file then


@pytest.mark.parametrize(
    ("mode", "is_there", "answer", "num_asked", "stored"),
    [
        ("replay", True, "old", 0, ["old"]),
        ("replay", False, None, 0, []),
        ("auto", True, "old", 0, ["old"]),
        ("auto", False, "new", 1, []),
        ("fill", True, "old", 0, ["old"]),
        ("fill", False, "new", 1, ["new"]),
        ("record", True, "new", 1, ["old", "new"]),
        ("record", False, "new", 1, ["new"]),
        ("live", True, "new", 3, ["old"]),
        ("live", False, "new", 3, []),
    ],
)
def test_the_table_of_modes(path, mode, is_there, answer, num_asked, stored):
    """Three calls in one session; where nothing is stored, a call without a recording asks each time."""
    if is_there:
        Recordings(path).add(make_recording("old"))
    recorder, answers, asked = Recorder(Recordings(path), Settings(mode=mode), SOURCE), [], 0
    for _ in range(3):
        found = recorder.find(REQUEST)
        if found is None and recorder.settings.asks:
            asked += 1
            found = recorder.keep(REQUEST, {"status": 200, "body": {"text": "new"}}, 0.5)
        answers.append(found and read_text(found))
    assert answers == [answer] * 3
    assert recorder.settings.repeats == (mode in ("replay", "fill", "record"))
    assert asked == (3 if mode == "auto" and not is_there else num_asked)
    assert [json.loads(line)["response"]["body"]["text"] for line in read_lines(path)] == stored


def test_live_looks_into_no_file_but_for_what_takes_too_long_to_repeat(path):
    path.parent.mkdir()
    path.write_text("this is no recording\n", encoding="utf-8")
    recorder = Recorder(Recordings(path), Settings(mode="live"), "here")
    assert recorder.find(REQUEST) is None
    recorder.keep(REQUEST, {"status": 200, "body": 1}, 0.1)
    assert path.read_text(encoding="utf-8") == "this is no recording\n"
    path.unlink()
    Recordings(path).add(make_recording())
    for mode, found in (("live", make_recording()), ("record", None)):
        assert Recorder(Recordings(path), Settings(mode=mode), "here").find(REQUEST, in_live_too=True) == found


def test_the_used_log_notes_what_was_given_back_or_stored_without_its_text(path, tmp_path):
    Recordings(path).add(make_recording())
    log = tmp_path / "used.log"
    recorder = Recorder(Recordings(path), Settings(mode="fill", used_log=log), SOURCE)
    other = REQUEST | {"body": BODY | {"seed": 1}}
    recorder.find(REQUEST)
    recorder.find(other)
    recorder.keep(other, {"status": 200, "body": 1}, 0.1)
    keys = [make_key(**REQUEST), make_key(**other)]
    assert log.read_text(encoding="utf-8").split() == [hash_key(key) for key in keys]


GOOD = make_recording().to_line()
BAD_LINES = {
    "too deep": b'{"request": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    "merge conflict": b"<<<<<<< HEAD",
    "list": b"[]",
    "request is a text": GOOD.replace(GOOD[GOOD.index('{"method"') : GOOD.index(', "response"')], '"GET /"').encode(),
    "no body": GOOD.replace('"body": {"text"', '"text": {"text"').encode(),
    "latency is null": GOOD.replace('"latency_s": 0.25', '"latency_s": null').encode(),
    "not UTF-8": GOOD.replace("Hello", "Grüße").encode("latin-1"),
}


def test_a_broken_line_is_a_data_error_that_names_file_and_line_and_nothing_is_added(path):
    assert [len(Recordings(path)), Recordings(path).find("any")] == [0, None]
    path.parent.mkdir()
    for name, line in BAD_LINES.items():
        content = GOOD.encode() + b"\n" + line + b"\n" + GOOD.encode() + b"\n"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"01_basics\.jsonl, line 2, is not a recording") as caught:
            Recordings(path).add(make_recording())
        assert "git checkout" in caught.value.next_step, name
        assert path.read_bytes() == content


@pytest.mark.filterwarnings("ignore:.*half a recording")
def test_half_a_line_costs_its_own_answer_and_the_next_begins_anew(path):
    Recordings(path).add(make_recording("Grüße"))
    whole = path.read_bytes()
    for cut in (1, whole.index("ü".encode()) + 1, len(whole) - 2):
        Recordings(path).packed.unlink(missing_ok=True)
        path.write_bytes(whole + whole[:cut] + b"\n\n" + whole[:cut])
        with pytest.warns(UserWarning, match="line 2, is half a recording"):
            assert len(Recordings(path)) == 1
        recordings = Recordings(path)
        recordings.add(make_recording("next", BODY | {"seed": 1}))
        assert [read_text(one) for one in Recordings(path)] == ["Grüße", "next"], cut
        assert recordings.tidy(keep_all) == 0
        assert len(read_lines(path)) == 2


def test_two_recorders_of_which_one_is_killed_while_one_tidies_lose_nothing(path):
    code = """
import itertools, sys
from pathlib import Path
from llmops_utils.models.recording import Recording, Recordings
recordings = Recordings(Path(sys.argv[1]))
for number in itertools.count():
    request = {"method": "POST", "path": "/v1/completions", "body": {"prompt": str(number) + "x" * 20_000}}
    recordings.add(Recording(request, {"status": 200, "body": {}}, 0.1, "s", "2026-01-02"))
    print(number, flush=True)
"""
    other = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    other.stdout.readline()
    recordings = Recordings(path)
    for number in range(20):
        recordings.add(make_recording(str(number), {"seed": number}))
        if number % 5 == 0:
            recordings.tidy(keep_all)
    other.kill()
    said = {0, *map(int, other.communicate(timeout=60)[0].split())}
    stored = [one.request["body"] for one in Recordings(path)]
    assert {body["seed"] for body in stored if "seed" in body} == set(range(20))
    assert said <= {int(body["prompt"].rstrip("x")) for body in stored if "prompt" in body}


def test_another_source_gets_its_own_answer_in_auto_and_fill_but_not_in_replay(path):
    Recordings(path).add(make_recording())
    for mode, found in (("auto", None), ("fill", None), ("replay", make_recording())):
        assert Recorder(Recordings(path), Settings(mode=mode), "api.example").find(REQUEST) == found
    Recorder(Recordings(path), Settings(mode="fill"), "api.example").keep(REQUEST, make_recording().response, 1)
    assert Recorder(Recordings(path), Settings(mode="fill"), "api.example").find(REQUEST).source == "api.example"


def test_a_recording_survives_its_line_and_the_last_answer_counts(path):
    recordings = Recordings(path)
    body = {"input": [0.1, 1e-300, -0.0, 12345678901234567890]}
    for text in ("one\rGrüße", "two"):
        recordings.add(make_recording(text, body))
        assert list(Recordings(path)) == list(recordings) == [make_recording(text, body)]
    assert b"\r" not in path.read_bytes()
    assert "Grüße" in path.read_text(encoding="utf-8")
    assert [make_recording(body=body).model for body in (BODY, {"prompt": "x"}, None)] == ["tiny", "", ""]


BODIES = [{"model": model, "prompt": prompt} for model in ("b", "a") for prompt in ("2", "1", "3")]


def keep_all(recording):
    return True


def test_tidy_sorts_drops_what_keep_refuses_and_leaves_one_line_per_request_and_nothing_else(path):
    ordered = sorted(BODIES, key=lambda body: (body["model"], body["prompt"]))
    lines = [make_recording(body=body).to_line() for body in ordered]
    for bodies in (BODIES * 2, BODIES[::-1]):
        recordings = Recordings(path)
        for body in bodies:
            recordings.add(make_recording(body=body))
        for _ in range(2):
            assert Recordings(path).tidy(keep_all) == 0
            assert read_lines(path) == lines
    assert recordings.tidy(lambda recording: recording.request["body"]["prompt"] != "2") == 2
    assert list(recordings) == list(Recordings(path))
    assert read_lines(path) == [line for line in lines if '"prompt": "2"' not in line]
    assert {found.name for found in path.parent.iterdir()} == {"01_basics.jsonl.gz", ".01_basics.jsonl.lock"}


def test_what_is_packed_already_stays_to_the_byte(path):
    recordings = Recordings(path)
    recordings.add(make_recording())
    recordings.tidy(keep_all)
    other = gzip.compress(gzip.decompress(recordings.packed.read_bytes()), 1)  # as another zlib would pack it
    recordings.packed.write_bytes(other)
    assert Recordings(path).tidy(keep_all) == 0
    assert recordings.packed.read_bytes() == other


def test_who_reads_while_another_tidies_misses_nothing(path, monkeypatch):
    Recordings(path).add(make_recording())
    unpack = Recordings._unpack

    def tidy_first(self):
        monkeypatch.undo()
        Recordings(path).tidy(keep_all)
        return unpack(self)

    monkeypatch.setattr(Recordings, "_unpack", tidy_first)
    assert list(Recordings(path)) == [make_recording()]


def test_a_damaged_or_endless_packed_file_is_a_data_error_and_is_not_unpacked_whole(path, monkeypatch):
    recordings = Recordings(path)
    recordings.add(make_recording())
    recordings.tidy(keep_all)
    whole = recordings.packed.read_bytes()
    for content in (whole[:-9], b"no gzip" + whole, whole[:20] + b"\0" * 20 + whole[40:]):
        recordings.packed.write_bytes(content)
        with pytest.raises(DataError, match=r"01_basics\.jsonl\.gz is damaged"):
            Recordings(path).add(make_recording())
        assert not path.exists()
    monkeypatch.setattr("llmops_utils.models.recording.MOST_BYTES", 1000)
    recordings.packed.write_bytes(gzip.compress(b"\n" * 100_000))
    with pytest.raises(DataError, match="holds more than 1,000 bytes"):
        len(Recordings(path))
