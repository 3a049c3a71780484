"""JSON schemas, and what is read from replies."""

import copy

import pytest
from pydantic import BaseModel

from llmops_utils.models.schemas import close_schema, find_choice, parse_json, to_json_schema


class Street(BaseModel):
    name: str
    number: int = 1


class City(BaseModel):
    title: str
    streets: list[Street]


def find_objects(schema):
    """Return all object schemas in a schema, at any depth."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    own = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    return own + [found for part in parts for found in find_objects(part)]


def test_a_dict_or_none_is_returned_as_it_is():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert to_json_schema(schema) is schema
    assert schema == {"type": "object", "properties": {"a": {"type": "string"}}}
    assert to_json_schema(None) is None


def test_a_pydantic_model_becomes_a_closed_schema():
    schema = to_json_schema(Street)
    assert schema["type"] == "object"
    assert schema["properties"]["name"]["type"] == "string"
    assert schema["properties"]["number"]["type"] == "integer"
    assert schema["required"] == ["name", "number"]
    assert schema["additionalProperties"] is False


def test_a_nested_pydantic_model_is_closed_at_every_depth():
    objects = find_objects(to_json_schema(City))
    assert [part["title"] for part in objects if part.get("title") in ("City", "Street")] != []
    assert len(objects) == 2
    for part in objects:
        assert part.get("additionalProperties") is False, part["title"]
        assert part.get("required") == list(part["properties"]), part["title"]


def test_close_schema_requires_all_fields_and_forbids_others():
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["b"]}
    before = copy.deepcopy(schema)
    assert close_schema(schema) == before | {"required": ["a", "b"], "additionalProperties": False}
    assert schema == before


def test_close_schema_takes_an_object_without_fields():
    assert close_schema({"type": "object"}) == {"type": "object", "required": [], "additionalProperties": False}


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"a": 1}', {"a": 1}), (' \n{"a": "ü"} ', {"a": "ü"}), ("[1, 2]", [1, 2]), ('"x"', "x")],
)
def test_json_of_a_dict_schema_is_read(text, expected):
    assert parse_json(text, {"type": "object"} if "{" in text else {}) == expected


@pytest.mark.parametrize("text", ["", '{"a": 1', "Sure! Here it is:", '{"a": }', "{'a': 1}"])
def test_json_that_is_none_is_none(text):
    assert parse_json(text, {"type": "object"}) is None


def test_json_of_a_pydantic_model_is_an_instance():
    assert parse_json('{"name": "Am Ring", "number": 5}', Street) == Street(name="Am Ring", number=5)


@pytest.mark.parametrize("text", ['{"name": "Am R', '{"number": 5}', '{"name": "x", "number": "many"}', "[]", ""])
def test_json_that_does_not_fit_a_pydantic_model_is_none(text):
    assert parse_json(text, Street) is None


GRADES = ["correct", "incorrect"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("correct", "correct"),
        ("incorrect", "incorrect"),
        ("Correct.", "correct"),
        ("INCORRECT!", "incorrect"),
        ("The answer is incorrect, I think.", "incorrect"),
        ("**correct**", "correct"),
        ('"correct"', "correct"),
        ('{"choice": "incorrect"}', "incorrect"),
        ('{"choice": "Correct"}', "correct"),
        ("correct or incorrect", None),
        ("correctly", None),
        ("uncorrect", None),
        ("correct_answer", None),
        ("", None),
        ("I do not know.", None),
        ("{}", None),
        ("null", None),
        ("5", None),
        ('["a"]', None),
        ('{"choice": ["correct"', "correct"),
    ],
)
def test_find_choice_takes_the_only_choice_that_is_named(text, expected):
    assert find_choice(text, GRADES) == expected


def test_find_choice_finds_incorrect_by_no_part_of_it():
    assert find_choice("This is incorrect.", ["correct", "wrong"]) is None


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("I would say C++.", ["C", "C++"], None),  # both stand in it as whole words
        ("(b)", ["(a)", "(b)"], "(b)"),
        ("a.c", ["a.c", "abc"], "a.c"),
        ("abc", ["a.c", "x"], None),  # a dot is a dot
        ("größer", ["größer", "kleiner"], "größer"),
        ("übergrößer", ["größer", "kleiner"], None),
        ("GRÖSSER ODER GRÖßER", ["größer", "kleiner"], "größer"),
        ("yes yes yes", ["yes", "no"], "yes"),
        ("5", ["4", "5"], "5"),
        ("15", ["4", "5"], None),
    ],
)
def test_find_choice_takes_choices_as_plain_text(text, choices, expected):
    assert find_choice(text, choices) == expected
