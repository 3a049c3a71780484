"""Claims about memory: the formula gives published figures, and the embedded model's measured size within 15 %."""

import pytest

from llmops_utils.choosing.footprint import (
    BITS_PER_WEIGHT,
    CALIBRATION_TOKENS,
    MEASURED,
    compute_cache_bytes,
    compute_weight_bytes,
    load_measurements,
    measure_runtime,
    predict_memory,
    read_free_bytes,
)
from llmops_utils.core import DataError
from llmops_utils.models import load_catalog

MODEL = load_catalog().find_local("smollm2-135m-instruct")


def test_the_cache_of_llama_2_7b_is_half_a_mebibyte_per_token():
    # 32 layers, 32 heads with keys and values of their own, 128 numbers each, 16 bits: 524,288 bytes
    assert compute_cache_bytes(32, 32, 128, tokens=1) == 524_288
    assert compute_cache_bytes(32, 32, 128, tokens=4096) == 2 * 2**30


def test_shared_heads_and_fewer_bits_make_the_cache_smaller():
    assert compute_cache_bytes(32, 8, 128, 1000) == compute_cache_bytes(32, 32, 128, 1000) / 4
    assert compute_cache_bytes(32, 8, 128, 1000, bits=8) == compute_cache_bytes(32, 8, 128, 1000) / 2


def test_seven_billion_weights_of_16_bits_take_14_gigabytes():
    assert compute_weight_bytes(7e9, 16) == 14e9


def test_parameters_times_bits_is_near_the_size_of_the_file():
    # Q4_1 takes 5 bits; norms, a table of larger weights and the vocabulary make the file a little larger.
    assert MODEL.files[0].bytes == pytest.approx(
        compute_weight_bytes(MODEL.parameters, BITS_PER_WEIGHT["Q4_1"]), rel=0.2
    )


@pytest.mark.parametrize("name", ["layers", "kv_heads", "head_size", "tokens", "bits"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_number_that_cannot_be_is_refused_by_name(name, value):
    numbers = {"layers": 30, "kv_heads": 3, "head_size": 64, "tokens": 10, "bits": 16} | {name: value}
    with pytest.raises(DataError, match=name):
        compute_cache_bytes(**numbers)


@pytest.mark.parametrize(("parameters", "bits"), [(0, 4), (1e9, 0), (float("nan"), 4)])
def test_no_weights_are_no_size(parameters, bits):
    with pytest.raises(DataError):
        compute_weight_bytes(parameters, bits)


def test_the_prediction_adds_file_cache_and_runtime():
    need = predict_memory(MODEL, 1000, runtime_bytes=7)
    assert need.weight_bytes == 98_362_432
    assert need.cache_bytes == 2 * 30 * 3 * 64 * 1000 * 2
    assert need.total_bytes == need.weight_bytes + need.cache_bytes + 7


def test_a_model_without_shape_has_no_prediction():
    with pytest.raises(DataError, match="gemma-3-270m-it"):
        predict_memory(load_catalog().find_local("gemma-3-270m-it"), 1000)


def test_the_measured_sizes_are_predicted_within_15_percent():
    measured = load_measurements()
    runtime = measure_runtime(measured, MODEL)
    tested = [one for one in measured if one.tokens != CALIBRATION_TOKENS]
    assert [one.tokens for one in tested] == [2048, 4096, 8192]
    for one in tested:
        assert predict_memory(MODEL, one.tokens, runtime).total_bytes == pytest.approx(one.model_bytes, rel=0.15)


def test_the_runtime_of_a_model_that_was_not_measured_is_unknown():
    with pytest.raises(DataError, match=r"qwen3-0\.6b was not measured at 512 tokens"):
        measure_runtime(load_measurements(), load_catalog().find_local("qwen3-0.6b"))


def test_a_measurement_that_shrinks_is_refused_with_its_line(tmp_path):
    lines = MEASURED.read_text(encoding="utf-8").splitlines()[:2]
    cells = lines[1].split(",")
    cells[4] = str(int(cells[3]) - 1)
    path = tmp_path / "memory_measured.csv"
    path.write_text(lines[0] + "\n" + ",".join(cells) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"memory_measured\.csv, line 2"):
        load_measurements(path)


def test_the_free_memory_is_a_number_of_bytes():
    assert read_free_bytes() > 50_000_000
