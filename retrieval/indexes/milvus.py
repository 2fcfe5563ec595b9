"""Vectors in Milvus, for more than one machine holds: one collection, a partition's vectors under a key of their own."""

from __future__ import annotations

import json
import uuid
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from retrieval.errors import RetrievalError
from retrieval.indexes import check_rows
from retrieval.milvus_client import (
    LARGEST_TOP_K,
    READ_AT_ONCE,
    PartitionRows,
    load_collection,
    milvus,
    milvus_options,
    partition_schema,
)
from retrieval.passages import FloatMatrix, Hit, IdArray, best_first, hits_of

ADDED_AT_ONCE = 1000


class MilvusIndex:
    """The saved file is a pointer: collection, key, dimension, count. Rows are in Milvus as soon as they are added, before the
    file announces them: what the database does not confirm is dropped at the second gate, as everywhere.

    `search` asks for one key, Milvus's partition key; each hit says its key again, and one of another key is an error."""

    suffix: ClassVar[str] = "milvus"

    def __init__(self, dimension: int, *, key: str, count: int = 0) -> None:
        self.dimension = dimension
        self._key = key
        self._count = count
        self._collection = _collection(dimension)
        self._rows = PartitionRows(self._collection, key)

    @classmethod
    def create(cls, dimension: int) -> Self:
        return cls(dimension, key=uuid.uuid4().hex)

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        check_rows(ids, vectors, self.dimension)
        for start in range(0, len(ids), ADDED_AT_ONCE):
            part = slice(start, start + ADDED_AT_ONCE)
            rows = [
                {"row": self._rows.name(number), "key": self._key, "id": number, "vector": vector}
                for number, vector in zip(ids[part].tolist(), np.asarray(vectors[part], np.float32), strict=True)
            ]
            milvus().upsert(self._collection, rows)
        self._count = self._rows.count() if len(ids) else self._count

    def remove(self, ids: IdArray) -> int:
        before = self._count
        self._rows.remove(ids.tolist())
        self._count = self._rows.count() if len(ids) else before
        return before - self._count

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        if top_k <= 0 or not self._count or not len(vectors):
            return [[] for _ in range(len(vectors))]
        found = milvus().search(
            self._collection, data=list(np.asarray(vectors, np.float32)), filter=self._rows.filter,
            limit=min(top_k, LARGEST_TOP_K), output_fields=["id", "key"],
            search_params=_search_parameters(top_k), consistency_level="Strong",
        )  # fmt: skip
        return [sorted((self._hit(one["entity"], one["distance"]) for one in hits), key=best_first) for hits in found]

    def search_among(self, vectors: FloatMatrix, ids: IdArray, top_k: int) -> list[Hit]:
        """Read and scored here: with a filter, the graph misses some of few."""
        hits: list[Hit] = []
        for start in range(0, len(ids) if top_k > 0 and self._count else 0, READ_AT_ONCE):
            here, rows = self.read(ids[start : start + READ_AT_ONCE])
            hits = sorted([*hits, *hits_of(here, rows @ vectors[0])], key=best_first)[:top_k]
        return hits

    def _hit(self, entity: dict[str, Any], score: float) -> Hit:
        if entity["key"] != self._key:
            raise RetrievalError("index_corrupt", "The search index answered with passages of another partition.", permanent=True)
        return Hit(int(entity["id"]), float(score))

    def __len__(self) -> int:
        return self._count

    def ids(self) -> IdArray:
        return np.fromiter(self._rows.ids(), np.int64)

    def read(self, ids: IdArray) -> tuple[IdArray, FloatMatrix]:
        rows = milvus().get(
            self._collection, ids=[self._rows.name(number) for number in ids.tolist()], output_fields=["id", "vector"]
        )
        found = {int(row["id"]): row["vector"] for row in rows}
        here = [number for number in ids.tolist() if number in found]
        vectors = np.array([found[number] for number in here], np.float32).reshape(len(here), self.dimension)
        return np.array(here, np.int64), vectors

    # --- On disk ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        milvus().flush(self._collection)
        pointer = {"collection": self._collection, "key": self._key, "dimension": self.dimension, "count": self._count}
        path.write_text(json.dumps(pointer), encoding="ascii")

    def files(self) -> set[str]:
        return set()

    def merge(self, folder: Path) -> None:
        return None  # Milvus compacts by itself

    def adopt(self, merged: None) -> bool:
        return False

    def discard(self) -> None:
        self._rows.remove_all()

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:  # noqa: ARG003 - nothing is open
        try:
            pointer = json.loads(path.read_bytes())
            key, dimension, count = uuid.UUID(pointer["key"]).hex, int(pointer["dimension"]), int(pointer["count"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("the file points to no collection") from error
        return cls(dimension, key=key, count=count)


def _search_parameters(top_k: int) -> dict[str, Any]:
    """What the index type wants to be told at a search: HNSW's and CAGRA's beam are as wide as the list at the least."""
    wide = {"HNSW": "ef", "GPU_CAGRA": "itopk_size"}.get(milvus_options()["index_type"])
    width = max(int(milvus_options()["search_width"]), -(-top_k // 32) * 32)
    return {"params": {wide: width}} if wide else {"params": {"nprobe": int(milvus_options()["search_width"])}}


def _collection(dimension: int) -> str:
    """The collection for vectors of this dimension, made when it is missing."""
    name = f"{milvus_options()['collection']}_{dimension}"
    _make_collection(milvus_options()["uri"], name, dimension)
    load_collection(name)
    return name


@cache
def _make_collection(_uri: str, name: str, dimension: int) -> None:
    from pymilvus import DataType, MilvusClient

    if milvus().has_collection(name):
        return
    schema = partition_schema()
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    index = MilvusClient.prepare_index_params()
    index.add_index(
        "vector", index_type=milvus_options()["index_type"], metric_type="IP", params=milvus_options()["index_params"]
    )
    milvus().create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
