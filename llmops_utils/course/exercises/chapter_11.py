"""Exercises of `11_evaluating_llms`: each mends one evaluation of the clinic."""

from __future__ import annotations

from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_verdict(function) -> str:
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
    for text, expected in cases:
        found = call_learner(function, text)
        if not (found is None or isinstance(found, bool)):
            raise Wrong(f"For {text!r} it returned {found!r}; only three values are asked for.")
        if found is not expected:
            raise Wrong(f"For {text!r} it returned {found!r}.")
    return "What cannot be read is neither right nor wrong: count it apart, and look at it."


def _grade_chosen(function) -> str:
    first, second, third = ["short", "long story", "longest story"], ["a", "bb"], ["yes", "no", "oh"]
    right = {"short", "bb", "no", "oh"}
    cases = [
        ([first, second], len, 0.5),
        ([first, second, third], len, 1 / 3),
        ([first], lambda answer: -len(answer), 1.0),
        ([third], lambda answer: 0.5, 0.0),
        ([["short", "x"], ["x", "short"]], lambda answer: 1.0, 0.5),
    ]
    for candidates, judge, expected in cases:
        asked = []

        def look_up(answer, asked=asked):
            asked.append(answer)
            return answer in right

        found = call_learner(function, [list(listed) for listed in candidates], judge, look_up)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Wrong(f"It returned a {type(found).__name__}; return a share between 0 and 1.")
        if abs(found - expected) > 1e-9:
            raise Wrong(
                f"For {candidates} it returned {found:.2f}. By the labels, how many of the chosen answers are right?"
            )
        if len(asked) > len(candidates):
            raise Wrong(
                f"It looked up {len(asked)} labels for {len(candidates)} questions: only the answers that were chosen "
                "have to be labelled. That is what makes labels affordable."
            )
    return "The judge may choose. Whether it chose well, something else has to say."


def _grade_rubric(function) -> str:
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
            raise Wrong(f"It returned {found!r:.60}; return two prompts: the baseline's, then the candidate's.")
        for before, after, side in zip(prompts, found, ("baseline", "candidate"), strict=True):
            if after.count(rubric) != 1:
                raise Wrong(f"For {prompts} the rubric stands {after.count(rubric)} times in the prompt of the {side}.")
            if not after.rstrip().endswith(rubric):
                raise Wrong(f"For {prompts} the prompt of the {side} is {after!r}: the rubric is not at its end.")
            if after.replace(rubric, " ").split() != before.replace(rubric, " ").split():
                raise Wrong(f"For {prompts} the prompt of the {side} became {after!r}: other words changed as well.")
    return (
        "Now both sides know what is graded, at the same place. What is left is the difference that was to be measured."
    )


def _grade_choice(function) -> str:
    scores = {
        "a": {"dev": 0.5, "test": 0.9},
        "b": {"dev": 0.7, "test": 0.6},
        "c": {"dev": 0.6, "test": 0.8},
    }
    for names in (("a", "b", "c"), ("c", "a"), ("b", "a")):
        asked = []

        def score(system, examples, asked=asked):
            split = examples[0]
            asked.append((system, split))
            return scores[system][split]

        found = call_learner(function, {name: name for name in names}, ["dev"], ["test"], score)
        if not isinstance(found, tuple) or len(found) != 2:
            raise Wrong(f"It returned {found!r:.60}; return a tuple of name and score.")
        name, value = found
        on_test = [system for system, split in asked if split == "test"]
        if len(on_test) > 1:
            raise Wrong(f"It scored {len(on_test)} systems on the test examples. They are for one look, at the end.")
        if name not in names or scores[name]["dev"] != max(scores[one]["dev"] for one in names):
            raise Wrong(f"Of the scores { ({one: scores[one] for one in names}) } it chose {name!r}.")
        if on_test != [name] or value != scores[name]["test"]:
            raise Wrong(f"It reported {value!r} for {name!r}. Is that figure free of the choice that was made?")
    return "Each look at the test examples that leads to a choice makes them a little more like dev."


def _grade_victory(function) -> str:
    def make(gained: int, lost: int, same: int) -> tuple[list[int], list[int]]:
        before = [0] * gained + [1] * lost + [1, 0] * (same // 2) + [1] * (same % 2)
        after = [1] * gained + [0] * lost + [1, 0] * (same // 2) + [1] * (same % 2)
        return before, after

    cases = [
        (make(20, 3, 77), 84, "helps"),
        (make(3, 20, 77), 84, "hurts"),
        (make(12, 8, 80), 84, "cannot tell"),
        (make(6, 0, 6), 84, "cannot tell"),
        (make(6, 0, 6), 12, "helps"),
        (make(5, 0, 7), 12, "cannot tell"),
        (make(0, 0, 100), 84, "cannot tell"),
        (make(30, 14, 60), 84, "helps"),
        (make(30, 14, 60), 105, "cannot tell"),
    ]
    for (before, after), planned, expected in cases:
        found = call_learner(function, list(before), list(after), planned)
        if found not in ("helps", "hurts", "cannot tell"):
            raise Wrong(f"It returned {found!r:.60}, which is none of the three verdicts.")
        if found != expected:
            gained = sum(b < a for b, a in zip(before, after, strict=True))
            lost = sum(b > a for b, a in zip(before, after, strict=True))
            told = "gave no verdict" if found == "cannot tell" else f"said “{found}”"
            raise Wrong(f"With {len(before)} examples, {planned} planned, {gained} gained and {lost} lost it {told}.")
    return "A plan made before the measurement is what keeps the first lucky dozen from being the last."


def _grade_swap(function) -> str:
    def prefer_first(question, first, second):
        return "first"

    def prefer_second(question, first, second):
        return "second"

    def prefer_long(question, first, second):
        return "first" if len(first) > len(second) else "second"

    def prefer_a(question, first, second):
        return "first" if first.startswith("a") else "second"

    cases = [
        (prefer_first, "apple", "fig", "tie"),
        (prefer_second, "apple", "fig", "tie"),
        (prefer_long, "fig", "banana", "other"),
        (prefer_long, "banana", "fig", "one"),
        (prefer_a, "apple", "fig", "one"),
        (prefer_a, "fig", "apple", "other"),
    ]
    for judge, one, other, expected in cases:
        asked = []

        def count(question, first, second, judge=judge, asked=asked):
            asked.append((question, first, second))
            return judge(question, first, second)

        found = call_learner(function, count, "Which fruit?", one, other)
        if any(question != "Which fruit?" for question, _, _ in asked):
            raise Wrong("The judge was asked another question than the one given.")
        if {first for _, first, _ in asked} != {one, other}:
            raise Wrong(f"It asked the judge {len(asked)} time(s), and not with each answer in the first place.")
        if found != expected:
            raise Wrong(f"For {one!r} and {other!r} and a judge that says {judge.__name__!r} it returned {found!r}.")
    return "A verdict that turns with the order is no verdict. What remains may still be for the longer one: test that too."


EXERCISES = (
    Exercise(
        "11.1",
        "A verdict that can be read",
        "A grading model was asked to end with a line `Verdict: correct` or `Verdict: incorrect`. Write "
        "`read_verdict(text)`: True for the one, False for the other, and None where no such line can be read, or where two "
        "of them contradict each other. Upper and lower case and a full stop at the end do not matter.",
        "read_verdict",
        _grade_verdict,
        (
            "Look at whole lines, not at words anywhere in the text.",
            "text.lower().splitlines() gives the lines; strip each of spaces and full stops and compare it as a whole.",
            "Collect what the lines say in a set: with both in it, there is no verdict.",
        ),
        """
        def read_verdict(text):
            lines = {line.strip(" .") for line in text.lower().splitlines()}
            has_right, has_wrong = "verdict: correct" in lines, "verdict: incorrect" in lines
            return has_right if has_right != has_wrong else None
        """,
    ),
    Exercise(
        "11.2",
        "Not by its own judge",
        "A loop writes several answers to each question and keeps the one that a judge likes best. Write "
        "`score_chosen(candidates, judge, is_right)`: `candidates` is a list with a list of answers for each question; "
        "`judge(answer)` gives a number. Choose the answer with the highest number (the first of equals), and return the "
        "share of chosen answers that are right by `is_right(answer)`, which looks up a label.",
        "score_chosen",
        _grade_chosen,
        (
            "The judge appears in the choice, and nowhere in the score.",
            "max(answers, key=judge) returns the first of the best.",
        ),
        """
        def score_chosen(candidates, judge, is_right):
            chosen = [max(answers, key=judge) for answers in candidates]
            return sum(bool(is_right(answer)) for answer in chosen) / len(chosen)
        """,
    ),
    Exercise(
        "11.3",
        "Tell both sides",
        "Write `tell_rubric(baseline, candidate, rubric)`: return both prompts with the rubric exactly once in each, at the "
        "end, whether it stood in them before or not. The other words stay as they are and in their order.",
        "tell_rubric",
        _grade_rubric,
        (
            "Treat both prompts by the same function: take the rubric out wherever it is, then put it at the end.",
            "prompt.replace(rubric, '') takes out all of them.",
        ),
        """
        def tell_rubric(baseline, candidate, rubric):
            bare = [prompt.replace(rubric, "").strip() for prompt in (baseline, candidate)]
            return bare[0] + " " + rubric, bare[1] + " " + rubric
        """,
    ),
    Exercise(
        "11.4",
        "One look at the test",
        "Write `choose_and_report(candidates, dev, test, score)`. `candidates` is a dict from name to system, "
        "`score(system, examples)` a number. Choose the system with the best score on `dev`, and return its name and its "
        "score on `test`, which is asked only once.",
        "choose_and_report",
        _grade_choice,
        (
            "First the choice, with dev alone; then one call with test.",
            "max(candidates, key=lambda name: …) returns a name.",
        ),
        """
        def choose_and_report(candidates, dev, test, score):
            chosen = max(candidates, key=lambda name: score(candidates[name], dev))
            return chosen, score(candidates[chosen], test)
        """,
    ),
    Exercise(
        "11.5",
        "A victory that was planned",
        "Write `judge_victory(baseline, candidate, planned)` for two lists of 0 and 1 on the same examples, in the same "
        "order. With fewer examples than `planned` it says `cannot tell`. Else it says `helps` or `hurts` where "
        "`compute_mcnemar` gives a p below 0.05, by which of them has more right, and `cannot tell` where it does not.",
        "judge_victory",
        _grade_victory,
        (
            "Two reasons not to tell: the plan is not fulfilled, or p is not small.",
            "compute_mcnemar(baseline, candidate) is the p of the pairs; the sums tell the direction.",
        ),
        """
        def judge_victory(baseline, candidate, planned):
            if len(baseline) < planned or compute_mcnemar(baseline, candidate) >= 0.05:
                return "cannot tell"
            return "helps" if sum(candidate) > sum(baseline) else "hurts"
        """,
    ),
    Exercise(
        "11.6",
        "Both orders",
        '`judge(question, first, second)` is given two answers and returns the word `"first"` or `"second"`, for the place '
        "of the better one. Write `judge_both_ways(judge, question, one, other)`: ask in both orders. Return the word "
        '`"one"` or `"other"` if that answer wins both times, and the word `"tie"` if the winner changes.',
        "judge_both_ways",
        _grade_swap,
        (
            "In the second call the places are exchanged, so its “first” means the other answer.",
            "Turn both verdicts into `one` or `other` before you compare them.",
        ),
        """
        def judge_both_ways(judge, question, one, other):
            before = judge(question, one, other) == "first"
            after = judge(question, other, one) == "second"
            return ("one" if before else "other") if before == after else "tie"
        """,
    ),
)

QUIZ = Quiz(
    "11.quiz",
    (
        Question(
            "A judge agrees with the labels on 95 % of the answers, and 95 % of the answers are right. What is sure?",
            (
                "it is a good judge",
                "nothing yet: a judge that always says “right” reaches the same, with a kappa of 0",
                "it is better than chance",
                "its kappa is 0.95",
            ),
            1,
            "Percent agreement includes what blind guessing gets. Kappa takes that out.",
        ),
        Question(
            "You show a judge pairs of answers, the new system's always first. It prefers the new system in 90 %. What now?",
            (
                "ship it",
                "ask a larger judge",
                "collect more pairs in the same order",
                "ask again with the places exchanged and count only the pairs that keep their winner",
            ),
            3,
            "More pairs in one order measure the place more exactly, not the answers.",
        ),
        Question(
            "You compare two systems on 12 examples. What is the least that can bring the exact McNemar test below p = 0.05?",
            (
                "six flips, all in one direction",
                "three flips, all in one direction",
                "a flip on each of the twelve examples",
                "one flip, if it is in the right direction",
            ),
            0,
            "With five flips in one direction p is 2 · 0.5⁵ = 0.0625. With six it is 0.031. That 9 of 12 against 6 of 12 "
            "may rest on three flips only, with p = 0.25, is the trap of the small demonstration.",
        ),
        Question(
            "You tried 40 prompts on the test examples and report the best score. What is that figure?",
            (
                "an honest estimate, since no example was in a prompt",
                "too low",
                "too high on average: the luckiest of 40 was chosen on the examples that score it",
                "right if the test examples are many",
            ),
            2,
            "Choose on dev, then look at test once.",
        ),
        Question(
            "Two answers say the same, one in 5 words, one in 30. A judge passes the long one more often. What did you measure?",
            (
                "that long answers are better",
                "the judge's length bias, since the content is equal",
                "the quality of the reference",
                "nothing, the texts differ",
            ),
            1,
            "A pair of equal content isolates the form. This is how a bias is found before it decides something.",
        ),
    ),
)
