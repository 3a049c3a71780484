"""Claims about fine-tuning: it learns, repeats to the bit, also after a stop, and a recorded run needs no model."""

import _thread
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_llama

from llmops_utils.core import DataError, RecordingMissing
from llmops_utils.models import Model, Recordings
from llmops_utils.training.fine_tuning import AdapterRecipe, Demonstration, FineTuner, adapter_training, fine_tune, runs
from llmops_utils.training.fine_tuning.adapter_training import AdapterTraining
from llmops_utils.training.fine_tuning.demonstrations import encode_demonstrations

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


def test_it_learns_its_demonstrations_and_the_base_stays_as_it_was(tiny):
    before = {name: array.copy() for name, array in tiny.arrays.items()}
    run = train(tiny, recipe=replace(RECIPE, epochs=30, num_layers=2, rate=0.02))
    assert np.mean(run.losses[-3:]) < 0.6 < 2 < run.losses[0]
    assert all((before[name] == array).all() for name, array in tiny.arrays.items())
    prompt = tiny.tokenizer.render([{"role": "user", "content": ROWS[0].prompt}])
    likeliest = tiny.compute_logits(tiny.tokenizer.encode(prompt), run.adapter)[-1].argmax()
    assert tiny_llama.TOKENS[likeliest] == "no"
    assert (len(run.losses), run.best_epoch, run.dev_losses) == (90, 30, [])
    assert run.examples_per_second == pytest.approx(300 / run.seconds)
    assert run.peak_mb > 10


def test_the_same_arguments_give_the_same_numbers_and_only_the_replies_count(tiny):
    one = train(tiny)
    assert have_same_numbers(one, train(tiny))
    assert one.losses != train(tiny, recipe=replace(RECIPE, seed=1)).losses
    tree = encode_demonstrations([ROWS[0]], tiny.tokenizer, 99)[0]
    assert [tiny_llama.TOKENS[one] for one in tree.targets] == ["no", "<|im_end|>"]
    assert tree.places.tolist() == [len(tree) - 2, len(tree) - 1]


def test_rows_of_one_prompt_or_group_teach_the_same_as_apart_and_a_weight_of_two_as_standing_there_twice(tiny):
    rows = [Demonstration("the 1?", ["yes"]), Demonstration("the 1?", ["no"]), Demonstration("the 2?", ["a"])]
    recipe = replace(RECIPE, batch=4, epochs=1)
    weighted = [replace(rows[0], weight=2.0), *rows[1:]]
    for one, same in (
        (rows, [Demonstration("the 1?", ["yes", "no"]), rows[2]]),
        (rows, [*(replace(row, group="the") for row in rows[:2]), rows[2]]),
        (rows, [replace(row, weight=3.0, group="all") for row in rows]),
        (weighted, [rows[0], *rows]),
    ):
        losses = train(tiny, one, recipe).losses
        assert train(tiny, same, recipe).losses == pytest.approx(losses, rel=1e-3)  # float16 rounds what lies below


def test_training_goes_on_from_an_adapter_and_the_result_says_what_both_were_trained_on(tiny):
    first = train(tiny, recipe=replace(RECIPE, epochs=9)).adapter
    second, fresh = train(tiny, ROWS[:6], start=first), train(tiny, ROWS[:6])
    assert second.losses[0] < 0.7 * fresh.losses[0]
    assert len({one.data_sha256 for one in (first, second.adapter, fresh.adapter)}) == 3


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
    compute, kept = AdapterTraining._compute_part, []
    for number in range(1, 19, 4):
        path = tmp_path / f"{number}.npz"
        stop(number)
        with pytest.raises((KeyboardInterrupt, RuntimeError)):  # the second comes from locks of the standard library
            train(tiny, dev=DEV, checkpoint=path)
        monkeypatch.setattr(AdapterTraining, "_compute_part", compute)
        with np.load(path) as file:
            kept.append(len(file["losses"]))
        resumed = train(tiny, dev=DEV, checkpoint=path)
        assert have_same_numbers(whole, resumed), number
        assert resumed.dev_losses == whole.dev_losses
    assert kept == sorted(kept)
    assert len({*kept}) > 3


def test_a_checkpoint_of_something_else_or_a_broken_one_is_begun_anew_and_no_half_file_stays(
    tiny, tmp_path, monkeypatch
):
    path = tmp_path / "state.npz"
    sizes, write, real = [], runs.write_whole, AdapterTraining.advance
    monkeypatch.setattr(runs, "SECONDS_BETWEEN", 0)
    monkeypatch.setattr(runs, "write_whole", lambda path, content: (sizes.append(1), write(path, content)))
    whole = train(tiny, checkpoint=path)
    assert len(sizes) == 7
    steps = []
    monkeypatch.setattr(AdapterTraining, "advance", lambda *args: steps.append(1) or real(*args))
    train(tiny, checkpoint=path)
    assert steps == []
    for change in ({"recipe": replace(RECIPE, seed=9)}, {"rows": ROWS[1:]}, {}):
        run = train(tiny, checkpoint=path, **change)
    assert have_same_numbers(run, whole)
    assert len(steps) == 18
    for broken in (b"", b"PK\x03\x04 no archive", path.read_bytes()[:-200]):
        path.write_bytes(broken)
        assert have_same_numbers(train(tiny, checkpoint=path), whole)
    assert [one.name for one in tmp_path.iterdir()] == ["state.npz"]


def test_a_loss_that_is_no_number_stops_it_and_the_last_good_state_is_kept(tiny, tmp_path, monkeypatch):
    real, done = adapter_training.compute_reply_loss, []

    def fail_late(*args):
        done.append(1)
        loss = real(*args)
        loss.data = loss.data * (np.nan if len(done) > 4 else 1)
        return loss

    monkeypatch.setattr(adapter_training, "compute_reply_loss", fail_late)
    with pytest.raises(DataError, match=r"The loss became nan after 2 steps at the rate 0\.01"):
        train(tiny, checkpoint=tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz") as file:
        assert len(file["losses"]) == 2
        assert np.isfinite(file["numbers"]).all()


def test_bad_rows_are_refused_by_number_before_anything_is_computed(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(AdapterTraining, "read", lambda _: pytest.fail("it began"))
    long_text = "where is the tea that i asked for"
    for rows, options, problem in (
        ([], {}, "There is one reply at most"),
        (ROWS[::4] + ROWS[1::4], {}, "There is one reply at most"),
        ([*ROWS, Demonstration(" ", ["no"])], {}, "Row 11: The prompt is empty"),
        ([*ROWS, Demonstration([{"role": "user"}], ["no"])], {}, "Row 11: The messages are not"),
        ([Demonstration("a", []), *ROWS], {}, "Row 1: It has an empty reply"),
        ([ROWS[0], Demonstration("a", ["no", " "])], {}, "Row 2: It has an empty reply"),
        ([ROWS[0], Demonstration("a", "no")], {}, "or no list of them"),
        ([ROWS[0], Demonstration("a", ["no<|im_end|>"])], {}, r"Row 2: It holds <\|im_end\|>"),
        ([*ROWS, Demonstration("a " * 40, ["no"])], {}, r"Row 11: It has \d+ tokens, more than 60"),
        ([*ROWS, Demonstration("a " * 90, ["no"])], {"recipe": RECIPE}, "tokens, more than 96"),
        (ROWS, {"test_texts": ["x", "ＴＨＥ  3?"]}, r"Row 8 holds a text of the test, “ＴＨＥ  3\?”"),
        ([*ROWS, Demonstration(f"say: {long_text}!", ["no"])], {"test_texts": [long_text]}, "Row 11 holds a text"),
        (ROWS, {"dev": DEV, "test_texts": ["tea 0?"]}, "Row 11 holds a text of the test"),
        (ROWS, {"recipe": replace(RECIPE, num_layers=3)}, "has no 3 layers"),
    ):
        options = {"recipe": replace(RECIPE, max_tokens=60)} | options
        with pytest.raises(DataError, match=problem) as caught:
            train(tiny, rows, **options, checkpoint=tmp_path / "state.npz")
        assert len(caught.value.next_step) > 10
    assert list(tmp_path.iterdir()) == []


# --- runs of a lesson ------------------------------------------------------------------------------------------


@pytest.fixture
def make_tuner(tiny, tmp_path, monkeypatch):
    """Return what makes a tuner of the tiny model in a mode, and the list of its trainings."""
    weights = tiny_llama.write_model(tmp_path / "tiny.gguf")
    base = SimpleNamespace(name="tiny", files=[SimpleNamespace(sha256=tiny.sha256)], default_model="tiny")
    catalog = SimpleNamespace(find_provider=lambda name: base, find_local=lambda name: base)
    monkeypatch.setattr(runs, "load_catalog", lambda: catalog)
    monkeypatch.setattr(runs, "fetch_weights", lambda model, home: {"tiny.gguf": weights})
    trained, real = [], runs.fine_tune
    monkeypatch.setattr(runs, "fine_tune", lambda *args, **options: trained.append(1) or real(*args, **options))
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(tmp_path / "recordings"))

    def make(mode):
        monkeypatch.setenv("LLMOPS_MODE", mode)
        return FineTuner("04_test")

    return make, trained


def test_a_recorded_run_comes_back_without_a_model_and_another_one_is_not_mistaken_for_it(make_tuner, tmp_path):
    make, trained = make_tuner
    run = make("fill").tune("mine", ROWS, RECIPE)
    assert (len(run.losses), run.best_epoch, run.file.name) == (6, 2, "mine")
    assert [path.name for path in run.file.path.parent.iterdir()] == ["04_test-mine.gguf"]  # no checkpoint is left
    assert make("fill").tune("mine", ROWS, RECIPE) == run
    run.file.path.unlink()
    back = make("replay").tune("mine", ROWS, RECIPE)
    assert (back, len(trained)) == (run, 1)
    model = Model("04_test", adapter=back.file)
    assert model.name == "smollm2-135m-instruct+mine"
    assert model.connection.source.endswith(f"adapter sha256:{run.file.sha256[:12]}")
    for other in (("yours", ROWS, RECIPE), ("mine", ROWS[:4], RECIPE), ("mine", ROWS, replace(RECIPE, rank=3))):
        with pytest.raises(RecordingMissing, match="no recording in 04_test for the training run"):
            make("replay").tune(*other)
    with pytest.raises(DataError, match="holds a text of the test"):
        make("replay").tune("mine", ROWS, RECIPE, test_texts=["the 1?"])
    assert make("fill").tune("mine", ROWS, RECIPE).file == run.file  # trained anew, since it is to be asked
    assert (len(trained), len(Recordings(tmp_path / "recordings" / "04_test.jsonl"))) == (2, 1)
    assert make("live").tune("mine", ROWS, RECIPE).file == run.file
    assert len(trained) == 3
