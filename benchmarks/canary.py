"""How often a canary ships a candidate that is truly worse, equal or better, and how soon it stops a bad one.

    python benchmarks/canary.py            # 1,000 simulated releases for each difference, minutes; no model
    python benchmarks/canary.py --store    # writes data/canary_measured.csv, which lesson 12_3 shows

Each request is a customer of its own, who gets the candidate by the share of the step; a share of the answers is scored.
Production is right on 80 of 100. With a daily cycle the share that production and candidate get right swings by 10 points
between night and day, for both alike; what then is told falsely is counted as well.
"""

import argparse

import numpy as np
import pandas as pd

from llmops_utils.core import DATA
from llmops_utils.operations import Canary

RIGHT = 0.8
A_DAY = 4000  # requests
MOST = 200_000  # requests after which a release is called unfinished
DIFFERENCES = (-0.1, -0.05, 0.0, 0.05)
TRAFFIC = {"all graded": {}, "one in five graded": {"scored": 0.2}, "all graded, daily cycle": {"swing": 0.1}}


def simulate(difference, random, scored=1.0, swing=0.0):
    """Return the state at the end of a release, whether it was told to be worse, and after how many requests."""
    canary = Canary()
    day = RIGHT + swing * np.sin(2 * np.pi * np.arange(A_DAY) / A_DAY)
    for begin in range(0, MOST, A_DAY):  # drawn by the day, which is faster than one by one
        draws = random.random((A_DAY, 3))
        places = np.flatnonzero(draws[:, 1] < scored)
        rows = zip(places.tolist(), draws[places, 0].tolist(), (draws[places, 2] - day[places]).tolist(), strict=True)
        for place, gets, luck in rows:
            is_new = gets < canary.share
            if canary.add(is_new, luck < difference * is_new) != "running":
                return canary.state, canary.reason.startswith("worse"), begin + place + 1
    return canary.state, False, MOST


def measure(num):
    """Return a row for each kind of traffic and each true difference."""
    rows = []
    for name, options in TRAFFIC.items():
        for difference in DIFFERENCES:
            random = np.random.default_rng([7, round(100 * (difference + 1)), len(name)])
            ends = [simulate(difference, random, **options) for _ in range(num)]
            stopped = [requests for state, _, requests in ends if state == "rolled back"]
            low, middle, high = np.quantile(stopped, (0.1, 0.5, 0.9)) if stopped else [float("nan")] * 3
            rows.append(
                {
                    "traffic": name,
                    "points": f"{100 * difference:+.0f}",
                    "shipped": f"{sum(state == 'shipped' for state, *_ in ends) / num:.1%}",
                    "stopped as worse": f"{sum(is_worse for _, is_worse, _ in ends) / num:.1%}",
                    "stopped after": f"{middle:,.0f} [{low:,.0f}, {high:,.0f}]" if stopped else "–",
                    "releases": num,
                }
            )
            print(*rows[-1].values(), sep="; ", flush=True)
    return pd.DataFrame(rows)


def main() -> None:
    """Print a line for each kind of traffic and each true difference; write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    found = measure(options.num)
    if options.store:
        found.to_csv(DATA / "canary_measured.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
