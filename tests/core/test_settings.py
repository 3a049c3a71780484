"""Claims about the settings: where they come from, which faults are named, and that no key is ever shown."""

import os
from pathlib import Path

import pytest

from llmops_utils.core import settings as settings_module
from llmops_utils.core.errors import KeyMalformed, SettingsError
from llmops_utils.core.settings import check_key, count_cores, load_settings, read_environment, redact

KEY = "sk-Q7wZt9PmKx2VbNc4RfJh"  # made up


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    """A course folder without `.env`, and an environment without settings."""
    for name in list(os.environ):
        if name.startswith("LLMOPS_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(settings_module, "ROOT", tmp_path)
    return tmp_path


def write_env(root, *lines, encoding="utf-8"):
    (root / ".env").write_bytes("".join(line + "\n" for line in lines).encode(encoding))


def assert_hidden(key, *texts):
    """No run of four characters of the key stands in the texts."""
    parts = {key[start : start + 4] for start in range(len(key) - 3)}
    assert parts
    for text in texts:
        assert [part for part in parts if part in text] == []


# Where settings come from


def test_without_any_setting_the_defaults_hold():
    settings = load_settings()
    assert [settings.mode, settings.provider, settings.model, settings.base_url] == ["live", None, None, None]
    assert [settings.context, settings.parallel, settings.timeout_s, settings.retries] == [2048, 4, 120, 4]
    assert [settings.budget_usd, settings.budget_tokens, settings.api_key] == [None, None, None]


def test_dotenv_is_read(root):
    write_env(root, "LLMOPS_MODE=replay", "LLMOPS_CONTEXT=4096", "# a comment", "OTHER=1")
    settings = load_settings()
    assert [settings.mode, settings.context] == ["replay", 4096]


def test_the_environment_wins_over_dotenv(root, monkeypatch):
    write_env(root, "LLMOPS_MODE=replay", "LLMOPS_MODEL=from-file", "SOME_API_KEY=from-file")
    monkeypatch.setenv("LLMOPS_MODE", "auto")
    monkeypatch.setenv("SOME_API_KEY", "from-environment")
    settings = load_settings()
    assert [settings.mode, settings.model] == ["auto", "from-file"]
    assert read_environment()["SOME_API_KEY"] == "from-environment"


def test_arguments_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "auto")
    assert load_settings(mode="record").mode == "record"


def test_an_empty_setting_counts_as_unset(root, monkeypatch):
    write_env(root, "LLMOPS_BUDGET_USD=", "LLMOPS_MODEL=from-file", "EMPTY=")
    monkeypatch.setenv("LLMOPS_MODEL", "")
    settings = load_settings()
    assert [settings.budget_usd, settings.model] == [None, "from-file"]
    assert "EMPTY" not in read_environment()


def test_llmops_no_dotenv_keeps_dotenv_out(root, monkeypatch):
    write_env(root, "LLMOPS_MODE=replay", "SOME_API_KEY=from-file")
    monkeypatch.setenv("LLMOPS_NO_DOTENV", "1")
    assert load_settings().mode == "live"
    assert "SOME_API_KEY" not in read_environment()


def test_a_byte_order_mark_in_dotenv_is_ignored(root):
    write_env(root, "LLMOPS_MODE=replay", "LLMOPS_MODEL=grün", encoding="utf-8-sig")
    settings = load_settings()
    assert [settings.mode, settings.model] == ["replay", "grün"]
    assert read_environment()["LLMOPS_MODE"] == "replay"


def test_line_ends_of_windows_in_dotenv_are_ignored(root):
    (root / ".env").write_bytes(b"LLMOPS_MODE=replay\r\nLLMOPS_RETRIES=2\r\n")
    settings = load_settings()
    assert [settings.mode, settings.retries] == ["replay", 2]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_dotenv_that_is_not_utf8_is_named(root, encoding):
    write_env(root, "LLMOPS_MODEL=grün", encoding=encoding)
    for read in (load_settings, read_environment):
        with pytest.raises(SettingsError) as caught:
            read()
        assert caught.value.problem == f"The file {root / '.env'} is not UTF-8 text."
        assert "UTF-8" in caught.value.next_step


@pytest.mark.parametrize("name", ["home", "recordings", "progress"])
def test_a_tilde_stands_for_the_home_folder(monkeypatch, name):
    monkeypatch.setenv(f"LLMOPS_{name.upper()}", "~/course")
    assert getattr(load_settings(), name) == Path.home() / "course"


def test_spaces_around_a_value_are_dropped(monkeypatch):
    monkeypatch.setenv("LLMOPS_MODEL", "  tiny ")
    assert load_settings().model == "tiny"


# Names and values that are wrong


@pytest.mark.parametrize(
    ("name", "meant"),
    [("LLMOPS_MODELL", "LLMOPS_MODEL"), ("LLMOPS_BASEURL", "LLMOPS_BASE_URL"), ("LLMOPS_APIKEY", "LLMOPS_API_KEY")],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_an_unknown_name_is_answered_with_the_nearest(root, monkeypatch, name, meant, place):
    if place == "file":
        write_env(root, f"{name}=value")
    else:
        monkeypatch.setenv(name, "value")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problem == f"There is no setting {name}."
    assert caught.value.next_step == f"Did you mean {meant}?"


def test_an_unknown_name_like_no_other_is_answered_with_all(monkeypatch):
    monkeypatch.setenv("LLMOPS_" + "Q" * 60, "1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "LLMOPS_BUDGET_USD" in caught.value.next_step
    assert "LLMOPS_MODE" in caught.value.next_step


def test_an_unknown_name_never_shows_its_value(monkeypatch):
    monkeypatch.setenv("LLMOPS_APIKEY", KEY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert_hidden(KEY, str(caught.value), repr(caught.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLMOPS_CONTEXT", "many"),
        ("LLMOPS_CONTEXT", "255"),
        ("LLMOPS_CONTEXT", "131073"),
        ("LLMOPS_PARALLEL", "0"),
        ("LLMOPS_THREADS", "0"),
        ("LLMOPS_EXAMPLES", "7"),
        ("LLMOPS_RETRIES", "1.5"),
        ("LLMOPS_RETRIES", "-1"),
        ("LLMOPS_TIMEOUT_S", "0"),
        ("LLMOPS_TIMEOUT_S", "two minutes"),
        ("LLMOPS_TIMEOUT_S", "nan"),
        ("LLMOPS_BUDGET_USD", "-0.01"),
        ("LLMOPS_BUDGET_USD", "$5"),
        ("LLMOPS_BUDGET_USD", "nan"),
        ("LLMOPS_BUDGET_TOKENS", "1e3.5"),
        ("LLMOPS_MODE", "reply"),
    ],
)
def test_a_malformed_value_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problem.startswith(f"The setting {name} is not usable: ")
    assert caught.value.next_step == f"Correct {name} in your environment or in .env."


@pytest.mark.parametrize("name", ["LLMOPS_MODE", "LLMOPS_CONTEXT", "LLMOPS_BASE_URL", "LLMOPS_BUDGET_USD"])
def test_a_key_in_the_wrong_variable_is_not_shown(monkeypatch, name):
    monkeypatch.setenv(name, KEY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert_hidden(KEY, str(caught.value), repr(caught.value), *caught.value._render_traceback_())


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http:///v1", "https:/host", "/v1"])
def test_an_address_that_is_none_is_named(monkeypatch, url):
    monkeypatch.setenv("LLMOPS_BASE_URL", url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "LLMOPS_BASE_URL" in caught.value.problem
    assert "must begin with http:// or https:// and name a host" in caught.value.problem


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1"),
        ("https://host.example", "https://host.example"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_is_kept_without_its_last_slash(monkeypatch, given, kept):
    monkeypatch.setenv("LLMOPS_BASE_URL", given)
    assert load_settings().base_url == kept


def test_embedded_with_an_address_is_a_contradiction(monkeypatch):
    monkeypatch.setenv("LLMOPS_PROVIDER", "embedded")
    monkeypatch.setenv("LLMOPS_BASE_URL", "http://127.0.0.1:8000/v1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "contradict" in caught.value.problem
    assert "LLMOPS_PROVIDER" in caught.value.problem
    assert "LLMOPS_BASE_URL" in caught.value.problem
    assert caught.value.next_step == "Unset one of the two."


def test_custom_without_an_address_says_which_to_set(monkeypatch):
    monkeypatch.setenv("LLMOPS_PROVIDER", "custom")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problem == "LLMOPS_PROVIDER=custom needs an address."
    assert "LLMOPS_BASE_URL" in caught.value.next_step


def test_custom_with_an_address_is_accepted(monkeypatch):
    monkeypatch.setenv("LLMOPS_PROVIDER", "custom")
    monkeypatch.setenv("LLMOPS_BASE_URL", "http://127.0.0.1:8000/v1")
    settings = load_settings()
    assert [settings.provider, settings.base_url] == ["custom", "http://127.0.0.1:8000/v1"]


# Keys

BAD_KEYS = [
    ("sk-Q7wZt9Pm Kx2VbNc4RfJh", "holds a space or a line break"),
    ("sk-Q7wZt9Pm\nKx2VbNc4RfJh", "holds a space or a line break"),
    ("sk-Q7wZt9Pm\u00a0Kx2VbNc4RfJh", "holds a space or a line break"),
    ('"sk-Q7wZt9PmKx2VbNc4RfJh"', "stands in quotes"),
    ("'sk-Q7wZt9PmKx2VbNc4RfJh'", "stands in quotes"),
    ("sk-Q7wZt9PmKx2VbNc4RfJh`", "stands in quotes"),
    ("sk–Q7wZt9PmKx2VbNc4RfJh", "holds a character that no key has"),
    ("sk-Q7wZt9PmKx2VbNc4RfJé", "holds a character that no key has"),
    ("your-Q7wZt9PmKx2VbNc4RfJh", "is still the placeholder from an example"),
    ("<Q7wZt9PmKx2VbNc4RfJh>", "is still the placeholder from an example"),
    ("sk-Q7wZt9PmKx...", "is still the placeholder from an example"),
    ("sk-XXXXXXXXQ7wZ", "is still the placeholder from an example"),
    ("CHANGE_ME-Q7wZt9PmKx2", "is still the placeholder from an example"),
]


@pytest.mark.parametrize(("key", "fault"), BAD_KEYS)
def test_a_key_that_cannot_be_one_is_refused_and_not_shown(monkeypatch, key, fault):
    monkeypatch.setenv("LLMOPS_API_KEY", key)
    with pytest.raises(KeyMalformed) as caught:
        load_settings()
    assert caught.value.problem.startswith(f"The key in LLMOPS_API_KEY {fault}")
    assert "LLMOPS_API_KEY" in caught.value.next_step
    assert_hidden(key, str(caught.value), repr(caught.value), *caught.value._render_traceback_())


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY} ", f"{KEY}\n", f"{KEY}\r", f"\t{KEY}"])
def test_a_key_with_space_around_it_is_refused_and_not_shown(key):
    with pytest.raises(KeyMalformed, match="The key in SOME_API_KEY holds a space or a line break") as caught:
        check_key(key, "SOME_API_KEY")
    assert_hidden(KEY, str(caught.value))


def test_a_key_with_the_wrong_beginning_is_refused_and_not_shown():
    with pytest.raises(KeyMalformed) as caught:
        check_key(KEY, "ANTHROPIC_API_KEY", "^sk-ant-")
    said = "The key in ANTHROPIC_API_KEY does not look like a key of this provider (expected: ^sk-ant-)."
    assert caught.value.problem == said
    assert_hidden(KEY[3:], str(caught.value))


@pytest.mark.parametrize("key", [KEY, "gsk_1234abcd", "0123456789abcdef", "EMPTY", "ollama"])
def test_a_usable_key_is_accepted(monkeypatch, key):
    monkeypatch.setenv("LLMOPS_API_KEY", key)
    assert load_settings().api_key.get_secret_value() == key
    assert check_key("sk-ant-Q7wZ", "ANTHROPIC_API_KEY", "^sk-ant-") is None


def test_settings_never_show_the_key(root):
    write_env(root, f"LLMOPS_API_KEY={KEY}")
    settings = load_settings()
    assert settings.api_key.get_secret_value() == KEY
    shown = [
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        f"{settings.api_key}",
    ]
    assert_hidden(KEY, *shown)


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("key plain-secret refused", ("plain-secret",), "key [key] refused"),
        ("plain-secret and plain-secret", ("plain-secret",), "[key] and [key]"),
        (f"Incorrect API key provided: {KEY}.", (), "Incorrect API key provided: [key]."),
        ("sk-Q7wZ********************fJh is wrong", (), "[key] is wrong"),
        ("sk-ant-api03-Q7wZt9PmKx2VbNc4RfJh", (), "[key]"),
        ("token hf_Q7wZt9PmKx2VbNc4RfJh", (), "token [key]"),
        ("gsk_Q7wZt9PmKx2VbNc4RfJh", (), "[key]"),
        ("AIzaQ7wZt9PmKx2VbNc4RfJh", (), "[key]"),
        ("Authorization: Bearer Q7wZt9PmKx2", (), "Authorization: Bearer [key]"),
        ('{"authorization": "bearer Q7wZt9PmKx2"}', (), '{"authorization": "bearer [key]"}'),
        ("abc", ("abc",), "abc"),
        (
            "a risk-averse-investor-asks about task-oriented-dialogue",
            (),
            "a risk-averse-investor-asks about task-oriented-dialogue",
        ),
        ("nothing secret here", ("",), "nothing secret here"),
    ],
)
def test_redact_replaces_keys_and_nothing_else(text, secrets, shown):
    assert redact(text, *secrets) == shown


# What follows from them


@pytest.mark.parametrize(
    ("values", "is_embedded", "calls", "examples"),
    [
        ({}, True, 1, 8),
        ({"parallel": 4}, True, 4, 8),
        ({"examples": 300}, True, 1, 300),
        ({"mode": "replay"}, True, 1, None),
        ({"mode": "record"}, True, 1, None),
        ({"mode": "replay", "examples": 40}, True, 1, 40),
        ({"provider": "embedded"}, True, 1, 8),
        ({"provider": "openai"}, False, 4, None),
        ({"base_url": "http://127.0.0.1:8000/v1"}, False, 4, None),
    ],
)
def test_the_model_on_this_machine_is_asked_few_examples_one_by_one(values, is_embedded, calls, examples):
    settings = load_settings(**values)
    assert (settings.is_embedded, settings.calls_at_once, settings.most_examples) == (is_embedded, calls, examples)


def test_the_number_of_calls_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LLMOPS_PARALLEL", "3")
    assert load_settings().calls_at_once == 3


@pytest.mark.parametrize(("physical", "logical", "found"), [(4, 8, 4), (None, 8, 8), (None, None, 1)])
def test_cores_are_counted_without_their_second_hardware_threads(physical, logical, found, monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "cpu_count", lambda logical: physical)
    monkeypatch.setattr("os.cpu_count", lambda: logical)
    assert count_cores() == found
