"""Files that come from somebody else, in eight kinds and seven bad forms: what reading each of them costs and says.

    python benchmarks/foreign_files.py

Each pair is tried in a process of its own with a limit of 20 seconds. Reading may succeed, or end in an error of the
course; anything else is a fault, as is more than 200 MB above what the process had before.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from llmops_utils.core import WorkbookError
from llmops_utils.course.grading import grade_submission
from llmops_utils.course.progress import Progress
from llmops_utils.datasets import load_records
from llmops_utils.datasets.records import Message
from llmops_utils.models.recording import Recordings
from llmops_utils.operations import load_release
from llmops_utils.prompts import Prompt, load_prompt, save_prompt
from llmops_utils.rag import load_pages
from llmops_utils.tracking.runs import read_run

LIMIT_S, MOST_MB = 20, 200
HUGE = 300_000_000  # bytes of a file that nobody needs; it is sparse, so that it takes no disk


def read_progress(path: Path) -> None:
    """Read the progress of a learner's folder."""
    os.environ["LLMOPS_PROGRESS"] = str(path)
    Progress().read()


def read_release(path: Path) -> None:
    """Read the release file of a prompt that is there."""
    save_prompt(Prompt("sort", instruction="Sort.", input="{{ text }}"), path.parents[1])
    load_release("sort", path.parents[1])


# How the file is called and read, and a good one of each kind: half of it is a bad one.
KINDS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "submission": ("ada.json", grade_submission, '{"format": "llmops capstone", "edition": 3, "learner": "ada"}'),
    "archive": ("run.zip", read_run, ""),
    "prompt": ("sort/1.toml", lambda path: load_prompt("sort", folder=path.parents[1]), 'input = "{{ text }}"\n'),
    "release": ("sort/release.json", read_release, '{"task": "intent", "history": []}'),
    "recording": (
        "chapter.jsonl",
        lambda path: len(Recordings(path)),
        '{"request": {"method": "POST", "path": "/", "body": {}}, "response": {"status": 200, "body": {}}, '
        '"latency_s": 1, "source": "s", "recorded": "d"}\n',
    ),
    "progress": ("progress.json", read_progress, '{"done": {"01.1": "2026-01-01"}}'),
    "page": ("page.md", lambda path: load_pages(path.parent), "---\ntitle: A page\n---\n# Scales\nThey weigh.\n"),
    "table": (
        "messages.csv",
        lambda path: load_records(Message, path),
        "id,split,text,intent,second_intent,sentiment,urgency,product,order_id\n"
        "m1,test,Hello,delivery,none,neutral,normal,none,none\n",
    ),
}


def spoil(path: Path, form: str, good: str) -> None:
    """Write a file in a bad form; what belongs into an archive is written into one."""
    deep = "[" * 100_000 + "]" * 100_000
    texts = {
        "deep": {".toml": f"input = {deep}", ".md": f"---\na: {deep}\n---\n{'> ' * 50_000}x", ".csv": good + deep}.get(
            path.suffix, f'{{"a": {deep}}}\n'
        ),
        "half": good[: len(good) * 2 // 3],
        "wrong types": {
            ".toml": "input = 7\ninstruction = [1]\n",
            ".md": "---\ntitle: [1, {2: 3}]\n? [a]\n: b\n---\n\0\n",
            ".csv": good.replace("delivery", "7").replace("test", "[]") + "m2,test\n",
        }.get(
            path.suffix,
            good.replace('"', "7", 2) + '\n{"done": 7, "task": [], "edition": {}, "request": 1}\n[1]\n"x"\n',
        ),
        "surrogates": good.replace("e", "\ud800e") + '\n{"a": "\\ud800"}\n',
    }
    if form == "pipe":
        os.mkfifo(path)
    elif form == "link":
        path.symlink_to("/dev/zero")
    elif form == "huge":
        with path.open("wb") as file:
            file.write(good.encode())
            file.truncate(HUGE)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("experiment.json", "messages.json"):
                archive.writestr(name, texts[form].encode("utf-8", "surrogatepass") or b'{"offline_id": 7}')
        if form == "half":
            path.write_bytes(path.read_bytes()[:60])
    else:
        path.write_bytes(texts[form].encode("utf-8", "surrogatepass"))


FORMS = ("deep", "huge", "half", "wrong types", "surrogates", "pipe", "link")


def try_pair(kind: str, form: str) -> dict:
    """Return what came of reading a bad file in this process: words, seconds and megabytes."""
    name, read, good = KINDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.parent.mkdir(exist_ok=True)
        spoil(path, form, good)
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        try:
            read(path)
            said = "read"
        except WorkbookError as error:
            said = f"refused: {error.problem[:90]}".replace(folder, "…").replace("\n", " ")
        except BaseException as error:
            said = f"FAULT {error!r:.200}"
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        return {"said": said, "seconds": time.perf_counter() - started, "mb": grown}


def run_alone(kind: str, form: str) -> dict:
    """Return what `try_pair` does, from a fork that ends after the limit."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        with contextlib.suppress(BaseException):
            signal.alarm(LIMIT_S)  # its default ends the process
            os.write(writing, json.dumps(try_pair(kind, form)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(process, 0)
    return json.loads(text) if text else {"said": f"FAULT no end within {LIMIT_S} s", "seconds": LIMIT_S, "mb": 0}


def main() -> None:
    """Try all pairs, print a line for each, and end with 1 where one is a fault."""
    warnings.simplefilter("ignore")
    faults = 0
    for kind in KINDS:
        for form in FORMS:
            found = run_alone(kind, form)
            is_fault = found["said"].startswith("FAULT") or found["mb"] > MOST_MB
            faults += is_fault
            mark = "!" if is_fault else " "
            print(
                f"{mark} {kind:11}{form:12}{found['seconds']:7.2f} s{found['mb']:7.0f} MB  {found['said']}", flush=True
            )
    print(f"{faults} faults in {len(KINDS) * len(FORMS)} pairs")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
