"""Claims about the check of the machine: each fault is found and has a step, and no key is ever shown."""

import datetime
import importlib.metadata
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmops_utils.core import load_settings
from llmops_utils.course import cli, diagnose, doctor
from llmops_utils.course.doctor import (
    Diagnosis,
    Finding,
    check_certificates,
    check_clock,
    check_disk,
    check_imports,
    check_jupyter,
    check_memory,
    check_packages,
    check_port,
    check_python,
    check_settings,
    check_weights,
)
from llmops_utils.models import load_catalog

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up
EVIL = "<script>alert('x')</script> & \"more\""
ESCAPED = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; &quot;more&quot;"


def assert_fault(finding, message, step):
    """The finding is a fault; its message and its step hold these texts."""
    assert finding.state == "fault", finding
    assert message in finding.message
    assert step in finding.step


# Findings

GOOD = Finding("Port", "ok", "open")
NOTE = Finding("Memory", "note", "little", "Close something.")
BAD = Finding("Disk", "fault", "full", "Free some room.")


def test_a_diagnosis_is_a_line_for_each_finding_and_step_and_the_command_ends_with_0_or_1(monkeypatch, capsys):
    told = ["✓ Port: open", "· Memory: little", "    what to do: Close something."]
    for findings, code, more in (
        ((GOOD, NOTE), 0, []),
        ((GOOD, NOTE, BAD), 1, ["✗ Disk: full", "    what to do: Free some room."]),
    ):
        monkeypatch.setattr(cli, "diagnose", lambda findings=findings: Diagnosis(findings))
        with pytest.raises(SystemExit) as ended:
            cli.doctor()
        assert (ended.value.code, capsys.readouterr().out.splitlines()) == (code, told + more)


def test_html_tells_state_finding_and_step_in_words_and_escapes_them():
    html = Diagnosis((GOOD, NOTE, Finding(EVIL, "fault", EVIL, EVIL)))._repr_html_()
    assert "✓ ok</td><td style='text-align:left'>Port</td><td style='text-align:left'>open</td>" in html
    assert f"✗ fault</td><td style='text-align:left'>{ESCAPED}</td>" in html
    assert f"{ESCAPED}<br><strong>What to do:</strong> {ESCAPED}</td>" in html
    assert (html.count("<tr>"), html.count("What to do"), html.count("<script")) == (4, 2, 0)


# Python


def test_python_is_supported_from_3_11_to_3_13(monkeypatch):
    def check(*version):
        monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(*version, "final", 0)))
        return check_python()

    for version in ((3, 11, 0), (3, 12, 4), (3, 13, 9)):
        assert check(*version) == Finding("Python", "ok", ".".join(map(str, version)))
    for version in ((3, 10, 14), (3, 14, 0), (2, 7, 18), (4, 0, 0)):
        assert_fault(check(*version), f"{'.'.join(map(str, version))} is not supported", "start.py")


# Packages

HASH = " \\\n    --hash=sha256:" + "0" * 64
PYTEST = importlib.metadata.version("pytest")
FILELOCK = importlib.metadata.version("filelock")
NONE = "no-such-package-of-this-course"


@pytest.fixture
def check_lock(tmp_path, monkeypatch):
    """Return what the check says of a lock with these lines."""

    def check(*lines):
        path = tmp_path / "requirements.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setattr(doctor, "LOCK", path)
        return check_packages()

    return check


def test_packages_as_in_the_lock_are_ok_and_those_for_other_systems_are_not_wanted(check_lock):
    finding = check_lock(
        "# made by uv",
        "--index-url x",
        f"{NONE}==1.0 ; sys_platform == 'nowhere'{HASH}",
        f"filelock==0.0.1 ; python_full_version < '3'{HASH}",
        f"filelock=={FILELOCK}{HASH}",
        "    # via a",
        "pytest[dev]>=1 ; python_version >= '3'",
    )
    assert finding == Finding("Packages", "ok", "2 packages as in requirements.txt")


def test_wrong_and_missing_packages_are_a_fault_that_names_both_versions_and_a_missing_lock_is_one(
    check_lock, monkeypatch
):
    found = check_lock(f"pytest=={PYTEST}{HASH}", f"filelock==0.0.1 ; python_version >= '3'{HASH}", f"{NONE}==1.0")
    assert_fault(found, f"filelock is {FILELOCK}, not 0.0.1, {NONE} is missing", "start.py setup")
    found = check_lock(*(f"{NONE}-{number}==1.0" for number in range(5)))
    assert found.message == ", ".join(f"{NONE}-{number} is missing" for number in range(3)) + " and 2 more"
    doctor.LOCK.unlink()
    assert_fault(check_packages(), "requirements.txt is missing", "git checkout requirements.txt")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with an installed package of two files, as its lock and its list of files have them."""
    site, info = tmp_path / "site", tmp_path / "site" / "tiny-1.0.dist-info"
    (site / "tiny").mkdir(parents=True)
    info.mkdir()
    files = {"tiny/__init__.py": "x = 1\n", "tiny/a,b.py": "y = 2\n" * 9}
    files[f"{info.name}/METADATA"] = "Name: tiny\nVersion: 1.0\n"
    lines = []
    for name, text in files.items():
        (site / name).write_bytes(text.encode())
        lines.append(f'"{name}",sha256=0,{len(text)}')
    lines += ["../bin/tiny,sha256=0,", f"{info.name}/RECORD,,"]
    (info / "RECORD").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_a_file_of_a_package_that_is_missing_or_cut_is_a_fault_whatever_its_version_says(installed, check_lock):
    lock = (f"tiny==1.0{HASH}", f"filelock=={FILELOCK}{HASH}")
    assert check_lock(*lock) == Finding("Packages", "ok", "2 packages as in requirements.txt")
    info = installed / "tiny-1.0.dist-info"
    told = {name: f"{name} is missing or cut" for name in ("tiny/a,b.py", f"{info.name}/METADATA")}
    told[f"{info.name}/RECORD"] = "tiny has no list of its files"
    for name, message in told.items():
        before = (installed / name).read_bytes()
        for left in (None, b"", before[:9]):
            (installed / name).unlink() if left is None else (installed / name).write_bytes(left)
            found = check_lock(*lock)
            assert_fault(found, message, "Delete the folder .venv and run `python start.py setup`")
            assert found.message == message
        (installed / name).write_bytes(before)
    assert check_lock(*lock).state == "ok"


# Foreign modules and certificates


def test_a_foreign_module_in_the_way_of_ours_is_a_fault_wherever_it_lies(monkeypatch, tmp_path):
    assert check_imports() == Finding("Imports", "ok", "no foreign file hides a package or a module of Python")
    (tmp_path / "mine.py").touch()
    (tmp_path / "notes" / "numpy").mkdir(parents=True)  # a folder without __init__.py hides nothing
    monkeypatch.chdir(tmp_path)
    assert check_imports().state == "ok"
    for number, name in enumerate(("openai.py", "numpy/__init__.py", "random.py", "yaml.pyc", "orjson.abi3.so")):
        for way in ("path", "current folder", "notebooks"):
            folder = tmp_path / f"{way} {number}"
            place = folder / name
            place.parent.mkdir(parents=True)
            place.touch()
            with monkeypatch.context() as patch:
                if way == "path":
                    patch.setattr(sys, "path", [str(folder), *sys.path])
                elif way == "current folder":
                    patch.chdir(folder)
                else:
                    patch.setattr(doctor, "NOTEBOOKS", folder)
                found = check_imports()
            assert_fault(found, str(place), "PYTHONPATH")


def test_certificates_that_are_not_there_or_are_none_are_a_fault(monkeypatch, tmp_path):
    import certifi

    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate", encoding="utf-8")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert check_certificates().state == "ok"
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join([str(tmp_path), str(tmp_path)]))
    assert check_certificates().state == "ok"
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    pairs = [(name, value) for name in names for value in (tmp_path / "gone.pem", junk)]
    for name, value in [*pairs, ("SSL_CERT_FILE", tmp_path)]:
        with monkeypatch.context() as patch:
            patch.setenv(name, str(value))
            found = check_certificates()
        assert_fault(found, f"{name} names {value}", f"unset {name}")


# Settings


def check_with(monkeypatch, **variables):
    """Return what the check says of settings under these variables alone."""
    with monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return check_settings()


def test_settings_are_told_with_the_names_of_keys_and_what_the_notebooks_would_refuse_is_a_fault_with_a_step(
    monkeypatch,
):
    here = {"LLMOPS_BASE_URL": "http://127.0.0.1:8000/v1", "LLMOPS_MODEL": "tiny"}
    for variables, told in (
        ({}, "provider embedded, no key set"),
        ({"LLMOPS_PROVIDER": "ollama"}, "provider ollama, no key set"),
        (here, "provider custom, no key set"),
        ({"LLMOPS_API_KEY": KEY}, "provider embedded, keys set: LLMOPS_API_KEY"),
        (
            {"OPENAI_API_KEY": KEY, "MISTRAL_API_KEY": KEY},
            "provider embedded, keys set: OPENAI_API_KEY, MISTRAL_API_KEY",
        ),
    ):
        assert check_with(monkeypatch, **variables) == Finding("Settings", "ok", f"mode replay, {told}")
    for name, value, said, step in (
        ("LLMOPS_MDOE", "replay", "There is no setting LLMOPS_MDOE.", "Did you mean LLMOPS_MODE?"),
        ("LLMOPS_PROVIDER", "opanai", "no provider “opanai”", "Did you mean openai?"),
        ("LLMOPS_PROVIDER", "custom", "needs an address", "LLMOPS_BASE_URL"),
        ("ANTHROPIC_API_KEY", KEY, "does not look like a key", "ANTHROPIC_API_KEY"),
        ("OPENAI_API_KEY", f"'{KEY}'", "stands in quotes", "OPENAI_API_KEY"),
    ):
        assert_fault(check_with(monkeypatch, **{name: value}), said, step)
    assert check_with(monkeypatch, LLMOPS_PROVIDER="openai").state == "ok"  # a key is not needed in replay
    for variables, said in (
        ({"PROVIDER": "openai"}, "OPENAI_API_KEY"),
        ({"PROVIDER": "mistral", "MODE": "record"}, "MISTRAL_API_KEY"),
        ({"PROVIDER": "custom", "BASE_URL": "http://127.0.0.1:8000/v1"}, "LLMOPS_MODEL"),
        ({"MODEL": "smollm2-135m-instrukt"}, "smollm2-135m-instruct"),
        ({"EMBEDDING_MODEL": "smollm2-135m-instruct"}, "an embedding model"),
    ):
        asked = {f"LLMOPS_{name}": value for name, value in ({"MODE": "live"} | variables).items()}
        found = check_with(monkeypatch, **asked)
        assert (found.state, said in found.message + found.step) == ("fault", True), found


# Model files


def test_model_files_are_looked_for_where_they_are_needed_and_missing_ones_are_a_fault(monkeypatch, tmp_path):
    asked, missing = [], set()
    monkeypatch.setattr(
        doctor, "has_weights", lambda model, home: asked.append((model.name, home)) or model.name not in missing
    )
    for overrides, reason in (
        ({"mode": "replay"}, "not needed, answers come from the recordings"),
        ({"mode": "live", "provider": "openai"}, "not needed, a provider answers"),
        ({"mode": "live", "base_url": "http://127.0.0.1:8000/v1"}, "not needed, a provider answers"),
    ):
        assert check_weights(load_settings(**overrides)) == Finding("Model files", "ok", reason)
    assert asked == []
    settings = load_settings(mode="live", home=tmp_path)
    told = "smollm2-135m-instruct and all-minilm-l6-v2 are there and whole"
    assert check_weights(settings) == Finding("Model files", "ok", told)
    assert asked == [("smollm2-135m-instruct", tmp_path), ("all-minilm-l6-v2", tmp_path)]
    missing.add("all-minilm-l6-v2")
    fetch = "Run `python -m llmops_utils models fetch`."
    assert_fault(check_weights(settings), "missing or damaged: all-minilm-l6-v2", fetch)


# Port, disk, memory, clock


def fail_with(error):
    """Return a function that raises whatever it is called with."""

    def fail(*_, **__):
        raise error

    return fail


def test_a_port_that_does_not_open_is_a_fault_little_memory_a_note_and_a_clock_in_the_past_a_fault(monkeypatch):
    assert check_port() == Finding("Loopback", "ok", "a port on 127.0.0.1 can be opened")
    monkeypatch.setattr("socket.socket", fail_with(PermissionError(13, "Permission denied")))
    assert_fault(check_port(), "Permission denied", "firewall")
    for free, state, message in ((1_000_000_000, "ok", "1 GB free"), (900_000_000, "note", "0.9 GB free is little")):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: SimpleNamespace(available=free))
        found = check_memory()
        assert (found.state, found.message, "replay" in found.step) == (state, message, state == "note")
    newest = max(entry.checked for entry in load_catalog().providers.values() if entry.checked)
    for days, state in ((-2, "fault"), (-1, "ok"), (900, "ok")):
        today = newest + datetime.timedelta(days=days)
        clock = SimpleNamespace(date=SimpleNamespace(today=lambda today=today: today), timedelta=datetime.timedelta)
        monkeypatch.setattr(doctor, "datetime", clock)
        assert check_clock().state == state, days


def test_the_disk_is_that_of_the_nearest_folder_needs_half_a_gigabyte_and_can_be_written(monkeypatch, tmp_path):
    looked, settings = [], load_settings(home=tmp_path / "not" / "yet")
    for free, state, message in (
        (84_300_000_000, "ok", "84 GB free"),
        (500_000_000, "ok", "0 GB free"),
        (499_999_999, "fault", "0.5 GB free"),
    ):
        with monkeypatch.context() as patch:
            usage = SimpleNamespace(free=free)
            patch.setattr("shutil.disk_usage", lambda folder, usage=usage: looked.append(folder) or usage)
            found = check_disk(settings)
        assert (found.state, found.message) == (state, message)
    assert set(looked) == {tmp_path}
    assert list(tmp_path.iterdir()) == []  # nothing stays of the try to write
    (tmp_path / "file").touch()
    for home in (tmp_path / "file", tmp_path / "file" / "home"):
        assert_fault(check_disk(load_settings(home=home)), "cannot be used (", "LLMOPS_HOME")
    refuse = fail_with(PermissionError(30, "Read-only file system"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda self: False)  # so it is on Windows, where no Z: need be
        patch.setattr("shutil.disk_usage", refuse)
        assert_fault(check_disk(settings), "cannot be used (Read-only file system)", "LLMOPS_HOME")
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert_fault(check_disk(settings), "cannot be used (Read-only file system)", "LLMOPS_HOME")


# Jupyter


def test_jupyterlab_with_widgets_is_ok_and_a_missing_part_is_a_fault_that_names_it(monkeypatch, tmp_path):
    installed = importlib.metadata.version
    assert check_jupyter() == Finding("JupyterLab", "ok", f"{installed('jupyterlab')}, with widgets")
    for missing in ("jupyterlab", "jupyterlab_widgets", "llmops-workbook"):

        def version(name, missing=missing):
            if name == missing:
                raise importlib.metadata.PackageNotFoundError(name)
            return installed(name)

        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", version)
            assert_fault(check_jupyter(), f"{missing} is not installed", "start.py setup")
    monkeypatch.setattr(doctor, "NOTEBOOKS", tmp_path)
    assert_fault(check_jupyter(), "notebooks/00_start_here.ipynb is missing", "git checkout")


# All of them


def test_a_diagnosis_holds_every_check_one_that_breaks_too_and_leaves_out_what_depends_on_faulty_settings(monkeypatch):
    monkeypatch.setattr(doctor, "list_damage", lambda name: [])
    everything = ["Python", "Packages", "Imports", "Settings", "Model files", "Disk"]
    everything += ["Memory", "Loopback", "Certificates", "Clock", "JupyterLab"]
    with monkeypatch.context() as patch:
        patch.setattr("psutil.virtual_memory", fail_with(ImportError("cannot import name 'x' from 'psutil'")))
        findings = diagnose().findings
    assert [finding.name for finding in findings] == everything
    assert [finding.name for finding in findings if finding.state == "fault"] == ["Memory"]
    assert_fault(findings[6], "ImportError: cannot import name 'x' from 'psutil'", "start.py setup")
    monkeypatch.setenv("LLMOPS_MDOE", "replay")
    diagnosis = diagnose()
    assert [finding.name for finding in diagnosis.findings if finding.state == "fault"] == ["Settings"]
    assert not diagnosis.is_healthy
    kept = [name for name in everything if name not in ("Model files", "Disk")]
    assert [finding.name for finding in diagnosis.findings] == kept


def test_no_part_of_a_key_stands_in_a_diagnosis(monkeypatch):
    bare = KEY.removeprefix("sk-")
    parts = {bare[start : start + 4] for start in range(len(bare) - 3)}
    for name, value in (
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_API_KEY", bare),
        ("OPENAI_API_KEY", f'"{KEY}"'),
        ("OPENAI_API_KEY", f"{KEY}–{KEY}"),
        ("ANTHROPIC_API_KEY", KEY),
        ("LLMOPS_API_KEY", f"{KEY}\n"),
        ("LLMOPS_API_KEYS", KEY),
    ):
        diagnosis = Diagnosis((check_with(monkeypatch, **{name: value}),))  # no other check reads a key
        shown = repr(diagnosis) + diagnosis._repr_html_()
        assert [part for part in parts if part in shown] == []
