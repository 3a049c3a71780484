"""A model of the Llama family, read from a GGUF file into NumPy arrays, and its forward pass. All of it is here.

It reads as llama.cpp does: root-mean-square normalisation, rotary positions, grouped-query attention, SwiGLU.
Source: H. Touvron et al., LLaMA: open and efficient foundation language models, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core import DataError
from ..models.weights import compute_sha256
from .chat_tokenizer import ChatTokenizer
from .gguf_file import GgufFile
from .gradients import Tensor, add
from .llama_operations import attend_grouped, normalise_frozen, project, project_adapted, rotate, swiglu
from .token_trees import Packing, TokenTree, make_plain_tree, pack_trees

if TYPE_CHECKING:
    from .adapters import Adapter

TABLE, OUTPUT_NORM, OUTPUT = "token_embd.weight", "output_norm.weight", "output.weight"


@dataclass(frozen=True)
class Llama:
    """A language model whose arrays stay as they are.

    Attributes:
        name: what its maker calls it.
        licence: as the file states it.
        sha256: of the file, by which an adapter knows its base.
        num_layers: blocks of attention and feed-forward network.
        num_heads: heads of queries.
        num_groups: heads of keys and values.
        epsilon: keeps a root mean square away from 0.
        rope_base: of the angles that tell positions.
        context: most tokens that it was trained to read at once.
        arrays: by their names in GGUF, in float32.
        tokenizer: from the same file.
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
    arrays: Mapping[str, np.ndarray]
    tokenizer: ChatTokenizer

    @property
    def width(self) -> int:
        """Numbers in the vector of a token."""
        return self.arrays[TABLE].shape[1]

    @property
    def output_table(self) -> np.ndarray:
        """A vector for each token, by which it is scored: those that tokens are read by, where the file has no others."""
        return self.arrays.get(OUTPUT, self.arrays[TABLE])

    def pack(self, trees: Sequence[TokenTree]) -> Packing:
        """Return the packing of trees for the heads of this model."""
        return pack_trees(trees, self.width // self.num_heads, self.rope_base, self.arrays[TABLE].dtype)

    def run_layer(self, x: Tensor, layer: int, packing: Packing, lora: Mapping[str, Tensor], scale: float) -> Tensor:
        """Return the vectors of all tokens, shape (N, width), behind a layer; `lora` holds what is learned beside it."""
        norm = normalise_frozen(x, self.arrays[f"blk.{layer}.attn_norm.weight"], self.epsilon)
        query, key, value = (self._project(norm, layer, kind, lora, scale) for kind in ("attn_q", "attn_k", "attn_v"))
        query, key = rotate(query, packing.turns), rotate(key, packing.turns)
        mixed = attend_grouped(query, key, value, packing, self.num_heads, self.num_groups)
        x = add(x, self._project(mixed, layer, "attn_output", lora, scale))
        norm = normalise_frozen(x, self.arrays[f"blk.{layer}.ffn_norm.weight"], self.epsilon)
        gate, up = (self._project(norm, layer, kind, lora, scale) for kind in ("ffn_gate", "ffn_up"))
        return add(x, self._project(swiglu(gate, up), layer, "ffn_down", lora, scale))

    def _project(self, x: Tensor, layer: int, kind: str, lora: Mapping[str, Tensor], scale: float) -> Tensor:
        name = f"blk.{layer}.{kind}.weight"
        if f"{name}.lora_a" in lora:
            return project_adapted(x, self.arrays[name], lora[f"{name}.lora_a"], lora[f"{name}.lora_b"], scale)
        return project(x, self.arrays[name])

    def normalise_output(self, x: Tensor) -> Tensor:
        """Return the vectors behind the last layer as the table of the output scores them."""
        return normalise_frozen(x, self.arrays[OUTPUT_NORM], self.epsilon)

    def compute_below(self, trees: Sequence[TokenTree], end: int, adapter: Adapter | None = None) -> np.ndarray:
        """Return the vectors of all tokens of the trees behind the first `end` layers, shape (N, width)."""
        packing, scale = self.pack(trees), adapter.scale if adapter else 0.0
        lora = adapter.make_tensors() if adapter else {}
        x = self.arrays[TABLE][np.concatenate([tree.ids for tree in trees])]
        for layer in range(end):
            x = self.run_layer(Tensor(x), layer, packing, lora, scale).data  # nothing is kept for gradients
        return x

    def compute_logits(self, ids: Sequence[int], adapter: Adapter | None = None) -> np.ndarray:
        """Return the scores of the next token behind each of the ids, shape (n, vocabulary).

        Raises:
            DataError: there is no id, or the adapter belongs to another model.
        """
        if not len(ids):
            raise DataError("There is no token to read.", "Give at least one.")
        if adapter:
            adapter.check_base(self.sha256)
        x = Tensor(self.compute_below([make_plain_tree(ids)], self.num_layers, adapter))
        return self.normalise_output(x).data @ self.output_table.T


def read_llama(path: Path) -> Llama:
    """Return the model of a GGUF file, with 4 bytes for each parameter.

    Raises:
        DataError: the file is broken, is not of the Llama family, lacks an array or has one too many, or the memory
            does not suffice.
    """
    file = GgufFile(path)
    said = file.metadata
    architecture = said.get("general.architecture")
    if architecture != "llama" or said.get("general.type", "model") != "model":
        raise DataError(
            f"{file.path.name} holds no model of the architecture llama but “{architecture}”, type "
            f"“{said.get('general.type', 'model')}”.",
            "Use a model of the Llama family, SmolLM2 say.",
        )
    check_memory(4 * sum(math.prod(shape) for shape in file.shapes.values()), f"read {file.path.name}")
    try:
        num_layers, width, hidden, num_heads = (
            int(said[f"llama.{key}"])
            for key in ("block_count", "embedding_length", "feed_forward_length", "attention.head_count")
        )
        num_groups = int(said.get("llama.attention.head_count_kv", num_heads))
        epsilon = float(said["llama.attention.layer_norm_rms_epsilon"])
        context, size = int(said["llama.context_length"]), width // num_heads
        if min(num_layers, width, hidden, num_groups, size) < 1 or width % num_heads or num_heads % num_groups:
            raise ValueError("its sizes do not divide each other")
        if (
            said.get("llama.rope.dimension_count", size) != size
            or said.get("llama.rope.scaling.type", "none") != "none"
        ):
            raise ValueError("its positions are told in another way")
    except (KeyError, ValueError, TypeError, ZeroDivisionError) as error:
        raise DataError(
            f"{file.path.name} cannot be read as a Llama ({error}).", "Fetch the file anew, or use another model."
        ) from error
    expected = _list_shapes(num_layers, width, hidden, num_groups * size, len(said.get("tokenizer.ggml.tokens", ())))
    _check_shapes(file, expected)
    return Llama(
        str(said.get("general.name", file.path.stem)),
        str(said.get("general.license", "unknown")),
        compute_sha256(file.path),
        num_layers,
        num_heads,
        num_groups,
        epsilon,
        float(said.get("llama.rope.freq_base", 10_000.0)),
        context,
        {name: file.read_tensor(name) for name in file.shapes},
        ChatTokenizer(said),
    )


def _list_shapes(num_layers: int, width: int, hidden: int, narrow: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Return what arrays the sizes ask for."""
    in_layer: dict[str, tuple[int, ...]] = {
        "attn_norm": (width,),
        "attn_q": (width, width),
        "attn_k": (narrow, width),
        "attn_v": (narrow, width),
        "attn_output": (width, width),
        "ffn_norm": (width,),
        "ffn_gate": (hidden, width),
        "ffn_up": (hidden, width),
        "ffn_down": (width, hidden),
    }
    shapes = {f"blk.{layer}.{kind}.weight": shape for layer in range(num_layers) for kind, shape in in_layer.items()}
    return {TABLE: (vocabulary, width), OUTPUT_NORM: (width,)} | shapes


def _check_shapes(file: GgufFile, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `DataError` where an array is missing, has another shape, or would be left out of the computation."""
    wrong = [name for name, shape in expected.items() if file.shapes.get(name) != shape]
    wrong += [name for name in file.shapes if name not in expected and name != OUTPUT]
    if wrong:
        raise DataError(
            f"{file.path.name} holds not the arrays of a Llama of its sizes: {', '.join(wrong[:3])} missing, of another "
            "shape, or one too many.",
            "Fetch the file anew, or use another model.",
        )


def check_memory(num_bytes: float, purpose: str) -> None:
    """Raise `DataError` where less memory is free than something needs."""
    import psutil

    free = psutil.virtual_memory().available
    if num_bytes > free:
        raise DataError(
            f"To {purpose} takes about {num_bytes / 1e6:,.0f} MB of memory, and {free / 1e6:,.0f} MB are free.",
            "Close other programs and kernels; training takes less with fewer adapted layers and shorter texts.",
        )
