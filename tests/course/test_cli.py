"""Claims about the command line: what it says, what it ends with, and how JupyterLab is called."""

import io
import json
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from fake_provider import FakeProvider

import llmops_utils.course.cli as command_line
from llmops_utils.core import DATA, NOTEBOOKS, ROOT, DataError, load_settings
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


# Help and lists


def test_models_list_shows_every_model_that_runs_here_and_which_are_fetched(run, monkeypatch):
    monkeypatch.setattr(command_line, "has_weights", lambda model, home: model.name == "all-minilm-l6-v2")
    code, said, told = run("models", "list")
    assert (code, told) == (0, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == list(load_catalog().local)
    assert lines[0].split() == ["smollm2-135m-instruct", "145", "MB", "Apache-2.0", "not", "fetched"]
    assert [line.split()[0] for line in lines if line.endswith(" here")] == ["all-minilm-l6-v2"]


# Errors


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
    fault = doctor.Finding("Disk", "fault", "full", "Free some room.")
    lab = SimpleNamespace(commands=[], folder=None, environment=os.environ, code=0, num_fetches=0)

    def call(command, cwd=None, env=os.environ):
        lab.commands.append([str(part) for part in command])
        lab.folder, lab.environment = cwd, env
        if isinstance(lab.code, BaseException):
            raise lab.code
        return lab.code

    def fetch():
        lab.num_fetches += 1

    def start(**options):
        with pytest.raises(SystemExit) as ended:
            command_line.lab(**options)
        return lab.commands[-1], ended.value.code

    monkeypatch.setattr(command_line.subprocess, "call", call)
    monkeypatch.setattr(command_line, "fetch", fetch)
    monkeypatch.setattr(command_line, "diagnose", lambda: doctor.Diagnosis((fault,)))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    monkeypatch.setenv("DISPLAY", ":0")
    lab.start = start
    return lab


def test_the_lab_opens_the_first_notebook_where_something_is_at_fault_too_and_ends_with_jupyterlabs_code(
    lab, monkeypatch, tmp_path, capsys
):
    """With the readers' own environment and configuration, and no question about news."""
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    monkeypatch.setenv("LLMOPS_MODEL", "qwen3-0.6b")
    lab.code = 3
    command, code = lab.start()
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in command
    assert f"--ServerApp.root_dir={ROOT}" in command
    assert (lab.folder, code) == (ROOT, 3)
    assert capsys.readouterr().out == "✗ Disk: full\n    what to do: Free some room.\n"
    own, readers = lab.environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    config = json.loads((Path(own) / "labconfig" / "page_config.json").read_text(encoding="utf-8"))
    assert config["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}
    assert readers == os.environ["JUPYTER_CONFIG_PATH"] == str(tmp_path)
    assert lab.environment["LLMOPS_MODEL"] == "qwen3-0.6b"
    lab.code = KeyboardInterrupt()
    assert lab.start()[1] == 130


def test_a_browser_opens_where_there_is_one_and_it_is_wanted_else_a_sentence_says_what_to_do(lab, monkeypatch, capsys):
    def fail():
        raise webbrowser.Error("could not locate runnable browser")

    screens = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    linux = SimpleNamespace(platform="linux", executable=sys.executable, exit=sys.exit)
    monkeypatch.setattr(command_line, "sys", linux)
    cases = [(screen, {}, object, True) for screen in screens]
    cases += [("", {}, object, False), ("DISPLAY", {}, fail, False), ("DISPLAY", {"browser": False}, object, False)]
    for screen, options, get, is_opened in cases:
        monkeypatch.setattr(webbrowser, "get", get)
        for name in screens:
            monkeypatch.setenv(name, ":0" if name == screen else "")
        command, _ = lab.start(**options)
        assert command.count("--no-browser") == (not is_opened)
        assert ("open the address that JupyterLab prints below." in capsys.readouterr().out) is not is_opened


def test_the_lab_fetches_the_model_only_where_it_answers_and_root_is_allowed_only_as_root(lab, monkeypatch):
    for user, is_allowed in ((0, True), (1000, False), (None, False)):  # on Windows users have no number
        monkeypatch.setattr(os, "geteuid", lambda user=user: user, raising=False)
        if user is None:
            monkeypatch.delattr(os, "geteuid")
        assert ("--allow-root" in lab.start()[0]) is is_allowed, user
    for variables, is_fetched in (
        ({"LLMOPS_MODE": "live"}, True),
        ({"LLMOPS_MODE": "replay"}, False),
        ({"LLMOPS_MODE": "live", "LLMOPS_PROVIDER": "openai"}, False),
    ):
        lab.num_fetches = 0
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            lab.start()
        assert lab.num_fetches == is_fetched, variables


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
            monkeypatch.setattr(command_line, "_wait_for_ctrl_c", lambda: meanwhile(home / "class.env"))
            command_line.serve(**{"host": "127.0.0.1", "port": 0, "requests": 50, "tokens": 5000} | options)
            return home, asked

        yield run


def test_the_card_of_a_class_is_for_its_owner_alone_and_an_unwritable_home_is_told(serve):
    seen = []
    home, _ = serve(lambda card: seen.append(card.stat().st_mode & 0o77))
    assert seen == [0 if os.name != "nt" else 0o66]
    assert list_files(home) == ["class_keys.json"]
    assert (home / "class_keys.json").stat().st_mode & 0o77 == seen[0]
    (home / "class_keys.json").unlink()
    home.rmdir()
    home.touch()
    with pytest.raises(DataError, match=r"class_keys\.json cannot be (read|written)"):
        serve()


def read_card(card):
    return dict(line.split("=", 1) for line in card.read_text(encoding="utf-8").splitlines())


def test_a_student_asks_with_the_settings_of_the_card_after_a_restart_too_and_the_teacher_sees_the_use(
    serve, monkeypatch, capsys
):
    cards, usage = [], []

    def be_a_student(card):
        cards.append(read_card(card))
        for name, value in (cards[0] | {"LLMOPS_BASE_URL": cards[-1]["LLMOPS_BASE_URL"]}).items():
            monkeypatch.setenv(name, value)
        assert Model("99_test", settings=load_settings(mode="live")).chat("Hello").text == "Hello there."
        keys = json.loads((card.parent / "class_keys.json").read_text(encoding="utf-8"))
        page = cards[-1]["LLMOPS_BASE_URL"].replace("/v1", "/usage")
        usage.append(httpx2.get(page, headers={"Authorization": f"Bearer {keys['teacher']}"}).json())
        assert keys["teacher"] not in "".join(cards[-1].values())

    for _ in range(2):
        serve(be_a_student)
        for name in cards[0]:
            monkeypatch.delenv(name)
    assert cards[0]["LLMOPS_API_KEY"] == cards[1]["LLMOPS_API_KEY"]
    assert [one["callers"]["127.0.0.1"]["requests"] for one in usage] == [1, 2]
    told = capsys.readouterr().out
    assert cards[0]["LLMOPS_API_KEY"] not in told


def test_the_course_adapter_is_served_with_its_matrices_beside_the_base(serve, monkeypatch):
    def ask_both(card):
        for name, value in read_card(card).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LLMOPS_MODE", "live")
        for name in ("pellworth", "smollm2-135m-instruct"):
            assert Model("99_test", adapter=name).chat("Hi").provenance.model == name

    _, asked = serve(ask_both)
    assert [(one[1], one[-1] and one[-1].path.name) for one in asked] == [
        ("smollm2-135m-instruct", None),
        ("pellworth", "pellworth.gguf"),
        ("smollm2-135m-instruct", None),
    ]
    monkeypatch.setenv("LLMOPS_MODEL", "pellworth")
    for name in ("PROVIDER", "BASE_URL"):
        monkeypatch.delenv(f"LLMOPS_{name}")
    assert serve()[1][3][1] == "pellworth"


def test_a_server_of_another_kind_stands_behind_the_same_keys(serve, monkeypatch):
    with FakeProvider() as behind:
        settings = {"PROVIDER": "vllm", "BASE_URL": behind.base_url, "MODEL": "large", "API_KEY": "of-the-server"}
        for name, value in settings.items():
            monkeypatch.setenv(f"LLMOPS_{name}", value)

        def be_a_student(card):
            asked = read_card(card) | {"LLMOPS_MODE": "live"}
            settings = load_settings(**{name.removeprefix("LLMOPS_").lower(): value for name, value in asked.items()})
            assert Model("99_test", settings=settings).chat("Hi").text == "Hello there."

        serve(be_a_student)
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
