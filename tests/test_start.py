"""Claims about start.py: it stops with a message that says what to do, and does nothing twice."""

import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from llmops_utils.core import ROOT

SOURCE = ROOT / "start.py"
LOCK = (
    "alpha==1.0 \\\n    --hash=sha256:aa\nuv-build==0.1\n"
    "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\nuvicorn==2.0\n"
)


@pytest.fixture
def start(monkeypatch, tmp_path):
    """The script as a module, with all its paths below a folder of its own, and no way to start a program."""
    spec = importlib.util.spec_from_file_location("start_of_the_course", SOURCE)
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    for name, place in {
        "ROOT": "",
        "ENVIRONMENT": ".venv",
        "TOOLS": ".tools",
        "STAMP": ".venv/installed.txt",
        "PYTHON": ".venv/bin/python",
    }.items():
        monkeypatch.setattr(start, name, tmp_path / place)
    (tmp_path / "requirements.txt").write_text(LOCK, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    fake = SimpleNamespace(
        CalledProcessError=subprocess.CalledProcessError, run=lambda *_, **__: SimpleNamespace(stdout=b"")
    )
    monkeypatch.setattr(start, "subprocess", fake)
    return start


@pytest.fixture
def commands(start, tmp_path):
    """What the script runs; fetching uv and making the environment leave the files that they would."""
    commands = []

    def run(command, check, cwd, env, **options):
        if "config" in command:
            return SimpleNamespace(stdout=b"")
        assert (check, cwd) == ("compileall" not in command, tmp_path)
        commands.append(command)
        made = tmp_path / (".tools/bin/uv" if "pip" in command and "-m" in command else ".venv/bin/python")
        if made.name == "uv" or "venv" in command:
            made.parent.mkdir(parents=True, exist_ok=True)
            made.touch()

    start.subprocess.run = run
    return commands


def set_arguments(monkeypatch, start, *arguments, version=(3, 12, 1)):
    """Let the script see another command line and another Python, and leave those of the tests alone."""
    fake = SimpleNamespace(
        version_info=version, argv=["start.py", *arguments], executable=sys.executable, exit=sys.exit
    )
    monkeypatch.setattr(start, "sys", fake)


def make_stamp(start, version=sys.version_info):
    digest = hashlib.sha256()
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((start.ROOT / name).read_bytes())
    start.PYTHON.parent.mkdir(parents=True, exist_ok=True)
    start.PYTHON.touch()
    start.STAMP.write_text(f"{digest.hexdigest()} {start.ROOT} {version[0]}.{version[1]}", encoding="utf-8")


def test_another_python_stops_with_what_to_do_and_a_supported_one_goes_on(start, monkeypatch):
    for version in ((2, 7, 18), (3, 10, 14), (3, 14, 0)):
        set_arguments(monkeypatch, start, version=version)
        with pytest.raises(SystemExit) as stopped:
            start.main()
        problem, step = stopped.value.code.strip().splitlines()
        assert problem == f"The course needs Python 3.11, 3.12 or 3.13; this is Python {version[0]}.{version[1]}."
        assert step.startswith("What to do: install one of them and use it: `make lab PYTHON=python3.12`")
        assert "py -3.12 start.py" in step
    assert not start.ENVIRONMENT.exists()
    called = []
    monkeypatch.setattr(start, "set_up", lambda: called.append("set_up"))
    for version in ((3, 11, 0), (3, 12, 5), (3, 13, 2)):
        set_arguments(monkeypatch, start, "setup", version=version)
        start.main()  # hands nothing over: there is no subprocess.call here, so one would raise
    assert called == ["set_up"] * 3


def test_an_old_python_can_read_the_script_as_far_as_its_message():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    assert imported == {"ast", "hashlib", "os", "subprocess", "sys", "time", "Path", "fcntl", "msvcrt"}


def test_nothing_is_done_where_the_stamp_fits_and_another_python_or_none_makes_the_environment_again(
    start, commands, capsys
):
    make_stamp(start)
    start.set_up()
    assert (commands, capsys.readouterr().out, start.TOOLS.exists()) == ([], "", False)
    make_stamp(start, version=(3, 9))
    start.set_up()
    assert [command[1] for command in commands if command[0].endswith("uv")] == ["venv", "pip", "pip"]
    commands.clear()
    start.PYTHON.unlink()
    start.set_up()
    assert (commands[0][1], "--clear" in commands[0]) == ("venv", True)
    commands.clear()
    start.set_up()
    assert commands == []


def test_the_first_set_up_fetches_uv_makes_the_environment_and_installs(start, commands, tmp_path):
    start.set_up()
    uv, python, lock = str(tmp_path / ".tools/bin/uv"), str(start.PYTHON), str(tmp_path / "requirements.txt")
    pip, venv, packages, own, compiling = commands
    assert pip[:4] == [sys.executable, "-m", "pip", "install"]
    assert {"--no-deps", "--require-hashes", f"--target={start.TOOLS}"} <= set(pip)
    assert [venv[0], venv[1], venv[-1]] == [uv, "venv", str(start.ENVIRONMENT)]
    assert venv[venv.index("--python") + 1] == sys.executable
    assert packages == [uv, "pip", "install", "--python", python, "--require-hashes", "--requirement", lock]
    assert own[:5] == packages[:5]
    assert own[-2:] == ["--editable", str(tmp_path)]
    assert {"--no-deps", "--no-build-isolation"} <= set(own)
    assert compiling[:3] == [python, "-m", "compileall"]
    assert compiling[-1] == ".venv"


def test_uv_is_fetched_by_its_pinned_lines_of_the_lock_with_their_hashes(start, monkeypatch):
    assert start.read_hashed("uv") == "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert start.read_hashed("uvicorn") == "uvicorn==2.0\n"
    read = []

    def run(command, **options):
        (wanted,) = [part for part in command if part.startswith("--requirement=")]
        with open(wanted.removeprefix("--requirement="), encoding="utf-8") as file:
            read.append(file.read())
        raise subprocess.CalledProcessError(1, command)

    start.subprocess.run = run
    start.TOOLS.mkdir()
    with pytest.raises(SystemExit):
        start.find_uv({})
    assert read == [start.read_hashed("uv")]
    start.subprocess.run = lambda *_, **__: None  # pip ends well and leaves no uv
    with pytest.raises(SystemExit, match=r"delete the folder \.tools"):
        start.find_uv({})
    monkeypatch.setattr(start, "ROOT", ROOT)
    assert re.fullmatch(r"uv==\d+\.\d+\.\d+ \\\n( {4}--hash=sha256:[0-9a-f]{64}( \\)?\n){6,}", start.read_hashed("uv"))


def test_another_lock_installs_again_and_keeps_environment_and_uv_unless_that_is_another(start, commands, tmp_path):
    start.set_up()
    for name in ("requirements.txt", "pyproject.toml"):
        commands.clear()
        with open(tmp_path / name, "a", encoding="utf-8") as file:
            file.write("# changed\n")
        start.set_up()
        assert [command[1:3] for command in commands] == [["pip", "install"]] * 2 + [["-m", "compileall"]]
    commands.clear()
    (tmp_path / "requirements.txt").write_text(LOCK.replace("0.9.1", "0.9.2"), encoding="utf-8")
    start.set_up()
    assert commands[0][:4] == [sys.executable, "-m", "pip", "install"]


def test_what_is_compiled_leaves_out_tests_and_a_large_package_and_a_failure_does_not_stop_the_set_up(start, commands):
    skipped = re.compile(start.NOT_COMPILED)
    packages = ".venv/lib/python3.11/site-packages"
    assert skipped.search(f"{packages}/kubernetes/client/api.py")
    assert skipped.search(f"{packages}/pandas/tests/test_api.py")
    assert skipped.search(r".venv\Lib\site-packages\numpy\tests\test_api.py")
    assert not skipped.search(f"{packages}/pandas/testing.py")
    succeed, results = start.subprocess.run, []

    def run(command, check, cwd, **options):
        done = succeed(command, check=check, cwd=cwd, **options)
        if "compileall" in command:
            (start.ENVIRONMENT / "template.py").write_text("def {{ name }}", encoding="utf-8")
            results.append(subprocess.run([sys.executable, *command[1:]], check=check, cwd=cwd).returncode)
        return done

    start.subprocess.run = run
    start.set_up()
    assert results == [1]
    assert start.STAMP.is_file()


def test_a_failing_step_stops_with_its_own_message_leaves_no_stamp_and_the_next_run_goes_on(start, commands):
    succeed = start.subprocess.run
    failed, missing = subprocess.CalledProcessError(2, "x"), FileNotFoundError(2, "No such file")
    for number, error, problem, step in (
        (1, failed, "uv could not be fetched.", "check your network and that `python -m pip --version` works"),
        (1, missing, "uv could not be fetched.", "check your network and that `python -m pip --version` works"),
        (2, failed, "No environment could be made.", "run this again"),
        (2, failed, "The packages could not be installed.", "run this again"),
        (3, failed, "The course's own package could not be installed.", "run this again"),
    ):
        commands.clear()

        def run(command, number=number, error=error, **options):
            if "config" not in command and len(commands) + 1 == number:
                commands.append(command)
                raise error
            return succeed(command, **options)

        start.subprocess.run = run
        with pytest.raises(SystemExit) as stopped:
            start.set_up()
        told = stopped.value.code.strip().splitlines()
        assert told[0] == problem
        assert told[1].startswith(f"What to do: {step}")
        assert not start.STAMP.exists()
        assert (start.TOOLS / "wanted.txt").exists() == (number > 1)
    start.subprocess.run = succeed
    start.set_up()
    assert start.STAMP.is_file()


def test_an_environment_whose_set_up_did_not_end_is_made_anew(start, commands):
    """A missing or half-written stamp, in an environment of any state: the packages in it cannot be trusted."""
    succeed, seen = start.subprocess.run, []

    def run(command, **options):
        seen.append(start.STAMP.exists())
        return succeed(command, **options)

    start.set_up()
    (start.ROOT / "requirements.txt").write_text(LOCK + "gamma==1\n", encoding="utf-8")
    start.subprocess.run = run
    start.set_up()
    assert seen[1:] == [False] * 3  # while packages are installed; the first only asks pip for its configuration
    whole = start.STAMP.read_text(encoding="utf-8")
    for left in (None, "", whole[:40], whole[:-1]):
        start.STAMP.unlink()
        if left is not None:
            start.STAMP.write_text(left, encoding="utf-8")
        commands.clear()
        start.set_up()
        assert "--clear" in commands[0], left
        assert start.STAMP.read_text(encoding="utf-8") == whole


@pytest.mark.skipif(os.name == "nt", reason="Windows has another kind of lock")
def test_a_second_set_up_waits_for_the_first_and_for_what_it_started(start, tmp_path):
    """Also where the first was killed and its child works on."""
    import fcntl

    start.TOOLS.mkdir()
    turn = start.take_turn()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    os.close(turn)
    with (start.TOOLS / "lock").open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        child.kill()
        child.wait()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


CONFIGURED = {
    "global.index-url": "https://mirror.example/packages",
    "global.extra-index-url": "\nhttps://second.example/packages\nfile:///nowhere/at/all",
    "install.index-url": "https://nearer.example/packages",
    ":env:.cert": "/certificates.pem",
    "global.trusted-host": "mirror.example",
    "global.proxy": "http://127.0.0.1:3128",
    "global.target": "/elsewhere",
    "global.constraint": "/constraints.txt",
    ":env:.require-virtualenv": "1",
    ":env:.user": "yes",
}


def test_of_the_users_configuration_only_the_way_to_packages_reaches_pip_and_uv(start, monkeypatch):
    told = "".join(f"{name}={value!r}\n" for name, value in CONFIGURED.items()).encode() + b"odd line\n"
    start.subprocess.run = lambda *_, **__: SimpleNamespace(stdout=told)
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_", "SSL_CERT")):
            monkeypatch.delenv(name)
    foreign = ("PIP_REQUIRE_VIRTUALENV", "PIP_USER", "PIP_PREFIX", "PIP_ROOT", "PIP_DRY_RUN", "PIP_CONSTRAINT")
    foreign += ("UV_CONSTRAINT", "UV_OVERRIDE", "UV_CACHE_DIR", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    for name in foreign:
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for_pip, for_uv = start.build_environments()
    assert [name for name in foreign if name in for_pip or name in for_uv] == []
    assert for_pip["HTTPS_PROXY"] == for_uv["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert {name: value for name, value in for_pip.items() if name.startswith("PIP_")} == {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "https://nearer.example/packages",
        "PIP_EXTRA_INDEX_URL": "https://second.example/packages",
        "PIP_TRUSTED_HOST": "mirror.example",
        "PIP_CERT": "/certificates.pem",
        "PIP_PROXY": "http://127.0.0.1:3128",
    }
    assert for_uv["UV_DEFAULT_INDEX"] == "https://nearer.example/packages"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://b.example/packages")  # uv's own setting wins
    assert start.build_environments()[1]["UV_DEFAULT_INDEX"] == "https://b.example/packages"
    assert for_uv["UV_INDEX"] == "https://second.example/packages"
    assert (for_uv["UV_INSECURE_HOST"], for_uv["SSL_CERT_FILE"]) == ("mirror.example", "/certificates.pem")
    assert (for_uv["UV_NO_CONFIG"], for_uv["ALL_PROXY"]) == ("1", "http://127.0.0.1:3128")


def test_the_command_is_handed_over_with_its_exit_code_and_ctrl_c_or_an_unusable_folder_ends_with_a_sentence(
    start, monkeypatch, tmp_path
):
    called = []

    def call(command, cwd):
        called.append((command, cwd))
        return 3

    def interrupt(command, **options):
        raise KeyboardInterrupt

    make_stamp(start, version=(3, 12))
    for arguments, handed_over in (((), ["lab"]), (("models", "list"), ["models", "list"])):
        set_arguments(monkeypatch, start, *arguments)
        for run, code in ((call, 3), (interrupt, 130)):
            start.subprocess.call = run
            with pytest.raises(SystemExit) as ended:
                start.main()
            assert ended.value.code == code
        assert called[-1] == ([str(start.PYTHON), "-m", "llmops_utils", *handed_over], tmp_path)
    denied = PermissionError(13, "Permission denied", "x")
    for error, told in [(KeyboardInterrupt(), "was interrupted"), (denied, "x (P")]:

        def fail(error=error):
            raise error

        monkeypatch.setattr(start, "set_up", fail)
        with pytest.raises(SystemExit) as ended:
            start.main()
        assert told in ended.value.code
