"""JSON schemas for replies, and reading what came back: JSON, labels, and thoughts before an answer."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ..core import INVISIBLE, DataError, clean_values, parse_json_values, unify_text

Schema = dict | type[BaseModel]
# How the thoughts before an answer begin and end in chat templates. In small letters [thinking] may be any text.
THOUGHT = re.compile(r"<(?i:(?:seed:)?think(?:ing)?|thoughts?|reasoning)\s*>|\[THINK\]|◁think▷")
THOUGHT_END = re.compile(r"(?<![`'\"])(?:</(?i:(?:seed:)?think(?:ing)?|thoughts?|reasoning)\s*>|\[/THINK\]|◁/think▷)")
# In gpt-oss's form each part of a reply has a channel; all but “final” are thoughts.
# Nothing is given back once taken (the second +): else a long text without an end takes time with its square.
CHANNEL = re.compile(r"(?:<\|start\|>[^<]*+)?+<\|channel\|>\s*+(\w++)[^<]*+(?:<\|constrain\|>[^<]*+)?+<\|message\|>")
# With these a turn ends, and a server whose template does not fit its model leaves them in the text.
ENDINGS = (
    *("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"),
    *("<|end_of_text|>", "<end_of_turn>", "<｜end▁of▁sentence｜>"),
)


def to_json_schema(schema: Schema | None) -> dict | None:
    """Return the JSON schema of a pydantic model; a dict or None as it is. Raises `DataError` where it is no JSON."""
    try:
        json.dumps(clean_values(schema) if isinstance(schema, dict) else None, allow_nan=False)
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
    for content in _list_contents(text):
        try:
            if not isinstance(schema, dict):
                return schema.model_validate_json(content)
            value = parse_json_values(content)
            return value if _fits(value, schema) else None
        except (ValueError, RecursionError):  # a reply of a thousand brackets
            continue
    return None


def _list_contents(text: str) -> list[str]:
    """Return what may be JSON in a reply: all of it, and the inside of a code fence."""
    fenced = text.split("```")
    blocks = [fenced[1].strip().removeprefix("json")] if len(fenced) in (2, 3) else []
    return [text.strip().removeprefix("\ufeff"), *blocks]


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


@functools.lru_cache
def _make_validator(schema: str):
    """Return the validator of a schema in JSON: that it is one is looked at once, which takes longer than a reply."""
    import_jsonschema()
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    stated = json.loads(schema)
    try:
        Draft202012Validator.check_schema(stated)
    except SchemaError as error:
        raise DataError(f"The schema is none ({error.message}).", "Give a JSON schema, or a pydantic model.") from None
    return Draft202012Validator(stated, registry=Registry())  # which fetches nothing


def _fits(value: object, schema: dict) -> bool:
    from referencing.exceptions import Unresolvable

    try:
        text = json.dumps(schema)
    except TypeError as error:
        raise DataError(f"The schema is none in JSON ({error}).", "Give texts, numbers, lists and dicts.") from None
    try:
        return _make_validator(text).is_valid(value)
    except (Unresolvable, RecursionError, re.error):
        return False


DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"), "-")  # hyphens, en dash, minus
APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\uff07`\u00b4"), "'")
QUOTES = dict.fromkeys(map(ord, "“”„‟«»＂″"), '"')
BLANKS = dict.fromkeys(map(ord, "_-"), " ")


def fold_text(text: str, accents: bool = True) -> str:
    """Return a text for comparing: in lower case, single spaces, one kind of dash and quotes, nothing invisible."""
    if not accents:
        text = "".join(char for char in unicodedata.normalize("NFD", text) if not "\u0300" <= char <= "\u036f")
    plain = unicodedata.normalize("NFC", text.translate(DASHES | APOSTROPHES | QUOTES | INVISIBLE))
    return " ".join(plain.casefold().split())


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a reply names as `list_named` reads it, None where it names none or several."""
    named = list_named(text, choices)
    return named[0] if len(named) == 1 else None


def list_named(text: str, choices: Sequence[str]) -> list[str]:
    """Return the choices that a reply names: as JSON, as the whole reply, or as whole words in it.

    Of JSON it is the field `choice`, or the only field that is one. The exact spelling comes first; then case, accents,
    kinds of dashes and quotes, and the punctuation at its end do not count, nor does what stands between its words: a
    blank, `-` or `_`. Where A is a choice, "a dog" does not name it, nor does "B. A dog". A choice inside a longer one
    that stands there is not named: "not spam" is not "spam", "C++" not "C". Nor is it in "C++", "C#", "non-toxic",
    "not-toxic", "-1" or "<5" where no such choice is given. Other negation is not seen. Their order does not matter.
    """
    full = {choice: _fold_label(choice) for choice in choices}
    text = _find_field(text, set(full.values()))
    for spelled in (text, text.strip()):
        if spelled in choices:
            return [spelled]
    bare = {choice: form.rstrip(" .,;:!?") or form for choice, form in full.items()}
    forms = {choice: full[choice] if list(bare.values()).count(form) > 1 else form for choice, form in bare.items()}
    reply = _fold_label(re.sub(r"(?<!\w)a (?=[^\W\d_]{3})", "", text) if "a" in forms.values() else text)
    named = [choice for choice, form in forms.items() if form and _stands_in(reply, form, set(forms.values()))]
    alike = len({forms[choice] for choice in named}) == 1  # such as "US" and "us"
    return [choice for choice in named if choice in text] or named if alike else named


def _fold_label(text: str) -> str:
    return fold_text(unify_text(text), accents=False)


def _find_field(text: str, labels: set[str]) -> str:
    """Return the text that JSON in a reply gives as its choice, else the reply."""
    for content in _list_contents(text):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(content)
            if isinstance(value, dict):
                whole = [one for one in value.values() if isinstance(one, str) and _fold_label(one) in labels]
                value = value.get("choice", whole[0] if len(whole) == 1 else None)
            if isinstance(value, str):
                return value
    return text


def _stands_in(reply: str, form: str, forms: set[str]) -> bool:
    """Return whether a form stands in a reply as whole words, and not as a part of a longer one that stands there."""
    others = [other for other in forms - {form} if form.translate(BLANKS) in other.translate(BLANKS)]
    longer = sorted(others, key=lambda other: (-len(other), other))
    pattern = "|".join([*map(_bound, longer), f"({_bound(form)})"])
    return any(found[1] for found in re.finditer(pattern, reply))


def _bound(form: str) -> str:
    """Return the pattern of a form as whole words; emphasis as in _spam_ is no part of the word."""
    before = r"(?<![^\W_])(?<![^\W_]_)(?<!\bno[nt]-)"
    after = r"(?![^\W_]|_[^\W_]|#|\+(?!\w))"
    if form[0].isdigit():
        before += r"(?<![<>≤≥])(?<![<>]=)(?<![0-9][.,])(?<!(?<!\w)-)"
    if form[-1].isdigit():
        after += r"(?![.,][0-9])"
    if len(form) == 1 and form.isalpha():
        before += r"(?<!\b[^\W\d_][.):] )"
    return before + re.sub(r"(?<=[^\W\d_])\\?[ _-](?=[^\W_])", r"\\\\?[ _-]", re.escape(form)) + after


def split_thoughts(text: str) -> tuple[str, str]:
    """Return the answer and the thoughts that stand before it between `<think>` and `</think>`, or a like tag.

    Where the chat template has written `<think>` itself, all before `</think>` are thoughts; where the reply was cut
    off while the model thought, there is no answer. The template's mark at the end goes. Other text stays as it is.
    """
    before, *parts = CHANNEL.split(text)
    if parts and not before.strip():
        said = [(name == "final", _strip_ending(part)) for name, part in zip(parts[::2], parts[1::2], strict=True)]
        thoughts = [part.strip() for is_answer, part in said if not is_answer]
        return "".join(part for is_answer, part in said if is_answer), "\n".join(thoughts)
    thoughts, rest = [], _strip_ending(text)
    while found := THOUGHT.match(bare := rest.lstrip("\ufeff \t\r\n")):
        end = THOUGHT_END.search(bare, found.end())
        thoughts.append(bare[found.end() : end.start() if end else None].strip())
        rest = bare[end.end() :] if end else ""
    if not thoughts and not THOUGHT.search(rest) and (end := THOUGHT_END.search(rest)):
        thoughts, rest = [rest[: end.start()].strip()], rest[end.end() :]
    return (rest.lstrip(), "\n".join(thoughts)) if thoughts else (rest, "")


def _strip_ending(text: str) -> str:
    while (bare := text.rstrip()).endswith(ENDINGS):
        text = bare[: bare.rindex("<")]
    return text
