"""Exercises of `00_start_here`."""

from __future__ import annotations

import re

from .exercise import Exercise, Wrong
from .quiz import Question, Quiz


def _grade_first_reply(answer) -> str:
    from ...models import Reply

    if isinstance(answer, str):
        raise Wrong("This is a text. Keep the whole reply that model.chat returns, not only its text.")
    if not isinstance(answer, Reply):
        raise Wrong(f"This is a {type(answer).__name__}; model.chat returns a Reply.")
    if not answer.text.strip():
        raise Wrong("The reply is empty. Ask something.")
    return f"A Reply, {answer.price}."


def _grade_mode(answer) -> str:
    if not isinstance(answer, str):
        raise Wrong("The answer is a text.")
    lines = [re.sub(r"[\s'\"]", "", line) for line in answer.splitlines() if line.strip()]
    if lines == ["LLMOPS_MODE=replay"]:
        return "With this one line every notebook answers from its recordings: no model, no network, no key."
    if any(line.startswith("LLMOPS_MODE") for line in lines) and len(lines) == 1:
        raise Wrong("The right setting, but not the value that works without model and network.")
    if any(line == "LLMOPS_MODE=replay" for line in lines):
        raise Wrong("The line is there, with more than is needed. One line is enough.")
    raise Wrong("It is a line of the form NAME=value; the table of modes in this chapter has the name.")


def _grade_total(answer) -> str:
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise Wrong("The answer is a whole number of tokens.")
    from IPython import get_ipython

    from ...models import Reply

    shell = get_ipython()
    reply = shell.user_ns.get("reply") if shell is not None else None
    if not isinstance(reply, Reply):
        raise Wrong("Run the cells of section 0.2 first, so that there is a `reply`.")
    if answer == reply.prompt_tokens + reply.completion_tokens:
        return "Prompt and reply are both counted, and with a provider both are paid."
    if answer in (reply.prompt_tokens, reply.completion_tokens):
        raise Wrong("That is one side only. A provider counts what the model reads and what it writes.")
    raise Wrong("That is not what this reply took.")


EXERCISES = (
    Exercise(
        "00.1",
        "Your own question",
        "Ask the model anything and keep the whole reply in `my_reply`.",
        "my_reply",
        _grade_first_reply,
        ("The call in section 0.2 does it, with another text.", "my_reply = model.chat('…')"),
        'my_reply = model.chat("What is the capital of Germany?")',
    ),
    Exercise(
        "00.2",
        "Without a model",
        "Which line in `.env` makes every notebook answer from its recordings? Put it into `my_line`, in quotation marks.",
        "my_line",
        _grade_mode,
        ("Look at the table of modes in section 0.3.", "The name is LLMOPS_MODE, then an equals sign, then the mode."),
        'my_line = "LLMOPS_MODE=replay"',
    ),
    Exercise(
        "00.3",
        "What a call takes",
        "How many tokens did the call behind `reply` take in all, read and written? Compute it into `my_total`.",
        "my_total",
        _grade_total,
        (
            "A Reply has two counts of tokens; display it to see them.",
            "Add reply.prompt_tokens and reply.completion_tokens.",
        ),
        "my_total = reply.prompt_tokens + reply.completion_tokens",
    ),
)

QUIZ = Quiz(
    "00.quiz",
    (
        Question(
            "The course is installed, the model is not fetched yet, and the train has no network. Which mode works?",
            ("live", "record", "replay", "none of them"),
            2,
            "Replay needs neither model nor network: the answers ship with the course.",
        ),
        Question(
            "What tells you which model wrote a reply?",
            ("its tone", "reply.provenance", "the name of the notebook", "nothing does"),
            1,
            "Every reply carries model, checksum of the weights or provider, mode and date.",
        ),
        Question(
            "Where does a key for a provider belong?",
            ("in a cell of the notebook", "in a comment", "in .env, which git ignores", "in the README"),
            2,
            "Notebooks and their outputs get shared; .env does not.",
        ),
        Question(
            "Your reply differs from the one stored in a notebook, with the same model and temperature 0. Most likely:",
            (
                "your processor rounds differently",
                "the model is learning from you",
                "somebody changed the weights",
                "a fault in the course",
            ),
            0,
            "Another processor or library adds numbers in another order, and a close decision can tip. Recordings exist for this.",
        ),
    ),
)
