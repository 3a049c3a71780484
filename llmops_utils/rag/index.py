"""The index: chunks with their vectors in a Chroma collection, kept in step with the pages.

A chunk's id holds a checksum of its page and of the chunking, so bringing the collection into step is a difference of
two sets: ids that should not be there are deleted, ids that are missing are embedded and added. A run that was killed
left one of the two unfinished; the next one finishes it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np

from ..core import DataError, Settings, clean_text, clean_values, hold_lock, load_settings, unify_text
from ..models import Model, choose_local_models, name_source
from .chroma import IndexChanged, IndexMismatch, import_chroma, open_client, translate_faults
from .chunks import DEFAULT_CHUNKING, Chunk, Chunking, split_pages
from .pages import Page

CHANGING = "being changed"  # what a collection says of its content while a run is at work, or was killed
BATCH = 64  # chunks that are embedded and added in one step; a killed run loses no more than one step
# The search among neighbours is wide enough to find what a search through all would find, up to tens of thousands.
# After `sync_threshold` new chunks Chroma writes its graph of neighbours to disk and forgets the log of what was added.
# A client that was open before then lacks what is no longer in the log, and where it went on, it would write its own
# graph and lose those vectors for good (Chroma 1.5.9). So `build_index` opens a client of its own, `find_similar` asks
# whether anything changed before it touches the graph, and the number is so large that a usual index keeps its whole
# log; each process builds its graph from that, in about a second for 2,000 chunks.
HNSW = {"space": "cosine", "ef_construction": 128, "ef_search": 200, "sync_threshold": 10_000}


class ModelEmbedding:
    """`Model.embed` for an index; unlike Chroma's own function for MiniLM it does not pad every text to 256 tokens."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def __call__(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return one vector per text. Raises what `Model.embed` raises."""
        return list(self.model.embed(texts))

    def describe(self) -> str:
        """Return which model makes the vectors, and where its weights come from: what must not differ in an index."""
        connection = self.model.connection
        if connection.settings.is_embedded:
            source = name_source(choose_local_models(connection.settings)[1])
        else:
            source = urlsplit(connection.base_url).hostname or connection.base_url
        return f"llmops_utils, model {connection.embedding_model}, source {source}"


@dataclass(frozen=True)
class Index:
    """Chunks that can be found by the meaning of a question. Made by `build_index`."""

    name: str
    chunks: Mapping[str, Chunk] = field(repr=False)  # by id, in the order of the pages
    collection: object = field(repr=False, compare=False)  # Chroma's own
    embedding: ModelEmbedding = field(repr=False, compare=False)
    client: object = field(repr=False, compare=False)
    content: str = field(repr=False)  # a checksum of the ids; the collection says the same while nobody changed it

    def __len__(self) -> int:
        return len(self.chunks)

    def find_similar(self, question: str, k: int, where: Mapping | None = None) -> list[tuple[Chunk, float]]:
        """Return the k chunks nearest to a question, the nearest first, each with its cosine.

        `where` is as in `Retriever`. Raises `DataError` where the question's vector cannot be used, `IndexChanged`
        where the collection holds other chunks by now, and `IndexUnreachable` where the Chroma server is gone.
        """
        allowed = [id for id, chunk in self.chunks.items() if chunk.passes(where)]
        if not allowed:
            return []
        vector = self.embedding([unify_text(question)])[0]
        _check_vector(vector, "the question")
        with translate_faults():
            self._check_unchanged()
            found = self.collection.query(
                query_embeddings=[vector],
                ids=allowed if where else None,
                n_results=min(k, len(allowed)),
                include=["distances"],
            )
            self._check_unchanged()  # or it was just then
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        scored = [(self.chunks[id], 1.0 - float(distance)) for id, distance in pairs]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0].id))

    def _check_unchanged(self) -> None:
        stated = self.client.get_collection(self.name, embedding_function=None).metadata
        if (stated or {}).get("content") != self.content:
            raise IndexChanged(
                f"The index “{self.name}” was changed by another notebook or process.", "Build it again in this one."
            )


def build_index(
    name: str,
    pages: Sequence[Page],
    embedding: ModelEmbedding,
    chunking: Chunking = DEFAULT_CHUNKING,
    *,
    settings: Settings | None = None,
) -> Index:
    """Return the index of the pages: new and changed pages are embedded, those that are gone are deleted.

    Raises:
        DataError: pages, their metadata or vectors, or the name are none that an index can hold.
        IndexMismatch: an index of that name was made with another embedding model or chunking; give another name.
        IndexUnreachable: the Chroma server or the folder does not answer.
    """
    settings = settings or load_settings()
    if not pages or len({page.name for page in pages}) != len(pages):
        raise DataError("There is no page to index, or two pages share a name.", "Load them with load_pages.")
    for page in pages:
        _check_metadata(page)
    chunks = {chunk.id: chunk for chunk in split_pages(pages, chunking)}
    if not chunks:
        raise DataError("The pages hold no text.", "Check what they were made from.")
    with hold_lock(settings.home / "indexes"), translate_faults():
        client = open_client(settings)
        collection = _open_collection(client, name, embedding, chunking)
        present = set(collection.get(include=[])["ids"])
        stale = sorted(present - set(chunks))
        missing = [chunk for chunk in chunks.values() if chunk.id not in present]
        content = hashlib.sha256("\n".join(sorted(chunks)).encode()).hexdigest()[:16]
        if stale or missing or collection.metadata.get("content") != content:
            collection.modify(metadata={**collection.metadata, "content": CHANGING})
        for start in range(0, len(stale), BATCH):
            collection.delete(ids=stale[start : start + BATCH])
        for start in range(0, len(missing), BATCH):
            added = missing[start : start + BATCH]
            vectors = embedding([chunk.searched for chunk in added])
            for chunk, vector in zip(added, vectors, strict=True):
                _check_vector(vector, f"a part of the page {chunk.page.name}")
            # An upsert, since on a server another process may have added the same chunk meanwhile.
            collection.upsert(
                ids=[chunk.id for chunk in added],
                embeddings=vectors,
                documents=[chunk.text for chunk in added],
                metadatas=[chunk.metadata for chunk in added],
            )
        if collection.metadata.get("content") != content:
            collection.modify(metadata={**collection.metadata, "content": content})
    return Index(name, chunks, collection, embedding, client, content)


def delete_index(name: str, *, settings: Settings | None = None) -> None:
    """Delete an index; where there is none, nothing happens."""
    settings = settings or load_settings()
    absent = import_chroma().errors.NotFoundError
    with hold_lock(settings.home / "indexes"), translate_faults(), suppress(absent):
        open_client(settings).delete_collection(name)


def _open_collection(client, name: str, embedding: ModelEmbedding, chunking: Chunking):
    """Return the collection, made where it is not there. Raises `IndexMismatch` where another one bears its name."""
    wanted = {"embedding": embedding.describe(), "chunking": str(chunking)}
    # The collection is made without an embedding function: what makes its vectors stands in its metadata, where this
    # function compares it. Of two processes at once, the second gets the first's.
    collection = client.get_or_create_collection(
        name, metadata=wanted, embedding_function=None, configuration={"hnsw": dict(HNSW)}
    )
    stated = collection.metadata or {}
    for part, value in wanted.items():
        if stated.get(part) != value:
            raise IndexMismatch(
                f"The index “{name}” was made with another {part} ({stated.get(part, 'not stated')}) than is asked for "
                f"({value}). Vectors and chunks of the two cannot be mixed.",
                f"Give this one another name, or delete the old one: delete_index({name!r}).",
            )
    return collection


def _check_metadata(page: Page) -> None:
    """Raise `DataError` unless Chroma can hold the metadata of a page."""
    for key, value in page.metadata.items():
        is_key = isinstance(key, str) and key and key[0] not in "#$" and key != "chroma:document"
        is_value = isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
        if not is_key or not is_value or clean_values([key, value]) != [key, value]:
            raise DataError(
                clean_text(f"The page {page.name} has a field that an index cannot hold: {key!r} with {value!r}."),
                "Give a name that does not begin with # or $, and a text or a number; write a date as a text.",
            )


def _check_vector(vector: Sequence[float], what: str) -> None:
    if len(vector) == 0 or not all(map(math.isfinite, vector)):
        raise DataError(
            f"The embedding model gave no vector of finite numbers for {what}.",
            "Ask again; where it stays so, take another embedding model.",
        )
