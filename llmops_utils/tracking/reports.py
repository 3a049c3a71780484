"""An evaluation in a tracked run: what is logged of it, in one call, and how it is read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from pydantic import TypeAdapter

from ..core import DataError, clean_values, parse_json_values, redact_values
from ..evaluation import Proportion, Report
from ..prompts import Prompt

REPORT, PROMPT = "report.json", "prompt.json"
MAX_TEXTS = 20  # examples of a report that are logged as texts, too
ADAPTER = TypeAdapter(Report)


def clean(value):
    """Return a text, or a value that JSON can hold, as it may leave: without secrets, and writable as UTF-8.

    All that goes from here to Comet or into an archive passes through it, names and tags of runs and spans too.
    """
    return redact_values(clean_values(value))


def write_json(content: object) -> str:
    """Return JSON that was passed through `clean`; records become objects, and what JSON has no form for becomes text.

    Raises `DataError` where it is nested too deeply, holds itself, or has keys that are no text.
    """
    try:
        return json.dumps(clean(json.loads(json.dumps(content, default=_spell))), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"What is to be logged cannot be written as JSON ({type(error).__name__})."
        raise DataError(problem, "Let the system return plain values: texts, numbers, lists, dicts by text.") from error


def _spell(one: object) -> dict | str:
    if is_dataclass(one) and not isinstance(one, type):
        return {field.name: getattr(one, field.name) for field in fields(one)}
    return str(one)


def restore_report(content: str | bytes) -> Report:
    """Return the report that `write_json` wrote. Raises `DataError` where it did not, or the types were wrong then."""
    try:
        return ADAPTER.validate_python(parse_json_values(content))
    except ValueError as error:
        problem = "The report does not hold texts and numbers where they belong."
        raise DataError(problem, "Log the run again.") from error


def log_report(
    run,
    report: Report,
    *,
    prompt: Prompt | None = None,
    data: str = "",
    split: str = "",
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Log all that an evaluation was and gave, in one call; keys are taken out of everything (see `core.secrets`).

    Parameters: model, provenance, prompt with its version, data with a checksum of the examples, split, and your own.
    Metrics: score with its interval, failures, tokens, seconds and dollars per example. Texts: the prompt, and the
    first inputs with what was answered. Files: the whole report, the table of examples, the prompt. Raises `DataError`
    where the run is ended, or a prediction is no plain value.
    """
    if not run.alive:
        raise DataError("The run is ended; nothing can be logged any more.", "Begin a new one with start_run.")
    content = write_json(report)
    report = restore_report(content)
    named = {name: value for name, value in (("data", data), ("split", split)) if value}
    found = _describe(report, prompt) | named | dict(parameters or {})
    plain = {str(name): value if isinstance(value, int | float) else str(value) for name, value in found.items()}
    run.log_parameters(clean(plain))
    run.log_metrics(_measure(report))
    if prompt is not None:
        about = {"kind": "prompt", "prompt": prompt.name, "version": prompt.version}
        run.log_text(clean(str(prompt.show())), metadata=clean(about))
        run.log_asset_data(write_json(prompt), name=PROMPT)
    for row in report.rows[:MAX_TEXTS]:
        about = {"kind": "reply", "example": row.id, "score": row.score}
        run.log_text(f"{row.input}\n→ {row.error or row.prediction}\nexpected: {row.expected}", metadata=about)
    # As text: of a table logged with `log_table` an online run's archive may get an empty file (seen with 3.58).
    run.log_asset_data(report.table.to_csv(index=False, lineterminator="\n"), name="examples.csv")
    run.log_asset_data(content, name=REPORT)


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
    score = report.score
    measured = {"score": score.value}
    if len(report) > 1 or isinstance(score, Proportion):
        measured |= {"score_low": score.low, "score_high": score.high}
    for name in ("num_failed", "prompt_tokens", "completion_tokens", "latency_s", "cost_usd"):
        if getattr(report, name) is not None:  # the price of a model may be unknown
            measured[name] = getattr(report, name)
    return measured
