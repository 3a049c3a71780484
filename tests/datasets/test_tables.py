"""Claims about reading CSV files; what the loaders of the course's own files refuse is in test_datasets.py."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from llmops_utils.core import DataError
from llmops_utils.datasets.tables import check_labels, choose_split, read_csv


@dataclass(frozen=True)
class Row:
    id: str
    split: str
    note: str


def read(tmp_path, text, **options):
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    return read_csv(path, lambda row: Row(**row), **options)


def test_an_optional_field_may_be_empty(tmp_path):
    assert read(tmp_path, "id,split,note\nr1,dev,\nr2,dev,x\n", optional=("note",)) == [
        Row("r1", "dev", ""),
        Row("r2", "dev", "x"),
    ]


def test_a_field_is_not_optional_unless_named(tmp_path):
    with pytest.raises(DataError, match=r"rows\.csv, line 2: too many, too few or empty fields"):
        read(tmp_path, "id,split,note\nr1,dev,\n")
    with pytest.raises(DataError, match=r"rows\.csv, line 2: too many, too few or empty fields"):
        read(tmp_path, "id,split,note\nr1,,\n", optional=("note",))


@pytest.mark.parametrize("row", ["r1,dev", "r1,dev,x,y"])
def test_an_optional_field_may_not_be_missing_and_no_field_may_be_added(tmp_path, row):
    with pytest.raises(DataError, match=r"rows\.csv, line 3: too many, too few or empty fields"):
        read(tmp_path, f"id,split,note\nr0,dev,x\n{row}\n", optional=("note",))


def test_labels_are_compared_whole():
    assert check_labels({"kind": "tea"}, kind=("tea", "coffee")) is None
    with pytest.raises(ValueError, match="kind is “te”, not one of tea, coffee"):
        check_labels({"kind": "te"}, kind=("tea", "coffee"))


def test_a_split_is_chosen_among_those_that_the_file_has():
    rows = [Row("r1", "dev", "x"), Row("r2", "test", "y")]
    assert choose_split(rows, "test", Path("rows.csv"), ("dev", "test")) == rows[1:]
    assert choose_split(rows, None, Path("rows.csv"), ("dev", "test")) == rows
    with pytest.raises(DataError, match=r"“shots” is no split of rows\.csv") as caught:
        choose_split(rows, "shots", Path("rows.csv"), ("dev", "test"))
    assert caught.value.next_step == "Choose one of dev, test."


def make_rows(num):
    return [Row(f"{split}-{number}", split, "x") for number in range(num) for split in ("shots", "dev", "test")]


def test_the_setting_for_few_examples_shortens_the_test_split_and_no_other(monkeypatch):
    monkeypatch.setenv("LLMOPS_EXAMPLES", "8")
    rows = make_rows(20)
    assert [row.id for row in choose_split(rows, "test", Path("x.csv"))] == [f"test-{number}" for number in range(8)]
    assert len(choose_split(rows, "dev", Path("x.csv"))) == 20
    assert choose_split(rows, None, Path("x.csv")) == rows


def test_without_the_setting_the_test_split_is_whole():
    assert len(choose_split(make_rows(20), "test", Path("x.csv"))) == 20
