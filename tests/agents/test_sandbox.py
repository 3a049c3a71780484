"""Claims about the sandbox: nothing of the host is reached, limits hold here too, and what comes back is plain."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from llmops_utils.agents import Limits, calculate, extract_code, run_code, sandbox
from llmops_utils.agents.sandbox import Outcome, close_pool
from llmops_utils.core import ROOT

SECRET = "SECRET-8f2c61"
MAX_GROWTH_BYTES, MAX_DURATION_S = 150_000_000, 5.0  # of one attempt
SHORT = Limits(duration_s=0.2)

# What each attempt would do if it could. @FILE@ is a file that holds the secret and @DIR@ its folder, where nothing
# may appear; SANDBOX_SECRET in the environment holds it too; a server listens at 127.0.0.1:@PORT@.
ATTEMPTS = {
    "files": [
        "answer = open('@FILE@').read()",
        "import os\nanswer = os.read(os.open('@FILE@', 0), 99)",
        "answer = open('/proc/self/environ', 'rb').read()",
        "with open('@DIR@/made', 'w') as file:\n    file.write('x')",
        "from pathlib import Path\nPath('@DIR@/made').symlink_to('@FILE@')",
    ],
    "environment": [
        "import os\nanswer = dict(os.environ)",
    ],
    "network": [
        "import socket\ns = socket.create_connection(('127.0.0.1', @PORT@))\ns.send(b'x')",
        "from urllib.request import urlopen\nanswer = urlopen('http://127.0.0.1:@PORT@').read()",
    ],
    "processes": [
        "import os\nanswer = os.system('touch @DIR@/made')",
        "import subprocess\nanswer = subprocess.check_output(['cat', '@FILE@'])",
        "import os\nanswer = [os.fork() for _ in range(10)]",
        "import os\nos._exit(0)",
        "raise KeyboardInterrupt",
    ],
    "internals": [
        "answer = ().__class__.__base__.__subclasses__()",
        "import sys\nanswer = sys.modules['os'].environ",
        "import ctypes\nctypes.string_at(0)",
        "answer = eval(\"open('@FILE@').read()\")",
        "answer = '{0.__class__.__init__.__globals__}'.format('')",
        "import pickle\npickle.loads(b\"cos\\nsystem\\n(S'touch @DIR@/made'\\ntR.\")",
        "class A:\n    def __reduce__(self):\n        return print, ()\nanswer = A()",
        "__pack = lambda *given: open\nanswer = 1",
    ],
    "time": [
        "while True:\n    pass",
        "answer = pow(3, 10**9000, 10**9000 + 1)",
        "import re\nanswer = re.match(r'(a*)*\\1b', 'a' * 5000)",
        "while True:\n    try:\n        open('x')\n    except Exception:\n        pass",
        "answer = {(2**61 - 1) * i for i in range(40_000)}",
        "t = (1,)\nfor i in range(60):\n    t = (t, t)\nanswer = {t: 1}",
        "for i in range(10**6):\n    pass\neval('1 +')",
    ],
    "memory": [
        "a = []\nwhile True:\n    a.append('x' * 1000)",
        "a = ['x']\nfor i in range(5):\n    a = [a] * 1000\nanswer = a",
        "a = ['x']\nfor i in range(5):\n    a = [a] * 1000\nprint(a)",
        "answer = 10**5000",
        "raise ValueError('x' * 5_000_000)",
        "__pack = lambda *given: '[' * 9_000_000\nanswer = 1",
        "__pack = lambda *given: '[' * 90_000\nanswer = 1",
    ],
    "recursion": [
        "def f():\n    return f()\nf()",
        "answer = " + "(" * 4900 + "1" + ")" * 4900,
        "[" * 9000,
        "a = []\nfor i in range(100_000):\n    a = [a]\nanswer = a",
        "a = []\na.append(a)\nanswer = a",
    ],
    "output": [
        "while True:\n    print('x' * 1000)",
        "print('x' * 15_000_000)\nprint('x' * 15_000_000)\n1 / 0",
        "def __pack(*given):\n    while True:\n        print('x' * 1000)\nanswer = 1",
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host with something to steal: a file, a variable of the environment and a server, known by its markers."""
    close_pool()  # the workers must start where the variable is set
    folder = tmp_path_factory.mktemp("host")
    file = folder / "secret.txt"
    file.write_text(SECRET)
    os.environ["SANDBOX_SECRET"] = SECRET
    server = socket.create_server(("127.0.0.1", 0))
    server.setblocking(False)
    markers = {"@FILE@": file.as_posix(), "@DIR@": folder.as_posix(), "@PORT@": str(server.getsockname()[1])}
    yield markers, file, server
    server.close()
    del os.environ["SANDBOX_SECRET"]


def list_children():
    """Return the names of the processes below this one; one that ends meanwhile is none."""
    names = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            names.add(child.name())
    return names


def get_memory_bytes():
    """Return the highest memory of this process so far, where the system tells it, or the memory of now."""
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().rss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def tell_what_got_through(outcome, host):
    """Return in words what an attempt achieved, an empty text for nothing."""
    _, file, server = host
    if outcome.is_ok or outcome.value is not None:
        return f"a value: {outcome.value!r:.100}"
    if SECRET in outcome.output + outcome.error:
        return "the secret"
    if "\n" in outcome.error or len(outcome.error) >= 400 or len(outcome.output) >= 11_000:
        return f"{len(outcome.error)} characters of an error, {len(outcome.output)} of output"
    if file.read_text() != SECRET or os.listdir(file.parent) != ["secret.txt"]:
        return f"a change of files: {os.listdir(file.parent)}"
    try:
        server.accept()
    except BlockingIOError:
        return ""
    return "a connection"


def test_no_attempt_gets_through(host):
    children, got_through = list_children(), []
    for group, codes in ATTEMPTS.items():
        for code in codes:
            for marker, text in host[0].items():
                code = code.replace(marker, text)
            before, started = get_memory_bytes(), time.perf_counter()
            outcome = run_code(code, SHORT)
            took_s, growth = time.perf_counter() - started, get_memory_bytes() - before
            told = tell_what_got_through(outcome, host)
            if took_s >= MAX_DURATION_S or growth >= MAX_GROWTH_BYTES:
                told += f" {took_s:.1f} s, {growth:,} bytes here"
            if told:
                got_through.append((group, code[:80], told))
        if list_children() - children - {"monty", "monty.exe"}:
            got_through.append((group, "", "a process"))
        if run_code("answer = 1 + 1").value != 2:
            got_through.append((group, "", "the end of the sandbox"))
    assert got_through == []
    assert "SECRET" in tell_what_got_through(run_code(f"answer = '{SECRET}'"), host)  # one that did would be seen
    assert tell_what_got_through(run_code(f"raise ValueError('{SECRET}')"), host) == "the secret"


def test_values_come_back_as_plain_python():
    wanted = [
        ("answer = 10**40", 10**40),
        ("answer = 'é\"\\n\\\\{}\u2028😀'", 'é"\n\\{}\u2028😀'),
        ("answer = float('inf')", float("inf")),
        ("answer = [1, 2.5, 'a', None, [True]]", [1, 2.5, "a", None, [True]]),
        ("answer = (1, (2, {7}))", [1, [2, [7]]]),
        ("answer = {'a': {'b': [1]}}", {"a": {"b": [1]}}),
        ("import datetime\nanswer = datetime.date(2026, 2, 28)", "2026-02-28"),
        ("from datetime import datetime\nanswer = datetime(2026, 2, 28, 9, 5)", "2026-02-28 09:05:00"),
        ("from decimal import Decimal\nanswer = Decimal('12.50') * 2", 25.0),
        ("from collections import Counter\nanswer = Counter('aab')", {"a": 2, "b": 1}),
        ("", None),
        ("answer = 5\n7", 5),
        ("t = (1,)\nfor i in range(60):\n    t = (t, t)\nreturn {t: 1}", None),  # never built in this process
        ("def f():\n    global answer\n    answer = 4\nf()", 4),
        ("str = list = dict = isinstance = len = type = None\nanswer = {'a': [1]}", {"a": [1]}),
    ]
    outcomes = [run_code(code) for code, _ in wanted]
    found = [(outcome.error, type(outcome.value), outcome.value) for outcome in outcomes]
    assert found == [(None, type(expected), expected) for _, expected in wanted]
    assert "NameError" in run_code("answer = x").error  # runs do not see each other, and draw the same random numbers
    code = "import random\nanswer = [random.random() for _ in range(3)]"
    assert run_code(code).value == run_code(code).value


def test_values_up_to_the_limits_come_back_and_those_beyond_or_not_plain_are_refused():
    reasons = {
        "answer = b'x'": "bytes is no plain type",
        "answer = {1: 2}": "dict is no plain type, or its keys are no text",
        "answer = lambda: 1": "function is no plain type",
        "class A:\n    pass\nanswer = [A()]": "A is no plain type",
        "answer = 'x' * 1001": "the value is too large",
        "answer = [0] * 1001": "the value is too large",
        "a = []\nfor i in range(51):\n    a = [a]\nanswer = a": "too deeply nested",
    }
    small = Limits(max_value_size=1000)
    for code, reason in reasons.items():
        outcome = run_code(code, small)
        assert outcome.value is None
        assert outcome.error.startswith("Refused: ")
        assert reason in outcome.error
    assert run_code("answer = '😀' * 1000", small).value == "😀" * 1000
    forged = ("'[' * 490 + ']' * 490", "'[' + '1,' * 9000 + '1]'", "'{\"a\":' * 60 + '1' + '}' * 60", "'9' * 5000")
    for text in forged:  # by code that replaces what writes the value
        outcome = run_code(f"__pack = lambda *given: {text}\nanswer = 1", small)
        assert (outcome.value, outcome.error.partition(":")[0]) == (None, "Refused")
    assert run_code(r"__pack = lambda *given: '\"half \\ud83d\"'").value == "half \ufffd"
    nested = run_code("a = 1\nfor i in range(50):\n    a = [a]\nanswer = a").value
    for _ in range(50):
        (nested,) = nested
    assert nested == 1


def test_printed_text_is_kept_also_before_an_error_is_cut_with_a_mark_and_never_printed_here(capfd):
    outcome = run_code("def __pack(*given):\n    print('a')\n    return '1'\nprint('b')\nanswer = 1")
    assert (outcome.output, outcome.value, capfd.readouterr()) == ("b\na\n", 1, ("", ""))
    outcome = run_code("print('a', 1)\nprint('b', end='')\nanswer = 2")
    assert (outcome.value, outcome.output, outcome.error) == (2, "a 1\nb", None)
    outcome = run_code("print('before')\n1 / 0")
    assert (outcome.output, outcome.value) == ("before\n", None)
    outcome = run_code("for i in range(5000):\n    print('x' * 9)\nanswer = 1")
    assert (outcome.value, outcome.error) == (1, None)
    assert outcome.output == ("x" * 9 + "\n") * 1000 + "… (cut at 10000 characters)"
    assert run_code("print('x' * 9999)").output == "x" * 9999 + "\n"


def test_an_error_is_one_line_with_kind_message_and_line_number():
    wanted = {
        "x = 1\nx = = 2\n": "line 2: SyntaxError: Expected an expression",
        "x = 1\n\ny = x + z": "line 3: NameError: name 'z' is not defined",
        "def f(x):\n    return 1 / x\n\nf(0)": "line 2: ZeroDivisionError: division by zero",
        "raise ValueError('a\\nb')": "line 1: ValueError: a b",
        "\n\neval('1 +')": "line 3: SyntaxError: Expected an expression (<string>, line 1)",
        "import numpy": "line 1: ModuleNotFoundError: No module named 'numpy'",
        "open('/etc/passwd')": "line 1: PermissionError: Permission denied: '/etc/passwd'",
    }
    assert {code: run_code(code).error for code in wanted} == wanted
    assert "surrogates" in run_code("answer = '\ud800'").error


def test_each_limit_is_told_by_its_name():
    recursion = "def f(n):\n    return n and f(n - 1)\nanswer = f(60)"
    for code, limits, kind in (
        ("while True:\n    pass", Limits(duration_s=0.05), "TimeoutError: feed time limit exceeded"),
        ("answer = 'x' * 2_000_000", Limits(memory_bytes=1_000_000), "MemoryError: memory limit exceeded"),
        (recursion, Limits(recursion=50), "RecursionError: maximum recursion depth"),
        ("import time\ntime.sleep(0.01)", Limits(), "TimeoutError: sleep limit exceeded"),
        ("answer = 1 + 1", Limits(max_code_chars=5), "Refused: the code has 14 characters, at most 5 are run"),
        ("answer = 'abcd'", Limits(max_value_size=3), "Refused: the value is too large"),
        ("for i in range(9):\n try:\n  x\n except NameError: pass", Limits(host_calls=5), "RuntimeError: suspension"),
    ):
        outcome = run_code(code, limits)
        assert kind in outcome.error
        assert outcome.duration_s < 1
    assert run_code(recursion, Limits(recursion=80)).value == 0
    assert run_code("answer = len('x' * 30_000_000)", Limits(memory_bytes=40_000_000)).value == 30_000_000
    assert run_code("print('abcdef')", Limits(max_output_chars=3)).output == "abc… (cut at 3 characters)"


def test_the_first_fenced_block_is_the_code():
    wanted = {
        "answer = 1": "answer = 1",
        "```python\nanswer = 1\n```": "answer = 1",
        "Here it is:\n\n```py\nanswer = 1\n```\nDone.": "answer = 1",
        "```python\nanswer = 1": "answer = 1",
        "```python title=x\r\nanswer = 1\r\n```": "answer = 1\r",
        "```python\na = 1\n```\ntext\n```python\nb = 2\n```": "a = 1",
        "~~~python\nanswer = '```'\n~~~": "answer = '```'",
        "````\nx = '''\n```\n'''\n````": "x = '''\n```\n'''",
        "1. First:\n   ```python\n   if a:\n       b = 1\n   ```": "if a:\n    b = 1",
        "```python\n```": "",
        "Use `x = 1` here": "Use `x = 1` here",
    }
    assert {text: extract_code(text) for text in wanted} == wanted
    started = time.perf_counter()
    for text in ("`", "~", " ", "\t", "~`", " ~", "[", "1", "a", "~~~ ", "\r", "\n", "```\n"):
        extract_code(text * 100_000)  # a hostile reply is searched in no time
        extract_code("~~~\n" + text * 100_000)
    assert time.perf_counter() - started < 2


def test_arithmetic_gives_what_python_gives():
    expressions = [
        "1 + 1", "2 * (3 + 4) - 5", "7 // 2", "-7 % 3", "2 ** 10", "2 ** -1", "1e3 / 8", "+4 - -4", "1_000 * 2",
        "round(3.14159, 2)", "max(1, 2, 3) - min([4, 5])", "sum([1, 2, 3]) / 3", "abs(-2.5)", " 1 + 2 ", "(1 +\n2)",
        "10 ** 100", "1" + " + 1" * 150,
    ]  # fmt: skip
    assert [calculate(text).value for text in expressions] == [eval(text.strip()) for text in expressions]


def test_what_is_not_arithmetic_is_an_error_and_huge_arithmetic_is_stopped():
    refused = {
        "Name": ("x + 1", "print(1)", "open('/etc/passwd')", "__import__('os')"),
        "Constant": ("'a' * 9", "True + 1", "1j * 1j"),
        "Attribute": ("(1).real",),
        "Subscript": ("[1][0]",),
        "Compare": ("1 < 2",),
        "LShift": ("1 << 2",),
        "GeneratorExp": ("sum(x for x in [1])",),
        "Call": ("round(1.5, ndigits=0)", "(lambda: 1)()"),
        "Starred": ("max(*[1, 2])",),
        "NamedExpr": ("(x := 1)",),
    }
    for kind, expressions in refused.items():
        assert {calculate(text).error for text in expressions} == {f"Refused: {kind} is no arithmetic"}
    assert {calculate(text).error for text in ("1, 2", "[1] * 2")} == {"Refused: the result is no number"}
    assert calculate("1 / 0").error == "line 1: ZeroDivisionError: division by zero"
    for text in ("", "1 +", "x = 1", "1; 2", "import os", "1 1", "\x00", "\ud800", "(" * 500, "-" * 999):
        assert calculate(text).error.startswith("Refused: this is no expression")
    huge = ["9 ** 9 ** 9", "10 ** 10 ** 8", "[1] * 10 ** 10", "2 ** 100_000", "1" + " + 1" * 400, "-" * 900 + "1"]
    for expression in huge:
        started = time.perf_counter()
        assert not calculate(expression).is_ok
        assert time.perf_counter() - started < 3
    assert calculate("1 + 1").value == 2


def test_threads_share_the_pool_each_gets_its_own_value_and_endless_loops_end_together():
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: run_code(f"print({n})\nanswer = {n} ** 2"), range(40)))
    assert [(outcome.value, outcome.output) for outcome in values] == [(n * n, f"{n}\n") for n in range(40)]
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: run_code("while True:\n    pass", SHORT), range(4)))
    assert all("TimeoutError" in outcome.error for outcome in outcomes)
    assert time.perf_counter() - started < 2


FORKED = """
import json, os, sys, threading
from llmops_utils.agents.sandbox import close_pool, run_code
from llmops_utils.core import CapabilityMissing
idle = ["pydantic_monty" in sys.modules, threading.active_count()]
first = run_code("answer = 1").value
child = os.fork()
if not child:
    try:
        run_code("answer = 2")
    except CapabilityMissing:
        close_pool()
        os._exit(42)
    os._exit(1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(json.dumps([idle, first, code, run_code("answer = 7").value]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_process_loads_no_interpreter_before_it_needs_one_and_refuses_it_to_a_fork():
    done = subprocess.run([sys.executable, "-B", "-c", FORKED], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[False, 1], 1, 42, 7]


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="the system cannot tie a process to its parent")
def test_a_worker_ends_with_its_killed_host_and_has_a_limit_of_processor_time():
    code = (  # one that never looks at the clock, nor notices by itself that its host is gone
        "from llmops_utils.agents import Limits, run_code\n"
        "run_code('7**30_000_000', Limits(duration_s=60, memory_bytes=2**30))\n"
    )
    host = subprocess.Popen([sys.executable, "-B", "-c", code], cwd=ROOT)
    workers, deadline = [], time.monotonic() + 60
    while not workers and time.monotonic() < deadline:
        for child in psutil.Process(host.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # a short-lived one, gone between the list and its name
                if child.name().startswith("monty"):
                    workers.append(child)
    time.sleep(0.2)
    (worker,) = workers
    assert worker.is_running()
    assert worker.rlimit(psutil.RLIMIT_CPU) == (sandbox.MAX_CPU_S, sandbox.MAX_CPU_S)
    host.kill()
    host.wait()
    gone, left = psutil.wait_procs(workers, timeout=5)
    for one in left:
        one.kill()
    assert (len(gone), left) == (1, [])


def test_the_display_escapes_value_output_and_error_and_cuts_a_long_value():
    shown = run_code("print('<b>&')\nanswer = '<script>'")._repr_html_()
    assert "&lt;b&gt;&amp;</pre>" in shown.replace("\n", "")
    assert "value: &#x27;&lt;script&gt;&#x27;" in shown
    assert "error: line 1: ValueError: &lt;img&gt;" in run_code("raise ValueError('<img>')")._repr_html_()
    long = Outcome("x" * 50_000, "", None, 0.001)._repr_html_()
    assert (len(long) < 1000, "sandbox, 1 ms" in long) == (True, True)
