"""Claims about the share of a label; lesson 5.3 shows shares, and its recordings hold the calls for them."""

from types import SimpleNamespace

import pytest

from llmops_utils.core import CapabilityMissing
from llmops_utils.evaluation import measure_shares
from llmops_utils.models import TokenChance


def test_a_server_that_wraps_a_choice_is_told_so():
    reply = SimpleNamespace(tokens=(TokenChance('{"ket', 0.02),))
    model = SimpleNamespace(name="fake", chat=lambda messages, **options: reply)
    with pytest.raises(CapabilityMissing, match="does not begin its reply with the label"):
        measure_shares(model, "It leaks.", ["kettle"])
