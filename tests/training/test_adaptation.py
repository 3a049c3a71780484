"""Claims about the decision aid: plain situations get the plain answer, and what has no data comes last."""

import itertools

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.adaptation import CHOICES, WAYS, Situation, rank_ways

ALL = [Situation(*chosen) for chosen in itertools.product(*CHOICES.values())]


def name_first(**facts):
    return rank_ways(Situation(**facts))[0].way


def test_changing_facts_with_sources_are_retrieved():
    assert name_first(lacks="knowledge", changes="daily", sources="needed") == "retrieve"


def test_a_form_with_a_few_examples_is_prompted():
    assert name_first(lacks="form", changes="yearly", num_examples="dozens", sources="not needed") == "prompt"


def test_a_form_with_many_examples_and_requests_is_tuned():
    facts = {"num_examples": "thousands", "sources": "not needed", "requests": "millions a month"}
    assert name_first(lacks="form", changes="yearly", **facts) == "fine-tune"


def test_training_from_nothing_never_comes_first():
    assert all(rank_ways(situation)[0].way != "train" for situation in ALL)


def test_all_ways_are_ranked_each_with_a_reason():
    for situation in ALL:
        ways = rank_ways(situation)
        assert sorted(one.way for one in ways) == sorted(WAYS)
        assert all(one.reasons_for or one.reasons_against for one in ways)


def test_a_way_without_data_is_behind_all_others():
    for situation in ALL:
        possible = [one.is_possible for one in rank_ways(situation)]
        assert possible == sorted(possible, reverse=True)


def test_points_are_reasons_for_less_reasons_against():
    for one in rank_ways(Situation()):
        assert one.points == len(one.reasons_for) - len(one.reasons_against)


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_choice_is_named(name):
    with pytest.raises(DataError, match=f"{name} is “perhaps”"):
        Situation(**{name: "perhaps"})
