"""Reading the answer out of a reply: the number or the date that it gives."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import TypeVar

from ..core import INVISIBLE

Value = TypeVar("Value", float, date)
# "The answer is", "Answer:", the field of JSON and the heading, \boxed{, and "#### 3" at the start of a line, which as
# "#### 3. Add" is a heading.
ANSWER = re.compile(
    r"\banswer\b[*\"'’]*\s*(?:(?:is|was|equals|would be)\b|[:=])|^[#* \t]*(?:final[ \t]+)?answer[* \t]*$"
    r"|\\boxed\s*\{|^[ \t]*\#{4}[ \t]+(?=[^\w\n]{0,9}[0-9]++(?![.)][ \t]))",
    re.IGNORECASE | re.MULTILINE,
)
# "36 + 4 =" right after "the answer is": the sum is still to come. A sentence's end, a comma and "40 (" end it.
SUM = re.compile(
    r"(?:[0-9:'’+\-−–*/×÷·x)€$£% \u00a0\u2007\u2009\u202f]|[.,](?=[0-9])|(?<=[0-9])e(?=[-+0-9])|(?<![\w%€$£*] )(?<![\w%€$£])\("
    r"|days?\b|weeks?\b|EUR\b|USD\b)*+[=≈]",
    re.IGNORECASE,
)


def _pick(text: str, items: list[tuple[int, Value | None]]) -> Value | None:
    """Return the item that the text gives as its answer; `items` holds starts and values in their order.

    After the last "answer is", "Answer:", "####" or \\boxed{ it is the first item, or None; "12 + 28 = 40" counts as 40.
    One after which the text is cut does not count where there is another. Without any it is the first item after the
    last "=", or, where there is none, the last item of the text.
    """
    marks = list(ANSWER.finditer(text))
    if marks:
        stated = [mark for mark in marks[-2:] if re.search(r"\w", text[mark.end() :])]
        start = (stated or marks)[-1].end()
        while found := SUM.match(text, start):
            start = found.end()
        return next((value for position, value in items if position >= start), None)
    equals = max(text.rfind("="), text.rfind("≈"))
    after = [value for position, value in items if position > equals >= 0]
    if after:
        return after[0]
    return items[-1][1] if items else None


# Full-width signs, the fraction slash, and Arabic separators.
ASCII = dict(zip([*range(0xFF01, 0xFF5F), 0x2044, 0x066B, 0x066C], [*range(0x21, 0x7F), *map(ord, "/.,")], strict=True))


def _fold_signs(text: str) -> str:
    """Return the text with plain digits, one kind of dash, and without invisible signs and emphasis."""
    text = re.sub(r"(?<![\w)\]}])_++|(?<!_)_++(?!\w)", "", text.translate(ASCII | INVISIBLE))  # _emphasis_
    text = re.sub("[\u2010-\u2013\u2212\ufe63]", "-", text)
    return re.sub(r"[^\D0-9]", lambda found: str(int(found[0])), text)


SPACES = "\u00a0\u2007\u2009\u202f"
CURRENCY = r"(?:EUR|USD|GBP|CHF|US\$|[€$£])"
NUMBER = re.compile(
    rf"""
    (?<!\^)(?<!\^-)(?<!\^\{{)(?<!\^\{{-)                     # no exponent
    (?P<sign>(?<![\w)\]%€$£])-)?
    (?:(?<!\w){CURRENCY}[ {SPACES}]?(?P<inner>-)?          # a currency before it, perhaps with the sign after that
       |(?<!\w)(?<![A-Za-z]-)(?<![0-9][/:.,]))             # not in a word, GPT-4, 1/2 or 14:30
    (?P<digits>[0-9]++(?:[.,'’{SPACES}][0-9]++)*+|(?<!\.)\.[0-9]++)
    (?P<exponent>e[+-]?[0-9]++(?!\w))?+
    (?!_|/[0-9]|:[0-9]|[\^²³⁰⁴-⁹⁻]|(?:st|nd|rd|th)\b    # not 1/2, 14:30, 2^3, 3rd or a3f9, but 25m2
       |(?!(?:[kcdmµ]?m|ft|in|yd)[23](?!\w))[a-z]+[0-9])
    """,
    re.VERBOSE | re.IGNORECASE,
)
GROUPED = r"[1-9][0-9]{0,2}"  # what stands before the first thousands separator
RAISED = dict(zip(map(ord, "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺"), "0123456789-+", strict=True))
POWER = re.compile(
    r"(?P<times>(?<=[0-9])\s?[×x*·⋅]\s?)?(?<![\w.,^])10(?:(?:\^|\*\*)\{?([-+]?[0-9]{1,4})\}?|([⁻⁺]?[⁰¹²³⁴-⁹]{1,4}))"
)
MIXED = re.compile(r"(?<![\w/.,])(?P<whole>[0-9]+)[ -](?P<part>[0-9]{1,2})/(?P<of>[1-9][0-9]?)(?![\w/])")
# Each is put in the place of what LaTeX and people write for it.
STYLES = (
    (r"\\!", ""),
    (r"\{([.,])\}", r"\1"),
    (r"\\([$%€£])", r"\1"),
    (r"\\(?:times|cdot)\b", "×"),
    (r"\^\s?\{?\\circ\}?", "°"),
    (r"(?<=[0-9])[.,](?:--?|—)(?![\w-])", ",00"),
    (r"\\[dt]?frac\{([0-9]+)\}\{([0-9]+)\}", r" \1/\2"),
    (r"(?<=[0-9])(?:\\[,;: ]|~)(?=[0-9]{3})", "\u202f"),
    (rf"(?<![\w.,])({GROUPED})((?:[ ][0-9]{{3}})++)(?![ ]?[0-9])", lambda found: found[0].replace(" ", "\u202f")),
    (r"(?<=[0-9])[ \u00a0\u202f]?([¼½¾⅐-⅞])", lambda found: repr(unicodedata.numeric(found[1]))[1:]),
    (r"[¼½¾⅐-⅞]", lambda found: repr(unicodedata.numeric(found[0]))),
    (MIXED, lambda found: _add_part(found)),
    (POWER, lambda found: f"{'' if found['times'] else 1}e{found[2] or found[3].translate(RAISED)}"),
)


def _add_part(found: re.Match) -> str:
    part = int(found["part"]) / int(found["of"])
    return found["whole"] + repr(part)[1:] if part < 1 else found[0]


def read_number(text: str) -> float | None:
    """Return the number that a text gives as its answer, or None where it gives none.

    It is the number after the last "answer is", "Answer:" (or such a heading or field of JSON), "####" or \\boxed{, else
    after the last "=", else the last one in the text. 1,234.50 and 1.234,50 and 1 234.50 (with any space) are the same;
    12,50 is 12.5, but 12,500 is 12500 and 12.500 is 12.5; 1,23,456 and 5.000,- are read as in India and on price tags.
    2 × 10^3 is 2000, 2½ and 2 1/2 are 2.5, 25m2 is 25; numbers in LaTeX, other digits and any minus are read. Currency
    and percent signs do not count: 5 % is 5.0. Dates, times, fractions like 1/2, powers like 2^10, ordinals like 3rd,
    names like GPT-4 and numbers in words are no numbers; "3 million" and "3M" are 3. Negation is not seen.
    """
    bare = _unify_number(DATE.sub(lambda found: " " * len(found[0]), _fold_signs(text)))
    items = [(found.start(), _convert_number(found)) for found in NUMBER.finditer(bare)]
    return _pick(bare, [(start, value) for start, value in items if value is not None])


def _unify_number(text: str) -> str:
    for pattern, plain in STYLES:
        text = re.sub(pattern, plain, text)
    return text


def _convert_number(found: re.Match) -> float | None:
    digits = found["digits"]
    if re.fullmatch(rf"{GROUPED}(,[0-9]{{3}})+(\.[0-9]+)?|[1-9][0-9]?(,[0-9]{{2}})+,[0-9]{{3}}(\.[0-9]+)?", digits):
        digits = digits.replace(",", "")
    elif re.fullmatch(rf"{GROUPED}((\.[0-9]{{3}})+,[0-9]+|(\.[0-9]{{3}}){{2,}})", digits):
        digits = digits.replace(".", "").replace(",", ".")
    elif re.fullmatch(rf"{GROUPED}(['’{SPACES}][0-9]{{3}})+([.,][0-9]+)?", digits):
        digits = re.sub(rf"['’{SPACES}]", "", digits).replace(",", ".")
    elif re.fullmatch("[0-9]+,[0-9]+", digits):
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
    text = _unify_number(_fold_signs(expected)).strip()
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
    except (OverflowError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
ISO = re.compile(r"\s*[0-9]{4}[-‐‑‒–−－][0-9]{2}[-‐‑‒–−－][0-9]{2}(?:[T ]00:00(?::00(?:\.0+)?)?Z?)?\s*")
DATE = re.compile(
    rf"""
    (?<![\w./-])(?:
        (?P<y1>[0-9]{{4}})(?P<cut>[-/.])(?P<m1>[0-9]{{1,2}})(?P=cut)(?P<d1>[0-9]{{1,2}})(?=T[0-9]|(?!\w))
      | (?P<d2>[0-9]{{1,2}})(?P<cut2>[-/.])[ ]?(?P<m2>[0-9]{{1,2}})(?P=cut2)[ ]?(?P<y2>[0-9]{{4}})(?!\w)
      | (?P<y5>[0-9]{{4}})[\s/-]+(?P<m5>{MONTH})[\s/-]+(?P<d5>[0-9]{{1,2}})(?!\w)
    )(?![-/.][0-9])
    | (?<![\w.,/])(?P<d3>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:\.\s*|[\s/-]+)(?:(?:day\s+)?of\s+)?(?P<m3>{MONTH})\b
      (?:[.,]{{1,2}}\s*|[\s/-]+)(?:(?:of|in)\s+)?(?P<y3>[0-9]{{4}})(?!\w)
    | (?<!\w)(?P<m4>{MONTH})\b\.?[\s/-]+(?:the\s+)?(?P<d4>[0-9]{{1,2}})(?:st|nd|rd|th)?
      (?:\s?,\s*|[\s/-]+)(?P<y4>[0-9]{{4}})(?!\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def read_date(text: str) -> date | None:
    """Return the date that a text gives as its answer, or None where it gives none or an impossible one.

    It is found as `read_number` finds a number. Read are 2026-03-14, 14 March 2026, 14-Mar-2026, March 14, 2026,
    14.03.2026 and 14/03/2026 (the day first), each with its year of four digits, also with short months and with any
    kind of dash; the day of the week is not checked.
    """
    text = _fold_signs(text)
    return _pick(text, [(found.start(), _convert_date(found)) for found in DATE.finditer(text)])


def _convert_date(found: re.Match) -> date | None:
    year, month, day = next((found[f"y{n}"], found[f"m{n}"], found[f"d{n}"]) for n in "12345" if found[f"y{n}"])
    if not month.isdigit():
        month = 1 + MONTHS.index(month[:3].lower()) // 3
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def to_date(value: object) -> date | None:
    """Return a date, or what a text in the form 2026-03-14 spells, with midnight or without; a gap is None."""
    if isinstance(value, date):  # NaT of pandas is one, too
        return None if value != value else value.date() if isinstance(value, datetime) else value
    return read_date(value) if isinstance(value, str) and ISO.fullmatch(value) else None
