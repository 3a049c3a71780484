"""Claims about data quality: near-duplicates, leaks and imbalance are found, and honest data pass."""

import itertools

import pytest

from llmops_utils.core import DataError
from llmops_utils.datasets import load_messages, quality
from llmops_utils.datasets.quality import Near, find_leaks, find_near_duplicates, measure_balance

TEXT = "My kettle PW-26006 leaks since Monday, can you repair it?"


def list_shingles(text):
    """Return the shingles of a plain lower-case text, by other means than the module."""
    return {"".join(part) for part in zip(text, text[1:], text[2:], text[3:], strict=False)}


def test_the_resemblance_is_the_one_counted_by_other_means(monkeypatch):
    monkeypatch.setattr(quality, "NEAR", 1e-9)
    texts = [message.text for message in load_messages("dev")[:20]]
    plain = [" ".join("".join(c if c.isalpha() else " " for c in text.lower()).split()) for text in texts]
    found = {(near.first, near.second): near.resemblance for near in find_near_duplicates(texts)}
    for one, other in itertools.combinations(range(20), 2):
        first, second = list_shingles(plain[one]), list_shingles(plain[other])
        assert found.get((one, other), 0.0) == pytest.approx(len(first & second) / len(first | second))


def test_a_near_copy_is_found_and_another_text_is_none():
    copies = [
        *(TEXT, TEXT.upper(), TEXT.replace("26006", "31415"), "  " + TEXT.replace(",", " –") + "!"),
        *(TEXT.replace("kettle", "kéttle"), TEXT + " Thanks!"),
    ]
    for copy in copies:
        (near,) = find_near_duplicates([TEXT, "Where do I change my address?", copy])
        assert (near.first, near.second) == (0, 2)
        assert near.resemblance > 0.8
    assert find_near_duplicates(["12345", "12345", "98765"]) == [Near(0, 1, 1.0)]  # texts without letters as they are
    for other in ("Can I repair a leaking kettle?", "My scale shows E4.", "", "12345"):
        assert find_near_duplicates([TEXT, other]) == []


def test_the_most_alike_come_first_with_the_limit_included_and_a_copy_within_a_split_is_no_leak(monkeypatch):
    dev = [one.text for one in load_messages("dev")]
    (leak,) = find_leaks({"dev": dev, "test": [dev[7].upper(), TEXT, TEXT]})
    assert (leak.split, leak.text, leak.other_split, leak.resemblance) == ("dev", dev[7], "test", 1.0)
    monkeypatch.setattr(quality, "NEAR", 0.5)
    assert find_near_duplicates(["abcdef", "abcdeg", "abcdef"]) == [Near(0, 2, 1.0), Near(0, 1, 0.5), Near(1, 2, 0.5)]


def test_balance_of_cases_worked_by_hand_and_what_cannot_be_measured():
    even = measure_balance(["a", "b", "b", "a"])
    assert (even.counts, even.majority, even.evenness) == ({"a": 2, "b": 2}, 0.5, 1.0)
    uneven = measure_balance(["a"] * 3 + ["b"])
    assert uneven.evenness == pytest.approx(0.8112781)  # the entropy of (3/4, 1/4) in bits
    assert str(uneven) == "2 labels, majority 75%, evenness 0.81 (a 3, b 1)"
    assert measure_balance(["a", "a"]).evenness == 0
    for measure, empty in ((find_near_duplicates, []), (find_leaks, {"dev": ["a"]}), (measure_balance, [])):
        with pytest.raises(DataError):
            measure(empty)
