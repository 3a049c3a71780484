"""A model of the Llama family, read from a GGUF file into NumPy arrays, and its forward pass. All of it is here.

Normalisation by root mean squares, rotary positions, grouped-query attention and SwiGLU, as llama.cpp computes them.
Source: H. Touvron et al., LLaMA: open and efficient foundation language models, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ...core import DataError
from ...core.gguf_file import GgufFile
from ...models.weights import check_base, compute_sha256
from ..gradients import Tensor, add, normalise
from .adapters import KINDS, Adapter
from .chat_tokenizer import ChatTokenizer
from .llama_operations import attend_grouped, project, project_adapted, rotate, swiglu
from .token_trees import Packing, TokenTree, make_tree, pack_trees

TABLE, OUTPUT_NORM, OUTPUT = "token_embd.weight", "output_norm.weight", "output.weight"


@dataclass(frozen=True)
class Llama:
    """A language model whose arrays stay as they are.

    Attributes:
        sha256: of the file, by which an adapter knows its base.
        num_heads: heads of queries.
        num_groups: heads of keys and values.
        epsilon: keeps a root mean square away from 0.
        rope_base: of the angles that tell positions.
        context: most tokens that it was trained to read at once.
        arrays: float32, by their names in GGUF.
    """

    name: str
    licence: str
    sha256: str
    num_layers: int
    num_heads: int
    num_groups: int
    epsilon: float
    rope_base: float
    context: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    tokenizer: ChatTokenizer = field(repr=False)

    @property
    def width(self) -> int:
        """Numbers in the vector of a token."""
        return self.arrays[TABLE].shape[1]

    @property
    def output_table(self) -> np.ndarray:
        """The vectors by which the next token is scored: where the file has no others, those that tokens are read by."""
        return self.arrays.get(OUTPUT, self.arrays[TABLE])

    def pack(self, trees: Sequence[TokenTree]) -> Packing:
        """Return the packing of trees for the heads of this model."""
        return pack_trees(trees, self.width // self.num_heads, self.rope_base)

    def run_layer(self, x: Tensor, layer: int, packing: Packing, lora: Mapping[str, Tensor], scale: float) -> Tensor:
        """Return the vectors of all tokens, shape (N, width), behind a layer; `lora` holds what is learned beside it."""

        def apply(x, kind):
            name = f"blk.{layer}.{kind}.weight"
            if f"{name}.lora_a" in lora:
                return project_adapted(x, self.arrays[name], lora[f"{name}.lora_a"], lora[f"{name}.lora_b"], scale)
            return project(x, self.arrays[name])

        norm = self._normalise(x, f"blk.{layer}.attn_norm.weight")
        query, key = (rotate(apply(norm, kind), packing.turns) for kind in ("attn_q", "attn_k"))
        mixed = attend_grouped(query, key, apply(norm, "attn_v"), packing, self.num_heads, self.num_groups)
        x = add(x, apply(mixed, "attn_output"))
        norm = self._normalise(x, f"blk.{layer}.ffn_norm.weight")
        return add(x, apply(swiglu(apply(norm, "ffn_gate"), apply(norm, "ffn_up")), "ffn_down"))

    def run_below(self, trees: Sequence[TokenTree], end: int, adapter: Adapter | None = None) -> np.ndarray:
        """Return the vectors of all tokens of the trees behind the first `end` layers, shape (N, width)."""
        packing = self.pack(trees)
        lora = {name: Tensor(matrix) for name, matrix in adapter.matrices.items()} if adapter else {}
        scale = adapter.scale if adapter else 0.0
        x = self.arrays[TABLE][np.concatenate([tree.ids for tree in trees])]
        for layer in range(end):
            x = self.run_layer(Tensor(x), layer, packing, lora, scale).data  # nothing is kept for gradients
        return x

    def normalise_output(self, x: Tensor) -> Tensor:
        """Return the vectors behind the last layer as the output table scores them."""
        return self._normalise(x, OUTPUT_NORM)

    def _normalise(self, x: Tensor, gain: str) -> Tensor:
        return normalise(x, Tensor(self.arrays[gain]), self.epsilon)

    @threadpool_limits.wrap(limits=1, user_api="blas")  # several wait for each other where another program computes
    def compute_logits(self, ids: Sequence[int], adapter: Adapter | None = None) -> np.ndarray:
        """Return the scores of the next token behind each of the ids, shape (n, vocabulary).

        Raises `DataError` for no ids or too many, and for the adapter of another model.
        """
        if not 1 <= len(ids) <= self.context:
            raise DataError(f"{len(ids)} tokens cannot be read at once.", f"Give 1 to {self.context}.")
        if adapter:
            check_base(adapter.name, adapter.base_sha256, self.sha256)
        x = self.run_below([make_tree([[*ids, 0]], [len(ids)])], self.num_layers, adapter)
        return self.normalise_output(Tensor(x)).data @ self.output_table.T


def read_llama(path: Path) -> Llama:
    """Return the model of a GGUF file, with 4 bytes for each parameter.

    Raises `DataError` where the file is broken, is no Llama, lacks an array or has one too many, or memory is short.
    """
    file = GgufFile(path)
    said = {key.removeprefix("llama."): value for key, value in file.metadata.items()}
    if said.get("general.architecture") != "llama" or said.get("general.type", "model") != "model":
        raise DataError(
            f"{file.name} holds no Llama but a {said.get('general.type', 'model')} of the architecture "
            f"{said.get('general.architecture')}.",
            "Use a model of the Llama family, SmolLM2 say.",
        )
    check_memory(4 * sum(math.prod(shape) for shape in file.shapes.values()), f"read {file.name}")
    try:
        num_heads = int(said["attention.head_count"])
        num_groups = int(said.get("attention.head_count_kv", num_heads))
        size = int(said["embedding_length"]) // num_heads
        expected = _list_shapes(said, num_groups * size)
        wrong = [name for name, shape in expected.items() if file.shapes.get(name) != shape]
        wrong += [name for name in file.shapes if name not in expected and name != OUTPUT]  # what would be left out
        if wrong:
            raise ValueError(f"{', '.join(wrong[:3])}: missing, of another shape, or one too many")
        if num_heads % num_groups or said.get("rope.dimension_count", size) != size or "rope.scaling.type" in said:
            raise ValueError("its heads or positions are of another kind")
        return Llama(
            str(said.get("general.name", path.stem)),
            str(said.get("general.license", "unknown")),
            compute_sha256(path),
            int(said["block_count"]),
            num_heads,
            num_groups,
            float(said["attention.layer_norm_rms_epsilon"]),
            float(said.get("rope.freq_base", 10_000)),
            int(said["context_length"]),
            {name: file.read_tensor(name) for name in file.shapes},
            ChatTokenizer(file.metadata),
        )
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise DataError(
            f"{file.name} cannot be read as a Llama ({error}).", "Fetch the file anew, or use another model."
        ) from error


def _list_shapes(said: Mapping, narrow: int) -> dict[str, tuple[int, ...]]:
    """Return the arrays that the sizes in the header ask for."""
    width, hidden = int(said["embedding_length"]), int(said["feed_forward_length"])
    attention = (width, width), (narrow, width), (narrow, width), (width, width)
    in_layer: dict[str, tuple[int, ...]] = {"attn_norm": (width,), "ffn_norm": (width,)}
    in_layer |= zip(KINDS, (*attention, (hidden, width), (hidden, width), (width, hidden)), strict=True)
    shapes: dict[str, tuple[int, ...]] = {TABLE: (len(said["tokenizer.ggml.tokens"]), width), OUTPUT_NORM: (width,)}
    for layer in range(int(said["block_count"])):
        shapes |= {f"blk.{layer}.{kind}.weight": shape for kind, shape in in_layer.items()}
    return shapes


def check_memory(num_bytes: float, purpose: str) -> None:
    """Raise `DataError` where less memory is free than something needs."""
    import psutil

    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise DataError(
            f"To {purpose} takes about {num_bytes / 1e6:,.0f} MB of memory, and {free / 1e6:,.0f} MB are free.",
            "Close other programs and kernels; training takes less with fewer layers and shorter demonstrations.",
        )
