"""The connection to Milvus that vectors and words share: inside the walls only, and its errors as sentences."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings

from retrieval.errors import RetrievalError


def milvus_options() -> dict[str, Any]:
    return cast("dict[str, Any]", settings.MILVUS)


class _Asking:
    """Milvus's client; what it cannot do is a RetrievalError `index_unreachable`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        options = milvus_options()
        method = getattr(_connect(options["uri"], options["token"]), name)

        def ask(*args: Any, **given: Any) -> Any:
            from pymilvus.exceptions import MilvusException

            try:
                return method(*args, **given)
            except MilvusException as error:
                raise _unreachable() from error

        return ask


_ASKING = _Asking()


def milvus() -> Any:
    """The client of the settings' server. RetrievalError `milvus_missing`, `milvus_outside` or `index_unreachable`."""
    return _ASKING


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
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        message = "pymilvus is not installed. Install requirements-milvus.txt, or set VECTOR_INDEX_BACKEND to FaissCpuIndex."
        raise RetrievalError("milvus_missing", message, permanent=True) from error
    if not uri.endswith(".db"):  # a file is milvus-lite, in this process
        _check_is_inside(uri)
    try:
        return MilvusClient(uri=uri, token=token)
    except MilvusException as error:
        raise _unreachable() from error


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
