"""Claims about releases: one call each way, a history that cannot contradict itself, and nothing lost by a slip."""

import json
import threading

import pytest

from llmops_utils.core import PromptError
from llmops_utils.operations.releases import (
    FILE,
    choose_folder,
    load_production,
    load_release,
    open_release,
    promote,
    roll_back,
)
from llmops_utils.prompts import PROMPTS, Prompt, save_prompt


@pytest.fixture
def folder(tmp_path):
    """A registry with three revisions of one prompt."""
    for number in (1, 2, 3):
        save_prompt(Prompt("sort", instruction=f"Sort, take {number}.", input="{{ message }}"), tmp_path)
    open_release("sort", "intent", tmp_path)
    return tmp_path


def test_a_new_release_has_nothing_in_production(folder):
    assert load_release("sort", folder).production is None
    with pytest.raises(PromptError, match="Nothing of the prompt sort is in production"):
        load_production("sort", folder)


def test_promote_puts_a_revision_into_production_and_keeps_the_history(folder):
    promote("sort", 1, folder, note="first")
    release = promote("sort", 2, folder)
    assert (release.production.revision, load_production("sort", folder).revision) == (2, 2)
    assert [(e.action, e.revision, e.note) for e in release.history] == [("promote", 1, "first"), ("promote", 2, "")]
    assert load_release("sort", folder) == release


def test_roll_back_returns_to_what_was_before(folder):
    for revision in (1, 2, 3):
        promote("sort", revision, folder)
    assert roll_back("sort", folder, note="alarm").production.revision == 2
    assert roll_back("sort", folder).production.revision == 1
    with pytest.raises(PromptError, match="Before the present revision of sort there was none"):
        roll_back("sort", folder)
    actions = [(entry.action, entry.revision) for entry in load_release("sort", folder).history]
    assert actions == [("promote", 1), ("promote", 2), ("promote", 3), ("roll back", 2), ("roll back", 1)]


def test_after_a_roll_back_and_a_promotion_the_next_roll_back_skips_the_bad_one(folder):
    promote("sort", 1, folder)
    promote("sort", 2, folder)
    roll_back("sort", folder)
    promote("sort", 3, folder)
    assert roll_back("sort", folder).production.revision == 1


def test_promoting_what_is_in_production_is_refused(folder):
    promote("sort", 1, folder)
    with pytest.raises(PromptError, match="in production already, as revision 1"):
        promote("sort", 1, folder)
    assert len(load_release("sort", folder).history) == 1


def test_an_unknown_revision_or_name_is_refused(folder):
    with pytest.raises(PromptError, match="no version 9"):
        promote("sort", 9, folder)
    with pytest.raises(PromptError, match="no prompt “sorts”"):
        load_release("sorts", folder)


def test_a_prompt_without_a_file_says_how_to_begin(tmp_path):
    save_prompt(Prompt("other", input="{{ message }}"), tmp_path)
    for call in (lambda: load_release("other", tmp_path), lambda: promote("other", 1, tmp_path)):
        with pytest.raises(PromptError, match=r"has no release\.json") as caught:
            call()
        assert "open_release" in caught.value.next_step


def test_limits_can_be_changed_and_the_history_stays(folder):
    promote("sort", 1, folder)
    release = open_release("sort", "urgency", folder, split="dev", margin=0.05, max_usd_per_1000=0.2)
    assert (release.task, release.split, release.margin, release.max_usd_per_1000) == ("urgency", "dev", 0.05, 0.2)
    assert release.production.revision == 1


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"margin": 1.5}, {"split": "shots"}, {"max_usd_per_1000": -1}])
def test_limits_out_of_range_are_refused(folder, wrong):
    with pytest.raises(PromptError, match=f"This is no release: {next(iter(wrong))}"):
        open_release("sort", "intent", folder, **wrong)


def edit(folder, change):
    path = folder / "sort" / FILE
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"split"', '"split', 1), "sort/release.json, line 3: "),
        (lambda text: text.replace("0.1", "ten", 1), "sort/release.json, line 6: "),
        (lambda text: text.replace("0.1", '"ten"', 1), "sort/release.json, margin: "),
        (lambda text: text.replace('"margin"', '"margine"', 1), "sort/release.json, margine: Extra inputs"),
        (lambda text: text.replace('"revision": 1', '"revision": "one"', 1), "history → 0 → revision: "),
        (lambda text: text.replace("promote", "publish", 1), "history → 0 → action: "),
        (lambda text: text.replace('"promote"', '"roll back"', 1), "entry 1 of the history goes back to what was not"),
        (lambda text: "[]", "sort/release.json, the whole: "),
        (lambda text: "", "sort/release.json, line 1: "),
        (lambda text: "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_edited_wrongly_names_the_place_and_stays_as_it_is(folder, change, said):
    promote("sort", 1, folder)
    path = edit(folder, change)
    before = path.read_bytes()
    for call in (
        lambda: load_release("sort", folder),
        lambda: promote("sort", 2, folder),
        lambda: roll_back("sort", folder),
        lambda: open_release("sort", "intent", folder),
    ):
        with pytest.raises(PromptError) as caught:
            call()
        assert said in caught.value.problem
        assert "left as it is" in caught.value.next_step
    assert path.read_bytes() == before
    assert [p.name for p in (folder / "sort").glob("*.part")] == []


def test_a_file_that_is_not_utf8_is_told(folder):
    (folder / "sort" / FILE).write_bytes(b"\xff\xfe{}")
    with pytest.raises(PromptError, match="cannot be read"):
        load_release("sort", folder)


def test_a_file_saved_by_a_windows_editor_is_read(folder):
    edit(folder, lambda text: "\ufeff" + text.replace("\n", "\r\n"))
    assert load_release("sort", folder).task == "intent"


def test_a_revision_changed_after_its_promotion_is_noticed(folder):
    promote("sort", 1, folder)
    path = folder / "sort" / "1.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("take 1", "take one"), encoding="utf-8")
    with pytest.raises(PromptError, match=r"sort/1\.toml was changed after it was promoted"):
        load_production("sort", folder)


def test_of_many_writers_none_undoes_another(folder):
    promote("sort", 1, folder)

    def go(number):
        save_prompt(Prompt("sort", input="{{ message }}", instruction=f"x{number}"), folder / f"own{number}")
        open_release("sort", "intent", folder, margin=0.01 * (number + 1))
        promote("sort", 2 + number % 2, folder, note=str(number)) if number < 2 else None

    threads = [threading.Thread(target=go, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.note for entry in load_release("sort", folder).history) == ["", "0", "1"]


def test_a_folder_that_cannot_be_written_to_is_told(folder, monkeypatch):
    def fail(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("llmops_utils.operations.releases.os.replace", fail)
    with pytest.raises(PromptError, match="cannot be written \\(Permission denied\\)"):
        promote("sort", 1, folder)
    assert load_release("sort", folder).history == ()


def test_the_table_of_the_history_shows_no_times(folder):
    promote("sort", 1, folder, note="first")
    assert list(load_release("sort", folder).table.columns) == ["action", "revision", "version", "note"]
    assert "when" in json.loads((folder / "sort" / FILE).read_text(encoding="utf-8"))["history"][0]


def test_the_learners_own_registry_comes_before_that_of_the_course(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path))
    assert choose_folder("route_message") == PROMPTS
    save_prompt(Prompt("route_message", input="{{ message }}"), tmp_path / "prompts")
    assert choose_folder("route_message") == tmp_path / "prompts"


def test_every_release_of_the_course_is_sound():
    names = sorted(path.parent.name for path in PROMPTS.glob(f"*/{FILE}"))
    assert "route_message" in names
    for name in names:
        assert load_production(name).revision >= 1
