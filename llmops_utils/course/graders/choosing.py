"""Graders of chapter 03: what a model needs, what it costs, what moves in a pair, the decision."""

from numbers import Real

from .checks import check_cases, is_right


def _grade_cache(function) -> None:
    def explain(found, expected, layers, kv_heads, head_size, tokens, slots) -> str:
        remarks = {
            2: "Half of the cache is missing: each token leaves a key and a value.",
            slots: "Each request that is answered at the same time has a cache of its own.",
            1.048576: "These are mebibytes; a megabyte here is a million bytes.",
            1 / 8: "These are bits.",
        }
        return "".join(remark for factor, remark in remarks.items() if is_right(found * factor, expected, 1e-6))

    cases = [
        ((32, 32, 128, 4096, 1), 2147.483648),
        ((32, 8, 128, 4096, 1), 536.870912),
        ((30, 3, 64, 2048, 4), 188.74368),
        ((28, 8, 128, 1000, 10), 1146.88),
    ]
    given = "(layers, kv_heads, head_size, tokens, slots) = ({}, {}, {}, {}, {})"
    check_cases(function, cases, Real, "a number of megabytes", given=given, explain=explain, tolerance=1e-6)


def _grade_costs(function) -> None:
    def explain(found, expected, requests, usd_per_request, usd_per_hour, requests_per_hour) -> str:
        if not is_right(found[0], expected[0]):
            return "The first number, the API, is not right."
        if found[1] < 700 * usd_per_hour:
            return "A server that waits for work costs as much as one that works; one always runs."
        return "The second number is not right: servers come whole, and a month has 730 hours."

    cases = [
        ((1_000_000, 0.001, 1.0, 5000), (1000.0, 730.0)),
        ((10_000_000, 0.0001, 1.0, 5000), (1000.0, 2190.0)),
        ((5_000_000, 0.0001, 1.0, 5000), (500.0, 1460.0)),
        ((7_300_000, 0.0002, 0.5, 5000), (1460.0, 730.0)),
        ((10, 0.001, 1.0, 5000), (0.01, 730.0)),
        ((0, 0.001, 1.0, 5000), (0.0, 730.0)),
    ]
    given = "(requests, usd_per_request, usd_per_hour, requests_per_hour) = ({}, {}, {}, {})"
    form = "two numbers: the month's price of the API, and that of the servers"
    check_cases(function, cases, tuple | list, form, given=given, explain=explain)


def _grade_flips(function) -> None:
    names = ("number of flips", "mean change", "mean size of the change")
    form = f"three numbers: {', '.join(names)}"

    def explain(found, expected, pairs) -> str:
        wrong = [name for name, one, other in zip(names, found, expected, strict=True) if not is_right(one, other)]
        return f"The {wrong[0]} is not right."

    cases = [
        ([(0.6, 0.4), (0.4, 0.6), (0.6, 0.7), (0.2, 0.1)], (2, 0.0, 0.15)),
        ([(0.9, 0.7), (0.8, 0.6)], (0, -0.2, 0.2)),
        ([(0.5, 0.49), (0.5, 0.5)], (1, -0.005, 0.005)),
        ([(0.1, 0.9)], (1, 0.8, 0.8)),
    ]
    check_cases(function, cases, tuple | list, form, given="the pairs {}", explain=explain)


def _grade_choice(function) -> None:
    def explain(found, expected, scores, weights, musts) -> str:
        if found is not None and found not in scores:
            return "Return the name of an option, or None."
        return "Whoever misses a minimum is out, however many points it has." if musts else "No minimum is set here."

    scores = {
        "tiny": {"quality": 0.30, "price": 1.00, "privacy": 1.0},
        "medium": {"quality": 0.70, "price": 0.60, "privacy": 1.0},
        "cloud": {"quality": 0.95, "price": 0.30, "privacy": 0.2},
    }
    cases = [
        ((scores, {"quality": 1, "price": 1, "privacy": 1}, {}), "tiny"),
        ((scores, {"quality": 1, "price": 0, "privacy": 0}, {}), "cloud"),
        ((scores, {"quality": 1, "price": 0, "privacy": 0}, {"privacy": 0.5}), "medium"),
        ((scores, {"quality": 0, "price": 1, "privacy": 0}, {"quality": 0.7}), "medium"),
        ((scores, {"quality": 1, "price": 1, "privacy": 1}, {"quality": 0.96}), None),
        ((scores, {"quality": 1, "price": 5, "privacy": 1}, {"quality": 0.6, "privacy": 0.1}), "medium"),
    ]
    given = "the weights {1} and the minimums {2}"
    check_cases(function, cases, str | None, "the name of an option, or None", given=given, explain=explain)


GRADERS = {"03.1": _grade_cache, "03.2": _grade_costs, "03.3": _grade_flips, "03.4": _grade_choice}
