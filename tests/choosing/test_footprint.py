"""Claims about memory: the formula gives published figures, and the embedded model's measured size within 15 %."""

import pytest

from llmops_utils.choosing import (
    BITS_PER_WEIGHT,
    CALIBRATION_TOKENS,
    compute_cache_bytes,
    compute_weight_bytes,
    load_measurements,
    measure_runtime,
    predict_memory,
)
from llmops_utils.core import DataError
from llmops_utils.models import load_catalog

MODEL = load_catalog().find_local("smollm2-135m-instruct")


def test_the_cache_of_llama_2_7b_is_half_a_mebibyte_per_token_and_shared_heads_make_it_smaller():
    # 32 layers, 32 heads with keys and values of their own, 128 numbers each, 16 bits: 524,288 bytes
    assert compute_cache_bytes(32, 32, 128, tokens=1) == 524_288
    assert compute_cache_bytes(32, 32, 128, tokens=4096) == 2 * 2**30
    assert compute_cache_bytes(32, 8, 128, 1000) == compute_cache_bytes(32, 32, 128, 1000) / 4


def test_parameters_times_bits_is_near_the_size_of_the_file():
    assert compute_weight_bytes(7e9, 16) == 14e9
    # Q8_0 takes 8.5 bits; norms and the vocabulary make the file a little larger.
    predicted = compute_weight_bytes(MODEL.parameters, BITS_PER_WEIGHT["Q8_0"])
    assert MODEL.files[0].bytes == pytest.approx(predicted, rel=0.02)


def test_the_prediction_adds_file_cache_and_runtime():
    need = predict_memory(MODEL, 1000, runtime_bytes=7)
    assert (need.weight_bytes, need.cache_bytes) == (144_811_072, 2 * 30 * 3 * 64 * 1000 * 2)
    assert need.total_bytes == need.weight_bytes + need.cache_bytes + 7


def test_a_model_without_shape_or_measurement_has_no_prediction():
    with pytest.raises(DataError, match="gemma-3-270m-it"):
        predict_memory(load_catalog().find_local("gemma-3-270m-it"), 1000)
    with pytest.raises(DataError, match=r"qwen3-0\.6b was not measured at 512 tokens"):
        measure_runtime(load_measurements(), load_catalog().find_local("qwen3-0.6b"))


def test_the_measured_sizes_are_predicted_within_15_percent():
    measured = load_measurements()
    runtime = measure_runtime(measured, MODEL)
    tested = [one for one in measured if one.tokens != CALIBRATION_TOKENS]
    assert [one.tokens for one in tested] == [2048, 4096, 8192]
    for one in tested:
        assert predict_memory(MODEL, one.tokens, runtime).total_bytes == pytest.approx(one.model_bytes, rel=0.15)
