"""Claims about cleaning texts."""

from hypothesis import given
from hypothesis import strategies as st

from llmops_utils.core.texts import clean_text, clean_values, unify_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_a_clean_text_can_be_written_and_is_clean_already(text):
    cleaned = clean_text(text)
    assert "\0" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned == clean_text(cleaned)
    unified = unify_text(text)
    assert unified.encode("utf-8").decode("utf-8") == unified


def test_every_text_in_a_value_is_cleaned_and_an_honest_one_stays():
    value = clean_values({"a\ud800": ["x\udfff", 1, None, ("y\0",)]})
    assert value == {"a\ufffd": ["x\ufffd", 1, None, ["y"]]}
    assert clean_text("whole 😀, café, \u202f5 €, a\u00adb") == "whole 😀, café, \u202f5 €, a\u00adb"


def test_what_reads_alike_is_written_alike_and_marks_stay():
    assert unify_text("cafe\u0301") == "café"
    assert unify_text("ﬁn\u00ad-\u200bＡＢＣ１") == "fin-ABC1"
    assert unify_text("हिन्दी ไทยที่") == "हिन्दी ไทยที่".replace("ํา", "ำ")
