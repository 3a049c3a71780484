"""Claims about the command line: what it says, what it ends with, and how JupyterLab is called."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from fake_provider import FakeProvider

import llmops_utils.course.cli as command_line
from llmops_utils.core import ROOT, DataError, load_settings
from llmops_utils.course import doctor
from llmops_utils.models import Model, load_catalog
from llmops_utils.operations import gateway


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


def test_a_console_of_any_encoding_gets_plain_output_from_every_command(monkeypatch, tmp_path):
    """Not only no UnicodeEncodeError: what has no character there is written with those that it has."""
    commands = [["--help"], ["nonsense"], ["doctor"], ["models", "list"], ["models", "pull", "nonsense"]]
    commands += [["gate", "--help"], ["notebooks", "nonsense"], ["grade", str(tmp_path / "é…\udcff✓.json")]]
    finding = doctor.Finding("A “b” – c…", "ok", "→ 5 µs")
    monkeypatch.setattr(command_line, "diagnose", lambda: doctor.Diagnosis((finding,)))
    offenders = []
    for command in commands:
        told = {}
        for encoding in ("utf-8", "ascii", "cp437", "latin-1", "cp932"):
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
            marks = told["utf-8"].count("?") + told["utf-8"].count("\ufffd") * (encoding != "utf-8")  # of a file's name
            if told[encoding].count("?") != marks or "Traceback" in told[encoding]:
                offenders.append((encoding, command, told[encoding]))
        if command == ["doctor"]:
            assert told["ascii"].startswith('+ A "b" - c...: > 5 us\n')
    assert offenders == []


def test_the_package_runs_as_a_program_and_packages_that_cannot_be_loaded_are_one_error_with_a_step(tmp_path):
    """A foreign file in the way, a cut one, one of Python's own names: the module is named, and what to do."""
    foreign = {"": "", "pydantic": "x = 1", "typer": "def (", "random": "x = 1"}
    started = []
    for name, content in foreign.items():
        folder = tmp_path / (name or "nothing")
        folder.mkdir()
        if name:
            (folder / f"{name}.py").write_text(content, encoding="utf-8")
        command = [sys.executable, "-m", "llmops_utils", "models", "pull", "nonsense"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, encoding="utf-8"))
    for name, process in zip(foreign, started, strict=True):
        told = process.communicate(timeout=60)[1]
        assert process.returncode == 1, (name, told)
        assert (str(tmp_path / name / f"{name}.py") if name else "UnknownModel: ") in told
        assert ("What to do: " in told, "Traceback" in told) == (True, False)


def test_models_are_listed_with_what_is_fetched_and_a_notebook_that_does_not_exist_is_named(run, monkeypatch, tmp_path):
    monkeypatch.setattr(command_line, "has_weights", lambda model, home: model.name == "all-minilm-l6-v2")
    code, said, told = run("models", "list")
    assert (code, told) == (0, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == list(load_catalog().local)
    assert lines[0].split() == ["smollm2-135m-instruct", "145", "MB", "Apache-2.0", "not", "fetched"]
    assert [line.split()[0] for line in lines if line.endswith(" here")] == ["all-minilm-l6-v2"]
    for command in ("record", "notebooks"):
        code, said, told = run(command, "nonsense", LLMOPS_RECORDINGS=str(tmp_path))
        assert (code, "nonsense" in told, "What to do: " in told) == (1, True, True)
    assert [*tmp_path.iterdir()] == []


# The lab


@pytest.fixture
def lab(monkeypatch):
    """Calls `lab` without starting anything: returns the command, the environment and the code that it ends with."""
    fault = doctor.Finding("Disk", "fault", "full", "Free some room.")
    monkeypatch.setattr(command_line, "diagnose", lambda: doctor.Diagnosis((fault,)))
    monkeypatch.setattr(command_line, "fetch", lambda: print("fetched"))
    monkeypatch.setenv("DISPLAY", ":0")

    def start(result=0, **options):
        started = []

        def call(command, cwd, env):
            started.extend([list(map(str, command)), cwd, env])
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr(command_line.subprocess, "call", call)
        with pytest.raises(SystemExit) as ended:
            command_line.lab(**options)
        return *started, ended.value.code

    return start


def test_the_lab_opens_the_first_notebook_where_something_is_at_fault_too_and_ends_with_jupyterlabs_code(
    lab, monkeypatch, tmp_path, capsys
):
    """With the readers' own environment and configuration, and no question about news."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    command, folder, environment, code = lab(3)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in command
    assert f"--ServerApp.root_dir={ROOT}" in command
    assert (folder, code) == (ROOT, 3)
    assert capsys.readouterr().out == "✗ Disk: full\n    what to do: Free some room.\n"
    own, readers = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    config = json.loads((Path(own) / "labconfig" / "page_config.json").read_text(encoding="utf-8"))
    assert config["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}
    assert (readers, environment["PATH"]) == (str(tmp_path), os.environ["PATH"])
    assert lab(KeyboardInterrupt())[-1] == 130


def test_the_lab_opens_a_browser_on_a_screen_allows_root_as_root_and_fetches_a_model_that_answers(
    lab, monkeypatch, capsys
):
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    monkeypatch.setattr(command_line, "sys", SimpleNamespace(platform="linux", executable="python", exit=sys.exit))
    for screen, options in [*((one, {}) for one in screens), ("", {}), ("DISPLAY", {"browser": False})]:
        for name in screens:
            monkeypatch.setenv(name, ":0" if name == screen else "")
        is_opened = "--no-browser" not in lab(**options)[0]
        assert is_opened == (screen != "" and not options)
        assert ("open the address that JupyterLab prints below." in capsys.readouterr().out) is not is_opened
    for user, is_allowed in ((0, True), (1000, False), (None, False)):  # on Windows users have no number
        monkeypatch.setattr(os, "geteuid", lambda user=user: user, raising=False)
        if user is None:
            monkeypatch.delattr(os, "geteuid")
        assert ("--allow-root" in lab()[0]) is is_allowed, user
    capsys.readouterr()
    for mode, provider, is_fetched in (("live", "embedded", 1), ("replay", "embedded", 0), ("live", "openai", 0)):
        monkeypatch.setenv("LLMOPS_MODE", mode)
        monkeypatch.setenv("LLMOPS_PROVIDER", provider)
        lab()
        assert capsys.readouterr().out.count("fetched") == is_fetched


# Serving


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Serve a fake model to a class; what the fixture holds is called while the server runs."""
    home = tmp_path / "home"
    monkeypatch.setenv("LLMOPS_HOME", str(home))
    monkeypatch.setattr(gateway, "fetch_weights", lambda model, home: {"x": tmp_path / "weights"})
    with FakeProvider() as fake:
        server = SimpleNamespace(base_url=fake.base_url, api_key="k" * 20)
        monkeypatch.setattr(gateway, "share_server", lambda *given: asked.append(given) or server)
        asked = []

        def run(meanwhile=lambda card: None, **options):
            event = SimpleNamespace(wait=lambda: meanwhile(home / "class.env"))
            monkeypatch.setattr(command_line, "threading", SimpleNamespace(Event=lambda: event))
            command_line.serve(**{"host": "127.0.0.1", "port": 0, "requests": 50, "tokens": 5000} | options)
            return home, asked

        yield run


def test_the_card_of_a_class_is_for_its_owner_alone_and_an_unwritable_home_is_told(serve):
    seen = []
    home, _ = serve(lambda card: seen.append(card.stat().st_mode & 0o77))
    assert seen == [0 if os.name != "nt" else 0o66]
    assert [path.name for path in home.iterdir()] == ["class_keys.json"]
    assert (home / "class_keys.json").stat().st_mode & 0o77 == seen[0]
    for content in ("[]", '{"class": "one"}', '{"class": "one", "teacher": ""}', '{"class": "one", "teacher": 2}'):
        (home / "class_keys.json").write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match="does not hold the keys of class and teacher"):
            serve()
    (home / "class_keys.json").unlink()
    home.rmdir()
    home.touch()
    with pytest.raises(DataError, match=r"class_keys\.json cannot be (read|written)"):
        serve()


def read_card(card):
    return dict(line.split("=", 1) for line in card.read_text(encoding="utf-8").splitlines())


def open_as_student(card, **changes):
    """Return a model with the settings of the card."""
    named = read_card(card) | {"LLMOPS_MODE": "live"}
    settings = {name.removeprefix("LLMOPS_").lower(): value for name, value in named.items()}
    return Model("99_test", settings=load_settings(**settings), **changes)


def test_a_student_asks_with_the_settings_of_the_card_after_a_restart_too_and_the_teacher_sees_the_use(serve, capsys):
    api_keys, usage = [], []

    def be_a_student(card):
        assert open_as_student(card).chat("Hello").text == "Hello there."
        api_keys.append(read_card(card)["LLMOPS_API_KEY"])
        teacher = json.loads((card.parent / "class_keys.json").read_text(encoding="utf-8"))["teacher"]
        page = read_card(card)["LLMOPS_BASE_URL"].replace("/v1", "/usage")
        usage.append(httpx2.get(page, headers={"Authorization": f"Bearer {teacher}"}).json())
        assert teacher not in card.read_text(encoding="utf-8")

    serve(be_a_student)
    serve(be_a_student)
    assert api_keys[0] == api_keys[1]
    assert [one["callers"]["127.0.0.1"]["requests"] for one in usage] == [1, 2]
    assert api_keys[0] not in capsys.readouterr().out


def test_the_course_adapter_is_served_with_its_matrices_beside_the_base(serve, monkeypatch):
    names = ["pellworth", "smollm2-135m-instruct"]

    def ask_both(card):
        for name in names:
            assert open_as_student(card, adapter=name).chat("Hi").provenance.model == name

    _, asked = serve(ask_both)
    told = [(one[1], one[-1] and one[-1].path.name) for one in asked]
    assert told == [(names[1], None), (names[0], "pellworth.gguf"), (names[1], None)]
    monkeypatch.setenv("LLMOPS_MODEL", names[0])
    assert serve()[1][3][1] == names[0]


def test_a_server_of_another_kind_stands_behind_the_same_keys(serve, monkeypatch):
    with FakeProvider() as behind:
        settings = {"PROVIDER": "vllm", "BASE_URL": behind.base_url, "MODEL": "large", "API_KEY": "of-the-server"}
        for name, value in settings.items():
            monkeypatch.setenv(f"LLMOPS_{name}", value)
        serve(lambda card: open_as_student(card).chat("Hi"))
        assert behind.requests[-1].headers["authorization"] == "Bearer of-the-server"
        assert behind.bodies[-1]["model"] == "large"


# Fetching


def test_fetch_brings_the_models_of_the_settings_and_pull_says_how_to_use_one(monkeypatch, capsys):
    fetched = []
    monkeypatch.setattr(command_line, "fetch_weights", lambda model, home: fetched.append(model.name))
    monkeypatch.setenv("LLMOPS_MODEL", "qwen3-0.6b")
    command_line.fetch()
    assert fetched == ["qwen3-0.6b", "all-minilm-l6-v2"]
    for name, line in (("qwen3-0.6b", "LLMOPS_MODEL="), ("all-minilm-l6-v2", "LLMOPS_EMBEDDING_MODEL=")):
        command_line.pull(name)
        assert fetched[-1] == name
        assert capsys.readouterr().out.rstrip().endswith(line + name)
