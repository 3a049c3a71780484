"""Texts cleaned where they enter: what no encoder, file or tokenizer can hold, and forms that only look alike."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

SURROGATES = re.compile("[\ud800-\udfff]")
REPLACED = "\ufffd"


def clean_text(text: str) -> str:
    """Return a text that UTF-8 can write: half a character becomes U+FFFD, the character NUL goes, all else stays.

    A reply that was cut, or an escape such as `\\ud83d` in JSON, brings half an emoji; no file and no request can hold
    it.
    """
    if text.isascii():
        return text.replace("\0", "")
    return SURROGATES.sub(REPLACED, text).replace("\0", "")


def clean_values(value: Any) -> Any:
    """Return a value that JSON can hold with all its texts, names of fields too, cleaned."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_values(name): clean_values(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [clean_values(part) for part in value]
    return value


def unify_text(text: str) -> str:
    """Return a text in which what reads alike is written alike, for search: Unicode's form NFKC, no invisible marks.

    `cafe` with a combining accent is `café`, full-width letters are plain ones, soft hyphens and zero-width spaces go.
    Combining marks, which Hindi and Thai need, stay.
    """
    unified = unicodedata.normalize("NFKC", clean_text(text))
    return "".join(letter for letter in unified if unicodedata.category(letter) != "Cf")
