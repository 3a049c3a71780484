"""Claims about gradients; lesson 4.2 holds those of a whole transformer against finite differences."""

import numpy as np
import pytest

from llmops_utils.training import gradients
from llmops_utils.training.gradients import Tensor, compare_gradients, compute_loss


def measure_gap(operation):
    """Return how far the gradients of an operation on a matrix lie from finite differences."""
    x = Tensor(np.random.default_rng(7).standard_normal((4, 6)))
    weights = np.arange(1, 25).reshape(4, 6) / 7  # a loss with a different gradient at each place

    def measure_loss():
        y = operation(x)
        return Tensor((y.data**2 * weights).sum(), (y,), lambda g: (2 * g * y.data * weights,))

    before = x.data.copy()
    gap = compare_gradients(measure_loss, [x])
    assert (x.data == before).all()
    return gap


def test_dropout_agrees_with_finite_differences_and_a_wrong_gradient_is_noticed_and_the_parameters_stay():
    assert measure_gap(lambda x: gradients.drop_out(x, 0.5, np.random.default_rng(3))) < 1e-5
    for factor in (0.5, -1.0, 1.01):
        assert measure_gap(lambda x, by=factor: Tensor(x.data * 3, (x,), lambda g: (g * 3 * by,))) > 0.005


def test_a_chain_of_ten_thousand_operations_can_be_traced_and_what_is_used_in_each_collects_all_gradients():
    x = last = Tensor(np.array([1.0]))
    one = Tensor(np.array([1.0]))
    for _ in range(10_000):
        last = gradients.add(last, one)
    last.backward()
    assert x.gradient.tolist() == [1.0]
    assert one.gradient.tolist() == [10_000.0]


def test_the_loss_of_equal_scores_is_the_logarithm_of_their_number_and_of_huge_ones_finite():
    loss = compute_loss(Tensor(np.zeros((2, 3, 8))), np.zeros((2, 3), dtype=int))
    assert float(loss.data) == pytest.approx(np.log(8))
    assert float(compute_loss(Tensor(np.array([[1e4, 0.0, -1e4]])), np.array([0])).data) == 0.0


def test_dropout_keeps_the_mean():
    x = Tensor(np.ones((1000, 100), dtype=np.float32))
    y = gradients.drop_out(x, 0.25, np.random.default_rng(0)).data
    assert y.mean() == pytest.approx(1, abs=0.01)
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert y.dtype == np.float32
    assert gradients.drop_out(x, 0.25, None) is x
    assert gradients.drop_out(x, 0.0, np.random.default_rng(0)) is x
