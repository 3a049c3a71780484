"""Exercises of `13_capstone`."""

from __future__ import annotations

from types import SimpleNamespace

from ...core import PromptError, RecordingMissing
from ...operations import TASKS, make_system
from ...prompts import Prompt
from ..capstone import BRIEF, load_plain
from .exercise import Exercise, Wrong, call_learner, find_model
from .quiz import Question, Quiz

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
    if isinstance(num_shots, bool) or not isinstance(num_shots, int) or not 0 <= num_shots <= MOST_SHOTS:
        raise Wrong(f"The number of examples is {num_shots!r}; give a whole number from 0 to {MOST_SHOTS}.")
    task, model = TASKS[BRIEF.task], find_model("13_capstone")
    try:
        system = make_system(model, prompt, task, num_shots)
    except PromptError as error:
        raise Wrong(f"{error.problem} {error.next_step}") from error
    examples = task.load_examples("dev")[HELD_BACK]
    try:
        num_right = sum(system(example.input).text == example.expected for example in examples)
    except RecordingMissing as error:
        raise Wrong(
            "With recordings only, just the solution's own prompt can be checked. With a model any prompt can: set "
            "LLMOPS_MODE=auto."
        ) from error
    if num_right < THRESHOLD:
        raise Wrong(
            f"With your prompt {num_right} of {len(examples)} held-back messages were right; {THRESHOLD} are asked for. "
            "Which desk is named too often?"
        )
    return f"{num_right} of {len(examples)} held-back messages were right; {THRESHOLD} were asked for."


def _grade_hasty(function) -> str:
    def make_runs(*told: tuple[str, str, int]) -> list:
        return [SimpleNamespace(prompt=prompt, part=part, started=started) for prompt, part, started in told]

    cases = [
        (make_runs(("a", "dev", 1), ("a", "gate", 2)), [], "dev came first"),
        (make_runs(("a", "gate", 1), ("a", "dev", 2)), ["a"], "dev came after"),
        (make_runs(("a", "gate", 5), ("a", "dev", 3)), [], "the list is not in the order of time"),
        (make_runs(("b", "held", 1)), ["b"], "b was never on dev"),
        (make_runs(("a", "dev", 1), ("b", "gate", 2), ("b", "dev", 3)), ["b"], "only its own run on dev counts"),
        (make_runs(("a", "dev", 1), ("a", "dev", 9), ("a", "gate", 4)), [], "the first run on dev counts"),
        (
            make_runs(("c", "held", 2), ("a", "gate", 1), ("c", "gate", 3)),
            ["a", "c"],
            "each once, in alphabetical order",
        ),
        (make_runs(("a", "dev", 1)), [], "a was not on test"),
        ([], [], "there are no runs"),
    ]
    for runs, expected, why in cases:
        found = call_learner(function, list(runs))
        if not isinstance(found, list):
            raise Wrong(f"It returned a {type(found).__name__}; return a list of names.")
        if found != expected:
            told = [(run.prompt, run.part, run.started) for run in runs]
            raise Wrong(f"For the runs (prompt, part, started) {told} it returned {found}: {why}.")
    return "The order is in the archives, whatever is said about it afterwards."


def _grade_rescore(function) -> str:
    def make_rows(*told: tuple[str, str, float]) -> list:
        return [SimpleNamespace(id=name, prediction=found, score=score) for name, found, score in told]

    labels = {"m1": "repair", "m2": "payment", "m3": "account", "m4": "repair"}
    honest = make_rows(("m1", "repair", 1.0), ("m2", "repair", 0.0))
    cases = [
        (honest, (0.5, []), "nothing was altered"),
        (make_rows(("m1", "repair", 1.0), ("m2", "repair", 1.0)), (0.5, ["m2"]), "the score of m2 was altered"),
        (
            make_rows(("m1", "repair", 0.0), ("m3", "account", 1.0)),
            (1.0, ["m1"]),
            "a score that is too low shows as well",
        ),
        (make_rows(("m1", "repair", 1.0), ("x9", "repair", 1.0)), (0.5, ["x9"]), "x9 is no message of the data: wrong"),
        (
            make_rows(("x9", "repair", 0.0), ("m4", "repair", 1.0)),
            (0.5, ["x9"]),
            "an unknown message is told at any score",
        ),
        (make_rows(("m1", None, 0.0), ("m2", "Payment ", 0.0)), (0.0, []), "an answer counts as it stands"),
    ]
    for rows, expected, why in cases:
        found = call_learner(function, list(rows), dict(labels))
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[1], list):
            raise Wrong("Return two things: the score, and the list of ids.")
        if isinstance(found[0], bool) or abs(found[0] - expected[0]) > 1e-9 or found[1] != expected[1]:
            told = [(row.id, row.prediction, row.score) for row in rows]
            raise Wrong(f"For the rows (id, prediction, score) {told} it returned {found}: {why}.")
    return "An auditor reads rows, not totals."


EXERCISES = (
    Exercise(
        "13.1",
        "A better attempt",
        "Write `choose_candidate(plain)`: take the plain prompt and return two things, your prompt and the number of "
        f"examples (0 to {MOST_SHOTS}) that stand before each message. With them the model has to name at least {THRESHOLD} "
        "of 24 desks right, on messages of `dev` that the chapter does not use.",
        "choose_candidate",
        _grade_candidate,
        (
            'plain.replace(system=("instruction", "context")) says the instruction once, and not with each example.',
            "The examples go round the labels. How many does it take until each label was shown once?",
            "More is not better here: look at what 16 examples did.",
        ),
        """
        def choose_candidate(plain):
            return plain.replace(system=("instruction", "context")), 4
        """,
    ),
    Exercise(
        "13.2",
        "Find who looked first",
        "Write `find_hasty(runs)`. Each run has `prompt` (a name), `part` (`dev`, `gate` or `held`) and `started` (a number; "
        "larger is later). A prompt is hasty if its first run on `gate` or `held` is earlier than its first run on `dev`, or "
        "if it never ran on `dev`. Return the names of the hasty prompts as a sorted list. The runs come in any order.",
        "find_hasty",
        _grade_hasty,
        (
            "For each prompt you need two numbers: its first start on dev, and its first start on one of the other two.",
            'min(…, default=float("inf")) makes “never on dev” later than everything.',
        ),
        """
        def find_hasty(runs):
            def find_first(prompt, parts):
                starts = [run.started for run in runs if run.prompt == prompt and run.part in parts]
                return min(starts, default=float("inf"))
            prompts = sorted({run.prompt for run in runs})
            return [one for one in prompts if find_first(one, ("gate", "held")) < find_first(one, ("dev",))]
        """,
    ),
    Exercise(
        "13.3",
        "Be the auditor",
        "Write `rescore_rows(rows, labels)`. Each row has `id`, `prediction` and a stored `score`; `labels` is a dict from id "
        "to the right label. A row is right if its prediction equals its label; an id that is not in `labels` counts as wrong. "
        "Return two things: the share of rows that are right, and the list of suspicious ids, in the order of the rows: those "
        "whose stored score is not 1 for a right and 0 for a wrong row, and those that are not in `labels`.",
        "rescore_rows",
        _grade_rescore,
        (
            "A row is right where its id is in labels and its prediction equals the label.",
            "Compare float(is_right) with the stored score; an unknown id is listed in any case.",
        ),
        """
        def rescore_rows(rows, labels):
            real = [float(row.id in labels and row.prediction == labels[row.id]) for row in rows]
            altered = [row.id for row, score in zip(rows, real) if row.id not in labels or row.score != score]
            return sum(real) / len(real), altered
        """,
    ),
)

QUIZ = Quiz(
    "13.quiz",
    (
        Question(
            "You tried five prompts on the held-back messages and hand in the best one. What is its score worth?",
            (
                "as much as any other score",
                "more, since it is the best of five",
                "less: the best of several is partly luck, and the messages are held back no longer",
                "nothing at all",
            ),
            2,
            "The winner's curse of chapter 10. The history of the runs shows the five, so a reader can discount it.",
        ),
        Question(
            "The gate says “pass” with a margin of 10 points. What has been shown?",
            (
                "that the candidate is better",
                "that it loses less than 10 points, with an error of about 5 %",
                "that it will not fail in production",
                "that both are equal",
            ),
            1,
            "A pass says “not much worse”. That it is better is another claim; the paired comparison makes it.",
        ),
        Question(
            "Why does the report store each answer and not only the score?",
            (
                "to make the file larger",
                "because a score cannot be stored",
                "because the gate needs texts",
                "so that whoever reads it can compute the score, and see on what it failed",
            ),
            3,
            "A total must be believed; rows can be checked.",
        ),
        Question(
            "With 8 examples the model is right far more often than with 16. What do you conclude?",
            (
                "for this model and this prompt the number of examples has to be measured; more is no rule",
                "examples do harm",
                "the 16 examples hold errors",
                "the model should be larger",
            ),
            0,
            "A small model can be led by what stands nearest. Measure each number on dev, and look at the answers.",
        ),
        Question(
            "An alarm comes. What is the first thing to do?",
            (
                "measure the new prompt on test",
                "write a better prompt",
                "roll back to what worked, then look for the cause",
                "raise the limit of the alarm",
            ),
            2,
            "Each further request is a customer at the wrong desk. The cause runs nowhere: the history keeps it.",
        ),
    ),
)
