"""A kernel that is forked from a warm process behaves as one that was started anew."""

import json
import os
import time

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

warm_kernels = pytest.importorskip("warm_kernels")  # `make live` has none

SEEN = """
import json, os, random, numpy, pandas
width = pandas.get_option("display.max_columns")
state = os.getcwd(), os.environ.get("MARK"), os.getpgid(0) == os.getpid(), width, random.random(), numpy.random.rand()
print(json.dumps(state))
"""


def run(kernel, code, is_interrupted=False):
    """Return what a cell prints and the names of its errors."""
    asked = kernel.execute_cell_input(code)
    if is_interrupted:
        time.sleep(0.5)
        kernel.interrupt()
    shown = []
    while True:
        message = kernel.get_message("iopub", timeout=30)
        if message["parent_header"].get("msg_id") == asked:
            content = message["content"]
            if content.get("execution_state") == "idle":
                return [text for text in shown if text]
            shown.append(content.get("text") or content.get("ename"))


@pytest.mark.skipif(warm_kernels.ADDRESS not in os.environ, reason="no process forks kernels here")
def test_forked_kernels_have_their_own_folder_variables_group_and_random_state_and_can_be_interrupted(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("MARK", "seen")
    kernels = [RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path)) for _ in range(2)]
    try:
        assert all(isinstance(kernel.km.provisioner.process, warm_kernels.ForkedKernel) for kernel in kernels)
        states = [json.loads(run(kernel, SEEN)[0]) for kernel in kernels]
        assert [state[:4] for state in states] == [[str(tmp_path), "seen", True, 20]] * 2
        assert states[0][4] != states[1][4]
        assert states[0][5] != states[1][5]
        assert run(kernels[0], "import time; time.sleep(30)", is_interrupted=True) == ["KeyboardInterrupt"]
    finally:
        for kernel in kernels:
            kernel.stop()
