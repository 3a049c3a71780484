"""Claims about the shipped data, and that a malformed file is named with its line."""

import difflib
import itertools
import re
import unicodedata
from collections import Counter

import pytest

from llmops_utils.datasets import FactQuestion, ShopSentence, load_fact_questions, load_shop_sentences
from llmops_utils.errors import DataError
from llmops_utils.settings import DATA

TOPICS = ("geography", "science", "nature", "history", "language", "arts", "everyday", "numbers")
LEVELS = ("easy", "medium", "hard")
FACT_HEADER = "id,topic,difficulty,question,accepted"
SHOP_HEADER = "id,english,french,german,spanish"
FACT = "f001,geography,easy,What is the capital city of France?,Paris"
SHOP = "t01,The kettle is broken.,La bouilloire est cassée.,Der Wasserkocher ist kaputt.,El hervidor está roto."


def normalize(text):
    """Return lower-case words without accents and punctuation, with one space around each."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return " " + " ".join(re.findall(r"\w+", plain)) + " "


def find_near(texts, limit=0.9):
    """Return the pairs of texts that are nearly the same."""
    near = []
    matcher = difflib.SequenceMatcher(autojunk=False)
    for one, other in itertools.combinations([normalize(text) for text in texts], 2):
        matcher.set_seqs(one, other)
        if matcher.real_quick_ratio() >= limit and matcher.quick_ratio() >= limit and matcher.ratio() >= limit:
            near.append((one, other))
    return near


# The questions


def test_there_are_15_questions_in_each_topic():
    assert Counter(question.topic for question in load_fact_questions()) == dict.fromkeys(TOPICS, 15)


def test_each_topic_has_five_questions_of_each_difficulty():
    found = Counter((question.topic, question.difficulty) for question in load_fact_questions())
    assert found == dict.fromkeys(itertools.product(TOPICS, LEVELS), 5)


def test_ids_of_questions_are_unique_and_count_up():
    assert [question.id for question in load_fact_questions()] == [f"f{number:03}" for number in range(1, 121)]


def test_a_question_has_the_types_it_promises():
    first = load_fact_questions()[0]
    assert first == FactQuestion("f001", "geography", "easy", "What is the capital city of France?", ("Paris",))
    fifth = load_fact_questions()[4]
    assert fifth.accepted == ("Atlantic", "Atlantic Ocean")


def test_no_question_tells_its_answer():
    told = [
        (question.id, answer)
        for question in load_fact_questions()
        for answer in question.accepted
        if normalize(answer) in normalize(question.question)
    ]
    assert told == []


def test_no_two_questions_are_nearly_the_same():
    assert find_near([question.question for question in load_fact_questions()]) == []


def test_near_duplicates_would_be_found():
    assert len(find_near(["Who wrote 'Tosca', the opera?", "Who wrote “Tosca”, the Opera", "Something else"])) == 1


def test_no_question_lists_an_answer_twice():
    twice = [question.id for question in load_fact_questions() if len(set(question.accepted)) != len(question.accepted)]
    assert twice == []


def test_every_accepted_answer_has_a_word_to_look_for():
    empty = [
        (question.id, answer)
        for question in load_fact_questions()
        for answer in question.accepted
        if not normalize(answer).strip()
    ]
    assert empty == []


def test_texts_have_no_space_around_them_and_no_line_break():
    loose = [
        text
        for record in [*load_fact_questions(), *load_shop_sentences()]
        for value in vars(record).values()
        for text in ([value] if isinstance(value, str) else value)
        if text != " ".join(text.split())
    ]
    assert loose == []


def test_every_question_ends_with_a_question_mark():
    assert [question.id for question in load_fact_questions() if not question.question.endswith("?")] == []


# The sentences


def test_there_are_12_sentences_with_unique_ids():
    assert [sentence.id for sentence in load_shop_sentences()] == [f"t{number:02}" for number in range(1, 13)]


def test_a_sentence_stands_in_four_languages():
    assert load_shop_sentences()[0] == ShopSentence(*SHOP.split(","))
    same = [
        one.id for one in load_shop_sentences() if len({normalize(text) for text in list(vars(one).values())[1:]}) != 4
    ]
    assert same == []


def test_no_two_sentences_are_nearly_the_same():
    assert find_near([sentence.english for sentence in load_shop_sentences()]) == []


def test_the_readme_counts_the_rows():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert f"| `fact_questions.csv` | {len(load_fact_questions())} |" in readme
    assert f"| `shop_sentences.csv` | {len(load_shop_sentences())} |" in readme


# Malformed files


@pytest.fixture
def make_file(tmp_path):
    def write(*lines, encoding="utf-8"):
        path = tmp_path / "rows.csv"
        path.write_bytes("".join(line + "\n" for line in lines).encode(encoding))
        return path

    return write


LOADERS = [
    pytest.param(load_fact_questions, FACT_HEADER, FACT, id="questions"),
    pytest.param(load_shop_sentences, SHOP_HEADER, SHOP, id="sentences"),
]


@pytest.mark.parametrize(("load", "header", "row"), LOADERS)
def test_a_whole_file_is_read(make_file, load, header, row):
    assert [record.id for record in load(make_file(header, row, row.replace("01", "02", 1)))] == [
        row.split(",")[0],
        row.split(",")[0].replace("01", "02"),
    ]


@pytest.mark.parametrize("load", [load_fact_questions, load_shop_sentences])
def test_a_missing_file_is_named(tmp_path, load):
    with pytest.raises(DataError, match=r"gone\.csv cannot be read") as caught:
        load(tmp_path / "gone.csv")
    assert caught.value.next_step == "Restore it: `git checkout data`."


@pytest.mark.parametrize(("load", "header", "row"), LOADERS)
def test_a_file_without_rows_is_named(make_file, load, header, row):
    for lines in ([], [header]):
        with pytest.raises(DataError, match=r"rows\.csv holds no rows"):
            load(make_file(*lines))


@pytest.mark.parametrize(("load", "header", "row"), LOADERS)
def test_a_file_that_is_not_utf_8_is_named(make_file, load, header, row):
    with pytest.raises(DataError, match=r"rows\.csv cannot be read") as caught:
        load(make_file(header, row.replace("a", "é"), encoding="latin-1"))
    assert "utf-8" in caught.value.problem.lower()


@pytest.mark.parametrize(("load", "header", "row"), LOADERS)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda row: row + ",more", "too many, too few or empty fields"),
        (lambda row: row.rsplit(",", 1)[0], "too many, too few or empty fields"),
        (lambda row: row.rsplit(",", 1)[0] + ",", "too many, too few or empty fields"),
        (lambda row: "," + row.split(",", 1)[1], "too many, too few or empty fields"),
        (lambda row: row.rsplit(",", 2)[0] + ",  ," + row.rsplit(",", 1)[1], "empty field"),
        (lambda row: row.replace("02", "01", 1), "stands twice"),
    ],
    ids=["too many", "too few", "last empty", "first empty", "only spaces", "twice"],
)
def test_a_malformed_row_is_named_with_file_and_line(make_file, load, header, row, spoil, said):
    second = spoil(row.replace("01", "02", 1))
    with pytest.raises(DataError) as caught:
        load(make_file(header, row, second))
    assert caught.value.problem.startswith("rows.csv, line 3: ")
    assert said in caught.value.problem
    assert caught.value.next_step == "Mend the row, or restore the file."


def test_an_unknown_difficulty_is_named_with_file_and_line(make_file):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: difficulty is “tricky”"):
        load_fact_questions(make_file(FACT_HEADER, FACT.replace("easy", "tricky")))


def test_a_question_without_an_accepted_answer_is_named_with_file_and_line(make_file):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: no accepted answer"):
        load_fact_questions(make_file(FACT_HEADER, FACT.replace("Paris", " | ")))


def test_a_missing_column_is_named(make_file):
    rows = [line.rsplit(",", 1)[0] for line in (FACT_HEADER, FACT)]
    with pytest.raises(DataError, match=r"rows\.csv, line 2: 'accepted'"):
        load_fact_questions(make_file(*rows))


def test_lines_are_counted_over_line_breaks_inside_quotes(make_file):
    broken = 'f002,geography,easy,"What is\nthe capital of Italy?",Rome'
    with pytest.raises(DataError, match=r"rows\.csv, line 5: "):
        load_fact_questions(make_file(FACT_HEADER, FACT, broken, "f003,too,few"))
