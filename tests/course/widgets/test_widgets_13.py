"""Claims about the board of the capstone: it shows what the evidence holds, names the next step, follows the work."""

import pytest
from capstone_evidence import make_evidence, make_runs

from llmops_utils.course.widgets.capstone_board import CapstoneBoard

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def evidence(tmp_path):
    """Evidence that grows: a list with the submission that the board reads."""
    return [make_evidence(tmp_path, runs=make_runs()[:2], release=None, watch=None)]


@pytest.fixture
def board(evidence):
    return CapstoneBoard(lambda: evidence[-1])


def read_bundle(shown):
    bundle = shown._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


def test_the_static_view_is_a_table_with_a_row_for_each_criterion(board):
    data = read_bundle(board)
    assert data["text/html"].startswith("<table")
    assert data["text/html"].count("<tr>") == 1 + 11
    assert data["text/html"].count("● done") == 3
    assert data["text/html"].count("○ open") == 8


def test_the_first_open_criterion_is_the_next_one(board):
    data = read_bundle(board)
    assert data["text/plain"] == (
        "Capstone dashboard: 3 of 11 criteria done, 20 of 100 points; next, order: Choose on dev first, then run 13.6."
    )
    assert data["text/html"].count("◀ next") == 1
    assert "○ open ◀ next</td><td style='text-align:left'>order" in data["text/html"]


def test_reading_again_follows_the_work(board, evidence, tmp_path):
    evidence.append(make_evidence(tmp_path))
    assert "3 of 11" in board.summary
    board.refresh.click()
    assert board.summary == "Capstone dashboard: 11 of 11 criteria done, 100 of 100 points; nothing is missing"
    assert "open" not in board.view.value
    assert "◀" not in read_bundle(board)["text/html"]


def test_the_menu_explains_one_criterion(board):
    board.menu.value = "gate"
    assert "<strong>Found:</strong> not both prompts were measured" in board.detail.value
    assert "<strong>Next:</strong> Run the gate (13.6)." in board.detail.value
    board.menu.value = "baseline"
    assert "Nothing: all its points are reached." in board.detail.value


def test_names_of_runs_are_no_markup(tmp_path):
    runs = make_runs()
    runs[0].__dict__["name"] = EVIL
    board = CapstoneBoard(lambda: make_evidence(tmp_path, runs=runs))
    assert "<script" not in board.static_html + board.view.value + board.detail.value
    assert "&lt;script&gt;" in board.static_html
