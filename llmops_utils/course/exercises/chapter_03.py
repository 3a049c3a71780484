"""Exercises of `03_choosing_an_llm`."""

from __future__ import annotations

import math

from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_cache(function) -> str:
    cases = [
        ((32, 32, 128, 4096, 1), 2147.483648),
        ((32, 8, 128, 4096, 1), 536.870912),
        ((30, 3, 64, 2048, 4), 188.74368),
        ((28, 8, 128, 1000, 10), 1146.88),
    ]
    for arguments, expected in cases:
        found = call_learner(function, *arguments)
        if not isinstance(found, int | float) or isinstance(found, bool):
            raise Wrong(f"It returned a {type(found).__name__}; return a number of megabytes.")
        if math.isclose(found, expected, rel_tol=1e-6):
            continue
        ratio = expected / found if found else math.inf
        told = f"For (layers, kv_heads, head_size, tokens, slots) = {arguments} it returned {found:g}."
        if math.isclose(ratio, 2, rel_tol=1e-6):
            told += " Half of the cache is missing: each token leaves a key and a value."
        elif math.isclose(ratio, arguments[4], rel_tol=1e-6):
            told += " Each request that is answered at the same time has a cache of its own."
        elif math.isclose(found * 1.048576, expected, rel_tol=1e-6):
            told += " These are mebibytes; a megabyte here is a million bytes."
        elif math.isclose(ratio, 1 / 8, rel_tol=1e-6):
            told += " These are bits."
        raise Wrong(told)
    return "Layers, heads and tokens multiply. Four requests at once cost as much as one of four times the length."


def _grade_costs(function) -> str:
    cases = [
        ((1_000_000, 0.001, 1.0, 5000), (1000.0, 730.0)),
        ((10_000_000, 0.0001, 1.0, 5000), (1000.0, 2190.0)),
        ((5_000_000, 0.0001, 1.0, 5000), (500.0, 1460.0)),
        ((7_300_000, 0.0002, 0.5, 5000), (1460.0, 730.0)),
        ((10, 0.001, 1.0, 5000), (0.01, 730.0)),
        ((0, 0.001, 1.0, 5000), (0.0, 730.0)),
    ]
    for arguments, (api, servers) in cases:
        found = call_learner(function, *arguments)
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong("Return two numbers: the month's price of the API, and that of the servers.")
        told = f"For (requests, usd_per_request, usd_per_hour, requests_per_hour) = {arguments} it returned {found}."
        if not math.isclose(found[0], api, rel_tol=1e-9, abs_tol=1e-12):
            raise Wrong(f"{told} The first number, the API, is not right.")
        if math.isclose(found[1], servers, rel_tol=1e-9):
            continue
        if found[1] < 700 * arguments[2]:
            raise Wrong(f"{told} A server that waits for work costs as much as one that works; one always runs.")
        raise Wrong(f"{told} The second number is not right: servers come whole, and a month has 730 hours.")
    return (
        "The API's line rises from zero, the servers' goes up in steps. Where they cross depends on how full a step is."
    )


def _grade_flips(function) -> str:
    cases = [
        ([(0.6, 0.4), (0.4, 0.6), (0.6, 0.7), (0.2, 0.1)], (2, 0.0, 0.15)),
        ([(0.9, 0.7), (0.8, 0.6)], (0, -0.2, 0.2)),
        ([(0.5, 0.49), (0.5, 0.5)], (1, -0.005, 0.005)),
        ([(0.1, 0.9)], (1, 0.8, 0.8)),
    ]
    for pairs, expected in cases:
        found = call_learner(function, list(pairs))
        if not isinstance(found, tuple | list) or len(found) != 3:
            raise Wrong("Return three numbers: flips, mean change, mean size of the change.")
        names = ("number of flips", "mean change", "mean size of the change")
        for name, got, wanted in zip(names, found, expected, strict=True):
            if not math.isclose(got, wanted, abs_tol=1e-9):
                raise Wrong(f"For the pairs {pairs} the {name} is {got:g}, which is not right.")
    return "The mean change shows a lean to one side; the mean size also what cancels out. A flip is what a customer feels."


def _grade_choice(function) -> str:
    scores = {
        "tiny": {"quality": 0.30, "price": 1.00, "privacy": 1.0},
        "medium": {"quality": 0.70, "price": 0.60, "privacy": 1.0},
        "cloud": {"quality": 0.95, "price": 0.30, "privacy": 0.2},
    }
    cases = [
        ({"quality": 1, "price": 1, "privacy": 1}, {}, "tiny"),
        ({"quality": 1, "price": 0, "privacy": 0}, {}, "cloud"),
        ({"quality": 1, "price": 0, "privacy": 0}, {"privacy": 0.5}, "medium"),
        ({"quality": 0, "price": 1, "privacy": 0}, {"quality": 0.7}, "medium"),
        ({"quality": 1, "price": 1, "privacy": 1}, {"quality": 0.96}, None),
        ({"quality": 1, "price": 5, "privacy": 1}, {"quality": 0.6, "privacy": 0.1}, "medium"),
    ]
    for weights, musts, expected in cases:
        found = call_learner(function, {name: dict(row) for name, row in scores.items()}, dict(weights), dict(musts))
        if found is not None and found not in scores:
            raise Wrong(f"It returned {found!r}; return the name of an option, or None.")
        if found != expected:
            why = "Whoever misses a minimum is out, however many points it has." if musts else "No minimum is set here."
            raise Wrong(f"With the weights {weights} and the minimums {musts} it chose {found!r}. {why}")
    return "First the minimums, then the points: no weight buys back what must not be missing."


EXERCISES = (
    Exercise(
        "03.1",
        "Memory for several requests at once",
        "Write `compute_cache_mb(layers, kv_heads, head_size, tokens, slots)`: the megabytes (millions of bytes) of the "
        "key-value cache with 16-bit numbers, when `slots` requests of `tokens` tokens are answered at once.",
        "compute_cache_mb",
        _grade_cache,
        (
            "Count the numbers that one token leaves behind, then the bytes, then multiply by tokens and slots.",
            "One token leaves 2 * layers * kv_heads * head_size numbers; one number of 16 bits has 2 bytes.",
        ),
        """
        def compute_cache_mb(layers, kv_heads, head_size, tokens, slots):
            numbers = 2 * layers * kv_heads * head_size * tokens * slots
            return numbers * 2 / 1_000_000
        """,
    ),
    Exercise(
        "03.2",
        "The month's bill, both ways",
        "Write `compute_bills(requests, usd_per_request, usd_per_hour, requests_per_hour)`. Return two numbers: what a "
        "month's `requests` cost at the API, and what they cost on rented servers. Each server manages "
        "`requests_per_hour`, the month has 730 hours, and as many whole servers run all the time as the load needs, at "
        "least one.",
        "compute_bills",
        _grade_costs,
        (
            "How many requests does one server manage in a month? How many servers is that, rounded up?",
            "math.ceil(requests / (requests_per_hour * 730)) after import math, and max(1, …).",
        ),
        """
        import math
        def compute_bills(requests, usd_per_request, usd_per_hour, requests_per_hour):
            num_servers = max(1, math.ceil(requests / (requests_per_hour * 730)))
            return requests * usd_per_request, num_servers * usd_per_hour * 730
        """,
    ),
    Exercise(
        "03.3",
        "What moved in a pair",
        "Write `describe_pairs(pairs)`. Each pair holds the probability of “yes” for the first and for the second text. "
        "Return three numbers: how many pairs flip their label (the label is yes from 0.5 upwards), the mean change (second "
        "minus first), and the mean size of the change without its sign.",
        "describe_pairs",
        _grade_flips,
        (
            "A flip compares two labels, a change compares two probabilities.",
            "(a >= 0.5) != (b >= 0.5) is a flip; b - a is the change, abs(b - a) its size.",
        ),
        """
        def describe_pairs(pairs):
            flips = sum((a >= 0.5) != (b >= 0.5) for a, b in pairs)
            changes = [b - a for a, b in pairs]
            sizes = [abs(change) for change in changes]
            return flips, sum(changes) / len(pairs), sum(sizes) / len(pairs)
        """,
    ),
    Exercise(
        "03.4",
        "Minimums before points",
        "Write `choose_option(scores, weights, musts)`. `scores` and `weights` have the form of `scores` and `WEIGHTS` in "
        "section Measured; `musts` maps some factors to the least score that is acceptable. Among the options that reach "
        "every minimum, return the name of the one with the highest weighted sum, or None where none is left.",
        "choose_option",
        _grade_choice,
        (
            "Two steps: first throw out, then compare.",
            "all(row[factor] >= least for factor, least in musts.items()) tells whether an option stays.",
        ),
        """
        def choose_option(scores, weights, musts):
            points = dict()
            for name, row in scores.items():
                if all(row[factor] >= least for factor, least in musts.items()):
                    points[name] = sum(weights[factor] * row[factor] for factor in weights)
            return max(points, key=points.get) if points else None
        """,
    ),
)

QUIZ = Quiz(
    "03.quiz",
    (
        Question(
            "A model leads a public benchmark. What does that tell about your own task?",
            (
                "it will lead there too",
                "little until you measure: other inputs, other prompts, perhaps texts from its training",
                "nothing at all, benchmarks are invented",
                "that it is cheaper",
            ),
            1,
            "A benchmark is a reason to try a model. A figure for your task comes from your own examples.",
        ),
        Question(
            "Two models are right on 25 and on 27 of your 40 examples. Which is better?",
            (
                "the second",
                "the first, since it is smaller",
                "40 examples cannot tell",
                "both are equally good",
            ),
            2,
            "Even a difference of 10 points could be chance at n = 40. Not knowing is not the same as being equal.",
        ),
        Question(
            "You double the context of a model. What doubles?",
            ("the key-value cache", "the weights", "both", "neither"),
            0,
            "Weights depend on parameters and bits. The cache depends on layers, shared heads and tokens.",
        ),
        Question(
            "A model's own replies have a low perplexity for that model. What follows?",
            (
                "the replies are right",
                "the replies are easy to read",
                "the model is better than one with a higher figure",
                "the model found its own words likely, nothing more",
            ),
            3,
            "Greedy text is likely text by construction. Whether it is true has to be checked against something else.",
        ),
        Question(
            "In a paired probe, exchanging groups moves the probability as much as exchanging one name for another like it. "
            "What does the control show?",
            (
                "that the model is fair",
                "that such a change may come from any change of the text, so this is no evidence of a bias by group",
                "that the probe is broken",
                "that the model is biased against all groups",
            ),
            1,
            "The control shows the size of a movement without a reason. It is no proof of fairness: other prompts may differ.",
        ),
    ),
)
