"""Claims about LoRA tuning: it says plainly why it is skipped, and where torch is there it trains only the adapters."""

import importlib.util
import types

import pytest

from llmops_utils.core import DataError
from llmops_utils.training import lora

HAS_TORCH = all(importlib.util.find_spec(name) for name in lora.LIBRARIES)
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="pip install .[training]")


def test_it_says_why_it_is_skipped(monkeypatch):
    names, memory = set(lora.LIBRARIES), types.SimpleNamespace(available=1.5e9)
    monkeypatch.setattr(lora.importlib.util, "find_spec", lambda name: object() if name in names else None)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)
    monkeypatch.setenv("LLMOPS_MODE", "replay")
    assert lora.explain_absence().startswith("Skipped: LoRA tuning is not recorded.")
    monkeypatch.setenv("LLMOPS_MODE", "live")
    assert lora.explain_absence().startswith("Skipped: 1.5 GB of memory are free")
    memory.available = 8e9
    assert lora.explain_absence() is None
    names.remove("peft")
    assert lora.explain_absence() == "Skipped: peft not installed. To try it: `pip install .[training]`, about 1 GB."


@pytest.fixture
def tiny():
    """A Llama of 37,000 numbers with random weights."""
    import torch
    import transformers

    torch.manual_seed(0)
    sizes = {"vocab_size": 256, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, **heads))


def encode(text):
    return list(text.encode())


TEXTS = ["abcabcabcabc", "bcabcabcabca"] * 4


@needs_torch
def test_only_the_adapters_are_trained_and_the_loss_falls(tiny, monkeypatch):
    import torch

    before = {name: one.detach().clone() for name, one in tiny.named_parameters()}
    monkeypatch.setattr(lora, "RATE", 2e-2)
    tuned = lora.tune_with_lora(tiny, encode, TEXTS, TEXTS[:2])
    assert tuned.after < tuned.before - 0.1
    assert tuned.num_trained == 2 * 8 * ((32 + 32) + (32 + 16))
    for name, one in tiny.named_parameters():
        if "lora" not in name:
            assert torch.equal(one, before[name.replace("base_model.model.", "").replace(".base_layer", "")])


@needs_torch
def test_padding_does_not_change_the_loss(tiny):
    rows = [encode("abcabc"), encode("abcabcabcabcabc")]
    alone = [lora._compute_loss(tiny, [row]).item() for row in rows]
    assert lora._compute_loss(tiny, rows).item() == pytest.approx((5 * alone[0] + 14 * alone[1]) / 19, rel=1e-4)
    assert lora._measure_loss(tiny, rows) == pytest.approx((5 * alone[0] + 14 * alone[1]) / 19, rel=1e-4)


@needs_torch
def test_texts_that_predict_nothing_are_refused(tiny):
    for texts, held_out in [([], ["ab"]), (["ab"], []), (["a"], ["ab"])]:
        with pytest.raises(DataError, match="fewer than two tokens"):
            lora.tune_with_lora(tiny, encode, texts, held_out)
