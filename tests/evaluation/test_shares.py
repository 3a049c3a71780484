"""Claims about the share of a label: it is that of its first piece among those of all labels, asked one by one."""

from types import SimpleNamespace

import pytest

from llmops_utils.core import CapabilityMissing
from llmops_utils.evaluation import measure_shares
from llmops_utils.models import TokenChance

CHANCES = {"kettle": ("ket", 0.02), "grinder": ("gr", 0.01), "scale": ("scale", 0.05)}


class FakeModel:
    name = "fake"

    def __init__(self, wrap=""):
        self.wrap, self.asked = wrap, []

    def chat(self, messages, *, choices, max_tokens, logprobs):
        self.asked.append((messages, choices, max_tokens, logprobs))
        piece, chance = CHANCES[choices[0]]
        return SimpleNamespace(tokens=(TokenChance(self.wrap + piece, chance),), prompt_tokens=9)


def test_the_shares_are_those_of_the_first_pieces_and_sum_to_one():
    model = FakeModel()
    answer = measure_shares(model, "It leaks.", list(CHANCES))
    assert answer.prediction == pytest.approx({"kettle": 0.25, "grinder": 0.125, "scale": 0.625})
    assert model.asked == [("It leaks.", [label], 1, 1) for label in CHANCES]
    assert [reply.prompt_tokens for reply in answer.replies] == [9]  # one call's tokens: the others repeat the prompt


def test_a_server_that_wraps_a_choice_is_told_so():
    with pytest.raises(CapabilityMissing, match="does not begin its reply with the label"):
        measure_shares(FakeModel(wrap='{"'), "It leaks.", ["kettle"])
