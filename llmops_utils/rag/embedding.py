"""The course's embeddings as an embedding function of Chroma."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import numpy as np

from ..models import Model, choose_local_models, name_source

BATCH = 64  # texts per request
MOST_ASKED = 1000  # questions whose vectors are kept


class ModelEmbedding:
    """`Model.embed` in the form that Chroma wants: `chromadb` collections take it as `embedding_function`.

    With the model of this course the vectors come from MiniLM on this machine, each batch padded to its longest text
    only; Chroma's own function for the same model pads every text to 256 tokens.

    Args:
        model: its embedding model is used.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._asked: dict[str, np.ndarray] = {}  # a single text is a question, and often put to several indexes

    def __call__(self, input: Sequence[str]) -> list[np.ndarray]:
        """Return one vector per text. Raises what `Model.embed` raises."""
        texts = list(input)
        if len(texts) == 1 and texts[0] in self._asked:
            return [self._asked[texts[0]].copy()]
        vectors: list[np.ndarray] = []
        for start in range(0, len(texts), BATCH):
            vectors += list(self.model.embed(texts[start : start + BATCH]))
        if len(texts) == 1 and len(self._asked) < MOST_ASKED:
            self._asked[texts[0]] = vectors[0].copy()
        return vectors

    def embed_query(self, input: Sequence[str]) -> list[np.ndarray]:
        """Return one vector per question; the model makes no difference between questions and texts."""
        return self(input)

    @staticmethod
    def name() -> str:
        """Return the name under which Chroma keeps it with a collection."""
        return "llmops_utils"

    def get_config(self) -> dict[str, str]:
        """Return which model makes the vectors, and where its weights come from: what must not differ in an index."""
        connection = self.model.connection
        if connection.settings.is_embedded:
            source = name_source(choose_local_models(connection.settings)[1])
        else:
            source = urlsplit(connection.base_url).hostname or connection.base_url
        return {"model": connection.embedding_model, "source": source}

    @classmethod
    def build_from_config(cls, config: dict[str, str]) -> ModelEmbedding:
        """Return an embedding function by the settings of today; Chroma calls it for a collection opened without one."""
        return cls(Model("rag"))

    @staticmethod
    def validate_config(config: dict[str, str]) -> None:
        """Accept any; `build_index` compares them."""

    def validate_config_update(self, old_config: dict[str, str], new_config: dict[str, str]) -> None:
        """Accept any; `build_index` compares them."""

    def default_space(self) -> str:
        """Return how vectors are compared."""
        return "cosine"

    def supported_spaces(self) -> list[str]:
        """Return the ways in which vectors may be compared."""
        return ["cosine"]

    def is_legacy(self) -> bool:
        """Return that it has a name and a configuration."""
        return False
