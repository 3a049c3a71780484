"""Claims about the optimiser and training runs: they learn, can be repeated, and are given back as recorded."""

from dataclasses import replace

import numpy as np
import pytest

from llmops_utils.core import RecordingMissing
from llmops_utils.models import Recordings
from llmops_utils.training import trainer as runs
from llmops_utils.training.gradients import Tensor
from llmops_utils.training.ngrams import average_bits
from llmops_utils.training.tokenizer import Encoded
from llmops_utils.training.trainer import (
    ADAM_RATE,
    Optimiser,
    Recipe,
    Trainer,
    measure_bits,
    train_model,
)
from llmops_utils.training.transformer import Architecture, Transformer

SIZE = Architecture(vocabulary=8, width=16, depth=1, heads=2, context=8)
PATTERN = Encoded(np.array([0, *[1, 2, 3, 4] * 30]), 120)
OTHER = Encoded(np.array([0, *[4, 3, 2, 1] * 30]), 120)
RECIPE = Recipe(num_steps=40, batch=4, num_looks=4)
NAME = "04_test"
RANDOM = np.random.default_rng(5)


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
    run, other = train(trainer), train(trainer, replace(RECIPE, seed=1))
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
    assert replace(replayed, provenance=recorded.provenance) == recorded
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
        {"recipe": replace(RECIPE, drop=0.1)},
        {"texts": (OTHER,)},
        {"texts": (Encoded(PATTERN.ids, 121),)},
        {"keeps_model": True},
    ]:
        with pytest.raises(RecordingMissing, match="training run “a run”") as caught:
            train(make_trainer("replay"), **change)
        assert "LLMOPS_MODE=live" in caught.value.next_step


def test_the_best_look_is_kept_and_the_last_on_demand():
    for keeps_best in (True, False):
        model = Transformer(SIZE, 0)
        recipe = Recipe(num_steps=60, num_looks=6, keeps_best=keeps_best)
        looks, best = train_model(model, recipe, [PATTERN], [OTHER])  # dev rises while the pattern is learned
        kept = min(looks, key=lambda look: look.dev_bits) if keeps_best else looks[-1]
        assert best == kept.step
        assert average_bits(measure_bits(model, [OTHER]), [OTHER]) == pytest.approx(kept.dev_bits, rel=1e-4)
    assert min(look.dev_bits for look in looks) < looks[-1].dev_bits


def test_bits_of_a_short_text_are_the_logarithms_of_its_chances():
    model = Transformer(SIZE, 4)
    model.parameters["token"].data *= 40
    text = Encoded(np.array([0, 3, 1, 6]), 5)
    logits = model.compute_logits(text.ids[None, :-1]).data[0].astype(float)
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(chances[np.arange(3), text.ids[1:]]).sum() / 5
    assert measure_bits(model, [text])[0] == pytest.approx(expected, rel=1e-4)


def test_every_token_of_a_long_text_is_counted_once():
    model = Transformer(SIZE, 0)
    for one in model.parameters.values():
        one.data[...] = 0  # then every token costs 3 bits
    for length in (9, 10, 12, 13, 16, 17, 40):
        assert measure_bits(model, [Encoded(np.arange(length) % 8, 1)]) == pytest.approx([3 * (length - 1)])


def test_a_run_of_a_sweep_is_taken_from_its_recording_live_and_trained_anew_in_record(make_trainer):
    train(make_trainer("record"))
    assert "replay of 20" in str(train(make_trainer("live"), is_sweep=True).provenance)
    other = replace(RECIPE, seed=5)  # none is recorded: trained
    for trained in (("record", RECIPE, True), ("live", other, True), ("live", RECIPE, False)):
        mode, recipe, is_sweep = trained
        assert train(make_trainer(mode), recipe, is_sweep=is_sweep).provenance.recorded == "", trained


# --- the optimiser ---------------------------------------------------------------------------------------------


def test_singular_values_come_near_one_and_the_directions_stay_as_they_were():
    for shape in [(8, 8), (6, 24), (24, 6), (1, 9)]:
        matrix = RANDOM.standard_normal(shape)
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        moved = left.T @ runs.make_orthogonal(matrix) @ right.T
        assert np.allclose(moved, np.diag(np.diag(moved)), atol=1e-6)
        assert np.diag(moved).min() > 0.3
        assert np.diag(moved).max() < 1.3
    assert (runs.make_orthogonal(np.zeros((3, 4))) == 0).all()


def make_parameters():
    return {
        "token": Tensor(RANDOM.standard_normal((6, 4)).astype(np.float32)),
        "block 0 in": Tensor(RANDOM.standard_normal((4, 8)).astype(np.float32)),
        "block 0 gain": Tensor(np.ones(4, dtype=np.float32)),
    }


def test_steps_go_downhill_and_keep_single_precision(monkeypatch):
    monkeypatch.setattr(runs, "DECAY", 0)
    parameters = make_parameters()
    goal = {name: np.full_like(one.data, 0.3) for name, one in parameters.items()}
    optimiser = Optimiser(parameters)

    def measure():
        return sum(float(((one.data - goal[name]) ** 2).sum()) for name, one in parameters.items())

    before = measure()
    for _ in range(150):
        for name, one in parameters.items():
            one.gradient = 2 * (one.data - goal[name])
        optimiser.step(1.0)
    assert measure() < before / 4
    assert {one.data.dtype for one in parameters.values()} == {np.dtype(np.float32)}
    assert all(one.gradient is None for one in parameters.values())


def test_the_first_step_of_adam_has_the_length_of_its_rate():
    parameters = {"gain": Tensor(np.ones(3, dtype=np.float32))}
    parameters["gain"].gradient = np.array([0.1, -0.2, 0.3], dtype=np.float32)
    Optimiser(parameters).step(0.5)
    assert parameters["gain"].data == pytest.approx(1 - 0.5 * ADAM_RATE * np.array([1, -1, 1]), abs=1e-6)


def test_matrices_decay_and_gains_do_not():
    parameters = make_parameters()
    before = {name: one.data.copy() for name, one in parameters.items()}
    for one in parameters.values():
        one.gradient = np.zeros_like(one.data)
    Optimiser(parameters).step(1.0)
    assert (parameters["block 0 gain"].data == before["block 0 gain"]).all()
    assert parameters["token"].data == pytest.approx(before["token"] * (1 - ADAM_RATE * runs.DECAY), rel=1e-6)
