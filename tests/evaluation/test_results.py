"""Claims about the kept results: by model, the learner's beside the course's, and none is lost."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
from fake_results import RESULT, make_comparison, write_results

from llmops_utils.core import DataError
from llmops_utils.evaluation import PRICED_AT, Measured, keep_result, load_results, results, ship_results
from llmops_utils.evaluation.measured import tell_result
from llmops_utils.evaluation.results import SHIPPED, Result


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An own folder and a new session for each test, in live mode; the course holds no results yet."""
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPS_MODE", "live")
    monkeypatch.setattr(results, "_measured_now", {})
    monkeypatch.setattr(results, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "home"


@pytest.fixture
def start_session(monkeypatch):
    """A function that forgets what this session measured, as a new kernel does."""
    return lambda mode="live": (
        monkeypatch.setattr(results, "_measured_now", {}),
        monkeypatch.setenv("LLMOPS_MODE", mode),
    )


def list_files(folder):
    """Return the names of all files but hidden ones, such as a lock."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def test_a_result_holds_what_the_comparison_found_and_reads_as_its_claim_with_the_model_of_its_provenance():
    comparison = make_comparison()
    score, change = comparison.candidate.score, comparison.difference
    assert asdict(keep_result(comparison, "few-shot", "intent", 6)) == {
        **{"technique": "few-shot", "task": "intent", "chapter": 6, "num": 16, "baseline": "zero-shot"},
        **{"score": 0.875, "low": round(score.low, 6), "high": round(score.high, 6), "baseline_score": 0.25},
        **{"difference": 0.625, "difference_low": round(change.low, 6), "difference_high": round(change.high, 6)},
        **{"p": round(2 * 0.5**10, 6), "verdict": "helps", "prompt_tokens": 400.0, "completion_tokens": 20.0},
        **{"latency_s": 0.5, "price_ratio": 3.5, "provenance": "fake (127.0.0.1), live"},
        "usd_per_1000": round(comparison.candidate.price_at(*PRICED_AT), 6),
        **{"constant": 1.0, "chance": None},
    }
    assert str(RESULT) == "few-shot, 8 examples on intent: helps, 40 % → 52 %, +12 points [+4, +20], n = 160"
    assert repr(RESULT) == str(RESULT)
    first = "smollm2-135m-instruct (weights sha256:b179c9523d0e), replay of 2026-11-23"
    two = "org/model:tag (api.example.com), live; other (api.example.com), live"
    assert [replace(RESULT, provenance=one).model for one in (first, two)] == ["smollm2-135m-instruct", "org/model:tag"]


def test_a_result_is_kept_as_yours_under_the_name_of_the_model_in_the_place_of_an_earlier_one(home, start_session):
    found = keep_result(make_comparison(5), "few-shot, “quoted”", "intent", 6)
    content = json.dumps({"model": "fake", "results": [asdict(found)]}, indent=1, ensure_ascii=False) + "\n"
    assert (home / "results" / "fake.json").read_bytes() == content.encode()  # people read and compare these files
    other_task = keep_result(make_comparison(6), "few-shot, “quoted”", "urgency", 6)
    other_technique = keep_result(make_comparison(7), "chain-of-thought", "intent", 7)
    later = keep_result(make_comparison(14), "few-shot, “quoted”", "intent", 6)
    for _ in range(2):  # from memory, then from the file
        assert load_results() == {"fake, yours": [later, other_task, other_technique]}
        start_session()


def test_replay_writes_nothing_and_puts_its_results_in_the_place_of_the_shipped_ones(home, start_session, tmp_path):
    other = replace(RESULT, technique="zero-shot")
    assert load_results() == {}
    write_results(tmp_path / "shipped", "fake", RESULT, other)
    start_session("replay")
    found = keep_result(make_comparison(), RESULT.technique, RESULT.task, 6)
    assert not home.exists()
    assert load_results() == {"fake": [found, other]}
    start_session("replay")
    assert load_results() == {"fake": [RESULT, other]}
    start_session("live")
    found = keep_result(make_comparison(), RESULT.technique, RESULT.task, 6)
    assert load_results() == {"fake": [RESULT, other], "fake, yours": [found]}


def test_a_folder_in_the_settings_takes_the_results(home, monkeypatch, start_session, tmp_path):
    for mode in ("replay", "live"):
        start_session(mode)
        monkeypatch.setenv("LLMOPS_RESULTS", str(tmp_path / mode))
        keep_result(make_comparison(), "few-shot", "intent", 6)
        assert not home.exists()
        assert list_files(tmp_path / mode) == ["fake.json"]


def test_each_model_has_a_file_of_its_own_with_a_name_that_any_disk_takes(home, start_session):
    models = ("Model-A", "model-a", "org/model", "org-model")
    for model in (*models, *models):
        keep_result(make_comparison(model=model), "few-shot", "intent", 6)
    names = list_files(home)
    assert len({name.casefold() for name in names}) == len(names) == 4
    assert all(re.fullmatch(r"[\w.%~-]+\.json", name, re.ASCII) for name in names)
    start_session()
    assert sorted(load_results()) == sorted(f"{model}, yours" for model in models)


def test_results_kept_at_the_same_time_are_all_kept(start_session):
    comparison, names = make_comparison(), [f"technique {number:02}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: keep_result(comparison, name, "intent", 6), names))
    start_session()
    assert [one.technique for one in load_results()["fake, yours"]] == names


def test_the_results_of_a_chapter_replace_what_it_had_and_nothing_else(tmp_path):
    source, target = tmp_path / "source", tmp_path / "shipped"
    ship_results(source, "06")
    assert not target.exists()  # a chapter without results changes nothing
    of_chapter_5 = replace(RESULT, chapter=5, technique="role")
    of_chapter_7 = replace(RESULT, chapter=7, technique="chain-of-thought")
    of_another_model = replace(RESULT, provenance="other (127.0.0.1), live")
    write_results(target, "fake", of_chapter_5, RESULT, of_chapter_7)
    write_results(target, "other", of_another_model)
    renamed = replace(RESULT, technique="few-shot, 16 examples")
    write_results(source, "fake", renamed)
    ship_results(source, "06")
    assert load_results() == {"fake": [of_chapter_5, renamed, of_chapter_7], "other": [of_another_model]}
    of_lesson = replace(RESULT, chapter="06_2", task="a task")  # another notebook than 06, and it comes after 06
    write_results(source, "fake", of_lesson)
    ship_results(source, "06_2")
    assert load_results()["fake"] == [of_chapter_5, renamed, of_lesson, of_chapter_7]
    assert list_files(target) == ["fake.json", "other.json"]


def test_the_files_of_the_course_are_as_this_code_writes_them():
    for path in SHIPPED.glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [Result(**row) for row in content["results"]]
        rows = [asdict(one) for one in sorted(found, key=lambda one: (one.address, one.task, one.technique))]
        text = json.dumps({"model": content["model"], "results": rows}, indent=1, ensure_ascii=False) + "\n"
        assert path.read_bytes() == text.encode("utf-8")


def test_a_damaged_file_is_named_and_left_as_it_is(home):
    whole = asdict(RESULT)
    missing = {name: whole[name] for name in list(whole)[1:]}
    path = home / "results" / "fake.json"
    path.parent.mkdir(parents=True)
    for content in (
        *("", "[]", '{"model": "fake"}', '{"results": ["few-shot"]}'),
        json.dumps({"results": [{**whole, "mood": "good"}]}),
        json.dumps({"results": [missing]}),
        json.dumps({"results": [whole]}, ensure_ascii=False).replace("few", "f\u00e9w"),
    ):
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(DataError, match=r"fake\.json"):
            load_results()
        with pytest.raises(DataError, match=r"fake\.json"):
            keep_result(make_comparison(), "few-shot", "intent", 6)
        assert path.read_bytes() == content.encode("latin-1")


def test_in_a_lessons_table_a_live_run_stands_beside_the_stored_one_and_says_what_it_cannot_decide(tmp_path):
    stored = replace(RESULT, chapter="06_2", technique="few-shot")
    write_results(tmp_path / "shipped", "fake", stored, replace(stored, chapter="06_1", technique="zero-shot"))
    write_results(tmp_path / "shipped", "bigger", replace(stored, provenance="bigger (127.0.0.1), live"))
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
