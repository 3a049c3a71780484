"""Claims about training runs: they learn, they can be repeated, and a recorded run is given back as it was."""

import dataclasses

import numpy as np
import pytest

from llmops_utils.core import DataError, RecordingMissing
from llmops_utils.models import Recordings
from llmops_utils.training import trainer as runs
from llmops_utils.training.ngrams import average_bits
from llmops_utils.training.tokenizer import Encoded
from llmops_utils.training.trainer import Recipe, Trainer, measure_bits, train_model
from llmops_utils.training.transformer import Architecture, Transformer

SIZE = Architecture(vocabulary=8, width=16, depth=1, heads=2, context=8)
PATTERN = Encoded(np.array([0, *[1, 2, 3, 4] * 30]), 120)
OTHER = Encoded(np.array([0, *[4, 3, 2, 1] * 30]), 120)
RECIPE = Recipe(num_steps=40, batch=4, num_looks=4)
NAME = "04_test"


@pytest.fixture
def make_trainer(tmp_path, monkeypatch):
    def make(mode, folder=tmp_path):
        monkeypatch.setenv("LLMOPS_MODE", mode)
        monkeypatch.setenv("LLMOPS_RECORDINGS", str(folder))
        return Trainer(NAME)

    return make


def train(trainer, recipe=RECIPE, texts=(PATTERN,), **options):
    return trainer.train("a run", SIZE, recipe, list(texts), [PATTERN], {"held": [PATTERN, OTHER]}, **options)


def test_a_model_learns_a_pattern_and_the_run_can_be_repeated_but_with_another_seed_differs(make_trainer):
    trainer = make_trainer("live")
    run, other = train(trainer), train(trainer, dataclasses.replace(RECIPE, seed=1))
    assert train(trainer).looks == run.looks != other.looks
    assert run.looks[0].step == 10
    assert run.looks[-1].dev_bits < 0.5 < run.looks[0].dev_bits + 0.4
    assert run.bits["held"][0] < run.bits["held"][1]
    assert run.average["held"] == pytest.approx(np.mean(run.bits["held"]))
    assert run.num_tokens == 40 * 4 * 8


def test_a_recorded_run_is_given_back_without_training(make_trainer, monkeypatch):
    recorded = train(make_trainer("record"), keeps_model=True)
    monkeypatch.setattr(runs, "train_model", None)
    replayed = train(make_trainer("replay"), keeps_model=True)
    assert dataclasses.replace(replayed, provenance=recorded.provenance) == recorded
    assert "replay of 20" in str(replayed.provenance)
    assert measure_bits(replayed.model, [PATTERN]) == pytest.approx([recorded.bits["held"][0]], abs=0.01)


def test_the_modes_are_those_of_replies_and_the_used_runs_are_noted(make_trainer, tmp_path, monkeypatch):
    num_trained, real, log = [], runs.train_model, tmp_path / "used.txt"
    monkeypatch.setenv("LLMOPS_USED_LOG", str(log))
    monkeypatch.setattr(runs, "train_model", lambda *options: num_trained.append(1) or real(*options))
    for mode, is_stored, trained in [("live", 0, 2), ("auto", 0, 2), ("fill", 1, 1), ("record", 1, 2)]:
        num_trained.clear()
        for _ in range(2):
            train(make_trainer(mode, tmp_path / mode))
        assert len(num_trained) == trained
        assert len(Recordings(tmp_path / mode / f"{NAME}.jsonl")) == is_stored
    assert len(log.read_text(encoding="utf-8").split()) == 4  # two of fill and two of record


def test_another_run_is_not_mistaken_for_a_recorded_one_and_replay_says_how_to_train_it(make_trainer):
    train(make_trainer("record"))
    for change in [
        {"recipe": dataclasses.replace(RECIPE, drop=0.1)},
        {"texts": (OTHER,)},
        {"texts": (Encoded(PATTERN.ids, 121),)},
        {"keeps_model": True},
    ]:
        with pytest.raises(RecordingMissing, match="training run “a run”") as caught:
            train(make_trainer("replay"), **change)
        assert "LLMOPS_MODE=live" in caught.value.next_step
    # A name is for people and finds nothing.
    held = {"held": [PATTERN, OTHER]}
    assert make_trainer("replay").train("other", SIZE, RECIPE, [PATTERN], [PATTERN], held).name == "other"


def test_the_best_look_is_kept_and_the_last_on_demand():
    for keeps_best in (True, False):
        model = Transformer(SIZE, 0)
        recipe = Recipe(num_steps=60, num_looks=6, keeps_best=keeps_best)
        looks, best = train_model(model, recipe, [PATTERN], [OTHER])  # dev rises while the pattern is learned
        kept = min(looks, key=lambda look: look.dev_bits) if keeps_best else looks[-1]
        assert best == kept.step
        assert average_bits(measure_bits(model, [OTHER]), [OTHER]) == pytest.approx(kept.dev_bits, rel=1e-4)
    assert min(look.dev_bits for look in looks) < looks[-1].dev_bits


def test_bits_of_a_text_are_the_logarithms_of_its_chances_and_each_token_of_a_long_one_counts_once():
    model = Transformer(SIZE, 4)
    model.parameters["token"].data *= 40
    text = Encoded(np.array([0, 3, 1, 6]), 5)
    logits = model.compute_logits(text.ids[None, :-1]).data[0].astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(chances[np.arange(3), text.ids[1:]]).sum() / 5
    assert measure_bits(model, [text])[0] == pytest.approx(expected, rel=1e-4)
    for one in model.parameters.values():
        one.data[...] = 0  # then every token costs 3 bits
    for length in (9, 10, 12, 13, 16, 17, 40):
        assert measure_bits(model, [Encoded(np.arange(length) % 8, 1)]) == pytest.approx([3 * (length - 1)])


def test_a_text_shorter_than_the_context_and_an_impossible_recipe_are_refused():
    with pytest.raises(DataError, match="do not fill a context"):
        train_model(Transformer(SIZE), RECIPE, [Encoded(np.arange(8), 8)], [PATTERN])
    for wrong in [{"num_steps": 0}, {"num_looks": 0}, {"num_looks": 41}, {"batch": 0}, {"drop": 1.0}, {"rate": 0}]:
        with pytest.raises(DataError, match="cannot be followed"):
            Recipe(**({"num_steps": 40} | wrong))


def test_a_run_of_a_sweep_is_taken_from_its_recording_live_and_trained_anew_in_record(make_trainer):
    train(make_trainer("record"))
    assert "replay of 20" in str(train(make_trainer("live"), is_sweep=True).provenance)
    other = dataclasses.replace(RECIPE, seed=5)  # none is recorded: trained
    for trained in (("record", RECIPE, True), ("live", other, True), ("live", RECIPE, False)):
        mode, recipe, is_sweep = trained
        assert train(make_trainer(mode), recipe, is_sweep=is_sweep).provenance.recorded == "", trained
