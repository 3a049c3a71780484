"""Every command of README.md is run in a fresh clone, or is told why not: the quick ones here, the others by `make live`."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from llmops_utils.core import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = ("lab", "test", "doctor", "book", "demo")
# How each command is tried that is not a target of make: by the same thing on this system, or elsewhere.
OTHERWISE = {
    "py -3.12 start.py": "what `make lab` runs, by the launcher of Windows; CI runs start.py on three systems",
    "py -3.12 start.py test": "what `make test` runs; CI runs it in a fresh clone on three systems",
    "conda env create -f environment.yml": "test_environment.py installs its pip section as conda does (make environment)",
    "conda activate llmops-workbook": "conda's own; test_environment.py reads the name's file",
    "pip install --no-deps --no-build-isolation -e .": "what start.py does with uv after the packages",
    "python -m llmops_utils lab": "what `make lab` ends in",
    "python start.py doctor": "what `make doctor` runs",
    "git stash": "git's own",
}

needs_git = pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="needs the repository")
needs_make = pytest.mark.skipif(not shutil.which("make"), reason="needs make")


def list_commands():
    """Return the commands in README's blocks of code and in its lines, without their comments."""
    blocks = re.findall(r"^```\n(.+?)^```", README, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`((?:make|python|py|git|conda|pip) [^`]+)`", README)
    return [*filter(None, lines), *inline]


def clone(folder):
    """Clone what is committed, and return the folder."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    return folder


def make_environment(**settings):
    """Return the environment of somebody new: none of the tests' settings, no guard, a home of their own."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("LLMOPS_", "WORKBOOK_", "PYTHON"))}
    return kept | settings


def test_each_command_is_a_target_that_is_tried_or_says_how_else_it_is_tried():
    commands = list_commands()
    assert len(commands) > 10
    assert [one for one in commands if one.removeprefix("make ") not in TARGETS and one not in OTHERWISE] == []
    assert [one for one in OTHERWISE if one not in commands] == []
    assert [one for one in TARGETS if f"make {one}" not in commands] == []


def test_the_pages_of_the_readme_are_there_and_its_pictures_are_small_and_described():
    targets = re.findall(r"\]\(([^)#]+)\)", README) + re.findall(r'src="([^"]+)"', README)
    assert [target for target in targets if "://" not in target and not (ROOT / target).is_file()] == []
    pictures = [ROOT / source for source in re.findall(r'<img src="([^"]+)"', README)]
    assert 3 <= len(pictures) <= 5
    assert sum(path.stat().st_size for path in pictures) < 400_000
    assert all(len(text) > 40 for text in re.findall(r'alt="([^"]*)"', README))
    assert README.count('alt="') == len(pictures)


@needs_git
@needs_make
def test_a_fresh_clone_has_the_targets_and_all_that_the_doctor_and_a_lesson_plan_need(tmp_path):
    folder = clone(tmp_path / "course")
    environment = make_environment(LLMOPS_MODE="replay", LLMOPS_HOME=str(tmp_path / "home"))
    for target in TARGETS:
        subprocess.run(["make", "--dry-run", target], cwd=folder, env=environment, check=True, capture_output=True)
    told = subprocess.run([sys.executable, "book/make_plans.py", "06_2"], cwd=folder, capture_output=True, text=True)
    assert told.stdout.startswith("# Plan of 6.2"), told.stderr
    code = (
        "import llmops_utils, sys; sys.path[0] = ''; from llmops_utils.course import doctor; print(doctor.diagnose())"
    )
    asked = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert [line[:1] for line in asked.stdout.splitlines() if re.search("^. (Packages|JupyterLab)", line)] == ["✓", "✓"]


def wait_for_lab(process, log, seconds):
    """Wait until JupyterLab answers at its address with its token."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\S*\?token=\w+", log.read_text(encoding="utf-8"))
        if found:
            with urllib.request.urlopen(found[0], timeout=30) as page:
                assert page.status == 200
            return
        time.sleep(0.5)
    raise AssertionError(log.read_text(encoding="utf-8")[-3000:])


@pytest.mark.live
@needs_git
@needs_make
@pytest.mark.skipif(os.name == "nt", reason="make and its processes as on Linux and macOS")
def test_the_way_of_somebody_new_ends_in_an_answer_and_the_other_commands_run_in_a_fresh_clone(tmp_path):
    folder = clone(tmp_path / "course")
    environment = make_environment(LLMOPS_HOME=str(tmp_path / "home"), LLMOPS_NO_DOTENV="1")
    log = tmp_path / "lab.log"
    with log.open("w", encoding="utf-8") as file:
        command = ["make", "lab", f"PYTHON={sys.executable}"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True
        )
        try:
            wait_for_lab(process, log, 1200)
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)
    code = "from llmops_utils.models import Model; print(Model('new').chat('What is the capital of Germany?').text)"
    asked = subprocess.run(
        [folder / ".venv/bin/python", "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert "Berlin" in asked.stdout, asked.stderr[-2000:]
    for target in ("doctor", "book", "demo"):
        done = subprocess.run(["make", target], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{target}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
