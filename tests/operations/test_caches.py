"""Claims about caches: what is asked again is not, and what differs is; lesson 12.1 measures a cache by meaning."""

import json

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.operations import ExactCache, caches, measure_threshold, name_version


@pytest.fixture
def asked():
    """The texts that were asked."""
    return []


@pytest.fixture
def cache(asked):
    def ask(text, user=None):
        asked.append(text)
        return f"{len(asked)}: {text}"

    return ExactCache(ask, "one")


def test_the_same_text_is_asked_once_whatever_its_whitespace_until_the_version_changes(cache):
    with pytest.raises(DataError):
        _ = cache.hit_rate  # before the first question
    assert [cache("a b"), cache("A b"), cache(" a \n b")] == ["1: a b", "2: A b", "1: a b"]
    assert (cache.num_hits, cache.num_misses, cache.hit_rate.value) == (1, 2, 1 / 3)
    cache.version = "the next prompt"
    assert cache("a b") == "3: a b"


def test_in_a_full_cache_the_entry_unused_for_longest_goes(cache, asked, monkeypatch):
    monkeypatch.setattr(caches, "MAX_ENTRIES", 2)
    for text in "abacab":
        cache(text)
    assert "".join(asked) == "abcb"


def test_a_failure_is_not_kept_and_a_reply_of_nothing_is():
    results = [ValueError("no"), None]

    def ask(text):
        result = results.pop(0)
        if result is not None:
            raise result

    cache = ExactCache(ask, "one")
    with pytest.raises(ValueError, match="no"):
        cache("a")
    assert [cache("a"), cache("a"), results] == [None, None, []]


def test_no_user_reads_what_was_answered_to_another_and_none_changes_anothers_reply():
    def ask(text, user=""):
        asked.append((text, user))
        return {"parts": [len(asked)]}

    asked = []
    cache = ExactCache(ask, "one")
    for _ in range(2):
        reply = cache("My order?", user="ann")
        assert reply == {"parts": [1]}
        reply["parts"].append("changed")
    assert [cache("My order?", user="bob"), cache("My order?")] == [{"parts": [2]}, {"parts": [3]}]


VERSION = {"model": "small", "settings": {"temperature": 0}, "prompt": "1", "shots": ["a"], "index": "monday"}
CALL = {"text": "And to Spain?", "user": "ann", "conversation": ["To Austria?", "6.90"]}


def test_whatever_a_reply_depends_on_gives_another_key():
    def answer(**parts):
        return json.dumps(parts, sort_keys=True)

    def ask(text, **call):
        return answer(**call, text=text, **now)

    changes = {"model": "large", "settings": {"temperature": 1}, "prompt": "2", "shots": [], "index": "tuesday"}
    changes |= {"text": "And to Finland?", "user": "bob", "conversation": []}
    now = VERSION
    cache = ExactCache(ask, name_version(**VERSION))
    first = cache(**CALL)
    for part, value in changes.items():
        now = VERSION | ({part: value} if part in VERSION else {})
        cache.version = name_version(**now)
        call = CALL | ({part: value} if part in CALL else {})
        assert cache(**call) == answer(**call, **now) != first, part
    now, cache.version = VERSION, name_version(**VERSION)
    assert (cache(**CALL), cache.num_hits) == (first, 1)


def test_a_part_of_the_key_cannot_be_what_does_not_tell_itself_apart(cache, asked):
    for value in ({1}, object(), float("nan")):
        with pytest.raises(DataError, match="key"):
            name_version(**VERSION | {"settings": value})
        with pytest.raises(DataError, match="key"):
            cache("a", user=value)
    assert asked == []


def test_pairs_without_both_kinds_a_direction_or_a_partner_have_no_threshold():
    for same in ([True, True], [False, False], [True], ["yes", ""], [np.nan, 0], [2, 0]):
        with pytest.raises(DataError):
            measure_threshold(np.eye(2), np.eye(2), same, [0.9])
    for value in (0, np.nan, np.inf):
        with pytest.raises(DataError, match="no direction"):
            measure_threshold(np.full((2, 2), value), np.eye(2), [True, False], [0.9])
    with pytest.raises(DataError, match="each pair"):
        measure_threshold(np.eye(2), np.eye(2)[:1], [True, False], [0.9])
