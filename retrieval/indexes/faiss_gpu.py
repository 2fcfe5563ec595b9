"""Exact search in FAISS on a graphics processor. The index in main memory is the truth; the device holds a copy of it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np

from retrieval.errors import RetrievalError
from retrieval.indexes.faiss_cpu import FaissCpuIndex
from retrieval.indexes.segments import Part, Rows, Segment
from retrieval.passages import FloatMatrix

LARGEST_TOP_K = 2048  # of FAISS on a device; a deeper search runs on the processor


class FaissGpuIndex(FaissCpuIndex):
    """Writes as FaissCpuIndex does. The device holds a flat copy of each segment, made when it is first searched; a segment
    never changes, so a write costs the device the new segment alone. No index on a device can remove, and without cuVS it
    ignores selectors: what is dead is found and dropped, and more is asked for."""

    suffix: ClassVar[str] = "faiss"

    def __init__(self, dimension: int, parts: Sequence[Part] = ()) -> None:
        super().__init__(dimension, parts)
        _resources()
        self._copies: WeakKeyDictionary[Segment, Any] = WeakKeyDictionary()
        self._device = threading.Lock()  # the device's working memory is for one search at a time

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:
        loaded = super().load(path, previous)
        if previous is not None:
            loaded._copies, loaded._device = previous._copies, previous._device
        return loaded

    def _nearest(self, segment: Segment, vectors: FloatMatrix, depth: int, all_lists: bool) -> Rows:
        import faiss

        if min(depth, len(segment)) > LARGEST_TOP_K:
            return super()._nearest(segment, vectors, depth, all_lists)
        segment.check_unchanged()
        with self._device:
            copy = self._copies.get(segment)
            if copy is None:
                copy = faiss.GpuIndexFlatIP(_resources(), self.dimension)
                copy.add(np.ascontiguousarray(segment.vectors))
                self._copies[segment] = copy
            scores, rows = copy.search(vectors, depth)
        return rows, scores


@cache
def _resources() -> Any:
    """The device's working memory, shared by all indexes of the process."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources") or faiss.get_num_gpus() == 0:
        message = "This host has no graphics processor that FAISS can use. Set VECTOR_INDEX_BACKEND to FaissCpuIndex."
        raise RetrievalError("gpu_missing", message, permanent=True)
    return faiss.StandardGpuResources()
