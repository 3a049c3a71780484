"""How often a canary ships a candidate that is truly worse, equal or better, and how soon it stops a bad one.

    python benchmarks/canary.py            # 1,000 simulated releases for each difference, seconds; no model

Each request is a customer of its own, who gets the candidate by the share of the step; a share of the answers is scored.
Production is right on 80 of 100. With a daily cycle the share that production and candidate get right swings by 10 points
between night and day, for both alike; what then is told falsely is counted as well.
"""

import argparse

import numpy as np

from llmops_utils.operations import Canary

RIGHT = 0.8
MOST = 200_000  # requests after which a release is called unfinished


def simulate(difference, random, scored=1.0, swing=0.0, a_day=4000):
    """Return the state at the end of a release, and after how many requests it was reached."""
    canary = Canary()
    draws = None
    for place in range(MOST):
        if place % 4000 == 0:
            draws = random.random((4000, 3))
        gets, is_scored, luck = draws[place % 4000]
        if is_scored >= scored:
            continue
        is_new = gets < canary.share
        right = RIGHT + (difference if is_new else 0) + swing * np.sin(2 * np.pi * place / a_day)
        if canary.add(bool(is_new), float(luck < right)) != "running":
            return canary.state, place + 1
    return canary.state, MOST


def main() -> None:
    """Print a line for each kind of traffic and each true difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num", type=int, default=1000)
    num = parser.parse_args().num
    for name, options in {
        "all scored": {},
        "one in five scored": {"scored": 0.2},
        "all scored, daily cycle": {"swing": 0.1},
    }.items():
        for difference in (-0.2, -0.1, -0.05, 0.0, 0.05):
            random = np.random.default_rng([7, round(100 * (difference + 1)), len(name)])
            ends = [simulate(difference, random, **options) for _ in range(num)]
            shipped = np.mean([state == "shipped" for state, _ in ends])
            stopped = [requests for state, requests in ends if state == "rolled back"]
            after = (
                f"{np.median(stopped):,.0f} [{', '.join(f'{q:,.0f}' for q in np.quantile(stopped, (0.1, 0.9)))}]"
                if stopped
                else "–"
            )
            print(
                f"{name}: {100 * difference:+.0f} points: shipped {shipped:.1%} of {num}; stopped after {after} requests"
            )


if __name__ == "__main__":
    main()
