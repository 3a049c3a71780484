"""A server for the tests of models, and clients of it that start quickly."""

import ssl

import pytest
from fake_provider import FakeProvider


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch):
    """Load no certificates: nothing here speaks TLS, and each model would read them anew."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: context)
