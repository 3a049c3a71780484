"""Claims about the lessons of a class: a student's changes stay, all else follows the course."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import publish_lessons

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
GITCONFIG = Path(__file__).parents[2] / "classroom" / "gitconfig"


def write(path, *sources):
    cells = [{"cell_type": "code", "source": one, "outputs": [], "metadata": {}} for one in sources]
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")


@pytest.fixture
def course(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("01_a", "02_b", "03_c"):
        write(folder / f"{name}.ipynb", "a = 1", "b = 2", "c = 3")
    return folder


def count_commits(folder):
    return int(subprocess.check_output(["git", "-C", folder, "rev-list", "--count", "HEAD"]))


def test_lessons_are_published_where_they_changed_and_only_there(course, tmp_path):
    published = tmp_path / "lessons"
    for _ in range(2):
        publish_lessons(course, published)
        assert count_commits(published) == 1
    write(course / "01_a.ipynb", "a = 10")
    (course / "02_b.ipynb").unlink()
    publish_lessons(course, published)
    assert count_commits(published) == 2
    assert sorted(one.name for one in published.glob("*.ipynb")) == ["01_a.ipynb", "03_c.ipynb"]
    assert "a = 10" in (published / "01_a.ipynb").read_text(encoding="utf-8")


def test_what_a_student_changed_stays_as_a_whole_and_new_lessons_and_corrections_arrive(course, tmp_path):
    puller = Path(sys.executable).with_name("gitpuller")
    if not puller.exists():
        pytest.skip("nbgitpuller is not installed; `make class-test` installs it")
    published, own = tmp_path / "lessons", tmp_path / "ana" / "llmops"
    own.parent.mkdir()
    environment = os.environ | {"GIT_CONFIG_GLOBAL": str(GITCONFIG), "NBGITPULLER_DEPTH": "0", "HOME": str(own.parent)}

    def pull():
        publish_lessons(course, published)
        subprocess.run([puller, f"file://{published}", "main", own], check=True, env=environment, capture_output=True)
        return {one.name: one.read_text(encoding="utf-8") for one in own.glob("*.ipynb")}

    assert len(pull()) == 3
    write(own / "01_a.ipynb", "a = 1", "b = 2", "c = 3", "mine = 4")
    (own / "mine.ipynb").write_text("{}", encoding="utf-8")
    (own / "progress.json").write_text("{}", encoding="utf-8")
    (own / "03_c.ipynb").unlink()
    mine = (own / "01_a.ipynb").read_text(encoding="utf-8")
    for number in range(2):  # the course corrects both cells that the student left alone, and other lessons
        write(course / "01_a.ipynb", f"a = {number}", "b = 2", "c = 3")
        write(course / "02_b.ipynb", f"b = {number}")
        write(course / f"04_{number}.ipynb", "new")
        found = pull()
        assert found["01_a.ipynb"] == mine
        assert f"b = {number}" in found["02_b.ipynb"]
        assert {"mine.ipynb", "03_c.ipynb", f"04_{number}.ipynb"} <= found.keys()
    assert (own / "progress.json").exists()
