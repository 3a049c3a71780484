"""Graders of chapter 11: tags of traces, dear failures, a plan, many claims, and the evaluations of the clinic."""

from numbers import Real
from typing import get_args

from ...datasets import load_assistant_traces
from ...datasets.records import Tag
from ...evaluation import compute_power, find_num_examples
from .checks import Wrong, call_learner, check_cases, check_letters, check_names, grades, is_of, is_right, show

LEAST_TAGS = 22  # of 30
MISLEADING = ("q002", "q028")  # in which a rule on words goes wrong; a reader gets one of them at least
# The labels at which the corrected share's interval is 10 points wide; tests compute them by the lesson's own function.
JUDGE_LABELS, JUDGE_EUR = {"A": 860, "B": 580}, {"A": 0, "B": 20}
FAULTS = {"a": "sound", "b": "leak", "c": "left out", "d": "unpaired"}
FAULTS |= {"e": "weak rival", "f": "copies", "g": "best of many", "h": "too few"}
VERDICTS = dict.fromkeys(FAULTS, "cannot tell") | {"a": "helps", "c": "hurts", "e": "hurts"}
# What is seen on the rows of a report that is suspected of a fault without having it.
NOT_THERE = {
    "sound": "the figures are right, and yet they do not carry the claim",
    "leak": "no text of one part is nearly a text of another",
    "copies": "no two texts are nearly the same within what was measured",
    "too few": "there are enough different messages for a plain difference to show",
    "best of many": "nothing was chosen on the messages that are told",
    "unpaired": "both figures are of the same messages",
    "weak rival": "the old system gives more than one answer",
    "left out": "both systems answered each message that is under the line",
    "easy scorer": "an answer counts only where it is the label",
}
GAINED, LOST, PLANNED_POWER, LABEL_EUR = 0.12, 0.04, 0.9, 0.4


@grades("11_3.1")
def _grade_verdict(function) -> None:
    cases = [
        ("Verdict: correct", True),
        ("Verdict: incorrect", False),
        ("VERDICT: Correct.", True),
        ("The price is incorrect, the rest is not asked for.\nVerdict: correct", True),
        ("Everything seems correct at first.\nverdict: Incorrect.\n", False),
        ("The answer is correct.", None),
        ("", None),
        ("Verdict: not correct", None),
        ("Verdict: correct or incorrect", None),
        ("Verdict: correct\nVerdict: incorrect", None),
        ("My verdict: correct answers are rare", None),
    ]
    check_cases(function, cases, bool | None, "True, False or None")


@grades("11_2.3")
def _grade_chosen(function) -> None:
    right = {"short", "bb", "no", "oh"}

    def score(candidates, judge):
        asked = []

        def look_up(answer):
            asked.append(answer)
            return answer in right

        found = call_learner(function, candidates, judge, look_up)
        if len(asked) > len(candidates):
            raise Wrong(
                f"It looked up {len(asked)} labels for {len(candidates)} questions: only the answers that were chosen "
                "have to be labelled. That is what makes labels affordable."
            )
        return found

    def tell(candidates, judge) -> str:
        return f"the answers {candidates}"

    first, second, third = ["short", "long story", "longest story"], ["a", "bb"], ["yes", "no", "oh"]
    cases = [
        (([first, second], len), 0.5),
        (([first, second, third], len), 1 / 3),
        (([first], lambda answer: -len(answer)), 1.0),
        (([third], lambda answer: 0.5), 0.0),
        (([["short", "x"], ["x", "short"]], lambda answer: 1.0), 0.5),
    ]
    remark = "By the labels, how many of the chosen answers are right?"
    check_cases(score, cases, Real, "a share between 0 and 1", given=tell, explain=remark)


@grades("11_3.3")
def _grade_swap(function) -> None:
    judges = {
        "the first": lambda first, second: True,
        "the second": lambda first, second: False,
        "the longer": lambda first, second: len(first) > len(second),
        "one with an a": lambda first, second: first.startswith("a"),
    }

    def judge_twice(preferred, one, other):
        asked = []

        def judge(question, first, second):
            asked.append((question, first, second))
            return "first" if judges[preferred](first, second) else "second"

        found = call_learner(function, judge, "Which fruit?", one, other)
        if any(question != "Which fruit?" for question, _, _ in asked):
            raise Wrong("The judge was asked another question than the one given.")
        if {first for _, first, _ in asked} != {one, other}:
            raise Wrong(f"It asked the judge {len(asked)} time(s), and not with each answer in the first place.")
        return found

    cases = [
        (("the first", "apple", "fig"), "tie"),
        (("the second", "apple", "fig"), "tie"),
        (("the longer", "fig", "banana"), "other"),
        (("the longer", "banana", "fig"), "one"),
        (("one with an a", "apple", "fig"), "one"),
        (("one with an a", "fig", "apple"), "other"),
    ]

    def tell(preferred, one, other) -> str:
        return f"a judge that prefers {preferred} and the answers {one!r} and {other!r}"

    check_cases(judge_twice, cases, str, "one of the three words", given=tell)


@grades("11_1.1")
def _grade_tags(tags) -> str:
    asked = {trace.id: trace for trace in load_assistant_traces()}
    check_names(tags, asked, f"Make a dict with one label for each of {', '.join(asked)}.")
    if unknown := [tag for tag in tags.values() if tag not in get_args(Tag)]:
        raise Wrong(f"{show(unknown[0])} is no label. There are: {', '.join(get_args(Tag))}.")
    for id, trace in asked.items():
        has_none = "not in the text" in trace.answer.lower()
        if tags[id] in (("made up", "misread") if has_none else ("not found", "refused")):
            told = "gives no answer" if has_none else "gives an answer"
            raise Wrong(f"In {id} the assistant {told}, which “{tags[id]}” does not fit. Read the meanings again.")
    other = {id: trace.label for id, trace in asked.items() if tags[id] != trace.label}
    told = f"{len(asked) - len(other)} of {len(asked)} agree with the course"
    if len(asked) - len(other) < LEAST_TAGS:
        raise Wrong(f"{told}. Where you differ, ask again of each trace: does this passage answer this question?")
    if set(MISLEADING) <= set(other):
        raise Wrong(
            f"{told}, and yet these tags follow the words, not what is said: words of the right answer can stand in a "
            "passage about something else. Read passage and question once more."
        )
    return told + "".join(f"; it has {label} for {id}" for id, label in other.items()) + "."


@grades("11_3.2")
def _grade_judge_plan(plan) -> None:
    form = "Make a dict with `judge`, A or B, and the numbers `labels` and `eur`."
    check_names(plan, ("judge", "labels", "eur"), form)
    if plan["judge"] not in JUDGE_LABELS:
        raise Wrong(f"{show(plan['judge'])} is no judge. {form}")
    num, needed = plan["labels"], JUDGE_LABELS[plan["judge"]]
    if not is_of(num, Real) or not is_right(num, needed):
        told = (
            "the interval is wider than the brief allows"
            if is_of(num, Real) and num < needed
            else "fewer labels are enough"
        )
        raise Wrong(f"With judge {plan['judge']} and {show(num)} labels {told}.")
    costs = {judge: 0.5 * labels + JUDGE_EUR[judge] for judge, labels in JUDGE_LABELS.items()}
    if not is_right(plan["eur"], costs[plan["judge"]]):
        raise Wrong(f"The labels are right; {show(plan['eur'])} EUR is not what judge and labels cost.")
    if plan["judge"] != min(costs, key=costs.__getitem__):
        raise Wrong("The interval is as narrow as it has to be, but another judge does it for less.")


@grades("11_1.2")
def _grade_ranking(function) -> None:
    costs = {"made up": 8, "misread": 8, "refused": 2, "slow": 0.5}
    cases = [
        ((["fine", "refused", "refused", "made up"], costs), ["made up", "refused"]),
        ((["refused"] * 5 + ["misread", "fine"], costs), ["refused", "misread"]),
        ((["misread", "made up", "slow", "fine", "fine"], costs), ["made up", "misread", "slow"]),
        ((["refused"] * 4 + ["made up"], costs), ["made up", "refused"]),
        ((["fine"] * 3, costs), []),
        ((["late", "late", "rude"], {"rude": 5, "late": 3}), ["late", "rude"]),
    ]
    check_cases(function, cases, list, "a list of failures")


@grades("11_2.1")
def _grade_plan(plan) -> None:
    form = "Make a dict with two numbers, `examples` and `eur`."
    check_names(plan, ("examples", "eur"), form)
    if not all(is_of(one, Real) for one in plan.values()):
        raise Wrong(f"It is {show(plan)}. {form}")
    num, needed = plan["examples"], find_num_examples(GAINED, LOST, PLANNED_POWER)
    if not is_right(num, needed):
        known = 1 <= num <= 10_000
        told = f"has a power of {compute_power(int(num), GAINED, LOST):.1%}" if known else "is no number to plan with"
        raise Wrong(f"{show(num)} {told}. Find the smallest number from which on it has the power asked for.")
    if not is_right(plan["eur"], needed * LABEL_EUR):
        raise Wrong(f"The number is right; {show(plan['eur'])} EUR is not what so many labels cost.")


@grades("11_2.2")
def _grade_claims(function) -> None:
    cases = [
        ({"one": (12, 2)}, {"one": "helps"}),
        ({"one": (2, 12)}, {"one": "hurts"}),
        ({"one": (5, 0)}, {"one": "cannot tell"}),
        ({"a": (12, 2), "b": (9, 8), "c": (7, 6), "d": (3, 4)}, dict.fromkeys("abcd", "cannot tell")),
        ({"a": (9, 8), "b": (20, 2), "c": (3, 17)}, {"a": "cannot tell", "b": "helps", "c": "hurts"}),
        ({"a": (9, 1), "b": (20, 2), "c": (1, 9)}, {"a": "helps", "b": "helps", "c": "hurts"}),
        ({"a": (0, 0), "b": (30, 4)}, {"a": "cannot tell", "b": "helps"}),
    ]
    remark = "Is each p corrected for all candidates?"
    check_cases(function, cases, dict, "a dict from name to verdict", explain=remark)


@grades("11_4.1")
def _grade_faults(faults) -> None:
    check_letters(faults, FAULTS, tuple(NOT_THERE), lambda missed: f"In {missed[0]}, {NOT_THERE[faults[missed[0]]]}.")


@grades("11_4.2")
def _grade_verdicts(verdicts) -> None:
    advice = "Is the fault out, and are all left rows in?"
    check_letters(verdicts, VERDICTS, ("helps", "hurts", "cannot tell"), advice)
