"""Graders of chapter 07: slips, numbers from nowhere, a skeleton's blanks; votes, chains, choosing without peeking."""

from collections import UserDict
from numbers import Real

from ...datasets import INTENTS, URGENCIES, load_fact_questions, load_messages
from ...evaluation import Report, Row
from .checks import Wrong, call_learner, check_cases, find_model, find_variable, is_right, show

SLIP = {"intent": INTENTS, "product": ("kettle", "grinder", "scale", "none"), "urgency": URGENCIES}
SLIPS = slice(120, 144)
LEAST_SLIPS = 12  # of 24 messages, all three labels right; the most frequent labels reach it once in 5 billion times
BLANKS = {"task", "answers", "meaning", "examples"}
MOST_EXAMPLES = 24
LEAST_TOPICS = 14  # of 40 questions on 8 topics; guessing reaches it once in 4,600 times


def _grade_slip(function) -> str:
    messages = load_messages("dev")[SLIPS]
    num_right = 0
    for message in messages:
        slip = call_learner(function, message.text)
        if not isinstance(slip, dict) or set(slip) != set(SLIP):
            raise Wrong(f"It returned {show(slip)}. Return a dict with {', '.join(SLIP)}.")
        for field, label in slip.items():
            if not isinstance(label, str) or label not in SLIP[field]:
                raise Wrong(f"{show(label)} is no {field}. It is one of {', '.join(SLIP[field])}.")
        num_right += all(slip[field] == getattr(message, field) for field in SLIP)
    if num_right < LEAST_SLIPS:
        raise Wrong(f"{num_right} of {len(messages)} slips were right; {LEAST_SLIPS} are asked for.")
    return f"{num_right} of {len(messages)} held-back slips were right; {LEAST_SLIPS} were asked for."


def _grade_inventions(function) -> None:
    cases = [
        (("It costs 4.90 EUR.", ["How much is it?"]), ["4.90"]),
        (("It costs 4.90 EUR.", ["Post is 14.90.", "Return postage is 4.90 EUR."]), []),
        (("It takes 30 days.", ["We have 300 grinders."]), ["30"]),
        (("PW-10618 has left us. Ida, TH085", ["Where is PW-10618?"]), []),
        (("PW-10619 has left us.", ["Where is PW-10618?"]), ["10619"]),
        (("9 days, then 3 days, at most 9.", ["Since 3 weeks!"]), ["9"]),
        (("7 days, then 2, for 5 EUR.", []), ["7", "2", "5"]),
        (("Thank you, Ida, TH001", ["Great!"]), []),
    ]
    given = "the draft {!r} and the sources {!r}"
    check_cases(function, cases, list | tuple, "a list of texts", given=given, read=list)


def _grade_blanks(blanks) -> str:
    questions, topics = load_fact_questions(), sorted({one.topic for one in load_fact_questions()})
    fill, skeleton = find_variable("fill"), find_variable("SKELETON")
    if not callable(fill) or not isinstance(skeleton, str):
        raise Wrong("There is no `fill` or no `SKELETON`. Run the cells that make them.")
    if not isinstance(blanks, dict) or set(blanks) != BLANKS:
        raise Wrong(f"It is {show(blanks)}. Make a dict with {', '.join(sorted(BLANKS))}.")
    if not isinstance(blanks["answers"], list | tuple) or sorted(map(str, blanks["answers"])) != topics:
        raise Wrong(f"The possible answers are {show(blanks['answers'])}; they have to be the eight topics.")
    examples = blanks["examples"]
    if not isinstance(examples, list | tuple) or len(examples) > MOST_EXAMPLES:
        raise Wrong(f"Give a list of at most {MOST_EXAMPLES} examples.")
    if not all(isinstance(one, list | tuple) and len(one) == 2 for one in examples):
        raise Wrong("An example is a pair: a question and its topic.")
    held_back = questions[::3]
    if shown := [one.question for one in held_back if any(one.question == pair[0] for pair in examples)]:
        raise Wrong(f"{show(shown[0])} is held back; take examples from `known`.")
    model, num_right = find_model("07_3_meta_prompting"), 0
    for one in held_back:
        messages = call_learner(fill, skeleton, blanks, one.question)
        num_right += model.chat(messages, choices=topics).text == one.topic
    if num_right < LEAST_TOPICS:
        raise Wrong(f"{num_right} of {len(held_back)} questions got their topic; {LEAST_TOPICS} are asked for.")
    return f"{num_right} of {len(held_back)} held-back questions got their topic; {LEAST_TOPICS} were asked for."


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
    "07_1.1": _grade_slip,
    "07_1.2": _grade_inventions,
    "07_3.1": _grade_blanks,
    "07_3.2": _grade_optimism,
}
