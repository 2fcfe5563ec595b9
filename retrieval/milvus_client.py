"""The connection to Milvus that vectors and words share: inside the walls only, and its errors as sentences."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings

from retrieval.errors import RetrievalError

READ_AT_ONCE = 4000
LARGEST_TOP_K = 16_384  # of Milvus


def milvus_options() -> dict[str, Any]:
    return cast("dict[str, Any]", settings.MILVUS)


class _Asking:
    """Milvus's client, whose errors are sentences."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        options = milvus_options()
        method = getattr(_connect(options["uri"], options["token"]), name)

        def ask(*args: Any, **given: Any) -> Any:
            with _errors_as_sentences():
                return method(*args, **given)

        return ask


@contextmanager
def _errors_as_sentences() -> Iterator[None]:
    """What Milvus cannot do, as RetrievalError `index_unreachable`."""
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise _unreachable() from error


_ASKING = _Asking()


def milvus() -> Any:
    """The client of the settings' server. RetrievalError `milvus_missing`, `milvus_outside` or `index_unreachable`."""
    return _ASKING


class PartitionRows:
    """A partition's rows in a collection: those with its key, Milvus's partition key. Vectors and words are kept alike."""

    def __init__(self, collection: str, key: str) -> None:
        self._collection = collection
        self.filter = f'key == "{key}"'
        self._key = key

    def name(self, number: int) -> str:
        """The primary key of a passage; one may be in two partitions while it moves."""
        return f"{self._key}:{number}"

    def count(self) -> int:
        found = milvus().query(self._collection, filter=self.filter, output_fields=["count(*)"], consistency_level="Strong")
        return int(found[0]["count(*)"])

    def ids(self) -> Iterator[int]:
        reader = milvus().query_iterator(
            self._collection, batch_size=READ_AT_ONCE, filter=self.filter, output_fields=["id"], consistency_level="Strong"
        )
        while True:
            with _errors_as_sentences():  # each part is a question of its own
                batch = reader.next()
            if not batch:
                break
            yield from (int(row["id"]) for row in batch)
        reader.close()

    def remove(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), READ_AT_ONCE):
            names = [self.name(number) for number in ids[start : start + READ_AT_ONCE]]
            milvus().delete(self._collection, ids=names)

    def remove_all(self) -> None:
        milvus().delete(self._collection, filter=self.filter)


def partition_schema() -> Any:
    """The fields that every collection of partitions has: the row's name, the partition's key and the passage's id."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("row", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("key", DataType.VARCHAR, max_length=32, is_partition_key=True)
    schema.add_field("id", DataType.INT64)
    return schema


def load_collection(name: str) -> None:
    """Have it ready for searches, once in a process: a server that was started again may have it on disk only."""
    _load(milvus_options()["uri"], name)


@cache
def _load(_uri: str, name: str) -> None:
    milvus().load_collection(name)


@cache
def _connect(uri: str, token: str) -> Any:
    try:
        from pymilvus import MilvusClient
    except ImportError as error:
        message = "pymilvus is not installed. Install requirements-milvus.txt, or set VECTOR_INDEX_BACKEND to FaissCpuIndex."
        raise RetrievalError("milvus_missing", message, permanent=True) from error
    if not uri.endswith(".db"):  # a file is milvus-lite, in this process
        _check_is_inside(uri)
    with _errors_as_sentences():
        return MilvusClient(uri=uri, token=token)


def _unreachable() -> RetrievalError:
    message = (
        "The search index in Milvus did not answer. Try again in a minute; an administrator finds its address in MILVUS_URI."
    )
    return RetrievalError("index_unreachable", message)


def _check_is_inside(uri: str) -> None:
    """Nothing leaves the walls: every address of the server must be private. RetrievalError `milvus_outside`."""
    address = urlsplit(uri)
    try:
        found = {item[4][0] for item in socket.getaddrinfo(address.hostname or "", address.port or 19530)}
    except OSError as error:
        raise _unreachable() from error
    if not all(ipaddress.ip_address(one).is_private for one in found):
        message = f"MILVUS_URI points outside: {address.hostname} is no private address, and no passage may leave."
        raise RetrievalError("milvus_outside", message, permanent=True)
