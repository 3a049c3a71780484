"""Every notebook is sealed, holds no key, and its exercises can be solved; its anatomy stands in test_lessons.py."""

import gzip
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from llmops_utils.core import DATA, ROOT, DataError
from llmops_utils.course import notebooks
from llmops_utils.course.exercises import load_exercises
from llmops_utils.course.notebooks import FOLDED, SEAL, compute_seal, list_notebooks, solve_notebook
from llmops_utils.models import Recordings

PATHS = list_notebooks()
KEY_SHAPES = r"(sk-[A-Za-z0-9]{12,}|AIza[\w-]{20,}|gsk_\w{20,}|hf_\w{20,}|Bearer\s+\w{8,})"


def read(path):
    return nbformat.reader.reads(path.read_text(encoding="utf-8"))  # test_lessons.py holds it against the schema


def list_code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def list_outputs(notebook):
    return [output for cell in list_code(notebook) for output in cell["outputs"]]


def get_recordings(path):
    return DATA / "recordings" / f"{path.stem}.jsonl.gz"


def unpack(path):
    return gzip.decompress(path.read_bytes()).decode() if path.exists() else ""


# --- what holds for each -------------------------------------------------------------------------------------


def is_executed_in_order(path, notebook):
    counts = [cell["execution_count"] for cell in list_code(notebook)]
    return counts == list(range(1, len(counts) + 1))


def is_sealed(path, notebook):
    return notebook["metadata"].get(SEAL) == compute_seal(notebook, get_recordings(path))


def has_only_planned_errors(path, notebook):
    planned = ["raises-exception" in cell["metadata"].get("tags", []) for cell in list_code(notebook)]
    return planned == [any(o["output_type"] == "error" for o in cell["outputs"]) for cell in list_code(notebook)]


def has_no_noise(path, notebook):
    outputs = list_outputs(notebook)
    return (
        set(notebook["metadata"]) == {"kernelspec", "language_info", SEAL}
        and all(set(cell["metadata"]) <= {"tags", FOLDED} for cell in notebook["cells"])
        and not any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)
        and not any(output.get("name") == "stderr" for output in outputs)
    )


def has_ids_that_say_something(path, notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    return len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-z][a-z0-9-]+", name) for name in ids)


def has_one_title_and_skips_no_level(path, notebook):
    prose = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    rises = all(after <= before + 1 for before, after in itertools.pairwise(levels))
    return levels[0] == 1 and levels.count(1) == 1 and rises


def has_pictures_with_alternative_texts(path, notebook):
    for output in list_outputs(notebook):
        html = "".join(output.get("data", {}).get("text/html", ""))
        with_text = re.findall(r'<img alt="[^"]{10,}"', html)
        if "image/png" in output.get("data", {}) or len(re.findall(r"<img ", html)) != len(with_text):
            return False
    return True


def has_exercises_each_with_a_cell_for_its_solution(path, notebook):
    """Whether the solutions pass their checks is tried in the notebook's own kernel, after its last cell: conftest.py."""
    exercises, quiz = load_exercises(path.stem)
    solved = solve_notebook(notebook, path.stem)
    num_solved = sum("assert outcome.is_right" in cell.source for cell in solved.cells)
    return exercises and len(quiz.questions) >= 4 and num_solved == len(exercises) + 1


def has_recordings_in_stable_order(path, notebook):
    order = [(recording.model, recording.key) for recording in Recordings(DATA / "recordings" / f"{path.stem}.jsonl")]
    return order == sorted(order)


RULES = (
    is_executed_in_order,
    is_sealed,  # changed after the outputs were made: run `make notebooks`
    has_only_planned_errors,
    has_no_noise,
    has_ids_that_say_something,
    has_one_title_and_skips_no_level,
    has_pictures_with_alternative_texts,
    has_exercises_each_with_a_cell_for_its_solution,
    has_recordings_in_stable_order,
)


def test_every_notebook_keeps_the_rules():
    read_ones = [(path, read(path)) for path in PATHS]
    broken = [(path.stem, rule.__name__) for path, one in read_ones for rule in RULES if not rule(path, one)]
    assert broken == []


def test_an_exercise_without_a_cell_is_named():
    notebook = read(PATHS[0])
    notebook.cells = [cell for cell in notebook.cells if "exercise:00.2" not in cell.metadata.get("tags", [])]
    with pytest.raises(DataError, match=r"00\.2"):
        solve_notebook(notebook, PATHS[0].stem)


def test_no_key_and_no_path_of_a_machine_is_stored():
    def has_secret(text):
        return re.search(KEY_SHAPES, text) or re.search(r"(?i)authorization\W{0,3}:|/(?:home|Users|root|tmp)/\w+", text)

    assert has_secret('"OPENAI_API_KEY=sk-abcdefghijkl123456"')
    assert has_secret("Bearer abcdefgh12345")
    assert has_secret('{"Authorization": "Basic"}')
    stored = {path.name: path.read_text(encoding="utf-8") + unpack(get_recordings(path)) for path in PATHS}
    assert [name for name, text in stored.items() if has_secret(text)] == []


def test_the_seal_breaks_when_one_word_changes(tmp_path):
    path = next(path for path in PATHS if path.stem == "01_1_what_an_llm_is")  # its recordings speak of Paris
    recordings = tmp_path / "recordings.jsonl.gz"
    for part in ("code", "outputs", "recordings"):
        notebook = read(path)
        shutil.copy(get_recordings(path), recordings)
        if part == "code":
            list_code(notebook)[3]["source"] += "  # changed"
        elif part == "outputs":
            cell = next(cell for cell in list_code(notebook) if cell["outputs"])
            cell["outputs"][0]["data"]["text/plain"] = "changed"
        else:
            recordings.write_bytes(gzip.compress(unpack(recordings).replace("Paris", "Lyon", 1).encode()))
        seal, expected = compute_seal(notebook, recordings), notebook["metadata"][SEAL]
        assert [name for name in seal if seal[name] != expected[name]] == [part]


def test_nbval_goes_red_for_a_changed_output_answer_and_line_under_whatever_kernels_name(tmp_path, monkeypatch):
    """All other cells pass, although no kernel of that name is here: it runs in the current environment."""
    notebook = read(PATHS[0])
    notebook["metadata"]["kernelspec"] = {"display_name": "Mine", "language": "python", "name": "somebodys-own"}
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    cells["mode-now"]["outputs"][0]["data"]["text/plain"] = ["changed"]
    cells["plain-usage"]["source"] = ["response.usage.prompt_tokens + 1, response.usage.completion_tokens"]
    end = list(cells).index("small-budget") + 1
    notebook["cells"] = notebook["cells"][:end]
    copied, recordings = tmp_path / PATHS[0].name, tmp_path / "recordings"
    copied.write_text(json.dumps(notebook), encoding="utf-8")
    recordings.mkdir()
    answers = unpack(get_recordings(PATHS[0])).replace("Berlin", "Bonn")
    (recordings / f"{PATHS[0].stem}.jsonl").write_text(answers, encoding="utf-8")
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(recordings))
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", "-p", "warm_kernels"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), str(copied)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    failed = [int(number) for number in re.findall(r"^FAILED .*::Cell (\d+)", done.stdout, flags=re.MULTILINE)]
    names = {list_code(notebook)[number]["id"] for number in failed}
    assert names == {"plain-call", "plain-usage", "model", "mode-now", "small-budget"}


def test_cleaning_keeps_outputs_and_ids():
    notebook, before = read(PATHS[0]), read(PATHS[0])
    for cell in (notebook.cells[2], before.cells[2]):
        cell.metadata[FOLDED] = True
    notebook.cells[0].metadata["collapsed"] = True
    notebook.metadata["widgets"] = {"state": {}}
    notebooks.clean_notebook(notebook)
    assert notebook.cells == before.cells
    assert set(before.metadata) - set(notebook.metadata) == {SEAL}
    assert "widgets" not in notebook.metadata


@pytest.mark.filterwarnings(
    "ignore::nbformat.warnings.MissingIDFieldWarning", "ignore::nbformat.warnings.DuplicateCellId"
)
def test_cells_without_an_id_or_with_that_of_another_get_one_and_others_keep_theirs(tmp_path):
    path, notebook = tmp_path / "00_start_here.ipynb", read(PATHS[0])
    kept = [cell["id"] for cell in notebook["cells"]]
    notebook["cells"][5]["id"] = kept[3]
    del notebook["cells"][7]["id"]
    path.write_text(json.dumps(notebook | {"nbformat_minor": 4}), encoding="utf-8")
    found = notebooks.read_notebook(path)
    given = [cell.id for cell in found.cells]
    assert [place for place, name in enumerate(given) if name != kept[place]] == [5, 7]
    assert len(set(given)) == len(kept)
    nbformat.validate(nbformat.reads(nbformat.writes(found, version=4), as_version=4))


@pytest.mark.filterwarnings("ignore::nbformat.warnings.MissingIDFieldWarning")
def test_what_is_no_notebook_is_named_and_left_as_it_is(tmp_path):
    path, start = tmp_path / "00_start_here.ipynb", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": '
    odd = (
        b"",
        b"[]",
        b'{"cells": 7}',
        b"<<<<<<< HEAD\n{",
        b"\xff\xfe",
        b"[" * 100_000,
        start + b"[7]}",
        start + b"[{}]}",
    )
    for content in (*odd, b'{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"00_start_here\.ipynb"):
            notebooks.store_outputs(path)
        assert path.read_bytes() == content


def test_a_cell_that_raises_leaves_the_notebook_on_disk_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(tmp_path))
    path = tmp_path / "00_start_here.ipynb"
    kernel = {"name": "of-somebody-else", "display_name": "X"}  # it runs in this environment all the same
    cells = [nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    before = path.read_bytes()
    with pytest.raises(notebooks.NotebookFailed, match="ZeroDivisionError"):
        notebooks.store_outputs(path)
    assert path.read_bytes() == before
    assert [p.name for p in Path(tmp_path).iterdir()] == [path.name]


def test_recording_begins_without_an_index(tmp_path, monkeypatch):
    """From an index that is there nothing is embedded, and the recordings of its texts would be dropped as unused."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(tmp_path))
    index = tmp_path / "home" / "indexes"
    index.mkdir(parents=True)
    (index / "chroma.sqlite3").touch()
    seen = []
    monkeypatch.setattr(notebooks, "run_notebook", lambda *_, **__: seen.append(index.exists()))
    notebooks.record_notebook(PATHS[0])
    assert seen == [False, False]
