"""Answers from documents: load, cut, embed, index, search, answer and measure."""

from .chunks import Chunk, Chunking, split_page, split_pages
from .embedding import ModelEmbedding
from .index import Index, build_index, delete_index, open_client
from .pages import Page, load_pages, parse_page
from .search import Hit, Retriever

__all__ = [
    "Chunk",
    "Chunking",
    "Hit",
    "Index",
    "ModelEmbedding",
    "Page",
    "Retriever",
    "build_index",
    "delete_index",
    "load_pages",
    "open_client",
    "parse_page",
    "split_page",
    "split_pages",
]
