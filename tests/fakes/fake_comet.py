"""A small HTTP server on loopback that speaks what `comet_ml` and `comet upload` ask of Comet's service.

It was written from the requests of comet_ml 3.58. It keeps what each run sends, refuses a wrong key as Comet does, and
can be cut off: then it drops each connection without an answer.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from email.parser import BytesParser
from urllib.parse import parse_qs, urlsplit

from loopback import Handler, Loopback

GOOD_KEY = "goodcometkey0123456789"
ALREADY_THERE, KEY_UNKNOWN = 90999, 90212  # sdk_error_code of comet_ml.exceptions


@dataclass
class StoredRun:
    """What came for one run."""

    project: str
    parameters: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    others: dict = field(default_factory=dict)
    texts: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    tags: list = field(default_factory=list)


class FakeComet(Loopback):
    """The server.

    Attributes:
        runs: by their key.
        paths: of all requests that were answered, in order, without their query.
        keys: the API keys that requests carried in their header.
        is_cut: drop every connection.
        cut_at: a path; from the first request to it on, connections are dropped.
        broken_at: a path; requests to it are answered with status 500.
    """

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.paths: list[str] = []
        self.keys: set[str] = set()
        self.is_cut = False
        self.cut_at = ""
        self.broken_at = ""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """What COMET_URL_OVERRIDE is to be."""
        return f"{self.root}/clientlib/"

    def answer(self, path: str, query: dict, body) -> tuple[int, dict]:
        if path.endswith("logger/add/run"):
            return self._add_run(body)
        if path.endswith("logger/get/run"):
            return self._open_run(body["previousExperiment"])
        key = query.get("experimentId") or (body.get("experimentKey") if isinstance(body, dict) else None)
        run = self.runs.get(key)
        if path.endswith("isAlive/ver"):
            return 200, {"version": "4.0.0", "msg": "ok"}
        if path.endswith("experiment/parameter") and run:
            run.parameters |= {one["parameterName"]: one["parameterValue"] for one in body["values"]}
        elif path.endswith("experiment/metric") and run:
            for one in body["values"]:
                run.metrics.setdefault(one["metricName"], []).append((one["step"], one["metricValue"]))
        elif path.endswith("log-other") and run:
            run.others[body["key"]] = body["value"]
        elif path.endswith("add-tags-to-experiment") and run:
            run.tags += body["addedTags"]
        elif path.endswith("asset/upload") and run:
            if query.get("type") == "text-sample":
                run.texts.append(body["file"].decode())
            else:
                run.files[query["fileName"]] = body["file"]
        if path.endswith("status-report/update"):
            return 200, dict.fromkeys(("is_alive_beat_duration_millis", "gpu_monitor_interval_millis"), 1000)
        return 200, {}

    def _add_run(self, body: dict) -> tuple[int, dict]:
        if body["apiKey"] != GOOD_KEY:
            return 403, {"sdk_error_code": KEY_UNKNOWN, "msg": "unknown key"}
        key = body["experimentKey"]
        if key in self.runs and not body["getOrCreateEnabled"]:
            return 400, {"sdk_error_code": ALREADY_THERE, "msg": "it is there already"}
        self.runs.setdefault(key, StoredRun(body["projectName"]))
        return self._open_run(key)

    def _open_run(self, key: str) -> tuple[int, dict]:
        link = f"{self.root}/workspace/project/"
        return 200, {"runId": f"run-{key}", "project_id": "project-1", "focusUrl": link, "lastOffset": 0}


class _Handler(Handler):
    def _answer(self) -> None:
        fake: FakeComet = self.server.fake
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        with fake.lock:
            if fake.cut_at and parts.path.endswith(fake.cut_at):
                fake.is_cut = True
            if fake.is_cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            fake.paths.append(parts.path)
            fake.keys.add(self.headers.get("authorization") or "")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if fake.broken_at and parts.path.endswith(fake.broken_at):
                status, answer = 500, {"msg": "something is wrong here"}
            else:
                status, answer = fake.answer(parts.path, query, self._parse(content))
        self.respond(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _parse(self, content: bytes):
        kind = self.headers.get("content-type") or ""
        if not kind.startswith("multipart/form-data"):
            return json.loads(content) if content else {}
        message = BytesParser().parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + content)
        named = {}
        for part in message.get_payload():
            name = re.search(r'name="([^"]+)"', part["content-disposition"])[1]
            named[name] = part.get_payload(decode=True)
        return named

    do_GET = do_POST = do_PUT = _answer


FakeComet.handler = _Handler
