"""Pages: the documents of a knowledge base, read from files in Markdown, plain text or PDF."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

from ..core import DataError, explain_os_errors

SUFFIXES = (".md", ".txt", ".pdf")
MOST_BYTES = 5_000_000  # of a file; a megabyte of text makes about 1,500 chunks and takes half a minute to embed
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading of a Markdown text: `text[start:end]` are its lines, `path` its text after those that it stands under."""

    start: int
    end: int
    level: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A document.

    Attributes:
        name: by which it is cited: the file's path in its folder without the ending, such as `policies-returns`.
        title: its first heading, or its name.
        text: what is searched; line ends are single line feeds.
        metadata: the texts, and lists of texts joined by commas, before it in YAML between two lines of `---`.
        is_markdown: whether the text may have headings; that of a PDF has none.
    """

    name: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_markdown: bool = True

    @property
    def checksum(self) -> str:
        """A short text that changes with anything in the page."""
        parts = [self.name, self.title, self.text, sorted(self.metadata.items())]
        content = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return hashlib.sha256(content).hexdigest()[:16]

    @cached_property
    def headings(self) -> list[Heading]:
        """The headings of the text in order."""
        return list_headings(self.text) if self.is_markdown else []


def list_headings(text: str) -> list[Heading]:
    """Return the headings of a Markdown text in order; what stands in fences, lists, quotes or HTML is none."""
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    tokens = MarkdownIt("commonmark").disable(["inline", "text_join"]).parse(text)
    found: list[Heading] = []
    above: list[Heading] = []
    for opening, inside in pairwise(tokens):
        title = " ".join(inside.content.split())
        if opening.type != "heading_open" or opening.level > 0 or not title:
            continue
        first, behind = opening.map
        level = int(opening.tag[1:])
        above = [one for one in above if one.level < level]
        path = (*above[-1].path, title) if above else (title,)
        found.append(Heading(starts[first], starts[behind] - 1, level, path))
        above.append(found[-1])
    return found


def load_pages(folder: Path | str, *, encoding: str = "utf-8") -> list[Page]:
    """Return the pages of all .md, .txt and .pdf files in a folder and in those inside it, in the order of their names.

    Files and folders whose name begins with a dot are left out.

    `encoding` is that of texts without a byte-order mark.

    Raises:
        DataError: there is no such folder or no page in it, or a file cannot be read: it is binary, in another
            encoding, empty, too large or broken. The message names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Check the path; it is relative to the notebook's folder.")
    files = [path for path in _list_files(folder) if path.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(f"{folder} holds no page.", f"Put files there that end in {', '.join(SUFFIXES)}.")
    pages: dict[str, Page] = {}
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in pages:
            raise DataError(f"Two files of {folder} are called {name}.", "Rename one: answers cite a page by its name.")
        pages[name] = _load_page(path, name, encoding)
    return list(pages.values())


def _list_files(folder: Path) -> list[Path]:
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(base) / name for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: (path.relative_to(folder).with_suffix("").as_posix(), path.suffix))


def _load_page(path: Path, name: str, encoding: str) -> Page:
    with explain_os_errors(path, "read"):
        num_bytes = path.stat().st_size
        if num_bytes > MOST_BYTES:
            raise DataError(
                f"{path.name} has {num_bytes / 1e6:.1f} MB; the most is {MOST_BYTES / 1e6:.1f} MB.",
                "Split it into several files.",
            )
        content = path.read_bytes()
    if path.suffix.lower() == ".pdf":
        return Page(name, name, _read_pdf(path), is_markdown=False)
    return parse_page(name, _decode(content, path, encoding), path.name)


def parse_page(name: str, text: str, where: str = "") -> Page:
    """Return the page of a Markdown text: its metadata taken off the beginning, its title from the first heading.

    Raises:
        DataError: the metadata are no YAML, or nothing but white space is left.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    metadata, text = _split_front_matter(text, where or name)
    text = text.strip("\n")
    if not text.strip():
        raise DataError(f"{where or name} holds no text.", "Remove it, or check what it should hold.")
    headings = list_headings(text)
    return Page(name, headings[0].path[-1] if headings else name, text, metadata)


def _split_front_matter(text: str, where: str) -> tuple[dict[str, str], str]:
    """Return the metadata before a text, and the text. What stands between rules and is no mapping is text."""
    import yaml

    head = FRONT_MATTER.match(text)
    if not head:
        return {}, text
    try:
        fields = yaml.load(head[1], Loader=yaml.BaseLoader)  # it makes nothing but texts: 3.10 stays 3.10, no stays no
    except yaml.YAMLError as error:
        raise DataError(
            f"What stands before the text of {where} is no YAML ({' '.join(str(error).split())}).",
            "Put a value that holds a colon into quotes, or leave the first line of three dashes out.",
        ) from error
    if not isinstance(fields, dict):
        return {}, text
    metadata = {}
    for key, value in fields.items():
        texts = value if isinstance(value, list) else [value]
        if value and all(isinstance(one, str) for one in texts):
            metadata[key] = ", ".join(texts)
    return metadata, text[head.end() :]


def _decode(content: bytes, path: Path, encoding: str) -> str:
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encoding = next((known for mark, known in marks.items() if content.startswith(mark)), encoding)
    try:
        text = content.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        at = f" at byte {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise DataError(
            f"{path.name} is no text in {encoding}{at}.",
            "Save it as UTF-8, or name its encoding: load_pages(folder, encoding='cp1252').",
        ) from error
    if "\0" in text:
        raise DataError(f"{path.name} is a binary file.", f"Leave only texts and PDFs under {', '.join(SUFFIXES)}.")
    return text


def _read_pdf(path: Path) -> str:
    """Return the text of a PDF, its pages separated by empty lines."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        texts = [page.extract_text() for page in pypdf.PdfReader(path).pages]
    except Exception as error:  # broken files raise whatever the place where they break raises
        raise DataError(
            f"{path.name} cannot be read as a PDF ({type(error).__name__}).", "Open and save it again, or remove it."
        ) from error
    if not "".join(texts).strip():
        raise DataError(f"{path.name} holds no text; it may be a scan.", "Run text recognition over it, or remove it.")
    return "\n\n".join(text.strip() for text in texts)
