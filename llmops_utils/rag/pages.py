"""Pages: the documents of a knowledge base, read from files in Markdown, plain text or PDF."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

from ..core import DataError, clean_text, explain_os_errors, read_bytes

SUFFIXES = (".md", ".txt", ".pdf")
MOST_BYTES = 5_000_000  # of a file; a megabyte makes about 1,500 chunks: 129 s to embed with one thread, 68 s with two
FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
# Of metadata each line is a field, goes on with the one before (indented, a list, a bracket), or is a comment or empty.
FIELD = re.compile(r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s:"'#-][^:\n]*|[#$:-][^\s:]*):(?:\s.*)?""")
GOES_ON = re.compile(r"(?:[ \t].*|-(?:\s.*)?|[\]}].*|#.*|)")
MOST_METADATA = 20_000  # letters: a value that stands for another one many times makes much of little
MOST_NAMED = 10  # bad files that a message names
# Longest mark first: that of UTF-32 begins with that of UTF-16. The mark of UTF-8 is a character that a text drops.
ENCODINGS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Heading:
    """A heading of a Markdown text: `text[start:end]` are its lines, `path` its text after those that it stands under."""

    start: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """A document.

    Metadata are the texts, and lists of texts joined by commas, before it in YAML between two lines of `---`.
    """

    name: str  # by which it is cited: the file's path in its folder without the ending, such as `policies-returns`
    title: str  # the field `title` before it, or its first heading, or its name
    text: str  # what is searched; line ends are single line feeds
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_markdown: bool = True  # whether the text may have headings; that of a PDF has none

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

    text = text.replace("\r\n", " \n").replace("\r", "\n")  # as the parser reads it, each character at its place
    lines = text.split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in lines)]
    tokens = MarkdownIt("commonmark").disable(["inline", "text_join"]).parse(text)
    found: list[Heading] = []
    above: dict[int, str] = {}  # by level
    for opening, inside in pairwise(tokens):
        title = " ".join(inside.content.split())
        if opening.type != "heading_open" or opening.level > 0 or not title:
            continue
        first, behind = opening.map
        level = int(opening.tag[1:])
        above = {other: text for other, text in above.items() if other < level} | {level: title}
        found.append(Heading(starts[first], starts[behind] - 1, tuple(above.values())))
    return found


def load_pages(folder: Path | str) -> list[Page]:
    """Return the pages of all .md, .txt and .pdf files in a folder and in those inside it, in the order of their names.

    Names that begin with a dot are left out. A link must stay inside the folder, since what it leads to may be sent to
    a provider. Raises `DataError` where there is no page, a link leads out, or files cannot be read; it names each file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Check the path; it is relative to the notebook's folder.")
    with explain_os_errors(folder, "read"):
        files = _list_files(folder)
    if not files:
        raise DataError(f"{folder} holds no page.", f"Put files there that end in {', '.join(SUFFIXES)}.")
    pages: dict[str, Page] = {}
    faults: list[DataError] = []
    for path in files:
        name = clean_text(_name_page(folder, path))
        try:
            if name in pages:
                raise DataError(
                    f"Two files of {folder} are called {name}.", "Rename one: answers cite a page by its name."
                )
            pages[name] = _load_page(path, name)
        except DataError as fault:
            faults.append(fault)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        named = [fault.problem for fault in faults[:MOST_NAMED]] + ["…"] * (len(faults) > MOST_NAMED)
        raise DataError(f"{len(faults)} files cannot be read. " + "\n".join(named), faults[0].next_step)
    return list(pages.values())


def _name_page(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _list_files(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    root = os.path.realpath(folder)
    found = []
    for base, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files = [name for name in names if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
        found += [Path(base) / name for name in files]
        for path in (Path(base) / name for name in folders + files):
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
                raise DataError(
                    f"{clean_text(str(path))} is a link that leads out of {folder}.",
                    "Copy what it leads to into the folder, or remove the link.",
                )
    return sorted(found, key=lambda path: (_name_page(folder, path), path.suffix))


def _load_page(path: Path, name: str) -> Page:
    where = clean_text(str(path))
    content = read_bytes(path, MOST_BYTES)
    if path.suffix.lower() == ".pdf":
        return Page(name, name, clean_text(_read_pdf(content, where)), is_markdown=False)
    return parse_page(name, _decode(content, where), where)


def parse_page(name: str, text: str, where: str = "") -> Page:
    """Return the page of a Markdown text. Raises `DataError` where the metadata are no YAML, or no text is left."""
    text = clean_text(text).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    metadata, text = _split_front_matter(text, where or name)
    text = text.strip("\n")
    if not text.strip():
        raise DataError(f"{where or name} holds no text.", "Remove it, or check what it should hold.")
    title = " ".join(metadata.get("title", "").split())
    return Page(name, title or next((one.path[-1] for one in list_headings(text)), name), text, metadata)


def _split_front_matter(text: str, where: str) -> tuple[dict[str, str], str]:
    """Return the metadata before a text, and the text.

    Metadata begin in the line after the first dashes and hold fields alone; anything else between rulers is text.
    """
    import yaml

    head = FRONT_MATTER.match(text)
    lines = head[1].splitlines() if head else ["no field"]
    if any(lines) and not FIELD.fullmatch(next((line for line in lines if not line.startswith("#")), "")):
        return {}, text
    if not all(GOES_ON.fullmatch(line) or FIELD.fullmatch(line) for line in lines):
        return {}, text
    if len(head[1]) > MOST_METADATA:
        raise DataError(f"{where} has more than {MOST_METADATA:,} letters of metadata.", "Move them into the text.")
    try:
        loader = yaml.BaseLoader(head[1])  # it makes nothing but texts: 3.10 stays 3.10, no stays no
        node = loader.get_single_node()
        fields = loader.construct_document(node) if node else None
        if isinstance(fields, dict) and len(fields) < len(node.value):
            raise yaml.YAMLError("a field stands there twice")
    except (yaml.YAMLError, RecursionError) as error:
        raise DataError(
            f"What stands before the text of {where} is no YAML ({' '.join(str(error).split())}).",
            "Put a value that holds a colon into quotes, or leave the first line of three dashes out.",
        ) from error
    if lines and not isinstance(fields, dict):
        return {}, text
    metadata = {}
    for key, value in (fields or {}).items():
        texts = value if isinstance(value, list) else [value]
        if value and all(isinstance(one, str) for one in texts):
            metadata[key] = ", ".join(texts)
    return metadata, text[head.end() :]


def _decode(content: bytes, where: str) -> str:
    encoding = next((name for mark, name in ENCODINGS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is no text in {encoding} at byte {error.start}.", "Save it as UTF-8.") from error
    if "\0" in text:
        raise DataError(f"{where} is a binary file.", f"Leave only texts and PDFs under {', '.join(SUFFIXES)}.")
    return text


def _read_pdf(content: bytes, where: str) -> str:
    """Return the text of a PDF, its pages separated by empty lines."""
    import pypdf

    logging.getLogger("pypdf").setLevel(logging.ERROR)
    try:
        texts = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]
    except pypdf.errors.FileNotDecryptedError as error:
        raise DataError(f"{where} needs a password.", "Save a copy without one, or remove it.") from error
    except Exception as error:  # broken files raise whatever the place where they break raises
        raise DataError(
            f"{where} cannot be read as a PDF ({type(error).__name__}).", "Open and save it again, or remove it."
        ) from error
    if not "".join(texts).replace("\ufffd", "").strip():  # where a font is missing, each letter becomes this sign
        raise DataError(f"{where} holds no text; it may be a scan.", "Run text recognition over it, or remove it.")
    return "\n\n".join(text.strip() for text in texts)
