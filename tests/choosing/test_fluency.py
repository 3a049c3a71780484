"""Claims about the fluency measures: they give hand-computed values, and nothing to measure is an error."""

import pytest

from llmops_utils.choosing import compute_perplexity, measure_readability, measure_repetition
from llmops_utils.core import DataError
from llmops_utils.models import TokenChance


def make_tokens(*probabilities):
    return [TokenChance("x", probability) for probability in probabilities]


def test_perplexity_is_one_over_the_geometric_mean_of_the_probabilities():
    assert compute_perplexity(make_tokens(1.0, 1.0)) == 1.0
    assert compute_perplexity(make_tokens(0.25, 0.25, 0.25)) == pytest.approx(4)
    assert compute_perplexity(make_tokens(0.5, 0.125)) == pytest.approx(4)  # square root of 2 * 8
    for tokens in ([], make_tokens(0.5, 0.0)):
        with pytest.raises(DataError, match="logprobs"):
            compute_perplexity(tokens)


def test_a_line_said_twice_repeats_other_texts_do_not_and_without_words_nothing_is_measured():
    # six words "a b c a b c": four sequences of three, one of them twice
    assert measure_repetition("send it back. Send it back") == pytest.approx(1 / 4)
    assert measure_repetition("no " * 100) == pytest.approx(97 / 98)
    assert measure_repetition("we will send the kettle today") == 0
    assert measure_repetition("thank you") == 0
    for text in ("", "  ", "12 34 !"):
        for measure in (measure_repetition, measure_readability):
            with pytest.raises(DataError, match="no word"):
                measure(text)


def test_flesch_by_hand():
    # 6 words, 1 sentence, 6 syllables: 206.835 - 1.015 * 6 - 84.6
    assert measure_readability("The cat sat on the mat.") == pytest.approx(116.145)
    # 4 words, 2 sentences, 1 + 2 + 1 + 3 syllables
    assert measure_readability("Your refund. Starts tomorrow.") == pytest.approx(206.835 - 1.015 * 2 - 84.6 * 7 / 4)
    # 1 sentence, 6 words with 1, 2, 2, 3, 1 and 1 syllables: an e at the end is silent
    assert measure_readability("Cat kettle coffee guarantee price Mr") == pytest.approx(206.835 - 6.09 - 84.6 * 10 / 6)
    assert measure_readability("Reimbursement necessitates administrative authorisation notwithstanding.") < 0
