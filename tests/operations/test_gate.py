"""Claims about the gate: what its interval promises, each of its outcomes, and that it decides nothing on broken runs."""

import importlib.util
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import llmops_utils.course.cli as command_line
from llmops_utils.core import ROOT, DataError, PromptError
from llmops_utils.datasets import INTENTS, Example
from llmops_utils.evaluation import Answer, Estimate, ExactMatch, evaluate
from llmops_utils.models import Provenance, Reply
from llmops_utils.operations import (
    TASKS,
    bound_flips,
    choose_outcome,
    decide,
    make_system,
    open_release,
    promote,
    run_gate,
)
from llmops_utils.prompts import Prompt, load_prompt, save_prompt

Z = 1.6448536269514722  # of the two-sided interval of 90 %

# --- the interval --------------------------------------------------------------------------------------------


def test_without_a_flip_the_interval_keeps_the_width_of_its_closed_form():
    for num in (5, 50, 112):
        found = bound_flips(0, 0, num)
        assert found.value == 0
        assert found.low == pytest.approx(-(Z**2) / (num + Z**2), abs=1e-6)
        assert found.high == pytest.approx(Z**2 / (num + Z**2), abs=1e-6)


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


def test_the_bounds_are_where_the_score_statistic_reaches_its_limit():
    for counts in ((7, 3, 50), (12, 30, 112), (18, 18, 104), (1, 9, 60)):
        found = bound_flips(*counts)
        assert compute_score_statistic(*counts, found.low) == pytest.approx(Z, abs=1e-3)
        assert compute_score_statistic(*counts, found.high) == pytest.approx(-Z, abs=1e-3)
    gained, lost = bound_flips(50, 0, 50), bound_flips(0, 50, 50)  # all flip one way: the interval ends at the edge
    assert (gained.value, gained.high, lost.value, lost.low) == (1, 1, -1, -1)
    assert gained.low == pytest.approx(-lost.high, abs=1e-7)
    assert 0 < gained.low < 1


# --- outcomes ------------------------------------------------------------------------------------------------


def test_the_interval_decides():
    wanted = {(-0.05, 0.2): "pass", (-0.2, -0.01): "regression", (-0.2, 0.1): "too few", (-0.05, -0.01): "regression"}
    assert {(low, high): choose_outcome(Estimate(0.5 * (low + high), low, high), 0.1) for low, high in wanted} == wanted


def make_report(name, scores, tokens=50):
    """Return a report whose answers have these scores, 0 or 1."""
    provenance = Provenance("fake", "here", "live")
    examples = [Example(str(place), str(place), "yes") for place in range(len(scores))]

    def answer(text):
        reply = Reply("yes" if scores[int(text)] else "no", tokens, 1, 0.1, 0.0, provenance)
        return Answer(reply.text, (reply,))

    return evaluate(answer, examples, ExactMatch(), name=name)


def test_an_equal_candidate_passes_with_enough_examples_and_not_with_few():
    enough = decide(make_report("a", [1] * 100), make_report("b", [1] * 100))
    assert enough.outcome == "pass"
    assert "<b>pass</b>: b is shown to lose less than the margin" in enough._repr_html_()
    assert "$0" not in enough._repr_html_()  # two of them would be set as mathematics
    few = decide(make_report("a", [1] * 10), make_report("b", [1] * 10))
    assert (few.outcome, few.num_needed) == ("too few", 25)  # the least n with z² / (n + z²) below 0.1
    assert "About 25 examples would tell" in few.reason
    assert "<b>too few</b>: b: a loss of more than the margin" in few._repr_html_()


def test_a_worse_candidate_is_a_regression_or_with_few_examples_told_that_more_would_not_help():
    decision = decide(make_report("a", [1] * 40), make_report("b", [1] * 28 + [0] * 12))
    assert decision.outcome == "regression"
    assert str(decision).startswith("REGRESSION. b against a: worse than production beyond chance: -30 points")
    worse = decide(make_report("a", [1, 1, 1, 0, 0]), make_report("b", [0, 1, 1, 0, 0]))
    assert (worse.outcome, worse.num_needed) == ("too few", None)
    assert "would not let it pass" in worse.reason


def test_a_better_candidate_beyond_the_budget_is_stopped_for_its_price():
    cheap, dear = make_report("a", [0, 1] * 30), make_report("b", [1] * 60, tokens=5000)
    decision = decide(cheap, dear, max_usd_per_1000=0.05)
    assert decision.outcome == "price"
    assert decide(cheap, dear).outcome == "pass"
    assert decision.usd_per_1000[1] == pytest.approx(dear.price_at("openai", "gpt-6-luna"))


def test_nothing_is_decided_on_broken_runs_copies_uncounted_tokens_and_limits_that_are_none():
    sound, free = make_report("a", [1] * 100), make_report("b", [1] * 100, tokens=0)
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
            decide(broken, broken)
    assert decide(sound, free).outcome == "pass"
    for uncounted in (free, spoil(prompt_tokens=-(10**9))):
        with pytest.raises(DataError, match="were not counted"):
            decide(sound, uncounted, max_usd_per_1000=0.05)
    for limit in (math.nan, math.inf, 0, -1):
        with pytest.raises(DataError, match="is no limit"):
            decide(sound, sound, max_usd_per_1000=limit)
    for margin in (0, 1, -0.1, math.nan):
        with pytest.raises(DataError, match="no margin"):
            decide(sound, sound, margin)


# --- the gate over a registry --------------------------------------------------------------------------------


class FakeModel:
    """Answers with the right intent where the prompt says so, and else with the first label."""

    name = "fake"

    def __init__(self, is_always_right=False):
        self.asked, self.is_always_right = [], is_always_right
        self.right = {example.input: example.expected for example in TASKS["intent"].load_examples("test")}

    def chat(self, messages, choices, max_tokens):
        self.asked.append(messages)
        is_good = self.is_always_right or messages[0]["content"] == "good"
        text = self.right[messages[-1]["content"]] if is_good else choices[0]
        return Reply(text, 20, 2, 0.1, 0.0, Provenance("fake", "here", "live"))


@pytest.fixture
def folder(tmp_path):
    """A registry: revision 1 is bad and in production, 2 is good, 3 is bad in other words."""
    for words in ("bad", "good", "worse"):
        save_prompt(Prompt("sort", instruction=words, input="{{ message }}", system=("instruction",)), tmp_path)
    open_release("sort", "intent", tmp_path)
    promote("sort", 1, tmp_path)
    return tmp_path


def test_the_gate_compares_the_candidate_with_production(folder):
    decision = run_gate("sort", FakeModel(), 2, folder, num=64)
    assert (decision.outcome, decision.comparison.num) == ("pass", 64)
    assert decision.comparison.baseline.name.endswith("(revision 1)")
    assert decision.comparison.candidate.score.value == 1
    promote("sort", 2, folder)
    assert run_gate("sort", FakeModel(), None, folder, num=64).outcome == "regression"


def test_the_candidate_may_be_a_model_with_the_present_prompt_or_with_another_one(folder):
    base, better = FakeModel(), FakeModel(is_always_right=True)
    decision = run_gate("sort", base, None, folder, num=64, new_model=better)
    assert decision.outcome == "pass"
    assert [report.name for report in (decision.comparison.baseline, decision.comparison.candidate)] == [
        f"{load_prompt('sort', 1, folder).label} on fake"
    ] * 2
    both = run_gate("sort", better, 3, folder, num=64, new_model=base)
    assert both.outcome == "regression"
    assert both.comparison.candidate.name.startswith(load_prompt("sort", 3, folder).label)
    with pytest.raises(PromptError, match="in production already"):
        run_gate("sort", base, None, folder, new_model=base)


def test_a_fixed_anchor_is_compared_with_whatever_is_in_production(folder):
    promote("sort", 3, folder)  # as bad as revision 1
    assert run_gate("sort", FakeModel(), 1, folder, num=64).outcome == "pass"
    decision = run_gate("sort", FakeModel(), 1, folder, num=64, against=2)
    assert decision.outcome == "regression"
    assert decision.comparison.baseline.name == load_prompt("sort", 2, folder).label
    with pytest.raises(PromptError, match="is the anchor itself"):
        run_gate("sort", FakeModel(), 2, folder, against=2)


def test_fresh_messages_are_those_after_the_ones_that_are_left_out(folder, monkeypatch):
    examples = TASKS["intent"].load_examples("test")
    for settings, num in ({"LLMOPS_MODE": "live"}, 8), ({"LLMOPS_MODE": "replay"}, 50):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        rows = run_gate("sort", FakeModel(), 2, folder, num=50, skip=100).comparison.candidate.rows
        assert [row.id for row in rows] == [example.id for example in examples[100 : 100 + num]]
    with pytest.raises(DataError):
        run_gate("sort", FakeModel(), 2, folder, skip=10_000)


def test_shots_belong_to_the_candidate_and_stay_with_what_is_in_production(folder):
    model = FakeModel()
    decision = run_gate("sort", model, 1, folder, num=64, new_shots=4)
    assert decision.comparison.candidate.name == load_prompt("sort", 1, folder).label + ", 4 shots"
    assert {len(messages) for messages in model.asked} == {2, 10}
    promote("sort", 2, folder, num_shots=4)
    model.asked.clear()
    run_gate("sort", model, 3, folder, num=64)
    assert {len(messages) for messages in model.asked} == {10}
    with pytest.raises(PromptError, match="in production already"):
        run_gate("sort", model, 2, folder, new_shots=4)


def test_examples_stand_before_the_message_as_turns_in_the_prompts_form():
    model = FakeModel()
    prompt = Prompt("sort", instruction="bad", input="<{{ message }}>", system=("instruction",))
    make_system(model, prompt, TASKS["intent"], 8)("hello")
    messages = model.asked[0]
    assert [message["role"] for message in messages] == ["system", *["user", "assistant"] * 8, "user"]
    assert {message["content"] for message in messages if message["role"] == "assistant"} == set(INTENTS)
    assert all(message["content"].startswith("<") for message in messages if message["role"] == "user")


def test_examples_go_round_the_labels_of_every_task():
    for task in TASKS.values():
        labels = [label for _, label in task.choose_shots(2 * len(task.labels))]
        assert [labels.count(wanted) for wanted in task.labels] == [2] * len(task.labels)
        assert task.load_examples("test")


def test_a_release_is_decided_on_all_its_examples_also_live(folder, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    num = len(TASKS["intent"].load_examples("test"))
    assert num > 100
    assert run_gate("sort", FakeModel(), 2, folder, asks_all=True).comparison.num == num
    assert run_gate("sort", FakeModel(), 2, folder).comparison.num == 8  # as all lessons do
    monkeypatch.setenv("LLMOPS_EXAMPLES", "16")
    assert run_gate("sort", FakeModel(), 2, folder, asks_all=True).comparison.num == 16


def test_what_the_gate_cannot_decide_is_refused(folder):
    with pytest.raises(PromptError, match="in production already"):
        run_gate("sort", FakeModel(), 1, folder)
    with pytest.raises(PromptError, match="has text"):
        make_system(FakeModel(), Prompt("sort", input="{{ text }}"), TASKS["intent"])
    open_release("sort", "weather", folder)
    with pytest.raises(DataError, match="“weather”"):
        run_gate("sort", FakeModel(), 2, folder)


# --- the command line ----------------------------------------------------------------------------------------


def run_command(monkeypatch, folder, *arguments):
    """Return the exit code of a command; an error of the package becomes its text."""
    monkeypatch.setattr(sys, "argv", ["llmops_utils", *arguments, "--folder", str(folder)])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    return ended.value.code


def test_the_command_ends_with_the_code_of_the_outcome(folder, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "load_production_model", lambda *place: FakeModel())
    assert run_command(monkeypatch, folder, "gate", "sort", "--candidate", "2", "--num", "64") == 0
    assert "PASS. sort" in capsys.readouterr().out
    assert run_command(monkeypatch, folder, "gate", "sort", "--num", "8") == 5
    open_release("sort", "intent", folder, max_usd_per_1000=1e-9)
    assert run_command(monkeypatch, folder, "gate", "sort", "--candidate", "2", "--num", "64") == 4
    for candidate, said in (("1", "in production already"), ("9", "no version 9")):
        assert said in run_command(monkeypatch, folder, "gate", "sort", "--candidate", candidate)
    promote("sort", 2, folder)
    assert run_command(monkeypatch, folder, "gate", "sort", "--num", "64") == 3
    fresh = ("--against", "1", "--skip", "64", "--shots", "2", "--num", "32")
    open_release("sort", "intent", folder)
    assert run_command(monkeypatch, folder, "gate", "sort", "--candidate", "3", *fresh) == 0


def test_promote_and_roll_back_are_one_command_each(folder, monkeypatch, capsys):
    for arguments, revision in ((["promote", "sort", "2"], 2), (["roll-back", "sort"], 1)):
        assert run_command(monkeypatch, folder, *arguments) == 0
        assert capsys.readouterr().out == f"In production: sort, revision {revision}.\n"
    assert "Neither a revision nor a model" in run_command(monkeypatch, folder, "promote", "sort")
    version = load_prompt("sort", 2, folder).version
    told = run_command(monkeypatch, folder, "promote", "sort", "3", "--replaces", version)
    assert f"was measured against {version}" in told
    assert run_command(monkeypatch, folder, "promote", "sort", "--shots", "4") == 0
    assert run_command(monkeypatch, folder, "roll-back", "sort") == 0
    capsys.readouterr()
    assert run_command(monkeypatch, folder, "promote", "sort", "--model", "smollm2-135m-instruct") == 0
    assert capsys.readouterr().out == "In production: sort, revision 1, on smollm2-135m-instruct.\n"


# --- what it catches: a small fixed version of benchmarks/gate.py --------------------------------------------


def test_over_simulated_pairs_bad_prompts_hardly_pass_and_good_ones_do_with_enough_examples():
    specification = importlib.util.spec_from_file_location("benchmark", ROOT / "benchmarks" / "gate.py")
    benchmark = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(benchmark)
    is_right = np.array([True] * 90 + [False] * 110)
    bad, naive = zip(*[(pair[0], pair[2]) for pair in benchmark.simulate_pairs(is_right, -0.1, 50, 150)], strict=True)
    assert bad.count("pass") <= 0.08 * 150
    assert np.mean(naive) > 0.5  # "no significant loss" waves most of the bad ones through
    good = {num: [pair[0] for pair in benchmark.simulate_pairs(is_right, 0.05, num, 150)] for num in (50, 200)}
    assert good[200].count("pass") >= 0.9 * 150
    assert good[50].count("pass") < good[200].count("pass")
    assert good[200].count("regression") <= 3
    with pytest.raises(ValueError, match="impossible"):
        benchmark.simulate_pairs(np.array([True, False, False, False]), -0.5, 50, 1)
