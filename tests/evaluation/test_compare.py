"""Claims about `compare`: paired by example, with a verdict that needs both p and interval."""

import html
import re
from dataclasses import replace

import pytest
from fake_results import make_report

from llmops_utils import evaluation
from llmops_utils.core import DataError

FEW, MANY = [1] * 4 + [0] * 12, [1] * 14 + [0] * 2


def test_a_candidate_that_gains_many_and_loses_none_helps_and_the_other_way_round_hurts():
    found = evaluation.compare(make_report(FEW, "plain"), make_report(MANY, "few-shot"))
    assert found.verdict == "helps"
    assert found.gained == tuple(f"e{number}" for number in range(4, 14))
    assert found.lost == ()
    assert found.p == evaluation.compute_mcnemar(FEW, MANY) == pytest.approx(2 * 0.5**10)
    assert found.difference == evaluation.estimate_difference(FEW, MANY)
    assert found.difference.value == pytest.approx(10 / 16)
    assert (found.num, found.price_ratio) == (16, 1.0)

    reverse = evaluation.compare(make_report(MANY), make_report(FEW))
    assert (reverse.verdict, reverse.gained, reverse.lost, reverse.p) == ("hurts", (), found.gained, found.p)


def test_a_verdict_needs_both_p_and_interval_and_too_little_to_tell_is_said_to_be_so():
    report, verdicts = make_report([1, 0]), {(0.01, 0.2, 0.04): "helps", (-0.2, -0.01, 0.04): "hurts"}
    unclear = [(0.0, 0.2, 0.04), (-0.2, 0.0, 0.04), (-0.1, 0.2, 0.04), (0.01, 0.2, 0.05), (-0.2, -0.01, 0.05)]
    for low, high, p in (*verdicts, *unclear, (0.01, 0.2, 0.3)):
        found = evaluation.Comparison(report, report, evaluation.Estimate((low + high) / 2, low, high), p, (), ())
        assert found.verdict == verdicts.get((low, high, p), "cannot tell")
    five_flips = ([0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1])
    for before, after in (five_flips, ([1, 0, 1], [1, 0, 1]), ([1, 0] * 20, [0, 1] * 20)):
        found = evaluation.compare(make_report(before, "plain"), make_report(after, "few-shot"))
        assert found.verdict == "cannot tell"
        assert "few-shot against plain: cannot tell at this n; " in str(found)
        assert "cannot tell at this n." in found._repr_html_()


def test_scores_between_are_compared_by_flipping_signs():
    before, after = [0.2, 0.4, 0.1, 0.6, 0.5, 0.3, 0.2, 0.1], [0.4, 0.6, 0.5, 0.7, 0.6, 0.3, 0.6, 0.9]
    found = evaluation.compare(make_report(before), make_report(after))
    assert found.p == evaluation.compute_sign_flip_p(before, after)
    assert found.verdict == "helps"
    assert found.gained == ("e0", "e1", "e2", "e3", "e4", "e6", "e7")
    mixed = evaluation.compare(make_report([0, 1, 0, 1]), make_report([0.5, 1, 0.5, 0.5]))
    assert mixed.p == evaluation.compute_sign_flip_p([0, 1, 0, 1], [0.5, 1, 0.5, 0.5])
    assert (mixed.gained, mixed.lost) == (("e0", "e2"), ("e3",))


def test_reports_on_other_examples_and_on_one_example_are_not_compared():
    report = make_report([1, 0, 1, 0])
    first, *others = report.rows
    changed = [replace(first, **{name: "another"}) for name in ("id", "input", "expected")]
    for rows in ([first], report.rows[::-1], *([one, *others] for one in changed)):
        with pytest.raises(DataError, match="were not run on the same examples"):
            evaluation.compare(report, replace(report, rows=tuple(rows)))
    with pytest.raises(DataError, match="no spread"):
        evaluation.compare(make_report([1]), make_report([0]))


def test_answers_that_never_came_are_no_wrong_answers_and_decide_nothing():
    usual = make_report([1] * 20, "usual")
    rows = [replace(row, score=0.0, prediction=None, error="Unreachable: no server") for row in usual.rows[:10]]
    down = replace(usual, name="down", rows=(*rows, *usual.rows[10:]))
    for pair in ((down, usual), (usual, down)):
        with pytest.raises(
            DataError, match=r"“down” failed with an error on 10 of 20 .* Unreachable: no server"
        ) as caught:
            evaluation.compare(*pair)
        assert "evaluate it again" in caught.value.next_step


def test_the_price_of_a_change_is_the_ratio_of_its_tokens():
    plain, free = make_report([1, 0]), make_report([1, 0], "rule", tokens=(0, 0))
    assert evaluation.compare(plain, make_report([1, 0], tokens=(340, 20))).price_ratio == pytest.approx(3.0)
    assert evaluation.compare(plain, free).price_ratio == 0.0
    against_free = evaluation.compare(free, make_report([0, 1], "model"))
    assert against_free.price_ratio is None
    assert against_free._repr_html_().endswith("1 examples gained, 1 lost.</div>")


def test_a_comparison_reads_as_one_line_and_its_html_is_escaped_and_counts_the_flips():
    found = evaluation.compare(make_report(FEW, "plain"), make_report(MANY, "few-shot"))
    low, high = round(100 * found.difference.low), round(100 * found.difference.high)
    assert str(found) == repr(found)
    assert str(found) == f"few-shot against plain: helps; +62 points [+{low}, +{high}], p = 0.002, n = 16"
    assert evaluation.format_points(evaluation.Estimate(-0.12, -0.2, 0.04)) == "-12 points [-20, +4]"
    told = ["p < 0.001", "p < 0.001", "p = 0.001", "p = 0.023", "p = 1"]
    assert [evaluation.format_p(p) for p in (0.0, 0.000999, 0.001, 0.0234, 1.0)] == told
    found = evaluation.compare(make_report([0, 1, 0], "<i>plain</i>"), make_report([1, 0, 1], "<script>few</script>"))
    shown = found._repr_html_()
    assert not re.search(r"<(i|script)>", shown)
    assert html.escape("<i>plain</i>") in shown
    assert "2 examples gained, 1 lost; 1.0 times the tokens." in shown
