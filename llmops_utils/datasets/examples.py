"""What an evaluation runs on: inputs with what is expected of them, made from records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..core import DataError
from .tables import Record


@dataclass(frozen=True)
class Example:
    """What `evaluate` runs a system on: an input, and the value that a scorer expects."""

    id: str
    input: str
    expected: str


def make_examples(records: Iterable[Record], input: str, expected: str) -> list[Example]:
    """Return examples for `evaluate`: two fields of each record, named by `input` and `expected`, under its id."""
    try:
        return [Example(record.id, _spell(record, input), _spell(record, expected)) for record in records]
    except AttributeError as error:
        raise DataError(f"A record has no such field ({error}).", "Name two fields of the record.") from error


def _spell(record: Record, field: str) -> str:
    """Return a field as text; a column with gaps makes 5 into 5.0, which stands for 5."""
    value = getattr(record, field)
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if text in ("None", "nan", "NaN", "<NA>", "NaT") and not isinstance(value, str):
        raise DataError(f"The record {record.id} has no {field} ({text}).", "Fill the gap, or leave the record out.")
    return text
