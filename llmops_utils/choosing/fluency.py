"""Measures of how a text reads, each named for what it is. None of them says whether the text is right."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ..core import DataError
from ..models import TokenChance

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?]+(?=\s|$)")


def compute_perplexity(tokens: Sequence[TokenChance]) -> float:
    """Return the perplexity of a text by the probabilities of its tokens: at least 1, small where nothing surprised.

    It is the exponential of the mean negative log probability: as if the model had chosen each token among so many
    equally likely ones. A model's own text has a low perplexity for that model, right or wrong, so this compares texts
    by one model, never models that share no vocabulary.

    Source: F. Jelinek et al., Perplexity: a measure of the difficulty of speech recognition tasks, JASA 62 (1977).
    """
    if not tokens or any(not token.probability > 0 for token in tokens):
        raise DataError("There are no token probabilities to measure.", "Ask for the reply with logprobs=1.")
    return math.exp(-sum(math.log(token.probability) for token in tokens) / len(tokens))


def measure_repetition(text: str) -> float:
    """Return the share of sequences of three words that stood in the text before, from 0 to almost 1.

    Capitals do not count. Raises `DataError` where the text has no word.

    Source: the measure seq-rep-n of S. Welleck et al., Neural text generation with unlikelihood training (2020), on
    words instead of tokens.
    """
    words = [word.lower() for word in _split_words(text)]
    sequences = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(sequences)) / len(sequences) if sequences else 0.0


def measure_readability(text: str) -> float:
    """Return Flesch's reading ease: about 100 for very easy English, below 30 for very difficult; it may leave 0 to 100.

    It sees only the length of sentences and words. Syllables are counted as groups of vowels, which errs by a few.
    Raises `DataError` where the text has no word.

    Source: R. Flesch, A new readability yardstick, Journal of Applied Psychology 32 (1948).
    """
    words = _split_words(text)
    num_sentences = max(1, len(SENTENCE_END.findall(text.strip())))
    num_syllables = sum(_count_syllables(word) for word in words)
    return 206.835 - 1.015 * len(words) / num_sentences - 84.6 * num_syllables / len(words)


def _split_words(text: str) -> list[str]:
    words = WORD.findall(text)
    if not words:
        raise DataError("There is no word to measure.", "Give a text in English.")
    return words


def _count_syllables(word: str) -> int:
    """Return the syllables of a word, at least 1: groups of vowels, without a silent e at the end."""
    lower = word.lower()
    groups = re.findall(r"[aeiouy]+", lower)
    is_silent = lower.endswith("e") and not lower.endswith(("le", "ee")) and len(groups) > 1
    return max(1, len(groups) - is_silent)
