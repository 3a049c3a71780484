"""What a class on this machine takes and stands: students with real kernels, by the Hub's and their servers' interfaces.

    make classbench                      eight students, lesson 06_2, ten minutes of mixed load
    make classbench ARGS="2 00 0.5"      students, lesson, minutes

The Hub, the model's service and the students' servers run as `make class` starts them, with the embedded model. Each
line says what was measured; a figure holds for this machine and what else it was doing.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx2
import nbformat
from class_hub import ClassHub, Student, list_processes

from llmops_utils.core import load_settings
from llmops_utils.course.notebooks import find_notebooks

CHAT, BOUND_S = "/v1/chat/completions", 300
CLIENT = httpx2.Client(timeout=BOUND_S, limits=httpx2.Limits(max_connections=None))  # one: a new one reads certificates
ASK = """
import time
from llmops_utils.models import Model
model = Model("99_class")
def ask(what, num=64):
    started = time.perf_counter()
    reply = model.chat(f"Write a long story about {what}.", max_tokens=num)
    return time.perf_counter() - started, reply.completion_tokens
"""


def tell(what: str, figure: object) -> None:
    """Print one measured line at once."""
    print(f"{what:72} {figure}", flush=True)


def find_p95(seconds: list[float]) -> float:
    """Return the value that 95 of 100 do not pass; of few values it is the largest."""
    return sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]


def show(seconds: list[float]) -> str:
    """Return median, p95 and number of durations."""
    return f"p50 {median(seconds):.2f} s, p95 {find_p95(seconds):.2f} s (n {len(seconds)})"


def measure_memory(word: str) -> float:
    """Return the megabytes of the processes of a word, each page that several share counted in parts."""
    total = 0
    for process in list_processes(word):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def list_workers(hub: ClassHub) -> list[int]:
    """Return the processes that hold the class's model."""
    return [one for one in list_processes("model_service.py\0serve") if one in list_processes(str(hub.folder))]


def make_body(number: object, num: int) -> dict:
    """Return a request that no other repeats."""
    return {"messages": [{"role": "user", "content": f"Write a long story, number {number}."}], "max_tokens": num}


def post(hub: ClassHub, key: str, body: dict | bytes, path: str = CHAT) -> tuple[int, float, dict]:
    """Return status, seconds and body of an answer of the gateway."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    started = time.perf_counter()
    try:
        answer = CLIENT.post(f"{hub.model}{path}", content=content, headers={"Authorization": f"Bearer {key}"})
    except httpx2.HTTPError:
        return 0, time.perf_counter() - started, {}
    told = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
    return answer.status_code, time.perf_counter() - started, told


def find_used(hub: ClassHub, teacher: Student) -> dict[str, int]:
    """Return the tokens that each student has used, as the teacher's page says."""
    time.sleep(6)  # it asks anew after five
    told = teacher.ask("GET", "/services/class/?format=json").json()
    return {one["name"]: one["tokens"] for one in told["students"]}


def run_lesson(student: Student, address: str) -> tuple[float, int, int]:
    """Run a lesson's code in the student's kernel; return seconds, cells and errors."""
    [path] = find_notebooks(address)
    student.open(path.name)
    cells = [cell.source for cell in nbformat.reads(json.dumps(student.read(path.name)["content"]), 4).cells
             if cell.cell_type == "code" and "raises-exception" not in cell.metadata.get("tags", [])]  # fmt: skip
    started = time.perf_counter()
    errors = [found for cell in cells if (found := student.run(cell).error)]
    for error in errors[:2]:
        tell(f"  error of {student.name}", error[:150])
    return time.perf_counter() - started, len(cells), len(errors)


def ask_in_kernel(student: Student, num: int, tokens: int = 64) -> list[float]:
    """Return the seconds of so many answers, each asked from the student's kernel."""
    seconds = []
    for number in range(num):
        found = student.run(f"print(*ask({student.name + str(time.time()) + str(number)!r}, {tokens}))")
        if found.error:
            tell(f"  error of {student.name}", found.error[:150])
        else:
            seconds.append(float(found.text.split()[0]))
    return seconds


def measure_class(hub: ClassHub, num: int, lesson: str, pool: ThreadPoolExecutor) -> list[Student]:
    """Spawn, a lesson, memory, and answers with all at once."""
    students = list(pool.map(hub.find_student, [f"student{number}" for number in range(num)]))
    tell(f"spawn, {num} at once", show(list(pool.map(Student.start, students))))
    told = list(pool.map(lambda one: run_lesson(one, lesson), students))
    tell(f"lesson {lesson} in auto, {num} at once", show([one[0] for one in told]))
    tell("  its cells run, errors", f"{sum(one[1] for one in told)}, {sum(one[2] for one in told)}")
    for one in students:
        one.run(ASK)
    memory = [measure_memory(f"/homes/{one.name}") for one in students]
    tell(
        "memory of a student: server and kernel after the lesson (PSS)",
        f"{median(memory):.0f} MB, most {max(memory):.0f}",
    )
    for together in sorted({1, num}):
        seconds = [one for found in pool.map(lambda one: ask_in_kernel(one, 3), students[:together]) for one in found]
        tell(f"64-token answer, {together} at once", show(seconds))
    return students


def measure_fairness(hub: ClassHub, students: list[Student], pool: ThreadPoolExecutor) -> None:
    """One student floods; what the others see."""
    flooder, *others = students

    def ask_others() -> list[float]:
        return [one for found in pool.map(lambda one: ask_in_kernel(one, 4, 32), others) for one in found]

    quiet, ended, statuses = ask_others(), threading.Event(), []

    def flood(number: int) -> None:
        while not ended.is_set():
            statuses.append(post(hub, flooder.token, make_body(f"{number} {time.time()}", 32))[0])

    floods = [threading.Thread(target=flood, args=(number,)) for number in range(60)]
    for one in floods:
        one.start()
    time.sleep(1)
    loud = ask_others()
    ended.set()
    for one in floods:
        one.join()
    tell(f"32-token answer of {len(others)} others, quiet", show(quiet))
    tell("  while one keeps 60 calls open", f"{show(loud)}, ratio of p95 {find_p95(loud) / find_p95(quiet):.1f}")
    tell("  the flood's statuses", {status: statuses.count(status) for status in sorted({*statuses})})


def measure_quota(hub: ClassHub, students: list[Student], teacher: Student, pool: ThreadPoolExecutor) -> None:
    """Tokens that answers say they took, against those counted; then a limit that parallel calls run into."""
    before = find_used(hub, teacher)
    asked = [(one, number) for number in range(6) for one in students]

    def ask(one: tuple[Student, int]) -> tuple[str, int, int]:
        status, _, told = post(hub, one[0].token, make_body(f"{one[1]} {one[0].name}", 16))
        return one[0].name, status, told.get("usage", {}).get("total_tokens", 0)

    told = list(pool.map(ask, asked))
    after = find_used(hub, teacher)
    off = sum(
        after[one.name] - before[one.name] - sum(t for name, _, t in told if name == one.name) for one in students
    )
    tell(f"tokens counted less tokens answered, {len(asked)} calls {pool._max_workers} at once", off)
    name = students[0].name
    hub.variables["CLASS_TOKENS"] = str(after[name] + 600)
    hub.kill()
    tell("Hub killed and started again: answers after", f"{hub.start():.1f} s")
    told = list(pool.map(ask, [(students[0], 100 + number) for number in range(24)]))
    used = find_used(hub, teacher)[name]
    statuses = [status for _, status, _ in told]
    tell(
        "tokens over a limit, 24 calls at once",
        f"{max(0, used - after[name] - 600)} (used {used - after[name]} of 600)",
    )
    tell("  statuses", {status: statuses.count(status) for status in sorted({*statuses})})
    found = students[0].run("for number in range(40):\n    ask(f'{number} more')")
    tell("  what the student reads", found.error[:300])
    hub.variables["CLASS_TOKENS"] = "100000000"


def measure_restarts(hub: ClassHub, students: list[Student], pool: ThreadPoolExecutor, lesson: str) -> None:
    """The model's service and the Hub are killed while every student asks; what is lost."""
    hub.kill()
    hub.start()
    [path] = find_notebooks(lesson)
    for one in students:
        one.run("mine = 'kept in the kernel'")
        changed = one.read(path.name)["content"]
        changed["cells"].append(nbformat.v4.new_markdown_cell(f"Notes of {one.name}"))
        one.write(path.name, changed)
    running = [pool.submit(ask_in_kernel, one, 4, 32) for one in students]
    time.sleep(3)
    for worker in list_workers(hub):
        os.kill(worker, signal.SIGKILL)
    time.sleep(5)
    hub.kill()
    back = hub.start()
    answers = [len(one.result()) for one in running]
    tell("service, then Hub killed while all ask: Hub and service back after", f"{back:.1f} s")
    tell("  answers lost", 4 * len(students) - sum(answers))
    kept = sum(one.run("print(mine)").text == "kept in the kernel\n" for one in students)
    tell("  kernels lost", len(students) - kept)
    notes = sum(f"Notes of {one.name}" in json.dumps(one.read(path.name)) for one in students)
    tell("  notebooks lost", len(students) - notes)


def measure_attacks(hub: ClassHub, students: list[Student], minutes: float, pool: ThreadPoolExecutor) -> None:
    """Each known attack: refused in which time; then a mixed load; the service's memory beside them."""
    message = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
    deep = b'{"messages":[{"role":"user","content":"x"}],"response_format":' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "^(((a|b)*c)*d)*$"}}}
    attacks = {
        "grammar of 100,000 brackets": (CHAT, message | {"grammar": "root ::= " + "(" * 100_000}),
        "schema of 20,000 levels": (CHAT, deep),
        "repeat_last_n of 2^31-1": (CHAT, message | {"repeat_last_n": 2**31 - 1}),
        "regular expression without end": (CHAT, message | {"response_format": form}),
        "enum of 100,000 words": (CHAT, message | {"response_format": {"enum": [str(n) for n in range(100_000)]}}),
        "10,000 prompts in one request": ("/v1/completions", {"prompt": ["x"] * 10_000}),
        "answer without end": (CHAT, message | {"max_tokens": 10**9}),
        "body of 50 MB": (CHAT, b" " * 50_000_000),
        "slots of others": ("/slots", {}),
    }
    attacker, *honest = students
    before = measure_service(hub)
    for name, (path, body) in attacks.items():
        status, seconds, _ = post(hub, attacker.token, body, path)
        tell(
            f"attack: {name}",
            f"{status or 'connection closed'} in {seconds:.2f} s, memory {measure_service(hub):.0f} MB",
        )
    status, seconds, _ = post(hub, "nobodys-key", message)
    tell("attack: a key of nobody", f"{status} in {seconds:.2f} s")
    halves = [socket.create_connection(("127.0.0.1", hub.port + 3)) for _ in range(16)]
    for one in halves:
        one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Le")
    leaving = [pool.submit(leave, hub, attacker.token, number) for number in range(4)]
    seconds = [one for found in pool.map(lambda one: ask_in_kernel(one, 2, 32), honest) for one in found]
    tell("32-token answer of others beside 16 half-sent requests and 4 callers who leave", show(seconds))
    for one in (*halves, *leaving):
        one.close() if isinstance(one, socket.socket) else one.result()
    tell("memory of the service, before and after the attacks", f"{before:.0f} and {measure_service(hub):.0f} MB")
    ended = time.perf_counter() + 60 * minutes

    def load(one: Student) -> list[int]:
        statuses, number = [], 0
        while time.perf_counter() < ended:
            number += 1
            body = make_body(f"{one.name} {number}", 8 + 8 * (number % 8)) | {"stream": number % 3 == 0}
            if number % 4 == 0:
                body |= {"grammar": 'root ::= "yes" | "no"'}
            statuses.append(post(hub, one.token, body)[0])
            if number % 5 == 0:
                texts = {"model": "all-minilm-l6-v2", "input": [f"text {number} {part}" for part in range(16)]}
                statuses.append(post(hub, one.token, texts, "/v1/embeddings")[0])
            if number % 7 == 0:
                statuses.append(post(hub, one.token, {"content": "how many " * number}, "/tokenize")[0])
        return statuses

    memory, running = [measure_service(hub)], [pool.submit(load, one) for one in students]
    for _ in range(10):  # does it grow for good, or until the caches are full?
        time.sleep(6 * minutes)
        memory.append(measure_service(hub))
    statuses = [status for one in running for status in one.result()]
    tell(
        f"{minutes:g} minutes of mixed load by {len(students)}: statuses",
        {one: statuses.count(one) for one in {*statuses}},
    )
    tell(
        "  memory of the service at the start and after each tenth of it, MB", " ".join(f"{one:.0f}" for one in memory)
    )


def measure_service(hub: ClassHub) -> float:
    """Return the megabytes of the processes that hold the class's model."""
    return sum(measure_memory_of(worker) for worker in list_workers(hub))


def measure_memory_of(process: int) -> float:
    """Return the resident megabytes of one process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def leave(hub: ClassHub, key: str, number: int) -> None:
    """Ask for a long answer and leave before it is there."""
    with contextlib.suppress(httpx2.HTTPError):
        body = make_body(f"left {number}", 1000)
        CLIENT.post(f"{hub.model}{CHAT}", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=0.5)


def main() -> None:
    """Measure all of it."""
    given = sys.argv[1:]
    num, lesson, minutes = (*given, *("8", "06_2", "10")[len(given) :])
    home = str(load_settings().home)  # where the weights are
    variables = {"LLMOPS_HOME": home, "LLMOPS_NO_DOTENV": "1", "CLASS_TOKENS": "100000000", "CLASS_REQUESTS": "1000000"}
    with (
        tempfile.TemporaryDirectory(prefix="class-", ignore_cleanup_errors=True) as folder,
        ThreadPoolExecutor(max(16, int(num))) as pool,
        ClassHub(Path(folder), **variables) as hub,
    ):
        students = measure_class(hub, int(num), lesson, pool)
        teacher = hub.find_student("teacher")
        measure_fairness(hub, students, pool)
        measure_attacks(hub, students, float(minutes), pool)
        measure_quota(hub, students, teacher, pool)
        measure_restarts(hub, students, pool, lesson)


if __name__ == "__main__":
    main()
