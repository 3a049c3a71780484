"""Claims about the shipped data, and that a malformed file is named with its line."""

import csv
import difflib
import itertools
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest

from llmops_utils.datasets import (
    INTENTS,
    SPLITS,
    Example,
    FactQuestion,
    Injection,
    Message,
    Note,
    OddMessage,
    Order,
    Problem,
    ShopSentence,
    Task,
    load_date_questions,
    load_fact_questions,
    load_injections,
    load_messages,
    load_notes,
    load_odd_messages,
    load_orders,
    load_shop_sentences,
    load_tasks,
    load_word_problems,
    make_examples,
)
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


# The customer messages


def test_there_are_480_messages_in_three_splits():
    assert [len(load_messages(split)) for split in SPLITS] == [96, 160, 224]
    assert load_messages() == [message for split in SPLITS for message in load_messages(split)]


def test_there_are_eight_intents_of_60_messages_each():
    assert len(INTENTS) == 8
    assert Counter(message.intent for message in load_messages()) == dict.fromkeys(INTENTS, 60)


@pytest.mark.parametrize("split", SPLITS)
def test_the_first_8_16_24_messages_of_a_split_hold_each_intent_equally_often(split):
    messages = load_messages(split)
    assert {message.split for message in messages} == {split}
    assert len(messages) % 8 == 0
    for num in range(8, len(messages) + 1, 8):
        found = Counter(message.intent for message in messages[:num])
        assert found == dict.fromkeys(INTENTS, num // 8), f"the first {num}"


def test_ids_of_messages_name_their_split_and_count_up():
    for split in SPLITS:
        messages = load_messages(split)
        assert [message.id for message in messages] == [
            f"m-{split}-{number:03}" for number in range(1, len(messages) + 1)
        ]


def test_a_message_has_the_labels_it_promises():
    assert load_messages()[1] == Message(
        "m-shots-002",
        "shots",
        "Do you deliver to parcel lockers too? It would be one grinder.",
        "delivery",
        "none",
        "neutral",
        "normal",
        "grinder",
        "none",
    )


def test_every_label_occurs_in_every_split():
    for split in SPLITS:
        messages = load_messages(split)
        assert {message.sentiment for message in messages} == {"negative", "neutral", "positive"}
        assert {message.urgency for message in messages} == {"normal", "high"}
        assert {message.product for message in messages} == {"kettle", "grinder", "scale", "none"}
        assert any(message.order_id != "none" for message in messages)


def test_shots_hold_one_request_each_and_the_other_splits_some_with_two():
    num = {split: sum(message.second_intent != "none" for message in load_messages(split)) for split in SPLITS}
    assert num["shots"] == 0
    assert min(num["dev"], num["test"]) >= 10


def test_no_second_intent_repeats_the_first():
    assert [message.id for message in load_messages() if message.second_intent == message.intent] == []


def test_an_order_id_stands_in_its_message_as_a_whole():
    numbered = [message for message in load_messages() if message.order_id != "none"]
    assert len(numbered) >= 40
    for message in numbered:
        assert re.search(rf"(?<!\w){re.escape(message.order_id)}(?!\w)", message.text), message.id


def test_no_message_stands_in_two_splits():
    texts = Counter(normalize(message.text) for message in load_messages())
    assert [text for text, num in texts.items() if num > 1] == []


MOST_JACCARD = 0.4
MOST_RATIO = 0.8


def find_near_messages(texts):
    """Return the pairs of indices of texts that are nearly the same without digits and case, with the reason.

    Nearly: they share over 0.4 of their word trigrams, or difflib's ratio is over 0.8.
    """
    plain = [" ".join(re.sub(r"\d", "", text).casefold().split()) for text in texts]
    trigrams = [list_trigrams(re.findall(r"\w+", text)) for text in plain]
    near = []
    for one, other in itertools.combinations(range(len(texts)), 2):
        shared, either = len(trigrams[one] & trigrams[other]), len(trigrams[one] | trigrams[other])
        if shared > MOST_JACCARD * either:
            near.append((one, other, "trigrams"))
    matcher = difflib.SequenceMatcher(autojunk=False)
    for one, other in list_candidates(plain):
        matcher.set_seqs(plain[one], plain[other])
        if matcher.ratio() > MOST_RATIO:
            near.append((one, other, "ratio"))
    return near


def list_trigrams(words):
    return {tuple(words[start : start + 3]) for start in range(len(words) - 2)}


def list_candidates(texts):
    """Return the pairs of indices whose ratio may be over 0.8; all others cannot.

    With M matches among the T characters of both, the ratio is 2 M / T. M is at most the number of characters that
    both have, and at most the longest common subsequence.
    """
    alphabet = {character: index for index, character in enumerate(sorted(set("".join(texts))))}
    counts = np.zeros((len(texts), len(alphabet)), dtype=np.int16)
    for row, text in enumerate(texts):
        for character, num in Counter(text).items():
            counts[row, alphabet[character]] = num
    sizes = counts.sum(axis=1)
    found = []
    for one in range(len(texts)):
        shared = np.minimum(counts[one], counts[one + 1 :]).sum(axis=1)
        (near,) = np.nonzero(2 * shared > MOST_RATIO * (sizes[one] + sizes[one + 1 :]))
        masks = make_masks(texts[one])
        for other in (one + 1 + int(offset) for offset in near):
            longest = measure_common(masks, len(texts[one]), texts[other])
            if 2 * longest > MOST_RATIO * (sizes[one] + sizes[other]):
                found.append((one, other))
    return found


def make_masks(text):
    """Return for each character a number whose bits are its places in the text."""
    masks = Counter()
    for place, character in enumerate(text):
        masks[character] |= 1 << place
    return masks


def measure_common(masks, size, other):
    """Return the length of the longest common subsequence, all places at once in the bits of one number.

    Source: H. Hyyrö, Bit-parallel LCS-length computation revisited, AWOCA 2004.
    """
    row = (1 << size) - 1
    for character in other:
        matched = row & masks[character]
        row = (row + matched) | (row - matched)
    return size - (row & ((1 << size) - 1)).bit_count()


@pytest.mark.parametrize(
    ("one", "other", "num"),
    [("abcde", "ace", 3), ("abc", "xyz", 0), ("", "abc", 0), ("kettle", "kettle", 6), ("abab", "baba", 3)],
)
def test_the_longest_common_subsequence_of_cases_worked_by_hand(one, other, num):
    assert measure_common(make_masks(one), len(one), other) == num


def test_no_two_messages_are_nearly_the_same():
    assert find_near_messages([message.text for message in load_messages()]) == []


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda text: text, {"trigrams", "ratio"}),
        (lambda text: text.upper() + " 12345", {"trigrams", "ratio"}),
        (lambda text: f"{text} Please answer soon.", {"trigrams", "ratio"}),
        (lambda text: text.replace("e", "3").replace("e", "E"), {"ratio"}),
        (lambda text: " ".join(text.split()[8:] + text.split()[:8]), {"trigrams"}),
    ],
    ids=["same", "case and digits", "sentence added", "letters lost", "halves swapped"],
)
def test_a_near_duplicate_among_the_messages_would_be_found(change, reasons):
    texts = [message.text for message in load_messages("dev")]
    longest = max(range(len(texts)), key=lambda index: len(texts[index]))
    near = find_near_messages([*texts, change(texts[longest])])
    assert {(one, other) for one, other, _ in near} == {(longest, len(texts))}
    assert {reason for _, _, reason in near} >= reasons


# Problems, tasks and the small tables


@pytest.mark.parametrize(
    ("load", "counts"),
    [
        (load_word_problems, {"shots": 24, "dev": 80, "test": 160}),
        (load_date_questions, {"shots": 12, "dev": 48, "test": 128}),
        (load_tasks, {"shots": 8, "dev": 40, "test": 120}),
    ],
)
def test_each_split_has_its_size_and_all_together_are_the_file(load, counts):
    assert {split: len(load(split)) for split in SPLITS} == counts
    assert {split: {record.split for record in load(split)} for split in SPLITS} == {name: {name} for name in SPLITS}
    assert len(load()) == sum(counts.values())


@pytest.mark.parametrize("load", [load_word_problems, load_date_questions])
def test_the_four_levels_are_equally_frequent_in_each_split(load):
    for split in SPLITS:
        levels = Counter(problem.level for problem in load(split))
        assert levels == dict.fromkeys((1, 2, 3, 4), len(load(split)) // 4)


@pytest.mark.parametrize("load", [load_word_problems, load_date_questions, load_tasks])
def test_no_question_stands_in_two_splits(load):
    questions = Counter(normalize(record.question) for record in load())
    assert [question for question, num in questions.items() if num > 1] == []


@pytest.mark.parametrize("load", [load_word_problems, load_date_questions])
def test_a_problem_has_its_solution_in_words_symbols_and_a_program(load):
    for problem in load():
        assert problem.reasoning.endswith(f"The answer is {problem.answer}."), problem.id
        assert "answer = " in problem.program, problem.id
        assert problem.symbols.strip(), problem.id
    first = load()[0]
    assert isinstance(first, Problem)
    assert isinstance(first.level, int)


def test_the_answer_of_a_word_problem_is_a_number_and_that_of_a_date_question_a_date_or_a_number_of_days():
    assert [one.id for one in load_word_problems() if not re.fullmatch(r"-?\d+(\.\d+)?", one.answer)] == []
    assert [one.id for one in load_date_questions() if not re.fullmatch(r"\d{4}-\d\d-\d\d|\d+", one.answer)] == []


def test_the_tools_of_a_task_are_a_tuple_of_names():
    tasks = load_tasks()
    assert all(isinstance(task, Task) and task.tools for task in tasks)
    assert len({name for task in tasks for name in task.tools}) == 3
    for split in ("dev", "test"):
        kinds = Counter(task.kind for task in load_tasks(split))
        assert len(kinds) == 5
        assert len(set(kinds.values())) == 1


def test_there_are_60_orders_with_typed_quantities():
    orders = load_orders()
    assert len(orders) == len({order.id for order in orders}) == 60
    assert all(isinstance(order, Order) and isinstance(order.quantity, int) for order in orders)
    assert all(re.fullmatch(r"PW-\d{5}", order.id) for order in orders)
    assert all(re.fullmatch(r"\d+\.\d\d", order.unit_price_eur) for order in orders)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d|none", order.delivered_on) for order in orders)


def test_there_are_24_notes_with_different_titles():
    notes = load_notes()
    assert all(isinstance(note, Note) for note in notes)
    assert len(notes) == len({note.title for note in notes}) == 24


def test_there_are_40_odd_messages_of_15_kinds():
    messages = load_odd_messages()
    assert all(isinstance(message, OddMessage) for message in messages)
    assert (len(messages), len({message.kind for message in messages})) == (40, 15)
    assert {message.intent for message in messages} == set(INTENTS)


def test_there_are_24_injections_four_of_each_kind():
    injections = load_injections()
    assert all(isinstance(injection, Injection) for injection in injections)
    assert len(injections) == 24
    assert set(Counter(injection.kind for injection in injections).values()) == {4}
    assert {injection.target for injection in injections} <= set(INTENTS)


def test_no_odd_message_and_no_injection_is_a_customer_message():
    messages = {normalize(message.text) for message in load_messages()}
    assert [one.id for one in [*load_odd_messages(), *load_injections()] if normalize(one.text) in messages] == []


def test_the_readme_counts_the_rows_of_all_files():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    files = {
        "customer_messages": load_messages,
        "word_problems": load_word_problems,
        "date_questions": load_date_questions,
        "agent_tasks": load_tasks,
        "orders": load_orders,
        "notes": load_notes,
        "odd_messages": load_odd_messages,
        "injections": load_injections,
    }
    assert [name for name, load in files.items() if f"| `{name}.csv` | {len(load())} |" not in readme] == []


@pytest.mark.parametrize("load", [load_messages, load_word_problems, load_date_questions, load_tasks])
@pytest.mark.parametrize("split", ["train", "Test", ""])
def test_an_unknown_split_is_refused_with_the_known_ones(load, split):
    with pytest.raises(DataError, match=f"“{split}” is no split of ") as caught:
        load(split)
    assert caught.value.next_step == "Choose one of shots, dev, test."


# Their malformed files

MESSAGE = {
    **{"id": "m1", "split": "dev", "text": "Where is my parcel PW-26006?", "intent": "delivery"},
    **{"second_intent": "none", "sentiment": "neutral", "urgency": "normal", "product": "none", "order_id": "PW-26006"},
}
PROBLEM = {
    **{"id": "w1", "split": "dev", "level": "1", "question": "1 + 1?", "answer": "2"},
    **{"reasoning": "The answer is 2.", "expression": "1 + 1", "program": "answer = 2"},
}
DATE_QUESTION = {("symbols" if name == "expression" else name): value for name, value in PROBLEM.items()}
TASK = {"id": "a1", "split": "dev", "kind": "order", "question": "Where?", "answer": "here", "tools": "find_order"}
ORDER = {
    **{"order_id": "PW-26006", "customer": "A B", "product": "kettle", "model": "N 1", "quantity": "2"},
    **{"unit_price_eur": "9.90", "postage_eur": "0.00", "status": "sent", "ordered_on": "2026-01-02"},
    **{"delivered_on": "none", "country": "Italy"},
}
NOTE = {"id": "n1", "title": "Hours", "text": "Open."}
ODD_MESSAGE = {"id": "o1", "kind": "html", "text": "<b>Hi</b>", "intent": "delivery"}
INJECTION = {"id": "i1", "kind": "override", "text": "Answer feedback.", "target": "feedback"}
TABLES = {
    "messages": (load_messages, MESSAGE),
    "word problems": (load_word_problems, PROBLEM),
    "date questions": (load_date_questions, DATE_QUESTION),
    "tasks": (load_tasks, TASK),
    "orders": (load_orders, ORDER),
    "notes": (load_notes, NOTE),
    "odd messages": (load_odd_messages, ODD_MESSAGE),
    "injections": (load_injections, INJECTION),
}
all_tables = pytest.mark.parametrize("table", list(TABLES))


def load_rows(load, path, *rows):
    """Return what a loader makes of rows, given as dicts; the first one says which columns there are."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    return load(path=path)


@all_tables
def test_a_whole_table_is_read(tmp_path, table):
    load, row = TABLES[table]
    key = next(iter(row))
    records = load_rows(load, tmp_path / "rows.csv", row, row | {key: row[key] + "0"})
    assert [record.id for record in records] == [row[key], row[key] + "0"]


LABELS = [
    *(("messages", column) for column in ("split", "intent", "second_intent", "sentiment", "urgency", "product")),
    *((table, "split") for table in ("word problems", "date questions", "tasks")),
    ("word problems", "level"),
    ("date questions", "level"),
    ("odd messages", "intent"),
    ("injections", "target"),
]


@pytest.mark.parametrize(("table", "column"), LABELS)
@pytest.mark.parametrize("label", ["other", "Delivery", "5"])
def test_a_label_outside_the_set_is_named_with_file_and_line(tmp_path, table, column, label):
    load, row = TABLES[table]
    with pytest.raises(DataError) as caught:
        load_rows(load, tmp_path / "rows.csv", row, row | {"id": "x2", column: label})
    assert caught.value.problem.startswith(f"rows.csv, line 3: {column} is “{label}”, not one of ")


@all_tables
def test_each_missing_column_is_named_with_file_and_line(tmp_path, table):
    load, row = TABLES[table]
    for column in row:
        with pytest.raises(DataError) as caught:
            load_rows(load, tmp_path / "rows.csv", {name: value for name, value in row.items() if name != column})
        assert caught.value.problem.startswith("rows.csv, line 2: ")
        assert f"'{column}'" in caught.value.problem or f"'{column.split('_')[-1]}'" in caught.value.problem


@all_tables
def test_a_column_too_many_is_named_with_file_and_line(tmp_path, table):
    load, row = TABLES[table]
    with pytest.raises(DataError, match=r"rows\.csv, line 2: .*'mood'"):
        load_rows(load, tmp_path / "rows.csv", row | {"mood": "good"})


@all_tables
@pytest.mark.parametrize("value", ["", "  "])
def test_each_empty_field_is_named_with_file_and_line(tmp_path, table, value):
    load, row = TABLES[table]
    for column in row:
        with pytest.raises(DataError, match=r"rows\.csv, line 2: too many, too few or empty fields"):
            load_rows(load, tmp_path / "rows.csv", row | {column: value})


@all_tables
def test_an_id_that_stands_twice_is_named_with_file_and_line(tmp_path, table):
    load, row = TABLES[table]
    with pytest.raises(DataError, match=rf"rows\.csv, line 3: the id {next(iter(row.values()))} stands twice"):
        load_rows(load, tmp_path / "rows.csv", row, row)


def test_an_order_that_is_not_in_the_text_is_named_with_file_and_line(tmp_path):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: order PW-26007 does not stand in the text"):
        load_rows(load_messages, tmp_path / "rows.csv", MESSAGE | {"order_id": "PW-26007"})


def test_an_order_that_is_a_part_of_one_in_the_text_is_named_with_file_and_line(tmp_path):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: order PW-2600 does not stand in the text"):
        load_rows(load_messages, tmp_path / "rows.csv", MESSAGE | {"order_id": "PW-2600"})


def test_a_message_without_an_order_needs_none_in_its_text(tmp_path):
    row = MESSAGE | {"text": "Where is it?", "order_id": "none"}
    assert load_rows(load_messages, tmp_path / "rows.csv", row)[0].order_id == "none"


@pytest.mark.parametrize("quantity", ["two", "1.5"])
def test_a_quantity_that_is_no_whole_number_is_named_with_file_and_line(tmp_path, quantity):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: invalid literal"):
        load_rows(load_orders, tmp_path / "rows.csv", ORDER | {"quantity": quantity})


# Examples


def test_examples_take_two_fields_of_each_record():
    examples = make_examples(load_messages("test")[:2], "text", "urgency")
    messages = load_messages("test")[:2]
    assert examples == [Example(message.id, message.text, message.urgency) for message in messages]


def test_examples_hold_texts_whatever_the_fields_are():
    (example,) = make_examples(load_word_problems("dev")[:1], "question", "level")
    assert (example.expected, type(example.expected)) == (str(load_word_problems("dev")[0].level), str)


def test_no_records_make_no_examples():
    assert make_examples([], "text", "intent") == []


@pytest.mark.parametrize(("input", "expected"), [("question", "intent"), ("text", "mood")])
def test_an_unknown_field_is_refused_with_its_name(input, expected):
    with pytest.raises(DataError, match=r"question|mood") as caught:
        make_examples(load_messages("shots"), input, expected)
    assert caught.value.next_step == "Name two fields of the record."
