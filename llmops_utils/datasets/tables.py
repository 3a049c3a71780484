"""Records from CSV files, with errors that name file and line."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ..core import DataError, load_settings

Record = TypeVar("Record")
SPLITS = ("shots", "dev", "test")


def read_csv(path: Path, build: Callable[[dict], Record], optional: tuple[str, ...] = ()) -> list[Record]:
    """Return one record per row of a CSV file in UTF-8 with a header; fields of `optional` columns may be empty.

    Raises:
        DataError: the file is missing, empty or not UTF-8, a row has too many, too few or empty fields, `build`
            refuses it, or two records share an `id`. The message names file and line.
    """
    records: list[Record] = []
    seen: set[str] = set()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                try:
                    if None in row or None in row.values() or _list_empty(row) - set(optional):
                        raise ValueError("too many, too few or empty fields")
                    record = build(row)
                    if record.id in seen:
                        raise ValueError(f"the id {record.id} stands twice")
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(
                        f"{path.name}, line {rows.line_num}: {error}.", "Mend the row, or restore the file."
                    ) from error
                seen.add(record.id)
                records.append(record)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read ({error}).", "Restore it: `git checkout data`.") from error
    if not records:
        raise DataError(f"{path.name} holds no rows.", "Restore it: `git checkout data`.")
    return records


def _list_empty(row: dict) -> set[str]:
    return {name for name, value in row.items() if not value.strip()}


def check_labels(row: dict, **allowed: tuple[str, ...]) -> None:
    """Raise `ValueError` unless each named column holds one of its allowed labels."""
    for column, labels in allowed.items():
        if row[column] not in labels:
            raise ValueError(f"{column} is “{row[column]}”, not one of {', '.join(labels)}")


def choose_split(
    records: list[Record], split: str | None, path: Path, splits: tuple[str, ...] = SPLITS
) -> list[Record]:
    """Return the records of one split, or all of them for `None`; of `test` at most `Settings.most_examples`.

    Raises:
        DataError: the split is none.
    """
    if split is None:
        return records
    if split not in splits:
        raise DataError(f"“{split}” is no split of {path.name}.", f"Choose one of {', '.join(splits)}.")
    limit = load_settings().most_examples if split == "test" else None
    return [record for record in records if record.split == split][:limit]
