"""Graders of lesson 07_2: the first false equation of a chain, and worked examples that teach a plan."""

import re

from ...datasets import load_word_problems
from ...evaluation import NumberMatch
from .checks import Wrong, check_cases, find_model, find_variable, show

MOST_WORKED = 8
PLANS = (["*"], ["*", "+"])  # so many in each of some boxes, or several of one thing and their postage
LEAST_SOLVED = (
    8  # of 16; bare answers solve 1 of 16 at best and get there less than once in 100,000 times if they solve 1 of 16
)


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
    told = f"With your examples {num_right} of {len(easy)} problems were right; {LEAST_SOLVED} were asked for."
    if num_right < LEAST_SOLVED:
        raise Wrong(told)
    return told


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
    check_cases(function, cases, str | None, form, given="“{}”", read=read, explain=explain)


GRADERS = {"07_2.1": _grade_first_error, "07_2.2": _grade_worked}
