"""Claims about the evidence of the capstone: gathered from the archives, written as a whole, and refused when damaged."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from capstone_evidence import CANDIDATE, know, make_evidence, make_report, make_run, make_runs

from llmops_utils.core import DataError
from llmops_utils.course.submissions import load_submission, make_submission, save_submission
from llmops_utils.tracking import list_runs, log_report, start_run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The learner's own folder."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    return tmp_path


# --- gathering -----------------------------------------------------------------------------------------------


def test_runs_are_read_from_real_archives():
    report = make_report("mine", "dev", CANDIDATE, know)
    run = start_run("mine", project="capstone-test")
    log_report(run, report, parameters={"part": "dev", "choices": CANDIDATE.model_dump_json()})
    run.end()
    run = start_run("a note, no evaluation", project="capstone-test")
    run.end()
    (run,) = make_submission("ada", CANDIDATE, list_runs(project="capstone-test")).runs
    assert (run.name, run.part, run.choices) == ("mine", "dev", CANDIDATE)
    assert run.report.rows == report.rows


def test_of_equal_runs_the_first_counts_and_what_cannot_be_read_is_told(home):
    again = make_run("mine", "dev", CANDIDATE, know, 99)
    problem = SimpleNamespace(where="mine, held", problem="The run “mine, held” was never ended.")
    made = make_evidence(home, runs=[*make_runs(), again], problems=(problem,))
    assert made.unread == ("mine, held: The run “mine, held” was never ended.",)
    assert [run.started_ms for run in made.runs] == [1, 2, 3, 4, 5, 6, 7]


def test_a_name_that_cannot_be_that_of_a_file_is_refused(home):
    for learner in ("", "  ", "../ada", "ada lovelace", "x" * 61, "ada\n", 7, None):
        with pytest.raises(DataError, match="cannot name a submission"):
            make_evidence(home, learner=learner, runs=[], release=None)


# --- the file ------------------------------------------------------------------------------------------------


def test_the_file_holds_no_key_and_no_path(home, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "pretend-key-0123456789")
    runs = make_runs()
    report = runs[1].report
    row = replace(report.rows[0], error=f"OSError: {home}/x is not there", prediction="pretend-key-0123456789")
    runs[1].report = replace(report, rows=(row, *report.rows[1:]))
    text = save_submission(make_evidence(home / "registry", runs=runs)).read_text(encoding="utf-8")
    assert "pretend-key" not in text
    assert str(home) not in text
    assert '"error": "OSError"' in text
    assert "[key]" in text


def set_row(content, **changes):
    content["runs"][0]["report"]["rows"][0].update(changes)


DAMAGE = (
    (lambda c: c.update(edition=2), "was made with another version of the course"),
    (lambda c: c.update(data="0123456789ab"), "or with other messages or handbook pages"),
    (lambda c: c.update(format="something"), "no submission of the capstone"),
    (lambda c: c.update(extra=1), "damaged at extra"),
    (lambda c: c["runs"][0]["report"].update(rows=[]), "it has no rows"),
    (lambda c: set_row(c, score="all"), "damaged at runs → 0 → report → rows → 0 → score"),
    (lambda c: set_row(c, latency_s=float("inf")), "a number of the row c-dev-001 is out of range"),
    (lambda c: set_row(c, score=float("nan")), "a number of the row c-dev-001 is out of range"),
    (lambda c: set_row(c, prompt_tokens=float("inf")), "damaged at runs → 0 → report → rows → 0 → prompt_tokens"),
    (lambda c: c["choices"]["prompt"].update(instruction="{{ mess"), "is no template"),
    (lambda c: c["release"].update(history=[{"action": "dance"}]), "damaged at release → history → 0"),
    (lambda c: c["release"]["history"].pop(1), "damaged at release → history: Value error, entry 3 of the history"),
)


def test_a_submission_comes_back_as_it_was_and_a_damaged_file_is_named_with_the_place(home):
    made = make_evidence(home / "registry")
    path = save_submission(made)
    assert path == home / "capstone" / "ada.json"
    assert load_submission(path) == made
    sound = path.read_text(encoding="utf-8")
    for change, said in DAMAGE:
        content = json.loads(sound)
        change(content)
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(DataError) as raised:
            load_submission(path)
        assert raised.value.problem.startswith("ada.json")
        assert said in raised.value.problem
    path = home / "other.json"
    with pytest.raises(DataError, match=r"other\.json cannot be read"):
        load_submission(path)
    for content, said in (
        (b'{"format": "llmops capstone", "edition": 3, "runs": [', "is not JSON"),
        (b"[1, 2]", "is no submission of the capstone"),
        (b"null", "is no submission of the capstone"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"other\.json {said}"):
            load_submission(path)
