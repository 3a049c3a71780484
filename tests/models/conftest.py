"""A server for the tests of models, and clients of it that start quickly."""

import ssl

import httpx2
import pytest
from fake_provider import FakeProvider


@pytest.fixture
def fake():
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def one_tls_context(monkeypatch):
    """Load no certificates: nothing here speaks TLS, and each model would read them anew."""
    make_transport, context = httpx2.HTTPTransport, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(httpx2, "HTTPTransport", lambda: make_transport(verify=context))
