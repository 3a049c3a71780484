"""Runs with Comet, their archives, and traces."""

from .experiment import start_run, upload_runs
from .otlp import send_trace, write_trace
from .reports import log_report
from .runs import Run, Runs, get_folder, list_differing, list_runs, read_run, tabulate_runs
from .traces import Span, log_trace, record_trace, span, trace_model
