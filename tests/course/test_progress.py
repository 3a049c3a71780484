"""Claims about the learner's progress: dates stay, nothing is lost, and no damage spreads."""

import datetime
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llmops_utils.core import DataError
from llmops_utils.course import Progress

TODAY = datetime.date.today().isoformat()
OLD = {"01.1": "2025-01-31", "01.2": "2025-02-01"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The learner's file, in a folder that is not there yet."""
    monkeypatch.delenv("LLMOPS_PROGRESS", raising=False)
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "own"))
    return tmp_path / "own" / "progress.json"


@pytest.fixture
def solved(path):
    """A progress with two exercises solved long ago."""
    write(path, json.dumps({"done": OLD}).encode())
    return Progress()


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def list_names(path):
    """Return the names beside the file, without the lock, which may or may not stay."""
    return sorted(entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock"))


def test_without_a_file_nothing_is_solved_and_none_is_made(path, tmp_path, monkeypatch):
    assert Progress().path == path
    assert Progress().read() == {}
    assert not path.parent.exists()
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "else.json"))
    assert Progress().path == tmp_path / "else.json"


def test_marking_notes_the_date_of_today_the_first_date_stays_and_reset_forgets_one(solved, path):
    solved.mark_done("01.1")
    solved.mark_done("00.quiz")
    solved.reset("09.9")
    assert Progress().read() == OLD | {"00.quiz": TODAY}
    solved.reset("01.1")
    assert solved.read() == {"01.2": OLD["01.2"], "00.quiz": TODAY}
    assert list_names(path) == ["progress.json"]


# Damage

DAMAGED = [
    b'{"done": {"01.1": "2025-01',
    b"[]",
    b'{"other": {}}',
    b'{"done": ["01.1"]}',
    b'{"done": null}',
    b'{"done": ' + b"[" * 100_000,
]


def test_damaged_files_are_put_aside_as_they_are_and_none_is_overwritten(path):
    for content in DAMAGED:
        write(path, content)
        assert Progress().read() == {}
        assert not path.exists()
    write(path, b"{broken")
    Progress().mark_done("01.1")
    assert Progress().read() == {"01.1": TODAY}
    kept = [entry.read_bytes() for entry in path.parent.glob("progress.damaged*.json")]
    assert sorted(kept) == sorted([*DAMAGED, b"{broken"])


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with a name")
def test_a_pipe_in_its_place_is_put_aside_too(path):
    path.parent.mkdir()
    os.mkfifo(path)
    Progress().mark_done("01.1")
    assert Progress().read() == {"01.1": TODAY}
    assert len(list_names(path)) == 2


def test_a_file_that_cannot_be_read_just_now_is_not_taken_for_damaged(solved, path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(13, "in use by another process", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        for call in (solved.read, lambda: solved.mark_done("01.3")):
            with pytest.raises(DataError, match="in use by another process"):
                call()
    assert list_names(path) == ["progress.json"]
    assert solved.read() == OLD


def test_a_place_that_cannot_be_written_says_what_to_do(path, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError) as caught:
        Progress().mark_done("01.1")
    assert "LLMOPS_HOME" in caught.value.next_step


def test_two_that_mark_at_once_lose_nothing(path):
    names = [f"{name}.{number}" for number in range(20) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: Progress().mark_done(name), names))
    assert sorted(Progress().read()) == sorted(names)
    assert list_names(path) == ["progress.json"]
