"""Claims about the measured table of a lesson: its sentences follow its numbers, stored and yours."""

from dataclasses import replace

import pytest
from fake_results import RESULT, make_comparison, write_results

from llmops_utils.evaluation import Measured, adjust_holm, results
from llmops_utils.evaluation.measured import correct_verdicts, tell_result

STORED = replace(RESULT, chapter="06_2", technique="few-shot", constant=0.2, chance=0.125)


@pytest.fixture(autouse=True)
def mode(monkeypatch, tmp_path):
    """Live, with a home and shipped results of its own; a function that changes the mode."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPS_MODE", "live")
    monkeypatch.setattr(results, "_measured_now", {})
    monkeypatch.setattr(results, "SHIPPED", tmp_path / "shipped")
    return lambda mode: monkeypatch.setenv("LLMOPS_MODE", mode)


def test_a_sentence_follows_its_result():
    told = tell_result(STORED)
    assert told.startswith("Few-shot on intent helps: 40% → 52%, +12 points [+4, +20], p = 0.003, n = 160 (fake).")
    worse = replace(STORED, verdict="hurts", score=0.1, low=0.05, difference=-0.3)
    assert tell_result(worse).startswith("Few-shot on intent hurts: 40% → 10%, -30 points")
    assert tell_result(worse).endswith("It is not shown to beat 20%, which takes no model.")
    unsure = replace(STORED, verdict="cannot tell")
    assert tell_result(unsure, 3).startswith("Whether few-shot on intent helps or hurts cannot be told")
    assert "p = 0.003 among 3 verdicts" in tell_result(unsure, 3)


def test_among_many_claims_a_weak_one_does_not_count():
    # Holm by hand: 0.01 * 4, 0.02 * 3, 0.03 * 2 (no smaller than the one before), 0.5 * 1.
    assert adjust_holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert adjust_holm([0.9, 0.8]) == [1.0, 1.0]
    weak = [replace(STORED, technique=f"technique {place}", p=0.03) for place in range(2)]
    assert [one.verdict for one in correct_verdicts(weak)] == ["cannot tell", "cannot tell"]
    assert [one.verdict for one in correct_verdicts(weak[:1])] == ["helps"]


def test_in_replay_the_stored_row_is_the_measured_one(mode):
    mode("replay")
    measured = Measured("06_2", chance=0.125)
    found = measured.add("few-shot", "intent", make_comparison())
    assert (found.chapter, found.chance, found.constant) == ("06_2", 0.125, 1.0)
    assert measured.stored == [found]
    assert measured.yours == []
    assert repr(measured).splitlines() == [tell_result(found)]
    assert "<th scope='col' style='text-align:left'>technique</th>" in measured._repr_html_()


def test_a_live_run_stands_beside_the_stored_one_and_says_what_it_cannot_decide(tmp_path):
    of_another_lesson = replace(STORED, chapter="06_1", technique="zero-shot")
    write_results(tmp_path / "shipped", "fake", STORED, of_another_lesson)
    write_results(tmp_path / "shipped", "bigger", replace(STORED, provenance="bigger (127.0.0.1), live"))
    measured = Measured("06_2")
    measured.add("few-shot", "intent", make_comparison(14))
    found = measured.add("few-shot", "intent", make_comparison(6))  # takes the place of the earlier one of its name
    assert [one.model for one in measured.stored] == ["fake", "bigger"]  # the model that was asked now comes first
    assert measured.yours == [found]
    lines = repr(measured).splitlines()
    assert lines[2] == f"Yours: {tell_result(found)}"
    assert lines[2].startswith("Yours: Whether few-shot on intent helps or hurts cannot be told")
    assert lines[3].startswith("16 examples decide little: a verdict needs at least 6 answers")
    assert "yours" in measured._repr_html_()
