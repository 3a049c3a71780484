"""Claims about the evidence of the capstone: gathered from the archives, written as a whole, and refused when damaged."""

import json
import os
from dataclasses import replace

import pytest
from capstone_evidence import CANDIDATE, SHOTS, WORSE, make_evidence, make_report, make_run, make_runs

from llmops_utils.core import DataError
from llmops_utils.course.submissions import Submission, load_submission, make_submission, save_submission
from llmops_utils.prompts import Prompt
from llmops_utils.tracking import log_report, start_run
from llmops_utils.tracking.runs import Fault, list_runs

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
    whole = make_report("mine", "held", 42)
    part = replace(whole, rows=whole.rows[:4])
    runs = [make_run(f"mine {n}", "held", r, CANDIDATE, SHOTS, n) for n, r in enumerate((part, whole))]
    made = make_submission("ada", CANDIDATE, SHOTS, runs)
    assert made.find_run("held", CANDIDATE.version, SHOTS).name == "mine 1"


def test_a_run_that_was_never_ended_is_told(tmp_path):
    problem = Fault("mine, held", "The run “mine, held” was never ended.", "Call its end().")
    made = make_evidence(tmp_path, runs=make_runs()[:4], problems=(problem,))
    assert made.unread == ("mine, held: The run “mine, held” was never ended.",)


@pytest.mark.parametrize("learner", ["", "  ", "../ada", "ada lovelace", "a/b", "x" * 61, None, 7])
def test_a_name_that_cannot_be_that_of_a_file_is_refused(learner, tmp_path):
    with pytest.raises(DataError, match="cannot name a submission"):
        make_evidence(tmp_path, learner=learner)


def test_the_claims_say_what_the_held_back_run_says(tmp_path):
    claims = make_evidence(tmp_path).claims
    assert claims["score"] == 0.875
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
        (lambda c: c["runs"][0]["report"].update(provenance=7), "no provenance"),
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
