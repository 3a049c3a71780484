"""Claims about the evidence of the capstone: parts that do not overlap, a watch that can be repeated, a file that is whole."""

import json
import os
from dataclasses import replace

import pytest
from capstone_evidence import CANDIDATE, SHOTS, WORSE, make_evidence, make_report, make_run, make_runs

from llmops_utils.capstone import (
    BRIEF,
    Submission,
    Watch,
    list_part_ids,
    load_part,
    load_plain,
    load_submission,
    make_submission,
    make_traffic,
    run_watch,
    save_submission,
)
from llmops_utils.errors import DataError, PromptError
from llmops_utils.gate import TASKS, make_system
from llmops_utils.prompts import Prompt
from llmops_utils.runs import Problem, list_runs
from llmops_utils.tracking import log_report, start_run

# --- the parts -----------------------------------------------------------------------------------------------


def test_the_parts_share_no_message_and_have_the_sizes_of_the_brief():
    parts = {part: {example.id for example in load_part(part)} for part in ("dev", "gate", "held")}
    assert [len(ids) for ids in parts.values()] == [BRIEF.num_dev, BRIEF.num_gate, BRIEF.num_held]
    assert not parts["gate"] & parts["held"]
    assert all(name.startswith("m-dev") for name in parts["dev"])
    assert all(name.startswith("m-test") for name in parts["gate"] | parts["held"])
    assert {part: list_part_ids(part) for part in parts} == parts


def test_the_incident_is_asked_on_the_messages_of_the_gate():
    assert load_part("incident") == load_part("gate")


def test_each_part_holds_each_label():
    for part in ("dev", "gate", "held"):
        assert {example.expected for example in load_part(part)} == set(TASKS[BRIEF.task].labels)


@pytest.mark.parametrize("num", [8, 16, 100])
def test_a_short_test_split_is_halved_and_the_ids_of_the_parts_stay(num, monkeypatch):
    before = {part: list_part_ids(part) for part in ("gate", "held")}
    monkeypatch.setenv("LLMOPS_EXAMPLES", str(num))
    gate, held = load_part("gate"), load_part("held")
    assert len(gate) >= 2
    assert 0 <= len(held) - len(gate) <= 1
    assert not {one.id for one in gate} & {one.id for one in held}
    assert {part: list_part_ids(part) for part in ("gate", "held")} == before


def test_an_unknown_part_is_refused():
    with pytest.raises(DataError, match="no part “train”"):
        load_part("train")


def test_the_brief_is_a_table_for_the_eye():
    table = BRIEF.table
    assert list(table.columns) == ["what", "wanted"]
    assert f"at least {BRIEF.min_score:.0%}, on at least {BRIEF.least_held}" in list(table["wanted"])


def test_the_plain_prompt_is_one_that_the_gate_can_ask():
    assert load_plain().variables == {"message"}


def test_a_prompt_without_the_message_is_refused_before_anything_is_asked():
    blind = load_plain().replace(input="the message")
    with pytest.raises(PromptError, match=r"Write \{\{ message \}\}|has none"):
        make_system(None, blind, TASKS[BRIEF.task], 8)


# --- the watch -----------------------------------------------------------------------------------------------


def test_a_prompt_that_says_one_thing_raises_an_alarm_soon():
    usual, changed = make_report("a", "gate", 36), make_report("b", "gate", 0, always="delivery")
    sighting = run_watch(usual, changed, Watch())
    assert (sighting.delay, sighting.num_false, sighting.num_windows) == (100, 0, 100)
    assert "drift of the answers" in sighting.measures


def test_a_change_that_changes_nothing_raises_none():
    usual = make_report("a", "gate", 36)
    assert run_watch(usual, usual, Watch()).delay is None


def test_the_same_reports_give_the_same_sighting_and_a_jumpy_rule_false_alarms():
    usual, changed = make_report("a", "gate", 36), make_report("b", "gate", 0, always="delivery")
    assert run_watch(usual, changed, Watch(seed=3)) == run_watch(usual, changed, Watch(seed=3))
    assert run_watch(usual, changed, Watch(quantile=0.9, in_a_row=1)).num_false > 10


def test_traffic_takes_answers_tokens_and_scores_from_the_rows():
    usual, changed = make_report("a", "gate", 36), make_report("b", "gate", 0, tokens=90)
    traffic = make_traffic(usual, changed)
    assert [one.answer for one in traffic["production"]] == [row.prediction for row in usual.rows]
    assert {one.prompt_tokens for one in traffic["changed prompt"]} == {90}
    assert sum(one.score for one in traffic["production"]) == 36
    assert {one.cluster for one in traffic["production"]} <= {"kettle", "grinder", "scale", "none"}


def test_a_failed_row_counts_as_no_answer():
    report = make_report("a", "gate", 36)
    failed = replace(report, rows=(replace(report.rows[0], error="RateLimited", prediction=None), *report.rows[1:]))
    assert make_traffic(failed, report)["production"][0].answer == "none"


def test_reports_on_different_messages_make_no_traffic():
    with pytest.raises(DataError, match="not asked the same messages"):
        make_traffic(make_report("a", "gate", 36), make_report("b", "held", 36))


# --- gathering -----------------------------------------------------------------------------------------------


def test_runs_are_read_from_real_archives(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    report = make_report("mine", "dev", 30)
    run = start_run("mine", project="capstone-test")
    log_report(run, report, prompt=CANDIDATE, parameters={"part": "dev", "shots": SHOTS})
    run.end()
    run = start_run("a note, no evaluation", project="capstone-test")
    run.end()
    made = make_submission("ada", CANDIDATE, SHOTS, list_runs(project="capstone-test"))
    assert [(run.name, run.part, run.num_shots) for run in made.runs] == [("mine", "dev", SHOTS)]
    assert made.runs[0].load_report().rows == report.rows
    assert made.runs[0].load_prompt().version == CANDIDATE.version


def test_of_equal_runs_the_first_counts():
    runs = make_runs()
    again = make_run("mine", "dev", make_report("mine", "dev", 34), CANDIDATE, SHOTS, 99)
    made = make_submission("ada", CANDIDATE, SHOTS, [*runs, again])
    assert [run.started_ms for run in made.runs] == [1, 2, 3, 4, 5, 6]


def test_of_runs_with_other_sizes_the_largest_counts():
    whole = make_report("mine", "held", 54)
    part = replace(whole, rows=whole.rows[:4])
    runs = [make_run(f"mine {n}", "held", r, CANDIDATE, SHOTS, n) for n, r in enumerate((part, whole))]
    made = make_submission("ada", CANDIDATE, SHOTS, runs)
    assert made.find_run("held", CANDIDATE.version, SHOTS).name == "mine 1"


def test_a_run_that_was_never_ended_is_told(tmp_path):
    problem = Problem("mine, held", "The run “mine, held” was never ended.", "Call its end().")
    made = make_evidence(tmp_path, runs=make_runs()[:4], problems=(problem,))
    assert made.unread == ("mine, held: The run “mine, held” was never ended.",)


@pytest.mark.parametrize("learner", ["", "  ", "../ada", "ada lovelace", "a/b", "x" * 61, None, 7])
def test_a_name_that_cannot_be_that_of_a_file_is_refused(learner, tmp_path):
    with pytest.raises(DataError, match="cannot name a submission"):
        make_evidence(tmp_path, learner=learner)


def test_the_claims_say_what_the_held_back_run_says(tmp_path):
    claims = make_evidence(tmp_path).claims
    assert claims["score"] == 0.9
    assert claims["version"] == CANDIDATE.version
    assert (claims["latency_p50_s"], claims["latency_p95_s"]) == (0.12, 0.14)
    assert claims["usd_per_1000"] == pytest.approx(
        make_report("", "held", 0).price_at("openai", "gpt-6-luna"), abs=1e-6
    )
    assert make_evidence(tmp_path, runs=make_runs()[:2]).claims == {}


# --- the file ------------------------------------------------------------------------------------------------


def test_a_submission_comes_back_as_it_was(tmp_path):
    made = make_evidence(tmp_path / "registry")
    path = save_submission(made, tmp_path)
    assert path == tmp_path / "ada.json"
    assert load_submission(path) == made
    assert sorted(one.name for one in tmp_path.iterdir()) == ["ada.json", "registry"]


def test_without_a_folder_it_lies_in_the_learners_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    assert save_submission(make_evidence(tmp_path / "registry")) == tmp_path / "capstone" / "ada.json"


def test_a_disk_that_fails_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = save_submission(make_evidence(tmp_path / "registry"), tmp_path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="full"):
        save_submission(make_evidence(tmp_path / "registry", num_shots=4, release=None), tmp_path)
    assert path.read_bytes() == before


def test_the_file_holds_no_key_and_no_path(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "pretend-key-0123456789")
    runs = make_runs()
    report = runs[1].report
    row = replace(report.rows[0], error=f"OSError: {tmp_path}/x is not there", prediction="pretend-key-0123456789")
    vars(runs[1])["report"] = replace(report, rows=(row, *report.rows[1:]))
    text = save_submission(make_evidence(tmp_path / "registry", runs=runs), tmp_path).read_text(encoding="utf-8")
    assert "pretend-key" not in text
    assert str(tmp_path) not in text
    assert '"error": "OSError"' in text
    assert "[key]" in text


def edit(tmp_path, change):
    """Return a file whose content was changed after it was written."""
    path = save_submission(make_evidence(tmp_path / "registry"), tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(edition=2), "of edition 2, and this course reads edition 1"),
        (lambda c: c.pop("edition"), "of edition None"),
        (lambda c: c.update(format="something"), "no submission of the capstone"),
        (lambda c: c.pop("runs"), "damaged at runs"),
        (lambda c: c.update(extra=1), "damaged at extra"),
        (lambda c: c["runs"][0].update(part="train"), "damaged at runs → 0 → part"),
        (lambda c: c["runs"][0]["report"].pop("rows"), "cannot be read"),
        (lambda c: c["runs"][0]["report"].update(rows=[]), "has no rows"),
        (lambda c: c["runs"][0]["report"]["rows"][0].update(score="all"), "a row of the run “plain” is none"),
        (lambda c: c["runs"][0]["report"]["rows"][0].update(latency_s=-1), "a row of the run “plain” is none"),
        (lambda c: c["runs"][0]["report"]["rows"][0].update(prompt_tokens=float("inf")), "a row of the run"),
        (lambda c: c["prompt"].update(instruction="{{ mess"), "is no template"),
        (lambda c: c["prompt"].update(colour="red"), "holds colour"),
        (lambda c: c["prompt"].pop("name"), "holds no name"),
        (lambda c: c["runs"][2].update(prompt={}), "holds no name"),
        (lambda c: c["release"].update(history=[{"action": "dance"}]), "damaged at release → history → 0"),
        (lambda c: c["watch"].update(size=3), "damaged at watch → size"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(change, said, tmp_path):
    with pytest.raises(DataError) as raised:
        load_submission(edit(tmp_path, change))
    assert raised.value.problem.startswith("ada.json")
    assert said in raised.value.problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON, or cut off"),
        (b'{"format": "llmops capstone", "edition": 1, "runs": [', "no JSON, or cut off"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[1, 2]", "no submission of the capstone"),
        (b"null", "no submission of the capstone"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_another_file_is_refused_by_name(content, said, tmp_path):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"other.json .*{said}|{said}"):
        load_submission(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no file gone\.json"):
        load_submission(tmp_path / "gone.json")


def test_the_prompt_of_the_incident_is_kept_with_its_text(tmp_path):
    made = make_evidence(tmp_path)
    assert made.find_run("incident").load_prompt().version == WORSE.version
    assert isinstance(made, Submission)
    assert isinstance(made.load_prompt(), Prompt)
