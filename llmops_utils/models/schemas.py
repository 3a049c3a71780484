"""JSON schemas for replies, and reading what came back."""

from __future__ import annotations

import json
import re


def to_json_schema(schema: dict | type | None) -> dict | None:
    """Return the JSON schema of a pydantic model; a dict or None is returned as it is."""
    if schema is None or isinstance(schema, dict):
        return schema
    return close_schema(schema.model_json_schema())


def close_schema(schema: object) -> object:
    """Return a schema in the strict form that providers want: in each object all fields required, and no others."""
    if isinstance(schema, list):
        return [close_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        name: {key: close_schema(inner) for key, inner in part.items()}
        if name in ("properties", "$defs") and isinstance(part, dict)
        else close_schema(part)
        if name in ("items", "anyOf", "allOf", "prefixItems")
        else part
        for name, part in schema.items()
    }
    if "properties" in closed or closed.get("type") == "object":
        closed |= {"required": list(closed.get("properties", {})), "additionalProperties": False}
    return closed


def parse_json(text: str, schema: dict | type) -> object:
    """Return the value that the text spells, or None where it was cut off or does not fit."""
    try:
        return json.loads(text) if isinstance(schema, dict) else schema.model_validate_json(text)
    except (ValueError, RecursionError):  # a reply of a thousand brackets
        return None


def find_choice(text: str, choices: list[str]) -> str | None:
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
