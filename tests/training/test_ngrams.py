"""Claims about counted models: probabilities sum to 1, and the figures can be worked out by hand."""

import numpy as np
import pytest

from llmops_utils.training.ngrams import Ngrams

IDS = np.array([0, 1, 2, 1, 2, 1, 3])


def test_probabilities_sum_to_one_and_an_unseen_token_has_a_small_one():
    for order in (1, 2, 3):
        counted = Ngrams(IDS, order, 5)
        for before in ([], [0], [1], [2, 1], [3, 3], [1, 2, 1]):
            assert sum(counted.compute_chance(before, token) for token in range(5)) == pytest.approx(1)
            assert 0 < counted.compute_chance(before, 4) < 0.2


def test_a_chance_is_the_smoothed_share_and_leans_on_the_shorter_context_alone_where_the_longer_is_unseen():
    # 2 stands twice in 7; the even guess of a quarter counts as 20 further observations
    unigram = (2 + 20 / 4) / (7 + 20)
    assert Ngrams(IDS, 1, 4).compute_chance([1], 2) == pytest.approx(unigram)
    # after 1 came 2 twice and 3 once
    assert Ngrams(IDS, 2, 4).compute_chance([0, 1], 2) == pytest.approx((2 + 20 * unigram) / (3 + 20))
    # nothing came after 3
    assert Ngrams(IDS, 2, 4).compute_chance([3], 2) == pytest.approx(unigram)
