"""JSON schemas for replies, and reading what came back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ..core import DataError, parse_json_values

Schema = dict | type[BaseModel]


def to_json_schema(schema: Schema | None) -> dict | None:
    """Return the JSON schema of a pydantic model; a dict or None is returned as it is.

    Raises:
        DataError: JSON cannot hold the dict.
    """
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

    JSON in a code fence, with other text around it too, counts as JSON.

    Raises:
        DataError: the schema is none.
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


def _fits(value: object, schema: dict) -> bool:
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


def find_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the choice that a reply names: as JSON, or as the only choice that stands in it as whole words."""
    try:
        value = json.loads(text)
        value = value.get("choice") if isinstance(value, dict) else value
        if value in choices:
            return value
    except (ValueError, RecursionError):
        pass
    named = [c for c in choices if re.search(rf"(?<!\w){re.escape(c)}(?!\w)", text, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None
