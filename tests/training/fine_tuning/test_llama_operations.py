"""Claims about the operations of a Llama: gradients agree with finite differences, positions and branches do as said."""

from dataclasses import replace

import numpy as np
import pytest

from llmops_utils.training.fine_tuning import llama_operations as operations
from llmops_utils.training.fine_tuning.adapters import make_adapter
from llmops_utils.training.fine_tuning.token_trees import HIDDEN, make_tree, pack_trees
from llmops_utils.training.gradients import Tensor, compare_gradients

RANDOM = np.random.default_rng(7)
BRANCHED = make_tree([[5, 6, 7, 8, 9], [5, 6, 3, 4]], [3, 2])
PLAIN = make_tree([[4, 5, 6, 7]], [1])


def test_every_matrix_of_an_adapter_agrees_with_finite_differences_through_all_operations(tiny, monkeypatch):
    monkeypatch.setattr(operations, "PLACES_AT_ONCE", 2)
    trees = [make_tree([[4, 5], [4, 6]], [1, 1]), BRANCHED, PLAIN]  # the first predicts twice from one place
    exact = replace(tiny, arrays={name: array.astype(np.float64) for name, array in tiny.arrays.items()})
    lora = {}
    for name, one in make_adapter(tiny, "x", 2, 3, 6, 0, "").matrices.items():
        lora[name] = Tensor(one + RANDOM.normal(0, 0.1, one.shape))  # where B is 0, A has no gradient
    starts = np.cumsum([0, *map(len, trees)])
    places = np.concatenate([tree.places + start for tree, start in zip(trees, starts, strict=False)])
    targets = np.concatenate([tree.targets for tree in trees])
    weights = np.concatenate([tree.weights for tree in trees])

    def compute():
        x = Tensor(exact.arrays["token_embd.weight"][np.concatenate([tree.ids for tree in trees])])
        packing = exact.pack(trees)
        for layer in range(2):
            x = exact.run_layer(x, layer, packing, lora, 2.0)
        return operations.compute_reply_loss(exact.normalise_output(x), exact.output_table, places, targets, weights)

    assert len(lora) == 28
    assert compare_gradients(compute, list(lora.values())) < 1e-4


def test_a_tree_shares_the_beginning_and_predicts_each_reply_from_its_start_also_later_turns_of_a_conversation():
    assert BRANCHED.ids.tolist() == [5, 6, 7, 8, 3]
    assert BRANCHED.positions.tolist() == [0, 1, 2, 3, 2]
    assert BRANCHED.branches.tolist() == [-1, -1, 0, 0, 1]
    assert BRANCHED.places.tolist() == [2, 3, 1, 4]
    assert BRANCHED.targets.tolist() == [8, 9, 3, 4]
    assert BRANCHED.weights.tolist() == [0.5] * 4
    assert PLAIN.weights.tolist() == pytest.approx([1 / 3] * 3)  # each reply weighs 1, however long it is
    seen = (BRANCHED.make_mask() == 0).astype(int).tolist()
    assert seen == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]]
    assert set(BRANCHED.make_mask().ravel().tolist()) == {0.0, HIDDEN}
    same = make_tree([[1, 2, 3], [1, 2, 3]], [2, 2])  # the same reply twice counts twice
    assert (same.ids.tolist(), same.places.tolist(), same.targets.tolist()) == ([1, 2], [1, 1], [3, 3])
    turns = make_tree([[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7]], [2, 5])
    assert turns.ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert (turns.places.tolist(), turns.targets.tolist()) == ([1, 2, 4, 5], [3, 4, 6, 7])


def test_scores_of_rotated_vectors_depend_on_their_distance_alone_and_pairs_are_neighbours():
    turns = pack_trees([make_tree([list(range(9))], [1])], 4, 100.0).turns
    one = operations.rotate(Tensor(np.tile([1.0, 0.0, 0.0, 0.0], (8, 1))), turns).data
    assert one[3] == pytest.approx([np.cos(3), np.sin(3), 0, 0])
    query, key = (operations.rotate(Tensor(np.tile(RANDOM.standard_normal(4), (8, 1))), turns).data for _ in range(2))
    assert query[5] @ key[2] == pytest.approx(query[7] @ key[4])
    assert query[5] @ key[2] != pytest.approx(query[5] @ key[4])


def test_the_loss_is_the_logarithm_of_the_number_of_equal_scores_and_finite_for_huge_ones():
    places, targets = np.array([0, 1]), np.array([0, 3])
    equal = operations.compute_reply_loss(Tensor(np.zeros((2, 4))), np.ones((8, 4)), places, targets, np.full(2, 0.5))
    assert float(equal.data) == pytest.approx(np.log(8))
    huge = operations.compute_reply_loss(Tensor(np.full((2, 4), 1e4)), np.eye(4), places, targets, np.full(2, 0.5))
    assert float(huge.data) == pytest.approx(np.log(4))
    gates = Tensor(np.array([[-1e4, 0.0, 1e4]], np.float32))
    assert operations.swiglu(gates, Tensor(np.ones((1, 3), np.float32))).data.tolist() == [[0, 0, 1e4]]
