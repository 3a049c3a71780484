"""Claims about the sandbox: nothing of the host is reached, limits hold here too, and what comes back is plain."""

import datetime
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from llmops_utils.agents import sandbox
from llmops_utils.agents.sandbox import Limits, Outcome, calculate, close_pool, extract_code, run_code
from llmops_utils.core import ROOT, DataError

SECRET = "SECRET-8f2c61"
MAX_GROWTH_BYTES = 150_000_000
MAX_DURATION_S = 5.0

# What each attempt would do if it could. @FILE@ is a file that holds the secret and @DIR@ its folder, where nothing
# may appear; SANDBOX_SECRET in the environment holds it too; a server listens at 127.0.0.1:@PORT@.
ATTEMPTS = [
    ("open", "files", "answer = open('@FILE@').read()"),
    ("open-caught", "files", "try:\n    answer = open('@FILE@').read()\nexcept OSError:\n    answer = 1 / 0"),
    ("pathlib", "files", "from pathlib import Path\nanswer = Path('@FILE@').read_text()"),
    ("pathlib-glob", "files", "from pathlib import Path\nanswer = [str(p) for p in Path('@DIR@').iterdir()]"),
    ("os-open", "files", "import os\nanswer = os.read(os.open('@FILE@', 0), 99)"),
    ("os-listdir", "files", "import os\nanswer = os.listdir('@DIR@')"),
    ("os-stat", "files", "import os\nanswer = os.stat('@FILE@').st_size"),
    ("io-open", "files", "import io\nanswer = io.open('@FILE@').read()"),
    ("passwd", "files", "answer = open('/etc/passwd').read()"),
    ("proc-environ", "files", "answer = open('/proc/self/environ', 'rb').read()"),
    ("proc-parent", "files", "import os\nanswer = open(f'/proc/{os.getppid()}/environ').read()"),
    ("relative-path", "files", "answer = open('../' * 20 + '@FILE@').read()"),
    ("relative-name", "files", "import os\nos.chdir('@DIR@')\nanswer = open('secret.txt').read()"),
    ("file-descriptor", "files", "answer = open(0).read() + open(3).read()"),
    ("write", "files", "with open('@DIR@/made', 'w') as file:\n    file.write('x')"),
    ("overwrite", "files", "from pathlib import Path\nPath('@FILE@').write_text('gone')"),
    ("append", "files", "open('@FILE@', 'a').write('more')"),
    ("delete", "files", "import os\nos.remove('@FILE@')"),
    ("rename", "files", "import os\nos.rename('@FILE@', '@DIR@/made')"),
    ("mkdir", "files", "from pathlib import Path\nPath('@DIR@/made').mkdir(parents=True)"),
    ("symlink", "files", "from pathlib import Path\nPath('@DIR@/made').symlink_to('@FILE@')"),
    ("tempfile", "files", "import tempfile\nanswer = tempfile.mkstemp(dir='@DIR@')"),
    ("shutil", "files", "import shutil\nshutil.copy('@FILE@', '@DIR@/made')"),
    ("sqlite", "files", "import sqlite3\nsqlite3.connect('@DIR@/made')"),
    ("environ", "environment", "import os\nanswer = dict(os.environ)"),
    ("environ-item", "environment", "import os\nanswer = os.environ['SANDBOX_SECRET']"),
    ("getenv", "environment", "import os\nanswer = os.getenv('SANDBOX_SECRET')"),
    ("expandvars", "environment", "import os\nanswer = os.path.expandvars('$SANDBOX_SECRET')"),
    ("socket", "network", "import socket\ns = socket.create_connection(('127.0.0.1', @PORT@))\ns.send(b'x')"),
    ("urllib", "network", "from urllib.request import urlopen\nanswer = urlopen('http://127.0.0.1:@PORT@').read()"),
    ("http", "network", "import http.client\nhttp.client.HTTPConnection('127.0.0.1', @PORT@).request('GET', '/')"),
    ("asyncio-network", "network", "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', @PORT@))"),
    ("third-party", "network", "import httpx2\nanswer = httpx2.get('http://127.0.0.1:@PORT@').text"),
    ("os-system", "processes", "import os\nanswer = os.system('touch @DIR@/made')"),
    ("os-popen", "processes", "import os\nanswer = os.popen('cat @FILE@').read()"),
    ("subprocess", "processes", "import subprocess\nanswer = subprocess.check_output(['cat', '@FILE@'])"),
    ("os-exec", "processes", "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch @DIR@/made'])"),
    ("fork", "processes", "import os\nanswer = [os.fork() for _ in range(10)]"),
    ("kill", "processes", "import os\nos.kill(1, 9)"),
    ("kill-parent", "processes", "import os\nos.kill(os.getppid(), 15)"),
    ("signal", "processes", "import signal\nsignal.alarm(1)"),
    ("os-exit", "processes", "import os\nos._exit(0)"),
    ("sys-exit", "processes", "import sys\nsys.exit(0)"),
    ("system-exit", "processes", "raise SystemExit(0)"),
    ("keyboard-interrupt", "processes", "raise KeyboardInterrupt"),
    ("threading", "processes", "import threading\nthreading.Thread(target=print).start()"),
    ("multiprocessing", "processes", "import multiprocessing\nmultiprocessing.Process(target=print).start()"),
    ("class-walk", "internals", "answer = ().__class__.__base__.__subclasses__()"),
    ("subclasses", "internals", "answer = [c for c in object.__subclasses__() if 'wrap' in str(c)]"),
    ("mro", "internals", "answer = str.__mro__[-1].__subclasses__()"),
    ("globals", "internals", "def f():\n    pass\nanswer = f.__globals__['__builtins__']"),
    ("init-globals", "internals", "class A:\n    def __init__(self):\n        pass\nanswer = A.__init__.__globals__"),
    ("builtins-name", "internals", "answer = __builtins__"),
    ("builtins-module", "internals", "import builtins\nanswer = builtins.open('@FILE@').read()"),
    ("dunder-import", "internals", "answer = __import__('os').system('touch @DIR@/made')"),
    ("importlib", "internals", "import importlib\nanswer = importlib.import_module('subprocess')"),
    ("sys-modules", "internals", "import sys\nanswer = sys.modules['os'].environ"),
    ("loader", "internals", "answer = __loader__.load_module('os')"),
    ("getattr-built", "internals", "answer = getattr((), '_' * 2 + 'cla' + 'ss' + '_' * 2)"),
    ("getattr-module", "internals", "import os\nanswer = getattr(os, 'sys' + 'tem')('touch @DIR@/made')"),
    ("setattr-module", "internals", "import json\nsetattr(json, 'dumps', print)"),
    ("frame", "internals", "import sys\nanswer = sys._getframe().f_back.f_globals"),
    ("inspect", "internals", "import inspect\nanswer = inspect.stack()"),
    ("traceback", "internals", "try:\n    1 / 0\nexcept Exception as e:\n    answer = e.__traceback__.tb_frame"),
    ("generator-frame", "internals", "answer = (x for x in [1]).gi_frame.f_back"),
    ("coroutine-frame", "internals", "async def f():\n    pass\nanswer = f().cr_frame"),
    ("ctypes", "internals", "import ctypes\nctypes.string_at(0)"),
    ("gc", "internals", "import gc\nanswer = gc.get_objects()"),
    ("code-object", "internals", "def f():\n    pass\nf.__code__ = f.__code__.replace(co_consts=())"),
    ("compile", "internals", "exec(compile('import subprocess', 'x', 'exec'))"),
    ("eval", "internals", "answer = eval(\"open('@FILE@').read()\")"),
    ("exec", "internals", "exec(\"import os\\nos.system('touch @DIR@/made')\")"),
    ("type-construction", "internals", "A = type('A', (object,), {'__del__': print})\nanswer = A.__subclasses__()"),
    ("metaclass", "internals", "class M(type):\n    pass\nclass A(metaclass=M):\n    pass\nanswer = M.__base__"),
    ("format-attribute", "internals", "answer = '{0.__class__.__init__.__globals__}'.format('')"),
    ("format-map", "internals", "answer = '{a.__class__}'.format_map({'a': 1})"),
    ("f-string", "internals", "answer = f'{().__class__.__base__}'"),
    ("pickle", "internals", "import pickle\npickle.loads(b\"cos\\nsystem\\n(S'touch @DIR@/made'\\ntR.\")"),
    ("return-function", "internals", "answer = open"),
    ("return-type", "internals", "answer = type(1)"),
    ("return-instance", "internals", "class A:\n    def __reduce__(self):\n        return print, ()\nanswer = A()"),
    ("replace-pack", "internals", "__pack = lambda *given: open\nanswer = 1"),
    ("forge-pack", "internals", "__pack = lambda *given: '[\"open\", \"@FILE@\"]'\nanswer = 1"),
    ("while-true", "time", "while True:\n    pass"),
    ("while-caught", "time", "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"),
    ("huge-range", "time", "for i in range(10**15):\n    pass"),
    ("nested-loops", "time", "for a in range(10**5):\n    for b in range(10**5):\n        for c in range(10**5):\n            pass"),
    ("sum-range", "time", "answer = sum(range(10**14))"),
    ("max-range", "time", "answer = max(range(10**14))"),
    ("contains-iterator", "time", "answer = 'a' in iter(int, 1)"),
    ("factorial", "time", "import math\nanswer = math.factorial(10**7)"),
    ("modular-power", "time", "answer = pow(3, 10**9000, 10**9000 + 1)"),
    ("decimal-precision", "time", "import decimal\ndecimal.getcontext().prec = 10**6\nanswer = decimal.Decimal(2).ln()"),
    ("sleep", "time", "import time\ntime.sleep(30)"),
    ("async-sleep", "time", "import asyncio\nasync def f():\n    await asyncio.sleep(30)\nasyncio.run(f())"),
    ("regex", "time", "import re\nanswer = re.match(r'(a*)*\\1b', 'a' * 5000)"),
    ("regex-nested", "time", "import re\nre.compile('((a{100}){100}){100}')"),
    ("caught-calls", "time", "while True:\n    try:\n        open('x')\n    except Exception:\n        pass"),
    ("colliding-keys", "time", "answer = {(2**61 - 1) * i: 1 for i in range(20_000)}"),
    ("colliding-keys-few", "time", "answer = {(2**61 - 1) * i: 1 for i in range(3000)}"),
    ("colliding-set-unused", "time", "{(2**61 - 1) * i for i in range(40_000)}"),
    ("hash-of-pairs", "time", "t = (1,)\nfor i in range(60):\n    t = (t, t)\nanswer = {t: 1}"),
    ("hash-of-pairs-last", "time", "t = (1,)\nfor i in range(60):\n    t = (t, t)\n{t: 1}"),
    ("runtime-syntax-error", "time", "for i in range(10**6):\n    pass\neval('1 +')"),
    ("string", "memory", "answer = 'x' * 10**10"),
    ("string-in-parts", "memory", "s = 'x'\nwhile True:\n    s += s"),
    ("join", "memory", "answer = ''.join(['x' * 10**6] * 10**4)"),
    ("list-doubling", "memory", "a = [0]\nwhile True:\n    a = a + a"),
    ("list-append", "memory", "a = []\nwhile True:\n    a.append('x' * 1000)"),
    ("list-range", "memory", "answer = list(range(10**9))"),
    ("dict-growth", "memory", "d = {}\ni = 0\nwhile True:\n    d[i] = [i]\n    i += 1"),
    ("bytes", "memory", "answer = bytes(10**10)"),
    ("power-tower", "memory", "answer = 10**10**8"),
    ("power-repeated", "memory", "x = 3\nwhile True:\n    x = x * x"),
    ("shift", "memory", "answer = 1 << 10**11"),
    ("format-width", "memory", "answer = '{:10000000000}'.format(1)"),
    ("ljust", "memory", "answer = 'x'.ljust(10**10)"),
    ("product", "memory", "import itertools\nanswer = list(itertools.product(range(100), repeat=10))"),
    ("sorted", "memory", "answer = sorted(range(10**9))"),
    ("shared-lists", "memory", "a = ['x']\nfor i in range(5):\n    a = [a] * 1000\nanswer = a"),
    ("shared-lists-printed", "memory", "a = ['x']\nfor i in range(5):\n    a = [a] * 1000\nprint(a)"),
    ("large-value", "memory", "answer = 'x' * 9_000_000"),
    ("large-integer", "memory", "answer = 10**5000"),
    ("large-error", "memory", "raise ValueError('x' * 5_000_000)"),
    ("forge-large", "memory", "__pack = lambda *given: '[' * 9_000_000\nanswer = 1"),
    ("forge-deep", "memory", "__pack = lambda *given: '[' * 90_000\nanswer = 1"),
    ("plain-recursion", "recursion", "def f():\n    return f()\nf()"),
    ("mutual-recursion", "recursion", "def f():\n    return g()\ndef g():\n    return f()\nf()"),
    ("lambda-recursion", "recursion", "f = lambda f: f(f)\nf(f)"),
    ("repr-recursion", "recursion", "class A:\n    def __repr__(self):\n        return repr(self)\nrepr(A())"),
    ("brackets", "recursion", "answer = " + "(" * 4900 + "1" + ")" * 4900),
    ("open-brackets", "recursion", "[" * 9000),
    ("unary", "recursion", "answer = " + "-" * 9000 + "1"),
    ("not-chain", "recursion", "answer = " + "not " * 2000 + "1"),
    ("lambda-chain", "recursion", "answer = " + "lambda: " * 1000 + "1"),
    ("attribute-chain", "recursion", "answer = x" + ".a" * 4900),
    ("eval-brackets", "recursion", "answer = eval('(' * 100_000 + ')' * 100_000)"),
    ("json-brackets", "recursion", "import json\nanswer = json.loads('[' * 100_000)"),
    ("deep-data", "recursion", "a = []\nfor i in range(100_000):\n    a = [a]\nanswer = a"),
    ("deep-data-hidden", "recursion", "a = []\nfor i in range(60):\n    a = {'a': a}\nanswer = a"),
    ("cyclic-data", "recursion", "a = []\na.append(a)\nanswer = a"),
    ("flood", "output", "while True:\n    print('x' * 1000)"),
    ("flood-empty", "output", "while True:\n    print()"),
    ("flood-long-line", "output", "print('x' * 15_000_000)\nprint('x' * 15_000_000)\n1 / 0"),
    ("flood-stderr", "output", "import sys\nwhile True:\n    print('x' * 1000, file=sys.stderr)"),
    ("flood-from-pack", "output", "def __pack(*given):\n    while True:\n        print('x' * 1000)\nanswer = 1"),
    ("long-code", "output", "answer = 1  #" + "x" * 10_000),
]  # fmt: skip


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


def list_workers():
    return [child for child in psutil.Process().children() if child.name().startswith("monty")]


def run_python(code):
    """Return what a fresh interpreter prints as JSON; it writes no byte code."""
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def get_memory_bytes():
    """Return the highest memory of this process so far, where the system tells it, or the memory of now."""
    try:
        import resource
    except ImportError:
        return psutil.Process().memory_info().rss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def assert_nothing_got_through(outcome, host):
    _, file, server = host
    assert not outcome.is_ok, f"got through: {outcome.value!r}"
    assert outcome.value is None
    assert SECRET not in outcome.output + outcome.error
    assert "\n" not in outcome.error
    assert len(outcome.error) < 400
    assert len(outcome.output) < 11_000
    assert file.read_text() == SECRET
    assert os.listdir(file.parent) == ["secret.txt"]
    with pytest.raises(BlockingIOError):
        server.accept()


@pytest.mark.parametrize(("group", "code"), [pytest.param(*rest, id=name) for name, *rest in ATTEMPTS])
def test_no_attempt_gets_through(group, code, host):
    for marker, text in host[0].items():
        code = code.replace(marker, text)
    before, children = get_memory_bytes(), {child.name() for child in psutil.Process().children()}
    started = time.perf_counter()
    outcome = run_code(code)
    assert time.perf_counter() - started < MAX_DURATION_S
    assert get_memory_bytes() - before < MAX_GROWTH_BYTES
    assert_nothing_got_through(outcome, host)
    assert {child.name() for child in psutil.Process().children(recursive=True)} - children <= {"monty", "monty.exe"}
    assert run_code("answer = 1 + 1").value == 2


def test_attempts_have_distinct_names_and_cover_all_groups():
    assert len({name for name, _, _ in ATTEMPTS}) == len(ATTEMPTS) >= 36
    groups = {"files", "environment", "network", "processes", "internals", "time", "memory", "recursion", "output"}
    assert {group for _, group, _ in ATTEMPTS} == groups


def test_the_secret_would_be_found_where_code_gets_it(host):
    outcome = run_code("answer = secret", {"secret": SECRET})
    with pytest.raises(AssertionError, match="got through"):
        assert_nothing_got_through(outcome, host)


# Built-in functions that look dangerous and are not: they act on the sandbox alone.
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os\nanswer = os.getcwd()", "/"),
        ("answer = __file__", "/main.py"),
        ("import sys\nanswer = sys.argv", ["main.py"]),
        ("answer = eval('1 + 1')", 2),
        ("import re\nanswer = re.match(r'(a+)+$', 'a' * 40 + 'b')", None),
        ("answer = '__class__' in str(locals())", False),
    ],
)
def test_harmless_calls_show_the_sandbox_and_not_the_host(code, expected):
    outcome = run_code(code)
    assert (outcome.error, outcome.value) == (None, expected)


@pytest.mark.skipif(not hasattr(psutil.Process, "environ"), reason="the system shows no environment")
def test_the_workers_do_not_inherit_the_environment(host):
    run_code("1")
    assert list_workers()
    assert all(SECRET not in worker.environ().values() for worker in list_workers())


# --- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("answer = 1 + 1", 2),
        ("answer = -7 // 2", -4),
        ("answer = 0.1 + 0.2", 0.1 + 0.2),
        ("answer = 10**40", 10**40),
        ("answer = True", True),
        ("answer = None", None),
        ("answer = 'é\"\\n\\\\{}\u2028😀'", 'é"\n\\{}\u2028😀'),
        ("answer = float('inf')", float("inf")),
        ("answer = [1, 2.5, 'a', None, [True]]", [1, 2.5, "a", None, [True]]),
        ("answer = (1, (2, 3))", [1, [2, 3]]),
        ("answer = {7}", [7]),
        ("answer = {'a': {'b': [1]}, 2: 'c', None: True}", {"a": {"b": [1]}, 2: "c", None: True}),
        ("answer = {}", {}),
        ("answer = ['dict', [['a', 1]]]", ["dict", [["a", 1]]]),
        ("import datetime\nanswer = datetime.date(2026, 2, 28)", datetime.date(2026, 2, 28)),
        ("from datetime import datetime\nanswer = datetime(2026, 2, 28, 9, 5)", datetime.datetime(2026, 2, 28, 9, 5)),
        ("import datetime\nanswer = {datetime.date(2026, 1, 1): 1}", {datetime.date(2026, 1, 1): 1}),
        ("from decimal import Decimal\nanswer = Decimal('12.50') * 2", 25.0),
        ("from collections import Counter\nanswer = Counter('aab')", {"a": 2, "b": 1}),
        ("x = 3", None),
        ("", None),
        ("x = 3\nx * 2", 6),
        ("answer = 5\n7", 5),
        ("answer = None\n7", None),
        ("max(\n    [1, 2],\n    [3],\n)", [3]),
        ("'''a\nb'''", "a\nb"),
        ("x = '''a\nb'''\nx  # the text", "a\nb"),
        ("def f(x):\n    return x + 1\n\nf(1)\n", 2),
        ("if True:\n    1", None),
        ("x = (\n1\n)\n", None),
        ("x = [\n1,\n2\n]\nx", [1, 2]),
        ("def f():\n    global answer\n    answer = 4\nf()", 4),
        ("str = list = dict = isinstance = len = type = None\nanswer = {'a': [1]}", {"a": [1]}),
        ("import json\njson = None\nanswer = 1", 1),
    ],
)
def test_values_come_back_as_plain_python(code, expected):
    outcome = run_code(code)
    assert (outcome.error, outcome.is_ok) == (None, True)
    assert outcome.value == expected
    assert type(outcome.value) is type(expected)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("answer = b'x'", "bytes is no plain type"),
        ("answer = 1j", "complex is no plain type"),
        ("answer = {(1, 2): 3}", "dict is no plain type, or its keys are not"),
        ("answer = len", "builtin_function_or_method is no plain type"),
        ("answer = lambda: 1", "function is no plain type"),
        ("class A:\n    pass\nanswer = [A()]", "A is no plain type"),
        ("answer = 'x' * 100_001", "the value is too large"),
        ("answer = [0] * 100_001", "the value is too large"),
        ("a = []\nfor i in range(51):\n    a = [a]\nanswer = a", "too deeply nested"),
        ("answer = {i: i for i in range(1001)}", "more than 1000 keys that are no text"),
    ],
)
def test_values_that_are_not_plain_or_too_large_are_refused(code, reason):
    outcome = run_code(code)
    assert outcome.value is None
    assert outcome.error.startswith("Refused: ")
    assert reason in outcome.error


def test_values_up_to_the_limits_come_back():
    assert run_code("answer = 'x' * 100_000").value == "x" * 100_000
    assert run_code("answer = '😀' * 100_000").value == "😀" * 100_000
    assert run_code("answer = {str(i): i for i in range(5000)}").value == {str(i): i for i in range(5000)}
    assert run_code("answer = {i: i for i in range(1000)}").value == {i: i for i in range(1000)}
    nested = run_code("a = 1\nfor i in range(50):\n    a = [a]\nanswer = a").value
    for _ in range(50):
        (nested,) = nested
    assert nested == 1


def test_value_of_another_variable_or_of_the_last_expression_alone():
    assert run_code("answer = 1\ntotal = 2", result="total").value == 2
    assert run_code("answer = 1\n2", result=None).value == 2
    assert run_code("answer = 1", result=None).value is None
    assert run_code("total\n", {"total": 5}, result="missing").value == 5


def test_the_same_code_draws_the_same_random_numbers():
    code = "import random\nanswer = [random.random() for _ in range(3)]"
    assert run_code(code).value == run_code(code).value


def test_runs_do_not_see_each_other():
    assert run_code("leak = 5\nanswer = 1").value == 1
    assert "NameError" in run_code("answer = leak").error


# --- printing and errors -------------------------------------------------------------------------------------


def test_printed_text_is_kept_also_before_an_error():
    outcome = run_code("print('a', 1)\nprint('b', end='')\nanswer = 2")
    assert (outcome.value, outcome.output, outcome.error) == (2, "a 1\nb", None)
    outcome = run_code("print('before')\n1 / 0")
    assert (outcome.output, outcome.value) == ("before\n", None)
    assert outcome.error == "line 2: ZeroDivisionError: division by zero"


def test_printed_text_is_cut_with_a_mark_and_the_code_goes_on():
    outcome = run_code("for i in range(5000):\n    print('x' * 9)\nanswer = 1")
    assert (outcome.value, outcome.error) == (1, None)
    assert outcome.output == ("x" * 9 + "\n") * 1000 + "… (cut at 10000 characters)"
    assert run_code("print('x' * 9999)").output == "x" * 9999 + "\n"
    assert run_code("print('abcdef')", limits=Limits(max_output_chars=3)).output == "abc… (cut at 3 characters)"


def test_nothing_is_printed_here_whatever_the_code_replaces(capfd):
    outcome = run_code("def __pack(*given):\n    print('a')\n    return '1'\nprint('b')\nanswer = 1")
    assert (outcome.output, outcome.value) == ("b\na\n", 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = 1\nx = = 2\n", "line 2: SyntaxError: Expected an expression"),
        ("def f(:\n    pass", "line 1: SyntaxError: Expected a parameter or the end of the parameter list"),
        ("x = 1\n\ny = x + z", "line 3: NameError: name 'z' is not defined"),
        ("def f(x):\n    return 1 / x\n\nf(0)", "line 2: ZeroDivisionError: division by zero"),
        ("x = [1]\nx[5]", "line 2: IndexError: list index out of range"),
        ("raise ValueError('a\\nb')", "line 1: ValueError: a b"),
        ("raise ValueError", "line 1: ValueError"),
        ("\n\neval('1 +')", "line 3: SyntaxError: Expected an expression (<string>, line 1)"),
        ("import numpy", "line 1: ModuleNotFoundError: No module named 'numpy'"),
        ("open('/etc/passwd')", "line 1: PermissionError: Permission denied: '/etc/passwd'"),
    ],
)
def test_an_error_is_one_line_with_kind_message_and_line_number(code, error):
    outcome = run_code(code)
    assert (outcome.error, outcome.value, outcome.is_ok) == (error, None, False)


@pytest.mark.parametrize(
    ("code", "limits", "kind"),
    [
        ("while True:\n    pass", Limits(duration_s=0.05), "TimeoutError: feed time limit exceeded"),
        ("answer = 'x' * 2_000_000", Limits(memory_bytes=1_000_000), "MemoryError: memory limit exceeded"),
        (
            "def f(n):\n    return n and f(n - 1)\nf(60)",
            Limits(recursion=50),
            "RecursionError: maximum recursion depth",
        ),
        ("import time\ntime.sleep(0.01)", Limits(), "TimeoutError: sleep limit exceeded"),
        ("answer = 1 + 1", Limits(max_code_chars=5), "Refused: the code has 14 characters, at most 5 are run"),
        ("answer = 'abcd'", Limits(max_value_size=3), "Refused: the value is too large"),
        (
            "for i in range(9):\n try:\n  x\n except NameError: pass",
            Limits(host_calls=5),
            "RuntimeError: suspension limit",
        ),
    ],
)
def test_each_limit_is_told_by_its_name(code, limits, kind):
    outcome = run_code(code, limits=limits)
    assert kind in outcome.error
    assert outcome.duration_s < 1


def test_a_larger_limit_lets_the_same_code_through():
    assert run_code("def f(n):\n    return n and f(n - 1)\nanswer = f(60)", limits=Limits(recursion=80)).value == 0
    assert run_code("answer = len('x' * 30_000_000)", limits=Limits(memory_bytes=40_000_000)).value == 30_000_000


def test_text_that_cannot_be_encoded_is_an_error_of_the_code():
    assert "surrogates" in run_code("answer = '\ud800'").error
    assert "surrogates" in run_code("answer = x", {"x": "\ud800"}).error


# --- arguments -----------------------------------------------------------------------------------------------


def test_inputs_are_variables_of_the_code():
    day = datetime.date(2026, 3, 1)
    inputs = {"rows": [{"price": 2.5, "num": 4}, {"price": 1.0, "num": 2}], "day": day}
    code = "answer = [sum(row['price'] * row['num'] for row in rows), day.year]"
    assert run_code(code, inputs).value == [12.0, 2026]
    assert run_code("answer", {"answer": "given"}).value == "given"


def test_code_cannot_change_the_inputs_of_the_host():
    rows = [1, 2]
    assert run_code("rows.append(3)\nanswer = rows", {"rows": rows}).value == [1, 2, 3]
    assert rows == [1, 2]


class Leaky:
    def read(self):
        return SECRET


@pytest.mark.parametrize(
    "value",
    [Leaky(), Leaky, open, [Leaky()], {"a": Leaky()}, pathlib.Path("/"), os, b"x", lambda: 1, type("S", (str,), {})()],
)
def test_an_input_that_is_no_plain_value_raises(value):
    with pytest.raises(DataError, match="Give plain values"):
        run_code("answer = 1", {"x": value})


def test_a_cyclic_input_raises():
    cycle = []
    cycle.append(cycle)
    with pytest.raises(DataError, match="too deep"):
        run_code("answer = 1", {"x": cycle})


@pytest.mark.parametrize("name", ["", "a b", "1a", "class", "None", 3, "x)}{open("])
def test_a_name_that_is_no_identifier_raises(name):
    with pytest.raises(DataError, match="no name of a variable"):
        run_code("1", {name: 1})
    with pytest.raises(DataError, match="no name of a variable"):
        run_code("1", result=name)


@pytest.mark.parametrize("code", [None, 3, b"1", ["1"]])
def test_code_that_is_no_text_raises(code):
    with pytest.raises(DataError, match="not str"):
        run_code(code)
    with pytest.raises(DataError, match="not str"):
        calculate(code)


@pytest.mark.parametrize(
    "field",
    [
        {"duration_s": 0}, {"duration_s": -1.0}, {"duration_s": 61}, {"duration_s": float("nan")},
        {"duration_s": float("inf")}, {"duration_s": True}, {"memory_bytes": 0}, {"memory_bytes": 1.5},
        {"memory_bytes": 10**30}, {"recursion": None}, {"max_code_chars": -5}, {"host_calls": "9"},
    ],
)  # fmt: skip
def test_a_limit_that_is_none_raises(field):
    with pytest.raises(DataError, match=f"{next(iter(field))} = .* is no limit"):
        Limits(**field)


# --- code from a reply ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("answer = 1", "answer = 1"),
        ("```python\nanswer = 1\n```", "answer = 1"),
        ("Here it is:\n\n```py\nanswer = 1\n```\nDone.", "answer = 1"),
        ("```\nanswer = 1\n```", "answer = 1"),
        ("```python\nanswer = 1\n", "answer = 1"),
        ("```python\nanswer = 1", "answer = 1"),
        ("```python title=x\r\nanswer = 1\r\n```", "answer = 1\r"),
        ("```python\na = 1\n```\ntext\n```python\nb = 2\n```", "a = 1"),
        ("~~~python\nanswer = '```'\n~~~", "answer = '```'"),
        ("````\nx = '''\n```\n'''\n````", "x = '''\n```\n'''"),
        ("1. First:\n   ```python\n   if a:\n       b = 1\n   ```", "if a:\n    b = 1"),
        ("```python\n```", ""),
        ("Use `x = 1` here", "Use `x = 1` here"),
        ("", ""),
    ],
)
def test_the_first_fenced_block_is_the_code(text, code):
    assert extract_code(text) == code


def test_a_hostile_reply_is_searched_in_no_time():
    started = time.perf_counter()
    for text in (
        "`" * 50_000,
        "```\n" * 20_000,
        " " * 50_000 + "```",
        "~~~" + "`" * 50_000,
        "\n" * 50_000,
        "```x" * 20_000,
    ):
        extract_code(text)
    assert time.perf_counter() - started < 2


# --- arithmetic ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "expression",
    [
        "1 + 1", "2 * (3 + 4) - 5", "7 // 2", "-7 % 3", "2 ** 10", "2 ** -1", "1e3 / 8", "+4 - -4", "1_000 * 2",
        "round(3.14159, 2)", "max(1, 2, 3) - min([4, 5])", "sum([1, 2, 3]) / 3", "abs(-2.5)", " 1 + 2 ", "(1 +\n2)",
        "10 ** 100", "1" + " + 1" * 150,
    ],
)  # fmt: skip
def test_arithmetic_gives_what_python_gives(expression):
    outcome = calculate(expression)
    assert (outcome.error, outcome.value) == (None, eval(expression.strip()))


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("x + 1", "Refused: Name is no arithmetic"),
        ("print(1)", "Refused: Name is no arithmetic"),
        ("open('/etc/passwd')", "Refused: Name is no arithmetic"),
        ("__import__('os')", "Refused: Name is no arithmetic"),
        ("'a' * 9", "Refused: Constant is no arithmetic"),
        ("True + 1", "Refused: Constant is no arithmetic"),
        ("1j * 1j", "Refused: Constant is no arithmetic"),
        ("(1).real", "Refused: Attribute is no arithmetic"),
        ("[1][0]", "Refused: Subscript is no arithmetic"),
        ("1 if 1 else 2", "Refused: IfExp is no arithmetic"),
        ("1 < 2", "Refused: Compare is no arithmetic"),
        ("1 << 2", "Refused: LShift is no arithmetic"),
        ("~1", "Refused: Invert is no arithmetic"),
        ("1 and 2", "Refused: BoolOp is no arithmetic"),
        ("sum(x for x in [1])", "Refused: GeneratorExp is no arithmetic"),
        ("round(1.5, ndigits=0)", "Refused: Call is no arithmetic"),
        ("max(*[1, 2])", "Refused: Starred is no arithmetic"),
        ("(lambda: 1)()", "Refused: Call is no arithmetic"),
        ("(x := 1)", "Refused: NamedExpr is no arithmetic"),
        ("f'{1}'", "Refused: JoinedStr is no arithmetic"),
        ("1, 2", "Refused: the result is no number"),
        ("[1] * 2", "Refused: the result is no number"),
        ("1 / 0", "line 1: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_not_arithmetic_is_an_error(expression, error):
    outcome = calculate(expression)
    assert (outcome.error, outcome.value) == (error, None)


@pytest.mark.parametrize(
    "expression", ["", "1 +", "x = 1", "1; 2", "import os", "1 1", "\x00", "\ud800", "(" * 500, "-" * 999]
)
def test_what_is_no_expression_is_an_error(expression):
    assert calculate(expression).error.startswith("Refused: this is no expression")


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9",
        "10 ** 10 ** 8",
        "[1] * 10 ** 10",
        "2 ** 100_000",
        "1" + " + 1" * 400,
        "-" * 900 + "1",
        "(" * 190 + "1",
    ],
)
def test_huge_arithmetic_is_stopped(expression):
    started = time.perf_counter()
    assert not calculate(expression).is_ok
    assert time.perf_counter() - started < 3
    assert calculate("1 + 1").value == 2


# --- threads and workers -------------------------------------------------------------------------------------


def test_four_threads_share_the_pool_and_each_gets_its_own_value():
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda n: run_code(f"print({n})\nanswer = n * n", {"n": n}), range(200)))
    assert [(outcome.value, outcome.output) for outcome in values] == [(n * n, f"{n}\n") for n in range(200)]
    assert 1 <= len(list_workers()) <= sandbox.MAX_WORKERS


def test_endless_loops_in_four_threads_end_together():
    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: run_code("while True:\n    pass", limits=Limits(duration_s=0.5)), range(4)))
    assert all("TimeoutError" in outcome.error for outcome in outcomes)
    assert time.perf_counter() - started < 2


def test_a_worker_killed_during_a_run_is_an_error_of_this_run_alone():
    close_pool()
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_code("while True:\n    pass", limits=Limits(duration_s=4.0)))
    )
    thread.start()
    while not list_workers():
        time.sleep(0.01)
    time.sleep(0.3)
    for worker in list_workers():
        worker.kill()
    thread.join(10)
    assert found[0].error.startswith("MontyCrashedError: monty worker crashed")
    assert found[0].duration_s < 3
    assert run_code("answer = 1 + 1").value == 2


def test_workers_killed_between_runs_are_replaced():
    run_code("1")
    for worker in list_workers():
        worker.kill()
        worker.wait(5)
    assert run_code("answer = 1 + 1").value == 2


def test_a_closed_pool_leaves_no_worker_and_opens_again():
    run_code("1")
    assert list_workers()
    close_pool()
    close_pool()
    deadline = time.perf_counter() + 5
    while list_workers() and time.perf_counter() < deadline:
        time.sleep(0.02)
    assert list_workers() == []
    assert run_code("answer = 1 + 1").value == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_fork_of_a_process_that_used_the_sandbox_raises_instead_of_waiting_for_ever():
    code = (
        "import json, os\n"
        "from llmops_utils.core.errors import CapabilityMissing\n"
        "from llmops_utils.agents.sandbox import close_pool, run_code\n"
        "first = run_code('answer = 1').value\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        run_code('answer = 2')\n"
        "    except CapabilityMissing:\n"
        "        close_pool()\n"
        "        os._exit(42)\n"
        "    os._exit(1)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(json.dumps([first, code, run_code('answer = 7').value]))\n"
    )
    assert run_python(code) == [1, 42, 7]


def test_importing_the_module_loads_no_interpreter_and_starts_no_thread():
    code = (
        "import json, sys, threading\n"
        "import llmops_utils.agents.sandbox\n"
        "print(json.dumps(['pydantic_monty' in sys.modules, threading.active_count()]))\n"
    )
    assert run_python(code) == [False, 1]


def test_a_process_that_ran_code_ends_by_itself():
    code = (
        "import json, psutil\n"
        "from llmops_utils.agents.sandbox import run_code\n"
        "run_code('1')\n"
        "print(json.dumps([child.pid for child in psutil.Process().children()]))\n"
    )
    pids = run_python(code)
    assert pids
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).name().startswith("monty") for pid in pids)


# --- display -------------------------------------------------------------------------------------------------


def test_the_display_escapes_value_output_and_error():
    shown = run_code("print('<b>&')\nanswer = '<script>'")._repr_html_()
    assert "<pre" in shown
    assert "&lt;b&gt;&amp;" in shown
    assert "value: &#x27;&lt;script&gt;&#x27;" in shown
    assert "<script>" not in shown
    failed = run_code("raise ValueError('<img>')")._repr_html_()
    assert "error: line 1: ValueError: &lt;img&gt;" in failed
    assert "<img>" not in failed


def test_the_display_of_a_long_value_is_cut():
    assert len(Outcome("x" * 50_000, "", None, 0.001)._repr_html_()) < 1000
    assert "sandbox, 1 ms" in Outcome(1, "", None, 0.001)._repr_html_()
