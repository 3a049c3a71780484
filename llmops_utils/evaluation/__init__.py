"""Run a system over examples, report, compare; scorers, metrics, power."""

from .agreement import compute_kappa, measure_agreement
from .answers import read_date, read_number
from .compare import Comparison, compare, format_p, format_points
from .measured import Measured
from .metrics import (
    Estimate,
    Proportion,
    adjust_holm,
    check_numbers,
    check_right,
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
from .results import PRICED_AT, keep_result, load_results, ship_results
from .run import Answer, evaluate
from .scorers import ChoiceMatch, Contains, ExactMatch, NumberMatch, Score, Scorer, ValueMatch
from .shares import measure_shares
