"""Claims about a class with JupyterHub: what a student and a teacher see, and what a kill in the middle costs."""

import json
import os
import shutil
import signal
import time

import httpx2
import pytest
from class_hub import ClassHub, Student, list_processes
from fake_provider import FakeProvider

from llmops_utils.course.notebooks import find_notebooks

pytest.importorskip("jupyterhub", reason="JupyterHub is not installed; `make class-test` installs it")
pytest.importorskip("websocket")
PROXY = os.environ.get("CLASS_PROXY") or shutil.which("configurable-http-proxy")
pytestmark = pytest.mark.skipif(PROXY is None, reason="configurable-http-proxy is not installed (make class-test)")
ASK = "from llmops_utils.models import Model\nprint(Model('99_class').chat('Hi').text)"
CHAT = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}


@pytest.fixture(scope="module")
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def hub(tmp_path_factory, fake):
    """A class in front of a fake model server."""
    folder = tmp_path_factory.mktemp("class")
    server = {"PROVIDER": "vllm", "BASE_URL": fake.base_url, "MODEL": "fake", "API_KEY": "of-the-teacher"}
    variables = {f"LLMOPS_{name}": value for name, value in server.items()}
    with ClassHub(folder, CLASS_PROXY=PROXY, LLMOPS_HOME=str(folder / "home"), **variables) as running:
        yield running


@pytest.fixture(scope="module")
def ana(hub):
    """A student with a server and a kernel."""
    student = hub.find_student("ana")
    student.start()
    student.open("00_start_here.ipynb")
    return student


def test_a_wrong_password_an_odd_name_and_the_teachers_name_with_the_classs_password_are_refused(hub):
    known = hub.passwords
    for name, password in (("ben", "wrong"), ("teacher", known["class"]), ("../ben", known["class"]), ("ben", "")):
        with pytest.raises(PermissionError):
            Student(hub.url, name, password)


def test_a_student_has_the_lessons_and_a_key_of_the_own_and_not_the_teachers(hub, fake, ana):
    names = [one["name"] for one in ana.read("")["content"]]
    assert {"00_start_here.ipynb", "06_2_few_shot.ipynb"} <= {*names}
    assert ana.run(ASK).text == "Hello there.\n"
    assert fake.requests[-1].headers["authorization"] == "Bearer of-the-teacher"
    assert "of-the-teacher" not in ana.run("import os\nprint(os.environ)").text
    assert ana.run("import llmops_utils.core as c\nprint(c.load_settings().mode)").text == "auto\n"


def test_what_is_recorded_costs_nothing(fake, ana):
    num = len(fake.requests)
    ana.run("os.environ.update(LLMOPS_PROVIDER='embedded', LLMOPS_MODEL='smollm2-135m-instruct')")
    [path] = find_notebooks("00")
    code = [cell for cell in ana.read(path.name)["content"]["cells"] if cell["cell_type"] == "code"]
    cells = [cell["source"] for cell in code if "raises-exception" not in cell["metadata"].get("tags", [])]
    assert [found.error for cell in cells if (found := ana.run(cell)).error] == []
    assert len(fake.requests) == num
    ana.run("os.environ.update(LLMOPS_PROVIDER='vllm', LLMOPS_MODEL='fake')")


def test_a_student_reaches_neither_anothers_server_nor_the_teachers_page_nor_the_usage(hub, ana):
    ben = hub.find_student("ben")
    headers = {"Authorization": f"Bearer {ben.token}"}
    assert ben.client.get("/user/ana/api/contents").status_code in (403, 404)
    assert ben.client.get("/services/class/").status_code == 403
    assert ben.client.get("/hub/api/users").status_code == 403
    assert httpx2.get(f"{hub.model}/usage", headers=headers).status_code == 403
    assert httpx2.post(f"{hub.model}/v1/chat/completions", json=CHAT, headers=headers).status_code == 200
    nobody = {"Authorization": "Bearer " + "0" * 32}
    assert httpx2.post(f"{hub.model}/v1/chat/completions", json=CHAT, headers=nobody).status_code == 401


def test_the_teacher_sees_who_is_where_with_what_solved_and_used(hub, ana):
    ana.run("from llmops_utils.course import Progress\nProgress().mark_done('06_2.1')")
    told = hub.find_student("teacher").ask("GET", "/services/class/?format=json").json()
    assert told["model"]["status"] == "ok"
    [seen] = [one for one in told["students"] if one["name"] == "ana"]
    assert (seen["is_on"], seen["where"].split()[0], seen["num_solved"]) == (True, "00_start_here.ipynb", 1)
    assert (seen["requests"] > 0, seen["tokens"] > 0) == (True, True)
    assert "teacher" not in {one["name"] for one in told["students"]}


def test_a_service_and_a_hub_that_are_killed_come_back_and_nobody_logs_in_again(hub, ana):
    ana.run("from llmops_utils.course import Progress\nProgress().mark_done('06_2.1')\nmine = 'in the kernel'")
    page = ana.read("01_1_what_an_llm_is.ipynb")["content"]
    page["cells"][0]["source"] = "# Notes"
    ana.write("01_1_what_an_llm_is.ipynb", page)
    before = hub.find_student("teacher").ask("GET", "/services/class/?format=json").json()["students"][0]["requests"]
    for worker in list_processes("model_service.py\0serve"):
        if worker in list_processes(str(hub.folder)):
            os.kill(worker, signal.SIGKILL)
    assert ana.run(ASK).text == "Hello there.\n"  # it asked again until the service was back
    hub.kill()
    hub.start()
    assert ana.run(ASK + "\nprint(mine)").text == "Hello there.\nin the kernel\n"
    assert ana.read("01_1_what_an_llm_is.ipynb")["content"]["cells"][0]["source"] == "# Notes"
    time.sleep(6)  # the page asks anew after five seconds
    told = hub.find_student("teacher").ask("GET", "/services/class/?format=json").json()["students"]
    assert next(one for one in told if one["name"] == "ana")["requests"] == before + 2  # counted through the kills
    ana.stop()
    ana.start()
    assert ana.read("01_1_what_an_llm_is.ipynb")["content"]["cells"][0]["source"] == "# Notes"
    assert json.loads(ana.read("progress.json")["content"])["done"]


def test_a_student_who_kills_the_own_kernel_goes_on_in_a_new_one(ana):
    ana.open("00_start_here.ipynb")
    ana.run("import os, signal, threading\nthreading.Timer(0.3, os.kill, (os.getpid(), signal.SIGKILL)).start()")
    time.sleep(6)  # Jupyter sees it, and starts another
    ana.connect()
    assert ana.run(ASK).text == "Hello there.\n"
