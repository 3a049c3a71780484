"""Claims about the fluency measures: they give hand-computed values, and nothing to measure is an error."""

import pytest

from llmops_utils.choosing.fluency import compute_perplexity, count_syllables, measure_readability, measure_repetition
from llmops_utils.core import DataError
from llmops_utils.models import TokenChance


def make_tokens(*probabilities):
    return [TokenChance("x", probability) for probability in probabilities]


def test_a_certain_text_has_perplexity_one():
    assert compute_perplexity(make_tokens(1.0, 1.0)) == 1.0


def test_choosing_among_four_equal_tokens_is_perplexity_four():
    assert compute_perplexity(make_tokens(0.25, 0.25, 0.25)) == pytest.approx(4)


def test_perplexity_is_the_geometric_mean():
    assert compute_perplexity(make_tokens(0.5, 0.125)) == pytest.approx(4)  # square root of 2 * 8


@pytest.mark.parametrize("tokens", [[], make_tokens(0.5, 0.0)])
def test_without_probabilities_there_is_no_perplexity(tokens):
    with pytest.raises(DataError, match="logprobs"):
        compute_perplexity(tokens)


def test_a_text_without_repetition_has_none():
    assert measure_repetition("we will send the kettle today") == 0


def test_a_line_said_twice_repeats():
    # six words "a b c a b c": four sequences of three, one of them twice
    assert measure_repetition("send it back. Send it back") == pytest.approx(1 / 4)
    assert measure_repetition("no " * 100) == pytest.approx(97 / 98)


def test_too_few_words_cannot_repeat():
    assert measure_repetition("thank you") == 0


@pytest.mark.parametrize("text", ["", "  ", "12 34 !"])
def test_a_text_without_words_is_not_measured(text):
    with pytest.raises(DataError):
        measure_repetition(text)
    with pytest.raises(DataError):
        measure_readability(text)


def test_a_sequence_has_at_least_one_word():
    with pytest.raises(DataError, match="size=3"):
        measure_repetition("some words", size=0)


def test_flesch_by_hand():
    # 6 words, 1 sentence, 6 syllables: 206.835 - 1.015 * 6 - 84.6
    assert measure_readability("The cat sat on the mat.") == pytest.approx(116.145)
    # 4 words, 2 sentences, 1 + 2 + 1 + 3 syllables
    assert measure_readability("Your refund. Starts tomorrow.") == pytest.approx(206.835 - 1.015 * 2 - 84.6 * 7 / 4)


def test_long_words_and_sentences_are_harder():
    easy = measure_readability("We send it back. You pay no fee.")
    hard = measure_readability("Reimbursement necessitates administrative authorisation notwithstanding circumstances.")
    assert hard < 0 < easy


@pytest.mark.parametrize(
    ("word", "num"),
    [("cat", 1), ("kettle", 2), ("refund", 2), ("coffee", 2), ("guarantee", 3), ("price", 1), ("Mr", 1)],
)
def test_syllables_of_plain_words(word, num):
    assert count_syllables(word) == num
