import pytest
import tiny_llama

from llmops_utils.training.fine_tuning.llama import read_llama


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A random Llama, read from its file."""
    return read_llama(tiny_llama.write_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf"))
