"""Graders of lessons 07_1 and 07_3: slips of labels, inventions in a draft, a skeleton's blanks, a winner's luck."""

from numbers import Real

from ...datasets import INTENTS, URGENCIES, load_fact_questions, load_messages
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
    "07_1.1": _grade_slip,
    "07_1.2": _grade_inventions,
    "07_3.1": _grade_blanks,
    "07_3.2": _grade_optimism,
}
