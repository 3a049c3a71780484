"""The tokenizer and the chat template that a model file carries: training reads what the server will read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core import DataError

CONTROL = 3  # the type of tokens such as <|im_end|>, which belong in no text of a person


class ChatTokenizer:
    """Text and messages to token ids; `control_tokens` frame a conversation, the one with `end_id` ends a reply.

    Raises `DataError` where the file has another kind of tokenizer, none, or a broken one.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

        kind = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre")
        if kind != ("gpt2", "smollm"):
            raise DataError(
                f"The file has a tokenizer that is not read here: {kind}.", "Use a model of the SmolLM family."
            )
        try:
            tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
            self.control_tokens = [token for token, number in zip(tokens, types, strict=True) if number == CONTROL]
            self.end_id = metadata["tokenizer.ggml.eos_token_id"]
            merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
            self._tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
            environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)  # as its makers do
            self._template = environment.from_string(metadata["tokenizer.chat_template"])
        except Exception as error:  # the libraries raise their own, some of them plain exceptions
            raise DataError(f"The file has a broken tokenizer ({error!r}).", "Fetch the file anew.") from error
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
        self._tokenizer.decoder = decoders.ByteLevel()
        self._tokenizer.add_special_tokens(
            [AddedToken(one, special=True, normalized=False) for one in self.control_tokens]
        )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; what spells a control token becomes that token."""
        return self._tokenizer.encode(text).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, control tokens included."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def render(self, messages: Sequence[dict]) -> str:
        """Return messages as the model reads them, up to where its reply begins. Raises `DataError` where it cannot."""
        from jinja2 import TemplateError

        try:
            return self._template.render(messages=list(messages), add_generation_prompt=True)
        except TemplateError as error:
            raise DataError(f"The chat template refuses the messages ({error}).", "Mend their roles.") from error
