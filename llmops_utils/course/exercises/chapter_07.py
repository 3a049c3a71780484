"""Exercises of `07_prompting_advanced`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ...evaluation import Report, Row
from .exercise import Exercise, Wrong, call_learner
from .quiz import Question, Quiz


def _grade_quorum(function) -> str:
    cases = [
        (([5, 5, 7], 0.5), 5),
        (([5, 7, 9], 0.5), None),
        (([5, 5, None, None], 0.5), 5),
        (([None, None, 5], 0.5), None),
        (([3, 8, 8, 3], 0.5), None),
        (([0, 0, 4], 0.5), 0),
        ((["return", "repair", "return"], 0.6), "return"),
        ((["return", "repair", "return"], 0.7), None),
        (([None, None], 0.5), None),
        (([], 0.5), None),
    ]
    for (answers, share), expected in cases:
        found = call_learner(function, list(answers), share)
        if found == expected and (found is None) == (expected is None):
            continue
        told = f"For {answers} and the share {share} it gave {found!r}."
        if None in answers and expected is None:
            told += " A draw without an answer counts among the draws, and it never wins."
        elif expected is None:
            told += " Not exactly one answer reaches the share there."
        elif expected == 0:
            told += " The number 0 is an answer like any other."
        raise Wrong(told)
    return "A system that abstains when its draws disagree can hand those cases to a person."


def _grade_first_error(function) -> str:
    cases = [
        ("9 * 13 = 117, 117 + 8 = 125", None),
        ("9 * 13 = 117, 117 + 8 = 124", "117 + 8 = 124"),
        ("9 * 13 = 127, 127 + 8 = 135", "9 * 13 = 127"),
        ("The cups cost 4 * 6 = 25 euros. With postage 25 + 3 = 29.", "4 * 6 = 25"),
        ("8 * 7.20 = 57.6, 57.6 + 2 = 59.6", None),
        ("3 * 0.1 = 0.3", None),
        ("60 / 4 = 14, 14 - 3 = 11", "60 / 4 = 14"),
        ("12 - 20 = -8", None),
        ("12 - 20 = 8", "12 - 20 = 8"),
        ("I do not know.", None),
    ]
    for chain, expected in cases:
        found = call_learner(function, chain)
        if isinstance(found, bool) or not (found is None or isinstance(found, str)):
            raise Wrong(f"It gave a {type(found).__name__}; give the equation as it is written, or nothing.")
        if expected is None and found is not None:
            raise Wrong(f"In “{chain}” every equation is right, and it gave “{found}”.")
        if expected is not None and found is None:
            raise Wrong(f"In “{chain}” an equation is wrong, and it found none.")
        if expected is not None and " ".join(found.split()).rstrip(".,") != expected:
            raise Wrong(f"In “{chain}” it gave “{found}”. Wanted is the first wrong equation and nothing around it.")
    return "A chain written as equations can be checked by code, step by step."


class _Sealed(Mapping):
    """Reports by name that remember what was looked at."""

    def __init__(self, reports: dict[str, Report]) -> None:
        self._reports = reports
        self.opened: set[str] = set()

    def __getitem__(self, name: str) -> Report:
        self.opened.add(name)
        return self._reports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reports)

    def __len__(self) -> int:
        return len(self._reports)


def _make_report(name: str, split: str, num_right: int, num: int) -> Report:
    rows = tuple(Row(f"{split}-{i}", "a message", "x", "x", float(i < num_right)) for i in range(num))
    return Report(f"{name}, {split}", rows, "no model asked", 0.0)


def _grade_choice(function) -> str:
    cases = [
        ({"plain": (9, 20), "role": (13, 20), "question": (11, 20)}, "role"),
        ({"plain": (12, 15), "role": (7, 30), "question": (12, 25)}, "plain"),
        ({"plain": (3, 10), "role": (4, 30), "question": (10, 5)}, "question"),
    ]
    for case, expected in cases:
        dev = {name: _make_report(name, "dev", right, 20) for name, (right, _) in case.items()}
        test = {name: _make_report(name, "test", right, 40) for name, (_, right) in case.items()}
        sealed = _Sealed(test)
        found = call_learner(function, dict(dev), sealed)
        told = ", ".join(f"{name} {report.score.value:.0%}" for name, report in dev.items())
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong("It is to give two things: the name, and the report on test.")
        if sealed.opened - {expected}:
            raise Wrong(
                f"It opened the test report of {', '.join(sorted(sealed.opened - {expected}))}. On dev: {told}."
            )
        if found[0] != expected:
            raise Wrong(f"It chose {found[0]!r}. The scores on dev were: {told}; of two equal ones the first counts.")
        if found[1] is not test[expected]:
            raise Wrong("The name is the right one; what comes with it is not that instruction's report on test.")
    return "The choice used dev alone, so the test score is an honest one."


def _compute_optimism(accuracy: float, num_examples: int, num_candidates: int) -> float:
    """Return the mean of the best of several equally good dev scores, minus their true accuracy."""
    pairs = [(k, math.comb(num_examples, k)) for k in range(num_examples + 1)]
    chances = [ways * accuracy**k * (1 - accuracy) ** (num_examples - k) for k, ways in pairs]
    best, below, total = 0.0, 0.0, 0.0
    for k, chance in enumerate(chances):
        total = min(1.0, total + chance)
        best += k / num_examples * (total**num_candidates - below**num_candidates)
        below = total
    return best - accuracy


def _grade_optimism(function) -> str:
    for case in [(0.3, 32, 6), (0.3, 32, 1), (0.5, 100, 10), (0.3, 8, 6), (0.8, 40, 3)]:
        found = call_learner(function, *case)
        expected = _compute_optimism(*case)
        told = f"For accuracy {case[0]}, {case[1]} examples and {case[2]} candidates it gave {found!r}"
        if abs(float(found) - case[0] - expected) < 0.015:
            raise Wrong(f"{told}: that is the best score itself. Wanted is how far it lies above the true accuracy.")
        if abs(float(found) - 100 * expected) < 1.5 and abs(found) > 0.5:
            raise Wrong(f"{told}: that looks like points. Give a share.")
        if abs(float(found) - expected) > 0.015:
            hint = "A single candidate has no optimism." if case[2] == 1 else "Do several candidates take part?"
            raise Wrong(f"{told}, which is more than 0.015 away from the truth. {hint}")
    return "So much of a winner's dev score is luck, even where no candidate is better than another."


EXERCISES = (
    Exercise(
        "07.1",
        "A vote that may abstain",
        "Write `take_quorum(answers, share)`: return the one answer that at least `share` of all draws gave, and None "
        "where no answer reaches it or more than one does. An answer that is None could not be read: it counts among "
        "the draws, but it never wins. Answers are numbers or texts; the list may be empty.",
        "take_quorum",
        _grade_quorum,
        (
            "Count the answers that are not None; divide by the number of all draws.",
            "Collections.Counter counts. Keep every answer whose count is at least share times the number of draws, "
            "then look whether exactly one is left.",
        ),
        """
        from collections import Counter
        def take_quorum(answers, share):
            counts = Counter(answer for answer in answers if answer is not None)
            reached = [answer for answer, count in counts.items() if count >= share * len(answers)]
            return reached[0] if len(reached) == 1 else None
        """,
    ),
    Exercise(
        "07.2",
        "Where the chain breaks",
        "Write `find_first_error(chain)`: return the first equation in a text whose arithmetic is wrong, as it is "
        "written there, and None where all are right or there is none. Equations look like `9 * 13 = 117`, with one "
        "of + - * / and spaces around the signs; numbers may have decimals, results a minus. Half a cent (0.005) of "
        "difference is allowed. An equation that only carries on an earlier mistake is right in itself.",
        "find_first_error",
        _grade_first_error,
        (
            "EQUATION in section Measured finds the equations; re.finditer also gives the text that was matched.",
            "calculate(found[1]).value works out the left side, as in name_error; compare it with float(found[2]), and "
            "return the matched text, found[0], at the first difference above 0.005.",
        ),
        """
        import operator
        import re
        def find_first_error(chain):
            signs = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
            number = r"-?\\d+(?:\\.\\d+)?"
            for found in re.finditer(rf"({number}) ([-+*/]) ({number}) = ({number})", chain):
                left, right, result = float(found[1]), float(found[3]), float(found[4])
                if abs(signs[found[2]](left, right) - result) > 0.005:
                    return found[0]
            return None
        """,
    ),
    Exercise(
        "07.3",
        "Choose without peeking",
        "Write `choose_on_dev(dev_reports, test_reports)`. Both are dictionaries of reports by the name of the "
        "instruction. Return two things: the name with the best score on dev (of equal ones the first), and that "
        "instruction's report on test. No other test report may be opened. A report's score is `report.score.value`.",
        "choose_on_dev",
        _grade_choice,
        (
            "max() takes a key, and of equal values it returns the first.",
            "max(dev_reports, key=…) goes over the names; open test_reports only afterwards, with the winning name.",
        ),
        """
        def choose_on_dev(dev_reports, test_reports):
            winner = max(dev_reports, key=lambda name: dev_reports[name].score.value)
            return winner, test_reports[winner]
        """,
    ),
    Exercise(
        "07.4",
        "The luck in a winner's score",
        "Suppose that all candidates are equally good: each is right on an example with the probability `accuracy`. "
        "You score every candidate on `num_examples` examples and keep the best score. Write "
        "`estimate_optimism(accuracy, num_examples, num_candidates)`: return by how much that best score lies above "
        "`accuracy` on average, as a share (0.05, not 5). Simulate a few thousand rounds, or compute it.",
        "estimate_optimism",
        _grade_optimism,
        (
            "Import numpy as np first. np.random.default_rng(7).binomial(num_examples, accuracy, size=(4000, "
            "num_candidates)) draws how many are right, one row per round.",
            "Take the largest of each row, divide by num_examples, average over the rounds, subtract the accuracy.",
        ),
        """
        import numpy as np
        def estimate_optimism(accuracy, num_examples, num_candidates):
            draws = np.random.default_rng(7).binomial(num_examples, accuracy, size=(10_000, num_candidates))
            return float(draws.max(axis=1).mean() / num_examples - accuracy)
        """,
    ),
)

QUIZ = Quiz(
    "07.quiz",
    (
        Question(
            "Three questions about each message, in one prompt instead of three. What is certain before you measure?",
            (
                "each answer becomes better, since the model sees the whole",
                "the message is sent and read once instead of three times",
                "nothing changes but the price",
                "the answers become independent of each other",
            ),
            1,
            "The saving is arithmetic. What happens to the accuracy of each field has to be measured.",
        ),
        Question(
            "A classifier says “normal” to every message and is right on 79 % of them. What do you conclude?",
            (
                "it is a good classifier",
                "the messages are too short",
                "79 % is the share of “normal” in the data, and the score says nothing about the model",
                "the temperature was too high",
            ),
            2,
            "A score needs the score of the most frequent label beside it.",
        ),
        Question(
            "Why can a chain of thought help a model that cannot answer directly?",
            (
                "each written step is input for the next, so no single token has to carry the whole calculation",
                "it gives the model more parameters",
                "it raises the temperature",
                "the model checks each of its steps",
            ),
            0,
            "The steps are text that the model reads again. Nothing checks them, unless you do.",
        ),
        Question(
            "Self-consistency takes the majority of several chains. When can that not help?",
            (
                "when one of the draws differs from the others",
                "when the chains are short",
                "when the answers are numbers",
                "when most draws arrive at the same wrong answer",
            ),
            3,
            "A vote removes scattered errors. An error that the draws share wins the vote.",
        ),
        Question(
            "Six instructions were tried on 32 dev examples, and the best one scored 41 %. What do you expect on a test "
            "split that is exactly as hard?",
            (
                "exactly 41 %",
                "rather less, since the best of six is partly the luckiest of six",
                "rather more, since test is larger",
                "nothing can be expected",
            ),
            1,
            "The maximum of several noisy scores is too high on average. Report the test score.",
        ),
        Question(
            "In a chain of two prompts the first step is wrong. What does the second step do?",
            (
                "it notices and stops",
                "it asks the first step again",
                "it works on the wrong input as if it were right",
                "it averages both",
            ),
            2,
            "A prompt knows only what it is given. So code checks what passes from one step to the next.",
        ),
    ),
)
