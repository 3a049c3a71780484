"""Claims about embeddings in recordings, alone and through the transport to a real HTTP server."""

import base64
import json
import struct

import httpx2
import numpy as np
import pytest
from fake_provider import FakeProvider

from llmops_utils.models.recording import LATENCY_HEADER, Recordings, RecordingTransport
from llmops_utils.models.vectors import (
    join_answers,
    list_texts,
    make_text_body,
    pack_vector,
    split_answer,
    unpack_vector,
)

PATH = "/v1/embeddings"


def make_answer(vectors, num_tokens=10):
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": num_tokens}}


# --- packing -------------------------------------------------------------------------------------------------------


def test_numbers_that_16_bits_hold_come_back_exactly():
    assert unpack_vector(pack_vector([0.0, 1.0, -0.5, 0.333251953125, 2.0**-24])) == [
        0,
        1,
        -0.5,
        0.333251953125,
        2.0**-24,
    ]


def test_packing_moves_numbers_and_cosines_by_no_more_than_is_said():
    vectors = np.random.default_rng(3).normal(size=(200, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    packed = np.array([unpack_vector(pack_vector(vector.tolist())) for vector in vectors])
    assert np.abs(packed - vectors).max() <= 0.00025
    assert np.abs(packed @ packed.T - vectors @ vectors.T).max() < 0.001
    edge = np.array([0.99999, -0.7512, 0.50001])
    assert np.abs(np.array(unpack_vector(pack_vector(edge.tolist()))) - edge).max() <= 0.00025


def test_a_packed_vector_takes_a_tenth_of_its_decimal_numbers():
    vector = np.random.default_rng(1).normal(size=384).astype(np.float32).tolist()
    assert len(pack_vector(vector)) == 1024
    assert len(json.dumps(vector)) > 7 * 1024


# --- splitting and joining -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "texts"),
    [
        (PATH, {"input": ["a", "b"]}, ["a", "b"]),
        ("/custom/embeddings", {"input": "a"}, ["a"]),
        (PATH, {"input": []}, None),
        (PATH, {"input": [[1, 2]]}, None),
        (PATH, {"input": [1]}, None),
        (PATH, {}, None),
        (PATH, "text", None),
        ("/v1/chat/completions", {"input": ["a"]}, None),
    ],
)
def test_only_requests_for_embeddings_of_texts_are_split(path, body, texts):
    assert list_texts(path, body) == texts


def test_the_body_of_a_text_keeps_all_but_the_texts_and_their_encoding():
    body = {"model": "m", "input": ["a"], "encoding_format": "base64", "dimensions": 8}
    one = make_text_body(body, "a")
    assert one == {"model": "m", "dimensions": 8, "sha256": "ca978112ca1bbdcafac231b39a23dc4d"}
    assert make_text_body(body, "b") != one
    assert make_text_body({"model": "m", "input": "\ud800"}, "\ud800")["sha256"]


def test_the_tokens_of_a_batch_are_shared_by_length_and_add_up():
    texts = ["a", "bb", "ccc", "d"]
    parts = split_answer(make_answer([[1.0]] * 4, 10), texts)
    assert [part["num_tokens"] for part in parts] == [1, 3, 4, 2]
    assert join_answers({"model": "m"}, parts)["usage"] == {"prompt_tokens": 10, "total_tokens": 10}


def test_vectors_are_joined_by_index_in_both_encodings():
    answer = make_answer([[1.0, 0.0], [0.0, 0.5]])
    answer["data"].reverse()
    parts = split_answer(answer, ["a", "b"])
    assert [row["embedding"] for row in join_answers({}, parts)["data"]] == [[1.0, 0.0], [0.0, 0.5]]
    encoded = join_answers({"encoding_format": "base64"}, parts)["data"][1]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(encoded)) == (0.0, 0.5)
    again = split_answer(make_answer([base64.b64encode(struct.pack("<2f", 0.25, 1)).decode()]), ["a"])
    assert unpack_vector(again[0]["vector"]) == [0.25, 1.0]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"data": []},
        make_answer([[1.0]]),
        make_answer([[1.0], ["x"]]),
        make_answer([[1.0], None]),
        make_answer([[1.0], [1e9]]),
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]},
    ],
)
def test_an_answer_that_does_not_fit_its_texts_is_an_error(answer):
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError, struct.error)):
        split_answer(answer, ["a", "b"])


# --- through the transport -----------------------------------------------------------------------------------------


@pytest.fixture
def provider():
    with FakeProvider() as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "09_rag.jsonl"


@pytest.fixture
def ask(provider, path):
    """Ask for embeddings in a session of its own."""

    def send(mode, texts, **fields):
        with httpx2.HTTPTransport() as live:
            transport = RecordingTransport(mode, Recordings(path), live, "weights sha256:00", fields.pop("log", None))
            with httpx2.Client(transport=transport, base_url=f"http://127.0.0.1:{provider.port}") as client:
                return client.post(PATH, json={"model": "m", "input": texts, **fields})

    return send


def read_vectors(response):
    return [row["embedding"] for row in response.json()["data"]]


def test_each_text_is_recorded_once_and_replays_in_any_company(provider, path, ask):
    first = read_vectors(ask("fill", ["a", "b", "c"]))
    assert len(path.read_text().splitlines()) == 3
    assert read_vectors(ask("replay", ["c", "a"])) == [first[2], first[0]]
    assert read_vectors(ask("replay", "b")) == [first[1]]
    assert read_vectors(ask("replay", ["a", "a"])) == [first[0], first[0]]
    assert len(provider.requests) == 1


def test_only_the_texts_that_are_missing_are_asked_for(provider, path, ask):
    ask("fill", ["a", "b"])
    answer = ask("fill", ["b", "c", "a", "d"])
    assert provider.bodies[1]["input"] == ["c", "d"]
    assert read_vectors(answer) == read_vectors(ask("replay", ["b", "c", "a", "d"]))
    assert len(path.read_text().splitlines()) == 4


def test_no_text_reaches_the_file(path, ask):
    ask("fill", ["a secret page"])
    assert "secret" not in path.read_text()


def test_recording_gives_back_what_replay_will(ask):
    assert read_vectors(ask("record", ["a", "b"])) == read_vectors(ask("replay", ["a", "b"]))


def test_recording_again_asks_anew_and_the_same_answer_leaves_the_file(provider, path, ask):
    ask("record", ["a"])
    before = path.read_text()
    ask("record", ["a"])
    assert len(provider.requests) == 2
    assert path.read_text() == before


def test_auto_asks_and_stores_nothing_and_live_looks_nowhere(provider, path, ask):
    ask("fill", ["a"])
    before = path.read_text()
    assert len(read_vectors(ask("auto", ["a", "b"]))) == 2
    assert provider.bodies[-1]["input"] == ["b"]
    ask("live", ["a"])
    assert provider.bodies[-1]["input"] == ["a"]
    assert path.read_text() == before


def test_a_text_that_was_never_recorded_is_named(ask):
    ask("fill", ["a"])
    response = ask("replay", ["a", "which one is missing"])
    assert response.status_code == 404
    assert "which one is missing" in response.json()["error"]["message"]


def test_the_used_log_notes_each_text(ask, tmp_path):
    log = tmp_path / "used.txt"
    ask("fill", ["a", "b"], log=log)
    assert len(set(log.read_text().split())) == 2


def test_other_fields_are_part_of_what_is_recorded(provider, ask):
    ask("fill", ["a"])
    ask("fill", ["a"], dimensions=4)
    assert len(provider.requests) == 2
    assert provider.bodies[1]["dimensions"] == 4


def test_both_encodings_share_one_recording(provider, ask):
    plain = read_vectors(ask("fill", ["a"]))[0]
    encoded = read_vectors(ask("replay", ["a"], encoding_format="base64"))[0]
    assert list(struct.unpack(f"<{len(plain)}f", base64.b64decode(encoded))) == pytest.approx(plain, abs=1e-7)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("mode", ["fill", "record", "auto"])
def test_an_answer_without_vectors_is_passed_on_and_never_stored(provider, path, ask, mode):
    from fake_provider import HTML, Fault, refuse

    for fault, status in ((refuse(500), 500), (refuse(400), 400), (HTML, 200), (Fault(200, {"data": []}), 200)):
        provider.faults.append(fault)
        assert ask(mode, ["a"]).status_code == status
    assert not path.exists()


def test_a_whole_request_that_was_recorded_still_replays(path, ask):
    """Recordings made before texts were split hold the request as it was."""
    body = {"model": "m", "input": ["a", "b"]}
    record = {
        "request": {"method": "POST", "path": PATH, "body": body},
        "response": {"status": 200, "body": make_answer([[0.1], [0.2]])},
        "latency_s": 0.5,
        "source": "s",
        "recorded": "2026-01-01",
    }
    path.write_text(json.dumps(record) + "\n")
    response = ask("replay", ["a", "b"])
    assert read_vectors(response) == [[0.1], [0.2]]
    assert response.headers[LATENCY_HEADER] == "0.5"
