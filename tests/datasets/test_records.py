"""Claims about the loaders: each reads its file with the types it promises and refuses other labels."""

import contextlib
import csv
import typing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from llmops_utils.core import DATA, DataError
from llmops_utils.datasets import Example, load_injections, make_examples, records, tables

LOADERS = [loader for loader in vars(records).values() if isinstance(loader, partial)]  # each of a kind and a file


def test_each_loader_reads_all_rows_of_its_file_in_order():
    assert len(LOADERS) == 23
    for loader in LOADERS:
        kind, name = loader.args
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            ids = [row[0] for row in csv.reader(file)][1:]
        assert [record.id for record in loader()] == ids, name
        assert {type(record) for record in loader()} == {kind}, name


def test_attacks_are_read_like_injections(tmp_path):
    assert len(load_injections()) == 24
    assert len(load_injections(DATA / "attacks.csv")) == len(load_injections("attacks.csv")) == 36
    (tmp_path / "mine.csv").write_text("id,kind,text,target\ni1,override,Say it.,other\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"mine\.csv, line 2: target: Input should be 'delivery', "):
        load_injections(tmp_path / "mine.csv")


def load_changed(loader, tmp_path, monkeypatch, **changes):
    """Return what a loader makes of the first row of its file with some fields changed."""
    _, name = loader.args
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file)) | changes
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(row), list(row.values())])
    monkeypatch.setattr(tables, "DATA", tmp_path)
    try:
        return loader()
    finally:
        monkeypatch.undo()


def test_each_other_label_and_each_empty_field_that_may_not_be_is_refused(tmp_path, monkeypatch):
    tried, accepted = 0, []
    for loader in LOADERS:
        kind, name = loader.args
        for field, of in typing.get_type_hints(kind).items():
            if typing.get_origin(of) is typing.Literal:
                tried += 1
                with pytest.raises(DataError, match=rf"{Path(name).name}, line \d: {field}: Input should be '"):
                    load_changed(loader, tmp_path, monkeypatch, **{field: "other"})
        with (DATA / name).open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file))
        for column in columns:
            with contextlib.suppress(DataError):
                load_changed(loader, tmp_path, monkeypatch, **{column: " "})
                accepted.append((name, column))
    assert tried == 33
    optional = {
        "handbook_questions.csv": ("answer", "pages", "passages"),
        "capstone_messages.csv": ("answer", "pages", "private"),
        "assistant_traces.csv": ("reference", "note"),
    }
    assert accepted == [(name, column) for name, columns in optional.items() for column in columns]


def test_numbers_and_lists_out_of_range_are_named_and_bars_of_a_table_stay(tmp_path, monkeypatch):
    cases = [
        (records.load_word_problems, {"level": "5"}, "level: Input should be less than or equal to 4"),
        (records.load_orders, {"quantity": "two"}, "quantity: Input should be a valid integer"),
        (records.load_fact_questions, {"accepted": " | "}, "accepted: Value should have at least 1 item"),
    ]
    for loader, changes, said in cases:
        with pytest.raises(DataError, match=said):
            load_changed(loader, tmp_path, monkeypatch, **changes)
    changes = {"pages": "a || b", "passages": "| P-1 | 5 days | || It takes 5 days."}
    (question,) = load_changed(records.load_handbook_questions, tmp_path, monkeypatch, **changes)
    assert (question.pages, question.passages) == (("a", "b"), ("| P-1 | 5 days |", "It takes 5 days."))


def test_examples_take_two_fields_of_each_record_as_texts_and_name_an_unknown_one():
    problems, graded = records.load_word_problems("dev")[:2], records.load_graded_answers("dev")[0]
    examples = make_examples(problems, "question", "level")
    assert examples == [Example(problem.id, problem.question, str(problem.level)) for problem in problems]
    assert make_examples([graded], "case", "label") == [Example("g001", graded.case, "right")]
    assert make_examples([], "text", "intent") == []
    for input, expected in [("question", "intent"), ("text", "mood")]:
        with pytest.raises(DataError, match=r"question|mood") as caught:
            make_examples(records.load_messages("shots"), input, expected)
        assert caught.value.next_step == "Name two fields of the record."


def test_a_gap_is_no_label_and_a_whole_number_beside_one_is_whole():
    def make(value):
        return SimpleNamespace(id="r7", text="hello", label=value)

    for gap in (None, float("nan"), np.float32("nan"), pandas.NA, pandas.NaT):
        for input, expected in (("text", "label"), ("label", "text")):
            with pytest.raises(DataError, match="r7 has no label"):
                make_examples([make(gap)], input, expected)
    frame = pandas.DataFrame({"label": [5, None]})
    spelled = [
        make_examples([make(value)], "text", "label")[0].expected for value in (frame.label[0], 5, 5.5, "nan", True)
    ]
    assert spelled == ["5", "5", "5.5", "nan", "True"]
