"""What is logged of an evaluation, or by hand with Comet's own calls, is read back as it was. All runs are logged once."""

import csv
import json
import zipfile
from dataclasses import replace

import pytest

from llmops_utils.core import DataError
from llmops_utils.evaluation import Report, Row
from llmops_utils.prompts import load_prompt
from llmops_utils.tracking import list_runs, log_report, log_trace, record_trace, span, start_run
from llmops_utils.tracking.reports import MAX_TEXTS

ODD_TEXTS = ['a, "quoted"', "two\nlines", "NA", "007", "Füße – £5", "", "  spaces  ", "None"]
# Keys as they really are set, by the names of their variables; each stands in every text of the run “leaky”.
KEYS = {
    "OPENAI_API_KEY": "sk-verysecret0123456789",
    "AZURE_OPENAI_KEY": 'quoted"and\\slashed',
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG",
    "DB_PASSWORD": "pässwörter – Übung",
    "hf_token": "hugging face token",
    "SERVICE_URL": "https://ann:hunter2hunter@host.example/v1?api-key=queryqueryquery",
}
HIDDEN = [*list(KEYS.values())[:5], "hunter2hunter", "queryqueryquery"]
ALL_SAID = " | ".join([*HIDDEN, "half \ud83d"])


def make_report(name, right, num=8, **fields):
    rows = []
    for i, text in enumerate((ODD_TEXTS * 4)[:num]):
        rows.append(Row(f"m{i}", text, "repair", "repair" if right(i) else "delivery", float(bool(right(i))), **fields))
    return Report(name, tuple(rows), "Tiny-1B (abc123), replay of 2026-11-01", 2.5)


FEW = make_report(
    "few-shot", lambda i: i % 2, latency_s=0.25, prompt_tokens=30, completion_tokens=2, trace=[{"step": 1}]
)
ZERO = make_report("zero-shot", lambda i: i == 0)
PROMPT = load_prompt("classify_intent")
OWN = {"shots": 8, "described": True, "threshold": 0.5, "labels": ["a", "b"]}


def log_all():
    run = start_run("eight shots", tags=["intent"])
    log_report(run, FEW, prompt=PROMPT, data="customer_messages", split="dev", parameters=OWN)
    run.end()
    with pytest.raises(DataError, match="ended"):
        log_report(run, FEW)

    run = start_run("by hand")
    run.log_parameters({"temperature": 0.0, "model": "tiny", "losses": [2.5, 1.5]})
    run.log_text("Ärger", metadata={"kind": "note"})
    for value in (1, 2):
        run.log_asset_data({"a": value}, name="same.json")
    run.end()

    run = start_run("many, of unknown price")
    many = make_report("many", lambda i: 0, num=30, cost_usd=None)
    log_report(run, replace(many, rows=(replace(many.rows[0], prediction=object), *many.rows[1:]), num_resumed=1))
    start_run("zero shots")  # the run before is ended, and loses nothing
    assert run.ended
    log_report(start_run("zero shots"), ZERO)

    row = Row(ALL_SAID, ALL_SAID, ALL_SAID, {ALL_SAID: [ALL_SAID]}, 0.0, note=ALL_SAID, trace=[{ALL_SAID: ALL_SAID}])
    report = Report(ALL_SAID, (row, Row("b", "", "", None, 0.0)), ALL_SAID, 1.0)
    run = start_run(f"full of keys {ALL_SAID}", tags=[ALL_SAID])
    log_report(run, Report("failed", (Row("a", "", "", None, 0.0, error=ALL_SAID),), "", 1.0))
    prompt = PROMPT.replace(context=ALL_SAID)
    log_report(run, report, prompt=prompt, data=ALL_SAID, parameters={ALL_SAID: ALL_SAID})
    with record_trace(ALL_SAID) as root:
        span("tool")(lambda text: text)(ALL_SAID)
        span("tool")(lambda text: {text: (text,)})(ALL_SAID)
    assert [key for key in HIDDEN if key in repr(root) or repr(key)[1:-1] in repr(root)] == []
    log_trace(run, root)
    with pytest.raises(DataError, match="cannot be written as JSON"):
        log_report(run, Report("odd", (Row("a", "", "", {(1, 2): 3}, 0.0),), "", 1.0))
    run.end()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLMOPS_HOME", str(tmp_path_factory.mktemp("home")))
        for name, value in KEYS.items():
            patch.setenv(name, value)
        log_all()
        yield list_runs()


def test_everything_that_was_logged_of_a_report_is_read_back(runs):
    read = runs.find("eight shots")
    assert (read.project, read.tags, read.is_sent) == ("llmops-workbook", ("intent",), False)
    told = OWN | {"labels": "['a', 'b']", "prompt_revision": PROMPT.revision}
    assert told.items() <= read.parameters.items()
    assert (read.report, read.report.duration_s, read.prompt) == (FEW, 2.5, PROMPT)
    table = list(csv.DictReader(read.files["examples.csv"].decode().splitlines(keepends=True)))
    assert [row["input"] for row in table] == ODD_TEXTS
    assert read.texts[0].text == str(PROMPT.show())
    assert read.texts[0].metadata == {"kind": "prompt", "prompt": PROMPT.name, "version": PROMPT.version}
    assert [text.metadata["example"] for text in read.texts[1:]] == [row.id for row in FEW.rows]
    assert read.texts[2].text == "two\nlines\n→ repair\nexpected: repair"


def test_what_is_logged_with_comets_own_calls_is_read_back_runs_are_told_apart_and_odd_predictions_become_text(runs):
    read = runs.find("by hand")
    # comet_ml's own curr_step is none of ours
    assert read.parameters == {"temperature": 0.0, "model": "tiny", "losses": "[2.5, 1.5]"}
    assert [(text.text, text.metadata) for text in read.texts] == [("Ärger", {"kind": "note"})]
    assert json.loads(read.files["same.json"]) == {"a": 2}
    assert (read.report, read.prompt) == (None, None)
    read = runs.find("many, of unknown price")
    assert len(read.texts) == MAX_TEXTS
    assert "cost_usd" not in read.metrics  # an unknown price is no zero
    assert (read.report.rows[0].prediction, read.report.num_resumed) == ("<class 'object'>", 1)
    checksums = [runs.find(name).parameters["examples_checksum"] for name in ("eight shots", "zero shots", read.name)]
    assert checksums[0] == checksums[1] != checksums[2]
    both = [run for run in runs if run.name == "zero shots"]
    assert [len(run.metrics) > 0 for run in both] == [False, True]
    assert runs.find("zero shots").report == ZERO  # the latest of that name
    assert len(runs.keep_latest()) == len(runs) - 1


def test_no_key_of_any_shape_and_no_half_character_gets_into_an_archive_and_nothing_is_lost(runs):
    read = next(run for run in runs if run.name.startswith("full of keys"))
    with zipfile.ZipFile(read.path) as archive:
        everything = b"\n".join(archive.read(name) for name in archive.namelist()).decode()
    told = {key for key in HIDDEN if key in everything or json.dumps(key)[1:-1] in everything}
    assert told == set()
    hidden = " | ".join(["[key]"] * 7 + ["half \ufffd"])
    assert (read.report.rows[0].input, read.texts[0].text) == (hidden, f"\n→ {hidden}\nexpected: ")
    assert (read.tags, read.parameters[hidden], read.prompt.context) == ((hidden,), hidden, hidden)
    assert sorted(read.files) == ["examples.csv", "prompt.json", "report.json", "spans.json"]
