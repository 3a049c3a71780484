"""Claims about the capstone: parts that do not overlap, and a watch that can be repeated."""

from dataclasses import replace

import pytest
from capstone_evidence import make_report

from llmops_utils.core import DataError, PromptError
from llmops_utils.course.capstone import BRIEF, Watch, list_part_ids, load_part, load_plain, make_traffic, run_watch
from llmops_utils.evaluation import ChoiceMatch, evaluate
from llmops_utils.models import Model
from llmops_utils.operations import TASKS, make_system

# --- the parts -----------------------------------------------------------------------------------------------


def test_the_parts_share_no_message_hold_each_label_and_have_the_sizes_of_the_brief():
    examples = {part: load_part(part) for part in ("dev", "gate", "held")}
    parts = {part: {example.id for example in listed} for part, listed in examples.items()}
    assert [len(ids) for ids in parts.values()] == [BRIEF.num_dev, BRIEF.num_gate, BRIEF.num_held]
    assert not parts["gate"] & parts["held"]
    assert all(name.startswith("m-dev") for name in parts["dev"])
    assert all(name.startswith("m-test") for name in parts["gate"] | parts["held"])
    assert {part: list_part_ids(part) for part in parts} == parts
    for listed in examples.values():
        assert {example.expected for example in listed} == set(TASKS[BRIEF.task].labels)
    assert load_part("incident") == examples["gate"]
    with pytest.raises(DataError, match="no part “train”"):
        load_part("train")


def test_a_short_test_split_is_halved_and_the_ids_of_the_parts_stay(monkeypatch):
    before = {part: list_part_ids(part) for part in ("gate", "held")}
    for num in (8, 16, 100):
        monkeypatch.setenv("LLMOPS_EXAMPLES", str(num))
        gate, held = load_part("gate"), load_part("held")
        assert len(gate) >= 2
        assert 0 <= len(held) - len(gate) <= 1
        assert not {one.id for one in gate} & {one.id for one in held}
        assert {part: list_part_ids(part) for part in ("gate", "held")} == before


def test_a_prompt_without_the_message_is_refused_before_anything_is_asked():
    assert load_plain().variables == {"message"}
    blind = load_plain().replace(input="the message")
    with pytest.raises(PromptError, match=r"Write \{\{ message \}\}|has none"):
        make_system(None, blind, TASKS[BRIEF.task], 8)


# --- the watch -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reports():
    """What was usual, and the same messages under a prompt that says one thing."""
    return make_report("a", "gate", 36), make_report("b", "gate", 0, tokens=90, always="delivery")


def test_a_prompt_that_says_one_thing_raises_an_alarm_soon_and_one_that_changes_nothing_none(reports):
    usual, changed = reports
    sighting = run_watch(usual, changed, Watch())
    assert (sighting.delay, sighting.num_false, sighting.num_windows) == (100, 0, 100)
    assert "drift of the answers" in sighting.measures
    assert run_watch(usual, changed, Watch()) == sighting
    assert run_watch(usual, usual, Watch()).delay is None


def test_traffic_takes_answers_tokens_and_scores_from_the_rows(reports):
    usual, changed = reports
    traffic = make_traffic(usual, changed)
    assert [one.answer for one in traffic["production"]] == [row.prediction for row in usual.rows]
    assert {one.prompt_tokens for one in traffic["changed prompt"]} == {90}
    assert sum(one.score for one in traffic["production"]) == 36
    assert {one.cluster for one in traffic["production"]} <= {"kettle", "grinder", "scale", "none"}
    failed = replace(usual, rows=(replace(usual.rows[0], error="RateLimited", prediction=None), *usual.rows[1:]))
    assert make_traffic(failed, usual)["production"][0].answer == "none"
    with pytest.raises(DataError, match="not asked the same messages"):
        make_traffic(usual, make_report("b", "held", 36))


# --- what the course ships -----------------------------------------------------------------------------------


def test_with_the_default_model_the_plain_prompt_misses_the_brief():
    system = make_system(Model("13_capstone"), load_plain(), TASKS[BRIEF.task])
    report = evaluate(system, load_part("gate"), ChoiceMatch(TASKS[BRIEF.task].labels))
    assert report.score.value < BRIEF.min_score - 0.2
