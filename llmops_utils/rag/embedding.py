"""Vectors of chunks and questions from the model, and what must not differ between two uses of an index."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np

from ..models import Model, choose_local_models, name_source


class ModelEmbedding:
    """`Model.embed` for an index.

    With the model of this course the vectors come from MiniLM on this machine, each batch padded to its longest text
    only; Chroma's own function for the same model pads every text to 256 tokens.
    """

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
