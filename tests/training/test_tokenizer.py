"""Claims about the tokenizer: it loses nothing and counts bytes."""

import pytest

from llmops_utils.core import DataError
from llmops_utils.training.tokenizer import END, END_ID, encode_texts, train_tokenizer

TEXTS = ["low lower lowest low low", "new newer newest new widest", "half \ud83d"]


@pytest.fixture(scope="module")
def tokens():
    return train_tokenizer(TEXTS, 300)


def test_every_text_comes_back_whole_behind_the_mark_and_half_a_character_as_the_replacement_character(tokens):
    texts = [
        "low",
        "Grüße 👩‍🔬 日本",
        "  two\n\n\tspaces ",
        "\x00\x1f",
        END,
        f"a {END} b",
        "never seen: ŵ",
        "half \ud83d",
    ]
    for text in texts:
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
