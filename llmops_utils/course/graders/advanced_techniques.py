"""Graders of chapter 07: slips of labels, inventions, a chain's first error, worked examples, blanks, a winner's luck."""

import re
from numbers import Real

from ...datasets import INTENTS, URGENCIES, load_fact_questions, load_messages, load_word_problems
from ...evaluation import NumberMatch
from .checks import (
    Wrong,
    call_learner,
    check_cases,
    check_names,
    find_model,
    find_variable,
    grades,
    is_right,
    show,
    tell_count,
)

SLIP = {"intent": INTENTS, "product": ("kettle", "grinder", "scale", "none"), "urgency": URGENCIES}
SLIPS = slice(120, 144)
LEAST_SLIPS = 12  # of 24 messages, all three labels right; the most frequent labels reach it once in 5 billion times
BLANKS = {"task", "answers", "meaning", "examples"}
MOST_EXAMPLES = 24
LEAST_TOPICS = 14  # of 40 questions on 8 topics; guessing reaches it once in 4,600 times


@grades("07_1.1")
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
    return tell_count(num_right, len(messages), "held-back slips", LEAST_SLIPS)


@grades("07_1.2")
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
    check_cases(function, cases, list | tuple, "a list of texts", read=list)


@grades("07_3.1")
def _grade_blanks(blanks) -> str:
    questions, topics = load_fact_questions(), sorted({one.topic for one in load_fact_questions()})
    fill, skeleton = find_variable("fill"), find_variable("SKELETON")
    if not callable(fill) or not isinstance(skeleton, str):
        raise Wrong("There is no `fill` or no `SKELETON`. Run the cells that make them.")
    check_names(blanks, BLANKS, f"Make a dict with {', '.join(sorted(BLANKS))}.")
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
    return tell_count(num_right, len(held_back), "held-back questions", LEAST_TOPICS)


def compute_optimism(accuracy: float, num_examples: int, num_candidates: int) -> float:
    """Return the mean of the best of several equally good dev scores, minus their true accuracy."""
    from scipy.stats import binom

    # The mean of a count is the sum, over its values, of the probability to exceed them.
    below = binom.cdf(range(num_examples), num_examples, accuracy)
    return float((1 - below**num_candidates).sum() / num_examples) - accuracy


@grades("07_3.2")
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
    check_cases(function, cases, Real, "a share", explain=explain, tolerance=0.015)


MOST_WORKED = 8
PLANS = (["*"], ["*", "+"])  # so many in each of some boxes, or several of one thing and their postage
LEAST_SOLVED = 8  # of 16; bare answers, which solve 1 of 16 at best, get there less than once in 100,000 times


@grades("07_2.2")
def _grade_worked(examples) -> str:
    model, mend = find_model("07_2_chain_of_thought"), find_variable("mend")
    if mend is None:
        raise Wrong("There is no `mend`. Run the cell that makes it.")
    if not isinstance(examples, list | tuple) or not 0 < len(examples) <= MOST_WORKED:
        raise Wrong(f"It is {show(examples)}; make a list of up to {MOST_WORKED} pairs (problem, solution).")
    known, turns = {problem.question for problem in load_word_problems()}, []
    for pair in examples:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise Wrong(f"There is {show(pair)} in it; each example is a pair of texts, problem and solution.")
        if " ".join(pair[0].split()) in known:
            raise Wrong(f"“{pair[0]}” stands among the course's problems; write one of your own.")
        turns += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    easy = [one for one in load_word_problems("dev") if re.findall(r" ([-+*/]) ", one.reasoning) in PLANS]
    num_right = 0
    for problem in easy:
        prompt = [{"role": "system", "content": "Solve the problem."}, *turns]
        prompt.append({"role": "user", "content": problem.question})
        reply = model.chat(prompt, max_tokens=80, stop=["\n"])
        num_right += int(NumberMatch()(mend(reply.text), problem.answer).value)
    return tell_count(num_right, len(easy), "problems", LEAST_SOLVED)


@grades("07_2.1")
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
        ("Sold are 280 * 20 / 100 = 56.", None),
        ("Sold are 280 * 20 / 100 = 65. The answer is 65.", "280 * 20 / 100 = 65"),
        ("12 - 20 = -8", None),
        ("12 - 20 = 8", "12 - 20 = 8"),
        ("I do not know.", None),
    ]
    form = "the equation as it is written, or None"
    check_cases(function, cases, str | None, form, read=read, explain=explain)
