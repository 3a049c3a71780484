"""Records from the CSV files in `data/`, held to the types of their fields; errors name file and line."""

from __future__ import annotations

import codecs
import csv
import dataclasses
import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from ..core import DATA, INVISIBLE, DataError, load_settings, read_bytes


@dataclass(frozen=True)
class Record:
    """A row of a CSV file. A field with a default may be empty in the file, all others may not."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: str


OR_NONE = BeforeValidator(lambda text: None if text == "none" else text)  # for a field like Annotated[int | None, …]
Kind = TypeVar("Kind", bound=Record)


def load_records(kind: type[Kind], file: str | Path, split: str | None = None) -> list[Kind]:
    """Return the rows of a CSV file in `data/` as records: those of a split, or all for `None`.

    It is UTF-8, or UTF-16 with its mark, with a header that tells commas, semicolons or tabs; ids stand in the first
    column. A quote that is never closed is an error, since it would swallow the rows after it. Of the split `test` there
    are at most `Settings.most_examples`. What is wrong raises `DataError` with file and line.
    """
    path = DATA / file
    state = path.stat() if path.exists() else None
    stamp = (state.st_mtime_ns, state.st_size) if state else None
    records = list(_read_rows(kind, path, stamp))  # type: ignore[arg-type]  # a class can be a key
    if split is None:
        return records
    splits = [getattr(record, "split", "none") for record in records]
    if split not in splits:
        there = ", ".join(dict.fromkeys(splits))
        raise DataError(f"“{split}” is no split of {Path(file).name}.", f"Choose one of {there}.")
    chosen = [record for record, name in zip(records, splits, strict=True) if name == split]
    return chosen[: load_settings().most_examples] if split == "test" else chosen


@functools.lru_cache(maxsize=64)
def _read_rows(kind: type[Kind], path: Path, stamp: tuple[int, int] | None) -> list[Kind]:
    """Return the records of a file, which is read anew when its stamp, time of change and size, is another."""
    build = TypeAdapter(kind).validate_python
    optional = {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    records: dict[str, Kind] = {}
    line = 1
    try:
        text = _read_text(path)
        mark = max(",;\t", key=text.partition("\n")[0].partition("\r")[0].count)
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        rows.fieldnames = header = [name.translate(INVISIBLE).strip() for name in rows.fieldnames or []]
        if doubled := [name for name in header if header.count(name) > 1]:
            raise DataError(f"{path.name}, line 1: the column {doubled[0]} stands twice.", "Name each column once.")
        line = rows.line_num + 1
        for row in rows:
            key = next(iter(row.values()))
            needed = [value for name, value in row.items() if name not in optional]
            try:
                if None in row or None in row.values() or not all(value.strip() for value in needed):
                    raise ValueError("too many, too few or empty fields")
                if key in records:
                    raise ValueError(f"the id {key} stands twice")
                records[key] = build(row)
            except ValueError as error:
                place = f"{path.name}, line {rows.line_num}"
                raise DataError(f"{place}: {_explain(error)}.", "Mend the row, or restore the file.") from error
            line = rows.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path.name}, line {line}: a quote is never closed, or stands inside a field ({error}).",
            "Close it; a quote inside a field in quotes is written twice.",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} cannot be read ({error}).", "Restore it: `git checkout data`.") from error
    if not records:
        raise DataError(f"{path.name} holds no rows.", "Restore it: `git checkout data`.")
    return list(records.values())


def _read_text(path: Path) -> str:
    content = read_bytes(path)
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if is_wide else "utf-8-sig")
    if "\0" in text:
        raise DataError(f"{path.name} holds the character NUL: it is no UTF-8.", "Save it as CSV in UTF-8.")
    return text


def _explain(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    column = [str(part) for part in first["loc"][:1]]  # none where a validator looked at the whole row
    return ": ".join([*column, first["msg"].removeprefix("Value error, ")])
