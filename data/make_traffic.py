"""Make `traffic.csv`: what the model answers to the first 112 test messages in four set-ups.

    LLMOPS_MODE=fill LLMOPS_RECORDINGS=FOLDER python data/make_traffic.py

It takes about five minutes on 2 cores and needs the model's files. What is asked is kept in the folder, so that an
interrupted run goes on where it stopped.

- production: the prompt `route_message` as it is in production, its answer held to the eight intents;
- coarser model: the same with weights that keep 4 of their 16 steps, under the same name: what a provider that saves
  memory might do overnight;
- changed prompt: revision 3 of the prompt, which sends only the beginning of each message, to save tokens;
- loose model: the same prompt, but the answer is no longer held to the labels; "none" stands where it names none.

The column `cluster` is the nearest of eight groups of messages, found by k-means over the embeddings of the 160 dev
messages. Times are those of this machine; the shipped file was made with SmolLM2-135M-Instruct (4-bit).
"""

import csv
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2

from llmops_utils.core import load_settings
from llmops_utils.datasets import INTENTS, load_messages
from llmops_utils.models import Model, fetch_weights, find_choice, load_catalog, server, start_server
from llmops_utils.operations import SOURCES, TASKS, load_release, make_system
from llmops_utils.prompts import load_prompt

TARGET = Path(__file__).with_name("traffic.csv")
CHAPTER = "12_operating_llms"
NUM_CLUSTERS = 8
NUM_MESSAGES = 112
KEPT_STEPS = 5  # every fifth of the 16 steps of a weight is kept: 0, 5, 10, 15
Q4_1 = 3  # number of the format in GGUF: blocks of 32 weights, two half floats and 16 bytes of 4-bit numbers
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of GGUF's plain values


def coarsen_weights(content: bytes) -> bytes:
    """Return a GGUF file whose 4-bit weights are rounded to every fifth step."""
    place = 8

    def read(form: str):
        nonlocal place
        (value,) = struct.unpack_from("<" + form, content, place)
        place += struct.calcsize("<" + form)
        return value

    def read_text() -> str:
        nonlocal place
        length = read("Q")
        place += length
        return content[place - length : place].decode()

    def skip_value(kind: int) -> None:
        nonlocal place
        if kind == 8:
            read_text()
        elif kind == 9:
            inner, num = read("I"), read("Q")
            for _ in range(num):
                skip_value(inner)
        else:
            place += SIZES[kind]

    num_tensors, num_values = read("Q"), read("Q")
    alignment = 32
    for _ in range(num_values):
        name, kind = read_text(), read("I")
        if name == "general.alignment":
            alignment = struct.unpack_from("<I", content, place)[0]
        skip_value(kind)
    tensors = []
    for _ in range(num_tensors):
        read_text()
        dimensions = [read("Q") for _ in range(read("I"))]
        tensors.append((int(np.prod(dimensions)), read("I"), read("Q")))
    begin = (place + alignment - 1) // alignment * alignment
    changed = np.frombuffer(content, dtype=np.uint8).copy()
    for num_weights, kind, offset in tensors:
        if kind != Q4_1:
            continue
        size = num_weights // 32 * 20
        blocks = changed[begin + offset : begin + offset + size].reshape(-1, 20)
        low, high = blocks[:, 4:] & 15, blocks[:, 4:] >> 4
        coarse = [np.round(part / KEPT_STEPS).astype(np.uint8) * KEPT_STEPS for part in (low, high)]
        blocks[:, 4:] = coarse[0] | coarse[1] << 4
    return changed.tobytes()


def group_messages(model: Model) -> dict[str, str]:
    """Return the cluster of each test message, by its id."""
    dev, test = load_messages("dev"), load_messages("test")[:NUM_MESSAGES]
    vectors = {one.id: model.embed(one.text) for one in [*dev, *test]}
    known = np.array([vectors[one.id] for one in dev], dtype=float)
    centres, _ = kmeans2(known, NUM_CLUSTERS, minit="++", seed=12)
    return {one.id: f"c{((centres - vectors[one.id]) ** 2).sum(axis=1).argmin() + 1}" for one in test}


def ask_all(systems: dict[str, Callable]) -> list[list]:
    """Return a row of the file for each test message and set-up; what else this machine does hits all alike."""
    rows = []
    for message in load_messages("test")[:NUM_MESSAGES]:
        for source, system in systems.items():
            reply = system(message.text)
            answer = find_choice(reply.text, list(INTENTS)) or "none"
            numbers = [int(answer == message.intent), f"{reply.latency_s:.4f}"]
            rows.append([source, message.id, answer, *numbers, reply.prompt_tokens, reply.completion_tokens])
    return sorted(rows, key=lambda row: SOURCES.index(row[0]))  # a stable sort: the messages stay in order


def main() -> None:
    """Ask, and write the file."""
    settings = load_settings()
    local = load_catalog().find_local("smollm2-135m-instruct")
    weights = next(iter(fetch_weights(local, settings.home).values()))
    model, other, coarse_model = (Model(name) for name in (CHAPTER, "traffic", "traffic_coarse"))
    clusters = group_messages(other)
    prompt, changed = load_prompt("route_message", 2), load_prompt("route_message", 3)
    task, num_shots = TASKS["intent"], load_release("route_message").num_shots

    class Loose:
        """The model without `choices`."""

        def chat(self, messages, choices, max_tokens):
            return other.chat(messages, max_tokens=max_tokens)

    with tempfile.TemporaryDirectory() as folder:
        coarse = Path(folder) / "coarse.gguf"
        coarse.write_bytes(coarsen_weights(weights.read_bytes()))
        wanted = (settings.context, settings.parallel, settings.threads)

        def serve(path: Path, system: Callable) -> Callable:
            """As a provider would: the same name, address and requests; another file behind them.

            Each set-up has a server of its own: one server would have read the message for another set-up already.
            """
            own = start_server(path, local.name, *wanted)

            def ask(text: str):
                server._running[str(weights), local.name, *wanted] = own
                return system(text)

            return ask

        systems = {
            "production": serve(weights, make_system(model, prompt, task, num_shots)),
            "changed prompt": serve(weights, make_system(model, changed, task, num_shots)),
            "loose model": serve(weights, make_system(Loose(), prompt, task, num_shots)),
            "coarser model": serve(coarse, make_system(coarse_model, prompt, task, num_shots)),
        }
        rows = ask_all(systems)
    with TARGET.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ["score", "latency_s", "prompt_tokens", "completion_tokens"]
        writer.writerow(["id", "source", "message", "cluster", "answer", *columns])
        for number, (source, name, *rest) in enumerate(rows, start=1):
            writer.writerow([f"t{number:03}", source, name, clusters[name], *rest])
    for source in SOURCES:
        print(f"{source}: {sum(row[3] for row in rows if row[0] == source)} of {NUM_MESSAGES} right")


if __name__ == "__main__":
    main()
