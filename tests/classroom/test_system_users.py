"""Claims about a class whose students are users of the system: own passwords, own processes, own files."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from class_hub import ClassHub, Student
from fake_provider import FakeProvider

pytest.importorskip("jupyterhub", reason="JupyterHub is not installed; `make class-test` installs it")
PROXY = os.environ.get("CLASS_PROXY") or shutil.which("configurable-http-proxy")
SCRIPT = Path(__file__).with_name("system_users.sh")


def may_make_users():
    """Whether users can be made for this test alone: as root, in a namespace of its own."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "--mount", "bash", SCRIPT, "id", "ana"], capture_output=True)
    return done.returncode == 0


pytestmark = [
    pytest.mark.skipif(PROXY is None, reason="configurable-http-proxy is not installed (make class-test)"),
    pytest.mark.skipif(not may_make_users(), reason="only root can make users for a test, in a namespace of its own"),
]


@pytest.fixture(scope="module")
def hub():
    folder = Path(tempfile.mkdtemp(prefix="class-"))
    folder.chmod(0o755)  # pytest's own folders are for their owner alone
    with FakeProvider() as fake:
        server = {"PROVIDER": "vllm", "BASE_URL": fake.base_url, "MODEL": "fake", "HOME": str(folder / "home")}
        variables = {f"LLMOPS_{name}": value for name, value in server.items()}
        variables |= {"CLASS_PROXY": PROXY, "CLASS_USERS": "system", "CLASS_TEACHERS": "mia"}
        prefix = ("unshare", "--mount", "bash", str(SCRIPT))
        with ClassHub(folder, prefix=prefix, **variables) as running:
            yield running
    shutil.rmtree(folder, ignore_errors=True)


def test_a_student_works_as_the_own_user_with_lessons_and_model_and_reaches_no_other_home(hub):
    for name, password in (("ana", "wrong"), ("root", ""), ("nobody", "")):
        with pytest.raises(PermissionError):
            Student(hub.url, name, password)
    ana = Student(hub.url, "ana", "password-of-ana")
    ana.start()
    ana.open("00_start_here.ipynb")
    assert ana.run("import getpass, os\nprint(getpass.getuser(), os.getuid() > 0)").text == "ana True\n"
    asked = ana.run("from llmops_utils.models import Model\nprint(Model('99_class').chat('Hi').text)")
    assert (asked.text, asked.error) == ("Hello there.\n", "")
    assert "PermissionError" in ana.run("os.listdir('/home/ben')").error
    assert "PermissionError" in ana.run(f"open({str(hub.folder / 'hub' / 'hub.sqlite')!r}).read(1)").error
    told = Student(hub.url, "mia", "password-of-mia").ask("GET", "/services/class/?format=json").json()
    assert [(one["name"], one["is_on"], one["requests"]) for one in told["students"]] == [("ana", True, 1)]
    ana.stop()
