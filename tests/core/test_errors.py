"""Claims about the error tree: each error says what happened and what to do next, and shows no stack."""

import os
import pickle
import subprocess
import sys

import pytest

from llmops_utils.core import errors
from llmops_utils.core.errors import ProviderError, WorkbookError


def list_tree(root):
    return [root, *(found for child in root.__subclasses__() for found in list_tree(child))]


TREE = sorted(
    {kind for kind in list_tree(WorkbookError) if kind.__module__ == errors.__name__}, key=lambda k: k.__name__
)


@pytest.fixture(params=TREE, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_all_errors_of_the_module_are_in_the_tree():
    in_module = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == errors.__name__
    }
    assert in_module == set(TREE)
    assert len(TREE) >= 20


def test_every_error_has_a_docstring_of_its_own(kind):
    assert "__doc__" in vars(kind)
    assert kind.__doc__.strip().split("\n")[0].endswith(".")


def test_every_error_carries_problem_and_next_step(kind):
    error = kind("The file is gone.", "Restore it.")
    assert error.problem == "The file is gone."
    assert error.next_step == "Restore it."


def test_the_text_of_every_error_holds_both(kind):
    assert str(kind("The file is gone.", "Restore it.")) == "The file is gone.\nWhat to do: Restore it."


def test_every_error_renders_as_two_lines_without_a_stack(kind):
    try:
        raise kind("The file is gone.", "Restore it.")
    except WorkbookError as error:
        lines = error._render_traceback_()
    assert lines == [f"{kind.__name__}: The file is gone.", "What to do: Restore it."]


def test_no_error_can_be_made_without_a_next_step(kind):
    with pytest.raises(TypeError):
        kind("The file is gone.")


def test_every_error_survives_a_process_boundary(kind):
    error = pickle.loads(pickle.dumps(kind("The file is gone.", "Restore it.")))
    assert type(error) is kind
    assert [error.problem, error.next_step] == ["The file is gone.", "Restore it."]


@pytest.mark.parametrize("kind", list_tree(ProviderError), ids=lambda kind: kind.__name__)
def test_errors_of_a_provider_carry_the_status(kind):
    assert kind("It failed.", "Wait.", 503).status == 503
    assert kind("No answer.", "Wait.").status is None
    assert pickle.loads(pickle.dumps(kind("It failed.", "Wait.", 503))).status == 503


def test_ipython_shows_the_two_lines_and_no_stack(tmp_path):
    code = (
        "from llmops_utils.core.errors import DataError\n"
        "def read_a_broken_file():\n"
        "    raise DataError('Line 3 is broken.', 'Restore it.')\n"
        "read_a_broken_file()\n"
    )
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "--HistoryManager.enabled=False", "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=os.environ | {"IPYTHONDIR": str(tmp_path)}
    )
    shown = (done.stdout + done.stderr).strip()
    assert shown == "DataError: Line 3 is broken.\nWhat to do: Restore it."
