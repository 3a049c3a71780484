"""From settings to a connected client: which provider, which model, live or from recordings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from ..core import DataError, KeyMissing, Settings, SettingsError, check_key, load_settings, read_environment
from .catalog import LocalModel, Provider, load_catalog
from .recording import Recorder, Recordings
from .transport import RecordingTransport, make_embeddings
from .weights import AdapterFile, find_adapter

EMBEDDED_URL = "http://embedded.localhost/v1"  # stands for the server of this process, whose port is not known yet


@dataclass(frozen=True)
class Connection:
    """All that a client needs; `source` names the weights by their checksum, or the host of the provider."""

    provider: Provider
    model: str
    embedding_model: str
    base_url: str = field(repr=False)  # may hold a password
    source: str
    settings: Settings
    transport: RecordingTransport = field(repr=False)
    api_key: str = field(repr=False)
    adapter: AdapterFile | None = None

    @property
    def server(self) -> str:
        """What answers, for messages: the model in this process, or a host."""
        return self.source if self.base_url == EMBEDDED_URL else urlsplit(self.base_url).hostname or self.source

    @cached_property
    def http_client(self) -> httpx2.Client:
        """The HTTP client for `openai.OpenAI(http_client=…)`; it records and replays."""
        from openai import DefaultHttpxClient

        return DefaultHttpxClient(transport=self.transport, timeout=self.settings.timeout_s)


def connect(
    chapter: str, settings: Settings | None = None, adapter: str | Path | AdapterFile | None = None
) -> Connection:
    """Return the connection that the settings ask for. Nothing is loaded or sent yet.

    The chapter is the name of the notebook and of its file of recordings. An adapter, by its name in the catalog or by
    its file, runs on the embedded model, whatever else the settings name. It gives the model another name and another
    source, so that no answer, recording or cache of the one is ever taken for the other's. A class shares the embedded
    model and the adapters of the catalog at an address; one by its file runs here. Raises `SettingsError` where the
    settings name no model, or no key where one is needed.
    """
    settings = settings or load_settings()
    if adapter is not None and not settings.is_embedded:
        others = ("base_url", "model", "embedding_model")
        settings = settings.model_copy(update={"provider": "embedded"} | dict.fromkeys(others))
    if isinstance(adapter, str):
        settings, adapter = settings.model_copy(update={"model": adapter}), None
    if not chapter or any(character in chapter for character in '/\\:*?"<>|'):
        raise DataError(
            f"“{chapter}” is no name for a chapter.", "Use the notebook's name, such as 01_1_what_an_llm_is."
        )
    provider = load_catalog().find_provider(settings.provider_name)
    live: httpx2.BaseTransport | None
    file = None
    if settings.is_embedded:
        local, encoder = choose_local_models(settings)
        model, embedding_model, key = local.name, encoder.name, "embedded"
        shared_at = settings.base_url if adapter is None else None
        base_url, source = shared_at or EMBEDDED_URL, name_source(local)
        path = adapter or local.adapter_path
        if isinstance(path, AdapterFile):  # of a run in replay, perhaps, which made no file here
            file = path
        elif path is not None:
            file = find_adapter(path, local.files[0].sha256 if local.files else "")
        if file is not None:
            source = f"{source}, adapter sha256:{file.sha256[:12]}"
        if file is not None and adapter is not None:
            model = f"{local.base or local.name}+{file.name}"
        live = EmbeddedTransport(local, encoder, settings, file)
        if shared_at is not None:
            live, key = DirectTransport(), find_key(provider, settings)
    else:
        model = settings.model or provider.default_model
        embedding_model = settings.embedding_model or provider.embedding_model
        if not model:
            raise SettingsError(
                f"No model is named for the provider {provider.id}.",
                "Set LLMOPS_MODEL to a name that the server lists at /v1/models.",
            )
        base_url = settings.base_url or provider.base_url
        source = urlsplit(base_url).hostname or base_url
        key = find_key(provider, settings)
        live = DirectTransport() if key or not provider.key_variable else None
        if live is None and settings.asks and settings.mode != "auto":
            raise KeyMissing(
                f"{provider.title} needs a key, and none is set.",
                f"Set {provider.key_variable} in .env, or work without: LLMOPS_MODE=replay.",
            )
    recorder = Recorder(Recordings(settings.recordings / f"{chapter}.jsonl"), settings, source)
    transport = RecordingTransport(recorder, live)
    key = key or "no key needed"
    return Connection(provider, model, embedding_model, base_url, source, settings, transport, key, file)


def choose_local_models(settings: Settings) -> tuple[LocalModel, LocalModel]:
    """Return the chat model and the embedding model that run on this machine by the settings."""
    catalog = load_catalog()
    embedded = catalog.find_provider("embedded")
    model = catalog.find_local(settings.model or embedded.default_model)
    encoder = catalog.find_local(settings.embedding_model or embedded.embedding_model)
    if model.kind != "chat" or encoder.kind != "embedding":
        raise SettingsError(
            "LLMOPS_MODEL wants a chat model and LLMOPS_EMBEDDING_MODEL an embedding model.",
            "See `python -m llmops_utils models list`.",
        )
    return model, encoder


def find_key(provider: Provider, settings: Settings) -> str:
    """Return the key for a provider, or an empty text. Raises `KeyMalformed` where it cannot be one."""
    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
        check_key(key, "LLMOPS_API_KEY")
        return key
    variable, pattern = provider.key_variable, provider.key_pattern or None
    if (urlsplit(settings.base_url or "").hostname or "").endswith(".azure.com"):
        variable, pattern = "AZURE_OPENAI_API_KEY", None
    key = read_environment().get(variable, "") if variable else ""
    if key:
        check_key(key, variable, pattern)
    return key


def name_source(model: LocalModel) -> str:
    """Return the checksum of a local model's weights, or its place on the hub."""
    return f"{model.hub.repo}/{model.hub.name}" if model.hub else f"weights sha256:{model.files[0].sha256[:12]}"


class DirectTransport(httpx2.BaseTransport):
    """Sends requests as the plain openai client does: by the proxies and certificates that the environment names.

    A client with a transport of its own, such as ours, looks at no proxy; so this one holds a client without.
    """

    @cached_property
    def _client(self) -> httpx2.Client:
        try:
            return httpx2.Client()
        except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
            raise SettingsError(
                f"A proxy or a certificate of the environment cannot be used ({type(error).__name__}).",
                "Correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE or SSL_CERT_DIR, or unset them.",
            ) from None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the server's answer."""
        try:
            return self._client.send(request, stream=True)
        except UnicodeError as error:  # of a host that cannot be looked up
            raise httpx2.ConnectError(str(error), request=request) from error


class EmbeddedTransport(httpx2.BaseTransport):
    """Sends chat and completion requests to this process's llama.cpp server, embeddings to its encoder.

    Both are fetched, checked and started at the first request, and never in replay.
    """

    def __init__(
        self, model: LocalModel, encoder: LocalModel, settings: Settings, adapter: AdapterFile | None = None
    ) -> None:
        self.model = model
        self.adapter = adapter
        self.encoder = encoder
        self.settings = settings
        self._inner = httpx2.HTTPTransport(verify=False)  # to this process on loopback, without encryption

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer of the server or of the encoder."""
        if request.url.path.endswith("/embeddings"):
            return httpx2.Response(200, json=embed_here(self.encoder, self.settings, json.loads(request.content)))
        return self._forward(request)

    def _forward(self, request: httpx2.Request) -> httpx2.Response:
        from .server import share_server
        from .weights import fetch_weights

        settings = self.settings
        [weights, *_] = fetch_weights(self.model, settings.home).values()
        shared = (settings.context, settings.parallel, settings.threads, self.adapter)
        server = share_server(weights, self.model.name, *shared)
        root = httpx2.URL(server.base_url)
        url = request.url.copy_with(host=root.host, port=root.port)
        headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
        return self._inner.handle_request(
            httpx2.Request(request.method, url, headers=headers, content=request.content, extensions=request.extensions)
        )


def embed_here(encoder: LocalModel, settings: Settings, body: dict) -> dict:
    """Return the answer to a request for embeddings in the form of the OpenAI API, from a model on this machine."""
    from .encoder import share_encoder
    from .weights import fetch_weights

    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    paths = fetch_weights(encoder, settings.home)
    found = share_encoder(paths["model.onnx"], paths["tokenizer.json"], settings.threads)
    vectors, num_tokens = found.encode(texts)
    return make_embeddings(body, vectors.tolist(), num_tokens)
