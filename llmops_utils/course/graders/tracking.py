"""Graders of chapter 10: a run in its archive, names of keys, masking, fair pairs, rules, luck, own time, a sent trace."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from ...core import DataError, is_secret_name
from ...tracking import Run, Span, read_run
from .checks import Wrong, check_cases, check_names, grades, show, tell_expected
from .techniques import compute_optimism

RATE = 0.01
LOSSES = ((1, 2.31), (2, 1.74), (3, 1.52), (4, 1.49))
VARIABLES = ("HF_TOKEN", "MAX_TOKENS", "KEYBOARD_LAYOUT", "DB_PASSWORD", "SSH_KEY_FILE", "CUSTOMER_IBAN", "MYSECRET")
VARIABLES += ("AUTH_URL", "dbPass")
PLANNED = ("version", "shots", "labels")


@grades("10_1.1")
def _grade_run(mine) -> None:
    if not isinstance(mine, Run):
        kind = type(mine).__name__
        raise Wrong(f"It is of type {kind}. End the run, then read it back: list_runs finds it by its name.")
    try:
        read = read_run(mine.path)
    except DataError as error:
        raise Wrong(f"Its archive cannot be read. {error.problem}") from None
    if read.parameters.get("learning_rate") != RATE:
        raise Wrong(f"Its parameters are {show(read.parameters)}; `learning_rate` is asked for.")
    logged = read.history.get("loss", ())
    if not logged:
        raise Wrong(f"There is no metric “loss” in it; its metrics are {list(read.metrics)}.")
    steps = [step for step, _ in logged]
    if None in steps:
        raise Wrong(f"Its loss has {len(logged)} values, and at least one has no steps. log_metric takes `step`.")
    if logged != LOSSES:
        values = [value for _, value in logged]
        raise Wrong(f"Of its loss the steps are {', '.join(map(str, steps))}, and the values {show(values)}.")


@grades("10_1.2")
def _grade_names(names) -> None:
    if isinstance(names, str) or not isinstance(names, Sequence | set):
        raise Wrong(f"It is {show(names)}. Make a list of names.")
    given = set(map(str, names))
    if unknown := given - set(VARIABLES):
        raise Wrong(f"{show(min(unknown))} is none of the nine.")
    right = {name for name in VARIABLES if is_secret_name(name)}
    if too_many := given - right:
        raise Wrong(f"Not all of them are taken out: {len(too_many)} of your {len(given)} stay as they are.")
    if given != right:
        raise Wrong(f"All {len(given)} that you name are taken out. Some are missing.")


@grades("10_1.3")
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


@grades("10_2.1")
def _grade_pairs(pairs) -> None:
    check_names(pairs, ("labels", "shots"), "Make a dict with the keys “labels” and “shots”.")
    for wanted, pair in pairs.items():
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise Wrong(f"For {wanted!r} it holds {show(pair)}; give the names of two runs.")
        runs = [_read_plan(name) for name in pair]
        changed = [name for name in PLANNED if runs[0][name] != runs[1][name]]
        if 0 in (run["shots"] for run in runs):
            raise Wrong(f"For {wanted!r} one of the two runs shows no examples.")
        if changed != [wanted]:
            told = " and ".join(changed) or "nothing"
            raise Wrong(f"The two runs for {wanted!r} differ in {told}.")


def _read_plan(name: object) -> dict:
    """Return the parameters that stand in the name of a run."""
    parts = str(name).replace(" shots", "").replace(" labels", "").split(", ")
    if len(parts) != 3 or not all(part.isdigit() for part in parts[1:]):
        raise Wrong(f"{show(name)} is no name of a run; `names` lists them.")
    return {"version": parts[0], "shots": int(parts[1]), "labels": int(parts[2])}


@grades("10_2.2")
def _grade_affordable(function) -> None:
    def make_run(name: str, score: float, read: float, written: float = 2.0, num: int = 100) -> SimpleNamespace:
        metrics = {"score": score, "prompt_tokens": read, "completion_tokens": written}
        return SimpleNamespace(name=name, metrics=metrics, parameters={"num_examples": num})

    def tell(runs, most_tokens) -> str:
        told = [
            f"{run.name}: score {run.metrics['score']:.2f}, n {run.parameters['num_examples']}, tokens "
            f"{run.metrics['prompt_tokens']:.0f} + {run.metrics['completion_tokens']:.0f}"
            for run in runs
        ]
        return f"the runs ({'; '.join(told)}) and at most {most_tokens} tokens"

    def read(run) -> str | None:
        if run is not None and getattr(run, "name", None) not in tuple("abcdefgh"):
            raise Wrong(f"It returned {show(run)}; return one of the runs, or None.")
        return run and run.name

    a, b, c = make_run("a", 0.50, 700.0), make_run("b", 0.47, 300.0), make_run("c", 0.44, 100.0)
    d, f = make_run("d", 0.49, 290.0, 90.0), make_run("f", 0.30, 50.0)
    g, h = make_run("g", 0.50, 700.0, num=10_000), make_run("h", 0.47, 300.0, num=10_000)
    cases = [
        (([a, b, c, f], 1000), "b"),
        (([f, c, b, a], 1000), "b"),
        (([a, b, c, f], 302), "c"),
        (([a, b, c, d], 379), "c"),
        (([d, c, f], 380), "d"),
        (([a, f], 100), "f"),
        (([g, h], 1000), "g"),
        (([a, b], 101), None),
        (([], 500), None),
    ]
    check_cases(function, cases, object, "a run, or None", given=tell, read=read, explain=tell_expected)


@functools.cache
def _count_examples(p: float, k: int, most_luck: float) -> int:
    n = 1
    while compute_optimism(p, n, k) > most_luck:
        n += 1
    return n


@grades("10_2.3")
def _grade_size(function) -> str:
    asked = [(0.3, 12, 0.1), (0.3, 12, 0.05), (0.5, 2, 0.05), (0.375, 40, 0.1), (0.8, 12, 0.06), (0.5, 12, 0.5)]
    cases = [(one, _count_examples(*one)) for one in asked]
    check_cases(function, cases, int, "a whole number")
    few, many = (_count_examples(0.3, 12, luck) for luck in (0.1, 0.05))
    return f"For half the luck one needs about four times as many examples: {few} for 10 points, {many} for 5."


@grades("10_3.1")
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


@grades("10_3.2")
def _grade_trace(path) -> str:
    if not isinstance(path, str | Path) or not Path(path).is_file():
        raise Wrong(f"It is {show(path)}, which is no file. send_trace returns the file of a trace that was sent.")
    spans = []
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                spans += [one for scope in resource["scopeSpans"] for one in scope["spans"]]
    except (ValueError, KeyError, TypeError):
        raise Wrong(f"{Path(path).name} holds no trace.") from None
    found: dict[str, list[dict]] = {}
    for one in spans:
        told = {part["key"]: part["value"] for part in one.get("attributes", [])}
        found.setdefault(told.get("gen_ai.operation.name", {}).get("stringValue", "root"), []).append(
            one | {"told": told}
        )
    kinds = ", ".join(f"{len(listed)} {name}" for name, listed in found.items())
    for name, missing in NEEDED.items():
        if name not in found:
            raise Wrong(f"The trace holds {kinds}. {missing}")
    chains = {one["spanId"] for one in found["invoke_workflow"]}
    if not {one.get("parentSpanId") for one in found["chat"] + found["execute_tool"]} <= chains:
        raise Wrong("A call of the model or of the tool is not below the chain: call both inside of it.")
    if not all("gen_ai.usage.output_tokens" in one["told"] for one in found["chat"]):
        raise Wrong("A chat span has no tokens: return the reply itself from a function that is marked “model”.")
    if Path(path).parent.name != "sent":
        raise Wrong("It was written and not sent, or the receiver did not take it: it is not in the folder `sent`.")
    return f"The receiver has {len(spans)} spans: {kinds}."


NEEDED = {
    "invoke_workflow": "A function that is marked as a chain, and called inside of the trace, is missing.",
    "execute_tool": "The tool is missing: mark it, and call the marked one.",
    "chat": "The model's call is missing: it is `traced` that makes spans, not the plain model.",
}
