"""Claims about the index: in step with the pages, whole after a kill, safe for two processes, clear where it fails."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from fake_embedding import FakeEmbedding

from llmops_utils.core import DATA, ROOT, DataError, SettingsError, load_settings
from llmops_utils.rag.chunks import Chunking, split_pages
from llmops_utils.rag.index import (
    HNSW,
    SYNC_THRESHOLD,
    IndexChanged,
    IndexMismatch,
    IndexUnreachable,
    build_index,
    delete_index,
    open_client,
)
from llmops_utils.rag.pages import Page, load_pages, parse_page

HANDBOOK = load_pages(DATA / "handbook")[:6]
CHUNKING = Chunking("heading", 800)


@pytest.fixture
def settings(tmp_path):
    return load_settings(home=tmp_path / "home")


def read_all(index):
    """What the collection holds, by id: text, metadata and vector."""
    held = index.collection.get(include=["documents", "metadatas", "embeddings"])
    parts = zip(held["ids"], held["documents"], held["metadatas"], held["embeddings"], strict=True)
    return {id: (text, meta, vector.round(5).tolist()) for id, text, meta, vector in parts}


def change(page, text="\n\nOne more sentence."):
    return Page(page.name, page.title, page.text + text, page.metadata)


# --- in step with the pages ----------------------------------------------------------------------------------------


def test_a_new_index_holds_exactly_the_chunks_of_the_pages(settings):
    embedding = FakeEmbedding()
    index = build_index("handbook", HANDBOOK, embedding, CHUNKING, settings=settings)
    chunks = split_pages(HANDBOOK, CHUNKING)
    held = read_all(index)
    assert sorted(held) == sorted(chunk.id for chunk in chunks)
    assert embedding.texts == [chunk.searched for chunk in chunks]
    first = chunks[0]
    assert held[first.id][0] == first.text
    assert held[first.id][1] == first.metadata
    assert (len(index), index.changes.num_added, index.changes.num_deleted) == (len(chunks), len(chunks), 0)


def test_a_second_run_embeds_nothing(settings):
    build_index("handbook", HANDBOOK, FakeEmbedding(), CHUNKING, settings=settings)
    embedding = FakeEmbedding()
    index = build_index("handbook", HANDBOOK, embedding, CHUNKING, settings=settings)
    assert embedding.texts == []
    assert str(index.changes) == f"0 chunks added, 0 deleted, {len(index)} kept"


def test_changing_one_page_embeds_that_page_alone(settings):
    build_index("handbook", HANDBOOK, FakeEmbedding(), CHUNKING, settings=settings)
    pages = [*HANDBOOK[:3], change(HANDBOOK[3]), *HANDBOOK[4:]]
    embedding = FakeEmbedding()
    index = build_index("handbook", pages, embedding, CHUNKING, settings=settings)
    assert embedding.texts == [chunk.searched for chunk in split_pages([pages[3]], CHUNKING)]
    assert index.changes.pages == (HANDBOOK[3].name,)
    assert index.changes.num_deleted == len(split_pages([HANDBOOK[3]], CHUNKING))
    clean = build_index("clean", pages, FakeEmbedding(), CHUNKING, settings=settings)
    assert read_all(index) == read_all(clean)


def test_a_page_whose_metadata_alone_changed_is_stored_anew(settings):
    build_index("handbook", HANDBOOK[:2], FakeEmbedding(), CHUNKING, settings=settings)
    page = Page(HANDBOOK[0].name, HANDBOOK[0].title, HANDBOOK[0].text, {**HANDBOOK[0].metadata, "status": "outdated"})
    index = build_index("handbook", [page, HANDBOOK[1]], FakeEmbedding(), CHUNKING, settings=settings)
    states = {meta["page"]: meta["status"] for _, meta, _ in read_all(index).values()}
    assert states == {HANDBOOK[0].name: "outdated", HANDBOOK[1].name: "current"}


def test_the_chunks_of_a_page_that_is_gone_go(settings):
    build_index("handbook", HANDBOOK, FakeEmbedding(), CHUNKING, settings=settings)
    embedding = FakeEmbedding()
    index = build_index("handbook", HANDBOOK[2:], embedding, CHUNKING, settings=settings)
    assert embedding.texts == []
    assert {meta["page"] for _, meta, _ in read_all(index).values()} == {page.name for page in HANDBOOK[2:]}


def test_two_indexes_do_not_mix_and_one_can_be_deleted(settings):
    one = build_index("one", HANDBOOK[:2], FakeEmbedding(), CHUNKING, settings=settings)
    build_index("two", HANDBOOK[2:4], FakeEmbedding(), CHUNKING, settings=settings)
    delete_index("two", settings=settings)
    delete_index("two", settings=settings)
    assert [collection.name for collection in open_client(settings).list_collections()] == ["one"]
    assert len(read_all(one)) == len(one)


# --- search --------------------------------------------------------------------------------------------------------


def test_the_text_of_a_chunk_finds_that_chunk_first(settings):
    index = build_index("handbook", HANDBOOK, FakeEmbedding(dimension=256), CHUNKING, settings=settings)
    for chunk in list(index.chunks.values())[::9]:
        found = index.find_similar(chunk.searched, 3)
        assert found[0][0] is chunk
        assert found[0][1] == pytest.approx(1.0, abs=1e-5)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_the_search_among_neighbours_finds_what_a_search_through_all_finds(settings):
    import numpy as np

    embedding = FakeEmbedding(dimension=128)
    pages = load_pages(DATA / "handbook")
    index = build_index("handbook", pages, embedding, Chunking("recursive", 400), settings=settings)
    chunks = list(index.chunks.values())
    matrix = np.array(embedding([chunk.searched for chunk in chunks]))
    for question in ("How long may a parcel wait in a locker?", "grinder noise", "Err5", "vouchers", "refund by card"):
        cosines = matrix @ embedding([question])[0]
        found = [score for _, score in index.find_similar(question, 10)]
        assert found == pytest.approx(sorted(cosines, reverse=True)[:10], abs=1e-4)


def test_a_filter_leaves_only_pages_with_that_metadata(settings):
    pages = [
        parse_page("old", "---\nstatus: outdated\nsection: a\n---\nThe price is 5."),
        parse_page("new", "---\nstatus: current\nsection: a\n---\nThe price is 6."),
        parse_page("other", "---\nstatus: current\nsection: b\n---\nThe price is 7."),
    ]
    index = build_index("prices", pages, FakeEmbedding(), CHUNKING, settings=settings)

    def find(where):
        return sorted(chunk.page.name for chunk, _ in index.find_similar("price", 5, where))

    assert find(None) == ["new", "old", "other"]
    assert find({"status": "current"}) == ["new", "other"]
    assert find({"status": "current", "section": "a"}) == ["new"]
    assert find({"section": ["a", "b"]}) == ["new", "old", "other"]
    assert find({"section": "c"}) == []


def test_a_question_of_5000_words_is_searched_like_any_other(settings):
    index = build_index("handbook", HANDBOOK[:3], FakeEmbedding(), CHUNKING, settings=settings)
    assert len(index.find_similar("refund " * 5000, 4)) == 4


@pytest.mark.parametrize(("question", "k"), [("", 5), (" \n", 5), ("price", 0)])
def test_an_empty_question_and_no_hits_at_all_are_refused(settings, question, k):
    index = build_index("handbook", HANDBOOK[:1], FakeEmbedding(), CHUNKING, settings=settings)
    with pytest.raises(DataError):
        index.find_similar(question, k)


# --- what does not fit ---------------------------------------------------------------------------------------------


def test_another_embedding_model_is_refused_with_the_reason(settings):
    build_index("handbook", HANDBOOK[:2], FakeEmbedding("fake-1"), CHUNKING, settings=settings)
    other = FakeEmbedding("fake-2", dimension=32)
    with pytest.raises(IndexMismatch, match=r"another embedding.*fake-1.*than is asked for.*fake-2") as caught:
        build_index("handbook", HANDBOOK[:2], other, CHUNKING, settings=settings)
    assert "delete_index('handbook')" in caught.value.next_step
    assert other.texts == []
    delete_index("handbook", settings=settings)
    assert len(build_index("handbook", HANDBOOK[:2], other, CHUNKING, settings=settings)) > 0


def test_another_chunking_is_refused_with_the_reason(settings):
    build_index("handbook", HANDBOOK[:2], FakeEmbedding(), CHUNKING, settings=settings)
    with pytest.raises(IndexMismatch, match=r"another chunking .heading, 800 .*recursive, 400"):
        build_index("handbook", HANDBOOK[:2], FakeEmbedding(), Chunking("recursive", 400), settings=settings)


def test_a_collection_that_somebody_else_made_is_left_alone(settings):
    open_client(settings).create_collection("handbook", embedding_function=None).add(ids=["a"], embeddings=[[1.0, 0.0]])
    with pytest.raises(IndexMismatch, match="not stated"):
        build_index("handbook", HANDBOOK[:2], FakeEmbedding(), CHUNKING, settings=settings)
    assert open_client(settings).get_collection("handbook", embedding_function=None).count() == 1


@pytest.mark.parametrize("name", ["", "ab", "with space", "a/b", "-abc", "abc.", "ü" * 4, "a" * 101])
def test_a_name_that_chroma_would_not_take_is_refused(settings, name):
    with pytest.raises(DataError, match="no name for an index"):
        build_index(name, HANDBOOK[:1], FakeEmbedding(), CHUNKING, settings=settings)


def test_no_pages_and_a_page_twice_are_refused(settings):
    for pages in ([], [HANDBOOK[0], HANDBOOK[0]]):
        with pytest.raises(DataError):
            build_index("handbook", pages, FakeEmbedding(), CHUNKING, settings=settings)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "home").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(IndexUnreachable, match="LLMOPS_HOME"):
        build_index("x-1", HANDBOOK[:1], FakeEmbedding(), CHUNKING, settings=load_settings(home=tmp_path / "home"))


def test_opening_an_index_builds_no_parsers_of_web_addresses_and_leaves_them_to_others(tmp_path):
    code = """
import sys
from llmops_utils.rag.index import open_client
from llmops_utils.core.settings import load_settings
open_client(load_settings(home=sys.argv[1]))
print("jsonschema" in sys.modules, "rfc3987_syntax" in sys.modules)
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "https://example.com/kettles"))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "True"]


# --- interrupted and killed ----------------------------------------------------------------------------------------


def test_an_embedding_that_fails_half_way_leaves_what_the_next_run_completes(settings):
    pages = load_pages(DATA / "handbook")
    with pytest.raises(RuntimeError, match="the embedding failed"):
        build_index("handbook", pages, FakeEmbedding(fails_after=300), CHUNKING, settings=settings)
    embedding = FakeEmbedding()
    index = build_index("handbook", pages, embedding, CHUNKING, settings=settings)
    assert 0 < index.changes.num_kept < len(index)
    assert len(embedding.texts) == index.changes.num_added
    clean = build_index("clean", pages, FakeEmbedding(), CHUNKING, settings=settings)
    assert read_all(index) == read_all(clean)


# A second process: a kernel of its own that builds and searches on order, or (before it has opened anything) forks a
# child that is killed while it indexes.
WORKER = """
import json, os, signal, sys, threading, time
sys.path[:0] = ["tests/fakes", "tests/rag"]
from fake_embedding import FakeEmbedding
from test_index import CHUNKING, LARGE, NEW, OLD
from llmops_utils.rag import index as module
from llmops_utils.core.settings import load_settings
import chromadb

class Fatal(FakeEmbedding):
    def __init__(self, kill_at, delay_s):
        super().__init__()
        self.steps, self.kill_at, self.delay_s = 0, kill_at, delay_s
        self.step()

    def step(self):
        if self.steps == self.kill_at:
            threading.Timer(self.delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        self.steps += 1

    def __call__(self, input):
        self.step()
        time.sleep(0.01)
        return super().__call__(input)

index = None
for line in sys.stdin:
    home, order, *rest = json.loads(line)
    settings = load_settings(home=home)
    try:
        if order == "kill":
            module.BATCH = 8  # many steps, so that a kill can fall between any two and inside each
            child = os.fork()
            if not child:
                module.build_index("handbook", NEW, Fatal(*rest), CHUNKING, settings=settings)
                os._exit(0)
            answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        elif order == "build":
            pages = {"old": OLD, "new": NEW, "large": LARGE}[rest[0]]
            index = module.build_index("handbook", pages, FakeEmbedding(), CHUNKING, settings=settings)
            answer = [index.changes.num_added, index.changes.num_deleted, index.changes.num_kept]
        elif order == "find":
            answer = [chunk.id for chunk, _ in index.find_similar(*rest)]
    except Exception as error:
        answer = type(error).__name__
    print(json.dumps(answer), flush=True)
"""


class Worker:
    """A process that runs WORKER; each order goes to a home folder."""

    def __init__(self):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, **pipes)

    def send(self, settings, *order):
        self.process.stdin.write(json.dumps([str(settings.home), *order]) + "\n")
        self.process.stdin.flush()

    def receive(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, settings, *order):
        self.send(settings, *order)
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


@pytest.fixture(scope="module")
def worker():
    """A second kernel that lives through several tests."""
    with closing(Worker()) as running:
        yield running


OLD = HANDBOOK
LARGE = [*OLD, *(parse_page(f"page-{number:04}", f"{number} {number * 7} {number * 13}") for number in range(1200))]
NEW = [page if number == 4 else change(page, " Changed.") for number, page in enumerate(HANDBOOK)][1:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_killed_at_ten_random_points_the_next_run_gives_the_index_of_one_clean_run(settings):
    """Each round starts from the index of the old pages, and its process is killed while it brings in the new ones."""
    clean = read_all(build_index("clean", NEW, FakeEmbedding(), CHUNKING, settings=settings))
    rng = random.Random(9)
    sizes = set()
    with closing(Worker()) as worker:
        for _ in range(10):
            build_index("handbook", OLD, FakeEmbedding(), CHUNKING, settings=settings)
            assert worker.ask(settings, "kill", rng.randrange(4), rng.uniform(0, 0.02)) == -signal.SIGKILL
            sizes.add(open_client(settings).get_collection("handbook", embedding_function=None).count())
            index = build_index("handbook", NEW, FakeEmbedding(), CHUNKING, settings=settings)
            assert read_all(index) == clean
            assert {chunk.id for chunk, _ in index.find_similar("price", len(index))} == set(clean)
    assert len(sizes - {len(clean)}) > 1  # the kills did leave indexes that were not whole


# --- two kernels on one index --------------------------------------------------------------------------------------


def test_two_kernels_that_build_in_turn_see_each_others_work(settings, worker):
    num_old = build_index("handbook", OLD, FakeEmbedding(), CHUNKING, settings=settings).changes.num_added
    assert worker.ask(settings, "build", "old") == [0, 0, num_old]
    index = build_index("handbook", NEW, FakeEmbedding(), CHUNKING, settings=settings)
    changes = index.changes
    assert worker.ask(settings, "find", "price", 3) == "IndexChanged"
    assert worker.ask(settings, "build", "new") == [0, 0, len(index)]
    assert sorted(worker.ask(settings, "find", "price", len(index))) == sorted(index.chunks)
    assert worker.ask(settings, "build", "old") == [changes.num_deleted, changes.num_added, changes.num_kept]
    with pytest.raises(IndexChanged, match="changed by another notebook"):
        index.find_similar("price", 3)
    again = build_index("handbook", NEW, FakeEmbedding(), CHUNKING, settings=settings)
    assert read_all(again).keys() == again.chunks.keys()


def test_two_kernels_that_build_at_once_make_one_whole_index(settings, worker):
    worker.send(settings, "build", "old")
    index = build_index("handbook", OLD, FakeEmbedding(), CHUNKING, settings=settings)
    added, deleted, kept = worker.receive()
    assert deleted == index.changes.num_deleted == 0
    assert added + kept == len(index)
    assert added + index.changes.num_added == len(index)  # each chunk was embedded by one of the two
    assert sorted(worker.ask(settings, "find", "price", len(index))) == sorted(index.chunks)


@pytest.mark.parametrize("sync_threshold", [200, SYNC_THRESHOLD])
def test_a_thousand_chunks_that_another_process_added_are_all_found(settings, worker, monkeypatch, sync_threshold):
    """A Chroma client that was open before finds only part of them, without an error, and may lose the others."""
    monkeypatch.setitem(HNSW, "sync_threshold", sync_threshold)
    build_index("handbook", OLD, FakeEmbedding(), CHUNKING, settings=settings)
    assert worker.ask(settings, "build", "old")[0] == 0
    assert len(worker.ask(settings, "find", "page", 3)) == 3
    index = build_index("handbook", LARGE, FakeEmbedding(), CHUNKING, settings=settings)
    assert worker.ask(settings, "find", "page", 3) == "IndexChanged"
    assert worker.ask(settings, "build", "large") == [0, 0, len(index)]
    for chunk in list(index.chunks.values())[::60]:
        assert worker.ask(settings, "find", chunk.searched, 1) == [chunk.id]
        assert index.find_similar(chunk.searched, 1)[0][0] is chunk


# --- a Chroma server -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A real `chroma run` on loopback: its address, and how to end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma")
    program = Path(sys.executable).with_name("chroma.exe" if os.name == "nt" else "chroma")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {"ANONYMIZED_TELEMETRY": "False", "CHROMA_TELEMETRY": "False"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    try:
        limit = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < limit:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert process.poll() is None, (folder / "server.log").read_text()
        yield f"127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait(20)


@pytest.fixture
def on_server(server, monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMA_HOST", server[0])
    return load_settings(home=tmp_path / "other", mode="live")


def test_on_a_server_the_index_is_the_same_and_in_step(on_server, settings):
    with_server = build_index("handbook", OLD, FakeEmbedding(), CHUNKING, settings=on_server)
    embedding = FakeEmbedding()
    with_server = build_index("handbook", NEW, embedding, CHUNKING, settings=on_server)
    assert 0 < len(embedding.texts) < len(with_server)
    local = build_index("handbook", NEW, FakeEmbedding(), CHUNKING, settings=settings)
    assert read_all(with_server) == read_all(local)
    assert not (on_server.home / "indexes").exists()
    for question in ("Which card pays?", "voucher"):
        here, there = local.find_similar(question, 5), with_server.find_similar(question, 5)
        assert [chunk.id for chunk, _ in here] == [chunk.id for chunk, _ in there]
        assert [score for _, score in here] == pytest.approx([score for _, score in there], abs=1e-5)
    with pytest.raises(IndexMismatch):
        build_index("handbook", OLD, FakeEmbedding("fake-2"), CHUNKING, settings=on_server)
    delete_index("handbook", settings=on_server)
    with pytest.raises(IndexChanged, match="deleted by another notebook"):
        with_server.find_similar("voucher", 3)


def test_in_replay_no_server_is_asked(monkeypatch, settings):
    monkeypatch.setenv("CHROMA_HOST", "127.0.0.1:9")
    assert len(build_index("handbook", OLD[:1], FakeEmbedding(), CHUNKING, settings=settings)) > 0


def test_where_no_server_listens_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROMA_HOST", "http://127.0.0.1:9")
    with pytest.raises(IndexUnreachable) as caught:
        build_index("handbook", OLD[:1], FakeEmbedding(), settings=load_settings(home=tmp_path, mode="live"))
    assert "chroma run" in caught.value.next_step


@pytest.mark.parametrize("host", ["ftp://a", "127.0.0.1:port", "http://", "127.0.0.1:99999"])
def test_an_impossible_address_is_a_settings_error(monkeypatch, tmp_path, host):
    monkeypatch.setenv("CHROMA_HOST", host)
    with pytest.raises(SettingsError, match="CHROMA_HOST"):
        open_client(load_settings(home=tmp_path, mode="live"))


def test_a_server_that_is_gone_is_a_clear_error_and_no_chunk_is_lost(server, on_server):
    """The last test of the server, since it ends it."""
    index = build_index("gone", OLD[:2], FakeEmbedding(), CHUNKING, settings=on_server)
    server[1].kill()
    server[1].wait(20)
    for attempt in (
        lambda: index.find_similar("voucher", 3),
        lambda: build_index("gone", OLD[:3], FakeEmbedding(), CHUNKING, settings=on_server),
        lambda: delete_index("gone", settings=on_server),
    ):
        with pytest.raises(IndexUnreachable, match="Chroma does not answer"):
            attempt()
