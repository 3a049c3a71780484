"""Run a system over examples, report, compare; scorers, metrics, judges, power."""

from .agreement import compute_kappa, measure_agreement
from .answers import read_date, read_number
from .compare import Comparison, compare, format_points
from .judges import ModelGraded, PairJudge, RubricGraded, run_swap_test
from .metrics import (
    Bin,
    Estimate,
    Proportion,
    bin_by_confidence,
    compute_mcnemar,
    compute_sign_flip_p,
    estimate_auc,
    estimate_difference,
    estimate_mean,
    estimate_proportion,
    find_z,
)
from .power import compute_power, find_num_examples
from .report import Report, Row, sum_tokens
from .results import PRICED_AT, keep_result, load_results, ship_results, tabulate_models, tabulate_results
from .run import Answer, evaluate
from .scorers import ChoiceMatch, Contains, ExactMatch, NumberMatch, Score, Scorer, ValueMatch

__all__ = [
    "PRICED_AT",
    "Answer",
    "Bin",
    "ChoiceMatch",
    "Comparison",
    "Contains",
    "Estimate",
    "ExactMatch",
    "ModelGraded",
    "NumberMatch",
    "PairJudge",
    "Proportion",
    "Report",
    "Row",
    "RubricGraded",
    "Score",
    "Scorer",
    "ValueMatch",
    "bin_by_confidence",
    "compare",
    "compute_kappa",
    "compute_mcnemar",
    "compute_power",
    "compute_sign_flip_p",
    "estimate_auc",
    "estimate_difference",
    "estimate_mean",
    "estimate_proportion",
    "evaluate",
    "find_num_examples",
    "find_z",
    "format_points",
    "keep_result",
    "load_results",
    "measure_agreement",
    "read_date",
    "read_number",
    "run_swap_test",
    "ship_results",
    "sum_tokens",
    "tabulate_models",
    "tabulate_results",
]
