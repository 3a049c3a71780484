"""Checks on what goes into a model and what comes out: personal data, injections, the form of a reply.

All of them are nets with holes. What each one catches and what it stops wrongly is measured in chapter 12.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..models import parse_json

# Lengths of national account numbers, for the countries that Pellworth ships to and a few neighbours. Source: the IBAN
# registry of SWIFT (ISO 13616).
IBAN_LENGTHS = {
    "AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27,
    "GB": 22, "IE": 22, "IT": 27, "LU": 20, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "SE": 24,
}  # fmt: skip
NUM_TRIES = 2  # of one question whose reply was refused


def is_iban(text: str) -> bool:
    """Return whether a text is an account number of a country that is known here, with right length and check digits.

    Source: ISO 13616 and ISO 7064 (mod 97-10).
    """
    compact = re.sub(r"[\s-]", "", text).upper()
    if not compact.isascii() or not compact.isalnum() or IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def is_card_number(text: str) -> bool:
    """Return whether a text has 13 to 19 digits that pass the Luhn check and begins as the large card networks' do.

    Source: ISO/IEC 7812-1.
    """
    digits = [int(digit) for digit in re.sub(r"[\s-]", "", text) if digit.isdecimal()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    doubled = [2 * digit - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_phone(text: str) -> bool:
    """Return whether the digits may be a telephone number: 8 to 15, and written as one (+, 00, 0 or brackets first)."""
    num_digits = sum(character.isdecimal() for character in text)
    is_date = re.fullmatch(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}", text.strip())
    return 8 <= num_digits <= 15 and not is_date


_EMAIL = r"(?<![\w.+-])[\w.+%-]{1,64}(?:@|\s?[\[(]at[\])]\s?)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b"
_IBAN = "|".join(rf"{country}\d\d(?:[ -]?[a-z0-9]){{{num - 4}}}" for country, num in IBAN_LENGTHS.items())
_CARD = r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"
_PHONE = r"(?<![\w.-])(?:\+|00|\(0?|0(?=[1-9]))\d{0,3}(?:[ ./()-]{0,2}\d){6,14}(?![\w-])"
# In this order: an account number holds digit groups that look like a card or a telephone.
KINDS: tuple[tuple[str, re.Pattern, Callable[[str], bool]], ...] = (
    ("email", re.compile(_EMAIL, re.IGNORECASE), lambda text: True),
    ("iban", re.compile(rf"\b(?:{_IBAN})(?![^\W_])", re.IGNORECASE), is_iban),
    ("card", re.compile(_CARD), is_card_number),
    ("phone", re.compile(_PHONE), _is_phone),
)


@dataclass(frozen=True)
class Redaction:
    """A text with `[email]`, `[iban]`, `[card]` and `[phone]` in the place of what was found."""

    text: str


def redact_personal_data(text: str) -> Redaction:
    """Return the text without e-mail addresses, account numbers, card numbers and telephone numbers.

    Account and card numbers count only with right check digits, so that an article number of the same length stays.
    Order ids stay. Names and postal addresses are not found: they need a model of language, such as that of the
    package presidio.
    """
    for kind, pattern, is_one in KINDS:
        text = pattern.sub(lambda found, kind=kind, is_one=is_one: f"[{kind}]" if is_one(found[0]) else found[0], text)
    return Redaction(text)


# --- injections ----------------------------------------------------------------------------------------------

_LABEL_WORDS = r"(?:label|category|class|intent|answer|reply|output|case)"
_OLD = r"(?:previous|prior|above|earlier|before|older|old|all|any|your|these|those|the|told|every)"
# Each is searched in a text without runs of blanks, in a time that grows as the text does. Where a sign begins here
# and ends anywhere later, `\A(?>.*?begin)` takes the first beginning and tries no other: if that finds no end, none does.
INJECTION_SIGNS = {
    "override": rf"\b(?:ignore|disregard|forget|override|bypass)\b.{{0,40}}\b{_OLD}\b"
    rf"|\b(?:new|different)\s+(?:rule|task|instruction|role)s?\b|\bfrom (?:here|now) on\b",
    "role": r"(?:^|\n|\s)[\[(<#*]*\s*(?:system|developer|assistant|admin)\b\s*[\])>]?\s*(?:message|prompt|note)?[^.:\n]{0,40}:"
    r"|^\s*\[(?:system|developer)\]|\bfrom the developer\b|\byou are (?:now|a language model)\b",
    "fake example": rf"\A(?>.*?(?:^|\s)(?:message|input|customer)\s*:).*\b{_LABEL_WORDS}\s*:"
    rf"|\b{_LABEL_WORDS}\s*:\s*\w+\s*$",
    "template": r"\A(?>.*?\{\{)(?>.*?\}\}).*\{\{|\A(?>.*?\{%).*%\}|\A(?>.*?\{#).*#\}",
    "closing": r"</?\s*(?:message|instruction|system|prompt)s?\s*>|\bend of (?:the )?(?:message|customer text|prompt)\b"
    r"|\bmessage (?:stops|ends) here\b|##\s*(?:instruction|answer|task)",
    "order": r"\b(?:answer|reply|respond|print|write|output|say|return)\s+(?:with\s+)?(?:only\s+|just\s+)?\S{1,20}\s+"
    r"(?:only|and nothing else|whatever)\b|\b(?:label|file|classify|mark|route|count)\b.{0,30}\b(?:this|it|everything|each)\b"
    r".{0,25}\b(?:as|to|under)\b",
}


def find_injection(text: str) -> tuple[str, ...]:
    """Return the signs of an injection that a text bears, none for an honest one. Who knows the signs avoids them.

    Look-alike letters, invisible characters, HTML escapes and runs of blanks are undone first.
    """
    # Python turns no number of more than 4,300 digits into an integer; no character has so many.
    plain = html.unescape(re.sub(r"&#0*([0-9]{1,7})[0-9]*", r"&#\1", text))
    # In blocks: to put thousands of accents on one letter into their order takes the square of their number.
    blocks = (unicodedata.normalize("NFKC", plain[start : start + 1000]) for start in range(0, len(plain), 1000))
    plain = "".join(character for block in blocks for character in block if unicodedata.category(character) != "Cf")
    plain = re.sub(r"\s+", lambda run: "\n" if "\n" in run[0] else " ", plain)
    flags = re.IGNORECASE | re.DOTALL
    return tuple(name for name, pattern in INJECTION_SIGNS.items() if re.search(pattern, plain, flags))


# --- replies -------------------------------------------------------------------------------------------------

Form = TypeVar("Form")


def enforce_schema(
    ask: Callable[[str], object], schema: type[Form], check: Callable[[Form], str]
) -> Callable[[str], Form | None]:
    """Return a system that gives a checked value, or None where no try gave one: then a person answers.

    Each try asks with the text; from the second on, what was wrong with the reply stands after it.

    Args:
        ask: takes a text, returns a reply or a text.
        schema: a pydantic model.
        check: takes the value, returns what is wrong with it or an empty text: rules that no schema can state.
    """

    def ask_checked(text: str) -> Form | None:
        prompt = text
        for _ in range(NUM_TRIES):
            value = parse_json(str(ask(prompt)), schema)
            fault = "it is not JSON of the form that was asked for" if value is None else check(value)
            if not fault:
                return value
            prompt = f"{text}\n\nYour last reply was refused: {fault}."
        return None

    return ask_checked
