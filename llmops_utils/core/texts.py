"""Texts cleaned where they enter: what no encoder, file or tokenizer can hold, and forms that only look alike."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

MOST_LEVELS = 100  # of values in values: more would overrun whatever walks through them
MOST_DIGITS = 300  # whoever computes with a longer one gets an OverflowError
MOST_MARKS = 30  # on one letter
SURROGATES = re.compile("[\ud800-\udfff]")
REPLACED = "\ufffd"
# Soft hyphens, zero-width signs and marks of direction, as a table for `str.translate`.
INVISIBLE = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF])


def clean_text(text: str) -> str:
    """Return a text that UTF-8 can write: half a character becomes U+FFFD, the character NUL goes, all else stays.

    A reply that was cut, or an escape such as `\\ud83d` in JSON, brings half an emoji.
    """
    return SURROGATES.sub(REPLACED, text).replace("\0", "")


def clean_values(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Return a value that JSON can hold with all its texts, names of fields too, cleaned.

    One that is nested deeper than `levels` raises `ValueError`.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict | list | tuple) and levels == 0:
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels")
    if isinstance(value, dict):
        return {clean_values(name, levels): clean_values(part, levels - 1) for name, part in value.items()}
    if isinstance(value, list | tuple):  # of numbers mostly, those of an embedding
        return [part if type(part) is float else clean_values(part, levels - 1) for part in value]
    return value


def parse_json_values(content: str | bytes) -> Any:
    """Return what JSON from somebody else spells, cleaned; a byte order mark before it is no fault.

    Raises:
        ValueError: it is no JSON, no text, nested too deep, or holds a whole number that no float can hold.
    """
    try:
        text = content.removeprefix("\ufeff") if isinstance(content, str) else content
        return clean_values(json.loads(text, parse_int=_read_int))
    except RecursionError as error:
        raise ValueError(f"nested deeper than {MOST_LEVELS} levels") from error


def _read_int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number has more than {MOST_DIGITS} digits")
    return int(digits)


def unify_text(text: str) -> str:
    """Return a text in which what reads alike is written alike, for search: Unicode's form NFKC, no invisible marks.

    `cafe` with a combining accent is `café`, full-width letters are plain ones, soft hyphens and zero-width spaces go.
    Combining marks, which Hindi and Thai need, stay.
    """
    text = clean_text(text)
    if text.isascii():
        return text
    unified = unicodedata.normalize("NFKC", _cap_marks(text))
    invisible = {letter for letter in set(unified) if unicodedata.category(letter) == "Cf"}
    return "".join(letter for letter in unified if letter not in invisible) if invisible else unified


def _cap_marks(text: str) -> str:
    """Return a text without the combining marks beyond 30 on one letter, which no language has.

    To put marks into their order takes the square of their number. The limit is that of Unicode's stream-safe format.
    """
    marks = {letter for letter in set(text) if unicodedata.combining(letter)}
    if not marks:
        return text
    kept, num_marks = [], 0
    for letter in text:
        num_marks = num_marks + 1 if letter in marks else 0
        if num_marks <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)
