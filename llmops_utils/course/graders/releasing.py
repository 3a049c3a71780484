"""Graders of lessons 12.3 to 13.1: the gate, a workflow, a canary, alarms, new examples, the capstone."""

import functools
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...core import PromptError
from ...operations import (
    INCIDENTS,
    Canary,
    CanaryPlan,
    Monitor,
    bound_flips,
    choose_outcome,
    find_first_alarm,
    load_release,
    load_traffic,
    open_release,
    promote,
    simulate_traffic,
)
from ...prompts import Prompt, save_prompt
from ..capstone import Assistant, Choices, load_part, open_model, score_answer
from .checks import Wrong, call_learner, check_cases, check_letters, find_variable, grades, show

DAY, QUIET_DAYS, NUM_STREAMS, BEGIN = 1200, 14, 20, 600
MOST_FALSE, MOST_DELAY, STRIKE_DELAY, LEAST_STRIKES = 9, 150, 300, 16

# --- release -------------------------------------------------------------------------------------------------


@grades("12_3.1")
def _grade_gate(function) -> None:
    production, *others = ([int(one.score) for one in served] for served in load_traffic().values())
    pairs = [(production, other) for other in others] + [(others[0], production), (production[:12], production[:12])]
    cases, told = [], []
    for before, after in pairs:
        flips = list(zip(before, after, strict=True))
        counts = flips.count((0, 1)), flips.count((1, 0)), len(flips)
        told.append("{} gained and {} lost of {}".format(*counts))
        for margin in (0.1, 0.05):
            cases.append(((before, after, margin), choose_outcome(bound_flips(*counts), margin)))

    def tell(before, after, margin) -> str:
        return f"{told[pairs.index((before, after))]}, with a margin of {margin}"

    check_cases(function, cases, str, "one of the three outcomes", given=tell)


@grades("12_3.2")
def _grade_workflow(workflow) -> None:
    commands = _list_commands(workflow)
    for codes in ((3, 0), (0, 3), (5, 0), (0, 1), (0, 0)):
        done = _run_commands(commands, dict(zip(("production", "anchor"), codes, strict=True)))
        if any(codes) and "promote" in done:
            told = "against production" if codes[0] else "against revision 1"
            raise Wrong(f"Where the gate {told} ends with {max(codes)}, revision 3 is promoted all the same.")
        if not any(codes) and done[-1:] != ["promote"]:
            raise Wrong("Where both gates end with 0, nothing is promoted. That has to be the last step.")


def _list_commands(workflow: object) -> list[str]:
    """Return the commands of the only job, line by line; what can hide an exit code is refused."""
    import yaml

    try:
        [job] = yaml.safe_load(workflow)["jobs"].values() if isinstance(workflow, str) else []
        steps = [step for step in job["steps"] if isinstance(step, dict) and "run" in step]
    except (yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError):
        raise Wrong("It is no workflow with one job that has steps. Begin with the text of the cell above.") from None
    for part in (job, *steps):
        if part.get("continue-on-error") or part.get("if"):
            raise Wrong("There is `continue-on-error` or `if` in it, so that something goes on after a refusal.")
    lines = [line for step in steps for line in str(step["run"]).splitlines() if "llmops_utils" in line]
    for line in lines:
        if re.search(r"[|;&]|set \+e", line):
            raise Wrong(f"In {line!r} the shell may go on, or end with another code than the gate's.")
        if not re.search(r"llmops_utils (gate|promote) route_message .*\b3\b", line):
            raise Wrong(f"{line!r} is neither the gate nor a promotion of route_message, or does not name revision 3.")
        if re.search(r"--against[ =](?!1\b)", line):
            raise Wrong(f"In {line!r} the anchor is not revision 1.")
    return lines


def _run_commands(lines: list[str], codes: dict[str, int]) -> list[str]:
    """Return which commands of ours were begun, where the first that fails ends the job."""
    done = []
    for line in lines:
        done.append("promote" if " promote " in line else "anchor" if "--against" in line else "production")
        if codes.get(done[-1]):
            break
    return done


PLAN = CanaryPlan(shares=(0.2, 0.5), num_scores=20, num_between=10, margin=0.3, most_hours=12)
STREAMS: dict[str, tuple[list, str]] = {
    "both are always right": ([(0.01, False, 1), (0.01, True, 1)] * 60, "shipped"),
    "the candidate is always wrong": ([(0.01, False, 1), (0.01, True, 0)] * 60, "rolled back"),
    "no grade ever comes": ([(0.5, True, None), (0.5, False, None)] * 30, "rolled back"),
    "every other grade does not come": ([(0.01, False, 1), (0.01, True, 1), (0.01, True, None)] * 60, "shipped"),
    "the stream ends early": ([(0.01, False, 1), (0.01, True, 1)] * 5, "running"),
}


@grades("12_3.3")
def _grade_steps(function) -> None:
    for told, (stream, wanted) in STREAMS.items():
        with tempfile.TemporaryDirectory() as name:
            folder, canary, left = Path(name), Canary(PLAN), iter(stream)
            for words in ("one", "two"):
                save_prompt(Prompt("sort", instruction=words, input="{{ message }}"), folder)
            open_release("sort", "intent", folder)
            promote("sort", 1, folder)
            found = call_learner(function, canary, left, "sort", 2, folder)
            entry = load_release("sort", folder).production
        if canary.state != wanted:
            raise Wrong(f"Where {told}, the canary ends as “{canary.state}”. Did it hear of all hours and all scores?")
        if entry is None or entry.revision != (2 if wanted == "shipped" else 1):
            raise Wrong(f"Where {told}, the canary says “{wanted}”, and revision {entry and entry.revision} is there.")
        if wanted == "shipped" and entry.note != canary.reason:
            raise Wrong(f"Where {told}, the note is {show(entry.note)}. The history should hold the canary's reason.")
        if wanted != "running" and next(left, None) is None:
            raise Wrong(f"Where {told}, it took the whole stream. Stop as soon as it is decided.")
        if not isinstance(found, str) or found != wanted:
            raise Wrong(f"Where {told}, it returned {show(found)}. Return the state of the canary.")


# --- watch ---------------------------------------------------------------------------------------------------


@functools.cache
def _draw_streams(incident: str) -> tuple[list, ...]:
    """Return streams that no lesson shows: quiet fortnights, or incidents that begin after a while."""
    traffic = load_traffic()
    if incident == "none":
        return tuple(simulate_traffic(traffic, QUIET_DAYS * DAY, seed=500 + seed, day=DAY) for seed in range(3))
    seeds = range(600, 600 + NUM_STREAMS)
    return tuple(simulate_traffic(traffic, 3 * BEGIN, incident, BEGIN, seed=seed, day=DAY) for seed in seeds)


@grades("12_4.1")
def _grade_alarm(alarm) -> str:
    if not isinstance(alarm, Monitor):
        raise Wrong(f"It is of type {type(alarm).__name__}. Make a Monitor that learns from `week`.")
    num_false = sum(bool(window.alarms) for quiet in _draw_streams("none") for window in alarm.watch(quiet))
    if num_false > MOST_FALSE:
        raise Wrong(f"In three quiet fortnights {num_false} windows raise an alarm; {MOST_FALSE} are the most.")
    for incident, delay, least in (("prompt", MOST_DELAY, NUM_STREAMS), ("questions", STRIKE_DELAY, LEAST_STRIKES)):
        found = [find_first_alarm(alarm.watch(stream), after=BEGIN) for stream in _draw_streams(incident)]
        num = sum(window is not None and window.num_served <= BEGIN + delay for window in found)
        if num < least:
            raise Wrong(
                f"Quiet enough: {num_false} false alarms. But of {NUM_STREAMS} streams “{incident}” it notices {num} "
                f"within {delay} requests; {least} are asked for."
            )
    return f"{num_false} false alarms in six weeks, and both incidents in time, on streams that you have not seen."


@grades("12_4.2")
def _grade_causes(causes) -> None:
    kinds = find_variable("kinds")
    check_letters(
        causes,
        dict(zip("abcde", map(str, kinds), strict=True)),
        list(INCIDENTS),
        "Look at refusals, tokens and the two drifts, in this order.",
    )


@grades("12_4.3")
def _grade_picked(function) -> None:
    def make(*rows: tuple[str, str, Any, str]) -> list[dict]:
        return [dict(zip(("text", "cluster", "score", "thumb"), row, strict=True)) for row in rows]

    bad, good = ("lost", "c1", 0, ""), ("fine", "c1", 1, "")
    thumb, loud = ("no desk", "c2", None, "down"), ("wrong desk", "c1", 0, "down")
    both, pleased, other = ("again", "c2", 1, "down"), ("thanks", "c3", None, "up"), ("late", "c3", 0, "")
    cases = [
        ((make(bad, good, thumb), set(), 5), ["lost", "no desk"], "a grade of 0 or a thumb down, in order of arrival"),
        ((make(bad, loud, thumb, other), set(), 3), ["lost", "no desk", "late"], "the kinds of question in turn"),
        ((make(bad, loud, thumb), set(), 3), ["lost", "no desk", "wrong desk"], "then a second one of each kind"),
        ((make(bad, thumb), {"lost"}, 2), ["no desk"], "lost is in a data set already"),
        ((make(bad, bad, thumb), set(), 3), ["lost", "no desk"], "a text comes once"),
        ((make(both, pleased), set(), 2), ["again"], "a customer may be unhappy with what a grader calls right"),
        ((make(good, pleased), set(), 2), [], "nothing failed"),
    ]

    check_cases(function, cases, list, "a list of texts", keeps=True)


HELD_BACK = slice(-24, None)  # of dev
THRESHOLD = 13  # who always refuses gets 9


@grades("13_1.1")
def _grade_better(choices) -> str:
    if not isinstance(choices, Choices):
        raise Wrong(f"`better` is a {type(choices).__name__}; write Choices(…), as in the cell of the first attempt.")
    unknown = choices.prompt.variables ^ {"passages", "question"}
    if unknown:
        raise Wrong(f"The prompt needs the variables passages and question; look at {', '.join(unknown)}.")
    assistant = Assistant(open_model("13_1_capstone", choices), choices)
    examples = load_part("dev")[HELD_BACK]
    try:
        scores = [score_answer(assistant(one.input).prediction, one.expected).value for one in examples]
    except PromptError as error:
        raise Wrong(f"{error.problem} {error.next_step}") from error
    told = f"{sum(scores):.0f} of {len(examples)} messages were right; {THRESHOLD} are asked for."
    if sum(scores) < THRESHOLD:
        raise Wrong(f"{told} Look at the table of outcomes: what is lost most, and which choice changes that?")
    return told


@grades("13_1.2")
def _grade_stale(function) -> None:
    def make_rows(*told: tuple[str, ...]) -> list:
        return [SimpleNamespace(trace=[{"read": list(read)}]) for read in told]

    old = make_rows(("shipping-a#1-ab", "policies-b#2-cd"), ("repairs-c-d#0-ef",))
    cases = [
        ((old, old), [], "nothing changed"),
        ((old, make_rows(("shipping-a#1-ab", "policies-b#2-99"))), ["policies-b"], "b#2 is read in another version"),
        ((old, make_rows(("policies-b#7-aa", "policies-x#0-bb"))), [], "not read before, so nothing is known"),
        (
            (old, make_rows(("repairs-c-d#0-99",), ("repairs-c-d#0-99", "policies-b#2-11"))),
            ["policies-b", "repairs-c-d"],
            "each once, in the order of the alphabet",
        ),
        ((old, make_rows((), ("repairs-c-d#0-ef",))), [], "one message found nothing"),
        (([], make_rows(("policies-b#7-aa",))), [], "nothing was read before"),
    ]
    check_cases(function, cases, list, "a list of names of pages")


@grades("13_1.3")
def _grade_rescore(function) -> None:
    def make_rows(*told: tuple[str, str | None, float]) -> tuple[list, dict]:
        rows = [SimpleNamespace(id=name, prediction=found, score=score) for name, found, score in told]
        return rows, {"m1": "30 days", "m2": "8 percent", "m3": "by card", "m4": "30 days"}

    honest = make_rows(("m1", "30 days", 1.0), ("m2", "30 days", 0.0))
    raised = make_rows(("m1", "30 days", 1.0), ("m2", "30 days", 1.0))
    lowered = make_rows(("m1", "30 days", 0.0), ("m3", "by card", 1.0))
    unknown = make_rows(("m1", "30 days", 1.0), ("x9", "30 days", 1.0))
    unknown_at_0 = make_rows(("x9", "30 days", 0.0), ("m4", "30 days", 1.0))
    unclear = make_rows(("m1", None, 0.0), ("m2", "8 Percent ", 0.0))
    cases = [
        (honest, (0.5, []), "nothing was altered"),
        (raised, (0.5, ["m2"]), "the score of m2 was altered"),
        (lowered, (1.0, ["m1"]), "a score that is too low shows as well"),
        (unknown, (0.5, ["x9"]), "x9 is no message of the data: wrong"),
        (unknown_at_0, (0.5, ["x9"]), "an unknown message is told at any score"),
        (unclear, (0.0, []), "an answer counts as it stands"),
    ]
    check_cases(function, cases, tuple, "two things: the score, and the list of ids")
