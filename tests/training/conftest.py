import numpy as np
import pytest
import tiny_llama

from llmops_utils.training.fine_tuning.llama import read_llama
from llmops_utils.training.gradients import Tensor, compare_gradients


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random Llama, read from its file."""
    return read_llama(tiny_llama.write_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf"))


@pytest.fixture
def measure_gap():
    """Return what compares the gradients of an operation on some tensors with finite differences."""

    def sum_squares(x):  # a loss with a different gradient at each place
        weights = np.arange(1, x.data.size + 1).reshape(x.data.shape) / 7
        return Tensor((x.data**2 * weights).sum(), (x,), lambda g: (2 * g * x.data * weights,))

    return lambda operation, inputs: compare_gradients(lambda: sum_squares(operation(*inputs)), inputs)
