"""Releases, gate, monitor, guardrails, caches, limits."""

from .caches import ExactCache, ThresholdRow, measure_threshold, name_version
from .canary import Canary, CanaryPlan, compare_steps
from .gate import EXIT_CODES, TASKS, Decision, bound_flips, choose_outcome, decide, make_system, run_gate
from .guardrails import enforce_schema, find_injection, is_card_number, redact_personal_data
from .incidents import INCIDENTS, Served, load_traffic, simulate_traffic
from .limits import BudgetWatch, Fallback, RateLimit
from .monitor import AlertRule, Monitor, Request, Window, compute_psi, find_first_alarm
from .releases import (
    Release,
    choose_folder,
    load_production,
    load_production_model,
    load_release,
    open_model,
    open_release,
    promote,
    roll_back,
)
