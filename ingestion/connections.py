"""Gives the database connection back while something slow runs: a model, a stream, a thread that ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

T = TypeVar("T")


def lend_connection() -> None:
    """Give a connection back while a model works in this thread. SQLite's stays: it keeps nobody else waiting, and this happens
    several times in an answer. One that had an error goes, too."""
    if connection.vendor != "sqlite" or connection.errors_occurred:
        release_connection()


def release_connection() -> None:
    """Close this thread's connection (with a pool: return it): before a wait, and where a thread ends. Within a transaction it
    stays, since it holds the work."""
    if not connection.in_atomic_block:
        connection.close()


async def in_thread(work: Callable[[], T]) -> T:
    """Database work off the event loop, in the request's thread, whose connection is given back at once: what waits must not hold
    one."""

    def run() -> T:
        try:
            return work()
        finally:
            release_connection()

    return await sync_to_async(run)()
