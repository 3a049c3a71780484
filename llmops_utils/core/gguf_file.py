"""A model file in GGUF, the format of llama.cpp: what its header says, and its tensors as float32 arrays.

The reader of the package `gguf` keeps several objects for each of 100,000 tokens and merges, which takes it 6 s; this
one takes half a second, and looks at no number of a broken file without a doubt. Quantisation is undone by the package.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError
from .files import check_regular, explain_os_errors

NUMBERS = {0: "u1", 1: "i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?", 10: "<u8", 11: "<i8", 12: "<f8"}
TEXT, ARRAY = 8, 9  # the other kinds of value, by their numbers in the file
FILE_TYPE, MOSTLY_Q8_0 = "general.file_type", 7
FEWER_BITS = ("Q4_0", "Q4_1", "Q5_0", "Q5_1")


class GgufFile:
    """An opened file: `metadata` by key, and `shapes` of the tensors by name, as NumPy counts axes.

    Raises:
        DataError: it cannot be read, is no GGUF, or is cut or broken.
    """

    def __init__(self, path: Path) -> None:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        self.name, self._at, self._type_at = path.name, 0, 0
        self.metadata: dict[str, Any] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._places: dict[str, tuple[int, int, Any]] = {}  # start, bytes and kind of each tensor
        try:
            with explain_os_errors(path, "read"):
                check_regular(path)
                self._bytes = np.memmap(path, mode="r").view(np.ndarray)
            if bytes(self._take(4)) != b"GGUF" or self._read_number("<u4") not in (2, 3):
                raise ValueError("it does not begin as GGUF 2 or 3 does")
            num_tensors, num_keys = self._read_number("<u8"), self._read_number("<u8")
            for _ in range(num_keys):
                key = self._read_text()
                self.metadata[key] = self._read_value(self._read_number("<u4"))
                if key == FILE_TYPE:
                    self._type_at = self._at - 4
            self._tensors_at = self._at
            for _ in range(num_tensors):
                name = self._read_text()
                self.shapes[name] = tuple(self._read_number("<u8") for _ in range(self._read_number("<u4")))[::-1]
                kind, start = GGMLQuantizationType(self._read_number("<u4")), self._read_number("<u8")
                block, block_bytes = GGML_QUANT_SIZES[kind]
                self._places[name] = start, math.prod(self.shapes[name]) // block * block_bytes, kind
            self._alignment = int(self.metadata.get("general.alignment", 32))
            self._start = -(-self._at // self._alignment) * self._alignment  # the next multiple
            if any(self._start + start + size > len(self._bytes) for start, size, _ in self._places.values()):
                raise ValueError("it ends before its last tensor does")
        except (ValueError, KeyError, TypeError, ZeroDivisionError, RecursionError) as error:
            raise DataError(
                f"{self.name} is no whole GGUF file ({error}).", "Fetch or make it anew, or name another file."
            ) from error

    def read_tensor(self, name: str) -> np.ndarray:
        """Return a tensor in float32, whatever it was quantised to. Raises `DataError` where that cannot be undone."""
        from gguf.quants import dequantize

        start, size, kind = self._places[name]
        shape = self.shapes[name]
        try:
            rows = self._bytes[self._start + start : self._start + start + size].reshape(*shape[:-1], -1)
            return np.array(dequantize(rows, kind), dtype=np.float32).reshape(shape)  # a copy, apart from the file
        except (NotImplementedError, ValueError) as error:
            raise DataError(
                f"The tensor {name} of {self.name} cannot be read as {kind.name}.", "Use a file in Q8_0 or F16."
            ) from error

    def write_q8_0(self, path: Path) -> None:
        """Write the model with every matrix that has fewer bits rounded to 8 (Q8_0), and nothing else changed.

        llama.cpp multiplies by these faster than by Q4_1, for which it has no fast kernels. The same source gives the
        same bytes on every machine: header and order stay, and rounding is that of IEEE 754.
        """
        from gguf import GGMLQuantizationType
        from gguf.quants import quantize

        header, infos, parts, start = self._bytes[: self._tensors_at].copy(), b"", [], 0
        if self._type_at:
            header[self._type_at :][:4] = np.frombuffer(struct.pack("<I", MOSTLY_Q8_0), np.uint8)
        for name, shape in self.shapes.items():
            place, size, kind = self._places[name]
            part = self._bytes[self._start + place :][:size]
            if len(shape) > 1 and kind.name in FEWER_BITS:
                kind = GGMLQuantizationType.Q8_0
                part = quantize(self.read_tensor(name), kind).ravel()
            start += -start % self._alignment
            text = name.encode()
            infos += struct.pack(f"<Q{len(text)}sI", len(text), text, len(shape))
            infos += struct.pack(f"<{len(shape)}QIQ", *shape[::-1], kind, start)
            parts.append(part)
            start += len(part)
        with explain_os_errors(path), path.open("wb") as file:
            file.write(header.tobytes() + infos)
            for part in parts:
                file.write(bytes(-file.tell() % self._alignment) + part.tobytes())

    def _take(self, num_bytes: int) -> np.ndarray:
        self._at += num_bytes
        if self._at > len(self._bytes):
            raise ValueError("it ends within its header")
        return self._bytes[self._at - num_bytes : self._at]

    def _read_number(self, form: str) -> Any:
        return self._take(np.dtype(form).itemsize).view(form)[0].item()

    def _read_text(self) -> str:
        return bytes(self._take(self._read_number("<u8"))).decode("utf-8", "replace")

    def _read_value(self, kind: int) -> Any:
        if kind == TEXT:
            return self._read_text()
        if kind != ARRAY:
            return self._read_number(NUMBERS[kind])
        kind, length = self._read_number("<u4"), self._read_number("<u8")
        if kind in NUMBERS:
            return self._take(length * np.dtype(NUMBERS[kind]).itemsize).view(NUMBERS[kind]).tolist()
        return [self._read_value(kind) for _ in range(length)]
