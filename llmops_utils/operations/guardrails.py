"""Checks on what goes into a model and what comes out: personal data, injections, the form of a reply, invented facts.

All of them are nets with holes. What each one catches and what it stops wrongly is measured in chapter 12.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..core import DataError
from ..models import parse_json

ORDER_ID = r"(?<![\w-])PW-\d{5}(?!\d)"

# Lengths of national account numbers, for the countries that Pellworth ships to and a few neighbours. Source: the IBAN
# registry of SWIFT (ISO 13616).
IBAN_LENGTHS = {
    "AT": 20,
    "BE": 16,
    "CH": 21,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "ES": 24,
    "FI": 18,
    "FR": 27,
    "GB": 22,
    "IE": 22,
    "IT": 27,
    "LU": 20,
    "NL": 18,
    "NO": 15,
    "PL": 28,
    "PT": 25,
    "SE": 24,
}


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


# In this order: an account number holds digit groups that look like a card or a telephone.
KINDS: tuple[tuple[str, re.Pattern, Callable[[str], bool]], ...] = (
    (
        "email",
        re.compile(r"(?i)(?<![\w.+-])[\w.+%-]{1,64}(?:@|\s?[\[(]at[\])]\s?)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b"),
        lambda text: True,
    ),
    ("iban", re.compile(r"(?i)\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{1,4}){3,8}\b"), is_iban),
    ("card", re.compile(r"(?<![\w-])\d(?:[ -]?\d){12,18}(?![\w-])"), is_card_number),
    (
        "phone",
        re.compile(r"(?<![\w.-])(?:\+|00|\(0?|0(?=[1-9]))\d{0,3}(?:[ ./()-]{0,2}\d){6,14}(?![\w-])"),
        _is_phone,
    ),
)


@dataclass(frozen=True)
class Redaction:
    """A text without personal data.

    Attributes:
        text: with `[email]`, `[iban]`, `[card]` and `[phone]` in the place of what was found.
        found: how often each kind was found.
    """

    text: str
    found: dict[str, int]


def redact_personal_data(text: str) -> Redaction:
    """Return the text without e-mail addresses, account numbers, card numbers and telephone numbers.

    Account and card numbers count only with right check digits, so that an article number of the same length stays.
    Order ids stay. Names and postal addresses are not found: they need a model of language, such as that of the
    package presidio.
    """
    found: Counter[str] = Counter()
    for kind, pattern, is_one in KINDS:

        def replace(match: re.Match, kind: str = kind, is_one: Callable = is_one) -> str:
            text = match[0]
            if kind == "iban":  # the pattern is greedy: letters of the next word may hang on
                text = _cut_iban(text)
            if not text or not is_one(text):
                return match[0]
            found[kind] += 1
            return f"[{kind}]" + match[0][len(text) :]

        text = pattern.sub(replace, text)
    return Redaction(text, dict(found))


def _cut_iban(text: str) -> str:
    """Return the beginning of the text that has the length of its country's account numbers, or nothing."""
    wanted = IBAN_LENGTHS.get(text[:2].upper(), 0)
    num_seen = 0
    for place, character in enumerate(text, start=1):
        num_seen += character.isalnum()
        if num_seen == wanted:
            return text[:place] if not text[place : place + 1].isalnum() else ""
    return ""


# --- injections ----------------------------------------------------------------------------------------------

_LABEL_WORDS = r"(?:label|category|class|intent|answer|reply|output|case)"
_OLD = r"(?:previous|prior|above|earlier|before|older|old|all|any|your|these|those|the|told|every)"
INJECTION_SIGNS = {
    "override": rf"\b(?:ignore|disregard|forget|override|bypass)\b.{{0,40}}\b{_OLD}\b"
    rf"|\b(?:new|different)\s+(?:rule|task|instruction|role)s?\b|\bfrom (?:here|now) on\b",
    "role": r"(?:^|\n|\s)[\[(<#*]*\s*(?:system|developer|assistant|admin)\b\s*[\])>]?\s*(?:message|prompt|note)?[^.:\n]{0,40}:"
    r"|^\s*\[(?:system|developer)\]|\bfrom the developer\b|\byou are (?:now|a language model)\b",
    "fake example": rf"(?:^|\s)(?:message|input|customer)\s*:.*\b{_LABEL_WORDS}\s*:|\b{_LABEL_WORDS}\s*:\s*\w+\s*$",
    "template": r"\{\{.*?\}\}.*\{\{|\{%.*?%\}|\{#.*?#\}",
    "closing": r"</?\s*(?:message|instruction|system|prompt)s?\s*>|\bend of (?:the )?(?:message|customer text|prompt)\b"
    r"|\bmessage (?:stops|ends) here\b|#{2,}\s*(?:instruction|answer|task)",
    "order": r"\b(?:answer|reply|respond|print|write|output|say|return)\s+(?:with\s+)?(?:only\s+|just\s+)?\S{1,20}\s+"
    r"(?:only|and nothing else|whatever)\b|\b(?:label|file|classify|mark|route|count)\b.{0,30}\b(?:this|it|everything|each)\b"
    r".{0,25}\b(?:as|to|under)\b",
}
_SIGNS = {name: re.compile(pattern, re.IGNORECASE | re.DOTALL) for name, pattern in INJECTION_SIGNS.items()}


def find_injection(text: str) -> tuple[str, ...]:
    """Return the signs of an injection that a text bears, none for an honest one. Who knows the signs avoids them.

    Look-alike letters, invisible characters and HTML escapes are undone first.
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text))
    plain = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return tuple(name for name, pattern in _SIGNS.items() if pattern.search(plain))


# --- replies -------------------------------------------------------------------------------------------------

Form = TypeVar("Form")


def enforce_schema(
    ask: Callable[[str], object], schema: type[Form], check: Callable[[Form], str] | None = None, num_tries: int = 2
) -> Callable[[str], Form | None]:
    """Return a system that gives a checked value, or None where no try gave one: then a person answers.

    Each try asks with the text; from the second on, what was wrong with the reply stands after it.

    Args:
        ask: takes a text, returns a reply or a text.
        schema: a pydantic model.
        check: takes the value, returns what is wrong with it or an empty text: rules that no schema can state.
        num_tries: at least 1.
    """
    if num_tries < 1:
        raise DataError(f"{num_tries} tries are none.", "Give at least 1.")

    def ask_checked(text: str) -> Form | None:
        prompt = text
        for _ in range(num_tries):
            value = parse_json(str(ask(prompt)), schema)
            fault = (
                "it is not JSON of the form that was asked for" if value is None else (check(value) if check else "")
            )
            if not fault:
                return value
            prompt = f"{text}\n\nYour last reply was refused: {fault}."
        return None

    return ask_checked


def find_invented_orders(reply: str, sources: Sequence[str]) -> tuple[str, ...]:
    """Return the order ids of a reply that stand in none of its sources: the message, the records that were looked up."""
    known = {name for source in sources for name in re.findall(ORDER_ID, source)}
    return tuple(dict.fromkeys(name for name in re.findall(ORDER_ID, reply) if name not in known))
