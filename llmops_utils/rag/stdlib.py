"""A second knowledge base that every machine has: the documentation of Python's standard library, from its sources."""

from __future__ import annotations

import ast
import inspect
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..core import DataError
from .pages import Page

# Tests, jokes, demonstrations and what belongs to installed packages.
SKIPPED = frozenset(
    {"antigravity", "this", "idlelib", "turtle", "turtledemo", "test", "tests", "lib2to3", "ensurepip", "pydoc_data"}
)


def gather_stdlib_pages(folder: Path | str | None = None) -> list[Page]:
    """Return one page per documented module of the standard library, in the order of their names.

    The sources are parsed, never imported: nothing of them runs. A page holds the docstrings of the module, its public
    classes with their public methods, and its functions, each under a heading with its parameters. Modules without a
    source or a docstring have no page, so the pages differ a little between versions of Python.

    Args:
        folder: where the sources are; default: those of this Python.

    Raises:
        DataError: there is no documented source, as in a Python that was installed without them.
    """
    folder = Path(folder or sysconfig.get_paths()["stdlib"])
    pages = [page for path, name in _list_modules(folder) if (page := _read_module(path, name))]
    if not pages:
        raise DataError(f"{folder} holds no source with a docstring.", "Use a Python that has its library's sources.")
    return sorted(pages, key=lambda page: page.name)


def _list_modules(folder: Path, prefix: str = "") -> Iterator[tuple[Path, str]]:
    """Yield path and dotted name of each public module."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.name.removesuffix(".py")
        if not name.isidentifier() or name.startswith("_") or name in SKIPPED:
            continue
        if path.suffix == ".py":
            yield path, prefix + name
        elif (path / "__init__.py").is_file():
            yield path / "__init__.py", prefix + path.name
            yield from _list_modules(path, f"{prefix}{path.name}.")


def _read_module(path: Path, name: str) -> Page | None:
    """Return the page of a module, None where it cannot be parsed or documents nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old sources hold escapes that the compiler warns of
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    parts = list(_write_parts(tree, ""))
    about = ast.get_docstring(tree)
    if not about and not parts:
        return None
    text = "\n\n".join([f"# {name}", *filter(None, [about]), *parts])
    return Page(
        name, name, text, {"section": name.partition(".")[0], "python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    )


def _write_parts(node: ast.AST, prefix: str) -> Iterator[str]:
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
            yield from _write_parts(child, f"{name}.")
