"""Claims about the index: in step with the pages, safe for two processes, clear where it fails."""

import json
import math
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_embedding import FakeEmbedding
from loopback import Handler, Loopback

from llmops_utils.core import DATA, ROOT, DataError, SettingsError, load_settings
from llmops_utils.models import Model
from llmops_utils.rag import index as module
from llmops_utils.rag.chroma import IndexUnreachable
from llmops_utils.rag.chunks import Chunking, split_pages
from llmops_utils.rag.index import (
    HNSW,
    IndexChanged,
    IndexMismatch,
    ModelEmbedding,
    build_index,
    delete_index,
    open_client,
)
from llmops_utils.rag.pages import Page, load_pages, parse_page

HANDBOOK = load_pages(DATA / "handbook")
CHUNKING = Chunking("heading", 800)


def change(page, text=" Changed.", **metadata):
    return Page(page.name, page.title, page.text + text, {**page.metadata, **metadata})


OLD = HANDBOOK[:6]
NEW = [page if number == 4 else change(page) for number, page in enumerate(OLD)][1:]
LARGE = [*OLD, *(parse_page(f"page-{number:03}", f"{number} {number * 7} {number * 13}") for number in range(500))]


def build(settings, pages, embedding=None, name="handbook"):
    return build_index(name, pages, embedding or FakeEmbedding(), CHUNKING, settings=settings)


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path / "home")


def read_all(index):
    """What the collection holds, by id: text, metadata and vector."""
    held = index.collection.get(include=["documents", "metadatas", "embeddings"])
    parts = zip(held["ids"], held["documents"], held["metadatas"], held["embeddings"], strict=True)
    return {id: (text, meta, vector.round(5).tolist()) for id, text, meta, vector in parts}


def test_an_index_holds_exactly_the_chunks_of_its_pages_whatever_changes(settings):
    """Each step says which pages are embedded anew."""
    steps = [
        (OLD, OLD),
        (OLD, []),
        ([change(OLD[0]), *OLD[1:]], [change(OLD[0])]),
        ([change(OLD[0]), change(OLD[1], "", status="outdated"), *OLD[2:]], [change(OLD[1], "", status="outdated")]),
        (OLD[2:], []),
    ]
    for pages, embedded in steps:
        embedding = FakeEmbedding()
        index = build(settings, pages, embedding)
        chunks = split_pages(pages, CHUNKING)
        held = read_all(index)
        assert {id: parts[:2] for id, parts in held.items()} == {one.id: (one.text, one.metadata) for one in chunks}
        assert len(index) == len(chunks)
        assert embedding.texts == [chunk.searched for chunk in split_pages(embedded, CHUNKING)]
    assert held == read_all(build(settings, OLD[2:], name="clean"))


def test_the_source_of_the_vectors_is_a_part_of_what_an_index_states(settings):
    named = {
        "provider": "custom",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "tiny",
        "embedding_model": "tiny-embed",
    }
    described = []
    for one in (load_settings(mode="replay", **named), settings):
        described.append(ModelEmbedding(Model("09_1_the_four_steps", settings=one)).describe())
    assert described[0] == "llmops_utils, model tiny-embed, source 127.0.0.1"
    assert described[1].startswith("llmops_utils, model all-minilm-l6-v2, source weights sha256:")


def test_the_search_among_neighbours_finds_what_a_search_through_all_finds(settings):
    embedding = FakeEmbedding(dimension=128)
    index = build(settings, HANDBOOK, embedding)
    matrix = np.array(embedding([chunk.searched for chunk in index.chunks.values()]))
    for question in ("How long may a parcel wait in a locker?", "grinder noise", "Err5", "vouchers", "refund by card"):
        cosines = matrix @ embedding([question])[0]
        found = [score for _, score in index.find_similar(question, 10)]
        assert found == pytest.approx(sorted(cosines, reverse=True)[:10], abs=1e-4)


def test_impossible_pages_fields_names_and_folders_are_refused_with_their_place_and_nothing_is_half_built(
    settings, tmp_path
):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)indexes cannot be written.*LLMOPS_HOME"):
        build(load_settings(home=tmp_path / "file"), OLD[:1])
    for pages in ([], [OLD[0], OLD[0]]):
        with pytest.raises(DataError, match="no page to index, or two"):
            build(settings, pages)
    for name in ("", "with space", "a..b", "192.168.1.1"):
        with pytest.raises(DataError, match="name: Expected a name") as caught:
            build(settings, OLD[:1], name=name)
        assert "another name" in caught.value.next_step
    fields = [("# author", "x"), ("$and", "x"), ("", "x"), ("chroma:document", "x"), (3, "x"), ("a", None), ("a", [])]
    fields += [("a", {}), ("a", date(2026, 3, 1)), ("a", math.nan), ("a", "\ud83d"), ("\ud83d", "a")]
    index = build(settings, [Page("good", "T", "price", {":": "x", "n": 3, "rate": 0.5, "is_old": False, "e": ""})])
    for key, value in fields:
        with pytest.raises(DataError, match=r"The page bad has a field that an index cannot hold: .* with "):
            build(settings, [OLD[0], Page("bad", "T", "price", {key: value})])
    for where, num in [({":": "x", "n": [3, 4], "rate": 0.5, "is_old": False}, 1), ({"n": 4}, 0), ({"n": []}, 0)]:
        assert len(index.find_similar("price", 3, where)) == num
    with pytest.raises(DataError, match="hold no text"):
        build(settings, [Page("empty", "T", " \n")])
    with pytest.raises(DataError, match="no vector of finite numbers for a part of the page policies-"):
        build(settings, OLD[:1], FakeEmbedding(bias=math.nan), name="vectors")
    assert len(build(settings, OLD[:1], name="vectors")) > 0
    with pytest.raises(DataError, match="expecting embedding with dimension of 64, got 32"):
        build(settings, OLD[:2], FakeEmbedding(dimension=32), name="vectors")


def test_another_embedding_model_and_another_chunking_are_refused_with_the_reason(settings):
    build(settings, OLD[:2])
    other = FakeEmbedding("fake-2", dimension=32)
    with pytest.raises(IndexMismatch, match=r"another embedding.*fake-1.*than is asked for.*fake-2") as caught:
        build(settings, OLD[:2], other)
    assert "delete_index('handbook')" in caught.value.next_step
    assert other.texts == []
    with pytest.raises(IndexMismatch, match=r"another chunking .heading, 800 .*recursive, 400"):
        build_index("handbook", OLD[:2], FakeEmbedding(), Chunking("recursive", 400), settings=settings)
    open_client(settings).create_collection("another", embedding_function=None)  # by somebody else
    with pytest.raises(IndexMismatch, match="not stated"):
        build(settings, OLD[:2], name="another")
    for _ in range(2):
        delete_index("handbook", settings=settings)
        assert [collection.name for collection in open_client(settings).list_collections()] == ["another"]
    assert len(build(settings, OLD[:2], other)) > 0


def test_an_embedding_that_fails_half_way_leaves_what_the_next_run_completes(settings, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 8)
    with pytest.raises(RuntimeError, match="the embedding failed"):
        build(settings, OLD, FakeEmbedding(fails_after=20))
    embedding = FakeEmbedding()
    index = build(settings, OLD, embedding)
    assert len(embedding.texts) == len(index) - 16
    assert read_all(index) == read_all(build(settings, OLD, name="clean"))


# A second process: a kernel of its own that builds and searches on order.
WORKER = """
import json, sys
sys.path[:0] = ["tests/fakes", "tests/rag"]
from fake_embedding import FakeEmbedding
from test_index import LARGE, NEW, OLD, build, load_settings

for line in sys.stdin:
    home, order, *rest = json.loads(line)
    try:
        if order == "build":
            embedding = FakeEmbedding()
            index = build(load_settings(home=home), {"old": OLD, "new": NEW, "large": LARGE}[rest[0]], embedding)
            answer = len(embedding.texts)
        else:
            answer = [chunk.id for chunk, _ in index.find_similar(*rest)]
    except Exception as error:
        answer = type(error).__name__
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def worker():
    """A second kernel that lives through several tests; an order goes to a home folder."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, **pipes) as process:

        def send(settings, *order):
            print(json.dumps([str(settings.home), *order]), file=process.stdin, flush=True)

        def receive():
            return json.loads(process.stdout.readline())

        def ask(settings, *order):
            send(settings, *order)
            return receive()

        yield SimpleNamespace(send=send, receive=receive, ask=ask)


def test_two_kernels_that_build_at_once_or_in_turn_see_each_others_work(settings, worker):
    worker.send(settings, "build", "old")
    embedding = FakeEmbedding()
    index = build(settings, OLD, embedding)
    assert worker.receive() + len(embedding.texts) == len(index)  # each chunk was embedded by one of the two
    embedding = FakeEmbedding()
    index = build(settings, NEW, embedding)
    assert worker.ask(settings, "find", "price", 3) == "IndexChanged"
    assert worker.ask(settings, "build", "new") == 0
    assert sorted(worker.ask(settings, "find", "price", len(index))) == sorted(index.chunks)
    assert worker.ask(settings, "build", "old") == len(split_pages(OLD, CHUNKING)) - len(index) + len(embedding.texts)
    with pytest.raises(IndexChanged, match="changed by another notebook"):
        index.find_similar("price", 3)
    again = build(settings, NEW)
    assert read_all(again).keys() == again.chunks.keys()


def test_many_chunks_that_another_process_added_are_all_found(settings, worker, monkeypatch):
    """A Chroma client that was open before finds only part of them, without an error, and may lose the others."""
    monkeypatch.setitem(HNSW, "sync_threshold", 200)
    build(settings, OLD)
    assert worker.ask(settings, "build", "old") == 0
    assert len(worker.ask(settings, "find", "page", 3)) == 3
    index = build(settings, LARGE)
    assert worker.ask(settings, "find", "page", 3) == "IndexChanged"
    assert worker.ask(settings, "build", "large") == 0
    for chunk in list(index.chunks.values())[::30]:
        assert worker.ask(settings, "find", chunk.searched, 1) == [chunk.id]
        assert index.find_similar(chunk.searched, 1)[0][0] is chunk


@contextmanager
def run_server(folder):
    """Run a real `chroma run` on loopback; give its address once it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("chroma.exe" if os.name == "nt" else "chroma")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"ANONYMIZED_TELEMETRY": "False", "CHROMA_TELEMETRY": "False"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=folder)
    try:
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert process.poll() is None
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(20)


def test_on_a_server_the_index_is_the_same_and_in_step(settings, monkeypatch, tmp_path):
    with run_server(tmp_path) as address:
        monkeypatch.setenv("CHROMA_HOST", address)
        on_server = load_settings(home=tmp_path / "other", mode="live")
        build(on_server, OLD)
        embedding = FakeEmbedding()
        with_server = build(on_server, NEW, embedding)
        assert 0 < len(embedding.texts) < len(with_server)
        local = build(settings, NEW)
        assert read_all(with_server) == read_all(local)
        assert not (on_server.home / "indexes").exists()
        here, there = local.find_similar("Which card pays?", 5), with_server.find_similar("Which card pays?", 5)
        assert [chunk.id for chunk, _ in here] == [chunk.id for chunk, _ in there]
        assert [score for _, score in here] == pytest.approx([score for _, score in there], abs=1e-5)
        with pytest.raises(IndexMismatch):
            build(on_server, OLD, FakeEmbedding("fake-2"))
        delete_index("handbook", settings=on_server)
        with pytest.raises(IndexChanged, match="deleted by another notebook"):
            with_server.find_similar("voucher", 3)


def test_where_no_server_listens_or_can_the_error_says_what_to_do_and_in_replay_none_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMA_HOST", "http://127.0.0.1:9")
    with pytest.raises(IndexUnreachable) as caught:
        build(load_settings(home=tmp_path, mode="live"), OLD[:1])
    assert "chroma run" in caught.value.next_step
    assert len(build(load_settings(home=tmp_path, mode="replay"), OLD[:1])) > 0
    for host in ("ftp://a", "127.0.0.1:port", "http://", "127.0.0.1:99999"):
        monkeypatch.setenv("CHROMA_HOST", host)
        with pytest.raises(SettingsError, match="CHROMA_HOST"):
            open_client(load_settings(home=tmp_path, mode="live"))


def test_what_answers_at_chroma_host_and_is_no_chroma_is_named(monkeypatch, tmp_path):
    answer = {}

    class Other(Loopback):
        class handler(Handler):
            def do_GET(self):
                heartbeat = self.path.endswith("heartbeat") and answer["beats"]
                content = b'{"nanosecond heartbeat": 1}' if heartbeat else answer["body"]
                away = {"Location": "http://127.0.0.1:9/sign-in"}
                self.respond(200 if heartbeat else answer["status"], content, away)

    with Other() as other:
        monkeypatch.setenv("CHROMA_HOST", other.root)
        for status, body, beats in [
            *[(status, b"<html>", False) for status in (200, 302, 401, 404, 500)],
            *[(200, body, False) for body in (b'{"a": 1}', b"3", b"\xff", b"")],
            *[(status, b"{}", True) for status in (200, 401, 404)],
        ]:
            answer.update(status=status, body=body, beats=beats)
            with pytest.raises(IndexUnreachable, match=f"is no Chroma.*: status {200 if beats else status}, "):
                open_client(load_settings(home=tmp_path, mode="live"))
        monkeypatch.setenv("HTTP_PROXY", other.root)
        for host in ("127.0.0.1:9", "[::1]:1", "http://localhost:9"):
            monkeypatch.setenv("CHROMA_HOST", host)
            with pytest.raises(IndexUnreachable, match="does not answer"):  # asked itself, not the proxy
                build(load_settings(home=tmp_path, mode="live"), OLD[:1])


def test_what_another_project_set_for_chroma_changes_nothing(tmp_path):
    (tmp_path / ".env").write_bytes("MIGRATIONS=no".encode("utf-16"))
    names = {"MIGRATIONS": "no", "ALLOW_RESET": "maybe", "CHROMA_DB_IMPL": "duckdb", "CHROMA_API_IMPL": "x.y"}
    program = "from llmops_utils.core import load_settings; from llmops_utils.rag.index import open_client; "
    program += "print(open_client(load_settings(home='home')).list_collections())"
    environment = os.environ | names | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
