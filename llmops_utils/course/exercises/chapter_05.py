"""Exercises of `05_prompt_basics`."""

from __future__ import annotations

import math

from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz

FEELINGS = ("negative", "positive")
NUM_HELD_BACK = 24
NUM_NEEDED = 17


def _list_held_back() -> list:
    """Return 12 negative and 12 positive messages of the dev split, in turn; the notebook shows none of them."""
    from ...datasets import load_messages

    messages = load_messages("dev")[80:]
    lists = [[one for one in messages if one.sentiment == feeling][: NUM_HELD_BACK // 2] for feeling in FEELINGS]
    return [message for pair in zip(*lists, strict=True) for message in pair]


def _grade_feeling(prompt) -> str:
    from IPython import get_ipython

    from ...core import PromptError, RecordingMissing
    from ...prompts import Prompt

    shell = get_ipython()
    model = shell.user_ns.get("model") if shell is not None else None
    if not hasattr(model, "chat_each"):
        raise Wrong("Run the cells of Set-up first, so that there is a `model`.")
    if not isinstance(prompt, Prompt):
        raise Wrong(f"This is a {type(prompt).__name__}; build a Prompt, which is tried on messages of its own.")
    if prompt.variables != {"message"}:
        names = ", ".join(sorted(prompt.variables)) or "none"
        raise Wrong(f"Its variables are: {names}. It is called with the variable message alone.")
    held_back = _list_held_back()
    try:
        prompts = [prompt.render(message=message.text) for message in held_back]
    except PromptError as error:
        raise Wrong(f"It cannot be rendered. {error.problem}") from None
    shown = "".join(message["content"] for message in prompts[1])
    if held_back[0].text in shown:
        raise Wrong("A held-back message stands among the examples. Show messages of the shots split only.")
    try:
        replies = model.chat_each(prompts, choices=list(FEELINGS), max_tokens=6)
    except RecordingMissing:
        raise Wrong(
            "In replay mode nobody answers a prompt of your own. Run the course with a model (LLMOPS_MODE=live)."
        ) from None
    found = [reply.text for reply in replies]
    num_right = sum(text == message.sentiment for text, message in zip(found, held_back, strict=True))
    told = f"{num_right} of {len(held_back)} held-back messages are right"
    if num_right < NUM_NEEDED:
        same = " All replies are the same." if len(set(found)) == 1 else ""
        raise Wrong(f"{told}; {NUM_NEEDED} are needed.{same}")
    return f"{told}, and {NUM_NEEDED} are needed. Always the same answer would get half of them."


def _grade_missing(function) -> str:
    from ...prompts import ELEMENTS, Prompt

    full = Prompt("p", instruction="Do it.", context="Facts.", input="{{ message }}", output="Answer:")
    cases = [
        (full, []),
        (full.without("context"), ["context"]),
        (full.without("instruction", "output"), ["instruction", "output"]),
        (full.replace(output=" \n"), ["output"]),
        (Prompt("p", input="{{ message }}"), ["instruction", "context", "output"]),
        (full.without("input"), ["input"]),
    ]
    for prompt, expected in cases:
        found = call_learner(function, prompt)
        if not isinstance(found, list | tuple):
            raise Wrong(f"It returned a {type(found).__name__}; return a list of names.")
        unknown = [name for name in found if name not in ELEMENTS]
        if unknown:
            raise Wrong(f"It named {unknown[0]!r}, which is none of the elements {', '.join(ELEMENTS)}.")
        if list(found) != expected:
            has = {name: getattr(prompt, name) for name in ELEMENTS}
            told = ", ".join(map(str, found)) or "nothing"
            if sorted(found) == sorted(expected):
                raise Wrong(f"The right names in another order ({told}); keep the order of ELEMENTS.")
            raise Wrong(f"For a prompt with {has} it returned {told}.")
    return "Such a check is cheap, and it finds the prompt that somebody emptied by mistake."


def _grade_points(function) -> str:
    cases = [((0.5, 0.75, 100, 200), 25.0), ((0.5, 0.6, 40, 60), 50.0), ((0.6, 0.5, 100, 300), -5.0)]
    for arguments, expected in cases:
        found = call_learner(function, *arguments)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned a {type(found).__name__}; return a number of points.")
        if math.isclose(found, expected / 100, rel_tol=1e-9) and not math.isclose(expected, 0):
            raise Wrong(f"For {arguments} it returned {found}: a share. A point is a hundredth of the score.")
        if math.isclose(found, -expected, rel_tol=1e-9):
            raise Wrong(f"For {arguments} the sign is the wrong way round: more score is a gain.")
        if not math.isclose(found, expected, rel_tol=1e-9):
            raise Wrong(f"For {arguments} it returned {found:.4g}, and {expected:g} is right.")
    for arguments in [(0.5, 0.6, 100, 100), (0.5, 0.6, 100, 90)]:
        found = call_learner(function, *arguments)
        if found is not None:
            raise Wrong(f"For {arguments} it returned {found}: where no token was added there is no such rate.")
    return "Divide by the tokens that were added, and return nothing where none were."


EXERCISES = (
    Exercise(
        "05.1",
        "A prompt for the feeling",
        "Build a `Prompt` named `feeling_prompt` with the variable `message`, which asks whether the customer's feeling is "
        "negative or positive. It is tried on 24 messages that you have not seen, half of them negative; the reply is "
        'held to the two words. At least 17 must be right. `load_messages("shots")` has messages with their `sentiment`, '
        "some of them neutral. To check a prompt of your own you need a model (LLMOPS_MODE=live).",
        "feeling_prompt",
        _grade_feeling,
        (
            "An instruction alone leaves a small model guessing. Which element helped most in this chapter?",
            "Examples can be part of the context: the text of a message, and on the next line its feeling.",
            "Take three positive and three negative messages of the shots split, in turn, and end with the beginning "
            "of the answer.",
        ),
        """
        pool = load_messages("shots")
        positive = [message for message in pool if message.sentiment == "positive"][:3]
        negative = [message for message in pool if message.sentiment == "negative"][:3]
        chosen = [message for pair in zip(positive, negative) for message in pair]
        feeling_prompt = Prompt(
            "feeling",
            instruction="How does the customer feel? Answer with negative or positive.",
            context="Examples:\\n" + "\\n".join(f"Message: {one.text}\\nFeeling: {one.sentiment}" for one in chosen),
            input="Message: {{ message }}",
            output="Feeling:")
        """,
    ),
    Exercise(
        "05.2",
        "A missing element",
        "Write `find_missing(prompt)`, which returns a list with the names of the elements that are empty in a `Prompt`, "
        "in the order of `ELEMENTS`. An element with nothing but white space counts as empty.",
        "find_missing",
        _grade_missing,
        (
            "ELEMENTS holds the four names, and the prompt has an attribute of each name.",
            "getattr(prompt, name) gives the text of an element, and strip() takes the white space away.",
        ),
        """
        def find_missing(prompt):
            return [name for name in ELEMENTS if not getattr(prompt, name).strip()]
        """,
    ),
    Exercise(
        "05.3",
        "Points per 100 tokens",
        "Write `compute_points(score_without, score_with, tokens_without, tokens_with)`: the percentage points that an "
        "element gains per 100 tokens that it adds. The scores are shares between 0 and 1. Where the element adds no "
        "token, or even saves some, return None.",
        "compute_points",
        _grade_points,
        (
            "The gain is a difference of scores, the price a difference of tokens.",
            "A share becomes points times 100, and per 100 tokens is times 100 again.",
        ),
        """
        def compute_points(score_without, score_with, tokens_without, tokens_with):
            added = tokens_with - tokens_without
            if added <= 0:
                return None
            return 100 * 100 * (score_with - score_without) / added
        """,
    ),
)

QUIZ = Quiz(
    "05.quiz",
    (
        Question(
            "Which element of a prompt is “Product:” at its very end?",
            ("the instruction", "the context", "the input data", "the output indicator"),
            3,
            "It shows where the answer begins and what kind of thing it is.",
        ),
        Question(
            "A prompt was edited and its revision number kept. What tells you so?",
            (
                "the name",
                "the version, because it is computed from the content",
                "the length of the reply",
                "the number of elements",
            ),
            1,
            "One changed character gives another hash; a number is only what somebody wrote.",
        ),
        Question(
            "render() is called without a value for a variable of the template. What should happen?",
            (
                "an error that names the variable",
                "the variable becomes an empty text",
                "the model fills it in",
                "the braces are sent as they are",
            ),
            0,
            "A prompt with a hole still gets a fluent reply, so the hole has to be found before the call.",
        ),
        Question(
            "You want to know what the context does for your score. Which two runs do you compare?",
            (
                "the context alone with nothing at all",
                "the full prompt on two different sets of messages",
                "the full prompt with the same prompt without its context, on the same messages",
                "two models with the full prompt",
            ),
            2,
            "An ablation changes one thing and keeps everything else, also the examples that it is tried on.",
        ),
        Question(
            "The server enforces a JSON schema, and the reply is not cut off. What can you still not rely on?",
            (
                "that the reply can be parsed",
                "that the values are true",
                "that the required keys are there",
                "that a value with an enum is one of its words",
            ),
            1,
            "Form and content are two things: a reply can have the asked form and still name the wrong product.",
        ),
        Question(
            "An instruction says what the reply must not contain. What is the safer way to write it?",
            (
                "say what it shall contain",
                "write NOT in capitals",
                "say it three times",
                "raise the temperature",
            ),
            0,
            "Naming the unwanted thing puts it into the text that the model continues.",
        ),
    ),
)
