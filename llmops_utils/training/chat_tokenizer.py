"""The tokenizer and the chat template that a model file carries, so that training reads what the server will read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core import DataError

CONTROL = 3  # the type of tokens such as <|im_end|>, which no text of a person holds


class ChatTokenizer:
    """Text and messages to token ids.

    Attributes:
        control_tokens: the texts of the tokens that structure a conversation.
        end_id: the token that ends a reply.

    Raises:
        DataError: the file has another kind of tokenizer, or none, or no chat template.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        kind = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
        if kind != ("gpt2", "smollm"):
            raise DataError(
                f"The tokenizer of this file is of the kind {kind[0]} {kind[1]}, which training cannot read.",
                "Use a model of the SmolLM family.",
            )
        try:
            tokens = metadata["tokenizer.ggml.tokens"]
            merges = [tuple(merge.split(" ", 1)) for merge in metadata["tokenizer.ggml.merges"]]
            self.end_id = metadata["tokenizer.ggml.eos_token_id"]
            types = zip(tokens, metadata["tokenizer.ggml.token_type"], strict=True)
            self.control_tokens = [token for token, number in types if number == CONTROL]
            self.end, self._begin = tokens[self.end_id], tokens[metadata["tokenizer.ggml.bos_token_id"]]
            vocabulary = {token: number for number, token in enumerate(tokens)}
            self._tokenizer = Tokenizer(models.BPE(vocabulary, merges))
            # Llama.cpp treats these three as a machine would, without spaces before or after a line.
            environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
            self._template = environment.from_string(metadata["tokenizer.chat_template"])
        except (KeyError, IndexError, ValueError, TypeError, TemplateError, Exception) as error:
            raise DataError(f"The tokenizer of this file is broken ({error!r}).", "Fetch the file anew.") from error
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.add_special_tokens(
            [AddedToken(token, special=True, normalized=False) for token in self.control_tokens]
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; the texts of control tokens become these tokens."""
        return self._tokenizer.encode(text).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, control tokens included."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def render(self, messages: Sequence[dict]) -> str:
        """Return messages in the form in which the model reads them, up to where its reply begins."""
        return self._template.render(
            messages=list(messages), add_generation_prompt=True, bos_token=self._begin, eos_token=self.end
        )
