"""Claims about releases: one call each way, a history that cannot contradict itself, and nothing lost by a slip."""

import itertools
import json
import os
import subprocess
import sys
import time
from random import Random

import pytest
from tiny_adapter import write_adapter

from llmops_utils import operations
from llmops_utils.core import ROOT, DataError, PromptError
from llmops_utils.operations.releases import FILE
from llmops_utils.prompts import PROMPTS, Prompt, save_prompt


@pytest.fixture
def folder(tmp_path):
    """A registry with three revisions of one prompt."""
    for number in (1, 2, 3):
        save_prompt(Prompt("sort", instruction=f"Sort, take {number}.", input="{{ message }}"), tmp_path)
    operations.open_release("sort", "intent", tmp_path)
    return tmp_path


def test_a_new_release_has_nothing_in_production_and_its_file_holds_what_was_promoted_and_when(folder):
    assert operations.load_release("sort", folder).production is None
    with pytest.raises(PromptError, match="Nothing of the prompt sort is in production"):
        operations.load_production("sort", folder)
    with pytest.raises(PromptError, match="and nothing is in production now"):
        operations.promote("sort", 2, folder, replaces="0123abcd")
    operations.promote("sort", 1, folder, note="first")
    release = operations.promote("sort", 2, folder)
    assert operations.load_release("sort", folder) == release
    content = json.loads((folder / "sort" / FILE).read_text(encoding="utf-8"))
    assert " ".join(content["history"][0]) == "action revision version when note model source num_shots"


def test_roll_back_returns_to_what_was_before(folder):
    for revision in (1, 2, 3):
        operations.promote("sort", revision, folder)
    assert operations.roll_back("sort", folder, note="alarm").production.revision == 2
    assert operations.roll_back("sort", folder).production.revision == 1
    with pytest.raises(PromptError, match="Before the present revision of sort there was none"):
        operations.roll_back("sort", folder)
    actions = [(entry.action, entry.revision) for entry in operations.load_release("sort", folder).history]
    assert actions == [("promote", 1), ("promote", 2), ("promote", 3), ("roll back", 2), ("roll back", 1)]
    operations.promote("sort", 3, folder)
    assert operations.roll_back("sort", folder).production.revision == 1  # not 2, which was rolled back


def test_a_model_is_released_like_a_prompt_and_either_goes_back_with_the_other(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    own = write_adapter(tmp_path / "own.gguf", name="own")
    base, mine = operations.open_model("smollm2-135m-instruct", "sort"), operations.open_model(str(own), "sort")
    operations.promote("sort", 1, folder)
    assert operations.load_production_model("sort", "sort", folder).name == base.name  # that of the settings
    operations.promote("sort", 1, folder, model=base)
    operations.promote("sort", model=mine, folder=folder, note="fine-tuned")
    operations.promote("sort", 2, folder)  # the model stays
    write_adapter(own, name="own", extra="trained anew")  # what is in production is a copy
    shown = operations.load_release("sort", folder).table[["revision", "model"]].values.tolist()
    kept = operations.load_release("sort", folder).production.model
    assert shown == [[1, ""], [1, base.name], [1, kept], [2, kept]]
    for revision, model in ((1, mine), (1, base)):
        assert repr(operations.load_production_model("sort", "sort", folder)) == repr(mine)
        assert operations.roll_back("sort", folder).production.revision == revision
        assert repr(operations.load_production_model("sort", "sort", folder)) == repr(model)
    with pytest.raises(PromptError, match="in production already, as revision 1 with smollm2-135m-instruct"):
        operations.promote("sort", model=base, folder=folder)
    again = operations.open_model(str(own), "sort")
    assert operations.promote("sort", model=again, folder=folder).production.model != kept
    kept = folder / "sort" / operations.load_release("sort", folder).production.model
    # In replay, where nothing was trained, what is in production is known all the same.
    monkeypatch.setenv("LLMOPS_MODE", "replay")
    kept.rename(tmp_path / "away")
    assert repr(operations.load_production_model("sort", "sort", folder)) == repr(again).replace(
        "mode live", "mode replay"
    )
    (tmp_path / "away").rename(kept)
    write_adapter(kept, extra="changed by hand")
    with pytest.raises(PromptError, match="was promoted with weights sha256"):
        operations.load_production_model("sort", "sort", folder)


def test_a_roll_back_to_an_adapter_whose_file_is_gone_is_refused_and_production_stays(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    mine = operations.open_model(str(write_adapter(tmp_path / "own.gguf", name="own")), "sort")
    operations.promote("sort", 1, folder, model=mine)
    operations.promote("sort", 1, folder, model=operations.open_model("smollm2-135m-instruct", "sort"))
    before = operations.load_release("sort", folder)
    kept = folder / "sort" / before.history[0].model
    kept.rename(tmp_path / "away")
    with pytest.raises(PromptError, match=rf"{kept.name}, the adapter that was in production before, is gone"):
        operations.roll_back("sort", folder)
    assert operations.load_release("sort", folder) == before
    (tmp_path / "away").rename(kept)
    assert operations.roll_back("sort", folder).production.model == kept.name


def test_shots_go_out_and_come_back_with_the_prompt(folder):
    operations.open_release("sort", "intent", folder, num_shots=8)
    assert operations.load_release("sort", folder).shots_in_production == 8
    operations.promote("sort", 1, folder)
    assert operations.promote("sort", 2, folder, num_shots=0).shots_in_production == 0
    assert operations.promote("sort", 3, folder).shots_in_production == 0  # what is not named stays
    assert operations.promote("sort", num_shots=2, folder=folder).shots_in_production == 2
    assert [operations.roll_back("sort", folder).shots_in_production for _ in range(3)] == [0, 0, 8]
    with pytest.raises(ValueError, match="less than or equal to 64"):
        operations.promote("sort", 2, folder, num_shots=65)


def test_what_is_in_production_already_does_not_exist_or_was_changed_since_is_refused(folder):
    operations.promote("sort", 1, folder)
    refused = (("sort", 1, "already, as revision 1"), ("sort", 9, "no version 9"), ("sorts", 1, "no prompt"))
    for name, revision, said in refused:
        with pytest.raises(PromptError, match=said):
            operations.promote(name, revision, folder)
    assert len(operations.load_release("sort", folder).history) == 1
    save_prompt(Prompt("other", input="{{ message }}"), folder)
    for call in (
        operations.load_release,
        operations.roll_back,
        lambda name, folder: operations.promote(name, 1, folder),
    ):
        with pytest.raises(PromptError, match=r"has no release\.json"):
            call("other", folder)
    assert [path.name for path in (folder / "other").glob("[!.]*")] == ["1.toml"]  # none was made
    path = folder / "sort" / "1.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("take 1", "take one"), encoding="utf-8")
    with pytest.raises(PromptError, match=r"sort/1\.toml was changed after it was promoted"):
        operations.load_production("sort", folder)


def test_limits_can_be_changed_while_the_history_stays_and_those_out_of_range_are_refused(folder):
    operations.promote("sort", 1, folder)
    release = operations.open_release("sort", "urgency", folder, margin=0.05)
    assert (release.task, release.margin, release.production.revision) == ("urgency", 0.05, 1)
    for wrong in ({"margin": 0}, {"margin": 1.5}, {"num_shots": 65}, {"max_usd_per_1000": -1}, {"margine": 0.1}):
        with pytest.raises(PromptError, match=f"This is no release, {next(iter(wrong))}"):
            operations.open_release("sort", "intent", folder, **wrong)


DAMAGE = (
    (("0.1", '"ten"'), "sort/release.json, margin: "),
    (('"margin"', '"margine"'), "sort/release.json, margine: Extra inputs"),
    (('"revision": 1', '"revision": "one"'), "history → 0 → revision: "),
    (('"revision": 1', '"revision": ' + "9" * 200), "history → 0 → revision: "),
    (("promote", "publish"), "history → 0 → action: "),
    (('"promote"', '"roll back"'), "entry 1 of the history goes back to what was not"),
    (('"max_usd_per_1000": null', '"max_usd_per_1000": NaN'), "max_usd_per_1000: "),
    (('"max_usd_per_1000": null', '"max_usd_per_1000": -1'), "max_usd_per_1000: "),
    (('"task"', '"task'), "is not JSON"),
)


def test_a_file_edited_wrongly_or_by_an_attacker_names_the_place_and_stays_as_it_is(folder):
    operations.promote("sort", 1, folder)
    path = folder / "sort" / FILE
    sound = path.read_text(encoding="utf-8")
    damaged = [(sound.replace(old, new, 1), said) for (old, new), said in DAMAGE]
    damaged += [(text, "sort") for text in ("[]", "null", '"\\ud800"')]
    damaged += [(text, "is not JSON") for text in ("", "[" * 100_000)]
    calls = (operations.load_release, operations.roll_back, lambda name, folder: operations.promote(name, 2, folder))
    for text, said in damaged:
        path.write_text(text, encoding="utf-8")
        for call in (
            *calls,
            operations.load_production,
            lambda name, folder: operations.open_release(name, "intent", folder),
        ):
            with pytest.raises((PromptError, DataError)) as caught:
                call("sort", folder)
            assert said in caught.value.problem
        assert path.read_text(encoding="utf-8") == text
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="is no regular file"):
        operations.load_release("sort", folder)


def test_the_learners_own_registry_comes_before_that_of_the_course_whose_releases_are_sound(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    assert operations.choose_folder("route_message") == PROMPTS
    save_prompt(Prompt("route_message", input="{{ message }}"), tmp_path / "prompts")
    assert operations.choose_folder("route_message") == tmp_path / "prompts"
    names = [path.parent.name for path in PROMPTS.glob(f"*/{FILE}")]
    assert "route_message" in names
    assert min(operations.load_production(name).revision for name in names) >= 1


def test_a_note_holds_no_key_and_can_be_written(folder, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", 'pass "word"')
    assert operations.promote("sort", 1, folder, note='by pass "word" \ud800').production.note == "by [key] \ufffd"
    path = folder / "sort" / FILE
    path.write_text(path.read_text(encoding="utf-8").replace("by [key]", "\\ud83d"), encoding="utf-8")
    assert operations.load_release("sort", folder).production.note == "\ufffd \ufffd"


PROMOTER = """
import sys
from pathlib import Path
from llmops_utils.operations import promote
folder, first = Path(sys.argv[1]), int(sys.argv[2])
for number in range(1000):
    try:
        promote("sort", first + number % 2, folder, note=f"{first} {number}")
    except Exception as error:
        assert "in production already" in str(error), error
    else:
        print(number, flush=True)
"""


def test_two_processes_that_are_killed_lose_and_double_nothing_that_they_said_was_done(folder):
    save_prompt(Prompt("sort", instruction="Sort, take 4.", input="{{ message }}"), folder)
    said = []
    started = [
        subprocess.Popen([sys.executable, "-c", PROMOTER, folder, first], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for first in ("1", "3")
    ]
    for process in started:
        said.append(process.stdout.readline())  # it has begun
    time.sleep(Random(3).uniform(0, 0.3))
    for process in started:
        process.kill()
        said += process.communicate()[0].splitlines()
    history = operations.load_release("sort", folder).history
    assert len(said) <= len(history) <= len(said) + 2  # of each killed process one may be done and not said
    assert all(before.version != after.version for before, after in itertools.pairwise(history))
