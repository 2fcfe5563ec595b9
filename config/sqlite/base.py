"""Django's SQLite with a pool, as its PostgreSQL has one: under ASGI each request has a thread of its own, and so a connection.
A new one costs the registering of Django's functions and the reading of the schema, more than a query does."""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections import defaultdict, deque
from typing import Any

from django.db.backends.sqlite3 import base

MOST_IDLE = 16
_File = tuple[int, int]


class _Pool:
    """Connections that nobody uses, by path, each with the file that it has open."""

    def __init__(self) -> None:
        self._idle: defaultdict[str, deque[tuple[_File, sqlite3.Connection]]] = defaultdict(deque)
        self._of_parent: list[object] = []

    def take(self, path: str) -> sqlite3.Connection | None:
        """The one that was used last. Those whose file was moved away or replaced since are closed."""
        idle, file = self._idle[path], file_at(path)
        while idle:
            try:
                opened, connection = idle.pop()
            except IndexError:  # another thread was quicker
                return None
            if opened == file:
                return connection
            connection.close()
        return None

    def give(self, path: str, file: _File, connection: sqlite3.Connection) -> bool:
        """False when there are enough of them."""
        idle = self._idle[path]
        if len(idle) >= MOST_IDLE:
            return False
        idle.append((file, connection))
        return True

    def close(self) -> None:
        """The last connection that is closed writes the log back into the database."""
        for idle in list(self._idle.values()):
            while idle:
                idle.pop()[1].close()

    def leave_to_parent(self) -> None:
        """SQLite allows nothing to be done to a connection that came through a fork, not even to close it."""
        self._of_parent.append(self._idle)
        self._idle = defaultdict(deque)


_pool = _Pool()
atexit.register(_pool.close)
os.register_at_fork(after_in_child=_pool.leave_to_parent)


def file_at(path: str) -> _File | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection is given back when it is closed, unless it was in a transaction or had an error."""

    _file: _File | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        path = str(conn_params["database"])
        connection = _pool.take(path) or super().get_new_connection(conn_params)
        self._file = file_at(path)
        return connection

    def _close(self) -> None:
        connection, file = self.connection, self._file
        is_clean = not (self.in_atomic_block or self.errors_occurred or (connection and connection.in_transaction))
        is_kept = connection and file and is_clean and _pool.give(str(self.settings_dict["NAME"]), file, connection)
        if not is_kept:
            super()._close()  # type: ignore[misc]  # the stubs do not know it
