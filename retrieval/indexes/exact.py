"""Exact search in numpy: short enough to be read as the truth that the other backends are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from retrieval.indexes import check_rows
from retrieval.passages import FloatMatrix, Hit, IdArray, best_first, hits_of


class ExactIndex:
    suffix: ClassVar[str] = "npy"

    def __init__(self, ids: IdArray, vectors: FloatMatrix) -> None:
        self._ids = ids
        self._vectors = vectors
        self.dimension = int(vectors.shape[1])

    @classmethod
    def create(cls, dimension: int) -> Self:
        return cls(np.empty(0, np.int64), np.empty((0, dimension), np.float32))

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        check_rows(ids, vectors, self.dimension)
        self.remove(ids)
        self._ids = np.concatenate([self._ids, ids.astype(np.int64)])
        self._vectors = np.concatenate([self._vectors, vectors.astype(np.float32)])

    def remove(self, ids: IdArray) -> int:
        kept = ~np.isin(self._ids, ids)
        removed = len(self._ids) - int(kept.sum())
        self._ids, self._vectors = self._ids[kept], self._vectors[kept]
        return removed

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        found = []
        for scores in vectors @ self._vectors.T:
            order = np.lexsort((self._ids, -scores))[:top_k]
            found.append(hits_of(self._ids[order], scores[order]))
        return found

    def search_among(self, vectors: FloatMatrix, ids: IdArray, top_k: int) -> list[Hit]:
        here, rows = self.read(ids)
        return sorted(hits_of(here, rows @ vectors[0]), key=best_first)[:top_k]

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> IdArray:
        return self._ids.copy()

    def read(self, ids: IdArray) -> tuple[IdArray, FloatMatrix]:
        row_of = {number: row for row, number in enumerate(self._ids.tolist())}
        here = [number for number in ids.tolist() if number in row_of]
        return np.array(here, np.int64), self._vectors[[row_of[number] for number in here]]

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, self._ids, allow_pickle=False)
            np.save(file, self._vectors, allow_pickle=False)

    def files(self) -> set[str]:
        return set()

    def merge(self, folder: Path) -> None:
        return None

    def adopt(self, merged: None) -> bool:
        return False

    def discard(self) -> None:
        pass

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:  # noqa: ARG003 - all is read anew
        with path.open("rb") as file:
            try:
                ids = np.load(file, allow_pickle=False)
                vectors = np.load(file, allow_pickle=False)
            except EOFError as error:
                raise ValueError("the file ends early") from error
        if ids.dtype != np.int64 or vectors.dtype != np.float32 or vectors.ndim != 2 or ids.shape != vectors.shape[:1]:
            raise ValueError("the file holds no index")
        return cls(ids, vectors)
