"""Claims about the check of the machine: each fault is found and has a step, and no key is ever shown."""

import datetime
import importlib.metadata
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from widget_views import ESCAPED, EVIL

from llmops_utils.course import cli, diagnose, doctor
from llmops_utils.course.doctor import CHECKS, Diagnosis, Finding, run_check
from llmops_utils.models import load_catalog

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up


def check(name, **variables):
    """Return what a check finds, under these variables."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in variables.items():
            patch.setenv(variable, value)
        return run_check(name, CHECKS[name])


def assert_ok(name, message, **variables):
    assert check(name, **variables) == Finding(name, "ok", message)


def assert_fault(name, message, step, **variables):
    """The finding is a fault; its message and its step hold these texts."""
    finding = check(name, **variables)
    assert finding.state == "fault", finding
    assert message in finding.message
    assert step in finding.step


def fail_with(error):
    """Return a function that raises whatever it is called with."""

    def fail(*_, **__):
        raise error

    return fail


def test_a_diagnosis_is_a_line_for_each_finding_and_step_and_the_command_ends_with_0_or_1(monkeypatch, capsys):
    good, bad = Finding("Port", "ok", "open"), Finding("Disk", "fault", "full", "Free some room.")
    told = ["✓ Port: open", "✗ Disk: full", "    what to do: Free some room."]
    for findings, code, lines in (((good,), 0, told[:1]), ((good, bad), 1, told)):
        monkeypatch.setattr(cli, "diagnose", lambda findings=findings: Diagnosis(findings))
        with pytest.raises(SystemExit) as ended:
            cli.doctor()
        assert (ended.value.code, capsys.readouterr().out.splitlines()) == (code, lines)
    html = Diagnosis((good, Finding(EVIL, "fault", EVIL, EVIL)))._repr_html_()
    assert "✓ ok</td><td style='text-align:left'>Port</td><td style='text-align:left'>open</td>" in html
    assert f"✗ fault</td><td style='text-align:left'>{ESCAPED}</td>" in html
    assert f"{ESCAPED}<br><strong>What to do:</strong> {ESCAPED}</td>" in html
    assert "<script" not in html


def test_python_is_supported_from_3_11_to_3_13(monkeypatch):
    for version, is_supported in (((3, 10, 14), False), ((3, 11, 0), True), ((3, 13, 9), True), ((3, 14, 0), False)):
        monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=(*version, "final", 0)))
        if is_supported:
            assert_ok("Python", ".".join(map(str, version)))
        else:
            assert_fault("Python", f"{'.'.join(map(str, version))} is not supported", "start.py")


# --- packages ------------------------------------------------------------------------------------------------

HASH = " \\\n    --hash=sha256:" + "0" * 64
PYTEST, FILELOCK = map(importlib.metadata.version, ("pytest", "filelock"))
NONE = "no-such-package-of-this-course"


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """Return a function that makes these lines the lock."""
    path = tmp_path / "requirements.txt"
    monkeypatch.setattr(doctor, "LOCK", path)
    return lambda *lines: path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_packages_are_held_against_the_lock_but_for_those_of_other_systems(lock):
    lock(
        "# made by uv",
        "--index-url x",
        f"{NONE}==1.0 ; sys_platform == 'nowhere'{HASH}",
        f"filelock==0.0.1 ; python_full_version < '3'{HASH}",
        f"filelock=={FILELOCK}{HASH}",
        "    # via a",
        "pytest[dev]>=1 ; python_version >= '3'",
    )
    assert_ok("Packages", "2 packages as in requirements.txt")
    lock(f"pytest=={PYTEST}{HASH}", f"filelock==0.0.1 ; python_version >= '3'{HASH}", f"{NONE}==1.0")
    assert_fault("Packages", f"filelock is {FILELOCK}, not 0.0.1, {NONE} is missing", "start.py setup")
    lock(*(f"{NONE}-{number}==1.0" for number in range(5)))
    assert_fault("Packages", f"{NONE}-2 is missing and 2 more", "start.py setup")
    doctor.LOCK.unlink()
    assert_fault("Packages", "requirements.txt is missing", "git checkout requirements.txt")


def test_a_file_of_a_package_that_is_missing_or_cut_is_a_fault_whatever_its_version_says(lock, tmp_path, monkeypatch):
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
    lock(f"tiny==1.0{HASH}")
    assert_ok("Packages", "1 packages as in requirements.txt")
    told = {name: f"{name} is missing or cut" for name in ("tiny/a,b.py", f"{info.name}/METADATA")}
    told[f"{info.name}/RECORD"] = "tiny has no list of its files"
    for name, message in told.items():
        before = (site / name).read_bytes()
        for left in (None, b"", before[:9]):
            (site / name).unlink() if left is None else (site / name).write_bytes(left)
            assert_fault("Packages", message, "Delete the folder .venv and run `python start.py setup`")
        (site / name).write_bytes(before)


def test_a_foreign_module_in_the_way_of_ours_is_a_fault_wherever_it_lies(monkeypatch, tmp_path):
    (tmp_path / "mine.py").touch()
    (tmp_path / "notes" / "numpy").mkdir(parents=True)  # a folder without __init__.py hides nothing
    monkeypatch.chdir(tmp_path)
    assert_ok("Imports", "no foreign file hides a package or a module of Python")
    for number, name in enumerate(("openai.py", "numpy/__init__.py", "random.py", "yaml.pyc", "orjson.abi3.so")):
        for way in ("path", "current folder", "notebooks"):
            folder = tmp_path / f"{way} {number}"
            (folder / name).parent.mkdir(parents=True)
            (folder / name).touch()
            with monkeypatch.context() as patch:
                if way == "path":
                    patch.setattr(sys, "path", [str(folder), *sys.path])
                elif way == "current folder":
                    patch.chdir(folder)
                else:
                    patch.setattr(doctor, "NOTEBOOKS", folder)
                assert_fault("Imports", str(folder / name), "PYTHONPATH")


def test_certificates_that_are_not_there_or_are_none_are_a_fault(tmp_path):
    import certifi

    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate", encoding="utf-8")
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    none = dict.fromkeys(names, "")
    folders = os.pathsep.join([str(tmp_path), str(tmp_path)])
    assert check("Certificates", **none).state == "ok"
    assert check("Certificates", **none | {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": folders}).state == "ok"
    pairs = [(name, value) for name in names for value in (tmp_path / "gone.pem", junk)]
    for name, value in [*pairs, ("SSL_CERT_FILE", tmp_path)]:
        variables = none | {name: str(value)}
        assert_fault("Certificates", f"{name} names {value}", f"unset {name}", **variables)


# --- settings and model files --------------------------------------------------------------------------------


def test_settings_are_told_with_the_names_of_keys_and_what_the_notebooks_would_refuse_is_a_fault_with_a_step():
    here = {"LLMOPS_BASE_URL": "http://127.0.0.1:8000/v1", "LLMOPS_MODEL": "tiny"}
    both = {"OPENAI_API_KEY": KEY, "MISTRAL_API_KEY": KEY}
    for variables, told in (
        (here, "provider custom, no key set"),
        ({"LLMOPS_API_KEY": KEY}, "provider embedded, keys set: LLMOPS_API_KEY"),
        (both, "provider embedded, keys set: OPENAI_API_KEY, MISTRAL_API_KEY"),
        ({"LLMOPS_PROVIDER": "openai"}, "provider openai, no key set"),  # in replay none is needed
    ):
        assert_ok("Settings", f"mode replay, {told}", **variables)
    for name, value, said, step in (
        ("LLMOPS_MDOE", "replay", "There is no setting LLMOPS_MDOE.", "Did you mean LLMOPS_MODE?"),
        ("LLMOPS_PROVIDER", "opanai", "no provider “opanai”", "Did you mean openai?"),
        ("ANTHROPIC_API_KEY", KEY, "does not look like a key", "ANTHROPIC_API_KEY"),
        ("OPENAI_API_KEY", f"'{KEY}'", "stands in quotes", "OPENAI_API_KEY"),
    ):
        assert_fault("Settings", said, step, **{name: value})
    for variables, said in (
        ({"PROVIDER": "openai"}, "OPENAI_API_KEY"),
        ({"PROVIDER": "mistral", "MODE": "record"}, "MISTRAL_API_KEY"),
        ({"PROVIDER": "custom", "BASE_URL": "http://127.0.0.1:8000/v1"}, "LLMOPS_MODEL"),
        ({"MODEL": "smollm2-135m-instrukt"}, "smollm2-135m-instruct"),
        ({"EMBEDDING_MODEL": "smollm2-135m-instruct"}, "an embedding model"),
    ):
        asked = {f"LLMOPS_{name}": value for name, value in ({"MODE": "live"} | variables).items()}
        found = check("Settings", **asked)
        assert (found.state, said in found.message + found.step) == ("fault", True), found


def test_model_files_are_looked_for_where_they_are_needed_and_missing_ones_are_a_fault(monkeypatch):
    missing = set()
    monkeypatch.setattr(doctor, "has_weights", lambda model, home: model.name not in missing)
    live = {"LLMOPS_MODE": "live"}
    assert_ok("Model files", "smollm2-135m-instruct and all-minilm-l6-v2 are there and whole", **live)
    missing.add("all-minilm-l6-v2")
    fetch = "Run `python -m llmops_utils models fetch`."
    assert_fault("Model files", "missing or damaged: all-minilm-l6-v2", fetch, **live)
    assert_ok("Model files", "not needed, answers come from the recordings")
    assert_ok("Model files", "not needed, a provider answers", LLMOPS_PROVIDER="openai", **live)


# --- port, disk, memory, clock, Jupyter ----------------------------------------------------------------------


def test_a_port_that_does_not_open_and_a_clock_in_the_past_are_faults_and_little_memory_is_told(monkeypatch):
    assert_ok("Loopback", "a port on 127.0.0.1 can be opened")
    monkeypatch.setattr("socket.socket", fail_with(PermissionError(13, "Permission denied")))
    assert_fault("Loopback", "Permission denied", "firewall")
    for free, told in ((1_000_000_000, "1 GB free"), (900_000_000, "0.9 GB free is little: close other programs")):
        monkeypatch.setattr("psutil.virtual_memory", lambda free=free: SimpleNamespace(available=free))
        assert check("Memory").message.startswith(told)
    newest = max(entry.checked for entry in load_catalog().providers.values() if entry.checked)
    for days, state in ((-2, "fault"), (-1, "ok"), (900, "ok")):
        today = newest + datetime.timedelta(days=days)
        clock = SimpleNamespace(date=SimpleNamespace(today=lambda today=today: today), timedelta=datetime.timedelta)
        monkeypatch.setattr(doctor, "datetime", clock)
        assert check("Clock").state == state, days


def test_the_disk_is_that_of_the_nearest_folder_needs_half_a_gigabyte_and_can_be_written(monkeypatch, tmp_path):
    home = {"LLMOPS_HOME": str(tmp_path / "not" / "yet")}
    cases = (
        (84_300_000_000, "ok", "84 GB free"),
        (500_000_000, "ok", "0 GB free"),
        (499_999_999, "fault", "0.5 GB free"),
    )
    for free, state, message in cases:
        with monkeypatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda folder, free=free: SimpleNamespace(free=free))
            found = check("Disk", **home)
        assert (found.state, found.message) == (state, message)
    assert list(tmp_path.iterdir()) == []  # nothing stays of the try to write
    (tmp_path / "file").touch()
    assert_fault("Disk", "cannot be used (", "LLMOPS_HOME", LLMOPS_HOME=str(tmp_path / "file" / "home"))
    refuse = fail_with(PermissionError(30, "Read-only file system"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda self: False)  # so it is on Windows, where no Z: need be
        patch.setattr("shutil.disk_usage", refuse)
        assert_fault("Disk", "cannot be used (Read-only file system)", "LLMOPS_HOME", **home)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert_fault("Disk", "cannot be used (Read-only file system)", "LLMOPS_HOME", **home)


def test_jupyterlab_with_widgets_is_ok_and_a_missing_part_is_a_fault_that_names_it(monkeypatch, tmp_path):
    installed = importlib.metadata.version
    assert_ok("JupyterLab", f"{installed('jupyterlab')}, with widgets")
    for missing in ("jupyterlab", "jupyterlab_widgets", "llmops-workbook"):

        def version(name, missing=missing):
            if name == missing:
                raise importlib.metadata.PackageNotFoundError(name)
            return installed(name)

        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", version)
            assert_fault("JupyterLab", f"{missing} is not installed", "start.py setup")
    monkeypatch.setattr(doctor, "NOTEBOOKS", tmp_path)
    assert_fault("JupyterLab", "notebooks/00_start_here.ipynb is missing", "git checkout")


# --- all of them ---------------------------------------------------------------------------------------------


def test_a_check_that_breaks_is_a_fault_and_faulty_settings_leave_out_what_depends_on_them(monkeypatch):
    monkeypatch.setattr(doctor, "list_damage", lambda name: [])
    with monkeypatch.context() as patch:
        patch.setattr("psutil.virtual_memory", fail_with(ImportError("cannot import name 'x' from 'psutil'")))
        findings = diagnose().findings
    assert [finding.name for finding in findings] == list(CHECKS)
    [fault] = [finding for finding in findings if finding.state == "fault"]
    assert (fault.name, "ImportError: cannot import name 'x'" in fault.message) == ("Memory", True)
    monkeypatch.setenv("LLMOPS_MDOE", "replay")
    diagnosis = diagnose()
    assert [finding.name for finding in diagnosis.findings if finding.state == "fault"] == ["Settings"]
    assert not diagnosis.is_healthy
    assert CHECKS.keys() - {finding.name for finding in diagnosis.findings} == {"Model files", "Disk"}


def test_no_part_of_a_key_stands_in_a_diagnosis():
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
        diagnosis = Diagnosis((check("Settings", **{name: value}),))  # no other check reads a key
        shown = repr(diagnosis) + diagnosis._repr_html_()
        assert [part for part in parts if part in shown] == []
