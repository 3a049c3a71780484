"""Make the book of the course from the stored outputs of its notebooks, with warnings as errors.

    python book/make_book.py [FOLDER]

`make book` calls it in an environment of its own. The pages stand in FOLDER (default `build/book`): `index.html` opens it.
"""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat

ROOT = Path(__file__).resolve().parents[1]
PARTS = {
    "00": "Begin",
    "01": "LLM basics",
    "02": "LLMOps",
    "03": "Choosing",
    "04": "Training",
    "05": "Prompt basics",
    "06": "Basic techniques",
    "07": "Advanced techniques",
    "08": "Specialised techniques",
    "09": "Retrieval",
    "10": "Tracking",
    "11": "Evaluating",
    "12": "Operating",
    "13": "Capstone",
}
PAGES = {"glossary": "Words", "teachers": "For a class", "contributing": "To carry on the work", "changes": "Changes"}


def read_sections(text):
    """Return the sections of a page in Markdown by their heading of the second level."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def gather(folder):
    """Write all pages of the book into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = read_sections(readme)
    listed = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":  # the book has links of its own to the lessons before and after
                lines = [line for line in cell.source.splitlines() if "[Course map](00_start_here.ipynb)" not in line]
                cell.source = "\n".join(lines).rstrip().replace("](../README.md", "](index.md")
        nbformat.write(notebook, folder / path.name)
        listed.setdefault(path.name[:2], []).append(path.stem)
    trees = [("The course", [name for number in PARTS if number == "00" for name in listed.get(number, [])])]
    trees += [(PARTS[number], names) for number, names in listed.items() if number != "00"]
    trees.append(("Beside the course", list(PAGES)))
    toctrees = "\n".join(
        f"```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
        for title, names in trees
    )
    opening = readme.split("\n## ")[0]
    licence = sections["Licence"].strip()
    (folder / "index.md").write_text(
        f"{opening}\n\nThis is the course as a book, with the outputs of its recorded run. To work with it, run it: that takes "
        f"two commands.\n{sections['Start']}\n## Licence\n\n{licence}\n\n{toctrees}",
        encoding="utf-8",
    )
    pages = {
        "glossary": sections["Words"],
        "teachers": sections["For a class"],
        "contributing": re.sub(r"^# .+\n", "", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")),
        "changes": re.sub(r"^# .+\n", "", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
    }
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(f"# {PAGES[name]}\n{text}", encoding="utf-8")
    shutil.copyfile(ROOT / "book" / "conf.py", folder / "conf.py")
    shutil.copytree(ROOT / "book" / "_static", folder / "_static")


class Links(HTMLParser):
    """What a page links to, and the places in it that others can link to."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.places = set(), {""}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Note the links and places of a tag."""
        found = dict(attributes)
        self.targets |= {found[name] for name in ("href", "src") if found.get(name)}
        self.places |= {found[name] for name in ("id", "name") if found.get(name)}


def check_links(folder):
    """Return links that lead nowhere inside the book, and the addresses outside, each once."""
    paths = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]  # there: the theme's
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in paths}
    broken, outside = [], set()
    for path, page in pages.items():
        for target in sorted(page.targets):
            parts = urlsplit(target)
            if parts.scheme in ("http", "https"):
                outside.add(target)
            elif not parts.scheme:
                found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
                known = pages.get(found)
                if not found.exists() or (known and unquote(parts.fragment) not in known.places):
                    broken.append(f"{path.relative_to(folder)}: {target}")
    return broken, sorted(outside)


def main():
    """Gather the pages, build them, and check the links: those inside all, those outside as a list to look at."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "book"
    pages = target / "pages"
    gather(pages)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(target / "cache")]
    html = target / "html"
    shutil.rmtree(html, ignore_errors=True)
    if code := subprocess.call([*command, str(pages), str(html)]):
        sys.exit(code)
    broken, outside = check_links(html)
    (target / "links.txt").write_text("\n".join(outside) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) / 1e6
    print(
        f"{html / 'index.html'}: {len(list(html.glob('*.html')))} pages, {size:.1f} MB, {len(outside)} addresses outside"
    )
    if broken:
        sys.exit("Links that lead nowhere:\n" + "\n".join(broken))


if __name__ == "__main__":
    main()
