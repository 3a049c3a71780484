"""Claims about the check of the machine: each fault is found and has a step, and no key is ever shown."""

import datetime
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmops_utils.core import ROOT, WorkbookError, load_settings
from llmops_utils.course import doctor
from llmops_utils.course.doctor import (
    Diagnosis,
    Finding,
    check_clock,
    check_disk,
    check_jupyter,
    check_memory,
    check_packages,
    check_port,
    check_python,
    check_settings,
    check_weights,
    diagnose,
)
from llmops_utils.models import connect, load_catalog

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"
NEWEST_CHECK = max(entry.checked for entry in load_catalog().providers.values() if entry.checked)


def assert_fault(finding, *parts):
    """The finding is a fault with a step, and its message holds the parts."""
    assert finding.state == "fault", finding
    assert len(finding.step) > 10
    assert [part for part in parts if part not in finding.message] == []


def assert_hidden(key, text):
    """No run of four characters of the key stands in the text."""
    parts = {key[start : start + 4] for start in range(len(key) - 3)}
    assert parts
    assert [part for part in parts if part in text] == []


# Findings


GOOD = Finding("Port", "ok", "open")
NOTE = Finding("Memory", "note", "little", "Close something.")
BAD = Finding("Disk", "fault", "full", "Free some room.")


def test_a_diagnosis_is_a_line_for_each_finding_and_one_for_each_step():
    assert str(Diagnosis((GOOD, NOTE, BAD))).splitlines() == [
        "✓ Port: open",
        "· Memory: little",
        "    what to do: Close something.",
        "✗ Disk: full",
        "    what to do: Free some room.",
    ]
    assert repr(Diagnosis((BAD,))) == str(Diagnosis((BAD,)))


@pytest.mark.parametrize(
    ("findings", "is_healthy"), [((), True), ((GOOD,), True), ((GOOD, NOTE), True), ((GOOD, BAD, NOTE), False)]
)
def test_only_a_fault_makes_a_diagnosis_unhealthy(findings, is_healthy):
    assert Diagnosis(findings).is_healthy is is_healthy


def test_html_tells_state_finding_and_step_in_words():
    html = Diagnosis((GOOD, NOTE, BAD))._repr_html_()
    assert "✓ ok</td><td style='text-align:left'>Port</td><td style='text-align:left'>open</td>" in html
    assert ">· note</td>" in html
    assert ">✗ fault</td>" in html
    assert "full<br><strong>What to do:</strong> Free some room.</td>" in html
    assert html.count("<tr>") == html.count("</tr>") == 4
    assert html.count("What to do") == 2


def test_html_escapes_markup():
    html = Diagnosis((Finding(EVIL, "fault", EVIL, EVIL),))._repr_html_()
    assert html.count(ESCAPED) == 3
    assert "<script" not in html


# Python


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_a_supported_python_is_ok(version, monkeypatch):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(*version, "final", 0)))
    assert check_python() == Finding("Python", "ok", ".".join(map(str, version)))


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0), (2, 7, 18), (4, 0, 0)])
def test_another_python_is_a_fault(version, monkeypatch):
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(*version, "final", 0)))
    finding = check_python()
    assert_fault(finding, f"{'.'.join(map(str, version))} is not supported")
    assert "start.py" in finding.step


# Packages

HASH = " \\\n    --hash=sha256:" + "0" * 64
PYTEST = importlib.metadata.version("pytest")
FILELOCK = importlib.metadata.version("filelock")


@pytest.fixture
def make_lock(tmp_path):
    def write(*lines):
        path = tmp_path / "requirements.txt"
        path.write_text("\n".join(line + HASH for line in lines) + "\n", encoding="utf-8")
        return path

    return write


def test_packages_as_in_the_lock_are_ok(make_lock):
    finding = check_packages(make_lock(f"pytest=={PYTEST}", f"filelock=={FILELOCK}"))
    assert finding == Finding("Packages", "ok", "2 packages as in requirements.txt")


def test_a_wrong_version_is_a_fault_that_names_both(make_lock):
    finding = check_packages(make_lock(f"pytest=={PYTEST}", "filelock==0.0.1"))
    assert_fault(finding)
    assert finding.message == f"filelock is {FILELOCK}, not 0.0.1"
    assert "start.py setup" in finding.step


def test_a_missing_package_is_a_fault(make_lock):
    finding = check_packages(make_lock("no-such-package-of-this-course==1.0", f"pytest=={PYTEST}"))
    assert_fault(finding)
    assert finding.message == "no-such-package-of-this-course is missing"


def test_a_package_for_another_system_is_not_wanted(make_lock):
    lock = make_lock(
        "no-such-package-of-this-course==1.0 ; sys_platform == 'nowhere'",
        "filelock==0.0.1 ; python_full_version < '3'",
        f"pytest=={PYTEST} ; python_version >= '3'",
    )
    assert check_packages(lock) == Finding("Packages", "ok", "1 packages as in requirements.txt")


def test_a_package_for_this_system_is_wanted(make_lock):
    finding = check_packages(make_lock("filelock==0.0.1 ; python_version >= '3'"))
    assert_fault(finding, "filelock is")


def test_comments_options_and_extras_in_the_lock_are_understood(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"# made by uv\n\n--index-url x\nfilelock=={FILELOCK}\n    # via a\npytest[dev]>=1\n")
    finding = check_packages(lock)
    assert finding == Finding("Packages", "ok", "2 packages as in requirements.txt")


def test_of_many_wrong_packages_three_are_named_and_the_others_counted(make_lock):
    finding = check_packages(make_lock(*(f"no-such-package-{number}==1.0" for number in range(5))))
    names = ", ".join(f"no-such-package-{number} is missing" for number in range(3))
    assert_fault(finding)
    assert finding.message == f"{names} and 2 more"


def test_a_missing_lock_is_a_fault(tmp_path):
    finding = check_packages(tmp_path / "gone.txt")
    assert_fault(finding, "gone.txt")


# Settings


def test_sound_settings_are_told_with_mode_and_provider(monkeypatch):
    assert check_settings() == Finding("Settings", "ok", "mode replay, provider embedded, no key set")
    monkeypatch.setenv("LLMOPS_PROVIDER", "ollama")
    assert check_settings().message == "mode replay, provider ollama, no key set"
    monkeypatch.delenv("LLMOPS_PROVIDER")
    monkeypatch.setenv("LLMOPS_BASE_URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("LLMOPS_MODEL", "tiny")
    assert check_settings().message == "mode replay, provider custom, no key set"


def test_keys_that_are_set_are_named_and_not_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    finding = check_settings()
    assert finding.message == "mode replay, provider embedded, keys set: OPENAI_API_KEY, MISTRAL_API_KEY"


def test_a_key_in_the_settings_is_a_key_that_is_set(monkeypatch):
    monkeypatch.setenv("LLMOPS_API_KEY", KEY)
    finding = check_settings()
    assert finding.state == "ok"
    assert "LLMOPS_API_KEY" in finding.message
    assert "no key" not in finding.message


@pytest.mark.parametrize(
    ("name", "value", "said", "step"),
    [
        ("LLMOPS_MDOE", "replay", "There is no setting LLMOPS_MDOE.", "Did you mean LLMOPS_MODE?"),
        ("LLMOPS_MODE", "online", "LLMOPS_MODE is not usable", "Correct LLMOPS_MODE"),
        ("LLMOPS_PROVIDER", "opanai", "no provider “opanai”", "Did you mean openai?"),
        ("LLMOPS_PROVIDER", "custom", "needs an address", "LLMOPS_BASE_URL"),
        ("LLMOPS_BASE_URL", "127.0.0.1", "LLMOPS_BASE_URL is not usable", "Correct LLMOPS_BASE_URL"),
        ("OPENAI_API_KEY", KEY.removeprefix("sk-"), "does not look like a key", "OPENAI_API_KEY"),
        ("ANTHROPIC_API_KEY", KEY, "does not look like a key", "ANTHROPIC_API_KEY"),
        ("OPENAI_API_KEY", f"'{KEY}'", "stands in quotes", "OPENAI_API_KEY"),
        ("LLMOPS_API_KEY", f"{KEY} {KEY}", "holds a space", "LLMOPS_API_KEY"),
    ],
)
def test_unsound_settings_are_a_fault_with_a_step(name, value, said, step, monkeypatch):
    monkeypatch.setenv(name, value)
    finding = check_settings()
    assert_fault(finding, said)
    assert step in finding.step


@pytest.mark.parametrize(
    "variables",
    [
        {"LLMOPS_PROVIDER": "openai"},
        {"LLMOPS_PROVIDER": "mistral", "LLMOPS_MODE": "record"},
        {"LLMOPS_BASE_URL": "http://127.0.0.1:8000/v1"},
        {"LLMOPS_MODEL": "smollm2-135m-instrukt"},
        {"LLMOPS_MODEL": "all-minilm-l6-v2"},
        {"LLMOPS_EMBEDDING_MODEL": "smollm2-135m-instruct"},
    ],
    ids=lambda variables: " ".join(f"{name}={value}" for name, value in variables.items()),
)
def test_what_the_notebooks_would_refuse_is_a_fault(variables, monkeypatch):
    monkeypatch.setattr(doctor, "has_weights", lambda model, home: True)
    monkeypatch.setenv("LLMOPS_MODE", "live")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WorkbookError) as caught:
        connect("00_start_here")
    diagnosis = diagnose()
    assert not diagnosis.is_healthy
    assert caught.value.problem in str(diagnosis)
    assert caught.value.next_step in str(diagnosis)


def test_a_provider_without_a_key_is_no_fault_in_replay(monkeypatch):
    monkeypatch.setenv("LLMOPS_PROVIDER", "openai")
    connect("00_start_here")
    assert diagnose().is_healthy


# Model files


@pytest.fixture
def asked(monkeypatch):
    """The names of the models whose files were looked for; all are there but those in `missing`."""
    asked = SimpleNamespace(names=[], missing=set(), homes=set())

    def has_weights(model, home):
        asked.names.append(model.name)
        asked.homes.add(home)
        return model.name not in asked.missing

    monkeypatch.setattr(doctor, "has_weights", has_weights)
    return asked


def test_whole_model_files_are_ok(asked, tmp_path):
    finding = check_weights(load_settings(mode="live", home=tmp_path))
    assert finding == Finding("Model files", "ok", "smollm2-135m-instruct and all-minilm-l6-v2 are there and whole", "")
    assert asked.names == ["smollm2-135m-instruct", "all-minilm-l6-v2"]
    assert asked.homes == {tmp_path}


def test_missing_model_files_are_a_fault(asked):
    asked.missing = {"all-minilm-l6-v2"}
    finding = check_weights(load_settings(mode="live"))
    assert_fault(finding)
    assert finding.message == "missing or damaged: all-minilm-l6-v2"
    assert finding.step == "Run `python -m llmops_utils models fetch`."


def test_files_of_another_model_are_looked_for(asked):
    asked.missing = {"qwen3-0.6b"}
    assert_fault(check_weights(load_settings(mode="auto", model="qwen3-0.6b")), "missing or damaged: qwen3-0.6b")


def test_an_empty_home_is_a_fault_for_real(tmp_path):
    assert_fault(check_weights(load_settings(mode="live", home=tmp_path)), "smollm2-135m-instruct, all-minilm-l6-v2")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"mode": "replay"}, "not needed, answers come from the recordings"),
        ({"mode": "live", "provider": "openai"}, "not needed, a provider answers"),
        ({"mode": "live", "base_url": "http://127.0.0.1:8000/v1"}, "not needed, a provider answers"),
    ],
)
def test_model_files_that_are_not_needed_are_not_looked_for(overrides, reason, asked):
    assert check_weights(load_settings(**overrides)) == Finding("Model files", "ok", reason)
    assert asked.names == []


# Port, disk, memory, clock


def test_a_port_that_opens_is_ok():
    assert check_port() == Finding("Loopback", "ok", "a port on 127.0.0.1 can be opened")


def test_a_port_that_does_not_open_is_a_fault(monkeypatch):
    class Refused:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def bind(self, address):
            assert address == ("127.0.0.1", 0)
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor, "socket", SimpleNamespace(socket=Refused))
    finding = check_port()
    assert_fault(finding, "Permission denied")
    assert "firewall" in finding.step


@pytest.mark.parametrize(
    ("free", "state", "message"),
    [
        (84_300_000_000, "ok", "84 GB free"),
        (500_000_000, "ok", "0 GB free"),
        (499_999_999, "fault", "0.5 GB free"),
        (12_000_000, "fault", "0.0 GB free"),
    ],
)
def test_the_disk_needs_half_a_gigabyte(free, state, message, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "shutil", SimpleNamespace(disk_usage=lambda folder: SimpleNamespace(free=free)))
    finding = check_disk(load_settings(home=tmp_path))
    assert (finding.state, finding.message) == (state, message)
    if state == "fault":
        assert "LLMOPS_HOME" in finding.step


def test_the_disk_of_a_home_that_is_not_there_yet_is_that_of_the_nearest_folder(monkeypatch, tmp_path):
    looked = []

    def disk_usage(folder):
        looked.append(folder)
        return SimpleNamespace(free=9e9)

    monkeypatch.setattr(doctor, "shutil", SimpleNamespace(disk_usage=disk_usage))
    check_disk(load_settings(home=tmp_path / "not" / "yet"))
    assert looked == [tmp_path]


def test_a_disk_that_is_not_there_is_a_fault_and_not_searched_for_ever(monkeypatch, tmp_path):
    looked = []

    def is_there(self, **options):
        looked.append(self)
        assert len(looked) < 100, "It searches for ever."
        return False

    def disk_usage(folder):
        raise FileNotFoundError(2, "No such file or directory")

    settings = load_settings(home=tmp_path / "on" / "another" / "disk")
    monkeypatch.setattr(doctor, "shutil", SimpleNamespace(disk_usage=disk_usage))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", is_there)  # so it is on Windows, where no Z: need be
        finding = check_disk(settings)
    assert_fault(finding)
    assert "LLMOPS_HOME" in finding.step


@pytest.mark.parametrize(
    ("free", "state", "message"),
    [(25_200_000_000, "ok", "25 GB free"), (1_000_000_000, "ok", "1 GB free"), (900_000_000, "note", "0.9 GB free")],
)
def test_little_memory_is_a_note_with_a_step(free, state, message, monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free))
    finding = check_memory()
    assert finding.state == state
    assert finding.message.startswith(message)
    assert ("LLMOPS_MODE=replay" in finding.step) is (state == "note")


@pytest.mark.parametrize(("days", "state"), [(-2, "fault"), (-1, "ok"), (0, "ok"), (900, "ok")])
def test_a_clock_in_the_past_is_a_fault(days, state):
    today = NEWEST_CHECK + datetime.timedelta(days=days)
    finding = check_clock(lambda: today)
    assert finding.state == state
    assert str(today) in finding.message
    assert finding.step == ("Set the date of this machine." if state == "fault" else "")


# Jupyter


def test_jupyterlab_with_widgets_is_ok():
    version = importlib.metadata.version("jupyterlab")
    assert check_jupyter() == Finding("JupyterLab", "ok", f"{version}, with widgets")


@pytest.mark.parametrize("missing", ["jupyterlab", "jupyterlab_widgets", "llmops-workbook"])
def test_a_missing_part_of_jupyter_is_a_fault_that_names_it(missing, monkeypatch):
    installed = importlib.metadata.version

    def version(name):
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = check_jupyter()
    assert_fault(finding)
    assert finding.message == f"{missing} is not installed"
    assert "start.py setup" in finding.step


def test_a_missing_notebook_is_a_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "NOTEBOOKS", tmp_path)
    finding = check_jupyter()
    assert_fault(finding, "notebooks/00_start_here.ipynb is missing")
    assert "git checkout" in finding.step


# All of them


def test_a_diagnosis_holds_every_check_in_order():
    names = [finding.name for finding in diagnose().findings]
    assert names == [
        "Python",
        "Packages",
        "Settings",
        "Model files",
        "Disk",
        "Memory",
        "Loopback",
        "Clock",
        "JupyterLab",
    ]


def test_a_fault_in_the_settings_leaves_out_what_depends_on_them(monkeypatch):
    monkeypatch.setenv("LLMOPS_MDOE", "replay")
    diagnosis = diagnose()
    assert not diagnosis.is_healthy
    assert [finding.name for finding in diagnosis.findings if finding.state == "fault"] == ["Settings"]
    assert not {"Model files", "Disk"} & {finding.name for finding in diagnosis.findings}
    assert "JupyterLab" in str(diagnosis)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_API_KEY", KEY.removeprefix("sk-")),
        ("OPENAI_API_KEY", f'"{KEY}"'),
        ("OPENAI_API_KEY", f"{KEY} {KEY}"),
        ("OPENAI_API_KEY", f"{KEY}–{KEY}"),
        ("ANTHROPIC_API_KEY", KEY),
        ("LLMOPS_API_KEY", KEY),
        ("LLMOPS_API_KEY", f"{KEY}\n"),
        ("LLMOPS_API_KEYS", KEY),
    ],
)
def test_no_key_stands_in_a_diagnosis(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    diagnosis = diagnose()
    assert_hidden(KEY.removeprefix("sk-"), "\n".join([str(diagnosis), repr(diagnosis), diagnosis._repr_html_()]))


# The command


def run_doctor(**variables):
    return subprocess.run(
        [sys.executable, "-m", "llmops_utils", "doctor"],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_the_command_ends_with_0_on_a_healthy_machine():
    done = run_doctor(OPENAI_API_KEY=KEY)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    assert "✓ Settings: mode replay, provider embedded, keys set: OPENAI_API_KEY" in said
    assert "✗" not in said
    assert_hidden(KEY, said)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LLMOPS_MDOE", "live", "Did you mean LLMOPS_MODE?"),
        ("OPENAI_API_KEY", KEY.removeprefix("sk-"), "OPENAI_API_KEY does not look like a key"),
    ],
)
def test_the_command_ends_with_1_and_the_step_on_an_unhealthy_machine(name, value, said):
    done = run_doctor(**{name: value})
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode == 1
    assert "✗ Settings: " in shown
    assert said in shown
    assert "what to do: " in shown
    assert "Traceback" not in shown
    assert_hidden(KEY.removeprefix("sk-"), shown)


def test_the_output_can_be_sent_to_a_file_on_windows():
    done = run_doctor(PYTHONIOENCODING="cp1252")
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0
    assert b"JupyterLab: " in done.stdout
