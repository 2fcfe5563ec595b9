"""Vectors in Milvus, for more than one machine holds: one collection, a partition's vectors under a key of their own."""

from __future__ import annotations

import ipaddress
import json
import socket
import uuid
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

import numpy as np
from django.conf import settings

from retrieval.errors import RetrievalError
from retrieval.indexes import check_rows
from retrieval.passages import FloatMatrix, Hit, IdArray, best_first

ADDED_AT_ONCE = 1000
READ_AT_ONCE = 4000
LARGEST_TOP_K = 16_384  # of Milvus


class MilvusIndex:
    """The saved file is a pointer: collection, key, dimension, count. Rows are in Milvus as soon as they are added, before the
    file announces them: what the database does not confirm is dropped at the second gate, as everywhere.

    `search` asks for one key, Milvus's partition key; each hit says its key again, and one of another key is an error."""

    suffix: ClassVar[str] = "milvus"

    def __init__(self, dimension: int, *, key: str, count: int = 0) -> None:
        self.dimension = dimension
        self._key = key
        self._count = count
        self._filter = f'key == "{key}"'
        self._collection = _collection(dimension)

    @classmethod
    def create(cls, dimension: int) -> Self:
        return cls(dimension, key=uuid.uuid4().hex)

    def add(self, ids: IdArray, vectors: FloatMatrix) -> None:
        check_rows(ids, vectors, self.dimension)
        for start in range(0, len(ids), ADDED_AT_ONCE):
            part = slice(start, start + ADDED_AT_ONCE)
            rows = [
                {"row": self._row(number), "key": self._key, "id": number, "vector": vector}
                for number, vector in zip(ids[part].tolist(), np.asarray(vectors[part], np.float32), strict=True)
            ]
            _client().upsert(self._collection, rows)
        self._count = self._counted() if len(ids) else self._count

    def remove(self, ids: IdArray) -> int:
        before = self._count
        for start in range(0, len(ids), READ_AT_ONCE):
            _client().delete(self._collection, ids=[self._row(number) for number in ids[start : start + READ_AT_ONCE].tolist()])
        self._count = self._counted() if len(ids) else before
        return before - self._count

    def search(self, vectors: FloatMatrix, top_k: int) -> list[list[Hit]]:
        if top_k <= 0 or not self._count or not len(vectors):
            return [[] for _ in range(len(vectors))]
        found = _client().search(
            self._collection, data=list(np.asarray(vectors, np.float32)), filter=self._filter, limit=min(top_k, LARGEST_TOP_K),
            output_fields=["id", "key"], search_params=_search_parameters(top_k), consistency_level="Strong",
        )  # fmt: skip
        return [sorted((self._hit(one["entity"], one["distance"]) for one in hits), key=best_first) for hits in found]

    def _hit(self, entity: dict[str, Any], score: float) -> Hit:
        if entity["key"] != self._key:
            raise RetrievalError("index_corrupt", "The search index answered with passages of another partition.", permanent=True)
        return Hit(int(entity["id"]), float(score))

    def __len__(self) -> int:
        return self._count

    def _counted(self) -> int:
        found = _client().query(self._collection, filter=self._filter, output_fields=["count(*)"], consistency_level="Strong")
        return int(found[0]["count(*)"])

    def ids(self) -> IdArray:
        reader = _client().query_iterator(
            self._collection, batch_size=READ_AT_ONCE, filter=self._filter, output_fields=["id"], consistency_level="Strong"
        )
        found: list[int] = []
        while batch := reader.next():
            found += [int(row["id"]) for row in batch]
        reader.close()
        return np.array(found, np.int64)

    def read(self, ids: IdArray) -> tuple[IdArray, FloatMatrix]:
        rows = _client().get(self._collection, ids=[self._row(number) for number in ids.tolist()], output_fields=["id", "vector"])
        found = {int(row["id"]): row["vector"] for row in rows}
        here = [number for number in ids.tolist() if number in found]
        vectors = np.array([found[number] for number in here], np.float32).reshape(len(here), self.dimension)
        return np.array(here, np.int64), vectors

    def _row(self, number: int) -> str:
        """The primary key; a passage may be in two partitions while it moves."""
        return f"{self._key}:{number}"

    # --- On disk ------------------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        _client().flush(self._collection)
        pointer = {"collection": self._collection, "key": self._key, "dimension": self.dimension, "count": self._count}
        path.write_text(json.dumps(pointer), encoding="ascii")

    def files(self) -> set[str]:
        return set()

    def merge(self, folder: Path) -> None:
        return None  # Milvus compacts by itself

    def adopt(self, merged: None) -> bool:
        return False

    def discard(self) -> None:
        _client().delete(self._collection, filter=self._filter)

    @classmethod
    def load(cls, path: Path, previous: Self | None = None) -> Self:  # noqa: ARG003 - nothing is open
        try:
            pointer = json.loads(path.read_bytes())
            key, dimension, count = uuid.UUID(pointer["key"]).hex, int(pointer["dimension"]), int(pointer["count"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("the file points to no collection") from error
        return cls(dimension, key=key, count=count)


def _options() -> dict[str, Any]:
    return cast("dict[str, Any]", settings.MILVUS)


def _search_parameters(top_k: int) -> dict[str, Any]:
    """What the index type wants to be told at a search: HNSW's and CAGRA's beam are as wide as the list at the least."""
    wide = {"HNSW": "ef", "GPU_CAGRA": "itopk_size"}.get(_options()["index_type"])
    width = max(int(_options()["search_width"]), -(-top_k // 32) * 32)
    return {"params": {wide: width}} if wide else {"params": {"nprobe": int(_options()["search_width"])}}


@cache
def _connect(uri: str, token: str) -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        message = "pymilvus is not installed. Install requirements-milvus.txt, or set VECTOR_INDEX_BACKEND to FaissCpuIndex."
        raise RetrievalError("milvus_missing", message, permanent=True) from error
    if not uri.endswith(".db"):  # a file is milvus-lite, in this process
        _check_is_inside(uri)
    return MilvusClient(uri=uri, token=token)


def _check_is_inside(uri: str) -> None:
    """Nothing leaves the walls: every address of the server must be private. RetrievalError `milvus_outside`."""
    address = urlsplit(uri)
    found = {item[4][0] for item in socket.getaddrinfo(address.hostname or "", address.port or 19530)}
    if not all(ipaddress.ip_address(one).is_private for one in found):
        message = f"MILVUS_URI points outside: {address.hostname} is no private address, and no passage may leave."
        raise RetrievalError("milvus_outside", message, permanent=True)


def _client() -> Any:
    return _connect(_options()["uri"], _options()["token"])


def _collection(dimension: int) -> str:
    """The collection for vectors of this dimension, made when it is missing."""
    name = f"{_options()['collection']}_{dimension}"
    _make_collection(_options()["uri"], name, dimension)
    return name


@cache
def _make_collection(_uri: str, name: str, dimension: int) -> None:
    from pymilvus import DataType, MilvusClient

    client = _client()
    if client.has_collection(name):
        return
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("key", DataType.VARCHAR, max_length=32, is_partition_key=True)
    schema.add_field("id", DataType.INT64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    index = client.prepare_index_params()
    index.add_index("vector", index_type=_options()["index_type"], metric_type="IP", params=_options()["index_params"])
    client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
