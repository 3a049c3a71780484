"""Fine-tuning in a lesson: the embedded model is tuned now, or a recorded run is given back, as the settings say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from ...core import DataError, RecordingMissing, load_settings
from ...models import AdapterFile, Recorder, Recordings, fetch_weights, find_adapter, load_catalog
from .adapter_training import AdapterRecipe
from .demonstrations import Demonstration, check_demonstrations, hash_demonstrations
from .llama import read_llama
from .runs import RunFigures, fine_tune


@dataclass(frozen=True)
class TunedModel(RunFigures):
    """What a fine-tuning left behind; `Model(chapter, adapter=tuned.file)` asks the model.

    `source` says what it was trained by, and where.
    """

    file: AdapterFile
    source: str

    def __str__(self) -> str:
        return (
            f"{self.file.name}: {self.seconds:.0f} s, {self.examples_per_second:.1f} examples per second, "
            f"{self.peak_mb:,.0f} MB, loss {self.losses[0]:.2f} → {self.losses[-1]:.2f} ({self.source})"
        )

    __repr__ = __str__


class FineTuner:
    """Tunes the embedded model for a chapter. A run is recorded beside the replies; in replay nothing is trained."""

    def __init__(self, chapter: str) -> None:
        self.chapter, self.settings = chapter, load_settings()
        recordings = Recordings(self.settings.recordings / f"{chapter}.jsonl")
        self._recorder = Recorder(recordings, self.settings, f"numpy {np.__version__} on {os.cpu_count()} cores")

    def tune(
        self,
        name: str,
        demonstrations: Sequence[Demonstration],
        recipe: AdapterRecipe,
        dev: Sequence[Demonstration] = (),
        test_texts: Sequence[str] = (),
    ) -> TunedModel:
        """Return a model tuned as `fine_tune` does it; its adapter lies in LLMOPS_HOME. An interrupted run goes on.

        Raises what `fine_tune` raises, and `RecordingMissing` where replay was asked for a run that was never recorded.
        """
        if not name.isidentifier():
            raise DataError(f"“{name}” is no name for an adapter.", "Use letters, digits and _.")
        check_demonstrations([*demonstrations, *dev], test_texts)
        catalog = load_catalog()
        base = catalog.find_local(catalog.find_provider("embedded").default_model)
        body = {"model": base.name, "name": name, "recipe": asdict(recipe), "base": base.files[0].sha256}
        body |= {"data": hash_demonstrations(demonstrations), "dev": hash_demonstrations(dev)}
        request = {"method": "TRAIN", "path": "/adapter", "body": body}
        path = self.settings.home / "adapters" / f"{self.chapter}-{name}.gguf"
        found = self._recorder.find(request)
        if found is not None and self.settings.asks:  # the recording alone cannot be served
            is_here = path.exists() and find_adapter(path, body["base"]).sha256 == found.response["body"]["sha256"]
            found = found if is_here else None
        if found is None and not self.settings.asks:
            raise RecordingMissing(
                f"There is no recording in {self.chapter} for the fine-tuning “{name}”.",
                "Set LLMOPS_MODE=live and restart the kernel: then it is trained on this machine.",
            )
        if found is None:
            [weights, *_] = fetch_weights(base, self.settings.home).values()
            checkpoint = path.with_suffix(".npz")
            path.parent.mkdir(parents=True, exist_ok=True)
            is_silent = self.settings.stores
            run = fine_tune(read_llama(weights), name, demonstrations, recipe, dev, test_texts, checkpoint, is_silent)
            run.adapter.write(path)
            checkpoint.unlink()
            told = {one.name: getattr(run, one.name) for one in fields(RunFigures)}
            told |= {"seconds": round(run.seconds, 1), "examples_per_second": round(run.examples_per_second, 2)}
            told |= {"peak_mb": round(run.peak_mb), "sha256": find_adapter(path, body["base"]).sha256}
            found = self._recorder.keep(request, {"status": 200, "body": told}, run.seconds)
        told = dict(found.response["body"])
        return TunedModel(file=AdapterFile(path, name, told.pop("sha256")), **told, source=found.source)
