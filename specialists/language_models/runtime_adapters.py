"""Adapters that a server loads while it runs: each is asked for once, when it is first wanted, from a folder that it sees."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

REST_S = 60.0  # after a refusal, before the server is asked for the same adapter again


class RuntimeAdapters:
    """`at`: the folder of the adapters' folders as the server sees it; where it is empty, nothing is loaded. `ask`: has the
    server load a name from a path, and returns why it did not, or nothing. Thread-safe."""

    def __init__(self, at: str, ask: Callable[[str, str], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._at = at.rstrip("/")
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: set[str] = set()
        self._rests: dict[str, float] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._loaded))

    def load(self, name: str) -> bool:
        """Whether the server has it now. What it refuses is said once, and asked for again after a while."""
        if name in self._loaded:
            return True
        if not self._at or not name or "/" in name or name.startswith("."):
            return False
        with self._lock:  # of two questions at once, one asks
            if name in self._loaded:
                return True
            if self._clock() < self._rests.get(name, 0.0):
                return False
            why = self._ask(name, f"{self._at}/{name}")
            if not why:
                self._loaded.add(name)
                self._rests.pop(name, None)
                return True
            if name not in self._rests:
                logger.warning("%s The base model answers instead of the adapter %s.", why, name)
            self._rests[name] = self._clock() + REST_S
            return False

    def load_again(self, name: str) -> bool:
        """Of one that the server has lost, as when it was started again: whether it has it now."""
        with self._lock:
            was_loaded = name in self._loaded
            self._loaded.discard(name)
        return was_loaded and self.load(name)
