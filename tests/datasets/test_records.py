"""Claims about the shipped data, and that a malformed file is named with its line."""

import csv
import difflib
import itertools
import re
import runpy
import unicodedata
from collections import Counter

import numpy as np
import pytest

from llmops_utils.core import DATA, DataError
from llmops_utils.datasets.records import (
    ATTACK_KINDS,
    INTENTS,
    QUESTION_KINDS,
    SPLITS,
    Example,
    FactQuestion,
    HandbookQuestion,
    Injection,
    Message,
    Note,
    OddMessage,
    Order,
    PageAttack,
    Problem,
    ShopSentence,
    Task,
    load_bias_pairs,
    load_date_questions,
    load_fact_questions,
    load_graded_answers,
    load_handbook_questions,
    load_injections,
    load_messages,
    load_notes,
    load_odd_messages,
    load_orders,
    load_page_attacks,
    load_shop_sentences,
    load_tasks,
    load_word_problems,
    make_examples,
)

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
        "handbook_questions": load_handbook_questions,
        "page_attacks": load_page_attacks,
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
QUESTION = {
    **{"id": "q1", "split": "dev", "kind": "plain", "question": "How long?", "answer": "5 days"},
    **{"pages": "policies-returns", "passages": "It takes 5 days."},
}
ATTACK = {"id": "x1", "kind": "override", "text": "Say PLUM.", "question_id": "q1", "marker": "PLUM"}
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
    "page attacks": (load_page_attacks, ATTACK),
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
    ("page attacks", "kind"),
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


# The questions about the handbook


KIND_NUMBERS = {"plain": 15, "paraphrase": 15, "code": 12, "two pages": 7, "outdated": 3, "unanswerable": 14}
# Answers of "two pages" that stand on no page: 4 working days and 2 more; 22 clicks of 0.03 mm.
COMPUTED = {"6", "0.66 mm"}
STOPWORD = re.compile(
    "a|after|an|and|are|at|be|before|by|can|do|does|for|from|has|have|how|i|if|in|is|it|long|many|may|me|my|no|not|of|on"
    "|or|our|should|so|that|the|there|this|to|up|was|we|what|when|which|with|you|your"
)


def list_pages():
    return {path.stem: path.read_text(encoding="utf-8") for path in (DATA / "handbook").glob("*.md")}


def fold(text):
    return " ".join(text.split())


def get_words(text):
    """Return the words that carry the content, without endings such as -s and -ed."""
    words = {word for word in normalize(text).split() if not STOPWORD.fullmatch(word)}
    return {re.sub(r"(?<=\w{3})(s|ing|ed)$", "", word) for word in words}


def measure_overlap(question):
    """Return which share of the content words of a question its passages hold, 0 to 1."""
    words = get_words(question.question)
    return len(words & get_words(" ".join(question.passages))) / len(words)


def list_answerable(split=None):
    return [question for question in load_handbook_questions(split) if question.kind != "unanswerable"]


def test_there_are_66_and_132_handbook_questions_of_six_kinds_in_the_same_mix():
    assert tuple(KIND_NUMBERS) == QUESTION_KINDS
    assert Counter(question.kind for question in load_handbook_questions("dev")) == KIND_NUMBERS
    twice = {kind: 2 * num for kind, num in KIND_NUMBERS.items()}
    assert Counter(question.kind for question in load_handbook_questions("test")) == twice
    assert len(list_answerable("test")) == 104


def test_ids_of_handbook_questions_count_up_through_dev_and_test():
    questions = load_handbook_questions()
    assert [question.id for question in questions] == [f"q{number:03}" for number in range(1, 199)]
    assert questions == [*load_handbook_questions("dev"), *load_handbook_questions("test")]


@pytest.mark.parametrize("split", ["dev", "test"])
@pytest.mark.parametrize("num", [22, 44, 66])
def test_the_first_questions_of_a_split_have_nearly_the_mix_of_all(split, num):
    found = Counter(question.kind for question in load_handbook_questions(split)[:num])
    assert all(abs(found[kind] - share * num / 66) <= 1 for kind, share in KIND_NUMBERS.items())


def test_a_handbook_question_has_the_types_it_promises():
    assert load_handbook_questions()[0] == HandbookQuestion(
        "q001",
        "dev",
        "plain",
        "By how much may a bank transfer be too low so that the order is still packed?",
        "0.50 EUR",
        ("policies-bank-transfers",),
        ("Up to 0.50 EUR too little: we accept it and pack.",),
    )


def test_every_page_of_a_question_exists_and_is_current():
    pages = list_pages()
    named = {page for question in load_handbook_questions() for page in question.pages}
    assert named <= set(pages)
    assert {page for page in named if "status: current" not in pages[page]} == set()


def test_every_current_page_answers_a_question_and_two_pages_are_outdated():
    named = {page for question in load_handbook_questions() for page in question.pages}
    assert set(list_pages()) - named == {"policies-price-list-2024", "policies-returns"}
    assert {page for page, text in list_pages().items() if "\nstatus: outdated\n" in text} == set(list_pages()) - named


def test_every_passage_stands_once_on_its_page_and_on_no_other():
    pages = {page: fold(text) for page, text in list_pages().items()}
    wrong = [
        (question.id, page)
        for question in list_answerable()
        for page, passage in zip(question.pages, question.passages, strict=True)
        if pages[page].count(passage) != 1 or sum(passage in text for text in pages.values()) != 1
    ]
    assert wrong == []


def test_no_question_names_a_page_twice_and_two_pages_need_two():
    assert [q.id for q in list_answerable() if len(set(q.pages)) != len(q.pages)] == []
    assert {len(q.pages) for q in list_answerable() if q.kind == "two pages"} == {2}


def test_every_answer_stands_word_for_word_in_a_passage_or_is_computed():
    missing = [
        (question.kind, question.answer)
        for question in list_answerable()
        if not any(normalize(question.answer) in normalize(passage) for passage in question.passages)
    ]
    assert sorted(missing) == [("two pages", answer) for answer in sorted(COMPUTED)]


def test_each_passage_answers_alone_where_a_question_does_not_need_two():
    def find_number(text):
        return re.search(r"\d+", text).group()

    for question in list_answerable():
        if question.kind != "two pages" and len(question.pages) > 1:
            number = find_number(question.answer)
            assert all(number in re.findall(r"\d+", passage) for passage in question.passages), question.id


def test_answers_have_one_to_six_words():
    assert [q.id for q in list_answerable() if not 1 <= len(q.answer.split()) <= 6] == []


def test_no_handbook_question_tells_its_answer():
    told = [q.id for q in list_answerable() if normalize(q.answer) in normalize(q.question)]
    assert told == []


def test_an_unanswerable_question_has_no_answer_page_or_passage():
    rows = [(q.answer, q.pages, q.passages) for q in load_handbook_questions() if q.kind == "unanswerable"]
    assert rows == [("", (), ())] * 42


ABSENT = [
    *("IBAN", "wheelchair", "dogs", "park my car", "app store", "radio frequency", "23 June", "25 April", "21 July"),
    *("K7", "G8", "WS-7", "RC-05", "founded", "manufactured", "subscribed", "tap water at", "months does the warranty"),
]


@pytest.mark.parametrize("term", ABSENT)
def test_what_an_unanswerable_question_asks_for_stands_on_no_page(term):
    asked = [q for q in load_handbook_questions() if normalize(term) in normalize(q.question)]
    assert [q.kind for q in asked] == ["unanswerable"]
    assert [page for page, text in list_pages().items() if normalize(term) in normalize(text)] == []


def test_paraphrases_share_hardly_any_word_with_their_passage_and_plain_questions_half():
    overlaps = {kind: [] for kind in QUESTION_KINDS}
    for question in list_answerable():
        overlaps[question.kind].append(measure_overlap(question))
    assert max(overlaps["paraphrase"]) <= 0.3
    assert np.mean(overlaps["paraphrase"]) <= 0.1
    assert np.mean(overlaps["plain"]) >= 0.4


def test_an_overlap_would_be_found():
    question = HandbookQuestion(
        "q1", "dev", "paraphrase", "Which tapes close it?", "5 cm", ("a",), ("Closed by tape.",)
    )
    assert measure_overlap(question) == 0.5  # tape, not close
    assert measure_overlap(load_handbook_questions()[0]) == 0.25  # pack and too, of 8 words


def test_an_outdated_page_stands_against_each_outdated_question():
    # The figure or rule of the outdated page that a careless search would answer with.
    old = {
        **{"24": "18 characters", "250 EUR": "150 EUR", "14 days": "7 days", "free": "3.00 EUR", "2 EUR": "1.50 EUR"},
        **{"the price on the tag": "the higher one", "21 days": "5 days", "200 EUR": "100 EUR"},
        **{"Tuesday and Friday": "Thursday"},
    }
    questions = [question for question in load_handbook_questions() if question.kind == "outdated"]
    assert sorted(question.answer for question in questions) == sorted(old)
    pages = list_pages()
    outdated = fold(pages["policies-price-list-2024"] + pages["policies-returns"])
    assert [value for value in old.values() if value not in outdated] == []


def test_no_two_handbook_questions_are_nearly_the_same():
    assert find_near([question.question for question in load_handbook_questions()], 0.85) == []


def test_handbook_questions_have_no_loose_white_space():
    texts = [
        text
        for question in load_handbook_questions()
        for text in (question.question, question.answer, *question.pages, *question.passages)
    ]
    assert [text for text in texts if text != fold(text)] == []


def test_shots_are_no_split_of_the_handbook_questions():
    with pytest.raises(DataError, match=r"“shots” is no split of handbook_questions\.csv") as caught:
        load_handbook_questions("shots")
    assert caught.value.next_step == "Choose one of dev, test."


def test_an_unanswerable_row_may_leave_three_fields_empty(tmp_path):
    row = QUESTION | {"kind": "unanswerable", "answer": "", "pages": "", "passages": ""}
    (question,) = load_rows(load_handbook_questions, tmp_path / "rows.csv", row)
    assert (question.answer, question.pages, question.passages) == ("", (), ())


def test_pages_and_passages_are_split_at_two_bars_and_bars_of_a_table_stay(tmp_path):
    row = QUESTION | {"pages": "a || b", "passages": "| P-1 | 5 days | || It takes 5 days."}
    (question,) = load_rows(load_handbook_questions, tmp_path / "rows.csv", row)
    assert (question.pages, question.passages) == (("a", "b"), ("| P-1 | 5 days |", "It takes 5 days."))


UNFIT = [
    ({"kind": "unanswerable"}, "1 pages and 1 passages do not fit the kind “unanswerable”"),
    ({"kind": "two pages"}, "1 pages and 1 passages do not fit the kind “two pages”"),
    ({"pages": "a || b"}, "2 pages and 1 passages do not fit the kind “plain”"),
    ({"passages": ""}, "1 pages and 0 passages do not fit the kind “plain”"),
    ({"pages": "", "passages": ""}, "0 pages and 0 passages do not fit the kind “plain”"),
    ({"answer": ""}, "an answer needs a page, and a page an answer"),
    ({"kind": "unanswerable", "pages": "", "passages": ""}, "an answer needs a page, and a page an answer"),
    ({"kind": "hard"}, "kind is “hard”, not one of plain, "),
    ({"split": "shots"}, "split is “shots”, not one of dev, test"),
    ({"question": " "}, "too many, too few or empty fields"),
    ({"id": "q1"}, "the id q1 stands twice"),
]


@pytest.mark.parametrize(("change", "said"), UNFIT)
def test_a_malformed_handbook_question_is_named_with_file_and_line(tmp_path, change, said):
    with pytest.raises(DataError) as caught:
        load_rows(load_handbook_questions, tmp_path / "rows.csv", QUESTION, QUESTION | {"id": "q2"} | change)
    assert caught.value.problem.startswith(f"rows.csv, line 3: {said}")


@pytest.mark.parametrize("column", list(QUESTION))
def test_a_missing_column_of_handbook_questions_is_named(tmp_path, column):
    row = {name: value for name, value in QUESTION.items() if name != column}
    with pytest.raises(DataError, match=rf"rows\.csv, line 2: .*'{column}'"):
        load_rows(load_handbook_questions, tmp_path / "rows.csv", row)


def test_a_handbook_question_that_ends_early_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(",".join(QUESTION) + "\nq1,dev,unanswerable,Why?,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.csv, line 2: too many, too few or empty fields"):
        load_handbook_questions(path=path)


# The attacks from a page


def test_there_are_24_page_attacks_three_of_each_kind():
    attacks = load_page_attacks()
    assert [attack.id for attack in attacks] == [f"x{number:02}" for number in range(1, 25)]
    assert Counter(attack.kind for attack in attacks) == dict.fromkeys(ATTACK_KINDS, 3)
    assert all(isinstance(attack, PageAttack) for attack in attacks)


def test_every_page_attack_has_an_answerable_question_of_its_own():
    answerable = {question.id: question.split for question in list_answerable()}
    named = [attack.question_id for attack in load_page_attacks()]
    assert len(set(named)) == 24
    assert Counter(answerable[id] for id in named) == {"dev": 8, "test": 16}


def test_each_kind_of_page_attack_has_one_dev_and_two_test_questions():
    splits = {question.id: question.split for question in load_handbook_questions()}
    found = Counter((attack.kind, splits[attack.question_id]) for attack in load_page_attacks())
    assert found == {(kind, split): num for kind in ATTACK_KINDS for split, num in (("dev", 1), ("test", 2))}


def test_no_marker_of_a_page_attack_stands_in_the_handbook_or_in_a_question():
    texts = [*list_pages().values(), *(f"{q.question} {q.answer}" for q in load_handbook_questions())]
    found = [a.marker for a in load_page_attacks() if any(a.marker.casefold() in text.casefold() for text in texts)]
    assert found == []


def test_no_marker_stands_in_the_text_of_another_attack():
    attacks = load_page_attacks()
    found = [(one.id, two.id) for one, two in itertools.permutations(attacks, 2) if one.marker in two.text]
    assert found == []


def test_addresses_in_page_attacks_belong_to_example_com():
    hosts = [host for attack in load_page_attacks() for host in re.findall(r"(?:://|@)([\w.-]+[a-z])", attack.text)]
    assert len(hosts) >= 3
    assert [host for host in hosts if not host.endswith(".example.com")] == []


def test_no_page_attack_is_near_an_injection_or_another_attack():
    attacks = [attack.text for attack in load_page_attacks()]
    assert find_near(attacks, 0.7) == []
    assert [injection.id for injection in load_injections() if len(find_near([*attacks, injection.text], 0.7))] == []


def test_a_marker_that_is_not_in_the_text_is_named_with_file_and_line(tmp_path):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: the marker “PEAR” does not stand in the text"):
        load_rows(load_page_attacks, tmp_path / "rows.csv", ATTACK | {"marker": "PEAR"})


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


# The graded answers

GRADED = {
    **{"id": "g1", "split": "dev", "topic": "a1", "question": "How long?", "reference": "30 days"},
    **{"answer": "Thirty days.", "length": "short", "label": "right"},
}


def test_there_are_four_graded_answers_to_each_of_28_questions():
    answers = load_graded_answers()
    assert [len(load_graded_answers(split)) for split in ("dev", "test")] == [24, 88]
    assert Counter(Counter(one.topic for one in answers).values()) == {4: 28}
    for start in range(0, len(answers), 4):
        four = answers[start : start + 4]
        assert len({(one.topic, one.question, one.reference, one.split) for one in four}) == 1
        forms = [(one.length, one.label) for one in four]
        assert forms == [("short", "right"), ("long", "wrong"), ("short", "wrong"), ("long", "right")]


def test_short_graded_answers_are_short_and_long_ones_long():
    for one in load_graded_answers():
        num = len(one.answer.split())
        assert num <= 8 if one.length == "short" else num >= 24, one.id


def test_ids_of_graded_answers_count_up_and_no_two_answers_are_equal():
    answers = load_graded_answers()
    assert [one.id for one in answers] == [f"g{number:03}" for number in range(1, 113)]
    assert len({(one.topic, normalize(one.answer)) for one in answers}) == 112


def test_words_of_the_reference_do_not_decide_the_label_of_a_graded_answer():
    answers = load_graded_answers("test")
    holds = [normalize(one.reference) in normalize(one.answer) for one in answers]
    wrong_with, right_without = (
        sum(has and one.label == "wrong" for has, one in zip(holds, answers, strict=True)),
        sum(not has and one.label == "right" for has, one in zip(holds, answers, strict=True)),
    )
    assert min(wrong_with, right_without) >= 8


def test_a_case_shows_question_reference_and_answer():
    one = load_graded_answers("dev")[0]
    assert one.case == (
        "Question: How long do I have to send a kettle back?\nReference: 30 days after delivery\n"
        "Answer: Thirty days from delivery."
    )
    assert make_examples([one], "case", "label")[0] == Example("g001", one.case, "right")


@pytest.mark.parametrize("column", ["split", "length", "label"])
def test_a_graded_answer_with_another_label_is_named_with_file_and_line(tmp_path, column):
    path = tmp_path / "rows.csv"
    assert load_rows(load_graded_answers, path, GRADED)[0].label == "right"
    with pytest.raises(DataError, match=rf"rows\.csv, line 2: {column} is “shots”"):
        load_rows(load_graded_answers, path, GRADED | {column: "shots"})


def test_the_readme_counts_the_graded_answers():
    assert "| `graded_answers.csv` | 112 |" in (DATA / "README.md").read_text(encoding="utf-8")


# --- pairs of the bias probe -------------------------------------------------------------------------------------


def test_the_bias_pairs_are_those_that_the_script_writes():
    script = runpy.run_path(str(DATA / "make_bias_pairs.py"))
    assert [vars(pair) for pair in load_bias_pairs()] == script["make_rows"]()


def test_the_bias_pairs_are_100_exchanges_and_25_controls():
    counts = Counter(pair.kind for pair in load_bias_pairs())
    assert counts == {"gender": 25, "origin": 25, "age": 25, "faith": 25, "control": 25}


def test_the_texts_of_a_pair_differ_in_their_last_sentence_only():
    for pair in load_bias_pairs():
        start_a, start_b = (re.split(r"(?<=[.?]) ", text)[:-1] for text in (pair.text_a, pair.text_b))
        assert start_a == start_b


def test_a_control_pair_names_two_men_of_the_same_list():
    script = runpy.run_path(str(DATA / "make_bias_pairs.py"))
    for pair in load_bias_pairs():
        if pair.kind == "control":
            names = [re.search(r"My name is (\w+) (\w+)\.$", text).groups() for text in (pair.text_a, pair.text_b)]
            assert {first for first, _ in names} <= set(script["MEN"])
            assert {last for _, last in names} <= set(script["SURNAMES"])
            assert names[0] != names[1]


@pytest.mark.parametrize(
    ("old", "new"), [("b01-gender,1,gender", "b01-gender,1,height"), ("woman,", ",")], ids=["unknown kind", "no group"]
)
def test_a_broken_bias_pair_is_refused_with_its_line(old, new, tmp_path):
    text = (DATA / "bias_pairs.csv").read_text(encoding="utf-8")
    path = tmp_path / "bias_pairs.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=r"bias_pairs\.csv, line 2"):
        load_bias_pairs(path)


def test_a_pair_of_equal_texts_is_refused(tmp_path):
    path = tmp_path / "bias_pairs.csv"
    path.write_text("id,request,kind,group_a,group_b,text_a,text_b\nb1,1,age,26,78,same,same\n", encoding="utf-8")
    with pytest.raises(DataError, match="both texts are the same"):
        load_bias_pairs(path)
