"""Chunks: pages cut into pieces that are found and read by themselves."""

from __future__ import annotations

import bisect
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..core import DataError, unify_text
from .pages import Page

METHODS = ("heading", "recursive")
# The splitter's time grows with the square of a text's length, so a long text is cut into blocks first.
BLOCK = 100_000
GAP = re.compile(r"\s{200,}")  # it takes the splitter minutes where chunks overlap, and is a border anyway


@dataclass(frozen=True)
class Chunking:
    """How pages are cut.

    `heading` makes one chunk per section, a long one cut further; `recursive` cuts at the largest borders that fit
    (paragraphs, then lines, sentences, words).
    """

    method: str = "heading"
    size: int = 800  # most characters, but for a heading that would stand alone; MiniLM ignores what is behind 1,000
    overlap: int = 0  # most characters that a chunk repeats from the one before it; less than `size`

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise DataError(f"“{self.method}” is no way to cut a page.", f"Choose one of {', '.join(METHODS)}.")
        is_whole = isinstance(self.size, int) and isinstance(self.overlap, int)
        if not is_whole or not 20 <= self.size < 2**31 or not 0 <= self.overlap < self.size:
            raise DataError(
                f"Chunks of {self.size} characters with {self.overlap} repeated cannot be made.",
                "Take a size of at least 20 and an overlap from 0 to less than the size.",
            )

    def __str__(self) -> str:
        return f"{self.method}, {self.size} characters, overlap {self.overlap}"


DEFAULT_CHUNKING = Chunking()


@dataclass(frozen=True)
class Chunk:
    """A piece of a page: `page.text[start:end]` is its text."""

    id: str  # page, number and checksum; another text or chunking gives another id
    page: Page = field(repr=False)
    heading: str  # the headings that it stands under, joined by " > "
    start: int
    end: int
    searched: str = field(repr=False)  # what is embedded: the page's title, headings and text, as `unify_text` writes

    @property
    def text(self) -> str:
        """The chunk's text as it stands in the page."""
        return self.page.text[self.start : self.end]

    @property
    def metadata(self) -> dict[str, str]:
        """What filters see: the page's metadata, and `page`, `title` and `heading`."""
        return {**self.page.metadata, "page": self.page.name, "title": self.page.title, "heading": self.heading}

    def passes(self, where: Mapping | None) -> bool:
        """Return whether the metadata have what a filter wants: for each field a value, or one of several in a list."""
        metadata = self.metadata
        for key, wanted in (where or {}).items():
            if metadata.get(key) not in (wanted if isinstance(wanted, list | tuple | set) else [wanted]):
                return False
        return True


def split_pages(pages: Iterable[Page], chunking: Chunking = DEFAULT_CHUNKING) -> list[Chunk]:
    """Return the chunks of all pages in order. Every character that is no white space is in one of them."""
    chunks = []
    for page in pages:
        checksum = hashlib.sha256(f"{page.checksum} {chunking}".encode()).hexdigest()[:8]
        for number, (start, end) in enumerate(_cut(page, chunking)):
            heading = _find_heading(page, start, end)
            title = f"{page.title} > {heading}" if heading else page.title
            searched = unify_text(f"{title}\n{page.text[start:end]}")
            chunks.append(Chunk(f"{page.name}#{number}-{checksum}", page, heading, start, end, searched))
    return chunks


def describe_place(chunk: Chunk) -> str:
    """Return where a chunk stands: page and headings."""
    return f"{chunk.page.name} > {chunk.heading}" if chunk.heading else chunk.page.name


def _find_heading(page: Page, start: int, end: int) -> str:
    """Return the headings above a chunk's own text, without the page's title, which every chunk has."""
    num = _count_headings(page, start)
    for heading in page.headings[num:]:
        behind = max(start, page.headings[num - 1].end) if num else start
        if heading.start >= end or page.text[behind : heading.start].strip():
            break
        num += 1  # the chunk begins with this heading too
    path = page.headings[num - 1].path if num else ()
    return " > ".join(path[1:] if path[:1] == (page.title,) else path)


def _count_headings(page: Page, position: int) -> int:
    """Return how many headings begin at or before a position."""
    return bisect.bisect_right(page.headings, position, key=lambda heading: heading.start)


def _cut(page: Page, chunking: Chunking) -> Iterator[tuple[int, int]]:
    """Yield start and end of each chunk; white space at both ends is left out."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter(chunking.size, overlap=chunking.overlap)
    sections = _list_sections(page) if chunking.method == "heading" else [(0, len(page.text))]
    for first, last in sections:
        for start, end in _list_blocks(page.text, first, last):
            # A heading alone is found by its words and tells nothing: it goes with what follows.
            held: tuple[int, int] | None = None
            for offset, piece in splitter.chunk_indices(page.text[start:end]):
                begin, finish = start + offset, start + offset + len(piece)
                if held:
                    begin = min(held[0], begin)
                num = _count_headings(page, begin)
                held = (begin, finish) if num and finish <= page.headings[num - 1].end else None
                if not held:
                    yield begin, finish
            if held:
                yield held


def _list_sections(page: Page) -> list[tuple[int, int]]:
    """Return start and end of each section; a heading without a text of its own stays with the next one."""
    borders, position = [0], 0
    for heading in page.headings:
        if page.text[position : heading.start].strip():
            borders.append(heading.start)
        position = heading.end
    return list(zip(borders, [*borders[1:], len(page.text)], strict=True))


def _list_blocks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield parts of at most `BLOCK` characters that end at a paragraph, a line or a word where there is one."""
    for gap in GAP.finditer(text, start, end):
        yield from _list_blocks(text, start, gap.start()) if gap.start() > start else ()
        start = gap.end()
    while end - start > BLOCK:
        limit = start + BLOCK
        border = next(
            (at + len(mark) for mark in ("\n\n", "\n", " ") if (at := text.rfind(mark, start, limit)) > start), limit
        )
        yield start, border
        start = border
    if start < end:
        yield start, end
