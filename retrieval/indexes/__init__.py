"""The vector index seam: one instance is the vectors of one partition. The backend is chosen in settings.VECTOR_INDEX."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast

from django.conf import settings
from django.utils.module_loading import import_string

from retrieval.passages import FloatMatrix, Hit, IdArray


class VectorIndex(Protocol):
    """Search by inner product over unit rows: exact scores, and all of the nearest, or of many rows a measured share of them.

    Searches may run side by side; a writer works on its own instance."""

    suffix: ClassVar[str]  # of the file that `save` writes; backends with the same suffix read each other's files
    dimension: int

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        """ids (n,) int64, each once; vectors (n, dimension) float32 unit rows. Ids that are there already are replaced."""
        ...

    def remove(self, ids: IdArray) -> int:
        """Take these ids out; how many were there."""
        ...

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        """For each row the nearest hits: cosine descending, equal scores by id, fewer than top_k in a small index."""
        ...

    def search_among(self, vectors: FloatMatrix, ids: IdArray, top_k: int) -> list[Hit]:
        """The nearest of these ids to the one row of `vectors` (1, dimension); ids that are not there are left out."""
        ...

    def __len__(self) -> int: ...

    def ids(self) -> IdArray:
        """All ids, in no order."""
        ...

    def read(self, ids: IdArray) -> tuple[IdArray, FloatMatrix]:
        """Those of these ids that are there, in their order, and their (n, dimension) vectors. `ids`: each once."""
        ...

    def save(self, path: Path) -> None:
        """Write one file, and whole beside it the files it names. Not atomic and not fsynced: that is the store's work."""
        ...

    def files(self) -> set[str]:
        """The names of the files beside the saved one that it needs; the store deletes the others that begin "segment-"."""
        ...

    def merge(self, folder: Path) -> Any:
        """The slow part of keeping searches quick, done without the writer's lock; None when there is nothing to do."""
        ...

    def adopt(self, merged: Any) -> bool:
        """Take over what `merge` of an earlier instance made; False when this one has changed too much since."""
        ...

    def discard(self) -> None:
        """Free what it holds elsewhere than in its files; it is not used any more."""
        ...

    @classmethod
    def create(cls, dimension: int) -> Self: ...

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:
        """Read what `save` wrote; ValueError when it is not such a file, or when a file that it names is not what was saved.
        The integrity of `path` itself is the store's work (sha256). What `previous` has open and is the same is shared."""
        ...


BACKENDS = {
    "faiss": "retrieval.indexes.faiss_cpu.FaissCpuIndex",
    "npy": "retrieval.indexes.exact.ExactIndex",
    "milvus": "retrieval.indexes.milvus.MilvusIndex",
}


def index_class() -> type[VectorIndex]:
    """The configured backend: that of new partitions."""
    backend: type[VectorIndex] = import_string(cast("dict[str, Any]", settings.VECTOR_INDEX)["BACKEND"])
    return backend


def index_class_of(suffix: str) -> type[VectorIndex]:
    """The backend that reads files of this suffix: the configured one if it does, since a partition may not have moved to it
    yet. ValueError for an unknown one."""
    configured = index_class()
    if configured.suffix == suffix:
        return configured
    if suffix not in BACKENDS:
        raise ValueError(f"{suffix!r} is no backend's suffix")
    backend: type[VectorIndex] = import_string(BACKENDS[suffix])
    return backend


def check_rows(ids: IdArray, vectors: FloatMatrix, dimension: int) -> None:
    """What every backend refuses: ValueError for other shapes, an id given twice, or numbers that are not finite."""
    import numpy as np

    if ids.ndim != 1 or vectors.shape != (len(ids), dimension):
        raise ValueError(f"{ids.shape} ids and {vectors.shape} vectors do not make rows of dimension {dimension}")
    if len(np.unique(ids)) != len(ids):
        raise ValueError("an id is given twice")
    if len(ids) and int(ids.min()) < 0:
        raise ValueError("an id is negative")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector is not finite")
