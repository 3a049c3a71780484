"""How much memory a model takes: weights and key-value cache by formula, and what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..core import DATA, DataError
from ..datasets import Record, load_records
from ..models import LocalModel

MEASURED = DATA / "memory_measured.csv"
CALIBRATION_TOKENS = 512
# Bits per weight of llama.cpp's formats, with the scales of their blocks: 32 weights of 4 bits and two 16-bit numbers
# make 5 bits per weight in Q4_1. Source: the block structures in ggml-common.h; Q4_K_M is a mixture, so about.
BITS_PER_WEIGHT = {"F32": 32.0, "F16": 16.0, "Q8_0": 8.5, "Q4_K_M": 4.85, "Q4_1": 5.0, "Q4_0": 4.5, "Q2_K": 2.63}


@dataclass(frozen=True)
class MemoryNeed:
    """What a model takes, in bytes: its weights, its key-value cache, and what the runtime adds."""

    weight_bytes: float
    cache_bytes: float
    runtime_bytes: float

    @property
    def total_bytes(self) -> float:
        """The sum of the parts."""
        return self.weight_bytes + self.cache_bytes + self.runtime_bytes


@dataclass(frozen=True)
class MemoryMeasurement(Record):
    """A resident size that was measured, with where and when; `before_bytes` is the process without the model."""

    model: str
    tokens: int
    before_bytes: int
    after_bytes: int
    runtime: str
    system: str
    measured: str

    @property
    def model_bytes(self) -> int:
        """What the model added to its process."""
        return self.after_bytes - self.before_bytes


def compute_cache_bytes(layers: int, kv_heads: int, head_size: int, tokens: int) -> float:
    """Return the bytes of the key-value cache for so many tokens, at 16 bits a number as in llama.cpp.

    Each token leaves a key and a value in each layer: two vectors of `kv_heads * head_size` numbers. The tokens are
    those of all requests that are answered at once, prompt and reply together.

    Source: R. Pope et al., Efficiently scaling transformer inference (2022), section 3.3, on grouped heads: J. Ainslie
    et al., GQA (2023). Known difference: layers with a sliding window keep fewer tokens, so this is their upper bound.
    """
    return 2 * layers * kv_heads * head_size * tokens * 16 / 8


def predict_memory(model: LocalModel, tokens: int, runtime_bytes: float = 0) -> MemoryNeed:
    """Return what a model of the catalog takes with so many tokens: the file's size, the cache, and `measure_runtime`'s.

    Raises `DataError` where the catalog does not know the model's layers and heads, or the size of its file.
    """
    shape = (model.layers, model.kv_heads, model.head_size)
    weight_bytes = model.files[0].bytes if model.files else (model.megabytes or 0) * 1_000_000
    if None in shape or not weight_bytes:
        raise DataError(
            f"The catalog does not hold the shape of {model.name}.", "Add layers, kv_heads and head_size to its entry."
        )
    return MemoryNeed(weight_bytes, compute_cache_bytes(*shape, tokens), runtime_bytes)


load_measurements = partial(load_records, MemoryMeasurement, MEASURED.name)  # what `benchmarks/memory.py` measured


def measure_runtime(measurements: list[MemoryMeasurement], model: LocalModel) -> float:
    """Return the bytes that the runtime needs besides weights and cache, by the run at `CALIBRATION_TOKENS`.

    Raises `DataError` where that size was not measured for the model.
    """
    for one in measurements:
        if (one.model, one.tokens) == (model.name, CALIBRATION_TOKENS):
            return one.model_bytes - predict_memory(model, one.tokens).total_bytes
    raise DataError(
        f"{model.name} was not measured at {CALIBRATION_TOKENS} tokens.", "Run benchmarks/memory.py --store."
    )


def read_free_bytes() -> int:
    """Return how much memory of this machine programs can still take, in bytes."""
    import psutil

    return psutil.virtual_memory().available
