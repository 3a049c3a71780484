"""`Model`: a language model behind the official openai client, with prices, provenance and a budget."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import (
    CapabilityMissing,
    DataError,
    ModelNotServed,
    ProviderError,
    Settings,
    Unreachable,
    WorkbookError,
)
from .budget import Budget, bound_tokens, compute_cost
from .calls import Answer, Content, Messages, check_messages, check_numbers, send
from .catalog import CAPABILITIES
from .connection import connect
from .reply import (
    LASTING,
    Provenance,
    Reply,
    Said,
    Token,
    TokenChance,
    estimate_tokens,
    read_chat,
    read_first,
    read_next,
    read_prompt,
    read_tokens,
    read_vectors,
)
from .schemas import Schema, close_schema, find_choice, parse_json, to_json_schema
from .weights import AdapterFile

if TYPE_CHECKING:
    import numpy as np
    import openai

PROBE_TOKENS = 512  # a thinking model thinks before it answers
OBJECT_TOKENS = 48  # what a server may write around a choice, white space included


class Model:
    """A language model, wherever the settings say that it runs; its recordings are kept under the chapter's name."""

    def __init__(
        self,
        chapter: str,
        budget: Budget | None = None,
        settings: Settings | None = None,
        adapter: str | Path | AdapterFile | None = None,
    ) -> None:
        self.connection = connect(chapter, settings, adapter)  # which says what an adapter may be
        settings = self.connection.settings
        self.budget = budget or Budget(settings.budget_usd, settings.budget_tokens)
        self.name = self.connection.model
        self.provider = self.connection.provider
        self._probed: dict[str, bool | None] = {}
        self._probing = threading.Lock()

    def __repr__(self) -> str:
        return f"Model({self.name!r} from {self.connection.source}, mode {self.connection.settings.mode})"

    @cached_property
    def client(self) -> openai.OpenAI:
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
        """Return whether the model's provider can do one of `CAPABILITIES`; what no catalog knows is tried once."""
        if capability not in CAPABILITIES:
            raise DataError(f"“{capability}” is no capability.", f"Choose one of {', '.join(CAPABILITIES)}.")
        known = self.provider.capabilities.get(capability)
        if known is not None:
            return known
        with self._probing:
            if self._probed.get(capability) is None:
                self._probed[capability] = self._probe(capability)
            return bool(self._probed[capability])

    def _probe(self, capability: str) -> bool | None:
        """Try a capability once; None, or a `ProviderError` of a failure that passes, says nothing about it."""
        try:
            if capability == "json_schema":
                schema = {"type": "object", "properties": {"a": {"enum": ["yes"]}}, "required": ["a"]}
                answer = self._post_chat([{"role": "user", "content": "Say no."}], PROBE_TOKENS, schema)
                says_yes = parse_json(answer.content.text, schema) is not None
                return None if answer.content.finish_reason == "length" and not says_yes else says_yes
            if capability == "logprobs":
                return bool(self._post_chat([{"role": "user", "content": "Hi"}], 1, logprobs=1).content.tokens)
            if capability == "completions":
                self._post("/completions", {"model": self.name, "prompt": "Hi", "max_tokens": 1}, read_first)
            if capability == "embeddings":
                self._post_texts(["Hi"])
            if capability == "tokenize":
                self._post_tokenize("Hi")
            return True  # temperature and seed are widely accepted, and a refusal says so by itself
        except CapabilityMissing:
            return False
        except ProviderError as error:
            if error.status in (*LASTING, 501):
                return False
            if error.status == 500 or (error.status is None and not isinstance(error, Unreachable)):
                return None
            raise

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
        max_tokens: int = 256,
        seed: int | None = None,
        stop: list[str] | None = None,
        schema: Schema | None = None,
        choices: Sequence[str] | None = None,
        logprobs: int = 0,
    ) -> Reply:
        """Return the model's reply to a text or to a list of messages.

        Args:
            messages: a text, or dicts with `role` and `content`.
            system: an instruction that stands before the messages.
            temperature: 0 takes the likeliest token each time; about 1 draws as the model is.
            seed: makes a draw repeatable on the same machine.
            schema: a JSON schema or a pydantic model; `reply.parsed` holds the value.
            choices: the reply is one of these; `reply.parsed` holds it, or None where it is none of them.
            logprobs: how many alternatives to return for each token; `reply.tokens` holds them.

        Raises:
            ProviderError: the server refused or failed; its kinds are in `errors`.
            BudgetExceeded: the worst case would pass the budget; nothing was sent.
            RecordingMissing: in replay, there is no recording.
            CapabilityMissing: the provider cannot do what was asked.
        """
        conversation = check_messages(messages, system)
        check_numbers(temperature, max_tokens)
        if logprobs:
            self._need("logprobs", "return token probabilities")
        wanted = to_json_schema(schema)
        if choices is not None:
            wanted, conversation = self._ask_for_choice(list(choices), conversation)
            # `max_tokens` is meant for the choice; the signs of an object around it come on top.
            max_tokens += OBJECT_TOKENS if wanted is not None and "grammar" not in wanted else 0
        elif wanted is not None:
            self._need("json_schema", "follow a JSON schema")
        asked = {"temperature": temperature, "seed": seed}
        dropped = tuple(name for name, value in asked.items() if value is not None and not self.can(name))
        sent = asked | dict.fromkeys(dropped)
        options = {"stop": stop, "temperature": sent["temperature"], self.provider.seed_name: sent["seed"]}
        answer = self._post_chat(conversation, max_tokens, wanted, logprobs, options)
        said = answer.content
        text = said.text
        parsed: object = None
        if choices is not None:
            text = find_choice(text, choices) or text
            parsed = text if text in choices else None
        elif schema is not None:
            parsed = parse_json(text, schema)
        prompts = [message["content"] for message in conversation]
        num_read, num_written = answer.usage.fill(estimate_tokens(*prompts), estimate_tokens(said.thoughts, said.text))
        return Reply(
            text,
            num_read,
            num_written,
            answer.latency_s,
            compute_cost(self.provider, self.name, num_read, num_written),
            Provenance(self.name, answer.source, self.connection.settings.mode, sent["seed"], answer.recorded, dropped),
            said.finish_reason,
            parsed,
            said.tokens,
            said.thoughts,
            None in answer.usage,
        )

    def _ask_for_choice(self, choices: list[str], conversation: list[dict]) -> tuple[dict | None, list[dict]]:
        """Return a schema or grammar that allows only the choices, and the conversation, which names them without one."""
        if not choices or len(set(choices)) != len(choices):
            raise DataError("The choices are empty or hold one twice.", "Give at least one choice, each once.")
        if not self.can("json_schema"):
            ending = "\nAnswer with exactly one of these and nothing else: " + ", ".join(choices)
            last = conversation[-1] | {"content": conversation[-1]["content"] + ending}
            return None, [*conversation[:-1], last]
        if self.provider.id == "embedded":
            # llama.cpp takes a grammar of bare words: a third of the tokens of a quoted enum, and the reply looks like
            # the examples of a few-shot prompt.
            words = [json.dumps(choice, ensure_ascii=False) for choice in choices]
            return {"grammar": "root ::= " + " | ".join(words)}, conversation
        schema = {"type": "object", "properties": {"choice": {"type": "string", "enum": choices}}}
        return close_schema(schema), conversation

    def _post_chat(
        self,
        conversation: list[dict],
        max_tokens: int,
        schema: dict | None = None,
        logprobs: int = 0,
        options: dict | None = None,
    ) -> Answer[Said]:
        body: dict[str, Any] = {"model": self.name, "messages": conversation, self.provider.max_tokens_name: max_tokens}
        if self.name == self.provider.default_model:
            body |= self.provider.extra
        body |= {name: value for name, value in (options or {}).items() if value is not None}
        if schema is not None and "grammar" in schema:
            body |= schema
        elif schema is not None:
            named = {"name": "reply", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if logprobs:
            body |= {"logprobs": True, "top_logprobs": logprobs}
        texts = [message["content"] for message in conversation] + ([json.dumps(schema)] if schema else [])
        prompt_bound = bound_tokens(*texts, num_messages=len(conversation))
        return self._spend("/chat/completions", body, prompt_bound, max_tokens, read_chat)

    # --- other calls ----------------------------------------------------------------------------------------

    def next_tokens(self, prompt: str, num: int = 10) -> list[TokenChance]:
        """Return the likeliest next tokens after a bare text with their probabilities, the likeliest first."""
        self._need("completions", "continue a bare text")
        self._need("logprobs", "return token probabilities")
        body = {"model": self.name, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, "logprobs": num}
        chances = self._spend("/completions", body, bound_tokens(prompt), 1, read_next).content
        if not chances:
            raise CapabilityMissing(
                f"{self.name} returned no token probabilities.", "Use the embedded model for this part."
            )
        return chances

    def tokenize(self, text: str) -> list[Token]:
        """Return the tokens of a text, with their numbers in the vocabulary."""
        self._need("tokenize", "show how it splits a text into tokens")
        return self._post_tokenize(text) if text else []

    def count_tokens(self, messages: Messages) -> int:
        """Return how many tokens a text has, or a list of messages with the chat template around it."""
        if isinstance(messages, str):
            return len(self.tokenize(messages))
        self._need("tokenize", "count tokens before a call")
        body = {"model": self.name, "messages": check_messages(messages)}
        try:
            return len(self.tokenize(self._post(f"{self._root}/apply-template", body, read_prompt).content))
        except ModelNotServed:  # vLLM splits a conversation itself
            return len(self._post(f"{self._root}/tokenize", body | {"return_token_strs": True}, read_tokens).content)

    def _post_tokenize(self, text: str) -> list[Token]:
        body: dict[str, Any] = {"model": self.name, "content": text, "with_pieces": True}
        if self.provider.id != "embedded":  # as vLLM wants it, too
            body |= {"prompt": text, "return_token_strs": True}
        return self._post(f"{self._root}/tokenize", body, read_tokens).content

    @property
    def _root(self) -> str:
        """The address above that of the OpenAI API."""
        return self.connection.base_url.removesuffix("/v1")

    def embed(self, texts: str | Sequence[str]) -> np.ndarray:
        """Return vectors for the texts, shape (n, d); for one text, shape (d,)."""
        import numpy as np

        self._need("embeddings", "embed texts")
        many = [texts] if isinstance(texts, str) else list(texts)
        if not many or not all(isinstance(text, str) and text.strip() for text in many):
            raise DataError("There is an empty text among those to embed, or none at all.", "Leave empty texts out.")
        vectors = np.array(self._post_texts(many), dtype=np.float32)
        return vectors[0] if isinstance(texts, str) else vectors

    def _post_texts(self, texts: list[str]) -> list[list[float]]:
        model = self.connection.embedding_model
        if not model:
            raise CapabilityMissing(
                f"No embedding model is named for {self.provider.title}.", "Set LLMOPS_EMBEDDING_MODEL."
            )
        body, read = {"model": model, "input": texts}, partial(read_vectors, num=len(texts))
        return self._spend("/embeddings", body, bound_tokens(*texts), 0, read).content

    # --- shared ---------------------------------------------------------------------------------------------

    def _spend(
        self, path: str, body: dict, prompt_bound: int, max_tokens: int, read: Callable[[object], Content]
    ) -> Answer[Content]:
        """Send a request within the budget: what it took is counted, or the worst case where nobody knows."""
        model = body["model"]
        worst_tokens = prompt_bound + max_tokens
        worst_usd = compute_cost(self.provider, model, prompt_bound, max_tokens)
        self.budget.reserve(worst_tokens, worst_usd)
        tokens, usd = worst_tokens, worst_usd
        try:
            answer = self._post(path, body, read)
            num_read, num_written = answer.usage.fill(prompt_bound, max_tokens)
            tokens, usd = num_read + num_written, compute_cost(self.provider, model, num_read, num_written)
            return answer
        except WorkbookError as error:
            if not getattr(error, "may_have_cost", False):
                tokens, usd = 0, 0.0
            raise
        finally:
            self.budget.settle(worst_tokens, worst_usd, tokens, usd)

    def _post(self, path: str, body: dict, read: Callable[[object], Content]) -> Answer[Content]:
        return send(self.client, self.connection, path, body, read)
