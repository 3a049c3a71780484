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
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from tornado import httpserver, iostream, netutil, web

from ..core import DataError, ServerError, Settings, WorkbookError, change_json, read_json
from ..models import bound_tokens, choose_local_models, connect, embed_here, fetch_weights, load_catalog
from ..models.server import EmbeddedServer, share_server
from ..models.weights import find_adapter
from .request_checks import FIELDS, MOST_BYTES, Refused, check_request

HOUR_S = 3600
HEADER_S, BODY_S = 10, 20  # in which the headers and the body of a request have to be here
MOST_WAITING = 40  # calls of one caller that wait for a turn
SLOWED_S = 0.5  # before a 429, so that who asks again at once takes no processor time from the others
PASS_S = 300  # longest that the model works at a request

# Key and address to the caller's name; None: no valid key. May raise `Refused` where nobody can say.
Authenticate = Callable[[str, str], Awaitable[str | None]]


class Quota:
    """Requests and tokens of each caller in each hour of the clock, kept in a file so that a restart forgets none.

    A call reserves the most that it can take and gives back what it did not, so the limit is never passed.

    Args:
        file: where the counts are kept.
        most_requests: of a caller in an hour.
        most_tokens: read and written.
        clock: gives seconds since 1970.
    """

    def __init__(
        self, file: Path, most_requests: int, most_tokens: int, clock: Callable[[], float] = time.time
    ) -> None:
        if min(most_requests, most_tokens) < 1:
            raise DataError("A quota of nothing lets nobody ask.", "Give numbers from 1 on.")
        self.most_requests, self.most_tokens = most_requests, most_tokens
        self._file, self._clock, self._lock = file, clock, threading.Lock()
        self._reserved: dict[str, int] = {}
        found = read_json(file) if file.exists() else {}
        is_known = isinstance(found, dict) and isinstance(found.get("used"), dict)
        self._hour, self._used = (found["hour"], found["used"]) if is_known else (0, {})

    @property
    def used(self) -> dict[str, list[int]]:
        """Requests and tokens of each caller in this hour."""
        with self._lock:
            self._turn_hour()
            return {caller: list(counts) for caller, counts in self._used.items()}

    def reserve(self, caller: str, tokens: int) -> None:
        """Set aside the most that a call can take. Raises `Refused` where it does not fit into this hour."""
        with self._lock:
            self._turn_hour()
            requests, spent = self._used.get(caller, (0, 0))
            left = int(HOUR_S - self._clock() % HOUR_S) + 1
            if requests >= self.most_requests:
                raise Refused(429, f"{self.most_requests:,} requests an hour are used up; wait {left} s.", left)
            room = self.most_tokens - spent - self._reserved.get(caller, 0)
            if room < tokens <= self.most_tokens - spent:  # what other calls have set aside, most give back
                raise Refused(429, "Your other calls have set aside what is left of this hour; ask again.", 1)
            if tokens > room:
                problem = f"The call may take {tokens:,} tokens, and {max(0, room):,} of {self.most_tokens:,} are left"
                raise Refused(429, f"{problem} in this hour; shorten it, or wait {left} s.", left)
            self._reserved[caller] = self._reserved.get(caller, 0) + tokens
            self._used[caller] = [requests + 1, spent]

    def settle(self, caller: str, reserved: int, spent: int) -> None:
        """Count what a call took in place of what was set aside for it."""
        with self._lock:
            self._turn_hour()
            self._reserved[caller] = self._reserved.get(caller, 0) - reserved
            requests, before = self._used.get(caller, (0, 0))
            self._used[caller] = [requests, before + spent]
            # On a full disk the counts go on in memory: no answer is lost for them.
            with contextlib.suppress(DataError), change_json(self._file, {}) as content:
                content.update(hour=self._hour, used=self._used)

    def _turn_hour(self) -> None:
        hour = int(self._clock() // HOUR_S)
        if hour != self._hour:
            self._hour, self._used = hour, {}


class Turns:
    """Gives so many calls at once a turn; where more want one, the callers take turns, whatever each has waiting.

    No caller has more than half of them at once, so that another finds one free.
    """

    def __init__(self, num: int) -> None:
        self._free, self._most_each = num, max(1, num // 2)
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future]] = OrderedDict()

    @property
    def num_waiting(self) -> dict[str, int]:
        """Calls of each caller that wait."""
        return {caller: sum(not turn.done() for turn in queue) for caller, queue in self._waiting.items()}

    @contextlib.asynccontextmanager
    async def take(self, caller: str) -> AsyncIterator[None]:
        """Wait for a turn, and give it back at the end. Raises `Refused` where too many of the caller's calls wait."""
        if self._free and self._taken[caller] < self._most_each:
            self._take(caller)
        else:
            queue = self._waiting.setdefault(caller, deque())
            if self.num_waiting[caller] >= MOST_WAITING:
                raise Refused(429, f"{MOST_WAITING} of your calls wait already; ask fewer at once.", 2)
            turn = asyncio.get_running_loop().create_future()
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(caller)  # it came as the caller left
                raise
        try:
            yield
        finally:
            self._give_back(caller)

    def _take(self, caller: str) -> None:
        self._free -= 1
        self._taken[caller] += 1

    def _give_back(self, caller: str) -> None:
        self._free += 1
        self._taken[caller] -= 1
        for next_one in list(self._waiting):
            queue = self._waiting[next_one]
            while queue and queue[0].done():  # its caller has left
                queue.popleft()
            if queue and self._free and self._taken[next_one] < self._most_each:
                self._take(next_one)
                queue.popleft().set_result(None)
                self._waiting.move_to_end(next_one)  # to the end of the round
            if not queue:
                del self._waiting[next_one]


@dataclass
class Gateway:
    """What a gateway stands in front of, and by which rules.

    Attributes:
        models: their names; a request that names none means the first.
        find_server: returns the server of one, started at the first call. Raises `WorkbookError` where there is none.
        authenticate: who a caller is.
        quota: of each.
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

        Raises:
            ServerError: the port is taken, or the host is none of this machine.
        """
        try:
            sockets = netutil.bind_sockets(port, host)
        except OSError as error:
            raise ServerError(f"{host}:{port} cannot be opened ({error.strerror}).", "Choose another port.") from None
        loop, ended = asyncio.new_event_loop(), threading.Event()

        async def serve() -> None:
            server = self.make_server()
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

    def make_server(self) -> httpserver.HTTPServer:
        """Return a server, which the caller lets listen; it lives in a running event loop."""
        client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(PASS_S, connect=5),
            limits=httpx2.Limits(max_connections=None),
        )
        application = web.Application(
            [("(/.*)", _Handler, {"gateway": self, "client": client})], log_function=_be_still
        )
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


def _be_still(handler: web.RequestHandler) -> None:
    """Log nothing: what callers ask is theirs."""


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
        except Refused as refused:
            self._refuse(refused)
            return
        if caller is None:
            self._refuse(Refused(401, "There is no such key. Save the settings of your class as .env once more."))
        elif (self.request.method, self.request.path) not in _OFFERED:
            self._refuse(Refused(404, f"{self.request.path} is not offered here."))
        else:
            self._caller = caller

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
            told = {
                one: {"requests": counts[0], "tokens": counts[1], "waiting": waiting.get(one, 0)}
                for one, counts in sorted(used.items())
            }
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
        except asyncio.CancelledError:
            pass
        except Refused as refused:
            if refused.status == 429:
                await asyncio.sleep(SLOWED_S)
            self._refuse(refused)
        except WorkbookError as error:
            self._refuse(Refused(503, f"The model does not start: {error.problem}", 30))
        except httpx2.HTTPError as error:
            self._refuse(Refused(502, f"The model does not answer ({type(error).__name__}); try again.", 5))
        except iostream.StreamClosedError:
            pass

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
        usage: Any = json.loads(content)["usage"]
        return int(usage["total_tokens"])
    except (ValueError, KeyError, TypeError):
        return 0
