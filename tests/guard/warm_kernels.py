"""Kernels that are forked from a process which has imported the heavy packages already, instead of started anew.

Importing what a notebook uses takes seconds of processor time; 14 notebooks pay it once. Only on Linux, where a fork is
safe as long as the process has one thread, which is checked before each. Everywhere else, and where anything fails,
a kernel starts as always. A forked kernel has the environment, working folder, arguments and standard streams that were
asked for, a random state of its own, and is the head of a session of its own, as jupyter_client starts one.
"""

import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty

ADDRESS = "WORKBOOK_WARM"  # the variable with the path of the server's socket
PACKAGES = ("ipykernel.kernelapp", "ipykernel.ipkernel", "numpy", "pandas", "matplotlib.pyplot", "openai", "bm25s")
PACKAGES += ("matplotlib_inline.backend_inline", "scipy.stats", "llmops_utils.course", "llmops_utils.training")


class ForkedKernel:
    """What jupyter_client needs of `subprocess.Popen`, for a process that is not a child of this one."""

    stdin = stdout = stderr = None

    def __init__(self, pid):
        self.pid = pid
        self.returncode = None

    def poll(self):
        """Return None while it runs; afterwards 0, for its exit code goes to its parent."""
        if self.returncode is None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                self.returncode = 0
        return self.returncode

    def wait(self):
        while self.poll() is None:
            time.sleep(0.02)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)


def start_server():
    """Yield the process that forks kernels, if there is none yet; the imports wait for the first kernel."""
    if sys.platform != "linux" or ADDRESS in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="workbook-warm-", dir=os.environ["LLMOPS_HOME"])
    os.environ[ADDRESS] = str(Path(folder) / "socket")
    # One thread: those of OpenBLAS would be there at the fork otherwise. The backend is the one that ipykernel sets.
    backend = "module://matplotlib_inline.backend_inline"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": backend}
    yield subprocess.Popen([sys.executable, __file__, str(os.getpid())], stdin=subprocess.DEVNULL, env=environment)


def pytest_configure():
    """Let jupyter_client start its kernels here, wherever a server was started."""
    from jupyter_client.provisioning import local_provisioner

    with suppress(ImportError):
        hurry_nbval()
    start_anew = local_provisioner.launch_kernel
    local_provisioner.launch_kernel = lambda command, **options: start_kernel(start_anew, command, **options)


def hurry_nbval():
    """Let nbval take a forked kernel as ready when it is heard: jupyter_client waits for 0.2 s of silence besides."""
    from nbval import kernel

    class Manager(kernel.KernelManager):
        def client(self, **options):
            client = super().client(**options)
            if isinstance(self.provisioner.process, ForkedKernel):
                client.wait_for_ready = lambda timeout: wait_until_heard(client, timeout)
            return client

        async def _async_wait(self, pollinterval=0.1):
            await super()._async_wait(pollinterval=0.01)  # a killed one is gone sooner than in the usual 0.1 s

    kernel.KernelManager = Manager


def wait_until_heard(client, timeout):
    """Ask until the answers come on both channels; what a kernel says before one listens is lost."""
    is_heard = False
    while not is_heard:
        client.kernel_info()
        client.get_shell_msg(timeout=timeout)
        with suppress(Empty):
            is_heard = bool(client.get_iopub_msg(timeout=0.02))


def start_kernel(start_anew, command, stderr=None, cwd=None, env=None, **options):
    """Return a forked kernel; where it cannot be had, what `start_anew` of jupyter_client returns."""
    if ADDRESS in os.environ and command[:3] == [sys.executable, "-m", "ipykernel_launcher"]:
        try:
            with socket.socket(socket.AF_UNIX) as connection, open(os.devnull, "r+b") as nothing:
                connection.connect(os.environ[ADDRESS])
                streams = [nothing.fileno(), *(stream.fileno() for stream in (nothing, stderr or nothing))]
                request = {"argv": command[2:], "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
                socket.send_fds(connection, [b"f"], streams)
                connection.sendall(json.dumps(request).encode())
                connection.shutdown(socket.SHUT_WR)
                return ForkedKernel(int(connection.makefile().read()))
        except (OSError, ValueError) as error:
            print(f"A kernel starts anew ({type(error).__name__}: {error}).", file=sys.stderr)
    return start_anew(command, stderr=stderr, cwd=cwd, env=env, **options)


def serve(parent):
    """Fork a kernel for each request, until the process that started this one is gone."""
    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.environ[ADDRESS])
        listener.listen()
        listener.settimeout(1)
        while os.getppid() == parent:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(None)
                _, streams, _, _ = socket.recv_fds(connection, 1, 3)
                request = json.loads(connection.makefile().read())
                import_packages()
                is_alone = len(os.listdir("/proc/self/task")) == 1
                pid = os.fork() if is_alone else None  # without an answer the kernel starts anew
                if pid == 0:
                    os.setsid()  # before the answer: jupyter_client signals the whole group
                    connection.sendall(str(os.getpid()).encode())
                    connection.close()
                    listener.close()
                    break
                for stream in streams:
                    os.close(stream)
        else:
            return
    become(request, streams)


def reap(*_):
    """Wait for the kernels that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def import_packages():
    """Import what notebooks import; nothing that starts a thread, as onnxruntime does, or reads settings, as comet_ml."""
    for name in PACKAGES:
        importlib.import_module(name)
    importlib.import_module("llmops_utils.rag.chroma").import_chroma()
    gc.freeze()  # so that pages stay shared
    gc.set_threshold(50_000)  # as in the tests: see conftest.py


def become(request, streams):
    """Turn this process into the kernel of a request."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    tempfile.tempdir = None
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.modules["pandas"].set_option("display.max_columns", 20)  # what it chooses where it finds a notebook
    module, *arguments = request["argv"]
    sys.path[0] = request["cwd"]
    sys.argv = [module, *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
