"""Claims about the error tree: each error says what happened and what to do next, and shows no stack."""

import os
import pickle
import subprocess
import sys

from llmops_utils.core import errors
from llmops_utils.core.errors import ProviderError, WorkbookError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


def test_every_error_says_what_happened_and_what_to_do_without_a_stack():
    assert len(KINDS) >= 20
    for kind in KINDS:
        assert issubclass(kind, WorkbookError)
        error = pickle.loads(pickle.dumps(kind("The file is gone.", "Restore it.")))
        assert type(error) is kind
        assert [error.problem, error.next_step] == ["The file is gone.", "Restore it."]
        assert str(error) == "The file is gone.\nWhat to do: Restore it."
        lines = [f"{kind.__name__}: The file is gone.", "What to do: Restore it."]
        assert error._render_traceback_() == lines
        if issubclass(kind, ProviderError):
            assert pickle.loads(pickle.dumps(kind("It failed.", "Wait.", 503))).status == 503


def test_an_error_that_quotes_a_key_shows_none_and_one_of_half_a_character_can_be_printed(monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "correct horse battery")
    error = WorkbookError("The run “correct horse battery” failed.", "Rename sk-verysecret0123456789.")
    assert [error.problem, error.next_step] == ["The run “[key]” failed.", "Rename [key]."]
    assert "horse" not in repr(error)
    assert str(WorkbookError("There is no “\ud83d”.", "Mend \udcff.")).encode().decode().count("\ufffd") == 2


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
