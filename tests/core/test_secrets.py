"""Claims about secrets: which names and shapes are known, and that no form of a key is left in a text."""

import json

import pytest

from llmops_utils.core.secrets import is_secret_name, redact, redact_values

NAMES = """
OPENAI_API_KEY AZURE_OPENAI_KEY AZURE_OPENAI_API_KEY AWS_SECRET_ACCESS_KEY DB_PASSWORD PGPASSWORD COMET_API_KEY HF_TOKEN
hf_token github_token apiKey clientSecret SMTP_PASSWD DB_PWD GITHUB_PAT SMTP_PASS MY_JWT BEARER SESSION_COOKIE DB_CREDS
OPENAIAPIKEY ACCESSKEY PASSCODE SIGNING_KEY GOOGLE_APPLICATION_CREDENTIALS_JSON LLMOPS_API_KEY MY_PASSPHRASE HF_TOKENS
ACCESS_TOKENS PASSWORDS COOKIES GITHUB_PATS openAIKey APITOKEN MYSECRETKEY spring.datasource.password Jwt__Key KENNWORT
CONTRASEÑA CLAVE_API MOT_DE_PASSE SENHA 密码
"""
OTHERS = """
MAX_TOKENS LLMOPS_BUDGET_TOKENS KEYBOARD MONKEY PATH AUTHOR TOKENIZERS_PARALLELISM HOME COMPLETION_TOKENS ENCLAVE HOTKEYS
PATHS SSH_AUTH_SOCK KEY_FILE PUBLIC_KEY_PATH TOKEN_URL PASSWORD_FILE DONKEY_NAME
"""
VALUES = {
    "OPENAI_API_KEY": "plain-value-of-a-key-1",
    "AZURE_OPENAI_KEY": '  with"quote\\and-back ',
    "DB_PASSWORD": "pässwört-ünïcode",
    "MAIL_PASSWORD": "\nlines-around-it-5\r\n",
    "hf_token": "'quoted-token-77'",
    "AWS_SECRET_ACCESS_KEY": "abc/def+ghi/jkl+mno",
    "DATABASE_URL": "postgres://ann:s3cr3tword@db.example/shop",
    "VCAP_SERVICES": '{"db": {"user": "ann", "password": "json-inner-71"}}',
    "STORAGE": "AccountName=x;AccountKey=connection-72;Suffix=core",
    "OTEL_HEADERS": "Authorization=Bearer header-token-73,a=b",
    "SOME_KEYS": "first-key-741,second-key-742",
    "DEPLOY_KEY": "line-one-abc\nline-two-abc",
    "BASIC_AUTH": "ann:basic-login-75",
    "ALL_PROXY": "ann:proxy-login-76@host:1",
    "LLMOPS_BASE_URL": "https://bob:hidden%21pass@host.example/v1?api-key=querykey99",
}
INNER = ("plain-value-of-a-key-1", 'with"quote\\and-back', "pässwört-ünïcode", "quoted-token-77")
INNER += ("lines-around-it-5", "abc/def+ghi/jkl+mno", "s3cr3tword", "hidden%21pass", "hidden!pass", "querykey99")
INNER += ("json-inner-71", "connection-72", "header-token-73", "first-key-741", "second-key-742", "line-two-abc")
INNER += ("basic-login-75", "proxy-login-76")
SHAPED = """
whsec_abcdefghijklmnop1234 tgp_v1_abcdefghijklmnop12 ghs_abcdefghijklmnop1234 npm_abcdefghijklmnop1234
SG.abcdefghijklmnop.abcdefghijklmnop-12 dapi0123456789abcdef0123456789abcdef hooks.slack.com/services/T0/B0/abcdefgh
sk-abcdefghijkl123456 sk-ant-api03-Q7wZabcdefgh gsk_abcdefghijkl1234 hf_abcdefghijklmnop AIzaSyA-abcdefghijklmnop
AKIAABCDEFGHIJKLMNOP ghp_abcdefghijklmnop1234 xoxb-1234567890-abc glpat-abcdefghijklmnop nvapi-abcdefghijklmnop
eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.abc-def
"""
BLOCKS = [
    f"-----BEGIN {one}-----\nMIIEvQ\nabc\n-----END {one}-----" for one in ("PRIVATE KEY", "PGP PRIVATE KEY BLOCK")
]


def test_which_names_mean_secrets():
    assert [name for name in NAMES.split() if not is_secret_name(name)] == []
    assert [name for name in OTHERS.split() if is_secret_name(name)] == []


@pytest.fixture
def secrets(monkeypatch):
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)


def test_no_value_of_a_secret_variable_is_left_in_a_text_or_in_json(secrets):
    text = " ".join(f"<{inner}>" for inner in INNER)
    assert [inner for inner in INNER if inner in redact(text)] == []
    written = json.dumps(redact_values({"a": [text], text: {"b": (text, 1, None)}}), ensure_ascii=False)
    assert [inner for inner in INNER if inner in json.loads(json.dumps(written)) or inner in written] == []
    assert json.loads(written)  # replaced before it is written out, so it stays JSON


def test_no_key_by_its_shape_is_left_and_addresses_lose_password_and_key():
    assert [shape for shape in [*SHAPED.split(), *BLOCKS] if shape in redact(f"before {shape} after")] == []
    assert redact("GET http://ann:secret@host/v1?api_key=abcd1234&n=2") == "GET http://[key]@host/v1?api_key=[key]&n=2"
    assert redact('{"authorization": "bearer abc.def-123456"}') == '{"authorization": "bearer [key]"}'
    assert redact('{"x-api-key": "abcdef123456"}') == '{"x-api-key": "[key]"}'
    assert (
        redact("https://h/a?client_secret=abcd1234#access_token=abcd")
        == "https://h/a?client_secret=[key]#access_token=[key]"
    )
    assert redact("sk-Q7wZ********************fJh is wrong") == "[key] is wrong"


def test_honest_texts_stay(secrets):
    for text in (
        "06 Basic prompting: basic techniques, basic/advanced ones. Basic Techniques",
        "Ask the bearer of good news.",
        "The order is N-48213, at 3:30 @ the shop; see https://example.org/a@b?code=1",
        "a risk-averse desk-assistant, max_tokens=20",
        "Mail ann@example.org",
        "",
    ):
        assert redact(text) == text


def test_given_secrets_are_hidden_longest_first():
    assert redact("abcdefghij abcdef", "abcdef", "abcdefghij") == "[key] [key]"
    assert redact("none of it", "none") == "none of it"
