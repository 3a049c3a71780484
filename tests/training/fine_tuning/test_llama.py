"""Claims about the reader and the forward pass of a Llama; under `make live`, against llama.cpp itself."""

import contextlib
from dataclasses import replace
from types import SimpleNamespace

import gguf
import httpx2
import numpy as np
import psutil
import pytest
import tiny_llama

from llmops_utils.core import DataError, WorkbookError, load_settings
from llmops_utils.core.gguf_file import GgufFile
from llmops_utils.datasets import load_fact_questions, load_messages
from llmops_utils.models import Model, fetch_weights, load_catalog
from llmops_utils.models.server import start_server
from llmops_utils.training.fine_tuning.adapters import make_adapter
from llmops_utils.training.fine_tuning.llama import read_llama
from llmops_utils.training.fine_tuning.token_trees import make_tree


def draw_adapter(llama, num_layers, size=0.3):
    """Return an adapter whose B is not 0."""
    adapter = make_adapter(llama, "drawn", num_layers, 2, 4.0, 1, "data")
    random = np.random.default_rng(2)
    drawn = {name: random.normal(0, size, one.shape).astype(np.float32) for name, one in adapter.matrices.items()}
    return replace(adapter, matrices=drawn)


ARRAY = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)


@contextlib.contextmanager
def write_gguf(path):
    """Give a writer of the format's makers, and write its file."""
    writer = gguf.GGUFWriter(path, "llama")
    yield writer
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_reader_reads_what_the_makers_of_the_format_wrote_in_every_kind_that_they_read_back(tmp_path):
    for kind in ("F32", "F16", "Q8_0", "Q4_1", "Q4_0", "BF16"):
        kind = gguf.GGMLQuantizationType[kind]
        raw = gguf.quants.quantize(ARRAY, kind)
        with write_gguf(tmp_path / "one.gguf") as writer:
            writer.add_array("list", [1, 2, 3])
            writer.add_array("texts", ["ä", ""])
            writer.add_bool("yes", True)
            writer.add_float32("half", 0.5)
            writer.add_tensor("one", raw, raw_dtype=kind)
        file = GgufFile(tmp_path / "one.gguf")
        assert [file.metadata[key] for key in ("list", "texts", "yes", "half")] == [[1, 2, 3], ["ä", ""], True, 0.5]
        assert file.shapes == {"one": (3, 64)}
        assert (file.read_tensor("one") == gguf.quants.dequantize(raw, kind)).all(), kind


def test_rewritten_as_q8_0_a_file_keeps_its_header_its_order_and_its_numbers_up_to_a_rounding_to_8_bits(tmp_path):
    kind = gguf.GGMLQuantizationType.Q4_1
    with write_gguf(tmp_path / "one.gguf") as writer:
        writer.add_file_type(3)
        writer.add_tensor("norm", ARRAY[0])
        writer.add_tensor("one", gguf.quants.quantize(ARRAY, kind), raw_dtype=kind)
        writer.add_tensor("two", ARRAY)
    before = GgufFile(tmp_path / "one.gguf")
    before.write_q8_0(tmp_path / "two.gguf")
    after = GgufFile(tmp_path / "two.gguf")
    assert after.metadata == before.metadata | {"general.file_type": 7}
    assert after.shapes == before.shapes
    gaps = {name: np.abs(after.read_tensor(name) - before.read_tensor(name)).max() for name in before.shapes}
    assert (gaps["norm"], gaps["two"]) == (0, 0)  # what has more bits stays
    assert 0 < gaps["one"] < np.abs(ARRAY).max() / 127
    theirs = {one.name: one for one in gguf.GGUFReader(tmp_path / "two.gguf").tensors}  # as the makers read it
    assert theirs["one"].tensor_type == gguf.GGMLQuantizationType.Q8_0
    assert (gguf.quants.dequantize(theirs["one"].data, theirs["one"].tensor_type) == after.read_tensor("one")).all()


def test_a_model_has_the_sizes_and_the_tokenizer_of_its_file(tiny):
    assert (tiny.name, tiny.licence, len(tiny.sha256), tiny.num_layers, tiny.width) == ("Tiny", "apache-2.0", 64, 2, 16)
    prompt = tiny.tokenizer.render([{"role": "user", "content": "the 12 tea"}])
    assert prompt == "<|im_start|>user\nthe 12 tea<|im_end|>\n<|im_start|>assistant\n"
    ids = tiny.tokenizer.encode(prompt)
    assert tiny.tokenizer.decode(ids) == prompt
    tokens = [tiny_llama.TOKENS[one] for one in ids]
    assert tokens[5:11] == ["the", "Ġ", "1", "2", "Ġ", "t"]  # digits stand alone, whatever the merges say
    assert (tokens[0], tiny.tokenizer.end_id) == ("<|im_start|>", 2)


def test_logits_look_back_only_and_a_tree_gives_each_branch_what_it_gives_the_text_alone(tiny):
    ids = tiny.tokenizer.encode("the yes no the")
    logits = tiny.compute_logits(ids)
    assert (logits.shape, logits.dtype) == ((len(ids), len(tiny_llama.TOKENS)), np.float32)
    assert np.allclose(tiny.compute_logits(ids[:4]), logits[:4], atol=1e-5)
    first, second = [5, 6, 7, 8, 9], [5, 6, 3, 4, 11]
    rows = tiny.run_below([make_tree([ids], [1]), make_tree([first, second], [3, 2])], 2)[len(ids) - 1 :]
    alone = [tiny.run_below([make_tree([text], [1])], 2) for text in (first, second)]
    assert np.allclose(rows, np.concatenate([alone[0], alone[1][2:]]), atol=1e-5)


def test_an_adapter_computes_what_its_product_added_to_the_matrices_would(tiny):
    ids = tiny.tokenizer.encode("the yes no")
    fresh = make_adapter(tiny, "fresh", 2, 2, 4.0, 0, "data")
    assert (tiny.compute_logits(ids, fresh) == tiny.compute_logits(ids)).all()
    for num_layers in (1, 2):
        drawn = draw_adapter(tiny, num_layers)
        merged = dict(tiny.arrays)
        for name in [name.removesuffix(".lora_a") for name in drawn.matrices if name.endswith("a")]:
            product = drawn.matrices[f"{name}.lora_b"] @ drawn.matrices[f"{name}.lora_a"]
            merged[name] = merged[name] + np.float32(2) * product
        adapted = tiny.compute_logits(ids, drawn)
        assert np.allclose(adapted, replace(tiny, arrays=merged).compute_logits(ids), atol=1e-3)
        assert not np.allclose(adapted, tiny.compute_logits(ids), atol=0.1)


def test_what_is_no_whole_llama_is_refused_with_a_way_out(tmp_path, tiny, monkeypatch):
    whole = tiny_llama.write_model(tmp_path / "whole.gguf").read_bytes()
    arrays = tiny_llama.make_arrays()
    extra = arrays | {"blk.0.attn_q.bias": np.zeros(16, np.float32)}
    missing = {name: array for name, array in arrays.items() if name != "blk.1.ffn_up.weight"}
    turned = arrays | {"blk.1.ffn_up.weight": arrays["blk.1.ffn_up.weight"].T.copy()}
    cases = {f"cut at {at}": whole[:at] for at in (0, 3, 8, 20, 60, 700, 2000, len(whole) - 40)}
    cases |= {"text": b"GGUFx" * 90, "version": whole[:4] + b"\x09" + whole[5:], "huge": whole[:8] + b"\xff" * 16}
    cases |= {f"overwritten at {at}": whole[:at] + b"\xff" * 8 + whole[at + 8 :] for at in range(24, 400, 11)}
    paths = {}
    for name, content in cases.items():
        paths[name] = tmp_path / f"{name}.gguf"
        paths[name].write_bytes(content)
    for name, changed in {
        "extra": {"arrays": extra},
        "missing": {"arrays": missing},
        "turned": {"arrays": turned},
        "gpt2": {"architecture": "gpt2"},
        "other tokenizer": {"pre": "llama-bpe"},
        "heads": {"attention.head_count": 3},
        "layers": {"block_count": 3},
    }.items():
        paths[name] = tiny_llama.write_model(tmp_path / f"{name}.gguf", **changed)
    paths |= {"absent": tmp_path / "absent.gguf", "folder": tmp_path}
    kept = []
    for name, path in paths.items():
        with contextlib.suppress(DataError):
            read_llama(path)
            kept.append(name)
    assert [name for name in kept if not name.startswith("overwritten")] == []  # a changed name of the model is none
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1_000))
    with pytest.raises(DataError, match="takes about 0 MB of memory, and 0 MB are free"):
        read_llama(tmp_path / "whole.gguf")


def test_too_many_tokens_none_or_the_adapter_of_another_base_are_refused(tiny):
    for ids, adapter, problem in (
        ([], None, "0 tokens"),
        ([5] * 97, None, "97 tokens"),
        ([5], replace(draw_adapter(tiny, 1), base_sha256="0" * 64), "belongs to another base"),
    ):
        with pytest.raises(WorkbookError, match=problem):
            tiny.compute_logits(ids, adapter)


# --- against llama.cpp -----------------------------------------------------------------------------------------


class Served:
    """Llama.cpp with a file, and an adapter where one is given, asked by token ids."""

    def __init__(self, path, adapter=None):
        self.server = start_server(path, "test", 1024, parallel=1, threads=1, adapter=adapter)

    def post(self, path, **body):
        url = self.server.base_url.removesuffix("/v1") + path
        headers = {"Authorization": f"Bearer {self.server.api_key}"}
        return httpx2.post(url, json=body, headers=headers, timeout=120).raise_for_status().json()

    def measure_gaps(self, logits, ids):
        """Return how far the logarithms of the 20 likeliest chances behind the ids are apart, in nats."""
        answer = self.post("/completion", prompt=ids, n_predict=1, temperature=0.0, n_probs=20, cache_prompt=False)
        raised = logits[-1].astype(np.float64) - logits[-1].max()
        own = raised - np.log(np.exp(raised).sum())
        top = answer["completion_probabilities"][0]["top_logprobs"]
        return [abs(own[one["id"]] - one["logprob"]) for one in top]


@pytest.fixture(scope="module")
def weights():
    model = load_catalog().local["smollm2-135m-instruct"]
    [path] = fetch_weights(model, load_settings().home).values()
    return path


@pytest.fixture(scope="module")
def llama(weights):
    return read_llama(weights)


def write_as_float32(path, target):
    """Write a model with the same numbers in F32, whose products llama.cpp computes without rounding to 8 bits."""
    file, kinds = GgufFile(path), gguf.GGUFValueType
    types = {bool: kinds.BOOL, int: kinds.UINT32, float: kinds.FLOAT32, str: kinds.STRING, list: kinds.ARRAY}
    with write_gguf(target) as writer:
        for key, value in file.metadata.items():
            if key not in ("general.architecture", "general.file_type"):
                inner = (
                    None if not isinstance(value, list) else kinds.STRING if value[0] == str(value[0]) else kinds.INT32
                )
                writer.add_key_value(key, value, types[type(value)], inner)
        for name in file.shapes:
            writer.add_tensor(name, file.read_tensor(name))
    return target


def list_conversations():
    """Return 20 conversations of the course's own, half of them with a system message."""
    asked = [[{"role": "user", "content": one.question}] for one in load_fact_questions()[:10]]
    system = {"role": "system", "content": ""}
    return asked + [[system, {"role": "user", "content": one.text}] for one in load_messages("dev")[:10]]


@pytest.mark.live
def test_tokens_and_conversations_are_those_of_the_server(llama, weights):
    served = Served(weights)
    for messages in list_conversations():
        prompt = llama.tokenizer.render(messages)
        assert prompt == served.post("/apply-template", messages=messages)["prompt"]
    odd = "12345 ½ x²  tab\t\n\n  größe 退货 👩‍🔬 don't I'LL ...<|im_start|>a\u00a0b ١٢٣ _a_1"
    for text in [odd, *(llama.tokenizer.render(one) for one in list_conversations())]:
        assert llama.tokenizer.encode(text) == served.post("/tokenize", content=text, parse_special=True)["tokens"]


@pytest.mark.live
def test_logits_and_greedy_texts_are_those_of_llama_cpp_with_and_without_an_adapter(llama, weights, tmp_path):
    exact = write_as_float32(weights, tmp_path / "f32.gguf")
    adapter = draw_adapter(llama, 4, 0.03)
    adapter.write(tmp_path / "adapter.gguf")
    for base, file, step, limit in (
        (weights, None, 4, 0.6),
        (exact, None, 1, 0.02),
        (exact, tmp_path / "adapter.gguf", 4, 0.02),
    ):
        served, gaps, behind, chosen = Served(base, file), [], [], list_conversations()[::step]
        for messages in chosen:
            ids = llama.tokenizer.encode(llama.tokenizer.render(messages))
            text = served.post("/completion", prompt=ids, n_predict=8, temperature=0.0, return_tokens=True)["tokens"]
            logits = llama.compute_logits([*ids, *text[:-1]], adapter if file else None)[len(ids) - 1 :]
            # How far the server's token lies behind ours: 0 where they are the same. Two tokens that are closer than
            # the rounding of two processors may come in either order.
            behind.append(max(row.max() - row[token] for row, token in zip(logits, text, strict=True)))
            gaps += served.measure_gaps(logits[:1], ids)
        print(
            f"{base.name} {file}: gap mean {np.mean(gaps):.4f}, max {max(gaps):.4f}; "
            f"{behind.count(0)} of {len(behind)} greedy texts the same, token at most {max(behind):.4f} behind"
        )
        assert max(gaps) < limit
        assert max(behind) < limit


@pytest.mark.live
def test_base_and_adapter_answer_side_by_side_and_never_for_each_other(llama, tmp_path):
    draw_adapter(llama, 4, 0.03).write(tmp_path / "adapter.gguf")
    models = [Model("trial"), Model("trial", adapter=tmp_path / "adapter.gguf")]
    questions = [one.question for one in load_fact_questions()[:6]]
    alone = [[model.chat(question, max_tokens=12).text for question in questions] for model in models]
    assert alone[0] != alone[1]
    in_turns = [[model.chat(question, max_tokens=12).text for model in models] for question in questions]
    assert in_turns == [list(pair) for pair in zip(*alone, strict=True)]
