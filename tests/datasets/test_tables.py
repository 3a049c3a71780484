"""Claims about reading CSV files: rows are held to the types of a record, and errors name file and line."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import model_validator

from llmops_utils.core import DataError
from llmops_utils.datasets import OR_NONE, Record, load_records, tables

ROWS = "id,split,num,note\nr1,dev,1,\nr2,test,2,x\n"


@dataclass(frozen=True)
class Row(Record):
    split: Literal["dev", "test"]
    num: Annotated[int | None, OR_NONE]
    note: str = ""

    @model_validator(mode="after")
    def check(self):
        if self.num == 0 and self.split == "dev":
            raise ValueError("a dev row counts something")
        return self


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that writes a text as the data file `rows.csv` and loads it."""
    monkeypatch.setattr(tables, "DATA", tmp_path)

    def write_and_load(text, split=None):
        (tmp_path / "rows.csv").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
        return load_records(Row, "rows.csv", split)

    return write_and_load


def test_rows_become_records_and_a_field_with_a_default_may_be_empty(load):
    assert load(ROWS) == [Row("r1", "dev", 1), Row("r2", "test", 2, "x")]
    assert load(ROWS.replace("2,x", "none,x"))[1].num is None
    assert len({*load(ROWS), *load(ROWS)}) == 2


def test_a_malformed_row_is_named_with_file_and_line(load):
    empty = "too many, too few or empty fields"
    cases = [
        ("r3,dev,3,x,more", empty),
        ("r3,dev,3", empty),
        ("r3,dev,,x", empty),
        ("r3,dev,  ,x", empty),
        ("r1,dev,3,x", "the id r1 stands twice"),
        ("r3,train,3,x", "split: Input should be 'dev' or 'test'"),
        ("r3,dev,0,x", "a dev row counts something"),
        ("r3,dev,1.5,x", "num: Input should be a valid integer, unable to parse string as an integer"),
    ]
    for row, said in cases:
        with pytest.raises(DataError) as caught:
            load(ROWS + row)
        assert caught.value.problem == f"rows.csv, line 4: {said}."
        assert caught.value.next_step == "Mend the row, or restore the file."


def test_columns_and_lines_with_line_breaks_inside_quotes_are_named(load):
    for text, said in (
        ('id,split,num,note\nr1,dev,1,"one\ntwo"\nr2,dev,2,x\nr3,too,few\n', "line 5: "),
        ("id,split\nr1,dev\n", "line 2: num: Field required"),
        ("id,split,num,mood\nr1,dev,1,good\n", "line 2: mood: Unexpected keyword argument"),
    ):
        with pytest.raises(DataError, match=rf"rows\.csv, {said}"):
            load(text)


def test_a_mark_at_the_start_semicolons_and_utf_16_are_read(load):
    semicolons = ROWS.replace(",", ";")
    files = [
        *("\ufeff" + ROWS, "\ufeff" + semicolons, semicolons, ROWS.replace(",", "\t"), ROWS.replace("\n", "\r\n")),
        *("\ufeff\u200b" + ROWS, ROWS.replace(",num", ", num ", 1), ROWS.replace("\n", "\r")),
        *(ROWS.encode("utf-16"), semicolons.encode("utf-16"), ("\ufeff" + ROWS).encode("utf-16-be")),
    ]
    assert [file for file in files if load(file) != load(ROWS)] == []


def test_a_file_whose_rows_cannot_be_told_apart_is_named(load):
    open_quote = 'r1,dev,1,"never closed\n' + "".join(f"r{num},dev,2,x\n" for num in range(2, 1000))
    files = [
        ("id,split,num,note\n" + open_quote, "line 2.*quote"),
        ('id,split,num,note\nr1,dev,1,"one" two\n', "line 2"),
        ("id,split,num,num\nr1,dev,1,2\n", "num stands twice"),
        ("id,split,num,note\nr1,dev,1,caf\u00e9\n".encode("latin-1"), "utf-8"),
        ("id,split,num,note\nr1,dev,1,\0\n".encode("utf-16-le"), "UTF-8"),
        ("id,split,num,note\nr1,dev,1,a\0b\n", "NUL"),
    ]
    for content, said in files:
        with pytest.raises(DataError, match=said):
            load(content)


def test_a_file_that_cannot_be_read_is_named(load, tmp_path):
    for text, said in [(b"", "holds no rows"), ("id,split,num,note\n", "holds no rows"), (b"id\n\xff\n", "utf-8")]:
        with pytest.raises(DataError, match=rf"rows\.csv .*{said}") as caught:
            load(text)
        assert caught.value.next_step == "Restore it: `git checkout data`."
    with pytest.raises(DataError, match=r"gone\.csv cannot be read"):
        load_records(Row, "gone.csv")


def test_a_split_is_chosen_among_those_of_the_file_and_the_setting_for_few_examples_shortens_that_for_tests(
    load, monkeypatch
):
    rows = [f"{split}{num},{split},1," for num in range(20) for split in ("dev", "test")]
    text = "\n".join(["id,split,num,note", *rows])
    assert len(load(text, "test")) == 20
    monkeypatch.setenv("LLMOPS_EXAMPLES", "8")
    assert [row.id for row in load(text, "test")] == [f"test{num}" for num in range(8)]
    assert (len(load(text, "dev")), len(load(text))) == (20, 40)
    for split in ("shots", "Test", ""):
        with pytest.raises(DataError, match=rf"“{split}” is no split of rows\.csv") as caught:
            load(text, split)
        assert caught.value.next_step == "Choose one of dev, test."
