"""Reading the answer out of a reply: the number or the date that it gives."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import TypeVar

Value = TypeVar("Value", float, date)
ANSWER = re.compile(r"\banswer\b\**\s*(?:is\b|[:=])", re.IGNORECASE)
# "36 + 4 =" right after "the answer is": the sum is still to come. A sentence's end, a comma and "40 (" end it.
SUM = re.compile(
    r"(?:[0-9:'’+\-−–*/×÷·x)€$£% \u00a0\u2007\u2009\u202f]|[.,](?=[0-9])|(?<![\w%€$£*] )(?<![\w%€$£])\("
    r"|days?\b|weeks?\b|EUR\b|USD\b)*+[=≈]",
    re.IGNORECASE,
)


def _pick(text: str, items: list[tuple[int, Value | None]]) -> Value | None:
    """Return the item that the text gives as its answer; `items` holds starts and values in their order.

    After the last "answer is" or "Answer:" it is the first item, or None; "12 + 28 = 40" counts as 40.
    Else it is the first item after the last "=", or, where there is none, the last item of the text.
    """
    marks = list(ANSWER.finditer(text))
    if marks:
        start = marks[-1].end()
        while found := SUM.match(text, start):
            start = found.end()
        return next((value for position, value in items if position >= start), None)
    equals = max(text.rfind("="), text.rfind("≈"))
    after = [value for position, value in items if position > equals >= 0]
    if after:
        return after[0]
    return items[-1][1] if items else None


SPACES = "\u00a0\u2007\u2009\u202f"
CURRENCY = r"(?:EUR|USD|GBP|CHF|US\$|[€$£])"
NUMBER = re.compile(
    rf"""
    (?P<sign>(?<![\w)\]%€$£])[-−])?
    (?:(?<!\w){CURRENCY}[ {SPACES}]?(?P<inner>[-−])?       # a currency before it, perhaps with the sign after that
       |(?<!\w)(?<![A-Za-z]-)(?<![0-9][/:.,]))             # not in a word, GPT-4, 1/2 or 14:30
    (?P<digits>[0-9]++(?:[.,'’{SPACES}][0-9]++)*+|(?<!\.)\.[0-9]++)
    (?P<exponent>e[+-]?[0-9]++(?!\w))?+
    (?!_|/[0-9]|:[0-9]|(?:st|nd|rd|th)\b|[a-z]+[0-9])      # not 1/2, 14:30, 3rd or a3f9
    """,
    re.VERBOSE | re.IGNORECASE,
)
GROUPED = r"[1-9][0-9]{0,2}"  # what stands before the first thousands separator


def read_number(text: str) -> float | None:
    """Return the number that a text gives as its answer, or None where it gives none.

    It is the number after the last "answer is", "Answer:" or "=", else the last one in the text.
    1,234.50 and 1.234,50 and 1 234.50 (with a narrow or no-break space) are the same; 12,50 is 12.5, but 12,500 is
    12500 and 12.500 is 12.5. Currency and percent signs do not count: 5 % is 5.0. Dates, times, fractions like 1/2,
    ordinals like 3rd, names like GPT-4 and numbers in words are no numbers; "3 million" is 3. Negation is not seen.
    """
    bare = DATE.sub(lambda found: " " * len(found[0]), text)
    items = [(found.start(), _convert_number(found)) for found in NUMBER.finditer(bare)]
    return _pick(bare, [(start, value) for start, value in items if value is not None])


def _convert_number(found: re.Match) -> float | None:
    digits = found["digits"]
    if re.fullmatch(rf"{GROUPED}(,[0-9]{{3}})+(\.[0-9]+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(rf"{GROUPED}((\.[0-9]{{3}})+,[0-9]{{1,2}}|(\.[0-9]{{3}}){{2,}})", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(rf"{GROUPED}(['’{SPACES}][0-9]{{3}})+([.,][0-9]+)?", digits):
        digits = re.sub(rf"['’{SPACES}]", "", digits).replace(",", ".")
    elif re.fullmatch(r"[0-9]+,[0-9]{1,2}|0,[0-9]+", digits):
        digits = digits.replace(",", ".")
    elif not re.fullmatch(r"[0-9]*\.?[0-9]+", digits):
        return None
    value = float(digits + (found["exponent"] or ""))
    if not math.isfinite(value):
        return None
    return -value if found["sign"] or found["inner"] else value


def parse_number(expected: object) -> float | None:
    """Return a number, or what a text spells that is a number and nothing else; 007 is a name, not a number."""
    if not isinstance(expected, str):
        return to_float(expected)
    text = expected.strip()
    found = NUMBER.match(text)
    if not found or re.match(r"0[0-9]", found["digits"]):
        return None
    return _convert_number(found) if re.fullmatch(rf"\s?(?:%|{CURRENCY})?", text[found.end() :]) else None


def to_float(value: object) -> float | None:
    """Return a finite number as a float, None for anything else; True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
ISO = re.compile(r"\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*")
DATE = re.compile(
    rf"""
    (?<![\w./-])(?:
        (?P<y1>[0-9]{{4}})(?P<cut>[-/.])(?P<m1>[0-9]{{1,2}})(?P=cut)(?P<d1>[0-9]{{1,2}})(?=T[0-9]|(?!\w))
      | (?P<d2>[0-9]{{1,2}})(?P<cut2>[-/.])(?P<m2>[0-9]{{1,2}})(?P=cut2)(?P<y2>[0-9]{{4}})(?!\w)
    )(?![-/.][0-9])
    | (?<![\w.,/])(?P<d3>[0-9]{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m3>{MONTH})\b\.?,?\s+(?P<y3>[0-9]{{4}})(?!\w)
    | (?<!\w)(?P<m4>{MONTH})\b\.?\s+(?P<d4>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y4>[0-9]{{4}})(?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def read_date(text: str) -> date | None:
    """Return the date that a text gives as its answer, or None where it gives none or an impossible one.

    It is the date after the last "answer is", "Answer:" or "=", else the last one in the text. Read are 2026-03-14,
    14 March 2026, March 14, 2026, 14.03.2026 and 14/03/2026 (the day first), each with its year of four digits and also
    with short months; the day of the week is not checked.
    """
    return _pick(text, [(found.start(), _convert_date(found)) for found in DATE.finditer(text)])


def _convert_date(found: re.Match) -> date | None:
    year, month, day = next((found[f"y{n}"], found[f"m{n}"], found[f"d{n}"]) for n in "1234" if found[f"y{n}"])
    if not month.isdigit():
        month = 1 + MONTHS.index(month[:3].lower()) // 3
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def to_date(value: object) -> date | None:
    """Return a date, or what a text in the form 2026-03-14 spells."""
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    return read_date(value) if isinstance(value, str) and ISO.fullmatch(value) else None
