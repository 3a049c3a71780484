"""Answers to the exercises of chapter 07, as `test_exercises.py` holds them for the chapters 00 and 01."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


COUNTER = "from collections import Counter\n"
FIND = "import re\nNUMBER = r'-?\\d+(?:\\.\\d+)?'\nEQUATION = rf'({NUMBER}) ([-+*/]) ({NUMBER}) = ({NUMBER})'\n"
WORK = (
    "def work(left, sign, right):\n"
    "    left, right = float(left), float(right)\n"
    "    return {'+': left + right, '-': left - right, '*': left * right, '/': left / right}[sign]\n"
)

WRONG = {
    "07.1": [
        Slip(
            "the plain majority",
            COUNTER + "def take_quorum(answers, share):\n"
            "    counts = Counter(answer for answer in answers if answer is not None)\n"
            "    return counts.most_common(1)[0][0] if counts else None",
            "For [5, 7, 9] and the share 0.5 it gave 5",
        ),
        Slip(
            "the share of the answers that were read",
            COUNTER + "def take_quorum(answers, share):\n"
            "    read = [answer for answer in answers if answer is not None]\n"
            "    kept = [answer for answer, count in Counter(read).items() if count >= share * len(read)]\n"
            "    return kept[0] if len(kept) == 1 else None",
            "counts among the draws",
        ),
        Slip(
            "more than the share",
            COUNTER + "def take_quorum(answers, share):\n"
            "    counts = Counter(answer for answer in answers if answer is not None)\n"
            "    kept = [answer for answer, count in counts.items() if count > share * len(answers)]\n"
            "    return kept[0] if len(kept) == 1 else None",
            "For [5, 5, None, None] and the share 0.5 it gave None",
        ),
        Slip(
            "the first of a tie",
            COUNTER + "def take_quorum(answers, share):\n"
            "    counts = Counter(answer for answer in answers if answer is not None).most_common(1)\n"
            "    return counts[0][0] if counts and counts[0][1] >= share * len(answers) else None",
            "For [3, 8, 8, 3] and the share 0.5 it gave 3",
        ),
        Slip(
            "zero taken for nothing",
            COUNTER + "def take_quorum(answers, share):\n"
            "    counts = Counter(answer for answer in answers if answer)\n"
            "    kept = [answer for answer, count in counts.items() if count >= share * len(answers)]\n"
            "    return kept[0] if len(kept) == 1 else None",
            "The number 0 is an answer",
        ),
        Slip(
            "nothing may win",
            COUNTER + "def take_quorum(answers, share):\n"
            "    kept = [answer for answer, count in Counter(answers).items() if count >= share * len(answers)]\n"
            "    return kept[0] if len(kept) == 1 else None",
            "For [5, 5, None, None]",
        ),
        Slip(
            "prints",
            "def take_quorum(answers, share):\n    print(max(answers, key=answers.count) if None not in answers else 0)",
            "it gave None",
        ),
    ],
    "07.2": [
        Slip(
            "the last error",
            FIND + WORK + "def find_first_error(chain):\n"
            "    wrong = None\n"
            "    for found in re.finditer(EQUATION, chain):\n"
            "        if abs(work(*found.groups()[:3]) - float(found[4])) > 0.005:\n"
            "            wrong = found[0]\n"
            "    return wrong",
            "it gave “25 + 3 = 29”",
        ),
        Slip(
            "without rounding",
            FIND + WORK + "def find_first_error(chain):\n"
            "    for found in re.finditer(EQUATION, chain):\n"
            "        if work(*found.groups()[:3]) != float(found[4]):\n"
            "            return found[0]",
            "every equation is right",
        ),
        Slip(
            "only whole numbers",
            "import re\n" + WORK + "def find_first_error(chain):\n"
            "    for found in re.finditer(r'(\\d+) ([-+*/]) (\\d+) = (\\d+)', chain):\n"
            "        if abs(work(*found.groups()[:3]) - float(found[4])) > 0.005:\n"
            "            return found[0]",
            "every equation is right",
        ),
        Slip(
            "no minus in the result",
            "import re\n" + WORK + "def find_first_error(chain):\n"
            "    for found in re.finditer(r'(\\d+\\.?\\d*) ([-+*/]) (\\d+\\.?\\d*) = -?(\\d+\\.?\\d*)', chain):\n"
            "        if abs(work(*found.groups()[:3]) - float(found[4])) > 0.005:\n"
            "            return found[0]",
            "In “12 - 20 = -8” every equation is right",
        ),
        Slip(
            "only the last equation",
            FIND + WORK + "def find_first_error(chain):\n"
            "    for found in list(re.finditer(EQUATION, chain))[-1:]:\n"
            "        if abs(work(*found.groups()[:3]) - float(found[4])) > 0.005:\n"
            "            return found[0]",
            "it found none",
        ),
        Slip(
            "the true result",
            FIND + WORK + "def find_first_error(chain):\n"
            "    for found in re.finditer(EQUATION, chain):\n"
            "        true = work(*found.groups()[:3])\n"
            "        if abs(true - float(found[4])) > 0.005:\n"
            "            return f'{found[1]} {found[2]} {found[3]} = {true:g}'",
            "it gave “117 + 8 = 125”",
        ),
        Slip(
            "whether there is one",
            FIND + WORK + "def find_first_error(chain):\n"
            "    parts = re.findall(EQUATION, chain)\n"
            "    return any(abs(work(*part[:3]) - float(part[3])) > 0.005 for part in parts)",
            "It gave a bool",
        ),
        Slip(
            "the whole chain",
            FIND + WORK + "def find_first_error(chain):\n"
            "    parts = re.findall(EQUATION, chain)\n"
            "    return chain if any(abs(work(*part[:3]) - float(part[3])) > 0.005 for part in parts) else None",
            "nothing around it",
        ),
    ],
    "07.3": [
        Slip(
            "chooses on test",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    name = max(test_reports, key=lambda name: test_reports[name].score.value)\n"
            "    return name, test_reports[name]",
            "It opened the test report of",
        ),
        Slip(
            "chooses on both",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    name = max(dev_reports, key=lambda n: dev_reports[n].score.value + test_reports[n].score.value)\n"
            "    return name, test_reports[name]",
            "It opened the test report of",
        ),
        Slip(
            "the dev report",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    name = max(dev_reports, key=lambda name: dev_reports[name].score.value)\n"
            "    return name, dev_reports[name]",
            "not that instruction's report on test",
        ),
        Slip(
            "only the name",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    return max(dev_reports, key=lambda name: dev_reports[name].score.value)",
            "two things",
        ),
        Slip(
            "the last of equal ones",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    name = sorted(dev_reports, key=lambda name: dev_reports[name].score.value)[-1]\n"
            "    return name, test_reports[name]",
            "It opened the test report of question",
        ),
        Slip(
            "the worst",
            "def choose_on_dev(dev_reports, test_reports):\n"
            "    name = min(dev_reports, key=lambda name: dev_reports[name].score.value)\n"
            "    return name, test_reports[name]",
            "It opened the test report of plain",
        ),
        Slip(
            "the first",
            "def choose_on_dev(dev_reports, test_reports):\n    name = list(dev_reports)[0]\n    return name, None",
            "It chose 'plain'",
        ),
    ],
    "07.4": [
        Slip(
            "the mean of the candidates",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    draws = np.random.default_rng(1).binomial(num_examples, accuracy, size=(4000, num_candidates))\n"
            "    return draws.mean() / num_examples - accuracy",
            "Do several candidates take part?",
        ),
        Slip(
            "the best score itself",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    draws = np.random.default_rng(1).binomial(num_examples, accuracy, size=(4000, num_candidates))\n"
            "    return draws.max(axis=1).mean() / num_examples",
            "that is the best score itself",
        ),
        Slip(
            "points",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    draws = np.random.default_rng(1).binomial(num_examples, accuracy, size=(4000, num_candidates))\n"
            "    return 100 * (draws.max(axis=1).mean() / num_examples - accuracy)",
            "that looks like points",
        ),
        Slip(
            "the best of all rounds",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    draws = np.random.default_rng(1).binomial(num_examples, accuracy, size=(4000, num_candidates))\n"
            "    return draws.max() / num_examples - accuracy",
            "more than 0.015 away",
        ),
        Slip(
            "nothing",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n    return 0.0",
            "Do several candidates take part?",
        ),
        Slip(
            "one standard deviation",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    return (accuracy * (1 - accuracy) / num_examples) ** 0.5",
            "more than 0.015 away",
        ),
        Slip(
            "the distance, not the excess",
            "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
            "    draws = np.random.default_rng(1).binomial(num_examples, accuracy, size=(4000, num_candidates))\n"
            "    return np.abs(draws.max(axis=1) / num_examples - accuracy).mean()",
            "A single candidate has no optimism",
        ),
    ],
}

# Answers of another form that are right all the same.
ALSO_RIGHT = {
    "07.1": [
        "def take_quorum(answers, share):\n"
        "    kept = {a for a in answers if a is not None and answers.count(a) / len(answers) >= share}\n"
        "    return kept.pop() if len(kept) == 1 else None",
    ],
    "07.2": [
        FIND + WORK + "def find_first_error(chain):\n"
        "    for part in re.finditer(EQUATION, chain):\n"
        "        if round(abs(work(*part.groups()[:3]) - float(part[4])), 6) > 0.005:\n"
        "            return part.group()\n"
        "    return None",
    ],
    "07.3": [
        "def choose_on_dev(dev_reports, test_reports):\n"
        "    best = None\n"
        "    for name, report in dev_reports.items():\n"
        "        if best is None or report.score.value > dev_reports[best].score.value:\n"
        "            best = name\n"
        "    return [best, test_reports[best]]",
    ],
    "07.4": [
        "import random\n"
        "def estimate_optimism(accuracy, num_examples, num_candidates):\n"
        "    rng = np.random.default_rng(3)\n"
        "    best = [max(rng.binomial(num_examples, accuracy, num_candidates)) for _ in range(3000)]\n"
        "    return sum(best) / len(best) / num_examples - accuracy",
    ],
}

# Answers that work in part and raise in part.
RAISING = {
    "07.1": [
        (
            COUNTER + "def take_quorum(answers, share):\n"
            "    answer, count = Counter(a for a in answers if a is not None).most_common(1)[0]\n"
            "    several = answers.count(answer) * 2 == len(answers) and None not in answers\n"
            "    return answer if count >= share * len(answers) and not several else None",
            "IndexError",
            "([None, None], 0.5)",
        )
    ],
    "07.2": [
        (
            "import re\n" + WORK + "def find_first_error(chain):\n"
            "    first = re.search(r'(\\S+) ([-+*/]) (\\S+) = (\\S+)', chain)\n"
            "    return None if work(*first.groups()[:3]) == float(first[4]) else first[0]",
            "ValueError",
            "'9 * 13 = 117, 117 + 8 = 125'",
        )
    ],
}
