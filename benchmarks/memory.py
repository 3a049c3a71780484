"""How much memory the embedded model takes at several context sizes, against what the formula predicts.

    python benchmarks/memory.py                 # 512 tokens, then 2,048, 4,096 and 8,192; about two minutes
    python benchmarks/memory.py --store         # and write the figures into data/memory_measured.csv

Each size runs in a process of its own, since a process does not give all memory back. The process starts the server
with one slot, asks a question that fills three quarters of the context, and reads its resident size (psutil's RSS: the part
of its memory that is in RAM, mapped weights included). What Python and the libraries take before the server starts is
measured in the same process and subtracted: the formula speaks of the model alone.

The formula knows weights and cache. What the runtime needs besides (its work space, the vocabulary) is taken from the
run at 512 tokens, which is therefore no test; the other three sizes are.
"""

import argparse
import csv
import json
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version

from llmops_utils.choosing import CALIBRATION_TOKENS, MEASURED, predict_memory
from llmops_utils.core import load_settings
from llmops_utils.models import fetch_weights, load_catalog

SIZES = (CALIBRATION_TOKENS, 2048, 4096, 8192)
MODEL = "smollm2-135m-instruct"
CHILD = """
import json, sys
import httpx2, psutil, xllamacpp
from llmops_utils.models import start_server
before = psutil.Process().memory_info().rss
server = start_server(sys.argv[1], "m", context=int(sys.argv[2]), parallel=1, threads=1)
text = "one two three four " * (int(sys.argv[2]) * 3 // 16)
body = {"messages": [{"role": "user", "content": text}], "max_tokens": 8, "temperature": 0}
headers = {"Authorization": f"Bearer {server.api_key}"}
done = httpx2.post(f"{server.base_url}/chat/completions", json=body, headers=headers, timeout=300)
done.raise_for_status()
assert done.json()["usage"]["prompt_tokens"] > int(sys.argv[2]) * 0.7
print(json.dumps([before, psutil.Process().memory_info().rss]))
"""


def measure_size(weights: str, tokens: int) -> tuple[int, int]:
    """Return the resident bytes before and after the server started with a context of so many tokens."""
    command = [sys.executable, "-c", CHILD, weights, str(tokens)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    before, after = json.loads(done.stdout.splitlines()[-1])
    return before, after


def main() -> None:
    """Measure all sizes, print the table, and store it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", action="store_true", help=f"write {MEASURED.name}")
    store = parser.parse_args().store
    model = load_catalog().find_local(MODEL)
    weights = str(next(iter(fetch_weights(model, load_settings().home).values())))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    rows, runtime_bytes = [], 0
    for tokens in SIZES:
        before, after = measure_size(weights, tokens)
        if tokens == CALIBRATION_TOKENS:
            runtime_bytes = after - before - predict_memory(model, tokens).total_bytes
        predicted = predict_memory(model, tokens, runtime_bytes).total_bytes
        print(
            f"{tokens:6} tokens: predicted {predicted / 1e6:.0f} MB, measured {(after - before) / 1e6:.0f} MB, "
            f"ratio {predicted / (after - before):.2f} (whole process {after / 1e6:.0f} MB)"
        )
        runtime = f"xllamacpp {version('xllamacpp')}"
        rows.append([f"{MODEL}-{tokens}", MODEL, tokens, before, after, runtime, system, date.today().isoformat()])
    if store:
        with MEASURED.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "model", "tokens", "before_bytes", "after_bytes", "runtime", "system", "measured"])
            writer.writerows(rows)
        print(f"Written: {MEASURED.name}")


if __name__ == "__main__":
    main()
