"""Claims about the places to run the course, as far as they can be checked without them: Binder, a container, an editor."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from llmops_utils.core import ROOT

BINDER = ROOT / "binder"


@pytest.mark.skipif(os.name == "nt", reason="the scripts run on Binder's Linux")
def test_binder_answers_from_the_recordings_and_its_files_are_programs():
    for name in ("postBuild", "start"):
        assert os.access(BINDER / name, os.X_OK), name
        subprocess.run(["bash", "-n", BINDER / name], check=True)
    tell = [sys.executable, "-c", "import os, sys; print(os.environ['LLMOPS_MODE'], sys.argv[1:])", "a b"]
    environment = {name: value for name, value in os.environ.items() if name != "LLMOPS_MODE"}
    told = subprocess.run([BINDER / "start", *tell], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "replay ['a b']\n"
    chosen = subprocess.run([BINDER / "start", *tell], env=environment | {"LLMOPS_MODE": "live"}, capture_output=True)
    assert chosen.stdout.startswith(b"live")


def test_versions_are_those_that_the_course_runs_on_and_packages_those_of_the_lock():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    low, high = (int(part) for part in re.findall(r"3\.(\d+)", wanted)[:2])
    binder = yaml.safe_load((BINDER / "environment.yml").read_text(encoding="utf-8"))
    container = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    editor = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    places = (str(binder["dependencies"]), container, editor["image"])
    versions = [int(re.search(r"python[:=]+3\.(\d+)", place)[1]) for place in places]
    assert all(low <= version < high for version in versions), versions
    [pip] = [one["pip"] for one in binder["dependencies"] if isinstance(one, dict)]
    [path] = [line.removeprefix("--requirement ") for line in pip]
    assert (BINDER / path).resolve() == ROOT / "requirements.txt"
    assert editor["postCreateCommand"] == "python start.py setup"


def test_what_the_container_copies_is_there_and_nothing_private_gets_in():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY") for name in line.split()[2:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert lines[-1] == 'CMD ["python", "start.py", "lab", "--no-browser", "--host", "0.0.0.0"]'
    first_user = next(number for number, line in enumerate(lines) if line.startswith("USER"))
    assert all(number > first_user for number, line in enumerate(lines) if "start.py setup" in line)
    assert {".env", ".venv", ".git"} <= {*(ROOT / ".dockerignore").read_text(encoding="utf-8").split()}
