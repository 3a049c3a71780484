"""Markdown pages and PDFs in odd forms, drawn by a seed, and what is lost of them on the way into chunks."""

import random
import tempfile
from pathlib import Path

import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from llmops_utils.core import WorkbookError
from llmops_utils.rag.chunks import METHODS, Chunking, split_pages
from llmops_utils.rag.pages import load_pages

WORDS = "kettle größe cafe\u0301 हिन्दी ภาษาไทย 退货须在三十天内 שלום مرحبا 👩\u200d🔬 so\u00adft ＡＢＣ x\u2028y x\x0cy \ufb01 ½ *a* `b` [c](d) &amp; <b>"
BLOCKS = """\
```|# {0}|{1}|```
````md|```|# {0}|````|{1}
~~~|{0}|```|~~~~
``` {0} ```
```|{0} never closed
---|{0}|---|{1}
---
***|{0}|___
# {0}
#\t{0} #
   ## {0}#
#{0}
####### {0}
# C# {0} \\#
{0}|===
{0}|{1}|---
> # {0}|> {1}
- # {0}|  - {1}
1. {0}||   # {1}
<!-- # {0}|{1} -->
<div>|# {0}|</div>
<script>|# {0}
    # {0}
| {0} | {1} ||---|---|
[{0}]: http://example.org "{1}"
[^1]: {0}
$$|{0}|$$
{0}  |{1}\\|{0}
#
#   {0}        #
...|{0}|...
""".splitlines()


def write_pdf(path, lines, encryption=None):
    """A PDF of one page per line, with a standard font; an empty line makes a page without text.

    `encryption`: what `PdfWriter.encrypt` is called with.
    """
    writer = pypdf.PdfWriter()
    for line in lines:
        page = writer.add_blank_page(300, 200)
        entries = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        font = DictionaryObject({NameObject(key): NameObject(value) for key, value in entries.items()})
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({line}) Tj ET".encode() if line else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
    if encryption:
        writer.encrypt(**encryption)
    with path.open("wb") as file:
        writer.write(file)


def make_markdown(rng, path):
    """Write a page and return its text."""

    def fill(form):
        texts = [" ".join(rng.choices(WORDS.split(" "), k=rng.choice([1, 3, 30]))) for _ in range(2)]
        return "\n".join(line.format(*texts) for line in form.split("|"))

    blocks = [fill(rng.choice([*BLOCKS, "{0}", "{0}"])) for _ in range(rng.choice([1, 4, 12, 40]))]
    text = rng.choice(["", "word\n"]) + rng.choice(["\n", "\n\n", "\n\n\n"]).join(blocks)
    path.write_bytes(text.replace("\n", rng.choice(["\n", "\r\n", "\r"])).encode())
    return text


def make_pdf(rng, path):
    """Write a PDF, sometimes torn or without text; return its text, or None where it need not be read."""
    words = ["Scales", "weigh", "#", "---", "to", "the", "*gram*", "Err2", "0.5", "---", "~~~"]
    lines = [" ".join(rng.choices(words, k=rng.choice([0, 9, 9, 9, 9]))) for _ in range(rng.choice([1, 2, 5, 20]))]
    write_pdf(path, lines)
    content = path.read_bytes()
    cut = rng.randrange(len(content))
    torn = rng.choice([content[cut:], content[:cut], content[:cut] + b"\0" + content[cut + 9 :], *[content] * 3])
    path.write_bytes(rng.choice([b"", b"HTTP/1.1 200\r\n\r\n"]) + torn)
    return "\n".join(lines) if torn == content and any(lines) else None


def count_characters(text):
    """The characters of a text that are no white space."""
    return sorted("".join(text.split()).replace("\ufeff", ""))


def try_pages(num_markdown, num_pdf, seed=0):
    """What is wrong with so many pages of each kind: a line for each raw exception, each refusal and each loss."""
    rng = random.Random(seed)
    wrong = []
    for number in range(num_markdown + num_pdf):
        is_markdown = number < num_markdown
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{number}.{'md' if is_markdown else 'pdf'}"
            text = make_markdown(rng, path) if is_markdown else make_pdf(rng, path)
            try:
                (page,) = load_pages(folder)
                chunks = [split_pages([page], Chunking(method, rng.choice([60, 800]))) for method in METHODS]
            except WorkbookError as error:
                if text is not None:
                    wrong.append(f"{path.name}: refused: {error}")
                continue
            except Exception as error:
                wrong.append(f"{path.name}: raw {error!r}")
                continue
        for method, parts in zip(METHODS, chunks, strict=True):
            covered = bytearray(len(page.text))
            for part in parts:
                covered[part.start : part.end] = b"\1" * (part.end - part.start)
            kept = count_characters("".join(char for char, is_in in zip(page.text, covered, strict=True) if is_in))
            if text is not None and kept != count_characters(text):
                wrong.append(f"{path.name}: by {method} {len(kept)} characters of {len(text)}")
    return wrong
