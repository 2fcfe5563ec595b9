"""Exact search in FAISS on the processor: a flat index, since a partition that fits its audience is small enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from retrieval.indexes import check_rows
from retrieval.passages import FloatMatrix, Hit, IdArray, best_first


class FaissCpuIndex:
    suffix: ClassVar[str] = "faiss"

    def __init__(self, index: Any) -> None:
        self._index = index
        self.dimension = int(index.d)

    @classmethod
    def create(cls, dimension: int) -> Self:
        import faiss

        return cls(faiss.IndexIDMap2(faiss.IndexFlatIP(dimension)))

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        check_rows(ids, vectors, self.dimension)
        if len(ids):
            self.remove(ids)  # FAISS would keep both
            self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(ids, np.int64))

    def remove(self, ids: IdArray) -> int:
        return int(self._index.remove_ids(np.ascontiguousarray(ids, np.int64))) if len(ids) else 0

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        """One thread per caller: FAISS divides a flat search by questions, of which there is one, yet wakes every core for
        it. Measured on a busy two-core host, 11,429 passages: 25 ms with two threads, 2 ms with one."""
        import faiss

        faiss.omp_set_num_threads(1)  # counts for the calling thread alone, hence at each search
        return search_faiss(self._index, vectors, top_k)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def ids(self) -> IdArray:
        import faiss

        ids: IdArray = faiss.vector_to_array(self._index.id_map).astype(np.int64)
        return ids

    def save(self, path: Path) -> None:
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> Self:
        import faiss

        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise ValueError("FAISS cannot read the file") from error
        if not isinstance(index, faiss.IndexIDMap2):
            raise ValueError("the file holds another kind of index")
        return cls(index)


def search_faiss(index: Any, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
    """Search any FAISS index with ids: no padding with -1, and equal scores in the order of their ids."""
    top_k = min(top_k, int(index.ntotal))
    if top_k <= 0:
        return [[] for _ in range(len(vectors))]
    scores, ids = index.search(np.ascontiguousarray(vectors, np.float32), top_k)
    return [
        sorted((Hit(int(id_), float(score)) for id_, score in zip(*row, strict=True) if id_ >= 0), key=best_first)
        for row in zip(ids, scores, strict=True)
    ]
