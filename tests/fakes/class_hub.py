"""A class with JupyterHub, started and stopped by a test or a measurement, and students who use its interfaces."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "classroom" / "jupyterhub_config.py"


def find_ports(num: int) -> int:
    """Return the first of so many ports in a row that are free."""
    for first in range(18_000 + os.getpid() % 900 * 10, 60_000, 10):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + num):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise OSError("no ports")


class ClassHub:
    """The Hub with its proxy and services as `make class` starts them; a context manager, which ends all of them.

    Args:
        folder: of the class; the log of all processes is `hub.log` in it.
        prefix: a command that runs the Hub's.
        **variables: of the Hub's environment, beyond those of this process.
    """

    def __init__(self, folder: Path, prefix: tuple[str, ...] = (), **variables: str) -> None:
        self.folder, self.prefix, self.port = folder, prefix, find_ports(5)
        self.url, self.model = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port + 3}"
        self.variables = {"CLASS_FOLDER": str(folder), "CLASS_PORT": str(self.port)} | variables
        self.log, self._process = folder / "hub.log", None

    def __enter__(self) -> ClassHub:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.kill(signal.SIGINT)
        for process in list_processes(str(self.folder)):  # what a killed Hub left
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)

    def start(self, wait_s: float = 120) -> float:
        """Start the Hub and return after how many seconds it and the model's service answer."""
        started = time.perf_counter()
        command = [*self.prefix, Path(sys.executable).with_name("jupyterhub"), "--config", CONFIG]
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | self.variables, stdout=log, stderr=log, start_new_session=True
            )
        for address in (f"{self.url}/hub/health", f"{self.model}/v1/models"):
            while not _answers(address):
                if time.perf_counter() - started > wait_s or self._process.poll() is not None:
                    raise TimeoutError(self.log.read_text(encoding="utf-8")[-3000:])
                time.sleep(0.1)
        return time.perf_counter() - started

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the Hub alone, by a signal."""
        self._process.send_signal(number)
        self._process.wait(timeout=60)

    @property
    def passwords(self) -> dict[str, str]:
        """Of the class and of the teacher."""
        return json.loads((self.folder / "hub" / "passwords.json").read_text(encoding="utf-8"))

    def find_student(self, name: str) -> Student:
        """Return a student, or the teacher, who has logged in."""
        who = "teacher" if name == "teacher" else "class"
        return Student(self.url, name, self.passwords[who])


def _answers(address: str) -> bool:
    try:
        return httpx2.get(address, timeout=5).status_code in (200, 401)
    except httpx2.HTTPError:
        return False


def list_processes(word: str) -> list[int]:
    """Return the processes in whose environment or command a word stands, but this one."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            told = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
            if word.encode() in told and int(place.name) != os.getpid():
                found.append(int(place.name))
    return found


@dataclass
class Output:
    """What a cell gave: its texts, and the name of an error."""

    text: str = ""
    error: str = ""


class Student:
    """A user of the Hub: logs in by its form, then uses the interfaces of the Hub and of the own server by a token.

    Raises:
        PermissionError: the password is refused.
    """

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url, self.name, self.socket = url, name, None
        with httpx2.Client(base_url=url, follow_redirects=True, timeout=60) as browser:
            browser.get("/hub/login")
            form = {"username": name, "password": password, "_xsrf": browser.cookies["_xsrf"]}
            if (
                browser.post(
                    "/hub/login?next=%2Fhub%2Fhome", data=form, headers={"Sec-Fetch-Mode": "navigate"}
                ).status_code
                != 200
            ):
                raise PermissionError(name)
            xsrf = {"X-XSRFToken": [one.value for one in browser.cookies.jar if one.name == "_xsrf"][-1]}
            made = browser.post(f"/hub/api/users/{name}/tokens", json={"note": "script"}, headers=xsrf)
            made.raise_for_status()
        self.token = made.json()["token"]
        self.client = httpx2.Client(base_url=url, headers={"Authorization": f"token {self.token}"}, timeout=120)

    def ask(self, method: str, path: str, **options) -> httpx2.Response:
        """Return an answer of the Hub's or the server's interface; a status that is no success raises."""
        answer = self.client.request(method, path, **options)
        answer.raise_for_status()
        return answer

    def start(self, wait_s: float = 180) -> float:
        """Start the own server, and return after how many seconds it is ready."""
        started = time.perf_counter()
        self.ask("POST", f"/hub/api/users/{self.name}/server")
        while time.perf_counter() - started < wait_s:
            servers = self.ask("GET", f"/hub/api/users/{self.name}").json()["servers"]
            if servers.get("", {}).get("ready"):
                return time.perf_counter() - started
            time.sleep(0.2)
        raise TimeoutError(f"the server of {self.name}")

    def stop(self) -> None:
        """Stop the own server."""
        self.client.delete(f"/hub/api/users/{self.name}/server")
        while self.ask("GET", f"/hub/api/users/{self.name}").json()["servers"]:
            time.sleep(0.2)

    def read(self, path: str) -> dict:
        """Return what the contents interface says of a file."""
        return self.ask("GET", f"/user/{self.name}/api/contents/{path}").json()

    def write(self, path: str, content: dict) -> None:
        """Save a notebook."""
        body = {"type": "notebook", "format": "json", "content": content}
        self.ask("PUT", f"/user/{self.name}/api/contents/{path}", json=body)

    def open(self, notebook: str) -> None:
        """Start a kernel for a notebook, as JupyterLab does."""
        body = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
        kernel = self.ask("POST", f"/user/{self.name}/api/sessions", json=body).json()["kernel"]["id"]
        self.kernel = f"/user/{self.name}/api/kernels/{kernel}"
        self.session = uuid.uuid4().hex  # under which the server keeps what was said while the line was broken
        self.connect()

    def connect(self) -> None:
        """Connect to the kernel, again after a break."""
        import websocket

        address = f"ws{self.url[4:]}{self.kernel}/channels?session_id={self.session}"
        self.socket = websocket.create_connection(address, header=[f"Authorization: token {self.token}"], timeout=300)

    def run(self, code: str) -> Output:
        """Run a cell and return its output."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "username": self.name, "session": self.session, "msg_type": "execute_request"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        message = {"header": header | {"version": "5.3"}, "parent_header": {}, "metadata": {}, "content": content}
        if self.socket is not None:  # a new line for each cell: what is sent on one that broke meanwhile gets lost
            self.socket.close()
            self.socket = None
        self._keep_trying(lambda: self.socket.send(json.dumps(message | {"channel": "shell", "buffers": []})))
        found = Output()
        while True:
            said = json.loads(self._keep_trying(lambda: self.socket.recv()))
            content = said["content"]
            if said["parent_header"].get("msg_id") != number:
                continue
            if said["msg_type"] == "stream":
                found.text += content["text"]
            elif said["msg_type"] == "execute_result":
                found.text += content["data"].get("text/plain", "")
            elif said["msg_type"] == "error":
                found.error = f"{content['ename']}: {content['evalue']}"
            elif said["msg_type"] == "status" and content["execution_state"] == "idle":
                return found

    def _keep_trying(self, use, wait_s: float = 120):
        """Use the connection, and where it breaks, connect again, as JupyterLab does."""
        import websocket

        ended = time.perf_counter() + wait_s
        while True:
            try:
                if self.socket is None:
                    self.connect()
                return use()
            except (OSError, websocket.WebSocketException):
                self.socket = None
                if time.perf_counter() > ended:
                    raise
                time.sleep(0.5)
