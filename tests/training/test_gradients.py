"""Claims about gradients: every operation agrees with finite differences, and with what can be worked out by hand."""

import numpy as np
import pytest

from llmops_utils.training import gradients
from llmops_utils.training.gradients import Tensor, compare_gradients, compute_loss

CLOSE = 1e-5
RANDOM = np.random.default_rng(7)


def draw(*shape):
    return Tensor(RANDOM.standard_normal(shape))


OPERATIONS = {
    "add": (gradients.add, (draw(3, 4), draw(3, 4))),
    "matmul": (gradients.matmul, (draw(2, 3, 4), draw(4, 5))),
    "matmul_transposed": (gradients.matmul_transposed, (draw(2, 3, 4), draw(5, 4))),
    "normalise": (lambda x, gain: gradients.normalise(x, gain, 1e-3), (draw(2, 3, 4), draw(4))),
    "square_relu": (gradients.square_relu, (draw(3, 4),)),
    "attend": (lambda x: gradients.attend(x, 2), (draw(2, 5, 12),)),
    "embedding": (lambda table: gradients.embedding(table, np.array([[0, 2, 2], [1, 0, 2]])), (draw(4, 3),)),
    "drop_out": (lambda x: gradients.drop_out(x, 0.5, np.random.default_rng(3)), (draw(4, 6),)),
}


def test_every_operation_and_the_loss_agree_with_finite_differences(measure_gap):
    for name, (operation, inputs) in OPERATIONS.items():
        assert measure_gap(operation, inputs) < CLOSE, name
    logits, targets = draw(2, 3, 5), np.array([[0, 1, 4], [2, 2, 3]])
    assert compare_gradients(lambda: compute_loss(logits, targets), [logits]) < CLOSE


def test_a_wrong_gradient_is_noticed_and_the_parameters_stay_as_they_were(measure_gap):
    x = draw(3, 4)
    before = x.data.copy()
    for factor in (0.5, -1.0, 1.01):
        assert measure_gap(lambda x, by=factor: Tensor(x.data * 3, (x,), lambda g: (g * 3 * by,)), [x]) > 0.005
    assert (x.data == before).all()


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
