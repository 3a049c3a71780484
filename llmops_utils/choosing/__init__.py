"""What a model needs and how to decide between models."""

from .decision import compute_break_even, find_needed_score, measure_stability, rank_options
from .fluency import compute_perplexity, measure_readability, measure_repetition
from .footprint import (
    BITS_PER_WEIGHT,
    CALIBRATION_TOKENS,
    MEASURED,
    load_measurements,
    measure_runtime,
    predict_memory,
    read_free_bytes,
)
