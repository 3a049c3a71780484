"""Runs with Comet, their archives, and traces."""

from .archives import get_folder
from .experiment import hide_secrets, log_report, start_run
from .runs import Run, Runs, list_differing, list_runs, make_report_dict, read_run, restore_report, tabulate_runs
from .traces import Span, log_trace, record_trace, span, trace_model
from .uploads import upload_runs

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
