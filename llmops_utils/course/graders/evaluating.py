"""Graders of chapter 11: tags of traces, dear failures, a plan, many claims, and the evaluations of the clinic."""

from numbers import Real
from typing import get_args

from ...datasets import load_assistant_traces
from ...datasets.records import Tag
from ...evaluation import compute_power, find_num_examples
from .checks import Wrong, call_learner, check_cases, is_of, is_right, show
from .training import grade_labels

LEAST_TAGS = 22  # of 30
GAINED, LOST, PLANNED_POWER, LABEL_EUR = 0.12, 0.04, 0.9, 0.4


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


def _grade_rubric(function) -> None:
    rubric = "Begin with “Dear customer,”."
    cases = [
        ("Answer from the note.", f"You are an expert. {rubric}"),
        ("Answer from the note.", "You are an expert. Answer from the note."),
        (f"{rubric} Answer from the note.", "You are an expert."),
        (f"Answer. {rubric}", f"Expert. {rubric} Answer. {rubric}"),
    ]
    for prompts in cases:
        found = call_learner(function, *prompts, rubric)
        if not isinstance(found, tuple) or len(found) != 2 or not all(isinstance(part, str) for part in found):
            raise Wrong(f"It returned {show(found)}; return two prompts: the baseline's, then the candidate's.")
        for before, after, side in zip(prompts, found, ("baseline", "candidate"), strict=True):
            if after.count(rubric) != 1:
                raise Wrong(f"For {prompts} the rubric stands {after.count(rubric)} times in the prompt of the {side}.")
            if not after.rstrip().endswith(rubric):
                raise Wrong(f"For {prompts} the prompt of the {side} is {after!r}: the rubric is not at its end.")
            if after.replace(rubric, " ").split() != before.replace(rubric, " ").split():
                raise Wrong(f"For {prompts} the prompt of the {side} became {after!r}: other words changed as well.")


def _grade_choice(function) -> None:
    scores = {"a": {"dev": 0.5, "test": 0.9}, "b": {"dev": 0.7, "test": 0.6}, "c": {"dev": 0.6, "test": 0.8}}

    def choose(*names):
        on_test = []

        def score(system, examples):
            if examples == ["test"]:
                on_test.append(system)
            return scores[system][examples[0]]

        found = call_learner(function, {name: name for name in names}, ["dev"], ["test"], score)
        if len(on_test) > 1:
            raise Wrong(f"It scored {len(on_test)} systems on the test examples. They are for one look, at the end.")
        return found

    def tell(*names) -> str:
        return f"the scores { ({name: scores[name] for name in names}) }"

    def explain(found, expected, *names) -> str:
        return "Is that figure free of the choice that was made?" if found[0] == expected[0] else ""

    cases = [(("a", "b", "c"), ("b", 0.6)), (("c", "a"), ("c", 0.8)), (("b", "a"), ("b", 0.6))]
    check_cases(choose, cases, tuple, "a tuple of name and score", given=tell, explain=explain)


def _grade_victory(function) -> None:
    def make(gained: int, lost: int, same: int, planned: int) -> tuple[list[int], list[int], int]:
        kept = [1, 0] * (same // 2) + [1] * (same % 2)
        return [0] * gained + [1] * lost + kept, [1] * gained + [0] * lost + kept, planned

    def tell(before, after, planned) -> str:
        gained = sum(b < a for b, a in zip(before, after, strict=True))
        lost = sum(b > a for b, a in zip(before, after, strict=True))
        return f"{len(before)} examples, {planned} planned, {gained} gained and {lost} lost"

    cases = [
        (make(20, 3, 77, 84), "helps"),
        (make(3, 20, 77, 84), "hurts"),
        (make(12, 8, 80, 84), "cannot tell"),
        (make(6, 0, 6, 84), "cannot tell"),
        (make(6, 0, 6, 12), "helps"),
        (make(5, 0, 7, 12), "cannot tell"),
        (make(0, 0, 100, 84), "cannot tell"),
        (make(30, 14, 60, 84), "helps"),
        (make(30, 14, 60, 105), "cannot tell"),
    ]
    check_cases(function, cases, str, "one of the three verdicts", given=tell)


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
    given = "a judge that prefers {} and the answers {!r} and {!r}"
    check_cases(judge_twice, cases, str, "one of the three words", given=given)


def _grade_tags(tags) -> str:
    return grade_labels(tags, load_assistant_traces(), LEAST_TAGS, "label", get_args(Tag))


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
    check_cases(function, cases, list, "a list of failures", given="the tags {} and the costs {}")


def _grade_plan(plan) -> None:
    if (
        not isinstance(plan, dict)
        or set(plan) != {"examples", "eur"}
        or not all(is_of(one, Real) for one in plan.values())
    ):
        raise Wrong(f"It is {show(plan)}. Make a dict with two numbers, `examples` and `eur`.")
    num, needed = plan["examples"], find_num_examples(GAINED, LOST, PLANNED_POWER)
    if not is_right(num, needed):
        known = 1 <= num <= 10_000
        told = f"has a power of {compute_power(int(num), GAINED, LOST):.1%}" if known else "is no number to plan with"
        raise Wrong(
            f"{show(num)} {told}. The smallest number is asked for that has the power of the task, from there on."
        )
    if not is_right(plan["eur"], needed * LABEL_EUR):
        raise Wrong(f"The number is right; {show(plan['eur'])} EUR is not what so many labels cost.")


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
    check_cases(function, cases, dict, "a dict from name to verdict", given="the flips {}", explain=remark)


GRADERS = {
    "11.1": _grade_verdict,
    "11.2": _grade_chosen,
    "11.3": _grade_rubric,
    "11.4": _grade_choice,
    "11.5": _grade_victory,
    "11.6": _grade_swap,
    "11_1.1": _grade_tags,
    "11_1.2": _grade_ranking,
    "11_2.1": _grade_plan,
    "11_2.2": _grade_claims,
    "11_2.3": _grade_chosen,
}
