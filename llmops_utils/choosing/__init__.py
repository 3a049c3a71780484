"""What a model needs and how to decide between models."""

from .bench import keep_bench, load_bench, make_bench_row, tabulate_bench
from .decision import compute_break_even, find_needed_score, measure_stability, rank_options
from .fluency import compute_perplexity, measure_readability, measure_repetition
from .footprint import (
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

__all__ = [
    "BITS_PER_WEIGHT",
    "CALIBRATION_TOKENS",
    "MEASURED",
    "compute_break_even",
    "compute_cache_bytes",
    "compute_perplexity",
    "compute_weight_bytes",
    "find_needed_score",
    "keep_bench",
    "load_bench",
    "load_measurements",
    "make_bench_row",
    "measure_readability",
    "measure_repetition",
    "measure_runtime",
    "measure_stability",
    "predict_memory",
    "rank_options",
    "read_free_bytes",
    "tabulate_bench",
]
