"""Graders of chapter 13: a candidate, who looked first, the auditor."""

from types import SimpleNamespace

from ...core import PromptError
from ...operations import TASKS, make_system
from ...prompts import Prompt
from ..capstone import BRIEF, load_plain
from .checks import Wrong, call_learner, check_cases, find_model, is_of

HELD_BACK = slice(40, 64)  # of dev: the chapter shows those before
THRESHOLD = 13  # of 24 messages; one example for each label reaches 16 with the default model
MOST_SHOTS = 16


def _grade_candidate(function) -> str:
    made = call_learner(function, load_plain())
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise Wrong("Return two things: the prompt, and the number of examples.")
    prompt, num_shots = made
    if not isinstance(prompt, Prompt):
        raise Wrong(f"The first of the two is a {type(prompt).__name__}; return a prompt, such as plain.replace(…).")
    if not is_of(num_shots, int) or not 0 <= num_shots <= MOST_SHOTS:
        raise Wrong(f"The number of examples is {num_shots!r}; give a whole number from 0 to {MOST_SHOTS}.")
    task, model = TASKS[BRIEF.task], find_model("13_capstone")
    try:
        system = make_system(model, prompt, task, num_shots)
    except PromptError as error:
        raise Wrong(f"{error.problem} {error.next_step}") from error
    examples = task.load_examples("dev")[HELD_BACK]
    num_right = sum(system(example.input).text == example.expected for example in examples)
    if num_right < THRESHOLD:
        raise Wrong(
            f"With your prompt {num_right} of {len(examples)} held-back messages were right; {THRESHOLD} are asked for. "
            "Which desk is named too often?"
        )
    return f"{num_right} of {len(examples)} held-back messages were right; {THRESHOLD} were asked for."


def _grade_hasty(function) -> None:
    def make_runs(*told: tuple[str, str, int]) -> list:
        return [SimpleNamespace(prompt=prompt, part=part, started=started) for prompt, part, started in told]

    def tell(runs) -> str:
        return f"the runs (prompt, part, started) {[(run.prompt, run.part, run.started) for run in runs]}"

    several = make_runs(("c", "held", 2), ("a", "gate", 1), ("c", "gate", 3))
    cases = [
        (make_runs(("a", "dev", 1), ("a", "gate", 2)), [], "dev came first"),
        (make_runs(("a", "gate", 1), ("a", "dev", 2)), ["a"], "dev came after"),
        (make_runs(("a", "gate", 5), ("a", "dev", 3)), [], "the list is not in the order of time"),
        (make_runs(("b", "held", 1)), ["b"], "b was never on dev"),
        (make_runs(("a", "dev", 1), ("b", "gate", 2), ("b", "dev", 3)), ["b"], "only its own run on dev counts"),
        (make_runs(("a", "dev", 1), ("a", "dev", 9), ("a", "gate", 4)), [], "the first run on dev counts"),
        (several, ["a", "c"], "each once, in alphabetical order"),
        (make_runs(("a", "dev", 1)), [], "a was not on test"),
        ([], [], "there are no runs"),
    ]
    check_cases(function, cases, list, "a list of names", given=tell)


def _grade_rescore(function) -> None:
    def make_rows(*told: tuple[str, str | None, float]) -> tuple[list, dict]:
        rows = [SimpleNamespace(id=name, prediction=found, score=score) for name, found, score in told]
        return rows, {"m1": "repair", "m2": "payment", "m3": "account", "m4": "repair"}

    def tell(rows, labels) -> str:
        return f"the rows (id, prediction, score) {[(row.id, row.prediction, row.score) for row in rows]}"

    honest = make_rows(("m1", "repair", 1.0), ("m2", "repair", 0.0))
    raised = make_rows(("m1", "repair", 1.0), ("m2", "repair", 1.0))
    lowered = make_rows(("m1", "repair", 0.0), ("m3", "account", 1.0))
    unknown = make_rows(("m1", "repair", 1.0), ("x9", "repair", 1.0))
    unknown_at_0 = make_rows(("x9", "repair", 0.0), ("m4", "repair", 1.0))
    unclear = make_rows(("m1", None, 0.0), ("m2", "Payment ", 0.0))
    cases = [
        (honest, (0.5, []), "nothing was altered"),
        (raised, (0.5, ["m2"]), "the score of m2 was altered"),
        (lowered, (1.0, ["m1"]), "a score that is too low shows as well"),
        (unknown, (0.5, ["x9"]), "x9 is no message of the data: wrong"),
        (unknown_at_0, (0.5, ["x9"]), "an unknown message is told at any score"),
        (unclear, (0.0, []), "an answer counts as it stands"),
    ]
    check_cases(function, cases, tuple, "two things: the score, and the list of ids", given=tell)


GRADERS = {"13.1": _grade_candidate, "13.2": _grade_hasty, "13.3": _grade_rescore}
