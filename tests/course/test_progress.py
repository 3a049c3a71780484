"""Claims about the learner's progress: dates stay, nothing is lost, and no damage spreads."""

import contextlib
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmops_utils.core import ROOT, WorkbookError
from llmops_utils.course.progress import Progress

TODAY = datetime.date.today().isoformat()
OLD = {"01.1": "2025-01-31", "01.2": "2025-02-01"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "own" / "progress.json"


@pytest.fixture
def solved(path):
    """A progress with two exercises solved long ago."""
    path.parent.mkdir()
    path.write_text(json.dumps({"done": OLD}), encoding="utf-8")
    return Progress(path)


def list_names(path):
    """Return the names beside the file, without the lock, which may or may not stay."""
    return sorted(entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock"))


# Where it is kept


def test_the_file_is_in_the_learners_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    assert Progress().path == tmp_path / "progress.json"


def test_a_setting_names_another_file(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "else.json"))
    assert Progress().path == tmp_path / "else.json"


def test_the_argument_wins_over_the_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("LLMOPS_PROGRESS", str(tmp_path / "else.json"))
    assert Progress(tmp_path / "mine.json").path == tmp_path / "mine.json"


# Reading and marking


def test_without_a_file_nothing_is_solved_and_none_is_made(path):
    assert Progress(path).read() == {}
    assert not path.exists()
    assert not path.parent.exists()


def test_marking_notes_the_date_of_today(path):
    progress = Progress(path)
    progress.mark_done("01.1")
    assert progress.read() == {"01.1": TODAY}


def test_the_first_date_stays(solved):
    solved.mark_done("01.1")
    assert solved.read() == OLD


def test_another_object_reads_what_was_marked(solved, path):
    solved.mark_done("00.quiz")
    assert Progress(path).read() == OLD | {"00.quiz": TODAY}


def test_only_the_file_and_its_lock_stay_in_the_folder(solved, path):
    solved.mark_done("01.3")
    assert list_names(path) == ["progress.json"]


# Forgetting


def test_reset_forgets_one_exercise(solved):
    solved.reset("01.1")
    assert solved.read() == {"01.2": OLD["01.2"]}


def test_reset_of_an_unsolved_exercise_changes_nothing(solved):
    solved.reset("09.9")
    assert solved.read() == OLD


def test_reset_without_a_name_forgets_all(solved):
    solved.reset()
    assert solved.read() == {}


def test_after_a_reset_the_date_is_new(solved):
    solved.reset("01.1")
    solved.mark_done("01.1")
    assert solved.read()["01.1"] == TODAY


# Damage


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"done": {"01.1": "2025-01',
        b"[]",
        b"7",
        b'{"other": {}}',
        b'{"done": ["01.1"]}',
        b'{"done": null}',
        b"\xff\xfe\x00",
    ],
)
def test_a_damaged_file_is_put_aside_as_it_is(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    assert Progress(path).read() == {}
    assert list_names(path) == ["progress.damaged.json"]
    assert path.with_name("progress.damaged.json").read_bytes() == content


def test_marking_over_a_damaged_file_keeps_the_damaged_one(path):
    path.parent.mkdir()
    path.write_bytes(b"{broken")
    progress = Progress(path)
    progress.mark_done("01.1")
    assert progress.read() == {"01.1": TODAY}
    assert path.with_name("progress.damaged.json").read_bytes() == b"{broken"


def test_a_second_damaged_file_does_not_overwrite_the_first(path):
    path.parent.mkdir()
    for content in (b"{first", b"{second"):
        path.write_bytes(content)
        assert Progress(path).read() == {}
    kept = {entry.read_bytes() for entry in path.parent.iterdir()}
    assert {b"{first", b"{second"} <= kept


def test_a_file_that_cannot_be_read_just_now_is_not_taken_for_damaged(solved, path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(13, "in use by another process", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        with contextlib.suppress(OSError, WorkbookError):
            solved.read()
        with contextlib.suppress(OSError, WorkbookError):
            solved.mark_done("01.3")
    assert list_names(path) == ["progress.json"]
    assert OLD.items() <= solved.read().items()


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(WorkbookError) as caught:
        Progress(tmp_path / "file" / "progress.json").mark_done("01.1")
    assert "LLMOPS_" in caught.value.next_step


# Writing at once, and being interrupted


def test_a_failing_replace_leaves_the_old_file(solved, path, monkeypatch):
    before = path.read_bytes()

    def fail(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises((OSError, WorkbookError)):
            solved.mark_done("01.3")
    assert path.read_bytes() == before
    solved.mark_done("01.3")
    assert solved.read() == OLD | {"01.3": TODAY}


def test_a_failing_write_leaves_the_old_file(solved, path, monkeypatch):
    before = path.read_bytes()
    write = Path.write_text

    def write_half(self, text, *arguments, **options):
        write(self, text[: len(text) // 2], *arguments, **options)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write_half)
        with pytest.raises((OSError, WorkbookError)):
            solved.mark_done("01.3")
    assert path.read_bytes() == before
    assert solved.read() == OLD


MARK_MANY = """
import sys, time
from pathlib import Path
from llmops_utils.course.progress import Progress

folder, name, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
progress = Progress(folder / "progress.json")
(folder / f"ready-{name}").touch()
deadline = time.monotonic() + 20
while not (folder / f"ready-{other}").exists() and time.monotonic() < deadline:
    time.sleep(0.002)
for number in range(60):
    progress.mark_done(f"{name}.{number}")
"""


def test_two_processes_marking_at_once_lose_nothing(tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", MARK_MANY, str(tmp_path), *names], cwd=ROOT)
        for names in (("a", "b"), ("b", "a"))
    ]
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    done = Progress(tmp_path / "progress.json").read()
    assert sorted(done) == sorted(f"{name}.{number}" for name in "ab" for number in range(60))
    assert not (tmp_path / "progress.damaged.json").exists()
