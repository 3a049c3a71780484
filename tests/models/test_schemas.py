"""JSON schemas, and what is read from replies."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmops_utils.core import DataError
from llmops_utils.models.schemas import close_schema, find_choice, parse_json, to_json_schema


class Street(BaseModel):
    name: str
    number: int = 1


class City(BaseModel):
    title: str
    streets: list[Street]


def test_a_schema_is_closed_at_every_depth_so_that_all_fields_are_required_and_no_others():
    city = to_json_schema(City)
    for part, names in ((city, ["title", "streets"]), (city["$defs"]["Street"], ["name", "number"])):
        assert (part["required"], part["additionalProperties"]) == (names, False)
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["b"]}
    before = copy.deepcopy(schema)
    assert close_schema(schema) == before | {"required": ["a", "b"], "additionalProperties": False}
    assert schema == before
    assert close_schema({"type": "object"}) == {"type": "object", "required": [], "additionalProperties": False}
    choice = {"anyOf": [{"type": "object", "properties": {"properties": {"const": "x"}}}, {"type": "null"}]}
    assert close_schema(choice)["anyOf"][0]["required"] == ["properties"]


def test_json_is_read_and_what_is_none_is_none():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    for text, value in (('{"a": 1}', {"a": 1}), (' \n{"a": "ü"} ', {"a": "ü"}), ("[1, 2]", [1, 2]), ('"x"', "x")):
        assert parse_json(text, {}) == value
    for text in ("", '{"a": 1', "Sure! Here it is:", '{"a": }', "{'a': 1}", "[" * 100_000):
        assert parse_json(text, {}) is None
    assert parse_json('{"name": "Am Ring", "number": 5}', Street) == Street(name="Am Ring", number=5)
    for text in ('{"name": "Am R', '{"number": 5}', '{"name": "x", "number": "many"}', "[]", ""):
        assert parse_json(text, Street) is None
    for text in ('```json\n{"n": 1}\n```', '\ufeff{"n": 1}', 'Here:\n```\n{"n": 1}\n```\nDone.', '```json\n{"n": 1}'):
        assert parse_json(text, schema) == {"n": 1}, text
    for text in ('{"n": "1"}', "{}", "[1]", '{"n": NaN}', '{"n": ' + "9" * 5000 + "}", '{"n": {"a":' * 200):
        assert parse_json(text, schema) is None, text
    assert parse_json('{"a": "\\ud83d"}', {}) == {"a": "\ufffd"}
    with pytest.raises(DataError, match="schema"):
        parse_json("1", {"type": "nonsense"})
    assert parse_json("1", {"$ref": "http://127.0.0.1:9/none"}) is None


def test_find_choice_takes_the_only_choice_that_is_named():
    for text in ("correct", "Correct.", "**correct**", '"correct"', '{"choice": "Correct"}', '{"choice": ["correct"'):
        assert find_choice(text, ["correct", "incorrect"]) == "correct", text
    for text in ("incorrect", "INCORRECT!", "The answer is incorrect, I think.", '{"choice": "incorrect"}'):
        assert find_choice(text, ["correct", "incorrect"]) == "incorrect", text
    nothing = ("correct or incorrect", "correctly", "uncorrect", "correct_answer", "", "I do not know.", "{}", "null")
    for text in (*nothing, "5", '["a"]'):
        assert find_choice(text, ["correct", "incorrect"]) is None, text
    assert find_choice("This is incorrect.", ["correct", "wrong"]) is None


def test_labels_with_signs_dashes_and_parts_of_others_are_told_apart():
    languages, spam, toxic = ["C", "C++", "C#"], ["spam", "not spam"], ["toxic", "non-toxic"]
    german = ["größer", "kleiner"]
    cases = [
        *(("C++", languages, "C++"), ("It is C++.", languages, "C++"), ("**C#**", languages, "C#")),
        *(("The language is C.", languages, "C"), ("c++", languages, "C++"), ("C or C++", languages, None)),
        *(("A+", ["A", "A+", "B"], "A+"), ("Grade: A.", ["A", "A+"], "A"), ("A+", ["A", "B"], None)),
        *(("-1", ["1", "0", "-1"], "-1"), ("The score is −1.", ["-1", "1"], "-1"), ("-1", ["0", "1"], None)),
        *(("<5", ["<5", "5", ">5"], "<5"), ("It is > 5", ["<5", "5"], "5"), (">5", ["<5", "5"], None)),
        *(("Not spam", spam, "not spam"), ("Label: NOT SPAM", spam, "not spam"), ("not_spam", ["spam", "ham"], None)),
        *(("_spam_", spam, "spam"), ('{"choice": "Not spam."}', spam, "not spam"), ("spam, not spam", spam, None)),
        *(("non\u2011toxic", toxic, "non-toxic"), ("Non–toxic.", toxic, "non-toxic"), ("toxic", toxic, "toxic")),
        *(
            ("non-toxic", ["toxic", "safe"], None),
            ("no\u00adn-toxic", toxic, "non-toxic"),
            ("ｔｏｘｉｃ", toxic, "toxic"),
        ),
        *(("partly correct", ["partly correct.", "correct."], "partly correct."), ("(b)", ["(A)", "(B)"], "(B)")),
        *(("partly correct.", ["partly correct", "correct"], "partly correct"), ("15", ["4", "5"], None)),
        *(("I dont know", ["I don't know"], None), ("i don’t know.", ["I don't know", "know"], "I don't know")),
        *(("Label: not-spam.", spam, "not spam"), ("not_spam", spam, "not spam"), ("not-spam", ["spam", "ham"], None)),
        *(("very_positive", ["positive", "very positive"], "very positive"), ("non toxic", toxic, "non-toxic")),
        *(("It is customer\\_service", ["Customer Service"], "Customer Service"), ("level 1", ["level_1"], "level_1")),
        *(("late delivery", ["delivery", "late_delivery"], "late_delivery"), ("re-turn_x", ["return"], None)),
        *(("RECLAMACION", ["reclamación", "envío"], "reclamación"), ("İstanbul", ["istanbul"], "istanbul")),
        *(("B. A fruit", ["A", "B"], "B"), ("B: it is a dog", ["A", "B"], "B"), ("A or B", ["A", "B"], None)),
        *(('{"label": "spam", "why": "not ham"}', ["spam", "ham"], "spam"), ("“A”", ["A", "B"], "A")),
        *(('```json\n{"choice": "spam", "no": "ham"}\n```', ["spam", "ham"], "spam"), ("spam\u200e", spam, "spam")),
        *(("US", ["US", "us"], "US"), ("It is us.", ["US", "us"], "us"), ('{"choice": "none"}', ["choice"], None)),
        *(("a.c", ["a.c", "abc"], "a.c"), ("abc", ["a.c", "x"], None), ("yes yes yes", ["yes", "no"], "yes")),
        *(("übergrößer", german, None), ("GRÖSSER ODER GRÖßER", german, "größer")),
    ]
    for one in (lambda choices: choices, lambda choices: choices[::-1]):
        assert [case for case in cases if find_choice(case[0], one(case[1])) != case[2]] == []


PIECES = ["C", "c", "+", "#", "-", "\u2011", "–", "'", "’", "spam", "Not ", "non", " ", "_", ".", "1", "<", "(", "ß"]
PIECES += ["\ud800"]
labels = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join).filter(str.strip)


@settings(max_examples=80, deadline=None)
@given(st.lists(labels, min_size=1, max_size=5, unique=True), st.lists(st.sampled_from(PIECES) | st.text(), max_size=6))
def test_a_label_is_read_the_same_whatever_the_order_of_the_choices(choices, parts):
    for text in ("".join(parts), choices[0], json.dumps({"choice": choices[-1]})):
        found = find_choice(text, choices)
        assert found in (None, *choices)
        assert [find_choice(text, order) for order in (choices[::-1], sorted(choices))] == [found, found]
    assert [find_choice(choice, choices) for choice in choices] == choices
