"""Claims about amounts of training text; lessons 4.2 and 4.3 show the splits and the dirty texts."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.corpus import choose_share, cut_texts


def test_a_smaller_share_is_part_of_the_larger():
    texts = [str(number) for number in range(50)]
    assert set(choose_share(texts, 1 / 4)) < set(choose_share(texts, 1 / 2))
    assert choose_share(texts, 1 / 1000) == ["0"]
    for share in (0, -0.5, 1.1):
        with pytest.raises(DataError, match="is no share"):
            choose_share(["a"], share)


def test_texts_are_cut_to_the_byte():
    assert cut_texts(["abc", "defg", "hi"], 5) == ["abc", "de"]
    assert cut_texts(["abc", "defg"], 3) == ["abc"]
    assert cut_texts(["aé", "b"], 2) == ["a"]  # a cut character is left out
    with pytest.raises(DataError, match="2 bytes too short"):
        cut_texts(["abc"], 5)
