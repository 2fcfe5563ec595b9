"""Exact search in FAISS on a graphics processor. The index in main memory is the truth; the device holds a copy of it."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

from retrieval.errors import RetrievalError
from retrieval.indexes.faiss_cpu import FaissCpuIndex, search_faiss
from retrieval.passages import FloatMatrix, Hit, IdArray

LARGEST_TOP_K = 2048  # of FAISS on a device; a deeper search runs on the processor


class FaissGpuIndex(FaissCpuIndex):
    """Writes as FaissCpuIndex does, because no index on a device can remove; the copy is made anew when it is needed."""

    suffix: ClassVar[str] = "faiss"

    def __init__(self, index: Any) -> None:
        super().__init__(index)
        _resources()
        self._copy: Any = None
        self._device = threading.Lock()  # the device's working memory is for one search at a time

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        super().add(ids, vectors)
        self._copy = None

    def remove(self, ids: IdArray) -> int:
        removed = super().remove(ids)
        self._copy = None
        return removed

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        import faiss

        if min(top_k, len(self)) > LARGEST_TOP_K:
            return super().search(vectors, top_k)
        with self._device:
            if self._copy is None:
                self._copy = faiss.index_cpu_to_gpu(_resources(), 0, self._index)
            return search_faiss(self._copy, vectors, top_k)

    @classmethod
    def load(cls, path: Path) -> Self:
        _resources()
        return super().load(path)


@cache
def _resources() -> Any:
    """The device's working memory, shared by all indexes of the process."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        message = "This host has no graphics processor that FAISS can use. Set VECTOR_INDEX_BACKEND to FaissCpuIndex."
        raise RetrievalError("gpu_missing", message, permanent=True)
    return faiss.StandardGpuResources()
