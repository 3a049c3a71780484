"""Claims about fine-tuning in a lesson: recorded runs come back without a model, and what is asked is there to be asked."""

from types import SimpleNamespace

import pytest
import tiny_llama

from llmops_utils.core import DataError, RecordingMissing
from llmops_utils.models import Model, Recordings
from llmops_utils.training.fine_tuning import AdapterRecipe, Demonstration, FineTuner, tuner

ROWS = [Demonstration(f"tea {number}?", ["yes" if number % 2 else "no"]) for number in range(6)]
RECIPE = AdapterRecipe(num_layers=1, rank=2, epochs=1, rate=0.01)


@pytest.fixture
def make_tuner(tiny, tmp_path, monkeypatch):
    """Return what makes a tuner of the tiny model in a mode, and the list of its trainings."""
    weights = tiny_llama.write_model(tmp_path / "tiny.gguf")
    base = SimpleNamespace(name="tiny", files=[SimpleNamespace(sha256=tiny.sha256)], default_model="tiny")
    catalog = SimpleNamespace(find_provider=lambda name: base, find_local=lambda name: base)
    monkeypatch.setattr(tuner, "load_catalog", lambda: catalog)
    monkeypatch.setattr(tuner, "fetch_weights", lambda model, home: {"tiny.gguf": weights})
    trained, real = [], tuner.fine_tune
    monkeypatch.setattr(tuner, "fine_tune", lambda *args: trained.append(1) or real(*args))
    monkeypatch.setenv("LLMOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LLMOPS_RECORDINGS", str(tmp_path / "recordings"))

    def make(mode):
        monkeypatch.setenv("LLMOPS_MODE", mode)
        return FineTuner("04_test")

    return make, trained


def test_a_recorded_run_comes_back_without_a_model_and_names_its_adapter(make_tuner, tmp_path):
    make, trained = make_tuner
    run = make("fill").tune("mine", ROWS, RECIPE)
    assert (len(run.losses), run.best_epoch, run.file.name) == (1, 1, "mine")
    assert [path.name for path in run.file.path.parent.iterdir()] == ["04_test-mine.gguf"]  # no checkpoint is left
    assert make("fill").tune("mine", ROWS, RECIPE) == run
    assert len(trained) == 1
    run.file.path.unlink()
    back = make("replay").tune("mine", ROWS, RECIPE)
    assert (back, len(trained)) == (run, 1)
    model = Model("04_test", adapter=back.file)
    assert model.name == "smollm2-135m-instruct+mine"
    assert model.connection.source.endswith(f"adapter sha256:{run.file.sha256[:12]}")
    assert make("fill").tune("mine", ROWS, RECIPE).file == run.file  # trained anew, since it is to be asked
    assert (len(trained), len(Recordings(tmp_path / "recordings" / "04_test.jsonl"))) == (2, 1)
    assert make("live").tune("mine", ROWS, RECIPE).file == run.file
    assert len(trained) == 3


def test_other_data_recipes_and_names_are_other_runs_and_bad_input_is_refused_in_every_mode(make_tuner):
    make, trained = make_tuner
    make("fill").tune("mine", ROWS, RECIPE)
    others = (("yours", ROWS, RECIPE), ("mine", ROWS[:4], RECIPE), ("mine", ROWS, AdapterRecipe(num_layers=1, rank=3)))
    for other in others:
        with pytest.raises(RecordingMissing, match="no recording in 04_test for the fine-tuning"):
            make("replay").tune(*other)
    for mode in ("replay", "live"):
        with pytest.raises(DataError, match="All replies are the same"):
            make(mode).tune("mine", ROWS[1::2], RECIPE)
        with pytest.raises(DataError, match="holds a text of the test"):
            make(mode).tune("mine", ROWS, RECIPE, test_texts=["tea 1?"])
        with pytest.raises(DataError, match="is no name for an adapter"):
            make(mode).tune("../mine", ROWS, RECIPE)
    assert len(trained) == 1
