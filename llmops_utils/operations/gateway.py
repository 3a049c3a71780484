"""A gateway in front of the models that many share: keys, checked requests, quotas that hold, and fair turns.

It stands between the callers and llama.cpp, which trusts whoever asks. What a caller sends is read only with a valid key,
passed on only where `check_request` knows it, and counted in full before it is asked, so that calls side by side cannot
pass a quota together. Callers take turns: one with a hundred calls waits behind one with a single call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx2
from tornado import httpserver, iostream, netutil, web

from ..core import ServerError, Settings, WorkbookError
from ..models import bound_tokens, choose_local_models, connect, embed_here, fetch_weights, load_catalog
from ..models.server import EmbeddedServer, share_server
from ..models.weights import find_adapter
from .quotas import Quota, Turns
from .request_checks import FIELDS, MOST_BYTES, Refused, check_request

HEADER_S, BODY_S = 10, 20  # in which the headers and the body of a request have to be here
SLOWED_S = 0.5  # before a 429, so that who asks again at once takes no processor time from the others
PASS_S = 300  # longest that the model works at a request

# Key and address to the caller's name; None: no valid key. May raise `Refused` where nobody can say.
Authenticate = Callable[[str, str], Awaitable[str | None]]


@dataclass
class Gateway:
    """What a gateway stands in front of, and by which rules.

    Attributes:
        models: their names; a request that names none means the first.
        find_server: returns the server of one, started at the first call. Raises `WorkbookError` where there is none.
        turns: how many calls the model works at together.
        embed: returns the body of an answer to a request for embeddings; None where there are none.
        is_teacher: whether a caller may see the page of usage.
    """

    models: tuple[str, ...]
    find_server: Callable[[str], EmbeddedServer]
    authenticate: Authenticate
    quota: Quota
    turns: Turns
    embed: Callable[[dict], dict] | None = None
    is_teacher: Callable[[str], bool] = lambda caller: False

    @contextlib.contextmanager
    def listen(self, host: str, port: int) -> Iterator[int]:
        """Serve in a thread as long as the context lasts, and give the port; 0 chooses a free one.

        Raises `ServerError` where the port is taken, or the host is none of this machine.
        """
        try:
            sockets = netutil.bind_sockets(port, host)
        except OSError as error:
            raise ServerError(f"{host}:{port} cannot be opened ({error.strerror}).", "Choose another port.") from None
        loop, ended = asyncio.new_event_loop(), threading.Event()

        async def serve() -> None:
            server = self._make_server()
            server.add_sockets(sockets)
            while not ended.is_set():
                await asyncio.sleep(0.05)
            server.stop()
            await server.close_all_connections()

        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="gateway", daemon=True)
        thread.start()
        try:
            yield sockets[0].getsockname()[1]
        finally:
            ended.set()
            thread.join(timeout=5)

    def _make_server(self) -> httpserver.HTTPServer:
        timeout, limits = httpx2.Timeout(PASS_S, connect=5), httpx2.Limits(max_connections=None)
        client = httpx2.AsyncClient(timeout=timeout, limits=limits)
        routes = [("(/.*)", _Handler, {"gateway": self, "client": client})]
        application = web.Application(routes, log_function=lambda handler: None)  # what callers ask is theirs
        return httpserver.HTTPServer(
            application,
            max_body_size=MOST_BYTES + 1000,
            max_header_size=16_384,
            idle_connection_timeout=HEADER_S,
            body_timeout=BODY_S,
        )


def open_gateway(
    settings: Settings,
    authenticate: Authenticate,
    is_teacher: Callable[[str], bool],
    most_requests: int,
    most_tokens: int,
) -> Gateway:
    """Return a gateway in front of the model of the settings, with the adapters that the catalog has for it.

    Where the settings name an address, it stands in front of the server there. Embeddings come from this machine.

    Args:
        most_requests: of each caller in an hour; kept, as the tokens are, in `class_quota.json` of the home.
        most_tokens: read and written.
    """
    if settings.needs_weights:
        model, encoder = choose_local_models(settings)
        [weights, *_] = fetch_weights(model, settings.home).values()
        fetch_weights(encoder, settings.home)
        base = model.base or model.name
        adapted = {one.name: one.adapter_path for one in load_catalog().local.values() if one.base == base}
        adapters = {name: find_adapter(path, model.files[0].sha256) for name, path in adapted.items() if path}
        models = tuple(dict.fromkeys([model.name, base, *adapters]))

        def find_server(name: str) -> EmbeddedServer:
            shared = (settings.context, settings.parallel, settings.threads, adapters.get(name))
            return share_server(weights, name, *shared)
    else:
        upstream = connect("class", settings.model_copy(update={"mode": "live"}))
        encoder = choose_local_models(settings.model_copy(update={"model": None}))[1]
        models = (upstream.model,)

        def find_server(name: str) -> EmbeddedServer:
            return EmbeddedServer(upstream.base_url, upstream.api_key, None)

    return Gateway(
        models,
        find_server,
        authenticate,
        Quota(settings.home / "class_quota.json", most_requests, most_tokens),
        Turns(settings.parallel),
        partial(embed_here, encoder, settings),
        is_teacher,
    )


@web.stream_request_body
class _Handler(web.RequestHandler):
    """One request: its key first, then its body, its turn, and the model's answer as it comes."""

    def initialize(self, gateway: Gateway, client: httpx2.AsyncClient) -> None:
        self._gateway, self._client = gateway, client
        self._body = bytearray()
        self._work: asyncio.Task | None = None
        self._caller = ""
        self._num_told = 0  # tokens that a stream says it took, before its end

    async def prepare(self) -> None:
        key = self.request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        try:
            caller = await self._gateway.authenticate(key, self.request.remote_ip or "")
            if caller is None:
                raise Refused(401, "There is no such key. Save the settings of your class as .env once more.")
            if (self.request.method, self.request.path) not in _OFFERED:
                raise Refused(404, f"{self.request.path} is not offered here.")
            self._caller = caller
        except Refused as refused:
            self._refuse(refused)

    def data_received(self, chunk: bytes) -> None:
        if self._caller:
            self._body += chunk

    def on_connection_close(self) -> None:
        if self._work is not None:
            self._work.cancel()  # the caller left: what nobody reads is not written

    async def get(self, path: str) -> None:
        if path == "/v1/models":
            entries = [{"id": name, "object": "model", "owned_by": "class"} for name in self._gateway.models]
            self.finish({"object": "list", "data": entries})
        elif path == "/health":
            await self._tell_health()
        elif self._gateway.is_teacher(self._caller):
            used, waiting = self._gateway.quota.used, self._gateway.turns.num_waiting
            names = ("requests", "tokens", "waiting")
            told = {one: dict(zip(names, (*used[one], waiting.get(one, 0)), strict=True)) for one in sorted(used)}
            self.finish({"callers": told})
        else:
            self._refuse(Refused(403, "This page is for the teacher."))

    async def _tell_health(self) -> None:
        """Say whether the first model answers, in how many seconds, and how many calls wait."""
        started = time.perf_counter()
        try:
            address = await self._address("/v1/models", {"model": self._gateway.models[0]})
            answer = await self._client.get(address["url"], headers=address["headers"], timeout=10)
            status = answer.status_code
        except (httpx2.HTTPError, WorkbookError):
            status = 502
        waiting = sum(self._gateway.turns.num_waiting.values())
        told = {"status": "ok" if status == 200 else "down", "seconds": round(time.perf_counter() - started, 3)}
        self._give(200 if status == 200 else 503, json.dumps(told | {"waiting": waiting}).encode())

    async def post(self, path: str) -> None:
        self._work = asyncio.ensure_future(self._answer(path))
        try:
            await self._work
        except (asyncio.CancelledError, iostream.StreamClosedError):
            pass
        except Refused as refused:
            if refused.status == 429:
                await asyncio.sleep(SLOWED_S)
            self._refuse(refused)
        except WorkbookError as error:
            self._refuse(Refused(503, f"The model does not start: {error.problem}", 30))
        except httpx2.HTTPError as error:
            self._refuse(Refused(502, f"The model does not answer ({type(error).__name__}); try again.", 5))

    async def _answer(self, path: str) -> None:
        gateway, caller = self._gateway, self._caller
        body = check_request(path, bytes(self._body))
        model = body.setdefault("model", gateway.models[0])
        if model not in gateway.models and not path.endswith("embeddings"):
            raise Refused(404, f"“{model[:40]}” is not served here; there is {', '.join(gateway.models)}.")
        if path not in _COUNTED:
            async with gateway.turns.take(caller):
                answer = await self._client.post(**await self._address(path, body))
            self._give(answer.status_code, answer.content)
            return
        most_written = 0 if path.endswith("embeddings") else max(body.get(name) or 0 for name in _WRITTEN)
        reserved = bound_tokens(json.dumps(body, ensure_ascii=False)) + most_written
        gateway.quota.reserve(caller, reserved)
        spent = 0
        try:
            async with gateway.turns.take(caller):
                spent = reserved  # from here on nobody knows better, until the usage is there
                num, status, content = await self._ask(path, body)
                spent = min(reserved, num)
        except (Refused, WorkbookError, httpx2.ConnectError):  # it never came to the model
            spent = 0
            raise
        finally:  # before the answer ends, so that whoever has it finds it counted
            # Clients hang up as soon as they have read [DONE], and are not to pay the most for it.
            gateway.quota.settle(caller, reserved, min(spent, self._num_told) if self._num_told else spent)
        if content is None:
            await self.finish()
        else:
            self._give(status, content)

    async def _ask(self, path: str, body: dict) -> tuple[int, int, bytes | None]:
        """Pass a request on; return the tokens that it took, the status and the answer, None where it is streamed."""
        if path.endswith("embeddings"):
            if self._gateway.embed is None:
                raise Refused(501, "This server has no embeddings.")
            told = await asyncio.get_running_loop().run_in_executor(None, self._gateway.embed, body)
            return int(told["usage"]["total_tokens"]), 200, json.dumps(told).encode()
        if not body.get("stream"):
            answer = await self._client.post(**await self._address(path, body))
            return _count_used(answer.content), answer.status_code, answer.content
        wants_usage = body.get("stream_options") is not None
        asked = body | {"stream_options": {"include_usage": True}}
        num = 0
        async with self._client.stream("POST", **await self._address(path, asked)) as answer:
            self.set_status(answer.status_code)
            self.set_header("Content-Type", answer.headers.get("Content-Type", "text/event-stream"))
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    found = _count_used(line[6:].encode())
                    num = self._num_told = max(num, found)
                    if found and not wants_usage and '"choices":[]' in line.replace(" ", ""):
                        continue
                self.write(line + "\n")
                await self.flush()
        return num, answer.status_code, None

    async def _address(self, path: str, body: dict) -> dict:
        """Return a request as httpx takes it; a server that is not there yet is started beside the loop."""
        found = await asyncio.get_running_loop().run_in_executor(None, self._gateway.find_server, body["model"])
        url = found.base_url.removesuffix("/v1") + path
        return {"url": url, "json": body, "headers": {"Authorization": f"Bearer {found.api_key}"}}

    def _give(self, status: int, content: bytes) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(content)

    def _refuse(self, refused: Refused) -> None:
        if self._finished:
            return
        if self._headers_written:  # a stream that broke off
            self.finish()
            return
        if refused.retry_s is not None:
            self.set_header("Retry-After", str(refused.retry_s))
        self.set_status(refused.status)
        kind = "insufficient_quota" if refused.status == 429 else "invalid_request_error"
        self.finish({"error": {"message": str(refused), "type": kind, "code": refused.status}})


_COUNTED = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
_WRITTEN = ("max_tokens", "max_completion_tokens")
_OFFERED = {("POST", path) for path in FIELDS} | {("GET", path) for path in ("/v1/models", "/health", "/usage")}


def _count_used(content: bytes) -> int:
    """Return the tokens that an answer says it took, 0 where it says nothing."""
    try:
        return int(json.loads(content)["usage"]["total_tokens"])
    except (ValueError, KeyError, TypeError):
        return 0
