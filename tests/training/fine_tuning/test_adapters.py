"""Claims about adapters: what is written is read back, whole or not at all, and only for the base that it belongs to."""

import json
import os
from dataclasses import replace

import gguf
import numpy as np
import pytest
import tiny_llama

from llmops_utils.core import DataError
from llmops_utils.models import ADAPTER_DETAILS as DETAILS
from llmops_utils.training.fine_tuning.adapters import KINDS, make_adapter, read_adapter


@pytest.fixture
def adapter(tiny):
    fresh = make_adapter(tiny, "shop", 1, 2, 5.0, 3, "d" * 64)
    matrices = {name: matrix + np.float32(0.25) for name, matrix in fresh.matrices.items()}
    return replace(fresh, matrices=matrices, notes={"epochs": 5})


def test_a_fresh_adapter_has_two_matrices_for_each_of_a_layer_and_its_seed_draws_them(tiny, adapter):
    assert len(adapter.matrices) == 2 * len(KINDS)
    assert {name[:6] for name in adapter.matrices} == {"blk.1."}
    first, same, other = (make_adapter(tiny, "x", 1, 2, 5.0, seed, "").matrices for seed in (3, 3, 4))
    name = "blk.1.ffn_down.weight.lora_a"
    assert first[name].shape == (2, tiny_llama.HIDDEN)
    assert (first[name] == same[name]).all()
    assert (first[name] != other[name]).any()
    for wrong in (0, 3):
        with pytest.raises(DataError, match=f"no {wrong} layers"):
            make_adapter(tiny, "x", wrong, 2, 5.0, 0, "")


def test_a_file_holds_the_adapter_in_float16_and_what_is_to_be_known_of_it(tmp_path, tiny, adapter):
    path = tmp_path / "new" / "shop.gguf"
    adapter.write(path)
    found = read_adapter(path, tiny.sha256)
    assert replace(found, matrices={}) == replace(adapter, matrices={})
    assert all((found.matrices[name] == one.astype(np.float16)).all() for name, one in adapter.matrices.items())
    fields = {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}
    wanted = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    wanted |= {"adapter.lora.alpha": 5.0, "general.name": "shop", "general.license": "apache-2.0"}
    assert wanted.items() <= fields.items()
    assert json.loads(fields[DETAILS])["base_sha256"] == tiny.sha256


def test_a_full_disk_or_numbers_that_float16_cannot_hold_leave_the_old_file_and_no_other(
    tmp_path, adapter, monkeypatch
):
    path = tmp_path / "shop.gguf"
    path.write_bytes(b"old")
    huge = replace(adapter, matrices={name: matrix * 1e6 for name, matrix in adapter.matrices.items()})
    with pytest.raises(DataError, match=r"beyond 65,504"), np.errstate(over="ignore"):
        huge.write(path)

    def fail(*_):
        raise OSError(28, "No space left on device")

    for module, name in ((os, "replace"), (gguf.GGUFWriter, "write_tensors_to_file")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(DataError, match="No space left"):
                adapter.write(path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("shop.gguf", b"old")]


def test_what_is_no_adapter_or_belongs_to_another_base_is_refused(tmp_path, tiny, adapter):
    adapter.write(tmp_path / "whole.gguf")
    whole = (tmp_path / "whole.gguf").read_bytes()
    with pytest.raises(DataError, match="belongs to another base: its file"):
        read_adapter(tmp_path / "whole.gguf", "0" * 64)
    for name, content in {
        "cut": whole[:-9],
        "rank": whole.replace(b'"rank": 2', b'"rank": 3'),
        "type": whole.replace(b"lora", b"what", 2),
        "details": whole.replace(b'"seed"', b'"sead"'),
        "text": b"no adapter",
        "model": tiny_llama.write_model(tmp_path / "model.gguf").read_bytes(),
    }.items():
        (tmp_path / f"{name}.gguf").write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.gguf is no "):
            read_adapter(tmp_path / f"{name}.gguf", tiny.sha256)
