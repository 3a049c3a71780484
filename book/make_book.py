"""Make the book of the course from the stored outputs of its notebooks, with warnings as errors.

    python book/make_book.py [FOLDER]

`make book` calls it in an environment of its own. The pages stand in FOLDER (default `build/book`): `index.html` opens it.
"""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from make_plans import make_glossary, make_pages

ROOT = Path(__file__).resolve().parents[1]
PARTS = {
    "00": "The course",
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
BESIDE = {  # other parts of the book, and their pages
    "For teachers": ["plans", "teachers"],
    "Beside the course": ["glossary", "settings", "contributing", "changes"],
}
FILES = {"index": "README", "contributing": "CONTRIBUTING", "changes": "CHANGELOG"}


def mend_links(text):
    """Return a text of the repository with its links to other files as they lead in the book."""
    for name, file in FILES.items():
        text = re.sub(rf"\]\((\.\./)*{file}\.md", f"]({name}.md", text)
    return re.sub(r"(\]\(|src=\")(?:\.\./)*(?:book/pages/|book/|notebooks/)(?=\w)", r"\1", text)


def gather(folder):
    """Write all pages of the book into a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "book" / "pages", folder)
    listed = {}
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":  # the book has links of its own to the lessons before and after
                lines = [line for line in cell.source.splitlines() if "[Course map](00_start_here.ipynb)" not in line]
                cell.source = mend_links("\n".join(lines).rstrip())
        nbformat.write(notebook, folder / path.name)
        listed.setdefault(path.name[:2], []).append(path.stem)
    trees = [(PARTS[number], names) for number, names in listed.items()] + list(BESIDE.items())
    toctrees = "\n".join(
        f"```{{toctree}}\n:caption: {title}\n:maxdepth: 1\n:hidden:\n\n" + "\n".join(names) + "\n```\n"
        for title, names in trees
    )
    pages = {name: (ROOT / f"{file}.md").read_text(encoding="utf-8") for name, file in FILES.items()}
    pages["index"] += f"\n{toctrees}"
    for name, text in {**pages, **make_pages(), "glossary": make_glossary()}.items():
        (folder / f"{name}.md").write_text(mend_links(text), encoding="utf-8")
    shutil.copytree(ROOT / "book" / "pictures", folder / "pictures")
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
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", target / "cache"]
    html = target / "html"
    shutil.rmtree(html, ignore_errors=True)
    if code := subprocess.call([*command, pages, html], env=os.environ | {"PYTHONPATH": str(ROOT / "book")}):
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
