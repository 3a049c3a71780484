"""A receiver of traces on loopback: a real HTTP server that decodes the protobuf it gets, or misbehaves as it is told."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


class FakeReceiver:
    """The server; a context manager.

    Attributes:
        spans: all that were taken, by their number; one that comes again takes its own place.
        headers: of each request.
        num_requests: how many came.
        status, body, kind: of each answer; without a body it is that of a receiver that took everything.
        delay_s: seconds before an answer begins; `is_dripping` sends it byte by byte, each after as long.
        fails_from: the number of the request from which on the status is 503.
    """

    def __init__(self, status=200, body=None, kind=PROTOBUF, delay_s=0.0, is_dripping=False, fails_from=None):
        self.spans, self.headers, self.num_requests, self.sizes = {}, [], 0, []
        self.status, self.body, self.kind, self.delay_s = status, body, kind, delay_s
        self.is_dripping, self.fails_from = is_dripping, fails_from

    def __enter__(self) -> FakeReceiver:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.fake = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        fake = self.server.fake
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fake.num_requests += 1
        fake.headers.append(dict(self.headers))
        fake.sizes.append(len(content))
        is_down = fake.fails_from is not None and fake.num_requests >= fake.fails_from
        status = 503 if is_down else fake.status
        if status == 200 and fake.body is None and self.path.endswith("/v1/traces"):
            request = ExportTraceServiceRequest.FromString(content)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    fake.spans.update({one.span_id: one for one in scope.spans})
        time.sleep(fake.delay_s)
        body = ExportTraceServiceResponse().SerializeToString() if fake.body is None else fake.body
        self.send_response(status)
        self.send_header("Content-Type", fake.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for place in range(len(body)):
            try:
                self.wfile.write(body[place : place + 1] if fake.is_dripping else body)
                self.wfile.flush()
            except OSError:
                return
            if not fake.is_dripping:
                return
            time.sleep(fake.delay_s)

    def log_message(self, *_):
        pass
