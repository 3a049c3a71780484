"""Experiment tracking with Comet: the same code without an account and with one.

Without a key each run becomes an archive on this machine and no connection is opened. With a key, `COMET_API_KEY` in
the environment or in `.env`, the run goes to Comet as well, and its archive stays. `runs` reads archives.
"""

from __future__ import annotations

import functools
import logging
import os
import uuid
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from ..core import (
    DataError,
    KeyMissing,
    KeyRefused,
    SettingsError,
    Unreachable,
    check_key,
    explain_os_errors,
    load_settings,
    read_environment,
    redact,
)
from ..models import import_jsonschema
from .reports import clean
from .runs import Fault, get_folder, is_placeholder, list_archives, read_members, read_run, split_messages

KEY = "COMET_API_KEY"
PROJECT = "llmops-workbook"
# comet_ml reads these when it is imported: no reports of its own errors to its makers, a quiet console, and an archive
# of each online run as well.
SWITCHES = {
    "COMET_ERROR_TRACKING_ENABLE": "0",
    "COMET_LOGGING_CONSOLE": "ERROR",
    "COMET_FALLBACK_STREAMER_KEEP_OFFLINE_ZIP": "1",
}
# What comet_ml would gather by itself about machine, code and output. With these on even an offline run asks a cloud's
# metadata address, and what is gathered may hold what must not leave the machine.
GATHERED = (
    "log_code", "log_graph", "parse_args", "log_git_metadata", "log_git_patch", "log_env_details",
    "auto_output_logging", "auto_param_logging", "auto_metric_logging", "auto_log_co2",
)  # fmt: skip


def _load_comet():
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    import_jsonschema()
    where = "Look at the variables that begin with COMET_, and at .comet.config in your home and beside the notebook."
    try:
        import comet_ml
    except Exception as error:  # of whatever reads its settings; what it says may hold a key
        raise SettingsError(f"comet_ml does not start ({type(error).__name__}).", where) from None
    if comet_ml.get_config("comet.auto_log.disable"):
        raise SettingsError("comet_ml is switched off by COMET_AUTO_LOG_DISABLE; nothing would be logged.", where)
    return comet_ml


@contextmanager
def _catch_errors() -> Iterator[list[logging.LogRecord]]:
    """Catch the errors that comet_ml logs instead of printing them: a refused key stands in its message in full."""
    logger = logging.getLogger("comet_ml")
    handlers, propagates, caught = logger.handlers, logger.propagate, []
    catcher = logging.Handler(logging.ERROR)
    catcher.emit = caught.append
    logger.handlers, logger.propagate = [catcher], False
    try:
        yield caught
    finally:
        logger.handlers, logger.propagate = handlers, propagates


def find_comet_key() -> str | None:
    """Return the Comet key from the environment or `.env`, or None. Raises `KeyMalformed` where it cannot be one."""
    key = read_environment().get(KEY, "").strip()
    if key:
        check_key(key, KEY)
    return key or None


def start_run(name: str, *, project: str = PROJECT, tags: str | Sequence[str] = ()):
    """Return a new Comet experiment, `comet_ml`'s own object, open until its `end()`; an open one is ended first.

    One text as `tags` is one tag. Keys are taken out of name, project and tags. Its archive is written to `get_folder()`.
    Where there is a key, it also sends what is logged, but never in replay; once Comet has confirmed all of it, `end()`
    moves the archive to `sent`. Where the connection was lost, the archive stays for `upload_runs`.

    Raises:
        SettingsError: comet_ml's own settings are malformed, or switch it off.
        KeyRefused: Comet does not accept the key.
        Unreachable: there is no way to Comet, or it refuses the run; nothing was logged yet.
    """
    if not isinstance(name, str) or not name.strip():
        raise DataError("A run needs a name.", "Say what is tried, such as “8 shots, described labels”.")
    key = find_comet_key()
    comet_ml = _load_comet()
    running = comet_ml.get_running_experiment()
    if running is not None and not running.ended:
        running.end()
    folder = get_folder()
    with explain_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()  # where it cannot write, comet_ml takes another folder without a word
    listed = [tags] if isinstance(tags, str) else tags
    config = comet_ml.ExperimentConfig(
        display_summary_level=0,
        offline_directory=str(folder),
        name=clean(name),
        tags=[clean(str(tag)) for tag in listed if str(tag).strip()],  # an empty one makes comet_ml drop all
        **dict.fromkeys(GATHERED, False),
    )
    start = functools.partial(comet_ml.start, experiment_config=config, project_name=clean(project))
    if key is not None and not load_settings().repeats:
        return _start_online(start, key)
    # A key of our own and this mode let `comet upload` go on with a run whose sending was cut off half-way.
    run = start(online=False, experiment_key=uuid.uuid4().hex, mode="get_or_create")
    # The writing thread waits this long for the next message, and `end` waits for the thread: by default 1 s.
    run.streamer.queue_timeout = 0.02
    return run


def _start_online(start: Callable, key: str):
    from comet_ml.exceptions import CometException, InvalidAPIKey

    with _catch_errors() as caught:
        try:
            run = start(online=True, mode="create", api_key=key)
            if run.alive:
                _settle_at_end(run)
                return run
            run.end()
            errors = [record.exc_info[1] for record in caught if record.exc_info]
        except CometException as error:
            errors = [error]
    if any(isinstance(error, InvalidAPIKey) for error in errors):
        raise _refuse_key()
    said = "; ".join(redact(str(error), key) for error in errors if isinstance(error, CometException))
    next_step = f"Unset {KEY}: the run becomes an archive, which upload_runs() sends later."
    raise Unreachable(f"Comet did not start the run; nothing was logged yet. {said}".strip(), next_step)


def _refuse_key() -> KeyRefused:
    next_step = f"Copy it again from your Comet account, or unset {KEY}: runs then become archives on this machine."
    return KeyRefused(f"Comet does not accept the key in {KEY}; nothing was sent.", next_step)


def _settle_at_end(run) -> None:
    """Let `end` also move the archive to `sent` where Comet confirmed each message, and warn where it did not.

    comet_ml offers no way to ask. It counts a run as sent once its queue is empty, also where messages were lost on the
    way: `flush` returns True where Comet refused them, and the log is silent where the connection was cut (seen with
    3.58). So each confirmation is noted here, inside of comet_ml; the version is bounded for that.
    """
    confirmed: set[int] = set()
    streamer, end = run.streamer, run.end

    def watch(track: Callable) -> Callable:
        def note_and_track(ids: int | list[int], is_delivered: bool, *rest) -> None:
            if is_delivered:
                confirmed.update([ids] if isinstance(ids, int) else ids)
            track(ids, is_delivered, *rest)

        return note_and_track

    def end_and_settle() -> None:
        from comet_ml.exceptions import ExperimentCleaningException

        with _catch_errors(), suppress(ExperimentCleaningException):
            end()
        for path in get_folder().glob(f"{run.get_key()}-*.zip"):
            with suppress(DataError, ValueError):  # an archive too large to be read here, or cut off by a full disk
                if _list_wanted(path) <= confirmed:
                    _move_to_sent(path)
            if path.exists():
                problem = f"Comet did not get all of the run “{run.get_name()}”."
                warnings.warn(f"{problem} Its archive stays; upload_runs() sends it.", stacklevel=2)

    streamer.online_streamer.register_message_sent_callback(watch(streamer._track_message))
    streamer.online_streamer.register_messages_batch_sent_callback(watch(streamer._track_messages_batch))
    run.end = end_and_settle


def _list_wanted(path: Path) -> set[int]:
    """Return the numbers of the messages in an archive that Comet has to have got.

    Of a parameter only the last value: comet_ml sends them in batches with one value for each name.
    """
    payloads = [message["payload"] for message in split_messages(read_members(path))]
    last = {one["param"]["paramName"] if "param" in one else one["message_id"]: one["message_id"] for one in payloads}
    return set(last.values())


def _move_to_sent(path: Path) -> None:
    with explain_os_errors(path):
        (path.parent / "sent").mkdir(exist_ok=True)
        os.replace(path, path.parent / "sent" / path.name)


def upload_runs() -> list[Fault]:
    """Send all archives that Comet does not have yet as `comet upload` does, and return what could not be sent.

    What was sent moves to `sent`; the same call tries all else again. Raises `KeyMissing` and `KeyRefused`.
    """
    key = find_comet_key()
    if key is None:
        raise KeyMissing(f"There is no Comet key in {KEY}.", f"Set {KEY} in .env, then call upload_runs() again.")
    _load_comet()
    from comet_ml.exceptions import InvalidAPIKey
    from comet_ml.offline import OfflineSender

    faults = []
    for path in list_archives():
        if path.parent.name == "sent" or is_placeholder(path):
            continue
        with _catch_errors() as caught, TemporaryDirectory() as content:
            try:
                read_run(path)  # whoever wrote it: nothing is unpacked or sent before it was checked
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(content)
                sender = OfflineSender(key, content)
                sender.resume_strategy = "get_or_create"  # of a run that was cut off Comet has the beginning already
                sender.send()
                sender.close()
                problem = caught[-1].getMessage() if caught else ""  # a part that is refused is only told in the log
                if not problem:
                    _move_to_sent(path)
            except InvalidAPIKey:
                raise _refuse_key() from None
            except DataError as error:
                problem = error.problem
            except Exception as error:  # whatever a damaged archive or a lost connection raises: the others go on
                problem = f"{type(error).__name__}: {error}"
        if problem:
            faults.append(Fault(path.name, redact(problem, key), "Call upload_runs() again."))
    return faults
