"""Claims about the tokenizer: it loses nothing, learns what is frequent, and counts bytes."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.tokenizer import END, END_ID, encode_texts, train_tokenizer

TEXTS = ["low lower lowest low low", "new newer newest new widest"]


@pytest.fixture(scope="module")
def tokens():
    return train_tokenizer(TEXTS, 300)


def test_every_text_comes_back_whole_behind_the_mark(tokens):
    for text in ["low", "Grüße 👩‍🔬 日本", "  two\n\n\tspaces ", "\x00\x1f", END, f"a {END} b", "never seen: ŵ"]:
        (encoded,) = encode_texts(tokens, [text])
        assert encoded.ids[0] == END_ID == tokens.token_to_id(END)
        assert END_ID not in encoded.ids[1:]
        assert tokens.decode(list(encoded.ids[1:]), skip_special_tokens=False) == text
        assert encoded.num_bytes == len(text.encode("utf-8"))


def test_frequent_words_become_one_token_the_same_in_each_training(tokens):
    assert len(encode_texts(tokens, [" low"])[0].ids) == 2
    assert len(encode_texts(tokens, [" zyx"])[0].ids) == 5
    # "Ġ" + "n" stands 3 times, "l" + "o" 5 times, "o" + "w" 5 times, "e" + "w" 4 times, "Ġ" + "l" 4 times
    assert tokens.id_to_token(257) in ("lo", "ow")
    assert train_tokenizer(TEXTS, 300).get_vocab() == tokens.get_vocab()


def test_too_small_a_vocabulary_and_an_empty_text_are_refused(tokens):
    with pytest.raises(DataError, match="no room for 256 bytes"):
        train_tokenizer(TEXTS, 256)
    assert train_tokenizer(TEXTS, 257).get_vocab_size() == 257
    with pytest.raises(DataError, match="empty text"):
        encode_texts(tokens, ["low", ""])


def test_half_an_emoji_in_a_text_is_read_as_the_replacement_character():
    tokenizer = train_tokenizer(["half \ud83d"], 300)
    (encoded,) = encode_texts(tokenizer, ["half \ud83d"])
    assert (tokenizer.decode(encoded.ids[1:].tolist()), encoded.num_bytes) == ("half \ufffd", 8)
