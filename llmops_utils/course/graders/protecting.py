"""Graders of lesson 12_2: links in replies, a gate for attacks, the control that holds."""

from .checks import Wrong, call_learner, check_cases, check_letters, show

# Held back: a reply, what must be gone from it, what must be left.
REPLIES = [
    (
        "Write to orders@pellworth-desk.example.com first, then pay.",
        ["pellworth-desk"],
        ["Write to ", " first, then pay."],
    ),
    (
        "Confirm at https://confirm.example.com/quote?text=kettle now.",
        ["confirm.example", "kettle"],
        ["Confirm at", "now."],
    ),
    ("![voucher](https://pixel.example.com/v.png?code=PV-12)", ["pixel", "PV-12"], ["voucher"]),
    ("We open at 9: https://pellworth.example/hours", [], ["https://pellworth.example/hours"]),
    (
        "See https://help.pellworth.example/a and ask desk@pellworth.example",
        [],
        ["help.pellworth.example/a", "desk@pell"],
    ),
    ("https://pellworth.example.attacker.example/x", ["attacker"], []),
    ("https://attacker.example/?to=pellworth.example", ["attacker"], []),
    ("https://pellworth.example@attacker.example/x", ["attacker"], []),
    ("https://notpellworth.example/x", ["notpell"], []),
    ("HTTPS://ATTACKER.EXAMPLE/A", ["ATTACKER"], []),
    ("Ask mallory@pellworth.example.attacker.example", ["attacker"], ["Ask "]),
    ("Ours (http://www.Pellworth.example/b) and http://attacker.example/c", ["attacker"], ["www.Pellworth.example/b)"]),
]
PLAIN = "It takes 3 days (14 at most); the code is PW-50123, and 6.90 EUR."


def _grade_links(function) -> None:
    check_cases(function, [(PLAIN, PLAIN, "there is no address in it")], str, "a text", given="the reply {!r}")
    for reply, gone, left in REPLIES:
        found = call_learner(function, reply)
        if not isinstance(found, str):
            raise Wrong(f"It returned {show(found)}. Return a text.")
        if any(part.casefold() in found.casefold() for part in gone):
            raise Wrong(f"A foreign address is left in a reply held back: {show(found)}. Which host does it lead to?")
        if gone and "[removed]" not in found:
            raise Wrong(
                f"An address was taken out of a reply held back, and no [removed] stands in its place: {show(found)}."
            )
        if any(part not in found for part in left) or (not gone and found != reply):
            raise Wrong(
                f"Of the reply {show(reply)} this is left: {show(found)}. Ours and the words around have to stay."
            )


def _grade_release(function) -> None:
    two = {"LLM01": 0.2, "LLM02": 0.05}
    cases = [
        (({"LLM01": (5, 60)}, {"LLM01": 0.2}), "pass", "even the upper end of 5 of 60 is below 20 %"),
        (({"LLM01": (12, 60)}, {"LLM01": 0.2}), "not shown", "20 % worked, and the true share may be higher"),
        (({"LLM01": (30, 60)}, {"LLM01": 0.2}), "stop", "even the lower end of 30 of 60 is above 20 %"),
        (({"LLM02": (0, 24)}, {"LLM02": 0.05}), "not shown", "none of 24 does not show that it is below 5 %"),
        (({"LLM02": (0, 100)}, {"LLM02": 0.05}), "pass", "none of 100 shows it"),
        (({"LLM01": (5, 60), "LLM02": (0, 100)}, two), "pass"),
        (({"LLM01": (5, 60), "LLM02": (0, 24)}, two), "not shown", "one of the two is not shown"),
        (({"LLM01": (30, 60), "LLM02": (0, 24)}, two), "stop", "one of the two is above its limit for sure"),
        (({"LLM02": (0, 24), "LLM01": (30, 60)}, dict(reversed(two.items()))), "stop", "the order does not matter"),
        (({"LLM01": (5, 60)}, two), "not shown", "LLM02 was not tried"),
        (({"LLM01": (5, 60), "LLM02": (0, 0)}, two), "not shown", "LLM02 was tried 0 times"),
        (({"LLM01": (5, 60), "LLM09": (9, 9)}, {"LLM01": 0.2}), "pass", "LLM09 has no limit"),
    ]
    check_cases(function, cases, str, "one of the three verdicts", given="the results {} and the limits {}")


CONTROLS = ("redaction", "links", "labels", "rule", "rights", "quota")
HELD = dict(zip("ABCDEFG", ("redaction", "links", "rights", "rule", "quota", "labels", "redaction"), strict=True))


def _grade_control(control) -> None:
    check_letters(
        control, HELD, CONTROLS, "Which control looks at what happened, and needs to recognise nobody's words?"
    )


GRADERS = {"12_2.1": _grade_links, "12_2.2": _grade_release, "12_2.3": _grade_control}
