"""An evaluation in a tracked run: what is logged of it, in one call, and how it is read back."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields

from ..core import DataError, read_environment
from ..evaluation import Comparison, Proportion, Report, Row
from ..prompts import Prompt

REPORT, PROMPT, COMPARISON = "report.json", "prompt.json", "comparison.json"
MAX_TEXTS = 20  # examples of a report that are logged as texts, too


def hide_secrets(text: str) -> str:
    """Return a text without the values of any variable of the environment or `.env` that is named as a key."""
    for name, value in read_environment().items():
        if re.search(r"API_KEY$|TOKEN$|SECRET$", name) and len(value) >= 8:
            text = text.replace(value, "[key]")
    return text


def write_json(content: object) -> str:
    """Return JSON without secrets; rows become objects, and what JSON has no form for becomes text."""
    text = json.dumps(content, ensure_ascii=False, default=lambda one: vars(one) if isinstance(one, Row) else str(one))
    return hide_secrets(text)


def write_report(report: Report) -> str:
    """Return a report as JSON without secrets."""
    return write_json({field.name: getattr(report, field.name) for field in fields(report)})


def restore_report(content: dict) -> Report:
    """Return the report that `write_report` wrote. Raises `TypeError` or `KeyError` where it did not."""
    return Report(**content | {"rows": tuple(Row(**row) for row in content["rows"])})


def log_report(
    run,
    report: Report,
    *,
    prompt: Prompt | None = None,
    data: str = "",
    split: str = "",
    parameters: Mapping[str, object] | None = None,
    comparison: Comparison | None = None,
) -> None:
    """Log all that an evaluation was and gave, in one call.

    Parameters: model, provenance, prompt with its version, data with a checksum of the examples, split, and your own;
    what is no number, text or bool is logged as text. Metrics: score with its interval, failures, tokens, seconds and
    dollars per example; with a comparison also the difference with its interval, and p. Texts: the prompt, and the
    first inputs with what was answered. Files: the whole report, the table of examples, the prompt, the comparison.
    Keys that are set in the environment are taken out of everything.

    Raises:
        DataError: the run is ended, or the comparison, whose candidate is this report, is about another one.
    """
    if not run.alive:
        raise DataError("The run is ended; nothing can be logged any more.", "Begin a new one with start_run.")
    if comparison is not None and comparison.candidate != report:
        raise DataError("The candidate of the comparison is not this report.", "Log compare(baseline, report).")
    content = write_report(report)
    report = restore_report(json.loads(content))
    named = {name: value for name, value in (("data", data), ("split", split)) if value}
    found = _describe(report, prompt) | named | dict(parameters or {})
    run.log_parameters(
        {name: value if isinstance(value, int | float) else hide_secrets(str(value)) for name, value in found.items()}
    )
    run.log_metrics(_measure(report))
    if prompt is not None:
        about = {"kind": "prompt", "prompt": prompt.name, "version": prompt.version}
        run.log_text(hide_secrets(str(prompt.show())), metadata=about)
        run.log_asset_data(write_json(asdict(prompt)), name=PROMPT)
    for row in report.rows[:MAX_TEXTS]:
        about = {"kind": "reply", "example": row.id, "score": row.score}
        run.log_text(f"{row.input}\n→ {row.error or row.prediction}\nexpected: {row.expected}", metadata=about)
    # As text: of a table logged with `log_table` an online run's archive may get an empty file (seen with 3.58).
    run.log_asset_data(report.table.to_csv(index=False, lineterminator="\n"), name="examples.csv")
    run.log_asset_data(content, name=REPORT)
    if comparison is not None:
        difference = comparison.difference
        measured = {
            "difference": float(difference.value),
            "difference_low": float(difference.low),
            "difference_high": float(difference.high),
            "p": float(comparison.p),
        }
        run.log_metrics(measured)
        run.log_parameter("baseline", hide_secrets(comparison.baseline.name))
        told = {"baseline": comparison.baseline.name, "verdict": comparison.verdict, "told": str(comparison)} | measured
        told |= {"gained": list(comparison.gained), "lost": list(comparison.lost)}
        run.log_asset_data(write_json(told), name=COMPARISON)


def _describe(report: Report, prompt: Prompt | None) -> dict:
    asked = json.dumps([[row.id, row.input, row.expected] for row in report.rows]).encode()
    found = {
        "report": report.name,
        "model": report.provenance.partition(" (")[0],
        "provenance": report.provenance,
        "num_examples": len(report),
        "examples_checksum": hashlib.sha256(asked).hexdigest()[:8],
    }
    if prompt is not None:
        found |= {"prompt": prompt.name, "prompt_version": prompt.version}
        if prompt.revision is not None:
            found["prompt_revision"] = prompt.revision
    return found


def _measure(report: Report) -> dict[str, float]:
    measured = {"score": float(report.score.value)}
    if len(report) > 1 or isinstance(report.score, Proportion):
        measured |= {"score_low": float(report.score.low), "score_high": float(report.score.high)}
    for name in ("num_failed", "prompt_tokens", "completion_tokens", "latency_s", "cost_usd"):
        if getattr(report, name) is not None:  # the price of a model may be unknown
            measured[name] = getattr(report, name)
    return measured
