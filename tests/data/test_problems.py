"""Claims about word problems and date questions, those of the course and new ones: all forms of a solution agree."""

import json
import re
import sys
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction

import pytest

from llmops_utils.datasets import Problem, load_date_questions, load_records, load_word_problems

LEVELS = (1, 2, 3, 4)
WORDS, DATES = load_word_problems(), load_date_questions()
NAMES = re.compile(r"\b(Ana|Ben|Tom|Ines|Emma|Paul|Sara|Max|Lena|Lucas|Maria|Peter|Laura|Jack)\b|\d")
NUMBER = r"\(?\d+(?:\.\d+)?\)?"


@pytest.fixture(scope="module")
def new_words(generator):
    return generator.make_word_problems(400, 5)


@pytest.fixture(scope="module")
def new_dates(generator):
    return generator.make_date_questions(400, 5)


def run(program):
    names = {}
    exec(program, names)
    return names["answer"]


def compute(expression):
    """Return the exact value of an arithmetic expression."""
    return eval(re.sub(r"\d+(?:\.\d+)?", r"Fraction('\g<0>')", expression))


def find_numbers(text):
    return re.findall(r"\d+(?:\.\d+)?", text)


def solve(symbols):
    """Return the answer of a date question, by counting days one at a time."""
    call = json.loads(symbols)
    day, operation, value = date.fromisoformat(call["start"]), call["operation"], call["value"]
    one = timedelta(days=1)
    if operation == "days_between":
        count = 0
        while day < date.fromisoformat(value):
            day, count = day + one, count + 1
        return str(count)
    if operation == "add_months":
        months = 12 * day.year + day.month - 1 + int(value)
        return str(date(months // 12, months % 12 + 1, day.day))
    left = int(value) * (7 if operation == "add_weeks" else 1)
    while left:
        day += -one if operation == "subtract_days" else one
        left -= operation != "add_working_days" or day.isoweekday() <= 5
    return str(day)


def check_form(one):
    """Return of each rule for both kinds whether reasoning, question and program keep it."""
    equations = re.findall(rf"({NUMBER}(?: [-+*/] {NUMBER})+) = ({NUMBER})", one.reasoning)
    num_sentences = len(re.findall(r"\.(?= |$)", one.reasoning))
    return (
        one.question.endswith("?"),
        10 <= len(one.question.split()) <= 45,
        one.reasoning.endswith(f". The answer is {one.answer}."),
        2 <= num_sentences <= (5 if one.level == 4 else 4),
        len(equations) == one.reasoning.count("="),
        all(compute(left) == Fraction(right) for left, right in equations),
        one.program.splitlines()[-1].startswith("answer = "),
    )


def check_word(one):
    """Return of each rule whether the forms of a word problem keep it: one answer, which takes computing."""
    asked, used = find_numbers(one.question), find_numbers(one.symbols)
    return (
        re.fullmatch(r"[\d.()+*/ -]+", one.symbols),
        compute(one.symbols) == Fraction(one.answer),
        eval(one.symbols) == float(run(one.program)) == float(one.answer),
        re.fullmatch(r"[1-9]\d*(\.\d?[1-9])?", one.answer),
        float(one.answer) not in {float(number) for number in asked},
        "euros" in one.question or not re.search(r"\d\.\d", one.question + one.reasoning),
        [number for number in used if number != "100"] == [number for number in asked if number in used],
        one.level == 4 or (asked == used and "(" not in one.symbols),
        12 <= len(one.question.split()) <= (28 if one.level <= 2 else 45),
    )


def check_date(one):
    """Return of each rule whether the forms of a date question keep it: one answer, and dates that read in one way."""
    call = json.loads(one.symbols)
    is_number = call["operation"] == "days_between"
    return (
        list(call) == ["start", "operation", "value"],
        solve(one.symbols) == str(run(one.program)) == one.answer,
        re.fullmatch(r"[1-9]\d*" if is_number else r"\d{4}-\d\d-\d\d", one.answer),
        all(int(day) > 12 for day in re.findall(r"\b(\d\d)\.\d\d\.\d{4}", one.question)),
        re.fullmatch(r"from datetime import date(, timedelta)?", one.program.splitlines()[0]),
        one.program.count("import") == 1,
        one.level > 2 or (call["start"][:7] == one.answer[:7]) == (one.level == 1),
    )


def list_faults(problems, check):
    return [one.id for one in problems if not all(check(one))]


def test_all_forms_of_a_word_problem_agree(new_words):
    for problems in (WORDS, new_words):
        assert list_faults(problems, check_form) == []
        assert list_faults(problems, check_word) == []


def test_all_forms_of_a_date_question_agree(new_dates):
    for problems in (DATES, new_dates):
        assert list_faults(problems, check_form) == []
        assert list_faults(problems, check_date) == []


def test_a_wrong_form_would_be_found(new_words, new_dates):
    word, dated = vars(new_words[0]), vars(new_dates[0])
    assert list_faults([Problem(**word | {"symbols": word["symbols"] + " + 1"})], check_word) == [word["id"]]
    assert list_faults([Problem(**word | {"program": "answer = 0"})], check_word) == [word["id"]]
    assert list_faults([Problem(**dated | {"answer": "2020-01-01"})], check_date) == [dated["id"]]
    assert list_faults([Problem(**word | {"reasoning": word["reasoning"].replace("= ", "= 1")})], check_form) == [
        word["id"]
    ]


def test_every_weekday_beside_a_date_is_right(generator, new_dates):
    found = 0
    for one in [*DATES, *new_dates]:
        text = one.question + " " + one.reasoning
        for weekday, day, month, year in re.findall(r"\b([A-Z][a-z]{2}) (\d+) ([A-Z][a-z]+) (\d{4})", text):
            assert date(int(year), generator.MONTHS.index(month) + 1, int(day)).strftime("%a") == weekday, one.id
            found += 1
    assert found > 100


def test_the_level_says_how_hard_a_problem_is(new_words, new_dates):
    for one in [*WORDS, *new_words]:
        count = len(re.findall(r"[-+*/]", one.symbols))
        is_hard = "percent" in one.question or set(find_numbers(one.question)) > set(find_numbers(one.symbols))
        fits = {1: count == 1, 2: count == 2, 3: count == 3 or (count == 2 and "." in one.symbols)}
        assert fits.get(one.level, count == 4 or is_hard), one.id
        assert one.level == 4 or one.reasoning.count("=") == count, one.id
    for problems in (DATES, new_dates):
        operations = {
            level: {json.loads(p.symbols)["operation"] for p in problems if p.level == level} for level in LEVELS
        }
        assert operations == {
            1: {"add_days"},
            2: {"add_days", "subtract_days"},
            3: {"days_between", "add_weeks", "add_months"},
            4: {"add_working_days", "subtract_days", "add_days"},
        }


def test_splits_have_their_sizes_and_share_no_question():
    for problems, sizes in ((WORDS, {"shots": 6, "dev": 20, "test": 40}), (DATES, {"shots": 3, "dev": 12, "test": 32})):
        found = Counter((one.split, one.level) for one in problems)
        assert found == {(split, level): num for split, num in sizes.items() for level in LEVELS}
        assert len({one.question.casefold() for one in problems}) == len(problems)
        texts = Counter(NAMES.sub("", one.question) for one in problems)
        assert [one.id for one in problems if one.split == "shots" and texts[NAMES.sub("", one.question)] > 1] == []


def test_new_problems_repeat_with_their_seed_and_stand_nowhere_else(generator, new_words, new_dates):
    for make, new, known in (
        (generator.make_word_problems, new_words, WORDS),
        (generator.make_date_questions, new_dates, DATES),
    ):
        assert new[:40] == make(40, 5) != make(40, 6)
        assert Counter(one.level for one in new) == dict.fromkeys(LEVELS, 100)
        questions = {one.question for one in new}
        assert (len(questions), questions & {one.question for one in known}) == (400, set())


def test_the_command_writes_files_that_load_again(generator, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_problems.py", "12", "5", str(tmp_path)])
    generator.main()
    assert load_records(Problem, tmp_path / "train_word_problems.csv") == generator.make_word_problems(12, 5)
    assert load_records(Problem, tmp_path / "train_date_questions.csv") == generator.make_date_questions(12, 5)
