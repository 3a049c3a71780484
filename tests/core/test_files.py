"""Claims about files: whole or not at all, no line lost, one writer at a time."""

import json
import os
import subprocess
import sys

import pytest

from llmops_utils.core.errors import DataError
from llmops_utils.core.files import append_line, change_json, read_bytes, read_json, write_whole
from llmops_utils.core.gguf_file import GgufFile


def test_a_file_is_written_whole_and_a_failed_write_keeps_the_old_one_and_says_what_to_do(tmp_path, monkeypatch):
    path = tmp_path / "new" / "notes.txt"
    write_whole(path, b"older")
    write_whole(path, "old\n\u00fc\n")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmops_utils.core.files.os.replace", fail)
    with pytest.raises(DataError, match=r"notes.txt cannot be written \(No space left on device\)") as caught:
        write_whole(path, "new")
    assert "room on the disk" in caught.value.next_step
    assert path.read_bytes() == "old\n\u00fc\n".encode()
    assert list(path.parent.iterdir()) == [path]  # and no part


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_private_file_can_be_read_by_the_user_alone(tmp_path):
    write_whole(tmp_path / "whole", "x", is_private=True)
    append_line(tmp_path / "lines", "x", is_private=True)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_what_is_no_json_is_refused_with_its_name(tmp_path):
    path = tmp_path / "odd.json"
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    for content in (b"{", b"\xff\xfe", b"[" * 100_000, b"", deep, b"9" * 5000):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"odd\.json is not JSON"):
            read_json(path)
    path.write_bytes(b'{"a": 1,\n "b": }')
    with pytest.raises(DataError, match="line 2 column 7"):
        read_json(path)
    path.write_bytes(b'["\\ud83d\\u0000"]')
    assert read_json(path) == ["\ufffd"]
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(path) == [1]
    with pytest.raises(DataError, match=r"odd\.json has 0\.0 MB; the most is"):
        read_bytes(path, 2)
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path / "missing.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link", "."):
        for read in (read_json, GgufFile):
            with pytest.raises(DataError, match="is no regular file"):
                read(tmp_path / name)


def test_a_change_that_fails_or_meets_another_kind_of_value_writes_nothing(tmp_path):
    path = tmp_path / "state.json"
    with change_json(path, {}) as state:
        state["a"] = 1
    with pytest.raises(ZeroDivisionError), change_json(path, {}) as state:
        state["a"] = 1 / 0
    with pytest.raises(DataError, match="does not hold what belongs there"), change_json(path, []):
        pass
    assert read_json(path) == {"a": 1}


def test_a_line_after_half_a_line_begins_anew_half_a_character_is_a_mark_and_a_folder_that_is_none_is_named(tmp_path):
    path = tmp_path / "lines"
    append_line(path, "one")
    path.write_bytes(path.read_bytes() + b'{"ha')  # of a crash
    append_line(path, "twö")
    append_line(path, "half \ud83d")
    with change_json(tmp_path / "whole", []) as state:
        state.append("half \ud83d")
    assert path.read_text(encoding="utf-8").splitlines() == ["one", '{"ha', "twö", "half \ufffd"]
    assert read_json(tmp_path / "whole") == ["half \ufffd"]
    below = tmp_path / "whole" / "state.json"
    change = lambda path: change_json(path, {}).__enter__()  # noqa: E731
    for use in (lambda path: append_line(path, "x"), lambda path: write_whole(path, "x"), read_json, change):
        with pytest.raises(DataError, match=r"state\.json cannot be"):
            use(below)


def test_no_change_of_two_processes_is_lost(tmp_path):
    code = """
import sys
from pathlib import Path
from llmops_utils.core.files import change_json
for _ in range(20):
    with change_json(Path(sys.argv[1]), {"count": 0}) as state:
        state["count"] += 1
"""
    path = tmp_path / "count.json"
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert json.loads(path.read_text(encoding="utf-8")) == {"count": 40}
