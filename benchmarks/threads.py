"""How many threads the embedded model should use: seconds for an answer, alone and beside a busy program.

    python benchmarks/threads.py            # about three minutes on 2 cores
    python benchmarks/threads.py --num 3    # a quick look

Each arm is a server of its own with another number of threads. It is asked for answers of 48 tokens after a short and
after a long prompt, each with a first line that no earlier prompt had, so that nothing is read from the cache: first
on the machine as it is, then with one core kept busy by a loop in another process. Run it on a quiet machine. Medians
are compared as ratios; absolute seconds say little about another machine.
"""

import argparse
import secrets
import statistics
import subprocess
import sys
import time

import httpx2
import pandas as pd

from llmops_utils.core import load_settings
from llmops_utils.models import choose_local_models, fetch_weights, start_server
from llmops_utils.models.server import count_cores

QUESTION = "My kettle came with a dent and the lid does not close. What can I do, and what will it cost me?"
FILLER = "A kettle is repaired at the counter within five days when the receipt is at hand. "
PROMPTS = {"short": QUESTION, "long": FILLER * 20 + QUESTION}
NUM_TOKENS = 48


def time_answer(server, prompt: str) -> float:
    """Return the seconds of one answer of 48 tokens, to a prompt that begins as none before."""
    first = f"You are the support assistant of Pellworth. Session {secrets.token_hex(4)}."
    body = {
        "messages": [{"role": "system", "content": first}, {"role": "user", "content": prompt}],
        "max_tokens": NUM_TOKENS,
        "temperature": 0.0,
        "ignore_eos": True,
    }
    started = time.perf_counter()
    answer = httpx2.post(
        f"{server.base_url}/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {server.api_key}"},
        timeout=300,
    )
    seconds = time.perf_counter() - started
    assert answer.json()["usage"]["completion_tokens"] == NUM_TOKENS, answer.text
    return seconds


def time_answers(server, num: int) -> dict[str, float]:
    """Return the median seconds for each length of prompt."""
    return {
        name: statistics.median(time_answer(server, prompt) for _ in range(num)) for name, prompt in PROMPTS.items()
    }


def main() -> None:
    """Measure all arms and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=10, help="answers of each kind (default: 10)")
    num = parser.parse_args().num
    settings = load_settings()
    model, _ = choose_local_models(settings)
    weights = next(iter(fetch_weights(model, settings.home).values()))
    cores = count_cores()
    arms = {f"{threads}": threads for threads in sorted({1, max(1, cores - 1), cores})}
    rows = {}
    for name, threads in (arms | {"default": None}).items():
        server = start_server(weights, model.name, parallel=1, threads=threads)
        time_answer(server, QUESTION)
        quiet = time_answers(server, num)
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            beside = time_answers(server, num)
        finally:
            busy.kill()
            busy.wait()
        for prompt in PROMPTS:
            rows[name, prompt] = {"quiet s": quiet[prompt], "one core busy s": beside[prompt]}
        del server
    table = pd.DataFrame(rows).T.rename_axis(["threads", "prompt"])
    best = table["quiet s"].groupby("prompt").transform("min")
    table["busy / quiet"] = table["one core busy s"] / table["quiet s"]
    table["quiet / best quiet"] = table["quiet s"] / best
    print(f"{cores} cores, {num} answers each, medians")
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
