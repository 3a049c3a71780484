"""`Model`: a language model behind the official openai client, with prices, provenance and a budget."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from ..core import (
    CapabilityMissing,
    DataError,
    KeyRefused,
    ModelNotServed,
    ProviderError,
    RateLimited,
    Settings,
    Unreachable,
)
from .budget import Budget, bound_tokens, compute_cost
from .catalog import CAPABILITIES
from .connection import Connection, connect
from .faults import translate_errors
from .recording import DATE_HEADER, LATENCY_HEADER, SOURCE_HEADER
from .reply import Provenance, Reply, Token, TokenChance
from .schemas import close_schema, find_choice, parse_json, to_json_schema

Messages = str | Sequence[dict]
OBJECT_TOKENS = 48  # what a server may write around a choice, white space included


class Model:
    """A language model, wherever the settings say that it runs.

    Args:
        chapter: the notebook's name, under which its recordings are kept.
        budget: a limit; default: the one in the settings.
        settings: default: from the environment and `.env`.

    Raises:
        SettingsError, UnknownModel: the settings name no usable model.
    """

    def __init__(self, chapter: str, budget: Budget | None = None, settings: Settings | None = None) -> None:
        self.connection: Connection = connect(chapter, settings)
        settings = self.connection.settings
        self.budget = budget or Budget(settings.budget_usd, settings.budget_tokens)
        self.name = self.connection.model
        self.provider = self.connection.provider
        self._probed: dict[str, bool] = {}
        self._probing = threading.Lock()

    def __repr__(self) -> str:
        return f"Model({self.name!r} from {self.connection.source}, mode {self.connection.mode})"

    @cached_property
    def client(self):
        """The official `openai.OpenAI` client that all calls go through; it tries again on 429, 5xx and lost lines."""
        from openai import OpenAI

        connection = self.connection
        return OpenAI(
            base_url=connection.base_url,
            api_key=connection.api_key,
            http_client=connection.http_client,
            max_retries=connection.settings.retries,
        )

    # --- what it can do -------------------------------------------------------------------------------------

    def can(self, capability: str) -> bool:
        """Return whether the model's provider can do something; what the catalog does not know is tried once.

        Args:
            capability: temperature, seed, json_schema, logprobs, completions, embeddings or tokenize.
        """
        if capability not in CAPABILITIES:
            raise DataError(f"“{capability}” is no capability.", f"Choose one of {', '.join(CAPABILITIES)}.")
        known = self.provider.capabilities.get(capability)
        if known is not None:
            return known
        with self._probing:
            if capability not in self._probed:
                self._probed[capability] = self._probe(capability)
            return self._probed[capability]

    def _probe(self, capability: str) -> bool:
        if capability in ("temperature", "seed"):
            return True  # widely accepted, and a refusal says so by itself
        schema = {"type": "object", "properties": {"a": {"enum": ["yes"]}}, "required": ["a"]}
        trial = {
            "json_schema": lambda: self._post_chat([{"role": "user", "content": "Say no."}], 16, schema=schema),
            "logprobs": lambda: self._post_chat([{"role": "user", "content": "Hi"}], 1, logprobs=1),
            "completions": lambda: self._post(
                "/completions", {"model": self.name, "prompt": "Hi", "max_tokens": 1}, "choices"
            ),
            "tokenize": lambda: self._post_tokenize("Hi"),
            "embeddings": lambda: self.embed("Hi", checks=False),
        }[capability]
        try:
            answer = trial()
            if capability == "json_schema":
                return json.loads(answer[0]["choices"][0]["message"]["content"]) == {"a": "yes"}
            return bool(answer[0]["choices"][0].get("logprobs")) if capability == "logprobs" else True
        except (KeyRefused, RateLimited, Unreachable):
            raise  # says nothing about what the provider can do
        except (ProviderError, CapabilityMissing, ValueError, KeyError, TypeError):
            return False

    def _need(self, capability: str, purpose: str) -> None:
        if not self.can(capability):
            raise CapabilityMissing(
                f"{self.name} at {self.connection.source} cannot {purpose}.",
                f"Ask model.can({capability!r}) first, or use the embedded model for this part (unset LLMOPS_PROVIDER).",
            )

    # --- chat -----------------------------------------------------------------------------------------------

    def chat(
        self,
        messages: Messages,
        *,
        system: str | None = None,
        temperature: float = 0.0,
        top_p: float | None = None,
        max_tokens: int = 256,
        seed: int | None = None,
        stop: list[str] | None = None,
        schema: dict | type | None = None,
        choices: Sequence[str] | None = None,
        logprobs: int = 0,
        stream: bool = False,
    ) -> Reply | ReplyStream:
        """Return the model's reply to a text or to a list of messages.

        Args:
            messages: a text, or dicts with `role` and `content`.
            system: an instruction that stands before the messages.
            temperature: 0 takes the likeliest token each time; about 1 draws as the model is.
            top_p: draw only from the likeliest tokens that make up this share.
            max_tokens: most tokens of the reply.
            seed: makes a draw repeatable on the same machine.
            stop: texts at which the reply ends.
            schema: a JSON schema or a pydantic model; `reply.parsed` holds the value.
            choices: the reply is one of these; `reply.parsed` holds it, or None where it is none of them.
            logprobs: how many alternatives to return for each token; `reply.tokens` holds them.
            stream: return the pieces as they come, as an iterator that has a `reply` at its end.

        Raises:
            ProviderError: the server refused or failed; its kinds are in `errors`.
            BudgetExceeded: the worst case would pass the budget; nothing was sent.
            RecordingMissing: in replay, there is no recording.
            CapabilityMissing: the provider cannot do what was asked.
        """
        conversation = _check_messages(messages, system)
        if logprobs:
            self._need("logprobs", "return token probabilities")
        wanted = to_json_schema(schema)
        if choices is not None:
            wanted, conversation = self._ask_for_choice(list(choices), conversation)
            # `max_tokens` is meant for the choice; the signs of an object around it come on top.
            max_tokens += OBJECT_TOKENS if wanted is not None and "grammar" not in wanted else 0
        elif wanted is not None:
            self._need("json_schema", "follow a JSON schema")
        options = {"top_p": top_p, "stop": stop}
        if self.can("temperature"):
            options["temperature"] = temperature
        seed = seed if self.can("seed") else None
        options[self.provider.seed_name] = seed
        if stream:
            if wanted is not None or logprobs:
                raise DataError("A stream has neither a schema nor probabilities here.", "Leave out stream=True.")
            return ReplyStream(self, self._make_body(conversation, max_tokens, options), seed)
        data, headers, latency_s = self._post_chat(conversation, max_tokens, wanted, logprobs, options)
        choice = data["choices"][0]
        text = choice["message"].get("content") or ""
        parsed = None
        if choices is not None:
            text = parsed = find_choice(text, list(choices)) or text
            parsed = parsed if parsed in choices else None
        elif schema is not None:
            parsed = parse_json(text, schema)
        entries = (choice.get("logprobs") or {}).get("content") or []
        return self._make_reply(data, headers, latency_s, text, seed, parsed, tuple(_read_chance(e) for e in entries))

    def chat_each(
        self, prompts: Iterable[Messages], *, parallel: int | None = None, label: str = "", **options
    ) -> list[Reply]:
        """Return one reply per prompt, in their order, asked in parallel, with a progress bar where a model is asked.

        Args:
            prompts: texts or message lists.
            parallel: requests at once; default: one to the embedded model, else LLMOPS_PARALLEL.
            label: what the progress bar says.
            options: as for `chat`.
        """
        from tqdm.auto import tqdm

        prompts = list(prompts)
        settings = self.connection.settings
        silent = settings.mode in ("replay", "fill", "record")
        with ThreadPoolExecutor(parallel or settings.calls_at_once) as pool:
            futures = [pool.submit(self.chat, prompt, **options) for prompt in prompts]
            try:
                return [future.result() for future in tqdm(futures, desc=label, disable=silent)]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask_for_choice(self, choices: list[str], conversation: list[dict]) -> tuple[dict | None, list[dict]]:
        if not choices or len(set(choices)) != len(choices):
            raise DataError("The choices are empty or hold one twice.", "Give at least one choice, each once.")
        if not self.can("json_schema"):
            ending = "\nAnswer with exactly one of these and nothing else: " + ", ".join(choices)
            last = conversation[-1] | {"content": conversation[-1]["content"] + ending}
            return None, [*conversation[:-1], last]
        if self.provider.id == "embedded":
            # llama.cpp takes a grammar of bare words: a third of the tokens of a quoted enum, and the reply looks like
            # the examples of a few-shot prompt.
            return {
                "grammar": "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
            }, conversation
        return close_schema(
            {"type": "object", "properties": {"choice": {"type": "string", "enum": choices}}}
        ), conversation

    def _make_body(self, conversation: list[dict], max_tokens: int, options: dict) -> dict:
        body = {"model": self.name, "messages": conversation, self.provider.max_tokens_name: max_tokens}
        if self.name == self.provider.default_model:
            body |= self.provider.extra
        return body | {name: value for name, value in options.items() if value is not None}

    def _post_chat(self, conversation, max_tokens, schema=None, logprobs=0, options=None):
        body = self._make_body(conversation, max_tokens, options or {})
        if schema is not None and "grammar" in schema:
            body |= schema
        elif schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": schema, "strict": True},
            }
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        texts = [message["content"] for message in conversation] + ([json.dumps(schema)] if schema else [])
        with self._spend(bound_tokens(*texts, num_messages=len(conversation)), max_tokens) as settle:
            data, headers, latency_s = self._post("/chat/completions", body, "choices")
            settle(data)
        return data, headers, latency_s

    # --- other calls ----------------------------------------------------------------------------------------

    def complete(
        self, prompt: str, *, max_tokens: int = 64, temperature: float = 0.0, seed: int | None = None
    ) -> Reply:
        """Return how the model continues a bare text, without any chat template."""
        self._need("completions", "continue a bare text")
        body = {"model": self.name, "prompt": prompt, "max_tokens": max_tokens, "temperature": temperature}
        if seed is not None:
            body["seed"] = seed
        with self._spend(bound_tokens(prompt), max_tokens) as settle:
            data, headers, latency_s = self._post("/completions", body, "choices")
            settle(data)
        return self._make_reply(data, headers, latency_s, data["choices"][0]["text"], seed)

    def next_tokens(self, prompt: str, num: int = 10) -> list[TokenChance]:
        """Return the likeliest next tokens after a bare text with their probabilities, the likeliest first."""
        self._need("completions", "continue a bare text")
        self._need("logprobs", "return token probabilities")
        body = {"model": self.name, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "logprobs": num}
        with self._spend(bound_tokens(prompt), 1) as settle:
            data, _, _ = self._post("/completions", body, "choices")
            settle(data)
        logprobs = data["choices"][0].get("logprobs") or {}
        if logprobs.get("content"):  # llama.cpp answers in the form of chat completions
            return list(_read_chance(logprobs["content"][0]).alternatives)
        if not logprobs.get("top_logprobs"):
            raise CapabilityMissing(
                f"{self.name} returned no token probabilities.", "Use the embedded model for this part."
            )
        likeliest = sorted(logprobs["top_logprobs"][0].items(), key=lambda pair: -pair[1])
        return [TokenChance(text, math.exp(logprob)) for text, logprob in likeliest]

    def tokenize(self, text: str) -> list[Token]:
        """Return the tokens of a text, with their numbers in the vocabulary."""
        self._need("tokenize", "show how it splits a text into tokens")
        return self._post_tokenize(text)

    def _post_tokenize(self, text: str) -> list[Token]:
        root = self.connection.base_url.removesuffix("/v1")
        body = {"content": text, "prompt": text, "model": self.name, "with_pieces": True, "return_token_strs": True}
        if self.provider.id == "embedded":
            body = {"model": self.name, "content": text, "with_pieces": True}
        data, _, _ = self._post(f"{root}/tokenize", body, "tokens", may_be_empty=True)
        if data.get("tokens") and isinstance(data["tokens"][0], dict):  # llama.cpp
            return [Token(entry["id"], _read_piece(entry["piece"])) for entry in data["tokens"]]
        if data.get("token_strs"):  # vLLM
            return [Token(number, piece) for number, piece in zip(data["tokens"], data["token_strs"], strict=True)]
        if text == "":
            return []
        raise CapabilityMissing(f"{self.name} does not show its tokens.", "Use the embedded model for this part.")

    def count_tokens(self, messages: Messages) -> int:
        """Return how many tokens a text has, or a list of messages with the chat template around it."""
        if isinstance(messages, str):
            return len(self.tokenize(messages))
        self._need("tokenize", "count tokens before a call")
        root = self.connection.base_url.removesuffix("/v1")
        body = {"model": self.name, "messages": _check_messages(messages, None)}
        try:
            data, _, _ = self._post(f"{root}/apply-template", body, "prompt")
        except ModelNotServed:  # vLLM counts a conversation itself
            data, _, _ = self._post(f"{root}/tokenize", body, "count")
            return int(data["count"])
        return len(self.tokenize(data["prompt"]))

    def embed(self, texts: str | Sequence[str], checks: bool = True) -> np.ndarray:
        """Return vectors for the texts, shape (n, d); for one text, shape (d,)."""
        if checks:
            self._need("embeddings", "embed texts")
        many = [texts] if isinstance(texts, str) else list(texts)
        if not many or not all(isinstance(text, str) and text.strip() for text in many):
            raise DataError("There is an empty text among those to embed, or none at all.", "Leave empty texts out.")
        if not self.connection.embedding_model:
            raise CapabilityMissing(
                f"No embedding model is named for {self.provider.title}.", "Set LLMOPS_EMBEDDING_MODEL."
            )
        body = {"model": self.connection.embedding_model, "input": many}
        with self._spend(bound_tokens(*many), 0, self.connection.embedding_model) as settle:
            data, _, _ = self._post("/embeddings", body, "data")
            settle(data)
        rows = sorted(data["data"], key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
        return vectors[0] if isinstance(texts, str) else vectors

    # --- shared ---------------------------------------------------------------------------------------------

    @contextmanager
    def _spend(self, prompt_bound: int, max_tokens: int, model: str | None = None) -> Iterator:
        """Reserve the worst case of a call in the budget; the function that it gives takes what was really used."""
        model = model or self.name
        worst_tokens = prompt_bound + max_tokens
        worst_usd = compute_cost(self.provider, model, prompt_bound, max_tokens)
        self.budget.reserve(worst_tokens, worst_usd)
        spent = [0, 0.0]  # nothing, as long as no answer has begun

        def settle(data: dict) -> None:
            usage = data.get("usage") or {}
            if "prompt_tokens" not in usage:  # an answer that does not say what it took: the worst case counts
                spent[:] = worst_tokens, worst_usd
                return
            prompt, completion = usage["prompt_tokens"], usage.get("completion_tokens", 0)
            spent[:] = prompt + completion, compute_cost(self.provider, model, prompt, completion)

        try:
            yield settle
        finally:
            self.budget.settle(worst_tokens, worst_usd, spent[0], spent[1])

    def _post(self, path: str, body: dict, needed: str, may_be_empty: bool = False) -> tuple[dict, dict, float]:
        """Send a request through the openai client; return body, headers and seconds. Errors become ours.

        `needed` is the field without which the answer is none.
        """
        started = time.perf_counter()
        with translate_errors(self.connection):
            response = self.client.post(path, cast_to=_get_raw_type(), body=body)
            try:
                data = response.json()
            except ValueError as error:
                raise ProviderError(
                    f"{self.connection.source} answered with something that is not JSON.",
                    "Check LLMOPS_BASE_URL; it usually ends in /v1.",
                ) from error
        if not isinstance(data, dict) or needed not in data or not (data[needed] or may_be_empty):
            raise ProviderError(
                f"{self.connection.source} gave no usable answer to {path}.",
                "Check LLMOPS_BASE_URL; it usually ends in /v1.",
            )
        latency_s = float(response.headers.get(LATENCY_HEADER) or time.perf_counter() - started)
        return data, response.headers, latency_s

    def _make_reply(self, data, headers, latency_s, text, seed, parsed=None, tokens=()) -> Reply:
        usage = data.get("usage") or {}
        prompt, completion = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        connection = self.connection
        source = headers.get(SOURCE_HEADER) or connection.source
        provenance = Provenance(self.name, source, connection.mode, seed, headers.get(DATE_HEADER, ""))
        finish = (data.get("choices") or [{}])[0].get("finish_reason") or "stop"
        cost = compute_cost(self.provider, self.name, prompt, completion)
        return Reply(text, prompt, completion, latency_s, cost, provenance, finish, parsed, tokens)


class ReplyStream:
    """The pieces of a reply as they come. After the last one, `reply` holds the whole."""

    def __init__(self, model: Model, body: dict, seed: int | None) -> None:
        self._model = model
        self._body = body | {"stream": True, "stream_options": {"include_usage": True}}
        self._seed = seed
        self.reply: Reply | None = None

    def __iter__(self) -> Iterator[str]:
        model = self._model
        texts = [message["content"] for message in self._body["messages"]]
        bound = bound_tokens(*texts, num_messages=len(texts))
        max_tokens = self._body[model.provider.max_tokens_name]
        started, pieces, data = time.perf_counter(), [], {"choices": [{}]}
        with model._spend(bound, max_tokens) as settle, translate_errors(model.connection):
            body = dict(self._body)
            named = {name: body.pop(name) for name in ("model", "messages", "stream")}
            raw = model.client.chat.completions.with_raw_response.create(**named, extra_body=body)
            if not raw.headers.get("content-type", "").startswith("text/event-stream"):
                raise ProviderError(
                    f"{model.connection.source} answered a stream with something else.",
                    "Check LLMOPS_BASE_URL; it usually ends in /v1.",
                )
            settle({})
            for chunk in raw.parse():
                if chunk.usage:
                    data["usage"] = chunk.usage.model_dump()
                    settle(data)
                for choice in chunk.choices:
                    if choice.finish_reason:
                        data["choices"] = [{"finish_reason": choice.finish_reason}]
                    if choice.delta and choice.delta.content:
                        pieces.append(choice.delta.content)
                        yield choice.delta.content
        latency_s = float(raw.headers.get(LATENCY_HEADER) or time.perf_counter() - started)
        self.reply = model._make_reply(data, raw.headers, latency_s, "".join(pieces), self._seed)


def _get_raw_type():
    import httpx2

    return httpx2.Response


def _check_messages(messages: Messages, system: str | None) -> list[dict]:
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    is_list = isinstance(listed, list | tuple) and all(isinstance(message, dict) for message in listed)
    if not is_list or not all(isinstance(message.get(key), str) for message in listed for key in ("role", "content")):
        raise DataError(
            "The messages are not a text or a list of dicts with the texts `role` and `content`.",
            "Write [{'role': 'user', 'content': '…'}].",
        )
    if not listed or not listed[-1]["content"].strip():
        raise DataError("The prompt is empty.", "Write what the model shall do.")
    return ([{"role": "system", "content": system}] if system else []) + [dict(message) for message in listed]


def _read_chance(entry: dict) -> TokenChance:
    others = tuple(TokenChance(other["token"], math.exp(other["logprob"])) for other in entry.get("top_logprobs") or [])
    return TokenChance(entry["token"], math.exp(entry["logprob"]), others)


def _read_piece(piece: str | list[int]) -> str:
    """Return a token's text; llama.cpp gives bytes where a token is a part of a character."""
    return piece if isinstance(piece, str) else bytes(piece).decode("utf-8", "replace")
