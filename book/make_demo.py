"""Make the deck of the demo, fifteen minutes, out of the outputs that its lessons stored in replay.

    python book/make_demo.py [FOLDER]

`make demo` first runs these lessons from their recordings and compares, so what the deck shows is what this machine
computes, without a network. `--lessons` names their notebooks.
"""

import sys
import tomllib
from pathlib import Path

import nbformat
from make_slides import ROOT, write_deck
from nbformat.v4 import new_markdown_cell

TITLE = "# LLMOps in fifteen minutes\n\nEverything here runs, and every claim is measured."


def read_slides():
    """Return what `demo.toml` says of each slide."""
    return tomllib.loads((ROOT / "book" / "demo.toml").read_text(encoding="utf-8"))["slides"]


def find_notebook(address):
    """Return the notebook of a lesson."""
    [path] = (ROOT / "notebooks").glob(f"{address}_*.ipynb")
    return path


def make_slide(slide):
    """Return the cells of a slide: heading and text, the output that it shows, what the speaker says."""
    cells = [new_markdown_cell(f"## {slide['heading']}\n\n{slide.get('text', '')}")]
    if "cell" in slide:
        notebook = nbformat.read(find_notebook(slide["lesson"]), as_version=4)
        [cell] = [cell for cell in notebook.cells if cell.id == slide["cell"]]
        cells.append(cell)
    said = f"{slide['minutes']} min. {slide['say']}"
    return [*cells, new_markdown_cell(f"```{{revealjs-notes}}\n{said}\n```")]


def main():
    """Write the deck, or the names of the notebooks that it takes from."""
    slides = read_slides()
    if sys.argv[1:] == ["--lessons"]:
        paths = sorted({find_notebook(slide["lesson"]) for slide in slides if "lesson" in slide})
        print(*(path.relative_to(ROOT) for path in paths))
        return
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "demo"
    metadata = nbformat.read(find_notebook("00"), as_version=4).metadata
    write_deck([[new_markdown_cell(TITLE)], *(make_slide(slide) for slide in slides)], metadata, target)


if __name__ == "__main__":
    main()
