"""Graders of chapter 05: prompts, shares of labels, a context, mixed examples, faults, a version, techniques."""

import re

from ...core import PromptError
from ...datasets import Message, load_messages
from ...prompts import Prompt
from .checks import Wrong, call_learner, check_cases, check_version, find_model, grades, is_right, show

FEELINGS = ("negative", "positive")
NUM_HELD_BACK = 24
NUM_NEEDED = 18  # by guessing 1.1 %; always the same answer gets 12


def _render(prompt, variables: set[str], **values: object) -> list[dict]:
    """Return the messages of a learner's prompt that has these variables; raise `Wrong` where it is not such a one."""
    if not isinstance(prompt, Prompt):
        raise Wrong(f"This is a {type(prompt).__name__}; build a Prompt, which is tried on values of its own.")
    if prompt.variables != variables:
        names = ", ".join(sorted(prompt.variables)) or "none"
        raise Wrong(f"Its variables are: {names}. It is called with: {', '.join(sorted(variables))}.")
    try:
        return prompt.render(**values)
    except PromptError as error:
        raise Wrong(f"It cannot be rendered. {error.problem}") from None


@grades("05_1.1")
def _grade_template(prompt) -> None:
    cases = [
        {"name": "Ada Novak", "order_id": "PW-10001", "days": 2},
        {"name": "Bo Lindt", "order_id": "PW-20002", "days": 9},
        {"name": "Cy Moreau", "order_id": "PW-30003", "days": 5},
        {"name": "Di Rossi", "order_id": "PW-40004", "days": 6},
    ]
    firsts = set()
    for case in cases:
        messages = _render(prompt, {"name", "order_id", "days"}, **case)
        told = f"For {case} "
        if [message["role"] for message in messages] != ["system", "user"]:
            raise Wrong(f"{told}it has no system message: what all customers share goes there.")
        system, text = (message["content"] for message in messages)
        firsts.add(system)
        missing = [value for value in case.values() if not re.search(rf"(?<!\w){value}(?!\w)", text)]
        if missing:
            raise Wrong(f"{told}the user message lacks {missing[0]}.")
        if not text.rstrip().endswith("Reply:"):
            raise Wrong(f"{told}the user message does not end with the output indicator.")
        if ("postage" in text.lower()) != (case["days"] > 5):
            raise Wrong(f"{told}the offer of the postage is {'missing' if case['days'] > 5 else 'there'}.")
    if len(firsts) > 1 or "postage" in firsts.pop().lower():
        raise Wrong("The system message holds what is not the same for all customers.")


def list_held_back() -> list[Message]:
    """Return 12 negative and 12 positive messages of the dev split, in turn; the notebook shows none of them."""
    messages = load_messages("dev")[80:]
    lists = [[one for one in messages if one.sentiment == feeling][: NUM_HELD_BACK // 2] for feeling in FEELINGS]
    return [message for pair in zip(*lists, strict=True) for message in pair]


@grades("05_1.2")
def _grade_feeling(prompt) -> str:
    held_back = list_held_back()
    prompts = [_render(prompt, {"message"}, message=message.text) for message in held_back]
    shown = "".join(message["content"] for message in prompts[1])
    if held_back[0].text in shown:
        raise Wrong("A held-back message stands among the examples. Show messages of the shots split only.")
    model = find_model("05_1_elements_of_a_prompt")
    found = [model.chat(messages, choices=FEELINGS, max_tokens=6).text for messages in prompts]
    num_right = sum(text == message.sentiment for text, message in zip(found, held_back, strict=True))
    told = f"{num_right} of {len(held_back)} held-back messages are right"
    if num_right < NUM_NEEDED:
        same = " All replies are the same." if len(set(found)) == 1 else ""
        raise Wrong(f"{told}; {NUM_NEEDED} are needed.{same}")
    return f"{told}, and {NUM_NEEDED} are needed. Always the same answer would get half of them."


@grades("05_2.1")
def _grade_change(function) -> None:
    def explain(found, expected, before, after, right) -> str:
        rises = [max(new.values()) - max(old.values()) for old, new in zip(before, after, strict=True)]
        if set(found) != set(expected):
            return "Return a dict with flips and points."
        if is_right(found["points"], expected["points"] / 100):
            return "A point is a hundredth of a share."
        if is_right(found["points"], 100 * sum(rises) / len(rises)):
            return "Points are those of the share of the right label, whether that is the largest or not."
        return "Compare the two answers to each message, be they right or wrong."

    even = {"kettle": 0.4, "grinder": 0.35, "scale": 0.25}
    later = {"kettle": 0.3, "grinder": 0.45, "scale": 0.25}
    sure = {"kettle": 0.8, "grinder": 0.15, "scale": 0.05}
    cases = [
        (([even], [later], ["scale"]), {"flips": 1, "points": 0.0}),
        (([even], [sure], ["kettle"]), {"flips": 0, "points": 40.0}),
        (([even, even], [sure, later], ["grinder", "grinder"]), {"flips": 1, "points": -5.0}),
        (([sure, later, even], [even, later, sure], ["kettle", "kettle", "scale"]), {"flips": 0, "points": -20.0}),
    ]
    check_cases(function, cases, dict, "a dict with flips and points", explain=explain)


# What customers ask at the repair counter: words that stand in one sentence with the number that answers it.
COUNTER = {
    "how long the warranty on a grinder lasts": ("warranty", "grinder", "36"),
    "how long the warranty on a kettle lasts": ("warranty", "kettle", "24"),
    "what the repair of a kettle costs": ("repair", "kettle", "18"),
    "what the repair of a grinder costs": ("repair", "grinder", "29"),
    "what the repair of a scale costs": ("repair", "scale", "15"),
    "how long a repair takes": ("repair", "days", "10"),
    "how long the express service takes": ("express", "days", "3"),
    "what the express service costs": ("express", "EUR", "12"),
}
MOST_WORDS = 90


@grades("05_2.2")
def _grade_context(text) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Wrong(f"This is {show(text)}; write the facts as a text.")
    if len(text.split()) > MOST_WORDS:
        raise Wrong(f"It has {len(text.split())} words; {MOST_WORDS} are allowed. Which notes does the counter need?")
    sentences = re.split(r"[.;!?](?:\s|$)|\n", text)
    missing = []
    for question, (*words, number) in COUNTER.items():
        patterns = [*map(re.escape, words), rf"(?<![\d.]){number}(?![\d])"]
        if not any(all(re.search(one, sentence, re.IGNORECASE) for one in patterns) for sentence in sentences):
            missing.append(question)
    if missing:
        num_right = len(COUNTER) - len(missing)
        raise Wrong(f"It answers {num_right} of {len(COUNTER)} held-back questions and not, say, {missing[0]}.")
    return f"It answers all {len(COUNTER)} held-back questions in {len(text.split())} words. Shorter is easier to read."


@grades("05_3.1")
def _grade_mix(function) -> None:
    def explain(found, expected, examples, counters) -> str:
        if len(found) < len(expected):
            return "Something is missing: what has no partner stands first."
        return "It ends with an example, and the two take turns." if examples else ""

    cases = [
        ((["a", "b"], ["x", "y"]), ["x", "a", "y", "b"]),
        ((["a", "b", "c"], ["x"]), ["a", "b", "x", "c"]),
        ((["a"], ["x", "y", "z"]), ["x", "y", "z", "a"]),
        (([], ["x", "y"]), ["x", "y"]),
        ((["a"], []), ["a"]),
    ]
    check_cases(function, cases, list, "a list", explain=explain, keeps=True)


@grades("05_4.1")
def _grade_version(function) -> None:
    shots = [("Where is my parcel?", "delivery"), ("It leaks.", "repair")]
    options = {"temperature": 0.0, "max_tokens": 6, "choices": ["delivery", "repair"]}
    base = ("3849f37a", shots, "weights sha256:01", options)

    def call(*arguments) -> str:
        found = call_learner(function, *arguments)
        if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{8}", found):
            raise Wrong(f"For {show(arguments)} it returned {show(found)}; return 8 hexadecimal digits as a text.")
        return found

    changes = {
        "another prompt": ("414b71ae", *base[1:]),
        "another label of a shot": (base[0], [(shots[0][0], "return"), shots[1]], *base[2:]),
        "one shot fewer": (base[0], shots[:1], *base[2:]),
        "the shots in another order": (base[0], shots[::-1], *base[2:]),
        "other weights": (*base[:2], "weights sha256:02", base[3]),
        "another temperature": (*base[:3], options | {"temperature": 0.7}),
        "another list of choices": (*base[:3], options | {"choices": ["delivery"]}),
    }
    check_version(call, base, (*base[:3], dict(reversed(options.items()))), changes)
