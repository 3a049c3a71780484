"""Claims about a learner's own run: with few examples, what a lesson says agrees with the numbers beside it."""

import html
import re

import nbformat
import pytest

from llmops_utils.core import NOTEBOOKS
from llmops_utils.course.notebooks import find_notebooks, run_notebook

TECHNIQUES = ("06_1", "06_2", "06_3")
SENTENCE = re.compile(
    r"(Yours: )?(?:Whether )?.+ (?:(helps|hurts)|helps or hurts cannot be told): (\d+)% → (\d+)%, ([+-]\d+) points "
    r"\[([+-]\d+), ([+-]\d+)\], p ([=<] \S+?)(?: among \d+ verdicts)?, n = (\d+) \((.+?)\)\."
)


def list_contradictions(text):
    """Return the sentences of a measured table's text that do not agree with their own numbers, and how many are yours."""
    wrong, num_own = [], 0
    for line in text.splitlines():
        if found := SENTENCE.match(line):
            own, verdict, before, after, change, low, high, told_p, num, _ = found.groups()
            p = 0.0 if told_p.startswith("<") else float(told_p[2:])
            before, after, change, low, high = map(float, (before, after, change, low, high))
            is_right = {"helps": change > 0 and p < 0.05, "hurts": change < 0 and p < 0.05, None: p >= 0.05}[verdict]
            is_right &= abs(after - before - change) <= 1 and low <= change <= high and (not own or int(num) <= 8)
            num_own += bool(own)
            wrong += [] if is_right else [line]
        elif not re.match(r"[\d or]+ examples decide little: ", line):
            wrong.append(f"no sentence of a result: {line}")
    if num_own and "examples decide little" not in text:
        wrong.append("nothing is said of how little so few examples decide")
    return wrong, num_own


def test_a_sentence_against_its_numbers_is_found():
    told = "Few-shot on intent helps: 12% → 38%, +26 points [+14, +38], p < 0.001 among 7 verdicts, n = 104 (base)."
    own = "Yours: Whether few-shot on intent helps or hurts cannot be told: 12% → 38%, +25 points [-9, +60], p = 0.5, n = 8 (m)."
    few = "8 examples decide little: a verdict needs at least 6 answers that change, all of them in one direction."
    assert list_contradictions(f"{told}\n{own}\n{few}") == ([], 1)
    for old, new in (
        ("helps:", "hurts:"),
        ("< 0.001", "= 0.21"),
        ("+26", "+16"),
        ("n = 8", "n = 80"),
        ("p = 0.5", "p = 0.01"),
    ):
        assert len(list_contradictions(f"{told}\n{own}\n{few}".replace(old, new))[0]) == 1, new
    assert list_contradictions(own)[0]


@pytest.mark.live
@pytest.mark.parametrize("address", TECHNIQUES)
def test_a_live_run_with_eight_examples_contradicts_none_of_its_sentences(address):
    [path] = find_notebooks(address)
    notebook = run_notebook(nbformat.read(path, 4), NOTEBOOKS, "live", LLMOPS_EXAMPLES="8")
    shown = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    tables = [one for one in shown if "→ with</th>" in one["data"].get("text/html", "")]
    assert tables
    for table in tables:
        text = table["data"]["text/plain"]
        wrong, num_own = list_contradictions(text)
        assert num_own
        assert not wrong
        page = html.unescape(table["data"]["text/html"])
        assert all(line in page for line in text.splitlines()), "the page says something else than the text"
        for _, verdict, before, after, *_, num, model in (found.groups() for found in SENTENCE.finditer(text)):
            row = rf"<td[^>]*>{re.escape(model)}</td><td[^>]*>{num}</td><td[^>]*>{before}% → {after}%"
            assert re.search(rf"{row}.*?<td[^>]*>{verdict or 'cannot tell'}</td>", page), (model, num, verdict)
