"""Claims about fine-tuning: it learns, repeats to the last bit also after a stop at any step, and refuses bad input."""

import _thread
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from llmops_utils.core import DataError, TrainingInterrupted
from llmops_utils.training.fine_tuning import adapter_training, runs
from llmops_utils.training.fine_tuning.adapter_training import AdapterRecipe, AdapterTraining
from llmops_utils.training.fine_tuning.demonstrations import Demonstration, encode_demonstrations
from llmops_utils.training.fine_tuning.runs import fine_tune

ROWS = [
    Demonstration(f"{word} {number}?", ["yes" if number % 2 else "no"]) for number in range(5) for word in ("a", "the")
]
DEV = [Demonstration(f"tea {number}?", ["yes" if number % 2 else "no"]) for number in range(4)]
RECIPE = AdapterRecipe(num_layers=1, rank=4, epochs=2, batch=4, rate=0.01, patience=2)


def train(tiny, rows=ROWS, recipe=RECIPE, dev=(), **options):
    return fine_tune(tiny, "tiny", rows, recipe, dev, **{"is_silent": True} | options)


def have_same_numbers(one, other):
    pairs = zip(one.adapter.matrices.values(), other.adapter.matrices.values(), strict=True)
    return one.losses == other.losses and all((a == b).all() for a, b in pairs)


@pytest.fixture
def stop(monkeypatch):
    """Return what stops a training in its so many-th micro-batch, as the button of the notebook does."""

    def stop_at(number):
        done, lock, compute = [], threading.Lock(), AdapterTraining._compute_part

        def compute_and_stop(self, *args):
            with lock:
                done.append(1)
            if len(done) == number:
                _thread.interrupt_main()
            return compute(self, *args)

        monkeypatch.setattr(AdapterTraining, "_compute_part", compute_and_stop)

    return stop_at


def interrupt(tiny, **options):
    """Train until it is stopped and return the error; a bare KeyboardInterrupt would end pytest."""
    try:
        with pytest.raises(TrainingInterrupted) as caught:
            train(tiny, **options)
    except KeyboardInterrupt:
        pytest.fail("a bare KeyboardInterrupt came out")
    return caught.value


def test_it_learns_its_demonstrations_and_the_base_stays_as_it_was(tiny):
    before = {name: array.copy() for name, array in tiny.arrays.items()}
    run = train(tiny, recipe=replace(RECIPE, epochs=30, num_layers=2, rate=0.02))
    assert np.mean(run.losses[-3:]) < 0.6 < 2 < run.losses[0]
    assert all((before[name] == array).all() for name, array in tiny.arrays.items())
    prompt = tiny.tokenizer.render([{"role": "user", "content": ROWS[0].prompt}])
    ids = tiny.tokenizer.encode(prompt)
    assert tiny.tokenizer.decode([tiny.compute_logits(ids, run.adapter)[-1].argmax()]) == "no"
    assert (len(run.losses), run.best_epoch, run.dev_losses) == (90, 30, [])
    assert run.examples_per_second == pytest.approx(300 / run.seconds)
    assert run.peak_mb > 10


def test_the_same_arguments_give_the_same_numbers_and_only_the_replies_count(tiny):
    one = train(tiny)
    assert have_same_numbers(one, train(tiny))
    assert one.losses != train(tiny, recipe=replace(RECIPE, seed=1)).losses
    tree = encode_demonstrations([ROWS[0]], tiny.tokenizer, 99)[0]
    assert [tiny.tokenizer.decode([one]) for one in tree.targets] == ["no", "<|im_end|>"]
    assert tree.places.tolist() == [len(tree) - 2, len(tree) - 1]


def test_replies_that_share_a_prompt_or_a_group_teach_the_same_as_rows_of_their_own(tiny):
    separate = [Demonstration("the 1?", ["yes"]), Demonstration("the 1?", ["no"]), Demonstration("the 2?", ["a"])]
    recipe = replace(RECIPE, batch=3, epochs=1)
    alone = train(tiny, separate, recipe)
    for shared in (
        [Demonstration("the 1?", ["yes", "no"]), separate[2]],
        [replace(row, group="the") for row in separate[:2]] + separate[2:],
        [replace(row, group="all") for row in separate],
    ):
        run = train(tiny, shared, recipe)
        assert run.losses == pytest.approx(alone.losses, rel=1e-3)  # float16 rounds what lies below


def test_what_weighs_more_is_learned_more_and_a_weight_of_all_rows_alike_changes_nothing(tiny):
    rows = [Demonstration("the 1?", ["yes"]), Demonstration("the 1?", ["no"])]
    doubled = [rows[0], *rows]
    recipe = replace(RECIPE, batch=3, epochs=1)
    weighted = train(tiny, [replace(rows[0], weight=2.0), rows[1]], recipe)
    assert weighted.losses == pytest.approx(train(tiny, doubled, recipe).losses, rel=1e-3)
    alike = train(tiny, [replace(row, weight=3.0) for row in rows], recipe)
    assert alike.losses == pytest.approx(train(tiny, rows, recipe).losses, rel=1e-6)


def test_training_goes_on_from_an_adapter_and_the_result_says_what_both_were_trained_on(tiny, tmp_path):
    first = train(tiny, recipe=replace(RECIPE, epochs=9)).adapter
    second = train(tiny, ROWS[:6], start=first)
    assert second.losses[0] < 0.7 * train(tiny, ROWS[:6]).losses[0]
    names = {one.data_sha256 for one in (first, second.adapter, train(tiny, ROWS[:6]).adapter)}
    assert len(names) == 3
    for start in (replace(first, alpha=3.0), replace(first, base_sha256="0" * 64)):
        with pytest.raises(DataError, match="cannot go on from “tiny”: it has another base, rank, alpha") as caught:
            train(tiny, start=start, checkpoint=tmp_path / "state.npz")
        assert "rank 4" in caught.value.next_step
    with pytest.raises(DataError, match="or other layers"):
        train(tiny, recipe=replace(RECIPE, num_layers=2), start=first)


def test_training_stops_when_dev_gets_no_better_and_the_best_numbers_are_kept(tiny):
    recipe = replace(RECIPE, epochs=30, rate=0.2)
    run = train(tiny, dev=[replace(one, replies=["12"]) for one in DEV], recipe=recipe)
    assert len(run.dev_losses) - 1 == run.best_epoch + recipe.patience < 30
    assert run.dev_losses[run.best_epoch] == min(run.dev_losses[1:])
    assert len(run.losses) == 3 * (run.best_epoch + recipe.patience)


def test_a_stop_in_any_micro_batch_loses_nothing_and_the_run_ends_as_if_there_had_been_none(
    tiny, tmp_path, stop, monkeypatch
):
    whole = train(tiny, dev=DEV)
    compute = AdapterTraining._compute_part
    kept = []
    for number in range(1, 19, 3):
        path = tmp_path / f"{number}.npz"
        stop(number)
        error = interrupt(tiny, dev=DEV, checkpoint=path)
        assert re.search(rf"goes on from .*{path.name}", error.next_step)
        monkeypatch.setattr(AdapterTraining, "_compute_part", compute)
        with np.load(path) as file:
            kept.append(len(file["losses"]))
        resumed = train(tiny, dev=DEV, checkpoint=path)
        assert have_same_numbers(whole, resumed), number
        assert resumed.dev_losses == whole.dev_losses
    assert kept == sorted(kept)
    assert {*kept} >= {0, 2, 3, 5}
    stop(3)
    assert "checkpoint=Path" in interrupt(tiny).next_step


def test_states_are_written_on_the_way_and_one_of_something_else_or_a_broken_one_is_begun_anew_and_it_says_so(
    tiny, tmp_path, capsys, monkeypatch
):
    path, written, write = tmp_path / "state.npz", [], runs.write_whole
    with monkeypatch.context() as patch:
        patch.setattr(runs, "SECONDS_BETWEEN", 0)
        patch.setattr(runs, "write_whole", lambda path, content: (written.append(1), write(path, content)))
        whole = train(tiny, checkpoint=path)
    assert (len(written), [one.name for one in tmp_path.iterdir()]) == (7, ["state.npz"])
    for options, said in (
        ({}, "state.npz: on from step 6"),
        ({"recipe": replace(RECIPE, seed=9)}, "begun anew; other data, another model or another recipe"),
        ({"rows": ROWS[1:]}, "begun anew; other data"),
        ({}, "begun anew; other data"),
    ):
        run = train(tiny, checkpoint=path, is_silent=False, **options)
        assert said in capsys.readouterr().out
    assert have_same_numbers(run, whole)
    for broken in (b"", b"PK\x03\x04 no archive", path.read_bytes()[:-200]):
        path.write_bytes(broken)
        assert have_same_numbers(train(tiny, checkpoint=path, is_silent=False), whole)
        assert "begun anew; it cannot be read" in capsys.readouterr().out


def test_a_loss_that_is_no_number_stops_it_and_the_last_good_state_is_kept(tiny, tmp_path, monkeypatch):
    real, done = adapter_training.compute_reply_loss, []

    def fail_late(*args):
        done.append(1)
        loss = real(*args)
        loss.data = loss.data * (np.nan if len(done) > 4 else 1)
        return loss

    monkeypatch.setattr(adapter_training, "compute_reply_loss", fail_late)
    with pytest.raises(DataError, match="The loss became nan after 2 steps") as caught:
        train(tiny, checkpoint=tmp_path / "state.npz")
    assert "rate: it is 0.01" in caught.value.next_step
    with np.load(tmp_path / "state.npz") as file:
        assert len(file["losses"]) == 2
        assert np.isfinite(file["numbers"]).all()


def test_bad_rows_settings_and_too_little_memory_are_refused_by_name_before_anything_is_computed(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(AdapterTraining, "read", lambda _: pytest.fail("it began"))
    long_text = "where is the tea that i asked for"
    for rows, options, problem in (
        ([], {}, "0 demonstrations are too few"),
        (ROWS[:1], {}, "1 demonstrations are too few"),
        (ROWS[::4] + ROWS[1::4], {}, r"All replies are the same, “no”"),
        ([*ROWS, Demonstration(" ", ["no"])], {}, "Row 11: The prompt is empty"),
        ([*ROWS, Demonstration([{"role": "user"}], ["no"])], {}, "Row 11: The messages are not"),
        ([Demonstration("a", []), *ROWS], {}, "Row 1 has an empty reply"),
        ([ROWS[0], Demonstration("a", ["no", " "])], {}, "Row 2 has an empty reply"),
        ([ROWS[0], Demonstration("a", "no")], {}, "or no list of them"),
        ([ROWS[0], Demonstration("a", ["no<|im_end|>"])], {}, r"Row 2 holds <\|im_end\|>"),
        ([ROWS[0], Demonstration("a", ["yes"], weight=0.0)], {}, "Row 2 has the weight 0.0"),
        ([*ROWS, Demonstration("a " * 40, ["no"])], {}, r"Row 11 has \d+ tokens, more than 60"),
        ([*ROWS, Demonstration("a " * 90, ["no"])], {"recipe": RECIPE}, "tokens, more than 96"),
        (ROWS, {"test_texts": ["x", "ＴＨＥ  3?"]}, r"Row 8 holds a text of the test, “ＴＨＥ  3\?”"),
        (
            [*ROWS, Demonstration(f"say: {long_text}!", ["no"])],
            {"test_texts": [long_text]},
            "Row 11 holds a text of the",
        ),
        (ROWS, {"dev": DEV, "test_texts": ["tea 0?"]}, "Row 11 holds a text of the test"),
        (ROWS, {"recipe": replace(RECIPE, num_layers=3)}, "has no 3 layers"),
    ):
        with pytest.raises(DataError, match=problem) as caught:
            train(tiny, rows, **{"recipe": replace(RECIPE, max_tokens=60)} | options, checkpoint=tmp_path / "state.npz")
        assert len(caught.value.next_step) > 10
    for wrong in ({"epochs": 0}, {"rate": 2.0}, {"alpha": -1.0}):
        with pytest.raises(DataError, match="cannot be followed"):
            replace(RECIPE, **wrong)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1_000_000))
    with pytest.raises(DataError, match=r"train this adapter takes about \d+ MB of memory, and 1 MB are free"):
        train(tiny, checkpoint=tmp_path / "state.npz")
    assert list(tmp_path.iterdir()) == []
