"""Evidence for tests of the capstone: runs on the course's own messages, with as many right answers as asked for."""

from dataclasses import replace
from types import SimpleNamespace

from llmops_utils.course import BRIEF, Watch, load_part, load_plain, make_submission
from llmops_utils.evaluation import Report, Row
from llmops_utils.operations import TASKS, load_release, open_release, promote, roll_back
from llmops_utils.prompts import save_prompt
from llmops_utils.tracking import Runs

LABELS = TASKS[BRIEF.task].labels
CANDIDATE = load_plain().replace(instruction="Name the desk.", system=("instruction",))
WORSE = CANDIDATE.replace(instruction="Always say delivery.")
SHOTS = 8


def make_report(name, part, num_right, tokens=300, always=None):
    """Return a report on a part of which the first `num_right` answers are right, or all say the same."""
    rows = []
    for place, example in enumerate(load_part(part)):
        wrong = LABELS[(LABELS.index(example.expected) + 1) % len(LABELS)]
        said = always or (example.expected if place < num_right else wrong)
        score = float(said == example.expected)
        rows.append(
            Row(example.id, example.input, example.expected, said, score, "", tokens, 2, 1, 0.1 + 0.01 * (place % 5))
        )
    return Report(name, tuple(rows), "tiny (weights a), replay of 2026-11-25", 1.0)


def make_run(name, part, report, prompt, shots, started):
    """Return what a grade reads of a run."""
    about = {"part": part, "shots": shots}
    return SimpleNamespace(name=name, parameters=about, started_ms=started, report=report, prompt=prompt)


def make_runs():
    """Return the runs of a release that meets every criterion."""
    plain = load_plain()
    return [
        make_run("plain", "dev", make_report("plain", "dev", 8, 70), plain, 0, 1),
        make_run("mine", "dev", make_report("mine", "dev", 34), CANDIDATE, SHOTS, 2),
        make_run("plain, gate", "gate", make_report("plain", "gate", 8, 70), plain, 0, 3),
        make_run("mine, gate", "gate", make_report("mine", "gate", 36), CANDIDATE, SHOTS, 4),
        make_run("mine, held", "held", make_report("mine", "held", 42), CANDIDATE, SHOTS, 5),
        make_run("worse", "incident", make_report("worse", "gate", 0, always="delivery"), WORSE, SHOTS, 6),
    ]


def make_release(folder, steps=("plain", "candidate", "worse", "back")):
    """Return the state of a registry in which these steps were taken."""
    name = BRIEF.prompt
    for prompt in (load_plain(), CANDIDATE, WORSE):
        save_prompt(replace(prompt, revision=None), folder)
    open_release(name, BRIEF.task, folder, num_shots=SHOTS)
    for step in steps:
        if step == "back":
            roll_back(name, folder)
        else:
            promote(name, ("plain", "candidate", "worse").index(step) + 1, folder)
    return load_release(name, folder)


def make_evidence(folder, runs=None, release=..., watch=..., **changes):
    """Return a submission: complete, but for what is given here."""
    return make_submission(
        changes.get("learner", "ada"),
        changes.get("prompt", CANDIDATE),
        changes.get("num_shots", SHOTS),
        Runs(tuple(make_runs() if runs is None else runs), changes.get("problems", ())),
        make_release(folder) if release is ... else release,
        Watch() if watch is ... else watch,
    )
