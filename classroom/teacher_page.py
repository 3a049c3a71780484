"""The teacher's page as a service of the Hub: who is where, what is solved, what was used, and how the model is.

All of it is asked from the interfaces that are there: the Hub's, the students' servers' and the gateway's. So it is the
same for students of this machine and of a cluster. What a student's server says is the student's word, and is read so:
within a time, a size and a form.
"""

import asyncio
import contextlib
import datetime
import json
import os
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
from tornado import httpserver, template, web

from llmops_utils.core import DataError, parse_json_values, read_json, write_whole
from llmops_utils.course.exercises import list_exercises
from llmops_utils.course.notebooks import list_notebooks

FRESH_S, WAIT_S, MOST_BYTES, MOST_SHOWN = 5, 5, 1_000_000, 3
PAGE = template.Template(
    """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>The class</title><meta http-equiv="refresh" content="20">
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark } body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem }
.wide { overflow-x: auto } table { border-collapse: collapse }
td, th { padding: .3rem .9rem; text-align: left; border-bottom: 1px solid #8886 }
tr > :first-child { position: sticky; left: 0; background: Canvas } td { white-space: nowrap }
td.where { white-space: normal; min-width: 14rem }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums } .bad { font-weight: bold; color: #c33 }
@media (max-width: 600px) { body { margin: .8rem } td, th { padding: .3rem .5rem } }
</style></head><body>
<h1>The class</h1>
<p>Model: {% if model["status"] == "ok" %}answers, health in {{ model["seconds"] }} s{% else %}
<span class="bad">does not answer</span>{% end %}; {{ model["waiting"] }} calls wait. {{ len(students) }} students,
{{ sum(one["is_on"] for one in students) }} servers on.</p>
<div class="wide"><table>
<tr><th>Student</th><th>Server used</th><th>Where</th><th class="number">Solved of {{ num_exercises }}</th>
<th>Last solved</th><th class="number">Requests</th><th class="number">Tokens</th><th class="number">Waiting</th></tr>
{% for one in students %}<tr><td>{{ one["name"] }}</td><td>{{ one["used"] }}</td><td class="where">{{ one["where"] }}</td>
<td class="number">{{ one["num_solved"] }}</td><td>{{ one["last_solved"] }}</td>
<td class="number">{{ f"{one['requests']:,}" }}</td><td class="number">{{ f"{one['tokens']:,}" }}</td>
<td class="number">{{ one["waiting"] }}</td></tr>
{% end %}</table></div>
<p>Requests and tokens of this hour. As data: <a href="?format=json">JSON</a>.</p>
</body></html>"""
)


class Survey:
    """What the class does, asked anew at most every few seconds, however many teachers look.

    Args:
        hub, proxy, model: the addresses of the Hub's API, of the students' servers before /user, and of the gateway.
        token: a key for all three.
        kept: the file in which what was solved is kept, for the time when a student's server is off.
    """

    def __init__(self, hub: str, proxy: str, model: str, token: str, kept: Path) -> None:
        self.hub, self.proxy, self.model, self.kept = hub, proxy, model, kept
        self.exercises = {one for notebook in list_notebooks() for one in list_exercises(notebook.stem)}
        self._client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=WAIT_S)
        self._turn, self._asked, self._last = asyncio.Lock(), -FRESH_S, {}

    async def look(self) -> dict:
        """Return the model's health and the students, by name."""
        async with self._turn:
            if time.monotonic() - self._asked > FRESH_S:
                self._last, self._asked = await self._ask(), time.monotonic()
            return self._last

    async def _ask(self) -> dict:
        addresses = f"{self.hub}/users?limit=200", f"{self.model}/usage", f"{self.model}/health"
        users, usage, health = await asyncio.gather(*map(self._get, addresses))
        users = [one for one in users if isinstance(one, dict)] if isinstance(users, list) else []
        callers = usage.get("callers", {}) if isinstance(usage, dict) else {}
        before = read_json(self.kept) if self.kept.exists() else {}
        found = await asyncio.gather(*(self._visit(one, before.get(one["name"], {})) for one in users))
        solved = before | {user["name"]: done for user, (done, _) in zip(users, found, strict=True) if done}
        if solved != before:
            with contextlib.suppress(DataError):  # of a full disk
                write_whole(self.kept, json.dumps(solved))
        students = [
            _describe(user, done, where, callers.get(user["name"], {}))
            for user, (done, where) in zip(users, found, strict=True)
            if not user.get("admin")
        ]
        down = {"status": "down", "seconds": None, "waiting": 0}
        return {"model": health or down, "students": sorted(students, key=lambda one: one["name"])}

    async def _visit(self, user: dict, before: dict) -> tuple[dict, str]:
        """Return which exercises a student has solved and when, and what notebooks are open."""
        if not _is_on(user):
            return before, ""
        api = f"{self.proxy}/user/{quote(user['name'])}/api"
        sessions, about = await asyncio.gather(
            *map(self._get, (f"{api}/sessions", f"{api}/contents/progress.json?content=0"))
        )
        where = [_name_session(one) for one in sessions if isinstance(one, dict)] if isinstance(sessions, list) else []
        done = before
        if isinstance(about, dict) and about.get("type") == "file":
            said = await self._get(f"{api}/contents/progress.json?type=file&format=text")
            done = self._read_progress(said) or before
        return done, ", ".join(where[:MOST_SHOWN])

    def _read_progress(self, said) -> dict[str, str]:
        try:
            done = parse_json_values(said["content"])["done"]
            return {name: str(done[name])[:10] for name in sorted(self.exercises & done.keys())}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    async def _get(self, address: str):
        """Return what JSON an address answers with, None where it does not, in time and size."""
        content = b""
        try:
            async with asyncio.timeout(WAIT_S), self._client.stream("GET", address) as answer:
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > MOST_BYTES:
                        return None
            return parse_json_values(content) if answer.status_code == 200 else None
        except (httpx2.HTTPError, TimeoutError, ValueError):
            return None


def _describe(user: dict, done: dict, where: str, used: dict) -> dict:
    last = max(done.items(), key=lambda one: one[::-1], default=("", ""))
    told = {"name": user["name"], "is_on": _is_on(user), "used": _tell_used(user), "where": where}
    told |= {"num_solved": len(done), "last_solved": " ".join(last)}
    return told | {name: used.get(name, 0) for name in ("requests", "tokens", "waiting")}


def _is_on(user: dict) -> bool:
    server = (user.get("servers") or {}).get("")
    return bool(server and server.get("ready"))


def _tell_used(user: dict) -> str:
    if not _is_on(user):
        return "off"
    then = datetime.datetime.fromisoformat(user["servers"][""].get("last_activity") or user["last_activity"])
    minutes = (datetime.datetime.now(datetime.UTC) - then).total_seconds() // 60
    return "now" if minutes < 1 else f"{minutes:.0f} min ago"


def _name_session(session: dict) -> str:
    kernel = session.get("kernel")
    state = kernel.get("execution_state") if isinstance(kernel, dict) else None
    return str(session.get("name") or session.get("path") or "?")[:60] + (" (busy)" if state == "busy" else "")


def main() -> None:
    """Serve the page to those whom the Hub lets in: its administrators."""
    from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated

    async def serve() -> None:
        get, address = os.environ.__getitem__, urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
        hub = get("JUPYTERHUB_API_URL"), get("CLASS_URL"), get("CLASS_MODEL"), get("JUPYTERHUB_API_TOKEN")
        survey, parent = Survey(*hub, Path(get("CLASS_FOLDER")) / "solved.json"), os.getppid()

        class Page(HubOAuthenticated, web.RequestHandler):
            @web.authenticated
            async def get(self) -> None:
                told = await survey.look()
                if self.get_query_argument("format", "") == "json":
                    self.finish(told)
                else:
                    self.finish(PAGE.generate(**told, num_exercises=len(survey.exercises)))

        prefix = get("JUPYTERHUB_SERVICE_PREFIX")
        pages = [(prefix, Page), (f"{prefix}oauth_callback", HubOAuthCallbackHandler)]
        application = web.Application(pages, cookie_secret=os.urandom(32))
        httpserver.HTTPServer(application).listen(address.port, address.hostname)
        while os.getppid() == parent:  # it ends with the Hub
            await asyncio.sleep(0.5)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
