"""Graders of chapters 00 to 02: first reply, what a model is, the loop of LLMOps."""

import re
from functools import partial
from numbers import Integral, Real

from ...models import Reply, load_catalog
from .checks import Wrong, call_for_text, check_cases, check_names, check_version, find_model, grades, show

SURE, OPEN = 0.9, 0.1  # of 60 beginnings cut out of the course's texts, 1 is so sure and 9 are so open
FREE_LICENCES = ("Apache-2.0", "MIT License")


@grades("00.1")
def _grade_first_reply(answer) -> str:
    if isinstance(answer, str):
        raise Wrong("This is a text. Keep the whole reply that model.chat returns, not only its text.")
    if not isinstance(answer, Reply):
        raise Wrong(f"This is a {type(answer).__name__}; model.chat returns a Reply.")
    if not answer.text.strip():
        raise Wrong("The reply is empty. Ask something.")
    return f"A Reply, {answer.price}."


@grades("00.2")
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


@grades("00.3")
def _grade_worst(function) -> None:
    def explain(found, expected, prompt, max_tokens) -> str:
        if found == expected - 48:
            return "The marks around the message are missing."
        return "A letter such as ü takes more than one byte." if not prompt.isascii() else ""

    cases = [
        (("What is the capital of Germany?", 40), 119),
        (("Hi", 10), 60),
        (("Küche", 0), 54),
        (("Preis in €?", 100), 161),
        (("", 1), 49, "an empty prompt still has marks around it"),
    ]
    check_cases(function, cases, Integral, "a whole number of tokens", explain=explain)


@grades("01_1.1")
def _grade_beginnings(answer) -> str:
    check_names(answer, ("sure", "open"), "The answer is a dict with “sure” and “open”.")
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


@grades("01_1.2")
def _grade_newest(function) -> None:
    def make_turns(*tokens: int) -> list[dict]:
        roles = ["system", *["user", "assistant"] * len(tokens)]
        return [{"role": roles[place], "content": f"text {place}", "tokens": num} for place, num in enumerate(tokens)]

    def read(found) -> list[str]:
        return [one["content"] for one in found]

    chat, uneven = make_turns(10, 20, 30, 40), make_turns(10, 5, 50, 20)
    cases = [
        ((chat, 100), ["text 0", "text 1", "text 2", "text 3"], "all of it just fits"),
        ((chat, 99), ["text 0", "text 2", "text 3"], "the newest stay, and the instruction, which has tokens, too"),
        ((chat, 70), ["text 0", "text 3"], "“text 2” no longer fits, and what is older goes with it"),
        ((uneven, 40), ["text 0", "text 3"], "what is sent has no gap between its oldest message and the newest"),
        ((chat, 40), ["text 0"], "not even the newest fits beside the instruction"),
        ((make_turns(10), 5), ["text 0"], "the instruction always goes"),
    ]
    check_cases(function, cases, list, "a list of messages", read=read, keeps=True)


@grades("01_2.1")
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
    check_cases(function, cases, bool, "True or False")


CHECKS = {"a": "run", "b": "compute", "c": "search", "d": "person", "e": "compute", "f": "person"}


@grades("01_2.2")
def _grade_checks(checks) -> None:
    check_names(checks, CHECKS, "Make a dict with the letters a to f.")
    if odd := [check for check in checks.values() if check not in CHECKS.values()]:
        raise Wrong(f"{show(odd[0])} is none of run, compute, search, person.")
    cheapest = ["search", "compute", "run", "person"]
    for letter, check in CHECKS.items():
        if checks[letter] != check:
            too_dear = cheapest.index(checks[letter]) > cheapest.index(check)
            told = "A cheaper check can answer that." if too_dear else "This check cannot see that."
            raise Wrong(f"{letter}) {told}")


@grades("01_4.2")
def _grade_limit(function) -> None:
    cases = [
        (([0.95, 0.9, 0.7, 0.6], [True, True, False, False], 0.9), 0.9, "of three that go out two are right"),
        (([0.2, 0.4, 0.3], [True, True, True], 0.9), 0.2, "all are right; what the number looks like does not matter"),
        (([0.9, 0.8, 0.7, 0.6], [False, True, True, True], 0.7), 0.6, "the lowest limit lets more answers go out"),
        (([0.5, 0.9, 0.7], [True, False, False], 0.5), None, "no limit is good enough"),
        (([0.6, 0.6, 0.8, 0.3], [True, False, True, False], 0.6), 0.6, "equal numbers go out together"),
        (([0.8, 0.5, 0.5], [True, True, False], 1.0), 0.8, "equal numbers go out together"),
    ]
    check_cases(function, cases, Real | None, "one of the numbers, or None")


def _find_obstacle(letter: str, model) -> str:
    """Return why a model of the catalog does not fit the brief of that letter, empty where it does."""
    gigabytes = (model.parameters or 0) / 2e9
    most, least = {"a": 4, "b": 64}.get(letter, float("inf")), {"b": 200_000, "c": 500_000}.get(letter, 0)
    wanted = "closed" if letter == "c" else "weights"
    obstacles = {
        f"of its openness the catalog says “{model.openness}”": model.openness != wanted,
        f"its weights take {gigabytes:.3g} GB": gigabytes > most,
        f"its licence is “{model.licence}”": letter == "a" and model.licence not in FREE_LICENCES,
        f"it reads {model.context or 0:,} tokens at once": (model.context or 0) < least,
        f"it ends on {model.retires}": letter == "c" and bool(model.retires),
        f"it was released in {model.released[:4] or 'an unknown year'}": letter == "d" and model.released[:4] != "2023",
    }
    return next((told for told, is_met in obstacles.items() if is_met), "")


@grades("01_3.2")
def _grade_briefs(chosen) -> None:
    check_names(chosen, "abcd", "Make a dict of the letters a, b, c, d, each with the name of a model.")
    models = load_catalog().published
    for letter, name in sorted(chosen.items()):
        if name not in models:
            raise Wrong(f"{letter}) {show(name)} is no name in the catalog. Names stand in the index of `published`.")
        if told := _find_obstacle(letter, models[name]):
            raise Wrong(f"{letter}) {models[name].title} does not fit: {told}.")


@grades("02_1.2")
def _grade_tools(function) -> None:
    rows = [
        ("Alder", "data", "MIT", False),
        ("Beech", "serving", "MIT", True),
        ("Cedar", "serving", "proprietary", False),
        ("Dogwood", None, "MIT", False),
        ("Elm", "serving", "Apache-2.0", False),
        ("Fir", "serving", "MIT", False),
    ]
    tools = [dict(zip(("tool", "group", "licence", "needs_account"), row, strict=True)) for row in rows]
    cases = [
        (
            (tools, "serving", ["MIT", "Apache-2.0"]),
            ["Elm", "Fir"],
            "Beech needs an account; Cedar's licence is another",
        ),
        ((tools, "serving", ["Apache-2.0"]), ["Elm"], "of four in the group one has this licence and needs no account"),
        ((tools, "data", ["MIT"]), ["Alder"], "other groups do not count"),
        ((tools, "clouds", ["MIT"]), [], "nobody stands in this group"),
    ]
    check_cases(
        function,
        cases,
        list,
        "a list of names",
        given=lambda tools, group, licences: f"the group {group!r} and the licences {licences}",
    )


@grades("02_2.1")
def _grade_version(function) -> None:
    system = ("Which product?", "small", {"temperature": 0.0, "seed": 1})
    others = {
        "the prompt": ("Which product!", *system[1:]),
        "the name of the model": (system[0], "large", system[2]),
        "the temperature": (*system[:2], {"temperature": 1.0, "seed": 1}),
        "the names of the settings": (*system[:2], {"top_p": 0.0, "seed": 1}),
        "where the prompt ends and the name begins": ("Which product?s", "mall", system[2]),
    }
    same = (*system[:2], {"seed": 1, "temperature": 0.0})
    check_version(partial(call_for_text, function), system, same, others)


@grades("02_2.2")
def _grade_lazy(function) -> None:
    kettles, scales = ["kettle"], ["scale"]
    cases = [
        ((kettles * 6 + scales * 4, kettles * 3 + scales * 7), 0.3, "the label is chosen where it is learned"),
        ((scales * 9 + kettles, scales * 9 + kettles), 0.9, "nine of ten are scales on both sides"),
        ((kettles + scales * 2, kettles * 5), 0.0, "its only answer never occurs among the others"),
        ((["grinder"], ["grinder", "kettle"]), 0.5),
        ((("kettle", "kettle", "grinder"), ("kettle", "grinder")), 0.5, "tuples are sequences too"),
    ]
    check_cases(function, cases, Real, "a share between 0 and 1")


@grades("02_3.1")
def _grade_alarm(function) -> None:
    cases = [
        (([5, 5, 9, 9, 9], 2, 8, 2), 4, "windows 3 and 4 are the first two in a row above 8"),
        (([5, 1, 5, 1, 1, 5], 2, 8, 2), 5, "a window inside begins the count anew"),
        (([5, 1, 1, 1], 2, 8, 3), 4, "what falls is outside as well"),
        (([5, 1, 9, 5], 2, 8, 2), 3, "below and above are both outside"),
        (([2, 8, 8, 2], 2, 8, 1), None, "a value on a limit is inside"),
        (([9], 2, 8, 1), 1, "one window is enough here"),
        (([9, 5, 9], 2, 8, 2), None, "never two in a row"),
        (([], 2, 8, 2), None, "there is no window"),
    ]
    check_cases(function, cases, Integral | None, "the number of a window, or None")
