"""The file of an adapter that says what it belongs to and holds next to nothing."""

import json

import gguf
import numpy as np

from llmops_utils.models import ADAPTER_DETAILS, load_catalog

BASE = load_catalog().local["smollm2-135m-instruct"].files[0].sha256


def write_adapter(path, name="mine", base=BASE, **changes):
    """Write it, with other entries of its header where they are given; return the path."""
    writer = gguf.GGUFWriter(path, "llama")
    said = {"general.name": name, "adapter.type": "lora", ADAPTER_DETAILS: json.dumps({"base_sha256": base})}
    for key, value in (said | changes).items():
        writer.add_string(key, value)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.ones((2, 4), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
