"""The command line: `python -m llmops_utils COMMAND`."""

import codecs
import json
import os
import secrets
import subprocess
import sys
import threading
import unicodedata
from pathlib import Path
from typing import Annotated

import typer

from ..core import ROOT, DataError, WorkbookError, load_settings, read_json, write_whole
from ..models import choose_local_models, fetch_weights, has_weights, load_catalog
from ..operations import (
    EXIT_CODES,
    Release,
    choose_folder,
    load_production_model,
    open_model,
    promote,
    roll_back,
    run_gate,
)
from .assignments import make_assignment
from .doctor import diagnose
from .grading import Grade, grade_submission, mark_copies, write_table
from .notebooks import find_notebooks, list_notebooks, record_notebook, store_outputs
from .submissions import make_plain

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The LLMOps workbook.", pretty_exceptions_enable=False
)
models = typer.Typer(no_args_is_help=True, help="List and fetch models that run on this machine.")
app.add_typer(models, name="models")

CLASS_KEYS = "class_keys.json"
Note = Annotated[str, typer.Option(help="Why.")]
CANDIDATE_MODEL = "The name of a model (see models list), or the file of an adapter (.gguf)."
Shots = Annotated[int | None, typer.Option(help="Examples shown with the candidate; default: as many as now.")]
Registry = Annotated[Path | None, typer.Option(help="The registry; default: yours, else that of the course.")]

# What is written to a console that lacks a character, as those of Windows and of containers often do.
PLAIN = str.maketrans("✓✗·•×→←≥≤“”„‘’‚–—−─│╭╮╰╯€µ", "+x--x><><\"\"\"'''----|++++Eu")


@app.command()
def lab(
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    host: Annotated[str, typer.Option(help="Where JupyterLab listens; in a container 0.0.0.0.")] = "localhost",
) -> None:
    """Fetch the model, check this machine, and open JupyterLab at the first notebook."""
    settings = load_settings()
    if settings.asks and settings.needs_weights:
        fetch()
    print(diagnose(), flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", f"--ServerApp.ip={host}"]
    command.append("--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb")  # also in the printed address
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
    if not browser or (sys.platform == "linux" and not any(map(os.environ.get, screens))):
        print("\nThere is no browser to open here: open the address that JupyterLab prints below.\n", flush=True)
        command.append("--no-browser")
    # The course's own configuration turns off JupyterLab's question about news.
    paths = [str(Path(__file__).with_name("lab_config")), os.environ.get("JUPYTER_CONFIG_PATH")]
    environment = os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, paths))}
    try:
        sys.exit(subprocess.call(command, cwd=ROOT, env=environment))
    except KeyboardInterrupt:
        sys.exit(130)


@app.command()
def doctor() -> None:
    """Check this machine and say for each fault what to do."""
    diagnosis = diagnose()
    print(diagnosis)
    sys.exit(0 if diagnosis.is_healthy else 1)


@models.command("list")
def list_models() -> None:
    """List the models that run on this machine, and whether their files are there."""
    home = load_settings().home
    for model in load_catalog().local.values():
        state = "here" if has_weights(model, home) else "not fetched"
        size = model.megabytes or round(sum(packaged.bytes for packaged in model.files) / 1e6)
        print(f"{model.name:26} {size:>5} MB  {model.licence:30} {state}")


@models.command("fetch")
def fetch() -> None:
    """Fetch the embedded chat model and the embedding model, as far as they are missing."""
    settings = load_settings()
    for model in choose_local_models(settings):
        fetch_weights(model, settings.home)


@models.command("pull")
def pull(name: str) -> None:
    """Fetch one model of the catalog, then say how to use it."""
    model = load_catalog().find_local(name)
    fetch_weights(model, load_settings().home)
    setting = "LLMOPS_MODEL" if model.kind == "chat" else "LLMOPS_EMBEDDING_MODEL"
    print(f"{name} is here. To use it, put into .env:  {setting}={name}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 opens it to the class.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port.")] = 8080,
    requests: Annotated[int, typer.Option(help="Of each student in an hour.")] = 2000,
    tokens: Annotated[int, typer.Option(help="Of each student in an hour, read and written.")] = 1_000_000,
) -> None:
    """Serve the embedded model to a class. Prints the path of a file with the settings for the students."""
    from ..operations.gateway import open_gateway

    settings = load_settings()
    keys = _find_class_keys(settings.home)

    async def authenticate(key: str, address: str) -> str | None:
        for who, caller in (("teacher", "teacher"), ("class", address)):
            if secrets.compare_digest(key.encode(errors="replace"), keys[who].encode()):
                return caller
        return None

    gateway = open_gateway(settings, authenticate, "teacher".__eq__, requests, tokens)
    model = gateway.models[0]
    gateway.find_server(model)
    with gateway.listen(host, port) as port:
        address = f"http://{host if host != '0.0.0.0' else '(the address of this machine)'}:{port}"
        card = settings.home / "class.env"
        lines = {"PROVIDER": settings.provider_name, "BASE_URL": f"{address}/v1", "MODEL": model}
        encoder = choose_local_models(settings.model_copy(update={"model": None}))[1]
        lines |= {"API_KEY": keys["class"], "EMBEDDING_MODEL": encoder.name}
        write_whole(card, "".join(f"LLMOPS_{name}={value}\n" for name, value in lines.items()), is_private=True)
        print(
            f"Serving {model} at {address}/v1. The students' settings, with the key, are in {card}: they save it as "
            f".env beside README.md. The page {address}/usage tells what each of them used, to who sends the teacher's "
            f"key, which is in {settings.home / CLASS_KEYS}. Stop with Ctrl-C.",
            flush=True,
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("Stopped.")
        finally:
            card.unlink(missing_ok=True)


def _find_class_keys(home: Path) -> dict[str, str]:
    """Return the keys of the class and of its teacher: after a restart the same, so that nobody saves settings again."""
    path, names = home / CLASS_KEYS, ("class", "teacher")
    if not path.exists():
        write_whole(path, json.dumps({name: secrets.token_urlsafe(24) for name in names}), is_private=True)
    keys = read_json(path)
    if not isinstance(keys, dict) or not all(isinstance(keys.get(name), str) and keys[name] for name in names):
        raise DataError(f"{path} does not hold the keys of class and teacher.", "Remove it: then new ones are made.")
    return keys


@app.command("assignment")
def write_assignment(
    lesson: Annotated[str, typer.Argument(help="The number of a lesson, such as 06_2.")],
    folder: Annotated[Path, typer.Argument(help="The folder of an nbgrader course.")] = Path(),
) -> None:
    """Make an nbgrader assignment from a lesson, as source/LESSON/LESSON.ipynb in a folder."""
    import nbformat

    for path in find_notebooks(lesson):
        target = folder / "source" / path.stem / path.name
        write_whole(target, nbformat.writes(make_assignment(path), version=4) + "\n")
        print(f"{target}: now `nbgrader generate_assignment {path.stem}`, there")


def _list_named(names: list[str] | None) -> list[Path]:
    return [path for name in names for path in find_notebooks(name)] if names else list_notebooks()


@app.command("notebooks")
def make_notebooks(
    names: Annotated[list[str] | None, typer.Argument(help="Numbers or names: 06, 06_2; default: all.")] = None,
) -> None:
    """Execute notebooks and store their outputs; the model is asked only for what is not recorded."""
    for path in _list_named(names):
        print(f"{path.name} …", flush=True)
        store_outputs(path)


@app.command("test")
def run_tests(
    names: Annotated[list[str] | None, typer.Argument(help="With --live: only these notebooks; default: all.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the embedded model instead of the recordings.")] = False,
) -> None:
    """Run the tests: lint, unit tests and every notebook against the recordings; or the live tests."""
    steps = [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["pytest", "-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "--nbval", "--nbval-cell-timeout=120"],
    ]
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each process rewrites all test files
    if not live:  # from the start: what pytest's plugins import is guarded as well
        guarded = [str(ROOT / "tests" / "guard"), *filter(None, [environment.get("PYTHONPATH")])]
        environment |= {"WORKBOOK_GUARD": "1", "PYTHONPATH": os.pathsep.join(guarded)}
    if live:
        fetch()
        environment["WORKBOOK_LIVE"] = "1"
        chosen = map(str, _list_named(names))
        steps = [
            ["pytest", "-m", "live", "tests"],
            ["pytest", "--nbval-lax", "--nbval-cell-timeout=400", "--durations=20", *chosen],
        ]
    types = (
        None if live else subprocess.Popen([sys.executable, "-m", "mypy"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    )
    for step in steps:
        code = subprocess.call([sys.executable, "-m", *step], cwd=ROOT, env=environment)
        if code:
            sys.exit(code)
    if types:  # looked at beside the other steps, and told last
        print(types.communicate()[0], end="")
        sys.exit(types.returncode)


@app.command()
def record(name: str) -> None:
    """Ask the configured model all of a notebook's questions anew and store its answers as recordings.

    The recordings of other models stay. Recordings of this model that the notebook no longer asks for go.
    """
    for path in find_notebooks(name):
        num_kept, num_dropped = record_notebook(path)
        print(f"{num_kept} recordings in data/recordings/{path.stem}.jsonl.gz, {num_dropped} dropped.")


@app.command("gate")
def run_gate_command(
    name: Annotated[str, typer.Argument(help="The prompt, such as route_message.")],
    candidate: Annotated[str, typer.Option(help="A revision or version; default: the highest revision.")] = "",
    num: Annotated[int | None, typer.Option(help="Only so many examples; default: the whole split.")] = None,
    folder: Registry = None,
    recordings: Annotated[str, typer.Option(help="The recordings to read in replay.")] = "12_3_release",
    model: Annotated[str, typer.Option(help=CANDIDATE_MODEL)] = "",
    against: Annotated[int | None, typer.Option(help="A revision, the fixed anchor; default: production.")] = None,
    skip: Annotated[int, typer.Option(min=0, help="Leave out the first examples, which decided before.")] = 0,
    shots: Shots = None,
) -> None:
    """Compare a candidate, a prompt, a model or both, with what is in production, on the prompt's own data set.

    Exit code 0: pass. 3: worse beyond chance. 4: too dear. 5: too few examples to tell. 1: an error, nothing decided.
    """
    chosen = int(candidate) if candidate.isdecimal() and len(candidate) < 4 else candidate or None
    folder = folder or choose_folder(name)
    present = load_production_model(name, recordings, folder)
    about = {"against": against, "skip": skip, "new_shots": shots}
    about["new_model"] = open_model(model, recordings) if model else None
    decision = run_gate(name, present, chosen, folder, num, asks_all=True, **about)
    print(decision.comparison.baseline, decision.comparison.candidate, decision, sep="\n")
    sys.exit(EXIT_CODES[decision.outcome])


@app.command("promote")
def promote_prompt(
    name: str,
    revision: Annotated[int | None, typer.Argument(help="Default: the present one, with a new model.")] = None,
    note: Note = "",
    folder: Registry = None,
    model: Annotated[str, typer.Option(help=CANDIDATE_MODEL)] = "",
    replaces: Annotated[str, typer.Option(help="The version that it was measured against.")] = "",
    shots: Shots = None,
) -> None:
    """Put a revision of a prompt, a model or both into production."""
    if revision is None and not model and shots is None:
        raise DataError("Neither a revision nor a model is named.", "Name one: promote NAME 2, or --model NAME.")
    chosen = open_model(model, name) if model else None
    _tell_production(name, promote(name, revision, folder or choose_folder(name), note, chosen, replaces, shots))


@app.command("roll-back")
def roll_back_prompt(name: str, note: Note = "", folder: Registry = None) -> None:
    """Put back into production what was there before, prompt and model."""
    _tell_production(name, roll_back(name, folder or choose_folder(name), note))


def _tell_production(name: str, release: Release) -> None:
    entry = release.production
    with_model = f", on {entry.model}" if entry.model else ""
    print(f"In production: {name}, revision {entry.revision}{with_model}.")


@app.command("grade")
def grade_files(
    files: Annotated[list[Path], typer.Argument(help="Submissions of the capstone.")],
    csv: Annotated[Path | None, typer.Option(help="Write a table of all of them to this file.")] = None,
) -> None:
    """Grade submissions of the capstone: one as a table, several a line each.

    Exit code 0: all could be read, however few their points. 2: one could not; the others are graded all the same.
    """
    grades: list[Grade] = []
    for file in files:
        try:
            grades.append(grade_submission(file))
        except WorkbookError as error:
            print(f"{make_plain(file)}: {error}", file=sys.stderr)
    grades = mark_copies(grades)
    for grade in grades:
        print(grade if len(files) == 1 else grade.line)
    if csv is not None:
        write_table(grades, csv)
    sys.exit(2 if len(grades) < len(files) else 0)


def write_plainly(error: UnicodeEncodeError) -> tuple[str, int]:
    """Return in ASCII what a console has no characters for, and where it ends: a handler of encoding errors."""
    letters = error.object[error.start : error.end].translate(PLAIN)
    plain = (unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() or "?" for letter in letters)
    return "".join(plain), error.end


def main() -> None:
    """Run the command line; an error of this package becomes its message and exit code 1."""
    codecs.register_error("plainly", write_plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainly")
    try:
        app()
    except WorkbookError as error:
        sys.exit(f"{type(error).__name__}: {error}")
