"""Claims about memory: the formula gives published figures, and the embedded model's measured size within 15 %."""

import pytest

from llmops_utils.choosing import (
    BITS_PER_WEIGHT,
    load_measurements,
    measure_runtime,
    predict_memory,
)
from llmops_utils.choosing.footprint import compute_cache_bytes
from llmops_utils.core import DataError
from llmops_utils.models import load_catalog

MODEL = load_catalog().find_local("smollm2-135m-instruct")


def test_the_prediction_adds_file_cache_and_runtime():
    need = predict_memory(MODEL, 1000, runtime_bytes=7)
    assert (need.weight_bytes, need.cache_bytes) == (144_811_072, 2 * 30 * 3 * 64 * 1000 * 2)
    assert need.total_bytes == need.weight_bytes + need.cache_bytes + 7
    # Q8_0 takes 8.5 bits; norms and the vocabulary make the file a little larger.
    assert need.weight_bytes == pytest.approx(MODEL.parameters * BITS_PER_WEIGHT["Q8_0"] / 8, rel=0.02)
    # Llama 2 7B: 32 layers, 32 heads with keys and values of their own, 128 numbers each, 16 bits: half a mebibyte.
    assert compute_cache_bytes(32, 32, 128, tokens=4096) == 4096 * 524_288


def test_a_model_without_shape_or_measurement_has_no_prediction():
    with pytest.raises(DataError, match="gemma-3-270m-it"):
        predict_memory(load_catalog().find_local("gemma-3-270m-it"), 1000)
    with pytest.raises(DataError, match=r"qwen3-0\.6b was not measured at 512 tokens"):
        measure_runtime(load_measurements(), load_catalog().find_local("qwen3-0.6b"))
