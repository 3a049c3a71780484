"""How fast texts are embedded and a large documentation is indexed and searched.

    python benchmarks/retrieval.py              # all, about ten minutes on 2 cores
    python benchmarks/retrieval.py --num 2000   # the growth stops at 2,000 chunks
    python benchmarks/retrieval.py --parts 1    # one part

Part 1 embeds the same texts with the same model file twice, with Chroma's own embedding function for MiniLM and with
that of this course, in turn, and takes the best of three rounds of each. Chroma's function is given the file where it
would have downloaded one. The two differ in padding and threads: Chroma's pads each text to 256 tokens and runs one
batch on all cores, the course's pads each batch to its longest text and runs one on each core; the smallest cosine
between both shows whether the vectors are the same.

Part 2 indexes the documentation of Python's standard library by headings, and asks 100 questions.

Part 3 cuts the same documentation into much smaller chunks, so that there are enough of them, and lets one index grow.
"First query" is the one after the index was opened anew: Chroma then builds its graph of neighbours from its log.
"Found" is the share of the ten nearest chunks, by a search through all vectors, that Chroma finds too.

Times are those of one run on one machine, other programs included.
"""

import argparse
import ast
import inspect
import os
import shutil
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from llmops_utils.core import DATA, load_settings
from llmops_utils.datasets import load_fact_questions
from llmops_utils.models import Model, choose_local_models, fetch_weights
from llmops_utils.rag import Chunking, ModelEmbedding, Page, build_index, load_pages, split_pages

NUM_QUESTIONS = 100
ROUNDS = 3
NUM_LONG = 64
SMALL = Chunking("recursive", 90, 70)
SIZES = (1000, 2000, 5000, 10_000, 20_000)
# Tests, jokes, demonstrations and what belongs to installed packages.
SKIPPED = frozenset(
    {"antigravity", "this", "idlelib", "turtle", "turtledemo", "test", "tests", "lib2to3", "ensurepip", "pydoc_data"}
)


class TimedEmbedding(ModelEmbedding):
    """Adds up the seconds that embedding takes."""

    seconds = 0.0

    def __call__(self, texts):
        """Return one vector per text."""
        started = time.perf_counter()
        vectors = super().__call__(texts)
        self.seconds += time.perf_counter() - started
        return vectors


def gather_stdlib_pages() -> list[Page]:
    """Return one page per documented module of the standard library, in the order of their names.

    The sources are parsed, never imported: nothing of them runs. A page holds the docstrings of the module, its public
    classes with their public methods, and its functions, each under a heading with its parameters. Modules without a
    source or a docstring have no page, so the pages differ a little between versions of Python.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    pages = [page for path, name in list_modules(folder) if (page := read_module(path, name))]
    if not pages:
        raise SystemExit(f"{folder} holds no source with a docstring: use a Python that has its library's sources.")
    return sorted(pages, key=lambda page: page.name)


def list_modules(folder: Path, prefix: str = "") -> Iterator[tuple[Path, str]]:
    """Yield path and dotted name of each public module."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.name.removesuffix(".py")
        if not name.isidentifier() or name.startswith("_") or name in SKIPPED:
            continue
        if path.suffix == ".py":
            yield path, prefix + name
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py", prefix + path.name
            yield from list_modules(path, f"{prefix}{path.name}.")


def read_module(path: Path, name: str) -> Page | None:
    """Return the page of a module, None where it cannot be parsed or documents nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old sources hold escapes that the compiler warns of
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    parts = list(write_parts(tree, ""))
    about = ast.get_docstring(tree)
    if not about and not parts:
        return None
    text = "\n\n".join([f"# {name}", *filter(None, [about]), *parts])
    return Page(
        name, name, text, {"section": name.partition(".")[0], "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    )


def write_parts(node: ast.AST, prefix: str) -> Iterator[str]:
    """Yield heading and docstring of each documented public function and class."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or child.name.startswith("_"):
            continue
        about = ast.get_docstring(child)
        name = prefix + child.name
        if about:
            kind = f"class {name}" if isinstance(child, ast.ClassDef) else f"{name}({ast.unparse(child.args)})"
            yield f"## {' '.join(kind.split())}\n\n{inspect.cleandoc(about)}"
        if isinstance(child, ast.ClassDef):
            yield from write_parts(child, f"{name}.")


def make_chromas_own(folder: Path):
    """Return Chroma's embedding function for MiniLM on the model file of this course."""
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    settings = load_settings()
    paths = fetch_weights(choose_local_models(settings)[1], settings.home)
    place = folder / ONNXMiniLM_L6_V2.EXTRACTED_FOLDER_NAME
    place.mkdir()
    for name, path in paths.items():
        shutil.copy(path, place / name)
    for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json", "vocab.txt"):
        (place / name).touch()  # it only looks whether they are there

    class ChromasOwn(ONNXMiniLM_L6_V2):
        DOWNLOAD_PATH = folder

    return ChromasOwn()


def time_rounds(embedding, texts: list[str]) -> tuple[float, np.ndarray]:
    """Return the seconds of one pass over the texts, and their vectors."""
    started = time.perf_counter()
    vectors = np.array(embedding(texts))
    return time.perf_counter() - started, vectors


def compare_embeddings(own, chromas) -> None:
    """Print the throughput of both functions on short and on long texts."""
    pages = load_pages(DATA / "handbook")
    sets = {
        "questions": [question.question for question in load_fact_questions()],
        "pages": [page.text for page in pages[:NUM_LONG]],
    }
    print("| texts | characters each | Chroma's, texts per second | this course's | ratio | smallest cosine |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, texts in sets.items():
        own(texts[:4])
        chromas(texts[:4])  # loads the model
        seconds: dict = {own: [], chromas: []}
        vectors = {}
        for _ in range(ROUNDS):
            for embedding in (chromas, own):
                taken, vectors[embedding] = time_rounds(embedding, texts)
                seconds[embedding].append(taken)
        rates = [len(texts) / min(seconds[embedding]) for embedding in (chromas, own)]
        cosine = float((vectors[own] * vectors[chromas]).sum(axis=1).min())
        mean = np.mean([len(text) for text in texts])
        print(
            f"| {len(texts)} {name} | {mean:.0f} | {rates[0]:.1f} | {rates[1]:.1f} | {rates[1] / rates[0]:.1f} "
            f"| {cosine:.6f} |"
        )


def list_questions(chunks) -> list[str]:
    """Return questions spread over the documentation: the first line of a docstring, without its heading."""
    step = max(1, len(chunks) // NUM_QUESTIONS)
    lines = [[line for line in chunk.text.splitlines() if line and line[0] != "#"] for chunk in chunks[::step]]
    return [f"How does it work: {line[0][:80]}" for line in lines if line][:NUM_QUESTIONS]


def measure_index(embedding, settings, name, pages, chunking) -> list[str]:
    """Return the columns that say how the index answers."""
    started = time.perf_counter()
    index = build_index(name, pages, embedding, chunking, settings=settings)
    index.find_similar("How do I open a file?", 10)
    first = time.perf_counter() - started
    questions = list_questions(list(index.chunks.values()))
    whole, search = [], []
    for question in questions:
        embedding.seconds, started = 0.0, time.perf_counter()
        index.find_similar(question, 10)
        whole.append(1000 * (time.perf_counter() - started))
        search.append(whole[-1] - 1000 * embedding.seconds)
    folder = settings.home / "indexes"
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    held = index.collection.get(include=["embeddings"])
    matrix, shares = held["embeddings"], []
    for question in questions:
        nearest = np.argsort(-(matrix @ embedding([question])[0]))[:10]
        found = {chunk.id for chunk, _ in index.find_similar(question, 10)}
        shares.append(len(found & {held["ids"][number] for number in nearest}) / 10)
    times = [f"{np.quantile(values, share):.1f}" for values in (whole, search) for share in (0.5, 0.95)]
    return [f"{megabytes:.1f}", f"{first:.1f}", *times, f"{np.mean(shares):.3f}"]


COLUMNS = (
    "chunks",
    "seconds to index",
    "of it embedding",
    "MB on disk",
    "open and first query, s",
    "query p50, ms",
    "p95",
    "search alone p50, ms",
    "p95",
    "found",
)


def print_header() -> None:
    """Print the head of the table of indexes."""
    print(f"| {' | '.join(COLUMNS)} |\n| {' | '.join(['---'] * len(COLUMNS))} |", flush=True)


def grow_index(name: str, pages, chunking: Chunking, sizes, model: Model) -> None:
    """Print a row for each size that one index reaches as pages are added."""
    embedding, total, embedded = TimedEmbedding(model), 0.0, 0.0
    with tempfile.TemporaryDirectory() as home:
        settings = load_settings(home=home)
        chunks = split_pages(pages, chunking)
        for size in sizes:
            border = chunks[min(size, len(chunks)) - 1].page.name
            part = [page for page in pages if page.name <= border]
            embedding.seconds, started = 0.0, time.perf_counter()
            index = build_index(name, part, embedding, chunking, settings=settings)
            total += time.perf_counter() - started
            embedded += embedding.seconds
            columns = measure_index(embedding, settings, name, part, chunking)
            print(f"| {' | '.join([f'{len(index):,}', f'{total:.1f}', f'{embedded:.1f}', *columns])} |", flush=True)


def main() -> None:
    """Run all parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--num", type=int, default=SIZES[-1], help="chunks up to which the index grows (default: 20000)"
    )
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 2, 3], help="which parts (default: all)")
    options = parser.parse_args()
    os.environ["LLMOPS_MODE"] = "live"
    os.environ.pop("CHROMA_HOST", None)
    model = Model("retrieval")
    if model.provider.id != "embedded":
        raise SystemExit("This measures the embedded model: unset LLMOPS_PROVIDER and LLMOPS_BASE_URL.")
    if 1 in options.parts:
        print("1. Embedding the same texts with the same model file")
        with tempfile.TemporaryDirectory() as folder:
            compare_embeddings(ModelEmbedding(model), make_chromas_own(Path(folder)))
    pages = gather_stdlib_pages()
    size = sum(len(page.text) for page in pages) / 1e6
    print(f"\nThe standard library's documentation has {len(pages)} pages and {size:.2f} million characters.")
    if 2 in options.parts:
        print(f"\n2. Cut by {Chunking()}")
        print_header()
        grow_index("stdlib", pages, Chunking(), [len(split_pages(pages, Chunking()))], model)
    if 3 in options.parts:
        print(f"\n3. Cut by {SMALL}")
        print_header()
        grow_index("growing", pages, SMALL, [num for num in SIZES if num <= options.num], model)


if __name__ == "__main__":
    main()
