"""Claims about what `make test` leaves out at home: files of tests that passed, as long as nothing changes."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def own(request):
    """The conftest at the top."""
    return request.config.pluginmanager.get_plugin(str(ROOT / "conftest.py"))


def test_a_file_that_passed_is_left_out_until_something_changes_and_never_in_ci(own, monkeypatch):
    module, notebook = ROOT / "tests" / "test_book.py", ROOT / "notebooks" / "00_start_here.ipynb"
    passed = {f"{path.relative_to(ROOT)}": own.make_fingerprint(path) for path in (module, notebook)}
    passed |= {"tests/test_start.py": "that of another state", "tests/test_readme.py": ""}
    config = SimpleNamespace(cache=SimpleNamespace(get=lambda name, default: passed), getoption=lambda *names: True)
    monkeypatch.delenv("CI", raising=False)
    assert own.find_unchanged(config) == {module, notebook}
    monkeypatch.setenv("CI", "1")
    assert own.find_unchanged(config) == set()


def test_each_file_that_git_does_not_leave_out_counts_and_without_git_nothing_is_left_out(own, monkeypatch, tmp_path):
    monkeypatch.setattr(own, "ROOT", tmp_path)
    hash_anew = own.hash_project.__wrapped__
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert hash_anew() == ""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    seen = [hash_anew()]
    for name in ("new.py", "data/new.toml", ".ci"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        seen.append(hash_anew())
    (tmp_path / "new.py").write_text("other.py")
    seen.append(hash_anew())
    assert len(set(seen)) == 5
    (tmp_path / "a.log").write_text("left out")
    assert hash_anew() == seen[-1]
