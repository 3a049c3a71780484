"""The learner's training of an adapter in NumPy against torch with peft: the same model, messages and recipe.

    pip install torch transformers peft
    python benchmarks/against_peft.py               # about two minutes on 2 cores

Both see the same 96 messages in the same order and batches, adapt the same matrices of the last four layers, and take
the same steps of AdamW. peft draws its own first numbers, so the losses are close and not equal. Torch computes in
float32 as NumPy does, with all layers below the adapted ones anew in each step, as its users would.
"""

import argparse
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from llmops_utils.core import load_settings
from llmops_utils.datasets import INTENTS, load_messages, load_training_messages, make_examples
from llmops_utils.evaluation import ChoiceMatch, evaluate
from llmops_utils.models import Model, fetch_weights, load_catalog
from llmops_utils.training import AdapterRecipe, Demonstration, fine_tune, read_llama
from llmops_utils.training.fine_tuning.adapter_training import DECAY, FIRST, LEAST, LONGEST, SECOND, WARM_UP
from llmops_utils.training.fine_tuning.adapters import KINDS, make_adapter
from llmops_utils.training.fine_tuning.demonstrations import encode_demonstrations
from llmops_utils.training.fine_tuning.llama import OUTPUT, OUTPUT_NORM, TABLE

MODULES = dict(
    zip(
        KINDS,
        (*(f"self_attn.{one}_proj" for one in "qkvo"), *(f"mlp.{one}_proj" for one in ("gate", "up", "down"))),
        strict=True,
    )
)
NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def part_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows of a matrix with the pairs of rotary positions apart, half a head each, as transformers has them."""
    return matrix.reshape(heads, -1, 2, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)


def join_pairs(matrix: np.ndarray, heads: int) -> np.ndarray:
    """Return what `part_pairs` was given."""
    return matrix.reshape(heads, 2, -1, *matrix.shape[1:]).swapaxes(1, 2).reshape(matrix.shape)


def count_heads(llama, kind: str) -> int:
    """Return how many heads the rows of a matrix belong to; 0 where they have no positions."""
    return {"attn_q": llama.num_heads, "attn_k": llama.num_groups}.get(kind, 0)


def build_model(llama, recipe: AdapterRecipe):
    """Return the model in transformers, with peft's matrices beside it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    arrays = llama.arrays
    config = LlamaConfig(
        vocab_size=len(arrays[TABLE]),
        hidden_size=llama.width,
        intermediate_size=len(arrays["blk.0.ffn_gate.weight"]),
        num_hidden_layers=llama.num_layers,
        num_attention_heads=llama.num_heads,
        num_key_value_heads=llama.num_groups,
        rms_norm_eps=llama.epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": llama.rope_base},
        max_position_embeddings=llama.context,
        tie_word_embeddings=OUTPUT not in arrays,
    )
    named = {"embed_tokens": arrays[TABLE], "norm": arrays[OUTPUT_NORM]}
    for layer in range(llama.num_layers):
        for kind, module in (MODULES | NORMS).items():
            matrix, heads = arrays[f"blk.{layer}.{kind}.weight"], count_heads(llama, kind)
            named[f"layers.{layer}.{module}"] = part_pairs(matrix, heads) if heads else matrix
    state = {f"model.{name}.weight": torch.tensor(array) for name, array in named.items()}
    model = LlamaForCausalLM(config)
    model.load_state_dict(state | {"lm_head.weight": torch.tensor(llama.output_table)})
    adapted = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=[module.split(".")[1] for module in MODULES.values()],
        layers_to_transform=[*range(llama.num_layers - recipe.num_layers, llama.num_layers)],
        layers_pattern="layers",
    )
    torch.manual_seed(recipe.seed)
    return get_peft_model(model, adapted)


def compute_loss(model, trees):
    """Return the mean loss of the replies in some trees of one branch each, padded to one batch."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.nn.utils.rnn import pad_sequence

    ids = pad_sequence([torch.tensor(tree.ids) for tree in trees], batch_first=True)
    seen = pad_sequence([torch.ones(len(tree), dtype=torch.long) for tree in trees], batch_first=True)
    states = model.base_model.model.model(input_ids=ids, attention_mask=seen).last_hidden_state
    rows = np.repeat(np.arange(len(trees)), [len(tree.places) for tree in trees])
    scores = model.base_model.model.lm_head(
        states[torch.tensor(rows), torch.tensor(np.concatenate([t.places for t in trees]))]
    )
    losses = cross_entropy(scores, torch.tensor(np.concatenate([tree.targets for tree in trees])), reduction="none")
    weights = np.concatenate([tree.weights for tree in trees])
    return (losses * torch.tensor(weights / weights.sum())).sum()


def tune_with_peft(llama, name: str, rows: list[Demonstration], recipe: AdapterRecipe):
    """Return an adapter trained with torch and peft, seconds without the building of the model, and all losses."""
    import torch

    trees = encode_demonstrations(rows, llama.tokenizer, recipe.max_tokens)
    model = build_model(llama, recipe)
    learned = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=recipe.rate, betas=(FIRST, SECOND), weight_decay=DECAY)
    per_epoch, losses, started = math.ceil(len(trees) / recipe.batch), [], time.perf_counter()
    for step in range(1, recipe.epochs * per_epoch + 1):
        epoch, number = divmod(step - 1, per_epoch)
        order = np.random.default_rng([recipe.seed, epoch]).permutation(len(trees))
        loss = compute_loss(model, [trees[one] for one in order[number * recipe.batch :][: recipe.batch]])
        falling = LEAST + (1 - LEAST) * (1 + math.cos(math.pi * step / (recipe.epochs * per_epoch))) / 2
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, step / WARM_UP) * falling
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, LONGEST)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    seconds = time.perf_counter() - started
    adapter = make_adapter(llama, name, recipe.num_layers, recipe.rank, recipe.alpha, recipe.seed, "0" * 64)
    trained, matrices = dict(model.named_parameters()), {}
    for named in adapter.matrices:
        _, layer, kind, _, side = named.split(".")
        path = f"base_model.model.model.layers.{layer}.{MODULES[kind]}.{side[:5]}{side[5:].upper()}.default.weight"
        matrix, heads = trained[path].detach().numpy(), count_heads(llama, kind)
        matrices[named] = join_pairs(matrix, heads) if heads and side == "lora_b" else matrix
    return replace(adapter, matrices=matrices), seconds, losses


def main() -> None:
    """Train both and print how long it took and what they learned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=96, help="messages to train on (default: 96)")
    num = parser.parse_args().num
    import torch

    settings = load_settings(mode="live", provider="embedded", model=None, base_url=None)
    [weights] = fetch_weights(load_catalog().find_local("smollm2-135m-instruct"), settings.home).values()
    llama, recipe = read_llama(weights), AdapterRecipe()
    rows = [Demonstration(f"{one.text}\nIntent:", [one.intent]) for one in load_training_messages()[:num]]
    asked = make_examples(load_messages("dev"), "text", "intent")
    run = fine_tune(llama, "numpy", rows, recipe)
    adapter, seconds, losses = tune_with_peft(llama, "peft", rows, recipe)
    with tempfile.TemporaryDirectory() as folder:
        for one, took, told in ((run.adapter, run.seconds, run.losses), (adapter, seconds, losses)):
            one.write(Path(folder) / f"{one.name}.gguf")
            model = Model("measured", settings=settings, adapter=Path(folder) / f"{one.name}.gguf")

            def sort(text, model=model):
                return model.chat(f"{text}\nIntent:", choices=INTENTS, max_tokens=8)

            report = evaluate(sort, asked, ChoiceMatch(INTENTS), name=f"{one.name}, dev")
            print(f"{report}; {took:.1f} s, loss {told[0]:.2f} → {np.mean(told[-8:]):.2f}")
    print(f"seconds of NumPy over those of torch {torch.__version__}: {run.seconds / seconds:.2f}")


if __name__ == "__main__":
    main()
