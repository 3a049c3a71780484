"""environment.yml, pyproject.toml and requirements.txt say the same, and the lock installs."""

import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from llmops_utils.core import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8")
CONDA = (ROOT / "environment.yml").read_text(encoding="utf-8")


def list_declared():
    declared = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    return [Requirement(text) for text in declared]


def list_locked():
    lines = [line.rstrip(" \\") for line in LOCK.splitlines() if line and not line[0].isspace() and line[0] != "#"]
    return [Requirement(line) for line in lines]


def test_every_declared_package_is_locked_in_a_version_that_fits_with_checksums_and_no_address():
    versions = {}
    for locked in list_locked():
        versions.setdefault(canonicalize_name(locked.name), []).append(str(locked.specifier).removeprefix("=="))
    for declared in list_declared():
        name = canonicalize_name(declared.name)
        assert name in versions, f"{name} is not in requirements.txt: run `make lock`"
        assert all(version in declared.specifier for version in versions[name]), name
    blocks = re.split(r"\n(?=[A-Za-z0-9])", LOCK)
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links", LOCK) == []
    assert re.findall(r"^(?:torch|nvidia)", LOCK, flags=re.MULTILINE) == []  # gigabytes that nobody needs here


def test_environment_yml_reads_the_lock_and_the_same_python_and_gives_a_reason_for_each_package():
    reasons = dict(re.findall(r"^#   ([a-z0-9-]+) +(\S.*)$", CONDA, flags=re.MULTILINE))
    assert set(reasons) == {canonicalize_name(declared.name) for declared in list_declared()}
    environment = yaml.safe_load(CONDA)
    python, pip, section = environment["dependencies"]
    assert python == f"python {PROJECT['requires-python']}"
    assert pip == "pip"
    assert section == {"pip": ["--requirement requirements.txt"]}


@pytest.mark.network
def test_the_pip_section_installs_into_a_fresh_environment(tmp_path):
    """As conda does it: the lines of the pip section become a requirements file that pip reads."""
    lines = yaml.safe_load(CONDA)["dependencies"][-1]["pip"]
    folder = tmp_path / "fresh"
    outside = {name: value for name, value in os.environ.items() if name not in ("WORKBOOK_GUARD", "PYTHONPATH")}
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = next(path for path in (folder / "bin/python", folder / "Scripts/python.exe") if path.exists())
    wanted = ROOT / "condaenv.test.requirements.txt"  # beside the lock, as conda puts it, since paths are relative
    try:
        wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "-U", "-r", str(wanted)], check=True, cwd=ROOT, env=outside
        )
    finally:
        wanted.unlink()
    code = "import chromadb, comet_ml, openai, xllamacpp, jupyterlab; from llmops_utils.models.model import Model; print('ok')"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, env=outside)
    assert done.stdout.strip().endswith("ok"), done.stderr[-2000:]
    check = subprocess.run([str(python), "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout[-2000:]


def test_what_the_book_a_class_and_the_browser_need_is_not_in_the_default_environment():
    """Each is an extra with a lock of its own, so that a learner's set-up does not grow by them."""
    names = {canonicalize_name(locked.name) for locked in list_locked()}
    assert len(names) <= 219, "a package more for everybody: is it worth that?"
    extras = [*ROOT.glob("*/requirements.in"), ROOT / "tests/browser/requirements.in"]
    wanted = {canonicalize_name(Requirement(line).name) for path in extras for line in path.read_text().split() if line}
    assert {"myst-nb", "playwright"} <= wanted
    assert wanted & names == set()
    assert {"sphinx", "jupyterhub", "nbgrader"} & names == set()


def test_the_repository_stays_under_its_size_and_no_file_holds_a_key_or_a_path_of_a_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 40_000_000
    for path in files:
        if ROOT / "tests" not in path.parents and path.name != "requirements.txt":  # the tests hold made-up keys
            text = path.read_text(encoding="utf-8", errors="replace")  # an adapter is no text
            assert re.findall(r"\b(?:sk|gsk|hf)[-_][A-Za-z0-9]{16,}\b", text) == [], path
            assert re.findall(r"/(?:root|Users|home)/\w+", text) == [], path
