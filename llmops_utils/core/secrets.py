"""What is a secret: names of variables, shapes of keys, passwords in addresses; and texts without them.

Whatever leaves this machine or is kept on it (archives, traces, recordings, results, errors, submissions) passes
through `redact`, or `redact_values` for what becomes JSON: there a key is replaced inside each text before it is
written out, since a key with a quote in it looks different afterwards.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "[key]"
LEAST_LENGTH = 6  # a shorter value, such as "none" or "1234", stands in honest texts too

# A variable is secret where one of these is a word of its name: OPENAI_API_KEY, AZURE_OPENAI_KEY, DB_PASSWORD,
# AWS_SECRET_ACCESS_KEY, hf_token, or one that people elsewhere use. KEYBOARD and MAX_TOKENS are none.
SECRET_NAME = re.compile(
    r"(?i)(?:(?<![a-z])(?:keys?|token|pwds?|pass|pats?|jwts?|bearer|cookies?|dsn|auth(?:orization)?|cred(?:ential)?s?"
    r"|clave|cl[eé]|chave|chiave|senha|has[lł]o|heslo)"
    r"|(?:api|access|auth|secret|private|refresh|session|bot|hf|git(?:hub|lab))_?(?:keys?|tokens?)|secrets?"
    r"|passw(?:or)?[dt]s?|passwds?|pass_?phrases?|passcodes?|kennwort|schl(?:ü|ue)ssel|contrase(?:n|ñ)a|mot_?de_?passe"
    r"|wachtwoord|l(?:ö|o)senord|salasana|пароль|ключ|密码|密碼|パスワード|비밀번호)(?![a-z])"
)
NO_SECRET_NAME = re.compile(r"(?i)(?:^|_)(?:public|file|path|dir|sock|url|host|user|name|id)$|^ssh_auth_sock$")

SHAPES = (
    re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|ghp|gho|github_pat|glpat|r8|nvapi|pplx|lsv2)[-_][A-Za-z0-9_*\-]{12,}"),
    re.compile(
        r"\b(?:gh[a-z]|npm|pypi|dop_v1|csk|pcsk|tvly|xapp|tgp_v1|jina|whsec|shpat|sbp)[-_]"
        r"(?=[A-Za-z_\-]{0,60}[0-9])[A-Za-z0-9_\-]{16,}"
    ),
    re.compile(r"\bSG\.[\w\-]{16,}\.[\w\-]{16,}|\bdapi[0-9a-f]{32}|\bhooks\.slack\.com/services/[\w/]{8,}"),
    re.compile(r"\b(?:AIza|AKIA|ASIA|ya29\.)[A-Za-z0-9_\-]{12,}"),
    re.compile(r"\bxox[abprs]-[A-Za-z0-9\-]{10,}"),
    re.compile(r"(?<![\w\-])eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]*"),  # a JSON web token
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
    ),
)
# No word: "basic techniques", "Basic prompting: 0 of 5".
BEARER = re.compile(
    r"\b((?i:bearer|basic))(\s+)(?=[\w\-.~+/]{0,200}(?:[0-9=_]|[a-z][A-Z]|[a-z][.\-][a-z]))[^\s\"',;]{8,}"
)
USER_IN_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.\-]{1,20}://)[^\s/@\"'<>]{1,300}@")
RUN = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{20,}")  # no name of a model has one
KEY_IN_ADDRESS = re.compile(
    r"(?i)([?&#](?:[\w\-]{1,30}[-_])?(?:api)?(?:key|token|secret|password|pwd|sig|signature|code)=)[^&\s\"'<>#]{4,}"
)
# In a header, a connection string or JSON, as `x-api-key: …` or `"password": "…"`; in a foreign text only what has a digit.
ASSIGNED = re.compile(
    r"(?i)((?:api|account|access|secret)[-_]?(?:key|token)|client[-_]?secret)([\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
    r"(?=[^\s\"']{0,200}[0-9])[^\s\"',;&#]{12,}"
)
PAIR = re.compile(r"([\w.\-]{1,60})[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?i:bearer|basic)\s+)?([^\s\"',;&]+)")
PART = re.compile(r"(?=[^\s,;:\"'`\[\]{}]*[0-9])[^\s,;:\"'`\[\]{}]{8,}")  # of several keys or lines, of user:password


def is_secret_name(name: str) -> bool:
    """Return whether a variable of this name holds a secret, such as `OPENAI_API_KEY`, `DB_PASSWORD` or `hf_token`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return bool(SECRET_NAME.search(words)) and not NO_SECRET_NAME.search(words)


def list_secrets() -> list[str]:
    """Return the secret values of the environment and `.env`, each as set and without spaces around it, longest first.

    Passwords and keys inside addresses count, whatever the variable is called.
    """
    from .settings import read_variables  # which checks names with this module

    try:
        environment = read_variables()
    except UnicodeDecodeError:  # a `.env` that is no text is told where settings are read
        environment = dict(os.environ)
    found = set().union(*(_find_secrets(name, value) for name, value in environment.items()))
    return sorted((value for value in found if len(value) >= LEAST_LENGTH), key=len, reverse=True)


@functools.lru_cache(maxsize=1000)  # each text that is redacted asks for those of the same environment
def _find_secrets(name: str, value: str) -> set[str]:
    found = {part for part_name, part in PAIR.findall(value) if is_secret_name(part_name)}
    if is_secret_name(name):
        found |= {value, value.strip(), value.strip().strip("'\"`"), *value.splitlines(), *PART.findall(value)}
    for login in re.findall(r"(?:://|^)([^\s@]+)@", value):
        _, _, password = login.rpartition("://")[2].partition(":")
        found |= {password, unquote(password)}
    return found | {match[0][len(match[1]) :] for match in KEY_IN_ADDRESS.finditer(value)}


def is_key_shaped(name: str) -> bool:
    """Return whether what should be a name, of a model or a provider say, looks like a key that was pasted there."""
    long = [secret for secret in list_secrets() if len(secret) >= 16]  # a server here may take its own name as key
    return _hide(name, long) != name or RUN.search(name[:1000]) is not None


def redact(text: str, *secrets: str) -> str:
    """Return a text without secrets: the given ones, those of the environment, and all that is shaped like a key."""
    return _hide(text, _order(secrets))


def redact_values(value: Any, *secrets: str) -> Any:
    """Return a value that JSON can hold, with each text in it, names of fields too, passed through `redact`."""
    return _hide(value, _order(secrets))


def make_redactor() -> Callable[[Any], Any]:
    """Return `redact_values` with the secrets of this moment, for thousands of values: to list them takes longest."""
    return functools.partial(_hide, secrets=_order(()))


def _order(secrets: tuple[str, ...]) -> list[str]:
    given = [secret for secret in secrets if len(secret) >= LEAST_LENGTH]
    return [*sorted(given, key=len, reverse=True), *list_secrets()]


def _hide(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, Mapping):
        return {_hide(name, secrets): _hide(part, secrets) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(part, secrets) for part in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, HIDDEN)
    for shape in SHAPES:
        value = shape.sub(HIDDEN, value)
    value = BEARER.sub(rf"\1\2{HIDDEN}", value)
    value = USER_IN_ADDRESS.sub(rf"\1{HIDDEN}@", value)
    value = ASSIGNED.sub(rf"\1\2{HIDDEN}", value)
    return KEY_IN_ADDRESS.sub(rf"\1{HIDDEN}", value)
