"""Claims about the gate: what its interval promises, each of its outcomes, and that it decides nothing on broken runs."""

import math
import sys
from dataclasses import replace

import pytest
from fake_results import make_report
from scipy.optimize import minimize_scalar

import llmops_utils.course.cli as command_line
from llmops_utils import operations
from llmops_utils.core import DataError, PromptError
from llmops_utils.evaluation import Estimate
from llmops_utils.models import Provenance, Reply
from llmops_utils.prompts import Prompt, load_prompt, save_prompt

Z = 1.6448536269514722  # of the two-sided interval of 90 %


def compute_score_statistic(num_gained, num_lost, num, delta):
    """Tango's statistic, its nuisance parameter found by maximising the likelihood numerically."""
    num_same = num - num_gained - num_lost

    def lose(share_lost):
        shares = (share_lost + delta, share_lost, 1 - 2 * share_lost - delta)
        counts = (num_gained, num_lost, num_same)
        return -sum(count * math.log(share) for count, share in zip(counts, shares, strict=True) if count)

    low, high = max(0.0, -delta) + 1e-9, (1 - delta) / 2 - 1e-9
    share_lost = minimize_scalar(lose, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    variance = num * (2 * share_lost + delta - delta**2)
    return (num_gained - num_lost - num * delta) / math.sqrt(variance)


def test_the_bounds_are_where_the_score_statistic_reaches_its_limit_and_without_a_flip_those_of_a_closed_form():
    for num in (5, 50, 112):
        found, reach = operations.bound_flips(0, 0, num), Z**2 / (num + Z**2)
        assert (found.low, found.value, found.high) == pytest.approx((-reach, 0, reach), abs=1e-6)
    for counts in ((7, 3, 50), (12, 30, 112), (18, 18, 104), (1, 9, 60)):
        found = operations.bound_flips(*counts)
        assert compute_score_statistic(*counts, found.low) == pytest.approx(Z, abs=1e-3)
        assert compute_score_statistic(*counts, found.high) == pytest.approx(-Z, abs=1e-3)
    gained, lost = (
        operations.bound_flips(50, 0, 50),
        operations.bound_flips(0, 50, 50),
    )  # all flip one way: the interval ends at the edge
    assert (gained.value, gained.high, lost.value, lost.low) == (1, 1, -1, -1)
    assert 0 < gained.low == pytest.approx(-lost.high, abs=1e-7)


def test_the_interval_decides():
    wanted = {(-0.05, 0.2): "pass", (-0.2, -0.01): "regression", (-0.2, 0.1): "too few", (-0.05, -0.01): "regression"}
    assert {
        (low, high): operations.choose_outcome(Estimate(0.5 * (low + high), low, high), 0.1) for low, high in wanted
    } == wanted


def test_each_outcome_is_told_with_its_figures():
    for before, after, outcome, said in (
        ([1] * 100, [1] * 100, "pass", ": b is shown to lose less than the margin of 10 points: +0 points"),
        ([1] * 10, [1] * 10, "too few", "About 25 examples would tell"),  # the least n with z² / (n + z²) below 0.1
        ([1, 1, 1, 0, 0], [0, 1, 1, 0, 0], "too few", ": b: a loss of more than the margin"),
        ([1, 1, 1, 0, 0], [0, 1, 1, 0, 0], "too few", "would not let it pass"),
        ([1] * 40, [1] * 28 + [0] * 12, "regression", ": b is worse than production beyond chance: -30 points"),
    ):
        decision = operations.decide(make_report(before, "a"), make_report(after, "b"))
        shown = decision._repr_html_()
        assert (decision.outcome, f"<b>{outcome}</b>" in shown, said in shown) == (outcome, True, True), shown
        assert "$0" not in shown  # two of them would be set as mathematics
        assert str(decision) == f"{outcome.upper()}. b against a: {decision.reason}"


def test_a_better_candidate_beyond_the_budget_is_stopped_for_its_price():
    cheap, dear = make_report([0, 1] * 30, "a"), make_report([1] * 60, "b", tokens=(5000, 1))
    decision = operations.decide(cheap, dear, max_usd_per_1000=0.05)
    assert decision.outcome == "price"
    assert operations.decide(cheap, dear).outcome == "pass"
    assert decision.usd_per_1000[1] == pytest.approx(dear.price_at("openai", "gpt-6-luna"))


def test_nothing_is_decided_on_broken_runs_copies_uncounted_tokens_and_limits_that_are_none():
    sound, free = make_report([1] * 100, "a"), make_report([1] * 100, "b", tokens=(0, 1))
    first, *others = sound.rows

    def spoil(**changes):
        return replace(sound, rows=(replace(first, **changes), *others))

    for broken, said in (
        (spoil(error="the line broke", score=0.0), r"“a” failed with an error on 1 of 100 examples.*the line broke"),
        (spoil(score=0.5), "neither 0 nor 1"),
        (spoil(id=others[0].id), "one example more than once"),
        (spoil(input=others[0].input), "one example more than once"),
    ):
        with pytest.raises(DataError, match=said):
            operations.decide(broken, broken)
    assert operations.decide(sound, free).outcome == "pass"
    for uncounted in (free, spoil(prompt_tokens=-(10**9))):
        with pytest.raises(DataError, match="were not counted"):
            operations.decide(sound, uncounted, max_usd_per_1000=0.05)
    for limit in (math.nan, math.inf, 0, -1):
        with pytest.raises(DataError, match="is no limit"):
            operations.decide(sound, sound, max_usd_per_1000=limit)
    for margin in (0, 1, -0.1, math.nan):
        with pytest.raises(DataError, match="no margin"):
            operations.decide(sound, sound, margin)


RIGHT = {example.input: example.expected for example in operations.TASKS["intent"].load_examples("test")}


class FakeModel:
    """Answers with the right intent where the prompt says so, and else with the first label."""

    name = "fake"

    def chat(self, messages, choices, max_tokens):
        text = RIGHT[messages[-1]["content"]] if messages[0]["content"] == "good" else choices[0]
        return Reply(text, 20, 2, 0.1, 0.0, Provenance("fake", "here", "live"))


@pytest.fixture
def folder(tmp_path):
    """A registry: revision 1 is bad and in production, 2 is good, 3 is bad in other words."""
    for words in ("bad", "good", "worse"):
        save_prompt(Prompt("sort", instruction=words, input="{{ message }}", system=("instruction",)), tmp_path)
    operations.open_release("sort", "intent", tmp_path)
    operations.promote("sort", 1, tmp_path)
    return tmp_path


def test_the_examples_of_each_task_go_round_its_labels():
    for task in operations.TASKS.values():
        labels = [label for _, label in task.choose_shots(2 * len(task.labels))]
        assert [labels.count(wanted) for wanted in task.labels] == [2] * len(task.labels)
        assert task.load_examples("test")


def test_a_release_is_decided_on_all_its_examples_also_live_where_a_trial_takes_eight_after_those_left_out(
    folder, monkeypatch
):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    examples = operations.TASKS["intent"].load_examples("test", 10_000)
    assert operations.run_gate("sort", FakeModel(), 2, folder, asks_all=True).comparison.num == len(examples) > 100
    rows = operations.run_gate("sort", FakeModel(), 2, folder, num=50, skip=100).comparison.candidate.rows
    assert [row.id for row in rows] == [example.id for example in examples[100:108]]
    monkeypatch.setenv("LLMOPS_EXAMPLES", "16")
    assert operations.run_gate("sort", FakeModel(), 2, folder, asks_all=True).comparison.num == 16


def test_what_the_gate_cannot_decide_is_refused(folder):
    model = FakeModel()
    for options, said in (({}, "in production already"), ({"new_model": model}, "in production already")):
        with pytest.raises(PromptError, match=said):
            operations.run_gate("sort", model, 1, folder, **options)
    with pytest.raises(PromptError, match="is the anchor itself"):
        operations.run_gate("sort", model, 2, folder, against=2)
    with pytest.raises(DataError):
        operations.run_gate("sort", model, 2, folder, skip=10_000)
    with pytest.raises(PromptError, match="has text"):
        operations.make_system(model, Prompt("sort", input="{{ text }}"), operations.TASKS["intent"])
    operations.promote("sort", 2, folder, num_shots=4)
    with pytest.raises(PromptError, match="in production already"):
        operations.run_gate("sort", model, 2, folder, new_shots=4)
    operations.open_release("sort", "weather", folder)
    with pytest.raises(DataError, match="“weather”"):
        operations.run_gate("sort", model, 2, folder)


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Return what runs a command on `sort` and gives its exit code, an error's text in its place, and its output."""

    def call(command, *arguments):
        monkeypatch.setattr(sys, "argv", ["llmops_utils", command, "sort", *arguments, "--folder", str(folder)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return ended.value.code, capsys.readouterr().out

    return call


def test_the_command_ends_with_the_code_of_the_outcome(folder, run, monkeypatch):
    monkeypatch.setattr(command_line, "load_production_model", lambda *place: FakeModel())
    code, told = run("gate", "--candidate", "2", "--num", "64")
    assert (code, "PASS. sort" in told) == (0, True)
    assert run("gate", "--num", "8")[0] == 5
    operations.open_release("sort", "intent", folder, max_usd_per_1000=1e-9)
    assert run("gate", "--candidate", "2", "--num", "64")[0] == 4
    for candidate, said in (("1", "in production already"), ("9", "no version 9")):
        assert said in run("gate", "--candidate", candidate)[0]
    operations.promote("sort", 2, folder)
    assert run("gate", "--num", "64")[0] == 3
    operations.open_release("sort", "intent", folder)
    assert run("gate", "--candidate", "3", "--against", "1", "--skip", "64", "--shots", "2", "--num", "32")[0] == 0


def test_promote_and_roll_back_are_one_command_each(folder, run):
    for arguments, revision in ((["promote", "2"], 2), (["roll-back"], 1)):
        assert run(*arguments) == (0, f"In production: sort, revision {revision}.\n")
    assert "Neither a revision nor a model" in run("promote")[0]
    version = load_prompt("sort", 2, folder).version
    assert f"was measured against {version}" in run("promote", "3", "--replaces", version)[0]
    assert (run("promote", "--shots", "4")[0], run("roll-back")[0]) == (0, 0)
    told = "In production: sort, revision 1, on smollm2-135m-instruct.\n"
    assert run("promote", "--model", "smollm2-135m-instruct") == (0, told)
