"""Search: by meaning, by words, and both fused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

import numpy as np

from ..core import DataError, unify_text
from .chunks import Chunk
from .index import Index

METHODS = ("dense", "lexical", "fused")
DEPTH = 50  # chunks of each ranking that are fused
RRF_CONSTANT = 60  # of the paper; it damps the difference between the first ranks
# The commonest English words and those of questions: they stand in every page and tell none from another.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a about after all am an and any are as at be been before but by can could did do does for from get had has
        have how i if in into is it its just may me much my no not of on only or our out she should so some than that
        the their them then there these they this to too us was we were what when where which while who why will with
        would you your""",
    )
)


@dataclass(frozen=True)
class Hit:
    """A chunk that was found."""

    chunk: Chunk
    rank: int  # its place in the result, from 1
    score: float  # by which it got there: a cosine, a BM25 score, or a sum of reciprocal ranks
    dense_rank: int | None = None  # its place by meaning, None where it is not among the first 50
    cosine: float | None = None
    lexical_rank: int | None = None  # its place by words, None where it shares no word
    bm25: float | None = None


@cache
def list_marks() -> str:
    """Return Unicode's combining marks, for a class of a regular expression: of vowels in Hindi and Thai, say."""
    scripts = map(chr, range(0x300, 0x20000))
    return "".join(letter for letter in scripts if unicodedata.category(letter)[0] == "M")


def split_words(text: str) -> list[str]:
    """Return the words that lexical search compares: lower case, as `unify_text` writes them, without stop words and s.

    A compound such as PW-8252 or 3.4 counts as a whole and in its parts. Thai and Chinese come out in whole phrases.
    """
    words: list[str] = []
    text = unify_text(text).casefold()
    letter = r"\w" if text.isascii() else rf"[\w{list_marks()}]"
    for compound in re.findall(rf"{letter}+(?:[-.]{letter}+)*", text):
        parts = compound.replace(".", "-").split("-")
        words += [_strip_plural(word) for word in (parts if len(parts) == 1 else [compound, *parts])]
    return [word for word in words if word not in STOP_WORDS]


@lru_cache(100_000)
def _strip_plural(word: str) -> str:
    """Return a word without its plural ending.

    Source: the rules of D. Harman, How effective is suffixing?, JASIS 42 (1991), for the endings ies, es and s.
    """
    if word.endswith("ies") and not word.endswith(("eies", "aies")) and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")) and len(word) > 3:
        return word[:-1]
    if word.endswith("s") and not word.endswith(("us", "ss")) and len(word) > 3:
        return word[:-1]
    return word


class LexicalIndex:
    """BM25 over chunks, at least one, in memory."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        import bm25s

        self.chunks = list(chunks)
        words = [split_words(chunk.searched) for chunk in self.chunks]
        self._vocabulary = {word for one in words for word in one}
        self._bm25 = None
        if self._vocabulary:
            self._bm25 = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
            self._bm25.index(words, show_progress=False)

    def find_matching(self, question: str, k: int, where: Mapping | None = None) -> list[tuple[Chunk, float]]:
        """Return the chunks that share words with a question, the best first, each with its BM25 score above 0."""
        words = [word for word in split_words(question) if word in self._vocabulary]
        if not words:
            return []
        scores = self._bm25.get_scores(words)
        order = np.argsort(-scores, kind="stable")
        found = []
        for index in order:
            if scores[index] <= 0 or len(found) == k:
                break
            if self.chunks[index].passes(where):
                found.append((self.chunks[index], float(scores[index])))
        return found


def fuse_ranks(*rankings: Sequence[str], constant: int = RRF_CONSTANT) -> dict[str, float]:
    """Return the fused score of each id, the best first: the sum of 1 / (constant + rank) over the rankings.

    A ranking holds ids, the best first, each once. Scores of different searches cannot be added, since a cosine and a
    BM25 score have different scales; ranks can. A small constant, at least 0, trusts the first ranks more.

    Source: G. Cormack, C. Clarke and S. Büttcher, Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods, SIGIR 2009.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        if len(set(ranking)) != len(ranking):
            raise DataError("A ranking holds an id twice.", "Give each id once.")
        for rank, id in enumerate(ranking, start=1):
            scores[id] = scores.get(id, 0.0) + 1 / (constant + rank)
    return dict(sorted(scores.items(), key=lambda pair: -pair[1]))


@dataclass(frozen=True)
class Retriever:
    """Finds chunks for a question."""

    index: Index
    method: str = "fused"  # by meaning and by words; `dense` by meaning, `lexical` by words alone
    where: Mapping | None = None  # metadata that a page must have: {"status": "current"}; a list allows several values
    constant: int = RRF_CONSTANT  # as in `fuse_ranks`
    lexical: LexicalIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(f"“{self.method}” is no way to search.", f"Choose one of {', '.join(METHODS)}.")
        object.__setattr__(self, "lexical", LexicalIndex(self.index.chunks.values()))

    def find_chunks(self, question: str, k: int = 5) -> list[Hit]:
        """Return the k best hits, the best first; fewer where fewer match. Raises as `Index.find_similar`."""
        if not question.strip() or k < 1:
            raise DataError("There is nothing to look for.", "Give a question, and k of at least 1.")
        depth = max(DEPTH, k)
        dense = self.index.find_similar(question, depth, self.where) if self.method != "lexical" else []
        lexical = self.lexical.find_matching(question, depth, self.where) if self.method != "dense" else []
        dense_ranks = {chunk.id: (rank, score) for rank, (chunk, score) in enumerate(dense, start=1)}
        lexical_ranks = {chunk.id: (rank, score) for rank, (chunk, score) in enumerate(lexical, start=1)}
        if self.method == "fused":
            scores = fuse_ranks(list(dense_ranks), list(lexical_ranks), constant=self.constant)
        else:
            scores = {id: score for id, (_, score) in (dense_ranks or lexical_ranks).items()}
        hits: list[Hit] = []
        for rank, (id, score) in enumerate(scores.items(), start=1):
            places = (*dense_ranks.get(id, (None, None)), *lexical_ranks.get(id, (None, None)))
            hits.append(Hit(self.index.chunks[id], rank, score, *places))
        return hits[:k]
