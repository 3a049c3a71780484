"""Answers from documents: load, cut, embed, index, search, answer and measure."""

from .chunks import Chunk, Chunking, describe_place, split_page, split_pages
from .embedding import ModelEmbedding
from .index import Index, build_index, delete_index, open_client
from .measures import Span
from .pages import Page, load_pages, parse_page
from .search import Hit, LexicalIndex, ModelReranker, Retriever, fuse_ranks, put_outdated_last, split_words
from .stdlib import gather_stdlib_pages

__all__ = [
    "Chunk",
    "Chunking",
    "Hit",
    "Index",
    "LexicalIndex",
    "ModelEmbedding",
    "ModelReranker",
    "Page",
    "Retriever",
    "Span",
    "build_index",
    "delete_index",
    "describe_place",
    "fuse_ranks",
    "gather_stdlib_pages",
    "load_pages",
    "open_client",
    "parse_page",
    "put_outdated_last",
    "split_page",
    "split_pages",
    "split_words",
]
