"""Claims about the course's embeddings in an index, through a real HTTP server."""

import pytest
from fake_provider import FakeProvider

from llmops_utils.core import RecordingMissing, load_settings
from llmops_utils.models import Model
from llmops_utils.rag.index import ModelEmbedding, build_index
from llmops_utils.rag.pages import parse_page

PAGES = [parse_page(f"p{number}", f"Page {number} tells of kettle {number}.") for number in range(4)]


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def make_model(provider, tmp_path):
    """A model on the fake provider, with recordings of its own, by its mode."""
    named = {"provider": "custom", "base_url": provider.base_url, "model": "tiny", "embedding_model": "tiny-embed"}
    named |= {"recordings": tmp_path, "home": tmp_path / "home"}
    return lambda mode="live": Model("09_1_the_four_steps", settings=load_settings(mode=mode, **named))


def build(name, pages, model):
    return build_index(name, pages, ModelEmbedding(model), settings=model.connection.settings)


def count_embedded(provider):
    bodies = [request.body for request in provider.requests if request.path.endswith("/embeddings")]
    return [len(body["input"]) for body in bodies if body["input"] not in ("Hi", ["Hi"])]


def test_an_index_replays_without_a_server_and_asks_only_for_a_changed_page(make_model, provider):
    assert ModelEmbedding(make_model()).describe() == "llmops_utils, model tiny-embed, source 127.0.0.1"
    embedded = ModelEmbedding(Model("09_1_the_four_steps", settings=load_settings()))
    assert embedded.describe().startswith("llmops_utils, model all-minilm-l6-v2, source weights sha256:")
    build("first", PAGES, make_model("fill"))
    changed = [*PAGES[:3], parse_page("p3", "Page 3 tells something else.")]
    build("first", changed, make_model("fill"))
    assert count_embedded(provider) == [4, 1]
    num_requests = len(provider.requests)
    replayed = make_model("replay")
    index = build("again", changed, replayed)
    assert len(index) == 4
    with pytest.raises(RecordingMissing):
        index.find_similar("a question that nobody recorded", 3)
    with pytest.raises(RecordingMissing):
        build("again", [*changed, parse_page("new", "A page without a recording.")], replayed)
    assert len(build("again", changed, replayed)) == index.collection.count() == 4
    assert len(provider.requests) == num_requests
