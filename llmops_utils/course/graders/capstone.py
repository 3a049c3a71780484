"""Graders of the capstone: a better assistant, the stale page, the auditor."""

from types import SimpleNamespace

from ...core import PromptError
from ..capstone import Assistant, Choices, load_part, open_model, score_answer
from .checks import Wrong, check_cases, grades

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
