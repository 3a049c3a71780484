"""Claims about the transformer; lesson 4.2 shows its size, its gradients, and that it looks back only."""

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.training.transformer import Architecture, Transformer

SMALL = Architecture(vocabulary=20, width=8, depth=2, heads=2, context=6)


@pytest.fixture
def model():
    return Transformer(SMALL, seed=3)


def test_impossible_sizes_and_weights_of_another_architecture_are_refused(model):
    for sizes in ({"width": 10, "heads": 4}, {"depth": 0}, {"vocabulary": 0}, {"context": -1}, {"heads": 0}):
        with pytest.raises(DataError, match="cannot be built"):
            Architecture(**({"vocabulary": 20, "width": 8, "depth": 1, "heads": 2, "context": 6} | sizes))
    with pytest.raises(DataError, match="another architecture"):
        model.unpack_weights(Transformer(Architecture(20, 8, 1, 2, 6)).pack_weights())


def test_logits_have_a_place_for_every_token_and_before_training_are_nearly_those_of_a_die(model):
    logits = model.compute_logits(np.arange(6).reshape(2, 3)).data
    assert (logits.shape, logits.dtype) == ((2, 3, 20), np.float32)
    spread = np.log(np.exp(logits).sum(-1)) - logits.mean(-1)
    assert spread == pytest.approx(np.full((2, 3), np.log(20)), abs=0.1)


def test_writing_is_repeatable_and_ends_before_the_stop_and_without_temperature_takes_the_likeliest(model):
    first = model.continue_ids([0], 12, temperature=1.0, seed=1)
    assert first == model.continue_ids([0], 12, temperature=1.0, seed=1)
    assert first != model.continue_ids([0], 12, temperature=1.0, seed=2)
    assert len(first) == 12  # longer than the context
    likely = int(model.compute_logits(np.array([[4]])).data[0, -1].argmax())
    assert model.continue_ids([4], 1, temperature=0) == [likely]
    assert model.continue_ids([4], 5, temperature=0, stop=likely) == []
