"""A server for the tests of models, and models of it that start quickly."""

import ssl

import pytest
from fake_provider import FakeProvider
from pydantic import SecretStr

from llmops_utils.core import Settings
from llmops_utils.models import Model


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch):
    """Load no certificates: nothing here speaks TLS, and each model would read them anew."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: context)


@pytest.fixture
def key():
    """Of no known shape, so that only its own text gives it away."""
    return "topsecret-9f8e7d6c5b4a39281706"


@pytest.fixture
def make_model(fake, key, tmp_path):
    """A function that makes a model of the fake server; the catalog knows all of its abilities (vllm)."""

    def make(budget=None, **changes):
        defaults = {"mode": "live", "provider": "vllm", "base_url": fake.base_url, "api_key": SecretStr(key)}
        defaults |= {"model": "fake", "embedding_model": "fake-embedding", "retries": 0, "timeout_s": 5}
        defaults |= {"recordings": tmp_path / "recordings", "home": tmp_path / "home"}
        return Model("01_test", budget, Settings(**(defaults | changes)))

    return make


@pytest.fixture
def meet(fake, make_model):
    """A function that lets a model of the fake server meet faults, and returns the error that it has to raise."""

    def fail(kind, *faults, said=None, model=None, **changes):
        fake.faults.extend(faults)
        with pytest.raises(kind, match=said) as caught:
            (model or make_model(**changes)).chat("Hi")
        return caught.value

    return fail
