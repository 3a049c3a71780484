"""Releases, gate, monitor, guardrails, caches, limits."""

from .caches import ExactCache, MeaningCache, ThresholdRow, measure_threshold
from .gate import TASKS, Decision, bound_flips, choose_outcome, decide, make_system, run_gate
from .guardrails import enforce_schema, find_injection, is_card_number, redact_personal_data
from .incidents import INCIDENTS, SOURCES, Served, load_traffic, simulate_traffic
from .limits import BudgetWatch, Fallback, RateLimit
from .monitor import AlertRule, Monitor, Request, Window, compute_psi, find_first_alarm
from .releases import Release, choose_folder, load_production, load_release, open_release, promote, roll_back

__all__ = [
    "INCIDENTS",
    "SOURCES",
    "TASKS",
    "AlertRule",
    "BudgetWatch",
    "Decision",
    "ExactCache",
    "Fallback",
    "MeaningCache",
    "Monitor",
    "RateLimit",
    "Release",
    "Request",
    "Served",
    "ThresholdRow",
    "Window",
    "bound_flips",
    "choose_folder",
    "choose_outcome",
    "compute_psi",
    "decide",
    "enforce_schema",
    "find_first_alarm",
    "find_injection",
    "is_card_number",
    "load_production",
    "load_release",
    "load_traffic",
    "make_system",
    "measure_threshold",
    "open_release",
    "promote",
    "redact_personal_data",
    "roll_back",
    "run_gate",
    "simulate_traffic",
]
