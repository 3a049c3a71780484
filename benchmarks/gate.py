"""How often the gate lets a bad prompt pass and holds a good one up, over simulated pairs with a known true difference.

    python benchmarks/gate.py              # 2,000 pairs per cell, about half a minute; no model
    python benchmarks/gate.py --num 200    # a quick look

A pair is made of the course's own data: which of 112 test messages production answered rightly (`traffic.csv`). The
candidate loses a share of the right answers and gains a share of the wrong ones, at random, so that its true score
differs by exactly the wanted amount; besides, it gains and loses as much again, since a new prompt changes many answers
even where its score stays (in lesson 06_2 two prompts of equal score differed on a third of the messages). Then n
messages are drawn and three gates decide:

- gate: `choose_outcome` with a margin of 10 points;
- no worse score: pass where the candidate's score is at least that of production;
- no significant loss: pass unless McNemar's exact p is below 0.05 and the score is lower.

The margin is 10 points: a candidate that is worse by 10 points or more is bad, one that is as good or better is good.
"""

import argparse
from functools import cache

import numpy as np
from scipy.stats import binomtest

from llmops_utils.operations import bound_flips, choose_outcome, load_traffic

MARGIN = 0.1
CHURN = 0.1  # share of messages gained, and as many lost, on top of the true difference
DIFFERENCES = (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1)
SIZES = (50, 100, 200)


@cache
def decide_all(num_gained: int, num_lost: int, num: int) -> tuple[str, bool, bool]:
    """Return the gate's outcome, and whether the two simpler gates let it pass."""
    outcome = choose_outcome(bound_flips(num_gained, num_lost, num), MARGIN)
    flips = num_gained + num_lost
    p = binomtest(num_gained, flips).pvalue if flips else 1.0
    return outcome, num_gained >= num_lost, not (p < 0.05 and num_lost > num_gained)


def simulate_pairs(
    is_right: np.ndarray, difference: float, num: int, num_pairs: int, seed: int = 0
) -> list[tuple[str, bool, bool]]:
    """Return the decisions on so many pairs of prompts, each measured on `num` messages.

    Args:
        is_right: which messages production answers rightly, shape (n,); the population.
        difference: true score of the candidate minus that of production.
        num: messages per measurement, drawn with replacement.
        num_pairs: pairs.
        seed: makes them repeatable.
    """
    random = np.random.default_rng([seed, num, round(1000 * (difference + 1))])
    score = is_right.mean()
    share_lost = (CHURN + max(0.0, -difference)) / score
    share_gained = (CHURN + max(0.0, difference)) / (1 - score)
    if max(share_lost, share_gained) > 1:
        raise ValueError(f"a difference of {difference} is impossible at a score of {score:.2f}")
    decisions = []
    for _ in range(num_pairs):
        before = is_right[random.integers(0, len(is_right), num)]
        flips = random.random(num) < np.where(before, share_lost, share_gained)
        decisions.append(decide_all(int((flips & ~before).sum()), int((flips & before).sum()), num))
    return decisions


def main() -> None:
    """Print a table: one row per true difference and n."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num", type=int, default=2000, help="pairs per cell")
    num_pairs = parser.parse_args().num
    is_right = np.array([one.score == 1 for one in load_traffic()["production"]])
    print(f"production is right on {is_right.mean():.0%} of {len(is_right)} messages; {num_pairs} pairs per row;")
    print(f"margin {MARGIN:.0%}; {2 * CHURN:.0%} of the answers change at equal scores\n")
    head = ["true difference", "n", "pass", "regression", "too few", "| no worse score", "no significant loss"]
    print("  ".join(f"{text:>15}" for text in head))
    for difference in DIFFERENCES:
        for num in SIZES:
            decisions = simulate_pairs(is_right, difference, num, num_pairs)
            outcomes = [outcome for outcome, _, _ in decisions]
            shares = [outcomes.count(kind) / num_pairs for kind in ("pass", "regression", "too few")]
            shares += [float(np.mean([decision[place] for decision in decisions])) for place in (1, 2)]
            row = [f"{100 * difference:+.0f} points", str(num), *(f"{share:.1%}" for share in shares)]
            print("  ".join(f"{text:>15}" for text in row), flush=True)


if __name__ == "__main__":
    main()
