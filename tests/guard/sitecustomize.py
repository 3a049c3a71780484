"""Loaded by every Python that the tests start: no connection leaves loopback, and no model is loaded.

Python looks for a module of this name at start-up, so the guard holds in the kernels of notebooks too, which
monkeypatching in pytest does not reach. WORKBOOK_GUARD is unset by `make live`.
"""

import ipaddress
import os
import sys


def _is_loopback(host):
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost") or str(host).endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def guard(event, arguments):
    """Refuse the audit events of connections that leave this machine, and the import of a model runtime."""
    if event in ("socket.connect", "socket.sendto", "socket.bind") and isinstance(arguments[1], tuple):
        if not _is_loopback(arguments[1][0]) and not (event == "socket.bind" and arguments[1][0] == "0.0.0.0"):
            raise ConnectionRefusedError(f"The tests opened a socket beyond loopback: {arguments[1][0]}")
    elif event == "socket.getaddrinfo" and not _is_loopback(arguments[0]):
        raise ConnectionRefusedError(f"The tests looked up a host beyond loopback: {arguments[0]}")
    elif event == "import" and arguments[0] == "xllamacpp":
        raise ImportError("The tests loaded a model.")


if os.environ.get("WORKBOOK_GUARD") == "1":
    sys.addaudithook(guard)
    # The grammar of international addresses, which jsonschema builds for 1.7 s in each process and no test uses.
    sys.modules["rfc3987_syntax"] = None
