"""Adapters: the small matrices that fine-tuning learns beside a frozen model, and their file for llama.cpp."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import DataError, explain_os_errors
from .gguf_file import GgufFile
from .gradients import Tensor

if TYPE_CHECKING:
    from .llama import Llama

KINDS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")  # the matrices of a layer
DETAILS = "workbook.adapter"  # the key in the file under which the course keeps what llama.cpp does not ask for


@dataclass(frozen=True)
class Adapter:
    """Matrices A, shape (rank, n), and B, shape (m, rank), for each adapted matrix of a model.

    Attributes:
        name: what it is called.
        licence: under which it is given on; that of its base at first.
        base_name: the model that it belongs to.
        base_sha256: of that model's file; with another base its answers would be nonsense.
        data_sha256: of what it was trained on.
        rank: numbers between A and B.
        alpha: alpha / rank multiplies what A and B compute.
        first_layer: the lowest layer that is adapted.
        seed: drew A.
        notes: what else is to be known of it, in JSON: the settings of the training, its losses.
        matrices: float32, by their names in GGUF.
    """

    name: str
    licence: str
    base_name: str
    base_sha256: str
    data_sha256: str
    rank: int
    alpha: float
    first_layer: int
    seed: int
    matrices: Mapping[str, np.ndarray] = field(repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """What multiplies the product of A and B."""
        return self.alpha / self.rank

    @property
    def num_parameters(self) -> int:
        """Numbers that training sets."""
        return sum(matrix.size for matrix in self.matrices.values())

    def make_tensors(self) -> dict[str, Tensor]:
        """Return the matrices as parameters that share their numbers and collect gradients of their own."""
        return {name: Tensor(matrix) for name, matrix in self.matrices.items()}

    def check_base(self, sha256: str) -> None:
        """Raise `DataError` where the adapter belongs to a file other than that with this checksum."""
        if self.base_sha256 != sha256:
            raise DataError(
                f"The adapter “{self.name}” was trained on another file: on {self.base_name} with the checksum "
                f"{self.base_sha256[:12]}…, not {sha256[:12]}….",
                "Use it with its own base, or train one for this file.",
            )

    def write(self, path: Path) -> None:
        """Write a GGUF file that llama.cpp serves, in float16; whole or not at all.

        Raises:
            DataError: a number is none that float16 can hold, or the system does not let the file be written.
        """
        import gguf

        small = {name: np.ascontiguousarray(matrix, dtype=np.float16) for name, matrix in self.matrices.items()}
        if not all(np.isfinite(matrix).all() for matrix in small.values()):
            raise DataError(f"The adapter “{self.name}” holds numbers beyond 65,504.", "Train it at a lower rate.")
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        details = {name: getattr(self, name) for name in ("base_sha256", "data_sha256", "rank", "first_layer", "seed")}
        with explain_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = gguf.GGUFWriter(part, "llama")
            try:
                writer.add_type("adapter")
                writer.add_name(self.name)
                writer.add_license(self.licence)
                writer.add_base_model_count(1)
                writer.add_base_model_name(0, self.base_name)
                writer.add_string("adapter.type", "lora")
                writer.add_float32("adapter.lora.alpha", self.alpha)
                writer.add_string(DETAILS, json.dumps(details | {"notes": dict(self.notes)}))
                for name, matrix in small.items():
                    writer.add_tensor(name, matrix)
                writer.write_header_to_file()
                writer.write_kv_data_to_file()
                writer.write_tensors_to_file()
                writer.close()
                os.replace(part, path)
            finally:
                writer.close()
                part.unlink(missing_ok=True)


def make_adapter(
    llama: Llama, name: str, num_layers: int, rank: int, alpha: float, seed: int, data_sha256: str
) -> Adapter:
    """Return an adapter of the last layers that changes nothing yet: A is random, B is 0."""
    if not 1 <= num_layers <= llama.num_layers:
        raise DataError(f"{llama.name} has no {num_layers} layers.", f"Adapt 1 to {llama.num_layers} of them.")
    first_layer = llama.num_layers - num_layers
    random = np.random.default_rng(seed)
    matrices = {}
    for layer in range(first_layer, llama.num_layers):
        for kind in KINDS:
            matrix = f"blk.{layer}.{kind}.weight"
            num_out, num_in = llama.arrays[matrix].shape
            bound = num_in**-0.5
            matrices[f"{matrix}.lora_a"] = random.uniform(-bound, bound, (rank, num_in)).astype(np.float32)
            matrices[f"{matrix}.lora_b"] = np.zeros((num_out, rank), np.float32)
    return Adapter(name, llama.licence, llama.name, llama.sha256, data_sha256, rank, alpha, first_layer, seed, matrices)


def read_adapter(path: Path, base_sha256: str | None = None) -> Adapter:
    """Return the adapter of a file, for the base with this checksum where one is given.

    Raises:
        DataError: the file is broken, is no adapter of this course, or belongs to another base.
    """
    file = GgufFile(path)
    said = file.metadata
    try:
        if (said["general.type"], said["adapter.type"]) != ("adapter", "lora"):
            raise ValueError("it is of another type")
        details = json.loads(said[DETAILS])
        rank = int(details["rank"])
        matrices = {name: file.read_tensor(name) for name in file.shapes}
        for name in matrices:
            stem, _, side = name.rpartition("_")
            if side not in "ab" or matrices[f"{stem}_a"].shape[0] != rank or matrices[f"{stem}_b"].shape[1] != rank:
                raise ValueError(f"{name} has no partner of its rank")
        adapter = Adapter(
            said["general.name"],
            said["general.license"],
            said["general.base_model.0.name"],
            details["base_sha256"],
            details["data_sha256"],
            rank,
            float(said["adapter.lora.alpha"]),
            int(details["first_layer"]),
            int(details["seed"]),
            matrices,
            details["notes"],
        )
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{file.path.name} is no adapter of this course ({error}).",
            "Name a file that `Adapter.write` made, or train one.",
        ) from error
    if base_sha256 is not None:
        adapter.check_base(base_sha256)
    return adapter
