"""Adapters: the small matrices that fine-tuning learns beside a frozen model, and their file for llama.cpp."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import DataError, explain_os_errors, write_whole
from ...core.gguf_file import GgufFile
from ...models import ADAPTER_DETAILS, check_base

if TYPE_CHECKING:
    from .llama import Llama

KINDS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")  # the matrices of a layer
BASE = "general.base_model.0.name"


@dataclass(frozen=True)
class Adapter:
    """Matrices A, shape (rank, n), and B, shape (m, rank), beside each adapted matrix of a model, shape (m, n).

    Attributes:
        licence: that of its base.
        base_sha256: of the file of its base; on another its answers would be nonsense.
        data_sha256: of what it was trained on.
        alpha: alpha / rank multiplies what they compute.
        seed: drew A.
        matrices: float32, by their names in GGUF.
        notes: what else is to be known, as JSON can hold it: the recipe, the losses on dev.
    """

    name: str
    licence: str
    base: str
    base_sha256: str
    data_sha256: str
    rank: int
    alpha: float
    seed: int
    matrices: Mapping[str, np.ndarray] = field(repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """What multiplies the product of A and B."""
        return self.alpha / self.rank

    def write(self, path: Path) -> None:
        """Write a file that llama.cpp serves, in float16; whole or not at all.

        Raises `DataError` where a number is too large for float16, or the system does not let the file be written.
        """
        import gguf

        small = {name: matrix.astype(np.float16) for name, matrix in self.matrices.items()}
        if not all(np.isfinite(matrix).all() for matrix in small.values()):
            raise DataError(f"The adapter “{self.name}” holds numbers beyond 65,504.", "Train it at a lower rate.")
        details = {key: getattr(self, key) for key in ("base_sha256", "data_sha256", "rank", "seed", "notes")}
        said = {"general.type": "adapter", "general.name": self.name, "general.license": self.licence}
        said |= {BASE: self.base, "adapter.type": "lora", ADAPTER_DETAILS: json.dumps(details)}
        with explain_os_errors(path), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            whole = Path(folder) / "adapter.gguf"
            writer = gguf.GGUFWriter(whole, "llama")
            for key, value in said.items():
                writer.add_string(key, value)
            writer.add_base_model_count(1)
            writer.add_float32("adapter.lora.alpha", self.alpha)
            for name, matrix in small.items():
                writer.add_tensor(name, matrix)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            write_whole(path, whole.read_bytes())


def make_adapter(
    llama: Llama, name: str, num_layers: int, rank: int, alpha: float, seed: int, data_sha256: str
) -> Adapter:
    """Return an adapter of the last layers that changes nothing yet: A is random, B is 0."""
    if not 1 <= num_layers <= llama.num_layers:
        raise DataError(f"{llama.name} has no {num_layers} layers.", f"Adapt 1 to {llama.num_layers} of them.")
    random = np.random.default_rng(seed)
    matrices = {}
    for layer in range(llama.num_layers - num_layers, llama.num_layers):
        for kind in KINDS:
            matrix = f"blk.{layer}.{kind}.weight"
            num_out, num_in = llama.arrays[matrix].shape
            drawn = random.uniform(-1, 1, (rank, num_in)) / num_in**0.5
            matrices[f"{matrix}.lora_a"] = drawn.astype(np.float32)
            matrices[f"{matrix}.lora_b"] = np.zeros((num_out, rank), np.float32)
    return Adapter(name, llama.licence, llama.name, llama.sha256, data_sha256, rank, alpha, seed, matrices)


def read_adapter(path: Path, base_sha256: str) -> Adapter:
    """Return the adapter of a file. `DataError` where it is broken, none of this course, or of another base."""
    file = GgufFile(path)
    said = file.metadata
    try:
        if (said["general.type"], said["adapter.type"]) != ("adapter", "lora"):
            raise ValueError("it is of another type")
        matrices = {name: file.read_tensor(name) for name in file.shapes}
        adapter = Adapter(
            name=said["general.name"],
            licence=said["general.license"],
            base=said[BASE],
            alpha=float(said["adapter.lora.alpha"]),
            matrices=matrices,
            **json.loads(said[ADAPTER_DETAILS]),
        )
        ranks = [one.shape[0 if name.endswith("a") else 1] for name, one in matrices.items()]
        if {*ranks} != {adapter.rank} or not isinstance(adapter.base_sha256, str):
            raise ValueError("its matrices are not of the rank that it states")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{file.name} is no adapter of this course ({error}).",
            "Name a file that `Adapter.write` made, or train one.",
        ) from error
    check_base(adapter.name, adapter.base_sha256, base_sha256)
    return adapter
