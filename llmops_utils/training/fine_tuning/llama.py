"""A model of the SmolLM2 family, read from a GGUF file: its tokenizer, its arrays in NumPy, and its forward pass.

Normalisation by root mean squares, rotary positions, grouped-query attention and SwiGLU, as llama.cpp computes them.
Source: H. Touvron et al., LLaMA: open and efficient foundation language models, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from ...core import DataError
from ...core.gguf_file import GgufFile
from ...models.weights import compute_sha256
from ..gradients import Tensor, add, normalise
from . import llama_operations as operations
from .adapters import Adapter
from .llama_operations import Packing, TokenTree, make_tree, pack_trees

TABLE, OUTPUT_NORM = "token_embd.weight", "output_norm.weight"
CONTROL = 3  # the type of tokens such as <|im_end|>, which belong in no text of a person


class ChatTokenizer:
    """Text and messages to token ids, by what the model's file carries: training reads what the server will read.

    `control_tokens` frame a conversation, the one with `end_id` ends a reply.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

        tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
        merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
        self.control_tokens = [token for token, number in zip(tokens, types, strict=True) if number == CONTROL]
        self.end_id = metadata["tokenizer.ggml.eos_token_id"]
        self._tokenizer = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
        self._tokenizer.add_special_tokens(
            [AddedToken(one, special=True, normalized=False) for one in self.control_tokens]
        )
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)  # as its makers do
        self._template = environment.from_string(metadata["tokenizer.chat_template"])

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; what spells a control token becomes that token."""
        return self._tokenizer.encode(text).ids

    def render(self, messages: Sequence[dict]) -> str:
        """Return messages as the model reads them, up to where its reply begins."""
        return self._template.render(messages=list(messages), add_generation_prompt=True)


@dataclass(frozen=True)
class Llama:
    """A language model whose arrays stay as they are."""

    name: str
    licence: str
    sha256: str  # of the file, by which an adapter knows its base
    num_layers: int
    num_heads: int  # of queries
    num_groups: int  # heads of keys and values
    epsilon: float  # keeps a root mean square away from 0
    rope_base: float  # of the angles that tell positions
    context: int  # most tokens that it was trained to read at once
    arrays: Mapping[str, np.ndarray] = field(repr=False)  # float32, by their names in GGUF
    tokenizer: ChatTokenizer = field(repr=False)

    @property
    def width(self) -> int:
        """Numbers in the vector of a token."""
        return self.output_table.shape[1]

    @property
    def output_table(self) -> np.ndarray:
        """The vectors by which the next token is scored: those that tokens are read by."""
        return self.arrays[TABLE]

    def pack(self, trees: Sequence[TokenTree]) -> Packing:
        """Return the packing of trees for the heads of this model."""
        return pack_trees(trees, self.width // self.num_heads, self.rope_base)

    def run_layer(self, x: Tensor, layer: int, packing: Packing, lora: Mapping[str, Tensor], scale: float) -> Tensor:
        """Return the vectors of all tokens, shape (N, width), behind a layer; `lora` holds what is learned beside it."""

        def apply(x, kind):
            name = f"blk.{layer}.{kind}.weight"
            if f"{name}.lora_a" in lora:
                learned = lora[f"{name}.lora_a"], lora[f"{name}.lora_b"]
                return operations.project_adapted(x, self.arrays[name], *learned, scale)
            return operations.project(x, self.arrays[name])

        norm = self.normalise(x, f"blk.{layer}.attn_norm.weight")
        query, key = (operations.rotate(apply(norm, kind), packing.turns) for kind in ("attn_q", "attn_k"))
        mixed = operations.attend_grouped(query, key, apply(norm, "attn_v"), packing, self.num_heads, self.num_groups)
        x = add(x, apply(mixed, "attn_output"))
        norm = self.normalise(x, f"blk.{layer}.ffn_norm.weight")
        return add(x, apply(operations.swiglu(apply(norm, "ffn_gate"), apply(norm, "ffn_up")), "ffn_down"))

    def run_below(self, trees: Sequence[TokenTree], end: int, adapter: Adapter | None = None) -> np.ndarray:
        """Return the vectors of all tokens of the trees behind the first `end` layers, shape (N, width)."""
        packing = self.pack(trees)
        lora = {name: Tensor(matrix) for name, matrix in adapter.matrices.items()} if adapter else {}
        scale = adapter.scale if adapter else 0.0
        x = self.arrays[TABLE][np.concatenate([tree.ids for tree in trees])]
        for layer in range(end):
            x = self.run_layer(Tensor(x), layer, packing, lora, scale).data  # nothing is kept for gradients
        return x

    def normalise(self, x: Tensor, gain: str) -> Tensor:
        """Return vectors by their root mean square, times a gain: that of `OUTPUT_NORM` behind the last layer."""
        return normalise(x, Tensor(self.arrays[gain]), self.epsilon)

    @threadpool_limits.wrap(limits=1, user_api="blas")  # several wait for each other where another program computes
    def compute_logits(self, ids: Sequence[int], adapter: Adapter | None = None) -> np.ndarray:
        """Return the scores of the next token behind each of the ids, shape (n, vocabulary)."""
        x = self.run_below([make_tree([[*ids, 0]], [len(ids)])], self.num_layers, adapter)
        return self.normalise(Tensor(x), OUTPUT_NORM).data @ self.output_table.T


def read_llama(path: Path) -> Llama:
    """Return the model of a GGUF file, with 4 bytes for each parameter.

    Raises `DataError` where the file is broken or holds another kind of model.
    """
    file = GgufFile(path)
    said = file.metadata
    if (said.get("general.architecture"), said.get("tokenizer.ggml.pre")) != ("llama", "smollm"):
        raise DataError(f"{file.name} is no model of the SmolLM2 family.", "Use one, such as smollm2-135m-instruct.")
    return Llama(
        said["general.name"],
        said["general.license"],
        compute_sha256(path),
        said["llama.block_count"],
        said["llama.attention.head_count"],
        said["llama.attention.head_count_kv"],
        said["llama.attention.layer_norm_rms_epsilon"],
        said["llama.rope.freq_base"],
        said["llama.context_length"],
        {name: file.read_tensor(name) for name in file.shapes},
        ChatTokenizer(said),
    )
