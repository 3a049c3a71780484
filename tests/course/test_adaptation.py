"""Claims about the decision aid: all ways are ranked with reasons, and what has no data comes last."""

import itertools

import pytest

from llmops_utils.core import DataError
from llmops_utils.course.adaptation import CHOICES, Situation, rank_ways

ALL = [Situation(*chosen) for chosen in itertools.product(*CHOICES.values())]


def test_in_any_situation_all_ways_are_ranked_with_reasons_and_those_without_data_come_last():
    for situation in ALL:
        ways = rank_ways(situation)
        assert sorted(one.way for one in ways) == ["fine-tune", "prompt", "retrieve", "train"]
        assert all(one.reasons_for or one.reasons_against for one in ways)
        possible = [one.is_possible for one in ways]
        assert possible == sorted(possible, reverse=True)
        assert ways[0].way != "train"  # training from nothing never comes first


def test_an_unknown_choice_is_named():
    for name in CHOICES:
        with pytest.raises(DataError, match=f"{name} is “perhaps”"):
            Situation(**{name: "perhaps"})
