"""Find the notebooks of chapters and lessons, execute them, store their outputs, link and seal them.

One number is the address of everything: `06_2` of a lesson, `06` of its chapter.

The seal is a checksum of a notebook's code, of its outputs and of its recordings, in the notebook's metadata.
It makes visible what a comparison of outputs cannot see: a picture, a comment, a recorded answer that only a
widget shows.
"""

import copy
import hashlib
import json
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from ..core import NOTEBOOKS, DataError, WorkbookError, load_settings, read_json, write_whole
from ..evaluation import ship_results
from ..models import Recordings, hash_key

SEAL = "workbook_seal"
TIMEOUT_S = 600  # of a cell
FOLDED = "jp-MarkdownHeadingCollapsed"  # of a heading under which JupyterLab hides all until the next of its level
KEPT_METADATA = ("tags", "jupyter", FOLDED)
MAP_LINK = "[Course map](00_start_here.ipynb)"


class NotebookFailed(WorkbookError):
    """A cell raised; the notebook on disk is unchanged."""


def get_address(name: str) -> str:
    """Return the number with which a name begins, `06_2` of a lesson or `00`; "" where there is none."""
    number = re.match(r"\d\d(_\d+(?=_|$))?", name)
    return number[0] if number else ""


def list_notebooks() -> list[Path]:
    """Return the notebooks of the course in order, without copies. Raises `DataError` where there is none."""
    found = sorted(path for path in NOTEBOOKS.glob("*.ipynb") if re.fullmatch(r"\d\d_\w+", path.stem))
    if not found:
        raise DataError(f"There is no notebook in {NOTEBOOKS}.", "Restore them: `git checkout notebooks`.")
    return found


def find_notebooks(name: str) -> list[Path]:
    """Return the notebook of a name or of an address such as `06_2`; for that of a chapter, all its lessons.

    Raises `DataError` with the known names.
    """
    known = list_notebooks()
    found = [path for path in known if f"{path.stem}_".startswith(f"{Path(name).stem}_")]
    if not found:
        names = ", ".join(path.stem for path in known)
        raise DataError(f"There is no notebook “{name}”.", f"Choose one of {names}.")
    return found


@cache
def read_opening(path: Path) -> tuple[str, str]:
    """Return title and question of a notebook; its name stands in for a title that is missing or cannot be read."""
    try:
        cells = [cell for cell in read_json(path)["cells"] if cell["cell_type"] == "markdown"]
        prose = "\n\n".join("".join(cell["source"]) for cell in cells)
    except (DataError, KeyError, TypeError):
        prose = ""
    title = re.search("^# (.+)", prose, flags=re.MULTILINE)
    question = re.search(r"\*\*The question:\*\* (.)(.+?)\s*(\n\n|$)", prose, flags=re.DOTALL)
    asked = " ".join((question[1].upper() + question[2]).split()) if question else ""
    return title[1].strip() if title else path.stem, asked


def make_navigation(path: Path) -> str:
    """Return the line of links to the notebook before, to the course map, and to the notebook after."""
    paths = list_notebooks()
    place = paths.index(path)
    links = [f"[← {read_opening(one)[0]}]({one.name})" for one in paths[:place][-1:]] + [MAP_LINK]
    links += [f"[{read_opening(one)[0]} →]({one.name})" for one in paths[place + 1 :][:1]]
    return " · ".join(links)


def link_lessons() -> None:
    """Write into each lesson the links to its neighbours, at its top and at its end, where they are not current."""
    import nbformat

    for path in list_notebooks():
        notebook = read_notebook(path)
        before = copy.deepcopy(notebook)
        cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        for cell in cells:
            if MAP_LINK in cell.source:
                cell.source = "\n".join(line for line in cell.source.split("\n") if MAP_LINK not in line).rstrip()
        for cell in (cells[0], _find_last_shown(cells[1:])):
            cell.source += f"\n\n{make_navigation(path)}"
        if notebook != before:
            write_whole(path, nbformat.writes(notebook, version=4) + "\n")


def _find_last_shown(cells: list):
    """Return the last of the markdown cells that is not hidden under a folded heading."""
    lowest = level = 7  # `level` is that of the folded heading above; what is no heading ranks lowest
    for cell in cells:
        rank = len(re.match("#*", cell.source)[0]) or lowest
        if rank <= level:
            last, level = cell, rank if cell.metadata.get(FOLDED) else lowest
    return last


def read_notebook(path: Path):
    """Return the notebook in a file, from nbformat, version 4; cells without an id, or with a doubled one, are given one.

    Old programs write none, and a merge doubles some. Raises `DataError` where the file is no such notebook.
    """
    import nbformat

    content = read_json(path)
    try:
        content["nbformat_minor"] = max(5, content["nbformat_minor"])  # the first with ids
        _, content = nbformat.validator.normalize(content)
        notebook = nbformat.reads(json.dumps(content), as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises as many kinds as there are ways to be none
        problem = f"{path.name} is no notebook of version 4 ({type(error).__name__})."
        raise DataError(problem, f"Restore it: `git checkout notebooks/{path.name}`.") from error
    return notebook


def compute_seal(notebook, recordings: Path) -> dict[str, str]:
    """Return the checksums of code, outputs and recordings of a notebook as nbformat reads it, with its lines joined."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code = json.dumps([[cell.get("id"), cell.source] for cell in cells], ensure_ascii=False)
    outputs = json.dumps([cell.outputs for cell in cells], ensure_ascii=False, sort_keys=True)
    stored = recordings.read_bytes() if recordings.is_file() else b""
    parts = {"code": code.encode(), "outputs": outputs.encode(), "recordings": stored}
    return {name: hashlib.sha256(content).hexdigest()[:16] for name, content in parts.items()}


def run_notebook(notebook, folder: Path, mode: str, **environment: str):
    """Return a notebook object with the outputs of a kernel of its own, which starts in `folder` in this environment.

    `environment` holds further variables for it. Raises `NotebookFailed` where a cell raises or takes over `TIMEOUT_S`.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    resources = {"metadata": {"path": str(folder)}}
    own = os.environ | {"LLMOPS_MODE": mode, **environment}
    with tempfile.TemporaryDirectory(prefix="workbook-home-") as home:
        if mode == "replay":  # what is stored must not depend on who makes it: a new learner's empty home
            kept = ("LLMOPS_MODE", "LLMOPS_RECORDINGS", "LLMOPS_RESULTS")
            own = {name: text for name, text in own.items() if name in kept or not name.startswith("LLMOPS_")}
            own |= {"LLMOPS_HOME": home, "LLMOPS_NO_DOTENV": "1"}
        try:
            NotebookClient(notebook, timeout=TIMEOUT_S, kernel_name="python3", resources=resources).execute(env=own)
        except (CellExecutionError, CellTimeoutError) as error:
            raise NotebookFailed(str(error)[-3000:], "Mend the cell and run `make notebooks` again.") from None
    return notebook


def list_solution_cells(chapter: str) -> list[tuple[str, str]]:
    """Return for each exercise of a chapter, and its quiz, the id and code that solves it and insists on a right check."""
    from .exercises import load_exercises

    exercises, quiz = load_exercises(chapter)
    letters = ", ".join(repr(question.answer) for question in quiz.questions)
    insist = "assert outcome.is_right, outcome"
    find = f"from llmops_utils.course import load_exercises\nexercises, quiz = load_exercises({chapter!r})"
    cells = [
        (exercise.id, f"{exercise.solution_code}\n{find}\noutcome = exercises[{number}].check()\n{insist}")
        for number, exercise in enumerate(exercises)
    ]
    return [*cells, (quiz.id, f"{find}\noutcome = quiz.check({letters})\n{insist}")]


def solve_notebook(notebook, chapter: str):
    """Return a copy of a notebook with the solutions in its exercise cells, which are tagged `exercise:01.2`."""
    solutions = dict(list_solution_cells(chapter))
    solved = copy.deepcopy(notebook)
    for cell in solved.cells:
        for tag in cell.metadata.get("tags", []):
            if tag.startswith("exercise:"):
                cell.source = solutions.pop(tag.removeprefix("exercise:"))
    if solutions:
        raise DataError(f"{chapter} has no cell for the exercises {', '.join(solutions)}.", "Tag a cell `exercise:ID`.")
    return solved


def record_notebook(path: Path, mode: str = "record") -> tuple[int, int]:
    """Record what a notebook asks, as it is and solved; return how many recordings are kept and dropped.

    Recordings of other models stay. Those of this model that nothing asked for are dropped. The mode `record` asks
    everything anew, `fill` only what is missing. Raises `NotebookFailed` where a cell raises; what was recorded is kept.
    """
    notebook = read_notebook(path)
    recordings = Recordings(load_settings().recordings / f"{path.stem}.jsonl")
    # From an index that is there already no text is embedded, so its recording would count as not asked for.
    shutil.rmtree(load_settings().home / "indexes", ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="workbook-used-") as folder:
        log = Path(folder) / "used.txt"
        log.touch()
        # What is solved here must not count as the learner's progress, so that is kept elsewhere.
        environment = {
            "LLMOPS_USED_LOG": str(log),
            "LLMOPS_PROGRESS": str(Path(folder) / "progress.json"),
            "LLMOPS_RESULTS": str(Path(folder) / "results"),
        }
        run_notebook(copy.deepcopy(notebook), path.parent, mode, **environment)
        run_notebook(solve_notebook(notebook, path.stem), path.parent, "fill", **environment)
        used = set(log.read_text(encoding="utf-8").split())
    names = {recording.model for recording in recordings if hash_key(recording.key) in used}
    num_dropped = 0
    if len(recordings):
        num_dropped = recordings.tidy(lambda one: one.model not in names or hash_key(one.key) in used)
    return len(recordings), num_dropped


def store_outputs(path: Path) -> None:
    """Record what a notebook asks and is not recorded yet, then store the outputs of its replay.

    So a stored output is what every reader's replay gives. Exercises are stored as the learner meets them. Raises
    `NotebookFailed` where a cell raises; the notebook is as it was. Its title may be new, so all lessons are linked.
    """
    import nbformat

    record_notebook(path, "fill")
    with tempfile.TemporaryDirectory(prefix="workbook-results-") as results:
        notebook = run_notebook(read_notebook(path), path.parent, "replay", LLMOPS_RESULTS=results)
        ship_results(Path(results), get_address(path.stem))
    clean_notebook(notebook)
    notebook.metadata[SEAL] = compute_seal(notebook, load_settings().recordings / f"{path.stem}.jsonl.gz")
    write_whole(path, nbformat.writes(notebook, version=4) + "\n")
    link_lessons()


def clean_notebook(notebook) -> None:
    """Strip what changes from run to run and says nothing: times, widget state, the kernel's exact version."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name in KEPT_METADATA}
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
