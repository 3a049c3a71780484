"""The company's own text to train on: the pages of its handbook, in splits, and worse versions of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core import DATA, DataError, clean_text
from ..rag import load_pages

BANNER_SHARE = 0.5  # of the paragraphs of a dirty text, those that a banner follows
SLIP_SHARE = 0.03  # of its letters, those that are misread


def load_texts() -> list[str]:
    """Return the Markdown of each page of the handbook, by file name; the order decides about the splits."""
    pages = sorted(load_pages(DATA / "handbook"), key=lambda page: f"{page.name}.md")
    return [page.text.strip() + "\n" for page in pages]


def split_texts(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return texts by split: `test` every eighth, `dev` every sixteenth, `train` the rest.

    Pages are split whole. Sentences of one page in two splits would tell of each other.
    """
    splits: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    for number, text in enumerate(texts):
        name = "test" if number % 8 == 3 else "dev" if number % 16 == 15 else "train"
        splits[name].append(text)
    return splits


def choose_share(texts: Sequence[str], share: float) -> list[str]:
    """Return an evenly spread share of the texts, at least one. A smaller share is a part of each that is twice it."""
    if not 0 < share <= 1:
        raise DataError(f"{share} is no share.", "Give a number above 0, at most 1.")
    return list(texts[:: round(1 / share)])


def cut_texts(texts: Sequence[str], num_bytes: int) -> list[str]:
    """Return the texts from the first on, the last one cut, so that they have `num_bytes` bytes or up to 3 less."""
    kept, left = [], num_bytes
    for text in texts:
        content = clean_text(text).encode("utf-8")[:left]
        kept.append(content.decode("utf-8", "ignore"))
        left -= len(content)
    if left > 0:
        raise DataError(f"The texts are {left} bytes too short.", "Give more text, or ask for less.")
    return [text for text in kept if text]


BANNERS = (
    "Home > Help > Handbook > Page\n",
    "We use cookies. Accept all | Only necessary | Settings\n",
    "Share this page: mail | link | print\n",
    "Was this page helpful? Yes No (0 of 0 people said yes)\n",
    '<div class="footer"><a href="#top">Back to top</a></div>\n',
)
BROKEN = {"'": "â€™", "-": "â€“", "é": "Ã©", "ü": "Ã¼"}


def make_dirty(texts: Sequence[str]) -> list[str]:
    """Return the texts as careless scraping would have left them, the same at each call.

    Banners of a website stand between the paragraphs, marks of punctuation come out in the wrong encoding, and some
    letters are misread, as by a scanner. The texts get longer by that; `cut_texts` makes amounts equal.
    """
    random = np.random.default_rng(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    dirty = []
    for text in texts:
        paragraphs = []
        for paragraph in text.split("\n\n"):
            slips = random.random(len(paragraph)) < SLIP_SHARE
            wrong = random.integers(0, len(letters), len(paragraph))
            read = [
                letters[new] if slip and old.isalpha() else BROKEN.get(old, old)
                for old, slip, new in zip(paragraph, slips, wrong, strict=True)
            ]
            paragraphs.append("".join(read))
            if random.random() < BANNER_SHARE:
                paragraphs.append(BANNERS[random.integers(len(BANNERS))].rstrip("\n"))
        dirty.append("\n\n".join(paragraphs))
    return dirty
