"""Make a deck of slides from a lesson, from its stored outputs; everything it shows lies in one folder.

    python book/make_slides.py 06_2 [FOLDER]

`make slides LESSON=06_2` calls it. Which cells become slides follows from the lesson's anatomy: its question, of each
section the first paragraphs with the question before the run and what the run showed, and the summary; set-up, exercises,
quiz and what stands in depth are left out. Where a lesson says more itself, cells tagged `slide` are taken too and those
tagged `no-slide` are not.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
MEASURED = "→ with</th>"  # in the head of the measured table
LEFT_OUT = ("Set-up", "In depth", "Exercise")
MOST_SLIDES, MOST_WORDS = 15, 75
CONF = """
project = html_title = {title!r}
extensions = ["myst_nb", "sphinx_revealjs", "mathml"]
html_math_renderer = revealjs_math_renderer = "mathml"
nb_execution_mode = "off"
nb_merge_streams = True
nb_mime_priority_overrides = [("revealjs", kind, place) for place, kind in enumerate(
    ("text/html", "image/png", "text/plain"))]
nb_mime_priority_overrides += [("revealjs", "application/vnd.jupyter.widget-view+json", None)]
nb_remove_code_source = True
myst_enable_extensions = ["dollarmath", "html_image"]
revealjs_style_theme = "white"
revealjs_static_path = ["_static"]
revealjs_css_files = ["slides.css"]
revealjs_script_conf = {{"width": 1280, "height": 760, "margin": 0.04, "slideNumber": "c", "hash": True, "transition": "none"}}
revealjs_script_plugins = [{{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}}]
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure", "toc.not_included", "myst.xref_missing"]
"""
STYLE = """
.reveal { font-size: 26px; }
.reveal h1, .reveal h2, .reveal h3 { text-transform: none; font-size: 1.5em; }
.reveal section { text-align: left; }
.reveal pre { font-size: 0.66em; width: 100%; box-shadow: none; white-space: pre-wrap; }
.reveal table { font-size: 0.64em; }
.reveal img { max-height: 560px; }
.reveal .cell_output img { width: 72%; object-fit: contain; object-position: left; }
.reveal .cell_output ul { font-size: 0.62em; margin-top: 0.8em; }
.reveal .cell_output:has(svg) table { display: none; }
.reveal blockquote { width: 94%; font-size: 0.8em; }
"""


def shorten(text):
    """Return the first paragraphs of a text, up to about so many words, and its question before the run."""
    paragraphs = [part for part in text.split("\n\n") if part.strip() and "(00_start_here.ipynb)" not in part]
    asked = [part for part in paragraphs if part.startswith("**Predict")]
    kept, num = [], 0
    for part in paragraphs:
        num += len(part.split())
        if part in asked or (kept and num > MOST_WORDS):
            continue
        kept.append(part)
    return "\n\n".join([*kept, *asked])


def has_view(cell):
    """Return whether a cell's output is worth a slide: a table, a picture, or lines of text."""
    kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
    texts = [output.get("text", "") for output in cell.get("outputs", [])]
    return "text/html" in kinds or "image/png" in kinds or any(len(text) > 20 for text in texts)


def is_view(cell, tags):
    """Return whether a cell shows what was found, and is no task or quiz."""
    is_task = re.match(r"(\w*(task|quiz)\w*|q\d)(\.check\(\))?$", cell.source)
    return not is_task and not any(tag.startswith("exercise") for tag in tags) and has_view(cell)


def list_pieces(notebook):
    """Yield what follows the title, up to what stands in depth: a cell of code, or a cell's heading with its level and text."""
    for cell in notebook.cells[1:]:
        if cell.cell_type == "code":
            yield cell, "", "", ""
            continue
        # A heading may stand below the last words of the section before it.
        for found in re.finditer(r"^(##+) (.+)\n?((?:(?!^##+ ).*\n?)*)", cell.source, flags=re.MULTILINE):
            if found[2].startswith("In depth"):
                return
            yield cell, *found.groups()


def make_deck(notebook):
    """Return the slides of a lesson as lists of cells, the title first."""
    title = notebook.cells[0].source
    question = re.search(r"\*\*The question:\*\* .+?\?", title, flags=re.DOTALL)
    name = re.match("# (.+)", title)[1]
    slides = [[new_markdown_cell(f"# {name}\n\n{question[0] if question else ''}")]]
    heading, is_out = "", False
    place = None  # of the section's view, which a later one replaces; -1 where it stays
    for cell, level, told, text in list_pieces(notebook):
        tags = cell.metadata.get("tags", [])
        if level:
            is_out = told.startswith(LEFT_OUT) or (is_out and level != "##")
            heading = heading if is_out else told
            text = "" if is_out or "no-slide" in tags else shorten(text)
            if text:
                slides.append([new_markdown_cell(f"## {heading}\n\n{text}")])
                place = None
        elif "no-slide" not in tags and (not is_out or "slide" in tags) and is_view(cell, tags):
            view, is_measured = [new_markdown_cell(f"## {heading}"), cell], MEASURED in str(cell.outputs)
            if place is None or "slide" in tags or is_measured:
                slides.append(view)
                place = -1 if is_measured else None if "slide" in tags else len(slides) - 1
            elif place >= 0:  # of a section the last view is what it comes to; the measured table stays
                slides[place] = view
    while len(slides) > MOST_SLIDES:  # texts before views: those a speaker can say
        texts = [one for one in slides[1:-1] if len(one) == 1] or slides[1:-1]
        slides.remove(texts[-1])
    return slides


def write_deck(slides, metadata, target):
    """Build the deck of some slides in a folder and end with Sphinx's code; the same slides give the same bytes."""
    pages = target / "pages"
    shutil.rmtree(target, ignore_errors=True)
    (pages / "_static").mkdir(parents=True)
    (pages / "_static" / "slides.css").write_text(STYLE, encoding="utf-8")
    (pages / "conf.py").write_text(CONF.format(title=slides[0][0].source.splitlines()[0][2:]), encoding="utf-8")
    cells = [cell for slide in slides for cell in slide]
    for number, cell in enumerate(cells):
        cell.id = f"deck-{number}"  # the same in each run, so that a deck comes out the same
    nbformat.write(new_notebook(cells=cells, metadata=metadata), pages / "index.ipynb")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "revealjs"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "book")}
    code = subprocess.call([*command, "-d", target / "cache", pages, target / "html"], env=environment)
    shutil.rmtree(target / "cache", ignore_errors=True)
    print(f"{target / 'html' / 'index.html'}: {len(slides)} slides")
    sys.exit(code)


def main():
    """Write the deck."""
    if len(sys.argv) < 2:
        sys.exit("Name a lesson: make slides LESSON=06_2")
    found = sorted((ROOT / "notebooks").glob(f"{sys.argv[1]}*.ipynb"))
    if len(found) != 1:
        names = ", ".join(path.stem for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]*.ipynb")))
        sys.exit(f"“{sys.argv[1]}” names {len(found)} lessons. There is: {names}")
    notebook = nbformat.read(found[0], as_version=4)
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "build" / "slides" / found[0].stem
    write_deck(make_deck(notebook), notebook.metadata, target)


if __name__ == "__main__":
    main()
