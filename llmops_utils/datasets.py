"""Typed records from `data/`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .errors import DataError
from .settings import DATA

Record = TypeVar("Record")


@dataclass(frozen=True)
class FactQuestion:
    """A question of general knowledge with all accepted answers; `difficulty` is easy, medium or hard."""

    id: str
    topic: str
    difficulty: str
    question: str
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class ShopSentence:
    """A sentence from the shop in four languages."""

    id: str
    english: str
    french: str
    german: str
    spanish: str


def load_fact_questions(path: Path = DATA / "fact_questions.csv") -> list[FactQuestion]:
    """Return the 120 questions. Raises `DataError` with file and line."""

    def build(row: dict) -> FactQuestion:
        if row["difficulty"] not in ("easy", "medium", "hard"):
            raise ValueError(f"difficulty is “{row['difficulty']}”")
        accepted = tuple(part.strip() for part in row["accepted"].split("|") if part.strip())
        if not accepted:
            raise ValueError("no accepted answer")
        return FactQuestion(row["id"], row["topic"], row["difficulty"], row["question"], accepted)

    return read_csv(path, build)


def load_shop_sentences(path: Path = DATA / "shop_sentences.csv") -> list[ShopSentence]:
    """Return the 12 sentences. Raises `DataError` with file and line."""
    return read_csv(path, lambda row: ShopSentence(**row))


def read_csv(path: Path, build: Callable[[dict], Record]) -> list[Record]:
    """Return one record per row of a CSV file in UTF-8 with a header.

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
                    if None in row or not all((value or "").strip() for value in row.values()):
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
