"""Scorers: each says how right a prediction is, given what was expected.

A prediction is what a system gave back (a text, a `Reply`, a number, a dict): what cannot be read scores 0, with the
reason as note. What is expected comes from the data set: where it does not fit the scorer, the data are wrong, and that
raises `DataError`; `scorer.check_expected(expected)` tells before any model is asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from ..core import DataError
from ..models import Reply, fold_text, list_named
from .answers import ISO, parse_number, read_date, read_number, to_date, to_float

TOLERANCE = 0.005  # half a cent: the largest distance of two numbers that counts as equal


@dataclass(frozen=True)
class Score:
    """How right a prediction is: `value` in [0, 1], and a `note` that says why it is 0.

    The note may also hold a grader's grade; `replies` are what a grading model answered, for its tokens and price.
    """

    value: float
    note: str = ""
    replies: tuple[Reply, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.value, Real | Decimal | np.bool_) or not 0 <= self.value <= 1:
            raise DataError(f"{self.value} is no score.", "Return a number from 0 (wrong) to 1 (right).")


Scorer = Callable[[object, str], Score]  # takes prediction and expected value


class Match:
    """A scorer that reads what is expected before it compares; what it cannot read is a fault of the data.

    `_read_expected` returns what is expected in the form that `_compare` takes, or None; `wants` says what may be
    expected.
    """

    wants: str
    _read_expected: Callable[[Any], Any]
    _compare: Callable[[Any, Any], Score]

    def __call__(self, prediction: object, expected: object = None) -> Score:
        """Return 1 or 0."""
        wanted = self.check_expected(expected)
        found = prediction.text if isinstance(prediction, Reply) else prediction
        if found is None:
            return Score(0.0, "there is no reply")
        if isinstance(found, str) and not found.strip():
            return Score(0.0, "the reply is empty")
        return self._compare(found, wanted)

    def check_expected(self, expected: object) -> Any:
        """Return what is expected in the form that is compared; raise `DataError` where that cannot be."""
        wanted = self._read_expected(expected)
        if wanted is None:
            raise DataError(
                f"The expected value {_shorten(repr(expected))} is not {self.wants}.",
                "Mend the data set, or use another scorer.",
            )
        return wanted


@dataclass(frozen=True)
class ExactMatch(Match):
    """1 where prediction and expected text are the same but for case, spacing, accents, dashes, quotes and the last sign."""

    wants = "a text or a number"

    def _read_expected(self, expected: object) -> str | None:
        text = spell(expected)
        return _normalise(text) if text and text.strip() else None

    def _compare(self, prediction: object, wanted: str) -> Score:
        found = spell(prediction)
        is_same = found is not None and _normalise(found) == wanted
        return Score(1.0) if is_same else Score(0.0, _describe_miss(prediction))


def _normalise(text: str) -> str:
    plain = fold_text(text, accents=False)
    return plain.rstrip(" .,;:!?…") or plain


@dataclass(frozen=True)
class ChoiceMatch(Match):
    """1 where the prediction names the expected one of the choices, and no other, as `list_named` reads it.

    Negation is not seen: "not a refund" names refund.
    """

    choices: Sequence[str]
    wants: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        choices = _read_texts(self.choices)
        if choices is None:
            raise DataError(f"The choices {_shorten(repr(self.choices))} are not a list of texts.", "Give two or more.")
        if len({label.casefold() for label in choices}) != len(choices):
            raise DataError(f"The choices {_shorten(repr(choices))} hold one twice.", "Give each once.")
        object.__setattr__(self, "choices", choices)
        object.__setattr__(self, "wants", f"one of {', '.join(choices)}")

    def _read_expected(self, expected: object) -> str | None:
        return next((choice for choice in self.choices if isinstance(expected, str) and choice == expected), None)

    def _compare(self, prediction: object, wanted: str) -> Score:
        if not isinstance(prediction, str):
            return Score(0.0, _describe_miss(prediction))
        named = list_named(prediction, self.choices)
        if not named:
            return Score(0.0, f"label outside the set: {_shorten(prediction)}")
        if len(named) > 1:
            return Score(0.0, f"more than one label: {', '.join(named)}")
        return Score(1.0) if named == [wanted] else Score(0.0, f"{named[0]} instead of {wanted}")


NEGATION = "the words are there; whether they are negated is not seen"


@dataclass(frozen=True)
class Contains(Match):
    """1 where the expected text, or one of several, stands in the prediction as whole words. Cheap, and easily fooled.

    "Not 30 days", "30 days is wrong" and "10, 20 or 30 days" contain "30 days": every hit says so in its note. Ask for
    a form that can be read (a choice, a number, JSON) where a wrong answer could hold the right words. Case never
    matters, and no hit is part of a longer word or number.
    """

    wants = "a text or several"

    def _read_expected(self, expected: object) -> Sequence[str] | None:
        return _read_texts(expected if isinstance(expected, list | tuple) else [spell(expected)])

    def _compare(self, prediction: object, wanted: Sequence[str]) -> Score:
        if not isinstance(prediction, str):
            return Score(0.0, _describe_miss(prediction))
        text = fold_text(prediction)
        for one in wanted:
            if re.search(rf"(?<!\w)(?<![0-9][.,]){re.escape(fold_text(one))}(?!\w)(?![.,][0-9])", text):
                return Score(1.0, NEGATION)
        return Score(0.0, f"none of the texts is in: {_shorten(prediction)}")


@dataclass(frozen=True)
class NumberMatch(Match):
    """1 where the prediction's number is within half a cent of the expected one; a text is read by `read_number`."""

    wants = "a number"
    _read_expected = staticmethod(parse_number)

    def _compare(self, prediction: object, wanted: float) -> Score:
        found = read_number(prediction) if isinstance(prediction, str) else to_float(prediction)
        if found is None:
            return Score(0.0, _describe_miss(prediction, "no number in the reply"))
        rounding = 2 * math.ulp(max(abs(found), abs(wanted)))  # 12.505 - 12.5 is a little more than 0.005
        is_near = abs(found - wanted) <= TOLERANCE + rounding
        return Score(1.0) if is_near else Score(0.0, f"{found:.12g} instead of {wanted:.12g}")


@dataclass(frozen=True)
class DateMatch(Match):
    """1 where the prediction's date is the expected one (2026-03-14); a text is read by `read_date`."""

    wants = "a date such as 2026-03-14"
    _read_expected = staticmethod(to_date)

    def _compare(self, prediction: object, wanted: date) -> Score:
        found = read_date(prediction) if isinstance(prediction, str) else to_date(prediction)
        if found is None:
            return Score(0.0, _describe_miss(prediction, "no possible date in the reply"))
        return Score(1.0) if found == wanted else Score(0.0, f"{found} instead of {wanted}")


@dataclass(frozen=True)
class ValueMatch:
    """Scores by the form of what is expected: a date by `DateMatch`, a number by `NumberMatch`, else `ExactMatch`.

    For data sets whose answers differ in kind, such as "on which day" and "in how many days".
    """

    def __call__(self, prediction: object, expected: object) -> Score:
        """Return 1 or 0."""
        return self._choose(expected)(prediction, expected)

    def check_expected(self, expected: object) -> Any:
        """Return what is expected in the form that is compared; an impossible date raises `DataError`."""
        return self._choose(expected).check_expected(expected)

    def _choose(self, expected: object) -> Match:
        if isinstance(expected, date) or (isinstance(expected, str) and ISO.fullmatch(expected)):
            return DateMatch()
        return ExactMatch() if parse_number(expected) is None else NumberMatch()


def spell(value: object) -> str | None:
    """Return a text, or how JSON spells a number or a bool, those of numpy too; None for all else, nan too."""
    if isinstance(value, np.generic) and not isinstance(value, str):
        value = float(str(value)) if isinstance(value, np.floating) else value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    try:
        return str(value) if isinstance(value, int | float | Decimal) and value == value else None
    except ValueError:  # Python spells no whole number of more than 4300 digits
        return None


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _describe_miss(prediction: object, unread: str = "") -> str:
    """Return why a prediction scores 0, as a note; `unread` says it of a text."""
    if isinstance(prediction, str) and unread:
        return unread
    spelled = spell(prediction)
    return f"cannot be read here: {type(prediction).__name__}" if spelled is None else f"found: {_shorten(spelled)}"


def _read_texts(texts: object) -> tuple[str, ...] | None:
    """Return a list of texts as a tuple, None where it is no list, empty, or holds anything but texts."""
    if not isinstance(texts, list | tuple) or len(texts) == 0:
        return None
    return tuple(texts) if all(isinstance(text, str) and text.strip() for text in texts) else None
