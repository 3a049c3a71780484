"""Graders of the chapters 00 to 02: first reply, what a model is, what LLMOps is."""

import re
from numbers import Integral, Real

import numpy as np

from ...models import Reply, TokenChance
from .checks import Wrong, check_cases, find_model, find_variable, is_of, is_right, show

SURE, OPEN = 0.9, 0.1  # of 60 beginnings cut out of the course's texts, 1 is so sure and 9 are so open


def _grade_first_reply(answer) -> str:
    if isinstance(answer, str):
        raise Wrong("This is a text. Keep the whole reply that model.chat returns, not only its text.")
    if not isinstance(answer, Reply):
        raise Wrong(f"This is a {type(answer).__name__}; model.chat returns a Reply.")
    if not answer.text.strip():
        raise Wrong("The reply is empty. Ask something.")
    return f"A Reply, {answer.price}."


def _grade_mode(answer) -> None:
    if not isinstance(answer, str):
        raise Wrong("The answer is a text.")
    lines = [re.sub(r"[\s'\"]", "", line) for line in answer.splitlines() if line.strip()]
    if lines == ["LLMOPS_MODE=replay"]:
        return
    if len(lines) == 1 and lines[0].startswith("LLMOPS_MODE"):
        raise Wrong("The right setting, but not the value that works without model and network.")
    if "LLMOPS_MODE=replay" in lines:
        raise Wrong("The line is there, with more than is needed. One line is enough.")
    raise Wrong("It is a line of the form NAME=value; the table of modes in this chapter has the name.")


def _grade_total(answer) -> None:
    if not is_of(answer, Integral):
        raise Wrong("The answer is a whole number of tokens.")
    reply = find_variable("reply")
    if not isinstance(reply, Reply):
        raise Wrong("Run the cells of section 0.2 first, so that there is a `reply`.")
    sides = (reply.prompt_tokens, reply.completion_tokens)
    if answer != sum(sides):
        one_side = "That is one side only. A provider counts what the model reads and what it writes."
        raise Wrong(one_side if answer in sides else "That is not what this reply took.")


def _grade_price(function) -> None:
    def explain(found, expected, *arguments) -> str:
        if is_right(found, expected * 1e6):
            return "The result is a million times too large: prices are per million tokens."
        return f"Asked for was {expected}. Do both sides have their own price?"

    cases = [((1_000_000, 0, 2.0, 8.0), 2.0), ((0, 1_000_000, 2.0, 8.0), 8.0), ((1500, 200, 2.5, 10.0), 0.00575)]
    check_cases(function, cases, Real, "a number of dollars", explain=explain)


def _grade_top_k(function) -> None:
    def read(found) -> list[float]:
        found = np.asarray(found, dtype=float)
        if found.shape != (4,):
            raise Wrong(f"It returned the shape {found.shape}; return one probability per token, 0 for those left out.")
        return found.round(12).tolist()

    def explain(found, expected, probabilities, k) -> str:
        if not np.isfinite(found).all():
            return "Something was divided by zero."
        if np.count_nonzero(found) != k:
            return f"For k = {k} it kept {np.count_nonzero(found)} tokens."
        if not is_right(sum(found), 1):
            return f"This sums to {sum(found):.3f}; probabilities sum to 1."
        return ""

    given = np.array([0.1, 0.4, 0.2, 0.3])
    cases = [
        ((given, 1), [0, 1, 0, 0]),
        ((given, 2), [0, 4 / 7, 0, 3 / 7]),
        ((given, 4), [0.1, 0.4, 0.2, 0.3]),
    ]
    told = "k = {1} and the probabilities {0}"
    check_cases(function, cases, object, "an array", given=told, read=read, explain=explain, tolerance=1e-5, keeps=True)


def _grade_weakest(function) -> None:
    def make_tokens(*probabilities: float) -> tuple[tuple[TokenChance, ...]]:
        return (tuple(TokenChance("x", probability) for probability in probabilities),)

    def tell(tokens) -> str:
        return f"tokens with the probabilities {[token.probability for token in tokens]}"

    cases = [
        (make_tokens(0.9, 0.2, 0.7), 0.2),
        (make_tokens(0.5), 0.5),
        (make_tokens(0.3, 0.31), 0.3),
        (make_tokens(1.0, 1.0), 1.0),
        (make_tokens(), 0, "an empty reply has no token, and so no confidence at all: 0.0"),
    ]
    check_cases(function, cases, Real, "one probability, and 0.0 for an empty reply", given=tell)


def _grade_beginnings(answer) -> str:
    if not isinstance(answer, dict) or set(answer) != {"sure", "open"}:
        raise Wrong("The answer is a dict with “sure” and “open”.")
    model, told = find_model("01_1_what_an_llm_is"), {}
    for name, text in answer.items():
        if not isinstance(text, str) or len(text.split()) < 2:
            raise Wrong(f"“{name}” is no text of at least two words.")
        if text != text.rstrip():
            raise Wrong(f"“{name}” ends in a space, which changes what comes next. Take the space at its end away.")
        likeliest = model.next_tokens(text, 6)[0]
        told[name] = f"“{name}”: the likeliest token has {likeliest.probability:.0%}"
        if name == "sure" and likeliest.probability < SURE:
            raise Wrong(f"{told[name]}; at least {SURE:.0%} are asked for.")
        if name == "open" and likeliest.probability > OPEN:
            raise Wrong(f"{told[name]}; at most {OPEN:.0%} are asked for.")
    return f"{told['sure']}. {told['open']}."


def _grade_newest(function) -> None:
    def make_turns(*tokens: int) -> list[dict]:
        roles = ["system", *["user", "assistant"] * len(tokens)]
        return [{"role": roles[place], "content": f"text {place}", "tokens": num} for place, num in enumerate(tokens)]

    def read(found) -> list[str]:
        return [one["content"] for one in found]

    chat, uneven = make_turns(10, 20, 30, 40), make_turns(10, 5, 50, 20)
    cases = [
        ((chat, 100), ["text 0", "text 1", "text 2", "text 3"], "all of it just fits"),
        (
            (chat, 99),
            ["text 0", "text 2", "text 3"],
            "the newest stay, and the instruction, “text 0”, which has tokens, too",
        ),
        ((chat, 70), ["text 0", "text 3"], "“text 2” no longer fits, and what is older goes with it"),
        ((uneven, 40), ["text 0", "text 3"], "what is sent has no gap between its oldest message and the newest"),
        ((chat, 40), ["text 0"], "not even the newest fits beside the instruction"),
        ((make_turns(10), 5), ["text 0"], "the instruction always goes"),
    ]
    told = "the tokens of {0} and `most` = {1}"
    check_cases(
        function,
        cases,
        list,
        "a list of messages",
        given=lambda messages, most: told.format([one["tokens"] for one in messages], most),
        read=read,
        keeps=True,
    )


def _grade_sendable(function) -> None:
    good = "Dear Ms Novak,\nyour grinder is repaired. You can collect it from Monday.\nKind regards, Pellworth"
    hello = "Hello Ms Novak,\nthe grinder works again, and it is here for you from Monday on. It was a worn cable."
    named, any_greeting = "all four conditions hold", "other greetings are greetings too"
    first, gap = "the name is not in the first line", "it has a gap"
    cases = [
        (good, True, named),
        (hello, True, any_greeting),
        ("Good morning, Ms Novak!\nFrom Monday your grinder is ready.", True, any_greeting),
        ("Ms Novak, it is done: come on Monday, or any day after.", True, any_greeting),
        (f"{good} {'It was a pleasure. ' * 10}", True, "it has less than 60 words"),
        (good.replace("Dear Ms Novak", "Dear customer"), False, "it greets nobody by name"),
        (f"Dear customer,\n{good}", False, first),
        (good.replace("Monday", "next week"), False, "it does not name Monday"),
        (good.replace("Pellworth", "[Your Name]"), False, gap),
        (hello.replace("a worn cable", "[fault]"), False, gap),
        (f"{good} {'It was a pleasure. ' * 15}", False, "it has more than 60 words"),
        (good.replace("Novak", "[Name]"), False, gap),
    ]
    check_cases(function, cases, bool, "True or False", given="the e-mail {!r}")


CHECKS = {"a": "run", "b": "compute", "c": "search", "d": "person", "e": "compute", "f": "person"}


def _grade_checks(checks) -> None:
    if not isinstance(checks, dict) or set(checks) != set(CHECKS):
        raise Wrong("Make a dict with the letters a to f.")
    if odd := [check for check in checks.values() if check not in CHECKS.values()]:
        raise Wrong(f"{show(odd[0])} is none of run, compute, search, person.")
    cheapest = ["search", "compute", "run", "person"]
    for letter, check in CHECKS.items():
        if checks[letter] != check:
            too_dear = cheapest.index(checks[letter]) > cheapest.index(check)
            raise Wrong(
                f"{letter}) {'A cheaper check can answer that.' if too_dear else 'This check cannot see that.'}"
            )


def _grade_month(function) -> None:
    cases = [
        ((1000, 300, 3, 0.10, 0.40), 0.936, "30 days of 1,000 requests read 9 million tokens and write 90,000"),
        ((1000, 300, 300, 0.10, 0.40), 4.5, "what is written has its own price"),
        ((1, 1_000_000, 0, 2.0, 8.0), 60.0, "one request of a million tokens a day"),
        ((500, 0, 200, 0.10, 0.40), 1.2, "nothing is read here"),
        ((0, 300, 3, 0.10, 0.40), 0.0, "no request costs nothing"),
    ]
    check_cases(function, cases, Real, "a number of dollars")


def _grade_production(function) -> None:
    history = [(9, "promote", 1), (14, "promote", 2), (20, "roll back", 1), (31, "promote", 3), (40, "promote", 4)]
    again = [*history, (41, "roll back", 3), (42, "roll back", 1)]
    cases = [
        ((history, 10), 1, "revision 1 was promoted before"),
        ((history, 14), 2, "a change counts from its own moment on"),
        ((history, 25), 1, "after the roll back the earlier revision is in production again"),
        ((history, 100), 4, "the last change stays"),
        ((history, 3), None, "nothing was in production yet"),
        ((again, 45), 1, "two roll backs went back two steps"),
        (([], 5), None, "there is no history"),
    ]
    check_cases(function, cases, Integral | None, "a revision, or None", given="the time {1} of {0}")


def _grade_lazy(function) -> None:
    kettles, scales = ["kettle"], ["scale"]
    cases = [
        ((kettles * 6 + scales * 4, kettles * 3 + scales * 7), 0.3, "the label is chosen where it is learned"),
        ((scales * 9 + kettles, scales * 9 + kettles), 0.9, "nine of ten are scales on both sides"),
        ((kettles + scales * 2, kettles * 5), 0.0, "its only answer never occurs among the others"),
        ((["grinder"], ["grinder", "kettle"]), 0.5),
        ((("kettle", "kettle", "grinder"), ("kettle", "grinder")), 0.5, "tuples are sequences too"),
    ]
    check_cases(function, cases, Real, "a share between 0 and 1", given="{} and {}")


GRADERS = {
    "00.1": _grade_first_reply,
    "00.2": _grade_mode,
    "00.3": _grade_total,
    "01.1": _grade_price,
    "01.2": _grade_top_k,
    "01.3": _grade_weakest,
    "01_1.1": _grade_beginnings,
    "01_1.2": _grade_newest,
    "01_2.1": _grade_sendable,
    "01_2.2": _grade_checks,
    "02.1": _grade_month,
    "02.2": _grade_production,
    "02.3": _grade_lazy,
}
