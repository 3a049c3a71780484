"""Graders of chapter 05: a prompt for the feeling, missing elements, what an element gains."""

from numbers import Real

from ...core import PromptError
from ...datasets import Message, load_messages
from ...prompts import ELEMENTS, Prompt
from .checks import Wrong, check_cases, find_model, is_right

FEELINGS = ("negative", "positive")
NUM_HELD_BACK = 24
NUM_NEEDED = 17


def list_held_back() -> list[Message]:
    """Return 12 negative and 12 positive messages of the dev split, in turn; the notebook shows none of them."""
    messages = load_messages("dev")[80:]
    lists = [[one for one in messages if one.sentiment == feeling][: NUM_HELD_BACK // 2] for feeling in FEELINGS]
    return [message for pair in zip(*lists, strict=True) for message in pair]


def _grade_feeling(prompt) -> str:
    if not isinstance(prompt, Prompt):
        raise Wrong(f"This is a {type(prompt).__name__}; build a Prompt, which is tried on messages of its own.")
    if prompt.variables != {"message"}:
        names = ", ".join(sorted(prompt.variables)) or "none"
        raise Wrong(f"Its variables are: {names}. It is called with the variable message alone.")
    model, held_back = find_model("05_prompt_basics"), list_held_back()
    try:
        prompts = [prompt.render(message=message.text) for message in held_back]
    except PromptError as error:
        raise Wrong(f"It cannot be rendered. {error.problem}") from None
    shown = "".join(message["content"] for message in prompts[1])
    if held_back[0].text in shown:
        raise Wrong("A held-back message stands among the examples. Show messages of the shots split only.")
    found = [reply.text for reply in model.chat_each(prompts, choices=list(FEELINGS), max_tokens=6)]
    num_right = sum(text == message.sentiment for text, message in zip(found, held_back, strict=True))
    told = f"{num_right} of {len(held_back)} held-back messages are right"
    if num_right < NUM_NEEDED:
        same = " All replies are the same." if len(set(found)) == 1 else ""
        raise Wrong(f"{told}; {NUM_NEEDED} are needed.{same}")
    return f"{told}, and {NUM_NEEDED} are needed. Always the same answer would get half of them."


def _grade_missing(function) -> None:
    def tell(prompt) -> str:
        return f"a prompt with { ({name: getattr(prompt, name) for name in ELEMENTS}) }"

    def explain(found, expected, prompt) -> str:
        unknown = [name for name in found if name not in ELEMENTS]
        if unknown:
            return f"{unknown[0]!r} is none of the elements {', '.join(ELEMENTS)}."
        if sorted(found) == sorted(expected):
            return "These are the right names in another order; keep the order of ELEMENTS."
        return ""

    full = Prompt("p", instruction="Do it.", context="Facts.", input="{{ message }}", output="Answer:")
    cases = [
        (full, []),
        (full.without("context"), ["context"]),
        (full.without("instruction", "output"), ["instruction", "output"]),
        (full.replace(output=" \n"), ["output"]),
        (Prompt("p", input="{{ message }}"), ["instruction", "context", "output"]),
        (full.without("input"), ["input"]),
    ]
    check_cases(function, cases, list | tuple, "a list of names", given=tell, read=list, explain=explain)


def _grade_points(function) -> None:
    def explain(found, expected, *arguments) -> str:
        if expected is None:
            return "Where no token was added there is no such rate."
        if is_right(found, expected / 100):
            return "This is a share. A point is a hundredth of the score."
        if is_right(found, -expected):
            return "The sign is the wrong way round: more score is a gain."
        return f"Asked for was {expected:g}."

    cases = [
        ((0.5, 0.75, 100, 200), 25.0),
        ((0.5, 0.6, 40, 60), 50.0),
        ((0.6, 0.5, 100, 300), -5.0),
        ((0.5, 0.6, 100, 100), None),
        ((0.5, 0.6, 100, 90), None),
    ]
    check_cases(function, cases, Real | None, "a number of points, or None", explain=explain)


GRADERS = {"05.1": _grade_feeling, "05.2": _grade_missing, "05.3": _grade_points}
