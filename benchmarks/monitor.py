"""How soon the monitor notices each incident, and how often it cries wolf.

    python benchmarks/monitor.py           # 200 incidents of each kind, 1,000 quiet windows per rule; minutes, no model

All streams are drawn from what the model really answered (`data/traffic.csv`). The monitor learns from 1,000 quiet
requests and watches windows of 50. An incident begins after 5 quiet windows; its delay is counted in requests from the
first bad one to the end of the window that raises the alarm. One in five answers is graded. False alarms are also counted
on traffic whose questions swing in the course of a day, by a monitor that learned from mixed requests and by one that
learned from a week of such traffic in its order.
"""

import argparse
from collections import Counter

import numpy as np

from llmops_utils.operations import INCIDENTS, AlertRule, Monitor, find_first_alarm, load_traffic, simulate_traffic

NUM_REFERENCE = 1000
SIZE = 50
QUIET_WINDOWS = 5
MOST_WINDOWS = 40
DAY = 1200  # requests
RULES = (AlertRule(0.95, 1), AlertRule(0.995, 1), AlertRule(0.995, 2), AlertRule(0.999, 2))


def measure_delays(traffic: dict, incident: str, rule: AlertRule, num: int, seed: int = 0) -> tuple[list, Counter]:
    """Return the delay of each simulated incident in requests, None where there was no alarm, and what raised it."""
    reference = simulate_traffic(traffic, NUM_REFERENCE, seed=seed)
    monitor = Monitor(reference, SIZE, rule)
    start, delays, names = QUIET_WINDOWS * SIZE, [], Counter()
    for number in range(num):
        stream = simulate_traffic(traffic, start + MOST_WINDOWS * SIZE, incident, start, seed=1000 + seed + number)
        found = find_first_alarm(monitor.watch(stream), after=start)
        delays.append(None if found is None else found.num_served - start)
        names.update(found.alarms if found else ())
    return delays, names


def count_false_alarms(
    traffic: dict,
    rule: AlertRule,
    num_windows: int = 1000,
    num_references: int = 1,
    seed: int = 0,
    day: int = 0,
    in_order: bool = False,
) -> list[tuple[int, Counter]]:
    """Return for each reference how many of so many quiet windows raised an alarm, and which measures did."""
    found = []
    for number in range(num_references):
        num = 7 * DAY if in_order else NUM_REFERENCE
        reference = simulate_traffic(traffic, num, seed=seed + number, day=day if in_order else 0)
        monitor = Monitor(reference, SIZE, rule, in_order=in_order)
        stream = simulate_traffic(traffic, num_windows * SIZE, seed=500_000 + seed + number, day=day)
        alarms = [window.alarms for window in monitor.watch(stream)]
        found.append((sum(bool(names) for names in alarms), Counter(name for names in alarms for name in names)))
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num", type=int, default=200, help="incidents of each kind")
    parser.add_argument("--references", type=int, default=5, help="quiet references, each with 1,000 quiet windows")
    options = parser.parse_args()
    traffic = load_traffic()
    for source, served in traffic.items():
        print(f"{source}: {np.mean([one.score for one in served]):.0%} right of {len(served)}")
    for told, how in {
        "independent requests": {},
        "a daily cycle, learned from mixed requests": {"day": DAY},
        "a daily cycle, learned in its order": {"day": DAY, "in_order": True},
    }.items():
        print(f"\nfalse alarms on 1,000 quiet windows, one figure per reference: {told}")
        for rule in RULES:
            counts = count_false_alarms(traffic, rule, num_references=options.references, **how)
            names = sum((names for _, names in counts), Counter())
            print(f"  {rule}: {[num for num, _ in counts]}  {dict(names.most_common(3))}", flush=True)
    print(f"\ndelay until the alarm in requests, {options.num} incidents of each kind: median [5 %, 95 %], missed")
    for rule in RULES[2:]:
        for incident in list(INCIDENTS)[1:]:
            delays, names = measure_delays(traffic, incident, rule, options.num)
            known = [delay for delay in delays if delay is not None]
            low, middle, high = np.quantile(known, [0.05, 0.5, 0.95]) if known else [float("nan")] * 3
            told = f"{middle:.0f} [{low:.0f}, {high:.0f}], {delays.count(None)} missed of {len(delays)}"
            print(f"  {rule}, {incident}: {told}; first alarms {dict(names.most_common(3))}", flush=True)


if __name__ == "__main__":
    main()
