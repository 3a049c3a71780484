"""Claims about the settings: where they come from, which faults are named, and that no key is ever shown."""

import os
from pathlib import Path

import pytest

from llmops_utils.core import settings as settings_module
from llmops_utils.core.errors import KeyMalformed, SettingsError
from llmops_utils.core.settings import check_key, load_settings, read_environment

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


def test_arguments_win_over_the_environment_and_that_over_dotenv(root, monkeypatch):
    write_env(root, "LLMOPS_MODE=replay", "LLMOPS_MODEL=from-file", "LLMOPS_BUDGET_USD=", "EMPTY=")
    monkeypatch.setenv("LLMOPS_MODE", "auto")
    monkeypatch.setenv("LLMOPS_MODEL", "")  # counts as unset
    settings = load_settings()
    assert [settings.mode, settings.model, settings.budget_usd] == ["auto", "from-file", None]
    assert [settings.context, settings.parallel, settings.timeout_s, settings.retries] == [2048, 4, 120, 4]
    assert "EMPTY" not in read_environment()
    assert load_settings(mode="record").mode == "record"
    monkeypatch.setenv("LLMOPS_NO_DOTENV", "1")
    assert load_settings().model is None


def test_dotenv_is_read_whatever_its_line_ends_and_byte_order_mark_and_named_where_it_is_not_utf8(root):
    lines = ("LLMOPS_MODE=replay\r", "LLMOPS_CONTEXT=4096", "# a comment", "LLMOPS_MODEL=grün")
    write_env(root, *lines, encoding="utf-8-sig")
    settings = load_settings()
    assert [settings.mode, settings.context, settings.model] == ["replay", 4096, "grün"]
    for encoding in ("latin-1", "utf-16"):
        write_env(root, *lines, encoding=encoding)
        with pytest.raises(SettingsError, match="UTF-8") as caught:
            load_settings()
        assert caught.value.problem == f"The file {root / '.env'} is not UTF-8 text."


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all(root, monkeypatch):
    for name, meant in (("MODELL", "MODEL"), ("BASEURL", "BASE_URL"), ("APIKEY", "API_KEY")):
        with monkeypatch.context() as patch:
            patch.setenv(f"LLMOPS_{name}", "value")
            with pytest.raises(SettingsError) as caught:
                load_settings()
        assert caught.value.problem == f"There is no setting LLMOPS_{name}."
        assert caught.value.next_step == f"Did you mean LLMOPS_{meant}?"
    write_env(root, f"LLMOPS_{'Q' * 60}=value")
    with pytest.raises(SettingsError, match=r"LLMOPS_BUDGET_USD, .*LLMOPS_MODE,"):
        load_settings()


def test_a_malformed_value_is_named():
    for name, value in (
        *(("context", "many"), ("context", "255"), ("context", "131073"), ("parallel", "0"), ("examples", "7")),
        *(("retries", "1.5"), ("retries", "-1"), ("timeout_s", "0"), ("timeout_s", "nan"), ("budget_usd", "-0.01")),
        *(("budget_usd", "nan"), ("mode", "reply"), ("modus", "live")),
    ):
        with pytest.raises(SettingsError) as caught:
            load_settings(**{name: value})
        variable = f"LLMOPS_{name.upper()}"
        assert caught.value.problem.startswith(f"The setting {variable} is not usable: ")
        assert caught.value.next_step == f"Correct {variable} in your environment or in .env."


def test_a_key_is_not_shown_in_its_own_variable_or_a_wrong_one(root, monkeypatch):
    for name in ("LLMOPS_MODE", "LLMOPS_CONTEXT", "LLMOPS_BASE_URL", "LLMOPS_BUDGET_USD", "LLMOPS_APIKEY"):
        with monkeypatch.context() as patch:
            patch.setenv(name, KEY)
            with pytest.raises(SettingsError) as caught:
                load_settings()
        assert_hidden(KEY, str(caught.value), repr(caught.value), *caught.value._render_traceback_())
    write_env(root, f"LLMOPS_API_KEY={KEY}")
    settings = load_settings()
    assert settings.api_key.get_secret_value() == KEY
    assert_hidden(KEY, repr(settings), str(settings.model_dump()), settings.model_dump_json(), f"{settings.api_key}")


def test_an_address_that_cannot_be_used_is_refused_without_its_password_or_key():
    for url in ("localhost:8000", "ftp://host/v1", "http://", "http:///v1", "https:/host", "/v1"):
        with pytest.raises(SettingsError, match="must begin with http:// or https:// and name a host"):
            load_settings(base_url=url)
    assert load_settings(base_url="http://[::1]:8000/v1/").base_url == "http://[::1]:8000/v1"
    for url in (
        "https://host/v1?api-version=2024-10-21&key=secret-word",
        "https://host/v1#secret-word",
        "http://ann:secret-word",
        "http://ann:secret-word@host:99999/v1",
        "http://[::1/secret-word",
        "http://host/v1 secret-word",
    ):
        with pytest.raises(SettingsError, match="LLMOPS_BASE_URL") as caught:
            load_settings(base_url=url)
        assert "secret-word" not in str(caught.value)
    assert "secret-word" not in repr(load_settings(base_url="http://ann:secret-word@host/v1"))


def test_a_key_pasted_where_a_name_belongs_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "battery-staple-777")
    for key in (KEY, "0123456789abcdef0123456789abcdef", "hf_Q7wZt9PmKx2VbNc4RfJh", "battery-staple-777"):
        for name in ("provider", "model", "embedding_model"):
            with pytest.raises(SettingsError, match=f"LLMOPS_{name.upper()}.*looks like a key") as caught:
                load_settings(**{name: key})
            assert key not in str(caught.value)
            with pytest.raises(ValueError, match="looks like a key") as caught:
                settings_module.Settings(**{name: key})
            assert key not in str(caught.value)
    monkeypatch.setenv("LLMOPS_API_KEY", "ollama")
    for name in ("smollm2-135m-instruct", "claude-haiku-4-5-20251001", "meta-llama/Llama-3.3-70B-Instruct", "ollama"):
        assert load_settings(model=name).model == name


def test_a_tilde_stands_for_the_home_folder_of_a_user_who_has_to_exist_and_spaces_are_dropped():
    for name in ("home", "results", "progress", "recordings", "used_log"):
        assert getattr(load_settings(**{name: " ~/course"}), name) == Path.home() / "course"
        with pytest.raises(SettingsError, match=f"LLMOPS_{name.upper()} .*~nosuchuser"):
            load_settings(**{name: "~nosuchuser/x"})
    assert load_settings(model="  tiny ").model == "tiny"


def test_provider_and_address_have_to_agree():
    address = "http://127.0.0.1:8000/v1"
    shared = load_settings(provider="embedded", base_url=address)
    assert (shared.is_embedded, shared.needs_weights, load_settings().needs_weights) == (True, False, True)
    assert load_settings(provider="custom", base_url=address).base_url == address
    with pytest.raises(SettingsError, match=r"LLMOPS_PROVIDER=custom needs an address(?s:.*)LLMOPS_BASE_URL"):
        load_settings(provider="custom")


SPACE, QUOTES, NO_LETTER = "a space or a line break", "stands in quotes", "holds a character that no key has"
PLACEHOLDER = "is still the placeholder from an example"
BAD_KEYS = {
    **dict.fromkeys((f"{KEY[:9]} {KEY[9:]}", f"{KEY[:9]}\n{KEY[9:]}", f"{KEY[:9]}\u00a0{KEY[9:]}"), SPACE),
    **dict.fromkeys((f'"{KEY}"', f"'{KEY}'", f"{KEY}`"), QUOTES),
    **dict.fromkeys((KEY.replace("-", "–"), KEY[:-1] + "é"), NO_LETTER),
    **dict.fromkeys(("your-Q7wZt9PmKx2VbNc4RfJh", "<Q7wZt9PmKx2VbNc4RfJh>", "sk-Q7wZt9PmKx..."), PLACEHOLDER),
    **dict.fromkeys(("sk-XXXXXXXXQ7wZ", "CHANGE_ME-Q7wZt9PmKx2"), PLACEHOLDER),
}


def test_a_key_that_cannot_be_one_is_refused_and_not_shown(monkeypatch):
    for key, fault in BAD_KEYS.items():
        monkeypatch.setenv("LLMOPS_API_KEY", key)
        with pytest.raises(KeyMalformed) as caught:
            load_settings()
        assert fault in caught.value.problem
        assert "LLMOPS_API_KEY" in caught.value.next_step
        assert_hidden(key, str(caught.value), repr(caught.value), *caught.value._render_traceback_())
    for key in (f" {KEY}", f"{KEY} ", f"{KEY}\n", f"{KEY}\r", f"\t{KEY}"):
        with pytest.raises(KeyMalformed, match="The key in SOME_API_KEY holds a space or a line break") as caught:
            check_key(key, "SOME_API_KEY")
        assert_hidden(KEY, str(caught.value))


def test_a_key_has_the_beginning_that_its_provider_wants(monkeypatch):
    with pytest.raises(KeyMalformed) as caught:
        check_key(KEY, "ANTHROPIC_API_KEY", "^sk-ant-")
    said = "The key in ANTHROPIC_API_KEY does not look like a key of this provider (expected: ^sk-ant-)."
    assert caught.value.problem == said
    assert_hidden(KEY[3:], str(caught.value))
    check_key("sk-ant-Q7wZ", "ANTHROPIC_API_KEY", "^sk-ant-")
    for key in (KEY, "gsk_1234abcd", "0123456789abcdef", "EMPTY", "ollama"):
        assert load_settings(api_key=key).api_key.get_secret_value() == key


def test_the_model_on_this_machine_is_asked_few_examples_one_by_one():
    for values, is_embedded, calls, examples in (
        ({}, True, 1, 8),
        ({"parallel": 4}, True, 4, 8),
        ({"examples": 300}, True, 1, 300),
        ({"mode": "replay"}, True, 1, None),
        ({"mode": "record"}, True, 1, None),
        ({"mode": "replay", "examples": 40}, True, 1, 40),
        ({"provider": "embedded"}, True, 1, 8),
        ({"provider": "openai"}, False, 4, None),
        ({"base_url": "http://127.0.0.1:8000/v1"}, False, 4, None),
    ):
        settings = load_settings(**values)
        found = (settings.is_embedded, settings.calls_at_once, settings.most_examples)
        assert found == (is_embedded, calls, examples), values
