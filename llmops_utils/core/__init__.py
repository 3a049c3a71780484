"""What everything stands on: errors, settings, files, drawing."""

from .drawing import Html, draw_table
from .errors import (
    BudgetExceeded,
    CapabilityMissing,
    ContextExceeded,
    DataError,
    EvaluationInterrupted,
    ExerciseError,
    FetchFailed,
    KeyMissing,
    KeyRefused,
    ModelNotServed,
    PromptError,
    ProviderDown,
    ProviderError,
    RateLimited,
    RecordingMissing,
    RequestRefused,
    ServerError,
    SettingsError,
    TrainingInterrupted,
    UnknownModel,
    Unreachable,
    WeightsError,
    WorkbookError,
)
from .files import append_line, change_json, explain_os_errors, hold_lock, read_bytes, read_json, write_whole
from .secrets import is_key_shaped, is_secret_name, make_redactor, redact, redact_values
from .settings import DATA, NOTEBOOKS, ROOT, Settings, check_key, load_settings, read_environment
from .texts import INVISIBLE, clean_text, clean_values, parse_json_values, unify_text
from .threads import Crew
