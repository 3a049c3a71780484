"""Claims about texts to train on: amounts, tokens and counted models; lessons 4.2 and 4.3 show splits and dirty texts."""

import numpy as np
import pytest

from llmops_utils.core import DataError
from llmops_utils.training.corpus import choose_share, cut_texts
from llmops_utils.training.ngrams import Ngrams
from llmops_utils.training.tokenizer import END, END_ID, encode_texts, train_tokenizer

TEXTS = ["low lower lowest low low", "new newer newest new widest", "half \ud83d"]
IDS = np.array([0, 1, 2, 1, 2, 1, 3])


def test_a_smaller_share_is_part_of_the_larger_and_texts_are_cut_to_the_byte():
    texts = [str(number) for number in range(50)]
    assert set(choose_share(texts, 1 / 4)) < set(choose_share(texts, 1 / 2))
    assert choose_share(texts, 1 / 1000) == ["0"]
    for share in (0, -0.5, 1.1):
        with pytest.raises(DataError, match="is no share"):
            choose_share(["a"], share)
    assert cut_texts(["abc", "defg", "hi"], 5) == ["abc", "de"]
    assert cut_texts(["abc", "defg"], 3) == ["abc"]
    assert cut_texts(["aé", "b"], 2) == ["a"]  # a cut character is left out
    with pytest.raises(DataError, match="2 bytes too short"):
        cut_texts(["abc"], 5)


@pytest.fixture(scope="module")
def tokens():
    return train_tokenizer(TEXTS, 300)


def test_every_text_comes_back_whole_behind_the_mark_and_half_a_character_as_the_replacement_character(tokens):
    texts = ["low", "Grüße 👩‍🔬 日本", "  two\n\n\tspaces ", "\x00\x1f", END, f"a {END} b", "never seen: ŵ"]
    for text in [*texts, "half \ud83d"]:
        (encoded,) = encode_texts(tokens, [text])
        whole = text.replace("\ud83d", "\ufffd")
        assert encoded.ids[0] == END_ID == tokens.token_to_id(END)
        assert END_ID not in encoded.ids[1:]
        assert tokens.decode(list(encoded.ids[1:]), skip_special_tokens=False) == whole
        assert encoded.num_bytes == len(whole.encode("utf-8"))


def test_too_small_a_vocabulary_and_an_empty_text_are_refused(tokens):
    with pytest.raises(DataError, match="no room for 256 bytes"):
        train_tokenizer(TEXTS, 256)
    assert train_tokenizer(TEXTS, 257).get_vocab_size() == 257
    with pytest.raises(DataError, match="empty text"):
        encode_texts(tokens, ["low", ""])


def test_a_chance_is_the_smoothed_share_or_that_of_the_shorter_context_where_the_longer_is_unseen_and_all_sum_to_one():
    # 2 stands twice in 7; the even guess of a quarter counts as 20 further observations
    unigram = (2 + 20 / 4) / (7 + 20)
    assert Ngrams(IDS, 1, 4).compute_chance([1], 2) == pytest.approx(unigram)
    # after 1 came 2 twice and 3 once
    assert Ngrams(IDS, 2, 4).compute_chance([0, 1], 2) == pytest.approx((2 + 20 * unigram) / (3 + 20))
    # nothing came after 3
    assert Ngrams(IDS, 2, 4).compute_chance([3], 2) == pytest.approx(unigram)
    for order in (1, 2, 3):
        counted = Ngrams(IDS, order, 5)
        for before in ([], [0], [1], [2, 1], [3, 3], [1, 2, 1]):
            assert sum(counted.compute_chance(before, token) for token in range(5)) == pytest.approx(1)
            assert 0 < counted.compute_chance(before, 4) < 0.2
