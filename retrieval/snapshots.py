"""A process's cache of what writers publish: opened once per generation, opened again when the marker file changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from retrieval.errors import RetrievalError

logger = logging.getLogger(__name__)
T = TypeVar("T")
ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    signature: tuple[int, int, int]
    value: T


class Snapshots(Generic[T]):
    """`open_snapshot(folder, previous)` opens what `folder/marker` announces. Writers replace the marker atomically, last."""

    def __init__(self, marker: str, open_snapshot: Callable[[Path, T | None], T]) -> None:
        self._marker = marker
        self._open = open_snapshot
        self._entries: dict[Path, _Entry[T]] = {}
        self._opening: dict[Path, threading.Lock] = {}

    def get(self, folder: Path) -> T | None:
        """The newest sound snapshot, or None when nothing was ever published there.

        A damaged generation is refused (RetrievalError `index_corrupt`), unless an earlier one is still at hand."""
        entry = self._entries.get(folder)
        if entry is not None and entry.signature == self._signature(folder):
            return entry.value
        with self._opening.setdefault(folder, threading.Lock()):
            return self._refresh(folder)

    def _signature(self, folder: Path) -> tuple[int, int, int] | None:
        try:
            status = (folder / self._marker).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _refresh(self, folder: Path) -> T | None:
        for attempt in range(ATTEMPTS):
            signature = self._signature(folder)
            if signature is None:  # dropped: an earlier snapshot must not answer for it
                self._entries.pop(folder, None)
                return None
            previous = self._entries.get(folder)
            if previous is not None and previous.signature == signature:
                return previous.value
            try:
                value = self._open(folder, previous.value if previous else None)
            except RetrievalError as error:
                if self._signature(folder) != signature and attempt < ATTEMPTS - 1:
                    continue  # a writer published the next generation and deleted this one meanwhile
                if previous is None:
                    raise
                logger.error("%s is damaged (%s); the generation in memory goes on answering", folder.name, error.code)
                value = previous.value
            self._entries[folder] = _Entry(signature, value)
            return value
        raise AssertionError("unreachable: the last attempt returns or raises")
