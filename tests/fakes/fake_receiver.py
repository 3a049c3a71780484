"""A receiver of traces on loopback: a real HTTP server that decodes the protobuf it gets, or misbehaves as it is told."""

from __future__ import annotations

import time

from loopback import Handler, Loopback
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"


class FakeReceiver(Loopback):
    """The server.

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

    @property
    def url(self):
        return f"{self.root}/v1/traces"


class _Handler(Handler):
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
        self.respond(
            status, b"" if fake.is_dripping else body, {"Content-Type": fake.kind, "Content-Length": str(len(body))}
        )
        for place in range(len(body) if fake.is_dripping else 0):
            self.wfile.write(body[place : place + 1])
            self.wfile.flush()
            time.sleep(fake.delay_s)


FakeReceiver.handler = _Handler
