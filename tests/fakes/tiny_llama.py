"""A random model of the Llama family in GGUF: 2 layers of width 16, with a byte-pair tokenizer of about 60 tokens."""

import gguf
import numpy as np

LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789.?,ĠĊ"]
MERGES = ["t h", "th e", "i n", "Ġ the", "r e", "o n", "Ġ a", "e r", "1 2", "y e", "ye s", "n o"]
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*CONTROL, *LETTERS, *(merge.replace(" ", "") for merge in MERGES)]
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WIDTH, HIDDEN, LAYERS, HEADS, GROUPS = 16, 24, 2, 4, 2


def make_arrays():
    """Return random arrays by name."""
    random = np.random.default_rng(5)
    narrow = WIDTH * GROUPS // HEADS
    matrices = {"attn_q": (WIDTH, WIDTH), "attn_k": (narrow, WIDTH), "attn_v": (narrow, WIDTH)}
    matrices |= {"attn_output": (WIDTH, WIDTH), "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH)}
    matrices |= {"ffn_down": (WIDTH, HIDDEN), "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)}
    shapes = {"token_embd.weight": (len(TOKENS), WIDTH), "output_norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.{kind}.weight": shape for kind, shape in matrices.items()}
    return {
        name: (random.normal(0, 0.3, shape) + (len(shape) == 1)).astype(np.float32) for name, shape in shapes.items()
    }


def write_model(path, arrays=None, architecture="llama", pre="smollm", **sizes):
    """Write the model, with other arrays, architecture, pre-tokenizer or sizes where they are given; return the path."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("model")
    writer.add_name("Tiny")
    writer.add_license("apache-2.0")
    sizes = {"block_count": LAYERS, "embedding_length": WIDTH, "feed_forward_length": HIDDEN} | sizes
    sizes = {"attention.head_count": HEADS, "attention.head_count_kv": GROUPS, "context_length": 96} | sizes
    for key, size in sizes.items():
        writer.add_uint32(f"llama.{key}", size)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_float32("llama.rope.freq_base", 1000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(CONTROL) + [1] * (len(TOKENS) - len(CONTROL)))
    writer.add_token_merges(MERGES)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, array in (make_arrays() if arrays is None else arrays).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
