"""JSON schemas for replies, and reading what came back."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ..core import DataError, parse_json_values, unify_text

Schema = dict | type[BaseModel]


def to_json_schema(schema: Schema | None) -> dict | None:
    """Return the JSON schema of a pydantic model; a dict or None as it is. Raises `DataError` where it is no JSON."""
    try:
        json.dumps(schema if isinstance(schema, dict) else None, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"The schema is none in JSON ({error}).", "Give texts, numbers, lists and dicts.") from None
    return schema if schema is None or isinstance(schema, dict) else close_schema(schema.model_json_schema())


def close_schema(schema: dict) -> dict:
    """Return a schema in the strict form that providers want: in each object all fields required, and no others."""
    closed: dict[str, Any] = {}
    for name, part in schema.items():
        if name in ("properties", "$defs"):
            closed[name] = {key: _close_part(inner) for key, inner in part.items()}
        else:
            closed[name] = _close_part(part) if name in ("items", "anyOf", "allOf", "prefixItems") else part
    if "properties" in closed or closed.get("type") == "object":
        closed |= {"required": list(closed.get("properties", {})), "additionalProperties": False}
    return closed


def _close_part(part: Any) -> Any:
    if isinstance(part, list):
        return [_close_part(one) for one in part]
    return close_schema(part) if isinstance(part, dict) else part


def parse_json(text: str, schema: Schema) -> object:
    """Return the value that the text spells, or None where it was cut off or does not fit.

    JSON in a code fence, with other text around it too, counts as JSON. Raises `DataError` where the schema is none.
    """
    fenced = text.split("```")
    blocks = [fenced[1].strip().removeprefix("json")] if len(fenced) in (2, 3) else []
    for content in (text.strip().removeprefix("\ufeff"), *blocks):
        try:
            if not isinstance(schema, dict):
                return schema.model_validate_json(content)
            value = parse_json_values(content)
            return value if _fits(value, schema) else None
        except (ValueError, RecursionError):  # a reply of a thousand brackets
            continue
    return None


def import_jsonschema():
    """Return jsonschema, of which chromadb and comet_ml also load the first that is imported.

    By itself it builds the grammar of international addresses (the format "iri"), which takes longer than all else that
    a notebook imports, 1.7 s, and which nothing here checks: without that package it leaves this one format out.
    """
    grammar = "rfc3987_syntax"
    is_first = not {"jsonschema", grammar} & set(sys.modules)
    if is_first:
        sys.modules[grammar] = None  # type: ignore[assignment]  # Python's mark of what cannot be imported
    try:
        import jsonschema
    finally:
        if is_first:
            del sys.modules[grammar]
    return jsonschema


def _fits(value: object, schema: dict) -> bool:
    import_jsonschema()
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        return Draft202012Validator(schema, registry=Registry()).is_valid(value)  # which fetches nothing
    except SchemaError as error:
        raise DataError(f"The schema is none ({error.message}).", "Give a JSON schema, or a pydantic model.") from None
    except (Unresolvable, RecursionError, re.error):
        return False


DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"), "-")  # hyphens, en dash, minus
APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\uff07`\u00b4"), "'")


def fold_text(text: str) -> str:
    """Return a text for comparing: in lower case, with single spaces, one kind of dash and one of apostrophe."""
    plain = unicodedata.normalize("NFC", text.translate(DASHES | APOSTROPHES))
    return " ".join(plain.casefold().split())


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a reply names as `list_named` reads it, None where it names none or several."""
    named = list_named(text, choices)
    return named[0] if len(named) == 1 else None


def list_named(text: str, choices: Sequence[str]) -> list[str]:
    """Return the choices that a reply names: as JSON, as the whole reply, or as whole words in it.

    The exact spelling comes first; then case, kinds of dashes and apostrophes, and the punctuation at its end do not count.
    A choice inside a longer one that stands there is not named: "not spam" is not "spam", "C++" not "C". Nor is it in
    "C++", "C#", "non-toxic", "-1" or "<5" where no such choice is given. Other negation is not seen. The order of the
    choices does not matter.
    """
    try:
        value = json.loads(text)
        value = value.get("choice") if isinstance(value, dict) else value
        text = value if isinstance(value, str) else text
    except (ValueError, RecursionError):
        pass
    for spelled in (text, text.strip()):
        if spelled in choices:
            return [spelled]
    full = {choice: fold_text(unify_text(choice)) for choice in choices}
    bare = {choice: form.rstrip(" .,;:!?") or form for choice, form in full.items()}
    forms = {choice: full[choice] if list(bare.values()).count(form) > 1 else form for choice, form in bare.items()}
    reply = fold_text(unify_text(text))
    named = [choice for choice, form in forms.items() if form and _stands_in(reply, form, set(forms.values()))]
    alike = len({forms[choice] for choice in named}) == 1  # such as "US" and "us"
    return [choice for choice in named if choice in text] or named if alike else named


def _stands_in(reply: str, form: str, forms: set[str]) -> bool:
    """Return whether a form stands in a reply as whole words, and not as a part of a longer one that stands there."""
    longer = sorted((other for other in forms - {form} if form in other), key=lambda other: (-len(other), other))
    pattern = "|".join([*map(_bound, longer), f"({_bound(form)})"])
    return any(found[1] for found in re.finditer(pattern, reply))


def _bound(form: str) -> str:
    """Return the pattern of a form as whole words; emphasis as in _spam_ is no part of the word."""
    before = r"(?<![^\W_])(?<![^\W_]_)(?<!\bnon-)"
    after = r"(?![^\W_]|_[^\W_]|#|\+(?!\w))"
    if form[0].isdigit():
        before += r"(?<![<>≤≥])(?<![<>]=)(?<![0-9][.,])(?<!(?<!\w)-)"
    if form[-1].isdigit():
        after += r"(?![.,][0-9])"
    return before + re.escape(form) + after
