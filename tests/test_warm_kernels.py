"""A kernel that is forked from a warm process behaves as one that was started anew."""

import json
import os

import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel

warm_kernels = pytest.importorskip("warm_kernels")  # `make live` has none

SEEN = """
import json, os, random, numpy, pandas
width = pandas.get_option("display.max_columns")
state = os.getcwd(), os.environ.get("MARK"), os.getpgid(0) == os.getpid(), width, random.random(), numpy.random.rand()
print(json.dumps(state))
"""


def read(kernel):
    """Return what a cell prints next, or the name of its error."""
    while True:
        content = kernel.get_message("iopub", timeout=30)["content"]
        if "text" in content or "ename" in content:
            return content.get("text") or content["ename"]


@pytest.mark.skipif(warm_kernels.ADDRESS not in os.environ, reason="no process forks kernels here")
def test_forked_kernels_have_their_own_folder_variables_group_and_random_state_and_can_be_interrupted(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("MARK", "seen")
    kernels = [RunningKernel(CURRENT_ENV_KERNEL_NAME, cwd=str(tmp_path)) for _ in range(2)]
    try:
        assert all(isinstance(kernel.km.provisioner.process, warm_kernels.ForkedKernel) for kernel in kernels)
        for kernel in kernels:
            kernel.execute_cell_input(SEEN)
        states = [json.loads(read(kernel)) for kernel in kernels]
        assert [state[:4] for state in states] == [[str(tmp_path), "seen", True, 20]] * 2
        assert states[0][4] != states[1][4]
        assert states[0][5] != states[1][5]
        kernels[0].execute_cell_input("import time; print('begun', flush=True); time.sleep(30)")
        assert read(kernels[0]).strip() == "begun"
        kernels[0].interrupt()
        assert read(kernels[0]) == "KeyboardInterrupt"
    finally:
        for kernel in kernels:
            kernel.stop()
