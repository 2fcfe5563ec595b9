from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.passages import FloatMatrix

DIMENSION = 64


class HashingEmbedder:
    """Words are hashed to coordinates: no model, no waiting, and texts that share words are near each other."""

    dimension = DIMENSION
    max_tokens = 254

    def __init__(self, name: str = "hashing", model: Path | None = None) -> None:
        """With another model, the same words lie in other directions."""
        self.name = f"{model.name}@1" if model else name
        self.salt = model.name if model else ""
        self.embedded: list[str] = []

    def embed_queries(self, texts: Sequence[str]) -> FloatMatrix:
        return self._embed(texts)

    def embed_passages(self, texts: Sequence[str]) -> FloatMatrix:
        return self._embed(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(re.findall(r"\w+", text)) for text in texts]

    def _embed(self, texts: Sequence[str]) -> FloatMatrix:
        self.embedded += texts
        vectors = np.zeros((len(texts), DIMENSION), np.float32)
        for row, text in enumerate(texts):
            vectors[row, 0] = 0.01  # so that a text without words has a direction too
            for word in re.findall(r"\w+", text.lower()):
                vectors[row, 1 + zlib.crc32((self.salt + word).encode()) % (DIMENSION - 1)] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
