"""Claims about the generated word problems and date questions, each checked without the generator's own checks."""

import csv
import importlib.util
import io
import json
import re
import sys
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"
LEVELS = ("1", "2", "3", "4")
COUNTS = {
    "word_problems.csv": {"shots": 6, "dev": 20, "test": 40},
    "date_questions.csv": {"shots": 3, "dev": 12, "test": 32},
}
OPERATIONS = {"add_days", "add_weeks", "add_months", "add_working_days", "subtract_days", "days_between"}


def load_generator():
    spec = importlib.util.spec_from_file_location("make_problems", DATA / "make_problems.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def load_rows(name):
    return list(csv.DictReader(io.StringIO((DATA / name).read_text(encoding="utf-8"), newline="")))


GENERATOR = load_generator()
ROWS = {name: load_rows(name) for name in COUNTS}
WORDS, DATES = ROWS["word_problems.csv"], ROWS["date_questions.csv"]
both_files = pytest.mark.parametrize("name", list(COUNTS))


def run(program):
    names = {}
    exec(program, names)
    return names["answer"]


def remove_digits(text):
    return re.sub(r"\d", "", text)


def remove_names(text):
    return re.sub(rf"\b({'|'.join(GENERATOR.WORD_NAMES)})\b", "", remove_digits(text))


def find_numbers(text):
    return re.findall(r"\d+(?:\.\d+)?", text)


def find_scenario(question):
    """Return the number of the scenario and its wording; there must be just one."""
    found = [
        (number, wording)
        for number, scenario in enumerate(GENERATOR.WORD_SCENARIOS)
        for wording in scenario.wordings
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", r"[\\w.]+", re.escape(wording)), question)
    ]
    assert len(found) == 1, (question, found)
    return found[0]


def solve(symbols):
    """Return the answer, by counting days one at a time."""
    call = json.loads(symbols)
    assert list(call) == ["start", "operation", "value"]
    assert all(isinstance(value, str) for value in call.values())
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


# Both files


def test_generating_again_gives_the_stored_bytes():
    for name, content in GENERATOR.make_files().items():
        assert (DATA / name).read_bytes() == content, name


def test_another_seed_gives_other_questions():
    assert GENERATOR.make_word_problems(1) != GENERATOR.make_word_problems(2)
    assert GENERATOR.make_date_questions(1) != GENERATOR.make_date_questions(2)


@both_files
def test_lines_end_with_a_line_feed_alone(name):
    assert b"\r" not in (DATA / name).read_bytes()


@both_files
def test_each_split_has_its_count_at_each_level(name):
    found = Counter((row["split"], row["level"]) for row in ROWS[name])
    assert found == {(split, level): count for split, count in COUNTS[name].items() for level in LEVELS}


@both_files
def test_ids_name_the_split_and_count_up(name):
    for split, count in COUNTS[name].items():
        width = max(2, len(str(4 * count)))
        ids = [row["id"] for row in ROWS[name] if row["split"] == split]
        assert ids == [f"{name[0]}-{split}-{number:0{width}}" for number in range(1, 4 * count + 1)]


@both_files
def test_no_field_is_empty(name):
    assert all(value for row in ROWS[name] for value in row.values())


@both_files
def test_no_question_comes_twice(name):
    assert len({row["question"] for row in ROWS[name]}) == len(ROWS[name])


def test_no_two_date_questions_differ_only_in_numbers_months_and_weekdays():
    assert len({GENERATOR.strip_numbers(row["question"]) for row in DATES}) == len(DATES)


@both_files
def test_the_text_of_a_shot_without_its_digits_and_names_appears_nowhere_else(name):
    texts = Counter(remove_names(row["question"]) for row in ROWS[name])
    assert all(texts[remove_names(row["question"])] == 1 for row in ROWS[name] if row["split"] == "shots")


def test_no_wording_of_a_shot_of_the_date_questions_is_used_again():
    wordings = [wording for scenario in GENERATOR.DATE_SCENARIOS for wording in scenario.wordings]
    used = {"shots": set(), "others": set()}
    for wording in wordings:
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", ".+?", re.escape(wording)))
        for row in DATES:
            if pattern.fullmatch(row["question"]):
                used["shots" if row["split"] == "shots" else "others"].add(wording)
    assert len(used["shots"]) == 4 * COUNTS["date_questions.csv"]["shots"]
    assert not used["shots"] & used["others"]


@both_files
def test_the_reasoning_is_short_and_ends_with_the_answer(name):
    for row in ROWS[name]:
        sentences = re.split(r"(?<=\.) ", row["reasoning"])
        assert 2 <= len(sentences) <= (5 if row["level"] == "4" else 4), row["id"]
        assert sentences[-1] == f"The answer is {row['answer']}.", row["id"]


@both_files
def test_every_equation_in_the_reasoning_holds(name):
    for row in ROWS[name]:
        number = r"\(?\d+(?:\.\d+)?\)?"
        equations = re.findall(rf"({number}(?: [-+*/] {number})+) = ({number})", row["reasoning"])
        assert len(equations) == row["reasoning"].count("="), row["id"]
        assert all(GENERATOR.evaluate(left) == Fraction(right) for left, right in equations), row["id"]


@both_files
def test_the_last_line_of_each_program_assigns_the_answer(name):
    assert all(row["program"].splitlines()[-1].startswith("answer = ") for row in ROWS[name])


# Word problems


def test_each_expression_gives_the_answer_exactly_and_with_floats():
    for row in WORDS:
        assert re.fullmatch(r"[\d.()+*/ -]+", row["expression"]), row["id"]
        assert GENERATOR.evaluate(row["expression"]) == Fraction(row["answer"]), row["id"]
        assert eval(row["expression"]) == float(row["answer"]), row["id"]


def test_each_program_of_a_word_problem_gives_the_answer():
    for row in WORDS:
        assert run(row["program"]) == float(row["answer"]), row["id"]


def test_answers_of_word_problems_are_plain_positive_numbers():
    for row in WORDS:
        assert re.fullmatch(r"[1-9]\d*(\.\d?[1-9])?", row["answer"]), row["id"]


def test_only_amounts_of_money_have_decimals():
    for row in WORDS:
        if "euros" not in row["question"]:
            assert not re.search(r"\d\.\d", row["question"] + row["reasoning"]), row["id"]


def test_no_answer_can_be_copied_from_its_question():
    for row in WORDS:
        assert float(row["answer"]) not in {float(number) for number in find_numbers(row["question"])}, row["id"]


def test_easy_word_problems_have_12_to_28_words_and_hard_ones_up_to_45():
    for row in WORDS:
        assert 12 <= len(row["question"].split()) <= (28 if row["level"] in "12" else 45), row["id"]


def test_the_rows_of_each_split_go_round_the_levels():
    for split, count in COUNTS["word_problems.csv"].items():
        assert [row["level"] for row in WORDS if row["split"] == split] == [*LEVELS] * count


def test_each_level_has_six_scenarios_with_four_wordings_that_are_spread_evenly():
    for level in LEVELS:
        scenarios = [scenario for scenario in GENERATOR.WORD_SCENARIOS if str(scenario.level) == level]
        assert [len(scenario.wordings) for scenario in scenarios] == [4] * 6
        for split, count in COUNTS["word_problems.csv"].items():
            rows = [row for row in WORDS if (row["split"], row["level"]) == (split, level)]
            found = Counter(find_scenario(row["question"])[0] for row in rows)
            assert sorted(set(found.values())) in ([count // 6], [count // 6, count // 6 + 1])
            assert len(found) == 6


def test_the_wording_of_a_shot_is_used_once_and_other_wordings_of_its_scenario_elsewhere():
    wordings = Counter(find_scenario(row["question"]) for row in WORDS)
    for row in WORDS:
        if row["split"] == "shots":
            scenario, wording = find_scenario(row["question"])
            assert wordings[scenario, wording] == 1, row["id"]
            assert sum(number == scenario for number, _ in wordings) == 4, row["id"]


def test_the_level_says_how_many_operations_there_are():
    for row in WORDS:
        count = len(re.findall(r"[-+*/]", row["expression"]))
        is_hard = "percent" in row["question"] or set(find_numbers(row["question"])) > set(
            find_numbers(row["expression"])
        )
        is_in_cents = "." in row["expression"]
        fits = {
            "1": count == 1,
            "2": count == 2,
            "3": count == 3 or (count == 2 and is_in_cents),
            "4": count == 4 or is_hard,
        }
        assert fits[row["level"]], row["id"]
        if row["level"] != "4":
            assert row["reasoning"].count("=") == count, row["id"]


def test_level_1_has_every_operation_and_divides_by_small_numbers():
    assert {row["expression"].split()[1] for row in WORDS if row["level"] == "1"} == set("+-*/")
    for row in WORDS:
        if row["level"] in "12" and "/" in row["expression"]:
            assert 2 <= int(row["expression"].split()[-1]) <= 9, row["id"]


def test_easy_problems_have_whole_numbers_of_2_to_9_and_11_to_60():
    for row in WORDS:
        if row["level"] in "12":
            assert {int(number) for number in find_numbers(row["question"])} <= {*range(2, 10), *range(11, 61)}


def test_expressions_hold_the_numbers_in_the_order_of_the_question():
    for row in WORDS:
        asked, used = find_numbers(row["question"]), find_numbers(row["expression"])
        if row["level"] != "4":
            assert used == asked, row["id"]
            assert "(" not in row["expression"], row["id"]
        else:
            assert [number for number in used if number != "100"] == [n for n in asked if n in used], row["id"]


def test_programs_have_a_line_for_each_number_of_the_expression_and_one_for_the_answer():
    for row in WORDS:
        *lines, last = row["program"].splitlines()
        assert len(lines) <= 5, row["id"]
        numbers = [re.fullmatch(r"[a-z_]+ = ([\d.]+)", line)[1] for line in lines]
        assert numbers == [number for number in find_numbers(row["expression"]) if number != "100"], row["id"]
        values = dict(line.split(" = ") for line in lines)
        formula = last.removeprefix("answer = ")
        assert re.sub(r"[a-z_]+", lambda name, values=values: values[name[0]], formula) == row["expression"], row["id"]


def test_some_hard_problems_hold_a_number_that_does_not_matter():
    for split in COUNTS["word_problems.csv"]:
        rows = [row for row in WORDS if (row["split"], row["level"]) == (split, "4")]
        assert any(set(find_numbers(row["question"])) > set(find_numbers(row["expression"])) for row in rows)


# Date questions


def test_each_operation_is_known_and_every_one_is_used():
    assert {json.loads(row["symbols"])["operation"] for row in DATES} == OPERATIONS


def test_the_symbols_give_the_answer():
    for row in DATES:
        assert solve(row["symbols"]) == row["answer"], row["id"]


def test_each_program_of_a_date_question_gives_the_answer():
    for row in DATES:
        assert str(run(row["program"])) == row["answer"], row["id"]


def test_programs_of_date_questions_import_only_dates():
    for row in DATES:
        imports = [line for line in row["program"].splitlines() if "import" in line]
        assert len(imports) == 1, row["id"]
        assert imports[0] in {"from datetime import date", "from datetime import date, timedelta"}, row["id"]


def test_answers_are_iso_dates_or_for_days_between_a_whole_number():
    for row in DATES:
        if json.loads(row["symbols"])["operation"] == "days_between":
            assert re.fullmatch(r"[1-9]\d*", row["answer"]), row["id"]
        else:
            assert date.fromisoformat(row["answer"]).isoformat() == row["answer"], row["id"]


def test_no_date_in_digits_can_be_read_with_the_month_first():
    found = [date for row in DATES for date in re.findall(r"\b(\d\d)\.\d\d\.\d{4}", row["question"])]
    assert found
    assert all(int(day) > 12 for day in found)


def test_every_weekday_beside_a_date_is_right():
    months = {month: number for number, month in enumerate(GENERATOR.MONTHS, 1)}
    found = 0
    for row in DATES:
        text = row["question"] + " " + row["reasoning"]
        for weekday, day, month, year in re.findall(r"\b([A-Z][a-z]{2}) (\d+) ([A-Z][a-z]+) (\d{4})", text):
            assert date(int(year), months[month], int(day)).strftime("%a") == weekday, row["id"]
            found += 1
    assert found > 20


def test_level_1_stays_within_the_month_and_level_2_leaves_it():
    for row in DATES:
        start = json.loads(row["symbols"])["start"]
        if row["level"] in "12":
            assert (start[:7] == row["answer"][:7]) == (row["level"] == "1"), row["id"]


def test_each_level_has_the_operations_it_promises():
    found = {
        level: {json.loads(row["symbols"])["operation"] for row in DATES if row["level"] == level} for level in LEVELS
    }
    assert found == {
        "1": {"add_days"},
        "2": {"add_days", "subtract_days"},
        "3": {"days_between", "add_weeks", "add_months"},
        "4": {"add_working_days", "subtract_days", "add_days"},
    }


def test_the_years_hold_leap_days_and_ends_of_years():
    starts = [date.fromisoformat(json.loads(row["symbols"])["start"]) for row in DATES]
    assert sum(day.month == 2 and day.year % 4 == 0 for day in starts) >= 10
    assert (
        sum(row["answer"][:4] > str(day.year) for row, day in zip(DATES, starts, strict=True) if "-" in row["answer"])
        >= 10
    )
