"""The class's model as a service of the Hub: the course's gateway, whose keys are the tokens that the Hub gives.

The Hub starts a service anew only after half a minute, so this one watches over the process that holds the model, which
an error in native code can end. It ends with the Hub.
"""

import os
import subprocess
import sys
import time
from urllib.parse import urlsplit

from tornado import web

from llmops_utils.core import load_settings
from llmops_utils.operations.gateway import open_gateway
from llmops_utils.operations.request_checks import Refused

CHECKED_S = 60  # for which the Hub's word about a key holds, also while the Hub restarts


def make_authenticate(auth):
    """Return who a caller is, by the Hub's word; a service has a name that no user can have."""

    async def authenticate(key: str, address: str) -> str | None:
        try:
            found = await auth.user_for_token(key, sync=False) if key else None
        except web.HTTPError:
            raise Refused(503, "The Hub cannot say whose key this is; try again.", 5) from None
        if found is None or not auth.check_scopes(auth.access_scopes, found):
            return None
        return found["name"] if found["kind"] == "user" else f"/{found['name']}"

    return authenticate


def serve() -> None:
    """Serve until the watching process ends."""
    from jupyterhub.services.auth import HubAuth

    parent, address = os.getppid(), urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    requests, tokens = (int(os.environ.get(f"CLASS_{name}") or most) for name, most in LIMITS)
    authenticate = make_authenticate(HubAuth(cache_max_age=CHECKED_S))
    gateway = open_gateway(load_settings(), authenticate, "/class".__eq__, requests, tokens)
    with gateway.listen(address.hostname, address.port):
        gateway.find_server(gateway.models[0])
        while os.getppid() == parent:
            time.sleep(0.2)


LIMITS = (("REQUESTS", 2000), ("TOKENS", 1_000_000))  # of each student in an hour


def watch() -> None:
    """Keep `serve` running in a process of its own for as long as the Hub lives."""
    hub = os.getppid()
    while os.getppid() == hub:
        worker = subprocess.Popen([sys.executable, __file__, "serve"])
        while os.getppid() == hub and worker.poll() is None:
            time.sleep(0.2)
        worker.terminate()
        if worker.wait():
            time.sleep(0.5)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else watch()
