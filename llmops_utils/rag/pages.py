"""Pages: the documents of a knowledge base, read from files in Markdown, plain text or PDF."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core import DataError

SUFFIXES = (".md", ".txt", ".pdf")
MOST_BYTES = 5_000_000
FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---(?:\n|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A document.

    Attributes:
        name: by which it is cited: the file's path in its folder without the ending, such as `policies-returns`.
        title: its first heading, or its name.
        text: what is searched; line ends are single line feeds.
        metadata: what stands before the text between two lines of `---`, as texts.
    """

    name: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def checksum(self) -> str:
        """A short text that changes with anything in the page."""
        parts = [self.name, self.title, self.text, sorted(self.metadata.items())]
        content = json.dumps(parts, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return hashlib.sha256(content).hexdigest()[:16]


def load_pages(folder: Path | str, *, encoding: str = "utf-8", most_bytes: int = MOST_BYTES) -> list[Page]:
    """Return the pages of all .md, .txt and .pdf files in a folder and in those inside it, in the order of their names.

    Files and folders whose name begins with a dot are left out.

    Args:
        folder: where the files are.
        encoding: of texts without a byte-order mark.
        most_bytes: largest file; a megabyte of text makes about 1,500 chunks.

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
        pages[name] = _load_page(path, name, encoding, most_bytes)
    return list(pages.values())


def _list_files(folder: Path) -> list[Path]:
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(base) / name for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: (path.relative_to(folder).with_suffix("").as_posix(), path.suffix))


def _load_page(path: Path, name: str, encoding: str, most_bytes: int) -> Page:
    try:
        num_bytes = path.stat().st_size
        if num_bytes > most_bytes:
            raise DataError(
                f"{path.name} has {num_bytes / 1e6:.1f} MB; the most is {most_bytes / 1e6:.1f} MB.",
                "Split it into several files, or raise most_bytes: a megabyte takes about half a minute to embed.",
            )
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}).", "Check its permissions.") from error
    text = _read_pdf(path) if path.suffix.lower() == ".pdf" else _decode(content, path, encoding)
    return parse_page(name, text, path.name)


def parse_page(name: str, text: str, where: str = "") -> Page:
    """Return the page of a text: its metadata taken off the beginning, its title from the first heading.

    Raises:
        DataError: nothing but white space is left.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    metadata: dict[str, str] = {}
    head = FRONT_MATTER.match(text)
    if head:
        lines = [line.partition(":") for line in head[1].splitlines()]
        metadata = {key.strip(): value.strip() for key, colon, value in lines if colon and value.strip()}
        text = text[head.end() :]
    text = text.strip("\n")
    if not text.strip():
        raise DataError(f"{where or name} holds no text.", "Remove it, or check what it should hold.")
    title = re.search(r"^#{1,6} +(.+)$", text, re.MULTILINE)
    return Page(name, title[1].strip() if title else name, text, metadata)


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
    import logging

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
