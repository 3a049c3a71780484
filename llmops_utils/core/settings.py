"""Settings from the environment and `.env`, typed and checked; the paths of the course.

Every setting begins with ``LLMOPS_``; a provider's key may also stand in the provider's own variable
(``OPENAI_API_KEY`` and so on, see the catalog).
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from .errors import KeyMalformed, SettingsError
from .secrets import is_key_shaped

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
NOTEBOOKS = ROOT / "notebooks"
PREFIX = "LLMOPS_"
LIVE_EXAMPLES = 8  # of each test split, so that a chapter takes at most three minutes on two cores

Mode = Literal["live", "record", "replay", "auto", "fill"]


def _expand(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path.parts[0]} names no user of this machine") from None


UserPath = Annotated[Path, AfterValidator(_expand)]  # may begin with ~


class Settings(BaseModel):
    """All settings of the course. `load_settings` reads them and turns faults into clear errors."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    mode: Mode = Field(
        "live",
        description="live: ask the model. replay: answer from recordings only. record: ask and store. "
        "auto: from a recording where there is one, else live. fill: as auto, and store what was asked.",
    )
    provider: str | None = Field(None, description="embedded (default; a class's with base_url), openai, … or custom")
    model: str | None = Field(None, description="model name; default: the provider's in the catalog")
    base_url: str | None = Field(None, repr=False, description="address of an OpenAI-compatible server")
    api_key: SecretStr | None = Field(None, description="key for the provider, instead of its own variable")
    embedding_model: str | None = Field(None, description="embedding model of the provider; default: MiniLM here")
    budget_usd: float | None = Field(None, ge=0, description="most dollars that one notebook may spend")
    budget_tokens: int | None = Field(None, ge=0, description="most tokens that one notebook may use")
    context: int = Field(2048, ge=256, le=131_072, description="tokens per request on the embedded server")
    parallel: int = Field(4, ge=1, le=64, description="requests that the embedded server answers at once")
    # By default all physical cores read a prompt, and one fewer writes the answer, so that a browser beside it works on.
    threads: int | None = Field(None, ge=1, description="processor threads of the embedded models")
    timeout_s: float = Field(120, gt=0, description="seconds to wait for one answer")
    retries: int = Field(4, ge=0, le=20, description="tries after the first, on 429, 5xx and dropped connections")
    examples: int | None = Field(None, ge=8, description="most examples of a test split; default: see most_examples")
    results: UserPath | None = Field(None, description="folder for measured results; default: in home")
    home: UserPath = Field(
        default_factory=lambda: user_data_path("llmops-workbook", appauthor=False),
        description="folder for model files and your progress",
    )
    progress: UserPath | None = Field(None, description="file of your progress; default: progress.json in the folder")
    recordings: UserPath = Field(DATA / "recordings", description="folder of the recordings")
    used_log: UserPath | None = Field(None, description="file that notes which recordings were used")

    @property
    def provider_name(self) -> str:
        """The provider by its name in the catalog."""
        return self.provider or ("custom" if self.base_url else "embedded")

    @property
    def is_embedded(self) -> bool:
        """Whether the course's own model is meant, in this process or where a class shares it."""
        return self.provider_name == "embedded"

    @property
    def needs_weights(self) -> bool:
        """Whether a model in this process answers."""
        return self.is_embedded and self.base_url is None

    @property
    def asks(self) -> bool:
        """Whether a model may be asked."""
        return self.mode != "replay"

    @property
    def stores(self) -> bool:
        """Whether answers are stored as recordings."""
        return self.mode in ("record", "fill")

    @property
    def repeats(self) -> bool:
        """Whether what is shown has to come out the same each time: no clock, no progress bar, no account."""
        return self.stores or not self.asks

    @property
    def calls_at_once(self) -> int:
        """How many calls of one evaluation are sent at once; a model on few cores gains nothing from several."""
        return 1 if self.is_embedded and "parallel" not in self.model_fields_set else self.parallel

    @property
    def most_examples(self) -> int | None:
        """How many examples of a test split are used; None for all, which take the embedded model too long."""
        return LIVE_EXAMPLES if self.examples is None and self.mode == "live" and self.is_embedded else self.examples

    @field_validator("base_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is None:
            return url
        try:  # whose own message would show a password
            parts = urlsplit(url)
            is_usable = re.fullmatch(r"https?://\S+", url) and parts.hostname and parts.port != 0
        except ValueError:
            is_usable = False
        if not is_usable:
            raise ValueError("must begin with http:// or https:// and name a host, and a port only if it is a number")
        if "?" in url or "#" in url:
            raise ValueError(
                "ends in a query, which no path can follow. Azure takes requests without one at "
                "https://NAME.openai.azure.com/openai/v1; a key belongs into LLMOPS_API_KEY"
            )
        return url.rstrip("/")

    @field_validator("provider", "model", "embedding_model")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None and is_key_shaped(name):
            raise ValueError("looks like a key; a key belongs into LLMOPS_API_KEY")
        return name


def read_environment() -> dict[str, str]:
    """Return what `.env` of the course and the process environment set (the environment wins); an empty value is none.

    The file is not read where LLMOPS_NO_DOTENV is set, as the tests do.
    """
    try:
        return read_variables()
    except UnicodeDecodeError as error:
        raise SettingsError(f"The file {ROOT / '.env'} is not UTF-8 text.", "Save it again as UTF-8.") from error


def read_variables() -> dict[str, str]:
    """Return what `read_environment` does. Raises `UnicodeDecodeError`: each error of ours asks here for secrets."""
    path, in_file = ROOT / ".env", {}
    if path.is_file() and not os.environ.get(PREFIX + "NO_DOTENV"):
        in_file = dotenv_values(path, encoding="utf-8-sig")
    return {name: value for name, value in [*in_file.items(), *os.environ.items()] if value}


def load_settings(**overrides: Any) -> Settings:
    """Return the settings from arguments, then the environment, then `.env`, then the defaults."""
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    found = {}
    for name, value in read_environment().items():
        if name in known:
            found[known[name]] = value
        elif name.startswith(PREFIX) and name != PREFIX + "NO_DOTENV":
            near = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(
                f"There is no setting {name}.",
                f"Did you mean {near[0]}?" if near else f"Remove it; the settings are {', '.join(sorted(known))}.",
            )
    try:
        settings = Settings(**(found | overrides))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        told = f"The setting {name} is not usable: {first['msg']}."
        raise SettingsError(told, f"Correct {name} in your environment or in .env.") from None
    if settings.provider == "custom" and not settings.base_url:
        raise SettingsError(
            "LLMOPS_PROVIDER=custom needs an address.", "Set LLMOPS_BASE_URL: http://127.0.0.1:8000/v1, say."
        )
    if settings.api_key is not None:
        check_key(settings.api_key.get_secret_value(), PREFIX + "API_KEY")
    return settings


def check_key(key: str, variable: str, pattern: str | None = None) -> None:
    """Raise `KeyMalformed` where `key` cannot be one. The message never holds any part of the key."""
    fault = None
    if key != key.strip() or any(character.isspace() for character in key):
        fault = "holds a space or a line break"
    elif key[:1] in "'\"`" or key[-1:] in "'\"`":
        fault = "stands in quotes"
    elif not key.isascii():
        fault = "holds a character that no key has (a long dash or an accent, perhaps from copying)"
    elif re.search(r"(?i)your|<|>|\.\.\.|xxxx|change.?me|placeholder", key):
        fault = "is still the placeholder from an example"
    elif pattern and not re.search(pattern, key):
        fault = f"does not look like a key of this provider (expected: {pattern})"
    if fault:
        raise KeyMalformed(f"The key in {variable} {fault}.", f"Copy the key again and set {variable}, in .env say.")
