"""Every notebook keeps the anatomy of a chapter, is sealed, holds no key, and its exercises can be solved."""

import copy
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from llmops_utils.core import DATA, NOTEBOOKS, ROOT, DataError
from llmops_utils.course import notebooks
from llmops_utils.course.exercises import load_exercises
from llmops_utils.course.notebooks import SEAL, compute_seal, list_notebooks, run_notebook, solve_notebook
from llmops_utils.models import Recordings

PATHS = list_notebooks()
KEY_SHAPES = r"(sk-[A-Za-z0-9]{12,}|AIza[\w-]{20,}|gsk_\w{20,}|hf_\w{20,}|Bearer\s+\w{8,})"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def get_source(cell):
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def list_code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def get_recordings(path):
    return DATA / "recordings" / f"{path.stem}.jsonl"


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return read(path)


def test_every_code_cell_was_executed_in_order(notebook):
    counts = [cell["execution_count"] for cell in list_code(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_the_seal_fits_code_outputs_and_recordings(path, notebook):
    assert notebook["metadata"][SEAL] == compute_seal(notebook, get_recordings(path)), (
        f"{path.name} was changed after its outputs were made: run `make notebooks`."
    )


def test_no_error_is_stored_but_the_planned_ones(notebook):
    for cell in list_code(notebook):
        planned = "raises-exception" in cell["metadata"].get("tags", [])
        assert planned == any(output["output_type"] == "error" for output in cell["outputs"]), get_source(cell)


def test_metadata_holds_no_noise(notebook):
    assert set(notebook["metadata"]) == {"kernelspec", "language_info", SEAL}
    for cell in notebook["cells"]:
        assert set(cell["metadata"]) <= {"tags"}
        for output in cell.get("outputs", []):
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


def test_no_warning_is_stored(notebook):
    streams = [o for cell in list_code(notebook) for o in cell["outputs"] if o["output_type"] == "stream"]
    assert [output for output in streams if output["name"] == "stderr"] == []


def test_cells_have_ids_that_say_something(notebook):
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]+", name) for name in ids)


def test_headings_begin_with_one_title_and_skip_no_level(notebook):
    text = "\n".join(get_source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    levels = [len(marks) for marks in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_parts_of_a_chapter_are_there_in_order(path, notebook):
    text = "\n".join(get_source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    number = int(path.stem[:2])
    parts = [
        f"# {number}. ",
        "## Set-up",
        f"## {number}.1 ",
        "## When it fails",
        "## Measured",
        "## Summary",
        "## Exercises",
    ]
    places = [text.find(part) for part in parts]
    assert -1 not in places, dict(zip(parts, places, strict=True))
    assert places == sorted(places)


def test_cells_are_short_and_prose_outweighs_code(notebook):
    lines = [len(get_source(cell).splitlines()) for cell in list_code(notebook)]
    words = sum(len(get_source(cell).split()) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert 40 <= len(notebook["cells"]) <= 125
    assert max(lines) <= 25
    assert statistics.median(lines) <= 5
    assert words / sum(lines) >= 5


def test_every_output_picture_has_an_alternative_text(notebook):
    for cell in list_code(notebook):
        for output in cell["outputs"]:
            data = output.get("data", {})
            assert "image/png" not in data, "show figures as a Picture, which has an alternative text"
            html = "".join(data.get("text/html", ""))
            assert len(re.findall(r"<img ", html)) == len(re.findall(r'<img alt="[^"]{10,}"', html))


def test_there_is_a_teaching_widget_with_a_static_view(notebook):
    static = [
        "".join(output["data"]["text/html"])
        for cell in list_code(notebook)
        for output in cell["outputs"]
        if re.search(
            r"(explorer|chooser|workbench|picker|inspector|dashboard|calculator|timeline|scorecard)",
            str(output).lower(),
        )
        and "text/html" in output.get("data", {})
    ]
    assert any("<table" in html for html in static)


def test_exercises_and_quiz_are_enough(path):
    exercises, quiz = load_exercises(path.stem)
    assert len(exercises) >= 3
    assert len(quiz.questions) >= 4


def test_no_key_and_no_path_of_a_machine_is_stored(path):
    for file in (path, get_recordings(path)):
        text = file.read_text(encoding="utf-8")
        assert re.findall(KEY_SHAPES, text) == []
        assert re.findall(r"(?i)authorization|/(?:home|Users|root|tmp)/\w+", text) == []


def test_recordings_are_in_stable_order_and_all_are_readable(path):
    recordings = list(Recordings(get_recordings(path)))
    order = [(recording.model, recording.key) for recording in recordings]
    assert order == sorted(order)
    assert len(order) > 0


def test_a_key_in_a_notebook_or_recording_would_be_found():
    assert re.findall(KEY_SHAPES, '"OPENAI_API_KEY=sk-abcdefghijkl123456"')
    assert re.findall(KEY_SHAPES, "Authorization: Bearer abcdefgh12345")


def test_solutions_put_into_a_notebook_pass_every_check(path):
    solved = solve_notebook(nbformat.read(path, as_version=4), path.stem)
    run_notebook(solved, path.parent, "replay")
    outcomes = [
        "".join(output["data"]["text/plain"])
        for cell in solved.cells
        if cell.cell_type == "code" and re.search(r"(q\d|quiz)\.check\(", cell.source)
        for output in cell.outputs
        if "text/plain" in output.get("data", {})
    ]
    exercises, _ = load_exercises(path.stem)
    assert len(outcomes) == len(exercises) + 1
    assert [outcome.partition(":")[0] for outcome in outcomes] == ["right"] * len(outcomes), outcomes


def test_an_exercise_without_a_cell_is_noticed():
    notebook = nbformat.read(PATHS[0], as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "exercise:00.2" not in cell.metadata.get("tags", [])]
    with pytest.raises(DataError, match=r"00\.2"):
        solve_notebook(notebook, PATHS[0].stem)


@pytest.mark.parametrize("part", ["code", "outputs", "recordings"])
def test_the_seal_breaks_when_one_word_changes(part, tmp_path):
    path = next(path for path in PATHS if path.stem == "01_llm_basics")  # its recordings speak of Paris
    notebook, recordings = read(path), tmp_path / "recordings.jsonl"
    shutil.copy(get_recordings(path), recordings)
    if part == "code":
        list_code(notebook)[3]["source"] = ["# changed\n", *list_code(notebook)[3]["source"]]
    elif part == "outputs":
        cell = next(cell for cell in list_code(notebook) if cell["outputs"])
        cell["outputs"][0]["data"]["text/plain"] = ["changed"]
    else:
        recordings.write_text(recordings.read_text(encoding="utf-8").replace("Paris", "Lyon", 1), encoding="utf-8")
    seal, expected = compute_seal(notebook, recordings), notebook["metadata"][SEAL]
    assert [name for name in seal if seal[name] != expected[name]] == [part]


def test_the_seal_does_not_depend_on_how_lines_are_stored():
    path = PATHS[-1]
    notebook = read(path)
    joined = json.loads(nbformat.writes(nbformat.read(path, as_version=4), version=4, split_lines=False))
    assert compute_seal(joined, get_recordings(path)) == compute_seal(notebook, get_recordings(path))


class Copy:
    """A copy of one notebook with its recordings, which nbval can run."""

    def __init__(self, folder):
        self.path = folder / "00_start_here.ipynb"
        self.recordings = folder / "recordings"
        shutil.copy(NOTEBOOKS / self.path.name, self.path)
        self.recordings.mkdir()
        shutil.copy(DATA / "recordings" / "00_start_here.jsonl", self.recordings)

    def edit(self, change):
        notebook = read(self.path)
        change(notebook)
        self.path.write_text(json.dumps(notebook), encoding="utf-8")

    def run(self, monkeypatch):
        monkeypatch.setenv("LLMOPS_RECORDINGS", str(self.recordings))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--nbval",
            "-q",
            "-p",
            "no:cacheprovider",
            "-x",
            "-c",
            str(ROOT / "pyproject.toml"),
        ]
        command += ["--rootdir", str(self.path.parent), str(self.path)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def find_cell(notebook, name):
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


@pytest.mark.parametrize("change", ["stored output", "recorded answer", "line of code"])
def test_nbval_goes_red_when_something_is_changed(change, tmp_path, monkeypatch):
    copied = Copy(tmp_path)
    if change == "stored output":

        def edit(notebook):
            find_cell(notebook, "plain-call")["outputs"][0]["data"]["text/plain"] = [
                "'The capital of Germany is Bonn.'"
            ]

        copied.edit(edit)
    elif change == "line of code":

        def edit(notebook):
            find_cell(notebook, "plain-usage")["source"] = [
                "response.usage.prompt_tokens + 1, response.usage.completion_tokens"
            ]

        copied.edit(edit)
    else:
        file = copied.recordings / "00_start_here.jsonl"
        file.write_text(file.read_text(encoding="utf-8").replace("Berlin", "Bonn"), encoding="utf-8")
    done = copied.run(monkeypatch)
    assert done.returncode == 1, done.stdout[-2000:]
    assert "1 failed" in done.stdout


def test_cleaning_keeps_outputs_and_ids():
    notebook = nbformat.read(PATHS[0], as_version=4)
    before = copy.deepcopy(notebook)
    notebook.cells[0].metadata["collapsed"] = True
    notebook.metadata["widgets"] = {"state": {}}
    notebooks.clean_notebook(notebook)
    assert "widgets" not in notebook.metadata
    assert "collapsed" not in notebook.cells[0].metadata
    assert [cell.id for cell in notebook.cells] == [cell.id for cell in before.cells]
    assert [c.get("outputs") for c in notebook.cells] == [c.get("outputs") for c in before.cells]


def test_a_cell_that_raises_leaves_the_notebook_on_disk_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(tmp_path))
    path = tmp_path / "00_start_here.ipynb"
    notebook = nbformat.read(PATHS[0], as_version=4)
    notebook.cells[3].source = "1 / 0"
    nbformat.write(notebook, path)
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
