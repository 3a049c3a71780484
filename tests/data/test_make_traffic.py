"""Claims about the scripts that made the data of chapter 12: weights become coarser and nothing else changes."""

import importlib.util
import struct

import numpy as np
import pytest

from llmops_utils.core import DATA


def load_script(name):
    """Return a script of `data/` as a module."""
    specification = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def write_text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def build_gguf(blocks, floats):
    """Return a small GGUF file: values of several kinds, a tensor of 4-bit blocks and one of plain floats."""
    values = write_text("general.name") + struct.pack("<I", 8) + write_text("tiny")
    values += write_text("general.alignment") + struct.pack("<II", 4, 64)
    values += write_text("words") + struct.pack("<IIQ", 9, 8, 2) + write_text("a") + write_text("bc")
    values += write_text("flag") + struct.pack("<IB", 7, 1)
    tensors = write_text("weights") + struct.pack("<I2QIQ", 2, 32, len(blocks), 3, 0)
    tensors += write_text("norm") + struct.pack("<IQIQ", 1, len(floats), 0, 64)
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 4) + values + tensors
    body = blocks.tobytes().ljust(64, b"\0") + floats.tobytes()
    return head + b"\0" * (-len(head) % 64) + body, len(head) + (-len(head) % 64)


def test_only_the_4_bit_weights_become_coarser():
    random = np.random.default_rng(0)
    blocks = random.integers(0, 256, (3, 20), dtype=np.uint8)
    floats = random.random(5).astype(np.float32)
    content, begin = build_gguf(blocks, floats)
    found = load_script("make_traffic").coarsen_weights(content)
    assert len(found) == len(content)
    assert found[:begin] == content[:begin]
    assert found[begin + 60 :] == content[begin + 60 :]
    changed = np.frombuffer(found[begin : begin + 60], dtype=np.uint8).reshape(3, 20)
    assert (changed[:, :4] == blocks[:, :4]).all()  # scale and offset of each block
    for old, new in ((blocks[:, 4:] & 15, changed[:, 4:] & 15), (blocks[:, 4:] >> 4, changed[:, 4:] >> 4)):
        assert set(np.unique(new)) <= {0, 5, 10, 15}
        assert np.abs(new.astype(int) - old).max() <= 2


def test_the_texts_with_personal_data_are_those_that_the_script_makes(tmp_path, monkeypatch):
    script = load_script("make_private_texts")
    monkeypatch.setattr(script, "TARGET", tmp_path / "private_texts.csv")
    script.main()
    assert (tmp_path / "private_texts.csv").read_bytes() == (DATA / "private_texts.csv").read_bytes()


@pytest.mark.parametrize("country", ["DE", "NL"])
def test_the_numbers_have_right_check_digits(country):
    from llmops_utils.operations.guardrails import is_card_number, is_iban

    script = load_script("make_private_texts")
    body = "370400440532013000" if country == "DE" else "ABNA0417164300"
    published = {"DE": "DE89370400440532013000", "NL": "NL91ABNA0417164300"}[country]
    assert script.make_iban(country, body) == published
    assert is_iban(script.make_iban(country, body))
    import random

    assert all(is_card_number(script.make_card("4", 16, random.Random(seed))) for seed in range(20))
