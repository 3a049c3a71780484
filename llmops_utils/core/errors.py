"""The error tree. Every error says what happened and what to do next."""

from __future__ import annotations

from .secrets import redact_values
from .texts import clean_values


class WorkbookError(Exception):
    """Base of all errors that this package raises.

    Args:
        problem: what happened, in one sentence. Where it quotes what holds a key, the key is taken out, and half a
            character, which no console can print, becomes U+FFFD.
        next_step: the one thing to do now.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        # Both at once: the environment is read once.
        self.problem, self.next_step = redact_values(clean_values([problem, next_step]))
        super().__init__(self.problem, self.next_step)

    def __str__(self) -> str:
        return f"{self.problem}\nWhat to do: {self.next_step}"

    def _render_traceback_(self) -> list[str]:
        """The lines that Jupyter shows: the message alone, since the fix is in it, not in the stack."""
        return [f"{type(self).__name__}: {self.problem}", f"What to do: {self.next_step}"]


class SettingsError(WorkbookError):
    """A setting is missing, malformed, unknown or contradicts another."""


class KeyMissing(SettingsError):
    """The provider needs a key and none is set."""


class KeyMalformed(SettingsError):
    """A key is set but cannot be one (a space, a quote, a placeholder, a wrong beginning)."""


class UnknownModel(SettingsError):
    """The name is not in the catalog."""


class DataError(WorkbookError):
    """A data file is missing, empty or malformed; the message names file and line."""


class PromptError(WorkbookError):
    """A prompt is malformed, unknown or was given the wrong variables; the message names prompt and element."""


class WeightsError(WorkbookError):
    """Model files do not fit on the disk or do not match their checksum."""


class FetchFailed(WeightsError):
    """A model file could not be downloaded."""


class ServerError(WorkbookError):
    """The embedded model server did not start."""


class ProviderError(WorkbookError):
    """The model server answered with an error of this HTTP `status`, or not at all.

    `may_have_cost` is true where the request was sent and nobody knows what became of it.
    """

    def __init__(self, problem: str, next_step: str, status: int | None = None, may_have_cost: bool = False) -> None:
        super().__init__(problem, next_step)
        self.status = status
        self.may_have_cost = may_have_cost


class KeyRefused(ProviderError):
    """The provider does not accept the key (401 or 403)."""


class ModelNotServed(ProviderError):
    """The provider does not serve this model or this path (404)."""


class ContextExceeded(ProviderError):
    """The prompt is longer than the model's context window."""


class RequestRefused(ProviderError):
    """The provider calls the request itself invalid (400 or 422): a schema, a parameter."""


class RateLimited(ProviderError):
    """Too many requests, also after several tries (429)."""


class ProviderDown(ProviderError):
    """The provider fails (5xx), also after several tries."""


class Unreachable(ProviderError):
    """No connection, or no answer in time."""


class RecordingMissing(WorkbookError):
    """Replay was asked for a reply that was never recorded."""


class BudgetExceeded(WorkbookError):
    """The worst case of a call would pass the budget; the call was not sent."""


class CapabilityMissing(WorkbookError):
    """The model or its provider cannot do this."""


class EvaluationInterrupted(WorkbookError):
    """The learner interrupted an evaluation; what was done is kept."""


class TrainingInterrupted(WorkbookError):
    """The learner interrupted a training; its last whole step is kept where a checkpoint was named."""


class ExerciseError(WorkbookError):
    """An exercise or quiz was called in a way that it cannot check."""
