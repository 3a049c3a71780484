"""Whether a key leaves: twelve shapes of keys, ten places where text leaves the process, one count for each pair.

    python benchmarks/keys.py

For each shape a process of its own has the key in its environment and gets it from everywhere else too: in prompts, in
what a server answers, in errors, names, tags, notes and rows. Then each place is searched for the key as it is, and as
JSON, a representation and an address would write it. A find is a fault; the sum should be 0.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psutil

sys.path.append(str(Path(__file__).parents[1] / "tests" / "fakes"))

LONG = "Zq8wP3nV6tXr1LsKd9"  # no key of anybody; each shape is made from it
SHAPES = {  # a name: the variable that holds the key, its value, and the part that is secret
    "openai": ("OPENAI_API_KEY", f"sk-proj-{LONG}{LONG}", LONG),
    "anthropic": ("ANTHROPIC_API_KEY", f"sk-ant-api03-{LONG}-{LONG}", LONG),
    "google": ("GEMINI_API_KEY", f"AIza{LONG}{LONG}", LONG),
    "hugging face, lower case": ("hf_token", f"hf_{LONG}{LONG}", LONG),
    "comet, no shape": ("COMET_API_KEY", f"{LONG}{LONG}", LONG),
    "azure, hexadecimal": ("AZURE_OPENAI_KEY", "8f3a61c07b5e42d9a6f10c8e7d24b593", "8f3a61c07b5e42d9"),
    "aws, slash and plus": ("AWS_SECRET_ACCESS_KEY", f"wJ/{LONG}+bPx/{LONG}=", LONG),
    "password of words": ("DB_PASSWORD", "correct horse battery", "correct horse battery"),
    "quotes and backslash": ("SHOP_API_KEY", f"a'{LONG}\"\\{LONG}", LONG),
    "blanks around": ("MAIL_TOKEN", f"  {LONG}{LONG} ", LONG),
    "user and password of an address": ("SERVICE_URL", f"https://ann:{LONG}@shop.example/v1", LONG),
    "web token": ("SESSION_SECRET", f"eyJhbGciOiJub25lIn0.eyJ{LONG}.{LONG}", LONG),
}


def find_in_archive(key: str) -> str:
    """Return all bytes of a run's archive as text; the key is in each thing that is logged."""
    from llmops_utils.evaluation import Report, Row
    from llmops_utils.prompts import Prompt
    from llmops_utils.tracking import log_report, start_run
    from llmops_utils.tracking.runs import list_archives

    row = Row("a", key, key, {key: key}, 0.0, note=key, trace=[{key: key}])
    report = Report(key, (row, replace(row, id="b")), key, 1.0)
    prompt = Prompt("sort", context=key, input="{{ text }}")
    run = start_run(f"run {key}", project=f"project {key}", tags=[key])
    log_report(run, report, prompt=prompt, data=key, parameters={key: key})
    run.end()
    run = start_run("failed")
    log_report(run, replace(report, rows=(replace(row, prediction=None, error=key),)))
    run.end()
    texts = []
    for path in list_archives():
        with zipfile.ZipFile(path) as archive:
            texts += [path.name, *(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())]
    return "\n".join(texts)


def find_in_trace(key: str) -> str:
    """Return a recorded trace as it prints and as it is logged."""
    from llmops_utils.tracking import log_trace, record_trace, span, start_run
    from llmops_utils.tracking.runs import list_archives

    def fail(text):
        raise ValueError(text)

    with contextlib.suppress(ValueError), record_trace(key) as root:
        span("tool")(lambda text: {text: [text]})(key)
        span("tool")(fail)(key)
    before = set(list_archives())
    run = start_run("trace")
    log_trace(run, root)
    run.end()
    (path,) = set(list_archives()) - before
    with zipfile.ZipFile(path) as archive:
        return repr(root) + "\n".join(archive.read(name).decode("utf-8", "replace") for name in archive.namelist())


def ask(key: str, fault: bool = False):
    """Return what a model answers, or the error, where request, answer and refusal hold the key."""
    from fake_provider import FakeProvider, refuse

    from llmops_utils.core import WorkbookError, load_settings
    from llmops_utils.models import Model

    with FakeProvider() as server:
        server.answer = lambda body: f"You said {key}"
        settings = load_settings(
            mode="record", base_url=server.base_url, model="fake", recordings=Path(os.environ["LLMOPS_HOME"])
        )
        model = Model("trial", settings=settings)
        if fault:
            server.choose_fault = lambda request: refuse(400, f"{key} is not good")
        try:
            return model, model.chat(f"My key is {key}", system=key)
        except WorkbookError as error:
            return model, error


def find_in_recording(key: str) -> str:
    """Return the file of recordings after an answer and a refusal."""
    ask(key)
    ask(key, fault=True)
    return (Path(os.environ["LLMOPS_HOME"]) / "trial.jsonl").read_text(encoding="utf-8")


def find_in_errors(key: str) -> str:
    """Return how errors read: a refusal, wrong settings, a name that is none, a missing recording."""
    from llmops_utils.core import WorkbookError, load_settings
    from llmops_utils.models import Model

    _, refused = ask(key, fault=True)
    texts = [repr(refused), str(refused), *refused._render_traceback_()]
    for wrong in ({"model": key}, {"provider": key}, {"base_url": f"https://ann:{key}@host.example/v1?key={key}"}):
        try:
            Model("trial", settings=load_settings(**wrong)).client  # noqa: B018
        except WorkbookError as error:
            texts.append(str(error))
    try:
        Model("none", settings=load_settings(mode="replay")).chat(f"My key is {key}")
    except WorkbookError as error:
        texts.append(str(error))
    return "\n".join(texts)


def find_in_representations(key: str) -> str:
    """Return how settings, model, connection, client and reply print."""
    from llmops_utils.core import load_settings

    model, reply = ask(key)
    settings = load_settings(api_key=key.strip().replace(" ", ""), base_url="https://shop.example/v1", model="m")
    return "\n".join(map(repr, (settings, model, model.connection, model.connection.transport, model.client, reply)))


def find_in_diagnosis(key: str) -> str:
    """Return what the doctor says."""
    from llmops_utils.course.doctor import diagnose

    found = diagnose()
    return str(found) + found._repr_html_()


def find_in_logs(key: str) -> str:
    """Return journals, results and the history of a release: files that stay on this machine, and what was logged."""
    import logging

    from llmops_utils.core import WorkbookError
    from llmops_utils.datasets import Example
    from llmops_utils.evaluation import ExactMatch, evaluate
    from llmops_utils.operations import open_release, promote
    from llmops_utils.prompts import Prompt, save_prompt

    home, heard = Path(os.environ["LLMOPS_HOME"]), io.StringIO()
    logging.getLogger("llmops_utils").addHandler(logging.StreamHandler(heard))

    def system(text):
        if text == "stop":
            raise KeyboardInterrupt
        return key

    examples = [Example("a", "go", key), Example("b", "stop", "x")]
    with contextlib.suppress(WorkbookError):
        evaluate(system, examples, ExactMatch(), name=key, parallel=1, key={"prompt": key})
    save_prompt(Prompt("sort", instruction="Sort.", input="{{ text }}"), home / "prompts")
    open_release("sort", "intent", home / "prompts")
    promote("sort", 1, home / "prompts", note=key)
    files = [*home.glob("evaluations/*"), *home.glob("prompts/*/release.json"), *home.glob("*.log")]
    assert len(files) == 2, files
    return heard.getvalue() + "\n".join(path.read_text(encoding="utf-8") for path in files)


def find_in_cells(key: str) -> str:
    """Return what cells of a notebook show: a reply, a report with its table, an error."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from llmops_utils.evaluation import Report, Row

    shell = InteractiveShell.instance()
    model, reply = ask(key)
    _, refused = ask(key, fault=True)
    shell.user_ns |= {"reply": reply, "model": model, "refused": refused}
    shell.user_ns["report"] = Report(
        "r", (Row("a", "x", "y", None, 0.0, error=str(refused)),), str(reply.provenance), 1.0
    )
    with capture_output() as shown:
        for cell in (
            "reply",
            "print(reply.text)",
            "model",
            "report",
            "report.failed",
            "raise refused",
            "model.connection",
        ):
            shell.run_cell(cell)
    return shown.stdout + shown.stderr + "".join(str(output.data) for output in shown.outputs)


def find_in_submission(key: str) -> str:
    """Return the file of a submission whose choices, rows and history hold the key."""
    from capstone_evidence import CANDIDATE, make_evidence, make_runs

    from llmops_utils.course.submissions import save_submission

    runs = make_runs()
    rows = runs[1].report.rows
    row = replace(rows[0], prediction=key, input=key, note=key, error=f"OSError: {key}")
    runs[1].report = replace(runs[1].report, rows=(row, *rows[1:]))
    hurt = CANDIDATE.model_copy(update={"words": {"word": key}})
    runs[1].parameters["choices"] = hurt.model_dump_json()
    made = make_evidence(Path(os.environ["LLMOPS_HOME"]) / "registry", runs=runs)
    return save_submission(made).read_text(encoding="utf-8")


def find_in_processes(key: str) -> str:
    """Return the command lines of all processes that this one starts, while the sandbox and a server run."""
    from llmops_utils.agents import Limits, run_code

    running = threading.Thread(target=run_code, args=("while True: pass", Limits(duration_s=1.0)))
    running.start()
    lines, environments = [], []
    while running.is_alive():
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                lines.append(" ".join(process.cmdline()))
                variables = process.environ()  # other programs of the same user can read these, too
                environments.append(" ".join(f"{name}={value}" for name, value in variables.items()))
        time.sleep(0.1)
    assert lines, "no process was started"
    return "\n".join(lines + environments)


PLACES = {
    "archive": find_in_archive,
    "trace": find_in_trace,
    "recording": find_in_recording,
    "errors": find_in_errors,
    "reprs": find_in_representations,
    "doctor": find_in_diagnosis,
    "logs": find_in_logs,
    "cells": find_in_cells,
    "submission": find_in_submission,
    "processes": find_in_processes,
}


def try_shape(name: str) -> None:
    """Print the number of finds of one shape in each place, as JSON; this process has the key in its environment."""
    _, key, part = SHAPES[name]
    written = {part, json.dumps(part)[1:-1], repr(part)[1:-1], quote(part, safe="")}
    found = {}
    for place, collect in PLACES.items():
        with contextlib.redirect_stdout(io.StringIO()):
            text = collect(key)
        found[place] = sum(text.count(form) for form in written) if len(text) > 40 else -1
    print(json.dumps(found))


def main() -> None:
    """Try all shapes, each in a process of its own, and print the table of finds."""
    if len(sys.argv) > 1:
        return try_shape(sys.argv[1])
    total = 0
    print(f"{'':32}" + "".join(f"{place:>11}" for place in PLACES))
    for name, (variable, key, _) in SHAPES.items():
        with tempfile.TemporaryDirectory() as home:
            own = {"LLMOPS_HOME": home, "LLMOPS_NO_DOTENV": "1", variable: key, "COMET_LOGGING_CONSOLE": "ERROR"}
            if variable == "COMET_API_KEY":
                own["LLMOPS_MODE"] = "replay"  # else the run would go online
            environment = {name: value for name, value in os.environ.items() if not name.startswith("LLMOPS_")} | own
            command = [sys.executable, __file__, name]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-2000:]}")
        found = json.loads(done.stdout.splitlines()[-1])
        total += sum(map(abs, found.values()))
        print(f"{name:32}" + "".join(f"{count:>11}" for count in found.values()), flush=True)
    print(f"{total} found")


if __name__ == "__main__":
    main()
