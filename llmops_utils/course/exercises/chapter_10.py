"""Exercises of `10_experiment_tracking`."""

from __future__ import annotations

from types import SimpleNamespace

from ...tracking import Span
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_mask(function) -> str:
    cases = [
        ("Where is PW-93111?", "Where is [order]?"),
        ("Write to anna.berg@example.com, please.", "Write to [email], please."),
        ("PW-10618 and PW-10682: mail me at j_p+shop@mail.example.org", "[order] and [order]: mail me at [email]"),
        ("My kettle holds 1.5 litres and cost 49.90 euro.", "My kettle holds 1.5 litres and cost 49.90 euro."),
        ("Call me @ home, the PW- label is torn.", "Call me @ home, the PW- label is torn."),
        ("(max@example.com) wrote “PW-77777”.", "([email]) wrote “[order]”."),
        ("", ""),
    ]
    for text, expected in cases:
        found = call_learner(function, text)
        if not isinstance(found, str):
            raise Wrong(f"It returned a {type(found).__name__}; return a text.")
        if found != expected:
            raise Wrong(f"For {text!r} it returned {found!r}; asked for was {expected!r}.")
    return "Names and streets are still in there: a pattern finds only what has a form. Chapter 12 comes back to this."


def _grade_changes(function) -> str:
    cases = [
        ({"shots": 0, "model": "m"}, {"shots": 8, "model": "m"}, {"shots": (0, 8)}),
        ({"shots": 8}, {"shots": 8}, {}),
        ({"shots": 8}, {"shots": 8, "seed": 1}, {"seed": (None, 1)}),
        ({"shots": 8, "note": "x"}, {"shots": 8}, {"note": ("x", None)}),
        ({"seed": 0}, {"k": 0}, {"seed": (0, None), "k": (None, 0)}),
        ({"a": 1, "b": 2, "c": 3}, {"b": 0, "d": 4}, {"a": (1, None), "b": (2, 0), "c": (3, None), "d": (None, 4)}),
    ]
    for first, second, expected in cases:
        before = dict(first), dict(second)
        found = call_learner(function, first, second)
        if not isinstance(found, dict):
            raise Wrong(f"It returned a {type(found).__name__}; return a dict from name to a pair.")
        if (first, second) != before:
            raise Wrong("It changed the parameters that it was given; leave them as they are.")
        if {name: tuple(pair) for name, pair in found.items()} != expected:
            raise Wrong(f"For {first} and {second} it returned {found}.")
    return "A parameter that only one run has is a change as well, and an easy one to overlook."


def _make_run(name: str, score: float, read: float, written: float) -> SimpleNamespace:
    metrics = {"score": score, "prompt_tokens": read, "completion_tokens": written}
    return SimpleNamespace(name=name, metrics=metrics)


def _grade_affordable(function) -> str:
    a, b, c, d, e = (
        _make_run("a", 0.50, 700.0, 2.0),
        _make_run("b", 0.47, 300.0, 2.0),
        _make_run("c", 0.44, 100.0, 2.0),
        _make_run("d", 0.49, 290.0, 90.0),
        _make_run("e", 0.47, 280.0, 2.0),
    )
    cases = [
        ([a, b, c, d], 302, b),
        ([d, c, b, a], 379, b),
        ([a, b, c, d], 380, d),
        ([a, b, c, d], 1000, a),
        ([b, e, c], 302, e),
        ([c, e, b], 302, e),
        ([a, b, c], 101, None),
        ([], 500, None),
    ]
    for runs, most_tokens, expected in cases:
        found = call_learner(function, list(runs), most_tokens)
        told = "; ".join(
            f"{run.name}: score {run.metrics['score']:.2f}, tokens {run.metrics['prompt_tokens']:.0f} + "
            f"{run.metrics['completion_tokens']:.0f}"
            for run in runs
        )
        if found is not None and getattr(found, "name", None) not in [run.name for run in runs]:
            raise Wrong(f"It returned {found!r:.60}; return one of the runs, or None.")
        name, wanted = (None if run is None else run.name for run in (found, expected))
        if name != wanted:
            raise Wrong(f"Of the runs ({told}) and at most {most_tokens} tokens it chose {name}, not {wanted}.")
    return "A limit on the price is a rule as well, and one that can be stated before anything is measured."


def _build_tree() -> Span:
    model = Span("write reply", "model", 1.0, 2.0)
    lookup = Span("look_up", "tool", 0.5, 0.25)
    search = Span("search", "retrieval", 0.75, 0.5, children=[Span("embed", "model", 0.75, 0.25)])
    chain = Span("answer", "chain", 0.25, 3.0, children=[lookup, search, model])
    return Span("request", "request", 0.0, 3.5, children=[chain])


def _grade_slowest(function) -> str:
    slow_parent = Span("request", "request", 0.0, 5.0, children=[Span("chain", "chain", 0.0, 4.5)])
    slow_parent.children[0].children = [Span("ask", "model", 0.0, 1.0), Span("ask again", "model", 1.0, 1.5)]
    deep = Span("request", "request", 0.0, 2.0)
    deep.children = [Span("chain", "chain", 0.0, 2.0, children=[Span("inner", "chain", 0.0, 2.0)])]
    deep.children[0].children[0].children = [Span("tool", "tool", 0.0, 1.75)]
    cases = [
        (_build_tree(), "write reply"),
        (slow_parent, "chain"),
        (deep, "tool"),
        (Span("alone", "request", 0.0, 1.0), "alone"),
    ]
    for root, expected in cases:
        found = call_learner(function, root)
        if not isinstance(found, str):
            raise Wrong(f"It returned a {type(found).__name__}; return the name of a span.")
        if found != expected:
            told = "; ".join(f"{'.' * depth}{one.name} {one.duration_s} s" for depth, one in root.walk())
            raise Wrong(f"For the tree ({told}) it returned “{found}”. Whose own time is the longest?")
    return "A parent holds the time of its children; only what is left is its own."


EXERCISES = (
    Exercise(
        "10.1",
        "Mask before you log",
        "Write `mask_personal(text)`: it returns the text with each order number (`PW-` and digits) replaced by "
        "`[order]` and each mail address by `[email]`. Everything else stays, also the full stop after an address.",
        "mask_personal",
        _grade_mask,
        (
            "Two calls of re.sub, one for each kind.",
            r"A mail address: [\w.+-]+@ and then words joined by dots, \w+(?:\.\w+)+, so that it ends with a word.",
        ),
        r"""
        def mask_personal(text):
            text = re.sub(r"\bPW-\d+\b", "[order]", text)
            return re.sub(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[email]", text)
        """,
    ),
    Exercise(
        "10.2",
        "What lies between two runs",
        "Write `list_changes(first, second)` for two dicts of parameters: it returns a dict from the name of each "
        "parameter that differs to the pair (value in first, value in second), with None where a run lacks it.",
        "list_changes",
        _grade_changes,
        (
            "All names that occur: {*first, *second}.",
            "first.get(name) is None where the name is missing.",
        ),
        """
        def list_changes(first, second):
            names = [*first, *(name for name in second if name not in first)]
            return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}
        """,
    ),
    Exercise(
        "10.3",
        "Another rule: a limit on the price",
        "Write `choose_affordable(runs, most_tokens)`. A run is affordable if its `prompt_tokens` and `completion_tokens` "
        "together are at most `most_tokens`. Return the affordable run with the highest score; of two with equal scores "
        "the cheaper one; and None if no run is affordable. Each run has a dict `metrics` with `score`, `prompt_tokens` "
        "and `completion_tokens`.",
        "choose_affordable",
        _grade_affordable,
        (
            "First keep the affordable ones, then take the best of them.",
            "A tuple as the key settles ties: max(…, key=lambda run: (score, -tokens)). max has a `default`.",
        ),
        """
        def choose_affordable(runs, most_tokens):
            def price(run):
                return run.metrics["prompt_tokens"] + run.metrics["completion_tokens"]
            affordable = [run for run in runs if price(run) <= most_tokens]
            return max(affordable, key=lambda run: (run.metrics["score"], -price(run)), default=None)
        """,
    ),
    Exercise(
        "10.4",
        "Where the time went",
        "Write `find_slowest(root)`: it returns the name of the span with the most time of its own, that is its "
        "`duration_s` less that of its `children`. `root.walk()` gives (depth, span) for the whole tree.",
        "find_slowest",
        _grade_slowest,
        (
            "For one span: one.duration_s - sum(child.duration_s for child in one.children).",
            "max over the spans of root.walk() with that as the key, then its name.",
        ),
        """
        def find_slowest(root):
            def own(one):
                return one.duration_s - sum(child.duration_s for child in one.children)
            return max((one for _, one in root.walk()), key=own).name
        """,
    ),
)

QUIZ = Quiz(
    "10.quiz",
    (
        Question(
            "Two runs have the scores 41 % and 47 %, and different checksums of their examples. What can you say?",
            (
                "the second is better",
                "nothing about which is better: they were not asked the same things",
                "the first is cheaper",
                "one of the archives is damaged",
            ),
            1,
            "A score belongs to its examples. Evaluate both on the same ones, then compare them in pairs.",
        ),
        Question(
            "Why does the rule for choosing stand in the notebook before the table of scores?",
            (
                "the table needs it",
                "Comet asks for it",
                "with the numbers in view, one finds a reason for the run that one likes",
                "it makes the search quicker",
            ),
            2,
            "A rule that is made after looking fits what was seen, luck included.",
        ),
        Question(
            "You tried 40 prompts on 24 messages and the best scores 62 %. On new messages you should expect …",
            ("less than 62 %", "62 %", "more than 62 %", "half of it"),
            0,
            "The best of many is partly the luckiest of many: the winner's curse.",
        ),
        Question(
            "Which of these belongs in a tracked run?",
            (
                "the API key, so that the run can be repeated",
                "all environment variables",
                "the customers' names",
                "the text of the prompt",
            ),
            3,
            "The first three must never be logged. Without the prompt a score cannot be used.",
        ),
        Question(
            "The network fails in the middle of an online run. What has happened to the run?",
            (
                "it is lost and has to be repeated",
                "Comet has it all the same",
                "its archive is on the disk, and upload_runs() sends it later",
                "only the metrics are kept",
            ),
            2,
            "Each run is written here as well. end() warns when Comet did not confirm all of it.",
        ),
        Question(
            "A chain took 3 s; its two model calls took 1 s and 1.5 s. How much of the time is the chain's own?",
            ("3 s", "0.5 s", "2.5 s", "1 s"),
            1,
            "What the children took is theirs; 0.5 s are left.",
        ),
    ),
)
