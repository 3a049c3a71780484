"""Claims about the course's embeddings in Chroma, through a real HTTP server."""

import warnings

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings as ChromaSettings
from fake_provider import FakeProvider

from llmops_utils.core import DataError, RecordingMissing, load_settings
from llmops_utils.models import Model
from llmops_utils.rag.chunks import Chunking
from llmops_utils.rag.embedding import BATCH, ModelEmbedding
from llmops_utils.rag.index import build_index
from llmops_utils.rag.pages import parse_page


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def make_model(provider, tmp_path):
    """A model on the fake provider, with recordings of its own."""

    def make(mode="live", **more):
        settings = load_settings(
            mode=mode,
            provider="custom",
            base_url=provider.base_url,
            model="tiny",
            embedding_model="tiny-embed",
            recordings=tmp_path,
            home=tmp_path / "home",
            **more,
        )
        return Model("09_rag", settings=settings)

    return make


def count_embedded(provider):
    bodies = [request.body for request in provider.requests if request.path.endswith("/embeddings")]
    return [len(body["input"]) for body in bodies if body["input"] not in ("Hi", ["Hi"])]


def test_a_chroma_collection_embeds_texts_and_questions_with_it(make_model, tmp_path):
    model = make_model()
    client = chromadb.PersistentClient(str(tmp_path / "db"), settings=ChromaSettings(anonymized_telemetry=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        collection = client.create_collection("abc", embedding_function=ModelEmbedding(model))
        collection.add(ids=["a", "b"], documents=["kettle", "a long text about grinders"])
        found = collection.query(query_texts=["kettle"], n_results=2)
    assert found["ids"][0][0] == "a"
    assert found["distances"][0][0] == pytest.approx(0.0, abs=1e-5)


def test_vectors_are_those_of_the_model_in_order(make_model):
    model = make_model()
    texts = [f"text {'x' * number}" for number in range(5)]
    assert np.allclose(ModelEmbedding(model)(texts), model.embed(texts))
    assert np.allclose(ModelEmbedding(model).embed_query(texts[:1])[0], model.embed(texts[0]))
    assert ModelEmbedding(model)([]) == []


def test_many_texts_are_asked_for_in_batches(make_model, provider):
    ModelEmbedding(make_model())([f"text {number}" for number in range(2 * BATCH + 3)])
    assert count_embedded(provider)[-3:] == [BATCH, BATCH, 3]


def test_a_question_to_two_indexes_is_embedded_once(make_model, provider):
    pages = [parse_page(f"p{number}", f"Page {number} tells of kettle {number}.") for number in range(3)]
    model = make_model()
    embedding = ModelEmbedding(model)
    for name in ("first", "second"):
        index = build_index(name, pages, embedding, settings=model.connection.settings)
        index.find_similar("Which kettle?", 2)
    assert count_embedded(provider) == [3, 1, 3]


def test_changing_a_vector_does_not_change_the_next_one(make_model):
    embedding = ModelEmbedding(make_model())
    first = embedding(["kettle"])[0]
    expected = first.copy()
    first += 1
    second = embedding(["kettle"])[0]
    assert np.array_equal(second, expected)
    second += 1
    assert np.array_equal(embedding(["kettle"])[0], expected)


def test_an_empty_text_is_refused_as_by_the_model(make_model):
    with pytest.raises(DataError):
        ModelEmbedding(make_model())(["kettle", " "])


def test_its_configuration_names_model_and_source_and_changes_with_them(make_model, tmp_path):
    assert ModelEmbedding(make_model()).get_config() == {"model": "tiny-embed", "source": "127.0.0.1"}
    embedded = ModelEmbedding(Model("09_rag", settings=load_settings(home=tmp_path))).get_config()
    assert embedded["model"] == "all-minilm-l6-v2"
    assert embedded["source"].startswith("weights sha256:")


def test_an_index_replays_without_a_server_and_asks_only_for_a_changed_page(make_model, provider, tmp_path):
    pages = [parse_page(f"p{number}", f"Page {number} tells of kettle {number}.") for number in range(6)]
    build_index("first", pages, ModelEmbedding(make_model("fill")), settings=make_model("fill").connection.settings)
    assert count_embedded(provider) == [6]
    pages[2] = parse_page("p2", "Page 2 tells something else.")
    model = make_model("fill")
    build_index("first", pages, ModelEmbedding(model), settings=model.connection.settings)
    assert count_embedded(provider) == [6, 1]
    num_requests = len(provider.requests)
    replayed = make_model("replay")
    index = build_index("again", pages, ModelEmbedding(replayed), settings=replayed.connection.settings)
    assert len(index) == 6
    assert len(provider.requests) == num_requests
    with pytest.raises(RecordingMissing):
        index.find_similar("a question that nobody recorded", 3)


def test_a_run_that_lacks_a_recording_leaves_an_index_that_the_next_run_completes(make_model, tmp_path):
    pages = [parse_page(f"p{number}", f"Page {number}.") for number in range(3)]
    model = make_model("fill")
    build_index("first", pages, ModelEmbedding(model), settings=model.connection.settings)
    replayed = make_model("replay")
    more = [*pages, parse_page("new", "A page without a recording.")]
    with pytest.raises(RecordingMissing):
        build_index("second", more, ModelEmbedding(replayed), Chunking(), settings=replayed.connection.settings)
    index = build_index("second", pages, ModelEmbedding(replayed), Chunking(), settings=replayed.connection.settings)
    assert len(index) == index.collection.count() == 3
