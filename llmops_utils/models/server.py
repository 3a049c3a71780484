"""The embedded model server: llama.cpp in this process, on loopback, with a random port and a random key."""

from __future__ import annotations

import atexit
import os
import secrets
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import ServerError

if TYPE_CHECKING:
    from .weights import AdapterFile

# llama.cpp keeps what it has read of earlier prompts, by default up to 8 GiB: too much for an old laptop. A prompt of
# 600 tokens takes about 14 MiB with the smallest model.
CACHE_MIB = 256
IDLE_S = 300  # longer than any answer takes

# Why one thread fewer writes than reads: with one of two cores kept busy by another program, an answer of 48 tokens took
# 2.2 to 3.1 seconds with two threads and 1.2 to 1.4 with one; alone 0.7 and 1.0 (`benchmarks/threads.py` measures yours).

_lock = threading.Lock()
_running: dict[tuple, EmbeddedServer] = {}
_last_used: dict[tuple, float] = {}  # seconds of the monotonic clock
atexit.register(_running.clear)


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server: where it listens and the key it wants, which stays out of outputs. It ends with the process."""

    base_url: str
    api_key: str = field(repr=False)
    handle: object = field(repr=False)


def count_cores() -> int:
    """Return the number of physical cores, as llama.cpp counts too: a core's second hardware thread only slows it."""
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def start_server(
    weights: Path,
    model: str,
    context: int = 2048,
    parallel: int = 4,
    threads: int | None = None,
    adapter: Path | None = None,
) -> EmbeddedServer:
    """Start a server and return it, ready to answer.

    Args:
        weights: a GGUF file.
        context: tokens per request, prompt and reply together.
        parallel: requests that are answered at once; each has its own context, so RAM grows with both.
        threads: processor threads; default: all physical cores to read a prompt, one fewer to write the answer.
        adapter: a file of LoRA matrices that are added to the weights.
    """
    try:
        import xllamacpp
    except (ImportError, OSError) as error:
        raise ServerError(
            f"The llama.cpp library does not load ({error}).", "Run `python -m llmops_utils doctor`."
        ) from error
    key = secrets.token_urlsafe(24)
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {model}
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # a free one
    params.api_keys = [key]
    params.n_parallel = parallel
    params.n_ctx = context * parallel
    params.cpuparams.n_threads = threads or max(1, count_cores() - 1)
    params.cpuparams_batch.n_threads = threads or count_cores()
    params.use_jinja = True
    params.cache_ram_mib = CACHE_MIB
    params.sampling.temp = 0.0  # where a request names none: the likeliest token, as `Model.chat` asks for
    params.verbosity = -1
    params.ui = False
    if adapter is not None:  # a server has one for good: switched off and on, it would go on from states of the other
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    try:
        handle = xllamacpp.Server(params)
        address = handle.listening_address
    except Exception as error:  # the binding raises plain RuntimeError and ValueError of its own kinds
        raise ServerError(
            f"The model server did not start from {weights.name} ({error}).",
            f"It needs about {context * parallel} tokens of context in memory: close other programs, or set "
            "LLMOPS_PARALLEL=1. If that does not help: python -m llmops_utils doctor.",
        ) from error
    return EmbeddedServer(f"{address}/v1", key, handle)


def share_server(
    weights: Path, model: str, context: int, parallel: int, threads: int | None, adapter: AdapterFile | None = None
) -> EmbeddedServer:
    """Return this process's server for the model, with or without an adapter, started at the first call.

    Where another one is started, those that nobody has asked for `IDLE_S` end: each holds half a gigabyte.
    """
    wanted = (str(weights), model, context, parallel, threads, adapter)
    with _lock:
        now = time.monotonic()
        if wanted not in _running:
            for idle in [one for one, used in _last_used.items() if now - used > IDLE_S]:
                del _running[idle], _last_used[idle]
            path = adapter.path if adapter else None
            _running[wanted] = start_server(weights, model, context, parallel, threads, adapter=path)
        _last_used[wanted] = now
        return _running[wanted]
