"""Wrong and right answers to the exercises of chapter 11, and the names that their cells find in the notebook."""

from __future__ import annotations

from dataclasses import dataclass

from llmops_utils.evaluation import compute_mcnemar


@dataclass(frozen=True)
class Slip:
    """A plausible wrong answer: a cell as a learner would write it, and a part of what it should be told."""

    name: str
    code: str
    said: str


NAMES = {"compute_mcnemar": compute_mcnemar}

WRONG = {
    "11.1": [
        Slip(
            "contains",
            "def read_verdict(text):\n    return 'correct' in text.lower()",
            "For 'Verdict: incorrect' it returned True",
        ),
        Slip(
            "incorrect anywhere",
            "def read_verdict(text):\n"
            "    text = text.lower()\n"
            "    return False if 'incorrect' in text else True if 'correct' in text else None",
            "The price is incorrect",
        ),
        Slip(
            "whole words anywhere",
            "import re\n"
            "def read_verdict(text):\n"
            "    words = set(re.findall(r'\\w+', text.lower()))\n"
            "    return True if 'correct' in words else False if 'incorrect' in words else None",
            "'Everything seems correct at first",
        ),
        Slip(
            "after the colon",
            "def read_verdict(text):\n"
            "    end = text.lower().rpartition('verdict: ')[2].strip()\n"
            "    return False if end.startswith('incorrect') else True if end.startswith('correct') else None",
            "'Verdict: correct or incorrect' it returned True",
        ),
        Slip(
            "the last line decides",
            "def read_verdict(text):\n"
            "    last = (text.lower().splitlines() or [''])[-1].strip(' .')\n"
            "    return {'verdict: correct': True, 'verdict: incorrect': False}.get(last)",
            "Verdict: correct\\nVerdict: incorrect",
        ),
        Slip(
            "False for what cannot be read",
            "def read_verdict(text):\n"
            "    return 'verdict: correct' in [line.strip(' .') for line in text.lower().splitlines()]",
            "'The answer is correct.' it returned False",
        ),
        Slip("a text", "def read_verdict(text):\n    return text.rpartition(':')[2].strip()", "only three values"),
    ],
    "11.2": [
        Slip(
            "grades with the judge",
            "def score_chosen(candidates, judge, is_right):\n"
            "    return sum(judge(max(answers, key=judge)) for answers in candidates) / len(candidates)",
            "By the labels",
        ),
        Slip(
            "chooses by the label",
            "def score_chosen(candidates, judge, is_right):\n"
            "    return sum(any(is_right(answer) for answer in answers) for answers in candidates) / len(candidates)",
            "By the labels",
        ),
        Slip(
            "all candidates",
            "def score_chosen(candidates, judge, is_right):\n"
            "    listed = [answer for answers in candidates for answer in answers]\n"
            "    return sum(is_right(answer) for answer in listed) / len(listed)",
            "By the labels",
        ),
        Slip(
            "the last of equals",
            "def score_chosen(candidates, judge, is_right):\n"
            "    chosen = [sorted(answers, key=judge)[-1] for answers in candidates]\n"
            "    return sum(is_right(answer) for answer in chosen) / len(chosen)",
            "By the labels",
        ),
        Slip(
            "a number instead of a share",
            "def score_chosen(candidates, judge, is_right):\n"
            "    return sum(is_right(max(answers, key=judge)) for answers in candidates)",
            "it returned 1.00",
        ),
        Slip(
            "labels everything",
            "def score_chosen(candidates, judge, is_right):\n"
            "    labels = {answer: is_right(answer) for answers in candidates for answer in answers}\n"
            "    return sum(labels[max(answers, key=judge)] for answers in candidates) / len(candidates)",
            "have to be labelled",
        ),
        Slip(
            "the answers",
            "def score_chosen(candidates, judge, is_right):\n"
            "    return [max(answers, key=judge) for answers in candidates]",
            "It returned a list",
        ),
    ],
    "11.3": [
        Slip(
            "only the baseline",
            "def tell_rubric(baseline, candidate, rubric):\n    return baseline + ' ' + rubric, candidate",
            "stands 0 times in the prompt of the candidate",
        ),
        Slip(
            "once more for who knows it",
            "def tell_rubric(baseline, candidate, rubric):\n"
            "    return baseline + ' ' + rubric, candidate + ' ' + rubric",
            "stands 2 times in the prompt of the candidate",
        ),
        Slip(
            "where it stood before",
            "def tell_rubric(baseline, candidate, rubric):\n"
            "    def tell(prompt):\n"
            "        return prompt if rubric in prompt else prompt + ' ' + rubric\n"
            "    return tell(baseline), tell(candidate)",
            "not at its end",
        ),
        Slip(
            "takes it from both",
            "def tell_rubric(baseline, candidate, rubric):\n"
            "    return baseline.replace(rubric, ''), candidate.replace(rubric, '')",
            "stands 0 times",
        ),
        Slip(
            "one prompt for both",
            "def tell_rubric(baseline, candidate, rubric):\n    return baseline + ' ' + rubric, baseline + ' ' + rubric",
            "other words changed",
        ),
        Slip(
            "a list",
            "def tell_rubric(baseline, candidate, rubric):\n"
            "    return [p.replace(rubric, '') + ' ' + rubric for p in (baseline, candidate)]",
            "return two prompts",
        ),
    ],
    "11.4": [
        Slip(
            "chooses on test",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    chosen = max(candidates, key=lambda name: score(candidates[name], test))\n"
            "    return chosen, score(candidates[chosen], test)",
            "They are for one look",
        ),
        Slip(
            "reports dev",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    chosen = max(candidates, key=lambda name: score(candidates[name], dev))\n"
            "    return chosen, score(candidates[chosen], dev)",
            "free of the choice",
        ),
        Slip(
            "scores all on test",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    scores = {n: (score(s, dev), score(s, test)) for n, s in candidates.items()}\n"
            "    chosen = max(scores, key=lambda name: scores[name][0])\n"
            "    return chosen, scores[chosen][1]",
            "It scored 3 systems on the test examples",
        ),
        Slip(
            "the worst",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    chosen = min(candidates, key=lambda name: score(candidates[name], dev))\n"
            "    return chosen, score(candidates[chosen], test)",
            "it chose 'a'",
        ),
        Slip(
            "the first",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    chosen = next(iter(candidates))\n"
            "    return chosen, score(candidates[chosen], test)",
            "it chose 'a'",
        ),
        Slip(
            "only the score",
            "def choose_and_report(candidates, dev, test, score):\n"
            "    chosen = max(candidates, key=lambda name: score(candidates[name], dev))\n"
            "    return score(candidates[chosen], test)",
            "return a tuple",
        ),
    ],
    "11.5": [
        Slip(
            "more right",
            "def judge_victory(baseline, candidate, planned):\n"
            "    return 'helps' if sum(candidate) > sum(baseline) else 'hurts'",
            "12 gained and 8 lost it said “helps”",
        ),
        Slip(
            "without the plan",
            "def judge_victory(baseline, candidate, planned):\n"
            "    if compute_mcnemar(baseline, candidate) >= 0.05:\n"
            "        return 'cannot tell'\n"
            "    return 'helps' if sum(candidate) > sum(baseline) else 'hurts'",
            "With 12 examples, 84 planned",
        ),
        Slip(
            "without p",
            "def judge_victory(baseline, candidate, planned):\n"
            "    if len(baseline) < planned:\n"
            "        return 'cannot tell'\n"
            "    return 'helps' if sum(candidate) > sum(baseline) else 'hurts'",
            "12 gained and 8 lost",
        ),
        Slip(
            "the plan itself is too few",
            "def judge_victory(baseline, candidate, planned):\n"
            "    if len(baseline) <= planned or compute_mcnemar(baseline, candidate) >= 0.05:\n"
            "        return 'cannot tell'\n"
            "    return 'helps' if sum(candidate) > sum(baseline) else 'hurts'",
            "With 12 examples, 12 planned",
        ),
        Slip(
            "never hurts",
            "def judge_victory(baseline, candidate, planned):\n"
            "    is_sure = len(baseline) >= planned and compute_mcnemar(baseline, candidate) < 0.05\n"
            "    return 'helps' if is_sure else 'cannot tell'",
            "3 gained and 20 lost it said “helps”",
        ),
        Slip(
            "the wrong way round",
            "def judge_victory(baseline, candidate, planned):\n"
            "    if len(baseline) < planned or compute_mcnemar(baseline, candidate) >= 0.05:\n"
            "        return 'cannot tell'\n"
            "    return 'hurts' if sum(candidate) > sum(baseline) else 'helps'",
            "20 gained and 3 lost it said “hurts”",
        ),
        Slip(
            "True",
            "def judge_victory(baseline, candidate, planned):\n    return sum(candidate) > sum(baseline)",
            "none of the three",
        ),
    ],
    "11.6": [
        Slip(
            "asks once",
            "def judge_both_ways(judge, question, one, other):\n"
            "    return 'one' if judge(question, one, other) == 'first' else 'other'",
            "It asked the judge 1 time(s)",
        ),
        Slip(
            "asks twice in the same order",
            "def judge_both_ways(judge, question, one, other):\n"
            "    verdicts = [judge(question, one, other) for _ in range(2)]\n"
            "    return 'tie' if verdicts[0] != verdicts[1] else 'one' if verdicts[0] == 'first' else 'other'",
            "It asked the judge 2 time(s)",
        ),
        Slip(
            "compares places",
            "def judge_both_ways(judge, question, one, other):\n"
            "    before, after = judge(question, one, other), judge(question, other, one)\n"
            "    return ('one' if before == 'first' else 'other') if before == after else 'tie'",
            "it returned 'one'",
        ),
        Slip(
            "the first order decides",
            "def judge_both_ways(judge, question, one, other):\n"
            "    before, after = judge(question, one, other), judge(question, other, one)\n"
            "    return 'one' if before == 'first' else 'other'",
            "'prefer_first'",
        ),
        Slip(
            "never a winner",
            "def judge_both_ways(judge, question, one, other):\n"
            "    judge(question, one, other), judge(question, other, one)\n"
            "    return 'tie'",
            "'prefer_long'",
        ),
        Slip(
            "the answers",
            "def judge_both_ways(judge, question, one, other):\n"
            "    before = judge(question, one, other) == 'first'\n"
            "    after = judge(question, other, one) == 'second'\n"
            "    return (one if before else other) if before == after else 'tie'",
            "it returned 'banana'",
        ),
        Slip(
            "another question",
            "def judge_both_ways(judge, question, one, other):\n"
            "    before = judge('Which is better?', one, other) == 'first'\n"
            "    after = judge('Which is better?', other, one) == 'second'\n"
            "    return ('one' if before else 'other') if before == after else 'tie'",
            "another question",
        ),
    ],
}

ALSO_RIGHT = {
    "11.1": [
        "import re\ndef read_verdict(text):\n"
        "    found = set(re.findall(r'(?im)^verdict: (correct|incorrect)\\.?\\s*$', text.lower()))\n"
        "    return next(iter(found)) == 'correct' if len(found) == 1 else None",
    ],
    "11.2": [
        "def score_chosen(candidates, judge, is_right):\n"
        "    num = 0\n"
        "    for answers in candidates:\n"
        "        best = answers[0]\n"
        "        for answer in answers:\n"
        "            if judge(answer) > judge(best):\n"
        "                best = answer\n"
        "        num += is_right(best)\n"
        "    return num / len(candidates)",
    ],
    "11.3": [
        "def tell_rubric(baseline, candidate, rubric):\n"
        "    return tuple(' '.join(p.replace(rubric, '').split()) + '\\n' + rubric for p in (baseline, candidate))",
    ],
    "11.4": [
        "def choose_and_report(candidates, dev, test, score):\n"
        "    scores = {name: score(system, dev) for name, system in candidates.items()}\n"
        "    best = max(scores, key=scores.get)\n"
        "    return (best, score(candidates[best], test))",
    ],
    "11.5": [
        "def judge_victory(baseline, candidate, planned):\n"
        "    if len(candidate) >= planned and compute_mcnemar(baseline, candidate) < 0.05:\n"
        "        return 'helps' if sum(candidate) > sum(baseline) else 'hurts'\n"
        "    return 'cannot tell'",
    ],
    "11.6": [
        "def judge_both_ways(judge, question, one, other):\n"
        "    verdicts = judge(question, one, other), judge(question, other, one)\n"
        "    return {('first', 'second'): 'one', ('second', 'first'): 'other'}.get(verdicts, 'tie')",
    ],
}

RAISING = {
    "11.4": [
        (
            "def choose_and_report(candidates, dev, test, score):\n    return candidates.best(dev)",
            "AttributeError",
            "'a'",
        )
    ],
    "11.6": [
        ("def judge_both_ways(judge, question, one, other):\n    return judge(one, other)", "TypeError", "Which fruit?")
    ],
}
