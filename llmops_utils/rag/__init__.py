"""Answers from documents: load, cut, embed, index, search, answer and measure."""

from .chunks import Chunk, Chunking, describe_place, split_pages
from .index import Index, ModelEmbedding, build_index, delete_index
from .measures import Passage
from .pages import Page, load_pages, parse_page
from .search import Hit, LexicalIndex, Retriever, fuse_ranks, split_words
