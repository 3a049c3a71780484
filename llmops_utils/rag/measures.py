"""How good retrieval and answers are: tokens of the gold passage, citations, refusals."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core import DataError, unify_text
from ..evaluation import Proportion, check_right, estimate_proportion
from .chunks import Chunk
from .pages import Page
from .search import list_marks

# --- passages --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Passage:
    """Where a gold passage stands: `page.text[start:end]`."""

    page: Page
    start: int
    end: int

    def overlaps(self, chunk: Chunk) -> bool:
        """Return whether a chunk holds at least half of the passage's tokens."""
        if chunk.page.name != self.page.name or chunk.end <= self.start or self.end <= chunk.start:
            return False  # at once: many chunks are asked
        return measure_recall([chunk], [self]) >= 0.5


def locate_passages(texts: Sequence[str], names: Sequence[str], pages: Iterable[Page]) -> list[Passage]:
    """Return where each text stands, in the first of the named pages that holds it; spacing and Unicode form may differ.

    Raises `DataError` where a text stands in none of them.
    """
    by_name = {page.name: page for page in pages}
    named = [by_name[name] for name in names if name in by_name]
    passages = []
    for text in texts:
        found = next(filter(None, (_find_passage(text, page) for page in named)), None)
        if not found:
            raise DataError(
                f"The passage “{text[:60]}” stands in no page {' or '.join(names)}.", "Mend the passage or the page."
            )
        passages.append(found)
    return passages


def _find_passage(text: str, page: Page) -> Passage | None:
    words = unify_text(text).split()
    unified, ends = page.text, range(1, len(page.text) + 1)
    if unify_text(page.text) != page.text:
        # A letter and the marks behind it are unified together; `ends` says where each letter of the result ended.
        clusters = list(re.finditer(rf"(?s).[{list_marks()}]*", page.text))
        parts = [unify_text(cluster[0]) for cluster in clusters]
        unified = "".join(parts)
        ends = [cluster.end() for cluster, part in zip(clusters, parts, strict=True) for _ in part]
    match = re.search(r"\s+".join(map(re.escape, words)), unified) if words else None
    if not match:
        return None
    start = ends[match.start() - 1] if match.start() else 0
    return Passage(page, start, ends[match.end() - 1])


def measure_recall(chunks: Iterable[Chunk], passages: Sequence[Passage]) -> float:
    """Return the share, in [0, 1], of the passages' tokens of which at least half stands in a chunk.

    A token is a run without white space. Raises `DataError` where there is no passage.

    Source: B. Smith and A. Troynikov, Evaluating Chunking Strategies for Retrieval, Chroma technical report (2024).
    """
    gold, found = _list_tokens(passages), _list_tokens(chunks)
    if not gold:
        raise DataError("There is no passage to cover.", "Leave out questions without a gold passage.")
    held = [2 * len(found.get(token, set()) & characters) >= len(characters) for token, characters in gold.items()]
    return sum(held) / len(gold)


def _list_tokens(parts: Iterable[Passage | Chunk]) -> dict[tuple[str, int], set[int]]:
    """Return the tokens of parts of pages: page and begin of each, with the positions of its characters in a part.

    A part may begin inside a token: `Yes` in the token `(Yes)`.
    """
    tokens: dict[tuple[str, int], set[int]] = {}
    for part in parts:
        text = part.page.text
        for match in re.finditer(r"\S+", text[part.start : part.end]):
            first = begin = part.start + match.start()
            while begin > 0 and not text[begin - 1].isspace():
                begin -= 1
            tokens.setdefault((part.page.name, begin), set()).update(range(first, part.start + match.end()))
    return tokens


# --- answers ---------------------------------------------------------------------------------------------------

ARTICLES = re.compile(r"\b(?:a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """Return a text in lower case, as `unify_text` writes it, without punctuation, articles and more than single spaces.

    Source: P. Rajpurkar et al., SQuAD: 100,000+ questions for machine comprehension of text, EMNLP 2016.
    """
    return " ".join(ARTICLES.sub(" ", unify_text(text).lower().translate(NO_PUNCTUATION)).split())


def is_supported(cited: Sequence[Chunk], passages: Sequence[Passage]) -> bool:
    """Return whether a citation is correct: there is one, and each cited chunk holds at least half of a gold passage."""
    return bool(cited) and all(any(passage.overlaps(chunk) for passage in passages) for chunk in cited)


@dataclass(frozen=True)
class RefusalScore:
    """How well a system knows what it cannot answer."""

    precision: Proportion | None  # of what it refused, the share that cannot be answered; None where it refused none
    recall: Proportion  # of what cannot be answered, the share that it refused
    refused_wrongly: Proportion  # of what can be answered, the share that it refused


def score_refusals(is_refused: Sequence[bool], is_answerable: Sequence[bool]) -> RefusalScore:
    """Return how well the refusals fit, with Wilson intervals; both arguments hold True or False, shape (n,)."""
    refused, answerable = check_right(is_refused), check_right(is_answerable)
    if len(refused) != len(answerable) or answerable.all() or not answerable.any():
        problem = "There must be one value per question, and questions of both kinds."
        raise DataError(problem, "Give questions that can be answered and some that cannot.")
    num_right = int((refused & ~answerable).sum())
    num_refused = int(refused.sum())
    return RefusalScore(
        estimate_proportion(num_right, num_refused) if num_refused else None,
        estimate_proportion(num_right, int((~answerable).sum())),
        estimate_proportion(num_refused - num_right, int(answerable.sum())),
    )
