"""Claims about the teacher's page: what it says is right, and no student's server can break it or write into it."""

import asyncio
import contextlib
import datetime
import json

import pytest
from loopback import Handler, Loopback
from teacher_page import PAGE, Survey

PROGRESS = json.dumps({"done": {"01_1.1": "2026-12-01", "01_1.2": "2026-12-02", "no.such": "2027-01-01"}})


def make_user(name, is_on=True, **more):
    now = datetime.datetime.now(datetime.UTC).isoformat()
    servers = {"": {"ready": True, "last_activity": now}} if is_on else {}
    return {"name": name, "admin": False, "servers": servers, "last_activity": now} | more


@pytest.fixture
def world(tmp_path):
    """The Hub, the gateway and the students' servers as one fake: answers by path, and a survey of them."""
    answers = {
        "/hub/api/users": [make_user("ben", is_on=False), make_user("ana"), make_user("mia", admin=True)],
        "/usage": {"callers": {"ana": {"requests": 3, "tokens": 450, "waiting": 1}}},
        "/health": {"status": "ok", "seconds": 0.01, "waiting": 1},
        "/user/ana/api/sessions": [{"name": "06_2_few_shot.ipynb", "kernel": {"execution_state": "busy"}}],
        "/user/ana/api/contents/progress.json": {"type": "file", "content": PROGRESS},
    }
    asked = []

    class Answering(Handler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            asked.append(path)
            content = answers.get(path)
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            with contextlib.suppress(OSError):
                self.respond(200 if path in answers else 404, body, {})

    class World(Loopback):
        handler = Answering

    def look(num=1):
        async def run():
            survey = Survey(f"{server.root}/hub/api", server.root, server.root, "token", tmp_path / "solved.json")
            told = await asyncio.gather(*(survey.look() for _ in range(num)))
            return told[-1]

        return asyncio.run(run())

    with World() as server:
        yield answers, look, asked


def write_page(told):
    return PAGE.generate(model=told["model"], students=told["students"], num_exercises=9).decode()


def test_each_student_stands_with_place_progress_and_use_and_two_teachers_ask_once(world):
    _, look, asked = world
    told = look(num=2)
    ana, ben = told["students"]
    assert (ana["name"], ana["used"], ana["where"]) == ("ana", "now", "06_2_few_shot.ipynb (busy)")
    assert (ana["num_solved"], ana["last_solved"]) == (2, "01_1.2 2026-12-02")  # of known exercises
    assert (ana["requests"], ana["tokens"], ana["waiting"]) == (3, 450, 1)
    assert (ben["name"], ben["used"], ben["where"], ben["num_solved"]) == ("ben", "off", "", 0)
    assert asked.count("/usage") == 1
    page = write_page(told)
    assert "06_2_few_shot.ipynb (busy)" in page
    assert "2 students" in " ".join(page.split())
    assert 'name="viewport"' in page  # a phone shows it in letters that can be read


def test_what_was_solved_stays_known_when_a_server_is_off_or_the_hub_is_silent(world):
    answers, look, _ = world
    look()
    answers["/hub/api/users"] = None
    assert look()["students"] == []
    answers["/hub/api/users"] = [make_user("ana", is_on=False)]
    assert look()["students"][0]["num_solved"] == 2


def test_nonsense_of_a_students_server_is_passed_over_and_its_names_cannot_write_into_the_page(world):
    answers, look, _ = world
    name = "<script>alert(1)</script>.ipynb"
    for sessions in ([{"name": name, "kernel": None}], ["x", {"name": ["a"]}], {"a": 1}, b"{", b" " * 2_000_000):
        answers["/user/ana/api/sessions"] = sessions
        told = look()
        assert "<script>" not in write_page(told)
        assert told["students"][0]["num_solved"] == 2
    for said in (b"{", {"type": "file", "content": "[]"}, {"type": "file", "content": '{"done": [1]}'}, [1], None):
        answers["/user/ana/api/contents/progress.json"] = said
        assert look()["students"][0]["num_solved"] == 2  # what was known before


def test_a_model_that_is_down_is_told(world):
    answers, look, _ = world
    del answers["/health"]
    assert "does not answer" in write_page(look())
