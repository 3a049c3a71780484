"""Experiment tracking with Comet: the same code without an account and with one.

Without a key each run becomes an archive on this machine and no connection is opened. With a key, `COMET_API_KEY` in
the environment or in `.env`, the run goes to Comet as well, and its archive stays. `runs` reads archives.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from ..core import (
    DataError,
    KeyMissing,
    KeyRefused,
    ProviderError,
    Unreachable,
    check_key,
    load_settings,
    read_environment,
    redact,
)
from ..evaluation import Comparison, Proportion, Report
from ..prompts import Prompt
from .archives import get_folder, list_wanted, write_note
from .runs import COMPARISON, PROMPT, REPORT, make_report_dict, restore_report

KEY = "COMET_API_KEY"
PROJECT = "llmops-workbook"
# comet_ml reads these when it is imported: no reports of its own errors to its makers, a quiet console, and an archive
# of each online run as well.
SWITCHES = {
    "COMET_ERROR_TRACKING_ENABLE": "0",
    "COMET_LOGGING_CONSOLE": "ERROR",
    "COMET_FALLBACK_STREAMER_KEEP_OFFLINE_ZIP": "1",
}
# Off: what comet_ml would gather by itself about machine, code and output. With these on even an offline run asks a
# cloud's metadata address, and what is gathered may hold what must not leave the machine.
GATHERS = (
    "log_code",
    "log_graph",
    "parse_args",
    "log_git_metadata",
    "log_git_patch",
    "log_env_details",
    "auto_output_logging",
    "auto_param_logging",
    "auto_metric_logging",
    "auto_log_co2",
)


def _load_comet():
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    import comet_ml

    return comet_ml


@contextmanager
def _catch_log() -> Iterator[list[logging.LogRecord]]:
    """Catch what comet_ml logs instead of printing it: a refused key stands in its message in full."""
    logger = logging.getLogger("comet_ml")
    handlers, propagates, caught = logger.handlers, logger.propagate, []
    catcher = logging.Handler()
    catcher.emit = caught.append
    logger.handlers, logger.propagate = [catcher], False
    try:
        yield caught
    finally:
        logger.handlers, logger.propagate = handlers, propagates


def find_comet_key() -> str | None:
    """Return the Comet key from the environment or `.env`, or None. Raises `KeyMalformed` where it cannot be one."""
    key = read_environment().get(KEY, "").strip()
    if not key:
        return None
    check_key(key, KEY)
    return key


def start_run(name: str, *, project: str = PROJECT, tags: Sequence[str] = (), online: bool | None = None):
    """Return a new Comet experiment, open until its `end()`; a run that is still open is ended first.

    It is `comet_ml`'s own object. Its archive is written to `get_folder()`. Online it also sends what is logged, and once
    Comet has confirmed all of it, `end()` moves the archive to `sent`; where the connection was lost, the archive stays
    for `upload_runs`. In replay a run is always offline.

    Args:
        name: what the run is called; two runs may share a name.
        project: Comet's project.
        tags: words to find it by.
        online: default: where there is a key.

    Raises:
        DataError: the name is empty.
        KeyMissing: `online` without a key.
        KeyRefused: Comet does not accept the key.
        Unreachable: there is no way to Comet; nothing was logged yet.
    """
    if not isinstance(name, str) or not name.strip():
        raise DataError("A run needs a name.", "Say what is tried, such as “8 shots, described labels”.")
    key = find_comet_key()
    if online and key is None:
        raise KeyMissing(
            f"There is no Comet key in {KEY}.", f"Set {KEY} in .env, or leave `online` out: the run becomes an archive."
        )
    is_online = key is not None and online is not False and load_settings().mode not in ("replay", "fill")
    comet_ml = _load_comet()
    running = comet_ml.get_running_experiment()
    if running is not None and not running.ended:
        running.end()
    folder = get_folder()
    folder.mkdir(parents=True, exist_ok=True)
    config = comet_ml.ExperimentConfig(
        **dict.fromkeys(GATHERS, False),
        display_summary_level=0,
        offline_directory=str(folder),
        name=name,
        tags=list(tags),
    )
    if is_online:
        run = _start_online(comet_ml, config, project, key)
    else:
        # A key of our own and this mode let `comet upload` go on with a run whose sending was cut off half-way.
        own = {"experiment_key": uuid.uuid4().hex, "mode": "get_or_create"}
        run = comet_ml.start(online=False, experiment_config=config, project_name=project, **own)
        # The writing thread waits this long for the next message, and `end` waits for the thread: by default 1 s.
        run.streamer.queue_timeout = 0.02
    data = run.streamer.temp_dir if is_online else run.tmpdir
    write_note(folder, run.get_key(), name, project, data or run.tmpdir)
    return run


def _start_online(comet_ml, config, project: str, key: str):
    from comet_ml.exceptions import CometException, InvalidAPIKey

    with _catch_log() as caught:
        try:
            run = comet_ml.start(
                api_key=key, online=True, mode="create", experiment_config=config, project_name=project
            )
            if run.alive:
                _settle_at_end(run)
                return run
            run.end()
            errors = [record.exc_info[1] for record in caught if record.exc_info]
        except CometException as error:
            errors = [error]
    if any(isinstance(error, InvalidAPIKey) for error in errors):
        raise KeyRefused(
            f"Comet does not accept the key in {KEY}.",
            f"Copy the key again from your Comet account, or unset {KEY}: runs then become archives on this machine.",
        )
    said = [redact(str(error), key) for error in errors if isinstance(error, CometException)]
    if said:
        raise ProviderError(
            f"Comet did not start the run: {said[0]}", "Do what it says, or use start_run(…, online=False)."
        )
    raise Unreachable(
        "Comet did not answer; nothing was logged yet.",
        "Use start_run(…, online=False); upload_runs() sends the archive later.",
    )


def _settle_at_end(run) -> None:
    """Let `end` also move the archive to `sent` where Comet confirmed each message, and warn where it did not.

    comet_ml counts a run as sent once its queue is empty, also where the messages were lost on the way (seen with 3.58
    and a connection cut before the end). So each confirmation is noted here.
    """
    confirmed: set[int] = set()
    fallback, end, folder = run.streamer, run.end, Path(run.streamer.offline_directory)

    def note_one(message_id: int, is_delivered: bool, *rest) -> None:
        note_batch([message_id], is_delivered)
        fallback._track_message(message_id, is_delivered, *rest)

    def note_many(message_ids: list[int], is_delivered: bool, *rest) -> None:
        note_batch(message_ids, is_delivered)
        fallback._track_messages_batch(message_ids, is_delivered, *rest)

    def note_batch(message_ids: list[int], is_delivered: bool) -> None:
        if is_delivered:
            confirmed.update(message_ids)

    def end_and_settle() -> None:
        from comet_ml.exceptions import ExperimentCleaningException

        with _catch_log(), suppress(ExperimentCleaningException):
            end()
        for path in folder.glob(f"{run.get_key()}-*.zip"):
            if list_wanted(path) <= confirmed:
                (folder / "sent").mkdir(exist_ok=True)
                os.replace(path, folder / "sent" / path.name)
            else:
                message = (
                    f"Comet did not get all of the run “{run.get_name()}”. Its archive stays; upload_runs() sends it."
                )
                warnings.warn(message, stacklevel=2)

    fallback.online_streamer.register_message_sent_callback(note_one)
    fallback.online_streamer.register_messages_batch_sent_callback(note_many)
    run.end = end_and_settle


def hide_secrets(text: str) -> str:
    """Return a text without the values of any variable of the environment or `.env` that is named as a key."""
    environment = read_environment()
    secrets = [value for name, value in environment.items() if re.search(r"API_KEY$|TOKEN$|SECRET$", name) and value]
    for secret in secrets:
        if len(secret) >= 8:
            text = text.replace(secret, "[key]")
    return text


def log_report(
    run,
    report: Report,
    *,
    prompt: Prompt | None = None,
    data: str = "",
    split: str = "",
    seed: int | None = None,
    parameters: Mapping[str, object] | None = None,
    comparison: Comparison | None = None,
    num_texts: int = 20,
) -> None:
    """Log all that an evaluation was and gave, in one call.

    Parameters: model, provenance, prompt with its version, data with a checksum of the examples, split, seed, and your
    own. Metrics: score with its interval, failures, tokens, seconds and dollars per example; with a comparison also the
    difference with its interval, and p. Texts: the prompt, and the first inputs with what was answered. Files: the
    whole report, the table of examples, the traces, the prompt, the comparison, and the table of flips. Keys that are
    set in the environment are taken out of everything.

    Args:
        run: from `start_run`, not ended.
        report: of the system that this run is about.
        prompt: that the system used.
        data: name of the data set.
        split: of the data set.
        seed: of the model's sampling.
        parameters: others, such as the number of shots; values that are no number, text or bool are logged as text.
        comparison: with a baseline; its candidate is this report.
        num_texts: how many examples are logged as texts, too.

    Raises:
        DataError: the run is ended, or the comparison is about another report.
    """
    if not run.alive:
        raise DataError("The run is ended; nothing can be logged any more.", "Begin a new one with start_run.")
    if comparison is not None and comparison.candidate != report:
        raise DataError("The candidate of the comparison is not this report.", "Log compare(baseline, report).")
    content = json.loads(hide_secrets(json.dumps(make_report_dict(report), ensure_ascii=False)))
    report = restore_report(content)
    own = {
        name: value if isinstance(value, int | float | str) else str(value)
        for name, value in (parameters or {}).items()
    }
    found = _describe(report, prompt, data, split, seed) | own
    run.log_parameters(
        {name: hide_secrets(value) if isinstance(value, str) else value for name, value in found.items()}
    )
    run.log_metrics(_measure(report))
    if prompt is not None:
        about = {"kind": "prompt", "prompt": prompt.name, "version": prompt.version}
        run.log_text(hide_secrets(str(prompt.show())), metadata=about)
        run.log_asset_data(hide_secrets(json.dumps(asdict(prompt))), name=PROMPT)
    for row in report.rows[:num_texts]:
        told = row.error or f"{row.prediction}"
        about = {"kind": "reply", "example": row.id, "score": row.score}
        run.log_text(f"{row.input}\n→ {told}\nexpected: {row.expected}", metadata=about)
    # As text: of a table logged with `log_table` an online run's archive may get an empty file (seen with 3.58).
    run.log_asset_data(report.table.to_csv(index=False, lineterminator="\n"), name="examples.csv")
    run.log_asset_data(json.dumps(content, ensure_ascii=False), name=REPORT)
    traces = {row.id: row.trace for row in report.rows if row.trace}
    if traces:
        run.log_asset_data(json.dumps(traces, ensure_ascii=False), name="trace.json")
    if comparison is not None:
        _log_comparison(run, comparison, report)


def _describe(report: Report, prompt: Prompt | None, data: str, split: str, seed: int | None) -> dict:
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
        found |= {} if prompt.revision is None else {"prompt_revision": prompt.revision}
    found |= {name: value for name, value in (("data", data), ("split", split)) if value}
    return found if seed is None else found | {"seed": seed}


def _measure(report: Report) -> dict[str, float]:
    measured = {"score": float(report.score.value)}
    if len(report) > 1 or isinstance(report.score, Proportion):
        measured |= {"score_low": float(report.score.low), "score_high": float(report.score.high)}
    measured |= {
        "num_failed": report.num_failed,
        "prompt_tokens": report.prompt_tokens,
        "completion_tokens": report.completion_tokens,
        "latency_s": report.latency_s,
    }
    return measured if report.cost_usd is None else measured | {"cost_usd": report.cost_usd}


def _log_comparison(run, comparison: Comparison, report: Report) -> None:
    import pandas

    difference = comparison.difference
    measured = {"difference": difference.value, "difference_low": difference.low, "difference_high": difference.high}
    measured = {name: float(value) for name, value in measured.items()} | {"p": float(comparison.p)}
    run.log_metrics(measured)
    run.log_parameter("baseline", hide_secrets(comparison.baseline.name))
    told = {"baseline": comparison.baseline.name, "verdict": comparison.verdict, "told": str(comparison)} | measured
    told |= {"gained": list(comparison.gained), "lost": list(comparison.lost)}
    run.log_asset_data(hide_secrets(json.dumps(told, ensure_ascii=False)), name=COMPARISON)
    before = {row.id: row.prediction for row in comparison.baseline.rows}
    rows = [
        [
            row.id,
            "gained" if row.id in comparison.gained else "lost",
            row.input,
            row.expected,
            before[row.id],
            row.prediction,
        ]
        for row in report.rows
        if row.id in {*comparison.gained, *comparison.lost}
    ]
    flips = pandas.DataFrame(rows, columns=["id", "change", "input", "expected", "before", "after"])
    run.log_asset_data(flips.to_csv(index=False, lineterminator="\n"), name="flips.csv")
