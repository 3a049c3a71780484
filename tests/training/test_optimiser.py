"""Claims about the optimiser: singular values near 1, and rates that are kept; lesson 4.2 trains with it."""

import numpy as np
import pytest

from llmops_utils.training import optimiser as module
from llmops_utils.training.gradients import Tensor
from llmops_utils.training.optimiser import ADAM_RATE, Optimiser, make_orthogonal

RANDOM = np.random.default_rng(5)


def test_singular_values_come_near_one_and_the_directions_stay_as_they_were():
    for shape in [(8, 8), (6, 24), (24, 6), (1, 9)]:
        matrix = RANDOM.standard_normal(shape)
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        moved = left.T @ make_orthogonal(matrix) @ right.T
        assert np.allclose(moved, np.diag(np.diag(moved)), atol=1e-6)
        assert np.diag(moved).min() > 0.3
        assert np.diag(moved).max() < 1.3
    assert (make_orthogonal(np.zeros((3, 4))) == 0).all()


def test_a_first_step_has_the_length_of_the_rate_matrices_decay_gains_do_not_and_all_keep_single_precision():
    parameters = {"gain": Tensor(np.ones(3, dtype=np.float32))}
    parameters["gain"].gradient = np.array([0.1, -0.2, 0.3], dtype=np.float32)
    Optimiser(parameters).step(0.5)
    assert parameters["gain"].data == pytest.approx(1 - 0.5 * ADAM_RATE * np.array([1, -1, 1]), abs=1e-6)
    before = {
        "token": RANDOM.standard_normal((6, 4)).astype(np.float32),
        "block 0 in": RANDOM.standard_normal((4, 8)).astype(np.float32),
        "block 0 gain": np.ones(4, dtype=np.float32),
    }
    parameters = {name: Tensor(array.copy()) for name, array in before.items()}
    for one in parameters.values():
        one.gradient = np.zeros_like(one.data)
    Optimiser(parameters).step(1.0)
    assert (parameters["block 0 gain"].data == before["block 0 gain"]).all()
    assert parameters["token"].data == pytest.approx(before["token"] * (1 - ADAM_RATE * module.DECAY), rel=1e-6)
    assert {one.data.dtype for one in parameters.values()} == {np.dtype(np.float32)}
