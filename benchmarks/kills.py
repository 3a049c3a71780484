"""What is lost or doubled when processes that write are killed: counts for six kinds of file.

    python benchmarks/kills.py 20

For each kind two processes write at once and are killed with SIGKILL at random moments, so many times (20); each says
through a pipe what it has done, after it is done. What was said must be there, and nothing may be there twice; a third
process then goes on with what is left.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmops_utils.core import DATA, load_settings
from llmops_utils.course.progress import Progress
from llmops_utils.datasets import Example
from llmops_utils.evaluation import ExactMatch, evaluate
from llmops_utils.models.recording import Recorder, Recordings
from llmops_utils.operations import load_release, open_release, promote, roll_back
from llmops_utils.prompts import Prompt, list_prompts, save_prompt
from llmops_utils.rag import build_index, load_pages

sys.path.append(str(Path(__file__).parents[1] / "tests" / "fakes"))
from fake_embedding import FakeEmbedding

ROUNDS = 400  # pieces of work of one process; more than it can do before it is killed
Say = Callable[[str], None]


@dataclass
class Kind:
    """Something that is written: `prepare` a folder, `work` in it as process 0 or 1, `check` what was said of it.

    `check` returns how many pieces are lost and how many are doubled, after one more process went on.
    """

    name: str
    prepare: Callable[[Path], None]
    work: Callable[[Path, int, Say], None]
    check: Callable[[Path, list[str]], tuple[int, int]]
    longest_s: float = 0.8  # a kill comes at most so long after the start


def count_doubled(names: list[str]) -> int:
    """Return how many names come more than once."""
    return sum(count > 1 for count in Counter(names).values())


# --- recordings ---------------------------------------------------------------------------------------------------


def record(folder: Path, number: int, say: Say) -> None:
    """Store answers of 2,000 characters."""
    recorder = Recorder(Recordings(folder / "chapter.jsonl"), load_settings(mode="record", home=folder), "trial")
    for turn in range(ROUNDS):
        name = f"{number}-{turn}"
        recorder.keep({"method": "POST", "path": "/v1", "body": name}, {"status": 200, "body": name * 500}, 0.1)
        say(name)


def check_recordings(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count after a third process has recorded and put the file into its order."""
    recordings = Recordings(folder / "chapter.jsonl")
    recorder = Recorder(recordings, load_settings(mode="record", home=folder), "trial")
    recorder.keep({"method": "POST", "path": "/v1", "body": "last"}, {"status": 200, "body": ""}, 0.1)
    recordings.tidy(lambda recording: True)
    lines = [json.loads(line) for line in gzip.decompress(recordings.packed.read_bytes()).splitlines()]
    kept = [line["request"]["body"] for line in lines]
    is_whole = all(
        line["response"]["body"] == line["request"]["body"] * 500 for line in lines if line["response"]["body"]
    )
    return len({*said, "last"} - set(kept)) + (not is_whole), count_doubled(kept)


# --- evaluations --------------------------------------------------------------------------------------------------

EXAMPLES = [Example(f"e{number:03}", f"text {number}", f"TEXT {number}") for number in range(200)]


def measure(folder: Path, say: Say):
    """Evaluate a slow system; what it was asked is told, and the report returned."""
    os.environ["LLMOPS_HOME"] = str(folder)

    def system(text: str) -> str:
        say(text)
        time.sleep(0.002)
        return text.upper()

    return evaluate(system, EXAMPLES, ExactMatch(), name="trial", parallel=1, key="trial")


def check_rows(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count after the evaluation was run to its end: an example counts as lost where it is asked again.

    Of each killed process the example that was under way may be asked again, and another process may hold a row that
    this one has not read, so what both asked is compared with what the journal gives back.
    """
    asked: list[str] = []
    report = measure(folder, asked.append)
    lost = len(set(said) & set(asked)) - 2
    rows = [row.id for row in report.rows]
    is_right = report.num_resumed + len(asked) == len(EXAMPLES) and all(row.score == 1 for row in report.rows)
    return max(lost, 0) + (rows != [one.id for one in EXAMPLES]) + (not is_right), count_doubled(rows)


# --- releases, prompts, progress ----------------------------------------------------------------------------------


def prepare_release(folder: Path) -> None:
    """Save four revisions, the first in production."""
    for number in (1, 2, 3, 4):
        save_prompt(Prompt("sort", instruction=f"Sort, take {number}.", input="{{ message }}"), folder)
    open_release("sort", "intent", folder)
    promote("sort", 1, folder)


def release(folder: Path, number: int, say: Say) -> None:
    """Promote one of two revisions and roll it back, again and again; each entry has a note of its own."""
    for turn in range(ROUNDS):
        note = f"{number}-{turn}"
        try:
            if turn % 2:
                roll_back("sort", folder, note=note)
            else:
                promote("sort", 2 + number, folder, note=note)
        except Exception as error:  # the other process may have put the same one there
            if "in production already" not in str(error) and "there was none" not in str(error):
                raise
            continue
        say(note)


def check_release(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count after one more promotion."""
    promote("sort", 4, folder, note="last")
    notes = [entry.note for entry in load_release("sort", folder).history if entry.note]
    return len({*said, "last"} - set(notes)), count_doubled(notes)


def save(folder: Path, number: int, say: Say) -> None:
    """Save prompts of two names, each with a text of its own."""
    for turn in range(ROUNDS):
        text = f"{number}-{turn}"
        save_prompt(Prompt("ab"[turn % 2], instruction=text, input="{{ message }}"), folder)
        say(text)


def check_prompts(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count after one more was saved."""
    save_prompt(Prompt("a", instruction="last", input="{{ message }}"), folder)
    texts = [prompt.instruction for prompt in list_prompts(folder)]
    return len({*said, "last"} - set(texts)), count_doubled(texts)


def mark(folder: Path, number: int, say: Say) -> None:
    """Note exercises as solved."""
    os.environ["LLMOPS_HOME"] = str(folder)
    for turn in range(ROUNDS):
        Progress().mark_done(f"{number}-{turn}")
        say(f"{number}-{turn}")


def check_progress(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count after one more was solved; a key of JSON cannot come twice."""
    os.environ["LLMOPS_HOME"] = str(folder)
    Progress().mark_done("last")
    return len({*said, "last"} - set(Progress().read())), 0


# --- index --------------------------------------------------------------------------------------------------------

PAGES = load_pages(DATA / "handbook")


def index(folder: Path, number: int, say: Say) -> None:
    """Bring an index into step with the pages."""
    built = build_index("trial", PAGES, FakeEmbedding(), settings=load_settings(home=folder))
    say(str(len(built)))


def check_index(folder: Path, said: list[str]) -> tuple[int, int]:
    """Count what one more run leaves out of the index, or holds beside what belongs there."""
    built = build_index("trial", PAGES, FakeEmbedding(), settings=load_settings(home=folder))
    held = built.collection.get(include=["embeddings"])
    broken = sum(vector is None or len(vector) == 0 for vector in held["embeddings"])
    found = [chunk.id for chunk, _ in built.find_similar("price", len(built))]
    return len(set(built.chunks) - set(found)) + broken, len(held["ids"]) - len(built) + count_doubled(found)


KINDS = (
    Kind("record", lambda folder: None, record, check_recordings),
    Kind("evaluate, resumed", lambda folder: None, lambda folder, number, say: measure(folder, say), check_rows),
    Kind("promote, roll back", prepare_release, release, check_release),
    Kind("progress", lambda folder: None, mark, check_progress),
    Kind("index", lambda folder: None, index, check_index, longest_s=4.0),
    Kind("prompts", lambda folder: None, save, check_prompts),
)


def start(work: Callable[[Say], None]) -> tuple[int, int]:
    """Run something in a process of its own; return its id and the pipe through which it says what is done."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 1
    try:
        os.close(reading)
        for stream in (1, 2):  # its progress bars
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        work(lambda text: os.write(writing, f"{text}\n".encode()))
        status = 0
    finally:
        os._exit(status)


def end(process: int, reading: int) -> tuple[list[str], int]:
    """Return what a process said before it ended, and how: minus the signal, or its code."""
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read().splitlines()
    return said, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def try_once(kind: Kind, folder: Path, chance: random.Random) -> Counter:
    """Return the counts of one trial. What it opens is opened in processes of their own: a fork may hold nothing."""
    kind.prepare(folder)
    running = [start(lambda say, number=number: kind.work(folder, number, say)) for number in (0, 1)]
    for process, _ in running:
        time.sleep(chance.uniform(0, kind.longest_s / 2))
        os.kill(process, signal.SIGKILL)
    counts, said = Counter(), []
    for process, reading in running:
        lines, code = end(process, reading)
        said += lines
        counts["killed"] += code == -signal.SIGKILL
        counts["failed"] += code > 0
    lines, code = end(*start(lambda say: say(json.dumps(kind.check(folder, said)))))
    lost, doubled = (1, 0) if code else json.loads(lines[-1])
    counts.update(done=len(said), lost=lost, doubled=doubled)
    return counts


def main() -> None:
    """Try all kinds and print a line for each."""
    num_trials = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    warnings.simplefilter("ignore")  # of half lines that are passed over
    import chromadb  # noqa: F401  # once, before the forks

    columns = ("trials", "killed", "failed", "pieces said", "lost", "doubled")
    print(f"{'kind':20}" + "".join(f"{column:>13}" for column in columns))
    for kind in KINDS:
        chance, found = random.Random(7), Counter()
        for _ in range(num_trials):
            with tempfile.TemporaryDirectory() as folder:
                found += try_once(kind, Path(folder), chance)
        counts = [num_trials, *(found[name] for name in ("killed", "failed", "done", "lost", "doubled"))]
        print(f"{kind.name:20}" + "".join(f"{count:>13}" for count in counts), flush=True)


if __name__ == "__main__":
    main()
