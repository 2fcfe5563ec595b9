"""Gives the database connection back while something slow runs: a model, a stream, a thread that ends."""

from __future__ import annotations

from django.db import connection


def release_connection() -> None:
    """Close this thread's connection (with a pool: return it). Within a transaction it stays, since it holds the work."""
    if not connection.in_atomic_block:
        connection.close()
