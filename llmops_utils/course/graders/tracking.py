"""Graders of chapter 10: masking, changes between runs, an affordable run, where the time went."""

from types import SimpleNamespace

from ...tracking import Span
from .checks import Wrong, check_cases, show, tell_expected


def _grade_mask(function) -> None:
    cases = [
        ("Where is PW-93111?", "Where is [order]?"),
        ("Write to anna.berg@example.com, please.", "Write to [email], please."),
        ("PW-10618 and PW-10682: mail me at j_p+shop@mail.example.org", "[order] and [order]: mail me at [email]"),
        ("My kettle holds 1.5 litres and cost 49.90 euro.", "My kettle holds 1.5 litres and cost 49.90 euro."),
        ("Call me @ home, the PW- label is torn.", "Call me @ home, the PW- label is torn."),
        ("(max@example.com) wrote “PW-77777”.", "([email]) wrote “[order]”."),
        ("", ""),
    ]
    check_cases(function, cases, str, "a text", explain=tell_expected)


def _grade_changes(function) -> None:
    def read(found) -> dict:
        return {name: tuple(pair) for name, pair in found.items()}

    cases = [
        (({"shots": 0, "model": "m"}, {"shots": 8, "model": "m"}), {"shots": (0, 8)}),
        (({"shots": 8}, {"shots": 8}), {}),
        (({"shots": 8}, {"shots": 8, "seed": 1}), {"seed": (None, 1)}),
        (({"shots": 8, "note": "x"}, {"shots": 8}), {"note": ("x", None)}),
        (({"seed": 0}, {"k": 0}), {"seed": (0, None), "k": (None, 0)}),
        (({"a": 1, "b": 2, "c": 3}, {"b": 0, "d": 4}), {"a": (1, None), "b": (2, 0), "c": (3, None), "d": (None, 4)}),
    ]
    check_cases(function, cases, dict, "a dict from name to a pair", given="{} and {}", read=read, keeps=True)


def _grade_affordable(function) -> None:
    def make_run(name: str, score: float, read: float, written: float = 2.0) -> SimpleNamespace:
        metrics = {"score": score, "prompt_tokens": read, "completion_tokens": written}
        return SimpleNamespace(name=name, metrics=metrics)

    def tell(runs, most_tokens) -> str:
        told = [
            f"{run.name}: score {run.metrics['score']:.2f}, tokens {run.metrics['prompt_tokens']:.0f} + "
            f"{run.metrics['completion_tokens']:.0f}"
            for run in runs
        ]
        return f"the runs ({'; '.join(told)}) and at most {most_tokens} tokens"

    def read(run) -> str | None:
        if run is not None and getattr(run, "name", None) not in ("a", "b", "c", "d", "e"):
            raise Wrong(f"It returned {show(run)}; return one of the runs, or None.")
        return run and run.name

    a, b, c = make_run("a", 0.50, 700.0), make_run("b", 0.47, 300.0), make_run("c", 0.44, 100.0)
    d, e = make_run("d", 0.49, 290.0, 90.0), make_run("e", 0.47, 280.0)
    cases = [
        (([a, b, c, d], 302), "b"),
        (([d, c, b, a], 379), "b"),
        (([a, b, c, d], 380), "d"),
        (([a, b, c, d], 1000), "a"),
        (([b, e, c], 302), "e"),
        (([c, e, b], 302), "e"),
        (([a, b, c], 101), None),
        (([], 500), None),
    ]
    check_cases(function, cases, object, "a run, or None", given=tell, read=read, explain=tell_expected)


def _grade_slowest(function) -> None:
    def tell(root) -> str:
        told = "; ".join(f"{'.' * depth}{one.name} {one.duration_s} s" for depth, one in root.walk())
        return f"the tree ({told})"

    model = Span("write reply", "model", 1.0, 2.0)
    lookup = Span("look_up", "tool", 0.5, 0.25)
    search = Span("search", "retrieval", 0.75, 0.5, children=[Span("embed", "model", 0.75, 0.25)])
    usual = Span("answer", "chain", 0.25, 3.0, children=[lookup, search, model])
    slow = Span("chain", "chain", 0.0, 4.5)
    slow.children = [Span("ask", "model", 0.0, 1.0), Span("ask again", "model", 1.0, 1.5)]
    inner = Span("inner", "chain", 0.0, 2.0, children=[Span("tool", "tool", 0.0, 1.75)])
    outer = Span("chain", "chain", 0.0, 2.0, children=[inner])
    cases = [
        (Span("request", "request", 0.0, 3.5, children=[usual]), "write reply"),
        (Span("request", "request", 0.0, 5.0, children=[slow]), "chain"),
        (Span("request", "request", 0.0, 2.0, children=[outer]), "tool"),
        (Span("alone", "request", 0.0, 1.0), "alone"),
    ]
    remark = "Whose own time is the longest?"
    check_cases(function, cases, str, "the name of a span", given=tell, explain=remark)


GRADERS = {"10.1": _grade_mask, "10.2": _grade_changes, "10.3": _grade_affordable, "10.4": _grade_slowest}
