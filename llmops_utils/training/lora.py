"""Fine-tuning the embedded model's original weights with LoRA, where torch and its relatives are installed.

They come with the optional extra: `pip install .[training]`. Nothing else in the course needs them.
Source: E. J. Hu et al., LoRA: low-rank adaptation of large language models, arXiv 2106.09685 (2021).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..choosing import read_free_bytes
from ..core import DataError, FetchFailed, load_settings

ORIGINAL = "HuggingFaceTB/SmolLM2-135M-Instruct"  # on huggingface.co, Apache-2.0, about 270 MB
LIBRARIES = ("torch", "peft", "transformers")
MATRICES = ("q_proj", "v_proj")  # the adapted ones: queries and values, as in the LoRA paper
RANK = 8  # of the adapters; each adapted matrix gets two thin ones
NUM_STEPS, BATCH, RATE = 100, 4, 1e-3  # updates, texts in each, and the rate of AdamW
NEEDED_GB = 3.0


@dataclass(frozen=True)
class Tuned:
    """What LoRA tuning did: mean loss per token in nats on held-out texts before and after.

    `num_trained` of the model's `num_all` numbers were trained.
    """

    num_trained: int
    num_all: int
    before: float
    after: float


def explain_absence() -> str | None:
    """Return why LoRA tuning does not run here, in one sentence, or None where it can be tried."""
    if load_settings().mode == "replay":
        return "Skipped: LoRA tuning is not recorded. It runs in live mode, after `pip install .[training]`."
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        return f"Skipped: {', '.join(missing)} not installed. To try it: `pip install .[training]`, about 1 GB."
    free_gb = read_free_bytes() / 1e9
    if free_gb < NEEDED_GB:
        return f"Skipped: {free_gb:.1f} GB of memory are free, and about {NEEDED_GB:.0f} are needed. Close something."
    return None


def load_original():
    """Return `(model, tokenizer)` from the original weights, fetched where they are not here, or raise `FetchFailed`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(ORIGINAL)
        return AutoModelForCausalLM.from_pretrained(ORIGINAL, dtype=torch.float32), tokenizer
    except (OSError, ValueError) as error:
        raise FetchFailed(
            f"The weights {ORIGINAL} could not be loaded ({str(error).splitlines()[0]}).",
            "Check the network, or a proxy that huggingface_hub does not know of.",
        ) from error


def tune_with_lora(model, encode, texts: Sequence[str], held_out: Sequence[str]) -> Tuned:
    """Return what low-rank adapters learned from the texts; the model's own weights stay as they are.

    Args:
        model: a causal model of transformers.
        encode: turns a text into a list of token ids.

    Raises:
        DataError: a text has fewer than two tokens, or there is none.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    rows = [encode(text) for text in texts]
    checks = [encode(text) for text in held_out]
    if not rows or not checks or min(len(row) for row in rows + checks) < 2:
        raise DataError("A text of fewer than two tokens predicts nothing.", "Give longer texts, and some of each.")
    torch.manual_seed(0)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(MATRICES), task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    optimiser = torch.optim.AdamW(adapted.parameters(), lr=RATE)  # it passes over what has no gradient
    random = np.random.default_rng(0)
    before = _measure_loss(adapted, checks)
    adapted.train()
    for _ in range(NUM_STEPS):
        optimiser.zero_grad()
        _compute_loss(adapted, [rows[place] for place in random.integers(0, len(rows), BATCH)]).backward()
        optimiser.step()
    return Tuned(*adapted.get_nb_trainable_parameters(), before, _measure_loss(adapted, checks))


def _compute_loss(model, rows: Sequence[Sequence[int]]):
    """Return the mean loss over all predicted tokens of the rows; padding counts for nothing."""
    import torch

    labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=-100)
    return model(input_ids=labels.clamp(min=0), attention_mask=(labels >= 0).long(), labels=labels).loss


def _measure_loss(model, rows: Sequence[Sequence[int]]) -> float:
    """Return the mean loss per predicted token over all rows, in nats."""
    import torch

    model.eval()
    with torch.no_grad():
        total = sum(float(_compute_loss(model, [row])) * (len(row) - 1) for row in rows)
    return total / sum(len(row) - 1 for row in rows)
