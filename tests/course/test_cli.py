"""Claims about the command line: what it says, what it ends with, and how JupyterLab is called."""

import io
import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import pytest

import llmops_utils.course.cli as command_line
from llmops_utils.core import DATA, NOTEBOOKS, ROOT, DataError, FetchFailed
from llmops_utils.course import doctor
from llmops_utils.models import load_catalog

COMMANDS = ("lab", "doctor", "serve", "notebooks", "record", "models")


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command in this process and returns exit code, output and errors."""

    def call(*arguments, **variables):
        for name, value in ({"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"} | variables).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["llmops_utils", *arguments])
        code, told = 0, ""
        try:
            command_line.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
            told = "" if isinstance(ended.code, int) else f"{ended.code}\n"
        written = capsys.readouterr()
        return code, written.out, written.err + told

    return call


def test_the_package_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "llmops_utils", "models", "pull", "nonsense"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("UnknownModel: ")
    assert "Traceback" not in done.stderr


def test_a_console_of_any_encoding_gets_plain_output_from_every_command(monkeypatch, tmp_path):
    """Not only no UnicodeEncodeError: what has no character there is written with those that it has."""
    commands = [["--help"], ["nonsense"], ["doctor"], ["models", "list"], ["models", "pull", "nonsense"]]
    commands += [[name, "--help"] for name in (*COMMANDS, "gate", "promote", "roll-back", "grade", "test")]
    commands += [["notebooks", "nonsense"], ["grade", str(tmp_path / "é…\udcff✓.json")], ["promote", "nonsense", "1"]]
    monkeypatch.setattr(
        command_line, "diagnose", lambda: doctor.Diagnosis((doctor.Finding("A “b” – c…", "ok", "→ 5 µs"),))
    )
    plain, offenders = '+ A "b" - c...: > 5 us\n', []
    for command in commands:
        told = {}
        for encoding in ("utf-8", "ascii", "cp437", "latin-1", "cp1252", "cp932", "koi8-r"):
            out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
            with monkeypatch.context() as patch:
                patch.setenv("COLUMNS", "100")
                patch.setattr(sys, "stdout", out)
                patch.setattr(sys, "stderr", err)
                patch.setattr(sys, "argv", ["llmops_utils", *command])
                with pytest.raises(SystemExit) as ended:
                    command_line.main()
                print(ended.value.code, file=err, flush=True)  # as Python does with the message of an error
                out.flush()
            told[encoding] = (out.buffer.getvalue() + err.buffer.getvalue()).decode(encoding)
            if told[encoding].count("?") != told["utf-8"].count("?") or "Traceback" in told[encoding]:
                offenders.append((encoding, command, told[encoding]))
        if command == ["doctor"]:
            assert told["ascii"].startswith(plain)
    assert offenders == []


def test_packages_that_cannot_be_loaded_are_one_error_with_a_step(tmp_path):
    """A foreign file in the way, a cut one, one of Python's own names: the module is named, and what to do."""
    foreign = {"pydantic": "x = 1", "typer": "def (", "random": "x = 1", "numpy": "raise ValueError"}
    for name, content in foreign.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.py").write_text(content, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "llmops_utils", "doctor"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, (name, done)
        assert "Traceback" not in done.stderr
        assert str(folder / f"{name}.py") in done.stderr
        assert "What to do: " in done.stderr


# Help and lists


def test_help_lists_the_commands(run):
    code, said, _ = run("--help")
    assert code == 0
    listed = [line.strip("│| ").split()[0] for line in said.splitlines() if line.strip("│| ")]
    assert [command for command in COMMANDS if command not in listed] == []


def test_an_unknown_command_is_named_without_a_traceback(run):
    code, said, told = run("nonsense")
    assert code == 2
    assert "No such command 'nonsense'" in said + told


def test_models_list_shows_every_model_that_runs_here(run, tmp_path):
    code, said, told = run("models", "list", LLMOPS_HOME=str(tmp_path))
    assert (code, told) == (0, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == list(load_catalog().local)
    assert lines[0].split() == ["smollm2-135m-instruct", "98", "MB", "Apache-2.0", "not", "fetched"]
    assert [line for line in lines if not line.endswith(" not fetched")] == []


def test_models_list_tells_which_models_are_here(monkeypatch, capsys):
    monkeypatch.setattr(command_line, "has_weights", lambda model, home: model.name == "all-minilm-l6-v2")
    command_line.list_models()
    here = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.endswith(" here")]
    assert here == ["all-minilm-l6-v2"]


# Errors


def test_an_unknown_model_is_one_error_with_a_suggestion(run):
    code, said, told = run("models", "pull", "smollm2-135m-instrukt")
    assert (code, said) == (1, "")
    assert told.splitlines()[0] == "UnknownModel: The catalog has no local model “smollm2-135m-instrukt”."
    assert told.splitlines()[1].startswith("What to do: Did you mean smollm2-135m-instruct? Known: ")
    assert len(told.splitlines()) == 2


def test_a_model_unlike_any_other_is_told_the_known_ones(run):
    code, _, told = run("models", "pull", "zzzzzz")
    assert code == 1
    assert "What to do: Known: all-minilm-l6-v2, " in told


def test_an_unsound_setting_is_one_error_without_a_traceback(run):
    code, said, told = run("models", "list", LLMOPS_MDOE="live")
    assert (code, said) == (1, "")
    assert told.splitlines() == [
        "SettingsError: There is no setting LLMOPS_MDOE.",
        "What to do: Did you mean LLMOPS_MODE?",
    ]


def list_files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_notebook_that_does_not_exist_is_named_and_nothing_is_written(run, tmp_path):
    before = list_files(NOTEBOOKS), list_files(DATA / "recordings")
    for command in ("record", "notebooks"):
        code, said, told = run(command, "nonsense", LLMOPS_RECORDINGS=str(tmp_path))
        assert code == 1
        assert "nonsense" in said + told
        assert "What to do: " in told
    assert (list_files(NOTEBOOKS), list_files(DATA / "recordings")) == before
    assert list_files(tmp_path) == []


# The lab


@pytest.fixture
def lab(monkeypatch):
    """Calls `lab` without starting anything; `commands` holds what it would have started."""
    lab = SimpleNamespace(commands=[], folder=None, environment=os.environ, code=0, num_fetches=0)

    def call(command, cwd=None, env=os.environ):
        lab.commands.append([str(part) for part in command])
        lab.folder, lab.environment = cwd, env
        return lab.code

    def fetch():
        lab.num_fetches += 1

    def start(**options):
        with pytest.raises(SystemExit) as ended:
            command_line.lab(**options)
        (command,) = lab.commands
        return command, ended.value.code

    monkeypatch.setattr(command_line.subprocess, "call", call)
    monkeypatch.setattr(command_line, "fetch", fetch)
    monkeypatch.setattr(command_line, "diagnose", lambda: doctor.Diagnosis((doctor.Finding("Port", "ok", "open"),)))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    monkeypatch.setenv("DISPLAY", ":0")
    lab.start = start
    return lab


def test_the_lab_opens_the_first_notebook_of_the_course(lab, capsys):
    command, code = lab.start()
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in command
    assert f"--ServerApp.root_dir={ROOT}" in command
    assert lab.folder == ROOT
    assert code == 0
    assert capsys.readouterr().out == "✓ Port: open\n"


def read_config(environment):
    """Return the page configuration that JupyterLab reads from the first folder that has one."""
    for folder in environment["JUPYTER_CONFIG_PATH"].split(os.pathsep):
        file = Path(folder) / "labconfig" / "page_config.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
    return {}


def test_the_lab_does_not_ask_about_news(lab):
    lab.start()
    assert read_config(lab.environment)["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}


def test_the_lab_keeps_the_environment_and_the_readers_own_configuration(lab, monkeypatch, tmp_path):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    monkeypatch.setenv("LLMOPS_MODEL", "qwen3-0.6b")
    lab.start()
    assert str(tmp_path) in lab.environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert lab.environment["LLMOPS_MODEL"] == "qwen3-0.6b"
    assert os.environ["JUPYTER_CONFIG_PATH"] == str(tmp_path)


def test_the_lab_ends_with_the_code_of_jupyterlab(lab):
    lab.code = 3
    assert lab.start()[1] == 3


def test_stopping_the_lab_with_ctrl_c_ends_without_a_traceback(lab, monkeypatch):
    def interrupt(command, **options):
        lab.commands.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.subprocess, "call", interrupt)
    assert lab.start()[1] == 130


@pytest.mark.parametrize(("user", "is_allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_as_root(user, is_allowed, lab, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    command, _ = lab.start()
    assert ("--allow-root" in command) is is_allowed


def test_where_users_have_no_number_root_is_not_mentioned(lab, monkeypatch):
    monkeypatch.delattr(os, "geteuid")
    command, _ = lab.start()
    assert "--allow-root" not in command


def make_webbrowser_fail():
    raise webbrowser.Error("could not locate runnable browser")


def test_without_a_browser_none_is_opened_and_a_sentence_says_so(lab, monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "get", make_webbrowser_fail)
    command, _ = lab.start()
    assert command.count("--no-browser") == 1
    assert "There is no browser to open here: open the address that JupyterLab prints below." in capsys.readouterr().out


def test_without_a_display_none_is_opened(lab, monkeypatch, capsys):
    monkeypatch.setattr(
        command_line, "sys", SimpleNamespace(platform="linux", executable=sys.executable, exit=sys.exit)
    )
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(name, raising=False)
    command, _ = lab.start()
    assert "--no-browser" in command
    assert "open the address" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"])
def test_with_a_display_the_browser_opens(name, lab, monkeypatch, capsys):
    monkeypatch.delenv("DISPLAY")
    monkeypatch.setenv(name, "1")
    command, _ = lab.start()
    assert "--no-browser" not in command
    assert "no browser" not in capsys.readouterr().out


def test_the_browser_can_be_declined(lab, capsys):
    command, _ = lab.start(browser=False)
    assert "--no-browser" in command
    assert "open the address" in capsys.readouterr().out


def test_the_lab_opens_where_something_is_at_fault_and_says_what(lab, monkeypatch, capsys):
    fault = doctor.Finding("Disk", "fault", "full", "Free some room.")
    monkeypatch.setattr(command_line, "diagnose", lambda: doctor.Diagnosis((fault,)))
    lab.start()
    assert "✗ Disk: full\n    what to do: Free some room." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variables", "num_fetches"),
    [
        ({"LLMOPS_MODE": "live"}, 1),
        ({"LLMOPS_MODE": "auto", "LLMOPS_PROVIDER": "embedded"}, 1),
        ({"LLMOPS_MODE": "replay"}, 0),
        ({"LLMOPS_MODE": "live", "LLMOPS_PROVIDER": "openai"}, 0),
        ({"LLMOPS_MODE": "live", "LLMOPS_BASE_URL": "http://127.0.0.1:8000/v1"}, 0),
    ],
)
def test_the_lab_fetches_the_model_only_where_it_answers(variables, num_fetches, lab, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    lab.start()
    assert lab.num_fetches == num_fetches


def test_a_model_that_cannot_be_fetched_is_one_error(lab, monkeypatch):
    def fail():
        raise FetchFailed("No network.", "Set LLMOPS_MODE=replay.")

    monkeypatch.setattr(command_line, "fetch", fail)
    monkeypatch.setenv("LLMOPS_MODE", "live")
    monkeypatch.setattr(sys, "argv", ["llmops_utils", "lab"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == "FetchFailed: No network.\nWhat to do: Set LLMOPS_MODE=replay."
    assert lab.commands == []


# Serving


def test_the_card_of_a_class_is_for_its_owner_alone_and_an_unwritable_home_is_told(monkeypatch, tmp_path):
    home, seen = tmp_path / "home", []
    server = SimpleNamespace(base_url="http://127.0.0.1:8080/v1", api_key="k" * 20)
    monkeypatch.setattr(command_line, "fetch_weights", lambda model, home: {"x": tmp_path / "weights"})
    monkeypatch.setattr(command_line, "start_server", lambda *_: server)
    wait = SimpleNamespace(wait=lambda: seen.append((home / "class.env").stat().st_mode & 0o77))
    monkeypatch.setattr("threading.Event", lambda: wait)
    monkeypatch.setenv("LLMOPS_HOME", str(home))
    command_line.serve()
    assert (seen, list_files(home)) == ([0 if os.name != "nt" else 0o66], [])
    home.rmdir()
    home.touch()
    with pytest.raises(DataError, match=r"class\.env cannot be written"):
        command_line.serve()


# Fetching


@pytest.fixture
def fetched(monkeypatch):
    """The names of the models that were fetched."""
    names = []
    monkeypatch.setattr(command_line, "fetch_weights", lambda model, home: names.append(model.name))
    return names


def test_fetch_brings_the_two_models_of_the_course(fetched):
    command_line.fetch()
    assert fetched == ["smollm2-135m-instruct", "all-minilm-l6-v2"]


def test_fetch_brings_the_model_of_the_settings(fetched, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODEL", "qwen3-0.6b")
    command_line.fetch()
    assert fetched == ["qwen3-0.6b", "all-minilm-l6-v2"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("qwen3-0.6b", "LLMOPS_MODEL=qwen3-0.6b"),
        ("all-minilm-l6-v2", "LLMOPS_EMBEDDING_MODEL=all-minilm-l6-v2"),
    ],
)
def test_pull_says_how_to_use_the_model(name, line, fetched, capsys):
    command_line.pull(name)
    assert fetched == [name]
    assert capsys.readouterr().out.rstrip().endswith(line)
