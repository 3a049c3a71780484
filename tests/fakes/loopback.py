"""A server of this process on loopback, which the fakes are made of."""

import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Loopback:
    """A context manager that runs a server with the class's `handler`, which finds this object as `self.server.fake`."""

    handler: type[BaseHTTPRequestHandler]
    num_connections = 0  # that were opened

    def __enter__(self):
        self._server = _Server(("127.0.0.1", 0), self.handler)
        self._server.fake = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def root(self):
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self):  # without the name look-up that HTTPServer adds
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        """Say nothing of clients that hang up: the tests make them do so."""


class Handler(BaseHTTPRequestHandler):
    """A handler that keeps connections open and says nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.fake.num_connections += 1

    def log_message(self, *_):
        pass

    def respond(self, status, content, headers):
        """Send an answer."""
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
