"""Runs with Comet, their archives, and traces."""

from .experiment import start_run, upload_runs
from .reports import hide_secrets, log_report, make_report_dict, restore_report
from .runs import Run, Runs, get_folder, list_differing, list_runs, read_run, tabulate_runs
from .traces import Span, log_trace, record_trace, span, trace_model

__all__ = [
    "Run",
    "Runs",
    "Span",
    "get_folder",
    "hide_secrets",
    "list_differing",
    "list_runs",
    "log_report",
    "log_trace",
    "make_report_dict",
    "read_run",
    "record_trace",
    "restore_report",
    "span",
    "start_run",
    "tabulate_runs",
    "trace_model",
    "upload_runs",
]
