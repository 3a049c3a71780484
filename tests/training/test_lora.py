"""Claims about LoRA tuning: it says plainly why it is skipped, and where torch is there it trains only the adapters."""

import importlib.util
import types

import pytest

from llmops_utils.core import CapabilityMissing, DataError
from llmops_utils.training import lora

HAS_TORCH = all(importlib.util.find_spec(name) for name in lora.LIBRARIES)
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="pip install .[training]")


@pytest.fixture
def installed(monkeypatch):
    """Which libraries seem to be installed; all of them at first."""
    names = set(lora.LIBRARIES)
    monkeypatch.setattr(lora.importlib.util, "find_spec", lambda name: object() if name in names else None)
    return names


@pytest.fixture
def free_gb(monkeypatch):
    def set_free(gb):
        monkeypatch.setattr("psutil.virtual_memory", lambda: types.SimpleNamespace(available=gb * 1e9))

    set_free(8)
    return set_free


def test_in_replay_it_is_skipped_whatever_is_installed(installed, free_gb, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "replay")
    assert lora.explain_absence().startswith("Skipped: LoRA tuning is not recorded.")


def test_missing_libraries_are_named(installed, free_gb, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    installed.remove("peft")
    assert lora.explain_absence() == ("Skipped: peft not installed. To try it: `pip install .[training]`, about 1 GB.")


def test_too_little_memory_is_told(installed, free_gb, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    free_gb(1.5)
    assert lora.explain_absence().startswith("Skipped: 1.5 GB of memory are free")


def test_where_all_is_there_it_is_tried(installed, free_gb, monkeypatch):
    monkeypatch.setenv("LLMOPS_MODE", "live")
    assert lora.explain_absence() is None


def test_without_the_libraries_the_calls_say_what_to_install(installed):
    installed.clear()
    for call in (lora.load_original, lambda: lora.tune_with_lora(None, list, ["text"], ["text"])):
        with pytest.raises(CapabilityMissing, match="torch, peft, transformers not installed") as caught:
            call()
        assert caught.value.next_step == "Run `pip install .[training]`."


@pytest.fixture
def tiny():
    """A Llama of 37,000 numbers with random weights."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return transformers.LlamaForCausalLM(config)


def encode(text):
    return list(text.encode())


TEXTS = ["abcabcabcabc", "bcabcabcabca"] * 4


@needs_torch
def test_only_the_adapters_are_trained_and_the_loss_falls(tiny, tmp_path):
    import torch

    before = {name: one.detach().clone() for name, one in tiny.named_parameters()}
    tuned = lora.tune_with_lora(tiny, encode, TEXTS, TEXTS[:2], num_steps=60, rate=2e-2, rank=4, folder=tmp_path)
    assert tuned.after < tuned.before - 0.1
    assert tuned.num_trained == 2 * 4 * ((32 + 32) + (32 + 16))
    for name, one in tiny.named_parameters():
        if "lora" not in name:
            assert torch.equal(one, before[name.replace("base_model.model.", "").replace(".base_layer", "")])
    assert (tmp_path / "adapter_config.json").exists()


@needs_torch
def test_padding_does_not_change_the_loss(tiny):
    together = lora._measure_loss(tiny, [encode("abcabc"), encode("abcabcabcabcabc")])
    alone = [lora._measure_loss(tiny, [encode(text)]) for text in ("abcabc", "abcabcabcabcabc")]
    assert together == pytest.approx((5 * alone[0] + 14 * alone[1]) / 19, rel=1e-4)


@needs_torch
@pytest.mark.parametrize(("texts", "held_out"), [([], ["ab"]), (["ab"], []), (["a"], ["ab"])])
def test_texts_that_predict_nothing_are_refused(tiny, texts, held_out):
    with pytest.raises(DataError, match="fewer than two tokens"):
        lora.tune_with_lora(tiny, encode, texts, held_out, num_steps=1)
