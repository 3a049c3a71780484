"""Graders of chapter 07: votes, chains, choosing without peeking."""

from collections import UserDict
from numbers import Real

from ...evaluation import Report, Row
from .checks import Wrong, call_learner, check_cases, is_right


def _grade_quorum(function) -> None:
    def explain(found, expected, answers, share) -> str:
        if None in answers and expected is None:
            return "A draw without an answer counts among the draws, and it never wins."
        if expected is None:
            return "Not exactly one answer reaches the share there."
        return "The number 0 is an answer like any other." if expected == 0 else ""

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
    check_cases(function, cases, object, "an answer, or None", given="{} and the share {}", explain=explain)


def _grade_first_error(function) -> None:
    def read(found) -> str | None:
        return found and " ".join(found.split()).rstrip(".,")

    def explain(found, expected, chain) -> str:
        if expected is None:
            return "Every equation there is right."
        if found is None:
            return "An equation there is wrong."
        return "Asked for is the first wrong equation and nothing around it."

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
    form = "the equation as it is written, or None"
    check_cases(function, cases, str | None, form, given="“{}”", read=read, explain=explain)


class SealedReports(UserDict):
    """Reports by name that remember which were looked at."""

    def __init__(self, reports: dict[str, Report]) -> None:
        super().__init__(reports)
        self.opened: set[str] = set()

    def __getitem__(self, name: str) -> Report:
        self.opened.add(name)
        return super().__getitem__(name)


def _grade_choice(function) -> None:
    def make_report(name: str, split: str, num_right: int, num: int) -> Report:
        rows = tuple(Row(f"{split}-{i}", "a message", "x", "x", float(i < num_right)) for i in range(num))
        return Report(f"{name}, {split}", rows, "no model asked", 0.0)

    cases = [
        ({"plain": (9, 20), "role": (13, 20), "question": (11, 20)}, "role"),
        ({"plain": (12, 15), "role": (7, 30), "question": (12, 25)}, "plain"),
        ({"plain": (3, 10), "role": (4, 30), "question": (10, 5)}, "question"),
    ]
    for case, expected in cases:
        dev = {name: make_report(name, "dev", right, 20) for name, (right, _) in case.items()}
        test = {name: make_report(name, "test", right, 40) for name, (_, right) in case.items()}
        sealed = SealedReports(test)
        found = call_learner(function, dict(dev), sealed)
        told = ", ".join(f"{name} {report.score.value:.0%}" for name, report in dev.items())
        peeked = ", ".join(sorted(sealed.opened - {expected}))
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Wrong("It is to give two things: the name, and the report on test.")
        if peeked:
            raise Wrong(f"It opened the test report of {peeked}. On dev: {told}.")
        if found[0] != expected:
            raise Wrong(f"It chose {found[0]!r}. The scores on dev were: {told}; of two equal ones the first counts.")
        if found[1] is not test[expected]:
            raise Wrong("The name is the right one; what comes with it is not that instruction's report on test.")


def compute_optimism(accuracy: float, num_examples: int, num_candidates: int) -> float:
    """Return the mean of the best of several equally good dev scores, minus their true accuracy."""
    from scipy.stats import binom

    # The mean of a count is the sum, over its values, of the probability to exceed them.
    below = binom.cdf(range(num_examples), num_examples, accuracy)
    return float((1 - below**num_candidates).sum() / num_examples) - accuracy


def _grade_optimism(function) -> None:
    def explain(found, expected, accuracy, num_examples, num_candidates) -> str:
        if is_right(found, accuracy + expected, 0.015):
            return "That is the best score itself. Asked for is how far it lies above the true accuracy."
        if is_right(found / 100, expected, 0.015) and abs(found) > 0.5:
            return "That looks like points. Give a share."
        hint = "A single candidate has no optimism." if num_candidates == 1 else "Do several candidates take part?"
        return f"That is more than 0.015 away from the truth. {hint}"

    settings = [(0.3, 32, 6), (0.3, 32, 1), (0.5, 100, 10), (0.3, 8, 6), (0.8, 40, 3)]
    cases = [(setting, compute_optimism(*setting)) for setting in settings]
    given = "accuracy {}, {} examples and {} candidates"
    check_cases(function, cases, Real, "a share", given=given, explain=explain, tolerance=0.015)


GRADERS = {
    "07.1": _grade_quorum,
    "07.2": _grade_first_error,
    "07.3": _grade_choice,
    "07.4": _grade_optimism,
}
